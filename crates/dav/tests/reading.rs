//! OPTIONS, PROPFIND, GET and HEAD on a tree.

#![allow(clippy::unwrap_used, clippy::expect_used, missing_docs)]

mod support;

use davmux_driver::ErrorKind;
use support::Fixture;

const PLAYER: (&str, &str) = ("user-agent", "Kodi/21.0 (X11; Linux x86_64)");

#[tokio::test]
async fn options_is_constant_and_asks_no_storage() {
    let f = Fixture::new();
    f.store.fail("stat", Some(ErrorKind::Unavailable));
    for path in ["/", "/missing", "/a%2Fb"] {
        let reply = f.as_user("", "OPTIONS", path, &[], "").await;
        assert_eq!(reply.status.as_u16(), 200);
        assert_eq!((reply.header("dav"), reply.header("ms-author-via")), ("1, 2", "DAV"));
        assert_eq!((reply.header("accept-ranges"), reply.header("content-length")), ("bytes", "0"));
        assert!(reply.header("allow").split(", ").all(|method| method != "PATCH"));
    }
}

#[tokio::test]
async fn methods_that_are_not_done_say_so() {
    let f = Fixture::new();
    let reply = f.send("PATCH", "/", &[], "").await;
    assert_eq!(reply.status.as_u16(), 405);
    assert!(reply.header("allow").contains("PROPFIND"));
    assert_eq!(f.status("BREW", "/", &[], "").await, 501);
}

#[tokio::test]
async fn a_path_that_could_climb_is_400_on_every_method() {
    let f = Fixture::new();
    for path in ["/a/../b", "/%2e%2e/b", "/a//b", "/a%2Fb", "/%00", "/%ff", "/%zz"] {
        for method in ["GET", "HEAD", "PROPFIND", "PUT", "MKCOL", "DELETE", "LOCK"] {
            assert_eq!(f.status(method, path, &[("depth", "0")], "").await, 400, "{method} {path}");
        }
    }
}

#[tokio::test]
async fn a_folder_is_listed_with_itself_first() {
    let f = Fixture::new();
    f.store.folder("a b");
    f.store.put("a b/x&y.txt", "12345");
    f.store.folder("a b/ü");
    for path in ["/a%20b", "/a%20b/"] {
        let reply = f.send("PROPFIND", path, &[("depth", "1")], "").await;
        assert_eq!(reply.status.as_u16(), 207);
        let text = reply.text();
        let hrefs: Vec<&str> =
            text.split("<D:response><D:href>").skip(1).map(|rest| rest.split('<').next().unwrap()).collect();
        assert_eq!(hrefs, ["/a%20b/", "/a%20b/x%26y.txt", "/a%20b/%C3%BC/"]);
        assert!(text.contains("<D:displayname>x&amp;y.txt</D:displayname>"));
        assert!(text.contains("<D:getcontentlength>5</D:getcontentlength>"));
        assert!(text.contains("<D:getetag>\"v1\"</D:getetag>"));
        assert!(text.contains("<D:getlastmodified>Sun, 09 Sep 2001 01:47:40 GMT</D:getlastmodified>"));
        assert!(text.contains("<D:creationdate>2001-09-09T01:47:40Z</D:creationdate>"));
        assert!(text.contains("<D:status>HTTP/1.1 200 OK</D:status>"));
        assert!(!text.contains("quota"), "quotas only when asked");
        assert!(text.ends_with("</D:multistatus>\n"));
    }
}

#[tokio::test]
async fn depth_zero_is_the_target_alone_and_infinity_is_refused() {
    let f = Fixture::new();
    f.store.put("a", "x");
    let reply = f.send("PROPFIND", "/", &[("depth", "0")], "").await;
    assert_eq!(reply.text().matches("<D:response>").count(), 1);
    let reply = f.send("PROPFIND", "/", &[("depth", "infinity")], "").await;
    assert_eq!(reply.status.as_u16(), 403);
    assert!(reply.text().contains("<D:propfind-finite-depth/>"));
    assert_eq!(f.status("PROPFIND", "/", &[("depth", "2")], "").await, 400);
    let reply = f.send("PROPFIND", "/a", &[("depth", "1")], "").await;
    assert_eq!(reply.text().matches("<D:response>").count(), 1, "a file has no members");
}

#[tokio::test]
async fn what_is_not_there_stands_in_a_propstat_of_its_own() {
    let f = Fixture::new();
    f.store.put("a", "x");
    let body = "<propfind xmlns='DAV:'><prop><getetag/><quota-used-bytes/><e:color xmlns:e='urn:e'/></prop></propfind>";
    let reply = f.send("PROPFIND", "/a", &[("depth", "0")], body).await;
    let (found, missing) = reply.text().split_once("200 OK").unwrap();
    assert!(found.contains("<D:getetag>\"v0\"</D:getetag>") && !found.contains("color"));
    assert!(missing.contains("<D:quota-used-bytes/><x:color xmlns:x=\"urn:e\"/></D:prop>"), "{missing}");
    assert!(missing.contains("HTTP/1.1 404 Not Found"));
    for minimal in [("brief", "t"), ("prefer", "return=minimal")] {
        let reply = f.send("PROPFIND", "/a", &[("depth", "0"), minimal], body).await;
        assert!(reply.text().contains("getetag") && !reply.text().contains("404"));
    }
    let only = "<propfind xmlns='DAV:'><prop><e:color xmlns:e='urn:e'/></prop></propfind>";
    let reply = f.send("PROPFIND", "/a", &[("depth", "0")], only).await;
    assert!(!reply.text().contains("200 OK"), "{}", reply.text());
}

#[tokio::test]
async fn quotas_and_names_are_told_to_who_asks() {
    let f = Fixture::new();
    let body = "<propfind xmlns='DAV:'><prop><quota-used-bytes/><quota-available-bytes/></prop></propfind>";
    let reply = f.send("PROPFIND", "/", &[("depth", "0")], body).await;
    assert!(reply.text().contains("<D:quota-used-bytes>123</D:quota-used-bytes><D:quota-available-bytes>456<"));
    let names = "<propfind xmlns='DAV:'><propname/></propfind>";
    let reply = f.send("PROPFIND", "/", &[("depth", "0")], names).await;
    assert!(reply.text().contains("<D:resourcetype/>") && !reply.text().contains("collection"));
}

#[tokio::test]
async fn a_body_that_is_no_propfind_is_refused() {
    let f = Fixture::new();
    for bad in ["<", "<a/>", "<!DOCTYPE a [<!ENTITY b 'c'>]><propfind xmlns='DAV:'><allprop/></propfind>"] {
        assert_eq!(f.status("PROPFIND", "/", &[("depth", "0")], bad).await, 400);
    }
    let long = format!("<propfind xmlns='DAV:'><allprop/>{}</propfind>", " ".repeat(70_000));
    assert_eq!(f.status("PROPFIND", "/", &[("depth", "0")], &long).await, 413);
}

/// Promise 1.
#[tokio::test]
async fn a_listing_that_fails_after_its_first_page_cuts_the_body() {
    let f = Fixture::new();
    for name in ["a", "b", "c", "d"] {
        f.store.put(name, "x");
    }
    f.store.fail("list-late", Some(ErrorKind::Unavailable));
    let reply = f.send("PROPFIND", "/", &[("depth", "1")], "").await;
    assert!(reply.body.is_err(), "a shorter listing looked whole: {:?}", reply.body);
    // A page for people is put together first, so it is a status.
    let reply = f.send("GET", "/", &[], "").await;
    assert_eq!(reply.status.as_u16(), 503);
    f.store.fail("list-late", None);
    assert!(f.send("PROPFIND", "/", &[("depth", "1")], "").await.text().ends_with("</D:multistatus>\n"));
}

/// Promise 2.
#[tokio::test]
async fn only_what_the_storage_said_is_404() {
    let f = Fixture::new();
    for method in ["GET", "HEAD", "PROPFIND"] {
        assert_eq!(f.status(method, "/missing", &[("depth", "0")], "").await, 404, "{method}");
    }
    for (kind, expected) in [
        (ErrorKind::Unavailable, 503),
        (ErrorKind::Timeout, 504),
        (ErrorKind::Backend, 502),
        (ErrorKind::Denied, 403),
        (ErrorKind::Throttled { retry_after: None }, 503),
    ] {
        for op in ["stat", "read", "list"] {
            f.store.fail(op, Some(kind));
        }
        for (method, path, headers) in [
            ("GET", "/missing", &[][..]),
            ("GET", "/missing/", &[]),
            ("GET", "/missing", &[("if-none-match", "\"x\"")]),
            ("HEAD", "/missing", &[]),
            ("PROPFIND", "/missing", &[("depth", "0")]),
            ("PROPFIND", "/missing", &[("depth", "1")]),
            ("PUT", "/missing", &[("if-none-match", "*")]),
            ("LOCK", "/missing", &[]),
        ] {
            let body = if method == "LOCK" {
                "<lockinfo xmlns='DAV:'><lockscope><exclusive/></lockscope><locktype><write/></locktype></lockinfo>"
            } else {
                ""
            };
            assert_eq!(f.status(method, path, headers, body).await, expected, "{method} {path} {kind:?}");
        }
    }
    assert!(!f.store.has("missing"));
}

#[tokio::test]
async fn errors_tell_nothing_of_the_inside() {
    let f = Fixture::new();
    f.store.fail("stat", Some(ErrorKind::Unavailable));
    let reply = f.send("PROPFIND", "/missing", &[("depth", "0")], "").await;
    assert_eq!(reply.text(), "the storage is out of reach; try again later\n");
}

#[tokio::test]
async fn a_file_is_relayed_with_all_that_describes_it() {
    let f = Fixture::new();
    f.store.put("a.html", "hello");
    let get = f.send("GET", "/a.html", &[], "").await;
    assert_eq!((get.status.as_u16(), get.text(), get.redirect), (200, "hello", Some(false)));
    assert_eq!((get.header("content-length"), get.header("etag")), ("5", "\"v0\""));
    assert_eq!(get.header("last-modified"), "Sun, 09 Sep 2001 01:46:40 GMT");
    assert_eq!((get.header("content-type"), get.header("accept-ranges")), ("text/html", "bytes"));
    assert_eq!((get.header("content-security-policy"), get.header("x-content-type-options")), ("sandbox", "nosniff"));
    let head = f.send("HEAD", "/a.html/", &[], "").await;
    for name in ["content-length", "etag", "last-modified", "content-type"] {
        assert_eq!(head.header(name), get.header(name), "{name}");
    }
    assert_eq!(head.text(), "");
    assert_eq!(f.send("GET", "/a.html/", &[], "").await.text(), "hello", "also with a slash");
}

#[tokio::test]
async fn one_range_is_206_and_anything_odd_the_whole() {
    let f = Fixture::new();
    f.store.put("a", "0123456789");
    f.store.put("empty", "");
    for (range, status, text, told) in [
        ("bytes=2-4", 206, "234", "bytes 2-4/10"),
        ("bytes=0-", 206, "0123456789", "bytes 0-9/10"),
        ("bytes=-3", 206, "789", "bytes 7-9/10"),
        ("bytes=8-99", 206, "89", "bytes 8-9/10"),
        ("bytes=0-1,4-5", 200, "0123456789", ""),
        ("bytes=5-2", 200, "0123456789", ""),
        ("lines=1-2", 200, "0123456789", ""),
    ] {
        let reply = f.send("GET", "/a", &[("range", range)], "").await;
        assert_eq!(
            (reply.status.as_u16(), reply.text(), reply.header("content-range")),
            (status, text, told),
            "{range}"
        );
        assert_eq!(reply.header("content-length"), text.len().to_string());
    }
    let reply = f.send("GET", "/a", &[("range", "bytes=10-")], "").await;
    assert_eq!((reply.status.as_u16(), reply.header("content-range")), (416, "bytes */10"));
    assert_eq!(f.status("GET", "/empty", &[("range", "bytes=0-")], "").await, 200);
    let many = format!("bytes={}", "0-9,".repeat(200));
    assert_eq!(f.send("GET", "/a", &[("range", &many)], "").await.text().len(), 10);
}

#[tokio::test]
async fn a_range_counts_only_for_its_version() {
    let f = Fixture::new();
    f.store.put("a", "0123456789");
    for (if_range, status) in [
        ("\"v0\"", 206),
        ("\"old\"", 200),
        ("Sun, 09 Sep 2001 01:46:40 GMT", 206),
        ("Sun, 09 Sep 2001 01:46:39 GMT", 200),
    ] {
        assert_eq!(
            f.status("GET", "/a", &[("range", "bytes=2-"), ("if-range", if_range)], "").await,
            status,
            "{if_range}"
        );
    }
}

#[tokio::test]
async fn a_client_that_has_it_gets_304() {
    let f = Fixture::new();
    f.store.put("a", "x");
    for method in ["GET", "HEAD"] {
        for condition in [("if-none-match", "\"v0\""), ("if-modified-since", "Sun, 09 Sep 2001 01:46:40 GMT")] {
            let reply = f.send(method, "/a", &[condition], "").await;
            assert_eq!((reply.status.as_u16(), reply.header("etag")), (304, "\"v0\""));
        }
        assert_eq!(f.status(method, "/a", &[("if-match", "\"old\"")], "").await, 412);
        assert_eq!(f.status(method, "/a", &[("if-none-match", "\"old\"")], "").await, 200);
    }
    assert_eq!(f.status("GET", "/missing", &[("if-none-match", "\"v0\"")], "").await, 404);
}

/// Promise 6.
#[tokio::test]
async fn only_the_get_of_a_file_is_redirected_and_after_its_conditions() {
    let f = Fixture::new();
    f.store.offer_links("bucket.example.com");
    f.store.put("film.mkv", vec![0; 300 * 1024]);
    let reply = f.send("GET", "/film.mkv", &[PLAYER], "").await;
    assert_eq!((reply.status.as_u16(), reply.redirect), (302, Some(true)));
    assert_eq!(reply.header("location"), "https://bucket.example.com/film.mkv?signature=secret");
    assert_eq!((reply.header("cache-control"), reply.header("referrer-policy")), ("no-store", "no-referrer"));
    assert_eq!((reply.header("content-length"), reply.text()), ("0", ""));
    let head = f.send("HEAD", "/film.mkv", &[PLAYER], "").await;
    assert_eq!((head.status.as_u16(), head.header("content-length")), (200, "307200"));
    assert_eq!(f.status("PROPFIND", "/film.mkv", &[PLAYER, ("depth", "0")], "").await, 207);
    assert_eq!(f.status("GET", "/film.mkv", &[PLAYER, ("if-none-match", "\"v0\"")], "").await, 304);
    assert_eq!(f.status("GET", "/film.mkv", &[PLAYER, ("if-match", "\"old\"")], "").await, 412);
    assert_eq!(f.status("GET", "/film.mkv?redirect=0", &[PLAYER], "").await, 200);
    assert_eq!(f.status("GET", "/film.mkv", &[("user-agent", "unknown")], "").await, 200);
}

/// Promise 7.
#[tokio::test]
async fn a_relay_that_breaks_off_is_an_error_and_not_a_short_file() {
    let f = Fixture::new();
    f.store.put("a", "0123456789");
    f.store.cut_reads_after(4);
    let reply = f.send("GET", "/a", &[], "").await;
    assert_eq!(reply.header("content-length"), "10");
    assert!(reply.body.is_err());
}

#[tokio::test]
async fn a_browser_sees_a_folder_as_an_escaped_page() {
    let f = Fixture::new();
    f.store.folder("d");
    f.store.put("d/<script>.txt", "x");
    f.store.folder("d/sub");
    for path in ["/d", "/d/"] {
        let reply = f.send("GET", path, &[], "").await;
        assert_eq!(reply.status.as_u16(), 200);
        assert!(reply.header("content-security-policy").starts_with("default-src 'none'"));
        let text = reply.text();
        assert!(!text.contains("<script>"));
        assert!(text.contains("<a href=\"/d/%3Cscript%3E.txt\">&lt;script&gt;.txt</a>"), "{text}");
        assert!(text.find("/d/sub/").unwrap() < text.find("%3Cscript").unwrap(), "folders first");
    }
    assert_eq!(f.status("HEAD", "/d", &[], "").await, 200);
}

#[tokio::test]
async fn a_tree_at_a_base_path_is_found_from_above() {
    let f = Fixture::at("/x/dav");
    f.store.put("a", "1");
    let reply = f.send("PROPFIND", "/x/dav/", &[("depth", "1")], "").await;
    assert!(reply.text().contains(">/x/dav/<") && reply.text().contains(">/x/dav/a<"));
    let reply = f.send("PROPFIND", "/", &[("depth", "1")], "").await;
    assert!(reply.text().contains(">/<") && reply.text().contains(">/x/<"), "{}", reply.text());
    assert_eq!(f.send("GET", "/x/dav/a", &[], "").await.text(), "1");
    for path in ["/a", "/x/other"] {
        assert_eq!(f.status("GET", path, &[], "").await, 404);
    }
    let reply = f.send("GET", "/x", &[], "").await;
    assert!(reply.text().contains("<a href=\"/x/dav/\">dav</a>"), "{}", reply.text());
    assert_eq!(f.status("HEAD", "/", &[], "").await, 200);
    for method in ["PUT", "DELETE", "MKCOL", "MOVE", "COPY", "PROPPATCH", "LOCK"] {
        for path in ["/", "/x"] {
            assert_eq!(f.status(method, path, &[("destination", "/x/dav/b")], "").await, 403, "{method} {path}");
        }
    }
    assert!(f.store.has("a") && !f.store.has("b"));
}

/// No wall clock: the size of the answer and that it is whole is what counts here.
#[tokio::test]
async fn a_large_folder_comes_page_by_page() {
    let f = Fixture::new();
    for n in 0..3000 {
        f.store.put(&format!("file-{n:05}"), "x");
    }
    let reply = f.send("PROPFIND", "/", &[("depth", "1")], "").await;
    assert_eq!(reply.text().matches("<D:response>").count(), 3001);
}
