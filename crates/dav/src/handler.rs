//! [`Dav`]: from a request to the method that answers it.

use std::fmt;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::SystemTime;

use bytes::Bytes;
use davmux_tree::{InvalidPath, RelPath, TreePath, View};
use http::header::{ACCEPT_RANGES, ALLOW, CONTENT_LENGTH};
use http::{HeaderName, HeaderValue, Method, Request, Response, StatusCode};
use http_body_util::BodyExt;

use crate::body::{Body, BoxError, Incoming};
use crate::call::{Answer, Call, empty, end_locks, in_one_form};
use crate::headers::expectation;
use crate::locks::{Clock, Lock, LockRefusal, LockStore, LockTable, Reach};
use crate::path::{Base, Place};
use crate::status::Failure;
use crate::{copy_move, delete, get, html, lock, mkcol, propfind, proppatch, put};

/// The methods that any path may be asked with.
pub(crate) const ALLOWED: &str =
    "OPTIONS, GET, HEAD, PUT, DELETE, PROPFIND, PROPPATCH, MKCOL, COPY, MOVE, LOCK, UNLOCK";

/// What a [`Dav`] is made of.
#[derive(Clone)]
pub struct DavOptions {
    /// Where the tree begins in the URL space, unescaped, e.g. `/dav`.
    pub base_path: String,
    /// Where locks are kept.
    pub locks: Arc<dyn LockStore>,
    /// Tells the time to the locks.
    pub clock: Clock,
}

impl Default for DavOptions {
    /// At `/`, locks in memory, the system's clock.
    fn default() -> Self {
        let clock: Clock = Arc::new(SystemTime::now);
        Self { base_path: "/".to_owned(), locks: Arc::new(LockTable::in_memory(Arc::clone(&clock))), clock }
    }
}

impl fmt::Debug for DavOptions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DavOptions").field("base_path", &self.base_path).finish_non_exhaustive()
    }
}

/// Who asks, as the server found out.
#[derive(Clone, Debug, Default)]
pub struct Client {
    /// The user's name; `None`: not logged in.
    pub user: Option<Arc<str>>,
    /// May end the locks of others.
    pub administrator: bool,
    /// A proxy named the user: the client may send credentials that this request does not show.
    pub named_by_proxy: bool,
    /// The client's address, behind trusted proxies too.
    pub peer: Option<IpAddr>,
    /// The client speaks https, or may do so.
    pub https: bool,
    /// The host that the client asked, with or without a port.
    pub host: Option<Arc<str>>,
}

/// Answers WebDAV requests. Clones share everything.
#[derive(Clone, Debug)]
pub struct Dav {
    shared: Arc<Shared>,
}

/// What all requests have in common.
pub(crate) struct Shared {
    pub(crate) base: Base,
    pub(crate) locks: Arc<dyn LockStore>,
    pub(crate) clock: Clock,
}

impl fmt::Debug for Shared {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Shared").field("base", &self.base).field("locks", &self.locks).finish_non_exhaustive()
    }
}

/// The methods that this server knows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Verb {
    Options,
    Get,
    Put,
    Delete,
    Propfind,
    Proppatch,
    Mkcol,
    Copy,
    Move,
    Lock,
    Unlock,
    /// Known to HTTP, and not done here: 405.
    Refused,
    /// Known to nobody: 501.
    Unknown,
}

impl Verb {
    fn of(method: &Method) -> Self {
        match method.as_str() {
            "OPTIONS" => Self::Options,
            "GET" | "HEAD" => Self::Get,
            "PUT" => Self::Put,
            "DELETE" => Self::Delete,
            "PROPFIND" => Self::Propfind,
            "PROPPATCH" => Self::Proppatch,
            "MKCOL" => Self::Mkcol,
            "COPY" => Self::Copy,
            "MOVE" => Self::Move,
            "LOCK" => Self::Lock,
            "UNLOCK" => Self::Unlock,
            "POST" | "PATCH" | "TRACE" | "CONNECT" => Self::Refused,
            _ => Self::Unknown,
        }
    }
}

impl Dav {
    /// A handler for a tree that begins at `options.base_path`.
    ///
    /// # Errors
    /// [`InvalidPath`] where the base path is not one.
    pub fn new(options: DavOptions) -> Result<Self, InvalidPath> {
        let base = Base::new(&options.base_path)?;
        Ok(Self { shared: Arc::new(Shared { base, locks: options.locks, clock: options.clock }) })
    }

    /// The answer to OPTIONS: the same for every path and everybody, so it needs no login (Windows gives up at a 401) and
    /// tells nothing; no storage is asked.
    pub fn options() -> Response<Body> {
        let mut response = empty(StatusCode::OK);
        let headers = response.headers_mut();
        headers.insert(HeaderName::from_static("dav"), HeaderValue::from_static("1, 2"));
        headers.insert(HeaderName::from_static("ms-author-via"), HeaderValue::from_static("DAV"));
        headers.insert(ALLOW, HeaderValue::from_static(ALLOWED));
        headers.insert(ACCEPT_RANGES, HeaderValue::from_static("bytes"));
        response
    }

    /// The locks on a path of the tree and below it, whoever holds them: for an administrator.
    ///
    /// # Errors
    /// [`LockRefusal::Failed`] where the store could not look.
    pub async fn locks(&self, path: &TreePath) -> Result<Vec<Lock>, LockRefusal> {
        let path = in_one_form(path.clone());
        let mut locks = self.shared.locks.related(&path, Reach::Below).await?;
        locks.retain(|lock| lock.path.is_within(&path));
        Ok(locks)
    }

    /// Ends the locks on a path of the tree and below it, whoever holds them, and answers how many: for an administrator, where
    /// a client went away without UNLOCK.
    ///
    /// # Errors
    /// [`LockRefusal::Failed`] where the store could not do it.
    pub async fn end_locks(&self, path: &TreePath) -> Result<usize, LockRefusal> {
        end_locks(&*self.shared.locks, &in_one_form(path.clone()), |_| true).await
    }

    /// Answers one request of a client that sees `view`. The answer to a GET of a file carries a
    /// [`ReadDecision`](crate::ReadDecision) in its extensions.
    ///
    /// The future may be dropped at any await: an upload that has not arrived is dropped with it, and a change that has
    /// begun runs to its end.
    pub async fn handle<B>(&self, view: View, request: Request<B>, client: Client) -> Response<Body>
    where
        B: http_body::Body<Data = Bytes> + Send + 'static,
        B::Error: Into<BoxError>,
    {
        let (parts, body) = request.into_parts();
        let method = parts.method.clone();
        let verb = Verb::of(&method);
        if verb == Verb::Options {
            return Self::options();
        }
        let answer = self.dispatch(verb, view, parts, body.map_err(Into::into).boxed_unsync(), client).await;
        let mut response = answer.unwrap_or_else(|failure| failure.into_response(&method));
        if method == Method::HEAD && !matches!(response.body().size(), Some(0)) {
            // The length that a GET would have stays in the headers.
            if let Some(length) = response.body().size() {
                response.headers_mut().entry(CONTENT_LENGTH).or_insert(HeaderValue::from(length));
            }
            *response.body_mut() = Body::empty();
        }
        response
    }

    async fn dispatch(
        &self,
        verb: Verb,
        view: View,
        parts: http::request::Parts,
        body: Incoming,
        client: Client,
    ) -> Answer {
        match verb {
            Verb::Refused => {
                return Err(Failure::new(StatusCode::METHOD_NOT_ALLOWED, "this method is not allowed here"));
            }
            Verb::Unknown => return Err(Failure::new(StatusCode::NOT_IMPLEMENTED, "this method is not known here")),
            _ => {}
        }
        expectation(&parts.headers)?;
        let place = self.shared.base.place(parts.uri.path())?;
        let mut call = Call {
            shared: Arc::clone(&self.shared),
            view,
            client,
            method: parts.method,
            query: parts.uri.query().map(str::to_owned),
            headers: parts.headers,
            path: RelPath::root(),
            slash: true,
        };
        match place {
            Place::Inside { path, slash } => (call.path, call.slash) = (path, slash),
            Place::Above { depth } => {
                return match verb {
                    Verb::Propfind => propfind::above(call, depth, body).await,
                    Verb::Get => Ok(html::above(&call, depth)),
                    _ => Err(Failure::new(StatusCode::FORBIDDEN, "this lies above the tree and cannot be changed")),
                };
            }
            Place::Outside => return Err(Failure::new(StatusCode::NOT_FOUND, "nothing is there")),
        }
        match verb {
            Verb::Options => Ok(Self::options()),
            Verb::Get => get::get(call).await,
            Verb::Put => put::put(call, body).await,
            Verb::Delete => delete::delete(call).await,
            Verb::Propfind => propfind::propfind(call, body).await,
            Verb::Proppatch => proppatch::proppatch(call, body).await,
            Verb::Mkcol => mkcol::mkcol(call, body).await,
            Verb::Copy => copy_move::copy(call).await,
            Verb::Move => copy_move::rename(call).await,
            Verb::Lock => lock::lock(call, body).await,
            Verb::Unlock => lock::unlock(call).await,
            Verb::Refused | Verb::Unknown => {
                Err(Failure::new(StatusCode::NOT_IMPLEMENTED, "this method is not done here"))
            }
        }
    }
}
