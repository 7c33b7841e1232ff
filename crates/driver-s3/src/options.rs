//! What a mount says of its bucket.

use std::fmt;

use davmux_driver::{Calls, RelPath};

use crate::credentials::{Chain, Keys, Source};
use crate::provider::{Overrides, Provider};
use crate::settings::{Encryption, ObjectSettings};

/// A secret. Its `Debug` shows nothing, and there is no `Display`.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(String);

impl Secret {
    /// Takes a secret.
    pub fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// The secret itself: for signing, and for nothing that a person reads.
    pub fn reveal(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(..)")
    }
}

/// Where relayed bytes come from.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum RelayFrom {
    /// The S3 endpoint itself.
    #[default]
    Endpoint,
    /// The custom host, where one is set: cheaper where a CDN stands before the bucket.
    CustomHost,
}

/// Under which name a link offers its file (`response-content-disposition`, RFC 6266).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum LinkDisposition {
    /// Nothing is said: the client takes the name from the URL.
    #[default]
    None,
    /// To be shown, under its name.
    Inline,
    /// To be saved, under its name.
    Attachment,
}

/// A bucket, or a prefix of one, and how to reach it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct S3Options {
    /// What is known of the provider. `None`: the endpoint's host tells it, else it is [`Provider::other`].
    pub provider: Option<&'static Provider>,
    /// What the mount says instead of the provider's row.
    pub overrides: Overrides,
    /// Name of the bucket.
    pub bucket: String,
    /// Base URL of the service, with or without the bucket in host or path; without a scheme it is `https`. `None`: that
    /// of the provider in the region, and without a provider Amazon S3.
    pub endpoint: Option<String>,
    /// Region to sign for, or a host that tells it. `None`: told by the endpoint where its host says it, then
    /// `AWS_REGION` (for Amazon without an endpoint), then the provider's.
    pub region: Option<String>,
    /// Access key id. `None`, together with the secret: the AWS credential chain, asked when first needed.
    pub access_key_id: Option<String>,
    /// Secret access key.
    pub secret_access_key: Option<Secret>,
    /// Session token of temporary credentials.
    pub session_token: Option<Secret>,
    /// Profile of the shared files of AWS tools (`~/.aws/credentials`, `~/.aws/config`) to take the keys from, instead of
    /// the whole chain.
    pub profile: Option<String>,
    /// The prefix that is the storage's root; slashes at its ends do not matter, and empty is the whole bucket.
    pub root_folder_path: String,
    /// The bucket stands in the path, not in the host.
    pub force_path_style: bool,
    /// Host for links instead of the endpoint's: a CDN, or the endpoint as clients reach it. With or without a scheme
    /// (the endpoint's then) and with or without a path.
    pub custom_host: Option<String>,
    /// Sign links for the custom host. Otherwise its links are unsigned and do not expire.
    pub custom_host_presign: bool,
    /// The custom host's path has no bucket in it. Applied before signing.
    pub remove_bucket: bool,
    /// Where relayed bytes come from.
    pub relay_from: RelayFrom,
    /// Under which name signed links offer their file.
    pub link_disposition: LinkDisposition,
    /// How objects are kept, and who asks.
    pub settings: ObjectSettings,
    /// Size in bytes of a part, and of the largest file sent as one request. `None`: 8 MiB. At least 5 MiB, S3's limit.
    pub part_size: Option<u64>,
    /// Parts of one upload that are sent at the same time; at least 1.
    pub upload_parallelism: usize,
    /// Base URL of Backblaze's native API, for a bucket of B2. `None`: `https://api.backblazeb2.com`.
    pub b2_api: Option<String>,
    /// Where the calls are counted.
    pub calls: Calls,
}

impl S3Options {
    /// Everything at its default except for the bucket's name.
    pub fn new(bucket: impl Into<String>) -> Self {
        Self {
            provider: None,
            overrides: Overrides::default(),
            bucket: bucket.into(),
            endpoint: None,
            region: None,
            access_key_id: None,
            secret_access_key: None,
            session_token: None,
            profile: None,
            root_folder_path: String::new(),
            force_path_style: false,
            custom_host: None,
            custom_host_presign: false,
            remove_bucket: false,
            relay_from: RelayFrom::Endpoint,
            link_disposition: LinkDisposition::None,
            settings: ObjectSettings::default(),
            part_size: None,
            upload_parallelism: 4,
            b2_api: None,
            calls: Calls::default(),
        }
    }

    /// Refuses here what would fail each request.
    pub(crate) fn check_headers(&self) -> Result<(), OptionsError> {
        let ObjectSettings { storage_class, encryption, acl, user_agent } = &self.settings;
        let kms_key = match encryption {
            Encryption::Kms(key) => key.as_ref(),
            _ => None,
        };
        let texts = [
            ("storage_class", storage_class.as_ref()),
            ("acl", acl.as_ref()),
            ("user_agent", user_agent.as_ref()),
            ("kms_key_id", kms_key),
        ];
        for (option, text) in texts {
            if text.is_some_and(|text| http::HeaderValue::from_str(text).is_err()) {
                return Err(OptionsError::Header { option });
            }
        }
        if self.relay_from == RelayFrom::CustomHost && self.custom_host.is_some() && self.settings.needs_key_to_read() {
            return Err(OptionsError::CustomerKeyToCustomHost);
        }
        Ok(())
    }

    /// Whoever signs for the region.
    pub(crate) fn keys(&self, region: &str) -> Result<Keys, OptionsError> {
        let filled = |text: &&str| !text.is_empty();
        let secret = |secret: &'_ Option<Secret>| secret.as_ref().map(|secret| secret.reveal().to_owned());
        let id = self.access_key_id.as_deref().filter(filled);
        let (key, token) = (secret(&self.secret_access_key), secret(&self.session_token));
        let (key, token) = (key.as_deref().filter(filled), token.as_deref().filter(filled));
        let profile = self.profile.as_deref().map(str::trim).filter(filled);
        match (id, key, profile) {
            (Some(id), Some(key), None) => Ok(Keys::fixed(id, key, token)),
            (None, None, profile) => Ok(Keys::new(Source::Chain(Chain::new(region, profile)))),
            (Some(_), Some(_), Some(profile)) => Err(OptionsError::KeysAndProfile(profile.to_owned())),
            _ => Err(OptionsError::HalfAKey),
        }
    }

    pub(crate) fn root(&self) -> Result<RelPath, OptionsError> {
        RelPath::parse(self.root_folder_path.trim_matches('/'))
            .map_err(|why| OptionsError::Root { text: self.root_folder_path.clone(), why })
    }
}

/// Options that cannot work, found without asking the network.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum OptionsError {
    /// No bucket, or one with a character that would change the URL.
    #[error("bucket {0:?} is not a name: letters, digits, '-', '_' and '.' only")]
    Bucket(String),
    /// The endpoint is no base URL.
    #[error("endpoint {0:?} is not an http or https URL, such as https://s3.example.com")]
    Endpoint(String),
    /// The custom host is no host or base URL.
    #[error("custom_host {0:?} is not a host or an http or https URL, such as cdn.example.com")]
    CustomHost(String),
    /// The prefix cannot be named.
    #[error("root_folder_path {text:?}: {why}")]
    Root {
        /// As given.
        text: String,
        /// The broken rule.
        why: davmux_driver::InvalidPath,
    },
    /// A value that cannot work with this provider.
    #[error("{key}: {message}")]
    Key {
        /// Name of the key in the mounts file.
        key: &'static str,
        /// What is wrong with it.
        message: String,
    },
    /// One half of a pair of keys.
    #[error("access_key_id and secret_access_key belong together: set both, or none to use the AWS credential chain")]
    HalfAKey,
    /// A key that is none for SSE-C.
    #[error(
        "the customer key is {}; SSE-C takes 32 bytes as base64, such as `openssl rand -base64 32` makes",
        match bytes { Some(count) => format!("{count} bytes long"), None => "not base64".to_owned() }
    )]
    CustomerKey {
        /// Bytes that it has, where it is base64.
        bytes: Option<usize>,
    },
    /// A text that no header can carry.
    #[error("{option} holds a character that no HTTP header can carry")]
    Header {
        /// Name of the option.
        option: &'static str,
    },
    /// The key of SSE-C would be sent to another host than the storage's.
    #[error(
        "relay_from: custom_host cannot read objects encrypted with a customer key, which only the endpoint may see"
    )]
    CustomerKeyToCustomHost,
    /// Keys of the mount's own, and others.
    #[error("profile {0:?} and access_key_id are both set: leave one of them out")]
    KeysAndProfile(String),
    /// DogeCloud gives no keys without keys.
    #[error("DogeCloud needs access_key_id and secret_access_key, as its console shows them")]
    DogeCloudKeys,
    /// Parts that S3 does not take.
    #[error("part_size is {0} bytes; it must be between 5 MiB and 5 GiB")]
    PartSize(u64),
    /// The system's certificates cannot be read, and the endpoint is https.
    #[error("no TLS roots: {0}; install the system's CA certificates")]
    Tls(String),
}
