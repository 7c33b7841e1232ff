//! One bucket: what all operations on it share.

use std::sync::Arc;
use std::time::SystemTime;

use aws_sdk_s3::Client;
use aws_sdk_s3::config::http::HttpResponse;
use aws_sdk_s3::error::{ProvideErrorMetadata, SdkError};
use aws_sdk_s3::operation::RequestId as _;
use aws_sdk_s3::operation::head_object::HeadObjectOutput;
use aws_sdk_s3::primitives::DateTime;
use davmux_driver::{Calls, Entry, Error, Etag, Kind, Metadata, RelPath, Result};
use http::uri::Scheme;
use tokio::sync::Semaphore;

use crate::address::Address;
use crate::client;
use crate::clock::StorageClock;
use crate::credentials::Keys;
use crate::error::{Failure, NOT_S3};
use crate::key::Root;
use crate::learnt::{Ability, Learnt};
use crate::list::Habits;
use crate::metadata;
use crate::options::{LinkDisposition, OptionsError, RelayFrom, S3Options};
use crate::place::Place;
use crate::provider::{Dialect, Provider};
use crate::read::{self, Http};
use crate::settings::ObjectSettings;

/// Name of the metadata that tells one upload from another, without `x-amz-meta-`.
pub(crate) const NONCE: &str = "davmux-upload";
/// Backblaze's native API (backblaze.com/apidocs/b2-authorize-account).
const B2_API: &str = "https://api.backblazeb2.com";
/// Ranges of all files that are copied in parts at the same time: as many as the members of a folder, each of which may be
/// such a file.
const RANGES_AT_ONCE: usize = 32;

/// A bucket, how it is reached and who signs.
#[derive(Debug)]
pub(crate) struct Bucket {
    pub(crate) name: String,
    pub(crate) provider: &'static Provider,
    /// How the provider speaks, with what the mount says instead. What it turned out not to know is not taken off here:
    /// see [`Bucket::spoken`].
    pub(crate) dialect: Dialect,
    pub(crate) learnt: Learnt,
    pub(crate) client: Client,
    /// For reads.
    pub(crate) http: Http,
    pub(crate) keys: Arc<Keys>,
    /// By which links and reads are signed.
    pub(crate) clock: Arc<StorageClock>,
    pub(crate) region: String,
    /// The bucket stands in the path, not in the host.
    pub(crate) path_style: bool,
    pub(crate) root: Root,
    /// Where the storage itself answers.
    pub(crate) endpoint: Place,
    pub(crate) custom: Option<CustomHost>,
    pub(crate) relay_from: RelayFrom,
    pub(crate) link_disposition: LinkDisposition,
    pub(crate) settings: ObjectSettings,
    /// What its answers have taught.
    pub(crate) habits: Habits,
    /// Where Backblaze's native API answers.
    pub(crate) b2_api: Place,
    /// Held by each UploadPartCopy under way.
    pub(crate) ranges: Semaphore,
    pub(crate) calls: Calls,
}

/// The host that stands in links instead of the endpoint's.
#[derive(Debug)]
pub(crate) struct CustomHost {
    pub(crate) place: Place,
    pub(crate) presign: bool,
}

impl Bucket {
    /// The bucket of these options; `keys` stand in for those that the options name.
    pub(crate) fn new(options: &S3Options, keys: Option<Arc<Keys>>) -> Result<Self, OptionsError> {
        let Address { provider, dialect, bucket: name, region, service, path_style, custom } = Address::of(options)?;
        options.check_headers()?;
        let b2_api = options.b2_api.as_deref().unwrap_or(B2_API);
        let b2_api = Place::service(b2_api, &Scheme::HTTPS).ok_or_else(|| OptionsError::Endpoint(b2_api.to_owned()))?;
        let keys = match keys {
            Some(keys) => keys,
            None => Arc::new(options.keys(&region)?),
        };
        let clock = Arc::new(StorageClock::new(&name));
        Ok(Self {
            http: read::http()?,
            client: client::build(&service, &clock, &name, &region, path_style, &keys, options),
            endpoint: if path_style { service.with_bucket_in_path(&name) } else { service.with_bucket_in_host(&name) },
            name,
            provider,
            dialect,
            learnt: Learnt::default(),
            root: Root::new(&options.root()?),
            keys,
            clock,
            region,
            path_style,
            custom,
            relay_from: options.relay_from,
            link_disposition: options.link_disposition,
            settings: options.settings.clone(),
            habits: Habits::default(),
            b2_api,
            ranges: Semaphore::new(RANGES_AT_ONCE),
            calls: options.calls.clone(),
        })
    }

    /// The dialect without what the storage turned out not to know.
    pub(crate) fn spoken(&self) -> Dialect {
        self.learnt.within(self.dialect)
    }

    /// The storage said that it does not know this; from now on it is not asked for it.
    pub(crate) fn lacks(&self, ability: Ability) {
        if self.learnt.lacks(ability) {
            let (bucket, provider) = (&self.name, self.provider.word);
            tracing::warn!(bucket, provider, "the storage does not know {}", ability.instead());
        }
    }

    /// The error of an SDK call.
    pub(crate) fn error<E>(&self, op: &'static str, path: &RelPath, error: &SdkError<E, HttpResponse>) -> Error
    where
        E: ProvideErrorMetadata + std::error::Error + 'static,
    {
        self.failed(op, path, Failure::sdk(error))
    }

    /// The error of a failed call.
    pub(crate) fn failed(&self, op: &'static str, path: &RelPath, failure: Failure) -> Error {
        failure.into_error(op, path, &self.name)
    }

    /// Looks at one key: one call.
    pub(crate) async fn head(&self, path: &RelPath) -> Result<HeadObjectOutput, Failure> {
        let call = self.client.head_object().bucket(&self.name).key(self.root.key(path));
        let head = call.send().await.map_err(|error| Failure::sdk(&error))?;
        // A web server has a page for everything; an S3 server tells one of these.
        if head.e_tag().is_none() && head.request_id().is_none() {
            return Err(Failure::doubtful(NOT_S3));
        }
        Ok(head)
    }
}

/// What a writer gave the object that a HEAD describes.
pub(crate) fn metadata_of(head: &HeadObjectOutput) -> Metadata {
    metadata::read(|name| head.metadata()?.get(name).map(String::as_str))
}

/// The entry that a HEAD describes.
pub(crate) fn entry_of(path: &RelPath, head: &HeadObjectOutput) -> Option<Entry> {
    Some(Entry {
        path: path.clone(),
        kind: Kind::File,
        size: u64::try_from(head.content_length()?).ok()?,
        modified: head.last_modified().and_then(time),
        etag: head.e_tag().and_then(Etag::new),
        content_type: head.content_type().map(Arc::from),
        metadata: Some(Box::new(metadata_of(head))),
    })
}

/// A time of the SDK, in whole seconds: the answers to HEAD and GET have no more, and one file has one time. Listings and
/// copies of MinIO, SeaweedFS and Garage tell milliseconds, which the others cut off.
pub(crate) fn time(time: &DateTime) -> Option<SystemTime> {
    SystemTime::try_from(DateTime::from_secs(time.secs())).ok()
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use aws_sdk_s3::presigning::PresigningConfig;

    use super::*;
    use crate::options::Secret;

    #[tokio::test]
    async fn links_and_reads_go_where_the_sdk_goes() {
        for (endpoint, name, force_path_style) in [
            (None, "films", false),
            (None, "my.films", false),
            (None, "films", true),
            (Some("https://s3.example.com"), "films", false),
            (Some("https://s3.example.com"), "my.films", false),
            (Some("http://s3.example.com"), "my.films", false),
            (Some("http://s3.example.com:9000"), "films", false),
            (Some("http://s3.example.com:80/base"), "films", true),
            (Some("https://s3.example.com/base/"), "films", false),
            (Some("http://127.0.0.1:9000"), "films", false),
            (Some("http://[::1]:9000"), "films", false),
            (Some("s3.eu-west-3.amazonaws.com"), "films", false),
            (Some("https://s3.example.com"), "Old_Bucket", false),
        ] {
            let mut options = S3Options::new(name);
            options.endpoint = endpoint.map(ToOwned::to_owned);
            options.region = endpoint.is_none().then(|| "eu-west-3".to_owned());
            options.access_key_id = Some("id".into());
            options.secret_access_key = Some(Secret::new("secret"));
            options.force_path_style = force_path_style;
            let bucket = Bucket::new(&options, None).unwrap();
            let presigning = PresigningConfig::expires_in(Duration::from_secs(60)).unwrap();
            let theirs = bucket.client.get_object().bucket(name).key("a b/c+d").presigned(presigning).await.unwrap();
            let theirs = theirs.uri().split('?').next().unwrap();
            assert_eq!(bucket.endpoint.url("a b/c+d"), theirs, "{endpoint:?} {name} {force_path_style}");
        }
    }

    #[test]
    fn options_that_cannot_work_are_said_at_once() {
        let error = |change: fn(&mut S3Options)| {
            let mut options = S3Options::new("films");
            change(&mut options);
            Bucket::new(&options, None).err()
        };
        assert!(matches!(error(|options| options.bucket = "a/b".into()), Some(OptionsError::Bucket(_))));
        assert!(matches!(error(|options| options.endpoint = Some("ftp://h".into())), Some(OptionsError::Endpoint(_))));
        assert!(matches!(error(|options| options.custom_host = Some("a b".into())), Some(OptionsError::CustomHost(_))));
        assert!(matches!(error(|options| options.root_folder_path = "a/../b".into()), Some(OptionsError::Root { .. })));
        assert_eq!(error(|options| options.access_key_id = Some("id".into())), Some(OptionsError::HalfAKey));
        assert_eq!(error(|_| ()), None, "no key at all is the AWS chain, which is asked later");
    }
}
