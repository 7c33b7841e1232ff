//! Promise 10: no secret in a log, an error or a metric. Everything that holds one is used, with the log at its loudest.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::net::SocketAddr;
use std::process::Output;
use std::sync::{Arc, Mutex};

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, STANDARD_NO_PAD, URL_SAFE, URL_SAFE_NO_PAD};
use bytes::Bytes;
use davmux_driver_testkit::standin::upyun::{self, UpYunServer};
use davmux_s3_server::{Key, Running, Server};
use http::StatusCode;
use tempfile::TempDir;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

use crate::support::{Answer, Davmux, binary};

/// The keys of the mounts file that hold a secret, by the section of the schema. Each has a twin `..._file`.
const HELD: &[(&str, &str)] = &[
    ("mount_s3", "access_key_id"),
    ("mount_s3", "customer_key"),
    ("mount_s3", "secret_access_key"),
    ("mount_s3", "session_token"),
    ("mount_upyun", "link_token"),
    ("mount_upyun", "password"),
    ("server", "proxy_sign_key"),
    ("server", "proxy_token"),
    ("tokens", "hash"),
    ("users", "password"),
    ("users", "password_hash"),
];

/// Drivers behind features, which the binary under test does not have.
const NOT_BUILT: &[&str] = &["mount_azblob", "mount_gcs", "mount_sftp", "mount_webdav"];

#[test]
fn each_key_that_holds_a_secret_is_used_here() {
    let text = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/mounts.schema.json")).unwrap();
    let schema: serde_json::Value = serde_json::from_str(&text).unwrap();
    let mut sections: Vec<(&str, &serde_json::Value)> = vec![("", &schema)];
    sections.extend(schema["$defs"].as_object().unwrap().iter().map(|(name, section)| (name.as_str(), section)));
    let mut found = BTreeSet::new();
    for (name, section) in sections {
        let Some(keys) = section["properties"].as_object().filter(|_| !NOT_BUILT.contains(&name)) else { continue };
        let with_file = keys.keys().filter(|key| keys.contains_key(&format!("{key}_file")));
        found.extend(with_file.map(|key| (name.to_owned(), key.clone())));
    }
    let held = HELD.iter().map(|(section, key)| ((*section).to_owned(), (*key).to_owned())).collect();
    assert_eq!(found, held, "a key that holds a secret came or went: use it in the runs of tests/secrets.rs");
}

/// What is passed on, so that what was sent is known: signatures are secrets too.
struct Tap {
    addr: SocketAddr,
    sent: Arc<Mutex<Vec<u8>>>,
}

impl Tap {
    async fn before(target: SocketAddr) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let (addr, sent) = (listener.local_addr().unwrap(), Arc::<Mutex<Vec<u8>>>::default());
        let seen = Arc::clone(&sent);
        tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                let (seen, server) = (Arc::clone(&seen), TcpStream::connect(target).await.unwrap());
                let ((mut from_client, mut to_client), (mut from_server, mut to_server)) =
                    (client.into_split(), server.into_split());
                tokio::spawn(async move { tokio::io::copy(&mut from_server, &mut to_client).await });
                tokio::spawn(async move {
                    let mut buffer = vec![0; 64 * 1024];
                    while let Ok(count @ 1..) = from_client.read(&mut buffer).await {
                        seen.lock().unwrap().extend_from_slice(&buffer[..count]);
                        if to_server.write_all(&buffer[..count]).await.is_err() {
                            break;
                        }
                    }
                });
            }
        });
        Self { addr, sent }
    }

    /// The signatures that went through.
    fn signatures(&self) -> BTreeSet<String> {
        signatures(&String::from_utf8_lossy(&self.sent.lock().unwrap()))
    }
}

/// What stands behind `Signature=` in a text.
fn signatures(text: &str) -> BTreeSet<String> {
    let found = text.split("Signature=").skip(1).filter_map(|rest| rest.get(..64));
    found.filter(|text| text.bytes().all(|byte| byte.is_ascii_hexdigit())).map(ToOwned::to_owned).collect()
}

/// A storage that answers each request with an error that says back everything it was sent, as S3 does with signatures
/// that do not match, and a redirect to a signed place where a path asks for one.
async fn echo() -> (SocketAddr, Arc<Mutex<Vec<u8>>>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let (addr, seen) = (listener.local_addr().unwrap(), Arc::<Mutex<Vec<u8>>>::default());
    let kept = Arc::clone(&seen);
    tokio::spawn(async move {
        while let Ok((mut socket, _)) = listener.accept().await {
            let kept = Arc::clone(&kept);
            tokio::spawn(async move {
                let mut head = Vec::new();
                let mut byte = [0; 4096];
                while !head.windows(4).any(|end| end == b"\r\n\r\n") {
                    match socket.read(&mut byte).await {
                        Ok(count @ 1..) => head.extend_from_slice(&byte[..count]),
                        _ => return,
                    }
                }
                kept.lock().unwrap().extend_from_slice(&head);
                let head = String::from_utf8_lossy(&head);
                let line = |name: &str| {
                    let found = head.lines().find_map(|line| line.strip_prefix(name));
                    found.unwrap_or_default().trim().to_owned()
                };
                let authorization = line("authorization:");
                let signature = authorization.rsplit('=').next().unwrap_or_default().to_owned();
                let key =
                    authorization.split("Credential=").nth(1).and_then(|rest| rest.split('/').next()).unwrap_or("");
                let answer = if head.contains("/moved") {
                    format!(
                        "HTTP/1.1 307 Temporary Redirect\r\nLocation: http://127.0.0.1:9/x?X-Amz-Signature={}\r\nContent-Length: \
                         0\r\nConnection: close\r\n\r\n",
                        LOCATION
                    )
                } else {
                    let body = format!(
                        "<Error><Code>SignatureDoesNotMatch</Code><Message>The request signature we calculated does not match \
                         the signature you provided.</Message><AWSAccessKeyId>{key}</AWSAccessKeyId><StringToSign>{}\
                         </StringToSign><SignatureProvided>{signature}</SignatureProvided><Token>{}</Token></Error>",
                        authorization.replace('&', "&amp;"),
                        line("x-amz-security-token:"),
                    );
                    format!(
                        "HTTP/1.1 403 Forbidden\r\nx-amz-request-id: 1\r\nx-echo: {authorization}\r\nContent-Type: \
                         application/xml\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{body}",
                        body.len()
                    )
                };
                let _ = socket.write_all(answer.as_bytes()).await;
            });
        }
    });
    (addr, seen)
}

/// A signature in a redirect of a storage.
const LOCATION: &str = "10ca7104510ca7104510ca7104510ca7104510ca7104510ca7104510ca710451";

/// Secrets, by what they are.
struct Secrets(BTreeMap<String, String>);

impl Secrets {
    /// A mark of its own for a name, with what must be escaped somewhere.
    fn make(&mut self, name: &str) -> String {
        self.add(name, format!("mark/{name}+&\"{}=", uuid(name)))
    }

    /// The same for what stands in a header or a name, where less is allowed.
    fn plain(&mut self, name: &str) -> String {
        self.add(name, format!("MARK{}{}", name.replace('_', ""), uuid(name)))
    }

    fn add(&mut self, name: &str, secret: String) -> String {
        self.0.insert(name.to_owned(), secret.clone());
        secret
    }

    /// Fails where a text holds one in any form.
    fn are_not_in(&self, text: &str, place: &str) {
        for (name, secret) in &self.0 {
            for form in forms(secret) {
                let Some(at) = text.find(&form) else { continue };
                let line = text[..at].rfind('\n').map_or(0, |start| start + 1);
                let end = text[at..].find('\n').map_or(text.len(), |end| at + end);
                panic!("{name} is in {place} as {form}:\n{}", &text[line..end]);
            }
        }
    }
}

/// Digits that differ for each name.
fn uuid(name: &str) -> u64 {
    name.bytes().fold(7_919, |sum, byte| sum.wrapping_mul(131).wrapping_add(byte.into()))
}

/// A secret as it is, and as it may be written.
fn forms(secret: &str) -> Vec<String> {
    if secret.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        // A signature is written in one way.
        return vec![secret.to_owned()];
    }
    let bytes = secret.as_bytes();
    let percent = |upper: bool| {
        bytes.iter().fold(String::new(), |mut text, byte| {
            match byte {
                b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => text.push(char::from(*byte)),
                byte if upper => write!(text, "%{byte:02X}").unwrap(),
                byte => write!(text, "%{byte:02x}").unwrap(),
            }
            text
        })
    };
    let hex = bytes.iter().fold(String::new(), |mut text, byte| {
        write!(text, "{byte:02x}").unwrap();
        text
    });
    let json = serde_json::to_string(secret).unwrap().trim_matches('"').to_owned();
    let mut forms = vec![
        secret.to_owned(),
        percent(true),
        percent(false),
        hex,
        json,
        format!("{secret:?}").trim_matches('"').to_owned(),
        format!("{bytes:?}").trim_matches(['[', ']']).to_owned(),
        secret.replace('&', "&amp;").replace('"', "&quot;"),
    ];
    for engine in [STANDARD, STANDARD_NO_PAD, URL_SAFE, URL_SAFE_NO_PAD] {
        forms.push(engine.encode(secret));
    }
    // Behind a user's name and a colon Base64 looks otherwise, by where it begins.
    for before in 1..3 {
        let shifted = STANDARD_NO_PAD.encode([&vec![b'x'; before], bytes].concat());
        forms.push(shifted[4..shifted.len() - 4].to_owned());
    }
    forms
}

/// A value of YAML.
fn quoted(text: &str) -> String {
    format!("'{}'", text.replace('\'', "''"))
}

/// Everything that a run needs.
struct World {
    secrets: Secrets,
    s3: Running,
    tap: Tap,
    upyun: UpYunServer,
    upyun_tap: Tap,
    echo: (SocketAddr, Arc<Mutex<Vec<u8>>>),
    dir: Arc<TempDir>,
    /// Secrets stand in files of their own.
    in_files: bool,
}

impl World {
    async fn new(in_files: bool) -> Self {
        let mut secrets = Secrets(BTreeMap::new());
        let key = secrets.plain("access_key_id");
        let s3 = Server::builder().bucket("bucket").keys(key, secrets.make("secret_access_key")).start().await.unwrap();
        let session = Key::new(secrets.plain("session_key_id"), secrets.make("session_secret_key"));
        s3.keyring().add(session.session_token(secrets.plain("session_token")));
        let upyun = UpYunServer::start().await;
        secrets.add("upyun_password", upyun::PASSWORD.to_owned());
        secrets.add("link_token", upyun::TOKEN.to_owned());
        secrets.add("location", LOCATION.to_owned());
        let host = |url: &str| url.split_once("://").unwrap().1.trim_end_matches('/').parse().unwrap();
        Self {
            tap: Tap::before(s3.addr()).await,
            upyun_tap: Tap::before(host(upyun.endpoint())).await,
            s3,
            upyun,
            echo: echo().await,
            dir: Arc::new(tempfile::tempdir().unwrap()),
            secrets,
            in_files,
        }
    }

    /// A line of the mounts file that holds a secret.
    fn line(&self, indent: usize, key: &str, secret: &str) -> String {
        if !self.in_files {
            return format!("{:indent$}{key}: {}\n", "", quoted(secret));
        }
        let path = self.dir.path().join(format!("secret-{}", uuid(&format!("{key}{secret}"))));
        std::fs::write(&path, secret).unwrap();
        format!("{:indent$}{key}_file: {}\n", "", path.display())
    }

    fn bucket(&mut self, path: &str, endpoint: &str, keys: &[(&str, String)], more: &str) -> String {
        let mut mount = format!(
            "  - path: {path}\n    driver: s3\n    bucket: bucket\n    endpoint: {endpoint}\n    region: {}\n    \
             force_path_style: true\n",
            self.s3.region()
        );
        for (key, secret) in keys {
            mount += &self.line(4, key, secret);
        }
        mount + more
    }

    fn file(&mut self) -> String {
        let tap = format!("http://{}", self.tap.addr);
        let echo = format!("http://{}", self.echo.0);
        let get = |world: &Self, name: &str| world.secrets.0[name].clone();
        let right =
            vec![("access_key_id", get(self, "access_key_id")), ("secret_access_key", get(self, "secret_access_key"))];
        let mut mounts = self.bucket("/ok", &tap, &right, "    placeholder: .placeholder\n    list_cache: 60s\n");
        let customer = STANDARD.encode([b'k'; 32]);
        self.secrets.add("customer_key", customer.clone());
        let mut with_key = right.clone();
        with_key.push(("customer_key", customer));
        mounts += &self.bucket("/sse", &tap, &with_key, "    encryption: customer\n    root_folder_path: sse\n");
        let session = vec![
            ("access_key_id", get(self, "session_key_id")),
            ("secret_access_key", get(self, "session_secret_key")),
            ("session_token", get(self, "session_token")),
        ];
        mounts += &self.bucket("/session", &tap, &session, "    root_folder_path: session\n");
        mounts += &self.bucket("/echo", &echo, &session, "");
        mounts += &self.bucket(
            "/cdn",
            &tap,
            &right,
            &format!("    custom_host: {echo}/moved\n    relay_from: custom_host\n    read: relay\n"),
        );
        let wrong = vec![
            ("access_key_id", get(self, "access_key_id")),
            ("secret_access_key", self.secrets.make("wrong_secret_key")),
        ];
        mounts += &self.bucket("/wrong", &tap, &wrong, "");
        let refused = vec![
            ("access_key_id", self.secrets.plain("refused_key_id")),
            ("secret_access_key", self.secrets.make("refused_secret_key")),
            ("session_token", self.secrets.plain("refused_token")),
        ];
        let proxied = "    read: proxy_url\n    proxy_url: http://127.0.0.1:9\n    root_folder_path: proxied\n";
        mounts += &self.bucket("/proxied", &tap, &right, proxied);
        // Nobody listens on the port "discard".
        mounts += &self.bucket("/refused", "http://127.0.0.1:9", &refused, "");
        let _ = write!(
            mounts,
            "  - path: /up\n    driver: upyun\n    bucket: {}\n    operator: {}\n    endpoint: http://{}\n    custom_host: {}\n",
            upyun::BUCKET,
            upyun::OPERATOR,
            self.upyun_tap.addr,
            self.upyun.host()
        );
        mounts += &self.line(4, "password", upyun::PASSWORD);
        mounts += &self.line(4, "link_token", upyun::TOKEN);
        let (plain, hashed) = (self.secrets.make("user_password"), self.secrets.make("hashed_password"));
        let hash = hash_of(&hashed);
        let salt_and_digest = hash.splitn(5, '$').nth(4).unwrap().to_owned();
        self.secrets.add("password_hash", salt_and_digest);
        let users = format!(
            "  - name: alice\n{}  - name: bob\n{}",
            self.line(4, "password", &plain),
            self.line(4, "password_hash", &hash)
        );
        let (script, script_hash) = new_token();
        self.secrets.add("token", script);
        self.secrets.add("token hash", script_hash.trim_start_matches("sha256:").to_owned());
        let users = format!("{users}    tokens:\n      - name: script\n{}", self.line(8, "hash", &script_hash));
        let (token, key) = ("t".repeat(20), "k".repeat(20));
        let (token, key) = (self.secrets.plain("proxy_token") + &token, self.secrets.plain("proxy_sign_key") + &key);
        let server = self.line(2, "proxy_token", &token) + &self.line(2, "proxy_sign_key", &key);
        format!(
            "version: 1\nserver:\n  listen: 127.0.0.1:0\n  admin_listen: 127.0.0.1:0\n  anonymous: read-write\n{server}  state_dir: {}\nusers:\n{users}mounts:\n{mounts}",
            self.dir.path().join("state").display()
        )
    }
}

/// A token and its hash.
fn new_token() -> (String, String) {
    let output = binary().args(["hash-password", "--token"]).output().unwrap();
    let said = String::from_utf8(output.stdout).unwrap();
    let line = |name: &str| said.lines().find_map(|line| line.strip_prefix(name)).unwrap().trim().to_owned();
    (line("token:"), line("hash:"))
}

fn hash_of(password: &str) -> String {
    use std::io::Write as _;
    let mut command = binary();
    let mut child = command.arg("hash-password").stdin(std::process::Stdio::piped()).spawn().unwrap();
    child.stdin.take().unwrap().write_all(password.as_bytes()).unwrap();
    let output = child.wait_with_output().unwrap();
    String::from_utf8(output.stdout).unwrap().trim().to_owned()
}

fn basic(user: &str, password: &str) -> String {
    format!("Basic {}", STANDARD.encode(format!("{user}:{password}")))
}

/// Clients' work on everything, and what it was answered with.
async fn work(davmux: &Davmux, world: &mut World) -> String {
    let mut said = String::new();
    let mut hear = |answer: &Answer| {
        writeln!(said, "{}", answer.status).unwrap();
        for (name, value) in &answer.headers {
            // A link is for the client who asked.
            if name != "location" {
                writeln!(said, "{name}: {}", String::from_utf8_lossy(value.as_bytes())).unwrap();
            }
        }
        match &answer.body {
            Ok(body) => said.push_str(&String::from_utf8_lossy(body)),
            Err(error) => said.push_str(error),
        }
    };
    let (alice, bob) =
        (basic("alice", &world.secrets.0["user_password"]), basic("bob", &world.secrets.0["hashed_password"]));
    world.secrets.add("authorization of alice", alice.clone());
    world.secrets.add("authorization of bob", bob.clone());
    let guess = world.secrets.make("wrong_password");
    let bearer = world.secrets.plain("bearer_token");
    let script = world.secrets.0["token"].clone();
    for (value, status) in [
        (alice.clone(), StatusCode::MULTI_STATUS),
        (bob, StatusCode::MULTI_STATUS),
        (format!("Bearer {script}"), StatusCode::MULTI_STATUS),
        (basic("bob", &script), StatusCode::MULTI_STATUS),
        (basic("alice", &script), StatusCode::UNAUTHORIZED),
        (basic("alice", &guess), StatusCode::UNAUTHORIZED),
        (format!("Bearer {bearer}"), StatusCode::UNAUTHORIZED),
        (format!("Digest username=\"{bearer}\""), StatusCode::UNAUTHORIZED),
    ] {
        let headers = [("Authorization", value.as_str()), ("Depth", "0"), ("Cookie", bearer.as_str())];
        let answer = davmux.send("PROPFIND", "/", &headers, "").await;
        assert_eq!(answer.status, status, "{}", answer.text());
        hear(&answer);
    }
    let headers = [("Authorization", alice.as_str()), ("User-Agent", "Kodi/21.0")];
    let mine = [("Authorization", alice.as_str())];
    let (small, large, huge) = (Bytes::from("small"), Bytes::from(vec![1; 300 * 1024]), Bytes::from(vec![2; 9 << 20]));
    for mount in ["/ok", "/sse", "/session", "/proxied", "/up"] {
        let at = |path: &str| format!("{mount}{path}");
        hear(&davmux.send("MKCOL", &at("/d"), &mine, "").await);
        for (name, body) in [("/small", &small), ("/large", &large), ("/huge", &huge)] {
            if name == "/huge" && mount != "/ok" {
                continue;
            }
            let answer = davmux.send("PUT", &at(name), &mine, body.clone()).await;
            assert_eq!(answer.status, StatusCode::CREATED, "{mount}{name}: {}\n{}", answer.text(), davmux.log());
            hear(&answer);
        }
        hear(&davmux.send("PROPFIND", &at("/"), &[mine[0], ("Depth", "1")], "").await);
        hear(&davmux.send("GET", &at("/small"), &mine, "").await);
        hear(&davmux.send("GET", &at("/large?sign=mark&X-Amz-Signature=0123"), &mine, "").await);
        hear(&davmux.send("HEAD", &at("/large"), &headers, "").await);
        let linked = davmux.send("GET", &at("/large"), &headers, "").await;
        hear(&linked);
        let link = linked.header("location").to_owned();
        if mount != "/sse" {
            assert!(!link.is_empty(), "{mount} makes links: {}", linked.status);
        }
        for signature in signatures(&link) {
            world.secrets.add(&format!("signature of a link in {mount}"), signature);
        }
        if let Some((_, sign)) = link.split_once("?sign=") {
            world.secrets.add("signature of a link to the proxy", sign.to_owned());
        }
        if let Some((_, token)) = link.split_once("_upt=") {
            world.secrets.add("token of a link", token.to_owned());
        }
        let to = format!("http://alice:{guess}@{}{mount}/copied", davmux.addr).replace(['"', '&'], "_");
        hear(&davmux.send("COPY", &at("/small"), &[mine[0], ("Destination", &at("/copied"))], "").await);
        hear(&davmux.send("COPY", &at("/small"), &[mine[0], ("Destination", &to)], "").await);
        hear(&davmux.send("MOVE", &at("/copied"), &[mine[0], ("Destination", &at("/d/moved"))], "").await);
        let scope = "<D:lockscope><D:exclusive/></D:lockscope><D:locktype><D:write/></D:locktype>";
        let lock = format!("<D:lockinfo xmlns:D=\"DAV:\">{scope}</D:lockinfo>");
        let locked = davmux.send("LOCK", &at("/small"), &mine, lock).await;
        assert_eq!(locked.status, StatusCode::OK, "{}", locked.text());
        let token = locked.header("lock-token").trim_matches(['<', '>']).to_owned();
        let condition = format!("(<{token}>)");
        hear(&davmux.send("PUT", &at("/small"), &[mine[0], ("If", &condition)], "again").await);
        hear(&davmux.send("PUT", &at("/small"), &mine, "refused").await);
        hear(&davmux.send("UNLOCK", &at("/small"), &[mine[0], ("Lock-Token", locked.header("lock-token"))], "").await);
        world.secrets.add(&format!("lock token in {mount}"), token);
        hear(&davmux.send("DELETE", &at("/d"), &mine, "").await);
    }
    for mount in ["/wrong", "/refused", "/echo", "/cdn"] {
        let at = |path: &str| format!("{mount}{path}");
        for method in ["GET", "HEAD", "DELETE", "MKCOL", "OPTIONS"] {
            hear(&davmux.send(method, &at("/moved/small"), &headers, "").await);
        }
        let answer = davmux.send("GET", &at("/small"), &mine, "").await;
        assert!(
            answer.status.is_server_error() || answer.status == StatusCode::FORBIDDEN,
            "{mount}: {}",
            answer.status
        );
        hear(&answer);
        hear(&davmux.send("PROPFIND", &at("/"), &[mine[0], ("Depth", "1")], "").await);
        hear(&davmux.send("PUT", &at("/new"), &mine, "x").await);
        hear(&davmux.send("COPY", "/ok/small", &[mine[0], ("Destination", &at("/new"))], "").await);
    }
    let token = format!("{}{}", world.secrets.0["proxy_token"], "t".repeat(20));
    for (token, body) in [(&token, r#"{"path":"/proxied/large"}"#), (&token, "[]"), (&guess, "{}")] {
        let answer = davmux.send("POST", "/api/fs/link", &[("Authorization", token)], body).await;
        // A link is for the proxy that asked.
        if let Some(found) = signatures(&answer.text()).pop_first() {
            world.secrets.add("signature of a link for the proxy", found);
        } else {
            hear(&answer);
        }
    }
    // What is cut in its middle.
    let head =
        format!("PUT /ok/cut HTTP/1.1\r\nHost: x\r\nAuthorization: {alice}\r\nContent-Length: 10000000\r\n\r\nabc");
    let mut socket = TcpStream::connect(&davmux.addr).await.unwrap();
    socket.write_all(head.as_bytes()).await.unwrap();
    drop(socket);
    davmux
        .raw(
            format!("GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\nAuthorization: {alice}\r\nAuthorization: {alice}\r\n\r\n").as_bytes(),
        )
        .await;
    davmux.raw(format!("GET / HTTP/1.1\r\nHost x\r\nAuthorization: {alice}\r\n\r\n").as_bytes()).await;
    for line in ["GET /metrics", "GET /readyz", "GET /locks"] {
        said += &davmux.administer(line).await.1;
    }
    said
}

async fn run(in_files: bool, format: &str) {
    let mut world = World::new(in_files).await;
    let file = world.file();
    for (_, key) in HELD {
        let key = if in_files { format!("{key}_file:") } else { format!("{key}:") };
        assert!(file.contains(&key), "{key} is not used");
    }
    let path = world.dir.path().join("mounts.yaml");
    std::fs::write(&path, &file).unwrap();
    let mut command = binary();
    command.arg("serve").arg(&path).args(["--log", "trace", "--log-format", format]);
    let davmux = Davmux::spawn(command, Arc::clone(&world.dir)).await;
    let said = work(&davmux, &mut world).await;
    let status = std::fs::read_to_string(format!("/proc/{}/cmdline", davmux.id())).unwrap();
    let (code, log) = davmux.terminate().await;
    assert_eq!(code, Some(0), "{log}");
    assert!(log.contains("access"), "the log was followed");
    assert!(log.contains("DEBUG"), "the log is at its loudest");
    let mut other = String::new();
    for args in [&["check"][..], &["doctor"], &["doctor", "--json"], &["cors", "show", "--mount", "/echo"]] {
        let mut command = binary();
        command.arg(args[0]).args(args.get(1).filter(|arg| !arg.starts_with('-'))).arg(&path);
        command.args(args.iter().skip(1).skip_while(|arg| !arg.starts_with('-')));
        let output = tokio::task::spawn_blocking(move || command.output()).await.unwrap().unwrap();
        let Output { stdout, stderr, .. } = output;
        other += &String::from_utf8(stdout).unwrap();
        other += &String::from_utf8(stderr).unwrap();
    }
    let sent = world.tap.signatures();
    assert!(sent.len() > 20, "the tap saw {} signatures", sent.len());
    let echoed = signatures(&String::from_utf8_lossy(&world.echo.1.lock().unwrap()));
    assert!(!echoed.is_empty());
    for (number, signature) in sent.into_iter().chain(echoed).enumerate() {
        world.secrets.add(&format!("signature {number}"), signature);
    }
    world.secrets.are_not_in(&status, "the process list");
    world.secrets.are_not_in(&said, "what clients and the administrator were told");
    world.secrets.are_not_in(&other, "what the other commands say");
    world.secrets.are_not_in(&log, "the log");
    for word in ["AWS4-HMAC-SHA256 Credential", "X-Amz-Signature", "x-amz-security-token", "_upt=", "Basic ", "Bearer "]
    {
        assert!(!log.contains(word), "{word} is in the log");
    }
}

#[tokio::test]
async fn no_secret_of_the_file_is_said_in_a_log_for_programs() {
    run(false, "json").await;
}

#[tokio::test]
async fn no_secret_of_a_file_of_its_own_is_said_in_a_log_for_people() {
    run(true, "text").await;
}
