//! What is known of each provider: data, one file a row in [`rows`].
//!
//! A row says how to speak to a provider before the first call, so that what it cannot do is known and handled instead
//! of met. A mount names its row by `provider:`, or its endpoint's host tells it; what neither tells is
//! [`other`](rows::OTHER), the careful row.

mod dialect;
mod rows;

pub use dialect::{
    Addressing, BulkDelete, Conditions, CopyAbsent, CopyLimits, Dialect, ListVersion, Listing, Overrides, PartLimits,
};

/// One row.
#[derive(Debug, PartialEq, Eq)]
pub struct Provider {
    /// The word after `provider:`.
    pub word: &'static str,
    /// What people call it.
    pub title: &'static str,
    /// Host of the service, with `{region}` where the region stands. `None`: only its user knows it.
    pub endpoint: Option<&'static str>,
    /// Hosts that are this provider's. `{region}` is the label that is the region, `*` is one or more labels.
    pub hosts: &'static [&'static str],
    /// What to sign for where neither the mount nor the host tells the region. `None`: the mount must.
    pub region: Option<&'static str>,
    /// How it speaks S3.
    pub dialect: Dialect,
    /// Whether it takes the session token of temporary keys.
    pub session_token: bool,
    /// How the CORS rules of a bucket are set.
    pub cors: Cors,
    /// What `docs/providers.md` says of it.
    pub page: Page,
}

/// How the CORS rules of a bucket are set.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cors {
    /// GetBucketCors and PutBucketCors.
    S3,
    /// Backblaze's native API: `b2_update_bucket`.
    B2,
    /// By hand, as this says.
    ByHand(&'static str),
}

/// What a reader of `docs/providers.md` gets to know besides the fields.
#[derive(Debug, PartialEq, Eq)]
pub struct Page {
    /// How its links behave, and what else a user meets. One sentence each.
    pub notes: &'static [&'static str],
    /// What the row was tested with.
    pub tested_with: &'static [&'static str],
    /// Where the facts come from: repository and file or issue, page of the vendor.
    pub sources: &'static [&'static str],
    /// Lines of a mount to copy, without `path`, `driver` and `provider`.
    pub example: &'static str,
}

impl Provider {
    /// The row of this word.
    pub fn named(word: &str) -> Option<&'static Self> {
        Self::all().find(|row| row.word == word)
    }

    /// The row whose host this is.
    pub fn of_host(host: &str) -> Option<&'static Self> {
        Self::all().find(|row| row.hosts.iter().any(|pattern| matched(pattern, host).is_some()))
    }

    /// The careful row, for a provider that nothing is known of.
    pub fn other() -> &'static Self {
        &rows::OTHER
    }

    /// All rows, in the order of the page.
    pub fn all() -> impl Iterator<Item = &'static Self> {
        rows::ALL.iter().copied()
    }

    /// The region that a host of this provider tells.
    pub fn region_in<'h>(&self, host: &'h str) -> Option<&'h str> {
        self.hosts.iter().find_map(|pattern| matched(pattern, host).flatten())
    }
}

/// Whether a host fits a pattern, and the region in it.
fn matched<'h>(pattern: &str, host: &'h str) -> Option<Option<&'h str>> {
    let pattern: Vec<&str> = pattern.split('.').collect();
    let labels: Vec<&str> = host.split('.').collect();
    // `*` stands first, where it stands at all.
    let (pattern, labels) = match pattern.split_first() {
        Some((&"*", rest)) if labels.len() > rest.len() => {
            (rest.to_vec(), labels[labels.len() - rest.len()..].to_vec())
        }
        Some((&"*", _)) => return None,
        _ => (pattern, labels),
    };
    if pattern.len() != labels.len() {
        return None;
    }
    let mut region = None;
    for (pattern, label) in pattern.iter().zip(&labels) {
        match pattern.split_once("{region}") {
            Some((before, after)) => {
                let found = label.strip_prefix(before)?.strip_suffix(after)?;
                region = Some(found).filter(|found| !found.is_empty());
                region?;
            }
            None if pattern.eq_ignore_ascii_case(label) => {}
            None => return None,
        }
    }
    Some(region)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_host_tells_its_row_and_region() {
        let told = |host| Provider::of_host(host).map(|row| (row.word, row.region_in(host)));
        assert_eq!(told("s3.eu-west-3.amazonaws.com"), Some(("amazon", Some("eu-west-3"))));
        assert_eq!(told("s3.amazonaws.com"), Some(("amazon", None)));
        assert_eq!(told("s3.amazonaws.com.evil.example"), None);
        assert_eq!(told("127.0.0.1"), None);
    }

    #[test]
    fn rows_have_words_of_their_own() {
        let mut words: Vec<_> = Provider::all().map(|row| row.word).collect();
        words.sort_unstable();
        let count = words.len();
        words.dedup();
        assert_eq!(words.len(), count);
    }
}
