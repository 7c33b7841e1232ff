//! What can be typed.

use std::net::SocketAddr;
use std::path::PathBuf;

use clap::{Parser, Subcommand, ValueEnum};

/// Buckets and folders in one tree, served over WebDAV.
#[derive(Debug, Parser)]
#[command(name = "davmux", version, arg_required_else_help = true)]
pub(crate) struct Args {
    /// What to do.
    #[command(subcommand)]
    pub(crate) command: Command,

    /// Text for people, JSON lines for programs; by default text on a terminal and JSON otherwise.
    #[arg(long, global = true, value_name = "FORMAT")]
    pub(crate) log_format: Option<LogFormat>,

    /// What is logged: error, warn, info, debug, trace, or a filter such as `info,davmux_tree=debug`.
    #[arg(long, global = true, value_name = "FILTER", default_value = "info")]
    pub(crate) log: String,
}

/// How log lines look.
#[derive(Clone, Copy, Debug, ValueEnum)]
pub(crate) enum LogFormat {
    /// For people.
    Text,
    /// One JSON object a line.
    Json,
}

/// What to do.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Serve at once, with nothing configured: a local folder and two buckets, with sample files.
    Demo {
        /// Where to listen; port 0 takes a free one.
        #[arg(long, value_name = "ADDR", default_value = "127.0.0.1:8080")]
        listen: SocketAddr,
        /// Keep the files here, instead of in a temporary folder.
        #[arg(long, value_name = "DIR")]
        dir: Option<PathBuf>,
    },
    /// Serve the tree that a mounts file describes.
    Serve {
        /// The mounts file.
        #[arg(default_value = "mounts.yaml")]
        file: PathBuf,
        /// Listen here, whatever the file says; port 0 takes a free one.
        #[arg(long, value_name = "ADDR")]
        listen: Option<String>,
    },
    /// Look through a mounts file, without the network: every mistake at once, with line and column.
    Check {
        /// The mounts file.
        #[arg(default_value = "mounts.yaml")]
        file: PathBuf,
        /// One JSON object on standard output, for programs.
        #[arg(long)]
        json: bool,
    },
    /// Read a password from standard input and print its hash for `password_hash`.
    HashPassword,
}
