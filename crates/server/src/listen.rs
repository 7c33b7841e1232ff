//! [`Listen`]: where to listen; and the sockets behind it.

use std::fmt;
use std::future::poll_fn;
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
use tokio_rustls::server::TlsStream;

use crate::inherited;
use crate::unix_socket::{self, Claim};
use crate::wire::{Place, Wire};
use crate::{Error, Result};

/// An address to listen on: `127.0.0.1:8080`, `[::1]:0`, `unix:PATH`, `systemd` or `systemd:NAME`.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Listen {
    /// TCP; port 0 lets the system choose.
    Tcp(SocketAddr),
    /// A Unix socket; one that nobody listens on any more is replaced.
    Unix(PathBuf),
    /// Sockets that systemd has opened: those whose `FileDescriptorName=` is this name, or without a name all but those
    /// named `admin`.
    Systemd(Option<String>),
}

impl Listen {
    /// As people and programs write it, for a server that speaks TLS or not.
    pub(crate) fn url(&self, is_encrypted: bool) -> String {
        match self {
            Self::Tcp(address) if is_encrypted => format!("https://{address}/"),
            Self::Tcp(address) => format!("http://{address}/"),
            other => other.to_string(),
        }
    }

    /// Whether another machine could connect. Of systemd's sockets only [`Bound::addresses`](crate::Bound::addresses) know.
    pub fn is_reachable_from_outside(&self) -> bool {
        match self {
            Self::Tcp(address) => !address.ip().to_canonical().is_loopback(),
            Self::Unix(_) | Self::Systemd(_) => false,
        }
    }
}

impl fmt::Display for Listen {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tcp(address) => address.fmt(f),
            Self::Unix(path) => write!(f, "unix:{}", path.display()),
            Self::Systemd(None) => f.write_str("systemd"),
            Self::Systemd(Some(name)) => write!(f, "systemd:{name}"),
        }
    }
}

/// The text is neither an IP address with a port, nor `unix:` and a path, nor `systemd`.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not an address to listen on: write 127.0.0.1:8080, [::1]:8080, unix:PATH, systemd or systemd:NAME")]
pub struct InvalidListen;

impl FromStr for Listen {
    type Err = InvalidListen;

    fn from_str(text: &str) -> Result<Self, InvalidListen> {
        match text.split_once(':') {
            Some(("unix" | "systemd", "")) => Err(InvalidListen),
            Some(("unix", path)) => Ok(Self::Unix(path.into())),
            Some(("systemd", name)) => Ok(Self::Systemd(Some(name.to_owned()))),
            None if text == "systemd" => Ok(Self::Systemd(None)),
            _ => text.parse().map(Self::Tcp).map_err(|_| InvalidListen),
        }
    }
}

/// A bound address.
#[derive(Debug)]
pub(crate) struct Listener {
    /// The file of a Unix socket that is ours. It goes before the socket is closed, so that nobody finds it stale.
    _claim: Option<Claim>,
    /// One, or those that systemd has for one name.
    sockets: Vec<Bound>,
    /// The socket that is asked first for the next connection, so that each has its turn.
    first: usize,
}

#[derive(Debug)]
struct Bound {
    socket: Acceptor,
    /// As it is: with the port that the system chose, and what systemd's socket is bound to.
    address: Listen,
}

#[derive(Debug)]
enum Acceptor {
    Tcp(TcpListener),
    Unix(UnixListener),
}

impl Listener {
    /// Binds an address. A Unix socket that is made here gets `mode`, or what the process's umask leaves.
    pub(crate) async fn bind(listen: &Listen, mode: Option<u32>) -> Result<Self> {
        let bound = match listen {
            Listen::Tcp(address) => Self::bind_tcp(*address).await,
            Listen::Unix(path) => Self::bind_unix(path, mode).await,
            Listen::Systemd(name) => {
                let taken = inherited::take(name.as_deref())?;
                let sockets = taken.into_iter().map(|socket| Bound::inherit(socket, listen)).collect::<io::Result<_>>();
                sockets.map(|sockets| Self { _claim: None, sockets, first: 0 })
            }
        };
        bound.map_err(|source| match source.kind() {
            ErrorKind::AddrInUse => Error::InUse { address: listen.clone(), source },
            _ => Error::Bind { address: listen.clone(), source },
        })
    }

    async fn bind_tcp(address: SocketAddr) -> io::Result<Self> {
        let listener = TcpListener::bind(address).await?;
        let address = Listen::Tcp(listener.local_addr()?);
        Ok(Self { _claim: None, sockets: vec![Bound { socket: Acceptor::Tcp(listener), address }], first: 0 })
    }

    async fn bind_unix(path: &Path, mode: Option<u32>) -> io::Result<Self> {
        let (listener, claim) = unix_socket::bind(path, mode).await?;
        let address = Listen::Unix(path.to_owned());
        Ok(Self { _claim: Some(claim), sockets: vec![Bound { socket: Acceptor::Unix(listener), address }], first: 0 })
    }

    pub(crate) fn addresses(&self) -> impl Iterator<Item = &Listen> {
        self.sockets.iter().map(|bound| &bound.address)
    }

    /// The next connection and the address of its peer.
    pub(crate) async fn accept(&mut self) -> io::Result<(Stream, Option<IpAddr>)> {
        let (at, accepted) = poll_fn(|cx| {
            let turns = (self.first..self.sockets.len()).chain(0..self.first);
            for at in turns {
                if let Poll::Ready(accepted) = self.sockets[at].poll_accept(cx) {
                    return Poll::Ready((at, accepted));
                }
            }
            Poll::Pending
        })
        .await;
        self.first = (at + 1) % self.sockets.len();
        accepted
    }
}

impl fmt::Display for Listener {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (number, address) in self.addresses().enumerate() {
            if number > 0 {
                f.write_str(", ")?;
            }
            address.fmt(f)?;
        }
        Ok(())
    }
}

impl Bound {
    fn inherit(socket: inherited::Socket, asked: &Listen) -> io::Result<Self> {
        match socket {
            inherited::Socket::Tcp(listener) => {
                listener.set_nonblocking(true)?;
                let address = Listen::Tcp(listener.local_addr()?);
                Ok(Self { socket: Acceptor::Tcp(TcpListener::from_std(listener)?), address })
            }
            inherited::Socket::Unix(listener) => {
                listener.set_nonblocking(true)?;
                // A socket of the abstract namespace has no path.
                let path = listener.local_addr()?.as_pathname().map(Path::to_owned);
                let address = path.map_or_else(|| asked.clone(), Listen::Unix);
                Ok(Self { socket: Acceptor::Unix(UnixListener::from_std(listener)?), address })
            }
        }
    }

    fn poll_accept(&self, cx: &mut Context<'_>) -> Poll<io::Result<(Stream, Option<IpAddr>)>> {
        match &self.socket {
            Acceptor::Tcp(listener) => {
                let (stream, peer) = ready!(listener.poll_accept(cx))?;
                // A response is written in few large pieces; waiting to join small ones only delays them. A peer that is
                // gone already makes this fail, and is found gone soon enough.
                let _ = stream.set_nodelay(true);
                Poll::Ready(Ok((Stream::Tcp(stream), Some(peer.ip().to_canonical()))))
            }
            Acceptor::Unix(listener) => {
                let (stream, _) = ready!(listener.poll_accept(cx))?;
                Poll::Ready(Ok((Stream::Unix(stream), None)))
            }
        }
    }
}

#[derive(Debug)]
pub(crate) enum Stream {
    Tcp(TcpStream),
    Unix(UnixStream),
    Tls(Box<TlsStream<TcpStream>>),
}

impl Stream {
    /// What was agreed on for an encrypted connection; `None`: it is not encrypted.
    pub(crate) fn agreed(&self) -> Option<Agreed> {
        match self {
            Self::Tls(stream) if stream.get_ref().1.alpn_protocol() == Some(b"h2") => Some(Agreed::Http2),
            Self::Tls(_) => Some(Agreed::Http1),
            Self::Tcp(_) | Self::Unix(_) => None,
        }
    }
}

/// The protocol that a client and this server agreed on in their handshake (RFC 7301).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Agreed {
    Http1,
    Http2,
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

    pub(crate) fn agreed(&self) -> Option<Agreed> {
        self.stream.agreed()
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
        let stream = match &self.stream {
            Stream::Tcp(stream) => stream,
            Stream::Tls(stream) => stream.get_ref().0,
            Stream::Unix(_) => return,
        };
        if self.wire.reset.load(Ordering::Relaxed) {
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
            Stream::Tls(stream) => {
                let $stream = Pin::new(stream.as_mut());
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
        for text in ["127.0.0.1:8080", "[::1]:0", "unix:/run/davmux.sock", "systemd", "systemd:web"] {
            assert_eq!(text.parse::<Listen>().unwrap().to_string(), text);
        }
        for text in ["", "8080", "localhost:80", "unix:", "127.0.0.1", "systemd:", "systemdx"] {
            assert_eq!(text.parse::<Listen>(), Err(InvalidListen), "{text:?}");
        }
    }
}
