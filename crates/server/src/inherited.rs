//! Sockets that systemd opened for this process (`sd_listen_fds(3)`): `LISTEN_FDS`, `LISTEN_FDNAMES`.
//!
//! They are there once in the life of a process, so what is taken is gone; whoever wants to keep one across a reload keeps
//! its listener.

use std::io;
use std::net::TcpListener;
use std::os::unix::net::UnixListener;
use std::sync::{Mutex, OnceLock, PoisonError};

use listenfd::ListenFd;

use crate::{Error, Listen, Result};

/// Sockets of this name are for an administrator, and taken by those who name them alone.
const ADMIN: &str = "admin";

#[derive(Debug)]
pub(crate) enum Socket {
    Tcp(TcpListener),
    Unix(UnixListener),
}

struct Passed {
    name: String,
    /// None: it was taken.
    socket: Option<Socket>,
}

/// Takes the sockets of a name; without a name all but the administrator's.
pub(crate) fn take(name: Option<&str>) -> Result<Vec<Socket>> {
    static PASSED: OnceLock<Mutex<Vec<Passed>>> = OnceLock::new();
    let asked = || Listen::Systemd(name.map(str::to_owned));
    let passed = match PASSED.get() {
        Some(passed) => passed,
        None => {
            let passed = passed().map_err(|source| Error::Bind { address: asked(), source })?;
            PASSED.get_or_init(|| Mutex::new(passed))
        }
    };
    let mut passed = passed.lock().unwrap_or_else(PoisonError::into_inner);
    let named = passed.iter_mut().filter(|each| name.map_or(each.name != ADMIN, |name| each.name == name));
    let taken: Vec<_> = named.filter_map(|each| each.socket.take()).collect();
    if taken.is_empty() {
        let names = passed.iter().map(|each| each.name.as_str()).collect::<Vec<_>>().join(", ");
        return Err(Error::NotPassed { address: asked(), names });
    }
    Ok(taken)
}

fn passed() -> io::Result<Vec<Passed>> {
    let names = std::env::var("LISTEN_FDNAMES").unwrap_or_default();
    let mut names = names.split(':');
    let mut sockets = ListenFd::from_env();
    let mut passed = Vec::new();
    for index in 0..sockets.len() {
        let name = names.next().filter(|name| !name.is_empty()).unwrap_or("unknown").to_owned();
        // What is of neither kind refuses both, and the second says so of what we can use.
        let socket = match sockets.take_tcp_listener(index) {
            Ok(listener) => listener.map(Socket::Tcp),
            Err(_) => match sockets.take_unix_listener(index) {
                Ok(listener) => listener.map(Socket::Unix),
                Err(_) => {
                    return Err(io::Error::new(
                        io::ErrorKind::InvalidInput,
                        format!("the socket {name} that systemd passed is no listening stream: write ListenStream="),
                    ));
                }
            },
        };
        passed.push(Passed { name, socket });
    }
    Ok(passed)
}
