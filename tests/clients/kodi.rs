//! Kodi: xbmc/xbmc `xbmc/filesystem/CurlFile.cpp`, `DAVDirectory.cpp`, `DAVFile.cpp`, on libcurl with CURLAUTH_ANY: the first request
//! of each handle bears no password, and is sent once more with it after the 401. The User-Agent is that of Debian's build.

use std::time::Duration;

use bytes::Bytes;
use http::StatusCode;

use super::{Connection, Lines, ROOTS, Raw, Site, elements, found, raw};
use crate::support::Answer;

/// `CCurlFile::Exists`, `Stat`.
const HEAD: &str = "HEAD {path} HTTP/1.1
Host: {host}
Authorization: {basic}
User-Agent: KodifromDebian/20.1 (X11; Linux x86_64) Kodi_Fork_Kodi from Debian/1.0 Debian GNU/Linux/12 App_Bitness/64 Version/20.1
Accept: */*
Accept-Charset: UTF-8,*;q=0.8";

/// `CCurlFile::Open`, `Seek`: always a range.
const GET: &str = "GET {path} HTTP/1.1
Host: {host}
Authorization: {basic}
Range: bytes={from}-
User-Agent: KodifromDebian/20.1 (X11; Linux x86_64) Kodi_Fork_Kodi from Debian/1.0 Debian GNU/Linux/12 App_Bitness/64 Version/20.1
Accept: */*
Accept-Charset: UTF-8,*;q=0.8";

/// The same on a link: no password, as no 401 asked for one.
const ON_LINK: &str = "GET {path} HTTP/1.1
Host: {target}
Range: bytes={from}-
User-Agent: KodifromDebian/20.1 (X11; Linux x86_64) Kodi_Fork_Kodi from Debian/1.0 Debian GNU/Linux/12 App_Bitness/64 Version/20.1
Accept: */*
Accept-Charset: UTF-8,*;q=0.8";

/// `CDAVDirectory::GetDirectory`.
const PROPFIND: &str = "PROPFIND {path} HTTP/1.1
Host: {host}
Authorization: {basic}
User-Agent: KodifromDebian/20.1 (X11; Linux x86_64) Kodi_Fork_Kodi from Debian/1.0 Debian GNU/Linux/12 App_Bitness/64 Version/20.1
Accept: */*
Accept-Charset: UTF-8,*;q=0.8
content-type: text/xml
depth: 1
Content-Length: {length}";

const PROPS: &str = "<?xml version=\"1.0\" encoding=\"utf-8\" ?> <D:propfind xmlns:D=\"DAV:\">   <D:prop>     <D:resourcetype/>     \
<D:getcontentlength/>     <D:getlastmodified/>     <D:creationdate/>     <D:displayname/>    </D:prop>  </D:propfind>";

/// `CDAVFile::Delete`, `CDAVFile::Rename`.
const CHANGE: &str = "{method} {path} HTTP/1.1
Host: {host}
Authorization: {basic}
User-Agent: KodifromDebian/20.1 (X11; Linux x86_64) Kodi_Fork_Kodi from Debian/1.0 Debian GNU/Linux/12 App_Bitness/64 Version/20.1
Accept: */*
Accept-Charset: UTF-8,*;q=0.8
Destination: http://{host}{to}";

struct Kodi<'a> {
    site: &'a Site,
}

impl Kodi<'_> {
    /// A request on a handle of its own: refused, then with the password.
    async fn send(&self, request: Raw) -> Answer {
        let mut connection = self.site.connect().await;
        let refused = connection.send(&request.clone().without("Authorization")).await;
        assert_eq!(refused.status, StatusCode::UNAUTHORIZED, "{}", request.head);
        assert!(refused.header("www-authenticate").starts_with("Basic "));
        connection.send(&request).await
    }

    async fn head(&self, path: &str) -> Answer {
        self.send(raw(HEAD, "", &[("path", path)])).await
    }

    async fn open(&self, path: &str, from: u64) -> Answer {
        self.send(raw(GET, "", &[("path", path), ("from", &from.to_string())])).await
    }
}

/// A link as libcurl takes it apart: host with port, path with query.
fn apart(location: &str) -> (String, String) {
    let (host, path) = location.strip_prefix("http://").unwrap().split_once('/').unwrap();
    (host.to_owned(), format!("/{path}"))
}

/// Asks for a part on a link, on a new connection.
async fn on_link(location: &str, from: u64) -> Answer {
    let (target, path) = apart(location);
    let request = raw(ON_LINK, "", &[("target", &target), ("path", &path), ("from", &from.to_string())]);
    Connection::to(&target).await.send(&request).await
}

fn film() -> Bytes {
    (0..300_000_u32).flat_map(|n| n.to_le_bytes()).collect::<Vec<u8>>().into()
}

#[tokio::test]
async fn whether_a_file_is_there_is_asked_with_head_and_never_redirected() {
    let site = Site::start().await;
    let kodi = Kodi { site: &site };
    for root in ROOTS {
        let (folder, file) = (format!("{root}/Films/"), format!("{root}/Films/one.mkv"));
        site.davmux.send("MKCOL", &folder, &[("Authorization", super::BASIC)], "").await;
        site.put(&file, film()).await;
        let there = kodi.head(&file).await;
        assert_eq!((there.status, there.header("content-length")), (StatusCode::OK, "1200000"), "{root}");
        httpdate::parse_http_date(there.header("last-modified")).unwrap();
        for folder in [folder.as_str(), folder.trim_end_matches('/'), root] {
            assert_eq!(kodi.head(folder).await.status, StatusCode::OK, "{folder}");
        }
        // Any other status than 404 would be an error in its log, and 405 a second request.
        for name in [".nomedia", "one.nfo", "folder.jpg", "VIDEO_TS/VIDEO_TS.IFO", "BDMV/index.bdmv"] {
            assert_eq!(kodi.head(&format!("{folder}{name}")).await.status, StatusCode::NOT_FOUND, "{name}");
        }
    }
}

#[tokio::test]
async fn a_folder_is_listed_by_status_lines_and_dates_that_it_reads() {
    let site = Site::start().await;
    let kodi = Kodi { site: &site };
    for root in ROOTS {
        site.davmux.send("MKCOL", &format!("{root}/Season%201"), &[("Authorization", super::BASIC)], "").await;
        site.put(&format!("{root}/A%20%26%20B%20%231.mkv"), "x").await;
        let listed = kodi.send(raw(PROPFIND, PROPS, &[("path", &format!("{root}/"))])).await;
        assert_eq!(listed.status, StatusCode::MULTI_STATUS);
        // Older ones compare the whole line.
        assert!(elements(&listed.text(), "status").contains(&"HTTP/1.1 200 OK".to_owned()), "{}", listed.text());
        let found = found(&listed);
        assert!(found[&format!("{root}/Season%201/")].contains("<D:collection/>"), "{found:?}");
        let file = &found[&format!("{root}/A%20%26%20B%20%231.mkv")];
        assert_eq!(elements(file, "displayname"), ["A &amp; B #1.mkv"]);
        httpdate::parse_http_date(&elements(file, "getlastmodified")[0]).unwrap();
        assert_eq!(elements(file, "getcontentlength"), ["1"]);
    }
}

#[tokio::test]
async fn a_film_is_played_from_the_link_and_seeks_on_it_without_coming_back() {
    let site = Site::start().await;
    let kodi = Kodi { site: &site };
    let path = "/b/film.mkv";
    site.put(path, film()).await;
    let opened = kodi.open(path, 0).await;
    assert_eq!(opened.status, StatusCode::FOUND);
    // Its address is kept for every later seek (CURLINFO_EFFECTIVE_URL).
    let location = opened.header("location").to_owned();
    let first = on_link(&location, 0).await;
    assert_eq!(first.status, StatusCode::PARTIAL_CONTENT, "a bucket refuses a password beside its signature");
    assert_eq!(first.body.unwrap(), film());
    // It lives as long as it is promised, four hours by default: a film and its pauses.
    for (later, from) in [(0, 600_000), (2 * 3600, 4_096), (4 * 3600 - 60, 1_199_999)] {
        site.s3.clock().set_ahead(Duration::from_secs(later));
        let part = on_link(&location, from).await;
        assert_eq!(part.status, StatusCode::PARTIAL_CONTENT, "{later} s later");
        assert_eq!(part.body.unwrap(), film().slice(usize::try_from(from).unwrap()..), "{from}");
    }
    // Beyond its end playback stops.
    site.s3.clock().set_ahead(Duration::from_secs(6 * 3600));
    assert_eq!(on_link(&location, 0).await.status, StatusCode::FORBIDDEN);
}

#[tokio::test]
async fn a_film_is_played_through_a_relay_with_the_lengths_that_make_it_seekable() {
    let site = Site::with(Lines { bucket: &["read: relay"], ..Lines::default() }).await;
    relayed(&site, &ROOTS).await;
    // A local folder has no links in the first place.
    relayed(&Site::start().await, &["/l"]).await;
}

async fn relayed(site: &Site, roots: &[&str]) {
    let kodi = Kodi { site };
    for root in roots {
        let path = format!("{root}/film.mkv");
        site.put(&path, film()).await;
        for from in [0_u64, 1_000_000] {
            let opened = kodi.open(&path, from).await;
            assert_eq!(opened.status, StatusCode::PARTIAL_CONTENT, "{root}");
            // Without a length, or with an encoding, there is no seeking (xbmc/xbmc#25787).
            assert_eq!(opened.header("content-length"), (1_200_000 - from).to_string());
            assert_eq!(opened.header("content-range"), format!("bytes {from}-1199999/1200000"));
            assert_eq!(opened.header("accept-ranges"), "bytes");
            for name in ["transfer-encoding", "content-encoding"] {
                assert!(!opened.headers.contains_key(name), "{root}: {name}");
            }
            assert_eq!(opened.body.unwrap(), film().slice(usize::try_from(from).unwrap()..));
        }
        // A file of no bytes has no range, and is no error.
        let empty = format!("{root}/empty.srt");
        site.put(&empty, "").await;
        assert_eq!(kodi.open(&empty, 0).await.status, StatusCode::OK, "{root}");
    }
}

#[tokio::test]
async fn files_are_renamed_and_deleted_from_its_file_manager() {
    let site = Site::start().await;
    let kodi = Kodi { site: &site };
    for root in ROOTS {
        let (from, to) = (format!("{root}/old.mkv"), format!("{root}/new%20name.mkv"));
        site.put(&from, "film").await;
        let moved = kodi.send(raw(CHANGE, "", &[("method", "MOVE"), ("path", &from), ("to", &to)])).await;
        assert_eq!(moved.status, StatusCode::CREATED, "{root}");
        assert_eq!(site.read(&to).await.unwrap(), "film");
        let gone = raw(CHANGE, "", &[("method", "DELETE"), ("path", &to)]).without("Destination");
        assert_eq!(kodi.send(gone).await.status, StatusCode::NO_CONTENT, "{root}");
        assert_eq!(site.read(&to).await, None);
    }
}
