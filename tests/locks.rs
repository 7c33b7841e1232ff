//! WebDAV locks of the real binary: through a crash, and by their holder alone.

use std::sync::Arc;

use http::StatusCode;

use crate::support::{Answer, Davmux, bucket, local, s3};

const LOCK: &str = "<D:lockinfo xmlns:D='DAV:'><D:lockscope><D:exclusive/></D:lockscope><D:locktype><D:write/></D:locktype>\
                    <D:owner xml:lang='en'>me</D:owner></D:lockinfo>";

fn basic(user: &str) -> String {
    use base64::Engine;
    format!("Basic {}", base64::engine::general_purpose::STANDARD.encode(format!("{user}:password")))
}

/// One request of a user.
async fn send(davmux: &Davmux, user: &str, method: &str, path: &str, headers: &[(&str, &str)], body: &str) -> Answer {
    let credentials = basic(user);
    let mut all = vec![("Authorization", credentials.as_str())];
    all.extend(headers);
    davmux.send(method, path, &all, body.to_owned()).await
}

#[tokio::test]
async fn a_lock_outlives_a_crash_and_only_its_holder_acts_under_it() {
    let s3 = s3().await;
    let dir = Arc::new(tempfile::tempdir().unwrap());
    let folder = dir.path().join("files");
    std::fs::create_dir(&folder).unwrap();
    let file = format!(
        "version: 1\nserver:\n  state_dir: {}\nusers:\n  - name: alice\n    password: password\n    access: read-write\n  - name: bob\n    \
         password: password\n    access: read-write\nmounts:\n{}{}",
        dir.path().join("state").display(),
        bucket("/b", &s3, &[]),
        local("/l", &folder)
    );
    let mut davmux = Davmux::serve_in(Arc::clone(&dir), &file).await;
    for mount in ["/b", "/l"] {
        let path = format!("{mount}/new%20file");
        let locked = send(&davmux, "alice", "LOCK", &path, &[("Timeout", "Second-600"), ("Depth", "0")], LOCK).await;
        assert_eq!(locked.status, StatusCode::CREATED);
        let token = locked.header("lock-token").to_owned();
        let submitted = format!("({token})");

        davmux.kill();
        davmux = Davmux::serve_in(Arc::clone(&dir), &file).await;

        let found = send(&davmux, "bob", "PROPFIND", &path, &[("Depth", "0")], "").await.text();
        assert!(found.contains(token.trim_matches(['<', '>'])), "{found}");
        assert!(found.contains("<D:owner xml:lang=\"en\">me</D:owner>"), "{found}");
        for user in ["alice", "bob"] {
            assert_eq!(send(&davmux, user, "PUT", &path, &[], "x").await.status, StatusCode::LOCKED, "{user}");
        }
        let stolen = send(&davmux, "bob", "PUT", &path, &[("If", &submitted)], "x").await;
        assert_eq!(stolen.status, StatusCode::LOCKED, "bob knows the token and does not hold the lock");
        let unlock = [("Lock-Token", token.as_str())];
        assert_eq!(send(&davmux, "bob", "UNLOCK", &path, &unlock, "").await.status, StatusCode::FORBIDDEN);
        assert_eq!(send(&davmux, "bob", "LOCK", &path, &[], LOCK).await.status, StatusCode::LOCKED);
        let written = send(&davmux, "alice", "PUT", &path, &[("If", &submitted)], "x").await;
        assert_eq!(written.status, StatusCode::NO_CONTENT);
        assert_eq!(send(&davmux, "alice", "LOCK", &path, &[("If", &submitted)], "").await.status, StatusCode::OK);
        assert_eq!(send(&davmux, "alice", "UNLOCK", &path, &unlock, "").await.status, StatusCode::NO_CONTENT);

        // What was ended stays so.
        davmux.kill();
        davmux = Davmux::serve_in(Arc::clone(&dir), &file).await;
        assert_eq!(send(&davmux, "bob", "PUT", &path, &[], "y").await.status, StatusCode::NO_CONTENT);
        assert!(!davmux.log().contains(token.trim_matches(['<', '>'])), "{}", davmux.log());
    }
}
