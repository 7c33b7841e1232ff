//! Writing a file: it appears whole or not at all (promise 3). Making a folder.

use std::fmt;
use std::sync::Arc;
use std::time::SystemTime;

use bytes::Bytes;
use davmux_driver::{Checksums, ErrorKind, Metadata, When, WriteRequest};
use tokio_util::task::task_tracker::TaskTrackerToken;

use crate::audit::Change;
use crate::cache::Kept;
use crate::gate::{Allowed, Write};
use crate::junk::is_junk;
use crate::locks::Claim;
use crate::mounts::Spot;
use crate::staged::Staged;
use crate::tree::Tree;
use crate::walk::has_real_dirs;
use crate::{Error, Junk, Node, Problem, Result, TreePath};

/// What is to be written.
#[derive(Clone, Debug, Default)]
pub struct PutRequest {
    /// The length in bytes that the client announced; another one is refused and nothing changes.
    pub size: Option<u64>,
    /// A condition on what stands there, looked at again when the upload takes effect.
    pub when: When,
    /// The media type to keep.
    pub content_type: Option<Arc<str>>,
    /// The time to keep.
    pub modified: Option<SystemTime>,
    /// Checksums of the content to keep. Whoever announces them verifies them before [`Put::finish`].
    pub checksums: Checksums,
}

/// What a write did.
#[derive(Clone, Debug)]
pub struct Written {
    /// The new file; its time is `None` where the storage does not tell it with the answer.
    pub node: Node,
    /// Nothing stood there before.
    pub created: bool,
}

/// A file being written. Dropped before [`finish`](Self::finish), it changes nothing and leaves nothing.
pub struct Put {
    tree: Arc<Tree>,
    /// Taken by `finish` and `abort`.
    staged: Option<Staged>,
    spot: Spot,
    size: Option<u64>,
    metadata: Metadata,
    received: u64,
    /// Nothing stood there when it began.
    created: bool,
    /// A shutdown waits until the upload was completed or removed (promise 8), whoever holds it.
    _open: TaskTrackerToken,
}

impl fmt::Debug for Put {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Put").field("path", &self.spot.path).field("received", &self.received).finish_non_exhaustive()
    }
}

impl Tree {
    /// Makes a folder at a path that [`Tree::target`] gave, where nothing stands.
    pub(crate) async fn create_dir(self: &Arc<Self>, place: &Allowed<'_, Write>) -> Result<()> {
        let (tree, path) = (Arc::clone(self), place.at().clone());
        let work = async move {
            let spot = tree.writable_spot(&path)?;
            let _claimed = tree.locks.claim(vec![Claim::one(&path)]).await;
            if tree.claimed_target(&path).await?.is_some() {
                return Err(Error::new(Problem::Exists, &path));
            }
            let stamp = tree.cache.stamp(&path);
            let change = tree.cache.begin(&path, spot.ttl());
            match spot.driver().create_dir(&spot.rel).await {
                Ok(()) => {
                    spot.mount.answered();
                    change.is(Some(Kept::told(Node::folder(path.name()))));
                    tree.cache.keep_empty(&path, spot.ttl(), stamp);
                    tree.forget_facts(&path).await;
                    Ok(())
                }
                Err(error) if error.kind() == ErrorKind::AlreadyExists => Err(Error::new(Problem::Exists, &path)),
                Err(error) => Err(no_parent(&spot, error)),
            }
        };
        let change = Change::new("mkcol", place.at());
        let work = async move {
            let made = work.await;
            change.ended(&made, |()| (0, None));
            made
        };
        self.tasks.run(work).await
    }

    /// Begins a file at a path that [`Tree::target`] gave, where `there` stands now.
    pub(crate) async fn put(
        self: &Arc<Self>,
        place: &Allowed<'_, Write>,
        there: Option<&Node>,
        request: PutRequest,
    ) -> Result<Put> {
        let path = place.at();
        let spot = self.writable_spot(path)?;
        match there {
            Some(node) if node.is_dir() => return Err(Error::new(Problem::Storage(ErrorKind::IsDir), path)),
            Some(_) if request.when == When::Absent => return Err(Error::new(Problem::Exists, path)),
            None if matches!(request.when, When::Matches(_)) => {
                return Err(Error::new(Problem::Storage(ErrorKind::Precondition), path));
            }
            _ => {}
        }
        let largest = spot.driver().capabilities().max_file_size;
        if request.size.zip(largest).is_some_and(|(size, largest)| size > largest) {
            return Err(Error::new(Problem::Storage(ErrorKind::TooLarge), path));
        }
        let size = request.size;
        let metadata = Metadata { modified: request.modified, checksums: request.checksums };
        let write = WriteRequest { size, when: request.when, content_type: request.content_type, metadata };
        let staged = Staged::begin(self, &spot, write).await.map_err(|error| no_parent(&spot, error))?;
        Ok(Put {
            tree: Arc::clone(self),
            staged: Some(staged),
            spot,
            size,
            metadata,
            received: 0,
            created: there.is_none(),
            _open: self.tasks.token(),
        })
    }

    /// The mount of a path that is about to change.
    pub(crate) fn writable_spot(&self, path: &TreePath) -> Result<Spot> {
        let spot = match self.spot(path) {
            Ok(spot) => spot,
            // Outside all mounts, or in the folder that a storage keeps for itself.
            Err(_) if self.mounts.place(path).is_nowhere() => return Err(Error::new(Problem::NoParent, path)),
            Err(_) => return Err(Error::new(Problem::Reserved, path)),
        };
        match spot {
            Some(spot) if !self.mounts.is_fixed(path) => {
                if spot.mount.options().read_only {
                    return Err(Error::new(Problem::ReadOnly, path));
                }
                Ok(spot)
            }
            _ => Err(Error::new(Problem::MountPoint, path)),
        }
    }

    /// The same for what is to be made or replaced there. Asks no storage.
    pub(crate) fn target_spot(&self, path: &TreePath) -> Result<Spot> {
        let spot = self.writable_spot(path)?;
        if spot.mount.options().junk == Junk::Refuse && is_junk(path.name()) {
            return Err(Error::new(Problem::Junk, path));
        }
        Ok(spot)
    }
}

/// When a new entry meets `NotFound`, it is its folder that is missing.
pub(crate) fn no_parent(spot: &Spot, error: davmux_driver::Error) -> Error {
    match error.kind() {
        ErrorKind::NotFound | ErrorKind::NotDir => Error::new(Problem::NoParent, &spot.path),
        _ => spot.error(error),
    }
}

impl Put {
    /// Takes the next bytes; resolves when there is room for more.
    ///
    /// # Errors
    /// More bytes than were announced ([`ErrorKind::Incomplete`]), and those of the storage. The upload is then over.
    pub async fn write(&mut self, chunk: Bytes) -> Result<()> {
        self.received += chunk.len() as u64;
        if self.size.is_some_and(|size| self.received > size) {
            return Err(self.incomplete());
        }
        match &mut self.staged {
            Some(staged) => staged.write(chunk).await.map_err(|error| self.spot.error(error)),
            None => Err(self.incomplete()),
        }
    }

    /// Keeps checksums of what was written that were computed on the way: in the state store alone, as the storage was told
    /// before. To be called when all has been written.
    pub fn computed(&mut self, checksums: Checksums) {
        self.metadata.checksums = self.metadata.checksums.or(checksums);
    }

    fn incomplete(&self) -> Error {
        Error::new(Problem::Storage(ErrorKind::Incomplete), &self.spot.path)
    }

    /// Commits in a task that runs to its end also when the caller goes away.
    ///
    /// # Errors
    /// Fewer bytes than announced ([`ErrorKind::Incomplete`]); a condition that does not hold any more; those of the
    /// storage. In each case the former file stands.
    pub async fn finish(mut self) -> Result<Written> {
        let Some(staged) = self.staged.take() else { return Err(self.incomplete()) };
        let (tree, spot, created) = (Arc::clone(&self.tree), self.spot.clone(), self.created);
        let metadata = self.metadata;
        if self.size.is_some_and(|size| self.received != size) {
            let error = self.incomplete();
            tree.tasks.run(staged.abort()).await;
            return Err(error);
        }
        let tasks = tree.tasks.clone();
        let (bytes, change) = (self.received, Change::new("put", &spot.path));
        let work = async move {
            let written = commit(&tree, &spot, staged, metadata, created).await;
            change.ended(&written, |_| (0, Some(bytes)));
            written
        };
        tasks.run(work).await
    }

    /// Gives up, and waits until nothing is left.
    pub async fn abort(mut self) {
        if let Some(staged) = self.staged.take() {
            self.tree.tasks.run(staged.abort()).await;
        }
    }
}

impl Drop for Put {
    fn drop(&mut self) {
        if let Some(staged) = self.staged.take()
            && tokio::runtime::Handle::try_current().is_ok()
        {
            drop(self.tree.tasks.spawn(staged.abort()));
        }
    }
}

async fn commit(tree: &Tree, spot: &Spot, staged: Staged, metadata: Metadata, created: bool) -> Result<Written> {
    let _claimed = tree.locks.claim(vec![Claim::one(&spot.path)]).await;
    let created = if has_real_dirs(spot.driver()) {
        created
    } else {
        // A storage of keys would hide the file behind a folder that was made meanwhile, and bring back a folder that was
        // deleted meanwhile; it cannot tell. What is known already is not asked again.
        let created = match tree.claimed_target(&spot.path).await {
            Ok(there) if there.as_ref().is_some_and(Node::is_dir) => {
                Err(Error::new(Problem::Storage(ErrorKind::IsDir), &spot.path))
            }
            Ok(there) => Ok(there.is_none()),
            Err(error) => Err(error),
        };
        match created {
            Ok(created) => created,
            Err(error) => {
                staged.abort().await;
                return Err(error);
            }
        }
    };
    let change = tree.cache.begin(&spot.path, spot.ttl());
    match staged.finish().await {
        Ok(entry) => {
            spot.mount.answered();
            let node = tree.written(&spot.path, entry, metadata).await;
            change.is(Some(Kept::written(node.clone())));
            if created {
                tree.forget_properties(&spot.path).await;
            }
            Ok(Written { node, created })
        }
        Err(error) => Err(match error.kind() {
            ErrorKind::AlreadyExists => Error::new(Problem::Exists, &spot.path),
            _ => no_parent(spot, error),
        }),
    }
}
