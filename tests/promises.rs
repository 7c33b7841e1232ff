//! The promises of docs/semantics.md, seen from outside: each test fails when its promise is broken.

use davmux_s3_server::{Fault, Refusal, Server, Strict};
use http::StatusCode;

use crate::support::{Davmux, bucket, local, s3};

const KODI: [(&str, &str); 1] = [("User-Agent", "Kodi/21.0")];

/// The same call fails again and again, from the `first` one on: retries of the driver do not help.
fn fails(s3: &davmux_s3_server::Running, operation: &str, first: u64, fault: Fault) {
    for nth in first..first + 12 {
        s3.faults().nth(operation, nth, fault);
    }
}

// --- 1. A listing is whole, or it is an error.

#[tokio::test]
async fn a_listing_that_fails_after_its_first_page_is_cut_and_never_a_shorter_207() {
    let s3 = s3().await;
    let davmux = Davmux::serve(&bucket("/b", &s3, &[])).await;
    davmux.logged("the mount is ready").await;
    for n in 0..1_100 {
        assert_eq!(davmux.put(&format!("/b/f{n:04}"), "x").await, StatusCode::CREATED);
    }
    let fresh = Davmux::serve(&bucket("/b", &s3, &[])).await;
    fresh.logged("the mount is ready").await;
    fails(&s3, "ListObjectsV2", 2, Fault::InternalError);
    let listed = fresh.propfind("/b/", "1").await;
    match &listed.body {
        Err(_) => assert_eq!(listed.status, StatusCode::MULTI_STATUS),
        Ok(body) => {
            assert!(listed.status.is_server_error(), "{} {}", listed.status, String::from_utf8_lossy(body));
        }
    }
    s3.faults().clear();
    assert_eq!(fresh.propfind("/b/", "1").await.hrefs().len(), 1_101, "the failed one was not kept");
}

#[tokio::test]
async fn a_mount_that_is_down_is_listed_at_the_root_and_is_503_itself() {
    let dir = tempfile::tempdir().unwrap();
    let s3 = s3().await;
    let mounts = format!("{}{}", bucket("/b", &s3, &[]), local("/here", dir.path()));
    s3.stop().await;
    let davmux = Davmux::serve(&mounts).await;
    davmux.logged("the mount is in trouble").await;
    assert_eq!(davmux.propfind("/", "1").await.hrefs(), ["/", "/b/", "/here/"]);
    assert_eq!(davmux.propfind("/here/", "1").await.status, StatusCode::MULTI_STATUS);
    let down = davmux.propfind("/b/", "1").await;
    assert!(
        matches!(down.status, StatusCode::BAD_GATEWAY | StatusCode::SERVICE_UNAVAILABLE | StatusCode::GATEWAY_TIMEOUT),
        "{}",
        down.status
    );
    assert!(davmux.get("/b/anything").await.status.is_server_error());
}

// --- 2. 404 means that the backend said so.

#[tokio::test]
async fn a_missing_bucket_is_503_and_wrong_keys_are_403_and_neither_is_404() {
    let s3 = s3().await;
    let good = bucket("/b", &s3, &[]);
    let missing = Davmux::serve(&good.replace("bucket: bucket", "bucket: nowhere")).await;
    missing.logged("the mount is in trouble").await;
    for answer in [missing.propfind("/b/", "1").await, missing.propfind("/b/x", "0").await, missing.get("/b/x").await] {
        assert_eq!(answer.status, StatusCode::SERVICE_UNAVAILABLE);
    }
    let denied = Davmux::serve(&good.replace(s3.secret_key(), "wrong-secret-key")).await;
    denied.logged("the mount is in trouble").await;
    for answer in [denied.propfind("/b/", "1").await, denied.propfind("/b/x", "0").await, denied.get("/b/x").await] {
        assert_eq!(answer.status, StatusCode::FORBIDDEN);
    }
    assert_eq!(denied.log().matches("the mount is in trouble").count(), 1, "{}", denied.log());
    assert!(!denied.log().contains("wrong-secret-key"));
}

#[tokio::test]
async fn a_local_root_folder_that_is_missing_is_503() {
    let dir = tempfile::tempdir().unwrap();
    let davmux = Davmux::serve(&local("/l", &dir.path().join("not-there"))).await;
    assert_eq!(davmux.propfind("/l/", "1").await.status, StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(davmux.get("/l/x").await.status, StatusCode::SERVICE_UNAVAILABLE);
    std::fs::create_dir(dir.path().join("not-there")).unwrap();
    assert_eq!(davmux.propfind("/l/", "1").await.status, StatusCode::MULTI_STATUS);
}

// --- 3. A file appears whole or not at all.

#[tokio::test]
async fn an_upload_that_is_cut_or_has_the_wrong_length_leaves_the_former_file() {
    let dir = tempfile::tempdir().unwrap();
    let s3 = s3().await;
    let davmux = Davmux::serve(&format!("{}{}", bucket("/b", &s3, &[]), local("/l", dir.path()))).await;
    for mount in ["/b", "/l"] {
        let path = format!("{mount}/file");
        assert_eq!(davmux.put(&path, "former").await, StatusCode::CREATED);
        let cut = format!("PUT {path} HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\nonly this");
        use tokio::io::AsyncWriteExt;
        let mut socket = tokio::net::TcpStream::connect(&davmux.addr).await.unwrap();
        socket.write_all(cut.as_bytes()).await.unwrap();
        socket.shutdown().await.unwrap();
        let mut answer = Vec::new();
        let _ = tokio::io::AsyncReadExt::read_to_end(&mut socket, &mut answer).await;
        assert!(!answer.starts_with(b"HTTP/1.1 2"), "{}", String::from_utf8_lossy(&answer));
        let short = format!(
            "PUT {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\nX-Expected-Entity-Length: 9\r\n\
             Transfer-Encoding: chunked\r\n\r\n4\r\nabcd\r\n0\r\n\r\n"
        );
        let answer = davmux.raw(short.as_bytes()).await;
        assert!(answer.starts_with(b"HTTP/1.1 400"), "{}", String::from_utf8_lossy(&answer));
        assert_eq!(davmux.get(&path).await.text(), "former");
    }
}

#[tokio::test]
async fn an_upload_whose_answer_is_lost_is_not_reported_as_failed() {
    let s3 = s3().await;
    let davmux = Davmux::serve(&bucket("/b", &s3, &[])).await;
    davmux.logged("the mount is ready").await;
    fails(&s3, "PutObject", 1, Fault::LostAnswer);
    assert_eq!(davmux.put("/b/small", "small").await, StatusCode::CREATED);
    s3.faults().clear();
    assert_eq!(davmux.get("/b/small").await.text(), "small");
    s3.faults().nth("CompleteMultipartUpload", 1, Fault::LostAnswer);
    let large = vec![3; 9 * 1024 * 1024];
    assert_eq!(davmux.put("/b/large", large.clone()).await, StatusCode::CREATED);
    assert_eq!(davmux.get("/b/large").await.body.unwrap().len(), large.len());
}

// --- 4. COPY and MOVE never destroy first.

#[tokio::test]
async fn a_move_whose_copy_fails_leaves_source_and_target() {
    let s3 = s3().await;
    let davmux = Davmux::serve(&bucket("/b", &s3, &[])).await;
    assert_eq!(davmux.put("/b/from", "new").await, StatusCode::CREATED);
    assert_eq!(davmux.put("/b/to", "old").await, StatusCode::CREATED);
    fails(&s3, "CopyObject", 1, Fault::InternalError);
    assert!(davmux.to("MOVE", "/b/from", "/b/to").await.status.is_server_error());
    assert_eq!(davmux.get("/b/from").await.text(), "new");
    assert_eq!(davmux.get("/b/to").await.text(), "old");
    s3.faults().clear();
    assert_eq!(davmux.to("MOVE", "/b/from", "/b/to").await.status, StatusCode::NO_CONTENT);
    assert_eq!(davmux.get("/b/to").await.text(), "new");
    assert_eq!(davmux.get("/b/from").await.status, StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn a_folder_moved_in_part_is_finished_by_the_same_request() {
    let s3 = s3().await;
    let davmux = Davmux::serve(&bucket("/b", &s3, &[])).await;
    davmux.send("MKCOL", "/b/from", &[], "").await;
    for name in ["a", "b", "c"] {
        davmux.put(&format!("/b/from/{name}"), name).await;
    }
    s3.faults().every("CopyObject", Fault::AccessDenied);
    davmux.to("MOVE", "/b/from/", "/b/to/").await;
    s3.faults().clear();
    for name in ["a", "b", "c"] {
        assert_eq!(davmux.get(&format!("/b/from/{name}")).await.text(), name, "it is still at the source");
    }
    let again = davmux.to("MOVE", "/b/from/", "/b/to/").await;
    assert!(again.status.is_success() && again.status != StatusCode::MULTI_STATUS, "{}", again.status);
    for name in ["a", "b", "c"] {
        assert_eq!(davmux.get(&format!("/b/to/{name}")).await.text(), name);
    }
    assert_eq!(davmux.propfind("/b/from/", "0").await.status, StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn a_folder_does_not_swallow_its_neighbour_and_does_not_go_into_itself() {
    let dir = tempfile::tempdir().unwrap();
    let s3 = s3().await;
    let davmux = Davmux::serve(&format!("{}{}", bucket("/b", &s3, &[]), local("/l", dir.path()))).await;
    for mount in ["/b", "/l"] {
        for folder in ["a", "ab"] {
            davmux.send("MKCOL", &format!("{mount}/{folder}"), &[], "").await;
            davmux.put(&format!("{mount}/{folder}/file"), folder).await;
        }
        for target in ["a", "a/", "a/inside", ""] {
            let answer = davmux.to("MOVE", &format!("{mount}/a/"), &format!("{mount}/{target}")).await;
            assert_eq!(answer.status, StatusCode::FORBIDDEN, "{mount}/a to {mount}/{target}");
        }
        assert_eq!(davmux.send("DELETE", &format!("{mount}/a"), &[], "").await.status, StatusCode::NO_CONTENT);
        assert_eq!(davmux.get(&format!("{mount}/ab/file")).await.text(), "ab");
    }
}

#[tokio::test]
async fn files_and_folders_go_from_one_mount_to_another() {
    let dir = tempfile::tempdir().unwrap();
    let s3 = s3().await;
    let davmux = Davmux::serve(&format!("{}{}", bucket("/b", &s3, &[]), local("/l", dir.path()))).await;
    davmux.send("MKCOL", "/l/tree", &[], "").await;
    davmux.send("MKCOL", "/l/tree/empty", &[], "").await;
    davmux.put("/l/tree/file", "content").await;
    assert_eq!(davmux.to("MOVE", "/l/tree/", "/b/tree/").await.status, StatusCode::CREATED);
    assert_eq!(davmux.get("/b/tree/file").await.text(), "content");
    assert_eq!(davmux.propfind("/b/tree/empty/", "1").await.hrefs(), ["/b/tree/empty/"]);
    assert_eq!(
        std::fs::read_dir(dir.path()).unwrap().filter(|entry| entry.as_ref().unwrap().file_name() == "tree").count(),
        0
    );
    assert_eq!(davmux.to("COPY", "/b/tree/", "/l/back/").await.status, StatusCode::CREATED);
    assert_eq!(std::fs::read(dir.path().join("back/file")).unwrap(), b"content");
    assert!(dir.path().join("back/empty").is_dir());
}

// --- 6. Only the GET of a file is redirected.

#[tokio::test]
async fn only_a_get_is_redirected_and_only_after_its_conditions() {
    let s3 = Server::builder().bucket("bucket").strict(Strict::amazon()).start().await.unwrap();
    let davmux = Davmux::serve(&bucket("/b", &s3, &[])).await;
    let content = "x".repeat(300 * 1024);
    assert_eq!(davmux.put("/b/large", content.clone()).await, StatusCode::CREATED);
    let redirect = davmux.send("GET", "/b/large", &KODI, "").await;
    assert_eq!(redirect.status, StatusCode::FOUND);
    assert_eq!(redirect.header("cache-control"), "no-store");
    assert_eq!(redirect.header("referrer-policy"), "no-referrer");
    let location = redirect.header("location").to_owned();
    assert!(location.starts_with(&s3.endpoint()), "{location}");
    let head = davmux.send("HEAD", "/b/large", &KODI, "").await;
    assert_eq!((head.status, head.header("content-length")), (StatusCode::OK, "307200"));
    let etag = head.header("etag").to_owned();
    let known = [KODI[0], ("If-None-Match", etag.as_str())];
    assert_eq!(davmux.send("GET", "/b/large", &known, "").await.status, StatusCode::NOT_MODIFIED);
    let other = [KODI[0], ("If-Match", "\"other\"")];
    assert_eq!(davmux.send("GET", "/b/large", &other, "").await.status, StatusCode::PRECONDITION_FAILED);
    // Unknown clients, and those that say nothing, are relayed.
    assert_eq!(davmux.get("/b/large").await.text(), content);
    let rclone = [("User-Agent", "rclone/v1.70.0"), ("Authorization", "Basic eDp5")];
    // rclone would carry its password on: the link's host is the host that it asked.
    assert_ne!(davmux.send("GET", "/b/large", &rclone, "").await.status, StatusCode::FOUND);
}

#[tokio::test]
async fn a_link_serves_the_bytes_for_names_of_every_kind() {
    let s3 = Server::builder().bucket("bucket").strict(Strict::amazon()).start().await.unwrap();
    let davmux = Davmux::serve(&bucket("/b", &s3, &["read: redirect"])).await;
    for name in ["a+b", "100%25", "a%20b%23c%3Fd", "it's(1)*~", "%F0%9F%98%80", "a%26b=c", "%C3%A9"] {
        let path = format!("/b/{name}");
        assert_eq!(davmux.put(&path, name.to_owned()).await, StatusCode::CREATED, "{name}");
        let redirect = davmux.send("GET", &path, &KODI, "").await;
        assert_eq!(redirect.status, StatusCode::FOUND, "{name}");
        let target = redirect.header("location").to_owned();
        let fetched = fetch(&target).await;
        assert!(fetched.starts_with("HTTP/1.1 200") && fetched.ends_with(name), "{name}: {fetched}");
    }
}

/// A GET of an absolute URL, without anything but the URL.
async fn fetch(url: &str) -> String {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    let (authority, path) = url.strip_prefix("http://").unwrap().split_once('/').unwrap();
    let mut socket = tokio::net::TcpStream::connect(authority).await.unwrap();
    let request = format!("GET /{path} HTTP/1.1\r\nHost: {authority}\r\nConnection: close\r\n\r\n");
    socket.write_all(request.as_bytes()).await.unwrap();
    let mut answer = String::new();
    socket.read_to_string(&mut answer).await.unwrap();
    answer
}

// --- 7. A relayed response is never silently short.

#[tokio::test]
async fn a_relay_whose_backend_is_cut_goes_on_where_it_was() {
    let s3 = s3().await;
    let davmux = Davmux::serve(&bucket("/b", &s3, &["read: relay"])).await;
    let content: Vec<u8> = (0..3_000_000_u32).flat_map(|n| n.to_le_bytes()).collect();
    assert_eq!(davmux.put("/b/file", content.clone()).await, StatusCode::CREATED);
    s3.faults().nth("GetObject", 1, Fault::CutBody(1_000_000));
    s3.faults().nth("GetObject", 2, Fault::CutBody(500_000));
    let read = davmux.get("/b/file").await;
    assert_eq!(read.body.unwrap(), content);
}

#[tokio::test]
async fn a_relay_that_cannot_go_on_is_cut_and_not_ended() {
    let s3 = s3().await;
    let davmux = Davmux::serve(&bucket("/b", &s3, &["read: relay"])).await;
    assert_eq!(davmux.put("/b/file", vec![5; 3_000_000]).await, StatusCode::CREATED);
    s3.faults().nth("GetObject", 1, Fault::CutBody(1_000_000));
    fails(&s3, "GetObject", 2, Fault::AccessDenied);
    let read = davmux.get("/b/file").await;
    assert_eq!(read.status, StatusCode::OK);
    assert!(read.body.is_err());
}

// --- 8. Nothing is left behind.

#[tokio::test]
async fn what_a_killed_process_left_is_removed_at_the_next_start() {
    use tokio::io::AsyncWriteExt;
    let s3 = s3().await;
    let dir = std::sync::Arc::new(tempfile::tempdir().unwrap());
    let folder = dir.path().join("folder");
    std::fs::create_dir(&folder).unwrap();
    let file = format!(
        "version: 1\nserver:\n  anonymous: read-write\n  state_dir: state\nmounts:\n{}{}",
        bucket("/b", &s3, &[]),
        local("/l", &folder)
    );
    let davmux = Davmux::serve_in(std::sync::Arc::clone(&dir), &file).await;
    davmux.logged("the mount is ready").await;
    let mut sockets = Vec::new();
    for mount in ["/b", "/l"] {
        let mut socket = tokio::net::TcpStream::connect(&davmux.addr).await.unwrap();
        let head = format!("PUT {mount}/half HTTP/1.1\r\nHost: x\r\nContent-Length: 100000000\r\n\r\n");
        socket.write_all(head.as_bytes()).await.unwrap();
        socket.write_all(&vec![1; 20 * 1024 * 1024]).await.unwrap();
        sockets.push(socket);
    }
    tokio::time::timeout(crate::support::PATIENCE, async {
        while s3.recorder().count("UploadPart") == 0 {
            tokio::time::sleep(std::time::Duration::from_millis(10)).await;
        }
    })
    .await
    .unwrap();
    davmux.kill();
    drop(sockets);
    let again = Davmux::serve_in(dir, &file).await;
    again.logged("removed an upload that an earlier run left").await;
    assert_eq!(s3.recorder().count("AbortMultipartUpload"), 1);
    assert_eq!(again.propfind("/b/", "1").await.hrefs(), ["/b/"]);
    assert_eq!(again.propfind("/l/", "1").await.hrefs(), ["/l/"]);
    let files = walk(&folder);
    assert!(files.iter().all(|path| path.is_dir()), "{files:?}");
}

#[tokio::test]
async fn a_copy_in_parts_that_a_kill_ended_is_removed_at_the_next_start() {
    use tokio::io::AsyncWriteExt;
    let s3 = s3().await;
    let dir = std::sync::Arc::new(tempfile::tempdir().unwrap());
    let file = format!(
        "version: 1\nserver:\n  anonymous: read-write\n  state_dir: state\nmounts:\n{}",
        bucket("/b", &s3, &["copy_max: 5MiB"])
    );
    let davmux = Davmux::serve_in(std::sync::Arc::clone(&dir), &file).await;
    davmux.logged("the mount is ready").await;
    let content = vec![4; 12 * 1024 * 1024];
    assert_eq!(davmux.put("/b/from", content.clone()).await, StatusCode::CREATED);
    s3.recorder().reset();
    // The driver waits as long as it is asked to, and is killed meanwhile.
    s3.faults().every("UploadPartCopy", Fault::Refuse(Refusal::new(503, "SlowDown", "slower").retry_after(5)));
    let mut socket = tokio::net::TcpStream::connect(&davmux.addr).await.unwrap();
    let request = "MOVE /b/from HTTP/1.1\r\nHost: x\r\nDestination: http://x/b/to\r\n\r\n";
    socket.write_all(request.as_bytes()).await.unwrap();
    tokio::time::timeout(crate::support::PATIENCE, async {
        while s3.recorder().count("UploadPartCopy") == 0 {
            tokio::time::sleep(std::time::Duration::from_millis(10)).await;
        }
    })
    .await
    .unwrap();
    davmux.kill();
    drop(socket);
    s3.faults().clear();
    assert_eq!(s3.recorder().count("AbortMultipartUpload"), 0);
    let again = Davmux::serve_in(dir, &file).await;
    again.logged("removed an upload that an earlier run left").await;
    assert_eq!(s3.recorder().count("CreateMultipartUpload"), 1);
    assert_eq!(s3.recorder().count("AbortMultipartUpload"), 1);
    assert_eq!(again.propfind("/b/", "1").await.hrefs(), ["/b/", "/b/from"]);
    assert_eq!(again.to("MOVE", "/b/from", "/b/to").await.status, StatusCode::CREATED);
    assert_eq!(again.get("/b/to").await.body.unwrap(), content);
    assert_eq!(again.propfind("/b/", "1").await.hrefs(), ["/b/", "/b/to"]);
}

fn walk(folder: &std::path::Path) -> Vec<std::path::PathBuf> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(walk(&path));
        }
        found.push(path);
    }
    found
}

// --- 9. Folders stay.

#[tokio::test]
async fn an_emptied_folder_stays_also_after_a_restart() {
    let s3 = s3().await;
    let mount = bucket("/b", &s3, &[]);
    let davmux = Davmux::serve(&mount).await;
    davmux.send("MKCOL", "/b/made", &[], "").await;
    davmux.send("MKCOL", "/b/moved-from", &[], "").await;
    davmux.put("/b/moved-from/file", "x").await;
    assert_eq!(davmux.to("MOVE", "/b/moved-from/file", "/b/made/file").await.status, StatusCode::CREATED);
    assert_eq!(davmux.send("DELETE", "/b/made/file", &[], "").await.status, StatusCode::NO_CONTENT);
    drop(davmux);
    let again = Davmux::serve(&mount).await;
    assert_eq!(again.propfind("/b/", "1").await.hrefs(), ["/b/", "/b/made/", "/b/moved-from/"]);
    assert_eq!(again.propfind("/b/made/", "1").await.hrefs(), ["/b/made/"]);
}

#[tokio::test]
async fn without_a_placeholder_a_folder_cannot_be_made_and_the_answer_says_why() {
    let s3 = s3().await;
    let davmux = Davmux::serve(&bucket("/b", &s3, &["placeholder: \"\""])).await;
    let refused = davmux.send("MKCOL", "/b/folder", &[], "").await;
    assert_eq!(refused.status, StatusCode::FORBIDDEN);
    assert!(refused.text().contains("placeholder"), "{}", refused.text());
}

// --- 11. Nothing leaves its root.

#[tokio::test]
async fn no_path_reaches_outside_a_mount() {
    let outside = tempfile::tempdir().unwrap();
    std::fs::write(outside.path().join("secret"), "secret").unwrap();
    let inside = outside.path().join("inside");
    std::fs::create_dir(&inside).unwrap();
    std::os::unix::fs::symlink(outside.path(), inside.join("link")).unwrap();
    let davmux = Davmux::serve(&local("/l", &inside)).await;
    for path in [
        "/l/../secret",
        "/l/%2e%2e/secret",
        "/l/..%2fsecret",
        "/l/%2e%2e%2fsecret",
        "/l//../secret",
        "/l/link/secret",
        "/l/x%00/../secret",
        "/../../etc/passwd",
        "/l/..%5csecret",
    ] {
        let raw = format!("GET {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
        let answer = String::from_utf8_lossy(&davmux.raw(raw.as_bytes()).await).into_owned();
        assert!(answer.starts_with("HTTP/1.1 4"), "{path}: {answer}");
        assert!(!answer.ends_with("secret"), "{path}: {answer}");
    }
    let raw = "PUT /l/..%2fnew HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: 1\r\n\r\nx";
    assert!(davmux.raw(raw.as_bytes()).await.starts_with(b"HTTP/1.1 4"));
    assert!(!outside.path().join("new").exists());
}

// --- Names.

#[tokio::test]
async fn names_of_every_kind_are_written_listed_and_read_on_both_kinds_of_mount() {
    let dir = tempfile::tempdir().unwrap();
    let s3 = s3().await;
    let davmux = Davmux::serve(&format!("{}{}", bucket("/b", &s3, &[]), local("/l", dir.path()))).await;
    let printable: String = (b'!'..=b'~').map(char::from).filter(|c| !"/".contains(*c)).collect();
    let long = "n".repeat(255);
    let names = [printable.as_str(), "with space", "back\\slash", "😀", "日本", "\u{e9}", &long];
    for mount in ["/b", "/l"] {
        for name in names {
            let escaped: String = name.bytes().map(|byte| format!("%{byte:02X}")).collect();
            let path = format!("{mount}/{escaped}");
            assert_eq!(davmux.put(&path, name.to_owned()).await, StatusCode::CREATED, "{mount} {name}");
            assert_eq!(davmux.get(&path).await.text(), name);
        }
        assert_eq!(davmux.propfind(&format!("{mount}/"), "1").await.hrefs().len(), names.len() + 1);
        // The decomposed form finds the composed name.
        assert_eq!(davmux.get(&format!("{mount}/e%CC%81")).await.text(), "\u{e9}");
        let too_long = format!("{mount}/{}", "n".repeat(5_000));
        assert!(davmux.put(&too_long, "x").await.is_client_error());
    }
}
