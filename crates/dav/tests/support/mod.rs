//! A tree over a small storage in memory that fails when told to, and requests to it.

#![allow(dead_code)]

use std::collections::{BTreeMap, HashMap};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use async_trait::async_trait;
use bytes::Bytes;
use davmux_dav::{Body, BodyError, Client, Dav, DavOptions, LockTable};
use davmux_driver::{
    Body as Content, Capabilities, Driver, Entry, Error, ErrorKind, Etag, Expect, Kind, Link, LinkRequest, Native,
    Page, Pages, ReadReply, ReadRequest, RelPath, Removal, Result, Upload, Usage, When, WriteRequest,
};
use davmux_tree::{Access, Mount, MountOptions, Tree, TreeOptions, TreePath, View};
use futures_util::{StreamExt, stream};
use http::{HeaderMap, Request, Response, StatusCode};
use http_body_util::{BodyExt, Full};
use tokio::sync::Semaphore;

#[derive(Clone, Debug)]
struct Kept {
    /// `None`: a folder.
    bytes: Option<Bytes>,
    version: u64,
    modified: SystemTime,
}

/// Where a storage waits.
#[derive(Clone, Debug)]
pub(crate) struct Hold {
    reached: Arc<Semaphore>,
    go: Arc<Semaphore>,
}

impl Hold {
    /// Resolves when the storage waits.
    pub(crate) async fn reached(&self) {
        self.reached.acquire().await.unwrap().forget();
    }

    /// Lets it go on, now and always.
    pub(crate) fn go(&self) {
        self.go.add_permits(1000);
    }
}

/// A storage with real folders.
#[derive(Clone, Debug, Default)]
pub(crate) struct Store(Arc<Inner>);

#[derive(Debug, Default)]
struct Inner {
    entries: Mutex<BTreeMap<String, Kept>>,
    faults: Mutex<HashMap<&'static str, ErrorKind>>,
    version: AtomicU64,
    capabilities: Capabilities,
    /// Redirects are offered to this host.
    links: Mutex<Option<String>>,
    /// Deletions wait here.
    held: Mutex<Option<Hold>>,
    /// Bytes of the next read that arrive before it fails.
    short: Mutex<Option<usize>>,
}

impl Store {
    pub(crate) fn new() -> Self {
        let capabilities = Capabilities {
            atomic_conditions: true,
            conditional_delete: true,
            delete_batch: 10,
            ..Capabilities::default()
        };
        Self(Arc::new(Inner { capabilities, ..Inner::default() }))
    }

    /// From now on `op` fails so; `None`: no more. `list-late`: a listing fails after its first page.
    pub(crate) fn fail(&self, op: &'static str, kind: Option<ErrorKind>) {
        let mut faults = self.0.faults.lock().unwrap();
        match kind {
            Some(kind) => faults.insert(op, kind),
            None => faults.remove(op),
        };
    }

    pub(crate) fn offer_links(&self, host: &str) {
        *self.0.links.lock().unwrap() = Some(host.to_owned());
    }

    /// Lets deletions wait until told to go on.
    pub(crate) fn hold_deletions(&self) -> Hold {
        let hold = Hold { reached: Arc::new(Semaphore::new(0)), go: Arc::new(Semaphore::new(0)) };
        *self.0.held.lock().unwrap() = Some(hold.clone());
        hold
    }

    pub(crate) fn cut_reads_after(&self, bytes: usize) {
        *self.0.short.lock().unwrap() = Some(bytes);
    }

    pub(crate) fn put(&self, path: &str, bytes: impl Into<Bytes>) {
        self.keep(path, Some(bytes.into()));
    }

    pub(crate) fn folder(&self, path: &str) {
        self.keep(path, None);
    }

    pub(crate) fn bytes(&self, path: &str) -> Option<Bytes> {
        self.0.entries.lock().unwrap().get(path).and_then(|kept| kept.bytes.clone())
    }

    pub(crate) fn has(&self, path: &str) -> bool {
        self.0.entries.lock().unwrap().contains_key(path)
    }

    fn keep(&self, path: &str, bytes: Option<Bytes>) -> Entry {
        let version = self.0.version.fetch_add(1, Ordering::SeqCst);
        // Each version a minute later, so that times differ in headers.
        let modified = UNIX_EPOCH + Duration::from_secs(1_000_000_000 + version * 60);
        let kept = Kept { bytes, version, modified };
        let entry = entry(&RelPath::parse(path).unwrap(), &kept);
        self.0.entries.lock().unwrap().insert(path.to_owned(), kept);
        entry
    }

    fn check(&self, op: &'static str, path: &RelPath) -> Result<()> {
        match self.0.faults.lock().unwrap().get(op) {
            Some(kind) => Err(Error::new(*kind, op, path)),
            None => Ok(()),
        }
    }

    fn get(&self, path: &RelPath) -> Result<Entry> {
        if path.is_root() {
            return Ok(Entry::dir(RelPath::root()));
        }
        match self.0.entries.lock().unwrap().get(path.as_str()) {
            Some(kept) => Ok(entry(path, kept)),
            None => Err(Error::new(ErrorKind::NotFound, "stat", path)),
        }
    }

    fn holds(&self, path: &RelPath, when: &When) -> Result<()> {
        match (self.get(path), when) {
            (Ok(there), _) if there.is_dir() => Err(Error::new(ErrorKind::IsDir, "write", path)),
            (Ok(_), When::Absent) => Err(Error::new(ErrorKind::AlreadyExists, "write", path)),
            (Ok(there), When::Matches(etag)) if there.etag.as_ref() != Some(etag) => {
                Err(Error::new(ErrorKind::Precondition, "write", path))
            }
            (Err(_), When::Matches(_)) => Err(Error::new(ErrorKind::Precondition, "write", path)),
            _ => Ok(()),
        }
    }
}

fn entry(path: &RelPath, kept: &Kept) -> Entry {
    let mut entry = match &kept.bytes {
        Some(bytes) => Entry::file(path.clone(), bytes.len() as u64),
        None => return Entry { modified: Some(kept.modified), ..Entry::dir(path.clone()) },
    };
    entry.etag = Etag::new(&format!("v{}", kept.version));
    entry.modified = Some(kept.modified);
    entry
}

#[async_trait]
impl Driver for Store {
    fn name(&self) -> &'static str {
        "test"
    }

    fn capabilities(&self) -> &Capabilities {
        &self.0.capabilities
    }

    async fn check(&self) -> Result<()> {
        Ok(())
    }

    async fn stat(&self, path: &RelPath, _: Expect) -> Result<Entry> {
        Self::check(self, "stat", path)?;
        self.get(path)
    }

    fn list(&self, dir: &RelPath) -> Pages {
        let there = Self::check(self, "list", dir).and_then(|()| self.get(dir)).and_then(|there| match there.kind {
            Kind::Dir => Ok(()),
            Kind::File => Err(Error::new(ErrorKind::NotDir, "list", dir)),
        });
        if let Err(error) = there {
            return stream::iter([Err(error)]).boxed();
        }
        let members: Vec<Entry> = self
            .0
            .entries
            .lock()
            .unwrap()
            .iter()
            .filter_map(|(path, kept)| {
                let path = RelPath::parse(path).unwrap();
                (path.parent().as_ref() == Some(dir)).then(|| entry(&path, kept))
            })
            .collect();
        let mut pages: Vec<Result<Page>> =
            members.chunks(2).map(|entries| Ok(Page { entries: entries.to_vec(), unnameable: Vec::new() })).collect();
        if let Err(error) = Self::check(self, "list-late", dir) {
            pages.truncate(1);
            pages.push(Err(error));
        }
        stream::iter(pages).boxed()
    }

    async fn read(&self, path: &RelPath, request: ReadRequest) -> Result<ReadReply> {
        Self::check(self, "read", path)?;
        let entry = self.get(path)?;
        let Some(bytes) = self.bytes(path.as_str()) else {
            return Err(Error::new(ErrorKind::IsDir, "read", path));
        };
        if request.if_match.is_some() && request.if_match != entry.etag {
            return Err(Error::new(ErrorKind::Precondition, "read", path));
        }
        let range = match request.range {
            None => 0..entry.size,
            Some(range) => range
                .resolve(entry.size)
                .ok_or_else(|| Error::new(ErrorKind::Range { size: entry.size }, "read", path))?,
        };
        let mut chunks = vec![Ok(bytes.slice(range.start as usize..range.end as usize))];
        if let Some(short) = *self.0.short.lock().unwrap() {
            chunks = vec![
                Ok(bytes.slice(range.start as usize..range.start as usize + short)),
                Err(Error::new(ErrorKind::Denied, "read", path)),
            ];
        }
        Ok(ReadReply { entry, range, body: Content::Stream(stream::iter(chunks).boxed()) })
    }

    async fn write(&self, path: &RelPath, request: WriteRequest) -> Result<Box<dyn Upload>> {
        Self::check(self, "write", path)?;
        Ok(Box::new(Writing { store: self.clone(), path: path.clone(), request, bytes: Vec::new() }))
    }

    async fn abort_upload(&self, _: &RelPath, _: &str) -> Result<()> {
        Ok(())
    }

    async fn create_dir(&self, path: &RelPath) -> Result<()> {
        Self::check(self, "create_dir", path)?;
        if self.has(path.as_str()) {
            return Err(Error::new(ErrorKind::AlreadyExists, "create_dir", path));
        }
        self.keep(path.as_str(), None);
        Ok(())
    }

    async fn keep_dir(&self, _: &RelPath) -> Result<()> {
        Ok(())
    }

    async fn delete(&self, batch: &[Removal]) -> Result<Vec<(RelPath, Error)>> {
        let held = self.0.held.lock().unwrap().clone();
        if let Some(held) = held {
            held.reached.add_permits(1);
            held.go.acquire().await.unwrap().forget();
        }
        let mut failed = Vec::new();
        for removal in batch {
            if let Err(error) = Self::check(self, "delete", &removal.path) {
                failed.push((removal.path.clone(), error));
                continue;
            }
            let inside = format!("{}/", removal.path);
            let mut entries = self.0.entries.lock().unwrap();
            // A file that is told to stay.
            if removal.path.name() == "stays" || entries.keys().any(|path| path.starts_with(&inside)) {
                let kind = if removal.path.name() == "stays" { ErrorKind::Denied } else { ErrorKind::NotEmpty };
                failed.push((removal.path.clone(), Error::new(kind, "delete", &removal.path)));
            } else {
                entries.remove(removal.path.as_str());
            }
        }
        Ok(failed)
    }

    async fn link(&self, file: &Entry, _: LinkRequest) -> Result<Native<Link>> {
        let host = self.0.links.lock().unwrap().clone();
        Ok(host.map_or(Native::Declined, |host| {
            let url = format!("https://{host}/{}?signature=secret", file.path).parse().unwrap();
            Native::Done(Link { url, expires_at: None })
        }))
    }

    async fn set_modified(&self, path: &RelPath, modified: SystemTime) -> Result<Native<()>> {
        Self::check(self, "set_modified", path)?;
        self.0.entries.lock().unwrap().get_mut(path.as_str()).unwrap().modified = modified;
        Ok(Native::Done(()))
    }

    async fn usage(&self) -> Result<Native<Usage>> {
        Ok(Native::Done(Usage { used: Some(123), available: 456 }))
    }
}

struct Writing {
    store: Store,
    path: RelPath,
    request: WriteRequest,
    bytes: Vec<u8>,
}

#[async_trait]
impl Upload for Writing {
    async fn write(&mut self, chunk: Bytes) -> Result<()> {
        self.bytes.extend_from_slice(&chunk);
        Ok(())
    }

    async fn finish(self: Box<Self>) -> Result<Entry> {
        Store::check(&self.store, "finish", &self.path)?;
        self.store.holds(&self.path, &self.request.when)?;
        let mut entry = self.store.keep(self.path.as_str(), Some(Bytes::from(self.bytes)));
        if let Some(modified) = self.request.metadata.modified {
            self.store.0.entries.lock().unwrap().get_mut(self.path.as_str()).unwrap().modified = modified;
            entry.modified = Some(modified);
        }
        Ok(entry)
    }

    async fn abort(self: Box<Self>) -> Result<()> {
        Ok(())
    }
}

/// A server without sockets.
pub(crate) struct Fixture {
    pub(crate) store: Store,
    pub(crate) dav: Dav,
    pub(crate) tree: Arc<Tree>,
    /// Seconds since 1970, as the locks see it.
    pub(crate) now: Arc<AtomicU64>,
    pub(crate) access: Access,
}

impl Fixture {
    pub(crate) fn new() -> Self {
        Self::at("/")
    }

    pub(crate) fn at(base_path: &str) -> Self {
        Self::serving(base_path, MountOptions::default())
    }

    pub(crate) fn serving(base_path: &str, mounted: MountOptions) -> Self {
        let store = Store::new();
        let options = TreeOptions { redirect_rules: Vec::new(), store: Arc::new(davmux_state::Memory::new()) };
        let mount = Mount::new(TreePath::root(), Arc::new(store.clone()), mounted);
        let now = Arc::new(AtomicU64::new(1_000_000));
        let seen = Arc::clone(&now);
        let clock: davmux_dav::Clock = Arc::new(move || UNIX_EPOCH + Duration::from_secs(seen.load(Ordering::SeqCst)));
        let locks = Arc::new(LockTable::in_memory(Arc::clone(&clock)));
        let dav = Dav::new(DavOptions { base_path: base_path.to_owned(), locks, clock }).unwrap();
        Self { store, dav, tree: Tree::new(vec![mount], options), now, access: Access::ReadWrite }
    }

    pub(crate) fn view(&self) -> View {
        View::new(Arc::clone(&self.tree), TreePath::root(), self.access)
    }

    pub(crate) async fn raw<B>(&self, user: &str, request: Request<B>) -> Response<Body>
    where
        B: http_body::Body<Data = Bytes> + Send + 'static,
        B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
    {
        let client = Client {
            user: (!user.is_empty()).then(|| Arc::from(user)),
            administrator: user == "root",
            peer: Some("203.0.113.9".parse().unwrap()),
            ..Client::default()
        };
        self.dav.handle(self.view(), request, client).await
    }

    pub(crate) async fn as_user(
        &self,
        user: &str,
        method: &str,
        path: &str,
        headers: &[(&str, &str)],
        body: &str,
    ) -> Reply {
        let mut request = Request::builder().method(method).uri(path);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let body = Full::new(Bytes::copy_from_slice(body.as_bytes()));
        let (parts, body) = self.raw(user, request.body(body).unwrap()).await.into_parts();
        let redirect = parts.extensions.get::<davmux_dav::ReadDecision>().map(|decision| decision.redirect);
        let body = body.collect().await.map(http_body_util::Collected::to_bytes);
        Reply { status: parts.status, headers: parts.headers, body, redirect }
    }

    pub(crate) async fn send(&self, method: &str, path: &str, headers: &[(&str, &str)], body: &str) -> Reply {
        self.as_user("alice", method, path, headers, body).await
    }

    pub(crate) async fn status(&self, method: &str, path: &str, headers: &[(&str, &str)], body: &str) -> u16 {
        self.send(method, path, headers, body).await.status.as_u16()
    }

    /// Takes a lock and gives its token, in its brackets.
    pub(crate) async fn lock(&self, user: &str, path: &str, depth: &str, scope: &str) -> String {
        let body = format!(
            "<D:lockinfo xmlns:D='DAV:'><D:lockscope><D:{scope}/></D:lockscope><D:locktype><D:write/></D:locktype></D:lockinfo>"
        );
        let reply = self.as_user(user, "LOCK", path, &[("depth", depth)], &body).await;
        assert!(reply.status.is_success(), "{} {}", reply.status, reply.text());
        reply.header("lock-token").to_owned()
    }
}

#[derive(Debug)]
pub(crate) struct Reply {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) body: std::result::Result<Bytes, BodyError>,
    pub(crate) redirect: Option<bool>,
}

impl Reply {
    pub(crate) fn text(&self) -> &str {
        std::str::from_utf8(self.body.as_ref().unwrap()).unwrap()
    }

    pub(crate) fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().unwrap())
    }
}

/// The elements of a document in their order, each with its name as it stands there and its own text. Panics where the
/// document is not well-formed.
pub(crate) fn elements(document: &str) -> Vec<(String, String)> {
    use quick_xml::events::Event;
    let mut reader = quick_xml::Reader::from_str(document);
    reader.config_mut().expand_empty_elements = true;
    let (mut all, mut open): (Vec<(String, String)>, Vec<usize>) = (Vec::new(), Vec::new());
    loop {
        let said = match reader.read_event().unwrap_or_else(|error| panic!("{error}: {document}")) {
            Event::Start(start) => {
                open.push(all.len());
                let name = start.name();
                let name: &str = name.as_ref();
                all.push((name.to_owned(), String::new()));
                continue;
            }
            Event::End(_) => {
                open.pop().unwrap();
                continue;
            }
            Event::Text(text) => text.xml10_content().into_owned(),
            Event::GeneralRef(reference) => match reference.resolve_char_ref().unwrap() {
                Some(character) => character.to_string(),
                None => quick_xml::escape::resolve_predefined_entity(&reference).unwrap().to_owned(),
            },
            Event::Eof => break,
            _ => continue,
        };
        match open.last() {
            Some(at) => all[*at].1.push_str(&said),
            None => assert!(said.trim().is_empty(), "{document}"),
        }
    }
    assert!(open.is_empty(), "{document}");
    all
}
