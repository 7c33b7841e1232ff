//! The AWS credential chain, source by source, on stand-ins over loopback.
//!
//! The environment belongs to the whole process, so each case runs in another one: this test, started by itself.

#![allow(clippy::unwrap_used, clippy::expect_used, missing_docs)]

use std::path::Path;
use std::process::Command;
use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime};

use bytes::Bytes;
use davmux_driver::{Driver, Entry, LinkRequest, Native, RelPath};
use davmux_driver_s3::{S3, S3Options, UploadMemory};
use davmux_s3_server::{Key, Running, Server};
use http::{Method, Request, Response};
use http_body_util::{BodyExt as _, Full};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;

const ENDPOINT: &str = "DAVMUX_TEST_ENDPOINT";
const PROFILE: &str = "DAVMUX_TEST_PROFILE";
const BUCKET: &str = "films";

/// Instance metadata says with it how long its own session lasts; others do not know it.
const TTL: &str = "x-aws-ec2-metadata-token-ttl-seconds";

/// The pair that the server takes, with its token.
const ID: &str = "ASIATEMPORARY";
const SECRET: &str = "temporary-secret";
const TOKEN: &str = "temporary/token+of=the-test";

async fn server() -> Running {
    let server = Server::builder().bucket(BUCKET).start().await.unwrap();
    server.keyring().add(Key::new(ID, SECRET).session_token(TOKEN));
    server
}

/// What the other process printed.
async fn in_another_process(server: &Running, environment: &[(&str, String)]) -> String {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.args(["--exact", "the_other_process", "--ignored", "--nocapture"]);
    for (name, _) in std::env::vars_os() {
        if name.to_string_lossy().starts_with("AWS_") {
            command.env_remove(name);
        }
    }
    // No file of the person who runs this, and no metadata of the machine.
    let nowhere =
        [("AWS_SHARED_CREDENTIALS_FILE", "/nonexistent/credentials"), ("AWS_CONFIG_FILE", "/nonexistent/config")];
    command.envs(nowhere).env("AWS_EC2_METADATA_DISABLED", "true").env(ENDPOINT, server.endpoint());
    command.envs(environment.iter().map(|(name, value)| (name, value)));
    let output = tokio::task::spawn_blocking(move || command.output()).await.unwrap().unwrap();
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(output.status.success(), "{said}{}", String::from_utf8_lossy(&output.stderr));
    for secret in [SECRET, TOKEN] {
        assert!(!said.contains(secret), "{said}");
    }
    said
}

#[tokio::test]
#[ignore = "the other process of the tests here, which start it"]
async fn the_other_process() {
    let Ok(endpoint) = std::env::var(ENDPOINT) else { return };
    let mut options = S3Options::new(BUCKET);
    options.endpoint = Some(endpoint);
    options.force_path_style = true;
    options.profile = std::env::var(PROFILE).ok();
    let s3 = S3::open(options, UploadMemory::default()).unwrap();
    match s3.check().await {
        Ok(()) => println!("checked"),
        Err(error) => println!("{:?}: {error}", error.kind()),
    }
    let file = Entry::file(RelPath::parse("a").unwrap(), 1);
    let request = LinkRequest { valid_for: Duration::from_secs(7200), content_type: None };
    if let Ok(Native::Done(link)) = s3.link(&file, request).await {
        let left = link.expires_at.unwrap().duration_since(SystemTime::now()).unwrap();
        println!("a link of {} minutes", (left.as_secs() + 30) / 60);
    }
}

/// A server that answers as `answer` says to method, path and the headers.
async fn stand_in<F>(answer: F) -> String
where
    F: Fn(&Request<()>, &str) -> (u16, String) + Send + Sync + 'static,
{
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let answer = Arc::new(answer);
    tokio::spawn(async move {
        loop {
            let (stream, _) = listener.accept().await.unwrap();
            let answer = Arc::clone(&answer);
            let service = service_fn(move |request: Request<Incoming>| {
                let answer = Arc::clone(&answer);
                async move {
                    let (head, body) = request.into_parts();
                    let body = body.collect().await?.to_bytes();
                    let (status, said) = answer(&Request::from_parts(head, ()), &String::from_utf8_lossy(&body));
                    let response = Response::builder().status(status).header(TTL, "21600");
                    let response = response.body(Full::new(Bytes::from(said)));
                    Ok::<_, hyper::Error>(response.unwrap())
                }
            });
            tokio::spawn(hyper::server::conn::http1::Builder::new().serve_connection(TokioIo::new(stream), service));
        }
    });
    url
}

/// An hour and a half from now, as RFC 3339 has it.
fn end() -> String {
    aws_sdk_s3::primitives::DateTime::from(SystemTime::now() + Duration::from_secs(90 * 60))
        .fmt(aws_sdk_s3::primitives::DateTimeFormat::DateTime)
        .unwrap()
}

/// As instance metadata and containers say keys.
fn json(id: &str) -> String {
    let end = end();
    format!(
        r#"{{"Code":"Success","Type":"AWS-HMAC","AccessKeyId":"{id}","SecretAccessKey":"{SECRET}","Token":"{TOKEN}","Expiration":"{end}"}}"#
    )
}

/// As STS says keys.
fn sts(action: &str) -> String {
    let end = end();
    format!(
        "<{action}Response xmlns=\"https://sts.amazonaws.com/doc/2011-06-15/\"><{action}Result><AssumedRoleUser>\
         <Arn>arn:aws:sts::123456789012:assumed-role/r/s</Arn><AssumedRoleId>ARO:s</AssumedRoleId></AssumedRoleUser>\
         <Credentials><AccessKeyId>{ID}</AccessKeyId><SecretAccessKey>{SECRET}</SecretAccessKey><SessionToken>{TOKEN}\
         </SessionToken><Expiration>{end}</Expiration></Credentials></{action}Result><ResponseMetadata><RequestId>r\
         </RequestId></ResponseMetadata></{action}Response>"
    )
}

fn file(folder: &Path, name: &str, content: &str) -> String {
    let path = folder.join(name);
    std::fs::write(&path, content).unwrap();
    path.to_str().unwrap().to_owned()
}

#[track_caller]
fn worked(said: &str, minutes: u64) {
    assert!(said.contains("checked\n") && said.contains(&format!("a link of {minutes} minutes")), "{said}");
}

#[tokio::test]
async fn keys_come_from_the_environment() {
    let server = server().await;
    let environment = [("AWS_ACCESS_KEY_ID", ID), ("AWS_SECRET_ACCESS_KEY", SECRET), ("AWS_SESSION_TOKEN", TOKEN)];
    let environment = environment.map(|(name, value)| (name, value.to_owned()));
    worked(&in_another_process(&server, &environment).await, 120);
}

#[tokio::test]
async fn keys_come_from_a_profile_of_the_shared_files() {
    let (server, folder) = (server().await, tempfile::tempdir().unwrap());
    let content = format!(
        "[default]\naws_access_key_id = other\naws_secret_access_key = other\n[work]\naws_access_key_id = {ID}\n\
         aws_secret_access_key = {SECRET}\naws_session_token = {TOKEN}\n"
    );
    let shared = ("AWS_SHARED_CREDENTIALS_FILE", file(folder.path(), "credentials", &content));
    let by_environment = [shared.clone(), ("AWS_PROFILE", "work".to_owned())];
    worked(&in_another_process(&server, &by_environment).await, 120);
    // The mount's own word goes before what the environment says.
    let by_mount = [
        shared.clone(),
        (PROFILE, "work".to_owned()),
        ("AWS_ACCESS_KEY_ID", "other".to_owned()),
        ("AWS_SECRET_ACCESS_KEY", "other".to_owned()),
    ];
    worked(&in_another_process(&server, &by_mount).await, 120);
    let said = in_another_process(&server, &[shared, (PROFILE, "play".to_owned())]).await;
    assert!(said.contains("Denied") && said.contains("play"), "{said}");
}

#[tokio::test]
async fn keys_come_from_a_program_that_a_profile_names_and_their_end_is_that_of_links() {
    let (server, folder) = (server().await, tempfile::tempdir().unwrap());
    let end = end();
    let answer = format!(
        r#"{{"Version":1,"AccessKeyId":"{ID}","SecretAccessKey":"{SECRET}","SessionToken":"{TOKEN}","Expiration":"{end}"}}"#
    );
    let answer = file(folder.path(), "answer", &answer);
    let config = file(folder.path(), "config", &format!("[default]\ncredential_process = cat {answer}\n"));
    worked(&in_another_process(&server, &[("AWS_CONFIG_FILE", config)]).await, 90);
}

#[tokio::test]
async fn keys_come_from_a_role_that_a_profile_assumes() {
    let (server, folder) = (server().await, tempfile::tempdir().unwrap());
    let asked = Arc::new(Mutex::new(String::new()));
    let heard = Arc::clone(&asked);
    let url = stand_in(move |_, body| {
        *heard.lock().unwrap() = body.to_owned();
        (200, sts("AssumeRole"))
    })
    .await;
    let config = "[default]\nrole_arn = arn:aws:iam::123456789012:role/r\nsource_profile = base\n\
                  [profile base]\naws_access_key_id = base\naws_secret_access_key = base\n";
    let config = ("AWS_CONFIG_FILE", file(folder.path(), "config", config));
    worked(&in_another_process(&server, &[config, ("AWS_ENDPOINT_URL_STS", url)]).await, 90);
    assert!(asked.lock().unwrap().contains("Action=AssumeRole&"));
}

#[tokio::test]
async fn keys_come_for_a_web_identity() {
    let (server, folder) = (server().await, tempfile::tempdir().unwrap());
    let url = stand_in(|_, body| {
        let good = body.contains("Action=AssumeRoleWithWebIdentity") && body.contains("WebIdentityToken=of-the-pod");
        (if good { 200 } else { 400 }, sts("AssumeRoleWithWebIdentity"))
    })
    .await;
    let environment = [
        ("AWS_WEB_IDENTITY_TOKEN_FILE", file(folder.path(), "token", "of-the-pod")),
        ("AWS_ROLE_ARN", "arn:aws:iam::123456789012:role/r".to_owned()),
        ("AWS_ENDPOINT_URL_STS", url),
    ];
    worked(&in_another_process(&server, &environment).await, 90);
}

#[tokio::test]
async fn keys_come_from_a_container() {
    let server = server().await;
    let url = stand_in(|request, _| {
        let known = request.headers().get("authorization").is_some_and(|value| value == "of-the-task");
        if known && request.uri() == "/keys" { (200, json(ID)) } else { (403, String::new()) }
    })
    .await;
    let environment = [
        ("AWS_CONTAINER_CREDENTIALS_FULL_URI", format!("{url}/keys")),
        ("AWS_CONTAINER_AUTHORIZATION_TOKEN", "of-the-task".to_owned()),
    ];
    worked(&in_another_process(&server, &environment).await, 90);
}

#[tokio::test]
async fn keys_come_from_instance_metadata() {
    let server = server().await;
    let url = stand_in(|request, _| {
        let known = request.headers().get("x-aws-ec2-metadata-token").is_some_and(|value| value == "session");
        match (request.method(), request.uri().path()) {
            (&Method::PUT, "/latest/api/token") => (200, "session".to_owned()),
            (&Method::GET, "/latest/meta-data/iam/security-credentials/") if known => (200, "role".to_owned()),
            (&Method::GET, "/latest/meta-data/iam/security-credentials/role") if known => (200, json(ID)),
            _ => (401, String::new()),
        }
    })
    .await;
    let environment = [("AWS_EC2_METADATA_DISABLED", "false".to_owned()), ("AWS_EC2_METADATA_SERVICE_ENDPOINT", url)];
    worked(&in_another_process(&server, &environment).await, 90);
}

#[tokio::test]
async fn no_keys_anywhere_is_an_error_that_names_where() {
    let server = server().await;
    let said = in_another_process(&server, &[]).await;
    assert!(said.contains("Denied"), "{said}");
    for place in [
        "AWS_ACCESS_KEY_ID",
        "profile \"default\" of /nonexistent/credentials and /nonexistent/config",
        "AWS_WEB_IDENTITY_TOKEN_FILE",
        "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI",
        "AWS_EC2_METADATA_DISABLED",
    ] {
        assert!(said.contains(place), "{place}: {said}");
    }
    assert_eq!(server.recorder().total(), 0, "nothing was sent");
}

#[tokio::test]
async fn instance_metadata_that_is_silent_or_not_there_does_not_hold_up() {
    let server = server().await;
    let silent = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let closed = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
    for address in [silent.local_addr().unwrap(), closed] {
        let environment = [
            ("AWS_EC2_METADATA_DISABLED", "false".to_owned()),
            ("AWS_EC2_METADATA_SERVICE_ENDPOINT", format!("http://{address}")),
        ];
        let said = in_another_process(&server, &environment).await;
        assert!(said.contains(&format!("the instance metadata at http://{address}")), "{said}");
    }
}
