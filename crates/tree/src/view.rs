//! [`View`]: the tree as one user sees it, and the only way in.

use std::sync::Arc;

use davmux_driver::{ErrorKind, Native, RelPath, Usage, When};
use tokio::task::JoinHandle;

use crate::cache::Kept;
use crate::locks::Claim;
use crate::put::no_parent;
use crate::transfer::Job;
use crate::tree::Tree;
use crate::{Error, Failed, Listing, Node, OpenRequest, Opened, Problem, Put, PutRequest, Result};
use crate::{Transfer, Transferred, TreePath};

/// What a user may do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Access {
    /// List and read.
    ReadOnly,
    /// Change, too.
    ReadWrite,
}

/// The tree as one user sees it: a root that is `/` to them, and their rights. Paths of clients are [`RelPath`]s below
/// that root.
#[derive(Clone, Debug)]
pub struct View {
    tree: Arc<Tree>,
    root: TreePath,
    access: Access,
}

impl View {
    /// The tree below `root`, with these rights.
    pub fn new(tree: Arc<Tree>, root: TreePath, access: Access) -> Self {
        Self { tree, root, access }
    }

    pub(crate) fn access(&self) -> Access {
        self.access
    }

    pub(crate) fn tree(&self) -> &Arc<Tree> {
        &self.tree
    }

    /// Where a path of this view is in the tree: the key of WebDAV locks and properties.
    pub fn tree_path(&self, path: &RelPath) -> TreePath {
        self.root.join(path)
    }

    /// The path in this view of a place in the tree; `None` outside the view.
    pub fn view_path(&self, path: &TreePath) -> Option<RelPath> {
        path.below(&self.root)
    }

    /// Whether the entry may be changed, as far as rights and mounts go. Asks no storage.
    ///
    /// # Errors
    /// [`Problem::ReadOnly`], [`Problem::MountPoint`], [`Problem::Reserved`] or [`Problem::NoParent`].
    pub fn writable(&self, path: &RelPath) -> Result<()> {
        let at = self.may_write(path)?;
        self.tree.writable_spot(&at).map(drop)
    }

    fn may_write(&self, path: &RelPath) -> Result<TreePath> {
        let at = self.tree_path(path);
        if self.access == Access::ReadOnly {
            return Err(Error::new(Problem::ReadOnly, &at));
        }
        if path.is_root() {
            return Err(Error::new(Problem::MountPoint, &at));
        }
        Ok(at)
    }

    /// Runs work on the tree to its end, also when the caller stops waiting; a drain waits for it. For a change together with
    /// what must follow it.
    pub fn to_its_end<T: Send + 'static>(&self, work: impl Future<Output = T> + Send + 'static) -> JoinHandle<T> {
        self.tree.tasks.spawn(work)
    }

    /// Looks at one path.
    ///
    /// # Errors
    /// Where [`Error::is_not_found`], a storage said so in a complete answer.
    pub async fn stat(&self, path: &RelPath) -> Result<Node> {
        let (stored, node) = self.tree.find(&self.tree_path(path)).await?;
        let node = self.tree.look_at_time(&stored, node).await?;
        Ok(self.tree.with_folder_time(&stored, node).await)
    }

    /// Looks at one path whatever is kept of it, for a client that will not have less, once in two seconds at most.
    ///
    /// # Errors
    /// The storage did not answer. That nothing is there is none.
    pub async fn renew(&self, path: &RelPath) -> Result<()> {
        self.tree.renew(&self.stored(path).await?).await
    }

    /// The same for the members of a folder: the next listing comes from the storage.
    ///
    /// # Errors
    /// The storage did not answer which Unicode form the path is stored in.
    pub async fn renew_listing(&self, path: &RelPath) -> Result<()> {
        self.tree.renew_listing(&self.stored(path).await?).await;
        Ok(())
    }

    /// A path in the Unicode form in which it is stored, or as it was asked for where nothing is there.
    async fn stored(&self, path: &RelPath) -> Result<TreePath> {
        let at = self.tree_path(path);
        if at.is_ascii() {
            return Ok(at);
        }
        match self.tree.find(&at).await {
            Ok((stored, _)) => Ok(stored),
            Err(error) if error.is_not_found() => Ok(at),
            Err(error) => Err(error),
        }
    }

    /// The members of a folder. An error that the storage gives before the first page is the outer one; a later one ends
    /// the stream, and only a stream without one is the whole listing (promise 1).
    pub async fn list(&self, path: &RelPath) -> Result<Listing> {
        let at = self.tree_path(path);
        match self.tree.list(&at).await {
            Err(error) if error.is_not_found() && !path.as_str().is_ascii() => {
                let (stored, _) = self.tree.find(&at).await?;
                if stored == at { Err(error) } else { self.tree.list(&stored).await }
            }
            result => result,
        }
    }

    /// Opens a file for reading: where to fetch it, or its bytes.
    ///
    /// # Errors
    /// [`ErrorKind::IsDir`] for a folder, [`ErrorKind::Range`], [`ErrorKind::Precondition`] where another version stands
    /// there than the request names.
    pub async fn open(&self, path: &RelPath, request: OpenRequest<'_>) -> Result<Opened> {
        let at = self.tree_path(path);
        match self.tree.open(&at, request).await {
            Err(error) if error.is_not_found() && !path.as_str().is_ascii() => {
                let (stored, _) = self.tree.find(&at).await?;
                if stored == at { Err(error) } else { self.tree.open(&stored, request).await }
            }
            result => result,
        }
    }

    /// Begins to write a file; everything is checked that can be before its content is there.
    ///
    /// # Errors
    /// [`Problem::NoParent`], [`Problem::Junk`], [`ErrorKind::IsDir`], [`Problem::Exists`] and [`ErrorKind::Precondition`] for the request's
    /// condition.
    pub async fn put(&self, path: &RelPath, request: PutRequest) -> Result<Put> {
        let at = self.may_write(path)?;
        self.tree.target_spot(&at)?;
        let (stored, there) = self.tree.target(&at).await?;
        self.tree.put(&stored, there.as_ref(), request).await
    }

    /// Makes a folder.
    ///
    /// # Errors
    /// [`Problem::Exists`] where something stands there, [`Problem::NoParent`], [`Problem::Junk`]; [`ErrorKind::Unsupported`] where the
    /// storage cannot keep an empty folder.
    pub async fn create_dir(&self, path: &RelPath) -> Result<()> {
        let at = self.may_write(path)?;
        // A mount point exists already.
        if self.tree.mounts.is_fixed(&at) {
            return Err(Error::new(Problem::Exists, &at));
        }
        self.tree.target_spot(&at)?;
        let (stored, there) = self.tree.target(&at).await?;
        if there.is_some() {
            return Err(Error::new(Problem::Exists, &at));
        }
        let tree = Arc::clone(&self.tree);
        let work = async move {
            let spot = tree.writable_spot(&stored)?;
            let _claimed = tree.locks.claim(vec![Claim::one(&stored)]).await;
            if tree.claimed_target(&stored).await?.is_some() {
                return Err(Error::new(Problem::Exists, &stored));
            }
            let stamp = tree.cache.stamp(&stored);
            let change = tree.cache.begin(&stored, spot.ttl());
            match spot.driver().create_dir(&spot.rel).await {
                Ok(()) => {
                    spot.mount.answered();
                    change.is(Some(Kept::told(Node::folder(stored.name()))));
                    tree.cache.keep_empty(&stored, spot.ttl(), stamp);
                    tree.forget_facts(&stored).await;
                    Ok(())
                }
                Err(error) if error.kind() == ErrorKind::AlreadyExists => Err(Error::new(Problem::Exists, &stored)),
                Err(error) => Err(no_parent(&spot, error)),
            }
        };
        self.tree.tasks.run(work).await
    }

    /// Deletes a file, or a folder with all that is in it. Members that stayed are named; none means that all is gone.
    pub async fn delete(&self, path: &RelPath, when: When) -> Result<Vec<Failed>> {
        let at = self.may_write(path)?;
        self.tree.writable_spot(&at)?;
        let (stored, _) = self.tree.find(&at).await?;
        self.tree.delete(&stored, when).await
    }

    /// Copies a file, or a folder.
    pub async fn copy(&self, from: &RelPath, to: &RelPath, options: Transfer) -> Result<Transferred> {
        self.transfer(from, to, options, false).await
    }

    /// Moves a file, or a folder with all that is in it.
    pub async fn rename(&self, from: &RelPath, to: &RelPath, overwrite: bool) -> Result<Transferred> {
        self.transfer(from, to, Transfer { overwrite, deep: true }, true).await
    }

    async fn transfer(&self, from: &RelPath, to: &RelPath, options: Transfer, take: bool) -> Result<Transferred> {
        let source = if take { self.may_write(from)? } else { self.tree_path(from) };
        let target = self.may_write(to)?;
        if source.is_within(&target) || target.is_within(&source) {
            return Err(Error::new(Problem::Overlap, &target));
        }
        if take {
            self.tree.writable_spot(&source)?;
        }
        self.tree.target_spot(&target)?;
        let (source, target) = futures_util::join!(self.tree.find(&source), self.tree.target(&target));
        let (source, _) = source?;
        let (target, there) = target?;
        if there.is_some() && !options.overwrite {
            return Err(Error::new(Problem::Exists, &target));
        }
        let job = Job { from: source, to: target, overwrite: options.overwrite, deep: options.deep, take };
        self.tree.transfer(job).await
    }

    /// Room in the storage that a path lies in (RFC 4331), or what its mount says in its place; `None` where neither tells.
    pub async fn usage(&self, path: &RelPath) -> Result<Option<Usage>> {
        let Some(spot) = self.tree.spot(&self.tree_path(path))? else { return Ok(None) };
        match spot.driver().usage().await {
            Ok(Native::Done(usage)) => Ok(Some(usage)),
            Ok(Native::Declined) => {
                Ok(spot.mount.options().quota_available.map(|available| Usage { used: None, available }))
            }
            Err(error) => Err(spot.error(error)),
        }
    }
}
