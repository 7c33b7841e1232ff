//! What exists: buckets, keys and uploads in progress.

use std::collections::BTreeMap;
use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{SystemTime, UNIX_EPOCH};

use s3s::{S3Error, S3Result, s3_error};

use crate::conditions::WriteCondition;
use crate::store::{Attributes, Blob, Object, Store};

/// The ETag of an object without content.
const EMPTY_MD5: &str = "d41d8cd98f00b204e9800998ecf8427e";

/// Buckets and keys, decided under one lock; the store follows.
///
/// `turn` is held by a change from its check to its end, also while the store writes. `state` is held for moments only
/// and never while a file is touched, so readers do not wait for the disk.
#[derive(Debug)]
pub(crate) struct Namespace {
    store: Arc<dyn Store>,
    turn: Mutex<()>,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
pub(crate) struct State {
    pub(crate) buckets: BTreeMap<String, Bucket>,
}

#[derive(Debug, Default)]
pub(crate) struct Bucket {
    pub(crate) created: i64,
    pub(crate) objects: BTreeMap<String, Arc<Object>>,
    /// By key and upload id, the order of ListMultipartUploads.
    pub(crate) uploads: BTreeMap<(String, String), Upload>,
}

/// An upload in parts that is not completed.
#[derive(Clone, Debug)]
pub(crate) struct Upload {
    pub(crate) initiated: i64,
    pub(crate) attributes: Attributes,
    pub(crate) parts: BTreeMap<i32, Part>,
}

/// One part that arrived.
#[derive(Clone, Debug)]
pub(crate) struct Part {
    pub(crate) md5: [u8; 16],
    pub(crate) modified: i64,
    pub(crate) blob: Arc<dyn Blob>,
}

impl Drop for Namespace {
    fn drop(&mut self) {
        // Before the objects are dropped: the store would take that for their deletion.
        self.store.close();
    }
}

impl Namespace {
    /// Loads what the store remembers. May block, see [`Store::blocks`].
    pub(crate) fn load(store: Arc<dyn Store>) -> io::Result<Self> {
        let mut state = State::default();
        for bucket in store.load()? {
            let objects = bucket.objects.into_iter().map(|object| (object.key.clone(), Arc::new(object))).collect();
            state.buckets.insert(bucket.name, Bucket { created: bucket.created, objects, ..Bucket::default() });
        }
        Ok(Self { store, turn: Mutex::default(), state: Mutex::new(state) })
    }

    pub(crate) fn store(&self) -> &dyn Store {
        &*self.store
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // The map is whole between any two statements, so a panic elsewhere does not spoil it.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Looks at, or changes, what the store does not keep.
    pub(crate) fn with_bucket<T>(&self, name: &str, look: impl FnOnce(&mut Bucket) -> S3Result<T>) -> S3Result<T> {
        look(self.lock().bucket(name)?)
    }

    /// Names and times of all buckets.
    pub(crate) fn buckets(&self) -> Vec<(String, i64)> {
        self.lock().buckets.iter().map(|(name, bucket)| (name.clone(), bucket.created)).collect()
    }

    /// The object at `key`.
    pub(crate) fn object(&self, bucket: &str, key: &str) -> S3Result<Arc<Object>> {
        self.with_bucket(bucket, |bucket| match bucket.objects.get(key) {
            Some(object) => Ok(Arc::clone(object)),
            None => Err(s3_error!(NoSuchKey, "The specified key does not exist.")),
        })
    }

    /// Runs a change in turn, beside the runtime if the store blocks.
    async fn change<T: Send + 'static>(
        self: &Arc<Self>,
        change: impl FnOnce(&Self) -> S3Result<T> + Send + 'static,
    ) -> S3Result<T> {
        let this = Arc::clone(self);
        let work = move || {
            let _turn = this.turn.lock().unwrap_or_else(PoisonError::into_inner);
            change(&this)
        };
        if self.store.blocks() {
            tokio::task::spawn_blocking(work).await.map_err(S3Error::internal_error)?
        } else {
            work()
        }
    }

    /// Makes a bucket; false if it stands already.
    pub(crate) async fn create_bucket(self: &Arc<Self>, name: &str) -> S3Result<bool> {
        let name = name.to_owned();
        self.change(move |this| {
            if this.lock().buckets.contains_key(&name) {
                return Ok(false);
            }
            let created = now();
            this.store.create_bucket(&name, created).map_err(S3Error::internal_error)?;
            this.lock().buckets.insert(name, Bucket { created, ..Bucket::default() });
            Ok(true)
        })
        .await
    }

    /// Puts `count` empty objects in place that share all but their keys. The store is not told.
    pub(crate) fn number(&self, bucket: &str, prefix: &str, count: u32) -> S3Result<()> {
        let attributes = Attributes::default();
        let etag = EMPTY_MD5.to_owned();
        let object = Object { key: String::new(), size: 0, etag, modified: now(), attributes, blobs: Vec::new() };
        let object = Arc::new(object);
        // In order, so that the map is built in one go.
        let mut numbered: BTreeMap<String, Arc<Object>> =
            (0..count).map(|number| (format!("{prefix}{number:08}"), Arc::clone(&object))).collect();
        self.with_bucket(bucket, |bucket| {
            bucket.objects.append(&mut numbered);
            Ok(())
        })
    }

    /// Puts an object in place if `condition` holds of what stands there. `upload` ends with it.
    pub(crate) async fn put(
        self: &Arc<Self>,
        bucket: &str,
        object: Object,
        condition: WriteCondition,
        upload: Option<String>,
    ) -> S3Result<Arc<Object>> {
        let bucket = bucket.to_owned();
        self.change(move |this| {
            let upload = upload.map(|id| (object.key.clone(), id));
            this.with_bucket(&bucket, |bucket| {
                if upload.as_ref().is_some_and(|upload| !bucket.uploads.contains_key(upload)) {
                    return Err(no_such_upload());
                }
                condition.check(bucket.objects.get(&object.key).map(|object| &**object))
            })?;
            this.store.save(&bucket, &object).map_err(S3Error::internal_error)?;
            let object = Arc::new(object);
            // What is replaced is dropped behind the lock: its files may go with it.
            let replaced = this.with_bucket(&bucket, |bucket| {
                let upload = upload.and_then(|upload| bucket.uploads.remove(&upload));
                Ok((bucket.objects.insert(object.key.clone(), Arc::clone(&object)), upload))
            })?;
            drop(replaced);
            Ok(object)
        })
        .await
    }

    /// Removes the object at `key` if `allowed` says so of it. A key without an object is no error.
    pub(crate) async fn remove(
        self: &Arc<Self>,
        bucket: &str,
        key: &str,
        allowed: impl FnOnce(Option<&Object>) -> S3Result<()> + Send + 'static,
    ) -> S3Result<()> {
        let (bucket, key) = (bucket.to_owned(), key.to_owned());
        self.change(move |this| {
            let stands = this.with_bucket(&bucket, |bucket| {
                let object = bucket.objects.get(&key);
                allowed(object.map(|object| &**object)).map(|()| object.is_some())
            })?;
            if stands {
                this.store.remove(&bucket, &key).map_err(S3Error::internal_error)?;
                let removed = this.with_bucket(&bucket, |bucket| Ok(bucket.objects.remove(&key)))?;
                drop(removed);
            }
            Ok(())
        })
        .await
    }
}

impl State {
    fn bucket(&mut self, name: &str) -> S3Result<&mut Bucket> {
        self.buckets.get_mut(name).ok_or_else(|| s3_error!(NoSuchBucket, "The specified bucket does not exist"))
    }
}

/// The answer to an upload id that is not, or no longer, known.
pub(crate) fn no_such_upload() -> S3Error {
    s3_error!(
        NoSuchUpload,
        "The specified upload does not exist. The upload ID may be invalid, or the upload may have been aborted or completed."
    )
}

/// Whole seconds since 1970, as S3 keeps times.
pub(crate) fn now() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_secs()).unwrap_or(i64::MAX)
}
