//! An SDK client, and a client that says exactly what it is told.

use aws_sdk_s3::config::{
    BehaviorVersion, Credentials, Region, RequestChecksumCalculation, ResponseChecksumValidation, retry::RetryConfig,
};
use aws_sdk_s3::primitives::ByteStream;
use aws_sdk_s3::{Client, Config};
use davmux_s3_server::{Builder, Running, Server};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

pub(crate) const BUCKET: &str = "films";

pub(crate) async fn started(builder: Builder) -> (Running, Client) {
    let server = builder.bucket(BUCKET).start().await.unwrap();
    let client = client(&server);
    (server, client)
}

pub(crate) async fn fresh() -> (Running, Client) {
    started(Server::builder()).await
}

pub(crate) fn config(server: &Running) -> aws_sdk_s3::config::Builder {
    Config::builder()
        .behavior_version(BehaviorVersion::v2026_01_12())
        .endpoint_url(server.endpoint())
        .region(Region::new("us-east-1"))
        .credentials_provider(Credentials::new(server.access_key(), server.secret_key(), None, None, "test"))
        .force_path_style(true)
        .request_checksum_calculation(RequestChecksumCalculation::WhenRequired)
        .response_checksum_validation(ResponseChecksumValidation::WhenRequired)
        .retry_config(RetryConfig::disabled())
}

pub(crate) fn client(server: &Running) -> Client {
    Client::from_conf(config(server).build())
}

/// Puts `content` and answers its ETag as sent.
pub(crate) async fn put(client: &Client, key: &str, content: impl Into<Vec<u8>>) -> String {
    let body = ByteStream::from(content.into());
    client.put_object().bucket(BUCKET).key(key).body(body).send().await.unwrap().e_tag.unwrap()
}

/// The content of `key`, or the error's code.
pub(crate) async fn get(client: &Client, key: &str) -> Result<Vec<u8>, String> {
    let answer = client.get_object().bucket(BUCKET).key(key).send().await.map_err(code)?;
    Ok(answer.body.collect().await.unwrap().to_vec())
}

/// The code of a service error; for others their kind.
pub(crate) fn code<E, R>(error: aws_sdk_s3::error::SdkError<E, R>) -> String
where
    E: aws_sdk_s3::error::ProvideErrorMetadata,
{
    match error {
        aws_sdk_s3::error::SdkError::ServiceError(error) => error.err().code().unwrap_or("no code").to_owned(),
        aws_sdk_s3::error::SdkError::DispatchFailure(_) => "DispatchFailure".to_owned(),
        _ => "another error".to_owned(),
    }
}

/// What came over the wire before the connection ended.
#[derive(Debug)]
pub(crate) struct Raw {
    pub(crate) status: Option<u16>,
    pub(crate) head: String,
    pub(crate) body: Vec<u8>,
}

impl Raw {
    pub(crate) fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }
}

/// Sends one request for `url` and reads to the end of the connection.
pub(crate) async fn raw(server: &Running, method: &str, url: &str, headers: &[(&str, &str)], body: &[u8]) -> Raw {
    let path = url.strip_prefix(&server.endpoint()).unwrap_or(url);
    let mut request = format!("{method} {path} HTTP/1.1\r\nconnection: close\r\n");
    if !headers.iter().any(|(name, _)| *name == "host") {
        request.push_str(&format!("host: {}\r\n", server.addr()));
    }
    for (name, value) in headers {
        request.push_str(&format!("{name}: {value}\r\n"));
    }
    request.push_str("\r\n");
    let mut stream = TcpStream::connect(server.addr()).await.unwrap();
    stream.write_all(request.as_bytes()).await.unwrap();
    stream.write_all(body).await.unwrap();
    stream.shutdown().await.unwrap();
    let mut answer = Vec::new();
    let _ = stream.read_to_end(&mut answer).await;
    let split = answer.windows(4).position(|window| window == b"\r\n\r\n").map_or(answer.len(), |at| at + 4);
    let body = answer.split_off(split);
    let head = String::from_utf8(answer).unwrap().to_ascii_lowercase();
    let status = head.split(' ').nth(1).and_then(|status| status.parse().ok());
    Raw { status, head, body }
}
