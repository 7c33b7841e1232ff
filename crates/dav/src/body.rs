//! [`Body`]: what a response carries, and [`Incoming`]: what a request does.

use std::error::Error as StdError;
use std::fmt;
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use futures_util::Stream;
use http_body::{Frame, SizeHint};
use http_body_util::BodyExt;
use http_body_util::combinators::UnsyncBoxBody;

use crate::status::Failure;

/// Any error of a request's body.
pub(crate) type BoxError = Box<dyn StdError + Send + Sync>;

/// A request's body, whatever it was.
pub(crate) type Incoming = UnsyncBoxBody<Bytes, BoxError>;

/// Why a response ends before its end. The connection must be cut then, so that the client sees a failure and not a
/// shorter answer.
#[derive(Debug, thiserror::Error)]
pub enum BodyError {
    /// The tree could not deliver what was promised.
    #[error("the response was cut: {0}")]
    Cut(#[source] davmux_tree::Error),
    /// Fewer or more bytes came than `Content-Length` says.
    #[error("the response was cut: {0} bytes of its announced length are wrong")]
    Length(u64),
}

/// The body of a response: nothing, some bytes, or a stream.
pub struct Body(Inner);

type Chunks = Pin<Box<dyn Stream<Item = Result<Bytes, BodyError>> + Send>>;

enum Inner {
    Full(Option<Bytes>),
    /// `left`: bytes that are still to come, where the length is known.
    Stream {
        chunks: Chunks,
        left: Option<u64>,
    },
    Ended,
}

impl Body {
    /// No bytes.
    pub fn empty() -> Self {
        Self(Inner::Full(None))
    }

    /// Its length in bytes, where it is known.
    pub(crate) fn size(&self) -> Option<u64> {
        http_body::Body::size_hint(self).exact()
    }

    /// A stream of unknown length.
    pub(crate) fn stream(chunks: impl Stream<Item = Result<Bytes, BodyError>> + Send + 'static) -> Self {
        Self(Inner::Stream { chunks: Box::pin(chunks), left: None })
    }

    /// A stream of exactly `length` bytes; anything else becomes an error.
    pub(crate) fn sized(chunks: impl Stream<Item = Result<Bytes, BodyError>> + Send + 'static, length: u64) -> Self {
        Self(Inner::Stream { chunks: Box::pin(chunks), left: Some(length) })
    }
}

impl<T: Into<Bytes>> From<T> for Body {
    fn from(bytes: T) -> Self {
        let bytes = bytes.into();
        Self(Inner::Full((!bytes.is_empty()).then_some(bytes)))
    }
}

impl fmt::Debug for Body {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Inner::Full(bytes) => f.debug_tuple("Full").field(&bytes.as_ref().map_or(0, Bytes::len)).finish(),
            Inner::Stream { left, .. } => f.debug_struct("Stream").field("left", left).finish_non_exhaustive(),
            Inner::Ended => f.write_str("Ended"),
        }
    }
}

impl http_body::Body for Body {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Self::Data>, Self::Error>>> {
        let (result, ended) = match &mut self.0 {
            Inner::Full(bytes) => return Poll::Ready(bytes.take().map(|bytes| Ok(Frame::data(bytes)))),
            Inner::Ended => return Poll::Ready(None),
            Inner::Stream { chunks, left } => match std::task::ready!(chunks.as_mut().poll_next(cx)) {
                Some(Ok(chunk)) => match left {
                    None => (Some(Ok(Frame::data(chunk))), false),
                    Some(rest) => match rest.checked_sub(chunk.len() as u64) {
                        Some(less) => {
                            *rest = less;
                            (Some(Ok(Frame::data(chunk))), false)
                        }
                        None => (Some(Err(BodyError::Length(*rest))), true),
                    },
                },
                Some(Err(error)) => (Some(Err(error)), true),
                None => match left {
                    Some(rest) if *rest > 0 => (Some(Err(BodyError::Length(*rest))), true),
                    _ => (None, true),
                },
            },
        };
        if ended {
            self.0 = Inner::Ended;
        }
        Poll::Ready(result)
    }

    fn is_end_stream(&self) -> bool {
        matches!(self.0, Inner::Full(None) | Inner::Ended)
    }

    fn size_hint(&self) -> SizeHint {
        match &self.0 {
            Inner::Full(bytes) => SizeHint::with_exact(bytes.as_ref().map_or(0, Bytes::len) as u64),
            Inner::Stream { left: Some(left), .. } => SizeHint::with_exact(*left),
            Inner::Stream { left: None, .. } => SizeHint::default(),
            Inner::Ended => SizeHint::with_exact(0),
        }
    }
}

/// Reads a whole body of at most `limit` bytes.
pub(crate) async fn collect(body: &mut Incoming, limit: usize) -> Result<Vec<u8>, Failure> {
    let mut all = Vec::new();
    while let Some(frame) = body.frame().await {
        let frame = frame.map_err(|_| Failure::bad_request("the request's body could not be read"))?;
        if let Ok(data) = frame.into_data() {
            if all.len() + data.len() > limit {
                return Err(Failure::new(http::StatusCode::PAYLOAD_TOO_LARGE, "the request's body is too large"));
            }
            all.extend_from_slice(&data);
        }
    }
    Ok(all)
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures_util::stream;

    async fn read(body: Body) -> Result<Bytes, BodyError> {
        body.collect().await.map(http_body_util::Collected::to_bytes)
    }

    #[tokio::test]
    async fn a_sized_stream_that_is_short_or_long_is_an_error() {
        let chunks = || stream::iter([Ok(Bytes::from_static(b"abc")), Ok(Bytes::from_static(b"de"))]);
        assert_eq!(read(Body::sized(chunks(), 5)).await.unwrap(), "abcde");
        assert!(matches!(read(Body::sized(chunks(), 6)).await, Err(BodyError::Length(1))));
        assert!(matches!(read(Body::sized(chunks(), 4)).await, Err(BodyError::Length(1))));
    }

    #[tokio::test]
    async fn a_request_body_over_the_limit_is_413() {
        let mut body: Incoming =
            http_body_util::Full::new(Bytes::from_static(b"12345")).map_err(|never| match never {}).boxed_unsync();
        let failure = collect(&mut body, 4).await.unwrap_err();
        assert_eq!(failure.status(&http::Method::PUT), http::StatusCode::PAYLOAD_TOO_LARGE);
    }
}
