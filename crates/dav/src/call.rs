//! [`Call`]: one request with all that answers it.

use std::future::Future;
use std::sync::Arc;

use davmux_tree::{Failed, Node, RelPath, TreePath, View};
use http::header::{CONTENT_LENGTH, CONTENT_TYPE, ETAG, LAST_MODIFIED};
use http::{HeaderMap, HeaderValue, Method, Response, StatusCode};
use unicode_normalization::{UnicodeNormalization, is_nfc};

use crate::body::Body;
use crate::dates;
use crate::handler::{Client, Shared};
use crate::locks::{Lock, LockRefusal, LockStore, Reach};
use crate::status::Failure;

/// What a method answers.
pub(crate) type Answer = Result<Response<Body>, Failure>;

/// One request, without its body. Clones are cheap enough for a task of its own.
#[derive(Clone, Debug)]
pub(crate) struct Call {
    pub(crate) shared: Arc<Shared>,
    pub(crate) view: View,
    pub(crate) client: Client,
    pub(crate) method: Method,
    pub(crate) headers: HeaderMap,
    /// The request's query, without `?`.
    pub(crate) query: Option<String>,
    pub(crate) path: RelPath,
    /// The URL ended with a slash.
    pub(crate) slash: bool,
}

impl Call {
    /// The place that locks know a path by: in the tree, and in one Unicode form, since two spellings of a name can lead
    /// to the same file.
    pub(crate) fn place(&self, path: &RelPath) -> TreePath {
        place(&self.view, path)
    }

    pub(crate) fn user(&self) -> Option<&str> {
        self.client.user.as_deref()
    }

    /// The href of a place of the tree, or of the nearest folder above it that the view shows.
    pub(crate) fn href_of(&self, path: &TreePath) -> String {
        self.shared.base.href(&self.view.shown_path(path), false)
    }

    /// What stands at a path; `None` where the storage says that nothing does.
    pub(crate) async fn look(&self, path: &RelPath) -> Result<Option<Node>, Failure> {
        match self.view.stat(path).await {
            Ok(node) => Ok(Some(node)),
            Err(error) if error.is_not_found() => Ok(None),
            // A file stands where a folder is needed: nothing can be below it.
            Err(error) if error.problem() == davmux_tree::Problem::Storage(davmux_tree::ErrorKind::NotDir) => Ok(None),
            Err(error) => Err(error.into()),
        }
    }

    /// The locks on a path and on the folders above it, and those that `reach` adds.
    pub(crate) async fn locks(&self, path: &TreePath, reach: Reach) -> Result<Vec<Lock>, Failure> {
        self.shared.locks.related(path, reach).await.map_err(|_| lock_store_failed())
    }

    /// Forgets the locks on a path and below it of what `gone` says is gone. The change itself is done, so a store that fails
    /// here is only logged: the locks expire.
    pub(crate) async fn forget_locks(&self, path: &TreePath, gone: impl Fn(&Lock) -> bool + Send) {
        if end_locks(&*self.shared.locks, path, gone).await.is_err() {
            tracing::warn!(%path, "the locks of what was removed could not be ended; they expire by themselves");
        }
    }
}

/// Ends those of the locks on a path and below it that `which` names, and answers how many.
pub(crate) async fn end_locks(
    locks: &dyn LockStore,
    path: &TreePath,
    which: impl Fn(&Lock) -> bool + Send,
) -> Result<usize, LockRefusal> {
    let mut ended = locks.related(path, Reach::Below).await?;
    ended.retain(|lock| lock.path.is_within(path) && which(lock));
    if ended.is_empty() { Ok(0) } else { locks.remove(&ended).await }
}

/// [`Call::place`], without a request.
pub(crate) fn place(view: &View, path: &RelPath) -> TreePath {
    in_one_form(view.tree_path(path))
}

/// Whether a lock lies where a change left nothing: not on a member that stayed, below one or on a folder above one.
pub(crate) fn is_gone(failed: &[Failed]) -> impl Fn(&Lock) -> bool + Send + use<> {
    let stayed: Vec<TreePath> = failed.iter().map(|failed| in_one_form(failed.path.clone())).collect();
    move |lock| !stayed.iter().any(|stayed| stayed.is_within(&lock.path) || lock.path.is_within(stayed))
}

pub(crate) fn in_one_form(place: TreePath) -> TreePath {
    let text = place.to_string();
    if is_nfc(&text) {
        return place;
    }
    // Composing characters makes no slash, no dot and no control character.
    TreePath::parse(&text.nfc().collect::<String>()).unwrap_or(place)
}

pub(crate) fn lock_store_failed() -> Failure {
    Failure::new(StatusCode::SERVICE_UNAVAILABLE, "the locks cannot be looked at now; try again later")
}

/// Runs a change, with what must follow it, to its end, also when the client hangs up and the request's future is dropped. A
/// shutdown waits for it.
pub(crate) async fn to_its_end<T: Send + 'static>(
    view: &View,
    change: impl Future<Output = T> + Send + 'static,
) -> Result<T, Failure> {
    view.to_its_end(change)
        .await
        .map_err(|_| Failure::new(StatusCode::INTERNAL_SERVER_ERROR, "the request failed inside the server"))
}

/// An answer without a body.
pub(crate) fn empty(status: StatusCode) -> Response<Body> {
    let mut response = Response::new(Body::empty());
    *response.status_mut() = status;
    if status != StatusCode::NO_CONTENT && status != StatusCode::NOT_MODIFIED {
        response.headers_mut().insert(CONTENT_LENGTH, HeaderValue::from_static("0"));
    }
    response
}

/// An answer with a whole body.
pub(crate) fn full(status: StatusCode, media_type: &'static str, body: impl Into<Body>) -> Response<Body> {
    let mut response = Response::new(body.into());
    *response.status_mut() = status;
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(media_type));
    response
}

/// Says which version of a file an answer is about.
pub(crate) fn put_validators(headers: &mut HeaderMap, node: &Node) {
    if let Some(value) = node.etag.as_ref().and_then(|etag| HeaderValue::from_str(etag.as_str()).ok()) {
        headers.insert(ETAG, value);
    }
    if let Some(value) = node.modified.and_then(dates::http_date).and_then(|date| HeaderValue::try_from(date).ok()) {
        headers.insert(LAST_MODIFIED, value);
    }
}
