//! PUT (RFC 9110 section 9.3.4, RFC 4918 section 9.7).

use std::sync::Arc;
use std::time::SystemTime;

use bytes::Bytes;
use davmux_tree::{PutRequest, Written};
use futures_util::FutureExt;
use http::header::CONTENT_TYPE;
use http::{HeaderMap, StatusCode};
use http_body::{Body as _, Frame};
use http_body_util::BodyExt;
use tokio::sync::oneshot;

use crate::body::Incoming;
use crate::call::{Answer, Call, empty, put_validators, to_its_end};
use crate::checksum::Announced;
use crate::guard::Change;
use crate::headers::{content_length, number, single};
use crate::status::Failure;
use crate::{media_types, times};

/// Answers a PUT, in a task of its own: a client may be gone when all of its body has arrived, and that is a file.
pub(crate) async fn put(call: Call, body: Incoming) -> Answer {
    let (waiting, gone) = oneshot::channel();
    let stored = to_its_end(&call.view.clone(), store(call, Arriving { body, gone, left: None })).await;
    drop(waiting);
    stored?
}

/// All that can refuse a PUT comes before the first look at the body: that look is what tells a client which waits for
/// `100 Continue` to send it.
async fn store(call: Call, mut body: Arriving) -> Answer {
    refuse_parts(&call)?;
    call.view.writable(&call.path)?;
    let size = announced(&call.headers, &body.body)?;
    let sums = Announced::parse(&call.headers)?;
    let judged = call.judge().await?;
    call.guard(&call.path, Change::Appears, &judged.tokens, judged.node.as_ref()).await?;
    let modified = times::asked(&call.headers);
    let told = single(&call.headers, CONTENT_TYPE.as_str())?;
    let content_type = media_types::of_upload(told, call.path.name()).map(Arc::from);
    let request = PutRequest { size, when: judged.when, content_type, modified, checksums: sums.checksums() };
    let mut check = sums.begin();
    let mut put = call.view.put(&call.path, request).await?;
    while let Some(frame) = body.frame().await {
        let written = match frame.map(Frame::into_data) {
            Ok(Ok(data)) if data.is_empty() => Ok(()),
            Ok(Ok(data)) => {
                check.update(&data);
                put.write(data).await.map_err(Failure::from)
            }
            // Trailers say nothing that counts here.
            Ok(Err(_)) => Ok(()),
            Err(EndedEarly) => Err(Failure::bad_request("the body ended early; nothing was stored")),
        };
        if let Err(failure) = written {
            put.abort().await;
            return Err(failure);
        }
    }
    let checked = match check.finish() {
        // The upload took its time: a lock that was given meanwhile counts.
        Ok(computed) => {
            put.computed(computed);
            call.guard(&call.path, Change::Appears, &judged.tokens, judged.node.as_ref()).await
        }
        Err(failure) => Err(failure),
    };
    if let Err(failure) = checked {
        put.abort().await;
        return Err(failure);
    }
    Ok(answer(put.finish().await?, modified))
}

/// What a connection may hold of a body, in frames, when its client is found gone.
const MOST_ARRIVED: usize = 64;

/// A body on its way, and whether anybody still waits for the answer.
struct Arriving {
    body: Incoming,
    /// Resolves when nobody does.
    gone: oneshot::Receiver<()>,
    /// Once nobody does: the frames that may still come.
    left: Option<usize>,
}

struct EndedEarly;

impl Arriving {
    /// The next frame. Once the client is gone only what has arrived already counts, and where the end of the body is not
    /// among it, the body ended early.
    async fn frame(&mut self) -> Option<Result<Frame<Bytes>, EndedEarly>> {
        if self.left.is_none() {
            tokio::select! {
                biased;
                _ = &mut self.gone => self.left = Some(MOST_ARRIVED),
                frame = self.body.frame() => return frame.map(|frame| frame.map_err(|_| EndedEarly)),
            }
        }
        self.left = self.left.and_then(|left| left.checked_sub(1));
        let arrived = self.left.and_then(|_| self.body.frame().now_or_never());
        arrived.map_or(Some(Err(EndedEarly)), |frame| frame.map(|frame| frame.map_err(|_| EndedEarly)))
    }
}

fn answer(written: Written, asked: Option<SystemTime>) -> http::Response<crate::Body> {
    let mut response = empty(if written.created { StatusCode::CREATED } else { StatusCode::NO_CONTENT });
    put_validators(response.headers_mut(), &written.node);
    if asked.is_some() && written.node.modified == asked {
        times::accept(response.headers_mut());
    }
    response
}

/// Refuses what is not a whole file as it is: a part of one must never be taken for all of it.
fn refuse_parts(call: &Call) -> Result<(), Failure> {
    if call.path.is_root() || call.slash {
        return Err(Failure::new(
            StatusCode::METHOD_NOT_ALLOWED,
            "a URL that ends with '/' names a folder; PUT makes files",
        ));
    }
    // The second is how ownCloud's clients of old name one of several parts of a file (owncloud/core, `lib/private/filechunking.php`).
    if call.headers.contains_key("content-range") || call.headers.contains_key("oc-chunked") {
        return Err(Failure::new(StatusCode::NOT_IMPLEMENTED, "a part of a file cannot be written; send it whole"));
    }
    for value in call.headers.get_all("content-encoding") {
        if !value.to_str().is_ok_and(|text| text.trim().eq_ignore_ascii_case("identity")) {
            return Err(Failure::new(
                StatusCode::UNSUPPORTED_MEDIA_TYPE,
                "an encoded body cannot be stored; send the file as it is",
            ));
        }
    }
    Ok(())
}

/// The length that the sender announced. Finder sends chunks of unknown number and tells the length in a header of its own,
/// and ownCloud's clients tell that of the whole file beside that of the body; a proxy on the way may have made one body of
/// the chunks, and of a file that lost its end on the way it is the only sign.
fn announced(headers: &HeaderMap, body: &Incoming) -> Result<Option<u64>, Failure> {
    let mut announced = content_length(headers)?;
    for header in ["x-expected-entity-length", "oc-total-length"] {
        match (announced, number(headers, header)?) {
            (Some(length), Some(other)) if length != other => {
                return Err(Failure::bad_request("the request announces two different lengths; nothing was stored"));
            }
            (None, Some(length)) => announced = Some(length),
            _ => {}
        }
    }
    Ok(announced.or_else(|| body.size_hint().exact()))
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, UNIX_EPOCH};

    use davmux_tree::Node;

    use super::*;

    #[test]
    fn a_time_is_accepted_only_where_the_file_has_it_now() {
        let time = |seconds| Some(UNIX_EPOCH + Duration::from_secs(seconds));
        let told = |modified, asked| {
            let mut node = Node::folder("f");
            node.modified = modified;
            answer(Written { node, created: true }, asked).headers().contains_key("x-oc-mtime")
        };
        assert!(told(time(5), time(5)));
        // It could not be kept, and the storage tells its own or none; nobody asked.
        assert!(!told(time(9), time(5)) && !told(None, time(5)) && !told(None, None) && !told(time(5), None));
    }
}
