//! Headers that name a depth or a target.

use http::StatusCode;

use super::{LOCK, both, files};
use crate::support::{Davmux, local};

#[tokio::test]
async fn a_depth_or_overwrite_that_is_none_is_400_and_changes_nothing() {
    let both = both().await;
    let davmux = &both.davmux;
    for mount in ["/b", "/l"] {
        davmux.send("MKCOL", &format!("{mount}/d"), &[], "").await;
        davmux.put(&format!("{mount}/d/file"), "x").await;
        let (folder, to) = (format!("{mount}/d"), format!("{mount}/to"));
        for depth in ["2", "-1", "1,root", "", "0, 0"] {
            for method in ["PROPFIND", "COPY", "MOVE", "DELETE", "LOCK"] {
                let body = if method == "LOCK" { LOCK } else { "" };
                let headers = [("Depth", depth), ("Destination", to.as_str())];
                let answer = davmux.send(method, &folder, &headers, body).await;
                assert_eq!(answer.status, StatusCode::BAD_REQUEST, "{method} {depth:?}");
            }
        }
        for (method, depth) in [("MOVE", "0"), ("DELETE", "0"), ("DELETE", "1"), ("COPY", "1"), ("LOCK", "1")] {
            let body = if method == "LOCK" { LOCK } else { "" };
            let answer = davmux.send(method, &folder, &[("Depth", depth), ("Destination", &to)], body).await;
            assert_eq!(answer.status, StatusCode::BAD_REQUEST, "{method} {depth}");
        }
        for overwrite in ["", "yes", "T, F"] {
            let headers = [("Overwrite", overwrite), ("Destination", to.as_str())];
            assert_eq!(davmux.send("MOVE", &folder, &headers, "").await.status, StatusCode::BAD_REQUEST);
        }
        assert_eq!(davmux.get(&format!("{mount}/d/file")).await.text(), "x");
        assert_eq!(davmux.propfind(&to, "0").await.status, StatusCode::NOT_FOUND);
    }
}

#[tokio::test]
async fn a_destination_outside_the_tree_is_refused_and_the_source_stays() {
    let folder = tempfile::tempdir().unwrap();
    let inner = tempfile::tempdir().unwrap();
    let file = format!(
        "version: 1\nserver:\n  anonymous: read-write\n  base_path: /dav\nmounts:\n{}{}",
        local("/l", folder.path()),
        local("/l/in/ner", inner.path())
    );
    let davmux = Davmux::serve_file(&file).await;
    assert_eq!(davmux.put("/dav/l/file", "source").await, StatusCode::CREATED);
    assert_eq!(davmux.put("/dav/l/in/ner/file", "inner").await, StatusCode::CREATED);
    let long = format!("/dav/l/{}", "n".repeat(300));
    let longer = format!("/dav{}", "/n".repeat(5_000));
    for (destination, expected) in [
        ("/l/x", 502),
        ("/", 502),
        ("/davx/x", 502),
        ("http://other.example/l/x", 502),
        ("", 400),
        ("x", 400),
        ("http://", 400),
        ("ftp://h/dav/l/x", 400),
        ("/dav/l/x#y", 400),
        ("/dav/l/a%00", 400),
        ("/dav/l/a%2fb", 400),
        ("/dav/l/%zz", 400),
        ("/dav/l/%ff", 400),
        ("/dav/l//x", 400),
        ("/dav/l/../x", 400),
        ("/dav/l/%2e%2e/%2e%2e/x", 400),
        ("/dav/l/in/ner/%2E%2E/x", 400),
        (longer.as_str(), 400),
        ("/dav", 403),
        ("/dav/l/", 403),
        ("/dav/l/file", 403),
        ("/dav/l/file/below", 403),
        ("/dav/l/in", 403),
        ("/dav/l/in/ner", 403),
        (long.as_str(), 403),
        ("/dav/l/missing/x", 409),
        ("/dav/new", 409),
    ] {
        for method in ["COPY", "MOVE"] {
            let answer = davmux.send(method, "/dav/l/file", &[("Destination", destination)], "").await;
            assert_eq!(answer.status.as_u16(), expected, "{method} to {destination:.60}");
        }
    }
    // What holds a mount is not moved away or deleted, nor what would hold itself.
    for source in ["/dav/", "/dav/l", "/dav/l/in", "/dav/l/in/ner"] {
        for method in ["MOVE", "DELETE"] {
            let answer = davmux.send(method, source, &[("Destination", "/dav/l/x")], "").await;
            assert_eq!(answer.status, StatusCode::FORBIDDEN, "{method} {source}");
        }
    }
    assert_eq!(davmux.get("/dav/l/file").await.text(), "source");
    assert_eq!(davmux.get("/dav/l/in/ner/file").await.text(), "inner");
    assert_eq!(files(folder.path()), [folder.path().join("file")]);
    // A proxy may have another name for this server, and only the path is compared.
    for there in ["http://other.example", "https://u@other.example:99", ""] {
        let to = format!("{there}/dav/l/copy");
        let answer = davmux.send("COPY", "/dav/l/file", &[("Destination", &to)], "").await;
        assert_eq!(answer.status, StatusCode::CREATED, "{to}");
        assert_eq!(davmux.get("/dav/l/copy").await.text(), "source");
        assert_eq!(davmux.send("DELETE", "/dav/l/copy", &[], "").await.status, StatusCode::NO_CONTENT);
    }
}
