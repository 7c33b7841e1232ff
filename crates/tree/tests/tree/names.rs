//! Which name means what: mounts, Unicode forms, and a storage's own folder (promise 11).

use std::sync::Arc;

use davmux_driver_testkit::{Memory, Op};
use davmux_tree::{Access, Driver, Junk, MountOptions, Problem, Usage, View};

use crate::support::*;

const NFC: &str = "\u{e9}";
const NFD: &str = "e\u{301}";

#[tokio::test]
async fn a_mount_covers_what_the_storage_above_has_under_its_name() {
    let (outer, inner) = (Memory::keys(), Memory::folders());
    for key in ["m", "m2/hidden", "n"] {
        outer.plant(key, "outer");
    }
    let below = Memory::folders();
    let (_, view) = tree(vec![
        ("/", bucket(&outer), kept(KEPT)),
        ("/m", Arc::new(inner), kept(KEPT)),
        ("/m2/in", Arc::new(below), kept(KEPT)),
        ("/n/deep", Arc::new(Memory::folders()), kept(KEPT)),
    ]);
    for _ in 0..2 {
        assert_eq!(names(&view, "").await.unwrap(), ["m", "m2", "n"]);
        assert!(view.stat(&path("m")).await.unwrap().is_dir());
        assert_eq!(names(&view, "m").await.unwrap(), Vec::<String>::new(), "also when the root's listing is kept");
        assert_eq!(
            names(&view, "m2").await.unwrap(),
            ["hidden", "in"],
            "a mount in a folder does not hide its members"
        );
        assert_eq!(names(&view, "n").await.unwrap(), ["deep"], "a file above a mount is hidden by it");
    }
    put(&view, "m/x", "inner").await.unwrap();
    assert_eq!(get(&view, "m/x").await.unwrap(), "inner");
    assert_eq!(outer.raw_keys(), ["m", "m2/hidden", "n"]);
}

#[tokio::test]
async fn a_view_with_a_root_ends_there() {
    let (tree, all_of_it) = tree(vec![("/a", Arc::new(Memory::folders()), kept(KEPT))]);
    fill(&all_of_it, &["a/u/x", "a/other"]).await;
    let view = View::new(tree, at("/a/u"), Access::ReadWrite);
    assert_eq!(names(&view, "").await.unwrap(), ["x"]);
    assert_eq!(view.shown_path(&at("/a/u/x")), path("x"));
    assert_eq!(view.shown_path(&at("/a/other")), path(""));
    assert_eq!(problem(delete(&view, "").await), Problem::MountPoint, "what is / to a user stays");
}

#[tokio::test]
async fn nothing_is_made_above_the_mounts_or_outside_of_them() {
    let (_, view) = tree(vec![("/a/b", Arc::new(Memory::folders()), kept(KEPT))]);
    assert_eq!(problem(put(&view, "a/x", "x").await), Problem::NoParent);
    assert_eq!(problem(view.create_dir(&path("new")).await), Problem::NoParent);
    assert!(view.stat(&path("a/x")).await.unwrap_err().is_not_found());
    assert_eq!(problem(view.create_dir(&path("a")).await), Problem::Exists);
}

#[tokio::test]
async fn the_folder_that_a_storage_keeps_for_itself_is_not_reached() {
    let one = folders();
    fill(&one.view, &["d/x"]).await;
    let staging = one.memory.capabilities().staging.clone().unwrap();
    let inside = staging.child("x").unwrap();
    one.memory.plant(inside.as_str(), "x");
    for place in [&staging, &inside] {
        let place = place.as_str();
        assert!(one.view.stat(&path(place)).await.unwrap_err().is_not_found());
        assert!(get(&one.view, place).await.unwrap_err().is_not_found());
        assert_eq!(problem(put(&one.view, place, "x").await), Problem::Reserved);
        assert_eq!(problem(one.view.create_dir(&path(place)).await), Problem::Reserved);
        assert_eq!(problem(delete(&one.view, place).await), Problem::Reserved);
        assert_eq!(problem(copy(&one.view, "d", place).await), Problem::Reserved);
        assert_eq!(problem(rename(&one.view, "d", place).await), Problem::Reserved);
        assert!(copy(&one.view, place, "y").await.unwrap_err().is_not_found());
    }
    assert!(names(&one.view, staging.as_str()).await.unwrap_err().is_not_found());
    assert_eq!(names(&one.view, "").await.unwrap(), ["d"]);
}

#[tokio::test]
async fn a_name_is_found_in_whichever_form_it_is_stored_and_made_in_nfc() {
    for one in both() {
        for (stored, asked) in [(NFC, NFD), (NFD, NFC)] {
            let (stored, asked) = (format!("f{stored}"), format!("f{asked}"));
            one.memory.plant(&stored, "x");
            let view = afresh(&one);
            assert_eq!(get(&view, &asked).await.unwrap(), "x");
            assert!(!put(&view, &asked, "new").await.unwrap().created, "the file that is there is replaced");
            assert_eq!(one.memory.raw_keys(), std::slice::from_ref(&stored));
            assert!(delete(&view, &asked).await.unwrap().is_empty());
            assert!(one.memory.raw_keys().is_empty());
        }
        put(&one.view, &format!("new{NFD}"), "x").await.unwrap();
        assert_eq!(one.memory.raw_keys(), [format!("new{NFC}")]);
    }
}

#[tokio::test]
async fn a_folder_in_one_form_with_members_in_another_is_found_by_who_asks_in_either() {
    for cached in [KEPT, std::time::Duration::ZERO] {
        let memory = Memory::keys();
        memory.plant(&format!("d{NFD}/old{NFD}"), "old");
        let one = one(bucket(&memory), memory, kept(cached));
        for form in [NFC, NFD] {
            let new = format!("d{form}/new{form}");
            put(&one.view, &new, form).await.unwrap();
            assert_eq!(get(&one.view, &new).await.unwrap(), form, "who wrote it finds it again");
            assert_eq!(get(&one.view, &format!("d{form}/old{form}")).await.unwrap(), "old");
            assert_eq!(names(&one.view, &format!("d{form}")).await.unwrap().len(), 2);
        }
        assert_eq!(one.memory.raw_keys(), [format!("d{NFD}/new{NFC}"), format!("d{NFD}/old{NFD}")]);
    }
}

#[tokio::test]
async fn a_second_form_costs_nothing_where_the_folder_is_known() {
    let one = keys();
    one.memory.plant("f/a", "x");
    names(&one.view, "f").await.unwrap();
    one.log().clear();
    assert!(one.view.stat(&path(&format!("f/{NFC}"))).await.unwrap_err().is_not_found());
    assert_eq!(one.log().count(Op::Stat), 0);
}

#[tokio::test]
async fn a_storage_that_cannot_keep_an_empty_folder_says_so() {
    let memory = Memory::keys();
    let one = one(Arc::new(memory.clone()), memory, MountOptions::default());
    let error = one.view.create_dir(&path("f")).await.unwrap_err();
    assert_eq!(error.problem(), Problem::Storage(davmux_tree::ErrorKind::Unsupported));
    assert!(error.detail().is_some(), "for the body of the 403");
}

#[tokio::test]
async fn a_mount_that_refuses_junk_makes_none_and_asks_no_storage() {
    for memory in [Memory::keys(), Memory::folders()] {
        let driver: Arc<dyn Driver> =
            if memory.capabilities().real_dirs { Arc::new(memory.clone()) } else { bucket(&memory) };
        let one = one(driver, memory, MountOptions { junk: Junk::Refuse, ..kept(KEPT) });
        fill(&afresh(&one), &["f/a"]).await;
        for junk in ["._a", ".DS_Store", "Thumbs.db", "desktop.ini"] {
            let place = format!("f/{junk}");
            one.log().clear();
            assert_eq!(problem(put(&one.view, &place, "x").await), Problem::Junk);
            assert_eq!(problem(put(&one.view, &place, "").await), Problem::Junk);
            assert_eq!(problem(one.view.create_dir(&path(&place)).await), Problem::Junk);
            assert_eq!(problem(copy(&one.view, "f/a", &place).await), Problem::Junk);
            assert_eq!(problem(rename(&one.view, "f/a", &place).await), Problem::Junk);
            assert_eq!(one.log().total(), 0, "{junk}: the storage was asked");
        }
        assert_eq!(names(&one.view, "f").await.unwrap(), ["a"]);
    }
}

#[tokio::test]
async fn junk_that_is_there_is_seen_and_goes_with_its_folder() {
    for memory in [Memory::keys(), Memory::folders()] {
        let driver: Arc<dyn Driver> =
            if memory.capabilities().real_dirs { Arc::new(memory.clone()) } else { bucket(&memory) };
        let one = one(driver, memory, MountOptions { junk: Junk::Refuse, ..kept(KEPT) });
        // Made by somebody who keeps it.
        fill(&afresh(&one), &["f/a", "f/._a", "f/.DS_Store", "f/s/Thumbs.db"]).await;
        assert_eq!(names(&one.view, "f").await.unwrap(), [".DS_Store", "._a", "a", "s"]);
        assert_eq!(get(&one.view, "f/._a").await.unwrap(), "of f/._a");
        assert_eq!(problem(put(&one.view, "f/._a", "y").await), Problem::Junk);
        assert_eq!(get(&one.view, "f/._a").await.unwrap(), "of f/._a");
        assert!(copy(&one.view, "f", "copy").await.unwrap().failed.is_empty());
        assert!(rename(&one.view, "f", "moved").await.unwrap().failed.is_empty());
        assert_eq!(names(&one.view, "moved/s").await.unwrap(), ["Thumbs.db"]);
        rename(&one.view, "moved/._a", "moved/kept").await.unwrap();
        assert!(delete(&one.view, "moved/.DS_Store").await.unwrap().is_empty());
        assert_eq!(names(&one.view, "moved").await.unwrap(), ["a", "kept", "s"]);
        assert!(delete(&one.view, "copy").await.unwrap().is_empty());
        assert_eq!(names(&one.view, "").await.unwrap(), ["moved"]);
    }
}

#[tokio::test]
async fn room_is_the_storages_own_else_what_the_mount_says_else_unknown() {
    let told = Some(7 << 30);
    let options = MountOptions { quota_available: told, ..kept(KEPT) };
    let (_, view) = tree(vec![
        ("/own/real", Arc::new(Memory::folders()), options.clone()),
        ("/own/told", bucket(&Memory::keys()), options),
        ("/own/none", bucket(&Memory::keys()), kept(KEPT)),
    ]);
    let own = view.usage(&path("own/real/f")).await.unwrap().unwrap();
    assert!(own.used.is_some() && Some(own.available) != told, "{own:?}");
    let said = view.usage(&path("own/told/f")).await.unwrap();
    assert_eq!(said, Some(Usage { used: None, available: 7 << 30 }), "nobody counted what is used");
    assert_eq!(view.usage(&path("own/none/f")).await.unwrap(), None);
    assert_eq!(view.usage(&path("own")).await.unwrap(), None, "above the mounts there is no storage");
}
