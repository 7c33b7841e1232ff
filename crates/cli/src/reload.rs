//! Another file in the place of the one that is served: all of it, or nothing.
//!
//! What can fail is done first: reading the file, making its drivers, binding its new addresses. Then requests go to the new
//! tree from one moment to the next, and those in flight end on the former one. Reloads are done one after the other.

use std::path::PathBuf;
use std::sync::Arc;

use anyhow::Context as _;
use davmux_config::{Base, Built, Changes, Config, LoadError};
use davmux_dav::{Clock, Dav, DavOptions, LockTable};
use davmux_metrics::{Counter, Each, Page};
use davmux_server::{Admin, Handle, Listen, Options};
use davmux_tree::Tree;
use tokio::signal::unix::Signal;
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use crate::admin::Watched;
use crate::app::App;
use crate::link_api::LinkApi;
use crate::notify;

/// Where a configuration comes from, each time it is read.
pub(crate) struct Source {
    pub(crate) file: PathBuf,
    /// In place of what the file says.
    pub(crate) listen: Option<Listen>,
}

impl Source {
    /// Reads it, and says what deserves a warning.
    pub(crate) async fn load(&self) -> anyhow::Result<Config> {
        let file = self.file.clone();
        let mut config = tokio::task::spawn_blocking(move || Config::load(&file)).await??;
        for warning in config.warnings() {
            tracing::warn!("{warning}");
        }
        if let Some(listen) = &self.listen {
            config.server.listen = vec![listen.clone()];
        }
        Ok(config)
    }
}

davmux_metrics::label! {
    /// How a reload ended.
    enum Outcome: "result" {
        /// What the file says is served.
        Done = "done",
        /// What was served still is.
        Failed = "failed",
    }
}

/// Asks for a reload, and is told what it changed or why there was none.
#[derive(Clone)]
pub(crate) struct Reloads {
    asks: mpsc::Sender<Asked>,
    ended: Arc<Each<Outcome, Counter>>,
}

type Asked = oneshot::Sender<Result<String, String>>;

impl Reloads {
    pub(crate) fn new() -> (Self, mpsc::Receiver<Asked>) {
        let (sender, receiver) = mpsc::channel(1);
        (Self { asks: sender, ended: Arc::default() }, receiver)
    }

    pub(crate) async fn ask(&self) -> Result<String, String> {
        let stopping = || "the server is stopping".to_owned();
        let (sender, answer) = oneshot::channel();
        self.asks.send(sender).await.map_err(|_| stopping())?;
        answer.await.map_err(|_| stopping())?
    }

    /// Writes how many there were, by signal too.
    pub(crate) fn write(&self, page: &mut Page) {
        page.counters("davmux_reloads", "Reloads of the mounts file.").each(&self.ended);
    }
}

/// What of a process outlives a reload.
pub(crate) struct Process {
    pub(crate) base: Base,
    pub(crate) locks: Arc<LockTable>,
    pub(crate) clock: Clock,
    pub(crate) reloads: Reloads,
}

/// What is made of a configuration.
pub(crate) struct Serving {
    pub(crate) tree: Arc<Tree>,
    pub(crate) options: Options,
    pub(crate) app: App,
    pub(crate) admin_listen: Option<Listen>,
}

impl Process {
    pub(crate) fn serving(&self, built: Built) -> anyhow::Result<Serving> {
        let Built { tree, base: _, server: options, admin_listen, base_path, users, anonymous, proxy_tokens } = built;
        let links = proxy_tokens.map(|tokens| LinkApi::new(&base_path, tokens, Arc::clone(&tree)));
        let locks = Arc::<LockTable>::clone(&self.locks);
        let dav = Dav::new(DavOptions { base_path, locks, clock: Arc::clone(&self.clock) });
        let app = App { dav: dav.context("base_path cannot be used")?, users, anonymous, links };
        Ok(Serving { tree, options, app, admin_listen })
    }

    pub(crate) fn watched(&self, serving: &Serving, server: Handle<App>) -> Watched {
        Watched {
            tree: Arc::clone(&serving.tree),
            dav: serving.app.dav.clone(),
            server,
            mounts: Arc::clone(&self.base.metrics),
            relays: self.base.relays.clone(),
            reloads: self.reloads.clone(),
        }
    }
}

/// What is being served, and what it takes to serve something else.
pub(crate) struct Running {
    pub(crate) source: Source,
    pub(crate) config: Config,
    pub(crate) tree: Arc<Tree>,
    pub(crate) process: Process,
    pub(crate) server: Handle<App>,
    pub(crate) admin: Handle<Admin<Watched>>,
    /// Looks at mounts that are new.
    pub(crate) starts: JoinSet<()>,
}

impl Running {
    /// Looks at the mounts; one in trouble must not keep the others waiting.
    pub(crate) fn start(&mut self) {
        while self.starts.try_join_next().is_some() {}
        let tree = Arc::clone(&self.tree);
        self.starts.spawn(async move { tree.start().await });
    }

    /// Reloads whenever it is asked to, until it is to stop; then what is served stays as it is.
    pub(crate) async fn reload_until(
        mut self,
        stop: CancellationToken,
        mut hangups: Signal,
        mut asked: mpsc::Receiver<Asked>,
    ) -> Self {
        loop {
            let asked = tokio::select! {
                biased;
                () = stop.cancelled() => return self,
                // Several that come during one reload are one.
                Some(()) = hangups.recv() => None,
                Some(asked) = asked.recv() => Some(asked),
            };
            let result = self.reload_and_say().await;
            if let Some(asked) = asked {
                // Whoever asked may have left.
                let _ = asked.send(result);
            }
        }
    }

    async fn reload_and_say(&mut self) -> Result<String, String> {
        notify::reloading();
        match self.reload().await {
            Ok(changes) => {
                self.process.reloads.ended[Outcome::Done].inc();
                notify::ready(&format!("reloaded: {changes}"));
                tracing::info!(target: "audit", action = "reload", result = "done", %changes, "reloaded");
                Ok(changes.to_string())
            }
            Err(error) => {
                self.process.reloads.ended[Outcome::Failed].inc();
                // As `davmux check` says it: each mistake by itself.
                let told = match error.downcast_ref::<LoadError>() {
                    Some(LoadError::Mistakes(mistakes)) => mistakes.iter().map(ToString::to_string).collect(),
                    _ => vec![format!("{error:#}")],
                };
                for mistake in &told {
                    tracing::error!("{mistake}");
                }
                notify::ready("not reloaded, and the log says why: what is served stays as it is");
                tracing::error!(file = %self.source.file.display(), "not reloaded: what is served stays as it is");
                Err(told.join("\n"))
            }
        }
    }

    async fn reload(&mut self) -> anyhow::Result<Changes> {
        let config = self.source.load().await?;
        let built = config.build_beside(&self.config, &self.tree, &self.process.base).await;
        let (built, changes) = built.with_context(|| format!("{} cannot be served", self.source.file.display()))?;
        let serving = self.process.serving(built)?;
        let watched = self.process.watched(&serving, self.server.clone());
        let Serving { tree, options, app, admin_listen } = serving;
        let server = self.server.prepare(options, app).await?;
        let admin = self.admin.prepare_admin(admin_listen, watched).await?;
        // Nothing fails from here on.
        for address in server.added() {
            tracing::info!(%address, "listening");
        }
        for address in admin.added() {
            tracing::info!(%address, "listening for an administrator");
        }
        self.process.base.follow(&config);
        self.tree.give_way_to(&tree);
        server.commit().await;
        admin.commit().await;
        self.tree = tree;
        self.config = config;
        self.start();
        Ok(changes)
    }
}
