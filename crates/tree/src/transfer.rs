//! COPY and MOVE: between any two places of the tree, and never destroying first (promise 4).
//!
//! Where a storage can do it in one step, it does. Else new content stands before old content goes: members are copied,
//! each exactly the version that was seen; what stood at the target and is not replaced goes when all new members stand;
//! the source of a MOVE goes last, member by member, only those that are still the version that was copied. A store with
//! real folders cannot hold old and new under one name, so there the new folder is built in the store's own staging
//! folder and renamed into place.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::time::SystemTime;

use davmux_driver::{Entry, ErrorKind, Etag, Expect, Kind, Metadata, Native, ReadRequest, RelPath, When, WriteRequest};
use futures_util::StreamExt;

use crate::audit::Change;
use crate::cache::Kept;
use crate::copying::Copying;
use crate::gate::{Allowed, Read, Whole};
use crate::kept::Copy;
use crate::locks::Claim;
use crate::mounts::Spot;
use crate::pace::Pace;
use crate::put::no_parent;
use crate::read::content;
use crate::remove::{Choice, Failed, slow_down};
use crate::rights::{Rights, Sight};
use crate::staged::Staged;
use crate::tree::Tree;
use crate::walk::{has_real_dirs, walk};
use crate::{Access, Error, Node, Problem, Result, TreePath};

/// How a COPY is to be done.
#[derive(Clone, Copy, Debug)]
pub struct Transfer {
    /// Whether something may stand at the target (`Overwrite`).
    pub overwrite: bool,
    /// With everything below (`Depth: infinity`), or a folder alone.
    pub deep: bool,
}

/// What a COPY or a MOVE did.
#[derive(Clone, Debug)]
pub struct Transferred {
    /// Nothing stood at the target before.
    pub created: bool,
    /// Members that were not copied or, for a MOVE, stayed where they were.
    pub failed: Vec<Failed>,
}

/// A copy or a move from one place to another.
#[derive(Clone, Debug)]
pub(crate) struct Job {
    pub(crate) from: TreePath,
    pub(crate) to: TreePath,
    pub(crate) overwrite: bool,
    pub(crate) deep: bool,
    pub(crate) take: bool,
    /// What is not seen of the source is left out of a copy.
    pub(crate) seen: Rights,
}

impl Job {
    pub(crate) fn copy(from: &Allowed<'_, Read>, to: &Allowed<'_, Whole>, options: Transfer) -> Self {
        let (from, to, seen) = (from.at().clone(), to.at().clone(), from.rights().clone());
        Self { from, to, overwrite: options.overwrite, deep: options.deep, take: false, seen }
    }

    /// Whoever may change all of the source sees all of it.
    pub(crate) fn rename(from: &Allowed<'_, Whole>, to: &Allowed<'_, Whole>, overwrite: bool) -> Self {
        let (from, to) = (from.at().clone(), to.at().clone());
        Self { from, to, overwrite, deep: true, take: true, seen: Rights::from(Access::ReadWrite) }
    }

    /// Whether what is of this kind at a place of the source is part of it.
    pub(crate) fn sees(&self, path: &TreePath, kind: Kind) -> bool {
        match self.seen.sight(path) {
            Sight::All => true,
            Sight::Way => kind == Kind::Dir,
            Sight::Nothing => false,
        }
    }
}

/// The version of a file that was copied.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Version {
    etag: Option<Etag>,
    size: u64,
    modified: Option<SystemTime>,
}

impl Version {
    pub(crate) fn of(entry: &Entry) -> Self {
        Self { etag: entry.etag.clone(), size: entry.size, modified: entry.modified }
    }

    /// Whether a later look shows the same version: the same ETag, where there is one.
    pub(crate) fn is_still(&self, entry: &Entry) -> bool {
        match (&self.etag, &entry.etag) {
            (Some(copied), Some(now)) => copied == now,
            _ => self.size == entry.size && self.modified == entry.modified,
        }
    }
}

impl Tree {
    /// Does a job whose paths are as they are stored.
    pub(crate) async fn transfer(self: &Arc<Self>, job: Job) -> Result<Transferred> {
        if job.from.is_within(&job.to) || job.to.is_within(&job.from) {
            return Err(Error::new(Problem::Overlap, &job.to));
        }
        if job.take {
            self.writable_spot(&job.from)?;
        }
        let to = self.writable_spot(&job.to)?;
        let tree = Arc::clone(self);
        let change = Change::new(if job.take { "move" } else { "copy" }, &job.from).to(&job.to);
        let work = async move {
            let transferred = tree.transfer_now(job, to).await;
            change.ended(&transferred, |done| (done.failed.len(), None));
            transferred
        };
        self.tasks.run(work).await
    }

    async fn transfer_now(self: Arc<Self>, job: Job, to: Spot) -> Result<Transferred> {
        let source = if job.take { Claim::all(&job.from) } else { Claim::read(&job.from) };
        let _claimed = self.locks.claim(vec![source, Claim::all(&job.to)]).await;
        let (node, there) = futures_util::join!(self.look_anew(&job.from), self.claimed_target(&job.to));
        let (node, there) = (node?, there?);
        // A folder on the way to something may have become a file since its user looked at it.
        if !job.sees(&job.from, node.kind) {
            return Err(Error::new(Problem::NotFound, &job.from));
        }
        if there.is_some() && !job.overwrite {
            return Err(Error::new(Problem::Exists, &job.to));
        }
        let created = there.is_none();
        let from = self.spot(&job.from)?;
        let joined = job.take && node.is_dir() && self.unfinished.holds(&job).await?;
        let failed = match (from, job.take) {
            (Some(from), true) => self.move_entry(&job, &from, &node, &to, there.as_ref()).await?,
            (Some(from), false) if !node.is_dir() => {
                self.copy_file(&from, &node, &to, there.as_ref()).await?;
                Vec::new()
            }
            _ => self.copy_folder(&job, &to, there.as_ref()).await?.failed,
        };
        self.transfer_facts(&job, created, joined, &failed).await;
        Ok(Transferred { created, failed })
    }

    async fn move_entry(
        self: &Arc<Self>,
        job: &Job,
        from: &Spot,
        node: &Node,
        to: &Spot,
        there: Option<&Node>,
    ) -> Result<Vec<Failed>> {
        let leaves = self.keep_parent(from).await?;
        let failed = if self.rename(from, node, to, there).await? {
            Vec::new()
        } else if node.is_dir() {
            self.move_folder(job, from, to, there).await?
        } else {
            let copied = self.copy_file(from, node, to, there).await?;
            self.remove_copied(from, &copied).await
        };
        self.left(leaves);
        Ok(failed)
    }

    /// In one step, where both ends are in one storage that can.
    async fn rename(&self, from: &Spot, node: &Node, to: &Spot, there: Option<&Node>) -> Result<bool> {
        if !Arc::ptr_eq(&from.mount, &to.mount) {
            return Ok(false);
        }
        if has_real_dirs(to.driver()) {
            self.may_replace(to, there).await?;
        }
        let when = if there.is_some() { When::Always } else { When::Absent };
        let deep = node.is_dir() || there.is_some_and(Node::is_dir);
        let (source, target) = (self.cache.begin_move(&from.path, deep), self.cache.begin_move(&to.path, deep));
        match from.driver().rename(&node.to_entry(&from.rel), &to.rel, &when).await {
            Ok(Native::Done(entry)) => {
                from.mount.answered();
                self.kept_moved(&from.path, &to.path).await;
                let before = self.known_before(&to.path).await;
                let node = self.shown(&to.path, before, entry).await;
                source.is(None, from.ttl());
                target.is(Some(Kept::written(node)), to.ttl());
                Ok(true)
            }
            Ok(Native::Declined) => Ok(false),
            Err(error) => Err(refused(to, error)),
        }
    }

    /// Copies one file over whatever stands at the target. Answers the version that was copied.
    async fn copy_file(&self, from: &Spot, node: &Node, to: &Spot, there: Option<&Node>) -> Result<Version> {
        let entry = node.to_entry(&from.rel);
        if let Some(folder) = there.filter(|node| node.is_dir()) {
            let change = self.cache.begin_deep(&to.path);
            if has_real_dirs(to.driver()) {
                self.may_replace(to, there).await?;
                let staging = staging(to)?;
                let staged = self.copy_version(from, &entry, &staging, &When::Absent).await?;
                let copy = Copy::of(from, &entry, to, staged.clone());
                if let Err(error) = put_in_place(&staging, staged, to).await {
                    self.remove_file(&staging, None).await.unwrap_or_else(|left| {
                        tracing::warn!(path = %staging.path, error = %left, "a staged copy is not removed yet");
                    });
                    return Err(error);
                }
                self.copied(vec![copy]).await;
            } else {
                self.copy_over_keys(from, &entry, to, folder).await?;
            }
            drop(change);
        } else {
            let when = if there.is_some() { When::Always } else { When::Absent };
            let change = self.cache.begin(&to.path, to.ttl());
            let copy = self.copy_version(from, &entry, to, &when).await?;
            let copy = Copy::of(from, &entry, to, copy);
            change.is(self.copied(vec![copy]).await.pop().map(Kept::written));
        }
        Ok(Version::of(&entry))
    }

    /// Copies a file over a folder of keys. The file has a key of its own, so it stands first, and then the folder goes: what
    /// is in it is listed before, since some stores (MinIO) list nothing below a key that has an object.
    async fn copy_over_keys(&self, from: &Spot, entry: &Entry, to: &Spot, there: &Node) -> Result<()> {
        let mut old = self.standing(to, there).await?;
        old.push((to.rel.clone(), Kind::Dir));
        let copy = self.copy_version(from, entry, to, &When::Always).await?;
        let copy = Copy::of(from, entry, to, copy);
        let failed = self.remove_replaced(to, old, &HashMap::new()).await;
        self.copied(vec![copy]).await;
        failed.into_iter().next().map_or(Ok(()), |failed| Err(failed.error))
    }

    /// Copies exactly the version of a file that `entry` describes, by the storage itself or by streaming.
    pub(crate) async fn copy_version(&self, from: &Spot, entry: &Entry, to: &Spot, when: &When) -> Result<Entry> {
        if Arc::ptr_eq(&from.mount, &to.mount) {
            match self.copy_inside(from, entry, to, when).await {
                Ok(Native::Done(copy)) => {
                    from.mount.answered();
                    return Ok(copy);
                }
                Ok(Native::Declined) => {}
                Err(error) if error.kind() == ErrorKind::Precondition => {
                    return Err(Error::new(Problem::Changed, &from.path));
                }
                Err(error) => return Err(refused(to, error)),
            }
        }
        let request = ReadRequest { range: None, if_match: entry.etag.clone() };
        let before = self.known_before(&from.path).await;
        let reply = match from.driver().read(&from.rel, request).await {
            Ok(reply) => reply,
            Err(error) if error.kind() == ErrorKind::Precondition => {
                return Err(Error::new(Problem::Changed, &from.path));
            }
            Err(error) => return Err(from.error(error)),
        };
        let size = reply.entry.size;
        let source = self.shown(&from.path, before, reply.entry.clone()).await;
        if to.driver().capabilities().max_file_size.is_some_and(|largest| size > largest) {
            return Err(Error::new(Problem::Storage(ErrorKind::TooLarge), &to.path));
        }
        let write = WriteRequest {
            size: Some(size),
            when: when.clone(),
            content_type: reply.entry.content_type.clone(),
            metadata: Metadata { modified: source.modified, checksums: source.checksums() },
        };
        let mut staged = Staged::begin(self, to, write).await.map_err(|error| refused(to, error))?;
        let mut chunks = content(from, reply);
        let mut sent = 0;
        while let Some(chunk) = chunks.next().await {
            let written = match chunk {
                Ok(chunk) => {
                    sent += chunk.len() as u64;
                    staged.write(chunk).await.map_err(|error| refused(to, error))
                }
                Err(error) => Err(from.error(error)),
            };
            if let Err(error) = written {
                staged.abort().await;
                return Err(error);
            }
        }
        if sent != size {
            staged.abort().await;
            return Err(Error::new(Problem::Storage(ErrorKind::Incomplete), &from.path));
        }
        staged.finish().await.map_err(|error| refused(to, error))
    }

    /// Copies inside one storage, in one step or piece by piece, where it can.
    async fn copy_inside(
        &self,
        from: &Spot,
        entry: &Entry,
        to: &Spot,
        when: &When,
    ) -> davmux_driver::Result<Native<Entry>> {
        if let Native::Done(copy) = from.driver().copy(entry, &to.rel, when).await? {
            return Ok(Native::Done(copy));
        }
        let Native::Done(upload) = from.driver().begin_copy(entry, &to.rel, when).await? else {
            return Ok(Native::Declined);
        };
        match Staged::begun(self, to, upload).await.finish().await {
            Ok(copy) => Ok(Native::Done(copy)),
            Err(error) if error.kind() == ErrorKind::Unsupported => Ok(Native::Declined),
            Err(error) => Err(error),
        }
    }

    /// The last step of the MOVE of a file: the source goes if it is still the version that was copied.
    async fn remove_copied(&self, from: &Spot, copied: &Version) -> Vec<Failed> {
        let unchanged = if from.driver().capabilities().conditional_delete && copied.etag.is_some() {
            Ok(true)
        } else {
            match from.driver().stat(&from.rel, Expect::File).await {
                Ok(entry) => Ok(copied.is_still(&entry)),
                Err(error) if error.kind() == ErrorKind::NotFound => return Vec::new(),
                Err(error) => Err(from.error(error)),
            }
        };
        let removed = match unchanged {
            Ok(true) => self.remove_file(from, copied.etag.clone()).await,
            Ok(false) => Err(Error::new(Problem::Changed, &from.path)),
            Err(error) => Err(error),
        };
        match removed {
            Ok(()) => Vec::new(),
            Err(error) => vec![Failed { path: from.path.clone(), error }],
        }
    }

    async fn move_folder(
        self: &Arc<Self>,
        job: &Job,
        from: &Spot,
        to: &Spot,
        there: Option<&Node>,
    ) -> Result<Vec<Failed>> {
        let Copied { versions, mut failed, whole, .. } = self.copy_folder(job, to, there).await?;
        if !whole {
            // What the source holds is not all known, or has not taken its place; all of it stays.
            return Ok(failed);
        }
        // From here on the target may hold the only copy of a member.
        if let Err(error) = self.unfinished.begin(job).await {
            failed.push(Failed { path: from.path.clone(), error });
            return Ok(failed);
        }
        let told: HashSet<TreePath> = failed.iter().map(|failed| failed.path.clone()).collect();
        let change = self.cache.begin_deep(&from.path);
        let stayed = self
            .remove_tree(from, |entry| match versions.get(&entry.path) {
                Some(copied) if copied.is_still(entry) => Choice::Remove(entry.etag.clone()),
                _ if told.contains(&from.at(entry.path.clone()).path) => Choice::Stay(None),
                _ => Choice::Stay(Some(Problem::Changed)),
            })
            .await;
        failed.extend(stayed.into_iter().filter(|failed| !told.contains(&failed.path)));
        if failed.is_empty() {
            change.is(None, from.ttl());
            self.unfinished.end(job).await;
        }
        Ok(failed)
    }

    /// Copies a folder, or for a job that is not deep the folder alone, over whatever stands at the target.
    async fn copy_folder(self: &Arc<Self>, job: &Job, to: &Spot, there: Option<&Node>) -> Result<Copied> {
        // What an unfinished move left at the target is not old: it joins it.
        let joins = match there {
            Some(node) if job.take && node.is_dir() => self.unfinished.holds(job).await?,
            _ => false,
        };
        let there = there.filter(|_| !joins);
        let change = self.cache.begin_deep(&to.path);
        let staged = match there {
            Some(_) if has_real_dirs(to.driver()) => {
                self.may_replace(to, there).await?;
                Some(staging(to)?)
            }
            _ => None,
        };
        let old = match there {
            Some(node) if staged.is_none() => self.standing(to, node).await?,
            _ => Vec::new(),
        };
        let mut copying =
            Copying::new(self, job, staged.clone().unwrap_or_else(|| to.clone()), to.clone(), !old.is_empty());
        let mut result = copying.run().await;
        let (mut copied, made) = copying.done();
        if !copied.stands() && there.is_some() {
            // New content does not all stand, so nothing old goes, and nothing of the source.
            copied.whole = false;
        }
        let in_place = result.is_ok() && (copied.whole || !job.deep);
        if let Some(staging) = &staged {
            if in_place {
                result = put_in_place(staging, Entry::dir(staging.rel.clone()), to).await.map(drop);
            }
            if !in_place || result.is_err() {
                self.clear_away(staging).await;
            }
        } else if !in_place && there.is_some_and(|node| !node.is_dir()) {
            // The old file is hidden behind the folder that did not come to stand.
            let left = self.clear_away(to).await;
            copied.failed.extend(left);
        }
        result?;
        if in_place && copied.stands() {
            let left = self.remove_replaced(to, old, &made).await;
            // While the source stands, the request can be repeated.
            copied.whole &= left.is_empty();
            copied.failed.extend(left);
        }
        if copied.failed.is_empty() {
            change.is(Some(Kept::told(Node::folder(to.path.name()))), to.ttl());
        }
        Ok(copied)
    }

    /// A folder that holds names that cannot be said is not replaced: they would go unseen.
    async fn may_replace(&self, to: &Spot, there: Option<&Node>) -> Result<()> {
        if there.is_some_and(Node::is_dir) {
            let mut pages = walk(to);
            while let Some(page) = pages.next().await {
                if !page?.unnameable.is_empty() {
                    return Err(Error::new(Problem::Unnameable, &to.path));
                }
            }
        }
        Ok(())
    }

    /// What stands at a target before it is replaced, where old and new can stand side by side.
    async fn standing(&self, to: &Spot, node: &Node) -> Result<Vec<(RelPath, Kind)>> {
        if !node.is_dir() {
            return Ok(vec![(to.rel.clone(), Kind::File)]);
        }
        let mut old = Vec::new();
        let mut pages = walk(to);
        while let Some(page) = pages.next().await {
            let page = page?;
            if !page.unnameable.is_empty() {
                return Err(Error::new(Problem::Unnameable, &to.path));
            }
            old.extend(page.entries.into_iter().map(|entry| (entry.path, entry.kind)));
        }
        Ok(old)
    }

    /// The old members that no new one replaced.
    async fn remove_replaced(
        &self,
        to: &Spot,
        old: Vec<(RelPath, Kind)>,
        made: &HashMap<RelPath, Kind>,
    ) -> Vec<Failed> {
        let left = old.into_iter().filter(|(path, kind)| made.get(path) != Some(kind));
        let removals: Vec<_> = left.map(|(path, kind)| davmux_driver::Removal { path, kind, etag: None }).collect();
        let (mut failed, pace) = (Vec::new(), Pace::new(1));
        for batch in removals.chunks(to.driver().capabilities().delete_batch.max(1)) {
            match pace.member(slow_down, || to.driver().delete(batch)).await {
                Ok(errors) => {
                    let stayed: HashSet<RelPath> = errors.iter().map(|(path, _)| path.clone()).collect();
                    let gone = batch.iter().filter(|removal| !stayed.contains(&removal.path));
                    self.kept_gone(gone.map(|removal| to.at(removal.path.clone()).path)).await;
                    failed.extend(errors.into_iter().map(|(path, error)| {
                        let spot = to.at(path);
                        Failed { error: spot.error(error), path: spot.path }
                    }));
                }
                Err(error) => failed.push(Failed { path: to.path.clone(), error: to.error(error) }),
            }
        }
        failed
    }
}

/// What a folder's copy did.
#[derive(Debug, Default)]
pub(crate) struct Copied {
    /// The versions that were copied, by their path in the source's mount; kept for a MOVE only.
    pub(crate) versions: HashMap<RelPath, Version>,
    /// How many files were copied.
    pub(crate) files: usize,
    pub(crate) failed: Vec<Failed>,
    /// The source was listed to its end, and what was copied of it takes its place.
    pub(crate) whole: bool,
}

impl Copied {
    /// Whether everything that has a name was copied. What has none never will be.
    fn stands(&self) -> bool {
        self.failed.iter().all(|failed| failed.error.problem() == Problem::Unnameable)
    }
}

/// A fresh place in the storage's own folder, to build what must appear at once.
fn staging(to: &Spot) -> Result<Spot> {
    let folder = to.driver().capabilities().staging.as_ref();
    let place = folder.and_then(|folder| folder.child(&format!("{:032x}", rand::random::<u128>())).ok());
    place.map(|place| to.at(place)).ok_or_else(|| Error::new(Problem::Exists, &to.path))
}

async fn put_in_place(staging: &Spot, staged: Entry, to: &Spot) -> Result<Entry> {
    match staging.driver().rename(&staged, &to.rel, &When::Always).await {
        Ok(Native::Done(entry)) => Ok(entry),
        Ok(Native::Declined) => Err(Error::new(Problem::Exists, &to.path)),
        Err(error) => Err(to.error(error)),
    }
}

/// A target that a driver refused.
pub(crate) fn refused(to: &Spot, error: davmux_driver::Error) -> Error {
    match error.kind() {
        ErrorKind::AlreadyExists => Error::new(Problem::Exists, &to.path),
        _ => no_parent(to, error),
    }
}
