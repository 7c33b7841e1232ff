//! [`Link`]: where a client may fetch a file itself.

use std::fmt;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use http::Uri;

/// A URL at which a client may fetch the bytes of one file by GET.
///
/// Its `Debug` prints scheme and host only: the query of a signed URL is a credential.
#[derive(Clone, PartialEq, Eq)]
pub struct Link {
    /// The whole URL.
    pub url: Uri,
    /// When it stops working; `None`: it does not (an unsigned link on a public host).
    pub expires_at: Option<SystemTime>,
}

impl fmt::Debug for Link {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Link")
            .field("scheme", &self.url.scheme_str())
            .field("authority", &self.url.authority().map(http::uri::Authority::as_str))
            .field("expires_at", &self.expires_at)
            .finish_non_exhaustive()
    }
}

/// What a link must be good for.
#[derive(Clone, Debug)]
pub struct LinkRequest {
    /// How long it must work from now on. A driver whose credentials end earlier gives a link that ends with them.
    pub valid_for: Duration,
    /// The media type that the file should be served with, where the storage can be told.
    pub content_type: Option<Arc<str>>,
}
