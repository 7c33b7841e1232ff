//! [`Listen`]: where to listen; and the sockets behind it.

use std::fmt;
use std::io::{self, ErrorKind, IoSlice};
use std::net::{IpAddr, SocketAddr};
use std::path::{Path, PathBuf};
use std::pin::Pin;
use std::str::FromStr;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::task::{Context, Poll, ready};

use bytes::{BufMut, Bytes, BytesMut};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, ReadBuf};
use tokio::net::{TcpListener, TcpStream, UnixListener, UnixStream};

use crate::wire::{Place, Wire};
use crate::{Error, Result};

/// An address to listen on: `127.0.0.1:8080`, `[::1]:0` or `unix:PATH`.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Listen {
    /// TCP; port 0 lets the system choose.
    Tcp(SocketAddr),
    /// A Unix socket; a stale one is replaced.
    Unix(PathBuf),
}

impl Listen {
    /// Whether another machine could connect.
    pub fn is_reachable_from_outside(&self) -> bool {
        match self {
            Self::Tcp(address) => !address.ip().to_canonical().is_loopback(),
            Self::Unix(_) => false,
        }
    }
}

impl fmt::Display for Listen {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tcp(address) => address.fmt(f),
            Self::Unix(path) => write!(f, "unix:{}", path.display()),
        }
    }
}

/// The text is neither an IP address with a port nor `unix:` and a path.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not an address to listen on: write 127.0.0.1:8080, [::1]:8080 or unix:PATH")]
pub struct InvalidListen;

impl FromStr for Listen {
    type Err = InvalidListen;

    fn from_str(text: &str) -> Result<Self, InvalidListen> {
        match text.strip_prefix("unix:") {
            Some("") => Err(InvalidListen),
            Some(path) => Ok(Self::Unix(path.into())),
            None => text.parse().map(Self::Tcp).map_err(|_| InvalidListen),
        }
    }
}

/// A bound address.
#[derive(Debug)]
pub(crate) struct Listener {
    sockets: Sockets,
    /// With the port that the system chose.
    address: Listen,
}

#[derive(Debug)]
enum Sockets {
    Tcp(TcpListener),
    Unix(UnixListener),
}

impl Listener {
    pub(crate) async fn bind(listen: &Listen) -> Result<Self> {
        let bound = match listen {
            Listen::Tcp(address) => bind_tcp(*address).await,
            Listen::Unix(path) => bind_unix(path).await,
        };
        bound.map_err(|source| match source.kind() {
            ErrorKind::AddrInUse => Error::InUse { address: listen.clone(), source },
            _ => Error::Bind { address: listen.clone(), source },
        })
    }

    pub(crate) fn address(&self) -> &Listen {
        &self.address
    }

    /// The next connection and the address of its peer.
    pub(crate) async fn accept(&self) -> io::Result<(Stream, Option<IpAddr>)> {
        match &self.sockets {
            Sockets::Tcp(listener) => {
                let (stream, peer) = listener.accept().await?;
                // A response is written in few large pieces; waiting to join small ones only delays them. A peer that is
                // gone already makes this fail, and is found gone soon enough.
                let _ = stream.set_nodelay(true);
                Ok((Stream::Tcp(stream), Some(peer.ip().to_canonical())))
            }
            Sockets::Unix(listener) => Ok((Stream::Unix(listener.accept().await?.0), None)),
        }
    }
}

async fn bind_tcp(address: SocketAddr) -> io::Result<Listener> {
    let listener = TcpListener::bind(address).await?;
    let address = Listen::Tcp(listener.local_addr()?);
    Ok(Listener { sockets: Sockets::Tcp(listener), address })
}

async fn bind_unix(path: &Path) -> io::Result<Listener> {
    remove_stale(path).await?;
    let listener = UnixListener::bind(path)?;
    Ok(Listener { sockets: Sockets::Unix(listener), address: Listen::Unix(path.to_owned()) })
}

impl Drop for Listener {
    fn drop(&mut self) {
        if let Listen::Unix(path) = &self.address {
            // Left behind it would only be found stale at the next start.
            let _ = std::fs::remove_file(path);
        }
    }
}

/// Removes a socket on which nobody listens any more. Anything else at the path stays, and binding then fails.
async fn remove_stale(path: &Path) -> io::Result<()> {
    use std::os::unix::fs::FileTypeExt;
    match tokio::fs::symlink_metadata(path).await {
        Ok(found) if found.file_type().is_socket() => match UnixStream::connect(path).await {
            Err(error) if error.kind() == ErrorKind::ConnectionRefused => tokio::fs::remove_file(path).await,
            _ => Ok(()),
        },
        _ => Ok(()),
    }
}

#[derive(Debug)]
pub(crate) enum Stream {
    Tcp(TcpStream),
    Unix(UnixStream),
}

/// One accepted connection.
#[derive(Debug)]
pub(crate) struct Socket {
    stream: Stream,
    wire: Arc<Wire>,
    place: Place,
    /// Read from the stream already, to be read again.
    unread: Bytes,
}

impl Socket {
    pub(crate) fn new(stream: Stream, wire: Arc<Wire>) -> Self {
        Self { stream, wire, place: Place::Unseen, unread: Bytes::new() }
    }

    /// Looks for requests of HTTP/1 in what is read from now on.
    pub(crate) fn with_requests(mut self) -> Self {
        self.place = Place::Before;
        self
    }

    /// Whether the connection begins with `preface`. What was read for that is read again afterwards.
    pub(crate) async fn begins_with(&mut self, preface: &[u8]) -> io::Result<bool> {
        let mut read = BytesMut::with_capacity(preface.len());
        loop {
            let left = preface.len() - read.len();
            let seen = self.read_buf(&mut (&mut read).limit(left)).await?;
            let fits = preface.starts_with(&read);
            if seen == 0 || !fits || read.len() == preface.len() {
                let is_whole = fits && read.len() == preface.len();
                self.unread = read.freeze();
                return Ok(is_whole);
            }
        }
    }
}

impl Drop for Socket {
    fn drop(&mut self) {
        if let (Stream::Tcp(stream), true) = (&self.stream, self.wire.reset.load(Ordering::Relaxed)) {
            // If it fails the connection is closed the usual way, and the missing end of the body has to be enough.
            let _ = stream.set_zero_linger();
        }
    }
}

macro_rules! on_stream {
    ($socket:expr, $stream:ident => $call:expr) => {
        match &mut $socket.as_mut().get_mut().stream {
            Stream::Tcp(stream) => {
                let $stream = Pin::new(stream);
                $call
            }
            Stream::Unix(stream) => {
                let $stream = Pin::new(stream);
                $call
            }
        }
    };
}

impl AsyncRead for Socket {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let mut socket = self;
        if !socket.unread.is_empty() {
            let Self { unread, place, wire, .. } = &mut *socket;
            let offered = &unread[..unread.len().min(buffer.remaining())];
            let passed = place.pass(offered, wire);
            buffer.put_slice(&unread.split_to(passed));
            return Poll::Ready(Ok(()));
        }
        let former = buffer.filled().len();
        ready!(on_stream!(socket, stream => stream.poll_read(cx, buffer)))?;
        let Self { unread, place, wire, .. } = &mut *socket;
        let read = &buffer.filled()[former..];
        let passed = place.pass(read, wire);
        if passed < read.len() {
            *unread = Bytes::copy_from_slice(&read[passed..]);
            buffer.set_filled(former + passed);
        }
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Socket {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        on_stream!(self, stream => stream.poll_write(cx, bytes))
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        on_stream!(self, stream => stream.poll_flush(cx))
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        on_stream!(self, stream => stream.poll_shutdown(cx))
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        on_stream!(self, stream => stream.poll_write_vectored(cx, slices))
    }

    fn is_write_vectored(&self) -> bool {
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_read_and_shown_alike() {
        for text in ["127.0.0.1:8080", "[::1]:0", "unix:/run/davmux.sock"] {
            assert_eq!(text.parse::<Listen>().unwrap().to_string(), text);
        }
        for text in ["", "8080", "localhost:80", "unix:", "127.0.0.1"] {
            assert_eq!(text.parse::<Listen>(), Err(InvalidListen), "{text:?}");
        }
    }
}
