//! MKCOL (RFC 4918 section 9.3).

use davmux_tree::Problem;
use http::StatusCode;
use http_body::Body as _;
use http_body_util::BodyExt;

use crate::body::Incoming;
use crate::call::{Answer, Call, empty, to_its_end};
use crate::guard::Change;
use crate::headers::content_length;
use crate::status::Failure;
use crate::times;

/// Answers a MKCOL.
pub(crate) async fn mkcol(call: Call, mut body: Incoming) -> Answer {
    let no_body = || Failure::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, "MKCOL takes no body");
    if content_length(&call.headers)?.is_some_and(|length| length > 0) {
        return Err(no_body());
    }
    if call.path.is_root() {
        return Err(Failure::new(StatusCode::METHOD_NOT_ALLOWED, "the root exists already"));
    }
    call.view.writable(&call.path).or_else(|error| match error.problem() {
        // What exists already is 405, and create_dir says so.
        Problem::MountPoint => Ok(()),
        _ => Err(error),
    })?;
    let judged = call.judge().await?;
    call.guard(&call.path, Change::Appears, &judged.tokens, judged.node.as_ref()).await?;
    if !is_empty(&mut body).await? {
        return Err(no_body());
    }
    let view = call.view.clone();
    let asked = times::asked(&call.headers);
    let made = async move {
        call.view.create_dir(&call.path).await?;
        Ok::<_, Failure>(times::give(&call.view, &call.path, asked).await)
    };
    let mut response = empty(StatusCode::CREATED);
    if to_its_end(&view, made).await?? {
        times::accept(response.headers_mut());
    }
    Ok(response)
}

async fn is_empty(body: &mut Incoming) -> Result<bool, Failure> {
    if body.is_end_stream() {
        return Ok(true);
    }
    while let Some(frame) = body.frame().await {
        let frame = frame.map_err(|_| Failure::bad_request("the request's body could not be read"))?;
        if frame.into_data().is_ok_and(|data| !data.is_empty()) {
            return Ok(false);
        }
    }
    Ok(true)
}
