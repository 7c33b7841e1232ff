//! Backblaze's native API, as far as the CORS rules of a bucket need it.
//!
//! It refuses what Backblaze refuses: wrong keys and tokens, a bucket that the key is not for, a capability that it lacks, a
//! revision that is no longer, more than a hundred rules, names that it does not know. Sources: backblaze.com/apidocs
//! (b2-authorize-account, b2-list-buckets, b2-update-bucket), backblaze.com/docs/cloud-storage-cross-origin-resource-sharing-rules,
//! Backblaze/b2-sdk-python `b2sdk/_internal/exception.py` for statuses and codes.

use std::fmt;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use http::{Request, Response, StatusCode};
use http_body_util::{BodyExt as _, Full};
use hyper::body::Incoming;
use hyper_util::rt::{TokioExecutor, TokioIo};
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

const ACCOUNT: &str = "account-of-the-stand-in";
/// The names that a rule may have in `allowedOperations`.
const OPERATIONS: [&str; 9] = [
    "b2_download_file_by_id",
    "b2_download_file_by_name",
    "b2_upload_file",
    "b2_upload_part",
    "s3_delete",
    "s3_get",
    "s3_head",
    "s3_post",
    "s3_put",
];
/// The fields of a rule.
const FIELDS: [&str; 6] =
    ["corsRuleName", "allowedOrigins", "allowedOperations", "allowedHeaders", "exposeHeaders", "maxAgeSeconds"];
/// The most rules of a bucket, and the bytes that a rule's texts must stay below.
const MOST_RULES: usize = 100;
const RULE_BYTES: usize = 1000;

/// An application key.
#[derive(Clone)]
pub struct B2Key {
    /// `keyID`
    pub id: String,
    /// `applicationKey`
    pub secret: String,
    /// What it may do.
    pub capabilities: Vec<&'static str>,
    /// The one bucket that it is for; `None`: all.
    pub bucket: Option<String>,
}

impl fmt::Debug for B2Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("B2Key").field("id", &self.id).field("bucket", &self.bucket).finish_non_exhaustive()
    }
}

/// What an update meets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum B2Trouble {
    /// Somebody else changes the bucket just before.
    ChangedBefore,
    /// The change is made, and the connection breaks before the answer.
    AnswerLost,
}

/// The stand-in, on a free port of 127.0.0.1. It ends when this is dropped.
pub struct B2 {
    addr: SocketAddr,
    state: Arc<Mutex<State>>,
    task: JoinHandle<()>,
}

struct State {
    addr: SocketAddr,
    keys: Vec<B2Key>,
    /// Each token that was handed out, and the number of its key.
    tokens: Vec<(String, usize)>,
    buckets: Vec<Bucket>,
    calls: Vec<String>,
    trouble: Option<B2Trouble>,
}

struct Bucket {
    name: String,
    id: String,
    revision: u64,
    rules: Vec<Value>,
}

/// A refusal: the status, the code and the message.
type Refused = (StatusCode, &'static str, String);

impl fmt::Debug for B2 {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("B2").field("addr", &self.addr).finish_non_exhaustive()
    }
}

impl Drop for B2 {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl B2 {
    /// Starts it with these keys and no bucket.
    ///
    /// # Panics
    /// If no port can be listened on.
    pub async fn start(keys: Vec<B2Key>) -> Self {
        #[expect(clippy::expect_used, reason = "a test without its stand-in has failed, and should say so at once")]
        let (listener, addr) = async {
            let listener = TcpListener::bind(("127.0.0.1", 0)).await?;
            let addr = listener.local_addr()?;
            std::io::Result::Ok((listener, addr))
        }
        .await
        .expect("a port of 127.0.0.1 can be listened on");
        let state = State { addr, keys, tokens: Vec::new(), buckets: Vec::new(), calls: Vec::new(), trouble: None };
        let state = Arc::new(Mutex::new(state));
        let task = tokio::spawn(serve(listener, Arc::clone(&state)));
        Self { addr, state, task }
    }

    /// `http://127.0.0.1:PORT`
    pub fn url(&self) -> String {
        format!("http://{}", self.addr)
    }

    /// Makes a bucket with these rules, which are taken as they are.
    pub fn add_bucket(&self, name: &str, rules: Vec<Value>) {
        let mut state = locked(&self.state);
        let id = format!("id-of-{name}");
        state.buckets.push(Bucket { name: name.to_owned(), id, revision: 1, rules });
    }

    /// The rules of a bucket, as they are kept.
    pub fn rules(&self, name: &str) -> Vec<Value> {
        let state = locked(&self.state);
        state.buckets.iter().find(|bucket| bucket.name == name).map(|bucket| bucket.rules.clone()).unwrap_or_default()
    }

    /// The names of the calls that came so far.
    pub fn calls(&self) -> Vec<String> {
        locked(&self.state).calls.clone()
    }

    /// Every token that was handed out.
    pub fn tokens(&self) -> Vec<String> {
        locked(&self.state).tokens.iter().map(|(token, _)| token.clone()).collect()
    }

    /// Lets the next update meet this.
    pub fn trouble(&self, trouble: B2Trouble) {
        locked(&self.state).trouble = Some(trouble);
    }
}

fn locked(state: &Mutex<State>) -> MutexGuard<'_, State> {
    state.lock().unwrap_or_else(PoisonError::into_inner)
}

async fn serve(listener: TcpListener, state: Arc<Mutex<State>>) {
    // Dropped with the task, and then the connections end.
    let mut connections = tokio::task::JoinSet::new();
    while let Ok((stream, _)) = listener.accept().await {
        let state = Arc::clone(&state);
        connections.spawn(async move {
            let service = hyper::service::service_fn(move |request| answer(request, Arc::clone(&state)));
            let server = hyper_util::server::conn::auto::Builder::new(TokioExecutor::new());
            // A connection that breaks is the client's concern.
            let _ = server.serve_connection(TokioIo::new(stream), service).await;
        });
    }
}

async fn answer(request: Request<Incoming>, state: Arc<Mutex<State>>) -> Result<Response<Full<Bytes>>, Lost> {
    let (head, body) = request.into_parts();
    let body = body.collect().await.map_err(|_| Lost)?.to_bytes();
    let mut state = locked(&state);
    let call = head.uri.path().strip_prefix("/b2api/v4/").unwrap_or_default().to_owned();
    state.calls.push(call.clone());
    let authorization = head.headers.get(http::header::AUTHORIZATION).and_then(|value| value.to_str().ok());
    let authorization = authorization.unwrap_or_default();
    let answer = match call.as_str() {
        "b2_authorize_account" => state.authorize(authorization),
        "b2_list_buckets" => state.asked(authorization, &body).and_then(|(key, body)| state.list(&key, &body)),
        "b2_update_bucket" => {
            let trouble = state.trouble.take();
            let answer = state
                .asked(authorization, &body)
                .and_then(|(key, body)| state.update(&key, &body, trouble == Some(B2Trouble::ChangedBefore)));
            if trouble == Some(B2Trouble::AnswerLost) {
                return Err(Lost);
            }
            answer
        }
        _ => Err((StatusCode::NOT_FOUND, "not_found", format!("Invalid path: {}", head.uri.path()))),
    };
    let (status, body) = match answer {
        Ok(body) => (StatusCode::OK, body),
        Err((status, code, message)) => {
            (status, json!({ "status": status.as_u16(), "code": code, "message": message }))
        }
    };
    let mut response = Response::new(Full::new(Bytes::from(body.to_string())));
    *response.status_mut() = status;
    Ok(response)
}

/// The connection breaks.
#[derive(Debug)]
struct Lost;

impl fmt::Display for Lost {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the connection breaks")
    }
}

impl std::error::Error for Lost {}

fn bad_request(message: impl Into<String>) -> Refused {
    (StatusCode::BAD_REQUEST, "bad_request", message.into())
}

fn unauthorized() -> Refused {
    (StatusCode::UNAUTHORIZED, "unauthorized", "unauthorized".to_owned())
}

/// No field but these.
fn only(fields: &[&str], object: &Value) -> Result<(), Refused> {
    let object = object.as_object().ok_or_else(|| bad_request("an object is needed"))?;
    match object.keys().find(|name| !fields.contains(&name.as_str())) {
        Some(name) => Err((StatusCode::BAD_REQUEST, "bad_json", format!("unknown field in request: {name}"))),
        None => Ok(()),
    }
}

impl State {
    fn authorize(&mut self, authorization: &str) -> Result<Value, Refused> {
        let known = |key: &B2Key| STANDARD.encode(format!("{}:{}", key.id, key.secret));
        let given = authorization.strip_prefix("Basic ").unwrap_or_default();
        let at = self.keys.iter().position(|key| known(key) == given).ok_or_else(unauthorized)?;
        let token = format!("4_token-{}-{at}", self.tokens.len());
        self.tokens.push((token.clone(), at));
        let key = &self.keys[at];
        let buckets = key.bucket.as_ref().map(|name| json!([{ "id": format!("id-of-{name}"), "name": name }]));
        let url = format!("http://{}", self.addr);
        Ok(json!({
            "accountId": ACCOUNT,
            "authorizationToken": token,
            "apiInfo": { "storageApi": {
                "apiUrl": url,
                "downloadUrl": url,
                "allowed": { "buckets": buckets, "capabilities": key.capabilities, "namePrefix": null },
            } },
        }))
    }

    /// Whose token it is, and what is asked.
    fn asked(&self, token: &str, body: &[u8]) -> Result<(B2Key, Value), Refused> {
        let known = self.tokens.iter().find(|(known, _)| known == token);
        let Some((_, key)) = known else {
            let message = format!("Invalid authorization token: {token}");
            return Err((StatusCode::UNAUTHORIZED, "bad_auth_token", message));
        };
        let body: Value =
            serde_json::from_slice(body).map_err(|error| (StatusCode::BAD_REQUEST, "bad_json", error.to_string()))?;
        if body.get("accountId").and_then(Value::as_str) != Some(ACCOUNT) {
            return Err(bad_request("accountId is not the one of the token"));
        }
        Ok((self.keys[*key].clone(), body))
    }

    fn list(&self, key: &B2Key, body: &Value) -> Result<Value, Refused> {
        only(&["accountId", "bucketId", "bucketName", "bucketTypes"], body)?;
        let name = body.get("bucketName").and_then(Value::as_str);
        // A key that is for one bucket must name it.
        if !key.capabilities.contains(&"listBuckets") || key.bucket.as_deref().is_some_and(|own| name != Some(own)) {
            return Err(unauthorized());
        }
        let found = self.buckets.iter().filter(|bucket| name.is_none_or(|name| name == bucket.name));
        Ok(json!({ "buckets": found.map(Bucket::told).collect::<Vec<_>>() }))
    }

    fn update(&mut self, key: &B2Key, body: &Value, changed_before: bool) -> Result<Value, Refused> {
        only(&["accountId", "bucketId", "corsRules", "ifRevisionIs"], body)?;
        let id = body.get("bucketId").and_then(Value::as_str).unwrap_or_default();
        let Some(bucket) = self.buckets.iter_mut().find(|bucket| bucket.id == id) else {
            return Err((StatusCode::BAD_REQUEST, "bad_bucket_id", "Bucket does not exist".to_owned()));
        };
        if !key.capabilities.contains(&"writeBuckets") || key.bucket.as_ref().is_some_and(|own| *own != bucket.name) {
            return Err(unauthorized());
        }
        if changed_before {
            bucket.revision += 1;
        }
        if body.get("ifRevisionIs").is_some_and(|revision| revision.as_u64() != Some(bucket.revision)) {
            return Err((StatusCode::CONFLICT, "conflict", "the bucket has another revision".to_owned()));
        }
        let rules = body.get("corsRules").and_then(Value::as_array).ok_or_else(|| bad_request("no corsRules"))?;
        if rules.len() > MOST_RULES {
            return Err(bad_request("Too many CORS rules"));
        }
        rules.iter().try_for_each(check)?;
        let names: std::collections::HashSet<_> = rules.iter().map(|rule| rule["corsRuleName"].to_string()).collect();
        if names.len() < rules.len() {
            return Err(bad_request("two rules have one name"));
        }
        bucket.rules.clone_from(rules);
        bucket.revision += 1;
        Ok(bucket.told())
    }
}

/// Whether Backblaze takes a rule.
fn check(rule: &Value) -> Result<(), Refused> {
    only(&FIELDS, rule)?;
    let texts = |name: &str| match rule.get(name) {
        None | Some(Value::Null) => Some(Vec::new()),
        Some(list) => list.as_array()?.iter().map(Value::as_str).collect::<Option<Vec<_>>>(),
    };
    let list = |name: &str| texts(name).ok_or_else(|| bad_request(format!("{name} is no list of texts")));
    let name = rule["corsRuleName"].as_str().unwrap_or_default();
    let good = name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-');
    if !good || !(6..=50).contains(&name.len()) || name.starts_with("b2-") {
        return Err(bad_request(format!("bad corsRuleName: {name}")));
    }
    if list("allowedOrigins")?.iter().any(|text| text.is_empty()) || list("allowedOrigins")?.is_empty() {
        return Err(bad_request("illegal empty string in allowedOrigins"));
    }
    let operations = list("allowedOperations")?;
    if operations.is_empty() {
        return Err(bad_request("allowedOperations must not be empty"));
    }
    if let Some(unknown) = operations.iter().find(|operation| !OPERATIONS.contains(operation)) {
        return Err(bad_request(format!("unknown operation in allowedOperations: {unknown}")));
    }
    if rule["maxAgeSeconds"].as_u64().is_none_or(|seconds| seconds > 86_400) {
        return Err(bad_request("maxAgeSeconds must be between 0 and 86400"));
    }
    let lists = [list("allowedOrigins")?, operations, list("allowedHeaders")?, list("exposeHeaders")?];
    let bytes = name.len() + lists.iter().flatten().map(|text| text.len()).sum::<usize>();
    if bytes >= RULE_BYTES { Err(bad_request(format!("CORS rule {name} is too long"))) } else { Ok(()) }
}

impl Bucket {
    /// As Backblaze tells it: names of headers in lower case, lists in another order.
    fn told(&self) -> Value {
        let mut rules = self.rules.clone();
        for rule in rules.iter_mut().filter_map(Value::as_object_mut) {
            for (name, list) in rule.iter_mut().filter_map(|(name, list)| Some((name, list.as_array_mut()?))) {
                list.reverse();
                if name == "exposeHeaders" {
                    for text in list {
                        *text = text.as_str().map(str::to_ascii_lowercase).into();
                    }
                }
            }
        }
        json!({
            "accountId": ACCOUNT, "bucketId": self.id, "bucketInfo": {}, "bucketName": self.name,
            "bucketType": "allPrivate", "corsRules": rules, "lifecycleRules": [], "options": ["s3"],
            "revision": self.revision,
        })
    }
}
