//! `davmux hash-password`: a password to its hash, which may stand in the mounts file.

use std::io::{IsTerminal as _, Read as _, Write as _, stdin};
use std::process::ExitCode;

use anyhow::Context as _;

/// Asks for a password, unseen and twice at a terminal, and prints its hash.
pub(crate) fn hash_password() -> anyhow::Result<ExitCode> {
    let password = if stdin().is_terminal() { typed()? } else { piped()? };
    anyhow::ensure!(!password.is_empty(), "the password is empty");
    let hash = davmux_server::hash_password(&password).context("the password cannot be hashed")?;
    writeln!(std::io::stdout(), "{hash}")?;
    Ok(ExitCode::SUCCESS)
}

/// Makes a token and prints it with its hash.
pub(crate) fn new_token() -> anyhow::Result<ExitCode> {
    let (token, hash) = davmux_server::new_token();
    writeln!(std::io::stdout(), "token: {}\nhash: {hash}", token.expose())?;
    Ok(ExitCode::SUCCESS)
}

fn typed() -> anyhow::Result<String> {
    let ask = |prompt| rpassword::prompt_password(prompt).context("the password cannot be read from the terminal");
    let password = ask("Password: ")?;
    anyhow::ensure!(password == ask("The same again: ")?, "these were two different passwords; nothing is hashed");
    Ok(password)
}

/// All of standard input but one line end.
fn piped() -> anyhow::Result<String> {
    let mut password = String::new();
    stdin().read_to_string(&mut password).context("the password cannot be read from standard input")?;
    let password = password.strip_suffix('\n').unwrap_or(&password);
    Ok(password.strip_suffix('\r').unwrap_or(password).to_owned())
}
