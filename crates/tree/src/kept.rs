//! Times and checksums that a listing of the storage does not tell, from the index in the state store.
//!
//! What is shown of a file comes from one place, whoever asks: the index where its record is of the version that stands
//! there, else the storage's own time. So a record is made from whatever tells one: a write that brought a time, a change
//! of the time alone, the metadata in the answer to a look or a read. Listings are matched with the index page by page,
//! before they are kept or sent. A storage that sets the time of a file itself needs no record for it.
//!
//! Records follow a change only after the storage has done it, as dead properties do. A store that fails is logged and
//! undoes nothing; what it then still has is of a version that is not there any more, and is not shown.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use davmux_driver::{Checksums, Entry, Expect, Metadata, Native, RelPath};
use davmux_state::{Kept, KeptOf, near};
use unicode_normalization::{UnicodeNormalization, is_nfc};

use crate::audit::Change;
use crate::cache::{self, Stamp};
use crate::locks::Claim;
use crate::mounts::Spot;
use crate::properties::key;
use crate::remove::Failed;
use crate::transfer::Job;
use crate::tree::Tree;
use crate::view::View;
use crate::walk::has_real_dirs;
use crate::{Error, Node, Problem, Result, TreePath};

/// A record that was found, and what it becomes now that the storage's time of the file was seen.
pub(crate) type Seen = (String, Option<Kept>, Kept);

/// A file that was copied.
#[derive(Debug)]
pub(crate) struct Copy {
    from: TreePath,
    /// The version that was copied.
    source: Entry,
    to: TreePath,
    copy: Entry,
}

impl Copy {
    pub(crate) fn of(from: &Spot, source: &Entry, to: &Spot, copy: Entry) -> Self {
        Self { from: from.path.clone(), source: source.clone(), to: to.path.clone(), copy }
    }
}

/// What the index had of a path before its storage was asked. What is learnt from the answer takes the place of that alone:
/// another version may stand there by then, with a record of its own.
#[derive(Debug)]
pub(crate) enum Before {
    /// This, and it is replaced by what is learnt.
    Had(Option<Kept>),
    /// This, but it was read when the storage had answered already: nothing may be learnt from that answer.
    Late(Option<Kept>),
    /// It could not be read.
    Unread,
}

impl Tree {
    /// To be taken before a storage is asked about a file.
    pub(crate) async fn known_before(&self, path: &TreePath) -> Before {
        match self.kept.get(&key(path)).await {
            Ok(found) => Before::Had(found),
            Err(error) => {
                unread(path, &error);
                Before::Unread
            }
        }
    }

    /// The same where the storage was asked already.
    pub(crate) async fn known_late(&self, path: &TreePath) -> Before {
        match self.known_before(path).await {
            Before::Had(found) => Before::Late(found),
            late => late,
        }
    }

    /// An entry that a look or a read told, as it is shown. What its metadata tells becomes known to the index, and is not
    /// shown where it cannot be: a listing would not agree.
    pub(crate) async fn shown(&self, path: &TreePath, before: Before, entry: Entry) -> Node {
        if entry.is_dir() {
            return Node::from_entry(entry);
        }
        let (found, learns) = match before {
            Before::Had(found) => (found, true),
            Before::Late(found) => (found, false),
            Before::Unread => return Node::from_entry(entry),
        };
        let metadata = entry.metadata.as_deref().copied().unwrap_or_default();
        let known = found.as_ref().filter(|kept| is_of(kept, &entry));
        let now = match known {
            Some(kept) => Some(filled(kept, entry.modified, metadata)),
            None => record(&entry, metadata),
        };
        let known = known.cloned();
        let mut node = Node::from_entry(entry);
        let Some(now) = now else { return node };
        if learns
            && known.as_ref() != Some(&now)
            && let Err(error) = self.kept.replace(vec![(key(path), found, now.clone())]).await
        {
            unkept(path, &error);
            known.iter().for_each(|kept| node.tell(kept));
        } else {
            node.tell(&now);
        }
        node
    }

    /// A folder with its time, where a storage has no folders of its own that could have one.
    pub(crate) async fn with_folder_time(&self, path: &TreePath, mut node: Node) -> Node {
        if !node.is_dir() || node.modified.is_some() {
            return node;
        }
        match self.spot(path) {
            Ok(Some(spot)) if !has_real_dirs(spot.driver()) && !self.mounts.is_fixed(path) => {}
            _ => return node,
        }
        match self.kept.get(&key(path)).await {
            Ok(Some(kept)) if kept.of == KeptOf::Folder => node.tell(&kept),
            Ok(_) => {}
            Err(error) => unread(path, &error),
        }
        node
    }

    /// Matches a page of a folder's members with the index. Answers what is new to the index.
    pub(crate) async fn match_kept(&self, folder: &Spot, nodes: &mut [Node]) -> Vec<Seen> {
        match self.try_match_kept(folder, nodes).await {
            Ok(seen) => seen,
            Err(error) => {
                unread(&folder.path, &error);
                Vec::new()
            }
        }
    }

    async fn try_match_kept(&self, folder: &Spot, nodes: &mut [Node]) -> davmux_state::Result<Vec<Seen>> {
        if self.kept.is_empty().await? {
            return Ok(Vec::new());
        }
        let folders = !has_real_dirs(folder.driver());
        let at = key(&folder.path);
        let at = at.trim_end_matches('/');
        let (mut members, mut keys) = (Vec::new(), Vec::new());
        for node in nodes.iter_mut().filter(|node| if node.is_dir() { folders } else { node.etag.is_some() }) {
            let name = &*node.name;
            keys.push(if is_nfc(name) { format!("{at}/{name}") } else { format!("{at}/{}", name.nfc()) });
            members.push(node);
        }
        let found = self.kept.get_all(keys.iter().map(String::as_str)).await?;
        let mut seen = Vec::new();
        for ((node, key), kept) in members.into_iter().zip(keys).zip(found) {
            let Some(kept) = kept else { continue };
            if kept.holds(node.etag.as_ref().map(|etag| etag.as_str()), node.size, node.modified) {
                let stored = node.modified;
                node.tell(&kept);
                if let Some(now) = kept.having_seen(stored) {
                    seen.push((key, Some(kept), now));
                }
            }
        }
        Ok(seen)
    }

    /// The storage's times of files that the index had not seen. From a listing that began before the last change of the
    /// folder they may be of an older version with the same content, and are let go.
    pub(crate) async fn kept_seen(&self, folder: &TreePath, stamp: Stamp, seen: Vec<Seen>) {
        if !seen.is_empty()
            && self.cache.stands(stamp)
            && let Err(error) = self.kept.replace(seen).await
        {
            unkept(folder, &error);
        }
    }

    /// A file that was just written with this time and these checksums, as it is shown: without the time where it could not
    /// be kept.
    pub(crate) async fn written(&self, path: &TreePath, entry: Entry, metadata: Metadata) -> Node {
        let kept = record(&entry, metadata);
        let mut node = Node::from_entry(entry);
        match self.keep(vec![(key(path), kept.clone())]).await {
            Ok(()) => kept.iter().for_each(|kept| node.tell(kept)),
            Err(error) => unkept(path, &error),
        }
        node
    }

    /// Files that were just copied, as they are shown: with what is kept of their sources.
    pub(crate) async fn copied(&self, copies: Vec<Copy>) -> Vec<Node> {
        let sources: Vec<String> = copies.iter().map(|copy| key(&copy.from)).collect();
        let found = match self.kept.get_all(sources.iter().map(String::as_str)).await {
            Ok(found) => found,
            Err(error) => {
                copies.first().inspect(|copy| unread(&copy.from, &error));
                vec![None; copies.len()]
            }
        };
        let (mut nodes, mut records) = (Vec::new(), Vec::new());
        for (Copy { source, to, copy, .. }, kept) in copies.into_iter().zip(found) {
            let mut metadata = copy.metadata.as_deref().copied().unwrap_or_default();
            if let Some(kept) = kept.filter(|kept| is_of(kept, &source)) {
                metadata.modified = kept.modified.or(metadata.modified);
                metadata.checksums = Checksums { md5: kept.md5, sha1: kept.sha1 }.or(metadata.checksums);
            }
            let kept = record(&copy, metadata);
            nodes.push(Node::from_entry(copy));
            records.push((key(&to), kept));
        }
        match self.keep(records.clone()).await {
            Ok(()) => {
                for (node, (_, kept)) in nodes.iter_mut().zip(&records) {
                    kept.iter().for_each(|kept| node.tell(kept));
                }
            }
            Err(error) => tracing::warn!(%error, "the times and checksums of what was copied did not follow it"),
        }
        nodes
    }

    /// Keeps these records, or for `None` forgets what was kept; writes only what differs.
    async fn keep(&self, records: Vec<(String, Option<Kept>)>) -> davmux_state::Result<()> {
        let found = self.kept.get_all(records.iter().map(|(key, _)| key.as_str())).await?;
        let changes = records.into_iter().zip(found).filter(|((_, kept), found)| kept != found);
        self.kept.change(changes.map(|(record, _)| record).collect()).await
    }

    /// After a move in one step, which made nothing new: all of it has its versions still.
    pub(crate) async fn kept_moved(&self, from: &TreePath, to: &TreePath) {
        let moved = async {
            let (from, to) = (key(from), key(to));
            self.kept.forget(&to).await?;
            let mut pages = self.kept.pages(&from);
            while let Some(found) = pages.next().await? {
                let mut changes = Vec::new();
                for (path, kept) in found {
                    changes.push((format!("{to}{}", path.strip_prefix(&from).unwrap_or_default()), Some(kept)));
                    changes.push((path, None));
                }
                self.kept.change(changes).await?;
            }
            Ok::<_, davmux_state::Error>(())
        };
        if let Err(error) = moved.await {
            tracing::warn!(%from, %to, %error, "the times and checksums of what was moved did not follow it");
        }
    }

    /// After a COPY or a MOVE whose files have their records: those of folders follow, those of what was moved go.
    pub(crate) async fn transfer_kept(&self, job: &Job, failed: &[Failed]) {
        if let Err(error) = self.transfer_kept_folders(job).await {
            tracing::warn!(from = %job.from, to = %job.to, %error, "the times of folders did not follow them");
        }
        match (job.take, failed) {
            (true, []) => self.forget_kept(&job.from).await,
            (true, stayed) => self.forget_kept_but(&job.from, stayed).await,
            (false, _) => {}
        }
    }

    async fn transfer_kept_folders(&self, job: &Job) -> davmux_state::Result<()> {
        let has_none = |path| !matches!(self.spot(path), Ok(Some(spot)) if !has_real_dirs(spot.driver()));
        if has_none(&job.to) || self.kept.is_empty().await? {
            return Ok(());
        }
        let (from, to) = (key(&job.from), key(&job.to));
        let place = |path: &str| format!("{to}{}", path.strip_prefix(&from).unwrap_or_default());
        let (mut pages, mut any) = (self.kept.pages(&from), false);
        while let Some(mut found) = pages.next().await? {
            found.retain(|(path, kept)| {
                kept.of == KeptOf::Folder && (job.deep || *path == from) && job.seen.shows(path)
            });
            any |= !found.is_empty();
            self.kept.change(found.into_iter().map(|(path, kept)| (place(&path), Some(kept))).collect()).await?;
        }
        if any {
            // What is known of the target is without these times.
            drop(self.cache.begin_deep(&job.to));
        }
        Ok(())
    }

    /// Forgets what is kept of a path and of all below.
    pub(crate) async fn forget_kept(&self, path: &TreePath) {
        if let Err(error) = self.kept.forget(&key(path)).await {
            unforgotten(path, &error);
        }
    }

    /// Forgets what is kept of these paths, each by itself.
    pub(crate) async fn kept_gone(&self, paths: impl Iterator<Item = TreePath>) {
        let gone: Vec<_> = paths.map(|path| (key(&path), None)).collect();
        if let Err(error) = self.keep(gone).await {
            tracing::warn!(%error, "the times and checksums of what is gone are not forgotten");
        }
    }

    /// Forgets what is kept of a path and of all below, but not of what stayed, what is in it, and the folders that it is in.
    pub(crate) async fn forget_kept_but(&self, path: &TreePath, stayed: &[Failed]) {
        let forgotten = async {
            let stayed: HashSet<String> = stayed.iter().map(|failed| key(&failed.path)).collect();
            let above: HashSet<&str> = stayed.iter().flat_map(|path| folders_of(path)).collect();
            let mut pages = self.kept.pages(&key(path));
            while let Some(mut found) = pages.next().await? {
                found.retain(|(path, _)| {
                    let below = stayed.contains(path) || folders_of(path).any(|folder| stayed.contains(folder));
                    !below && !above.contains(path.as_str())
                });
                self.kept.change(found.into_iter().map(|(path, _)| (path, None)).collect()).await?;
            }
            Ok::<_, davmux_state::Error>(())
        };
        if let Err(error) = forgotten.await {
            unforgotten(path, &error);
        }
    }

    /// Keeps a time where the storage sets none itself: in the index alone. False where nothing tells one version of the
    /// file from another.
    async fn keep_time(&self, spot: &Spot, modified: SystemTime) -> Result<bool> {
        let path = &spot.path;
        let mut node = self.look(path).await?;
        let of = match &node.etag {
            _ if node.is_dir() && has_real_dirs(spot.driver()) => return Ok(false),
            _ if node.is_dir() => KeptOf::Folder,
            None => return Ok(false),
            Some(etag) => KeptOf::File { etag: etag.as_str().to_owned(), size: node.size, seen: node.stored() },
        };
        let Checksums { md5, sha1 } = node.checksums();
        let kept = Kept { of, modified: Some(modified), md5, sha1 };
        let change = self.cache.begin(path, spot.ttl());
        self.keep(vec![(key(path), Some(kept.clone()))]).await.map_err(|error| {
            unkept(path, &error);
            Error::new(Problem::State, path)
        })?;
        node.modified = node.stored();
        node.tell(&kept);
        change.is(Some(cache::Kept::told(node)));
        Ok(true)
    }

    /// After a storage set the time of a file, which may have given it another ETag: what is kept of it stays.
    async fn kept_touched(&self, spot: &Spot, before: &Node) -> davmux_driver::Result<()> {
        let checksums = before.checksums();
        if !checksums.is_empty() {
            let entry = spot.driver().stat(&spot.rel, Expect::File).await?;
            self.written(&spot.path, entry, Metadata { modified: None, checksums }).await;
        }
        Ok(())
    }
}

impl View {
    /// Sets the time that is shown: at the storage where it can, else in the state store alone, where one version of the file
    /// can be told from another. Whether it is kept.
    ///
    /// # Errors
    /// Those of [`writable`](Self::writable); nothing stands there; [`Problem::State`] where it cannot be kept.
    pub async fn set_modified(&self, path: &RelPath, modified: SystemTime) -> Result<bool> {
        self.writable(path)?;
        let place = self.gate.writable(path)?;
        let (stored, _) = place.tree.find(place.at()).await?;
        let spot = place.tree.writable_spot(&stored)?;
        let tree = Arc::clone(place.tree);
        let work = async move {
            let _claimed = tree.locks.claim(vec![Claim::one(&stored)]).await;
            let before = tree.look(&stored).await?;
            match spot.driver().set_modified(&spot.rel, modified).await {
                Ok(Native::Done(())) => {
                    if let Err(error) = tree.kept_touched(&spot, &before).await {
                        tracing::warn!(path = %stored, %error, "the checksums of a file whose time was set are not kept");
                    }
                    tree.cache.forget(&stored);
                    Ok(true)
                }
                Ok(Native::Declined) => tree.keep_time(&spot, modified).await,
                Err(error) => Err(spot.error(error)),
            }
        };
        let change = Change::new("set-time", place.at());
        let work = async move {
            let set = work.await;
            // Where it cannot be kept, nothing changed.
            if !matches!(set, Ok(false)) {
                change.ended(&set, |_| (0, None));
            }
            set
        };
        place.tree.tasks.run(work).await
    }
}

/// The folders of a path as it is kept, the nearest first, without the root.
fn folders_of(path: &str) -> impl Iterator<Item = &str> {
    path.char_indices().rev().filter(|(at, character)| *character == '/' && *at > 0).map(|(at, _)| &path[..at])
}

/// Whether a record is of this version.
pub(crate) fn is_of(kept: &Kept, entry: &Entry) -> bool {
    kept.holds(entry.etag.as_ref().map(|etag| etag.as_str()), entry.size, entry.modified)
}

/// A record of this version, with what another answer tells of the same: what was kept of it wins.
fn filled(kept: &Kept, seen: Option<SystemTime>, metadata: Metadata) -> Kept {
    let Kept { of, modified, md5, sha1 } = kept.having_seen(seen).unwrap_or_else(|| kept.clone());
    let Metadata { modified: told, checksums } = metadata;
    Kept { of, modified: modified.or(told), md5: md5.or(checksums.md5), sha1: sha1.or(checksums.sha1) }
}

/// Whether what was known of a file is the version that a read came with: no newer one of the same content, and with its time.
pub(crate) fn is_version(known: &Node, read: &Entry) -> bool {
    let same_time = match (known.stored(), read.modified) {
        (Some(known), Some(read)) => near(known, read),
        // Just after a write to a bucket it is not known yet.
        (None, Some(_)) => false,
        (_, None) => true,
    };
    known.etag.is_some() && known.etag == read.etag && same_time
}

/// What is to be kept of a file that was given this; `None` where that is nothing, or all of it is the storage's own.
fn record(entry: &Entry, metadata: Metadata) -> Option<Kept> {
    // A storage without metadata may have set the time itself.
    let own = |time| entry.metadata.is_none() && entry.modified.map(seconds) == Some(seconds(time));
    let metadata = Metadata { modified: metadata.modified.filter(|time| !own(*time)), ..metadata };
    if metadata == Metadata::default() { None } else { record_of(entry, metadata) }
}

/// What is kept of a file, also that it was given nothing; `None` where nothing tells its versions apart.
pub(crate) fn record_of(entry: &Entry, metadata: Metadata) -> Option<Kept> {
    let etag = entry.etag.as_ref().filter(|_| !entry.is_dir())?;
    let Metadata { modified, checksums: Checksums { md5, sha1 } } = metadata;
    let of = KeptOf::File { etag: etag.as_str().to_owned(), size: entry.size, seen: entry.modified };
    Some(Kept { of, modified, md5, sha1 })
}

/// Whole seconds since 1970, and before it until then.
fn seconds(time: SystemTime) -> (bool, u64) {
    match time.duration_since(UNIX_EPOCH) {
        Ok(since) => (true, since.as_secs()),
        Err(before) => (false, before.duration().as_secs()),
    }
}

fn unread(path: &TreePath, error: &davmux_state::Error) {
    tracing::warn!(%path, %error, "the kept times cannot be read; the storage's own are shown");
}

fn unkept(path: &TreePath, error: &davmux_state::Error) {
    tracing::warn!(%path, %error, "a time or checksum cannot be kept");
}

fn unforgotten(path: &TreePath, error: &davmux_state::Error) {
    tracing::warn!(%path, %error, "the times and checksums of what is gone are not forgotten");
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use davmux_driver::Etag;

    use super::*;

    fn at(seconds: u64) -> Option<SystemTime> {
        Some(UNIX_EPOCH + Duration::from_secs(seconds))
    }

    fn entry(etag: &str, modified: Option<SystemTime>) -> Entry {
        let file = Entry::file(RelPath::parse("f").unwrap(), 1);
        Entry { etag: Etag::new(etag), modified, ..file }
    }

    #[test]
    fn what_was_known_is_told_only_of_the_version_that_a_read_came_with() {
        let known = |modified| Node::from_entry(entry("\"a\"", modified));
        assert!(is_version(&known(at(9)), &entry("\"a\"", at(9))) && is_version(&known(at(9)), &entry("\"a\"", None)));
        assert!(!is_version(&known(at(9)), &entry("\"b\"", at(9))));
        assert!(!is_version(&known(at(9)), &entry("\"a\"", at(60))), "the same content, written again");
        assert!(!is_version(&known(None), &entry("\"a\"", at(9))), "its time was not known yet");
    }

    #[test]
    fn a_record_of_checksums_alone_takes_the_time_that_a_look_tells() {
        let sums = Checksums { md5: Some([1; 16]), sha1: None };
        let kept = record_of(&entry("\"a\"", None), Metadata { modified: None, checksums: sums }).unwrap();
        let told = Metadata { modified: at(5), checksums: Checksums { md5: Some([9; 16]), sha1: Some([2; 20]) } };
        let filled = filled(&kept, at(9), told);
        assert_eq!((filled.modified, filled.md5, filled.sha1), (at(5), Some([1; 16]), Some([2; 20])));
        assert_eq!(super::filled(&filled, at(9), Metadata { modified: at(6), ..told }), filled, "what was kept wins");
    }
}
