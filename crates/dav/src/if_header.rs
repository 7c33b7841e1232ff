//! `If` (RFC 4918 section 10.4): its grammar.

use crate::conditional::Tag;

/// A whole header: it holds where one of its lists holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct IfHeader {
    pub(crate) lists: Vec<List>,
}

/// Conditions that must hold together.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct List {
    /// The URL that they are about; `None`: the request's own.
    pub(crate) resource: Option<String>,
    pub(crate) conditions: Vec<Condition>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Condition {
    pub(crate) not: bool,
    pub(crate) state: State,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum State {
    /// A lock token, or any other URI: one that is on no resource is simply false.
    Token(String),
    Etag(Tag),
}

/// The most conditions in one header; more are refused like any other nonsense.
const MOST_CONDITIONS: usize = 2000;

impl IfHeader {
    /// Reads a header's value; `None` where it breaks the grammar.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let mut lists: Vec<List> = Vec::new();
        let mut resource: Option<String> = None;
        let mut count = 0;
        let mut rest = skip(text);
        let tagged = rest.starts_with('<');
        while !rest.is_empty() {
            if tagged && rest.starts_with('<') {
                let (url, after) = angled(rest)?;
                resource = Some(url.to_owned());
                rest = skip(after);
                if !rest.starts_with('(') {
                    return None;
                }
            }
            rest = skip(rest.strip_prefix('(')?);
            let mut conditions = Vec::new();
            loop {
                if let Some(after) = rest.strip_prefix(')') {
                    rest = skip(after);
                    break;
                }
                let not = rest.get(..3).is_some_and(|word| word.eq_ignore_ascii_case("not"));
                if not {
                    rest = skip(&rest[3..]);
                }
                let state = match rest.as_bytes().first()? {
                    b'<' => {
                        let (token, after) = angled(rest)?;
                        rest = skip(after);
                        State::Token(token.to_owned())
                    }
                    b'[' => {
                        // A tag may hold a bracket: its closing quote comes first.
                        let inner = &rest[1..];
                        let open = inner.find('"')?;
                        let close = open + 1 + inner[open + 1..].find('"')?;
                        let tag = Tag::parse(inner[..=close].trim_matches([' ', '\t']))?;
                        rest = skip(skip(&inner[close + 1..]).strip_prefix(']')?);
                        State::Etag(tag)
                    }
                    _ => return None,
                };
                count += 1;
                if count > MOST_CONDITIONS {
                    return None;
                }
                conditions.push(Condition { not, state });
            }
            if conditions.is_empty() {
                return None;
            }
            lists.push(List { resource: resource.clone(), conditions });
        }
        (!lists.is_empty()).then_some(Self { lists })
    }

    /// Every token that the header names. Naming one submits it, wherever it stands (section 10.4.1).
    pub(crate) fn tokens(&self) -> impl Iterator<Item = &str> {
        self.lists.iter().flat_map(|list| &list.conditions).filter_map(|condition| match &condition.state {
            State::Token(token) => Some(token.as_str()),
            State::Etag(_) => None,
        })
    }
}

fn skip(text: &str) -> &str {
    text.trim_start_matches([' ', '\t'])
}

fn angled(text: &str) -> Option<(&str, &str)> {
    let (inner, rest) = text.strip_prefix('<')?.split_once('>')?;
    let inner = inner.trim_matches([' ', '\t']);
    (!inner.is_empty() && !inner.contains(['<', ' '])).then_some((inner, rest))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn token(text: &str) -> Condition {
        Condition { not: false, state: State::Token(text.to_owned()) }
    }

    fn etag(text: &str, weak: bool) -> Condition {
        Condition { not: false, state: State::Etag(Tag { weak, opaque: text.to_owned() }) }
    }

    fn not(condition: Condition) -> Condition {
        Condition { not: true, ..condition }
    }

    #[test]
    fn the_examples_of_the_rfc_are_read() {
        let parsed = IfHeader::parse(r#"(<urn:uuid:1> ["I am an ETag"]) (["I am another ETag"])"#).unwrap();
        assert_eq!(
            parsed.lists,
            [
                List { resource: None, conditions: vec![token("urn:uuid:1"), etag("I am an ETag", false)] },
                List { resource: None, conditions: vec![etag("I am another ETag", false)] },
            ]
        );
        let parsed = IfHeader::parse(
            r#"</resource1> (<urn:uuid:1> [W/"A weak ETag"]) (["strong ]ETag"]) </random> (Not <urn:uuid:2>)"#,
        )
        .unwrap();
        assert_eq!(parsed.lists[0].resource.as_deref(), Some("/resource1"));
        assert_eq!(parsed.lists[0].conditions, [token("urn:uuid:1"), etag("A weak ETag", true)]);
        assert_eq!(parsed.lists[1].resource.as_deref(), Some("/resource1"));
        assert_eq!(parsed.lists[1].conditions, [etag("strong ]ETag", false)]);
        assert_eq!(parsed.lists[2].resource.as_deref(), Some("/random"));
        assert_eq!(parsed.lists[2].conditions, [not(token("urn:uuid:2"))]);
        assert_eq!(parsed.tokens().collect::<Vec<_>>(), ["urn:uuid:1", "urn:uuid:2"]);
    }

    #[test]
    fn spaces_are_free() {
        let parsed = IfHeader::parse("(Not<DAV:no-lock>not<a>)(<b>)").unwrap();
        assert_eq!(parsed.lists[0].conditions, [not(token("DAV:no-lock")), not(token("a"))]);
        assert_eq!(parsed.lists.len(), 2);
    }

    #[test]
    fn what_breaks_the_grammar_is_refused() {
        for bad in [
            "",
            " ",
            "()",
            "(",
            "(<a>",
            "<a>",
            "<a> <b> (<c>)",
            "(<a>) <b> (<c>)",
            "(<>)",
            "(<a> not)",
            "([x])",
            "([\"x\"",
            "([\"x\"](<a>)",
            "(<a>) x",
            "(é)",
            "(noé)",
        ] {
            assert_eq!(IfHeader::parse(bad), None, "{bad:?}");
        }
    }

    #[test]
    fn a_flood_of_conditions_is_refused() {
        let header = format!("({})", "<a>".repeat(MOST_CONDITIONS + 1));
        assert_eq!(IfHeader::parse(&header), None);
    }

    proptest! {
        #[test]
        fn any_text_is_read_or_refused(text in "[(<>)\\[\\]\" a-cNnotTW/é]{0,80}") {
            if let Some(header) = IfHeader::parse(&text) {
                prop_assert!(header.lists.iter().all(|list| !list.conditions.is_empty()));
            }
        }
    }
}
