//! [`Handle`]: what is served is replaced while it is served.
//!
//! Two steps, so that several servers of a process change together or not at all: [`Handle::prepare`] does all that can
//! fail, [`Prepared::commit`] cannot. A request in flight keeps what it began with; the next one on the same connection
//! gets the new. Addresses that stay are never closed.

use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use davmux_metrics::Page;
use tokio::sync::{mpsc, oneshot};

use crate::listen::Listener;
use crate::service::{Served, Service};
use crate::{Application, AuthFailures, Listen, Load, Options, Result};

/// What the accepting side is told.
pub(crate) struct Change {
    /// Bound and not yet accepted from, each with the address as the options name it.
    pub(crate) added: Vec<(Listen, Listener)>,
    /// All that are listened on from now.
    pub(crate) listen: Vec<Listen>,
    pub(crate) applied: oneshot::Sender<()>,
}

/// An address that is listened on.
#[derive(Clone, Debug)]
pub(crate) struct Listening {
    /// As the options name it: port 0 is port 0, and systemd's socket is `systemd`.
    named: Listen,
    /// What that turned out to be.
    bound: Vec<Listen>,
}

impl Listening {
    pub(crate) fn of((named, listener): &(Listen, Listener)) -> Self {
        Self { named: named.clone(), bound: listener.addresses().cloned().collect() }
    }

    /// Of what was bound, that which the name does not tell.
    pub(crate) fn inherited(&self) -> &[Listen] {
        if matches!(self.named, Listen::Systemd(_)) { &self.bound } else { &[] }
    }
}

/// By which what a running server serves is replaced. Reloads are the caller's to put one after the other.
pub struct Handle<A> {
    service: Arc<Service<A>>,
    listen: Arc<Mutex<Vec<Listening>>>,
    changes: mpsc::Sender<Change>,
}

impl<A> Clone for Handle<A> {
    fn clone(&self) -> Self {
        Self { service: Arc::clone(&self.service), listen: Arc::clone(&self.listen), changes: self.changes.clone() }
    }
}

impl<A> fmt::Debug for Handle<A> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Handle").field("listen", &*self.listening()).finish_non_exhaustive()
    }
}

impl<A> Handle<A> {
    pub(crate) fn new(service: Arc<Service<A>>, listen: Vec<Listening>) -> (Self, mpsc::Receiver<Change>) {
        let (changes, receiver) = mpsc::channel(1);
        (Self { service, listen: Arc::new(Mutex::new(listen)), changes }, receiver)
    }

    /// What clients have taken, and what was refused; it goes on through reloads.
    pub fn load(&self) -> Arc<Load> {
        Arc::clone(&self.service.load)
    }

    pub(crate) fn service(&self) -> &Service<A> {
        &self.service
    }

    /// Who was not let in, counted through all reloads.
    pub fn auth_failures(&self) -> Arc<AuthFailures> {
        Arc::clone(&self.service.guessing.failures)
    }

    /// Writes what is counted here, through all reloads, and when the certificate in use ends.
    pub fn measure(&self, page: &mut Page) {
        self.service.metrics.write(page);
        let mut ends = page.gauges(
            "davmux_tls_certificate_expiry_timestamp_seconds",
            "When the certificate in use ends, in seconds since 1970; no series without TLS.",
        );
        if let Some(time) = self.service.current.load().tls.as_ref().and_then(|tls| tls.ends()) {
            ends.value(time.as_secs());
        }
    }

    pub(crate) fn into_service(self) -> Arc<Service<A>> {
        self.service
    }

    fn listening(&self) -> MutexGuard<'_, Vec<Listening>> {
        self.listen.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<A: Application> Handle<A> {
    /// Checks the options and binds the addresses that are new; nothing has changed yet, and nothing has if what this
    /// answers is dropped.
    ///
    /// # Errors
    /// As [`Server::bind`](crate::Server::bind).
    pub async fn prepare(&self, options: Options, application: A) -> Result<Prepared<A>> {
        options.check()?;
        self.prepare_unchecked(options, application).await
    }

    pub(crate) async fn prepare_unchecked(&self, options: Options, application: A) -> Result<Prepared<A>> {
        let mut there = self.listening().clone();
        let (mut listen, mut added) = (Vec::new(), Vec::new());
        for named in &options.listen {
            match there.iter().position(|there| there.named == *named) {
                Some(at) => listen.push(there.swap_remove(at)),
                None => {
                    let new = (named.clone(), Listener::bind(named, options.socket_mode).await?);
                    listen.push(Listening::of(&new));
                    added.push(new);
                }
            }
        }
        options.check_reach(listen.iter().flat_map(Listening::inherited))?;
        let former = self.service.current.load_full();
        let served = Served::new(options, application, Some(&former)).await?;
        let removed = there.into_iter().map(|there| there.named).collect();
        Ok(Prepared { handle: self.clone(), served, added, listen, removed })
    }
}

/// What is to be served next, with nothing left that could fail.
pub struct Prepared<A> {
    handle: Handle<A>,
    served: Served<A>,
    added: Vec<(Listen, Listener)>,
    listen: Vec<Listening>,
    removed: Vec<Listen>,
}

impl<A> fmt::Debug for Prepared<A> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Prepared").field("added", &self.added).field("removed", &self.removed).finish_non_exhaustive()
    }
}

impl<A: Application> Prepared<A> {
    /// The addresses that are new, with the ports that the system chose.
    pub fn added(&self) -> Vec<Listen> {
        self.added.iter().flat_map(|(_, listener)| listener.addresses().cloned()).collect()
    }

    /// The addresses that are not listened on any more, as the former options named them.
    pub fn removed(&self) -> &[Listen] {
        &self.removed
    }

    /// Replaces what is served: requests that begin from now on get the new. Resolves when the new addresses are served
    /// and those that went are closed; their connections end with the requests that are in flight on them.
    pub async fn commit(self) {
        let Self { handle, served, added, listen, .. } = self;
        handle.service.current.store(Arc::new(served));
        handle.listening().clone_from(&listen);
        let listen = listen.into_iter().map(|listening| listening.named).collect();
        let (applied, is_applied) = oneshot::channel();
        // A server that has stopped accepts nothing, whatever it is told.
        if handle.changes.send(Change { added, listen, applied }).await.is_ok() {
            let _ = is_applied.await;
        }
    }
}
