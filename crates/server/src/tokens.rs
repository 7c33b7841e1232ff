//! Tokens: passwords for scripts, made here.
//!
//! A token is 256 random bits, so nobody guesses one, and a plain SHA-256 of it is safe to keep: no argon2, no memory of
//! what was right, and no counting of guesses. What is kept is looked up under a keyed hash (`credentials.rs`), so how long
//! a look takes tells nothing of it.

use std::fmt;
use std::str::FromStr;
use std::time::SystemTime;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use sha2::{Digest, Sha256};

use crate::Secret;

/// How each token begins: by it people and scanners of leaked secrets know one.
const PREFIX: &str = "davmux_";
/// Of the random part: 32 bytes in base64url.
const LENGTH: usize = 43;

/// One token of a user.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Token {
    /// What the access log calls it. Different from the user's others.
    pub name: String,
    /// What is known of it.
    pub hash: TokenHash,
    /// From when on it is refused; `None`: never.
    pub expires: Option<SystemTime>,
}

/// The SHA-256 of a token. As text `sha256:` and 64 hex digits.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct TokenHash([u8; 32]);

/// A text that is no hash of a token.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not the hash of a token, which is sha256: and 64 hex digits")]
pub struct InvalidTokenHash;

impl TokenHash {
    pub(crate) fn of(token: &str) -> Self {
        Self(Sha256::digest(token).into())
    }

    pub(crate) fn as_bytes(&self) -> &[u8] {
        &self.0
    }
}

impl FromStr for TokenHash {
    type Err = InvalidTokenHash;

    fn from_str(text: &str) -> Result<Self, InvalidTokenHash> {
        let digits = text.trim().strip_prefix("sha256:").ok_or(InvalidTokenHash)?;
        let mut hash = [0; 32];
        if digits.len() != 64 || !digits.bytes().all(|byte| byte.is_ascii_hexdigit()) {
            return Err(InvalidTokenHash);
        }
        for (byte, pair) in hash.iter_mut().zip(digits.as_bytes().chunks_exact(2)) {
            let pair = str::from_utf8(pair).map_err(|_| InvalidTokenHash)?;
            *byte = u8::from_str_radix(pair, 16).map_err(|_| InvalidTokenHash)?;
        }
        Ok(Self(hash))
    }
}

impl fmt::Display for TokenHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("sha256:")?;
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for TokenHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("TokenHash(..)")
    }
}

/// Makes a token. It cannot be had again from its hash.
pub fn new_token() -> (Secret, TokenHash) {
    let random: [u8; 32] = rand::random();
    let token = format!("{PREFIX}{}", URL_SAFE_NO_PAD.encode(random));
    let hash = TokenHash::of(&token);
    (Secret::new(token), hash)
}

/// Whether a text has the form of a token.
pub fn is_token(text: &str) -> bool {
    text.strip_prefix(PREFIX).is_some_and(|random| {
        random.len() == LENGTH && random.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_'))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_new_token_is_known_by_its_form_and_its_hash_can_be_written_down() {
        let (token, hash) = new_token();
        assert!(is_token(token.expose()));
        assert_eq!(TokenHash::of(token.expose()), hash);
        assert_eq!(hash.to_string().parse(), Ok(hash));
        assert_ne!(new_token().0.expose(), token.expose());
        assert!(!format!("{hash:?} {token:?}").contains(&token.expose()[7..]));
    }

    #[test]
    fn what_is_no_token_and_no_hash_is_seen() {
        for text in ["", "davmux_", "hunter2", "davmux_short", &format!("davmux_{}", "!".repeat(43))] {
            assert!(!is_token(text), "{text}");
        }
        let digits = "0123456789abcdef".repeat(4);
        assert!(format!("sha256:{digits}").parse::<TokenHash>().is_ok());
        for text in [&digits, &format!("sha256:{}", &digits[1..]), &format!("sha256:+{}", &digits[1..]), "sha256:"] {
            assert_eq!(text.parse::<TokenHash>(), Err(InvalidTokenHash), "{text}");
        }
    }
}
