//! [`Calls`]: what a mount's storage was asked for, how it answered and how long that took.

use std::sync::Arc;
use std::time::Instant;

use davmux_metrics::{Code, Counter, Each, Histogram};

use crate::meter;

davmux_metrics::label! {
    /// A call to a storage, by the name that S3's API reference gives it. A storage of another kind is told by the method
    /// of HTTP.
    pub enum Op: "op" {
        /// S3
        AbortMultipartUpload = "AbortMultipartUpload",
        /// S3
        CompleteMultipartUpload = "CompleteMultipartUpload",
        /// S3
        CopyObject = "CopyObject",
        /// S3
        CreateMultipartUpload = "CreateMultipartUpload",
        /// S3
        DeleteObject = "DeleteObject",
        /// S3
        DeleteObjects = "DeleteObjects",
        /// S3
        GetObject = "GetObject",
        /// S3
        HeadBucket = "HeadBucket",
        /// S3
        HeadObject = "HeadObject",
        /// S3
        ListMultipartUploads = "ListMultipartUploads",
        /// S3
        ListObjects = "ListObjects",
        /// S3
        ListObjectsV2 = "ListObjectsV2",
        /// S3
        ListParts = "ListParts",
        /// S3
        PutObject = "PutObject",
        /// S3
        UploadPart = "UploadPart",
        /// S3
        UploadPartCopy = "UploadPartCopy",
        /// HTTP
        Delete = "DELETE",
        /// HTTP
        Get = "GET",
        /// HTTP
        Head = "HEAD",
        /// HTTP
        Post = "POST",
        /// HTTP
        Put = "PUT",
        /// Any other.
        Other = "other",
    }
}

impl Op {
    /// The call of this name.
    pub fn of(name: &str) -> Self {
        <Self as davmux_metrics::Label>::ALL.iter().copied().find(|op| op.as_str() == name).unwrap_or(Self::Other)
    }
}

/// The calls to one storage. Clones count together; a fresh one is counted for nobody.
#[derive(Clone, Debug, Default)]
pub struct Calls(Arc<Counted>);

#[derive(Debug, Default)]
struct Counted {
    answers: Each<Op, Each<Code, Counter>>,
    durations: Each<Op, Histogram>,
}

/// Where calls are counted is no part of what a driver is to do: options that differ in it alone are the same.
impl PartialEq for Calls {
    fn eq(&self, _: &Self) -> bool {
        true
    }
}

impl Eq for Calls {}

impl Calls {
    /// A call is sent now. It counts for the request that it is made for, too ([`meter`]).
    pub fn begin(&self, op: Op) -> Call {
        meter::count_call();
        Call { calls: self.clone(), op, code: Code::NONE, started: Instant::now() }
    }

    /// How the calls were answered, each attempt by itself.
    pub fn answers(&self) -> &Each<Op, Each<Code, Counter>> {
        &self.0.answers
    }

    /// How long it took until the head of the answer was there, or it was known that none comes.
    pub fn durations(&self) -> &Each<Op, Histogram> {
        &self.0.durations
    }
}

/// A call under way. It is counted when this is dropped: by its status, or as one without an answer.
#[derive(Debug)]
#[must_use = "what is dropped at once had no answer"]
pub struct Call {
    calls: Calls,
    op: Op,
    code: Code,
    started: Instant,
}

impl Call {
    /// The head of the answer is there.
    pub fn answered(mut self, status: u16) {
        self.code = Code::of(status);
    }
}

impl Drop for Call {
    fn drop(&mut self) {
        let counted = &self.calls.0;
        counted.answers[self.op][self.code].inc();
        counted.durations[self.op].observe(self.started.elapsed());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_call_counts_once_by_what_became_of_it() {
        let calls = Calls::default();
        calls.begin(Op::GetObject).answered(206);
        calls.clone().begin(Op::GetObject).answered(777);
        drop(calls.begin(Op::PutObject));
        let count = |op, code: Code| calls.answers()[op][code].get();
        assert_eq!((count(Op::GetObject, Code::of(206)), count(Op::GetObject, Code::of(777))), (1, 1));
        assert_eq!((count(Op::PutObject, Code::NONE), count(Op::PutObject, Code::of(200))), (1, 0));
    }

    #[test]
    fn a_name_that_is_not_known_is_other() {
        assert_eq!((Op::of("UploadPart"), Op::of("RestoreObject")), (Op::UploadPart, Op::Other));
    }
}
