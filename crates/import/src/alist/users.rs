//! Users, and the guest.

use serde_json::Value;

use super::{Object, number, objects, place, string};
use crate::Secret;
use crate::draft::{Entry, Note, Value as Written};

/// internal/model/user.go
const GUEST: i64 = 1;
const ADMIN: i64 = 2;

/// Bits of `permission`: to make and upload, rename, move, copy, remove.
const CHANGES: i64 = 0b1111_1000;
const WEBDAV_READ: i64 = 1 << 8;
const WEBDAV_WRITE: i64 = 1 << 9;

/// The users, and what `anonymous` is.
pub(super) fn users(
    backup: &Object,
    mounts: &[Entry],
    notes: &mut Vec<Note>,
    new_password: &mut dyn FnMut() -> Secret,
) -> (Vec<Entry>, (&'static str, &'static str)) {
    let mut users = Vec::new();
    let mut anonymous = ("none", "");
    let mut passwords = 0;
    for user in objects(backup, "users") {
        let name = string(user, "username");
        let what = format!("user {name}");
        let mut note = |why: &str| notes.push(Note { what: what.clone(), why: why.to_owned() });
        if user.get("disabled").is_some_and(|disabled| disabled == true) {
            // The guest is disabled as long as nobody wants one.
            if !has_role(user, GUEST) {
                note("is disabled");
            }
            continue;
        }
        let root = place(&string(user, "base_path"));
        let access = match access(user) {
            Ok(access) => access,
            Err(why) => {
                note(why);
                continue;
            }
        };
        if has_role(user, GUEST) {
            if root == "/" {
                anonymous = (access.0, "what the guest may do");
            } else {
                note("the guest has a folder of its own; `anonymous` is for the whole tree, and stays off");
            }
            continue;
        }
        if name.is_empty() || name.contains(':') || name.contains(char::is_control) {
            note("a name has no colon here, since a login ends it there");
            continue;
        }
        if !mounts.iter().any(|mount| overlap(&root, path_of(mount))) {
            note(&format!("the folder {root} is in no mount that is taken over"));
            continue;
        }
        if let Some(why) = access.1 {
            note(why);
        }
        let mut entry = Entry::new(&name);
        entry.set("name", &name);
        let old = string(user, "password");
        if old.is_empty() {
            passwords += 1;
            entry.secret("password", new_password().reveal());
        } else {
            entry.secret("password", &old);
        }
        if root != "/" {
            entry.set("root", root);
        }
        entry.set("access", access.0);
        users.push(entry);
    }
    if passwords > 0 {
        notes.push(Note {
            what: "passwords".to_owned(),
            why: "only known there as hashes of a form of their own: each user has a new one; `davmux hash-password` makes a hash of \
                  a better one"
                .to_owned(),
        });
    }
    (users, anonymous)
}

fn path_of(mount: &Entry) -> &str {
    mount
        .keys
        .iter()
        .find_map(|(key, value)| match value {
            Written::Text(path) if *key == "path" => Some(path.as_str()),
            _ => None,
        })
        .unwrap_or("/")
}

/// Whether one lies in the other.
fn overlap(a: &str, b: &str) -> bool {
    let within = |inner: &str, outer: &str| {
        let outer = outer.trim_end_matches('/');
        inner == outer || inner.strip_prefix(outer).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
    };
    within(a, b) || within(b, a)
}

/// OpenList: a number. AList since 3.46: a list of numbers (internal/model/roles.go).
fn has_role(user: &Object, role: i64) -> bool {
    match user.get("role") {
        Some(Value::Array(roles)) => roles.iter().any(|one| one.as_i64() == Some(role)),
        _ => number(user, "role") == role,
    }
}

/// `access`, and what is lost with it. An error: the user has no way in over WebDAV there, and gets none here.
fn access(user: &Object) -> Result<(&'static str, Option<&'static str>), &'static str> {
    if has_role(user, ADMIN) {
        return Ok(("read-write", None));
    }
    let bits = number(user, "permission");
    if bits & WEBDAV_READ == 0 {
        return Err(match user.get("role") {
            Some(Value::Array(_)) => "what it may do comes from its role, which a backup does not hold: add it by hand",
            _ => "may not use WebDAV there",
        });
    }
    if bits & WEBDAV_WRITE == 0 {
        return Ok(("read-only", None));
    }
    if bits & CHANGES == CHANGES {
        Ok(("read-write", None))
    } else {
        Ok((
            "read-only",
            Some("may do some changes there and not others; here it is all or none, and none is the safe side"),
        ))
    }
}
