use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::time::UNIX_EPOCH;

use davmux_state::{Memory, Store, Table};

use super::held::{Held, MOST_BYTES, MOST_OF_USER};
use super::*;

fn path(text: &str) -> TreePath {
    TreePath::parse(text).unwrap()
}

fn at(seconds: u64) -> SystemTime {
    UNIX_EPOCH + Duration::from_secs(seconds)
}

fn lock(at: &str, token: &str, scope: LockScope, deep: bool) -> Lock {
    Lock {
        token: Arc::from(token),
        path: path(at),
        user: Some(Arc::from("alice")),
        owner: Arc::from(""),
        scope,
        deep,
        expires: self::at(100),
    }
}

fn exclusive(at: &str) -> Lock {
    lock(at, at, LockScope::Exclusive, false)
}

/// A clock that a test sets.
fn clock() -> (Clock, Arc<AtomicU64>) {
    let now = Arc::new(AtomicU64::new(0));
    let seen = Arc::clone(&now);
    (Arc::new(move || at(seen.load(Ordering::SeqCst))), now)
}

fn table() -> (LockTable, Arc<AtomicU64>) {
    let (clock, now) = clock();
    (LockTable::in_memory(clock), now)
}

async fn tokens(table: &LockTable, at: &str, reach: Reach) -> Vec<String> {
    table.related(&path(at), reach).await.unwrap().iter().map(|lock| lock.token.to_string()).collect()
}

/// A state store that counts what it is asked, and fails when told to.
#[derive(Debug, Default)]
struct Counting {
    kept: Memory,
    writes: AtomicUsize,
    fails: AtomicBool,
    changed: Mutex<Vec<usize>>,
}

#[async_trait]
impl Store for Counting {
    async fn get(&self, _: Table, _: &str) -> davmux_state::Result<Option<Vec<u8>>> {
        panic!("locks are not looked at in the state store")
    }
    async fn put(&self, _: Table, _: &str, _: &[u8]) -> davmux_state::Result<()> {
        panic!("locks change with one write")
    }
    async fn remove(&self, _: Table, _: &str) -> davmux_state::Result<()> {
        panic!("locks change with one write")
    }
    async fn list(&self, table: Table, prefix: &str) -> davmux_state::Result<Vec<(String, Vec<u8>)>> {
        self.kept.list(table, prefix).await
    }
    async fn replace(&self, _: Table, _: &str, _: Option<&[u8]>, _: Option<&[u8]>) -> davmux_state::Result<bool> {
        panic!("locks change with one write")
    }
    async fn list_up_to(
        &self,
        _: Table,
        _: &str,
        _: &str,
        _: usize,
    ) -> davmux_state::Result<(Vec<(String, Vec<u8>)>, bool)> {
        panic!("locks are not looked at in the state store")
    }
    async fn is_empty(&self, _: Table) -> davmux_state::Result<bool> {
        panic!("locks are not looked at in the state store")
    }
    async fn get_all(&self, _: Table, _: Vec<String>) -> davmux_state::Result<Vec<Option<Vec<u8>>>> {
        panic!("locks are not looked at in the state store")
    }
    async fn replace_all(&self, _: Table, _: Vec<davmux_state::Swap>) -> davmux_state::Result<usize> {
        panic!("locks change with one write")
    }
    async fn remove_all(&self, _: Table, _: Vec<String>) -> davmux_state::Result<()> {
        panic!("locks change with one write")
    }
    async fn change(&self, table: Table, changes: Vec<(String, Option<Vec<u8>>)>) -> davmux_state::Result<()> {
        // What the table did before it was written would be seen meanwhile.
        tokio::task::yield_now().await;
        if self.fails.load(Ordering::SeqCst) {
            return Err(davmux_state::Error::Unavailable { action: "write", detail: "told to".to_owned() });
        }
        self.writes.fetch_add(1, Ordering::SeqCst);
        self.changed.lock().unwrap().push(changes.len());
        self.kept.change(table, changes).await
    }
}

#[tokio::test]
async fn a_neighbour_is_not_related() {
    let (table, _) = table();
    for at in ["/", "/a", "/a/b", "/a/b/c", "/a/b.c/d/e", "/a/b0", "/a-b", "/ab", "/a!"] {
        table.add(lock(at, at, LockScope::Shared, false)).await.unwrap();
    }
    assert_eq!(tokens(&table, "/a", Reach::Itself).await, ["/", "/a"]);
    assert_eq!(tokens(&table, "/a", Reach::Members).await, ["/", "/a", "/a/b", "/a/b0"]);
    assert_eq!(tokens(&table, "/a", Reach::Below).await, ["/", "/a", "/a/b.c/d/e", "/a/b", "/a/b/c", "/a/b0"]);
    assert_eq!(tokens(&table, "/a/b/x/y", Reach::Below).await, ["/", "/a", "/a/b"]);
    assert_eq!(tokens(&table, "/ab", Reach::Below).await, ["/", "/ab"]);
    assert_eq!(tokens(&table, "/", Reach::Members).await, ["/", "/a!", "/a-b", "/a", "/ab"]);
    assert_eq!(tokens(&table, "/", Reach::Below).await.len(), 9);
}

#[tokio::test]
async fn exclusive_locks_stand_alone_and_shared_ones_together() {
    use LockScope::{Exclusive, Shared};
    for (first, second, conflict) in [
        (("/a", Exclusive, false), ("/a", Exclusive, false), true),
        (("/a", Exclusive, false), ("/a", Shared, false), true),
        (("/a", Shared, false), ("/a", Shared, false), false),
        (("/a", Shared, false), ("/a", Exclusive, false), true),
        (("/a", Exclusive, true), ("/a/b/c", Shared, false), true),
        (("/a", Exclusive, false), ("/a/b", Exclusive, false), false),
        (("/a/b", Exclusive, false), ("/a", Exclusive, true), true),
        (("/a/b", Exclusive, false), ("/a", Exclusive, false), false),
        (("/a", Exclusive, true), ("/ab", Exclusive, true), false),
    ] {
        let (table, _) = table();
        table.add(lock(first.0, "1", first.1, first.2)).await.unwrap();
        let added = table.add(lock(second.0, "2", second.1, second.2)).await;
        assert_eq!(matches!(added, Err(LockRefusal::Conflict(_))), conflict, "{first:?} {second:?}");
    }
}

#[tokio::test]
async fn a_lock_ends_when_its_time_is_over() {
    let (table, now) = table();
    table.add(exclusive("/a")).await.unwrap();
    now.store(99, Ordering::SeqCst);
    assert_eq!(tokens(&table, "/a", Reach::Itself).await, ["/a"]);
    assert!(table.refresh(&path("/a"), "/a", at(200)).await.unwrap().is_some());
    now.store(150, Ordering::SeqCst);
    assert_eq!(tokens(&table, "/a", Reach::Itself).await, ["/a"]);
    now.store(200, Ordering::SeqCst);
    assert!(tokens(&table, "/a", Reach::Itself).await.is_empty());
    assert!(table.refresh(&path("/a"), "/a", at(300)).await.unwrap().is_none());
    assert_eq!(table.remove(&[exclusive("/a")]).await.unwrap(), 0);
    table.add(exclusive("/a")).await.unwrap();
}

#[tokio::test]
async fn a_clock_that_is_set_back_gives_no_lock_a_longer_life() {
    let (table, now) = table();
    now.store(1_000_000, Ordering::SeqCst);
    table.add(Lock { expires: at(1_000_100), ..exclusive("/a") }).await.unwrap();
    now.store(1_000_040, Ordering::SeqCst);
    assert_eq!(tokens(&table, "/a", Reach::Itself).await, ["/a"]);
    now.store(500, Ordering::SeqCst);
    assert_eq!(table.related(&path("/a"), Reach::Itself).await.unwrap()[0].expires, at(560));
    now.store(559, Ordering::SeqCst);
    assert_eq!(tokens(&table, "/a", Reach::Itself).await, ["/a"]);
    now.store(560, Ordering::SeqCst);
    assert!(tokens(&table, "/a", Reach::Itself).await.is_empty());
}

#[tokio::test]
async fn a_user_holds_a_bounded_number_and_may_go_on_after_an_unlock() {
    let (table, now) = table();
    for n in 0..MOST_OF_USER {
        table.add(exclusive(&format!("/f{n}"))).await.unwrap();
    }
    // Among so many, a path is told its own alone.
    assert_eq!(tokens(&table, "/f77", Reach::Below).await, ["/f77"]);
    assert_eq!(tokens(&table, "/", Reach::Members).await.len(), MOST_OF_USER);
    assert!(matches!(table.add(exclusive("/more")).await, Err(LockRefusal::TooMany)));
    table.add(Lock { user: Some(Arc::from("bob")), ..exclusive("/bobs") }).await.unwrap();
    assert_eq!(table.remove(&[exclusive("/f0"), exclusive("/never")]).await.unwrap(), 1);
    table.add(exclusive("/more")).await.unwrap();
    now.store(100, Ordering::SeqCst);
    assert!(tokens(&table, "/", Reach::Below).await.is_empty());
    table.add(Lock { expires: at(200), ..exclusive("/f0") }).await.unwrap();
}

#[test]
fn all_users_together_hold_a_bounded_amount() {
    let mut held = Held::default();
    let owner: Arc<str> = Arc::from("x".repeat(4096));
    let mut count = 0;
    let refused = loop {
        let user = Some(Arc::from(format!("user {count}")));
        let lock = Lock { user, owner: Arc::clone(&owner), ..exclusive(&format!("/{count}")) };
        if let Err(refused) = held.may_add(&lock) {
            break refused;
        }
        held.keep(lock);
        count += 1;
        assert!(count < 1_000_000, "there is no limit");
    };
    assert!(matches!(refused, LockRefusal::Full));
    assert!(count * 4096 <= MOST_BYTES && count * 8192 > MOST_BYTES, "{count}");
    held.end(&path("/0"), "/0");
    assert!(held.may_add(&Lock { owner, ..exclusive("/0") }).is_ok());
}

#[tokio::test]
async fn each_change_is_one_write_and_a_look_is_none() {
    let store = Arc::new(Counting::default());
    let (clock, now) = clock();
    let table = LockTable::open(Arc::clone(&store) as Arc<dyn Store>, Arc::clone(&clock)).await.unwrap();
    let writes = || store.writes.load(Ordering::SeqCst);
    for at in ["/a", "/b", "/c"] {
        table.add(exclusive(at)).await.unwrap();
    }
    assert_eq!(writes(), 3);
    table.refresh(&path("/a"), "/a", at(200)).await.unwrap();
    assert_eq!(writes(), 4);
    for reach in [Reach::Itself, Reach::Members, Reach::Below] {
        tokens(&table, "/", reach).await;
    }
    assert!(table.add(exclusive("/a")).await.is_err());
    assert_eq!(table.remove(&[exclusive("/none")]).await.unwrap(), 0);
    now.store(100, Ordering::SeqCst);
    assert_eq!(tokens(&table, "/", Reach::Below).await, ["/a"], "the others have expired");
    assert_eq!(writes(), 4);
    // What has expired goes with the next change.
    assert_eq!(table.remove(&[exclusive("/a")]).await.unwrap(), 1);
    assert_eq!((writes(), store.changed.lock().unwrap().pop()), (5, Some(3)));
    assert!(davmux_state::Locks::new(store).all().await.unwrap().is_empty());
}

#[tokio::test]
async fn locks_outlive_a_restart_and_those_that_ended_meanwhile_are_swept() {
    let store: Arc<dyn Store> = Arc::new(Memory::new());
    let (clock, now) = clock();
    let table = LockTable::open(Arc::clone(&store), Arc::clone(&clock)).await.unwrap();
    let kept = Lock { user: None, owner: Arc::from("<D:owner/>"), ..lock("/a", "1", LockScope::Shared, true) };
    table.add(kept).await.unwrap();
    table.add(Lock { expires: at(10), ..exclusive("/b") }).await.unwrap();
    table.add(Lock { expires: at(1_000_000), ..exclusive("/c") }).await.unwrap();
    now.store(50, Ordering::SeqCst);
    let table = LockTable::open(Arc::clone(&store), Arc::clone(&clock)).await.unwrap();
    let found = table.related(&path("/"), Reach::Below).await.unwrap();
    let [a, c] = found.as_slice() else { panic!("{found:?}") };
    assert_eq!((&*a.token, &a.user, &*a.owner, a.scope, a.deep), ("1", &None, "<D:owner/>", LockScope::Shared, true));
    assert_eq!(a.expires, at(100));
    assert_eq!(c.expires, at(50) + LONGEST_LIFE, "kept while the clock was far ahead");
    assert_eq!(davmux_state::Locks::new(store).all().await.unwrap().len(), 2);
}

#[tokio::test]
async fn a_state_store_that_fails_changes_nothing() {
    let store = Arc::new(Counting::default());
    let (clock, _) = clock();
    let table = LockTable::open(Arc::clone(&store) as Arc<dyn Store>, clock).await.unwrap();
    table.add(exclusive("/a")).await.unwrap();
    store.fails.store(true, Ordering::SeqCst);
    assert!(matches!(table.add(exclusive("/b")).await, Err(LockRefusal::Failed)));
    assert!(matches!(table.remove(&[exclusive("/a")]).await, Err(LockRefusal::Failed)));
    assert!(matches!(table.refresh(&path("/a"), "/a", at(200)).await, Err(LockRefusal::Failed)));
    store.fails.store(false, Ordering::SeqCst);
    let found = table.related(&path("/"), Reach::Below).await.unwrap();
    assert_eq!((found.len(), found[0].expires), (1, at(100)));
    table.add(exclusive("/b")).await.unwrap();
}

#[tokio::test]
async fn of_many_that_ask_at_once_one_gets_an_exclusive_lock() {
    let store = Arc::new(Counting::default());
    let table = LockTable::open(store as Arc<dyn Store>, clock().0).await.unwrap();
    let asked = (0..16).map(|n| {
        let table = table.clone();
        let lock = lock(if n % 2 == 0 { "/a" } else { "/a/b" }, &n.to_string(), LockScope::Exclusive, true);
        tokio::spawn(async move { table.add(lock).await.is_ok() })
    });
    let given = futures_util::future::join_all(asked).await;
    assert_eq!(given.into_iter().filter(|given| *given.as_ref().unwrap()).count(), 1);
}

#[tokio::test]
async fn a_change_whose_caller_goes_away_is_done_in_whole() {
    let store = Arc::new(Counting::default());
    let table = LockTable::open(Arc::clone(&store) as Arc<dyn Store>, clock().0).await.unwrap();
    {
        let mut adding = std::pin::pin!(table.add(exclusive("/a")));
        assert!(futures_util::poll!(adding.as_mut()).is_pending());
    }
    // The next change waits for it.
    assert!(matches!(table.add(exclusive("/a")).await, Err(LockRefusal::Conflict(_))));
    assert_eq!(store.writes.load(Ordering::SeqCst), 1);
}
