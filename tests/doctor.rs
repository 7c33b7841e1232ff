//! `davmux doctor`: what is found in storages that behave, and in storages that do not.

use std::path::PathBuf;
use std::process::Output;

use davmux_s3_server::{Condition, Conditions, Running, Server, Strict};
use serde_json::Value;
use tempfile::TempDir;

use crate::support::{binary, other};

struct File {
    path: PathBuf,
    _dir: TempDir,
}

impl File {
    fn with(mounts: &str) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("mounts.yaml");
        let text = format!("version: 1\nserver: {{anonymous: read-only, state_dir: state}}\nmounts:\n{mounts}");
        std::fs::write(&path, text).unwrap();
        Self { path, _dir: dir }
    }

    /// Runs `davmux doctor FILE ARGS`: the status, and what it said.
    async fn doctor(&self, args: &[&str]) -> (Option<i32>, String, String) {
        let mut command = binary();
        command.arg("doctor").arg(&self.path).args(args);
        // The server that it asks runs in this process.
        let Output { status, stdout, stderr } =
            tokio::task::spawn_blocking(move || command.output()).await.unwrap().unwrap();
        (status.code(), String::from_utf8(stdout).unwrap(), String::from_utf8(stderr).unwrap())
    }

    /// The findings of the first mount, by topic.
    async fn findings(&self) -> (Option<i32>, Vec<Value>) {
        let (code, out, err) = self.doctor(&["--json"]).await;
        let report: Value = serde_json::from_str(&out).unwrap_or_else(|_| panic!("{out}{err}"));
        assert_eq!(report["ok"].as_bool(), code.map(|code| code == 0));
        (code, report["mounts"][0]["findings"].as_array().unwrap().clone())
    }
}

fn finding<'f>(findings: &'f [Value], topic: &str) -> &'f Value {
    findings.iter().find(|finding| finding["topic"] == topic).unwrap_or_else(|| panic!("no {topic} in {findings:#?}"))
}

async fn server(strict: Strict) -> Running {
    Server::builder().bucket("films").strict(strict).start().await.unwrap()
}

fn mount(server: &Running, provider: &str, more: &str) -> File {
    File::with(&format!(
        "  - path: /films\n    driver: s3\n    bucket: films\n    provider: {provider}\n    endpoint: {}\n    \
         access_key_id: {}\n    secret_access_key: {}\n    root_folder_path: /a b/c\n{more}",
        server.endpoint(),
        server.access_key(),
        server.secret_key(),
    ))
}

#[tokio::test]
async fn a_storage_that_is_as_its_row_says_is_well_and_keeps_nothing_of_the_look() {
    let server = server(Strict::minio()).await;
    let (code, findings) = mount(&server, "minio", "").findings().await;
    let bad: Vec<_> = findings.iter().filter(|finding| finding["outcome"] == "fails").collect();
    assert_eq!((code, bad.len()), (Some(0), 0), "{bad:#?}");
    for topic in [
        "name",
        "connection",
        "clock",
        "keys",
        "bucket",
        "region",
        "addressing",
        "versioning",
        "CORS",
        "write and read",
        "list",
        "conditions on writes",
        "conditions on deletes",
        "multipart",
        "condition on multipart",
        "abort",
        "copy",
        "conditions on copies",
        "copy in parts",
        "bulk delete",
        "link",
        "range on a link",
        "HEAD on a link",
        "custom host",
        "clean-up",
        "uploads in progress",
        "redirects",
    ] {
        finding(&findings, topic);
    }
    let keys: Vec<_> = server.recorder().calls().into_iter().filter(|call| call.operation == "PutObject").collect();
    assert!(!keys.is_empty() && keys.iter().all(|call| call.key.starts_with("a b/c/.davmux-doctor-")), "{keys:?}");
    let (_, out, _) = mount(&server, "minio", "").doctor(&[]).await;
    assert!(out.contains("nothing is left"), "{out}");
    assert_eq!(left(&server).await, [""; 0]);
}

/// What the server still holds: keys, and ids of uploads in progress.
async fn left(server: &Running) -> Vec<String> {
    let client = other(server);
    let keys = client.list_objects_v2().bucket("films").send().await.unwrap();
    let uploads = client.list_multipart_uploads().bucket("films").send().await.unwrap();
    let keys = keys.contents().iter().map(|object| object.key().unwrap().to_owned());
    keys.chain(uploads.uploads().iter().map(|upload| upload.upload_id().unwrap().to_owned())).collect()
}

#[tokio::test]
async fn what_a_row_counts_on_and_a_storage_does_not_do_is_said_with_the_lines_to_write() {
    let server = server(Strict::gcs()).await;
    let file = mount(&server, "amazon", "    region: us-east-1\n    force_path_style: true\n");
    let (code, out, _) = file.doctor(&[]).await;
    assert_eq!(code, Some(1), "{out}");
    let (_, lines) = out.split_once("the mount /films (line").expect("lines to write");
    for line in ["conditional_writes: false", "conditional_deletes: false", "part_copy: false"] {
        assert!(lines.contains(line), "{line} in {out}");
    }
    // What it said is written, and then it is well.
    let more = "    region: us-east-1\n    force_path_style: true\n    conditional_writes: false\n    \
                conditional_deletes: false\n    part_copy: false\n";
    let (code, findings) = mount(&server, "amazon", more).findings().await;
    let bad: Vec<_> = findings.iter().filter(|finding| finding["outcome"] == "fails").collect();
    assert_eq!(code, Some(0), "{bad:#?}");
    assert_eq!(left(&server).await, [""; 0]);
}

#[tokio::test]
async fn a_condition_that_only_the_deletion_of_one_key_heeds_is_not_recommended() {
    // As versitygw does.
    let one_only = Conditions { delete_batch: Condition::Ignored, ..Conditions::default() };
    for (conditions, recommended) in [(one_only, false), (Conditions::default(), true)] {
        let server = server(Strict { conditions, ..Strict::minio() }).await;
        let (code, findings) = mount(&server, "minio", "").findings().await;
        let write = &finding(&findings, "conditions on deletes")["write"];
        assert_eq!((code, write["conditional_deletes"] == "true"), (Some(0), recommended), "{findings:#?}");
        assert_eq!(left(&server).await, [""; 0]);
    }
}

#[tokio::test]
async fn a_wrong_secret_and_a_missing_bucket_end_the_look_with_what_is_wrong() {
    let server = server(Strict::minio()).await;
    let text = std::fs::read_to_string(&mount(&server, "minio", "").path).unwrap();
    let secret = File::with("");
    std::fs::write(&secret.path, text.replace(server.secret_key(), "wrong")).unwrap();
    let (code, findings) = secret.findings().await;
    assert_eq!(code, Some(1));
    assert_eq!(finding(&findings, "keys")["outcome"], "works", "there are keys");
    assert_eq!(finding(&findings, "credentials")["outcome"], "fails", "{findings:#?}");
    for later in ["write and read", "uploads in progress", "redirects"] {
        assert!(!findings.iter().any(|finding| finding["topic"] == later), "{findings:#?}");
    }
    let bucket = File::with("");
    std::fs::write(&bucket.path, text.replace("bucket: films", "bucket: missing")).unwrap();
    let (code, findings) = bucket.findings().await;
    assert_eq!((code, &finding(&findings, "bucket")["outcome"]), (Some(1), &"fails".into()));
}

#[tokio::test]
async fn a_storage_that_does_not_answer_is_said_to_be_out_of_reach() {
    let text = "  - path: /films\n    driver: s3\n    bucket: films\n    provider: minio\n    endpoint: http://127.0.0.1:1\n    \
                access_key_id: a\n    secret_access_key: b\n";
    let (code, findings) = File::with(text).findings().await;
    assert_eq!((code, &finding(&findings, "connection")["outcome"]), (Some(1), &"fails".into()));
}

#[tokio::test]
async fn a_mount_that_is_read_only_is_not_written_to() {
    let server = server(Strict::minio()).await;
    let (code, findings) = mount(&server, "minio", "    read_only: true\n").findings().await;
    assert_eq!((code, &finding(&findings, "writing")["outcome"]), (Some(0), &"skipped".into()));
    let writes = ["PutObject", "CreateMultipartUpload", "CopyObject", "DeleteObject", "DeleteObjects"];
    assert_eq!(writes.map(|operation| server.recorder().count(operation)), [0; 5]);
}

#[tokio::test]
async fn uploads_of_others_are_listed_and_only_the_named_one_is_removed() {
    let server = server(Strict::minio()).await;
    let client = other(&server);
    let mut ids = Vec::new();
    for key in ["a b/c/one", "a b/c/two", "elsewhere"] {
        let reply = client.create_multipart_upload().bucket("films").key(key).send().await.unwrap();
        ids.push(reply.upload_id().unwrap().to_owned());
    }
    let file = mount(&server, "minio", "");
    let (code, findings) = file.findings().await;
    let uploads = finding(&findings, "uploads in progress");
    let seen = uploads["seen"].as_str().unwrap();
    assert_eq!((code, &uploads["outcome"]), (Some(0), &"notice".into()));
    assert!(seen.contains(&ids[0]) && seen.contains(&ids[1]) && !seen.contains(&ids[2]), "{seen}");

    let (code, out, _) = file.doctor(&["--abort", &ids[0]]).await;
    assert_eq!(code, Some(0), "{out}");
    let (code, _, err) = file.doctor(&["--abort", &ids[2]]).await;
    assert_eq!(code, Some(1), "it is not below the mount: {err}");
    let mut left = left(&server).await;
    left.sort();
    let mut expected = ids[1..].to_vec();
    expected.sort();
    assert_eq!(left, expected);
}

#[tokio::test]
async fn a_folder_is_looked_at_too() {
    let dir = tempfile::tempdir().unwrap();
    let folder = |path: &str| File::with(&format!("  - {{path: /, driver: local, root_folder_path: {path:?}}}\n"));
    // Of a look that was killed.
    std::fs::write(dir.path().join(".davmux-doctor"), "x").unwrap();
    let (code, findings) = folder(dir.path().to_str().unwrap()).findings().await;
    assert_eq!((code, &finding(&findings, "write")["outcome"]), (Some(0), &"works".into()));
    let left = std::fs::read_dir(dir.path()).unwrap().map(|entry| entry.unwrap().file_name());
    // The driver's own folder for files on their way stays, as with `serve`.
    let left: Vec<_> = left.filter(|name| !name.to_string_lossy().starts_with(".davmux-staging")).collect();
    assert_eq!(left, [".davmux-doctor"]);
    let (code, findings) = folder("/nowhere/at/all").findings().await;
    assert_eq!((code, &finding(&findings, "storage")["outcome"]), (Some(1), &"fails".into()));
}
