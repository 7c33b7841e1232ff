//! Shortcuts: done as the contract says, or declined without a change.

use std::time::{Duration, SystemTime};

use davmux_driver::{Driver, Entry, ErrorKind, Etag, Native, When};

use super::{Fixture, fails, not_here, same};
use crate::shorthand::*;

fn wrong() -> When {
    When::Matches(Etag::new("a-tag-of-nothing").unwrap())
}

/// Copies or renames a file, and gives `None` where that is declined, after a look that nothing changed.
async fn shortcut(driver: &dyn Driver, copy: bool, from: &Entry, to: &str, when: When) -> Option<Entry> {
    let before = walk(driver, "").await.unwrap();
    let to = path(to);
    let done = if copy { driver.copy(from, &to, &when).await } else { driver.rename(from, &to, &when).await };
    match done.unwrap() {
        Native::Done(entry) => {
            assert_eq!((&entry.path, entry.kind, entry.size), (&to, from.kind, from.size));
            if !entry.is_dir() {
                same(&entry, &stat(driver, to.as_str()).await.unwrap());
            }
            Some(entry)
        }
        Native::Declined => {
            assert_eq!(walk(driver, "").await.unwrap(), before, "a declined shortcut changed something");
            not_here("declined");
            None
        }
    }
}

/// Asserts that a shortcut fails (or is declined) and changes nothing.
async fn refused(driver: &dyn Driver, copy: bool, from: &Entry, to: &str, when: When, kinds: &[ErrorKind]) {
    let before = walk(driver, "").await.unwrap();
    let to = path(to);
    let done = if copy { driver.copy(from, &to, &when).await } else { driver.rename(from, &to, &when).await };
    match done {
        Ok(Native::Declined) => not_here("declined"),
        other => drop(fails(other, kinds)),
    }
    assert_eq!(walk(driver, "").await.unwrap(), before, "a refused shortcut changed something");
}

/// A copy stands beside its source.
pub async fn a_copied_file_is_there_twice(fixture: &Fixture) {
    let driver = fixture.driver();
    put(driver, "dir/other", "x").await;
    for (size, to) in [(100_000, "dir/copy"), (0, "empty copy + % #")] {
        let data = pattern(size, 6);
        let from = put(driver, "a file + % #", data.clone()).await;
        if shortcut(driver, true, &from, to, When::Always).await.is_none() {
            return;
        }
        assert!(get(driver, to).await == data, "other bytes");
        same(&stat(driver, "a file + % #").await.unwrap(), &from);
    }
}

/// A copy replaces a file whole.
pub async fn a_copy_replaces_a_file(fixture: &Fixture) {
    let driver = fixture.driver();
    let from = put(driver, "from", "new").await;
    put(driver, "to", pattern(5_000, 1)).await;
    if shortcut(driver, true, &from, "to", When::Always).await.is_some() {
        assert_eq!(get(driver, "to").await, "new");
    }
}

/// `Absent` and `Matches` hold for copies.
pub async fn a_copy_heeds_its_condition(fixture: &Fixture) {
    let driver = fixture.driver();
    let from = put(driver, "from", "new").await;
    let to = put(driver, "to", "old").await;
    refused(driver, true, &from, "to", When::Absent, &[ErrorKind::AlreadyExists]).await;
    refused(driver, true, &from, "to", wrong(), &[ErrorKind::Precondition]).await;
    refused(driver, true, &from, "nothing", wrong(), &[ErrorKind::Precondition]).await;
    if let Some(etag) = to.etag {
        shortcut(driver, true, &from, "to", When::Matches(etag)).await;
    }
    shortcut(driver, true, &from, "fresh", When::Absent).await;
}

/// A copy of a version that is gone fails, as does a copy of nothing.
pub async fn a_copy_takes_only_the_version_asked(fixture: &Fixture) {
    let driver = fixture.driver();
    let from = put(driver, "from", "old").await;
    put(driver, "from", "newer").await;
    if from.etag.is_some() {
        refused(driver, true, &from, "to", When::Always, &[ErrorKind::Precondition]).await;
    }
    let missing = Entry::file(path("missing"), 1);
    refused(driver, true, &missing, "to", When::Always, &[ErrorKind::NotFound]).await;
}

/// A renamed file is at its new place only.
pub async fn a_renamed_file_moves(fixture: &Fixture) {
    let driver = fixture.driver();
    put(driver, "dir/other", "x").await;
    let from = put(driver, "from", "data").await;
    if shortcut(driver, false, &from, "dir/to", When::Absent).await.is_some() {
        assert_eq!(walk(driver, "").await.unwrap().paths(), ["dir", "dir/other", "dir/to"]);
        assert_eq!(get(driver, "dir/to").await, "data");
    }
}

/// A folder takes along what is in it, and not its neighbour.
pub async fn a_renamed_folder_moves_with_its_members(fixture: &Fixture) {
    let driver = fixture.driver();
    for at in ["a/one", "a/b/two", "ab/three"] {
        put(driver, at, at.to_owned()).await;
    }
    let from = stat(driver, "a").await.unwrap();
    if shortcut(driver, false, &from, "c", When::Absent).await.is_some() {
        assert_eq!(walk(driver, "").await.unwrap().paths(), ["ab", "ab/three", "c", "c/b", "c/b/two", "c/one"]);
        assert_eq!(get(driver, "c/b/two").await, "a/b/two");
    }
}

/// With `Always` a file or a folder, empty or not, gives way to a file or a folder.
pub async fn a_rename_replaces_whatever_is_there(fixture: &Fixture) {
    let driver = fixture.driver();
    let real = driver.capabilities().real_dirs;
    for (round, (from, to)) in [
        ("file", "file"),
        ("file", "empty"),
        ("file", "full"),
        ("full", "file"),
        ("full", "empty"),
        ("full", "full"),
        ("empty", "full"),
    ]
    .into_iter()
    .enumerate()
    {
        if !real && (from == "empty" || to == "empty") {
            continue;
        }
        let top = format!("round{round}");
        let [source, target] = ["source", "target"].map(|name| format!("{top}/{name}"));
        for (what, at) in [(from, &source), (to, &target)] {
            match what {
                "file" => drop(put(driver, at, at.clone()).await),
                "full" => {
                    put(driver, &format!("{at}/{what} of {}", path(at).name()), at.clone()).await;
                    put(driver, &format!("{at}/inner/deep"), at.clone()).await;
                }
                _ => {
                    make_parents(driver, &path(at)).await;
                    driver.create_dir(&path(at)).await.unwrap();
                }
            }
        }
        let before = walk(driver, &source).await.ok();
        let entry = stat(driver, &source).await.unwrap();
        if shortcut(driver, false, &entry, &target, When::Always).await.is_none() {
            continue;
        }
        assert_eq!(list(driver, &top).await.unwrap().paths(), [target.as_str()], "{from} over {to}");
        match before {
            None => assert_eq!(get(driver, &target).await, source.clone(), "{from} over {to}"),
            Some(before) => {
                let after = walk(driver, &target).await.unwrap();
                let moved: Vec<_> = before.paths().iter().map(|at| at.replacen("source", "target", 1)).collect();
                assert_eq!(after.paths(), moved, "{from} over {to}");
            }
        }
    }
}

/// `Absent` and `Matches` hold for renames, over files and folders.
pub async fn a_rename_heeds_its_condition(fixture: &Fixture) {
    let driver = fixture.driver();
    let from = put(driver, "from", "new").await;
    put(driver, "dir/member", "x").await;
    let dir = stat(driver, "dir").await.unwrap();
    let to = put(driver, "to", "old").await;
    refused(driver, false, &from, "to", When::Absent, &[ErrorKind::AlreadyExists]).await;
    refused(driver, false, &from, "dir", When::Absent, &[ErrorKind::AlreadyExists]).await;
    refused(driver, false, &dir, "to", When::Absent, &[ErrorKind::AlreadyExists]).await;
    refused(driver, false, &from, "to", wrong(), &[ErrorKind::Precondition]).await;
    refused(driver, false, &from, "nothing", wrong(), &[ErrorKind::Precondition]).await;
    if let Some(etag) = to.etag {
        shortcut(driver, false, &from, "to", When::Matches(etag)).await;
    }
}

/// A source that is gone, or another version, is not moved.
pub async fn a_changed_source_is_not_renamed(fixture: &Fixture) {
    let driver = fixture.driver();
    let from = put(driver, "from", "old").await;
    put(driver, "from", "newer").await;
    put(driver, "to", "target").await;
    if from.etag.is_some() {
        refused(driver, false, &from, "to", When::Always, &[ErrorKind::Precondition]).await;
    }
    let missing = Entry::file(path("missing"), 1);
    refused(driver, false, &missing, "to", When::Always, &[ErrorKind::NotFound]).await;
}

/// A folder does not go into itself, an entry not over its own ancestor.
pub async fn a_rename_into_itself_changes_nothing(fixture: &Fixture) {
    let driver = fixture.driver();
    put(driver, "a/b/c", "x").await;
    let kinds = [ErrorKind::InvalidPath, ErrorKind::Precondition, ErrorKind::AlreadyExists];
    for (from, to) in [("a", "a/b/new"), ("a", "a/new"), ("a/b", "a"), ("a/b/c", "a"), ("a", "a")] {
        let entry = stat(driver, from).await.unwrap();
        refused(driver, false, &entry, to, When::Always, &kinds).await;
    }
}

/// `list_tree` tells each file that a walk tells, the same of it, and no folder that a walk does not.
pub async fn a_tree_lists_as_a_walk_does(fixture: &Fixture) {
    let driver = fixture.driver();
    for at in ["t/a", "t/b/c", "t/b/d/e", "t/b!", "tt/no"] {
        put(driver, at, at.to_owned()).await;
    }
    let made = driver.create_dir(&path("t/empty")).await.is_ok();
    for dir in ["t", "t/b", ""] {
        let Native::Done(pages) = driver.list_tree(&path(dir)) else { return not_here("declined") };
        let (tree, walked) = (gather(pages).await.unwrap(), walk(driver, dir).await.unwrap());
        let files = |listing: &Listing| listing.entries.iter().filter(|e| !e.is_dir()).cloned().collect::<Vec<_>>();
        let (one, two) = (files(&tree), files(&walked));
        assert_eq!(one.len(), two.len());
        one.iter().zip(&two).for_each(|(one, two)| same(one, two));
        for folder in tree.entries.iter().filter(|entry| entry.is_dir()) {
            assert!(walked.paths().contains(&folder.path.as_str()), "{folder:?} is in no listing");
        }
        assert_eq!(made && dir != "t/b", tree.paths().contains(&"t/empty"), "an empty folder exists by itself");
        assert!(!tree.paths().contains(&dir), "a folder is not below itself");
    }
    let Native::Done(pages) = driver.list_tree(&path("missing")) else { return };
    fails(gather(pages).await, &[ErrorKind::NotFound]);
}

/// A time that was set is the one that stat and listing show.
pub async fn a_set_time_is_shown(fixture: &Fixture) {
    let driver = fixture.driver();
    put(driver, "dir/file", "x").await;
    for (seconds, at) in [(1_234_567_890, "dir/file"), (0, "dir/file"), (1_500_000_000, "dir")] {
        let time = SystemTime::UNIX_EPOCH + Duration::from_secs(seconds);
        match driver.set_modified(&path(at), time).await.unwrap() {
            Native::Done(()) => assert_eq!(stat(driver, at).await.unwrap().modified, Some(time)),
            Native::Declined => return not_here("declined"),
        }
    }
    assert_eq!(get(driver, "dir/file").await, "x");
    let missing = driver.set_modified(&path("missing"), SystemTime::UNIX_EPOCH).await;
    fails(missing, &[ErrorKind::NotFound]);
}

/// Usage is told in bytes.
pub async fn usage_grows_with_what_is_written(fixture: &Fixture) {
    let driver = fixture.driver();
    put(driver, "file", pattern(100_000, 1)).await;
    match driver.usage().await.unwrap() {
        // Others use a disk too: all that is certain is that this file is on it.
        Native::Done(usage) => assert!(usage.used.is_some_and(|used| used >= 100_000), "{usage:?}"),
        Native::Declined => not_here("declined"),
    }
}
