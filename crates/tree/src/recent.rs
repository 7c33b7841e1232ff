//! What was found out a moment ago is not found out again, and those who ask meanwhile wait for the one who looks.

use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use tokio::sync::OnceCell;

use crate::TreePath;

/// From so many paths on those that are over are dropped, each time when there are twice as many as were left.
const MANY: usize = 1024;

type Look<T> = (Instant, Arc<OnceCell<T>>);

/// What looks at paths found, for a while from their beginning on.
pub(crate) struct Recent<T> {
    lasts: Duration,
    looks: Mutex<Looks<T>>,
}

struct Looks<T> {
    by_path: HashMap<TreePath, Look<T>>,
    /// At so many the ones that are over are dropped.
    most: usize,
}

impl<T> fmt::Debug for Recent<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Recent").field("lasts", &self.lasts).finish_non_exhaustive()
    }
}

impl<T: Clone> Recent<T> {
    pub(crate) fn new(lasts: Duration) -> Self {
        Self { lasts, looks: Mutex::new(Looks { by_path: HashMap::new(), most: MANY }) }
    }

    /// What the last look found, or `look` finds now. Where the one who looks gives up, one of those who wait goes on.
    pub(crate) async fn get(&self, path: &TreePath, look: impl Future<Output = T>) -> T {
        let cell = self.cell(path, Instant::now());
        cell.get_or_init(|| look).await.clone()
    }

    fn cell(&self, path: &TreePath, now: Instant) -> Arc<OnceCell<T>> {
        let mut looks = self.looks.lock().unwrap_or_else(PoisonError::into_inner);
        let stands = |began: &Instant| now.saturating_duration_since(*began) < self.lasts;
        match looks.by_path.get(path) {
            Some((began, cell)) if stands(began) => Arc::clone(cell),
            _ => {
                if looks.by_path.len() >= looks.most {
                    looks.by_path.retain(|_, (began, _)| stands(began));
                    looks.most = MANY.max(2 * looks.by_path.len());
                }
                let cell = Arc::new(OnceCell::new());
                looks.by_path.insert(path.clone(), (now, Arc::clone(&cell)));
                cell
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LASTS: Duration = Duration::from_secs(2);

    fn path(text: &str) -> TreePath {
        TreePath::parse(text).unwrap()
    }

    #[tokio::test]
    async fn one_looks_for_all_who_ask_at_once_and_another_after_one_that_gave_up() {
        let (recent, a) = (Recent::new(Duration::from_secs(3600)), path("/a"));
        {
            let mut given_up = std::pin::pin!(recent.get(&a, std::future::pending()));
            assert!(futures_util::poll!(given_up.as_mut()).is_pending());
        }
        assert_eq!(futures_util::join!(recent.get(&a, async { 1 }), recent.get(&a, async { 2 })), (1, 1));
        assert_eq!(recent.get(&path("/b"), async { 3 }).await, 3);
    }

    #[test]
    fn a_look_stands_for_its_time_and_is_then_dropped() {
        let (recent, begin) = (Recent::<()>::new(LASTS), Instant::now());
        let same = |one: &Arc<_>, other: &Arc<_>| Arc::ptr_eq(one, other);
        let first = recent.cell(&path("/a"), begin);
        assert!(same(&first, &recent.cell(&path("/a"), begin + LASTS - Duration::from_millis(1))));
        assert!(!same(&first, &recent.cell(&path("/a"), begin + LASTS)));
        for n in 0..10 * MANY {
            let now = begin + LASTS * u32::try_from(n / MANY).unwrap();
            recent.cell(&path(&format!("/{n}")), now);
        }
        assert!(recent.looks.lock().unwrap().by_path.len() <= 3 * MANY);
    }
}
