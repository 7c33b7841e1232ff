//! Where a bucket is: the host, and the path before its keys.

use http::Uri;
use http::uri::{Authority, Scheme};

use crate::key::encode_path;

/// Scheme, host and path before the keys of one bucket.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Place {
    scheme: Scheme,
    authority: String,
    /// Encoded, beginning with `/` or empty, never ending in one.
    base: String,
}

impl Place {
    /// The service itself, without a bucket; `None` where the text is no base URL. `scheme` stands in for one not given.
    pub(crate) fn service(text: &str, scheme: &Scheme) -> Option<Self> {
        let text = text.trim();
        let (scheme, rest) = match text.split_once("://") {
            Some((given, rest)) => (given.to_ascii_lowercase(), rest),
            None => (scheme.to_string(), text),
        };
        if !matches!(scheme.as_str(), "http" | "https") {
            return None;
        }
        let uri: Uri = format!("{scheme}://{rest}").parse().ok()?;
        let authority = uri.authority()?;
        if uri.query().is_some() || authority.host().is_empty() || authority.as_str().contains('@') {
            return None;
        }
        let scheme = uri.scheme()?.clone();
        Some(Self {
            authority: without_default_port(authority, &scheme),
            scheme,
            base: uri.path().trim_end_matches('/').to_owned(),
        })
    }

    /// The same at another host.
    pub(crate) fn with_host(mut self, host: &str) -> Self {
        self.authority = match self.port() {
            Some(port) => format!("{host}:{port}"),
            None => host.to_owned(),
        };
        self
    }

    /// The same with another path before the bucket or the keys.
    pub(crate) fn with_base(mut self, base: String) -> Self {
        self.base = base;
        self
    }

    /// The bucket in the path.
    pub(crate) fn with_bucket_in_path(mut self, bucket: &str) -> Self {
        self.base = format!("{}/{}", self.base, encode_path(bucket));
        self
    }

    /// The bucket in the host.
    pub(crate) fn with_bucket_in_host(mut self, bucket: &str) -> Self {
        self.authority = format!("{bucket}.{}", self.authority);
        self
    }

    /// Whether the bucket can stand in the host, by the rules that the SDK addresses it by: a name that is one DNS label
    /// (a wildcard certificate covers no more), and no IP address as host.
    pub(crate) fn takes_bucket_in_host(&self, bucket: &str) -> bool {
        let host = self.host();
        let is_ip = host.starts_with('[') || host.parse::<std::net::Ipv4Addr>().is_ok();
        let edge = |byte: Option<&u8>| byte.is_some_and(u8::is_ascii_alphanumeric);
        !is_ip
            && (3..=63).contains(&bucket.len())
            && edge(bucket.as_bytes().first())
            && edge(bucket.as_bytes().last())
            && bucket.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-')
    }

    /// The host without a port, in small letters.
    pub(crate) fn host(&self) -> &str {
        self.host_and_port().0
    }

    /// The port, where it is not the scheme's own.
    pub(crate) fn port(&self) -> Option<u16> {
        self.host_and_port().1
    }

    fn host_and_port(&self) -> (&str, Option<u16>) {
        match self.authority.rsplit_once(':').map(|(host, port)| (host, port.parse())) {
            Some((host, Ok(port))) => (host, Some(port)),
            _ => (&self.authority, None),
        }
    }

    /// The path before the bucket or the keys: empty, or beginning with `/`.
    pub(crate) fn base(&self) -> &str {
        &self.base
    }

    pub(crate) fn is_https(&self) -> bool {
        self.scheme == Scheme::HTTPS
    }

    pub(crate) fn scheme(&self) -> &Scheme {
        &self.scheme
    }

    /// The base URL, as text.
    pub(crate) fn base_url(&self) -> String {
        format!("{}://{}{}", self.scheme, self.authority, self.base)
    }

    /// The URL of a key, its path encoded as it is signed.
    pub(crate) fn url(&self, key: &str) -> String {
        format!("{}://{}{}/{}", self.scheme, self.authority, self.base, encode_path(key))
    }
}

/// A client leaves the default port out of its Host header; what is signed must say the same.
fn without_default_port(authority: &Authority, scheme: &Scheme) -> String {
    let default = if *scheme == Scheme::HTTPS { 443 } else { 80 };
    // Capitals do not matter in a host (RFC 9110 section 4.2.3), and rows know it in small letters.
    let host = authority.host().to_ascii_lowercase();
    match authority.port_u16() {
        Some(port) if port != default => format!("{host}:{port}"),
        _ => host,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn service(text: &str) -> Place {
        Place::service(text, &Scheme::HTTPS).unwrap()
    }

    #[test]
    fn a_bucket_stands_in_host_or_path() {
        assert_eq!(service("http://h:9000/base/").with_bucket_in_path("b").url("a b"), "http://h:9000/base/b/a%20b");
        assert_eq!(service("s3.example.com").with_bucket_in_host("bkt").url("k"), "https://bkt.s3.example.com/k");
    }

    #[test]
    fn default_ports_are_left_out_as_clients_do() {
        assert_eq!(service("https://h:443").base_url(), "https://h");
        assert_eq!(service("http://h:80").base_url(), "http://h");
        assert_eq!(service("http://h:443").base_url(), "http://h:443");
        assert_eq!(service("http://[::1]:9000").base_url(), "http://[::1]:9000");
        assert_eq!(service("HTTPS://S3.Example.COM:8443/Base/").base_url(), "https://s3.example.com:8443/Base");
        assert_eq!((service("http://[::1]").host(), service("http://[::1]").port()), ("[::1]", None));
    }

    #[test]
    fn what_is_no_base_url_is_refused() {
        for text in ["", "ftp://h", "http://", "http://u:p@h", "https://h?x=1", "a b"] {
            assert_eq!(Place::service(text, &Scheme::HTTPS), None, "{text:?}");
        }
    }

    #[test]
    fn a_bucket_is_kept_out_of_hosts_that_cannot_name_it() {
        assert!(service("https://s3.example.com").takes_bucket_in_host("films"));
        assert!(!service("https://s3.example.com").takes_bucket_in_host("my.films"));
        assert!(!service("http://s3.example.com").takes_bucket_in_host("my.films"));
        assert!(!service("http://127.0.0.1:9000").takes_bucket_in_host("films"));
        assert!(!service("http://[::1]:9000").takes_bucket_in_host("films"));
        assert!(!service("https://s3.example.com").takes_bucket_in_host("Films_1"));
    }
}
