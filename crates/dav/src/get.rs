//! GET and HEAD (RFC 9110 sections 9.3.1 and 9.3.2): of a file a redirect or its bytes, of a folder a page.

use davmux_tree::{ByteRange, Error, ErrorKind, Link, Node, OpenRequest, Opened, Problem, Requester, Source};
use futures_util::StreamExt;
use http::header::{
    ACCEPT_RANGES, CACHE_CONTROL, CONTENT_LENGTH, CONTENT_RANGE, CONTENT_SECURITY_POLICY, CONTENT_TYPE, LOCATION,
    REFERRER_POLICY, RETRY_AFTER, X_CONTENT_TYPE_OPTIONS,
};
use http::{HeaderMap, HeaderValue, Method, Response, StatusCode};

use crate::body::{Body, BodyError};
use crate::call::{Answer, Call, empty, put_validators};
use crate::checksum::put_words;
use crate::conditional::range_counts;
use crate::headers::lenient;
use crate::preconditions::Judged;
use crate::status::Failure;
use crate::{headers, html, media_types, range};

/// Redirect or relay, and why; stands in the extensions of the answer to a GET of a file, for the access log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ReadDecision {
    /// Redirect, or relay.
    pub redirect: bool,
    /// One of a fixed set of words.
    pub reason: &'static str,
}

/// Answers a GET or a HEAD.
pub(crate) async fn get(call: Call) -> Answer {
    if headers::wants_fresh(&call.headers) {
        call.view.renew(&call.path).await?;
    }
    let judged = call.judge().await?;
    if judged.not_modified {
        return Ok(not_modified(judged.node.flatten().as_ref()));
    }
    if call.method == Method::HEAD {
        return head(&call, judged).await;
    }
    let mut wanted = range::parse(&call.headers);
    let mut known = judged.node.clone();
    if wanted.is_some() && call.headers.contains_key("if-range") {
        let node = match known.take() {
            Some(node) => node,
            None => call.look(&call.path).await?,
        };
        if let Some(node) = &node
            && !range_counts(&call.headers, node)?
        {
            wanted = None;
        }
        known = Some(node);
    }
    match known {
        Some(None) => Err(Failure::new(StatusCode::NOT_FOUND, "nothing is there")),
        Some(Some(node)) if node.is_dir() => html::folder(&call).await,
        Some(Some(node)) => looked_at(&call, node, wanted, judged).await,
        None if call.slash => folder_first(&call, wanted).await,
        None => match open(&call, wanted, None).await {
            Err(error) if error.problem() == Problem::Storage(ErrorKind::IsDir) => html::folder(&call).await,
            opened => answer(&call, opened, wanted).await,
        },
    }
}

/// The URL ends with a slash, so it is a folder, but a file is found under it too.
async fn folder_first(call: &Call, wanted: Option<ByteRange>) -> Answer {
    let absent = |failure: &Failure| {
        matches!(failure.problem(), Some(Problem::NotFound | Problem::Storage(ErrorKind::NotDir | ErrorKind::NotFound)))
    };
    match html::folder(call).await {
        Err(failure) if absent(&failure) && !call.path.is_root() => {
            answer(call, open(call, wanted, None).await, wanted).await
        }
        page => page,
    }
}

/// Opens exactly the version that the conditions were evaluated on. Where it changed in between they are evaluated once
/// more.
async fn looked_at(call: &Call, node: Node, mut wanted: Option<ByteRange>, judged: Judged) -> Answer {
    let changed = |opened: &Result<Opened, Error>| {
        opened.as_ref().is_err_and(|error| error.problem() == Problem::Storage(ErrorKind::Precondition))
    };
    let opened = open(call, wanted, Some(&node)).await;
    if !changed(&opened) {
        return answer(call, opened, wanted).await;
    }
    drop(judged);
    let judged = call.judge().await?;
    let node = match judged.node {
        Some(node) => node,
        None => call.look(&call.path).await?,
    };
    if judged.not_modified {
        return Ok(not_modified(node.as_ref()));
    }
    let Some(node) = node else { return Err(Failure::new(StatusCode::NOT_FOUND, "nothing is there")) };
    if node.is_dir() {
        return html::folder(call).await;
    }
    if wanted.is_some() && !range_counts(&call.headers, &node)? {
        wanted = None;
    }
    let opened = open(call, wanted, Some(&node)).await;
    if changed(&opened) && !call.headers.contains_key("if-match") {
        let mut response = Failure::new(StatusCode::SERVICE_UNAVAILABLE, "the file changes faster than it can be read")
            .into_response(&call.method);
        response.headers_mut().insert(RETRY_AFTER, HeaderValue::from_static("1"));
        return Ok(response);
    }
    answer(call, opened, wanted).await
}

async fn open(call: &Call, range: Option<ByteRange>, node: Option<&Node>) -> Result<Opened, Error> {
    let header = |name| lenient(&call.headers, name).unwrap_or_default();
    let requester = Requester {
        user_agent: header("user-agent"),
        sec_fetch_mode: header("sec-fetch-mode"),
        sec_fetch_dest: header("sec-fetch-dest"),
        authorization: call.client.named_by_proxy || call.headers.contains_key("authorization"),
        peer: call.client.peer,
        https: call.client.https,
        host: call.client.host.as_deref(),
        wish: wish(call.query.as_deref()),
    };
    call.view.open(&call.path, OpenRequest { requester: &requester, range, node }).await
}

/// `?redirect=0` or `?redirect=1`.
fn wish(query: Option<&str>) -> Option<bool> {
    query?.split('&').find_map(|pair| match pair {
        "redirect=0" => Some(false),
        "redirect=1" => Some(true),
        _ => None,
    })
}

/// The response for an opened file. `wanted` is the range that was asked for.
async fn answer(call: &Call, opened: Result<Opened, Error>, wanted: Option<ByteRange>) -> Answer {
    let (opened, wanted) = match opened {
        // No range of an empty file exists, but players ask for `bytes=0-` always: they get all of it.
        Err(error) if error.problem() == Problem::Storage(ErrorKind::Range { size: 0 }) => {
            (open(call, None, None).await?, None)
        }
        opened => (opened?, wanted),
    };
    let Opened { node, source, decision } = opened;
    let mut response = match source {
        Source::Redirect(link) => redirect(&link)?,
        Source::Relay { range, body } => {
            let length = range.end.saturating_sub(range.start);
            let path = call.path.clone();
            let body = body.map(move |chunk| {
                chunk.map_err(|error| {
                    tracing::warn!(%path, %error, "a relay is cut: the client gets an error");
                    BodyError::Cut(error)
                })
            });
            let mut response = Response::new(Body::sized(body, length));
            put_file_headers(response.headers_mut(), &node);
            response.headers_mut().insert(CONTENT_LENGTH, HeaderValue::from(length));
            if wanted.is_some() {
                *response.status_mut() = StatusCode::PARTIAL_CONTENT;
                let told = format!("bytes {}-{}/{}", range.start, range.end.saturating_sub(1), node.size);
                if let Ok(told) = HeaderValue::try_from(told) {
                    response.headers_mut().insert(CONTENT_RANGE, told);
                }
            }
            response
        }
    };
    response.extensions_mut().insert(ReadDecision { redirect: decision.redirect, reason: decision.reason.as_str() });
    Ok(response)
}

fn redirect(link: &Link) -> Answer {
    let location = HeaderValue::try_from(link.url.to_string())
        .map_err(|_| Failure::new(StatusCode::BAD_GATEWAY, "the storage gave a link that no header can hold"))?;
    let mut response = empty(StatusCode::FOUND);
    let headers = response.headers_mut();
    headers.insert(LOCATION, location);
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    // Some buckets refuse a foreign referer.
    headers.insert(REFERRER_POLICY, HeaderValue::from_static("no-referrer"));
    Ok(response)
}

/// HEAD is answered from what is known of the file and never redirected: a link that is signed for GET refuses it.
async fn head(call: &Call, judged: Judged) -> Answer {
    let node = match judged.node {
        Some(Some(node)) => node,
        Some(None) => return Err(Failure::new(StatusCode::NOT_FOUND, "nothing is there")),
        None => call.view.stat(&call.path).await?,
    };
    let mut response = Response::new(Body::empty());
    let headers = response.headers_mut();
    if node.is_dir() {
        html::put_headers(headers);
    } else {
        put_file_headers(headers, &node);
        headers.insert(CONTENT_LENGTH, HeaderValue::from(node.size));
    }
    Ok(response)
}

fn put_file_headers(headers: &mut HeaderMap, node: &Node) {
    let media_type = media_types::of(node);
    let value =
        HeaderValue::from_str(media_type).unwrap_or_else(|_| HeaderValue::from_static("application/octet-stream"));
    headers.insert(CONTENT_TYPE, value);
    headers.insert(ACCEPT_RANGES, HeaderValue::from_static("bytes"));
    headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    if media_types::is_active(media_type) {
        // A page that a user stored must not act in the name of the one who opens it.
        headers.insert(CONTENT_SECURITY_POLICY, HeaderValue::from_static("sandbox"));
    }
    // ownCloud's clients compare it with what they received, in ranges too (owncloud/client, `src/libsync/propagatedownload.cpp`).
    let mut sums = Vec::new();
    if put_words(&mut sums, node.checksums())
        && let Some(strongest) = sums.split(|byte| *byte == b' ').next()
        && let Ok(value) = HeaderValue::from_bytes(strongest)
    {
        headers.insert("oc-checksum", value);
    }
    put_validators(headers, node);
}

fn not_modified(node: Option<&Node>) -> Response<Body> {
    let mut response = empty(StatusCode::NOT_MODIFIED);
    if let Some(node) = node {
        put_validators(response.headers_mut(), node);
    }
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wish_is_read_from_the_query() {
        assert_eq!(wish(Some("a=b&redirect=0")), Some(false));
        assert_eq!(wish(Some("redirect=1")), Some(true));
        assert_eq!(wish(Some("redirect=2")), None);
        assert_eq!(wish(None), None);
    }
}
