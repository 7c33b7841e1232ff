//! The clock of the storage, where it is not ours.
//!
//! S3 refuses a signature that is 15 minutes from its own clock. The SDK signs its calls again by the `Date` of the answer
//! that refused them, and goes on so; links are followed by others, and reads go without the SDK. They are signed by the
//! clock that is kept here: ours, moved by what the answers of the storage say.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use aws_smithy_runtime_api::box_error::BoxError;
use aws_smithy_runtime_api::client::interceptors::Intercept;
use aws_smithy_runtime_api::client::interceptors::context::{
    BeforeDeserializationInterceptorContextMut, BeforeTransmitInterceptorContextRef, InterceptorContext,
};
use aws_smithy_runtime_api::client::retries::classifiers::{ClassifyRetry, RetryAction};
use aws_smithy_runtime_api::client::runtime_components::RuntimeComponents;
use aws_smithy_types::config_bag::{ConfigBag, Storable, StoreReplace};
use aws_smithy_types::date_time::{DateTime, Format};
use http::header::{AGE, DATE};
use http::{HeaderMap, HeaderValue, StatusCode};

/// How far a clock may be off; S3 refuses a signature that is 15 minutes from its own clock, and a `Date` has been on its
/// way for a while.
const MOST: Duration = Duration::from_secs(15 * 60 - 30);
/// How far what is kept may be from what an answer says. A `Date` has whole seconds, and is some seconds old.
const TOLERANCE: Duration = Duration::from_secs(60);
/// The `Date` of an answer that took longer says too little.
const FRESH: Duration = Duration::from_secs(20);

/// How far this machine's clock is from the storage's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Skew {
    Ahead(Duration),
    Behind(Duration),
}

impl Skew {
    /// How far `ours` is from `theirs`.
    fn between(ours: SystemTime, theirs: SystemTime) -> Self {
        match ours.duration_since(theirs) {
            Ok(ahead) => Self::Ahead(ahead),
            Err(behind) => Self::Behind(behind.duration()),
        }
    }

    /// From the `Date` of an answer that just came; `None` where the clocks agree well enough to sign.
    pub(crate) fn told(date: Option<&str>) -> Option<Self> {
        let skew = Self::between(SystemTime::now(), httpdate::parse_http_date(date?).ok()?);
        (skew.by() >= MOST).then_some(skew)
    }

    fn by(self) -> Duration {
        let (Self::Ahead(by) | Self::Behind(by)) = self;
        by
    }

    pub(crate) fn advice(self) -> String {
        let direction = match self {
            Self::Ahead(_) => "ahead of",
            Self::Behind(_) => "behind",
        };
        let minutes = (self.by().as_secs() + 30) / 60;
        format!(
            "the clock of this machine is {minutes} minutes {direction} the storage's: set it, and keep it set with NTP"
        )
    }
}

/// The clock of a bucket's storage.
#[derive(Debug)]
pub(crate) struct StorageClock {
    bucket: String,
    /// Seconds ahead of this machine's clock.
    ahead: AtomicI64,
    warned: AtomicBool,
}

impl StorageClock {
    /// One that agrees with ours until it is heard.
    pub(crate) fn new(bucket: &str) -> Self {
        Self { bucket: bucket.to_owned(), ahead: AtomicI64::new(0), warned: AtomicBool::new(false) }
    }

    /// What it shows at a moment of this machine's clock.
    pub(crate) fn at(&self, ours: SystemTime) -> SystemTime {
        let ahead = self.ahead.load(Ordering::Relaxed);
        let by = Duration::from_secs(ahead.unsigned_abs());
        if ahead < 0 { ours.checked_sub(by) } else { ours.checked_add(by) }.unwrap_or(ours)
    }

    /// Hears the `Date` of an answer that just came. A cache's is old, and has an `Age`.
    pub(crate) fn hear(&self, date: Option<&str>, age: Option<&str>) {
        let (Some(date), None) = (date, age) else { return };
        let Ok(theirs) = httpdate::parse_http_date(date) else { return };
        if let Some(advice) = self.set(SystemTime::now(), theirs) {
            let bucket = &self.bucket;
            tracing::warn!(bucket, "{advice}; until then calls, links and reads are signed by the storage's");
        }
    }

    /// Hears an answer to what was signed with this time. Says whether it may be refused only for that.
    pub(crate) fn refuses(&self, signed: SystemTime, status: StatusCode, headers: &HeaderMap) -> bool {
        let header = |name| headers.get(name).and_then(|value: &HeaderValue| value.to_str().ok());
        let (date, age) = (header(DATE), header(AGE));
        self.hear(date, age);
        age.is_none() && is_off_time(status.as_u16(), signed, date)
    }

    /// Says once what to do about a clock that is too far off.
    fn set(&self, ours: SystemTime, theirs: SystemTime) -> Option<String> {
        if Skew::between(self.at(ours), theirs).by() < TOLERANCE {
            return None;
        }
        let skew = Skew::between(ours, theirs);
        let seconds = i64::try_from(skew.by().as_secs()).unwrap_or(i64::MAX);
        self.ahead.store(if matches!(skew, Skew::Ahead(_)) { -seconds } else { seconds }, Ordering::Relaxed);
        (skew.by() >= MOST && !self.warned.swap(true, Ordering::Relaxed)).then(|| skew.advice())
    }
}

/// Whether an answer may refuse a request only for the time of its signature. A link that has not begun or has ended is
/// refused in other words than a call, and a HEAD without any.
fn is_off_time(status: u16, signed: SystemTime, date: Option<&str>) -> bool {
    let theirs = date.and_then(|date| httpdate::parse_http_date(date).ok());
    matches!(status, 400 | 401 | 403) && theirs.is_some_and(|theirs| Skew::between(signed, theirs).by() >= MOST)
}

/// Hears the answers of the SDK's calls.
#[derive(Debug)]
pub(crate) struct HearClock(pub(crate) Arc<StorageClock>);

/// One attempt of a call.
#[derive(Debug)]
struct Sent {
    at: Instant,
    /// By the time in its signature.
    signed: Option<SystemTime>,
}

impl Storable for Sent {
    type Storer = StoreReplace<Self>;
}

/// On an answer that may refuse the call only for the time of its signature.
#[derive(Clone, Copy, Debug)]
struct SignedOffTime;

impl Intercept for HearClock {
    fn name(&self) -> &'static str {
        "HearClock"
    }

    fn read_before_transmit(
        &self,
        context: &BeforeTransmitInterceptorContextRef<'_>,
        _components: &RuntimeComponents,
        config: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        let signed = context.request().headers().get("x-amz-date").and_then(time_of_signature);
        config.interceptor_state().store_put(Sent { at: Instant::now(), signed });
        Ok(())
    }

    fn modify_before_deserialization(
        &self,
        context: &mut BeforeDeserializationInterceptorContextMut<'_>,
        _components: &RuntimeComponents,
        config: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        let Some(Sent { at, signed }) = config.load::<Sent>() else { return Ok(()) };
        let answer = context.response_mut();
        let (date, age) = (answer.headers().get("date"), answer.headers().get("age"));
        if at.elapsed() < FRESH {
            self.0.hear(date, age);
        }
        if age.is_none() && signed.is_some_and(|signed| is_off_time(answer.status().as_u16(), signed, date)) {
            answer.add_extension(SignedOffTime);
        }
        Ok(())
    }
}

/// Sends a call once more that was signed off time. The SDK knows that itself where the answer has a code, which that to
/// a HEAD has not. It has taken the time from the answer by then, so the next attempt is not off.
#[derive(Debug)]
pub(crate) struct RetryInTime;

impl ClassifyRetry for RetryInTime {
    fn classify_retry(&self, context: &InterceptorContext) -> RetryAction {
        match context.response().and_then(|answer| answer.extension::<SignedOffTime>()) {
            Some(SignedOffTime) => RetryAction::transient_error(),
            None => RetryAction::NoActionIndicated,
        }
    }

    fn name(&self) -> &'static str {
        "RetryInTime"
    }
}

/// The time in a signature (`20261121T151032Z`).
fn time_of_signature(text: &str) -> Option<SystemTime> {
    let part = |range| text.get(range);
    let (year, month, day) = (part(0..4)?, part(4..6)?, part(6..8)?);
    let (hour, minute, second) = (part(9..11)?, part(11..13)?, part(13..15)?);
    let text = format!("{year}-{month}-{day}T{hour}:{minute}:{second}Z");
    let seconds = DateTime::from_str(&text, Format::DateTime).ok()?.secs();
    Some(UNIX_EPOCH + Duration::from_secs(u64::try_from(seconds).ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    const MINUTE: Duration = Duration::from_secs(60);

    fn now() -> SystemTime {
        httpdate::parse_http_date("Sat, 21 Nov 2026 15:10:32 GMT").unwrap()
    }

    #[test]
    fn the_clock_follows_what_it_hears_and_forgets_what_is_mended() {
        let clock = StorageClock::new("films");
        for theirs in [now(), now() + 20 * MINUTE, now() - 20 * MINUTE, now() + 3 * MINUTE, now()] {
            clock.set(now(), theirs);
            assert_eq!(clock.at(now()), theirs);
        }
    }

    #[test]
    fn a_clock_that_is_too_far_off_is_said_once() {
        let clock = StorageClock::new("films");
        assert_eq!(clock.set(now(), now() + 5 * MINUTE), None, "signatures hold");
        assert!(clock.set(now(), now() + 20 * MINUTE).unwrap().contains("20 minutes behind"));
        assert_eq!(clock.set(now(), now() - 20 * MINUTE), None);
    }

    #[test]
    fn the_way_of_an_answer_does_not_move_the_clock() {
        let clock = StorageClock::new("films");
        clock.set(now(), now() + 20 * MINUTE);
        clock.set(now(), now() + 19 * MINUTE + Duration::from_secs(1));
        assert_eq!(clock.at(now()), now() + 20 * MINUTE);
    }

    #[test]
    fn the_date_of_a_cache_is_not_heard() {
        let clock = StorageClock::new("films");
        let date = httpdate::fmt_http_date(SystemTime::now() - 20 * MINUTE);
        clock.hear(Some(&date), Some("1200"));
        clock.hear(Some("yesterday"), None);
        clock.hear(None, None);
        assert_eq!(clock.at(now()), now());
    }

    #[test]
    fn a_refusal_for_the_time_of_a_signature_is_one_whose_date_is_far_from_it() {
        let date = httpdate::fmt_http_date(now());
        for signed in [now() - 15 * MINUTE, now() + 20 * MINUTE] {
            assert!([400, 401, 403].iter().all(|status| is_off_time(*status, signed, Some(&date))));
            assert!([200, 404, 503].iter().all(|status| !is_off_time(*status, signed, Some(&date))));
            assert!(!is_off_time(403, signed, None));
        }
        assert!(!is_off_time(403, now() - 14 * MINUTE, Some(&date)));
    }

    #[test]
    fn the_time_of_a_signature_is_read() {
        assert_eq!(time_of_signature("20261121T151032Z"), Some(now()));
        for text in ["", "20261121", "2026112\u{e9}T151032Z", "20261321T151032Z", "19691231T235959Z"] {
            assert_eq!(time_of_signature(text), None, "{text}");
        }
    }
}
