//! Starting, stopping, wrong files, users and the log.

use http::StatusCode;

use crate::support::{Davmux, binary, bucket, local, s3};

fn run(args: &[&str]) -> (Option<i32>, String, String) {
    let output = binary().args(args).output().unwrap();
    (output.status.code(), String::from_utf8(output.stdout).unwrap(), String::from_utf8(output.stderr).unwrap())
}

#[test]
fn a_wrong_file_is_told_with_every_mistake_its_line_and_the_nearest_key() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("mounts.yaml");
    std::fs::write(
        &path,
        "version: 1\nmounts:\n  - path: /a\n    driver: s3\n    bukket: films\n  - path: a\n    driver: local\n",
    )
    .unwrap();
    for command in ["check", "serve"] {
        let (code, _, stderr) = run(&[command, path.to_str().unwrap()]);
        assert_eq!(code, Some(1), "{stderr}");
        assert!(stderr.contains(":5:5") && stderr.contains("bucket"), "{stderr}");
        assert!(stderr.contains("root_folder_path"), "all mistakes at once: {stderr}");
    }
}

#[test]
fn the_example_is_a_good_file_and_wrong_usage_is_status_2() {
    let example = concat!(env!("CARGO_MANIFEST_DIR"), "/../../mounts.example.yaml");
    let dir = tempfile::tempdir().unwrap();
    // Its variables are set as a user would.
    let output = binary()
        .args(["check", example])
        .envs([("S3_KEY", "key"), ("S3_SECRET", "secret"), ("UPYUN_PASSWORD", "password")])
        .current_dir(dir.path())
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(0), "{}", String::from_utf8_lossy(&output.stderr));
    assert_eq!(run(&["serv"]).0, Some(2));
    assert_eq!(run(&["serve", "--nonsense"]).0, Some(2));
    assert_eq!(run(&["check", "/nonexistent/mounts.yaml"]).0, Some(1));
}

#[tokio::test]
async fn a_port_in_use_is_an_error_that_names_it() {
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let addr = taken.local_addr().unwrap().to_string();
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("mounts.yaml");
    std::fs::write(&path, format!("version: 1\nserver:\n  anonymous: read-only\nmounts:\n{}", local("/l", dir.path())))
        .unwrap();
    let (code, _, stderr) = run(&["serve", path.to_str().unwrap(), "--listen", &addr]);
    assert_eq!(code, Some(1));
    assert!(stderr.contains(&addr), "{stderr}");
}

#[test]
fn anonymous_writing_without_users_is_refused_beyond_loopback() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("mounts.yaml");
    let file = format!("version: 1\nserver:\n  anonymous: read-write\nmounts:\n{}", local("/l", dir.path()));
    std::fs::write(&path, file).unwrap();
    let (code, _, stderr) = run(&["serve", path.to_str().unwrap(), "--listen", "0.0.0.0:0"]);
    assert_eq!(code, Some(1));
    assert!(stderr.contains("anonymous"), "{stderr}");
}

#[tokio::test]
async fn users_see_their_root_and_do_what_they_may() {
    let dir = tempfile::tempdir().unwrap();
    std::fs::create_dir(dir.path().join("hers")).unwrap();
    std::fs::write(dir.path().join("hers/file"), "x").unwrap();
    let (code, hash) = {
        let mut child = binary().arg("hash-password").stdin(std::process::Stdio::piped()).spawn().unwrap();
        std::io::Write::write_all(&mut child.stdin.take().unwrap(), b"correct horse\n").unwrap();
        let output = child.wait_with_output().unwrap();
        (output.status.code(), String::from_utf8(output.stdout).unwrap())
    };
    assert_eq!(code, Some(0));
    assert!(hash.starts_with("$argon2id$"), "{hash}");
    let file = format!(
        "version: 1\nusers:\n  - name: alice\n    password_hash: \"{}\"\n    root: /l/hers\n    access: read-only\n  \
         - name: bob\n    password: bobs secret\n    access: read-write\nmounts:\n{}",
        hash.trim(),
        local("/l", dir.path())
    );
    let davmux = Davmux::serve_file(&file).await;
    let basic = |user: &str, password: &str| {
        use base64::Engine;
        format!("Basic {}", base64::engine::general_purpose::STANDARD.encode(format!("{user}:{password}")))
    };
    assert_eq!(davmux.propfind("/", "1").await.status, StatusCode::UNAUTHORIZED);
    assert_eq!(davmux.send("OPTIONS", "/", &[], "").await.status, StatusCode::OK);
    let alice = basic("alice", "correct horse");
    let alice = [("Authorization", alice.as_str()), ("Depth", "1")];
    let listed = davmux.send("PROPFIND", "/", &alice, "").await;
    assert_eq!(listed.hrefs(), ["/", "/file"]);
    assert_eq!(davmux.send("PUT", "/new", &alice, "x").await.status, StatusCode::FORBIDDEN);
    let wrong = basic("alice", "battery staple");
    let refused = davmux.send("GET", "/file", &[("Authorization", &wrong)], "").await;
    assert_eq!(refused.status, StatusCode::UNAUTHORIZED);
    assert!(refused.header("www-authenticate").starts_with("Basic realm="));
    let bob = basic("bob", "bobs secret");
    assert_eq!(davmux.send("PUT", "/l/hers/new", &[("Authorization", &bob)], "x").await.status, StatusCode::CREATED);
    let (code, log) = davmux.terminate().await;
    assert_eq!(code, Some(0));
    for secret in ["correct horse", "bobs secret", "battery staple", "Basic "] {
        assert!(!log.contains(secret), "{secret} is in the log:\n{log}");
    }
}

#[tokio::test]
async fn each_request_is_one_line_with_the_decision_and_the_calls() {
    let s3 = s3().await;
    let davmux = Davmux::serve(&bucket("/b", &s3, &[])).await;
    davmux.logged("the mount is ready").await;
    davmux.put("/b/large", vec![1; 300 * 1024]).await;
    davmux.send("GET", "/b/large", &[("User-Agent", "Kodi/21.0")], "").await;
    davmux.get("/b/large?secret=1").await;
    let (_, log) = davmux.terminate().await;
    let lines: Vec<_> = log.lines().filter(|line| line.contains("/b/large") && line.contains("access")).collect();
    assert_eq!(lines.len(), 3, "{log}");
    assert!(lines[0].contains("PUT") && lines[0].contains("201"), "{}", lines[0]);
    assert!(lines[1].contains("redirect") && lines[1].contains("client") && lines[1].contains("302"), "{}", lines[1]);
    assert!(lines[2].contains("relay") && lines[2].contains("unknown-client"), "{}", lines[2]);
    assert!(lines[2].contains("\"s3_calls\":1") || lines[2].contains("s3_calls=1"), "{}", lines[2]);
    for secret in [s3.secret_key(), "X-Amz-Signature", "secret=1"] {
        assert!(!log.contains(secret), "{log}");
    }
}

#[tokio::test]
async fn sigterm_lets_a_request_in_flight_end() {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    let dir = tempfile::tempdir().unwrap();
    let davmux = Davmux::serve(&local("/l", dir.path())).await;
    let mut socket = tokio::net::TcpStream::connect(&davmux.addr).await.unwrap();
    let head = "PUT /l/slow HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nContent-Length: 10\r\n\r\n";
    socket.write_all(head.as_bytes()).await.unwrap();
    let mut go_on = [0; 25];
    socket.read_exact(&mut go_on).await.unwrap();
    assert!(go_on.starts_with(b"HTTP/1.1 100"));
    let id = davmux.id().to_string();
    assert!(std::process::Command::new("kill").arg(&id).status().unwrap().success());
    davmux.logged("stopping").await;
    socket.write_all(b"0123456789").await.unwrap();
    let mut answer = String::new();
    let _ = socket.read_to_string(&mut answer).await;
    assert!(answer.starts_with("HTTP/1.1 201"), "{answer}");
    assert_eq!(std::fs::read(dir.path().join("slow")).unwrap(), b"0123456789");
}

#[tokio::test]
async fn the_demo_needs_nothing_and_keeps_its_folder() {
    let dir = std::sync::Arc::new(tempfile::tempdir().unwrap());
    let start = || async {
        let mut command = binary();
        command.args(["demo", "--listen", "127.0.0.1:0", "--dir"]).arg(dir.path().join("demo"));
        Davmux::spawn(command, std::sync::Arc::clone(&dir)).await
    };
    let davmux = start().await;
    assert_eq!(davmux.propfind("/", "1").await.hrefs(), ["/", "/archive/", "/documents/", "/films/"]);
    assert!(davmux.get("/documents/welcome.txt").await.text().contains("davmux"));
    let film = davmux.send("GET", "/films/film-score.wav", &[("User-Agent", "Kodi/21.0")], "").await;
    assert_eq!(film.status, StatusCode::FOUND);
    assert_eq!(davmux.send("MKCOL", "/archive/mine", &[], "").await.status, StatusCode::CREATED);
    assert_eq!(davmux.send("DELETE", "/documents/picture.png", &[], "").await.status, StatusCode::NO_CONTENT);
    let (code, _) = davmux.terminate().await;
    assert_eq!(code, Some(0));
    let again = start().await;
    assert_eq!(again.propfind("/archive/mine/", "0").await.status, StatusCode::MULTI_STATUS);
    assert_eq!(again.get("/documents/picture.png").await.status, StatusCode::NOT_FOUND, "what was deleted stays so");
}
