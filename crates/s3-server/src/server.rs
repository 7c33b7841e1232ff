//! Building, starting and stopping.

use std::collections::BTreeSet;
use std::fmt;
use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use s3s::access::{S3Access, S3AccessContext};
use s3s::auth::{S3Auth, SecretKey};
use s3s::host::{S3Host, VirtualHost};
use s3s::service::S3ServiceBuilder;
use s3s::{S3Result, s3_error};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::faults::Faults;
use crate::front::Front;
use crate::memory::Memory;
use crate::namespace::Namespace;
use crate::operation::bucket_of_host;
use crate::ops::Operations;
use crate::recorder::Recorder;
use crate::store::Store;
use crate::strict::Strict;

/// How long a stop waits for calls that still run.
const STOP_LIMIT: Duration = Duration::from_secs(5);

/// The server; it begins with [`Server::builder`].
#[derive(Debug)]
pub struct Server {
    _private: (),
}

impl Server {
    /// A server in memory on a free port of 127.0.0.1, with no bucket yet.
    pub fn builder() -> Builder {
        Builder {
            listen: SocketAddr::from((Ipv4Addr::LOCALHOST, 0)),
            store: None,
            buckets: BTreeSet::new(),
            public: BTreeSet::new(),
            access_key: "davmux-test".to_owned(),
            secret_key: "davmux-test-secret".to_owned(),
            region: "us-east-1".to_owned(),
            domains: vec!["localhost".to_owned()],
            strict: Strict::default(),
            limits: Limits::default(),
            faults: Faults::default(),
        }
    }
}

/// Sizes that S3 sets, in bytes. Tests lower them to reach the other side without moving gigabytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// The least size of a part that is not the last (5 MiB).
    pub min_part: u64,
    /// The most that one PutObject or UploadPart takes (5 GiB).
    pub max_put: u64,
    /// The most that one CopyObject or UploadPartCopy takes (5 GiB).
    pub max_copy: u64,
}

impl Default for Limits {
    fn default() -> Self {
        Self { min_part: 5 << 20, max_put: 5 << 30, max_copy: 5 << 30 }
    }
}

/// What a server is started with.
pub struct Builder {
    listen: SocketAddr,
    store: Option<Arc<dyn Store>>,
    buckets: BTreeSet<String>,
    public: BTreeSet<String>,
    access_key: String,
    secret_key: String,
    region: String,
    domains: Vec<String>,
    strict: Strict,
    limits: Limits,
    faults: Faults,
}

impl fmt::Debug for Builder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Builder")
            .field("listen", &self.listen)
            .field("store", &self.store)
            .field("buckets", &self.buckets)
            .field("access_key", &self.access_key)
            .field("strict", &self.strict)
            .field("limits", &self.limits)
            .finish_non_exhaustive()
    }
}

/// Why a server did not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The address cannot be listened on.
    #[error("cannot listen on {addr}")]
    Listen {
        /// The address.
        addr: SocketAddr,
        /// Why.
        source: io::Error,
    },
    /// The store cannot be read.
    #[error("cannot read the stored objects")]
    Store(#[source] io::Error),
    /// A bucket cannot be made.
    #[error("cannot make the bucket {name:?}: {reason}")]
    Bucket {
        /// Its name.
        name: String,
        /// Why.
        reason: String,
    },
}

impl Builder {
    /// Where to listen.
    #[must_use]
    pub fn listen(mut self, addr: SocketAddr) -> Self {
        self.listen = addr;
        self
    }

    /// Where to keep the objects, instead of a new [`Memory`].
    #[must_use]
    pub fn store(mut self, store: impl Store) -> Self {
        self.store = Some(Arc::new(store));
        self
    }

    /// A bucket that is there from the start. May be called again for more.
    #[must_use]
    pub fn bucket(mut self, name: impl Into<String>) -> Self {
        self.buckets.insert(name.into());
        self
    }

    /// A bucket whose objects anyone may read without a signature, as behind a CDN.
    #[must_use]
    pub fn public_bucket(mut self, name: impl Into<String>) -> Self {
        let name = name.into();
        self.public.insert(name.clone());
        self.buckets.insert(name);
        self
    }

    /// The one pair of keys that signs for this server.
    #[must_use]
    pub fn keys(mut self, access_key: impl Into<String>, secret_key: impl Into<String>) -> Self {
        self.access_key = access_key.into();
        self.secret_key = secret_key.into();
        self
    }

    /// The region it says it is in. Signatures for any region are taken.
    #[must_use]
    pub fn region(mut self, region: impl Into<String>) -> Self {
        self.region = region.into();
        self
    }

    /// One more domain below which a host names a bucket, beside `localhost`.
    #[must_use]
    pub fn domain(mut self, domain: impl Into<String>) -> Self {
        self.domains.push(domain.into());
        self
    }

    /// What to refuse.
    #[must_use]
    pub fn strict(mut self, strict: Strict) -> Self {
        self.strict = strict;
        self
    }

    /// Other limits than those of S3.
    #[must_use]
    pub fn limits(mut self, limits: Limits) -> Self {
        self.limits = limits;
        self
    }

    /// Holds every call for so long, see [`Faults::latency`].
    #[must_use]
    pub fn latency(self, latency: Duration) -> Self {
        self.faults.latency(latency);
        self
    }

    /// Loads the store, makes the buckets and begins to listen.
    ///
    /// # Errors
    /// See [`StartError`].
    pub async fn start(self) -> Result<Running, StartError> {
        let store = self.store.unwrap_or_else(|| Arc::new(Memory::new()));
        let namespace = tokio::task::spawn_blocking(move || Namespace::load(store))
            .await
            .map_err(|error| StartError::Store(io::Error::other(error)))?
            .map_err(StartError::Store)?;
        let namespace = Arc::new(namespace);
        for name in self.buckets {
            let refuse = |reason: String| StartError::Bucket { name: name.clone(), reason };
            if !s3s::path::check_bucket_name(&name) {
                return Err(refuse("3 to 63 lower-case letters, digits, dots and hyphens are allowed".to_owned()));
            }
            namespace.create_bucket(&name).await.map_err(|error| refuse(error.to_string()))?;
        }

        let listener = TcpListener::bind(self.listen).await;
        let listener = listener.map_err(|source| StartError::Listen { addr: self.listen, source })?;
        let addr = listener.local_addr().map_err(|source| StartError::Listen { addr: self.listen, source })?;

        let mut service = S3ServiceBuilder::new(Operations::new(namespace, self.region.clone(), self.limits));
        service.set_auth(Keys { access_key: self.access_key.clone(), secret_key: self.secret_key.clone().into() });
        service.set_access(Access { public: self.public });
        service.set_host(Hosts(self.domains.clone()));
        let tasks = TaskTracker::new();
        let recorder = Recorder::default();
        let front = Front {
            service: service.build(),
            recorder: recorder.clone(),
            faults: self.faults.clone(),
            strict: self.strict,
            domains: self.domains,
            tasks: tasks.clone(),
        };
        let stopping = CancellationToken::new();
        let aborting = CancellationToken::new();
        tasks.spawn(accept(listener, Arc::new(front), tasks.clone(), stopping.clone(), aborting.clone()));
        Ok(Running {
            addr,
            access_key: self.access_key,
            secret_key: self.secret_key,
            region: self.region,
            recorder,
            faults: self.faults,
            tasks,
            stopping,
            aborting,
        })
    }
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

    /// The access key id that it takes.
    pub fn access_key(&self) -> &str {
        &self.access_key
    }

    /// The secret key that it takes.
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

struct Keys {
    access_key: String,
    secret_key: SecretKey,
}

#[async_trait]
impl S3Auth for Keys {
    async fn get_secret_key(&self, access_key: &str) -> S3Result<SecretKey> {
        if access_key == self.access_key {
            Ok(self.secret_key.clone())
        } else {
            Err(s3_error!(InvalidAccessKeyId, "The AWS Access Key Id you provided does not exist in our records."))
        }
    }
}

/// Whoever signed may do all; others may read objects of public buckets.
struct Access {
    public: BTreeSet<String>,
}

#[async_trait]
impl S3Access for Access {
    async fn check(&self, context: &mut S3AccessContext<'_>) -> S3Result<()> {
        let reads = matches!(context.s3_op().name(), "GetObject" | "HeadObject");
        let public = context.s3_path().get_bucket_name().is_some_and(|name| self.public.contains(name));
        if context.credentials().is_some() || (reads && public) {
            Ok(())
        } else {
            Err(s3_error!(AccessDenied, "Access Denied"))
        }
    }
}

struct Hosts(Vec<String>);

impl S3Host for Hosts {
    fn parse_host_header<'a>(&'a self, host: &'a str) -> S3Result<VirtualHost<'a>> {
        let parsed = VirtualHost::new(host);
        Ok(match bucket_of_host(host, &self.0) {
            Some(bucket) => parsed.with_bucket(bucket),
            None => parsed,
        })
    }
}
