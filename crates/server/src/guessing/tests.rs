use std::net::Ipv6Addr;

use futures_util::FutureExt;
use tokio::time::advance;

use super::*;

const SECOND: Duration = Duration::from_secs(1);

fn at(last: u8) -> Place {
    Place::from(Some(IpAddr::from([192, 0, 2, last])))
}

fn guessing() -> Arc<Guessing> {
    Arc::new(Guessing::with_hashes(Arc::default(), 1))
}

impl Guessing {
    /// A guess that is wrong, if it is let through.
    async fn wrong(self: &Arc<Self>, name: &str, place: Place) -> Result<(), Held> {
        self.turn(name, place, false).await.map(Turn::wrong)
    }

    /// Wrong guesses until the next one is held back.
    async fn lock(self: &Arc<Self>, name: &str, place: Place) {
        for _ in 0..FREE_OF_PLACE + 10 {
            if self.wrong(name, place).await.is_err() {
                return;
            }
        }
        panic!("nothing holds {name} back");
    }

    fn is_idle(&self) -> bool {
        let state = self.state();
        state.lines == [0; 3] && state.slots.values().all(|slot| slot.open == 0 && slot.waiting == 0)
    }
}

#[tokio::test]
async fn each_delay_is_twice_the_one_before_up_to_a_minute() {
    for (key, free) in
        [(Key::Name(1), FREE_OF_NAME), (Key::Home(1, at(1)), FREE_OF_NAME), (Key::Place(at(1)), FREE_OF_PLACE)]
    {
        let mut now = Instant::now();
        let mut state = State::new(10, now);
        let mut delays = Vec::new();
        for _ in 0..free + 9 {
            let delay = match state.admit(&[key], now) {
                Admission::At(next) => next - now,
                _ => Duration::ZERO,
            };
            delays.push(delay.as_secs());
            now += delay;
            if !delay.is_zero() {
                assert_eq!(state.admit(&[key], now), Admission::Now);
            }
            state.settle(&[key], true, now);
        }
        let (without, with) = delays.split_at(free as usize);
        assert!(without.iter().all(|delay| *delay == 0), "{delays:?}");
        assert_eq!(with, [1, 2, 4, 8, 16, 32, 60, 60, 60]);
    }
}

#[tokio::test]
async fn a_quarter_of_an_hour_without_a_wrong_guess_forgets_all() {
    let mut now = Instant::now();
    let (mut state, key) = (State::new(10, now), Key::Name(1));
    for _ in 0..20 {
        state.slot(key, now).open = 1;
        state.settle(&[key], true, now);
    }
    now += FORGOTTEN - SECOND;
    // A minute has long passed, but the next wrong one is followed by a minute again.
    assert_eq!(state.admit(&[key], now), Admission::Now);
    state.settle(&[key], true, now);
    assert_eq!(state.admit(&[key], now), Admission::At(now + LONGEST_DELAY));
    now += FORGOTTEN;
    assert_eq!(state.admit(&[key], now), Admission::Now);
    state.settle(&[key], false, now);
    assert!(state.slots.is_empty());
}

#[tokio::test(start_paused = true)]
async fn short_delays_are_waited_for_and_longer_ones_are_told_and_do_not_grow_by_asking() {
    let guessing = guessing();
    let begin = Instant::now();
    guessing.lock("alice", at(1)).await;
    // Five at once, one after a second, one after two more; then four seconds are too long to wait.
    assert_eq!(begin.elapsed(), 3 * SECOND);
    assert_eq!(guessing.failures.hashes(), 7);
    for waited in 0..2 {
        for _ in 0..100 {
            assert_eq!(guessing.wrong("alice", at(1)).await, Err(Held::LockedOut((4 - waited) * SECOND)));
        }
        advance(SECOND).await;
    }
    assert_eq!(guessing.failures.hashes(), 7);
    guessing.wrong("alice", at(1)).await.unwrap();
    assert_eq!(begin.elapsed(), 7 * SECOND);
    assert!(guessing.is_idle());
}

#[tokio::test(start_paused = true)]
async fn a_thousand_guesses_at_once_are_no_more_than_one_after_the_other() {
    let guessing = guessing();
    let all = (0..60).map(|_| {
        let guessing = Arc::clone(&guessing);
        tokio::spawn(async move {
            let turn = guessing.turn("alice", at(1), false).await?;
            // While it is hashed the others come.
            tokio::task::yield_now().await;
            turn.wrong();
            Ok::<_, Held>(())
        })
    });
    let mut through = 0;
    for guess in all.collect::<Vec<_>>() {
        through += u32::from(guess.await.unwrap().is_ok());
    }
    assert_eq!(through, 7);
    assert!(guessing.is_idle());
}

#[test]
fn an_address_is_a_household() {
    let place = |text: &str| Place::from(Some(text.parse().unwrap()));
    assert_eq!(place("2001:db8:1:2::1"), place("2001:db8:1:2:ffff:ffff:ffff:ffff"));
    assert_ne!(place("2001:db8:1:2::1"), place("2001:db8:1:3::1"));
    assert_eq!(place("::ffff:192.0.2.1"), place("192.0.2.1"));
    assert_ne!(place("192.0.2.1"), place("192.0.2.2"));
    assert_eq!(Place::from(None), Place::Unknown);
    assert_eq!(Place::from(Some(Ipv6Addr::UNSPECIFIED.into())), Place::V6(0));
}

#[tokio::test(start_paused = true)]
async fn one_address_is_counted_over_all_names_and_one_name_over_all_addresses() {
    let over_names = guessing();
    for n in 0..FREE_OF_PLACE + 2 {
        over_names.wrong(&format!("user{n}"), at(1)).await.unwrap();
    }
    assert!(matches!(over_names.wrong("another", at(1)).await, Err(Held::LockedOut(_))));
    over_names.wrong("another", at(2)).await.unwrap();

    let over_addresses = guessing();
    for n in 0..FREE_OF_NAME + 2 {
        over_addresses.wrong("alice", at(n as u8)).await.unwrap();
    }
    assert!(matches!(over_addresses.wrong("alice", at(99)).await, Err(Held::LockedOut(_))));
    over_addresses.wrong("bob", at(99)).await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn where_a_user_was_right_before_the_guesses_of_others_do_not_delay_them() {
    let guessing = guessing();
    guessing.turn("alice", at(1), false).await.unwrap().right();
    guessing.lock("bob", at(1)).await;
    guessing.lock("carol", at(1)).await;
    for n in 2..10 {
        guessing.lock("alice", at(n)).await;
    }
    // Another password of hers, such as after a reload that forgot what was right.
    let begin = Instant::now();
    guessing.turn("alice", at(1), false).await.unwrap().right();
    assert_eq!(begin.elapsed(), Duration::ZERO);
    // Whoever guesses at her from there has a count of their own, which does not touch the others there.
    guessing.lock("alice", at(1)).await;
    assert!(matches!(guessing.wrong("alice", at(1)).await, Err(Held::LockedOut(_))));
    // And what was right before passes all the same.
    guessing.turn("alice", at(1), true).await.unwrap().right();
    assert_eq!(begin.elapsed(), 3 * SECOND);
}

#[tokio::test(start_paused = true)]
async fn a_right_password_enters_at_an_address_that_is_held_back_in_its_turn() {
    let guessing = guessing();
    for name in ["a", "b", "c", "d"] {
        guessing.lock(name, at(1)).await;
    }
    let Err(Held::LockedOut(wait)) = guessing.wrong("mallory", at(1)).await else { panic!("it is held back") };
    // Told when to come back, the newcomer comes back then.
    advance(wait).await;
    let begin = Instant::now();
    guessing.turn("carol", at(1), false).await.unwrap().right();
    assert_eq!(begin.elapsed(), Duration::ZERO);
    // From now on nothing there holds carol back, and it took no failure from the others.
    guessing.wrong("mallory", at(1)).await.unwrap();
    assert!(matches!(guessing.wrong("mallory", at(1)).await, Err(Held::LockedOut(_))));
    guessing.turn("carol", at(1), false).await.unwrap().right();
    assert_eq!(begin.elapsed(), Duration::ZERO);
}

#[tokio::test(start_paused = true)]
async fn an_office_that_comes_back_at_once_is_let_in() {
    let guessing = guessing();
    let all = (0..MOST_OF_PLACE).map(|n| {
        let guessing = Arc::clone(&guessing);
        tokio::spawn(async move { guessing.turn(&format!("user{n}"), at(1), false).await.map(Turn::right) })
    });
    for login in all.collect::<Vec<_>>() {
        assert_eq!(login.await.unwrap(), Ok(()));
    }
    assert!(guessing.is_idle() && guessing.state().slots.is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_delay_holds_no_core() {
    let guessing = guessing();
    for _ in 0..FREE_OF_NAME {
        guessing.wrong("alice", at(1)).await.unwrap();
    }
    let mut delayed = Box::pin(guessing.turn("alice", at(1), false));
    assert!((&mut delayed).now_or_never().is_none());
    assert!(guessing.turn("bob", at(2), false).now_or_never().unwrap().is_ok());
    assert!(delayed.await.is_ok());
}

#[tokio::test]
async fn who_was_right_before_waits_for_one_hash_at_most() {
    let guessing = guessing();
    let hashing = guessing.turn("mallory", at(0), false).await.unwrap();
    let mut flood = Vec::new();
    for n in 1..=200 {
        let mut guess = Box::pin({
            let guessing = Arc::clone(&guessing);
            async move { guessing.turn(&format!("user{n}"), at(n), false).await }
        });
        assert!((&mut guess).now_or_never().is_none());
        flood.push(guess);
    }
    let mut again = Box::pin(guessing.turn("alice", at(201), true));
    assert!((&mut again).now_or_never().is_none());
    hashing.wrong();
    assert!(again.now_or_never().is_some_and(|turn| turn.is_ok()), "the next hash is theirs");
    drop(flood);
    assert!(guessing.is_idle());
}

#[tokio::test]
async fn how_many_wait_is_bounded_in_all_and_from_one_address() {
    let guessing = guessing();
    let mut waiting = Vec::new();
    let mut come = |n: u32, place| {
        let guessing = Arc::clone(&guessing);
        let mut guess = Box::pin(async move { guessing.turn(&format!("user{n}"), place, false).await });
        match (&mut guess).now_or_never() {
            Some(Ok(turn)) => waiting.push(async { Ok(turn) }.boxed()),
            Some(Err(held)) => return Err(held),
            None => waiting.push(guess.boxed()),
        }
        Ok(())
    };
    for n in 0..MOST_OF_PLACE {
        come(n, at(1)).unwrap();
    }
    assert_eq!(come(1000, at(1)), Err(Held::Busy));
    for n in MOST_OF_PLACE..MOST_IN_LINE as u32 {
        come(n, at((n / MOST_OF_PLACE) as u8 + 1)).unwrap();
    }
    assert_eq!(come(1000, at(200)), Err(Held::Busy));
    // Those who were right before have a line of their own.
    let mut again = Box::pin(guessing.turn("alice", at(1), true));
    assert!((&mut again).now_or_never().is_none());
    drop(again);
    waiting.clear();
    assert!(guessing.is_idle());
}

#[tokio::test]
async fn a_flood_from_a_million_addresses_takes_no_more_memory_and_does_not_let_one_be_forgotten() {
    let now = Instant::now();
    let mut state = State::new(100, now);
    let attacker = Key::Place(at(1));
    for _ in 0..FREE_OF_PLACE + 3 {
        state.settle(&[attacker], true, now);
    }
    for n in 0..5_000_u64 {
        let later = now + Duration::from_micros(n);
        // A name made up each time, and an address of their own.
        let keys = [Key::Place(Place::V6(n)), Key::Name(n)];
        assert_eq!(state.admit(&keys, later), Admission::Now);
        state.settle(&keys, true, later);
        assert!(state.slots.len() <= 100);
    }
    assert!(matches!(state.admit(&[attacker], now + SECOND), Admission::At(_)));
    // What is over makes room before anything that is not.
    let later = now + FORGOTTEN + SECOND;
    state.settle(&[Key::Name(1_000_000)], true, later);
    assert_eq!(state.slots.len(), 1);
}

#[test]
fn a_user_has_a_bounded_number_of_homes() {
    let now = Instant::now();
    let mut state = State::new(10, now);
    for n in 0..=MOST_HOMES as u8 {
        state.add_home(1, at(n), now);
    }
    assert_eq!(state.homes[&1].len(), MOST_HOMES);
    assert!(!state.is_home(1, at(0), now) && state.is_home(1, at(1), now) && !state.is_home(2, at(1), now));
    // One that is used again is not the oldest.
    state.add_home(1, at(1), now);
    state.add_home(1, at(100), now);
    assert!(state.is_home(1, at(1), now) && !state.is_home(1, at(2), now));
    assert!(!state.is_home(1, at(1), now + HOME));
}
