//! What is known of each provider: data, one file a row in `rows`.
//!
//! A row says how to speak to a provider before the first call, so that what it cannot do is known and handled instead
//! of met. A mount names its row by `provider:`, or its endpoint's host tells it; what neither tells is
//! `other`, the careful row.

mod dialect;
mod keys;
mod page;
mod rows;

pub use dialect::{
    Addressing, BulkDelete, Conditions, CopyAbsent, CopyLimits, Dialect, ListVersion, Listing, Overrides, PartLimits,
};
pub use keys::{Form, Keys, Letters};
pub use page::page;

/// One row.
#[derive(Debug, PartialEq, Eq)]
pub struct Provider {
    /// The word after `provider:`.
    pub word: &'static str,
    /// Other words for it, in small letters.
    pub also: &'static [&'static str],
    /// What people call it.
    pub title: &'static str,
    /// Host of the service, with `{region}` where the region stands. `None`: only its user knows it.
    pub endpoint: Option<&'static str>,
    /// Hosts that are this provider's, without a bucket in front. `{region}` is the region, `*` is any text, and one or
    /// more labels where it stands first. The first that fits counts.
    pub hosts: &'static [&'static str],
    /// What to sign for where neither the mount nor the host tells the region. `None`: the mount must.
    pub region: Option<&'static str>,
    /// What it makes of the region that is signed for.
    pub regions: Regions,
    /// How it speaks S3.
    pub dialect: Dialect,
    /// Whether the keys of a mount are exchanged for temporary ones, with which endpoint and bucket come.
    pub exchanges_keys: bool,
    /// Whether it takes the session token of temporary keys.
    pub session_token: bool,
    /// Whether links can be signed for a host that is not its own.
    pub custom_hosts: CustomHosts,
    /// What its keys look like.
    pub keys: Keys,
    /// How the CORS rules of a bucket are set.
    pub cors: Cors,
    /// What `docs/providers.md` says of it.
    pub page: Page,
}

/// What a provider makes of the region that is signed for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Regions {
    /// It refuses another than the bucket's.
    Checked,
    /// It does not look at it. In its hosts this prefix stands before it, and people write it with the region.
    Named {
        /// `oss-`
        prefix: &'static str,
    },
    /// It does not look at it.
    Any,
    /// It is always [`Provider::region`], whatever a mount says.
    Fixed,
}

/// Whether links can be signed for a custom host.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CustomHosts {
    /// For one that is bound to the bucket.
    Signed,
    /// Never, for this reason.
    Unsigned(&'static str),
    /// Nobody is known to have tried.
    NotKnown,
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
    /// The row of this word, or of another word for it. Capitals do not matter.
    pub fn named(word: &str) -> Option<&'static Self> {
        let is = |name: &str| name.eq_ignore_ascii_case(word);
        Self::all().find(|row| is(row.word) || row.also.iter().any(|also| is(also)))
    }

    /// The row whose host this is, in small letters.
    pub fn of_host(host: &str) -> Option<&'static Self> {
        Self::all().find(|row| row.has_host(host))
    }

    /// The careful row, for a provider that nothing is known of.
    pub fn other() -> &'static Self {
        &rows::OTHER
    }

    /// The row of a mount that names neither a provider nor an endpoint.
    pub fn amazon() -> &'static Self {
        &rows::AMAZON
    }

    /// All rows, in the order of the page.
    pub fn all() -> impl Iterator<Item = &'static Self> {
        rows::ALL.iter().copied()
    }

    /// Whether a host is this provider's.
    pub fn has_host(&self, host: &str) -> bool {
        self.hosts.iter().any(|pattern| matched(pattern, host).is_some())
    }

    /// The region that a host of this provider tells.
    pub fn region_in<'h>(&self, host: &'h str) -> Option<&'h str> {
        self.hosts.iter().find_map(|pattern| matched(pattern, host)).flatten()
    }

    /// The host of the service in a region.
    pub fn host_in(&self, region: &str) -> Option<String> {
        let host = self.endpoint?.replace("{region}", region);
        // China is a partition of its own.
        Some(if host.ends_with(".amazonaws.com") && region.starts_with("cn-") { host + ".cn" } else { host })
    }
}

/// Whether a host fits a pattern, and the region in it.
fn matched<'h>(pattern: &str, host: &'h str) -> Option<Option<&'h str>> {
    let mut patterns = pattern.split('.').rev();
    let mut labels = host.split('.').rev();
    let mut region = None;
    while let Some(pattern) = patterns.next() {
        let label = labels.next()?;
        if label.is_empty() {
            return None;
        }
        if let Some((before, after)) = pattern.split_once("{region}") {
            let found = label.strip_prefix(before)?.strip_suffix(after)?;
            region = Some(found).filter(|found| !found.is_empty());
            region?;
        } else if let Some((before, after)) = pattern.split_once('*') {
            label.strip_prefix(before)?.strip_suffix(after)?;
            if pattern == "*" && patterns.next().is_none() {
                return labels.all(|label| !label.is_empty()).then_some(region);
            }
        } else if pattern != label {
            return None;
        }
    }
    labels.next().is_none().then_some(region)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_host_tells_its_row_and_region() {
        let told = |host| Provider::of_host(host).map(|row| (row.word, row.region_in(host)));
        assert_eq!(told("s3.eu-west-3.amazonaws.com"), Some(("amazon", Some("eu-west-3"))));
        assert_eq!(told("s3.amazonaws.com"), Some(("amazon", None)));
        assert_eq!(told("s3-accelerate.amazonaws.com"), Some(("amazon", None)));
        assert_eq!(told("s3-us-west-2.amazonaws.com"), Some(("amazon", Some("us-west-2"))));
        assert_eq!(told("s3.amazonaws.com.evil.example"), None);
        assert_eq!(told("oss-cn-hangzhou-internal.aliyuncs.com"), Some(("oss", Some("cn-hangzhou"))));
        assert_eq!(told("oss-accelerate.aliyuncs.com"), Some(("oss", None)));
        assert_eq!(told("s3.oss-cn-hangzhou.aliyuncs.com"), Some(("oss", Some("cn-hangzhou"))));
        assert_eq!(told("cos.ap-guangzhou.myqcloud.com"), Some(("cos", Some("ap-guangzhou"))));
        assert_eq!(told("account.r2.cloudflarestorage.com"), Some(("r2", None)));
        assert_eq!(told("account.eu.r2.cloudflarestorage.com"), Some(("r2", None)));
        assert_eq!(told("r2.cloudflarestorage.com"), None);
        assert_eq!(told(".r2.cloudflarestorage.com"), None);
        assert_eq!(told("eos-wuxi-1.cmecloud.cn"), Some(("eos", None)));
        assert_eq!(told("s3..amazonaws.com"), None);
        assert_eq!(told("127.0.0.1"), None);
    }

    #[test]
    fn rows_have_words_of_their_own() {
        let mut words: Vec<_> = Provider::all().flat_map(|row| row.also.iter().copied().chain([row.word])).collect();
        words.sort_unstable();
        let count = words.len();
        words.dedup();
        assert_eq!(words.len(), count);
    }

    #[test]
    fn a_row_knows_its_own_endpoint() {
        for row in Provider::all() {
            if let Some(host) = row.host_in("place-1") {
                assert_eq!(Provider::of_host(&host).map(|found| found.word), Some(row.word));
                let told = row.endpoint.is_some_and(|template| template.contains('{')).then_some("place-1");
                assert_eq!(row.region_in(&host), told, "{host}");
            }
        }
    }

    #[test]
    fn the_careful_row_trusts_no_condition_that_could_be_ignored() {
        let conditions = Provider::other().dialect.conditions;
        assert!(!conditions.write_absent && !conditions.write_matches && !conditions.delete);
        assert_eq!(conditions.copy_absent, CopyAbsent::No);
    }

    #[test]
    fn a_row_stays_within_what_s3_itself_takes() {
        for row in Provider::all() {
            let Dialect { bulk_delete, copy, parts, .. } = row.dialect;
            assert!(!matches!(bulk_delete, BulkDelete::Keys(keys) if !(1..=1000).contains(&keys)), "{}", row.word);
            assert!(parts.most <= 10_000 && parts.least <= parts.largest, "{}", row.word);
            assert!(copy.largest <= CopyLimits::S3.largest || !copy.parts, "{}", row.word);
        }
    }
}
