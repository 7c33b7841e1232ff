//! The transport of opendal's services that speak HTTP: this crate's client, and another try where it can do no harm.

use std::time::Duration;

use bytes::Bytes;
use davmux_driver::Calls;
use davmux_driver::meter::Meter;
use http::{Method, Request, Response, StatusCode};
use opendal_core::raw::BoxedStaticFuture;
use opendal_core::{Buffer, Execute, Executor, HttpBody, HttpTransport, HttpTransporter, OperationContext};

use crate::http::{NoRoots, client, opendal_body, send};

/// How often a request is sent at most.
const ATTEMPTS: u32 = 4;
/// The first pause between two attempts; it doubles each time.
const FIRST_PAUSE: Duration = Duration::from_millis(200);

/// What opendal's services need to do their work.
pub(crate) fn context() -> Result<OperationContext, NoRoots> {
    client()?;
    Ok(OperationContext::from_parts(HttpTransporter::new(Wire(Calls::default())), Executor::with(Tasks)))
}

/// Its calls count for the request that they are made for, and by operation for nobody.
struct Wire(Calls);

impl HttpTransport for Wire {
    async fn fetch(&self, request: Request<Buffer>) -> opendal_core::Result<Response<HttpBody>> {
        let unsent = |why: String| opendal_core::Error::new(opendal_core::ErrorKind::Unexpected, why).set_temporary();
        let http = client().map_err(|error| unsent(error.to_string()))?;
        let (parts, body) = request.into_parts();
        let body = body.to_bytes();
        let repeatable = matches!(parts.method, Method::GET | Method::HEAD | Method::PUT | Method::DELETE)
            || parts.method.as_str() == "PROPFIND";
        let mut pause = FIRST_PAUSE;
        let mut attempt = 1;
        loop {
            let mut request = Request::new(Bytes::clone(&body));
            *request.method_mut() = parts.method.clone();
            *request.uri_mut() = parts.uri.clone();
            *request.headers_mut() = parts.headers.clone();
            let answer = send(http, &self.0, request).await;
            let passing = match &answer {
                Ok(answer) => matches!(
                    answer.status(),
                    StatusCode::TOO_MANY_REQUESTS
                        | StatusCode::BAD_GATEWAY
                        | StatusCode::SERVICE_UNAVAILABLE
                        | StatusCode::GATEWAY_TIMEOUT
                ),
                Err(_) => true,
            };
            // A lock that another change holds (RFC 4918 section 11.3): nothing was done, whatever the method.
            let locked = answer.as_ref().is_ok_and(|answer| answer.status() == StatusCode::LOCKED);
            let again = locked || (passing && repeatable);
            if !again || attempt == ATTEMPTS {
                return answer.map(|answer| answer.map(opendal_body)).map_err(|error| unsent(error.to_string()));
            }
            tokio::time::sleep(pause.mul_f64(0.5 + rand::random::<f64>() / 2.0)).await;
            pause *= 2;
            attempt += 1;
        }
    }
}

/// Runs what a service does side by side; its calls count where the operation's do.
struct Tasks;

impl Execute for Tasks {
    fn execute(&self, task: BoxedStaticFuture<()>) {
        drop(tokio::spawn(Meter::current().scope(task)));
    }
}
