//! One line for each change: who, what, from, to.

use serde_json::Value;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use crate::support::{Davmux, bucket, local, other, s3};

/// The lines of the audit so far, without their time.
fn lines(log: &str) -> Vec<Value> {
    let lines = log.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
    lines.filter(|line| line["target"] == "audit").collect()
}

fn shown(line: &Value) -> String {
    let fields = ["user", "address", "action", "path", "to", "result", "failed", "bytes"];
    let told = fields.iter().filter_map(|field| match &line[*field] {
        Value::Null => None,
        Value::String(text) => Some(text.clone()),
        other => Some(format!("{field}={other}")),
    });
    told.collect::<Vec<_>>().join(" ")
}

#[tokio::test]
async fn each_change_has_one_line_and_what_was_refused_or_read_has_none() {
    let s3 = s3().await;
    let dir = tempfile::tempdir().unwrap();
    let users = "users:\n  - {name: alice, password: wonderland}\n  - {name: bob, password: b, root: /l/bobs, access: read-only}\n";
    let mounts = local("/l", dir.path()) + &bucket("/b", &s3, &[]);
    let davmux =
        Davmux::serve_file(&format!("version: 1\nserver: {{admin_listen: \"127.0.0.1:0\"}}\n{users}mounts:\n{mounts}"))
            .await;
    let alice = ("Authorization", "Basic YWxpY2U6d29uZGVybGFuZA==");
    let bob = ("Authorization", "Basic Ym9iOmI=");
    let patch = "<D:propertyupdate xmlns:D=\"DAV:\"><D:set><D:prop><x xmlns=\"urn:x\">1</x></D:prop></D:set></D:propertyupdate>";
    let lock = "<D:lockinfo xmlns:D=\"DAV:\"><D:lockscope><D:exclusive/></D:lockscope><D:locktype><D:write/></D:locktype></D:lockinfo>";
    let to = |path: &str| format!("http://{}{path}", davmux.addr);
    let (copied, moved) = (to("/b/d2"), to("/l/moved"));
    for (method, path, header, body) in [
        ("MKCOL", "/b/d", None, ""),
        ("PUT", "/b/d/a", None, "12345"),
        ("GET", "/b/d/a", None, ""),
        ("PROPFIND", "/b/d", None, ""),
        ("PROPPATCH", "/b/d/a", None, patch),
        ("COPY", "/b/d", Some(("Destination", copied.as_str())), ""),
        ("MOVE", "/b/d2/a", Some(("Destination", moved.as_str())), ""),
        ("LOCK", "/l/locked", None, lock),
        ("DELETE", "/b/d", None, ""),
        ("PUT", "/missing/a", None, "x"),
        ("MKCOL", "/b/d2", None, ""),
        ("DELETE", "/b/nothing", None, ""),
        ("PUT", "/l/moved", Some(("If-None-Match", "*")), "x"),
    ] {
        let headers: Vec<_> = [Some(alice), header].into_iter().flatten().collect();
        davmux.send(method, path, &headers, body).await;
    }
    assert_eq!(davmux.send("PUT", "/x", &[bob], "x").await.status, 403);
    let log = davmux.log();
    let admin = log.lines().find_map(|line| line.split_once("administration on http://")).unwrap().1;
    let mut socket = tokio::net::TcpStream::connect(admin.trim_end_matches('/')).await.unwrap();
    socket.write_all(b"DELETE /locks?path=/l HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n").await.unwrap();
    socket.read_to_string(&mut String::new()).await.unwrap();
    let (_, log) = davmux.terminate().await;
    let found: Vec<_> = lines(&log).iter().map(shown).collect();
    let by = |text: &str| format!("alice 127.0.0.1 {text}");
    assert_eq!(
        found,
        [
            by("mkcol /b/d done"),
            by("put /b/d/a done bytes=5"),
            by("proppatch /b/d/a done"),
            by("copy /b/d /b/d2 done"),
            by("move /b/d2/a /l/moved done"),
            by("put /l/locked done bytes=0"),
            by("delete /b/d done"),
            "end-locks /l done".to_owned(),
        ],
        "{log}"
    );
}

#[tokio::test]
async fn a_change_that_was_done_in_part_says_so_and_somebody_without_a_login_has_an_address_alone() {
    let dir = tempfile::tempdir().unwrap();
    let davmux = Davmux::serve(&local("/l", dir.path())).await;
    std::fs::create_dir_all(dir.path().join("d/s")).unwrap();
    std::fs::write(dir.path().join("d/good"), "x").unwrap();
    // A name that WebDAV cannot say is left where it is.
    let odd: &std::ffi::OsStr = std::os::unix::ffi::OsStrExt::from_bytes(b"\xff");
    std::fs::write(dir.path().join("d/s").join(odd), "x").unwrap();
    assert_eq!(davmux.send("DELETE", "/l/d", &[], "").await.status, 207);
    let (_, log) = davmux.terminate().await;
    let found: Vec<_> = lines(&log).iter().map(shown).collect();
    assert_eq!(found, ["127.0.0.1 delete /l/d partial failed=1"], "{log}");
}

#[tokio::test]
async fn a_commit_that_ran_on_after_its_client_left_has_its_line() {
    let s3 = s3().await;
    let davmux = Davmux::serve(&bucket("/b", &s3, &[])).await;
    // Known from here on, so that a PUT is one call.
    davmux.propfind("/b/", "1").await;
    s3.faults().together(2);
    let mut socket = tokio::net::TcpStream::connect(&davmux.addr).await.unwrap();
    socket.write_all(b"PUT /b/a HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\n\r\nx").await.unwrap();
    while !s3.recorder().calls().iter().any(|call| call.operation == "PutObject") {
        tokio::time::sleep(std::time::Duration::from_millis(5)).await;
    }
    drop(socket);
    let _released = other(&s3).list_buckets().send().await;
    davmux.logged("\"action\":\"put\"").await;
}
