//! How many relays there are at once, what a stalled one holds, and how fast a mount is.

use std::num::NonZeroU64;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use davmux_driver_testkit::{Fault, Memory, Op, shorthand};
use davmux_state::Uploads;
use davmux_tree::{
    Access, Bandwidth, ErrorKind, Mount, MountOptions, Problem, PutRequest, ReadStream, Relays, Requester, Source,
    Tree, TreeOptions, View,
};
use futures_util::{FutureExt, StreamExt};
use tokio::time::Instant;

use crate::support::*;

const STALL: Duration = Duration::from_secs(30);
const LENGTH: usize = 1_000_000;

/// A bucket with a film `f`, and the relays of its mount.
fn cinema(most: usize) -> (One, Relays, Bytes) {
    let relays = Relays::new(most, STALL);
    let memory = Memory::keys();
    let one = among(relays.clone(), memory);
    let film = shorthand::pattern(LENGTH, 7);
    one.memory.plant("f", film.clone());
    (one, relays, film)
}

fn among(relays: Relays, memory: Memory) -> One {
    let faulty = faulty(bucket(&memory));
    let store = Arc::new(davmux_state::Memory::new());
    let mount = Mount::new(at("/"), driver_of(&faulty), kept(KEPT)).among(relays);
    let options = TreeOptions { redirect_rules: Vec::new(), store: Arc::<davmux_state::Memory>::clone(&store) };
    let tree = Tree::new(vec![mount], options);
    let view = View::new(Arc::clone(&tree), at("/"), Access::ReadWrite);
    let uploads = Uploads::new(Arc::<davmux_state::Memory>::clone(&store));
    One { memory, faulty, tree, view, uploads, store }
}

async fn relay(one: &One) -> Result<ReadStream, Problem> {
    let opened = open(&one.view, "f", &Requester::default()).await.map_err(|error| error.problem())?;
    match opened.source {
        Source::Relay { body, .. } => Ok(body),
        Source::Redirect(_) => panic!("redirected"),
    }
}

async fn rest(mut body: ReadStream) -> Result<Vec<u8>, Problem> {
    let mut bytes = Vec::new();
    while let Some(chunk) = body.next().await {
        bytes.extend_from_slice(&chunk.map_err(|error| error.problem())?);
    }
    Ok(bytes)
}

#[tokio::test(start_paused = true)]
async fn a_relay_that_nobody_reads_gives_its_connection_back_and_goes_on_with_the_same_bytes() {
    let (one, relays, film) = cinema(1);
    let mut body = relay(&one).await.unwrap();
    let first = body.next().await.unwrap().unwrap();
    assert_eq!((relays.running(), relays.let_go()), (1, 0));
    tokio::time::sleep(STALL + Duration::from_secs(1)).await;
    assert_eq!((relays.running(), relays.let_go()), (0, 1));
    tokio::time::sleep(Duration::from_secs(3600)).await;
    let left = rest(body).await.unwrap();
    assert_eq!([&first[..], &left[..]].concat(), film);
    assert_eq!(one.log().count(Op::Read), 2);
    assert_eq!(relays.running(), 0);
}

#[tokio::test(start_paused = true)]
async fn one_that_is_read_slowly_keeps_its_connection() {
    let (one, relays, film) = cinema(1);
    let mut body = relay(&one).await.unwrap();
    let mut read = Vec::new();
    while let Some(chunk) = body.next().await {
        read.extend_from_slice(&chunk.unwrap());
        tokio::time::sleep(STALL - Duration::from_secs(1)).await;
    }
    assert_eq!(read, film);
    assert_eq!((one.log().count(Op::Read), relays.let_go()), (1, 0));
}

#[tokio::test(start_paused = true)]
async fn what_was_replaced_while_nobody_read_is_cut_and_never_mixed() {
    let (one, _, _) = cinema(1);
    let mut body = relay(&one).await.unwrap();
    body.next().await.unwrap().unwrap();
    tokio::time::sleep(2 * STALL).await;
    one.memory.plant("f", vec![0; LENGTH]);
    assert_eq!(rest(body).await, Err(Problem::Storage(ErrorKind::Precondition)));
}

#[tokio::test(start_paused = true)]
async fn over_the_most_a_relay_waits_for_another_to_end_and_is_refused_after_a_while() {
    let (one, relays, film) = cinema(2);
    let (first, second) = (relay(&one).await.unwrap(), relay(&one).await.unwrap());
    let waiting = async {
        let body = relay(&one).await.unwrap();
        rest(body).await.unwrap()
    };
    let ending = async {
        tokio::time::sleep(Duration::from_secs(1)).await;
        drop(first);
    };
    assert_eq!(futures_util::join!(waiting, ending).0, film);
    assert_eq!(relays.refused(), 0);

    let third = relay(&one).await.unwrap();
    let start = Instant::now();
    assert_eq!(relay(&one).await.map(drop), Err(Problem::RelaysBusy));
    assert!(start.elapsed() < STALL);
    assert_eq!((relays.refused(), relays.running()), (1, 2));
    drop((second, third));
    assert_eq!(relays.running(), 0);
    drop(relay(&one).await.unwrap());
}

#[tokio::test(start_paused = true)]
async fn a_reload_changes_how_many_there_may_be_while_they_run() {
    let (one, relays, _) = cinema(1);
    let first = relay(&one).await.unwrap();
    relays.set(3, STALL);
    let more = [relay(&one).await.unwrap(), relay(&one).await.unwrap()];
    assert_eq!((relay(&one).await.map(drop), relays.running()), (Err(Problem::RelaysBusy), 3));
    relays.set(1, STALL);
    drop(more);
    settle().await;
    assert_eq!((relay(&one).await.map(drop), relays.running()), (Err(Problem::RelaysBusy), 1));
    drop(first);
    settle().await;
    drop(relay(&one).await.unwrap());
}

#[tokio::test(start_paused = true)]
async fn a_request_that_ends_before_it_has_its_file_gives_its_seat_back() {
    let (one, relays, film) = cinema(1);
    let gate = one.faulty.on(Op::Read).gate();
    let who = Requester::default();
    let mut request = Box::pin(open(&one.view, "f", &who));
    assert!((&mut request).now_or_never().is_none());
    gate.reached().await;
    assert_eq!(relays.running(), 1);
    drop(request);
    assert_eq!(relays.running(), 0, "its client went");
    one.faulty.on(Op::Read).fault(Fault::Before(ErrorKind::Unavailable));
    assert_eq!(relay(&one).await.map(drop), Err(Problem::Storage(ErrorKind::Unavailable)));
    assert_eq!(relays.running(), 0, "its storage failed");
    let mut body = relay(&one).await.unwrap();
    let mut left = film.len();
    while left > 0 {
        left -= body.next().await.unwrap().unwrap().len();
    }
    assert!(body.next().await.is_none());
    assert_eq!(relay(&one).await.map(rest).unwrap().await.unwrap(), film, "while a client that has all of it is there");
    // Waiting for a seat on the way takes none.
    let held = relay(&one).await.unwrap();
    assert!(relay(&one).now_or_never().is_none());
    drop(held);
    assert_eq!(relays.running(), 0);
}

#[tokio::test(start_paused = true)]
async fn a_lost_connection_is_resumed_on_its_own_seat() {
    let (one, relays, film) = cinema(1);
    one.faulty.on(Op::Read).fault(Fault::CutAfter(70_001, ErrorKind::Unavailable));
    assert_eq!(rest(relay(&one).await.unwrap()).await.unwrap(), film);
    assert_eq!((one.log().count(Op::Read), relays.refused()), (2, 0));
}

#[tokio::test(start_paused = true)]
async fn requests_that_go_away_while_they_wait_for_their_bytes_leave_their_turns_to_others() {
    let memory = Memory::keys();
    let bandwidth = Bandwidth { down: NonZeroU64::new(LENGTH as u64), up: None };
    let one = one(bucket(&memory), memory, MountOptions { bandwidth, ..kept(KEPT) });
    one.memory.plant("f", shorthand::pattern(LENGTH, 7));
    let mut bodies = Vec::new();
    for _ in 0..200 {
        bodies.push(relay(&one).await.unwrap());
    }
    for body in &mut bodies {
        let _waits = body.next().now_or_never();
    }
    drop(bodies);
    let start = Instant::now();
    rest(relay(&one).await.unwrap()).await.unwrap();
    assert!(start.elapsed() < Duration::from_secs(2), "one second of bytes took {:?}", start.elapsed());
}

#[tokio::test(start_paused = true)]
async fn a_mount_reads_and_writes_no_faster_than_its_bandwidth() {
    const RATE: u64 = 100_000;
    let memory = Memory::keys();
    let bandwidth = Bandwidth { down: NonZeroU64::new(RATE), up: NonZeroU64::new(RATE / 2) };
    let one = one(bucket(&memory), memory, MountOptions { bandwidth, ..kept(KEPT) });
    let film = shorthand::pattern(LENGTH, 7);
    one.memory.plant("f", film.clone());
    let seconds = |start: Instant| start.elapsed().as_secs_f64();

    let start = Instant::now();
    let both = futures_util::join!(async { rest(relay(&one).await.unwrap()).await }, async {
        rest(relay(&one).await.unwrap()).await
    });
    assert_eq!(both, (Ok(film.to_vec()), Ok(film.to_vec())));
    assert!((18.0..21.0).contains(&seconds(start)), "{}", seconds(start));

    let start = Instant::now();
    let request = PutRequest { size: Some(LENGTH as u64), ..PutRequest::default() };
    let mut upload = one.view.put(&path("g"), request).await.unwrap();
    upload.write(film.clone()).await.unwrap();
    upload.finish().await.unwrap();
    assert!((18.0..21.0).contains(&seconds(start)), "{}", seconds(start));
    assert_eq!(rest(relay(&one).await.unwrap()).await.unwrap().len(), LENGTH);
}
