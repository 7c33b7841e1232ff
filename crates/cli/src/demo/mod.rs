//! `davmux demo`: a tree to try at once, with nothing configured.
//!
//! It is an ordinary mounts file, written into the demo's folder and served like any other: a local folder and two buckets
//! of an S3 server in this process.

mod samples;

use std::fmt::Write as _;
use std::net::{IpAddr, SocketAddr};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;

use anyhow::Context;
use davmux_config::Config;
use davmux_s3_server::{Folder, Running, Server, Strict};
use davmux_server::Listen;
use davmux_tree::{Access, PutRequest, RelPath, Tree, TreePath, View};

use crate::reload::Source;
use crate::serve;
use samples::Sample;

/// Serves the demo until it is stopped.
pub(crate) async fn demo(listen: SocketAddr, dir: Option<PathBuf>) -> anyhow::Result<ExitCode> {
    let temporary = match dir {
        Some(_) => None,
        None => Some(tempfile::tempdir().context("no temporary folder can be made")?),
    };
    let dir = match (&dir, &temporary) {
        (Some(dir), _) => std::path::absolute(dir)?,
        (None, Some(temporary)) => temporary.path().to_owned(),
        (None, None) => unreachable!("one of the two is there"),
    };
    let file = dir.join("mounts.yaml");
    let fresh = !file.exists();
    std::fs::create_dir_all(dir.join("documents"))
        .with_context(|| format!("the folder {} cannot be made", dir.display()))?;
    let s3 = start_s3(&dir).await?;
    let password = (!listen.ip().is_loopback()).then(|| random(12));
    write_file(&file, &mounts_file(listen, &s3, password.as_deref()))?;
    let config = Config::load(&file)?;
    let built = serve::build(&config, &file).await?;
    if fresh {
        add_samples(&built.tree).await.context("the sample files cannot be written")?;
    }
    let source = Source { file, listen: None };
    serve::serve(source, config, built, |addresses| {
        print!("{}", what_to_do(addresses, &dir, password.as_deref()));
        Ok(())
    })
    .await?;
    s3.stop().await;
    Ok(ExitCode::SUCCESS)
}

async fn start_s3(dir: &Path) -> anyhow::Result<Running> {
    let folder = dir.join("buckets");
    let store =
        tokio::task::spawn_blocking(move || Folder::open(folder)).await?.context("the buckets cannot be opened")?;
    Server::builder()
        .store(store)
        .bucket("films")
        .bucket("archive")
        .keys(random(20), random(40))
        .strict(Strict::amazon())
        .start()
        .await
        .context("the demo's S3 server cannot start")
}

/// So many letters and digits.
pub(crate) fn random(length: usize) -> String {
    const LETTERS: &[u8; 32] = b"abcdefghijkmnpqrstuvwxyz23456789";
    (0..length).map(|_| char::from(LETTERS[usize::from(rand::random::<u8>() % 32)])).collect()
}

/// It holds keys: nobody else reads it.
fn write_file(file: &Path, text: &str) -> anyhow::Result<()> {
    let mut options = std::fs::OpenOptions::new();
    options.write(true).create(true).truncate(true).mode(0o600);
    options
        .open(file)
        .and_then(|mut file| std::io::Write::write_all(&mut file, text.as_bytes()))
        .with_context(|| format!("{} cannot be written", file.display()))
}

fn mounts_file(listen: SocketAddr, s3: &Running, password: Option<&str>) -> String {
    let mut text = format!("version: 1\nserver:\n  listen: \"{listen}\"\n  state_dir: state\n");
    match password {
        None => text.push_str("  anonymous: read-write\n"),
        Some(password) => {
            let _ = writeln!(text, "users:\n  - name: demo\n    password: {password}\n    access: read-write");
        }
    }
    text.push_str("mounts:\n  - path: /documents\n    driver: local\n    root_folder_path: ./documents\n");
    for (bucket, read) in [("films", "auto"), ("archive", "relay")] {
        let _ = write!(
            text,
            "  - path: /{bucket}\n    driver: s3\n    provider: minio\n    bucket: {bucket}\n    endpoint: {}\n    region: {}\n    \
             access_key_id: {}\n    secret_access_key: {}\n    force_path_style: true\n    placeholder: .placeholder\n    \
             read: {read}\n",
            s3.endpoint(),
            s3.region(),
            s3.access_key(),
            s3.secret_key(),
        );
    }
    text
}

async fn add_samples(tree: &Arc<Tree>) -> anyhow::Result<()> {
    let view = View::new(Arc::clone(tree), TreePath::root(), Access::ReadWrite);
    let mounts = [("documents", samples::documents()?), ("films", samples::films()?), ("archive", samples::archive())];
    for (mount, samples) in mounts {
        for Sample { path, content, content_type } in samples {
            let path = RelPath::parse(&format!("{mount}/{path}"))?;
            make_folders(&view, &path).await?;
            let request = PutRequest {
                size: Some(content.len() as u64),
                content_type: Some(Arc::from(content_type)),
                ..PutRequest::default()
            };
            let mut put = view.put(&path, request).await?;
            put.write(content.into()).await?;
            put.finish().await?;
        }
    }
    Ok(())
}

async fn make_folders(view: &View, path: &RelPath) -> anyhow::Result<()> {
    let mut folders: Vec<RelPath> = std::iter::successors(path.parent(), RelPath::parent).collect();
    folders.retain(|folder| !folder.is_root());
    for folder in folders.into_iter().rev() {
        match view.create_dir(&folder).await {
            Ok(()) => {}
            Err(error) if error.problem() == davmux_tree::Problem::Exists => {}
            Err(error) => return Err(error.into()),
        }
    }
    Ok(())
}

fn what_to_do(addresses: &[Listen], dir: &Path, password: Option<&str>) -> String {
    let Some(Listen::Tcp(address)) = addresses.first() else { return String::new() };
    // An unspecified address is listened on, not gone to.
    let host = match address.ip() {
        ip if ip.is_unspecified() => "localhost".to_owned(),
        IpAddr::V6(ip) => format!("[{ip}]"),
        IpAddr::V4(ip) => ip.to_string(),
    };
    let port = address.port();
    let url = format!("http://{host}:{port}/");
    let login =
        password.map_or_else(String::new, |password| format!("\n  Log in as demo with the password {password}\n"));
    format!(
        "
  Open in a browser     {url}
  Finder                Go > Connect to Server > {url}
  Explorer              net use * {url}
  GNOME Files           Other Locations > dav://{host}:{port}/
  rclone                rclone lsf :webdav: --webdav-url {url}
  davfs2                mount -t davfs {url} /mnt
  Kodi                  Files > Add source > WebDAV server (HTTP), {host}, port {port}
{login}
  /documents is a local folder, /films and /archive are buckets: a player or a
  browser on this computer is redirected to the files of /films, those of /archive
  are relayed. Everything is in {}.
  Ctrl-C stops it.

",
        dir.display()
    )
}
