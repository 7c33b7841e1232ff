//! LOCK, UNLOCK, and what locks forbid.

#![allow(clippy::unwrap_used, clippy::expect_used, missing_docs)]

mod support;

use std::sync::atomic::Ordering;

use davmux_driver::ErrorKind;
use support::Fixture;

const EXCLUSIVE: &str = "<D:lockinfo xmlns:D='DAV:'><D:lockscope><D:exclusive/></D:lockscope><D:locktype><D:write/></D:locktype>\
     <D:owner><D:href>mailto:a</D:href></D:owner></D:lockinfo>";

#[tokio::test]
async fn a_lock_is_told_with_all_that_belongs_to_it() {
    let f = Fixture::new();
    f.store.put("a", "x");
    let reply = f.send("LOCK", "/a", &[("depth", "0"), ("timeout", "Second-600")], EXCLUSIVE).await;
    assert_eq!(reply.status.as_u16(), 200);
    let token = reply.header("lock-token").trim_matches(['<', '>']).to_owned();
    assert!(token.starts_with("urn:uuid:"));
    let expected = format!(
        "<D:activelock><D:locktype><D:write/></D:locktype><D:lockscope><D:exclusive/></D:lockscope><D:depth>0</D:depth>\
         <D:owner><D:href>mailto:a</D:href></D:owner><D:timeout>Second-600</D:timeout><D:locktoken><D:href>{token}</D:href>\
         </D:locktoken><D:lockroot><D:href>/a</D:href></D:lockroot></D:activelock>"
    );
    assert!(reply.text().contains(&expected), "{}", reply.text());
    let found = f.send("PROPFIND", "/", &[("depth", "1")], "").await;
    assert!(found.text().contains(&expected), "{}", found.text());
    assert_eq!(found.text().matches("<D:activelock>").count(), 1);
    f.now.fetch_add(500, Ordering::SeqCst);
    let found = f.send("PROPFIND", "/a", &[("depth", "0")], "").await;
    assert!(found.text().contains("Second-100<"), "the time that is left");
}

#[tokio::test]
async fn a_lock_on_a_new_name_makes_an_empty_file() {
    let f = Fixture::new();
    let reply = f.send("LOCK", "/new", &[], EXCLUSIVE).await;
    assert_eq!(reply.status.as_u16(), 201);
    assert_eq!(f.store.bytes("new").unwrap(), "");
    assert_eq!(f.status("LOCK", "/no/parent", &[], EXCLUSIVE).await, 409);
    assert_eq!(f.status("LOCK", "/folder/", &[], EXCLUSIVE).await, 409);
    // A lock that could not be given in full is not there.
    f.store.fail("finish", Some(ErrorKind::NoSpace));
    assert_eq!(f.status("LOCK", "/full", &[], EXCLUSIVE).await, 507);
    f.store.fail("finish", None);
    assert_eq!(f.status("PUT", "/full", &[], "x").await, 201);
    assert_eq!(f.status("LOCK", "/full", &[("if-none-match", "*")], EXCLUSIVE).await, 412);
}

#[tokio::test]
async fn a_lock_conflicts_and_says_with_what() {
    let f = Fixture::new();
    f.store.folder("d");
    f.store.put("d/a", "x");
    f.lock("alice", "/d/a", "0", "exclusive").await;
    for path in ["/d/a", "/d"] {
        let reply = f.as_user("bob", "LOCK", path, &[("depth", "infinity")], EXCLUSIVE).await;
        assert_eq!(reply.status.as_u16(), 423);
        assert!(reply.text().contains("<D:no-conflicting-lock><D:href>/d/a</D:href>"), "{}", reply.text());
    }
    f.lock("bob", "/d", "0", "exclusive").await;
}

#[tokio::test]
async fn a_locked_file_changes_only_under_its_token_and_by_its_user() {
    let f = Fixture::new();
    f.store.put("a", "x");
    f.store.put("b", "x");
    let token = f.lock("alice", "/a", "0", "exclusive").await;
    let submitted = format!("({token})");
    let patch = "<propertyupdate xmlns='DAV:'><set><prop><lastmodified>1</lastmodified></prop></set></propertyupdate>";
    for (method, path, headers, body) in [
        ("PUT", "/a", vec![], "y"),
        ("DELETE", "/a", vec![], ""),
        ("PROPPATCH", "/a", vec![], patch),
        ("MOVE", "/a", vec![("destination", "/c")], ""),
        ("MOVE", "/b", vec![("destination", "/a")], ""),
        ("COPY", "/b", vec![("destination", "/a")], ""),
    ] {
        let reply = f.send(method, path, &headers, body).await;
        assert_eq!(reply.status.as_u16(), 423, "{method} {path}");
        assert!(reply.text().contains("<D:lock-token-submitted><D:href>/a</D:href>"));
        let mut stolen = headers.clone();
        let tagged = format!("</a> {submitted}");
        stolen.push(("if", tagged.as_str()));
        assert_eq!(f.as_user("bob", method, path, &stolen, body).await.status.as_u16(), 423, "{method} by bob");
    }
    assert_eq!(f.status("GET", "/a", &[], "").await, 200);
    assert_eq!(f.status("COPY", "/a", &[("destination", "/c")], "").await, 201, "reading is free");
    assert_eq!(f.status("PUT", "/a", &[("if", &submitted)], "y").await, 204);
    assert_eq!(f.status("PUT", "/a", &[("if", "(<urn:uuid:other>)")], "y").await, 412);
    assert_eq!(f.status("PUT", "/a", &[("if", "(Not <DAV:no-lock>)")], "y").await, 423);
    assert_eq!(f.status("COPY", "/b", &[("destination", "/a"), ("if", &format!("</a> {submitted}"))], "").await, 204);
    assert_eq!(f.status("PUT", "/a", &[], "y").await, 423, "the lock on a replaced target stays");
}

#[tokio::test]
async fn a_folders_lock_protects_its_members() {
    let f = Fixture::new();
    f.store.folder("d");
    f.store.put("d/a", "x");
    f.store.put("b", "x");
    let token = f.lock("alice", "/d", "0", "exclusive").await;
    assert_eq!(f.status("PUT", "/d/a", &[], "y").await, 204, "depth 0: the content of a member is free");
    for (method, path, headers) in [
        ("PUT", "/d/new", vec![]),
        ("MKCOL", "/d/new", vec![]),
        ("DELETE", "/d/a", vec![]),
        ("LOCK", "/d/new", vec![]),
        ("MOVE", "/d/a", vec![("destination", "/c")]),
        ("MOVE", "/b", vec![("destination", "/d/new")]),
        ("COPY", "/b", vec![("destination", "/d/new")]),
    ] {
        let body = if method == "LOCK" { EXCLUSIVE } else { "" };
        assert_eq!(f.status(method, path, &headers, body).await, 423, "{method} {path}");
    }
    assert_eq!(f.status("PUT", "/d/new", &[("if", &format!("</d/> ({token})"))], "y").await, 201);
    assert_eq!(f.status("UNLOCK", "/d/", &[("lock-token", &token)], "").await, 204);
    f.lock("alice", "/d", "infinity", "exclusive").await;
    assert_eq!(f.status("PUT", "/d/a", &[], "y").await, 423);
    assert_eq!(f.status("PUT", "/e", &[], "y").await, 201);
}

#[tokio::test]
async fn a_lock_below_holds_a_folder_in_place() {
    let f = Fixture::new();
    f.store.folder("d");
    f.store.folder("d/e");
    f.store.put("d/e/a", "x");
    f.store.folder("other");
    let token = f.lock("bob", "/d/e/a", "0", "exclusive").await;
    assert_eq!(f.status("DELETE", "/d", &[], "").await, 423);
    assert_eq!(f.status("MOVE", "/d", &[("destination", "/x")], "").await, 423);
    assert_eq!(f.status("COPY", "/other", &[("destination", "/d")], "").await, 423);
    let header = format!("</d/e/a> ({token})");
    assert_eq!(f.as_user("bob", "DELETE", "/d", &[("if", &header)], "").await.status.as_u16(), 204);
}

#[tokio::test]
async fn what_is_gone_has_no_lock() {
    let f = Fixture::new();
    for (method, headers) in [("DELETE", vec![]), ("MOVE", vec![("destination", "/moved")])] {
        f.store.put("a", "x");
        let token = f.lock("alice", "/a", "0", "exclusive").await;
        let submitted = format!("({token})");
        let mut headers = headers;
        headers.push(("if", submitted.as_str()));
        assert!(f.send(method, "/a", &headers, "").await.status.is_success());
        assert_eq!(f.status("PUT", "/a", &[], "y").await, 201, "{method}");
        assert_eq!(f.status("DELETE", "/a", &[], "").await, 204);
    }
    assert_eq!(f.status("PUT", "/moved", &[], "y").await, 204, "a lock does not move along");
}

#[tokio::test]
async fn only_who_holds_a_lock_or_an_administrator_ends_it() {
    let f = Fixture::new();
    f.store.put("a", "x");
    let token = f.lock("alice", "/a", "0", "exclusive").await;
    assert_eq!(f.as_user("bob", "UNLOCK", "/a", &[("lock-token", &token)], "").await.status.as_u16(), 403);
    assert_eq!(f.as_user("", "UNLOCK", "/a", &[("lock-token", &token)], "").await.status.as_u16(), 403);
    assert_eq!(f.status("UNLOCK", "/a", &[], "").await, 400);
    let reply = f.send("UNLOCK", "/a", &[("lock-token", "<urn:uuid:other>")], "").await;
    assert_eq!(reply.status.as_u16(), 409);
    assert!(reply.text().contains("lock-token-matches-request-uri"));
    assert_eq!(f.status("UNLOCK", "/", &[("lock-token", &token)], "").await, 409);
    let bare = token.trim_matches(['<', '>']);
    assert_eq!(f.status("UNLOCK", "/a", &[("lock-token", bare)], "").await, 204, "without its brackets");
    let token = f.lock("alice", "/a", "0", "exclusive").await;
    assert_eq!(f.as_user("root", "UNLOCK", "/a", &[("lock-token", &token)], "").await.status.as_u16(), 204);
    assert_eq!(f.status("PUT", "/a", &[], "y").await, 204);
}

#[tokio::test]
async fn a_lock_is_renewed_by_its_holder_and_ends_without() {
    let f = Fixture::new();
    f.store.put("a", "x");
    let token = f.lock("alice", "/a", "0", "exclusive").await;
    let submitted = format!("({token})");
    f.now.fetch_add(500, Ordering::SeqCst);
    let reply = f.send("LOCK", "/a", &[("if", &submitted), ("timeout", "Second-900")], "").await;
    assert_eq!((reply.status.as_u16(), reply.header("lock-token")), (200, ""));
    assert!(reply.text().contains("Second-900<"));
    assert_eq!(f.status("LOCK", "/a", &[], "").await, 400);
    assert_eq!(f.as_user("bob", "LOCK", "/a", &[("if", &submitted)], "").await.status.as_u16(), 412);
    f.now.fetch_add(899, Ordering::SeqCst);
    assert_eq!(f.as_user("bob", "PUT", "/a", &[], "y").await.status.as_u16(), 423);
    f.now.fetch_add(1, Ordering::SeqCst);
    assert_eq!(f.as_user("bob", "PUT", "/a", &[], "y").await.status.as_u16(), 204);
    assert_eq!(f.status("LOCK", "/a", &[("if", &submitted)], "").await, 412);
}

#[tokio::test]
async fn shared_locks_stand_beside_each_other() {
    let f = Fixture::new();
    f.store.put("a", "x");
    let alice = f.lock("alice", "/a", "0", "shared").await;
    f.lock("bob", "/a", "0", "shared").await;
    assert_eq!(f.as_user("carol", "LOCK", "/a", &[], EXCLUSIVE).await.status.as_u16(), 423);
    assert_eq!(f.as_user("carol", "PUT", "/a", &[], "y").await.status.as_u16(), 423);
    assert_eq!(f.status("PUT", "/a", &[("if", &format!("({alice})"))], "y").await, 204);
}

#[tokio::test]
async fn two_spellings_of_a_name_have_one_lock() {
    let f = Fixture::new();
    f.store.put("\u{e9}", "x");
    f.lock("alice", "/%C3%A9", "0", "exclusive").await;
    assert_eq!(f.status("PUT", "/%C3%A9", &[], "y").await, 423);
    assert_eq!(f.status("PUT", "/e%CC%81", &[], "y").await, 423);
}

#[tokio::test]
async fn conditions_about_other_resources_are_looked_at() {
    let f = Fixture::new();
    f.store.put("a", "x");
    f.store.put("b", "x");
    for (header, expected) in [
        ("</b> ([\"v1\"])", 204),
        ("<http://any.example/b> ([\"v1\"])", 204),
        ("</b> ([\"v0\"])", 412),
        ("</b> ([\"v0\"]) </b> ([\"v1\"])", 204),
        ("</missing> ([\"v1\"])", 412),
        ("</missing> (Not [\"v1\"])", 204),
        ("<http://other/../x> ([\"v1\"])", 400),
        ("([W/\"v1\"])", 412),
    ] {
        assert_eq!(f.status("PUT", "/a", &[("if", header)], "y").await, expected, "{header}");
    }
    f.store.fail("stat", Some(ErrorKind::Timeout));
    assert_eq!(f.status("PUT", "/a", &[("if", "</b> ([\"v0\"])")], "y").await, 504, "not looked at is not false");
}
