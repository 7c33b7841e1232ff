//! Keys that are settled by hand, on a clock that is moved by hand.

use super::*;

fn ends_in(id: &str, left: Duration) -> Credentials {
    Credentials::new(id, "very-secret", Some("token".into()), Some(SystemTime::now() + left), "test")
}

/// Keys of a source that is never asked here: what comes is settled by hand.
fn keys() -> Keys {
    Keys::new(Source::Chain(Chain::new("us-east-1", None)))
}

fn good(keys: &Keys, life: Duration) -> Option<String> {
    match keys.known(life) {
        Known::Good(signer) => Some(signer.credentials.access_key_id().to_owned()),
        Known::Due | Known::Nothing(_) => None,
    }
}

const HOURS_2: Duration = Duration::from_secs(7200);
const MINUTE: Duration = Duration::from_secs(60);

#[tokio::test]
async fn fixed_keys_are_there_at_once_and_never_shown() {
    let keys = Keys::fixed("id", "very-secret", None);
    assert!(keys.signer().await.unwrap().expiry().is_none());
    assert!(!keys.refused("id"), "fixed keys cannot be asked for again");
    assert!(keys.signer().await.is_ok());
    let shown = format!("{keys:?} {:?}", keys.signer().await.unwrap());
    assert!(!shown.contains("very-secret"), "{shown}");
}

#[test]
fn keys_are_used_for_118_minutes_at_most_and_not_to_their_last_minute() {
    let minutes = |minutes: u32| use_of(MINUTE * minutes).as_secs_f64() / 60.0;
    assert_eq!(minutes(24 * 60), 118.0);
    assert_eq!(minutes(120), 115.0);
    assert_eq!(minutes(60), 55.0);
    assert_eq!(minutes(10), 5.0);
    assert_eq!(minutes(4), 2.0, "keys that live short are not asked for at each call");
}

#[test]
fn keys_are_renewed_by_a_clock_that_cannot_be_set() {
    let keys = keys();
    keys.settle(Ok(ends_in("a", HOURS_2 * 12))).unwrap();
    keys.clock.advance(MINUTE * 117);
    assert_eq!(good(&keys, Duration::ZERO).as_deref(), Some("a"));
    keys.clock.advance(MINUTE);
    assert_eq!(good(&keys, Duration::ZERO), None);
}

#[test]
fn a_link_gets_new_keys_only_when_they_end_soon_and_may_be_better() {
    let keys = keys();
    keys.settle(Ok(ends_in("a", MINUTE * 40))).unwrap();
    keys.clock.advance(MINUTE * 2);
    assert!(good(&keys, HOURS_2).is_some(), "30 minutes are left, and more");
    keys.settle(Ok(ends_in("b", MINUTE * 20))).unwrap();
    assert!(good(&keys, HOURS_2).is_some(), "new ones would be no better");
    keys.clock.advance(MINUTE * 2);
    assert!(good(&keys, HOURS_2).is_none());
    assert!(good(&keys, MINUTE * 10).is_some(), "they last for this one");
    assert!(good(&keys, Duration::ZERO).is_some());
}

#[test]
fn after_a_failure_the_next_renewal_waits_longer_each_time() {
    let (keys, why) = (keys(), NoKeys::Unavailable("down".into()));
    let mut waits = Vec::new();
    for _ in 0..9 {
        assert_eq!(keys.settle(Err(why.clone())).unwrap_err(), why);
        let failed = keys.clock.now();
        while let Known::Nothing(said) = keys.known(Duration::ZERO) {
            assert_eq!(said, why);
            keys.clock.advance(Duration::from_millis(500));
        }
        waits.push(keys.clock.now().duration_since(failed).as_millis());
    }
    assert_eq!(waits, [500, 1000, 2000, 4000, 8000, 16_000, 30_000, 30_000, 30_000]);
}

#[test]
fn keys_that_still_work_bridge_a_failed_renewal_and_dead_ones_do_not() {
    let keys = keys();
    keys.settle(Ok(ends_in("a", HOURS_2))).unwrap();
    let kept = keys.settle(Err(NoKeys::Unavailable("down".into()))).unwrap();
    assert_eq!(kept.credentials.access_key_id(), "a");
    // Its end as the storage counts it.
    keys.state.write().unwrap().kept.as_mut().unwrap().signer =
        Signer::new(Credentials::new("a", "x", None, Some(SystemTime::now() - MINUTE), "test"));
    assert!(matches!(keys.known(Duration::ZERO), Known::Nothing(_)));
    assert!(keys.settle(Err(NoKeys::Unavailable("down".into()))).is_err());
}

#[test]
fn refused_keys_are_given_up_once_and_young_ones_are_not() {
    let keys = keys();
    keys.settle(Ok(ends_in("a", HOURS_2))).unwrap();
    assert!(!keys.refused("a"), "new ones would be no better");
    keys.clock.advance(MINUTE);
    assert!(keys.refused("a"));
    assert_eq!(good(&keys, Duration::ZERO), None);
    keys.settle(Ok(ends_in("b", HOURS_2))).unwrap();
    assert!(keys.refused("a"), "a late answer to the old keys: there are others");
    assert_eq!(good(&keys, Duration::ZERO).as_deref(), Some("b"), "and these stay");
}

#[tokio::test]
async fn keys_that_come_dead_name_the_clock() {
    let past = Credentials::new("a", "x", None, Some(SystemTime::now() - MINUTE), "test");
    assert!(keys().settle(Ok(past)).unwrap_err().to_string().contains("clock"));
}
