//! DELETE (RFC 4918 section 9.6).

use http::StatusCode;

use crate::call::{Answer, Call, is_gone, to_its_end};
use crate::guard::Change;
use crate::headers::{Depth, depth};
use crate::multistatus;
use crate::status::Failure;

/// Answers a DELETE. What cannot be deleted stays, with the folders above it, and is named in a 207.
pub(crate) async fn delete(call: Call) -> Answer {
    let depth = depth(&call.headers)?;
    call.view.writable_below(&call.path)?;
    let judged = call.judge().await?;
    if matches!(depth, Some(Depth::Zero | Depth::One)) {
        let node = match &judged.node {
            Some(node) => node.clone(),
            None => call.look(&call.path).await?,
        };
        if node.is_some_and(|node| node.is_dir()) {
            return Err(Failure::bad_request("a folder is deleted with all its members: Depth must be infinity"));
        }
    }
    call.guard(&call.path, Change::Goes, &judged.tokens, judged.node.as_ref()).await?;
    to_its_end(&call.view.clone(), async move {
        let mut failed = call.view.delete(&call.path, judged.when).await?;
        call.forget_locks(&call.place(&call.path), is_gone(&failed)).await;
        if let [only] = failed.as_slice()
            && only.path == call.view.tree_path(&call.path)
            && let Some(only) = failed.pop()
        {
            return Err(only.error.into());
        }
        multistatus::of_members(&call, failed, StatusCode::NO_CONTENT)
    })
    .await?
}
