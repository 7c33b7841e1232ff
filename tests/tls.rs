//! TLS, Unix sockets with a mode, systemd's sockets and its notifications, with the real binary.

use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixDatagram;
use std::path::Path;
use std::process::Command;
use std::sync::Arc;

use bytes::Bytes;
use http::{Method, Request, StatusCode};
use http_body_util::{BodyExt, Empty};
use hyper_rustls::HttpsConnector;
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use rustls::pki_types::CertificateDer;
use tempfile::TempDir;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use crate::support::{Davmux, PATIENCE, binary, bucket, local, s3};

/// Writes a new pair, and answers its certificate.
fn pair(dir: &Path) -> CertificateDer<'static> {
    let names = ["localhost".to_owned(), "127.0.0.1".to_owned()];
    let made = rcgen::generate_simple_self_signed(names).unwrap();
    // As an editor does, so that nobody sees the half of a file.
    for (name, text) in [("cert.pem", made.cert.pem()), ("key.pem", made.signing_key.serialize_pem())] {
        std::fs::write(dir.join("new"), text).unwrap();
        std::fs::set_permissions(dir.join("new"), std::fs::Permissions::from_mode(0o600)).unwrap();
        std::fs::rename(dir.join("new"), dir.join(name)).unwrap();
    }
    made.cert.der().clone()
}

type Https = Client<HttpsConnector<HttpConnector>, Empty<Bytes>>;

/// A client that trusts this certificate alone. `http2`: it speaks nothing else.
fn trusting(certificate: &CertificateDer<'static>, http2: bool) -> Https {
    let mut roots = rustls::RootCertStore::empty();
    roots.add(certificate.clone()).unwrap();
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config = rustls::ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    let connector = hyper_rustls::HttpsConnectorBuilder::new().with_tls_config(config).https_only();
    let connector = if http2 { connector.enable_http2().build() } else { connector.enable_http1().build() };
    Client::builder(TokioExecutor::new()).http2_only(http2).build(connector)
}

/// A status and a body; `None` where no connection came of it.
async fn ask(
    client: &Https,
    method: &str,
    url: &str,
    headers: &[(&str, &str)],
) -> Option<(http::response::Parts, Bytes)> {
    let mut request = Request::builder().method(Method::from_bytes(method.as_bytes()).unwrap()).uri(url);
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    let sent = client.request(request.body(Empty::new()).unwrap());
    let (parts, body) = tokio::time::timeout(PATIENCE, sent).await.unwrap().ok()?.into_parts();
    Some((parts, body.collect().await.unwrap().to_bytes()))
}

fn file(dir: &Path, server: &str, mounts: &str) -> String {
    std::fs::create_dir_all(dir.join("files")).unwrap();
    std::fs::write(dir.join("files/a"), "hello").unwrap();
    format!(
        "version: 1\nserver:\n  anonymous: read-write\n{server}mounts:\n{}{mounts}",
        local("/l", &dir.join("files"))
    )
}

const TLS: &str = "  tls: { cert_file: cert.pem, key_file: key.pem }\n";

#[tokio::test]
async fn http_1_and_http_2_are_spoken_over_tls_and_the_first_line_says_https() {
    let dir = Arc::new(tempfile::tempdir().unwrap());
    let certificate = pair(dir.path());
    let text = file(dir.path(), &format!("  http2: true\n{TLS}"), "");
    let davmux = Davmux::serve_in(Arc::clone(&dir), &text).await;
    assert!(davmux.log().contains("listening on https://127.0.0.1:"), "{}", davmux.log());
    for http2 in [false, true] {
        let client = trusting(&certificate, http2);
        let url = format!("https://{}/l/a", davmux.addr);
        let (parts, body) = ask(&client, "GET", &url, &[]).await.unwrap();
        let version = if http2 { http::Version::HTTP_2 } else { http::Version::HTTP_11 };
        assert_eq!((parts.status, parts.version, &body[..]), (StatusCode::OK, version, &b"hello"[..]));
        let other = format!("https://{}/l/b{http2}", davmux.addr);
        let moved = ask(&client, "COPY", &url, &[("Destination", &other)]).await.unwrap();
        assert_eq!(moved.0.status, StatusCode::CREATED, "https is this server's own scheme");
    }
    let (code, _) = davmux.terminate().await;
    assert_eq!(code, Some(0));
}

#[tokio::test]
async fn who_came_over_https_is_never_redirected_to_http() {
    let dir = Arc::new(tempfile::tempdir().unwrap());
    let certificate = pair(dir.path());
    let s3 = s3().await;
    // Its endpoint is plain http on loopback.
    let mounts = bucket("/b", &s3, &["read: redirect"]);
    let text = file(dir.path(), TLS, &mounts);
    let davmux = Davmux::serve_in(Arc::clone(&dir), &text).await;
    crate::support::other(&s3)
        .put_object()
        .bucket("bucket")
        .key("film")
        .body(vec![7; 300 * 1024].into())
        .send()
        .await
        .unwrap();
    let client = trusting(&certificate, false);
    let url = format!("https://{}/b/film", davmux.addr);
    let (parts, body) = ask(&client, "GET", &url, &[("User-Agent", "Kodi/21.0")]).await.unwrap();
    assert_eq!((parts.status, body.len()), (StatusCode::OK, 300 * 1024));
}

#[tokio::test]
async fn a_certificate_that_is_renewed_is_shown_to_new_connections_and_none_is_dropped() {
    let dir = Arc::new(tempfile::tempdir().unwrap());
    let former = pair(dir.path());
    let text = file(dir.path(), &format!("{TLS}  admin_listen: 127.0.0.1:0\n"), "");
    let davmux = Davmux::serve_in(Arc::clone(&dir), &text).await;
    let url = format!("https://{}/l/a", davmux.addr);
    let ends = async || {
        let (_, page) = davmux.administer("GET /metrics").await;
        let named = "\ndavmux_tls_certificate_expiry_timestamp_seconds ";
        page.split_once(named).unwrap().1.lines().next().unwrap().parse::<u64>().unwrap()
    };
    // What rcgen's certificates say: the first of January 4096.
    assert_eq!(ends().await, 67_090_118_400);
    let before = trusting(&former, false);
    ask(&before, "GET", &url, &[]).await.unwrap();

    std::fs::write(dir.path().join("key.pem"), "nonsense").unwrap();
    davmux.logged("the certificate in use stays").await;
    ask(&trusting(&former, false), "GET", &url, &[]).await.unwrap();

    let renewed = pair(dir.path());
    // Without SIGHUP.
    davmux.logged("the certificate changed").await;
    ask(&before, "GET", &url, &[]).await.expect("its connection goes on");
    ask(&trusting(&renewed, false), "GET", &url, &[]).await.unwrap();
    assert!(ask(&trusting(&former, false), "GET", &url, &[]).await.is_none());
}

#[test]
fn a_pair_that_cannot_be_served_is_told_with_its_line_and_its_file() {
    let dir = tempfile::tempdir().unwrap();
    pair(dir.path());
    let key = std::fs::read(dir.path().join("key.pem")).unwrap();
    pair(dir.path());
    std::fs::write(dir.path().join("key.pem"), key).unwrap();
    let path = dir.path().join("mounts.yaml");
    std::fs::write(&path, file(dir.path(), TLS, "")).unwrap();
    for command in ["check", "serve"] {
        let output = binary().arg(command).arg(&path).output().unwrap();
        let stderr = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(1), "{stderr}");
        assert!(stderr.contains(":4:41: key_file: the key in") && stderr.contains("does not belong"), "{stderr}");
    }
}

/// Asks over a Unix socket, and answers the response's first line.
async fn over(socket: &Path) -> String {
    let mut stream = tokio::net::UnixStream::connect(socket).await.unwrap();
    stream.write_all(b"GET /l/a HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n").await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    answer.lines().next().unwrap_or_default().to_owned()
}

/// Starts davmux as it is, without `--listen`.
async fn started(dir: &Arc<TempDir>, text: &str, prepare: impl FnOnce(Command) -> Command) -> Davmux {
    let path = dir.path().join("mounts.yaml");
    std::fs::write(&path, text).unwrap();
    let mut command = binary();
    command.arg("serve").arg(&path);
    Davmux::spawn(prepare(command), Arc::clone(dir)).await
}

#[tokio::test]
async fn a_unix_socket_has_the_mode_that_the_file_says_and_is_plain_beside_tls() {
    let dir = Arc::new(tempfile::tempdir().unwrap());
    pair(dir.path());
    let listen = "  listen: [\"127.0.0.1:0\", \"unix:s\"]\n  socket_mode: \"0660\"\n";
    let text = file(dir.path(), &format!("{listen}{TLS}"), "");
    let davmux = started(&dir, &text, |command| command).await;
    let socket = dir.path().join("s");
    let mode = std::fs::symlink_metadata(&socket).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode, 0o660);
    assert_eq!(over(&socket).await, "HTTP/1.1 200 OK");
    assert_eq!(davmux.terminate().await.0, Some(0));
    assert!(!socket.exists());
}

/// Turns a command into one that finds sockets as systemd passes them: from descriptor 3 on, with names. The shell takes
/// them from where `listeners` were left for it.
fn passing(command: &Command, listeners: &[(&str, std::os::fd::OwnedFd)]) -> Command {
    use std::os::fd::AsRawFd;
    let names: Vec<_> = listeners.iter().map(|(name, _)| *name).collect();
    let mut script = String::new();
    for (at, (_, listener)) in listeners.iter().enumerate() {
        // Through /proc a socket cannot be opened; so the descriptor is inherited, and moved.
        script.push_str(&format!("exec {}<&{}; ", at + 3, listener.as_raw_fd()));
    }
    script.push_str("LISTEN_PID=$$ exec \"$0\" \"$@\"");
    let mut shell = Command::new("bash");
    shell.stdin(std::process::Stdio::null()).stdout(std::process::Stdio::piped()).stderr(std::process::Stdio::piped());
    shell.arg("-c").arg(script).arg(command.get_program()).args(command.get_args());
    shell.env("LISTEN_FDS", listeners.len().to_string()).env("LISTEN_FDNAMES", names.join(":"));
    shell
}

/// A descriptor that a child process gets: what the standard library opens is closed there.
fn inherited(listener: impl Into<std::os::fd::OwnedFd>) -> std::os::fd::OwnedFd {
    let listener = listener.into();
    // Far above 3, so that moving one does not overwrite another.
    let copy = rustix::io::fcntl_dupfd_cloexec(&listener, 100).unwrap();
    rustix::io::fcntl_setfd(&copy, rustix::io::FdFlags::empty()).unwrap();
    copy
}

#[tokio::test]
async fn sockets_that_systemd_opened_are_served_each_where_its_name_says() {
    let dir = Arc::new(tempfile::tempdir().unwrap());
    let certificate = pair(dir.path());
    let web = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let admin = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let unix = std::os::unix::net::UnixListener::bind(dir.path().join("s")).unwrap();
    let (web_at, admin_at) = (web.local_addr().unwrap(), admin.local_addr().unwrap());
    let listeners = [("web", inherited(web)), ("admin", inherited(admin)), ("web", inherited(unix))];
    let text = file(dir.path(), &format!("  listen: systemd\n  admin_listen: systemd:admin\n{TLS}"), "");
    let davmux = started(&dir, &text, |command| passing(&command, &listeners)).await;
    assert_eq!(davmux.addr, web_at.to_string());
    davmux.logged("listening on unix:").await;
    davmux.logged(&format!("administration on http://{admin_at}/")).await;
    let url = format!("https://{web_at}/l/a");
    assert_eq!(ask(&trusting(&certificate, false), "GET", &url, &[]).await.unwrap().0.status, StatusCode::OK);
    assert_eq!(over(&dir.path().join("s")).await, "HTTP/1.1 200 OK");
    let mut stream = tokio::net::TcpStream::connect(admin_at).await.unwrap();
    stream.write_all(b"GET /healthz HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n").await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    assert_eq!(davmux.terminate().await.0, Some(0));
    assert!(dir.path().join("s").exists(), "the socket's file is systemd's");
}

#[tokio::test]
async fn health_asks_the_administrators_listener_and_its_status_is_the_answer() {
    let dir = Arc::new(tempfile::tempdir().unwrap());
    let text = file(dir.path(), "  listen: 127.0.0.1:0\n  admin_listen: unix:admin\n", "");
    let davmux = started(&dir, &text, |command| command).await;
    let path = dir.path().join("mounts.yaml");
    let health = |arguments: &[&str]| {
        let output = binary().arg("health").args(arguments).output().unwrap();
        (output.status.code(), String::from_utf8(output.stdout).unwrap(), String::from_utf8(output.stderr).unwrap())
    };
    let path = path.to_str().unwrap();
    assert_eq!(health(&[path]).0, Some(0));
    davmux.logged("the mount is ready").await;
    let (code, said, _) = health(&[path, "--ready"]);
    assert!(code == Some(0) && said.contains("\"/l\""), "{said}");
    let socket = format!("unix:{}", dir.path().join("admin").display());
    assert_eq!(health(&["--at", &socket]).0, Some(0));
    assert_eq!(davmux.terminate().await.0, Some(0));
    let (code, _, told) = health(&[path]);
    assert!(code == Some(1) && told.contains("does not answer"), "{told}");
}

#[test]
fn a_socket_that_systemd_did_not_open_is_named_with_those_it_did() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("mounts.yaml");
    std::fs::write(&path, file(dir.path(), "  listen: systemd:web\n", "")).unwrap();
    let output = binary().arg("serve").arg(&path).output().unwrap();
    let stderr = String::from_utf8(output.stderr).unwrap();
    assert!(output.status.code() == Some(1) && stderr.contains("systemd:web") && stderr.contains("none"), "{stderr}");
    let listeners = [("other", inherited(std::net::TcpListener::bind("127.0.0.1:0").unwrap()))];
    let mut command = binary();
    command.arg("serve").arg(&path);
    let output = passing(&command, &listeners).output().unwrap();
    let stderr = String::from_utf8(output.stderr).unwrap();
    assert!(output.status.code() == Some(1) && stderr.contains("other"), "{stderr}");
}

#[test]
fn anonymous_writing_is_refused_also_on_a_socket_of_systemd_that_others_reach() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("mounts.yaml");
    std::fs::write(&path, file(dir.path(), "  listen: systemd\n", "")).unwrap();
    let listeners = [("web", inherited(std::net::TcpListener::bind("0.0.0.0:0").unwrap()))];
    let mut command = binary();
    command.arg("serve").arg(&path);
    let output = passing(&command, &listeners).output().unwrap();
    let stderr = String::from_utf8(output.stderr).unwrap();
    assert!(output.status.code() == Some(1) && stderr.contains("anonymous may write"), "{stderr}");
}

#[tokio::test]
async fn a_reload_opens_no_socket_of_systemd_to_all_either() {
    let dir = Arc::new(tempfile::tempdir().unwrap());
    let listeners = [("web", inherited(std::net::TcpListener::bind("0.0.0.0:0").unwrap()))];
    let open = file(dir.path(), "  listen: systemd\n", "");
    let users = format!("{open}users: [{{name: alice, password: secret}}]\n");
    let davmux = started(&dir, &users, |command| passing(&command, &listeners)).await;
    std::fs::write(dir.path().join("mounts.yaml"), &open).unwrap();
    assert!(Command::new("kill").args(["-HUP", &davmux.id().to_string()]).status().unwrap().success());
    davmux.logged("not reloaded: what is served stays as it is").await;
    assert!(davmux.log().contains("anonymous may write"), "{}", davmux.log());
    assert_eq!(davmux.terminate().await.0, Some(0));
}

#[tokio::test]
async fn systemd_is_told_when_it_serves_that_it_lives_when_it_reloads_and_when_it_stops() {
    let dir = Arc::new(tempfile::tempdir().unwrap());
    let told = UnixDatagram::bind(dir.path().join("notify")).unwrap();
    told.set_read_timeout(Some(PATIENCE)).unwrap();
    let text = file(dir.path(), "  listen: 127.0.0.1:0\n", "");
    let davmux = started(&dir, &text, |mut command| {
        command.env("NOTIFY_SOCKET", dir.path().join("notify")).env("WATCHDOG_USEC", "100000");
        command
    })
    .await;
    let next = || {
        let mut message = [0; 1024];
        let length = told.recv(&mut message).unwrap();
        String::from_utf8(message[..length].to_vec()).unwrap()
    };
    let first = next();
    assert!(
        first.contains("READY=1\n") && first.contains(&format!("STATUS=serving http://{}/", davmux.addr)),
        "{first}"
    );
    for _ in 0..3 {
        assert_eq!(next(), "WATCHDOG=1\n");
    }
    let next_of_state = || std::iter::from_fn(|| Some(next())).find(|message| message != "WATCHDOG=1\n").unwrap();
    for (file, said) in [(text.as_str(), "STATUS=reloaded"), ("nonsense", "STATUS=not reloaded")] {
        std::fs::write(dir.path().join("mounts.yaml"), file).unwrap();
        let id = davmux.id().to_string();
        assert!(Command::new("kill").args(["-HUP", &id]).status().unwrap().success());
        let began = next_of_state();
        assert!(began.starts_with("RELOADING=1\nMONOTONIC_USEC="), "{began}");
        let ended = next_of_state();
        assert!(ended.starts_with("READY=1\n") && ended.contains(said), "{ended}");
    }
    assert_eq!(davmux.terminate().await.0, Some(0));
    let stopping = next_of_state();
    assert!(stopping.contains("STOPPING=1\n"), "{stopping}");
}
