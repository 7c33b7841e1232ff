//! Names on their way through URLs, headers and XML: escapes, slashes, Unicode forms, names that file managers leave.

#![allow(clippy::unwrap_used, clippy::expect_used, missing_docs)]

mod support;

use davmux_tree::{Junk, MountOptions};
use proptest::prelude::*;
use support::{Fixture, elements};

const NFC: &str = "\u{e9}";
const NFD: &str = "e\u{301}";

/// All bytes escaped, in lower case: as far from the server's own form as a URL may be.
fn escaped(name: &str) -> String {
    name.bytes().map(|byte| format!("%{byte:02x}")).collect()
}

/// Puts a file under this name, finds it in a listing and reads it under the href that stands there.
async fn goes_round(f: &Fixture, name: &str) {
    assert_eq!(f.status("PUT", &format!("/d/{}", escaped(name)), &[], name).await, 201, "{name:?}");
    let reply = f.send("PROPFIND", "/d/", &[("depth", "1")], "").await;
    let all = elements(reply.text());
    let all_of = |wanted: &str| -> Vec<String> {
        all.iter().filter(|(name, _)| name == wanted).map(|(_, text)| text.clone()).collect()
    };
    assert_eq!(all_of("D:displayname"), ["d", name]);
    let hrefs = all_of("D:href");
    let [folder, href] = hrefs.as_slice() else { panic!("{name:?}: {hrefs:?}") };
    assert_eq!(folder, "/d/");
    let rest = href.strip_prefix("/d/").unwrap();
    let mut bytes = rest.bytes();
    while let Some(byte) = bytes.next() {
        let plain = byte.is_ascii_alphanumeric() || b"-._~".contains(&byte);
        let is_escape = byte == b'%'
            && (0..2)
                .all(|_| bytes.next().is_some_and(|digit| digit.is_ascii_digit() || (b'A'..=b'F').contains(&digit)));
        assert!(plain || is_escape, "{name:?}: {href}");
    }
    let page = f.send("GET", "/d/", &[], "").await;
    assert!(page.text().contains(&format!("<a href=\"{href}\">")), "{name:?}");
    assert_eq!(f.send("GET", href, &[], "").await.text(), name, "{href}");
    assert_eq!(f.status("MOVE", href, &[("destination", "/d/other")], "").await, 201);
    assert_eq!(f.status("MOVE", "/d/other", &[("destination", &format!("http://h{href}"))], "").await, 201);
    assert_eq!(f.store.bytes(&format!("d/{name}")).unwrap(), name);
    assert_eq!(f.status("DELETE", href, &[], "").await, 204);
}

#[tokio::test]
async fn a_name_of_any_characters_goes_round() {
    let f = Fixture::new();
    f.store.folder("d");
    let punctuation: String = (b'!'..=b'~').map(char::from).filter(|c| c.is_ascii_punctuation() && *c != '/').collect();
    for name in [
        punctuation.as_str(),
        "a b",
        " a ",
        "+",
        "100%",
        "%2F",
        "%zz",
        "a?b#c",
        "&amp;",
        "]]>",
        "<b>\"'",
        "C:\\x",
        "...",
        "a;v=1",
        "(1)",
        "[2]",
        "\u{a0}",
        "\u{feff}x",
        "日本",
        "\u{1f3ac}",
        NFC,
        "a:b@c",
    ] {
        goes_round(&f, name).await;
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    #[test]
    fn any_name_goes_round(name in "[^/\\p{Cc}\u{fffe}\u{ffff}]{1,12}") {
        use unicode_normalization::UnicodeNormalization;
        let name: String = name.nfc().collect();
        prop_assume!(name != "." && name != ".." && name != "other");
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
        runtime.block_on(async {
            let f = Fixture::new();
            f.store.folder("d");
            goes_round(&f, &name).await;
        });
    }
}

#[tokio::test]
async fn names_that_no_xml_can_say_are_refused_wherever_they_come() {
    let f = Fixture::new();
    f.store.put("a", "x");
    for name in
        ["%00", "%01", "%0A", "%1F", "%7F", "%C2%85", "%EF%BF%BE", "%EF%BF%BF", "%ED%A0%80", "%C3", "%2F", "%2E%2E", ""]
    {
        let url = format!("/d/{name}/x");
        for (method, body) in [("GET", ""), ("PUT", "x"), ("MKCOL", ""), ("PROPFIND", ""), ("DELETE", ""), ("LOCK", "")]
        {
            assert_eq!(f.status(method, &url, &[("depth", "0")], body).await, 400, "{method} {url}");
        }
        for method in ["COPY", "MOVE"] {
            assert_eq!(f.status(method, "/a", &[("destination", &url)], "").await, 400, "{method} to {url}");
        }
    }
    assert!(f.store.has("a"));
}

#[tokio::test]
async fn a_folder_is_meant_with_and_without_its_slash_and_nobody_is_sent_elsewhere() {
    const PATCH: &str = "<propertyupdate xmlns='DAV:'><set><prop><a xmlns='urn:a'>1</a></prop></set></propertyupdate>";
    const LOCK: &str =
        "<lockinfo xmlns='DAV:'><lockscope><exclusive/></lockscope><locktype><write/></locktype></lockinfo>";
    const METHODS: [(&str, &str, &str, u16); 13] = [
        ("OPTIONS", "", "", 200),
        ("GET", "", "", 200),
        ("HEAD", "", "", 200),
        ("PROPFIND", "depth: 0", "", 207),
        ("PROPFIND", "depth: 1", "", 207),
        ("PROPPATCH", "", PATCH, 207),
        ("LOCK", "", LOCK, 200),
        ("PUT", "", "x", 405),
        ("MKCOL", "", "", 405),
        ("COPY", "destination: /new", "", 201),
        ("COPY", "destination: /new/", "", 201),
        ("MOVE", "destination: http://h/new", "", 201),
        ("MOVE", "destination: http://h/new/", "", 201),
    ];
    for (method, header, body, expected) in METHODS.into_iter().chain([("DELETE", "", "", 204)]) {
        for url in ["/d", "/d/"] {
            let f = Fixture::new();
            f.store.folder("d");
            f.store.put("d/x", "x");
            let headers: Vec<_> = header.split_once(": ").into_iter().collect();
            assert_eq!(f.status(method, url, &headers, body).await, expected, "{method} {url} {header}");
            let there = if method == "MOVE" || method == "DELETE" { "new" } else { "d" };
            assert_eq!(f.store.has(&format!("{there}/x")), method != "DELETE", "{method} {url} {header}");
        }
    }
    for url in ["/new", "/new/"] {
        let f = Fixture::new();
        assert_eq!(f.status("MKCOL", url, &[], "").await, 201);
        assert!(f.store.has("new"));
        // A lock taken under one spelling is known, submitted and ended under the other.
        let token = f.lock("alice", "/new/", "infinity", "exclusive").await;
        assert_eq!(f.status("PUT", "/new/x", &[], "x").await, 423);
        let condition = format!("<http://h{url}> ({token})");
        assert_eq!(f.status("PUT", "/new/x", &[("if", &condition)], "x").await, 201);
        assert_eq!(f.status("UNLOCK", url, &[("lock-token", &token)], "").await, 204);
    }
}

#[tokio::test]
async fn a_destination_counts_by_its_path_in_whichever_spelling() {
    for to in [
        "/dav/b%20c",
        "/dav/b c",
        "/dav/b%20c/",
        "/d%61v/%62%20%63",
        "http://h/dav/b%20c",
        "https://somebody-else.example:8443/dav/b%20c",
        "HTTP://user@h/dav/b%20c",
        "http://[::1]:80/dav/b%20c",
    ] {
        let f = Fixture::at("/dav");
        f.store.put("a", "x");
        assert_eq!(f.status("MOVE", "/dav/a", &[("destination", to)], "").await, 201, "{to}");
        assert!(f.store.has("b c"), "{to}");
    }
    let f = Fixture::at("/dav");
    f.store.put("a", "x");
    f.store.put("b", "other");
    // The last two: a client that forgot to escape meant another file than `b`.
    for (to, status) in [
        ("//h/dav/c", 400),
        ("/c", 502),
        ("/davc", 502),
        ("/dav/a", 403),
        ("/dav/%61", 403),
        ("/dav/b?c", 400),
        ("/dav/b#c", 400),
    ] {
        for method in ["COPY", "MOVE"] {
            assert_eq!(f.status(method, "/dav/a", &[("destination", to)], "").await, status, "{method} {to}");
        }
    }
    assert_eq!((f.store.bytes("a").unwrap(), f.store.bytes("b").unwrap()), ("x".into(), "other".into()));
}

#[tokio::test]
async fn every_method_finds_a_name_in_the_unicode_form_that_is_stored() {
    const IN_URLS: [(&str, &str); 2] = [(NFC, "%C3%A9"), (NFD, "e%CC%81")];
    for (known, other) in [(IN_URLS[0], IN_URLS[1]), (IN_URLS[1], IN_URLS[0])] {
        let (stored, same) = (format!("d{}/f{}", known.0, known.0), format!("/d{}/f{}", known.1, known.1));
        let asked = format!("/d{}/f{}", other.1, other.1);
        let f = Fixture::new();
        f.store.folder(&format!("d{}", known.0));
        f.store.put(&stored, "x");
        assert_eq!(f.send("GET", &asked, &[], "").await.text(), "x");
        assert_eq!(f.status("HEAD", &asked, &[], "").await, 200);
        let reply = f.send("PROPFIND", &asked, &[("depth", "0")], "").await;
        assert!(reply.text().contains(&format!("<D:href>{asked}</D:href>")), "it is about the URL that was asked");
        assert_eq!(f.status("PUT", &asked, &[], "new").await, 204);
        assert_eq!(f.store.bytes(&stored).unwrap(), "new");
        assert_eq!(f.status("MKCOL", &asked, &[], "").await, 405);
        assert_eq!(f.status("MOVE", &asked, &[("destination", &same)], "").await, 403, "onto itself");
        f.store.put("other", "o");
        assert_eq!(f.status("COPY", "/other", &[("destination", &asked)], "").await, 204, "what is there is replaced");
        assert_eq!(f.store.bytes(&stored).unwrap(), "o");
        let token = f.lock("bob", &asked, "0", "exclusive").await;
        for url in [&asked, &same] {
            assert_eq!(f.status("PUT", url, &[], "y").await, 423, "a lock under one form guards the other");
        }
        assert_eq!(f.as_user("bob", "UNLOCK", &same, &[("lock-token", &token)], "").await.status, 204);
        assert_eq!(f.status("DELETE", &asked, &[], "").await, 204);
        assert!(!f.store.has(&stored));
        assert_eq!(f.status("PUT", &format!("/new{}", other.1), &[], "x").await, 201);
        assert!(f.store.has(&format!("new{NFC}")), "a new name is composed");
    }
}

#[tokio::test]
async fn junk_is_refused_before_its_body_is_asked_for_and_what_is_there_can_be_removed() {
    let f = Fixture::serving("/", MountOptions { junk: Junk::Refuse, ..MountOptions::default() });
    f.store.folder("d");
    f.store.put("d/a", "x");
    f.store.put("d/.DS_Store", "old");
    for name in ["._a", ".DS_Store", "Thumbs.db", "desktop.ini"] {
        let url = format!("/d/{name}");
        let reply = f.send("PUT", &url, &[], "x").await;
        assert_eq!(reply.status.as_u16(), 403);
        assert!(reply.text().contains("junk: refuse"), "it says why: {}", reply.text());
        assert_eq!(f.status("MKCOL", &url, &[], "").await, 403);
        for method in ["COPY", "MOVE"] {
            assert_eq!(f.status(method, "/d/a", &[("destination", &url)], "").await, 403, "{method}");
        }
        if name != ".DS_Store" {
            let lock =
                "<lockinfo xmlns='DAV:'><lockscope><exclusive/></lockscope><locktype><write/></locktype></lockinfo>";
            assert_eq!(f.status("LOCK", &url, &[], lock).await, 403);
            assert_eq!(f.status("PROPFIND", &url, &[("depth", "0")], "").await, 404);
            // No lock was left behind on the name.
            assert_eq!(f.status("DELETE", &url, &[], "").await, 404);
        }
    }
    assert_eq!(f.store.bytes("d/.DS_Store").unwrap(), "old");
    let listed = f.send("PROPFIND", "/d", &[("depth", "1")], "").await;
    assert!(listed.text().contains("/d/.DS_Store<"), "what is there is not hidden");
    assert_eq!(f.status("DELETE", "/d", &[], "").await, 204);
    let f = Fixture::new();
    assert_eq!(f.status("PUT", "/._a", &[], "x").await, 201, "kept where nothing else is said");
}
