//! `davmux import`: another program's configuration, as a mounts file.

use std::collections::HashMap;
use std::fs::{File, OpenOptions};
use std::io::{Read as _, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;
use std::process::ExitCode;

use anyhow::Context as _;
use davmux_config::{Config, LoadError};
use davmux_import::{Rendered, Secret, Secrets};

use crate::args;

/// Reads one file, writes another, and tells what is not in it.
pub(crate) fn import(from: args::Import) -> anyhow::Result<ExitCode> {
    let (imported, files) = match from {
        args::Import::Alist { files } => (davmux_import::alist(&read(&files.file)?, &mut new_password), files),
        args::Import::Rclone { files, bucket } => (davmux_import::rclone(&read(&files.file)?, &bucket), files),
    };
    let imported = imported.with_context(|| files.file.display().to_string())?;
    let in_file = files.output.is_some() && files.secrets.is_none();
    let rendered = imported.render(if in_file { Secrets::InFile } else { Secrets::InVariables });
    for note in imported.notes() {
        eprintln!("not taken over: {note}");
    }
    if let Some(path) = &files.secrets {
        write_private(path, &environment(&rendered))?;
    } else if !rendered.variables.is_empty() {
        let names: Vec<&str> = rendered.variables.iter().map(|(name, _)| name.as_str()).collect();
        eprintln!("set {}: no secret is printed; `--secrets FILE` or `--output FILE` writes them", names.join(", "));
    }
    match &files.output {
        Some(path) => write_private(path, &rendered.yaml)?,
        None => std::io::stdout().write_all(rendered.yaml.as_bytes())?,
    }
    judge(&rendered, files.output.as_deref())
}

fn read(path: &Path) -> anyhow::Result<String> {
    let mut text = String::new();
    let read = if path == Path::new("-") {
        std::io::stdin().read_to_string(&mut text)
    } else {
        File::open(path).and_then(|mut file| file.read_to_string(&mut text))
    };
    read.with_context(|| format!("{}: cannot be read", path.display()))?;
    Ok(text)
}

/// A new file, for its owner alone. One that is there may be somebody's work of an afternoon.
fn write_private(path: &Path, text: &str) -> anyhow::Result<()> {
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path).map_err(|error| {
        if error.kind() == std::io::ErrorKind::AlreadyExists {
            anyhow::anyhow!(
                "{}: is there already, and is not written over; name another, or move it away",
                path.display()
            )
        } else {
            anyhow::Error::new(error).context(format!("{}: cannot be written", path.display()))
        }
    })?;
    file.write_all(text.as_bytes()).with_context(|| format!("{}: cannot be written", path.display()))
}

/// Lines that a shell and systemd's EnvironmentFile read alike.
fn environment(rendered: &Rendered) -> String {
    rendered.variables.iter().map(|(name, secret)| format!("{name}=\"{}\"\n", escaped(secret.reveal()))).collect()
}

/// What stands between double quotes: both know a backslash before these four there (POSIX.1-2024 XCU 2.2.3; systemd's
/// `src/basic/env-file.c`), while systemd reads no single quote inside a value as a shell does.
fn escaped(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for c in text.chars() {
        if matches!(c, '"' | '\\' | '`' | '$') {
            escaped.push('\\');
        }
        escaped.push(c);
    }
    escaped
}

/// What `davmux check` will say of it.
fn judge(rendered: &Rendered, output: Option<&Path>) -> anyhow::Result<ExitCode> {
    let variables: HashMap<&str, &str> =
        rendered.variables.iter().map(|(name, secret)| (name.as_str(), secret.reveal())).collect();
    let name = output.map_or_else(|| "standard output".to_owned(), |path| path.display().to_string());
    let base_dir = std::path::absolute(output.unwrap_or(Path::new("mounts.yaml")))?;
    let base_dir = base_dir.parent().unwrap_or(Path::new("/"));
    let environment = |name: &str| variables.get(name).map(|value| (*value).to_owned());
    match Config::parse(&rendered.yaml, &name, base_dir, environment) {
        Ok(_) => Ok(ExitCode::SUCCESS),
        Err(mistakes) => {
            eprintln!("to be put right by hand, then `davmux check`:\n{}", LoadError::from(mistakes));
            Ok(ExitCode::FAILURE)
        }
    }
}

/// 120 bits, in letters and digits that are not taken for each other.
fn new_password() -> Secret {
    Secret::new(crate::demo::random(24))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_shell_reads_what_was_written_between_double_quotes() {
        for text in ["plain", "it's", "a\"b", "back\\slash", "`id`", "$HOME ${HOME}", "a b#c;d&e|f!", "\\\"'"] {
            let script = format!("A=\"{}\"; printf %s \"$A\"", escaped(text));
            let said = std::process::Command::new("sh").args(["-c", &script]).output().unwrap();
            assert_eq!(String::from_utf8(said.stdout).unwrap(), text);
        }
    }
}
