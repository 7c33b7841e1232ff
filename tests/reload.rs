//! Another file while it serves, and the end.

use std::process::Command;
use std::sync::Arc;

use http::StatusCode;
use tempfile::TempDir;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::support::{Davmux, bucket, local, other, s3};

fn folder() -> Arc<TempDir> {
    Arc::new(tempfile::tempdir().unwrap())
}

fn signal(davmux: &Davmux, name: &str) {
    let status = Command::new("kill").args(["-s", name, &davmux.id().to_string()]).status().unwrap();
    assert!(status.success());
}

fn write(davmux: &Davmux, file: &str) {
    std::fs::write(davmux.dir.path().join("mounts.yaml"), file).unwrap();
}

fn told(davmux: &Davmux, text: &str) -> usize {
    davmux.log().matches(text).count()
}

/// What the log says of a reload that was done.
const RELOADED: &str = "\"message\":\"reloaded\"";

/// A reload by signal, to its end.
async fn reload(davmux: &Davmux, file: &str) {
    let before = told(davmux, RELOADED);
    write(davmux, file);
    signal(davmux, "HUP");
    more(davmux, RELOADED, before).await;
}

/// Waits until a text is in the log more often than it was.
async fn more(davmux: &Davmux, text: &str, before: usize) {
    let said = tokio::time::timeout(crate::support::PATIENCE, async {
        while told(davmux, text) == before {
            tokio::time::sleep(std::time::Duration::from_millis(5)).await;
        }
    });
    assert!(said.await.is_ok(), "no more {text:?}: {}", davmux.log());
}

fn file(server: &str, mounts: &str) -> String {
    format!("version: 1\nserver:\n  anonymous: read-write\n{server}mounts:\n{mounts}")
}

/// The address of the administrator's listener, as the log says it.
async fn admin_of(davmux: &Davmux) -> String {
    davmux.logged("administration on http://").await;
    let log = davmux.log();
    let line = log.lines().rfind(|line| line.contains("administration on http://")).unwrap();
    line.split("http://").nth(1).unwrap().trim_end_matches('/').to_owned()
}

async fn ask(address: &str, request: &str) -> String {
    let mut socket = TcpStream::connect(address).await.unwrap();
    socket
        .write_all(format!("{request} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n").as_bytes())
        .await
        .unwrap();
    let mut answer = String::new();
    socket.read_to_string(&mut answer).await.unwrap();
    answer
}

/// A PUT that waits for the rest of its body.
async fn begun(davmux: &Davmux, path: &str, length: usize) -> TcpStream {
    let mut socket = TcpStream::connect(&davmux.addr).await.unwrap();
    let head = format!(
        "PUT {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\nExpect: 100-continue\r\nContent-Length: {length}\r\n\r\n"
    );
    socket.write_all(head.as_bytes()).await.unwrap();
    let mut go_on = [0; 25];
    socket.read_exact(&mut go_on).await.unwrap();
    assert!(go_on.starts_with(b"HTTP/1.1 100"));
    socket
}

async fn answered(mut socket: TcpStream) -> String {
    let mut answer = String::new();
    let _ = socket.read_to_string(&mut answer).await;
    answer
}

#[tokio::test]
async fn mounts_and_users_come_and_go_while_requests_in_flight_keep_what_they_began_with() {
    let (one, two) = (folder(), folder());
    std::fs::write(two.path().join("new"), "x").unwrap();
    let davmux = Davmux::serve(&local("/l", one.path())).await;
    assert_eq!(davmux.get("/n/new").await.status, StatusCode::NOT_FOUND);
    let mut upload = begun(&davmux, "/l/slow", 10).await;
    reload(&davmux, &file("", &local("/n", two.path()))).await;
    assert_eq!(davmux.propfind("/", "1").await.hrefs(), ["/", "/n/"]);
    assert_eq!(davmux.get("/n/new").await.text(), "x");
    assert_eq!(davmux.get("/l/slow").await.status, StatusCode::NOT_FOUND);
    upload.write_all(b"0123456789").await.unwrap();
    assert!(answered(upload).await.starts_with("HTTP/1.1 201"));
    assert_eq!(std::fs::read(one.path().join("slow")).unwrap(), b"0123456789");
    let log = davmux.log();
    assert!(log.contains("mounts added: /n; mounts removed: /l"), "{log}");

    let users =
        format!("version: 1\nusers:\n  - {{name: alice, password: wonderland}}\nmounts:\n{}", local("/n", two.path()));
    reload(&davmux, &users).await;
    assert_eq!(davmux.get("/n/new").await.status, StatusCode::UNAUTHORIZED);
    let alice = [("Authorization", "Basic YWxpY2U6d29uZGVybGFuZA==")];
    assert_eq!(davmux.send("GET", "/n/new", &alice, "").await.text(), "x");
    let log = davmux.log();
    assert!(log.contains("users added: alice; server changed") && !log.contains("wonderland"), "{log}");
}

#[tokio::test]
async fn a_wrong_file_changes_nothing_and_each_mistake_is_told_as_check_tells_it() {
    let dir = folder();
    std::fs::write(dir.path().join("a"), "x").unwrap();
    let l = local("/l", dir.path());
    let good = file("  admin_listen: 127.0.0.1:0\n", &l);
    let davmux = Davmux::serve_file(&good).await;
    let admin = admin_of(&davmux).await;
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let kept = std::net::TcpListener::bind(taken).unwrap();
    let with = |server: &str| file(&format!("  admin_listen: 127.0.0.1:0\n{server}"), &local("/other", dir.path()));
    for (wrong, said) in [
        (with("  lissten: 1\n"), ":5:3: "),
        ("version: [".to_owned(), "mounts.yaml:"),
        (file("", &format!("{l}{l}")), "a mount is here already"),
        (file("", &format!("{l}{}", bucket_with_file("missing"))), "missing"),
        (with("  state_dir: state\n"), "restart"),
        (file(&format!("  admin_listen: {taken}\n"), &local("/other", dir.path())), &taken.to_string()),
    ] {
        write(&davmux, &wrong);
        let before = told(&davmux, "not reloaded");
        let answer = ask(&admin, "POST /reload").await;
        assert!(answer.starts_with("HTTP/1.1 422") && answer.contains(said), "{said}: {answer}");
        more(&davmux, "not reloaded", before).await;
        assert!(davmux.log().contains(said), "{said}: {}", davmux.log());
        assert_eq!(davmux.propfind("/", "1").await.hrefs(), ["/", "/l/"], "after {said}");
        assert_eq!(davmux.get("/l/a").await.text(), "x");
    }
    std::fs::remove_file(davmux.dir.path().join("mounts.yaml")).unwrap();
    signal(&davmux, "HUP");
    davmux.logged("cannot be read").await;
    assert_eq!(davmux.get("/l/a").await.text(), "x");
    drop(kept);
    write(&davmux, &good);
    let answer = ask(&admin, "POST /reload").await;
    assert!(answer.starts_with("HTTP/1.1 200") && answer.ends_with("nothing changed\n"), "{answer}");
    let page = ask(&admin, "GET /metrics").await;
    for line in ["davmux_reloads_total{result=\"done\"} 1\n", "davmux_reloads_total{result=\"failed\"} 7\n"] {
        assert!(page.contains(line), "{line}{page}");
    }
}

fn bucket_with_file(key: &str) -> String {
    format!(
        "  - path: /b\n    driver: s3\n    bucket: b\n    endpoint: http://127.0.0.1:1\n    region: x\n    access_key_id: a\n    \
         secret_access_key_file: {key}\n"
    )
}

#[tokio::test]
async fn the_administrators_listener_comes_and_goes() {
    let dir = folder();
    let davmux = Davmux::serve(&local("/l", dir.path())).await;
    let address = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().to_string();
    reload(&davmux, &file(&format!("  admin_listen: {address}\n"), &local("/l", dir.path()))).await;
    assert!(ask(&address, "GET /healthz").await.starts_with("HTTP/1.1 200"));
    reload(&davmux, &file("", &local("/l", dir.path()))).await;
    assert!(TcpStream::connect(&address).await.is_err());
}

#[tokio::test]
async fn a_changed_mount_of_the_same_bucket_shows_what_the_former_one_still_wrote() {
    let s3 = s3().await;
    let davmux = Davmux::serve(&bucket("/b", &s3, &["list_cache: 1h"])).await;
    assert_eq!(davmux.put("/b/f/a", "x").await, StatusCode::CONFLICT);
    assert_eq!(davmux.send("MKCOL", "/b/f", &[], "").await.status, StatusCode::CREATED);
    let mut upload = begun(&davmux, "/b/f/late", 4).await;
    reload(&davmux, &file("", &bucket("/b", &s3, &["list_cache: 2h"]))).await;
    assert_eq!(davmux.propfind("/b/f/", "1").await.hrefs(), ["/b/f/"]);
    upload.write_all(b"late").await.unwrap();
    assert!(answered(upload).await.starts_with("HTTP/1.1 201"));
    assert_eq!(davmux.propfind("/b/f/", "1").await.hrefs(), ["/b/f/", "/b/f/late"]);
}

#[tokio::test]
async fn an_upload_in_parts_goes_on_through_reloads() {
    let s3 = s3().await;
    let dir = folder();
    let mounts = bucket("/b", &s3, &[]);
    let davmux = Davmux::serve_in(Arc::clone(&dir), &file("  state_dir: state\n", &mounts)).await;
    let length = 20 << 20;
    let mut upload = begun(&davmux, "/b/large", length).await;
    upload.write_all(&vec![1; length / 2]).await.unwrap();
    in_progress(&s3, 1).await;
    for mounts in [mounts.clone() + &local("/l", dir.path()), mounts.replace("/b\n", "/c\n"), mounts] {
        reload(&davmux, &file("  state_dir: state\n", &mounts)).await;
        davmux.logged("the mount is ready").await;
    }
    upload.write_all(&vec![1; length / 2]).await.unwrap();
    assert!(answered(upload).await.starts_with("HTTP/1.1 201"));
    assert_eq!(davmux.send("HEAD", "/b/large", &[], "").await.header("content-length"), length.to_string());
}

/// Waits until so many uploads are in progress at the storage.
async fn in_progress(s3: &davmux_s3_server::Running, number: usize) {
    let client = other(s3);
    let there = tokio::time::timeout(crate::support::PATIENCE, async {
        loop {
            let listed = client.list_multipart_uploads().bucket("bucket").send().await.unwrap();
            if listed.uploads().len() == number {
                return;
            }
            tokio::time::sleep(std::time::Duration::from_millis(10)).await;
        }
    });
    assert!(there.await.is_ok(), "not {number} uploads in progress");
}

#[tokio::test]
async fn at_the_drain_limit_an_upload_is_cut_and_nothing_of_it_is_left() {
    let s3 = s3().await;
    let davmux = Davmux::serve_file(&file("  state_dir: state\n  drain: 0\n", &bucket("/b", &s3, &[]))).await;
    let mut upload = begun(&davmux, "/b/large", 20 << 20).await;
    upload.write_all(&vec![1; 12 << 20]).await.unwrap();
    in_progress(&s3, 1).await;
    let (dir, address) = (Arc::clone(&davmux.dir), davmux.addr.clone());
    let (code, log) = davmux.terminate().await;
    assert_eq!(code, Some(0), "{log}");
    assert!(TcpStream::connect(&address).await.is_err());
    assert_eq!(answered(upload).await, "", "cut without an answer");
    in_progress(&s3, 0).await;
    // The state was closed: another process opens it at once, and finds nothing to remove.
    let again = Davmux::serve_in(dir, &file("  state_dir: state\n", &bucket("/b", &s3, &[]))).await;
    assert_eq!(again.propfind("/b/", "1").await.hrefs(), ["/b/"]);
    assert!(!again.log().contains("earlier run left"), "{}", again.log());
}

#[tokio::test]
async fn a_second_signal_ends_it_at_once() {
    let dir = folder();
    let davmux = Davmux::serve_file(&file("  drain: 1h\n", &local("/l", dir.path()))).await;
    let upload = begun(&davmux, "/l/slow", 10).await;
    signal(&davmux, "TERM");
    davmux.logged("stopping").await;
    let (code, log) = davmux.terminate().await;
    assert_eq!(code, Some(1), "{log}");
    assert!(log.contains("at once"), "{log}");
    assert_eq!(answered(upload).await, "");
    assert!(!dir.path().join("slow").exists());
}

/// What a client under load found wrong, and how often it asked.
#[derive(Default)]
struct Load {
    asked: std::sync::atomic::AtomicUsize,
    wrong: std::sync::Mutex<Vec<String>>,
    ended: std::sync::atomic::AtomicBool,
}

impl Load {
    fn check(&self, what: &str, good: bool, seen: &dyn std::fmt::Debug) {
        self.asked.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        if !good {
            self.wrong.lock().unwrap().push(format!("{what}: {seen:?}"));
        }
    }

    fn goes_on(&self) -> bool {
        !self.ended.load(std::sync::atomic::Ordering::Relaxed)
    }

    /// One after the other over connections that stay open.
    async fn steady(&self, davmux: &Davmux, worker: usize) {
        let (own, copy) = (format!("/b/w/{worker}"), format!("/b/w/copy{worker}"));
        let mut round = 0;
        while self.goes_on() {
            round += 1;
            let got = davmux.get("/b/f/small").await;
            self.check("GET", got.status == 200 && got.body.as_deref() == Ok(&b"small"[..]), &got.status);
            let sent = davmux.send("GET", "/b/f/large", &[("User-Agent", "Kodi/21.0")], "").await;
            self.check("GET to a redirect", sent.status == 302, &sent.status);
            let listed = davmux.propfind("/b/f/", "1").await;
            let right = listed.status == 207 && listed.hrefs() == ["/b/f/", "/b/f/large", "/b/f/small"];
            self.check("PROPFIND", right, &listed.status);
            let text = format!("{worker} {round}");
            let put = davmux.put(&own, text.clone()).await;
            self.check("PUT", put == if round == 1 { 201 } else { 204 }, &put);
            let got = davmux.get(&own).await;
            self.check("GET of what was put", got.status == 200 && got.text() == text, &got.status);
            let copied = davmux.to("COPY", "/b/f/", &copy).await.status;
            self.check("COPY", copied == if round == 1 { 201 } else { 204 }, &copied);
            let listed = davmux.propfind(&format!("{copy}/"), "1").await;
            self.check("PROPFIND of the copy", listed.status == 207 && listed.hrefs().len() == 3, &listed.status);
            let local = davmux.get("/l/file").await;
            self.check("GET of a local file", local.status == 200 && local.text() == "local", &local.status);
        }
    }

    /// Each over a connection of its own.
    async fn fresh(&self, davmux: &Davmux) {
        while self.goes_on() {
            let answer = davmux.raw(b"GET /b/f/small HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n").await;
            let answer = String::from_utf8_lossy(&answer).into_owned();
            self.check("GET", answer.starts_with("HTTP/1.1 200") && answer.ends_with("\r\n\r\nsmall"), &answer);
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn not_one_request_fails_while_files_come_and_go_under_load() {
    const RELOADS: usize = 50;
    // At least so many answers for each reload; more of them for a figure.
    let between = std::env::var("DAVMUX_RELOAD_ANSWERS").ok().and_then(|text| text.parse().ok()).unwrap_or(10);
    let s3 = s3().await;
    let (l, more) = (folder(), folder());
    std::fs::write(l.path().join("file"), "local").unwrap();
    let base = |cache: &str| bucket("/b", &s3, &[cache]) + &local("/l", l.path());
    let users = "users:\n  - {name: alice, password: a}\n";
    let davmux = Davmux::serve(&base("list_cache: 60s")).await;
    for made in ["/b/f", "/b/w"] {
        assert_eq!(davmux.send("MKCOL", made, &[], "").await.status, 201);
    }
    assert_eq!(davmux.put("/b/f/small", "small").await, 201);
    assert_eq!(davmux.put("/b/f/large", vec![0; 300 * 1024]).await, 201);
    let load = Load::default();
    let began = std::time::Instant::now();
    let reloads = async {
        for round in 0..RELOADS {
            let changed = match round % 4 {
                0 => file("", &(base("list_cache: 60s") + &local("/more", more.path()))),
                1 => file("", &base("list_cache: 30s")),
                2 => file("", &base("list_cache: 30s")) + users,
                _ => file("", &base("list_cache: 60s")),
            };
            reload(&davmux, &changed).await;
            // So that there is load between any two.
            while load.asked.load(std::sync::atomic::Ordering::Relaxed) < (round + 1) * between {
                tokio::time::sleep(std::time::Duration::from_millis(1)).await;
            }
        }
        load.ended.store(true, std::sync::atomic::Ordering::Relaxed);
    };
    tokio::join!(
        reloads,
        load.steady(&davmux, 0),
        load.steady(&davmux, 1),
        load.steady(&davmux, 2),
        load.fresh(&davmux),
        load.fresh(&davmux)
    );
    let wrong = load.wrong.lock().unwrap();
    let asked = load.asked.load(std::sync::atomic::Ordering::Relaxed);
    println!("{RELOADS} reloads in {:.1?}: {asked} answers, {} wrong", began.elapsed(), wrong.len());
    assert!(wrong.is_empty(), "{} of {asked}: {:?}", wrong.len(), &wrong[..wrong.len().min(10)]);
    assert_eq!(told(&davmux, "not reloaded"), 0);
}
