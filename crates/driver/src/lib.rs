//! The contract that every storage fulfils.
//!
//! A [`Driver`] is one kind of storage: a folder, a bucket, a prefix of a bucket. The tree joins several of them
//! into one namespace and holds every policy; a driver only says what its storage holds and changes it, one entry at
//! a time.
//!
//! # Why this shape
//!
//! * **One trait with few required methods.** What a storage can do faster by itself (copy, rename, list a whole
//!   subtree, hand out a link) is a *shortcut*: its default answers [`Native::Declined`], a value that the tree must
//!   handle by doing the work with the required methods. It never reaches a client as an error.
//! * **Listings are streams of pages.** Only a stream that ended without an error is the whole listing, so an
//!   incomplete one cannot be taken for a complete one.
//! * **An upload commits only by [`Upload::finish`]**, which consumes it. A dropped upload never becomes visible.
//! * **Conditions are data** ([`When`]), not extra methods.
//! * **Paths, not keys, cross the boundary.** A [`RelPath`] is checked once; a driver maps it to its own form and never
//!   sees a `..`.
//! * **What an administrator asks is a trait of its own** ([`Admin`]): no client's request ever needs it.
//! * **An [`ErrorKind`] says what happened in the storage**; which HTTP status that becomes is decided in one place,
//!   far above.
//!
//! # What is deliberately absent
//!
//! No runtime, no SDK, no HTTP server; no caching, no permissions, no retries across calls, no opinion about WebDAV.
//! `docs/writing-a-driver.md` leads through a new driver; the `davmux-driver-testkit` crate proves it.

mod admin;
mod calls;
mod driver;
mod entry;
mod error;
pub mod follow;
mod link;
pub mod meter;
mod path;
pub mod probe;
mod read;
mod upload;

pub use admin::{Admin, Administered, CorsRule, UploadInProgress, UploadPages};
pub use calls::{Call, Calls, Op};
pub use driver::{Capabilities, Driver, Enters, Expect, Native, Page, Pages, Removal, Usage};
pub use entry::{Checksums, Entry, Etag, Kind, Metadata};
pub use error::{Error, ErrorKind, Result, chain};
pub use link::{Link, LinkRequest};
pub use path::{InvalidPath, RelPath};
pub use probe::{Finding, Outcome, Report};
pub use read::{Body, ByteRange, ByteStream, ReadReply, ReadRequest};
pub use upload::{Upload, When, WriteRequest};
