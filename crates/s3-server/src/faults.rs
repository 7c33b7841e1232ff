//! What goes wrong, by script.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::Barrier;

use crate::strict::Refusal;

/// What happens to a call instead of its answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// 503 `SlowDown`, without any effect.
    SlowDown,
    /// 500 `InternalError`, without any effect.
    InternalError,
    /// 403 `AccessDenied`, without any effect.
    AccessDenied,
    /// The connection is closed; nothing happened.
    Close,
    /// The operation is done, then the connection is closed: the answer is lost.
    LostAnswer,
    /// The answer's body ends after at most so many bytes, and the connection with it.
    CutBody(u64),
    /// An answer of any status, without any effect: 429, 499, 503 with Retry-After.
    Refuse(Refusal),
    /// 200, with the error document as its body, without any effect: as a CopyObject or a CompleteMultipartUpload may
    /// fail after S3 has begun to answer.
    ErrorInside(Refusal),
    /// The operation is done, but the answer's document ends in its middle. Its length fits, the connection stays.
    TruncatedXml,
    /// 200, with a document whose entities would grow to gigabytes.
    XmlBomb,
    /// A page of a listing tells the place it began at as the place where the next one begins. The first page begins
    /// nowhere, and stays as it is.
    RepeatedToken,
    /// A page of a listing comes backwards.
    Unordered,
    /// The first so many keys of a DeleteObjects stay, and are answered with `InternalError`.
    KeyErrors(usize),
}

/// A document that a careless parser would expand to ten thousand million letters.
pub(crate) fn xml_bomb() -> String {
    let mut text =
        String::from("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<!DOCTYPE Result [<!ENTITY e0 \"aaaaaaaaaa\">");
    for step in 1..10 {
        text.push_str(&format!("<!ENTITY e{step} \"{}\">", format!("&e{};", step - 1).repeat(10)));
    }
    text.push_str("]>\n<Result><Name>&e9;</Name><IsTruncated>false</IsTruncated></Result>");
    text
}

/// The script of a server, and its latency. Clones share it; it may be changed while the server runs.
#[derive(Clone, Debug, Default)]
pub struct Faults {
    script: Arc<Mutex<Script>>,
}

#[derive(Debug, Default)]
struct Script {
    latency: Duration,
    lines: Vec<Line>,
    together: Option<(usize, Arc<Barrier>)>,
}

#[derive(Debug)]
struct Line {
    operation: String,
    /// Calls of that operation still to come before it happens; `None`: every one.
    wait: Option<u64>,
    fault: Fault,
}

impl Faults {
    fn script(&self) -> MutexGuard<'_, Script> {
        self.script.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Lets the `nth` call of `operation` from now on fail, once; 1 is the next. `*` stands for any operation.
    pub fn nth(&self, operation: &str, nth: u64, fault: Fault) {
        let operation = operation.to_owned();
        self.script().lines.push(Line { operation, wait: Some(nth.max(1)), fault });
    }

    /// Lets every call of `operation` fail, until [`Faults::clear`]. `*` stands for any operation.
    pub fn every(&self, operation: &str, fault: Fault) {
        let operation = operation.to_owned();
        self.script().lines.push(Line { operation, wait: None, fault });
    }

    /// Forgets all lines of the script. The latency stays.
    pub fn clear(&self) {
        let mut script = self.script();
        script.lines.clear();
        script.together = None;
    }

    /// Holds every call for so long before it is looked at.
    pub fn latency(&self, latency: Duration) {
        self.script().latency = latency;
    }

    /// Lets the next `calls` calls wait for one another: none is answered before the last of them arrived.
    ///
    /// A client that sends them one after the other waits for ever, which is what a test wants to find out.
    pub fn together(&self, calls: usize) {
        self.script().together = (calls > 1).then(|| (calls, Arc::new(Barrier::new(calls))));
    }

    /// Waits as the script says.
    pub(crate) async fn delay(&self) {
        let (latency, barrier) = {
            let mut script = self.script();
            let barrier = match script.together.take() {
                Some((left, barrier)) => {
                    script.together = (left > 1).then(|| (left - 1, Arc::clone(&barrier)));
                    Some(barrier)
                }
                None => None,
            };
            (script.latency, barrier)
        };
        if let Some(barrier) = barrier {
            barrier.wait().await;
        }
        if !latency.is_zero() {
            tokio::time::sleep(latency).await;
        }
    }

    /// What happens to this call of `operation`.
    pub(crate) fn take(&self, operation: &str) -> Option<Fault> {
        let mut script = self.script();
        let mut found = None;
        script.lines.retain_mut(|line| {
            if line.operation != operation && line.operation != "*" {
                return true;
            }
            match &mut line.wait {
                None => {
                    found = found.or(Some(line.fault));
                    true
                }
                Some(1) if found.is_none() => {
                    found = Some(line.fault);
                    false
                }
                // Its turn came together with another's: it is next.
                Some(1) => true,
                Some(wait) => {
                    *wait -= 1;
                    true
                }
            }
        });
        found
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_line_waits_for_its_own_call() {
        let faults = Faults::default();
        faults.nth("GetObject", 2, Fault::Close);
        faults.nth("*", 3, Fault::SlowDown);
        assert_eq!(faults.take("GetObject"), None);
        assert_eq!(faults.take("PutObject"), None);
        assert_eq!(faults.take("GetObject"), Some(Fault::Close));
        assert_eq!(faults.take("PutObject"), Some(Fault::SlowDown));
        assert_eq!(faults.take("GetObject"), None);
        faults.every("PutObject", Fault::InternalError);
        assert_eq!(faults.take("PutObject"), Some(Fault::InternalError));
        assert_eq!(faults.take("PutObject"), Some(Fault::InternalError));
        faults.clear();
        assert_eq!(faults.take("PutObject"), None);
    }
}
