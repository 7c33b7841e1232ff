use rcgen::{CertifiedKey, generate_simple_self_signed};
use tempfile::TempDir;

use super::*;

struct Pair {
    dir: TempDir,
    files: TlsFiles,
}

fn pair() -> Pair {
    let dir = tempfile::tempdir().unwrap();
    let files = TlsFiles { cert_file: dir.path().join("cert.pem"), key_file: dir.path().join("key.pem") };
    let (cert, key) = fresh();
    std::fs::write(&files.cert_file, cert).unwrap();
    std::fs::write(&files.key_file, key).unwrap();
    Pair { dir, files }
}

fn fresh() -> (String, String) {
    let CertifiedKey { cert, signing_key } = generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    (cert.pem(), signing_key.serialize_pem())
}

impl Tls {
    fn digest(&self) -> [u8; 32] {
        self.loaded.load().digest
    }

    fn complaint(&self) -> Option<String> {
        self.told.lock().unwrap().clone()
    }
}

#[tokio::test]
async fn a_pair_that_is_half_written_keeps_the_one_in_use_until_both_fit() {
    let Pair { dir: _dir, files } = pair();
    let tls = Tls::load(files.clone(), false).await.unwrap();
    let first = tls.digest();
    tls.refresh().await;
    assert_eq!((tls.digest(), tls.complaint()), (first, None), "nothing changed");

    let (cert, key) = fresh();
    std::fs::write(&files.cert_file, &cert).unwrap();
    tls.refresh().await;
    assert_eq!(tls.digest(), first);
    assert!(tls.complaint().unwrap().contains("does not belong"), "{:?}", tls.complaint());
    std::fs::write(&files.key_file, &key[..key.len() / 2]).unwrap();
    tls.refresh().await;
    assert_eq!(tls.digest(), first);
    std::fs::remove_file(&files.key_file).unwrap();
    tls.refresh().await;
    assert_eq!(tls.digest(), first);
    assert!(tls.complaint().unwrap().contains("cannot be read"), "{:?}", tls.complaint());

    std::fs::write(&files.key_file, &key).unwrap();
    tls.refresh().await;
    assert_ne!(tls.digest(), first);
    assert_eq!(tls.complaint(), None);
}

#[tokio::test]
async fn links_that_are_changed_are_followed_as_kubernetes_and_certbot_change_them() {
    use std::os::unix::fs::symlink;
    let dir = tempfile::tempdir().unwrap();
    let at = |path: &str| dir.path().join(path);
    for version in ["..1", "..2"] {
        let (cert, key) = fresh();
        std::fs::create_dir(at(version)).unwrap();
        std::fs::write(at(version).join("cert.pem"), cert).unwrap();
        std::fs::write(at(version).join("key.pem"), key).unwrap();
    }
    // A volume of Kubernetes: names that lead through a link to a folder, and the link is replaced.
    symlink("..1", at("..data")).unwrap();
    for name in ["cert.pem", "key.pem"] {
        symlink(format!("..data/{name}"), at(name)).unwrap();
    }
    let files = TlsFiles { cert_file: at("cert.pem"), key_file: at("key.pem") };
    let tls = Tls::load(files, false).await.unwrap();
    let first = tls.digest();
    symlink("..2", at("..new")).unwrap();
    std::fs::rename(at("..new"), at("..data")).unwrap();
    tls.refresh().await;
    assert_ne!(tls.digest(), first);
    // certbot: each name is a link of its own.
    for name in ["cert.pem", "key.pem"] {
        symlink(format!("..1/{name}"), at("new")).unwrap();
        std::fs::rename(at("new"), at(name)).unwrap();
        tls.refresh().await;
    }
    assert_eq!((tls.digest(), tls.complaint()), (first, None));
}

#[tokio::test]
async fn nothing_of_the_key_is_in_debug_output() {
    let Pair { dir: _dir, files } = pair();
    let tls = Tls::load(files, true).await.unwrap();
    assert!(!format!("{tls:?}").contains("PRIVATE") && !format!("{tls:?}").contains("loaded"));
}

#[tokio::test(start_paused = true)]
async fn a_client_that_says_nothing_or_half_a_hello_is_let_go() {
    let Pair { dir: _dir, files } = pair();
    let tls = Arc::new(Tls::load(files, false).await.unwrap());
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let mut clients = Vec::new();
    let mut shaking = Vec::new();
    for hello in [&b""[..], b"\x16\x03\x01"] {
        let mut client = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
        client.write_all(hello).await.unwrap();
        let (stream, peer) = listener.accept().await.unwrap();
        let tls = Arc::clone(&tls);
        shaking.push(tokio::spawn(async move { tls.shake(stream, Some(peer.ip()), false).await.is_none() }));
        clients.push(client);
    }
    for each in shaking {
        assert!(each.await.unwrap());
    }
}
