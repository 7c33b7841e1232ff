//! CORS rules: kept, shown, and obeyed.

use aws_sdk_s3::types::{CorsConfiguration, CorsRule};

use crate::client::{BUCKET, code, fresh, put, raw};

#[tokio::test]
async fn rules_are_kept_and_answer_pages_of_their_origins() {
    let (server, client) = fresh().await;
    put(&client, "a", "content").await;
    assert_eq!(code(client.get_bucket_cors().bucket(BUCKET).send().await.unwrap_err()), "NoSuchCORSConfiguration");
    let ask = [
        ("origin", "https://app.example.com"),
        ("access-control-request-method", "PUT"),
        ("access-control-request-headers", "content-type, x-amz-meta-a"),
    ];
    assert_eq!(raw(&server, "OPTIONS", "/films/a", &ask, b"").await.status, Some(403));

    let rule =
        CorsRule::builder().allowed_origins("https://*.example.com").allowed_methods("PUT").allowed_methods("GET");
    let rule = rule.allowed_headers("*").expose_headers("ETag").max_age_seconds(3600).build().unwrap();
    let rules = CorsConfiguration::builder().cors_rules(rule.clone()).build().unwrap();
    client.put_bucket_cors().bucket(BUCKET).cors_configuration(rules).send().await.unwrap();
    assert_eq!(client.get_bucket_cors().bucket(BUCKET).send().await.unwrap().cors_rules(), [rule]);

    let answer = raw(&server, "OPTIONS", "/films/a", &ask, b"").await;
    assert_eq!(answer.status, Some(200), "{}", answer.text());
    for field in [
        "access-control-allow-origin: https://app.example.com\r\n",
        "access-control-allow-methods: put, get\r\n",
        "access-control-allow-headers: content-type, x-amz-meta-a\r\n",
        "access-control-expose-headers: etag\r\n",
        "access-control-max-age: 3600\r\n",
    ] {
        assert!(answer.head.contains(field), "{field}: {}", answer.head);
    }
    for other in [
        [("origin", "https://example.org"), ("access-control-request-method", "PUT")],
        [("origin", "https://app.example.com"), ("access-control-request-method", "DELETE")],
    ] {
        assert_eq!(raw(&server, "OPTIONS", "/films/a", &other, b"").await.status, Some(403));
    }
    let told = raw(&server, "GET", "/films/a", &[("origin", "https://app.example.com")], b"").await;
    assert!(told.head.contains("access-control-allow-origin: https://app.example.com\r\n"), "{}", told.head);
    let other = raw(&server, "GET", "/films/a", &[("origin", "https://example.org")], b"").await;
    assert!(!other.head.contains("access-control-"), "{}", other.head);

    client.delete_bucket_cors().bucket(BUCKET).send().await.unwrap();
    assert_eq!(code(client.get_bucket_cors().bucket(BUCKET).send().await.unwrap_err()), "NoSuchCORSConfiguration");
}
