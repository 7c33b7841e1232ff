//! One request: who asks, may they, and what becomes of the answer.

use std::convert::Infallible;
use std::net::IpAddr;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use futures_util::FutureExt;
use http::request::Parts;
use http::{HeaderValue, Request, Response, StatusCode, Version, header};
use http_body::Body as _;
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use ipnet::IpNet;

use crate::access_log::{AccessLine, Holding, LoggedBody};
use crate::forwarded::{is_trusted, origin};
use crate::guessing::Guessing;
use crate::identify::{Entry, Identified, Source, unauthorized};
use crate::limits::{InFlight, Last};
use crate::pulse::Beat;
use crate::request_body::Leftover;
use crate::server::Protocols;
use crate::tls::Tls;
use crate::wire::Target;
use crate::{
    Application, Body, Caller, Error, Identity, Limits, Load, LoginWanted, Metrics, Options, Refusal, RequestBody,
    Scheme, WrongCredentials,
};

/// What all connections of a server share, for as long as it serves: what must outlive a reload stands here.
pub(crate) struct Service<A> {
    /// What clients have taken.
    pub(crate) load: Arc<Load>,
    /// Taken once by each request, which keeps it to its end.
    pub(crate) current: ArcSwap<Served<A>>,
    pub(crate) metrics: Arc<Metrics>,
    pub(crate) guessing: Arc<Guessing>,
}

/// What a reload replaces, as a whole.
pub(crate) struct Served<A> {
    pub(crate) application: A,
    pub(crate) entry: Entry,
    pub(crate) trusted_proxies: Vec<IpNet>,
    pub(crate) limits: Limits,
    /// Spoken on TCP, by connections that begin.
    pub(crate) tls: Option<Arc<Tls>>,
    /// Of connections that begin.
    pub(crate) protocols: Protocols,
    pub(crate) drain: Duration,
    pub(crate) access_log: bool,
}

impl<A> Served<A> {
    /// Everything in the options but the addresses. They have been checked. `former`: what this takes the place of.
    pub(crate) async fn new(options: Options, application: A, former: Option<&Self>) -> Result<Self, Error> {
        let entry = Entry::new(&options, former.map(|former| &former.entry))?;
        let tls = match options.tls {
            Some(files) => Some(Arc::new(Tls::load(files, options.http2).await?)),
            None => None,
        };
        Ok(Self {
            application,
            tls,
            entry,
            trusted_proxies: options.trusted_proxies,
            limits: options.limits.resolved(),
            protocols: Protocols::new(options.http2),
            drain: options.drain,
            access_log: options.access_log,
        })
    }
}

impl<A> Served<A> {
    /// A peer that counts by its address: a proxy brings everybody.
    pub(crate) fn counted(&self, peer: Option<IpAddr>) -> Option<IpAddr> {
        peer.filter(|peer| !self.trusted_proxies.iter().any(|network| network.contains(peer)))
    }
}

impl<A: Application> Service<A> {
    /// Answers one request of a connection with `peer`, on which `spoken` is spoken.
    pub(crate) async fn answer(
        self: Arc<Self>,
        request: Request<Incoming>,
        peer: Option<IpAddr>,
        spoken: Scheme,
        target: Target,
        beat: Beat,
    ) -> Result<Response<LoggedBody>, Infallible> {
        let served = self.current.load_full();
        let (mut parts, body) = request.into_parts();
        let version = parts.version;
        let origin = origin(&parts, peer, &served.trusted_proxies);
        let user_agent = parts.headers.get(header::USER_AGENT).cloned();
        let client = origin.client.or(peer);
        let mut line =
            AccessLine::new(parts.method.clone(), parts.uri.clone(), user_agent, client, Arc::clone(&self.metrics));
        line.quiet = !served.access_log;
        if let Some(authorization) = parts.headers.get_mut(header::AUTHORIZATION) {
            authorization.set_sensitive(true);
        }
        let (body, leftover) = RequestBody::new(body, version, &served.limits, Arc::clone(&self.metrics));
        // Kept only where it is needed, so that a plain GET does not pay for it.
        let expects = leftover.is_some() && parts.headers.contains_key(header::EXPECT);

        let admitted = match refused(&parts, target) {
            Some(refusal) => Err(refusal),
            None => {
                let by_trusted_proxy = is_trusted(peer, &served.trusted_proxies);
                let source = Source { client: origin.client, by_trusted_proxy };
                self.admit(&served, &parts, &body, source, client, &beat.wire().last).await
            }
        };
        let mut in_flight = None;
        let mut response = match admitted {
            Ok((Identified { identity, token, by_proxy }, counted)) => {
                in_flight = Some(counted);
                if let Identity::User(name) = &identity {
                    line.user = Some(Arc::clone(name));
                    line.token = token;
                }
                let may_log_in = identity == Identity::Anonymous && served.entry.has_users();
                let caller = Caller {
                    identity,
                    named_by_proxy: by_proxy,
                    peer: origin.client,
                    scheme: origin.proto.unwrap_or(spoken),
                    host: origin.host,
                    forwarded: origin.forwarded,
                    trusted_proto: origin.proto.is_some(),
                };
                let call = async { served.application.call(Request::from_parts(parts, body), caller).await };
                let response = AssertUnwindSafe(call).catch_unwind().await.unwrap_or_else(|_| {
                    tracing::error!(method = %line.method, path = line.uri.path(), "the application panicked");
                    plain(StatusCode::INTERNAL_SERVER_ERROR, "internal error; the server's log says more\n")
                });
                if let Some(WrongCredentials(cause)) = response.extensions().get() {
                    self.guessing.failures.tell(*cause, origin.client, "");
                }
                match response.extensions().get::<LoginWanted>() {
                    Some(LoginWanted) if may_log_in => unauthorized(),
                    _ => response,
                }
            }
            Err(refusal) => {
                drop(body);
                refusal
            }
        };
        if let Some(why) = leftover.as_ref().and_then(Leftover::why)
            && (response.status().is_client_error() || response.status().is_server_error())
        {
            response = over_limit(self.load.refuse(why));
        }
        if leftover.is_some_and(|leftover| leftover.answered(expects)) {
            response.headers_mut().insert(header::CONNECTION, HeaderValue::from_static("close"));
        }
        // HTTP/1.0 knows no chunks: without a length the end of the connection is the end of the body.
        let resets = version < Version::HTTP_11;
        Ok(LoggedBody::wrap(response, line, Holding { beat, in_flight }, resets))
    }

    /// Who asks, and their place among the requests in flight.
    async fn admit(
        &self,
        served: &Served<A>,
        parts: &Parts,
        body: &RequestBody,
        source: Source,
        client: Option<IpAddr>,
        last: &Last,
    ) -> Result<(Identified, InFlight), Response<Body>> {
        let identified = match served.application.looks_at_credentials(parts) {
            true => Identified::NOBODY,
            false => {
                let open = served.application.is_open(parts);
                served.entry.identify(parts, open, source, &self.guessing).await?
            }
        };
        if served.limits.body_size.zip(body.size_hint().exact()).is_some_and(|(most, size)| size > most) {
            return Err(over_limit(self.load.refuse(Refusal::BodySize)));
        }
        match self.load.begin(&served.limits, &identified.identity, client, last).await {
            Ok(in_flight) => Ok((identified, in_flight)),
            Err(why) => Err(over_limit(why)),
        }
    }
}

/// What another server on the way could read in another way than this one: two credentials, of which it may have checked
/// the other, and a body in a transfer coding that would be stored as if it were the content (RFC 9112 section 6.1).
///
/// And a target with a fragment, which HTTP has not, and a request without a host or with two (RFC 9112 section 3.2).
fn refused(parts: &Parts, target: Target) -> Option<Response<Body>> {
    let headers = &parts.headers;
    match target {
        Target::Whole => {}
        Target::Fragment => {
            return Some(plain(StatusCode::BAD_REQUEST, "the path has a fragment: write # as %23\n"));
        }
        Target::Unknown => {
            let reason = "where the request begins is in doubt: send it over another connection\n";
            let mut response = plain(StatusCode::BAD_REQUEST, reason);
            response.headers_mut().insert(header::CONNECTION, HeaderValue::from_static("close"));
            return Some(response);
        }
    }
    let hosts = headers.get_all(header::HOST).iter().count();
    if hosts > 1 || (hosts == 0 && parts.version == Version::HTTP_11) {
        return Some(plain(StatusCode::BAD_REQUEST, "a request has one header Host\n"));
    }
    if headers.get_all(header::AUTHORIZATION).iter().nth(1).is_some() {
        return Some(plain(StatusCode::BAD_REQUEST, "the header authorization stands more than once\n"));
    }
    let mut codings = headers.get_all(header::TRANSFER_ENCODING).iter();
    let coding = codings.next()?;
    if codings.next().is_none() && coding.as_bytes().trim_ascii().eq_ignore_ascii_case(b"chunked") {
        return None;
    }
    Some(plain(StatusCode::NOT_IMPLEMENTED, "the only transfer coding that is known here is chunked\n"))
}

/// What a request over a limit is told.
fn over_limit(why: Refusal) -> Response<Body> {
    let (status, retry_after, text) = match why {
        Refusal::BodySize => (StatusCode::PAYLOAD_TOO_LARGE, None, "the body is larger than this server takes\n"),
        Refusal::BodyTimeout => {
            (StatusCode::REQUEST_TIMEOUT, None, "the body stood still for too long; send it again\n")
        }
        Refusal::Requests => {
            (StatusCode::TOO_MANY_REQUESTS, Some("2"), "too many requests at once; try again when some have ended\n")
        }
        Refusal::Connections | Refusal::ConnectionsPerAddress | Refusal::HeaderTimeout | Refusal::SendTimeout => {
            (StatusCode::SERVICE_UNAVAILABLE, Some("2"), "the server is busy; try again\n")
        }
    };
    let mut response = plain(status, text);
    if let Some(seconds) = retry_after {
        response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from_static(seconds));
    }
    response
}

pub(crate) fn plain(status: StatusCode, text: &'static str) -> Response<Body> {
    let body = Full::from(text).map_err(|never| match never {}).boxed_unsync();
    let mut response = Response::new(body);
    *response.status_mut() = status;
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("text/plain; charset=utf-8"));
    response
}
