//! Who signs: fixed keys, what the AWS credential chain gives, or what DogeCloud's token API gives.
//!
//! Keys are kept until shortly before they end, so that signing a link makes no call. One renewal runs at a time, and who
//! comes meanwhile waits for it; after one that failed the next has to wait, and keys that still work go on working.

mod chain;
mod clock;
mod refused;

use std::sync::{Arc, PoisonError, RwLock};
use std::time::{Duration, Instant, SystemTime};

use aws_credential_types::Credentials;
use aws_credential_types::provider::error::CredentialsError;
use aws_credential_types::provider::{ProvideCredentials, future};
use aws_smithy_runtime_api::client::identity::Identity;
use tokio::sync::Mutex;

pub(crate) use chain::Chain;
use clock::Clock;
pub(crate) use refused::{CopySignerToAnswer, RetryWithNewKeys, is_refusal, signer_of};

use crate::dogecloud::TokenApi;

/// Keys are renewed so long before their end, or after half of their life if that is less.
const MARGIN: Duration = Duration::from_secs(5 * 60);
/// The longest that keys are used, whatever the clock of this machine says: those of DogeCloud live two hours.
const LONGEST_USE: Duration = Duration::from_secs(118 * 60);
/// Keys with less left are renewed for a link that is to live longer.
const SHORT_FOR_LINKS: Duration = Duration::from_secs(30 * 60);
/// Keys that are younger are not renewed because a storage refused them, or a link would like more: new ones would be
/// no better.
const YOUNG: Duration = Duration::from_secs(60);
/// How long no renewal is tried after one that failed; doubled with each further failure.
const FIRST_PAUSE: Duration = Duration::from_millis(500);
const LONGEST_PAUSE: Duration = Duration::from_secs(30);

/// Credentials in the form that signing takes.
#[derive(Debug)]
pub(crate) struct Signer {
    pub(crate) credentials: Credentials,
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

/// Why there is nothing to sign with.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum NoKeys {
    /// Somebody has to change something: nothing is set, or the keys for keys are wrong.
    #[error("{0}")]
    Denied(String),
    /// Who gives the keys is out of reach, or has trouble of its own.
    #[error("{0}")]
    Unavailable(String),
}

/// Where keys come from.
pub(crate) enum Source {
    /// The mounts file: they are what they are.
    Fixed(Credentials),
    /// The AWS credential chain.
    Chain(Chain),
    /// DogeCloud's token API.
    DogeCloud(Arc<TokenApi>),
}

impl Source {
    /// Keys that are good now.
    async fn ask(&self) -> Result<Credentials, NoKeys> {
        match self {
            Self::Fixed(credentials) => Ok(credentials.clone()),
            Self::Chain(chain) => chain.ask().await,
            Self::DogeCloud(api) => api.ask().await,
        }
    }

    fn renews(&self) -> bool {
        !matches!(self, Self::Fixed(_))
    }
}

/// Where credentials come from, and those that are good now.
pub(crate) struct Keys {
    source: Source,
    clock: Clock,
    state: RwLock<State>,
    renewal: Mutex<()>,
}

#[derive(Default)]
struct State {
    kept: Option<Kept>,
    failed: Option<Failed>,
}

struct Kept {
    signer: Arc<Signer>,
    since: Instant,
    /// By a clock that cannot be set, whatever the date is. `None`: they are not renewed by time.
    renew_at: Option<Instant>,
}

struct Failed {
    why: NoKeys,
    pause: Duration,
    until: Instant,
}

/// What is known without asking.
enum Known {
    Good(Arc<Signer>),
    /// They are to be renewed; until that worked these do, if any.
    Due,
    Nothing(NoKeys),
}

impl std::fmt::Debug for Keys {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self.source {
            Source::Fixed(_) => "Keys(fixed)",
            Source::Chain(_) => "Keys(chain)",
            Source::DogeCloud(_) => "Keys(dogecloud)",
        })
    }
}

impl Keys {
    pub(crate) fn new(source: Source) -> Self {
        Self { source, clock: Clock::new(), state: RwLock::default(), renewal: Mutex::default() }
    }

    pub(crate) fn fixed(id: &str, secret: &str, token: Option<&str>) -> Self {
        Self::new(Source::Fixed(Credentials::new(id, secret, token.map(ToOwned::to_owned), None, "mount")))
    }

    /// The credentials of now.
    pub(crate) async fn signer(&self) -> Result<Arc<Signer>, NoKeys> {
        self.signer_for(Duration::ZERO).await
    }

    /// The credentials for a link that is to live so long: renewed when they end before it and soon. They may end before
    /// it all the same.
    pub(crate) async fn signer_for(&self, life: Duration) -> Result<Arc<Signer>, NoKeys> {
        match self.known(life) {
            Known::Good(signer) => return Ok(signer),
            Known::Nothing(why) => return Err(why),
            Known::Due => {}
        }
        let _one = self.renewal.lock().await;
        // Another one's renewal, well ended or not, is the answer for all who waited for it.
        match self.known(life) {
            Known::Good(signer) => Ok(signer),
            Known::Nothing(why) => Err(why),
            Known::Due => {
                let outcome = self.source.ask().await;
                self.settle(outcome)
            }
        }
    }

    /// Moves the clock of these keys.
    #[cfg(test)]
    pub(crate) fn advance(&self, by: Duration) {
        self.clock.advance(by);
    }

    fn known(&self, life: Duration) -> Known {
        let state = self.state.read().unwrap_or_else(PoisonError::into_inner);
        let (now, date) = (self.clock.now(), SystemTime::now());
        let working = state.kept.as_ref().filter(|kept| kept.signer.lasts(date));
        if let Some(kept) = working
            && !kept.is_due(now, date, life)
        {
            return Known::Good(Arc::clone(&kept.signer));
        }
        match (&state.failed, working) {
            (Some(failed), Some(kept)) if now < failed.until => Known::Good(Arc::clone(&kept.signer)),
            (Some(failed), None) if now < failed.until => Known::Nothing(failed.why.clone()),
            _ => Known::Due,
        }
    }

    /// Keeps what a renewal brought.
    fn settle(&self, outcome: Result<Credentials, NoKeys>) -> Result<Arc<Signer>, NoKeys> {
        let (now, date) = (self.clock.now(), SystemTime::now());
        let kept = outcome.and_then(|credentials| Kept::new(Signer::new(credentials), now, date, self.source.renews()));
        let mut state = self.state.write().unwrap_or_else(PoisonError::into_inner);
        match kept {
            Ok(kept) => {
                let signer = Arc::clone(&kept.signer);
                *state = State { kept: Some(kept), failed: None };
                Ok(signer)
            }
            Err(why) => {
                let pause = state.failed.as_ref().map_or(FIRST_PAUSE, |last| (last.pause * 2).min(LONGEST_PAUSE));
                state.failed = Some(Failed { why: why.clone(), pause, until: now + pause });
                // Those of before are used as long as they work, and no longer.
                let working = state.kept.take().filter(|kept| kept.signer.lasts(date));
                let signer = working.as_ref().map(|kept| Arc::clone(&kept.signer));
                state.kept = working;
                drop(state);
                let Some(signer) = signer else { return Err(why) };
                tracing::warn!(error = %why, "keys were not renewed; those of before still work");
                Ok(signer)
            }
        }
    }

    /// The storage refused a request of this signer as one whose keys ended, or are unknown to it. Says whether the same
    /// request may pass with the keys that there are then.
    pub(crate) fn refused(&self, access_key_id: &str) -> bool {
        if !self.source.renews() {
            return false;
        }
        let mut state = self.state.write().unwrap_or_else(PoisonError::into_inner);
        match &state.kept {
            Some(kept) if kept.signer.credentials.access_key_id() == access_key_id => {
                let old = self.clock.now().duration_since(kept.since) >= YOUNG;
                if old {
                    state.kept = None;
                }
                old
            }
            // Others have come meanwhile, or are about to.
            _ => true,
        }
    }
}

impl Kept {
    fn new(signer: Arc<Signer>, since: Instant, date: SystemTime, renews: bool) -> Result<Self, NoKeys> {
        let left = match signer.expiry() {
            None => None,
            Some(expiry) => match expiry.duration_since(date) {
                Ok(left) if !left.is_zero() => Some(left),
                _ => {
                    let text = "the keys that came have ended already: check the clock of this machine";
                    return Err(NoKeys::Unavailable(text.to_owned()));
                }
            },
        };
        let renew_at = left.filter(|_| renews).map(|left| since + use_of(left));
        Ok(Self { signer, since, renew_at })
    }

    fn is_due(&self, now: Instant, date: SystemTime, life: Duration) -> bool {
        let Some(renew_at) = self.renew_at else { return false };
        let short = !self.signer.lasts(date + life.min(SHORT_FOR_LINKS));
        now >= renew_at || (short && now.duration_since(self.since) >= YOUNG)
    }
}

/// How long keys are used that live so long.
fn use_of(left: Duration) -> Duration {
    left.saturating_sub(MARGIN).max(left / 2).min(LONGEST_USE)
}

/// The same credentials for the SDK.
#[derive(Debug)]
pub(crate) struct ForSdk(pub(crate) Arc<Keys>);

impl ProvideCredentials for ForSdk {
    fn provide_credentials<'a>(&'a self) -> future::ProvideCredentials<'a>
    where
        Self: 'a,
    {
        future::ProvideCredentials::new(async {
            let signer = self.0.signer().await.map_err(CredentialsError::provider_error)?;
            Ok(signer.credentials.clone())
        })
    }
}

#[cfg(test)]
mod tests;
