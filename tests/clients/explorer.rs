//! Explorer, through the redirector of Windows (WebClient). Its source is not public. The heads and bodies are those of a
//! capture of Windows 10 (redirector 10.0.17134) in `doc/intro.md` of a server named warden; the order when a file is copied is
//! that of mar10/wsgidav#112; `PUT` under a lock bears its token in `If` as `PROPPATCH` does (cs3org/reva#4972); Office's
//! order is that of OpenMarshal/npm-WebDAV-Server#37.

use base64::Engine;
use http::StatusCode;

use super::{BASIC, Connection, Lines, ROOTS, Raw, Site, elements, found, lasts, raw, token};
use crate::support::Answer;

const OPTIONS: &str = "OPTIONS {path} HTTP/1.1
Connection: Keep-Alive
User-Agent: Microsoft-WebDAV-MiniRedir/10.0.17134
translate: f
Host: {host}";

/// Without a body: all properties.
const PROPFIND: &str = "PROPFIND {path} HTTP/1.1
Connection: Keep-Alive
User-Agent: Microsoft-WebDAV-MiniRedir/10.0.17134
Depth: {depth}
translate: f
Content-Length: 0
Host: {host}
Authorization: {basic}";

const PUT: &str = "PUT {path} HTTP/1.1
Connection: Keep-Alive
User-Agent: Microsoft-WebDAV-MiniRedir/10.0.17134
translate: f
Content-Length: {length}
Host: {host}
Authorization: {basic}";

const PUT_LOCKED: &str = "PUT {path} HTTP/1.1
Cache-Control: no-cache
Connection: Keep-Alive
Pragma: no-cache
User-Agent: Microsoft-WebDAV-MiniRedir/10.0.17134
If: (<{token}>)
translate: f
Content-Length: {length}
Host: {host}
Authorization: {basic}";

/// No `Depth`.
const LOCK: &str = "LOCK {path} HTTP/1.1
Cache-Control: no-cache
Connection: Keep-Alive
Pragma: no-cache
Content-Type: text/xml; charset=\"utf-8\"
User-Agent: Microsoft-WebDAV-MiniRedir/10.0.17134
translate: f
Timeout: Second-3600
Content-Length: {length}
Host: {host}
Authorization: {basic}";

const LOCKINFO: &str = "<?xml version=\"1.0\" encoding=\"utf-8\" ?><D:lockinfo xmlns:D=\"DAV:\"><D:lockscope><D:exclusive/>\
</D:lockscope><D:locktype><D:write/></D:locktype><D:owner><D:href>HOST\\user</D:href></D:owner></D:lockinfo>";

const PROPPATCH: &str = "PROPPATCH {path} HTTP/1.1
Cache-Control: no-cache
Connection: Keep-Alive
Pragma: no-cache
Content-Type: text/xml; charset=\"utf-8\"
User-Agent: Microsoft-WebDAV-MiniRedir/10.0.17134
If: (<{token}>)
translate: f
Content-Length: {length}
Host: {host}
Authorization: {basic}";

/// Before the content is there.
const TIMES: &str = "<?xml version=\"1.0\" encoding=\"utf-8\" ?><D:propertyupdate xmlns:D=\"DAV:\" \
xmlns:Z=\"urn:schemas-microsoft-com:\"><D:set><D:prop><Z:Win32CreationTime>Sat, 16 Feb 2019 18:24:58 GMT</Z:Win32CreationTime>\
<Z:Win32LastAccessTime>Sat, 16 Feb 2019 18:24:58 GMT</Z:Win32LastAccessTime>\
<Z:Win32LastModifiedTime>Sat, 16 Feb 2019 18:24:58 GMT</Z:Win32LastModifiedTime>\
<Z:Win32FileAttributes>00000020</Z:Win32FileAttributes></D:prop></D:set></D:propertyupdate>";

/// After it.
const TIMES_AFTER: &str = "<?xml version=\"1.0\" encoding=\"utf-8\" ?><D:propertyupdate xmlns:D=\"DAV:\" \
xmlns:Z=\"urn:schemas-microsoft-com:\"><D:set><D:prop>\
<Z:Win32LastModifiedTime>Sat, 16 Feb 2019 18:24:58 GMT</Z:Win32LastModifiedTime>\
<Z:Win32FileAttributes>00000020</Z:Win32FileAttributes></D:prop></D:set></D:propertyupdate>";

const HEAD: &str = "HEAD {path} HTTP/1.1
Connection: Keep-Alive
User-Agent: Microsoft-WebDAV-MiniRedir/10.0.17134
translate: f
Host: {host}
Authorization: {basic}";

/// Neither a body nor a length.
const UNLOCK: &str = "UNLOCK {path} HTTP/1.1
Cache-Control: no-cache
Connection: Keep-Alive
Pragma: no-cache
User-Agent: Microsoft-WebDAV-MiniRedir/10.0.17134
translate: f
Lock-Token: {lock-token}
Host: {host}
Authorization: {basic}";

/// No slash at the end.
const MKCOL: &str = "MKCOL {path} HTTP/1.1
Connection: Keep-Alive
User-Agent: Microsoft-WebDAV-MiniRedir/10.0.17134
translate: f
Content-Length: 0
Host: {host}
Authorization: {basic}";

/// Neither source nor target ends with a slash, also where they are folders.
const MOVE: &str = "MOVE {path} HTTP/1.1
Connection: Keep-Alive
User-Agent: Microsoft-WebDAV-MiniRedir/10.0.17134
Destination: http://{host}{to}
Overwrite: F
translate: f
Content-Length: 0
Host: {host}
Authorization: {basic}";

const DELETE: &str = "DELETE {path} HTTP/1.1
Connection: Keep-Alive
User-Agent: Microsoft-WebDAV-MiniRedir/10.0.17134
translate: f
Host: {host}
Authorization: {basic}";

const GET: &str = "GET {path} HTTP/1.1
Cache-Control: no-cache
Connection: Keep-Alive
Pragma: no-cache
User-Agent: Microsoft-WebDAV-MiniRedir/10.0.17134
translate: f
Host: {host}
Authorization: {basic}";

struct Explorer {
    connection: Connection,
}

impl Explorer {
    async fn maps(site: &Site) -> Self {
        Self { connection: site.connect().await }
    }

    async fn send(&mut self, request: Raw) -> Answer {
        self.connection.send(&request).await
    }

    async fn propfind(&mut self, path: &str, depth: &str) -> Answer {
        self.send(raw(PROPFIND, "", &[("path", path), ("depth", depth)])).await
    }

    /// A file that is dragged into the window.
    async fn copies(&mut self, path: &str, content: &[u8]) {
        assert_eq!(self.propfind(path, "0").await.status, StatusCode::NOT_FOUND, "{path}");
        let made = self.send(raw(PUT, "", &[("path", path)])).await;
        assert_eq!(made.status, StatusCode::CREATED, "{path}");
        // It looks at once whether the file is there (drakkan/sftpgo#207).
        let stat = self.propfind(path, "0").await;
        assert!(found(&stat)[path].contains("<D:getcontentlength>0</D:getcontentlength>"), "{}", stat.text());
        let locked = self.send(raw(LOCK, LOCKINFO, &[("path", path)])).await;
        assert_eq!(locked.status, StatusCode::OK, "{path}");
        // Without the lock itself in the answer it cannot write at all.
        assert!(locked.text().contains("<D:activelock>"), "{}", locked.text());
        assert!(lasts(&locked, 3600), "{}", locked.text());
        let token = token(&locked);
        assert_eq!(locked.header("lock-token"), format!("<{token}>"));
        self.patches(path, TIMES, &token).await;
        let head = self.send(raw(HEAD, "", &[("path", path)])).await;
        assert_eq!((head.status, head.header("content-length")), (StatusCode::OK, "0"));
        let written = self.send(raw(PUT_LOCKED, content, &[("path", path), ("token", &token)])).await;
        assert_eq!(written.status, StatusCode::NO_CONTENT, "{path}");
        self.patches(path, TIMES_AFTER, &token).await;
        let ended = self.send(raw(UNLOCK, "", &[("path", path), ("lock-token", &format!("<{token}>"))])).await;
        assert_eq!(ended.status, StatusCode::NO_CONTENT, "{path}");
    }

    /// Explorer calls the copy failed where one of these is refused.
    async fn patches(&mut self, path: &str, body: &str, token: &str) {
        let patched = self.send(raw(PROPPATCH, body, &[("path", path), ("token", token)])).await;
        assert_eq!(patched.status, StatusCode::MULTI_STATUS, "{path}");
        assert_eq!(elements(&patched.text(), "status"), ["HTTP/1.1 200 OK"], "{}", patched.text());
    }
}

fn basic(user: &str) -> String {
    format!("Basic {}", base64::engine::general_purpose::STANDARD.encode(format!("{user}:secret")))
}

#[tokio::test]
async fn a_drive_is_mapped_by_asking_above_it_first_and_without_a_password() {
    let site = Site::start().await;
    let mut explorer = Explorer::maps(&site).await;
    for path in ["/", "/l", "/b"] {
        let options = explorer.send(raw(OPTIONS, "", &[("path", path)])).await;
        assert_eq!(options.status, StatusCode::OK, "{path}: a 401 here can end the attempt");
        assert_eq!(options.header("ms-author-via"), "DAV");
        assert!(options.header("dav").starts_with('1'), "{}", options.header("dav"));
        let asked = raw(PROPFIND, "", &[("path", path), ("depth", "0")]);
        let refused = explorer.send(asked.clone().without("Authorization")).await;
        assert_eq!(refused.status, StatusCode::UNAUTHORIZED);
        // One challenge, of Basic: beside another it was seen to ask for ever (sigoden/dufs#307).
        let challenges: Vec<_> = refused.headers.get_all("www-authenticate").iter().collect();
        assert_eq!(challenges.len(), 1);
        assert!(refused.header("www-authenticate").starts_with("Basic "));
        let listed = explorer.send(asked).await;
        assert_eq!(listed.status, StatusCode::MULTI_STATUS);
        let text = listed.text();
        assert!(text.contains("<D:collection/>"), "{text}");
        // It knows no default namespace.
        assert!(text.contains("xmlns:D=\"DAV:\"") && !text.contains("xmlns=\""), "{text}");
    }
    // What Windows looks for on each drive.
    for name in ["/l/AutoRun.inf", "/b/desktop.ini", "/Family"] {
        assert_eq!(explorer.propfind(name, "0").await.status, StatusCode::NOT_FOUND);
    }
}

#[tokio::test]
async fn a_tree_that_begins_deeper_is_found_from_the_top() {
    let site = Site::with(Lines { server: &["base_path: /dav"], ..Lines::default() }).await;
    let mut explorer = Explorer::maps(&site).await;
    // Windows asks at the top first, whatever was typed (mickael-kerjean/filestash#669).
    for path in ["/", "/dav", "/dav/l"] {
        assert_eq!(explorer.send(raw(OPTIONS, "", &[("path", path)])).await.status, StatusCode::OK, "{path}");
        let listed = explorer.propfind(path, "0").await;
        assert_eq!(listed.status, StatusCode::MULTI_STATUS, "{path}");
        assert!(listed.text().contains("<D:collection/>"), "{path}");
    }
    let listed = explorer.propfind("/dav", "1").await;
    assert_eq!(listed.hrefs(), ["/dav/", "/dav/b/", "/dav/l/"]);
    explorer.copies("/dav/l/file", b"content").await;
    let renamed = explorer.send(raw(MOVE, "", &[("path", "/dav/l/file"), ("to", "/dav/l/other")])).await;
    assert_eq!(renamed.status, StatusCode::CREATED);
}

#[tokio::test]
async fn a_user_may_be_named_with_a_domain() {
    let site = Site::start().await;
    let mut explorer = Explorer::maps(&site).await;
    let stat = |user: &str| {
        let words = [("path", "/l"), ("depth", "0")];
        let mut request = raw(PROPFIND, "", &words);
        request.head = request.head.replace(BASIC, &basic(user));
        request
    };
    for user in ["alice", "DESKTOP-1\\alice", "example.com\\alice"] {
        assert_eq!(explorer.send(stat(user)).await.status, StatusCode::MULTI_STATUS, "{user}");
    }
    for user in ["DESKTOP-1\\bob", "alice\\bob", "DESKTOP-1/alice"] {
        assert_eq!(explorer.send(stat(user)).await.status, StatusCode::UNAUTHORIZED, "{user}");
    }
}

#[tokio::test]
async fn a_new_folder_is_given_its_name_while_it_is_empty() {
    let site = Site::start().await;
    let mut explorer = Explorer::maps(&site).await;
    for root in ROOTS {
        let (from, to) = (format!("{root}/New%20folder"), format!("{root}/Films"));
        assert_eq!(explorer.send(raw(MKCOL, "", &[("path", &from)])).await.status, StatusCode::CREATED);
        assert_eq!(explorer.propfind(&from, "0").await.status, StatusCode::MULTI_STATUS);
        let renamed = explorer.send(raw(MOVE, "", &[("path", &from), ("to", &to)])).await;
        assert_eq!(renamed.status, StatusCode::CREATED, "{root}");
        assert_eq!(explorer.propfind(&from, "0").await.status, StatusCode::NOT_FOUND);
        assert_eq!(explorer.propfind(&to, "1").await.hrefs(), [format!("{to}/")], "{root}: it did not vanish");
        // A second one of the same name is not replaced.
        explorer.send(raw(MKCOL, "", &[("path", &from)])).await;
        let refused = explorer.send(raw(MOVE, "", &[("path", &from), ("to", &to)])).await;
        assert_eq!(refused.status, StatusCode::PRECONDITION_FAILED, "{root}");
        let deleted = explorer.send(raw(DELETE, "", &[("path", &from)])).await;
        assert_eq!(deleted.status, StatusCode::NO_CONTENT, "{root}");
        assert_eq!(site.members(&format!("{root}/")).await, [format!("{to}/")]);
    }
}

#[tokio::test]
async fn a_file_is_copied_in_and_its_content_stays() {
    let site = Site::start().await;
    let mut explorer = Explorer::maps(&site).await;
    let content = vec![7; 300 * 1024];
    for root in ROOTS {
        let path = format!("{root}/Novo%20Documento.txt");
        explorer.copies(&path, &content).await;
        let stat = explorer.propfind(&path, "0").await;
        assert!(found(&stat)[&path].contains("<D:getcontentlength>307200</D:getcontentlength>"), "{}", stat.text());
        // Relayed: nothing is known of how it follows a redirect.
        let read = explorer.send(raw(GET, "", &[("path", &path)])).await;
        assert_eq!(read.status, StatusCode::OK, "{root}");
        assert_eq!(read.body.unwrap(), content, "{root}: not the empty file of the first PUT");
        let to = format!("{root}/test.txt");
        let renamed = explorer.send(raw(MOVE, "", &[("path", &path), ("to", &to)])).await;
        assert_eq!(renamed.status, StatusCode::CREATED);
        assert_eq!(site.members(&format!("{root}/")).await, [to], "{root}");
    }
    let kept = std::fs::metadata(site.here("test.txt")).unwrap().modified().unwrap();
    assert_eq!(kept, httpdate::parse_http_date("Sat, 16 Feb 2019 18:24:58 GMT").unwrap());
}

#[tokio::test]
async fn a_lock_ends_also_by_a_token_without_its_brackets() {
    let site = Site::start().await;
    let mut explorer = Explorer::maps(&site).await;
    for root in ROOTS {
        let path = format!("{root}/file");
        site.put(&path, "x").await;
        for brackets in [true, false] {
            let locked = explorer.send(raw(LOCK, LOCKINFO, &[("path", &path)])).await;
            assert_eq!(locked.status, StatusCode::OK, "{root}");
            // A listing of the drive shows the lock (drives that saw none asked for one for ever).
            assert!(explorer.propfind(&path, "0").await.text().contains("<D:activelock>"), "{root}");
            let token = token(&locked);
            let written = if brackets { format!("<{token}>") } else { token };
            let ended = explorer.send(raw(UNLOCK, "", &[("path", &path), ("lock-token", &written)])).await;
            assert_eq!(ended.status, StatusCode::NO_CONTENT, "{root}: {written}");
        }
    }
}

#[tokio::test]
async fn word_writes_its_owner_file_and_saves_under_its_lock() {
    let site = Site::start().await;
    let mut explorer = Explorer::maps(&site).await;
    for root in ROOTS {
        let document = format!("{root}/test.docx");
        site.put(&document, "former").await;
        let locked = explorer.send(raw(LOCK, LOCKINFO, &[("path", &document)])).await;
        let token = token(&locked);
        explorer.copies(&format!("{root}/~%24test.docx"), &[0; 162]).await;
        let read = explorer.send(raw(GET, "", &[("path", &document)])).await;
        assert_eq!(read.text(), "former", "{root}: who holds the lock reads without its token");
        let written = explorer.send(raw(PUT_LOCKED, "saved", &[("path", &document), ("token", &token)])).await;
        assert_eq!(written.status, StatusCode::NO_CONTENT, "{root}");
        explorer.patches(&document, TIMES_AFTER, &token).await;
        let words = [("path", document.as_str()), ("lock-token", &format!("<{token}>"))];
        assert_eq!(explorer.send(raw(UNLOCK, "", &words)).await.status, StatusCode::NO_CONTENT);
        let owner = format!("{root}/~%24test.docx");
        assert_eq!(explorer.send(raw(DELETE, "", &[("path", &owner)])).await.status, StatusCode::NO_CONTENT);
        assert_eq!(site.read(&document).await.unwrap(), "saved");
        assert_eq!(site.members(&format!("{root}/")).await, [document]);
    }
}

/// FileAttributesLimitInBytes: more than 1,000,000 bytes of a folder's properties, and Explorer shows it empty.
#[tokio::test]
async fn a_folder_of_some_thousands_fits_into_what_explorer_reads() {
    let site = Site::start().await;
    let mut explorer = Explorer::maps(&site).await;
    std::fs::create_dir(site.here("Photos")).unwrap();
    const FILES: usize = 200;
    for n in 0..FILES {
        std::fs::write(site.here(&format!("Photos/IMG_20240115_{n:06}.jpg")), "x").unwrap();
    }
    let folder = "/l/Photos";
    let listed = explorer.propfind(folder, "1").await;
    assert_eq!(listed.hrefs().len(), FILES + 1);
    let each = listed.body.as_ref().unwrap().len() / (FILES + 1);
    // The figure of docs/clients.md.
    assert!(each <= 560, "{each} bytes an entry: {}", 1_000_000 / each);
}
