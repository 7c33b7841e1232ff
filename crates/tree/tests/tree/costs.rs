//! What an operation may cost (design section 5), in calls of the tree to a bucket with a placeholder.

use davmux_driver_testkit::{Call, Memory, Op};

use crate::support::*;

fn ops(one: &One) -> Vec<Op> {
    one.log().calls().into_iter().map(|Call { op, .. }| op).collect()
}

/// A bucket with `f/0` to `f/9`, of which the tree knows nothing yet; or has listed `f` and the root.
async fn bucket_with_members(listed: bool) -> One {
    let one = keys();
    for number in 0..10 {
        one.memory.plant(&format!("f/{number}"), "x");
    }
    if listed {
        names(&one.view, "").await.unwrap();
        names(&one.view, "f").await.unwrap();
    }
    one.log().clear();
    one
}

#[tokio::test]
async fn a_listing_costs_one_and_the_same_again_nothing() {
    let one = bucket_with_members(false).await;
    names(&one.view, "f").await.unwrap();
    assert_eq!(ops(&one), [Op::List]);
    names(&one.view, "f").await.unwrap();
    one.view.stat(&path("f/3")).await.unwrap();
    one.view.stat(&path("f")).await.unwrap();
    assert!(one.view.stat(&path("f/no")).await.is_err());
    assert_eq!(one.log().total(), 1);
}

#[tokio::test]
async fn a_file_of_a_folder_that_was_not_listed_is_one_look_and_then_none() {
    let one = bucket_with_members(false).await;
    for _ in 0..2 {
        one.view.stat(&path("f/3")).await.unwrap();
        assert_eq!(ops(&one), [Op::Stat]);
    }
}

#[tokio::test]
async fn a_get_looks_for_a_folder_at_the_same_time_and_only_once() {
    let one = bucket_with_members(false).await;
    get(&one.view, "f/3").await.unwrap();
    assert_eq!(ops(&one), [Op::Read, Op::Stat]);
    get(&one.view, "f/3").await.unwrap();
    assert_eq!(ops(&one), [Op::Read, Op::Stat, Op::Read]);
    let one = bucket_with_members(false).await;
    for _ in 0..2 {
        assert!(get(&one.view, "f/no").await.unwrap_err().is_not_found());
        assert_eq!(one.log().total(), 2);
    }
}

#[tokio::test]
async fn a_small_put_into_a_listed_folder_is_one_upload_and_the_listing_stays_known() {
    let one = bucket_with_members(true).await;
    for to in ["f/new", "f/3"] {
        one.log().clear();
        put(&one.view, to, "x").await.unwrap();
        assert_eq!(ops(&one), [Op::Write, Op::UploadWrite, Op::Finish], "{to}");
    }
    // Its time is not told by the answer, and one listing tells all of them.
    names(&one.view, "f").await.unwrap();
    assert_eq!(one.log().count(Op::List), 1);
}

#[tokio::test]
async fn a_folder_is_one_call_in_a_listed_one_and_its_own_listing_none() {
    let one = bucket_with_members(true).await;
    one.view.create_dir(&path("f/new")).await.unwrap();
    put(&one.view, "f/new/x", "x").await.unwrap();
    assert_eq!(ops(&one), [Op::CreateDir, Op::Write, Op::UploadWrite, Op::Finish]);
    let one = bucket_with_members(false).await;
    one.view.create_dir(&path("f/new")).await.unwrap();
    assert_eq!(one.log().total(), 3, "a look at it and at its folder, and the marker");
}

#[tokio::test]
async fn a_delete_is_one_call_in_a_listed_folder_that_keeps_other_members() {
    let one = bucket_with_members(true).await;
    delete(&one.view, "f/3").await.unwrap();
    assert_eq!(ops(&one), [Op::Delete]);
    let one = bucket_with_members(false).await;
    delete(&one.view, "f/3").await.unwrap();
    assert_eq!(ops(&one), [Op::Stat, Op::List, Op::Delete]);
}

/// 1,000 files in 20 folders.
fn thousand() -> One {
    let memory = Memory::keys();
    for number in 0..1000 {
        memory.plant(&format!("d/{:02}/{number:03}", number % 20), "x");
    }
    memory.plant("other", "x");
    one(bucket(&memory), memory, kept(KEPT))
}

#[tokio::test]
async fn a_folder_of_a_thousand_files_is_copied_in_little_more_than_a_call_a_file() {
    let one = thousand();
    copy(&one.view, "d", "e").await.unwrap();
    assert_eq!(one.log().count(Op::Copy), 1000);
    assert!(one.log().total() <= 1040, "{}", one.log().total());
    assert_eq!(one.memory.raw_keys().len(), 2002, "the marker of the new top is all that was added");
}

#[tokio::test]
async fn a_folder_of_a_thousand_files_is_moved_in_little_more_than_a_call_a_file() {
    let one = thousand();
    rename(&one.view, "d", "e").await.unwrap();
    assert_eq!(one.log().count(Op::Copy), 1000);
    assert!(one.log().total() <= 1050, "{}", one.log().total());
    assert_eq!(one.memory.raw_keys().len(), 1002);
}

#[tokio::test]
async fn a_folder_of_a_thousand_files_is_deleted_in_a_handful_of_calls() {
    let one = thousand();
    delete(&one.view, "d").await.unwrap();
    assert!(one.log().total() <= 8, "{:?}", ops(&one));
    assert_eq!(one.memory.raw_keys(), ["other"]);
}

#[tokio::test]
async fn a_link_to_a_listed_file_asks_the_storage_nothing_after_the_first() {
    let memory = Memory::keys().with_links("https://bucket.example");
    memory.plant("f/film", vec![0; 300_000]);
    let one = one(bucket(&memory), memory, kept(KEPT));
    names(&one.view, "f").await.unwrap();
    one.log().clear();
    let who = davmux_tree::Requester { user_agent: "rclone/v1.70", host: Some("dav.test"), ..Default::default() };
    for _ in 0..3 {
        assert!(matches!(open(&one.view, "f/film", &who).await.unwrap().source, davmux_tree::Source::Redirect(_)));
    }
    assert_eq!(ops(&one), [Op::Link]);
}
