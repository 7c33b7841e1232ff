//! DogeCloud's token API: it hands out temporary keys that an S3 server takes for two hours.
//!
//! It refuses what DogeCloud refuses: an unknown access key, a signature that is not over the very bytes that came, a
//! channel or scopes that it does not know. A refusal is a `code` in an answer of HTTP status 200. Facts: AlistGo/alist
//! `drivers/s3/doge.go` and the clients that agree with it; the texts of its messages are not known and made up.

use std::fmt;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use bytes::Bytes;
use davmux_s3_server::{Key, Keyring};
use hmac::{Hmac, KeyInit as _, Mac as _};
use http::{Method, Request, Response, StatusCode, header};
use http_body_util::{BodyExt as _, Full};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use serde_json::{Value, json};
use sha1::Sha1;
use tokio::net::{TcpListener, TcpStream};
use tokio::task::{JoinHandle, JoinSet};

const PATH: &str = "/auth/tmp_token.json";
const ACCESS_KEY: &str = "doge-access";
const SECRET_KEY: &str = "doge-secret";
/// How long keys live.
const LIFE: Duration = Duration::from_secs(2 * 60 * 60);

/// A bucket that the API offers.
#[derive(Clone, Debug)]
pub struct Offered {
    /// DogeCloud's name for it.
    pub name: String,
    /// Its name at the storage behind.
    pub s3_bucket: String,
    /// Base URL of that storage.
    pub s3_endpoint: String,
}

/// What befalls every question until it is over.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Trouble {
    /// The connection breaks.
    Broken,
    /// This HTTP status, with this `code` and `msg`.
    Says(u16, u64, &'static str),
}

/// The stand-in, on a free port of 127.0.0.1. It ends when this is dropped.
pub struct DogeCloud {
    addr: SocketAddr,
    state: Arc<Mutex<State>>,
    task: JoinHandle<()>,
}

struct State {
    keyring: Keyring,
    buckets: Vec<Offered>,
    /// The keys that work, and how long they still do.
    given: Vec<(String, Duration)>,
    life: Duration,
    calls: usize,
    trouble: Option<Trouble>,
}

impl fmt::Debug for DogeCloud {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DogeCloud").field("addr", &self.addr).finish_non_exhaustive()
    }
}

impl DogeCloud {
    /// Starts it. Keys that it hands out go into `keyring`, that of the server behind.
    ///
    /// # Panics
    /// If no port can be listened on: without a server there is nothing to test.
    #[expect(clippy::expect_used, reason = "a test that has no server has failed, and should say so where it began")]
    pub async fn start(keyring: Keyring, buckets: Vec<Offered>) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.expect("a port of loopback");
        let addr = listener.local_addr().expect("a listener has an address");
        let state = State { keyring, buckets, given: Vec::new(), life: LIFE, calls: 0, trouble: None };
        let state = Arc::new(Mutex::new(state));
        let task = tokio::spawn(accept(listener, Arc::clone(&state)));
        Self { addr, state, task }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Base URL of the API.
    pub fn endpoint(&self) -> String {
        format!("http://{}", self.addr)
    }

    /// The access key that it knows.
    pub fn access_key(&self) -> &'static str {
        ACCESS_KEY
    }

    /// The secret of that key.
    pub fn secret_key(&self) -> &'static str {
        SECRET_KEY
    }

    /// Questions that came so far.
    pub fn calls(&self) -> usize {
        self.state().calls
    }

    /// Moves its clock: keys whose two hours are over by it have ended for the S3 server.
    pub fn pass(&self, time: Duration) {
        let mut state = self.state();
        let State { keyring, given, .. } = &mut *state;
        given.retain_mut(|(id, left)| {
            *left = left.saturating_sub(time);
            if left.is_zero() {
                keyring.end(id, UNIX_EPOCH);
            }
            !left.is_zero()
        });
    }

    /// The S3 server forgets all keys that were handed out.
    pub fn revoke(&self) {
        let mut state = self.state();
        let State { keyring, given, .. } = &mut *state;
        given.drain(..).for_each(|(id, _)| keyring.remove(&id));
    }

    /// Lets keys live so long from now on.
    pub fn set_life(&self, life: Duration) {
        self.state().life = life;
    }

    /// Begins or ends a trouble.
    pub fn set_trouble(&self, trouble: Option<Trouble>) {
        self.state().trouble = trouble;
    }

    /// Offers other buckets.
    pub fn offer(&self, buckets: Vec<Offered>) {
        self.state().buckets = buckets;
    }
}

impl Drop for DogeCloud {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn accept(listener: TcpListener, state: Arc<Mutex<State>>) {
    // They end with this task.
    let mut connections = JoinSet::new();
    while let Ok((stream, _)) = listener.accept().await {
        connections.spawn(serve(stream, Arc::clone(&state)));
        while connections.try_join_next().is_some() {}
    }
}

async fn serve(stream: TcpStream, state: Arc<Mutex<State>>) {
    let answer = service_fn(move |request| answer(request, Arc::clone(&state)));
    // A connection that ended early is the test's business.
    let _ended = http1::Builder::new().serve_connection(TokioIo::new(stream), answer).await;
}

async fn answer(
    request: Request<Incoming>,
    state: Arc<Mutex<State>>,
) -> Result<Response<Full<Bytes>>, Box<dyn std::error::Error + Send + Sync>> {
    let (head, body) = request.into_parts();
    let body = body.collect().await?.to_bytes();
    let mut state = state.lock().unwrap_or_else(PoisonError::into_inner);
    state.calls += 1;
    let (status, value) = match state.trouble.clone() {
        Some(Trouble::Broken) => return Err("the script breaks this connection".into()),
        Some(Trouble::Says(status, code, message)) => {
            (StatusCode::from_u16(status)?, json!({ "code": code, "msg": message }))
        }
        None if head.method != Method::POST || head.uri.path() != PATH => {
            (StatusCode::NOT_FOUND, json!({ "code": 404, "msg": "no such interface" }))
        }
        None => (StatusCode::OK, state.token(&head.headers, &body)),
    };
    Ok(Response::builder()
        .status(status)
        .header(header::CONTENT_TYPE, "application/json")
        .body(Full::new(Bytes::from(value.to_string())))?)
}

impl State {
    fn token(&mut self, headers: &http::HeaderMap, body: &[u8]) -> Value {
        let header = |name| headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default();
        if header(header::AUTHORIZATION) != format!("TOKEN {ACCESS_KEY}:{}", signature(body)) {
            return json!({ "code": 401, "msg": "unauthorized" });
        }
        let asked: Value = serde_json::from_slice(body).unwrap_or_default();
        let channel = asked["channel"].as_str().unwrap_or_default();
        let scopes = asked["scopes"].as_array().is_some_and(|scopes| !scopes.is_empty());
        if !header(header::CONTENT_TYPE).starts_with("application/json") || channel != "OSS_FULL" || !scopes {
            return json!({ "code": 400, "msg": "invalid parameters" });
        }
        let number = self.calls;
        let (id, secret, token) =
            (format!("tmp-{number}"), format!("tmp-secret-{number}"), format!("tmp+token/{number}"));
        self.keyring.add(Key::new(&id, &secret).session_token(&token));
        self.given.push((id.clone(), self.life));
        let ends = SystemTime::now() + self.life;
        let buckets = self.buckets.iter().map(
            |offered| json!({ "name": offered.name, "s3Bucket": offered.s3_bucket, "s3Endpoint": offered.s3_endpoint }),
        );
        json!({ "code": 200, "msg": "OK", "data": {
            "Credentials": { "accessKeyId": id, "secretAccessKey": secret, "sessionToken": token },
            "ExpiredAt": ends.duration_since(UNIX_EPOCH).unwrap_or_default().as_secs(),
            "Buckets": buckets.collect::<Vec<_>>(),
        } })
    }
}

fn signature(body: &[u8]) -> String {
    #[expect(clippy::expect_used, reason = "HMAC takes a key of any length (RFC 2104 section 3)")]
    let mut mac = Hmac::<Sha1>::new_from_slice(SECRET_KEY.as_bytes()).expect("any key is taken");
    mac.update(PATH.as_bytes());
    mac.update(b"\n");
    mac.update(body);
    mac.finalize().into_bytes().iter().map(|byte| format!("{byte:02x}")).collect()
}
