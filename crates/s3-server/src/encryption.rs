//! What a write says about how its object is kept: storage class, access control list, encryption.
//!
//! Nothing is encrypted. Of a customer's key the MD5 is kept, and whoever reads must bring the key that fits it.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::HeaderMap;
use md5::{Digest as _, Md5};
use s3s::{S3Result, s3_error};

use crate::store::{Attributes, Object};

pub(crate) const STORAGE_CLASS: &str = "x-amz-storage-class";
pub(crate) const ENCRYPTION: &str = "x-amz-server-side-encryption";
pub(crate) const KMS_KEY: &str = "x-amz-server-side-encryption-aws-kms-key-id";
pub(crate) const CUSTOMER_ALGORITHM: &str = "x-amz-server-side-encryption-customer-algorithm";
pub(crate) const CUSTOMER_MD5: &str = "x-amz-server-side-encryption-customer-key-md5";

/// Header fields of a write that are kept as they came.
const KEPT: [&str; 4] = [STORAGE_CLASS, ENCRYPTION, KMS_KEY, "x-amz-acl"];

/// Which side of a copy a customer's key is for.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Side {
    /// The object that is read or written.
    Own,
    /// The source of a copy.
    Source,
}

/// The MD5, in Base64, of the customer's key in `headers`.
pub(crate) fn customer_key(headers: &HeaderMap, side: Side) -> S3Result<Option<String>> {
    let prefix = match side {
        Side::Own => "x-amz-server-side-encryption-customer-",
        Side::Source => "x-amz-copy-source-server-side-encryption-customer-",
    };
    let field = |name: &str| headers.get(format!("{prefix}{name}")).and_then(|value| value.to_str().ok());
    let (algorithm, key, md5) = match (field("algorithm"), field("key"), field("key-md5")) {
        (None, None, None) => return Ok(None),
        (Some(algorithm), Some(key), Some(md5)) => (algorithm, key, md5),
        _ => {
            return Err(s3_error!(
                InvalidArgument,
                "Requests specifying Server Side Encryption with Customer provided keys must provide an algorithm, a \
                 key and the key's MD5."
            ));
        }
    };
    if algorithm != "AES256" {
        return Err(s3_error!(InvalidEncryptionAlgorithmError, "The encryption request you specified is not valid."));
    }
    match STANDARD.decode(key) {
        Ok(key) if key.len() == 32 && STANDARD.encode(Md5::digest(&key)) == md5 => Ok(Some(md5.to_owned())),
        Ok(key) if key.len() == 32 => Err(s3_error!(
            InvalidArgument,
            "The calculated MD5 hash of the key did not match the hash that was provided."
        )),
        _ => Err(s3_error!(InvalidArgument, "The secret key was invalid for the specified algorithm.")),
    }
}

/// Takes from the header fields of a write what stays with its object.
pub(crate) fn keep(headers: &HeaderMap, attributes: &mut Attributes) -> S3Result<()> {
    attributes.headers.retain(|name, _| !name.starts_with("x-amz-"));
    for name in KEPT {
        if let Some(value) = headers.get(name).and_then(|value| value.to_str().ok()) {
            attributes.headers.insert(name.to_owned(), value.to_owned());
        }
    }
    if let Some(md5) = customer_key(headers, Side::Own)? {
        if attributes.headers.contains_key(ENCRYPTION) {
            return Err(s3_error!(
                InvalidArgument,
                "Server Side Encryption with Customer provided key is incompatible with the encryption method specified"
            ));
        }
        attributes.headers.insert(CUSTOMER_ALGORITHM.to_owned(), "AES256".to_owned());
        attributes.headers.insert(CUSTOMER_MD5.to_owned(), md5);
    }
    Ok(())
}

/// Whether the header fields of a copy say how the target is kept.
pub(crate) fn said(headers: &HeaderMap) -> bool {
    KEPT.iter().chain(&[CUSTOMER_ALGORITHM]).any(|name| headers.contains_key(*name))
}

/// Checks that `headers` bring the key that `object` is kept under.
pub(crate) fn check_reader(object: &Object, headers: &HeaderMap, side: Side) -> S3Result<()> {
    match (object.attributes.headers.get(CUSTOMER_MD5), customer_key(headers, side)?) {
        (None, None) => Ok(()),
        (Some(kept), Some(said)) if *kept == said => Ok(()),
        (Some(_), Some(_)) => Err(s3_error!(AccessDenied, "Access Denied")),
        (Some(_), None) => Err(s3_error!(
            InvalidRequest,
            "The object was stored using a form of Server Side Encryption. The correct parameters must be provided to \
             retrieve the object."
        )),
        (None, Some(_)) => {
            Err(s3_error!(InvalidRequest, "The encryption parameters are not applicable to this object."))
        }
    }
}

/// Checks that a part comes with the key that its upload was begun with.
pub(crate) fn check_part(upload: &Attributes, headers: &HeaderMap) -> S3Result<()> {
    match (upload.headers.get(CUSTOMER_MD5), customer_key(headers, Side::Own)?) {
        (None, None) => Ok(()),
        (Some(kept), Some(said)) if *kept == said => Ok(()),
        (Some(_), None) => Err(s3_error!(
            InvalidRequest,
            "The multipart upload initiate requested encryption. Subsequent part requests must include the appropriate \
             encryption parameters."
        )),
        _ => {
            Err(s3_error!(InvalidRequest, "The provided encryption parameters did not match the ones used originally."))
        }
    }
}
