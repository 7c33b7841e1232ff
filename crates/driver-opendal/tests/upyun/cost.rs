//! What an operation costs in calls.

use davmux_driver::{Driver as _, Expect, Kind, LinkRequest, Native, When};
use davmux_driver_testkit::shorthand::{delete, get, list, path, put, stat, try_get};

use crate::support::Place;

#[tokio::test]
async fn each_operation_costs_what_upyun_makes_it_cost() {
    let place = Place::start().await;
    let (server, driver) = (&place.server, &place.driver);
    let file = put(driver, "file", "x").await;
    assert_eq!(server.take_calls(), ["PUT /films/file"], "a file in the root is one call");

    driver.create_dir(&path("dir")).await.unwrap();
    assert_eq!(server.take_calls(), ["POST /films/dir"]);
    driver.write(&path("dir/file"), Default::default()).await.unwrap().finish().await.unwrap();
    assert_eq!(server.take_calls(), ["HEAD /films/dir", "PUT /films/dir/file"]);

    stat(driver, "file").await.unwrap();
    get(driver, "file").await;
    assert_eq!(server.take_calls(), ["HEAD /films/file", "GET /films/file"]);
    driver.stat(&path("gone"), Expect::Any).await.unwrap_err();
    assert_eq!(server.take_calls(), ["HEAD /films/gone", "GET /films/"], "the root tells whether it is really gone");
    try_get(driver, "gone").await.unwrap_err();
    assert_eq!(server.take_calls(), ["GET /films/gone", "GET /films/"]);

    assert!(matches!(driver.copy(&file, &path("copy"), &When::Always).await.unwrap(), Native::Done(_)));
    assert!(matches!(driver.rename(&file, &path("moved"), &When::Always).await.unwrap(), Native::Done(_)));
    assert_eq!(server.take_calls(), ["PUT /films/copy copy", "PUT /films/moved move"], "no bytes, no look before");
    assert!(
        matches!(driver.copy(&file, &path("copy"), &When::Absent).await, Err(error) if error.kind() == davmux_driver::ErrorKind::AlreadyExists)
    );
    assert_eq!(server.take_calls(), ["HEAD /films/copy"]);

    list(driver, "").await.unwrap();
    assert_eq!(server.take_calls(), ["GET /films/"]);
    delete(driver, "copy", Kind::File).await.unwrap();
    assert_eq!(server.take_calls(), ["DELETE /films/copy"]);

    let request = LinkRequest { valid_for: std::time::Duration::from_secs(60), content_type: None };
    assert!(matches!(driver.link(&file, request).await.unwrap(), Native::Done(_)));
    assert!(server.take_calls().is_empty(), "a link costs nothing");
}

#[tokio::test]
async fn calls_count_on_the_request_that_they_are_made_for_also_those_side_by_side() {
    let place = Place::start().await;
    let meter = davmux_driver::meter::Meter::new();
    let parts = meter.clone().scope(async {
        put(&place.driver, "large", vec![7; 9 << 20]).await;
        place.server.take_calls().len() as u64
    });
    assert_eq!(parts.await, meter.calls());
    assert!(meter.calls() > 3);
}

#[tokio::test]
async fn a_folder_of_10000_is_listed_by_three_calls() {
    let place = Place::start().await;
    let files = (0..10_000).map(|number| format!("many/{number:05}"));
    place.server.fill(files);
    assert_eq!(list(&place.driver, "many").await.unwrap().entries.len(), 10_000);
    assert_eq!(place.server.take_calls(), ["GET /films/many/"; 3]);
}
