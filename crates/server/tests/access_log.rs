//! One line for each request.
#![allow(clippy::unwrap_used, clippy::expect_used, missing_docs)]

mod support;

use support::{ALICE, Client, Lines, ask, open_options, options, start};

#[track_caller]
fn assert_fields(line: &str, fields: &[&str]) {
    for field in fields {
        assert!(line.contains(field), "{field} is not in {line}");
    }
}

#[tokio::test]
async fn a_line_says_who_asked_what_and_what_came_of_it() {
    let mut lines = Lines::capture();
    let running = start(options()).await;
    let request = format!("GET /noted?X-Amz-Signature=abc HTTP/1.1\r\nhost: a\r\nuser-agent: probe/1\r\n{ALICE}\r\n");
    ask(running.address, &request).await;
    let line = lines.next().await;
    assert_fields(
        &line,
        &[
            r#""method":"GET""#,
            r#""path":"/noted""#,
            r#""status":200"#,
            r#""bytes":5"#,
            r#""duration_ms":"#,
            r#""client":"127.0.0.1""#,
            r#""user":"alice""#,
            r#""user_agent":"probe/1""#,
            r#""outcome":"complete""#,
            r#""read":"relay""#,
            r#""why":"small""#,
            r#""s3_calls":3"#,
        ],
    );
    assert!(!line.contains("abc") && !line.contains("YWxpY2U6c2VjcmV0"), "{line}");
}

#[tokio::test]
async fn each_request_has_one_line_and_no_more() {
    let mut lines = Lines::capture();
    let running = start(options()).await;
    let mut client = Client::connect(running.address).await;
    for (request, expected) in [
        (format!("GET / HTTP/1.1\r\nhost: a\r\n{ALICE}\r\n"), [r#""status":200"#, r#""bytes":5"#]),
        ("GET / HTTP/1.1\r\nhost: a\r\n\r\n".to_owned(), [r#""status":401"#, r#""outcome":"complete""#]),
        (format!("GET /panic HTTP/1.1\r\nhost: a\r\n{ALICE}\r\n"), [r#""status":500"#, r#""user":"alice""#]),
    ] {
        client.send(&request).await;
        client.response().await;
        assert_fields(&lines.next().await, &expected);
        assert!(lines.is_empty());
    }
    client.send(&format!("HEAD / HTTP/1.1\r\nhost: a\r\n{ALICE}\r\n")).await;
    client.head().await;
    assert_fields(&lines.next().await, &[r#""method":"HEAD""#, r#""bytes":0"#, r#""outcome":"complete""#]);
    drop(client);
    running.stop.send(()).unwrap();
    running.ended.await.unwrap();
    assert!(lines.is_empty());
}

#[tokio::test]
async fn a_client_that_leaves_within_a_response_is_seen() {
    let mut lines = Lines::capture();
    let running = start(open_options()).await;
    let mut client = Client::connect(running.address).await;
    client.send("GET /endless HTTP/1.1\r\nhost: a\r\n\r\n").await;
    client.head().await;
    assert!(lines.is_empty());
    drop(client);
    assert_fields(&lines.next().await, &[r#""status":200"#, r#""bytes":65536"#, r#""outcome":"aborted""#]);
}

#[tokio::test]
async fn a_client_that_leaves_before_the_response_is_seen() {
    let mut lines = Lines::capture();
    let running = start(open_options()).await;
    let mut client = Client::connect(running.address).await;
    client.send("GET /hold HTTP/1.1\r\nhost: a\r\n\r\n").await;
    running.app.held.acquire().await.unwrap().forget();
    drop(client);
    assert_fields(&lines.next().await, &[r#""path":"/hold""#, r#""status":499"#, r#""outcome":"aborted""#]);
}

#[tokio::test]
async fn a_body_that_fails_is_told_with_its_reason() {
    let mut lines = Lines::capture();
    let running = start(open_options()).await;
    for (path, reason) in [("/fail", "the storage is gone"), ("/panic-later", "the application panicked")] {
        let mut client = Client::connect(running.address).await;
        client.send(&format!("GET {path} HTTP/1.1\r\nhost: a\r\n\r\n")).await;
        client.rest().await.1.ok();
        assert_fields(&lines.next().await, &[r#""outcome":"failed""#, reason, r#""bytes":4"#]);
    }
    assert!(lines.is_empty());
}

#[tokio::test]
async fn what_could_not_be_read_as_a_request_has_a_line_too() {
    let mut lines = Lines::capture();
    let running = start(options()).await;
    let long = format!("GET /{} HTTP/1.1\r\n\r\n", "a".repeat(70_000));
    for (request, expected) in [("GET / HTTP/1.1\r\nno field\r\n\r\n", 400), (&long, 431)] {
        let mut client = Client::connect(running.address).await;
        client.send(request).await;
        client.head().await;
        let line = lines.next().await;
        assert_fields(&line, &[&format!(r#""status":{expected}"#), r#""client":"127.0.0.1""#, r#""error":""#]);
    }
    // One that left without a word asked for nothing.
    drop(Client::connect(running.address).await);
    ask(running.address, "GET /after HTTP/1.1\r\nhost: a\r\n\r\n").await;
    assert_fields(&lines.next().await, &[r#""path":"/after""#]);
}
