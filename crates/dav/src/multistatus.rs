//! Writing 207 Multi-Status (RFC 4918 section 13). Elements carry the prefix `D`: some clients ignore a default namespace.

use bytes::{BufMut, BytesMut};
use davmux_tree::{Failed, TreePath};
use http::{Method, Response, StatusCode};

use crate::body::Body;
use crate::call::{Call, empty, full};
use crate::status::{self, Condition, Failure, XML};

pub(crate) const START: &[u8] = b"<?xml version=\"1.0\" encoding=\"utf-8\"?>\n<D:multistatus xmlns:D=\"DAV:\">\n";
pub(crate) const END: &[u8] = b"</D:multistatus>\n";

/// Writes a `status` element; clients look for the reason phrase too.
pub(crate) fn put_status(out: &mut BytesMut, status: StatusCode) {
    out.put_slice(b"<D:status>HTTP/1.1 ");
    out.put_slice(status.as_str().as_bytes());
    out.put_u8(b' ');
    out.put_slice(status.canonical_reason().unwrap_or("Unknown").as_bytes());
    out.put_slice(b"</D:status>");
}

/// The answer to DELETE, COPY and MOVE: `done` where every member is, else a 207 that names each that is not.
pub(crate) fn of_members(call: &Call, failed: Vec<Failed>, done: StatusCode) -> Result<Response<Body>, Failure> {
    if failed.is_empty() {
        return Ok(empty(done));
    }
    let mut out = BytesMut::from(START);
    for Failed { path, error } in failed {
        out.put_slice(b"<D:response><D:href>");
        out.put_slice(call.href_of(&path).as_bytes());
        out.put_slice(b"</D:href>");
        put_status(&mut out, member_status(&error, &call.method));
        out.put_slice(b"</D:response>\n");
    }
    out.put_slice(END);
    Ok(full(StatusCode::MULTI_STATUS, XML, out.freeze()))
}

/// The answer to a LOCK of a folder that a lock on something in it stands against (RFC 4918 section 9.10.9).
pub(crate) fn of_lock(call: &Call, other: &TreePath, condition: &Condition) -> Response<Body> {
    let mut out = BytesMut::from(START);
    out.put_slice(b"<D:response><D:href>");
    out.put_slice(call.href_of(other).as_bytes());
    out.put_slice(b"</D:href>");
    put_status(&mut out, StatusCode::LOCKED);
    out.put_slice(b"<D:error>");
    condition.put(&mut out);
    out.put_slice(b"</D:error></D:response>\n<D:response><D:href>");
    call.shared.base.put_href(&mut out, &call.path, true);
    out.put_slice(b"</D:href>");
    put_status(&mut out, StatusCode::FAILED_DEPENDENCY);
    out.put_slice(b"</D:response>\n");
    out.put_slice(END);
    full(StatusCode::MULTI_STATUS, XML, out.freeze())
}

fn member_status(error: &davmux_tree::Error, method: &Method) -> StatusCode {
    status::status(error.problem(), method)
}
