//! Listings: ListObjectsV2, page by page, the next one fetched while the last is read.

use std::collections::HashSet;
use std::sync::Arc;

use aws_sdk_s3::operation::list_objects_v2::ListObjectsV2Output;
use aws_sdk_s3::types::EncodingType;
use davmux_driver::meter::Meter;
use davmux_driver::{Entry, Error, ErrorKind, Etag, Kind, Page, Pages, RelPath, Result};
use futures_util::stream;
use tokio::task::JoinSet;

use crate::bucket::{Bucket, time};
use crate::client::WholeListing;
use crate::error::backend;
use crate::key::{Name, decode_listed, name_below};
use crate::order::{HoldBack, Item, Sorted};

/// What S3 gives at most, and what a page of a listing that had to be sorted here holds.
const PAGE: usize = 1000;

/// How far a listing goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Depth {
    /// The members of one folder.
    Members,
    /// Everything below it.
    Tree,
}

/// The pages of a listing. The first call is made when the first page is asked for.
pub(crate) fn pages(bucket: &Arc<Bucket>, dir: &RelPath, depth: Depth) -> Pages {
    let listing = Listing {
        prefix: bucket.root.prefix(dir),
        whole: bucket.order.is_broken().then(Vec::new),
        bucket: Arc::clone(bucket),
        dir: dir.clone(),
        depth,
        hold: HoldBack::default(),
        next: Next::Page(None),
        tokens: HashSet::new(),
        found: false,
        given: false,
    };
    Box::pin(stream::unfold(Some(listing), |state: Option<Listing>| async move {
        let mut listing = state?;
        match listing.next_page().await {
            Ok(page) => page.map(|page| (Ok(page), Some(listing))),
            Err(error) => Some((Err(error), None)),
        }
    }))
}

/// What comes next.
#[derive(Debug)]
enum Next {
    /// The page after this token, not asked for yet.
    Page(Option<String>),
    /// That page, on its way. Dropped with the listing.
    Coming(JoinSet<Result<Reply>>),
    /// What is left of a listing that was sorted here, last first.
    Left(Vec<Item>),
    Nothing,
}

/// One reply.
#[derive(Debug)]
struct Reply {
    items: Vec<Item>,
    /// Where to go on.
    token: Option<String>,
}

struct Listing {
    bucket: Arc<Bucket>,
    dir: RelPath,
    prefix: String,
    depth: Depth,
    hold: HoldBack,
    next: Next,
    /// All tokens seen, so that a storage that goes in circles is noticed.
    tokens: HashSet<String>,
    /// Everything, for a storage that does not sort.
    whole: Option<Vec<Item>>,
    /// Any key was there, so the folder exists.
    found: bool,
    /// Something was passed on.
    given: bool,
}

impl Listing {
    fn op(&self) -> &'static str {
        match self.depth {
            Depth::Members => "list",
            Depth::Tree => "list tree",
        }
    }

    async fn next_page(&mut self) -> Result<Option<Page>> {
        loop {
            let reply = match std::mem::replace(&mut self.next, Next::Nothing) {
                Next::Page(token) => fetch(&self.bucket, &self.dir, &self.prefix, self.depth, token).await?,
                Next::Coming(mut coming) => match coming.join_next().await {
                    Some(Ok(reply)) => reply?,
                    // It panicked, or the runtime ends.
                    _ => return Err(backend(self.op(), &self.dir, "the listing was stopped")),
                },
                Next::Left(left) => return Ok(self.page_of_sorted(left)),
                Next::Nothing => return Ok(None),
            };
            self.found |= !reply.items.is_empty();
            self.ask_for_next(reply.token)?;
            let ended = matches!(self.next, Next::Nothing);
            if ended && !self.found && !self.dir.is_root() {
                return Err(Error::new(ErrorKind::NotFound, self.op(), &self.dir));
            }
            let Some(sorted) = self.sort(reply.items, ended)? else { continue };
            let page = self.page(sorted);
            if !page.entries.is_empty() || !page.unnameable.is_empty() {
                self.given = true;
                return Ok(Some(page));
            }
        }
    }

    fn ask_for_next(&mut self, token: Option<String>) -> Result<()> {
        let Some(token) = token else {
            return Ok(());
        };
        if !self.tokens.insert(token.clone()) {
            return Err(backend(
                self.op(),
                &self.dir,
                "the storage answers the same page of the listing again and again",
            ));
        }
        let (bucket, dir, prefix) = (Arc::clone(&self.bucket), self.dir.clone(), self.prefix.clone());
        let depth = self.depth;
        let mut coming = JoinSet::new();
        coming.spawn(Meter::current().scope(async move { fetch(&bucket, &dir, &prefix, depth, Some(token)).await }));
        self.next = Next::Coming(coming);
        Ok(())
    }

    /// What can be passed on after these items; `None`: nothing before the listing is whole.
    fn sort(&mut self, mut items: Vec<Item>, ended: bool) -> Result<Option<Sorted>> {
        // Keys and prefixes come apart, each sorted.
        items.sort_by(|a, b| a.key.cmp(&b.key));
        if self.whole.is_none() && !items.first().is_none_or(|first| self.hold.is_next(&first.key)) {
            self.bucket.order.set_broken();
            tracing::warn!(
                bucket = self.bucket.name,
                "the storage lists keys out of their order; its folders are read whole from now on"
            );
            if self.given {
                let detail = "the storage lists keys out of their order; try again";
                return Err(Error::new(ErrorKind::Unavailable, self.op(), &self.dir).with_detail(detail));
            }
            // From the beginning, as nothing was passed on yet.
            self.whole = Some(Vec::new());
            self.hold = HoldBack::default();
            self.tokens.clear();
            self.next = Next::Page(None);
            return Ok(None);
        }
        let mut sorted = Sorted::default();
        match &mut self.whole {
            None => {
                for item in items {
                    self.hold.take(item, &mut sorted);
                }
                if ended {
                    self.hold.end(&mut sorted);
                }
                Ok(Some(sorted))
            }
            Some(whole) => {
                whole.append(&mut items);
                if ended {
                    whole.sort_by(|a, b| b.key.cmp(&a.key));
                    self.next = Next::Left(std::mem::take(whole));
                }
                Ok(None)
            }
        }
    }

    /// The next page of a listing that is here as a whole.
    fn page_of_sorted(&mut self, mut left: Vec<Item>) -> Option<Page> {
        let mut sorted = Sorted::default();
        while sorted.shown.len() + sorted.hidden.len() < PAGE {
            match left.pop() {
                Some(item) => self.hold.take(item, &mut sorted),
                None => {
                    self.hold.end(&mut sorted);
                    break;
                }
            }
        }
        if !left.is_empty() {
            self.next = Next::Left(left);
        } else {
            self.hold.end(&mut sorted);
        }
        let page = self.page(sorted);
        (!page.entries.is_empty() || !page.unnameable.is_empty()).then_some(page)
    }

    fn page(&self, sorted: Sorted) -> Page {
        let mut page = Page::default();
        let below = |item: &Item| name_below(&self.dir, item.key.get(self.prefix.len()..).unwrap_or_default());
        for item in sorted.shown {
            match below(&item) {
                Name::Own => {}
                Name::Unnameable(folder) => page.unnameable.push(folder),
                Name::Of(path) if item.key.ends_with(b"/") => page.entries.push(Entry::dir(path)),
                Name::Of(path) => page.entries.push(Entry {
                    path,
                    kind: Kind::File,
                    size: item.size,
                    modified: item.modified,
                    etag: item.etag,
                    content_type: None,
                }),
            }
        }
        for item in sorted.hidden {
            match below(&item) {
                Name::Own => {}
                Name::Unnameable(folder) => page.unnameable.push(folder),
                Name::Of(path) => page.unnameable.push(path.parent().unwrap_or_else(RelPath::root)),
            }
        }
        page
    }
}

/// One call.
async fn fetch(bucket: &Bucket, dir: &RelPath, prefix: &str, depth: Depth, token: Option<String>) -> Result<Reply> {
    let op = if depth == Depth::Members { "list" } else { "list tree" };
    let call = bucket
        .client
        .list_objects_v2()
        .bucket(&bucket.name)
        .prefix(prefix)
        .set_delimiter((depth == Depth::Members).then(|| "/".to_owned()))
        .encoding_type(EncodingType::Url)
        .set_continuation_token(token);
    let reply = call.customize().interceptor(WholeListing).send().await;
    let reply = reply.map_err(|error| bucket.error(op, dir, &error))?;
    read_reply(&reply, prefix).map_err(|detail| backend(op, dir, detail))
}

fn read_reply(reply: &ListObjectsV2Output, prefix: &str) -> Result<Reply, &'static str> {
    // A reply that is no listing at all, such as a page of a proxy, has none of these.
    if reply.is_truncated().is_none() && reply.name().is_none() && reply.key_count().is_none() {
        return Err("the answer is not a listing; is the endpoint that of the S3 API?");
    }
    let encoded = reply.encoding_type() == Some(&EncodingType::Url);
    let decode = |text: &str| if encoded { decode_listed(text) } else { text.as_bytes().to_vec() };
    let mut items = Vec::with_capacity(reply.contents().len() + reply.common_prefixes().len());
    for object in reply.contents() {
        items.push(Item {
            key: decode(object.key().ok_or("the listing holds an object without a key")?),
            size: object
                .size()
                .and_then(|size| u64::try_from(size).ok())
                .ok_or("the listing holds an object without a size")?,
            modified: object.last_modified().and_then(time),
            etag: object.e_tag().and_then(Etag::new),
        });
    }
    for folder in reply.common_prefixes() {
        let key = decode(folder.prefix().ok_or("the listing holds a prefix without a name")?);
        if !key.ends_with(b"/") {
            return Err("the listing holds a prefix that is not a folder");
        }
        items.push(Item { key, size: 0, modified: None, etag: None });
    }
    if items.iter().any(|item| !item.key.starts_with(prefix.as_bytes())) {
        return Err("the listing holds a key outside of the folder");
    }
    let token = match (reply.is_truncated(), reply.next_continuation_token()) {
        (Some(false), _) => None,
        (Some(true), None | Some("")) => return Err("the listing goes on, but the storage does not say where"),
        // A storage that leaves the flag out still tells where to go on.
        (_, token) => token.filter(|token| !token.is_empty()).map(ToOwned::to_owned),
    };
    Ok(Reply { items, token })
}

#[cfg(test)]
mod tests {
    use super::*;
    use aws_sdk_s3::types::{CommonPrefix, Object};

    fn object(key: &str) -> Object {
        Object::builder().key(key).size(1).build()
    }

    #[test]
    fn keys_are_decoded_only_when_the_reply_says_so() {
        let plain = ListObjectsV2Output::builder().is_truncated(false).contents(object("a+b%20"));
        let reply = read_reply(&plain.clone().build(), "").unwrap();
        assert_eq!(reply.items[0].key, b"a+b%20");
        let reply = read_reply(&plain.encoding_type(EncodingType::Url).build(), "").unwrap();
        assert_eq!(reply.items[0].key, b"a b ");
    }

    #[test]
    fn a_reply_that_makes_no_sense_is_an_error() {
        let builder = ListObjectsV2Output::builder;
        assert!(read_reply(&builder().build(), "").is_err(), "nothing of a listing");
        assert!(read_reply(&builder().is_truncated(true).build(), "").is_err(), "cut without a token");
        assert!(read_reply(&builder().is_truncated(false).contents(object("x/y")).build(), "a/").is_err(), "outside");
        let nameless = Object::builder().size(1).build();
        assert!(read_reply(&builder().is_truncated(false).contents(nameless).build(), "").is_err());
        let no_folder = CommonPrefix::builder().prefix("x").build();
        assert!(read_reply(&builder().is_truncated(false).common_prefixes(no_folder).build(), "").is_err());
    }
}
