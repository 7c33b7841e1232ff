//! The bound domain: files by GET, for whoever has a link.

use std::sync::Arc;

use bytes::Bytes;
use http::{Request, Response, StatusCode};
use http_body_util::Full;
use md5::{Digest as _, Md5};

use super::store::Node;
use super::{Answer, Shared, TOKEN, decode, lock, ranged};

pub(super) async fn answer(shared: Arc<Shared>, request: Request<Bytes>) -> Answer {
    let refused = |status| Response::builder().status(status).body(Full::default()).ok();
    let Some(key) = decode(request.uri().path()) else { return refused(StatusCode::BAD_REQUEST) };
    if !is_allowed(&shared, &key, request.uri().query().unwrap_or_default()) {
        return refused(StatusCode::FORBIDDEN);
    }
    let Ok(Node::File(file)) = lock(&shared.store).look(&key) else { return refused(StatusCode::NOT_FOUND) };
    match ranged(&request, &file.body) {
        Err(_) => refused(StatusCode::RANGE_NOT_SATISFIABLE),
        Ok((status, body, range)) => {
            let mut response = Response::builder().status(status).header("content-type", file.content_type);
            if let Some(range) = range {
                response = response.header("content-range", range);
            }
            response.body(Full::new(body)).ok()
        }
    }
}

/// `_upt` fits the path and has not ended. The token is over the decoded path.
fn is_allowed(shared: &Shared, key: &str, query: &str) -> bool {
    let Some(token) = query.split('&').find_map(|pair| pair.strip_prefix("_upt=")) else { return false };
    let Some((sign, end)) = token.split_at_checked(8) else { return false };
    let Ok(seconds) = end.parse::<u64>() else { return false };
    let digest: String =
        Md5::digest(format!("{TOKEN}&{end}&/{key}")).iter().map(|byte| format!("{byte:02x}")).collect();
    seconds > shared.now() && digest.get(12..20) == Some(sign)
}
