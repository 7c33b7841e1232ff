//! A backup of AList or OpenList.
//!
//! The file: OpenListTeam/OpenList-Frontend `src/pages/manage/backup-restore.tsx`. What is in it: `internal/model/storage.go`,
//! `user.go`, `meta.go` and `drivers/{s3,local,uss}/meta.go` of AlistGo/alist and OpenListTeam/OpenList.

mod proxies;
mod storages;
mod users;

use serde_json::{Map, Value};

use crate::draft::{Imported, Note};
use crate::{Error, Secret};

/// Which of the two wrote the backup.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Program {
    AList,
    OpenList,
    /// It says nothing of either.
    Unknown,
}

/// An object of JSON.
pub(crate) type Object = Map<String, Value>;

/// Turns a backup into a mounts file. `new_password` makes a password for a user whose own is only known as a hash that is of no
/// use elsewhere.
///
/// # Errors
/// [`Error`]; a backup of which only parts can be taken over is none.
pub fn alist(text: &str, new_password: &mut dyn FnMut() -> Secret) -> Result<Imported, Error> {
    let text = text.trim_start_matches('\u{feff}');
    let backup: Value =
        serde_json::from_str(text).map_err(|error| Error::NoBackup(format!("it is not JSON: {error}")))?;
    let Value::Object(backup) = backup else {
        return Err(Error::NoBackup("it is JSON, and not an object".to_owned()));
    };
    if !string(&backup, "encrypted").is_empty() {
        return Err(Error::EncryptedBackup);
    }
    if !matches!(backup.get("storages"), Some(Value::Array(_))) {
        return Err(Error::NoBackup("it has no list `storages`".to_owned()));
    }
    let program = program(&backup);
    let mut notes = Vec::new();
    let mut proxies = proxies::Proxies::new(&backup);
    let mounts: Vec<_> = objects(&backup, "storages")
        .filter_map(|storage| storages::mount(storage, program, &mut proxies, &mut notes))
        .collect();
    if mounts.is_empty() {
        return Err(Error::NoMounts(notes));
    }
    let (users, anonymous) = users::users(&backup, &mounts, &mut notes, new_password);
    for meta in objects(&backup, "metas") {
        notes.extend(meta_note(meta));
    }
    if objects(&backup, "settings").next().is_some() {
        notes.push(Note {
            what: "settings".to_owned(),
            why: "those of the web interface, of its search and of its logins have no counterpart here".to_owned(),
        });
    }
    let source = match program {
        Program::AList => "a backup of AList",
        Program::OpenList => "a backup of OpenList",
        Program::Unknown => "a backup of AList or OpenList",
    };
    Ok(Imported { source, anonymous, proxy_token: proxies.token_in_use(), users, mounts, notes })
}

/// OpenList tells its commit with its version, and counts from 4 on; AList's versions are bare and begin with 3
/// (`internal/bootstrap/data/setting.go` of both). Backups without settings still have storages, in which the two differ.
fn program(backup: &Object) -> Program {
    let version = objects(backup, "settings").find(|setting| string(setting, "key") == "version");
    let version = version.map(|setting| string(setting, "value")).unwrap_or_default();
    if version.starts_with("v3") {
        return Program::AList;
    }
    if version.starts_with("v4") || version.contains("(Commit:") {
        return Program::OpenList;
    }
    let has = |key: &str| objects(backup, "storages").any(|storage| storage.contains_key(key));
    match (has("down_proxy_sign"), has("disable_proxy_sign") || has("custom_cache_policies")) {
        (true, false) => Program::AList,
        (false, true) => Program::OpenList,
        _ => Program::Unknown,
    }
}

/// What a folder was told, which is not known here.
fn meta_note(meta: &Object) -> Option<Note> {
    let has = |key: &str| match meta.get(key) {
        Some(Value::Bool(set)) => *set,
        Some(Value::Array(list)) => !list.is_empty(),
        _ => !string(meta, key).is_empty(),
    };
    let lost: Vec<&str> = [
        ("hide", "hidden files"),
        ("readme", "readme"),
        ("header", "header"),
        ("write", "writing for everybody"),
        ("read_users", "list of readers"),
        ("write_users", "list of writers"),
    ]
    .into_iter()
    .filter_map(|(key, name)| has(key).then_some(name))
    .collect();
    let mut why = Vec::new();
    if has("password") {
        why.push("its password is not: whoever may read what is around it may read it too".to_owned());
    }
    if !lost.is_empty() {
        why.push(format!("not taken over: {}", lost.join(", ")));
    }
    (!why.is_empty()).then(|| Note { what: format!("folder {}", string(meta, "path")), why: why.join("; ") })
}

/// The objects of a list.
pub(crate) fn objects<'a>(object: &'a Object, key: &str) -> impl Iterator<Item = &'a Object> {
    let list = object.get(key).and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
    list.iter().filter_map(Value::as_object)
}

/// A text, or a number as one; empty where there is none.
pub(crate) fn string(object: &Object, key: &str) -> String {
    match object.get(key) {
        Some(Value::String(text)) => text.trim().to_owned(),
        Some(Value::Number(number)) => number.to_string(),
        _ => String::new(),
    }
}

pub(crate) fn flag(object: &Object, key: &str) -> bool {
    object.get(key).is_some_and(|value| value.as_bool().unwrap_or_else(|| value.as_str() == Some("true")))
}

/// A whole number, 0 where there is none.
pub(crate) fn number(object: &Object, key: &str) -> i64 {
    object.get(key).and_then(|value| value.as_i64().or_else(|| value.as_str()?.trim().parse().ok())).unwrap_or(0)
}

/// A path in the tree: with a slash in front and none behind.
pub(crate) fn place(path: &str) -> String {
    format!("/{}", path.trim_matches('/'))
}
