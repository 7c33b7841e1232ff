//! What a server is started with, and its start.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use s3s::access::{S3Access, S3AccessContext};
use s3s::config::{S3Config, StaticConfigProvider};
use s3s::service::S3ServiceBuilder;
use s3s::{S3Result, s3_error};
use tokio::net::TcpListener;
use tokio_util::task::TaskTracker;

use crate::clock::Clock;
use crate::cors::Cors;
use crate::faults::Faults;
use crate::front::Front;
use crate::hosts::{Hosts, Naming};
use crate::keyring::{Key, Keyring};
use crate::limits::Limits;
use crate::memory::Memory;
use crate::namespace::Namespace;
use crate::ops::Operations;
use crate::recorder::Recorder;
use crate::server::{Running, Server};
use crate::store::Store;
use crate::strict::{Elsewhere, Inspection, Strict};

/// What a server is started with.
pub struct Builder {
    listen: SocketAddr,
    store: Option<Arc<dyn Store>>,
    buckets: BTreeSet<String>,
    public: BTreeSet<String>,
    versioned: BTreeSet<String>,
    numbered: Vec<(String, String, u32)>,
    elsewhere: BTreeMap<String, Elsewhere>,
    access_key: String,
    secret_key: String,
    region: String,
    hosts: Hosts,
    strict: Strict,
    limits: Option<Limits>,
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

impl Server {
    /// A server in memory on a free port of 127.0.0.1, with no bucket yet.
    pub fn builder() -> Builder {
        Builder {
            listen: SocketAddr::from((Ipv4Addr::LOCALHOST, 0)),
            store: None,
            buckets: BTreeSet::new(),
            public: BTreeSet::new(),
            versioned: BTreeSet::new(),
            numbered: Vec::new(),
            elsewhere: BTreeMap::new(),
            access_key: "davmux-test".to_owned(),
            secret_key: "davmux-test-secret".to_owned(),
            region: "us-east-1".to_owned(),
            hosts: Hosts { domains: vec!["localhost".to_owned()], ..Hosts::default() },
            strict: Strict::default(),
            limits: None,
            faults: Faults::default(),
        }
    }
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
        self.bucket(name)
    }

    /// A bucket that says its versioning is `Enabled`. It keeps no versions all the same.
    #[must_use]
    pub fn versioned_bucket(mut self, name: impl Into<String>) -> Self {
        let name = name.into();
        self.versioned.insert(name.clone());
        self.bucket(name)
    }

    /// A bucket that another endpoint serves: every call for it is answered 301, or 307 if `for_now`, with `region` and
    /// `endpoint` (host and port).
    #[must_use]
    pub fn bucket_elsewhere(
        mut self,
        name: impl Into<String>,
        region: impl Into<String>,
        endpoint: impl Into<String>,
        for_now: bool,
    ) -> Self {
        let status = if for_now { 307 } else { 301 };
        let place = Elsewhere { status, region: region.into(), endpoint: endpoint.into() };
        self.elsewhere.insert(name.into(), place);
        self
    }

    /// Puts `count` empty objects into a bucket, `PREFIX00000000` and on. They share all but their keys, so a million
    /// takes some 80 MB. In a [`Folder`](crate::Folder) they do not survive.
    #[must_use]
    pub fn numbered_objects(mut self, bucket: impl Into<String>, prefix: impl Into<String>, count: u32) -> Self {
        let bucket = bucket.into();
        self.numbered.push((bucket.clone(), prefix.into(), count));
        self.bucket(bucket)
    }

    /// A host that is bound to a bucket: the path there is the key, and what is signed for that host holds.
    #[must_use]
    pub fn bound_host(self, host: impl Into<String>, bucket: impl Into<String>) -> Self {
        self.own_host(host.into(), bucket.into(), Naming::Bound)
    }

    /// A host that gives a bucket's objects to anyone, as the public host of R2 or a CDN does. It refuses whatever is
    /// signed.
    #[must_use]
    pub fn public_host(self, host: impl Into<String>, bucket: impl Into<String>) -> Self {
        self.own_host(host.into(), bucket.into(), Naming::Public)
    }

    fn own_host(mut self, host: String, bucket: String, naming: Naming) -> Self {
        self.hosts.own.insert(host, (bucket.clone(), naming));
        self.bucket(bucket)
    }

    /// The pair of keys that signs for this server from the start. [`Running::keyring`] takes more.
    #[must_use]
    pub fn keys(mut self, access_key: impl Into<String>, secret_key: impl Into<String>) -> Self {
        self.access_key = access_key.into();
        self.secret_key = secret_key.into();
        self
    }

    /// The region it says it is in. Whether a signature must name it is [`Strict::regions`].
    #[must_use]
    pub fn region(mut self, region: impl Into<String>) -> Self {
        self.region = region.into();
        self
    }

    /// One more domain below which a host names a bucket, beside `localhost`.
    #[must_use]
    pub fn domain(mut self, domain: impl Into<String>) -> Self {
        self.hosts.domains.push(domain.into());
        self
    }

    /// What to refuse.
    #[must_use]
    pub fn strict(mut self, strict: Strict) -> Self {
        self.strict = strict;
        self
    }

    /// Other limits than those of the profile.
    #[must_use]
    pub fn limits(mut self, limits: Limits) -> Self {
        self.limits = Some(limits);
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
        for (name, prefix, count) in self.numbered {
            let filled = namespace.number(&name, &prefix, count);
            filled.map_err(|error| StartError::Bucket { name, reason: error.to_string() })?;
        }

        let listener = TcpListener::bind(self.listen).await;
        let listener = listener.map_err(|source| StartError::Listen { addr: self.listen, source })?;
        let addr = listener.local_addr().map_err(|source| StartError::Listen { addr: self.listen, source })?;

        let mut strict = self.strict;
        strict.limits = self.limits.unwrap_or(strict.limits);
        let (clock, cors, keyring) = (Clock::default(), Cors::default(), Keyring::default());
        keyring.add(Key::new(self.access_key.clone(), self.secret_key.clone()));
        let operations = Operations::new(namespace, self.region.clone(), strict, cors.clone(), self.versioned);
        let mut service = S3ServiceBuilder::new(operations);
        service.set_auth(keyring.clone());
        service.set_access(Access { public: self.public, hosts: self.hosts.clone() });
        service.set_host(self.hosts.clone());
        service.set_config(Arc::new(StaticConfigProvider::new(Arc::new(config()))));
        let recorder = Recorder::default();
        let front = Front {
            service: service.build(),
            recorder: recorder.clone(),
            faults: self.faults.clone(),
            inspection: Inspection::new(strict, self.region.clone(), clock.clone(), keyring.clone(), self.elsewhere),
            hosts: self.hosts,
            cors,
            tasks: TaskTracker::new(),
        };
        Ok(Running::begin(listener, addr, front, (self.access_key, self.secret_key), self.region, clock, keyring))
    }
}

/// The clock is compared by the front, which knows the server's.
fn config() -> S3Config {
    let mut config = S3Config::default();
    config.presigned_url_max_skew_time_secs = u32::MAX;
    config
}

/// Whoever signed may do all; others may read objects of public buckets, and of any bucket through its public host.
struct Access {
    public: BTreeSet<String>,
    hosts: Hosts,
}

#[async_trait]
impl S3Access for Access {
    async fn check(&self, context: &mut S3AccessContext<'_>) -> S3Result<()> {
        let host = context.headers().get(http::header::HOST).and_then(|host| host.to_str().ok()).unwrap_or_default();
        let public_host = self.hosts.bucket(host).is_some_and(|(_, naming)| naming == Naming::Public);
        let public = context.s3_path().get_bucket_name().is_some_and(|name| self.public.contains(name));
        let reads = matches!(context.s3_op().name(), "GetObject" | "HeadObject");
        if context.credentials().is_some() || (reads && (public || public_host)) {
            Ok(())
        } else {
            Err(s3_error!(AccessDenied, "Access Denied"))
        }
    }
}
