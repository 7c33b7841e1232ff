//! The REST API.

use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use hmac::{Hmac, KeyInit as _, Mac as _};
use http::{HeaderMap, Method, Request, Response, StatusCode};
use http_body_util::Full;
use md5::{Digest as _, Md5};
use serde_json::json;
use sha1::Sha1;

use super::store::{File, NOT_FOUND, Node, Refused};
use super::{Answer, BUCKET, Fault, OPERATOR, PASSWORD, Shared, decode, http_date, lock, ranged};

/// The place after the last page.
const END: &str = "g2gCZAAEbmV4dGQAA2VvZg";
/// A date that is further away is refused.
const SKEW: u64 = 30 * 60;

const UNAUTHORISED: StatusCode = StatusCode::UNAUTHORIZED;

pub(super) async fn answer(shared: Arc<Shared>, request: Request<Bytes>) -> Answer {
    lock(&shared.calls).push(told(&request));
    let stage = header(request.headers(), "x-upyun-multi-stage").and_then(|stage| shared.fault(stage));
    let fault = stage.or_else(|| shared.fault(request.method().as_str()));
    let answer = match fault {
        Some(Fault::Busy) => Err((StatusCode::TOO_MANY_REQUESTS, 42_900_007, "concurrent put or delete")),
        Some(Fault::Down) => Err((StatusCode::SERVICE_UNAVAILABLE, 50_300_000, "service unavailable")),
        _ => allowed(&shared, &request).and_then(|()| act(&shared, &request, fault)),
    };
    let answer = answer.unwrap_or_else(|refused| refusal(&request, refused));
    match fault {
        Some(Fault::LoseAnswer) => None,
        Some(Fault::CutAnswer) => Some(cut(answer)),
        _ => Some(answer),
    }
}

/// The answer whose document ends in the middle, as a whole body.
fn cut(answer: Response<Full<Bytes>>) -> Response<Full<Bytes>> {
    use http_body::Body as _;
    let (parts, mut body) = answer.into_parts();
    let mut bytes = Bytes::new();
    let mut context = std::task::Context::from_waker(std::task::Waker::noop());
    if let std::task::Poll::Ready(Some(Ok(frame))) = std::pin::Pin::new(&mut body).poll_frame(&mut context) {
        bytes = frame.into_data().unwrap_or_default();
    }
    Response::from_parts(parts, Full::new(bytes.slice(..bytes.len() / 2)))
}

fn told(request: &Request<Bytes>) -> String {
    let has = |name: &str| request.headers().contains_key(name);
    let stage = request.headers().get("x-upyun-multi-stage").and_then(|stage| stage.to_str().ok()).unwrap_or_default();
    let what = match () {
        () if has("x-upyun-copy-source") => " copy".to_owned(),
        () if has("x-upyun-move-source") => " move".to_owned(),
        () if !stage.is_empty() => format!(" {stage}"),
        () => String::new(),
    };
    format!("{} {}{what}", request.method(), request.uri().path())
}

fn refusal(request: &Request<Bytes>, (status, code, message): Refused) -> Response<Full<Bytes>> {
    let body = json!({ "msg": message, "code": code, "id": "11e4a729d24943409933a5e8314cd32e" }).to_string();
    // An answer to HEAD has no body.
    let body = if request.method() == Method::HEAD { Bytes::new() } else { Bytes::from(body) };
    respond(status, &[("content-type", "application/json".to_owned())], body)
}

fn respond(status: StatusCode, headers: &[(&str, String)], body: Bytes) -> Response<Full<Bytes>> {
    let mut response = Response::builder().status(status);
    for (name, value) in headers {
        response = response.header(*name, value);
    }
    response.body(Full::new(body)).unwrap_or_default()
}

fn header<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    std::str::from_utf8(headers.get(name)?.as_bytes()).ok()
}

/// The signature and the date, as upyun/go-sdk makes them.
fn allowed(shared: &Shared, request: &Request<Bytes>) -> Result<(), Refused> {
    let text = |name| header(request.headers(), name);
    let date = text("date").ok_or((UNAUTHORISED, 40_100_015, "need date header"))?;
    let sent = httpdate::parse_http_date(date).ok().and_then(|date| date.duration_since(std::time::UNIX_EPOCH).ok());
    if sent.is_none_or(|sent| sent.as_secs().abs_diff(shared.now()) > SKEW) {
        return Err((UNAUTHORISED, 40_100_016, "invalid date value in header"));
    }
    let mut signed = format!("{}&{}&{date}", request.method(), request.uri().path());
    if let Some(md5) = text("content-md5") {
        signed.push('&');
        signed.push_str(md5);
    }
    let key: String = Md5::digest(PASSWORD).iter().map(|byte| format!("{byte:02x}")).collect();
    let wrong = (UNAUTHORISED, 40_100_005, "signature error");
    let mut mac = Hmac::<Sha1>::new_from_slice(key.as_bytes()).map_err(|_| wrong)?;
    mac.update(signed.as_bytes());
    let expected = format!("{OPERATOR}:{}", STANDARD.encode(mac.finalize().into_bytes()));
    let given = text("authorization").and_then(|text| text.split_once(' '));
    match given {
        Some((scheme, given)) if scheme.eq_ignore_ascii_case("UPYUN") && given == expected => Ok(()),
        _ => Err(wrong),
    }
}

fn act(shared: &Shared, request: &Request<Bytes>, fault: Option<Fault>) -> Result<Response<Full<Bytes>>, Refused> {
    let key = decode(request.uri().path())
        .and_then(|path| match path.split_once('/') {
            Some((bucket, key)) => (bucket == BUCKET).then(|| key.to_owned()),
            None => (path == BUCKET).then(String::new),
        })
        .ok_or((StatusCode::BAD_REQUEST, 40_001_000, "wrong uri"))?;
    let headers = request.headers();
    let mut store = lock(&shared.store);
    store.look("")?;
    let now = shared.now();
    let done = |status| Ok(respond(status, &[], Bytes::new()));
    match *request.method() {
        Method::HEAD => Ok(described(store.look(&key)?)),
        Method::GET => match store.look(&key)? {
            Node::Folder { .. } if header(headers, "x-upyun-folder") == Some("false") => Err(NOT_FOUND),
            Node::Folder { .. } => {
                let page = page(headers)?;
                let members = store.members(&key, &page.after);
                Ok(listing(&members, &page, fault == Some(Fault::Circle)))
            }
            Node::File(_) if header(headers, "x-upyun-folder") == Some("true") => {
                Err((StatusCode::NOT_ACCEPTABLE, 40_600_001, "not a directory"))
            }
            Node::File(file) => Ok(content(request, &file)),
        },
        Method::POST if header(headers, "x-upyun-folder") == Some("true") => {
            store.make_folder(&key, now)?;
            done(StatusCode::OK)
        }
        Method::DELETE => {
            store.delete(&key)?;
            done(StatusCode::OK)
        }
        Method::PUT => {
            let source = |name| header(headers, name).map(source_key);
            if let Some(from) = source("x-upyun-copy-source") {
                store.transfer(&from?, &key, false, now)?;
                return done(StatusCode::OK);
            }
            if let Some(from) = source("x-upyun-move-source") {
                store.transfer(&from?, &key, true, now)?;
                return done(StatusCode::OK);
            }
            let number = |name, otherwise| match header(headers, name) {
                None => Ok(otherwise),
                Some(text) => text.parse::<u64>().map_err(|_| (StatusCode::BAD_REQUEST, 40_001_024, "wrong number")),
            };
            let uuid = header(headers, "x-upyun-multi-uuid").unwrap_or_default();
            match header(headers, "x-upyun-multi-stage") {
                None => {
                    store.put(&key, file(headers, "content-type", request.body().clone(), now))?;
                    done(StatusCode::OK)
                }
                Some("initiate") => {
                    let size = number("x-upyun-multi-part-size", 1024 * 1024)?;
                    let uuid = store.initiate(&key, size, file(headers, "x-upyun-multi-type", Bytes::new(), now))?;
                    Ok(respond(StatusCode::NO_CONTENT, &[("x-upyun-multi-uuid", uuid)], Bytes::new()))
                }
                Some("upload") => {
                    store.upload(&key, uuid, number("x-upyun-part-id", u64::MAX)?, request.body().clone())?;
                    done(StatusCode::NO_CONTENT)
                }
                Some("complete") => {
                    store.complete(&key, uuid, now)?;
                    done(StatusCode::NO_CONTENT)
                }
                Some(_) => Err((StatusCode::BAD_REQUEST, 40_001_022, "wrong multipart action")),
            }
        }
        _ => Err((StatusCode::METHOD_NOT_ALLOWED, 40_500_000, "method not allowed")),
    }
}

fn source_key(text: &str) -> Result<String, Refused> {
    let wrong = (StatusCode::BAD_REQUEST, 40_001_000, "wrong uri");
    let path = decode(text).ok_or(wrong)?;
    path.strip_prefix(BUCKET).and_then(|rest| rest.strip_prefix('/')).map(str::to_owned).ok_or(wrong)
}

fn file(headers: &HeaderMap, content_type: &str, body: Bytes, now: u64) -> File {
    let meta = headers
        .keys()
        .filter(|name| name.as_str().starts_with("x-upyun-meta-"))
        .filter_map(|name| Some((name.to_string(), header(headers, name.as_str())?.to_owned())))
        .collect();
    let content_type = header(headers, content_type).unwrap_or("application/octet-stream").to_owned();
    File { body, content_type, modified: now, meta }
}

fn described(node: Node) -> Response<Full<Bytes>> {
    let mut headers = Vec::new();
    let meta;
    match node {
        Node::Folder { modified } => {
            headers.push(("x-upyun-file-type", "folder".to_owned()));
            headers.push(("x-upyun-file-date", modified.to_string()));
        }
        Node::File(file) => {
            headers.push(("x-upyun-file-type", "file".to_owned()));
            headers.push(("x-upyun-file-size", file.body.len().to_string()));
            headers.push(("x-upyun-file-date", file.modified.to_string()));
            headers.push(("content-type", file.content_type));
            meta = file.meta;
            headers.extend(meta.iter().map(|(name, value)| (name.as_str(), value.clone())));
        }
    }
    respond(StatusCode::OK, &headers, Bytes::new())
}

fn content(request: &Request<Bytes>, file: &File) -> Response<Full<Bytes>> {
    match ranged(request, &file.body) {
        // Nothing says that the length is told with this.
        Err(_) => refusal(request, (StatusCode::RANGE_NOT_SATISFIABLE, 40_001_161, "wrong range")),
        Ok((status, body, range)) => {
            let mut headers =
                vec![("content-type", file.content_type.clone()), ("last-modified", http_date(file.modified))];
            headers.extend(range.map(|range| ("content-range", range)));
            respond(status, &headers, body)
        }
    }
}

/// A page of a listing, as it is asked for.
struct Asked {
    after: String,
    limit: usize,
}

fn page(headers: &HeaderMap) -> Result<Asked, Refused> {
    let wrong = (StatusCode::BAD_REQUEST, 40_001_005, "iter args invalid");
    let limit = header(headers, "x-list-limit").map_or(Ok(256), |text| text.parse::<usize>().map_err(|_| wrong))?;
    if limit == 0 || limit > 4096 {
        return Err(wrong);
    }
    let after = match header(headers, "x-list-iter") {
        None => String::new(),
        Some(iter) => STANDARD.decode(iter).ok().and_then(|bytes| String::from_utf8(bytes).ok()).ok_or(wrong)?,
    };
    Ok(Asked { after, limit })
}

fn listing(members: &[(String, Node)], page: &Asked, circle: bool) -> Response<Full<Bytes>> {
    let shown = &members[..members.len().min(page.limit)];
    let files: Vec<_> = shown
        .iter()
        .map(|(name, node)| match node {
            Node::Folder { modified } => {
                json!({ "type": "folder", "name": name, "length": 0, "last_modified": modified })
            }
            Node::File(file) => json!({
                "type": file.content_type,
                "name": name,
                "length": file.body.len(),
                "last_modified": file.modified,
            }),
        })
        .collect();
    let iter = match shown.last() {
        _ if circle => STANDARD.encode(if page.after.is_empty() { "circle" } else { &page.after }),
        Some((name, _)) if shown.len() < members.len() => STANDARD.encode(name),
        _ => END.to_owned(),
    };
    let body = json!({ "files": files, "iter": iter }).to_string();
    respond(StatusCode::OK, &[("content-type", "application/json".to_owned())], Bytes::from(body))
}
