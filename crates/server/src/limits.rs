//! [`Limits`]: what one client, and all of them, may take of the server; and what they have taken.
//!
//! The limits are replaced by a reload. What is counted stands in [`Load`], which outlives it.

use std::collections::HashMap;
use std::fmt;
use std::net::{IpAddr, Ipv6Addr};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::{Instant, timeout};

use crate::{Identity, Metrics, descriptors};

/// What clients may take.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Connections at once; `None`: half of the descriptors that the process may have, 10,000 at most. One more is told
    /// 503.
    pub connections: Option<usize>,
    /// Connections at once from one address, or from one /64 of IPv6. Those of trusted proxies and of Unix sockets are not
    /// counted here.
    pub connections_per_address: usize,
    /// For the whole head of a request, and for the first one of a connection.
    pub header_timeout: Duration,
    /// How long a connection may stay without a request.
    pub idle_timeout: Duration,
    /// Bytes in the body of a request; `None`: no limit.
    pub body_size: Option<u64>,
    /// How long a body that is asked for may send nothing.
    pub body_timeout: Duration,
    /// How long a client may take nothing of a response.
    pub send_timeout: Duration,
    /// Requests in flight of one user; without a login, of one address. Further ones wait for a while.
    pub requests_per_user: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            connections: None,
            connections_per_address: 512,
            header_timeout: Duration::from_secs(30),
            idle_timeout: Duration::from_secs(120),
            body_size: None,
            body_timeout: Duration::from_secs(120),
            send_timeout: Duration::from_secs(15 * 60),
            requests_per_user: 128,
        }
    }
}

/// More needs more memory than most machines have.
const MOST_CONNECTIONS: u64 = 10_000;
/// How long a request waits until another one of the same user has ended.
const PATIENCE: Duration = Duration::from_secs(5);
/// How long the log says nothing more of refusals.
const QUIET: Duration = Duration::from_secs(60);
/// Entries of users of whom nothing is in flight, before they are looked for.
const FEW: usize = 1024;

impl Limits {
    /// With what is derived from the system.
    pub(crate) fn resolved(mut self) -> Self {
        let share = || (descriptors::available() / 2).clamp(16, MOST_CONNECTIONS);
        self.connections.get_or_insert_with(|| usize::try_from(share()).unwrap_or(usize::MAX));
        self
    }
}

davmux_metrics::label! {
    /// Which limit kept a client from what it wanted, though nothing was wrong with what it asked for: the limit's key in the
    /// mounts file.
    pub enum Refusal: "limit" {
        /// Too many connections.
        Connections = "connections",
        /// Too many connections from one address.
        ConnectionsPerAddress = "connections_per_address",
        /// The head of a request took too long.
        HeaderTimeout = "header_timeout",
        /// A body was too large.
        BodySize = "body_size",
        /// A body stood still.
        BodyTimeout = "body_timeout",
        /// A response was not taken.
        SendTimeout = "send_timeout",
        /// Too many requests in flight of one user.
        Requests = "requests_per_user",
    }
}

/// What all clients have taken, and what was refused. Outlives a reload.
#[derive(Debug)]
pub struct Load {
    connections: AtomicUsize,
    by_address: Mutex<HashMap<IpAddr, usize>>,
    queues: Mutex<HashMap<Who, Weak<Queue>>>,
    metrics: Arc<Metrics>,
    /// When the log last spoke of it.
    told: Mutex<Option<Instant>>,
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Load {
    pub(crate) fn new(metrics: Arc<Metrics>) -> Self {
        Self {
            connections: AtomicUsize::new(0),
            by_address: Mutex::default(),
            queues: Mutex::default(),
            metrics,
            told: Mutex::new(None),
        }
    }

    /// Connections that are open.
    pub fn connections(&self) -> usize {
        self.connections.load(Ordering::Relaxed)
    }

    /// How often that was the cause since the start.
    pub fn refused(&self, why: Refusal) -> u64 {
        self.metrics.refused(why)
    }

    pub(crate) fn refuse(&self, why: Refusal) -> Refusal {
        self.metrics.refuse(why);
        if matches!(why, Refusal::Connections | Refusal::ConnectionsPerAddress | Refusal::Requests) {
            let mut told = lock(&self.told);
            if told.is_none_or(|at| at.elapsed() >= QUIET) {
                *told = Some(Instant::now());
                drop(told);
                tracing::warn!(
                    limit = why.as_str(),
                    "clients are refused; further ones of this minute are only counted"
                );
            }
        }
        why
    }

    /// One more connection; `address` where it counts by that.
    pub(crate) fn connect(self: &Arc<Self>, limits: &Limits, address: Option<IpAddr>) -> Result<Connected, Refusal> {
        if self.connections.fetch_add(1, Ordering::Relaxed) >= limits.connections.unwrap_or(usize::MAX) {
            self.connections.fetch_sub(1, Ordering::Relaxed);
            return Err(self.refuse(Refusal::Connections));
        }
        let mut connected = Connected { load: Arc::clone(self), address: None };
        if let Some(address) = address.map(network) {
            let mut by_address = lock(&self.by_address);
            let count = by_address.entry(address).or_default();
            if *count >= limits.connections_per_address {
                drop(by_address);
                return Err(self.refuse(Refusal::ConnectionsPerAddress));
            }
            *count += 1;
            connected.address = Some(address);
        }
        Ok(connected)
    }

    /// One more request, once there is room for it. `last` is where the connection's last one queued.
    pub(crate) async fn begin(
        &self,
        limits: &Limits,
        identity: &Identity,
        client: Option<IpAddr>,
        last: &Last,
    ) -> Result<InFlight, Refusal> {
        let who = match identity {
            Identity::User(name) => Who::User(Arc::clone(name)),
            Identity::Anonymous => Who::Address(client.map(network)),
        };
        let queue = last.queue(self, who, limits.requests_per_user);
        if let Ok(permit) = Arc::clone(&queue.room).try_acquire_owned() {
            return Ok(InFlight { _permit: permit });
        }
        // As many again may wait: that is a burst, and more of them is none.
        let waiting = Waiting::new(&queue);
        if waiting.before < queue.most
            && let Ok(Ok(permit)) = timeout(PATIENCE, Arc::clone(&queue.room).acquire_owned()).await
        {
            return Ok(InFlight { _permit: permit });
        }
        Err(self.refuse(Refusal::Requests))
    }

    fn queue(&self, who: &Who, most: usize) -> Arc<Queue> {
        let mut queues = lock(&self.queues);
        if let Some(queue) = queues.get(who).and_then(Weak::upgrade).filter(|queue| queue.most == most) {
            return queue;
        }
        if queues.len() >= FEW && queues.len() == queues.capacity() {
            queues.retain(|_, queue| queue.strong_count() > 0);
        }
        let queue = Arc::new(Queue::new(most));
        queues.insert(who.clone(), Arc::downgrade(&queue));
        queue
    }
}

/// The part of an address that one customer of a provider cannot choose at will.
fn network(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(address) => {
            let bits = u128::from(address) & (u128::MAX << 64);
            Ipv6Addr::from(bits).into()
        }
        address @ IpAddr::V4(_) => address,
    }
}

/// A connection that is counted until this is dropped.
pub(crate) struct Connected {
    load: Arc<Load>,
    address: Option<IpAddr>,
}

impl Drop for Connected {
    fn drop(&mut self) {
        self.load.connections.fetch_sub(1, Ordering::Relaxed);
        if let Some(address) = self.address {
            let mut by_address = lock(&self.load.by_address);
            if let Some(count) = by_address.get_mut(&address) {
                *count -= 1;
                if *count == 0 {
                    by_address.remove(&address);
                }
            }
        }
    }
}

/// Who makes requests.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
enum Who {
    User(Arc<str>),
    /// Nobody's name is known, and maybe not the address either.
    Address(Option<IpAddr>),
}

/// The requests of one user.
#[derive(Debug)]
struct Queue {
    most: usize,
    room: Arc<Semaphore>,
    waiting: AtomicUsize,
}

impl Queue {
    fn new(most: usize) -> Self {
        let room = Arc::new(Semaphore::new(most.min(Semaphore::MAX_PERMITS)));
        Self { most, room, waiting: AtomicUsize::new(0) }
    }
}

struct Waiting<'a> {
    queue: &'a Queue,
    /// How many waited already.
    before: usize,
}

impl<'a> Waiting<'a> {
    fn new(queue: &'a Queue) -> Self {
        Self { queue, before: queue.waiting.fetch_add(1, Ordering::Relaxed) }
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.queue.waiting.fetch_sub(1, Ordering::Relaxed);
    }
}

/// Where the last request of a connection queued: mostly the next one does too, and need not meet all others at one lock.
#[derive(Default)]
pub(crate) struct Last(Mutex<Option<(Who, Arc<Queue>)>>);

impl Last {
    fn queue(&self, load: &Load, who: Who, most: usize) -> Arc<Queue> {
        let mut last = lock(&self.0);
        match &*last {
            Some((of, queue)) if *of == who && queue.most == most => Arc::clone(queue),
            _ => {
                let queue = load.queue(&who, most);
                *last = Some((who, Arc::clone(&queue)));
                queue
            }
        }
    }
}

impl fmt::Debug for Last {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Last(..)")
    }
}

/// A request that is counted until this is dropped.
#[derive(Debug)]
pub(crate) struct InFlight {
    _permit: OwnedSemaphorePermit,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn few() -> Limits {
        Limits { connections: Some(3), connections_per_address: 2, requests_per_user: 2, ..Limits::default() }
    }

    #[test]
    fn connections_are_counted_together_and_by_address_until_they_end() {
        let (load, limits) = (Arc::new(Load::new(Arc::default())), few());
        let from = |text: &str| load.connect(&limits, Some(text.parse().unwrap()));
        let first = from("192.0.2.1").ok();
        let second = from("::ffff:192.0.2.1").ok();
        assert!(first.is_some() && second.is_some());
        assert_eq!(from("192.0.2.1").err(), Some(Refusal::ConnectionsPerAddress));
        assert_eq!(load.connections(), 2);
        let proxy = load.connect(&limits, None).ok();
        assert_eq!(from("192.0.2.2").err(), Some(Refusal::Connections));
        drop(first);
        let third = from("192.0.2.1").ok();
        assert!(third.is_some());
        assert_eq!([Refusal::Connections, Refusal::ConnectionsPerAddress].map(|why| load.refused(why)), [1, 1]);
        drop((second, third, proxy));
        assert_eq!((load.connections(), lock(&load.by_address).len()), (0, 0));
    }

    #[test]
    fn one_64_of_ipv6_is_one_address() {
        let (load, limits) = (Arc::new(Load::new(Arc::default())), few());
        let from = |text: &str| load.connect(&limits, Some(text.parse().unwrap()));
        let held = [from("2001:db8::1"), from("2001:db8::2:3")];
        assert_eq!(from("2001:db8::ffff:1").err(), Some(Refusal::ConnectionsPerAddress));
        assert!(from("2001:db8:0:1::1").is_ok());
        drop(held);
    }

    #[tokio::test(start_paused = true)]
    async fn a_users_requests_wait_for_one_another_and_not_for_those_of_others() {
        let (load, limits) = (Load::new(Arc::default()), few());
        let (one, other) = (Last::default(), Last::default());
        let alice = Identity::User("alice".into());
        let begin = |who, last| load.begin(&limits, who, None, last);
        let (first, second) = (begin(&alice, &one).await.unwrap(), begin(&alice, &other).await.unwrap());
        let bob = Identity::User("bob".into());
        begin(&bob, &one).await.unwrap();
        begin(&Identity::Anonymous, &one).await.unwrap();
        let ends = async {
            tokio::time::sleep(PATIENCE / 2).await;
            drop(first);
        };
        let (third, ()) = futures_util::join!(begin(&alice, &one), ends);
        assert!(third.is_ok());
        assert_eq!(begin(&alice, &one).await.err(), Some(Refusal::Requests));
        assert_eq!(load.refused(Refusal::Requests), 1);
        drop((second, third));
        assert!(begin(&alice, &other).await.is_ok());
    }

    #[tokio::test(start_paused = true)]
    async fn when_as_many_wait_as_may_be_in_flight_the_next_is_refused_at_once() {
        let (load, limits) = (Load::new(Arc::default()), few());
        let last = Last::default();
        let begin = || load.begin(&limits, &Identity::Anonymous, None, &last);
        let _held = [begin().await.unwrap(), begin().await.unwrap()];
        let start = tokio::time::Instant::now();
        let at_once = async {
            let refused = begin().await.err();
            (refused, start.elapsed())
        };
        let (_, _, third) = futures_util::join!(begin(), begin(), at_once);
        assert_eq!(third, (Some(Refusal::Requests), Duration::ZERO));
    }

    #[tokio::test]
    async fn what_is_known_of_users_does_not_grow_with_those_who_have_left() {
        let (load, limits) = (Load::new(Arc::default()), few());
        for n in 0..10 * FEW {
            let identity = Identity::User(n.to_string().into());
            load.begin(&limits, &identity, None, &Last::default()).await.unwrap();
        }
        assert!(lock(&load.queues).len() < 5 * FEW);
    }
}
