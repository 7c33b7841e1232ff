//! What can be typed.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use clap::{Parser, Subcommand, ValueEnum};
use davmux_server::Listen;
use davmux_tree::TreePath;

use crate::proxy::ProxyArgs;

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
    /// The CORS rules of a mount's bucket: what pages in a browser may do with links into it.
    Cors {
        /// What to do.
        #[command(subcommand)]
        what: Cors,
    },
    /// Look at each mount's storage over the network: what works, what does not, and what to write into the file.
    Doctor(DoctorArgs),
    /// Print a link for one file, for a person or a player: where its bytes are fetched from, without a login.
    #[command(allow_missing_positional = true)]
    Link {
        /// The mounts file; `mounts.yaml` where it is left out.
        file: Option<PathBuf>,
        /// The file in the tree, such as /films/a.mkv.
        #[arg(value_parser = tree_path)]
        path: TreePath,
        /// How long the link works, 1s to 7d; a bare number is hours. By default `sign_url_expire` of the mount.
        #[arg(long, value_name = "DURATION", value_parser = link_life)]
        expire: Option<Duration>,
        /// The storage's own link, where the mount is read through a download proxy.
        #[arg(long)]
        direct: bool,
        /// One JSON object on standard output, for programs.
        #[arg(long)]
        json: bool,
    },
    /// Turn another program's configuration into a mounts file. What cannot be taken over is told, with the reason.
    Import {
        /// Of which program.
        #[command(subcommand)]
        from: Import,
    },
    /// Ask a running server, at its `admin_listen`, whether it is well. Exit status 0: yes, 1: no.
    Health {
        /// The mounts file.
        #[arg(default_value = "mounts.yaml")]
        file: PathBuf,
        /// Ask here, whatever the file says.
        #[arg(long, value_name = "ADDR")]
        at: Option<Listen>,
        /// Whether a mount answers, too; what is known of each is printed.
        #[arg(long)]
        ready: bool,
    },
    /// The download proxy of mounts with `read: proxy_url`: gives out the files that a davmux signs links for.
    Proxy(ProxyArgs),
    /// Ask for a password and print its hash for `password_hash`. Without a terminal it is read from standard input.
    HashPassword {
        /// Ask for nothing: make a token for a user's scripts and print it, once, with its hash for `tokens`.
        #[arg(long)]
        token: bool,
    },
    /// Print the JSON Schema of the mounts file, for editors.
    Schema,
    /// Print what a shell needs to complete commands and options.
    Completions {
        /// The shell.
        shell: clap_complete::Shell,
    },
    /// Print the manual page, for `man -l -`.
    Man {
        /// Write a page for each command into this folder instead.
        #[arg(long, value_name = "DIR")]
        dir: Option<PathBuf>,
    },
}

/// What to look at.
#[derive(Debug, clap::Args)]
pub(crate) struct DoctorArgs {
    /// The mounts file.
    #[arg(default_value = "mounts.yaml")]
    pub(crate) file: PathBuf,
    /// Only the mount at this path.
    #[arg(long, value_name = "PATH", value_parser = tree_path)]
    pub(crate) mount: Option<TreePath>,
    /// Look at nothing, and remove the upload in progress that has this id; more than once for several.
    #[arg(long, value_name = "ID")]
    pub(crate) abort: Vec<String>,
    /// Look at nothing else, and read the kept time of each file of a bucket of which none is known yet: one call a file,
    /// whose number is said before. Needs `state_dir`; the server must not run.
    #[arg(long, conflicts_with = "abort")]
    pub(crate) index: bool,
    /// One JSON object on standard output, for programs.
    #[arg(long)]
    pub(crate) json: bool,
}

/// What to do with CORS rules.
#[derive(Debug, Subcommand)]
pub(crate) enum Cors {
    /// Print the rules as they are.
    Show {
        /// Of which bucket.
        #[command(flatten)]
        bucket: OfMount,
    },
    /// Add the rule that lets pages read and write over links; every other rule stays. What changes is printed.
    Apply {
        /// Of which bucket.
        #[command(flatten)]
        bucket: OfMount,
        /// Where the pages come from, such as `https://example.com`; more than once for several. `*` is everywhere.
        #[arg(long, value_name = "ORIGIN", default_value = "*", value_parser = origin)]
        origin: Vec<String>,
        /// Print what would change, and change nothing.
        #[arg(long)]
        dry_run: bool,
    },
}

/// A program whose configuration is understood.
#[derive(Debug, Subcommand)]
pub(crate) enum Import {
    /// A backup of AList or OpenList, made in their settings without a password: storages of S3, Doge, UpYun (USS) and
    /// Local, and users.
    Alist {
        /// What to read and to write.
        #[command(flatten)]
        files: Imported,
    },
    /// An rclone.conf: aliases and combines, and what they lead to in buckets and folders.
    Rclone {
        /// What to read and to write.
        #[command(flatten)]
        files: Imported,
        /// A bucket of a remote of type s3 that becomes a mount, as rclone names it (`remote:bucket`, `remote:bucket/folder`);
        /// more than once for several.
        #[arg(long, value_name = "REMOTE:BUCKET", value_parser = bucket)]
        bucket: Vec<String>,
    },
}

/// What an import reads and writes.
#[derive(Debug, clap::Args)]
pub(crate) struct Imported {
    /// The file of the other program; `-` is standard input.
    pub(crate) file: PathBuf,
    /// Write the mounts file here, with the secrets in it, for its owner alone to read. By default it goes to standard
    /// output, and names a variable for each secret.
    #[arg(long, short, value_name = "FILE")]
    pub(crate) output: Option<PathBuf>,
    /// Write the secrets here, one `NAME='value'` a line, for a shell or for systemd's EnvironmentFile; the mounts file
    /// then names the variables.
    #[arg(long, value_name = "FILE")]
    pub(crate) secrets: Option<PathBuf>,
}

/// A mount of a file.
#[derive(Debug, clap::Args)]
pub(crate) struct OfMount {
    /// The mounts file.
    #[arg(default_value = "mounts.yaml")]
    pub(crate) file: PathBuf,
    /// The path of the mount.
    #[arg(long, value_name = "PATH", value_parser = tree_path)]
    pub(crate) mount: TreePath,
    /// One JSON object on standard output, for programs.
    #[arg(long)]
    pub(crate) json: bool,
}

fn tree_path(text: &str) -> Result<TreePath, String> {
    TreePath::parse(text).map_err(|_| "a path in the tree begins with a slash, such as /films".to_owned())
}

/// How long a link may work, as `sign_url_expire` says it.
fn link_life(text: &str) -> Result<Duration, String> {
    const HOUR: Duration = Duration::from_secs(3600);
    davmux_config::duration(text, Some(HOUR))
        .filter(|life| (Duration::from_secs(1)..=7 * 24 * HOUR).contains(life))
        .ok_or_else(|| "a link works for 1s to 7d, such as 4h; storages sign none that lives longer".to_owned())
}

fn bucket(text: &str) -> Result<String, String> {
    match text.split_once(':') {
        Some((remote, bucket)) if !remote.is_empty() && !bucket.trim_matches('/').is_empty() => Ok(text.to_owned()),
        _ => Err("a bucket is named with its remote, such as minio:films".to_owned()),
    }
}

/// An origin as a browser says it (RFC 6454 section 6.2), or with one `*` in it, as buckets take it.
fn origin(text: &str) -> Result<String, String> {
    let host = text.strip_prefix("https://").or_else(|| text.strip_prefix("http://"));
    let good = |host: &str| !host.is_empty() && !host.contains(|c: char| c.is_whitespace() || "/?#@\\".contains(c));
    if text != "*" && !host.is_some_and(good) {
        return Err("an origin is `*`, or a scheme and a host and nothing behind, such as https://example.com".into());
    }
    if text.matches('*').count() > 1 {
        return Err("an origin has one `*` at most".into());
    }
    // Browsers send it so, and buckets compare every letter.
    Ok(text.to_ascii_lowercase())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_origin_is_a_scheme_and_a_host() {
        for good in ["*", "https://example.com", "http://127.0.0.1:8080", "https://*.example.com", "http://[::1]:80"] {
            assert_eq!(origin(good).as_deref(), Ok(good));
        }
        assert_eq!(origin("https://Example.COM").as_deref(), Ok("https://example.com"));
        for bad in
            ["", "example.com", "https://", "https://a/", "https://a/b", "ftp://a", "https://u@a", "https://*.*", "a b"]
        {
            assert!(origin(bad).is_err(), "{bad:?}");
        }
    }
}
