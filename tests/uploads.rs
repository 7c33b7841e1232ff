//! PUT over raw sockets, on a local folder and on a bucket: each form, each cut, and what everything says of the file
//! afterwards.

use std::path::{Path, PathBuf};

use http::StatusCode;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::support::{Davmux, PATIENCE, bucket, local, s3};

/// A local folder at `/l` and a bucket at `/b`.
struct Both {
    davmux: Davmux,
    folder: tempfile::TempDir,
    s3: davmux_s3_server::Running,
}

impl Both {
    async fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let s3 = s3().await;
        let davmux = Davmux::serve(&format!("{}{}", bucket("/b", &s3, &[]), local("/l", folder.path()))).await;
        davmux.logged("the mount is ready").await;
        Self { davmux, folder, s3 }
    }

    /// Nothing is staged any more, here or there.
    fn nothing_is_left_but(&self, names: &[&str]) {
        let mut found = files(self.folder.path());
        let mut expected: Vec<PathBuf> = names.iter().map(|name| self.folder.path().join(name)).collect();
        found.sort();
        expected.sort();
        assert_eq!(found, expected);
        let calls = self.s3.recorder().counts();
        let count = |operation| calls.get(operation).copied().unwrap_or_default();
        let ended = count("AbortMultipartUpload") + count("CompleteMultipartUpload");
        assert_eq!(count("CreateMultipartUpload"), ended, "{calls:?}");
    }
}

/// Files in a folder of this machine, those that davmux keeps for itself included.
fn files(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() { found.extend(files(&path)) } else { found.push(path) }
    }
    found
}

/// Sends these bytes, where they are `cut` says that there are no more, and reads until the other side has nothing more to
/// say. The status of the first response; 0 where there is none.
async fn exchange(davmux: &Davmux, bytes: &[u8], cut: bool) -> (u16, String) {
    let mut socket = TcpStream::connect(&davmux.addr).await.unwrap();
    // A server that has refused already may have closed.
    let _ = socket.write_all(bytes).await;
    if cut {
        let _ = socket.shutdown().await;
    }
    let mut answer = Vec::new();
    let _ = tokio::time::timeout(PATIENCE, socket.read_to_end(&mut answer)).await.unwrap();
    let answer = String::from_utf8_lossy(&answer).into_owned();
    let status = answer.split(' ').nth(1).map_or(0, |status| status.parse().unwrap());
    (status, answer)
}

/// A request that is cut after this byte is no request: the file is the former one, until the last byte makes it the new.
#[tokio::test]
async fn a_put_that_is_cut_after_any_byte_changes_nothing_until_its_last() {
    let both = Both::new().await;
    let chunked = "Transfer-Encoding: chunked\r\n";
    for mount in ["/b", "/l"] {
        let path = format!("{mount}/f");
        assert_eq!(both.davmux.put(&path, "former").await, StatusCode::CREATED);
        for (headers, body) in [
            ("Content-Length: 7\r\n", "content"),
            (chunked, "3\r\ncon\r\n4\r\ntent\r\n0\r\n\r\n"),
            (&format!("{chunked}X-Expected-Entity-Length: 7\r\n"), "7\r\ncontent\r\n0\r\n\r\n"),
            (
                &format!("{chunked}OC-Checksum: MD5:9a0364b9e99bb480dd25e1f0284c8555\r\n"),
                "7\r\ncontent\r\n0\r\nX: y\r\n\r\n",
            ),
        ] {
            let request = format!("PUT {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n{headers}\r\n{body}");
            for cut in 0..request.len() {
                let (status, answer) = exchange(&both.davmux, &request.as_bytes()[..cut], true).await;
                assert!(status == 0 || status == 400, "{mount} {headers:?} after {cut} bytes: {answer}");
                let now = both.davmux.get(&path).await;
                assert_eq!(now.text(), "former", "{mount} {headers:?} after {cut} bytes");
            }
            assert_eq!(exchange(&both.davmux, request.as_bytes(), false).await.0, 204, "{mount} {headers:?}");
            assert_eq!(both.davmux.get(&path).await.text(), "content", "{mount} {headers:?}");
            assert_eq!(both.davmux.put(&path, "former").await, StatusCode::NO_CONTENT);
        }
    }
    both.nothing_is_left_but(&["f"]);
}

#[tokio::test]
async fn chunks_that_cannot_be_read_store_nothing() {
    let both = Both::new().await;
    for mount in ["/b", "/l"] {
        let path = format!("{mount}/f");
        for (version, headers, body, expected, content) in [
            ("1.1", "Transfer-Encoding: chunked\r\n", "3;name=value\r\nabc\r\n0\r\n\r\n", 204, "abc"),
            ("1.1", "Transfer-Encoding: chunked\r\n", "3\r\nabc\r\n0\r\nX-Sum: 1\r\n\r\n", 204, "abc"),
            ("1.1", "Transfer-Encoding: chunked\r\n", "0003\r\nabc\r\n000\r\n\r\n", 204, "abc"),
            ("1.1", "Transfer-Encoding: chunked\r\nOC-Total-Length: 3\r\n", "3\r\nabc\r\n0\r\n\r\n", 204, "abc"),
            ("1.1", "Content-Length: 3\r\nOC-Total-Length: 3\r\n", "abc", 204, "abc"),
            ("1.0", "Content-Length: 3\r\n", "abc", 204, "abc"),
            // From here on the file stays.
            ("1.1", "Transfer-Encoding: chunked\r\n", "0x3\r\nabc\r\n0\r\n\r\n", 400, "former"),
            ("1.1", "Transfer-Encoding: chunked\r\n", "+3\r\nabc\r\n0\r\n\r\n", 400, "former"),
            ("1.1", "Transfer-Encoding: chunked\r\n", "-3\r\nabc\r\n0\r\n\r\n", 400, "former"),
            ("1.1", "Transfer-Encoding: chunked\r\n", "\r\nabc\r\n0\r\n\r\n", 400, "former"),
            ("1.1", "Transfer-Encoding: chunked\r\n", "3\nabc\n0\n\n", 400, "former"),
            ("1.1", "Transfer-Encoding: chunked\r\n", "3\r\nabcd\r\n0\r\n\r\n", 400, "former"),
            ("1.1", "Transfer-Encoding: chunked\r\n", "4\r\nabc\r\n0\r\n\r\n", 400, "former"),
            ("1.1", "Transfer-Encoding: chunked\r\n", "10000000000000003\r\nabc\r\n0\r\n\r\n", 400, "former"),
            ("1.1", "Content-Length: 3, 4\r\n", "abc", 400, "former"),
            ("1.1", "Content-Length: 0x3\r\n", "abc", 400, "former"),
            ("1.1", "Content-Length: +3\r\n", "abc", 400, "former"),
            ("1.1", "Content-Length: 3\r\nOC-Total-Length: 9\r\n", "abc", 400, "former"),
            ("1.1", "Transfer-Encoding: chunked\r\nOC-Total-Length: 9\r\n", "3\r\nabc\r\n0\r\n\r\n", 400, "former"),
            ("1.1", "Content-Length: 3\r\nOC-Chunked: 1\r\n", "abc", 501, "former"),
            ("1.1", "Content-Length: 3\r\nExpect: a-wonder\r\n", "abc", 417, "former"),
            // HTTP/1.0 has no chunks: who reads it so and who does not disagree about the next request.
            ("1.0", "Transfer-Encoding: chunked\r\n", "3\r\nabc\r\n0\r\n\r\n", 400, "former"),
        ] {
            both.davmux.put(&path, "former").await;
            let request = format!("PUT {path} HTTP/{version}\r\nHost: x\r\nConnection: close\r\n{headers}\r\n{body}");
            let (status, answer) = exchange(&both.davmux, request.as_bytes(), false).await;
            assert_eq!(status, expected, "{mount} {headers:?} {body:?}: {answer}");
            assert_eq!(both.davmux.get(&path).await.text(), content, "{mount} {headers:?} {body:?}");
        }
    }
    both.nothing_is_left_but(&["f"]);
}

#[tokio::test]
async fn another_checksum_than_announced_stores_nothing_of_a_small_or_a_large_file() {
    let both = Both::new().await;
    let large = vec![b'x'; 9 * 1024 * 1024];
    for (mount, name) in [("/b", "small"), ("/l", "small"), ("/b", "large"), ("/l", "large")] {
        let path = format!("{mount}/{name}");
        // Of `abc`, and of so many `x`.
        let (content, right): (&[u8], _) = match name {
            "small" => (b"abc", "SHA1:a9993e364706816aba3e25717850c26c9cd0d89d MD5:900150983cd24fb0d6963f7d28e17f72"),
            _ => (&large, "ADLER32:@"),
        };
        let right = right.replace('@', &format!("{:08x}", adler32(content)));
        let wrong = [("OC-Checksum", right.replace(['9', '8', 'a'], "7"))];
        for (name, wrong) in &wrong {
            let answer = both.davmux.send("PUT", &path, &[(name, wrong)], content.to_vec()).await;
            assert_eq!(answer.status, StatusCode::BAD_REQUEST, "{path} {wrong}");
            assert!(answer.text().contains("nothing was stored"), "{}", answer.text());
            assert_eq!(both.davmux.get(&path).await.status, StatusCode::NOT_FOUND, "{path}");
            assert!(!both.davmux.propfind(&format!("{mount}/"), "1").await.hrefs().contains(&path), "{path}");
        }
        let answer = both.davmux.send("PUT", &path, &[("OC-Checksum", &right)], content.to_vec()).await;
        assert_eq!(answer.status, StatusCode::CREATED, "{path}");
        let answer = both.davmux.send("PUT", &path, &[(wrong[0].0, &wrong[0].1)], content.to_vec()).await;
        assert_eq!(answer.status, StatusCode::BAD_REQUEST, "{path}");
        let stored = both.davmux.get(&path).await;
        assert_eq!((stored.status, stored.body.unwrap().len()), (StatusCode::OK, content.len()), "{path}");
    }
    both.nothing_is_left_but(&["small", "large"]);
}

/// RFC 1950 section 8.2, to be sure of it in another way.
fn adler32(bytes: &[u8]) -> u32 {
    let (a, b) = bytes.iter().fold((1, 0), |(a, b), byte| {
        let a = (a + u32::from(*byte)) % 65521;
        (a, (a + b) % 65521)
    });
    b << 16 | a
}

/// What the answer to PUT says of a file, HEAD, GET and PROPFIND say too.
#[tokio::test]
async fn the_answer_to_a_put_says_what_everything_says_of_the_file() {
    let both = Both::new().await;
    let large = vec![1; 9 * 1024 * 1024];
    for (path, content) in
        [("/l/small", &large[..5]), ("/b/small", &large[..5]), ("/l/large", &large), ("/b/large", &large)]
    {
        let mut former = String::new();
        for expected in [StatusCode::CREATED, StatusCode::NO_CONTENT] {
            // Another content each time, since the tag of an object is made of it.
            let content = [content, expected.as_str().as_bytes()].concat();
            let put = both.davmux.send("PUT", path, &[("Content-Type", "text/x-mine")], content).await;
            assert_eq!((put.status, put.body.as_ref().unwrap().len()), (expected, 0), "{path}");
            let etag = put.header("etag").to_owned();
            assert!(etag.starts_with('"') && etag.len() > 2 && etag != former, "{path}: {etag}");
            assert!(put.header("date").ends_with(" GMT"), "{path}");
            let head = both.davmux.send("HEAD", path, &[], "").await;
            let get = both.davmux.get(path).await;
            let found = both.davmux.propfind(path, "0").await.text();
            assert_eq!((head.header("etag"), get.header("etag")), (etag.as_str(), etag.as_str()), "{path}");
            assert!(found.contains(&format!("<D:getetag>{etag}<")), "{path}: {found}");
            assert_eq!(head.header("last-modified"), get.header("last-modified"), "{path}");
            // S3 tells no time with its answer, and none is asked for.
            assert!(["", get.header("last-modified")].contains(&put.header("last-modified")), "{path}");
            assert_eq!(put.header("last-modified").is_empty(), path.starts_with("/b"), "{path}");
            assert_eq!(head.header("content-length"), get.header("content-length"), "{path}");
            if path.starts_with("/b") {
                assert_eq!((head.header("content-type"), get.header("content-type")), ("text/x-mine", "text/x-mine"));
            }
            former = etag;
        }
    }
}

/// However it is announced, an empty file is one PutObject and no upload in parts, and a small one into a listed folder
/// costs one call.
#[tokio::test]
async fn an_empty_or_small_file_in_a_bucket_is_one_put_object() {
    let both = Both::new().await;
    both.davmux.propfind("/b/", "1").await;
    for (at, (headers, body)) in [
        ("", ""),
        ("Content-Length: 0\r\n", ""),
        ("Transfer-Encoding: chunked\r\n", "0\r\n\r\n"),
        ("Transfer-Encoding: chunked\r\nX-Expected-Entity-Length: 0\r\n", "0\r\n\r\n"),
        ("Transfer-Encoding: chunked\r\n", "3\r\nabc\r\n0\r\n\r\n"),
        ("Content-Length: 3\r\nOC-Checksum: MD5:900150983cd24fb0d6963f7d28e17f72\r\n", "abc"),
    ]
    .into_iter()
    .enumerate()
    {
        both.s3.recorder().reset();
        let request = format!("PUT /b/f{at} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n{headers}\r\n{body}");
        let (status, answer) = exchange(&both.davmux, request.as_bytes(), false).await;
        assert_eq!(status, 201, "{headers:?}: {answer}");
        let calls = both.s3.recorder().counts();
        assert_eq!((calls.get("PutObject"), both.s3.recorder().total()), (Some(&1), 1), "{headers:?}: {calls:?}");
    }
}

/// What can never fit is refused before a byte of it is asked for.
#[tokio::test]
async fn a_file_that_cannot_fit_is_refused_before_its_body_is_asked_for() {
    let both = Both::new().await;
    for (path, expected) in [("/b/huge", "HTTP/1.1 413"), ("/l/huge", "HTTP/1.1 507")] {
        let mut socket = TcpStream::connect(&both.davmux.addr).await.unwrap();
        let head = format!(
            "PUT {path} HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nContent-Length: {}\r\n\r\n",
            u64::MAX / 4
        );
        socket.write_all(head.as_bytes()).await.unwrap();
        let mut answer = [0; 12];
        tokio::time::timeout(PATIENCE, socket.read_exact(&mut answer)).await.unwrap().unwrap();
        assert_eq!(String::from_utf8_lossy(&answer), expected, "{path}");
    }
    both.nothing_is_left_but(&[]);
}

/// Also of a file in parts, and through a restart without anything but the bucket: what was announced is in its metadata.
#[tokio::test]
async fn what_a_client_announced_of_a_file_is_told_of_it() {
    let both = Both::new().await;
    let ask = "<propfind xmlns='DAV:'><prop><checksums xmlns='http://owncloud.org/ns'/></prop></propfind>";
    let large = vec![b'x'; 9 * 1024 * 1024];
    let (of_abc, of_large) = ("MD5:900150983cd24fb0d6963f7d28e17f72", format!("ADLER32:{:08x}", adler32(&large)));
    let (md5, sha1) = ("MD5:900150983cd24fb0d6963f7d28e17f72", "SHA1:a9993e364706816aba3e25717850c26c9cd0d89d");
    for mount in ["/b", "/l"] {
        for (name, sum, content) in [("small", of_abc, &b"abc"[..]), ("large", of_large.as_str(), &large[..])] {
            let path = format!("{mount}/{name}");
            let answer = both.davmux.send("PUT", &path, &[("OC-Checksum", sum)], content.to_vec()).await;
            assert_eq!(answer.status, StatusCode::CREATED, "{path}");
            let told = both.davmux.send("PROPFIND", &path, &[("Depth", "0")], ask).await.text();
            let listed = both.davmux.send("PROPFIND", &format!("{mount}/"), &[("Depth", "1")], ask).await.text();
            let both_sums = told.split("<oc:checksum>").nth(1).unwrap().split('<').next().unwrap();
            assert!(both_sums.starts_with("SHA1:") && both_sums.contains(" MD5:"), "{told}");
            assert!(listed.contains(both_sums), "{listed}");
            if name == "small" {
                assert_eq!(both_sums, format!("{sha1} {md5}"));
            }
        }
    }
    let fresh = Davmux::serve(&bucket("/b", &both.s3, &[])).await;
    let told = fresh.send("PROPFIND", "/b/small", &[("Depth", "0")], ask).await.text();
    assert!(told.contains(&format!("<oc:checksum>{md5}<")), "{told}");
}
