//! Folders and deleting.

use davmux_driver::{Driver, ErrorKind, Kind, Removal};

use super::{Fixture, fails, not_here};
use crate::shorthand::*;

/// Makes a folder, if an empty one can be kept here.
async fn make(driver: &dyn Driver, at: &str) -> bool {
    match driver.create_dir(&path(at)).await {
        Ok(()) => true,
        Err(error) if error.kind() == ErrorKind::Unsupported && !driver.capabilities().real_dirs => {
            not_here("empty folders are not kept");
            false
        }
        Err(error) => panic!("{error}"),
    }
}

/// A new folder is listed, stats as a folder, and is empty.
pub async fn a_made_folder_is_there(fixture: &Fixture) {
    let driver = fixture.driver();
    if !make(driver, "dir").await || !make(driver, "dir/inner").await {
        return;
    }
    assert!(stat(driver, "dir").await.unwrap().is_dir());
    assert_eq!(list(driver, "").await.unwrap().paths(), ["dir"]);
    assert_eq!(list(driver, "dir").await.unwrap().paths(), ["dir/inner"]);
    assert_eq!(list(driver, "dir/inner").await.unwrap(), Listing::default());
    put(driver, "dir/inner/file", "x").await;
    assert_eq!(list(driver, "dir/inner").await.unwrap().paths(), ["dir/inner/file"]);
}

/// Where something is, `create_dir` fails (where folders are real) and harms nothing.
pub async fn a_folder_is_made_once(fixture: &Fixture) {
    let driver = fixture.driver();
    put(driver, "dir/file", "x").await;
    for at in ["dir", "dir/file", ""] {
        let made = driver.create_dir(&path(at)).await;
        if driver.capabilities().real_dirs {
            fails(made, &[ErrorKind::AlreadyExists]);
        }
    }
    if driver.capabilities().real_dirs {
        assert_eq!(get(driver, "dir/file").await, "x");
        assert_eq!(walk(driver, "").await.unwrap().paths(), ["dir", "dir/file"]);
    }
}

/// Where folders are real, a folder needs its parent; so does a file.
pub async fn a_folder_needs_its_parent(fixture: &Fixture) {
    let driver = fixture.driver();
    if !driver.capabilities().real_dirs {
        return not_here("folders are prefixes");
    }
    put(driver, "file", "x").await;
    fails(driver.create_dir(&path("missing/dir")).await, &[ErrorKind::NotFound]);
    fails(driver.create_dir(&path("file/dir")).await, &[ErrorKind::NotDir, ErrorKind::NotFound]);
    fails(try_put(driver, "missing/file", "x", Default::default()).await, &[ErrorKind::NotFound]);
    let below = try_put(driver, "file/file", "x", Default::default()).await;
    fails(below, &[ErrorKind::NotDir, ErrorKind::NotFound]);
    assert_eq!(walk(driver, "").await.unwrap().paths(), ["file"]);
}

/// `keep_dir` shows nothing, may be repeated, and keeps the folder, or says that this storage cannot.
pub async fn a_kept_folder_outlives_its_last_member(fixture: &Fixture) {
    let driver = fixture.driver();
    let keeps = make(driver, "probe").await;
    if keeps {
        delete(driver, "probe", Kind::Dir).await.unwrap();
    }
    put(driver, "dir/file", "x").await;
    let before = walk(driver, "").await.unwrap();
    for _ in 0..2 {
        match driver.keep_dir(&path("dir")).await {
            Err(error) if !keeps => assert_eq!(error.kind(), ErrorKind::Unsupported),
            kept => kept.unwrap(),
        }
        assert_eq!(walk(driver, "").await.unwrap(), before);
    }
    delete(driver, "dir/file", Kind::File).await.unwrap();
    if keeps {
        assert!(stat(driver, "dir").await.unwrap().is_dir());
        assert_eq!(list(driver, "dir").await.unwrap(), Listing::default());
    }
}

/// An empty batch is fine.
pub async fn deleting_nothing_succeeds(fixture: &Fixture) {
    put(fixture.driver(), "file", "x").await;
    assert!(fixture.driver().delete(&[]).await.unwrap().is_empty());
    assert_eq!(get(fixture.driver(), "file").await, "x");
}

/// What is not there counts as deleted, also below what is not there.
pub async fn an_absent_entry_counts_as_deleted(fixture: &Fixture) {
    for at in ["missing", "missing/deeper"] {
        for kind in [Kind::File, Kind::Dir] {
            delete(fixture.driver(), at, kind).await.unwrap();
        }
    }
}

/// As many entries as the storage takes, most of them absent; only those named go.
pub async fn a_whole_batch_is_deleted(fixture: &Fixture) {
    let driver = fixture.driver();
    let most = driver.capabilities().delete_batch;
    assert!(most >= 1);
    let there = most.min(20);
    for number in 0..there {
        put(driver, &format!("dir/{number}"), "x").await;
    }
    put(driver, "dir/stays", "x").await;
    let batch: Vec<_> = (0..most)
        .map(|number| Removal { path: path(&format!("dir/{number}")), kind: Kind::File, etag: None })
        .collect();
    assert!(driver.delete(&batch).await.unwrap().is_empty());
    assert_eq!(walk(driver, "").await.unwrap().paths(), ["dir", "dir/stays"]);
}

/// An empty folder goes, and nothing beside it.
pub async fn an_empty_folder_is_deleted(fixture: &Fixture) {
    let driver = fixture.driver();
    put(driver, "dirs/file", "x").await;
    if !make(driver, "dir").await {
        return;
    }
    delete(driver, "dir", Kind::Dir).await.unwrap();
    fails(stat(driver, "dir").await, &[ErrorKind::NotFound]);
    fails(list(driver, "dir").await, &[ErrorKind::NotFound]);
    assert_eq!(walk(driver, "").await.unwrap().paths(), ["dirs", "dirs/file"]);
}

/// A folder with members fails, or only its mark goes; the members stay in any case. The root stays too.
pub async fn a_folder_is_never_deleted_with_members(fixture: &Fixture) {
    let driver = fixture.driver();
    put(driver, "dir/file", "x").await;
    put(driver, "dir/inner/file", "y").await;
    let before = walk(driver, "").await.unwrap();
    let deleted = delete(driver, "dir", Kind::Dir).await;
    if driver.capabilities().real_dirs {
        fails(deleted, &[ErrorKind::NotEmpty]);
    }
    assert_eq!(walk(driver, "").await.unwrap().paths(), before.paths());
    assert_eq!((get(driver, "dir/file").await, get(driver, "dir/inner/file").await), ("x".into(), "y".into()));
    // As a file it does not go either.
    let _kind_of_failure = delete(driver, "dir", Kind::File).await;
    assert_eq!(walk(driver, "").await.unwrap().paths(), before.paths());
    assert!(stat(driver, "").await.unwrap().is_dir());
}

/// Where there is a staging folder, no listing shows it, and what is built in it can take its place.
pub async fn the_staging_folder_is_hidden_and_works(fixture: &Fixture) {
    let driver = fixture.driver();
    let Some(staging) = driver.capabilities().staging.clone() else { return not_here("no staging folder") };
    let built = staging.child("built").unwrap();
    driver.create_dir(&built).await.unwrap();
    try_put(driver, &format!("{built}/member"), "new", Default::default()).await.unwrap();
    assert_eq!(list(driver, "").await.unwrap(), Listing::default());
    assert_eq!(gather(driver.list(&built)).await.unwrap().entries.len(), 1);
    put(driver, "dir/old", "old").await;
    let entry = stat(driver, built.as_str()).await.unwrap();
    match driver.rename(&entry, &path("dir"), &davmux_driver::When::Always).await.unwrap() {
        davmux_driver::Native::Done(entry) => assert_eq!(entry.path, path("dir")),
        davmux_driver::Native::Declined => panic!("a staging folder is of no use without rename"),
    }
    assert_eq!(walk(driver, "").await.unwrap().paths(), ["dir", "dir/member"]);
    fails(stat(driver, built.as_str()).await, &[ErrorKind::NotFound]);
}
