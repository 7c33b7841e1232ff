//! A server, a driver on it, and short forms.

use std::sync::atomic::{AtomicUsize, Ordering};

use aws_sdk_s3::config::{BehaviorVersion, Config, Credentials, Region, RequestChecksumCalculation};
use bytes::Bytes;
use davmux_driver::meter::Meter;
use davmux_driver::{
    Body, Driver, Entry, Error, ErrorKind, Page, Pages, ReadReply, ReadRequest, RelPath, Result, Upload, WriteRequest,
};
use davmux_driver_s3::{S3, S3Options, Secret, UploadMemory};
use davmux_s3_server::{Builder, Faults, Recorder, Running, Server};
use futures_util::{StreamExt as _, TryStreamExt as _};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

pub(crate) const BUCKET: &str = "films";

/// A server with one bucket, and a driver on it.
pub(crate) struct Fixture {
    pub(crate) server: Running,
    pub(crate) s3: S3,
}

impl Fixture {
    pub(crate) async fn start() -> Self {
        Self::with(Server::builder(), |_| ()).await
    }

    pub(crate) async fn with(builder: Builder, change: impl FnOnce(&mut S3Options)) -> Self {
        let server = builder.bucket(BUCKET).start().await.unwrap();
        let s3 = driver(&server, change);
        Self { server, s3 }
    }

    pub(crate) fn calls(&self) -> &Recorder {
        self.server.recorder()
    }

    pub(crate) fn faults(&self) -> &Faults {
        self.server.faults()
    }

    /// Puts keys that no path can name, as another tool does.
    pub(crate) async fn put_keys(&self, keys: &[&str]) {
        let client = self.client();
        let puts = keys
            .iter()
            .map(|key| client.put_object().bucket(BUCKET).key(*key).body(Bytes::from_static(b"x").into()).send());
        futures_util::stream::iter(puts).for_each_concurrent(16, |put| async { drop(put.await.unwrap()) }).await;
        self.calls().reset();
    }

    pub(crate) fn client(&self) -> aws_sdk_s3::Client {
        let config = Config::builder()
            .behavior_version(BehaviorVersion::latest())
            .region(Region::new("us-east-1"))
            .endpoint_url(self.server.endpoint())
            .force_path_style(true)
            .request_checksum_calculation(RequestChecksumCalculation::WhenRequired)
            .credentials_provider(Credentials::new(
                self.server.access_key(),
                self.server.secret_key(),
                None,
                None,
                "test",
            ));
        aws_sdk_s3::Client::from_conf(config.build())
    }
}

pub(crate) fn options(server: &Running) -> S3Options {
    let mut options = S3Options::new(BUCKET);
    options.endpoint = Some(server.endpoint());
    options.access_key_id = Some(server.access_key().to_owned());
    options.secret_access_key = Some(Secret::new(server.secret_key()));
    options.force_path_style = true;
    options
}

pub(crate) fn driver(server: &Running, change: impl FnOnce(&mut S3Options)) -> S3 {
    let mut options = options(server);
    change(&mut options);
    S3::open(options, UploadMemory::default()).unwrap()
}

pub(crate) fn path(text: &str) -> RelPath {
    RelPath::parse(text).unwrap()
}

/// What a future costs, by the meter.
pub(crate) async fn metered<T>(future: impl Future<Output = T>) -> (T, u64) {
    let meter = Meter::new();
    let value = meter.clone().scope(future).await;
    (value, meter.calls())
}

pub(crate) async fn put(s3: &S3, name: &str, content: impl Into<Bytes>) -> Entry {
    let content = content.into();
    let size = Some(content.len() as u64);
    let mut upload = s3.write(&path(name), WriteRequest { size, ..WriteRequest::default() }).await.unwrap();
    upload.write(content).await.unwrap();
    upload.finish().await.unwrap()
}

/// Writes in chunks as they come from a socket.
pub(crate) async fn feed(upload: &mut Box<dyn Upload>, content: &Bytes) -> Result<()> {
    for chunk in content.chunks(1 << 16) {
        upload.write(content.slice_ref(chunk)).await?;
    }
    Ok(())
}

pub(crate) async fn bytes(reply: ReadReply) -> Result<Bytes> {
    match reply.body {
        Body::Stream(stream) => Ok(stream.try_collect::<Vec<_>>().await?.concat().into()),
        Body::File(_) => panic!("a bucket has no files of this machine"),
    }
}

pub(crate) async fn get(s3: &S3, name: &str) -> Result<Bytes> {
    bytes(s3.read(&path(name), ReadRequest::default()).await?).await
}

/// A whole listing: folders with a `/` behind, sorted, and where what cannot be named is.
pub(crate) async fn collect(pages: Pages) -> Result<(Vec<String>, Vec<String>)> {
    let pages: Vec<Page> = pages.try_collect().await?;
    let entries = pages.iter().flat_map(|page| &page.entries);
    let mut names: Vec<String> =
        entries.map(|entry| format!("{}{}", entry.path, if entry.is_dir() { "/" } else { "" })).collect();
    let mut unnameable: Vec<String> =
        pages.iter().flat_map(|page| &page.unnameable).map(|path| path.as_str().to_owned()).collect();
    names.sort();
    unnameable.sort();
    Ok((names, unnameable))
}

pub(crate) async fn first_error(mut pages: Pages) -> Error {
    loop {
        match pages.next().await {
            Some(Ok(_)) => {}
            Some(Err(error)) => {
                // One who was asked to wait may ask again.
                if !matches!(error.kind(), ErrorKind::Throttled { .. }) {
                    assert!(pages.next().await.is_none(), "after an error a listing ends");
                }
                return error;
            }
            None => panic!("the listing ended well"),
        }
    }
}

/// A server that answers these in turn, the last of them for ever, whatever was asked; and a driver on it.
pub(crate) async fn canned(answers: Vec<String>) -> S3 {
    canned_with(answers, |_| ()).await
}

pub(crate) async fn canned_with(answers: Vec<String>, change: impl FnOnce(&mut S3Options)) -> S3 {
    let served = AtomicUsize::new(0);
    let endpoint = answering(move |_| {
        let served = served.fetch_add(1, Ordering::Relaxed);
        answers.get(served).or(answers.last()).unwrap().clone()
    })
    .await;
    let mut options = S3Options::new(BUCKET);
    options.endpoint = Some(endpoint);
    options.access_key_id = Some("id".into());
    options.secret_access_key = Some(Secret::new("secret"));
    options.force_path_style = true;
    change(&mut options);
    S3::open(options, UploadMemory::default()).unwrap()
}

/// A server that answers the head of each request; its endpoint.
pub(crate) async fn answering(answer: impl Fn(&str) -> String + Send + Sync + 'static) -> String {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let endpoint = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(async move {
        loop {
            let (mut stream, _) = listener.accept().await.unwrap();
            let mut request = Vec::new();
            while !request.windows(4).any(|end| end == b"\r\n\r\n") {
                if stream.read_buf(&mut request).await.unwrap() == 0 {
                    break;
                }
            }
            // One that was given up before it asked, or before it was answered, is no failure of the server.
            let _ = stream.write_all(answer(&String::from_utf8_lossy(&request)).as_bytes()).await;
            let _ = stream.shutdown().await;
        }
    });
    endpoint
}

/// An answer with a body of XML.
pub(crate) fn xml(status: &str, body: &str) -> String {
    let length = body.len();
    format!(
        "HTTP/1.1 {status}\r\nContent-Type: application/xml\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n{body}"
    )
}
