//! Unix sockets in the file system: made with their mode, and never in place of one that somebody listens on.

use std::fs::File;
use std::io::{self, ErrorKind};
use std::os::unix::fs::{FileTypeExt, MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};

use tokio::net::{UnixListener, UnixSocket, UnixStream};

/// Connections that wait to be accepted; the system may take fewer.
const BACKLOG: u32 = 1024;

/// A socket's file. It is removed when this is dropped, unless another one stands there by then.
#[derive(Debug)]
pub(crate) struct Claim {
    path: PathBuf,
    /// Device and number.
    file: (u64, u64),
}

impl Drop for Claim {
    fn drop(&mut self) {
        // Left behind it would only be found stale at the next start.
        if identity(&self.path).is_ok_and(|found| found == self.file) {
            let _ = std::fs::remove_file(&self.path);
        }
    }
}

fn identity(path: &Path) -> io::Result<(u64, u64)> {
    std::fs::symlink_metadata(path).map(|found| (found.dev(), found.ino()))
}

/// Listens at a path.
pub(crate) async fn bind(path: &Path, mode: Option<u32>) -> io::Result<(UnixListener, Claim)> {
    // Between its bind and its listen a socket looks like one that nobody listens on.
    let alone = alone(path).await;
    remove_stale(path).await?;
    let socket = UnixSocket::new_stream()?;
    socket.bind(path)?;
    let claim = Claim { path: path.to_owned(), file: identity(path)? };
    // Before it listens nobody can connect, whatever its mode is until then.
    if let Some(mode) = mode {
        std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode))?;
    }
    let listener = socket.listen(BACKLOG)?;
    drop(alone);
    Ok((listener, claim))
}

/// Keeps other servers from making a socket in the same folder meanwhile, where the folder can be locked.
async fn alone(path: &Path) -> Option<File> {
    let folder = match path.parent() {
        Some(folder) if folder != Path::new("") => folder.to_owned(),
        _ => PathBuf::from("."),
    };
    let locked = tokio::task::spawn_blocking(move || {
        let folder = File::open(folder)?;
        folder.lock()?;
        io::Result::Ok(folder)
    });
    locked.await.ok()?.ok()
}

/// Removes a socket on which nobody listens any more. Anything else at the path stays, and binding then fails.
async fn remove_stale(path: &Path) -> io::Result<()> {
    match tokio::fs::symlink_metadata(path).await {
        Ok(found) if found.file_type().is_socket() => match UnixStream::connect(path).await {
            Err(error) if error.kind() == ErrorKind::ConnectionRefused => tokio::fs::remove_file(path).await,
            _ => Ok(()),
        },
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mode(path: &Path) -> u32 {
        std::fs::symlink_metadata(path).unwrap().permissions().mode() & 0o777
    }

    #[tokio::test]
    async fn a_socket_has_its_mode_and_goes_with_its_listener() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("s");
        for wanted in [0o600, 0o660, 0o666] {
            let (listener, claim) = bind(&path, Some(wanted)).await.unwrap();
            assert_eq!(mode(&path), wanted);
            drop((claim, listener));
            assert!(!path.exists());
        }
    }

    #[tokio::test]
    async fn a_stale_socket_is_replaced_and_nothing_else_is() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("s");
        drop(std::os::unix::net::UnixListener::bind(&path).unwrap());
        assert!(path.exists(), "a socket outlives its listener");
        let (listener, _claim) = bind(&path, None).await.unwrap();
        assert_eq!(bind(&path, None).await.unwrap_err().kind(), ErrorKind::AddrInUse, "it is alive");
        let (connected, accepted) = tokio::join!(UnixStream::connect(&path), listener.accept());
        assert!(connected.is_ok() && accepted.is_ok());
        let file = dir.path().join("file");
        std::fs::write(&file, "mine").unwrap();
        assert_eq!(bind(&file, None).await.unwrap_err().kind(), ErrorKind::AddrInUse);
        assert_eq!(std::fs::read(&file).unwrap(), b"mine");
    }

    #[tokio::test]
    async fn the_socket_of_another_server_is_not_removed_at_the_end() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("s");
        let (former, claim) = bind(&path, None).await.unwrap();
        std::fs::remove_file(&path).unwrap();
        let (_listener, _claim) = bind(&path, None).await.unwrap();
        drop((claim, former));
        assert!(path.exists());
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 4)]
    async fn of_servers_that_find_a_stale_socket_together_one_gets_it() {
        // They meet between the look and the removal only now and then.
        for _ in 0..50 {
            let dir = tempfile::tempdir().unwrap();
            let path = dir.path().join("s");
            drop(std::os::unix::net::UnixListener::bind(&path).unwrap());
            let tries = (0..16).map(|_| {
                let path = path.clone();
                tokio::spawn(async move { bind(&path, None).await })
            });
            let mut bound = Vec::new();
            for each in tries.collect::<Vec<_>>() {
                bound.extend(each.await.unwrap().ok());
            }
            assert_eq!(bound.len(), 1);
            UnixStream::connect(&path).await.unwrap();
        }
    }
}
