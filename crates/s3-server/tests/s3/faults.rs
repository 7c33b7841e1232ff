use std::time::Duration;

use aws_sdk_s3::presigning::PresigningConfig;
use aws_sdk_s3::primitives::ByteStream;
use aws_sdk_s3::types::{Delete, ObjectIdentifier};
use davmux_s3_server::{Fault, Refusal, Server};

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

#[tokio::test]
async fn a_script_refuses_with_any_status_and_a_time_to_wait() {
    let (server, client) = fresh().await;
    put(&client, "k", "content").await;
    for (status, code) in [(429, "TooManyRequests"), (499, "ClientDisconnect"), (503, "SlowDown")] {
        let refusal = Refusal::new(status, code, "Not <now> & here").retry_after(7);
        server.faults().nth("GetObject", 1, Fault::Refuse(refusal));
        let answer = raw(&server, "GET", "/films/k", &[], b"").await;
        assert_eq!(answer.status, Some(status));
        assert!(answer.head.contains("retry-after: 7\r\n"), "{}", answer.head);
        assert!(answer.text().contains(&format!("<Code>{code}</Code><Message>Not &lt;now&gt; &amp; here<")));
    }
}

#[tokio::test]
async fn an_error_can_be_inside_an_answer_of_200() {
    let (server, client) = fresh().await;
    put(&client, "k", "content").await;
    let inside = Fault::ErrorInside(Refusal::new(500, "InternalError", "Please try again."));
    server.faults().nth("CopyObject", 1, inside);
    let copy = || client.copy_object().bucket(BUCKET).key("copy").copy_source("films/k").send();
    let error = copy().await.unwrap_err();
    assert_eq!(error.raw_response().unwrap().status().as_u16(), 200);
    assert!(String::from_utf8_lossy(error.raw_response().unwrap().body().bytes().unwrap()).contains("<Error><Code>"));
    assert_eq!(get(&client, "copy").await.unwrap_err(), "NoSuchKey", "nothing was done");
    copy().await.unwrap();
    let id = crate::uploads::begin(&client, "m").await;
    let only = crate::uploads::part(&client, "m", &id, 1, b"x".to_vec()).await;
    server.faults().nth("CompleteMultipartUpload", 1, inside);
    crate::uploads::complete(&client, "m", &id, std::slice::from_ref(&only)).await.unwrap_err();
    assert_eq!(get(&client, "m").await.unwrap_err(), "NoSuchKey");
    crate::uploads::complete(&client, "m", &id, &[only]).await.unwrap();
}

#[tokio::test]
async fn a_listing_goes_wrong_as_the_script_says() {
    let (server, client) = fresh().await;
    for key in ["a", "b", "c", "d"] {
        put(&client, key, "x").await;
    }
    let list = || client.list_objects_v2().bucket(BUCKET).max_keys(2);
    server.faults().nth("ListObjectsV2", 2, Fault::RepeatedToken);
    let first = list().send().await.unwrap();
    let token = first.next_continuation_token().unwrap();
    let second = list().continuation_token(token).send().await.unwrap();
    assert_eq!((second.contents()[0].key(), second.next_continuation_token()), (Some("c"), Some(token)));
    server.faults().nth("ListObjects", 1, Fault::RepeatedToken);
    let page = client.list_objects().bucket(BUCKET).max_keys(2).marker("b").send().await.unwrap();
    assert_eq!((page.next_marker(), page.is_truncated()), (Some("b"), Some(true)));

    server.faults().nth("ListObjectsV2", 1, Fault::Unordered);
    let page = list().send().await.unwrap();
    assert_eq!(page.contents().iter().filter_map(|object| object.key()).collect::<Vec<_>>(), ["b", "a"]);

    server.faults().nth("ListObjectsV2", 1, Fault::TruncatedXml);
    // The SDK takes half a document for a whole one.
    assert_eq!(list().send().await.unwrap().contents().len(), 1);
    server.faults().nth("ListObjectsV2", 1, Fault::TruncatedXml);
    let half = raw(&server, "GET", "/films?list-type=2", &[], b"").await;
    assert!(half.text().starts_with("<?xml") && !half.text().contains("</Error>"), "{}", half.text());
    assert!(half.head.contains(&format!("content-length: {}\r\n", half.body.len())), "{}", half.head);

    server.faults().nth("ListObjectsV2", 1, Fault::XmlBomb);
    let bomb = raw(&server, "GET", "/films?list-type=2", &[], b"").await;
    assert!(bomb.status == Some(200) && bomb.body.len() < 2_000, "small on the wire");
    assert!(bomb.text().contains("<!ENTITY e9 \"&e8;&e8;"), "{}", bomb.text());
}

#[tokio::test]
async fn some_keys_of_a_deletion_stay_as_the_script_says() {
    let (server, client) = fresh().await;
    let keys = ["a", "b", "c"];
    for key in keys {
        put(&client, key, "x").await;
    }
    server.faults().nth("DeleteObjects", 1, Fault::KeyErrors(2));
    let keys = keys.map(|key| ObjectIdentifier::builder().key(key).build().unwrap());
    let batch = Delete::builder().set_objects(Some(keys.to_vec())).build().unwrap();
    let answer = client.delete_objects().bucket(BUCKET).delete(batch).send().await.unwrap();
    let failed: Vec<_> = answer.errors().iter().map(|error| (error.key().unwrap(), error.code().unwrap())).collect();
    assert_eq!(failed, [("a", "InternalError"), ("b", "InternalError")]);
    assert_eq!(answer.deleted().iter().filter_map(|gone| gone.key()).collect::<Vec<_>>(), ["c"]);
    assert_eq!(get(&client, "a").await.unwrap(), b"x");
    assert_eq!(get(&client, "c").await.unwrap_err(), "NoSuchKey");
}
