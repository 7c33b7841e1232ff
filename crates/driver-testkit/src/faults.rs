//! [`Faulty`]: a driver that fails by script.

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::SystemTime;

use async_trait::async_trait;
use bytes::Bytes;
use davmux_driver::{
    Body, ByteStream, Capabilities, Driver, Enters, Entry, Error, ErrorKind, Expect, Link, LinkRequest, Native, Pages,
    ReadReply, ReadRequest, RelPath, Removal, Result, Upload, Usage, When, WriteRequest,
};
use futures_util::{StreamExt as _, future, stream};
use tokio::sync::Semaphore;

use crate::{CallLog, Op};

/// What goes wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// The call fails before it has an effect.
    Before(ErrorKind),
    /// The call has its effect, and its answer is lost: it fails all the same. A listing or a body fails at its end.
    After(ErrorKind),
    /// A listing gives so many pages, a body so many bytes, and then an error. Other calls fail as with `Before`.
    CutAfter(u64, ErrorKind),
}

/// Holds a call back until the test lets it go. Clones share it.
#[derive(Clone, Debug)]
pub struct Gate {
    arrived: Arc<Semaphore>,
    open: Arc<Semaphore>,
}

impl Gate {
    fn new() -> Self {
        Self { arrived: Arc::new(Semaphore::new(0)), open: Arc::new(Semaphore::new(0)) }
    }

    /// Waits until a call stands at the gate; each arrival is told once.
    pub async fn reached(&self) {
        if let Ok(permit) = self.arrived.acquire().await {
            permit.forget();
        }
    }

    /// Lets go all calls that wait and that still come.
    pub fn open(&self) {
        self.open.close();
    }

    async fn pass(&self) {
        self.arrived.add_permits(1);
        // It never has a permit: the only way on is that it is closed.
        let _closed = self.open.acquire().await;
    }
}

#[derive(Clone, Debug)]
enum Action {
    Fault(Fault),
    GateBefore(Gate),
    GateAfter(Gate),
}

#[derive(Debug)]
struct Scripted {
    op: Op,
    path: Option<RelPath>,
    skip: usize,
    times: usize,
    action: Action,
}

/// A line of the script under way: which calls it means. Without more words it is the first call.
#[derive(Debug)]
#[must_use = "a rule does nothing until it is given a fault or a gate"]
pub struct Rule<'a> {
    faulty: &'a Faulty,
    op: Op,
    path: Option<RelPath>,
    skip: usize,
    times: usize,
}

impl Rule<'_> {
    /// Only calls on this path count. That of a copy or rename is its source; that of a delete its first entry.
    pub fn at(mut self, path: &RelPath) -> Self {
        self.path = Some(path.clone());
        self
    }

    /// The `n`-th such call from now on; the first is 1.
    pub fn nth(mut self, n: usize) -> Self {
        self.skip = n.saturating_sub(1);
        self
    }

    /// So many calls in a row, from that one on.
    pub fn times(mut self, times: usize) -> Self {
        self.times = times;
        self
    }

    /// Every call from that one on.
    pub fn every(self) -> Self {
        self.times(usize::MAX)
    }

    /// Lets these calls fail.
    pub fn fault(self, fault: Fault) {
        self.add(Action::Fault(fault));
    }

    /// Holds these calls before they have an effect.
    pub fn gate(self) -> Gate {
        let gate = Gate::new();
        self.add(Action::GateBefore(gate.clone()));
        gate
    }

    /// Holds these calls after their effect, before the answer. A listing or a body waits at its end.
    pub fn gate_after(self) -> Gate {
        let gate = Gate::new();
        self.add(Action::GateAfter(gate.clone()));
        gate
    }

    fn add(self, action: Action) {
        let Self { faulty, op, path, skip, times } = self;
        faulty.script.add(Scripted { op, path, skip, times, action });
    }
}

#[derive(Clone, Debug, Default)]
struct Script(Arc<Mutex<Vec<Scripted>>>);

impl Script {
    fn add(&self, line: Scripted) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).push(line);
    }

    fn clear(&self) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clear();
    }

    /// What the first line that means this call says. Each line that could mean it counts it.
    fn next(&self, op: Op, path: &RelPath) -> Option<Action> {
        let mut found = None;
        for line in self.0.lock().unwrap_or_else(PoisonError::into_inner).iter_mut() {
            if line.op != op || line.path.as_ref().is_some_and(|only| only != path) || line.times == 0 {
                continue;
            }
            if line.skip > 0 {
                line.skip -= 1;
            } else if found.is_none() {
                line.times = line.times.saturating_sub(usize::from(line.times != usize::MAX));
                found = Some(line.action.clone());
            }
        }
        found
    }
}

/// A driver around another one that fails, cuts and waits as its script says, and logs each call.
///
/// ```
/// # use std::sync::Arc;
/// # use davmux_driver::ErrorKind;
/// # use davmux_driver_testkit::{Fault, Faulty, Memory, Op};
/// let faulty = Faulty::new(Arc::new(Memory::folders()));
/// faulty.on(Op::List).nth(2).fault(Fault::CutAfter(1, ErrorKind::Unavailable));
/// let gate = faulty.on(Op::Finish).gate();
/// # drop(gate);
/// ```
#[derive(Debug)]
pub struct Faulty {
    inner: Arc<dyn Driver>,
    script: Script,
    log: CallLog,
}

impl Faulty {
    /// Wraps a driver; nothing fails yet.
    pub fn new(inner: Arc<dyn Driver>) -> Self {
        Self { inner, script: Script::default(), log: CallLog::default() }
    }

    /// Begins a line of the script.
    pub fn on(&self, op: Op) -> Rule<'_> {
        Rule { faulty: self, op, path: None, skip: 0, times: 1 }
    }

    /// Forgets the script; calls that wait at a gate go on waiting.
    pub fn heal(&self) {
        self.script.clear();
    }

    /// The calls that came, those that failed by script too.
    pub fn log(&self) -> &CallLog {
        &self.log
    }

    fn hook(&self) -> Hook<'_> {
        Hook { script: &self.script, log: &self.log }
    }
}

/// The way that every call takes.
struct Hook<'a> {
    script: &'a Script,
    log: &'a CallLog,
}

fn failed(kind: ErrorKind, op: Op, path: &RelPath) -> Error {
    let word = match op {
        Op::Check => "check",
        Op::Stat => "stat",
        Op::List | Op::ListTree => "list",
        Op::Read => "read",
        Op::Write | Op::UploadWrite | Op::Finish => "write",
        Op::Abort | Op::AbortUpload => "abort",
        Op::CreateDir | Op::KeepDir => "create folder",
        Op::Delete => "delete",
        Op::Link => "link",
        Op::Copy | Op::BeginCopy => "copy",
        Op::Rename => "rename",
        Op::SetModified => "set time",
        Op::Usage => "usage",
    };
    Error::new(kind, word, path).with_detail("by script")
}

impl Hook<'_> {
    async fn run<T>(&self, op: Op, path: &RelPath, call: impl Future<Output = Result<T>>) -> Result<T> {
        self.log.add(op, path);
        let action = self.script.next(op, path);
        match &action {
            Some(Action::Fault(Fault::Before(kind) | Fault::CutAfter(_, kind))) => return Err(failed(*kind, op, path)),
            Some(Action::GateBefore(gate)) => gate.pass().await,
            _ => {}
        }
        let answer = call.await;
        match action {
            Some(Action::Fault(Fault::After(kind))) => Err(failed(kind, op, path)),
            Some(Action::GateAfter(gate)) => {
                gate.pass().await;
                answer
            }
            _ => answer,
        }
    }

    fn pages(&self, op: Op, path: &RelPath, pages: Pages) -> Pages {
        self.log.add(op, path);
        let error = |kind| stream::once(future::ready(Err(failed(kind, op, path))));
        match self.script.next(op, path) {
            None => pages,
            Some(Action::Fault(Fault::Before(kind))) => Box::pin(error(kind)),
            Some(Action::Fault(Fault::After(kind))) => Box::pin(pages.chain(error(kind))),
            Some(Action::Fault(Fault::CutAfter(count, kind))) => {
                Box::pin(pages.take(usize::try_from(count).unwrap_or(usize::MAX)).chain(error(kind)))
            }
            Some(Action::GateBefore(gate)) => Box::pin(hold(gate).chain(pages)),
            Some(Action::GateAfter(gate)) => Box::pin(pages.chain(hold(gate))),
        }
    }
}

/// A stream that ends without an item when the gate is opened.
fn hold<T: Send + 'static>(gate: Gate) -> impl futures_util::Stream<Item = Result<T>> + Send {
    stream::once(async move { gate.pass().await }).filter_map(|()| future::ready(None))
}

fn cut(body: ByteStream, after: u64, error: Error) -> ByteStream {
    let parts = stream::unfold((body, after, Some(error)), |(mut body, left, mut error)| async move {
        error.as_ref()?;
        if left == 0 {
            return error.take().map(|error| (Err(error), (body, 0, None)));
        }
        match body.next().await? {
            Ok(chunk) => {
                let len = chunk.len().min(usize::try_from(left).unwrap_or(usize::MAX));
                Some((Ok(chunk.slice(..len)), (body, left - len as u64, error)))
            }
            Err(own) => Some((Err(own), (body, 0, None))),
        }
    });
    Box::pin(parts)
}

fn stream_of(reply_body: Body, range: std::ops::Range<u64>) -> ByteStream {
    match reply_body {
        Body::Stream(stream) => stream,
        Body::File(file) => Box::pin(stream::unfold((file, range), |(file, range)| async move {
            use std::os::unix::fs::FileExt as _;
            let len = usize::try_from((range.end - range.start).min(64 * 1024)).unwrap_or(0);
            if len == 0 {
                return None;
            }
            let mut bytes = vec![0; len];
            // A cut body is a test's own, and its file is small: it may be read here.
            match file.read_exact_at(&mut bytes, range.start) {
                Ok(()) => Some((Ok(Bytes::from(bytes)), (file, range.start + len as u64..range.end))),
                Err(error) => {
                    let error = Error::new(ErrorKind::Backend, "read", &RelPath::root()).with_source(error);
                    Some((Err(error), (file, 0..0)))
                }
            }
        })),
    }
}

#[deny(clippy::missing_trait_methods)]
#[async_trait]
impl Driver for Faulty {
    fn name(&self) -> &'static str {
        self.inner.name()
    }

    fn capabilities(&self) -> &Capabilities {
        self.inner.capabilities()
    }

    async fn check(&self) -> Result<()> {
        self.hook().run(Op::Check, &RelPath::root(), self.inner.check()).await
    }

    async fn stat(&self, path: &RelPath, expect: Expect) -> Result<Entry> {
        self.hook().run(Op::Stat, path, self.inner.stat(path, expect)).await
    }

    fn list(&self, dir: &RelPath) -> Pages {
        self.hook().pages(Op::List, dir, self.inner.list(dir))
    }

    async fn read(&self, path: &RelPath, request: ReadRequest) -> Result<ReadReply> {
        self.log.add(Op::Read, path);
        let action = self.script.next(Op::Read, path);
        match &action {
            Some(Action::Fault(Fault::Before(kind))) => return Err(failed(*kind, Op::Read, path)),
            Some(Action::GateBefore(gate)) => gate.pass().await,
            _ => {}
        }
        let ReadReply { entry, range, body } = self.inner.read(path, request).await?;
        let body = match action {
            Some(Action::Fault(Fault::After(kind))) => {
                let end = stream::once(future::ready(Err(failed(kind, Op::Read, path))));
                Body::Stream(Box::pin(stream_of(body, range.clone()).chain(end)))
            }
            Some(Action::Fault(Fault::CutAfter(count, kind))) => {
                Body::Stream(cut(stream_of(body, range.clone()), count, failed(kind, Op::Read, path)))
            }
            Some(Action::GateAfter(gate)) => Body::Stream(Box::pin(stream_of(body, range.clone()).chain(hold(gate)))),
            _ => body,
        };
        Ok(ReadReply { entry, range, body })
    }

    async fn write(&self, path: &RelPath, request: WriteRequest) -> Result<Box<dyn Upload>> {
        let inner = self.hook().run(Op::Write, path, self.inner.write(path, request)).await?;
        Ok(Box::new(FaultyUpload { inner, path: path.clone(), script: self.script.clone(), log: self.log.clone() }))
    }

    async fn abort_upload(&self, path: &RelPath, upload_id: &str) -> Result<()> {
        self.hook().run(Op::AbortUpload, path, self.inner.abort_upload(path, upload_id)).await
    }

    async fn create_dir(&self, path: &RelPath) -> Result<()> {
        self.hook().run(Op::CreateDir, path, self.inner.create_dir(path)).await
    }

    async fn keep_dir(&self, path: &RelPath) -> Result<()> {
        self.hook().run(Op::KeepDir, path, self.inner.keep_dir(path)).await
    }

    async fn delete(&self, batch: &[Removal]) -> Result<Vec<(RelPath, Error)>> {
        let path = batch.first().map_or_else(RelPath::root, |removal| removal.path.clone());
        self.hook().run(Op::Delete, &path, self.inner.delete(batch)).await
    }

    async fn link(&self, file: &Entry, request: LinkRequest) -> Result<Native<Link>> {
        self.hook().run(Op::Link, &file.path, self.inner.link(file, request)).await
    }

    fn list_tree(&self, dir: &RelPath) -> Native<Pages> {
        match self.inner.list_tree(dir) {
            Native::Done(pages) => Native::Done(self.hook().pages(Op::ListTree, dir, pages)),
            Native::Declined => Native::Declined,
        }
    }

    fn list_tree_in(&self, dir: &RelPath, enters: Enters) -> Native<Pages> {
        match self.inner.list_tree_in(dir, enters) {
            Native::Done(pages) => Native::Done(self.hook().pages(Op::ListTree, dir, pages)),
            Native::Declined => Native::Declined,
        }
    }

    async fn copy(&self, from: &Entry, to: &RelPath, when: &When) -> Result<Native<Entry>> {
        self.hook().run(Op::Copy, &from.path, self.inner.copy(from, to, when)).await
    }

    async fn begin_copy(&self, from: &Entry, to: &RelPath, when: &When) -> Result<Native<Box<dyn Upload>>> {
        let begun = self.hook().run(Op::BeginCopy, &from.path, self.inner.begin_copy(from, to, when)).await?;
        Ok(match begun {
            Native::Done(inner) => {
                let (script, log) = (self.script.clone(), self.log.clone());
                Native::Done(Box::new(FaultyUpload { inner, path: to.clone(), script, log }))
            }
            Native::Declined => Native::Declined,
        })
    }

    async fn rename(&self, from: &Entry, to: &RelPath, when: &When) -> Result<Native<Entry>> {
        self.hook().run(Op::Rename, &from.path, self.inner.rename(from, to, when)).await
    }

    async fn set_modified(&self, path: &RelPath, modified: SystemTime) -> Result<Native<()>> {
        self.hook().run(Op::SetModified, path, self.inner.set_modified(path, modified)).await
    }

    async fn usage(&self) -> Result<Native<Usage>> {
        self.hook().run(Op::Usage, &RelPath::root(), self.inner.usage()).await
    }
}

struct FaultyUpload {
    inner: Box<dyn Upload>,
    path: RelPath,
    script: Script,
    log: CallLog,
}

impl fmt::Debug for FaultyUpload {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FaultyUpload").field("path", &self.path).finish_non_exhaustive()
    }
}

#[deny(clippy::missing_trait_methods)]
#[async_trait]
impl Upload for FaultyUpload {
    async fn write(&mut self, chunk: Bytes) -> Result<()> {
        let hook = Hook { script: &self.script, log: &self.log };
        hook.run(Op::UploadWrite, &self.path, self.inner.write(chunk)).await
    }

    async fn finish(self: Box<Self>) -> Result<Entry> {
        let hook = Hook { script: &self.script, log: &self.log };
        hook.run(Op::Finish, &self.path, self.inner.finish()).await
    }

    async fn abort(self: Box<Self>) -> Result<()> {
        let hook = Hook { script: &self.script, log: &self.log };
        hook.run(Op::Abort, &self.path, self.inner.abort()).await
    }

    fn upload_id(&self) -> Option<&str> {
        self.inner.upload_id()
    }
}
