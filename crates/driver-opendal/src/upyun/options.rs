//! What a mount says of its UpYun service.

use std::fmt;

use davmux_driver::{Calls, RelPath};
use http::Uri;
use http::uri::Scheme;

use super::call::Host;
use crate::http::NoRoots;

/// The host that answers for every service: UpYun picks the line by who asks.
const API: &str = "v0.api.upyun.com";

/// A secret. Its `Debug` shows nothing, and there is no `Display`.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(String);

impl Secret {
    /// Takes a secret.
    pub fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    pub(crate) fn reveal(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(..)")
    }
}

/// A storage service of UpYun, or a folder of one, and how to reach it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UpYunOptions {
    /// Name of the service.
    pub bucket: String,
    /// An operator that is authorised for it.
    pub operator: String,
    /// The operator's password.
    pub password: Secret,
    /// Host of the REST API, with or without a scheme (then `https`). `None`: `v0.api.upyun.com`.
    pub endpoint: Option<String>,
    /// The download domain that is bound to the service, for links; with or without a scheme (then `https`). `None`: there
    /// are no links.
    pub custom_host: Option<String>,
    /// The token of the domain's anti-leech setting, by which links are signed. `None`: links are unsigned and do not expire.
    pub link_token: Option<Secret>,
    /// Links offer the file to be saved, under its name.
    pub named_links: bool,
    /// The folder that is the storage's root; slashes at its ends do not matter, and empty is the whole service.
    pub root_folder_path: String,
    /// Where the calls are counted.
    pub calls: Calls,
}

impl UpYunOptions {
    /// Everything at its default except for what has none.
    pub fn new(bucket: impl Into<String>, operator: impl Into<String>, password: Secret) -> Self {
        Self {
            bucket: bucket.into(),
            operator: operator.into(),
            password,
            endpoint: None,
            custom_host: None,
            link_token: None,
            named_links: false,
            root_folder_path: String::new(),
            calls: Calls::default(),
        }
    }

    pub(crate) fn bucket(&self) -> Result<&str, UpYunOptionsError> {
        let name = self.bucket.trim();
        let allowed = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_');
        if name.is_empty() || !name.bytes().all(allowed) {
            return Err(UpYunOptionsError::Bucket(self.bucket.clone()));
        }
        Ok(name)
    }

    pub(crate) fn operator(&self) -> Result<&str, UpYunOptionsError> {
        let name = self.operator.trim();
        let allowed = |byte: u8| byte.is_ascii_graphic() && byte != b':';
        if name.is_empty() || !name.bytes().all(allowed) {
            return Err(UpYunOptionsError::Operator(self.operator.clone()));
        }
        if self.password.reveal().is_empty() {
            return Err(UpYunOptionsError::Password);
        }
        Ok(name)
    }

    pub(crate) fn api(&self) -> Result<Host, UpYunOptionsError> {
        let text = filled(self.endpoint.as_deref()).unwrap_or(API);
        host(text).ok_or_else(|| UpYunOptionsError::Endpoint(text.to_owned()))
    }

    pub(crate) fn bound_host(&self) -> Result<Option<Host>, UpYunOptionsError> {
        let Some(text) = filled(self.custom_host.as_deref()) else { return Ok(None) };
        match host(text) {
            Some(host) => Ok(Some(host)),
            None => Err(UpYunOptionsError::CustomHost(text.to_owned())),
        }
    }

    pub(crate) fn root(&self) -> Result<RelPath, UpYunOptionsError> {
        RelPath::parse(self.root_folder_path.trim_matches('/'))
            .map_err(|why| UpYunOptionsError::Root { text: self.root_folder_path.clone(), why })
    }
}

fn filled(text: Option<&str>) -> Option<&str> {
    text.map(str::trim).filter(|text| !text.is_empty())
}

fn host(text: &str) -> Option<Host> {
    let uri: Uri = match text.split_once("://") {
        Some(("http" | "https", _)) => text.parse().ok()?,
        Some(_) => return None,
        None => format!("{}://{text}", Scheme::HTTPS).parse().ok()?,
    };
    let authority = uri.authority()?.clone();
    let bare = uri.query().is_none() && matches!(uri.path(), "" | "/");
    let whole = !authority.host().is_empty() && !authority.as_str().contains('@');
    (bare && whole).then_some(Host { scheme: uri.scheme()?.clone(), authority })
}

/// Options that cannot work, found without asking the network.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum UpYunOptionsError {
    /// No service, or one with a character that would change the URL.
    #[error("bucket {0:?} is not a service's name: letters, digits, '-' and '_' only")]
    Bucket(String),
    /// No operator, or one that no header can say.
    #[error("operator {0:?} is not an operator's name")]
    Operator(String),
    /// No password.
    #[error("password is empty")]
    Password,
    /// The endpoint is no host.
    #[error("endpoint {0:?} is not a host such as v0.api.upyun.com; the domain of downloads is custom_host")]
    Endpoint(String),
    /// The custom host is no host.
    #[error("custom_host {0:?} is not a host such as files.example.com")]
    CustomHost(String),
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
