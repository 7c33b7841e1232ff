//! The SDK's client, set up once for each bucket.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use aws_sdk_s3::Client;
use aws_sdk_s3::config::retry::{RetryConfig, RetryPartition};
use aws_sdk_s3::config::timeout::TimeoutConfig;
use aws_sdk_s3::config::{
    BehaviorVersion, Builder, Config, IdentityCache, Region, RequestChecksumCalculation, ResponseChecksumValidation,
    StalledStreamProtectionConfig,
};
use aws_smithy_http_client::tls;
use aws_smithy_runtime_api::box_error::BoxError;
use aws_smithy_runtime_api::client::interceptors::Intercept;
use aws_smithy_runtime_api::client::interceptors::context::{
    BeforeDeserializationInterceptorContextMut, BeforeDeserializationInterceptorContextRef,
    BeforeTransmitInterceptorContextMut, BeforeTransmitInterceptorContextRef, FinalizerInterceptorContextRef,
    InterceptorContext,
};
use aws_smithy_runtime_api::client::orchestrator::Metadata;
use aws_smithy_runtime_api::client::retries::classifiers::{ClassifyRetry, RetryAction, RetryClassifierPriority};
use aws_smithy_runtime_api::client::runtime_components::RuntimeComponents;
use aws_smithy_types::body::SdkBody;
use aws_smithy_types::config_bag::{ConfigBag, Storable, StoreReplace};
use aws_smithy_types::retry::ErrorKind;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use davmux_driver::{Call, Calls, Op};
use http_body_util::Limited;
use md5::{Digest as _, Md5};

use crate::S3Options;
use crate::clock::{HearClock, RetryInTime, StorageClock};
use crate::credentials::{CopySignerToAnswer, ForSdk, Keys, RetryWithNewKeys};
use crate::error::wait;
use crate::place::Place;
use crate::resolve::Resolver;
use crate::settings::PutOn;

/// Until a connection stands.
pub(crate) const CONNECT: Duration = Duration::from_secs(10);
/// One attempt of a call that carries little and is answered soon.
pub(crate) const ATTEMPT: Duration = Duration::from_secs(30);
/// One attempt of a call during which the storage copies or joins up to 5 TB.
const LONG_ATTEMPT: Duration = Duration::from_secs(10 * 60);
/// The slowest link that a part must get through on, in bytes a second.
const SLOWEST: u64 = 64 * 1024;
/// How often one call is sent at most.
pub(crate) const ATTEMPTS: u32 = 4;
/// The first pause between two attempts at most; it doubles each time, and a random part of it is taken.
pub(crate) const FIRST_PAUSE: Duration = Duration::from_millis(200);

/// The longest pause that a call waits itself. A storage that asks for more is passed up, as clients wait too.
pub(crate) const LONGEST_PAUSE: Duration = Duration::from_secs(5);
/// The largest answer that is read, in bytes: a thousand keys of 1,024 bytes, each of them encoded, are some 5 MB.
/// Objects are not read through the SDK.
const ANSWER: usize = 16 << 20;

/// Builds the client. It does not touch the network.
pub(crate) fn build(
    service: &Place,
    clock: &Arc<StorageClock>,
    bucket: &str,
    region: &str,
    path_style: bool,
    keys: &Arc<Keys>,
    options: &S3Options,
) -> Client {
    let retries = RetryConfig::standard()
        .with_max_attempts(ATTEMPTS)
        .with_initial_backoff(FIRST_PAUSE)
        .with_max_backoff(LONGEST_PAUSE);
    let http = aws_smithy_http_client::Builder::new()
        .tls_provider(tls::Provider::Rustls(tls::rustls_provider::CryptoMode::AwsLc))
        .build_with_resolver(Resolver);
    let config = Config::builder()
        .http_client(http)
        .behavior_version(BehaviorVersion::latest())
        .region(Region::new(region.to_owned()))
        // Without the slash the SDK joins a path of the endpoint and the bucket to one segment.
        .endpoint_url(format!("{}/", service.base_url()))
        .force_path_style(path_style)
        .credentials_provider(ForSdk(Arc::clone(keys)))
        // They are kept there already; kept twice, keys that were refused would go on being used.
        .identity_cache(IdentityCache::no_cache())
        .interceptor(CopySignerToAnswer)
        .retry_classifier(RetryWithNewKeys(Arc::clone(keys)))
        .request_checksum_calculation(RequestChecksumCalculation::WhenRequired)
        .response_checksum_validation(ResponseChecksumValidation::WhenRequired)
        .retry_config(retries)
        // The SDK gives up retrying for all buckets of a partition when one of them is down; each has its own.
        .retry_partition(RetryPartition::new(format!("{}/{bucket}", service.base_url())))
        .timeout_config(timeouts(ATTEMPT))
        // Bodies are in memory and attempts are bounded, so a stalled one ends without it.
        .stalled_stream_protection(StalledStreamProtectionConfig::disabled())
        .retry_classifier(AsAsked)
        .interceptor(CountCalls(options.calls.clone()))
        .interceptor(AsAllTakeIt)
        .interceptor(PutOn(options.settings.clone()))
        .interceptor(FitAnswer)
        .interceptor(HearClock(Arc::clone(clock)))
        .retry_classifier(RetryInTime)
        .build();
    Client::from_conf(config)
}

fn timeouts(attempt: Duration) -> TimeoutConfig {
    TimeoutConfig::builder().connect_timeout(CONNECT).operation_attempt_timeout(attempt).build()
}

/// For a call during which the storage works long.
pub(crate) fn for_long_work() -> Builder {
    Config::builder().timeout_config(timeouts(LONG_ATTEMPT))
}

/// For a call that carries so many bytes.
pub(crate) fn for_bytes(count: usize) -> Builder {
    let seconds = u64::try_from(count).unwrap_or(u64::MAX) / SLOWEST;
    Config::builder().timeout_config(timeouts(ATTEMPT.saturating_add(Duration::from_secs(seconds))))
}

/// Counts the attempts of one call: more than one, and an earlier one may have had an effect.
#[derive(Clone, Debug, Default)]
pub(crate) struct Attempts(Arc<AtomicU32>);

impl Attempts {
    /// Whether the call was sent more than once.
    pub(crate) fn were_several(&self) -> bool {
        self.0.load(Ordering::Relaxed) > 1
    }
}

impl Intercept for Attempts {
    fn name(&self) -> &'static str {
        "Attempts"
    }

    fn read_before_transmit(
        &self,
        _context: &BeforeTransmitInterceptorContextRef<'_>,
        _components: &RuntimeComponents,
        _config: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        self.0.fetch_add(1, Ordering::Relaxed);
        Ok(())
    }
}

/// Counts each attempt that is sent, what became of it, and how long that took.
#[derive(Debug)]
struct CountCalls(Calls);

/// The attempt that is under way. One whose call is dropped goes with the call's configuration, and counts then.
#[derive(Debug)]
struct UnderWay(Option<Call>);

impl Storable for UnderWay {
    type Storer = StoreReplace<Self>;
}

impl Intercept for CountCalls {
    fn name(&self) -> &'static str {
        "CountCalls"
    }

    fn read_before_transmit(
        &self,
        _context: &BeforeTransmitInterceptorContextRef<'_>,
        _components: &RuntimeComponents,
        config: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        let op = config.load::<Metadata>().map_or(Op::Other, |call| Op::of(call.name()));
        config.interceptor_state().store_put(UnderWay(Some(self.0.begin(op))));
        Ok(())
    }

    fn read_after_transmit(
        &self,
        context: &BeforeDeserializationInterceptorContextRef<'_>,
        _components: &RuntimeComponents,
        config: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        if let Some(call) = config.get_mut_from_interceptor_state::<UnderWay>().and_then(|attempt| attempt.0.take()) {
            call.answered(context.response().status().as_u16());
        }
        Ok(())
    }

    fn read_after_attempt(
        &self,
        _context: &FinalizerInterceptorContextRef<'_>,
        _components: &RuntimeComponents,
        config: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        // One that is still here had no answer. The pause before the next is no part of it.
        drop(config.get_mut_from_interceptor_state::<UnderWay>().and_then(|attempt| attempt.0.take()));
        Ok(())
    }
}

/// Makes answers such as the SDK can take. One that is larger than any honest one ends while it is read; the SDK itself
/// would keep all of it.
#[derive(Debug)]
struct FitAnswer;

impl Intercept for FitAnswer {
    fn name(&self) -> &'static str {
        "FitAnswer"
    }

    fn modify_before_deserialization(
        &self,
        context: &mut BeforeDeserializationInterceptorContextMut<'_>,
        _components: &RuntimeComponents,
        _config: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        let response = context.response_mut();
        // Google tells the length of what was stored with gzip apart, and of what it would unpack none at all.
        if let Some(stored) = response.headers().get("x-goog-stored-content-length").map(ToOwned::to_owned) {
            response.headers_mut().try_insert("content-length", stored)?;
        }
        let body = response.body_mut();
        let whole = std::mem::replace(body, SdkBody::taken());
        *body = SdkBody::from_body_1_x(Limited::new(whole, ANSWER));
        Ok(())
    }
}

/// Tries again what the SDK does not know to be worth it, and waits as long as `Retry-After` says.
#[derive(Debug)]
struct AsAsked;

impl ClassifyRetry for AsAsked {
    fn classify_retry(&self, context: &InterceptorContext) -> RetryAction {
        let Some(response) = context.response() else { return RetryAction::NoActionIndicated };
        let status = response.status().as_u16();
        let kind = match status {
            429 => ErrorKind::ThrottlingError,
            // 499 is Cloudflare's "client disconnected" on R2.
            499 | 500 | 502 | 503 | 504 => ErrorKind::TransientError,
            _ => return RetryAction::NoActionIndicated,
        };
        match response.headers().get("retry-after").and_then(wait) {
            None if matches!(status, 429 | 499) => RetryAction::retryable_error(kind),
            // The others the SDK knows itself.
            None => RetryAction::NoActionIndicated,
            Some(pause) if pause <= LONGEST_PAUSE => RetryAction::retryable_error_with_explicit_delay(kind, pause),
            Some(_) => RetryAction::RetryForbidden,
        }
    }

    fn name(&self) -> &'static str {
        "AsAsked"
    }

    fn priority(&self) -> RetryClassifierPriority {
        RetryClassifierPriority::run_after(RetryClassifierPriority::transient_error_classifier())
    }
}

/// Makes a request what all providers take. The SDK puts the name of the call into queries (`x-id`), for Amazon's logs,
/// and Google refuses it (rclone `backend/s3/provider/GCS.yaml`); and it leaves out the length of a body that is empty,
/// which Google and R2 want to be told (411).
#[derive(Debug)]
struct AsAllTakeIt;

impl Intercept for AsAllTakeIt {
    fn name(&self) -> &'static str {
        "AsAllTakeIt"
    }

    fn modify_before_signing(
        &self,
        context: &mut BeforeTransmitInterceptorContextMut<'_>,
        _components: &RuntimeComponents,
        _config: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        let request = context.request_mut();
        if let Some(uri) = without_x_id(request.uri()) {
            request.set_uri(uri)?;
        }
        if matches!(request.method(), "PUT" | "POST") && request.body().content_length() == Some(0) {
            request.headers_mut().insert("content-length", "0");
        }
        Ok(())
    }
}

/// `None` where there is none.
fn without_x_id(uri: &str) -> Option<String> {
    let (path, query) = uri.split_once('?')?;
    let kept: Vec<&str> = query.split('&').filter(|pair| !pair.starts_with("x-id=")).collect();
    match kept.as_slice() {
        [] => Some(path.to_owned()),
        kept if kept.len() < query.split('&').count() => Some(format!("{path}?{}", kept.join("&"))),
        _ => None,
    }
}

/// Puts `Content-MD5` in the place of the SDK's own checksum: DeleteObjects needs one or the other, and many providers
/// know only the old one.
#[derive(Debug)]
pub(crate) struct ContentMd5;

impl Intercept for ContentMd5 {
    fn name(&self) -> &'static str {
        "ContentMd5"
    }

    fn modify_before_signing(
        &self,
        context: &mut BeforeTransmitInterceptorContextMut<'_>,
        _components: &RuntimeComponents,
        _config: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        let request = context.request_mut();
        let body = request.body().bytes().ok_or("the body of DeleteObjects is not in memory")?;
        let digest = STANDARD.encode(Md5::digest(body));
        let checksums: Vec<String> = request
            .headers()
            .iter()
            .map(|(name, _)| name)
            .filter(|name| name.starts_with("x-amz-checksum-") || *name == "x-amz-sdk-checksum-algorithm")
            .map(ToOwned::to_owned)
            .collect();
        for name in checksums {
            request.headers_mut().remove(name.as_str());
        }
        request.headers_mut().insert("content-md5", digest);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use aws_smithy_runtime_api::client::interceptors::context::Input;

    use super::*;

    #[test]
    fn a_call_waits_as_long_as_the_storage_asks_or_not_at_all() {
        let classify = |status: u16, retry_after: Option<&'static str>| {
            let mut response = http::Response::builder().status(status);
            if let Some(pause) = retry_after {
                response = response.header("retry-after", pause);
            }
            let mut context = InterceptorContext::new(Input::erase(()));
            context.set_response(response.body(SdkBody::empty()).unwrap().try_into().unwrap());
            AsAsked.classify_retry(&context)
        };
        let (throttled, transient) = (ErrorKind::ThrottlingError, ErrorKind::TransientError);
        let after =
            |kind, seconds| RetryAction::retryable_error_with_explicit_delay(kind, Duration::from_secs(seconds));
        assert_eq!(classify(429, None), RetryAction::retryable_error(throttled));
        assert_eq!(classify(429, Some("2")), after(throttled, 2));
        assert_eq!(classify(499, None), RetryAction::retryable_error(transient));
        assert_eq!(classify(503, Some("5")), after(transient, 5));
        assert_eq!(classify(503, Some("6")), RetryAction::RetryForbidden, "it is passed up");
        assert_eq!(classify(503, Some("soon")), RetryAction::NoActionIndicated, "the SDK knows what to do");
        assert_eq!(classify(403, Some("1")), RetryAction::NoActionIndicated);
    }
}
