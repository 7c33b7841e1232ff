//! Folders stay (promise 9): whether a removal takes the last member of a folder, also when several removals of its
//! members run at once and none of them sees the others in a listing.

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::TreePath;

/// The members of one folder that are being removed, and those that went since the oldest of these removals began.
/// A removal that began later than another one ended has seen that one's effect in the storage's own answer.
#[derive(Debug, Default)]
struct Folder {
    removals: usize,
    names: HashSet<Arc<str>>,
}

/// All removals under way, by folder.
#[derive(Clone, Debug, Default)]
pub(crate) struct Leaving(Arc<Mutex<HashMap<TreePath, Folder>>>);

/// One removal under way.
#[derive(Debug)]
pub(crate) struct Leave {
    all: Leaving,
    folder: TreePath,
}

impl Leaving {
    fn folders(&self) -> MutexGuard<'_, HashMap<TreePath, Folder>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Says that `name` is about to leave `folder`. To be said before the folder is looked at.
    pub(crate) fn begin(&self, folder: &TreePath, name: &str) -> Leave {
        let mut folders = self.folders();
        let state = folders.entry(folder.clone()).or_default();
        state.removals += 1;
        state.names.insert(Arc::from(name));
        Leave { all: self.clone(), folder: folder.clone() }
    }
}

impl Leave {
    /// Whether a member of this name stays, as far as the removals go.
    pub(crate) fn stays(&self, name: &str) -> bool {
        self.all.folders().get(&self.folder).is_none_or(|state| !state.names.contains(name))
    }
}

impl Drop for Leave {
    fn drop(&mut self) {
        let mut folders = self.all.folders();
        if let Some(state) = folders.get_mut(&self.folder) {
            state.removals -= 1;
            if state.removals == 0 {
                folders.remove(&self.folder);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_another_removal_takes_does_not_count_as_staying() {
        let leaving = Leaving::default();
        let folder = TreePath::parse("/f").unwrap();
        let first = leaving.begin(&folder, "a");
        let second = leaving.begin(&folder, "b");
        assert!(!first.stays("b") && !second.stays("a") && second.stays("c"));
        drop(first);
        assert!(!second.stays("a"), "it may have gone after the second looked");
        drop(second);
        assert!(leaving.begin(&folder, "b").stays("a"), "a later removal sees the storage as it is");
    }
}
