//! CORS rules over Backblaze's native API, version 4: `b2_authorize_account`, `b2_list_buckets`, `b2_update_bucket`.
//!
//! Its rules also have the names of native operations (`b2_download_file_by_name`), which S3 cannot say; so they are read and
//! written here.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use davmux_driver::{CorsRule, Error, ErrorKind, RelPath, Result};
use http::{HeaderValue, Request, StatusCode, Uri, header};
use http_body_util::{BodyExt as _, Full, Limited};
use serde_json::{Value, json};

use super::{READ_CORS, SET_CORS, changed_meanwhile, error, same_rule, same_rules};
use crate::bucket::Bucket;
use crate::client::{ATTEMPT, FIRST_PAUSE};
use crate::error::{Failure, backend};
use crate::options::Secret;
use crate::read::http;

/// How often a call that changes nothing is sent at most.
const ATTEMPTS: u32 = 3;
/// The longest answer in bytes: a hundred rules of a thousand bytes, and the rest of a bucket.
const LONGEST: usize = 1 << 20;

/// The rule of Cloudreve's page on S3 storage (docs.cloudreve.org, "S3 compatible", Backblaze B2).
pub(super) fn rule(origins: &[String]) -> CorsRule {
    let texts = |texts: &[&str]| texts.iter().map(|text| (*text).to_owned()).collect();
    CorsRule {
        name: Some("s3DownloadFromAnyOriginWithUpload".to_owned()),
        origins: origins.to_vec(),
        operations: texts(&["s3_head", "s3_get", "s3_put", "s3_post", "s3_delete"]),
        headers: texts(&["authorization", "range", "content-type"]),
        exposed: texts(&["ETag"]),
        max_age: Some(3600),
    }
}

pub(super) async fn get(bucket: &Bucket) -> Result<Vec<CorsRule>> {
    let account = Account::open(bucket, READ_CORS).await?;
    parsed(READ_CORS, &account.bucket(bucket, READ_CORS).await?.rules)
}

pub(super) async fn set(bucket: &Bucket, from: &[CorsRule], to: &[CorsRule]) -> Result<()> {
    let account = Account::open(bucket, SET_CORS).await?;
    let found = account.bucket(bucket, SET_CORS).await?;
    let now = parsed(SET_CORS, &found.rules)?;
    if !same_rules(&now, from) {
        return Err(changed_meanwhile());
    }
    // What is there goes back as it came.
    let as_it_came =
        |rule: &CorsRule| now.iter().position(|kept| same_rule(kept, rule)).and_then(|at| found.rules.get(at)).cloned();
    let rules: Vec<Value> = to.iter().map(|rule| as_it_came(rule).unwrap_or_else(|| to_json(rule))).collect();
    let body = json!({
        "accountId": account.id, "bucketId": found.id, "corsRules": rules, "ifRevisionIs": found.revision,
    });
    match account.ask("b2_update_bucket", &body, 1).await {
        Ok(_) => Ok(()),
        Err(failure) if failure.status == Some(409) => Err(changed_meanwhile()),
        // The answer may have been lost and not the change.
        Err(failure) if failure.may_have_happened() => {
            let found = account.bucket(bucket, SET_CORS).await?;
            let stands = same_rules(&parsed(SET_CORS, &found.rules)?, to);
            if stands { Ok(()) } else { Err(denied_or(failure, SET_CORS, "writeBuckets", bucket)) }
        }
        Err(failure) => Err(denied_or(failure, SET_CORS, "writeBuckets", bucket)),
    }
}

/// Who asks, and where.
struct Account {
    id: String,
    token: Secret,
    /// Base URL of the calls.
    url: String,
}

/// A bucket, as far as its CORS rules go.
struct Found {
    id: String,
    revision: Value,
    rules: Vec<Value>,
}

impl Account {
    async fn open(bucket: &Bucket, op: &'static str) -> Result<Self> {
        let signer = bucket.keys.signer().await;
        let signer = signer.map_err(|why| bucket.failed(op, &RelPath::root(), Failure::keys(&why)))?;
        let keys = &signer.credentials;
        let basic = STANDARD.encode(format!("{}:{}", keys.access_key_id(), keys.secret_access_key()));
        let basic = Secret::new(format!("Basic {basic}"));
        let base = bucket.b2_api.base_url();
        let answer = sent(&format!("{base}/b2api/v4/b2_authorize_account"), &basic, None, ATTEMPTS).await;
        let answer = answer.map_err(|failure| match failure.status {
            Some(401) => failure.explained(
                op,
                "Backblaze does not know this application key: access_key_id is its keyID, secret_access_key its \
                 applicationKey",
            ),
            _ => bucket.failed(op, &RelPath::root(), failure),
        })?;
        let text = |pointer: &str| answer.pointer(pointer).and_then(Value::as_str);
        let account = (|| {
            let url: Uri = text("/apiInfo/storageApi/apiUrl")?.parse().ok()?;
            // The token goes there.
            (url.scheme_str()? == "https" || !bucket.b2_api.is_https()).then_some(())?;
            Some(Self {
                id: text("/accountId")?.to_owned(),
                token: Secret::new(text("/authorizationToken")?),
                url: url.to_string().trim_end_matches('/').to_owned(),
            })
        })();
        account.ok_or_else(|| backend(op, &RelPath::root(), "b2_authorize_account did not answer as it should"))
    }

    /// One call that takes and answers JSON.
    async fn ask(&self, call: &str, body: &Value, attempts: u32) -> Result<Value, Failure> {
        sent(&format!("{}/b2api/v4/{call}", self.url), &self.token, Some(body), attempts).await
    }

    async fn bucket(&self, bucket: &Bucket, op: &'static str) -> Result<Found> {
        // A key that is bound to a bucket may ask for no other, so the bucket is always named.
        let body = json!({ "accountId": self.id, "bucketName": bucket.name });
        let answer = self.ask("b2_list_buckets", &body, ATTEMPTS).await;
        let answer = answer.map_err(|failure| denied_or(failure, op, "listBuckets", bucket))?;
        let buckets = answer.get("buckets").and_then(Value::as_array);
        let garbled = || backend(op, &RelPath::root(), "b2_list_buckets did not answer as it should");
        let named = |found: &&Value| found.get("bucketName").and_then(Value::as_str) == Some(&bucket.name);
        let Some(found) = buckets.ok_or_else(garbled)?.iter().find(named) else {
            let detail = format!("bucket {:?} is not one of this account", bucket.name);
            return Err(error(ErrorKind::Unavailable, op, detail));
        };
        let read = || {
            Some(Found {
                id: found.get("bucketId")?.as_str()?.to_owned(),
                revision: found.get("revision").filter(|revision| revision.is_u64())?.clone(),
                rules: found.get("corsRules")?.as_array()?.clone(),
            })
        };
        read().ok_or_else(garbled)
    }
}

/// The error of a failed call, for which the key needs a capability.
fn denied_or(failure: Failure, op: &'static str, capability: &str, bucket: &Bucket) -> Error {
    if failure.status == Some(401) {
        let advice = format!("the application key needs the capability {capability} for bucket {:?}", bucket.name);
        return failure.explained(op, &advice);
    }
    bucket.failed(op, &RelPath::root(), failure)
}

fn parsed(op: &'static str, rules: &[Value]) -> Result<Vec<CorsRule>> {
    let rules: Option<Vec<_>> = rules.iter().map(of_json).collect();
    rules.ok_or_else(|| backend(op, &RelPath::root(), "the bucket has a CORS rule that is none"))
}

fn of_json(rule: &Value) -> Option<CorsRule> {
    let texts = |name: &str| match rule.get(name) {
        None | Some(Value::Null) => Some(Vec::new()),
        Some(list) => list.as_array()?.iter().map(|text| text.as_str().map(str::to_owned)).collect(),
    };
    Some(CorsRule {
        name: Some(rule.get("corsRuleName")?.as_str()?.to_owned()),
        origins: texts("allowedOrigins")?,
        operations: texts("allowedOperations")?,
        headers: texts("allowedHeaders")?,
        exposed: texts("exposeHeaders")?,
        max_age: Some(u32::try_from(rule.get("maxAgeSeconds")?.as_u64()?).ok()?),
    })
}

fn to_json(rule: &CorsRule) -> Value {
    json!({
        "corsRuleName": rule.name,
        "allowedOrigins": rule.origins,
        "allowedOperations": rule.operations,
        "allowedHeaders": rule.headers,
        "exposeHeaders": rule.exposed,
        "maxAgeSeconds": rule.max_age,
    })
}

/// Sends a GET, or a POST of a body, until it is answered well or there is no use.
async fn sent(url: &str, authorization: &Secret, body: Option<&Value>, attempts: u32) -> Result<Value, Failure> {
    let mut pause = FIRST_PAUSE;
    for _ in 1..attempts {
        match once(url, authorization, body).await {
            Err(failure) if failure.is_worth_retrying() => tokio::time::sleep(pause.mul_f64(rand::random())).await,
            answer => return answer,
        }
        pause *= 2;
    }
    once(url, authorization, body).await
}

async fn once(url: &str, authorization: &Secret, body: Option<&Value>) -> Result<Value, Failure> {
    let nonsense = |error: &dyn std::fmt::Display| Failure::nonsense(error.to_string());
    let mut value = HeaderValue::from_str(authorization.reveal())
        .map_err(|_| Failure::nonsense("a key or token that no header can carry"))?;
    value.set_sensitive(true);
    let request = if body.is_some() { Request::post(url) } else { Request::get(url) };
    let body = body.map(|body| Bytes::from(body.to_string())).unwrap_or_default();
    let request = request.header(header::AUTHORIZATION, value).header(header::CONTENT_TYPE, "application/json");
    let request = request.body(Full::new(body)).map_err(|error| nonsense(&error))?;
    let http = http().map_err(|error| nonsense(&error))?;
    davmux_driver::meter::count_call();
    let work = async {
        let (head, body) = http.request(request).await.map_err(|error| Failure::connection(&error))?.into_parts();
        let body = Limited::new(body, LONGEST).collect().await.map_err(|error| Failure::connection(&*error))?;
        let answer = serde_json::from_slice::<Value>(&body.to_bytes());
        match answer {
            Ok(answer) if head.status == StatusCode::OK => Ok(answer),
            Ok(answer) => Err(refused(head.status, &head.headers, &answer, authorization)),
            Err(_) if head.status == StatusCode::OK => Err(Failure::doubtful("an answer that is not JSON")),
            Err(_) => Err(refused(head.status, &head.headers, &Value::Null, authorization)),
        }
    };
    match tokio::time::timeout(ATTEMPT, work).await {
        Ok(answer) => answer,
        Err(_) => Err(Failure::timeout()),
    }
}

/// From an error document. Some messages repeat the token, and those are not passed on.
fn refused(status: StatusCode, headers: &http::HeaderMap, answer: &Value, authorization: &Secret) -> Failure {
    let text = |name: &str| answer.get(name).and_then(Value::as_str).filter(|text| !text.is_empty());
    let message = text("message").filter(|message| !message.contains(authorization.reveal()));
    Failure::told(status, headers, text("code"), message)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_that_repeats_the_token_is_not_passed_on() {
        let refused = |message: &str| {
            let answer = json!({ "status": 400, "code": "auth_token_limit", "message": message });
            let failure =
                refused(StatusCode::BAD_REQUEST, &http::HeaderMap::new(), &answer, &Secret::new("4_0022623512fc8f80"));
            format!("{failure:?} {}", failure.clone().into_error(READ_CORS, &RelPath::root(), "films"))
        };
        assert!(!refused("more than one call with token 4_0022623512fc8f80").contains("4_0022623512fc8f80"));
        assert!(refused("bad rule").contains("auth_token_limit: bad rule"));
    }

    #[test]
    fn a_rule_comes_back_as_it_was_written() {
        let origins = ["https://a.example".to_owned()];
        assert_eq!(of_json(&to_json(&rule(&origins))), Some(rule(&origins)));
        let bare = json!({
            "corsRuleName": "theirs", "allowedOrigins": ["*"], "allowedOperations": ["b2_upload_file"],
            "allowedHeaders": null, "maxAgeSeconds": 0,
        });
        assert!(of_json(&bare).unwrap().headers.is_empty());
        assert_eq!(of_json(&json!({ "corsRuleName": "x", "allowedOrigins": "*", "maxAgeSeconds": 0 })), None);
    }
}
