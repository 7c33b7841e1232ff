//! Short forms of what tests do often. They panic where a test would.
#![expect(clippy::unwrap_used, clippy::expect_used, reason = "these are steps of tests, which fail by a panic")]

use std::os::unix::fs::FileExt as _;

use bytes::{Bytes, BytesMut};
use davmux_driver::{
    Body, Driver, Entry, ErrorKind, Expect, Kind, Pages, ReadReply, ReadRequest, RelPath, Removal, Result, When,
    WriteRequest,
};
use futures_util::StreamExt as _;

/// A path from text that is known to be one.
///
/// # Panics
/// Where it is not.
pub fn path(text: &str) -> RelPath {
    RelPath::parse(text).unwrap_or_else(|why| panic!("{text:?} is no path: {why}"))
}

/// Bytes that differ at each place and with each `seed`.
pub fn pattern(len: usize, seed: u32) -> Bytes {
    let mut state = seed.wrapping_mul(0x9e37_79b9) | 1;
    let mut bytes = Vec::with_capacity(len + 4);
    while bytes.len() < len {
        state ^= state << 13;
        state ^= state >> 17;
        state ^= state << 5;
        bytes.extend_from_slice(&state.to_le_bytes());
    }
    bytes.truncate(len);
    Bytes::from(bytes)
}

/// Makes the folders above a path, where folders are real.
///
/// # Panics
/// Where one cannot be made.
pub async fn make_parents(driver: &dyn Driver, at: &RelPath) {
    if !driver.capabilities().real_dirs {
        return;
    }
    let mut above = Vec::new();
    let mut folder = at.parent();
    while let Some(dir) = folder.filter(|dir| !dir.is_root()) {
        folder = dir.parent();
        above.push(dir);
    }
    for dir in above.iter().rev() {
        match driver.create_dir(dir).await {
            Ok(()) => {}
            Err(error) if error.kind() == ErrorKind::AlreadyExists => {}
            Err(error) => panic!("{error}"),
        }
    }
}

/// Writes a file whole, in a folder that exists.
///
/// # Errors
/// Those of the upload's steps; what failed was aborted.
pub async fn try_put(driver: &dyn Driver, at: &str, data: impl Into<Bytes>, when: When) -> Result<Entry> {
    let data = data.into();
    let request = WriteRequest { size: Some(data.len() as u64), when, ..WriteRequest::default() };
    let mut upload = driver.write(&path(at), request).await?;
    if !data.is_empty()
        && let Err(error) = upload.write(data).await
    {
        upload.abort().await?;
        return Err(error);
    }
    upload.finish().await
}

/// Writes a file whole, with the folders above it where folders are real.
///
/// # Panics
/// Where that fails.
pub async fn put(driver: &dyn Driver, at: &str, data: impl Into<Bytes>) -> Entry {
    make_parents(driver, &path(at)).await;
    try_put(driver, at, data, When::Always).await.unwrap()
}

/// All bytes of a reply; checks that they are as many as its range says.
///
/// # Errors
/// What the stream of bytes said.
///
/// # Panics
/// Where the body is shorter or longer than the range.
pub async fn bytes_of(reply: ReadReply) -> Result<Bytes> {
    let len = usize::try_from(reply.range.end - reply.range.start).unwrap();
    let bytes = match reply.body {
        Body::File(file) => {
            let mut bytes = vec![0; len];
            file.read_exact_at(&mut bytes, reply.range.start).expect("the file holds its range");
            Bytes::from(bytes)
        }
        Body::Stream(mut stream) => {
            let mut bytes = BytesMut::with_capacity(len);
            while let Some(chunk) = stream.next().await {
                bytes.extend_from_slice(&chunk?);
            }
            bytes.freeze()
        }
    };
    assert_eq!(bytes.len(), len, "a body holds exactly its range");
    Ok(bytes)
}

/// Reads a file whole.
///
/// # Errors
/// Those of [`Driver::read`] and of its body.
pub async fn try_get(driver: &dyn Driver, at: &str) -> Result<Bytes> {
    bytes_of(driver.read(&path(at), ReadRequest::default()).await?).await
}

/// Reads a file whole.
///
/// # Panics
/// Where that fails.
pub async fn get(driver: &dyn Driver, at: &str) -> Bytes {
    try_get(driver, at).await.unwrap()
}

/// Looks at a path of which nothing is known.
///
/// # Errors
/// Those of [`Driver::stat`].
pub async fn stat(driver: &dyn Driver, at: &str) -> Result<Entry> {
    driver.stat(&path(at), Expect::Any).await
}

/// A whole listing, sorted by path.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Listing {
    /// The entries.
    pub entries: Vec<Entry>,
    /// For each member without a name, the nearest folder that has one.
    pub unnameable: Vec<RelPath>,
}

impl Listing {
    /// The paths of the entries.
    pub fn paths(&self) -> Vec<&str> {
        self.entries.iter().map(|entry| entry.path.as_str()).collect()
    }
}

/// Reads pages to their end.
///
/// # Errors
/// The first that they hold.
pub async fn gather(mut pages: Pages) -> Result<Listing> {
    let mut listing = Listing::default();
    while let Some(page) = pages.next().await {
        let page = page?;
        listing.entries.extend(page.entries);
        listing.unnameable.extend(page.unnameable);
    }
    listing.entries.sort_by(|a, b| a.path.cmp(&b.path));
    listing.unnameable.sort();
    Ok(listing)
}

/// Lists a folder.
///
/// # Errors
/// Those of [`Driver::list`].
pub async fn list(driver: &dyn Driver, dir: &str) -> Result<Listing> {
    gather(driver.list(&path(dir))).await
}

/// Everything below a folder, by walking.
///
/// # Errors
/// Those of [`Driver::list`].
pub async fn walk(driver: &dyn Driver, dir: &str) -> Result<Listing> {
    let mut whole = Listing::default();
    let mut open = vec![path(dir)];
    while let Some(dir) = open.pop() {
        let listing = gather(driver.list(&dir)).await?;
        open.extend(listing.entries.iter().filter(|entry| entry.is_dir()).map(|entry| entry.path.clone()));
        whole.entries.extend(listing.entries);
        whole.unnameable.extend(listing.unnameable);
    }
    whole.entries.sort_by(|a, b| a.path.cmp(&b.path));
    whole.unnameable.sort();
    Ok(whole)
}

/// Deletes one entry.
///
/// # Errors
/// The outer error, or that of the entry.
pub async fn delete(driver: &dyn Driver, at: &str, kind: Kind) -> Result<()> {
    let failed = driver.delete(&[Removal { path: path(at), kind, etag: None }]).await?;
    failed.into_iter().next().map_or(Ok(()), |(_, error)| Err(error))
}
