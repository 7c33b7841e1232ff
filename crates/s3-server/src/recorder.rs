//! Which calls came, and in what order.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use http::HeaderMap;
use http::request::Parts;

/// Calls kept in the list; later ones are counted only, so that a server left running does not grow for ever.
const KEPT: usize = 200_000;

/// Calls whose header fields and query are kept as well.
const KEPT_WHOLE: usize = 2_000;

/// One call, as the server saw it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Call {
    /// Name of the operation, as in the S3 reference: `GetObject`, `ListObjectsV2`.
    pub operation: &'static str,
    /// Bucket, or empty.
    pub bucket: String,
    /// Key, or empty.
    pub key: String,
    /// Sequence number of its arrival.
    pub start: u64,
    /// Sequence number of its end, just before the last byte of the answer was given to the socket; `None` while it
    /// runs. Starts and ends are numbered from one counter.
    pub end: Option<u64>,
    /// Status of the answer; `None` while there is none, or if the connection was closed instead.
    pub status: Option<u16>,
    /// Header fields of the request, without its secrets. Kept for the first 2,000 calls since the last reset.
    pub headers: HeaderMap,
    /// Query of the request as it came, without its secrets. Kept as long.
    pub query: String,
}

impl Call {
    /// The value of a header field of the request, if it came and is text.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name)?.to_str().ok()
    }
}

/// What must not be printed.
fn is_secret(name: &str) -> bool {
    let name = name.to_ascii_lowercase();
    name == "authorization"
        || name == "x-amz-security-token"
        || name.ends_with("signature")
        || name.ends_with("server-side-encryption-customer-key")
}

/// Counts calls and remembers their order. Clones share one memory.
#[derive(Clone, Debug, Default)]
pub struct Recorder {
    log: Arc<Mutex<Log>>,
}

#[derive(Debug, Default)]
struct Log {
    /// Raised by a reset, so that a call from before it does not end one from after it.
    generation: u64,
    events: u64,
    total: u64,
    counts: BTreeMap<&'static str, u64>,
    calls: Vec<Call>,
}

impl Recorder {
    fn log(&self) -> MutexGuard<'_, Log> {
        self.log.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The calls so far, in the order of their arrival. Up to 200,000 are kept.
    pub fn calls(&self) -> Vec<Call> {
        self.log().calls.clone()
    }

    /// How often `operation` was called.
    pub fn count(&self, operation: &str) -> u64 {
        self.log().counts.get(operation).copied().unwrap_or_default()
    }

    /// All operations that were called, with how often.
    pub fn counts(&self) -> BTreeMap<&'static str, u64> {
        self.log().counts.clone()
    }

    /// How many calls came.
    pub fn total(&self) -> u64 {
        self.log().total
    }

    /// Forgets everything so far.
    pub fn reset(&self) {
        let mut log = self.log();
        *log = Log { generation: log.generation + 1, ..Log::default() };
    }

    /// The length of the longest chain of calls of which each began after the one before had ended.
    ///
    /// The order is that of events, not of time. Two calls that a client sent together overlap here only if the second
    /// arrived before the first was answered: give the server a latency, or let calls wait for each other with
    /// [`Faults::together`](crate::Faults::together), where that must not depend on luck.
    pub fn round_trips(&self) -> usize {
        let log = self.log();
        let mut spans: Vec<(u64, u64)> =
            log.calls.iter().map(|call| (call.end.unwrap_or(u64::MAX), call.start)).collect();
        // The largest set of spans that do not overlap is the longest chain; taking the earliest end first finds it.
        spans.sort_unstable();
        let mut chain = 0;
        let mut ended = None;
        for (end, start) in spans {
            if ended.is_none_or(|ended| start > ended) {
                chain += 1;
                ended = Some(end);
            }
        }
        chain
    }

    /// Takes down a call. It ends with [`Running::end`], or when what is returned is dropped.
    pub(crate) fn begin(&self, operation: &'static str, bucket: &str, key: &str) -> Running {
        let mut log = self.log();
        log.total += 1;
        *log.counts.entry(operation).or_default() += 1;
        log.events += 1;
        let start = log.events;
        let index = log.calls.len();
        if index < KEPT {
            let (bucket, key) = (bucket.to_owned(), key.to_owned());
            let (headers, query) = (HeaderMap::new(), String::new());
            log.calls.push(Call { operation, bucket, key, start, end: None, status: None, headers, query });
        }
        Running { recorder: self.clone(), generation: log.generation, index, ended: false }
    }
}

/// A call that has not ended.
#[derive(Debug)]
pub(crate) struct Running {
    recorder: Recorder,
    generation: u64,
    index: usize,
    ended: bool,
}

impl Running {
    /// Keeps what the request said beside its target.
    pub(crate) fn said(&self, request: &Parts) {
        if self.index >= KEPT_WHOLE {
            return;
        }
        let mut headers = request.headers.clone();
        let secrets: Vec<_> = headers.keys().filter(|name| is_secret(name.as_str())).cloned().collect();
        for name in secrets {
            headers.remove(name);
        }
        let pairs = request.uri.query().unwrap_or_default().split('&');
        let pairs: Vec<&str> = pairs.filter(|pair| !is_secret(pair.split('=').next().unwrap_or_default())).collect();
        let query = pairs.join("&");
        self.update(|call, _| (call.headers, call.query) = (headers, query));
    }

    pub(crate) fn answered(&self, status: u16) {
        self.update(|call, _| call.status = Some(status));
    }

    pub(crate) fn end(&mut self) {
        if !std::mem::replace(&mut self.ended, true) {
            self.update(|call, events| {
                *events += 1;
                call.end = Some(*events);
            });
        }
    }

    fn update(&self, change: impl FnOnce(&mut Call, &mut u64)) {
        let mut log = self.recorder.log();
        let log = &mut *log;
        if log.generation == self.generation
            && let Some(call) = log.calls.get_mut(self.index)
        {
            change(call, &mut log.events);
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.end();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn round_trips_are_the_longest_chain() {
        let recorder = Recorder::default();
        assert_eq!(recorder.round_trips(), 0);
        let mut long = recorder.begin("GetObject", "b", "long");
        for key in ["1", "2", "3"] {
            let mut one = recorder.begin("HeadObject", "b", key);
            let mut beside = recorder.begin("HeadObject", "b", key);
            one.end();
            beside.end();
        }
        assert_eq!(recorder.round_trips(), 3, "three pairs, one after the other, beside one long call");
        long.end();
        drop(recorder.begin("PutObject", "b", "last"));
        assert_eq!(recorder.round_trips(), 4);
        assert_eq!((recorder.total(), recorder.count("HeadObject"), recorder.count("PutObject")), (8, 6, 1));
    }

    #[test]
    fn a_call_from_before_a_reset_does_not_end_one_from_after_it() {
        let recorder = Recorder::default();
        let old = recorder.begin("GetObject", "b", "k");
        recorder.reset();
        let _new = recorder.begin("PutObject", "b", "k");
        drop(old);
        assert_eq!(recorder.calls()[0].end, None);
    }
}
