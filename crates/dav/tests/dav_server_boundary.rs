//! Why no handler and no lock store of dav-server 0.11 runs in production here: each test shows one thing that the
//! promises of davmux rule out. They pass as long as dav-server behaves so; one that fails after an update is a reason to
//! read docs/adr/0001-dav-server-boundary.md again.

#![allow(clippy::unwrap_used, clippy::expect_used, missing_docs)]

use std::io::SeekFrom;
use std::time::{Duration, SystemTime};

use bytes::{Buf, Bytes};
use dav_server::davpath::DavPath;
use dav_server::fs::{
    DavDirEntry, DavFile, DavFileSystem, DavMetaData, FsError, FsFuture, FsStream, OpenOptions, ReadDirMeta,
};
use dav_server::ls::DavLockSystem;
use dav_server::memfs::MemFs;
use dav_server::memls::MemLs;
use dav_server::{DavConfig, DavHandler};
use futures_util::stream;
use http::{Request, StatusCode};
use http_body_util::{BodyExt, Full};

fn request(method: &str, path: &str, headers: &[(&str, &str)], body: &'static str) -> Request<Full<Bytes>> {
    let mut request = Request::builder().method(method).uri(path);
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    request.body(Full::new(Bytes::from_static(body.as_bytes()))).unwrap()
}

async fn send(dav: &DavHandler, request: Request<Full<Bytes>>) -> (StatusCode, http::HeaderMap, String) {
    let (parts, body) = dav.handle(request).await.into_parts();
    let bytes = body.collect().await.map(http_body_util::Collected::to_bytes).unwrap_or_default();
    (parts.status, parts.headers, String::from_utf8_lossy(&bytes).into_owned())
}

fn on(files: Box<dyn dav_server::fs::GuardedFileSystem<()>>) -> DavConfig {
    DavHandler::builder().filesystem(files)
}

/// A file system that is out of reach, or delivers less than it promised.
#[derive(Clone, Debug)]
struct Broken {
    reachable: bool,
}

#[derive(Clone, Debug)]
struct Metadata {
    folder: bool,
}

impl DavMetaData for Metadata {
    fn len(&self) -> u64 {
        10
    }
    fn modified(&self) -> Result<SystemTime, FsError> {
        Ok(SystemTime::UNIX_EPOCH)
    }
    fn is_dir(&self) -> bool {
        self.folder
    }
}

#[derive(Debug)]
struct Short;

impl DavFile for Short {
    fn metadata(&'_ mut self) -> FsFuture<'_, Box<dyn DavMetaData>> {
        Box::pin(async { Ok(Box::new(Metadata { folder: false }) as Box<dyn DavMetaData>) })
    }
    fn write_buf(&'_ mut self, _: Box<dyn Buf + Send>) -> FsFuture<'_, ()> {
        Box::pin(async { Ok(()) })
    }
    fn write_bytes(&'_ mut self, _: Bytes) -> FsFuture<'_, ()> {
        Box::pin(async { Ok(()) })
    }
    fn read_bytes(&'_ mut self, _: usize) -> FsFuture<'_, Bytes> {
        Box::pin(async { Ok(Bytes::new()) })
    }
    fn seek(&'_ mut self, _: SeekFrom) -> FsFuture<'_, u64> {
        Box::pin(async { Ok(0) })
    }
    fn flush(&'_ mut self) -> FsFuture<'_, ()> {
        Box::pin(async { Ok(()) })
    }
}

impl DavFileSystem for Broken {
    fn open<'a>(&'a self, _: &'a DavPath, _: OpenOptions) -> FsFuture<'a, Box<dyn DavFile>> {
        Box::pin(async { Ok(Box::new(Short) as Box<dyn DavFile>) })
    }
    fn read_dir<'a>(&'a self, _: &'a DavPath, _: ReadDirMeta) -> FsFuture<'a, FsStream<Box<dyn DavDirEntry>>> {
        Box::pin(async {
            let failing = stream::iter([Err::<Box<dyn DavDirEntry>, _>(FsError::GeneralFailure)]);
            Ok(Box::pin(failing) as FsStream<Box<dyn DavDirEntry>>)
        })
    }
    fn metadata<'a>(&'a self, path: &'a DavPath) -> FsFuture<'a, Box<dyn DavMetaData>> {
        Box::pin(async move {
            match self.reachable {
                true => Ok(Box::new(Metadata { folder: path.is_collection() }) as Box<dyn DavMetaData>),
                false => Err(FsError::GeneralFailure),
            }
        })
    }
    fn create_dir<'a>(&'a self, _: &'a DavPath) -> FsFuture<'a, ()> {
        Box::pin(async { Ok(()) })
    }
}

/// Promise 2: "could not look" is not "nothing is there".
#[tokio::test]
async fn its_mkcol_takes_an_outage_for_an_empty_place() {
    let dav = on(Box::new(Broken { reachable: false })).build_handler();
    let (status, ..) = send(&dav, request("MKCOL", "/new", &[("if-none-match", "*")], "")).await;
    assert_eq!(status, StatusCode::CREATED, "the condition was never evaluated");
}

/// Promise 1: a listing is whole or it is an error.
#[tokio::test]
async fn its_propfind_swallows_an_error_of_the_listing() {
    let dav = on(Box::new(Broken { reachable: true })).build_handler();
    let (status, _, body) = send(&dav, request("PROPFIND", "/folder/", &[("depth", "1")], "")).await;
    assert_eq!(status, StatusCode::MULTI_STATUS);
    assert!(body.contains("multistatus>"), "a well-formed listing without the failed members: {body}");
}

/// Promise 7: what Content-Length promised arrives or the connection is cut.
#[tokio::test]
async fn its_get_fills_a_short_file_with_zeros() {
    let dav = on(Box::new(Broken { reachable: true })).build_handler();
    let (status, _, body) = send(&dav, request("GET", "/file", &[], "")).await;
    assert_eq!((status, body.as_str()), (StatusCode::OK, "\0\0\0\0\0\0\0\0\0\0"));
}

#[tokio::test]
async fn its_propfind_without_a_depth_leaves_the_target_out() {
    let dav = on(MemFs::new()).build_handler();
    assert_eq!(send(&dav, request("MKCOL", "/a/", &[], "")).await.0, StatusCode::CREATED);
    assert_eq!(send(&dav, request("PUT", "/a/b", &[], "x")).await.0, StatusCode::CREATED);
    let (_, _, body) = send(&dav, request("PROPFIND", "/a/", &[], "")).await;
    assert!(body.contains(">/a/b<") && !body.contains(">/a/<"), "{body}");
}

#[tokio::test]
async fn its_unlock_does_not_ask_who_holds_the_lock() {
    const LOCK: &str = "<D:lockinfo xmlns:D='DAV:'><D:lockscope><D:exclusive/></D:lockscope>\
                        <D:locktype><D:write/></D:locktype></D:lockinfo>";
    let (files, locks) = (MemFs::new(), MemLs::new());
    let user = |name: &str| on(files.clone()).locksystem(locks.clone()).principal(name).build_handler();
    let (_, headers, _) = send(&user("alice"), request("LOCK", "/a", &[], LOCK)).await;
    let token = headers["lock-token"].to_str().unwrap();
    let (status, ..) = send(&user("bob"), request("UNLOCK", "/a", &[("lock-token", token)], "")).await;
    assert_eq!(status, StatusCode::NO_CONTENT);
}

#[tokio::test]
async fn its_lock_store_never_lets_a_lock_expire() {
    let (locks, path) = (MemLs::new(), DavPath::new("/a").unwrap());
    locks.lock(&path, Some("alice"), None, Some(Duration::ZERO), false, false).await.unwrap();
    assert!(locks.check(&path, Some("bob"), false, false, &[]).await.is_err());
}

#[test]
fn its_path_resolves_what_should_be_refused() {
    assert_eq!(DavPath::new("/a//b/%2e%2e/c").unwrap().as_url_string(), "/a/c");
}
