//! From what went wrong to a status and a few words for a person: the one place where it is decided.

use std::borrow::Cow;
use std::time::Duration;

use bytes::{BufMut, BytesMut};
use davmux_tree::{Error, ErrorKind, Problem};
use http::header::{ACCEPT_ENCODING, ALLOW, CONTENT_RANGE, CONTENT_TYPE, RETRY_AFTER};
use http::{HeaderValue, Method, Response, StatusCode};

use crate::body::Body;
use crate::handler::ALLOWED;
use crate::path::PathError;

/// A precondition or postcondition of RFC 4918 section 16, said in the body.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Condition {
    FiniteDepth,
    /// The hrefs of the locks that stand in the way.
    TokenSubmitted(String),
    NoConflictingLock(String),
    TokenMatchesUri,
    ProtectedProperty,
}

impl Condition {
    /// The element, without its wrapper. Hrefs hold nothing that XML would have to escape.
    pub(crate) fn put(&self, out: &mut BytesMut) {
        let (name, href) = match self {
            Self::FiniteDepth => ("propfind-finite-depth", None),
            Self::TokenSubmitted(href) => ("lock-token-submitted", Some(href)),
            Self::NoConflictingLock(href) => ("no-conflicting-lock", Some(href)),
            Self::TokenMatchesUri => ("lock-token-matches-request-uri", None),
            Self::ProtectedProperty => ("cannot-modify-protected-property", None),
        };
        out.put_slice(b"<D:");
        out.put_slice(name.as_bytes());
        match href {
            None => out.put_slice(b"/>"),
            Some(href) => {
                out.put_slice(b"><D:href>");
                out.put_slice(href.as_bytes());
                out.put_slice(b"</D:href></D:");
                out.put_slice(name.as_bytes());
                out.put_slice(b">");
            }
        }
    }
}

/// An extension of a response: it was refused because of who asks, or because nobody may change what is there.
#[derive(Clone, Copy, Debug)]
pub struct NotAllowed;

/// Why a request was not done.
#[derive(Debug)]
pub(crate) struct Failure(Box<Why>);

#[derive(Debug)]
enum Why {
    /// The request itself, or a rule of the protocol.
    Said {
        status: StatusCode,
        reason: Cow<'static, str>,
    },
    Condition {
        status: StatusCode,
        condition: Condition,
    },
    Tree(Error),
}

impl Failure {
    pub(crate) fn new(status: StatusCode, reason: impl Into<Cow<'static, str>>) -> Self {
        Self(Box::new(Why::Said { status, reason: reason.into() }))
    }

    pub(crate) fn bad_request(reason: impl Into<Cow<'static, str>>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, reason)
    }

    pub(crate) fn precondition(reason: &'static str) -> Self {
        Self::new(StatusCode::PRECONDITION_FAILED, reason)
    }

    pub(crate) fn condition(status: StatusCode, condition: Condition) -> Self {
        Self(Box::new(Why::Condition { status, condition }))
    }

    /// What the tree said, where it did.
    pub(crate) fn problem(&self) -> Option<Problem> {
        match &*self.0 {
            Why::Tree(error) => Some(error.problem()),
            Why::Said { .. } | Why::Condition { .. } => None,
        }
    }

    pub(crate) fn status(&self, method: &Method) -> StatusCode {
        match &*self.0 {
            Why::Said { status, .. } | Why::Condition { status, .. } => *status,
            Why::Tree(error) => status(error.problem(), method),
        }
    }

    /// The response that says it.
    pub(crate) fn into_response(self, method: &Method) -> Response<Body> {
        let status = self.status(method);
        let (media_type, text) = match &*self.0 {
            Why::Said { reason, .. } => (TEXT, format!("{reason}\n")),
            Why::Tree(error) => {
                if status.is_server_error() {
                    tracing::debug!(%method, %error, status = status.as_u16(), "the request failed");
                }
                (TEXT, format!("{}\n", reason(error)))
            }
            Why::Condition { condition, .. } => {
                let mut out =
                    BytesMut::from(&b"<?xml version=\"1.0\" encoding=\"utf-8\"?>\n<D:error xmlns:D=\"DAV:\">"[..]);
                condition.put(&mut out);
                out.put_slice(b"</D:error>\n");
                (XML, String::from_utf8_lossy(&out).into_owned())
            }
        };
        let mut response = Response::new(Body::from(text));
        *response.status_mut() = status;
        if matches!(self.problem(), Some(Problem::ReadOnly | Problem::Guarded)) {
            response.extensions_mut().insert(NotAllowed);
        }
        let headers = response.headers_mut();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static(media_type));
        if status == StatusCode::METHOD_NOT_ALLOWED {
            headers.insert(ALLOW, HeaderValue::from_static(ALLOWED));
        }
        if status == StatusCode::UNSUPPORTED_MEDIA_TYPE && *method == Method::PUT {
            // Which content codings would do (RFC 9110 section 15.5.16).
            headers.insert(ACCEPT_ENCODING, HeaderValue::from_static("identity"));
        }
        match self.problem() {
            Some(Problem::Storage(ErrorKind::Range { size })) => {
                if let Ok(value) = HeaderValue::from_str(&format!("bytes */{size}")) {
                    headers.insert(CONTENT_RANGE, value);
                }
            }
            Some(problem) => {
                if let Some(wait) = retry_after(problem) {
                    headers.insert(RETRY_AFTER, HeaderValue::from(wait.as_secs().max(1)));
                }
            }
            None => {}
        }
        response
    }
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        Self(Box::new(Why::Tree(error)))
    }
}

impl From<PathError> for Failure {
    fn from(error: PathError) -> Self {
        match error {
            PathError::TooLong => Self::new(StatusCode::URI_TOO_LONG, "the path is too long"),
            other => Self::bad_request(other.to_string()),
        }
    }
}

pub(crate) const XML: &str = "application/xml; charset=utf-8";
const TEXT: &str = "text/plain; charset=utf-8";

/// The status of a problem.
///
/// 404 says that the storage said so: everything that only means "could not look" is a 5xx, or a 403 where the storage
/// refused. A method that looks finds nothing below a file (404); one that changes cannot put anything there (409).
pub(crate) fn status(problem: Problem, method: &Method) -> StatusCode {
    let looks = matches!(method.as_str(), "GET" | "HEAD" | "PROPFIND");
    match problem {
        Problem::NotFound | Problem::Storage(ErrorKind::NotFound) => StatusCode::NOT_FOUND,
        Problem::NoParent => StatusCode::CONFLICT,
        Problem::Exists | Problem::Storage(ErrorKind::AlreadyExists) => match method.as_str() {
            "MKCOL" => StatusCode::METHOD_NOT_ALLOWED,
            _ => StatusCode::PRECONDITION_FAILED,
        },
        Problem::MountPoint
        | Problem::ReadOnly
        | Problem::Guarded
        | Problem::Overlap
        | Problem::Reserved
        | Problem::Junk
        | Problem::Unnameable => StatusCode::FORBIDDEN,
        Problem::Changed => StatusCode::CONFLICT,
        Problem::Stopping | Problem::State | Problem::RelaysBusy => StatusCode::SERVICE_UNAVAILABLE,
        Problem::PropertyLimit => StatusCode::INSUFFICIENT_STORAGE,
        Problem::Storage(kind) => match kind {
            ErrorKind::NotFound => StatusCode::NOT_FOUND,
            ErrorKind::AlreadyExists | ErrorKind::Precondition => StatusCode::PRECONDITION_FAILED,
            ErrorKind::IsDir => StatusCode::METHOD_NOT_ALLOWED,
            ErrorKind::NotDir if looks => StatusCode::NOT_FOUND,
            ErrorKind::NotDir | ErrorKind::NotEmpty => StatusCode::CONFLICT,
            ErrorKind::InvalidPath if looks => StatusCode::NOT_FOUND,
            ErrorKind::InvalidPath | ErrorKind::ReadOnly | ErrorKind::Unsupported | ErrorKind::Denied => {
                StatusCode::FORBIDDEN
            }
            ErrorKind::Range { .. } => StatusCode::RANGE_NOT_SATISFIABLE,
            ErrorKind::TooLarge => StatusCode::PAYLOAD_TOO_LARGE,
            ErrorKind::NoSpace => StatusCode::INSUFFICIENT_STORAGE,
            ErrorKind::Incomplete if *method == Method::PUT => StatusCode::BAD_REQUEST,
            ErrorKind::Incomplete | ErrorKind::Backend => StatusCode::BAD_GATEWAY,
            ErrorKind::Throttled { .. } | ErrorKind::Unavailable => StatusCode::SERVICE_UNAVAILABLE,
            ErrorKind::Timeout => StatusCode::GATEWAY_TIMEOUT,
        },
    }
}

fn retry_after(problem: Problem) -> Option<Duration> {
    match problem {
        Problem::Storage(ErrorKind::Throttled { retry_after }) => Some(retry_after.unwrap_or(Duration::from_secs(2))),
        // It has waited already.
        Problem::RelaysBusy => Some(Duration::from_secs(5)),
        _ => None,
    }
}

/// What a person reads. The paths of the tree above the user's root and what a storage said about itself stay out; what
/// a storage said about this request's name, length or kind is what the person needs.
fn reason(error: &Error) -> Cow<'_, str> {
    let words = match error.problem() {
        Problem::NotFound | Problem::Storage(ErrorKind::NotFound) => "nothing is there",
        Problem::NoParent => "the folder that should hold it does not exist",
        Problem::Exists | Problem::Storage(ErrorKind::AlreadyExists) => "something is there already",
        Problem::MountPoint => "a storage is mounted there or below, so it cannot be changed from here",
        Problem::ReadOnly | Problem::Storage(ErrorKind::ReadOnly) => "this part of the tree is read-only",
        Problem::Guarded => "there are places below it that you may not change, so all of it stays as it is",
        Problem::Overlap => "source and target are the same, or one lies in the other",
        Problem::Reserved => "this name is reserved",
        Problem::Junk => "files of this name, which file managers leave behind, are not taken here (junk: refuse)",
        Problem::Changed => "it changed meanwhile and was left as it is",
        Problem::Unnameable => "it holds names that WebDAV cannot say; they were left as they are",
        Problem::Stopping => "the server is stopping; try again soon",
        Problem::PropertyLimit => "its properties would be too many or too long",
        Problem::RelaysBusy => {
            "as many files as are allowed at once are being read through this server; try again soon"
        }
        Problem::State => "the properties cannot be read or kept now; try again later",
        Problem::Storage(kind) => match kind {
            ErrorKind::IsDir => "a folder stands there",
            ErrorKind::NotDir => "a file stands where a folder is needed",
            ErrorKind::NotEmpty => "the folder is not empty",
            ErrorKind::InvalidPath => "the storage cannot hold this name",
            ErrorKind::Unsupported => "the storage cannot do this",
            ErrorKind::Denied => "the storage refused the access",
            ErrorKind::Precondition => "it is not the version that was asked for",
            ErrorKind::Range { .. } => "the range begins behind the end of the file",
            ErrorKind::TooLarge => "it is larger than the storage takes",
            ErrorKind::NoSpace => "the storage is full",
            ErrorKind::Incomplete => "fewer or more bytes came than were announced",
            ErrorKind::Throttled { .. } => "the storage is asked too often; try again later",
            ErrorKind::Unavailable => "the storage is out of reach; try again later",
            ErrorKind::Timeout => "the storage did not answer in time",
            ErrorKind::Backend => "the storage failed",
            ErrorKind::NotFound => "nothing is there",
            ErrorKind::AlreadyExists => "something is there already",
            ErrorKind::ReadOnly => "this part of the tree is read-only",
        },
    };
    let telling = matches!(
        error.problem(),
        Problem::Storage(ErrorKind::InvalidPath | ErrorKind::Unsupported | ErrorKind::ReadOnly | ErrorKind::TooLarge)
    );
    match error.detail() {
        Some(detail) if telling => Cow::Owned(format!("{words}: {detail}")),
        _ => Cow::Borrowed(words),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_complete_answer_is_404() {
        let cannot_look = [
            ErrorKind::Denied,
            ErrorKind::Throttled { retry_after: None },
            ErrorKind::Unavailable,
            ErrorKind::Timeout,
            ErrorKind::Backend,
            ErrorKind::Incomplete,
        ];
        for kind in cannot_look {
            for method in ["GET", "HEAD", "PROPFIND", "PUT", "LOCK"] {
                let status = status(Problem::Storage(kind), &Method::from_bytes(method.as_bytes()).unwrap());
                assert_ne!(status, StatusCode::NOT_FOUND, "{kind:?} at {method}");
                assert!(!status.is_success() && !status.is_redirection(), "{kind:?} at {method}");
            }
        }
        assert_eq!(status(Problem::Storage(ErrorKind::NotFound), &Method::GET), StatusCode::NOT_FOUND);
    }

    #[test]
    fn who_finds_the_relays_busy_is_told_when_to_come_back() {
        assert_eq!(status(Problem::RelaysBusy, &Method::GET), StatusCode::SERVICE_UNAVAILABLE);
        assert!(retry_after(Problem::RelaysBusy).is_some());
    }

    #[test]
    fn one_kind_means_different_things_to_different_methods() {
        let mkcol = Method::from_bytes(b"MKCOL").unwrap();
        assert_eq!(status(Problem::Exists, &mkcol), StatusCode::METHOD_NOT_ALLOWED);
        assert_eq!(status(Problem::Exists, &Method::PUT), StatusCode::PRECONDITION_FAILED);
        assert_eq!(status(Problem::Storage(ErrorKind::NotDir), &Method::GET), StatusCode::NOT_FOUND);
        assert_eq!(status(Problem::Storage(ErrorKind::NotDir), &Method::PUT), StatusCode::CONFLICT);
        assert_eq!(status(Problem::Storage(ErrorKind::Incomplete), &Method::PUT), StatusCode::BAD_REQUEST);
        assert_eq!(status(Problem::Storage(ErrorKind::Incomplete), &Method::GET), StatusCode::BAD_GATEWAY);
    }

    #[test]
    fn a_condition_is_said_in_the_body() {
        let failure = Failure::condition(StatusCode::LOCKED, Condition::TokenSubmitted("/a%20b".to_owned()));
        let response = failure.into_response(&Method::PUT);
        assert_eq!(response.status(), StatusCode::LOCKED);
        assert_eq!(response.headers()[CONTENT_TYPE], XML);
    }
}
