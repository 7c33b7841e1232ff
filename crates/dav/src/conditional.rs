//! The conditional headers of RFC 9110 section 13, in the order of its section 13.2.2.

use std::time::SystemTime;

use davmux_tree::{Etag, Node};
use http::HeaderMap;
use http::header::{IF_MATCH, IF_NONE_MATCH};

use crate::dates::{parse_http_date, whole_seconds};
use crate::headers::{list, single};
use crate::status::Failure;

/// What the conditional headers of a request ask for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Conditions {
    if_match: Option<Tags>,
    if_none_match: Option<Tags>,
    if_modified_since: Option<SystemTime>,
    if_unmodified_since: Option<SystemTime>,
}

/// The tags of `If-Match` or `If-None-Match`.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Tags {
    Any,
    Some(Vec<Tag>),
}

/// One entity tag as a client sends it, without its quotes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Tag {
    pub(crate) weak: bool,
    pub(crate) opaque: String,
}

/// The most tags that one header may hold.
const MOST_TAGS: usize = 1000;

/// What the headers say of what is there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Outcome {
    Proceed,
    /// 304, for GET and HEAD only.
    NotModified,
    /// 412.
    Failed,
}

impl Conditions {
    /// Reads the headers. What is not one date is ignored, as the RFC demands; a list of tags that cannot be read is
    /// refused: to ignore an `If-Match` could lose a file.
    pub(crate) fn parse(headers: &HeaderMap) -> Result<Self, Failure> {
        let tags = |name| match list(headers, name)? {
            None => Ok(None),
            Some(text) => Tags::parse(&text)
                .map(Some)
                .ok_or_else(|| Failure::bad_request(format!("the header {name} is not a list of entity tags"))),
        };
        let date = |name| single(headers, name).ok().flatten().and_then(parse_http_date);
        let (if_match, if_none_match) = (tags(&IF_MATCH)?, tags(&IF_NONE_MATCH)?);
        Ok(Self {
            if_unmodified_since: if if_match.is_some() { None } else { date("if-unmodified-since") },
            if_modified_since: if if_none_match.is_some() { None } else { date("if-modified-since") },
            if_match,
            if_none_match,
        })
    }

    /// Whether there is nothing to look at.
    pub(crate) fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// Weighs what is there; `reading`: GET and HEAD.
    pub(crate) fn evaluate(&self, current: Option<&Node>, reading: bool) -> Outcome {
        let etag = current.and_then(|node| node.etag.as_ref());
        // The page of a folder shows what changes without the folder's own time: its members' sizes and times.
        let dated = current.filter(|node| !(reading && node.is_dir()));
        let modified = dated.and_then(|node| node.modified).and_then(whole_seconds);
        let failed = match (&self.if_match, self.if_unmodified_since) {
            (Some(Tags::Any), _) => current.is_none(),
            (Some(Tags::Some(tags)), _) => !tags.iter().any(|tag| tag.is_strongly(etag)),
            (None, Some(date)) => modified.is_some_and(|modified| modified > date),
            (None, None) => false,
        };
        if failed {
            return Outcome::Failed;
        }
        match (&self.if_none_match, self.if_modified_since) {
            (Some(tags), _) => {
                let matched = match tags {
                    Tags::Any => current.is_some(),
                    Tags::Some(tags) => tags.iter().any(|tag| tag.is_weakly(etag)),
                };
                match (matched, reading) {
                    (false, _) => Outcome::Proceed,
                    (true, true) => Outcome::NotModified,
                    (true, false) => Outcome::Failed,
                }
            }
            (None, Some(date)) if reading && modified.is_some_and(|modified| modified <= date) => Outcome::NotModified,
            _ => Outcome::Proceed,
        }
    }
}

impl Tag {
    /// The strong comparison of RFC 9110 section 8.8.3.2.
    pub(crate) fn is_strongly(&self, etag: Option<&Etag>) -> bool {
        !self.weak && self.is_weakly(etag)
    }

    fn is_weakly(&self, etag: Option<&Etag>) -> bool {
        etag.is_some_and(|etag| etag.opaque() == self.opaque)
    }

    /// Takes a tag from the front of a text. Some clients leave the quotes out.
    fn take(text: &str) -> Option<(Self, &str)> {
        let (weak, rest) = match text.strip_prefix("W/") {
            Some(rest) => (true, rest),
            None => (false, text),
        };
        if let Some(rest) = rest.strip_prefix('"') {
            let (opaque, rest) = rest.split_once('"')?;
            return valid(opaque).then(|| (Self { weak, opaque: opaque.to_owned() }, rest));
        }
        let end = rest.find([',', ' ', '\t']).unwrap_or(rest.len());
        let (opaque, rest) = rest.split_at(end);
        (!weak && !opaque.is_empty() && !opaque.contains('"') && valid(opaque))
            .then(|| (Self { weak, opaque: opaque.to_owned() }, rest))
    }

    /// One whole tag in its quotes.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let (tag, rest) = Self::take(text)?;
        (rest.is_empty() && text.ends_with('"')).then_some(tag)
    }
}

fn valid(opaque: &str) -> bool {
    !opaque.chars().any(char::is_control)
}

impl Tags {
    fn parse(text: &str) -> Option<Self> {
        if text.trim() == "*" {
            return Some(Self::Any);
        }
        let mut tags = Vec::new();
        let mut rest = text;
        loop {
            rest = rest.trim_start_matches([',', ' ', '\t']);
            if rest.is_empty() {
                return (!tags.is_empty()).then_some(Self::Some(tags));
            }
            let (tag, after) = Tag::take(rest)?;
            rest = after.trim_start_matches([' ', '\t']);
            if tag.opaque == "*" || !(rest.is_empty() || rest.starts_with(',')) || tags.len() == MOST_TAGS {
                return None;
            }
            tags.push(tag);
        }
    }
}

/// Whether the range of a request counts, by its `If-Range` (RFC 9110 section 13.1.5). A date must be exactly the one that
/// we told: Finder goes on with a partial download by it.
pub(crate) fn range_counts(headers: &HeaderMap, node: &Node) -> Result<bool, Failure> {
    let Some(text) = single(headers, "if-range")? else { return Ok(true) };
    if let Some(tag) = Tag::parse(text) {
        return Ok(tag.is_strongly(node.etag.as_ref()));
    }
    let date = parse_http_date(text);
    Ok(date.is_some() && date == node.modified.and_then(whole_seconds))
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::HeaderValue;
    use http::header::HeaderName;
    use proptest::prelude::*;
    use std::time::{Duration, UNIX_EPOCH};

    const DATE: &str = "Sun, 06 Nov 1994 08:49:37 GMT";
    const BEFORE: &str = "Sun, 06 Nov 1994 08:49:36 GMT";

    fn node() -> Node {
        let mut node = Node::folder("a");
        node.kind = davmux_tree::Kind::File;
        node.etag = Etag::new("x");
        // Half a second more than a header can say.
        node.modified = Some(UNIX_EPOCH + Duration::from_millis(784_111_777_500));
        node
    }

    fn headers(pairs: &[(&str, &str)]) -> HeaderMap {
        pairs
            .iter()
            .map(|(name, value)| (name.parse::<HeaderName>().unwrap(), HeaderValue::from_str(value).unwrap()))
            .collect()
    }

    #[test]
    fn the_order_of_rfc_9110_holds() {
        use Outcome::{Failed, NotModified, Proceed};
        type Case = (&'static [(&'static str, &'static str)], Outcome, Outcome);
        let cases: &[Case] = &[
            (&[("if-match", "\"x\"")], Proceed, Failed),
            (&[("if-match", "\"y\", \"x\"")], Proceed, Failed),
            (&[("if-match", "W/\"x\"")], Failed, Failed),
            (&[("if-match", "*")], Proceed, Failed),
            (&[("if-match", "x")], Proceed, Failed),
            (&[("if-none-match", "\"x\"")], NotModified, Proceed),
            (&[("if-none-match", "W/\"x\"")], NotModified, Proceed),
            (&[("if-none-match", "\"y\"")], Proceed, Proceed),
            (&[("if-none-match", "*")], NotModified, Proceed),
            (&[("if-modified-since", DATE)], NotModified, Proceed),
            (&[("if-modified-since", BEFORE)], Proceed, Proceed),
            (&[("if-modified-since", "yesterday")], Proceed, Proceed),
            (&[("if-unmodified-since", DATE)], Proceed, Proceed),
            (&[("if-unmodified-since", BEFORE)], Failed, Proceed),
            // A tag is looked at instead of a date, and If-Match before If-None-Match.
            (&[("if-none-match", "\"y\""), ("if-modified-since", DATE)], Proceed, Proceed),
            (&[("if-match", "\"x\""), ("if-unmodified-since", BEFORE)], Proceed, Failed),
            (&[("if-match", "\"y\""), ("if-none-match", "\"x\"")], Failed, Failed),
        ];
        for (pairs, there, missing) in cases {
            let conditions = Conditions::parse(&headers(pairs)).unwrap();
            assert!(!conditions.is_empty() || pairs[0].1 == "yesterday", "{pairs:?}");
            assert_eq!(conditions.evaluate(Some(&node()), true), *there, "{pairs:?}");
            assert_eq!(conditions.evaluate(None, true), *missing, "{pairs:?}, nothing there");
        }
    }

    #[test]
    fn a_change_never_answers_304() {
        let conditions = Conditions::parse(&headers(&[("if-none-match", "*")])).unwrap();
        assert_eq!(conditions.evaluate(Some(&node()), false), Outcome::Failed);
        let conditions = Conditions::parse(&headers(&[("if-modified-since", DATE)])).unwrap();
        assert_eq!(conditions.evaluate(Some(&node()), false), Outcome::Proceed);
    }

    #[test]
    fn a_list_of_tags_that_cannot_be_read_is_refused() {
        for bad in ["", ",", "\"x", "\"x\" \"y\"", "W/x", "*, \"x\"", "\"x\"y"] {
            assert!(Conditions::parse(&headers(&[("if-match", bad)])).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn a_range_counts_by_tag_or_by_the_very_date() {
        for (value, expected) in
            [("\"x\"", true), ("\"y\"", false), ("W/\"x\"", false), (DATE, true), (BEFORE, false), ("x", false)]
        {
            assert_eq!(range_counts(&headers(&[("if-range", value)]), &node()).unwrap(), expected, "{value}");
        }
        assert!(range_counts(&HeaderMap::new(), &node()).unwrap());
    }

    proptest! {
        #[test]
        fn any_text_is_a_list_or_none(text in "[\\x20-\\x7e]{0,60}") {
            if let Some(Tags::Some(tags)) = Tags::parse(&text) {
                prop_assert!(!tags.is_empty() && tags.iter().all(|tag| !tag.opaque.contains('"')));
            }
        }
    }
}
