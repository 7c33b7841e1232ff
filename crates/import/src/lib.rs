//! What another program was told about storages and users, turned into a mounts file.
//!
//! # Why this shape
//!
//! * **Text in, text out.** No file, no network, no clock and no random number of its own: what is read and written, and how
//!   new passwords are made, is the caller's.
//! * **One draft** (`draft.rs`) of a mounts file that each source fills, so that secrets, quoting and comments are decided once.
//! * **What is not taken over is told**, each with its reason, to the caller and in the file itself.
//! * **Rights never grow.** Where the source knows finer rights, the result has less of them, and says so.
//!
//! # What is deliberately absent
//!
//! The meaning of the keys: the result is text, and `davmux check` judges it as it judges every file.

mod alist;
mod draft;
mod rclone;

pub use alist::alist;
pub use draft::{Imported, Note, Rendered, Secret, Secrets};
pub use rclone::rclone;

/// Why nothing was imported.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The text is not of the form that the source writes.
    #[error("this is no backup of AList or OpenList ({0}); it is made in their settings, under Backup & Restore")]
    NoBackup(String),
    /// The backup is encrypted.
    #[error("this backup is encrypted with a password; make one without, import it, and delete it")]
    EncryptedBackup,
    /// The text is not an rclone.conf.
    #[error("line {line}: this is no rclone.conf: {why}")]
    NoRcloneConf {
        /// Where, from 1.
        line: usize,
        /// What is wrong there.
        why: &'static str,
    },
    /// The configuration of rclone is encrypted.
    #[error(
        "this rclone.conf is encrypted; `rclone config show | davmux import rclone -` asks for its password and imports it"
    )]
    EncryptedRclone,
    /// Nothing in it can be a mount.
    #[error("nothing in it can be mounted{}", listed(.0))]
    NoMounts(Vec<Note>),
}

fn listed(notes: &[Note]) -> String {
    notes.iter().map(|note| format!("\n  {note}")).collect()
}
