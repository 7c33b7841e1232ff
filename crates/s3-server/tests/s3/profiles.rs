//! The switches of a profile, one by one, and the profiles as a whole.

use aws_sdk_s3::Client;
use aws_sdk_s3::config::{Credentials, Region};
use aws_sdk_s3::operation::delete_objects::builders::DeleteObjectsFluentBuilder;
use aws_sdk_s3::primitives::ByteStream;
use aws_sdk_s3::types::{ChecksumAlgorithm, CompletedPart, Delete, EncodingType, ObjectIdentifier};
use davmux_s3_server::{Limits, Listing, Server, Strict};

use crate::client::{BUCKET, code, config, get, put, raw, started};
use crate::uploads::{begin, complete, part};

/// A server that the SDK of these tests can talk to: it cannot resolve names below localhost, and sends no Content-Length
/// with an empty body.
async fn profile(strict: Strict) -> (davmux_s3_server::Running, Client) {
    started(Server::builder().strict(Strict { path_style: None, length_missing: None, ..strict })).await
}

fn row(word: &str) -> Strict {
    Strict::rows().find(|(found, _)| *found == word).unwrap().1
}

fn keys(keys: impl IntoIterator<Item = String>) -> Delete {
    let keys = keys.into_iter().map(|key| ObjectIdentifier::builder().key(key).build().unwrap());
    Delete::builder().set_objects(Some(keys.collect())).build().unwrap()
}

fn delete(client: &Client, batch: Delete) -> DeleteObjectsFluentBuilder {
    client.delete_objects().bucket(BUCKET).delete(batch)
}

#[tokio::test]
async fn every_row_takes_single_objects_uploads_in_parts_and_a_listing_in_version_1() {
    let mut words = Vec::new();
    for (word, strict) in Strict::rows() {
        words.push(word);
        let (server, client) = profile(Strict { x_id: None, ..strict }).await;
        put(&client, "a b/\u{e9}+", "content").await;
        assert_eq!(get(&client, "a b/\u{e9}+").await.unwrap(), b"content", "{word}");
        let id = begin(&client, "k").await;
        let only = part(&client, "k", &id, 1, b"part".to_vec()).await;
        complete(&client, "k", &id, &[only]).await.unwrap();
        let listed = client.list_objects().bucket(BUCKET).max_keys(1).send().await.unwrap();
        assert_eq!((listed.contents()[0].key(), listed.is_truncated()), (Some("a b/\u{e9}+"), Some(true)), "{word}");
        let next = client.list_objects().bucket(BUCKET).marker("a b/\u{e9}+").send().await.unwrap();
        assert_eq!((next.contents()[0].key(), next.is_truncated()), (Some("k"), Some(false)), "{word}");
        let copy = client.copy_object().bucket(BUCKET).key("c").copy_source("films/a%20b/%C3%A9%2B");
        copy.send().await.unwrap();
        client.delete_object().bucket(BUCKET).key("k").send().await.unwrap();
        assert_eq!(get(&client, "k").await.unwrap_err(), "NoSuchKey", "{word}");
        server.stop().await;
    }
    assert_eq!(words.len(), 16);
}

#[tokio::test]
async fn a_bucket_in_the_wrong_place_is_refused_in_the_words_of_the_cloud() {
    for (strict, expected) in [
        (Strict::oss(), "SecondLevelDomainForbidden"),
        (Strict::cos(), "PathStyleDomainForbidden"),
        (Strict::obs(), "VirtualHostDomainRequired"),
    ] {
        let (_server, client) = started(Server::builder().strict(strict)).await;
        let refused = client.list_objects().bucket(BUCKET).send().await.unwrap_err();
        assert_eq!(refused.raw_response().unwrap().status().as_u16(), 403);
        assert_eq!(code(refused), expected);
    }
    for (strict, expected) in [(Strict::minio(), "NoSuchBucket"), (Strict::default(), "AccessDenied")] {
        let (server, _client) = started(Server::builder().strict(strict)).await;
        let host = format!("films.localhost:{}", server.addr().port());
        let answer = raw(&server, "GET", "/a", &[("host", &host)], b"").await;
        assert!(answer.text().contains(&format!("<Code>{expected}</Code>")), "{}", answer.text());
    }
}

#[tokio::test]
async fn a_server_of_version_1_begins_again_whatever_version_2_asks() {
    let (_server, client) = profile(row("obs")).await;
    for key in ["a", "b", "c"] {
        put(&client, key, "x").await;
    }
    let list = || client.list_objects_v2().bucket(BUCKET).max_keys(2);
    for list in [list(), list().continuation_token("Yg"), list().start_after("b")] {
        let page = list.send().await.unwrap();
        assert_eq!(page.contents().iter().filter_map(|object| object.key()).collect::<Vec<_>>(), ["a", "b"]);
        assert_eq!((page.is_truncated(), page.next_continuation_token(), page.key_count()), (Some(true), None, None));
    }
    let page = client.list_objects().bucket(BUCKET).max_keys(2).marker("b").send().await.unwrap();
    assert_eq!(page.contents()[0].key(), Some("c"));
    // rclone: "marker will not work and keep list same page forever".
    let encoded = client.list_objects().bucket(BUCKET).max_keys(2).marker("b").encoding_type(EncodingType::Url);
    assert_eq!(encoded.send().await.unwrap().contents()[0].key(), Some("a"));
}

#[tokio::test]
async fn names_are_encoded_as_far_as_the_provider_does_it() {
    let listing = |listing| Strict { listing, ..Strict::default() };
    let plain = Listing { plain_prefixes: true, ..Listing::default() };
    for (strict, key, prefix, said) in [
        (Strict::default(), "a%3Db", "d%3D/", true),
        (row("kodo"), "a=b", "d=/", false),
        (listing(plain), "a%3Db", "d=/", true),
    ] {
        let (_server, client) = profile(strict).await;
        put(&client, "a=b", "x").await;
        put(&client, "d=/x", "x").await;
        let list = client.list_objects_v2().bucket(BUCKET).delimiter("/").encoding_type(EncodingType::Url);
        let page = list.send().await.unwrap();
        assert_eq!(page.contents()[0].key(), Some(key));
        assert_eq!(page.common_prefixes()[0].prefix(), Some(prefix));
        assert_eq!(page.encoding_type().is_some(), said);
    }
    let (_server, client) = profile(row("bos")).await;
    let owner = client.list_objects_v2().bucket(BUCKET).fetch_owner(true).send().await;
    assert_eq!(code(owner.unwrap_err()), "NotImplemented");
    let no_start = Listing { ignores_start_after: true, ..Listing::default() };
    let (_server, client) = profile(listing(no_start)).await;
    put(&client, "a", "x").await;
    let page = client.list_objects_v2().bucket(BUCKET).start_after("a").send().await.unwrap();
    assert_eq!(page.contents()[0].key(), Some("a"));
}

#[tokio::test]
async fn many_keys_are_deleted_at_once_as_the_provider_allows() {
    let (_server, client) = profile(row("r2")).await;
    delete(&client, keys((0..700).map(|key| key.to_string()))).send().await.unwrap();
    let refused = delete(&client, keys((0..701).map(|key| key.to_string()))).send().await;
    assert_eq!(code(refused.unwrap_err()), "InternalError");

    // The SDK sends a CRC32, which AWS takes for a Content-MD5 and OSS does not.
    let (_server, client) = profile(row("amazon")).await;
    delete(&client, keys(["a".to_owned()])).send().await.unwrap();
    let (server, client) = profile(row("oss")).await;
    let refused = delete(&client, keys(["a".to_owned()])).send().await;
    assert_eq!(code(refused.unwrap_err()), "InvalidRequest");
    let document = b"<Delete><Object><Key>a</Key></Object></Delete>";
    let length = document.len().to_string();
    let md5 = ("content-md5", "AAAAAAAAAAAAAAAAAAAAAA==");
    let answer = raw(&server, "POST", "/films?delete", &[("content-length", &length), md5], document).await;
    assert!(answer.text().contains("BadDigest"), "{}", answer.text());

    let (_server, client) = profile(row("jd")).await;
    let refused = delete(&client, keys(["a".to_owned()])).send().await;
    assert_eq!(code(refused.unwrap_err()), "NotImplemented", "the SDK's checksum is refused first");
    let (server, _client) = profile(Strict::careful()).await;
    let answer = raw(&server, "POST", "/films?delete", &[("content-length", &length), md5], document).await;
    assert_eq!(answer.status, Some(405), "{}", answer.text());
}

#[tokio::test]
async fn checksums_are_refused_where_the_cloud_refuses_them() {
    let supported = aws_sdk_s3::config::RequestChecksumCalculation::WhenSupported;
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), "content").unwrap();
    for (word, in_header, behind) in [
        ("amazon", None, None),
        ("cos", None, None),
        ("b2", Some("InvalidArgument"), Some("InvalidArgument")),
        ("r2", None, Some("NotImplemented")),
        ("oss", None, Some("InvalidArgument")),
        ("obs", Some("XAmzContentSHA256Mismatch"), Some("XAmzContentSHA256Mismatch")),
        ("eos", Some("NotImplemented"), Some("NotImplemented")),
    ] {
        let (server, client) = profile(row(word)).await;
        put(&client, "a", "plain bodies are fine").await;
        let write = || client.put_object().bucket(BUCKET).key("b").checksum_algorithm(ChecksumAlgorithm::Crc32);
        let answer = write().body(ByteStream::from_static(b"x")).send().await.map_err(code);
        assert_eq!(answer.err().as_deref(), in_header, "{word}");
        let eager = Client::from_conf(config(&server).request_checksum_calculation(supported).build());
        let body = ByteStream::read_from().path(file.path()).build().await.unwrap();
        let answer = eager.put_object().bucket(BUCKET).key("a").body(body).send().await.map_err(code);
        assert_eq!(answer.err().as_deref(), behind, "{word}");
    }
    let (server, _client) = profile(row("r2")).await;
    let chunks = [("x-amz-content-sha256", "STREAMING-AWS4-HMAC-SHA256-PAYLOAD"), ("content-length", "0")];
    assert_eq!(raw(&server, "PUT", "/films/a", &chunks, b"").await.status, Some(501));
    let both =
        [("content-md5", "1B2M2Y8AsgTpgAmY7PhCfg=="), ("x-amz-checksum-crc32", "AAAAAA=="), ("content-length", "0")];
    let answer = raw(&server, "PUT", "/films/a", &both, b"").await;
    assert!(answer.text().contains("one non-default checksum at a time"), "{}", answer.text());
}

#[tokio::test]
async fn a_copy_is_refused_where_the_cloud_refuses_it() {
    let limits = Limits { max_copy: 8, ..Strict::oss().limits };
    assert_eq!(limits.max_part_copy, 5 << 30, "parts may be larger than a copy");
    assert_eq!(Strict::oss().limits.max_copy, 1 << 30);
    let (_server, client) =
        started(Server::builder().strict(Strict { path_style: None, ..Strict::oss() }).limits(limits)).await;
    put(&client, "nine", "123456789").await;
    let copy = |source: &str| client.copy_object().bucket(BUCKET).key("b").copy_source(source).send();
    assert_eq!(code(copy("films/nine").await.unwrap_err()), "InvalidRequest");
    assert_eq!(code(copy("films%2Fnine").await.unwrap_err()), "InvalidArgument");
    for (word, source, expected) in [
        ("b2", "/films/a", Some("InvalidBucketName")),
        ("r2", "/films/a", Some("InvalidArgument")),
        ("amazon", "/films/a", None),
        ("amazon", "films%2Fa", None),
        ("eos", "%2Ffilms%2Fa", Some("InvalidArgument")),
    ] {
        let (_server, client) = profile(row(word)).await;
        put(&client, "a", "content").await;
        let copied = client.copy_object().bucket(BUCKET).key("b").copy_source(source).send().await.map_err(code);
        assert_eq!(copied.err().as_deref(), expected, "{word} {source}");
    }
    for (word, status) in [("obs", 403), ("gcs", 404)] {
        let (server, _client) = profile(Strict { x_id: None, ..row(word) }).await;
        let headers = [("x-amz-copy-source", "films/\u{e9}"), ("content-length", "0")];
        let answer = raw(&server, "PUT", "/films/b", &headers, b"").await;
        let found = answer.text().contains("SignatureDoesNotMatch");
        assert_eq!(found, status == 403, "{word}: {}", answer.text());
    }
    for word in ["bos", "gcs", "oos"] {
        let (_server, client) = profile(Strict { x_id: None, ..row(word) }).await;
        put(&client, "a", "content").await;
        let id = begin(&client, "k").await;
        let copy = client.upload_part_copy().bucket(BUCKET).key("k").upload_id(&id).part_number(1);
        let error = copy.copy_source("films/a").send().await.unwrap_err();
        assert_eq!(error.raw_response().unwrap().status().as_u16(), 501, "{word}");
    }
}

#[tokio::test]
async fn parts_are_counted_and_measured() {
    let (_server, client) = profile(row("scaleway")).await;
    let id = begin(&client, "k").await;
    part(&client, "k", &id, 1000, b"last".to_vec()).await;
    let behind = client.upload_part().bucket(BUCKET).key("k").upload_id(&id).part_number(1001).send().await;
    assert_eq!(code(behind.unwrap_err()), "InvalidArgument");

    let limits = Limits { min_part: 1, ..Strict::r2().limits };
    let strict = Strict { length_missing: None, ..Strict::r2() };
    let (_server, client) = started(Server::builder().strict(strict).limits(limits)).await;
    for (sizes, expected) in [
        (&[3_usize, 3, 3][..], None),
        (&[3, 3, 1], None),
        (&[3, 2, 1], Some("InvalidPart")),
        (&[3, 3, 4], Some("InvalidPart")),
        (&[9], None),
    ] {
        let id = begin(&client, "k").await;
        let mut parts: Vec<CompletedPart> = Vec::new();
        for (number, size) in (1..).zip(sizes) {
            parts.push(part(&client, "k", &id, number, vec![b'x'; *size]).await);
        }
        let completed = complete(&client, "k", &id, &parts).await;
        assert_eq!(completed.err().as_deref(), expected, "{sizes:?}");
    }
}

#[tokio::test]
async fn what_a_front_end_dislikes_is_refused() {
    let (_server, client) = profile(row("gcs")).await;
    let write = client.put_object().bucket(BUCKET).key("a").body(ByteStream::from_static(b"x"));
    assert_eq!(code(write.send().await.unwrap_err()), "InvalidArgument", "the SDK sends x-id");
    let (server, client) = started(Server::builder().strict(Strict { x_id: None, ..row("gcs") })).await;
    put(&client, "a", "content").await;
    let signed = client.get_object().bucket(BUCKET).key("a").customize().mutate_request(|request| {
        request.headers_mut().insert("accept-encoding", "gzip");
    });
    assert_eq!(code(signed.send().await.unwrap_err()), "SignatureDoesNotMatch");
    assert_eq!(raw(&server, "PUT", "/films/empty", &[], b"").await.status, Some(411));
    assert_eq!(raw(&server, "POST", "/films/k?uploads", &[], b"").await.status, Some(411));
    let zero = raw(&server, "PUT", "/films/empty", &[("content-length", "0")], b"").await;
    assert_eq!(zero.status, Some(403), "of a length, but not signed");
    let (_server, client) = profile(row("r2")).await;
    let acl = client.put_object().bucket(BUCKET).key("a").acl("private".into()).send().await;
    assert_eq!(code(acl.unwrap_err()), "NotImplemented");
    let (_server, client) = profile(row("upyun")).await;
    let location = client.get_bucket_location().bucket(BUCKET).send().await;
    assert_eq!(code(location.unwrap_err()), "NotImplemented");
    let cors = client.get_bucket_cors().bucket(BUCKET).send().await;
    assert_eq!(code(cors.unwrap_err()), "NotImplemented");
}

#[tokio::test]
async fn composed_and_decomposed_are_one_key_where_keys_are_composed() {
    let (_server, client) = profile(row("r2")).await;
    put(&client, "e\u{301}", "decomposed").await;
    put(&client, "\u{e9}", "composed").await;
    assert_eq!(get(&client, "e\u{301}").await.unwrap(), b"composed");
    let listed = client.list_objects_v2().bucket(BUCKET).send().await.unwrap();
    assert_eq!(listed.contents().iter().filter_map(|object| object.key()).collect::<Vec<_>>(), ["\u{e9}"]);
    client.copy_object().bucket(BUCKET).key("u\u{308}").copy_source("films/e%CC%81").send().await.unwrap();
    delete(&client, keys(["e\u{301}".to_owned()])).send().await.unwrap();
    assert_eq!(get(&client, "\u{e9}").await.unwrap_err(), "NoSuchKey");
    assert_eq!(get(&client, "\u{fc}").await.unwrap(), b"composed");
}

#[tokio::test]
async fn a_region_is_taken_refused_or_told() {
    let of = |server: &davmux_s3_server::Running, region: &'static str| {
        Client::from_conf(config(server).region(Region::new(region)).build())
    };
    for (word, region, expected) in [
        ("amazon", "eu-west-1", None),
        ("amazon", "us-east-1", Some("AuthorizationHeaderMalformed")),
        ("b2", "us-east-1", Some("SignatureDoesNotMatch")),
        ("oss", "us-east-1", None),
        ("r2", "auto", None),
        ("r2", "eu-west-1", Some("InvalidRegionName")),
        ("gcs", "auto", None),
    ] {
        let strict = Strict { path_style: None, x_id: None, ..row(word) };
        let server = Server::builder().strict(strict).region("eu-west-1").bucket(BUCKET).start().await.unwrap();
        let listed = of(&server, region).list_objects().bucket(BUCKET).send().await;
        assert_eq!(listed.map_err(code).err().as_deref(), expected, "{word} {region}");
    }
    let server = Server::builder().strict(Strict::amazon()).region("eu-west-1").bucket(BUCKET).start().await.unwrap();
    let error = of(&server, "us-east-1").list_objects().bucket(BUCKET).send().await.unwrap_err();
    let answer = error.raw_response().unwrap();
    assert_eq!(answer.headers().get("x-amz-bucket-region"), Some("eu-west-1"));
    let text = String::from_utf8_lossy(answer.body().bytes().unwrap());
    assert!(text.contains("<Region>eu-west-1</Region>"), "{text}");
    let minute = aws_sdk_s3::presigning::PresigningConfig::expires_in(std::time::Duration::from_secs(60)).unwrap();
    let link = of(&server, "us-east-1").get_object().bucket(BUCKET).key("a").presigned(minute).await.unwrap();
    let answer = raw(&server, "GET", link.uri(), &[], b"").await;
    assert!(answer.text().contains("AuthorizationQueryParametersError"), "{}", answer.text());
}

#[tokio::test]
async fn a_bucket_elsewhere_is_told_with_its_place() {
    let server = Server::builder()
        .bucket_elsewhere("moved", "eu-west-1", "s3.eu-west-1.amazonaws.com", false)
        .bucket_elsewhere("moving", "eu-west-1", "127.0.0.1:1", true)
        .start()
        .await
        .unwrap();
    let answer = raw(&server, "GET", "/moved?list-type=2", &[], b"").await;
    assert_eq!(answer.status, Some(301));
    assert!(answer.head.contains("x-amz-bucket-region: eu-west-1\r\n"), "{}", answer.head);
    assert!(answer.text().contains("<Endpoint>s3.eu-west-1.amazonaws.com</Endpoint>"), "{}", answer.text());
    let head = raw(&server, "HEAD", "/moved", &[], b"").await;
    assert_eq!((head.status, head.body.len()), (Some(301), 0));
    assert!(head.head.contains("x-amz-bucket-region: eu-west-1\r\n"), "{}", head.head);
    let answer = raw(&server, "GET", "/moving/a?x=y", &[], b"").await;
    assert_eq!(answer.status, Some(307));
    assert!(answer.head.contains("location: http://127.0.0.1:1/moving/a?x=y\r\n"), "{}", answer.head);
}

#[tokio::test]
async fn a_session_token_is_refused_where_it_is_not_known() {
    for (word, expected) in [("upyun", "InvalidArgument"), ("amazon", "InvalidToken")] {
        let (server, _client) = profile(row(word)).await;
        let token = Credentials::new(server.access_key(), server.secret_key(), Some("token".into()), None, "test");
        let client = Client::from_conf(config(&server).credentials_provider(token).build());
        assert_eq!(code(client.list_objects().bucket(BUCKET).send().await.unwrap_err()), expected);
    }
}
