//! Which host names which bucket.

use std::collections::BTreeMap;

use s3s::S3Result;
use s3s::host::{S3Host, VirtualHost};

/// How a request names its bucket.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Naming {
    /// In the path, or not at all.
    Path,
    /// In the host, before a domain of the server.
    Host,
    /// The host is bound to the bucket; signatures hold there.
    Bound,
    /// The host gives out the bucket's objects to anyone, and knows no signatures.
    Public,
}

/// The hosts that the server answers as. A host without any of them has its bucket in the path.
#[derive(Clone, Debug, Default)]
pub(crate) struct Hosts {
    pub(crate) domains: Vec<String>,
    /// By host, without a port.
    pub(crate) own: BTreeMap<String, (String, Naming)>,
}

impl Hosts {
    /// The bucket that `host`, with or without a port, names.
    pub(crate) fn bucket<'a>(&'a self, host: &'a str) -> Option<(&'a str, Naming)> {
        let name = match host.rsplit_once(':') {
            Some((name, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) => name,
            _ => host,
        };
        if let Some((bucket, naming)) = self.own.get(name) {
            return Some((bucket, *naming));
        }
        let below = |domain: &String| name.strip_suffix(domain.as_str())?.strip_suffix('.');
        let bucket = self.domains.iter().find_map(below).filter(|bucket| !bucket.is_empty())?;
        Some((bucket, Naming::Host))
    }
}

impl S3Host for Hosts {
    fn parse_host_header<'a>(&'a self, host: &'a str) -> S3Result<VirtualHost<'a>> {
        let parsed = VirtualHost::new(host);
        Ok(match self.bucket(host) {
            Some((bucket, _)) => parsed.with_bucket(bucket),
            None => parsed,
        })
    }
}
