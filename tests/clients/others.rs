//! Clients of which a short sequence is known.

use http::StatusCode;

use super::{ROOTS, Raw, Site, elements, found, raw};
use crate::support::Answer;

/// GNOME/gvfs `daemon/gvfsbackenddav.c` `propfind_request_new`.
const GVFS_PROPFIND: &str = "PROPFIND {path} HTTP/1.1
Host: {host}
Depth: {depth}
Apply-To-Redirect-Ref: T
Content-Type: application/xml
User-Agent: gvfs/1.50.3
Accept-Encoding: gzip, deflate
Accept-Language: en-us, en;q=0.9
Authorization: {basic}
Connection: Keep-Alive
Content-Length: {length}";

/// `ls_propnames`.
const GVFS_PROPS: &str = "<?xml version=\"1.0\" encoding=\"utf-8\" ?>
 <D:propfind xmlns:D=\"DAV:\">
  <D:prop>
<D:creationdate/>
<D:displayname/>
<D:getcontentlength/>
<D:getcontenttype/>
<D:getetag/>
<D:getlastmodified/>
<D:resourcetype/>
  </D:prop>
 </D:propfind>";

/// `try_create` asks whether the name is free, `try_create_tested_existence` and `try_replace` write.
const GVFS: &str = "{method} {path} HTTP/1.1
Host: {host}
{condition}
User-Agent: gvfs/1.50.3
Accept-Encoding: gzip, deflate
Accept-Language: en-us, en;q=0.9
Authorization: {basic}
Connection: Keep-Alive
Content-Length: {length}";

async fn send(site: &Site, request: Raw) -> Answer {
    site.connect().await.send(&request).await
}

#[tokio::test]
async fn gnome_looks_for_a_free_name_and_replaces_only_the_version_it_knows() {
    let site = Site::start().await;
    for root in ROOTS {
        let path = format!("{root}/note.txt");
        let method = |method: &str, condition: &str, body: &str| {
            raw(GVFS, body, &[("method", method), ("path", &path), ("condition", condition)])
        };
        assert_eq!(send(&site, method("HEAD", "X-Nothing: 1", "")).await.status, StatusCode::NOT_FOUND, "{root}");
        assert_eq!(send(&site, method("PUT", "X-Nothing: 1", "first")).await.status, StatusCode::CREATED, "{root}");
        assert_eq!(send(&site, method("HEAD", "X-Nothing: 1", "")).await.status, StatusCode::OK, "{root}");
        let stat = send(&site, raw(GVFS_PROPFIND, GVFS_PROPS, &[("path", &path), ("depth", "0")])).await;
        let etag = elements(&found(&stat)[&path], "getetag")[0].replace("&quot;", "\"");
        let known = format!("If-Match: {etag}");
        assert_eq!(send(&site, method("PUT", &known, "second")).await.status, StatusCode::NO_CONTENT, "{root}");
        let stale = send(&site, method("PUT", &known, "third")).await;
        assert_eq!(stale.status, StatusCode::PRECONDITION_FAILED, "{root}: it then says that the file was changed");
        assert_eq!(site.read(&path).await.unwrap(), "second");
    }
}

#[tokio::test]
async fn gnome_opens_a_large_file_of_a_bucket_at_its_link() {
    let site = Site::start().await;
    let large = vec![3; 300 * 1024];
    site.put("/b/film", large.clone()).await;
    let words = [("method", "GET"), ("path", "/b/film"), ("condition", "X-Nothing: 1")];
    // libsoup leaves the password behind on another host; here it is another port of the same, which is another origin.
    let opened = send(&site, raw(GVFS, "", &words)).await;
    assert_eq!(opened.status, StatusCode::FOUND);
    assert!(opened.header("location").starts_with(&site.s3.endpoint()));
    site.put("/l/film", large.clone()).await;
    let words = [("method", "GET"), ("path", "/l/film"), ("condition", "X-Nothing: 1")];
    let opened = send(&site, raw(GVFS, "", &words)).await;
    assert_eq!((opened.status, opened.body.unwrap().len()), (StatusCode::OK, large.len()));
    // Media are not compressed, whatever is accepted.
    assert!(!opened.headers.contains_key("content-encoding"));
}

/// miquels/webdav-handler-rs#17, as it stands there: a first PUT of nothing, then one that waits to be asked for its body.
const RAIDRIVE_FIRST: &str = "PUT {path} HTTP/1.1
user-agent: RaiDrive/2021.5.20.0
overwrite: T
translate: f
host: {host}
content-length: 0
connection: Keep-Alive
authorization: {basic}";

const RAIDRIVE_SECOND: &str = "PUT {path} HTTP/1.1
user-agent: RaiDrive/2021.5.20.0
overwrite: T
translate: f
content-type: application/octet-stream
host: {host}
content-length: {length}
expect: 100-continue
authorization: {basic}";

#[tokio::test]
async fn raidrive_puts_nothing_first_and_waits_to_be_asked_for_the_content() {
    let site = Site::start().await;
    for root in ROOTS {
        let path = format!("{root}/file");
        let mut connection = site.connect().await;
        let first = connection.send(&raw(RAIDRIVE_FIRST, "", &[("path", &path)])).await;
        assert_eq!(first.status, StatusCode::CREATED, "{root}");
        let second = Raw { waits: true, ..raw(RAIDRIVE_SECOND, "data", &[("path", &path)]) };
        assert_eq!(connection.send(&second).await.status, StatusCode::NO_CONTENT, "{root}");
        assert_eq!(site.read(&path).await.unwrap(), "data");
        // Without a password it is refused before it sends anything.
        let refused = Raw { waits: true, ..raw(RAIDRIVE_SECOND, "data", &[("path", &path)]) };
        let refused = connection.send(&refused.without("authorization")).await;
        assert_eq!(refused.status, StatusCode::UNAUTHORIZED, "{root}");
    }
}

/// mikedeboer/jsDAV#129: Word that was given a link, past the redirector of Windows.
const WORD: &str = "GET {path} HTTP/1.1
content-type: text/xml; charset=\"utf-8\"
user-agent: Microsoft Office Word 2014
x-office-major-version: 16
x-ms-cookieuri-requested: t
x-featureversion: 1
depth: 0
translate: f
x-idcrl_accepted: t
host: {host}
authorization: {basic}";

#[tokio::test]
async fn word_reads_a_document_here_and_not_at_a_link() {
    let site = Site::start().await;
    for root in ROOTS {
        let path = format!("{root}/report.docx");
        site.put(&path, vec![1; 300 * 1024]).await;
        let read = send(&site, raw(WORD, "", &[("path", &path)])).await;
        assert_eq!((read.status, read.body.unwrap().len()), (StatusCode::OK, 300 * 1024), "{root}");
        // With the bearer of a cloud that nobody gave it, it is asked for a password instead.
        let mut bearer = raw(WORD, "", &[("path", &path)]);
        bearer.head = bearer.head.replace(super::BASIC, "Bearer");
        assert_eq!(send(&site, bearer).await.status, StatusCode::UNAUTHORIZED, "{root}");
    }
}

/// iterate-ch/cyberduck `DAVTimestampFeature` through lookfirst/sardine: the time to keep, and the one that the server had.
const CYBERDUCK_PROPFIND: &str = "PROPFIND {path} HTTP/1.1
Depth: 1
Content-Type: text/xml; charset=UTF-8
Content-Length: {length}
Host: {host}
Connection: Keep-Alive
User-Agent: Cyberduck/9.0.1.41945 (Mac OS X/14.5) (aarch64)
Accept-Encoding: gzip,deflate
Authorization: {basic}";

const CYBERDUCK_PROPPATCH: &str = "PROPPATCH {path} HTTP/1.1
Content-Type: text/xml; charset=UTF-8
Content-Length: {length}
Host: {host}
Connection: Keep-Alive
User-Agent: Cyberduck/9.0.1.41945 (Mac OS X/14.5) (aarch64)
Accept-Encoding: gzip,deflate
Authorization: {basic}";

#[tokio::test]
async fn cyberduck_keeps_the_time_of_an_upload() {
    let site = Site::start().await;
    for root in ROOTS {
        let path = format!("{root}/upload");
        site.put(&path, "x").await;
        let asked = "<?xml version=\"1.0\" encoding=\"UTF-8\" standalone=\"yes\"?>\n<D:propfind xmlns:D=\"DAV:\"><D:prop>\
                     <D:getlastmodified/></D:prop></D:propfind>";
        let before = send(&site, raw(CYBERDUCK_PROPFIND, asked, &[("path", &path)])).await;
        let server = elements(&found(&before)[&path], "getlastmodified").remove(0);
        let kept = "Sat, 16 Feb 2019 18:24:58 GMT";
        let patch = format!(
            "<?xml version=\"1.0\" encoding=\"UTF-8\" standalone=\"yes\"?>\n<D:propertyupdate xmlns:D=\"DAV:\"><D:set><D:prop>\
             <s:lastmodified_server xmlns:s=\"SAR:\">{server}</s:lastmodified_server><s:lastmodified xmlns:s=\"SAR:\">{kept}\
             </s:lastmodified></D:prop></D:set></D:propertyupdate>"
        );
        let patched = send(&site, raw(CYBERDUCK_PROPPATCH, patch, &[("path", &path)])).await;
        assert_eq!(patched.status, StatusCode::MULTI_STATUS, "{root}");
        assert_eq!(elements(&patched.text(), "status"), ["HTTP/1.1 200 OK"], "{root}: {}", patched.text());
        let after = send(&site, raw(CYBERDUCK_PROPFIND, asked, &[("path", &path)])).await;
        assert_eq!(elements(&found(&after)[&path], "getlastmodified"), [kept], "{root}");
    }
}

/// laurent22/joplin `packages/lib/WebDavApi.js`: a tag that is none, and other at each request, stands in If-None-Match of all but
/// GET and HEAD, so that no cache on the way answers.
const JOPLIN: &str = "{method} {path} HTTP/1.1
{header}
Authorization: {basic}
If-None-Match: JoplinIgnore-42130
User-Agent: Joplin/1.0
Content-Length: {length}
Accept: */*
Accept-Encoding: gzip,deflate
Host: {host}";

const JOPLIN_PROPS: &str = "<?xml version=\"1.0\" encoding=\"UTF-8\"?>
\t\t\t<d:propfind xmlns:d=\"DAV:\">
\t\t\t\t<d:prop xmlns:oc=\"http://owncloud.org/ns\">
\t\t\t\t\t<d:getlastmodified/><d:resourcetype/>
\t\t\t\t</d:prop>
\t\t\t</d:propfind>";

#[tokio::test]
async fn joplin_syncs_its_notes_with_a_tag_that_matches_nothing() {
    let site = Site::start().await;
    for root in ROOTS {
        let (folder, note) = (format!("{root}/Joplin"), format!("{root}/Joplin/aa.md"));
        let call = |method: &str, path: &str, header: &str, body: &str| {
            raw(JOPLIN, body, &[("method", method), ("path", path), ("header", header)])
        };
        assert_eq!(send(&site, call("MKCOL", &folder, "Accept: */*", "")).await.status, StatusCode::CREATED, "{root}");
        // A new note, and the same one changed.
        for (content, status) in [("first", StatusCode::CREATED), ("second", StatusCode::NO_CONTENT)] {
            let put = call("PUT", &note, "Content-Type: application/octet-stream", content);
            assert_eq!(send(&site, put).await.status, status, "{root}: {content}");
        }
        let listed = send(&site, call("PROPFIND", &folder, "Depth: 1", JOPLIN_PROPS)).await;
        assert_eq!(
            listed.status,
            StatusCode::MULTI_STATUS,
            "{root}: not a 412, as of servers that take the tag for true"
        );
        // `statFromResource_`: a file without a date is an error, a folder without one is not.
        let found = found(&listed);
        httpdate::parse_http_date(&elements(&found[&note], "getlastmodified")[0]).unwrap();
        assert!(found[&format!("{folder}/")].contains("<D:collection/>"), "{root}");
        let gone = call("PROPFIND", &format!("{folder}/bb.md"), "Depth: 0", JOPLIN_PROPS);
        assert_eq!(send(&site, gone).await.status, StatusCode::NOT_FOUND, "{root}");
        let read = call("GET", &note, "Accept: */*", "").without("If-None-Match");
        assert_eq!(send(&site, read).await.text(), "second", "{root}");
        assert_eq!(
            send(&site, call("DELETE", &note, "Accept: */*", "")).await.status,
            StatusCode::NO_CONTENT,
            "{root}"
        );
    }
}
