//! The keys that sign for the server.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::SystemTime;

use async_trait::async_trait;
use s3s::auth::{S3Auth, SecretKey};
use s3s::{S3Result, s3_error};
use time::OffsetDateTime;

use crate::credential::Credential;
use crate::strict::Refused;

/// A pair of keys, for good or for a while.
#[derive(Clone)]
pub struct Key {
    access_key: String,
    secret_key: SecretKey,
    session_token: Option<String>,
    ends: Option<OffsetDateTime>,
}

impl Key {
    /// A pair that has no token and no end.
    pub fn new(access_key: impl Into<String>, secret_key: impl Into<String>) -> Self {
        let (access_key, secret_key) = (access_key.into(), SecretKey::from(secret_key.into()));
        Self { access_key, secret_key, session_token: None, ends: None }
    }

    /// With the session token that must come with every signature of it.
    #[must_use]
    pub fn session_token(self, token: impl Into<String>) -> Self {
        Self { session_token: Some(token.into()), ..self }
    }

    /// Until then, by the server's clock.
    #[must_use]
    pub fn ends(self, at: SystemTime) -> Self {
        Self { ends: Some(at.into()), ..self }
    }
}

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Key").field("access_key", &self.access_key).field("ends", &self.ends).finish_non_exhaustive()
    }
}

/// The keys of a server. Clones share them; they may be changed while the server runs.
#[derive(Clone, Debug, Default)]
pub struct Keyring {
    keys: Arc<Mutex<BTreeMap<String, Key>>>,
}

impl Keyring {
    fn keys(&self) -> MutexGuard<'_, BTreeMap<String, Key>> {
        self.keys.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Adds a pair, in place of one with the same access key id.
    pub fn add(&self, key: Key) {
        self.keys().insert(key.access_key.clone(), key);
    }

    /// Takes a pair away: its signatures are 403 `InvalidAccessKeyId` from now on.
    pub fn remove(&self, access_key: &str) {
        self.keys().remove(access_key);
    }

    /// Ends a pair at once, or revives it for a later end: its signatures are 400 `ExpiredToken` afterwards.
    pub fn end(&self, access_key: &str, at: SystemTime) {
        if let Some(key) = self.keys().get_mut(access_key) {
            key.ends = Some(at.into());
        }
    }

    /// Checks token and end. The signature, and whether the key is there at all, come later.
    pub(crate) fn check(&self, credential: &Credential, now: OffsetDateTime) -> Result<(), Refused> {
        let keys = self.keys();
        let Some(key) = keys.get(&credential.access_key) else { return Ok(()) };
        match (&key.session_token, &credential.session_token) {
            // A temporary key is not known without its token.
            (Some(_), None) => Err(Refused::new(403, "InvalidAccessKeyId", UNKNOWN)),
            (expected, Some(said)) if expected.as_ref() != Some(said) => {
                Err(Refused::new(400, "InvalidToken", "The provided token is malformed or otherwise invalid."))
            }
            _ if key.ends.is_some_and(|end| end <= now) => {
                Err(Refused::new(400, "ExpiredToken", "The provided token has expired."))
            }
            _ => Ok(()),
        }
    }
}

const UNKNOWN: &str = "The AWS Access Key Id you provided does not exist in our records.";

#[async_trait]
impl S3Auth for Keyring {
    async fn get_secret_key(&self, access_key: &str) -> S3Result<SecretKey> {
        match self.keys().get(access_key) {
            Some(key) => Ok(key.secret_key.clone()),
            None => Err(s3_error!(InvalidAccessKeyId, "{UNKNOWN}")),
        }
    }
}
