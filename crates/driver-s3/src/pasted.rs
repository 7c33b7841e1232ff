//! Keys that were pasted wrong: into each other's place, with quotes around, or another secret altogether. No message
//! holds any part of a key.

use crate::address::Findings;
use crate::options::S3Options;
use crate::provider::{Form, Keys, Provider};

const ID: &str = "access_key_id";
const SECRET: &str = "secret_access_key";

pub(crate) fn check(options: &S3Options, provider: &Provider, findings: &mut Findings) {
    let id = options.access_key_id.as_deref().filter(|id| !id.is_empty());
    let secret = options.secret_access_key.as_ref().map(|secret| secret.reveal()).filter(|secret| !secret.is_empty());
    let token = options.session_token.as_ref().map(|token| token.reveal()).filter(|token| !token.is_empty());
    let keys = &provider.keys;
    let wrapped: Vec<_> = [(ID, id), (SECRET, secret), ("session_token", token)]
        .into_iter()
        .filter_map(|(key, text)| wrapping(text?).map(|what| (key, what)))
        .collect();
    if !wrapped.is_empty() {
        for (key, what) in wrapped {
            findings.wrong(key, format!("it has {what}, which is no part of it"));
        }
        return;
    }
    if token.is_some() && !provider.session_token {
        findings.wrong("session_token", format!("{} takes no session tokens", provider.title));
    }
    let (Some(id), Some(secret)) = (id, secret) else { return };
    let fits = |form: Option<Form>, text: &str| form.is_some_and(|form| form.fits(text));
    if fits(keys.id, secret) && !fits(keys.id, id) {
        if fits(keys.secret, id) {
            findings.wrong(SECRET, "this is the access key id; both keys have changed places");
        } else if is_marked(keys) {
            findings.wrong(SECRET, "this is an access key id; the secret is shown beside it when the key is made");
        }
        return;
    }
    let wrong = [(ID, keys.not_id, id), (SECRET, keys.not_secret, secret)];
    for (key, not, text) in wrong {
        if let Some((form, what)) = not
            && form.fits(text)
        {
            findings.wrong(key, what);
            return;
        }
    }
    for (key, form, text) in [(ID, keys.id, id), (SECRET, keys.secret, secret)] {
        if let Some(form) = form
            && !form.fits(text)
        {
            findings.odd(key, format!("it does not look like a key of {} ({form}); is it whole?", provider.title));
        }
    }
    if let Some(begin) = keys.temporary
        && id.starts_with(begin)
        && token.is_none()
    {
        findings
            .wrong(ID, format!("an id that begins with {begin} belongs to temporary keys, and needs `session_token`"));
    }
}

/// Whether an id of this provider is told by its beginning.
fn is_marked(keys: &Keys) -> bool {
    keys.id.is_some_and(|form| form.begins.iter().any(|begin| begin.len() > 2))
}

/// What stands around or in a key that came from a page or a file.
fn wrapping(text: &str) -> Option<&'static str> {
    let around = |mark: char| text.starts_with(mark) || text.ends_with(mark);
    if text.trim() != text {
        Some("a space or a line end around it")
    } else if ['"', '\'', '`', '\u{201c}', '\u{201d}', '<', '>'].into_iter().any(around) {
        Some("quotes or brackets around it")
    } else if text.chars().any(|letter| letter.is_whitespace() || letter.is_control()) {
        Some("a space in it")
    } else if !text.is_ascii() {
        Some("a letter that is not ASCII in it")
    } else {
        None
    }
}
