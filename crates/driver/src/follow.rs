//! Where a redirected read goes.
//!
//! A public host may send a reader on: to https, to another host of its CDN. Drivers follow it for reads that carry no
//! signature, and the download proxy for the links that it was given: a few times, and never to a place that is less safe
//! than the one that was configured. A signed read of a driver is not followed: its signature is for one host, and an endpoint
//! that redirects is the wrong one.

use http::uri::Scheme;
use http::{StatusCode, Uri};

/// How many redirects in a row are followed.
pub const MOST: usize = 5;

/// Whether the answer sends a GET elsewhere.
pub fn is_redirect(status: StatusCode) -> bool {
    matches!(status.as_u16(), 301 | 302 | 303 | 307 | 308)
}

/// The place that `Location` names, seen from `here`.
///
/// # Errors
/// Why it is not followed.
pub fn target(here: &Uri, location: &str) -> Result<Uri, &'static str> {
    let scheme = here.scheme_str().unwrap_or("https");
    let authority = here.authority().map_or("", |authority| authority.as_str());
    let absolute = match location {
        path if path.starts_with("//") => format!("{scheme}:{path}"),
        path if path.starts_with('/') => format!("{scheme}://{authority}{path}"),
        whole => whole.to_owned(),
    };
    let nowhere = "the host redirects to what is no URL";
    // A fragment is for the reader alone.
    let absolute = absolute.split('#').next().unwrap_or_default();
    let there: Uri = absolute.parse().map_err(|_| nowhere)?;
    let (Some(host), Some(authority)) = (there.host(), there.authority()) else { return Err(nowhere) };
    if there.scheme() != Some(&Scheme::HTTP) && there.scheme() != Some(&Scheme::HTTPS) {
        return Err(nowhere);
    }
    if here.scheme() == Some(&Scheme::HTTPS) && there.scheme() != Some(&Scheme::HTTPS) {
        return Err("the host redirects from https to http, which is not followed");
    }
    if authority.as_str().contains('@') {
        return Err("the host redirects to a URL with a name and a password, which is not followed");
    }
    // What only this machine or its network can reach is not for a host on the internet to name.
    if is_address(host) && !here.host().is_some_and(is_address) {
        return Err("the host redirects from a name to an address, which is not followed");
    }
    Ok(there)
}

fn is_address(host: &str) -> bool {
    host.starts_with('[')
        || host.parse::<std::net::Ipv4Addr>().is_ok()
        || host.eq_ignore_ascii_case("localhost")
        || host.to_ascii_lowercase().ends_with(".localhost")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn to(here: &str, location: &str) -> Result<String, &'static str> {
        target(&here.parse().unwrap(), location).map(|uri| uri.to_string())
    }

    #[test]
    fn a_redirect_leads_to_another_host_path_or_scheme() {
        assert_eq!(to("http://cdn.example/a", "https://cdn.example/a").unwrap(), "https://cdn.example/a");
        assert_eq!(to("https://cdn.example/a", "//edge.example/b?c=d#e").unwrap(), "https://edge.example/b?c=d");
        assert_eq!(to("https://cdn.example:81/a", "/b").unwrap(), "https://cdn.example:81/b");
        assert_eq!(to("http://127.0.0.1:1/a", "http://127.0.0.1:2/a").unwrap(), "http://127.0.0.1:2/a");
    }

    #[test]
    fn a_redirect_never_leads_to_a_less_safe_place() {
        for (here, location) in [
            ("https://cdn.example/a", "http://cdn.example/a"),
            ("https://cdn.example/a", "https://169.254.169.254/latest"),
            ("https://cdn.example/a", "https://[::1]/a"),
            ("https://cdn.example/a", "https://localhost/a"),
            ("https://cdn.example/a", "https://u:p@cdn.example/a"),
            ("https://cdn.example/a", "file:///etc/passwd"),
            ("https://cdn.example/a", "ftp://cdn.example/a"),
            ("https://cdn.example/a", "b"),
            ("https://cdn.example/a", ""),
            ("https://cdn.example/a", "https://"),
        ] {
            assert!(to(here, location).is_err(), "{here} {location}");
        }
    }
}
