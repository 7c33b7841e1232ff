//! One WebDAV request in, one response out, on a [`View`](davmux_tree::View) of the tree.
//!
//! [`Dav::handle`] takes an `http::Request` with any body and answers an `http::Response` with a [`Body`]. It implements
//! RFC 4918 class 1 and 2, the conditional and range requests of RFC 9110 and the quota properties of RFC 4331.
//!
//! # Why this shape
//!
//! * **A listing is whole or it is an error.** PROPFIND streams page by page; a page that fails after bytes were sent is
//!   an error of the body, so no client sees a shorter listing that looks complete.
//! * **Everything is checked before the body is read**: rights, locks, `If`, the conditionals. A server says
//!   `100 Continue` when a body is first polled, so a client that will be refused sends nothing.
//! * **One place for each rule.** `status` maps errors to statuses in one exhaustive match, `preconditions` evaluates every
//!   header that makes a request conditional, `guard` decides whether a lock stands in the way, `path` is the only way
//!   from a URL to a path and back.
//! * **What a method began, it ends**: a change runs in a task of its own, so that a client that hangs up does not leave
//!   the locks of what is gone behind.
//!
//! # What is deliberately absent
//!
//! No sockets, no authentication, no TLS, no access log: the caller knows who asks and says it with [`Client`]. No
//! storage and no policy: redirect or relay, rights and names are the tree's, and so is where dead properties are kept; locks
//! are asked of a [`LockStore`], and [`LockTable`] keeps them in memory and in the state store. No PATCH, no CalDAV, no
//! `Depth: infinity` listings.

mod body;
mod call;
mod checksum;
mod conditional;
mod copy_move;
mod dates;
mod dead;
mod delete;
mod destination;
mod get;
mod guard;
mod handler;
mod headers;
mod html;
mod if_header;
mod lock;
mod lock_xml;
mod locks;
mod markup;
mod media_types;
mod mkcol;
mod multistatus;
mod path;
mod preconditions;
mod propfind;
mod proppatch;
mod props;
mod put;
mod range;
mod status;
mod times;
mod xml;

pub use body::{Body, BodyError};
pub use get::ReadDecision;
pub use handler::{Client, Dav, DavOptions};
pub use locks::{Clock, Lock, LockRefusal, LockScope, LockStore, LockTable, Reach};
pub use status::NotAllowed;
