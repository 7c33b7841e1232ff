//! CORS rules over S3: GetBucketCors and PutBucketCors.

use aws_sdk_s3::error::BuildError;
use aws_sdk_s3::types;
use davmux_driver::{CorsRule, Error, ErrorKind, RelPath, Result};
use quick_xml::Reader;
use quick_xml::events::Event;

use super::{KeepDocument, READ_CORS, SET_CORS, changed_meanwhile, error, same_rules};
use crate::bucket::Bucket;
use crate::client::ContentMd5;
use crate::error::{Failure, backend};
use crate::list::document;

/// The elements of a CORS configuration that a [`CorsRule`] can say.
const KNOWN: [&str; 8] = [
    "CORSConfiguration",
    "CORSRule",
    "ID",
    "AllowedOrigin",
    "AllowedMethod",
    "AllowedHeader",
    "ExposeHeader",
    "MaxAgeSeconds",
];

/// The rule that Cloudreve sets (cloudreve/cloudreve at 21d158db^, `pkg/filesystem/driver/s3/handler.go`).
pub(crate) fn rule(origins: &[String]) -> CorsRule {
    CorsRule {
        name: Some("davmux".to_owned()),
        origins: origins.to_vec(),
        operations: ["GET", "POST", "PUT", "DELETE", "HEAD"].map(str::to_owned).to_vec(),
        headers: vec!["*".to_owned()],
        exposed: vec!["ETag".to_owned()],
        max_age: Some(3600),
    }
}

pub(super) async fn get(bucket: &Bucket) -> Result<Vec<CorsRule>> {
    Ok(read(bucket, READ_CORS).await?.0)
}

pub(super) async fn set(bucket: &Bucket, from: &[CorsRule], to: &[CorsRule]) -> Result<()> {
    // PutBucketCors has no condition, so this look just before is all there is.
    let (now, document) = read(bucket, SET_CORS).await?;
    if !same_rules(&now, from) {
        return Err(changed_meanwhile());
    }
    if let Some(name) = unknown_element(&document) {
        let detail = format!("the rules have a <{name}>, which would be lost; change them where it was set");
        return Err(error(ErrorKind::Unsupported, SET_CORS, detail));
    }
    let malformed = |error: BuildError| backend(SET_CORS, &RelPath::root(), error.to_string());
    let rules = to.iter().map(to_sdk).collect::<Result<Vec<_>, _>>().map_err(malformed)?;
    let rules = types::CorsConfiguration::builder().set_cors_rules(Some(rules)).build().map_err(malformed)?;
    let call = bucket.client.put_bucket_cors().bucket(&bucket.name).cors_configuration(rules);
    let sent = call.customize().interceptor(ContentMd5).send().await;
    sent.map(drop).map_err(|error| failed(bucket, SET_CORS, Failure::sdk(&error)))
}

/// The rules, and the document that they came in: empty where there are none.
async fn read(bucket: &Bucket, op: &'static str) -> Result<(Vec<CorsRule>, Vec<u8>)> {
    let kept = KeepDocument::default();
    let call = bucket.client.get_bucket_cors().bucket(&bucket.name);
    let reply = match call.customize().interceptor(kept.clone()).send().await {
        Ok(reply) => reply,
        Err(error) => {
            let failure = Failure::sdk(&error);
            if failure.is_code("NoSuchCORSConfiguration") {
                return Ok((Vec::new(), Vec::new()));
            }
            return Err(failed(bucket, op, failure));
        }
    };
    let document = kept.take();
    // The SDK takes what it found before a cut for all there is, and what it did not find would be overwritten.
    if document::check(&document, "CORSConfiguration").is_err() {
        return Err(backend(op, &RelPath::root(), "the rules came cut or garbled"));
    }
    Ok((reply.cors_rules().iter().map(of_sdk).collect(), document))
}

fn failed(bucket: &Bucket, op: &'static str, failure: Failure) -> Error {
    if matches!(failure.status, Some(405 | 501)) {
        let detail = "this storage knows no CORS rules over S3; set the rule where the bucket is administered";
        return error(ErrorKind::Unsupported, op, detail);
    }
    bucket.failed(op, &RelPath::root(), failure)
}

fn of_sdk(rule: &types::CorsRule) -> CorsRule {
    CorsRule {
        name: rule.id().filter(|id| !id.is_empty()).map(str::to_owned),
        origins: rule.allowed_origins().to_vec(),
        operations: rule.allowed_methods().to_vec(),
        headers: rule.allowed_headers().to_vec(),
        exposed: rule.expose_headers().to_vec(),
        max_age: rule.max_age_seconds().and_then(|seconds| u32::try_from(seconds).ok()),
    }
}

fn to_sdk(rule: &CorsRule) -> Result<types::CorsRule, BuildError> {
    let some = |texts: &[String]| (!texts.is_empty()).then(|| texts.to_vec());
    types::CorsRule::builder()
        .set_id(rule.name.clone())
        .set_allowed_origins(Some(rule.origins.clone()))
        .set_allowed_methods(Some(rule.operations.clone()))
        .set_allowed_headers(some(&rule.headers))
        .set_expose_headers(some(&rule.exposed))
        .set_max_age_seconds(rule.max_age.and_then(|seconds| i32::try_from(seconds).ok()))
        .build()
}

/// An element that a [`CorsRule`] cannot say, such as the `ResponseVary` of Tencent COS.
fn unknown_element(document: &[u8]) -> Option<String> {
    let mut reader = Reader::from_reader(document);
    loop {
        match reader.read_event() {
            Ok(Event::Start(start) | Event::Empty(start)) => {
                let name = start.local_name();
                if !KNOWN.contains(&name.as_ref()) {
                    return Some(name.as_ref().to_owned());
                }
            }
            Ok(Event::Eof) | Err(_) => return None,
            Ok(_) => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_rule_cannot_say_is_found() {
        let document = |inner: &str| format!("<CORSConfiguration xmlns=\"x\"><CORSRule/>{inner}</CORSConfiguration>");
        assert_eq!(unknown_element(document("").as_bytes()), None);
        let vary = document("<ResponseVary>true</ResponseVary>");
        assert_eq!(unknown_element(vary.as_bytes()).as_deref(), Some("ResponseVary"));
    }
}
