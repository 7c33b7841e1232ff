//! Copies and deletions.

use davmux_driver::{Driver, Entry, ErrorKind, Etag, Expect, Kind, Native, RelPath, Removal, When};
use davmux_driver_s3::provider::{BulkDelete, Overrides, Provider};
use davmux_s3_server::{Checksums, Condition, Conditions, Deletes, Fault, Refusal, Server, Strict};

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
    let fixture = Fixture::with(Server::builder(), |options| options.provider = Provider::named("gcs")).await;
    let large = Entry::file(path("large"), (5 << 40) + 1);
    let small = put(&fixture.s3, "a", "x").await;
    fixture.calls().reset();
    assert!(matches!(fixture.s3.copy(&large, &path("b"), &When::Always).await, Ok(Native::Declined)));
    assert!(matches!(fixture.s3.begin_copy(&large, &path("b"), &When::Always).await, Ok(Native::Declined)));
    assert!(matches!(fixture.s3.begin_copy(&small, &path("b"), &When::Always).await, Ok(Native::Declined)));
    assert!(matches!(fixture.s3.rename(&small, &path("b"), &When::Always).await, Ok(Native::Declined)));
    assert_eq!(fixture.calls().total(), 0);
}

#[tokio::test]
async fn a_copy_over_a_version_looks_at_it_before() {
    let fixture = Fixture::start().await;
    let from = put(&fixture.s3, "a", "one").await;
    let to = put(&fixture.s3, "b", "two").await;
    let error = fixture.s3.copy(&from, &path("b"), &When::Matches(Etag::new("other").unwrap())).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Precondition);
    copied(fixture.s3.copy(&from, &path("b"), &When::Matches(to.etag.unwrap())).await).await;
    assert_eq!(get(&fixture.s3, "b").await.unwrap(), "one");
}

#[tokio::test]
async fn a_target_that_must_be_absent_is_told_as_the_row_says() {
    for (row, looks, conditions) in [
        ("amazon", 0, Strict::amazon().conditions),
        ("r2", 0, Strict::r2().conditions),
        ("minio", 1, Strict::minio().conditions),
        ("b2", 2, Strict::b2().conditions),
        ("other", 1, Conditions::writes(Condition::Ignored)),
    ] {
        let server = Server::builder().strict(Strict { conditions, ..Strict::default() });
        let fixture = Fixture::with(server, |options| options.provider = Provider::named(row)).await;
        let from = put(&fixture.s3, "a", "one").await;
        fixture.calls().reset();
        copied(fixture.s3.copy(&from, &path("b"), &When::Absent).await).await;
        assert_eq!(fixture.calls().count("CopyObject"), 1, "{row}");
        assert_eq!(fixture.calls().count("HeadObject"), looks, "{row}");
        let other = put(&fixture.s3, "a", "other").await;
        let error = fixture.s3.copy(&other, &path("b"), &When::Absent).await.unwrap_err();
        assert_eq!((error.kind(), error.path()), (ErrorKind::AlreadyExists, &path("b")), "{row}");
        let error = fixture.s3.copy(&from, &path("c"), &When::Always).await.unwrap_err();
        assert_eq!((error.kind(), error.path()), (ErrorKind::Precondition, &path("a")), "{row}");
        assert_eq!(get(&fixture.s3, "b").await.unwrap(), "one", "{row}");
    }
}

#[tokio::test]
async fn conditions_of_a_copy_that_the_storage_does_not_know_are_looked_at_before() {
    let mut conditions = Conditions::writes(Condition::Refused(Refusal::NOT_IMPLEMENTED));
    conditions.copy_source = Condition::Refused(Refusal::NOT_IMPLEMENTED);
    let server = Server::builder().strict(Strict { conditions, ..Strict::amazon() });
    let fixture = Fixture::with(server, |options| options.provider = Provider::named("amazon")).await;
    let from = put(&fixture.s3, "a", "one").await;
    for (name, copies) in [("b", 3), ("c", 1)] {
        fixture.calls().reset();
        copied(fixture.s3.copy(&from, &path(name), &When::Absent).await).await;
        assert_eq!(fixture.calls().count("CopyObject"), copies);
        let error = fixture.s3.copy(&from, &path(name), &When::Absent).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::AlreadyExists);
    }
    put(&fixture.s3, "a", "changed").await;
    let error = fixture.s3.copy(&from, &path("d"), &When::Absent).await.unwrap_err();
    assert_eq!((error.kind(), error.path()), (ErrorKind::Precondition, &path("a")));
}

#[tokio::test]
async fn a_copy_onto_nothing_whose_answer_was_lost_is_known_again() {
    let fixture = Fixture::with(Server::builder(), |options| options.provider = Provider::named("amazon")).await;
    let from = put(&fixture.s3, "a", "one").await;
    fixture.faults().nth("CopyObject", 1, Fault::LostAnswer);
    copied(fixture.s3.copy(&from, &path("b"), &When::Absent).await).await;
    assert_eq!(fixture.calls().count("CopyObject"), 2);
    // The same again is no lost answer: it was there before, though it has the same content.
    let error = fixture.s3.copy(&from, &path("b"), &When::Absent).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::AlreadyExists);
    // Nor is it one when the call that was sent twice meets another writer at last.
    fixture.faults().nth("CopyObject", 1, Fault::LostAnswer);
    fixture.faults().nth("CopyObject", 2, Fault::Refuse(Refusal::new(409, "ConditionalRequestConflict", "busy")));
    copied(fixture.s3.copy(&from, &path("d"), &When::Absent).await).await;
    // In doubt, what stands there is no copy of this source.
    put(&fixture.s3, "c", "two").await;
    fixture.faults().nth("CopyObject", 1, Fault::InternalError);
    let error = fixture.s3.copy(&from, &path("c"), &When::Absent).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::AlreadyExists);
}

#[tokio::test]
async fn a_copy_that_fails_inside_a_200_is_done_again() {
    let fixture = Fixture::with(Server::builder(), |options| options.provider = Provider::named("amazon")).await;
    let from = put(&fixture.s3, "a", "one").await;
    for code in ["InternalError", "SlowDown"] {
        for when in [When::Always, When::Absent] {
            let to = format!("{code}-{when:?}");
            let refusal = Refusal::new(200, code, "We encountered an error. Please try again.");
            fixture.faults().nth("CopyObject", 1, Fault::ErrorInside(refusal));
            copied(fixture.s3.copy(&from, &path(&to), &when).await).await;
            assert_eq!(get(&fixture.s3, &to).await.unwrap(), "one");
        }
    }
}

#[tokio::test]
async fn keys_of_any_characters_are_copied_and_deleted_and_no_neighbour_is() {
    let fixture = Fixture::start().await;
    let longest = format!("{}/{}", "é".repeat(300), "x".repeat(1024 - 601));
    let names = [
        "a b",
        "a+b",
        "a%20b",
        "a%2Bb",
        "a%2b",
        "a%252Bb",
        "a?b",
        "a#b",
        "a&b=c",
        "a'b",
        "a(b)*~",
        "a;b:c@d,e!f$g",
        "[a]{b}|^`\"",
        "a\\b",
        "...",
        "a..b",
        ".a./b",
        "%2e%2e/b",
        "b",
        "a<b>",
        "\u{e9}",
        "e\u{301}",
        "\u{1f600}",
        &longest,
    ];
    let raw = ["a//b", "/b", "a/../b", "a/./b", "./b", "../b", "b/", "b//", "a\tb", "/", "//", "a"];
    fixture.put_keys(&names).await;
    fixture.put_keys(&raw).await;
    for name in names {
        let from = fixture.s3.stat(&path(name), Expect::File).await.unwrap();
        let to = path(&format!("copies/{name}").chars().take(500).collect::<String>());
        copied(fixture.s3.copy(&from, &to, &When::Always).await).await;
        assert_eq!(fixture.s3.stat(&to, Expect::File).await.unwrap().size, 1, "{name}");
        fixture.s3.delete(&[removal(to.as_str())]).await.unwrap();
    }
    let mut left: Vec<String> = names.iter().chain(&raw).map(|name| (*name).to_owned()).collect();
    let keys = async || {
        let listed =
            fixture.client().list_objects_v2().bucket("films").encoding_type("url".into()).send().await.unwrap();
        let key = |key: &str| {
            percent_encoding::percent_decode_str(&key.replace('+', " ")).decode_utf8().unwrap().into_owned()
        };
        let mut keys: Vec<_> = listed.contents().iter().filter_map(|object| object.key().map(key)).collect();
        keys.sort();
        keys
    };
    // One by one, and then the rest in one call.
    for (at, name) in names.iter().enumerate() {
        if at % 2 == 0 {
            assert!(fixture.s3.delete(&[removal(name)]).await.unwrap().is_empty());
            left.retain(|key| key != name);
            left.sort();
            assert_eq!(keys().await, left, "{name}");
        }
    }
    let rest: Vec<_> = names.iter().map(|name| removal(name)).collect();
    assert!(fixture.s3.delete(&rest).await.unwrap().is_empty());
    left.retain(|key| !names.contains(&key.as_str()));
    assert_eq!(keys().await, left);
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
async fn members_that_fail_for_a_passing_reason_are_deleted_in_the_end() {
    let fixture = Fixture::start().await;
    fixture.put_keys(&["a", "b", "c", "keep"]).await;
    fixture.faults().nth("DeleteObjects", 1, Fault::KeyErrors(2));
    fixture.faults().nth("DeleteObjects", 2, Fault::KeyErrors(1));
    assert!(fixture.s3.delete(&["a", "b", "c"].map(removal)).await.unwrap().is_empty());
    assert_eq!(fixture.calls().count("DeleteObjects"), 3);
    assert!(get(&fixture.s3, "keep").await.is_ok());
    for gone in ["a", "b", "c"] {
        assert!(get(&fixture.s3, gone).await.is_err());
    }
    // One that never gives in is named, and the others are gone.
    fixture.put_keys(&["a", "b", "c"]).await;
    fixture.faults().every("DeleteObjects", Fault::KeyErrors(1));
    let failed = fixture.s3.delete(&["a", "b", "c"].map(removal)).await.unwrap();
    assert_eq!(failed.iter().map(|(path, _)| path.as_str()).collect::<Vec<_>>(), ["a"]);
    assert!(get(&fixture.s3, "a").await.is_ok() && get(&fixture.s3, "b").await.is_err());
}

#[tokio::test]
async fn without_a_call_for_many_keys_they_go_side_by_side() {
    let known = Overrides { bulk_delete: Some(BulkDelete::None), ..Overrides::default() };
    for (overrides, batches) in [(known, 0), (Overrides::default(), 1)] {
        let batch = Some(Refusal::new(405, "MethodNotAllowed", "The specified method is not allowed"));
        let deletes = Deletes { batch, ..Deletes::default() };
        let server = Server::builder().strict(Strict { deletes, ..Strict::default() });
        let fixture = Fixture::with(server, |options| options.overrides = overrides).await;
        let names: Vec<String> = (0..40).map(|number| format!("k{number}")).collect();
        fixture.put_keys(&names.iter().map(String::as_str).collect::<Vec<_>>()).await;
        assert_eq!(fixture.s3.capabilities().delete_batch, 1000);
        let batch: Vec<_> = names.iter().map(|name| removal(name)).collect();
        if batches == 0 {
            fixture.faults().together(8);
        }
        assert!(fixture.s3.delete(&batch).await.unwrap().is_empty());
        assert_eq!(fixture.calls().count("DeleteObjects"), batches);
        assert_eq!(fixture.calls().count("DeleteObject"), 40);
        fixture.s3.delete(&batch).await.unwrap();
        assert_eq!(fixture.calls().count("DeleteObjects"), batches, "it is asked for once");
    }
}

#[tokio::test]
async fn a_row_with_conditional_deletes_takes_only_the_version() {
    let refused = Conditions::writes(Condition::Refused(Refusal::NOT_IMPLEMENTED));
    for (conditions, looks) in [(Conditions::default(), 0), (refused, 1)] {
        let server = Server::builder().strict(Strict { conditions, ..Strict::amazon() });
        let fixture = Fixture::with(server, |options| options.provider = Provider::named("amazon")).await;
        assert!(fixture.s3.capabilities().conditional_delete);
        let of = |entry: &Entry| Removal { path: entry.path.clone(), kind: Kind::File, etag: entry.etag.clone() };
        let (a, b, c) =
            (put(&fixture.s3, "a", "1").await, put(&fixture.s3, "b", "1").await, put(&fixture.s3, "c", "1").await);
        put(&fixture.s3, "b", "changed").await;
        fixture.calls().reset();
        let failed = fixture.s3.delete(&[of(&a), of(&b), of(&c), of(&a)]).await.unwrap();
        let failed: Vec<_> = failed.iter().map(|(path, error)| (path.as_str(), error.kind())).collect();
        assert_eq!(failed, [("b", ErrorKind::Precondition)]);
        let failed = fixture.s3.delete(&[of(&b)]).await.unwrap();
        assert_eq!(failed[0].1.kind(), ErrorKind::Precondition);
        assert_eq!(fixture.calls().count("HeadObject") > 0, looks > 0);
        assert_eq!(get(&fixture.s3, "b").await.unwrap(), "changed");
        assert!(get(&fixture.s3, "a").await.is_err() && get(&fixture.s3, "c").await.is_err());
    }
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
