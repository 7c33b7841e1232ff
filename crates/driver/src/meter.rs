//! Counting what a request costs: the calls that drivers send over the network on its behalf.
//!
//! A request runs inside [`Meter::scope`]; a driver says [`count_call`] for each request that it sends to its backend.
//! A task that goes on for the request takes the meter along with [`Meter::current`].

use std::cell::RefCell;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll};

thread_local! {
    static CURRENT: RefCell<Option<Meter>> = const { RefCell::new(None) };
}

/// The count of one client request. Clones share it.
#[derive(Clone, Debug, Default)]
pub struct Meter(Arc<AtomicU64>);

impl Meter {
    /// A new count, at 0.
    pub fn new() -> Self {
        Self::default()
    }

    /// The meter of the running task, or a fresh one that nobody reads.
    pub fn current() -> Self {
        CURRENT.with_borrow(|current| current.clone()).unwrap_or_default()
    }

    /// Calls sent so far.
    pub fn calls(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }

    /// Adds one call.
    pub fn count(&self) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }

    /// Runs a future so that what it awaits counts here. What it spawns does not, unless it takes the meter along.
    pub fn scope<F: Future>(self, future: F) -> Scope<F> {
        Scope { meter: Some(self), future: Box::pin(future) }
    }
}

/// One call was sent to a backend.
pub fn count_call() {
    CURRENT.with_borrow(|current| {
        if let Some(meter) = current {
            meter.count();
        }
    });
}

/// A future that runs under a [`Meter`].
#[derive(Debug)]
pub struct Scope<F> {
    meter: Option<Meter>,
    future: Pin<Box<F>>,
}

/// Puts the former meter back when the poll ends, also by a panic.
struct Restore(Option<Meter>);

impl Drop for Restore {
    fn drop(&mut self) {
        CURRENT.set(self.0.take());
    }
}

impl<F: Future> Future for Scope<F> {
    type Output = F::Output;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<F::Output> {
        let _restore = Restore(CURRENT.replace(self.meter.clone()));
        self.future.as_mut().poll(cx)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn now<F: Future>(future: F) -> F::Output {
        let mut future = Box::pin(future);
        match future.as_mut().poll(&mut Context::from_waker(std::task::Waker::noop())) {
            Poll::Ready(value) => value,
            Poll::Pending => panic!("the test's futures never wait"),
        }
    }

    #[test]
    fn only_what_runs_inside_counts() {
        let (outer, inner) = (Meter::new(), Meter::new());
        count_call();
        now(outer.clone().scope(async {
            count_call();
            inner.clone().scope(async { count_call() }).await;
            count_call();
        }));
        assert_eq!((outer.calls(), inner.calls()), (2, 1));
    }
}
