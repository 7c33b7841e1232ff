//! One page: which call asks for it, what it holds, and where the listing goes on.
//!
//! Here is what storages do to a listing that S3 does not: they answer ListObjectsV2 as ListObjects, leave out
//! `NextMarker`, say a prefix plainly in an encoded reply, or put a replacement character where XML has no way to say
//! one. The rule for all of it: a page is gone on with only from a place that is certain, and a name that is not certain
//! is hidden and counted, never guessed.

use aws_sdk_s3::types::{CommonPrefix, EncodingType, Object};
use davmux_driver::Etag;

use crate::bucket::{Bucket, time};
use crate::error::Failure;
use crate::key::decode_listed;
use crate::list::habits::{self, Prefixes};
use crate::list::{Depth, v1, v2};
use crate::order::Item;
use crate::provider::ListVersion;

/// What S3 gives at most.
pub(super) const PAGE: usize = 1000;
/// What Go's XML puts in the place of a character that XML cannot say.
const REPLACED: char = '\u{fffd}';

/// What is asked for.
#[derive(Clone, Debug)]
pub(crate) struct Ask {
    pub(crate) prefix: String,
    pub(crate) depth: Depth,
    /// The most entries of a page, where fewer than the storage's own number are wanted.
    pub(crate) most: Option<i32>,
}

impl Ask {
    pub(super) fn delimiter(&self) -> Option<String> {
        (self.depth == Depth::Members).then(|| "/".to_owned())
    }

    pub(super) fn encoding(encode: bool) -> Option<EncodingType> {
        encode.then_some(EncodingType::Url)
    }
}

/// Where a page begins.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Place {
    Start,
    /// At a token of ListObjectsV2.
    Token(String),
    /// Behind this key or prefix, by ListObjects.
    Marker(String),
}

/// A reply of either version, as it came.
#[derive(Clone, Debug, Default)]
pub(super) struct Raw {
    pub(super) is_listing: bool,
    /// Something in it is of ListObjectsV2 alone.
    pub(super) knows_v2: bool,
    pub(super) encoding: Option<EncodingType>,
    pub(super) contents: Vec<Object>,
    pub(super) prefixes: Vec<CommonPrefix>,
    pub(super) truncated: Option<bool>,
    pub(super) most: Option<i32>,
    /// The token, or `NextMarker`.
    pub(super) next: Option<String>,
}

impl Raw {
    fn is_encoded(&self) -> bool {
        self.encoding == Some(EncodingType::Url)
    }

    fn names(&self) -> impl Iterator<Item = &str> {
        self.contents.iter().filter_map(Object::key).chain(self.prefix_names())
    }

    fn prefix_names(&self) -> impl Iterator<Item = &str> {
        self.prefixes.iter().filter_map(CommonPrefix::prefix)
    }

    fn len(&self) -> usize {
        self.contents.len() + self.prefixes.len()
    }
}

/// A page.
#[derive(Debug)]
pub(crate) struct Reply {
    /// Keys, then prefixes; each in the order in which they came.
    pub(crate) items: Vec<Item>,
    /// Where to go on; `None`: this was the last page.
    pub(crate) next: Option<Place>,
}

/// Asks for one page: one call, where the storage does as S3 does.
pub(crate) async fn page(bucket: &Bucket, ask: &Ask, place: &Place) -> Result<Reply, Failure> {
    let encode = bucket.dialect.listing.url_encoding;
    let mut version = match place {
        Place::Start => habits::version(bucket),
        Place::Token(_) => ListVersion::V2,
        Place::Marker(_) => ListVersion::V1,
    };
    let mut reply = call(bucket, ask, place, version, encode).await;
    if let Err(failure) = &reply
        // An argument that it does not know is `list-type`.
        && (failure.is_unknown() || failure.is_code("InvalidArgument"))
        && (version, place) == (ListVersion::V2, &Place::Start)
        && habits::is_unknown(bucket)
        && let Ok(other) = call(bucket, ask, place, ListVersion::V1, encode).await
    {
        bucket.habits.set_only_v1(&bucket.name);
        (version, reply) = (ListVersion::V1, Ok(other));
    }
    if !encode && cannot_be_said(&reply) {
        // Encoded, everything can be said; asked so only now, as some list one page for ever then.
        match (&reply, call(bucket, ask, place, version, true).await) {
            (Ok(plain), Ok(encoded)) if encoded.len() == plain.len() => reply = Ok(encoded),
            (Err(_), encoded @ Ok(_)) => reply = encoded,
            _ => {}
        }
    }
    let raw = reply?;
    if !raw.is_listing {
        return Err(Failure::nonsense("the answer is not a listing; is the endpoint that of the S3 API?"));
    }
    let prefixes = how_prefixes_are_said(bucket, ask, place, version, &raw).await;
    let reply = read(&raw, &ask.prefix, version, prefixes).map_err(Failure::nonsense)?;
    if version == ListVersion::V2 && matches!(reply.next, Some(Place::Marker(_))) && !raw.knows_v2 {
        bucket.habits.set_only_v1(&bucket.name);
    }
    Ok(reply)
}

async fn call(bucket: &Bucket, ask: &Ask, place: &Place, version: ListVersion, encode: bool) -> Result<Raw, Failure> {
    match (version, place) {
        (ListVersion::V2, Place::Token(token)) => v2::call(bucket, ask, Some(token), encode).await,
        (ListVersion::V2, _) => v2::call(bucket, ask, None, encode).await,
        (ListVersion::V1, Place::Marker(marker)) => v1::call(bucket, ask, Some(marker), encode).await,
        (ListVersion::V1, _) => v1::call(bucket, ask, None, encode).await,
    }
}

/// Whether a plain reply holds a name that XML cannot say.
fn cannot_be_said(reply: &Result<Raw, Failure>) -> bool {
    match reply {
        Ok(raw) => !raw.is_encoded() && raw.names().any(|name| name.contains(REPLACED)),
        Err(failure) => failure.is_unreadable(),
    }
}

/// Finds out how the prefixes of this reply are to be read, where it makes a difference: from one that cannot be an
/// encoded one, else by asking for the same page plainly, once for a bucket.
async fn how_prefixes_are_said(bucket: &Bucket, ask: &Ask, place: &Place, version: ListVersion, raw: &Raw) -> Prefixes {
    let known = habits::prefixes(bucket);
    if known != Prefixes::Unknown || !raw.is_encoded() || !raw.prefix_names().any(is_ambiguous) {
        return known;
    }
    let told = if raw.prefix_names().any(|name| !could_be_encoded(name)) {
        Prefixes::Plain
    } else {
        match call(bucket, ask, place, version, false).await {
            Ok(plain) if !plain.is_encoded() && plain.prefix_names().eq(raw.prefix_names()) => Prefixes::Plain,
            Ok(plain)
                if !plain.is_encoded()
                    && plain.prefix_names().map(str::as_bytes).eq(raw.prefix_names().map(decode_listed)) =>
            {
                Prefixes::Encoded
            }
            _ => return Prefixes::Unknown,
        }
    };
    bucket.habits.set_prefixes(told);
    told
}

/// Whether an encoder may leave a text so: it holds nothing that must be encoded, and no `%` that encodes nothing.
fn could_be_encoded(text: &str) -> bool {
    let mut bytes = text.bytes();
    while let Some(byte) = bytes.next() {
        let fits = match byte {
            b'%' => {
                [bytes.next(), bytes.next()].iter().all(|digit| digit.is_some_and(|digit| digit.is_ascii_hexdigit()))
            }
            b' ' | b'"' | b'<' | b'>' | b'\\' | b'^' | b'`' | b'{' | b'|' | b'}' | b'#' | b'?' => false,
            byte => byte.is_ascii_graphic(),
        };
        if !fits {
            return false;
        }
    }
    true
}

/// Whether a text means one thing encoded and another plainly.
fn is_ambiguous(text: &str) -> bool {
    text.contains(['%', '+'])
}

/// A name of an encoded reply. One that cannot be encoded stands for itself.
fn decode(text: &str) -> Vec<u8> {
    if could_be_encoded(text) { decode_listed(text) } else { text.as_bytes().to_vec() }
}

fn read(raw: &Raw, prefix: &str, version: ListVersion, prefixes: Prefixes) -> Result<Reply, &'static str> {
    let encoded = raw.is_encoded();
    let key_of = |text: &str| if encoded { decode(text) } else { text.as_bytes().to_vec() };
    let replaced = |text: &str| !encoded && text.contains(REPLACED);
    let mut items = Vec::with_capacity(raw.len());
    for object in &raw.contents {
        let key = object.key().ok_or("the listing holds an object without a key")?;
        items.push(Item {
            key: key_of(key),
            size: object
                .size()
                .and_then(|size| u64::try_from(size).ok())
                .ok_or("the listing holds an object without a size")?,
            modified: object.last_modified().and_then(time),
            etag: object.e_tag().and_then(Etag::new),
            doubtful: replaced(key),
        });
    }
    for folder in &raw.prefixes {
        let text = folder.prefix().ok_or("the listing holds a prefix without a name")?;
        let key = if prefixes == Prefixes::Plain { text.as_bytes().to_vec() } else { key_of(text) };
        if !key.ends_with(b"/") {
            return Err("the listing holds a prefix that is not a folder");
        }
        let doubtful = replaced(text) || (encoded && prefixes == Prefixes::Unknown && is_ambiguous(text));
        items.push(Item { key, size: 0, modified: None, etag: None, doubtful });
    }
    if items.iter().any(|item| !item.key.starts_with(prefix.as_bytes())) {
        return Err("the listing holds a key outside of the folder");
    }
    let next = next(raw, &items, version)?;
    Ok(Reply { items, next })
}

/// Where the listing goes on.
fn next(raw: &Raw, items: &[Item], version: ListVersion) -> Result<Option<Place>, &'static str> {
    let told = raw.next.as_deref().filter(|next| !next.is_empty());
    let most = raw.most.and_then(|most| usize::try_from(most).ok()).filter(|most| *most > 0).unwrap_or(PAGE);
    let goes_on = match raw.truncated {
        Some(truncated) => truncated,
        // A storage that leaves the flag out goes on where it says so, and may go on behind a full page.
        None => told.is_some() || items.len() >= most,
    };
    if !goes_on {
        return Ok(None);
    }
    match (version, told) {
        (ListVersion::V2, Some(token)) => Ok(Some(Place::Token(token.to_owned()))),
        // Without a token it is ListObjects that was answered, or it can take over.
        (ListVersion::V2, None) => marker(None, raw, items).map(Some),
        (ListVersion::V1, told) => marker(told, raw, items).map(Some),
    }
}

/// The marker of the page behind this one: `NextMarker`, or where it is missing the key or prefix that sorts last.
///
/// An encoded reply may say `NextMarker` encoded or plainly. What it means lies behind everything in the page; where both
/// do, the one that comes first is taken, as a marker that lies too far back skips nothing.
fn marker(told: Option<&str>, raw: &Raw, items: &[Item]) -> Result<Place, &'static str> {
    let (keys, prefixes) = items.split_at(raw.contents.len());
    let is_sorted = [keys, prefixes].iter().all(|items| items.is_sorted_by(|a, b| a.key <= b.key));
    let last = items.iter().max_by(|a, b| a.key.cmp(&b.key));
    if let Some(told) = told {
        let plain = told.as_bytes().to_vec();
        let readings = if raw.is_encoded() { vec![decode(told), plain] } else { vec![plain] };
        let is_behind = |marker: &Vec<u8>| !is_sorted || last.is_none_or(|last| *marker >= last.key);
        if let Some(marker) = readings.into_iter().filter(is_behind).min() {
            return named(marker);
        }
    }
    match last {
        None => Err("the listing goes on, but the storage does not say where"),
        Some(_) if !is_sorted => Err("the listing goes on and is not sorted, so where it goes on is not known"),
        Some(last) if last.doubtful => {
            Err("the listing goes on behind a name that XML cannot say, so where is not known")
        }
        Some(last) => named(last.key.clone()),
    }
}

fn named(marker: Vec<u8>) -> Result<Place, &'static str> {
    String::from_utf8(marker).map(Place::Marker).map_err(|_| "the listing goes on behind a key that is not UTF-8")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn object(key: &str) -> Object {
        Object::builder().key(key).size(1).build()
    }

    fn folder(prefix: &str) -> CommonPrefix {
        CommonPrefix::builder().prefix(prefix).build()
    }

    fn raw(truncated: Option<bool>, keys: &[&str]) -> Raw {
        let (folders, files): (Vec<_>, Vec<_>) = keys.iter().copied().partition(|key: &&str| key.ends_with('/'));
        Raw {
            is_listing: true,
            truncated,
            contents: files.into_iter().map(object).collect(),
            prefixes: folders.into_iter().map(folder).collect(),
            ..Raw::default()
        }
    }

    fn encoded(raw: Raw) -> Raw {
        Raw { encoding: Some(EncodingType::Url), ..raw }
    }

    fn items(raw: &Raw, prefixes: Prefixes) -> Vec<(String, bool)> {
        let reply = read(raw, "", ListVersion::V2, prefixes).unwrap();
        reply.items.into_iter().map(|item| (String::from_utf8(item.key).unwrap(), item.doubtful)).collect()
    }

    fn next_of(raw: &Raw, version: ListVersion) -> Result<Option<Place>, &'static str> {
        read(raw, "", version, Prefixes::Encoded).map(|reply| reply.next)
    }

    fn marker(text: &str) -> Result<Option<Place>, &'static str> {
        Ok(Some(Place::Marker(text.to_owned())))
    }

    #[test]
    fn keys_are_decoded_only_when_the_reply_says_so() {
        let plain = raw(Some(false), &["a+b%20"]);
        assert_eq!(items(&plain, Prefixes::Unknown), [("a+b%20".to_owned(), false)]);
        assert_eq!(items(&encoded(plain), Prefixes::Unknown), [("a b ".to_owned(), false)]);
        let not_encoded = encoded(raw(Some(false), &["100%25 \u{e9}", "100%"]));
        let names: Vec<_> = items(&not_encoded, Prefixes::Unknown).into_iter().map(|(name, _)| name).collect();
        assert_eq!(names, ["100%25 \u{e9}", "100%"], "no encoder leaves a name so");
    }

    #[test]
    fn a_prefix_that_may_or_may_not_be_encoded_is_doubtful() {
        let reply = encoded(raw(Some(false), &["x", "a%20b/", "plain/"]));
        let read = |prefixes| items(&reply, prefixes);
        let sure = |name: &str| (name.to_owned(), false);
        assert_eq!(read(Prefixes::Encoded), [sure("x"), sure("a b/"), sure("plain/")]);
        assert_eq!(read(Prefixes::Plain), [sure("x"), sure("a%20b/"), sure("plain/")]);
        assert_eq!(read(Prefixes::Unknown), [sure("x"), ("a b/".to_owned(), true), sure("plain/")]);
    }

    #[test]
    fn a_replaced_character_makes_a_name_doubtful_unless_the_reply_is_encoded() {
        assert_eq!(items(&raw(Some(false), &["a\u{fffd}"]), Prefixes::Unknown), [("a\u{fffd}".to_owned(), true)]);
        let reply = encoded(raw(Some(false), &["a%EF%BF%BD"]));
        assert_eq!(items(&reply, Prefixes::Unknown), [("a\u{fffd}".to_owned(), false)]);
    }

    #[test]
    fn a_reply_that_makes_no_sense_is_an_error() {
        let bad = |raw: &Raw, prefix| read(raw, prefix, ListVersion::V2, Prefixes::Encoded).is_err();
        assert!(bad(&raw(Some(true), &[]), ""), "cut without a token");
        assert!(bad(&raw(Some(false), &["x/y"]), "a/"), "outside");
        let nameless = Raw { contents: vec![Object::builder().size(1).build()], ..raw(Some(false), &[]) };
        assert!(bad(&nameless, ""));
        let no_folder = Raw { prefixes: vec![folder("x")], ..raw(Some(false), &[]) };
        assert!(bad(&no_folder, ""));
    }

    #[test]
    fn a_page_goes_on_where_the_storage_says_or_behind_what_sorts_last() {
        let with = |next: &str, raw: Raw| Raw { next: Some(next.to_owned()), ..raw };
        assert_eq!(next_of(&raw(Some(false), &["a"]), ListVersion::V1), Ok(None));
        assert_eq!(next_of(&with("b", raw(Some(false), &["a"])), ListVersion::V1), Ok(None));
        assert_eq!(next_of(&raw(Some(true), &["a", "c", "b/"]), ListVersion::V1), marker("c"));
        assert_eq!(next_of(&raw(Some(true), &["a", "b/"]), ListVersion::V1), marker("b/"));
        assert_eq!(next_of(&with("b/x", raw(Some(true), &["a", "b/"])), ListVersion::V1), marker("b/x"));
        assert!(next_of(&raw(Some(true), &["c", "a"]), ListVersion::V1).is_err(), "which of them is the last?");
        assert!(next_of(&raw(Some(true), &["a\u{fffd}"]), ListVersion::V1).is_err(), "what is it called?");
    }

    #[test]
    fn a_marker_is_never_read_so_that_keys_are_skipped() {
        let page = |next: &str, keys| Raw { next: Some(next.to_owned()), ..encoded(raw(Some(true), keys)) };
        let next = |next: &str, keys| next_of(&page(next, keys), ListVersion::V1);
        assert_eq!(next("a%20b", &["a%20b"]), marker("a b"), "encoded, as S3 has it");
        assert_eq!(next("a b", &["a%20b"]), marker("a b"), "plain");
        assert_eq!(next("a+b", &["a%2Bb"]), marker("a+b"), "plain: encoded it would lie before the page");
        assert_eq!(next("%7A", &["%25"]), marker("%7A"), "both lie behind: the first of them");
        assert_eq!(next("a", &["b"]), marker("b"), "neither");
    }

    #[test]
    fn a_flag_that_is_missing_ends_no_full_page() {
        let page = |count: usize| Raw {
            contents: (0..count).map(|number| object(&format!("{number:04}"))).collect(),
            ..raw(None, &[])
        };
        assert_eq!(next_of(&page(999), ListVersion::V2), Ok(None));
        assert_eq!(next_of(&page(1000), ListVersion::V2), marker("0999"));
        assert_eq!(next_of(&page(1000), ListVersion::V1), marker("0999"));
        let token = Raw { next: Some("t".to_owned()), ..page(2) };
        assert_eq!(next_of(&token, ListVersion::V2), Ok(Some(Place::Token("t".to_owned()))));
    }
}
