//! The sections of the file, each read into its type.

mod limits;
mod local;
mod mounts;
mod proxy;
mod rights;
mod s3;
mod s3_objects;
mod s3_provider;
mod server;
#[cfg(any(feature = "azblob", feature = "gcs", feature = "sftp", feature = "webdav"))]
mod services;
mod tls;
mod together;
mod tokens;
mod upyun;
mod users;

use davmux_tree::{InvalidPath, TreePath};

use crate::walk::{Section, Text, Walk};
use crate::yaml::{Node, Value};

pub(crate) use mounts::mounts;
pub(crate) use rights::groups;
pub(crate) use server::server;
pub(crate) use together::check_together;
pub(crate) use users::{redirect_rules, users};

/// The members of a list of sections.
fn items<'a>(walk: &Walk<'_>, node: &'a Node, name: &str) -> Option<&'a [Node]> {
    match &node.value {
        Value::List(items) => Some(items),
        Value::Broken => None,
        _ => {
            walk.mistake(node.at, format!("{name} needs a list: lines that begin with `- `"));
            None
        }
    }
}

/// A place in the tree.
fn tree_path(section: &Section<'_>, name: &str, text: Text<'_>) -> Option<TreePath> {
    let why = match TreePath::parse(text.as_str()) {
        Ok(path) => return Some(path),
        Err(_) if !text.as_str().starts_with('/') => "it must begin with /",
        Err(InvalidPath::DotSegment) => "`.` and `..` are not allowed in it",
        Err(InvalidPath::EmptySegment) => "two slashes in a row are not allowed in it",
        Err(InvalidPath::Control) => "control characters are not allowed in it",
        Err(_) => "it is not a path",
    };
    section.walk.mistake(text.at, format!("{name}: {}: {why}", text.shown()));
    None
}
