//! LOCK, UNLOCK, and what locks forbid.

#![allow(clippy::unwrap_used, clippy::expect_used, missing_docs)]

mod support;

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, SystemTime};

use davmux_dav::{Clock, Dav, DavOptions, Lock, LockRefusal, LockStore, LockTable, Reach};
use davmux_driver::ErrorKind;
use davmux_tree::TreePath;
use support::Fixture;
use tokio::sync::Semaphore;

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
    let reply = f.as_user("bob", "LOCK", "/d/a", &[("depth", "infinity")], EXCLUSIVE).await;
    assert_eq!(reply.status.as_u16(), 423);
    assert!(reply.text().contains("<D:no-conflicting-lock><D:href>/d/a</D:href>"), "{}", reply.text());
    // What stands in the way is in the folder: RFC 4918 section 9.10.9.
    let reply = f.as_user("bob", "LOCK", "/d", &[("depth", "infinity")], EXCLUSIVE).await;
    assert_eq!((reply.status.as_u16(), reply.header("lock-token")), (207, ""));
    let (member, folder) = reply.text().split_once("</D:response>").unwrap();
    assert!(
        member.contains("<D:href>/d/a</D:href><D:status>HTTP/1.1 423 Locked") && !member.contains("/d/<"),
        "{member}"
    );
    assert!(member.contains("<D:error><D:no-conflicting-lock><D:href>/d/a</D:href>"), "{member}");
    assert!(folder.contains("<D:href>/d/</D:href><D:status>HTTP/1.1 424 Failed Dependency"), "{folder}");
    let own = f.lock("bob", "/d", "0", "exclusive").await;
    let reply = f.as_user("carol", "LOCK", "/d", &[("depth", "infinity")], EXCLUSIVE).await;
    assert_eq!(reply.status.as_u16(), 423, "the folder itself is locked");
    assert!(!own.is_empty() && reply.text().contains("<D:href>/d</D:href>"), "{}", reply.text());
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

#[tokio::test]
async fn an_owner_is_told_as_it_was_given() {
    let f = Fixture::new();
    f.store.put("a", "x");
    let body = "<lockinfo xmlns='DAV:' xmlns:e='urn:e'><lockscope><exclusive/></lockscope><locktype><write/></locktype>\
                <owner xml:lang='en'>me <e:mail at='&lt;home&gt;'>a@b</e:mail></owner></lockinfo>";
    let told = "<D:owner xml:lang=\"en\">me <e:mail xmlns:e=\"urn:e\" at=\"&lt;home&gt;\">a@b</e:mail></D:owner>";
    let reply = f.send("LOCK", "/a", &[], body).await;
    assert!(reply.text().contains(told), "{}", reply.text());
    let found = f.send("PROPFIND", "/a", &[("depth", "0")], "").await;
    assert!(found.text().contains(told), "{}", found.text());
}

#[tokio::test]
async fn a_refresh_ignores_depth_and_says_when_the_token_is_of_no_lock_here() {
    let f = Fixture::new();
    f.store.folder("d");
    f.store.put("d/a", "x");
    let token = f.lock("alice", "/d", "infinity", "exclusive").await;
    let submitted = format!("({token})");
    for (path, depth) in [("/d", "1"), ("/d/", "2"), ("/d/a", "0")] {
        let reply = f.send("LOCK", path, &[("if", &submitted), ("depth", depth)], "").await;
        assert_eq!(reply.status.as_u16(), 200, "{path} {depth}");
        assert!(reply.text().contains("<D:depth>infinity</D:depth>") && reply.text().contains("<D:href>/d</D:href>"));
    }
    for (path, header) in [("/", &*submitted), ("/d", "(<urn:uuid:other>)"), ("/d", "(Not <urn:uuid:other>)")] {
        let reply = f.send("LOCK", path, &[("if", header)], "").await;
        assert_eq!(reply.status.as_u16(), 412, "{path} {header}");
        assert!(reply.text().contains("<D:lock-token-matches-request-uri/>"), "{}", reply.text());
    }
    assert_eq!(f.status("LOCK", "/d", &[("depth", "2")], EXCLUSIVE).await, 400);
}

#[tokio::test]
async fn an_unlock_heeds_its_if_header() {
    let f = Fixture::new();
    f.store.put("a", "x");
    let token = f.lock("alice", "/a", "0", "exclusive").await;
    for (header, expected) in [("([\"other\"])", 412), ("(", 400), ("([\"v0\"])", 204)] {
        assert_eq!(f.status("UNLOCK", "/a", &[("lock-token", &token), ("if", header)], "").await, expected, "{header}");
    }
}

#[tokio::test]
async fn an_administrator_sees_and_ends_the_locks_below_a_path() {
    let f = Fixture::new();
    f.store.folder("\u{e9}");
    f.store.put("\u{e9}/a", "x");
    f.store.put("b", "x");
    f.lock("alice", "/%C3%A9/a", "0", "exclusive").await;
    f.lock("bob", "/b", "0", "exclusive").await;
    let decomposed = TreePath::parse("/e\u{301}").unwrap();
    let seen = f.dav.locks(&decomposed).await.unwrap();
    assert_eq!(seen.iter().map(|lock| lock.path.to_string()).collect::<Vec<_>>(), ["/\u{e9}/a"]);
    assert!(!format!("{seen:?}").contains("urn:uuid"), "the token is nobody's but its holder's");
    assert_eq!(f.dav.end_locks(&decomposed).await.unwrap(), 1);
    assert_eq!(f.dav.end_locks(&decomposed).await.unwrap(), 0);
    assert_eq!(f.status("PUT", "/%C3%A9/a", &[], "y").await, 204);
    assert_eq!(f.status("PUT", "/b", &[], "y").await, 423);
}

/// Locks that end only when told to.
#[derive(Debug)]
struct Waiting {
    table: LockTable,
    reached: Semaphore,
    go: Semaphore,
}

#[async_trait::async_trait]
impl LockStore for Waiting {
    async fn related(&self, path: &TreePath, reach: Reach) -> Result<Vec<Lock>, LockRefusal> {
        self.table.related(path, reach).await
    }
    async fn add(&self, lock: Lock) -> Result<(), LockRefusal> {
        self.table.add(lock).await
    }
    async fn refresh(&self, path: &TreePath, token: &str, expires: SystemTime) -> Result<Option<Lock>, LockRefusal> {
        self.table.refresh(path, token, expires).await
    }
    async fn remove(&self, locks: &[Lock]) -> Result<usize, LockRefusal> {
        self.reached.add_permits(1);
        self.go.acquire().await.unwrap().forget();
        self.table.remove(locks).await
    }
}

/// A drain waits for all that a DELETE does: also for the locks that end with what is gone.
#[tokio::test]
async fn a_drain_waits_until_the_locks_of_what_is_gone_have_ended() {
    let mut f = Fixture::new();
    let clock: Clock = Arc::new(SystemTime::now);
    let table = LockTable::in_memory(Arc::clone(&clock));
    let locks = Arc::new(Waiting { table, reached: Semaphore::new(0), go: Semaphore::new(0) });
    let options = DavOptions { locks: Arc::clone(&locks) as Arc<dyn LockStore>, clock, ..DavOptions::default() };
    f.dav = Dav::new(options).unwrap();
    let f = Arc::new(f);
    f.store.put("a", "x");
    let token = f.lock("alice", "/a", "0", "exclusive").await;
    let deleting = tokio::spawn({
        let f = Arc::clone(&f);
        async move { f.status("DELETE", "/a", &[("if", &format!("({token})"))], "").await }
    });
    locks.reached.acquire().await.unwrap().forget();
    assert!(!f.store.has("a"));
    // The client hangs up, and the server stops.
    deleting.abort();
    let mut drained = std::pin::pin!(f.tree.drain(Duration::from_secs(60)));
    assert!(futures_util::poll!(drained.as_mut()).is_pending());
    locks.go.add_permits(1);
    drained.await;
    assert!(f.dav.locks(&TreePath::root()).await.unwrap().is_empty());
}

#[tokio::test]
async fn ten_thousand_locks_are_held_told_and_ended() {
    const MOST: usize = 10_000;
    let f = Fixture::new();
    f.store.folder("d");
    let mut tokens = Vec::new();
    for n in 0..MOST {
        f.store.put(&format!("d/{n}"), "");
        tokens.push(f.lock("alice", &format!("/d/{n}"), "0", "exclusive").await);
    }
    f.store.put("more", "");
    let refused = f.send("LOCK", "/more", &[], EXCLUSIVE).await;
    assert_eq!(refused.status.as_u16(), 507);
    assert!(refused.text().contains("UNLOCK"), "{}", refused.text());
    f.lock("bob", "/more", "0", "exclusive").await;
    let listed = f.send("PROPFIND", "/d", &[("depth", "1")], "").await;
    assert_eq!(listed.text().matches("<D:activelock>").count(), MOST);
    assert_eq!(f.status("PUT", "/d/5000", &[], "y").await, 423);
    // A header of 60 KB names a thousand of them.
    let all = tokens.iter().skip(4500).take(1100).fold(String::new(), |all, token| all + "(" + token + ")");
    assert!(all.len() > 50_000, "{}", all.len());
    assert_eq!(f.status("PUT", "/d/5000", &[("if", &all)], "y").await, 204);
    let tagged = format!("</d/0> {all} </d/5000> ({})", tokens[5000]);
    assert_eq!(f.status("DELETE", "/d", &[("if", &tagged)], "").await, 423);
    assert_eq!(f.status("UNLOCK", "/d/5000", &[("lock-token", &tokens[5000])], "").await, 204);
    f.lock("alice", "/d/5000", "0", "exclusive").await;
    assert_eq!(f.dav.end_locks(&TreePath::parse("/d").unwrap()).await.unwrap(), MOST);
    assert_eq!(f.status("PUT", "/d/5000", &[], "y").await, 204);
}

#[tokio::test]
async fn shared_locks_do_not_pile_up_on_one_resource() {
    let f = Fixture::new();
    f.store.put("a", "");
    let shared = EXCLUSIVE.replace("exclusive", "shared");
    let mut given = 0;
    let refused = loop {
        let reply = f.as_user(&format!("user{given}"), "LOCK", "/a", &[], &shared).await;
        if reply.status.as_u16() != 200 {
            break reply;
        }
        given += 1;
        assert!(given < 10_000, "there is no limit");
    };
    assert_eq!(refused.status.as_u16(), 507);
    assert!(given >= 16, "a team shares a file");
}

/// `If` (RFC 4918 section 10.4), against a file and a folder with locks, and what follows for a PUT, a DELETE and a MOVE.
#[tokio::test]
async fn the_if_header_says_whether_and_under_which_locks() {
    let f = Fixture::new();
    f.store.put("a", "x");
    f.store.put("b", "x");
    f.store.folder("d");
    f.store.put("d/in", "x");
    let a = f.lock("alice", "/a", "0", "exclusive").await;
    let d = f.lock("alice", "/d", "infinity", "exclusive").await;
    let b = f.lock("alice", "/b", "0", "shared").await;
    let other = f.lock("bob", "/b", "0", "shared").await;
    let tag = "[\"v0\"]";
    let wrong = "[\"v9\"]";
    let none = "<DAV:no-lock>";
    let unknown = "<urn:uuid:00000000-0000-0000-0000-000000000000>";
    for (method, path, header, expected) in [
        // Without the token that the lock asks for, a header that holds does not help: 423. One that does not hold: 412.
        ("PUT", "/a", String::new(), 423),
        ("PUT", "/a", format!("({tag})"), 423),
        ("PUT", "/a", format!("({wrong})"), 412),
        ("PUT", "/a", format!("(Not {none})"), 423),
        ("PUT", "/a", format!("({none})"), 412),
        ("PUT", "/a", format!("({unknown})"), 412),
        ("PUT", "/a", format!("({b})"), 412),
        // Both halves of a list must hold, and one list is enough.
        ("PUT", "/a", format!("({a} {wrong})"), 412),
        ("PUT", "/a", format!("({a} Not {wrong})"), 204),
        ("PUT", "/a", format!("({unknown}) ({a})"), 204),
        ("PUT", "/a", format!("({unknown}) (Not {unknown} {a})"), 204),
        ("PUT", "/a", format!("(Not {a})"), 412),
        // A token is submitted wherever it stands: in a list that does not hold, behind Not, about another resource.
        ("PUT", "/a", format!("(Not {unknown}) ({a} {wrong})"), 204),
        ("PUT", "/a", format!("(Not {a}) (Not {none})"), 204),
        ("PUT", "/a", format!("</b> ({b}) </b> (Not {a})"), 204),
        ("PUT", "/a", format!("</missing> (Not {a})"), 204),
        ("PUT", "/a", format!("<http://elsewhere.example/a> ({a})"), 204),
        // A tagged list is about its resource alone.
        ("PUT", "/a", format!("</b> ({a})"), 412),
        ("PUT", "/a", format!("</d/in> ({d})"), 423),
        // A lock that covers a member is on the member.
        ("PUT", "/d/in", format!("({d})"), 204),
        ("PUT", "/d/in", format!("</d> ({d})"), 204),
        ("PUT", "/d/in", format!("</d/> ({d})"), 204),
        ("PUT", "/d/new", format!("</d/> ({d})"), 201),
        ("PUT", "/d/new2", format!("({d})"), 201),
        ("MKCOL", "/d/folder", format!("({d})"), 201),
        ("MKCOL", "/d/folder2", format!("({a})"), 412),
        // One of several shared locks, and one's own.
        ("PUT", "/b", format!("({other})"), 423),
        ("PUT", "/b", format!("({b})"), 204),
        // Of two, the source's lock and the target's.
        ("COPY /c", "/a", String::new(), 201),
        ("COPY /d/c", "/a", format!("({a})"), 423),
        ("COPY /d/c", "/a", format!("({d})"), 412),
        ("COPY /d/c", "/a", format!("</d/> ({d})"), 201),
        ("COPY /b", "/a", format!("<http://h/b> ({b})"), 204),
        ("MOVE /d/m", "/c", format!("</d/c> ({d})"), 201),
        ("MOVE /m", "/d/m", String::new(), 423),
        ("MOVE /b", "/a", format!("({a})"), 423),
        ("MOVE /b", "/a", format!("</a> ({a}) </b> (Not {none})"), 423),
        ("MOVE /b", "/a", format!("</a> ({a}) </b> ({b})"), 204),
        ("DELETE", "/d/m", format!("({a})"), 412),
        ("DELETE", "/d/m", format!("(Not {none})"), 423),
        ("DELETE", "/d", format!("</d/in> (Not {d})"), 412),
        ("DELETE", "/d", format!("({d})"), 204),
        ("DELETE", "/d", format!("({d})"), 412),
        ("DELETE", "/d", String::new(), 404),
    ] {
        let (verb, destination) = method.split_once(' ').unwrap_or((method, ""));
        let mut headers = Vec::new();
        if !header.is_empty() {
            headers.push(("if", header.as_str()));
        }
        if !destination.is_empty() {
            headers.push(("destination", destination));
        }
        assert_eq!(f.status(verb, path, &headers, "").await, expected, "{method} {path} If: {header}");
    }
}
