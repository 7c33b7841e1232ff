//! From a store's answer to the client's.

use std::sync::Arc;

use bytes::Bytes;
use davmux_driver::RelPath;
use davmux_server::Body;
use davmux_tree::resuming;
use futures_util::{StreamExt, TryStreamExt};
use http::header::{
    ACCEPT_RANGES, ACCESS_CONTROL_ALLOW_ORIGIN, ACCESS_CONTROL_EXPOSE_HEADERS, CACHE_CONTROL, CONTENT_DISPOSITION,
    CONTENT_ENCODING, CONTENT_LANGUAGE, CONTENT_LENGTH, CONTENT_RANGE, CONTENT_SECURITY_POLICY, CONTENT_TYPE, ETAG,
    EXPIRES, LAST_MODIFIED, REFERRER_POLICY, X_CONTENT_TYPE_OPTIONS,
};
use http::{HeaderMap, HeaderName, HeaderValue, Response, StatusCode};
use http_body_util::{BodyExt, Empty, Full, StreamBody};
use hyper::body::{Frame, Incoming};

use crate::source::{Relayed, Source, content_range, etag_of, size_of_416};

/// What a store says of a file. Everything else stays behind: cookies, what concerns its connection, and what would rule the
/// proxy's whole host (HSTS, service workers).
const PASSED: [HeaderName; 12] = [
    ACCEPT_RANGES,
    CACHE_CONTROL,
    CONTENT_DISPOSITION,
    CONTENT_ENCODING,
    CONTENT_LANGUAGE,
    CONTENT_LENGTH,
    CONTENT_RANGE,
    CONTENT_TYPE,
    ETAG,
    EXPIRES,
    LAST_MODIFIED,
    HeaderName::from_static("age"),
];

/// What pages of other hosts may read of an answer.
const EXPOSED: HeaderValue =
    HeaderValue::from_static("Accept-Ranges, Content-Disposition, Content-Length, Content-Range, ETag, Last-Modified");

/// The answer to a GET.
pub(crate) fn get(source: &Arc<Source>, signed: &str, path: &RelPath, answer: Response<Incoming>) -> Response<Body> {
    let (parts, body) = answer.into_parts();
    let length = number(&parts.headers, &CONTENT_LENGTH);
    let offsets = match parts.status {
        StatusCode::OK => length.map(|length| 0..length),
        StatusCode::PARTIAL_CONTENT => content_range(&parts.headers).map(|(part, _)| part),
        // What a store says beside a 304, 412 or 416 is for programs that speak with it.
        _ => return head(parts.status, &parts.headers, empty()),
    };
    let bytes = Relayed::stream(path, body);
    let bytes = match offsets {
        Some(range) if length == Some(range.end - range.start) => {
            let rest = Relayed { source: Arc::clone(source), signed: signed.to_owned(), path: path.clone() };
            resuming(rest, etag_of(&parts.headers), range, bytes)
        }
        // Several parts, or an answer without a length: it is passed on or cut, never read on.
        _ => bytes,
    };
    let path = path.clone();
    let frames = bytes.map_ok(Frame::data).map_err(move |error| {
        tracing::warn!(%path, %error, "a relay is cut: the client gets an error");
        error.into()
    });
    head(parts.status, &parts.headers, StreamBody::new(frames.boxed()).boxed_unsync())
}

/// The answer to a HEAD, from that to a GET of the first byte.
pub(crate) fn of_head(answer: &Response<Incoming>) -> Response<Body> {
    let headers = answer.headers();
    let size = match answer.status() {
        StatusCode::PARTIAL_CONTENT => content_range(headers).map(|(_, size)| size),
        // No byte is in an empty file.
        StatusCode::RANGE_NOT_SATISFIABLE => size_of_416(headers).or(Some(0)).filter(|size| *size == 0),
        StatusCode::OK => number(headers, &CONTENT_LENGTH),
        status => return head(status, headers, empty()),
    };
    let mut response = head(StatusCode::OK, headers, empty());
    let told = response.headers_mut();
    told.remove(CONTENT_RANGE);
    told.remove(CONTENT_LENGTH);
    if let Some(size) = size {
        told.insert(CONTENT_LENGTH, size.into());
    }
    told.insert(ACCEPT_RANGES, HeaderValue::from_static("bytes"));
    response
}

fn head(status: StatusCode, from: &HeaderMap, body: Body) -> Response<Body> {
    let mut response = Response::new(body);
    *response.status_mut() = status;
    let headers = response.headers_mut();
    for name in PASSED {
        // The length of an error document is not that of an empty body.
        if name == CONTENT_LENGTH && !status.is_success() {
            continue;
        }
        if let Some(value) = from.get(&name) {
            headers.insert(name, value.clone());
        }
    }
    if headers.get(CONTENT_TYPE).is_some_and(is_active) {
        // A page that a user stored must not act in the name of the proxy's host.
        headers.insert(CONTENT_SECURITY_POLICY, HeaderValue::from_static("sandbox"));
    }
    headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    // The address of the page is a key to the file.
    headers.insert(REFERRER_POLICY, HeaderValue::from_static("no-referrer"));
    open_to_pages(headers);
    response
}

/// An answer of the proxy itself.
pub(crate) fn plain(status: StatusCode, text: String) -> Response<Body> {
    let body = Full::new(Bytes::from(text + "\n")).map_err(|never| match never {}).boxed_unsync();
    let mut response = Response::new(body);
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("text/plain; charset=utf-8"));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    open_to_pages(headers);
    response
}

/// Any page may read what its user has a link to; no cookie and no password plays a part.
pub(crate) fn open_to_pages(headers: &mut HeaderMap) {
    headers.insert(ACCESS_CONTROL_ALLOW_ORIGIN, HeaderValue::from_static("*"));
    headers.insert(ACCESS_CONTROL_EXPOSE_HEADERS, EXPOSED);
}

pub(crate) fn empty() -> Body {
    Empty::new().map_err(|never| match never {}).boxed_unsync()
}

fn number(headers: &HeaderMap, name: &HeaderName) -> Option<u64> {
    headers.get(name)?.to_str().ok()?.parse().ok()
}

/// Whether a browser runs what stands in it.
fn is_active(media_type: &HeaderValue) -> bool {
    let text = media_type.to_str().unwrap_or_default();
    let essence = text.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    essence == "text/html" || essence == "text/xml" || essence == "application/xml" || essence.ends_with("+xml")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(pairs: &[(&'static str, &'static str)]) -> HeaderMap {
        let pairs = pairs.iter();
        pairs.map(|(name, value)| (HeaderName::from_static(name), HeaderValue::from_static(value))).collect()
    }

    #[test]
    fn what_a_store_says_of_its_connection_and_its_host_stays_behind() {
        let from = headers(&[
            ("content-type", "video/mp4"),
            ("content-disposition", "attachment; filename*=UTF-8''a"),
            ("etag", "\"a\""),
            ("set-cookie", "a=b"),
            ("connection", "close"),
            ("transfer-encoding", "chunked"),
            ("strict-transport-security", "max-age=1"),
            ("access-control-allow-origin", "https://other.example"),
            ("access-control-allow-credentials", "true"),
            ("location", "http://10.0.0.1/"),
        ]);
        let response = head(StatusCode::OK, &from, empty());
        let mut names: Vec<_> = response.headers().keys().map(HeaderName::as_str).collect();
        names.sort_unstable();
        let expected = [
            "access-control-allow-origin",
            "access-control-expose-headers",
            "content-disposition",
            "content-type",
            "etag",
            "referrer-policy",
            "x-content-type-options",
        ];
        assert_eq!(names, expected);
        assert_eq!(response.headers()[ACCESS_CONTROL_ALLOW_ORIGIN], "*");
    }

    #[test]
    fn a_page_is_shown_without_the_right_to_act() {
        for (media_type, active) in
            [("text/html; charset=utf-8", true), ("image/svg+xml", true), ("Text/HTML", true), ("video/mp4", false)]
        {
            let response = head(StatusCode::OK, &headers(&[("content-type", media_type)]), empty());
            assert_eq!(response.headers().contains_key(CONTENT_SECURITY_POLICY), active, "{media_type}");
        }
    }
}
