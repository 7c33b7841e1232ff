//! [`Worker`]: the download proxy itself, as an application of a server.

use std::borrow::Cow;
use std::sync::Arc;
use std::time::SystemTime;

use davmux_driver::RelPath;
use davmux_driver::meter::Meter;
use davmux_server::{AccessNote, Application, Body, Caller, RequestBody, Secret};
use http::header::{
    ACCESS_CONTROL_ALLOW_HEADERS, ACCESS_CONTROL_ALLOW_METHODS, ACCESS_CONTROL_MAX_AGE, ACCESS_CONTROL_REQUEST_HEADERS,
    ALLOW, RETRY_AFTER,
};
use http::request::Parts;
use http::{HeaderMap, HeaderValue, Method, Request, Response, StatusCode};
use percent_encoding::percent_decode_str;

use crate::api::NoFetch;
use crate::backend::{Backend, NoRoots};
use crate::conditions::Asked;
use crate::davmux::{Davmux, NoLink};
use crate::relay::{self, empty, open_to_pages, plain};
use crate::source::{Source, Trouble};
use crate::{BadSignature, BaseUrl, SignKeys};

const METHODS: HeaderValue = HeaderValue::from_static("GET, HEAD, OPTIONS");

/// For whom a worker works.
#[derive(Clone, Debug)]
pub struct WorkerOptions {
    /// The server, with the path where its tree begins.
    pub server: BaseUrl,
    /// With which it is asked.
    pub token: Secret,
    /// What its signatures are checked with.
    pub keys: SignKeys,
    /// Also take signatures that never expire.
    pub endless: bool,
}

/// A download proxy: gives out the file that a signature names.
#[derive(Debug)]
pub struct Worker {
    source: Arc<Source>,
    keys: SignKeys,
    endless: bool,
}

impl Worker {
    /// Asks nobody yet.
    ///
    /// # Errors
    /// [`NoRoots`]
    pub fn new(options: WorkerOptions) -> Result<Self, NoRoots> {
        let WorkerOptions { server, token, keys, endless } = options;
        let backend = Backend::new()?;
        let source = Source { davmux: Davmux::new(backend.clone(), &server, &token), backend };
        Ok(Self { source: Arc::new(source), keys, endless })
    }

    async fn answer(&self, request: &Parts) -> (Response<Body>, &'static str) {
        let not_utf8 = || (plain(StatusCode::BAD_REQUEST, "the path is not UTF-8".to_owned()), "path");
        let Ok(signed) = percent_decode_str(request.uri.path()).decode_utf8() else { return not_utf8() };
        let checked = match sign(request.uri.query().unwrap_or_default()) {
            Some(sign) => self.keys.verify(&signed, &sign, SystemTime::now(), self.endless),
            None => Err(BadSignature::Missing),
        };
        if let Err(bad) = checked {
            return (plain(StatusCode::FORBIDDEN, bad.to_string()), bad.word());
        }
        // A server signs no other path.
        let below =
            signed.strip_prefix('/').and_then(|below| RelPath::parse(below).ok()).filter(|path| !path.is_root());
        let Some(path) = below else { return (plain(StatusCode::NOT_FOUND, "no file is there".to_owned()), "path") };
        let is_head = request.method == Method::HEAD;
        let asked = if is_head { Asked::of_head(&request.headers) } else { Asked::by(&request.headers) };
        let mut fetched = self.source.fetch(&signed, &asked.headers).await;
        if let (Ok(answer), Some(whole)) = (&fetched, asked.instead())
            && answer.status() == StatusCode::PRECONDITION_FAILED
        {
            fetched = self.source.fetch(&signed, &whole).await;
        }
        match fetched {
            Ok(answer) if is_head => (relay::of_head(&answer), "signed"),
            Ok(answer) => (relay::get(&self.source, &signed, &path, answer), "signed"),
            Err(trouble) => {
                tracing::warn!(%path, error = %trouble, "a file cannot be given out");
                refused(&trouble)
            }
        }
    }
}

impl Application for Worker {
    /// The signature alone counts.
    fn looks_at_credentials(&self, _request: &Parts) -> bool {
        true
    }

    async fn call(&self, request: Request<RequestBody>, _caller: Caller) -> Response<Body> {
        let (parts, _) = request.into_parts();
        match parts.method {
            Method::GET | Method::HEAD => {}
            Method::OPTIONS => return preflight(&parts.headers),
            _ => {
                let mut response = plain(StatusCode::METHOD_NOT_ALLOWED, "files are only read here".to_owned());
                response.headers_mut().insert(ALLOW, METHODS);
                return response;
            }
        }
        let meter = Meter::new();
        let (mut response, why) = meter.clone().scope(self.answer(&parts)).await;
        let done = if response.status().is_client_error() { "refused" } else { "relay" };
        let note = AccessNote {
            read: Some((Cow::Borrowed(done), Cow::Borrowed(why))),
            backend_calls: Some(Arc::new(move || meter.calls())),
        };
        response.extensions_mut().insert(note);
        response
    }
}

/// The value of `sign`, unescaped.
fn sign(query: &str) -> Option<Cow<'_, str>> {
    let value = query.split('&').find_map(|pair| pair.strip_prefix("sign="))?;
    percent_decode_str(value).decode_utf8().ok()
}

/// What a browser asks before a page's request (WHATWG Fetch, CORS-preflight).
fn preflight(headers: &HeaderMap) -> Response<Body> {
    let mut response = Response::new(empty());
    *response.status_mut() = StatusCode::NO_CONTENT;
    let told = response.headers_mut();
    told.insert(ALLOW, METHODS);
    told.insert(ACCESS_CONTROL_ALLOW_METHODS, METHODS);
    told.insert(ACCESS_CONTROL_MAX_AGE, HeaderValue::from_static("86400"));
    if let Some(asked) = headers.get(ACCESS_CONTROL_REQUEST_HEADERS) {
        told.insert(ACCESS_CONTROL_ALLOW_HEADERS, asked.clone());
    }
    open_to_pages(told);
    response
}

/// What a client is told, and a word for the log. Only the server's own "no file is there" is a 404.
fn refused(trouble: &Trouble) -> (Response<Body>, &'static str) {
    let (status, text, word) = match trouble {
        Trouble::Link(NoLink::Answer(NoFetch::Refused { code: 404, .. })) => {
            (StatusCode::NOT_FOUND, "no file is there", "no-file")
        }
        Trouble::Link(NoLink::Answer(NoFetch::Refused { code: 403, .. })) => {
            (StatusCode::FORBIDDEN, "this file is not given out here", "no-link")
        }
        Trouble::Link(_) => {
            (StatusCode::BAD_GATEWAY, "the server behind this proxy does not say where the file is", "server")
        }
        Trouble::Status { status, .. } if matches!(status.as_u16(), 429 | 503) => {
            (StatusCode::SERVICE_UNAVAILABLE, "the storage is busy; try again", "storage")
        }
        Trouble::Storage(crate::backend::NoAnswer::Timeout) => {
            (StatusCode::GATEWAY_TIMEOUT, "the storage does not answer in time", "storage")
        }
        Trouble::Status { .. } | Trouble::Storage(_) => {
            (StatusCode::BAD_GATEWAY, "the storage does not give the file", "storage")
        }
    };
    let mut response = plain(status, text.to_owned());
    if let Trouble::Status { retry_after: Some(wait), .. } = trouble {
        response.headers_mut().insert(RETRY_AFTER, wait.clone());
    }
    (response, word)
}
