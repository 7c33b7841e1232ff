//! What a look at a storage over the network finds: the words between a driver and `davmux doctor`.

use std::fmt;
use std::time::SystemTime;

use bytes::Bytes;

use crate::{Driver, Expect, Kind, Native, RelPath, Removal, Upload, When, WriteRequest};

/// How a finding is to be taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// It works, or it is as davmux takes it to be.
    Works,
    /// It works, and yet a person should know or write something.
    Notice,
    /// It does not work.
    Fails,
    /// It was not looked at; `seen` says why.
    Skipped,
}

/// One thing that was looked at.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// What was looked at, in two or three words: `list v2`.
    pub topic: &'static str,
    /// How to take it.
    pub outcome: Outcome,
    /// What was seen, in a sentence.
    pub seen: String,
    /// What to do about it.
    pub advice: Option<String>,
    /// Keys of the mount and the values to write.
    pub write: Vec<(&'static str, String)>,
}

impl Finding {
    fn new(topic: &'static str, outcome: Outcome, seen: impl fmt::Display) -> Self {
        Self { topic, outcome, seen: seen.to_string(), advice: None, write: Vec::new() }
    }

    /// It works.
    pub fn works(topic: &'static str, seen: impl fmt::Display) -> Self {
        Self::new(topic, Outcome::Works, seen)
    }

    /// It works, and yet.
    pub fn notice(topic: &'static str, seen: impl fmt::Display) -> Self {
        Self::new(topic, Outcome::Notice, seen)
    }

    /// It does not work.
    pub fn fails(topic: &'static str, seen: impl fmt::Display) -> Self {
        Self::new(topic, Outcome::Fails, seen)
    }

    /// It was not looked at.
    pub fn skipped(topic: &'static str, why: impl fmt::Display) -> Self {
        Self::new(topic, Outcome::Skipped, why)
    }

    /// With what to do about it.
    #[must_use]
    pub fn advise(mut self, advice: impl Into<String>) -> Self {
        self.advice = Some(advice.into());
        self
    }

    /// With a line to write into the mounts file.
    #[must_use]
    pub fn write(mut self, key: &'static str, value: impl fmt::Display) -> Self {
        self.write.push((key, value.to_string()));
        self
    }
}

/// Who is told what a probe finds, while it runs.
pub trait Report: Send + Sync {
    /// This is being looked at now.
    fn begins(&self, topic: &'static str);

    /// This was found.
    fn found(&self, finding: Finding);

    /// Whether to look at nothing more. What was made for the look is still removed.
    fn is_stopped(&self) -> bool {
        false
    }
}

/// A look at any storage through what every driver can: is it there, can it be written, how much room is left. Whether it
/// is there.
pub async fn of_driver(driver: &dyn Driver, may_write: bool, report: &dyn Report) -> bool {
    const ROOM: &str = "room";
    const WRITE: &str = "write";
    report.begins("storage");
    if let Err(error) = driver.check().await {
        report.found(Finding::fails("storage", Chain(&error)));
        return false;
    }
    report.found(Finding::works("storage", "it is there and readable"));
    report.begins(ROOM);
    match driver.usage().await {
        Ok(Native::Done(usage)) => {
            report.found(Finding::works(ROOM, format!("{} MiB are free", usage.available >> 20)));
        }
        Ok(Native::Declined) => {}
        Err(error) => report.found(Finding::notice(ROOM, Chain(&error))),
    }
    if !may_write {
        report.found(Finding::skipped(WRITE, "the mount is read-only"));
        return true;
    }
    report.begins(WRITE);
    report.found(match write_and_remove(driver).await {
        Ok(()) => Finding::works(WRITE, "a file can be written, seen and removed"),
        Err(error) => {
            Finding::fails(WRITE, Chain(&error)).advise("let this program write there, or set read_only: true")
        }
    });
    true
}

async fn write_and_remove(driver: &dyn Driver) -> crate::Result<()> {
    const CONTENT: &[u8] = b"davmux looks whether this storage works\n";
    // A name of its own, so that what a look that was killed has left is in nobody's way.
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    let name = format!(".davmux-doctor-{:x}-{:x}", std::process::id(), since.as_nanos());
    let Ok(path) = RelPath::root().child(&name) else { return Ok(()) };
    let size = u64::try_from(CONTENT.len()).ok();
    let mut upload: Box<dyn Upload> =
        driver.write(&path, WriteRequest { size, when: When::Absent, ..WriteRequest::default() }).await?;
    if let Err(error) = upload.write(Bytes::from_static(CONTENT)).await {
        upload.abort().await?;
        return Err(error);
    }
    upload.finish().await?;
    let seen = driver.stat(&path, Expect::File).await.map(drop);
    let removal = Removal { path, kind: Kind::File, etag: None };
    match driver.delete(&[removal]).await?.pop() {
        Some((_, error)) => Err(error),
        None => seen,
    }
}

/// An error with its causes.
struct Chain<'e>(&'e (dyn std::error::Error + 'static));

impl fmt::Display for Chain<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0)?;
        let mut cause = self.0.source();
        while let Some(error) = cause {
            write!(f, ": {error}")?;
            cause = error.source();
        }
        Ok(())
    }
}
