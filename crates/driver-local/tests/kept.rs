//! What must not be lost, changed unseen or called done when it is not.
#![allow(clippy::unwrap_used, clippy::expect_used, missing_docs)]

use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};
use std::os::unix::net::UnixListener;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use bytes::Bytes;
use davmux_driver::{Driver, Entry, ErrorKind, Kind, Metadata, Native, ReadRequest, Result, When, WriteRequest};
use davmux_driver_local::{Local, LocalOptions};
use davmux_driver_testkit::shorthand::{delete, gather, get, list, path, put, stat, try_put};
use futures_util::StreamExt;
use rustix::fs::{FlockOperation, flock};
use tempfile::TempDir;

/// A folder `root` in a temporary folder, so that there is an outside.
fn local() -> (TempDir, PathBuf, Local) {
    let outside = tempfile::tempdir().unwrap();
    let root = outside.path().join("root");
    fs::create_dir(&root).unwrap();
    let driver = Local::new(LocalOptions { root: root.clone() });
    (outside, root, driver)
}

fn staged(root: &Path) -> usize {
    fs::read_dir(root.join(".davmux-staging")).unwrap().count()
}

async fn rename(driver: &Local, from: &str, to: &str, when: When) -> Result<Native<Entry>> {
    let from = stat(driver, from).await.unwrap();
    driver.rename(&from, &path(to), &when).await
}

#[tokio::test]
async fn a_folder_is_not_replaced_by_what_is_in_it_through_a_link() {
    let (_outside, root, driver) = local();
    put(&driver, "a/b/c/in", "c").await;
    put(&driver, "a/b/other", "precious").await;
    symlink("a", root.join("l")).unwrap();
    for (from, to) in [("a/b/c", "l/b"), ("l/b/c", "a/b"), ("a/b/c/in", "l/b"), ("a/b", "l/b"), ("a/b", "l/b/c/new")] {
        let error = rename(&driver, from, to, When::Always).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidPath, "{from} to {to}: {error}");
    }
    assert_eq!(get(&driver, "a/b/other").await, "precious");
    assert_eq!(get(&driver, "a/b/c/in").await, "c");
}

#[tokio::test]
async fn a_folder_that_holds_what_nobody_saw_is_not_replaced() {
    let (_outside, root, driver) = local();
    put(&driver, "from", "x").await;
    put(&driver, "to/deep/known", "x").await;
    fs::write(root.join("to/deep/a\nb"), "precious").unwrap();
    let error = rename(&driver, "from", "to", When::Always).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Denied);
    assert_eq!(fs::read(root.join("to/deep/a\nb")).unwrap(), b"precious");
    assert_eq!(get(&driver, "from").await, "x");
}

#[tokio::test]
async fn a_replaced_folder_leaves_nothing_in_the_staging_folder() {
    let (_outside, root, driver) = local();
    put(&driver, "from", "new").await;
    put(&driver, "to/old", "old").await;
    assert!(matches!(rename(&driver, "from", "to", When::Always).await, Ok(Native::Done(_))));
    assert_eq!((get(&driver, "to").await, staged(&root)), (Bytes::from("new"), 0));
}

#[tokio::test]
async fn a_staging_folder_that_is_a_link_is_not_swept_and_not_written_to() {
    let (_outside, root, driver) = local();
    fs::create_dir(root.join("documents")).unwrap();
    fs::write(root.join("documents/precious"), "x").unwrap();
    symlink("documents", root.join(".davmux-staging")).unwrap();
    assert_eq!(get(&driver, "documents/precious").await, "x");
    assert_eq!(try_put(&driver, "new", "x", When::Always).await.unwrap_err().kind(), ErrorKind::Denied);
    let made = driver.create_dir(&path(".davmux-staging/built")).await;
    assert_eq!(made.unwrap_err().kind(), ErrorKind::Denied);
    assert_eq!(fs::read_dir(root.join("documents")).unwrap().count(), 1);
}

#[tokio::test]
async fn an_upload_whose_root_was_replaced_is_not_called_done() {
    let (outside, root, driver) = local();
    let mut upload = driver.write(&path("file"), WriteRequest::default()).await.unwrap();
    upload.write(Bytes::from("x")).await.unwrap();
    fs::rename(&root, outside.path().join("former")).unwrap();
    fs::create_dir(&root).unwrap();
    assert_eq!(upload.finish().await.unwrap_err().kind(), ErrorKind::Unavailable);
    assert!(!outside.path().join("former/file").exists());
    assert_eq!(staged(&outside.path().join("former")), 0);
}

#[tokio::test]
async fn what_is_hidden_is_not_replaced_and_not_deleted() {
    let (_outside, root, driver) = local();
    put(&driver, "from", "x").await;
    symlink("nowhere", root.join("dangling")).unwrap();
    symlink("/etc", root.join("escaping")).unwrap();
    let _socket = UnixListener::bind(root.join("socket")).unwrap();
    let from = stat(&driver, "from").await.unwrap();
    for name in ["dangling", "escaping", "socket"] {
        let to = path(name);
        for (what, result) in [
            ("write", try_put(&driver, name, "new", When::Always).await.map(drop)),
            ("write new", try_put(&driver, name, "new", When::Absent).await.map(drop)),
            ("delete", delete(&driver, name, Kind::File).await),
            ("delete folder", delete(&driver, name, Kind::Dir).await),
            ("copy", driver.copy(&from, &to, &When::Always).await.map(drop)),
            ("rename", driver.rename(&from, &to, &When::Always).await.map(drop)),
        ] {
            assert_eq!(result.map_err(|error| error.kind()), Err(ErrorKind::Denied), "{what} {name}");
        }
        let meta = fs::symlink_metadata(root.join(name)).unwrap();
        assert!(!meta.is_file() && !meta.is_dir(), "{name}");
    }
    assert_eq!(staged(&root), 0);
}

#[tokio::test]
async fn what_became_hidden_during_an_upload_is_not_replaced() {
    let (_outside, root, driver) = local();
    let upload = driver.write(&path("file"), WriteRequest::default()).await.unwrap();
    symlink("nowhere", root.join("file")).unwrap();
    assert_eq!(upload.finish().await.unwrap_err().kind(), ErrorKind::Denied);
    assert!(fs::symlink_metadata(root.join("file")).unwrap().is_symlink());
}

#[tokio::test]
async fn a_reserved_name_is_no_target_and_is_counted_where_it_stands() {
    let (_outside, root, driver) = local();
    put(&driver, "dir/file", "x").await;
    let from = stat(&driver, "dir/file").await.unwrap();
    for name in [".davmux-staging", ".davmux-staging-notes", "dir/.davmux-staging", "dir/.davmux-staging-notes"] {
        let to = path(name);
        for (what, result) in [
            ("write", try_put(&driver, name, "new", When::Always).await.map(drop)),
            ("create folder", driver.create_dir(&to).await),
            ("copy", driver.copy(&from, &to, &When::Always).await.map(drop)),
            ("rename", driver.rename(&from, &to, &When::Always).await.map(drop)),
        ] {
            let error = result.unwrap_err();
            assert_eq!(error.kind(), ErrorKind::InvalidPath, "{what} {name}");
            assert!(error.detail().unwrap().contains("reserved"), "{error}");
        }
    }
    fs::write(root.join("dir/.davmux-staging-notes"), "somebody's").unwrap();
    let listing = list(&driver, "dir").await.unwrap();
    assert_eq!((listing.paths(), listing.unnameable.len()), (vec!["dir/file"], 1));
    let error = stat(&driver, "dir/.davmux-staging-notes").await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::NotFound);
    let error = delete(&driver, "dir/.davmux-staging-notes", Kind::File).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Denied);
}

#[tokio::test]
async fn a_file_on_another_device_is_staged_beside_its_place_and_leaves_nothing() {
    let (_outside, root, driver) = local();
    fs::create_dir(root.join("disk")).unwrap();
    let mounted = std::process::Command::new("mount").args(["-t", "tmpfs", "tmpfs"]).arg(root.join("disk")).status();
    if !mounted.is_ok_and(|status| status.success()) {
        println!("skipped: another file system cannot be mounted here, which needs root");
        return;
    }
    let put = try_put(&driver, "disk/file", "x", When::Absent).await;
    let refused = try_put(&driver, "disk/file", "y", When::Absent).await;
    let left = (fs::read_dir(root.join("disk")).unwrap().count(), staged(&root));
    let read = fs::read(root.join("disk/file"));
    std::process::Command::new("umount").arg("-l").arg(root.join("disk")).status().unwrap();
    assert_eq!((put.unwrap().size, refused.unwrap_err().kind()), (1, ErrorKind::AlreadyExists));
    assert_eq!((read.unwrap(), left), (b"x".to_vec(), (1, 0)));
}

#[tokio::test]
async fn a_tag_survives_a_rename() {
    let (_outside, _root, driver) = local();
    let before = put(&driver, "file", "x").await;
    assert!(matches!(rename(&driver, "file", "moved", When::Absent).await, Ok(Native::Done(_))));
    assert_eq!(stat(&driver, "moved").await.unwrap().etag, before.etag);
}

/// Two fresh file systems number their files alike.
#[tokio::test]
async fn an_inode_number_that_comes_back_does_not_bring_its_tag_back() {
    let (outside, root, driver) = local();
    let mut seen = Vec::new();
    for content in ["one", "two"] {
        let mounted = std::process::Command::new("mount").args(["-t", "tmpfs", "tmpfs"]).arg(&root).status();
        if !mounted.is_ok_and(|status| status.success()) {
            println!("skipped: another file system cannot be mounted here, which needs root");
            return;
        }
        let modified = Some(SystemTime::UNIX_EPOCH + Duration::from_secs(1_000_000_000));
        let metadata = Metadata { modified, ..Metadata::default() };
        let request = WriteRequest { metadata, ..WriteRequest::default() };
        let mut upload = driver.write(&path("file"), request).await.unwrap();
        upload.write(Bytes::from(content)).await.unwrap();
        let etag = upload.finish().await.unwrap().etag;
        let meta = fs::metadata(root.join("file")).unwrap();
        let (inode, born) = (meta.ino(), meta.created());
        std::process::Command::new("umount").arg("-l").arg(&root).status().unwrap();
        let Ok(born) = born else {
            println!("skipped: this kernel's tmpfs does not tell when a file was made");
            return;
        };
        seen.push((inode, etag));
        // The clock of file systems goes in ticks.
        let tick = outside.path().join("tick");
        while fs::write(&tick, "").is_ok() && fs::metadata(&tick).unwrap().created().unwrap() <= born {
            fs::remove_file(&tick).unwrap();
        }
    }
    assert_eq!(seen[0].0, seen[1].0, "one inode number, or this proves nothing");
    assert_ne!(seen[0].1, seen[1].1);
}

#[tokio::test]
async fn a_staging_folder_made_anew_is_locked_too() {
    let (_outside, root, driver) = local();
    put(&driver, "file", "x").await;
    fs::remove_dir_all(root.join(".davmux-staging")).unwrap();
    let mut upload = driver.write(&path("file"), WriteRequest::default()).await.unwrap();
    upload.write(Bytes::from("new")).await.unwrap();
    Local::new(LocalOptions { root: root.clone() }).check().await.unwrap();
    upload.finish().await.unwrap();
    assert_eq!(get(&driver, "file").await, "new");
}

#[cfg(target_os = "linux")]
#[tokio::test(flavor = "multi_thread")]
async fn a_start_during_the_sweep_of_another_process_waits_and_is_locked() {
    let (_outside, root, driver) = local();
    fs::create_dir(root.join(".davmux-staging")).unwrap();
    let sweeping = fs::File::open(root.join(".davmux-staging")).unwrap();
    flock(&sweeping, FlockOperation::NonBlockingLockExclusive).unwrap();
    let inode = format!(":{} ", sweeping.metadata().unwrap().ino());
    let waits = || {
        let locks = fs::read_to_string("/proc/locks").unwrap();
        locks.lines().any(|lock| lock.contains("-> FLOCK") && lock.contains(&inode))
    };
    let driver = Arc::new(driver);
    let started = tokio::spawn({
        let driver = Arc::clone(&driver);
        async move { driver.check().await }
    });
    while !started.is_finished() && !waits() {
        tokio::task::yield_now().await;
    }
    flock(&sweeping, FlockOperation::Unlock).unwrap();
    started.await.unwrap().unwrap();
    assert!(flock(&sweeping, FlockOperation::NonBlockingLockExclusive).is_err(), "it is locked");
}

#[tokio::test]
async fn writing_to_a_link_replaces_the_link_and_not_what_it_leads_to() {
    let (_outside, root, driver) = local();
    put(&driver, "file", "old").await;
    put(&driver, "sub/other", "x").await;
    symlink("../file", root.join("sub/link")).unwrap();
    let shown = stat(&driver, "sub/link").await.unwrap();
    assert_eq!(shown.kind, Kind::File);
    try_put(&driver, "sub/link", "new", When::Matches(shown.etag.unwrap())).await.unwrap();
    assert_eq!((get(&driver, "sub/link").await, get(&driver, "file").await), ("new".into(), "old".into()));
    symlink("../file", root.join("sub/copied")).unwrap();
    let from = stat(&driver, "sub/other").await.unwrap();
    assert!(matches!(driver.copy(&from, &path("sub/copied"), &When::Always).await, Ok(Native::Done(_))));
    assert_eq!((get(&driver, "sub/copied").await, get(&driver, "file").await), ("x".into(), "old".into()));
    symlink("../sub", root.join("sub/folder")).unwrap();
    let error = try_put(&driver, "sub/folder", "new", When::Always).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::IsDir);
}

#[tokio::test]
async fn a_link_is_not_moved_to_where_it_would_lead_elsewhere() {
    let (_outside, root, driver) = local();
    put(&driver, "file", "x").await;
    put(&driver, "sub/other", "x").await;
    symlink("../file", root.join("sub/link")).unwrap();
    assert!(matches!(rename(&driver, "sub/link", "link", When::Absent).await, Ok(Native::Declined)));
    assert!(matches!(rename(&driver, "sub/link", "sub/new", When::Absent).await, Ok(Native::Done(_))));
    assert_eq!(get(&driver, "sub/new").await, "x");
}

#[tokio::test]
async fn new_content_does_not_take_over_setuid() {
    let (_outside, root, driver) = local();
    put(&driver, "bin", "old").await;
    fs::set_permissions(root.join("bin"), fs::Permissions::from_mode(0o6755)).unwrap();
    put(&driver, "bin", "new").await;
    assert_eq!(fs::metadata(root.join("bin")).unwrap().permissions().mode() & 0o7777, 0o755);
}

#[tokio::test]
async fn one_name_of_a_file_moves_onto_another() {
    let (_outside, root, driver) = local();
    put(&driver, "a", "x").await;
    put(&driver, "sub/other", "x").await;
    fs::hard_link(root.join("a"), root.join("b")).unwrap();
    fs::hard_link(root.join("a"), root.join("sub/c")).unwrap();
    for to in ["b", "sub/c"] {
        fs::remove_file(root.join("a")).unwrap();
        fs::hard_link(root.join(to), root.join("a")).unwrap();
        assert!(matches!(rename(&driver, "a", to, When::Always).await, Ok(Native::Done(_))));
        assert!(!root.join("a").exists());
        assert_eq!((get(&driver, to).await, staged(&root)), ("x".into(), 0));
        fs::hard_link(root.join(to), root.join("a")).unwrap();
    }
}

#[tokio::test]
async fn a_socket_is_not_there_to_a_reader() {
    let (_outside, root, driver) = local();
    let _socket = UnixListener::bind(root.join("socket")).unwrap();
    let error = driver.read(&path("socket"), ReadRequest::default()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::NotFound);
}

/// Where a folder cannot be synced: one that its owner may write to and not read. The superuser may, so that this runs
/// again as nobody.
#[test]
fn a_change_that_stands_is_done_though_its_folder_cannot_be_synced() {
    const NAME: &str = "a_change_that_stands_is_done_though_its_folder_cannot_be_synced";
    let probe = tempfile::NamedTempFile::new().unwrap();
    if probe.as_file().metadata().unwrap().uid() == 0 {
        let this = std::env::current_exe().unwrap();
        let mut command = std::process::Command::new(this);
        command.args(["--exact", NAME, "--nocapture"]).current_dir("/").gid(65534).uid(65534);
        match command.output() {
            Ok(output) => assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stdout)),
            Err(error) => println!("skipped: nobody cannot run this test here: {error}"),
        }
        return;
    }
    tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(async {
        let (_outside, root, driver) = local();
        put(&driver, "dir/old", "x").await;
        put(&driver, "from", "x").await;
        let mode = |mode| fs::set_permissions(root.join("dir"), fs::Permissions::from_mode(mode)).unwrap();
        mode(0o300);
        let results = [
            try_put(&driver, "dir/file", "x", When::Always).await.map(drop),
            driver.create_dir(&path("dir/made")).await,
            rename(&driver, "from", "dir/to", When::Absent).await.map(drop),
        ];
        mode(0o700);
        for result in results {
            result.unwrap();
        }
        assert_eq!(list(&driver, "dir").await.unwrap().entries.len(), 4);
    });
}

/// The same as a panic in it: the work is dropped before its end.
#[test]
fn a_listing_whose_work_was_cut_off_is_an_error() {
    let (_outside, root, driver) = local();
    fs::write(root.join("file"), "").unwrap();
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    let ended = runtime.handle().clone();
    drop(runtime);
    let _entered = ended.enter();
    let listing = std::pin::pin!(gather(driver.list(&path(""))));
    let mut context = std::task::Context::from_waker(std::task::Waker::noop());
    let std::task::Poll::Ready(listing) = listing.poll(&mut context) else { panic!("nothing is left to wait for") };
    assert_eq!(listing.unwrap_err().kind(), ErrorKind::Backend);
}

#[tokio::test]
async fn a_listing_whose_root_went_away_is_an_error() {
    let (outside, root, driver) = local();
    for number in 0..1500 {
        fs::write(root.join(format!("file{number}")), "").unwrap();
    }
    let Native::Done(tree) = driver.list_tree(&path("")) else { panic!("listed natively") };
    for mut pages in [driver.list(&path("")), tree] {
        assert_eq!(pages.next().await.unwrap().unwrap().entries.len(), 1000);
        fs::rename(&root, outside.path().join("away")).unwrap();
        let rest = gather(pages).await;
        fs::rename(outside.path().join("away"), &root).unwrap();
        assert_eq!(rest.unwrap_err().kind(), ErrorKind::Unavailable);
    }
}

#[test]
fn a_listing_that_nobody_reads_holds_no_thread() {
    let (_outside, root, driver) = local();
    for number in 0..5000 {
        fs::write(root.join(format!("file{number}")), "").unwrap();
    }
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().max_blocking_threads(1).build().unwrap();
    runtime.block_on(async {
        let mut pages = driver.list(&path(""));
        pages.next().await.unwrap().unwrap();
        // The limit ends a test that would hang.
        let looked = tokio::time::timeout(Duration::from_secs(60), stat(&driver, "file0")).await;
        drop(pages);
        looked.expect("there is a thread for it").unwrap();
    });
}

#[tokio::test(flavor = "multi_thread")]
async fn a_write_does_not_slip_in_between_the_look_and_the_change_of_another() {
    let (_outside, _root, driver) = local();
    for _ in 0..150 {
        let old = put(&driver, "file", "old").await.etag.unwrap();
        let matching = WriteRequest { when: When::Matches(old), ..WriteRequest::default() };
        let mut one = driver.write(&path("file"), matching).await.unwrap();
        let mut two = driver.write(&path("file"), WriteRequest::default()).await.unwrap();
        one.write(Bytes::from("one")).await.unwrap();
        two.write(Bytes::from("two")).await.unwrap();
        let (one, two) = tokio::join!(tokio::spawn(one.finish()), tokio::spawn(two.finish()));
        two.unwrap().unwrap();
        if let Err(error) = one.unwrap() {
            assert_eq!(error.kind(), ErrorKind::Precondition);
        }
        assert_eq!(
            get(&driver, "file").await,
            "two",
            "the condition held, so that the unconditional write was the later one"
        );
    }
}
