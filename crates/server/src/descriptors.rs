//! File descriptors: each connection takes one, and so does what is fetched for it.

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// What a machine without a limit counts as.
const PLENTY: u64 = 1 << 20;

/// Lets this process open as many files and sockets as the system allows it. The usual soft limit of 1024 is meant for
/// programs that cannot count further (`select`), and is too low for a server.
pub fn raise_descriptor_limit() {
    let limit = getrlimit(Resource::Nofile);
    let raised = Rlimit { current: limit.maximum, maximum: limit.maximum };
    if let Err(error) = setrlimit(Resource::Nofile, raised) {
        tracing::debug!(%error, "the limit of open files stays as it is");
    }
}

/// How many descriptors this process may have open.
pub(crate) fn available() -> u64 {
    getrlimit(Resource::Nofile).current.unwrap_or(PLENTY)
}
