//! Whose password or token it is.
//!
//! A network drive sends its password with each request, and one argon2 hash costs more than serving a thousand requests.
//! So a password that was right is remembered for a minute under a keyed hash: HMAC-SHA256 with a key that is made anew
//! with the process, over the name and the password. Neither a password nor a hash that could be attacked is kept, and how
//! long a look into the memory takes tells nothing to one who does not know the key. After the minute the keyed hash still
//! tells that these credentials were right before: they are hashed again, but past everything that holds guesses back.
//!
//! Wrong ones are remembered in the same way and for longer: a drive with an old password sends it with each request too,
//! and is one guess, not thousands. What is right and what is wrong cannot change while these users stand; a reload makes
//! other [`Credentials`], which know of the former ones only what was right for a user whose password stays: otherwise a
//! reload while somebody guesses would hold back every drive.
//!
//! Requests that bring the same credentials from the same place at the same time wait for one hash. How many are hashed at
//! a time, who waits and who is told to come back is decided in `guessing.rs`.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::fmt;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock};
use std::time::{Duration, SystemTime};

use argon2::password_hash::phc::PasswordHash;
use argon2::{Algorithm, Argon2, Params, PasswordHasher, PasswordVerifier};
use base64::Engine;
use base64::engine::DecodePaddingMode;
use base64::engine::general_purpose::{GeneralPurpose, GeneralPurposeConfig};
use hmac::{Hmac, KeyInit, Mac};
use http::HeaderValue;
use sha2::Sha256;
use tokio::sync::watch;
use tokio::time::Instant;

use crate::guessing::{Guessing, Held, Place, Turn};
use crate::tokens::{TokenHash, is_token};
use crate::{AuthFailure, Error, Password, Result, Secret, Token, User};

/// How long a right password is believed without looking again.
const RIGHT: Duration = Duration::from_secs(60);
/// How long a wrong one is refused without looking again: a drive with an old password is one guess in this time.
const WRONG: Duration = Duration::from_secs(3600);
/// Wrong ones remembered at a time; more of them only means hashing, and counting, more often.
const MOST_WRONG: usize = 4096;

type Digest = [u8; 32];

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

/// Whose credentials they are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Login {
    pub(crate) user: Arc<str>,
    /// The name of the token, where it was one.
    pub(crate) token: Option<Arc<str>>,
}

/// Credentials that let nobody in. They are counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct NotLetIn {
    pub(crate) cause: AuthFailure,
    /// When it makes sense to come back.
    pub(crate) retry_after: Option<Duration>,
}

impl From<AuthFailure> for NotLetIn {
    fn from(cause: AuthFailure) -> Self {
        Self { cause, retry_after: None }
    }
}

/// What was found out of a password.
#[derive(Clone, Debug)]
enum Verdict {
    Right(Arc<str>),
    Wrong,
    Held(Held),
}

type Running = watch::Receiver<Option<Verdict>>;

/// The users, and which credentials were right and wrong lately.
pub(crate) struct Credentials {
    key: Hmac<Sha256>,
    accounts: HashMap<String, Account>,
    /// Users with a hash, one of which is verified in the place of one that does not exist, so that it costs as much.
    hashed: Vec<String>,
    tokens: HashMap<Digest, Known>,
    wrong: Mutex<HashMap<Digest, Instant>>,
    running: Mutex<HashMap<(Digest, Place), Running>>,
}

struct Account {
    name: Arc<str>,
    password: Secretly,
    /// What was right, and when it last was found out.
    right: RwLock<Option<(Digest, Instant)>>,
}

/// How a password is known.
#[derive(PartialEq)]
enum Secretly {
    Hash(Box<PasswordHash>),
    Plain(Secret),
    /// There is none: the user has tokens, or is named by a proxy.
    Nothing,
}

/// A token.
struct Known {
    user: Arc<str>,
    name: Arc<str>,
    expires: Option<SystemTime>,
}

/// What is remembered of a password.
enum Memory {
    Right(Arc<str>),
    RightBefore,
    Wrong,
    Nothing,
}

impl Credentials {
    /// Those of `users`. Of the `former` ones what was right is still known.
    pub(crate) fn new(users: &[User], former: Option<&Self>) -> Result<Arc<Self>> {
        let key = match former {
            Some(former) => former.key.clone(),
            None => Hmac::new_from_slice(&rand::random::<[u8; 32]>())
                .map_err(|error| Error::Hash { detail: error.to_string() })?,
        };
        let mut credentials = Self {
            key,
            accounts: HashMap::new(),
            hashed: Vec::new(),
            tokens: HashMap::new(),
            wrong: Mutex::default(),
            running: Mutex::default(),
        };
        for user in users {
            credentials.add(user)?;
        }
        for (name, former) in former.iter().flat_map(|former| &former.accounts) {
            if let Some(account) = credentials.accounts.get_mut(name).filter(|now| now.password == former.password) {
                let right = former.right.read().unwrap_or_else(PoisonError::into_inner);
                account.right = RwLock::new(*right);
            }
        }
        Ok(Arc::new(credentials))
    }

    fn add(&mut self, user: &User) -> Result<()> {
        let name: Arc<str> = Arc::from(user.name.as_str());
        let password = match &user.password {
            Some(Password::Hash(text)) => {
                let hash =
                    parse_hash(text).map_err(|detail| Error::PasswordHash { user: user.name.clone(), detail })?;
                self.hashed.push(user.name.clone());
                Secretly::Hash(Box::new(hash))
            }
            Some(Password::Plain(secret)) => Secretly::Plain(secret.clone()),
            None => Secretly::Nothing,
        };
        for Token { name: token, hash, expires } in &user.tokens {
            let known = Known { user: Arc::clone(&name), name: Arc::from(token.as_str()), expires: *expires };
            if self.tokens.insert(self.token_digest(hash), known).is_some() {
                let detail = "is the same as another";
                return Err(Error::Token { user: user.name.clone(), token: token.clone(), detail });
            }
        }
        self.accounts.insert(user.name.clone(), Account { name, password, right: RwLock::default() });
        Ok(())
    }

    pub(crate) fn has_users(&self) -> bool {
        !self.accounts.is_empty()
    }

    /// The user of a name, as a client or a trusted proxy gives it.
    pub(crate) fn user(&self, given: &str) -> Option<&Arc<str>> {
        self.account(given).map(|account| &account.name)
    }

    /// Windows puts the machine's or the domain's name before the user's; a user of just this name comes first.
    fn account(&self, given: &str) -> Option<&Account> {
        self.accounts.get(given).or_else(|| self.accounts.get(without_domain(given)))
    }

    /// Looks at the value of an `Authorization` header. What is refused has been counted, and said where it was a guess.
    pub(crate) async fn check(
        self: &Arc<Self>,
        header: &HeaderValue,
        client: Option<IpAddr>,
        guessing: &Arc<Guessing>,
    ) -> Result<Login, NotLetIn> {
        let failures = &guessing.failures;
        let silent = |cause: AuthFailure| {
            failures.add(cause);
            NotLetIn::from(cause)
        };
        let told = |cause: AuthFailure, user: &str| {
            failures.tell(cause, client, user);
            NotLetIn::from(cause)
        };
        let Some(sent) = Sent::parse(header.as_bytes()) else { return Err(silent(AuthFailure::Unreadable)) };
        match sent {
            Sent::Token(token) => self.token(&token, None).map_err(|cause| told(cause, "")),
            Sent::Pair(pair) if is_token(pair.password()) => {
                self.token(pair.password(), Some(pair.name())).map_err(|cause| told(cause, pair.name()))
            }
            Sent::Pair(pair) => match self.password(pair, client, guessing).await {
                Verdict::Right(user) => Ok(Login { user, token: None }),
                Verdict::Wrong => Err(AuthFailure::WrongPassword.into()),
                Verdict::Held(Held::Busy) => {
                    Err(NotLetIn { retry_after: Some(Duration::from_secs(1)), ..silent(AuthFailure::Busy) })
                }
                Verdict::Held(Held::LockedOut(wait)) => {
                    Err(NotLetIn { retry_after: Some(wait), ..silent(AuthFailure::LockedOut) })
                }
            },
        }
    }

    /// A token by itself, or in the place of a user's password.
    fn token(&self, token: &str, of: Option<&str>) -> Result<Login, AuthFailure> {
        let known = self.tokens.get(&self.token_digest(&TokenHash::of(token))).ok_or(AuthFailure::UnknownToken)?;
        if of.is_some_and(|name| self.user(name) != Some(&known.user)) {
            return Err(AuthFailure::UnknownToken);
        }
        if known.expires.is_some_and(|expires| expires <= SystemTime::now()) {
            return Err(AuthFailure::ExpiredToken);
        }
        Ok(Login { user: Arc::clone(&known.user), token: Some(Arc::clone(&known.name)) })
    }

    async fn password(self: &Arc<Self>, pair: Pair, client: Option<IpAddr>, guessing: &Arc<Guessing>) -> Verdict {
        let digest = self.password_digest(&pair);
        let right_before = match self.recall(&pair, &digest, Instant::now()) {
            Memory::Right(user) => return Verdict::Right(user),
            Memory::Wrong => {
                guessing.failures.add(AuthFailure::Repeated);
                return Verdict::Wrong;
            }
            Memory::RightBefore => true,
            Memory::Nothing => false,
        };
        let mut verdict = self.join(digest, pair, right_before, client, guessing);
        // The sender goes without a word only if the verification panicked; then nothing was shown to be right.
        match verdict.wait_for(Option::is_some).await {
            Ok(verdict) => verdict.clone().unwrap_or(Verdict::Wrong),
            Err(_) => Verdict::Wrong,
        }
    }

    fn digest(&self, parts: [&[u8]; 3]) -> Digest {
        let mac = parts
            .iter()
            .fold(self.key.clone(), |mac, part| mac.chain_update((part.len() as u64).to_le_bytes()).chain_update(part));
        mac.finalize().into_bytes().into()
    }

    fn token_digest(&self, hash: &TokenHash) -> Digest {
        self.digest([b"token", b"", hash.as_bytes()])
    }

    /// The same for all ways to write a name, whether there is such a user or not.
    fn password_digest(&self, pair: &Pair) -> Digest {
        let name = self.user(pair.name()).map_or(without_domain(pair.name()), |name| name);
        self.digest([b"password", name.as_bytes(), pair.password().as_bytes()])
    }

    fn recall(&self, pair: &Pair, digest: &Digest, now: Instant) -> Memory {
        if let Some(account) = self.account(pair.name()) {
            let right = account.right.read().unwrap_or_else(PoisonError::into_inner);
            match &*right {
                Some((known, since)) if known == digest && now.duration_since(*since) < RIGHT => {
                    return Memory::Right(Arc::clone(&account.name));
                }
                Some((known, _)) if known == digest => return Memory::RightBefore,
                _ => {}
            }
        }
        match self.wrong().get(digest) {
            Some(since) if now.duration_since(*since) < WRONG => Memory::Wrong,
            _ => Memory::Nothing,
        }
    }

    fn wrong(&self) -> MutexGuard<'_, HashMap<Digest, Instant>> {
        self.wrong.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn remember_wrong(&self, digest: Digest, now: Instant) {
        let mut wrong = self.wrong();
        if wrong.len() >= MOST_WRONG {
            wrong.retain(|_, since| now.duration_since(*since) < WRONG);
        }
        if wrong.len() >= MOST_WRONG {
            let oldest = wrong.iter().min_by_key(|(_, since)| **since).map(|(digest, _)| *digest);
            oldest.map(|oldest| wrong.remove(&oldest));
        }
        wrong.insert(digest, now);
    }

    fn running(&self) -> MutexGuard<'_, HashMap<(Digest, Place), Running>> {
        self.running.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Joins the verification of the same credentials, or begins one that goes on whoever waits for it.
    fn join(
        self: &Arc<Self>,
        digest: Digest,
        pair: Pair,
        right_before: bool,
        client: Option<IpAddr>,
        guessing: &Arc<Guessing>,
    ) -> Running {
        let place = Place::from(client);
        let mut running = self.running();
        let entry = match running.entry((digest, place)) {
            Entry::Occupied(found) => return found.get().clone(),
            Entry::Vacant(entry) => entry,
        };
        // Between the look into the memory and this lock another verification may have ended.
        match self.recall(&pair, &digest, Instant::now()) {
            Memory::Right(user) => return watch::channel(Some(Verdict::Right(user))).1,
            Memory::Wrong => return watch::channel(Some(Verdict::Wrong)).1,
            Memory::RightBefore | Memory::Nothing => {}
        }
        let (sender, receiver) = watch::channel(None);
        entry.insert(receiver.clone());
        drop(running);
        let (credentials, guessing) = (Arc::clone(self), Arc::clone(guessing));
        tokio::spawn(async move {
            let verdict = match guessing.turn(without_domain(pair.name()), place, right_before).await {
                Ok(turn) => Arc::clone(&credentials).verify(digest, pair, client, turn, &guessing).await,
                Err(held) => Verdict::Held(held),
            };
            credentials.running().remove(&(digest, place));
            sender.send_replace(Some(verdict));
        });
        receiver
    }

    async fn verify(
        self: Arc<Self>,
        digest: Digest,
        pair: Pair,
        client: Option<IpAddr>,
        turn: Turn,
        guessing: &Guessing,
    ) -> Verdict {
        let name = pair.name().to_owned();
        let credentials = Arc::clone(&self);
        // A panic counts as wrong.
        let verified = tokio::task::spawn_blocking(move || credentials.matches(&pair)).await.unwrap_or(false);
        let now = Instant::now();
        match self.account(&name).filter(|_| verified) {
            Some(account) => {
                turn.right();
                *account.right.write().unwrap_or_else(PoisonError::into_inner) = Some((digest, now));
                Verdict::Right(Arc::clone(&account.name))
            }
            None => {
                turn.wrong();
                self.remember_wrong(digest, now);
                guessing.failures.tell(AuthFailure::WrongPassword, client, &name);
                Verdict::Wrong
            }
        }
    }

    /// Costs one argon2 hash whoever is named, if any user has a hash at all.
    fn matches(&self, pair: &Pair) -> bool {
        let password = self.account(pair.name()).map_or(&Secretly::Nothing, |account| &account.password);
        let hash = match password {
            Secretly::Hash(hash) => Some(&**hash),
            Secretly::Plain(_) | Secretly::Nothing => self.decoy(pair.name()),
        };
        let hash_is_right =
            hash.is_some_and(|hash| Argon2::default().verify_password(pair.password().as_bytes(), hash).is_ok());
        let plain = match password {
            Secretly::Plain(secret) => secret.expose(),
            Secretly::Hash(_) | Secretly::Nothing => "",
        };
        let plain_is_right = same(&self.key, plain, pair.password());
        match password {
            Secretly::Hash(_) => hash_is_right,
            Secretly::Plain(_) => plain_is_right,
            Secretly::Nothing => false,
        }
    }

    /// The hash of some user, of the same one for the same name: hashes may differ in what they cost.
    fn decoy(&self, name: &str) -> Option<&PasswordHash> {
        let [first, second, ..] = self.digest([b"decoy", name.as_bytes(), b""]);
        let count = self.hashed.len();
        let chosen = usize::from(u16::from_le_bytes([first, second])).checked_rem(count)?;
        match &self.accounts.get(&self.hashed[chosen])?.password {
            Secretly::Hash(hash) => Some(hash),
            Secretly::Plain(_) | Secretly::Nothing => None,
        }
    }
}

impl fmt::Debug for Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Credentials")
            .field("users", &self.accounts.len())
            .field("tokens", &self.tokens.len())
            .finish_non_exhaustive()
    }
}

/// The name behind the first backslash.
fn without_domain(name: &str) -> &str {
    name.split_once('\\').map_or(name, |(_, name)| name)
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

/// What an `Authorization` header holds.
enum Sent {
    Pair(Pair),
    /// RFC 6750 section 2.1.
    Token(String),
}

impl Sent {
    fn parse(header: &[u8]) -> Option<Self> {
        let space = header.iter().position(|byte| *byte == b' ')?;
        let (scheme, value) = (&header[..space], header[space..].trim_ascii());
        if scheme.eq_ignore_ascii_case(b"basic") {
            let text = String::from_utf8(BASE64.decode(value).ok()?).ok()?;
            let colon = text.find(':')?;
            return Some(Self::Pair(Pair { text, colon }));
        }
        let token = str::from_utf8(value).ok().filter(|token| !token.is_empty())?;
        scheme.eq_ignore_ascii_case(b"bearer").then(|| Self::Token(token.to_owned()))
    }
}

impl Pair {
    fn name(&self) -> &str {
        &self.text[..self.colon]
    }

    fn password(&self) -> &str {
        &self.text[self.colon + 1..]
    }
}

#[cfg(test)]
mod tests;
