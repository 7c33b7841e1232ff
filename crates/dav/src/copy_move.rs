//! COPY and MOVE (RFC 4918 sections 9.8 and 9.9).

use davmux_tree::{RelPath, Transfer};
use http::StatusCode;

use crate::call::{Answer, Call, is_gone, to_its_end};
use crate::destination;
use crate::guard::Change;
use crate::headers::{Depth, depth, overwrite, single};
use crate::multistatus;
use crate::preconditions::Judged;
use crate::status::Failure;
use crate::times;

/// Where the copy, or what is moved, is to stand.
pub(crate) fn target(call: &Call) -> Result<RelPath, Failure> {
    let url = single(&call.headers, "destination")?
        .ok_or_else(|| Failure::bad_request("the request has no Destination header"))?;
    let (path, _slash) = destination::parse(url, &call.shared.base)?;
    if path.is_within(&call.path) || call.path.is_within(&path) {
        return Err(Failure::new(
            StatusCode::FORBIDDEN,
            "source and Destination are the same, or one lies in the other",
        ));
    }
    Ok(path)
}

/// A condition on the source is checked before; what changes after that is the tree's to notice.
async fn exists(call: &Call, judged: &Judged) -> Result<davmux_tree::Node, Failure> {
    match &judged.node {
        Some(Some(node)) => Ok(node.clone()),
        Some(None) => Err(Failure::new(StatusCode::NOT_FOUND, "nothing is there")),
        None => Ok(call.view.stat(&call.path).await?),
    }
}

/// Answers a COPY.
pub(crate) async fn copy(call: Call) -> Answer {
    let to = target(&call)?;
    let deep = match depth(&call.headers)? {
        None | Some(Depth::Infinity) => true,
        Some(Depth::Zero) => false,
        Some(Depth::One) => return Err(Failure::bad_request("the Depth of a COPY must be 0 or infinity")),
    };
    let overwrite = overwrite(&call.headers)?;
    call.view.writable_below(&to)?;
    let judged = call.judge().await?;
    call.guard(&to, Change::Appears, &judged.tokens, None).await?;
    to_its_end(&call.view.clone(), async move {
        let transferred = call.view.copy(&call.path, &to, Transfer { overwrite, deep }).await?;
        end(call, to, transferred, false).await
    })
    .await?
}

/// Answers a MOVE.
pub(crate) async fn rename(call: Call) -> Answer {
    let to = target(&call)?;
    let depth = depth(&call.headers)?;
    let overwrite = overwrite(&call.headers)?;
    call.view.writable_below(&call.path)?;
    call.view.writable_below(&to)?;
    let judged = call.judge().await?;
    if matches!(depth, Some(Depth::Zero | Depth::One)) && exists(&call, &judged).await?.is_dir() {
        return Err(Failure::bad_request("a folder is moved with all its members: Depth must be infinity"));
    }
    call.guard(&call.path, Change::Goes, &judged.tokens, judged.node.as_ref()).await?;
    call.guard(&to, Change::Appears, &judged.tokens, None).await?;
    to_its_end(&call.view.clone(), async move {
        let transferred = call.view.rename(&call.path, &to, overwrite).await?;
        end(call, to, transferred, true).await
    })
    .await?
}

/// Ends the locks of what is gone: a moved resource loses its own, and what stood below a replaced target is no more. A
/// lock on the target itself stays in force, whatever stands there now.
async fn end(call: Call, to: RelPath, transferred: davmux_tree::Transferred, moved: bool) -> Answer {
    let davmux_tree::Transferred { created, mut failed } = transferred;
    if moved {
        call.forget_locks(&call.place(&call.path), is_gone(&failed)).await;
    }
    if !created && failed.is_empty() {
        let place = call.place(&to);
        call.forget_locks(&place, |lock| lock.path != place).await;
    }
    if let [only] = failed.as_slice()
        && (only.path == call.view.tree_path(&call.path) || only.path == call.view.tree_path(&to))
        && let Some(only) = failed.pop()
    {
        return Err(only.error.into());
    }
    let whole = failed.is_empty();
    let status = if created { StatusCode::CREATED } else { StatusCode::NO_CONTENT };
    let mut response = multistatus::of_members(&call, failed, status)?;
    if whole && times::give(&call.view, &to, times::asked(&call.headers)).await {
        times::accept(response.headers_mut());
    }
    Ok(response)
}
