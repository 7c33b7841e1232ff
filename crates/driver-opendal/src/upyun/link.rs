//! Links on the bound domain, signed as UpYun's anti-leech token asks, without a call.
//!
//! `_upt` is eight characters of an MD5 over the token, the time at which the link ends and the path as it stands
//! unencoded, and then that time (upyun/token-examples; AList drivers/uss/driver.go).

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use davmux_driver::{Link, RelPath};
use http::Uri;
use md5::{Digest as _, Md5};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

use super::call::Host;
use super::options::Secret;

/// What RFC 3986 lets stand unencoded in a path, for the purposes of a CDN that decodes it once: nothing in doubt.
const PATH: &AsciiSet = &NON_ALPHANUMERIC.remove(b'/').remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// How links are made.
#[derive(Debug)]
pub(crate) struct Links {
    pub(crate) host: Host,
    pub(crate) token: Option<Secret>,
    /// Links tell the file's name, so that a browser saves it: `_upd` (AList drivers/uss/driver.go).
    pub(crate) named: bool,
}

impl Links {
    /// The link of a key that works for so long from now on.
    pub(crate) fn link(&self, key: &RelPath, now: SystemTime, valid_for: Duration) -> Result<Link, http::Error> {
        let path = encode(key.as_str());
        let name = self.named.then(|| format!("_upd={}", encode(key.name())));
        let end = self.token.as_ref().map(|token| (token, end(now, valid_for)));
        let signature = end.map(|(token, end)| format!("_upt={}{end}", sign(token, end, key)));
        let query = [name, signature].into_iter().flatten().collect::<Vec<_>>().join("&");
        let query = if query.is_empty() { query } else { format!("?{query}") };
        let url = Uri::builder()
            .scheme(self.host.scheme.clone())
            .authority(self.host.authority.clone())
            .path_and_query(format!("/{path}{query}"))
            .build()?;
        Ok(Link { url, expires_at: end.map(|(_, end)| UNIX_EPOCH + Duration::from_secs(end)) })
    }
}

/// A key as the path of a URL says it.
pub(crate) fn encode(key: &str) -> String {
    utf8_percent_encode(key, PATH).to_string()
}

/// The second, since 1970, at which a link ends that works for so long from now on.
fn end(now: SystemTime, valid_for: Duration) -> u64 {
    let now = now.duration_since(UNIX_EPOCH).unwrap_or_default();
    let end = now.saturating_add(valid_for.max(Duration::from_secs(1)));
    end.as_secs().saturating_add(u64::from(end.subsec_nanos() > 0)).min(u64::from(u32::MAX))
}

fn sign(token: &Secret, end: u64, key: &RelPath) -> String {
    let digest = Md5::digest(format!("{}&{end}&/{}", token.reveal(), key.as_str()));
    digest[6..10].iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn links(token: Option<&str>) -> Links {
        let host = Host { scheme: http::uri::Scheme::HTTPS, authority: "dl.example.com".parse().unwrap() };
        Links { host, token: token.map(Secret::new), named: false }
    }

    fn at(seconds: u64) -> SystemTime {
        UNIX_EPOCH + Duration::from_secs(seconds)
    }

    /// The worked example that goes round with the formula: md5("mark520&1545271510&/404.jpg") is
    /// 49c063b5621bbcc3b8337d9db7968709.
    #[test]
    fn a_link_is_signed_as_the_published_example_is() {
        let key = RelPath::parse("404.jpg").unwrap();
        let link = links(Some("mark520")).link(&key, at(1_545_271_500), Duration::from_secs(10)).unwrap();
        assert_eq!(link.url, "https://dl.example.com/404.jpg?_upt=bcc3b8331545271510");
        assert_eq!(link.expires_at, Some(at(1_545_271_510)));
    }

    #[test]
    fn a_key_is_signed_bare_and_stands_encoded_in_the_url() {
        let key = RelPath::parse("a b/100% #1?+é&.mkv").unwrap();
        let link = links(Some("t")).link(&key, at(100), Duration::from_secs(10)).unwrap();
        let (path, _) = link.url.path_and_query().unwrap().as_str().split_once('?').unwrap();
        assert_eq!(path, "/a%20b/100%25%20%231%3F%2B%C3%A9%26.mkv");
        let signed: String = format!("{:x?}", &Md5::digest("t&110&/a b/100% #1?+é&.mkv")[6..10])
            .split(|c: char| !c.is_ascii_hexdigit())
            .filter(|part| !part.is_empty())
            .map(|byte| format!("{byte:0>2}"))
            .collect();
        assert_eq!(link.url.query().unwrap(), format!("_upt={signed}110"));
    }

    #[test]
    fn without_a_token_a_link_is_unsigned_and_does_not_end() {
        let link = links(None).link(&RelPath::parse("a").unwrap(), at(1), Duration::from_secs(10)).unwrap();
        assert_eq!((link.url.to_string().as_str(), link.expires_at), ("https://dl.example.com/a", None));
    }

    #[test]
    fn a_link_that_is_to_be_saved_tells_the_name() {
        let links = Links { named: true, ..links(Some("mark520")) };
        let link = links.link(&RelPath::parse("404.jpg").unwrap(), at(1_545_271_500), Duration::from_secs(10)).unwrap();
        assert_eq!(link.url, "https://dl.example.com/404.jpg?_upd=404.jpg&_upt=bcc3b8331545271510");
        let links = Links { token: None, ..links };
        let link = links.link(&RelPath::parse("dir/a b&c.mkv").unwrap(), at(1), Duration::from_secs(10)).unwrap();
        assert_eq!(link.url.query(), Some("_upd=a%20b%26c.mkv"));
    }

    #[test]
    fn a_link_lives_at_least_as_long_as_was_asked() {
        let now = UNIX_EPOCH + Duration::from_millis(1_000_400);
        assert_eq!(end(now, Duration::from_secs(10)), 1011, "ten seconds from now, not from the second's begin");
        assert_eq!(end(now, Duration::ZERO), 1002);
        assert_eq!(end(now, Duration::MAX), u64::from(u32::MAX));
    }
}
