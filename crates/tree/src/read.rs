//! Opening a file: redirect or relay, and a relay that is never silently short.

use std::fs::File;
use std::ops::Range;
use std::os::unix::fs::FileExt;
use std::pin::Pin;
use std::sync::Arc;
use std::time::SystemTime;

use bytes::Bytes;
use davmux_driver::{
    Body, ByteRange, ByteStream, ErrorKind, Etag, Expect, Link, Native, ReadReply, ReadRequest, RelPath,
};
use futures_util::{Stream, StreamExt, stream};

use crate::bandwidth::throttled;
use crate::cache::{Kept, Known};
use crate::kept::is_version;
use crate::mounts::Spot;
use crate::redirect::{self, Decision, Reason, Requester};
use crate::relays::Seat;
use crate::resume::{Rest, resuming};
use crate::tree::Tree;
use crate::{Error, Node, Problem, Result, TreePath};

/// What to open, and for whom.
#[derive(Clone, Copy, Debug)]
pub struct OpenRequest<'a> {
    /// Who asks.
    pub requester: &'a Requester<'a>,
    /// Part of the file; `None`: all of it.
    pub range: Option<ByteRange>,
    /// What the caller has looked at already: exactly this version is opened, else the error is
    /// [`ErrorKind::Precondition`].
    pub node: Option<&'a Node>,
}

/// An open file.
#[derive(Debug)]
pub struct Opened {
    /// The file; of the very bytes in the source.
    pub node: Node,
    /// Where the bytes are.
    pub source: Source,
    /// Redirect or relay, and why.
    pub decision: Decision,
}

/// Where the bytes of a file are.
pub enum Source {
    /// There: the client fetches them itself.
    Redirect(Link),
    /// Here.
    Relay {
        /// The offsets in the file that `body` holds.
        range: Range<u64>,
        /// Exactly so many bytes, or an error.
        body: ReadStream,
    },
}

impl std::fmt::Debug for Source {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Redirect(link) => f.debug_tuple("Redirect").field(link).finish(),
            Self::Relay { range, .. } => f.debug_struct("Relay").field("range", range).finish_non_exhaustive(),
        }
    }
}

/// Bytes of a file; a lost backend connection is resumed on the way (promise 7).
pub type ReadStream = Pin<Box<dyn Stream<Item = Result<Bytes>> + Send>>;

/// How much of a local file is read at once.
const CHUNK: u64 = 256 * 1024;

impl Tree {
    /// Opens the file at a path as it is stored.
    pub(crate) async fn open(self: &Arc<Self>, path: &TreePath, request: OpenRequest<'_>) -> Result<Opened> {
        let spot = match self.spot(path)? {
            Some(spot) if !self.mounts.is_fixed(path) => spot,
            _ => return Err(Error::new(Problem::Storage(ErrorKind::IsDir), path)),
        };
        let opened = self.open_at(path, &spot, request).await?;
        spot.mount.metrics().opened(opened.decision);
        Ok(opened)
    }

    async fn open_at(&self, path: &TreePath, spot: &Spot, request: OpenRequest<'_>) -> Result<Opened> {
        let verdict = redirect::judge(spot.mount.options().read, &self.rules, request.requester);
        if !verdict.decision.redirect {
            return self.relay(spot, request, verdict.decision).await;
        }
        let looked;
        let node = match request.node {
            Some(node) => node,
            None => {
                looked = self.look(path).await?;
                &looked
            }
        };
        if node.is_dir() {
            return Err(Error::new(Problem::Storage(ErrorKind::IsDir), path));
        }
        let request = OpenRequest { node: Some(node), ..request };
        if !verdict.allows_size(node.size) {
            return self.relay(spot, request, Decision::relay(Reason::Small)).await;
        }
        let now = SystemTime::now();
        let Native::Done(link) = self.links.link(spot, node, now).await? else {
            return self.relay(spot, request, Decision::relay(Reason::NoLink)).await;
        };
        let options = spot.mount.options();
        let (link, short) = match &options.proxy {
            // It asks for links of its own as long as the signature stands.
            Some(proxy) => match proxy.link(path, now, options.link_life) {
                Some(link) => (link, false),
                None => return self.relay(spot, request, Decision::relay(Reason::NoLink)).await,
            },
            None => {
                let short = redirect::is_short(&link, options.link_life, now);
                if short {
                    spot.mount.links_end_early(&link, now);
                }
                (link, short)
            }
        };
        let decision = verdict.on(&link, short, request.requester);
        if !decision.redirect {
            return self.relay(spot, request, decision).await;
        }
        Ok(Opened { node: node.clone(), source: Source::Redirect(link), decision })
    }

    /// What the download proxy of the mount fetches for a file; `None` where the mount has none, or its storage gives no links.
    pub(crate) async fn link_for_proxy(&self, path: &TreePath, node: &Node) -> Result<Option<Link>> {
        let spot = match self.spot(path)? {
            Some(spot) if !node.is_dir() => spot,
            _ => return Err(Error::new(Problem::Storage(ErrorKind::IsDir), path)),
        };
        if spot.mount.options().proxy.is_none() {
            return Ok(None);
        }
        Ok(match self.links.link(&spot, node, SystemTime::now()).await? {
            Native::Done(link) => Some(link),
            Native::Declined => None,
        })
    }

    async fn relay(&self, spot: &Spot, request: OpenRequest<'_>, decision: Decision) -> Result<Opened> {
        let known = match request.node {
            Some(node) => Known::Present(Kept::told(node.clone())),
            None => self.cache.known(&spot.path),
        };
        match &known {
            Known::Absent => return Err(Error::new(Problem::NotFound, &spot.path)),
            Known::Present(kept) if kept.node.is_dir() => {
                return Err(Error::new(Problem::Storage(ErrorKind::IsDir), &spot.path));
            }
            _ => {}
        }
        let stamp = self.cache.stamp(&spot.path.parent().unwrap_or_else(TreePath::root));
        let before = match &known {
            // Matched with the index already.
            Known::Present(kept) if kept.node.stored().is_some() => None,
            _ => Some(self.known_before(&spot.path).await),
        };
        let seat = match spot.driver().capabilities().reads_files {
            true => None,
            false => Some(spot.relays().seat().await.ok_or_else(|| Error::new(Problem::RelaysBusy, &spot.path))?),
        };
        let if_match = request.node.and_then(|node| node.etag.clone());
        let read = spot.driver().read(&spot.rel, ReadRequest { range: request.range, if_match });
        let reply = if matches!(known, Known::No) && !spot.driver().capabilities().real_dirs {
            // A folder of this name would win; both questions are asked at once.
            let (reply, folder) = futures_util::join!(read, spot.driver().stat(&spot.rel, Expect::Dir));
            match folder {
                Ok(entry) if entry.is_dir() => {
                    return Err(Error::new(Problem::Storage(ErrorKind::IsDir), &spot.path));
                }
                Err(error) if !matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotDir) => {
                    return Err(spot.error(error));
                }
                _ => reply,
            }
        } else {
            read.await
        };
        match reply {
            Ok(reply) => {
                spot.mount.answered();
                let node = match known {
                    Known::Present(kept) if is_version(&kept.node, &reply.entry) => {
                        Node { content_type: reply.entry.content_type.clone().or(kept.node.content_type), ..kept.node }
                    }
                    _ => {
                        let before = match before {
                            Some(before) => before,
                            None => self.known_late(&spot.path).await,
                        };
                        self.shown(&spot.path, before, reply.entry.clone()).await
                    }
                };
                let kept = Kept::told(node.clone());
                self.cache.keep_one(&spot.path, Some(kept), spot.ttl(), stamp);
                let range = reply.range.clone();
                let body = body(spot, &node, reply, seat);
                Ok(Opened { node, source: Source::Relay { range, body }, decision })
            }
            Err(error) => {
                match error.kind() {
                    ErrorKind::NotFound if matches!(known, Known::No) => {
                        spot.mount.answered();
                        self.cache.keep_one(&spot.path, None, spot.ttl(), stamp);
                    }
                    // What was known of it is not true any more; a folder may stand there now.
                    ErrorKind::NotFound | ErrorKind::IsDir | ErrorKind::Precondition => self.cache.forget(&spot.path),
                    _ => {}
                }
                Err(spot.error(error))
            }
        }
    }
}

fn body(spot: &Spot, node: &Node, reply: ReadReply, seat: Option<Seat>) -> ReadStream {
    let (at, etag, range) = (spot.clone(), node.etag.clone(), reply.range.clone());
    let is_file = matches!(reply.body, Body::File(_));
    let stream = match (seat, etag) {
        _ if is_file => passed_on(spot, reply),
        (Some(seat), Some(etag)) => {
            let stream = spot.relays().attended(&spot.rel, passed_on(spot, reply), seat);
            resuming(Relayed(spot.clone()), Some(etag), range, stream)
        }
        // Without a tag nobody could read on where it was let go of, so it is held for as long as the client stays.
        (seat, etag) => {
            let stream = passed_on(spot, reply).inspect(move |_| _ = &seat).boxed();
            resuming(spot.clone(), etag, range, stream)
        }
    };
    stream.map(move |chunk| chunk.map_err(|error| at.error(error))).boxed()
}

/// The bytes of a driver's read, exactly as many as the reply's range says; for what is copied inside the tree.
pub(crate) fn content(spot: &Spot, reply: ReadReply) -> ByteStream {
    let (etag, range) = (reply.entry.etag.clone(), reply.range.clone());
    match reply.body {
        Body::File(_) => passed_on(spot, reply),
        Body::Stream(_) => resuming(spot.clone(), etag, range, passed_on(spot, reply)),
    }
}

/// The bytes of a driver's read as they come, no faster than the mount allows.
fn passed_on(spot: &Spot, reply: ReadReply) -> ByteStream {
    let stream = match reply.body {
        Body::File(file) => chunks(spot.clone(), file, reply.range),
        Body::Stream(stream) => stream,
    };
    throttled(spot, stream)
}

/// A local file in chunks, read on the blocking pool.
fn chunks(spot: Spot, file: Arc<File>, range: Range<u64>) -> ByteStream {
    stream::unfold((spot, file, range, false), |(spot, file, range, failed)| async move {
        if failed || range.is_empty() {
            return None;
        }
        let length = CHUNK.min(range.end - range.start);
        let (reader, start) = (Arc::clone(&file), range.start);
        let read = tokio::task::spawn_blocking(move || {
            let mut buffer = vec![0; usize::try_from(length).unwrap_or(usize::MAX)];
            reader.read_exact_at(&mut buffer, start).map(|()| Bytes::from(buffer))
        })
        .await;
        let failure = |kind| davmux_driver::Error::new(kind, "read", &spot.rel);
        let chunk = match read {
            Ok(Ok(chunk)) => Ok(chunk),
            // The file became shorter while it was read.
            Ok(Err(error)) if error.kind() == std::io::ErrorKind::UnexpectedEof => Err(failure(ErrorKind::Incomplete)),
            Ok(Err(error)) => Err(failure(ErrorKind::Backend).with_source(error)),
            Err(error) => Err(failure(ErrorKind::Backend).with_source(error)),
        };
        let failed = chunk.is_err();
        Some((chunk, (spot, file, start + length..range.end, failed)))
    })
    .boxed()
}

impl Rest for Spot {
    fn path(&self) -> &RelPath {
        &self.rel
    }

    async fn open(&self, range: Range<u64>, etag: &Etag) -> Result<ByteStream, davmux_driver::Error> {
        let request =
            ReadRequest { range: Some(ByteRange::FromTo(range.start, range.end)), if_match: Some(etag.clone()) };
        let reply = self.driver().read(&self.rel, request).await?;
        if reply.entry.etag.as_ref() != Some(etag) || reply.range != range {
            let changed = davmux_driver::Error::new(ErrorKind::Precondition, "read", &self.rel);
            return Err(changed.with_detail("it changed while it was read"));
        }
        Ok(passed_on(self, reply))
    }
}

/// The rest of what a client reads: it takes its seat among the relays again.
struct Relayed(Spot);

impl Rest for Relayed {
    fn path(&self) -> &RelPath {
        &self.0.rel
    }

    async fn open(&self, range: Range<u64>, etag: &Etag) -> Result<ByteStream, davmux_driver::Error> {
        let Self(spot) = self;
        let Some(seat) = spot.relays().seat().await else {
            let busy = davmux_driver::Error::new(ErrorKind::Incomplete, "read", &spot.rel);
            return Err(busy.with_detail("too many files are relayed to read on"));
        };
        let stream = spot.open(range, etag).await?;
        Ok(spot.relays().attended(&spot.rel, stream, seat))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Mount, MountOptions};
    use davmux_driver_testkit::{Memory, shorthand};
    use std::io::Write;

    fn spot(driver: Memory) -> Spot {
        let mount = Arc::new(Mount::new(TreePath::root(), Arc::new(driver), MountOptions::default()));
        Spot { mount, rel: RelPath::parse("f").unwrap(), path: TreePath::parse("/f").unwrap() }
    }

    async fn all(mut stream: ByteStream) -> Result<Vec<u8>, ErrorKind> {
        let mut bytes = Vec::new();
        while let Some(chunk) = stream.next().await {
            bytes.extend_from_slice(&chunk.map_err(|error| error.kind())?);
        }
        Ok(bytes)
    }

    fn once(bytes: &'static [u8]) -> ByteStream {
        stream::iter([Ok(Bytes::from_static(bytes))]).boxed()
    }

    #[tokio::test]
    async fn a_stream_that_ends_early_without_a_word_goes_on_where_it_ended() {
        let memory = Memory::keys();
        let entry = shorthand::put(&memory, "f", "whole").await;
        let early = resuming(spot(memory), entry.etag, 0..5, once(b"wh"));
        assert_eq!(all(early).await.unwrap(), b"whole");
    }

    #[tokio::test]
    async fn without_a_tag_or_with_more_than_was_announced_it_is_an_error() {
        let memory = Memory::keys();
        shorthand::put(&memory, "f", "whole").await;
        let short = resuming(spot(memory.clone()), None, 0..5, once(b"wh"));
        assert_eq!(all(short).await, Err(ErrorKind::Incomplete));
        let long = resuming(spot(memory), None, 0..5, once(b"whole!"));
        assert_eq!(all(long).await, Err(ErrorKind::Backend));
    }

    #[tokio::test]
    async fn a_local_file_that_shrinks_while_it_is_read_is_an_error() {
        let mut file = tempfile::tempfile().unwrap();
        file.write_all(&vec![b'x'; CHUNK as usize + 10]).unwrap();
        let file = Arc::new(file);
        let mut chunks = chunks(spot(Memory::folders()), Arc::clone(&file), 0..CHUNK + 10);
        assert_eq!(chunks.next().await.unwrap().unwrap().len() as u64, CHUNK);
        file.set_len(CHUNK + 5).unwrap();
        assert_eq!(all(chunks).await, Err(ErrorKind::Incomplete));
    }

    #[tokio::test]
    async fn a_local_file_is_read_at_the_offsets_of_its_range() {
        let mut file = tempfile::tempfile().unwrap();
        file.write_all(b"0123456789").unwrap();
        let chunks = chunks(spot(Memory::folders()), Arc::new(file), 3..7);
        assert_eq!(all(chunks).await.unwrap(), b"3456");
    }
}
