//! A bucket, or a prefix of one, as storage.
//!
//! # What it is for
//!
//! [`S3`] is a [`Driver`](davmux_driver::Driver) on the S3 protocol. Keys are files, prefixes that end in `/` are
//! folders, and a file that shares its name with a folder is hidden by it.
//!
//! # Why it is so
//!
//! * **The SDK for what is rare, a bare client for bytes.** Calls go through `aws-sdk-s3`, with its retries and its
//!   credential chain. A read is a GET of a signed link by hyper: what a client would be redirected to is what is read
//!   here, and the bytes are not touched. Links are signed without a call.
//! * **As few calls as can be.** A look is a HEAD and a LIST side by side, a small file is one PutObject, a copy needs
//!   no look afterwards, a thousand deletions are one call. The tests count them.
//! * **A commit whose answer was lost is decided by looking.** Every upload carries a nonce in its metadata
//!   (`x-amz-meta-davmux-upload`).
//! * **Plain S3.** No `x-amz-checksum-*`, no `aws-chunked`, `Content-MD5` on DeleteObjects: what every provider takes.
//! * **Memory is shared out.** All parts of all uploads of a process come from one [`UploadMemory`].
//!
//! # What is deliberately absent
//!
//! Empty folders: `davmux-driver-placeholder` keeps them. Caches, locks and the resumption of a read that was cut: the
//! tree's. Versions and access lists. Renames: S3 has none.

use std::sync::Arc;

use davmux_driver::Administered;

mod address;
mod admin;
mod bucket;
mod client;
mod clock;
mod commit;
mod copy;
mod copy_parts;
mod credentials;
mod cut;
mod delete;
mod doctor;
mod dogecloud;
mod error;
mod key;
mod learnt;
mod link;
mod list;
mod memory;
mod metadata;
mod multipart;
mod options;
mod order;
mod pasted;
mod place;
pub mod provider;
mod read;
mod resolve;
mod s3;
mod settings;
mod stat;
mod upload;
mod upload_document;

pub use address::Finding;
pub use dogecloud::DogeCloud;
pub use memory::UploadMemory;
pub use options::{LinkDisposition, OptionsError, RelayFrom, S3Options, Secret};
pub use s3::S3;
pub use settings::{CustomerKey, Encryption, ObjectSettings};

/// The driver of a bucket: [`DogeCloud`] where the provider's row says that keys are exchanged, else [`S3`]. It does not
/// touch the network.
///
/// # Errors
/// [`OptionsError`] for options that cannot work.
pub fn open(options: S3Options, memory: UploadMemory) -> Result<Arc<dyn Administered>, OptionsError> {
    if exchanges_keys(&options) {
        Ok(Arc::new(DogeCloud::open(options, memory)?))
    } else {
        Ok(Arc::new(S3::open(options, memory)?))
    }
}

fn exchanges_keys(options: &S3Options) -> bool {
    options.provider.is_some_and(|row| row.exchanges_keys)
}
