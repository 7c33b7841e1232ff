//! From a URL's path to a path of the view, and back.
//!
//! The rules are strict where a lenient reading could reach another place than the sender meant: an empty segment (`//`),
//! a dot segment, an encoded slash, a control character, invalid UTF-8 and a broken escape are refused (400). A backslash
//! is an ordinary character. One slash at the end is accepted everywhere and says that a folder is meant.

use bytes::{BufMut, BytesMut};
use davmux_tree::{InvalidPath, RelPath};

/// The most bytes of a path, unescaped. No storage holds longer ones (Linux takes 4,096 bytes, S3 1,024), and some SDKs fail
/// badly on them.
const LONGEST: usize = 8192;

/// Why a URL's path names no place.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum PathError {
    #[error("the path does not begin with '/'")]
    NotAbsolute,
    #[error("the path holds a broken percent escape")]
    Escape,
    #[error("the path is not UTF-8")]
    Utf8,
    #[error("the path is too long")]
    TooLong,
    #[error("{0}")]
    Segment(#[from] InvalidPath),
}

/// A place that a request names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Place {
    /// In the view.
    Inside {
        /// Below the view's root.
        path: RelPath,
        /// The URL ended with a slash.
        slash: bool,
    },
    /// Above the tree, where the base path begins with it: clients look there before they look at their mount.
    Above {
        /// The decoded segments of it.
        depth: usize,
    },
    /// Anywhere else.
    Outside,
}

/// Where the tree begins in the URL space, e.g. `/dav`.
#[derive(Clone, Debug, Default)]
pub(crate) struct Base {
    segments: Vec<String>,
    /// Escaped, without a slash at its end.
    prefix: String,
}

impl Base {
    /// Takes a path as an administrator writes it, unescaped, with or without slashes at its ends.
    pub(crate) fn new(text: &str) -> Result<Self, InvalidPath> {
        let path = RelPath::parse(text.trim_matches('/'))?;
        let mut prefix = BytesMut::new();
        for segment in path.segments() {
            prefix.put_u8(b'/');
            put_escaped(&mut prefix, segment);
        }
        let prefix = String::from_utf8_lossy(&prefix).into_owned();
        Ok(Self { segments: path.segments().map(str::to_owned).collect(), prefix })
    }

    /// The place that the path of a URL names. `raw` is still escaped, without query and fragment.
    pub(crate) fn place(&self, raw: &str) -> Result<Place, PathError> {
        let below = raw.strip_prefix('/').ok_or(PathError::NotAbsolute)?;
        let (below, slash) = match below.strip_suffix('/') {
            Some(rest) => (rest, true),
            None => (below, below.is_empty()),
        };
        let mut path = RelPath::root();
        let mut text = String::with_capacity(below.len());
        let (mut matched, mut outside, mut count) = (0, false, 0);
        if !below.is_empty() {
            for segment in below.split('/') {
                let name = decode(segment)?;
                // Checks the name; the whole is put together once.
                RelPath::root().child(&name)?;
                count += 1;
                if matched < self.segments.len() {
                    outside |= self.segments[matched] != name;
                    matched += 1;
                    continue;
                }
                if !text.is_empty() {
                    text.push('/');
                }
                text.push_str(&name);
                if text.len() > LONGEST {
                    return Err(PathError::TooLong);
                }
            }
        }
        if slash && below.is_empty() && raw.len() > 1 {
            return Err(InvalidPath::EmptySegment.into());
        }
        if outside {
            return Ok(Place::Outside);
        }
        if matched < self.segments.len() {
            return Ok(Place::Above { depth: count });
        }
        if !text.is_empty() {
            path = RelPath::parse(&text)?;
        }
        Ok(Place::Inside { path, slash })
    }

    /// Writes the href of a place: absolute, upper-case escapes, a folder with a slash at its end.
    pub(crate) fn put_href(&self, out: &mut BytesMut, path: &RelPath, folder: bool) {
        out.put_slice(self.prefix.as_bytes());
        out.put_u8(b'/');
        put_escaped(out, path.as_str());
        if folder && !path.is_root() {
            out.put_u8(b'/');
        }
    }

    /// The href of a place.
    pub(crate) fn href(&self, path: &RelPath, folder: bool) -> String {
        let mut out = BytesMut::new();
        self.put_href(&mut out, path, folder);
        String::from_utf8_lossy(&out).into_owned()
    }

    /// The href of a folder above the tree, and the name of its one member.
    pub(crate) fn above(&self, depth: usize) -> (String, &str) {
        let mut out = BytesMut::new();
        out.put_u8(b'/');
        for segment in self.segments.iter().take(depth) {
            put_escaped(&mut out, segment);
            out.put_u8(b'/');
        }
        (String::from_utf8_lossy(&out).into_owned(), self.segments.get(depth).map_or("", String::as_str))
    }
}

/// What a path keeps unescaped: RFC 3986 "unreserved", and the slash between segments.
const PLAIN: [bool; 256] = {
    let mut plain = [false; 256];
    let mut byte = 0;
    while byte < 256 {
        let c = byte as u8;
        plain[byte] = c.is_ascii_alphanumeric() || matches!(c, b'-' | b'.' | b'_' | b'~' | b'/');
        byte += 1;
    }
    plain
};

/// Escapes everything outside "unreserved" and `/`; the result needs no further escaping in XML or HTML.
pub(crate) fn put_escaped(out: &mut BytesMut, text: &str) {
    const HEX: &[u8; 16] = b"0123456789ABCDEF";
    let bytes = text.as_bytes();
    let mut from = 0;
    for (at, &byte) in bytes.iter().enumerate() {
        if !PLAIN[usize::from(byte)] {
            out.put_slice(&bytes[from..at]);
            out.put_slice(&[b'%', HEX[usize::from(byte >> 4)], HEX[usize::from(byte & 15)]]);
            from = at + 1;
        }
    }
    out.put_slice(&bytes[from..]);
}

/// Undoes percent escapes, strictly.
pub(crate) fn decode(text: &str) -> Result<String, PathError> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        if byte != b'%' {
            bytes.push(byte);
            continue;
        }
        let mut digit = || rest.next().and_then(|byte| char::from(byte).to_digit(16)).ok_or(PathError::Escape);
        let value = digit()? * 16 + digit()?;
        bytes.push(u8::try_from(value).map_err(|_| PathError::Escape)?);
    }
    String::from_utf8(bytes).map_err(|_| PathError::Utf8)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn inside(path: &str, slash: bool) -> Result<Place, PathError> {
        Ok(Place::Inside { path: RelPath::parse(path).unwrap(), slash })
    }

    #[test]
    fn a_url_names_one_place_or_none() {
        let root = Base::new("/").unwrap();
        for (url, expected) in [
            ("/", inside("", true)),
            ("/a", inside("a", false)),
            ("/a/", inside("a", true)),
            ("/a%20b/%c3%A9", inside("a b/é", false)),
            ("/a\\b", inside("a\\b", false)),
            ("/%5c..%5cx", inside("\\..\\x", false)),
            ("", Err(PathError::NotAbsolute)),
            ("a", Err(PathError::NotAbsolute)),
            ("//", Err(InvalidPath::EmptySegment.into())),
            ("//a", Err(InvalidPath::EmptySegment.into())),
            ("/a//b", Err(InvalidPath::EmptySegment.into())),
            ("/a//", Err(InvalidPath::EmptySegment.into())),
            ("/a/../b", Err(InvalidPath::DotSegment.into())),
            ("/%2e%2E/b", Err(InvalidPath::DotSegment.into())),
            ("/.", Err(InvalidPath::DotSegment.into())),
            ("/a%2Fb", Err(InvalidPath::Slash.into())),
            ("/%00", Err(InvalidPath::Control.into())),
            ("/a%0d%0a", Err(InvalidPath::Control.into())),
            ("/%", Err(PathError::Escape)),
            ("/%g0", Err(PathError::Escape)),
            ("/%+1", Err(PathError::Escape)),
            ("/%ff", Err(PathError::Utf8)),
        ] {
            assert_eq!(root.place(url), expected, "{url:?}");
        }
        let longest = "%61".repeat(LONGEST);
        assert!(root.place(&format!("/{longest}")).is_ok());
        assert_eq!(root.place(&format!("/{longest}a")), Err(PathError::TooLong));
    }

    #[test]
    fn the_base_path_is_taken_off_and_put_back() {
        let base = Base::new("/da v/x/").unwrap();
        assert_eq!(base.place("/da%20v/x"), inside("", false));
        assert_eq!(base.place("/da%20v/x/"), inside("", true));
        assert_eq!(base.place("/da%20v/x/a/b"), inside("a/b", false));
        assert_eq!(base.place("/"), Ok(Place::Above { depth: 0 }));
        assert_eq!(base.place("/da%20v/"), Ok(Place::Above { depth: 1 }));
        assert_eq!(base.place("/da%20v/xx"), Ok(Place::Outside));
        assert_eq!(base.place("/other"), Ok(Place::Outside));
        assert_eq!(base.href(&RelPath::root(), true), "/da%20v/x/");
        assert_eq!(base.href(&RelPath::parse("a/ü").unwrap(), true), "/da%20v/x/a/%C3%BC/");
        assert_eq!(base.above(1), ("/da%20v/".to_owned(), "x"));
    }

    proptest! {
        #[test]
        fn an_href_leads_back(text in "[^/\\p{Cc}\u{fffe}\u{ffff}]{1,12}(/[^/\\p{Cc}\u{fffe}\u{ffff}]{1,12}){0,3}", folder: bool) {
            let base = Base::new("/dav").unwrap();
            if let Ok(path) = RelPath::parse(&text) {
                let href = base.href(&path, folder);
                prop_assert!(href.bytes().all(|b| b.is_ascii_graphic() && !b"<>&\"'".contains(&b)));
                prop_assert_eq!(base.place(&href), Ok(Place::Inside { path, slash: folder }));
            }
        }

        #[test]
        fn any_text_is_a_place_or_an_error(text in "[/%.0-9a-fA-F\\\\é ]{0,40}") {
            if let Ok(Place::Inside { path, .. }) = Base::new("/a").unwrap().place(&text) {
                prop_assert!(path.segments().all(|s| s != "." && s != ".." && !s.is_empty()));
            }
        }
    }
}
