//! [`UpYun`]: the driver.

mod call;
mod error;
mod link;
mod list;
mod options;
mod place;
mod read;
mod transfer;
mod upload;

use std::sync::Arc;
use std::time::SystemTime;

use async_trait::async_trait;
use davmux_driver::{
    Admin, Capabilities, Driver, Entry, Error, ErrorKind, Expect, Kind, Link, LinkRequest, Native, Pages, ReadReply,
    ReadRequest, RelPath, Removal, Report, Result, Upload, When, WriteRequest, probe,
};
use futures_util::stream;
use http::HeaderValue;
use opendal_core::Builder as _;
use opendal_core::raw::oio::Delete as _;
use opendal_core::raw::{OpCreateDir, OpDelete, Service as _, Servicer};

pub use options::{Secret, UpYunOptions, UpYunOptionsError};

use link::Links;
use place::Place;

/// A storage service of UpYun, or a folder of one.
#[derive(Debug)]
pub struct UpYun {
    place: Arc<Place>,
    links: Option<Links>,
    capabilities: Capabilities,
}

impl UpYun {
    /// Sets the driver up. Asks nothing of the network.
    ///
    /// # Errors
    /// [`UpYunOptionsError`] for options that cannot work.
    pub fn open(options: UpYunOptions) -> Result<Self, UpYunOptionsError> {
        crate::http::client()?;
        let bucket = options.bucket()?;
        let builder = opendal_service_upyun::Upyun::default()
            .bucket(bucket)
            .operator(options.operator()?)
            .password(options.password.reveal());
        let service = builder.build().map_err(|error| UpYunOptionsError::Service(error.message().to_owned()))?;
        let service: Servicer = Arc::new(service);
        let place = Place {
            service,
            bucket: bucket.to_owned(),
            host: options.api()?,
            calls: options.calls.clone(),
            root: options.root()?,
        };
        let named = options.named_links;
        let links = options.bound_host()?.map(|host| Links { host, token: options.link_token.clone(), named });
        let capabilities =
            Capabilities { real_dirs: true, max_file_size: Some(upload::LARGEST), ..Capabilities::default() };
        Ok(Self { place: Arc::new(place), links, capabilities })
    }
}

/// UpYun's CORS rules are the console's, and its uploads end by themselves.
#[async_trait]
impl Admin for UpYun {
    async fn probe(&self, may_write: bool, report: &dyn Report) -> bool {
        probe::of_driver(self, may_write, report).await
    }
}

#[async_trait]
impl Driver for UpYun {
    fn name(&self) -> &'static str {
        "upyun"
    }

    fn capabilities(&self) -> &Capabilities {
        &self.capabilities
    }

    async fn check(&self) -> Result<()> {
        self.place.check("check", &RelPath::root()).await
    }

    async fn stat(&self, path: &RelPath, expect: Expect) -> Result<Entry> {
        const OP: &str = "stat";
        if path.is_root() {
            return Ok(Entry::dir(RelPath::root()));
        }
        let entry = self.place.look(OP, path).await?.entry;
        match (expect, entry.kind) {
            (Expect::Dir, Kind::File) => Err(Error::new(ErrorKind::NotFound, OP, path)),
            _ => Ok(entry),
        }
    }

    fn list(&self, dir: &RelPath) -> Pages {
        list::pages(Arc::clone(&self.place), dir.clone())
    }

    async fn read(&self, path: &RelPath, request: ReadRequest) -> Result<ReadReply> {
        read::read(&self.place, path, &request).await
    }

    async fn write(&self, path: &RelPath, request: WriteRequest) -> Result<Box<dyn Upload>> {
        Ok(Box::new(upload::begin(&self.place, path, request).await?))
    }

    /// UpYun has no call that ends an upload; it removes what was not completed within 24 hours by itself.
    async fn abort_upload(&self, _path: &RelPath, _upload_id: &str) -> Result<()> {
        Ok(())
    }

    async fn create_dir(&self, path: &RelPath) -> Result<()> {
        const OP: &str = "create_dir";
        if path.is_root() {
            return Err(Error::new(ErrorKind::AlreadyExists, OP, path));
        }
        self.place.parent_stands(OP, path).await?;
        let call = Arc::new(self.place.call());
        let key = format!("{}/", self.place.key(path));
        let made = self.place.service.create_dir(&call.context(), &key, OpCreateDir::new()).await;
        let Err(error) = made else { return Ok(()) };
        let trouble = call.trouble(&error);
        match trouble.status().map(|status| status.as_u16()) {
            // The folder of an attempt whose answer was lost.
            Some(406) if call.is_doubtful() => Ok(()),
            Some(406) => Err(Error::new(ErrorKind::AlreadyExists, OP, path)),
            _ => Err(self.place.failed(OP, path, trouble).await),
        }
    }

    async fn keep_dir(&self, _path: &RelPath) -> Result<()> {
        Ok(())
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

    async fn link(&self, file: &Entry, request: LinkRequest) -> Result<Native<Link>> {
        let Some(links) = &self.links else { return Ok(Native::Declined) };
        if file.is_dir() {
            return Ok(Native::Declined);
        }
        let key = self.place.root.join(&file.path);
        let link = links.link(&key, SystemTime::now(), request.valid_for);
        link.map(Native::Done).map_err(|error| {
            Error::new(ErrorKind::InvalidPath, "link", &file.path).with_detail(format!("no URL can say it: {error}"))
        })
    }

    async fn copy(&self, from: &Entry, to: &RelPath, when: &When) -> Result<Native<Entry>> {
        transfer::copy(&self.place, from, to, when).await
    }

    async fn rename(&self, from: &Entry, to: &RelPath, when: &When) -> Result<Native<Entry>> {
        transfer::rename(&self.place, from, to, when).await
    }
}

impl UpYun {
    async fn remove(&self, removal: &Removal) -> Result<()> {
        const OP: &str = "delete";
        let path = &removal.path;
        if path.is_root() {
            return Err(Error::new(ErrorKind::Denied, OP, path).with_detail("the root stays"));
        }
        let is_dir = removal.kind == Kind::Dir;
        let call = Arc::new(self.place.call().amended(move |headers| {
            if is_dir {
                headers.insert("x-upyun-folder", HeaderValue::from_static("true"));
            }
        }));
        let key = self.place.key(path);
        let mut deleter =
            self.place.service.delete(&call.context()).map_err(|error| error::of_opendal(OP, path, &error))?;
        let Err(error) = deleter.delete(&key, OpDelete::new()).await else { return Ok(()) };
        let trouble = call.trouble(&error);
        let refused = trouble.status().is_some_and(|status| status.is_client_error() && status.as_u16() != 429);
        let error = self.place.failed(OP, path, trouble).await;
        if error.kind() == ErrorKind::NotFound {
            return Ok(());
        }
        // A folder with members is refused, in words that are nowhere promised; so they are looked for.
        if refused && list::has_members(&self.place, path).await {
            return Err(Error::new(ErrorKind::NotEmpty, OP, path));
        }
        Err(error)
    }
}

/// A listing that is an error.
fn failed_listing(error: Error) -> Pages {
    Box::pin(stream::once(std::future::ready(Err(error))))
}
