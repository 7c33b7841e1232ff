//! The administrator's listener.
#![allow(clippy::unwrap_used, clippy::expect_used, missing_docs)]

mod support;

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use davmux_server::{Administration, Drained, Health, Held, Listen, Refused, Server};
use support::{Client, ask, header, status};
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

#[derive(Clone, Default)]
struct Served {
    broken: Arc<Mutex<Vec<&'static str>>>,
    refreshed: Arc<Mutex<Vec<String>>>,
}

impl Administration for Served {
    async fn health(&self) -> Vec<Health> {
        let mount = |path: &'static str| {
            let broken = self.broken.lock().unwrap().contains(&path);
            let last_error = broken.then(|| ("the bucket \"b\" is not there".to_owned(), Duration::from_secs(7)));
            Health { path: path.to_owned(), ready: !broken, age: Duration::from_secs(2), last_error }
        };
        vec![mount("/films"), mount("/documents")]
    }

    async fn measure(&self, page: &mut davmux_metrics::Page) {
        page.gauges("davmux_of_the_tree", "What the application counts.").value(7_u64);
    }

    fn refresh(&self, path: &str) -> Result<(), Refused> {
        match path {
            "/nowhere" => Err(Refused::Nowhere),
            "no path" => Err(Refused::Invalid),
            path => {
                self.refreshed.lock().unwrap().push(path.to_owned());
                Ok(())
            }
        }
    }

    async fn reload(&self) -> Result<String, String> {
        let broken = !self.broken.lock().unwrap().is_empty();
        if broken { Err("m.yaml:1:1: wrong".to_owned()) } else { Ok("nothing changed".to_owned()) }
    }

    async fn locks(&self, path: &str) -> Result<Vec<Held>, Refused> {
        if path == "/down" {
            return Err(Refused::Unavailable);
        }
        let (path, user) = (path.to_owned(), Some("alice".to_owned()));
        Ok(vec![Held { path, user, shared: false, deep: true, ends_in: Duration::from_secs(600) }])
    }

    async fn end_locks(&self, path: &str) -> Result<usize, Refused> {
        self.refreshed.lock().unwrap().push(format!("locks of {path}"));
        Ok(3)
    }
}

struct Running {
    served: Served,
    address: SocketAddr,
    stop: oneshot::Sender<()>,
    ended: JoinHandle<Drained>,
}

async fn start(listen: &str) -> Running {
    let served = Served::default();
    let bound = Server::bind_admin(Some(listen.parse().unwrap()), served.clone()).await.unwrap();
    let Listen::Tcp(address) = bound.addresses()[0].clone() else { panic!("TCP is what the test says") };
    let (stop, stopped) = oneshot::channel::<()>();
    let ended = tokio::spawn(bound.serve(async move { drop(stopped.await) }));
    Running { served, address, stop, ended }
}

async fn say(address: SocketAddr, line: &str, headers: &str) -> (u16, String) {
    let (head, body) = ask(address, &format!("{line} HTTP/1.1\r\nhost: 127.0.0.1:1\r\n{headers}\r\n")).await;
    (status(&head), body)
}

#[tokio::test]
async fn readiness_names_each_mount_and_fails_when_none_or_the_one_asked_for_is_ready() {
    let running = start("127.0.0.1:0").await;
    let (served, address) = (&running.served, running.address);
    assert_eq!(say(address, "GET /healthz", "").await, (200, "ok\n".to_owned()));
    // There are no passwords, so a probe that brings one is answered as any other.
    let with_password = "authorization: Basic YWxpY2U6c2VjcmV0\r\n";
    assert_eq!(say(address, "GET /healthz", with_password).await.0, 200);
    let (code, body) = say(address, "GET /readyz", "").await;
    assert_eq!(code, 200);
    let body: serde_json::Value = serde_json::from_str(&body).unwrap();
    assert_eq!(body["mounts"][1], serde_json::json!({ "path": "/documents", "ready": true, "age_s": 2 }));
    served.broken.lock().unwrap().push("/films");
    let (code, body) = say(address, "GET /readyz", "").await;
    let body: serde_json::Value = serde_json::from_str(&body).unwrap();
    assert_eq!((code, &body["mounts"][0]["ready"]), (200, &false.into()));
    let error = serde_json::json!({ "text": "the bucket \"b\" is not there", "age_s": 7 });
    assert_eq!(body["mounts"][0]["last_error"], error);
    assert_eq!(say(address, "GET /readyz?mount=/films", "").await.0, 503);
    assert_eq!(say(address, "GET /readyz?mount=%2Fdocuments", "").await.0, 200);
    assert_eq!(say(address, "GET /readyz?mount=/other", "").await.0, 404);
    served.broken.lock().unwrap().push("/documents");
    assert_eq!(say(address, "GET /readyz", "").await.0, 503);
    assert_eq!(say(address, "GET /healthz", "").await.0, 200);
}

#[tokio::test]
async fn a_reload_says_what_changed_or_what_is_wrong_and_is_asked_for_on_this_machine_alone() {
    let running = start("127.0.0.1:0").await;
    let address = running.address;
    assert_eq!(say(address, "POST /reload", "").await, (200, "nothing changed\n".to_owned()));
    running.served.broken.lock().unwrap().push("/films");
    assert_eq!(say(address, "POST /reload", "").await, (422, "m.yaml:1:1: wrong\n".to_owned()));
    assert_eq!(say(address, "GET /reload", "").await.0, 405);
    assert_eq!(say(address, "POST /reload", "origin: http://a.example\r\n").await.0, 403);
}

#[tokio::test]
async fn a_refresh_names_a_path_or_means_everything() {
    let running = start("127.0.0.1:0").await;
    let (served, address) = (&running.served, running.address);
    for (line, code) in [
        ("POST /refresh?path=/films/a%20b+c", 204),
        ("POST /refresh", 204),
        ("POST /refresh?path=/nowhere", 404),
        ("POST /refresh?path=no%20path", 400),
        ("GET /refresh?path=/films", 405),
        ("DELETE /healthz", 405),
        ("GET /", 404),
        ("OPTIONS /refresh", 405),
    ] {
        assert_eq!(say(address, line, "").await.0, code, "{line}");
    }
    assert_eq!(*served.refreshed.lock().unwrap(), ["/films/a b+c", "/"]);
    let (head, _) = ask(address, "PUT /readyz HTTP/1.1\r\nhost: localhost\r\n\r\n").await;
    assert_eq!(header(&head, "allow"), Some("GET, HEAD"));
}

#[tokio::test]
async fn locks_are_told_and_ended_below_a_path_that_is_named() {
    let running = start("127.0.0.1:0").await;
    let (served, address) = (&running.served, running.address);
    let (code, body) = say(address, "GET /locks", "").await;
    let body: serde_json::Value = serde_json::from_str(&body).unwrap();
    let lock = serde_json::json!(
        { "path": "/", "user": "alice", "scope": "exclusive", "depth": "infinity", "ends_in_s": 600 }
    );
    assert_eq!((code, &body["locks"]), (200, &serde_json::json!([lock])));
    assert_eq!(say(address, "GET /locks?path=/down", "").await.0, 503);
    assert_eq!(say(address, "DELETE /locks", "").await.0, 400);
    assert_eq!(say(address, "DELETE /locks?path=/a", "origin: http://evil.example\r\n").await.0, 403);
    assert_eq!(say(address, "POST /locks?path=/a", "").await.0, 405);
    assert!(served.refreshed.lock().unwrap().is_empty());
    let (code, body) = say(address, "DELETE /locks?path=/a", "").await;
    assert_eq!((code, serde_json::from_str(&body).unwrap()), (200, serde_json::json!({ "ended": 3 })));
    assert_eq!(*served.refreshed.lock().unwrap(), ["locks of /a"]);
}

#[tokio::test]
async fn what_a_web_page_or_a_proxy_sends_changes_nothing() {
    let running = start("127.0.0.1:0").await;
    let (served, address) = (&running.served, running.address);
    for headers in [
        "origin: http://evil.example\r\n",
        "origin: null\r\n",
        "sec-fetch-site: cross-site\r\n",
        "x-forwarded-for: 127.0.0.1\r\n",
        "forwarded: for=127.0.0.1\r\n",
    ] {
        assert_eq!(say(address, "POST /refresh", headers).await.0, 403, "{headers}");
        assert_eq!(say(address, "GET /healthz", headers).await.0, 200, "{headers}");
    }
    let (head, _) = ask(address, "POST /refresh HTTP/1.1\r\nhost: evil.example\r\n\r\n").await;
    assert_eq!(status(&head), 403);
    assert!(served.refreshed.lock().unwrap().is_empty());
    assert_eq!(say(address, "POST /refresh", "sec-fetch-site: none\r\n").await.0, 204);
}

#[tokio::test]
async fn it_ends_as_any_server_does_and_writes_no_access_lines() {
    let mut lines = support::Lines::capture();
    let Running { address, stop, ended, .. } = start("127.0.0.1:0").await;
    let mut idle = Client::connect(address).await;
    idle.send("GET /healthz HTTP/1.1\r\nhost: a\r\n\r\n").await;
    idle.response().await;
    stop.send(()).unwrap();
    assert_eq!(ended.await.unwrap(), Drained { cut: 0 });
    assert!(tokio::net::TcpStream::connect(address).await.is_err());
    let other = support::start(support::open_options()).await;
    ask(other.address, "GET /first HTTP/1.1\r\nhost: a\r\n\r\n").await;
    assert!(lines.next().await.contains("/first"));
}
