//! Where the bytes of a path come from: the server's link, fetched; anew where it does not open the file any more.

use std::ops::Range;
use std::sync::Arc;
use std::time::Duration;

use davmux_driver::{ByteStream, Error, ErrorKind, Etag, RelPath};
use davmux_tree::Rest;
use futures_util::{StreamExt, TryStreamExt};
use http::{HeaderMap, HeaderValue, Response, StatusCode, header};
use hyper::body::Incoming;

use crate::backend::{Backend, NoAnswer, chunks};
use crate::davmux::{Davmux, NoLink};

/// How often a store is asked at most.
const ATTEMPTS: u32 = 3;
const FIRST_PAUSE: Duration = Duration::from_millis(100);

/// Why there are no bytes.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Trouble {
    #[error(transparent)]
    Link(#[from] NoLink),
    #[error("the storage gives nothing: {0}")]
    Storage(#[from] NoAnswer),
    #[error("the storage answered with status {status}")]
    Status { status: StatusCode, retry_after: Option<HeaderValue> },
}

/// The server, and the way to where its links lead.
#[derive(Debug)]
pub(crate) struct Source {
    pub(crate) davmux: Davmux,
    pub(crate) backend: Backend,
}

impl Source {
    /// Fetches a path with these headers. The answer is one that a client can have: the file, a part of it, or that a condition
    /// or a range does not hold.
    pub(crate) async fn fetch(&self, path: &str, asked: &HeaderMap) -> Result<Response<Incoming>, Trouble> {
        let mut pause = FIRST_PAUSE;
        let (mut attempt, mut renewed) = (1, false);
        loop {
            let known = self.davmux.link(path).await?;
            let trouble = match self.backend.fetch(&known.fetch, asked).await {
                Ok(answer) if is_for_clients(answer.status()) => return Ok(answer),
                Ok(answer) => {
                    if known.kept && !renewed && refuses_link(answer.status()) {
                        renewed = true;
                        self.davmux.forget(path);
                        continue;
                    }
                    let retry_after = answer.headers().get(header::RETRY_AFTER).cloned();
                    Trouble::Status { status: answer.status(), retry_after }
                }
                Err(redirect @ NoAnswer::Redirect(_)) => return Err(redirect.into()),
                Err(error) => error.into(),
            };
            let again = match &trouble {
                Trouble::Status { status, retry_after } => status.is_server_error() && retry_after.is_none(),
                _ => true,
            };
            if attempt == ATTEMPTS || !again {
                return Err(trouble);
            }
            attempt += 1;
            tokio::time::sleep(pause).await;
            pause *= 2;
        }
    }
}

fn is_for_clients(status: StatusCode) -> bool {
    let known = [
        StatusCode::OK,
        StatusCode::PARTIAL_CONTENT,
        StatusCode::NOT_MODIFIED,
        StatusCode::PRECONDITION_FAILED,
        StatusCode::RANGE_NOT_SATISFIABLE,
    ];
    known.contains(&status)
}

/// What stores say of a link that expired, that was signed with keys that ended, or whose file went elsewhere.
fn refuses_link(status: StatusCode) -> bool {
    matches!(status.as_u16(), 400 | 401 | 403 | 404 | 410)
}

/// The rest of a file that is being relayed.
pub(crate) struct Relayed {
    pub(crate) source: Arc<Source>,
    /// As it was signed.
    pub(crate) signed: String,
    pub(crate) path: RelPath,
}

impl Relayed {
    /// A body whose errors can be read on after.
    pub(crate) fn stream(path: &RelPath, body: Incoming) -> ByteStream {
        let path = path.clone();
        chunks(body).map_err(move |error| Error::new(ErrorKind::Unavailable, "read", &path).with_source(error)).boxed()
    }
}

impl Rest for Relayed {
    fn path(&self) -> &RelPath {
        &self.path
    }

    async fn open(&self, range: Range<u64>, etag: &Etag) -> Result<ByteStream, Error> {
        let failed = |kind| Error::new(kind, "read", &self.path);
        let mut asked = HeaderMap::new();
        let told = format!("bytes={}-{}", range.start, range.end.saturating_sub(1));
        let (Ok(told), Ok(tag)) = (HeaderValue::try_from(told), HeaderValue::from_str(etag.as_str())) else {
            return Err(failed(ErrorKind::Backend));
        };
        asked.insert(header::RANGE, told);
        asked.insert(header::IF_MATCH, tag);
        let answer = match self.source.fetch(&self.signed, &asked).await {
            Ok(answer) => answer,
            Err(trouble) => {
                let kind = match &trouble {
                    Trouble::Status { status, .. } if status.is_client_error() => ErrorKind::Denied,
                    _ => ErrorKind::Unavailable,
                };
                return Err(failed(kind).with_source(trouble));
            }
        };
        let is_rest = answer.status() == StatusCode::PARTIAL_CONTENT
            && etag_of(answer.headers()).as_ref() == Some(etag)
            && content_range(answer.headers()).is_some_and(|(part, _)| part == range);
        if !is_rest {
            return Err(failed(ErrorKind::Precondition).with_detail("it changed while it was read"));
        }
        Ok(Self::stream(&self.path, answer.into_body()))
    }
}

/// The strong tag of an answer.
pub(crate) fn etag_of(headers: &HeaderMap) -> Option<Etag> {
    Etag::new(headers.get(header::ETAG)?.to_str().ok()?)
}

/// `bytes 0-9/100` as offsets and the whole length.
pub(crate) fn content_range(headers: &HeaderMap) -> Option<(Range<u64>, u64)> {
    let text = headers.get(header::CONTENT_RANGE)?.to_str().ok()?;
    let (range, size) = text.strip_prefix("bytes ")?.split_once('/')?;
    let (first, last) = range.split_once('-')?;
    let (first, last, size): (u64, u64, u64) = (first.parse().ok()?, last.parse().ok()?, size.parse().ok()?);
    (first <= last && last < size).then(|| (first..last + 1, size))
}

/// `bytes */100`: the length of a file in which the range is not.
pub(crate) fn size_of_416(headers: &HeaderMap) -> Option<u64> {
    headers.get(header::CONTENT_RANGE)?.to_str().ok()?.strip_prefix("bytes */")?.parse().ok()
}
