//! A clock that nobody sets. In the tests of this crate it stands still until they move it.

use std::time::Instant;

#[cfg(not(test))]
pub(crate) struct Clock;

#[cfg(not(test))]
impl Clock {
    pub(crate) const fn new() -> Self {
        Self
    }

    pub(crate) fn now(&self) -> Instant {
        Instant::now()
    }
}

#[cfg(test)]
pub(crate) struct Clock(std::sync::Mutex<Instant>);

#[cfg(test)]
impl Clock {
    pub(crate) fn new() -> Self {
        Self(Instant::now().into())
    }

    pub(crate) fn now(&self) -> Instant {
        *self.0.lock().unwrap()
    }

    pub(crate) fn advance(&self, by: std::time::Duration) {
        *self.0.lock().unwrap() += by;
    }
}
