//! PUT (RFC 9110 section 9.3.4, RFC 4918 section 9.7).

use std::sync::Arc;
use std::time::SystemTime;

use davmux_tree::{PutRequest, Written};
use http::header::CONTENT_TYPE;
use http::{HeaderMap, HeaderValue, StatusCode};
use http_body::Body as _;
use http_body_util::BodyExt;

use crate::body::Incoming;
use crate::call::{Answer, Call, empty, put_validators};
use crate::guard::Change;
use crate::headers::{content_length, lenient, number, single};
use crate::status::Failure;
use crate::{dates, media_types};

/// Answers a PUT. All that can refuse it comes before the first look at the body: that look is what tells a client which
/// waits for `100 Continue` to send it.
pub(crate) async fn put(call: Call, mut body: Incoming) -> Answer {
    refuse_parts(&call)?;
    call.view.writable(&call.path)?;
    let size = announced(&call.headers, &body)?;
    let judged = call.judge().await?;
    call.guard(&call.path, Change::Appears, &judged.tokens, judged.node.as_ref()).await?;
    let modified = lenient(&call.headers, "x-oc-mtime").and_then(dates::parse_unix);
    let told = single(&call.headers, CONTENT_TYPE.as_str())?;
    let content_type = media_types::of_upload(told, call.path.name()).map(Arc::from);
    let request = PutRequest { size, when: judged.when, content_type, modified };
    let mut put = call.view.put(&call.path, request).await?;
    while let Some(frame) = body.frame().await {
        let written = match frame {
            Ok(frame) => match frame.into_data() {
                Ok(data) if data.is_empty() => Ok(()),
                Ok(data) => put.write(data).await.map_err(Failure::from),
                // Trailers say nothing that counts here.
                Err(_) => Ok(()),
            },
            Err(_) => Err(Failure::bad_request("the body ended early; nothing was stored")),
        };
        if let Err(failure) = written {
            put.abort().await;
            return Err(failure);
        }
    }
    // The upload took its time: a lock that was given meanwhile counts.
    if let Err(failure) = call.guard(&call.path, Change::Appears, &judged.tokens, judged.node.as_ref()).await {
        put.abort().await;
        return Err(failure);
    }
    Ok(answer(put.finish().await?, modified))
}

fn answer(written: Written, asked: Option<SystemTime>) -> http::Response<crate::Body> {
    let mut response = empty(if written.created { StatusCode::CREATED } else { StatusCode::NO_CONTENT });
    put_validators(response.headers_mut(), &written.node);
    if asked.is_some() && written.node.modified == asked {
        response.headers_mut().insert("x-oc-mtime", HeaderValue::from_static("accepted"));
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
    if call.headers.contains_key("content-range") {
        return Err(Failure::new(StatusCode::NOT_IMPLEMENTED, "a part of a file cannot be written"));
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

/// The length that the sender announced. Finder sends chunks of unknown number and tells the length in a header of its own.
fn announced(headers: &HeaderMap, body: &Incoming) -> Result<Option<u64>, Failure> {
    if let Some(length) = content_length(headers)? {
        return Ok(Some(length));
    }
    if let Some(length) = number(headers, "x-expected-entity-length")? {
        return Ok(Some(length));
    }
    Ok(body.size_hint().exact())
}
