//! The body is XML.

use http::StatusCode;

use super::both;

#[tokio::test]
async fn xml_that_cannot_be_read_is_400_and_too_much_of_it_413() {
    let both = both().await;
    let davmux = &both.davmux;
    let entity = "<!DOCTYPE x [<!ENTITY e SYSTEM \"file:///etc/passwd\">]>";
    let deep = "<a>".repeat(5_000);
    let huge = format!("<D:propfind xmlns:D='DAV:'><D:prop>{}</D:prop></D:propfind>", "<D:a/>".repeat(300_000));
    for mount in ["/b", "/l"] {
        let path = format!("{mount}/file");
        assert_eq!(davmux.put(&path, "x").await, StatusCode::CREATED);
        for (method, root) in [("PROPFIND", "propfind"), ("PROPPATCH", "propertyupdate"), ("LOCK", "lockinfo")] {
            for bad in [
                "<a",
                "text",
                "<x:a/>",
                "<a xmlns='DAV:'/>",
                &format!("<{root} xmlns='urn:other'/>"),
                &format!("{entity}<{root} xmlns='DAV:'><allprop/>&e;</{root}>"),
                &format!("<D:{root} xmlns:D='DAV:'><D:prop>"),
                &format!("<D:{root} xmlns:D='DAV:'><x:a xmlns:x=''/></D:{root}>"),
                &format!("<{root} xmlns='DAV:'/><{root} xmlns='DAV:'/>"),
                "\0",
                &deep,
            ] {
                let answer = davmux.send(method, &path, &[("Depth", "0")], bad.to_owned()).await;
                assert_eq!(answer.status, StatusCode::BAD_REQUEST, "{method} {bad:.60}");
                assert!(!answer.text().contains("root:"), "an entity was read");
            }
            let answer = davmux.send(method, &path, &[("Depth", "0")], vec![b'<', 0xFF, b'/', b'>']).await;
            assert_eq!(answer.status, StatusCode::BAD_REQUEST, "{method}, not UTF-8");
            let answer = davmux.send(method, &path, &[("Depth", "0")], huge.clone()).await;
            assert_eq!(answer.status, StatusCode::PAYLOAD_TOO_LARGE, "{method}");
        }
        assert_eq!(davmux.put(&path, "y").await, StatusCode::NO_CONTENT, "no lock was left");
    }
}
