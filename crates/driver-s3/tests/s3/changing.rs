//! Copies and deletions.

use davmux_driver::{Driver, Entry, ErrorKind, Etag, Expect, Kind, Native, RelPath, Removal, When};
use davmux_s3_server::{Checksums, Fault, Server, Strict};

use crate::support::{Fixture, canned, driver, get, metered, path, put, xml};

const ODD: &str = "o+d %&d/a+b ?#%'()*~\u{1f600}";

fn removal(name: &str) -> Removal {
    Removal { path: path(name), kind: Kind::File, etag: None }
}

async fn copied(native: davmux_driver::Result<Native<Entry>>) -> Entry {
    match native.unwrap() {
        Native::Done(entry) => entry,
        Native::Declined => panic!("a copy in one bucket is done by the bucket"),
    }
}

#[tokio::test]
async fn a_copy_is_one_call_and_needs_no_look_afterwards() {
    let fixture = Fixture::start().await;
    let from = put(&fixture.s3, ODD, "content").await;
    fixture.calls().reset();
    let (copy, calls) = metered(fixture.s3.copy(&from, &path("to +%"), &When::Always)).await;
    let copy = copied(copy).await;
    assert_eq!((calls, fixture.calls().total(), fixture.calls().count("CopyObject")), (1, 1, 1));
    let looked = fixture.s3.stat(&path("to +%"), Expect::File).await.unwrap();
    assert_eq!(
        (&copy.path, copy.size, &copy.etag, copy.modified),
        (&looked.path, looked.size, &looked.etag, looked.modified)
    );
    assert!(copy.modified.is_some());
    assert_eq!(get(&fixture.s3, "to +%").await.unwrap(), "content");
}

#[tokio::test]
async fn conditions_of_a_copy_are_told_apart() {
    let fixture = Fixture::start().await;
    let from = put(&fixture.s3, "a", "one").await;
    put(&fixture.s3, "b", "two").await;
    let error = fixture.s3.copy(&from, &path("b"), &When::Absent).await.unwrap_err();
    assert_eq!((error.kind(), error.path()), (ErrorKind::AlreadyExists, &path("b")));
    let changed = Entry { etag: Etag::new("other"), ..from.clone() };
    for (to, when) in [("b", When::Always), ("c", When::Absent)] {
        let error = fixture.s3.copy(&changed, &path(to), &when).await.unwrap_err();
        assert_eq!((error.kind(), error.path()), (ErrorKind::Precondition, &path("a")), "{to}");
    }
    assert_eq!(get(&fixture.s3, "b").await.unwrap(), "two");
    let gone = Entry { path: path("gone"), ..from.clone() };
    let error = fixture.s3.copy(&gone, &path("c"), &When::Always).await.unwrap_err();
    assert_eq!((error.kind(), error.path()), (ErrorKind::NotFound, &path("gone")));
    assert!(get(&fixture.s3, "c").await.is_err());
}

#[tokio::test]
async fn what_a_bucket_cannot_copy_is_declined() {
    let fixture = Fixture::start().await;
    let large = Entry::file(path("large"), 5_000_000_001);
    let small = put(&fixture.s3, "a", "x").await;
    let matches = When::Matches(small.etag.clone().unwrap());
    fixture.calls().reset();
    assert!(matches!(fixture.s3.copy(&large, &path("b"), &When::Always).await, Ok(Native::Declined)));
    assert!(matches!(fixture.s3.copy(&small, &path("b"), &matches).await, Ok(Native::Declined)));
    assert!(matches!(fixture.s3.rename(&small, &path("b"), &When::Always).await, Ok(Native::Declined)));
    assert_eq!(fixture.calls().total(), 0);
}

#[tokio::test]
async fn a_copy_survives_a_lost_answer_and_believes_no_empty_one() {
    let fixture = Fixture::start().await;
    let from = put(&fixture.s3, "a", "one").await;
    fixture.faults().nth("CopyObject", 1, Fault::LostAnswer);
    copied(fixture.s3.copy(&from, &path("b"), &When::Always).await).await;
    assert_eq!(get(&fixture.s3, "b").await.unwrap(), "one");
    for body in
        ["<Error><Code>InternalError</Code><Message>m</Message></Error>", "<CopyObjectResult></CopyObjectResult>"]
    {
        let s3 = canned(vec![xml("200 OK", body)]).await;
        let error = s3.copy(&from, &path("b"), &When::Always).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Backend, "{body}");
    }
}

#[tokio::test]
async fn one_deletion_is_one_call_and_a_thousand_too() {
    let strict = Strict { checksums: Checksums::REFUSED, ..Strict::amazon() };
    let fixture = Fixture::with(Server::builder().strict(strict), |_| ()).await;
    put(&fixture.s3, "one", "x").await;
    fixture.put_keys(&[ODD, "<&\">", "k", "d/", "d/member", "keep"]).await;
    let (failed, calls) = metered(fixture.s3.delete(&[removal("one")])).await;
    assert_eq!((failed.unwrap().len(), calls), (0, 1));
    let folder = Removal { path: path("d"), kind: Kind::Dir, etag: None };
    let mut batch = vec![removal(ODD), removal("<&\">"), removal("k"), removal("never-was"), folder];
    batch.extend((batch.len()..1000).map(|number| removal(&format!("absent-{number}"))));
    let (failed, calls) = metered(fixture.s3.delete(&batch)).await;
    assert_eq!((failed.unwrap().len(), calls), (0, 1));
    let left = fixture.client().list_objects_v2().bucket("films").send().await.unwrap();
    let left: Vec<_> = left.contents().iter().filter_map(|object| object.key()).collect();
    assert_eq!(left, ["d/member", "keep"], "a folder goes without its members");
}

#[tokio::test]
async fn the_root_of_a_bucket_has_no_marker_to_delete() {
    let fixture = Fixture::start().await;
    let root = Removal { path: RelPath::root(), kind: Kind::Dir, etag: None };
    assert!(fixture.s3.delete(&[root]).await.unwrap().is_empty());
    assert_eq!(fixture.calls().total(), 0);
}

#[tokio::test]
async fn a_member_that_cannot_be_deleted_is_named() {
    let body = "<DeleteResult><Error><Key>b</Key><Code>AccessDenied</Code><Message>no</Message></Error></DeleteResult>";
    let s3 = canned(vec![xml("200 OK", body)]).await;
    let failed = s3.delete(&[removal("a"), removal("b")]).await.unwrap();
    assert_eq!(failed.len(), 1);
    assert_eq!((&failed[0].0, failed[0].1.kind()), (&path("b"), ErrorKind::Denied));
}

#[tokio::test]
async fn a_deletion_in_a_missing_bucket_is_no_success() {
    let fixture = Fixture::start().await;
    let s3 = driver(&fixture.server, |options| options.bucket = "nowhere".into());
    for batch in [vec![removal("a")], vec![removal("a"), removal("b")]] {
        assert_eq!(s3.delete(&batch).await.unwrap_err().kind(), ErrorKind::Unavailable);
    }
}

#[tokio::test]
async fn an_empty_folder_cannot_be_made_and_the_error_says_what_helps() {
    let fixture = Fixture::start().await;
    let error = fixture.s3.create_dir(&path("d")).await.unwrap_err();
    assert!(error.kind() == ErrorKind::Unsupported && error.to_string().contains("placeholder"), "{error}");
}
