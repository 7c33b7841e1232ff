//! Dead properties: kept as they came, shown, and taken along.

#![allow(clippy::unwrap_used, clippy::expect_used, missing_docs)]

mod support;

use std::fmt::Write;

use davmux_driver::ErrorKind;
use support::Fixture;

fn update(inner: &str) -> String {
    format!("<D:propertyupdate xmlns:D='DAV:' xmlns:e='urn:e'>{inner}</D:propertyupdate>")
}

fn set(properties: &str) -> String {
    update(&format!("<D:set><D:prop>{properties}</D:prop></D:set>"))
}

async fn keep(f: &Fixture, path: &str, properties: &str) {
    let reply = f.send("PROPPATCH", path, &[], &set(properties)).await;
    assert!(reply.status == 207 && reply.text().contains("200 OK"), "{} {}", reply.status, reply.text());
}

async fn find(f: &Fixture, path: &str, depth: &str, inner: &str) -> String {
    let body = format!("<D:propfind xmlns:D='DAV:' xmlns:e='urn:e'>{inner}</D:propfind>");
    let reply = f.send("PROPFIND", path, &[("depth", depth)], &body).await;
    assert_eq!(reply.status, 207);
    reply.text().to_owned()
}

async fn color(f: &Fixture, path: &str) -> Option<String> {
    let text = find(f, path, "0", "<D:prop><e:color/></D:prop>").await;
    let value =
        text.split_once("<x:color xmlns:x=\"urn:e\">").map(|(_, rest)| rest.split_once('<').unwrap().0.to_owned());
    assert_eq!(value.is_none(), text.contains("404 Not Found"), "{text}");
    value
}

#[tokio::test]
async fn a_value_comes_back_with_all_that_it_holds() {
    let f = Fixture::new();
    f.store.put("a", "x");
    let cases = [
        ("<e:p/>", "<x:p xmlns:x=\"urn:e\"/>"),
        ("<e:p>&lt;\u{10000}&amp; é</e:p>", "<x:p xmlns:x=\"urn:e\">&lt;\u{10000}&amp; é</x:p>"),
        ("<p xmlns='' xml:lang='de'> a </p>", "<p xml:lang=\"de\"> a </p>"),
        (
            "<e:p>1<e:q r='&quot;' e:s=''>2</e:q>3<t xmlns='urn:t'/><D:href/></e:p>",
            "<x:p xmlns:x=\"urn:e\">1<e:q xmlns:e=\"urn:e\" r=\"&quot;\" e:s=\"\">2</e:q>3<t xmlns=\"urn:t\"/>\
             <D:href xmlns:D=\"DAV:\"/></x:p>",
        ),
        ("<D:p>own</D:p>", "<D:p>own</D:p>"),
    ];
    for (sent, kept) in cases {
        keep(&f, "/a", sent).await;
        let name = if sent.starts_with("<p") { "<p/>" } else { &sent.replace('>', "/>")[..3] };
        let asked =
            format!("<D:prop>{}</D:prop>", if name.ends_with("/>") { name.to_owned() } else { format!("{name}p/>") });
        let text = find(&f, "/a", "0", &asked).await;
        assert!(text.contains(&format!("<D:prop>{kept}</D:prop><D:status>HTTP/1.1 200 OK")), "{sent} {text}");
    }
    // The language of an element around it.
    let body = update("<D:set xml:lang='fr'><D:prop><e:l>oui</e:l><e:m xml:lang=''>-</e:m></D:prop></D:set>");
    assert_eq!(f.status("PROPPATCH", "/a", &[], &body).await, 207);
    let text = find(&f, "/a", "0", "<D:prop><e:l/><e:m/></D:prop>").await;
    assert!(text.contains("<x:l xmlns:x=\"urn:e\" xml:lang=\"fr\">oui</x:l><x:m xmlns:x=\"urn:e\">-</x:m>"), "{text}");
}

#[tokio::test]
async fn each_form_of_propfind_shows_them_where_they_are() {
    let f = Fixture::new();
    for name in ["d/a", "d/ab", "d/b"] {
        f.store.put(name, "x");
    }
    f.store.folder("d");
    keep(&f, "/d", "<e:color>black</e:color>").await;
    keep(&f, "/d/a", "<e:color>red</e:color><e:size>1</e:size>").await;
    for (asked, expected) in [
        ("<D:allprop/>", [("/d/", true, true), ("/d/a", true, true), ("/d/ab", false, false), ("/d/b", false, false)]),
        ("<D:propname/>", [("/d/", true, true), ("/d/a", true, true), ("/d/ab", false, false), ("/d/b", false, false)]),
        (
            "<D:prop><e:color/></D:prop>",
            [("/d/", true, true), ("/d/a", true, true), ("/d/ab", true, false), ("/d/b", true, false)],
        ),
    ] {
        let text = find(&f, "/d", "1", asked).await;
        let responses: Vec<&str> = text.split("<D:response>").skip(1).collect();
        assert_eq!(responses.len(), 4);
        for (href, named, there) in expected {
            let response = responses.iter().find(|r| r.contains(&format!("<D:href>{href}</D:href>"))).unwrap();
            assert_eq!(response.contains("<x:color"), named, "{asked} {response}");
            let found = response.split("<D:propstat>").any(|p| p.contains("<x:color") && p.contains("200 OK"));
            assert_eq!(found, there, "{asked} {response}");
            assert_eq!(response.contains("<x:size"), href == "/d/a" && !asked.contains("color"), "{asked} {response}");
        }
        assert_eq!(text.contains("red"), !asked.contains("propname"), "{text}");
    }
    let text = find(&f, "/d/a", "0", "<D:prop><e:size/><e:none/><D:getcontentlength/></D:prop>").await;
    let (there, missing) = text.split_once("200 OK").unwrap();
    assert!(there.contains("<x:size xmlns:x=\"urn:e\">1</x:size>") && there.contains("getcontentlength"), "{text}");
    assert!(missing.contains("<x:none xmlns:x=\"urn:e\"/>") && !missing.contains("size"), "{text}");
}

#[tokio::test]
async fn changes_are_done_in_their_order_and_all_or_none() {
    let f = Fixture::new();
    f.store.put("a", "x");
    keep(&f, "/a", "<e:color>red</e:color>").await;
    let protected = "<D:set><D:prop><D:getetag>x</D:getetag></D:prop></D:set>";
    let remove = "<D:remove><D:prop><e:color/></D:prop></D:remove>";
    let reply = f.send("PROPPATCH", "/a", &[], &update(&format!("{remove}{protected}"))).await;
    assert!(reply.text().contains("424") && reply.text().contains("403"), "{}", reply.text());
    assert_eq!(color(&f, "/a").await.as_deref(), Some("red"));
    // A time that cannot be set keeps the others from being set, and the other way round.
    let time = "<D:set><D:prop><D:lastmodified>784111777</D:lastmodified></D:prop></D:set>";
    f.store.fail("set_modified", Some(ErrorKind::Denied));
    assert_eq!(f.status("PROPPATCH", "/a", &[], &update(&format!("{remove}{time}"))).await, 403);
    assert_eq!(color(&f, "/a").await.as_deref(), Some("red"));
    f.store.fail("set_modified", None);
    let again = "<D:set><D:prop><e:color>blue</e:color></D:prop></D:set>";
    assert_eq!(f.status("PROPPATCH", "/a", &[], &update(&format!("{remove}{again}"))).await, 207);
    assert_eq!(color(&f, "/a").await.as_deref(), Some("blue"));
    assert_eq!(f.status("PROPPATCH", "/a", &[], &update(&format!("{again}{remove}"))).await, 207);
    assert_eq!(color(&f, "/a").await, None);
}

#[tokio::test]
async fn too_long_and_too_many_are_507_and_change_nothing() {
    let f = Fixture::new();
    f.store.put("a", "x");
    let before = f.send("HEAD", "/a", &[], "").await.header("last-modified").to_owned();
    let long = format!("<e:color>red</e:color><e:long>{}</e:long>", "x".repeat(64 * 1024 + 1));
    let reply = f.send("PROPPATCH", "/a", &[], &set(&long)).await;
    assert!(reply.text().contains("<x:long xmlns:x=\"urn:e\"/></D:prop><D:status>HTTP/1.1 507"), "{}", reply.text());
    assert!(reply.text().contains("<x:color xmlns:x=\"urn:e\"/></D:prop><D:status>HTTP/1.1 424"), "{}", reply.text());
    assert_eq!(color(&f, "/a").await, None);
    keep(&f, "/a", &format!("<e:long>{}</e:long>", "x".repeat(64 * 1024))).await;
    let many = (0..1000).fold("<D:lastmodified>784111777</D:lastmodified>".to_owned(), |mut all, n| {
        write!(all, "<e:p{n}>1</e:p{n}>").unwrap();
        all
    });
    let reply = f.send("PROPPATCH", "/a", &[], &set(&many)).await;
    assert!(reply.text().contains("507") && reply.text().contains("424"), "{}", reply.text());
    assert!(!find(&f, "/a", "0", "<D:propname/>").await.contains("<x:p1"));
    assert_eq!(f.send("HEAD", "/a", &[], "").await.header("last-modified"), before);
}

#[tokio::test]
async fn they_go_where_their_resource_goes() {
    let f = Fixture::new();
    f.store.put("a", "x");
    f.store.put("b", "y");
    keep(&f, "/a", "<e:color>red</e:color>").await;
    keep(&f, "/b", "<e:color>blue</e:color><e:old/>").await;
    assert_eq!(f.status("COPY", "/a", &[("destination", "/b")], "").await, 204);
    assert_eq!(color(&f, "/a").await.as_deref(), Some("red"));
    assert_eq!(color(&f, "/b").await.as_deref(), Some("red"));
    assert!(!find(&f, "/b", "0", "<D:allprop/>").await.contains("old"));
    assert_eq!(f.status("MOVE", "/a", &[("destination", "/c")], "").await, 201);
    assert_eq!(color(&f, "/c").await.as_deref(), Some("red"));
    assert_eq!(f.status("PUT", "/c", &[], "new content").await, 204);
    assert_eq!(color(&f, "/c").await.as_deref(), Some("red"));
    assert_eq!(f.status("PUT", "/a", &[], "another").await, 201);
    assert_eq!(color(&f, "/a").await, None);
    assert_eq!(f.status("DELETE", "/c", &[], "").await, 204);
    f.store.put("c", "back");
    assert_eq!(color(&f, "/c").await, None);
}

#[tokio::test]
async fn a_lock_guards_them_and_what_is_not_there_has_none() {
    let f = Fixture::new();
    f.store.put("a", "x");
    f.lock("bob", "/a", "0", "exclusive").await;
    assert_eq!(f.status("PROPPATCH", "/a", &[], &set("<e:color>red</e:color>")).await, 423);
    assert_eq!(color(&f, "/a").await, None);
    assert_eq!(f.status("PROPPATCH", "/none", &[], &set("<e:color>red</e:color>")).await, 404);
    f.store.put("none", "x");
    assert_eq!(color(&f, "/none").await, None);
}

#[tokio::test]
async fn a_mount_point_has_properties_and_no_time_of_its_own() {
    let f = Fixture::new();
    keep(&f, "/", "<e:color>red</e:color>").await;
    assert_eq!(color(&f, "/").await.as_deref(), Some("red"));
    let windows = "<Win32LastModifiedTime xmlns='urn:schemas-microsoft-com:'>Sun, 06 Nov 1994 08:49:37 GMT</Win32LastModifiedTime>";
    keep(&f, "/", &format!("{windows}<e:color>blue</e:color>")).await;
    assert_eq!(color(&f, "/").await.as_deref(), Some("blue"));
    let time = "<D:lastmodified>784111777</D:lastmodified><e:color>green</e:color>";
    let reply = f.send("PROPPATCH", "/", &[], &set(time)).await;
    assert!(reply.text().contains("403") && reply.text().contains("424"), "{}", reply.text());
    assert_eq!(color(&f, "/").await.as_deref(), Some("blue"));
}

/// More than is read of a folder together: then each member is asked for, and a listing tells all of them still.
#[tokio::test]
async fn a_folder_whose_properties_are_very_large_is_told_piece_by_piece() {
    let f = Fixture::new();
    f.store.folder("d");
    let long = "x".repeat(60_000);
    let longs = (0..8).fold(String::new(), |mut all, n| {
        write!(all, "<e:long{n}>{long}</e:long{n}>").unwrap();
        all
    });
    for n in 0..20 {
        f.store.put(&format!("d/{n}"), "");
        let longs = if n % 2 == 0 { longs.as_str() } else { "" };
        keep(&f, &format!("/d/{n}"), &format!("<e:color>{n}</e:color>{longs}")).await;
    }
    let text = find(&f, "/d", "1", "<D:allprop/>").await;
    assert!(text.len() > 4_500_000 && text.ends_with("</D:multistatus>\n"));
    assert_eq!(text.matches("</x:color>").count(), 20);
    assert_eq!(text.matches("</x:long7>").count(), 10);
    let text = find(&f, "/d", "1", "<D:prop><e:color/></D:prop>").await;
    assert_eq!((text.matches("</x:color>").count(), text.matches("x:long").count()), (20, 0));
    for n in 0..20 {
        assert!(text.contains(&format!("<x:color xmlns:x=\"urn:e\">{n}</x:color>")), "{n}");
    }
}

#[tokio::test]
async fn ten_thousand_properties_in_one_request_are_refused_in_whole() {
    let f = Fixture::new();
    f.store.put("a", "x");
    keep(&f, "/a", "<e:color>red</e:color>").await;
    let many = (0..10_000).fold(String::new(), |mut all, n| {
        write!(all, "<e:p{n}>1</e:p{n}>").unwrap();
        all
    });
    let reply = f.send("PROPPATCH", "/a", &[], &set(&many)).await;
    assert_eq!(reply.status, 207);
    assert!(reply.text().contains("507 Insufficient Storage") && !reply.text().contains("200 OK"));
    assert_eq!(f.status("PROPPATCH", "/a", &[], &set(&format!("{many}<e:more/>"))).await, 400);
    let removed = update(&format!("<D:remove><D:prop>{}</D:prop></D:remove>", many.replace(">1<", "><")));
    let reply = f.send("PROPPATCH", "/a", &[], &removed).await;
    assert!(reply.status == 207 && reply.text().contains("200 OK"), "what is not there may be removed");
    assert_eq!(color(&f, "/a").await.as_deref(), Some("red"));
}
