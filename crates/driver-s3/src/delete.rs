//! Deleting: one call for one key, one call for a thousand.

use std::collections::HashMap;

use aws_sdk_s3::types::{Delete, ObjectIdentifier};
use davmux_driver::{Error, Kind, RelPath, Removal, Result};

use crate::bucket::Bucket;
use crate::client::{ContentMd5, for_long_work};
use crate::error::{Failure, backend};

const OP: &str = "delete";
/// What one DeleteObjects takes.
pub(crate) const BATCH: usize = 1000;

/// Deletes files and folders' own markers.
pub(crate) async fn delete(bucket: &Bucket, batch: &[Removal]) -> Result<Vec<(RelPath, Error)>> {
    let keys: Vec<(String, &Removal)> = batch
        .iter()
        .map(|removal| match removal.kind {
            Kind::File => (bucket.root.key(&removal.path), removal),
            Kind::Dir => (bucket.root.prefix(&removal.path), removal),
        })
        // The whole bucket has no marker of its own.
        .filter(|(key, _)| !key.is_empty())
        .collect();
    match keys.as_slice() {
        [] => Ok(Vec::new()),
        [(key, removal)] => one(bucket, key, removal).await,
        keys => {
            let mut failed = Vec::new();
            for keys in keys.chunks(BATCH) {
                failed.extend(many(bucket, keys).await?);
            }
            Ok(failed)
        }
    }
}

async fn one(bucket: &Bucket, key: &str, removal: &Removal) -> Result<Vec<(RelPath, Error)>> {
    let Err(error) = bucket.client.delete_object().bucket(&bucket.name).key(key).send().await else {
        return Ok(Vec::new());
    };
    let failure = Failure::sdk(&error);
    if failure.is_code("NoSuchKey") {
        return Ok(Vec::new());
    }
    Err(bucket.failed(OP, &removal.path, failure))
}

async fn many(bucket: &Bucket, keys: &[(String, &Removal)]) -> Result<Vec<(RelPath, Error)>> {
    let first = keys.first().map_or_else(RelPath::root, |(_, removal)| removal.path.clone());
    let mut delete = Delete::builder().quiet(true);
    for (key, removal) in keys {
        let object = ObjectIdentifier::builder().key(key).build();
        delete = delete.objects(object.map_err(|error| backend(OP, &removal.path, error.to_string()))?);
    }
    let delete = delete.build().map_err(|error| backend(OP, &first, error.to_string()))?;
    let reply = bucket
        .client
        .delete_objects()
        .bucket(&bucket.name)
        .delete(delete)
        .customize()
        .config_override(for_long_work())
        .interceptor(ContentMd5)
        .send()
        .await
        .map_err(|error| bucket.error(OP, &first, &error))?;
    if reply.errors().is_empty() {
        return Ok(Vec::new());
    }
    let paths: HashMap<&str, &RelPath> = keys.iter().map(|(key, removal)| (key.as_str(), &removal.path)).collect();
    let mut failed = Vec::new();
    for error in reply.errors() {
        if error.code() == Some("NoSuchKey") {
            continue;
        }
        let Some(&path) = error.key().and_then(|key| paths.get(key)) else {
            return Err(backend(OP, &first, "the storage names a key that it was not asked to delete"));
        };
        failed.push((path.clone(), Failure::member(error.code(), error.message()).into_error(OP, path, &bucket.name)));
    }
    Ok(failed)
}
