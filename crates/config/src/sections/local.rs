//! A mount with `driver: local`

use std::time::Duration;

use davmux_tree::MountOptions;

use crate::file::{Folder, Storage};
use crate::walk::Section;

pub(super) fn local(section: &Section<'_>) -> (Option<Storage>, MountOptions) {
    let folder = section.required_text("root_folder_path");
    let storage = folder.map(|text| Storage::Local(Folder { root_folder_path: section.walk.resolve(text.as_str()) }));
    // Looking at a local folder is as quick as looking into a memory of it.
    (storage, MountOptions { list_cache: Duration::ZERO, ..MountOptions::default() })
}
