//! The body of an answer: it tells the recorder when it ends, and can be cut.

use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};

use crate::recorder::Running;

/// Polls between the last bytes and the cut. hyper writes out what it holds when a body is not ready, so without one
/// the bytes before the cut would be lost with the connection.
const PAUSES: u8 = 4;

/// Why a connection breaks: the script says so, or a body could not be read.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub(crate) struct Broken(pub(crate) String);

/// An answer on its way out.
#[derive(Debug)]
pub(crate) struct Answer {
    inner: s3s::Body,
    call: Running,
    /// Bytes still to come, where the answer has a length.
    left: Option<u64>,
    cut: Option<Cut>,
}

#[derive(Debug)]
struct Cut {
    left: u64,
    pauses: u8,
}

impl Answer {
    /// A body that ends `call`; `length` is its Content-Length, `cut` the bytes after which the connection breaks.
    pub(crate) fn new(inner: s3s::Body, mut call: Running, length: Option<u64>, cut: Option<u64>) -> Self {
        if inner.is_end_stream() {
            // hyper does not poll it.
            call.end();
        }
        Self { inner, call, left: length, cut: cut.map(|left| Cut { left, pauses: PAUSES }) }
    }
}

impl Body for Answer {
    type Data = Bytes;
    type Error = Broken;

    fn poll_frame(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Broken>>> {
        let this = self.get_mut();
        if let Some(cut) = &mut this.cut
            && cut.left == 0
        {
            if cut.pauses > 0 {
                cut.pauses -= 1;
                cx.waker().wake_by_ref();
                return Poll::Pending;
            }
            this.call.end();
            return Poll::Ready(Some(Err(Broken("the script cuts this body here".to_owned()))));
        }
        let Some(frame) = ready!(Pin::new(&mut this.inner).poll_frame(cx)) else {
            this.call.end();
            return Poll::Ready(None);
        };
        let frame = match (frame.map_err(|error| Broken(error.to_string()))?.into_data(), &mut this.cut) {
            (Ok(mut data), Some(cut)) => {
                data.truncate(usize::try_from(cut.left).unwrap_or(usize::MAX));
                cut.left -= data.len() as u64;
                Frame::data(data)
            }
            (Ok(data), None) => Frame::data(data),
            (Err(frame), _) => frame,
        };
        if let (Some(left), Some(data)) = (&mut this.left, frame.data_ref()) {
            *left = left.saturating_sub(data.len() as u64);
            if *left == 0 {
                // Before the client can have the last byte: what it sends then comes after this call.
                this.call.end();
            }
        }
        Poll::Ready(Some(Ok(frame)))
    }

    fn is_end_stream(&self) -> bool {
        self.cut.is_none() && self.inner.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.inner.size_hint()
    }
}
