//! [`View`]: the tree as one user sees it, and the only way in.

use std::sync::Arc;

use davmux_driver::{ErrorKind, Link, Native, RelPath, Usage, When};
use tokio::task::JoinHandle;

use crate::gate::{Allowed, Gate, Read, Whole, Write};
use crate::rights::Rights;
use crate::transfer::Job;
use crate::tree::Tree;
use crate::{Error, Failed, Listing, Node, OpenRequest, Opened, Problem, Put, PutRequest, Result};
use crate::{Transfer, Transferred, TreePath};

/// The tree as one user sees it: a root that is `/` to them, and their rights. Paths of clients are [`RelPath`]s below
/// that root.
///
/// What may not be read is not there: to look at it is [`Problem::NotFound`], to change it [`Problem::ReadOnly`], in both
/// cases before anything is asked, so that the answer does not tell whether something is there.
#[derive(Clone, Debug)]
pub struct View {
    pub(crate) gate: Gate,
}

impl View {
    /// The tree below `root`, with these rights. Those are of places in the tree, not in the view.
    pub fn new(tree: Arc<Tree>, root: TreePath, rights: impl Into<Rights>) -> Self {
        Self { gate: Gate::new(tree, root, &rights.into()) }
    }

    /// Where a path of this view is in the tree: the key of WebDAV locks and properties.
    pub fn tree_path(&self, path: &RelPath) -> TreePath {
        self.gate.tree_path(path)
    }

    /// The path in this view of a place in the tree, or of the nearest folder above it that this view shows; the view's root
    /// for what lies outside.
    pub fn shown_path(&self, place: &TreePath) -> RelPath {
        self.gate.shown_path(place)
    }

    /// Whether this view shows what is at a place below its root, if anything is.
    pub fn sees(&self, place: &TreePath) -> bool {
        self.gate.sees(place)
    }

    /// Whether the entry may be changed, as far as rights and mounts go. Asks no storage.
    ///
    /// # Errors
    /// [`Problem::ReadOnly`], [`Problem::MountPoint`], [`Problem::Reserved`] or [`Problem::NoParent`].
    pub fn writable(&self, path: &RelPath) -> Result<()> {
        let place = self.may_write(path)?;
        place.tree.writable_spot(place.at()).map(drop)
    }

    /// Whether the entry may be changed with all that can be below it: deleted, moved, replaced or locked as a whole.
    ///
    /// # Errors
    /// As [`writable`](Self::writable), and [`Problem::Guarded`].
    pub fn writable_below(&self, path: &RelPath) -> Result<()> {
        let place = self.may_write_below(path)?;
        place.tree.writable_spot(place.at()).map(drop)
    }

    /// Whether all that can be at a path and below it may be changed, as far as rights go, not mounts.
    ///
    /// # Errors
    /// [`Problem::ReadOnly`] and [`Problem::Guarded`].
    pub fn may_change_below(&self, path: &RelPath) -> Result<()> {
        self.gate.whole(path).map(drop)
    }

    fn may_write(&self, path: &RelPath) -> Result<Allowed<'_, Write>> {
        let place = self.gate.writable(path)?;
        if path.is_root() { Err(Error::new(Problem::MountPoint, place.at())) } else { Ok(place) }
    }

    fn may_write_below(&self, path: &RelPath) -> Result<Allowed<'_, Whole>> {
        self.may_write(path)?;
        self.gate.whole(path)
    }

    /// Runs work on the tree to its end, also when the caller stops waiting; a drain waits for it. For a change together with
    /// what must follow it.
    pub fn to_its_end<T: Send + 'static>(&self, work: impl Future<Output = T> + Send + 'static) -> JoinHandle<T> {
        self.gate.to_its_end(work)
    }

    /// Looks at one path.
    ///
    /// # Errors
    /// Where [`Error::is_not_found`], a storage said so in a complete answer, or the view does not show the path.
    pub async fn stat(&self, path: &RelPath) -> Result<Node> {
        let (place, node) = self.gate.readable(path)?.find().await?;
        if place.is_way() {
            return Ok(node);
        }
        let node = place.tree.look_at_time(place.at(), node).await?;
        Ok(place.tree.with_folder_time(place.at(), node).await)
    }

    /// Looks at one path whatever is kept of it, for a client that will not have less, once in two seconds at most.
    ///
    /// # Errors
    /// The storage did not answer, or the view does not show the path. That nothing is there is none.
    pub async fn renew(&self, path: &RelPath) -> Result<()> {
        let place = self.gate.readable(path)?;
        place.tree.renew(&stored(&place).await?).await
    }

    /// The same for the members of a folder: the next listing comes from the storage.
    ///
    /// # Errors
    /// The storage did not answer which Unicode form the path is stored in, or the view does not show the path.
    pub async fn renew_listing(&self, path: &RelPath) -> Result<()> {
        let place = self.gate.readable(path)?;
        place.tree.renew_listing(&stored(&place).await?).await;
        Ok(())
    }

    /// The members of a folder. An error that the storage gives before the first page is the outer one; a later one ends
    /// the stream, and only a stream without one is the whole listing (promise 1).
    pub async fn list(&self, path: &RelPath) -> Result<Listing> {
        let place = self.gate.readable(path)?;
        let listing = match place.tree.list(place.at()).await {
            Err(error) if error.is_not_found() && !path.as_str().is_ascii() => {
                let (stored, _) = place.find().await?;
                if stored.at() == place.at() { Err(error) } else { place.tree.list(stored.at()).await }
            }
            result => result,
        }?;
        Ok(match place.rights().members(place.at()) {
            None => listing,
            Some(members) => members.of(listing),
        })
    }

    /// Opens a file for reading: where to fetch it, or its bytes.
    ///
    /// # Errors
    /// [`ErrorKind::IsDir`] for a folder, [`ErrorKind::Range`], [`ErrorKind::Precondition`] where another version stands
    /// there than the request names.
    pub async fn open(&self, path: &RelPath, request: OpenRequest<'_>) -> Result<Opened> {
        let place = self.gate.readable(path)?;
        if place.is_way() {
            let (place, _folder) = place.find().await?;
            return Err(Error::new(Problem::Storage(ErrorKind::IsDir), place.at()));
        }
        match place.tree.open(place.at(), request).await {
            Err(error) if error.is_not_found() && !path.as_str().is_ascii() => {
                let (stored, _) = place.find().await?;
                if stored.at() == place.at() { Err(error) } else { place.tree.open(stored.at(), request).await }
            }
            result => result,
        }
    }

    /// What the download proxy of a file's mount fetches for it: the storage's own link, with the life that the mount
    /// promises. `None` where the mount is not read through one, or its storage gives no links.
    ///
    /// # Errors
    /// [`ErrorKind::IsDir`] for a folder.
    pub async fn link_for_proxy(&self, path: &RelPath) -> Result<Option<Link>> {
        let (place, node) = self.gate.readable(path)?.find().await?;
        place.tree.link_for_proxy(place.at(), &node).await
    }

    /// Begins to write a file; everything is checked that can be before its content is there.
    ///
    /// # Errors
    /// [`Problem::NoParent`], [`Problem::Junk`], [`ErrorKind::IsDir`], [`Problem::Exists`] and [`ErrorKind::Precondition`] for the request's
    /// condition.
    pub async fn put(&self, path: &RelPath, request: PutRequest) -> Result<Put> {
        let place = self.may_write(path)?;
        place.tree.target_spot(place.at())?;
        let (stored, there) = place.tree.target(place.at()).await?;
        place.tree.put(&place.stored(stored), there.as_ref(), request).await
    }

    /// Makes a folder.
    ///
    /// # Errors
    /// [`Problem::Exists`] where something stands there, [`Problem::NoParent`], [`Problem::Junk`]; [`ErrorKind::Unsupported`] where the
    /// storage cannot keep an empty folder.
    pub async fn create_dir(&self, path: &RelPath) -> Result<()> {
        let place = self.may_write(path)?;
        // A mount point exists already.
        if place.tree.mounts.is_fixed(place.at()) {
            return Err(Error::new(Problem::Exists, place.at()));
        }
        place.tree.target_spot(place.at())?;
        let (stored, there) = place.tree.target(place.at()).await?;
        if there.is_some() {
            return Err(Error::new(Problem::Exists, place.at()));
        }
        place.tree.create_dir(&place.stored(stored)).await
    }

    /// Deletes a file, or a folder with all that is in it. Members that stayed are named; none means that all is gone.
    ///
    /// # Errors
    /// As [`writable_below`](Self::writable_below), before anything is touched; nothing stands there; its folder cannot be kept.
    pub async fn delete(&self, path: &RelPath, when: When) -> Result<Vec<Failed>> {
        let place = self.may_write_below(path)?;
        place.tree.writable_spot(place.at())?;
        let (stored, _) = place.tree.find(place.at()).await?;
        place.tree.delete(&place.stored(stored), when).await
    }

    /// Copies a file, or what is seen of a folder.
    ///
    /// # Errors
    /// As [`writable_below`](Self::writable_below) for the target, before anything is touched; those of the change itself.
    pub async fn copy(&self, from: &RelPath, to: &RelPath, options: Transfer) -> Result<Transferred> {
        let target = self.may_write_below(to)?;
        apart(&self.tree_path(from), target.at())?;
        target.tree.target_spot(target.at())?;
        let source = self.gate.readable(from)?;
        let (source, there) = futures_util::join!(source.find(), target.tree.target(target.at()));
        let ((source, _), there) = (source?, free(there, options.overwrite)?);
        target.tree.transfer(Job::copy(&source, &target.stored(there), options)).await
    }

    /// Moves a file, or a folder with all that is in it.
    ///
    /// # Errors
    /// As [`writable_below`](Self::writable_below) for source and target, before anything is touched; those of the change itself.
    pub async fn rename(&self, from: &RelPath, to: &RelPath, overwrite: bool) -> Result<Transferred> {
        let (source, target) = (self.may_write_below(from)?, self.may_write_below(to)?);
        apart(source.at(), target.at())?;
        source.tree.writable_spot(source.at())?;
        target.tree.target_spot(target.at())?;
        let (from, there) = futures_util::join!(source.tree.find(source.at()), target.tree.target(target.at()));
        let ((from, _), there) = (from?, free(there, overwrite)?);
        target.tree.transfer(Job::rename(&source.stored(from), &target.stored(there), overwrite)).await
    }

    /// Room in the storage that a path lies in (RFC 4331), or what its mount says in its place; `None` where neither tells.
    pub async fn usage(&self, path: &RelPath) -> Result<Option<Usage>> {
        let place = self.gate.readable(path)?;
        // The way to something says nothing of itself.
        if place.is_way() {
            return Ok(None);
        }
        let Some(spot) = place.tree.spot(place.at())? else { return Ok(None) };
        match spot.driver().usage().await {
            Ok(Native::Done(usage)) => Ok(Some(usage)),
            Ok(Native::Declined) => {
                Ok(spot.mount.options().quota_available.map(|available| Usage { used: None, available }))
            }
            Err(error) => Err(spot.error(error)),
        }
    }
}

/// A path in the Unicode form in which it is stored, or as it was asked for where nothing is there.
async fn stored(place: &Allowed<'_, Read>) -> Result<TreePath> {
    if place.at().is_ascii() {
        return Ok(place.at().clone());
    }
    match place.find().await {
        Ok((stored, _)) => Ok(stored.at().clone()),
        Err(error) if error.is_not_found() => Ok(place.at().clone()),
        Err(error) => Err(error),
    }
}

fn apart(source: &TreePath, target: &TreePath) -> Result<()> {
    if source.is_within(target) || target.is_within(source) {
        return Err(Error::new(Problem::Overlap, target));
    }
    Ok(())
}

/// The target as it is stored, where something may be put there.
fn free(target: Result<(TreePath, Option<Node>)>, overwrite: bool) -> Result<TreePath> {
    match target? {
        (target, Some(_)) if !overwrite => Err(Error::new(Problem::Exists, &target)),
        (target, _) => Ok(target),
    }
}
