//! `davmux check`: every mistake of a mounts file at once.

use std::fmt::Write as _;
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
    let messages: Vec<String> = messages.iter().map(|message| quoted(message)).collect();
    writeln!(std::io::stdout(), "{{\"ok\":{ok},\"messages\":[{}]}}", messages.join(","))?;
    Ok(if ok { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// A JSON string (RFC 8259 section 7).
fn quoted(text: &str) -> String {
    let mut out = String::from("\"");
    for c in text.chars() {
        match c {
            '"' | '\\' => out.extend(['\\', c]),
            c if c.is_control() => {
                let _ = write!(out, "\\u{:04x}", u32::from(c));
            }
            c => out.push(c),
        }
    }
    out.push('"');
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_json_cannot_hold_as_it_is_is_escaped() {
        assert_eq!(quoted("a\"b\\c\nd é"), "\"a\\\"b\\\\c\\u000ad é\"");
    }
}
