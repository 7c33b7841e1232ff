//! A store in a folder.
//!
//! A key can be 1,024 bytes, a file name 255, and keys may hold what paths may not. So an object is a record under the
//! SHA-256 of its key, and the record names the key and the files that hold the bytes:
//!
//! ```text
//! lock                       held while a server runs
//! blobs/UUID                 bytes
//! buckets/NAME/created       seconds since 1970
//! buckets/NAME/objects/HASH  the record, see `sidecar`
//! staging/UUID               on the way in; emptied at the start
//! ```
//!
//! A record is written beside and renamed over the old one, so an object is replaced at once. Blobs that no record
//! names are what a crash left, and are removed at the next start.

use std::collections::HashMap;
use std::fs::{self, File, TryLockError};
use std::io;
use std::ops::Range;
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use async_trait::async_trait;
use bytes::{Bytes, BytesMut};
use futures_util::StreamExt as _;
use futures_util::stream::{self, BoxStream};
use sha2::{Digest as _, Sha256};
use tokio::io::AsyncWriteExt as _;
use uuid::Uuid;

use crate::sidecar;
use crate::store::{Blob, Object, Staging, Store, StoredBucket};

/// Bytes read from a file at a time: large enough that the hop to a blocking thread does not matter.
const READ_SIZE: u64 = 256 * 1024;

/// Blobs that records name. A blob of several objects is one here too: its file goes with the last of them.
type Named = HashMap<String, Arc<dyn Blob>>;

/// Keeps objects in a folder of its own; they survive a restart. Data is streamed and never held whole.
#[derive(Debug)]
pub struct Folder {
    root: PathBuf,
    closing: Arc<AtomicBool>,
    /// Held for its lock alone: two servers on one folder would remove each other's blobs.
    _lock: File,
}

impl Folder {
    /// Opens or makes the folder. Blocks.
    ///
    /// # Errors
    /// The folder cannot be made or written to, or another server has it open (`ResourceBusy`).
    pub fn open(root: impl Into<PathBuf>) -> io::Result<Self> {
        let root = root.into();
        for part in ["blobs", "buckets", "staging"] {
            fs::create_dir_all(root.join(part))?;
        }
        let lock = File::options().create(true).truncate(false).write(true).open(root.join("lock"))?;
        lock.try_lock().map_err(|error| match error {
            TryLockError::WouldBlock => {
                io::Error::new(io::ErrorKind::ResourceBusy, format!("{} is used by another server", root.display()))
            }
            TryLockError::Error(error) => error,
        })?;
        Ok(Self { root, closing: Arc::default(), _lock: lock })
    }

    fn blob(&self, name: &str, size: u64) -> Arc<dyn Blob> {
        Arc::new(Stored {
            path: self.root.join("blobs").join(name),
            name: name.to_owned(),
            size,
            closing: Arc::clone(&self.closing),
        })
    }

    fn bucket(&self, name: &str) -> PathBuf {
        self.root.join("buckets").join(name)
    }

    fn record(&self, bucket: &str, key: &str) -> PathBuf {
        let hash = Sha256::digest(key.as_bytes());
        self.bucket(bucket).join("objects").join(crate::ops::hex(&hash))
    }

    /// Puts `content` at `path`, whole or not at all.
    fn replace(&self, path: &Path, content: &str) -> io::Result<()> {
        let staged = Leftover(Some(self.root.join("staging").join(Uuid::new_v4().simple().to_string())));
        fs::write(staged.path(), content)?;
        fs::rename(staged.path(), path)?;
        staged.keep();
        Ok(())
    }

    fn load_object(&self, path: &Path, named: &mut Named) -> io::Result<Object> {
        let about = |error: io::Error| io::Error::new(error.kind(), format!("{}: {error}", path.display()));
        let record = sidecar::parse(&fs::read_to_string(path).map_err(about)?).map_err(about)?;
        let mut size = 0;
        let mut blobs = Vec::with_capacity(record.blobs.len());
        for (name, length) in record.blobs {
            // A name is one path component that this store made; anything else would reach out of the folder.
            Uuid::try_parse(&name).map_err(|error| about(io::Error::new(io::ErrorKind::InvalidData, error)))?;
            let found = fs::metadata(self.root.join("blobs").join(&name)).map_err(about)?.len();
            if found != length {
                let text = format!("blob {name} has {found} bytes, not {length}");
                return Err(about(io::Error::new(io::ErrorKind::InvalidData, text)));
            }
            size += length;
            let blob = named.entry(name).or_insert_with_key(|name| self.blob(name, length));
            blobs.push(Arc::clone(blob));
        }
        Ok(Object {
            key: record.key,
            size,
            etag: record.etag,
            modified: record.modified,
            attributes: record.attributes,
            blobs,
        })
    }
}

#[async_trait]
impl Store for Folder {
    fn blocks(&self) -> bool {
        true
    }

    fn load(&self) -> io::Result<Vec<StoredBucket>> {
        let mut named = Named::new();
        let mut buckets = Vec::new();
        let result = self.load_buckets(&mut named, &mut buckets);
        if result.is_err() {
            // Nothing that was read may be removed by the drop of a half-built listing.
            self.close();
        }
        result?;
        for entry in fs::read_dir(self.root.join("staging"))? {
            fs::remove_file(entry?.path())?;
        }
        for entry in fs::read_dir(self.root.join("blobs"))? {
            let entry = entry?;
            if !entry.file_name().to_str().is_some_and(|name| named.contains_key(name)) {
                fs::remove_file(entry.path())?;
            }
        }
        Ok(buckets)
    }

    fn create_bucket(&self, name: &str, created: i64) -> io::Result<()> {
        fs::create_dir_all(self.bucket(name).join("objects"))?;
        self.replace(&self.bucket(name).join("created"), &created.to_string())
    }

    fn save(&self, bucket: &str, object: &Object) -> io::Result<()> {
        self.replace(&self.record(bucket, &object.key), &sidecar::write(object))
    }

    fn remove(&self, bucket: &str, key: &str) -> io::Result<()> {
        match fs::remove_file(self.record(bucket, key)) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
            result => result,
        }
    }

    async fn stage(&self) -> io::Result<Box<dyn Staging>> {
        let name = Uuid::new_v4().simple().to_string();
        let leftover = Leftover(Some(self.root.join("staging").join(&name)));
        let file = tokio::fs::File::create_new(leftover.path()).await?;
        let target = self.root.join("blobs").join(&name);
        Ok(Box::new(Incoming { file, leftover, target, name, size: 0, closing: Arc::clone(&self.closing) }))
    }

    fn close(&self) {
        self.closing.store(true, Ordering::Release);
    }
}

impl Folder {
    fn load_buckets(&self, named: &mut Named, buckets: &mut Vec<StoredBucket>) -> io::Result<()> {
        for entry in fs::read_dir(self.root.join("buckets"))? {
            let entry = entry?;
            let Ok(name) = entry.file_name().into_string() else { continue };
            // A bucket whose creation was cut has no such file, and was never answered for.
            let Ok(created) = fs::read_to_string(entry.path().join("created")) else { continue };
            let created = created.trim().parse().unwrap_or_default();
            buckets.push(StoredBucket { name, created, objects: Vec::new() });
            for object in fs::read_dir(entry.path().join("objects"))? {
                let object = self.load_object(&object?.path(), named)?;
                if let Some(bucket) = buckets.last_mut() {
                    bucket.objects.push(object);
                }
            }
        }
        Ok(())
    }
}

/// A file that goes when this is dropped, unless kept.
struct Leftover(Option<PathBuf>);

impl Leftover {
    fn path(&self) -> &Path {
        self.0.as_deref().unwrap_or(Path::new(""))
    }

    fn keep(mut self) {
        self.0 = None;
    }
}

impl Drop for Leftover {
    fn drop(&mut self) {
        if let Some(path) = self.0.take() {
            unlink(path);
        }
    }
}

/// Removes a file beside the runtime: freeing gigabytes takes a while on some file systems.
fn unlink(path: PathBuf) {
    let work = move || {
        if let Err(error) = fs::remove_file(&path)
            && error.kind() != io::ErrorKind::NotFound
        {
            tracing::warn!(path = %path.display(), %error, "a file that nothing needs any more could not be removed");
        }
    };
    match tokio::runtime::Handle::try_current() {
        Ok(runtime) => drop(runtime.spawn_blocking(work)),
        Err(_) => work(),
    }
}

struct Incoming {
    file: tokio::fs::File,
    leftover: Leftover,
    target: PathBuf,
    name: String,
    size: u64,
    closing: Arc<AtomicBool>,
}

#[async_trait]
impl Staging for Incoming {
    async fn write(&mut self, data: Bytes) -> io::Result<()> {
        self.file.write_all(&data).await?;
        self.size += data.len() as u64;
        Ok(())
    }

    async fn finish(mut self: Box<Self>) -> io::Result<Arc<dyn Blob>> {
        // Without it a failed write of the last bytes goes unseen.
        self.file.flush().await?;
        let Self { leftover, target, name, size, closing, .. } = *self;
        tokio::fs::rename(leftover.path(), &target).await?;
        leftover.keep();
        Ok(Arc::new(Stored { path: target, name, size, closing }))
    }
}

#[derive(Debug)]
struct Stored {
    path: PathBuf,
    name: String,
    size: u64,
    closing: Arc<AtomicBool>,
}

impl Drop for Stored {
    fn drop(&mut self) {
        if !self.closing.load(Ordering::Acquire) {
            unlink(std::mem::take(&mut self.path));
        }
    }
}

impl Blob for Stored {
    fn size(&self) -> u64 {
        self.size
    }

    fn name(&self) -> Option<&str> {
        Some(&self.name)
    }

    fn read(self: Arc<Self>, range: Range<u64>) -> BoxStream<'static, io::Result<Bytes>> {
        let start = (self, None::<Arc<File>>, range);
        stream::try_unfold(start, |(blob, file, range)| async move {
            if range.is_empty() {
                return Ok(None);
            }
            let length = READ_SIZE.min(range.end - range.start);
            let path = file.is_none().then(|| blob.path.clone());
            let work = move || {
                let file = match (file, path) {
                    (Some(file), _) => file,
                    (None, path) => Arc::new(File::open(path.unwrap_or_default())?),
                };
                let mut data = BytesMut::zeroed(usize::try_from(length).map_err(io::Error::other)?);
                file.read_exact_at(&mut data, range.start)?;
                io::Result::Ok((file, data.freeze()))
            };
            let (file, data) = tokio::task::spawn_blocking(work).await.map_err(io::Error::other)??;
            Ok(Some((data, (blob, Some(file), range.start + length..range.end))))
        })
        .boxed()
    }
}
