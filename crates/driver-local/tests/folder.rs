//! What is special to a folder: links, odd names, a root that comes and goes, a full disk, what a crash left.
#![allow(clippy::unwrap_used, clippy::expect_used, missing_docs)]

use std::ffi::OsStr;
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{PermissionsExt, symlink};

use bytes::Bytes;
use davmux_driver::{Driver, ErrorKind, Expect, Kind, Native, ReadRequest, Removal, When, WriteRequest};
use davmux_driver_local::{Local, LocalOptions};
use davmux_driver_testkit::shorthand::{bytes_of, gather, get, list, path, put, try_get, try_put};
use tempfile::TempDir;

/// A folder `root` in a temporary folder, so that there is an outside.
fn local() -> (TempDir, Local) {
    let outside = tempfile::tempdir().unwrap();
    let root = outside.path().join("root");
    fs::create_dir(&root).unwrap();
    (outside, Local::new(LocalOptions { root }))
}

#[tokio::test]
async fn a_link_that_leaves_the_folder_is_hidden_and_refused() {
    let (outside, driver) = local();
    let root = outside.path().join("root");
    fs::write(outside.path().join("secret"), "secret").unwrap();
    symlink(outside.path(), root.join("up")).unwrap();
    symlink("../secret", root.join("relative")).unwrap();
    symlink("/etc/passwd", root.join("absolute")).unwrap();
    symlink("nowhere", root.join("dangling")).unwrap();
    put(&driver, "inside", "x").await;
    symlink("inside", root.join("good")).unwrap();
    let listing = list(&driver, "").await.unwrap();
    let mut shown = listing.paths();
    shown.sort_unstable();
    assert_eq!(shown, ["good", "inside"]);
    assert_eq!(get(&driver, "good").await, "x");
    for name in ["up/secret", "relative", "absolute"] {
        let error = try_get(&driver, name).await.unwrap_err();
        assert!(matches!(error.kind(), ErrorKind::Denied | ErrorKind::NotFound), "{name}: {error:?}");
    }
    assert!(try_put(&driver, "up/new", "x", When::Always).await.is_err());
    assert!(!outside.path().join("new").exists());
}

#[tokio::test]
async fn a_file_that_cannot_fit_is_refused_before_its_content_comes() {
    let (outside, driver) = local();
    put(&driver, "file", "former").await;
    let root = outside.path().join("root");
    let before = all(&root);
    let request = WriteRequest { size: Some(u64::MAX / 2), ..WriteRequest::default() };
    let refused = driver.write(&path("file"), request).await.map(|_| ()).unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::NoSpace);
    assert_eq!(get(&driver, "file").await, "former");
    assert_eq!(all(&root), before, "something stays staged");
}

/// All that is in a folder and below.
fn all(folder: &std::path::Path) -> Vec<std::path::PathBuf> {
    let mut found: Vec<_> = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    let below: Vec<_> = found.iter().filter(|path| path.is_dir()).flat_map(|path| all(path)).collect();
    found.extend(below);
    found.sort();
    found
}

#[tokio::test]
async fn a_folder_that_becomes_a_link_to_the_outside_is_not_followed() {
    let (outside, driver) = local();
    let root = outside.path().join("root");
    fs::create_dir(root.join("folder")).unwrap();
    fs::create_dir(outside.path().join("elsewhere")).unwrap();
    let mut upload = driver.write(&path("folder/file"), WriteRequest::default()).await.unwrap();
    upload.write(Bytes::from_static(b"x")).await.unwrap();
    fs::remove_dir(root.join("folder")).unwrap();
    symlink(outside.path().join("elsewhere"), root.join("folder")).unwrap();
    assert!(upload.finish().await.is_err());
    assert!(fs::read_dir(outside.path().join("elsewhere")).unwrap().next().is_none());
}

#[tokio::test]
async fn a_link_to_a_folder_is_a_leaf_to_what_works_on_whole_trees() {
    let (outside, driver) = local();
    let root = outside.path().join("root");
    put(&driver, "real/file", "x").await;
    fs::create_dir(root.join("top")).unwrap();
    symlink("../real", root.join("top/link")).unwrap();
    assert_eq!(get(&driver, "top/link/file").await, "x", "it can be entered");
    let Native::Done(pages) = driver.list_tree(&path("top")) else { panic!("listed natively") };
    assert_eq!(gather(pages).await.unwrap().paths(), ["top/link"]);
    let Native::Done(pages) = driver.list_tree(&path("top/link")) else { panic!("listed natively") };
    assert!(gather(pages).await.is_err(), "nothing is deleted through it");
    let removal = Removal { path: path("top/link"), kind: Kind::File, etag: None };
    assert!(driver.delete(&[removal]).await.unwrap().is_empty());
    assert_eq!(get(&driver, "real/file").await, "x");
}

#[tokio::test]
async fn a_listing_of_a_tree_does_not_look_into_folders_that_are_left_out() {
    let (outside, driver) = local();
    for file in ["top/file", "top/in/file", "top/in/out/file", "top/out/file"] {
        put(&driver, file, "x").await;
    }
    // One that tells on whoever looks into it.
    fs::write(outside.path().join("root/top/out").join(OsStr::from_bytes(b"bad\xff")), "x").unwrap();
    let enters = std::sync::Arc::new(|folder: &davmux_driver::RelPath| folder.name() != "out");
    let Native::Done(pages) = driver.list_tree_in(&path("top"), enters) else { panic!("listed natively") };
    let listed = gather(pages).await.unwrap();
    assert_eq!(listed.paths(), ["top/file", "top/in", "top/in/file", "top/in/out", "top/out"]);
    assert!(listed.unnameable.is_empty());
}

#[tokio::test]
async fn names_that_are_not_utf8_and_entries_that_are_no_files_are_hidden_and_counted() {
    let (outside, driver) = local();
    let root = outside.path().join("root");
    fs::write(root.join(OsStr::from_bytes(b"bad\xff")), "x").unwrap();
    fs::write(root.join("tab\there"), "x").unwrap();
    let _socket = std::os::unix::net::UnixListener::bind(root.join("socket")).unwrap();
    put(&driver, "good", "x").await;
    let mut pages = driver.list(&path(""));
    let page = futures_util::StreamExt::next(&mut pages).await.unwrap().unwrap();
    assert_eq!((page.entries.len(), page.unnameable.len()), (1, 3));
    assert_eq!(driver.stat(&path("socket"), Expect::Any).await.unwrap_err().kind(), ErrorKind::NotFound);
}

#[tokio::test]
async fn a_root_that_is_away_is_unavailable_and_never_not_found() {
    let (outside, driver) = local();
    let root = outside.path().join("root");
    put(&driver, "file", "x").await;
    fs::rename(&root, outside.path().join("away")).unwrap();
    for error in [
        driver.stat(&path("file"), Expect::Any).await.unwrap_err(),
        driver.read(&path("file"), ReadRequest::default()).await.unwrap_err(),
        list(&driver, "").await.unwrap_err(),
        driver.check().await.unwrap_err(),
    ] {
        assert_eq!(error.kind(), ErrorKind::Unavailable);
        assert!(error.detail().unwrap().contains("root"), "{error}");
    }
    fs::rename(outside.path().join("away"), &root).unwrap();
    assert_eq!(get(&driver, "file").await, "x");
}

#[tokio::test]
async fn what_a_crash_left_is_swept_and_what_another_process_uses_is_not() {
    let (outside, driver) = local();
    let root = outside.path().join("root");
    fs::create_dir(root.join(".davmux-staging")).unwrap();
    fs::write(root.join(".davmux-staging/left"), "half").unwrap();
    fs::create_dir(root.join(".davmux-staging/built")).unwrap();
    fs::write(root.join(".davmux-staging/built/file"), "half").unwrap();
    driver.check().await.unwrap();
    assert_eq!(fs::read_dir(root.join(".davmux-staging")).unwrap().count(), 0);
    let mut upload = driver.write(&path("file"), WriteRequest::default()).await.unwrap();
    upload.write(Bytes::from(vec![1; 2 << 20])).await.unwrap();
    let other = Local::new(LocalOptions { root: root.clone() });
    other.check().await.unwrap();
    assert_eq!(fs::read_dir(root.join(".davmux-staging")).unwrap().count(), 1);
    upload.finish().await.unwrap();
    assert_eq!(fs::read(root.join("file")).unwrap().len(), 2 << 20);
}

#[tokio::test]
async fn a_replaced_file_keeps_its_mode_and_a_new_one_heeds_the_umask() {
    let (outside, driver) = local();
    let root = outside.path().join("root");
    put(&driver, "new", "x").await;
    fs::write(root.join("plain"), "x").unwrap();
    let mode = |name: &str| fs::metadata(root.join(name)).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode("new"), mode("plain"));
    fs::set_permissions(root.join("plain"), fs::Permissions::from_mode(0o640)).unwrap();
    put(&driver, "plain", "y").await;
    assert_eq!(mode("plain"), 0o640);
}

#[tokio::test]
async fn a_full_disk_leaves_the_old_file() {
    let (outside, driver) = local();
    let root = outside.path().join("root");
    let mounted =
        std::process::Command::new("mount").args(["-t", "tmpfs", "-o", "size=1m", "tmpfs"]).arg(&root).status();
    if !mounted.is_ok_and(|status| status.success()) {
        println!("skipped: a small file system cannot be mounted here, which needs root");
        return;
    }
    let unmount = || std::process::Command::new("umount").arg("-l").arg(&root).status();
    put(&driver, "file", "old").await;
    let error = try_put(&driver, "file", vec![1; 4 << 20], When::Always).await.unwrap_err();
    let kept = get(&driver, "file").await;
    let staged = fs::read_dir(root.join(".davmux-staging")).unwrap().count();
    unmount().unwrap();
    assert_eq!((error.kind(), &kept[..], staged), (ErrorKind::NoSpace, &b"old"[..], 0));
}

#[tokio::test]
async fn a_pipe_is_not_waited_for() {
    let (outside, driver) = local();
    let made = std::process::Command::new("mkfifo").arg(outside.path().join("root/pipe")).status().unwrap();
    assert!(made.success());
    assert_eq!(try_get(&driver, "pipe").await.unwrap_err().kind(), ErrorKind::NotFound);
}

#[tokio::test]
async fn a_read_goes_on_with_the_file_that_was_opened() {
    let (_outside, driver) = local();
    put(&driver, "file", "first").await;
    let reply = driver.read(&path("file"), ReadRequest::default()).await.unwrap();
    put(&driver, "file", "second").await;
    assert_eq!(bytes_of(reply).await.unwrap(), "first");
}
