//! How fast passwords can be guessed, and what a flood of guesses takes from everybody else.
//!
//! A *guess* is a name and a password that must be hashed: what was right within the last minute, and what was wrong
//! already, is answered from memory and never comes here (`credentials.rs`).
//!
//! * **Counted are wrong guesses, by name and by address** (of IPv6 by /64, which one household has). After some free ones
//!   each next guess waits twice as long as the one before, up to a minute: for two seconds at most within the request, and
//!   beyond that it is told to come back. Only a guess that was let through and was wrong counts, so a client that
//!   hammers while it is held back does not make it longer. Guesses that are not decided yet are bounded by the
//!   free ones, so that a thousand at once are no more than one after the other.
//! * **Whoever was right before is not kept out.** Credentials that were right before pass uncounted. And at an address where a user was
//!   right before, guesses at that user have a count of their own: who guesses from elsewhere, or at other
//!   names from the same address, delays that user nowhere where they have been. All others at an address that is held back
//!   share one guess a minute there, so a right password still enters.
//! * **A right password takes no failure back**: else one account would be enough to guess at all others for ever.
//! * **Hashing has half of the cores at most**, and those who were right before go first. Who waits holds no core; how many
//!   wait is bounded, in all and from one address.
//! * **Memory is bounded.** When the table is full, the count with the fewest failures goes first; to have another one
//!   forgotten, an attacker would have to fail more often than it says, from more addresses than the table holds, within a
//!   quarter of an hour, and half of the cores do not hash that many.
//!
//! This outlives a reload: what changes the users must not forgive the guesses.

use std::collections::HashMap;
use std::fmt;
use std::hash::{BuildHasher, RandomState};
use std::net::{IpAddr, Ipv4Addr};
use std::pin::pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::{Notify, OwnedSemaphorePermit, Semaphore};
use tokio::time::{Instant, sleep_until};

use crate::AuthFailures;

/// Wrong guesses at one name, before the first delay: a person who tries the passwords they have.
const FREE_OF_NAME: u32 = 5;
/// The same of one address: some people behind it.
const FREE_OF_PLACE: u32 = 10;
/// The first delay; each further one is twice as long.
const FIRST_DELAY: Duration = Duration::from_secs(1);
/// The longest delay: 1,440 guesses a day, half a million in a year.
const LONGEST_DELAY: Duration = Duration::from_secs(60);
/// What is waited for within a request. Clients give up after half a minute, and each that waits holds a connection.
const HELD: Duration = Duration::from_secs(2);
/// After so long without a wrong guess all is forgotten.
const FORGOTTEN: Duration = Duration::from_secs(15 * 60);
/// Names and addresses that are counted: some 6 MB.
const MOST_SLOTS: usize = 65_536;
/// A sweep through the whole table pays only if something has ended since the last one.
const SWEEP: Duration = Duration::from_secs(1);
/// Addresses at which a user was right, and for how long that is remembered.
const MOST_HOMES: usize = 16;
const HOME: Duration = Duration::from_secs(30 * 24 * 3600);
/// Guesses of one line that wait or are hashed; with one core for them the last waits for 8 s.
const MOST_IN_LINE: usize = 256;
/// The same from one address: an office that comes back at once after a restart.
const MOST_OF_PLACE: u32 = 64;

/// Hashes at a time: half of the cores.
fn hashes_at_a_time() -> usize {
    (std::thread::available_parallelism().map_or(1, usize::from) / 2).max(1)
}

/// From where somebody asks, as far as they are told apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Place {
    V4(Ipv4Addr),
    /// The first 64 bits: a household has all of the others.
    V6(u64),
    /// A Unix socket, or a proxy that did not say it.
    Unknown,
}

impl From<Option<IpAddr>> for Place {
    fn from(address: Option<IpAddr>) -> Self {
        // A socket for both versions sees IPv4 as ::ffff:192.0.2.1.
        match address.map(|address| address.to_canonical()) {
            Some(IpAddr::V4(address)) => Self::V4(address),
            Some(IpAddr::V6(address)) => Self::V6((address.to_bits() >> 64) as u64),
            None => Self::Unknown,
        }
    }
}

/// A name, hashed with a key of this process: names may be long.
type Name = u64;

/// What guesses are counted by.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Key {
    Name(Name),
    Place(Place),
    /// A user at an address where they were right before.
    Home(Name, Place),
}

impl Key {
    fn free(self) -> u32 {
        match self {
            Self::Name(_) | Self::Home(..) => FREE_OF_NAME,
            Self::Place(_) => FREE_OF_PLACE,
        }
    }
}

/// The guesses of one name or address.
#[derive(Clone, Copy, Debug)]
struct Slot {
    failures: u32,
    /// When the last of them was.
    last: Instant,
    /// Guesses that are let through and not decided.
    open: u32,
    /// Guesses that are there at all.
    waiting: u32,
}

impl Slot {
    fn failures(&self, now: Instant) -> u32 {
        if now.duration_since(self.last) < FORGOTTEN { self.failures } else { 0 }
    }

    /// When the next guess may be.
    fn next(&self, free: u32, now: Instant) -> Instant {
        match self.failures(now).checked_sub(free) {
            None => now,
            Some(beyond) => {
                let factor = 1_u32.checked_shl(beyond).unwrap_or(u32::MAX);
                self.last + FIRST_DELAY.saturating_mul(factor).min(LONGEST_DELAY)
            }
        }
    }

    fn is_needed(&self, now: Instant) -> bool {
        self.open > 0 || self.waiting > 0 || self.failures(now) > 0
    }
}

/// What becomes of a guess for the moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Admission {
    /// Let through.
    Now,
    /// Not before.
    At(Instant),
    /// Others are not decided.
    AfterOthers,
}

struct State {
    slots: HashMap<Key, Slot>,
    most: usize,
    swept: Instant,
    homes: HashMap<Name, Vec<(Place, Instant)>>,
    /// Guesses that are there, by their line.
    lines: [usize; 3],
}

impl State {
    fn new(most: usize, now: Instant) -> Self {
        Self { slots: HashMap::new(), most, swept: now, homes: HashMap::new(), lines: [0; 3] }
    }

    fn slot(&mut self, key: Key, now: Instant) -> &mut Slot {
        if self.slots.len() >= self.most && !self.slots.contains_key(&key) {
            self.make_room(now);
        }
        self.slots.entry(key).or_insert(Slot { failures: 0, last: now, open: 0, waiting: 0 })
    }

    fn make_room(&mut self, now: Instant) {
        if now.duration_since(self.swept) >= SWEEP {
            self.swept = now;
            self.slots.retain(|_, slot| slot.is_needed(now));
        }
        if self.slots.len() >= self.most {
            // The fewest failures, and of those the oldest. What is still open is bounded elsewhere.
            let idle = self.slots.iter().filter(|(_, slot)| slot.open == 0 && slot.waiting == 0);
            let least = idle.min_by_key(|(_, slot)| (slot.failures(now), slot.last)).map(|(key, _)| *key);
            least.map(|key| self.slots.remove(&key));
        }
    }

    fn admit(&mut self, keys: &[Key], now: Instant) -> Admission {
        let mut admission = Admission::Now;
        for key in keys {
            let Some(slot) = self.slots.get(key) else { continue };
            let next = slot.next(key.free(), now);
            let room = key.free().saturating_sub(slot.failures(now)).max(1);
            admission = match admission {
                Admission::At(other) => Admission::At(other.max(next)),
                _ if next > now => Admission::At(next),
                _ if slot.open >= room => Admission::AfterOthers,
                admission => admission,
            };
        }
        if admission == Admission::Now {
            for key in keys {
                self.slot(*key, now).open += 1;
            }
        }
        admission
    }

    /// Ends a guess that was let through.
    fn settle(&mut self, keys: &[Key], wrong: bool, now: Instant) {
        for key in keys {
            let slot = self.slot(*key, now);
            slot.open = slot.open.saturating_sub(1);
            if wrong {
                slot.failures = slot.failures(now).saturating_add(1);
                slot.last = now;
            }
            self.drop_if_idle(*key, now);
        }
    }

    fn drop_if_idle(&mut self, key: Key, now: Instant) {
        if self.slots.get(&key).is_some_and(|slot| !slot.is_needed(now)) {
            self.slots.remove(&key);
        }
    }

    fn is_home(&self, name: Name, place: Place, now: Instant) -> bool {
        let homes = self.homes.get(&name).map_or(&[][..], Vec::as_slice);
        homes.iter().any(|(home, since)| *home == place && now.duration_since(*since) < HOME)
    }

    /// Only users have homes, and each a few, so there are not many.
    fn add_home(&mut self, name: Name, place: Place, now: Instant) {
        let homes = self.homes.entry(name).or_default();
        homes.retain(|(home, since)| *home != place && now.duration_since(*since) < HOME);
        if homes.len() >= MOST_HOMES {
            homes.remove(0);
        }
        homes.push((place, now));
    }
}

/// Why a guess is not even looked at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Held {
    /// There were too many wrong ones; the next may be then.
    LockedOut(Duration),
    /// Too many others wait.
    Busy,
}

/// What holds guesses back.
pub(crate) struct Guessing {
    pub(crate) failures: Arc<AuthFailures>,
    names: RandomState,
    state: Mutex<State>,
    /// A guess was decided.
    decided: Notify,
    /// Of those who were not right before, as many are in the queue for a hash as can be hashed: so nobody who was
    /// right before waits for more than one.
    strangers: Arc<Semaphore>,
    hashes: Arc<Semaphore>,
}

impl Guessing {
    pub(crate) fn new(failures: Arc<AuthFailures>) -> Self {
        Self::with_hashes(failures, hashes_at_a_time())
    }

    fn with_hashes(failures: Arc<AuthFailures>, hashes: usize) -> Self {
        Self {
            failures,
            names: RandomState::new(),
            state: Mutex::new(State::new(MOST_SLOTS, Instant::now())),
            decided: Notify::new(),
            strangers: Arc::new(Semaphore::new(hashes)),
            hashes: Arc::new(Semaphore::new(hashes)),
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits until a guess may be hashed. `name` is what is guessed at, without a domain; `right_before`: exactly this name
    /// and password were.
    pub(crate) async fn turn(self: &Arc<Self>, name: &str, place: Place, right_before: bool) -> Result<Turn, Held> {
        let mut turn = self.begin(name, place, right_before).ok_or(Held::Busy)?;
        turn.admitted().await?;
        let closed = |_| Held::Busy;
        if turn.line == Line::Strangers {
            turn.permits[0] = Some(Arc::clone(&self.strangers).acquire_owned().await.map_err(closed)?);
        }
        turn.permits[1] = Some(Arc::clone(&self.hashes).acquire_owned().await.map_err(closed)?);
        self.failures.hashed();
        Ok(turn)
    }

    fn begin(self: &Arc<Self>, name: &str, place: Place, right_before: bool) -> Option<Turn> {
        let name = self.names.hash_one(name);
        let now = Instant::now();
        let mut state = self.state();
        let (line, keys) = match (right_before, state.is_home(name, place, now)) {
            (true, _) => (Line::RightBefore, vec![]),
            (false, true) => (Line::Home, vec![Key::Home(name, place)]),
            (false, false) => (Line::Strangers, vec![Key::Place(place), Key::Name(name)]),
        };
        if state.lines[line as usize] >= MOST_IN_LINE {
            return None;
        }
        if let Some(from) = keys.first() {
            let slot = state.slot(*from, now);
            if slot.waiting >= MOST_OF_PLACE {
                return None;
            }
            slot.waiting += 1;
        }
        state.lines[line as usize] += 1;
        drop(state);
        let guessing = Arc::clone(self);
        Some(Turn { guessing, name, place, line, keys, admitted: false, wrong: false, permits: [None, None] })
    }
}

impl fmt::Debug for Guessing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Guessing").field("failures", &self.failures).finish_non_exhaustive()
    }
}

/// Those who wait for a hash, in the order in which they are let in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Line {
    RightBefore,
    Home,
    Strangers,
}

/// A guess from its arrival until it is decided. Dropped, it counts as not wrong.
pub(crate) struct Turn {
    guessing: Arc<Guessing>,
    name: Name,
    place: Place,
    line: Line,
    /// What it is counted by; the first is where it comes from.
    keys: Vec<Key>,
    admitted: bool,
    wrong: bool,
    permits: [Option<OwnedSemaphorePermit>; 2],
}

impl Turn {
    async fn admitted(&mut self) -> Result<(), Held> {
        loop {
            let mut decided = pin!(self.guessing.decided.notified());
            // Before the look, so that what is decided right after it is not missed.
            decided.as_mut().enable();
            let now = Instant::now();
            let admission = self.guessing.state().admit(&self.keys, now);
            match admission {
                Admission::Now => break,
                Admission::At(next) if next > now + HELD => return Err(Held::LockedOut(next - now)),
                Admission::At(next) => tokio::select! {
                    () = decided => {}
                    () = sleep_until(next) => {}
                },
                Admission::AfterOthers => decided.await,
            }
        }
        self.admitted = true;
        Ok(())
    }

    /// It was wrong.
    pub(crate) fn wrong(mut self) {
        self.wrong = true;
    }

    /// It was right.
    pub(crate) fn right(self) {
        self.guessing.state().add_home(self.name, self.place, Instant::now());
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        let now = Instant::now();
        let mut state = self.guessing.state();
        if self.admitted {
            state.settle(&self.keys, self.wrong, now);
        }
        state.lines[self.line as usize] -= 1;
        if let Some(from) = self.keys.first() {
            let slot = state.slot(*from, now);
            slot.waiting = slot.waiting.saturating_sub(1);
            state.drop_if_idle(*from, now);
        }
        drop(state);
        self.guessing.decided.notify_waiters();
    }
}

#[cfg(test)]
mod tests;
