//! `mounts`

use davmux_tree::{Junk, MountOptions, TreePath};

use super::{items, tree_path};
use crate::file::{Mount, Storage};
use crate::keys::{self, Key};
use crate::mistake::Position;
use crate::walk::{Section, Walk, nearest};
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
    let Some(driver) = driver(walk, node) else { return (None, None) };
    let Some(section) = walk.section(node, "this mount", driver.keys) else { return (None, None) };
    section.pair("driver");
    let place =
        section.required_text("path").and_then(|text| tree_path(&section, "path", text).map(|path| (path, text.at)));
    let read_only = section.flag("read_only").unwrap_or(false);
    let junk = section.choice("junk", &[("keep", Junk::Keep), ("refuse", Junk::Refuse)]).unwrap_or_default();
    let bandwidth = super::limits::bandwidth(&section).unwrap_or_default();
    let (storage, options) = (driver.read)(&section);
    let proxy_url = super::proxy::proxy_url(&section);
    let mount = match (&place, storage) {
        (Some((path, _)), Some(storage)) => {
            let options = MountOptions { read_only, junk, bandwidth, ..options };
            Some(Mount { at: section.at, path: path.clone(), options, proxy_url, storage })
        }
        _ => None,
    };
    (place, mount)
}

/// A word after `driver:`, and what comes with it.
struct Driver {
    word: &'static str,
    keys: &'static [Key],
    /// Reads the keys that are the driver's own.
    read: fn(&Section<'_>) -> (Option<Storage>, MountOptions),
}

/// Every driver of this build.
const DRIVERS: &[Driver] = &[
    Driver { word: "local", keys: keys::LOCAL, read: super::local::local },
    Driver { word: "s3", keys: keys::S3, read: super::s3::s3 },
    Driver { word: "upyun", keys: keys::UPYUN, read: super::upyun::upyun },
    #[cfg(feature = "sftp")]
    Driver { word: "sftp", keys: keys::SFTP, read: super::services::sftp },
    #[cfg(feature = "azblob")]
    Driver { word: "azblob", keys: keys::AZBLOB, read: super::services::azblob },
    #[cfg(feature = "gcs")]
    Driver { word: "gcs", keys: keys::GCS, read: super::services::gcs },
    #[cfg(feature = "webdav")]
    Driver { word: "webdav", keys: keys::WEBDAV, read: super::services::webdav },
];

/// Drivers that only a build with the feature of the same name has.
const FEATURES: [&str; 4] = ["sftp", "azblob", "gcs", "webdav"];

/// Which keys a mount has depends on its driver, so this one is read before the others.
fn driver(walk: &Walk<'_>, node: &Node) -> Option<&'static Driver> {
    let words = |between: &str| DRIVERS.iter().map(|driver| driver.word).collect::<Vec<_>>().join(between);
    let pairs = walk.pairs(node, "a mount")?;
    let Some(pair) = pairs.iter().find(|pair| pair.key == "driver") else {
        let hint = match pairs.iter().find(|pair| nearest(&pair.key, ["driver"].into_iter()).is_some()) {
            Some(pair) => format!("; `{}` in line {} is an unknown key", pair.key.escape_debug(), pair.at.line),
            None => String::new(),
        };
        walk.mistake(node.at, format!("this mount has no `driver`, and needs one: {}{hint}", words(" or ")));
        return None;
    };
    let text = walk.scalar(&pair.node, "driver", "a word such as local or s3")?;
    let found = DRIVERS.iter().find(|driver| driver.word == text.as_str());
    if found.is_none() {
        let why = match FEATURES.into_iter().find(|word| *word == text.as_str()) {
            Some(word) => {
                format!("is not in this build; `cargo build --release --features {word}` makes one that has it")
            }
            None => {
                let meant = nearest(text.as_str(), DRIVERS.iter().map(|driver| driver.word));
                let hint = meant.map(|word| format!("; did you mean `{word}`?")).unwrap_or_default();
                format!("is not one of {}{hint}", words(", "))
            }
        };
        walk.mistake(text.at, format!("driver: {} {why}", text.shown()));
    }
    found
}
