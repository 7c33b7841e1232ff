//! Every method with every condition (RFC 9110 section 13, RFC 4918 section 10.4), on what is there and on what is not.

#![allow(clippy::unwrap_used, clippy::expect_used, missing_docs)]

mod support;

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll};

use bytes::Bytes;
use http::Request;
use http_body::Frame;
use support::Fixture;

/// A body that remembers whether anybody looked at it: that look is what sends `100 Continue`.
struct Watched {
    content: Option<Bytes>,
    seen: Arc<AtomicBool>,
}

impl http_body::Body for Watched {
    type Data = Bytes;
    type Error = std::convert::Infallible;

    fn poll_frame(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Self::Error>>> {
        self.seen.store(true, Ordering::SeqCst);
        Poll::Ready(self.content.take().map(|content| Ok(Frame::data(content))))
    }
}

const LOCK: &str = "<D:lockinfo xmlns:D='DAV:'><D:lockscope><D:exclusive/></D:lockscope>\
                    <D:locktype><D:write/></D:locktype></D:lockinfo>";
const PATCH: &str = "<D:propertyupdate xmlns:D='DAV:'><D:set><D:prop><a/></D:prop></D:set></D:propertyupdate>";
const FIND: &str = "<D:propfind xmlns:D='DAV:'><D:allprop/></D:propfind>";

/// A method, its body, and its status without a condition: where a file stands, and where nothing does. The GET of a file
/// of this size is redirected.
const METHODS: &[(&str, &str, u16, u16)] = &[
    ("OPTIONS", "", 200, 200),
    ("GET", "", 302, 404),
    ("HEAD", "", 200, 404),
    ("PUT", "new", 204, 201),
    ("DELETE", "", 204, 404),
    ("COPY", "", 201, 404),
    ("MOVE", "", 201, 404),
    ("MKCOL", "", 405, 201),
    ("PROPFIND", FIND, 207, 404),
    ("PROPPATCH", PATCH, 207, 404),
    ("LOCK", LOCK, 200, 201),
];

/// What a condition says of a version.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Says {
    Yes,
    No,
    /// To a reader that it has this version already; to others it says nothing.
    HasIt,
    /// The same to a reader, and no to others.
    HasItOrNo,
}
use Says::{HasIt, HasItOrNo, No, Yes};

type Headers = &'static [(&'static str, &'static str)];

/// The conditions of RFC 9110, on the version `"v0"` of Sun, 09 Sep 2001 01:46:40, and on nothing.
const HTTP: &[(Headers, Says, Says)] = &[
    (&[("if-match", "\"v0\"")], Yes, No),
    (&[("if-match", "\"no\"")], No, No),
    (&[("if-match", "\"no\", \"v0\"")], Yes, No),
    (&[("if-match", "\"no\""), ("if-match", "\"v0\"")], Yes, No),
    // Strong comparison.
    (&[("if-match", "W/\"v0\"")], No, No),
    (&[("if-match", "*")], Yes, No),
    (&[("if-none-match", "\"v0\"")], HasItOrNo, Yes),
    (&[("if-none-match", "\"no\"")], Yes, Yes),
    (&[("if-none-match", "\"no\", \"v0\"")], HasItOrNo, Yes),
    // Weak comparison.
    (&[("if-none-match", "W/\"v0\"")], HasItOrNo, Yes),
    (&[("if-none-match", "*")], HasItOrNo, Yes),
    (&[("if-modified-since", "Sun, 09 Sep 2001 01:46:40 GMT")], HasIt, Yes),
    (&[("if-modified-since", "Sunday, 09-Sep-01 01:46:40 GMT")], HasIt, Yes),
    (&[("if-modified-since", "Sun Sep  9 01:46:40 2001")], HasIt, Yes),
    (&[("if-modified-since", "Sun, 09 Sep 2001 01:46:39 GMT")], Yes, Yes),
    (&[("if-unmodified-since", "Sun, 09 Sep 2001 01:46:40 GMT")], Yes, Yes),
    (&[("if-unmodified-since", "Sun, 09 Sep 2001 01:46:39 GMT")], No, Yes),
    (&[("if-unmodified-since", "Sunday, 09-Sep-01 01:46:39 GMT")], No, Yes),
    (&[("if-unmodified-since", "Sun Sep  9 01:46:39 2001")], No, Yes),
    // What is not one date is no condition.
    (&[("if-modified-since", "2001-09-09")], Yes, Yes),
    (&[("if-unmodified-since", "-1")], Yes, Yes),
    (
        &[
            ("if-unmodified-since", "Sun, 09 Sep 2001 01:46:39 GMT"),
            ("if-unmodified-since", "Sun, 09 Sep 2001 01:46:39 GMT"),
        ],
        Yes,
        Yes,
    ),
    // Section 13.2.2: a tag is looked at in place of a date, and If-Match before If-None-Match.
    (&[("if-match", "\"v0\""), ("if-unmodified-since", "Sun, 09 Sep 2001 01:46:39 GMT")], Yes, No),
    (&[("if-none-match", "\"no\""), ("if-modified-since", "Sun, 09 Sep 2001 01:46:40 GMT")], Yes, Yes),
    (&[("if-match", "\"no\""), ("if-none-match", "\"v0\"")], No, No),
    (&[("if-match", "\"v0\""), ("if-none-match", "\"v0\"")], HasItOrNo, No),
    (&[("if-unmodified-since", "Sun, 09 Sep 2001 01:46:39 GMT"), ("if-none-match", "\"v0\"")], No, Yes),
];

/// `If`, with `/other` at its version `"v1"`.
const DAV: &[(&str, Says, Says)] = &[
    ("([\"v0\"])", Yes, No),
    ("([\"no\"])", No, No),
    ("([W/\"v0\"])", No, No),
    ("(Not [\"v0\"])", No, Yes),
    ("(Not [\"no\"])", Yes, Yes),
    ("(<urn:uuid:none>)", No, No),
    ("(Not <urn:uuid:none>)", Yes, Yes),
    ("(Not <DAV:no-lock>)", Yes, Yes),
    ("(<urn:uuid:none>) ([\"v0\"])", Yes, No),
    ("([\"v0\"] <urn:uuid:none>)", No, No),
    ("</a> ([\"v0\"])", Yes, Yes),
    ("</other> ([\"v1\"])", Yes, Yes),
    ("</other> ([\"v0\"])", No, No),
    ("<http://other.example/other> ([\"v1\"])", Yes, Yes),
    ("</nothing> (Not [\"v0\"])", Yes, Yes),
    ("</a> ([\"no\"]) </other> ([\"v1\"])", Yes, Yes),
];

struct Case<'a> {
    method: &'a str,
    body: &'a str,
    headers: &'a [(&'a str, &'a str)],
    there: bool,
    expected: u16,
    /// The method's own work is to be done.
    done: bool,
}

async fn check(case: Case<'_>) {
    let Case { method, body, headers, there, expected, done } = case;
    let f = Fixture::new();
    f.store.offer_links("bucket.example.com");
    let content = Bytes::from(vec![b'x'; 300 * 1024]);
    f.store.put("a", content.clone());
    f.store.put("other", "other");
    let path = if there { "/a" } else { "/missing" };
    let seen = Arc::new(AtomicBool::new(false));
    let mut request =
        Request::builder().method(method).uri(path).header("user-agent", "Kodi/21.0").header("destination", "/to");
    if method == "PROPFIND" {
        request = request.header("depth", "0");
    }
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    let content_of_request = (!body.is_empty()).then(|| Bytes::copy_from_slice(body.as_bytes()));
    let body_of_request = Watched { content: content_of_request, seen: Arc::clone(&seen) };
    let status = f.raw("alice", request.body(body_of_request).unwrap()).await.status().as_u16();
    let what = format!("{method} {path} {headers:?}");
    assert_eq!(status, expected, "{what}");
    if !done {
        assert!(!seen.load(Ordering::SeqCst), "{what}: the body was looked at");
        assert_eq!(f.store.bytes("a").unwrap(), content, "{what}");
        assert!(!f.store.has("missing") && !f.store.has("to"), "{what}");
    }
}

#[tokio::test]
async fn each_method_heeds_each_condition_before_it_looks_at_the_body() {
    for &(method, body, on_file, on_nothing) in METHODS {
        let reads = matches!(method, "GET" | "HEAD");
        for &(headers, of_file, of_nothing) in HTTP {
            for (there, says, usual) in [(true, of_file, on_file), (false, of_nothing, on_nothing)] {
                let refused = match says {
                    // What the method would have refused anyway it refuses as ever (section 13.2.1).
                    _ if method == "OPTIONS" || usual >= 400 => None,
                    Yes => None,
                    No => Some(412),
                    HasIt => reads.then_some(304),
                    HasItOrNo => Some(if reads { 304 } else { 412 }),
                };
                let (expected, done) = (refused.unwrap_or(usual), refused.is_none());
                check(Case { method, body, headers, there, expected, done }).await;
            }
        }
        for &(header, of_file, of_nothing) in DAV {
            for (there, says, usual) in [(true, of_file, on_file), (false, of_nothing, on_nothing)] {
                let refused = says == No && method != "OPTIONS";
                let expected = if refused { 412 } else { usual };
                check(Case { method, body, headers: &[("if", header)], there, expected, done: !refused }).await;
            }
        }
    }
}

#[tokio::test]
async fn a_header_that_breaks_its_grammar_is_400_on_each_method() {
    for &(method, body, ..) in METHODS.iter().filter(|(method, ..)| *method != "OPTIONS") {
        for header in [("if", "("), ("if", "nonsense"), ("if-match", "\"open"), ("if-none-match", "")] {
            check(Case { method, body, headers: &[header], there: true, expected: 400, done: false }).await;
        }
    }
}

/// RFC 9110 section 13.2.1: a client that would be refused anyway hears why.
#[tokio::test]
async fn a_condition_does_not_hide_what_would_be_refused_without_it() {
    let f = Fixture::new();
    f.store.folder("d");
    f.store.put("file", "x");
    for (method, path, expected) in [
        ("PUT", "/no/parent", 409),
        ("PUT", "/file/below", 409),
        ("MKCOL", "/no/parent", 409),
        ("LOCK", "/no/parent", 409),
        ("PUT", "/d", 405),
        ("MKCOL", "/d", 405),
        ("GET", "/no", 404),
        ("DELETE", "/no/parent", 404),
    ] {
        let body = if method == "LOCK" { LOCK } else { "" };
        assert_eq!(f.status(method, path, &[("if-match", "\"no\"")], body).await, expected, "{method} {path}");
    }
}

/// The same of a lock that stands in the way, on what is changed or on where something is to appear.
#[tokio::test]
async fn a_condition_does_not_hide_a_lock() {
    let f = Fixture::new();
    f.store.folder("d");
    for name in ["locked", "free", "d/a"] {
        f.store.put(name, "x");
    }
    f.lock("bob", "/locked", "0", "exclusive").await;
    f.lock("bob", "/d", "0", "exclusive").await;
    let none = ("if-match", "\"no\"");
    for (method, path, to, body) in [
        ("PUT", "/locked", "", "new"),
        ("DELETE", "/locked", "", ""),
        ("PROPPATCH", "/locked", "", PATCH),
        ("MOVE", "/locked", "/to", ""),
        ("MOVE", "/free", "/locked", ""),
        ("COPY", "/free", "/d/new", ""),
        ("PUT", "/d/new", "", "new"),
        ("MKCOL", "/d/new", "", ""),
        ("DELETE", "/d/a", "", ""),
    ] {
        let headers = [none, ("destination", to)];
        assert_eq!(f.status(method, path, &headers, body).await, 423, "{method} {path} {to}");
    }
    // What the lock does not forbid.
    for (method, path, to, body) in [
        ("PUT", "/d/a", "", "new"),
        ("COPY", "/locked", "/to", ""),
        ("COPY", "/free", "/d/a", ""),
        ("GET", "/locked", "", ""),
    ] {
        let headers = [none, ("destination", to)];
        assert_eq!(f.status(method, path, &headers, body).await, 412, "{method} {path} {to}");
    }
    let mine = f.lock("alice", "/free", "0", "exclusive").await;
    let submitted = format!("({mine})");
    assert_eq!(f.status("PUT", "/free", &[none, ("if", &submitted)], "new").await, 412);
    assert_eq!(f.status("PUT", "/free", &[none], "new").await, 423);
}

/// What a lock forbids, or what is not there, is refused before the body is asked for.
#[tokio::test]
async fn a_lock_is_looked_at_before_the_body() {
    let f = Fixture::new();
    f.store.put("locked", "x");
    f.lock("bob", "/locked", "0", "exclusive").await;
    for (method, path, body, expected) in
        [("PUT", "/locked", "new", 423), ("PROPPATCH", "/locked", PATCH, 423), ("PROPPATCH", "/missing", PATCH, 404)]
    {
        let seen = Arc::new(AtomicBool::new(false));
        let body = Watched { content: Some(Bytes::from_static(body.as_bytes())), seen: Arc::clone(&seen) };
        let request = Request::builder().method(method).uri(path).body(body).unwrap();
        assert_eq!(f.raw("alice", request).await.status(), expected, "{method} {path}");
        assert!(!seen.load(Ordering::SeqCst), "{method} {path}: the body was looked at");
    }
}

/// The page of a folder shows what changes without the folder's own time.
#[tokio::test]
async fn the_page_of_a_folder_has_no_date_and_is_never_304_by_one() {
    let f = Fixture::new();
    f.store.folder("d");
    f.store.put("d/file", "x");
    let since = ("if-modified-since", "Fri, 31 Dec 9999 23:59:59 GMT");
    for method in ["GET", "HEAD"] {
        let reply = f.send(method, "/d/", &[since], "").await;
        assert_eq!((reply.status.as_u16(), reply.header("last-modified")), (200, ""), "{method}");
    }
}

/// A range never counts on HEAD, and what HEAD says is what GET says.
#[tokio::test]
async fn head_says_what_get_says() {
    let f = Fixture::new();
    f.store.put("a.txt", "0123456789");
    f.store.put("page.html", "<b>");
    f.store.put("empty", "");
    f.store.folder("d");
    for path in ["/a.txt", "/page.html", "/empty", "/d", "/d/", "/"] {
        let get = f.send("GET", path, &[], "").await;
        for range in ["", "bytes=2-3", "bytes=99-"] {
            let headers: &[(&str, &str)] = if range.is_empty() { &[] } else { &[("range", range)] };
            let mut head = f.send("HEAD", path, headers, "").await;
            assert_eq!((head.status, head.text()), (get.status, ""), "{path} {range}");
            // What is made for a GET has no length before (section 9.3.2).
            if let Some(length) =
                get.headers.get("content-length").filter(|_| path.ends_with('d') || path.ends_with('/'))
            {
                head.headers.entry("content-length").or_insert(length.clone());
            }
            assert_eq!(head.headers, get.headers, "{path} {range}");
        }
    }
}

#[tokio::test]
async fn an_expectation_that_nobody_meets_is_417() {
    let f = Fixture::new();
    for (value, expected) in
        [("100-continue", 201), ("100-Continue", 204), ("", 204), ("100-continue, x=1", 417), ("200-ok", 417)]
    {
        assert_eq!(f.status("PUT", "/a", &[("expect", value)], "x").await, expected, "{value:?}");
    }
}
