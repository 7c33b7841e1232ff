//! Who leaves, and when.

use std::time::Duration;

use http::StatusCode;
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;

use super::{Both, appears, both, files};
use crate::support::{Answer, Davmux, PATIENCE, bucket, local};

#[tokio::test]
async fn a_client_that_leaves_before_the_end_changes_nothing_and_one_that_leaves_after_it_has_stored_its_file() {
    let Both { davmux, folder, s3: _s3 } = both().await;
    let content = vec![7; 3_000_000];
    for mount in ["/b", "/l"] {
        let path = format!("{mount}/file");
        davmux.put(&path, "former").await;
        let head = format!("PUT {path} HTTP/1.1\r\nHost: x\r\nContent-Length: {}\r\n\r\n", content.len());
        let chunked = format!("PUT {path} HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n");
        for sent in [0, 1, 100_000, content.len() - 1] {
            for reset in [false, true] {
                let mut socket = TcpStream::connect(&davmux.addr).await.unwrap();
                socket.write_all(head.as_bytes()).await.unwrap();
                socket.write_all(&content[..sent]).await.unwrap();
                if reset {
                    socket.set_zero_linger().unwrap();
                }
                drop(socket);
                let mut socket = TcpStream::connect(&davmux.addr).await.unwrap();
                socket.write_all(format!("{chunked}{sent:x}\r\n").as_bytes()).await.unwrap();
                socket.write_all(&content[..sent]).await.unwrap();
                drop(socket);
            }
        }
        // One that counted as whole would be found here, or below if it took its time.
        assert_eq!(davmux.get(&path).await.text(), "former");
        assert_eq!(davmux.put(&path, "after").await, StatusCode::NO_CONTENT);
        // All of it, and gone before the answer.
        let head = format!("PUT {mount}/all HTTP/1.1\r\nHost: x\r\nContent-Length: {}\r\n\r\n", content.len());
        let mut socket = TcpStream::connect(&davmux.addr).await.unwrap();
        socket.write_all(&[head.as_bytes(), &content].concat()).await.unwrap();
        drop(socket);
        assert_eq!(appears(&davmux, &format!("{mount}/all")).await.body.unwrap().len(), content.len());
        assert_eq!(davmux.get(&path).await.text(), "after");
    }
    // What they had staged goes as soon as each is found gone.
    let cleaned = async {
        while files(folder.path()).len() != 2 {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    assert!(tokio::time::timeout(PATIENCE, cleaned).await.is_ok(), "{:?}", files(folder.path()));
}

#[tokio::test]
async fn sigterm_in_the_midst_of_a_move_and_an_upload_loses_no_file() {
    let Both { davmux, folder, s3 } = both().await;
    davmux.send("MKCOL", "/l/tree", &[], "").await;
    let names: Vec<String> = (0..40).map(|nth| format!("tree/{nth}")).collect();
    for name in &names {
        davmux.put(&format!("/l/{name}"), name.clone()).await;
    }
    let mut upload = TcpStream::connect(&davmux.addr).await.unwrap();
    upload.write_all(b"PUT /b/half HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\nhalf").await.unwrap();
    let mut moving = TcpStream::connect(&davmux.addr).await.unwrap();
    let request = "MOVE /l/tree/ HTTP/1.1\r\nHost: x\r\nDestination: /b/tree/\r\n\r\n";
    moving.write_all(request.as_bytes()).await.unwrap();
    let begun = async {
        while s3.recorder().count("PutObject") < 3 {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    };
    tokio::time::timeout(PATIENCE, begun).await.unwrap();
    // Nobody waits for either any more.
    drop((upload, moving));
    let (code, log) = davmux.terminate().await;
    assert_eq!(code, Some(0), "{log}");
    let again = Davmux::serve(&format!("{}{}", bucket("/b", &s3, &[]), local("/l", folder.path()))).await;
    for name in &names {
        let (there, here) = (again.get(&format!("/b/{name}")).await, again.get(&format!("/l/{name}")).await);
        let whole = |answer: &Answer| answer.status == StatusCode::OK && answer.text() == *name;
        assert!(whole(&there) || whole(&here), "{name}: {} and {}", there.status, here.status);
    }
    assert_eq!(again.get("/b/half").await.status, StatusCode::NOT_FOUND);
}

/// Sends a request and is gone once the bucket has had `calls` more calls of an operation.
async fn leave_after(davmux: &Davmux, s3: &davmux_s3_server::Running, request: &str, operation: &str, calls: u64) {
    let before = s3.recorder().count(operation);
    let mut socket = TcpStream::connect(&davmux.addr).await.unwrap();
    socket.write_all(request.as_bytes()).await.unwrap();
    let begun = async {
        while s3.recorder().count(operation) < before + calls {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    };
    tokio::time::timeout(PATIENCE, begun).await.unwrap();
    socket.set_zero_linger().unwrap();
}

#[tokio::test]
async fn a_deep_move_whose_client_leaves_at_any_stage_runs_to_its_end() {
    let Both { davmux, folder: _folder, s3 } = both().await;
    // So that the client is gone long before the end.
    s3.faults().latency(Duration::from_millis(10));
    let members = ["a", "b", "sub/a", "sub/b", "sub/deep/a", "z"];
    for (nth, (from, to, operation, calls)) in [
        ("/l", "/b", "PutObject", 1),
        ("/l", "/b", "PutObject", 5),
        ("/b", "/l", "GetObject", 1),
        ("/b", "/l", "GetObject", 6),
        ("/b", "/b", "CopyObject", 1),
        ("/b", "/b", "CopyObject", 6),
        ("/b", "/b", "DeleteObjects", 1),
    ]
    .into_iter()
    .enumerate()
    {
        let (source, target) = (format!("{from}/from-{nth}"), format!("{to}/to-{nth}"));
        for folder in ["", "/sub", "/sub/deep", "/empty"] {
            let made = davmux.send("MKCOL", &format!("{source}{folder}"), &[], "").await;
            assert_eq!(made.status, StatusCode::CREATED);
        }
        for member in members {
            assert_eq!(davmux.put(&format!("{source}/{member}"), member).await, StatusCode::CREATED);
        }
        let request = format!("MOVE {source}/ HTTP/1.1\r\nHost: x\r\nDestination: {target}/\r\n\r\n");
        leave_after(&davmux, &s3, &request, operation, calls).await;
        // The source goes last.
        let gone = async {
            while davmux.propfind(&source, "0").await.status != StatusCode::NOT_FOUND {
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        };
        let stage = format!("{source} to {target} after {calls} {operation}");
        assert!(tokio::time::timeout(PATIENCE, gone).await.is_ok(), "{stage}: the source stays");
        for member in members {
            assert_eq!(davmux.get(&format!("{target}/{member}")).await.text(), member, "{stage}");
        }
        assert_eq!(davmux.propfind(&format!("{target}/empty/"), "1").await.hrefs().len(), 1, "{stage}");
    }
    assert!(!davmux.log().contains("panicked"), "{}", davmux.log());
}
