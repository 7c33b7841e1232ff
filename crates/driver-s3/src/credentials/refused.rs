//! What is done when a storage says that keys have ended: the call is sent once more with others.

use std::fmt;
use std::sync::Arc;

use aws_sdk_s3::config::{ConfigBag, Intercept, RuntimeComponents};
use aws_smithy_runtime_api::box_error::BoxError;
use aws_smithy_runtime_api::client::interceptors::context::{
    BeforeDeserializationInterceptorContextMut, BeforeTransmitInterceptorContextRef, InterceptorContext,
};
use aws_smithy_runtime_api::client::retries::classifiers::{ClassifyRetry, RetryAction};
use aws_smithy_types::config_bag::{Storable, StoreReplace};

use super::Keys;
use crate::error::element;

/// Where the signer of a request stands in its answer, for those who see the answer alone.
const SIGNED_BY: &str = "x-davmux-signed-by";

/// Whether an answer says that the keys ended, or are unknown.
///
/// The answer to a HEAD has no body and so no code: then the status has to do.
pub(crate) fn is_refusal(status: u16, code: Option<&str>) -> bool {
    match code {
        Some(code) => {
            matches!(code, "ExpiredToken" | "InvalidToken" | "TokenRefreshRequired" | "InvalidAccessKeyId")
        }
        None => matches!(status, 400 | 401 | 403),
    }
}

/// The access key id in an Authorization header or in the query of a signed URL.
pub(crate) fn signer_of(signed: &str) -> Option<&str> {
    let (_, rest) = signed.split_once("Credential=")?;
    let id = rest.split(['/', '%', '&', ',']).next()?;
    (!id.is_empty()).then_some(id)
}

/// Tells the answer of the SDK's requests who signed: when it is decided whether to retry the request is gone.
#[derive(Debug)]
pub(crate) struct CopySignerToAnswer;

#[derive(Debug)]
struct SignedBy(String);

impl Storable for SignedBy {
    type Storer = StoreReplace<Self>;
}

impl Intercept for CopySignerToAnswer {
    fn name(&self) -> &'static str {
        "CopySignerToAnswer"
    }

    fn read_before_transmit(
        &self,
        context: &BeforeTransmitInterceptorContextRef<'_>,
        _components: &RuntimeComponents,
        config: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        if let Some(id) = context.request().headers().get("authorization").and_then(signer_of) {
            config.interceptor_state().store_put(SignedBy(id.to_owned()));
        }
        Ok(())
    }

    fn modify_before_deserialization(
        &self,
        context: &mut BeforeDeserializationInterceptorContextMut<'_>,
        _components: &RuntimeComponents,
        config: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        let headers = context.response_mut().headers_mut();
        headers.remove(SIGNED_BY);
        if let Some(SignedBy(id)) = config.load::<SignedBy>() {
            headers.insert(SIGNED_BY, id.clone());
        }
        Ok(())
    }
}

/// Sends a call once more when its keys were refused and there may be others.
pub(crate) struct RetryWithNewKeys(pub(crate) Arc<Keys>);

impl fmt::Debug for RetryWithNewKeys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("RetryWithNewKeys")
    }
}

impl ClassifyRetry for RetryWithNewKeys {
    fn classify_retry(&self, context: &InterceptorContext) -> RetryAction {
        let refused = context.response().is_some_and(|answer| {
            let body = String::from_utf8_lossy(answer.body().bytes().unwrap_or_default());
            let signer = answer.headers().get(SIGNED_BY);
            is_refusal(answer.status().as_u16(), element(&body, "Code").as_deref())
                && signer.is_some_and(|signer| self.0.refused(signer))
        });
        if refused { RetryAction::transient_error() } else { RetryAction::NoActionIndicated }
    }

    fn name(&self) -> &'static str {
        "RetryWithNewKeys"
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_signer_is_read_from_header_and_query() {
        let header = "AWS4-HMAC-SHA256 Credential=AKID/20261121/auto/s3/aws4_request, SignedHeaders=host, Signature=0";
        assert_eq!(signer_of(header), Some("AKID"));
        let query = "response-content-type=a&X-Amz-Credential=AKID%2F20261121%2Fauto%2Fs3%2Faws4_request&X-Amz-Date=d";
        assert_eq!(signer_of(query), Some("AKID"));
        assert_eq!(signer_of("X-Amz-Date=d"), None);
    }

    #[test]
    fn a_refusal_of_keys_is_told_from_one_of_rights() {
        assert!(is_refusal(400, Some("ExpiredToken")) && is_refusal(403, Some("InvalidAccessKeyId")));
        assert!(is_refusal(403, None), "a HEAD says no more");
        for (status, code) in
            [(403, Some("AccessDenied")), (403, Some("SignatureDoesNotMatch")), (404, None), (503, None)]
        {
            assert!(!is_refusal(status, code), "{status} {code:?}");
        }
    }
}
