//! Where the tree begins in URLs, names that file managers leave behind, and the room that clients are told of.

use http::StatusCode;

use crate::support::{Davmux, bucket, local, s3};

/// `alice:secret`.
const ALICE: (&str, &str) = ("Authorization", "Basic YWxpY2U6c2VjcmV0");
const QUOTA: &str = "<D:propfind xmlns:D='DAV:'><D:prop><D:quota-available-bytes/><D:quota-used-bytes/><D:quota/>\
                     <D:quotaused/></D:prop></D:propfind>";

/// A client of a proxy that has TLS, another name and another port, and that passes the path on as it came; it looks at the
/// top of the server first, without a login, as Explorer does.
#[tokio::test]
async fn a_tree_below_a_base_path_is_found_from_the_top_and_worked_in_under_another_hosts_name() {
    let dir = tempfile::tempdir().unwrap();
    let s3 = s3().await;
    let davmux = Davmux::serve_file(&format!(
        "version: 1\nserver:\n  base_path: /dav/my files\nusers:\n  - {{ name: alice, password: secret }}\nmounts:\n{}{}",
        bucket("/b", &s3, &[]),
        local("/l", dir.path())
    ))
    .await;
    for path in ["/", "/dav", "/dav/my%20files/", "/dav/my%20files/b/x"] {
        let answer = davmux.send("OPTIONS", path, &[], "").await;
        assert_eq!((answer.status, answer.header("dav")), (StatusCode::OK, "1, 2"), "{path}");
        assert_eq!(davmux.propfind(path, "0").await.status, StatusCode::UNAUTHORIZED, "{path}");
    }
    let mut place = "/".to_owned();
    for below in ["/dav/", "/dav/my%20files/", "/dav/my%20files/b/"] {
        let listed = davmux.send("PROPFIND", &place, &[ALICE, ("Depth", "1")], "").await;
        assert_eq!(listed.status, StatusCode::MULTI_STATUS, "{place}");
        assert_eq!(listed.hrefs()[..2], [place.as_str(), below]);
        below.clone_into(&mut place);
    }
    for mount in ["b", "l"] {
        let folder = format!("/dav/my%20files/{mount}/New%20folder");
        assert_eq!(davmux.send("MKCOL", &folder, &[ALICE], "").await.status, StatusCode::CREATED);
        let to = format!("https://dav.example.com:8443/dav/my%20files/{mount}/Films/");
        let moved =
            davmux.send("MOVE", &format!("{folder}/"), &[ALICE, ("Destination", &to), ("Overwrite", "F")], "").await;
        assert_eq!(moved.status, StatusCode::CREATED, "{mount}: a folder without members is renamed");
        assert_eq!(davmux.send("PROPFIND", &folder, &[ALICE, ("Depth", "0")], "").await.status, StatusCode::NOT_FOUND);
        let file = format!("/dav/my%20files/{mount}/Films/a");
        assert_eq!(davmux.send("PUT", &file, &[ALICE], "film").await.status, StatusCode::CREATED);
        // As a proxy that takes the prefix off would leave it: it is not taken for a place in the tree.
        for to in ["https://dav.example.com/Films/b", "https://dav.example.com/my%20files/Films/b"] {
            let copied = davmux.send("COPY", &file, &[ALICE, ("Destination", to)], "").await;
            assert_eq!(copied.status, StatusCode::BAD_GATEWAY, "{to}");
        }
        let listed =
            davmux.send("PROPFIND", &format!("/dav/my%20files/{mount}/Films"), &[ALICE, ("Depth", "1")], "").await;
        assert_eq!(listed.hrefs(), [format!("/dav/my%20files/{mount}/Films/"), file.clone()]);
    }
}

#[tokio::test]
async fn junk_that_a_mount_refuses_costs_no_call_and_what_is_there_goes_with_its_folder() {
    let dir = tempfile::tempdir().unwrap();
    let s3 = s3().await;
    let davmux = Davmux::serve(&format!(
        "{}{}    junk: refuse\n{}",
        bucket("/b", &s3, &["junk: refuse"]),
        local("/l", dir.path()),
        bucket("/kept", &s3, &["root_folder_path: /other"]),
    ))
    .await;
    for mount in ["/b", "/l"] {
        assert_eq!(davmux.send("MKCOL", &format!("{mount}/d"), &[], "").await.status, StatusCode::CREATED);
        assert_eq!(davmux.put(&format!("{mount}/d/a"), "x").await, StatusCode::CREATED);
        assert_eq!(davmux.propfind(&format!("{mount}/d"), "1").await.hrefs().len(), 2);
        s3.recorder().reset();
        for name in ["._a", ".DS_Store", "Thumbs.db", "desktop.ini"] {
            let path = format!("{mount}/d/{name}");
            assert_eq!(davmux.get(&path).await.status, StatusCode::NOT_FOUND);
            assert_eq!(davmux.propfind(&path, "0").await.status, StatusCode::NOT_FOUND);
            assert_eq!(davmux.put(&path, "x").await, StatusCode::FORBIDDEN);
            assert_eq!(davmux.send("MKCOL", &path, &[], "").await.status, StatusCode::FORBIDDEN);
            assert_eq!(davmux.to("MOVE", &format!("{mount}/d/a"), &path).await.status, StatusCode::FORBIDDEN);
        }
        assert_eq!(s3.recorder().total(), 0, "{mount}: the storage was asked");
    }
    // What another program made, or a mount that keeps it, is no obstacle.
    std::fs::write(dir.path().join("d/.DS_Store"), "x").unwrap();
    assert_eq!(davmux.propfind("/l/d", "1").await.hrefs(), ["/l/d/", "/l/d/.DS_Store", "/l/d/a"]);
    assert_eq!(davmux.put("/kept/._a", "x").await, StatusCode::CREATED);
    assert_eq!(davmux.get("/kept/._a").await.text(), "x");
    assert_eq!(davmux.to("MOVE", "/l/d", "/b/moved").await.status, StatusCode::CREATED);
    assert_eq!(davmux.get("/b/moved/.DS_Store").await.text(), "x", "a folder is moved whole");
    assert!(!dir.path().join("d").exists());
    assert_eq!(davmux.send("DELETE", "/b/moved", &[], "").await.status, StatusCode::NO_CONTENT);
}

/// As Finder asks (apple-oss-distributions/webdavfs, webdav_network.c, network_statfs).
#[tokio::test]
async fn room_is_told_where_it_is_known_or_configured() {
    let dir = tempfile::tempdir().unwrap();
    let s3 = s3().await;
    let davmux = Davmux::serve(&format!(
        "{}{}{}",
        local("/l", dir.path()),
        bucket("/told", &s3, &["quota_available: 1TiB"]),
        bucket("/bare", &s3, &[]),
    ))
    .await;
    let ask = async |path| davmux.send("PROPFIND", path, &[("Depth", "0")], QUOTA).await.text();
    let value = |text: &str, name: &str| {
        let (there, _) = text.split_once("200 OK")?;
        let (_, rest) = there.split_once(&format!("<D:{name}>"))?;
        rest.split('<').next()?.parse::<u64>().ok()
    };
    let text = ask("/l").await;
    assert!(value(&text, "quota-available-bytes").is_some() && value(&text, "quota-used-bytes") > Some(0), "{text}");
    let text = ask("/told").await;
    assert_eq!(value(&text, "quota-available-bytes"), Some(1 << 40));
    assert!(
        text.ends_with(
            "<D:propstat><D:prop><D:quota-used-bytes/><D:quota/><D:quotaused/></D:prop>\
         <D:status>HTTP/1.1 404 Not Found</D:status></D:propstat></D:response>\n</D:multistatus>\n"
        ),
        "{text}"
    );
    for path in ["/bare", "/"] {
        assert!(!ask(path).await.contains("200 OK"), "{path}: nobody knows");
    }
    assert!(!davmux.propfind("/told", "0").await.text().contains("quota"), "nobody asked");
}
