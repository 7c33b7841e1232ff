//! What stands before the S3 service: it records, delays, refuses and breaks.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::header::{CONTENT_LENGTH, HeaderValue};
use http::{Request, Response};
use http_body::Body as _;
use http_body_util::{BodyExt as _, Limited};
use hyper::body::Incoming;
use md5::{Digest as _, Md5};
use s3s::service::S3Service;
use s3s::{Body, HttpResponse, S3Error, S3ErrorCode, S3Result, s3_error};
use tokio_util::task::TaskTracker;
use tracing::instrument::WithSubscriber as _;
use tracing::subscriber::NoSubscriber;

use crate::answer::{Answer, Broken};
use crate::faults::{Fault, Faults};
use crate::operation::Target;
use crate::recorder::Recorder;
use crate::strict::Strict;

/// The most of a refused request's body that is read and dropped, so that the client sees the refusal and no reset.
const DRAIN: usize = 64 * 1024 * 1024;

/// 1,000 keys of 1,024 bytes, each byte escaped, and the XML around them.
const DELETE_BODY: usize = 8 * 1024 * 1024;

#[derive(Debug)]
pub(crate) struct Front {
    pub(crate) service: S3Service,
    pub(crate) recorder: Recorder,
    pub(crate) faults: Faults,
    pub(crate) strict: Strict,
    pub(crate) domains: Vec<String>,
    /// Operations run here, so that one whose body arrived runs to its end though the client hung up, as on S3.
    pub(crate) tasks: TaskTracker,
}

impl Front {
    /// Answers one request. An error closes the connection without an answer.
    pub(crate) async fn answer(&self, request: Request<Incoming>) -> Result<Response<Answer>, Broken> {
        let (parts, body) = request.into_parts();
        let target = Target::of(&parts, &self.domains);
        let call = self.recorder.begin(target.operation, &target.bucket, &target.key);
        self.faults.delay().await;
        let fault = self.faults.take(target.operation);
        tracing::debug!(operation = target.operation, bucket = target.bucket, key = target.key, ?fault, "call");

        let refused = match fault {
            Some(Fault::Close) => return Err(Broken("the script closes this connection".to_owned())),
            Some(Fault::SlowDown) => Err(s3_error!(SlowDown, "Please reduce your request rate.")),
            Some(Fault::InternalError) => {
                Err(s3_error!(InternalError, "We encountered an internal error. Please try again."))
            }
            Some(Fault::AccessDenied) => Err(s3_error!(AccessDenied, "Access Denied")),
            Some(Fault::LostAnswer | Fault::CutBody(_)) | None => self.strict.check(&parts, &target),
        };
        let head = parts.method == http::Method::HEAD;
        let mut response = match refused {
            Ok(()) => self.serve(Request::from_parts(parts, body), &target).await?,
            Err(error) => {
                drain(body).await;
                refusal(error)?
            }
        };
        if fault == Some(Fault::LostAnswer) {
            return Err(Broken("the script loses this answer".to_owned()));
        }
        let status = response.status();
        call.answered(status.as_u16());
        if head || status == http::StatusCode::NOT_MODIFIED || status == http::StatusCode::NO_CONTENT {
            *response.body_mut() = Body::empty();
        }
        let length = response.headers().get(CONTENT_LENGTH).and_then(|value| value.to_str().ok()?.parse().ok());
        let length = length.or_else(|| response.body().size_hint().exact());
        response.headers_mut().insert("server", HeaderValue::from_static("davmux-s3-server"));
        let cut = match fault {
            Some(Fault::CutBody(bytes)) => Some(bytes),
            _ => None,
        };
        Ok(response.map(|body| Answer::new(body, call, length, cut)))
    }

    async fn serve(&self, request: Request<Incoming>, target: &Target) -> Result<HttpResponse, Broken> {
        let (parts, body) = request.into_parts();
        let body = if target.operation == "DeleteObjects" {
            match checked(body, parts.headers.get("content-md5")).await {
                Ok(body) => body,
                Err(error) => return refusal(error),
            }
        } else {
            Body::from(body)
        };
        let service = self.service.clone();
        let work = async move { service.call(Request::from_parts(parts, body)).await };
        // s3s logs whole requests, Authorization and signed queries among them.
        let work = self.tasks.spawn(work.with_subscriber(NoSubscriber::default()));
        match work.await {
            Ok(answered) => answered.map_err(|error| Broken(s3s::StdError::from(error).to_string())),
            Err(error) => Err(Broken(error.to_string())),
        }
    }
}

fn refusal(error: S3Error) -> Result<HttpResponse, Broken> {
    error.to_http_response().map_err(|error| Broken(error.to_string()))
}

/// The body of a DeleteObjects, whole and as its Content-MD5 says.
async fn checked(body: Incoming, md5: Option<&HeaderValue>) -> S3Result<Body> {
    let body = Limited::new(body, DELETE_BODY).collect().await;
    let body = body.map_err(|error| S3Error::with_source(S3ErrorCode::IncompleteBody, error))?.to_bytes();
    if let Some(md5) = md5 {
        check_md5(md5.to_str().unwrap_or_default(), Md5::digest(&body).into())?;
    }
    Ok(Body::from(body))
}

/// Compares a Content-MD5 (RFC 1864) with what arrived.
pub(crate) fn check_md5(said: &str, found: [u8; 16]) -> S3Result<()> {
    match STANDARD.decode(said) {
        Ok(said) if said == found => Ok(()),
        Ok(said) if said.len() == found.len() => {
            Err(s3_error!(BadDigest, "The Content-MD5 you specified did not match what we received."))
        }
        _ => Err(s3_error!(InvalidDigest, "The Content-MD5 you specified is not valid.")),
    }
}

async fn drain(body: Incoming) {
    let mut body = Limited::new(body, DRAIN);
    while let Some(Ok(_)) = body.frame().await {}
}
