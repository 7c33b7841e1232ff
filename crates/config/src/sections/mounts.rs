//! `mounts`

use davmux_tree::{MountOptions, TreePath};

use super::{items, tree_path};
use crate::file::Mount;
use crate::keys;
use crate::mistake::Position;
use crate::walk::{Walk, nearest};
use crate::yaml::Node;

pub(crate) fn mounts<'a>(walk: &'a Walk<'a>, node: Option<&'a Node>) -> Option<Vec<Mount>> {
    let node = node?;
    let nodes = items(walk, node, "mounts")?;
    if nodes.is_empty() {
        walk.mistake(node.at, "there are no mounts; the tree needs at least one");
    }
    let mut places: Vec<(TreePath, Position)> = Vec::new();
    let mut mounts = Vec::new();
    for node in nodes {
        let (place, read) = mount(walk, node);
        // A mount that is wrong elsewhere still takes its place.
        if let Some((path, at)) = place {
            if let Some((_, first)) = places.iter().find(|(other, _)| *other == path) {
                walk.mistake(at, format!("path: a mount is here already in line {}", first.line));
            }
            places.push((path, at));
        }
        mounts.extend(read);
    }
    Some(mounts)
}

/// Its place, and all of it.
fn mount<'a>(walk: &'a Walk<'a>, node: &'a Node) -> (Option<(TreePath, Position)>, Option<Mount>) {
    let driver = driver(walk, node);
    let keys = match driver {
        Some("local") => keys::LOCAL,
        Some("s3") => keys::S3,
        Some("upyun") => keys::UPYUN,
        _ => return (None, None),
    };
    let Some(section) = walk.section(node, "this mount", keys) else { return (None, None) };
    section.pair("driver");
    let place =
        section.required_text("path").and_then(|text| tree_path(&section, "path", text).map(|path| (path, text.at)));
    let read_only = section.flag("read_only").unwrap_or(false);
    let (storage, options) = match driver {
        Some("local") => super::local::local(&section),
        Some("upyun") => super::upyun::upyun(&section),
        _ => super::s3::s3(&section),
    };
    let mount = match (&place, storage) {
        (Some((path, _)), Some(storage)) => {
            Some(Mount { at: section.at, path: path.clone(), options: MountOptions { read_only, ..options }, storage })
        }
        _ => None,
    };
    (place, mount)
}

/// Which keys a mount has depends on its driver, so this one is read before the others.
fn driver(walk: &Walk<'_>, node: &Node) -> Option<&'static str> {
    const DRIVERS: [&str; 3] = ["local", "s3", "upyun"];
    /// Drivers that no mount can name yet.
    const FEATURES: [&str; 4] = ["azblob", "gcs", "sftp", "webdav"];
    let pairs = walk.pairs(node, "a mount")?;
    let Some(pair) = pairs.iter().find(|pair| pair.key == "driver") else {
        let hint = match pairs.iter().find(|pair| nearest(&pair.key, ["driver"].into_iter()).is_some()) {
            Some(pair) => format!("; `{}` in line {} is an unknown key", pair.key.escape_debug(), pair.at.line),
            None => String::new(),
        };
        walk.mistake(node.at, format!("this mount has no `driver`, and needs one: {}{hint}", DRIVERS.join(" or ")));
        return None;
    };
    let text = walk.scalar(&pair.node, "driver", "a word such as local or s3")?;
    let found = DRIVERS.into_iter().find(|driver| *driver == text.as_str());
    if FEATURES.contains(&text.as_str()) {
        let message = "no mount can name this driver yet; it stands in the crate davmux-driver-opendal, behind the \
                       feature of its name";
        walk.mistake(text.at, format!("driver: {}: {message}", text.shown()));
    } else if found.is_none() {
        walk.mistake(text.at, format!("driver: {} is not one of {}", text.shown(), DRIVERS.join(", ")));
    }
    found
}
