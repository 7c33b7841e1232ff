//! [`CallLog`]: which calls came, so that a test can say what an operation costs.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use davmux_driver::RelPath;

/// What was called: a method of `Driver` or, from [`UploadWrite`](Self::UploadWrite) to [`Abort`](Self::Abort), of
/// `Upload`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[expect(missing_docs, reason = "each is named as the method that it stands for")]
pub enum Op {
    Check,
    Stat,
    List,
    ListTree,
    Read,
    Write,
    UploadWrite,
    Finish,
    Abort,
    AbortUpload,
    CreateDir,
    KeepDir,
    Delete,
    Link,
    Copy,
    BeginCopy,
    Rename,
    SetModified,
    Usage,
}

/// One call.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Call {
    /// What.
    pub op: Op,
    /// On what: the source of a copy or a rename, the first entry of a delete, the root of what names none.
    pub path: RelPath,
}

/// Calls in the order they came. Clones share them.
#[derive(Clone, Debug, Default)]
pub struct CallLog(Arc<Mutex<Vec<Call>>>);

impl CallLog {
    pub(crate) fn add(&self, op: Op, path: &RelPath) {
        self.lock().push(Call { op, path: path.clone() });
    }

    /// All calls so far.
    pub fn calls(&self) -> Vec<Call> {
        self.lock().clone()
    }

    /// How many calls of one kind came.
    pub fn count(&self, op: Op) -> usize {
        self.lock().iter().filter(|call| call.op == op).count()
    }

    /// How many calls came.
    pub fn total(&self) -> usize {
        self.lock().len()
    }

    /// Forgets them.
    pub fn clear(&self) {
        self.lock().clear();
    }

    fn lock(&self) -> MutexGuard<'_, Vec<Call>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
