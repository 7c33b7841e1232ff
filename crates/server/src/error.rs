//! [`Error`]: why a server cannot start.

use std::io;

use crate::{Listen, TlsError};

/// The result of starting a server.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// Why a server cannot start.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// There is nothing to listen on.
    #[error("no address to listen on: set server.listen, for example to 127.0.0.1:8080")]
    NoAddress,
    /// Another program listens there.
    #[error("{address} is in use by another program: stop that one, or listen elsewhere")]
    InUse {
        /// Where.
        address: Listen,
        /// What the system said.
        source: io::Error,
    },
    /// The address cannot be listened on.
    #[error("cannot listen on {address}: {source}")]
    Bind {
        /// Where.
        address: Listen,
        /// What the system said.
        source: io::Error,
    },
    /// systemd opened no such socket, or it was taken already.
    #[error(
        "{address}: systemd passed no socket of this name that is still free ({}): start davmux by its .socket unit",
        if names.is_empty() { "none at all" } else { names }
    )]
    NotPassed {
        /// Which.
        address: Listen,
        /// The names of those that were passed.
        names: String,
    },
    /// The certificate cannot be served.
    #[error(transparent)]
    Tls(#[from] TlsError),
    /// Everybody who reaches the address could change everything.
    #[error(
        "{address} can be reached from other machines, there are no users, and anonymous may write: add a user, set \
         anonymous to read-only or none, or listen on 127.0.0.1"
    )]
    OpenToAll {
        /// The first such address.
        address: Listen,
    },
    /// A password hash that cannot be used.
    #[error(
        "the password_hash of the user {user:?} is not an argon2 hash ({detail}): make one with `davmux hash-password`"
    )]
    PasswordHash {
        /// Whose.
        user: String,
        /// What is wrong with it; never the hash.
        detail: String,
    },
    /// A user name that Basic authentication cannot carry, or that two users share.
    #[error("the user name {user:?} {detail}")]
    UserName {
        /// The name.
        user: String,
        /// What is wrong with it.
        detail: &'static str,
    },
    /// Two tokens that could not be told apart, or a name of one that no log should show.
    #[error("the token {token:?} of the user {user:?} {detail}")]
    Token {
        /// Whose.
        user: String,
        /// The token's name.
        token: String,
        /// What is wrong with it.
        detail: &'static str,
    },
    /// Anybody could name a user.
    #[error(
        "identity_header says who asks and counts from trusted proxies only, and there are none: name the proxy in \
         trusted_proxies, or take identity_header out"
    )]
    IdentityHeader,
    /// A password could not be hashed.
    #[error("cannot hash a password: {detail}")]
    Hash {
        /// What failed.
        detail: String,
    },
}
