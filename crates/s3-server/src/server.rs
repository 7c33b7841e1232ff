//! Starting, listening and stopping.

use std::fmt;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::clock::Clock;
use crate::faults::Faults;
use crate::front::Front;
use crate::keyring::Keyring;
use crate::recorder::Recorder;

/// How long a stop waits for calls that still run.
const STOP_LIMIT: Duration = Duration::from_secs(5);

/// The server; it begins with [`Server::builder`].
#[derive(Debug)]
pub struct Server {
    _private: (),
}

async fn accept(
    listener: TcpListener,
    front: Arc<Front>,
    tasks: TaskTracker,
    stopping: CancellationToken,
    aborting: CancellationToken,
) {
    loop {
        let stream = tokio::select! {
            accepted = listener.accept() => match accepted {
                Ok((stream, _)) => stream,
                Err(error) => {
                    // Too many open files, mostly: others must end before there is room.
                    tracing::warn!(%error, "a connection was not accepted");
                    tokio::time::sleep(Duration::from_millis(50)).await;
                    continue;
                }
            },
            () = stopping.cancelled() => return,
        };
        if let Err(error) = stream.set_nodelay(true) {
            tracing::debug!(%error, "TCP_NODELAY was not set");
        }
        let (front, stopping, aborting) = (Arc::clone(&front), stopping.clone(), aborting.clone());
        tasks.spawn(async move {
            let answer = service_fn(move |request| {
                let front = Arc::clone(&front);
                async move { front.answer(request).await }
            });
            let mut http = hyper::server::conn::http1::Builder::new();
            let connection = http.timer(TokioTimer::new()).serve_connection(TokioIo::new(stream), answer);
            let mut connection = std::pin::pin!(connection);
            let result = tokio::select! {
                result = connection.as_mut() => result,
                () = stopping.cancelled() => {
                    connection.as_mut().graceful_shutdown();
                    tokio::select! {
                        result = connection.as_mut() => result,
                        () = aborting.cancelled() => return,
                    }
                }
            };
            if let Err(error) = result {
                tracing::debug!(%error, "a connection ended early");
            }
        });
    }
}

/// A server that runs. Dropped, it stops to listen and ends its connections without waiting for them.
pub struct Running {
    addr: SocketAddr,
    access_key: String,
    secret_key: String,
    region: String,
    recorder: Recorder,
    faults: Faults,
    clock: Clock,
    keyring: Keyring,
    tasks: TaskTracker,
    stopping: CancellationToken,
    aborting: CancellationToken,
}

impl fmt::Debug for Running {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Running")
            .field("addr", &self.addr)
            .field("access_key", &self.access_key)
            .finish_non_exhaustive()
    }
}

impl Running {
    pub(crate) fn begin(
        listener: TcpListener,
        addr: SocketAddr,
        front: Front,
        keys: (String, String),
        region: String,
        clock: Clock,
        keyring: Keyring,
    ) -> Self {
        let (stopping, aborting) = (CancellationToken::new(), CancellationToken::new());
        let (recorder, faults, tasks) = (front.recorder.clone(), front.faults.clone(), front.tasks.clone());
        tasks.spawn(accept(listener, Arc::new(front), tasks.clone(), stopping.clone(), aborting.clone()));
        let (access_key, secret_key) = keys;
        Self { addr, access_key, secret_key, region, recorder, faults, clock, keyring, tasks, stopping, aborting }
    }

    /// The address it listens on, with the real port.
    pub fn addr(&self) -> SocketAddr {
        self.addr
    }

    /// `http://127.0.0.1:PORT`, for path style.
    pub fn endpoint(&self) -> String {
        format!("http://{}", self.addr)
    }

    /// `http://localhost:PORT`: clients put the bucket before it, for host style. `*.localhost` is loopback by
    /// RFC 6761, 6.3, but not every resolver knows.
    pub fn host_style_endpoint(&self) -> String {
        format!("http://localhost:{}", self.addr.port())
    }

    /// The access key id that it takes from the start.
    pub fn access_key(&self) -> &str {
        &self.access_key
    }

    /// The secret key that it takes from the start.
    pub fn secret_key(&self) -> &str {
        &self.secret_key
    }

    /// The region it says it is in.
    pub fn region(&self) -> &str {
        &self.region
    }

    /// The calls so far.
    pub fn recorder(&self) -> &Recorder {
        &self.recorder
    }

    /// The script of faults, to add to.
    pub fn faults(&self) -> &Faults {
        &self.faults
    }

    /// Its clock, to set.
    pub fn clock(&self) -> &Clock {
        &self.clock
    }

    /// The keys that sign for it, to add to.
    pub fn keyring(&self) -> &Keyring {
        &self.keyring
    }

    /// Stops to listen and lets calls that run end, for five seconds at most.
    pub async fn stop(self) {
        self.stopping.cancel();
        self.tasks.close();
        if tokio::time::timeout(STOP_LIMIT, self.tasks.wait()).await.is_err() {
            self.aborting.cancel();
            self.tasks.wait().await;
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.stopping.cancel();
        self.aborting.cancel();
    }
}
