//! `users` and `redirect_rules`

use davmux_tree::{RedirectRule, TreePath};
use regex::Regex;

use super::{items, rights, tokens, tree_path};
use crate::file::{Password, User};
use crate::keys;
use crate::walk::{Section, Walk};
use crate::yaml::{Node, Pair};

/// `named`: a proxy may name a user, who then needs no password.
pub(crate) fn users<'a>(walk: &'a Walk<'a>, pair: Option<&'a Pair>, named: bool) -> Option<Vec<User>> {
    let Some(pair) = pair else { return Some(Vec::new()) };
    let mut users: Vec<User> = Vec::new();
    for node in items(walk, &pair.node, "users")? {
        let Some(user) = user(walk, node, named) else { continue };
        if let Some(first) = users.iter().find(|other| other.name == user.name) {
            walk.mistake(user.at, format!("name: this user is there already in line {}", first.at.line));
        }
        users.push(user);
    }
    Some(users)
}

fn user<'a>(walk: &'a Walk<'a>, node: &'a Node, named: bool) -> Option<User> {
    let section = walk.section(node, "a user", keys::USER)?;
    let name = section.required_text("name");
    if let Some(name) = name
        && name.as_str().chars().any(|c| c == ':' || c.is_control())
    {
        // Basic credentials are name, colon, password (RFC 7617 section 2).
        walk.mistake(name.at, "name: a colon and control characters are not allowed in it");
    }
    let tokens = tokens::tokens(&section);
    let password = password(&section, !named && section.pair("tokens").is_none());
    let root = match section.text("root") {
        Some(text) => tree_path(&section, "root", text),
        None => Some(TreePath::root()),
    };
    let (access, groups, rights) =
        (rights::access(&section), rights::memberships(&section, "groups"), rights::rights(&section));
    let name = name?;
    let (at, name) = (name.at, name.as_str().to_owned());
    Some(User { at, name, password: password?, tokens, root: root?, access, groups, rights })
}

/// `None`: it is wrong, or missing where one is needed.
fn password(section: &Section<'_>, needed: bool) -> Option<Option<Password>> {
    const KEYS: [&str; 4] = ["password_hash", "password_hash_file", "password", "password_file"];
    let plain = section.secret("password", "password_file");
    let hash = section.hash("password_hash", "password_hash_file");
    if let Some((hash, at)) = &hash
        && !is_argon2(hash.reveal())
    {
        let message =
            "password_hash: this is not an argon2 hash ($argon2id$v=19$...); make one with `davmux hash-password`";
        section.walk.mistake(*at, message);
    }
    let present = section.present(&KEYS);
    if present.is_empty() && !needed {
        return Some(None);
    }
    if present.is_empty() {
        section.walk.mistake(
            section.at,
            "a user needs a password: `password_hash` (made by `davmux hash-password`), `password_hash_file`, `password` \
             or `password_file`; or `tokens`, or a proxy that names users (`identity_header`)",
        );
    }
    let has_plain = present.iter().any(|key| !key.contains("hash"));
    let has_hash = present.iter().any(|key| key.contains("hash"));
    if has_plain && has_hash {
        section
            .walk
            .mistake(section.at, format!("a user has one password, and here are {}; keep one", present.join(", ")));
    }
    match (hash, plain) {
        (Some((hash, _)), _) => Some(Some(Password::Hash(hash))),
        (None, Some((plain, _))) => Some(Some(Password::Plain(plain))),
        // An empty value is as good as none, and would let everybody in.
        (None, None) => {
            for key in present {
                if section.is_empty(key) {
                    section.missing(key);
                }
            }
            None
        }
    }
}

/// Whether it has the form of an argon2 PHC string: name, version, parameters, salt and hash.
fn is_argon2(text: &str) -> bool {
    let mut fields = text.split('$');
    fields.next() == Some("")
        && matches!(fields.next(), Some("argon2id" | "argon2i" | "argon2d"))
        && fields.next().is_some_and(|version| version.starts_with("v="))
        && fields.next().is_some_and(|parameters| parameters.contains("m=") && parameters.contains("t="))
        && fields.next().is_some_and(|salt| !salt.is_empty())
        && fields.next().is_some_and(|hash| !hash.is_empty())
        && fields.next().is_none()
}

pub(crate) fn redirect_rules<'a>(walk: &'a Walk<'a>, pair: Option<&'a Pair>) -> Option<Vec<RedirectRule>> {
    let Some(pair) = pair else { return Some(Vec::new()) };
    Some(items(walk, &pair.node, "redirect_rules")?.iter().filter_map(|node| redirect_rule(walk, node)).collect())
}

fn redirect_rule<'a>(walk: &'a Walk<'a>, node: &'a Node) -> Option<RedirectRule> {
    let section = walk.section(node, "a redirect rule", keys::REDIRECT_RULE)?;
    let user_agent = section.required_text("user_agent").and_then(|text| match Regex::new(text.as_str()) {
        Ok(regex) => Some(regex),
        Err(error) => {
            // The last line says what is wrong; the others draw an arrow under the text.
            let error = error.to_string();
            let why = error.lines().last().unwrap_or_default().trim_start_matches("error: ");
            walk.mistake(text.at, format!("user_agent: {} is not a regular expression: {why}", text.shown()));
            None
        }
    });
    section.required("read");
    let redirect = section.choice("read", &[("redirect", true), ("relay", false)]);
    Some(RedirectRule { user_agent: user_agent?, redirect: redirect? })
}
