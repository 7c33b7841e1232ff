//! DNS, the connection with its TLS, and the clock.

use std::time::{Duration, SystemTime};

use davmux_driver::{ErrorKind, Finding, RelPath};
use http::{Request, Uri, header};

use super::{Doctor, said};
use crate::error::Failure;
use crate::read;

/// How long a name or a connection may take.
const LIMIT: Duration = Duration::from_secs(15);
/// From here on a clock is worth a word.
const NOTABLE: Duration = Duration::from_secs(60);

impl Doctor<'_> {
    /// Whether the endpoint can be reached at all.
    pub(super) async fn reach(&self) -> bool {
        let url = self.bucket.endpoint.base_url();
        let Ok(uri) = url.parse::<Uri>() else { return false };
        let host = uri.host().unwrap_or_default();
        let port = uri.port_u16().unwrap_or(if self.bucket.endpoint.is_https() { 443 } else { 80 });
        self.begin("name");
        let name = host.trim_start_matches('[').trim_end_matches(']');
        match tokio::time::timeout(LIMIT, tokio::net::lookup_host((name, port))).await {
            Ok(Ok(found)) => {
                let mut addresses: Vec<String> = found.map(|address| address.ip().to_string()).collect();
                addresses.dedup();
                self.tell(Finding::works("name", format!("{host} is {}", addresses.join(", "))));
            }
            Ok(Err(error)) => {
                self.tell(
                    Finding::fails("name", format!("{host} cannot be resolved: {error}"))
                        .advise("check `endpoint`, and whether this machine has DNS"),
                );
                return false;
            }
            Err(_) => {
                self.tell(Finding::fails("name", format!("the DNS did not answer for {host}")));
                return false;
            }
        }
        self.connect(&url).await
    }

    async fn connect(&self, url: &str) -> bool {
        self.begin("connection");
        let root = RelPath::root();
        let http = match read::http() {
            Ok(http) => http,
            Err(error) => {
                self.tell(Finding::fails("connection", error));
                return false;
            }
        };
        // Without a signature: whatever is answered, somebody answers, and says what time it is there.
        let Ok(request) = Request::get(format!("{url}/")).body(bytes::Bytes::new().into()) else { return false };
        let answer = match tokio::time::timeout(LIMIT, http.request(request)).await {
            Ok(Ok(answer)) => answer,
            Ok(Err(error)) => {
                let error = Failure::connection(&error).into_error("connect", &root, &self.bucket.name);
                let advice = if self.bucket.endpoint.is_https() {
                    "check `endpoint`: its port, and whether it speaks https at all; a certificate must be one that this \
                     machine trusts"
                } else {
                    "check `endpoint`: its port, and whether the service runs"
                };
                self.tell(Finding::fails("connection", said(&error)).advise(advice));
                return false;
            }
            Err(_) => {
                let error = davmux_driver::Error::new(ErrorKind::Timeout, "connect", &root);
                self.tell(Finding::fails("connection", error));
                return false;
            }
        };
        let server = answer.headers().get(header::SERVER).and_then(|value| value.to_str().ok());
        let how = if self.bucket.endpoint.is_https() { "https, with a certificate that is trusted" } else { "http" };
        let by = server.map(|server| format!(", answered by {server}")).unwrap_or_default();
        self.tell(Finding::works("connection", format!("{how}{by}")));
        self.clock(answer.headers().get(header::DATE).and_then(|value| value.to_str().ok()));
        true
    }

    fn clock(&self, date: Option<&str>) {
        self.begin("clock");
        let Some(there) = date.and_then(|date| httpdate::parse_http_date(date).ok()) else {
            self.tell(Finding::skipped("clock", "the storage does not say what time it is there"));
            return;
        };
        self.tell(clock(SystemTime::now(), there));
    }
}

fn clock(here: SystemTime, there: SystemTime) -> Finding {
    let (off, word) = match here.duration_since(there) {
        Ok(off) => (off, "ahead of"),
        Err(error) => (error.duration(), "behind"),
    };
    let seen = if off < Duration::from_secs(120) {
        format!("this machine's clock is {} s {word} the storage's", off.as_secs())
    } else {
        format!("this machine's clock is {} minutes {word} the storage's", off.as_secs() / 60)
    };
    if off < NOTABLE {
        return Finding::works("clock", seen);
    }
    Finding::notice("clock", format!("{seen}; requests and links are signed by the storage's clock")).advise(
        "set this machine's clock, by NTP for example: until the storage has answered once its clock is not known",
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use davmux_driver::Outcome;

    #[test]
    fn a_clock_is_right_or_worth_a_word() {
        let now = SystemTime::now();
        let outcome = |seconds| clock(now, now - Duration::from_secs(seconds)).outcome;
        assert_eq!((outcome(3), outcome(61), outcome(20 * 60)), (Outcome::Works, Outcome::Notice, Outcome::Notice));
        let behind = clock(now, now + Duration::from_secs(1200));
        assert!(behind.seen.contains("20 minutes behind"), "{behind:?}");
    }
}
