//! [`Pace`]: how fast a deep operation goes. A storage that says that it is asked too often is asked less, and what it
//! refused is done again.

use std::future::Future;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use davmux_driver::ErrorKind;
use tokio::sync::{Semaphore, SemaphorePermit};
use tokio::time::Instant;

/// The first pause of all members at most; it doubles with each pause in a row.
const FIRST_REST: Duration = Duration::from_millis(500);
/// The longest pause, also where a storage asks for a longer one.
const LONGEST_REST: Duration = Duration::from_secs(8);
/// Pauses in a row, with no answer between them that was none of the kind, after which it is no use to wait.
const RESTS: u32 = 8;
/// How often one member is tried.
const TRIES: u32 = 10;

/// How long a storage asked to wait, where it said that it is asked too often.
pub(crate) fn throttled(kind: ErrorKind) -> Option<Duration> {
    match kind {
        ErrorKind::Throttled { retry_after } => Some(retry_after.unwrap_or_default()),
        _ => None,
    }
}

/// The pace of one operation on many members.
///
/// Of a storage that is asked too often, all members get a pause, and half as many go on at once; with every round of
/// them that goes well it is one more. A storage that refuses again and again is waited for about 40 seconds; from then
/// on each member is tried once.
#[derive(Debug)]
pub(crate) struct Pace {
    free: Semaphore,
    most: usize,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    /// Members at once now.
    width: usize,
    /// Permits that are still to be taken away.
    owed: usize,
    /// Answers that went well since the width last changed.
    good: usize,
    /// Pauses in a row.
    rests: u32,
    until: Option<Instant>,
}

impl Pace {
    /// So many members at once, as long as all goes well.
    pub(crate) fn new(most: usize) -> Self {
        let most = most.max(1);
        let state = State { width: most, owed: 0, good: 0, rests: 0, until: None };
        Self { free: Semaphore::new(most), most, state: Mutex::new(state) }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Does the work of one member, and does it again where `asked` says of its outcome that the storage asked to wait.
    pub(crate) async fn member<T, F: Future<Output = T>>(
        &self,
        asked: impl Fn(&T) -> Option<Duration>,
        work: impl Fn() -> F,
    ) -> T {
        let mut tries = 1;
        loop {
            // The semaphore is never closed.
            let permit = self.free.acquire().await.ok();
            let until = self.state().until;
            if let Some(until) = until {
                tokio::time::sleep_until(until).await;
            }
            let outcome = work().await;
            let wait = asked(&outcome);
            let again = match wait {
                Some(wait) => self.slower(wait) && tries < TRIES,
                None => {
                    self.faster();
                    false
                }
            };
            self.give_back(permit);
            if !again {
                return outcome;
            }
            tries += 1;
        }
    }

    /// Waits after an answer by which the storage asked to; false where that is of no use any more.
    pub(crate) async fn rest(&self, asked: Duration) -> bool {
        let again = self.slower(asked);
        let until = self.state().until;
        if again && let Some(until) = until {
            tokio::time::sleep_until(until).await;
        }
        again
    }

    /// Answers whether it is of use to try again.
    fn slower(&self, asked: Duration) -> bool {
        let mut state = self.state();
        if state.rests >= RESTS {
            return false;
        }
        let now = Instant::now();
        // Those that were under way together are refused together, and that is once.
        if state.until.is_none_or(|until| until <= now) {
            let rest = (FIRST_REST * 2_u32.pow(state.rests)).mul_f64(0.5 + rand::random::<f64>() / 2.0);
            state.until = Some(now + rest.max(asked).min(LONGEST_REST));
            state.rests += 1;
            let width = (state.width / 2).max(1);
            state.owed += state.width - width;
            state.width = width;
            state.good = 0;
            if state.rests == RESTS {
                let (more, most) = (self.most - state.width, self.most);
                let paid = more.min(state.owed);
                state.owed -= paid;
                state.width = most;
                self.free.add_permits(more - paid);
            }
        }
        true
    }

    /// An answer went well.
    pub(crate) fn faster(&self) {
        let mut state = self.state();
        state.rests = if state.rests < RESTS { 0 } else { RESTS };
        state.good += 1;
        if state.width < self.most && state.good >= state.width {
            state.good = 0;
            state.width += 1;
            if state.owed > 0 {
                state.owed -= 1;
            } else {
                self.free.add_permits(1);
            }
        }
    }

    fn give_back(&self, permit: Option<SemaphorePermit<'_>>) {
        let mut state = self.state();
        if state.owed > 0
            && let Some(permit) = permit
        {
            state.owed -= 1;
            permit.forget();
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU32, AtomicUsize, Ordering};

    use futures_util::future::join_all;

    use super::*;

    type Outcome = Result<(), ErrorKind>;

    fn asked(outcome: &Outcome) -> Option<Duration> {
        outcome.err().and_then(throttled)
    }

    const SLOW_DOWN: Outcome = Err(ErrorKind::Throttled { retry_after: None });

    /// A storage that counts how many are there at once.
    #[derive(Default)]
    struct Busy {
        now: AtomicUsize,
        most: AtomicUsize,
        calls: AtomicU32,
    }

    impl Busy {
        async fn call(&self, answer: impl Fn(u32) -> Outcome) -> Outcome {
            let call = self.calls.fetch_add(1, Ordering::SeqCst);
            let now = self.now.fetch_add(1, Ordering::SeqCst) + 1;
            self.most.fetch_max(now, Ordering::SeqCst);
            tokio::time::sleep(Duration::from_millis(20)).await;
            self.now.fetch_sub(1, Ordering::SeqCst);
            answer(call)
        }
    }

    async fn run(pace: &Pace, busy: &Busy, members: usize, answer: impl Fn(u32) -> Outcome + Copy) -> usize {
        let work = (0..members).map(|_| pace.member(asked, || busy.call(answer)));
        join_all(work).await.into_iter().filter(Result::is_err).count()
    }

    #[tokio::test(start_paused = true)]
    async fn what_was_refused_is_done_again_at_half_the_pace() {
        let (pace, busy) = (Pace::new(32), Busy::default());
        assert_eq!(run(&pace, &busy, 32, |call| if call < 32 { SLOW_DOWN } else { Ok(()) }).await, 0);
        assert_eq!((busy.calls.load(Ordering::SeqCst), busy.most.load(Ordering::SeqCst)), (64, 32));
        let again = Busy::default();
        run(&pace, &again, 100, |_| Ok(())).await;
        assert!((16..32).contains(&again.most.load(Ordering::SeqCst)), "{:?}", again.most);
        run(&pace, &again, 2_000, |_| Ok(())).await;
        assert_eq!(again.most.load(Ordering::SeqCst), 32, "all went well for long enough");
        assert_eq!(pace.free.available_permits(), 32);
    }

    #[tokio::test(start_paused = true)]
    async fn a_fifth_refused_ends_well() {
        let (pace, busy) = (Pace::new(32), Busy::default());
        assert_eq!(run(&pace, &busy, 1_000, |call| if call % 5 == 0 { SLOW_DOWN } else { Ok(()) }).await, 0);
    }

    #[tokio::test(start_paused = true)]
    async fn a_storage_that_never_takes_more_is_not_asked_for_ever() {
        let (pace, busy) = (Pace::new(32), Busy::default());
        let begun = Instant::now();
        assert_eq!(run(&pace, &busy, 1_000, |_| SLOW_DOWN).await, 1_000);
        assert!(begun.elapsed() < Duration::from_secs(120), "{:?}", begun.elapsed());
        assert_eq!(pace.free.available_permits(), 32);
    }

    #[tokio::test(start_paused = true)]
    async fn other_errors_are_not_tried_again() {
        let (pace, busy) = (Pace::new(4), Busy::default());
        assert_eq!(run(&pace, &busy, 10, |_| Err(ErrorKind::Unavailable)).await, 10);
        assert_eq!(busy.calls.load(Ordering::SeqCst), 10);
    }
}
