//! What a write says of how its object is kept.

use aws_sdk_s3::Client;
use aws_sdk_s3::primitives::ByteStream;
use aws_sdk_s3::types::{CompletedMultipartUpload, CompletedPart, ServerSideEncryption, StorageClass};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use davmux_s3_server::Server;
use md5::{Digest as _, Md5};

use crate::client::{BUCKET, code, fresh, put, started};

/// A customer's key and its MD5, both in Base64.
fn key(byte: u8) -> (String, String) {
    let key = [byte; 32];
    (STANDARD.encode(key), STANDARD.encode(Md5::digest(key)))
}

#[tokio::test]
async fn storage_class_and_encryption_are_kept_and_told() {
    let (_server, client) = fresh().await;
    let write = client.put_object().bucket(BUCKET).key("a").body(ByteStream::from_static(b"x"));
    let written = write
        .storage_class(StorageClass::StandardIa)
        .server_side_encryption(ServerSideEncryption::AwsKms)
        .ssekms_key_id("a-key")
        .acl("public-read".into())
        .send()
        .await
        .unwrap();
    assert_eq!(written.server_side_encryption(), Some(&ServerSideEncryption::AwsKms));
    assert_eq!(written.ssekms_key_id(), Some("a-key"));
    put(&client, "b", "x").await;
    let listed = client.list_objects_v2().bucket(BUCKET).send().await.unwrap();
    let classes: Vec<_> = listed.contents().iter().map(|object| object.storage_class().unwrap().as_str()).collect();
    assert_eq!(classes, ["STANDARD_IA", "STANDARD"]);
    let head = |key: &str| client.head_object().bucket(BUCKET).key(key).send();
    let told = head("a").await.unwrap();
    assert_eq!(told.storage_class(), Some(&StorageClass::StandardIa));
    assert_eq!((told.server_side_encryption().unwrap().as_str(), told.ssekms_key_id()), ("aws:kms", Some("a-key")));
    assert_eq!(head("b").await.unwrap().storage_class(), None, "as AWS, which says nothing of STANDARD");

    let copy = || client.copy_object().bucket(BUCKET).key("c").copy_source("films/a");
    copy().send().await.unwrap();
    let told = head("c").await.unwrap();
    assert_eq!((told.storage_class(), told.server_side_encryption()), (None, None), "a copy says it anew");
    copy()
        .storage_class(StorageClass::Glacier)
        .server_side_encryption(ServerSideEncryption::Aes256)
        .send()
        .await
        .unwrap();
    let told = head("c").await.unwrap();
    assert_eq!(told.storage_class(), Some(&StorageClass::Glacier));
    assert_eq!(told.server_side_encryption(), Some(&ServerSideEncryption::Aes256));

    let upload = client.create_multipart_upload().bucket(BUCKET).key("m").storage_class(StorageClass::StandardIa);
    let upload = upload.server_side_encryption(ServerSideEncryption::Aes256).send().await.unwrap();
    assert_eq!(upload.server_side_encryption(), Some(&ServerSideEncryption::Aes256));
    let only = crate::uploads::part(&client, "m", upload.upload_id().unwrap(), 1, b"x".to_vec()).await;
    crate::uploads::complete(&client, "m", upload.upload_id().unwrap(), &[only]).await.unwrap();
    assert_eq!(head("m").await.unwrap().storage_class(), Some(&StorageClass::StandardIa));
}

/// The code of a GET with or without a customer's key.
async fn read(client: &Client, object: &str, with: Option<&(String, String)>) -> Result<Vec<u8>, String> {
    let mut get = client.get_object().bucket(BUCKET).key(object);
    if let Some((key, md5)) = with {
        get = get.sse_customer_algorithm("AES256").sse_customer_key(key).sse_customer_key_md5(md5);
    }
    Ok(get.send().await.map_err(code)?.body.collect().await.unwrap().to_vec())
}

#[tokio::test]
async fn a_customers_key_is_asked_of_whoever_reads() {
    let (_server, client) = fresh().await;
    let (right, wrong) = (key(1), key(2));
    let write = |md5: &str| {
        let write = client.put_object().bucket(BUCKET).key("a").body(ByteStream::from_static(b"x"));
        write.sse_customer_algorithm("AES256").sse_customer_key(&right.0).sse_customer_key_md5(md5).send()
    };
    assert_eq!(code(write(&wrong.1).await.unwrap_err()), "InvalidArgument");
    let written = write(&right.1).await.unwrap();
    assert_eq!(written.sse_customer_key_md5(), Some(right.1.as_str()));
    assert_eq!(read(&client, "a", Some(&right)).await.unwrap(), b"x");
    assert_eq!(read(&client, "a", Some(&wrong)).await.unwrap_err(), "AccessDenied");
    assert_eq!(read(&client, "a", None).await.unwrap_err(), "InvalidRequest");
    put(&client, "plain", "x").await;
    assert_eq!(read(&client, "plain", Some(&right)).await.unwrap_err(), "InvalidRequest");
    let head = client.head_object().bucket(BUCKET).key("a");
    assert_eq!(head.clone().send().await.unwrap_err().raw_response().unwrap().status().as_u16(), 400);
    let head = head.sse_customer_algorithm("AES256").sse_customer_key(&right.0).sse_customer_key_md5(&right.1);
    assert_eq!(head.send().await.unwrap().sse_customer_algorithm(), Some("AES256"));

    let copy = client.copy_object().bucket(BUCKET).key("b").copy_source("films/a");
    assert_eq!(code(copy.clone().send().await.unwrap_err()), "InvalidRequest");
    let copy = copy.copy_source_sse_customer_algorithm("AES256");
    let copy = copy.copy_source_sse_customer_key(&right.0).copy_source_sse_customer_key_md5(&right.1);
    copy.clone().send().await.unwrap();
    assert_eq!(read(&client, "b", None).await.unwrap(), b"x", "the copy is kept as the copy says");
    let copy = copy.sse_customer_algorithm("AES256").sse_customer_key(&wrong.0).sse_customer_key_md5(&wrong.1);
    copy.send().await.unwrap();
    assert_eq!(read(&client, "b", Some(&wrong)).await.unwrap(), b"x");
}

#[tokio::test]
async fn a_customers_key_comes_with_every_part() {
    let (_server, client) = fresh().await;
    let (right, wrong) = (key(1), key(2));
    let upload = client.create_multipart_upload().bucket(BUCKET).key("m").sse_customer_algorithm("AES256");
    let upload = upload.sse_customer_key(&right.0).sse_customer_key_md5(&right.1).send().await.unwrap();
    let id = upload.upload_id().unwrap();
    let part = || client.upload_part().bucket(BUCKET).key("m").upload_id(id).part_number(1);
    assert_eq!(code(part().body(ByteStream::from_static(b"x")).send().await.unwrap_err()), "InvalidRequest");
    let with = |(key, md5): &(String, String)| {
        part().sse_customer_algorithm("AES256").sse_customer_key(key).sse_customer_key_md5(md5)
    };
    let refused = with(&wrong).body(ByteStream::from_static(b"x")).send().await;
    assert_eq!(code(refused.unwrap_err()), "InvalidRequest");
    put(&client, "plain", "y").await;
    let (key, md5) = &right;
    let copied =
        client.upload_part_copy().bucket(BUCKET).key("m").upload_id(id).part_number(1).copy_source("films/plain");
    assert_eq!(code(copied.clone().send().await.unwrap_err()), "InvalidRequest");
    let copied = copied.sse_customer_algorithm("AES256").sse_customer_key(key).sse_customer_key_md5(md5);
    let etag = copied.send().await.unwrap().copy_part_result.unwrap().e_tag;
    let only = CompletedPart::builder().part_number(1).set_e_tag(etag).build();
    let parts = CompletedMultipartUpload::builder().parts(only).build();
    client
        .complete_multipart_upload()
        .bucket(BUCKET)
        .key("m")
        .upload_id(id)
        .multipart_upload(parts)
        .send()
        .await
        .unwrap();
    assert_eq!(read(&client, "m", Some(&right)).await.unwrap(), b"y");
    assert_eq!(read(&client, "m", None).await.unwrap_err(), "InvalidRequest");
}

#[tokio::test]
async fn a_bucket_says_whether_it_keeps_versions_and_where_it_is() {
    let (_server, client) = started(Server::builder().versioned_bucket("kept").region("eu-west-1")).await;
    for (bucket, status) in [(BUCKET, None), ("kept", Some("Enabled"))] {
        let answer = client.get_bucket_versioning().bucket(bucket).send().await.unwrap();
        assert_eq!(answer.status().map(|status| status.as_str()), status);
    }
    let location = client.get_bucket_location().bucket(BUCKET).send().await.unwrap();
    assert_eq!(location.location_constraint().map(|place| place.as_str()), Some("eu-west-1"));
    let head = client.head_bucket().bucket(BUCKET).send().await.unwrap();
    assert_eq!(head.bucket_region(), Some("eu-west-1"));
}

#[tokio::test]
async fn a_million_keys_are_there_at_once_and_take_a_page_at_a_time() {
    let (_server, client) = started(Server::builder().numbered_objects(BUCKET, "many/", 1_000_000)).await;
    put(&client, "z", "x").await;
    let list = || client.list_objects_v2().bucket(BUCKET);
    let first = list().send().await.unwrap();
    let second = list().continuation_token(first.next_continuation_token().unwrap()).send().await.unwrap();
    assert_eq!(second.contents()[0].key(), Some("many/00001000"));
    let last = list().start_after("many/00999998").send().await.unwrap();
    let last: Vec<_> = last.contents().iter().filter_map(|object| object.key()).collect();
    assert_eq!(last, ["many/00999999", "z"]);
    let folders = list().delimiter("/").send().await.unwrap();
    assert_eq!((folders.common_prefixes()[0].prefix(), folders.key_count()), (Some("many/"), Some(2)));
    assert_eq!(crate::client::get(&client, "many/00000007").await.unwrap(), b"");
}
