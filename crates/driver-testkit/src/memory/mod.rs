//! [`Memory`]: the reference driver.

mod driver;
mod folders;
mod keys;
mod upload;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime};

use bytes::Bytes;
use davmux_driver::{Capabilities, Entry, Error, ErrorKind, Etag, Kind, Metadata, RelPath, Result, When};

use crate::CallLog;

/// The folder in which the tree stages, where there is one.
const STAGING: &str = ".davmux-staging";

/// A storage in memory, in one of two shapes. Clones share it.
///
/// * [`Memory::folders`]: folders by themselves, as on a disk. It renames files and folders, sets times, tells its usage,
///   checks tags when it deletes, and declines `copy`, `list_tree` and `link`.
/// * [`Memory::keys`]: keys in one sorted map, as in a bucket. A folder is a prefix; a zero-byte key `dir/` marks one;
///   `create_dir` and `keep_dir` are unsupported. It copies, lists a tree, takes 1,000 deletions at once,
///   and does not say the time of an upload that it finishes. It keeps the metadata of a file, which a listing does not
///   tell. It declines `rename`.
///
/// Times are seconds of a counter that starts in November 2023, tags are numbers of the same counter.
#[derive(Clone, Debug)]
pub struct Memory {
    shape: Shape,
    capabilities: Capabilities,
    page_size: usize,
    link_host: Option<Arc<str>>,
    longest_link: Duration,
    largest_copy: u64,
    state: Arc<Mutex<State>>,
    log: CallLog,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Shape {
    Folders,
    Keys,
}

/// What stands under one key. With folders the key is the path.
#[derive(Clone, Debug)]
struct Object {
    kind: Kind,
    data: Bytes,
    etag: Etag,
    modified: SystemTime,
    content_type: Option<Arc<str>>,
    /// With keys only: with folders the time is the file's own.
    metadata: Option<Metadata>,
}

#[derive(Debug, Default)]
struct State {
    objects: BTreeMap<String, Object>,
    ticks: u64,
    uploads: BTreeSet<String>,
}

impl State {
    fn tick(&mut self) -> u64 {
        self.ticks += 1;
        self.ticks
    }

    /// A new object, with a time and a tag of its own.
    fn object(&mut self, kind: Kind, data: Bytes) -> Object {
        let tick = self.tick();
        let modified = SystemTime::UNIX_EPOCH + Duration::from_secs(1_700_000_000 + tick);
        Object { kind, data, etag: tag(tick), modified, content_type: None, metadata: None }
    }

    /// The objects whose keys begin with `prefix`, in order.
    fn with_prefix<'a>(&'a self, prefix: &'a str) -> impl Iterator<Item = (&'a String, &'a Object)> {
        self.objects.range(prefix.to_owned()..).take_while(move |(key, _)| key.starts_with(prefix))
    }
}

fn tag(number: u64) -> Etag {
    #[expect(clippy::expect_used, reason = "letters and digits make a tag")]
    Etag::new(&format!("m{number}")).expect("a valid tag")
}

impl Object {
    fn entry(&self, path: &RelPath) -> Entry {
        match self.kind {
            Kind::Dir => Entry { modified: Some(self.modified), ..Entry::dir(path.clone()) },
            Kind::File => Entry {
                modified: Some(self.modified),
                etag: Some(self.etag.clone()),
                content_type: self.content_type.clone(),
                metadata: self.metadata.map(Box::new),
                ..Entry::file(path.clone(), self.data.len() as u64)
            },
        }
    }
}

impl Object {
    /// As a listing has it.
    fn listed(&self, path: &RelPath) -> Entry {
        Entry { metadata: None, ..self.entry(path) }
    }
}

/// The keys below a folder begin with this.
fn below(dir: &RelPath) -> String {
    if dir.is_root() { String::new() } else { format!("{dir}/") }
}

/// Whether a condition holds for what stands at a path.
fn allow(when: &When, there: Option<&Entry>, op: &'static str, path: &RelPath) -> Result<()> {
    let kind = match (when, there) {
        (When::Always, _) | (When::Absent, None) => return Ok(()),
        (When::Matches(etag), Some(entry)) if entry.etag.as_ref() == Some(etag) => return Ok(()),
        (When::Absent, Some(_)) => ErrorKind::AlreadyExists,
        (When::Matches(_), _) => ErrorKind::Precondition,
    };
    Err(Error::new(kind, op, path))
}

impl Memory {
    fn new(shape: Shape, capabilities: Capabilities) -> Self {
        Self {
            shape,
            capabilities,
            page_size: 1_000,
            link_host: None,
            longest_link: Duration::MAX,
            largest_copy: u64::MAX,
            state: Arc::default(),
            log: CallLog::default(),
        }
    }

    /// An empty storage with folders of its own.
    pub fn folders() -> Self {
        #[expect(clippy::expect_used, reason = "a constant that is a path")]
        let staging = RelPath::parse(STAGING).expect("a valid path");
        let capabilities = Capabilities {
            real_dirs: true,
            atomic_conditions: true,
            conditional_delete: true,
            delete_batch: 1,
            max_file_size: None,
            staging: Some(staging),
            reads_files: false,
        };
        let memory = Self::new(Shape::Folders, capabilities);
        {
            let mut state = memory.lock();
            let folder = state.object(Kind::Dir, Bytes::new());
            state.objects.insert(STAGING.to_owned(), folder);
        }
        memory
    }

    /// An empty storage of keys.
    pub fn keys() -> Self {
        let capabilities = Capabilities {
            real_dirs: false,
            atomic_conditions: true,
            conditional_delete: false,
            delete_batch: 1_000,
            max_file_size: None,
            staging: None,
            reads_files: false,
        };
        Self::new(Shape::Keys, capabilities)
    }

    /// So many members a page of a listing, at least 1; 1,000 unless told.
    #[must_use]
    pub fn with_page_size(mut self, size: usize) -> Self {
        self.page_size = size.max(1);
        self
    }

    /// Gives links to files: `HOST/KEY?signature=..`, with the scheme in `host` (`https://bucket.example`). Nothing answers
    /// there.
    #[must_use]
    pub fn with_links(mut self, host: &str) -> Self {
        self.link_host = Some(Arc::from(host));
        self
    }

    /// Links that end after this time at most, as those that are signed with temporary keys.
    #[must_use]
    pub fn with_links_for(mut self, longest: Duration) -> Self {
        self.longest_link = longest;
        self
    }

    /// Copies at most so many bytes in one step, and larger files piece by piece. With keys only.
    #[must_use]
    pub fn with_copies_up_to(mut self, bytes: u64) -> Self {
        self.largest_copy = bytes;
        self
    }

    /// Other capabilities than its own, for tests of what a layer above does with them. It does not behave otherwise.
    #[must_use]
    pub fn with_capabilities(mut self, change: impl FnOnce(&mut Capabilities)) -> Self {
        change(&mut self.capabilities);
        self
    }

    /// Puts an object under any key, also one that no path can name: `a//b`, `..`, control characters, or `dir/`. With
    /// folders it is a file at that path.
    pub fn plant(&self, key: &str, data: impl Into<Bytes>) {
        let mut state = self.lock();
        let object = state.object(Kind::File, data.into());
        state.objects.insert(key.to_owned(), object);
    }

    /// All keys (with folders: all paths, the staging folder's aside), sorted.
    pub fn raw_keys(&self) -> Vec<String> {
        self.lock().objects.keys().filter(|key| !self.is_staging(key)).cloned().collect()
    }

    /// What is in the staging folder, sorted; it should be nothing when no call runs.
    pub fn staged(&self) -> Vec<String> {
        self.lock().objects.keys().filter(|key| self.is_staging(key) && *key != STAGING).cloned().collect()
    }

    /// How many uploads were begun and neither finished nor aborted nor dropped.
    pub fn uploads_in_progress(&self) -> usize {
        self.lock().uploads.len()
    }

    /// The calls that came.
    pub fn log(&self) -> &CallLog {
        &self.log
    }

    fn is_staging(&self, key: &str) -> bool {
        self.shape == Shape::Folders
            && key.strip_prefix(STAGING).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What stands at a path, as an entry.
    fn look(&self, state: &State, path: &RelPath) -> Option<Entry> {
        match self.shape {
            Shape::Folders => folders::look(state, path),
            Shape::Keys => keys::look(state, path),
        }
    }
}

#[cfg(test)]
mod tests {
    use davmux_driver::{Driver, Native};

    use super::*;
    use crate::shorthand::*;

    #[tokio::test]
    async fn keys_without_a_name_are_hidden_and_counted_where_they_hang() {
        let memory = Memory::keys();
        for key in ["a/b", "a//c", "a/../d", "/e", "f\u{1}", "blue", "blue/x", "kept/"] {
            memory.plant(key, "x");
        }
        let root = list(&memory, "").await.unwrap();
        assert_eq!(root.paths(), ["a", "blue", "kept"]);
        assert_eq!(root.unnameable, [path(""), path(""), path("")], "`/e`, `f\\u{{1}}` and the file behind `blue/`");
        let below_a = list(&memory, "a").await.unwrap();
        assert_eq!((below_a.paths(), below_a.unnameable.len()), (vec!["a/b"], 2));
        let Native::Done(pages) = memory.list_tree(&path("")) else { panic!("keys list a tree by themselves") };
        let tree = gather(pages).await.unwrap();
        assert_eq!(tree.paths(), ["a/b", "blue/x", "kept"]);
        assert_eq!(tree.unnameable, [path(""), path(""), path(""), path("a"), path("a")]);
    }

    #[tokio::test]
    async fn an_upload_that_nobody_ended_is_seen() {
        for memory in [Memory::folders(), Memory::keys()] {
            let upload = memory.write(&path("f"), Default::default()).await.unwrap();
            assert_eq!(memory.uploads_in_progress(), 1);
            drop(upload);
            assert_eq!(memory.uploads_in_progress(), 0);
        }
    }
}
