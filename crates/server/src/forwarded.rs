//! What proxies say of the client: `Forwarded` (RFC 7239) and `X-Forwarded-For`, `-Proto`, `-Host`.
//!
//! Headers count only from a trusted peer, and of a list only the part that trusted proxies wrote: it is read from its end,
//! and the first address that is not a trusted proxy's is the client. A client can put anything before that.
//!
//! A proxy writes one of the two kinds and often passes the other on as the client sent it. Where both are there and name
//! different clients, neither is believed.

use std::net::{IpAddr, SocketAddr};

use http::HeaderMap;
use http::header::{self, HeaderName};
use http::request::Parts;
use http::uri::Authority;
use ipnet::IpNet;

use crate::Scheme;

const X_FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");
const X_FORWARDED_PROTO: HeaderName = HeaderName::from_static("x-forwarded-proto");
const X_FORWARDED_HOST: HeaderName = HeaderName::from_static("x-forwarded-host");
const X_REAL_IP: HeaderName = HeaderName::from_static("x-real-ip");

/// How the client sees this server, and from where.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Origin {
    pub(crate) client: Option<IpAddr>,
    pub(crate) proto: Option<Scheme>,
    pub(crate) host: Option<String>,
    pub(crate) forwarded: bool,
}

/// Reads a request that came from `peer` (`None`: over a Unix socket).
pub(crate) fn origin(parts: &Parts, peer: Option<IpAddr>, trusted: &[IpNet]) -> Origin {
    let headers = &parts.headers;
    let has_x =
        [&X_FORWARDED_FOR, &X_FORWARDED_PROTO, &X_FORWARDED_HOST].iter().any(|name| headers.contains_key(*name));
    let has_standard = headers.contains_key(header::FORWARDED);
    let forwarded = has_x || has_standard || headers.contains_key(X_REAL_IP);
    let trust = Trust(trusted);
    let chain = match (forwarded && trust.peer(peer), has_standard, has_x) {
        (false, ..) | (true, false, false) => None,
        (true, true, false) => Some(Chain::standard(headers, &trust)),
        (true, false, true) => Some(Chain::x(headers, &trust)),
        (true, true, true) => {
            let (standard, x) = (Chain::standard(headers, &trust), Chain::x(headers, &trust));
            Some(if standard.client == x.client { standard.or(x) } else { Chain::default() })
        }
    };
    let host = || {
        let host = headers.get(header::HOST).and_then(|value| checked_host(value.to_str().ok()?));
        host.or_else(|| parts.uri.authority().and_then(|authority| checked_host(authority.as_str())))
    };
    match chain {
        None => Origin { client: peer, proto: None, host: host(), forwarded },
        Some(chain) => Origin {
            client: match chain.client {
                Client::Unsaid => peer,
                Client::Unknown => None,
                Client::At(address) => Some(address),
            },
            proto: chain.proto,
            host: chain.host.or_else(host),
            forwarded,
        },
    }
}

/// Whether the peer of a connection is a trusted proxy.
pub(crate) fn is_trusted(peer: Option<IpAddr>, trusted: &[IpNet]) -> bool {
    Trust(trusted).peer(peer)
}

struct Trust<'a>(&'a [IpNet]);

impl Trust<'_> {
    fn address(&self, address: IpAddr) -> bool {
        self.0.iter().any(|net| net.contains(&address))
    }

    /// Who reaches a Unix socket is on this machine.
    fn peer(&self, peer: Option<IpAddr>) -> bool {
        match peer {
            Some(address) => self.address(address),
            None => self.0.iter().any(|net| net.network().is_loopback()),
        }
    }
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Client {
    /// No header names an address.
    #[default]
    Unsaid,
    /// A trusted proxy named something that is no address (`unknown`, `_hidden`).
    Unknown,
    At(IpAddr),
}

/// What one kind of header says.
#[derive(Debug, Default)]
struct Chain {
    client: Client,
    proto: Option<Scheme>,
    host: Option<String>,
}

impl Chain {
    fn or(self, other: Self) -> Self {
        // Two that contradict each other tell nothing.
        let proto = match (self.proto, other.proto) {
            (Some(one), Some(another)) if one != another => None,
            (one, another) => one.or(another),
        };
        let host = match (self.host, other.host) {
            (Some(one), Some(another)) if one != another => None,
            (one, another) => one.or(another),
        };
        Self { client: self.client, proto, host }
    }

    fn x(headers: &HeaderMap, trust: &Trust<'_>) -> Self {
        let mut addresses = headers.get_all(X_FORWARDED_FOR).iter().rev().flat_map(|value| {
            // A value that is no text is an element that nobody can read.
            value.to_str().unwrap_or("?").rsplit(',')
        });
        let (client, proxies) = walk(&mut addresses, trust);
        // With one element for each proxy, that of the proxy which saw the client is taken; a proxy that overwrites
        // leaves a single one.
        let said = |name: HeaderName| {
            let mut values =
                headers.get_all(name).iter().rev().flat_map(|value| value.to_str().unwrap_or("?").rsplit(','));
            let mut taken = values.next();
            for _ in 0..proxies {
                taken = values.next().or(taken);
            }
            taken.map(str::trim)
        };
        Self {
            client,
            proto: said(X_FORWARDED_PROTO).and_then(scheme),
            host: said(X_FORWARDED_HOST).and_then(checked_host),
        }
    }

    fn standard(headers: &HeaderMap, trust: &Trust<'_>) -> Self {
        let text: Vec<&str> =
            headers.get_all(header::FORWARDED).iter().map(|value| value.to_str().unwrap_or("?")).collect();
        let text = text.join(",");
        // A list that breaks the grammar cannot be split safely: where an element begins is what an attacker would play on.
        let Some(elements) = parse_forwarded(&text) else {
            return Self { client: Client::Unknown, ..Self::default() };
        };
        let mut chain = Self::default();
        for element in elements.into_iter().rev() {
            chain.proto = element.proto.as_deref().and_then(scheme);
            chain.host = element.host.as_deref().and_then(checked_host);
            chain.client = match element.node.as_deref().map(address) {
                None | Some(None) => Client::Unknown,
                Some(Some(address)) => Client::At(address),
            };
            if !matches!(chain.client, Client::At(address) if trust.address(address)) {
                break;
            }
        }
        chain
    }
}

/// The first address from the end that is no trusted proxy's (or the last one seen), and how many proxies stood behind it.
fn walk(elements: &mut dyn Iterator<Item = &str>, trust: &Trust<'_>) -> (Client, usize) {
    let (mut client, mut outermost) = (Client::Unsaid, 0);
    for (proxies, element) in elements.enumerate() {
        outermost = proxies;
        client = match address(element.trim()) {
            Some(address) if trust.address(address) => Client::At(address),
            Some(address) => return (Client::At(address), proxies),
            None => return (Client::Unknown, proxies),
        };
    }
    // Every element was a trusted proxy's: the request began at the outermost of them.
    (client, outermost)
}

#[derive(Debug, Default)]
struct Element {
    node: Option<String>,
    proto: Option<String>,
    host: Option<String>,
}

/// The elements of a `Forwarded` list (RFC 7239 section 4); `None` for what breaks the grammar.
fn parse_forwarded(text: &str) -> Option<Vec<Element>> {
    let mut elements = vec![Element::default()];
    let mut rest = text.trim_start();
    while !rest.is_empty() {
        if let Some(after) = rest.strip_prefix(',') {
            elements.push(Element::default());
            rest = after.trim_start();
            continue;
        }
        if let Some(after) = rest.strip_prefix(';') {
            rest = after.trim_start();
            continue;
        }
        let (name, after) = rest.split_once('=')?;
        let (value, after) = match after.strip_prefix('"') {
            Some(quoted) => unquote(quoted)?,
            None => {
                let end = after.find([',', ';']).unwrap_or(after.len());
                (after[..end].trim_end().to_owned(), &after[end..])
            }
        };
        let name = name.trim();
        if name.is_empty() || !name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_') {
            return None;
        }
        let element = elements.last_mut()?;
        let field = match name.to_ascii_lowercase().as_str() {
            "for" => &mut element.node,
            "proto" => &mut element.proto,
            "host" => &mut element.host,
            _ => &mut None,
        };
        if field.replace(value).is_some() {
            return None;
        }
        rest = after.trim_start();
        if !(rest.is_empty() || rest.starts_with([',', ';'])) {
            return None;
        }
    }
    // An empty element says nothing, and nobody wrote it (RFC 9110 section 5.6.1).
    elements.retain(|element| element.node.is_some() || element.proto.is_some() || element.host.is_some());
    Some(elements)
}

/// The text up to the closing quote, and what follows it.
fn unquote(text: &str) -> Option<(String, &str)> {
    let mut value = String::new();
    let mut chars = text.char_indices();
    while let Some((at, c)) = chars.next() {
        match c {
            '"' => return Some((value, &text[at + 1..])),
            '\\' => value.push(chars.next()?.1),
            c => value.push(c),
        }
    }
    None
}

/// An address with or without a port, IPv6 with or without brackets.
fn address(text: &str) -> Option<IpAddr> {
    let bare = text.strip_prefix('[').and_then(|text| text.strip_suffix(']')).unwrap_or(text);
    let parsed = bare.parse().ok().or_else(|| text.parse::<SocketAddr>().ok().map(|address| address.ip()));
    parsed.map(|address| address.to_canonical())
}

fn scheme(text: &str) -> Option<Scheme> {
    if text.eq_ignore_ascii_case("https") {
        Some(Scheme::Https)
    } else if text.eq_ignore_ascii_case("http") {
        Some(Scheme::Http)
    } else {
        None
    }
}

fn checked_host(text: &str) -> Option<String> {
    let authority: Authority = text.trim().parse().ok()?;
    (!authority.as_str().contains('@')).then(|| authority.as_str().to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::Request;

    fn read(peer: &str, headers: &[(&str, &str)]) -> Origin {
        let mut request = Request::builder().uri("/").header("host", "own:8080");
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let trusted = ["10.0.0.0/8", "127.0.0.1/32", "fd00::/8"].map(|net| net.parse().unwrap());
        origin(&request.body(()).unwrap().into_parts().0, peer.parse().ok(), &trusted)
    }

    /// (headers, client, proto, host)
    type Row<'a> = (&'a [(&'a str, &'a str)], &'a str, Option<Scheme>, &'a str);

    #[test]
    fn what_a_trusted_proxy_says() {
        let (http, https) = (Some(Scheme::Http), Some(Scheme::Https));
        let rows: &[Row<'_>] = &[
            (&[("x-forwarded-for", "203.0.113.9")], "203.0.113.9", None, "own:8080"),
            (&[("x-forwarded-for", "6.6.6.6, 203.0.113.9")], "203.0.113.9", None, "own:8080"),
            (&[("x-forwarded-for", "6.6.6.6, 203.0.113.9, 10.0.0.7")], "203.0.113.9", None, "own:8080"),
            (&[("x-forwarded-for", "6.6.6.6"), ("x-forwarded-for", "203.0.113.9")], "203.0.113.9", None, "own:8080"),
            (&[("x-forwarded-for", "10.0.0.8, 10.0.0.7")], "10.0.0.8", None, "own:8080"),
            (&[("x-forwarded-for", "203.0.113.9:4711")], "203.0.113.9", None, "own:8080"),
            (&[("x-forwarded-for", "[2001:db8::1]:4711")], "2001:db8::1", None, "own:8080"),
            (&[("x-forwarded-for", "2001:db8::1")], "2001:db8::1", None, "own:8080"),
            (&[("x-forwarded-for", "::ffff:203.0.113.9")], "203.0.113.9", None, "own:8080"),
            (&[("x-forwarded-for", "203.0.113.9, unknown")], "", None, "own:8080"),
            (&[("x-forwarded-for", "203.0.113.9,")], "", None, "own:8080"),
            (&[("x-forwarded-proto", "https")], "10.0.0.1", https, "own:8080"),
            (
                &[("x-forwarded-proto", "HTTP"), ("x-forwarded-host", "files.example")],
                "10.0.0.1",
                http,
                "files.example",
            ),
            (&[("x-forwarded-proto", "gopher"), ("x-forwarded-host", "a b")], "10.0.0.1", None, "own:8080"),
            (&[("x-forwarded-host", "user@files.example")], "10.0.0.1", None, "own:8080"),
            // The client's own word comes first in the list and does not count.
            (
                &[("x-forwarded-for", "203.0.113.9"), ("x-forwarded-proto", "http, https")],
                "203.0.113.9",
                https,
                "own:8080",
            ),
            // Two proxies, each with its element: the outer one saw the client.
            (
                &[("x-forwarded-for", "203.0.113.9, 10.0.0.7"), ("x-forwarded-proto", "https, http")],
                "203.0.113.9",
                https,
                "own:8080",
            ),
            (&[("forwarded", "for=203.0.113.9;proto=https;host=files.example")], "203.0.113.9", https, "files.example"),
            (&[("forwarded", "For=\"[2001:db8::1]:4711\" ; Proto=http")], "2001:db8::1", http, "own:8080"),
            (
                &[("forwarded", "for=6.6.6.6;proto=http, for=203.0.113.9;proto=https, for=10.0.0.7;proto=http")],
                "203.0.113.9",
                https,
                "own:8080",
            ),
            (&[("forwarded", "for=6.6.6.6"), ("forwarded", "for=203.0.113.9")], "203.0.113.9", None, "own:8080"),
            (&[("forwarded", "for=203.0.113.9, for=_hidden;proto=https")], "", https, "own:8080"),
            (&[("forwarded", "for=unknown")], "", None, "own:8080"),
            (&[("forwarded", "proto=https")], "", https, "own:8080"),
            // A quote that the client left open would swallow the proxy's element.
            (&[("forwarded", "for=\"6.6.6.6, for=203.0.113.9")], "", None, "own:8080"),
            (&[("forwarded", "for=6.6.6.6;x=\",\", for=203.0.113.9")], "203.0.113.9", None, "own:8080"),
            (&[("forwarded", "for=203.0.113.9;for=6.6.6.6")], "", None, "own:8080"),
            // One kind from the proxy, the other from the client: they agree, or neither counts.
            (
                &[("forwarded", "for=6.6.6.6;proto=http"), ("x-forwarded-for", "203.0.113.9")],
                "10.0.0.1",
                None,
                "own:8080",
            ),
            (
                &[("forwarded", "for=203.0.113.9"), ("x-forwarded-for", "203.0.113.9"), ("x-forwarded-proto", "https")],
                "203.0.113.9",
                https,
                "own:8080",
            ),
            (
                &[
                    ("forwarded", "for=203.0.113.9;proto=http"),
                    ("x-forwarded-for", "203.0.113.9"),
                    ("x-forwarded-proto", "https"),
                ],
                "203.0.113.9",
                None,
                "own:8080",
            ),
        ];
        for (headers, client, proto, host) in rows {
            let expected =
                Origin { client: client.parse().ok(), proto: *proto, host: Some((*host).into()), forwarded: true };
            assert_eq!(read("10.0.0.1", headers), expected, "{headers:?}");
        }
    }

    #[test]
    fn what_anybody_else_says_only_shows_that_a_proxy_is_there() {
        for header in [
            ("x-forwarded-for", "127.0.0.1"),
            ("x-forwarded-proto", "http"),
            ("x-forwarded-host", "evil.example"),
            ("x-real-ip", "127.0.0.1"),
            ("forwarded", "for=127.0.0.1;proto=http;host=evil.example"),
        ] {
            let client = "203.0.113.1".parse().ok();
            let expected = Origin { client, proto: None, host: Some("own:8080".into()), forwarded: true };
            assert_eq!(read("203.0.113.1", &[header]), expected, "{header:?}");
        }
        assert!(!read("203.0.113.1", &[]).forwarded);
        assert!(!read("10.0.0.1", &[("via", "1.1 squid")]).forwarded);
    }

    #[test]
    fn a_unix_socket_is_trusted_as_loopback_is() {
        let headers = [("x-forwarded-for", "203.0.113.9")];
        assert_eq!(read("none", &headers).client, "203.0.113.9".parse().ok());
        let mut request = Request::builder().uri("/");
        request = request.header("x-forwarded-for", "203.0.113.9");
        let parts = request.body(()).unwrap().into_parts().0;
        let origin = origin(&parts, None, &["10.0.0.0/8".parse().unwrap()]);
        assert_eq!((origin.client, origin.forwarded), (None, true));
    }

    #[test]
    fn without_a_host_header_the_authority_of_the_target_counts() {
        let parts = Request::builder().uri("http://files.example/x").body(()).unwrap().into_parts().0;
        assert_eq!(origin(&parts, None, &[]).host.as_deref(), Some("files.example"));
    }
}
