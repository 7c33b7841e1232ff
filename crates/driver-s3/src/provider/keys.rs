//! What the keys of a provider look like, as far as it is known: a key that was pasted into the wrong place is told
//! before the first call.

use std::fmt;

/// The keys of one provider.
#[derive(Debug, PartialEq, Eq)]
pub struct Keys {
    /// An access key id. `None`: not known.
    pub id: Option<Form>,
    /// A secret access key. `None`: not known.
    pub secret: Option<Form>,
    /// What people take for an access key id, and what it is.
    pub not_id: Option<(Form, &'static str)>,
    /// What people take for a secret access key, and what it is.
    pub not_secret: Option<(Form, &'static str)>,
    /// What the id of temporary keys begins with.
    pub temporary: Option<&'static str>,
}

/// What a key looks like.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Form {
    /// One of these stands at its beginning; none: anything.
    pub begins: &'static [&'static str],
    /// It has one of these lengths; none: any.
    pub lengths: &'static [usize],
    /// What it is made of.
    pub letters: Letters,
}

/// What a key is made of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Letters {
    /// Hexadecimal digits.
    Hex,
    /// `A-Z` and digits.
    Upper,
    /// Base64 of either alphabet.
    Base64,
    /// Anything that is not a space.
    Any,
}

impl Keys {
    /// Nothing is known of them.
    pub const NOT_KNOWN: Self = Self { id: None, secret: None, not_id: None, not_secret: None, temporary: None };
}

impl Form {
    /// Whether a text looks so.
    pub fn fits(&self, text: &str) -> bool {
        let letter = |byte: u8| match self.letters {
            Letters::Hex => byte.is_ascii_hexdigit(),
            Letters::Upper => byte.is_ascii_uppercase() || byte.is_ascii_digit(),
            Letters::Base64 => byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'/' | b'-' | b'_' | b'='),
            Letters::Any => byte.is_ascii_graphic(),
        };
        (self.begins.is_empty() || self.begins.iter().any(|begin| text.starts_with(begin)))
            && (self.lengths.is_empty() || self.lengths.contains(&text.len()))
            && text.bytes().all(letter)
    }
}

impl fmt::Display for Form {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let list = |items: Vec<String>| items.join(" or ");
        if !self.lengths.is_empty() {
            write!(f, "{} ", list(self.lengths.iter().map(ToString::to_string).collect()))?;
        }
        f.write_str(match self.letters {
            Letters::Hex => "hexadecimal digits",
            Letters::Upper => "capital letters and digits",
            Letters::Base64 => "letters and digits of base64",
            Letters::Any => "characters",
        })?;
        if !self.begins.is_empty() {
            write!(f, " with {} at the beginning", list(self.begins.iter().map(ToString::to_string).collect()))?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use crate::provider::Provider;

    #[test]
    fn a_key_is_told_from_what_it_is_not() {
        let r2 = Provider::named("r2").unwrap();
        let (token, _) = r2.keys.not_secret.unwrap();
        assert!(token.fits("Vc6hLo3_Xb-9aTq8Zk2Rm4Ws7Yd1Fg5Jn0Pp6Eu3"));
        assert!(!token.fits(&"0123456789abcdef".repeat(4)));
        assert!(r2.keys.secret.unwrap().fits(&"0123456789abcdef".repeat(4)));
        assert!(r2.keys.id.unwrap().fits(&"0123456789abcdef".repeat(2)));
        let amazon = Provider::named("amazon").unwrap().keys.id.unwrap();
        assert!(amazon.fits("AKIAIOSFODNN7EXAMPLE") && !amazon.fits("BKIAIOSFODNN7EXAMPLE"));
        assert!(!amazon.fits("AKIAIOSFODNN7EXAMPLE "));
    }

    #[test]
    fn a_row_never_calls_its_own_keys_wrong() {
        for row in Provider::all() {
            for (form, not) in [(row.keys.id, row.keys.not_id), (row.keys.secret, row.keys.not_secret)] {
                if let (Some(form), Some((not, _))) = (form, not) {
                    assert!(not.lengths.iter().all(|length| !form.lengths.contains(length)), "{}", row.word);
                }
            }
        }
    }
}
