//! What an administrator asks of a bucket: its CORS rules, and uploads in progress.

mod b2;
pub(crate) mod cors;
mod uploads;

use std::sync::{Arc, Mutex, PoisonError};

use async_trait::async_trait;
use aws_smithy_runtime_api::box_error::BoxError;
use aws_smithy_runtime_api::client::interceptors::Intercept;
use aws_smithy_runtime_api::client::interceptors::context::AfterDeserializationInterceptorContextRef;
use aws_smithy_runtime_api::client::runtime_components::RuntimeComponents;
use aws_smithy_types::config_bag::ConfigBag;
use davmux_driver::{Admin, CorsRule, Error, ErrorKind, RelPath, Report, Result, UploadInProgress, UploadPages};

use crate::provider::Cors;
use crate::{S3, doctor};

const READ_CORS: &str = "read CORS rules";
const SET_CORS: &str = "set CORS rules";

#[async_trait]
impl Admin for S3 {
    async fn probe(&self, may_write: bool, report: &dyn Report) -> bool {
        doctor::examine(self, may_write, report).await
    }

    fn cors_rule(&self, origins: &[String]) -> Option<CorsRule> {
        Some(match self.bucket.provider.cors {
            Cors::B2 => b2::rule(origins),
            Cors::S3 | Cors::ByHand(_) => cors::rule(origins),
        })
    }

    async fn cors(&self) -> Result<Vec<CorsRule>> {
        match self.bucket.provider.cors {
            Cors::S3 => cors::get(&self.bucket).await,
            Cors::B2 => b2::get(&self.bucket).await,
            Cors::ByHand(how) => Err(error(ErrorKind::Unsupported, READ_CORS, how)),
        }
    }

    async fn set_cors(&self, from: &[CorsRule], to: &[CorsRule]) -> Result<()> {
        match self.bucket.provider.cors {
            Cors::S3 => cors::set(&self.bucket, from, to).await,
            Cors::B2 => b2::set(&self.bucket, from, to).await,
            Cors::ByHand(how) => Err(error(ErrorKind::Unsupported, SET_CORS, how)),
        }
    }

    fn uploads(&self) -> Result<UploadPages> {
        Ok(uploads::pages(Arc::clone(&self.bucket)))
    }

    async fn upload_size(&self, upload: &UploadInProgress) -> Result<u64> {
        uploads::size(&self.bucket, upload).await
    }

    async fn abort(&self, upload: &UploadInProgress) -> Result<()> {
        uploads::abort(&self.bucket, upload).await
    }
}

/// An error of the bucket as a whole.
fn error(kind: ErrorKind, op: &'static str, detail: impl Into<String>) -> Error {
    Error::new(kind, op, &RelPath::root()).with_detail(detail)
}

/// Somebody else was faster.
fn changed_meanwhile() -> Error {
    error(ErrorKind::Precondition, SET_CORS, "somebody changed the bucket meanwhile, so nothing was done; try again")
}

/// Whether two lists hold the same rules in the same order, however each of them is written.
fn same_rules(one: &[CorsRule], other: &[CorsRule]) -> bool {
    one.len() == other.len() && one.iter().zip(other).all(|(one, other)| same_rule(one, other))
}

fn same_rule(one: &CorsRule, other: &CorsRule) -> bool {
    one.name == other.name && one.allows_the_same(other)
}

/// Keeps the document of an answer, to look at it as it came: the SDK takes what it finds before a cut for all there is.
#[derive(Clone, Debug, Default)]
struct KeepDocument(Arc<Mutex<Vec<u8>>>);

impl KeepDocument {
    /// The document; empty before there was one.
    fn take(&self) -> Vec<u8> {
        std::mem::take(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Intercept for KeepDocument {
    fn name(&self) -> &'static str {
        "KeepDocument"
    }

    fn read_after_deserialization(
        &self,
        context: &AfterDeserializationInterceptorContextRef<'_>,
        _components: &RuntimeComponents,
        _config: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        let body = context.response().body().bytes().unwrap_or_default().to_vec();
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = body;
        Ok(())
    }
}
