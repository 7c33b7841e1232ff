//! From what the storage answered to an error that a person can act on.
//!
//! Only the code and the message of an answer are kept. The SDK's own errors hold whole answers, and an answer to a
//! wrong signature repeats what was signed, tokens included; so they are never passed on as a source.

use std::error::Error as StdError;
use std::time::Duration;

use aws_sdk_s3::config::http::HttpResponse;
use aws_sdk_s3::error::{ProvideErrorMetadata, SdkError};
use davmux_driver::{Error, ErrorKind, RelPath};

use crate::credentials::{NoKeys, is_refusal};

/// Characters of a storage's message that are passed on.
const MESSAGE_LIMIT: usize = 300;

/// A call that failed, as far as it is known.
#[derive(Clone, Debug)]
pub(crate) struct Failure {
    cause: Cause,
    pub(crate) status: Option<u16>,
    pub(crate) code: Option<String>,
    message: Option<String>,
    region: Option<String>,
    retry_after: Option<Duration>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Cause {
    /// The storage answered so.
    Answer,
    /// There was no answer in time.
    Timeout,
    /// There was no connection, or it broke.
    Connection,
    /// There are no credentials to sign with.
    Credentials { transient: bool },
    /// The answer made no sense, or the request could not be made.
    Nonsense,
}

impl Failure {
    fn because(cause: Cause, message: impl Into<String>) -> Self {
        Self { cause, status: None, code: None, message: Some(message.into()), region: None, retry_after: None }
    }

    pub(crate) fn timeout() -> Self {
        Self::because(Cause::Timeout, "no answer in time")
    }

    pub(crate) fn connection(error: &(dyn StdError + 'static)) -> Self {
        Self::because(Cause::Connection, chain_of(error))
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
        let body = String::from_utf8_lossy(body);
        let header = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
        Self {
            cause: Cause::Answer,
            status: Some(status.as_u16()),
            code: element(&body, "Code"),
            message: element(&body, "Message"),
            region: header("x-amz-bucket-region").map(ToOwned::to_owned).or_else(|| element(&body, "Region")),
            retry_after: header("retry-after").and_then(seconds),
        }
    }

    /// From an error of the SDK.
    pub(crate) fn sdk<E>(error: &SdkError<E, HttpResponse>) -> Self
    where
        E: ProvideErrorMetadata + StdError + 'static,
    {
        if let Some(why) = no_keys(error) {
            return Self::keys(why);
        }
        match error {
            SdkError::ServiceError(context) => {
                let raw = context.raw();
                let body = String::from_utf8_lossy(raw.body().bytes().unwrap_or_default());
                Self {
                    cause: Cause::Answer,
                    status: Some(raw.status().as_u16()),
                    code: context.err().code().map(ToOwned::to_owned).or_else(|| element(&body, "Code")),
                    message: context.err().message().map(ToOwned::to_owned).or_else(|| element(&body, "Message")),
                    region: raw
                        .headers()
                        .get("x-amz-bucket-region")
                        .map(ToOwned::to_owned)
                        .or_else(|| element(&body, "Region")),
                    retry_after: raw.headers().get("retry-after").and_then(seconds),
                }
            }
            SdkError::TimeoutError(_) => Self::timeout(),
            SdkError::DispatchFailure(failure) if failure.is_timeout() => Self::timeout(),
            SdkError::DispatchFailure(failure) => match failure.as_connector_error() {
                Some(error) => Self::connection(error),
                None => Self::because(Cause::Connection, "the request could not be sent"),
            },
            SdkError::ResponseError(context) => {
                let mut failure = Self::nonsense(format!("the answer cannot be understood: {}", first_source(error)));
                failure.status = Some(context.raw().status().as_u16());
                failure
            }
            _ => Self::nonsense(first_source(error)),
        }
    }

    pub(crate) fn is_code(&self, code: &str) -> bool {
        self.code.as_deref() == Some(code)
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
            Cause::Answer | Cause::Nonsense => self.status.is_some_and(|status| !(300..500).contains(&status)),
            Cause::Credentials { .. } => false,
        }
    }

    /// Whether the same call is worth another try.
    pub(crate) fn is_worth_retrying(&self) -> bool {
        match self.cause {
            Cause::Timeout | Cause::Connection => true,
            Cause::Answer => matches!(self.status, Some(429 | 500 | 502 | 503 | 504 | 499)),
            Cause::Credentials { .. } | Cause::Nonsense => false,
        }
    }

    /// Whether the storage refused the keys as ended or unknown.
    pub(crate) fn refuses_keys(&self) -> bool {
        self.cause == Cause::Answer && is_refusal(self.status.unwrap_or_default(), self.code.as_deref())
    }

    fn kind(&self) -> ErrorKind {
        match self.cause {
            Cause::Timeout => return ErrorKind::Timeout,
            Cause::Connection | Cause::Credentials { transient: true } => return ErrorKind::Unavailable,
            Cause::Credentials { transient: false } => return ErrorKind::Denied,
            Cause::Nonsense => return ErrorKind::Backend,
            Cause::Answer => {}
        }
        let throttled = ErrorKind::Throttled { retry_after: self.retry_after };
        match self.code.as_deref().unwrap_or_default() {
            "NoSuchKey" | "NotFound" | "NoSuchUpload" => return ErrorKind::NotFound,
            "NoSuchBucket"
            | "PermanentRedirect"
            | "TemporaryRedirect"
            | "AuthorizationHeaderMalformed"
            | "IllegalLocationConstraintException"
            | "ConditionalRequestConflict"
            | "OperationAborted"
            | "ServiceUnavailable" => return ErrorKind::Unavailable,
            "AccessDenied"
            | "InvalidAccessKeyId"
            | "SignatureDoesNotMatch"
            | "ExpiredToken"
            | "InvalidToken"
            | "RequestTimeTooSkewed"
            | "AccountProblem"
            | "AllAccessDisabled"
            | "NotSignedUp"
            | "InvalidSecurity" => {
                return ErrorKind::Denied;
            }
            "PreconditionFailed" => return ErrorKind::Precondition,
            "EntityTooLarge" => return ErrorKind::TooLarge,
            "KeyTooLongError" | "KeyTooLong" | "InvalidObjectName" | "XMinioInvalidObjectName" => {
                return ErrorKind::InvalidPath;
            }
            "QuotaExceeded" | "XMinioStorageFull" | "XMinioAdminBucketQuotaExceeded" | "InsufficientStorage" => {
                return ErrorKind::NoSpace;
            }
            "SlowDown"
            | "Throttling"
            | "ThrottlingException"
            | "RequestLimitExceeded"
            | "TooManyRequests"
            | "BandwidthLimitExceeded" => return throttled,
            "RequestTimeout" => return ErrorKind::Timeout,
            "NotImplemented" => return ErrorKind::Unsupported,
            _ => {}
        }
        match self.status.unwrap_or_default() {
            301 | 302 | 307 | 308 | 502 => ErrorKind::Unavailable,
            400 if self.region.is_some() => ErrorKind::Unavailable,
            401 | 403 => ErrorKind::Denied,
            404 => ErrorKind::NotFound,
            408 | 504 => ErrorKind::Timeout,
            412 => ErrorKind::Precondition,
            413 => ErrorKind::TooLarge,
            429 | 503 => throttled,
            507 => ErrorKind::NoSpace,
            501 => ErrorKind::Unsupported,
            _ => ErrorKind::Backend,
        }
    }

    /// The error of `op` on `path` in `bucket`.
    pub(crate) fn into_error(self, op: &'static str, path: &RelPath, bucket: &str) -> Error {
        let advice = self.advice(bucket);
        let said = match (&self.code, &self.message) {
            // Our own words, whole.
            (None, Some(text)) if matches!(self.cause, Cause::Credentials { .. }) => Some(text.clone()),
            (Some(code), Some(message)) => Some(format!("{code}: {}", shorten(message))),
            (Some(text), None) | (None, Some(text)) => Some(shorten(text)),
            (None, None) => self.status.map(|status| format!("HTTP status {status}")),
        };
        let detail = [advice, said].into_iter().flatten().collect::<Vec<_>>().join("; the storage said ");
        Error::new(self.kind(), op, path).with_detail(detail)
    }

    fn advice(&self, bucket: &str) -> Option<String> {
        let text = match self.code.as_deref().unwrap_or_default() {
            "NoSuchBucket" => return Some(format!("bucket {bucket:?} does not exist")),
            "InvalidAccessKeyId" => "the storage does not know this access_key_id",
            "SignatureDoesNotMatch" => "the signature does not fit: check secret_access_key (and region)",
            "ExpiredToken" | "InvalidToken" => "the session_token is not, or no longer, good",
            "RequestTimeTooSkewed" => "the clock of this machine is wrong",
            "AccessDenied" => "the credentials have no right to do this: check their policy",
            _ => match (self.status, &self.region) {
                (Some(301 | 307 | 308 | 400), Some(region)) => {
                    return Some(format!("bucket {bucket:?} is in region {region:?}: set region"));
                }
                (Some(301 | 307 | 308), None) => "the bucket is elsewhere: check region and endpoint",
                (Some(401 | 403), _) => "check the credentials and their rights",
                _ => return None,
            },
        };
        Some(text.to_owned())
    }
}

/// An error with this crate's own words.
pub(crate) fn backend(op: &'static str, path: &RelPath, detail: impl Into<String>) -> Error {
    Error::new(ErrorKind::Backend, op, path).with_detail(detail)
}

fn no_keys<'a>(error: &'a (dyn StdError + 'static)) -> Option<&'a NoKeys> {
    let mut next = Some(error);
    while let Some(error) = next {
        if let Some(found) = error.downcast_ref() {
            return Some(found);
        }
        next = error.source();
    }
    None
}

fn first_source(error: &(dyn StdError + 'static)) -> String {
    error.source().map_or_else(|| error.to_string(), |source| shorten(&chain_of(source)))
}

/// An error and what is below it, in one line.
pub(crate) fn chain_of(error: &(dyn StdError + 'static)) -> String {
    let mut text = error.to_string();
    let mut next = error.source();
    while let Some(error) = next {
        let below = error.to_string();
        if !text.ends_with(&below) {
            text.push_str(": ");
            text.push_str(&below);
        }
        next = error.source();
    }
    text
}

pub(crate) fn shorten(text: &str) -> String {
    let line = text.split_whitespace().collect::<Vec<_>>().join(" ");
    match line.char_indices().nth(MESSAGE_LIMIT) {
        Some((at, _)) => format!("{}...", &line[..at]),
        None => line,
    }
}

fn seconds(text: &str) -> Option<Duration> {
    text.trim().parse().ok().map(Duration::from_secs)
}

/// The text of the first element of this name. Error documents are flat and their names occur once.
pub(crate) fn element(document: &str, name: &str) -> Option<String> {
    let (_, rest) = document.split_once(&format!("<{name}>"))?;
    let (text, _) = rest.split_once(&format!("</{name}>"))?;
    let unescaped = text
        .replace("&lt;", "<")
        .replace("&gt;", ">")
        .replace("&quot;", "\"")
        .replace("&apos;", "'")
        .replace("&#39;", "'")
        .replace("&amp;", "&");
    Some(unescaped)
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::{HeaderMap, StatusCode};

    fn of(status: u16, body: &str) -> Error {
        Failure::answer(StatusCode::from_u16(status).unwrap(), &HeaderMap::new(), body.as_bytes()).into_error(
            "read",
            &RelPath::parse("a").unwrap(),
            "films",
        )
    }

    #[test]
    fn a_missing_bucket_is_not_a_missing_file() {
        assert_eq!(of(404, "<Error><Code>NoSuchKey</Code></Error>").kind(), ErrorKind::NotFound);
        let error = of(404, "<Error><Code>NoSuchBucket</Code><Message>gone</Message></Error>");
        assert_eq!(error.kind(), ErrorKind::Unavailable);
        assert!(error.to_string().contains("bucket \"films\" does not exist"), "{error}");
    }

    #[test]
    fn a_wrong_region_names_the_right_one() {
        let error = of(
            400,
            "<Error><Code>AuthorizationHeaderMalformed</Code><Message>m</Message><Region>eu-west-3</Region></Error>",
        );
        assert_eq!(error.kind(), ErrorKind::Unavailable);
        assert!(error.to_string().contains("eu-west-3"), "{error}");
    }

    #[test]
    fn denied_says_what_to_check() {
        let error = of(403, "<Error><Code>SignatureDoesNotMatch</Code></Error>");
        assert_eq!(error.kind(), ErrorKind::Denied);
        assert!(error.to_string().contains("secret_access_key"), "{error}");
    }

    #[test]
    fn what_an_answer_repeats_of_the_request_is_not_passed_on() {
        let error = of(
            403,
            "<Error><Code>SignatureDoesNotMatch</Code><Message>no</Message><StringToSign>x-amz-security-token:tok\
             </StringToSign><SignatureProvided>abc</SignatureProvided></Error>",
        );
        let shown = format!("{error} {error:?}");
        assert!(!shown.contains("tok") && !shown.contains("abc"), "{shown}");
    }
}
