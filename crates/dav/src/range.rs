//! `Range` (RFC 9110 section 14.2).

use davmux_tree::ByteRange;
use http::HeaderMap;

use crate::headers::lenient;

/// The one range that a request asks for. Another unit, a malformed header and several ranges are answered with the whole
/// file, as the RFC allows: many ranges of one file would only multiply the work.
pub(crate) fn parse(headers: &HeaderMap) -> Option<ByteRange> {
    let mut values = headers.get_all("range").iter();
    let (Some(_), None) = (values.next(), values.next()) else { return None };
    let (unit, text) = lenient(headers, "range")?.split_once('=')?;
    if !unit.trim().eq_ignore_ascii_case("bytes") {
        return None;
    }
    let mut ranges = text.split(',').map(str::trim).filter(|range| !range.is_empty());
    let (Some(range), None) = (ranges.next(), ranges.next()) else { return None };
    let (first, last) = range.split_once('-')?;
    match (first, last) {
        ("", count) => Some(ByteRange::Last(offset(count)?)),
        (first, "") => Some(ByteRange::From(offset(first)?)),
        (first, last) => {
            let (first, last) = (offset(first)?, offset(last)?);
            match last {
                _ if first > last => None,
                LARGEST => Some(ByteRange::From(first)),
                last => Some(ByteRange::FromTo(first, last + 1)),
            }
        }
    }
}

/// The largest offset: storages count in signed numbers, and some answer nonsense to one that does not fit.
const LARGEST: u64 = i64::MAX.unsigned_abs();

/// A decimal number; one too large for any file is as good as the largest.
fn offset(text: &str) -> Option<u64> {
    let digits = !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
    digits.then(|| text.parse().unwrap_or(LARGEST).min(LARGEST))
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::HeaderValue;
    use proptest::prelude::*;

    fn of(text: &str) -> Option<ByteRange> {
        let mut headers = HeaderMap::new();
        headers.insert("range", HeaderValue::from_str(text).unwrap());
        parse(&headers)
    }

    #[test]
    fn one_range_of_bytes_counts_and_nothing_else() {
        for (text, expected) in [
            ("bytes=0-", Some(ByteRange::From(0))),
            ("bytes=2-4", Some(ByteRange::FromTo(2, 5))),
            ("Bytes= 2-4 ", Some(ByteRange::FromTo(2, 5))),
            ("bytes=-3", Some(ByteRange::Last(3))),
            ("bytes=-0", Some(ByteRange::Last(0))),
            ("bytes=0-18446744073709551615", Some(ByteRange::From(0))),
            ("bytes=99999999999999999999999-", Some(ByteRange::From(LARGEST))),
            ("bytes=18446744073709551615-", Some(ByteRange::From(LARGEST))),
            ("bytes=-18446744073709551615", Some(ByteRange::Last(LARGEST))),
            ("bytes=4-2", None),
            ("bytes=0-1,3-4", None),
            ("bytes=", None),
            ("bytes=-", None),
            ("bytes=+1-2", None),
            ("bytes=a-b", None),
            ("lines=0-1", None),
            ("0-1", None),
        ] {
            assert_eq!(of(text), expected, "{text}");
        }
    }

    #[test]
    fn two_range_headers_are_the_whole_file() {
        let mut headers = HeaderMap::new();
        headers.append("range", HeaderValue::from_static("bytes=0-1"));
        headers.append("range", HeaderValue::from_static("bytes=2-3"));
        assert_eq!(parse(&headers), None);
    }

    proptest! {
        #[test]
        fn any_text_gives_a_range_that_resolves_inside_the_file(text in "bytes=[0-9,\\- ]{0,24}", size in 0u64..100) {
            if let Some(range) = of(&text).and_then(|range| range.resolve(size)) {
                prop_assert!(range.start < range.end && range.end <= size);
            }
        }
    }
}
