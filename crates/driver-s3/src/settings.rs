//! What requests carry beside what they ask for: storage class, encryption, access list, user agent.
//!
//! One interceptor puts it on, by the name of the operation, so that no call can forget it.

use aws_smithy_runtime_api::box_error::BoxError;
use aws_smithy_runtime_api::client::interceptors::Intercept;
use aws_smithy_runtime_api::client::interceptors::context::BeforeTransmitInterceptorContextMut;
use aws_smithy_runtime_api::client::orchestrator::Metadata;
use aws_smithy_runtime_api::client::runtime_components::RuntimeComponents;
use aws_smithy_types::config_bag::ConfigBag;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use md5::{Digest as _, Md5};

use crate::options::{OptionsError, Secret};

/// How objects are kept, and who asks.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ObjectSettings {
    /// `x-amz-storage-class` of new objects, in the provider's words. `None`: the bucket's own.
    pub storage_class: Option<String>,
    /// How new objects are encrypted at rest.
    pub encryption: Encryption,
    /// Canned access list of new objects, such as `public-read`. `None`: none is sent, as many providers refuse it.
    pub acl: Option<String>,
    /// The `User-Agent` of requests. `None`: the SDK's.
    pub user_agent: Option<String>,
}

/// Encryption at rest (Amazon S3 User Guide, "Protecting data with encryption").
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Encryption {
    /// As the bucket does by itself.
    #[default]
    Bucket,
    /// SSE-S3: with keys of the service.
    S3,
    /// SSE-KMS: with a key of the key management service; `None` is the account's own for S3.
    Kms(Option<String>),
    /// SSE-C: with a key that every request brings. Such an object has no link that a client could follow.
    Customer(CustomerKey),
}

/// A key of 256 bits for SSE-C.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CustomerKey {
    base64: Secret,
    /// By which the service notices a garbled key.
    md5: String,
}

impl CustomerKey {
    /// Takes 32 bytes as base64.
    ///
    /// # Errors
    /// [`OptionsError::CustomerKey`] for anything else.
    pub fn from_base64(text: &str) -> Result<Self, OptionsError> {
        match STANDARD.decode(text.trim()) {
            Ok(key) if key.len() == 32 => {
                Ok(Self { base64: Secret::new(STANDARD.encode(&key)), md5: STANDARD.encode(Md5::digest(&key)) })
            }
            Ok(key) => Err(OptionsError::CustomerKey { bytes: Some(key.len()) }),
            Err(_) => Err(OptionsError::CustomerKey { bytes: None }),
        }
    }

    fn headers(&self) -> [(&'static str, String); 3] {
        [
            ("x-amz-server-side-encryption-customer-algorithm", "AES256".to_owned()),
            ("x-amz-server-side-encryption-customer-key", self.base64.reveal().to_owned()),
            ("x-amz-server-side-encryption-customer-key-md5", self.md5.clone()),
        ]
    }

    fn source_headers(&self) -> [(&'static str, String); 3] {
        [
            ("x-amz-copy-source-server-side-encryption-customer-algorithm", "AES256".to_owned()),
            ("x-amz-copy-source-server-side-encryption-customer-key", self.base64.reveal().to_owned()),
            ("x-amz-copy-source-server-side-encryption-customer-key-md5", self.md5.clone()),
        ]
    }
}

impl ObjectSettings {
    /// Whether an object can only be read with a key that a link cannot carry.
    pub(crate) fn needs_key_to_read(&self) -> bool {
        matches!(self.encryption, Encryption::Customer(_))
    }

    /// What a GET of an object carries besides its link. The signature must cover it.
    pub(crate) fn read_headers(&self) -> Vec<(&'static str, String)> {
        self.headers_of("GetObject")
    }

    /// The headers of an operation, by its name in the S3 API.
    fn headers_of(&self, operation: &str) -> Vec<(&'static str, String)> {
        let mut headers = Vec::new();
        let makes = matches!(operation, "PutObject" | "CreateMultipartUpload" | "CopyObject");
        if makes {
            headers.extend(self.storage_class.clone().map(|class| ("x-amz-storage-class", class)));
            headers.extend(self.acl.clone().map(|acl| ("x-amz-acl", acl)));
        }
        match &self.encryption {
            Encryption::S3 if makes => headers.push(("x-amz-server-side-encryption", "AES256".to_owned())),
            Encryption::Kms(key) if makes => {
                headers.push(("x-amz-server-side-encryption", "aws:kms".to_owned()));
                headers.extend(key.clone().map(|key| ("x-amz-server-side-encryption-aws-kms-key-id", key)));
            }
            Encryption::Customer(key) => {
                if makes || matches!(operation, "UploadPart" | "UploadPartCopy" | "GetObject" | "HeadObject") {
                    headers.extend(key.headers());
                }
                if matches!(operation, "CopyObject" | "UploadPartCopy") {
                    headers.extend(key.source_headers());
                }
            }
            Encryption::Bucket | Encryption::S3 | Encryption::Kms(_) => {}
        }
        headers
    }
}

/// Puts the settings on every request of the SDK.
#[derive(Debug)]
pub(crate) struct PutOn(pub(crate) ObjectSettings);

impl Intercept for PutOn {
    fn name(&self) -> &'static str {
        "ObjectSettings"
    }

    fn modify_before_signing(
        &self,
        context: &mut BeforeTransmitInterceptorContextMut<'_>,
        _components: &RuntimeComponents,
        config: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        let operation = config.load::<Metadata>().map(Metadata::name).unwrap_or_default();
        let headers = context.request_mut().headers_mut();
        for (name, value) in self.0.headers_of(operation) {
            headers.try_insert(name, value)?;
        }
        Ok(())
    }

    fn modify_before_transmit(
        &self,
        context: &mut BeforeTransmitInterceptorContextMut<'_>,
        _components: &RuntimeComponents,
        _config: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        // No signature covers it.
        if let Some(agent) = &self.0.user_agent {
            context.request_mut().headers_mut().try_insert("user-agent", agent.clone())?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_customer_key_is_256_bits_and_is_not_shown() {
        let text = STANDARD.encode([7; 32]);
        let key = CustomerKey::from_base64(&format!(" {text}\n")).unwrap();
        assert!(!format!("{key:?}").contains(&text));
        assert_eq!(CustomerKey::from_base64("AAAA"), Err(OptionsError::CustomerKey { bytes: Some(3) }));
        assert_eq!(CustomerKey::from_base64("not base64"), Err(OptionsError::CustomerKey { bytes: None }));
    }

    #[test]
    fn every_operation_that_touches_the_bytes_brings_the_customer_key() {
        let key = CustomerKey::from_base64(&STANDARD.encode([7; 32])).unwrap();
        let settings = ObjectSettings { encryption: Encryption::Customer(key), ..ObjectSettings::default() };
        let count = |operation| settings.headers_of(operation).len();
        for operation in ["PutObject", "CreateMultipartUpload", "UploadPart", "GetObject", "HeadObject"] {
            assert_eq!(count(operation), 3, "{operation}");
        }
        for operation in ["CopyObject", "UploadPartCopy"] {
            assert_eq!(count(operation), 6, "{operation}");
        }
        for operation in ["ListObjectsV2", "DeleteObjects", "CompleteMultipartUpload", "AbortMultipartUpload"] {
            assert_eq!(count(operation), 0, "{operation}");
        }
    }
}
