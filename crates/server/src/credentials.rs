//! Whose password it is.
//!
//! A network drive sends its password with each request, and one argon2 hash costs more than serving a thousand requests.
//! So credentials that were right are remembered for a minute under a keyed hash: HMAC-SHA256 with a key that is made anew
//! for each process, over what the client sent. Neither a password nor a hash that could be attacked is kept, and how
//! long a look into the memory takes tells nothing to one who does not know the key. Wrong credentials are not remembered.
//!
//! Requests that bring the same credentials at the same time wait for one hash. A few different ones are hashed at a time,
//! since each takes 19 MiB and a core; a bounded number waits, and the rest is told to come back.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::fmt;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock};
use std::time::{Duration, Instant};

use argon2::password_hash::phc::PasswordHash;
use argon2::{Algorithm, Argon2, Params, PasswordHasher, PasswordVerifier};
use base64::Engine;
use base64::engine::DecodePaddingMode;
use base64::engine::general_purpose::{GeneralPurpose, GeneralPurposeConfig};
use hmac::{Hmac, KeyInit, Mac};
use http::HeaderValue;
use sha2::Sha256;
use tokio::sync::{Semaphore, watch};

use crate::{Error, Password, Result, Secret, User};

/// How long right credentials are believed without looking again.
const REMEMBERED: Duration = Duration::from_secs(60);
/// Credentials remembered at a time; more of them only means hashing more often.
const MOST_REMEMBERED: usize = 4096;
/// Hashes at a time.
const PARALLEL: usize = 2;
/// Different credentials that wait for a hash; at about 30 ms each, two at a time, the last waits for two seconds.
const MOST_WAITING: usize = 128;

type Digest = [u8; 32];
type Verdict = Option<Arc<str>>;

/// Hashes a password with argon2id and its recommended parameters, as a PHC string. Takes tens of milliseconds: not for a
/// runtime's thread.
///
/// # Errors
/// [`Error::Hash`] where the system has no randomness to give.
pub fn hash_password(password: &str) -> Result<String> {
    let hash: PasswordHash = Argon2::default()
        .hash_password(password.as_bytes())
        .map_err(|error| Error::Hash { detail: error.to_string() })?;
    Ok(hash.to_string())
}

/// What is known of credentials that were sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Checked {
    /// They are this user's.
    User(Arc<str>),
    /// They are nobody's.
    Wrong,
    /// Too many others wait.
    Busy,
}

/// The users, and which credentials were right lately.
pub(crate) struct Credentials {
    key: Hmac<Sha256>,
    users: Arc<Users>,
    remembered: RwLock<HashMap<Digest, Remembered>>,
    running: Mutex<HashMap<Digest, watch::Receiver<Option<Verdict>>>>,
    permits: Semaphore,
    waiting: AtomicUsize,
    /// Verifications that were run.
    verifications: AtomicU64,
}

struct Remembered {
    user: Arc<str>,
    until: Instant,
}

struct Users {
    by_name: HashMap<String, (Arc<str>, Known)>,
    /// Verified in the place of a hash that does not exist, so that it costs as much. `None`: no user has one.
    decoy: Option<PasswordHash>,
}

enum Known {
    Hash(Box<PasswordHash>),
    Plain(Secret),
}

impl Credentials {
    pub(crate) fn new(users: &[User]) -> Result<Arc<Self>> {
        let mut by_name = HashMap::new();
        let mut decoy = None;
        for User { name, password } in users {
            let known = match password {
                Password::Hash(text) => {
                    let hash = parse_hash(text).map_err(|detail| Error::PasswordHash { user: name.clone(), detail })?;
                    decoy.get_or_insert_with(|| hash.clone());
                    Known::Hash(Box::new(hash))
                }
                Password::Plain(secret) => Known::Plain(secret.clone()),
            };
            by_name.insert(name.clone(), (Arc::from(name.as_str()), known));
        }
        let key: [u8; 32] = rand::random();
        Ok(Arc::new(Self {
            key: Hmac::new_from_slice(&key).map_err(|error| Error::Hash { detail: error.to_string() })?,
            users: Arc::new(Users { by_name, decoy }),
            remembered: RwLock::default(),
            running: Mutex::default(),
            permits: Semaphore::new(PARALLEL),
            waiting: AtomicUsize::new(0),
            verifications: AtomicU64::new(0),
        }))
    }

    /// Looks at the value of an `Authorization` header.
    pub(crate) async fn check(self: &Arc<Self>, header: &HeaderValue) -> Checked {
        let digest = self.digest(header.as_bytes());
        if let Some(user) = self.recall(&digest, Instant::now()) {
            return Checked::User(user);
        }
        let Some(pair) = Pair::parse(header.as_bytes()) else { return Checked::Wrong };
        let Some(mut verdict) = self.join(digest, pair) else { return Checked::Busy };
        // The sender goes without a word only if the verification panicked; then nothing was shown to be right.
        let verdict = match verdict.wait_for(Option::is_some).await {
            Ok(verdict) => verdict.clone().flatten(),
            Err(_) => None,
        };
        verdict.map_or(Checked::Wrong, Checked::User)
    }

    fn digest(&self, bytes: &[u8]) -> Digest {
        self.key.clone().chain_update(bytes).finalize().into_bytes().into()
    }

    fn recall(&self, digest: &Digest, now: Instant) -> Verdict {
        let remembered = self.remembered.read().unwrap_or_else(PoisonError::into_inner);
        remembered.get(digest).filter(|found| now < found.until).map(|found| Arc::clone(&found.user))
    }

    fn remember(&self, digest: Digest, user: &Arc<str>, now: Instant) {
        let mut remembered = self.remembered.write().unwrap_or_else(PoisonError::into_inner);
        if remembered.len() >= MOST_REMEMBERED {
            remembered.retain(|_, found| now < found.until);
        }
        if remembered.len() >= MOST_REMEMBERED {
            let oldest = remembered.iter().min_by_key(|(_, found)| found.until).map(|(digest, _)| *digest);
            oldest.map(|oldest| remembered.remove(&oldest));
        }
        remembered.insert(digest, Remembered { user: Arc::clone(user), until: now + REMEMBERED });
    }

    fn running(&self) -> MutexGuard<'_, HashMap<Digest, watch::Receiver<Option<Verdict>>>> {
        self.running.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Joins the verification of the same credentials, or begins one that goes on whoever waits for it. `None`: too many
    /// wait.
    fn join(self: &Arc<Self>, digest: Digest, pair: Pair) -> Option<watch::Receiver<Option<Verdict>>> {
        let mut running = self.running();
        let place = match running.entry(digest) {
            Entry::Occupied(found) => return Some(found.get().clone()),
            Entry::Vacant(place) => place,
        };
        // Between the look into the memory and this lock another verification may have ended.
        if let Some(user) = self.recall(&digest, Instant::now()) {
            return Some(watch::channel(Some(Some(user))).1);
        }
        let waiting = Waiting::begin(self)?;
        let (sender, receiver) = watch::channel(None);
        place.insert(receiver.clone());
        drop(running);
        tokio::spawn(async move {
            let credentials = &waiting.0;
            let verdict = credentials.verify(pair).await;
            if let Some(user) = &verdict {
                credentials.remember(digest, user, Instant::now());
            }
            credentials.running().remove(&digest);
            sender.send_replace(Some(verdict));
        });
        Some(receiver)
    }

    async fn verify(&self, pair: Pair) -> Verdict {
        let _permit = self.permits.acquire().await.ok()?;
        self.verifications.fetch_add(1, Ordering::Relaxed);
        let (users, key) = (Arc::clone(&self.users), self.key.clone());
        // A panic counts as wrong, and the running verification is forgotten as after any other.
        tokio::task::spawn_blocking(move || users.verify(&pair, &key)).await.ok().flatten()
    }

    /// Verifications that were run so far.
    #[cfg(test)]
    fn verifications(&self) -> u64 {
        self.verifications.load(Ordering::Relaxed)
    }
}

impl fmt::Debug for Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Credentials")
            .field("users", &self.users.by_name.len())
            .field("verifications", &self.verifications)
            .finish_non_exhaustive()
    }
}

/// One verification that waits or runs.
struct Waiting(Arc<Credentials>);

impl Waiting {
    fn begin(credentials: &Arc<Credentials>) -> Option<Self> {
        let more = |waiting| (waiting < MOST_WAITING).then_some(waiting + 1);
        credentials.waiting.fetch_update(Ordering::Relaxed, Ordering::Relaxed, more).ok()?;
        Some(Self(Arc::clone(credentials)))
    }
}

impl Drop for Waiting {
    fn drop(&mut self) {
        self.0.waiting.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Users {
    /// Costs one argon2 hash whoever is named, if any user has a hash at all.
    fn verify(&self, pair: &Pair, key: &Hmac<Sha256>) -> Verdict {
        let found = self.by_name.get(pair.name()).or_else(|| self.by_name.get(pair.name_without_domain()?));
        let hash = match found {
            Some((_, Known::Hash(hash))) => Some(&**hash),
            _ => self.decoy.as_ref(),
        };
        let hash_is_right =
            hash.is_some_and(|hash| Argon2::default().verify_password(pair.password().as_bytes(), hash).is_ok());
        let plain = match found {
            Some((_, Known::Plain(secret))) => secret.expose(),
            _ => "",
        };
        let plain_is_right = same(key, plain, pair.password());
        let right = match found {
            Some((_, Known::Hash(_))) => hash_is_right,
            Some((_, Known::Plain(_))) => plain_is_right,
            None => false,
        };
        found.filter(|_| right).map(|(name, _)| Arc::clone(name))
    }
}

/// Compares without telling by its time where two texts differ: their keyed hashes are compared.
fn same(key: &Hmac<Sha256>, known: &str, given: &str) -> bool {
    let known = key.clone().chain_update(known).finalize().into_bytes();
    key.clone().chain_update(given).verify(&known).is_ok()
}

fn parse_hash(text: &str) -> Result<PasswordHash, String> {
    let hash = PasswordHash::new(text.trim()).map_err(|error| error.to_string())?;
    Algorithm::try_from(hash.algorithm.as_str()).map_err(|_| "another kind of hash".to_owned())?;
    Params::try_from(&hash).map_err(|error| error.to_string())?;
    if hash.salt.is_none() || hash.hash.is_none() {
        return Err("it is cut short".to_owned());
    }
    Ok(hash)
}

/// A name and a password as Basic authentication carries them (RFC 7617 section 2, in UTF-8). Neither is ever shown.
struct Pair {
    text: String,
    colon: usize,
}

/// Padding is required by the RFC, and left out by some clients.
const BASE64: GeneralPurpose = GeneralPurpose::new(
    &base64::alphabet::STANDARD,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

impl Pair {
    fn parse(header: &[u8]) -> Option<Self> {
        let (scheme, token) = header.split_at_checked(6)?;
        if !scheme.eq_ignore_ascii_case(b"basic ") {
            return None;
        }
        let text = String::from_utf8(BASE64.decode(token.trim_ascii()).ok()?).ok()?;
        let colon = text.find(':')?;
        Some(Self { text, colon })
    }

    fn name(&self) -> &str {
        &self.text[..self.colon]
    }

    /// Windows puts the machine's or the domain's name before the user's.
    fn name_without_domain(&self) -> Option<&str> {
        self.name().split_once('\\').map(|(_, name)| name)
    }

    fn password(&self) -> &str {
        &self.text[self.colon + 1..]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn header(text: &str) -> HeaderValue {
        HeaderValue::from_str(&format!("Basic {}", BASE64.encode(text))).unwrap()
    }

    fn users() -> Vec<User> {
        let user = |name: &str, password| User { name: name.into(), password };
        vec![
            user("alice", Password::Hash(hash_password("wonder:land").unwrap())),
            user("bob", Password::Plain(Secret::new("bäuer"))),
        ]
    }

    #[tokio::test]
    async fn right_is_right_and_anything_else_is_wrong() {
        let credentials = Credentials::new(&users()).unwrap();
        for (given, user) in [
            ("alice:wonder:land", Some("alice")),
            ("bob:bäuer", Some("bob")),
            ("alice:wonder", None),
            ("alice:", None),
            ("bob:wonder:land", None),
            ("alice:bäuer", None),
            ("carol:wonder:land", None),
            ("carol:", None),
            (":", None),
            ("alice", None),
        ] {
            let expected = user.map_or(Checked::Wrong, |name| Checked::User(name.into()));
            assert_eq!(credentials.check(&header(given)).await, expected, "{given}");
            // The second time from the memory, or once more.
            assert_eq!(credentials.check(&header(given)).await, expected, "{given}");
        }
        for other in ["", "Basic", "Basic ", "Basic ???", "Bearer YWxpY2U6", "Basic /w=="] {
            assert_eq!(credentials.check(&HeaderValue::from_static(other)).await, Checked::Wrong, "{other}");
        }
    }

    #[tokio::test]
    async fn the_name_of_a_windows_domain_is_passed_over() {
        let mut known = users();
        known.push(User { name: "HOME\\bob".into(), password: Password::Plain(Secret::new("other")) });
        let credentials = Credentials::new(&known).unwrap();
        for (given, user) in [
            ("DESKTOP-1\\bob:bäuer", Some("bob")),
            ("example.com\\alice:wonder:land", Some("alice")),
            // A user of just this name comes first.
            ("HOME\\bob:other", Some("HOME\\bob")),
            ("HOME\\bob:bäuer", None),
            ("a\\b\\bob:bäuer", None),
            ("bob\\:bäuer", None),
            ("DESKTOP-1/bob:bäuer", None),
        ] {
            let expected = user.map_or(Checked::Wrong, |name| Checked::User(name.into()));
            assert_eq!(credentials.check(&header(given)).await, expected, "{given}");
        }
    }

    #[tokio::test]
    async fn the_scheme_is_read_in_any_case_and_padding_may_be_missing() {
        let credentials = Credentials::new(&users()).unwrap();
        let padded = BASE64.encode("bob:bäuer");
        assert!(padded.ends_with('='));
        let value = format!("bAsIc  {}", padded.trim_end_matches('='));
        let checked = credentials.check(&HeaderValue::from_str(&value).unwrap()).await;
        assert_eq!(checked, Checked::User("bob".into()));
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn a_hundred_requests_at_once_cost_one_hash() {
        let credentials = Credentials::new(&users()).unwrap();
        let asks = (0..100).map(|_| {
            let credentials = Arc::clone(&credentials);
            tokio::spawn(async move { credentials.check(&header("alice:wonder:land")).await })
        });
        for ask in asks.collect::<Vec<_>>() {
            assert_eq!(ask.await.unwrap(), Checked::User("alice".into()));
        }
        assert_eq!(credentials.verifications(), 1);
        assert!(credentials.running().is_empty());
        assert_eq!(credentials.waiting.load(Ordering::Relaxed), 0);
    }

    #[tokio::test]
    async fn a_verification_goes_on_when_the_one_who_asked_goes_away() {
        let credentials = Credentials::new(&users()).unwrap();
        let given = header("alice:wonder:land");
        {
            let ask = credentials.check(&given);
            futures_util::pin_mut!(ask);
            assert!(futures_util::poll!(ask).is_pending());
        }
        assert_eq!(credentials.check(&given).await, Checked::User("alice".into()));
        assert_eq!(credentials.verifications(), 1);
    }

    #[tokio::test]
    async fn wrong_credentials_are_not_remembered() {
        let credentials = Credentials::new(&users()).unwrap();
        for _ in 0..2 {
            assert_eq!(credentials.check(&header("alice:x")).await, Checked::Wrong);
        }
        assert_eq!(credentials.verifications(), 2);
    }

    #[tokio::test]
    async fn when_too_many_wait_the_next_is_told_so() {
        let credentials = Credentials::new(&users()).unwrap();
        let held = credentials.permits.acquire_many(PARALLEL as u32).await.unwrap();
        let mut asks = Vec::new();
        for n in 0..MOST_WAITING {
            let mut ask = Box::pin({
                let credentials = Arc::clone(&credentials);
                async move { credentials.check(&header(&format!("bob:{n}"))).await }
            });
            assert!(futures_util::poll!(&mut ask).is_pending());
            asks.push(ask);
        }
        assert_eq!(credentials.check(&header("bob:one more")).await, Checked::Busy);
        drop((held, asks));
    }

    #[test]
    fn the_memory_ends_after_a_minute_and_is_bounded() {
        let credentials = Credentials::new(&users()).unwrap();
        let (now, user) = (Instant::now(), Arc::from("alice"));
        let digest = |n: usize| credentials.digest(&n.to_be_bytes());
        credentials.remember(digest(0), &user, now);
        assert!(credentials.recall(&digest(0), now + REMEMBERED - Duration::from_millis(1)).is_some());
        assert!(credentials.recall(&digest(0), now + REMEMBERED).is_none());
        for n in 1..MOST_REMEMBERED + 10 {
            credentials.remember(digest(n), &user, now + Duration::from_nanos(n as u64));
        }
        assert_eq!(credentials.remembered.read().unwrap().len(), MOST_REMEMBERED);
        assert!(credentials.recall(&digest(0), now).is_none(), "the oldest goes first");
        assert!(credentials.recall(&digest(MOST_REMEMBERED + 9), now).is_some());
    }

    #[test]
    fn an_unusable_hash_is_refused_and_not_shown() {
        for text in ["", "hunter2", "$2b$12$hunter2", "$pbkdf2-sha256$i=1$aHVudGVyMg$aHVudGVyMg", "$argon2id$v=19$m=1"]
        {
            let users = [User { name: "eve".into(), password: Password::Hash(text.into()) }];
            let error = Credentials::new(&users).unwrap_err();
            assert!(matches!(error, Error::PasswordHash { .. }), "{error:?}");
            assert!(!format!("{error} {error:?}").contains("unter2"), "{error}");
        }
    }

    #[test]
    fn debug_output_shows_neither_key_nor_password() {
        let credentials = Credentials::new(&users()).unwrap();
        assert!(!format!("{credentials:?}").contains("bäuer"));
    }
}
