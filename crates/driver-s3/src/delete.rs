//! Deleting: one call for one key, one call for a thousand where the storage has such a call.

use std::collections::HashMap;

use aws_sdk_s3::types::{Delete, ObjectIdentifier};
use davmux_driver::{Error, ErrorKind, Etag, Kind, RelPath, Removal, Result};
use futures_util::{StreamExt as _, stream};

use crate::bucket::Bucket;
use crate::client::{ATTEMPTS, ContentMd5, FIRST_PAUSE, for_long_work};
use crate::error::{Failure, backend};
use crate::learnt::Ability;
use crate::provider::BulkDelete;

const OP: &str = "delete";
/// Keys that are given to one [`delete`]; S3's limit for one DeleteObjects.
pub(crate) const BATCH: usize = 1000;
/// Keys that are deleted one by one at the same time.
const AT_ONCE: usize = 8;

/// A key, and for what.
#[derive(Clone, Copy, Debug)]
struct Doomed<'a> {
    key: &'a str,
    removal: &'a Removal,
}

/// What could not be deleted.
type Failed = Vec<(RelPath, Error)>;

/// Deletes files and folders' own markers.
pub(crate) async fn delete(bucket: &Bucket, batch: &[Removal]) -> Result<Failed> {
    let keys: Vec<(String, &Removal)> = batch
        .iter()
        .map(|removal| match removal.kind {
            Kind::File => (bucket.root.key(&removal.path), removal),
            Kind::Dir => (bucket.root.prefix(&removal.path), removal),
        })
        // The whole bucket has no marker of its own.
        .filter(|(key, _)| !key.is_empty())
        .collect();
    let keys: Vec<Doomed<'_>> = keys.iter().map(|(key, removal)| Doomed { key, removal }).collect();
    match keys.as_slice() {
        [] => Ok(Vec::new()),
        // Nothing is known of any of them: of one, that is the same.
        [one] if one.removal.etag.is_none() => match single(bucket, *one).await {
            None => Ok(Vec::new()),
            Some((_, error)) => Err(error),
        },
        keys @ [_] => Ok(one_by_one(bucket, keys).await),
        keys => many(bucket, keys).await,
    }
}

async fn many(bucket: &Bucket, keys: &[Doomed<'_>]) -> Result<Failed> {
    let mut failed = Vec::new();
    let mut left = keys;
    while !left.is_empty() {
        let BulkDelete::Keys(most) = bucket.spoken().bulk_delete else {
            failed.extend(one_by_one(bucket, left).await);
            break;
        };
        let (now, later) = left.split_at(left.len().min(most.clamp(1, BATCH)));
        match in_one_call(bucket, now).await? {
            Some(errors) => {
                failed.extend(errors);
                left = later;
            }
            None => bucket.lacks(Ability::BulkDelete),
        }
    }
    Ok(failed)
}

async fn one_by_one(bucket: &Bucket, keys: &[Doomed<'_>]) -> Failed {
    let calls: Vec<_> = keys.iter().map(|one| single(bucket, *one)).collect();
    stream::iter(calls).buffer_unordered(AT_ONCE).filter_map(std::future::ready).collect().await
}

async fn single(bucket: &Bucket, one: Doomed<'_>) -> Option<(RelPath, Error)> {
    let Doomed { key, removal } = one;
    loop {
        let in_the_call = removal.etag.as_ref().filter(|_| bucket.spoken().conditions.delete);
        // The tree looks itself where the row has no such condition; it does not know what was learnt since.
        if in_the_call.is_none()
            && bucket.dialect.conditions.delete
            && let Some(etag) = &removal.etag
            && let Err(error) = is_still(bucket, &removal.path, etag).await
        {
            return Some((removal.path.clone(), error));
        }
        let call = bucket.client.delete_object().bucket(&bucket.name).key(key);
        let Err(error) = call.set_if_match(in_the_call.map(|etag| etag.as_str().to_owned())).send().await else {
            return None;
        };
        let failure = Failure::sdk(&error);
        if failure.is_code("NoSuchKey") {
            return None;
        }
        if in_the_call.is_some() && failure.is_unknown() {
            bucket.lacks(Ability::ConditionalDelete);
            continue;
        }
        return Some((removal.path.clone(), bucket.failed(OP, &removal.path, failure)));
    }
}

/// Whether a key holds this version, or nothing any more.
async fn is_still(bucket: &Bucket, path: &RelPath, etag: &Etag) -> Result<()> {
    match bucket.head(path).await {
        Ok(head) if head.e_tag().and_then(Etag::new).as_ref() == Some(etag) => Ok(()),
        Ok(_) => Err(Error::new(ErrorKind::Precondition, OP, path)),
        Err(failure) if failure.status == Some(404) => Ok(()),
        Err(failure) => Err(bucket.failed(OP, path, failure)),
    }
}

/// Deletes with DeleteObjects. What fails for a reason that passes is tried again. `None`: the storage does not know this
/// call, and did nothing.
async fn in_one_call(bucket: &Bucket, keys: &[Doomed<'_>]) -> Result<Option<Failed>> {
    let by_key: HashMap<&str, Doomed<'_>> = keys.iter().map(|one| (one.key, *one)).collect();
    let mut failed = Vec::new();
    let mut left = keys.to_vec();
    let mut wait = FIRST_PAUSE;
    for attempt in 1.. {
        let with_tags = bucket.spoken().conditions.delete;
        if !with_tags && bucket.dialect.conditions.delete && left.iter().any(|one| one.removal.etag.is_some()) {
            // Each has to be looked at before.
            failed.extend(one_by_one(bucket, &left).await);
            break;
        }
        let errors = match send(bucket, &left, with_tags).await {
            Ok(errors) => errors,
            Err(failure) if failure.is_unknown() && with_tags && left.iter().any(|one| one.removal.etag.is_some()) => {
                bucket.lacks(Ability::ConditionalDelete);
                continue;
            }
            Err(failure) if failure.is_unknown() => return Ok(None),
            Err(failure) => return Err(bucket.failed(OP, &first(&left), failure)),
        };
        left.clear();
        for (key, failure) in errors {
            if failure.is_code("NoSuchKey") {
                continue;
            }
            let Some(one) = by_key.get(key.as_str()) else {
                return Err(backend(OP, &first(keys), "the storage names a key that it was not asked to delete"));
            };
            if failure.passes() && attempt < ATTEMPTS {
                left.push(*one);
            } else if failure.is_code("NotImplemented") && with_tags && one.removal.etag.is_some() {
                bucket.lacks(Ability::ConditionalDelete);
                left.push(*one);
            } else {
                let path = &one.removal.path;
                failed.push((path.clone(), bucket.failed(OP, path, failure)));
            }
        }
        if left.is_empty() {
            break;
        }
        tokio::time::sleep(wait.mul_f64(rand::random())).await;
        wait *= 2;
    }
    Ok(Some(failed))
}

fn first(keys: &[Doomed<'_>]) -> RelPath {
    keys.first().map_or_else(RelPath::root, |one| one.removal.path.clone())
}

/// The keys that failed, and why.
async fn send(bucket: &Bucket, keys: &[Doomed<'_>], with_tags: bool) -> Result<Vec<(String, Failure)>, Failure> {
    let nonsense = |error: aws_sdk_s3::error::BuildError| Failure::nonsense(error.to_string());
    let mut delete = Delete::builder().quiet(true);
    for Doomed { key, removal } in keys {
        let etag = removal.etag.as_ref().filter(|_| with_tags);
        let object = ObjectIdentifier::builder().key(*key).set_e_tag(etag.map(|etag| etag.as_str().to_owned()));
        delete = delete.objects(object.build().map_err(nonsense)?);
    }
    let reply = bucket
        .client
        .delete_objects()
        .bucket(&bucket.name)
        .delete(delete.build().map_err(nonsense)?)
        .customize()
        .config_override(for_long_work())
        .interceptor(ContentMd5)
        .send()
        .await
        .map_err(|error| Failure::sdk(&error))?;
    Ok(reply
        .errors()
        .iter()
        .map(|error| (error.key().unwrap_or_default().to_owned(), Failure::member(error.code(), error.message())))
        .collect())
}
