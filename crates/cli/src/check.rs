//! `davmux check`: every mistake of a mounts file at once.

use std::io::Write as _;
use std::path::Path;
use std::process::ExitCode;

use davmux_config::{Config, LoadError, Mistake};
use serde_json::{Value, json};

/// Looks through a file, without the network.
pub(crate) fn check(file: &Path, json: bool) -> anyhow::Result<ExitCode> {
    let result = Config::load(file);
    if json {
        return report(&result);
    }
    match result {
        Ok(config) => {
            for warning in config.warnings() {
                eprintln!("warning: {warning}");
            }
            eprintln!("{}: good", file.display());
            Ok(ExitCode::SUCCESS)
        }
        // Each line begins with its place, as editors look for it.
        Err(LoadError::Mistakes(mistakes)) => {
            eprintln!("{mistakes}");
            let count = mistakes.iter().count();
            eprintln!("{}: {count} mistake{}", file.display(), if count == 1 { "" } else { "s" });
            Ok(ExitCode::FAILURE)
        }
        Err(error) => Err(error.into()),
    }
}

fn report(result: &Result<Config, LoadError>) -> anyhow::Result<ExitCode> {
    let (ok, mistakes, warnings) = match result {
        Ok(config) => (true, Vec::new(), config.warnings().iter().map(finding).collect()),
        Err(LoadError::Mistakes(mistakes)) => (false, mistakes.iter().map(finding).collect(), Vec::new()),
        // Nothing of it was read, so nothing has a place.
        Err(error) => (false, vec![json!({ "line": null, "column": null, "message": error.to_string() })], Vec::new()),
    };
    let report = json!({ "ok": ok, "mistakes": mistakes, "warnings": warnings });
    writeln!(std::io::stdout(), "{report}")?;
    Ok(if ok { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn finding(finding: &Mistake) -> Value {
    json!({ "line": finding.at.line, "column": finding.at.column, "message": finding.message })
}
