//! Pages: both versions of the call, and storages that page as S3 does not.

use davmux_driver::{Driver, ErrorKind, Expect, Native, RelPath};
use davmux_driver_s3::S3;
use davmux_driver_s3::provider::{ListVersion, Provider};
use davmux_s3_server::{Fault, Refusal, Server};
use futures_util::StreamExt as _;

use crate::odd::{Asked, NextMarker, Odd};
use crate::support::{BUCKET, Fixture, collect, first_error, metered, path};

const KEYS: &[&str] = &["a", "b c", "b+c", "d/1", "d/2", "d/3", "e f/1", "e+f/1", "e%20f/1", "g", "h/i/j"];
const MEMBERS: &[&str] = &["a", "b c", "b+c", "d/", "e f/", "e%20f/", "e+f/", "g", "h/"];

async fn members(s3: &S3) -> Vec<String> {
    let (mut names, unnameable) = collect(s3.list(&RelPath::root())).await.unwrap();
    assert_eq!(unnameable, Vec::<String>::new());
    names.sort();
    names
}

async fn tree(s3: &S3) -> Vec<String> {
    match s3.list_tree(&RelPath::root()) {
        Native::Done(pages) => collect(pages).await.unwrap().0,
        Native::Declined => panic!("a bucket lists trees"),
    }
}

fn sorted(names: &[&str]) -> Vec<String> {
    let mut names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
    names.sort();
    names
}

fn count(asked: &Asked) -> usize {
    asked.lock().unwrap().len()
}

/// A row that is trusted to do as it says.
fn row(word: &str) -> Option<&'static Provider> {
    Some(Provider::named(word).unwrap())
}

#[tokio::test]
async fn both_versions_list_the_same_at_the_same_cost() {
    for (version, operation) in [(ListVersion::V1, "ListObjects"), (ListVersion::V2, "ListObjectsV2")] {
        for url_encoding in [true, false] {
            let server = Server::builder().numbered_objects(BUCKET, "many/+ %", 1100);
            let fixture = Fixture::with(server, |options| {
                options.provider = row("minio");
                options.overrides.list_version = Some(version);
                options.overrides.list_url_encoding = Some(url_encoding);
            })
            .await;
            let many: Vec<String> = (0..1100).map(|number| format!("many/+ %{number:08}")).collect();
            fixture.put_keys(KEYS).await;
            let (listing, calls) = metered(collect(fixture.s3.list(&path("many")))).await;
            assert_eq!((listing.unwrap().0, calls), (many.clone(), 2), "{version:?} {url_encoding}");
            assert_eq!(fixture.calls().count(operation), 2);
            let members = members(&fixture.s3).await;
            assert_eq!(members, sorted(&[MEMBERS, &["many/"]].concat()), "{version:?} {url_encoding}");
            assert_eq!(tree(&fixture.s3).await.len(), KEYS.len() + many.len());
            fixture.calls().reset();
            assert!(fixture.s3.stat(&path("d"), Expect::Any).await.unwrap().is_dir());
            assert_eq!(fixture.s3.stat(&path("e f/1"), Expect::File).await.unwrap().size, 1);
            assert_eq!(fixture.s3.stat(&path("none"), Expect::Any).await.unwrap_err().kind(), ErrorKind::NotFound);
            fixture.s3.check().await.unwrap();
            assert_eq!((fixture.calls().count(operation), fixture.calls().total()), (3, 6), "{version:?}");
        }
    }
}

#[tokio::test]
async fn a_page_of_listobjects_goes_on_with_or_without_a_next_marker() {
    for next_marker in [NextMarker::AsS3, NextMarker::Never, NextMarker::Plain] {
        for page in [1, 2, 3, 100] {
            for url_encoding in [true, false] {
                for counts_keys in [false, true] {
                    let odd = Odd { next_marker, counts_keys, ..Odd::with(KEYS, page) };
                    if counts_keys && next_marker == NextMarker::Never && page < 3 {
                        // Such a storage can be listed by nobody: nothing says where it stopped in a folder.
                        continue;
                    }
                    let (s3, _) = odd
                        .start(|options| {
                            options.provider = row("minio");
                            options.overrides.list_version = Some(ListVersion::V1);
                            options.overrides.list_url_encoding = Some(url_encoding);
                        })
                        .await;
                    let case = format!("{next_marker:?} {page} {url_encoding} {counts_keys}");
                    assert_eq!(members(&s3).await, sorted(MEMBERS), "{case}");
                    assert_eq!(tree(&s3).await, sorted(KEYS), "{case}");
                }
            }
        }
    }
}

#[tokio::test]
async fn a_storage_that_answers_v2_as_v1_is_listed_whole_and_remembered() {
    let (s3, asked) = Odd { only_v1: true, ..Odd::with(KEYS, 4) }.start(|_| ()).await;
    assert_eq!(tree(&s3).await, sorted(KEYS));
    assert_eq!(asked.lock().unwrap().iter().filter(|query| query.contains("list-type=2")).count(), 1);
    let before = count(&asked);
    assert_eq!(tree(&s3).await, sorted(KEYS));
    assert_eq!(count(&asked) - before, 3);
    assert!(!asked.lock().unwrap()[before..].iter().any(|query| query.contains("list-type=2")));
}

#[tokio::test]
async fn the_habits_of_strict_servers_are_met() {
    let habits = davmux_s3_server::Listing::default();
    for listing in [
        davmux_s3_server::Listing { only_v1: true, ..habits },
        davmux_s3_server::Listing { only_v1: true, ignores_encoding: true, ..habits },
        davmux_s3_server::Listing { plain_prefixes: true, ..habits },
        davmux_s3_server::Listing { only_v1: true, plain_prefixes: true, ..habits },
    ] {
        let strict = davmux_s3_server::Strict { listing, ..davmux_s3_server::Strict::default() };
        let server = Server::builder().strict(strict).numbered_objects(BUCKET, "many %2B", 1100);
        let fixture = Fixture::with(server, |_| ()).await;
        fixture.put_keys(KEYS).await;
        let many: Vec<String> = (0..1100).map(|number| format!("many %2B{number:08}")).collect();
        let names: Vec<&str> = many.iter().map(String::as_str).collect();
        assert_eq!(members(&fixture.s3).await, sorted(&[MEMBERS, &names].concat()), "{listing:?}");
        assert_eq!(tree(&fixture.s3).await.len(), KEYS.len() + many.len(), "{listing:?}");
    }
}

#[tokio::test]
async fn a_storage_that_refuses_v2_is_listed_by_v1() {
    let (s3, asked) = Odd { refuses_v2: true, ..Odd::with(KEYS, 100) }.start(|_| ()).await;
    assert_eq!(tree(&s3).await, sorted(KEYS));
    let before = count(&asked);
    assert_eq!(tree(&s3).await, sorted(KEYS));
    assert_eq!(count(&asked) - before, 1, "it is asked in vain only once");
}

#[tokio::test]
async fn a_flag_or_a_token_that_is_missing_cuts_nothing_short() {
    for version in [ListVersion::V1, ListVersion::V2] {
        for (no_flag, no_token) in [(true, false), (false, true), (true, true)] {
            let (s3, _) = Odd { no_flag, no_token, ..Odd::with(KEYS, 3) }
                .start(|options| options.overrides.list_version = Some(version))
                .await;
            assert_eq!(members(&s3).await, sorted(MEMBERS), "{version:?} {no_flag} {no_token}");
            assert_eq!(tree(&s3).await, sorted(KEYS), "{version:?} {no_flag} {no_token}");
        }
    }
}

#[tokio::test]
async fn a_storage_that_answers_one_page_for_ever_is_an_error() {
    let (s3, asked) = Odd { loops_when_encoded: true, ..Odd::with(KEYS, 3) }
        .start(|options| options.overrides.list_version = Some(ListVersion::V1))
        .await;
    let error = first_error(s3.list(&RelPath::root())).await;
    assert_eq!(error.kind(), ErrorKind::Backend, "{error}");
    assert!(error.to_string().contains("again and again"), "{error}");
    assert!(count(&asked) <= 4, "{asked:?}");
    // Its row says not to encode.
    let (s3, _) = Odd { loops_when_encoded: true, ..Odd::with(KEYS, 3) }
        .start(|options| {
            options.overrides.list_version = Some(ListVersion::V1);
            options.overrides.list_url_encoding = Some(false);
        })
        .await;
    assert_eq!(members(&s3).await, sorted(MEMBERS));
}

#[tokio::test]
async fn prefixes_that_are_not_encoded_are_found_out_and_cost_one_call() {
    for plain_prefixes in [true, false] {
        let ambiguous = &["e%20f/1", "e+f/1", "g h"];
        let (s3, asked) = Odd { plain_prefixes, ..Odd::with(ambiguous, 100) }.start(|_| ()).await;
        for calls in [2, 1] {
            let before = count(&asked);
            assert_eq!(members(&s3).await, ["e%20f/", "e+f/", "g h"], "plain: {plain_prefixes}");
            assert_eq!(count(&asked) - before, calls, "plain: {plain_prefixes}");
        }
        // One that cannot be encoded tells by itself.
        let (s3, asked) = Odd { plain_prefixes: true, ..Odd::with(&["a b/1", "a+b/1"], 100) }.start(|_| ()).await;
        assert_eq!(members(&s3).await, ["a b/", "a+b/"]);
        assert_eq!(count(&asked), 1);
    }
}

#[tokio::test]
async fn a_prefix_whose_name_is_not_certain_is_hidden_and_counted() {
    // The control character keeps the page from being said plainly.
    let odd = Odd { plain_prefixes: true, ..Odd::with(&["a%20b/x", "c\u{1}", "d/x"], 100) };
    let (s3, _) = odd.start(|_| ()).await;
    let (names, unnameable) = collect(s3.list(&RelPath::root())).await.unwrap();
    assert_eq!((names, unnameable), (vec!["d/".to_owned()], vec![String::new(), String::new()]));
    assert!(matches!(s3.list_tree(&RelPath::root()), Native::Done(_)));
}

#[tokio::test]
async fn a_key_that_xml_cannot_say_is_asked_for_encoded() {
    for replaces in [false, true] {
        let keys = &["a", "b\u{1}", "c/\u{1}", "d"];
        let start = |odd: Odd| async {
            odd.start(|options| {
                options.provider = row("minio");
                options.overrides.list_url_encoding = Some(false);
            })
            .await
        };
        let (s3, asked) = start(Odd { replaces, ..Odd::with(keys, 100) }).await;
        let (names, unnameable) = collect(s3.list(&RelPath::root())).await.unwrap();
        assert_eq!((names, unnameable), (sorted(&["a", "c/", "d"]), vec![String::new()]), "replaces: {replaces}");
        assert_eq!(count(&asked), 2, "replaces: {replaces}");
        assert!(s3.stat(&path("c"), Expect::Dir).await.unwrap().is_dir());
        // A storage that cannot be asked so: a name that may be another is hidden, and the rest is there or an error.
        let (s3, _) = start(Odd { replaces, ignores_encoding: true, ..Odd::with(keys, 100) }).await;
        if replaces {
            let (names, unnameable) = collect(s3.list(&RelPath::root())).await.unwrap();
            assert_eq!((names, unnameable), (sorted(&["a", "c/", "d"]), vec![String::new()]));
        } else {
            assert_eq!(first_error(s3.list(&RelPath::root())).await.kind(), ErrorKind::Backend);
        }
    }
}

#[tokio::test]
async fn a_page_refused_to_slow_down_is_there_for_one_who_asks_again_and_none_comes_twice() {
    // So long a pause is passed up, not waited here.
    const SLOW_DOWN: Fault = Fault::Refuse(Refusal::new(503, "SlowDown", "slower").retry_after(60));
    for (version, operation) in [(ListVersion::V1, "ListObjects"), (ListVersion::V2, "ListObjectsV2")] {
        for row_name in ["minio", "other"] {
            let fixture = Fixture::with(Server::builder().numbered_objects(BUCKET, "many/", 2500), |options| {
                options.provider = row(row_name);
                options.overrides.list_version = Some(version);
            })
            .await;
            for nth in [1, 3, 4, 6] {
                fixture.faults().nth(operation, nth, SLOW_DOWN);
            }
            let Native::Done(mut pages) = fixture.s3.list_tree(&path("many")) else { panic!("a bucket lists trees") };
            let (mut names, mut refused) = (Vec::new(), 0);
            while let Some(page) = pages.next().await {
                match page {
                    Ok(page) => names.extend(page.entries.into_iter().map(|entry| entry.path.to_string())),
                    Err(error) => {
                        assert!(matches!(error.kind(), ErrorKind::Throttled { .. }), "{error}");
                        refused += 1;
                    }
                }
            }
            let all: Vec<String> = (0..2500).map(|number| format!("many/{number:08}")).collect();
            assert_eq!(
                (names == all, refused, fixture.calls().count(operation)),
                (true, 4, 7),
                "{row_name} {operation}"
            );
            // Any other error is the end.
            fixture.faults().nth(operation, 2, Fault::AccessDenied);
            let pages: Vec<_> = fixture.s3.list(&path("many")).collect().await;
            assert!(pages.last().is_some_and(Result::is_err), "{row_name} {operation}");
        }
    }
}
