//! Links for people and players, outside of any request.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use davmux_driver_testkit::Memory;
use davmux_tree::{Access, ErrorKind, LinkTo, Mount, MountOptions, Native, Problem, Tree, TreeOptions, View};

use crate::support::*;

/// A view on `m/file` in a storage.
fn view(memory: Memory) -> View {
    memory.plant("file", b"text".to_vec());
    let options = MountOptions { link_life: Duration::from_secs(3600), ..MountOptions::default() };
    let store = Arc::new(davmux_state::Memory::new());
    let mounts = vec![Mount::new(at("/m"), bucket(&memory), options)];
    View::new(Tree::new(mounts, TreeOptions { redirect_rules: Vec::new(), store }), at("/"), Access::ReadOnly)
}

fn linking() -> Memory {
    Memory::keys().with_links("https://bucket.example")
}

#[tokio::test]
async fn a_link_lives_as_long_as_it_was_asked_for_or_as_the_mount_says() {
    let view = view(linking());
    for (asked, seconds) in [(None, 3600), (Some(Duration::from_secs(60)), 60)] {
        let before = SystemTime::now();
        let Native::Done(link) = view.link(&path("m/file"), asked, LinkTo::Clients).await.unwrap() else {
            panic!("no link")
        };
        let after = SystemTime::now();
        let (end, life) = (link.expires_at.unwrap(), Duration::from_secs(seconds));
        assert!((before + life..=after + life).contains(&end));
    }
}

#[tokio::test]
async fn only_a_file_that_is_there_has_a_link() {
    let view = view(linking());
    for nothing in ["m/none", "elsewhere"] {
        assert!(view.link(&path(nothing), None, LinkTo::Clients).await.unwrap_err().is_not_found(), "{nothing}");
    }
    for folder in ["", "m"] {
        let error = view.link(&path(folder), None, LinkTo::Clients).await.unwrap_err();
        assert_eq!(error.problem(), Problem::Storage(ErrorKind::IsDir), "{folder:?}");
    }
}

#[tokio::test]
async fn a_storage_without_links_says_so() {
    assert!(matches!(
        view(Memory::keys()).link(&path("m/file"), None, LinkTo::Clients).await.unwrap(),
        Native::Declined
    ));
}
