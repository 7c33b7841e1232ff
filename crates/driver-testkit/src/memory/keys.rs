//! The shape of a bucket: keys in a sorted map; what a key has before a slash is a folder.

use davmux_driver::{Entry, Error, ErrorKind, Kind, Page, RelPath, Result};

use super::{State, below};

fn is_folder(state: &State, path: &RelPath) -> bool {
    path.is_root() || state.with_prefix(&below(path)).next().is_some()
}

/// A file, unless a folder of the same name hides it.
pub(super) fn file<'a>(state: &'a State, path: &RelPath) -> Option<&'a super::Object> {
    state.objects.get(path.as_str()).filter(|_| !is_folder(state, path))
}

pub(super) fn look(state: &State, path: &RelPath) -> Option<Entry> {
    if is_folder(state, path) {
        return Some(Entry::dir(path.clone()));
    }
    state.objects.get(path.as_str()).map(|object| object.entry(path))
}

pub(super) fn list(state: &State, dir: &RelPath) -> Result<Page> {
    let prefix = below(dir);
    let mut page = Page::default();
    let mut marked = dir.is_root();
    let mut last_folder = None;
    for (key, object) in state.with_prefix(&prefix) {
        let rest = &key[prefix.len()..];
        if rest.is_empty() {
            marked = true;
            continue;
        }
        let (name, folder) = match rest.split_once('/') {
            Some((name, _)) => (name, true),
            None => (rest, false),
        };
        // The keys of one folder follow one another; it is one member.
        if folder && last_folder == Some(name) {
            continue;
        }
        if folder {
            last_folder = Some(name);
        }
        match dir.child(name) {
            Ok(path) if folder => page.entries.push(Entry::dir(path)),
            Ok(path) if file(state, &path).is_some() => page.entries.push(object.listed(&path)),
            _ => page.unnameable.push(dir.clone()),
        }
    }
    if !marked && page.entries.is_empty() && page.unnameable.is_empty() {
        let kind = if state.objects.contains_key(dir.as_str()) { ErrorKind::NotDir } else { ErrorKind::NotFound };
        return Err(Error::new(kind, "list", dir));
    }
    Ok(page)
}

pub(super) fn list_tree(state: &State, dir: &RelPath) -> Result<Page> {
    if !is_folder(state, dir) {
        return Err(Error::new(ErrorKind::NotFound, "list", dir));
    }
    let prefix = below(dir);
    let mut page = Page::default();
    for (key, object) in state.with_prefix(&prefix) {
        let rest = &key[prefix.len()..];
        if rest.is_empty() && !dir.is_root() {
            continue;
        }
        let marker = rest.strip_suffix('/');
        let name = marker.unwrap_or(rest);
        let parsed = if name.is_empty() { None } else { RelPath::parse(name).ok() };
        match parsed.map(|path| dir.join(&path)) {
            Some(path) if marker.is_some() => page.entries.push(Entry::dir(path)),
            Some(path) if file(state, &path).is_some() => page.entries.push(object.listed(&path)),
            Some(path) => page.unnameable.push(path.parent().unwrap_or_else(RelPath::root)),
            None => page.unnameable.push(nearest(dir, rest)),
        }
    }
    Ok(page)
}

/// The deepest folder of a key that has a name.
fn nearest(dir: &RelPath, rest: &str) -> RelPath {
    let mut folder = dir.clone();
    if let Some((folders, _)) = rest.rsplit_once('/') {
        for name in folders.split('/') {
            match folder.child(name) {
                Ok(child) => folder = child,
                Err(_) => break,
            }
        }
    }
    folder
}

pub(super) fn delete(state: &mut State, path: &RelPath, kind: Kind) {
    match kind {
        Kind::File => state.objects.remove(path.as_str()),
        // Only what marks the folder; its members are not touched.
        Kind::Dir => state.objects.remove(&below(path)),
    };
}
