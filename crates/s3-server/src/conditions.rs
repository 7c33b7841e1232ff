//! Preconditions, as data.

use http::HeaderMap;
use s3s::dto::{ETag, ETagCondition, Timestamp};
use s3s::{S3Error, S3ErrorCode, S3Result, s3_error};

use crate::store::Object;
use crate::strict::{Condition, OnWrite};

/// What must hold of the object that a write would replace.
#[derive(Clone, Debug, Default)]
pub(crate) struct WriteCondition {
    pub(crate) if_match: Option<ETagCondition>,
    pub(crate) if_none_match: Option<ETagCondition>,
}

impl WriteCondition {
    /// The conditions that a provider looks at, or its refusal of one that it does not take.
    pub(crate) fn read(
        habit: OnWrite,
        if_none_match: Option<ETagCondition>,
        if_match: Option<ETagCondition>,
    ) -> S3Result<Self> {
        let (if_none_match, if_match) = (habit.if_none_match.take(if_none_match)?, habit.if_match.take(if_match)?);
        Ok(Self { if_match, if_none_match })
    }

    /// Checks the object that stands, if any.
    pub(crate) fn check(&self, standing: Option<&Object>) -> S3Result<()> {
        if let Some(condition) = &self.if_none_match {
            if !condition.is_any() {
                return Err(s3_error!(
                    NotImplemented,
                    "A header you provided implies functionality that is not implemented: If-None-Match takes * alone"
                ));
            }
            if standing.is_some() {
                return Err(failed("If-None-Match"));
            }
        }
        match (&self.if_match, standing) {
            (None, _) => Ok(()),
            (Some(_), None) => Err(s3_error!(NoSuchKey, "The specified key does not exist.")),
            (Some(condition), Some(object)) if matches(condition, object) => Ok(()),
            (Some(_), Some(_)) => Err(failed("If-Match")),
        }
    }
}

impl Condition {
    /// What of a condition is looked at.
    pub(crate) fn take<T>(self, said: Option<T>) -> S3Result<Option<T>> {
        match (self, said) {
            (_, None) | (Self::Ignored, _) => Ok(None),
            (Self::Honoured, said) => Ok(said),
            (Self::Refused(refusal), Some(_)) => Err(refusal.into()),
        }
    }
}

/// The conditions of a read (RFC 9110, 13.2.2), or those on the source of a copy.
#[derive(Debug, Default)]
pub(crate) struct ReadCondition {
    pub(crate) if_match: Option<ETagCondition>,
    pub(crate) if_none_match: Option<ETagCondition>,
    pub(crate) if_modified_since: Option<Timestamp>,
    pub(crate) if_unmodified_since: Option<Timestamp>,
}

impl ReadCondition {
    /// What of the conditions on the source of a copy is looked at.
    pub(crate) fn source(self, habit: Condition) -> S3Result<Self> {
        Ok(Self {
            if_match: habit.take(self.if_match)?,
            if_none_match: habit.take(self.if_none_match)?,
            if_modified_since: habit.take(self.if_modified_since)?,
            if_unmodified_since: habit.take(self.if_unmodified_since)?,
        })
    }

    /// Checks a read: 412, or 304 for what the client has already.
    pub(crate) fn check_read(&self, object: &Object) -> S3Result<()> {
        if !self.still_wanted(object) {
            return Err(failed("If-Match or If-Unmodified-Since"));
        }
        if !self.is_news(object) {
            let mut error = S3Error::new(S3ErrorCode::NotModified);
            let mut headers = HeaderMap::new();
            let modified = http_date(object.modified);
            for (name, value) in [("etag", format!("\"{}\"", object.etag)), ("last-modified", modified)] {
                if let Ok(value) = value.parse() {
                    headers.insert(name, value);
                }
            }
            error.set_headers(headers);
            return Err(error);
        }
        Ok(())
    }

    /// Checks the source of a copy, where all failures are 412.
    pub(crate) fn check_source(&self, object: &Object) -> S3Result<()> {
        if self.still_wanted(object) && self.is_news(object) { Ok(()) } else { Err(failed("x-amz-copy-source-if-")) }
    }

    fn still_wanted(&self, object: &Object) -> bool {
        match (&self.if_match, &self.if_unmodified_since) {
            (Some(condition), _) => matches(condition, object),
            (None, Some(time)) => object.modified <= seconds(time),
            (None, None) => true,
        }
    }

    fn is_news(&self, object: &Object) -> bool {
        match (&self.if_none_match, &self.if_modified_since) {
            (Some(condition), _) => !matches(condition, object),
            (None, Some(time)) => object.modified > seconds(time),
            (None, None) => true,
        }
    }
}

/// A list of tags arrives as one value with quotes inside.
fn matches(condition: &ETagCondition, object: &Object) -> bool {
    match condition {
        ETagCondition::Any => true,
        ETagCondition::ETag(tag) => tag_matches(tag, object),
    }
}

pub(crate) fn tag_matches(tag: &ETag, object: &Object) -> bool {
    tag.value().split(',').any(|tag| tag.trim().trim_matches('"') == object.etag)
}

fn failed(condition: &str) -> S3Error {
    s3_error!(PreconditionFailed, "At least one of the pre-conditions you specified did not hold: {condition}")
}

fn seconds(time: &Timestamp) -> i64 {
    time::OffsetDateTime::from(time.clone()).unix_timestamp()
}

/// Seconds since 1970 as S3 gives times.
pub(crate) fn timestamp(seconds: i64) -> Timestamp {
    time::OffsetDateTime::from_unix_timestamp(seconds).unwrap_or(time::OffsetDateTime::UNIX_EPOCH).into()
}

/// Seconds since 1970 as HTTP gives times.
pub(crate) fn http_date(seconds: i64) -> String {
    let mut text = Vec::new();
    // A time that cannot be written leaves an empty header value.
    let _ = timestamp(seconds).format(s3s::dto::TimestampFormat::HttpDate, &mut text);
    String::from_utf8(text).unwrap_or_default()
}
