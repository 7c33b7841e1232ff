//! [`Opendal`]: one driver for opendal's services, by what each can do.

mod list;
mod place;
mod read;
mod services;
mod transfer;
mod upload;
mod wire;

use std::sync::Arc;

use async_trait::async_trait;
use davmux_driver::{
    Admin, Capabilities, Driver, Entry, Error, ErrorKind, Expect, Kind, Native, Pages, ReadReply, ReadRequest, RelPath,
    Removal, Report, Result, Upload, When, WriteRequest, probe,
};
use opendal_core::raw::OpCreateDir;
use opendal_core::raw::Service as _;

use place::{Place, Shape};
pub use services::*;

/// A storage behind one of opendal's services.
#[derive(Debug)]
pub struct Opendal {
    place: Arc<Place>,
    capabilities: Capabilities,
}

#[async_trait]
impl Admin for Opendal {
    async fn probe(&self, may_write: bool, report: &dyn Report) -> bool {
        probe::of_driver(self, may_write, report).await
    }
}

#[async_trait]
impl Driver for Opendal {
    fn name(&self) -> &'static str {
        self.place.name
    }

    fn capabilities(&self) -> &Capabilities {
        &self.capabilities
    }

    async fn check(&self) -> Result<()> {
        self.place.check("check", &RelPath::root()).await
    }

    async fn stat(&self, path: &RelPath, expect: Expect) -> Result<Entry> {
        self.place.stat("stat", path, expect).await
    }

    fn list(&self, dir: &RelPath) -> Pages {
        list::pages(Arc::clone(&self.place), dir.clone())
    }

    async fn read(&self, path: &RelPath, request: ReadRequest) -> Result<ReadReply> {
        read::read(&self.place, path, &request).await
    }

    async fn write(&self, path: &RelPath, request: WriteRequest) -> Result<Box<dyn Upload>> {
        upload::begin(&self.place, path, request).await
    }

    async fn abort_upload(&self, path: &RelPath, upload_id: &str) -> Result<()> {
        upload::sweep(&self.place, path, upload_id).await
    }

    async fn create_dir(&self, path: &RelPath) -> Result<()> {
        const OP: &str = "create_dir";
        self.place.fits(OP, path)?;
        if path.is_root() {
            return Err(Error::new(ErrorKind::AlreadyExists, OP, path));
        }
        if self.place.shape == Shape::Keys {
            return Err(Error::new(ErrorKind::Unsupported, OP, path).with_detail("folders are only prefixes here"));
        }
        // opendal makes the folders on the way too, and is content with one that is there.
        let there = self.place.stat(OP, path, Expect::Any);
        match futures_util::future::join(self.place.parent_stands(OP, path), there).await {
            (Err(error), _) => return Err(error),
            (Ok(()), Ok(_)) => return Err(Error::new(ErrorKind::AlreadyExists, OP, path)),
            (Ok(()), Err(error)) if error.kind() == ErrorKind::NotFound => {}
            (Ok(()), Err(error)) => return Err(error),
        }
        let key = self.place.dir_key(path);
        let made = self.place.service.create_dir(&self.place.context, &key, OpCreateDir::new());
        made.await.map(drop).map_err(|error| place::error_of(OP, path, &error))
    }

    async fn keep_dir(&self, path: &RelPath) -> Result<()> {
        match self.place.shape {
            Shape::Folders { .. } => Ok(()),
            Shape::Keys => Err(Error::new(ErrorKind::Unsupported, "keep_dir", path)),
        }
    }

    async fn delete(&self, batch: &[Removal]) -> Result<Vec<(RelPath, Error)>> {
        let mut failed = Vec::new();
        for removal in batch {
            if let Err(error) = self.remove(removal).await {
                failed.push((removal.path.clone(), error));
            }
        }
        Ok(failed)
    }

    async fn copy(&self, from: &Entry, to: &RelPath, when: &When) -> Result<Native<Entry>> {
        transfer::copy(&self.place, from, to, when).await
    }

    async fn rename(&self, from: &Entry, to: &RelPath, when: &When) -> Result<Native<Entry>> {
        transfer::rename(&self.place, from, to, when).await
    }
}

impl Opendal {
    async fn remove(&self, removal: &Removal) -> Result<()> {
        const OP: &str = "delete";
        let path = &removal.path;
        if path.is_root() {
            return Err(Error::new(ErrorKind::Denied, OP, path).with_detail("the root stays"));
        }
        if self.place.fits(OP, path).is_err() {
            return Ok(());
        }
        if matches!(self.place.shape, Shape::Folders { .. }) {
            // A DELETE of a folder takes its members along (RFC 4918 section 9.6), so it is looked for before.
            match (self.place.stat(OP, path, Expect::Any).await, removal.kind) {
                (Err(error), _) if error.kind() == ErrorKind::NotFound => return Ok(()),
                (Err(error), _) => return Err(error),
                (Ok(entry), Kind::File) if entry.is_dir() => return Err(Error::new(ErrorKind::IsDir, OP, path)),
                (Ok(entry), Kind::Dir) if !entry.is_dir() => return Err(Error::new(ErrorKind::NotDir, OP, path)),
                (Ok(_), Kind::Dir) if list::has_members(&self.place, path).await? => {
                    return Err(Error::new(ErrorKind::NotEmpty, OP, path));
                }
                (Ok(_), _) => {}
            }
        }
        let key = match removal.kind {
            Kind::File => self.place.key(path),
            Kind::Dir => self.place.dir_key(path),
        };
        self.place.delete(&key).await.map_err(|error| place::error_of(OP, path, &error))
    }
}
