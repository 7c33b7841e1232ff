//! davmux: buckets and folders in one tree, served over WebDAV.
//!
//! What was typed (`args.rs`) becomes one of the commands, each in a file of its name; `generated.rs` has those that print what is
//! made of the commands and keys themselves. Errors of all of them are printed here, once, with their causes, and become the exit status: 0 done, 1 it failed, 2 wrong usage (clap's own).

mod admin;
mod app;
mod args;
mod check;
mod cors;
mod demo;
mod doctor;
mod generated;
mod health;
mod import;
mod index;
mod link;
mod link_api;
mod logging;
mod notify;
mod password;
mod proxy;
mod reload;
mod serve;

use std::process::ExitCode;

use anyhow::Context;
use clap::Parser;
use davmux_tree::LinkTo;

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
        Command::HashPassword { token: false } => password::hash_password(),
        Command::HashPassword { token: true } => password::new_token(),
        Command::Import { from } => import::import(from),
        Command::Link { file, path, expire, direct, json } => {
            let file = file.unwrap_or_else(|| "mounts.yaml".into());
            let to = if direct { LinkTo::Storage } else { LinkTo::Clients };
            runtime()?.block_on(link::link(&file, &path, expire, to, json))
        }
        Command::Schema => generated::schema(),
        Command::Completions { shell } => generated::completions(shell),
        Command::Man { dir } => generated::man(dir.as_deref()),
        Command::Health { file, at, ready } => runtime()?.block_on(health::health(&file, at, ready)),
        Command::Serve { file, listen } => {
            logging::begin(args.log_format, &args.log)?;
            davmux_server::raise_descriptor_limit();
            runtime()?.block_on(serve::serve_file(&file, listen.as_deref()))
        }
        Command::Proxy(proxy) => {
            logging::begin(args.log_format, &args.log)?;
            davmux_server::raise_descriptor_limit();
            runtime()?.block_on(proxy::proxy(proxy))
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
