//! Guessed passwords, through the real binary: what a flood of them takes from others, and whom it keeps out.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use base64::Engine;
use futures_util::StreamExt;

use crate::support::{Davmux, binary, local};

fn basic(user: &str, password: &str) -> String {
    format!("Basic {}", base64::engine::general_purpose::STANDARD.encode(format!("{user}:{password}")))
}

/// What `davmux hash-password` says, line by line.
fn hash_password(arguments: &[&str], input: &str) -> Vec<String> {
    use std::io::Write;
    let mut command = binary();
    command.arg("hash-password").args(arguments).stdin(std::process::Stdio::piped());
    let mut child = command.spawn().unwrap();
    child.stdin.take().unwrap().write_all(input.as_bytes()).unwrap();
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success());
    String::from_utf8(output.stdout).unwrap().lines().map(str::to_owned).collect()
}

/// Alice and Bob behind a proxy on this machine, and an administrator's listener.
struct Served {
    davmux: Davmux,
    admin: String,
    _folder: tempfile::TempDir,
}

impl Served {
    async fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("file"), "content").unwrap();
        let hash = |password| hash_password(&[], password).remove(0);
        let file = format!(
            "version: 1\nserver:\n  trusted_proxies: [127.0.0.1]\n  anonymous: none\n  admin_listen: 127.0.0.1:0\nusers:\n  \
             - {{name: alice, password_hash: \"{}\"}}\n  - {{name: bob, password_hash: \"{}\"}}\nmounts:\n{}",
            hash("wonderland"),
            hash("builder"),
            local("/l", folder.path())
        );
        let davmux = Davmux::serve_file(&file).await;
        davmux.logged("administration on http://").await;
        let log = davmux.log();
        let (_, rest) = log.split_once("administration on http://").unwrap();
        let admin = rest.split(['/', '\n']).next().unwrap().to_owned();
        Self { davmux, admin, _folder: folder }
    }

    /// The status of a GET from an address, and after how many seconds to come back.
    async fn get(&self, address: &str, authorization: Option<&str>) -> (u16, Option<u64>) {
        let mut headers = vec![("X-Forwarded-For", address)];
        headers.extend(authorization.map(|value| ("Authorization", value)));
        let answer = self.davmux.send("GET", "/l/file", &headers, "").await;
        (answer.status.as_u16(), answer.header("retry-after").parse().ok())
    }

    /// Guesses from an address until it is held back.
    async fn lock(&self, address: &str, user: &str) {
        for n in 0.. {
            assert!(n < 30, "nothing holds {address} back");
            match self.get(address, Some(&basic(user, &format!("{address}.{n}")))).await.0 {
                401 => {}
                429 => return,
                other => panic!("{other}"),
            }
        }
    }

    /// A value of `/metrics`.
    async fn metric(&self, name: &str) -> u64 {
        use tokio::io::{AsyncReadExt, AsyncWriteExt};
        let mut socket = tokio::net::TcpStream::connect(&self.admin).await.unwrap();
        let request = format!("GET /metrics HTTP/1.1\r\nhost: {}\r\nconnection: close\r\n\r\n", self.admin);
        socket.write_all(request.as_bytes()).await.unwrap();
        let mut page = String::new();
        socket.read_to_string(&mut page).await.unwrap();
        let line = page.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
        line.unwrap_or_else(|| panic!("{name} is not in {page}")).trim().parse().unwrap()
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_flood_of_wrong_passwords_from_everywhere_keeps_nobody_out_who_was_in() {
    let served = Arc::new(Served::new().await);
    let alice = basic("alice", "wonderland");
    assert_eq!(served.get("192.0.2.1", Some(&alice)).await.0, 200);
    let floods = futures_util::stream::iter(0..3000_u32).map(|n| {
        let served = Arc::clone(&served);
        async move {
            let address = format!("10.{}.{}.1", n / 250, n % 250);
            served.get(&address, Some(&basic(&format!("user{n}"), "x"))).await.0
        }
    });
    let answered = Arc::new(AtomicU32::new(0));
    let (mut wrong, mut held) = (0, 0);
    let flood = async {
        let mut floods = floods.buffer_unordered(400);
        while let Some(status) = floods.next().await {
            match status {
                401 => wrong += 1,
                429 | 503 => held += 1,
                other => panic!("{other}"),
            }
        }
    };
    let others = async {
        loop {
            assert_eq!(served.get("192.0.2.1", Some(&alice)).await.0, 200);
            assert_eq!(served.get("198.51.100.7", Some(&alice)).await.0, 200);
            answered.fetch_add(2, Ordering::Relaxed);
        }
    };
    tokio::select! { () = flood => {}, () = others => {} }
    assert_eq!(wrong + held, 3000);
    // Most of it was refused without a hash, and meanwhile others went on.
    assert!(held > 0, "{wrong} of 3000 were hashed");
    assert!(answered.load(Ordering::Relaxed) > 100, "{answered:?}");
    assert_eq!(served.metric("davmux_auth_failures_total{cause=\"wrong_password\"}").await, wrong);
    assert!(served.metric("davmux_password_hashes_total").await >= wrong);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_shares_an_address_with_a_guesser_goes_on_and_who_guesses_is_told_when_to_come_back() {
    let served = Served::new().await;
    let (household, alice, bob) = ("203.0.113.5", basic("alice", "wonderland"), basic("bob", "builder"));
    assert_eq!(served.get(household, Some(&alice)).await.0, 200);
    for name in ["alice", "bob", "carol"] {
        served.lock(household, name).await;
    }
    let (status, wait) = served.get(household, Some(&basic("carol", "another"))).await;
    assert!(status == 429 && wait.is_some_and(|wait| (1..=60).contains(&wait)), "{status} {wait:?}");
    // Alice was in before; Bob comes from elsewhere, where nobody guesses at anything.
    assert_eq!(served.get(household, Some(&alice)).await.0, 200);
    assert_eq!(served.get("198.51.100.1", Some(&alice)).await.0, 200);
    // Nobody is banned who only asks without a password.
    assert_eq!(served.get(household, None).await.0, 401);
    drop(bob);
    let log = served.davmux.log();
    let lines: Vec<&str> = log.lines().filter(|line| line.contains("a login failed")).collect();
    assert!(lines.iter().all(|line| line.contains(household)), "{lines:?}");
    let told = served.metric("davmux_auth_failures_total{cause=\"wrong_password\"}").await;
    assert_eq!(lines.len() as u64, told);
    for secret in ["wonderland", "builder", "another", &alice] {
        assert!(!log.contains(secret));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_drive_with_an_old_password_and_requests_without_one_lock_nobody_out() {
    let served = Served::new().await;
    let old = basic("alice", "the old one");
    for _ in 0..200 {
        assert_eq!(served.get("203.0.113.5", Some(&old)).await, (401, None));
        assert_eq!(served.get("203.0.113.5", None).await, (401, None));
    }
    assert_eq!(served.metric("davmux_password_hashes_total").await, 1);
    assert_eq!(served.metric("davmux_auth_failures_total{cause=\"repeated\"}").await, 199);
    assert_eq!(served.get("203.0.113.5", Some(&basic("alice", "wonderland"))).await.0, 200);
}

#[tokio::test]
async fn a_token_from_the_command_line_lets_a_script_in() {
    let said = hash_password(&["--token"], "");
    let token = said[0].strip_prefix("token: ").unwrap();
    let hash = said[1].strip_prefix("hash: ").unwrap();
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("file"), "content").unwrap();
    let davmux = Davmux::serve_file(&format!(
        "version: 1\nserver: {{anonymous: none}}\nusers:\n  - name: alice\n    tokens:\n      - {{name: live, hash: \"{hash}\"}}\n      \
         - {{name: over, hash: \"sha256:{}\", expires: 2020-01-01}}\nmounts:\n{}",
        "00".repeat(32),
        local("/l", folder.path())
    ))
    .await;
    for authorization in [format!("Bearer {token}"), basic("alice", token)] {
        let answer = davmux.send("GET", "/l/file", &[("Authorization", &authorization)], "").await;
        assert_eq!(answer.text(), "content");
    }
    let (_, log) = davmux.terminate().await;
    assert!(log.contains("live") && !log.contains(token), "{log}");
}

#[tokio::test]
async fn a_write_by_one_who_is_not_logged_in_asks_for_a_login_where_there_are_users() {
    let folder = tempfile::tempdir().unwrap();
    let users = "users: [{name: alice, password: secret}]\n";
    for (users, expected) in [(users, 401), ("", 403)] {
        let file =
            format!("version: 1\nserver: {{anonymous: read-only}}\n{users}mounts:\n{}", local("/l", folder.path()));
        let davmux = Davmux::serve_file(&file).await;
        assert_eq!(davmux.propfind("/l/", "1").await.status.as_u16(), 207);
        for (method, path) in [("PUT", "/l/a"), ("MKCOL", "/l/b"), ("DELETE", "/l/c"), ("LOCK", "/l/d")] {
            let answer = davmux.send(method, path, &[], "").await;
            assert_eq!(answer.status.as_u16(), expected, "{method}");
            assert_eq!(answer.header("www-authenticate").starts_with("Basic "), expected == 401);
        }
        if expected == 401 {
            let alice = basic("alice", "secret");
            let put = davmux.send("PUT", "/l/a", &[("Authorization", &alice)], "x").await;
            assert_eq!(put.status.as_u16(), 201);
        }
    }
}
