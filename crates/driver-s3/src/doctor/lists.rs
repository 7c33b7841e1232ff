//! Listing in both versions, with and without url-encoding, over several pages; and deleting many keys at once.

use std::collections::BTreeSet;

use aws_sdk_s3::types::{CommonPrefix, Delete, EncodingType, Object, ObjectIdentifier};
use davmux_driver::Finding;

use super::{Doctor, words};
use crate::client::ContentMd5;
use crate::error::Failure;
use crate::key::decode_listed;
use crate::provider::{BulkDelete, ListVersion, Listing};

/// The small objects, named so that encoding, order and folders show.
const NAMES: [&str; 6] = ["list/a", "list/a b+c%25&d", "list/b/1", "list/b/2", "list/c", "list/\u{e9}"];
/// What a listing of `list/` must find.
const FOUND: [&str; 5] = ["a", "a b+c%25&d", "b/", "c", "\u{e9}"];
/// Keys of one page: several pages follow from it.
const PAGE: i32 = 2;
/// A storage that needs more pages than this goes in circles.
const PAGES: usize = 12;

/// Where a listing goes on.
type Next = Option<String>;
/// Keys found, and where to go on.
type PageOf = (Vec<String>, Next);

impl Doctor<'_> {
    pub(super) async fn lists(&self) {
        self.begin("list");
        for name in NAMES {
            if let Err(failure) = self.put_small(name).await {
                self.tell(Finding::fails("list", format!("{name:?} cannot be written as a name: {}", words(&failure))));
                return;
            }
        }
        let used = self.bucket.dialect.listing;
        let mut good = Vec::new();
        let mut seen = Vec::new();
        for version in [ListVersion::V2, ListVersion::V1] {
            for url_encoding in [true, false] {
                let listing = Listing { version, url_encoding, ..used };
                match self.listed(listing).await {
                    Ok(()) => {
                        good.push(listing);
                        seen.push(format!("{} works", name_of(listing)));
                    }
                    Err(why) => seen.push(format!("{}: {why}", name_of(listing))),
                }
            }
        }
        let seen = seen.join("; ");
        let finding = match good.first() {
            _ if good.contains(&used) => Finding::works("list", seen),
            Some(better) => Finding::fails("list", format!("{} does not work here. {seen}", name_of(used)))
                .write("list_object_version", if better.version == ListVersion::V1 { "v1" } else { "v2" })
                .write("list_url_encode", better.url_encoding),
            None => Finding::fails("list", seen).advise("without a listing that is whole nothing can be served"),
        };
        self.tell(finding);
    }

    /// Whether this way of listing finds exactly what is there.
    async fn listed(&self, listing: Listing) -> Result<(), String> {
        let prefix = format!("{}list/", self.bucket.root.prefix(&self.scratch));
        let mut found = BTreeSet::new();
        let mut next = None;
        for _ in 0..PAGES {
            let (keys, more) = match listing.version {
                ListVersion::V2 => self.page_v2(&prefix, listing.url_encoding, next).await?,
                ListVersion::V1 => self.page_v1(&prefix, listing.url_encoding, next).await?,
            };
            found.extend(keys.iter().map(|key| key.strip_prefix(&prefix).unwrap_or(key).to_owned()));
            next = more;
            if next.is_none() {
                let wanted: BTreeSet<String> = FOUND.into_iter().map(ToOwned::to_owned).collect();
                if found == wanted {
                    return Ok(());
                }
                let missing: Vec<_> = wanted.difference(&found).collect();
                let strange: Vec<_> = found.difference(&wanted).collect();
                return Err(format!("lists wrongly: missing {missing:?}, unexpected {strange:?}"));
            }
        }
        Err("goes round in circles".to_owned())
    }

    async fn page_v2(&self, prefix: &str, url_encoding: bool, next: Next) -> Result<PageOf, String> {
        let reply = self
            .bucket
            .client
            .list_objects_v2()
            .bucket(&self.bucket.name)
            .prefix(prefix)
            .delimiter("/")
            .max_keys(PAGE)
            .set_encoding_type(url_encoding.then_some(EncodingType::Url))
            .set_continuation_token(next)
            .send()
            .await
            .map_err(|error| words(&Failure::sdk(&error)))?;
        let encoded = reply.encoding_type() == Some(&EncodingType::Url);
        let keys = keys(reply.contents(), reply.common_prefixes(), encoded);
        let token = reply.next_continuation_token().filter(|token| !token.is_empty()).map(ToOwned::to_owned);
        match (reply.is_truncated(), token) {
            (Some(true), None) => Err("is cut and does not say where it goes on".to_owned()),
            (Some(false), _) => Ok((keys, None)),
            (_, token) => Ok((keys, token)),
        }
    }

    async fn page_v1(&self, prefix: &str, url_encoding: bool, next: Next) -> Result<PageOf, String> {
        let reply = self
            .bucket
            .client
            .list_objects()
            .bucket(&self.bucket.name)
            .prefix(prefix)
            .delimiter("/")
            .max_keys(PAGE)
            .set_encoding_type(url_encoding.then_some(EncodingType::Url))
            .set_marker(next)
            .send()
            .await
            .map_err(|error| words(&Failure::sdk(&error)))?;
        let encoded = reply.encoding_type() == Some(&EncodingType::Url);
        let keys = keys(reply.contents(), reply.common_prefixes(), encoded);
        let marker = reply.next_marker().filter(|marker| !marker.is_empty());
        let marker = marker.map(|marker| decoded(marker, encoded)).or_else(|| keys.iter().max().cloned());
        Ok((keys, if reply.is_truncated() == Some(true) { marker } else { None }))
    }

    pub(super) async fn bulk_delete(&self) {
        const TOPIC: &str = "bulk delete";
        self.begin(TOPIC);
        let names = ["gone/a", "gone/a b+c%25&d", "gone/\u{e9}"];
        let mut objects = Vec::new();
        for name in names {
            if let Err(failure) = self.put_small(name).await {
                self.tell(Finding::skipped(TOPIC, format!("{name:?} cannot be written: {}", words(&failure))));
                return;
            }
            objects.extend(ObjectIdentifier::builder().key(self.key(name)).build().ok());
        }
        let Ok(delete) = Delete::builder().quiet(true).set_objects(Some(objects)).build() else { return };
        let call = self.bucket.client.delete_objects().bucket(&self.bucket.name).delete(delete);
        let reply = call.customize().interceptor(ContentMd5).send().await;
        let used = matches!(self.bucket.dialect.bulk_delete, BulkDelete::Keys(_));
        let outcome = match reply {
            Ok(reply) if !reply.errors().is_empty() => Err("it answers with errors".to_owned()),
            Ok(_) => match self.any_left(&names).await {
                None => Ok(()),
                Some(left) => Err(format!("it says that all went, and {left:?} is still there")),
            },
            Err(error) => Err(words(&Failure::sdk(&error))),
        };
        self.tell(match (outcome, used) {
            (Ok(()), true) => Finding::works(TOPIC, "DeleteObjects with Content-MD5 takes many keys in one call"),
            (Ok(()), false) => Finding::notice(TOPIC, "DeleteObjects works, and this mount deletes key by key")
                .write("bulk_delete", 1000),
            (Err(why), true) => {
                Finding::fails(TOPIC, format!("DeleteObjects does not work: {why}")).write("bulk_delete", false)
            }
            (Err(why), false) => Finding::works(TOPIC, format!("key by key, as DeleteObjects does not work: {why}")),
        });
    }

    async fn any_left<'n>(&self, names: &[&'n str]) -> Option<&'n str> {
        for name in names {
            let call = self.bucket.client.head_object().bucket(&self.bucket.name).key(self.key(name));
            if call.send().await.is_ok() {
                return Some(name);
            }
        }
        None
    }
}

fn name_of(listing: Listing) -> String {
    let version = match listing.version {
        ListVersion::V1 => "v1",
        ListVersion::V2 => "v2",
    };
    format!("{version} {} url-encoding", if listing.url_encoding { "with" } else { "without" })
}

fn keys(contents: &[Object], prefixes: &[CommonPrefix], encoded: bool) -> Vec<String> {
    let keys = contents.iter().filter_map(Object::key);
    keys.chain(prefixes.iter().filter_map(CommonPrefix::prefix)).map(|key| decoded(key, encoded)).collect()
}

fn decoded(text: &str, encoded: bool) -> String {
    if encoded { String::from_utf8_lossy(&decode_listed(text)).into_owned() } else { text.to_owned() }
}
