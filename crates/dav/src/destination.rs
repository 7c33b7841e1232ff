//! `Destination`, and the URLs in an `If` header.

use http::StatusCode;

use crate::path::{Base, Place};
use crate::status::Failure;

/// The escaped path of a URL: of an absolute one, whatever its scheme, host and port say, or of an absolute path. Behind a
/// proxy the client's name for this server is not the one that the server knows, so the path alone counts.
pub(crate) fn path_of(url: &str) -> Option<&str> {
    let rest = match url.split_once("://") {
        Some((scheme, rest)) if !url.starts_with('/') => {
            if !scheme.eq_ignore_ascii_case("http") && !scheme.eq_ignore_ascii_case("https") {
                return None;
            }
            let at = rest.find(['/', '?', '#']).unwrap_or(rest.len());
            if at == 0 {
                return None;
            }
            match &rest[at..] {
                "" => "/",
                path => path,
            }
        }
        _ => url,
    };
    if !rest.starts_with('/') || rest.contains('#') {
        return None;
    }
    rest.split('?').next()
}

/// The target of a COPY or MOVE.
///
/// 400 for what is no URL, has a query (no file is named by one: a client that did not escape `?` means another file), or
/// names a path that the request line may not name either; 502 for a URL outside the tree: as far as this server can tell
/// it belongs to another one (RFC 4918 section 9.8.5).
pub(crate) fn parse(url: &str, base: &Base) -> Result<(davmux_tree::RelPath, bool), Failure> {
    let path = path_of(url).filter(|_| !url.contains('?')).ok_or_else(|| {
        Failure::bad_request("Destination must be an http or https URL, or an absolute path, without a query")
    })?;
    // 414 is about the request line only (RFC 4918 section 12.1).
    let place = base.place(path).map_err(|error| Failure::bad_request(format!("Destination: {error}")))?;
    match place {
        Place::Inside { path, slash } => Ok((path, slash)),
        Place::Above { .. } | Place::Outside => {
            Err(Failure::new(StatusCode::BAD_GATEWAY, "the Destination lies outside the tree of this server"))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::Method;
    use proptest::prelude::*;

    #[test]
    fn only_the_path_of_a_destination_counts() {
        let base = Base::new("/dav").unwrap();
        for (url, expected) in [
            ("http://h/dav/a", Ok(("a", false))),
            ("https://other:8443/dav/a%20b/", Ok(("a b", true))),
            ("/dav/a", Ok(("a", false))),
            ("/dav/a?x=1", Err(400)),
            ("http://u:p@h/dav", Ok(("", false))),
            ("/dav/a://b", Err(400)),
            ("http://h/other", Err(502)),
            ("http://h", Err(502)),
            ("/davx/a", Err(502)),
            ("http://h/dav/../etc", Err(400)),
            ("http://h/dav/%2e%2e/etc", Err(400)),
            ("http:///dav/a", Err(400)),
            ("ftp://h/dav/a", Err(400)),
            ("dav/a", Err(400)),
            ("", Err(400)),
            ("/dav/a#b", Err(400)),
        ] {
            let found = parse(url, &base)
                .map(|(path, slash)| (path.as_str().to_owned(), slash))
                .map_err(|failure| failure.status(&Method::PUT).as_u16());
            assert_eq!(found, expected.map(|(path, slash)| (path.to_owned(), slash)), "{url:?}");
        }
    }

    proptest! {
        #[test]
        fn any_text_is_a_path_or_an_error(text in "(http://[a-z@:]{0,4})?[/%.?#a-f0-9é]{0,30}") {
            if let Some(path) = path_of(&text) {
                prop_assert!(path.starts_with('/') && !path.contains(['?', '#']));
            }
        }
    }
}
