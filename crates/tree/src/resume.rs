//! Reading on where a backend's connection was lost (promise 7).

use std::ops::Range;
use std::time::Duration;

use bytes::Bytes;
use davmux_driver::{ByteStream, Error, ErrorKind, Etag, RelPath};
use futures_util::{StreamExt, stream};

/// How often the rest is asked for again without a byte in between.
const RESUMES: u32 = 4;

/// Where the rest of a file comes from when the stream of it breaks.
pub trait Rest: Send + 'static {
    /// The file, for messages.
    fn path(&self) -> &RelPath;

    /// Opens exactly these bytes of exactly this version.
    ///
    /// # Errors
    /// [`ErrorKind::Precondition`] where another version stands there now.
    fn open(&self, range: Range<u64>, etag: &Etag) -> impl Future<Output = Result<ByteStream, Error>> + Send;
}

/// A stream that goes on with a range of the same version when its connection is lost, and holds exactly the bytes of `range`
/// or ends with an error. Bytes of two versions are never mixed: without an ETag it ends with what broke it.
pub fn resuming<R: Rest + Sync>(rest: R, etag: Option<Etag>, range: Range<u64>, stream: ByteStream) -> ByteStream {
    let state = Resuming { rest, etag, left: range, stream, fruitless: 0, ended: false };
    stream::unfold(state, |mut state| async move {
        if state.ended || state.left.is_empty() {
            return None;
        }
        let chunk = state.next().await;
        state.ended = chunk.is_err();
        Some((chunk, state))
    })
    .boxed()
}

struct Resuming<R> {
    rest: R,
    etag: Option<Etag>,
    left: Range<u64>,
    stream: ByteStream,
    fruitless: u32,
    ended: bool,
}

impl<R: Rest> Resuming<R> {
    async fn next(&mut self) -> Result<Bytes, Error> {
        loop {
            let error = match self.stream.next().await {
                Some(Ok(chunk)) if chunk.is_empty() => continue,
                Some(Ok(chunk)) => {
                    let length = chunk.len() as u64;
                    if length > self.left.end - self.left.start {
                        return Err(self
                            .failure(ErrorKind::Backend)
                            .with_detail("more bytes came than were announced"));
                    }
                    self.left.start += length;
                    self.fruitless = 0;
                    return Ok(chunk);
                }
                Some(Err(error)) => error,
                None => self.failure(ErrorKind::Incomplete),
            };
            self.resume(error).await?;
        }
    }

    fn failure(&self, kind: ErrorKind) -> Error {
        Error::new(kind, "read", self.rest.path())
    }

    /// Opens the rest, or gives up with the error that cut the stream.
    async fn resume(&mut self, mut error: Error) -> Result<(), Error> {
        while let Some(etag) = &self.etag
            && self.fruitless < RESUMES
            && (error.kind().is_transient() || matches!(error.kind(), ErrorKind::Incomplete | ErrorKind::Backend))
        {
            if self.fruitless > 0 {
                tokio::time::sleep(Duration::from_millis(100 << self.fruitless)).await;
            }
            self.fruitless += 1;
            tracing::debug!(path = %self.rest.path(), at = self.left.start, %error, "resuming a relay");
            match self.rest.open(self.left.clone(), etag).await {
                Ok(stream) => {
                    self.stream = stream;
                    return Ok(());
                }
                Err(again) => error = again,
            }
        }
        Err(error)
    }
}
