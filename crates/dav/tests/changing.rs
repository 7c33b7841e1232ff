//! PUT, MKCOL, DELETE, COPY, MOVE and PROPPATCH on a tree.

#![allow(clippy::unwrap_used, clippy::expect_used, missing_docs)]

mod support;

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll};

use bytes::Bytes;
use davmux_driver::ErrorKind;
use davmux_tree::Access;
use futures_util::stream;
use http::Request;
use http_body::Frame;
use http_body_util::StreamBody;
use support::Fixture;

#[tokio::test]
async fn a_file_is_made_and_replaced() {
    let f = Fixture::new();
    let reply = f.send("PUT", "/a", &[], "one").await;
    assert_eq!((reply.status.as_u16(), reply.header("etag")), (201, "\"v0\""));
    assert_eq!(reply.header("last-modified"), "Sun, 09 Sep 2001 01:46:40 GMT");
    let reply = f.send("PUT", "/a", &[], "two").await;
    assert_eq!((reply.status.as_u16(), reply.header("etag")), (204, "\"v1\""));
    assert_eq!(f.store.bytes("a").unwrap(), "two");
    assert_eq!(f.status("PUT", "/empty", &[], "").await, 201);
    assert_eq!(f.status("PUT", "/no/parent", &[], "x").await, 409);
    f.store.folder("d");
    assert_eq!(f.status("PUT", "/d", &[], "x").await, 405);
    assert_eq!(f.status("PUT", "/d/", &[], "x").await, 405);
    assert_eq!(f.status("PUT", "/a/b", &[], "x").await, 409);
}

#[tokio::test]
async fn what_is_no_whole_file_is_refused() {
    let f = Fixture::new();
    assert_eq!(f.status("PUT", "/a", &[("content-range", "bytes 0-0/3")], "x").await, 501);
    assert_eq!(f.status("PUT", "/a", &[("content-encoding", "gzip")], "x").await, 415);
    assert_eq!(f.status("PUT", "/a", &[("content-encoding", "identity")], "x").await, 201);
}

/// Promise 3.
#[tokio::test]
async fn a_body_of_another_length_than_announced_stores_nothing() {
    let f = Fixture::new();
    f.store.put("a", "former");
    for announced in [
        ("content-length", "2"),
        ("content-length", "9"),
        ("x-expected-entity-length", "9"),
        ("x-expected-entity-length", "2"),
    ] {
        assert_eq!(f.status("PUT", "/a", &[announced], "new").await, 400, "{announced:?}");
        assert_eq!(f.store.bytes("a").unwrap(), "former");
    }
    assert_eq!(f.status("PUT", "/a", &[("x-expected-entity-length", "3")], "new").await, 204);
}

/// Promise 3. The sums are of `new`.
#[tokio::test]
async fn a_body_with_another_checksum_than_announced_stores_nothing() {
    let f = Fixture::new();
    f.store.put("a", "former");
    for (header, right) in [
        ("oc-checksum", "SHA1:c2a6b03f190dfb2b4aa91f8af8d477a9bc3401dc"),
        ("oc-checksum", "MD5:22af645d1859cb5ca6da0c484f1f37ea"),
        ("oc-checksum", "ADLER32:028e014b"),
        ("content-md5", "Iq9kXRhZy1ym2gxITx836g=="),
        ("digest", "SHA-256=EVB6Di9eadXfpApiob17buV+a82FxnybhDGzb/8hxDc="),
        ("repr-digest", "sha-256=:EVB6Di9eadXfpApiob17buV+a82FxnybhDGzb/8hxDc=:"),
        ("content-digest", "sha-256=:EVB6Di9eadXfpApiob17buV+a82FxnybhDGzb/8hxDc=:"),
    ] {
        let reply = f.send("PUT", "/a", &[(header, right)], "now").await;
        assert_eq!(reply.status.as_u16(), 400, "{header}: {right}");
        assert!(reply.text().contains("nothing was stored"), "{}", reply.text());
        assert_eq!(f.status("PUT", "/fresh", &[(header, right)], "now").await, 400, "{header}: {right}");
        assert!(!f.store.has("fresh"));
        assert_eq!(f.store.bytes("a").unwrap(), "former", "{header}: {right}");
        assert_eq!(f.status("PUT", "/a", &[(header, right)], "new").await, 204, "{header}: {right}");
        f.store.put("a", "former");
    }
    let reply = f.send("PROPFIND", "/a", &[("depth", "0")], "").await;
    assert!(reply.text().contains("<D:getcontentlength>6<"), "{}", reply.text());
}

/// Promise 3: the sender went away.
#[tokio::test]
async fn a_body_that_breaks_off_stores_nothing() {
    let f = Fixture::new();
    f.store.put("a", "former");
    let frames = [Ok(Frame::data(Bytes::from_static(b"ne"))), Err(std::io::Error::other("cut"))];
    let request = Request::put("/a").body(StreamBody::new(stream::iter(frames))).unwrap();
    assert_eq!(f.raw("alice", request).await.status().as_u16(), 400);
    assert_eq!(f.store.bytes("a").unwrap(), "former");
}

/// A body that remembers whether anybody looked at it: that look is what sends `100 Continue`.
struct Watched(Arc<AtomicBool>);

impl http_body::Body for Watched {
    type Data = Bytes;
    type Error = std::convert::Infallible;

    fn poll_frame(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Self::Error>>> {
        self.0.store(true, Ordering::SeqCst);
        Poll::Ready(None)
    }
}

#[tokio::test]
async fn a_put_that_is_refused_never_asks_for_its_body() {
    let mut f = Fixture::new();
    f.store.put("a", "former");
    f.store.folder("d");
    f.store.put("locked", "x");
    f.lock("bob", "/locked", "0", "exclusive").await;
    for read_only in [false, true] {
        f.access = if read_only { Access::ReadOnly } else { Access::ReadWrite };
        for (path, header, expected) in [
            ("/a", ("if-match", "\"old\""), 412),
            ("/a", ("if-none-match", "*"), 412),
            ("/a", ("if", "([\"old\"])"), 412),
            ("/a", ("content-range", "bytes 0-1/2"), 501),
            ("/a", ("content-encoding", "br"), 415),
            ("/a", ("content-length", "many"), 400),
            ("/a", ("oc-checksum", "SHA1:none"), 400),
            ("/locked", ("x-any", "1"), 423),
            ("/no/parent", ("x-any", "1"), 409),
            ("/d", ("x-any", "1"), 405),
        ] {
            let seen = Arc::new(AtomicBool::new(false));
            let request = Request::put(path).header(header.0, header.1).body(Watched(Arc::clone(&seen))).unwrap();
            let status = f.raw("alice", request).await.status().as_u16();
            if read_only {
                assert!(status == 403 || status == 501 || status == 415, "{path} {header:?} {status}");
            } else {
                assert_eq!(status, expected, "{path} {header:?}");
            }
            assert!(!seen.load(Ordering::SeqCst), "{path} {header:?}");
        }
    }
    assert_eq!(f.store.bytes("a").unwrap(), "former");
}

#[tokio::test]
async fn conditions_guard_a_change() {
    let f = Fixture::new();
    f.store.put("a", "x");
    assert_eq!(f.status("PUT", "/a", &[("if-match", "\"v0\"")], "y").await, 204);
    assert_eq!(f.status("PUT", "/a", &[("if-match", "\"v0\"")], "z").await, 412);
    assert_eq!(f.status("PUT", "/b", &[("if-none-match", "*")], "z").await, 201);
    assert_eq!(f.status("DELETE", "/a", &[("if-match", "\"v0\"")], "").await, 412);
    assert_eq!(f.status("DELETE", "/a", &[("if", "(Not [\"v0\"])")], "").await, 204);
    assert_eq!(f.status("MOVE", "/b", &[("if-match", "\"no\""), ("destination", "/c")], "").await, 412);
    assert_eq!(f.status("PUT", "/b", &[("if", "nonsense")], "z").await, 400);
}

#[tokio::test]
async fn a_time_is_accepted_only_when_kept() {
    let f = Fixture::new();
    let reply = f.send("PUT", "/a", &[("x-oc-mtime", "784111777")], "x").await;
    assert_eq!(reply.header("x-oc-mtime"), "accepted");
    assert_eq!(reply.header("last-modified"), "Sun, 06 Nov 1994 08:49:37 GMT");
    let reply = f.send("PUT", "/a", &[("x-oc-mtime", "soon")], "x").await;
    assert_eq!((reply.status.as_u16(), reply.header("x-oc-mtime")), (204, ""));
}

#[tokio::test]
async fn a_folder_is_made_once_and_in_a_folder() {
    let f = Fixture::new();
    assert_eq!(f.status("MKCOL", "/d/", &[], "").await, 201);
    assert_eq!(f.status("MKCOL", "/d", &[], "").await, 405);
    assert_eq!(f.status("MKCOL", "/", &[], "").await, 405);
    assert_eq!(f.status("MKCOL", "/no/d", &[], "").await, 409);
    assert_eq!(f.status("MKCOL", "/e", &[], "<mkcol/>").await, 415);
    f.store.put("file", "x");
    assert_eq!(f.status("MKCOL", "/file", &[], "").await, 405);
    assert!(!f.store.has("e"));
}

#[tokio::test]
async fn a_delete_names_what_stays() {
    let f = Fixture::new();
    f.store.put("a", "x");
    assert_eq!(f.status("DELETE", "/a", &[], "").await, 204);
    assert_eq!(f.status("DELETE", "/a", &[], "").await, 404);
    f.store.folder("d");
    f.store.put("d/goes", "x");
    f.store.put("d/stays", "x");
    assert_eq!(f.status("DELETE", "/d", &[("depth", "0")], "").await, 400);
    let reply = f.send("DELETE", "/d/", &[], "").await;
    assert_eq!(reply.status.as_u16(), 207);
    assert!(
        reply.text().contains("<D:href>/d/stays</D:href><D:status>HTTP/1.1 403 Forbidden</D:status>"),
        "{}",
        reply.text()
    );
    assert!(f.store.has("d/stays") && !f.store.has("d/goes"));
    assert_eq!(f.status("DELETE", "/", &[], "").await, 403);
}

#[tokio::test]
async fn copies_and_moves_follow_their_headers() {
    let f = Fixture::new();
    f.store.put("a", "one");
    f.store.put("b", "two");
    f.store.folder("d");
    f.store.put("d/x", "deep");
    let to = |path| ("destination", path);
    assert_eq!(f.status("COPY", "/a", &[to("http://other.example:99/c")], "").await, 201);
    assert_eq!(f.status("COPY", "/a", &[to("/b"), ("overwrite", "F")], "").await, 412);
    assert_eq!(f.store.bytes("b").unwrap(), "two");
    assert_eq!(f.status("COPY", "/a", &[to("/b")], "").await, 204);
    assert_eq!(f.store.bytes("b").unwrap(), "one");
    assert_eq!(f.status("COPY", "/a", &[to("/no/c")], "").await, 409);
    assert_eq!(f.status("COPY", "/missing", &[to("/e")], "").await, 404);
    assert_eq!(f.status("COPY", "/d", &[to("/shallow"), ("depth", "0")], "").await, 201);
    assert!(f.store.has("shallow") && !f.store.has("shallow/x"));
    assert_eq!(f.status("COPY", "/d", &[to("/e"), ("depth", "1")], "").await, 400);
    assert_eq!(f.status("COPY", "/d/", &[to("/deep/")], "").await, 201);
    assert_eq!(f.store.bytes("deep/x").unwrap(), "deep");
    for path in ["/d", "/d/", "/d/x/y", "/d/y", "/"] {
        for method in ["COPY", "MOVE"] {
            assert_eq!(f.status(method, "/d", &[to(path)], "").await, 403, "{method} {path}");
        }
    }
    assert_eq!(f.status("MOVE", "/d", &[to("/e"), ("depth", "0")], "").await, 400);
    assert_eq!(f.status("MOVE", "/d", &[to("/moved")], "").await, 201);
    assert!(f.store.has("moved/x") && !f.store.has("d"));
    assert_eq!(f.status("MOVE", "/a", &[to("/c")], "").await, 204);
    assert!(!f.store.has("a"));
}

#[tokio::test]
async fn a_destination_that_is_none_is_refused() {
    let f = Fixture::at("/dav");
    f.store.put("a", "x");
    assert_eq!(f.status("COPY", "/dav/a", &[], "").await, 400);
    assert_eq!(f.status("COPY", "/dav/a", &[("destination", "b")], "").await, 400);
    assert_eq!(f.status("COPY", "/dav/a", &[("destination", "/dav/../b")], "").await, 400);
    assert_eq!(f.status("COPY", "/dav/a", &[("destination", "/elsewhere/b")], "").await, 502);
    assert_eq!(f.status("COPY", "/dav/a", &[("destination", "/dav/b"), ("destination", "/dav/c")], "").await, 400);
    assert_eq!(f.status("COPY", "/dav/a", &[("destination", "/dav/b"), ("overwrite", "x")], "").await, 400);
    assert_eq!(f.status("COPY", "/dav/a", &[("destination", "/dav/b")], "").await, 201);
}

fn patch(inner: &str) -> String {
    format!("<D:propertyupdate xmlns:D='DAV:' xmlns:Z='urn:schemas-microsoft-com:'>{inner}</D:propertyupdate>")
}

#[tokio::test]
async fn windows_hears_what_it_needs_and_times_are_kept() {
    let f = Fixture::new();
    f.store.put("a", "x");
    let body = patch(
        "<D:set><D:prop><Z:Win32FileAttributes>00000020</Z:Win32FileAttributes>\
         <Z:Win32LastModifiedTime>Sun, 06 Nov 1994 08:49:37 GMT</Z:Win32LastModifiedTime></D:prop></D:set>",
    );
    let reply = f.send("PROPPATCH", "/a", &[], &body).await;
    assert_eq!(reply.status.as_u16(), 207);
    assert!(reply.text().contains("200 OK") && !reply.text().contains("403"));
    assert_eq!(f.send("HEAD", "/a", &[], "").await.header("last-modified"), "Sun, 06 Nov 1994 08:49:37 GMT");
}

#[tokio::test]
async fn properties_change_all_together_or_not_at_all() {
    let f = Fixture::new();
    f.store.put("a", "x");
    let body = patch(
        "<D:set><D:prop><D:lastmodified>784111777</D:lastmodified><D:getetag>x</D:getetag></D:prop></D:set>\
         <D:set><D:prop><e:color xmlns:e='urn:e'>red</e:color></D:prop></D:set>",
    );
    let reply = f.send("PROPPATCH", "/a", &[], &body).await;
    let text = reply.text();
    let dropped = "<D:lastmodified/><x:color xmlns:x=\"urn:e\"/></D:prop><D:status>HTTP/1.1 424";
    assert!(text.contains(dropped), "{text}");
    assert!(text.contains("<D:getetag/></D:prop><D:status>HTTP/1.1 403 Forbidden</D:status><D:error><D:cannot-modify-protected-property/>"), "{text}");
    assert_eq!(f.send("HEAD", "/a", &[], "").await.header("last-modified"), "Sun, 09 Sep 2001 01:46:40 GMT");
    assert_eq!(f.status("PROPPATCH", "/missing", &[], &body).await, 404);
    assert_eq!(f.status("PROPPATCH", "/a", &[], "<x/>").await, 400);
}

#[tokio::test]
async fn who_may_only_read_changes_nothing() {
    let mut f = Fixture::new();
    f.store.put("a", "x");
    f.store.folder("d");
    f.access = Access::ReadOnly;
    let lock = "<lockinfo xmlns='DAV:'><lockscope><exclusive/></lockscope><locktype><write/></locktype></lockinfo>";
    for (method, path, body) in [
        ("PUT", "/b", "x"),
        ("PUT", "/a", "x"),
        ("MKCOL", "/e", ""),
        ("DELETE", "/a", ""),
        ("COPY", "/a", ""),
        ("MOVE", "/a", ""),
        ("PROPPATCH", "/a", "<propertyupdate xmlns='DAV:'><set><prop><a/></prop></set></propertyupdate>"),
        ("LOCK", "/a", lock),
        ("LOCK", "/new", lock),
    ] {
        assert_eq!(f.status(method, path, &[("destination", "/c")], body).await, 403, "{method} {path}");
    }
    assert_eq!(f.store.bytes("a").unwrap(), "x");
    assert!(!f.store.has("b") && !f.store.has("c") && !f.store.has("e") && !f.store.has("new"));
}

#[tokio::test]
async fn a_full_disk_is_507_and_the_former_file_stays() {
    let f = Fixture::new();
    f.store.put("a", "former");
    f.store.fail("finish", Some(ErrorKind::NoSpace));
    assert_eq!(f.status("PUT", "/a", &[], "new").await, 507);
    assert_eq!(f.store.bytes("a").unwrap(), "former");
}

/// A body that never ends; it says when it is looked at.
struct Endless(tokio::sync::mpsc::UnboundedSender<()>, bool);

impl http_body::Body for Endless {
    type Data = Bytes;
    type Error = std::convert::Infallible;

    fn poll_frame(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Self::Error>>> {
        if std::mem::replace(&mut self.1, true) {
            self.0.send(()).unwrap();
            return Poll::Pending;
        }
        Poll::Ready(Some(Ok(Frame::data(Bytes::from_static(b"half")))))
    }
}

/// Promise 5: before the whole body has arrived a hang-up leaves nothing.
#[tokio::test]
async fn a_client_that_hangs_up_in_its_body_leaves_nothing() {
    let f = Fixture::new();
    f.store.put("a", "former");
    let (sender, mut waiting) = tokio::sync::mpsc::unbounded_channel();
    {
        let request = Request::put("/a").body(Endless(sender, false)).unwrap();
        let put = std::pin::pin!(f.raw("alice", request));
        tokio::select! {
            _ = put => panic!("the body never ends"),
            _ = waiting.recv() => {}
        }
    }
    f.tree.drain(std::time::Duration::from_secs(5)).await;
    assert_eq!(f.store.bytes("a").unwrap(), "former");
    assert_eq!(f.status("PUT", "/a", &[], "new").await, 204, "nothing is left in the way");
}

/// Promise 5: a change that has begun runs on, and the locks of what it removed go with it.
#[tokio::test]
async fn a_client_that_hangs_up_does_not_stop_a_change() {
    let f = Fixture::new();
    f.store.folder("d");
    f.store.put("d/a", "x");
    let token = f.lock("alice", "/d/a", "0", "exclusive").await;
    let resume = f.store.hold_deletions();
    {
        let request = Request::delete("/d").header("if", format!("</d/a> ({token})"));
        let request = request.body(http_body_util::Empty::<Bytes>::new()).unwrap();
        let delete = std::pin::pin!(f.raw("alice", request));
        tokio::select! {
            _ = delete => panic!("the storage waits"),
            _ = resume.reached() => {}
        }
    }
    resume.go();
    let mut gone = false;
    // Bounded: a change that was dropped never ends.
    for _ in 0..1000 {
        tokio::task::yield_now().await;
        gone = !f.store.has("d");
        if gone {
            break;
        }
    }
    assert!(gone, "the change stopped with its client");
    f.store.folder("d");
    for _ in 0..1000 {
        tokio::task::yield_now().await;
        if f.status("PUT", "/d/a", &[], "y").await != 423 {
            break;
        }
    }
    assert_eq!(f.store.bytes("d/a").unwrap(), "y");
}

/// A body during whose arrival somebody else writes.
struct Meanwhile(support::Store, bool);

impl http_body::Body for Meanwhile {
    type Data = Bytes;
    type Error = std::convert::Infallible;

    fn poll_frame(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Self::Error>>> {
        if std::mem::replace(&mut self.1, true) {
            return Poll::Ready(None);
        }
        self.0.put("a", "theirs");
        Poll::Ready(Some(Ok(Frame::data(Bytes::from_static(b"ours")))))
    }
}

#[tokio::test]
async fn a_condition_still_holds_when_the_file_is_replaced() {
    for condition in [("if-match", "\"v0\""), ("if", "([\"v0\"])"), ("if-none-match", "\"other\"")] {
        let f = Fixture::new();
        f.store.put("a", "former");
        let request =
            Request::put("/a").header(condition.0, condition.1).body(Meanwhile(f.store.clone(), false)).unwrap();
        assert_eq!(f.raw("alice", request).await.status().as_u16(), 412, "{condition:?}");
        assert_eq!(f.store.bytes("a").unwrap(), "theirs");
    }
    let f = Fixture::new();
    let request = Request::put("/a").header("if-none-match", "*").body(Meanwhile(f.store.clone(), false)).unwrap();
    assert_eq!(f.raw("alice", request).await.status().as_u16(), 412);
    assert_eq!(f.store.bytes("a").unwrap(), "theirs");
}

/// The other way round: the body took its time, and a lock was given meanwhile.
#[tokio::test]
async fn a_lock_that_is_given_while_a_body_arrives_counts() {
    const PATCH: &str = "<D:propertyupdate xmlns:D='DAV:'><D:set><D:prop><b/></D:prop></D:set></D:propertyupdate>";
    for (method, content) in [("PUT", "ours"), ("PROPPATCH", PATCH)] {
        let f = Fixture::new();
        f.store.put("a", "former");
        let (sender, frames) = tokio::sync::mpsc::unbounded_channel::<Result<Frame<Bytes>, std::io::Error>>();
        let body = StreamBody::new(stream::unfold(frames, |mut frames| async { Some((frames.recv().await?, frames)) }));
        let change = f.raw("alice", Request::builder().method(method).uri("/a").body(body).unwrap());
        let lock = async {
            sender.send(Ok(Frame::data(Bytes::from_static(content.as_bytes())))).unwrap();
            f.lock("bob", "/a", "0", "exclusive").await;
            drop(sender);
        };
        let (response, ()) = futures_util::join!(change, lock);
        assert_eq!(response.status().as_u16(), 423, "{method}");
        assert_eq!(f.store.bytes("a").unwrap(), "former");
    }
}
