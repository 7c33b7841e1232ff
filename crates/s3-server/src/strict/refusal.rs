//! What a cloud says when it refuses.

use std::borrow::Cow;

use http::{HeaderValue, StatusCode, header};
use s3s::{Body, HttpResponse, S3Error, S3ErrorCode};

/// A refusal as a cloud words it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// HTTP status.
    pub status: u16,
    /// `<Code>` of the error document.
    pub code: &'static str,
    /// `<Message>` of the error document.
    pub message: &'static str,
    /// Retry-After, in seconds.
    pub retry_after: Option<u32>,
}

impl Refusal {
    /// 501, as AWS answers a header whose function it does not have.
    pub const NOT_IMPLEMENTED: Self =
        Self::new(501, "NotImplemented", "A header you provided implies functionality that is not implemented");

    /// A refusal without Retry-After.
    pub const fn new(status: u16, code: &'static str, message: &'static str) -> Self {
        Self { status, code, message, retry_after: None }
    }

    /// The same, with Retry-After in seconds.
    #[must_use]
    pub const fn retry_after(self, seconds: u32) -> Self {
        Self { retry_after: Some(seconds), ..self }
    }
}

impl From<Refusal> for S3Error {
    fn from(refusal: Refusal) -> Self {
        let code = S3ErrorCode::from_bytes(refusal.code.as_bytes());
        let code = code.unwrap_or_else(|| S3ErrorCode::Custom(refusal.code.into()));
        let mut error = Self::with_message(code, refusal.message);
        error.set_status_code(status(refusal.status));
        error
    }
}

/// An error document on its way out, with what AWS adds to some of them.
#[derive(Debug)]
pub(crate) struct Refused {
    status: u16,
    code: &'static str,
    message: Cow<'static, str>,
    elements: Vec<(&'static str, String)>,
    headers: Vec<(&'static str, HeaderValue)>,
}

impl From<Refusal> for Refused {
    fn from(refusal: Refusal) -> Self {
        let refused = Self::new(refusal.status, refusal.code, refusal.message);
        match refusal.retry_after {
            Some(seconds) => refused.header("retry-after", &seconds.to_string()),
            None => refused,
        }
    }
}

impl Refused {
    pub(crate) fn new(status: u16, code: &'static str, message: impl Into<Cow<'static, str>>) -> Self {
        let message = message.into();
        Self { status, code, message, elements: Vec::new(), headers: Vec::new() }
    }

    /// Adds an element to the error document.
    pub(crate) fn element(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.elements.push((name, value.into()));
        self
    }

    /// Adds a header field; one that cannot be written is left out.
    pub(crate) fn header(mut self, name: &'static str, value: &str) -> Self {
        if let Ok(value) = HeaderValue::from_str(value) {
            self.headers.push((name, value));
        }
        self
    }

    pub(crate) fn document(&self) -> String {
        let mut text = String::from("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<Error>");
        let mut push = |name: &str, value: &str| {
            text.push_str(&format!("<{name}>{}</{name}>", escaped(value)));
        };
        push("Code", self.code);
        push("Message", &self.message);
        for (name, value) in &self.elements {
            push(name, value);
        }
        text.push_str("</Error>");
        text
    }

    pub(crate) fn into_response(self) -> HttpResponse {
        let mut response = xml(self.document());
        *response.status_mut() = status(self.status);
        for (name, value) in self.headers {
            response.headers_mut().insert(name, value);
        }
        response
    }
}

/// 200 with an XML document.
pub(crate) fn xml(document: String) -> HttpResponse {
    let mut response = HttpResponse::new(Body::from(document));
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("application/xml"));
    response
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

fn status(number: u16) -> StatusCode {
    // A number that is no status is the script's mistake, and shows as one.
    StatusCode::from_u16(number).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR)
}
