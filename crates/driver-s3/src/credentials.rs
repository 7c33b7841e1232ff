//! Who signs: fixed keys, or what the AWS credential chain gives.
//!
//! Credentials are kept until shortly before they end, so that signing a link makes no call.

use std::sync::{Arc, PoisonError, RwLock};
use std::time::{Duration, SystemTime};

use aws_config::default_provider::credentials::DefaultCredentialsChain;
use aws_credential_types::Credentials;
use aws_credential_types::provider::error::CredentialsError;
use aws_credential_types::provider::{ProvideCredentials, future};
use aws_sdk_s3::config::Region;
use aws_smithy_runtime_api::client::identity::Identity;
use tokio::sync::{Mutex, OnceCell};

/// Time before their end at which credentials are renewed.
const RENEW_BEFORE: Duration = Duration::from_secs(5 * 60);

/// Credentials in the form that signing takes.
#[derive(Debug)]
pub(crate) struct Signer {
    credentials: Credentials,
    pub(crate) identity: Identity,
}

impl Signer {
    fn new(credentials: Credentials) -> Arc<Self> {
        Arc::new(Self { identity: credentials.clone().into(), credentials })
    }

    /// When these credentials stop working.
    pub(crate) fn expiry(&self) -> Option<SystemTime> {
        self.credentials.expiry()
    }

    fn lasts(&self, until: SystemTime) -> bool {
        self.expiry().is_none_or(|expiry| expiry > until)
    }
}

/// Where credentials come from, and those that are good now.
pub(crate) struct Keys {
    /// `None`: the keys are fixed.
    chain: Option<Chain>,
    current: RwLock<Option<Arc<Signer>>>,
    renewal: Mutex<()>,
}

/// The AWS credential chain, made when first asked: to make it reads files and the environment, and to ask it may need
/// the network.
struct Chain {
    region: Region,
    made: OnceCell<DefaultCredentialsChain>,
}

impl std::fmt::Debug for Keys {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(if self.chain.is_some() { "Keys(chain)" } else { "Keys(fixed)" })
    }
}

impl Keys {
    pub(crate) fn fixed(id: &str, secret: &str, token: Option<&str>) -> Self {
        let credentials = Credentials::new(id, secret, token.map(ToOwned::to_owned), None, "mount");
        Self { chain: None, current: RwLock::new(Some(Signer::new(credentials))), renewal: Mutex::default() }
    }

    pub(crate) fn chain(region: &str) -> Self {
        let chain = Chain { region: Region::new(region.to_owned()), made: OnceCell::new() };
        Self { chain: Some(chain), current: RwLock::default(), renewal: Mutex::default() }
    }

    fn kept(&self, until: SystemTime) -> Option<Arc<Signer>> {
        let current = self.current.read().unwrap_or_else(PoisonError::into_inner);
        current.as_ref().filter(|signer| self.chain.is_none() || signer.lasts(until)).map(Arc::clone)
    }

    /// The credentials of now. Asks the chain only when there are none or they end soon; many who ask at once wait for
    /// one answer.
    pub(crate) async fn signer(&self) -> Result<Arc<Signer>, CredentialsError> {
        let soon = SystemTime::now() + RENEW_BEFORE;
        if let Some(signer) = self.kept(soon) {
            return Ok(signer);
        }
        let _one = self.renewal.lock().await;
        if let Some(signer) = self.kept(soon) {
            return Ok(signer);
        }
        let Some(chain) = &self.chain else {
            return Err(CredentialsError::not_loaded("no keys are set"));
        };
        let made =
            chain.made.get_or_init(|| DefaultCredentialsChain::builder().region(chain.region.clone()).build()).await;
        match made.provide_credentials().await {
            Ok(credentials) => {
                let signer = Signer::new(credentials);
                *self.current.write().unwrap_or_else(PoisonError::into_inner) = Some(Arc::clone(&signer));
                Ok(signer)
            }
            // Those that end soon still work for now.
            Err(error) => self.kept(SystemTime::now()).ok_or(error),
        }
    }

    /// Forgets credentials that the storage called expired, so that the next call asks the chain.
    pub(crate) fn forget(&self) {
        if self.chain.is_some() {
            *self.current.write().unwrap_or_else(PoisonError::into_inner) = None;
        }
    }
}

/// The same credentials for the SDK.
#[derive(Debug)]
pub(crate) struct ForSdk(pub(crate) Arc<Keys>);

impl ProvideCredentials for ForSdk {
    fn provide_credentials<'a>(&'a self) -> future::ProvideCredentials<'a>
    where
        Self: 'a,
    {
        future::ProvideCredentials::new(async { Ok(self.0.signer().await?.credentials.clone()) })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn fixed_keys_are_there_at_once_and_never_shown() {
        let keys = Keys::fixed("id", "very-secret", None);
        assert!(keys.signer().await.unwrap().expiry().is_none());
        keys.forget();
        assert!(keys.signer().await.is_ok(), "fixed keys cannot be asked for again");
        let shown = format!("{keys:?} {:?}", keys.signer().await.unwrap());
        assert!(!shown.contains("very-secret"), "{shown}");
    }
}
