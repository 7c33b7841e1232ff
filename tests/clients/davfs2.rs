//! davfs2 1.7.0 (`src/webdav.c`) on neon (notroj/neon `src/ne_request.c`, `ne_props.c`, `ne_locks.c`, `ne_basic.c`): the headers in
//! the order in which neon writes them, those of hooks (`Authorization`, `If`, `If-None-Match`) last.

use http::StatusCode;

use super::{Connection, ROOTS, Raw, Site, elements, found, lasts, raw, token};
use crate::support::Answer;

/// The first request of a session; neon does not know yet which HTTP the server speaks.
const OPTIONS: &str = "OPTIONS {path} HTTP/1.1
User-Agent: davfs2/1.7.0 neon/0.33.0
Keep-Alive:
Connection: TE, Keep-Alive
TE: trailers
Host: {host}";

const PROPFIND: &str = "PROPFIND {path} HTTP/1.1
User-Agent: davfs2/1.7.0 neon/0.33.0
Connection: TE
TE: trailers
Host: {host}
Depth: {depth}
Content-Length: {length}
Content-Type: application/xml
Authorization: {basic}";

/// `full_prop_names`.
const PROPS: &str = "<?xml version=\"1.0\" encoding=\"utf-8\"?>
<propfind xmlns=\"DAV:\"><prop>
<resourcetype xmlns=\"DAV:\"/>
<getcontentlength xmlns=\"DAV:\"/>
<getetag xmlns=\"DAV:\"/>
<getlastmodified xmlns=\"DAV:\"/>
<executable xmlns=\"http://apache.org/dav/props/\"/>
</prop></propfind>
";

/// `quota_names`.
const QUOTA: &str = "<?xml version=\"1.0\" encoding=\"utf-8\"?>
<propfind xmlns=\"DAV:\"><prop>
<quota-available-bytes xmlns=\"DAV:\"/>
<quota-used-bytes xmlns=\"DAV:\"/>
</prop></propfind>
";

/// `ne_lock_discover`.
const DISCOVER: &str = "<?xml version=\"1.0\" encoding=\"utf-8\"?>
<propfind xmlns=\"DAV:\"><prop>
<lockdiscovery xmlns=\"DAV:\"/>
</prop></propfind>
";

const LOCK: &str = "LOCK {path} HTTP/1.1
User-Agent: davfs2/1.7.0 neon/0.33.0
Connection: TE
TE: trailers
Host: {host}
Content-Length: {length}
Content-Type: application/xml
Depth: 0
Timeout: Second-1800
Authorization: {basic}
If-None-Match: *";

const LOCKINFO: &str = "<?xml version=\"1.0\" encoding=\"utf-8\"?>
<lockinfo xmlns='DAV:'>
 <lockscope><exclusive/></lockscope>
<locktype><write/></locktype><owner>alice</owner>
</lockinfo>
";

const REFRESH: &str = "LOCK {path} HTTP/1.1
User-Agent: davfs2/1.7.0 neon/0.33.0
Connection: TE
TE: trailers
Host: {host}
If: (<{token}>)
Timeout: Second-1800
Authorization: {basic}";

/// The condition is one of `If-None-Match: *` and `If-Match: ETAG`, or none.
const PUT: &str = "PUT {path} HTTP/1.1
User-Agent: davfs2/1.7.0 neon/0.33.0
Connection: TE
TE: trailers
Host: {host}
{condition}
Content-Length: {length}
Authorization: {basic}
If: <http://{host}{path}> (<{token}>)";

const UNLOCK: &str = "UNLOCK {path} HTTP/1.1
User-Agent: davfs2/1.7.0 neon/0.33.0
Connection: TE
TE: trailers
Host: {host}
Lock-Token: <{token}>
Authorization: {basic}";

const HEAD: &str = "HEAD {path} HTTP/1.1
User-Agent: davfs2/1.7.0 neon/0.33.0
Connection: TE
TE: trailers
Host: {host}
Authorization: {basic}";

const GET: &str = "GET {path} HTTP/1.1
User-Agent: davfs2/1.7.0 neon/0.33.0
Connection: TE
TE: trailers
Host: {host}
If-None-Match: {etag}
If-Modified-Since: {date}
Authorization: {basic}";

/// `ne_move`; a folder's lock would be submitted, davfs2 holds none.
const MOVE: &str = "MOVE {path} HTTP/1.1
User-Agent: davfs2/1.7.0 neon/0.33.0
Connection: TE
TE: trailers
Host: {host}
Destination: http://{host}{to}
Overwrite: T
Authorization: {basic}";

/// `ne_mkcol`, `ne_delete`.
const BARE: &str = "{method} {path} HTTP/1.1
User-Agent: davfs2/1.7.0 neon/0.33.0
Connection: TE
TE: trailers
Host: {host}
Authorization: {basic}";

struct Davfs {
    connection: Connection,
}

impl Davfs {
    async fn mounts(site: &Site) -> Self {
        Self { connection: site.connect().await }
    }

    async fn send(&mut self, request: Raw) -> Answer {
        self.connection.send(&request).await
    }

    async fn propfind(&mut self, path: &str, depth: &str, body: &str) -> Answer {
        self.send(raw(PROPFIND, body, &[("path", path), ("depth", depth)])).await
    }

    /// `dav_head`: a length and validators, or ENOENT.
    async fn head(&mut self, path: &str) -> Answer {
        self.send(raw(HEAD, "", &[("path", path)])).await
    }

    /// `dav_unlock`.
    async fn unlock(&mut self, path: &str, token: &str) {
        let answer = self.send(raw(UNLOCK, "", &[("path", path), ("token", token)])).await;
        assert_eq!(answer.status, StatusCode::NO_CONTENT, "{path}");
    }
}

#[tokio::test]
async fn mounting_asks_for_the_classes_and_lists_with_its_own_properties() {
    let site = Site::start().await;
    let mut davfs = Davfs::mounts(&site).await;
    for root in ROOTS {
        let folder = format!("{root}/");
        let options = davfs.send(raw(OPTIONS, "", &[("path", &folder)])).await;
        assert_eq!(options.status, StatusCode::OK);
        // `caps.dav_class2`: without it the locks are dropped.
        assert!(options.header("dav").split(',').any(|class| class.trim() == "2"), "{}", options.header("dav"));
        davfs.send(raw(BARE, "", &[("method", "MKCOL"), ("path", &format!("{root}/folder/"))])).await;
        site.put(&format!("{root}/file"), "content").await;
        let asked = raw(PROPFIND, PROPS, &[("path", &folder), ("depth", "1")]);
        let refused = davfs.send(asked.clone().without("Authorization")).await;
        assert_eq!(refused.status, StatusCode::UNAUTHORIZED);
        let listed = davfs.send(asked).await;
        assert_eq!(listed.status, StatusCode::MULTI_STATUS);
        let found = found(&listed);
        // `prop_result`: each path must begin with the folder's, letter by letter.
        assert!(found.keys().all(|href| href.starts_with(&folder)), "{found:?}");
        assert!(found[&format!("{root}/folder/")].contains("<D:collection/>"));
        let file = &found[&format!("{root}/file")];
        assert!(file.contains("<D:getcontentlength>7</D:getcontentlength>"), "{file}");
        // A weak one would be dropped or lose its mark.
        assert!(elements(file, "getetag")[0].starts_with(['"', '&']), "{file}");
        let quota = davfs.propfind(&folder, "0", QUOTA).await;
        assert_eq!(quota.status, StatusCode::MULTI_STATUS, "{root}");
    }
}

#[tokio::test]
async fn a_new_file_is_locked_only_if_it_is_not_there_and_then_written_under_the_lock() {
    let site = Site::start().await;
    let mut davfs = Davfs::mounts(&site).await;
    for root in ROOTS {
        let path = format!("{root}/new");
        let locked = davfs.send(raw(LOCK, LOCKINFO, &[("path", &path)])).await;
        assert_eq!(locked.status, StatusCode::CREATED, "{root}: which tells davfs2 that the file exists now");
        assert!(lasts(&locked, 1800), "{}", locked.text());
        let token = token(&locked);
        let words = [("path", path.as_str()), ("token", &token), ("condition", "TE: trailers")];
        let written = davfs.send(raw(PUT, "content", &words)).await;
        assert_eq!(written.status, StatusCode::NO_CONTENT, "{root}");
        // Where they are missing it asks with HEAD, and both must say the same.
        let (etag, head) = (written.header("etag").to_owned(), davfs.head(&path).await);
        assert!(etag.starts_with('"'), "{root}: a strong one: {etag:?}");
        assert_eq!(head.header("etag"), etag, "{root}");
        // The next write must be over this version.
        let condition = format!("If-Match: {etag}");
        let words = [("path", path.as_str()), ("token", &token), ("condition", &condition)];
        assert_eq!(davfs.send(raw(PUT, "second", &words)).await.status, StatusCode::NO_CONTENT, "{root}");
        let stale = davfs.send(raw(PUT, "third", &words)).await;
        assert_eq!(stale.status, StatusCode::PRECONDITION_FAILED, "{root}: the version has changed");
        davfs.unlock(&path, &token).await;
        assert_eq!(site.read(&path).await.unwrap(), "second");
        // What is there already is EEXIST, and stays.
        let there = davfs.send(raw(LOCK, LOCKINFO, &[("path", &path)])).await;
        assert_eq!(there.status, StatusCode::PRECONDITION_FAILED, "{root}");
    }
}

#[tokio::test]
async fn a_lock_that_it_held_before_is_found_and_taken_up_again() {
    let site = Site::start().await;
    for root in ROOTS {
        let path = format!("{root}/file");
        site.put(&path, "former").await;
        let lock = raw(LOCK, LOCKINFO, &[("path", &path)]).without("If-None-Match");
        let held = token(&Davfs::mounts(&site).await.send(lock.clone()).await);
        // The machine was switched off with the file open; the lock is still there.
        let mut davfs = Davfs::mounts(&site).await;
        assert_eq!(davfs.send(lock).await.status, StatusCode::LOCKED, "{root}");
        let discovered = davfs.propfind(&path, "0", DISCOVER).await;
        // `lock_result`: the lock is its own if its owner says so, word for word.
        assert_eq!(elements(&discovered.text(), "owner"), ["alice"], "{}", discovered.text());
        assert_eq!(token(&discovered), held, "{root}");
        let refreshed = davfs.send(raw(REFRESH, "", &[("path", &path), ("token", &held)])).await;
        assert_eq!(refreshed.status, StatusCode::OK, "{root}");
        assert_eq!(token(&refreshed), held, "{root}");
        let words = [("path", path.as_str()), ("token", &held), ("condition", "TE: trailers")];
        assert_eq!(davfs.send(raw(PUT, "content", &words)).await.status, StatusCode::NO_CONTENT, "{root}");
        davfs.unlock(&path, &held).await;
        assert_eq!(site.read(&path).await.unwrap(), "content");
    }
}

#[tokio::test]
async fn a_file_comes_whole_or_not_at_all_and_never_by_a_redirect() {
    let site = Site::start().await;
    let mut davfs = Davfs::mounts(&site).await;
    let content = vec![9; 400 * 1024];
    for root in ROOTS {
        let path = format!("{root}/large");
        site.put(&path, content.clone()).await;
        let known = davfs.head(&path).await;
        let words = [("path", path.as_str()), ("etag", "\"other\""), ("date", "Sun, 06 Nov 1994 08:49:37 GMT")];
        let read = davfs.send(raw(GET, "", &words)).await;
        // Only a 200 counts (`dav_get_file`); a 302 is an error to it.
        assert_eq!(read.status, StatusCode::OK, "{root}");
        assert_eq!(read.body.as_ref().unwrap(), &content);
        for name in ["etag", "last-modified", "content-length"] {
            assert_eq!(read.header(name), known.header(name), "{root}: {name}");
        }
        let (etag, date) = (known.header("etag").to_owned(), known.header("last-modified").to_owned());
        let words = [("path", path.as_str()), ("etag", &etag), ("date", &date)];
        assert_eq!(davfs.send(raw(GET, "", &words)).await.status, StatusCode::NOT_MODIFIED, "{root}");
    }
}

#[tokio::test]
async fn a_file_is_written_beside_and_moved_over_as_editors_do() {
    let site = Site::start().await;
    let mut davfs = Davfs::mounts(&site).await;
    for root in ROOTS {
        let (target, beside) = (format!("{root}/text"), format!("{root}/.text.swp"));
        site.put(&target, "former").await;
        let token = token(&davfs.send(raw(LOCK, LOCKINFO, &[("path", &beside)])).await);
        let words = [("path", beside.as_str()), ("token", &token), ("condition", "TE: trailers")];
        davfs.send(raw(PUT, "edited", &words)).await;
        davfs.unlock(&beside, &token).await;
        let moved = davfs.send(raw(MOVE, "", &[("path", &beside), ("to", &target)])).await;
        assert_eq!(moved.status, StatusCode::NO_CONTENT, "{root}");
        assert_eq!(site.read(&target).await.unwrap(), "edited");
        let gone = davfs.send(raw(BARE, "", &[("method", "DELETE"), ("path", &target)])).await;
        assert_eq!(gone.status, StatusCode::NO_CONTENT, "{root}");
        assert!(site.members(&format!("{root}/")).await.is_empty(), "{root}");
    }
}
