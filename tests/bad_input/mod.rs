//! What clients should not send, and what they do at the wrong moment: a clear answer, and nothing is lost.

// Who leaves, and when.
mod leaving;
// Many at once.
mod many;
// Names that are more than names.
mod names;
// PUT in all its forms.
mod puts;
// Paths, headers, ranges and conditions.
mod requests;
// Who may.
mod rights;
// Depth, Overwrite and Destination.
mod targets;
// What is no HTTP, or not quite.
mod wire;
// A folder that becomes a link and a folder again.
mod swap;
// Bodies of XML.
mod xml;

use std::time::Duration;

use http::StatusCode;

use crate::support::{Answer, Davmux, PATIENCE, bucket, local, s3};

pub const LOCK: &str = "<D:lockinfo xmlns:D='DAV:'><D:lockscope><D:exclusive/></D:lockscope>\
                    <D:locktype><D:write/></D:locktype></D:lockinfo>";

/// A local folder at `/l` and a bucket at `/b`.
pub struct Both {
    pub davmux: Davmux,
    pub folder: tempfile::TempDir,
    pub s3: davmux_s3_server::Running,
}

pub async fn both() -> Both {
    let folder = tempfile::tempdir().unwrap();
    let s3 = s3().await;
    let davmux = Davmux::serve(&format!("{}{}", bucket("/b", &s3, &[]), local("/l", folder.path()))).await;
    // It has asked the bucket by then, so that calls can be counted.
    davmux.logged(r#""the mount is ready","mount":"/b""#).await;
    Both { davmux, folder, s3 }
}

/// Files in a folder of this machine, those that davmux keeps for itself included.
pub fn files(folder: &std::path::Path) -> Vec<std::path::PathBuf> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() { found.extend(files(&path)) } else { found.push(path) }
    }
    found
}

/// The status of the first response on a connection; 0 where it was closed without one.
pub async fn status(davmux: &Davmux, request: &str) -> u16 {
    let answer = davmux.raw(request.as_bytes()).await;
    let line = String::from_utf8_lossy(&answer);
    line.split(' ').nth(1).map_or(0, |status| status.parse().unwrap())
}

/// A PUT with these header lines, sent as it stands, on a connection that the server closes.
pub fn put(path: &str, headers: &str, body: &str) -> String {
    format!("PUT {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n{headers}\r\n{body}")
}

/// Waits until a path holds something.
pub async fn appears(davmux: &Davmux, path: &str) -> Answer {
    let found = async {
        loop {
            let answer = davmux.get(path).await;
            if answer.status == StatusCode::OK {
                return answer;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    tokio::time::timeout(PATIENCE, found).await.unwrap_or_else(|_| panic!("{path} never appeared"))
}
