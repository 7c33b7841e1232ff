//! The shape with folders: an object's key is its path, and each folder is an object.

use davmux_driver::{Entry, Error, ErrorKind, Kind, Page, RelPath, Result, When};

use super::{STAGING, State, allow, below};

pub(super) fn look(state: &State, path: &RelPath) -> Option<Entry> {
    if path.is_root() {
        return Some(Entry::dir(path.clone()));
    }
    state.objects.get(path.as_str()).map(|object| object.entry(path))
}

/// That the folder of a new entry is there.
pub(super) fn need_parent(state: &State, op: &'static str, path: &RelPath) -> Result<()> {
    let Some(parent) = path.parent() else {
        return Err(Error::new(ErrorKind::IsDir, op, path).with_detail("the root of the storage"));
    };
    match look(state, &parent) {
        Some(folder) if folder.is_dir() => Ok(()),
        Some(_) => Err(Error::new(ErrorKind::NotDir, op, path).with_detail("a file stands where its folder should be")),
        None => Err(Error::new(ErrorKind::NotFound, op, path).with_detail("its folder is missing")),
    }
}

pub(super) fn list(state: &State, dir: &RelPath) -> Result<Page> {
    match look(state, dir) {
        None => return Err(Error::new(ErrorKind::NotFound, "list", dir)),
        Some(entry) if !entry.is_dir() => return Err(Error::new(ErrorKind::NotDir, "list", dir)),
        Some(_) => {}
    }
    let prefix = below(dir);
    let mut page = Page::default();
    for (key, object) in state.with_prefix(&prefix) {
        let name = &key[prefix.len()..];
        if name.contains('/') || (dir.is_root() && name == STAGING) {
            continue;
        }
        match dir.child(name) {
            Ok(path) => page.entries.push(object.entry(&path)),
            Err(_) => page.unnameable.push(dir.clone()),
        }
    }
    Ok(page)
}

pub(super) fn delete(state: &mut State, path: &RelPath, kind: Kind) -> Result<()> {
    let Some(entry) = look(state, path) else { return Ok(()) };
    let error = |kind| Err(Error::new(kind, "delete", path));
    match (kind, entry.kind) {
        (Kind::File, Kind::Dir) => error(ErrorKind::IsDir),
        (Kind::Dir, Kind::File) => error(ErrorKind::NotDir),
        (Kind::Dir, _) if path.is_root() => error(ErrorKind::Denied),
        (Kind::Dir, _) if state.with_prefix(&below(path)).next().is_some() => error(ErrorKind::NotEmpty),
        _ => {
            state.objects.remove(path.as_str());
            Ok(())
        }
    }
}

pub(super) fn rename(state: &mut State, from: &Entry, to: &RelPath, when: &When) -> Result<Entry> {
    let error = |kind| Err(Error::new(kind, "rename", &from.path));
    match look(state, &from.path) {
        None => return error(ErrorKind::NotFound),
        Some(now) if now.kind != from.kind || (from.etag.is_some() && now.etag != from.etag) => {
            return error(ErrorKind::Precondition);
        }
        Some(_) => {}
    }
    if to.is_within(&from.path) || from.path.is_within(to) {
        return Err(Error::new(ErrorKind::InvalidPath, "rename", &from.path)
            .with_detail(format!("{to:?} is the same entry, inside it or above it")));
    }
    need_parent(state, "rename", to)?;
    allow(when, look(state, to).as_ref(), "rename", to)?;
    take(state, to);
    for (key, object) in take(state, &from.path) {
        let key = format!("{to}{}", &key[from.path.as_str().len()..]);
        state.objects.insert(key, object);
    }
    look(state, to).ok_or_else(|| Error::new(ErrorKind::Backend, "rename", to))
}

/// Takes out an entry with all that is below it.
fn take(state: &mut State, path: &RelPath) -> Vec<(String, super::Object)> {
    let inside = below(path);
    let keys: Vec<String> = state.with_prefix(&inside).map(|(key, _)| key.clone()).collect();
    let keys = keys.into_iter().chain([path.as_str().to_owned()]);
    keys.filter_map(|key| state.objects.remove_entry(&key)).collect()
}
