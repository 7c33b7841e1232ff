//! [`Metrics`]: what a server counts of its requests and connections.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use crate::{AuthFailures, Refusal};
use davmux_metrics::{Code, Counter, Each, Gauge, Histogram, Label as _, Page};

davmux_metrics::label! {
    /// The method of a request; one that WebDAV does not know is `other`, since clients make them up.
    pub(crate) enum Method: "method" {
        Copy = "COPY",
        Delete = "DELETE",
        Get = "GET",
        Head = "HEAD",
        Lock = "LOCK",
        Mkcol = "MKCOL",
        Move = "MOVE",
        Options = "OPTIONS",
        Patch = "PATCH",
        Post = "POST",
        Propfind = "PROPFIND",
        Proppatch = "PROPPATCH",
        Put = "PUT",
        Unlock = "UNLOCK",
        Other = "other",
    }
}

impl Method {
    fn of(method: &http::Method) -> Self {
        Self::ALL.iter().copied().find(|known| known.as_str() == method.as_str()).unwrap_or(Self::Other)
    }
}

davmux_metrics::label! {
    /// How bytes went to a client.
    pub(crate) enum Way: "path" {
        /// The answer that names a link. The file itself does not come from here.
        Redirect = "redirect",
        /// A file.
        Relay = "relay",
        /// Anything else: listings, errors, uploads.
        Other = "other",
    }
}

/// What a server counts, from its start to its end. Counting looks nothing up.
#[derive(Debug)]
pub(crate) struct Metrics {
    started: SystemTime,
    requests: Each<Method, Each<Code, Counter>>,
    durations: Each<Method, Histogram>,
    in_flight: Gauge,
    connections: Gauge,
    sent: Each<Way, Counter>,
    received: Counter,
    pub(crate) auth_failures: Arc<AuthFailures>,
    refused: Each<Refusal, Counter>,
}

impl Default for Metrics {
    fn default() -> Self {
        Self {
            started: SystemTime::now(),
            requests: Each::default(),
            durations: Each::default(),
            in_flight: Gauge::default(),
            connections: Gauge::default(),
            sent: Each::default(),
            received: Counter::default(),
            auth_failures: Arc::default(),
            refused: Each::default(),
        }
    }
}

impl Metrics {
    /// A request begins.
    pub(crate) fn begun(&self) {
        self.in_flight.inc();
    }

    /// It has ended, with the last byte of its response.
    pub(crate) fn ended(&self, method: &http::Method, status: u16, took: Duration) {
        self.in_flight.dec();
        let method = Method::of(method);
        self.requests[method][Code::of(status)].inc();
        self.durations[method].observe(took);
    }

    /// A request that could not be read was refused.
    pub(crate) fn unread(&self, status: u16) {
        self.requests[Method::Other][Code::of(status)].inc();
    }

    pub(crate) fn sent(&self, way: Way, bytes: u64) {
        self.sent[way].inc_by(bytes);
    }

    pub(crate) fn received(&self, bytes: u64) {
        self.received.inc_by(bytes);
    }

    /// A limit kept a client from what it wanted.
    pub(crate) fn refuse(&self, limit: Refusal) {
        self.refused[limit].inc();
    }

    /// How often that limit did.
    pub(crate) fn refused(&self, limit: Refusal) -> u64 {
        self.refused[limit].get()
    }

    /// A connection stands until what this answers is dropped.
    pub(crate) fn connected(self: &Arc<Self>) -> Connected {
        self.connections.inc();
        Connected(Arc::clone(self))
    }

    /// Writes all of it.
    pub(crate) fn write(&self, page: &mut Page) {
        let mut requests = page.counters("davmux_http_requests", "Requests that ended; 499: the client left first.");
        for (method, codes) in self.requests.iter() {
            requests.with(Method::NAME, method.as_str()).each_counted(codes);
        }
        let mut durations = page.histograms(
            "davmux_http_request_duration_seconds",
            "From the request's head to the last byte of its response.",
        );
        for (method, histogram) in self.durations.iter() {
            durations.with(Method::NAME, method.as_str()).histogram(histogram);
        }
        page.gauges("davmux_http_requests_in_flight", "Requests whose response has not ended.")
            .value(self.in_flight.get());
        page.gauges("davmux_connections", "Connections of clients.").value(self.connections.get());
        let mut bytes = page.counters("davmux_bytes", "Bytes of bodies, to clients (out) and from them (in).");
        bytes.with("direction", "out").each(&self.sent);
        bytes.with("direction", "in").with(Way::NAME, Way::Other.as_str()).value(self.received.get());
        self.auth_failures.write(page);
        page.counters("davmux_limit_refusals", "What clients were refused for a limit's sake.").each(&self.refused);
        page.gauges("process_start_time_seconds", "When it began to serve, in seconds since 1970.")
            .value(self.started.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default().as_secs());
    }
}

/// A connection, until it is dropped.
#[derive(Debug)]
pub(crate) struct Connected(Arc<Metrics>);

impl Drop for Connected {
    fn drop(&mut self) {
        self.0.connections.dec();
    }
}
