//! The answer to CreateMultipartUpload under another name.

use aws_smithy_runtime_api::box_error::BoxError;
use aws_smithy_runtime_api::client::interceptors::Intercept;
use aws_smithy_runtime_api::client::interceptors::context::BeforeDeserializationInterceptorContextMut;
use aws_smithy_runtime_api::client::runtime_components::RuntimeComponents;
use aws_smithy_types::body::SdkBody;
use aws_smithy_types::config_bag::ConfigBag;
use bytes::Bytes;
use futures_util::stream;
use http_body_util::{BodyExt as _, StreamBody};
use hyper::body::Frame;

/// Takes `InitiateMultipartUpload` for the `InitiateMultipartUploadResult` that it should be: rclone's server names its
/// answer so, and the SDK reads no other name.
#[derive(Debug)]
pub(crate) struct AnyUploadDocument;

impl Intercept for AnyUploadDocument {
    fn name(&self) -> &'static str {
        "AnyUploadDocument"
    }

    fn modify_before_deserialization(
        &self,
        context: &mut BeforeDeserializationInterceptorContextMut<'_>,
        _components: &RuntimeComponents,
        _config: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        let body = context.response_mut().body_mut();
        let given = std::mem::replace(body, SdkBody::empty());
        let renamed = async move {
            let document = given.collect().await?.to_bytes();
            Ok::<_, aws_smithy_types::body::Error>(Frame::data(renamed_upload_document(document)))
        };
        *body = SdkBody::from_body_1_x(StreamBody::new(stream::once(renamed)));
        Ok(())
    }
}

fn renamed_upload_document(document: Bytes) -> Bytes {
    match std::str::from_utf8(&document) {
        Ok(text) if text.contains("</InitiateMultipartUpload>") => {
            text.replace("InitiateMultipartUpload>", "InitiateMultipartUploadResult>").into()
        }
        _ => document,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_upload_begins_with_a_document_of_either_name() {
        let renamed = |text: &'static str| renamed_upload_document(Bytes::from_static(text.as_bytes()));
        let right = "<InitiateMultipartUploadResult><UploadId>u</UploadId></InitiateMultipartUploadResult>";
        assert_eq!(renamed("<InitiateMultipartUpload><UploadId>u</UploadId></InitiateMultipartUpload>"), right);
        assert_eq!(renamed(right), right);
        assert_eq!(renamed("<Error/>"), "<Error/>");
    }
}
