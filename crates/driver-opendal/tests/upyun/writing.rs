//! Uploads, copies and moves as UpYun has them.

use bytes::Bytes;
use davmux_driver::{Driver as _, Entry, ErrorKind, Native, When, WriteRequest};
use davmux_driver_testkit::shorthand::{get, list, path, pattern, put, stat, walk};

use crate::support::Place;

async fn upload(place: &Place, size: Option<u64>, data: Bytes) {
    let request = WriteRequest { size, content_type: Some("video/x".into()), ..Default::default() };
    let mut upload = place.driver.write(&path("file"), request).await.unwrap();
    for chunk in data.chunks(300_007) {
        upload.write(Bytes::copy_from_slice(chunk)).await.unwrap();
    }
    upload.finish().await.unwrap();
}

#[tokio::test]
async fn what_fits_into_a_part_is_one_call_and_more_is_parts_of_one_size() {
    let place = Place::start().await;
    for (size, told, parts) in [
        (0, true, 0),
        (4 << 20, true, 0),
        ((4 << 20) + 1, true, 2),
        (12 << 20, true, 3),
        (16 << 20, false, 0),
        ((16 << 20) + 1, false, 2),
    ] {
        let data = pattern(size, 1);
        place.server.take_calls();
        upload(&place, told.then_some(size as u64), data.clone()).await;
        let calls = place.server.take_calls();
        assert_eq!(calls.iter().filter(|call| call.ends_with(" upload")).count(), parts, "{size} {calls:?}");
        assert_eq!(calls.len(), if parts == 0 { 1 } else { parts + 2 }, "{size} {calls:?}");
        assert!(get(&place.driver, "file").await == data, "{size}: other bytes");
        assert_eq!(stat(&place.driver, "file").await.unwrap().content_type.as_deref(), Some("video/x"));
    }
    assert_eq!(place.server.open_uploads(), 0);
}

#[tokio::test]
async fn a_file_beyond_ten_thousand_parts_is_refused_before_it_is_sent() {
    let place = Place::start().await;
    let largest = place.driver.capabilities().max_file_size.unwrap();
    let request = |size| WriteRequest { size: Some(size), ..Default::default() };
    let Err(error) = place.driver.write(&path("file"), request(largest + 1)).await else { panic!("begun") };
    assert_eq!(error.kind(), ErrorKind::TooLarge);
    assert!(place.driver.write(&path("file"), request(largest)).await.is_ok());
    assert!(place.server.take_calls().is_empty());
}

#[tokio::test]
async fn a_source_is_named_so_that_no_other_file_is_copied_or_moved() {
    let place = Place::start().await;
    for name in ["50%41", "50A", "a b", "日本語", "+", "a?b", "c#d"] {
        put(&place.driver, name, name.to_owned()).await;
    }
    for name in ["50%41", "a b", "日本語", "+", "a?b", "c#d"] {
        let from = stat(&place.driver, name).await.unwrap();
        assert!(matches!(place.driver.copy(&from, &path("copy"), &When::Always).await.unwrap(), Native::Done(_)));
        assert_eq!(get(&place.driver, "copy").await, name);
        assert!(matches!(place.driver.rename(&from, &path("moved"), &When::Always).await.unwrap(), Native::Done(_)));
        assert_eq!(get(&place.driver, "moved").await, name);
    }
    assert_eq!(list(&place.driver, "").await.unwrap().paths(), ["50A", "copy", "moved"]);
}

#[tokio::test]
async fn folders_are_neither_copied_nor_moved_by_upyun() {
    let place = Place::start().await;
    put(&place.driver, "dir/file", "x").await;
    let before = walk(&place.driver, "").await.unwrap();
    place.server.take_calls();
    let dir = Entry::dir(path("dir"));
    assert!(matches!(place.driver.copy(&dir, &path("to"), &When::Always).await.unwrap(), Native::Declined));
    assert!(matches!(place.driver.rename(&dir, &path("to"), &When::Always).await.unwrap(), Native::Declined));
    assert!(place.server.take_calls().is_empty());
    assert_eq!(walk(&place.driver, "").await.unwrap(), before);
}

#[tokio::test]
async fn a_file_onto_itself_is_refused_before_it_is_sent() {
    let place = Place::start().await;
    let file = put(&place.driver, "file", "x").await;
    for done in [
        place.driver.copy(&file, &path("file"), &When::Always).await,
        place.driver.rename(&file, &path("file"), &When::Always).await,
    ] {
        assert_eq!(done.unwrap_err().kind(), ErrorKind::InvalidPath);
    }
    assert_eq!(get(&place.driver, "file").await, "x");
}

#[tokio::test]
async fn times_and_sizes_of_a_listing_are_those_of_a_look() {
    let place = Place::start().await;
    put(&place.driver, "file", "12345").await;
    let listed = list(&place.driver, "").await.unwrap().entries.remove(0);
    let looked = stat(&place.driver, "file").await.unwrap();
    assert!(listed.modified.is_some());
    assert_eq!((listed.modified, listed.size, listed.etag), (looked.modified, looked.size, looked.etag));
}
