//! `davmux link`: where one file can be fetched without a login.

use std::io::Write as _;
use std::path::Path;
use std::process::ExitCode;
use std::time::{Duration, SystemTime};

use anyhow::Context as _;
use davmux_config::{Config, Mount, Storage};
use davmux_driver::Native;
use davmux_tree::{Access, ErrorKind, LinkTo, Problem, TreePath, View};
use serde_json::json;
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

/// Prints a link for a file that is there.
pub(crate) async fn link(
    file: &Path,
    path: &TreePath,
    expire: Option<Duration>,
    to: LinkTo,
    json: bool,
) -> anyhow::Result<ExitCode> {
    let config = Config::load(file)?;
    let tree = config.tree_to_look_at().await?;
    let view = View::new(tree, TreePath::root(), Access::ReadOnly);
    let rel = path.below(&TreePath::root()).context("this is no path of the tree")?;
    let asked = SystemTime::now();
    let link = match view.link(&rel, expire, to).await {
        Ok(Native::Done(link)) => link,
        Ok(Native::Declined) => anyhow::bail!("{path}: {}", without_links(&config, path)),
        Err(error) if error.problem() == Problem::Storage(ErrorKind::IsDir) => {
            anyhow::bail!("{path} is a folder; a link leads to one file")
        }
        Err(error) if error.is_not_found() => anyhow::bail!("{path}: nothing is there"),
        Err(error) => return Err(error.into()),
    };
    if to == LinkTo::Clients && mount(&config, path).is_some_and(|mount| mount.options.proxy.is_some()) {
        eprintln!("leads to the download proxy of the mount; --direct prints the storage's own link");
    }
    let life = link.expires_at.map(|end| (end, end.duration_since(asked).unwrap_or_default()));
    let until = life.map(|(end, _)| OffsetDateTime::from(end).format(&Rfc3339)).transpose()?;
    match (life, &until) {
        (Some((_, life)), Some(until)) => {
            eprintln!("works until {until}, for {}; whoever has it may read the file till then", rounded(life));
            // A second or two are lost on the way.
            if expire.is_some_and(|wanted| life + Duration::from_secs(5) < wanted) {
                eprintln!("warning: that is less than was asked for: the keys that sign it end then");
            }
        }
        _ => {
            eprintln!("does not expire: it is not signed, and whoever has it may read the file as long as it is there");
            if expire.is_some() {
                eprintln!(
                    "warning: --expire does nothing for it; `custom_host_presign: true` signs links of a bound host"
                );
            }
        }
    }
    let line = if json {
        json!({ "path": path.to_string(), "url": link.url.to_string(), "expires_at": until }).to_string()
    } else {
        link.url.to_string()
    };
    writeln!(std::io::stdout(), "{line}")?;
    Ok(ExitCode::SUCCESS)
}

/// The mount that a path lies in.
fn mount<'a>(config: &'a Config, path: &TreePath) -> Option<&'a Mount> {
    config.mounts.iter().filter(|mount| path.is_within(&mount.path)).max_by_key(|mount| mount.path.depth())
}

/// Why there is no link, and what to give instead.
fn without_links(config: &Config, path: &TreePath) -> String {
    let why = match mount(config, path).map(|Mount { storage, .. }| storage) {
        Some(Storage::Local(_)) => "a file in a local folder has no link",
        Some(Storage::S3(_)) => {
            "objects that are encrypted with a customer key have no links, which could not carry it"
        }
        Some(Storage::UpYun(_)) => "the mount has no links without `custom_host`, the domain bound to the service",
        #[cfg(any(feature = "azblob", feature = "gcs", feature = "sftp", feature = "webdav"))]
        Some(Storage::Opendal(_)) => "a storage of this kind has no links",
        None => "there is no mount",
    };
    let base = config.server.base_path.to_string();
    let path = [base.trim_end_matches('/'), &path.to_string()].concat();
    format!("{why}; give the address at the server instead, {} behind its host, and a login", escaped(&path))
}

/// A path as it stands in a URL.
fn escaped(path: &str) -> String {
    let mut escaped = String::new();
    for byte in path.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~/".contains(&byte) {
            escaped.push(char::from(byte));
        } else {
            escaped.push_str(&format!("%{byte:02X}"));
        }
    }
    escaped
}

/// A length of time in its two largest units.
fn rounded(life: Duration) -> String {
    // What signing took is not shown.
    let seconds = life.as_millis().div_ceil(1000);
    let parts = [(86_400, "d"), (3600, "h"), (60, "m"), (1, "s")];
    let mut rest = seconds;
    let mut text = String::new();
    for (unit, word) in parts {
        let count = rest / unit;
        rest %= unit;
        if count > 0 {
            text.push_str(&format!("{count}{word}"));
        }
    }
    if text.is_empty() { "0s".to_owned() } else { text }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_life_is_told_in_units() {
        for (millis, text) in [(0, "0s"), (59_400, "1m"), (3_600_000, "1h"), (5_400_000, "1h30m"), (604_800_000, "7d")]
        {
            assert_eq!(rounded(Duration::from_millis(millis)), text);
        }
    }

    #[test]
    fn a_path_is_escaped_for_a_url() {
        assert_eq!(escaped("/a b/ü%.txt"), "/a%20b/%C3%BC%25.txt");
    }
}
