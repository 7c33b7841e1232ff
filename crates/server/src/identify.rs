//! Who asks: what a trusted proxy says, else what the client sent, else nobody.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use http::header::{self, HeaderName};
use http::request::Parts;
use http::{HeaderValue, Response, StatusCode};

use crate::credentials::{Credentials, Login, NotLetIn};
use crate::guessing::Guessing;
use crate::service::plain;
use crate::{Anonymous, AuthFailure, Body, Identity, Options, Result};

/// Alone, as old clients look at the first challenge only, and who has a token sends it unasked.
const BASIC: HeaderValue = HeaderValue::from_static("Basic realm=\"davmux\", charset=\"UTF-8\"");
/// Behind the other one, for who came with a token (RFC 6750 section 3.1).
const BEARER: HeaderValue = HeaderValue::from_static("Bearer realm=\"davmux\", error=\"invalid_token\"");

/// Whom the server lets in.
pub(crate) struct Entry {
    credentials: Arc<Credentials>,
    /// Requests without credentials are let in.
    anonymous: bool,
    /// In which a trusted proxy says who asks.
    identity_header: Option<HeaderName>,
}

/// From where a request came.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Source {
    /// The client, as far as it is known.
    pub(crate) client: Option<IpAddr>,
    /// The peer of the connection itself is a trusted proxy.
    pub(crate) by_trusted_proxy: bool,
}

/// Who asks, and how that is known.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Identified {
    pub(crate) identity: Identity,
    /// The name of the token that was sent.
    pub(crate) token: Option<Arc<str>>,
    /// A proxy said so.
    pub(crate) by_proxy: bool,
}

impl Identified {
    pub(crate) const NOBODY: Self = Self { identity: Identity::Anonymous, token: None, by_proxy: false };
}

impl Entry {
    /// `former`: what this takes the place of.
    pub(crate) fn new(options: &Options, former: Option<&Self>) -> Result<Self> {
        Ok(Self {
            credentials: Credentials::new(&options.users, former.map(|former| &*former.credentials))?,
            anonymous: options.anonymous != Anonymous::None,
            identity_header: options.identity_header.clone(),
        })
    }

    /// Whether anybody could log in.
    pub(crate) fn has_users(&self) -> bool {
        self.credentials.has_users()
    }

    /// Who asks, or the answer to one who is not let in. `open`: nobody is asked who they are.
    pub(crate) async fn identify(
        &self,
        parts: &Parts,
        open: bool,
        source: Source,
        guessing: &Arc<Guessing>,
    ) -> Result<Identified, Response<Body>> {
        // From anybody else the header says nothing: it is as if it were not there.
        if source.by_trusted_proxy
            && let Some(name) = &self.identity_header
            && let Some(identified) = self.named_by_proxy(parts, name, source.client, guessing)
        {
            return identified;
        }
        let authorization = parts.headers.get(header::AUTHORIZATION);
        // Without users no password can be right, so none is wrong: probes and drives send one unasked.
        let Some(authorization) = authorization.filter(|_| self.has_users()) else {
            return if self.anonymous || open { Ok(Identified::NOBODY) } else { Err(unauthorized()) };
        };
        match self.credentials.check(authorization, source.client, guessing).await {
            Ok(Login { user, token }) => Ok(Identified { identity: Identity::User(user), token, by_proxy: false }),
            Err(not_let_in) => Err(refused(not_let_in, authorization)),
        }
    }

    /// `None`: the proxy names nobody.
    fn named_by_proxy(
        &self,
        parts: &Parts,
        name: &HeaderName,
        client: Option<IpAddr>,
        guessing: &Guessing,
    ) -> Option<Result<Identified, Response<Body>>> {
        let mut values = parts.headers.get_all(name).iter();
        let value = values.next()?.as_bytes().trim_ascii();
        if values.next().is_some() {
            // One of them may be the client's own.
            let reason = "the header by which the proxy says who asks stands more than once\n";
            return Some(Err(plain(StatusCode::BAD_REQUEST, reason)));
        }
        if value.is_empty() {
            return None;
        }
        let given = String::from_utf8_lossy(value);
        Some(match self.credentials.user(&given) {
            Some(user) => Ok(Identified { identity: Identity::User(Arc::clone(user)), token: None, by_proxy: true }),
            None => {
                guessing.failures.tell(AuthFailure::UnknownIdentity, client, &given);
                Err(plain(StatusCode::FORBIDDEN, "the proxy knows you, and this server has no user of that name\n"))
            }
        })
    }
}

pub(crate) fn unauthorized() -> Response<Body> {
    let mut response = plain(StatusCode::UNAUTHORIZED, "a user name and a password are needed\n");
    response.headers_mut().insert(header::WWW_AUTHENTICATE, BASIC);
    response
}

fn refused(not_let_in: NotLetIn, authorization: &HeaderValue) -> Response<Body> {
    let mut response = match not_let_in.cause {
        AuthFailure::LockedOut => {
            plain(StatusCode::TOO_MANY_REQUESTS, "there were too many wrong passwords: try again later\n")
        }
        AuthFailure::Busy => plain(StatusCode::SERVICE_UNAVAILABLE, "too many passwords wait to be checked\n"),
        AuthFailure::ExpiredToken | AuthFailure::UnknownToken => {
            let mut response = unauthorized();
            if authorization.as_bytes().get(..6).is_some_and(|scheme| scheme.eq_ignore_ascii_case(b"bearer")) {
                response.headers_mut().append(header::WWW_AUTHENTICATE, BEARER);
            }
            response
        }
        AuthFailure::WrongPassword
        | AuthFailure::Repeated
        | AuthFailure::Unreadable
        | AuthFailure::UnknownIdentity
        | AuthFailure::UnknownProxyToken => unauthorized(),
    };
    if let Some(wait) = not_let_in.retry_after {
        response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from(whole_seconds(wait)));
    }
    response
}

/// Rounded up: who comes back then is not too early.
fn whole_seconds(wait: Duration) -> u64 {
    wait.as_secs() + u64::from(wait.subsec_nanos() > 0)
}
