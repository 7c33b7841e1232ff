//! Reading: GET of a link by a bare HTTP client, the body passed through as it comes.
//!
//! The SDK is left out because relaying is the hot path: no copies, no checksum wrappers, one pool of connections for
//! each mount. A read is tried again until the first byte was passed on; going on after a cut is the tree's work, as
//! only it knows which version it gave out.

use std::ops::Range;
use std::sync::{Arc, OnceLock};
use std::time::{Duration, UNIX_EPOCH};

use bytes::Bytes;
use davmux_driver::{
    Body, ByteRange, ByteStream, Entry, Error, ErrorKind, Etag, Expect, Kind, Op, ReadReply, ReadRequest, RelPath,
    Result, follow,
};
use futures_util::stream;
use http::{HeaderMap, StatusCode, header};
use http_body_util::{BodyExt as _, Full, Limited};
use hyper::body::Incoming;
use hyper_rustls::HttpsConnector;
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::{TokioExecutor, TokioTimer};

use crate::bucket::{Bucket, entry_of};
use crate::client::{ATTEMPT, CONNECT, FIRST_PAUSE, LONGEST_PAUSE};
use crate::credentials::signer_of;
use crate::error::{Failure, NOT_S3, backend, element};
use crate::link::{RelayRequest, follow_request, relay_request, relays_unsigned};
use crate::metadata;
use crate::options::OptionsError;
use crate::resolve::Resolver;
use crate::stat::stat;

const OP: &str = "read";
/// How often a read is sent at most.
const ATTEMPTS: u32 = 3;
/// How long a body may stand still.
const STALL: Duration = Duration::from_secs(60);
/// Bytes of a body that are read ahead. A head must fit into it too.
const MOST_BUFFERED: usize = 128 * 1024;
/// Bytes of an error document that are looked at.
const ERROR_LIMIT: usize = 64 * 1024;

pub(crate) type Http = Client<HttpsConnector<HttpConnector<Resolver>>, Full<Bytes>>;

/// A client with a pool of its own. The connector, with the system's TLS roots, is the whole process's: made when the
/// first bucket is opened, so that missing roots are said then.
///
/// A pool of all buckets would be one of all runtimes too, and a connection dies with the runtime that opened it.
pub(crate) fn http() -> Result<Http, OptionsError> {
    static CONNECTOR: OnceLock<Result<HttpsConnector<HttpConnector<Resolver>>, String>> = OnceLock::new();
    let connector = CONNECTOR.get_or_init(|| {
        let mut tcp = HttpConnector::new_with_resolver(Resolver);
        tcp.enforce_http(false);
        tcp.set_nodelay(true);
        tcp.set_connect_timeout(Some(CONNECT));
        let builder = hyper_rustls::HttpsConnectorBuilder::new();
        let builder = builder.with_native_roots().map_err(|error| error.to_string())?;
        Ok(builder.https_or_http().enable_http1().wrap_connector(tcp))
    });
    let connector = connector.as_ref().map_err(|error| OptionsError::Tls(error.clone()))?;
    Ok(Client::builder(TokioExecutor::new())
        .pool_timer(TokioTimer::new())
        .pool_idle_timeout(Duration::from_secs(20))
        .http1_max_buf_size(MOST_BUFFERED)
        .build(connector.clone()))
}

/// Opens a file.
pub(crate) async fn read(bucket: &Bucket, path: &RelPath, request: &ReadRequest) -> Result<ReadReply> {
    if path.is_root() {
        return Err(Error::new(ErrorKind::IsDir, OP, path));
    }
    let Some(range) = range_header(request.range) else {
        // No byte can be in such a range, and no header can say it.
        return Err(range_error(bucket, path, None).await);
    };
    let answer = match send(bucket, path, range.as_deref(), request.if_match.as_ref()).await {
        // More than there is from the end is all there is (RFC 9110 section 14.1.2); rclone's server does not know it.
        Err(error) if is_whole(request.range, error.kind()) => {
            send(bucket, path, Some("bytes=0-"), request.if_match.as_ref()).await
        }
        answer => answer,
    }?;
    let (parts, body) = answer.into_parts();
    let (entry, range) = describe(path, request, parts.status, &parts.headers)?;
    let length = range.end - range.start;
    Ok(ReadReply { entry, range, body: Body::Stream(exactly(body, length, path.clone())) })
}

/// The value of the Range header; the outer `None` where no header can say the range.
fn range_header(range: Option<ByteRange>) -> Option<Option<String>> {
    Some(match range {
        None => None,
        Some(ByteRange::From(start)) => Some(format!("bytes={start}-")),
        Some(ByteRange::FromTo(start, end)) if start < end => Some(format!("bytes={start}-{}", end - 1)),
        Some(ByteRange::Last(count)) if count > 0 => Some(format!("bytes=-{count}")),
        Some(ByteRange::FromTo(..) | ByteRange::Last(_)) => return None,
    })
}

/// Whether a range that was refused is the whole of a file that is not empty.
fn is_whole(range: Option<ByteRange>, refused: ErrorKind) -> bool {
    matches!((range, refused), (Some(ByteRange::Last(count)), ErrorKind::Range { size }) if size > 0 && count >= size)
}

/// What is asked for, beside the URL.
#[derive(Clone, Copy)]
struct Asked<'a> {
    range: Option<&'a str>,
    if_match: Option<&'a Etag>,
}

async fn send(
    bucket: &Bucket,
    path: &RelPath,
    range: Option<&str>,
    if_match: Option<&Etag>,
) -> Result<http::Response<Incoming>> {
    let asked = Asked { range, if_match };
    let mut pause = FIRST_PAUSE;
    let mut attempt = 1;
    let mut in_time = true;
    loop {
        let RelayRequest { request, signed } = relay_request(bucket, path).await?;
        let signer = request.uri_ref().and_then(http::Uri::query).and_then(signer_of).map(ToOwned::to_owned);
        let failure = match once(&bucket.http, bucket, request, asked).await {
            Ok(answer) if answer.status().is_success() => {
                if is_unpacked(answer.headers()) && !bucket.habits.unpacks() {
                    bucket.habits.set_unpacks();
                    continue;
                }
                if !relays_unsigned(bucket) && !is_of_s3(answer.headers()) {
                    return Err(backend(OP, path, NOT_S3));
                }
                return Ok(answer);
            }
            Ok(answer) => {
                let (parts, body) = answer.into_parts();
                if let Some(signed) = signed
                    && in_time
                    && bucket.clock.refuses(signed, parts.status, &parts.headers)
                {
                    // By the time that the answer tells it may pass.
                    in_time = false;
                    continue;
                }
                let body = error_document(body).await;
                if parts.status == StatusCode::RANGE_NOT_SATISFIABLE {
                    return Err(range_error(bucket, path, size_of_416(&parts.headers, &body)).await);
                }
                Failure::answer(parts.status, &parts.headers, &body)
            }
            Err(failure) => failure,
        };
        if failure.status == Some(404) && failure.code.is_none() {
            return Err(not_said_by_s3(bucket, path).await);
        }
        let renewed = attempt == 1 && failure.refuses_keys() && signer.is_some_and(|id| bucket.keys.refused(&id));
        let wait = failure.retry_after();
        let is_worth_it = failure.is_worth_retrying() && wait.is_none_or(|wait| wait <= LONGEST_PAUSE);
        if attempt == ATTEMPTS || !(is_worth_it || renewed) {
            return Err(bucket.failed(OP, path, failure));
        }
        if !renewed {
            tokio::time::sleep(wait.unwrap_or_else(|| pause.mul_f64(rand::random()))).await;
            pause *= 2;
        }
        attempt += 1;
    }
}

/// One attempt, up to the head of the answer. Reads without a signature follow redirects.
async fn once(
    http: &Http,
    bucket: &Bucket,
    request: http::request::Builder,
    asked: Asked<'_>,
) -> Result<http::Response<Incoming>, Failure> {
    let mut here = request.uri_ref().cloned().unwrap_or_default();
    let mut answer = exchange(http, bucket, request, asked).await?;
    let mut redirects = 0;
    while relays_unsigned(bucket) && follow::is_redirect(answer.status()) {
        redirects += 1;
        if redirects > follow::MOST {
            return Err(Failure::nonsense("custom_host redirects again and again"));
        }
        let location = text(answer.headers(), &header::LOCATION).unwrap_or_default();
        here = follow::target(&here, location).map_err(Failure::nonsense)?;
        answer = exchange(http, bucket, follow_request(bucket, here.clone()), asked).await?;
    }
    Ok(answer)
}

async fn exchange(
    http: &Http,
    bucket: &Bucket,
    mut request: http::request::Builder,
    asked: Asked<'_>,
) -> Result<http::Response<Incoming>, Failure> {
    if let Some(range) = asked.range {
        request = request.header(header::RANGE, range);
    }
    if let Some(etag) = asked.if_match {
        request = request.header(header::IF_MATCH, etag.as_str());
    }
    // The bytes as they are stored. No signature covers it: Google's front end rewrites it.
    request = request.header(header::ACCEPT_ENCODING, if bucket.habits.unpacks() { "gzip" } else { "identity" });
    let request = request.body(Full::default()).map_err(|error| Failure::nonsense(error.to_string()))?;
    let call = bucket.calls.begin(Op::GetObject);
    let answer = match tokio::time::timeout(ATTEMPT, http.request(request)).await {
        Err(_) => return Err(Failure::timeout()),
        Ok(answer) => answer.map_err(|error| Failure::connection(&error))?,
    };
    call.answered(answer.status().as_u16());
    Ok(answer)
}

/// Whether these are not the bytes that are stored: Google unpacks what was stored with gzip for those who do not say
/// that they take it, without a length and ignoring ranges (cloud.google.com/storage/docs/transcoding).
fn is_unpacked(headers: &HeaderMap) -> bool {
    let stored = headers.get("x-goog-stored-content-encoding").is_some_and(|stored| stored == "gzip");
    stored && headers.get(header::CONTENT_ENCODING).is_none_or(|sent| sent != "gzip")
}

/// Whether an S3 server answered, and not a web server that has a page for everything.
fn is_of_s3(headers: &HeaderMap) -> bool {
    let of_s3 = |name: &header::HeaderName| name.as_str().starts_with("x-amz-") || name.as_str().starts_with("x-goog-");
    headers.contains_key(header::ETAG) || headers.keys().any(of_s3)
}

/// A 404 without an error of S3 may come from anyone on the way, so the storage itself is asked.
async fn not_said_by_s3(bucket: &Bucket, path: &RelPath) -> Error {
    match stat(bucket, path, Expect::File).await {
        Err(error) => error,
        Ok(_) => Error::new(ErrorKind::Unavailable, OP, path)
            .with_detail("the file is there, but the host that it is read from answers 404: check custom_host"),
    }
}

/// What the answer says, or what of it came in time: the status alone tells the most.
async fn error_document(body: Incoming) -> Bytes {
    let body = Limited::new(body, ERROR_LIMIT).collect();
    match tokio::time::timeout(ATTEMPT, body).await {
        Ok(Ok(body)) => body.to_bytes(),
        _ => Bytes::new(),
    }
}

fn text<'a>(headers: &'a HeaderMap, name: &header::HeaderName) -> Option<&'a str> {
    headers.get(name)?.to_str().ok()
}

/// The length of the file, as an answer 416 tells it.
fn size_of_416(headers: &HeaderMap, body: &[u8]) -> Option<u64> {
    let header = text(headers, &header::CONTENT_RANGE).and_then(|text| text.strip_prefix("bytes */")?.parse().ok());
    header.or_else(|| element(&String::from_utf8_lossy(body), "ActualObjectSize")?.parse().ok())
}

/// The error of a range without a byte; where the length is not known one look tells it.
async fn range_error(bucket: &Bucket, path: &RelPath, size: Option<u64>) -> Error {
    let size = match size {
        Some(size) => size,
        None => match bucket.head(path).await {
            Ok(head) => match entry_of(path, &head) {
                Some(entry) => entry.size,
                None => return backend(OP, path, "the storage does not tell the length of the file"),
            },
            Err(failure) => return bucket.failed(OP, path, failure),
        },
    };
    Error::new(ErrorKind::Range { size }, OP, path)
}

/// The entry and the offsets that an answer holds.
fn describe(
    path: &RelPath,
    request: &ReadRequest,
    status: StatusCode,
    headers: &HeaderMap,
) -> Result<(Entry, Range<u64>)> {
    let nonsense = |detail: &str| backend(OP, path, detail);
    let length: u64 = text(headers, &header::CONTENT_LENGTH)
        .and_then(|text| text.parse().ok())
        .ok_or_else(|| nonsense("the storage does not tell the length of what it sends"))?;
    let (range, size) = match status {
        StatusCode::OK => (0..length, length),
        StatusCode::PARTIAL_CONTENT => {
            let told = text(headers, &header::CONTENT_RANGE);
            // The end of an empty file: `bytes 0--1/0` of MinIO, 0-18446744073709551615 of Garage.
            if length == 0 && told.is_some_and(|told| told.ends_with("/0")) {
                return Err(Error::new(ErrorKind::Range { size: 0 }, OP, path));
            }
            told.and_then(content_range).ok_or_else(|| nonsense("the storage sends a part and does not tell which"))?
        }
        _ => return Err(nonsense(&format!("the storage answered a read with status {status}"))),
    };
    let wanted = match request.range {
        None => 0..size,
        Some(asked) => asked.resolve(size).ok_or_else(|| Error::new(ErrorKind::Range { size }, OP, path))?,
    };
    if range != wanted || range.end - range.start != length {
        return Err(nonsense("the storage sends another part of the file than was asked for"));
    }
    let etag = text(headers, &header::ETAG).and_then(Etag::new);
    // A condition that the storage did not look at is looked at here.
    if request.if_match.is_some() && request.if_match != etag {
        return Err(Error::new(ErrorKind::Precondition, OP, path));
    }
    let entry = Entry {
        path: path.clone(),
        kind: Kind::File,
        size,
        // Before 1970 there were no buckets; such a date is not believed.
        modified: text(headers, &header::LAST_MODIFIED)
            .and_then(|text| httpdate::parse_http_date(text).ok())
            .filter(|time| *time > UNIX_EPOCH),
        etag,
        content_type: text(headers, &header::CONTENT_TYPE).map(Arc::from),
        metadata: Some(Box::new(metadata::read_headers(headers))),
    };
    Ok((entry, range))
}

/// `bytes 0-9/100` as offsets and the whole length.
fn content_range(text: &str) -> Option<(Range<u64>, u64)> {
    let (range, size) = text.strip_prefix("bytes ")?.split_once('/')?;
    let (first, last) = range.split_once('-')?;
    let (first, last, size): (u64, u64, u64) = (first.parse().ok()?, last.parse().ok()?, size.parse().ok()?);
    (first <= last && last < size).then(|| (first..last + 1, size))
}

/// The body, as exactly so many bytes or an error.
fn exactly(body: Incoming, length: u64, path: RelPath) -> ByteStream {
    Box::pin(stream::unfold(Some((body, length)), move |state| {
        let path = path.clone();
        async move {
            let (mut body, mut left) = state?;
            loop {
                let error = match tokio::time::timeout(STALL, body.frame()).await {
                    Err(_) => Error::new(ErrorKind::Timeout, OP, &path).with_detail("the body stands still"),
                    Ok(Some(Err(error))) => {
                        let failure = Failure::connection(&error);
                        failure.into_error(OP, &path, "")
                    }
                    Ok(None) if left == 0 => return None,
                    Ok(None) => Error::new(ErrorKind::Unavailable, OP, &path)
                        .with_detail(format!("the storage ended the body {left} bytes too early")),
                    Ok(Some(Ok(frame))) => {
                        let Ok(data) = frame.into_data() else { continue };
                        match left.checked_sub(u64::try_from(data.len()).unwrap_or(u64::MAX)) {
                            Some(_) if data.is_empty() => continue,
                            Some(rest) => {
                                left = rest;
                                return Some((Ok(data), Some((body, left))));
                            }
                            None => backend(OP, &path, "the storage sends more than it announced"),
                        }
                    }
                };
                return Some((Err(error), None));
            }
        }
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(pairs: &[(header::HeaderName, &'static str)]) -> HeaderMap {
        pairs.iter().map(|(name, value)| (name.clone(), header::HeaderValue::from_static(value))).collect()
    }

    #[test]
    fn ranges_are_said_as_http_has_them() {
        let said = |range| range_header(Some(range));
        assert_eq!(said(ByteRange::From(3)), Some(Some("bytes=3-".into())));
        assert_eq!(said(ByteRange::FromTo(3, 5)), Some(Some("bytes=3-4".into())));
        assert_eq!(said(ByteRange::Last(3)), Some(Some("bytes=-3".into())));
        assert_eq!(said(ByteRange::FromTo(5, 5)), None);
        assert_eq!(said(ByteRange::Last(0)), None);
        assert_eq!(range_header(None), Some(None));
    }

    #[test]
    fn an_answer_that_is_another_part_is_refused() {
        let path = RelPath::parse("a").unwrap();
        let request = ReadRequest { range: Some(ByteRange::FromTo(2, 4)), if_match: None };
        let part = |range| headers(&[(header::CONTENT_LENGTH, "2"), (header::CONTENT_RANGE, range)]);
        let describe = |headers: &HeaderMap, status| describe(&path, &request, status, headers);
        let (entry, range) = describe(&part("bytes 2-3/9"), StatusCode::PARTIAL_CONTENT).unwrap();
        assert_eq!((entry.size, range), (9, 2..4));
        for range in ["bytes 3-4/9", "bytes 2-3/*", "bytes 2-2/9", "bytes 4-3/9", "2-3/9"] {
            let error = describe(&part(range), StatusCode::PARTIAL_CONTENT).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Backend, "{range}");
        }
        let whole = headers(&[(header::CONTENT_LENGTH, "9")]);
        assert!(describe(&whole, StatusCode::OK).is_err(), "the range was ignored");
        assert!(describe(&HeaderMap::new(), StatusCode::OK).is_err(), "no length");
    }

    #[test]
    fn the_end_of_an_empty_file_is_no_range_of_it() {
        let path = RelPath::parse("a").unwrap();
        let request = ReadRequest { range: Some(ByteRange::Last(5)), if_match: None };
        for told in ["bytes 0--1/0", "bytes 0-18446744073709551615/0"] {
            let headers = headers(&[(header::CONTENT_LENGTH, "0"), (header::CONTENT_RANGE, told)]);
            let error = describe(&path, &request, StatusCode::PARTIAL_CONTENT, &headers).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Range { size: 0 }, "{told}");
        }
    }

    #[test]
    fn more_from_the_end_than_there_is_is_the_whole() {
        let whole = |range, size| is_whole(Some(range), ErrorKind::Range { size });
        assert!(whole(ByteRange::Last(11), 10) && whole(ByteRange::Last(10), 10));
        assert!(!whole(ByteRange::Last(9), 10) && !whole(ByteRange::Last(9), 0) && !whole(ByteRange::From(10), 10));
        assert!(!is_whole(Some(ByteRange::Last(11)), ErrorKind::NotFound));
    }

    #[test]
    fn a_416_tells_the_length_in_header_or_body() {
        assert_eq!(size_of_416(&headers(&[(header::CONTENT_RANGE, "bytes */7")]), b""), Some(7));
        let body = b"<Error><ActualObjectSize>8</ActualObjectSize></Error>";
        assert_eq!(size_of_416(&HeaderMap::new(), body), Some(8));
        assert_eq!(size_of_416(&HeaderMap::new(), b""), None);
    }
}
