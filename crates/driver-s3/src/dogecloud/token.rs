//! DogeCloud's token API: temporary keys for an access key and its secret.
//!
//! Facts: AlistGo/alist `drivers/s3/doge.go`, and other clients that agree with it. The request is signed by HMAC-SHA1 over
//! path, line feed and body; a failure is a `code` other than 200 in the answer, whose HTTP status can be 200 all the same.

use std::sync::{PoisonError, RwLock};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use aws_credential_types::Credentials;
use bytes::Bytes;
use davmux_driver::chain;
use hmac::{Hmac, KeyInit as _, Mac as _};
use http::{Request, header};
use http_body_util::{BodyExt as _, Full, Limited};
use serde_json::{Value, json};
use sha1::Sha1;

use crate::client::FIRST_PAUSE;
use crate::credentials::NoKeys;
use crate::error::shorten;
use crate::options::Secret;
use crate::read;

const PATH: &str = "/auth/tmp_token.json";
/// One question, answer and all.
const ATTEMPT: Duration = Duration::from_secs(10);
/// How often one question is asked at most.
const ATTEMPTS: u32 = 3;
/// Bytes of an answer that are read: thousands of buckets fit in.
const ANSWER_LIMIT: usize = 4 << 20;
/// Buckets that a message names.
const NAMED: usize = 20;

/// Where the files of a bucket of DogeCloud really are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Space {
    /// The bucket's name at the storage behind DogeCloud.
    pub(crate) bucket: String,
    /// Base URL of that storage.
    pub(crate) endpoint: String,
}

/// The token API for one bucket.
pub(crate) struct TokenApi {
    /// Base URL, without a slash at its end.
    base: String,
    access_key: String,
    secret_key: Secret,
    /// As the mount names it: DogeCloud's name, or that of the storage behind.
    bucket: String,
    space: RwLock<Option<Space>>,
}

impl std::fmt::Debug for TokenApi {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("TokenApi").field("base", &self.base).field("bucket", &self.bucket).finish_non_exhaustive()
    }
}

impl TokenApi {
    pub(crate) fn new(base: String, access_key: String, secret_key: Secret, bucket: String) -> Self {
        Self { base, access_key, secret_key, bucket, space: RwLock::default() }
    }

    /// Where the bucket is, as the last answer said. `None`: there was none yet.
    pub(crate) fn space(&self) -> Option<Space> {
        self.space.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// New keys.
    pub(crate) async fn ask(&self) -> Result<Credentials, NoKeys> {
        let mut pause = FIRST_PAUSE;
        let mut attempt = 1;
        let answer = loop {
            match tokio::time::timeout(ATTEMPT, self.once()).await.unwrap_or(Err(Trouble::NoAnswer("in time".into()))) {
                Ok(answer) => break answer,
                Err(trouble) if attempt < ATTEMPTS && trouble.may_pass() => {}
                Err(trouble) => return Err(trouble.into()),
            }
            tokio::time::sleep(pause.mul_f64(rand::random())).await;
            pause *= 2;
            attempt += 1;
        };
        let (credentials, space) = self.understood(&answer)?;
        *self.space.write().unwrap_or_else(PoisonError::into_inner) = Some(space);
        Ok(credentials)
    }

    async fn once(&self) -> Result<Value, Trouble> {
        let body = json!({ "channel": "OSS_FULL", "scopes": ["*"] }).to_string();
        let lost = |error: &(dyn std::error::Error + 'static)| Trouble::NoAnswer(chain(error));
        let request = Request::post(format!("{}{PATH}", self.base))
            .header(header::CONTENT_TYPE, "application/json")
            .header(header::AUTHORIZATION, format!("TOKEN {}:{}", self.access_key, self.signature(&body)))
            .body(Full::new(Bytes::from(body)))
            .map_err(|error| lost(&error))?;
        let http = read::http().map_err(|error| lost(&error))?;
        davmux_driver::meter::count_call();
        let (head, body) = http.request(request).await.map_err(|error| lost(&error))?.into_parts();
        let body = Limited::new(body, ANSWER_LIMIT).collect().await.map_err(|error| lost(&*error))?.to_bytes();
        let answer: Option<Value> = serde_json::from_slice(&body).ok();
        let told = answer.as_ref().and_then(|answer| answer["code"].as_u64());
        let status = u64::from(head.status.as_u16());
        // Whichever of the two is no success counts; a success says so in both.
        let code = told.filter(|code| *code != 200).unwrap_or(status);
        match answer {
            Some(answer) if code == 200 && told.is_some() => Ok(answer),
            Some(answer) => {
                let message = answer["msg"].as_str().map(shorten).unwrap_or_default();
                Err(Trouble::Answer { code, message })
            }
            None => Err(Trouble::Answer { code, message: "(no JSON)".to_owned() }),
        }
    }

    /// Hex of HMAC-SHA1 over path, line feed and body: the very bytes that are sent.
    fn signature(&self, body: &str) -> String {
        #[expect(clippy::expect_used, reason = "HMAC takes a key of any length (RFC 2104 section 3)")]
        let mut mac = Hmac::<Sha1>::new_from_slice(self.secret_key.reveal().as_bytes()).expect("any key is taken");
        mac.update(PATH.as_bytes());
        mac.update(b"\n");
        mac.update(body.as_bytes());
        mac.finalize().into_bytes().iter().map(|byte| format!("{byte:02x}")).collect()
    }

    fn understood(&self, answer: &Value) -> Result<(Credentials, Space), NoKeys> {
        let data = &answer["data"];
        let text = |value: &Value| value.as_str().filter(|text| !text.is_empty()).map(ToOwned::to_owned);
        let key = |name: &str| text(&data["Credentials"][name]);
        let keys = (key("accessKeyId"), key("secretAccessKey"), key("sessionToken"), data["ExpiredAt"].as_u64());
        let (Some(id), Some(secret), Some(token), Some(ends)) = keys else {
            let text = "DogeCloud answered without keys or without their end";
            return Err(NoKeys::Unavailable(text.to_owned()));
        };
        let buckets = data["Buckets"].as_array().map(Vec::as_slice).unwrap_or_default();
        let named = |field: &str| buckets.iter().find(|offered| offered[field].as_str() == Some(&self.bucket));
        let Some(offered) = named("name").or_else(|| named("s3Bucket")) else {
            return Err(NoKeys::Unavailable(self.not_offered(buckets)));
        };
        let (Some(bucket), Some(endpoint)) = (text(&offered["s3Bucket"]), text(&offered["s3Endpoint"])) else {
            let text = format!("DogeCloud does not say where bucket {:?} is", self.bucket);
            return Err(NoKeys::Unavailable(text));
        };
        let ends: Option<SystemTime> = UNIX_EPOCH.checked_add(Duration::from_secs(ends));
        Ok((Credentials::new(id, secret, Some(token), ends, "dogecloud"), Space { bucket, endpoint }))
    }

    fn not_offered(&self, buckets: &[Value]) -> String {
        let mut names: Vec<&str> = buckets.iter().filter_map(|offered| offered["name"].as_str()).collect();
        let more = names.len().saturating_sub(NAMED);
        names.truncate(NAMED);
        match (names.is_empty(), more) {
            (true, _) => format!("DogeCloud offers no bucket to this access_key_id, so not {:?} either", self.bucket),
            (false, 0) => format!("DogeCloud offers no bucket {:?}; it offers {}", self.bucket, names.join(", ")),
            (false, _) => {
                format!("DogeCloud offers no bucket {:?}; it offers {} and {more} more", self.bucket, names.join(", "))
            }
        }
    }
}

/// Why there are no new keys.
#[derive(Debug)]
enum Trouble {
    /// Nothing came back, or not all of it.
    NoAnswer(String),
    /// DogeCloud said so.
    Answer { code: u64, message: String },
}

impl Trouble {
    /// Whether the same question may be answered in a moment.
    fn may_pass(&self) -> bool {
        !matches!(self, Self::Answer { code: 400..=407 | 409..=428 | 430..=499, .. })
    }
}

impl From<Trouble> for NoKeys {
    fn from(trouble: Trouble) -> Self {
        let passes = trouble.may_pass();
        match trouble {
            Trouble::NoAnswer(why) => Self::Unavailable(format!("DogeCloud's token API does not answer: {why}")),
            Trouble::Answer { code, message } if passes => {
                Self::Unavailable(format!("DogeCloud gives no keys now; it said {code} {message}"))
            }
            Trouble::Answer { code, message } => Self::Denied(format!(
                "DogeCloud gives no keys: check access_key_id and secret_access_key; it said {code} {message}"
            )),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn api(bucket: &str) -> TokenApi {
        TokenApi::new("http://127.0.0.1:9".into(), "ak".into(), Secret::new("sk"), bucket.into())
    }

    fn answer() -> Value {
        json!({ "code": 200, "msg": "OK", "data": {
            "Credentials": { "accessKeyId": "id", "secretAccessKey": "hidden", "sessionToken": "token" },
            "ExpiredAt": 4_000_000_000_u64,
            "Buckets": [
                { "name": "films", "s3Bucket": "s-gz-1-films-12", "s3Endpoint": "https://cos.ap-guangzhou.myqcloud.com" },
                { "name": "s-gz-1-films-12", "s3Bucket": "other", "s3Endpoint": "https://cos.ap-beijing.myqcloud.com" },
            ],
        } })
    }

    #[test]
    fn the_signature_is_over_path_and_body() {
        // printf '/auth/tmp_token.json\n{"channel":"OSS_FULL","scopes":["*"]}' | openssl dgst -sha1 -hmac sk
        assert_eq!(
            api("films").signature(r#"{"channel":"OSS_FULL","scopes":["*"]}"#),
            "7a516f37d808cbf5bdbcb1e03454cb10e75dc906"
        );
    }

    #[test]
    fn a_bucket_is_found_by_either_name_and_dogeclouds_own_wins() {
        let found = |bucket: &str| api(bucket).understood(&answer()).map(|(_, space)| space.bucket);
        assert_eq!(found("films").as_deref(), Ok("s-gz-1-films-12"));
        assert_eq!(found("other").as_deref(), Ok("other"));
        assert_eq!(found("s-gz-1-films-12").as_deref(), Ok("other"));
        let (keys, space) = api("films").understood(&answer()).unwrap();
        assert_eq!(space.endpoint, "https://cos.ap-guangzhou.myqcloud.com");
        assert_eq!((keys.session_token(), keys.expiry().is_some()), (Some("token"), true));
    }

    #[test]
    fn what_is_missing_in_an_answer_is_said() {
        let told = |path: &str, value: Value, bucket: &str| {
            let mut answer = answer();
            *answer.pointer_mut(path).unwrap() = value;
            api(bucket).understood(&answer).unwrap_err().to_string()
        };
        assert!(told("/data/ExpiredAt", Value::Null, "films").contains("without"));
        assert!(told("/data/Credentials/sessionToken", json!(""), "films").contains("without keys"));
        assert!(told("/data/Buckets/0/s3Endpoint", Value::Null, "films").contains("where bucket"));
        assert!(told("/data/Buckets", json!([]), "films").contains("offers no bucket to this"));
        let offered = told("/code", json!(200), "musik");
        assert!(offered.contains("\"musik\"") && offered.contains("films, s-gz-1-films-12"), "{offered}");
        let many: Vec<Value> = (0..25).map(|index| json!({ "name": format!("b{index}") })).collect();
        assert!(told("/data/Buckets", json!(many), "films").ends_with("b19 and 5 more"));
    }
}
