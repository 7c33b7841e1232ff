//! [`Server`]: from addresses to answered requests, and the way back at a shutdown.

use std::fmt;
use std::io;
use std::net::IpAddr;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use arc_swap::ArcSwap;
use http::{Request, StatusCode, Version};
use http_body::Body as _;
use hyper::body::Incoming;
use hyper::server::conn::{http1, http2};
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::graceful::GracefulConnection;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::sync::{Semaphore, mpsc};
use tokio::task::{AbortHandle, JoinSet};
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::access_log::{self, chain};
use crate::guessing::Guessing;
use crate::limits::Connected;
use crate::listen::{Agreed, Listener, Socket, Stream};
use crate::pulse::{Beat, Late, Patience, Watch, Watched};
use crate::replace::{Change, Handle, Listening};
use crate::service::{Served, Service};
use crate::wire::{Target, Wire};
use crate::{Application, Listen, Load, Metrics, Options, Refusal, Result, Scheme};

/// The request line and all header fields together, in bytes, on both protocols; above it 431.
const MOST_HEADER: u32 = 64 * 1024;
/// A silent HTTP/2 connection is asked for a sign of life this often, and closed when none comes.
const PING_INTERVAL: Duration = Duration::from_secs(30);
const PING_TIMEOUT: Duration = Duration::from_secs(20);
/// What one HTTP/2 stream, and one connection, may send ahead.
const STREAM_WINDOW: u32 = 1024 * 1024;
const CONNECTION_WINDOW: u32 = 4 * 1024 * 1024;
const MOST_STREAMS: u32 = 128;
/// What is kept of one HTTP/1 request or response, in bytes: more only costs memory, for each client that reads slowly.
const MOST_BUFFERED: usize = 128 * 1024;
/// What is kept of one HTTP/2 response, in bytes, for a client that opens a wide window and reads nothing.
const MOST_UNSENT: usize = 128 * 1024;
const HTTP2_PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
/// After a failed accept, doubled up to the second while it goes on.
const SHORTEST_BACKOFF: Duration = Duration::from_millis(10);
const LONGEST_BACKOFF: Duration = Duration::from_secs(1);
/// How often the files of the certificate are looked at.
const CERTIFICATE_LOOKS: Duration = Duration::from_secs(5);

/// A server of one application.
#[derive(Debug)]
pub struct Server;

impl Server {
    /// Checks the options and binds every address; no connection is accepted yet.
    ///
    /// # Errors
    /// Options that must not be served, and addresses that cannot be bound; see [`Error`](crate::Error).
    pub async fn bind<A: Application>(options: Options, application: A) -> Result<Bound<A>> {
        options.check()?;
        Self::bind_unchecked(options, application).await
    }

    pub(crate) async fn bind_unchecked<A: Application>(options: Options, application: A) -> Result<Bound<A>> {
        let mut listeners = Vec::with_capacity(options.listen.len());
        for listen in &options.listen {
            listeners.push((listen.clone(), Listener::bind(listen, options.socket_mode).await?));
        }
        let listen: Vec<_> = listeners.iter().map(Listening::of).collect();
        options.check_reach(listen.iter().flat_map(Listening::inherited))?;
        let metrics: Arc<Metrics> = Arc::default();
        let service = Arc::new(Service {
            current: ArcSwap::from_pointee(Served::new(options, application, None).await?),
            guessing: Arc::new(Guessing::new(Arc::clone(&metrics.auth_failures))),
            load: Arc::new(Load::new(Arc::clone(&metrics))),
            metrics,
        });
        let (handle, changes) = Handle::new(service, listen);
        Ok(Bound { listeners, handle, changes })
    }
}

/// A server that holds its addresses.
pub struct Bound<A> {
    /// Each with the address as the options name it.
    listeners: Vec<(Listen, Listener)>,
    handle: Handle<A>,
    changes: mpsc::Receiver<Change>,
}

impl<A> fmt::Debug for Bound<A> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Bound").field("listeners", &self.listeners).finish_non_exhaustive()
    }
}

/// How a server ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Drained {
    /// Connections whose requests had not ended when the time for that was over.
    pub cut: usize,
}

impl<A: Application> Bound<A> {
    /// The bound addresses, with the ports that the system chose.
    pub fn addresses(&self) -> Vec<Listen> {
        self.listeners.iter().flat_map(|(_, listener)| listener.addresses().cloned()).collect()
    }

    /// The same as people and programs write them: `https://127.0.0.1:8443/`, `unix:/run/davmux.sock`.
    pub fn urls(&self) -> Vec<String> {
        let is_encrypted = self.handle.service().current.load().tls.is_some();
        self.addresses().iter().map(|address| address.url(is_encrypted)).collect()
    }

    /// By which what is served can be replaced while it is served.
    pub fn handle(&self) -> Handle<A> {
        self.handle.clone()
    }

    /// Serves until `shutdown` resolves. Then the listening sockets and idle connections are closed, and requests in flight
    /// go on for [`Options::drain`] at most. If this future is dropped, everything is cut at once.
    pub async fn serve(self, shutdown: impl Future<Output = ()>) -> Drained {
        let Self { listeners, handle, mut changes } = self;
        let service = handle.into_service();
        let (stop, cut) = (CancellationToken::new(), CancellationToken::new());
        let _cut_when_dropped = cut.clone().drop_guard();
        let _stop_when_dropped = stop.clone().drop_guard();
        let connections = TaskTracker::new();
        let mut accepting = Accepting { sockets: Vec::new(), acceptors: JoinSet::new() };
        let acceptor =
            |stop| Acceptor { service: Arc::clone(&service), connections: connections.clone(), stop, cut: cut.clone() };
        for (listen, listener) in listeners {
            accepting.begin(listen, listener, acceptor(stop.child_token()));
        }
        let mut shutdown = pin!(shutdown);
        let mut certificates = pin!(async {
            loop {
                tokio::time::sleep(CERTIFICATE_LOOKS).await;
                let tls = service.current.load().tls.clone();
                if let Some(tls) = tls {
                    tls.refresh().await;
                }
            }
        });
        loop {
            tokio::select! {
                biased;
                () = &mut shutdown => break,
                () = &mut certificates => {}
                Some(change) = changes.recv() => {
                    for (listen, listener) in change.added {
                        accepting.begin(listen, listener, acceptor(stop.child_token()));
                    }
                    accepting.keep(&change.listen).await;
                    // Whoever asked for it may have left.
                    let _ = change.applied.send(());
                }
            }
        }
        // A reload that comes now is not waited for, and waits for nothing.
        drop(changes);
        stop.cancel();
        while accepting.acceptors.join_next().await.is_some() {}
        connections.close();
        let drain = service.current.load().drain;
        if timeout(drain, connections.wait()).await.is_ok() {
            return Drained { cut: 0 };
        }
        let left = connections.len();
        tracing::warn!(connections = left, "the time to end requests in flight is over: they are cut");
        cut.cancel();
        connections.wait().await;
        Drained { cut: left }
    }
}

/// The sockets on which connections are taken.
struct Accepting {
    /// As the options name them.
    sockets: Vec<(Listen, CancellationToken, AbortHandle)>,
    acceptors: JoinSet<()>,
}

impl Accepting {
    fn begin<A: Application>(&mut self, listen: Listen, listener: Listener, acceptor: Acceptor<A>) {
        let stop = acceptor.stop.clone();
        let task = self.acceptors.spawn(acceptor.run(listener));
        self.sockets.push((listen, stop, task));
    }

    /// Closes those that are not named, and their connections once their requests have ended. Waits until the sockets are
    /// closed.
    async fn keep(&mut self, listen: &[Listen]) {
        let mut wanted = listen.to_vec();
        let mut closing = Vec::new();
        self.sockets.retain(|(listen, stop, task)| {
            if let Some(at) = wanted.iter().position(|wanted| wanted == listen) {
                wanted.swap_remove(at);
                return true;
            }
            stop.cancel();
            closing.push(task.id());
            false
        });
        while !closing.is_empty() {
            let Some(ended) = self.acceptors.join_next_with_id().await else { return };
            let ended = ended.map_or_else(|error| error.id(), |(id, ())| id);
            closing.retain(|id| *id != ended);
        }
    }
}

/// Takes the connections of one listener.
struct Acceptor<A> {
    service: Arc<Service<A>>,
    connections: TaskTracker,
    /// Also ends when this listener alone is closed.
    stop: CancellationToken,
    cut: CancellationToken,
}

impl<A: Application> Acceptor<A> {
    async fn run(self, mut listener: Listener) {
        let mut backoff = SHORTEST_BACKOFF;
        loop {
            let accepted = tokio::select! {
                biased;
                () = self.stop.cancelled() => return,
                accepted = listener.accept() => accepted,
            };
            match accepted {
                Ok((stream, peer)) => {
                    backoff = SHORTEST_BACKOFF;
                    let served = self.service.current.load();
                    match self.service.load.connect(&served.limits, served.counted(peer)) {
                        Ok(connected) => {
                            self.connections.spawn(self.connection(stream, peer, connected));
                        }
                        // Where TLS is spoken an answer in clear is noise.
                        Err(_) if served.tls.is_some() && matches!(stream, Stream::Tcp(_)) => {}
                        Err(_) => refuse(stream),
                    }
                }
                Err(error) if concerns_one_connection(&error) => {}
                Err(error) => {
                    // No file descriptors, no memory: the next try would fail at once too.
                    tracing::warn!(address = %listener, %error, "cannot accept connections for the moment");
                    tokio::select! {
                        () = self.stop.cancelled() => return,
                        () = tokio::time::sleep(backoff) => {}
                    }
                    backoff = (backoff * 2).min(LONGEST_BACKOFF);
                }
            }
        }
    }

    fn connection(
        &self,
        stream: Stream,
        peer: Option<IpAddr>,
        connected: Connected,
    ) -> impl Future<Output = ()> + Send + 'static {
        let service = Arc::clone(&self.service);
        let served = service.current.load();
        let (protocols, patience) = (served.protocols.clone(), Patience::from(&served.limits));
        let (tls, logged) = (served.tls.clone(), served.access_log);
        drop(served);
        let metrics = Arc::clone(&service.metrics);
        // A token of its own: asking the shared one would make all connections meet at one lock.
        let (stop, cut) = (self.stop.child_token(), self.cut.clone());
        async move {
            let _counted = (connected, metrics.connected());
            let wire = Arc::new(Wire::new());
            let watched = Arc::clone(&wire);
            let stream = match (stream, tls) {
                (Stream::Tcp(stream), Some(tls)) => {
                    let shaken = stop.run_until_cancelled(tls.shake(stream, peer, logged)).await.flatten();
                    let Some(stream) = shaken else { return };
                    Stream::Tls(stream)
                }
                (stream, _) => stream,
            };
            let scheme = if stream.agreed().is_some() { Scheme::Https } else { Scheme::Http };
            let socket = Socket::new(stream, Arc::clone(&wire));
            let shared = Arc::clone(&service);
            let answer = service_fn(move |request: Request<Incoming>| {
                // Here and not in the request's future, which runs later than the next read.
                let is_http1 = request.version() < Version::HTTP_2;
                let target = match is_http1 {
                    true => wire.begins(request.body().size_hint().exact()),
                    false => Target::Whole,
                };
                wire.pulse.head_ends();
                Arc::clone(&service).answer(request, peer, scheme, target, Beat::begin(Arc::clone(&wire)))
            });
            let driven = Driven { wire: &watched, patience, stop: &stop, cut: &cut };
            let chosen = protocols.choose(socket, &stop, patience).await;
            let ended = match chosen.map(|(socket, protocol)| (Watched::new(socket, Arc::clone(&watched)), protocol)) {
                None => Ok(None),
                Some((socket, Protocol::Http1)) => {
                    driven.by(protocols.http1.serve_connection(TokioIo::new(socket), answer)).await
                }
                Some((socket, Protocol::Http2)) => {
                    driven.by(protocols.http2.serve_connection(TokioIo::new(socket), answer)).await
                }
            };
            if let Ok(Some(late)) = ended {
                late_client(&shared, late, peer);
            }
            if let Err(error) = ended {
                refused_unread(&error, peer, &metrics, shared.current.load().access_log);
                // A client that leaves is no event; what it asked for has its line in the access log.
                tracing::debug!(?peer, error = chain(&error), "a connection ended early");
            }
        }
    }
}

/// Counts a request that could not be read, and writes its line: hyper has answered it, and nobody else saw it.
fn refused_unread(error: &hyper::Error, peer: Option<IpAddr>, metrics: &Metrics, logged: bool) {
    let status = match () {
        () if error.is_parse_too_large() => StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE,
        () if error.is_parse() => StatusCode::BAD_REQUEST,
        () => return,
    };
    metrics.unread(status.as_u16());
    if logged {
        access_log::unread(status, peer, &chain(error));
    }
}

fn concerns_one_connection(error: &io::Error) -> bool {
    use io::ErrorKind::{ConnectionAborted, ConnectionRefused, ConnectionReset, Interrupted};
    matches!(error.kind(), ConnectionAborted | ConnectionRefused | ConnectionReset | Interrupted)
}

/// What a connection that is over the limit is told, without a look at what it asks for.
const BUSY: &[u8] = b"HTTP/1.1 503 Service Unavailable\r\ncontent-type: text/plain; charset=utf-8\r\n\
    content-length: 48\r\nretry-after: 5\r\nconnection: close\r\n\r\nthere are too many connections; try again later\n";
/// Connections that are told so at a time; more of them are closed without a word.
static REFUSING: Semaphore = Semaphore::const_new(64);
/// How long one of them may take to read it.
const LONGEST_REFUSAL: Duration = Duration::from_secs(1);

/// Says that there are too many connections. A connection that stayed in the queue of the system instead would leave its
/// client without an answer for as long as the others stay.
fn refuse(stream: Stream) {
    let Ok(permit) = REFUSING.try_acquire() else { return };
    tokio::spawn(async move {
        let _permit = permit;
        let mut socket = Socket::new(stream, Arc::new(Wire::new()));
        let telling = async {
            socket.write_all(BUSY).await?;
            socket.shutdown().await?;
            // Closed with its request unread the client would see a reset in place of the answer.
            tokio::io::copy(&mut (&mut socket).take(MOST_HEADER.into()), &mut tokio::io::sink()).await
        };
        // A client that does not listen is told nothing.
        let _ = timeout(LONGEST_REFUSAL, telling).await;
    });
}

/// Counts what a client was late with, and says so in the access log where it was a request.
fn late_client<A>(service: &Service<A>, late: Late, peer: Option<IpAddr>) {
    match late {
        Late::Idle => {}
        // Its request has a line of its own.
        Late::Send => _ = service.load.refuse(Refusal::SendTimeout),
        Late::Head => {
            service.load.refuse(Refusal::HeaderTimeout);
            if service.current.load().access_log {
                access_log::unread(StatusCode::REQUEST_TIMEOUT, peer, "the request took too long to arrive");
            }
        }
    }
}

/// By what a connection is run.
struct Driven<'a> {
    wire: &'a Wire,
    patience: Patience,
    stop: &'a CancellationToken,
    cut: &'a CancellationToken,
}

/// How long a connection whose client was late may take to end.
const LAST_WORDS: Duration = Duration::from_secs(2);

impl Driven<'_> {
    /// Runs a connection to its end, gracefully once `stop` is called, and not a step further once `cut` is. Answers with what
    /// the client was late, if that ended it.
    async fn by<C: GracefulConnection>(&self, connection: C) -> Result<Option<Late>, C::Error> {
        let mut connection = pin!(connection);
        let mut watch = pin!(Watch::new(&self.wire.pulse, self.patience));
        let mut late = tokio::select! {
            biased;
            ended = connection.as_mut() => return ended.map(|()| None),
            late = watch.as_mut() => Some(late),
            () = self.stop.cancelled() => None,
        };
        if late.is_none() {
            Pin::as_mut(&mut connection).graceful_shutdown();
            // Where one address of several is closed nothing else ends a client that lets it wait.
            late = tokio::select! {
                biased;
                ended = connection.as_mut() => return ended.map(|()| None),
                () = self.cut.cancelled() => None,
                late = watch => Some(late),
            };
        }
        match late {
            None => Ok(None),
            Some(Late::Send) => {
                // What waits in the system's buffers would otherwise be offered for a long time still.
                self.wire.reset.store(true, Ordering::Relaxed);
                Ok(late)
            }
            Some(Late::Head | Late::Idle) => {
                let told = late == Some(Late::Head) && self.wire.pulse.tell_late();
                if !told {
                    Pin::as_mut(&mut connection).graceful_shutdown();
                }
                // What becomes of it now is of no interest.
                let _ = timeout(LAST_WORDS, connection).await;
                Ok(late.filter(|late| told || *late == Late::Idle))
            }
        }
    }
}

/// How connections are spoken with.
#[derive(Clone)]
pub(crate) struct Protocols {
    http1: http1::Builder,
    http2: http2::Builder<TokioExecutor>,
    /// Whether the preface of HTTP/2 is looked for where nothing was agreed on.
    offer_http2: bool,
}

enum Protocol {
    Http1,
    Http2,
}

impl Protocols {
    pub(crate) fn new(offer_http2: bool) -> Self {
        let mut http1 = http1::Builder::new();
        http1.header_read_timeout(None).max_buf_size(MOST_BUFFERED).max_header_size(MOST_HEADER as usize);
        let mut http2 = http2::Builder::new(TokioExecutor::new());
        http2
            .timer(TokioTimer::new())
            .max_header_list_size(MOST_HEADER)
            .initial_stream_window_size(STREAM_WINDOW)
            .initial_connection_window_size(CONNECTION_WINDOW)
            .max_concurrent_streams(MOST_STREAMS)
            .max_send_buf_size(MOST_UNSENT)
            .keep_alive_interval(PING_INTERVAL)
            .keep_alive_timeout(PING_TIMEOUT);
        Self { http1, http2, offer_http2 }
    }

    /// `None`: the client left, said nothing in time, or the server stops.
    async fn choose(
        &self,
        mut socket: Socket,
        stop: &CancellationToken,
        patience: Patience,
    ) -> Option<(Socket, Protocol)> {
        match socket.agreed() {
            Some(Agreed::Http2) => return Some((socket, Protocol::Http2)),
            None if self.offer_http2 => {}
            Some(Agreed::Http1) | None => return Some((socket.with_requests(), Protocol::Http1)),
        }
        let looking = timeout(patience.header, socket.begins_with(HTTP2_PREFACE));
        let is_http2 = tokio::select! {
            biased;
            looked = looking => looked.ok()?.ok()?,
            () = stop.cancelled() => return None,
        };
        Some(if is_http2 { (socket, Protocol::Http2) } else { (socket.with_requests(), Protocol::Http1) })
    }
}
