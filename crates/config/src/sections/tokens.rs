//! `tokens` of a user: what scripts send in the place of a password.

use std::time::{Duration, SystemTime};

use davmux_server::{Token, TokenHash};
use time::format_description::well_known::Rfc3339;
use time::macros::format_description;
use time::{Date, OffsetDateTime};

use super::items;
use crate::keys;
use crate::walk::{Section, Walk};
use crate::yaml::Node;

pub(crate) fn tokens(user: &Section<'_>) -> Vec<Token> {
    let Some(pair) = user.pair("tokens") else { return Vec::new() };
    let mut tokens: Vec<Token> = Vec::new();
    for node in items(user.walk, &pair.node, "tokens").unwrap_or_default() {
        let Some(token) = token(user.walk, node) else { continue };
        if tokens.iter().any(|other| other.name == token.name) {
            user.walk.mistake(node.at, "name: this user has a token of this name already");
        }
        tokens.push(token);
    }
    tokens
}

fn token<'a>(walk: &'a Walk<'a>, node: &'a Node) -> Option<Token> {
    let section = walk.section(node, "a token", keys::TOKEN)?;
    let name = section.required_text("name");
    if let Some(name) = name
        && name.as_str().chars().any(char::is_control)
    {
        walk.mistake(name.at, "name: control characters are not allowed in it");
    }
    let hash = section.hash("hash", "hash_file");
    if section.present(&["hash", "hash_file"]).is_empty() || section.is_empty("hash") || section.is_empty("hash_file") {
        walk.mistake(section.at, "a token needs its `hash`, or `hash_file`: `davmux hash-password --token` makes both");
    }
    let hash = hash.and_then(|(text, at)| {
        let hash = text.reveal().parse::<TokenHash>();
        // Not shown: somebody may have written the token itself.
        let message =
            "hash: this is not the hash of a token (sha256:...); make one with `davmux hash-password --token`";
        hash.map_err(|_| walk.mistake(at, message)).ok()
    });
    let expires = section.parsed("expires", "a day such as 2027-01-31, or a time such as 2027-01-31T12:00:00Z", end);
    Some(Token { name: name?.as_str().to_owned(), hash: hash?, expires })
}

/// The end of a day in UTC, or a time.
fn end(text: &str) -> Option<SystemTime> {
    match Date::parse(text, format_description!("[year]-[month]-[day]")) {
        Ok(day) => Some(SystemTime::from(day.midnight().assume_utc()) + Duration::from_secs(24 * 3600)),
        Err(_) => OffsetDateTime::parse(text, &Rfc3339).ok().map(SystemTime::from),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_day_lasts_to_its_end_and_a_time_is_what_it_says() {
        let seconds = |text| end(text).map(|at| at.duration_since(SystemTime::UNIX_EPOCH).unwrap().as_secs());
        assert_eq!(seconds("1970-01-01"), Some(24 * 3600));
        assert_eq!(seconds("2027-01-31"), Some(1_801_440_000));
        assert_eq!(seconds("1970-01-02T01:00:00+01:00"), Some(24 * 3600));
        for text in ["", "tomorrow", "2027-02-30", "2027-1-1", "31.1.2027", "2027-01-31 12:00"] {
            assert_eq!(end(text), None, "{text}");
        }
    }
}
