//! davmux: buckets and folders in one tree, served over WebDAV.
//!
//! What was typed (`args.rs`) becomes one of the commands: `serve.rs`, `check.rs`, `cors.rs`, `doctor.rs`, `demo/`. Errors of all of them are printed
//! here, once, with their causes, and become the exit status: 0 done, 1 it failed, 2 wrong usage (clap's own).

mod admin;
mod app;
mod args;
mod check;
mod cors;
mod demo;
mod doctor;
mod index;
mod logging;
mod reload;
mod serve;

use std::io::{Read, Write};
use std::process::ExitCode;

use anyhow::Context;
use clap::Parser;

use args::{Args, Command};

fn main() -> ExitCode {
    let args = Args::parse();
    match run(args) {
        Ok(code) => code,
        Err(error) => {
            eprintln!("davmux: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(args: Args) -> anyhow::Result<ExitCode> {
    match args.command {
        Command::Check { file, json } => check::check(&file, json),
        Command::Cors { what } => runtime()?.block_on(cors::cors(what)),
        Command::Doctor(args) => runtime()?.block_on(doctor::doctor(args)),
        Command::HashPassword => hash_password(),
        Command::Serve { file, listen } => {
            logging::begin(args.log_format, &args.log)?;
            davmux_server::raise_descriptor_limit();
            runtime()?.block_on(serve::serve_file(&file, listen.as_deref()))
        }
        Command::Demo { listen, dir } => {
            logging::begin(args.log_format, &args.log)?;
            runtime()?.block_on(demo::demo(listen, dir))
        }
    }
}

fn runtime() -> anyhow::Result<tokio::runtime::Runtime> {
    tokio::runtime::Builder::new_multi_thread().enable_all().build().context("the runtime cannot start")
}

fn hash_password() -> anyhow::Result<ExitCode> {
    let mut password = String::new();
    std::io::stdin().read_to_string(&mut password).context("the password cannot be read from standard input")?;
    let password = password.strip_suffix('\n').unwrap_or(&password);
    let password = password.strip_suffix('\r').unwrap_or(password);
    anyhow::ensure!(!password.is_empty(), "the password is empty; give one on standard input");
    let hash = davmux_server::hash_password(password).context("the password cannot be hashed")?;
    writeln!(std::io::stdout(), "{hash}")?;
    Ok(ExitCode::SUCCESS)
}
