//! [`Driver`]: one storage.

use std::fmt;
use std::pin::Pin;
use std::sync::Arc;
use std::time::SystemTime;

use async_trait::async_trait;
use futures_core::Stream;

use crate::{
    Entry, Etag, Kind, Link, LinkRequest, ReadReply, ReadRequest, RelPath, Result, Upload, When, WriteRequest,
};

/// The outcome of a shortcut. `Declined` is not an error: the tree does the work with the required methods. A declined
/// shortcut changed nothing. It is decided per call: a copy within one bucket may be done, one across accounts declined.
#[derive(Debug)]
#[must_use]
pub enum Native<T> {
    /// Done by the storage itself.
    Done(T),
    /// Not here, or not this one.
    Declined,
}

/// What a caller already knows of a path that it asks about, so that a storage that would have to look twice looks once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Expect {
    /// Nothing: file, folder or nothing.
    Any,
    /// Only a file matters; no folder of this name stands there.
    File,
    /// Only a folder matters; where none stands the answer is `NotFound`, whatever file may be there.
    Dir,
}

/// Whether a listing of all below a folder goes into this folder.
pub type Enters = Arc<dyn Fn(&RelPath) -> bool + Send + Sync>;

/// Some of the members of a folder.
#[derive(Clone, Debug, Default)]
pub struct Page {
    /// The members that have a name.
    pub entries: Vec<Entry>,
    /// Members that no [`RelPath`] can name (not UTF-8, `a//b`, `..`, a file hidden behind a folder of the same name):
    /// for each, the nearest folder that can be named. They are hidden, counted and never deleted unseen.
    pub unnameable: Vec<RelPath>,
}

/// Pages in the order they arrive. Only a stream that ended without an error is the whole listing; after an error it
/// ends. After [`Throttled`](crate::ErrorKind::Throttled) alone it may also go on, with the page that was refused, for one
/// who has waited and asks again.
pub type Pages = Pin<Box<dyn Stream<Item = Result<Page>> + Send>>;

/// One entry to delete.
#[derive(Clone, Debug)]
pub struct Removal {
    /// Where.
    pub path: RelPath,
    /// What the caller saw there. A folder is deleted by itself, never with members.
    pub kind: Kind,
    /// Delete only this version, where the storage can check it.
    pub etag: Option<Etag>,
}

/// Room in a storage, in bytes (RFC 4331).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Usage {
    /// Bytes in use; `None`: nobody counts them.
    pub used: Option<u64>,
    /// Bytes still free to this process.
    pub available: u64,
}

/// What the tree must know before it acts; what can be decided per call is a [`Native`] instead. The contract suite
/// proves both sides of each.
#[derive(Clone, Debug)]
pub struct Capabilities {
    /// Folders exist by themselves. If false a folder is a prefix of keys and vanishes with its last member, unless
    /// [`Driver::keep_dir`] holds it.
    pub real_dirs: bool,
    /// [`When`] is checked in one step with the change. If false another process can slip in between look and change.
    pub atomic_conditions: bool,
    /// [`Removal::etag`] is checked in one step with the deletion; if false it is ignored and the tree looks before.
    pub conditional_delete: bool,
    /// The most entries that one [`Driver::delete`] takes; at least 1.
    pub delete_batch: usize,
    /// The largest file in bytes.
    pub max_file_size: Option<u64>,
    /// A folder of the storage's own, hidden from its listings and swept when it is next opened, on the same file system
    /// as the rest: the tree builds there what must appear at once, and renames it into place. `None`: there is none.
    pub staging: Option<RelPath>,
    /// Reads answer with open files of this machine ([`Body::File`](crate::Body::File)), which keep no connection busy.
    pub reads_files: bool,
}

impl Default for Capabilities {
    fn default() -> Self {
        Self {
            real_dirs: true,
            atomic_conditions: false,
            conditional_delete: false,
            delete_batch: 1,
            max_file_size: None,
            staging: None,
            reads_files: false,
        }
    }
}

/// One storage.
///
/// Every method may be called at any time from any task. Any future may be dropped at any await: then each entry that
/// the call names was changed entirely or not at all. Longer work (a deep copy, a large upload) is the tree's, in a task
/// that outlives the request.
///
/// A wrapper forwards every method, the defaulted ones too: put `#[deny(clippy::missing_trait_methods)]` on its `impl`.
#[async_trait]
pub trait Driver: fmt::Debug + Send + Sync + 'static {
    /// A word for logs: `"local"`, `"s3"`.
    fn name(&self) -> &'static str;

    /// What the tree must know beforehand; the same for the whole life of the driver.
    fn capabilities(&self) -> &Capabilities;

    /// Cheap and bounded: is the root there and readable with these credentials?
    ///
    /// # Errors
    /// [`Unavailable`](crate::ErrorKind::Unavailable) for a missing bucket or root folder too;
    /// [`Denied`](crate::ErrorKind::Denied) for wrong credentials. The detail says what to do.
    async fn check(&self) -> Result<()>;

    /// Looks at one path. The root is a folder. Where a file and a folder share a name the folder wins.
    ///
    /// # Errors
    /// [`NotFound`](crate::ErrorKind::NotFound) only where the storage said so in a complete answer.
    async fn stat(&self, path: &RelPath, expect: Expect) -> Result<Entry>;

    /// The direct members of a folder, each name once, in any order. [`NotFound`](crate::ErrorKind::NotFound) for what
    /// is not there, [`NotDir`](crate::ErrorKind::NotDir) (or `NotFound`, where looking would cost a call) for a file;
    /// both as the first item.
    fn list(&self, dir: &RelPath) -> Pages;

    /// Opens a file. The reply describes the bytes that it holds.
    ///
    /// # Errors
    /// [`IsDir`](crate::ErrorKind::IsDir) (or `NotFound`) for a folder, [`Precondition`](crate::ErrorKind::Precondition)
    /// for another version than asked, [`Range`](crate::ErrorKind::Range) for a range behind the end.
    async fn read(&self, path: &RelPath, request: ReadRequest) -> Result<ReadReply>;

    /// Begins a file. Its folder exists (a storage of keys need not look). Changes nothing visible.
    async fn write(&self, path: &RelPath, request: WriteRequest) -> Result<Box<dyn Upload>>;

    /// Cleans up what an [`Upload`] of an earlier process left under its [`upload_id`](Upload::upload_id). What is gone
    /// already is a success.
    async fn abort_upload(&self, path: &RelPath, upload_id: &str) -> Result<()>;

    /// Makes one folder in a folder that exists.
    ///
    /// # Errors
    /// [`AlreadyExists`](crate::ErrorKind::AlreadyExists) where something is there and the storage can tell in the same
    /// step; [`NotFound`](crate::ErrorKind::NotFound) for a missing parent likewise;
    /// [`Unsupported`](crate::ErrorKind::Unsupported) where an empty folder cannot be kept.
    async fn create_dir(&self, path: &RelPath) -> Result<()>;

    /// Makes sure that a folder outlives its last member. Idempotent; nothing to do where folders are real.
    ///
    /// # Errors
    /// [`Unsupported`](crate::ErrorKind::Unsupported) where a folder exists only while something is in it: the tree then
    /// knows that it goes with its last member.
    async fn keep_dir(&self, path: &RelPath) -> Result<()>;

    /// Deletes at most [`delete_batch`](Capabilities::delete_batch) entries; what is absent counts as deleted. A folder
    /// with members is never deleted with them: that one fails with [`NotEmpty`](crate::ErrorKind::NotEmpty), or, where
    /// folders are not real, only what marks it goes.
    ///
    /// # Errors
    /// The outer error: nothing is known of any of them. The inner list: these failed, the others are gone.
    async fn delete(&self, batch: &[Removal]) -> Result<Vec<(RelPath, crate::Error)>>;

    /// Shortcut: a URL at which a client may fetch this file itself.
    async fn link(&self, _file: &Entry, _request: LinkRequest) -> Result<Native<Link>> {
        Ok(Native::Declined)
    }

    /// Shortcut: everything below a folder, at any depth, without the folder itself, in any order. A folder below that
    /// exists by itself (real, or kept by a marker) is an entry; one that is only a prefix of keys need not be.
    fn list_tree(&self, _dir: &RelPath) -> Native<Pages> {
        Native::Declined
    }

    /// The same for a caller who leaves out what is below some folders: a storage that goes from folder to folder does not
    /// look into those. One that lists all at once tells what is in them, too, as here.
    fn list_tree_in(&self, dir: &RelPath, _enters: Enters) -> Native<Pages> {
        self.list_tree(dir)
    }

    /// Shortcut: copies one file inside the storage, exactly the version `from.etag` where one is given. Replaces a file.
    async fn copy(&self, _from: &Entry, _to: &RelPath, _when: &When) -> Result<Native<Entry>> {
        Ok(Native::Declined)
    }

    /// Shortcut: begins the copy of a file that [`copy`](Self::copy) declined because it is too large for one step, where
    /// the storage copies it piece by piece. It is an upload that takes no bytes: its [`finish`](Upload::finish) copies,
    /// and its [`upload_id`](Upload::upload_id) is known at once, so what a crash leaves of it can be cleaned up.
    ///
    /// That `finish` fails with [`Unsupported`](crate::ErrorKind::Unsupported) where the storage turns out not to copy
    /// pieces: nothing was changed, and the caller streams.
    async fn begin_copy(&self, _from: &Entry, _to: &RelPath, _when: &When) -> Result<Native<Box<dyn Upload>>> {
        Ok(Native::Declined)
    }

    /// Shortcut: moves a file, or a folder with all its members, in one step. With [`When::Always`] whatever stands at
    /// the target, a folder with members too, is replaced: it goes only when the new one can take its place at once.
    async fn rename(&self, _from: &Entry, _to: &RelPath, _when: &When) -> Result<Native<Entry>> {
        Ok(Native::Declined)
    }

    /// Shortcut: sets the time that a listing shows.
    async fn set_modified(&self, _path: &RelPath, _modified: SystemTime) -> Result<Native<()>> {
        Ok(Native::Declined)
    }

    /// Shortcut: how much room is used and left.
    async fn usage(&self) -> Result<Native<Usage>> {
        Ok(Native::Declined)
    }
}
