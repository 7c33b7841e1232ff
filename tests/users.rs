//! Users, groups and rights of the real binary: what one may not read is not there, what one may not change stays.

use base64::Engine;
use http::StatusCode;

use crate::bad_input::{LOCK, files};
use crate::support::{Answer, Davmux, bucket, local, s3};

const PATCH: &str = "<D:propertyupdate xmlns:D='DAV:'><D:set><D:prop><a/></D:prop></D:set></D:propertyupdate>";

fn basic(user: &str) -> String {
    format!("Basic {}", base64::engine::general_purpose::STANDARD.encode(format!("{user}:password")))
}

/// One request of a user; with an empty name, of somebody who is not logged in.
async fn send(davmux: &Davmux, user: &str, method: &str, path: &str, headers: &[(&str, &str)], body: &str) -> Answer {
    let credentials = basic(user);
    let mut all: Vec<(&str, &str)> = headers.to_vec();
    if !user.is_empty() {
        all.push(("Authorization", &credentials));
    }
    davmux.send(method, path, &all, body.to_owned()).await
}

async fn status(davmux: &Davmux, user: &str, method: &str, path: &str, headers: &[(&str, &str)]) -> u16 {
    let body = match method {
        "LOCK" => LOCK,
        "PROPPATCH" => PATCH,
        "PUT" => "new",
        _ => "",
    };
    send(davmux, user, method, path, headers, body).await.status.as_u16()
}

async fn members(davmux: &Davmux, user: &str, path: &str) -> Vec<String> {
    let answer = send(davmux, user, "PROPFIND", path, &[("Depth", "1")], "").await;
    assert_eq!(answer.status, StatusCode::MULTI_STATUS, "{user} {path}");
    // Not those of locks.
    let text = answer.text();
    let responses = text.split("<D:response><D:href>").skip(1);
    let mut hrefs: Vec<_> = responses.map(|rest| rest.split('<').next().unwrap().to_owned()).collect();
    hrefs.sort();
    hrefs
}

/// Owners of everything, a family and a guest, on a folder at `/l` and a bucket at `/b`.
async fn family(folder: &std::path::Path, s3: &davmux_s3_server::Running) -> Davmux {
    let rules = |mount: &str| {
        format!(
            "      - {{ path: {mount}/docs, access: read-write }}\n      - {{ path: {mount}/docs/secret, access: none }}\n      \
             - {{ path: {mount}/docs/secret/way/mine, access: read-write }}\n      - {{ path: {mount}/docs/old, access: read-only }}\n"
        )
    };
    let file = format!(
        "version: 1\nserver:\n  anonymous: read-only\n  anonymous_groups: guests\ngroups:\n  - name: family\n    access: read-only\n    \
         rights:\n{}{}  - name: guests\n    access: none\n    rights: [{{ path: /l/docs/public, access: read-write }}]\nusers:\n  \
         - {{ name: owner, password: password }}\n  - {{ name: child, password: password, groups: [family] }}\n  \
         - {{ name: elder, password: password, groups: family, rights: [{{ path: /l/docs/secret, access: read-write }}] }}\n  \
         - {{ name: rooted, password: password, groups: family, root: /l/docs }}\nmounts:\n{}{}",
        rules("/l"),
        rules("/b"),
        local("/l", folder),
        bucket("/b", s3, &[])
    );
    let davmux = Davmux::serve_file(&file).await;
    for mount in ["/l", "/b"] {
        for made in ["docs", "docs/secret", "docs/secret/way", "docs/secret/way/mine", "docs/old", "docs/public", "top"]
        {
            let made = format!("{mount}/{made}/");
            assert_eq!(status(&davmux, "owner", "MKCOL", &made, &[]).await, 201, "{made}");
        }
        for file in ["docs/open", "docs/secret/file", "docs/secret/way/mine/file", "docs/old/file", "docs/public/file"]
        {
            let file = format!("{mount}/{file}");
            assert_eq!(status(&davmux, "owner", "PUT", &file, &[]).await, 201, "{file}");
        }
    }
    davmux
}

#[tokio::test]
async fn what_may_not_be_read_answers_as_if_it_were_not_there_to_every_method() {
    let (folder, s3) = (tempfile::tempdir().unwrap(), s3().await);
    let davmux = family(folder.path(), &s3).await;
    for mount in ["/l", "/b"] {
        let docs = format!("{mount}/docs");
        let hrefs = members(&davmux, "child", &format!("{docs}/")).await;
        let expected = ["", "old/", "open", "public/", "secret/"].map(|name| format!("{docs}/{name}"));
        assert_eq!(hrefs, expected);
        assert_eq!(
            members(&davmux, "child", &format!("{docs}/secret/")).await,
            [format!("{docs}/secret/"), format!("{docs}/secret/way/")]
        );
        let page = send(&davmux, "child", "GET", &format!("{docs}/secret/"), &[], "").await.text();
        assert!(page.contains("way/") && !page.contains("file"), "{page}");

        let to = format!("{docs}/to");
        for method in
            ["GET", "HEAD", "PROPFIND", "PUT", "MKCOL", "DELETE", "COPY", "MOVE", "PROPPATCH", "LOCK", "UNLOCK", "POST"]
        {
            let mut answers = Vec::new();
            for place in ["file", "nothing", "file/below", "nothing/below"] {
                let path = format!("{docs}/secret/{place}");
                let headers = [("Destination", to.as_str()), ("Depth", "0"), ("Lock-Token", "<urn:uuid:x>")];
                let body = if method == "LOCK" {
                    LOCK
                } else if method == "PROPPATCH" {
                    PATCH
                } else {
                    ""
                };
                let answer = send(&davmux, "child", method, &path, &headers, body).await;
                let mut told: Vec<_> = answer.headers.iter().filter(|(name, _)| *name != "date").collect();
                told.sort_by_key(|(name, _)| name.as_str());
                answers.push(format!("{} {told:?} {}", answer.status, answer.text()));
            }
            assert!(answers.iter().all(|answer| *answer == answers[0]), "{method}: {answers:#?}");
            let expected = match method {
                "GET" | "HEAD" | "PROPFIND" | "COPY" => "404",
                "UNLOCK" => "409",
                "POST" => "405",
                _ => "403",
            };
            assert!(answers[0].starts_with(expected), "{method} {}", answers[0]);
        }
        let open = format!("{docs}/open");
        for target in ["file", "nothing"] {
            let target = format!("{docs}/secret/{target}");
            for method in ["COPY", "MOVE"] {
                assert_eq!(status(&davmux, "child", method, &open, &[("Destination", &target)]).await, 403);
            }
        }
        for header in ["(<urn:uuid:x>)", "([\"x\"])", "(Not <DAV:no-lock>)"] {
            let about = |place: &str| format!("<{docs}/secret/{place}> {header}");
            let there = status(&davmux, "child", "PUT", &open, &[("If", &about("file"))]).await;
            assert_eq!(there, status(&davmux, "child", "PUT", &open, &[("If", &about("nothing"))]).await, "{header}");
        }
        assert_eq!(send(&davmux, "owner", "GET", &format!("{docs}/secret/file"), &[], "").await.text(), "new");
    }
}

#[tokio::test]
async fn rights_of_groups_and_users_count_for_every_change_and_nothing_is_touched_where_a_part_is_refused() {
    let (folder, s3) = (tempfile::tempdir().unwrap(), s3().await);
    let davmux = family(folder.path(), &s3).await;
    let before = files(folder.path());
    for mount in ["/l", "/b"] {
        let at = |path: &str| format!("{mount}{path}");
        let to = at("/docs/to");
        let to = [("Destination", to.as_str())];
        // Everything is read-only to the family but the documents; a part of those is, too.
        for path in [at("/top"), at("/new"), at("/docs/old"), at("/docs/old/file"), at("/docs/old/new")] {
            for method in ["PUT", "MKCOL", "DELETE", "MOVE", "PROPPATCH", "LOCK"] {
                assert_eq!(status(&davmux, "child", method, &path, &to).await, 403, "{method} {path}");
            }
        }
        // A folder that holds such a part stays, and so does what would be replaced by something.
        for method in ["DELETE", "MOVE", "LOCK"] {
            assert_eq!(status(&davmux, "child", method, &at("/docs"), &to).await, 403, "{method}");
        }
        let docs = at("/docs");
        assert_eq!(status(&davmux, "child", "COPY", &at("/top"), &[("Destination", &docs)]).await, 403);
        assert_eq!(status(&davmux, "child", "LOCK", &docs, &[("Depth", "0")]).await, 200, "its members alone");
        let locks = send(&davmux, "owner", "PROPFIND", &docs, &[("Depth", "0")], "").await.text();
        let token = locks.split("<D:locktoken><D:href>").nth(1).unwrap().split('<').next().unwrap();
        let token = format!("<{token}>");
        assert_eq!(status(&davmux, "child", "UNLOCK", &docs, &[("Lock-Token", &token)]).await, 204);
    }
    assert_eq!(files(folder.path()), before);
    for mount in ["/l", "/b"] {
        let at = |path: &str| format!("{mount}{path}");
        // A copy is of what is seen.
        let copy = at("/docs/copy");
        assert_eq!(status(&davmux, "child", "COPY", &at("/docs/secret"), &[("Destination", &copy)]).await, 201);
        assert_eq!(members(&davmux, "owner", &format!("{copy}/")).await, [format!("{copy}/"), format!("{copy}/way/")]);
        assert_eq!(status(&davmux, "owner", "GET", &format!("{copy}/way/mine/file"), &[]).await, 200);
        assert_eq!(status(&davmux, "child", "MOVE", &copy, &[("Destination", &at("/docs/moved"))]).await, 201);
        assert_eq!(status(&davmux, "child", "DELETE", &at("/docs/moved"), &[]).await, 204);
        // What is the child's own below what it does not see.
        assert_eq!(status(&davmux, "child", "PUT", &at("/docs/secret/way/mine/new"), &[]).await, 201);
        assert_eq!(status(&davmux, "child", "DELETE", &at("/docs/secret/way/mine"), &[]).await, 204);
        assert_eq!(members(&davmux, "owner", &at("/docs/secret/way/")).await, [at("/docs/secret/way/")]);
    }
    // The user's own right comes before the group's at the same path; the group's elsewhere stands.
    assert_eq!(status(&davmux, "elder", "PUT", "/l/docs/secret/file", &[]).await, 204);
    assert_eq!(status(&davmux, "elder", "GET", "/b/docs/secret/file", &[]).await, 404);
    assert_eq!(status(&davmux, "elder", "PUT", "/l/docs/old/file", &[]).await, 403);
}

#[tokio::test]
async fn a_root_a_windows_domain_and_nobody_at_all_have_the_rights_of_the_tree() {
    let (folder, s3) = (tempfile::tempdir().unwrap(), s3().await);
    let davmux = family(folder.path(), &s3).await;
    for user in ["rooted", "DESKTOP-1\\rooted"] {
        assert_eq!(members(&davmux, user, "/").await, ["/", "/old/", "/open", "/public/", "/secret/"]);
        assert_eq!(status(&davmux, user, "GET", "/secret/file", &[]).await, 404);
        assert_eq!(status(&davmux, user, "PUT", "/old/file", &[]).await, 403);
        assert_eq!(status(&davmux, user, "PUT", "/open", &[]).await, 204);
        assert_eq!(status(&davmux, user, "GET", "/l/docs/open", &[]).await, 404, "outside of the root");
    }
    assert_eq!(status(&davmux, "rooted", "MOVE", "/public", &[("Destination", "/secret/public")]).await, 403);
    // A lock from above the root, and one on what is not seen, tell no path.
    assert_eq!(status(&davmux, "owner", "LOCK", "/l/docs/secret/file", &[]).await, 200);
    let found = send(&davmux, "rooted", "PROPFIND", "/secret/", &[("Depth", "1")], "").await.text();
    assert!(!found.contains("activelock") && !found.contains("file"), "{found}");
    assert_eq!(status(&davmux, "child", "PUT", "/l/docs", &[]).await, 405, "as without a lock in it");
    let deep = send(&davmux, "rooted", "LOCK", "/secret/way/mine", &[], LOCK).await;
    assert_eq!(deep.status, StatusCode::OK);
    assert_eq!(status(&davmux, "owner", "LOCK", "/l/docs/public", &[]).await, 200);
    let refused = send(&davmux, "rooted", "DELETE", "/public/file", &[], "").await;
    assert_eq!(refused.status, StatusCode::LOCKED);
    assert!(refused.text().contains("<D:href>/public</D:href>"));

    assert_eq!(members(&davmux, "", "/").await, ["/", "/l/"]);
    assert_eq!(members(&davmux, "", "/l/docs/").await, ["/l/docs/", "/l/docs/public/"]);
    assert_eq!(status(&davmux, "", "GET", "/l/docs/public/file", &[]).await, 200);
    assert_eq!(status(&davmux, "", "GET", "/l/docs/open", &[]).await, 404);
    assert_eq!(status(&davmux, "", "GET", "/b/", &[]).await, 404);
    let put = status(&davmux, "", "PUT", "/l/docs/public/file", &[]).await;
    assert_eq!(put, 401, "never more than `anonymous` says, and a user might be allowed");
}
