//! Who else may ask: the CORS rules of buckets (Fetch standard, "CORS protocol").

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use http::request::Parts;
use http::{HeaderMap, HeaderName, HeaderValue, header};
use s3s::HttpResponse;
use s3s::dto::{CORSRule, CORSRules};

use crate::strict::Refused;

/// The rules, by bucket. Clones share them.
#[derive(Clone, Debug, Default)]
pub(crate) struct Cors {
    rules: Arc<Mutex<BTreeMap<String, CORSRules>>>,
}

impl Cors {
    fn rules(&self) -> MutexGuard<'_, BTreeMap<String, CORSRules>> {
        self.rules.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn get(&self, bucket: &str) -> Option<CORSRules> {
        self.rules().get(bucket).cloned()
    }

    pub(crate) fn set(&self, bucket: String, rules: CORSRules) {
        self.rules().insert(bucket, rules);
    }

    pub(crate) fn remove(&self, bucket: &str) {
        self.rules().remove(bucket);
    }

    /// Answers an OPTIONS request, which nobody signs.
    pub(crate) fn preflight(&self, bucket: &str, request: &Parts) -> HttpResponse {
        let refused = |text: &'static str| Refused::new(403, "AccessForbidden", text).into_response();
        let header = |name: HeaderName| request.headers.get(name)?.to_str().ok();
        let Some(origin) = header(header::ORIGIN) else {
            return Refused::new(400, "BadRequest", "Insufficient information. Origin request header needed.")
                .into_response();
        };
        let method = header(header::ACCESS_CONTROL_REQUEST_METHOD).unwrap_or_default();
        let Some(rules) = self.get(bucket) else {
            return refused("CORSResponse: CORS is not enabled for this bucket.");
        };
        let asked = header(header::ACCESS_CONTROL_REQUEST_HEADERS).unwrap_or_default();
        let mut asked = asked.split(',').map(str::trim).filter(|name| !name.is_empty());
        let fits = |rule: &&CORSRule| {
            let allowed = rule.allowed_headers.as_deref().unwrap_or_default();
            allows(rule, origin, method) && asked.all(|name| allowed.iter().any(|pattern| matches(pattern, name)))
        };
        // All three must hold of one rule.
        let Some(rule) = rules.iter().find(fits) else {
            return refused("CORSResponse: This CORS request is not allowed.");
        };
        let mut response = HttpResponse::default();
        let headers = response.headers_mut();
        dress(headers, rule, origin);
        insert(headers, header::ACCESS_CONTROL_ALLOW_METHODS, &rule.allowed_methods.join(", "));
        if let Some(names) = header(header::ACCESS_CONTROL_REQUEST_HEADERS) {
            insert(headers, header::ACCESS_CONTROL_ALLOW_HEADERS, names);
        }
        if let Some(seconds) = rule.max_age_seconds {
            insert(headers, header::ACCESS_CONTROL_MAX_AGE, &seconds.to_string());
        }
        response
    }

    /// Adds to an answer what lets a page of the request's origin read it.
    pub(crate) fn answer(&self, bucket: &str, origin: &HeaderValue, method: &str, headers: &mut HeaderMap) {
        let (Ok(origin), Some(rules)) = (origin.to_str(), self.get(bucket)) else { return };
        if let Some(rule) = rules.iter().find(|rule| allows(rule, origin, method)) {
            dress(headers, rule, origin);
        }
    }
}

fn allows(rule: &CORSRule, origin: &str, method: &str) -> bool {
    rule.allowed_origins.iter().any(|pattern| matches(pattern, origin))
        && rule.allowed_methods.iter().any(|allowed| allowed == method)
}

/// A pattern holds one `*` at most. Letters of any case are alike.
fn matches(pattern: &str, text: &str) -> bool {
    let (pattern, text) = (pattern.to_ascii_lowercase(), text.to_ascii_lowercase());
    match pattern.split_once('*') {
        None => pattern == text,
        Some((start, end)) => text.len() >= start.len() + end.len() && text.starts_with(start) && text.ends_with(end),
    }
}

fn dress(headers: &mut HeaderMap, rule: &CORSRule, origin: &str) {
    let any = rule.allowed_origins.iter().any(|pattern| pattern == "*");
    insert(headers, header::ACCESS_CONTROL_ALLOW_ORIGIN, if any { "*" } else { origin });
    if let Some(names) = &rule.expose_headers {
        insert(headers, header::ACCESS_CONTROL_EXPOSE_HEADERS, &names.join(", "));
    }
    insert(headers, header::VARY, "Origin, Access-Control-Request-Headers, Access-Control-Request-Method");
}

/// A value that cannot be written is left out.
fn insert(headers: &mut HeaderMap, name: HeaderName, value: &str) {
    if let Ok(value) = HeaderValue::from_str(value) {
        headers.insert(name, value);
    }
}
