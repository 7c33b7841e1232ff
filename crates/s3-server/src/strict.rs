//! Refusals that real providers are known for.

use http::header;
use http::request::Parts;
use s3s::{S3Error, S3ErrorCode, S3Result, s3_error};

use crate::operation::{Target, query_value};

/// What the server refuses beyond what S3 itself does not know. Everything is off by default.
///
/// A HEAD on a link that was signed for GET is refused always, as the signature does not fit.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[allow(clippy::struct_excessive_bools, reason = "each is one provider's habit, and they are combined freely")]
pub struct Strict {
    /// A signed URL that comes with an Authorization header, of whatever scheme: 400 `InvalidArgument`, as on AWS.
    pub one_auth: bool,
    /// Bodies in `aws-chunked` and checksums after the body: 501 `NotImplemented`.
    pub refuse_trailing_checksums: bool,
    /// Any `x-amz-checksum-*` or `x-amz-sdk-checksum-algorithm`: 400 `InvalidArgument`.
    pub refuse_checksums: bool,
    /// DeleteObjects without Content-MD5: 400 `InvalidRequest`.
    pub need_content_md5: bool,
    /// A bucket in the path: 403 `SecondLevelDomainForbidden`, as on Aliyun OSS.
    pub refuse_path_style: bool,
    /// Conditions on writes: 501 `NotImplemented`.
    pub refuse_write_conditions: bool,
}

impl Strict {
    /// Everything on that a client of AWS itself can meet.
    pub fn aws() -> Self {
        Self { one_auth: true, need_content_md5: true, ..Self::default() }
    }

    pub(crate) fn check(&self, request: &Parts, target: &Target) -> S3Result<()> {
        let headers = &request.headers;
        let query = request.uri.query().unwrap_or_default();
        let has_query = |name: &str| query_value(query, name).is_some();
        let signed_url = has_query("X-Amz-Signature") || (has_query("Signature") && has_query("AWSAccessKeyId"));
        if self.one_auth && signed_url && headers.contains_key(header::AUTHORIZATION) {
            return Err(s3_error!(
                InvalidArgument,
                "Only one auth mechanism allowed; only the X-Amz-Algorithm query parameter, Signature query string \
                 parameter or the Authorization header should be specified"
            ));
        }
        if let Some(expires) = query_value(query, "X-Amz-Expires") {
            // AWS itself: a link lives seven days at most.
            if !expires.parse::<u32>().is_ok_and(|seconds| seconds <= 604_800) {
                return Err(custom(
                    "AuthorizationQueryParametersError",
                    http::StatusCode::BAD_REQUEST,
                    "X-Amz-Expires must be a number of seconds and less than a week (604800)",
                ));
            }
        }
        if self.refuse_trailing_checksums {
            let value = |name| headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default();
            if value("x-amz-content-sha256").starts_with("STREAMING-")
                || value("content-encoding").contains("aws-chunked")
                || headers.contains_key("x-amz-trailer")
            {
                return Err(s3_error!(
                    NotImplemented,
                    "A header you provided implies functionality that is not implemented: aws-chunked"
                ));
            }
        }
        if self.refuse_checksums {
            let is_checksum = |name: &str| {
                let name = name.to_ascii_lowercase();
                name == "x-amz-sdk-checksum-algorithm"
                    || (name.starts_with("x-amz-checksum-") && name != "x-amz-checksum-mode")
            };
            let in_header = headers.keys().find(|name| is_checksum(name.as_str())).map(ToString::to_string);
            let in_query = query.split('&').filter_map(|pair| pair.split('=').next()).find(|name| is_checksum(name));
            if let Some(name) = in_header.or(in_query.map(ToOwned::to_owned)) {
                return Err(s3_error!(InvalidArgument, "Unsupported header '{name}' received for this API call."));
            }
        }
        if self.need_content_md5 && target.operation == "DeleteObjects" && !headers.contains_key("content-md5") {
            return Err(s3_error!(InvalidRequest, "Missing required header for this request: Content-MD5"));
        }
        if self.refuse_path_style && !target.host_style && !target.bucket.is_empty() {
            return Err(custom(
                "SecondLevelDomainForbidden",
                http::StatusCode::FORBIDDEN,
                "The bucket you are attempting to access must be addressed using virtual-hosted style",
            ));
        }
        let writes = !matches!(request.method.as_str(), "GET" | "HEAD");
        if self.refuse_write_conditions
            && writes
            && (headers.contains_key(header::IF_MATCH) || headers.contains_key(header::IF_NONE_MATCH))
        {
            return Err(s3_error!(
                NotImplemented,
                "A header you provided implies functionality that is not implemented: a condition on a write"
            ));
        }
        Ok(())
    }
}

fn custom(code: &'static str, status: http::StatusCode, message: &'static str) -> S3Error {
    let mut error = S3Error::with_message(S3ErrorCode::Custom(code.into()), message);
    error.set_status_code(status);
    error
}
