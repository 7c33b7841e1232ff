use super::*;

const TTL: Duration = Duration::from_secs(60);

fn path(text: &str) -> TreePath {
    TreePath::parse(text).unwrap()
}

fn one(name: &str) -> BTreeMap<Arc<str>, Kept> {
    BTreeMap::from([(Arc::from(name), Kept::told(Node::folder(name)))])
}

#[test]
fn a_listing_from_before_a_change_is_not_kept_behind_it() {
    let cache = Cache::new(Arc::new(Mounts::new(Vec::new())));
    let stamp = cache.stamp(&path("/f"));
    let new = path("/f/new");
    cache.begin(&new, TTL).is(Some(Kept::told(Node::folder("new"))));
    cache.keep_listing(&path("/f"), one("old"), TTL, stamp);
    assert!(cache.listing(&path("/f")).is_none());
    assert!(matches!(cache.known(&new), Known::Present(_)));
}

#[test]
fn a_listing_from_the_middle_of_a_change_shows_its_end() {
    let cache = Cache::new(Arc::new(Mounts::new(Vec::new())));
    let gone = path("/f/gone");
    let change = cache.begin(&gone, TTL);
    let stamp = cache.stamp(&path("/f"));
    cache.keep_listing(&path("/f"), one("gone"), TTL, stamp);
    change.is(None);
    assert!(matches!(cache.known(&gone), Known::Absent));
}

#[test]
fn a_change_that_failed_leaves_nothing_known() {
    let cache = Cache::new(Arc::new(Mounts::new(Vec::new())));
    let stamp = cache.stamp(&path("/f"));
    cache.keep_listing(&path("/f"), one("a"), TTL, stamp);
    drop(cache.begin(&path("/f/a"), TTL));
    assert!(matches!(cache.known(&path("/f/a")), Known::No));
}

#[test]
fn nothing_of_a_subtree_is_kept_while_it_changes() {
    let cache = Cache::new(Arc::new(Mounts::new(Vec::new())));
    let change = cache.begin_deep(&path("/f"));
    let stamp = cache.stamp(&path("/f/sub"));
    cache.keep_listing(&path("/f/sub"), one("a"), TTL, stamp);
    assert!(cache.listing(&path("/f/sub")).is_none());
    drop(change);
    cache.keep_listing(&path("/f/sub"), one("a"), TTL, stamp);
    assert!(cache.listing(&path("/f/sub")).is_none(), "the stamp is from before the end");
    let stamp = cache.stamp(&path("/f/sub"));
    cache.keep_listing(&path("/f/sub"), one("a"), TTL, stamp);
    assert!(cache.listing(&path("/f/sub")).is_some());
}

#[test]
fn of_a_folder_that_is_renewed_nothing_from_before_counts() {
    let cache = Cache::new(Arc::new(Mounts::new(Vec::new())));
    let (folder, member) = (path("/f"), path("/f/a"));
    let stamp = cache.stamp(&folder);
    cache.keep_one(&member, None, TTL, stamp);
    assert!(matches!(cache.known(&member), Known::Absent));
    cache.renew(&folder);
    assert!(matches!(cache.known(&member), Known::No));
    cache.keep_listing(&folder, one("b"), TTL, stamp);
    cache.keep_one(&member, None, TTL, stamp);
    assert!(cache.listing(&folder).is_none() && matches!(cache.known(&member), Known::No), "a look from before");
    cache.keep_one(&member, Some(Kept::told(Node::folder("a"))), TTL, cache.stamp(&folder));
    assert!(matches!(cache.known(&member), Known::Present(_)));
}

#[test]
fn a_refresh_forgets_what_is_below_and_not_what_is_beside() {
    let cache = Cache::new(Arc::new(Mounts::new(Vec::new())));
    for folder in ["/f", "/f/sub", "/g"] {
        cache.keep_listing(&path(folder), one("a"), TTL, cache.stamp(&path(folder)));
    }
    let late = cache.stamp(&path("/f/sub"));
    cache.keep_one(&path("/f/sub/deep/x"), None, TTL, cache.stamp(&path("/f/sub/deep")));
    cache.refresh(&path("/f"));
    assert!(cache.listing(&path("/f")).is_none() && cache.listing(&path("/f/sub")).is_none());
    assert!(matches!(cache.known(&path("/f/sub/deep/x")), Known::No));
    assert!(cache.listing(&path("/g")).is_some());
    cache.keep_listing(&path("/f/sub"), one("a"), TTL, late);
    assert!(cache.listing(&path("/f/sub")).is_none(), "a load from before is not kept");
    cache.refresh(&TreePath::root());
    assert!(cache.listing(&path("/g")).is_none());
}
