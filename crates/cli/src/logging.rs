//! Log lines on standard error.

use std::io::{IsTerminal, stderr};

use anyhow::Context;
use tracing::{Level, Metadata};
use tracing_subscriber::filter::filter_fn;
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::util::SubscriberInitExt as _;
use tracing_subscriber::{EnvFilter, fmt};

use crate::args::LogFormat;

/// Begins to write log lines.
pub(crate) fn begin(format: Option<LogFormat>, filter: &str) -> anyhow::Result<()> {
    let filter = EnvFilter::builder()
        .parse(filter)
        .with_context(|| format!("--log {filter:?} is not a filter; try info, debug or warn"))?;
    let terminal = stderr().is_terminal();
    let wanted = tracing_subscriber::registry().with(filter).with(filter_fn(may_be_said));
    match format.unwrap_or(if terminal { LogFormat::Text } else { LogFormat::Json }) {
        LogFormat::Text => wanted.with(fmt::layer().with_writer(stderr).with_ansi(terminal).with_target(false)).init(),
        LogFormat::Json => {
            let lines = fmt::layer().with_writer(stderr).json();
            wanted.with(lines.flatten_event(true).with_current_span(false).with_span_list(false)).init();
        }
    }
    Ok(())
}

/// Whether a line may be written at all, however loud the log is meant to be: what libraries say below `info` may hold a
/// request as it was sent (the AWS SDK's orchestrator prints it with its signature and session token), and a filter is
/// easily wider than whoever wrote it thought.
fn may_be_said(line: &Metadata<'_>) -> bool {
    let target = line.target();
    let ours = target.starts_with("davmux") || matches!(target, "access" | "audit");
    ours || *line.level() <= Level::INFO
}
