use aws_sdk_s3::Client;
use aws_sdk_s3::primitives::ByteStream;
use aws_sdk_s3::types::{CompletedMultipartUpload, CompletedPart};
use davmux_s3_server::{Limits, Server};

use crate::client::{BUCKET, code, fresh, get, put, raw, started};

pub(crate) async fn begin(client: &Client, key: &str) -> String {
    let upload = client.create_multipart_upload().bucket(BUCKET).key(key).content_type("text/plain").send();
    upload.await.unwrap().upload_id.unwrap()
}

pub(crate) async fn part(client: &Client, key: &str, id: &str, number: i32, content: Vec<u8>) -> CompletedPart {
    let part = client.upload_part().bucket(BUCKET).key(key).upload_id(id).part_number(number);
    let answer = part.body(ByteStream::from(content)).send().await.unwrap();
    CompletedPart::builder().part_number(number).set_e_tag(answer.e_tag).build()
}

pub(crate) async fn complete(client: &Client, key: &str, id: &str, parts: &[CompletedPart]) -> Result<String, String> {
    let parts = CompletedMultipartUpload::builder().set_parts(Some(parts.to_vec())).build();
    let call = client.complete_multipart_upload().bucket(BUCKET).key(key).upload_id(id).multipart_upload(parts);
    call.send().await.map(|answer| answer.e_tag.unwrap()).map_err(code)
}

#[tokio::test]
async fn parts_make_one_object_in_the_order_of_their_numbers() {
    let (_server, client) = fresh().await;
    let id = begin(&client, "big").await;
    let two = part(&client, "big", &id, 7, b"tail".to_vec()).await;
    let one = part(&client, "big", &id, 2, vec![b'x'; 5 << 20]).await;
    assert_eq!(get(&client, "big").await.unwrap_err(), "NoSuchKey", "nothing shows before the end");
    let etag = complete(&client, "big", &id, &[one, two]).await.unwrap();
    // md5(md5(part 1) ++ md5(part 2)), computed elsewhere.
    assert_eq!(etag, format!("\"{}-2\"", EXPECTED));
    let content = get(&client, "big").await.unwrap();
    assert_eq!((content.len(), &content[(5 << 20) - 1..]), ((5 << 20) + 4, b"xtail".as_slice()));
    let head = client.head_object().bucket(BUCKET).key("big").send().await.unwrap();
    assert_eq!((head.content_type(), head.e_tag()), (Some("text/plain"), Some(etag.as_str())));
    let across = client.get_object().bucket(BUCKET).key("big").range("bytes=5242878-5242881").send().await.unwrap();
    assert_eq!(across.content_range(), Some("bytes 5242878-5242881/5242884"));
    assert_eq!(across.body.collect().await.unwrap().to_vec(), b"xxta");
    assert_eq!(complete(&client, "big", &id, &[]).await.unwrap_err(), "NoSuchUpload", "an upload ends once");
    assert!(client.list_multipart_uploads().bucket(BUCKET).send().await.unwrap().uploads().is_empty());
}

/// From Python's hashlib.
const EXPECTED: &str = "a45f1422f2dbe3d2890829dd76adba1b";

#[tokio::test]
async fn a_wrong_list_of_parts_is_refused_and_the_upload_stays() {
    let (_server, client) = fresh().await;
    let id = begin(&client, "k").await;
    let one = part(&client, "k", &id, 1, b"one".to_vec()).await;
    let two = part(&client, "k", &id, 2, b"two".to_vec()).await;
    let absent = CompletedPart::builder().part_number(3).e_tag(two.e_tag().unwrap()).build();
    let other = CompletedPart::builder().part_number(2).e_tag(one.e_tag().unwrap()).build();
    for (parts, expected) in [
        (vec![two.clone(), one.clone()], "InvalidPartOrder"),
        (vec![one.clone(), one.clone()], "InvalidPartOrder"),
        (vec![absent], "InvalidPart"),
        (vec![other], "InvalidPart"),
        (vec![one.clone(), two.clone()], "EntityTooSmall"),
        (vec![], "MalformedXML"),
    ] {
        assert_eq!(complete(&client, "k", &id, &parts).await.unwrap_err(), expected);
    }
    complete(&client, "k", &id, &[two]).await.unwrap();
    assert_eq!(get(&client, "k").await.unwrap(), b"two", "the part that was left out is not in it");
}

#[tokio::test]
async fn an_aborted_upload_is_gone_and_leaves_the_object() {
    let (_server, client) = fresh().await;
    put(&client, "k", "old").await;
    let id = begin(&client, "k").await;
    let one = part(&client, "k", &id, 1, b"new".to_vec()).await;
    let abort = client.abort_multipart_upload().bucket(BUCKET).key("k").upload_id(&id);
    abort.clone().send().await.unwrap();
    assert_eq!(code(abort.send().await.unwrap_err()), "NoSuchUpload");
    assert_eq!(complete(&client, "k", &id, &[one]).await.unwrap_err(), "NoSuchUpload");
    let late = client.upload_part().bucket(BUCKET).key("k").upload_id(&id).part_number(1).send().await;
    assert_eq!(code(late.unwrap_err()), "NoSuchUpload");
    assert_eq!(get(&client, "k").await.unwrap(), b"old");
    let number = client.upload_part().bucket(BUCKET).key("k").upload_id(&id).part_number(10_001).send().await;
    assert_eq!(code(number.unwrap_err()), "InvalidArgument");
}

#[tokio::test]
async fn parts_are_copied_with_and_without_a_range() {
    let limits = Limits { min_part: 3, max_copy: 8, max_part_copy: 8, ..Limits::default() };
    let (_server, client) = started(Server::builder().limits(limits)).await;
    put(&client, "source", "0123456789").await;
    let id = begin(&client, "k").await;
    let copy = client.upload_part_copy().bucket(BUCKET).key("k").upload_id(&id).copy_source("films/source");
    assert_eq!(code(copy.clone().part_number(1).send().await.unwrap_err()), "InvalidRequest", "10 is more than 8");
    let outside = copy.clone().part_number(1).copy_source_range("bytes=8-10").send().await;
    assert_eq!(code(outside.unwrap_err()), "InvalidArgument");
    let mut parts = Vec::new();
    for (number, range) in [(1, "bytes=5-9"), (2, "bytes=0-2")] {
        let answer = copy.clone().part_number(number).copy_source_range(range).send().await.unwrap();
        let etag = answer.copy_part_result.unwrap().e_tag;
        parts.push(CompletedPart::builder().part_number(number).set_e_tag(etag).build());
    }
    complete(&client, "k", &id, &parts).await.unwrap();
    assert_eq!(get(&client, "k").await.unwrap(), b"56789012");
    put(&client, "long", "123456789").await;
    let whole = client.copy_object().bucket(BUCKET).key("x").copy_source("films/long").send().await;
    assert_eq!(code(whole.unwrap_err()), "InvalidRequest");
}

#[tokio::test]
async fn a_body_that_is_not_what_was_said_is_not_kept() {
    let (server, client) = fresh().await;
    put(&client, "k", "old").await;
    let put = || client.put_object().bucket(BUCKET).key("k").body(ByteStream::from_static(b"abc"));
    let wrong = put().content_md5("AAAAAAAAAAAAAAAAAAAAAA==").send().await;
    assert_eq!(code(wrong.unwrap_err()), "BadDigest");
    assert_eq!(code(put().content_md5("abc").send().await.unwrap_err()), "InvalidDigest");

    // A link lets a bare socket write, and hang up in the middle of its body.
    let link = aws_sdk_s3::presigning::PresigningConfig::expires_in(std::time::Duration::from_secs(60)).unwrap();
    let link = put().presigned(link).await.unwrap();
    raw(&server, "PUT", link.uri(), &[("content-length", "10")], b"short").await;
    let cut = server.recorder().calls().last().unwrap().clone();
    assert_eq!(cut.operation, "PutObject");
    assert_eq!(get(&client, "k").await.unwrap(), b"old");
    let chunked = raw(&server, "PUT", link.uri(), &[("transfer-encoding", "chunked")], b"0\r\n\r\n").await;
    assert_eq!(chunked.status, Some(411), "{}", chunked.text());
    let whole = raw(&server, "PUT", link.uri(), &[("content-length", "3")], b"new").await;
    assert_eq!(whole.status, Some(200), "{}", whole.text());
    put().content_md5("kAFQmDzST7DWlj99KOF/cg==").send().await.unwrap();
    assert_eq!(get(&client, "k").await.unwrap(), b"abc");
}

#[tokio::test]
async fn a_body_in_chunks_with_a_checksum_behind_it_is_decoded() {
    let (server, _) = fresh().await;
    let config = crate::client::config(&server)
        .request_checksum_calculation(aws_sdk_s3::config::RequestChecksumCalculation::WhenSupported);
    let client = Client::from_conf(config.build());
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), vec![b'x'; 200_000]).unwrap();
    let body = ByteStream::read_from().path(file.path()).build().await.unwrap();
    client.put_object().bucket(BUCKET).key("k").body(body).send().await.unwrap();
    assert_eq!(get(&client, "k").await.unwrap(), vec![b'x'; 200_000]);
}
