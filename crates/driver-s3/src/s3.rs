//! [`S3`]: the driver.

use std::sync::Arc;

use async_trait::async_trait;
use davmux_driver::{
    Capabilities, Driver, Entry, Error, ErrorKind, Expect, Link, LinkRequest, Native, Pages, ReadReply, ReadRequest,
    RelPath, Removal, Result, Upload, When, WriteRequest,
};
use futures_util::{StreamExt, stream};

use crate::bucket::Bucket;
use crate::credentials::Keys;
use crate::cut::Cut;
use crate::list::{self, Depth};
use crate::provider::{BulkDelete, Provider};
use crate::upload::S3Upload;
use crate::{OptionsError, S3Options, UploadMemory, copy, copy_parts, delete, link, multipart, read, stat};

/// The usual part.
const PART: u64 = 8 << 20;
/// The parts that S3 takes, in bytes; the last of an upload may be smaller.
const PART_SIZES: std::ops::RangeInclusive<u64> = 5 << 20..=5 << 30;
/// The longest key of S3 in bytes of UTF-8 (Amazon S3 User Guide, "Naming Amazon S3 objects").
const LONGEST_KEY: usize = 1024;

/// A bucket, or a prefix of one. Clones share the connections.
#[derive(Clone, Debug)]
pub struct S3 {
    pub(crate) bucket: Arc<Bucket>,
    memory: UploadMemory,
    cut: Cut,
    capabilities: Capabilities,
}

impl S3 {
    /// Takes the options. It does not touch the network, so a storage that is out of reach does not fail here.
    ///
    /// # Errors
    /// [`OptionsError`] for options that cannot work.
    pub fn open(options: S3Options, memory: UploadMemory) -> Result<Self, OptionsError> {
        Self::open_for(options, memory, None)
    }

    /// The same, with keys that stand in for those that the options name.
    pub(crate) fn open_for(
        options: S3Options,
        memory: UploadMemory,
        keys: Option<Arc<Keys>>,
    ) -> Result<Self, OptionsError> {
        let part = options.part_size.unwrap_or(PART);
        if !PART_SIZES.contains(&part) {
            return Err(OptionsError::PartSize(part));
        }
        let bucket = Arc::new(Bucket::new(&options, keys)?);
        let dialect = bucket.dialect;
        let cut = Cut::new(part, memory.total(), options.upload_parallelism, dialect.parts);
        let delete_batch = match dialect.bulk_delete {
            BulkDelete::Keys(most) => most.clamp(1, delete::BATCH),
            BulkDelete::None => delete::BATCH,
        };
        Ok(Self {
            bucket,
            cut,
            memory,
            capabilities: Capabilities {
                real_dirs: false,
                atomic_conditions: dialect.conditions.write_absent && dialect.conditions.write_matches,
                conditional_delete: dialect.conditions.delete,
                delete_batch,
                max_file_size: Some(cut.largest()),
                staging: None,
                reads_files: false,
            },
        })
    }

    /// The row that the bucket goes by: the one named, or told by the endpoint.
    pub fn provider(&self) -> &'static Provider {
        self.bucket.provider
    }

    /// Everything below a folder.
    pub(crate) fn tree(&self, dir: &RelPath) -> Pages {
        list::pages(&self.bucket, dir, Depth::Tree)
    }

    /// Whether the storage can hold the path at all. Asked about a longer key it says so for a few calls and not for others.
    fn fits(&self, path: &RelPath) -> bool {
        self.bucket.root.key(path).len() <= LONGEST_KEY
    }

    /// A longer key cannot be there, which is known without a call.
    fn may_be_there(&self, op: &'static str, path: &RelPath) -> Result<()> {
        if self.fits(path) { Ok(()) } else { Err(Error::new(ErrorKind::NotFound, op, path)) }
    }

    fn may_be_written(&self, op: &'static str, path: &RelPath) -> Result<()> {
        if self.fits(path) {
            return Ok(());
        }
        let detail = "a key in a bucket has at most 1,024 bytes, with the folders above it; choose a shorter name";
        Err(Error::new(ErrorKind::InvalidPath, op, path).with_detail(detail))
    }
}

#[async_trait]
impl Driver for S3 {
    fn name(&self) -> &'static str {
        "s3"
    }

    fn capabilities(&self) -> &Capabilities {
        &self.capabilities
    }

    async fn check(&self) -> Result<()> {
        let root = RelPath::root();
        list::has_members(&self.bucket, &root)
            .await
            .map(drop)
            .map_err(|failure| stat::unfounded(self.bucket.failed("check", &root, failure)))
    }

    async fn stat(&self, path: &RelPath, expect: Expect) -> Result<Entry> {
        self.may_be_there("stat", path)?;
        stat::stat(&self.bucket, path, expect).await
    }

    fn list(&self, dir: &RelPath) -> Pages {
        match self.may_be_there("list", dir) {
            Ok(()) => list::pages(&self.bucket, dir, Depth::Members),
            Err(error) => stream::iter([Err(error)]).boxed(),
        }
    }

    async fn read(&self, path: &RelPath, request: ReadRequest) -> Result<ReadReply> {
        self.may_be_there("read", path)?;
        read::read(&self.bucket, path, &request).await
    }

    async fn write(&self, path: &RelPath, request: WriteRequest) -> Result<Box<dyn Upload>> {
        if path.is_root() {
            return Err(Error::new(ErrorKind::IsDir, "write", path));
        }
        self.may_be_written("write", path)?;
        Ok(Box::new(S3Upload::new(&self.bucket, &self.memory, self.cut, path, request)?))
    }

    async fn abort_upload(&self, path: &RelPath, upload_id: &str) -> Result<()> {
        multipart::abort(&self.bucket, path, upload_id).await
    }

    async fn create_dir(&self, path: &RelPath) -> Result<()> {
        Err(no_empty_folders("create folder", path))
    }

    async fn keep_dir(&self, path: &RelPath) -> Result<()> {
        Err(no_empty_folders("keep folder", path))
    }

    async fn delete(&self, batch: &[Removal]) -> Result<Vec<(RelPath, Error)>> {
        // What cannot be there counts as deleted.
        let batch: Vec<Removal> = batch.iter().filter(|removal| self.fits(&removal.path)).cloned().collect();
        delete::delete(&self.bucket, &batch).await
    }

    async fn link(&self, file: &Entry, request: LinkRequest) -> Result<Native<Link>> {
        if file.is_dir() {
            return Ok(Native::Declined);
        }
        link::link(&self.bucket, &file.path, &request).await
    }

    fn list_tree(&self, dir: &RelPath) -> Native<Pages> {
        Native::Done(self.tree(dir))
    }

    async fn copy(&self, from: &Entry, to: &RelPath, when: &When) -> Result<Native<Entry>> {
        self.may_be_written("copy", to)?;
        copy::copy(&self.bucket, from, to, when).await
    }

    async fn begin_copy(&self, from: &Entry, to: &RelPath, when: &When) -> Result<Native<Box<dyn Upload>>> {
        self.may_be_written("copy", to)?;
        copy_parts::begin(&self.bucket, from, to, when).await
    }
}

fn no_empty_folders(op: &'static str, path: &RelPath) -> Error {
    Error::new(ErrorKind::Unsupported, op, path)
        .with_detail("a bucket has no empty folders; set placeholder to keep them by a hidden object")
}
