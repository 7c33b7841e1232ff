//! A listing is whole, or an error; and what is absent is said to be only where UpYun said so.

use davmux_driver::{Driver as _, ErrorKind, Expect};
use davmux_driver_testkit::shorthand::{delete, list, path, put, try_get, try_put, walk};
use davmux_driver_testkit::standin::upyun::Fault;

use crate::support::{Place, open};

#[tokio::test]
async fn every_page_of_a_long_listing_is_read() {
    let place = Place::start().await;
    place.server.fill((0..9_000).map(|number| format!("many/{number:05}")));
    let listing = list(&place.driver, "many").await.unwrap();
    assert_eq!(listing.entries.len(), 9_000);
    assert_eq!(listing.paths().last(), Some(&"many/08999"));
}

#[tokio::test]
async fn a_page_that_fails_fails_the_listing() {
    let place = Place::start().await;
    place.server.fill((0..5_000).map(|number| format!("many/{number:05}")));
    for (fault, times) in [(Fault::CutAnswer, 1), (Fault::Down, 4), (Fault::LoseAnswer, 4), (Fault::Circle, 2)] {
        for _ in 0..times {
            place.server.fail_next("GET", fault);
        }
        let error = list(&place.driver, "many").await.unwrap_err();
        assert!(matches!(error.kind(), ErrorKind::Backend | ErrorKind::Unavailable), "{fault:?}: {error}");
        place.server.take_calls();
    }
    assert_eq!(list(&place.driver, "many").await.unwrap().entries.len(), 5_000);
}

#[tokio::test]
async fn a_passing_fault_is_not_seen() {
    let place = Place::start().await;
    put(&place.driver, "file", "x").await;
    for fault in [Fault::Down, Fault::LoseAnswer, Fault::Busy] {
        place.server.fail_next("GET", fault);
        assert_eq!(list(&place.driver, "").await.unwrap().paths(), ["file"]);
    }
}

#[tokio::test]
async fn a_missing_folder_is_not_an_empty_one() {
    let place = Place::start().await;
    assert_eq!(list(&place.driver, "missing").await.unwrap_err().kind(), ErrorKind::NotFound);
}

#[tokio::test]
async fn a_missing_service_is_no_missing_file() {
    let place = Place::start().await;
    let driver = &place.driver;
    put(driver, "file", "x").await;
    place.server.remove_bucket();
    let mut errors = vec![driver.check().await.unwrap_err(), try_get(driver, "file").await.unwrap_err()];
    for expect in [Expect::Any, Expect::File, Expect::Dir] {
        errors.push(driver.stat(&path("file"), expect).await.unwrap_err());
    }
    for dir in ["", "dir"] {
        errors.push(list(driver, dir).await.unwrap_err());
    }
    errors.push(delete(driver, "file", davmux_driver::Kind::File).await.unwrap_err());
    errors.push(try_put(driver, "dir/file", "x", Default::default()).await.unwrap_err());
    for error in errors {
        assert_eq!(error.kind(), ErrorKind::Unavailable, "{error}");
        assert!(error.to_string().contains("check bucket"), "{error}");
    }
}

#[tokio::test]
async fn a_missing_root_folder_is_no_empty_tree() {
    let place = Place::start().await.rooted("not/made");
    let errors = [
        place.driver.check().await.unwrap_err(),
        list(&place.driver, "").await.unwrap_err(),
        place.driver.stat(&path("file"), Expect::Any).await.unwrap_err(),
    ];
    for error in errors {
        assert_eq!(error.kind(), ErrorKind::Unavailable, "{error}");
        assert!(error.to_string().contains("root_folder_path"), "{error}");
    }
}

#[tokio::test]
async fn names_that_opendals_operator_would_change_stay_apart() {
    let place = Place::start().await;
    for at in ["a", " a", "a ", "\u{a0}a", " b/c "] {
        put(&place.driver, at, at.to_owned()).await;
    }
    delete(&place.driver, "a ", davmux_driver::Kind::File).await.unwrap();
    assert_eq!(walk(&place.driver, "").await.unwrap().paths(), [" a", " b", " b/c ", "a", "\u{a0}a"]);
}

#[tokio::test]
async fn names_that_no_path_can_say_are_counted() {
    let place = Place::start().await;
    place.server.fill(["dir/a\u{1}b".to_owned(), "dir/c".to_owned()]);
    let listing = list(&place.driver, "dir").await.unwrap();
    assert_eq!(listing.paths(), ["dir/c"]);
    assert_eq!(listing.unnameable, [path("dir")]);
}

#[tokio::test]
async fn a_refused_operator_is_told_what_to_check() {
    let place = Place::start().await;
    let wrong = open(&place.server, |options| options.password = davmux_driver_opendal::Secret::new("other"));
    let error = wrong.check().await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Denied);
    assert!(error.to_string().contains("check operator and password"), "{error}");
    place.server.set_ahead(std::time::Duration::from_secs(3600));
    let error = place.driver.check().await.unwrap_err();
    assert!(error.kind() == ErrorKind::Denied && error.to_string().contains("clock"), "{error}");
}
