//! Reading request headers: those that may stand only once, and those with two or three words.

use davmux_tree::redirect::means_no_cache;
use http::header::{HeaderMap, HeaderName};

use crate::status::Failure;

/// `Depth` (RFC 4918 section 10.2).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Depth {
    Zero,
    One,
    Infinity,
}

/// The one value of a header. Two of them are refused: which one counts would depend on who reads.
pub(crate) fn single<'a>(headers: &'a HeaderMap, name: &str) -> Result<Option<&'a str>, Failure> {
    let mut values = headers.get_all(name).iter();
    let Some(value) = values.next() else { return Ok(None) };
    if values.next().is_some() {
        return Err(Failure::bad_request(format!("the header {name} stands more than once")));
    }
    match std::str::from_utf8(value.as_bytes()) {
        Ok(text) => Ok(Some(text.trim_matches([' ', '\t']))),
        Err(_) => Err(Failure::bad_request(format!("the header {name} is not UTF-8"))),
    }
}

/// A header that is only advice: what cannot be read is as good as absent.
pub(crate) fn lenient<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    headers.get(name).and_then(|value| value.to_str().ok()).map(str::trim)
}

/// Refuses (417) what the sender expects that nobody here does. `100-continue` is what everybody understands.
pub(crate) fn expectation(headers: &HeaderMap) -> Result<(), Failure> {
    let text = list(headers, &http::header::EXPECT)?.unwrap_or_default();
    let known = |member: &str| member.is_empty() || member.eq_ignore_ascii_case("100-continue");
    if text.split(',').map(str::trim).all(known) {
        return Ok(());
    }
    Err(Failure::new(http::StatusCode::EXPECTATION_FAILED, "the only expectation that is met here is 100-continue"))
}

/// All values of a header as one list.
pub(crate) fn list(headers: &HeaderMap, name: &HeaderName) -> Result<Option<String>, Failure> {
    let mut all: Option<String> = None;
    for value in headers.get_all(name) {
        let text = std::str::from_utf8(value.as_bytes())
            .map_err(|_| Failure::bad_request(format!("the header {name} is not UTF-8")))?;
        match &mut all {
            Some(all) => {
                all.push(',');
                all.push_str(text);
            }
            None => all = Some(text.to_owned()),
        }
    }
    Ok(all)
}

pub(crate) fn depth(headers: &HeaderMap) -> Result<Option<Depth>, Failure> {
    match single(headers, "depth")? {
        None => Ok(None),
        Some("0") => Ok(Some(Depth::Zero)),
        Some("1") => Ok(Some(Depth::One)),
        Some(text) if text.eq_ignore_ascii_case("infinity") => Ok(Some(Depth::Infinity)),
        Some(_) => Err(Failure::bad_request("Depth must be 0, 1 or infinity")),
    }
}

/// `Overwrite` (RFC 4918 section 10.6); `T` where it is absent.
pub(crate) fn overwrite(headers: &HeaderMap) -> Result<bool, Failure> {
    match single(headers, "overwrite")? {
        None => Ok(true),
        Some(text) if text.eq_ignore_ascii_case("t") => Ok(true),
        Some(text) if text.eq_ignore_ascii_case("f") => Ok(false),
        Some(_) => Err(Failure::bad_request("Overwrite must be T or F")),
    }
}

/// The length of the request's body in bytes, where the sender said it.
pub(crate) fn content_length(headers: &HeaderMap) -> Result<Option<u64>, Failure> {
    number(headers, "content-length")
}

/// A header that is one decimal number.
pub(crate) fn number(headers: &HeaderMap, name: &str) -> Result<Option<u64>, Failure> {
    let Some(text) = single(headers, name)? else { return Ok(None) };
    if text.is_empty() || !text.bytes().all(|b| b.is_ascii_digit()) {
        return Err(Failure::bad_request(format!("the header {name} must be a number")));
    }
    text.parse().map(Some).map_err(|_| Failure::bad_request(format!("the header {name} is too large a number")))
}

/// `Brief: t` (Microsoft) or `Prefer: return=minimal` (RFC 8144): properties that are not there may be left out.
pub(crate) fn minimal(headers: &HeaderMap) -> bool {
    lenient(headers, "brief").is_some_and(|text| text.eq_ignore_ascii_case("t")) || prefers(headers, "return=minimal")
}

/// Whether the client states this preference (RFC 7240 section 2), with or without parameters.
pub(crate) fn prefers(headers: &HeaderMap, preference: &str) -> bool {
    headers.get_all("prefer").iter().filter_map(|value| value.to_str().ok()).any(|value| {
        let stated = |text: &str| text.split(';').next().unwrap_or_default().trim().eq_ignore_ascii_case(preference);
        value.split(',').any(stated)
    })
}

/// Whether the client will not have what is kept: `Cache-Control: no-cache` (RFC 9111 section 5.2.1.4), or `Pragma: no-cache`
/// where there is no Cache-Control (section 5.4). Not where the client says so with every request.
pub(crate) fn wants_fresh(headers: &HeaderMap) -> bool {
    let name = if headers.contains_key("cache-control") { "cache-control" } else { "pragma" };
    let mut values = headers.get_all(name).iter().filter_map(|value| value.to_str().ok());
    values.any(|value| value.split(',').any(|directive| directive.trim().eq_ignore_ascii_case("no-cache")))
        && means_no_cache(lenient(headers, "user-agent").unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::HeaderValue;

    fn with(name: &'static str, values: &[&'static str]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for value in values {
            headers.append(name, HeaderValue::from_static(value));
        }
        headers
    }

    #[test]
    fn depth_and_overwrite_take_their_words_only() {
        assert_eq!(depth(&with("depth", &["Infinity"])).unwrap(), Some(Depth::Infinity));
        assert!(depth(&with("depth", &["2"])).is_err());
        assert!(depth(&with("depth", &["0", "1"])).is_err());
        assert!(overwrite(&with("x", &[])).unwrap());
        assert!(!overwrite(&with("overwrite", &["f"])).unwrap());
        assert!(overwrite(&with("overwrite", &["maybe"])).is_err());
    }

    #[test]
    fn numbers_are_digits_that_fit() {
        assert_eq!(number(&with("n", &["12"]), "n").unwrap(), Some(12));
        for bad in ["", "+1", "-1", "1 2", "0x1", "99999999999999999999"] {
            assert!(number(&with("n", &[bad]), "n").is_err(), "{bad:?}");
        }
    }

    #[test]
    fn what_is_kept_is_unwanted_by_one_word_unless_the_client_always_says_it() {
        for (cache_control, pragma, fresh) in [
            ("no-cache", "", true),
            ("max-age=0, No-Cache", "", true),
            ("no-store", "", false),
            ("max-age=0", "no-cache", false),
            ("", "no-cache", true),
            ("", "", false),
        ] {
            let mut headers = HeaderMap::new();
            for (name, value) in [("cache-control", cache_control), ("pragma", pragma)] {
                if !value.is_empty() {
                    headers.insert(name, HeaderValue::from_static(value));
                }
            }
            assert_eq!(wants_fresh(&headers), fresh, "{cache_control:?} {pragma:?}");
            headers.insert("user-agent", HeaderValue::from_static("Microsoft-WebDAV-MiniRedir/10.0.22631"));
            assert!(!wants_fresh(&headers));
        }
    }

    #[test]
    fn minimal_answers_are_asked_for_in_two_ways() {
        assert!(minimal(&with("brief", &["t"])));
        assert!(minimal(&with("prefer", &["wait=1, return=minimal; x=y"])));
        assert!(!minimal(&with("prefer", &["return=representation"])));
        assert!(prefers(&with("prefer", &["wait=1", "return=minimal, Depth-NoRoot"]), "depth-noroot"));
        assert!(!prefers(&with("prefer", &["depth-noroot=1"]), "depth-noroot"));
    }
}
