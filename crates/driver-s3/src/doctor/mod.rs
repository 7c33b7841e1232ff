//! What `davmux doctor` looks at in a bucket: does what the row says hold, and what should the mounts file say instead?
//!
//! It asks the storage itself, in the order in which things depend on each other, and stops where nothing further can work.
//! It writes only below a prefix of its own, remembers every key and every upload it made, and removes them in the end.

mod conditions;
mod copies;
mod links;
mod lists;
mod place;
mod reach;
mod uploads;

use std::collections::BTreeSet;
use std::sync::{Mutex, PoisonError};

use aws_sdk_s3::operation::put_object::builders::PutObjectFluentBuilder;
use bytes::Bytes;
use davmux_driver::{Error, Finding, RelPath, Report};

use crate::S3;
use crate::bucket::Bucket;
use crate::error::Failure;

/// What the names of all scratch prefixes begin with.
const SCRATCH: &str = ".davmux-doctor-";
/// What is in the small objects.
const CONTENT: &[u8] = b"davmux looks whether this bucket works\n";
const TYPE: &str = "text/x-davmux-doctor";

/// Looks at everything. Whether the bucket answers.
pub(crate) async fn examine(s3: &S3, may_write: bool, report: &dyn Report) -> bool {
    let name = format!("{SCRATCH}{:016x}", rand::random::<u64>());
    #[expect(clippy::expect_used, reason = "letters, digits, a dot and dashes are a name")]
    let scratch = RelPath::root().child(&name).expect("a name");
    let doctor = Doctor { s3, bucket: &s3.bucket, report, scratch, made: Mutex::default() };
    if !doctor.reach().await || !doctor.place().await {
        return false;
    }
    if !may_write {
        doctor.tell(Finding::skipped("writing", "the mount is read-only; only reading was looked at"));
        return true;
    }
    if doctor.first_write().await {
        let steps = [
            Step::Lists,
            Step::Conditions,
            Step::Uploads,
            Step::Copies,
            Step::BulkDelete,
            Step::Links,
            Step::CustomHost,
        ];
        for step in steps {
            if report.is_stopped() {
                break;
            }
            match step {
                Step::Lists => doctor.lists().await,
                Step::Conditions => doctor.conditions().await,
                Step::Uploads => doctor.uploads().await,
                Step::Copies => doctor.copies().await,
                Step::BulkDelete => doctor.bulk_delete().await,
                Step::Links => doctor.links().await,
                Step::CustomHost => doctor.custom_host().await,
            }
        }
    }
    doctor.clean_up().await;
    true
}

enum Step {
    Lists,
    Conditions,
    Uploads,
    Copies,
    BulkDelete,
    Links,
    CustomHost,
}

struct Doctor<'a> {
    s3: &'a S3,
    bucket: &'a Bucket,
    report: &'a dyn Report,
    /// The folder in which it works.
    scratch: RelPath,
    made: Mutex<Made>,
}

/// What has to go in the end.
#[derive(Default)]
struct Made {
    keys: BTreeSet<String>,
    /// Key and id.
    uploads: BTreeSet<(String, String)>,
}

/// What a storage made of a condition that does not hold.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Condition {
    Checked,
    /// Without a word.
    Ignored,
    Refused(String),
}

impl Condition {
    fn of<T>(reply: Result<T, Failure>) -> Self {
        match reply {
            Ok(_) => Self::Ignored,
            Err(failure) if failure.status == Some(412) => Self::Checked,
            Err(failure) => Self::Refused(words(&failure)),
        }
    }

    fn is_checked(&self) -> bool {
        *self == Self::Checked
    }
}

impl std::fmt::Display for Condition {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Checked => f.write_str("checked"),
            Self::Ignored => f.write_str("ignored without a word"),
            Self::Refused(why) => write!(f, "refused ({why})"),
        }
    }
}

/// A failure in a few words.
fn words(failure: &Failure) -> String {
    match (&failure.code, failure.status) {
        (Some(code), Some(status)) => format!("{status} {code}"),
        (None, Some(status)) => status.to_string(),
        _ => failure.clone().into_error("call", &RelPath::root(), "").detail().unwrap_or("no answer").to_owned(),
    }
}

/// An error as a person reads it, without the operation's name.
fn said(error: &Error) -> String {
    error.detail().map_or_else(|| error.to_string(), ToOwned::to_owned)
}

impl Doctor<'_> {
    fn begin(&self, topic: &'static str) {
        self.report.begins(topic);
    }

    fn tell(&self, finding: Finding) {
        self.report.found(finding);
    }

    fn made(&self) -> std::sync::MutexGuard<'_, Made> {
        self.made.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A path in the scratch folder.
    fn path(&self, name: &str) -> RelPath {
        #[expect(clippy::expect_used, reason = "the names are constants of this module")]
        RelPath::parse(&format!("{}/{name}", self.scratch)).expect("a path")
    }

    /// A key in the scratch folder, which will go in the end.
    fn key(&self, name: &str) -> String {
        let key = format!("{}{name}", self.bucket.root.prefix(&self.scratch));
        self.made().keys.insert(key.clone());
        key
    }

    /// A PutObject of the small content, to be sent with or without conditions.
    fn put(&self, name: &str) -> PutObjectFluentBuilder {
        self.bucket
            .client
            .put_object()
            .bucket(&self.bucket.name)
            .key(self.key(name))
            .content_type(TYPE)
            .metadata("davmux-doctor", "yes")
            .body(Bytes::from_static(CONTENT).into())
    }

    async fn put_small(&self, name: &str) -> Result<String, Failure> {
        let reply = self.put(name).send().await.map_err(|error| Failure::sdk(&error))?;
        Ok(reply.e_tag().unwrap_or_default().to_owned())
    }

    /// Whether anything can be written at all, and comes back as it was.
    async fn first_write(&self) -> bool {
        self.begin("write and read");
        if let Err(failure) = self.put_small("small").await {
            let error = self.bucket.failed("write", &self.path("small"), failure);
            self.tell(
                Finding::fails("write and read", said(&error))
                    .advise("the keys must be allowed to write; for a bucket that is only read set read_only: true"),
            );
            return false;
        }
        let reply = self.bucket.client.get_object().bucket(&self.bucket.name).key(self.key("small")).send().await;
        let reply = match reply {
            Ok(reply) => reply,
            Err(error) => {
                let error = self.bucket.error("read", &self.path("small"), &error);
                self.tell(Finding::fails(
                    "write and read",
                    format!("what was written cannot be read: {}", said(&error)),
                ));
                return false;
            }
        };
        let kept = (
            reply.content_type() == Some(TYPE),
            reply.metadata().is_some_and(|map| map.get("davmux-doctor").is_some_and(|value| value == "yes")),
        );
        let body = reply.body.collect().await.map(aws_sdk_s3::primitives::AggregatedBytes::into_bytes);
        let finding = match (body, kept) {
            (Ok(body), _) if body != CONTENT => {
                Finding::fails("write and read", "other bytes come back than were written")
            }
            (Err(_), _) => Finding::fails("write and read", "the body of a read was cut"),
            (Ok(_), (true, true)) => {
                Finding::works("write and read", "an object comes back with its bytes, its media type and its metadata")
            }
            (Ok(_), _) => Finding::notice(
                "write and read",
                "the bytes come back, but the storage loses media types or metadata: a commit whose answer is lost cannot be \
                 told from another writer's",
            ),
        };
        self.tell(finding);
        true
    }

    /// Removes all that was made.
    async fn clean_up(&self) {
        self.begin("clean-up");
        let Made { keys, uploads } = std::mem::take(&mut *self.made());
        let mut left = Vec::new();
        let client = &self.bucket.client;
        for (key, id) in uploads {
            let reply = client.abort_multipart_upload().bucket(&self.bucket.name).key(&key).upload_id(&id).send().await;
            if let Err(failure) = reply.map_err(|error| Failure::sdk(&error))
                && failure.status != Some(404)
            {
                left.push(format!("the upload {id} of {key}"));
            }
        }
        for key in keys {
            let reply = client.delete_object().bucket(&self.bucket.name).key(&key).send().await;
            if let Err(failure) = reply.map_err(|error| Failure::sdk(&error))
                && failure.status != Some(404)
            {
                left.push(key);
            }
        }
        let finding = if left.is_empty() {
            Finding::works("clean-up", format!("nothing is left of {}/", self.scratch))
        } else {
            Finding::fails("clean-up", format!("could not be removed: {}", left.join(", ")))
                .advise(format!("remove what is below {}/ by hand", self.scratch))
        };
        self.tell(finding);
    }
}
