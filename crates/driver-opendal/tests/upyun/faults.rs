//! Answers that are lost, and keys that are busy.

use bytes::Bytes;
use davmux_driver::{Driver as _, ErrorKind, Kind, Native, When};
use davmux_driver_testkit::shorthand::{delete, get, list, path, put, stat, try_put};
use davmux_driver_testkit::standin::upyun::Fault;

use crate::support::Place;

#[tokio::test]
async fn a_commit_whose_every_answer_is_lost_stands() {
    let place = Place::start().await;
    put(&place.driver, "file", "old").await;
    place.server.take_calls();
    for _ in 0..4 {
        place.server.fail_next("PUT", Fault::LoseAnswer);
    }
    put(&place.driver, "file", "new").await;
    assert_eq!(get(&place.driver, "file").await, "new");
    let calls = place.server.take_calls();
    assert_eq!(calls.iter().filter(|call| *call == "PUT /films/file").count(), 4);
    assert!(calls.contains(&"HEAD /films/file".to_owned()), "it was looked for");
}

#[tokio::test]
async fn a_commit_that_was_never_done_is_an_error_though_the_same_bytes_stand() {
    let place = Place::start().await;
    put(&place.driver, "file", "same").await;
    for _ in 0..4 {
        place.server.fail_next("PUT", Fault::Down);
    }
    let error = try_put(&place.driver, "file", "same", When::Always).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unavailable);
}

#[tokio::test]
async fn a_lost_answer_to_the_last_step_of_an_upload_in_parts_is_decided_by_looking() {
    let place = Place::start().await;
    let data = Bytes::from(vec![3; (4 << 20) + 5]);
    let request = davmux_driver::WriteRequest { size: Some(data.len() as u64), ..Default::default() };
    let mut upload = place.driver.write(&path("large"), request).await.unwrap();
    upload.write(data.clone()).await.unwrap();
    // The begin, the two parts, and then the completion, which is sent again and finds its upload gone.
    for fault in [Fault::Busy, Fault::LoseAnswer] {
        place.server.fail_next("PUT", fault);
    }
    place.server.fail_next_of("complete", Fault::LoseAnswer);
    upload.finish().await.unwrap();
    assert_eq!(get(&place.driver, "large").await, data);
}

#[tokio::test]
async fn a_busy_key_is_waited_for() {
    let place = Place::start().await;
    let file = put(&place.driver, "file", "x").await;
    place.server.fail_next("DELETE", Fault::Busy);
    place.server.fail_next("PUT", Fault::Busy);
    assert!(matches!(place.driver.rename(&file, &path("moved"), &When::Always).await.unwrap(), Native::Done(_)));
    delete(&place.driver, "moved", Kind::File).await.unwrap();
    assert!(list(&place.driver, "").await.unwrap().entries.is_empty());
}

#[tokio::test]
async fn a_move_whose_answer_is_lost_is_not_sent_again_and_stands() {
    let place = Place::start().await;
    let file = put(&place.driver, "file", "x").await;
    place.server.take_calls();
    place.server.fail_next("PUT", Fault::LoseAnswer);
    assert!(matches!(place.driver.rename(&file, &path("moved"), &When::Always).await.unwrap(), Native::Done(_)));
    let moves = place.server.take_calls().into_iter().filter(|call| call.ends_with(" move")).count();
    assert_eq!(moves, 1);
    place.server.fail_next("PUT", Fault::Down);
    let moved = stat(&place.driver, "moved").await.unwrap();
    place.driver.rename(&moved, &path("again"), &When::Always).await.unwrap_err();
    assert_eq!(get(&place.driver, "moved").await, "x");
}

#[tokio::test]
async fn a_folder_and_a_deletion_whose_answers_are_lost_are_done() {
    let place = Place::start().await;
    place.server.fail_next("POST", Fault::LoseAnswer);
    place.driver.create_dir(&path("dir")).await.unwrap();
    place.server.fail_next("DELETE", Fault::LoseAnswer);
    delete(&place.driver, "dir", Kind::Dir).await.unwrap();
    assert!(list(&place.driver, "").await.unwrap().entries.is_empty());
}
