//! [`UpYun`] as storage, on Apache OpenDAL's `upyun` service.
//!
//! # What is opendal's and what is ours
//!
//! opendal's service makes and signs each request of UpYun's REST API, pages through listings and cuts uploads into parts.
//! It is used below opendal's `Operator`, which trims the blanks at both ends of a path and so takes `"a "` for `"a"`.
//! The HTTP client is the workspace's own, so that there is one hyper and one rustls. Around it, each a promise
//! that opendal's service would break (opendal 0.59):
//!
//! * An answer that is an error ends before opendal sees it: to opendal a listing that is answered 404 is an empty folder, and
//!   a file that is not called one is a folder. A 404 is believed only where the root is there.
//! * `X-Upyun-Multi-Part-Size` is sent, without which UpYun takes only parts of 1 MiB, and so no file beyond 9.7 GiB.
//! * The source of a copy or a move is percent-encoded; opendal names it bare, and UpYun decodes it.
//! * A GET says that it wants a file, a listing that it wants a folder; otherwise UpYun answers a GET of a folder with its
//!   listing, as bytes. The whole of an empty file is not asked for by a range.
//! * Each upload has a name of its own in its metadata, so that a commit whose answer was lost is decided by looking. A move is
//!   never sent again when it may have been done.
//! * UpYun locks a key for a moment after each change ("concurrent put or delete", 429); it is waited for.
//! * UpYun makes the missing folders of a new file; its folder is looked for first.
//! * opendal has no links for UpYun. They are made here, on the bound domain, with the domain's own token and never with the
//!   operator's password.
//!
//! # Further services
//!
//! Behind the features `azblob`, `gcs`, `sftp` and `webdav`, all off, stands one driver for opendal's services of these names;
//! the mounts file names them in a build that has them. Where a file would be seen while it is written (SFTP, WebDAV) it is
//! written under a hidden name, `.davmux-upload-*`, and renamed. A listing is gathered before its first page goes out. Known
//! limits: opendal takes a file for WebDAV only whole, in memory, so 64 MiB is the most, and moves with `Overwrite: T` whatever
//! the condition; a name that is not UTF-8 makes a listing over SFTP an error; SFTP follows symbolic links, which listings leave
//! out; Azure takes a backslash for a slash, so such names are refused.
//!
//! # What UpYun does not have
//!
//! Conditions and tags: its listings tell no ETag, so none is told at all, and a condition is looked at before the change. A
//! time of a client's own: a file's time is that of its upload. Moves and copies of folders. A call that ends an
//! upload: what was not completed is removed by UpYun after 24 hours. A page of UpYun's older documentation says that a
//! file that was sent in parts cannot be replaced by one that was not; if that is still so, such a save is refused and the
//! former file stands.

mod body;
#[cfg(any(feature = "azblob", feature = "gcs", feature = "sftp", feature = "webdav"))]
mod generic;
mod http;
mod upyun;

#[cfg(any(feature = "azblob", feature = "gcs", feature = "sftp", feature = "webdav"))]
pub use generic::*;
pub use http::NoRoots;
pub use upyun::{Secret, UpYun, UpYunOptions, UpYunOptionsError};
