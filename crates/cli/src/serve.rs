//! `davmux serve`: from a built configuration to a running server, and back.

use std::io::Write;
use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::{Instant, SystemTime};

use anyhow::Context;
use davmux_config::{Built, Config};
use davmux_dav::{Clock, LockTable};
use davmux_server::{Listen, Server};
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use crate::notify;
use crate::reload::{Process, Reloads, Running, Source};

/// Serves what a file describes.
pub(crate) async fn serve_file(file: &Path, listen: Option<&str>) -> anyhow::Result<ExitCode> {
    let listen = listen.map(str::parse).transpose();
    let listen = listen.context("--listen is not an address")?;
    let source = Source { file: file.to_owned(), listen };
    let config = source.load().await?;
    let built = build(&config, file).await?;
    serve(source, config, built, |_| Ok(())).await?;
    Ok(ExitCode::SUCCESS)
}

/// Builds the tree of a configuration.
pub(crate) async fn build(config: &Config, file: &Path) -> anyhow::Result<Built> {
    config.build().await.with_context(|| format!("{} cannot be served", file.display()))
}

/// Serves until a signal says to stop; `ready` is told the addresses first.
pub(crate) async fn serve(
    source: Source,
    config: Config,
    built: Built,
    ready: impl FnOnce(&[Listen]) -> anyhow::Result<()>,
) -> anyhow::Result<()> {
    // From here on a SIGHUP waits for its turn and does not end the process.
    let hangups = signal(SignalKind::hangup()).context("SIGHUP cannot be waited for")?;
    let clock: Clock = Arc::new(SystemTime::now);
    let locks = LockTable::open(Arc::clone(&built.base.store), Arc::clone(&clock)).await;
    let locks = Arc::new(locks.context("the locks in `state_dir` cannot be read")?);
    let (reloads, asked) = Reloads::new();
    let process = Process { base: built.base.clone(), locks, clock, reloads };
    let serving = process.serving(built)?;
    let tree = Arc::clone(&serving.tree);
    let bound = Server::bind(serving.options.clone(), serving.app.clone()).await?;
    let watched = process.watched(&serving, bound.handle());
    let admin = Server::bind_admin(serving.admin_listen, watched).await?;
    let addresses = bound.addresses();
    let urls = bound.urls();
    for url in &urls {
        writeln!(std::io::stdout(), "listening on {url}")?;
    }
    for url in admin.urls() {
        writeln!(std::io::stdout(), "administration on {url}")?;
    }
    ready(&addresses)?;
    let (server, handle) = (bound.handle(), admin.handle());
    // Before the first request, which may begin what must not be taken for something left behind.
    tree.recall().await;
    notify::ready(&format!("serving {}", urls.join(", ")));
    notify::watched();
    let mut running = Running { source, config, tree, process, server, admin: handle, starts: JoinSet::new() };
    running.start();
    let stop = stop_signal()?;
    let stopping = CancellationToken::new();
    let running = tokio::spawn(running.reload_until(stopping.clone(), hangups, asked));
    // Who watches is answered for as long as anything goes on.
    let (ended, all_ended) = tokio::sync::oneshot::channel::<()>();
    let admin = tokio::spawn(admin.serve(async move { drop(all_ended.await) }));
    let mut began = Instant::now();
    let drained = bound
        .serve(async {
            stop.await;
            began = Instant::now();
            stopping.cancel();
        })
        .await;
    let Running { config, tree, starts, .. } = running.await.context("reloading failed unexpectedly")?;
    drop(starts);
    // One limit for both: what outlived its request has what is left of it.
    tree.drain(config.server.drain.saturating_sub(began.elapsed())).await;
    drop(ended);
    admin.await.context("the administrator's listener failed")?;
    tracing::info!(cut = drained.cut, "stopped");
    Ok(())
}

/// Resolves at SIGTERM or SIGINT. A second one ends the process at once, as a crash would.
pub(crate) fn stop_signal() -> anyhow::Result<impl Future<Output = ()>> {
    let mut terminate = signal(SignalKind::terminate()).context("SIGTERM cannot be waited for")?;
    let mut interrupt = signal(SignalKind::interrupt()).context("SIGINT cannot be waited for")?;
    Ok(async move {
        either(&mut terminate, &mut interrupt).await;
        notify::stopping("requests in flight may end");
        tracing::info!("stopping: requests in flight may end, new ones are refused; once more to stop at once");
        tokio::spawn(async move {
            either(&mut terminate, &mut interrupt).await;
            tracing::warn!("stopped at once; what is left of uploads is removed at the next start");
            std::process::exit(1);
        });
    })
}

async fn either(terminate: &mut Signal, interrupt: &mut Signal) {
    tokio::select! {
        _ = terminate.recv() => {}
        _ = interrupt.recv() => {}
    }
}
