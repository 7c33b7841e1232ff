//! From values to what is served: the only place that names all drivers.

use std::collections::HashMap;
use std::sync::Arc;

use davmux_driver::{Administered, Driver};
use davmux_driver_local::{Local, LocalOptions};
#[cfg(any(feature = "azblob", feature = "gcs", feature = "sftp", feature = "webdav"))]
use davmux_driver_opendal::Opendal;
use davmux_driver_opendal::{UpYun, UpYunOptions, UpYunOptionsError};
use davmux_driver_placeholder::{InvalidNames, Placeholder};
use davmux_driver_s3::{OptionsError, S3Options, UploadMemory};
use davmux_proxy::Tokens;
use davmux_server::{Anonymous, Listen, Options};
use davmux_state::Store;
use davmux_tree::{Access, Metrics, MountMetrics, Relays, Tree, TreeOptions, TreePath, View};

use crate::file::{Bucket, Config, Mount, Password, Storage, User};
use crate::mistake::Position;

/// What a process has one of, whatever is reloaded.
#[derive(Clone, Debug)]
pub struct Base {
    /// Where the state is kept: in `state_dir`, else in memory.
    pub store: Arc<dyn Store>,
    /// What is counted of the mounts.
    pub metrics: Arc<Metrics>,
    /// The relays of all mounts.
    pub relays: Relays,
    /// `upload_memory`, shared by all drivers.
    pub(crate) memory: UploadMemory,
    /// So many bytes, as the file said at the start.
    pub(crate) upload_memory: u64,
}

impl Base {
    /// Takes over the limits of a configuration that is served from now on.
    pub fn follow(&self, config: &Config) {
        let limits = &config.server.limits;
        self.relays.set(limits.relays, limits.relay_timeout);
    }
}

/// All that a server needs.
#[derive(Debug)]
pub struct Built {
    /// The mounts, joined. It has looked at no storage yet.
    pub tree: Arc<Tree>,
    /// What outlives a reload.
    pub base: Base,
    /// How to serve it.
    pub server: Options,
    /// Where an administrator asks how it is.
    pub admin_listen: Option<Listen>,
    /// Where the tree begins in URLs: `/`, `/dav`.
    pub base_path: String,
    /// What each user sees.
    pub users: HashMap<Arc<str>, View>,
    /// What is seen without credentials; `None`: nothing.
    pub anonymous: Option<View>,
    /// The tokens with which a download proxy asks for links; `None`: nobody may.
    pub proxy_tokens: Option<Tokens>,
}

/// Why a good file cannot be served.
#[derive(Debug, thiserror::Error)]
pub enum BuildError {
    /// A driver does not take its options.
    #[error("line {}: the mount {path} cannot be made", at.line)]
    Mount {
        /// Where the mount stands in the file.
        at: Position,
        /// Where it would be in the tree.
        path: TreePath,
        /// What the driver said.
        source: DriverError,
    },
    /// The state cannot be opened.
    #[error("`state_dir` cannot be used")]
    State(#[from] davmux_state::Error),
    /// The state cannot move while it is used.
    #[error(
        "`state_dir` cannot change while the server runs, as locks and uploads in progress are in it: restart, or set it back \
         to {former}"
    )]
    OtherState {
        /// What the server runs with, as the file would say it.
        former: String,
    },
    /// A mount could not be made because of a bug.
    #[error("making the mounts failed unexpectedly: {0}")]
    Panicked(String),
}

/// Why nothing can be asked of a mount's storage.
#[derive(Debug, thiserror::Error)]
pub enum AdminError {
    /// The file has no such mount.
    #[error("no mount is at {path}; there are {}", mounts.iter().map(ToString::to_string).collect::<Vec<_>>().join(", "))]
    NoMount {
        /// Where it was looked for.
        path: TreePath,
        /// Where there are mounts.
        mounts: Vec<TreePath>,
    },
    /// The mount cannot be made.
    #[error(transparent)]
    Build(#[from] BuildError),
}

/// What a driver says of options that it does not take.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum DriverError {
    /// `s3`
    #[error(transparent)]
    S3(#[from] OptionsError),
    /// `upyun`
    #[error(transparent)]
    UpYun(#[from] UpYunOptionsError),
    /// `azblob`, `gcs`, `sftp`, `webdav`
    #[cfg(any(feature = "azblob", feature = "gcs", feature = "sftp", feature = "webdav"))]
    #[error(transparent)]
    Opendal(#[from] davmux_driver_opendal::OpendalOptionsError),
    /// `placeholder`
    #[error(transparent)]
    Placeholder(#[from] InvalidNames),
}

impl Config {
    /// Makes the tree, the views and the server's options. Opens the state; asks no storage.
    ///
    /// # Errors
    /// [`BuildError`]; nothing is left running.
    pub async fn build(&self) -> Result<Built, BuildError> {
        let upload_memory = self.server.upload_memory;
        let memory = UploadMemory::new(upload_memory);
        let metrics = Arc::new(Metrics::default());
        let relays = Relays::new(self.server.limits.relays, self.server.limits.relay_timeout);
        let mounts = made(self.mounts.clone(), memory.clone(), Arc::clone(&metrics), relays.clone()).await?;
        let store: Arc<dyn Store> = match &self.server.state_dir {
            Some(folder) => Arc::new(davmux_state::File::open(folder).await?),
            None => Arc::new(davmux_state::Memory::new()),
        };
        let tree =
            Tree::new(mounts, TreeOptions { redirect_rules: self.redirect_rules.clone(), store: Arc::clone(&store) });
        Ok(self.served(tree, Base { store, metrics, relays, memory, upload_memory }))
    }

    /// The tree with all that stands around it.
    pub(crate) fn served(&self, tree: Arc<Tree>, base: Base) -> Built {
        let view = |user: &User| View::new(Arc::clone(&tree), user.root.clone(), self.rights_of(user));
        let users = self.users.iter().map(|user| (Arc::from(user.name.as_str()), view(user))).collect();
        let of_all = |most| View::new(Arc::clone(&tree), TreePath::root(), self.rights_of_all(most));
        let anonymous = match self.server.anonymous {
            Anonymous::None => None,
            Anonymous::ReadOnly => Some(of_all(Access::ReadOnly)),
            Anonymous::ReadWrite => Some(of_all(Access::ReadWrite)),
        };
        Built {
            server: self.options(),
            admin_listen: self.server.admin_listen.clone(),
            base_path: self.server.base_path.to_string(),
            users,
            anonymous,
            proxy_tokens: self.server.proxy.as_ref().map(|proxy| proxy.tokens.clone()),
            tree,
            base,
        }
    }

    /// The tree for a look beside a server that runs: it knows nothing of the state, and leaves nothing there.
    ///
    /// # Errors
    /// [`BuildError`]
    pub async fn tree_to_look_at(&self) -> Result<Arc<Tree>, BuildError> {
        let store = Arc::new(davmux_state::Memory::new());
        let relays = Relays::new(self.server.limits.relays, self.server.limits.relay_timeout);
        let memory = UploadMemory::new(self.server.upload_memory);
        let mounts = made(self.mounts.clone(), memory, Arc::default(), relays).await?;
        Ok(Tree::new(mounts, TreeOptions { redirect_rules: self.redirect_rules.clone(), store }))
    }

    /// The mount at exactly this path.
    ///
    /// # Errors
    /// [`AdminError::NoMount`]
    pub fn mount(&self, path: &TreePath) -> Result<&Mount, AdminError> {
        self.mounts.iter().find(|mount| mount.path == *path).ok_or_else(|| {
            let mounts = self.mounts.iter().map(|mount| mount.path.clone()).collect();
            AdminError::NoMount { path: path.clone(), mounts }
        })
    }

    /// What an administrator may ask of the storage at a mount. Asks it nothing yet.
    ///
    /// # Errors
    /// [`AdminError`]
    pub async fn administered(&self, path: &TreePath) -> Result<Arc<dyn Administered>, AdminError> {
        let mount = self.mount(path)?.clone();
        let memory = UploadMemory::new(self.server.upload_memory);
        let made = tokio::task::spawn_blocking(move || {
            let Mount { at, path, storage, .. } = mount;
            administered(storage, memory).map_err(|source| BuildError::Mount { at, path, source })
        });
        Ok(made.await.map_err(|error| BuildError::Panicked(error.to_string()))??)
    }

    fn options(&self) -> Options {
        Options {
            listen: self.server.listen.clone(),
            socket_mode: self.server.socket_mode,
            tls: self.server.tls.clone(),
            http2: self.server.http2,
            trusted_proxies: self.server.trusted_proxies.clone(),
            identity_header: self.server.identity_header.clone(),
            users: self.users.iter().map(login).collect(),
            anonymous: self.server.anonymous,
            limits: self.server.limits.server.clone(),
            drain: self.server.drain,
            access_log: true,
        }
    }
}

fn login(user: &User) -> davmux_server::User {
    let password = user.password.as_ref().map(|password| match password {
        Password::Hash(hash) => davmux_server::Password::Hash(hash.reveal().to_owned()),
        Password::Plain(plain) => davmux_server::Password::Plain(davmux_server::Secret::new(plain.reveal())),
    });
    davmux_server::User { name: user.name.clone(), password, tokens: user.tokens.clone() }
}

/// Mounts with their drivers, in the same order.
pub(crate) async fn made(
    mounts: Vec<Mount>,
    memory: UploadMemory,
    metrics: Arc<Metrics>,
    relays: Relays,
) -> Result<Vec<davmux_tree::Mount>, BuildError> {
    // A driver for https reads the system's certificates.
    let made = tokio::task::spawn_blocking(move || {
        mounts.into_iter().map(|mount| joined(mount, &memory, &metrics, &relays)).collect()
    });
    made.await.map_err(|error| BuildError::Panicked(error.to_string()))?
}

fn joined(
    mount: Mount,
    memory: &UploadMemory,
    metrics: &Metrics,
    relays: &Relays,
) -> Result<davmux_tree::Mount, BuildError> {
    let Mount { at, path, options, storage, .. } = mount;
    let metrics = metrics.of(&path);
    match driver(storage, memory, &metrics) {
        Ok(driver) => Ok(davmux_tree::Mount::new(path, driver, options).counted(metrics).among(relays.clone())),
        Err(source) => Err(BuildError::Mount { at, path, source }),
    }
}

/// One arm a driver.
fn driver(storage: Storage, memory: &UploadMemory, metrics: &MountMetrics) -> Result<Arc<dyn Driver>, DriverError> {
    Ok(match storage {
        Storage::Local(folder) => Arc::new(Local::new(LocalOptions { root: folder.root_folder_path })),
        Storage::S3(bucket) => {
            let Bucket { options, placeholder } = *bucket;
            let options = S3Options { calls: metrics.calls.clone(), ..options };
            let bucket: Arc<dyn Driver> = davmux_driver_s3::open(options, memory.clone())?;
            marked(bucket, placeholder)?
        }
        Storage::UpYun(options) => Arc::new(UpYun::open(UpYunOptions { calls: metrics.calls.clone(), ..*options })?),
        #[cfg(any(feature = "azblob", feature = "gcs", feature = "sftp", feature = "webdav"))]
        Storage::Opendal(service) => marked(Arc::new(Opendal::open(&service.options)?), service.placeholder)?,
    })
}

/// A storage with markers that keep its empty folders. Without one it stands bare, and says itself that it keeps none.
fn marked(storage: Arc<dyn Driver>, placeholder: Vec<String>) -> Result<Arc<dyn Driver>, InvalidNames> {
    Ok(if placeholder.is_empty() { storage } else { Arc::new(Placeholder::new(storage, placeholder)?) })
}

/// One arm a driver. An administrator sees the storage itself, without what the tree puts around it.
fn administered(storage: Storage, memory: UploadMemory) -> Result<Arc<dyn Administered>, DriverError> {
    Ok(match storage {
        Storage::Local(folder) => Arc::new(Local::new(LocalOptions { root: folder.root_folder_path })),
        Storage::S3(bucket) => davmux_driver_s3::open(bucket.options, memory)?,
        Storage::UpYun(options) => Arc::new(UpYun::open(*options)?),
        #[cfg(any(feature = "azblob", feature = "gcs", feature = "sftp", feature = "webdav"))]
        Storage::Opendal(service) => Arc::new(Opendal::open(&service.options)?),
    })
}
