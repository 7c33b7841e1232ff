//! `davmux doctor --index`: the kept times of files that another program put into a bucket, read once for all.

use std::cell::Cell;
use std::io::{IsTerminal as _, Write as _};
use std::process::ExitCode;
use std::time::{Duration, Instant};

use anyhow::Context as _;
use davmux_config::{Config, Mount};
use davmux_tree::{Indexed, TreePath};
use serde_json::{Value, json};

use crate::args::DoctorArgs;

/// Between two lines of progress.
const SHOWN_EVERY: Duration = Duration::from_millis(200);

/// Fills the index of mounts. An interrupt ends it; what was read until then is kept, and the next one goes on
/// from there.
pub(crate) async fn index(config: &Config, mounts: Vec<&Mount>, args: &DoctorArgs) -> anyhow::Result<ExitCode> {
    anyhow::ensure!(
        config.server.state_dir.is_some(),
        "{} has no `state_dir`, so there is nowhere to keep what is read: write `server: {{ state_dir: state }}`",
        args.file.display()
    );
    let built = config.build().await.context(
        "the index cannot be filled; while the server runs it holds the state file, so stop it for that time",
    )?;
    let mut good = true;
    let mut results = Vec::new();
    for Mount { path, .. } in mounts {
        if !built.tree.may_index(path) {
            say(args, path, "keeps the times of its files itself; there is nothing to index")?;
            continue;
        }
        let progress = Progress::new(args.json);
        let counted = built.tree.count_unknown(path, |now| progress.show("counting", now.files, None)).await;
        let counted = progress.end(counted).with_context(|| format!("{path} cannot be listed"))?;
        let Indexed { files, unknown, .. } = counted;
        say(
            args,
            path,
            &format!("{files} files; of {unknown} no time is known yet, so {unknown} calls (HEAD) follow"),
        )?;
        let indexed = built.tree.index(path, |now| progress.show("reading", now.looked, Some(unknown))).await;
        let indexed = progress.end(indexed).with_context(|| format!("{path} cannot be indexed"))?;
        let Indexed { looked, found, failed, .. } = indexed;
        say(
            args,
            path,
            &format!("{looked} files read, {found} with a time or a checksum, {failed} could not be read"),
        )?;
        good &= failed == 0;
        results.push(json!({
            "mount": path.to_string(), "files": files, "unknown": unknown, "looked": looked, "found": found, "failed": failed,
        }));
    }
    if args.json {
        writeln!(std::io::stdout(), "{}", json!({ "ok": good, "mounts": Value::from(results) }))?;
    }
    Ok(if good { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn say(args: &DoctorArgs, path: &TreePath, what: &str) -> std::io::Result<()> {
    if args.json { Ok(()) } else { writeln!(std::io::stdout(), "{path}: {what}") }
}

/// A line on a terminal.
struct Progress {
    shown: bool,
    last: Cell<Option<Instant>>,
}

impl Progress {
    fn new(quiet: bool) -> Self {
        Self { shown: !quiet && std::io::stderr().is_terminal(), last: Cell::new(None) }
    }

    fn show(&self, doing: &str, done: u64, of: Option<u64>) {
        if self.shown && self.last.get().is_none_or(|last| last.elapsed() >= SHOWN_EVERY) {
            self.last.set(Some(Instant::now()));
            let of = of.map(|of| format!(" of {of}")).unwrap_or_default();
            eprint!("\r\x1b[K  ... {doing} {done}{of}");
        }
    }

    /// Clears the line.
    fn end<T>(&self, result: T) -> T {
        if self.shown {
            eprint!("\r\x1b[K");
        }
        result
    }
}
