//! Refusals that the head of a request is enough for.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use http::header;
use http::request::Parts;
use time::format_description::well_known::Rfc3339;
use tokio::time::Instant;

use super::{Digest, Refusal, Refused, Regions, Strict};
use crate::clock::Clock;
use crate::credential::Credential;
use crate::hosts::Naming;
use crate::keyring::Keyring;
use crate::operation::{Target, query_value};

/// The longest life of a link, in seconds: seven days.
const LONGEST_LINK: u32 = 604_800;

/// How far a signature may be from the server's clock.
const SKEW: time::Duration = time::Duration::minutes(15);

/// How long a key rests between two writes, where [`Strict::hasty_write`] asks for it.
const BETWEEN_WRITES: Duration = Duration::from_secs(1);

type Checked = Result<(), Refused>;

/// A bucket that another endpoint serves.
#[derive(Clone, Debug)]
pub(crate) struct Elsewhere {
    /// 301 for good, 307 for now.
    pub(crate) status: u16,
    pub(crate) region: String,
    /// Host and port.
    pub(crate) endpoint: String,
}

/// What a request is measured against before its operation begins.
#[derive(Debug)]
pub(crate) struct Inspection {
    pub(crate) strict: Strict,
    pub(crate) clock: Clock,
    region: String,
    keyring: Keyring,
    elsewhere: BTreeMap<String, Elsewhere>,
    /// The last write of each bucket and key, where [`Strict::hasty_write`] asks for it.
    written: Mutex<BTreeMap<(String, String), Instant>>,
}

impl Inspection {
    pub(crate) fn new(
        strict: Strict,
        region: String,
        clock: Clock,
        keyring: Keyring,
        elsewhere: BTreeMap<String, Elsewhere>,
    ) -> Self {
        Self { strict, clock, region, keyring, elsewhere, written: Mutex::default() }
    }

    pub(crate) fn check(&self, request: &Parts, target: &Target) -> Checked {
        let credential = Credential::of(request);
        self.addressing(request, target)?;
        self.authentication(request, target, credential.as_ref())?;
        let seen = Seen { request, target };
        self.strict.transport(&seen)?;
        self.strict.checksums(&seen)?;
        self.strict.calls(&seen)?;
        self.strict.copy_source(&seen)?;
        self.haste(target)
    }

    fn haste(&self, target: &Target) -> Checked {
        let writes = ["PutObject", "CopyObject", "CompleteMultipartUpload"].contains(&target.operation);
        let Some(refusal) = self.strict.hasty_write.filter(|_| writes) else { return Ok(()) };
        let mut written = self.written.lock().unwrap_or_else(PoisonError::into_inner);
        let now = Instant::now();
        written.retain(|_, last| now.duration_since(*last) < BETWEEN_WRITES);
        match written.entry((target.bucket.clone(), target.key.clone())) {
            Entry::Occupied(_) => Err(refusal.into()),
            Entry::Vacant(place) => {
                place.insert(now);
                Ok(())
            }
        }
    }

    fn addressing(&self, request: &Parts, target: &Target) -> Checked {
        match target.naming {
            Naming::Path if !target.bucket.is_empty() => refuse(self.strict.path_style)?,
            Naming::Host => refuse(self.strict.host_style)?,
            Naming::Path | Naming::Bound | Naming::Public => {}
        }
        let Some(place) = self.elsewhere.get(&target.bucket) else { return Ok(()) };
        let (code, message) = match place.status {
            307 => ("TemporaryRedirect", "Please re-send this request to the specified temporary endpoint."),
            _ => (
                "PermanentRedirect",
                "The bucket you are attempting to access must be addressed using the specified endpoint. Please send \
                 all future requests to this endpoint.",
            ),
        };
        let refused = Refused::new(place.status, code, message)
            .element("Endpoint", place.endpoint.clone())
            .element("Bucket", target.bucket.clone())
            .header("x-amz-bucket-region", &place.region);
        // For good, AWS leaves it to the client to find its way.
        let location = || format!("http://{}{}", place.endpoint, request.uri);
        Err(if place.status == 307 { refused.header("location", &location()) } else { refused })
    }

    fn authentication(&self, request: &Parts, target: &Target, credential: Option<&Credential>) -> Checked {
        let query = request.uri.query().unwrap_or_default();
        let has_query = |name: &str| query_value(query, name).is_some();
        let signed_url = has_query("X-Amz-Signature") || (has_query("Signature") && has_query("AWSAccessKeyId"));
        let authorized = request.headers.contains_key(header::AUTHORIZATION);
        if target.naming == Naming::Public && (signed_url || authorized) {
            return Err(Refused::new(401, "Unauthorized", "This host does not serve the S3 API"));
        }
        if self.strict.one_auth && signed_url && authorized {
            return Err(Refused::new(
                400,
                "InvalidArgument",
                "Only one auth mechanism allowed; only the X-Amz-Algorithm query parameter, Signature query string \
                 parameter or the Authorization header should be specified",
            ));
        }
        if let Some(expires) = query_value(query, "X-Amz-Expires")
            && !expires.parse::<u32>().is_ok_and(|seconds| seconds <= LONGEST_LINK)
        {
            return Err(Refused::new(
                400,
                "AuthorizationQueryParametersError",
                "X-Amz-Expires must be a number of seconds and less than a week (604800)",
            ));
        }
        let Some(credential) = credential else { return Ok(()) };
        self.region(credential)?;
        self.time(credential)?;
        if credential.session_token.is_some() {
            refuse(self.strict.session_token)?;
        }
        self.keyring.check(credential, self.clock.now())?;
        if credential.signed_headers.iter().any(|name| name == "accept-encoding") {
            refuse(self.strict.signed_accept_encoding)?;
        }
        Ok(())
    }

    fn region(&self, credential: &Credential) -> Checked {
        let said = credential.region.as_str();
        match self.strict.regions {
            Regions::Any => Ok(()),
            Regions::OneOf(words, refusal) => {
                if words.contains(&said) {
                    Ok(())
                } else {
                    Err(refusal.into())
                }
            }
            Regions::Own | Regions::OwnElse(_) if said == self.region => Ok(()),
            Regions::OwnElse(refusal) => Err(refusal.into()),
            Regions::Own => {
                let wrong = format!("the region '{said}' is wrong; expecting '{}'", self.region);
                let refused = if credential.expires.is_some() {
                    let text = format!("Error parsing the X-Amz-Credential parameter; {wrong}");
                    Refused::new(400, "AuthorizationQueryParametersError", text)
                } else {
                    let text = format!("The authorization header is malformed; {wrong}");
                    Refused::new(400, "AuthorizationHeaderMalformed", text)
                };
                Err(refused.element("Region", self.region.clone()).header("x-amz-bucket-region", &self.region))
            }
        }
    }

    /// By the server's clock, not by the machine's as s3s does it.
    fn time(&self, credential: &Credential) -> Checked {
        let Some(signed) = credential.signed else { return Ok(()) };
        let now = self.clock.now();
        let told = |refused: Refused, name, time: time::OffsetDateTime| {
            refused.element(name, time.format(&Rfc3339).unwrap_or_default())
        };
        match credential.expires {
            Some(seconds) if now > signed + time::Duration::seconds(seconds.into()) => {
                Err(told(Refused::new(403, "AccessDenied", "Request has expired"), "ServerTime", now))
            }
            Some(_) if signed - now <= SKEW => Ok(()),
            None if (now - signed).abs() <= SKEW => Ok(()),
            _ => {
                let text = "The difference between the request time and the current time is too large.";
                let refused = Refused::new(403, "RequestTimeTooSkewed", text);
                let refused = told(told(refused, "RequestTime", signed), "ServerTime", now);
                Err(refused.element("MaxAllowedSkewMilliseconds", SKEW.whole_milliseconds().to_string()))
            }
        }
    }
}

/// A request, and what it asks for.
struct Seen<'a> {
    request: &'a Parts,
    target: &'a Target,
}

impl Seen<'_> {
    fn header(&self, name: &str) -> Option<&str> {
        self.request.headers.get(name)?.to_str().ok()
    }

    /// Whether a header field or a query parameter has a name like that.
    fn names(&self, like: impl Fn(&str) -> bool) -> bool {
        let query = self.request.uri.query().unwrap_or_default();
        let mut in_query = query.split('&').filter_map(|pair| pair.split('=').next());
        self.request.headers.keys().any(|name| like(name.as_str()))
            || in_query.any(|name| like(&name.to_ascii_lowercase()))
    }
}

impl Strict {
    /// How a request is sent, whatever it asks for.
    fn transport(&self, seen: &Seen<'_>) -> Checked {
        if seen.names(|name| name == "x-id") {
            refuse(self.x_id)?;
        }
        let brings = matches!(seen.request.method.as_str(), "POST" | "PUT");
        if brings && seen.header("content-length").is_none() {
            refuse(self.length_missing)?;
        }
        if seen.names(|name| name == "x-amz-acl" || name.starts_with("x-amz-grant-")) {
            refuse(self.acl)?;
        }
        Ok(())
    }

    fn checksums(&self, seen: &Seen<'_>) -> Checked {
        let sha256 = seen.header("x-amz-content-sha256").unwrap_or_default();
        let chunked = seen.header("content-encoding").is_some_and(|value| value.contains("aws-chunked"));
        let trails = sha256.ends_with("-TRAILER") || seen.names(|name| name == "x-amz-trailer");
        if sha256.starts_with("STREAMING-AWS4-") && !trails {
            refuse(self.checksums.signed_chunks)?;
        } else if trails || chunked || sha256.starts_with("STREAMING-") {
            refuse(self.checksums.trailer)?;
        }
        if seen.names(|name| name == "x-amz-sdk-checksum-algorithm" || is_checksum(name)) {
            refuse(self.checksums.header)?;
        }
        if seen.names(is_checksum) && seen.header("content-md5").is_some() {
            refuse(self.checksums.two_at_once)?;
        }
        if seen.target.operation == "DeleteObjects" {
            let enough = match self.deletes.digest {
                Digest::Optional => true,
                Digest::Any => seen.header("content-md5").is_some() || seen.names(is_checksum),
                Digest::Md5 => seen.header("content-md5").is_some(),
            };
            if !enough {
                let text = "Missing required header for this request: Content-MD5";
                return Err(Refused::new(400, "InvalidRequest", text));
            }
        }
        Ok(())
    }

    /// Calls that are not there.
    fn calls(&self, seen: &Seen<'_>) -> Checked {
        match seen.target.operation {
            "DeleteObjects" => refuse(self.deletes.batch),
            "UploadPartCopy" => refuse(self.copies.part_copy),
            "GetBucketCors" | "PutBucketCors" | "DeleteBucketCors" => refuse(self.cors),
            "GetBucketLocation" | "GetBucketVersioning" => refuse(self.bucket_settings),
            "ListObjectsV2" if seen.names(|name| name == "fetch-owner") => refuse(self.listing.fetch_owner),
            _ => Ok(()),
        }
    }

    fn copy_source(&self, seen: &Seen<'_>) -> Checked {
        let Some(source) = seen.request.headers.get("x-amz-copy-source") else { return Ok(()) };
        let source = source.as_bytes();
        if source.starts_with(b"/") {
            refuse(self.copies.leading_slash)?;
        }
        if !source.strip_prefix(b"/").unwrap_or(source).contains(&b'/') {
            refuse(self.copies.escaped_slash)?;
        }
        if !source.is_ascii() {
            refuse(self.copies.plain_non_ascii)?;
        }
        Ok(())
    }
}

fn is_checksum(name: &str) -> bool {
    name.starts_with("x-amz-checksum-") && name != "x-amz-checksum-mode"
}

fn refuse(refusal: Option<Refusal>) -> Checked {
    refusal.map_or(Ok(()), |refusal| Err(refusal.into()))
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::hosts::Hosts;

    #[tokio::test(start_paused = true)]
    async fn a_key_rests_a_second_between_two_writes() {
        let strict = Strict { hasty_write: Some(Strict::R2_HASTY_WRITE), ..Strict::default() };
        let (clock, keyring) = (Clock::default(), Keyring::default());
        let inspection = Inspection::new(strict, String::new(), clock, keyring, BTreeMap::new());
        let write = |method: &str, key: &str| {
            let request = http::Request::builder().method(method).uri(format!("/films/{key}")).body(()).unwrap();
            let request = request.into_parts().0;
            inspection.check(&request, &Target::of(&request, &Hosts::default()))
        };
        write("PUT", "a").unwrap();
        assert!(write("PUT", "a").unwrap_err().document().contains("<Code>TooManyRequests</Code>"));
        write("PUT", "b").unwrap();
        write("GET", "a").unwrap();
        tokio::time::advance(BETWEEN_WRITES).await;
        write("PUT", "a").unwrap();
    }
}
