//! PROPFIND (RFC 4918 section 9.1), streamed page by page.

use std::mem;

use bytes::{BufMut, Bytes, BytesMut};
use davmux_tree::{Listing, Node};
use futures_util::{StreamExt, stream};
use http::{HeaderValue, Response, StatusCode};

use crate::body::{Body, BodyError, Incoming, collect};
use crate::call::{Answer, Call, full};
use crate::dead::Dead;
use crate::headers::{self, Depth, lenient};
use crate::locks::Reach;
use crate::multistatus::{END, START};
use crate::props::{Ask, Context, Properties};
use crate::status::{Condition, Failure, XML};

/// The longest body in bytes.
const LONGEST_BODY: usize = 64 * 1024;
/// Preferences of RFC 8144: without properties that are not there, and without the folder itself.
const MINIMAL: &str = "return=minimal";
const NO_ROOT: &str = "depth-noroot";
/// Room for one entry with the usual properties, in bytes.
const ENTRY: usize = 800;
/// How much of a page is written before it is sent, in bytes: dead properties may make an entry very long.
const CHUNK: usize = 1024 * 1024;

/// Answers a PROPFIND.
pub(crate) async fn propfind(call: Call, mut body: Incoming) -> Answer {
    let depth = depth(&call)?;
    call.judge().await?;
    let ask = Ask::parse(&collect(&mut body, LONGEST_BODY).await?)?;
    if headers::wants_fresh(&call.headers) {
        match depth {
            Depth::One => call.view.renew_listing(&call.path).await?,
            Depth::Zero | Depth::Infinity => call.view.renew(&call.path).await?,
        }
    }
    let (target, listing) = match depth {
        Depth::One => match call.view.list(&call.path).await {
            // It is a folder then, and in a bucket nothing more is to be known of it.
            Ok(listing) => (call.view.stat(&call.path).await?, Some(listing)),
            Err(error) => match call.view.stat(&call.path).await? {
                node if node.is_dir() => return Err(error.into()),
                node => (node, None),
            },
        },
        Depth::Zero => (call.view.stat(&call.path).await?, None),
        // Nothing is below a file.
        Depth::Infinity => match call.view.stat(&call.path).await? {
            node if node.is_dir() => return Err(infinite()),
            node => (node, None),
        },
    };
    let locks = match ask.wants_locks() {
        true => {
            call.locks(&call.place(&call.path), if listing.is_some() { Reach::Members } else { Reach::Itself }).await?
        }
        false => Vec::new(),
    };
    let quota = if ask.wants_quota() && target.is_dir() { quota(&call).await } else { None };
    let dead = Dead::read(&call, &ask, listing.is_some()).await?;
    let properties = properties(&call, &ask, locks, quota, dead);
    let mut head = BytesMut::with_capacity(16 * 1024);
    head.put_slice(START);
    let prefers_no_root = headers::prefers(&call.headers, NO_ROOT);
    let without_target = listing.is_some() && (prefers_no_root || is_no_root(&call)?);
    if !without_target {
        properties.put_target(&mut head, &target);
    }
    let applied = [(headers::prefers(&call.headers, MINIMAL), MINIMAL), (without_target && prefers_no_root, NO_ROOT)];
    let body = match listing {
        None => {
            head.put_slice(END);
            Body::from(head.freeze())
        }
        Some(mut listing) => {
            // Nothing is sent before the first page is there: until then an error is a status.
            let page = listing.next().await.transpose()?.unwrap_or_default().into_iter();
            let folder = call.shared.base.href(&call.path, true);
            members(Members { call, properties, folder, head, page, listing, ended: false })
        }
    };
    let mut response = multistatus(body);
    for (_, preference) in applied.into_iter().filter(|(is, _)| *is) {
        response.headers_mut().append("preference-applied", HeaderValue::from_static(preference));
    }
    Ok(response)
}

/// Answers a PROPFIND of a folder above the tree: the way to it, and nothing else, so that a client that looks at the
/// top of the server before it looks at its mount finds something.
pub(crate) async fn above(call: Call, depth_of_folder: usize, mut body: Incoming) -> Answer {
    let depth = depth(&call)?;
    if depth == Depth::Infinity {
        return Err(infinite());
    }
    let ask = Ask::parse(&collect(&mut body, LONGEST_BODY).await?)?;
    let properties = properties(&call, &ask, Vec::new(), None, Dead::none(&ask));
    let mut out = BytesMut::from(START);
    let (href, member) = call.shared.base.above(depth_of_folder);
    properties.put_above(&mut out, &href, href.trim_matches('/').rsplit('/').next().unwrap_or_default());
    if depth == Depth::One {
        let (member_href, _) = call.shared.base.above(depth_of_folder + 1);
        properties.put_above(&mut out, &member_href, member);
    }
    out.put_slice(END);
    Ok(multistatus(Body::from(out.freeze())))
}

fn multistatus(body: Body) -> Response<Body> {
    full(StatusCode::MULTI_STATUS, XML, body)
}

/// No header is 0 here. RFC 4918 section 9.1 wants it sent always, and takes it for infinity where it is not; but those who
/// leave it out mean the resource alone (skshetry/webdav4#178, perry-mitchell/webdav-fs#1, xbmc/xbmc#2361), and would be
/// refused at each folder.
fn depth(call: &Call) -> Result<Depth, Failure> {
    if is_no_root(call)? {
        return Ok(Depth::One);
    }
    Ok(headers::depth(&call.headers)?.unwrap_or(Depth::Zero))
}

/// `Depth: 1,noroot`, by which some of Microsoft's clients ask for members alone ([MS-WDVSE] section 4.3).
fn is_no_root(call: &Call) -> Result<bool, Failure> {
    let no_root =
        |text: &str| text.split_once(',').is_some_and(|(depth, word)| depth.trim() == "1" && word.trim() == "noroot");
    Ok(headers::single(&call.headers, "depth")?.is_some_and(no_root))
}

/// What a folder is refused with that is asked for with all below it.
fn infinite() -> Failure {
    Failure::condition(StatusCode::FORBIDDEN, Condition::FiniteDepth)
}

fn properties(
    call: &Call,
    ask: &Ask,
    locks: Vec<crate::locks::Lock>,
    quota: Option<davmux_tree::Usage>,
    dead: Dead,
) -> Properties {
    // Explorer reads 1 MB of a folder and shows an empty one beyond it, and it never asks for less than allprop. At a single
    // file it looks for the lock that it was given.
    let explorer = lenient(&call.headers, "user-agent")
        .is_some_and(|agent| agent.starts_with("Microsoft-WebDAV-MiniRedir"))
        && matches!(headers::depth(&call.headers), Ok(Some(Depth::One)));
    Properties::new(
        ask,
        Context {
            base: &call.shared.base,
            view: &call.view,
            target: &call.path,
            locks,
            now: (call.shared.clock)(),
            quota,
            dead,
            minimal: headers::minimal(&call.headers),
            short: explorer,
        },
    )
}

/// The room of the storage; without it the property is simply not there.
async fn quota(call: &Call) -> Option<davmux_tree::Usage> {
    match call.view.usage(&call.path).await {
        Ok(usage) => usage,
        Err(error) => {
            tracing::debug!(%error, "the storage does not tell its room");
            None
        }
    }
}

struct Members {
    call: Call,
    properties: Properties,
    /// The target's href, with its slash.
    folder: String,
    /// What stands before the first page.
    head: BytesMut,
    /// What is still to be written of a page.
    page: std::vec::IntoIter<Node>,
    listing: Listing,
    ended: bool,
}

/// The body of a listing. Its end is written only after the listing's own clean end; an error cuts it (promise 1).
fn members(state: Members) -> Body {
    Body::stream(stream::unfold(state, |mut state| async move {
        if state.ended {
            return None;
        }
        let chunk = state.chunk().await.map_err(|error| {
            state.ended = true;
            tracing::warn!(path = %state.call.path, %error, "a listing is cut: the client gets an error");
            BodyError::Cut(error)
        });
        Some((chunk, state))
    }))
}

impl Members {
    async fn chunk(&mut self) -> davmux_tree::Result<Bytes> {
        let mut out = mem::take(&mut self.head);
        loop {
            out.reserve((self.page.len() * ENTRY).min(CHUNK));
            for node in self.page.by_ref() {
                let dead = self.properties.dead().of_member(&self.call, &node.name).await?;
                self.properties.put_member(&mut out, &self.folder, &node, &dead);
                if out.len() >= CHUNK {
                    return Ok(out.freeze());
                }
            }
            if !out.is_empty() {
                return Ok(out.freeze());
            }
            match self.listing.next().await.transpose()? {
                Some(nodes) => self.page = nodes.into_iter(),
                None => {
                    self.ended = true;
                    return Ok(Bytes::from_static(END));
                }
            }
        }
    }
}
