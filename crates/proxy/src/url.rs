//! [`BaseUrl`]: where a download proxy or its server is; and the links that lead to the proxy.

use std::fmt;
use std::str::FromStr;
use std::time::{Duration, SystemTime};

use davmux_driver::Link;
use davmux_tree::{DownloadProxy, TreePath};
use http::Uri;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

use crate::SignKeys;

/// What stands unescaped in a path: RFC 3986's unreserved characters, and the slash between names.
const ESCAPED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~').remove(b'/');

/// Where another server is: `https://dl.example.com`, perhaps with a path.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BaseUrl(String);

/// The text is no such URL.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not an http or https URL such as https://dl.example.com, without a name, a password, a query and a fragment")]
pub struct InvalidBaseUrl;

impl FromStr for BaseUrl {
    type Err = InvalidBaseUrl;

    /// Takes the first line, as AList does with its list, and no slash at its end.
    fn from_str(text: &str) -> Result<Self, InvalidBaseUrl> {
        let line = text.lines().next().unwrap_or_default().trim();
        let base = line.trim_end_matches('/');
        let url: Uri = base.parse().map_err(|_| InvalidBaseUrl)?;
        let authority = url.authority().ok_or(InvalidBaseUrl)?;
        let good = matches!(url.scheme_str(), Some("http" | "https"))
            && !authority.host().is_empty()
            && !authority.as_str().contains('@')
            && url.query().is_none()
            && !base.contains('#');
        if good { Ok(Self(base.to_owned())) } else { Err(InvalidBaseUrl) }
    }
}

impl fmt::Display for BaseUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A download proxy that knows what to fetch by signatures.
#[derive(Clone, Debug)]
pub struct Signed {
    /// Where it is.
    pub url: BaseUrl,
    /// What signs.
    pub keys: SignKeys,
}

impl DownloadProxy for Signed {
    fn link(&self, path: &TreePath, now: SystemTime, life: Duration) -> Option<Link> {
        let path = path.to_string();
        let expires = now + life;
        let sign = self.keys.sign(&path, expires);
        let url = format!("{}{}?sign={sign}", self.url.0, utf8_percent_encode(&path, ESCAPED)).parse().ok()?;
        Some(Link { url, expires_at: Some(expires) })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use davmux_server::Secret;
    use std::time::UNIX_EPOCH;

    #[test]
    fn a_link_is_the_escaped_path_below_the_proxy_and_a_signature_of_the_path_itself() {
        let keys = SignKeys::new(&[Secret::new("k".repeat(32))]).unwrap();
        let proxy = Signed { url: "https://dl.example.com/x/".parse().unwrap(), keys: keys.clone() };
        for (path, escaped) in [
            ("/films/a b.mkv", "/films/a%20b.mkv"),
            ("/50%25/#1?+&;=@:", "/50%2525/%231%3F%2B%26%3B%3D%40%3A"),
            ("/\u{fc}/\u{6620}", "/%C3%BC/%E6%98%A0"),
        ] {
            let tree = TreePath::parse(path).unwrap();
            let link = proxy.link(&tree, UNIX_EPOCH, Duration::from_millis(8_500)).unwrap();
            let (url, sign) =
                link.url.to_string().split_once("?sign=").map(|(a, b)| (a.to_owned(), b.to_owned())).unwrap();
            assert_eq!(url, format!("https://dl.example.com/x{escaped}"));
            assert!(sign.ends_with("=:9"), "{sign}");
            assert!(keys.verify(path, &sign, UNIX_EPOCH, false).is_ok());
            assert!(!format!("{link:?}").contains(&sign));
        }
    }

    #[test]
    fn a_proxy_is_an_http_url_and_the_first_line_counts() {
        let parsed = |text: &str| text.parse::<BaseUrl>().map(|url| url.to_string());
        assert_eq!(parsed("https://dl.example.com/\nhttps://second.example.com").unwrap(), "https://dl.example.com");
        assert_eq!(parsed(" http://[::1]:5243//").unwrap(), "http://[::1]:5243");
        for wrong in [
            "",
            "dl.example.com",
            "/dl",
            "//dl.example.com",
            "ftp://dl.example.com",
            "https://",
            "https://u:p@dl.example.com",
            "https://dl.example.com?a=b",
            "https://dl.example.com/#a",
            "https://dl example.com",
            "\nhttps://dl.example.com",
        ] {
            assert_eq!(parsed(wrong), Err(InvalidBaseUrl), "{wrong:?}");
        }
    }
}
