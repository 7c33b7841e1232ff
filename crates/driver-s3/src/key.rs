//! Between paths and keys.

use std::borrow::Cow;

use davmux_driver::RelPath;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_decode_str, utf8_percent_encode};

/// Everything but the unreserved characters of RFC 3986 section 2.3 is encoded, as SigV4 has it.
const SEGMENT: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');
/// The same, but a `/` separates segments and stays.
const PATH: &AsciiSet = &SEGMENT.remove(b'/');

/// The prefix of the bucket that is the storage's root: empty, or ending in `/`.
#[derive(Clone, Debug)]
pub(crate) struct Root(String);

impl Root {
    pub(crate) fn new(folder: &RelPath) -> Self {
        Self(if folder.is_root() { String::new() } else { format!("{}/", folder.as_str()) })
    }

    /// The key of a file.
    pub(crate) fn key(&self, path: &RelPath) -> String {
        format!("{}{}", self.0, path.as_str())
    }

    /// What the keys of a folder's members begin with, and the key of the folder's own marker. Empty for a root that is
    /// the whole bucket.
    pub(crate) fn prefix(&self, dir: &RelPath) -> String {
        if dir.is_root() { self.0.clone() } else { format!("{}{}/", self.0, dir.as_str()) }
    }
}

/// A key as it stands in a URL's path and in a copy source.
pub(crate) fn encode_path(key: &str) -> Cow<'_, str> {
    utf8_percent_encode(key, PATH).into()
}

/// A value as it stands in a URL's query.
pub(crate) fn encode_value(value: &str) -> Cow<'_, str> {
    utf8_percent_encode(value, SEGMENT).into()
}

/// The bytes of a key in a reply that says `<EncodingType>url</EncodingType>`; a space comes as `+` there.
pub(crate) fn decode_listed(text: &str) -> Vec<u8> {
    percent_decode_str(&text.replace('+', " ")).collect()
}

/// What the rest of a key, below the folder that was listed, stands for.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Name {
    /// The folder's own marker.
    Own,
    /// A member of this path.
    Of(RelPath),
    /// Nothing that can be named, and the nearest folder that can.
    Unnameable(RelPath),
}

/// Names what is left of a key below `dir`; one `/` at the end (a folder) does not count.
pub(crate) fn name_below(dir: &RelPath, rest: &[u8]) -> Name {
    if rest.is_empty() {
        return Name::Own;
    }
    let rest = rest.strip_suffix(b"/").unwrap_or(rest);
    let mut path = dir.clone();
    let mut segments = rest.split(|&byte| byte == b'/').peekable();
    while let Some(segment) = segments.next() {
        let Some(child) = std::str::from_utf8(segment).ok().and_then(|name| path.child(name).ok()) else {
            return Name::Unnameable(path);
        };
        if segments.peek().is_none() {
            return Name::Of(child);
        }
        path = child;
    }
    Name::Unnameable(path)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn path(text: &str) -> RelPath {
        RelPath::parse(text).unwrap()
    }

    #[test]
    fn keys_are_below_the_root_and_never_a_neighbour() {
        let root = Root::new(&path("a/b"));
        assert_eq!(root.key(&path("c")), "a/b/c");
        assert_eq!(root.prefix(&path("c")), "a/b/c/");
        assert_eq!(root.prefix(&RelPath::root()), "a/b/");
        assert_eq!(Root::new(&RelPath::root()).prefix(&RelPath::root()), "");
    }

    #[test]
    fn a_path_is_encoded_as_rfc_3986_says() {
        assert_eq!(encode_path("a b/c+d%e#f?g'(h)*i~j&k"), "a%20b/c%2Bd%25e%23f%3Fg%27%28h%29%2Ai~j%26k");
        assert_eq!(encode_path("\u{1f600}"), "%F0%9F%98%80");
        assert_eq!(encode_value("a/b"), "a%2Fb");
    }

    #[test]
    fn a_plus_in_a_listing_is_a_space() {
        assert_eq!(decode_listed("a+b%2Bc"), b"a b+c");
        assert_eq!(decode_listed("%FF"), b"\xff");
    }

    #[test]
    fn what_cannot_be_named_is_counted_at_its_nearest_folder() {
        let dir = path("d");
        let name = |rest: &[u8]| name_below(&dir, rest);
        assert_eq!(name(b""), Name::Own);
        assert_eq!(name(b"x"), Name::Of(path("d/x")));
        assert_eq!(name(b"x/"), Name::Of(path("d/x")));
        assert_eq!(name(b"x/y"), Name::Of(path("d/x/y")));
        for nameless in [&b"/"[..], b"//", b"..", b".", b"\xff", b"a\nb", b"/x"] {
            assert_eq!(name(nameless), Name::Unnameable(dir.clone()), "{nameless:?}");
        }
        for nameless in [&b"x//"[..], b"x//y", b"x/../y", b"x/\x01"] {
            assert_eq!(name(nameless), Name::Unnameable(path("d/x")), "{nameless:?}");
        }
    }
}
