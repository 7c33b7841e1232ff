//! The wrapper fails where its script says, and nowhere else.
#![allow(clippy::unwrap_used, clippy::expect_used, missing_docs)]

use std::sync::Arc;

use davmux_driver::{Driver, ErrorKind, ReadRequest, When};
use davmux_driver_testkit::shorthand::*;
use davmux_driver_testkit::{Fault, Faulty, Memory, Op};
use futures_util::StreamExt as _;

fn faulty() -> (Arc<Faulty>, Memory) {
    let memory = Memory::keys().with_page_size(2);
    (Arc::new(Faulty::new(Arc::new(memory.clone()))), memory)
}

#[tokio::test]
async fn the_nth_call_fails_before_its_effect() {
    let (faulty, memory) = faulty();
    faulty.on(Op::Finish).nth(2).fault(Fault::Before(ErrorKind::NoSpace));
    put(&*faulty, "a", "x").await;
    let error = try_put(&*faulty, "b", "x", When::Always).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::NoSpace);
    put(&*faulty, "c", "x").await;
    assert_eq!(memory.raw_keys(), ["a", "c"]);
    assert_eq!((memory.uploads_in_progress(), faulty.log().count(Op::Finish)), (0, 3));
}

#[tokio::test]
async fn a_lost_answer_has_its_effect() {
    let (faulty, memory) = faulty();
    faulty.on(Op::Finish).at(&path("b")).fault(Fault::After(ErrorKind::Timeout));
    put(&*faulty, "a", "x").await;
    assert_eq!(try_put(&*faulty, "b", "x", When::Always).await.unwrap_err().kind(), ErrorKind::Timeout);
    assert_eq!(memory.raw_keys(), ["a", "b"]);
}

#[tokio::test]
async fn a_listing_and_a_body_are_cut_where_the_script_says() {
    let (faulty, _memory) = faulty();
    for at in ["a", "b", "c"] {
        put(&*faulty, at, pattern(200_000, 1)).await;
    }
    faulty.on(Op::List).fault(Fault::CutAfter(1, ErrorKind::Unavailable));
    let pages: Vec<_> = faulty.list(&path("")).collect().await;
    assert_eq!(pages.len(), 2);
    assert_eq!(pages[0].as_ref().unwrap().entries.len(), 2);
    assert_eq!(pages[1].as_ref().unwrap_err().kind(), ErrorKind::Unavailable);
    assert_eq!(list(&*faulty, "").await.unwrap().entries.len(), 3);

    faulty.on(Op::Read).fault(Fault::CutAfter(70_001, ErrorKind::Backend));
    let reply = faulty.read(&path("a"), ReadRequest::default()).await.unwrap();
    let davmux_driver::Body::Stream(body) = reply.body else { panic!("memory streams") };
    let parts: Vec<_> = body.collect().await;
    let (last, whole) = parts.split_last().unwrap();
    assert_eq!(whole.iter().map(|part| part.as_ref().unwrap().len()).sum::<usize>(), 70_001);
    assert_eq!(last.as_ref().unwrap_err().kind(), ErrorKind::Backend);
}

#[tokio::test]
async fn a_gate_holds_a_call_until_it_opens() {
    let (faulty, memory) = faulty();
    let before = faulty.on(Op::Finish).at(&path("a")).gate();
    let after = faulty.on(Op::Finish).at(&path("b")).gate_after();
    let calls = ["a", "b"].map(|at| {
        let faulty = Arc::clone(&faulty);
        tokio::spawn(async move { put(&*faulty, at, "x").await })
    });
    before.reached().await;
    after.reached().await;
    assert_eq!(memory.raw_keys(), ["b"]);
    before.open();
    after.open();
    for call in calls {
        call.await.unwrap();
    }
    assert_eq!(memory.raw_keys(), ["a", "b"]);
}
