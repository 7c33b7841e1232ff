//! A relay is never silently short (promise 7), and reads what stands there.

use bytes::Bytes;
use davmux_driver_testkit::{Fault, Op};
use davmux_tree::{ByteRange, ErrorKind, OpenRequest, Problem, Requester, Result, Source};
use futures_util::StreamExt;

use crate::support::*;

const LENGTH: usize = 300_000;

fn large() -> (One, Bytes) {
    let one = keys();
    let data = davmux_driver_testkit::shorthand::pattern(LENGTH, 7);
    one.memory.plant("f", data.clone());
    (one, data)
}

async fn relayed(one: &One, range: Option<ByteRange>) -> Result<Vec<u8>> {
    let who = Requester::default();
    let opened = one.view.open(&path("f"), OpenRequest { requester: &who, range, node: None }).await?;
    let Source::Relay { mut body, range } = opened.source else { panic!("redirected") };
    let mut bytes = Vec::new();
    while let Some(chunk) = body.next().await {
        bytes.extend_from_slice(&chunk?);
    }
    assert_eq!(bytes.len() as u64, range.end - range.start);
    Ok(bytes)
}

#[tokio::test]
async fn a_connection_lost_on_the_way_is_resumed_at_the_same_byte() {
    for (range, expected) in [(None, 0..LENGTH), (Some(ByteRange::FromTo(1000, 200_000)), 1000..200_000)] {
        let (one, data) = large();
        one.faulty.on(Op::Read).fault(Fault::CutAfter(70_001, ErrorKind::Unavailable));
        one.faulty.on(Op::Read).nth(2).fault(Fault::CutAfter(1, ErrorKind::Backend));
        assert_eq!(relayed(&one, range).await.unwrap(), data[expected]);
        assert_eq!(one.log().count(Op::Read), 3);
    }
}

#[tokio::test]
async fn bytes_of_two_versions_are_never_mixed() {
    let (one, _) = large();
    one.faulty.on(Op::Read).fault(Fault::CutAfter(70_000, ErrorKind::Unavailable));
    let who = Requester::default();
    let opened = open(&one.view, "f", &who).await.unwrap();
    let Source::Relay { mut body, .. } = opened.source else { panic!("redirected") };
    body.next().await.unwrap().unwrap();
    one.memory.plant("f", vec![0; LENGTH]);
    let last = loop {
        match body.next().await.unwrap() {
            Ok(_) => {}
            Err(error) => break error,
        }
    };
    assert_eq!(last.problem(), Problem::Storage(ErrorKind::Precondition));
    assert!(body.next().await.is_none());
}

#[tokio::test]
async fn a_storage_that_stays_away_ends_the_body_with_an_error() {
    let (one, _) = large();
    one.faulty.on(Op::Read).fault(Fault::CutAfter(10, ErrorKind::Unavailable));
    one.faulty.on(Op::Read).nth(2).fault(Fault::Before(ErrorKind::Denied));
    assert_eq!(problem(relayed(&one, None).await), Problem::Storage(ErrorKind::Denied));
}
