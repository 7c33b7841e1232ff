//! `X-OC-Mtime`: the time that a client wants a new resource to have, in seconds since 1970.
//!
//! ownCloud takes it with PUT and MKCOL (owncloud/core, `apps/dav/lib/Connector/Sabre/File.php`) and says `accepted` where the
//! time was kept; rclone sends it with COPY and MOVE, too, and sets the time by PROPPATCH where it misses that answer
//! (rclone/rclone, `backend/webdav/webdav.go`, `copyOrMove`). A value that is no time is passed over.

use std::time::SystemTime;

use davmux_tree::{RelPath, View};
use http::{HeaderMap, HeaderValue};

use crate::dates::parse_unix;
use crate::headers::lenient;

const NAME: &str = "x-oc-mtime";

/// The time that a request asks for.
pub(crate) fn asked(headers: &HeaderMap) -> Option<SystemTime> {
    lenient(headers, NAME).and_then(parse_unix)
}

/// Gives a resource that was just made the time that was asked for, and says whether it has it now. The resource stands
/// also where that fails.
pub(crate) async fn give(view: &View, path: &RelPath, asked: Option<SystemTime>) -> bool {
    match asked {
        Some(time) => view.set_modified(path, time).await.unwrap_or_else(|error| {
            tracing::debug!(%error, "the time of a new resource is not kept");
            false
        }),
        None => false,
    }
}

/// Tells the client that its time was kept.
pub(crate) fn accept(headers: &mut HeaderMap) {
    headers.insert(NAME, HeaderValue::from_static("accepted"));
}
