//! Looking and listing.

use davmux_driver::{ErrorKind, Expect, Kind};

use super::{Fixture, fails, same};
use crate::shorthand::*;

/// The root stats to a folder, whatever is expected of it.
pub async fn the_root_is_a_folder(fixture: &Fixture) {
    for expect in [Expect::Any, Expect::Dir] {
        let root = fixture.driver().stat(&path(""), expect).await.unwrap();
        assert_eq!((root.kind, root.path.is_root()), (Kind::Dir, true));
    }
}

/// `check` is `Ok` where nothing is wrong.
pub async fn a_check_of_a_good_storage_passes(fixture: &Fixture) {
    fixture.driver().check().await.unwrap();
}

/// A stat of what is not there is `NotFound`, also below a missing folder and below a file.
pub async fn nothing_is_not_found(fixture: &Fixture) {
    let driver = fixture.driver();
    put(driver, "file", "x").await;
    for at in ["missing", "missing/deeper", "file/below"] {
        for expect in [Expect::Any, Expect::File, Expect::Dir] {
            fails(driver.stat(&path(at), expect).await, &[ErrorKind::NotFound]);
        }
    }
}

/// A listing of what is not there is `NotFound`.
pub async fn listing_nothing_is_not_found(fixture: &Fixture) {
    fails(list(fixture.driver(), "missing").await, &[ErrorKind::NotFound]);
    fails(list(fixture.driver(), "missing/deeper").await, &[ErrorKind::NotFound]);
}

/// A listing of a file is `NotDir` or `NotFound`, never empty.
pub async fn listing_a_file_is_an_error(fixture: &Fixture) {
    put(fixture.driver(), "file", "x").await;
    fails(list(fixture.driver(), "file").await, &[ErrorKind::NotDir, ErrorKind::NotFound]);
}

/// An empty storage lists as an empty root.
pub async fn the_empty_root_lists_nothing(fixture: &Fixture) {
    assert_eq!(list(fixture.driver(), "").await.unwrap(), Listing::default());
}

/// What a listing says of a member is what a stat of it says.
pub async fn every_listed_path_stats_the_same(fixture: &Fixture) {
    let driver = fixture.driver();
    for (at, size) in [("a", 1), ("b", 0), ("c/d", 70_000), ("c/e/f", 3)] {
        put(driver, at, pattern(size, 7)).await;
    }
    let tree = walk(driver, "").await.unwrap();
    assert_eq!(tree.paths(), ["a", "b", "c", "c/d", "c/e", "c/e/f"]);
    assert!(tree.unnameable.is_empty());
    for entry in &tree.entries {
        let expect = if entry.is_dir() { Expect::Dir } else { Expect::File };
        for expect in [expect, Expect::Any] {
            let looked = driver.stat(&entry.path, expect).await.unwrap();
            assert_eq!((&entry.path, entry.kind, entry.size), (&looked.path, looked.kind, looked.size));
            if !entry.is_dir() {
                same(entry, &looked);
            }
        }
    }
}

/// `Expect::Dir` never answers a file; `Expect::File` answers one where one is.
pub async fn a_stat_heeds_what_is_expected(fixture: &Fixture) {
    let driver = fixture.driver();
    let entry = put(driver, "file", "x").await;
    put(driver, "dir/member", "x").await;
    fails(driver.stat(&path("file"), Expect::Dir).await, &[ErrorKind::NotFound]);
    same(&driver.stat(&path("file"), Expect::File).await.unwrap(), &entry);
    assert!(driver.stat(&path("dir"), Expect::Dir).await.unwrap().is_dir());
    assert!(driver.stat(&path("dir"), Expect::Any).await.unwrap().is_dir());
    // The caller knows that no folder is there and is wrong: then anything but a file is right.
    match driver.stat(&path("dir"), Expect::File).await {
        Ok(entry) => assert!(entry.is_dir()),
        Err(error) => assert!(matches!(error.kind(), ErrorKind::NotFound | ErrorKind::IsDir), "{error}"),
    }
}

/// `a` and `ab`, `a.b`, `a-b` are neighbours: no listing of one shows what is in another.
pub async fn a_folder_does_not_swallow_its_neighbour(fixture: &Fixture) {
    let driver = fixture.driver();
    for at in ["a/in", "ab/in", "a.b", "a-b/c", "a!"] {
        put(driver, at, "x").await;
    }
    assert_eq!(list(driver, "a").await.unwrap().paths(), ["a/in"]);
    assert_eq!(list(driver, "ab").await.unwrap().paths(), ["ab/in"]);
    assert_eq!(list(driver, "").await.unwrap().paths(), ["a", "a!", "a-b", "a.b", "ab"]);
}

/// Each member of a folder is listed once, also on more than one page.
pub async fn names_are_listed_once(fixture: &Fixture) {
    let driver = fixture.driver();
    let mut expected = Vec::new();
    for number in 0..30 {
        let at = format!("many/{number:02}");
        let at = if number % 3 == 0 { format!("{at}/inner") } else { at };
        put(driver, &at, "x").await;
        expected.push(format!("many/{number:02}"));
    }
    assert_eq!(list(driver, "many").await.unwrap().paths(), expected);
}
