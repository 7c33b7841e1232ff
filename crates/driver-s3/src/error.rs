//! From what the storage answered to an error that a person can act on.
//!
//! Only the code and the message of an answer are kept. The SDK's own errors hold whole answers, and an answer to a
//! wrong signature repeats what was signed, tokens included; so they are never passed on as a source.

use std::error::Error as StdError;
use std::time::{Duration, SystemTime};

use aws_sdk_s3::config::http::HttpResponse;
use aws_sdk_s3::error::{ProvideErrorMetadata, SdkError};
use davmux_driver::{Error, ErrorKind, RelPath};

use crate::credentials::{NoKeys, is_refusal};
use crate::list::NotAListing;

/// Characters of a storage's message that are passed on.
const MESSAGE_LIMIT: usize = 300;

/// What a web page in the place of an answer mostly means.
pub(crate) const NOT_S3: &str = "the answer is a web page and not S3; is the endpoint that of the S3 API? MinIO's \
                                 console usually has port 9001, its API port 9000";
const UNREADABLE: &str = "the answer is not XML, or holds what XML cannot say";
/// How far a clock may be off; S3 refuses a signature that is 15 minutes from its own clock.
const SKEW: Duration = Duration::from_secs(15 * 60);

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
    skew: Option<Skew>,
    is_web_page: bool,
}

/// How far this machine's clock is from the storage's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Skew {
    Ahead(Duration),
    Behind(Duration),
}

impl Skew {
    /// From the `Date` of an answer that just came; `None` where the clocks agree well enough to sign.
    fn told(date: Option<&str>) -> Option<Self> {
        let theirs = httpdate::parse_http_date(date?).ok()?;
        let skew = match SystemTime::now().duration_since(theirs) {
            Ok(ahead) => Self::Ahead(ahead),
            Err(behind) => Self::Behind(behind.duration()),
        };
        let (Self::Ahead(by) | Self::Behind(by)) = skew;
        (by >= SKEW.saturating_sub(Duration::from_secs(30))).then_some(skew)
    }

    fn advice(self) -> String {
        let (by, direction) = match self {
            Self::Ahead(by) => (by, "ahead of"),
            Self::Behind(by) => (by, "behind"),
        };
        let minutes = (by.as_secs() + 30) / 60;
        format!(
            "the clock of this machine is {minutes} minutes {direction} the storage's: set it, and keep it set with NTP"
        )
    }
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

    /// Whether the storage does not know the call, or something in it.
    pub(crate) fn is_unknown_call(&self) -> bool {
        self.cause == Cause::Answer
            && (matches!(self.status, Some(405 | 501))
                || matches!(self.code.as_deref(), Some("NotImplemented" | "MethodNotAllowed" | "InvalidArgument")))
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

    fn says(&self, words: &str) -> bool {
        self.message.as_deref().is_some_and(|message| message.contains(words))
    }

    fn kind(&self) -> ErrorKind {
        match self.cause {
            Cause::Timeout => return ErrorKind::Timeout,
            Cause::Connection | Cause::Credentials { transient: true } => return ErrorKind::Unavailable,
            Cause::Credentials { transient: false } => return ErrorKind::Denied,
            Cause::Nonsense | Cause::Unreadable => return ErrorKind::Backend,
            Cause::Answer => {}
        }
        let throttled = ErrorKind::Throttled { retry_after: self.retry_after };
        match self.code.as_deref().unwrap_or_default() {
            "NoSuchKey" | "NotFound" | "NoSuchUpload" => return ErrorKind::NotFound,
            "NoSuchBucket"
            | "PermanentRedirect"
            | "TemporaryRedirect"
            | "AuthorizationHeaderMalformed"
            | "AuthorizationQueryParametersError"
            | "IllegalLocationConstraintException"
            | "ConditionalRequestConflict"
            | "OperationAborted"
            | "ServiceUnavailable" => return ErrorKind::Unavailable,
            "AccessDenied"
            | "InvalidAccessKeyId"
            // versitygw, with status 404.
            | "XAdminUserNotFound"
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
            "KeyTooLongError"
            | "KeyTooLong"
            | "InvalidObjectName"
            | "XMinioInvalidObjectName"
            | "XMinioInvalidResourceName" => return ErrorKind::InvalidPath,
            // Servers that keep objects as files: versitygw, MinIO.
            "ExistingObjectIsDirectory" | "XMinioObjectExistsAsDirectory" => return ErrorKind::IsDir,
            "ObjectParentIsFile" | "XMinioParentIsObject" => return ErrorKind::NotDir,
            // rclone has one code for both.
            "InvalidRequest" if self.says("is the name of a directory") => return ErrorKind::IsDir,
            "InvalidRequest" if self.says("is the name of an object") => return ErrorKind::NotDir,
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
            300..400 | 502 => ErrorKind::Unavailable,
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
        self.with_advice(op, path, advice)
    }

    /// The error of `op` on the bucket as a whole, with this advice.
    pub(crate) fn explained(self, op: &'static str, advice: &str) -> Error {
        self.with_advice(op, &RelPath::root(), Some(advice.to_owned()))
    }

    fn with_advice(self, op: &'static str, path: &RelPath, advice: Option<String>) -> Error {
        let said = match (&self.code, &self.message) {
            // Our own words, whole.
            (None, Some(text)) if matches!(self.cause, Cause::Credentials { .. }) => Some(text.clone()),
            (Some(code), Some(message)) => Some(format!("{code}: {}", shorten(message))),
            (Some(text), None) | (None, Some(text)) => Some(shorten(text)),
            (None, None) => self.status.map(|status| format!("HTTP status {status}")),
        };
        let said = said.filter(|said| !said.is_empty());
        let detail = [advice, said].into_iter().flatten().collect::<Vec<_>>().join("; the storage said ");
        Error::new(self.kind(), op, path).with_detail(detail)
    }

    fn advice(&self, bucket: &str) -> Option<String> {
        if self.is_web_page {
            return Some(NOT_S3.to_owned());
        }
        // Links are refused in other words, but for the same reason.
        if let (Some(skew), Some(400 | 401 | 403)) = (self.skew, self.status) {
            return Some(skew.advice());
        }
        let signature = "the signature does not fit: check secret_access_key (and region)";
        let text = match self.code.as_deref().unwrap_or_default() {
            "NoSuchBucket" => return Some(format!("bucket {bucket:?} does not exist")),
            "InvalidAccessKeyId" | "XAdminUserNotFound" => "the storage does not know this access_key_id",
            "SignatureDoesNotMatch" => signature,
            "ExpiredToken" | "InvalidToken" => "the session_token is not, or no longer, good: get a new one",
            "RequestTimeTooSkewed" => "the clock of this machine is wrong: set it, and keep it set with NTP",
            // Garage says so of a wrong secret.
            "AccessDenied" if self.message.as_deref().is_some_and(|said| said.to_lowercase().contains("signature")) => {
                signature
            }
            "AccessDenied" => "the credentials have no right to do this: check their policy",
            _ => match self.status {
                Some(300..=400) if self.region.is_some() || self.endpoint.is_some() => {
                    return Some(self.elsewhere(bucket));
                }
                Some(300..400) => "the bucket is elsewhere: check region and endpoint",
                Some(400) if self.is_code("AuthorizationHeaderMalformed") => {
                    "the bucket is in another region: set region"
                }
                Some(401 | 403) => "check the credentials and their rights",
                _ => return None,
            },
        };
        Some(text.to_owned())
    }

    /// Where the bucket is, with the line to write.
    fn elsewhere(&self, bucket: &str) -> String {
        match (&self.region, &self.endpoint) {
            (Some(region), _) => {
                let region = shorten(region);
                format!(
                    "bucket {bucket:?} is in region {region:?}: write `region: {region}`, and no endpoint of another region"
                )
            }
            (None, Some(endpoint)) => {
                // Amazon names the host with the bucket before it.
                let host = shorten(endpoint);
                let host = host.strip_prefix(&format!("{bucket}.")).unwrap_or(&host);
                format!("bucket {bucket:?} is at another endpoint: write `endpoint: {host}`")
            }
            (None, None) => format!("bucket {bucket:?} is elsewhere"),
        }
    }
}

/// An error with this crate's own words.
pub(crate) fn backend(op: &'static str, path: &RelPath, detail: impl Into<String>) -> Error {
    Error::new(ErrorKind::Backend, op, path).with_detail(detail)
}

/// What to do about this machine's clock, where the `Date` of an answer is too far from it.
pub(crate) fn clock_advice(date: Option<&str>) -> Option<String> {
    Skew::told(date).map(Skew::advice)
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

/// Whether a body is a page for browsers.
pub(crate) fn is_web_page(body: &[u8]) -> bool {
    let text = body.trim_ascii_start();
    let text = text.strip_prefix(b"\xef\xbb\xbf").unwrap_or(text);
    let begins = |word: &[u8]| text.get(..word.len()).is_some_and(|head| head.eq_ignore_ascii_case(word));
    begins(b"<!doctype html") || begins(b"<html")
}

/// The region in the message of an `AuthorizationHeaderMalformed`: `... is wrong; expecting 'eu-west-3'`.
fn expected_region(message: &str) -> Option<String> {
    let (_, rest) = message.split_once("expecting '")?;
    let (region, _) = rest.split_once('\'')?;
    Some(region.to_owned()).filter(|region| !region.is_empty())
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

/// The value of a `Retry-After` (RFC 9110, section 10.2.3): seconds, or a date.
pub(crate) fn wait(text: &str) -> Option<Duration> {
    let text = text.trim();
    let until = || httpdate::parse_http_date(text).ok();
    match text.parse() {
        Ok(seconds) => Some(Duration::from_secs(seconds)),
        Err(_) => Some(until()?.duration_since(SystemTime::now()).unwrap_or_default()),
    }
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
