//! What stands in an answer that says no.

use std::time::{Duration, SystemTime};

/// Whether a body is a page for browsers.
pub(crate) fn is_web_page(body: &[u8]) -> bool {
    let text = body.trim_ascii_start();
    let text = text.strip_prefix(b"\xef\xbb\xbf").unwrap_or(text);
    let begins = |word: &[u8]| text.get(..word.len()).is_some_and(|head| head.eq_ignore_ascii_case(word));
    begins(b"<!doctype html") || begins(b"<html")
}

/// The region in the message of an `AuthorizationHeaderMalformed`: `... is wrong; expecting 'eu-west-3'`.
pub(super) fn expected_region(message: &str) -> Option<String> {
    let (_, rest) = message.split_once("expecting '")?;
    let (region, _) = rest.split_once('\'')?;
    Some(region.to_owned()).filter(|region| !region.is_empty())
}

/// The value of a `Retry-After` (RFC 9110, section 10.2.3): seconds, or a date.
pub(crate) fn wait(text: &str) -> Option<Duration> {
    let text = text.trim();
    let until = || httpdate::parse_http_date(text).ok();
    match text.parse() {
        Ok(seconds) => Some(Duration::from_secs(seconds)),
        Err(_) => Some(until()?.duration_since(SystemTime::now()).unwrap_or_default()),
    }
}

/// The text of the first element of this name. Error documents are flat and their names occur once.
pub(crate) fn element(document: &str, name: &str) -> Option<String> {
    let (_, rest) = document.split_once(&format!("<{name}>"))?;
    let (text, _) = rest.split_once(&format!("</{name}>"))?;
    let unescaped = text
        .replace("&lt;", "<")
        .replace("&gt;", ">")
        .replace("&quot;", "\"")
        .replace("&apos;", "'")
        .replace("&#39;", "'")
        .replace("&amp;", "&");
    Some(unescaped)
}
