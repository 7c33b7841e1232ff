//! Somebody on this machine who swaps a folder for a link to elsewhere, again and again, while davmux works on it.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use super::files;
use crate::support::{Davmux, local};

/// Swaps `a` for a link and back until told to stop; says how often.
fn swap(root: &Path, stop: &AtomicBool, swaps: &AtomicUsize) {
    let (here, folder, link) = (root.join("a"), root.join("a.folder"), root.join("a.link"));
    while !stop.load(Ordering::Relaxed) {
        std::fs::rename(&here, &folder).unwrap();
        std::fs::rename(&link, &here).unwrap();
        // Long enough for a request to meet it.
        std::thread::yield_now();
        std::fs::rename(&here, &link).unwrap();
        std::fs::rename(&folder, &here).unwrap();
        swaps.fetch_add(1, Ordering::Relaxed);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_folder_that_is_swapped_for_a_link_again_and_again_leads_nowhere() {
    let (root, outside) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    std::fs::create_dir(root.path().join("a")).unwrap();
    std::fs::write(root.path().join("a/f"), "inside").unwrap();
    std::fs::write(outside.path().join("f"), "of somebody else").unwrap();
    std::fs::write(outside.path().join("only-outside"), "of somebody else").unwrap();
    std::os::unix::fs::symlink(outside.path(), root.path().join("a.link")).unwrap();
    let davmux = Davmux::serve(&local("/l", root.path())).await;

    let (stop, swaps) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicUsize::new(0)));
    let swapping = std::thread::spawn({
        let (root, stop, swaps) = (root.path().to_owned(), Arc::clone(&stop), Arc::clone(&swaps));
        move || swap(&root, &stop, &swaps)
    });
    let mut inside = 0;
    for round in 0..150 {
        let copy = format!("/l/copy-{round}");
        let to_copy = [("Destination", copy.as_str())];
        let (read, listed, written, made, deleted, copied) = tokio::join!(
            davmux.send("GET", "/l/a/f", &[], ""),
            davmux.send("PROPFIND", "/l/a", &[("Depth", "1")], ""),
            davmux.send("PUT", "/l/a/written", &[], "by a client"),
            davmux.send("MKCOL", "/l/a/made", &[], ""),
            davmux.send("DELETE", "/l/a/only-outside", &[], ""),
            davmux.send("COPY", "/l/a/f", &to_copy, ""),
        );
        for answer in [read, listed, written, made, deleted, copied] {
            let text = answer.text();
            assert!(!text.contains("somebody else") && !text.contains("only-outside"), "{text}");
            inside += usize::from(answer.status.is_success());
        }
    }
    stop.store(true, Ordering::Relaxed);
    swapping.join().unwrap();

    assert!(inside > 0 && swaps.load(Ordering::Relaxed) > 0, "{inside} answers, {swaps:?} swaps");
    let mut left = files(outside.path());
    left.sort();
    assert_eq!(left, [outside.path().join("f"), outside.path().join("only-outside")], "what is outside was touched");
    for file in left {
        assert_eq!(std::fs::read_to_string(file).unwrap(), "of somebody else");
    }
    for file in files(root.path()).iter().filter(|file| !file.starts_with(root.path().join("a.link"))) {
        assert!(!std::fs::read_to_string(file).unwrap().contains("somebody else"), "{}", file.display());
    }
}
