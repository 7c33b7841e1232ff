//! The service, and what all operations on it share.

use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use davmux_driver::{Calls, Entry, Error, ErrorKind, Kind, RelPath, Result, When};
use opendal_core::raw::{OpStat, Service as _, Servicer};

use super::call::{Call, Host, Trouble};
use super::{error, list};

/// A service and the folder in it that is the storage's root.
pub(crate) struct Place {
    /// opendal's, with the service's root as its own: opendal trims the blanks of a root.
    pub(crate) service: Servicer,
    pub(crate) bucket: String,
    pub(crate) host: Host,
    pub(crate) calls: Calls,
    pub(crate) root: RelPath,
}

impl std::fmt::Debug for Place {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Place")
            .field("bucket", &self.bucket)
            .field("host", &self.host)
            .field("root", &self.root)
            .finish_non_exhaustive()
    }
}

/// What a look at a file or folder told.
pub(crate) struct Seen {
    pub(crate) entry: Entry,
    /// What the upload that wrote it was called.
    pub(crate) nonce: Option<String>,
}

/// The metadata that tells one upload from another.
pub(crate) const NONCE: &str = "x-upyun-meta-davmux-upload";

impl Place {
    /// The key of a path in the service.
    pub(crate) fn key(&self, path: &RelPath) -> String {
        self.root.join(path).as_str().to_owned()
    }

    /// A new operation.
    pub(crate) fn call(&self) -> Call {
        Call::new(&self.host, &self.calls)
    }

    /// Looks at a file or folder that is not the root: one call, and a second one where nothing is there.
    pub(crate) async fn look(&self, op: &'static str, path: &RelPath) -> Result<Seen> {
        let call = Arc::new(self.call());
        let looked = self.service.stat(&call.context(), &self.key(path), OpStat::new()).await;
        match looked {
            Ok(_) => seen(path, &call).ok_or_else(|| {
                error::nonsense(op, path, "UpYun does not tell whether it is a file or a folder, or how long")
            }),
            Err(error) => Err(self.failed(op, path, call.trouble(&error)).await),
        }
    }

    /// Whether the folder for a new member is there. UpYun makes missing folders by itself, also where nobody meant to.
    pub(crate) async fn parent_stands(&self, op: &'static str, path: &RelPath) -> Result<()> {
        match path.parent() {
            Some(parent) if !parent.is_root() => match self.look(op, &parent).await {
                Ok(seen) if seen.entry.is_dir() => Ok(()),
                Ok(_) => Err(Error::new(ErrorKind::NotDir, op, path)),
                Err(error) if error.kind() == ErrorKind::NotFound => {
                    Err(Error::new(ErrorKind::NotFound, op, path).with_detail("its folder is not there"))
                }
                Err(error) => Err(error),
            },
            _ => Ok(()),
        }
    }

    /// Whether a condition on a target holds now. UpYun checks none itself, and tells no tag of a version in its listings.
    pub(crate) async fn holds(&self, op: &'static str, path: &RelPath, when: &When) -> Result<()> {
        match when {
            When::Always => Ok(()),
            When::Absent => match self.look(op, path).await {
                Ok(_) => Err(Error::new(ErrorKind::AlreadyExists, op, path)),
                Err(error) if error.kind() == ErrorKind::NotFound => Ok(()),
                Err(error) => Err(error),
            },
            When::Matches(_) => Err(Error::new(ErrorKind::Precondition, op, path)),
        }
    }

    /// Whether the root is there and may be read: one call.
    pub(crate) async fn check(&self, op: &'static str, path: &RelPath) -> Result<()> {
        match list::first(self, &RelPath::root()).await {
            Ok(_) => Ok(()),
            Err(trouble) => Err(self.root_failed(op, path, trouble)),
        }
    }

    /// The error of a failed call. "Nothing there" is believed only where the root is there: the answer to a HEAD has no
    /// words, and a missing service or root folder is answered with the same status.
    pub(crate) async fn failed(&self, op: &'static str, path: &RelPath, trouble: Trouble) -> Error {
        let error = error::of(op, path, trouble);
        if error.kind() != ErrorKind::NotFound {
            return error;
        }
        match self.check(op, path).await {
            Ok(()) => error,
            Err(unfounded) => unfounded,
        }
    }

    /// The error of a failed look at the root.
    pub(crate) fn root_failed(&self, op: &'static str, path: &RelPath, trouble: Trouble) -> Error {
        let error = error::of(op, path, trouble);
        if error.kind() != ErrorKind::NotFound {
            return error;
        }
        let what = if self.root.is_root() {
            format!("the service {:?} is not there: check bucket", self.bucket)
        } else {
            format!("the folder {:?} of the service {:?} is not there: check root_folder_path", self.root, self.bucket)
        };
        Error::new(ErrorKind::Unavailable, op, path).with_detail(what)
    }
}

/// What the answer to a HEAD says. opendal takes whatever is not called a file for a folder, and leaves the time out.
fn seen(path: &RelPath, call: &Call) -> Option<Seen> {
    let entry = match call.header("x-upyun-file-type")?.as_str() {
        "folder" => Entry { modified: date(call), ..Entry::dir(path.clone()) },
        _ => Entry {
            path: path.clone(),
            kind: Kind::File,
            size: call.header("x-upyun-file-size")?.parse().ok()?,
            modified: date(call),
            etag: None,
            content_type: call.header("content-type").map(Into::into),
            metadata: None,
        },
    };
    Some(Seen { entry, nonce: call.header(NONCE) })
}

fn date(call: &Call) -> Option<SystemTime> {
    time(call.header("x-upyun-file-date")?.parse().ok()?)
}

/// A time of UpYun: seconds since 1970. There was no UpYun then; zero is no time.
pub(crate) fn time(seconds: u64) -> Option<SystemTime> {
    (seconds > 0).then(|| UNIX_EPOCH.checked_add(Duration::from_secs(seconds))).flatten()
}
