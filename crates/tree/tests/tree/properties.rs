//! Properties go where their resource goes, and stay with what stays.

use std::sync::Arc;
use std::time::Duration;

use davmux_driver::Removal;
use davmux_driver_testkit::{Fault, Memory, Op};
use davmux_tree::{
    Access, Driver, ErrorKind, Kind, LONGEST_PROPERTY, MOST_PROPERTIES, Problem, Property, PropertyChange, Result,
    Transfer, View, When,
};

use crate::support::*;

fn change(name: &str, value: &str) -> PropertyChange {
    PropertyChange::Set(Property { namespace: "urn:t".into(), name: name.into(), value: value.into(), lang: None })
}

async fn mark(view: &View, what: &str) {
    view.set_properties(&path(what), vec![change("p", what)]).await.unwrap();
}

/// What the resource was marked as.
async fn marked(view: &View, what: &str) -> Option<String> {
    view.properties(&path(what)).await.unwrap().into_iter().next().map(|property| property.value)
}

async fn marks<const N: usize>(view: &View, paths: [&str; N]) -> [Option<String>; N] {
    let mut found = Vec::new();
    for path in paths {
        found.push(marked(view, path).await);
    }
    found.try_into().unwrap()
}

fn some(mark: &str) -> Option<String> {
    Some(mark.to_owned())
}

/// A bucket that deletes one key in a call, so that one of several can fail.
fn one_by_one() -> One {
    let memory = Memory::keys().with_capabilities(|capabilities| capabilities.delete_batch = 1);
    one(bucket(&memory), memory, kept(KEPT))
}

#[tokio::test]
async fn they_follow_a_folder_and_its_neighbour_keeps_its_own() {
    for one in both() {
        let view = &one.view;
        fill(view, &["a/x", "a/s/y", "ab/x", "b/old"]).await;
        for what in ["a", "a/x", "a/s/y", "ab", "ab/x", "b", "b/old"] {
            mark(view, what).await;
        }
        copy(view, "a", "b").await.unwrap();
        let all = ["b", "b/x", "b/s/y", "b/old"];
        assert_eq!(marks(view, all).await, [some("a"), some("a/x"), some("a/s/y"), None]);
        rename(view, "a", "c").await.unwrap();
        assert_eq!(marks(view, ["c", "c/x", "c/s/y"]).await, [some("a"), some("a/x"), some("a/s/y")]);
        assert_eq!(
            marks(view, ["a", "a/x", "a/s/y", "ab", "ab/x"]).await,
            [None, None, None, some("ab"), some("ab/x")]
        );
        assert!(delete(view, "c").await.unwrap().is_empty());
        assert_eq!(marks(view, ["c", "c/x", "c/s/y", "b/x"]).await, [None, None, None, some("a/x")]);
        // The folder alone.
        view.copy(&path("b"), &path("d"), Transfer { overwrite: true, deep: false }).await.unwrap();
        assert_eq!(marks(view, ["d", "d/x"]).await, [some("a"), None]);
    }
}

#[tokio::test]
async fn a_member_that_stays_keeps_its_own_and_one_that_goes_loses_them() {
    let one = one_by_one();
    let view = &one.view;
    fill(view, &["a/1", "a/2"]).await;
    for what in ["a", "a/1", "a/2"] {
        mark(view, what).await;
    }
    one.faulty.on(Op::Delete).at(&path("a/1")).fault(Fault::Before(ErrorKind::Denied));
    assert_eq!(delete(view, "a").await.unwrap().len(), 1);
    assert_eq!(marks(view, ["a", "a/1", "a/2"]).await, [some("a"), some("a/1"), None]);
}

#[tokio::test]
async fn a_move_that_leaves_a_member_is_finished_by_the_next_one() {
    let one = one_by_one();
    let view = &one.view;
    fill(view, &["a/1", "a/2"]).await;
    for what in ["a", "a/1", "a/2"] {
        mark(view, what).await;
    }
    one.faulty.on(Op::Delete).at(&path("a/1")).fault(Fault::Before(ErrorKind::Denied));
    assert_eq!(rename(view, "a", "b").await.unwrap().failed.len(), 1);
    assert_eq!(marks(view, ["a", "a/1", "a/2"]).await, [some("a"), some("a/1"), None]);
    assert_eq!(marked(view, "b/2").await, some("a/2"));
    assert!(rename(view, "a", "b").await.unwrap().failed.is_empty());
    assert_eq!(marks(view, ["b", "b/1", "b/2"]).await, [some("a"), some("a/1"), some("a/2")]);
    assert_eq!(marks(view, ["a", "a/1", "a/2"]).await, [None, None, None]);
}

#[tokio::test]
async fn a_change_that_fails_moves_none() {
    for one in both() {
        let view = &one.view;
        fill(view, &["a/1", "b/1"]).await;
        for what in ["a/1", "b", "b/1"] {
            mark(view, what).await;
        }
        for op in [Op::Copy, Op::Rename, Op::Write, Op::CreateDir, Op::Delete] {
            one.faulty.on(op).every().fault(Fault::Before(ErrorKind::Unavailable));
        }
        let _failed = rename(view, "a", "b").await;
        let _failed = delete(view, "b").await;
        assert_eq!(marks(view, ["a/1", "b", "b/1"]).await, [some("a/1"), some("b"), some("b/1")]);
    }
}

#[tokio::test]
async fn what_is_new_has_none() {
    let (local, remote) = (Memory::folders(), Memory::keys());
    let uncached = kept(Duration::ZERO);
    for one in [one(Arc::new(local.clone()), local, uncached.clone()), one(bucket(&remote), remote.clone(), uncached)] {
        let view = &one.view;
        fill(view, &["f/x", "g"]).await;
        for what in ["f", "f/x", "g"] {
            mark(view, what).await;
        }
        // Another program takes them away.
        for (gone, kind) in [("f/x", Kind::File), ("g", Kind::File), ("f", Kind::Dir)] {
            let removal = Removal { path: path(gone), kind, etag: None };
            assert!(one.faulty.delete(&[removal]).await.unwrap().is_empty());
        }
        assert_eq!(marked(view, "g").await, some("g"));
        fill(view, &["f/x", "g"]).await;
        assert_eq!(marks(view, ["f", "f/x", "g"]).await, [None, None, None]);
    }
}

#[tokio::test]
async fn a_folder_tells_those_of_its_members_and_asks_no_storage() {
    let one = keys();
    let view = &one.view;
    fill(view, &["f/a", "f/e\u{301}", "f/s/deep"]).await;
    for what in ["f/a", "f/\u{e9}", "f/s", "f/s/deep"] {
        mark(view, what).await;
    }
    one.log().clear();
    let members = view.properties_of_members(&path("f")).await.unwrap().unwrap();
    assert_eq!(members.of("a").len(), 1);
    assert_eq!(members.of("e\u{301}"), members.of("\u{e9}"));
    assert_eq!(members.of("\u{e9}").len(), 1);
    assert_eq!((members.of("s").len(), members.of("deep").len()), (1, 0));
    assert!(view.properties_of_members(&path("f/a")).await.unwrap().unwrap().is_empty());
    assert_eq!(one.log().total(), 0);
}

#[tokio::test]
async fn limits_and_rights_are_kept() {
    let one = folders();
    let view = &one.view;
    fill(view, &["a"]).await;
    let set = async |view: &View, to: &str, changes: Vec<PropertyChange>| -> Result<()> {
        view.set_properties(&path(to), changes).await
    };
    let long = "x".repeat(LONGEST_PROPERTY + 1);
    assert_eq!(problem(set(view, "a", vec![change("p", "1"), change("q", &long)]).await), Problem::PropertyLimit);
    let many = (0..=MOST_PROPERTIES).map(|n| change(&format!("p{n}"), "")).collect();
    assert_eq!(problem(set(view, "a", many).await), Problem::PropertyLimit);
    let large = (0..20).map(|n| change(&format!("p{n}"), &long[1..])).collect();
    assert_eq!(problem(set(view, "a", large).await), Problem::PropertyLimit);
    assert!(view.properties(&path("a")).await.unwrap().is_empty());
    assert!(set(view, "none", vec![change("p", "1")]).await.unwrap_err().is_not_found());
    let reader = View::new(Arc::clone(&one.tree), at("/"), Access::ReadOnly);
    assert_eq!(problem(set(&reader, "a", vec![change("p", "1")]).await), Problem::ReadOnly);
}

#[tokio::test]
async fn a_mount_point_and_a_folder_above_it_have_properties_of_their_own() {
    let one = folders();
    fill(&one.view, &["a"]).await;
    for there in ["", "a"] {
        one.view.set_properties(&path(there), vec![change("p", there)]).await.unwrap();
    }
    assert_eq!(one.view.properties(&path("")).await.unwrap()[0].value, "");
    assert!(one.view.delete(&path("a"), When::Always).await.unwrap().is_empty());
    assert_eq!(one.view.properties(&path("")).await.unwrap().len(), 1, "what is above stays");
    assert!(one.view.properties(&path("a")).await.unwrap().is_empty());
}
