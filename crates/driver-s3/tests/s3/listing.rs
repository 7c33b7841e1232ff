//! `list` and `list_tree`.

use davmux_driver::{Driver, ErrorKind, Native, Pages, RelPath};
use davmux_driver_s3::S3;
use davmux_s3_server::{Fault, Server};
use futures_util::StreamExt as _;

use crate::support::{Fixture, canned, collect, driver, first_error, metered, path, xml};

fn tree(s3: &S3, dir: &str) -> Pages {
    match s3.list_tree(&path(dir)) {
        Native::Done(pages) => pages,
        Native::Declined => panic!("a bucket lists trees"),
    }
}

#[tokio::test]
async fn members_are_files_and_folders_once_each() {
    let fixture = Fixture::start().await;
    fixture.put_keys(&["d/", "d/a", "d/b/c", "d/b/d", "d/e/", "d-neighbour", "x"]).await;
    let (listing, calls) = metered(collect(fixture.s3.list(&path("d")))).await;
    assert_eq!(listing.unwrap(), (vec!["d/a".into(), "d/b/".into(), "d/e/".into()], vec![]));
    assert_eq!((calls, fixture.calls().total()), (1, 1));
    let root = collect(fixture.s3.list(&RelPath::root())).await.unwrap();
    assert_eq!(root.0, ["d-neighbour", "d/", "x"]);
}

#[tokio::test]
async fn a_file_is_hidden_by_its_folder_and_counted() {
    let fixture = Fixture::start().await;
    fixture.put_keys(&["blue", "blue!", "blue-1", "blue/x", "blue0"]).await;
    let root = RelPath::root();
    let (names, unnameable) = collect(fixture.s3.list(&root)).await.unwrap();
    assert_eq!(names, ["blue!", "blue-1", "blue/", "blue0"]);
    assert_eq!(unnameable, [""]);
    let (names, unnameable) = collect(tree(&fixture.s3, "")).await.unwrap();
    assert_eq!(names, ["blue!", "blue-1", "blue/x", "blue0"]);
    assert_eq!(unnameable, [""]);
}

#[tokio::test]
async fn a_file_at_the_end_of_a_page_waits_for_its_folder_on_the_next() {
    let fixture = Fixture::start().await;
    // `b` and 1,200 keys that sort before `b/`: the page ends between them.
    let keys: Vec<String> = (0..1200).map(|number| format!("b!{number:04}")).collect();
    let mut keys: Vec<&str> = keys.iter().map(String::as_str).collect();
    keys.extend(["b", "b/x"]);
    fixture.put_keys(&keys).await;
    let (names, unnameable) = collect(fixture.s3.list(&RelPath::root())).await.unwrap();
    assert_eq!((names.len(), unnameable), (1201, vec![String::new()]));
    assert!(names.contains(&"b/".to_owned()) && !names.contains(&"b".to_owned()));
    assert_eq!(fixture.calls().total(), 2);
    let (names, unnameable) = collect(tree(&fixture.s3, "")).await.unwrap();
    assert_eq!((names.len(), unnameable), (1201, vec![String::new()]));
}

#[tokio::test]
async fn what_cannot_be_named_is_hidden_and_counted_where_it_is() {
    let fixture = Fixture::start().await;
    fixture.put_keys(&["d//x", "d/../y", "d/a\u{7}", "d/fine", "d/sub//z", "e//"]).await;
    let (names, unnameable) = collect(fixture.s3.list(&path("d"))).await.unwrap();
    assert_eq!(names, ["d/fine", "d/sub/"]);
    assert_eq!(unnameable, ["d", "d", "d"]);
    let (names, unnameable) = collect(tree(&fixture.s3, "")).await.unwrap();
    assert_eq!(names, ["d/fine"]);
    assert_eq!(unnameable, ["d", "d", "d", "d/sub", "e"]);
}

#[tokio::test]
async fn a_tree_shows_folders_that_have_a_key() {
    let fixture = Fixture::start().await;
    fixture.put_keys(&["d/", "d/a/b", "d/a/", "d/c", "d0"]).await;
    let (names, unnameable) = collect(tree(&fixture.s3, "d")).await.unwrap();
    assert_eq!(names, ["d/a/", "d/a/b", "d/c"]);
    assert!(unnameable.is_empty());
}

#[tokio::test]
async fn a_folder_without_a_key_is_not_there_but_the_root_is() {
    let fixture = Fixture::start().await;
    fixture.put_keys(&["a", "empty/"]).await;
    for dir in ["nowhere", "a"] {
        assert_eq!(first_error(fixture.s3.list(&path(dir))).await.kind(), ErrorKind::NotFound, "{dir}");
        assert_eq!(first_error(tree(&fixture.s3, dir)).await.kind(), ErrorKind::NotFound, "{dir}");
    }
    assert_eq!(collect(fixture.s3.list(&path("empty"))).await.unwrap(), (vec![], vec![]));
    let rooted = driver(&fixture.server, |options| options.root_folder_path = "new".into());
    assert_eq!(collect(rooted.list(&RelPath::root())).await.unwrap(), (vec![], vec![]));
}

#[tokio::test]
async fn ten_thousand_entries_are_ten_calls_and_the_first_page_comes_first() {
    let fixture = Fixture::with(Server::builder().numbered_objects("films", "d/", 3000), |_| ()).await;
    let mut pages = fixture.s3.list(&path("d"));
    let first = pages.next().await.unwrap().unwrap();
    assert!(first.entries.len() >= 999, "all but what may still be hidden: {}", first.entries.len());
    assert!(fixture.calls().total() <= 2, "at most one page ahead");
    let rest: Vec<_> = pages.collect().await;
    let entries: usize = rest.iter().map(|page| page.as_ref().unwrap().entries.len()).sum();
    assert_eq!((first.entries.len() + entries, fixture.calls().total()), (3000, 3));
}

#[tokio::test]
async fn a_page_that_fails_ends_the_listing_with_an_error() {
    let fixture = Fixture::with(Server::builder().numbered_objects("films", "k", 1100), |_| ()).await;
    fixture.faults().nth("ListObjectsV2", 2, Fault::AccessDenied);
    assert_eq!(first_error(fixture.s3.list(&RelPath::root())).await.kind(), ErrorKind::Denied);
    fixture.faults().clear();
    fixture.faults().every("ListObjectsV2", Fault::CutBody(500));
    assert!(first_error(fixture.s3.list(&RelPath::root())).await.kind() != ErrorKind::NotFound);
}

#[tokio::test]
async fn a_missing_bucket_is_an_error_for_root_and_folder() {
    let fixture = Fixture::start().await;
    let s3 = driver(&fixture.server, |options| options.bucket = "nowhere".into());
    for dir in ["", "d"] {
        assert_eq!(first_error(s3.list(&path(dir))).await.kind(), ErrorKind::Unavailable, "{dir:?}");
    }
}

#[tokio::test]
async fn no_answer_that_makes_no_sense_passes_for_a_listing() {
    let page = |inner: &str| xml("200 OK", &format!("<ListBucketResult>{inner}</ListBucketResult>"));
    let truncated = |token: &str| {
        let token = format!("<NextContinuationToken>{token}</NextContinuationToken>");
        let object = "<Contents><Key>a</Key><Size>1</Size></Contents>";
        page(&format!("<IsTruncated>true</IsTruncated>{}{object}", if token.contains("><") { "" } else { &token }))
    };
    let cases = [
        ("a page of HTML", vec![xml("200 OK", "<html><body>hello</body></html>")]),
        ("nothing", vec![xml("200 OK", "")]),
        ("a cut document", vec![xml("200 OK", "<ListBucketResult><IsTruncated>false</IsTruncated><Contents><Key>a")]),
        ("an end that is missing", vec![xml("200 OK", "<ListBucketResult><IsTruncated>false</IsTruncated>")]),
        ("no token", vec![truncated("")]),
        ("circles", vec![truncated("t")]),
        ("circles of two", vec![truncated("t"), truncated("u"), truncated("t")]),
        ("an error in a 200", vec![xml("200 OK", "<Error><Code>InternalError</Code></Error>")]),
    ];
    for (name, answers) in cases {
        let s3 = canned(answers).await;
        let error = first_error(s3.list(&RelPath::root())).await;
        assert!(!matches!(error.kind(), ErrorKind::NotFound), "{name}: {error}");
    }
}

#[tokio::test]
async fn a_storage_that_does_not_sort_is_read_whole() {
    let page = |token: Option<&str>, keys: &[&str]| {
        let mut body = format!("<IsTruncated>{}</IsTruncated>", token.is_some());
        if let Some(token) = token {
            body.push_str(&format!("<NextContinuationToken>{token}</NextContinuationToken>"));
        }
        for key in keys {
            if key.ends_with('/') {
                body.push_str(&format!("<CommonPrefixes><Prefix>{key}</Prefix></CommonPrefixes>"));
            } else {
                body.push_str(&format!("<Contents><Key>{key}</Key><Size>1</Size></Contents>"));
            }
        }
        xml("200 OK", &format!("<ListBucketResult>{body}</ListBucketResult>"))
    };
    let (first, last) = (page(Some("t"), &["a", "z"]), page(None, &["a/", "b"]));
    let s3 = canned(vec![first.clone(), last.clone(), first, last]).await;
    let error = first_error(s3.list(&RelPath::root())).await;
    assert_eq!(error.kind(), ErrorKind::Unavailable, "what was passed on is wrong, and nobody takes it for whole");
    let (names, unnameable) = collect(s3.list(&RelPath::root())).await.unwrap();
    assert_eq!(names, ["a/", "b", "z"]);
    assert_eq!(unnameable, [""]);
}

#[tokio::test]
async fn odd_but_lawful_names_come_back_as_they_are() {
    let fixture = Fixture::with(Server::builder(), |options| options.root_folder_path = "r+ o%t".into()).await;
    let names = ["a+b", "a b", "100%", "x%20y", "q?#&=", "(it's)*~", "\u{1f600}", "n\u{303}", "\u{f1}", "<&\">", "\\"];
    let keys: Vec<String> = names.iter().map(|name| format!("r+ o%t/{name}")).collect();
    fixture.put_keys(&keys.iter().map(String::as_str).collect::<Vec<_>>()).await;
    let mut expected: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
    expected.sort();
    assert_eq!(collect(fixture.s3.list(&RelPath::root())).await.unwrap(), (expected, vec![]));
}
