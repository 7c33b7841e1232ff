//! The services, each behind its feature, and what a mount says of it.

use std::sync::Arc;

use davmux_driver::{Capabilities, RelPath};
use opendal_core::Builder;
use opendal_core::raw::{Service as _, Servicer};

use super::Opendal;
use super::place::{Place, Shape};
use super::upload::LARGEST_WHOLE;
use super::wire;
use crate::http::NoRoots;

/// Options that cannot work, found without asking the network.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum OpendalOptionsError {
    /// The folder cannot be named.
    #[error("root_folder_path {text:?}: {why}")]
    Root {
        /// As given.
        text: String,
        /// The broken rule.
        why: davmux_driver::InvalidPath,
    },
    /// The system's certificates cannot be read.
    #[error(transparent)]
    Tls(#[from] NoRoots),
    /// opendal does not take the options.
    #[error("the service cannot be set up: {0}")]
    Service(String),
}

/// A storage of any of the services that this build has.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum OpendalOptions {
    /// See [`Opendal::azblob`].
    #[cfg(feature = "azblob")]
    Azblob(AzblobOptions),
    /// See [`Opendal::gcs`].
    #[cfg(feature = "gcs")]
    Gcs(GcsOptions),
    /// See [`Opendal::sftp`].
    #[cfg(feature = "sftp")]
    Sftp(SftpOptions),
    /// See [`Opendal::webdav`].
    #[cfg(feature = "webdav")]
    Webdav(WebdavOptions),
}

impl Opendal {
    /// Any of them. Asks nothing of the network.
    ///
    /// # Errors
    /// [`OpendalOptionsError`] for options that cannot work.
    pub fn open(options: &OpendalOptions) -> Result<Self, OpendalOptionsError> {
        match options {
            #[cfg(feature = "azblob")]
            OpendalOptions::Azblob(options) => Self::azblob(options),
            #[cfg(feature = "gcs")]
            OpendalOptions::Gcs(options) => Self::gcs(options),
            #[cfg(feature = "sftp")]
            OpendalOptions::Sftp(options) => Self::sftp(options),
            #[cfg(feature = "webdav")]
            OpendalOptions::Webdav(options) => Self::webdav(options),
        }
    }
}

fn open(
    name: &'static str,
    builder: impl Builder,
    root_folder_path: &str,
    shape: Shape,
) -> Result<Opendal, OpendalOptionsError> {
    let root = RelPath::parse(root_folder_path.trim_matches('/'))
        .map_err(|why| OpendalOptionsError::Root { text: root_folder_path.to_owned(), why })?;
    let service = builder.build().map_err(|error| OpendalOptionsError::Service(error.message().to_owned()))?;
    let service: Servicer = Arc::new(service);
    let can = service.capability();
    let capabilities = Capabilities {
        real_dirs: shape != Shape::Keys,
        atomic_conditions: shape == Shape::Keys && can.write_with_if_not_exists && can.write_with_if_match,
        max_file_size: (shape == Shape::Folders { whole: true }).then_some(LARGEST_WHOLE),
        ..Capabilities::default()
    };
    // Azure takes a backslash in a name for a slash.
    let other_slash = (name == "azblob").then_some('\\');
    let place = Place { name, service, context: wire::context()?, root, shape, other_slash };
    Ok(Opendal { place: Arc::new(place), capabilities })
}

/// A container of Azure Blob Storage, or a prefix of one.
#[cfg(feature = "azblob")]
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AzblobOptions {
    /// Name of the container.
    pub container: String,
    /// Base URL of the account, such as `https://account.blob.core.windows.net`.
    pub endpoint: String,
    /// Name of the account.
    pub account_name: String,
    /// Key of the account, base64.
    pub account_key: crate::Secret,
    /// The prefix that is the storage's root.
    pub root_folder_path: String,
}

#[cfg(feature = "azblob")]
impl Opendal {
    /// Azure Blob Storage. Asks nothing of the network.
    ///
    /// # Errors
    /// [`OpendalOptionsError`] for options that cannot work.
    pub fn azblob(options: &AzblobOptions) -> Result<Self, OpendalOptionsError> {
        let builder = opendal_service_azblob::Azblob::default()
            .container(&options.container)
            .endpoint(&options.endpoint)
            .account_name(&options.account_name)
            .account_key(options.account_key.reveal());
        open("azblob", builder, &options.root_folder_path, Shape::Keys)
    }
}

/// A bucket of Google Cloud Storage over its native API, or a prefix of one.
#[cfg(feature = "gcs")]
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GcsOptions {
    /// Name of the bucket.
    pub bucket: String,
    /// Base URL of the service. `None`: `https://storage.googleapis.com`.
    pub endpoint: Option<String>,
    /// File of a service account's key. `None`: what Google's own tools use on this machine.
    pub credential_file: Option<std::path::PathBuf>,
    /// Sign nothing: a public bucket, or a server for tests.
    pub anonymous: bool,
    /// The prefix that is the storage's root.
    pub root_folder_path: String,
}

#[cfg(feature = "gcs")]
impl Opendal {
    /// Google Cloud Storage. Asks nothing of the network.
    ///
    /// # Errors
    /// [`OpendalOptionsError`] for options that cannot work.
    pub fn gcs(options: &GcsOptions) -> Result<Self, OpendalOptionsError> {
        let mut builder = opendal_service_gcs::Gcs::default().bucket(&options.bucket);
        if let Some(endpoint) = &options.endpoint {
            builder = builder.endpoint(endpoint);
        }
        if let Some(file) = &options.credential_file {
            builder = builder.credential_path(&file.to_string_lossy());
        }
        if options.anonymous {
            builder = builder.skip_signature();
        }
        open("gcs", builder, &options.root_folder_path, Shape::Keys)
    }
}

/// Another WebDAV server, or a folder of one.
#[cfg(feature = "webdav")]
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WebdavOptions {
    /// Base URL of the tree.
    pub endpoint: String,
    /// Name of the user, for Basic authentication.
    pub username: Option<String>,
    /// The user's password.
    pub password: Option<crate::Secret>,
    /// The folder that is the storage's root.
    pub root_folder_path: String,
}

#[cfg(feature = "webdav")]
impl Opendal {
    /// A WebDAV server. Asks nothing of the network.
    ///
    /// # Errors
    /// [`OpendalOptionsError`] for options that cannot work.
    pub fn webdav(options: &WebdavOptions) -> Result<Self, OpendalOptionsError> {
        let mut builder = opendal_service_webdav::Webdav::default()
            .endpoint(options.endpoint.trim_end_matches('/'))
            .disable_create_dir(true);
        if let Some(username) = &options.username {
            builder = builder.username(username);
        }
        if let Some(password) = &options.password {
            builder = builder.password(password.reveal());
        }
        open("webdav", builder, &options.root_folder_path, Shape::Folders { whole: true })
    }
}

/// A folder behind SSH. The `ssh` program of this machine makes the connection, with its own configuration.
#[cfg(feature = "sftp")]
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SftpOptions {
    /// Host, with a port where it is not 22: `ssh://host:2222`.
    pub endpoint: String,
    /// Name of the user. `None`: what ssh takes.
    pub user: Option<String>,
    /// File of the private key. `None`: what ssh takes.
    pub key_file: Option<std::path::PathBuf>,
    /// Take the key of a host that was never seen, and remember it. Otherwise only known hosts.
    pub add_unknown_host: bool,
    /// The folder that is the storage's root, from the machine's root.
    pub root_folder_path: String,
}

#[cfg(feature = "sftp")]
impl Opendal {
    /// A folder behind SSH. Asks nothing of the network.
    ///
    /// # Errors
    /// [`OpendalOptionsError`] for options that cannot work.
    pub fn sftp(options: &SftpOptions) -> Result<Self, OpendalOptionsError> {
        let strategy = if options.add_unknown_host { "add" } else { "strict" };
        let mut builder =
            opendal_service_sftp::Sftp::default().endpoint(&options.endpoint).root("/").known_hosts_strategy(strategy);
        if let Some(user) = &options.user {
            builder = builder.user(user);
        }
        if let Some(file) = &options.key_file {
            builder = builder.key(&file.to_string_lossy());
        }
        open("sftp", builder, &options.root_folder_path, Shape::Folders { whole: false })
    }
}
