//! What an administrator asks of a bucket: CORS rules over S3, and uploads in progress.

use davmux_driver::{Admin, CorsRule, ErrorKind, UploadInProgress};
use davmux_s3_server::Server;
use futures_util::TryStreamExt as _;

use crate::support::{BUCKET, Fixture, canned, driver, metered, xml};

fn any() -> Vec<String> {
    vec!["*".to_owned()]
}

fn theirs() -> CorsRule {
    CorsRule {
        name: Some("theirs".to_owned()),
        origins: vec!["https://a.example".to_owned()],
        operations: vec!["GET".to_owned()],
        ..CorsRule::default()
    }
}

async fn uploads(admin: &dyn Admin) -> davmux_driver::Result<Vec<UploadInProgress>> {
    Ok(admin.uploads()?.try_collect::<Vec<_>>().await?.concat())
}

#[tokio::test]
async fn a_rule_joins_those_that_are_there_and_is_what_cloudreve_sets() {
    let fixture = Fixture::start().await;
    let (rules, calls) = metered(fixture.s3.cors()).await;
    assert_eq!((rules.unwrap(), calls), (Vec::new(), 1));
    fixture.s3.set_cors(&[], &[theirs()]).await.unwrap();
    let rule = fixture.s3.cors_rule(&any()).unwrap();
    let wanted = rule.clone().added_to(&[theirs()]).unwrap();
    fixture.s3.set_cors(&[theirs()], &wanted).await.unwrap();
    assert_eq!(fixture.s3.cors().await.unwrap(), [theirs(), rule.clone()]);
    assert_eq!(rule.added_to(&wanted), None);
    // As another client sees it.
    let seen = fixture.client().get_bucket_cors().bucket(BUCKET).send().await.unwrap();
    let ours = &seen.cors_rules()[1];
    assert_eq!(ours.allowed_methods(), ["GET", "POST", "PUT", "DELETE", "HEAD"]);
    assert_eq!(
        (ours.allowed_origins(), ours.allowed_headers(), ours.expose_headers()),
        (&["*".to_owned()][..], &["*".to_owned()][..], &["ETag".to_owned()][..])
    );
    assert_eq!(ours.max_age_seconds(), Some(3600));
}

#[tokio::test]
async fn rules_that_changed_meanwhile_are_not_overwritten() {
    let fixture = Fixture::start().await;
    fixture.s3.set_cors(&[], &[theirs()]).await.unwrap();
    let error = fixture.s3.set_cors(&[], &[fixture.s3.cors_rule(&any()).unwrap()]).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Precondition);
    assert_eq!(fixture.s3.cors().await.unwrap(), [theirs()]);
}

#[tokio::test]
async fn rules_that_came_cut_are_an_error() {
    let whole = "<CORSConfiguration><CORSRule><ID>theirs</ID><AllowedOrigin>https://a.example</AllowedOrigin>\
                 <AllowedMethod>GET</AllowedMethod></CORSRule>";
    let s3 = canned(vec![xml("200 OK", &format!("{whole}</CORSConfiguration>"))]).await;
    assert_eq!(s3.cors().await.unwrap(), [theirs()]);
    for cut in [whole, ""] {
        let s3 = canned(vec![xml("200 OK", cut)]).await;
        assert_eq!(s3.cors().await.unwrap_err().kind(), ErrorKind::Backend, "{cut:?}");
    }
}

#[tokio::test]
async fn a_document_that_says_more_than_rules_is_left_alone() {
    let document = "<CORSConfiguration><ResponseVary>true</ResponseVary></CORSConfiguration>";
    let s3 = canned(vec![xml("200 OK", document)]).await;
    let error = s3.set_cors(&[], &[theirs()]).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unsupported);
    assert!(error.to_string().contains("ResponseVary"), "{error}");
}

#[tokio::test]
async fn a_storage_that_knows_no_cors_says_so() {
    let body =
        "<Error><Code>NotImplemented</Code><Message>A header you provided implies functionality</Message></Error>";
    for status in ["501 Not Implemented", "405 Method Not Allowed"] {
        let s3 = canned(vec![xml(status, body)]).await;
        assert_eq!(s3.cors().await.unwrap_err().kind(), ErrorKind::Unsupported, "{status}");
    }
    let s3 = canned(vec![xml("403 Forbidden", "<Error><Code>AccessDenied</Code></Error>")]).await;
    assert_eq!(s3.cors().await.unwrap_err().kind(), ErrorKind::Denied);
}

#[tokio::test]
async fn uploads_below_the_root_are_listed_and_only_the_named_one_is_aborted() {
    let server = Server::builder().bucket(BUCKET).start().await.unwrap();
    let s3 = driver(&server, |options| options.root_folder_path = "mine".to_owned());
    let fixture = Fixture { server, s3 };
    let client = fixture.client();
    let mut ids = Vec::new();
    for key in ["mine/a b+c", "mine/a b+c", "mine//odd%2B &<ü", "mineral", "other"] {
        let begun = client.create_multipart_upload().bucket(BUCKET).key(key).send().await.unwrap();
        ids.push(begun.upload_id().unwrap().to_owned());
    }
    let part = client.upload_part().bucket(BUCKET).key("mine/a b+c").upload_id(&ids[0]).part_number(1);
    part.body(bytes::Bytes::from_static(b"12345").into()).send().await.unwrap();

    let mut found = uploads(&fixture.s3).await.unwrap();
    found.sort_by_key(|upload| ids.iter().position(|id| *id == upload.id));
    let keys: Vec<_> = found.iter().map(|upload| upload.key.as_str()).collect();
    assert_eq!(keys, ["mine/a b+c", "mine/a b+c", "mine//odd%2B &<ü"]);
    assert!(found.iter().all(|upload| upload.started.is_some()));
    assert_eq!(fixture.s3.upload_size(&found[0]).await.unwrap(), 5);
    assert_eq!(fixture.s3.upload_size(&found[1]).await.unwrap(), 0);

    fixture.s3.abort(&found[0]).await.unwrap();
    fixture.s3.abort(&found[0]).await.unwrap();
    let outside = UploadInProgress { key: "mineral".into(), id: ids[3].clone(), started: None };
    assert_eq!(fixture.s3.abort(&outside).await.unwrap_err().kind(), ErrorKind::Denied);
    let left = client.list_multipart_uploads().bucket(BUCKET).send().await.unwrap();
    let mut left: Vec<_> = left.uploads().iter().filter_map(|upload| upload.upload_id()).collect();
    left.sort_by_key(|left| ids.iter().position(|id| id == left));
    assert_eq!(left, ids[1..]);
}

fn page(rest: &str) -> String {
    xml("200 OK", &format!("<ListMultipartUploadsResult>{rest}</ListMultipartUploadsResult>"))
}

fn upload(key: &str) -> String {
    format!("<Upload><Key>{key}</Key><UploadId>id-{key}</UploadId></Upload>")
}

#[tokio::test]
async fn a_list_of_uploads_is_whole_or_an_error() {
    let more = |key: &str| format!("<IsTruncated>true</IsTruncated><NextKeyMarker>{key}</NextKeyMarker>");
    let first = page(&format!("{}{}", upload("a"), more("a")));
    let last = page(&upload("b"));
    let keys = |found: Vec<UploadInProgress>| found.into_iter().map(|upload| upload.key).collect::<Vec<_>>();
    let s3 = canned(vec![first.clone(), last]).await;
    assert_eq!(keys(uploads(&s3).await.unwrap()), ["a", "b"]);
    let no_marker = page("<IsTruncated>true</IsTruncated>");
    let cut = xml("200 OK", "<ListMultipartUploadsResult>");
    for wrong in [first.clone(), no_marker, cut] {
        let s3 = canned(vec![first.clone(), wrong]).await;
        assert_eq!(uploads(&s3).await.unwrap_err().kind(), ErrorKind::Backend);
    }
}
