//! Where the bytes and the records of objects are kept.

use std::collections::BTreeMap;
use std::fmt;
use std::io;
use std::ops::Range;
use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use futures_util::stream::BoxStream;

/// Bytes that were stored once and never change.
///
/// Objects share blobs: a copy costs nothing, and a completed upload is the list of its parts. A store gives the space
/// back when the last reference to a blob is dropped.
pub trait Blob: fmt::Debug + Send + Sync + 'static {
    /// Length in bytes.
    fn size(&self) -> u64;

    /// The name under which the store finds the blob after a restart; `None` where nothing survives one.
    fn name(&self) -> Option<&str>;

    /// The bytes of `range`, which lies within the blob, in order.
    fn read(self: Arc<Self>, range: Range<u64>) -> BoxStream<'static, io::Result<Bytes>>;
}

/// A blob on its way in. Dropped before [`Staging::finish`], it leaves nothing.
#[async_trait]
pub trait Staging: Send {
    /// Appends `data`.
    async fn write(&mut self, data: Bytes) -> io::Result<()>;

    /// Ends the blob. It is not part of any object yet.
    async fn finish(self: Box<Self>) -> io::Result<Arc<dyn Blob>>;
}

/// What a client said about an object beside its bytes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Attributes {
    /// Header fields to repeat with the object, by lower-case name: `content-type`, `cache-control`,
    /// `content-disposition`, `content-encoding`, `content-language`.
    pub headers: BTreeMap<String, String>,
    /// User metadata, by name without `x-amz-meta-`.
    pub metadata: BTreeMap<String, String>,
}

/// An object as it stands in a bucket.
#[derive(Clone, Debug)]
pub struct Object {
    /// The key, up to 1,024 bytes.
    pub key: String,
    /// Length in bytes: the sum of its blobs.
    pub size: u64,
    /// ETag without quotes.
    pub etag: String,
    /// Last change, in seconds since 1970.
    pub modified: i64,
    /// Header fields and user metadata.
    pub attributes: Attributes,
    /// The content, in order.
    pub blobs: Vec<Arc<dyn Blob>>,
}

/// A bucket as a store remembers it.
#[derive(Debug)]
pub struct StoredBucket {
    /// Bucket name.
    pub name: String,
    /// When it was made, in seconds since 1970.
    pub created: i64,
    /// Its objects, in any order.
    pub objects: Vec<Object>,
}

/// Keeps bytes and, where it can, records. What exists is decided above it: a store is never asked for a listing.
///
/// The functions that are not `async` may block; they are called on the runtime only if [`Store::blocks`] is false.
#[async_trait]
pub trait Store: fmt::Debug + Send + Sync + 'static {
    /// Whether the plain functions touch a disk.
    fn blocks(&self) -> bool;

    /// Everything that survived, once, at the start.
    fn load(&self) -> io::Result<Vec<StoredBucket>>;

    /// Remembers a new bucket, made at `created` seconds since 1970.
    fn create_bucket(&self, name: &str, created: i64) -> io::Result<()>;

    /// Remembers an object in place of the one with the same key. Either the old or the new record stands afterwards.
    fn save(&self, bucket: &str, object: &Object) -> io::Result<()>;

    /// Forgets an object. A key without an object is no error.
    fn remove(&self, bucket: &str, key: &str) -> io::Result<()>;

    /// Begins a blob.
    async fn stage(&self) -> io::Result<Box<dyn Staging>>;

    /// The server ends: blobs dropped from now on are to be kept.
    fn close(&self);
}
