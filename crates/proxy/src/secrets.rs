//! Secrets that the server and a worker share: of a length that nobody guesses, two at most, compared in constant time.

use std::fmt;

use davmux_server::Secret;
use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;

/// The shortest secret in bytes. Every signed URL is material to guess the key with, at leisure and unseen.
pub const SHORTEST: usize = 32;
/// How many are valid at a time: one that is used, and one while they are changed.
pub const MOST_KEYS: usize = 2;

/// Why secrets are not taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum WeakSecret {
    /// There is none.
    #[error("there is none")]
    None,
    /// More than two.
    #[error("there are more than two: one that is used, and one while they are changed")]
    Many,
    /// Short enough to be guessed.
    #[error("it has fewer than 32 characters and could be guessed; make one with `openssl rand -hex 32`")]
    Short,
    /// No header can carry it.
    #[error("it holds a space or what is not ASCII, which no header carries")]
    Characters,
}

/// Looks at the secrets of one purpose.
pub(crate) fn check(secrets: &[Secret]) -> Result<(), WeakSecret> {
    match secrets.len() {
        0 => return Err(WeakSecret::None),
        count if count > MOST_KEYS => return Err(WeakSecret::Many),
        _ => {}
    }
    for secret in secrets {
        if !secret.expose().bytes().all(|byte| byte.is_ascii_graphic()) {
            return Err(WeakSecret::Characters);
        }
        if secret.expose().len() < SHORTEST {
            return Err(WeakSecret::Short);
        }
    }
    Ok(())
}

/// The tokens with which a worker asks.
#[derive(Clone)]
pub struct Tokens {
    /// Of this process: tags under it take the same time to compare, whatever was sent.
    key: Hmac<Sha256>,
    tokens: Vec<Secret>,
}

impl Tokens {
    /// Takes one token, or two.
    ///
    /// # Errors
    /// [`WeakSecret`]
    pub fn new(tokens: &[Secret]) -> Result<Self, WeakSecret> {
        check(tokens)?;
        let key = keyed(&rand::random::<[u8; 32]>());
        Ok(Self { key, tokens: tokens.to_vec() })
    }

    /// Whether this is one of them; in a time that does not tell how much of it is right.
    pub fn hold(&self, given: &[u8]) -> bool {
        let given = self.key.clone().chain_update(given).finalize().into_bytes();
        let tags = self.tokens.iter().map(|token| self.key.clone().chain_update(token.expose()));
        tags.fold(false, |found, tag| tag.verify(&given).is_ok() | found)
    }
}

impl PartialEq for Tokens {
    fn eq(&self, other: &Self) -> bool {
        self.tokens.iter().map(Secret::expose).eq(other.tokens.iter().map(Secret::expose))
    }
}

impl Eq for Tokens {}

impl fmt::Debug for Tokens {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Tokens({})", self.tokens.len())
    }
}

pub(crate) fn keyed(key: &[u8]) -> Hmac<Sha256> {
    #[expect(clippy::expect_used, reason = "HMAC takes keys of any length (RFC 2104 section 2)")]
    Hmac::new_from_slice(key).expect("a key of any length is taken")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn secrets(texts: &[&str]) -> Vec<Secret> {
        texts.iter().map(|text| Secret::new(*text)).collect()
    }

    #[test]
    fn each_token_is_known_and_nothing_else() {
        let (first, second) = ("a".repeat(32), "b".repeat(40));
        let tokens = Tokens::new(&secrets(&[&first, &second])).unwrap();
        assert!(tokens.hold(first.as_bytes()) && tokens.hold(second.as_bytes()));
        for wrong in ["", "a", &"a".repeat(31), &"a".repeat(33), &format!("Bearer {first}")] {
            assert!(!tokens.hold(wrong.as_bytes()), "{wrong:?}");
        }
        assert!(!format!("{tokens:?}").contains(&first));
    }

    #[test]
    fn what_could_be_guessed_or_not_be_sent_is_refused() {
        let good = "a".repeat(32);
        assert_eq!(Tokens::new(&[]).unwrap_err(), WeakSecret::None);
        assert_eq!(Tokens::new(&secrets(&[&good, &good, &good])).unwrap_err(), WeakSecret::Many);
        assert_eq!(Tokens::new(&secrets(&[&good[1..]])).unwrap_err(), WeakSecret::Short);
        for word in ["a b", "a\n", "ä"] {
            let word = word.repeat(32);
            assert_eq!(Tokens::new(&secrets(&[&word])).unwrap_err(), WeakSecret::Characters, "{word}");
        }
    }
}
