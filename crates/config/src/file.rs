//! [`Config`]: the file's values, checked.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use davmux_driver_opendal::UpYunOptions;
use davmux_driver_s3::S3Options;
use davmux_proxy::{BaseUrl, SignKeys, Signed, Tokens};
use davmux_server::{Anonymous, HeaderName, IpNet, Listen, TlsFiles, Token};
use davmux_tree::{Access, DownloadProxy, MountOptions, RedirectRule, TreePath};

use crate::expand::Environment;
use crate::mistake::{LoadError, Mistake, Mistakes, Position};
use crate::rights::{Group, Membership, Right};
use crate::secret::{Secret, is_world_readable};
use crate::walk::{Findings, Walk};
use crate::{keys, sections, yaml};

/// A mounts file without a mistake.
#[derive(Clone, Debug)]
pub struct Config {
    /// `server`
    pub server: Server,
    /// `users`
    pub users: Vec<User>,
    /// `groups`
    pub groups: Vec<Group>,
    /// `redirect_rules`
    pub redirect_rules: Vec<RedirectRule>,
    /// `mounts`; at least one.
    pub mounts: Vec<Mount>,
    warnings: Vec<Mistake>,
}

/// `server`: how the tree is served.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Server {
    /// Where to listen; at least one.
    pub listen: Vec<Listen>,
    /// The mode of the Unix sockets in `listen`; `None`: what the umask leaves.
    pub socket_mode: Option<u32>,
    /// TLS on every TCP address of `listen`; absent: plain http.
    pub tls: Option<TlsFiles>,
    /// Where an administrator asks; `None`: nowhere.
    pub admin_listen: Option<Listen>,
    /// What is shared with a download proxy; `None`: there is none.
    pub proxy: Option<Proxy>,
    /// The URL path under which the tree begins.
    pub base_path: TreePath,
    /// HTTP/2 beside HTTP/1.1.
    pub http2: bool,
    /// Whose forwarding headers count.
    pub trusted_proxies: Vec<IpNet>,
    /// In which a trusted proxy says who asks.
    pub identity_header: Option<HeaderName>,
    /// Where small facts are kept; `None`: in memory.
    pub state_dir: Option<PathBuf>,
    /// Bytes that all part buffers of the process may take together.
    pub upload_memory: u64,
    /// What a request without credentials may do at most.
    pub anonymous: Anonymous,
    /// The groups that say what it may do where.
    pub anonymous_groups: Vec<Membership>,
    /// How long requests in flight may go on after SIGTERM.
    pub drain: Duration,
    /// What clients may take.
    pub limits: Limits,
}

/// `limits` of `server`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Those of connections and requests.
    pub server: davmux_server::Limits,
    /// Relays at once.
    pub relays: usize,
    /// How long a relay whose client reads nothing keeps its connection to the storage.
    pub relay_timeout: Duration,
}

/// What is shared with a download proxy.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Proxy {
    /// With which it asks for links.
    pub tokens: Tokens,
    /// What links to it are signed with.
    pub keys: SignKeys,
}

/// One of `users`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct User {
    /// Where the name stands in the file.
    pub at: Position,
    /// The name, different from all others, without a colon.
    pub name: String,
    /// How the password is known; `None`: there is none, but tokens, or a proxy that names the user.
    pub password: Option<Password>,
    /// What scripts send in its place.
    pub tokens: Vec<Token>,
    /// What this user sees as `/`.
    pub root: TreePath,
    /// What this user may do where nothing else is said; `None`: what their groups say, else everything.
    pub access: Option<Access>,
    /// Whose rights this user has, too.
    pub groups: Vec<Membership>,
    /// What this user may do below some paths.
    pub rights: Vec<Right>,
}

/// How a password is known.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Password {
    /// An argon2 hash as a PHC string.
    Hash(Secret),
    /// The password itself.
    Plain(Secret),
}

/// One of `mounts`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mount {
    /// Where it stands in the file.
    pub at: Position,
    /// Where it is in the tree; different from all others.
    pub path: TreePath,
    /// What the tree must know.
    pub options: MountOptions,
    /// The download proxy that it is read through.
    pub proxy_url: Option<BaseUrl>,
    /// What is behind it.
    pub storage: Storage,
}

/// `driver` and the keys that are its own.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Storage {
    /// `local`
    Local(Folder),
    /// `s3`
    S3(Box<Bucket>),
    /// `upyun`
    UpYun(Box<UpYunOptions>),
    /// `azblob`, `gcs`, `sftp`, `webdav`: what this build has of them.
    #[cfg(any(feature = "azblob", feature = "gcs", feature = "sftp", feature = "webdav"))]
    Opendal(Box<Service>),
}

/// A mount with `driver: local`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Folder {
    /// The folder, absolute. It need not be there yet.
    pub root_folder_path: PathBuf,
}

/// A mount with `driver: s3`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Bucket {
    /// What the driver takes.
    pub options: S3Options,
    /// Names of markers: the first is written, all are hidden. None: folders exist only while something is in them.
    pub placeholder: Vec<String>,
}

/// A mount with one of opendal's further services.
#[cfg(any(feature = "azblob", feature = "gcs", feature = "sftp", feature = "webdav"))]
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Service {
    /// What the driver takes.
    pub options: davmux_driver_opendal::OpendalOptions,
    /// As of a [`Bucket`]; none where folders are the storage's own.
    pub placeholder: Vec<String>,
}

/// The longest file that is taken, in bytes. The largest sensible one is far smaller.
const LONGEST: usize = 4 << 20;

impl Config {
    /// Reads a file of the disk, with the variables of this process. Relative paths in it are relative to its folder.
    ///
    /// # Errors
    /// [`LoadError::Read`] where the file cannot be read, and [`LoadError::Mistakes`].
    pub fn load(path: &Path) -> Result<Self, LoadError> {
        let cannot = |cause| LoadError::Read { path: path.to_owned(), cause };
        let text = std::fs::read_to_string(path).map_err(cannot)?;
        // Made absolute now, so that it does not matter which folder is the working directory later.
        let whole = std::path::absolute(path).map_err(cannot)?;
        let base_dir = whole.parent().unwrap_or(Path::new("/"));
        // A variable that is not UTF-8 cannot be a value of the file.
        let environment = |name: &str| std::env::var(name).ok();
        let file = path.display().to_string();
        let (mut config, clear_secret) = Self::read(&text, &file, base_dir, &environment)?;
        if let Some(at) = clear_secret
            && is_world_readable(path)
        {
            let message = "a secret stands here in clear, and every user of this machine may read the file; \
                           chmod 600 it, or use a variable or the key with _file"
                .to_owned();
            config.warnings.push(Mistake { file: file.into(), at, message });
            config.warnings.sort_by_key(|warning| warning.at);
        }
        Ok(config)
    }

    /// Reads a text. `file_name` stands in messages, `base_dir` is what relative paths in it are relative to, and
    /// `environment` looks a variable up. Apart from certificates, and secrets that have files of their own, nothing
    /// is read; nothing asks the network.
    ///
    /// # Errors
    /// Every mistake, not the first one only.
    pub fn parse(
        text: &str,
        file_name: &str,
        base_dir: &Path,
        environment: impl Fn(&str) -> Option<String>,
    ) -> Result<Self, Mistakes> {
        Self::read(text, file_name, base_dir, &environment).map(|(config, _)| config)
    }

    /// What is allowed and yet should be known, sorted by place.
    pub fn warnings(&self) -> &[Mistake] {
        &self.warnings
    }

    fn read(
        text: &str,
        file_name: &str,
        base_dir: &Path,
        environment: Environment<'_>,
    ) -> Result<(Self, Option<Position>), Mistakes> {
        let walk = Walk::new(base_dir, environment);
        let config = read(text, &walk);
        let (mistakes, warnings, clear_secret) = walk.into_findings();
        let file: Arc<str> = Arc::from(file_name);
        let named = |findings: Findings| -> Vec<Mistake> {
            findings.into_iter().map(|(at, message)| Mistake { file: Arc::clone(&file), at, message }).collect()
        };
        match config {
            Some(config) if mistakes.is_empty() => Ok((Self { warnings: named(warnings), ..config }, clear_secret)),
            _ => {
                debug_assert!(!mistakes.is_empty(), "a file was refused and nobody said why");
                Err(Mistakes::new(named(mistakes)))
            }
        }
    }
}

fn read(text: &str, walk: &Walk<'_>) -> Option<Config> {
    if text.len() > LONGEST {
        walk.mistake(Position::START, "the file is larger than 4 MiB");
        return None;
    }
    let mut wrong = Vec::new();
    let node = yaml::parse(text, walk.environment, &mut wrong);
    for (at, message) in wrong {
        walk.mistake(at, message);
    }
    let node = node?;
    let file = walk.section(&node, "the file", keys::FILE)?;
    file.required("version");
    file.parsed("version", "1, the only version there is", |text| (text == "1").then_some(()));
    let server = sections::server(walk, file.pair("server"));
    let named = server.as_ref().is_none_or(|server| server.identity_header.is_some());
    let users = sections::users(walk, file.pair("users"), named);
    let groups = sections::groups(walk, file.pair("groups"));
    let redirect_rules = sections::redirect_rules(walk, file.pair("redirect_rules"));
    let mounts = sections::mounts(walk, file.required("mounts"));
    let mut config = Config {
        server: server?,
        users: users?,
        groups: groups?,
        redirect_rules: redirect_rules?,
        mounts: mounts?,
        warnings: Vec::new(),
    };
    for mount in &mut config.mounts {
        let signed = mount.proxy_url.as_ref().zip(config.server.proxy.as_ref());
        mount.options.proxy = signed.map(|(url, shared)| -> Arc<dyn DownloadProxy> {
            Arc::new(Signed { url: url.clone(), keys: shared.keys.clone() })
        });
    }
    if walk.is_clean() {
        sections::check_together(walk, &file, &config);
    }
    Some(config)
}
