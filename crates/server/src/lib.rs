//! Listening, who is asking, limits, the access log, shutdown: everything between a socket and an [`Application`].
//!
//! # Why this shape
//!
//! * **Generic over an [`Application`]**: one request in, one response out. The application sees who asks and how the
//!   client sees this server ([`Caller`]); it sees no socket, no password and no header that a client could forge.
//! * **A refusal must be readable.** A response that is ready before the request's body was read is followed by reading and
//!   dropping some of that body, so that the client finds the status and not a reset connection.
//! * **A response that fails is cut.** An error of a response's body closes the connection (HTTP/1) or resets the stream
//!   (HTTP/2); a body whose end is the end of the connection is cut by a reset, since a plain close would look complete.
//! * **One line for each request**, written when the last byte of its response was handed to the connection, or when that
//!   became impossible; so the line knows what was really sent.
//! * **A password is hashed once a minute, not once a request**, and a wrong one once an hour (`credentials.rs`). Guesses are
//!   held back, and take half of the cores at most (`guessing.rs`).
//!
//! * **What a reload replaces is one value** that each request takes once (`service.rs`), replaced as a whole
//!   ([`Handle`]); what outlives a reload stands beside it.
//!
//! # What is deliberately absent
//!
//! WebDAV, storages, paths and rights: an identity is named here, what it may do is decided above. No routing but the
//! administrator's, no compression, no sessions, no cookies.

mod access_log;
mod admin;
mod application;
mod certificate;
mod credentials;
mod descriptors;
mod error;
mod failures;
mod forwarded;
mod guessing;
mod identify;
mod inherited;
mod limits;
mod listen;
mod metrics;
mod options;
mod process;
mod pulse;
mod replace;
mod request_body;
mod server;
mod service;
mod tls;
mod tokens;
mod unix_socket;
mod wire;

pub use access_log::AccessNote;
pub use admin::{Admin, Administration, Health, Held, Refused};
pub use application::{Application, Body, BoxError, Caller, Identity, LoginWanted, Scheme, WrongCredentials};
pub use certificate::{TlsError, TlsFiles};
pub use credentials::hash_password;
pub use descriptors::raise_descriptor_limit;
pub use error::{Error, Result};
pub use failures::{AuthFailure, AuthFailures};
pub use limits::{Limits, Load, Refusal};
pub use listen::{InvalidListen, Listen};
pub(crate) use metrics::Metrics;
pub use options::{Anonymous, Options, Password, Secret, User, identity_header};
pub use replace::{Handle, Prepared};
pub use request_body::RequestBody;
pub use server::{Bound, Drained, Server};
pub use tokens::{InvalidTokenHash, Token, TokenHash, is_token, new_token};

#[doc(no_inline)]
pub use http::HeaderName;
#[doc(no_inline)]
pub use ipnet::IpNet;
