use aws_sdk_s3::primitives::{ByteStream, DateTime};
use aws_sdk_s3::types::{CompletedMultipartUpload, Delete, ObjectIdentifier};
use davmux_s3_server::{Condition, Conditions, Refusal, Server, Strict};

use crate::client::{BUCKET, code, fresh, get, put, started};
use crate::uploads::{begin, part};

#[tokio::test]
async fn a_write_waits_for_its_condition() {
    let (_server, client) = fresh().await;
    let write = || client.put_object().bucket(BUCKET).key("k").body(ByteStream::from_static(b"new"));
    assert_eq!(code(write().if_match("\"00\"").send().await.unwrap_err()), "NoSuchKey");
    let etag = write().if_none_match("*").send().await.unwrap().e_tag.unwrap();
    assert_eq!(code(write().if_none_match("*").send().await.unwrap_err()), "PreconditionFailed");
    assert_eq!(code(write().if_match("\"00\"").send().await.unwrap_err()), "PreconditionFailed");
    assert_eq!(code(write().if_none_match("\"00\"").send().await.unwrap_err()), "NotImplemented");
    write().if_match(etag).send().await.unwrap();
}

#[tokio::test]
async fn of_two_who_both_want_to_be_first_one_is() {
    let (server, client) = fresh().await;
    server.faults().together(8);
    let writes = (0..8).map(|index| {
        let write = client.put_object().bucket(BUCKET).key("k").if_none_match("*");
        write.body(format!("{index}").into_bytes().into()).send()
    });
    let answers = futures_util::future::join_all(writes).await;
    assert_eq!(answers.iter().filter(|answer| answer.is_ok()).count(), 1);
}

#[tokio::test]
async fn a_read_is_answered_as_its_conditions_say() {
    let (server, client) = fresh().await;
    let etag = put(&client, "k", "0123456789").await;
    let read = client.get_object().bucket(BUCKET).key("k");
    let modified = read.clone().send().await.unwrap().last_modified.unwrap();
    let later = DateTime::from_secs(modified.secs() + 10);
    let earlier = DateTime::from_secs(modified.secs() - 10);
    read.clone().if_match(&etag).send().await.unwrap();
    assert_eq!(code(read.clone().if_match("\"00\"").send().await.unwrap_err()), "PreconditionFailed");
    read.clone().if_none_match("\"00\"").send().await.unwrap();
    read.clone().if_unmodified_since(modified).send().await.unwrap();
    assert_eq!(code(read.clone().if_unmodified_since(earlier).send().await.unwrap_err()), "PreconditionFailed");
    read.clone().if_match(&etag).if_unmodified_since(earlier).send().await.unwrap();
    read.clone().if_modified_since(earlier).send().await.unwrap();
    read.clone().if_none_match("\"00\"").if_modified_since(later).send().await.unwrap();
    for unchanged in [read.clone().if_none_match(&etag), read.clone().if_modified_since(modified)] {
        let error = unchanged.send().await.unwrap_err();
        let raw = error.raw_response().unwrap();
        assert_eq!(raw.status().as_u16(), 304);
        assert_eq!(raw.headers().get("etag"), Some(etag.as_str()));
    }
    assert_eq!(server.recorder().calls().last().unwrap().status, Some(304));
}

#[tokio::test]
async fn ranges_give_what_they_name() {
    let (_server, client) = fresh().await;
    put(&client, "k", "0123456789").await;
    put(&client, "empty", "").await;
    for (range, expected) in [
        ("bytes=0-0", "0"),
        ("bytes=3-", "3456789"),
        ("bytes=8-99", "89"),
        ("bytes=-2", "89"),
        ("bytes=-99", "0123456789"),
    ] {
        let answer = client.get_object().bucket(BUCKET).key("k").range(range).send().await.unwrap();
        assert_eq!(answer.content_length(), i64::try_from(expected.len()).ok(), "{range}");
        assert!(answer.content_range().unwrap().ends_with("/10"), "{range}");
        assert_eq!(answer.body.collect().await.unwrap().to_vec(), expected.as_bytes(), "{range}");
    }
    for (key, range, size) in
        [("k", "bytes=10-", 10), ("k", "bytes=-0", 10), ("empty", "bytes=0-", 0), ("empty", "bytes=-1", 0)]
    {
        let error = client.get_object().bucket(BUCKET).key(key).range(range).send().await.unwrap_err();
        assert_eq!(error.raw_response().unwrap().status().as_u16(), 416, "{range}");
        let said = error.raw_response().unwrap().headers().get("content-range").unwrap().to_owned();
        assert_eq!(said, format!("bytes */{size}"));
        assert_eq!(code(error), "InvalidRange");
    }
    assert_eq!(get(&client, "empty").await.unwrap(), b"");
}

#[tokio::test]
async fn a_copy_looks_at_its_source_and_at_its_target() {
    let (_server, client) = fresh().await;
    let etag = put(&client, "a", "a").await;
    let copy = client.copy_object().bucket(BUCKET).key("b").copy_source("films/a");
    let wrong = copy.clone().copy_source_if_match("\"00\"").send().await;
    assert_eq!(code(wrong.unwrap_err()), "PreconditionFailed");
    let same = copy.clone().copy_source_if_none_match(&etag).send().await;
    assert_eq!(code(same.unwrap_err()), "PreconditionFailed");
    assert_eq!(get(&client, "b").await.unwrap_err(), "NoSuchKey");
    let absent = |copy: aws_sdk_s3::operation::copy_object::builders::CopyObjectFluentBuilder| {
        copy.customize().mutate_request(|request| {
            request.headers_mut().insert("if-none-match", "*");
        })
    };
    absent(copy.clone().copy_source_if_match(&etag)).send().await.unwrap();
    assert_eq!(get(&client, "b").await.unwrap(), b"a");
    put(&client, "b", "b").await;
    assert_eq!(code(absent(copy.clone()).send().await.unwrap_err()), "PreconditionFailed");
    assert_eq!(get(&client, "b").await.unwrap(), b"b");
    let missing = client.copy_object().bucket(BUCKET).key("b").copy_source("films/none").send().await;
    assert_eq!(code(missing.unwrap_err()), "NoSuchKey");
}

#[tokio::test]
async fn a_delete_takes_only_what_it_names() {
    let (_server, client) = fresh().await;
    let etag = put(&client, "a", "a").await;
    put(&client, "b", "b").await;
    let delete = client.delete_object().bucket(BUCKET).key("a");
    assert_eq!(code(delete.clone().if_match("\"00\"").send().await.unwrap_err()), "PreconditionFailed");
    let named = |key: &str, etag: &str| ObjectIdentifier::builder().key(key).e_tag(etag).build().unwrap();
    let batch = Delete::builder().objects(named("b", "\"00\"")).objects(named("a", &etag)).build().unwrap();
    let answer = client.delete_objects().bucket(BUCKET).delete(batch).send().await.unwrap();
    assert_eq!(answer.deleted().iter().map(|gone| gone.key().unwrap()).collect::<Vec<_>>(), ["a"]);
    let error = &answer.errors()[0];
    assert_eq!((error.key(), error.code()), (Some("b"), Some("PreconditionFailed")));
    assert_eq!(get(&client, "a").await.unwrap_err(), "NoSuchKey");
    assert_eq!(get(&client, "b").await.unwrap(), b"b");
    client.delete_object().bucket(BUCKET).key("a").send().await.unwrap();

    let many = (0..1001).map(|index| ObjectIdentifier::builder().key(format!("{index}")).build().unwrap());
    let batch = Delete::builder().set_objects(Some(many.collect())).build().unwrap();
    let answer = client.delete_objects().bucket(BUCKET).delete(batch).send().await;
    assert_eq!(code(answer.unwrap_err()), "MalformedXML");
}

/// The answers of the conditional writes of a client, on a key that stands: `None` where the write was done.
async fn conditional(strict: Strict) -> Vec<Option<String>> {
    let (_server, client) = started(Server::builder().strict(strict)).await;
    put(&client, "k", "old").await;
    put(&client, "source", "new").await;
    let mut answers = Vec::new();
    for (if_none_match, if_match) in [(Some("*"), None), (None, Some("\"00\""))] {
        let write = client.put_object().bucket(BUCKET).key("k").body(ByteStream::from_static(b"new"));
        let write = write.set_if_none_match(if_none_match.map(str::to_owned)).set_if_match(if_match.map(str::to_owned));
        answers.push(write.send().await.map_err(code).err());
        let id = begin(&client, "k").await;
        let parts =
            CompletedMultipartUpload::builder().parts(part(&client, "k", &id, 1, b"new".to_vec()).await).build();
        let end = client.complete_multipart_upload().bucket(BUCKET).key("k").upload_id(&id).multipart_upload(parts);
        let end = end.set_if_none_match(if_none_match.map(str::to_owned)).set_if_match(if_match.map(str::to_owned));
        answers.push(end.send().await.map_err(code).err());
        let copy = client.copy_object().bucket(BUCKET).key("k").copy_source("films/source");
        let copy = copy.customize().mutate_request(move |request| {
            for (name, value) in [("if-none-match", if_none_match), ("if-match", if_match)] {
                if let Some(value) = value {
                    request.headers_mut().insert(name, value);
                }
            }
        });
        answers.push(copy.send().await.map_err(code).err());
    }
    let delete = client.delete_object().bucket(BUCKET).key("k").if_match("\"00\"");
    answers.push(delete.send().await.map_err(code).err());
    put(&client, "k", "old").await;
    let named = ObjectIdentifier::builder().key("k").e_tag("\"00\"").build().unwrap();
    let batch = Delete::builder().objects(named).build().unwrap();
    let batch = client.delete_objects().bucket(BUCKET).delete(batch).send().await;
    answers.push(match batch {
        Ok(answer) => answer.errors().first().and_then(|error| error.code().map(str::to_owned)),
        Err(error) => Some(code(error)),
    });
    answers
}

#[tokio::test]
async fn a_condition_is_honoured_ignored_or_refused_as_the_profile_says() {
    let all = |condition| Strict { conditions: Conditions::writes(condition), ..Strict::default() };
    let same = |answer: Option<&str>| vec![answer.map(str::to_owned); 8];
    assert_eq!(conditional(Strict::default()).await, same(Some("PreconditionFailed")));
    assert_eq!(conditional(all(Condition::Ignored)).await, same(None));
    let refused = all(Condition::Refused(Refusal::NOT_IMPLEMENTED));
    assert_eq!(conditional(refused).await, same(Some("NotImplemented")));

    let (honoured, ignored) = (Some("PreconditionFailed".to_owned()), None);
    let no_copies = [&honoured, &honoured, &ignored, &honoured, &honoured, &ignored, &ignored, &ignored];
    assert_eq!(conditional(Strict::minio()).await.iter().collect::<Vec<_>>(), no_copies);
}

#[tokio::test]
async fn r2_looks_at_the_target_of_a_copy_by_a_header_of_its_own() {
    let r2 = Strict { length_missing: None, ..Strict::r2() };
    for (strict, expected) in [(r2, Some("PreconditionFailed")), (Strict::default(), None)] {
        let (_server, client) = started(Server::builder().strict(strict)).await;
        put(&client, "a", "a").await;
        put(&client, "b", "b").await;
        let copy = |key: &str| {
            let copy = client.copy_object().bucket(BUCKET).key(key).copy_source("films/a").customize();
            copy.mutate_request(|request| {
                request.headers_mut().insert("cf-copy-destination-if-none-match", "*");
            })
        };
        copy("new").send().await.unwrap();
        assert_eq!(copy("b").send().await.map_err(code).err().as_deref(), expected);
    }
}

#[tokio::test]
async fn conditions_on_the_source_of_a_copy_are_ignored_where_they_are_not_known() {
    for (strict, expected) in [(Strict::careful(), None), (Strict::gcs(), Some("PreconditionFailed"))] {
        let (_server, client) =
            started(Server::builder().strict(Strict { x_id: None, length_missing: None, ..strict })).await;
        put(&client, "a", "a").await;
        let copy = client.copy_object().bucket(BUCKET).key("b").copy_source("films/a").copy_source_if_match("\"00\"");
        assert_eq!(copy.send().await.map_err(code).err().as_deref(), expected);
    }
}
