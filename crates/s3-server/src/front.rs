//! What stands before the S3 service: it records, delays, refuses and breaks.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::header::{CONTENT_DISPOSITION, CONTENT_LENGTH, DATE, HeaderValue, ORIGIN, SERVER};
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
use crate::conditions::http_date;
use crate::cors::Cors;
use crate::faults::{Fault, Faults, xml_bomb};
use crate::hosts::{Hosts, Naming};
use crate::operation::Target;
use crate::recorder::Recorder;
use crate::strict::{Inspection, Refused, xml};

/// The most of a refused request's body that is read and dropped, so that the client sees the refusal and no reset.
const DRAIN: usize = 64 * 1024 * 1024;

/// 1,000 keys of 1,024 bytes, each byte escaped, and the XML around them.
const DELETE_BODY: usize = 8 * 1024 * 1024;

#[derive(Debug)]
pub(crate) struct Front {
    pub(crate) service: S3Service,
    pub(crate) recorder: Recorder,
    pub(crate) faults: Faults,
    pub(crate) inspection: Inspection,
    pub(crate) hosts: Hosts,
    pub(crate) cors: Cors,
    /// Operations run here, so that one whose body arrived runs to its end though the client hung up, as on S3.
    pub(crate) tasks: TaskTracker,
}

impl Front {
    /// Answers one request. An error closes the connection without an answer.
    pub(crate) async fn answer(&self, request: Request<Incoming>) -> Result<Response<Answer>, Broken> {
        let (mut parts, body) = request.into_parts();
        let target = Target::of(&parts, &self.hosts);
        let call = self.recorder.begin(target.operation, &target.bucket, &target.key);
        call.said(&parts);
        self.faults.delay().await;
        let fault = self.faults.take(target.operation);
        tracing::debug!(operation = target.operation, bucket = target.bucket, key = target.key, ?fault, "call");

        // What is known without the operation.
        let known = match fault {
            Some(Fault::Close) => return Err(Broken("the script closes this connection".to_owned())),
            Some(Fault::SlowDown) => {
                Some(Refused::new(503, "SlowDown", "Please reduce your request rate.").into_response())
            }
            Some(Fault::InternalError) => {
                let text = "We encountered an internal error. Please try again.";
                Some(Refused::new(500, "InternalError", text).into_response())
            }
            Some(Fault::AccessDenied) => Some(Refused::new(403, "AccessDenied", "Access Denied").into_response()),
            Some(Fault::Refuse(refusal)) => Some(Refused::from(refusal).into_response()),
            Some(Fault::ErrorInside(refusal)) => Some(xml(Refused::from(refusal).document())),
            Some(Fault::XmlBomb) => Some(xml(xml_bomb())),
            Some(fault) => {
                // The operation looks at it, or the end of this function.
                parts.extensions.insert(fault);
                None
            }
            None => None,
        };
        let known = known.or_else(|| match self.inspection.check(&parts, &target) {
            Err(refused) => Some(refused.into_response()),
            Ok(()) if target.operation == "Preflight" => Some(self.cors.preflight(&target.bucket, &parts)),
            Ok(()) => None,
        });
        let head = parts.method == http::Method::HEAD;
        let method = parts.method.clone();
        let origin = parts.headers.get(ORIGIN).filter(|_| target.operation != "Preflight").cloned();
        let mut response = match known {
            None => self.serve(Request::from_parts(parts, body), &target).await?,
            Some(response) => {
                drain(body).await;
                response
            }
        };
        if fault == Some(Fault::LostAnswer) {
            return Err(Broken("the script loses this answer".to_owned()));
        }
        if fault == Some(Fault::TruncatedXml) {
            response = truncated(response).await?;
        }
        if let Some(origin) = origin {
            self.cors.answer(&target.bucket, &origin, method.as_str(), response.headers_mut());
        }
        self.dress(&target, &mut response);
        let status = response.status();
        call.answered(status.as_u16());
        if head || status == http::StatusCode::NOT_MODIFIED || status == http::StatusCode::NO_CONTENT {
            *response.body_mut() = Body::empty();
        }
        let length = response.headers().get(CONTENT_LENGTH).and_then(|value| value.to_str().ok()?.parse().ok());
        let length = length.or_else(|| response.body().size_hint().exact());
        let cut = match fault {
            Some(Fault::CutBody(bytes)) => Some(bytes),
            _ => None,
        };
        Ok(response.map(|body| Answer::new(body, call, length, cut)))
    }

    /// Adds what every answer has, and what the default host adds to an object.
    fn dress(&self, target: &Target, response: &mut HttpResponse) {
        let found = response.status().is_success();
        let headers = response.headers_mut();
        headers.insert(SERVER, HeaderValue::from_static("davmux-s3-server"));
        if let Ok(date) = http_date(self.inspection.clock.now().unix_timestamp()).parse() {
            headers.insert(DATE, date);
        }
        let default_host = matches!(target.naming, Naming::Path | Naming::Host);
        if let Some(name) = self.inspection.strict.forced_download.filter(|_| default_host)
            && found
            && target.operation == "GetObject"
        {
            headers.insert(name, HeaderValue::from_static("true"));
            headers.insert(CONTENT_DISPOSITION, HeaderValue::from_static("attachment"));
        }
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

/// The first half of a document, as if it were all.
async fn truncated(response: HttpResponse) -> Result<HttpResponse, Broken> {
    let (mut head, body) = response.into_parts();
    let body = body.collect().await.map_err(|error| Broken(error.to_string()))?.to_bytes();
    head.headers.remove(CONTENT_LENGTH);
    Ok(HttpResponse::from_parts(head, Body::from(body.slice(..body.len() / 2))))
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
