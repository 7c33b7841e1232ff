//! What of a client's request is asked of the store.

use http::header::{IF_MATCH, IF_MODIFIED_SINCE, IF_NONE_MATCH, IF_RANGE, IF_UNMODIFIED_SINCE, RANGE};
use http::{HeaderMap, HeaderName, HeaderValue};

/// The headers that stores answer themselves.
const PASSED: [HeaderName; 4] = [IF_MATCH, IF_NONE_MATCH, IF_MODIFIED_SINCE, IF_UNMODIFIED_SINCE];

/// What is asked of the store.
#[derive(Clone, Debug)]
pub(crate) struct Asked {
    pub(crate) headers: HeaderMap,
    /// The condition that stands for the client's `If-Range`: when it fails, the whole file is wanted.
    guard: Option<HeaderName>,
}

impl Asked {
    /// What is asked for the GET of a client.
    ///
    /// Stores do not know `If-Range` (it is no parameter of S3's GetObject): the range is asked for on the condition that the
    /// file is still the client's version, and a 412 means the whole file (RFC 9110 section 13.1.5).
    pub(crate) fn by(client: &HeaderMap) -> Self {
        let mut asked = Self { headers: passed(client), guard: None };
        let Some(range) = single(client, &RANGE).filter(|range| is_one_range(range)) else { return asked };
        if client.contains_key(IF_RANGE) {
            let Some((guard, value)) = single(client, &IF_RANGE).and_then(guard) else { return asked };
            // The client's own condition of that name has its own 412.
            if asked.headers.contains_key(&guard) {
                return asked;
            }
            asked.headers.insert(guard.clone(), value);
            asked.guard = Some(guard);
        }
        asked.headers.insert(RANGE, range.clone());
        asked
    }

    /// What is asked for a HEAD: a link is signed for GET alone, so one byte tells the length (RFC 9110 section 9.3.2: a range
    /// means nothing on a HEAD).
    pub(crate) fn of_head(client: &HeaderMap) -> Self {
        let mut headers = passed(client);
        headers.insert(RANGE, HeaderValue::from_static("bytes=0-0"));
        Self { headers, guard: None }
    }

    /// The whole file, where a 412 means that; `None` where it is the client's own.
    pub(crate) fn instead(&self) -> Option<HeaderMap> {
        let guard = self.guard.as_ref()?;
        let mut headers = self.headers.clone();
        headers.remove(guard);
        headers.remove(RANGE);
        Some(headers)
    }
}

fn passed(client: &HeaderMap) -> HeaderMap {
    let of =
        |name: &HeaderName| client.get_all(name).iter().map(|value| (name.clone(), value.clone())).collect::<Vec<_>>();
    PASSED.iter().flat_map(of).fold(HeaderMap::new(), |mut headers, (name, value)| {
        headers.append(name, value);
        headers
    })
}

fn single<'a>(headers: &'a HeaderMap, name: &HeaderName) -> Option<&'a HeaderValue> {
    let mut values = headers.get_all(name).iter();
    values.next().filter(|_| values.next().is_none())
}

/// Whether it is one range of bytes. Anything else means the whole file, as RFC 9110 section 14.2 allows; stores have answers of
/// their own to it.
fn is_one_range(value: &HeaderValue) -> bool {
    let bounds = value.to_str().ok().and_then(|text| text.strip_prefix("bytes=")?.split_once('-'));
    let Some((first, last)) = bounds else { return false };
    let number =
        |text: &str| text.bytes().all(|byte| byte.is_ascii_digit()).then(|| text.parse::<i64>().ok()).flatten();
    match (first, last) {
        ("", count) => number(count).is_some(),
        (first, "") => number(first).is_some(),
        (first, last) => number(first).zip(number(last)).is_some_and(|(first, last)| first <= last),
    }
}

/// A strong tag or a date as a condition; a weak tag never holds for a range.
fn guard(value: &HeaderValue) -> Option<(HeaderName, HeaderValue)> {
    let text = value.as_bytes();
    match text.first()? {
        b'"' => Some((IF_MATCH, value.clone())),
        _ if text.starts_with(b"W/") => None,
        _ => Some((IF_UNMODIFIED_SINCE, value.clone())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(pairs: &[(HeaderName, &'static str)]) -> HeaderMap {
        pairs.iter().map(|(name, value)| (name.clone(), HeaderValue::from_static(value))).collect()
    }

    #[test]
    fn ranges_and_conditions_are_passed_on_and_nothing_else() {
        let client = headers(&[
            (RANGE, "bytes=1-"),
            (IF_NONE_MATCH, "\"a\""),
            (http::header::AUTHORIZATION, "Basic x"),
            (http::header::COOKIE, "a=b"),
            (http::header::HOST, "h"),
        ]);
        let asked = Asked::by(&client);
        assert_eq!(asked.headers, headers(&[(RANGE, "bytes=1-"), (IF_NONE_MATCH, "\"a\"")]));
        assert!(asked.instead().is_none());
    }

    #[test]
    fn if_range_is_asked_as_a_condition_that_stands_for_the_whole() {
        let by_tag = Asked::by(&headers(&[(RANGE, "bytes=1-"), (IF_RANGE, "\"a\"")]));
        assert_eq!(by_tag.headers, headers(&[(RANGE, "bytes=1-"), (IF_MATCH, "\"a\"")]));
        assert_eq!(by_tag.instead(), Some(HeaderMap::new()));
        let date = "Sat, 21 Nov 2026 20:00:00 GMT";
        let by_date = Asked::by(&headers(&[(RANGE, "bytes=1-"), (IF_RANGE, date), (IF_NONE_MATCH, "\"b\"")]));
        assert_eq!(by_date.headers.get(IF_UNMODIFIED_SINCE).unwrap(), date);
        assert_eq!(by_date.instead(), Some(headers(&[(IF_NONE_MATCH, "\"b\"")])));
        let weak = Asked::by(&headers(&[(RANGE, "bytes=1-"), (IF_RANGE, "W/\"a\"")]));
        assert!(weak.headers.is_empty());
        let own = Asked::by(&headers(&[(RANGE, "bytes=1-"), (IF_RANGE, "\"a\""), (IF_MATCH, "\"b\"")]));
        assert_eq!(own.headers, headers(&[(IF_MATCH, "\"b\"")]));
    }

    #[test]
    fn what_is_not_one_range_means_the_whole() {
        for good in ["bytes=0-", "bytes=1-1", "bytes=-5"] {
            assert_eq!(Asked::by(&headers(&[(RANGE, good)])).headers.get(RANGE).unwrap(), good);
        }
        for odd in ["", "bytes=", "bytes=-", "bytes=5-1", "bytes=0-1,3-4", "lines=0-1", "bytes=a-b", "bytes=+1-2"] {
            assert!(Asked::by(&headers(&[(RANGE, odd)])).headers.is_empty(), "{odd}");
        }
    }

    #[test]
    fn a_head_asks_for_one_byte() {
        let asked = Asked::of_head(&headers(&[(RANGE, "bytes=5-9"), (IF_RANGE, "\"a\""), (IF_MATCH, "\"b\"")]));
        assert_eq!(asked.headers, headers(&[(IF_MATCH, "\"b\""), (RANGE, "bytes=0-0")]));
    }
}
