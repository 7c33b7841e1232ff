//! Redirect or relay, through the whole way of a GET (promise 6, design section 3.3).

use std::sync::Arc;
use std::time::Duration;

use davmux_driver_testkit::{Memory, Op};
use davmux_tree::{Access, Mount, MountOptions, ReadPolicy, RedirectRule, Requester, Source, Tree, TreeOptions, View};

use crate::support::*;

const BIG: usize = 256 * 1024 + 1;

/// A view on `big` and `small` in a storage that links to `host`.
fn linked(host: &str, read: ReadPolicy, rules: Vec<RedirectRule>) -> View {
    let memory = Memory::keys().with_links(host);
    memory.plant("big", vec![b'x'; BIG]);
    memory.plant("small", vec![b'x'; BIG - 1]);
    let options = MountOptions { read, ..kept(KEPT) };
    let store = Arc::new(davmux_state::Memory::new());
    let tree =
        Tree::new(vec![Mount::new(at("/"), bucket(&memory), options)], TreeOptions { redirect_rules: rules, store });
    View::new(tree, at("/"), Access::ReadOnly)
}

fn rule(user_agent: &str, redirect: bool) -> RedirectRule {
    RedirectRule { user_agent: regex::Regex::new(user_agent).unwrap(), redirect }
}

fn rclone() -> Requester<'static> {
    Requester {
        user_agent: "rclone/v1.70.3",
        peer: Some("203.0.113.9".parse().unwrap()),
        https: true,
        host: Some("dav.example.net:8443"),
        authorization: true,
        ..Requester::default()
    }
}

async fn decided(view: &View, file: &str, who: &Requester<'_>) -> (bool, &'static str) {
    let opened = open(view, file, who).await.unwrap();
    assert_eq!(matches!(opened.source, Source::Redirect(_)), opened.decision.redirect);
    (opened.decision.redirect, opened.decision.reason.as_str())
}

#[tokio::test]
async fn what_is_unsafe_is_relayed_whoever_forces_it() {
    const BUCKET: &str = "https://bucket.example";
    let cases: &[(&str, Requester<'_>, (bool, &str))] = &[
        (BUCKET, rclone(), (true, "client")),
        ("http://bucket.example", rclone(), (false, "https-to-http")),
        ("http://bucket.example", Requester { https: false, ..rclone() }, (true, "client")),
        ("https://127.0.0.1:9000", rclone(), (false, "unreachable-host")),
        ("https://10.0.0.7", rclone(), (false, "unreachable-host")),
        ("https://minio:9000", rclone(), (false, "unreachable-host")),
        ("https://10.0.0.7", Requester { peer: Some("10.0.0.9".parse().unwrap()), ..rclone() }, (true, "client")),
        ("https://cdn.dav.example.net", rclone(), (false, "carries-authorization")),
        ("https://dav.example.net:9000", rclone(), (false, "carries-authorization")),
        ("https://cdn.dav.example.net", Requester { authorization: false, ..rclone() }, (true, "client")),
        (BUCKET, Requester { host: None, ..rclone() }, (false, "carries-authorization")),
    ];
    for (host, who, expected) in cases {
        let auto = linked(host, ReadPolicy::Auto, Vec::new());
        assert_eq!(decided(&auto, "big", who).await, *expected, "{host} for {who:?}");
        let forced = linked(host, ReadPolicy::Redirect, Vec::new());
        assert_eq!(decided(&forced, "big", who).await.0, expected.0, "forced: {host} for {who:?}");
    }
}

#[tokio::test]
async fn small_files_are_relayed_unless_a_redirect_is_forced() {
    const BUCKET: &str = "https://bucket.example";
    let auto = linked(BUCKET, ReadPolicy::Auto, Vec::new());
    assert_eq!(decided(&auto, "small", &rclone()).await, (false, "small"));
    assert_eq!(decided(&auto, "small", &Requester { wish: Some(true), ..rclone() }).await, (true, "asked"));
    let forced = linked(BUCKET, ReadPolicy::Redirect, Vec::new());
    assert_eq!(decided(&forced, "small", &rclone()).await, (true, "mount"));
    let by_rule = linked(BUCKET, ReadPolicy::Auto, vec![rule(".", true)]);
    assert_eq!(decided(&by_rule, "small", &rclone()).await, (false, "small"));
}

#[tokio::test]
async fn the_mount_the_wish_the_rules_and_the_table_decide_in_this_order() {
    const BUCKET: &str = "https://bucket.example";
    let unknown = Requester { user_agent: "Something/1", ..rclone() };
    let rules = || vec![rule("^Something", true), rule("^rclone", false), rule("", true)];
    let auto = linked(BUCKET, ReadPolicy::Auto, rules());
    assert_eq!(decided(&auto, "big", &unknown).await, (true, "rule"));
    assert_eq!(decided(&auto, "big", &rclone()).await, (false, "rule"));
    let wish = |wish, who: Requester<'static>| Requester { wish: Some(wish), ..who };
    assert_eq!(decided(&auto, "big", &wish(true, rclone())).await, (true, "asked"));
    assert_eq!(decided(&auto, "big", &wish(false, unknown.clone())).await, (false, "asked"));
    let relay = linked(BUCKET, ReadPolicy::Relay, rules());
    assert_eq!(decided(&relay, "big", &wish(true, unknown.clone())).await, (false, "mount"));
    let redirect = linked(BUCKET, ReadPolicy::Redirect, rules());
    assert_eq!(decided(&redirect, "big", &rclone()).await, (true, "mount"));
    assert_eq!(decided(&redirect, "big", &wish(false, rclone())).await, (false, "asked"));
    let plain = linked(BUCKET, ReadPolicy::Auto, Vec::new());
    assert_eq!(decided(&plain, "big", &unknown).await, (false, "unknown-client"));
}

#[tokio::test]
async fn players_that_seek_on_a_link_get_none_that_ends_early() {
    let view = |life: Duration, read| {
        let memory = Memory::keys().with_links("https://bucket.example").with_links_for(Duration::from_secs(7200));
        memory.plant("big", vec![b'x'; BIG]);
        let options = MountOptions { read, link_life: life, ..kept(KEPT) };
        let store = Arc::new(davmux_state::Memory::new());
        let options_of_tree = TreeOptions { redirect_rules: vec![rule("^mpv", true)], store };
        let tree = Tree::new(vec![Mount::new(at("/"), bucket(&memory), options)], options_of_tree);
        View::new(tree, at("/"), Access::ReadOnly)
    };
    let player = |user_agent| Requester { user_agent, authorization: false, ..rclone() };
    let browser = |sec_fetch_dest| Requester { sec_fetch_dest, ..player("Mozilla/5.0") };
    let hours = |hours: u64| Duration::from_secs(hours * 3600);
    let short = view(hours(4), ReadPolicy::Auto);
    for who in [player("Kodi/21.1"), player("VLC/3.0.20"), player("nPlayer/3.12"), browser("video")] {
        assert_eq!(decided(&short, "big", &who).await, (false, "short-link"), "{who:?}");
        let long_enough = view(hours(1), ReadPolicy::Auto);
        assert_eq!(decided(&long_enough, "big", &who).await, (true, "client"), "{who:?}");
    }
    for who in [rclone(), player("gvfs/1.54.0"), browser("document")] {
        assert_eq!(decided(&short, "big", &who).await, (true, "client"), "{who:?}");
    }
    // Who named a redirect gets it.
    assert_eq!(decided(&short, "big", &player("mpv/0.38")).await, (true, "rule"));
    let forced = view(hours(4), ReadPolicy::Redirect);
    assert_eq!(decided(&forced, "big", &player("Kodi/21.1")).await, (true, "mount"));
}

#[tokio::test]
async fn a_storage_without_links_relays() {
    let one = keys();
    one.memory.plant("big", vec![0; BIG]);
    assert_eq!(decided(&one.view, "big", &rclone()).await, (false, "no-link"));
}

#[tokio::test]
async fn a_link_of_the_longest_life_is_not_handed_out_twice() {
    let life = Duration::from_secs(7 * 24 * 3600);
    let memory = Memory::keys().with_links("https://bucket.example");
    memory.plant("big", vec![0; BIG]);
    let one = one(bucket(&memory), memory, MountOptions { link_life: life, ..kept(KEPT) });
    for expected in 1..=2 {
        decided(&one.view, "big", &rclone()).await;
        assert_eq!(one.log().count(Op::Link), expected, "the second client would get less than was promised");
    }
}
