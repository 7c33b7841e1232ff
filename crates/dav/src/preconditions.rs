//! Everything that makes a request conditional, evaluated before the method begins: `If` of RFC 4918 and the conditional
//! headers of RFC 9110.

use std::collections::HashMap;

use davmux_tree::{Node, RelPath, When};
use http::{Method, StatusCode};

use crate::call::Call;
use crate::conditional::{Conditions, Outcome};
use crate::copy_move;
use crate::destination::path_of;
use crate::guard::Change;
use crate::headers::single;
use crate::if_header::{IfHeader, List, State};
use crate::locks::{Lock, Reach};
use crate::path::Place;
use crate::status::Failure;

/// What was learned while the conditions were evaluated.
#[derive(Debug)]
pub(crate) struct Judged {
    /// GET and HEAD: the client has this version already.
    pub(crate) not_modified: bool,
    /// What stands at the request's path, where it was looked at; the inner `None` is "nothing".
    pub(crate) node: Option<Option<Node>>,
    /// The lock tokens that the request submits.
    pub(crate) tokens: Vec<String>,
    /// What must still be so when a change takes effect.
    pub(crate) when: When,
}

/// How many other resources an `If` header may make us look at.
const MOST_RESOURCES: usize = 16;

impl Call {
    /// Evaluates the request's conditions. To be called before the body is looked at: that look sends `100 Continue`.
    ///
    /// # Errors
    /// 412 where one does not hold, 400 where a header breaks its grammar; an error of the storage where it could not
    /// look: a condition that was not evaluated is not a false one.
    pub(crate) async fn judge(&self) -> Result<Judged, Failure> {
        let conditions = Conditions::parse(&self.headers)?;
        let header = match single(&self.headers, "if")? {
            None => None,
            Some(text) => {
                Some(IfHeader::parse(text).ok_or_else(|| Failure::bad_request("the If header cannot be read"))?)
            }
        };
        let tokens = header.iter().flat_map(IfHeader::tokens).map(str::to_owned).collect();
        let mut judged = Judged { not_modified: false, node: None, tokens, when: When::Always };
        let mut pinned = false;
        if !conditions.is_empty() {
            let node = self.look(&self.path).await?;
            let reading = matches!(self.method, Method::GET | Method::HEAD);
            match conditions.evaluate(node.as_ref(), reading) {
                Outcome::Proceed => {}
                Outcome::NotModified => judged.not_modified = true,
                Outcome::Failed => return Err(self.failed(node, &judged.tokens).await?),
            }
            judged.node = Some(node);
            pinned = true;
        }
        if let Some(header) = header {
            let mut looks = Looks { call: self, locks: HashMap::new(), nodes: HashMap::new() };
            if let Some(node) = judged.node.take() {
                looks.nodes.insert(self.path.clone(), node);
            }
            let mut holds = false;
            for list in &header.lists {
                if looks.holds(list).await? {
                    holds = true;
                    break;
                }
            }
            if !holds {
                return Err(Failure::precondition("the If header does not hold"));
            }
            judged.node = looks.nodes.remove(&self.path);
            pinned |= judged.node.is_some();
        }
        if pinned {
            judged.when = match &judged.node {
                Some(None) => When::Absent,
                Some(Some(Node { etag: Some(etag), .. })) => When::Matches(etag.clone()),
                _ => When::Always,
            };
        }
        Ok(judged)
    }

    /// Why the request is refused for a condition that does not hold on what is there. A condition counts only where the
    /// request would have been done without it (RFC 9110 section 13.2.1); else that is what the client hears.
    async fn failed(&self, there: Option<Node>, tokens: &[String]) -> Result<Failure, Failure> {
        let taken = |node: &Node| match self.method.as_str() {
            "MKCOL" => true,
            "PUT" => node.is_dir(),
            _ => false,
        };
        if there.as_ref().is_some_and(taken) {
            return Ok(Failure::new(StatusCode::METHOD_NOT_ALLOWED, "something is there already"));
        }
        if there.is_none() {
            match (self.method.as_str(), self.path.parent()) {
                ("PUT" | "MKCOL" | "LOCK", Some(parent)) => {
                    if !self.look(&parent).await?.is_some_and(|parent| parent.is_dir()) {
                        let reason = "the folder that should hold it does not exist";
                        return Ok(Failure::new(StatusCode::CONFLICT, reason));
                    }
                }
                _ => return Ok(Failure::new(StatusCode::NOT_FOUND, "nothing is there")),
            }
        }
        let change = match self.method.as_str() {
            "PUT" | "MKCOL" => Some(Change::Appears),
            "DELETE" | "MOVE" => Some(Change::Goes),
            "PROPPATCH" => Some(Change::Itself),
            _ => None,
        };
        if let Some(change) = change {
            self.guard(&self.path, change, tokens, Some(&there)).await?;
        }
        if matches!(self.method.as_str(), "COPY" | "MOVE") {
            self.guard(&copy_move::target(self)?, Change::Appears, tokens, None).await?;
        }
        Ok(Failure::precondition("a condition of the request does not hold"))
    }
}

/// What has been looked at for one header, each thing once.
struct Looks<'a> {
    call: &'a Call,
    locks: HashMap<RelPath, Vec<Lock>>,
    nodes: HashMap<RelPath, Option<Node>>,
}

impl Looks<'_> {
    async fn holds(&mut self, list: &List) -> Result<bool, Failure> {
        let path = match &list.resource {
            None => Some(self.call.path.clone()),
            Some(url) => match path_of(url).map(|path| self.call.shared.base.place(path)) {
                Some(Ok(Place::Inside { path, .. })) => Some(path),
                Some(Ok(Place::Above { .. } | Place::Outside)) => None,
                Some(Err(_)) | None => return Err(Failure::bad_request("the If header names a URL that is not one")),
            },
        };
        for condition in &list.conditions {
            let fits = match &path {
                // Not ours: nothing is known to be on it.
                None => false,
                Some(path) => match &condition.state {
                    State::Token(token) => self.is_locked(path, token).await?,
                    State::Etag(tag) => {
                        let node = self.node(path).await?;
                        tag.is_strongly(node.and_then(|node| node.etag.as_ref()))
                    }
                },
            };
            if fits == condition.not {
                return Ok(false);
            }
        }
        Ok(true)
    }

    async fn is_locked(&mut self, path: &RelPath, token: &str) -> Result<bool, Failure> {
        let place = self.call.place(path);
        // Of what is not seen no lock is known, either.
        if !self.call.view.sees(&place) {
            return Ok(false);
        }
        if !self.locks.contains_key(path) {
            let mut locks = self.call.locks(&place, Reach::Itself).await?;
            locks.retain(|lock| lock.covers(&place));
            self.locks.insert(path.clone(), locks);
        }
        Ok(self.locks[path].iter().any(|lock| &*lock.token == token))
    }

    async fn node(&mut self, path: &RelPath) -> Result<Option<&Node>, Failure> {
        if !self.nodes.contains_key(path) {
            if self.nodes.len() >= MOST_RESOURCES {
                return Err(Failure::bad_request("the If header names too many resources"));
            }
            let node = self.call.look(path).await?;
            self.nodes.insert(path.clone(), node);
        }
        Ok(self.nodes[path].as_ref())
    }
}
