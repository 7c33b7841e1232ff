//! A storage whose clock is not this machine's.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, SystemTime};

use aws_sdk_s3::primitives::{DateTime, DateTimeFormat};
use davmux_driver::{Driver, Entry, ErrorKind, Expect, LinkRequest, Native, RelPath};
use davmux_driver_s3::S3;
use davmux_s3_server::Clock;

use crate::linking::follow;
use crate::support::{Fixture, answering, canned_with, collect, driver, get, metered, path, xml};

const OFF: Duration = Duration::from_secs(20 * 60);
const HOUR: Duration = Duration::from_secs(60 * 60);

const BOTH_WAYS: [fn(&Clock); 2] = [|clock| clock.set_ahead(OFF), |clock| clock.set_behind(OFF)];

/// A server with one object and a clock that is not ours.
async fn off(set: fn(&Clock)) -> Fixture {
    let fixture = Fixture::start().await;
    fixture.put_keys(&["a"]).await;
    set(fixture.server.clock());
    fixture
}

#[tokio::test]
async fn the_first_call_of_any_kind_is_answered() {
    for set in BOTH_WAYS {
        let fixture = off(set).await;
        let fresh = || driver(&fixture.server, |_| ());
        assert_eq!(collect(fresh().list(&RelPath::root())).await.unwrap().0, ["a"]);
        // A HEAD is refused without a word.
        for expect in [Expect::File, Expect::Any] {
            let entry = fresh().stat(&path("a"), expect).await.unwrap();
            assert_eq!(entry.size, 1, "{expect:?}");
        }
    }
}

#[tokio::test]
async fn a_read_is_sent_once_more_by_the_storages_clock_and_the_next_ones_are_right_at_once() {
    let fixture = off(|clock| clock.set_ahead(OFF)).await;
    let s3 = driver(&fixture.server, |_| ());
    for calls in [2, 1] {
        let (read, cost) = metered(get(&s3, "a")).await;
        assert_eq!((read.unwrap(), cost), ("x".into(), calls));
    }
    // A call teaches it as well.
    let s3 = driver(&fixture.server, |_| ());
    s3.check().await.unwrap();
    let (read, cost) = metered(get(&s3, "a")).await;
    assert_eq!((read.unwrap(), cost), ("x".into(), 1));
}

/// The time in the signature of a read.
fn signed_at(request: &str) -> SystemTime {
    let (_, stamp) = request.split_once("X-Amz-Date=").unwrap();
    let part = |range| stamp.get(range).unwrap();
    let (date, time) = ([part(0..4), part(4..6), part(6..8)], [part(9..11), part(11..13), part(13..15)]);
    let text = format!("{}T{}Z", date.join("-"), time.join(":"));
    DateTime::from_str(&text, DateTimeFormat::DateTime).unwrap().try_into().unwrap()
}

#[tokio::test]
async fn a_read_is_signed_by_a_clock_that_is_behind() {
    // The server in this process looks at the end of a link by this machine's clock too.
    let served = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&served);
    let endpoint = answering(move |request| {
        count.fetch_add(1, Ordering::Relaxed);
        let now = SystemTime::now() - OFF;
        let head = format!("Date: {}\r\nETag: \"e\"", httpdate::fmt_http_date(now));
        if signed_at(request) <= now + Duration::from_secs(15 * 60) {
            xml(&format!("200 OK\r\n{head}"), "x")
        } else {
            let text = "<Error><Code>AccessDenied</Code><Message>Request is not valid yet</Message></Error>";
            xml(&format!("403 Forbidden\r\n{head}"), text)
        }
    })
    .await;
    let s3 = canned_with(vec![], |options| options.endpoint = Some(endpoint)).await;
    for calls in [2, 3] {
        assert_eq!(get(&s3, "a").await.unwrap(), "x");
        assert_eq!(served.load(Ordering::Relaxed), calls);
    }
}

#[tokio::test]
async fn a_read_that_is_refused_by_its_own_clock_too_is_not_sent_for_ever() {
    let served = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&served);
    let endpoint = answering(move |_| {
        // Its clock is elsewhere each time.
        let off = OFF * u32::try_from(count.fetch_add(1, Ordering::Relaxed) + 1).unwrap();
        let date = httpdate::fmt_http_date(SystemTime::now() + off);
        xml(&format!("403 Forbidden\r\nDate: {date}"), "<Error><Code>RequestTimeTooSkewed</Code></Error>")
    })
    .await;
    let s3 = canned_with(vec![], |options| options.endpoint = Some(endpoint)).await;
    let error = get(&s3, "a").await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Denied);
    assert!(error.to_string().contains("40 minutes behind"), "{error}");
    assert_eq!(served.load(Ordering::Relaxed), 2);
}

/// Asks for a link of an hour, looks at when it says that it ends, and follows it.
async fn link_holds(s3: &S3) {
    let request = LinkRequest { valid_for: HOUR, content_type: None };
    let before = SystemTime::now();
    let Native::Done(link) = s3.link(&Entry::file(path("a"), 1), request).await.unwrap() else { panic!("declined") };
    let end = link.expires_at.unwrap();
    assert!(end >= before + HOUR && end <= SystemTime::now() + HOUR + Duration::from_secs(2), "{end:?}");
    assert_eq!(follow(&link).await.status(), 200);
}

#[tokio::test]
async fn links_hold_once_the_storage_has_answered_and_say_their_end_by_this_machines_clock() {
    for set in BOTH_WAYS {
        let fixture = off(set).await;
        let s3 = driver(&fixture.server, |_| ());
        s3.check().await.unwrap();
        link_holds(&s3).await;
        // And when somebody has set the clock right.
        fixture.server.clock().set_ahead(Duration::ZERO);
        s3.check().await.unwrap();
        link_holds(&s3).await;
    }
}
