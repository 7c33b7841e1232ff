//! Another program's configuration, imported and served.

use std::os::unix::fs::PermissionsExt as _;

use crate::commands::{is_there, run};
use crate::support::{Davmux, PATIENCE, binary, other, s3};

const OPENLIST: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../import/tests/files/openlist.json");
const RCLONE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../import/tests/files/rclone.conf");

fn mode(path: &std::path::Path) -> u32 {
    std::fs::metadata(path).unwrap().permissions().mode() & 0o777
}

#[test]
fn an_import_to_standard_output_prints_no_secret_and_names_the_variables() {
    let (code, yaml, said) = run(&["import", "alist", OPENLIST]);
    assert_eq!(code, Some(0), "{said}");
    assert!(yaml.contains("secret_access_key: ${FILMS_SECRET_ACCESS_KEY}"), "{yaml}");
    for secret in ["operator secret", "token secret", "session-secret", "secret/With", "admin-token"] {
        assert!(!yaml.contains(secret) && !said.contains(secret), "{secret}");
    }
    assert!(said.contains("set ") && said.contains("FILMS_SECRET_ACCESS_KEY") && said.contains("--secrets"), "{said}");
    assert!(yaml.contains("proxy_token: ${PROXY_TOKEN}"), "{yaml}");
    assert!(said.contains("not taken over: storage /drive (GoogleDrive)"), "{said}");
}

#[test]
fn an_import_to_files_leaves_secrets_to_their_owner_and_is_good_by_check() {
    let dir = tempfile::tempdir().unwrap();
    let at = |name: &str| dir.path().join(name).to_str().unwrap().to_owned();
    let (code, out, said) = run(&["import", "alist", OPENLIST, "--output", &at("whole.yaml")]);
    assert_eq!((code, out.as_str()), (Some(0), ""), "{said}");
    assert_eq!(mode(dir.path().join("whole.yaml").as_path()), 0o600);
    assert_eq!(run(&["check", &at("whole.yaml")]).0, Some(0));

    let (code, _, said) =
        run(&["import", "alist", OPENLIST, "-o", &at("mounts.yaml"), "--secrets", &at("secrets.env")]);
    assert_eq!(code, Some(0), "{said}");
    assert_eq!(mode(dir.path().join("secrets.env").as_path()), 0o600);
    assert!(!std::fs::read_to_string(dir.path().join("mounts.yaml")).unwrap().contains("operator secret"));
    assert_eq!(run(&["check", &at("mounts.yaml")]).0, Some(1), "the variables are not set");
    let script = "set -a; . \"$1\"; exec \"$0\" check \"$2\"";
    let checked = std::process::Command::new("sh")
        .args(["-c", script, env!("CARGO_BIN_EXE_davmux"), &at("secrets.env"), &at("mounts.yaml")])
        .output()
        .unwrap();
    assert!(checked.status.success(), "{}", String::from_utf8_lossy(&checked.stderr));

    let before = std::fs::read_to_string(dir.path().join("mounts.yaml")).unwrap();
    let (code, _, said) = run(&["import", "rclone", RCLONE, "--output", &at("mounts.yaml")]);
    assert!(code == Some(1) && said.contains("is there already"), "{said}");
    assert_eq!(std::fs::read_to_string(dir.path().join("mounts.yaml")).unwrap(), before);
}

#[test]
fn what_cannot_be_imported_is_a_failure_and_prints_nothing() {
    for (args, part) in [
        (["import", "alist", RCLONE], "not JSON"),
        (["import", "rclone", OPENLIST], "rclone.conf"),
        (["import", "alist", "/nonexistent"], "cannot be read"),
    ] {
        let (code, out, said) = run(&args);
        assert_eq!((code, out.as_str()), (Some(1), ""), "{said}");
        assert!(said.contains(part), "{said}");
    }
    assert_eq!(run(&["import", "nextcloud", "x"]).0, Some(2));
    assert_eq!(run(&["import", "rclone", RCLONE, "--bucket", "minio"]).0, Some(2));
}

/// As `rclone config create` writes them; by rclone itself where it is installed.
fn conf(endpoint: &str, key: &str, secret: &str, dir: &std::path::Path) -> std::path::PathBuf {
    let path = dir.join("rclone.conf");
    let remotes: [&[&str]; 3] = [
        &[
            "store",
            "s3",
            "provider",
            "Other",
            "access_key_id",
            key,
            "secret_access_key",
            secret,
            "endpoint",
            endpoint,
            "region",
            "us-east-1",
            "force_path_style",
            "true",
        ],
        &["films", "alias", "remote", "store:bucket/films"],
        &["all", "combine", "upstreams", "films=films: \"top=store:bucket\""],
    ];
    if is_there("rclone") {
        for remote in remotes {
            let mut command = std::process::Command::new("rclone");
            command.args(["config", "create"]).args(remote).arg("--non-interactive").env("RCLONE_CONFIG", &path);
            let output = command.stdin(std::process::Stdio::null()).output().unwrap();
            assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        }
    } else {
        let sections = remotes.map(|remote| {
            let options: String = remote[2..].chunks(2).map(|pair| format!("{} = {}\n", pair[0], pair[1])).collect();
            format!("[{}]\ntype = {}\n{options}\n", remote[0], remote[1])
        });
        std::fs::write(&path, sections.concat()).unwrap();
    }
    path
}

#[tokio::test]
async fn what_rclone_could_read_is_served_after_its_import() {
    let s3 = s3().await;
    let body = aws_sdk_s3::primitives::ByteStream::from_static(b"a film");
    other(&s3).put_object().bucket("bucket").key("films/a.mkv").body(body).send().await.unwrap();
    let dir = std::sync::Arc::new(tempfile::tempdir().unwrap());
    let conf = conf(&s3.endpoint(), s3.access_key(), s3.secret_key(), dir.path());
    let mounts = dir.path().join("imported.yaml");
    let args = [
        "import",
        "rclone",
        conf.to_str().unwrap(),
        "--bucket",
        "store:bucket/films",
        "--output",
        mounts.to_str().unwrap(),
    ];
    let (code, _, said) = run(&args);
    assert_eq!(code, Some(0), "{said}");
    let mut command = binary();
    command.arg("serve").arg(&mounts).args(["--listen", "127.0.0.1:0"]);
    let davmux = tokio::time::timeout(PATIENCE, Davmux::spawn(command, dir)).await.unwrap();
    for path in ["/films/a.mkv", "/all/films/a.mkv", "/all/top/films/a.mkv", "/store/bucket/films/a.mkv"] {
        let answer = davmux.get(path).await;
        assert_eq!((answer.status.as_u16(), answer.text().as_str()), (200, "a film"), "{path}");
    }
}
