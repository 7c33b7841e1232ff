//! The server's side of the worker: which link is behind a path.

use std::fmt;
use std::time::{Duration, Instant, SystemTime};

use davmux_server::Secret;
use http::{HeaderValue, Request, header};
use http_body_util::Full;
use moka::sync::Cache;

use crate::BaseUrl;
use crate::api::{self, Fetch, NoFetch};
use crate::backend::{Backend, NoAnswer, whole};

/// How long a link is used before the server is asked anew: what it changed meanwhile counts from then on.
const LONGEST_KEPT: Duration = Duration::from_secs(10 * 60);
/// A link is not used any more when it has less than this left.
const MARGIN: Duration = Duration::from_secs(60);
const MOST_KEPT: u64 = 10_000;

/// Why there is nothing to fetch.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum NoLink {
    #[error("the server does not answer: {0}")]
    Unreachable(#[from] NoAnswer),
    #[error(transparent)]
    Answer(#[from] NoFetch),
    #[error("the server answered with status {0}; it is asked at {at}", at = api::PATH)]
    Status(http::StatusCode),
}

/// The server that a worker works for.
pub(crate) struct Davmux {
    backend: Backend,
    url: String,
    token: Secret,
    kept: Cache<String, (Fetch, Instant)>,
}

/// A link, and whether it was known already.
#[derive(Clone, Debug)]
pub(crate) struct Known {
    pub(crate) fetch: Fetch,
    pub(crate) kept: bool,
}

impl Davmux {
    pub(crate) fn new(backend: Backend, server: &BaseUrl, token: &Secret) -> Self {
        let url = format!("{server}{}", api::PATH);
        Self { backend, url, token: token.clone(), kept: Cache::builder().max_capacity(MOST_KEPT).build() }
    }

    /// The link of a path, kept or asked for.
    pub(crate) async fn link(&self, path: &str) -> Result<Known, NoLink> {
        if let Some((fetch, until)) = self.kept.get(path)
            && Instant::now() < until
        {
            return Ok(Known { fetch, kept: true });
        }
        let token = HeaderValue::from_str(self.token.expose()).map(|mut token| {
            token.set_sensitive(true);
            token
        });
        let token = token.map_err(|error| NoAnswer::Connection(error.to_string()))?;
        let request = Request::post(self.url.as_str())
            .header(header::AUTHORIZATION, token)
            .header(header::CONTENT_TYPE, "application/json")
            .body(Full::from(api::question(path)))
            .map_err(|error| NoAnswer::Connection(error.to_string()))?;
        let answer = self.backend.send(request).await?;
        if !answer.status().is_success() {
            return Err(NoLink::Status(answer.status()));
        }
        let fetch = api::told(&whole(answer.into_body(), api::LONGEST).await?)?;
        let left = fetch.expires_at.map(|end| end.duration_since(SystemTime::now()).unwrap_or_default());
        let keep = left.unwrap_or_default().saturating_sub(MARGIN).min(LONGEST_KEPT);
        if !keep.is_zero() {
            self.kept.insert(path.to_owned(), (fetch.clone(), Instant::now() + keep));
        }
        Ok(Known { fetch, kept: false })
    }

    /// The link of a path did not open it: the next one is asked for.
    pub(crate) fn forget(&self, path: &str) {
        self.kept.invalidate(path);
    }
}

impl fmt::Debug for Davmux {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Davmux").field("url", &self.url).field("kept", &self.kept.entry_count()).finish_non_exhaustive()
    }
}
