//! The body of a read.

use davmux_driver::{ByteStream, Error, ErrorKind, RelPath};
use futures_util::stream;
use opendal_core::raw::oio::ReadStreamDyn;

const OP: &str = "read";

/// A body, as exactly so many bytes or an error.
pub(crate) fn exactly(body: Box<dyn ReadStreamDyn>, length: u64, path: RelPath) -> ByteStream {
    Box::pin(stream::unfold(Some((body, length)), move |state| {
        let path = path.clone();
        async move {
            let (mut body, left) = state?;
            let cut = |why: String| Error::new(ErrorKind::Unavailable, OP, &path).with_detail(why);
            let error = match body.read_dyn().await {
                Ok(data) if data.is_empty() && left == 0 => return None,
                Ok(data) if data.is_empty() => cut(format!("the storage ended the body {left} bytes too early")),
                Ok(data) => match left.checked_sub(u64::try_from(data.len()).unwrap_or(u64::MAX)) {
                    Some(left) => return Some((Ok(data.to_bytes()), Some((body, left)))),
                    None => Error::new(ErrorKind::Backend, OP, &path)
                        .with_detail("the storage sends more than it announced"),
                },
                Err(error) => cut(error.message().to_owned()),
            };
            Some((Err(error), None))
        }
    }))
}
