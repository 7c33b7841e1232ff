//! `davmux health`: whether a server runs and is well, as its administrator's listener says; for containers, which have no
//! other program to ask with.

use std::io::Write;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::path::Path;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context, bail};
use davmux_config::Config;
use davmux_server::Listen;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpStream, UnixStream};
use tokio::time::timeout;

/// For the whole answer: readiness looks at the storages for a few seconds.
const PATIENCE: Duration = Duration::from_secs(8);
/// What is read of an answer.
const LONGEST: u64 = 64 * 1024;

/// Asks the listener at `at`, or else the one that the file names. `ready`: whether a mount answers, too.
pub(crate) async fn health(file: &Path, at: Option<Listen>, ready: bool) -> anyhow::Result<ExitCode> {
    let listen = match at {
        Some(listen) => listen,
        None => {
            Config::load(file)?.server.admin_listen.context("the file has no `admin_listen`, which is what is asked")?
        }
    };
    let asked = ask(&listen, if ready { "/readyz" } else { "/healthz" });
    let answer = timeout(PATIENCE, asked).await.with_context(|| format!("no answer from {listen}"))?;
    let answer = answer.with_context(|| format!("{listen} does not answer"))?;
    let (head, body) = answer.split_once("\r\n\r\n").unwrap_or((&answer, ""));
    write!(std::io::stdout(), "{body}")?;
    let is_well = head.split(' ').nth(1) == Some("200");
    Ok(if is_well { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

async fn ask(listen: &Listen, path: &str) -> anyhow::Result<String> {
    match listen {
        Listen::Tcp(address) => exchange(TcpStream::connect(reachable(*address)).await?, path).await,
        Listen::Unix(socket) => exchange(UnixStream::connect(socket).await?, path).await,
        Listen::Systemd(_) => bail!("only systemd knows where that is; say it: --at ADDR"),
    }
}

/// Who listens everywhere is asked here.
fn reachable(address: SocketAddr) -> SocketAddr {
    let ip = match address.ip() {
        ip if !ip.is_unspecified() => ip,
        IpAddr::V4(_) => Ipv4Addr::LOCALHOST.into(),
        IpAddr::V6(_) => Ipv6Addr::LOCALHOST.into(),
    };
    SocketAddr::new(ip, address.port())
}

async fn exchange(mut stream: impl AsyncRead + AsyncWrite + Unpin, path: &str) -> anyhow::Result<String> {
    let request = format!("GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).await?;
    let mut answer = Vec::new();
    stream.take(LONGEST).read_to_end(&mut answer).await?;
    Ok(String::from_utf8_lossy(&answer).into_owned())
}
