//! What an administrator and their tools ask, on a listener of its own: whether all is well, what was counted, to forget
//! what is cached, and which locks there are.
//!
//! There are no passwords here. Whether all is well and what was counted is told to whoever reaches the address, as probes
//! come from other machines; the rest is for this machine alone: for a peer on loopback or a Unix socket, that no proxy stands between.
//! A web page that such a peer's browser shows is kept out too: one of another site says so by `Origin` or
//! `Sec-Fetch-Site`, and one that had its own name resolved to this address (DNS rebinding) by the name in `Host`.

use std::net::IpAddr;
use std::time::Duration;

use bytes::Bytes;
use davmux_metrics::{MEDIA_TYPE, Page};
use http::request::Parts;
use http::{HeaderMap, HeaderValue, Method, Request, Response, StatusCode, header};
use http_body_util::{BodyExt, Full};
use serde_json::{Map, Value, json};

use crate::{Anonymous, Application, Body, Bound, Caller, Handle, Listen, Options, Prepared};
use crate::{RequestBody, Result, Server, process};

/// How long the requests in flight may go on after a shutdown.
const DRAIN: Duration = Duration::from_secs(5);

/// What is served, as its administrator sees it.
pub trait Administration: Send + Sync + 'static {
    /// How each part of what is served is. Takes a few seconds at most.
    fn health(&self) -> impl Future<Output = Vec<Health>> + Send;

    /// Writes what is counted of what is served.
    fn measure(&self, page: &mut Page) -> impl Future<Output = ()> + Send;

    /// Forgets what is known of the folder at a path and of all below it.
    ///
    /// # Errors
    /// [`Refused`]; nothing was forgotten then.
    fn refresh(&self, path: &str) -> Result<(), Refused>;

    /// Reads again what is served, and serves that. Says what changed, or each mistake; then nothing has.
    fn reload(&self) -> impl Future<Output = Result<String, String>> + Send;

    /// The locks at a path and below.
    ///
    /// # Errors
    /// [`Refused`]
    fn locks(&self, path: &str) -> impl Future<Output = Result<Vec<Held>, Refused>> + Send;

    /// Ends the locks at a path and below, whoever holds them; answers how many.
    ///
    /// # Errors
    /// [`Refused`]
    fn end_locks(&self, path: &str) -> impl Future<Output = Result<usize, Refused>> + Send;
}

/// How a part of what is served is: a mount.
#[derive(Clone, Debug)]
pub struct Health {
    /// Where it is.
    pub path: String,
    /// Whether it answered when it was last asked.
    pub ready: bool,
    /// How long ago that was.
    pub age: Duration,
    /// What was wrong when it last was in trouble, and how long ago that was.
    pub last_error: Option<(String, Duration)>,
}

/// A lock that somebody holds. Its token is nobody else's business.
#[derive(Clone, Debug)]
pub struct Held {
    /// What is locked.
    pub path: String,
    /// Who holds it; `None`: somebody who is not logged in.
    pub user: Option<String>,
    /// Others may hold it too.
    pub shared: bool,
    /// All that is below is locked too.
    pub deep: bool,
    /// When it ends by itself.
    pub ends_in: Duration,
}

/// Why nothing can be done at a path.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    /// It is no path.
    #[error("this is not a path")]
    Invalid,
    /// Nothing can be there.
    #[error("no mount covers this path and none lies below it")]
    Nowhere,
    /// What is asked for cannot be looked at.
    #[error("the state store does not answer; the log says more")]
    Unavailable,
}

/// Answers an administrator.
#[derive(Debug)]
pub struct Admin<A>(A);

impl Server {
    /// Binds the address at which an administrator asks; with none nobody can, until a reload brings one.
    ///
    /// # Errors
    /// An address that cannot be bound.
    pub async fn bind_admin<A: Administration>(listen: Option<Listen>, administration: A) -> Result<Bound<Admin<A>>> {
        Self::bind_unchecked(options(listen), Admin(administration)).await
    }
}

impl<A: Administration> Handle<Admin<A>> {
    /// As [`prepare`](Self::prepare), for an administrator's listener.
    ///
    /// # Errors
    /// An address that cannot be bound.
    pub async fn prepare_admin(&self, listen: Option<Listen>, administration: A) -> Result<Prepared<Admin<A>>> {
        self.prepare_unchecked(options(listen), Admin(administration)).await
    }
}

fn options(listen: Option<Listen>) -> Options {
    if let Some(address) = listen.as_ref().filter(|listen| listen.is_reachable_from_outside()) {
        tracing::warn!(
            %address,
            "other machines can reach admin_listen: they are told which mounts there are, what is wrong with them and how \
             often they are used, and nothing else"
        );
    }
    Options {
        listen: Vec::from_iter(listen),
        anonymous: Anonymous::ReadOnly,
        drain: DRAIN,
        access_log: false,
        ..Options::default()
    }
}

impl<A: Administration> Application for Admin<A> {
    async fn call(&self, request: Request<RequestBody>, caller: Caller) -> Response<Body> {
        let (parts, _) = request.into_parts();
        match parts.uri.path() {
            "/healthz" => reading(&parts).unwrap_or_else(|| text(StatusCode::OK, "ok\n")),
            "/readyz" => match reading(&parts) {
                Some(refused) => refused,
                None => readiness(&self.0.health().await, query(&parts, "mount").as_deref()),
            },
            "/metrics" => match reading(&parts) {
                Some(refused) => refused,
                None => self.metrics().await,
            },
            "/refresh" => match allowed(&parts, &[Method::POST]).or_else(|| from_elsewhere(&parts.headers, &caller)) {
                Some(refused) => refused,
                None => self.refresh(query(&parts, "path").as_deref().unwrap_or("/")),
            },
            "/reload" => match allowed(&parts, &[Method::POST]).or_else(|| from_elsewhere(&parts.headers, &caller)) {
                Some(refused) => refused,
                None => match self.0.reload().await {
                    Ok(changes) => text(StatusCode::OK, changes + "\n"),
                    Err(mistakes) => text(StatusCode::UNPROCESSABLE_ENTITY, mistakes + "\n"),
                },
            },
            "/locks" => {
                let ends = parts.method == Method::DELETE;
                let refused = allowed(&parts, &[Method::GET, Method::HEAD, Method::DELETE]);
                match (refused.or_else(|| from_elsewhere(&parts.headers, &caller)), query(&parts, "path")) {
                    (Some(refused), _) => refused,
                    (None, Some(path)) if ends => self.end_locks(&path).await,
                    (None, None) if ends => text(StatusCode::BAD_REQUEST, "a path is needed: /locks?path=/a\n"),
                    (None, path) => self.locks(path.as_deref().unwrap_or("/")).await,
                }
            }
            _ => text(StatusCode::NOT_FOUND, "here are /healthz, /readyz, /metrics, /refresh, /reload and /locks\n"),
        }
    }
}

impl<A: Administration> Admin<A> {
    async fn metrics(&self) -> Response<Body> {
        let mut page = Page::default();
        self.0.measure(&mut page).await;
        let written = tokio::task::spawn_blocking(move || {
            process::write(&mut page);
            page.finish()
        });
        let Ok(Ok(written)) = written.await else {
            return text(StatusCode::INTERNAL_SERVER_ERROR, "the numbers cannot be written\n");
        };
        let mut response = text(StatusCode::OK, written);
        response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static(MEDIA_TYPE));
        response
    }

    fn refresh(&self, path: &str) -> Response<Body> {
        match self.0.refresh(path) {
            Ok(()) => {
                tracing::info!(path, "an administrator had what is cached of it forgotten");
                let mut response = text(StatusCode::NO_CONTENT, "");
                response.headers_mut().remove(header::CONTENT_TYPE);
                response
            }
            Err(error) => refusal(error),
        }
    }

    async fn locks(&self, path: &str) -> Response<Body> {
        let shown = |lock: &Held| {
            json!({
                "path": lock.path,
                "user": lock.user,
                "scope": if lock.shared { "shared" } else { "exclusive" },
                "depth": if lock.deep { "infinity" } else { "0" },
                "ends_in_s": lock.ends_in.as_secs(),
            })
        };
        match self.0.locks(path).await {
            Ok(locks) => json(StatusCode::OK, &json!({ "locks": locks.iter().map(shown).collect::<Vec<_>>() })),
            Err(error) => refusal(error),
        }
    }

    async fn end_locks(&self, path: &str) -> Response<Body> {
        match self.0.end_locks(path).await {
            Ok(ended) => {
                tracing::info!(
                    target: "audit",
                    action = "end-locks",
                    path,
                    result = "done",
                    ended,
                    "an administrator ended its locks"
                );
                json(StatusCode::OK, &json!({ "ended": ended }))
            }
            Err(error) => refusal(error),
        }
    }
}

fn refusal(error: Refused) -> Response<Body> {
    let status = match error {
        Refused::Invalid => StatusCode::BAD_REQUEST,
        Refused::Nowhere => StatusCode::NOT_FOUND,
        Refused::Unavailable => StatusCode::SERVICE_UNAVAILABLE,
    };
    text(status, format!("{error}\n"))
}

fn json(status: StatusCode, value: &Value) -> Response<Body> {
    let mut response = text(status, format!("{value:#}\n"));
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    response
}

/// 503 where no mount is ready, or where the one that was asked for is not: one of several that is in trouble is no reason
/// to take the others out of service.
fn readiness(mounts: &[Health], one: Option<&str>) -> Response<Body> {
    let mut asked = mounts.iter().filter(|mount| one.is_none_or(|one| mount.path == one)).peekable();
    if asked.peek().is_none() {
        return text(StatusCode::NOT_FOUND, "there is no such mount\n");
    }
    let shown: Vec<Value> = asked.clone().map(show).collect();
    let status = if asked.any(|mount| mount.ready) { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    json(status, &json!({ "mounts": shown }))
}

fn show(mount: &Health) -> Value {
    let mut shown = Map::new();
    shown.insert("path".into(), mount.path.as_str().into());
    shown.insert("ready".into(), mount.ready.into());
    shown.insert("age_s".into(), mount.age.as_secs().into());
    if let Some((error, age)) = &mount.last_error {
        shown.insert("last_error".into(), json!({ "text": error, "age_s": age.as_secs() }));
    }
    shown.into()
}

/// What becomes of another method than GET and HEAD.
fn reading(parts: &Parts) -> Option<Response<Body>> {
    allowed(parts, &[Method::GET, Method::HEAD])
}

fn allowed(parts: &Parts, methods: &[Method]) -> Option<Response<Body>> {
    if methods.contains(&parts.method) {
        return None;
    }
    let mut response = text(StatusCode::METHOD_NOT_ALLOWED, "another method is needed here\n");
    let names: Vec<_> = methods.iter().map(Method::as_str).collect();
    if let Ok(allow) = HeaderValue::try_from(names.join(", ")) {
        response.headers_mut().insert(header::ALLOW, allow);
    }
    Some(response)
}

/// What becomes of a request that does not come from a program on this machine.
fn from_elsewhere(headers: &HeaderMap, caller: &Caller) -> Option<Response<Body>> {
    let here = caller.peer.is_none_or(|peer| peer.is_loopback()) && !caller.forwarded;
    let by_page = headers.contains_key(header::ORIGIN)
        || headers.get("sec-fetch-site").is_some_and(|site| site != "none")
        || caller.host.as_deref().is_some_and(|host| !is_of_this_machine(host));
    let reason = match (here, by_page) {
        (true, false) => return None,
        (false, _) => "this is done for programs on this machine only\n",
        (true, true) => "this is not done for web pages, and Host must be an address or localhost\n",
    };
    Some(text(StatusCode::FORBIDDEN, reason))
}

/// Whether a host, with or without a port, is `localhost` or an address and no other name.
fn is_of_this_machine(host: &str) -> bool {
    let name = match host.strip_prefix('[') {
        Some(v6) => v6.split(']').next().unwrap_or_default(),
        None => host.split(':').next().unwrap_or_default(),
    };
    name.eq_ignore_ascii_case("localhost") || name.parse::<IpAddr>().is_ok()
}

/// A parameter of the query, with `%` escapes. A `+` is a `+` (RFC 3986), as it is in paths.
fn query(parts: &Parts, name: &str) -> Option<String> {
    let pairs = parts.uri.query()?.split('&');
    let value = pairs.filter_map(|pair| pair.split_once('=')).find(|(found, _)| *found == name)?.1;
    let mut decoded = Vec::with_capacity(value.len());
    let mut rest = value.as_bytes();
    while let Some((first, after)) = rest.split_first() {
        let escaped = after.get(..2).filter(|_| *first == b'%').and_then(|digits| {
            let digits = str::from_utf8(digits).ok()?;
            u8::from_str_radix(digits, 16).ok()
        });
        decoded.push(escaped.unwrap_or(*first));
        rest = if escaped.is_some() { &after[2..] } else { after };
    }
    // What is no UTF-8 is no path either, and is refused as such.
    Some(String::from_utf8_lossy(&decoded).into_owned())
}

fn text(status: StatusCode, text: impl Into<Bytes>) -> Response<Body> {
    let mut response = Response::new(Full::new(text.into()).map_err(|never| match never {}).boxed_unsync());
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("text/plain; charset=utf-8"));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_addresses_and_localhost_are_of_this_machine() {
        for host in ["127.0.0.1:9090", "localhost", "LOCALHOST:1", "[::1]:9090", "10.0.0.1"] {
            assert!(is_of_this_machine(host), "{host}");
        }
        for host in ["evil.example", "localhost.evil.example:9090", "127.0.0.1.evil.example", "", "[x]"] {
            assert!(!is_of_this_machine(host), "{host}");
        }
    }

    #[test]
    fn a_parameter_is_unescaped_once_and_keeps_its_plus() {
        let (parts, ()) =
            Request::get("/refresh?a=b&path=/a%2520b+c%C3%A9%zz%2&path=no").body(()).unwrap().into_parts();
        assert_eq!(query(&parts, "path").unwrap(), "/a%20b+c\u{e9}%zz%2");
        assert_eq!(query(&parts, "pat"), None);
    }
}
