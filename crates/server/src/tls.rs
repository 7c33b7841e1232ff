//! [`Tls`]: the certificate that this server shows, read again when its files change; and the handshake.
//!
//! The files are compared by their content, not by their times: a Kubernetes volume and certbot change links, an editor
//! writes a new file, and a copy may keep the old file's time. A pair of which one half is written is a broken pair: the one
//! in use stays until both fit.

use std::fmt;
use std::io::{self, ErrorKind};
use std::net::IpAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, SystemTime};

use arc_swap::ArcSwap;
use http::StatusCode;
use rustls::ServerConfig;
use rustls::crypto::aws_lc_rs;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_rustls::server::TlsStream;

use crate::certificate::{Texts, Time, certified};
use crate::{TlsError, TlsFiles, access_log};

/// From the accept to the end of the handshake. How many go on at a time is bounded by the connections: turns to shake hands
/// would be taken by those who begin and never end.
const HANDSHAKE: Duration = Duration::from_secs(10);

/// A certificate in use, and the handshakes with it.
pub(crate) struct Tls {
    files: TlsFiles,
    http2: bool,
    loaded: ArcSwap<Loaded>,
    /// What the log was told last, so that it is told once.
    told: Mutex<Option<String>>,
}

struct Loaded {
    config: Arc<ServerConfig>,
    digest: [u8; 32],
    time: Option<Time>,
}

impl fmt::Debug for Tls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Tls").field("files", &self.files).field("http2", &self.http2).finish_non_exhaustive()
    }
}

impl Tls {
    pub(crate) async fn load(files: TlsFiles, http2: bool) -> Result<Self, TlsError> {
        let texts = read(&files).await?;
        let loaded = Loaded::new(&files, &texts, http2)?;
        let complaint = loaded.complaint().map(|what| files.said(&what));
        if let Some(complaint) = &complaint {
            tracing::warn!("{complaint}");
        }
        Ok(Self { files, http2, loaded: ArcSwap::from_pointee(loaded), told: Mutex::new(complaint) })
    }

    /// Takes a pair that changed; keeps the one in use where the new one is broken, and says so once.
    pub(crate) async fn refresh(&self) {
        let renewed = read(&self.files).await.and_then(|texts| {
            if self.loaded.load().digest == texts.digest() {
                return Ok(false);
            }
            self.loaded.store(Arc::new(Loaded::new(&self.files, &texts, self.http2)?));
            Ok(true)
        });
        let complaint = match &renewed {
            Ok(_) => self.loaded.load().complaint().map(|what| self.files.said(&what)),
            Err(error) => Some(format!("the certificate in use stays: {error}")),
        };
        if matches!(renewed, Ok(true)) {
            tracing::info!(cert_file = %self.files.cert_file.display(), "the certificate changed: new connections get the new one");
        }
        let mut told = self.told.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(complaint) = complaint.as_ref().filter(|complaint| told.as_ref() != Some(complaint)) {
            tracing::warn!("{complaint}");
        }
        *told = complaint;
    }

    /// When the certificate in use ends, since 1970, where it tells.
    pub(crate) fn ends(&self) -> Option<Duration> {
        self.loaded.load().time.map(Time::ends)
    }

    /// Shakes hands with whoever connected. `None`: it did not come to that; who speaks plain HTTP was told so.
    pub(crate) async fn shake(
        &self,
        stream: TcpStream,
        peer: Option<IpAddr>,
        logged: bool,
    ) -> Option<Box<TlsStream<TcpStream>>> {
        let failed = match timeout(HANDSHAKE, self.shaking(stream, peer, logged)).await {
            Ok(Ok(shaken)) => return shaken,
            Ok(Err(error)) => error,
            Err(_) => ErrorKind::TimedOut.into(),
        };
        tracing::debug!(?peer, error = %failed, "a TLS handshake failed");
        None
    }

    async fn shaking(
        &self,
        mut stream: TcpStream,
        peer: Option<IpAddr>,
        logged: bool,
    ) -> io::Result<Option<Box<TlsStream<TcpStream>>>> {
        let mut first = [0];
        if stream.peek(&mut first).await? == 0 {
            return Ok(None);
        }
        // Methods are letters, and empty lines may come before them.
        if first[0].is_ascii_alphabetic() || first[0].is_ascii_whitespace() {
            if logged {
                access_log::unread(StatusCode::BAD_REQUEST, peer, "plain http where https is spoken");
            }
            refuse_plain(&mut stream).await?;
            return Ok(None);
        }
        let config = Arc::clone(&self.loaded.load().config);
        Ok(Some(Box::new(tokio_rustls::TlsAcceptor::from(config).accept(stream).await?)))
    }
}

impl Loaded {
    fn new(files: &TlsFiles, texts: &Texts, http2: bool) -> Result<Self, TlsError> {
        let provider = Arc::new(aws_lc_rs::default_provider());
        let key = certified(files, texts, &provider)?;
        let time = Time::of(&key);
        let refused = |error: rustls::Error| TlsError::Content {
            file: files.cert_file.clone(),
            detail: format!("cannot be served: {error}"),
        };
        let mut config = ServerConfig::builder_with_provider(provider)
            .with_protocol_versions(&[&rustls::version::TLS13, &rustls::version::TLS12])
            .map_err(refused)?
            .with_no_client_auth()
            .with_cert_resolver(Arc::new(rustls::sign::SingleCertAndKey::from(key)));
        config.alpn_protocols = match http2 {
            true => vec![b"h2".to_vec(), b"http/1.1".to_vec()],
            false => vec![b"http/1.1".to_vec()],
        };
        Ok(Self { config: Arc::new(config), digest: texts.digest(), time })
    }

    fn complaint(&self) -> Option<String> {
        self.time?.complaint(SystemTime::now())
    }
}

/// Tells a client that speaks plain HTTP what it should speak.
async fn refuse_plain(stream: &mut TcpStream) -> io::Result<()> {
    const SAID: &str = "this port speaks https: begin the address with https://\n";
    let answer = format!(
        "HTTP/1.1 400 Bad Request\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Length: {}\r\n\
         Connection: close\r\n\r\n{SAID}",
        SAID.len()
    );
    stream.write_all(answer.as_bytes()).await?;
    stream.shutdown().await?;
    // What is closed with bytes unread is reset, and a reset may overtake the answer.
    tokio::io::copy(&mut stream.take(64 * 1024), &mut tokio::io::sink()).await?;
    Ok(())
}

async fn read(files: &TlsFiles) -> Result<Texts, TlsError> {
    let (own, failed) = (files.clone(), files.cert_file.clone());
    let read = tokio::task::spawn_blocking(move || Texts::read(&own)).await;
    read.unwrap_or_else(|error| Err(TlsError::Read { file: failed, source: io::Error::other(error) }))
}

#[cfg(test)]
mod tests;
