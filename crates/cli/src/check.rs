//! `davmux check`: every mistake of a mounts file at once.

use std::io::Write as _;
use std::path::Path;
use std::process::ExitCode;

use davmux_config::{Config, LoadError};

/// Looks through a file, without the network.
pub(crate) fn check(file: &Path, json: bool) -> anyhow::Result<ExitCode> {
    let result = Config::load(file);
    if json {
        return report(&result);
    }
    let config = result?;
    for warning in config.warnings() {
        eprintln!("warning: {warning}");
    }
    eprintln!("{}: good", file.display());
    Ok(ExitCode::SUCCESS)
}

fn report(result: &Result<Config, LoadError>) -> anyhow::Result<ExitCode> {
    let (ok, messages) = match result {
        Ok(config) => (true, config.warnings().iter().map(ToString::to_string).collect()),
        Err(error) => (false, error.to_string().lines().map(str::to_owned).collect::<Vec<_>>()),
    };
    writeln!(std::io::stdout(), "{}", serde_json::json!({ "ok": ok, "messages": messages }))?;
    Ok(if ok { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}
