//! Many at once.

use std::collections::HashMap;
use std::sync::Arc;

use http::StatusCode;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::{LOCK, both};

#[tokio::test]
async fn of_many_who_lock_one_name_at_once_one_has_it_and_none_is_left() {
    let both = Arc::new(both().await);
    for mount in ["/b", "/l"] {
        let path = format!("{mount}/new");
        let mut clients = tokio::task::JoinSet::new();
        for _ in 0..12 {
            let (both, path) = (Arc::clone(&both), path.clone());
            clients.spawn(async move {
                let answer = both.davmux.send("LOCK", &path, &[], LOCK).await;
                (answer.status.as_u16(), answer.header("lock-token").to_owned())
            });
        }
        let answers = clients.join_all().await;
        let held: Vec<_> = answers.iter().filter(|(status, _)| matches!(status, 200 | 201)).collect();
        assert_eq!(held.len(), 1, "{answers:?}");
        assert!(answers.iter().all(|(status, _)| matches!(status, 200 | 201 | 423)), "{answers:?}");
        assert_eq!(both.davmux.put(&path, "x").await, StatusCode::LOCKED);
        let refresh = both.davmux.send("LOCK", &path, &[("If", "(<urn:uuid:0>)")], "").await;
        assert_eq!(refresh.status, StatusCode::PRECONDITION_FAILED);
        let token = [("Lock-Token", held[0].1.as_str())];
        let elsewhere = both.davmux.send("UNLOCK", &format!("{mount}/other"), &token, "").await;
        assert_eq!(elsewhere.status, StatusCode::CONFLICT);
        assert_eq!(both.davmux.send("UNLOCK", &path, &token, "").await.status, StatusCode::NO_CONTENT);
        assert_eq!(both.davmux.put(&path, "x").await, StatusCode::NO_CONTENT);
    }
}

/// What every writer of the next test stores: it can be told whole from torn, and one from another.
fn content(writer: usize, nth: usize) -> String {
    format!("{writer}-{nth};").repeat(1 + nth % 3 * 20_000)
}

#[tokio::test]
async fn what_was_answered_as_stored_is_there_whole_however_many_write_beside_it() {
    let both = Arc::new(both().await);
    let mut writers = tokio::task::JoinSet::new();
    for writer in 0..6_usize {
        let both = Arc::clone(&both);
        writers.spawn(async move {
            let mount = ["/b", "/l"][writer % 2];
            let mut stands: HashMap<String, String> = HashMap::new();
            for nth in 0..24 {
                let own = format!("{mount}/own-{writer}-{}", nth % 3);
                let other = format!("{mount}/own-{writer}-{}", (nth + 1) % 3);
                let answer = match nth % 5 {
                    3 => both.davmux.to("MOVE", &own, &other).await,
                    4 => both.davmux.send("DELETE", &own, &[], "").await,
                    _ => both.davmux.send("PUT", &own, &[], content(writer, nth)).await,
                };
                match (nth % 5, answer.status.as_u16()) {
                    (3, 201 | 204) => {
                        let moved = stands.remove(&own).unwrap();
                        stands.insert(other, moved);
                    }
                    (4, 204) => assert!(stands.remove(&own).is_some(), "{own}"),
                    (3 | 4, 404) => assert!(!stands.contains_key(&own), "{own}"),
                    (_, 201 | 204) => {
                        stands.insert(own.clone(), content(writer, nth));
                    }
                    (_, status) => panic!("{own}: {status}"),
                }
                // The same names for everybody: who wins is open, that a whole file stands there is not.
                let shared = format!("{mount}/shared-{}", nth % 2);
                let across = format!("{}/shared-{}", ["/l", "/b"][writer % 2], nth % 2);
                match nth % 4 {
                    0 | 1 => drop(both.davmux.put(&shared, content(writer, nth)).await),
                    2 => drop(both.davmux.to("MOVE", &shared, &across).await),
                    _ => drop(both.davmux.send("DELETE", &shared, &[], "").await),
                }
                let read = both.davmux.get(&shared).await;
                assert!(matches!(read.status, StatusCode::OK | StatusCode::NOT_FOUND), "{}", read.status);
                if read.status == StatusCode::OK {
                    let text = read.text();
                    let first = text.split_inclusive(';').next().unwrap();
                    let times = text.len() / first.len();
                    assert!(matches!(times, 1 | 20_001 | 40_001), "{times} of {first}");
                    assert_eq!(text, first.repeat(times), "torn");
                }
            }
            stands
        });
    }
    for stands in writers.join_all().await {
        assert!(!stands.is_empty());
        for (path, content) in stands {
            assert_eq!(both.davmux.get(&path).await.text(), content, "{path}");
        }
    }
}

#[tokio::test]
async fn readers_who_stall_do_not_keep_fifty_others_waiting() {
    let both = Arc::new(both().await);
    let large = vec![1; 20_000_000];
    let mut stalled = Vec::new();
    for mount in ["/b", "/l"] {
        assert_eq!(both.davmux.put(&format!("{mount}/large"), large.clone()).await, StatusCode::CREATED);
        assert_eq!(both.davmux.put(&format!("{mount}/small"), "small").await, StatusCode::CREATED);
        for _ in 0..5 {
            let mut socket = TcpStream::connect(&both.davmux.addr).await.unwrap();
            let get = format!("GET {mount}/large HTTP/1.1\r\nHost: x\r\n\r\n");
            socket.write_all(get.as_bytes()).await.unwrap();
            let mut first = [0; 12];
            socket.read_exact(&mut first).await.unwrap();
            assert_eq!(&first, b"HTTP/1.1 200");
            stalled.push(socket);
        }
    }
    let mut others = tokio::task::JoinSet::new();
    for nth in 0..50 {
        let both = Arc::clone(&both);
        others.spawn(async move {
            let mount = ["/b", "/l"][nth % 2];
            match nth % 3 {
                0 => assert_eq!(both.davmux.get(&format!("{mount}/small")).await.text(), "small"),
                1 => assert_eq!(both.davmux.put(&format!("{mount}/new-{nth}"), "x").await, StatusCode::CREATED),
                _ => assert!(both.davmux.propfind(&format!("{mount}/"), "1").await.hrefs().len() >= 3),
            }
        });
    }
    others.join_all().await;
    // They were stalled, not forgotten.
    let mut rest = 0;
    let mut buffer = vec![0; 1 << 20];
    while rest < large.len() {
        let read = stalled[0].read(&mut buffer).await.unwrap();
        assert!(read > 0, "the response ended early");
        rest += read;
    }
}
