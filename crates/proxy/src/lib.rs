//! The download proxy: another host that passes the bytes on, so that clients which cannot reach the bucket need not be
//! relayed by the server itself.
//!
//! The server redirects a client to `PROXY/path?sign=...` ([`Signed`]); the worker there checks the signature
//! ([`SignKeys`]), asks the server for the link behind the path ([`api`]) and relays ([`Worker`]).
//!
//! # Why this shape
//!
//! * **The form of both is AList's**, so that its workers and OpenList's can be pointed at davmux, and this worker at a davmux
//!   behind any proxy: HMAC-SHA256 over the path and an expiry, and `POST /api/fs/link`.
//! * **A worker knows no storage and no user.** A signature names one path until one moment; the server looked at the rights
//!   before it made it. What the worker fetches is what the server answers for that path, and nothing else: it is no open
//!   relay.
//! * **The store answers ranges and conditions**; the worker passes them on and adds what stores lack: `If-Range`, HEAD on a
//!   link that is signed for GET, and reading on after a cut.
//!
//! # What is deliberately absent
//!
//! Links without an expiry, which AList makes by default: they are never made here, and refused by the worker unless it is told
//! to take them. No listing, no upload, no cache of contents.

pub mod api;
mod backend;
mod conditions;
mod davmux;
mod knock;
mod relay;
mod secrets;
mod signature;
mod source;
mod url;
mod worker;

pub use backend::NoRoots;
pub use knock::{Knock, Silent, knock};
pub use secrets::{MOST_KEYS, SHORTEST, Tokens, WeakSecret};
pub use signature::{BadSignature, SignKeys};
pub use url::{BaseUrl, InvalidBaseUrl, Signed};
pub use worker::{Worker, WorkerOptions};
