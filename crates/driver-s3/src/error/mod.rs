//! From what the storage answered to an error that a person can act on.
//!
//! Only the code and the message of an answer are kept. The SDK's own errors hold whole answers, and an answer to a
//! wrong signature repeats what was signed, tokens included; so they are never passed on as a source.

use std::error::Error as StdError;
use std::time::Duration;

use aws_sdk_s3::config::http::HttpResponse;
use aws_sdk_s3::error::{ProvideErrorMetadata, SdkError};
use davmux_driver::{Error, ErrorKind, RelPath, chain};

use crate::clock::Skew;
use crate::credentials::{NoKeys, is_refusal};
use crate::list::NotAListing;

mod answer;
mod explain;

use answer::expected_region;
pub(crate) use answer::{element, is_web_page, wait};

/// Characters of a storage's message that are passed on.
const MESSAGE_LIMIT: usize = 300;

/// What a web page in the place of an answer mostly means.
pub(crate) const NOT_S3: &str = "the answer is a web page and not S3; is the endpoint that of the S3 API? MinIO's \
                                 console usually has port 9001, its API port 9000";
const UNREADABLE: &str = "the answer is not XML, or holds what XML cannot say";

/// A call that failed, as far as it is known.
#[derive(Clone, Debug, Default)]
pub(crate) struct Failure {
    cause: Cause,
    pub(crate) status: Option<u16>,
    pub(crate) code: Option<String>,
    message: Option<String>,
    /// The region that the bucket is in.
    region: Option<String>,
    /// The host that the bucket is at.
    endpoint: Option<String>,
    retry_after: Option<Duration>,
    /// How far our clock is from the storage's, where that is too far to sign by it.
    skew: Option<Skew>,
    is_web_page: bool,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Cause {
    /// The storage answered so.
    #[default]
    Answer,
    /// There was no answer in time.
    Timeout,
    /// There was no connection, or it broke.
    Connection,
    /// There are no credentials to sign with.
    Credentials { transient: bool },
    /// The answer made no sense, or the request could not be made.
    Nonsense,
    /// The document of a success cannot be read, as XML has no way to say something in it, or it is garbled.
    Unreadable,
}

impl Failure {
    fn because(cause: Cause, message: impl Into<String>) -> Self {
        Self { cause, message: Some(message.into()), ..Self::default() }
    }

    pub(crate) fn timeout() -> Self {
        Self::because(Cause::Timeout, "no answer in time")
    }

    pub(crate) fn connection(error: &(dyn StdError + 'static)) -> Self {
        Self::because(Cause::Connection, chain(error))
    }

    pub(crate) fn nonsense(message: impl Into<String>) -> Self {
        Self::because(Cause::Nonsense, message)
    }

    /// An answer that looked like a success and was none, or may be.
    pub(crate) fn doubtful(message: impl Into<String>) -> Self {
        Self { status: Some(200), ..Self::because(Cause::Nonsense, message) }
    }

    /// What a batch says of one of its members.
    pub(crate) fn member(code: Option<&str>, message: Option<&str>) -> Self {
        Self {
            code: code.map(ToOwned::to_owned),
            message: message.map(ToOwned::to_owned),
            ..Self::because(Cause::Answer, "")
        }
    }

    /// There is nothing to sign with.
    pub(crate) fn keys(why: &NoKeys) -> Self {
        Self::because(Cause::Credentials { transient: matches!(why, NoKeys::Unavailable(_)) }, why.to_string())
    }

    /// From an answer whose body is an S3 error document, or nothing.
    pub(crate) fn answer(status: http::StatusCode, headers: &http::HeaderMap, body: &[u8]) -> Self {
        let header = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
        Self::said(status.as_u16(), header, body)
    }

    fn said<'h>(status: u16, header: impl Fn(&'static str) -> Option<&'h str>, body: &[u8]) -> Self {
        let text = String::from_utf8_lossy(body);
        let message = element(&text, "Message");
        let region = header("x-amz-bucket-region").map(ToOwned::to_owned).or_else(|| element(&text, "Region"));
        Self {
            cause: Cause::Answer,
            status: Some(status),
            code: element(&text, "Code"),
            region: region.or_else(|| expected_region(message.as_deref()?)),
            message,
            endpoint: element(&text, "Endpoint"),
            retry_after: header("retry-after").and_then(wait),
            skew: Skew::told(header("date")),
            is_web_page: is_web_page(body),
        }
    }

    /// From an answer of a provider's own API that tells a code and a message.
    pub(crate) fn told(
        status: http::StatusCode,
        headers: &http::HeaderMap,
        code: Option<&str>,
        message: Option<&str>,
    ) -> Self {
        Self {
            status: Some(status.as_u16()),
            retry_after: headers.get("retry-after").and_then(|value| value.to_str().ok()).and_then(wait),
            ..Self::member(code, message)
        }
    }

    /// From an error of the SDK.
    pub(crate) fn sdk<E>(error: &SdkError<E, HttpResponse>) -> Self
    where
        E: ProvideErrorMetadata + StdError + 'static,
    {
        if let Some(why) = cause_of::<NoKeys>(error) {
            return Self::keys(why);
        }
        let said = |raw: &HttpResponse| {
            let header = |name: &str| raw.headers().get(name);
            Self::said(raw.status().as_u16(), header, raw.body().bytes().unwrap_or_default())
        };
        match error {
            SdkError::ServiceError(context) => {
                let meta = context.err();
                let failure = said(context.raw());
                // The SDK takes a document that it cannot read for an error of the service without a code.
                if context.raw().status().is_success() && meta.code().is_none() && failure.code.is_none() {
                    return Self { cause: Cause::Unreadable, message: Some(UNREADABLE.to_owned()), ..failure };
                }
                Self {
                    code: meta.code().map(ToOwned::to_owned).or(failure.code),
                    message: meta.message().map(ToOwned::to_owned).or(failure.message),
                    ..failure
                }
            }
            SdkError::TimeoutError(_) => Self::timeout(),
            SdkError::DispatchFailure(failure) if failure.is_timeout() => Self::timeout(),
            SdkError::DispatchFailure(failure) => match failure.as_connector_error() {
                Some(error) => Self::connection(error),
                None => Self::because(Cause::Connection, "the request could not be sent"),
            },
            SdkError::ResponseError(context) => {
                let raw = context.raw();
                let cause = match cause_of::<NotAListing>(error) {
                    Some(NotAListing::Error) => return said(raw),
                    Some(NotAListing::Garbled(_)) => Cause::Unreadable,
                    Some(other) => return Self::doubtful(other.to_string()),
                    None if raw.status().is_success() && raw.body().bytes().is_some() => Cause::Unreadable,
                    None => Cause::Nonsense,
                };
                let message = format!("the answer cannot be understood: {}", first_source(error));
                Self { status: Some(raw.status().as_u16()), ..Self::because(cause, message) }
            }
            _ => Self::nonsense(first_source(error)),
        }
    }

    pub(crate) fn is_code(&self, code: &str) -> bool {
        self.code.as_deref() == Some(code)
    }

    /// Whether the document of an answer cannot be read.
    pub(crate) fn is_unreadable(&self) -> bool {
        self.cause == Cause::Unreadable
    }

    /// Whether the reason passes by itself, as its code says: for what has no status of its own, a member of a
    /// batch.
    pub(crate) fn passes(&self) -> bool {
        const CODES: [&str; 7] = [
            "InternalError",
            "OperationAborted",
            "RequestTimeout",
            "ServiceUnavailable",
            "SlowDown",
            "Throttling",
            "TooManyRequests",
        ];
        self.code.as_deref().is_some_and(|code| CODES.contains(&code))
    }

    /// How long the storage asked to wait.
    pub(crate) fn retry_after(&self) -> Option<Duration> {
        self.retry_after
    }

    /// Whether the storage does not know what it was asked for; it did nothing then.
    pub(crate) fn is_unknown(&self) -> bool {
        matches!(self.status, Some(405 | 501))
            || matches!(self.code.as_deref(), Some("NotImplemented" | "MethodNotAllowed"))
    }

    /// Whether another writer was in the middle of the same key.
    pub(crate) fn is_conflict(&self) -> bool {
        self.status == Some(409) && self.is_code("ConditionalRequestConflict")
    }

    /// Whether the call may have taken effect although it failed here.
    pub(crate) fn may_have_happened(&self) -> bool {
        match self.cause {
            Cause::Timeout | Cause::Connection => true,
            // A 2xx whose body is an error or nonsense; a server's own fault.
            Cause::Answer | Cause::Nonsense | Cause::Unreadable => {
                self.status.is_some_and(|status| !(300..500).contains(&status))
            }
            Cause::Credentials { .. } => false,
        }
    }

    /// Whether the same call is worth another try.
    pub(crate) fn is_worth_retrying(&self) -> bool {
        match self.cause {
            Cause::Timeout | Cause::Connection => true,
            Cause::Answer => matches!(self.status, Some(429 | 500 | 502 | 503 | 504 | 499)),
            Cause::Credentials { .. } | Cause::Nonsense | Cause::Unreadable => false,
        }
    }

    /// Whether the storage refused the keys as ended or unknown.
    pub(crate) fn refuses_keys(&self) -> bool {
        self.cause == Cause::Answer && is_refusal(self.status.unwrap_or_default(), self.code.as_deref())
    }
}

/// An error with this crate's own words.
pub(crate) fn backend(op: &'static str, path: &RelPath, detail: impl Into<String>) -> Error {
    Error::new(ErrorKind::Backend, op, path).with_detail(detail)
}

/// The first error of this type below another.
fn cause_of<'a, E: StdError + 'static>(error: &'a (dyn StdError + 'static)) -> Option<&'a E> {
    let mut next = Some(error);
    while let Some(error) = next {
        if let Some(found) = error.downcast_ref::<E>() {
            return Some(found);
        }
        next = error.source();
    }
    None
}

fn first_source(error: &(dyn StdError + 'static)) -> String {
    error.source().map_or_else(|| error.to_string(), |source| shorten(&chain(source)))
}

pub(crate) fn shorten(text: &str) -> String {
    let line = text.split_whitespace().collect::<Vec<_>>().join(" ");
    match line.char_indices().nth(MESSAGE_LIMIT) {
        Some((at, _)) => format!("{}...", &line[..at]),
        None => line,
    }
}
