//! `davmux schema`, `completions` and `man`: what is made of the keys and the commands themselves.

use std::io::Write as _;
use std::path::Path;
use std::process::ExitCode;

use anyhow::Context as _;
use clap::CommandFactory as _;

use crate::args::Args;

/// Prints the JSON Schema of the mounts file.
pub(crate) fn schema() -> anyhow::Result<ExitCode> {
    print(format!("{:#}\n", davmux_config::schema()).as_bytes())
}

/// Prints the completions for a shell.
pub(crate) fn completions(shell: clap_complete::Shell) -> anyhow::Result<ExitCode> {
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut Args::command(), "davmux", &mut script);
    print(&script)
}

/// Prints the manual page, or writes one for each command into a folder.
pub(crate) fn man(dir: Option<&Path>) -> anyhow::Result<ExitCode> {
    let Some(dir) = dir else {
        let mut page = Vec::new();
        clap_mangen::Man::new(Args::command()).render(&mut page)?;
        return print(&page);
    };
    std::fs::create_dir_all(dir).with_context(|| format!("{}: cannot be made", dir.display()))?;
    clap_mangen::generate_to(Args::command(), dir)
        .with_context(|| format!("{}: the pages cannot be written there", dir.display()))?;
    Ok(ExitCode::SUCCESS)
}

/// At once, so that a reader who has seen enough does not make half of it an error.
fn print(bytes: &[u8]) -> anyhow::Result<ExitCode> {
    match std::io::stdout().write_all(bytes) {
        Err(error) if error.kind() == std::io::ErrorKind::BrokenPipe => {}
        written => written?,
    }
    Ok(ExitCode::SUCCESS)
}
