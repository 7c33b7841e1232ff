//! Whether the server does what its row says. A row that says less than the server does is wrong as well: it costs
//! calls, or a guarantee.

use aws_sdk_s3::primitives::ByteStream;
use aws_sdk_s3::types::{CorsConfiguration, CorsRule, Delete, ObjectIdentifier};
use davmux_driver_s3::provider::{Conditions, CopyAbsent, Cors};

use crate::target::{Place, place};

const MIB: usize = 1 << 20;
/// The tag of nothing.
const OTHER: &str = "\"00000000000000000000000000000000\"";

/// Whether a condition that does not hold keeps a PutObject and a CompleteMultipartUpload from `name`.
async fn guards_writes(place: &Place, name: &str, absent: bool) -> bool {
    let client = place.client();
    let conditions = || (absent.then(|| "*".to_owned()), (!absent).then(|| OTHER.to_owned()));
    place.put(name, "stands").await;
    let (if_none_match, if_match) = conditions();
    let put = client.put_object().bucket(place.bucket()).key(place.key(name)).body(ByteStream::from_static(b"put"));
    let put = put.set_if_none_match(if_none_match).set_if_match(if_match).send().await;
    let put_guarded = put.is_err() && place.read(name).await.unwrap() == "stands";
    place.put(name, "stands").await;
    let (id, parts) = place.parts(name, &[1]).await.unwrap();
    let (if_none_match, if_match) = conditions();
    let complete = client.complete_multipart_upload().bucket(place.bucket()).key(place.key(name)).upload_id(id);
    let complete =
        complete.multipart_upload(parts).set_if_none_match(if_none_match).set_if_match(if_match).send().await;
    let complete_guarded = complete.is_err() && place.read(name).await.unwrap() == "stands";
    println!("absent: {absent}, PutObject guarded: {put_guarded}, CompleteMultipartUpload: {complete_guarded}");
    put_guarded && complete_guarded
}

async fn guards_copy_target(place: &Place) -> bool {
    place.put("source", "new").await;
    place.put("target", "stands").await;
    let copy = place.client().copy_object().bucket(place.bucket()).key(place.key("target"));
    let copy = copy.copy_source(place.source("source")).customize().mutate_request(|request| {
        request.headers_mut().insert("if-none-match", "*");
    });
    copy.send().await.is_err() && place.read("target").await.unwrap() == "stands"
}

async fn guards_copy_source(place: &Place) -> bool {
    place.put("source", "new").await;
    let (client, to) = (place.client(), place.key("copied"));
    let copy = client.copy_object().bucket(place.bucket()).key(&to).copy_source(place.source("source"));
    let guarded = copy.copy_source_if_match(OTHER).send().await.is_err();
    if !place.s3.provider().dialect.copy.parts {
        return guarded;
    }
    let (id, _) = place.parts("copied", &[]).await.unwrap();
    let part = client.upload_part_copy().bucket(place.bucket()).key(&to).upload_id(id).part_number(1);
    guarded && part.copy_source(place.source("source")).copy_source_if_match(OTHER).send().await.is_err()
}

async fn guards_deletes(place: &Place) -> bool {
    let client = place.client();
    place.put("gone", "stands").await;
    let one = client.delete_object().bucket(place.bucket()).key(place.key("gone")).if_match(OTHER).send().await;
    let one_guarded = one.is_err() && place.read("gone").await.is_some();
    place.put("gone", "stands").await;
    let object = ObjectIdentifier::builder().key(place.key("gone")).e_tag(OTHER).build().unwrap();
    let many = client.delete_objects().bucket(place.bucket());
    let _told_per_key = many.delete(Delete::builder().objects(object).build().unwrap()).send().await;
    let many_guarded = place.read("gone").await.is_some();
    println!("DeleteObject guarded: {one_guarded}, DeleteObjects: {many_guarded}");
    one_guarded && many_guarded
}

#[tokio::test]
async fn the_conditions_are_those_of_the_row() {
    let Some(place) = place() else { return };
    let copy_absent = if guards_copy_target(&place).await { CopyAbsent::IfNoneMatch } else { CopyAbsent::No };
    let found = Conditions {
        write_absent: guards_writes(&place, "absent", true).await,
        write_matches: guards_writes(&place, "matches", false).await,
        copy_absent,
        copy_source: guards_copy_source(&place).await,
        delete: guards_deletes(&place).await,
    };
    assert_eq!(found, place.s3.provider().dialect.conditions);
}

#[tokio::test]
async fn unequal_parts_are_taken_as_the_row_says() {
    let Some(place) = place() else { return };
    let (id, parts) = place.parts("unequal", &[5 * MIB, 6 * MIB, 5 * MIB + 1, 7 * MIB]).await.unwrap();
    let complete = place.client().complete_multipart_upload().bucket(place.bucket()).key(place.key("unequal"));
    let done = complete.upload_id(id).multipart_upload(parts).send().await;
    assert_eq!(done.is_err(), place.s3.provider().dialect.parts.equal, "{done:?}");
}

#[tokio::test]
async fn parts_are_copied_as_the_row_says() {
    let Some(place) = place() else { return };
    // Garage copies no part of an object smaller than a part.
    let (id, parts) = place.parts("source", &[5 * MIB, 10]).await.unwrap();
    let complete = place.client().complete_multipart_upload().bucket(place.bucket()).key(place.key("source"));
    complete.upload_id(id).multipart_upload(parts).send().await.unwrap();
    let (id, _) = place.parts("copied", &[]).await.unwrap();
    let part = place.client().upload_part_copy().bucket(place.bucket()).key(place.key("copied")).upload_id(id);
    let part = part.part_number(1).copy_source(place.source("source"));
    let copied = part.copy_source_range(format!("bytes=0-{}", 5 * MIB - 1)).send().await;
    assert_eq!(copied.is_ok(), place.s3.provider().dialect.copy.parts, "{copied:?}");
}

#[tokio::test]
async fn cors_rules_are_set_as_the_row_says() {
    let Some(place) = place() else { return };
    let rule = CorsRule::builder().allowed_methods("GET").allowed_origins("https://davmux.example").build().unwrap();
    let rules = CorsConfiguration::builder().cors_rules(rule).build().unwrap();
    let client = place.client();
    if client.get_bucket_cors().bucket(place.bucket()).send().await.is_ok() {
        println!("skipped: the bucket has rules, which are somebody's");
        return;
    }
    let put = client.put_bucket_cors().bucket(place.bucket()).cors_configuration(rules).send().await;
    let kept = put.is_ok() && client.get_bucket_cors().bucket(place.bucket()).send().await.is_ok();
    if kept {
        client.delete_bucket_cors().bucket(place.bucket()).send().await.unwrap();
    }
    assert_eq!(kept, place.s3.provider().cors == Cors::S3, "{put:?}");
}
