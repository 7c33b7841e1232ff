//! Finder: apple-oss-distributions/webdavfs (release 403). The headers are those of `mount.tproj/webdav_network.c` in its order;
//! CFNetwork adds `Host`, `Connection` and the length. `Authorization` comes after the first 401 and stays (`authcache_apply`).

// The sequences.
mod replay;

use http::StatusCode;

use super::{Connection, Raw, Site, found, lasts, raw, token};
use crate::support::Answer;

/// `webdavlib/webdavlib.c`: what asks before anything is mounted, to find a proxy that wants a password. The dialog that asks for
/// the server's comes whatever is answered (`WebDAVPlugin/WebDAV_Mount.c`), unless it is an error.
const PROBE: &str = "OPTIONS {path} HTTP/1.1
Host: {host}
User-Agent: WebDAVLib/1.3
Accept: */*
Connection: keep-alive
Content-Length: 0";

/// `network_getDAVLevel`.
const OPTIONS: &str = "OPTIONS {path} HTTP/1.1
Host: {host}
User-Agent: WebDAVFS/3.0.0 (03008000) Darwin/23.4.0 (arm64)
Accept: */*
Connection: keep-alive
Content-Length: 0";

/// `network_stat`, `network_statfs`, `network_readdir`, `network_dir_is_empty`.
const PROPFIND: &str = "PROPFIND {path} HTTP/1.1
Host: {host}
User-Agent: WebDAVFS/3.0.0 (03008000) Darwin/23.4.0 (arm64)
Accept: */*
Content-Type: text/xml
Depth: {depth}
Authorization: {basic}
Connection: keep-alive
Content-Length: {length}";

const STAT: &str = "<?xml version=\"1.0\" encoding=\"utf-8\"?>
<D:propfind xmlns:D=\"DAV:\">
<D:prop>
<D:getlastmodified/>
<D:getcontentlength/>
<D:creationdate/>
<D:resourcetype/>
</D:prop>
</D:propfind>
";

const STATFS: &str = "<?xml version=\"1.0\" encoding=\"utf-8\"?>
<D:propfind xmlns:D=\"DAV:\">
<D:prop>
<D:quota-available-bytes/>
<D:quota-used-bytes/>
<D:quota/>
<D:quotaused/>
</D:prop>
</D:propfind>
";

/// `network_readdir` with `cache`: Finder wants the heads of the `._` files along.
const READDIR: &str = "<?xml version=\"1.0\" encoding=\"utf-8\"?>
<D:propfind xmlns:D=\"DAV:\">
<D:prop xmlns:A=\"http://www.apple.com/webdav_fs/props/\">
<D:getlastmodified/>
<D:getcontentlength/>
<D:creationdate/>
<D:resourcetype/>
<A:appledoubleheader/>
</D:prop>
</D:propfind>
";

const IS_EMPTY: &str = "<?xml version=\"1.0\" encoding=\"utf-8\"?>
<D:propfind xmlns:D=\"DAV:\">
<D:prop>
<D:resourcetype/>
</D:prop>
</D:propfind>
";

/// `network_create`: no body.
const CREATE: &str = "PUT {path} HTTP/1.1
Host: {host}
User-Agent: WebDAVFS/3.0.0 (03008000) Darwin/23.4.0 (arm64)
Accept: */*
Authorization: {basic}
Connection: keep-alive
Content-Length: 0";

/// `network_lock`.
const LOCK: &str = "LOCK {path} HTTP/1.1
Host: {host}
User-Agent: WebDAVFS/3.0.0 (03008000) Darwin/23.4.0 (arm64)
Accept: */*
Depth: 0
Timeout: Second-600
Content-Type: text/xml; charset=\"utf-8\"
Authorization: {basic}
Connection: keep-alive
Content-Length: {length}";

const LOCKINFO: &str = "<?xml version=\"1.0\" encoding=\"utf-8\"?>
<D:lockinfo xmlns:D=\"DAV:\">
<D:lockscope><D:exclusive/></D:lockscope>
<D:locktype><D:write/></D:locktype>
<D:owner>
<D:href>http://www.apple.com/webdav_fs/</D:href>
</D:owner>
</D:lockinfo>
";

/// `network_lock` with `refresh`, from the thread that runs every `WEBDAV_PULSE_TIMEOUT`: no body.
const REFRESH: &str = "LOCK {path} HTTP/1.1
Host: {host}
User-Agent: WebDAVFS/3.0.0 (03008000) Darwin/23.4.0 (arm64)
Accept: */*
Depth: 0
Timeout: Second-600
Content-Type: text/xml
If: (<{token}>)
Authorization: {basic}
Connection: keep-alive
Content-Length: 0";

/// `setup_seq_write`: the body is streamed in chunks, and its length stands in a header of Apple's own.
const WRITE: &str = "PUT {path} HTTP/1.1
Host: {host}
User-Agent: WebDAVFS/3.0.0 (03008000) Darwin/23.4.0 (arm64)
Accept: */*
X-Expected-Entity-Length: {expected}
If: (<{token}>)
Authorization: {basic}
Connection: keep-alive
Transfer-Encoding: chunked";

/// `network_fsync`: the cached file is sent as a whole.
const FSYNC: &str = "PUT {path} HTTP/1.1
Host: {host}
User-Agent: WebDAVFS/3.0.0 (03008000) Darwin/23.4.0 (arm64)
Accept: */*
If: (<{token}>)
Authorization: {basic}
Connection: keep-alive
Content-Length: {length}";

const UNLOCK: &str = "UNLOCK {path} HTTP/1.1
Host: {host}
User-Agent: WebDAVFS/3.0.0 (03008000) Darwin/23.4.0 (arm64)
Accept: */*
Lock-Token: <{token}>
Authorization: {basic}
Connection: keep-alive
Content-Length: 0";

/// `network_rename`: no `Overwrite`, and `If` only where a lock is held.
const MOVE: &str = "MOVE {path} HTTP/1.1
Host: {host}
User-Agent: WebDAVFS/3.0.0 (03008000) Darwin/23.4.0 (arm64)
Accept: */*
Destination: http://{host}{to}
If: (<{token}>)
Authorization: {basic}
Connection: keep-alive
Content-Length: 0";

/// `network_delete`, `network_mkdir`: a method and nothing else.
const BARE: &str = "{method} {path} HTTP/1.1
Host: {host}
User-Agent: WebDAVFS/3.0.0 (03008000) Darwin/23.4.0 (arm64)
Accept: */*
If: (<{token}>)
Authorization: {basic}
Connection: keep-alive
Content-Length: 0";

/// `network_open`, `network_read`; the conditions are one or the other.
const GET: &str = "GET {path} HTTP/1.1
Host: {host}
User-Agent: WebDAVFS/3.0.0 (03008000) Darwin/23.4.0 (arm64)
Accept: */*
{conditions}
Authorization: {basic}
Connection: keep-alive";

/// What Finder makes of a status: `translate_status_to_error`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Errno {
    Fine,
    Perm,
    NoEnt,
    TooBig,
    NameTooLong,
    Inval,
    Busy,
    NoSpace,
}

fn errno(status: StatusCode) -> Errno {
    match status.as_u16() {
        200..=299 => Errno::Fine,
        404 | 409 | 410 => Errno::NoEnt,
        401 | 402 | 403 | 405 => Errno::Perm,
        413 => Errno::TooBig,
        414 => Errno::NameTooLong,
        423 | 424 => Errno::Busy,
        507 => Errno::NoSpace,
        // A redirect, and whatever else the server cannot do: for Finder the file is not there.
        300..=399 | 500.. => Errno::NoEnt,
        _ => Errno::Inval,
    }
}

struct Finder {
    connection: Connection,
}

impl Finder {
    async fn mounts(site: &Site) -> Self {
        Self { connection: site.connect().await }
    }

    async fn send(&mut self, request: Raw) -> Answer {
        self.connection.send(&request).await
    }

    async fn propfind(&mut self, path: &str, depth: &str, body: &str) -> Answer {
        self.send(raw(PROPFIND, body, &[("path", path), ("depth", depth)])).await
    }

    /// Looks whether a name is there, as before each operation.
    async fn stat(&mut self, path: &str) -> Option<String> {
        let answer = self.propfind(path, "0", STAT).await;
        match errno(answer.status) {
            Errno::Fine => Some(found(&answer).into_values().next().unwrap()),
            Errno::NoEnt if answer.status == StatusCode::NOT_FOUND => None,
            other => panic!("{path}: {other:?} for {}", answer.status),
        }
    }

    /// `network_create` and `network_lock`, which follow each other when a file is opened to be written.
    async fn create(&mut self, path: &str) -> String {
        let created = self.send(raw(CREATE, "", &[("path", path)])).await;
        assert_eq!(created.status, StatusCode::CREATED, "{path}");
        // The creation date that Finder shows.
        httpdate(created.header("date"));
        self.lock(path).await
    }

    async fn lock(&mut self, path: &str) -> String {
        let locked = self.send(raw(LOCK, LOCKINFO, &[("path", path)])).await;
        assert_eq!(locked.status, StatusCode::OK, "{path}: a 207 is a failure to Finder, a 201 a new file");
        assert!(lasts(&locked, 600), "{}", locked.text());
        token(&locked)
    }

    async fn unlock(&mut self, path: &str, token: &str) {
        let answer = self.send(raw(UNLOCK, "", &[("path", path), ("token", token)])).await;
        assert_eq!(errno(answer.status), Errno::Fine, "{path}: {}", answer.status);
    }

    /// A whole file, by `network_fsync`.
    async fn writes(&mut self, path: &str, content: &[u8]) {
        let token = self.create(path).await;
        let answer = self.send(raw(FSYNC, content, &[("path", path), ("token", &token)])).await;
        assert_eq!(errno(answer.status), Errno::Fine, "{path}: {}", answer.status);
        self.unlock(path, &token).await;
    }

    async fn bare(&mut self, method: &str, path: &str) -> Answer {
        self.send(raw(BARE, "", &[("method", method), ("path", path)]).without("If:")).await
    }

    async fn get(&mut self, path: &str, conditions: &str) -> Answer {
        self.send(raw(GET, "", &[("path", path), ("conditions", conditions)])).await
    }
}

/// A date as Finder reads it (`DateStringToTime`); seconds since 1970.
fn httpdate(text: &str) -> u64 {
    let time = httpdate::parse_http_date(text).unwrap_or_else(|_| panic!("no date: {text:?}"));
    time.duration_since(std::time::UNIX_EPOCH).unwrap().as_secs()
}
