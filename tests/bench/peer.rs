//! The same through `rclone serve webdav`, where `RCLONE` names one.

use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use davmux_s3_server::Running;

use crate::load;

struct Peer(Child);

impl Drop for Peer {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

pub(crate) async fn listing(s3: &Running) {
    let Ok(rclone) = std::env::var("RCLONE") else {
        println!("(RCLONE is not set: no comparison)");
        return;
    };
    let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let addr = format!("127.0.0.1:{port}");
    let remote = format!(
        ":s3,provider=Other,endpoint=\"{}\",access_key_id={},secret_access_key={},force_path_style=true:bucket",
        s3.endpoint(),
        s3.access_key(),
        s3.secret_key()
    );
    let child = Command::new(rclone)
        .args(["serve", "webdav", &remote, "--addr", &addr, "--config", "/dev/null"])
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let _peer = Peer(child);
    while tokio::net::TcpStream::connect(&addr).await.is_err() {
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    for label in ["rclone: PROPFIND depth 1, 10,000 files, cold", "rclone: the same again"] {
        s3.recorder().reset();
        let begin = Instant::now();
        load::propfind(&addr, "/big/").await;
        println!("{label:<52} {:>8.3} s  {:>6} S3 calls", begin.elapsed().as_secs_f64(), s3.recorder().total());
    }
}
