//! Clients that will not have what is kept, administrators who have it forgotten, and those who watch over the mounts.

use davmux_driver_testkit::{Fault, Memory, Op};
use davmux_tree::{ErrorKind, Problem};

use crate::support::*;

const DOWN: Problem = Problem::Storage(ErrorKind::Unavailable);

#[tokio::test]
async fn what_another_program_put_there_is_seen_by_one_who_will_not_have_what_is_kept() {
    for one in both() {
        one.view.create_dir(&path("f")).await.unwrap();
        one.memory.plant("f/a", "x");
        assert!(one.tree.refresh(&at("/f")));
        assert_eq!(names(&one.view, "f").await.unwrap(), ["a"]);
        assert!(one.view.stat(&path("f/b")).await.unwrap_err().is_not_found());
        one.memory.plant("f/b", "y");
        one.log().clear();
        assert_eq!(names(&one.view, "f").await.unwrap(), ["a"]);
        one.view.renew_listing(&path("f")).await.unwrap();
        assert_eq!(names(&one.view, "f").await.unwrap(), ["a", "b"]);
        assert_eq!(one.log().count(Op::List), 1);
        // Again within two seconds: what was found stands for it, and costs nothing.
        one.memory.plant("f/c", "z");
        one.view.renew_listing(&path("f")).await.unwrap();
        assert_eq!(names(&one.view, "f").await.unwrap(), ["a", "b"]);
        assert_eq!(one.log().total(), 1);
    }
}

#[tokio::test]
async fn one_path_is_looked_at_anew_without_its_folder_being_listed() {
    for one in both() {
        one.view.create_dir(&path("f")).await.unwrap();
        one.memory.plant("f/a", "x");
        assert!(one.tree.refresh(&at("/f")));
        assert_eq!(names(&one.view, "f").await.unwrap(), ["a"]);
        one.memory.plant("f/b", "new");
        one.memory.plant("f/a", "longer");
        one.log().clear();
        for (file, size) in [("f/a", 6), ("f/b", 3)] {
            one.view.renew(&path(file)).await.unwrap();
            one.view.renew(&path(file)).await.unwrap();
            assert_eq!(one.view.stat(&path(file)).await.unwrap().size, size);
        }
        one.view.renew(&path("f/none")).await.unwrap();
        assert_eq!((one.log().count(Op::Stat), one.log().total()), (3, 3));
        // What was found is in the listing.
        assert_eq!(names(&one.view, "f").await.unwrap(), ["a", "b"]);
        assert_eq!(one.log().count(Op::List), 0);
    }
}

#[tokio::test]
async fn a_name_that_became_a_folder_or_went_is_seen_as_what_it_is() {
    let one = keys();
    one.memory.plant("f/a", "x");
    one.memory.plant("f/kept", "x");
    assert_eq!(names(&one.view, "f").await.unwrap(), ["a", "kept"]);
    one.memory.plant("f/new/deep", "x");
    assert!(one.view.list(&path("f/new")).await.is_err());
    one.view.renew_listing(&path("f/new")).await.unwrap();
    assert_eq!(names(&one.view, "f/new").await.unwrap(), ["deep"]);
    assert_eq!(names(&one.view, "f").await.unwrap(), ["a", "kept", "new"]);
    let other = afresh(&one);
    delete(&other, "f/a").await.unwrap();
    assert!(one.view.stat(&path("f/a")).await.is_ok(), "it is kept");
    one.view.renew(&path("f/a")).await.unwrap();
    assert!(one.view.stat(&path("f/a")).await.unwrap_err().is_not_found());
}

#[tokio::test]
async fn a_look_that_fails_is_an_error_and_not_what_was_kept() {
    for one in both() {
        one.view.create_dir(&path("f")).await.unwrap();
        one.memory.plant("f/a", "x");
        assert!(one.tree.refresh(&at("/f")));
        assert_eq!(names(&one.view, "f").await.unwrap(), ["a"]);
        one.faulty.on(Op::List).every().fault(Fault::Before(ErrorKind::Unavailable));
        one.faulty.on(Op::Stat).every().fault(Fault::Before(ErrorKind::Unavailable));
        assert_eq!(problem(one.view.renew(&path("f/a")).await), DOWN);
        one.view.renew_listing(&path("f")).await.unwrap();
        assert_eq!(problem(names(&one.view, "f").await), DOWN);
        one.faulty.heal();
        assert_eq!(names(&one.view, "f").await.unwrap(), ["a"]);
    }
}

#[tokio::test]
async fn all_who_ask_anew_at_once_share_one_look() {
    let one = keys();
    one.memory.plant("f/a", "x");
    assert_eq!(names(&one.view, "f").await.unwrap(), ["a"]);
    one.log().clear();
    let (listing, entry) = (one.faulty.on(Op::List).gate(), one.faulty.on(Op::Stat).gate());
    let clients: Vec<_> = (0..10)
        .map(|_| {
            let view = one.view.clone();
            tokio::spawn(async move {
                view.renew(&path("f/a")).await.unwrap();
                view.renew_listing(&path("f")).await.unwrap();
                names(&view, "f").await.unwrap()
            })
        })
        .collect();
    entry.reached().await;
    settle().await;
    one.memory.plant("f/b", "y");
    entry.open();
    listing.reached().await;
    settle().await;
    listing.open();
    for client in clients {
        assert_eq!(client.await.unwrap(), ["a", "b"]);
    }
    assert_eq!((one.log().count(Op::Stat), one.log().count(Op::List)), (1, 1));
}

#[tokio::test]
async fn a_refresh_forgets_a_folder_and_all_below_it() {
    let one = keys();
    for file in ["f/a", "f/sub/a", "g/a", "f/u\u{308}/a"] {
        one.memory.plant(file, "x");
    }
    let listed = async || {
        let mut found = Vec::new();
        for folder in ["f", "f/sub", "g", "f/\u{fc}"] {
            found.push(names(&one.view, folder).await.unwrap().len());
        }
        found
    };
    assert_eq!(listed().await, [3, 1, 1, 1]);
    assert!(one.view.stat(&path("f/b")).await.is_err());
    for file in ["f/b", "f/sub/b", "g/b", "f/u\u{308}/b"] {
        one.memory.plant(file, "x");
    }
    assert_eq!(listed().await, [3, 1, 1, 1]);
    assert!(one.tree.refresh(&at("/f/\u{fc}")));
    assert_eq!(listed().await, [4, 1, 1, 2], "a folder's entry in the one above it is forgotten too");
    assert!(one.tree.refresh(&at("/f")));
    assert_eq!(listed().await, [4, 2, 1, 2]);
    assert!(one.view.stat(&path("f/b")).await.is_ok());
    assert!(one.tree.refresh(&at("/")));
    assert_eq!(listed().await, [4, 2, 2, 2]);
    let (elsewhere, _) = tree(vec![("/a/b", bucket(&Memory::keys()), kept(KEPT))]);
    assert!(elsewhere.refresh(&at("/a")) && !elsewhere.refresh(&at("/b")));
}

#[tokio::test(start_paused = true)]
async fn a_mount_that_fails_or_says_nothing_is_not_ready_and_the_others_are() {
    let (down, silent) = (faulty(bucket(&Memory::keys())), faulty(bucket(&Memory::keys())));
    down.on(Op::Check).every().fault(Fault::Before(ErrorKind::Denied));
    let _never = silent.on(Op::Check).every().gate();
    let (tree, _) = tree(vec![
        ("/down", driver_of(&down), kept(KEPT)),
        ("/silent", driver_of(&silent), kept(KEPT)),
        ("/up", bucket(&Memory::keys()), kept(KEPT)),
    ]);
    let health = tree.health().await;
    let ready: Vec<_> = health.iter().map(|mount| (mount.mount.to_string(), mount.ready)).collect();
    assert_eq!(ready, [("/down".to_owned(), false), ("/silent".to_owned(), false), ("/up".to_owned(), true)]);
    assert!(health[0].last_error.is_some() && health[2].last_error.is_none());
    assert!(health[1].last_error.as_ref().unwrap().0.contains("5 s"), "{health:?}");
    // Asked again at once, no storage is.
    assert!(!tree.health().await[0].ready);
    assert_eq!((down.log().count(Op::Check), silent.log().count(Op::Check)), (1, 1));
}
