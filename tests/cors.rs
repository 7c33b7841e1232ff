//! `davmux cors`: the rules of a bucket shown, and one added, over S3 and over Backblaze's native API.

use std::path::PathBuf;
use std::process::Output;

use davmux_driver_testkit::standin::b2::{B2, B2Key};
use tempfile::TempDir;

use crate::support::{binary, bucket, local, s3};

/// A mounts file in a folder of its own.
struct File {
    path: PathBuf,
    _dir: TempDir,
}

impl File {
    fn with(mounts: &str) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("mounts.yaml");
        std::fs::write(&path, format!("version: 1\nserver: {{anonymous: read-only}}\nmounts:\n{mounts}")).unwrap();
        Self { path, _dir: dir }
    }

    /// Runs `davmux cors WHAT FILE ARGS`: the status, and what it said.
    async fn cors(&self, what: &str, args: &[&str], b2: Option<&B2>) -> (Option<i32>, String, String) {
        let mut command = binary();
        command.args(["cors", what]).arg(&self.path).args(args);
        if let Some(b2) = b2 {
            command.env("DAVMUX_B2_API", b2.url());
        }
        // The server that it asks runs in this process.
        let Output { status, stdout, stderr } =
            tokio::task::spawn_blocking(move || command.output()).await.unwrap().unwrap();
        (status.code(), String::from_utf8(stdout).unwrap(), String::from_utf8(stderr).unwrap())
    }
}

fn json(text: &str) -> serde_json::Value {
    assert_eq!(text.lines().count(), 1, "{text}");
    serde_json::from_str(text).unwrap()
}

#[tokio::test]
async fn over_s3_the_rule_is_added_once_shown_and_others_stay() {
    let s3 = s3().await;
    let file = File::with(&bucket("/films", &s3, &[]));
    let mount = ["--mount", "/films"];
    assert_eq!(file.cors("show", &mount, None).await, (Some(0), "/films has no CORS rules\n".into(), String::new()));

    let (code, out, _) = file.cors("apply", &["--mount", "/films", "--dry-run"], None).await;
    assert_eq!(code, Some(0), "{out}");
    assert!(out.contains("+ rule davmux\n") && out.contains("nothing was done"), "{out}");
    assert_eq!(s3.recorder().count("PutBucketCors"), 0);

    let (code, out, err) = file.cors("apply", &["--mount", "/films", "--origin", "https://a.example"], None).await;
    assert_eq!(code, Some(0), "{err}");
    assert!(out.contains("+   origins    https://a.example\n") && out.contains("+   exposed    ETag\n"), "{out}");
    assert_eq!(s3.recorder().count("PutBucketCors"), 1);

    let again = ["--mount", "/films", "--json", "--origin", "https://a.example"];
    let (code, out, _) = file.cors("apply", &again, None).await;
    assert_eq!((code, &json(&out)["changed"]), (Some(0), &false.into()), "{out}");
    assert_eq!(s3.recorder().count("PutBucketCors"), 1, "nothing was to change, so nothing was sent");

    let (code, out, _) = file.cors("apply", &mount, None).await;
    assert_eq!(code, Some(0));
    assert!(out.contains("-   origins    https://a.example\n") && out.contains("+   origins    *\n"), "{out}");

    let (code, out, _) = file.cors("show", &["--mount", "/films", "--json"], None).await;
    assert_eq!(code, Some(0));
    let rule = serde_json::json!({
        "name": "davmux", "origins": ["*"], "operations": ["GET", "POST", "PUT", "DELETE", "HEAD"], "headers": ["*"],
        "exposed": ["ETag"], "max_age": 3600,
    });
    assert_eq!(json(&out), serde_json::json!({ "mount": "/films", "rules": [rule] }));
}

#[tokio::test]
async fn over_the_native_api_of_b2_the_documented_rule_is_added_and_no_secret_is_said() {
    const SECRET: &str = "K002theSecretOfTheApplicatioKey";
    let key = |capabilities| B2Key {
        id: "0022623512fc8f80000000001".to_owned(),
        secret: SECRET.to_owned(),
        capabilities,
        bucket: Some("films".to_owned()),
    };
    let mount = format!(
        "  - path: /films\n    driver: s3\n    bucket: films\n    endpoint: https://s3.us-west-004.backblazeb2.com\n    \
         access_key_id: 0022623512fc8f80000000001\n    secret_access_key: {SECRET}\n"
    );
    let file = File::with(&mount);
    let theirs = serde_json::json!({
        "corsRuleName": "theirs", "allowedOrigins": ["https://a.example"], "allowedOperations": ["b2_upload_file"],
        "allowedHeaders": ["x-bz-*"], "exposeHeaders": [], "maxAgeSeconds": 60,
    });
    let b2 = B2::start(vec![key(vec!["listBuckets", "writeBuckets"])]).await;
    b2.add_bucket("films", vec![theirs.clone()]);
    let mut said = String::new();
    for (args, changed) in [(&["--dry-run"][..], false), (&[], true), (&[], false)] {
        let args = [&["--mount", "/films", "--json"][..], args].concat();
        let (code, out, err) = file.cors("apply", &args, Some(&b2)).await;
        assert_eq!(code, Some(0), "{err}");
        assert_eq!(json(&out)["changed"], changed, "{out}");
        said += &(out + &err);
    }
    assert_eq!(b2.calls().iter().filter(|call| *call == "b2_update_bucket").count(), 1);
    let kept = b2.rules("films");
    assert_eq!((kept.len(), &kept[0]), (2, &theirs));
    assert_eq!(kept[1]["exposeHeaders"], serde_json::json!(["ETag"]));
    let (code, out, err) = file.cors("show", &["--mount", "/films"], Some(&b2)).await;
    assert_eq!(code, Some(0), "{err}");
    assert!(out.contains("rule theirs\n") && out.contains("rule s3DownloadFromAnyOriginWithUpload\n"), "{out}");
    said += &(out + &err);

    let reader = B2::start(vec![key(vec!["listBuckets"])]).await;
    reader.add_bucket("films", Vec::new());
    let (code, out, err) = file.cors("apply", &["--mount", "/films"], Some(&reader)).await;
    assert_eq!(code, Some(1), "{out}");
    assert!(err.contains("/films") && err.contains("writeBuckets"), "{err}");
    said += &(out + &err);
    let tokens = [b2.tokens(), reader.tokens()].concat();
    for secret in tokens.iter().map(String::as_str).chain([SECRET, "Basic "]) {
        assert!(!said.contains(secret), "{said}");
    }
}

#[tokio::test]
async fn where_there_is_no_api_the_rule_and_what_to_do_are_printed() {
    // Its host tells the provider, and nobody is asked: there is nothing to be reached under this name from a test.
    let file = File::with(
        "  - path: /films\n    driver: s3\n    bucket: films\n    endpoint: https://oss-cn-hangzhou.aliyuncs.com\n    \
         access_key_id: LTAI5tExampleExampleEx00\n    secret_access_key: thirtyLettersOfASecretKey00000\n",
    );
    let (code, out, err) = file.cors("apply", &["--mount", "/films", "--origin", "https://a.example"], None).await;
    assert_eq!(code, Some(1), "{out}");
    assert!(out.contains("origins    https://a.example\n"), "{out}");
    assert!(err.contains("cannot be set from here") && err.contains("OSS"), "{err}");
    let (code, out, _) = file.cors("apply", &["--mount", "/films", "--json"], None).await;
    assert_eq!(code, Some(1));
    let out = json(&out);
    assert_eq!((&out["changed"], &out["rule"]["max_age"]), (&false.into(), &3600.into()));
    assert!(out["by_hand"].as_str().unwrap().contains("OSS"));
    let (code, _, err) = file.cors("show", &["--mount", "/films"], None).await;
    assert_eq!(code, Some(1));
    assert!(err.contains("/films") && err.contains("OSS"), "{err}");
}

#[tokio::test]
async fn what_cannot_be_done_is_status_1_and_what_was_typed_wrong_is_status_2() {
    let dir = tempfile::tempdir().unwrap();
    let file = File::with(&local("/documents", dir.path()));
    for what in ["show", "apply"] {
        let (code, _, err) = file.cors(what, &["--mount", "/documents"], None).await;
        assert_eq!(code, Some(1));
        assert!(err.contains("/documents") && err.contains("CORS"), "{err}");
        let (code, _, err) = file.cors(what, &["--mount", "/films"], None).await;
        assert_eq!(code, Some(1));
        assert!(err.contains("/films") && err.contains("/documents"), "the mounts that there are: {err}");
        assert_eq!(file.cors(what, &[], None).await.0, Some(2), "no mount");
    }
    for wrong in ["example.com", "https://a.example/", "https://a.example/page"] {
        let (code, _, err) = file.cors("apply", &["--mount", "/documents", "--origin", wrong], None).await;
        assert_eq!(code, Some(2), "{wrong}: {err}");
        assert!(err.contains("https://example.com"), "{err}");
    }
    let (code, _, err) = file.cors("apply", &["--mount", "documents"], None).await;
    assert_eq!(code, Some(2), "{err}");
}
