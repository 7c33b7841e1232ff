//! Who asks: tokens, what a trusted proxy says, and guesses, over the wire.
#![allow(clippy::unwrap_used, clippy::expect_used, missing_docs)]

mod support;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use davmux_server::{Anonymous, AuthFailure, Options, Token, new_token};
use support::{ALICE, Lines, Running, ask, header, open_options, options, start, status};

fn basic(text: &str) -> String {
    format!("authorization: Basic {}\r\n", STANDARD.encode(text))
}

fn no_failures(running: &Running) -> bool {
    let all = [AuthFailure::WrongPassword, AuthFailure::Repeated, AuthFailure::Unreadable, AuthFailure::LockedOut];
    all.iter().all(|cause| running.handle.auth_failures().count(*cause) == 0)
}

async fn who(running: &Running, headers: &str) -> (String, String) {
    ask(running.address, &format!("GET /who HTTP/1.1\r\nhost: a\r\n{headers}\r\n")).await
}

fn behind_proxy() -> Options {
    Options {
        trusted_proxies: vec!["127.0.0.0/8".parse().unwrap()],
        identity_header: Some("x-remote-user".parse().unwrap()),
        ..options()
    }
}

#[tokio::test]
async fn a_token_lets_in_and_the_access_log_names_it_without_showing_it() {
    let mut lines = Lines::capture();
    let (token, hash) = new_token();
    let mut options = options();
    options.users[0].tokens = vec![Token { name: "backup".into(), hash, expires: None }];
    let running = start(options).await;
    for sent in [format!("authorization: Bearer {}\r\n", token.expose()), basic(&format!("alice:{}", token.expose()))] {
        let (head, body) = who(&running, &sent).await;
        assert!(status(&head) == 200 && body.starts_with(r#"User("alice")"#), "{head}{body}");
        let line = lines.next().await;
        assert!(line.contains(r#""user":"alice","token":"backup""#), "{line}");
        assert!(!line.contains(&token.expose()[8..]), "{line}");
    }
    who(&running, ALICE).await;
    assert!(!lines.next().await.contains("token"));
}

#[tokio::test]
async fn basic_is_the_only_challenge_but_for_who_came_with_a_token() {
    let running = start(options()).await;
    for sent in ["", &basic("alice:x"), &basic(&format!("alice:{}", new_token().0.expose()))] {
        let (head, _) = who(&running, sent).await;
        assert_eq!(status(&head), 401);
        assert_eq!(head.to_ascii_lowercase().matches("www-authenticate").count(), 1, "{head}");
        assert!(header(&head, "www-authenticate").unwrap().starts_with("Basic "));
    }
    let (head, _) = who(&running, "authorization: Bearer nonsense\r\n").await;
    let challenges: Vec<&str> = head.lines().filter_map(|line| line.strip_prefix("www-authenticate: ")).collect();
    assert!(challenges[0].starts_with("Basic ") && challenges[1].starts_with("Bearer "), "{head}");
}

#[tokio::test]
async fn a_trusted_proxy_names_the_user_and_has_the_last_word() {
    let running = start(behind_proxy()).await;
    for sent in ["x-remote-user: alice\r\n", "X-Remote-User:  HOME\\alice \r\nauthorization: Basic bm9ib2R5\r\n"] {
        let (head, body) = who(&running, sent).await;
        assert!(status(&head) == 200 && body.starts_with(r#"User("alice")"#), "{head}{body}");
    }
    // A user whom this server does not know is somebody, so no login would help.
    assert_eq!(status(&who(&running, "x-remote-user: carol\r\n").await.0), 403);
    // Two of them: one may be the client's own.
    assert_eq!(status(&who(&running, "x-remote-user: alice\r\nx-remote-user: bob\r\n").await.0), 400);
    // Nobody is named: as without.
    assert_eq!(status(&who(&running, "x-remote-user:\r\n").await.0), 401);
    assert_eq!(status(&who(&running, &format!("x-remote-user:\r\n{ALICE}")).await.0), 200);
}

#[tokio::test]
async fn from_anybody_else_the_proxys_header_says_nothing() {
    // The peer counts, and not the client that a proxy forwards for.
    let elsewhere = Options { trusted_proxies: vec!["203.0.113.0/24".parse().unwrap()], ..behind_proxy() };
    let forwarded = "x-forwarded-for: 203.0.113.1\r\nx-remote-user: alice\r\n";
    let running = start(elsewhere).await;
    for sent in ["x-remote-user: alice\r\n", forwarded] {
        assert_eq!(status(&who(&running, sent).await.0), 401, "{sent}");
    }
    let off = start(Options { identity_header: None, ..behind_proxy() }).await;
    assert_eq!(status(&who(&off, "x-remote-user: alice\r\n").await.0), 401);
}

#[tokio::test]
async fn one_who_is_not_logged_in_is_asked_to_where_a_user_might_be_allowed() {
    for (options, expected) in [
        (open_options(), 401),
        // There is nobody to log in as.
        (Options { users: Vec::new(), anonymous: Anonymous::ReadOnly, ..options() }, 403),
    ] {
        let running = start(options).await;
        let (head, _) =
            ask(running.address, "PUT /login-wanted HTTP/1.1\r\nhost: a\r\ncontent-length: 0\r\n\r\n").await;
        assert_eq!(status(&head), expected);
        assert_eq!(header(&head, "www-authenticate").is_some(), expected == 401);
    }
    // A user who is not allowed either is told so.
    let running = start(open_options()).await;
    let (head, _) = ask(running.address, &format!("GET /login-wanted HTTP/1.1\r\nhost: a\r\n{ALICE}\r\n")).await;
    assert_eq!(status(&head), 403);
}

#[tokio::test]
async fn without_users_credentials_say_nothing() {
    let running = start(Options { users: Vec::new(), anonymous: Anonymous::ReadOnly, ..options() }).await;
    let (head, body) = who(&running, ALICE).await;
    assert!(status(&head) == 200 && body.starts_with("Anonymous"), "{head}{body}");
}

#[tokio::test]
async fn requests_without_credentials_are_no_failures_and_wrong_ones_are_told_when_to_come_back() {
    let running = start(behind_proxy()).await;
    for _ in 0..100 {
        assert_eq!(status(&who(&running, "").await.0), 401);
    }
    assert!(no_failures(&running));
    // One wrong password again and again is one guess.
    for _ in 0..100 {
        assert_eq!(status(&who(&running, &basic("alice:old")).await.0), 401);
    }
    assert_eq!(running.handle.auth_failures().hashes(), 1);
    let client = "x-forwarded-for: 203.0.113.9\r\n";
    let mut guesses = 0;
    let head = loop {
        let (head, _) = who(&running, &format!("{client}{}", basic(&format!("alice:{guesses}")))).await;
        if status(&head) != 401 {
            break head;
        }
        guesses += 1;
        assert!(guesses < 30, "nothing holds them back");
    };
    assert!((4..10).contains(&guesses), "{guesses}");
    assert_eq!(status(&head), 429);
    let wait: u64 = header(&head, "retry-after").unwrap().parse().unwrap();
    assert!((1..=60).contains(&wait), "{wait}");
    assert_eq!(running.handle.auth_failures().count(AuthFailure::LockedOut), 1);
    // Others at other addresses are not concerned, nor is one who is known already.
    let other = format!("x-forwarded-for: 203.0.113.10\r\n{}", basic("bob:x"));
    assert_eq!(status(&who(&running, &other).await.0), 401);
}

#[tokio::test]
async fn each_guess_that_was_wrong_has_one_line_for_whoever_bans_addresses() {
    let mut lines = Lines::of("auth=warn");
    let running = start(options()).await;
    let name = format!("al\"ice\u{1b}[2J\nclient=1.2.3.4 {}", "x".repeat(100));
    for _ in 0..3 {
        who(&running, &basic(&format!("{name}:geheim"))).await;
    }
    let line = lines.next().await;
    // As docs/security.md has it for fail2ban.
    let fields = r#""message":"a login failed","client":"127.0.0.1","cause":"wrong_password","user":"al\"ice\u001b[2J\nclient=1.2.3.4 xxx"#;
    assert!(line.contains(fields), "{line}");
    assert!(
        !line.contains("geheim") && line.matches('x').count() < 60 && line.trim_end().lines().count() == 1,
        "{line}"
    );
    who(&running, "authorization: Bearer nonsense\r\n").await;
    assert!(lines.next().await.contains(r#""cause":"unknown_token""#));
    assert!(lines.is_empty());
}
