//! CORS rules over Backblaze's native API, on its stand-in.

use davmux_driver::{Admin, CorsRule, ErrorKind};
use davmux_driver_s3::provider::Provider;
use davmux_driver_s3::{S3, S3Options, Secret, UploadMemory};
use davmux_driver_testkit::standin::b2::{B2, B2Key, B2Trouble};
use serde_json::{Value, json};

const SECRET: &str = "K002theSecretOfTheApplicatioKey";

fn key(capabilities: &[&'static str], bucket: Option<&str>) -> B2Key {
    B2Key {
        id: "0022623512fc8f80000000001".to_owned(),
        secret: SECRET.to_owned(),
        capabilities: capabilities.to_vec(),
        bucket: bucket.map(str::to_owned),
    }
}

fn bucket(b2: &B2, name: &str, secret: &str) -> S3 {
    let mut options = S3Options::new(name);
    options.provider = Provider::named("b2");
    options.endpoint = Some("https://s3.us-west-004.backblazeb2.com".to_owned());
    options.access_key_id = Some("0022623512fc8f80000000001".to_owned());
    options.secret_access_key = Some(Secret::new(secret));
    options.b2_api = Some(b2.url());
    S3::open(options, UploadMemory::default()).unwrap()
}

/// A rule of somebody else, with what S3 cannot say.
fn theirs() -> Value {
    json!({
        "corsRuleName": "theirs", "allowedOrigins": ["https://a.example"],
        "allowedOperations": ["b2_upload_file", "b2_download_file_by_name"],
        "allowedHeaders": ["authorization", "x-bz-*"], "exposeHeaders": ["x-bz-content-sha1"], "maxAgeSeconds": 60,
    })
}

/// The rule of Cloudreve's page.
fn documented() -> Value {
    json!({
        "allowedHeaders": ["authorization", "range", "content-type"],
        "allowedOperations": ["s3_head", "s3_get", "s3_put", "s3_post", "s3_delete"],
        "allowedOrigins": ["*"],
        "corsRuleName": "s3DownloadFromAnyOriginWithUpload",
        "exposeHeaders": ["ETag"],
        "maxAgeSeconds": 3600,
    })
}

fn any() -> Vec<String> {
    vec!["*".to_owned()]
}

async fn started(capabilities: &[&'static str], rules: Vec<Value>) -> (B2, S3) {
    let b2 = B2::start(vec![key(capabilities, Some("films"))]).await;
    b2.add_bucket("films", rules);
    let s3 = bucket(&b2, "films", SECRET);
    (b2, s3)
}

const BOTH: &[&str] = &["listBuckets", "writeBuckets"];

/// Adds the rule as a command does.
async fn apply(s3: &S3) -> davmux_driver::Result<Option<Vec<CorsRule>>> {
    let before = s3.cors().await?;
    let after = s3.cors_rule(&any()).unwrap().added_to(&before);
    if let Some(after) = &after {
        s3.set_cors(&before, after).await?;
    }
    Ok(after)
}

#[tokio::test]
async fn the_documented_rule_is_added_once_and_other_rules_stay() {
    let (b2, s3) = started(BOTH, vec![theirs()]).await;
    assert!(apply(&s3).await.unwrap().is_some());
    let kept = b2.rules("films");
    assert_eq!(kept.len(), 2);
    assert_eq!(kept[1], documented());
    let of_theirs = |rule: &Value| rule["allowedOperations"].as_array().unwrap().len();
    assert_eq!((kept[0]["corsRuleName"].as_str(), of_theirs(&kept[0])), (Some("theirs"), 2));
    // It is told with `etag`, and in another order.
    assert_eq!(apply(&s3).await.unwrap(), None);
    assert_eq!(b2.calls().iter().filter(|call| *call == "b2_update_bucket").count(), 1);
}

#[tokio::test]
async fn a_bucket_that_changed_meanwhile_is_not_overwritten() {
    let (b2, s3) = started(BOTH, vec![theirs()]).await;
    b2.trouble(B2Trouble::ChangedBefore);
    assert_eq!(apply(&s3).await.unwrap_err().kind(), ErrorKind::Precondition);
    assert_eq!(b2.rules("films"), [theirs()]);
    let error = s3.set_cors(&[], &[]).await.unwrap_err();
    assert_eq!((error.kind(), b2.rules("films")), (ErrorKind::Precondition, vec![theirs()]));
}

#[tokio::test]
async fn a_change_whose_answer_was_lost_is_found_by_looking() {
    let (b2, s3) = started(BOTH, Vec::new()).await;
    b2.trouble(B2Trouble::AnswerLost);
    assert!(apply(&s3).await.unwrap().is_some());
    assert_eq!(b2.rules("films"), [documented()]);
}

#[tokio::test]
async fn what_backblaze_refuses_is_said_without_a_secret() {
    let (b2, s3) = started(&["listBuckets"], Vec::new()).await;
    let no_write = apply(&s3).await.unwrap_err();
    assert!(no_write.to_string().contains("writeBuckets"), "{no_write}");
    let other = bucket(&b2, "others", SECRET).cors().await.unwrap_err();
    assert!(other.to_string().contains("listBuckets"), "{other}");
    let wrong = bucket(&b2, "films", "K002aWrongSecretOfTheSameLength").cors().await.unwrap_err();
    assert!(wrong.to_string().contains("keyID"), "{wrong}");
    for error in [no_write, other, wrong] {
        assert_eq!(error.kind(), ErrorKind::Denied);
        let shown = format!("{error} {error:?}");
        for secret in b2.tokens().iter().map(String::as_str).chain([SECRET, "K002aWrongSecretOfTheSameLength", "Basic"])
        {
            assert!(!shown.contains(secret), "{shown}");
        }
    }
    let free = B2::start(vec![key(BOTH, None)]).await;
    let missing = bucket(&free, "films", SECRET).cors().await.unwrap_err();
    assert_eq!(missing.kind(), ErrorKind::Unavailable);
    assert!(missing.to_string().contains("films"), "{missing}");
}

#[tokio::test]
async fn more_than_a_hundred_rules_are_refused_and_nothing_changes() {
    let rules: Vec<Value> = (0..100)
        .map(|n| {
            json!({ "corsRuleName": format!("rule-{n:03}"), "allowedOrigins": ["https://a.example"],
        "allowedOperations": ["s3_get"], "allowedHeaders": [], "exposeHeaders": [], "maxAgeSeconds": n })
        })
        .collect();
    let (b2, s3) = started(BOTH, rules.clone()).await;
    let error = apply(&s3).await.unwrap_err();
    assert!(error.to_string().contains("Too many CORS rules"), "{error}");
    assert_eq!(b2.rules("films"), rules);
}
