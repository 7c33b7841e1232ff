//! The download proxy: a real davmux, a real `davmux proxy` and an S3 server.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use davmux_proxy::SignKeys;
use davmux_s3_server::{Fault, Running};
use davmux_server::Secret;
use http::StatusCode;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

use crate::support::{Answer, Davmux, binary, bucket, local, s3};

pub const TOKEN: &str = "token-0123456789abcdef0123456789abcdef";
const NEXT: &str = "next-0123456789abcdef0123456789abcdef0";
const KEY: &str = "key-0123456789abcdef0123456789abcdef00";
/// Follows redirects, and carries no password along.
const PLAYER: (&str, &str) = ("User-Agent", "VLC/3.0.20");
/// Nobody listens there: what is asked of the proxy is asked at its own address.
pub const PROXY: &str = "http://127.0.0.1:1";

/// Larger than what is relayed to everybody.
pub fn film() -> Vec<u8> {
    (0..300 * 1024_u32).map(|n| (n % 251) as u8).collect()
}

fn file(secrets: &str, mounts: &str) -> String {
    format!("version: 1\nserver:\n  anonymous: read-write\n{secrets}mounts:\n{mounts}")
}

pub async fn davmux(s3: &Running) -> Davmux {
    let mount = bucket("/b", s3, &["read: proxy_url", &format!("proxy_url: {PROXY}/")]);
    Davmux::serve_file(&file(&format!("  proxy_token: {TOKEN}\n"), &mount)).await
}

/// A worker for a server at an address, with these files' contents.
pub async fn worker(server: &str, tokens: &[&str], keys: &[&str]) -> Davmux {
    let dir = Arc::new(tempfile::tempdir().unwrap());
    let mut command = binary();
    command.args(["proxy", "--listen", "127.0.0.1:0", "--log", "trace", "--server", &format!("http://{server}")]);
    for (flag, secrets) in [("--token-file", tokens), ("--sign-key-file", keys)] {
        for (n, secret) in secrets.iter().enumerate() {
            let path = dir.path().join(format!("{flag}{n}"));
            std::fs::write(&path, format!("{secret}\n")).unwrap();
            command.arg(flag).arg(path);
        }
    }
    Davmux::spawn(command, dir).await
}

fn escaped(path: &str) -> String {
    let escape = |byte: u8| match byte {
        b'/' | b'.' | b'-' | b'0'..=b'9' | b'a'..=b'z' | b'A'..=b'Z' => char::from(byte).to_string(),
        _ => format!("%{byte:02X}"),
    };
    path.bytes().map(escape).collect()
}

fn signed(key: &str, path: &str, life: i64) -> String {
    let life = Duration::from_secs(life.unsigned_abs());
    let keys = SignKeys::new(&[Secret::new(key)]).unwrap();
    keys.sign(path, SystemTime::now() + life)
}

fn link(path: &str) -> String {
    format!("{}?sign={}", escaped(path), signed(TOKEN, path, 3600))
}

/// The path and the query of where a client is sent.
async fn sent(davmux: &Davmux, path: &str) -> String {
    let answer = davmux.send("GET", path, &[PLAYER], "").await;
    assert_eq!(answer.status, StatusCode::FOUND, "{path}: {}", davmux.log());
    assert_eq!((answer.header("cache-control"), answer.header("referrer-policy")), ("no-store", "no-referrer"));
    answer.header("location").strip_prefix(PROXY).unwrap().to_owned()
}

fn body(answer: &Answer) -> &[u8] {
    answer.body.as_ref().expect("the body is whole")
}

async fn ask(davmux: &Davmux, path: &str, token: &str, body: impl Into<bytes::Bytes>) -> (StatusCode, Value) {
    let answer = davmux.send("POST", path, &[("Authorization", token)], body).await;
    assert_eq!(answer.header("cache-control"), "no-store");
    (answer.status, serde_json::from_slice(answer.body.as_ref().unwrap()).unwrap())
}

#[tokio::test]
async fn a_client_is_sent_to_the_proxy_which_gives_out_the_file_of_any_name() {
    let s3 = s3().await;
    let davmux = davmux(&s3).await;
    let proxy = worker(&davmux.addr, &[TOKEN], &[]).await;
    for name in
        ["a b", "50%", "50%25", "%2e%2e", "#1?x=y", "a+b&c;d=e:@", "ü \u{6620}\u{753b}", "'(1)*~\"", "back\\slash"]
    {
        let path = format!("/b/{name}.bin");
        assert_eq!(davmux.put(&escaped(&path), film()).await, StatusCode::CREATED, "{name}");
        let there = sent(&davmux, &escaped(&path)).await;
        let answer = proxy.get(&there).await;
        assert_eq!(answer.status, StatusCode::OK, "{name}: {}", proxy.log());
        assert_eq!(body(&answer), film(), "{name}");
        assert_eq!(answer.header("access-control-allow-origin"), "*");
        assert_eq!(answer.header("x-amz-request-id"), "");
    }
    // The link of the store is kept: the server need not be asked for the next part.
    let there = sent(&davmux, "/b/50%25.bin").await;
    assert_eq!(proxy.get(&there).await.status, StatusCode::OK);
    davmux.kill();
    let part = proxy.send("GET", &there, &[("Range", "bytes=1-3")], "").await;
    assert_eq!((part.status, body(&part)), (StatusCode::PARTIAL_CONTENT, &film()[1..4]));
}

#[tokio::test]
async fn nothing_but_a_valid_signature_of_the_path_opens_it() {
    let s3 = s3().await;
    let davmux = davmux(&s3).await;
    let proxy = worker(&davmux.addr, &[TOKEN], &[]).await;
    davmux.put("/b/f", film()).await;
    davmux.put("/b/g", film()).await;
    let good = signed(TOKEN, "/b/f", 3600);
    let (mac, end) = good.split_once(':').unwrap();
    let later = end.parse::<u64>().unwrap() + 1;
    s3.recorder().reset();
    for (why, asked) in [
        ("none", "/b/f".to_owned()),
        ("empty", "/b/f?sign=".to_owned()),
        ("another path", format!("/b/g?sign={good}")),
        ("a folder above", format!("/b?sign={good}")),
        ("dots", format!("/b/../b/f?sign={good}")),
        ("escaped dots", format!("/b/%2e%2e/b/f?sign={good}")),
        ("escaped twice", format!("/b/%2566?sign={good}")),
        ("two slashes", format!("/b//f?sign={good}")),
        ("a slash behind", format!("/b/f/?sign={good}")),
        ("later", format!("/b/f?sign={mac}:{later}")),
        ("for ever", format!("/b/f?sign={mac}:0")),
        ("no end", format!("/b/f?sign={mac}")),
        ("another key", format!("/b/f?sign={}", signed(NEXT, "/b/f", 3600))),
        ("the key of links", format!("/b/f?sign={}", signed(KEY, "/b/f", 3600))),
    ] {
        let answer = proxy.get(&asked).await;
        assert_eq!(answer.status, StatusCode::FORBIDDEN, "{why}: {}", answer.text());
        assert!(answer.text().contains("the link"), "{why}: {}", answer.text());
    }
    let over = SignKeys::new(&[Secret::new(TOKEN)]).unwrap().sign("/b/f", SystemTime::now() - Duration::from_secs(5));
    assert!(proxy.get(&format!("/b/f?sign={over}")).await.text().contains("expired"));
    assert_eq!(s3.recorder().total(), 0, "nothing was fetched");
    // A right signature of what is no file.
    for path in ["/b/none", "/b", "/", "/b/f/below", "/elsewhere"] {
        assert_eq!(proxy.get(&link(path)).await.status, StatusCode::NOT_FOUND, "{path}");
    }
    for method in ["PUT", "DELETE", "POST", "PROPFIND"] {
        assert_eq!(proxy.send(method, &link("/b/f"), &[], "").await.status, StatusCode::METHOD_NOT_ALLOWED, "{method}");
    }
    // An escaped signature is the same, and a password of the client's plays no part.
    let escaped = format!("/%62/f?sign={}", good.replace('=', "%3D").replace(':', "%3A"));
    let known = proxy.send("GET", &escaped, &[("Authorization", "Basic eDp5")], "").await;
    assert_eq!((known.status, body(&known)), (StatusCode::OK, &film()[..]));
}

#[tokio::test]
async fn keys_are_changed_without_a_dead_link() {
    let s3 = s3().await;
    let mount = bucket("/b", &s3, &["read: proxy_url", &format!("proxy_url: {PROXY}")]);
    let both = Davmux::serve_file(&file(&format!("  proxy_token: [{NEXT}, {TOKEN}]\n"), &mount)).await;
    both.put("/b/f", film()).await;
    let new = sent(&both, "/b/f").await;
    let old = link("/b/f");
    for (tokens, opens_old, opens_new) in [
        (&[TOKEN][..], true, false),
        (&[TOKEN, NEXT], true, true),
        (&[NEXT, TOKEN], true, true),
        (&[NEXT], false, true),
    ] {
        let proxy = worker(&both.addr, tokens, &[]).await;
        for (link, opens) in [(&old, opens_old), (&new, opens_new)] {
            let expected = if opens { StatusCode::OK } else { StatusCode::FORBIDDEN };
            assert_eq!(proxy.get(link).await.status, expected, "{tokens:?}");
        }
    }
    let apart = format!("  proxy_token: {TOKEN}\n  proxy_sign_key: {KEY}\n");
    let apart = Davmux::serve_file(&file(&apart, &mount)).await;
    let link = sent(&apart, "/b/f").await;
    let proxy = worker(&apart.addr, &[TOKEN], &[KEY]).await;
    assert_eq!(proxy.get(&link).await.status, StatusCode::OK);
    assert_eq!(proxy.get(&old).await.status, StatusCode::FORBIDDEN, "the token signs nothing then");
}

#[tokio::test]
async fn ranges_and_conditions_are_those_of_a_file_that_is_here() {
    let s3 = s3().await;
    let davmux = davmux(&s3).await;
    let proxy = worker(&davmux.addr, &[TOKEN], &[]).await;
    davmux.put("/b/f", film()).await;
    davmux.put("/b/empty", "").await;
    let whole = davmux.send("HEAD", "/b/f", &[], "").await;
    let (tag, date) = (whole.header("etag"), whole.header("last-modified"));
    let past = "Sat, 01 Jan 2000 00:00:00 GMT";
    for headers in [
        &[][..],
        &[("Range", "bytes=0-9")],
        &[("Range", "bytes=307199-")],
        &[("Range", "bytes=-5")],
        &[("Range", "bytes=5-1")],
        &[("Range", "bytes=307200-")],
        &[("Range", "bytes=0-9"), ("If-Range", tag)],
        &[("Range", "bytes=0-9"), ("If-Range", "\"other\"")],
        &[("Range", "bytes=0-9"), ("If-Range", date)],
        &[("Range", "bytes=0-9"), ("If-Range", past)],
        &[("If-None-Match", tag)],
        &[("If-None-Match", "\"other\"")],
        &[("If-Match", tag)],
        &[("If-Match", "\"other\"")],
        &[("If-Modified-Since", date)],
        &[("If-Unmodified-Since", past)],
    ] {
        let (here, there) = (
            davmux.send("GET", "/b/f?redirect=0", headers, "").await,
            proxy.send("GET", &link("/b/f"), headers, "").await,
        );
        assert_eq!(there.status, here.status, "{headers:?}");
        if here.status.is_success() {
            assert_eq!(body(&there), body(&here), "{headers:?}");
            for name in ["content-length", "content-range", "etag", "last-modified", "accept-ranges"] {
                assert_eq!(there.header(name), here.header(name), "{name} for {headers:?}");
            }
        }
    }
    for (file, length) in [("/b/f", "307200"), ("/b/empty", "0")] {
        let head = proxy.send("HEAD", &link(file), &[("Range", "bytes=3-4")], "").await;
        assert_eq!((head.status, head.header("content-length")), (StatusCode::OK, length), "{file}");
        assert_eq!(head.header("content-range"), "", "{file}");
    }
    assert_eq!(proxy.send("HEAD", &link("/b/f"), &[("If-None-Match", tag)], "").await.status, StatusCode::NOT_MODIFIED);
    assert_eq!(proxy.send("HEAD", &link("/b/none"), &[], "").await.status, StatusCode::NOT_FOUND);
    let preflight = [("Origin", "https://page.example"), ("Access-Control-Request-Headers", "range")];
    let allowed = proxy.send("OPTIONS", &link("/b/f"), &preflight, "").await;
    assert_eq!(allowed.status, StatusCode::NO_CONTENT);
    assert_eq!(allowed.header("access-control-allow-origin"), "*");
    assert_eq!(allowed.header("access-control-allow-headers"), "range");
}

#[tokio::test]
async fn a_lost_connection_is_read_on_after_and_a_dead_link_is_asked_for_once_more() {
    let s3 = s3().await;
    let davmux = davmux(&s3).await;
    let proxy = worker(&davmux.addr, &[TOKEN], &[]).await;
    davmux.put("/b/f", film()).await;
    s3.faults().nth("GetObject", 1, Fault::CutBody(100_000));
    s3.faults().nth("GetObject", 2, Fault::Close);
    s3.faults().nth("GetObject", 3, Fault::CutBody(50_000));
    assert_eq!(body(&proxy.get(&link("/b/f")).await), film());
    // Refused with a link that was kept: the next one is fresh, and is refused for good.
    s3.recorder().reset();
    s3.faults().nth("GetObject", 1, Fault::AccessDenied);
    assert_eq!(body(&proxy.get(&link("/b/f")).await), film());
    assert_eq!(s3.recorder().count("GetObject"), 2);
    s3.faults().every("GetObject", Fault::AccessDenied);
    assert_eq!(proxy.get(&link("/b/f")).await.status, StatusCode::BAD_GATEWAY);
    s3.faults().clear();
    // What never comes is an error and not a short file.
    s3.faults().every("GetObject", Fault::CutBody(0));
    let whole = format!("content-length: {}\r\n", film().len());
    let cut = fetched_raw(&proxy, &link("/b/f")).await;
    assert!(!cut.contains(&whole) || cut.len() < film().len(), "{cut}");
    s3.faults().clear();
    s3.faults().every("GetObject", Fault::SlowDown);
    assert_eq!(proxy.get(&link("/b/f")).await.status, StatusCode::SERVICE_UNAVAILABLE);
}

#[tokio::test]
async fn links_are_told_to_who_has_the_token_and_the_token_opens_nothing_else() {
    let s3 = s3().await;
    let dir = Arc::new(tempfile::tempdir().unwrap());
    let mut mounts = bucket("/b", &s3, &["read: proxy_url", &format!("proxy_url: {PROXY}")]);
    mounts += &bucket("/plain", &s3, &[]);
    mounts += &local("/api/fs", &dir.path().join("files"));
    std::fs::create_dir(dir.path().join("files")).unwrap();
    let users = "users:\n  - { name: a, password: b }\n";
    let davmux = Davmux::serve_in(
        Arc::clone(&dir),
        &format!("version: 1\nserver: {{ proxy_token: {TOKEN} }}\n{users}mounts:\n{mounts}"),
    )
    .await;
    let user = ("Authorization", "Basic YTpi");
    assert_eq!(davmux.send("PUT", "/b/f", &[user], film()).await.status, StatusCode::CREATED);
    let asked = |path: &str| json!({ "path": path }).to_string();
    let (status, told) = ask(&davmux, "/api/fs/link", TOKEN, asked("/b/f")).await;
    assert_eq!((status, &told["code"], &told["message"]), (StatusCode::OK, &json!(200), &json!("success")));
    let url = told["data"]["url"].as_str().unwrap();
    assert!(url.starts_with(&s3.endpoint()) && url.contains("X-Amz-Signature"), "the endpoint, signed");
    assert_eq!(told["data"]["header"], json!({}));
    for (path, code) in [("/b/none", 404), ("/b", 404), ("/", 404), ("/b/../b/f", 404), ("b/f", 404), ("/plain/f", 403)]
    {
        let (status, told) = ask(&davmux, "/api/fs/link", TOKEN, asked(path)).await;
        assert_eq!((status, &told["code"], &told["data"]), (StatusCode::OK, &json!(code), &Value::Null), "{path}");
    }
    for body in ["", "{}", "path=/b/f", "[]"] {
        assert_eq!(ask(&davmux, "/api/fs/link", TOKEN, body).await.1["code"], 400, "{body}");
    }
    assert_eq!(ask(&davmux, "/api/fs/link", TOKEN, vec![b' '; 100_000]).await.1["code"], 400);
    for wrong in ["", "x", NEXT, &TOKEN[1..], &format!("Bearer {TOKEN}"), "Basic YTpi"] {
        assert_eq!(ask(&davmux, "/api/fs/link", wrong, asked("/b/f")).await.1["code"], 401, "{wrong}");
    }
    let bearer = format!("Bearer {TOKEN}");
    for token in [TOKEN, &bearer] {
        for (method, path) in
            [("GET", "/b/f"), ("PROPFIND", "/"), ("PUT", "/b/f"), ("POST", "/b/f"), ("GET", "/api/fs/link")]
        {
            let answer = davmux.send(method, path, &[("Authorization", token)], "").await;
            assert_eq!(answer.status, StatusCode::UNAUTHORIZED, "{method} {path}");
        }
    }
    // A file of that name is a file.
    assert_eq!(davmux.send("PUT", "/api/fs/link", &[user], "mine").await.status, StatusCode::CREATED);
    assert_eq!(davmux.send("GET", "/api/fs/link", &[user], "").await.text(), "mine");
    assert_eq!(davmux.send("PROPFIND", "/api/fs/link", &[user], "").await.status, StatusCode::MULTI_STATUS);
    assert_eq!(davmux.send("POST", "/api/fs", &[user], "").await.status, StatusCode::METHOD_NOT_ALLOWED);
    assert_eq!(davmux.send("DELETE", "/api/fs/link", &[user], "").await.status, StatusCode::NO_CONTENT);
    // Without a token nobody is told anything.
    let without = Davmux::serve(&bucket("/b", &s3, &[])).await;
    for headers in [&[][..], &[("Authorization", TOKEN)]] {
        let answer = without.send("POST", "/api/fs/link", headers, asked("/b/f")).await;
        assert_eq!(answer.status, StatusCode::METHOD_NOT_ALLOWED);
    }
}

#[tokio::test]
async fn no_log_holds_a_token_or_a_signature() {
    let s3 = s3().await;
    let mount = bucket("/b", &s3, &["read: proxy_url", &format!("proxy_url: {PROXY}")]);
    let dir = Arc::new(tempfile::tempdir().unwrap());
    let path = dir.path().join("mounts.yaml");
    let secrets = format!("  base_path: /dav\n  proxy_token: {TOKEN}\n  proxy_sign_key: {KEY}\n");
    std::fs::write(&path, file(&secrets, &mount)).unwrap();
    let mut command = binary();
    command.arg("serve").arg(&path).args(["--listen", "127.0.0.1:0", "--log", "trace"]);
    let davmux = Davmux::spawn(command, dir).await;
    let proxy = worker(&format!("{}/dav/", davmux.addr), &[TOKEN], &[KEY]).await;
    davmux.put("/dav/b/f", film()).await;
    let there = sent(&davmux, "/dav/b/f").await;
    assert!(there.starts_with("/b/f?sign="), "the path of the tree, wherever it begins in URLs");
    s3.faults().nth("GetObject", 1, Fault::Close);
    assert_eq!(proxy.get(&there).await.status, StatusCode::OK);
    s3.faults().every("GetObject", Fault::AccessDenied);
    proxy.get(&there).await;
    let wrong = there.replace("sign=", "sign=A");
    proxy.get(&wrong).await;
    ask(&davmux, "/dav/api/fs/link", &TOKEN[1..], "{}").await;
    let sign = there.split_once("sign=").unwrap().1.split(':').next().unwrap();
    davmux.logged("wrong-token").await;
    let (_, theirs) = proxy.terminate().await;
    assert!(theirs.contains("malformed") || theirs.contains("\"wrong\""), "the lines are there: {theirs}");
    for log in [davmux.log(), theirs] {
        for secret in [TOKEN, &TOKEN[1..], KEY, sign, "X-Amz-Signature="] {
            assert!(!log.contains(secret), "{secret} in {log}");
        }
    }
}

/// All that comes until the connection ends.
async fn fetched_raw(proxy: &Davmux, path: &str) -> String {
    let request = format!("GET {path} HTTP/1.1\r\nHost: {}\r\nConnection: close\r\n\r\n", proxy.addr);
    String::from_utf8_lossy(&proxy.raw(request.as_bytes()).await).into_owned()
}

/// A server that answers each path with these bytes, and ends the connection.
async fn canned(answer: impl Fn(&str) -> Vec<u8> + Send + Sync + 'static) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let addr = listener.local_addr().unwrap().to_string();
    let answer = Arc::new(answer);
    tokio::spawn(async move {
        while let Ok((mut socket, _)) = listener.accept().await {
            let answer = Arc::clone(&answer);
            tokio::spawn(async move {
                let mut head = Vec::new();
                while !head.windows(4).any(|end| end == b"\r\n\r\n") {
                    if socket.read_buf(&mut head).await.unwrap_or(0) == 0 {
                        return;
                    }
                }
                let head = String::from_utf8_lossy(&head).into_owned();
                let _ = socket.write_all(&answer(&head)).await;
                let _ = socket.shutdown().await;
                // What was sent is lost with what was not read.
                let _ = socket.read_to_end(&mut Vec::new()).await;
            });
        }
    });
    addr
}

fn answered(body: &str) -> Vec<u8> {
    format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{body}", body.len()).into_bytes()
}

#[tokio::test]
async fn a_hostile_answer_leads_nowhere_and_takes_no_memory() {
    let storage = canned(|head| {
        let path = head.split(' ').nth(1).unwrap_or_default();
        match path {
            "/loop" => b"HTTP/1.1 302 Found\r\nLocation: /loop\r\nContent-Length: 0\r\n\r\n".to_vec(),
            "/file" => b"HTTP/1.1 302 Found\r\nLocation: file:///etc/passwd\r\nContent-Length: 0\r\n\r\n".to_vec(),
            "/password" => {
                b"HTTP/1.1 302 Found\r\nLocation: http://u:p@127.0.0.1/\r\nContent-Length: 0\r\n\r\n".to_vec()
            }
            "/short" => b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\nETag: \"a\"\r\n\r\nabc".to_vec(),
            "/page" => b"HTTP/1.1 201 Created\r\nContent-Length: 3\r\n\r\nabc".to_vec(),
            "/cookie" => b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\nSet-Cookie: a=b\r\nLocation: /x\r\n\r\na".to_vec(),
            "/moved" => b"HTTP/1.1 302 Found\r\nLocation: /cookie\r\nContent-Length: 0\r\n\r\n".to_vec(),
            other => panic!("{other} was asked for"),
        }
    })
    .await;
    let there = storage.clone();
    let server = canned(move |head| {
        // The path stands in the body, so the cases go by the token.
        let case = head.lines().find_map(|line| line.strip_prefix("authorization: case-")).unwrap_or_default();
        let case = case.trim_start_matches('0');
        match case {
            "huge" => answered(&" ".repeat(1 << 20)),
            "endless" => b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nffffff\r\n".to_vec(),
            "html" => answered("<html>"),
            "status" => b"HTTP/1.1 405 Method Not Allowed\r\nContent-Length: 0\r\n\r\n".to_vec(),
            "scheme" => answered(r#"{"code":200,"data":{"url":"file:///etc/passwd"}}"#),
            "redirect" => b"HTTP/1.1 302 Found\r\nLocation: http://127.0.0.1:1/\r\nContent-Length: 0\r\n\r\n".to_vec(),
            path => answered(&format!(r#"{{"code":200,"data":{{"url":"http://{there}/{path}"}}}}"#)),
        }
    })
    .await;
    for case in [
        "huge", "endless", "html", "status", "scheme", "redirect", "loop", "file", "password", "short", "page",
        "cookie", "moved",
    ] {
        let token = format!("case-{case:0>40}");
        let proxy = worker(&server, &[&token], &[]).await;
        let there = format!("/f?sign={}", signed(&token, "/f", 3600));
        if case == "short" {
            let cut = fetched_raw(&proxy, &there).await;
            let body = cut.split_once("\r\n\r\n").map_or("", |(_, body)| body);
            assert!(body.len() < 10 && !cut.contains("chunked"), "the client would take it for the whole: {cut}");
            continue;
        }
        let answer = proxy.get(&there).await;
        match case {
            "cookie" | "moved" => {
                assert_eq!((answer.status, answer.text().as_str()), (StatusCode::OK, "a"), "{case}");
                assert_eq!((answer.header("set-cookie"), answer.header("location")), ("", ""), "{case}");
            }
            _ => assert_eq!(answer.status, StatusCode::BAD_GATEWAY, "{case}: {}", proxy.log()),
        }
    }
}
