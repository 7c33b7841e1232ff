//! From what UpYun answered to an error that a person can act on.

use davmux_driver::{Error, ErrorKind, RelPath};

use super::call::{Refusal, Trouble};
use crate::http::NoAnswer;

/// The error of `op` on `path`.
pub(crate) fn of(op: &'static str, path: &RelPath, trouble: Trouble) -> Error {
    match trouble {
        Trouble::NoAnswer(NoAnswer::Timeout) => {
            Error::new(ErrorKind::Timeout, op, path).with_detail("UpYun did not answer in time")
        }
        Trouble::NoAnswer(NoAnswer::Connection(why)) => {
            Error::new(ErrorKind::Unavailable, op, path).with_detail(format!("no connection to UpYun: {why}"))
        }
        Trouble::Nonsense(why) => nonsense(op, path, format!("UpYun's answer cannot be used: {why}")),
        Trouble::Refused(refusal) => refused(op, path, &refusal),
    }
}

/// An answer that makes no sense.
pub(crate) fn nonsense(op: &'static str, path: &RelPath, why: impl Into<String>) -> Error {
    Error::new(ErrorKind::Backend, op, path).with_detail(why)
}

/// An error of opendal before anything was sent.
pub(crate) fn of_opendal(op: &'static str, path: &RelPath, error: &opendal_core::Error) -> Error {
    nonsense(op, path, error.message())
}

fn refused(op: &'static str, path: &RelPath, refusal: &Refusal) -> Error {
    let (kind, advice) = match (refusal.status.as_u16(), refusal.code) {
        (_, Some(40_001_021)) => (ErrorKind::InvalidPath, None),
        (401, Some(40_100_016)) => (ErrorKind::Denied, Some("the clock of this machine is wrong")),
        (401, Some(40_100_017)) => {
            (ErrorKind::Denied, Some("the operator has not this right: see its authorisation for the service"))
        }
        (401, _) => (ErrorKind::Denied, Some("check operator and password, and that the operator may use the service")),
        (403, _) => (ErrorKind::Denied, Some("the operator may not do this: see its authorisation for the service")),
        (404, _) => (ErrorKind::NotFound, None),
        (406, _) => (ErrorKind::IsDir, None),
        (408 | 504, _) => (ErrorKind::Timeout, None),
        (413, _) => (ErrorKind::TooLarge, None),
        (429, _) => (ErrorKind::Throttled { retry_after: refusal.retry_after }, None),
        (300..=399, _) => (ErrorKind::Unavailable, Some("UpYun answers elsewhere: check endpoint")),
        (499..=599, _) => (ErrorKind::Unavailable, None),
        _ => (ErrorKind::Backend, None),
    };
    let said = match (&refusal.message, refusal.code) {
        (Some(message), Some(code)) => format!("UpYun said {message:?} ({code})"),
        (Some(message), None) => format!("UpYun said {message:?}"),
        (None, _) => format!("UpYun answered with status {}", refusal.status.as_u16()),
    };
    let detail = [advice.map(str::to_owned), Some(said)].into_iter().flatten().collect::<Vec<_>>().join("; ");
    Error::new(kind, op, path).with_detail(detail)
}
