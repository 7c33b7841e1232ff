//! The rows, one file each.

mod amazon;
mod minio;
mod other;

use super::Provider;
pub(super) use other::OTHER;

/// All rows, in the order of the page: the one for the unknown comes last.
pub(super) static ALL: &[&Provider] = &[&amazon::AMAZON, &minio::MINIO, &OTHER];
