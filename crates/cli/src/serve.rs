//! `davmux serve`: from a built configuration to a running server, and back.

use std::io::Write;
use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::SystemTime;

use anyhow::Context;
use davmux_config::{Built, Config};
use davmux_dav::{Clock, Dav, DavOptions, LockTable};
use davmux_server::{Listen, Server};
use tokio::signal::unix::{SignalKind, signal};

use crate::admin::Watched;
use crate::app::App;

/// Serves what a file describes.
pub(crate) async fn serve_file(file: &Path, listen: Option<&str>) -> anyhow::Result<ExitCode> {
    let config = Config::load(file)?;
    for warning in config.warnings() {
        tracing::warn!("{warning}");
    }
    let mut built = build(&config, file).await?;
    if let Some(listen) = listen {
        let address = listen.parse().with_context(|| format!("--listen {listen} is not an address"))?;
        built.server.listen = vec![address];
    }
    serve(built, |_| Ok(())).await?;
    Ok(ExitCode::SUCCESS)
}

/// Builds the tree of a configuration.
pub(crate) async fn build(config: &Config, file: &Path) -> anyhow::Result<Built> {
    config.build().await.with_context(|| format!("{} cannot be served", file.display()))
}

/// Serves until a signal says to stop; `ready` is told the addresses first.
pub(crate) async fn serve(built: Built, ready: impl FnOnce(&[Listen]) -> anyhow::Result<()>) -> anyhow::Result<()> {
    let Built { tree, store, metrics, server, admin_listen, base_path, users, anonymous } = built;
    let drain = server.drain;
    let clock: Clock = Arc::new(SystemTime::now);
    let locks = LockTable::open(store, Arc::clone(&clock)).await.context("the locks in `state_dir` cannot be read")?;
    let options = DavOptions { base_path, locks: Arc::new(locks), clock };
    let dav = Dav::new(options).context("base_path cannot be used")?;
    let bound = Server::bind(server, App { dav: dav.clone(), users, anonymous }).await?;
    let watched = Watched { tree: Arc::clone(&tree), dav, requests: bound.metrics(), mounts: metrics };
    let admin = Server::bind_admin(admin_listen, watched).await?;
    let addresses = bound.addresses();
    for address in &addresses {
        match address {
            Listen::Tcp(address) => writeln!(std::io::stdout(), "listening on http://{address}/")?,
            Listen::Unix(path) => writeln!(std::io::stdout(), "listening on unix:{}", path.display())?,
        }
    }
    for address in admin.addresses() {
        match address {
            Listen::Tcp(address) => writeln!(std::io::stdout(), "administration on http://{address}/")?,
            Listen::Unix(path) => writeln!(std::io::stdout(), "administration on unix:{}", path.display())?,
        }
    }
    ready(&addresses)?;
    // A mount in trouble must not keep the others waiting.
    let start = tokio::spawn({
        let tree = Arc::clone(&tree);
        async move { tree.start().await }
    });
    let stop = stop_signal()?;
    // Who watches is answered for as long as anything goes on.
    let (ended, all_ended) = tokio::sync::oneshot::channel::<()>();
    let admin = tokio::spawn(admin.serve(async move { drop(all_ended.await) }));
    let drained = bound.serve(stop).await;
    start.abort();
    tree.drain(drain).await;
    drop(ended);
    admin.await.context("the administrator's listener failed")?;
    tracing::info!(cut = drained.cut, "stopped");
    Ok(())
}

/// Resolves at SIGTERM or SIGINT.
fn stop_signal() -> anyhow::Result<impl Future<Output = ()>> {
    let mut terminate = signal(SignalKind::terminate()).context("SIGTERM cannot be waited for")?;
    let mut interrupt = signal(SignalKind::interrupt()).context("SIGINT cannot be waited for")?;
    Ok(async move {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
        tracing::info!("stopping: requests in flight may end, new ones are refused");
    })
}
