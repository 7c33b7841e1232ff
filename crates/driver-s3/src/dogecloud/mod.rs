//! [`DogeCloud`]: a bucket of DogeCloud, which is known only after its token API was asked.

mod token;

use std::sync::Arc;
use std::time::SystemTime;

use async_trait::async_trait;
use davmux_driver::{
    Admin, Capabilities, CorsRule, Driver, Enters, Entry, Error, Expect, Finding, Link, LinkRequest, Native, Pages,
    ReadReply, ReadRequest, RelPath, Removal, Report, Result, Upload, UploadInProgress, UploadPages, Usage, When,
    WriteRequest,
};
use futures_util::{StreamExt as _, TryStreamExt as _, stream};
use http::uri::Scheme;
use tokio::sync::OnceCell;

use crate::credentials::{Keys, Source};
use crate::error::Failure;
use crate::place::Place;
use crate::provider::Provider;
use crate::{OptionsError, S3, S3Options, UploadMemory};

pub(crate) use token::TokenApi;

/// The provider's row.
const ROW: &str = "dogecloud";
/// The token API, where the mount names no other.
const API: &str = "https://api.dogecloud.com";
/// An endpoint like those that the token API answers with.
const LIKE: &str = "https://cos.ap-guangzhou.myqcloud.com";

/// A bucket of DogeCloud, or a prefix of one, on the S3 endpoint behind it.
///
/// It signs with temporary keys of two hours, which are renewed in time. Where the bucket is comes with the first keys, so
/// they are asked for at its first use.
#[derive(Debug)]
pub struct DogeCloud {
    late: Arc<Late>,
    /// What is known of the bucket without asking; it is never called.
    draft: S3,
}

/// A bucket that is opened at its first use.
#[derive(Debug)]
struct Late {
    /// With the bucket's name and the keys at DogeCloud, not those of the storage behind it.
    options: S3Options,
    memory: UploadMemory,
    api: Arc<TokenApi>,
    keys: Arc<Keys>,
    opened: OnceCell<S3>,
}

impl DogeCloud {
    /// Takes the options: the bucket's name, the access key and its secret as DogeCloud's console shows them, and an
    /// endpoint only where the token API is elsewhere. It does not touch the network.
    ///
    /// # Errors
    /// [`OptionsError`] for options that cannot work.
    pub fn open(mut options: S3Options, memory: UploadMemory) -> Result<Self, OptionsError> {
        let filled = |text: &Option<String>| {
            text.as_deref().map(str::trim).filter(|text| !text.is_empty()).map(ToOwned::to_owned)
        };
        let secret = options.secret_access_key.clone().filter(|secret| !secret.reveal().is_empty());
        let (Some(access_key), Some(secret)) = (filled(&options.access_key_id), secret) else {
            return Err(OptionsError::DogeCloudKeys);
        };
        let base = filled(&options.endpoint).unwrap_or_else(|| API.to_owned());
        let base = Place::service(&base, &Scheme::HTTPS).ok_or(OptionsError::Endpoint(base))?.base_url();
        options.endpoint = Some(LIKE.to_owned());
        // The dialect must not depend on what the token API answers.
        options.provider = options.provider.or_else(|| Provider::named(ROW)).or(Some(Provider::other()));
        let api = Arc::new(TokenApi::new(base, access_key, secret, options.bucket.trim().to_owned()));
        let keys = Arc::new(Keys::new(Source::DogeCloud(Arc::clone(&api))));
        // Everything but the place is known: what is wrong in it is said now, with a place like the one to come.
        let draft = S3::open_for(options.clone(), memory.clone(), Some(Arc::clone(&keys)))?;
        Ok(Self { late: Arc::new(Late { options, memory, api, keys, opened: OnceCell::new() }), draft })
    }
}

impl Late {
    /// The bucket itself. Those who come first wait for one answer.
    async fn bucket(&self, op: &'static str, path: &RelPath) -> Result<&S3> {
        let opened = self.opened.get_or_try_init(|| self.find()).await;
        opened.map_err(|failure| failure.into_error(op, path, &self.options.bucket))
    }

    async fn find(&self) -> Result<S3, Failure> {
        self.keys.signer().await.map_err(|why| Failure::keys(&why))?;
        let Some(space) = self.api.space() else {
            return Err(Failure::nonsense("DogeCloud gave keys and no place"));
        };
        let options = S3Options { bucket: space.bucket, endpoint: Some(space.endpoint), ..self.options.clone() };
        S3::open_for(options, self.memory.clone(), Some(Arc::clone(&self.keys)))
            .map_err(|error| Failure::nonsense(format!("DogeCloud says that the bucket is where none can be: {error}")))
    }
}

/// A listing that begins with a question whose answer has the listing.
fn later(dir: &RelPath, late: &Arc<Late>, op: &'static str, list: fn(&S3, &RelPath) -> Pages) -> Pages {
    let (dir, late) = (dir.clone(), Arc::clone(late));
    stream::once(async move { late.bucket(op, &dir).await.map(|s3| list(s3, &dir)) }).try_flatten().boxed()
}

#[deny(clippy::missing_trait_methods)]
#[async_trait]
impl Driver for DogeCloud {
    fn name(&self) -> &'static str {
        "s3"
    }

    fn capabilities(&self) -> &Capabilities {
        self.draft.capabilities()
    }

    async fn check(&self) -> Result<()> {
        self.late.bucket("check", &RelPath::root()).await?.check().await
    }

    async fn stat(&self, path: &RelPath, expect: Expect) -> Result<Entry> {
        self.late.bucket("stat", path).await?.stat(path, expect).await
    }

    fn list(&self, dir: &RelPath) -> Pages {
        later(dir, &self.late, "list", |s3, dir| s3.list(dir))
    }

    async fn read(&self, path: &RelPath, request: ReadRequest) -> Result<ReadReply> {
        self.late.bucket("read", path).await?.read(path, request).await
    }

    async fn write(&self, path: &RelPath, request: WriteRequest) -> Result<Box<dyn Upload>> {
        self.late.bucket("write", path).await?.write(path, request).await
    }

    async fn abort_upload(&self, path: &RelPath, upload_id: &str) -> Result<()> {
        self.late.bucket("abort upload", path).await?.abort_upload(path, upload_id).await
    }

    async fn create_dir(&self, path: &RelPath) -> Result<()> {
        self.late.bucket("create folder", path).await?.create_dir(path).await
    }

    async fn keep_dir(&self, path: &RelPath) -> Result<()> {
        self.late.bucket("keep folder", path).await?.keep_dir(path).await
    }

    async fn delete(&self, batch: &[Removal]) -> Result<Vec<(RelPath, Error)>> {
        let first = batch.first().map_or_else(RelPath::root, |removal| removal.path.clone());
        self.late.bucket("delete", &first).await?.delete(batch).await
    }

    async fn link(&self, file: &Entry, request: LinkRequest) -> Result<Native<Link>> {
        self.late.bucket("link", &file.path).await?.link(file, request).await
    }

    fn list_tree(&self, dir: &RelPath) -> Native<Pages> {
        Native::Done(later(dir, &self.late, "list", S3::tree))
    }

    fn list_tree_in(&self, dir: &RelPath, _enters: Enters) -> Native<Pages> {
        self.list_tree(dir)
    }

    async fn copy(&self, from: &Entry, to: &RelPath, when: &When) -> Result<Native<Entry>> {
        self.late.bucket("copy", to).await?.copy(from, to, when).await
    }

    async fn begin_copy(&self, from: &Entry, to: &RelPath, when: &When) -> Result<Native<Box<dyn Upload>>> {
        self.late.bucket("copy", to).await?.begin_copy(from, to, when).await
    }

    async fn rename(&self, from: &Entry, to: &RelPath, when: &When) -> Result<Native<Entry>> {
        self.late.bucket("rename", to).await?.rename(from, to, when).await
    }

    async fn set_modified(&self, path: &RelPath, modified: SystemTime) -> Result<Native<()>> {
        self.late.bucket("set time", path).await?.set_modified(path, modified).await
    }

    async fn usage(&self) -> Result<Native<Usage>> {
        self.late.bucket("usage", &RelPath::root()).await?.usage().await
    }
}

#[deny(clippy::missing_trait_methods)]
#[async_trait]
impl Admin for DogeCloud {
    async fn probe(&self, may_write: bool, report: &dyn Report) -> bool {
        const TOPIC: &str = "temporary keys";
        report.begins(TOPIC);
        match self.late.bucket("probe", &RelPath::root()).await {
            Ok(s3) => {
                report.found(Finding::works(TOPIC, "DogeCloud gives keys, and says where the bucket is"));
                s3.probe(may_write, report).await
            }
            Err(error) => {
                report.found(Finding::fails(TOPIC, error.detail().unwrap_or("DogeCloud gives none")));
                false
            }
        }
    }

    fn cors_rule(&self, origins: &[String]) -> Option<CorsRule> {
        self.draft.cors_rule(origins)
    }

    async fn cors(&self) -> Result<Vec<CorsRule>> {
        self.late.bucket("read CORS rules", &RelPath::root()).await?.cors().await
    }

    async fn set_cors(&self, from: &[CorsRule], to: &[CorsRule]) -> Result<()> {
        self.late.bucket("set CORS rules", &RelPath::root()).await?.set_cors(from, to).await
    }

    fn uploads(&self) -> Result<UploadPages> {
        let late = Arc::clone(&self.late);
        let uploads = async move { late.bucket("list uploads", &RelPath::root()).await?.uploads() };
        Ok(stream::once(uploads).try_flatten().boxed())
    }

    async fn upload_size(&self, upload: &UploadInProgress) -> Result<u64> {
        self.late.bucket("look at an upload", &RelPath::root()).await?.upload_size(upload).await
    }

    async fn abort(&self, upload: &UploadInProgress) -> Result<()> {
        self.late.bucket("abort an upload", &RelPath::root()).await?.abort(upload).await
    }
}

#[cfg(test)]
mod tests;
