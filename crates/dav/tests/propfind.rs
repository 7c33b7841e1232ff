//! What a PROPFIND may ask, and the XML that it gets.

#![allow(clippy::unwrap_used, clippy::expect_used, missing_docs)]

mod support;

use davmux_driver::ErrorKind;
use http::Request;
use http_body_util::BodyExt;
use proptest::prelude::*;
use support::{Fixture, elements};

fn fixture() -> Fixture {
    let f = Fixture::new();
    f.store.folder("d");
    f.store.put("d/a", "12345");
    f
}

async fn ask(f: &Fixture, url: &str, depth: &str, inner: &str) -> String {
    let body = format!("<D:propfind xmlns:D='DAV:' xmlns:e='urn:e'>{inner}</D:propfind>");
    let reply = f.send("PROPFIND", url, &[("depth", depth)], &body).await;
    assert_eq!(reply.status, 207, "{inner}");
    reply.text().to_owned()
}

#[tokio::test]
async fn everything_and_more_is_told_to_who_asks_for_it() {
    let f = fixture();
    let all = ask(&f, "/d/a", "0", "<D:allprop/>").await;
    assert_eq!(all, f.send("PROPFIND", "/d/a", &[("depth", "0")], "").await.text(), "no body asks for everything");
    assert!(!all.contains("404"), "nobody is told of what they did not name: {all}");
    assert!(!all.contains("quota"));
    let more = ask(&f, "/d", "0", "<D:allprop/><D:include><D:quota-used-bytes/><e:none/></D:include>").await;
    assert!(more.contains("<D:quota-used-bytes>123</D:quota-used-bytes>"), "{more}");
    assert!(more.contains("<D:resourcetype><D:collection/></D:resourcetype>"), "{more}");
    assert_eq!(more, ask(&f, "/d", "0", "<D:include><D:quota-used-bytes/><e:none/></D:include><D:allprop/>").await);
}

#[tokio::test]
async fn only_what_was_asked_for_is_told_in_one_line_an_entry() {
    let f = fixture();
    let text = ask(&f, "/d", "1", "<D:prop><D:resourcetype/><D:getcontentlength/></D:prop>").await;
    assert_eq!(
        text,
        "<?xml version=\"1.0\" encoding=\"utf-8\"?>\n<D:multistatus xmlns:D=\"DAV:\">\n\
         <D:response><D:href>/d/</D:href><D:propstat><D:prop><D:resourcetype><D:collection/></D:resourcetype></D:prop>\
         <D:status>HTTP/1.1 200 OK</D:status></D:propstat><D:propstat><D:prop><D:getcontentlength/></D:prop>\
         <D:status>HTTP/1.1 404 Not Found</D:status></D:propstat></D:response>\n\
         <D:response><D:href>/d/a</D:href><D:propstat><D:prop><D:resourcetype></D:resourcetype>\
         <D:getcontentlength>5</D:getcontentlength></D:prop><D:status>HTTP/1.1 200 OK</D:status></D:propstat></D:response>\n\
         </D:multistatus>\n"
    );
}

#[tokio::test]
async fn each_element_says_its_namespace_by_a_prefix() {
    let f = fixture();
    f.lock("alice", "/d/a", "0", "exclusive").await;
    for inner in ["<D:allprop/>", "<D:propname/>", "<D:prop><D:lockdiscovery/><e:x/><D:nothing/></D:prop>"] {
        let text = ask(&f, "/d", "1", inner).await;
        assert!(!text.contains("xmlns=\"DAV:\""), "Explorer passes over a default namespace: {text}");
        for (name, _) in elements(&text) {
            assert!(name.starts_with("D:") || name.starts_with("x:"), "{name}");
        }
    }
}

#[tokio::test]
async fn a_body_asks_for_one_thing_and_in_well_formed_xml() {
    let f = fixture();
    let wrap = |inner: &str| format!("<D:propfind xmlns:D='DAV:'>{inner}</D:propfind>");
    for body in [
        wrap(""),
        wrap("<D:allprop/><D:propname/>"),
        wrap("<D:prop/><D:allprop/>"),
        wrap("<D:prop><D:getetag/></D:prop><D:prop/>"),
        wrap("<allprop/>"),
        wrap("<D:allprop>"),
        wrap("<D:allprop/>&other;"),
        wrap("<D:allprop/>&#0;"),
        wrap("<D:allprop/>\u{1}"),
        wrap("<Q:allprop/>"),
        wrap("<D:allprop/>") + "x",
        wrap("<D:allprop/>") + "<a/>",
        "<!DOCTYPE a SYSTEM 'http://127.0.0.1/a.dtd'>".to_owned() + &wrap("<D:allprop/>"),
        "<!DOCTYPE a [<!ENTITY b SYSTEM 'file:///etc/passwd'>]>".to_owned() + &wrap("<D:prop><a>&b;</a></D:prop>"),
        "<D:propertyupdate xmlns:D='DAV:'/>".to_owned(),
        "<propfind/>".to_owned(),
        "{\"a\": 1}".to_owned(),
        "<".repeat(1000),
        format!("{}{}", "<a>".repeat(5000), "</a>".repeat(5000)),
    ] {
        assert_eq!(f.status("PROPFIND", "/d", &[("depth", "0")], &body).await, 400, "{body:.80}");
    }
    let long = wrap(&format!("<D:prop>{}</D:prop>", "<D:getetag/>".repeat(6000)));
    assert_eq!(f.status("PROPFIND", "/d", &[("depth", "0")], &long).await, 413);
}

#[tokio::test]
async fn a_folder_is_not_listed_without_end_and_a_file_has_none() {
    let f = fixture();
    for depth in ["infinity", "Infinity"] {
        for url in ["/", "/d", "/d/"] {
            let reply = f.send("PROPFIND", url, &[("depth", depth)], "").await;
            assert_eq!(reply.status, 403, "{url}");
            assert!(reply.text().contains("<D:error xmlns:D=\"DAV:\"><D:propfind-finite-depth/></D:error>"));
        }
        assert_eq!(f.status("PROPFIND", "/d/a", &[("depth", depth)], "").await, 207);
        assert_eq!(f.status("PROPFIND", "/none", &[("depth", depth)], "").await, 404);
    }
    for headers in [
        &[("depth", "2")][..],
        &[("depth", "-1")],
        &[("depth", "")],
        &[("depth", "0, 1")],
        &[("depth", "1"), ("depth", "1")],
    ] {
        for url in ["/d", "/d/a", "/"] {
            assert_eq!(f.status("PROPFIND", url, headers, "").await, 400, "{url} {headers:?}");
        }
    }
}

/// As webdav4 asks whether something is there, and what it is (skshetry/webdav4#178).
#[tokio::test]
async fn who_names_no_depth_means_the_resource_alone() {
    let f = fixture();
    for (url, href) in [("/d", "/d/"), ("/d/a", "/d/a"), ("/", "/")] {
        let reply = f.send("PROPFIND", url, &[], "").await;
        assert_eq!(reply.status, 207);
        assert_eq!(reply.text(), f.send("PROPFIND", url, &[("depth", "0")], "").await.text());
        assert!(reply.text().contains(&format!("<D:href>{href}</D:href>")));
    }
    assert_eq!(f.status("PROPFIND", "/none", &[], "").await, 404);
}

#[tokio::test]
async fn a_client_that_prefers_less_gets_less_and_is_told_so() {
    let f = fixture();
    let body = "<D:propfind xmlns:D='DAV:'><D:prop><D:getcontentlength/></D:prop></D:propfind>";
    let reply = f.send("PROPFIND", "/d", &[("depth", "1"), ("prefer", "return=minimal, depth-noroot")], body).await;
    let applied: Vec<_> = reply.headers.get_all("preference-applied").iter().collect();
    assert_eq!(applied, ["return=minimal", "depth-noroot"]);
    let all = elements(reply.text());
    let hrefs: Vec<_> = all.iter().filter(|(name, _)| name == "D:href").map(|(_, text)| text.as_str()).collect();
    assert_eq!(hrefs, ["/d/a"]);
    let reply = f.send("PROPFIND", "/d", &[("depth", "0"), ("prefer", "return=minimal, depth-noroot")], body).await;
    assert!(reply.text().contains("<D:href>/d/</D:href><D:propstat><D:prop></D:prop><D:status>HTTP/1.1 200 OK"));
    let reply = f.send("PROPFIND", "/d", &[("depth", "1,noroot")], body).await;
    assert_eq!(elements(reply.text()).iter().filter(|(name, _)| name == "D:href").count(), 1);
    let reply = f.send("PROPFIND", "/d", &[("depth", "1")], body).await;
    assert!(reply.headers.get("preference-applied").is_none());
    assert_eq!(reply.text().matches("<D:response>").count(), 2);
}

/// Promise 1, and that a large folder is not put together before it is sent.
#[tokio::test]
async fn the_first_page_is_sent_before_the_second_is_there() {
    let f = fixture();
    for name in ["d/b", "d/c", "d/d"] {
        f.store.put(name, "x");
    }
    f.store.fail("list-late", Some(ErrorKind::Timeout));
    let request = Request::builder().method("PROPFIND").uri("/d").header("depth", "1");
    let request = request.body(http_body_util::Empty::<bytes::Bytes>::new()).unwrap();
    let response = f.raw("alice", request).await;
    assert_eq!(response.status(), 207);
    let mut body = response.into_body();
    let first = body.frame().await.unwrap().unwrap().into_data().unwrap();
    let text = std::str::from_utf8(&first).unwrap();
    assert_eq!(text.matches("<D:response>").count(), 3, "the folder and a page: {text}");
    assert!(body.frame().await.unwrap().is_err(), "and then the error, not an end");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]
    #[test]
    fn whatever_is_asked_the_answer_is_xml_or_a_refusal(
        body in "(<D:propfind xmlns:D=\"DAV:\">|</D:propfind>|<D:prop>|</D:prop>|<D:allprop/>|<D:propname/>|<D:include>|\
                 </D:include>|<D:getetag/>|<D:x/>|<é xmlns=\"urn:&quot;\"/>|&amp;|&x;|&#x41;|<!--c-->|<!DOCTYPE a>|<\\?p i\\?>| |<|>|\u{1}){0,10}",
        ending: bool,
    ) {
        let body = if ending { format!("<D:propfind xmlns:D=\"DAV:\"><D:prop>{body}</D:prop></D:propfind>") } else { body };
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        runtime.block_on(async {
            let f = fixture();
            let reply = f.send("PROPFIND", "/d", &[("depth", "1")], &body).await;
            match reply.status.as_u16() {
                207 => assert_eq!(elements(reply.text())[0].0, "D:multistatus"),
                status => assert_eq!(status, 400, "{body}"),
            }
        });
    }
}
