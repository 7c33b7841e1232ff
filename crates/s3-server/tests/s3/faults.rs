use std::time::Duration;

use aws_sdk_s3::presigning::PresigningConfig;
use aws_sdk_s3::primitives::ByteStream;
use davmux_s3_server::{Fault, Server};

use crate::client::{BUCKET, code, fresh, get, put, raw, started};

#[tokio::test]
async fn calls_one_after_another_are_as_many_round_trips() {
    let (server, client) = fresh().await;
    for index in 0..5 {
        put(&client, &format!("{index}"), "content").await;
        get(&client, &format!("{index}")).await.unwrap();
        client.head_object().bucket(BUCKET).key(format!("{index}")).send().await.unwrap();
    }
    let recorder = server.recorder();
    assert_eq!((recorder.total(), recorder.round_trips()), (15, 15));
    assert_eq!((recorder.count("PutObject"), recorder.count("GetObject"), recorder.count("HeadObject")), (5, 5, 5));
    let first = &recorder.calls()[0];
    assert_eq!((first.operation, first.bucket.as_str(), first.key.as_str()), ("PutObject", BUCKET, "0"));
    assert_eq!((first.start, first.end, first.status), (1, Some(2), Some(200)));
    recorder.reset();
    assert_eq!((recorder.total(), recorder.round_trips(), recorder.calls().len()), (0, 0, 0));
}

#[tokio::test]
async fn calls_at_once_are_one_round_trip() {
    let (server, client) = fresh().await;
    for index in 0..5 {
        put(&client, &format!("{index}"), "content").await;
    }
    server.recorder().reset();
    server.faults().together(10);
    let reads = (0..5).map(|index| {
        let client = client.clone();
        async move {
            let head = client.head_object().bucket(BUCKET).key(format!("{index}")).send();
            let (head, read) = futures_util::future::join(head, get(&client, &format!("{index}"))).await;
            head.unwrap();
            read.unwrap();
        }
    });
    futures_util::future::join_all(reads).await;
    assert_eq!((server.recorder().total(), server.recorder().round_trips()), (10, 1));
    get(&client, "0").await.unwrap();
    assert_eq!(server.recorder().round_trips(), 2);
}

#[tokio::test]
async fn a_call_fails_when_its_turn_comes() {
    let (server, client) = fresh().await;
    put(&client, "k", "content").await;
    server.faults().nth("GetObject", 2, Fault::SlowDown);
    server.faults().nth("HeadObject", 1, Fault::InternalError);
    get(&client, "k").await.unwrap();
    assert_eq!(get(&client, "k").await.unwrap_err(), "SlowDown");
    get(&client, "k").await.unwrap();
    let head = client.head_object().bucket(BUCKET).key("k").send().await.unwrap_err();
    assert_eq!(head.raw_response().unwrap().status().as_u16(), 500);
    // A large body does not hide the refusal behind a reset.
    server.faults().nth("PutObject", 1, Fault::SlowDown);
    let body = ByteStream::from(vec![0; 3 << 20]);
    let refused = client.put_object().bucket(BUCKET).key("k").body(body).send().await;
    assert_eq!(code(refused.unwrap_err()), "SlowDown");
    assert_eq!(get(&client, "k").await.unwrap(), b"content");
}

#[tokio::test]
async fn a_closed_connection_did_nothing_and_a_lost_answer_did_it() {
    let (server, client) = fresh().await;
    let write = |content: &'static [u8]| {
        client.put_object().bucket(BUCKET).key("k").body(ByteStream::from_static(content)).send()
    };
    server.faults().nth("PutObject", 1, Fault::Close);
    assert_eq!(code(write(b"one").await.unwrap_err()), "DispatchFailure");
    assert_eq!(get(&client, "k").await.unwrap_err(), "NoSuchKey");
    server.faults().nth("PutObject", 1, Fault::LostAnswer);
    assert_eq!(code(write(b"two").await.unwrap_err()), "DispatchFailure");
    assert_eq!(get(&client, "k").await.unwrap(), b"two");
    assert_eq!(server.recorder().calls()[2].status, None);
}

#[tokio::test]
async fn a_body_is_cut_where_the_script_says() {
    let (server, client) = fresh().await;
    put(&client, "k", vec![b'x'; 100_000]).await;
    let link = PresigningConfig::expires_in(Duration::from_secs(60)).unwrap();
    let link = client.get_object().bucket(BUCKET).key("k").presigned(link).await.unwrap();
    for bytes in [0, 1, 777, 99_999] {
        server.faults().nth("GetObject", 1, Fault::CutBody(bytes));
        let cut = raw(&server, "GET", link.uri(), &[], b"").await;
        assert_eq!((cut.status, cut.body.len() as u64), (Some(200), bytes));
        assert!(cut.head.contains("content-length: 100000\r\n"), "{}", cut.head);
    }
    server.faults().nth("GetObject", 1, Fault::CutBody(5));
    let answer = client.get_object().bucket(BUCKET).key("k").send().await.unwrap();
    assert!(answer.body.collect().await.is_err(), "a client sees the cut");
    assert_eq!(get(&client, "k").await.unwrap().len(), 100_000);
}

#[tokio::test]
async fn latency_holds_a_call_before_it_is_done() {
    let (server, client) = started(Server::builder().latency(Duration::from_secs(3600))).await;
    let held = tokio::spawn({
        let client = client.clone();
        async move { put(&client, "k", "content").await }
    });
    while server.recorder().total() == 0 {
        tokio::task::yield_now().await;
    }
    server.faults().latency(Duration::ZERO);
    assert_eq!(get(&client, "k").await.unwrap_err(), "NoSuchKey", "a later call was answered first");
    assert_eq!(server.recorder().calls()[0].end, None);
    held.abort();
}
