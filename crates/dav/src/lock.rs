//! LOCK and UNLOCK (RFC 4918 sections 9.10 and 9.11).

use std::sync::Arc;
use std::time::Duration;

use bytes::{BufMut, BytesMut};
use davmux_tree::ErrorKind;
use davmux_tree::{Problem, PutRequest, TreePath, When};
use http::{HeaderValue, Response, StatusCode};
use http_body::Body as _;

use crate::body::{Body, Incoming, collect};
use crate::call::{Answer, Call, empty, full, lock_store_failed, to_its_end};
use crate::guard::Change;
use crate::headers::{Depth, depth, lenient, single};
use crate::lock_xml::{LockInfo, put_active_locks};
use crate::locks::{LONGEST_LIFE, Lock, LockRefusal, Reach};
use crate::multistatus;
use crate::status::{Condition, Failure, XML};

/// The longest body in bytes.
const LONGEST_BODY: usize = 64 * 1024;

/// What a client gets that asks for nothing.
const USUAL: Duration = Duration::from_secs(600);
/// Office gives up on less.
const SHORTEST: Duration = Duration::from_secs(180);

/// The first time-out of the header that can be read (RFC 4918 section 10.7), within our bounds.
fn timeout(header: Option<&str>) -> Duration {
    let asked = header.unwrap_or_default().split(',').map(str::trim).find_map(|text| {
        if text.eq_ignore_ascii_case("infinite") {
            return Some(LONGEST_LIFE);
        }
        let seconds = text.get(..7).filter(|word| word.eq_ignore_ascii_case("second-")).map(|_| &text[7..])?;
        let digits = !seconds.is_empty() && seconds.bytes().all(|b| b.is_ascii_digit());
        digits.then(|| Duration::from_secs(seconds.parse().unwrap_or(u64::MAX)))
    });
    asked.unwrap_or(USUAL).clamp(SHORTEST, LONGEST_LIFE)
}

/// Answers a LOCK: a new lock, or a longer life for one.
pub(crate) async fn lock(call: Call, mut body: Incoming) -> Answer {
    let life = timeout(lenient(&call.headers, "timeout"));
    call.view.writable(&call.path).or_else(|error| match error.problem() {
        // The folder at a mount point cannot be replaced, but which members it has can be protected.
        Problem::MountPoint => Ok(()),
        _ => Err(error),
    })?;
    let renews = body.is_end_stream();
    let judged = call.judge().await.map_err(|failure| match failure.status(&call.method) {
        // Its token is on no lock here, most likely.
        StatusCode::PRECONDITION_FAILED if renews => not_here(),
        _ => failure,
    })?;
    let body = collect(&mut body, LONGEST_BODY).await?;
    if body.is_empty() {
        return refresh(call, life, judged.tokens).await;
    }
    let deep = match depth(&call.headers)? {
        None | Some(Depth::Infinity) => true,
        Some(Depth::Zero) => false,
        Some(Depth::One) => return Err(Failure::bad_request("the Depth of a LOCK must be 0 or infinity")),
    };
    if deep {
        call.view.may_change_below(&call.path)?;
    }
    let info = LockInfo::parse(&body)?;
    let exists = match &judged.node {
        Some(node) => node.is_some(),
        None => call.look(&call.path).await?.is_some(),
    };
    if !exists {
        if call.slash {
            return Err(Failure::new(StatusCode::CONFLICT, "the folder does not exist; make it with MKCOL first"));
        }
        call.guard(&call.path, Change::Appears, &judged.tokens, Some(&None)).await?;
    }
    let lock = Lock {
        token: Arc::from(uuid::Uuid::new_v4().urn().to_string()),
        path: call.place(&call.path),
        user: call.client.user.clone(),
        owner: Arc::from(info.owner),
        scope: info.scope,
        deep,
        expires: (call.shared.clock)() + life,
    };
    to_its_end(&call.view.clone(), give(call, lock, exists)).await?
}

async fn give(call: Call, lock: Lock, exists: bool) -> Answer {
    match call.shared.locks.add(lock.clone()).await {
        Ok(()) => {}
        Err(LockRefusal::Conflict(other)) => {
            let condition = Condition::NoConflictingLock(call.href_of(&other.path));
            if other.path != lock.path && other.path.is_within(&lock.path) {
                return Ok(multistatus::of_lock(&call, &other.path, &condition));
            }
            return Err(Failure::condition(StatusCode::LOCKED, condition));
        }
        Err(LockRefusal::TooMany) => {
            let reason =
                "you hold as many locks as one user may; end some of them with UNLOCK, or wait until they expire";
            return Err(Failure::new(StatusCode::INSUFFICIENT_STORAGE, reason));
        }
        Err(LockRefusal::Crowded) => {
            let reason = "too many shared locks lie on it already; try again when some of them have ended";
            return Err(Failure::new(StatusCode::INSUFFICIENT_STORAGE, reason));
        }
        Err(LockRefusal::Full) => {
            let reason = "the server holds as many locks as it can; try again when some of them have expired";
            return Err(Failure::new(StatusCode::INSUFFICIENT_STORAGE, reason));
        }
        Err(LockRefusal::Failed) => return Err(lock_store_failed()),
    }
    let created = if exists { Ok(false) } else { create(&call).await };
    match created {
        Ok(created) => {
            let status = if created { StatusCode::CREATED } else { StatusCode::OK };
            let mut response = discovery(&call, status, &lock.path).await?;
            let token = HeaderValue::try_from(format!("<{}>", lock.token))
                .map_err(|_| Failure::new(StatusCode::INTERNAL_SERVER_ERROR, "the lock has no token"))?;
            response.headers_mut().insert("lock-token", token);
            Ok(response)
        }
        Err(failure) => {
            if call.shared.locks.remove(std::slice::from_ref(&lock)).await.is_err() {
                tracing::warn!(path = %lock.path, "a lock that was not given could not be ended; it expires by itself");
            }
            Err(failure)
        }
    }
}

/// The empty file of a LOCK on a new name (RFC 4918 section 7.3). False: another request was faster, so it exists.
async fn create(call: &Call) -> Result<bool, Failure> {
    let request = PutRequest { size: Some(0), when: When::Absent, ..PutRequest::default() };
    let written = match call.view.put(&call.path, request).await {
        Ok(put) => put.finish().await,
        Err(error) => Err(error),
    };
    match written {
        Ok(_) => Ok(true),
        Err(error) if matches!(error.problem(), Problem::Exists | Problem::Storage(ErrorKind::AlreadyExists)) => {
            Ok(false)
        }
        Err(error) => Err(error.into()),
    }
}

/// The token in the `If` of a LOCK without a body is of no lock here that the user holds.
fn not_here() -> Failure {
    Failure::condition(StatusCode::PRECONDITION_FAILED, Condition::TokenMatchesUri)
}

/// A LOCK without a body: the lock whose token stands in `If` lives on. Its `Depth` says nothing (section 9.10.2).
async fn refresh(call: Call, life: Duration, tokens: Vec<String>) -> Answer {
    if !call.headers.contains_key("if") {
        return Err(Failure::bad_request("a LOCK without a body renews a lock: its token must stand in the If header"));
    }
    let place = call.place(&call.path);
    let locks = call.locks(&place, Reach::Itself).await?;
    let held = locks.into_iter().find(|lock| lock.covers(&place) && lock.is_held(call.user(), &tokens));
    let lock = held.ok_or_else(not_here)?;
    let expires = (call.shared.clock)() + life;
    to_its_end(&call.view.clone(), async move {
        match call.shared.locks.refresh(&lock.path, &lock.token, expires).await {
            Ok(Some(_)) => discovery(&call, StatusCode::OK, &place).await,
            Ok(None) => Err(not_here()),
            Err(_) => Err(lock_store_failed()),
        }
    })
    .await?
}

/// The locks that cover a place now, as the answer to LOCK.
async fn discovery(call: &Call, status: StatusCode, place: &TreePath) -> Result<Response<Body>, Failure> {
    let locks = call.locks(place, Reach::Itself).await?;
    let covering = locks.iter().filter(|lock| lock.covers(place));
    let mut out =
        BytesMut::from(&b"<?xml version=\"1.0\" encoding=\"utf-8\"?>\n<D:prop xmlns:D=\"DAV:\"><D:lockdiscovery>"[..]);
    put_active_locks(&mut out, covering, &call.shared.base, &call.view, (call.shared.clock)());
    out.put_slice(b"</D:lockdiscovery></D:prop>\n");
    Ok(full(status, XML, out.freeze()))
}

/// Answers an UNLOCK. Only who holds the lock, or an administrator, ends it.
pub(crate) async fn unlock(call: Call) -> Answer {
    let header = single(&call.headers, "lock-token")?
        .ok_or_else(|| Failure::bad_request("the request has no Lock-Token header"))?;
    call.judge().await?;
    // Windows XP sends it without its brackets.
    let token = header.strip_prefix('<').and_then(|inner| inner.strip_suffix('>')).unwrap_or(header);
    let place = call.place(&call.path);
    let locks = call.locks(&place, Reach::Itself).await?;
    let not_here = || Failure::condition(StatusCode::CONFLICT, Condition::TokenMatchesUri);
    // Whoever holds a lock may end it also where nothing is seen any more; of others' locks nothing is known there.
    let known = |lock: &Lock| lock.user.as_deref() == call.user() || call.view.sees(&place);
    let named = |lock: &Lock| lock.covers(&place) && &*lock.token == token;
    let lock = locks.into_iter().find(|lock| named(lock) && known(lock)).ok_or_else(not_here)?;
    if lock.user.as_deref() != call.user() && !call.client.administrator {
        return Err(Failure::new(StatusCode::FORBIDDEN, "somebody else holds this lock"));
    }
    match to_its_end(&call.view.clone(), async move { call.shared.locks.remove(&[lock]).await }).await? {
        Ok(0) => Err(not_here()),
        Ok(_) => Ok(empty(StatusCode::NO_CONTENT)),
        Err(_) => Err(lock_store_failed()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_timeout_is_taken_within_bounds() {
        for (header, seconds) in [
            (None, 600),
            (Some("Second-600"), 600),
            (Some("Infinite, Second-4100000000"), 3600),
            (Some("Second-4100000000"), 3600),
            (Some("Second-99999999999999999999999"), 3600),
            (Some("Extend, second-300"), 300),
            (Some("Second-1"), 180),
            (Some("Second-"), 600),
            (Some("Second--5"), 600),
            (Some("soon"), 600),
        ] {
            assert_eq!(timeout(header), Duration::from_secs(seconds), "{header:?}");
        }
    }

    proptest! {
        #[test]
        fn any_timeout_is_within_bounds(text in "[\\PC]{0,30}|(Second-|Infinite|,|[0-9é]){0,6}") {
            let timeout = timeout(Some(&text));
            prop_assert!((SHORTEST..=LONGEST_LIFE).contains(&timeout));
        }
    }
}
