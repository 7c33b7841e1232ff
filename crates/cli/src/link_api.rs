//! What a download proxy asks: which link is behind a path ([`davmux_proxy::api`]).
//!
//! It is asked by POST alone, which means nothing in WebDAV here, so a user's file of that name is read and written as any
//! other. The token opens this and nothing else, and only files of mounts that are read through a proxy.

use std::borrow::Cow;
use std::sync::Arc;

use davmux_driver::meter::Meter;
use davmux_proxy::Tokens;
use davmux_proxy::api::{self, Fetch, Refusal};
use davmux_server::{AccessNote, AuthFailure, Body, RequestBody, WrongCredentials};
use davmux_tree::{Access, ErrorKind, Problem, Tree, TreePath, View};
use http::{HeaderMap, HeaderValue, Method, Request, Response, Uri, header};
use http_body_util::{BodyExt, Full, Limited};
use percent_encoding::percent_decode_str;

/// Answers download proxies.
#[derive(Clone)]
pub(crate) struct LinkApi {
    /// Unescaped.
    path: String,
    tokens: Tokens,
    /// All of it: whoever was redirected was allowed to read.
    view: View,
}

impl LinkApi {
    pub(crate) fn new(base_path: &str, tokens: Tokens, tree: Arc<Tree>) -> Self {
        let path = format!("{}{}", base_path.trim_end_matches('/'), api::PATH);
        Self { path, tokens, view: View::new(tree, TreePath::root(), Access::ReadOnly) }
    }

    /// Whether this request is for a proxy.
    pub(crate) fn is_asked(&self, method: &Method, uri: &Uri) -> bool {
        *method == Method::POST && percent_decode_str(uri.path()).eq(self.path.bytes())
    }

    pub(crate) async fn answer(&self, request: Request<RequestBody>) -> Response<Body> {
        let tried = request.headers().contains_key(header::AUTHORIZATION);
        let meter = Meter::new();
        let outcome = meter.clone().scope(self.link(request)).await;
        let why = outcome.as_ref().map_or_else(|refusal| refusal.word(), |_| "link");
        let done = if outcome.is_ok() { "link" } else { "refused" };
        let body = Full::from(api::answer(outcome.as_ref().map_err(|refusal| *refusal)));
        let mut response = Response::new(body.map_err(|never| match never {}).boxed_unsync());
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json; charset=utf-8"));
        headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
        let note = AccessNote {
            read: Some((Cow::Borrowed(done), Cow::Borrowed(why))),
            backend_calls: Some(Arc::new(move || meter.calls())),
        };
        response.extensions_mut().insert(note);
        // Who sends none did not guess.
        if outcome.is_err_and(|refusal| refusal == Refusal::Token) && tried {
            response.extensions_mut().insert(WrongCredentials(AuthFailure::UnknownProxyToken));
        }
        response
    }

    async fn link(&self, request: Request<RequestBody>) -> Result<Fetch, Refusal> {
        let token = request.headers().get(header::AUTHORIZATION).ok_or(Refusal::Token)?;
        if !self.tokens.hold(token.as_bytes()) {
            return Err(Refusal::Token);
        }
        let body = Limited::new(request.into_body(), api::LONGEST).collect().await.map_err(|_| Refusal::Question)?;
        let path = api::asked_path(&body.to_bytes()).ok_or(Refusal::Question)?;
        let path = TreePath::parse(&path).map_err(|_| Refusal::NoFile)?;
        let below = path.below(&TreePath::root()).ok_or(Refusal::NoFile)?;
        match self.view.link_for_proxy(&below).await {
            Ok(Some(link)) => Ok(Fetch { url: link.url, headers: HeaderMap::new(), expires_at: link.expires_at }),
            Ok(None) => Err(Refusal::NoLink),
            Err(error) if error.is_not_found() => Err(Refusal::NoFile),
            Err(error) => match error.problem() {
                Problem::Storage(ErrorKind::IsDir | ErrorKind::NotDir) => Err(Refusal::NoFile),
                _ => {
                    tracing::warn!(%path, %error, "a download proxy cannot be told where a file is");
                    Err(Refusal::Unavailable)
                }
            },
        }
    }
}
