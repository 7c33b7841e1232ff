//! `davmux proxy`: the download proxy, from what was typed to a running worker.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::Context;
use davmux_proxy::{BaseUrl, SignKeys, Worker, WorkerOptions};
use davmux_server::{Anonymous, Listen, Options, Secret, Server, TlsFiles};

use crate::serve::stop_signal;

/// Where and for whom.
#[derive(Debug, clap::Args)]
pub(crate) struct ProxyArgs {
    /// The davmux to work for, with its base path, such as `https://dav.example.com`.
    #[arg(long, value_name = "URL", env = "DAVMUX_PROXY_SERVER")]
    server: BaseUrl,
    /// Where to listen; port 0 takes a free one. 5243 is where OpenList's proxy listens.
    #[arg(long, value_name = "ADDR", env = "DAVMUX_PROXY_LISTEN", default_value = "127.0.0.1:5243")]
    listen: Listen,
    /// The file with the server's `proxy_token`. Twice while it is changed: the first asks, signatures of both are taken.
    #[arg(long, value_name = "FILE", env = "DAVMUX_PROXY_TOKEN_FILE", required = true, value_delimiter = ':')]
    token_file: Vec<PathBuf>,
    /// The file with the server's `proxy_sign_key`, where it has one. Twice while it is changed.
    #[arg(long, value_name = "FILE", env = "DAVMUX_PROXY_SIGN_KEY_FILE", value_delimiter = ':')]
    sign_key_file: Vec<PathBuf>,
    /// The proxies in front whose forwarding headers tell the client's address, as addresses or networks.
    #[arg(long, value_name = "NETWORK", env = "DAVMUX_PROXY_TRUSTED_PROXIES", value_delimiter = ',')]
    trusted_proxy: Vec<String>,
    /// The certificate to serve https with, and those that lead to its root.
    #[arg(long, value_name = "FILE", env = "DAVMUX_PROXY_TLS_CERT", requires = "tls_key")]
    tls_cert: Option<PathBuf>,
    /// Its private key.
    #[arg(long, value_name = "FILE", env = "DAVMUX_PROXY_TLS_KEY", requires = "tls_cert")]
    tls_key: Option<PathBuf>,
    /// Also give out files for signatures that never expire, as AList makes them. davmux makes none.
    #[arg(long)]
    accept_endless: bool,
}

/// Works until a signal says to stop.
pub(crate) async fn proxy(args: ProxyArgs) -> anyhow::Result<ExitCode> {
    let tokens = secrets("token", &args.token_file)?;
    let keys = match args.sign_key_file.as_slice() {
        [] => SignKeys::new(&tokens).context("the token cannot be used")?,
        files => SignKeys::new(&secrets("signing key", files)?).context("the signing key cannot be used")?,
    };
    let token = tokens.into_iter().next().context("no --token-file is given")?;
    let worker = WorkerOptions { server: args.server, token, keys, endless: args.accept_endless };
    let worker = Worker::new(worker).context("no link can be fetched")?;
    let trusted = args.trusted_proxy.iter().map(|text| network(text)).collect::<Result<_, _>>()?;
    let options = Options {
        listen: vec![args.listen],
        trusted_proxies: trusted,
        tls: args.tls_cert.zip(args.tls_key).map(|(cert_file, key_file)| TlsFiles { cert_file, key_file }),
        // Signatures are the only credentials.
        anonymous: Anonymous::ReadOnly,
        ..Options::default()
    };
    let bound = Server::bind(options, worker).await?;
    for url in bound.urls() {
        writeln!(std::io::stdout(), "listening on {url}")?;
    }
    let drained = bound.serve(stop_signal()?).await;
    tracing::info!(cut = drained.cut, "stopped");
    Ok(ExitCode::SUCCESS)
}

fn secrets(what: &str, files: &[PathBuf]) -> anyhow::Result<Vec<Secret>> {
    let read = |file: &PathBuf| {
        let text = davmux_config::read_secret(Path::new(file));
        text.map(Secret::new).with_context(|| format!("the {what} in {} cannot be read", file.display()))
    };
    files.iter().map(read).collect()
}

fn network(text: &str) -> anyhow::Result<davmux_server::IpNet> {
    let network = text.parse().or_else(|_| text.parse().map(|address: std::net::IpAddr| address.into()));
    network.with_context(|| format!("--trusted-proxy {text} is not an address or a network such as 10.0.0.0/8"))
}
