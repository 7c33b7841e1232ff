//! [`Application`]: what is served, and what it learns of the one who asks.

use std::error::Error as StdError;
use std::net::IpAddr;
use std::sync::Arc;

use bytes::Bytes;
use http::request::Parts;
use http::{Request, Response};
use http_body_util::combinators::UnsyncBoxBody;

use crate::{AuthFailure, RequestBody};

/// Any error, where only its text matters.
pub type BoxError = Box<dyn StdError + Send + Sync>;

/// The body of a response. An error in it cuts the connection or the stream, so that the client sees a failure.
pub type Body = UnsyncBoxBody<Bytes, BoxError>;

/// What a server serves.
pub trait Application: Send + Sync + 'static {
    /// Whether this request is answered without credentials (a constant answer, such as OPTIONS). Such a request reaches
    /// [`call`](Self::call) as [`Identity::Anonymous`] even where anonymous access is off, unless it carries credentials:
    /// those are checked as always.
    fn is_open(&self, _request: &Parts) -> bool {
        false
    }

    /// Whether the application looks at this request's credentials itself: they are no user's. Such a request reaches
    /// [`call`](Self::call) as [`Identity::Anonymous`], whatever its `Authorization` says.
    fn looks_at_credentials(&self, _request: &Parts) -> bool {
        false
    }

    /// Answers one request.
    ///
    /// The future is dropped when the client goes away; work that must end well runs in a task of its own. A panic becomes a
    /// 500 and a line in the log. `100 Continue` is sent when the request's body is first polled, so everything that can be
    /// refused without the body is refused before.
    fn call(&self, request: Request<RequestBody>, caller: Caller) -> impl Future<Output = Response<Body>> + Send;
}

/// An extension of a response to somebody who is [`Identity::Anonymous`]: a user might be allowed what was refused. Where
/// there are users, the answer is a 401 that asks for a login, and not what the application answered.
#[derive(Clone, Copy, Debug)]
pub struct LoginWanted;

/// An extension of a response: credentials that the application looked at itself
/// ([`looks_at_credentials`](Application::looks_at_credentials)) are wrong. It counts as a login that failed, and has its line
/// in the log; what is answered stays the application's.
#[derive(Clone, Copy, Debug)]
pub struct WrongCredentials(pub AuthFailure);

/// Who asks, as far as this crate cares; what they may do is decided above.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Identity {
    /// No credentials were given, and none are needed.
    Anonymous,
    /// The name of a user whose password or token was right, or whom a trusted proxy named.
    User(Arc<str>),
}

/// The scheme of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Scheme {
    /// `http`
    Http,
    /// `https`
    Https,
}

/// Who asks, and how that client sees this server.
#[derive(Clone, Debug)]
pub struct Caller {
    /// Who.
    pub identity: Identity,
    /// A trusted proxy named the user. It may have taken off the credentials that the client sends with each request.
    pub named_by_proxy: bool,
    /// The address of the client itself: the peer of the connection, or what trusted proxies say. `None` on a Unix socket
    /// without a trusted proxy, and where a proxy's headers are unreadable or contradict one another.
    pub peer: Option<IpAddr>,
    /// The scheme in the URL that the client uses, as far as it is known (see `trusted_proto`).
    pub scheme: Scheme,
    /// The host, with a port if there is one, in the URL that the client uses.
    pub host: Option<String>,
    /// Whether the request carried forwarding headers at all, from a trusted proxy or not.
    pub forwarded: bool,
    /// Whether a trusted proxy told the scheme. With `forwarded` and without this, the client may well use https.
    pub trusted_proto: bool,
}
