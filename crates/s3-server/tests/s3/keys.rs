use aws_sdk_s3::types::{Delete, ObjectIdentifier};

use crate::client::{BUCKET, fresh, get, put};

/// Keys that a server of files mixes up, or that an encoding loses.
pub(crate) fn odd_keys() -> Vec<String> {
    let mut keys: Vec<String> = [
        "a",
        "a/",
        "a/b",
        "a//b",
        "/",
        "//",
        "/a",
        ".",
        "..",
        "a/../b",
        "a/./b",
        " a ",
        "a b",
        "a+b",
        "a%20b",
        "a%2Fb",
        "a?b#c",
        "'()*~&<>\"`",
        "a\\b",
        "e\u{301}",
        "\u{e9}",
        "\u{1f37f}\u{10ffff}",
        "=;:@$,!|^{}[]",
    ]
    .map(str::to_owned)
    .into();
    keys.push("\u{e9}".repeat(512));
    keys.push("k/".repeat(512));
    keys
}

#[tokio::test]
async fn every_key_is_its_own_object() {
    let (_server, client) = fresh().await;
    for key in odd_keys() {
        put(&client, &key, key.clone()).await;
    }
    for key in odd_keys() {
        assert_eq!(get(&client, &key).await.as_deref(), Ok(key.as_bytes()), "{key:?}");
        let copy =
            format!("{BUCKET}/{}", percent_encoding::utf8_percent_encode(&key, percent_encoding::NON_ALPHANUMERIC));
        client.copy_object().bucket(BUCKET).key("copy").copy_source(copy).send().await.unwrap();
        assert_eq!(get(&client, "copy").await.as_deref(), Ok(key.as_bytes()), "copy of {key:?}");
    }
    client.delete_object().bucket(BUCKET).key("copy").send().await.unwrap();
    let mut sorted = odd_keys();
    sorted.sort();
    let listed = client.list_objects_v2().bucket(BUCKET).send().await.unwrap();
    let listed: Vec<&str> = listed.contents().iter().map(|object| object.key().unwrap()).collect();
    assert_eq!(listed, sorted);

    // All but one go in a batch, and the one stays.
    let gone: Vec<ObjectIdentifier> = sorted
        .iter()
        .filter(|key| *key != "a//b")
        .map(|key| ObjectIdentifier::builder().key(key).build().unwrap())
        .collect();
    let number = gone.len();
    let batch = Delete::builder().set_objects(Some(gone)).build().unwrap();
    let answer = client.delete_objects().bucket(BUCKET).delete(batch).send().await.unwrap();
    assert_eq!((answer.deleted().len(), answer.errors().len()), (number, 0));
    let left = client.list_objects_v2().bucket(BUCKET).send().await.unwrap();
    assert_eq!(left.contents().iter().map(|object| object.key().unwrap()).collect::<Vec<_>>(), ["a//b"]);
}

#[tokio::test]
async fn a_key_of_more_than_1024_bytes_is_refused() {
    let (_server, client) = fresh().await;
    let answer = client.put_object().bucket(BUCKET).key("k".repeat(1025)).send().await;
    assert_eq!(crate::client::code(answer.unwrap_err()), "KeyTooLongError");
}

#[tokio::test]
async fn headers_and_metadata_come_back_as_they_were_given() {
    let (_server, client) = fresh().await;
    let written = client
        .put_object()
        .bucket(BUCKET)
        .key("a")
        .content_type("video/x-matroska")
        .cache_control("no-store")
        .content_disposition("attachment")
        .metadata("mtime", "1700000000.5")
        .body(b"abc".to_vec().into())
        .send()
        .await
        .unwrap();
    assert_eq!(written.e_tag(), Some("\"900150983cd24fb0d6963f7d28e17f72\""));
    let head = client.head_object().bucket(BUCKET).key("a").send().await.unwrap();
    assert_eq!(head.content_type(), Some("video/x-matroska"));
    assert_eq!(head.cache_control(), Some("no-store"));
    assert_eq!(head.content_length(), Some(3));
    assert_eq!(head.e_tag(), written.e_tag());
    assert_eq!(head.metadata().unwrap()["mtime"], "1700000000.5");
    assert_eq!(head.last_modified().unwrap().subsec_nanos(), 0);

    let copied = client.copy_object().bucket(BUCKET).key("b").copy_source("films/a");
    copied.send().await.unwrap();
    let head = client.head_object().bucket(BUCKET).key("b").send().await.unwrap();
    assert_eq!((head.content_type(), head.metadata().unwrap().len()), (Some("video/x-matroska"), 1));
    let replaced = client.copy_object().bucket(BUCKET).key("a").copy_source("films/a");
    assert_eq!(crate::client::code(replaced.clone().send().await.unwrap_err()), "InvalidRequest");
    replaced.metadata_directive("REPLACE".into()).content_type("text/plain").send().await.unwrap();
    let head = client.head_object().bucket(BUCKET).key("a").send().await.unwrap();
    assert_eq!((head.content_type(), head.metadata().unwrap().len()), (Some("text/plain"), 0));
}

#[tokio::test]
async fn buckets_are_listed_made_and_told_apart() {
    let (server, client) = fresh().await;
    client.create_bucket().bucket("music").send().await.unwrap();
    let again = client.create_bucket().bucket("music").send().await;
    assert_eq!(crate::client::code(again.unwrap_err()), "BucketAlreadyOwnedByYou");
    let listed = client.list_buckets().send().await.unwrap();
    assert_eq!(listed.buckets().iter().map(|bucket| bucket.name().unwrap()).collect::<Vec<_>>(), ["films", "music"]);
    assert_eq!(client.head_bucket().bucket("music").send().await.unwrap().bucket_region(), Some(server.region()));
    assert!(client.head_bucket().bucket("absent").send().await.is_err());
    let absent = client.list_objects_v2().bucket("absent").send().await;
    assert_eq!(crate::client::code(absent.unwrap_err()), "NoSuchBucket");
    put(&client, "a", "films").await;
    let other = client.get_object().bucket("music").key("a").send().await;
    assert_eq!(crate::client::code(other.unwrap_err()), "NoSuchKey");
    // The first region is an empty answer.
    let location = client.get_bucket_location().bucket("music").send().await.unwrap();
    assert!(location.location_constraint().is_none_or(|location| location.as_str().is_empty()));
}
