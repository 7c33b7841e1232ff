//! [`Admin`]: what an administrator asks of a storage, beside its files and folders.

use std::fmt;
use std::pin::Pin;
use std::time::SystemTime;

use async_trait::async_trait;
use futures_core::Stream;

use crate::{Driver, Error, ErrorKind, Finding, RelPath, Report, Result};

/// One rule of a storage for requests that a web page makes from another origin (CORS, the Fetch standard section 3.3).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CorsRule {
    /// The name by which the storage keeps it.
    pub name: Option<String>,
    /// Origins that may ask: `*`, or `https://example.com`.
    pub origins: Vec<String>,
    /// What they may do, in the storage's words: methods, or the names of its operations.
    pub operations: Vec<String>,
    /// Request headers that they may send; `*` is every one.
    pub headers: Vec<String>,
    /// Response headers that they may read.
    pub exposed: Vec<String>,
    /// How long a browser may remember the answer, in seconds.
    pub max_age: Option<u32>,
}

impl CorsRule {
    /// Whether both allow the same. Names and order do not count, nor does the case of a header's name.
    pub fn allows_the_same(&self, other: &Self) -> bool {
        same(&self.origins, &other.origins, str::to_owned)
            && same(&self.operations, &other.operations, str::to_owned)
            && same(&self.headers, &other.headers, str::to_ascii_lowercase)
            && same(&self.exposed, &other.exposed, str::to_ascii_lowercase)
            && self.max_age == other.max_age
    }

    /// `rules` with this one: it takes the place of the one of its name, or comes last; all others stay. `None` where one of
    /// them allows the same already, so that nothing is to be done.
    pub fn added_to(self, rules: &[Self]) -> Option<Vec<Self>> {
        if rules.iter().any(|rule| rule.allows_the_same(&self)) {
            return None;
        }
        let mut rules = rules.to_vec();
        match rules.iter_mut().find(|rule| self.name.is_some() && rule.name == self.name) {
            Some(rule) => *rule = self,
            None => rules.push(self),
        }
        Some(rules)
    }
}

/// Whether two lists hold the same texts, as sets.
fn same(one: &[String], other: &[String], form: fn(&str) -> String) -> bool {
    let set = |texts: &[String]| texts.iter().map(|text| form(text)).collect::<std::collections::BTreeSet<_>>();
    set(one) == set(other)
}

/// A multipart upload that was begun and neither completed nor aborted, by whatever tool.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UploadInProgress {
    /// The whole key in the bucket. It need not be one that a [`RelPath`] can say.
    pub key: String,
    /// The storage's id of it.
    pub id: String,
    /// When it was begun, where the storage tells.
    pub started: Option<SystemTime>,
}

/// Pages of uploads in progress. Only a stream that ended without an error holds all of them.
pub type UploadPages = Pin<Box<dyn Stream<Item = Result<Vec<UploadInProgress>>> + Send>>;

/// What an administrator asks of a storage: rarely, by hand, and never on behalf of a client. What a storage does not have it
/// answers with [`Unsupported`](ErrorKind::Unsupported), which is what every method does by itself; the detail then says what
/// to do by hand, where there is something.
#[async_trait]
pub trait Admin: fmt::Debug + Send + Sync + 'static {
    /// Looks at all that `davmux doctor` tells of, and tells it while it goes. It changes nothing that was there before, and
    /// writes only where `may_write` says so; what it writes goes again before it ends, unless it is dropped. Whether the
    /// storage answers at all.
    async fn probe(&self, _may_write: bool, report: &dyn Report) -> bool {
        report.found(Finding::skipped("storage", "this kind of storage cannot be looked at"));
        true
    }

    /// The rule by which web pages of these origins may read and write files here over links; `None` where the storage knows
    /// no such rules. It is known without asking the storage.
    fn cors_rule(&self, _origins: &[String]) -> Option<CorsRule> {
        None
    }

    /// The CORS rules as they are, in the storage's order.
    async fn cors(&self) -> Result<Vec<CorsRule>> {
        Err(unsupported("read CORS rules", "this kind of storage has none"))
    }

    /// Puts the rules `to` in the place of the rules `from`. A rule that both have is left as it is.
    ///
    /// # Errors
    /// [`Precondition`](ErrorKind::Precondition) where the rules are no longer `from`.
    async fn set_cors(&self, _from: &[CorsRule], _to: &[CorsRule]) -> Result<()> {
        Err(unsupported("set CORS rules", "this kind of storage has none"))
    }

    /// The uploads in progress below the storage's root, whoever began them.
    fn uploads(&self) -> Result<UploadPages> {
        Err(unsupported("list uploads", "this kind of storage has no multipart uploads"))
    }

    /// How many bytes of an upload have arrived.
    async fn upload_size(&self, _upload: &UploadInProgress) -> Result<u64> {
        Err(unsupported("look at an upload", "this kind of storage has no multipart uploads"))
    }

    /// Removes one upload and what has arrived of it; one that is gone is a success.
    ///
    /// # Errors
    /// [`Denied`](ErrorKind::Denied) for one that is not below the storage's root.
    async fn abort(&self, _upload: &UploadInProgress) -> Result<()> {
        Err(unsupported("abort an upload", "this kind of storage has no multipart uploads"))
    }
}

/// A storage as its administrator has it: files and folders, and what is asked beside them.
pub trait Administered: Driver + Admin {}

impl<D: Driver + Admin> Administered for D {}

fn unsupported(op: &'static str, why: &str) -> Error {
    Error::new(ErrorKind::Unsupported, op, &RelPath::root()).with_detail(why)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn texts(text: &str) -> Vec<String> {
        text.split_whitespace().map(str::to_owned).collect()
    }

    fn rule(name: &str, origins: &str) -> CorsRule {
        CorsRule {
            name: (!name.is_empty()).then(|| name.to_owned()),
            origins: texts(origins),
            operations: texts("GET PUT"),
            headers: texts("range content-type"),
            exposed: texts("ETag"),
            max_age: Some(3600),
        }
    }

    #[test]
    fn order_names_and_the_case_of_headers_make_no_difference() {
        let one = rule("one", "*");
        let other = CorsRule {
            operations: texts("PUT GET"),
            headers: texts("Content-Type Range"),
            exposed: texts("etag"),
            ..rule("other", "*")
        };
        assert!(one.allows_the_same(&other));
        for different in [
            rule("one", "https://a.example"),
            CorsRule { operations: texts("GET"), ..one.clone() },
            CorsRule { operations: texts("GET put"), ..one.clone() },
            CorsRule { headers: texts("*"), ..one.clone() },
            CorsRule { exposed: Vec::new(), ..one.clone() },
            CorsRule { max_age: None, ..one.clone() },
        ] {
            assert!(!one.allows_the_same(&different), "{different:?}");
        }
    }

    #[test]
    fn a_rule_is_added_once_and_others_stay_as_they_are() {
        let others = [rule("theirs", "https://a.example"), rule("", "https://b.example")];
        let added = rule("ours", "*").added_to(&others).unwrap();
        assert_eq!(added[..2], others);
        assert_eq!(added[2], rule("ours", "*"));
        assert_eq!(rule("ours", "*").added_to(&added), None);
        assert_eq!(rule("of another name", "*").added_to(&added), None);
        let changed = rule("ours", "https://c.example").added_to(&added).unwrap();
        assert_eq!(changed, [others[0].clone(), others[1].clone(), rule("ours", "https://c.example")]);
        assert_eq!(rule("", "*").added_to(&others).unwrap().len(), 3, "no name is no name in common");
    }
}
