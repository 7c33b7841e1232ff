//! [`AuthFailures`]: who was not let in and why, counted by cause and said in the log.
//!
//! One line at `WARN` of the target `auth` for each guess that was wrong, with the address, the name as it was given and the
//! cause: what fail2ban and its like read. What is only the same again has no line.

use std::net::IpAddr;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use davmux_metrics::{Counter, Each, Page};
use tokio::time::Instant;

/// Lines of one cause within [`WINDOW`]. More are counted and said in one line; a fail2ban rule needs a few of an address.
const MOST_LINES: u64 = 200;
const WINDOW: Duration = Duration::from_secs(10);
/// Characters of a name that a line shows.
const LONGEST_NAME: usize = 64;

davmux_metrics::label! {
    /// Why somebody was not let in.
    pub enum AuthFailure: "cause" {
        /// A name and a password that do not belong together.
        WrongPassword = "wrong_password",
        /// The same wrong password again, answered from memory: a drive with an old password. It counts as no guess.
        Repeated = "repeated",
        /// A token that nobody has.
        UnknownToken = "unknown_token",
        /// A wrong token of a download proxy.
        UnknownProxyToken = "unknown_proxy_token",
        /// A token that has ended.
        ExpiredToken = "expired_token",
        /// A trusted proxy named a user who does not exist.
        UnknownIdentity = "unknown_identity",
        /// An `Authorization` that is neither Basic nor Bearer, or is broken.
        Unreadable = "unreadable",
        /// Guesses for this name or from this address are held back.
        LockedOut = "locked_out",
        /// Too many passwords wait to be checked.
        Busy = "busy",
    }
}

/// Who was not let in, by cause, since the process began.
#[derive(Debug, Default)]
pub struct AuthFailures {
    counts: Each<AuthFailure, Counter>,
    lines: Each<AuthFailure, Lines>,
    hashes: Counter,
}

/// How many lines one cause had lately.
#[derive(Debug, Default)]
struct Lines(Mutex<Written>);

#[derive(Debug, Default)]
struct Written {
    since: Option<Instant>,
    lines: u64,
    left_out: u64,
}

impl AuthFailures {
    /// How often it happened.
    pub fn count(&self, cause: AuthFailure) -> u64 {
        self.counts[cause].get()
    }

    /// Passwords that were hashed, right and wrong.
    pub fn hashes(&self) -> u64 {
        self.hashes.get()
    }

    pub(crate) fn hashed(&self) {
        self.hashes.inc();
    }

    /// Counts, and says nothing.
    pub(crate) fn add(&self, cause: AuthFailure) {
        self.counts[cause].inc();
    }

    /// Counts, and writes a line.
    pub(crate) fn tell(&self, cause: AuthFailure, client: Option<IpAddr>, user: &str) {
        self.add(cause);
        let label = cause.as_str();
        let mut written = self.lines[cause].0.lock().unwrap_or_else(PoisonError::into_inner);
        let now = Instant::now();
        if written.since.is_none_or(|since| now.duration_since(since) >= WINDOW) {
            if written.left_out > 0 {
                let left_out = written.left_out;
                tracing::warn!(target: "auth", cause = label, left_out, "more logins failed than have a line");
            }
            *written = Written { since: Some(now), lines: 0, left_out: 0 };
        }
        if written.lines >= MOST_LINES {
            written.left_out += 1;
            return;
        }
        written.lines += 1;
        drop(written);
        let user = match user.char_indices().nth(LONGEST_NAME) {
            Some((end, _)) => &user[..end],
            None => user,
        };
        // The address comes first, so that no name can look like one to what reads the line from its start.
        let client = client.as_ref().map(tracing::field::display);
        tracing::warn!(target: "auth", client, cause = label, user, "a login failed");
    }

    /// Writes all of it.
    pub(crate) fn write(&self, page: &mut Page) {
        page.counters("davmux_auth_failures", "Credentials that were not taken.").each(&self.counts);
        page.counters("davmux_password_hashes", "Passwords that were hashed, right and wrong.")
            .value(self.hashes.get());
    }
}
