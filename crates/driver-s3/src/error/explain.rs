//! What a failure is to a client, and to whoever can mend it.

use davmux_driver::{Error, ErrorKind, RelPath};

use super::{Cause, Failure, NOT_S3, shorten};

impl Failure {
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
        let signature = "the signature does not fit: check secret_access_key (and region)";
        let text = match self.code.as_deref().unwrap_or_default() {
            "NoSuchBucket" => return Some(format!("bucket {bucket:?} does not exist")),
            "InvalidAccessKeyId" | "XAdminUserNotFound" => "the storage does not know this access_key_id",
            "SignatureDoesNotMatch" => signature,
            "ExpiredToken" | "InvalidToken" => "the session_token is not, or no longer, good: get a new one",
            // What was signed off time was signed anew; what is refused then for another reason has another.
            "RequestTimeTooSkewed" if let Some(skew) = self.skew => return Some(skew.advice()),
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
