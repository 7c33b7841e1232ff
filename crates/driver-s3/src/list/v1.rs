//! ListObjects: a page goes on behind a key.

use crate::bucket::Bucket;
use crate::error::Failure;
use crate::list::document::WholeListing;
use crate::list::page::{Ask, Raw};

/// One call. `marker` is the key or prefix behind which the page begins.
pub(super) async fn call(bucket: &Bucket, ask: &Ask, marker: Option<&str>, encode: bool) -> Result<Raw, Failure> {
    let call = bucket
        .client
        .list_objects()
        .bucket(&bucket.name)
        .prefix(&ask.prefix)
        .set_delimiter(ask.delimiter())
        .set_max_keys(ask.most)
        .set_encoding_type(Ask::encoding(encode))
        .set_marker(marker.map(ToOwned::to_owned));
    let reply = call.customize().interceptor(WholeListing).send().await.map_err(|error| Failure::sdk(&error))?;
    Ok(Raw {
        // A reply that is no listing at all has none of these.
        is_listing: reply.is_truncated.is_some() || reply.name.is_some() || reply.marker.is_some(),
        knows_v2: false,
        encoding: reply.encoding_type,
        contents: reply.contents.unwrap_or_default(),
        prefixes: reply.common_prefixes.unwrap_or_default(),
        truncated: reply.is_truncated,
        most: reply.max_keys,
        next: reply.next_marker,
    })
}
