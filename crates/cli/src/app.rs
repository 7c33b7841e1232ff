//! What is served: the tree, over WebDAV, to whoever the server says is asking.

use std::borrow::Cow;
use std::collections::HashMap;
use std::sync::Arc;

use davmux_dav::{Client, Dav, NotAllowed, ReadDecision};
use davmux_driver::meter::Meter;
use davmux_server::{AccessNote, Application, Body, Caller, Identity, LoginWanted, RequestBody, Scheme};
use davmux_tree::{By, View};
use http::request::Parts;
use http::{Method, Request, Response};
use http_body_util::BodyExt;

use crate::link_api::LinkApi;

/// The tree over WebDAV.
#[derive(Clone)]
pub(crate) struct App {
    pub(crate) dav: Dav,
    /// What each user sees.
    pub(crate) users: HashMap<Arc<str>, View>,
    /// What is seen without a login.
    pub(crate) anonymous: Option<View>,
    /// What download proxies ask; `None`: nobody may.
    pub(crate) links: Option<LinkApi>,
}

impl App {
    fn view(&self, identity: &Identity) -> Option<&View> {
        match identity {
            Identity::User(name) => self.users.get(name),
            Identity::Anonymous => self.anonymous.as_ref(),
        }
    }
}

impl Application for App {
    fn is_open(&self, request: &Parts) -> bool {
        request.method == Method::OPTIONS
    }

    fn looks_at_credentials(&self, request: &Parts) -> bool {
        self.links.as_ref().is_some_and(|links| links.is_asked(&request.method, &request.uri))
    }

    async fn call(&self, request: Request<RequestBody>, caller: Caller) -> Response<Body> {
        if request.method() == Method::OPTIONS {
            return Dav::options().map(boxed);
        }
        if let Some(links) = &self.links
            && links.is_asked(request.method(), request.uri())
        {
            return links.answer(request).await;
        }
        let Some(view) = self.view(&caller.identity).cloned() else {
            // The server lets nobody in whom it does not know, so this user went with a former configuration.
            let mut response = Response::new(boxed(davmux_dav::Body::empty()));
            *response.status_mut() = http::StatusCode::FORBIDDEN;
            return response;
        };
        let client = Client {
            user: match caller.identity {
                Identity::User(name) => Some(name),
                Identity::Anonymous => None,
            },
            administrator: false,
            named_by_proxy: caller.named_by_proxy,
            peer: caller.peer,
            // A proxy that says nothing of the scheme may well speak https with the client.
            https: caller.scheme == Scheme::Https || (caller.forwarded && !caller.trusted_proto),
            host: caller.host.map(Arc::from),
        };
        let by = By { user: client.user.clone(), address: client.peer };
        let meter = Meter::new();
        let mut response = meter.clone().scope(by.scope(self.dav.handle(view, request, client))).await;
        let read = response.extensions_mut().remove::<ReadDecision>().map(|decision| {
            let done = if decision.redirect { "redirect" } else { "relay" };
            (Cow::Borrowed(done), Cow::Borrowed(decision.reason))
        });
        if response.extensions().get::<NotAllowed>().is_some() {
            response.extensions_mut().insert(LoginWanted);
        }
        let calls = meter.clone();
        let note = AccessNote { read, backend_calls: Some(Arc::new(move || calls.calls())) };
        response.extensions_mut().insert(note);
        response.map(boxed)
    }
}

fn boxed(body: davmux_dav::Body) -> Body {
    body.map_err(Into::into).boxed_unsync()
}
