//! The download proxy: what `server` shares with it, and which mounts are read through it.

use davmux_proxy::{BaseUrl, SignKeys, Tokens, WeakSecret};
use davmux_server::Secret;

use crate::file::Proxy;
use crate::mistake::Position;
use crate::walk::Section;
use crate::yaml::Value;

/// `proxy_token` and `proxy_sign_key`.
pub(super) fn proxy(section: &Section<'_>) -> Option<Proxy> {
    let tokens = secrets(section, "proxy_token", "proxy_token_file");
    let keys = secrets(section, "proxy_sign_key", "proxy_sign_key_file");
    let Some((tokens, at)) = tokens else {
        if let Some((_, at)) = keys
            && !section.is_wrong(&["proxy_token", "proxy_token_file"])
        {
            section.walk.mistake(at, "`proxy_sign_key` is nothing without `proxy_token`, with which the proxy asks");
        }
        return None;
    };
    let weak = |name: &str, at: Position, why: WeakSecret| section.walk.mistake(at, format!("{name}: {why}"));
    let believed = Tokens::new(&tokens).map_err(|why| weak("proxy_token", at, why)).ok()?;
    let keys = match keys {
        None => SignKeys::new(&tokens).map_err(|why| weak("proxy_token", at, why)).ok()?,
        Some((keys, at)) => SignKeys::new(&keys).map_err(|why| weak("proxy_sign_key", at, why)).ok()?,
    };
    Some(Proxy { tokens: believed, keys })
}

fn secrets(section: &Section<'_>, name: &'static str, file_key: &'static str) -> Option<(Vec<Secret>, Position)> {
    let (secrets, at) = section.secrets(name, file_key)?;
    Some((secrets.iter().map(|secret| Secret::new(secret.reveal())).collect(), at))
}

/// Where the reads of a mount lead, with `read: proxy_url`.
pub(super) fn proxy_url(section: &Section<'_>) -> Option<BaseUrl> {
    if !section.knows("proxy_url") {
        return None;
    }
    let read = section.pair("read").filter(|pair| match &pair.node.value {
        Value::Scalar(word) => matches!(
            (pair.key.as_str(), word.text.as_str()),
            ("read", "proxy_url") | ("webdav_policy", "use_proxy_url")
        ),
        _ => false,
    });
    let Some(text) = section.text("proxy_url") else {
        if let Some(read) = read
            && !section.is_wrong(&["proxy_url"])
        {
            section.walk.mistake(read.at, "`read: proxy_url` needs `proxy_url`, such as https://dl.example.com");
        }
        return None;
    };
    match text.as_str().parse() {
        Ok(url) if read.is_some() => Some(url),
        Ok(_) => {
            section.walk.warn(text.at, "proxy_url: nothing leads there without `read: proxy_url`");
            None
        }
        Err(why) => {
            // A URL with credentials in it is not repeated.
            let shown = if text.as_str().contains('@') { "this".to_owned() } else { text.shown() };
            section.walk.mistake(text.at, format!("proxy_url: {shown} is {why}"));
            None
        }
    }
}
