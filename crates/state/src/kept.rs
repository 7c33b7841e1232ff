//! [`KeptIndex`]: what a listing cannot tell of a file: the time that its owner gave it, and its checksums.

use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use crate::fields::{decode, encode};
use crate::properties::{END, forget_within, resource, within};
use crate::{Error, Result, Store, Swap, Table};

/// Before each value: its format.
const FORMAT: &str = "1";
/// How many bytes of the index are read together.
const PAGE: usize = 256 * 1024;
/// How far two answers of one storage may be apart in the time of one file: a HEAD tells whole seconds.
const ROUNDED: Duration = Duration::from_secs(1);

/// What is kept of a file or a folder.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Kept {
    /// Of what.
    pub of: KeptOf,
    /// The time that clients are shown in place of the storage's. `None`: it is known that the file has none.
    pub modified: Option<SystemTime>,
    /// The MD5 of the content, where it is known for certain.
    pub md5: Option<[u8; 16]>,
    /// The SHA-1 of the content, where it is known for certain.
    pub sha1: Option<[u8; 20]>,
}

/// What stood at the path when something was kept of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum KeptOf {
    /// A folder. In a bucket it has no version: it is the same one until it is deleted, moved or replaced.
    Folder,
    /// One version of a file.
    File {
        /// Its ETag, as the storage gave it.
        etag: String,
        /// Its length in bytes.
        size: u64,
        /// The storage's own time of it, once it was seen: not every storage tells it with the answer to a write.
        seen: Option<SystemTime>,
    },
}

impl Kept {
    /// Whether it is of what stands there now: a file with this ETag, length and time at the storage (`None`: not told), or
    /// for `etag: None` a folder.
    pub fn holds(&self, etag: Option<&str>, size: u64, modified: Option<SystemTime>) -> bool {
        match (&self.of, etag) {
            (KeptOf::Folder, etag) => etag.is_none(),
            (KeptOf::File { .. }, None) => false,
            (KeptOf::File { etag: kept, size: length, seen }, Some(etag)) => {
                let same_time = seen.zip(modified).is_none_or(|(seen, modified)| near(seen, modified));
                kept == etag && *length == size && same_time
            }
        }
    }

    /// The same with the storage's time of the file, where that had not been seen before.
    pub fn having_seen(&self, modified: Option<SystemTime>) -> Option<Self> {
        match (&self.of, modified) {
            (KeptOf::File { etag, size, seen: None }, Some(_)) => {
                let of = KeptOf::File { etag: etag.clone(), size: *size, seen: modified };
                Some(Self { of, ..self.clone() })
            }
            _ => None,
        }
    }
}

/// Whether two times that a storage told can be of one version of a file, though one answer rounds it.
pub fn near(one: SystemTime, other: SystemTime) -> bool {
    one.duration_since(other).or_else(|_| other.duration_since(one)).is_ok_and(|apart| apart <= ROUNDED)
}

/// What is kept of files and folders, by their path in the tree, as [`Properties`](crate::Properties) are.
///
/// What is found is only what was kept: whether it [`holds`](Kept::holds) is for the caller to say, who knows what stands
/// there. A record that cannot be read is as if it were absent, since all of it can be had anew from the storage.
#[derive(Clone, Debug)]
pub struct KeptIndex {
    store: Arc<dyn Store>,
}

impl KeptIndex {
    /// The index in `store`.
    pub fn new(store: Arc<dyn Store>) -> Self {
        Self { store }
    }

    /// Whether nothing is kept of any path.
    ///
    /// # Errors
    /// Those of the store.
    pub async fn is_empty(&self) -> Result<bool> {
        self.store.is_empty(Table::Kept).await
    }

    /// What is kept of one path.
    ///
    /// # Errors
    /// Those of the store.
    pub async fn get(&self, path: &str) -> Result<Option<Kept>> {
        Ok(self.store.get(Table::Kept, &resource(path)).await?.and_then(read))
    }

    /// What is kept of each of these paths, in their order. One read of the store.
    ///
    /// # Errors
    /// Those of the store.
    pub async fn get_all(&self, paths: impl IntoIterator<Item = &str>) -> Result<Vec<Option<Kept>>> {
        let keys = paths.into_iter().map(resource).collect();
        Ok(self.store.get_all(Table::Kept, keys).await?.into_iter().map(|value| value.and_then(read)).collect())
    }

    /// Does all changes in one step: keeps this of a path, or for `None` forgets it.
    ///
    /// # Errors
    /// Those of the store, and [`Error::Record`] for a path that nothing can have; then nothing is changed.
    pub async fn change(&self, changes: Vec<(String, Option<Kept>)>) -> Result<()> {
        if changes.is_empty() {
            return Ok(());
        }
        let records = changes.into_iter().map(|(path, kept)| Ok((key(&path)?, kept.as_ref().map(write))));
        self.store.change(Table::Kept, records.collect::<Result<_>>()?).await
    }

    /// Does each change (path, what was found, what is kept now) whose path still has what was found (`None`: nothing).
    ///
    /// # Errors
    /// As [`change`](Self::change).
    pub async fn replace(&self, changes: Vec<(String, Option<Kept>, Kept)>) -> Result<()> {
        if changes.is_empty() {
            return Ok(());
        }
        let swaps = changes.into_iter().map(|(path, found, now)| {
            Ok(Swap { key: key(&path)?, expected: found.as_ref().map(write), value: Some(write(&now)) })
        });
        self.store.replace_all(Table::Kept, swaps.collect::<Result<_>>()?).await.map(drop)
    }

    /// What is kept of a path and of all below it, each with its path.
    ///
    /// # Errors
    /// Those of the store.
    pub async fn within(&self, path: &str) -> Result<Vec<(String, Kept)>> {
        let (mut pages, mut found) = (self.pages(path), Vec::new());
        while let Some(page) = pages.next().await? {
            found.extend(page);
        }
        Ok(found)
    }

    /// The same page by page, however much it is. What is changed meanwhile may be in it as it was or as it is.
    pub fn pages(&self, path: &str) -> KeptPages {
        let [own, members, deeper] = within(path);
        KeptPages { store: Arc::clone(&self.store), prefixes: vec![deeper, members, own], after: String::new() }
    }

    /// Forgets what is kept of a path and of all below it.
    ///
    /// # Errors
    /// Those of the store.
    pub async fn forget(&self, path: &str) -> Result<()> {
        forget_within(&*self.store, Table::Kept, path).await
    }
}

/// What [`KeptIndex::pages`] reads.
#[derive(Debug)]
pub struct KeptPages {
    store: Arc<dyn Store>,
    /// Those that are not read to their end, the last one first.
    prefixes: Vec<String>,
    /// The last key that was read.
    after: String,
}

impl KeptPages {
    /// The next records, each with its path; `None` when there are no more.
    ///
    /// # Errors
    /// Those of the store.
    pub async fn next(&mut self) -> Result<Option<Vec<(String, Kept)>>> {
        let Some(prefix) = self.prefixes.last() else { return Ok(None) };
        let (facts, whole) = self.store.list_up_to(Table::Kept, prefix, &self.after, PAGE).await?;
        match facts.last() {
            Some((last, _)) if !whole => self.after.clone_from(last),
            _ => {
                self.prefixes.pop();
                self.after.clear();
            }
        }
        Ok(Some(facts.into_iter().filter_map(|(key, value)| Some((path_of(&key)?, read(value)?))).collect()))
    }
}

fn path_of(key: &str) -> Option<String> {
    let (folder, name) = key.strip_suffix(END)?.split_once(END)?;
    Some(format!("{folder}/{name}"))
}

fn key(path: &str) -> Result<String> {
    if path.contains(END) {
        return Err(Error::Record { table: Table::Kept.name(), key: path.to_owned() });
    }
    Ok(resource(path))
}

fn write(kept: &Kept) -> Vec<u8> {
    let (kind, etag, size, seen) = match &kept.of {
        KeptOf::Folder => ("d", "", 0, None),
        KeptOf::File { etag, size, seen } => ("f", &**etag, *size, *seen),
    };
    let time = |time: Option<SystemTime>| time.map(time_text).unwrap_or_default();
    let md5 = kept.md5.map(|sum| hex(&sum)).unwrap_or_default();
    let sha1 = kept.sha1.map(|sum| hex(&sum)).unwrap_or_default();
    let fields = [kind, etag, &size.to_string(), &time(seen), &time(kept.modified), &md5, &sha1];
    format!("{FORMAT}{}", encode(fields)).into_bytes()
}

fn read(value: Vec<u8>) -> Option<Kept> {
    let value = String::from_utf8(value).ok()?;
    let [kind, etag, size, seen, modified, md5, sha1] = decode::<7>(value.strip_prefix(FORMAT)?)?;
    let of = match &*kind {
        "d" => KeptOf::Folder,
        "f" => KeptOf::File { etag, size: size.parse().ok()?, seen: told(&seen, parse_time)? },
        _ => return None,
    };
    Some(Kept { of, modified: told(&modified, parse_time)?, md5: told(&md5, unhex)?, sha1: told(&sha1, unhex)? })
}

/// A field that may be empty; `None` for one that cannot be read.
fn told<T>(text: &str, parse: impl FnOnce(&str) -> Option<T>) -> Option<Option<T>> {
    if text.is_empty() { Some(None) } else { parse(text).map(Some) }
}

/// The seconds since 1970, before it with a minus, and the nanoseconds away from there.
fn time_text(time: SystemTime) -> String {
    match time.duration_since(UNIX_EPOCH) {
        Ok(since) => format!("{}.{:09}", since.as_secs(), since.subsec_nanos()),
        Err(before) => format!("-{}.{:09}", before.duration().as_secs(), before.duration().subsec_nanos()),
    }
}

fn parse_time(text: &str) -> Option<SystemTime> {
    let (before, text) = text.strip_prefix('-').map_or((false, text), |text| (true, text));
    let (seconds, nanos) = text.split_once('.')?;
    let nanos = nanos.parse().ok().filter(|nanos| *nanos < 1_000_000_000)?;
    let apart = Duration::new(seconds.parse().ok()?, nanos);
    if before { UNIX_EPOCH.checked_sub(apart) } else { UNIX_EPOCH.checked_add(apart) }
}

fn hex(sum: &[u8]) -> String {
    sum.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn unhex<const N: usize>(text: &str) -> Option<[u8; N]> {
    if text.len() != 2 * N || !text.is_ascii() {
        return None;
    }
    let mut sum = [0; N];
    for (at, byte) in sum.iter_mut().enumerate() {
        *byte = u8::from_str_radix(text.get(2 * at..2 * at + 2)?, 16).ok()?;
    }
    Some(sum)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: u64, nanos: u32) -> SystemTime {
        UNIX_EPOCH + Duration::new(seconds, nanos)
    }

    fn of(seen: Option<SystemTime>) -> KeptOf {
        KeptOf::File { etag: "\"1:é\"".into(), size: u64::MAX, seen }
    }

    #[test]
    fn what_was_written_is_read_whatever_it_holds() {
        let before = UNIX_EPOCH - Duration::new(1, 5);
        for of in [KeptOf::Folder, of(None), of(Some(at(1, 999_999_999)))] {
            for modified in [None, Some(at(0, 0)), Some(at(1_700_000_000, 1)), Some(before)] {
                let kept = Kept { of: of.clone(), modified, md5: Some([0xa0; 16]), sha1: None };
                assert_eq!(read(write(&kept)).unwrap(), kept);
                let kept = Kept { md5: None, sha1: Some([7; 20]), ..kept };
                assert_eq!(read(write(&kept)).unwrap(), kept);
            }
        }
    }

    #[test]
    fn what_was_not_written_here_is_as_if_absent() {
        let good = |fields| format!("{FORMAT}{}", encode(fields)).into_bytes();
        assert!(read(good(["f", "e", "1", "", "2.0", "", ""])).is_some());
        for fields in [
            ["x", "e", "1", "", "2.0", "", ""],
            ["f", "e", "", "", "2.0", "", ""],
            ["f", "e", "1", "x", "2.0", "", ""],
            ["f", "e", "1", "", "2.1000000000", "", ""],
            ["f", "e", "1", "", "2.0", "aa", ""],
            ["f", "e", "1", "", "2.0", "", "zz"],
        ] {
            assert_eq!(read(good(fields)), None, "{fields:?}");
        }
        assert_eq!(read(b"2".to_vec()), None);
        assert_eq!(read(vec![0xff]), None);
    }

    #[test]
    fn it_holds_for_the_version_that_it_was_kept_of_and_for_no_other() {
        let kept = |seen| Kept {
            of: KeptOf::File { etag: "\"a\"".into(), size: 3, seen },
            modified: None,
            md5: None,
            sha1: None,
        };
        let unseen = kept(None);
        assert!(unseen.holds(Some("\"a\""), 3, None) && unseen.holds(Some("\"a\""), 3, Some(at(9, 0))));
        assert!(!unseen.holds(Some("\"b\""), 3, None) && !unseen.holds(Some("\"a\""), 4, None));
        assert!(!unseen.holds(None, 3, None), "a folder has no kept time of a file");
        let seen = unseen.having_seen(Some(at(9, 0))).unwrap();
        assert_eq!(seen, kept(Some(at(9, 0))));
        assert!(seen.holds(Some("\"a\""), 3, Some(at(9, 900))) && seen.holds(Some("\"a\""), 3, None));
        assert!(!seen.holds(Some("\"a\""), 3, Some(at(11, 0))), "the same content, written again");
        assert_eq!(seen.having_seen(Some(at(10, 0))), None);
        let folder = Kept { of: KeptOf::Folder, ..unseen };
        assert!(folder.holds(None, 0, Some(at(1, 0))) && !folder.holds(Some("\"a\""), 0, None));
        assert_eq!(folder.having_seen(Some(at(1, 0))), None);
    }
}
