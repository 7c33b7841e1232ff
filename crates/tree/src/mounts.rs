//! Which mount a place belongs to.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, Once, PoisonError};
use std::time::{Duration, Instant, SystemTime};

use davmux_driver::{Driver, ErrorKind, Link, RelPath};

use crate::bandwidth::Gates;
use crate::redirect::{DownloadProxy, ReadPolicy};
use crate::{Bandwidth, Error, Junk, MountMetrics, Relays, TreePath};

/// Tells one mount from every other one that the process ever had, also at the same path.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct MountId(u64);

/// A path in the tree, the driver behind it, and how it is served.
#[derive(Debug)]
pub struct Mount {
    id: MountId,
    path: TreePath,
    driver: Arc<dyn Driver>,
    options: MountOptions,
    trouble: Mutex<Option<(ErrorKind, Instant)>>,
    last_error: Mutex<Option<(String, Instant)>>,
    told_of_short_links: Once,
    gates: Gates,
    relays: Relays,
    metrics: Arc<MountMetrics>,
    was_started: AtomicBool,
    is_replaced: AtomicBool,
}

/// How a mount is served.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MountOptions {
    /// Refuse every change.
    pub read_only: bool,
    /// Redirect or relay.
    pub read: ReadPolicy,
    /// Where redirects lead; `None`: to the storage's own links.
    pub proxy: Option<Arc<dyn DownloadProxy>>,
    /// How long a listing may be answered from memory; zero: not at all.
    pub list_cache: Duration,
    /// The least life that a client gets with a link.
    pub link_life: Duration,
    /// What is done with files that file managers leave behind.
    pub junk: Junk,
    /// The free space in bytes that clients are told where the storage does not tell its own; `None`: none is told.
    pub quota_available: Option<u64>,
    /// How fast bytes go to and from the storage.
    pub bandwidth: Bandwidth,
}

impl Default for MountOptions {
    fn default() -> Self {
        Self {
            read_only: false,
            read: ReadPolicy::Auto,
            proxy: None,
            list_cache: Duration::ZERO,
            link_life: Duration::from_secs(4 * 3600),
            junk: Junk::Keep,
            quota_available: None,
            bandwidth: Bandwidth::default(),
        }
    }
}

/// How long the same trouble of a mount is not logged again.
const QUIET: Duration = Duration::from_secs(60);

impl Mount {
    /// Puts a storage at a path.
    pub fn new(path: TreePath, driver: Arc<dyn Driver>, options: MountOptions) -> Self {
        static NEXT: AtomicU64 = AtomicU64::new(0);
        Self {
            gates: Gates::new(options.bandwidth),
            id: MountId(NEXT.fetch_add(1, Ordering::Relaxed)),
            relays: Relays::default(),
            path,
            driver,
            options,
            trouble: Mutex::new(None),
            last_error: Mutex::new(None),
            told_of_short_links: Once::new(),
            metrics: Arc::default(),
            was_started: AtomicBool::new(false),
            is_replaced: AtomicBool::new(false),
        }
    }

    /// The same, counted there.
    #[must_use]
    pub fn counted(self, metrics: Arc<MountMetrics>) -> Self {
        Self { metrics, ..self }
    }

    pub(crate) fn metrics(&self) -> &MountMetrics {
        &self.metrics
    }

    pub(crate) fn id(&self) -> MountId {
        self.id
    }

    /// Whether this is the first start: a mount that stays through a reload has been started already.
    pub(crate) fn starts(&self) -> bool {
        !self.was_started.swap(true, Ordering::Relaxed)
    }

    /// A reload took it out; only requests that had begun before use it still.
    pub(crate) fn is_replaced(&self) -> bool {
        self.is_replaced.load(Ordering::Acquire)
    }

    pub(crate) fn set_replaced(&self) {
        self.is_replaced.store(true, Ordering::Release);
    }

    /// Where it is in the tree.
    pub fn path(&self) -> &TreePath {
        &self.path
    }

    /// Its storage.
    pub fn driver(&self) -> &Arc<dyn Driver> {
        &self.driver
    }

    /// How it is served.
    pub fn options(&self) -> &MountOptions {
        &self.options
    }

    /// Its relays are among these, together with those of other mounts.
    #[must_use]
    pub fn among(mut self, relays: Relays) -> Self {
        self.relays = relays;
        self
    }

    /// What bytes to and from its storage wait at.
    pub(crate) fn gates(&self) -> &Gates {
        &self.gates
    }

    /// Whether the path is in the folder that the storage keeps for itself.
    pub(crate) fn is_staging(&self, path: &RelPath) -> bool {
        self.driver.capabilities().staging.as_ref().is_some_and(|staging| path.is_within(staging))
    }

    /// A driver's error at a place of this mount, logged once a minute while the storage is in trouble, so that an outage
    /// or a wrong key is one clear line and not a flood.
    pub(crate) fn error(&self, path: &TreePath, error: davmux_driver::Error) -> Error {
        let kind = error.kind();
        if matches!(
            kind,
            ErrorKind::Denied
                | ErrorKind::Unavailable
                | ErrorKind::Timeout
                | ErrorKind::Backend
                | ErrorKind::Throttled { .. }
        ) {
            let told = (Chain(&error).to_string(), Instant::now());
            *self.last_error.lock().unwrap_or_else(PoisonError::into_inner) = Some(told);
            let mut trouble = self.trouble.lock().unwrap_or_else(PoisonError::into_inner);
            let repeated = trouble.is_some_and(|(last, at)| last == kind && at.elapsed() < QUIET);
            if !repeated {
                *trouble = Some((kind, Instant::now()));
                drop(trouble);
                tracing::warn!(mount = %self.path, error = %Chain(&error), "the mount is in trouble");
            }
        }
        Error::storage(path, error)
    }

    /// Whether the storage was in trouble when it was last asked for anything.
    pub(crate) fn is_in_trouble(&self) -> bool {
        self.trouble.lock().unwrap_or_else(PoisonError::into_inner).is_some()
    }

    /// What the storage said when it last was in trouble, and when that was.
    pub(crate) fn last_error(&self) -> Option<(String, Instant)> {
        self.last_error.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// A link ends before the promised life, since the keys that sign it do: says so once.
    pub(crate) fn links_end_early(&self, link: &Link, now: SystemTime) {
        self.told_of_short_links.call_once(|| {
            let lives = link.expires_at.and_then(|end| end.duration_since(now).ok()).unwrap_or_default();
            tracing::warn!(
                mount = %self.path,
                lives_s = lives.as_secs(),
                sign_url_expire_s = self.options.link_life.as_secs(),
                "the keys of this mount end before sign_url_expire, and links with them: players that seek on a link are \
                 relayed"
            );
        });
    }

    /// The storage answered as it should: says so once after trouble.
    pub(crate) fn answered(&self) {
        let mut trouble = self.trouble.lock().unwrap_or_else(PoisonError::into_inner);
        if trouble.take().is_some() {
            drop(trouble);
            tracing::info!(mount = %self.path, "the mount answers again");
        }
    }
}

/// An error with its causes, in one line.
struct Chain<'a>(&'a dyn std::error::Error);

impl std::fmt::Display for Chain<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}", self.0)?;
        let mut next = self.0.source();
        while let Some(cause) = next {
            write!(f, ": {cause}")?;
            next = cause.source();
        }
        Ok(())
    }
}

/// Where a place of the tree lies.
#[derive(Clone, Debug)]
pub(crate) enum Place {
    /// In a mount.
    Mounted(Spot),
    /// Above mounts, in none.
    Virtual,
    /// Nowhere: no mount covers it and none lies below.
    Nowhere,
}

impl Place {
    pub(crate) fn is_virtual(&self) -> bool {
        matches!(self, Self::Virtual)
    }

    pub(crate) fn is_nowhere(&self) -> bool {
        matches!(self, Self::Nowhere)
    }
}

/// A place in a mount.
#[derive(Clone, Debug)]
pub(crate) struct Spot {
    pub(crate) mount: Arc<Mount>,
    /// Below the mount's root.
    pub(crate) rel: RelPath,
    /// In the tree.
    pub(crate) path: TreePath,
}

impl Spot {
    pub(crate) fn driver(&self) -> &dyn Driver {
        &*self.mount.driver
    }

    pub(crate) fn error(&self, error: davmux_driver::Error) -> Error {
        self.mount.error(&self.path, error)
    }

    pub(crate) fn relays(&self) -> &Relays {
        &self.mount.relays
    }

    pub(crate) fn ttl(&self) -> Duration {
        self.mount.options.list_cache
    }

    /// Another place of the same mount.
    pub(crate) fn at(&self, rel: RelPath) -> Self {
        Self { mount: Arc::clone(&self.mount), path: self.mount.path.join(&rel), rel }
    }

    pub(crate) fn parent(&self) -> Option<Self> {
        Some(self.at(self.rel.parent()?))
    }
}

/// All mounts; the longest path that covers a place wins.
#[derive(Debug)]
pub(crate) struct Mounts {
    /// Longest path first.
    sorted: Vec<Arc<Mount>>,
}

impl Mounts {
    pub(crate) fn new(mut sorted: Vec<Arc<Mount>>) -> Self {
        sorted.sort_by_key(|mount| std::cmp::Reverse(mount.path.depth()));
        Self { sorted }
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &Arc<Mount>> {
        self.sorted.iter()
    }

    /// The mount that a path lies in.
    pub(crate) fn covering(&self, path: &TreePath) -> Option<&Arc<Mount>> {
        self.sorted.iter().find(|mount| path.is_within(&mount.path))
    }

    pub(crate) fn place(&self, path: &TreePath) -> Place {
        for mount in &self.sorted {
            if let Some(rel) = path.below(&mount.path) {
                return Place::Mounted(Spot { mount: Arc::clone(mount), rel, path: path.clone() });
            }
        }
        if path.is_root() || self.holds_mounts(path) { Place::Virtual } else { Place::Nowhere }
    }

    /// The mounts strictly below a place.
    pub(crate) fn below(&self, path: &TreePath) -> impl Iterator<Item = &Arc<Mount>> {
        self.sorted.iter().filter(move |mount| mount.path != *path && mount.path.is_within(path))
    }

    pub(crate) fn holds_mounts(&self, path: &TreePath) -> bool {
        self.below(path).next().is_some()
    }

    /// Whether a mount begins here or below: such a place exists without asking a storage, and is not to be changed.
    pub(crate) fn is_fixed(&self, path: &TreePath) -> bool {
        path.is_root() || self.sorted.iter().any(|mount| mount.path.is_within(path))
    }

    /// The names in a folder that mounts put there.
    pub(crate) fn names_in(&self, folder: &TreePath) -> BTreeSet<Arc<str>> {
        self.below(folder).filter_map(|mount| mount.path.below(folder)?.segments().next().map(Arc::from)).collect()
    }
}
