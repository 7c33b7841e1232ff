//! Whether a client can reach a link's host (design section 3.3).

use std::net::IpAddr;

/// Names that stand for a network of one's own: RFC 6762 (`.local`), RFC 8375 (`.home.arpa`), ICANN's reserved `.internal`
/// and the `.lan` of common routers.
const PRIVATE_NAMES: &[&str] = &[".local", ".home.arpa", ".internal", ".lan"];

pub(super) fn reaches(peer: Option<IpAddr>, host: &str) -> bool {
    let host = host.trim_start_matches('[').trim_end_matches(']').trim_end_matches('.').to_ascii_lowercase();
    if let Ok(address) = host.parse::<IpAddr>() {
        let address = address.to_canonical();
        if address.is_unspecified() {
            return false;
        }
        return match peer.map(|peer| peer.to_canonical()) {
            _ if address.is_loopback() => peer.is_some_and(|peer| peer.to_canonical().is_loopback()),
            Some(peer) => !is_private(address) || is_private(peer) || peer.is_loopback(),
            None => !is_private(address),
        };
    }
    let near = |peer: IpAddr| is_private(peer.to_canonical()) || peer.to_canonical().is_loopback();
    if host == "localhost" || host.ends_with(".localhost") {
        return peer.is_some_and(|peer| peer.to_canonical().is_loopback());
    }
    if !host.contains('.') {
        return false;
    }
    !PRIVATE_NAMES.iter().any(|suffix| host.ends_with(suffix)) || peer.is_some_and(near)
}

/// Private (RFC 1918, RFC 4193), link-local, or shared by a carrier (RFC 6598).
fn is_private(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(v4) => {
            v4.is_private() || v4.is_link_local() || (v4.octets()[0] == 100 && v4.octets()[1] & 0xc0 == 64)
        }
        IpAddr::V6(v6) => v6.is_unique_local() || v6.is_unicast_link_local(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_link_is_given_only_to_whom_its_host_is_in_reach() {
        let cases = [
            ("203.0.113.9", "127.0.0.1", false),
            ("127.0.0.1", "127.0.0.1", true),
            ("::1", "localhost", true),
            ("192.168.1.5", "localhost", false),
            ("192.168.1.5", "192.168.1.9", true),
            ("127.0.0.1", "192.168.1.9", true),
            ("203.0.113.9", "192.168.1.9", false),
            ("203.0.113.9", "100.64.0.1", false),
            ("203.0.113.9", "[fd00::1]", false),
            ("fd00::2", "[fd00::1]", true),
            ("203.0.113.9", "minio", false),
            ("127.0.0.1", "minio", false),
            ("192.168.1.5", "nas.lan", true),
            ("203.0.113.9", "nas.lan", false),
            ("203.0.113.9", "s3.example.com", true),
            ("::ffff:192.168.1.5", "192.168.1.9", true),
            ("127.0.0.1", "0.0.0.0", false),
        ];
        for (peer, host, expected) in cases {
            assert_eq!(reaches(Some(peer.parse().unwrap()), host), expected, "{peer} to {host}");
        }
        assert!(reaches(None, "s3.example.com"));
        assert!(!reaches(None, "10.0.0.1"));
    }
}
