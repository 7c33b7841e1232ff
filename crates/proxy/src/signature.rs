//! The signature in a link to the download proxy, in AList's form.
//!
//! `sign` is the HMAC-SHA256 of `PATH:EXPIRY` under the text of the key, in the URL's base64 with its padding, a colon, and the
//! expiry again, in seconds since 1970 (OpenListTeam/OpenList `pkg/sign/hmac.go`). `PATH` is not escaped.

use std::fmt;
use std::time::{SystemTime, UNIX_EPOCH};

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE;
use davmux_server::Secret;
use hmac::{Hmac, Mac};
use sha2::Sha256;

use crate::secrets::{WeakSecret, check, keyed};

/// Why a signature does not open its path.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BadSignature {
    /// There is none.
    #[error("the link has no signature")]
    Missing,
    /// It is not of the form.
    #[error("the link's signature is damaged; copy the whole link")]
    Malformed,
    /// Its time is over.
    #[error("the link has expired; open the file again")]
    Expired,
    /// It would never end.
    #[error("the link never expires, which this proxy does not take")]
    Endless,
    /// It was made with another key, or for another path or time.
    #[error("the link's signature is wrong")]
    Wrong,
}

impl BadSignature {
    /// One of a fixed set of words, for logs.
    pub fn word(self) -> &'static str {
        match self {
            Self::Missing => "missing",
            Self::Malformed => "malformed",
            Self::Expired => "expired",
            Self::Endless => "endless",
            Self::Wrong => "wrong",
        }
    }
}

/// The keys of signatures: the first signs, each is believed.
#[derive(Clone)]
pub struct SignKeys {
    first: Hmac<Sha256>,
    others: Vec<Hmac<Sha256>>,
}

impl SignKeys {
    /// Takes one key, or two while they are changed.
    ///
    /// # Errors
    /// [`WeakSecret`]
    pub fn new(keys: &[Secret]) -> Result<Self, WeakSecret> {
        check(keys)?;
        let mut macs = keys.iter().map(|key| keyed(key.expose().as_bytes()));
        let first = macs.next().ok_or(WeakSecret::None)?;
        Ok(Self { first, others: macs.collect() })
    }

    /// The value of `sign` for a path, unescaped, until `expires` (rounded up to a second).
    pub fn sign(&self, path: &str, expires: SystemTime) -> String {
        let since = expires.duration_since(UNIX_EPOCH).unwrap_or_default();
        // Zero would be for ever.
        let seconds = (since.as_secs() + u64::from(since.subsec_nanos() > 0)).max(1);
        let seconds = seconds.to_string();
        let mac = over(&self.first, path, &seconds).finalize().into_bytes();
        format!("{}:{seconds}", URL_SAFE.encode(mac))
    }

    /// Whether `sign` opens `path` now, and until when; `None`: for ever, where that is `endless`.
    ///
    /// # Errors
    /// [`BadSignature`]. That a link expired or has no end is told only of a signature that is right.
    pub fn verify(
        &self,
        path: &str,
        sign: &str,
        now: SystemTime,
        endless: bool,
    ) -> Result<Option<SystemTime>, BadSignature> {
        if sign.is_empty() {
            return Err(BadSignature::Missing);
        }
        let (mac, seconds) = sign.rsplit_once(':').ok_or(BadSignature::Malformed)?;
        let mac = URL_SAFE.decode(mac).map_err(|_| BadSignature::Malformed)?;
        // Not `+1`, `01` or more than a clock has: one time has one form.
        let is_number =
            seconds.bytes().all(|byte| byte.is_ascii_digit()) && (seconds == "0" || !seconds.starts_with('0'));
        let expires: i64 = seconds.parse().ok().filter(|_| is_number).ok_or(BadSignature::Malformed)?;
        let right = |key| over(key, path, seconds).verify_slice(&mac).is_ok();
        let is_right = self.others.iter().fold(right(&self.first), |found, key| right(key) | found);
        if !is_right {
            return Err(BadSignature::Wrong);
        }
        if expires == 0 {
            return if endless { Ok(None) } else { Err(BadSignature::Endless) };
        }
        let seconds = std::time::Duration::from_secs(expires.unsigned_abs());
        let end = UNIX_EPOCH.checked_add(seconds).ok_or(BadSignature::Malformed)?;
        if end < now { Err(BadSignature::Expired) } else { Ok(Some(end)) }
    }
}

impl PartialEq for SignKeys {
    fn eq(&self, other: &Self) -> bool {
        let tags = |keys: &Self| -> Vec<_> {
            std::iter::once(&keys.first)
                .chain(&keys.others)
                .map(|key| over(key, "", "").finalize().into_bytes())
                .collect()
        };
        tags(self) == tags(other)
    }
}

impl Eq for SignKeys {}

impl fmt::Debug for SignKeys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SignKeys({})", 1 + self.others.len())
    }
}

fn over(key: &Hmac<Sha256>, path: &str, seconds: &str) -> Hmac<Sha256> {
    key.clone().chain_update(path).chain_update(":").chain_update(seconds)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    const KEY: &str = "openlist-0123456789abcdef0123456789abcdef";
    const OTHER: &str = "0123456789abcdef0123456789abcdef";

    fn keys(texts: &[&str]) -> SignKeys {
        SignKeys::new(&texts.iter().map(|text| Secret::new(*text)).collect::<Vec<_>>()).unwrap()
    }

    fn at(seconds: u64) -> SystemTime {
        UNIX_EPOCH + Duration::from_secs(seconds)
    }

    /// Made with Python's `hmac` and `base64.urlsafe_b64encode`, after OpenList's pkg/sign/hmac.go.
    const KNOWN: &[(&str, u64, &str)] = &[
        ("/films/a.mkv", 1900000000, "VbeRLWj3KJU9Verp7zl_gd82d5ERT6WiIZu62C5sRe8=:1900000000"),
        ("/films/50% #1? a+b & ü.mkv", 1900000001, "DL3uJ8oiAeH1y2nDS_cwyMGm_KPRYleDAvUXWNSm9rg=:1900000001"),
        ("/日本/映画.mkv", 1, "eDJXLuUVcKheJt-SbOcrYVyp-bbQP4Z6HTEb11kP7pU=:1"),
    ];

    #[test]
    fn signatures_are_those_of_another_program() {
        for (path, expires, sign) in KNOWN {
            assert_eq!(keys(&[KEY]).sign(path, at(*expires)), *sign, "{path}");
            assert_eq!(keys(&[KEY]).verify(path, sign, at(*expires), false), Ok(Some(at(*expires))), "{path}");
        }
    }

    #[test]
    fn a_signature_opens_one_path_until_one_time() {
        let keys = keys(&[KEY]);
        let sign = keys.sign("/a/b", at(1000));
        assert_eq!(keys.verify("/a/b", &sign, at(1000), false), Ok(Some(at(1000))));
        assert_eq!(keys.verify("/a/b", &sign, at(1001), false), Err(BadSignature::Expired));
        for path in ["/a/c", "/a", "/a/b/", "/a%2Fb", "/a/b:1000", ""] {
            assert_eq!(keys.verify(path, &sign, at(0), false), Err(BadSignature::Wrong), "{path}");
        }
        let (mac, _) = sign.split_once(':').unwrap();
        for later in ["1001", "2000", "0"] {
            let later = format!("{mac}:{later}");
            assert_eq!(keys.verify("/a/b", &later, at(0), true), Err(BadSignature::Wrong), "{later}");
        }
    }

    #[test]
    fn what_is_no_signature_is_no_signature() {
        let keys = keys(&[KEY]);
        let sign = keys.sign("/a", at(1000));
        let (mac, _) = sign.split_once(':').unwrap();
        assert_eq!(keys.verify("/a", "", at(0), false), Err(BadSignature::Missing));
        let unpadded = mac.trim_end_matches('=');
        for odd in [
            mac.to_owned(),
            format!("{mac}:"),
            format!("{mac}:+1000"),
            format!("{mac}:-1"),
            format!("{mac}:01000"),
            format!("{mac}:1000 "),
            format!("{mac}:99999999999999999999"),
            format!("{unpadded}:1000"),
            format!("{mac}=:1000"),
            "\u{e9}:1000".to_owned(),
        ] {
            assert_eq!(keys.verify("/a", &odd, at(0), true), Err(BadSignature::Malformed), "{odd}");
        }
        assert_eq!(keys.verify("/a", ":1000", at(0), false), Err(BadSignature::Wrong));
    }

    #[test]
    fn one_that_never_ends_is_taken_only_where_that_was_said() {
        let keys = keys(&[KEY]);
        let mac = over(&keys.first, "/a", "0").finalize().into_bytes();
        let endless = format!("{}:0", URL_SAFE.encode(mac));
        assert_eq!(keys.verify("/a", &endless, at(5), false), Err(BadSignature::Endless));
        assert_eq!(keys.verify("/a", &endless, at(5), true), Ok(None));
        assert!(keys.sign("/a", UNIX_EPOCH).ends_with(":1"), "and none is made");
    }

    #[test]
    fn two_keys_are_believed_and_the_first_signs() {
        let (old, both, new) = (keys(&[OTHER]), keys(&[KEY, OTHER]), keys(&[KEY]));
        let (before, after) = (old.sign("/a", at(9)), both.sign("/a", at(9)));
        assert_eq!(after, new.sign("/a", at(9)));
        assert!(both.verify("/a", &before, at(0), false).is_ok() && both.verify("/a", &after, at(0), false).is_ok());
        assert_eq!(new.verify("/a", &before, at(0), false), Err(BadSignature::Wrong), "it was removed");
        assert!(!format!("{both:?}").contains(KEY));
        assert!(new == keys(&[KEY]) && new != both && new != old && both != keys(&[OTHER, KEY]));
    }
}
