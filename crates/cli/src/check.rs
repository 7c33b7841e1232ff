//! `davmux check`: every mistake of a mounts file at once.

use std::io::Write;
use std::path::Path;
use std::process::ExitCode;

use anyhow::Context;
use davmux_config::{Config, Mistakes};

/// Looks through a file, without the network.
pub(crate) fn check(file: &Path, json: bool) -> anyhow::Result<ExitCode> {
    let result = read(file)?;
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
        Err(mistakes) => {
            eprintln!("{mistakes}");
            Ok(ExitCode::FAILURE)
        }
    }
}

/// A file that must be good; `None` after its mistakes were printed.
pub(crate) fn load(file: &Path) -> anyhow::Result<Option<Config>> {
    Ok(match read(file)? {
        Ok(config) => Some(config),
        Err(mistakes) => {
            eprintln!("{mistakes}");
            None
        }
    })
}

fn read(file: &Path) -> anyhow::Result<Result<Config, Mistakes>> {
    let text = std::fs::read_to_string(file).with_context(|| format!("{} cannot be read", file.display()))?;
    let base = std::path::absolute(file.parent().unwrap_or(Path::new("")))
        .with_context(|| format!("the folder of {} cannot be found", file.display()))?;
    Ok(Config::parse(&text, &file.display().to_string(), &base, |name: &str| std::env::var(name).ok()))
}

fn report(result: &Result<Config, Mistakes>) -> anyhow::Result<ExitCode> {
    let (ok, lines): (bool, Vec<String>) = match result {
        Ok(config) => (true, config.warnings().iter().map(ToString::to_string).collect()),
        Err(mistakes) => (false, mistakes.to_string().lines().map(str::to_owned).collect()),
    };
    let texts: Vec<String> = lines.iter().map(|line| quoted(line)).collect();
    writeln!(std::io::stdout(), "{{\"ok\":{ok},\"messages\":[{}]}}", texts.join(","))?;
    Ok(if ok { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// A JSON string (RFC 8259 section 7).
fn quoted(text: &str) -> String {
    let mut out = String::from("\"");
    for c in text.chars() {
        match c {
            '"' | '\\' => out.extend(['\\', c]),
            c if c.is_control() => out.push_str(&format!("\\u{:04x}", u32::from(c))),
            c => out.push(c),
        }
    }
    out.push('"');
    out
}
