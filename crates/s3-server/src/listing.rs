//! Listings in the order of bytes.

use std::collections::BTreeMap;
use std::ops::Bound;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

/// What a page is asked for.
#[derive(Clone, Debug)]
pub(crate) struct Query<'a> {
    pub(crate) prefix: &'a str,
    /// Empty: none.
    pub(crate) delimiter: &'a str,
    /// Names up to and including this one were given before. Empty: from the start.
    pub(crate) after: &'a str,
    pub(crate) limit: usize,
}

/// One line of a page.
#[derive(Debug)]
pub(crate) enum Item<'a, T> {
    Key(&'a str, &'a T),
    Prefix(&'a str),
}

impl<'a, T> Item<'a, T> {
    fn name(&self) -> &'a str {
        match self {
            Self::Key(name, _) | Self::Prefix(name) => name,
        }
    }
}

/// A page, and where the next one begins.
#[derive(Debug)]
pub(crate) struct Page<'a, T> {
    pub(crate) items: Vec<Item<'a, T>>,
    /// The last name of this page, if there is more.
    pub(crate) next: Option<&'a str>,
}

/// The page of `map` that `query` asks for. A common prefix counts as one name.
pub(crate) fn page<'a, T>(map: &'a BTreeMap<String, T>, query: &Query<'_>) -> Page<'a, T> {
    let mut items: Vec<Item<'a, T>> = Vec::new();
    if query.limit == 0 {
        return Page { items, next: None };
    }
    let from = if query.after >= query.prefix && !query.after.is_empty() {
        // After a common prefix everything below it was given with it.
        match rolled_up(query.after, query) {
            Some(group) if group == query.after => behind(group),
            _ => Bound::Excluded(query.after.to_owned()),
        }
    } else {
        Bound::Included(query.prefix.to_owned())
    };
    let rest = |from: Bound<String>| map.range::<String, _>((from.as_ref(), Bound::Unbounded));
    let mut names = rest(from);
    while let Some((key, value)) = names.next() {
        if !key.starts_with(query.prefix) {
            break;
        }
        if items.len() == query.limit {
            return Page { next: items.last().map(Item::name), items };
        }
        match rolled_up(key, query) {
            Some(group) => {
                items.push(Item::Prefix(group));
                names = rest(behind(group));
            }
            None => items.push(Item::Key(key, value)),
        }
    }
    Page { items, next: None }
}

/// The common prefix that `key` is listed as.
fn rolled_up<'k>(key: &'k str, query: &Query<'_>) -> Option<&'k str> {
    if query.delimiter.is_empty() {
        return None;
    }
    let rest = key.strip_prefix(query.prefix)?;
    let at = rest.find(query.delimiter)?;
    key.get(..query.prefix.len() + at + query.delimiter.len())
}

/// The first place behind all keys that begin with `group`.
fn behind(group: &str) -> Bound<String> {
    let mut chars = group.chars();
    // The order of UTF-8 is the order of code points, so the next code point in the last place is the bound.
    while let Some(last) = chars.next_back() {
        let next = (u32::from(last) + 1..=u32::from(char::MAX)).find_map(char::from_u32);
        if let Some(next) = next {
            return Bound::Included(format!("{}{next}", chars.as_str()));
        }
    }
    Bound::Excluded(format!("{group}{}", char::MAX))
}

/// The continuation token behind `name`. It is opaque to clients, as on AWS, so that none learns to build one.
pub(crate) fn token(name: &str) -> String {
    URL_SAFE_NO_PAD.encode(name)
}

/// The name that [`token`] was made of.
pub(crate) fn from_token(token: &str) -> Option<String> {
    String::from_utf8(URL_SAFE_NO_PAD.decode(token).ok()?).ok()
}

/// The encoding of `encoding-type=url`: as in a form, a space is a plus, and slashes stay.
pub(crate) fn encode(name: &str) -> String {
    let mut text = String::with_capacity(name.len());
    for byte in name.bytes() {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'_' | b'.' | b'/' | b'*' => text.push(char::from(byte)),
            b' ' => text.push('+'),
            _ => text.push_str(percent_encoding::percent_encode_byte(byte)),
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(keys: &[&str], prefix: &str, delimiter: &str, limit: usize) -> Vec<String> {
        let map: BTreeMap<String, ()> = keys.iter().map(|key| ((*key).to_owned(), ())).collect();
        let mut names = Vec::new();
        let mut after = String::new();
        loop {
            let page = page(&map, &Query { prefix, delimiter, after: &after, limit });
            assert!(page.items.len() <= limit);
            names.extend(page.items.iter().map(|item| item.name().to_owned()));
            match page.next {
                Some(next) => after = next.to_owned(),
                None => return names,
            }
        }
    }

    const KEYS: &[&str] =
        &["a", "a!", "a-1", "a/", "a//b", "a/b", "a/b/c", "a0", "ab", "b/x", "b/\u{10ffff}", "e\u{301}", "\u{e9}"];

    #[test]
    fn every_page_size_gives_the_same_names() {
        for limit in 1..=KEYS.len() + 1 {
            assert_eq!(names(KEYS, "", "", limit), KEYS, "pages of {limit}");
            let top = ["a", "a!", "a-1", "a/", "a0", "ab", "b/", "e\u{301}", "\u{e9}"];
            assert_eq!(names(KEYS, "", "/", limit), top, "pages of {limit}");
            assert_eq!(names(KEYS, "a/", "/", limit), ["a/", "a//", "a/b", "a/b/"], "pages of {limit}");
            assert_eq!(names(KEYS, "a", "/b", limit), ["a", "a!", "a-1", "a/", "a//b", "a/b", "a0", "ab"]);
        }
    }

    #[test]
    fn a_start_inside_a_prefix_still_lists_the_rest_of_it() {
        let map: BTreeMap<String, ()> = KEYS.iter().map(|key| ((*key).to_owned(), ())).collect();
        let page = page(&map, &Query { prefix: "", delimiter: "/", after: "a//b", limit: 1 });
        assert_eq!(page.items[0].name(), "a/");
    }

    #[test]
    fn a_prefix_that_ends_with_the_last_code_point_is_left_behind() {
        let key = format!("x{0}{0}", char::MAX);
        assert_eq!(names(&[&key, "y"], "", &char::MAX.to_string(), 1), [format!("x{}", char::MAX), "y".into()]);
    }

    #[test]
    fn tokens_and_encoded_names_hold_any_name() {
        let name = "a b+c/%\u{e9}~";
        assert_eq!(from_token(&token(name)).as_deref(), Some(name));
        assert_eq!(from_token("%"), None);
        assert_eq!(encode(name), "a+b%2Bc/%25%C3%A9%7E");
    }
}
