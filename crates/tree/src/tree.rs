//! [`Tree`]: all mounts joined, and looking at a place of it.

use std::sync::Arc;
use std::time::{Duration, Instant};

use davmux_driver::{ErrorKind, Expect};
use davmux_state::{KeptIndex, Properties, Store, Uploads};
use unicode_normalization::UnicodeNormalization;

use crate::cache::{Cache, Kept, Known};
use crate::freshness::Renewals;
use crate::health::TOLD_AGAIN;
use crate::leaving::Leaving;
use crate::left::Left;
use crate::listing::{self, Listing, Loads};
use crate::locks::PathLocks;
use crate::mounts::{Mounts, Place, Spot};
use crate::recent::Recent;
use crate::redirect::{Links, RedirectRule};
use crate::tasks::Tasks;
use crate::unfinished::Unfinished;
use crate::{Error, Mount, Node, Problem, Result, TreePath};

/// What a tree is made of besides its mounts.
#[derive(Debug)]
pub struct TreeOptions {
    /// Looked at before the built-in table of clients; the first match wins.
    pub redirect_rules: Vec<RedirectRule>,
    /// Where the ids of uploads in progress, dead properties, times and checksums are kept.
    pub store: Arc<dyn Store>,
}

/// All mounts joined into one namespace. Users reach it through a [`View`](crate::View) only.
///
/// Its mounts never change: a reload makes another tree beside it ([`Tree::with`]), and who works on this one works on it to
/// the end. The two share what is one in a process.
#[derive(Debug)]
pub struct Tree {
    pub(crate) mounts: Arc<Mounts>,
    pub(crate) cache: Cache,
    pub(crate) loads: Arc<Loads>,
    pub(crate) renewals: Renewals,
    /// Whether a mount answered, and when that was found out.
    pub(crate) checks: Recent<(bool, Instant)>,
    pub(crate) links: Arc<Links>,
    pub(crate) rules: Vec<RedirectRule>,
    pub(crate) locks: PathLocks,
    pub(crate) leaving: Leaving,
    pub(crate) unfinished: Unfinished,
    pub(crate) tasks: Tasks,
    pub(crate) uploads: Uploads,
    pub(crate) properties: Properties,
    pub(crate) kept: KeptIndex,
    pub(crate) left: Arc<Left>,
}

impl Tree {
    /// Joins mounts. Two at one path are the caller's mistake; the first wins. Asks no storage.
    pub fn new(mounts: Vec<Mount>, options: TreeOptions) -> Arc<Self> {
        let mounts = Arc::new(Mounts::new(mounts.into_iter().map(Arc::new).collect()));
        let uploads = Uploads::new(Arc::clone(&options.store));
        Arc::new(Self {
            cache: Cache::new(Arc::clone(&mounts)),
            mounts,
            loads: Arc::default(),
            renewals: Renewals::default(),
            checks: Recent::new(TOLD_AGAIN),
            links: Arc::new(Links::new()),
            rules: options.redirect_rules,
            locks: PathLocks::default(),
            leaving: Leaving::default(),
            unfinished: Unfinished::new(davmux_state::Moves::new(Arc::clone(&options.store))),
            tasks: Tasks::default(),
            left: Arc::new(Left::new(uploads.clone())),
            uploads,
            properties: Properties::new(Arc::clone(&options.store)),
            kept: KeptIndex::new(options.store),
        })
    }

    /// The mounts, longest path first.
    pub fn mounts(&self) -> impl Iterator<Item = &Arc<Mount>> {
        self.mounts.iter()
    }

    /// Waits for what is under way: uploads that are being committed, tree operations. What is not done within `limit`
    /// stops between two members.
    pub async fn drain(&self, limit: Duration) {
        self.tasks.drain(limit).await;
    }

    /// Where a place lies; an error where nothing can be.
    pub(crate) fn spot(&self, path: &TreePath) -> Result<Option<Spot>> {
        match self.mounts.place(path) {
            Place::Mounted(spot) if spot.mount.is_staging(&spot.rel) => Err(Error::new(Problem::NotFound, path)),
            Place::Mounted(spot) => Ok(Some(spot)),
            Place::Virtual => Ok(None),
            Place::Nowhere => Err(Error::new(Problem::NotFound, path)),
        }
    }

    /// What stands at a path, spelled exactly so. Its time may still be to be asked for.
    pub(crate) async fn look(&self, path: &TreePath) -> Result<Node> {
        let spot = self.spot(path)?;
        let (Some(spot), false) = (spot, self.mounts.is_fixed(path)) else {
            return Ok(Node::folder(path.name()));
        };
        match self.cache.known(path) {
            Known::Absent => Err(Error::new(Problem::NotFound, path)),
            Known::Present(kept) => Ok(kept.node),
            Known::No => self.ask(&spot, Expect::Any).await,
        }
    }

    /// The same with its time, which a storage may not have told with the answer to a write: it is asked for only when
    /// somebody wants to see it.
    pub(crate) async fn look_at_time(&self, path: &TreePath, node: Node) -> Result<Node> {
        match (self.spot(path)?, self.cache.known(path)) {
            // Only a file's time can be pending, so no folder stands there.
            (Some(spot), Known::Present(kept)) if kept.time_pending => self.ask(&spot, Expect::File).await,
            _ => Ok(node),
        }
    }

    pub(crate) async fn ask(&self, spot: &Spot, expect: Expect) -> Result<Node> {
        let stamp = self.cache.stamp(&spot.path.parent().unwrap_or_else(TreePath::root));
        let before = self.known_before(&spot.path).await;
        match spot.driver().stat(&spot.rel, expect).await {
            Ok(entry) => {
                spot.mount.answered();
                let node = self.shown(&spot.path, before, entry).await;
                self.cache.keep_one(&spot.path, Some(Kept::told(node.clone())), spot.ttl(), stamp);
                Ok(node)
            }
            // It was not asked about a folder, and one may stand there now.
            Err(error) if error.kind() == ErrorKind::NotFound && expect == Expect::File => {
                self.cache.forget(&spot.path);
                Box::pin(self.ask(spot, Expect::Any)).await
            }
            Err(error) => {
                if error.kind() == ErrorKind::NotFound {
                    spot.mount.answered();
                    self.cache.keep_one(&spot.path, None, spot.ttl(), stamp);
                }
                Err(spot.error(error))
            }
        }
    }

    /// Looks at a path that is about to be copied, moved or deleted as the version that is there: what is kept of a file
    /// may be older than what another program wrote.
    pub(crate) async fn look_anew(&self, path: &TreePath) -> Result<Node> {
        match (self.spot(path)?, self.cache.known(path)) {
            (Some(spot), Known::Present(kept)) if !kept.node.is_dir() && !self.mounts.is_fixed(path) => {
                self.ask(&spot, Expect::File).await
            }
            _ => self.look(path).await,
        }
    }

    /// What stands at a target, looked at once more when the path is claimed: until then another operation may have put
    /// something there, or removed its folder.
    pub(crate) async fn claimed_target(&self, path: &TreePath) -> Result<Option<Node>> {
        let parent = path.parent().unwrap_or_else(TreePath::root);
        let look = async {
            match self.cache.known(path) {
                // Also one whose time is still to be asked for.
                Known::Present(kept) => Ok(kept.node),
                _ => self.look(path).await,
            }
        };
        let (there, parent_is_folder) = futures_util::join!(look, self.is_folder(&parent));
        if !parent_is_folder? {
            return Err(Error::new(Problem::NoParent, path));
        }
        match there {
            Ok(node) => Ok(Some(node)),
            Err(error) if error.is_not_found() => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Whether a folder stands at a path.
    pub(crate) async fn is_folder(&self, path: &TreePath) -> Result<bool> {
        let spot = match self.spot(path) {
            Ok(Some(spot)) => spot,
            Ok(None) => return Ok(true),
            Err(_) => return Ok(false),
        };
        if self.mounts.is_fixed(path) {
            return Ok(true);
        }
        match self.cache.known(path) {
            Known::Absent => return Ok(false),
            Known::Present(kept) => return Ok(kept.node.is_dir()),
            Known::No => {}
        }
        let stamp = self.cache.stamp(&path.parent().unwrap_or_else(TreePath::root));
        match spot.driver().stat(&spot.rel, Expect::Dir).await {
            Ok(entry) if entry.is_dir() => {
                spot.mount.answered();
                self.cache.keep_one(path, Some(Kept::told(Node::from_entry(entry))), spot.ttl(), stamp);
                Ok(true)
            }
            // A file, or nothing: which of the two was not asked, so nothing is kept.
            Ok(_) => Ok(false),
            Err(error) => match error.kind() {
                ErrorKind::NotFound | ErrorKind::NotDir => Ok(false),
                _ => Err(spot.error(error)),
            },
        }
    }

    /// What stands at a path in whichever Unicode form it is stored: exactly as asked, then NFC, then NFD, segment by
    /// segment, since a folder and what is in it may have been named by different programs. Answers the path as it is stored.
    pub(crate) async fn find(&self, path: &TreePath) -> Result<(TreePath, Node)> {
        let error = match self.look(path).await {
            Ok(node) => return Ok((path.clone(), node)),
            Err(error) => error,
        };
        let Some(parent) = path.parent().filter(|_| error.is_not_found() && !path.is_ascii()) else {
            return Err(error);
        };
        let folder = if parent.is_ascii() {
            parent.clone()
        } else {
            match Box::pin(self.find(&parent)).await {
                Ok((stored, node)) if node.is_dir() => stored,
                Ok(_) => return Err(error),
                Err(above) if above.is_not_found() => return Err(error),
                Err(above) => return Err(above),
            }
        };
        for name in forms(path.name()) {
            let Ok(form) = folder.child(&name) else { continue };
            if form == *path {
                continue;
            }
            match self.look(&form).await {
                Ok(node) => return Ok((form, node)),
                Err(error) if error.is_not_found() => {}
                Err(error) => return Err(error),
            }
        }
        Err(error)
    }

    /// Where a new entry goes: its folder as it is stored, its name in NFC. Where something stands there already, in
    /// whichever form, it is that one, with what it is.
    pub(crate) async fn target(&self, path: &TreePath) -> Result<(TreePath, Option<Node>)> {
        let Some(parent) = path.parent() else {
            return Ok((path.clone(), Some(Node::folder(""))));
        };
        let (found, parent_is_folder) = futures_util::join!(self.find(path), self.is_folder(&parent));
        match found {
            Ok((path, node)) => return Ok((path, Some(node))),
            Err(error) if error.is_not_found() => {}
            Err(error) => return Err(error),
        }
        let no_parent = || Error::new(Problem::NoParent, path);
        let parent = if parent_is_folder? {
            parent
        } else {
            match self.find(&parent).await {
                Ok((stored, node)) if node.is_dir() => stored,
                Ok(_) => return Err(no_parent()),
                Err(error) if error.is_not_found() => return Err(no_parent()),
                Err(error) => return Err(error),
            }
        };
        if self.mounts.place(&parent).is_virtual() {
            return Err(Error::new(Problem::MountPoint, path));
        }
        let name: String = path.name().nfc().collect();
        let stored = parent.child(&name).map_err(|_| Error::new(Problem::Reserved, path))?;
        Ok((stored, None))
    }

    /// The members of a folder: those of the storage and the mounts that lie in it.
    pub(crate) async fn list(self: &Arc<Self>, path: &TreePath) -> Result<Listing> {
        let mounted: Vec<Arc<str>> = self.mounts.names_in(path).into_iter().collect();
        let Some(spot) = self.spot(path)? else {
            return Ok(listing::of_mounts(&mounted));
        };
        // What the storage above has under the name of a mount does not count.
        if !self.mounts.is_fixed(path) {
            match self.cache.known(path) {
                Known::Absent => return Err(Error::new(Problem::NotFound, path)),
                Known::Present(kept) if !kept.node.is_dir() => {
                    return Err(Error::new(Problem::Storage(ErrorKind::NotDir), path));
                }
                _ => {}
            }
        }
        match listing::members(self, &spot).await {
            Ok(members) => Ok(listing::overlaid(members, mounted)),
            // The storage has nothing there, or a file that the mounts hide.
            Err(error)
                if !mounted.is_empty()
                    && (error.is_not_found() || error.problem() == Problem::Storage(ErrorKind::NotDir)) =>
            {
                Ok(listing::of_mounts(&mounted))
            }
            Err(error) => Err(error),
        }
    }
}

/// The Unicode forms that a name may be stored in: as given, NFC, NFD, each once.
fn forms(name: &str) -> Vec<String> {
    let mut forms = vec![name.to_owned(), name.nfc().collect(), name.nfd().collect()];
    if forms[1] == forms[2] || forms[0] == forms[2] {
        forms.pop();
    }
    if forms[0] == forms[1] {
        forms.remove(1);
    }
    forms
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_has_each_of_its_forms_once() {
        assert_eq!(forms("plain"), ["plain"]);
        assert_eq!(forms("\u{e9}"), ["\u{e9}", "e\u{301}"]);
        assert_eq!(forms("e\u{301}"), ["e\u{301}", "\u{e9}"]);
        assert_eq!(forms("\u{e9}e\u{301}"), ["\u{e9}e\u{301}", "\u{e9}\u{e9}", "e\u{301}e\u{301}"]);
        assert_eq!(forms("日本"), ["日本"]);
        // The ohm sign has a composed form that is another character, and no decomposed one of its own.
        assert_eq!(forms("\u{2126}"), ["\u{2126}", "\u{3a9}"]);
    }
}
