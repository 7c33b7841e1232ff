//! Serves a folder, or memory, as S3 for benchmarks in which the server is a process of its own.
//!
//! `s3-server --folder DATA --bucket films --listen 127.0.0.1:9000 --latency-ms 20 --admin 127.0.0.1:9001`
//!
//! The calls so far are printed as one line of JSON on SIGUSR1, and answered at `GET /` of the admin address;
//! `POST /reset` there forgets them.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use clap::Parser;
use davmux_s3_server::{Folder, Recorder, Running, Server, Strict};
use http::{Method, Request, Response, StatusCode};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::net::TcpListener;
use tokio::signal::unix::{SignalKind, signal};

#[derive(Debug, Parser)]
struct Arguments {
    /// Where to keep the objects; without it they are kept in memory.
    #[arg(long)]
    folder: Option<PathBuf>,
    /// A bucket to make, if it is not there. May be given more than once.
    #[arg(long, default_value = "test")]
    bucket: Vec<String>,
    /// Where to listen; port 0 takes a free one.
    #[arg(long, default_value = "127.0.0.1:0")]
    listen: SocketAddr,
    /// Where to answer for the calls.
    #[arg(long)]
    admin: Option<SocketAddr>,
    /// Milliseconds that each call is held.
    #[arg(long, default_value_t = 0)]
    latency_ms: u64,
    /// The access key id.
    #[arg(long, default_value = "davmux-test")]
    access_key: String,
    /// The environment variable that holds the secret key, if not the default one. A key in an argument could be read
    /// by anyone who lists processes.
    #[arg(long)]
    secret_key_env: Option<String>,
    /// Refuses what AWS refuses beyond the plain protocol.
    #[arg(long)]
    strict: bool,
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let arguments = Arguments::parse();
    let mut builder = Server::builder().listen(arguments.listen).latency(Duration::from_millis(arguments.latency_ms));
    let secret = match &arguments.secret_key_env {
        Some(name) => std::env::var(name).map_err(|error| format!("{name}: {error}"))?,
        None => "davmux-test-secret".to_owned(),
    };
    builder = builder.keys(&arguments.access_key, secret);
    for bucket in &arguments.bucket {
        builder = builder.bucket(bucket);
    }
    if let Some(folder) = &arguments.folder {
        builder = builder.store(Folder::open(folder)?);
    }
    if arguments.strict {
        builder = builder.strict(Strict::amazon());
    }
    let server = builder.start().await?;
    println!("listening on {}/", server.endpoint());
    if let Some(addr) = arguments.admin {
        let listener = TcpListener::bind(addr).await?;
        println!("calls at http://{}/", listener.local_addr()?);
        tokio::spawn(admin(listener, server.recorder().clone()));
    }
    until_told(&server).await?;
    server.stop().await;
    Ok(())
}

/// Prints at each SIGUSR1, and returns at SIGINT or SIGTERM.
async fn until_told(server: &Running) -> std::io::Result<()> {
    let mut print = signal(SignalKind::user_defined1())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut terminate = signal(SignalKind::terminate())?;
    loop {
        tokio::select! {
            _ = print.recv() => println!("{}", totals(server.recorder())),
            _ = interrupt.recv() => return Ok(()),
            _ = terminate.recv() => return Ok(()),
        }
    }
}

async fn admin(listener: TcpListener, recorder: Recorder) {
    while let Ok((stream, _)) = listener.accept().await {
        let recorder = recorder.clone();
        tokio::spawn(async move {
            let answer = service_fn(|request: Request<Incoming>| {
                let answer = match (request.method(), request.uri().path()) {
                    (&Method::GET, "/") => Response::new(totals(&recorder)),
                    (&Method::POST, "/reset") => {
                        let before = totals(&recorder);
                        recorder.reset();
                        Response::new(before)
                    }
                    _ => {
                        let mut answer = Response::new("GET / or POST /reset\n".to_owned());
                        *answer.status_mut() = StatusCode::NOT_FOUND;
                        answer
                    }
                };
                std::future::ready(Ok::<_, Infallible>(answer))
            });
            let connection = hyper::server::conn::http1::Builder::new().serve_connection(TokioIo::new(stream), answer);
            if let Err(error) = connection.await {
                eprintln!("the admin connection ended early: {error}");
            }
        });
    }
}

/// The names of operations need no escaping.
fn totals(recorder: &Recorder) -> String {
    let counts: Vec<String> = recorder.counts().iter().map(|(name, count)| format!("\"{name}\":{count}")).collect();
    format!(
        "{{\"total\":{},\"round_trips\":{},\"calls\":{{{}}}}}",
        recorder.total(),
        recorder.round_trips(),
        counts.join(",")
    )
}
