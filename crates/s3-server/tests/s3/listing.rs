use aws_sdk_s3::Client;
use aws_sdk_s3::types::EncodingType;

use crate::client::{BUCKET, code, fresh, put, started};

async fn v2(client: &Client, prefix: &str, delimiter: Option<&str>, size: i32) -> Vec<String> {
    let mut names = Vec::new();
    let mut token = None;
    loop {
        let page = client
            .list_objects_v2()
            .bucket(BUCKET)
            .prefix(prefix)
            .set_delimiter(delimiter.map(str::to_owned))
            .max_keys(size)
            .set_continuation_token(token)
            .send()
            .await
            .unwrap();
        let before = names.len();
        names.extend(page.contents().iter().map(|object| object.key().unwrap().to_owned()));
        names.extend(page.common_prefixes().iter().map(|prefix| prefix.prefix().unwrap().to_owned()));
        assert_eq!(page.key_count(), i32::try_from(names.len() - before).ok());
        assert!(names.len() - before <= usize::try_from(size).unwrap());
        token = page.next_continuation_token().map(str::to_owned);
        assert_eq!(page.is_truncated(), Some(token.is_some()));
        if token.is_none() {
            names.sort();
            return names;
        }
    }
}

async fn v1(client: &Client, delimiter: Option<&str>, size: i32) -> Vec<String> {
    let mut names = Vec::new();
    let mut marker = None;
    loop {
        let list = client.list_objects().bucket(BUCKET).set_delimiter(delimiter.map(str::to_owned)).max_keys(size);
        let page = list.set_marker(marker).send().await.unwrap();
        names.extend(page.contents().iter().map(|object| object.key().unwrap().to_owned()));
        names.extend(page.common_prefixes().iter().map(|prefix| prefix.prefix().unwrap().to_owned()));
        if page.is_truncated() != Some(true) {
            names.sort();
            return names;
        }
        // Only a listing with a delimiter is told where it goes on.
        assert_eq!(page.next_marker().is_some(), delimiter.is_some());
        marker = page.next_marker().or(page.contents().last().and_then(|object| object.key())).map(str::to_owned);
    }
}

#[tokio::test]
async fn pages_of_any_size_give_all_names_once() {
    let (_server, client) = fresh().await;
    let mut keys = Vec::new();
    for index in 0..9 {
        keys.push(format!("{index}"));
        keys.push(format!("{index}-1"));
        keys.push(format!("{index}/x"));
        keys.push(format!("{index}/y"));
    }
    for key in &keys {
        put(&client, key, "").await;
    }
    keys.sort();
    let mut top: Vec<String> = keys.iter().filter(|key| !key.contains('/')).cloned().collect();
    top.extend((0..9).map(|index| format!("{index}/")));
    top.sort();
    for size in [1, 2, 3, 5, 7, 26, 27, 28, 36, 1000] {
        assert_eq!(v2(&client, "", None, size).await, keys, "pages of {size}");
        assert_eq!(v2(&client, "", Some("/"), size).await, top, "pages of {size}");
        assert_eq!(v2(&client, "3/", Some("/"), size).await, ["3/x", "3/y"], "pages of {size}");
        assert_eq!(v1(&client, None, size).await, keys, "pages of {size}");
        assert_eq!(v1(&client, Some("/"), size).await, top, "pages of {size}");
    }
}

#[tokio::test]
async fn a_page_holds_a_thousand_names_at_most() {
    let (server, client) = fresh().await;
    let keys: Vec<String> = (0..1001).map(|index| format!("{index:04}")).collect();
    for key in &keys {
        put(&client, key, "").await;
    }
    server.recorder().reset();
    let page = client.list_objects_v2().bucket(BUCKET).max_keys(5000).send().await.unwrap();
    assert_eq!((page.contents().len(), page.max_keys(), page.is_truncated()), (1000, Some(1000), Some(true)));
    assert_eq!(v2(&client, "", None, 1000).await, keys);
    assert_eq!(server.recorder().count("ListObjectsV2"), 3);
    let after = client.list_objects_v2().bucket(BUCKET).start_after("0999").send().await.unwrap();
    assert_eq!(after.contents().iter().map(|object| object.key().unwrap()).collect::<Vec<_>>(), ["1000"]);
    let none = client.list_objects_v2().bucket(BUCKET).max_keys(0).send().await.unwrap();
    assert_eq!((none.key_count(), none.is_truncated()), (Some(0), Some(false)));
}

#[tokio::test]
async fn names_are_encoded_when_asked_and_wrong_questions_refused() {
    let (_server, client) = fresh().await;
    put(&client, "a b/\u{1}\u{e9}+", "").await;
    let list = client.list_objects_v2().bucket(BUCKET).encoding_type(EncodingType::Url);
    let page = list.clone().send().await.unwrap();
    assert_eq!(page.contents()[0].key(), Some("a+b/%01%C3%A9%2B"));
    let page = list.clone().delimiter("/").send().await.unwrap();
    assert_eq!(page.common_prefixes()[0].prefix(), Some("a+b/"));
    assert_eq!(code(list.clone().continuation_token("?").send().await.unwrap_err()), "InvalidArgument");
    assert_eq!(code(list.max_keys(-1).send().await.unwrap_err()), "InvalidArgument");
}

#[tokio::test]
async fn uploads_and_parts_are_paged() {
    let (_server, client) = started(davmux_s3_server::Server::builder()).await;
    let mut started = Vec::new();
    for key in ["b", "a", "b", "c/d"] {
        let upload = client.create_multipart_upload().bucket(BUCKET).key(key).send().await.unwrap();
        started.push((key.to_owned(), upload.upload_id.unwrap()));
    }
    started.sort();
    for size in [1, 2, 3, 10] {
        let mut found = Vec::new();
        let (mut key, mut id) = (None, None);
        loop {
            let list = client.list_multipart_uploads().bucket(BUCKET).max_uploads(size);
            let page = list.set_key_marker(key).set_upload_id_marker(id).send().await.unwrap();
            found.extend(
                page.uploads()
                    .iter()
                    .map(|upload| (upload.key().unwrap().to_owned(), upload.upload_id().unwrap().to_owned())),
            );
            if page.is_truncated() != Some(true) {
                break;
            }
            (key, id) = (page.next_key_marker, page.next_upload_id_marker);
        }
        assert_eq!(found, started, "pages of {size}");
    }
    let below = client.list_multipart_uploads().bucket(BUCKET).prefix("c/").send().await.unwrap();
    assert_eq!(below.uploads().len(), 1);

    let (key, id) = &started[0];
    for number in [3, 1, 2] {
        let part = client.upload_part().bucket(BUCKET).key(key).upload_id(id).part_number(number);
        part.body(vec![b'x'; usize::try_from(number).unwrap()].into()).send().await.unwrap();
    }
    let parts = client.list_parts().bucket(BUCKET).key(key).upload_id(id).max_parts(2);
    let page = parts.clone().send().await.unwrap();
    assert_eq!(page.parts().iter().map(|part| part.size().unwrap()).collect::<Vec<_>>(), [1, 2]);
    assert_eq!((page.is_truncated(), page.next_part_number_marker()), (Some(true), Some("2")));
    let page = parts.part_number_marker("2").send().await.unwrap();
    assert_eq!((page.parts().len(), page.is_truncated()), (1, Some(false)));
}
