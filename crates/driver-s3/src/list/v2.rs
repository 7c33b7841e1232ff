//! ListObjectsV2: a page goes on at a token.

use crate::bucket::Bucket;
use crate::error::Failure;
use crate::list::document::WholeListing;
use crate::list::page::{Ask, Raw};

/// One call.
pub(super) async fn call(bucket: &Bucket, ask: &Ask, token: Option<&str>, encode: bool) -> Result<Raw, Failure> {
    let call = bucket
        .client
        .list_objects_v2()
        .bucket(&bucket.name)
        .prefix(&ask.prefix)
        .set_delimiter(ask.delimiter())
        .set_max_keys(ask.most)
        .set_encoding_type(Ask::encoding(encode))
        .set_continuation_token(token.map(ToOwned::to_owned));
    let reply = call.customize().interceptor(WholeListing).send().await.map_err(|error| Failure::sdk(&error))?;
    Ok(Raw {
        // A reply that is no listing at all has none of these.
        is_listing: reply.is_truncated.is_some() || reply.name.is_some() || reply.key_count.is_some(),
        knows_v2: reply.key_count.is_some() || reply.next_continuation_token.is_some(),
        encoding: reply.encoding_type,
        contents: reply.contents.unwrap_or_default(),
        prefixes: reply.common_prefixes.unwrap_or_default(),
        truncated: reply.is_truncated,
        most: reply.max_keys,
        next: reply.next_continuation_token,
    })
}
