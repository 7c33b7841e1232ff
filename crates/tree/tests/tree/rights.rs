//! What a user may not read is not there for them, and what they may not change stays as it is.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use davmux_driver_testkit::{Fault, Memory, Op};
use davmux_tree::{Access, ErrorKind, Problem, Property, PropertyChange, Result, Rights, Transfer, Tree, View, When};
use proptest::prelude::*;
use proptest::sample::select;

use crate::support::*;

fn rights(access: Access, rules: &[(&str, Access)]) -> Rights {
    Rights::new(access, rules.iter().map(|(path, access)| (at(path), *access)))
}

fn seen(tree: &Arc<Tree>, access: Access, rules: &[(&str, Access)]) -> View {
    View::new(Arc::clone(tree), at("/"), rights(access, rules))
}

const HIDDEN: (&str, Access) = ("/docs/secret", Access::None);

#[tokio::test]
async fn what_may_not_be_read_is_not_listed_and_not_found_without_a_call_whether_it_is_there_or_not() {
    for one in both() {
        fill(&one.view, &["docs/open", "docs/secret/file"]).await;
        let view = seen(&one.tree, Access::ReadWrite, &[HIDDEN]);
        assert_eq!(names(&view, "docs").await.unwrap(), ["open"]);
        let calls = one.log().total();
        for place in ["docs/secret", "docs/secret/file", "docs/secret/none", "docs/secret/file/x"] {
            let place = &path(place);
            assert_eq!(problem(view.stat(place).await), Problem::NotFound);
            assert_eq!(problem(view.list(place).await.map(drop)), Problem::NotFound);
            assert_eq!(problem(get(&view, place.as_str()).await), Problem::NotFound);
            assert_eq!(problem(view.renew(place).await), Problem::NotFound);
            assert_eq!(problem(view.renew_listing(place).await), Problem::NotFound);
            assert_eq!(problem(view.properties(place).await), Problem::NotFound);
            assert_eq!(problem(view.usage(place).await), Problem::NotFound);
            assert_eq!(problem(copy(&view, place.as_str(), "to").await), Problem::NotFound);
            assert_eq!(problem(put(&view, place.as_str(), "x").await), Problem::ReadOnly);
            assert_eq!(problem(view.create_dir(place).await), Problem::ReadOnly);
            assert_eq!(problem(delete(&view, place.as_str()).await), Problem::ReadOnly);
            assert_eq!(problem(rename(&view, place.as_str(), "to").await), Problem::ReadOnly);
            assert_eq!(problem(copy(&view, "docs/open", place.as_str()).await), Problem::ReadOnly);
            assert_eq!(problem(rename(&view, "docs/open", place.as_str()).await), Problem::ReadOnly);
            assert_eq!(problem(view.set_properties(place, Vec::new()).await), Problem::ReadOnly);
            assert_eq!(problem(view.set_modified(place, std::time::UNIX_EPOCH).await), Problem::ReadOnly);
            assert!(!view.sees(&view.tree_path(place)));
        }
        // Where the target of a copy would stand is looked at, as for any source that is not there.
        assert!(one.log().calls()[calls..].iter().all(|call| !call.path.as_str().contains("secret")));
    }
}

#[tokio::test]
async fn the_folders_on_the_way_to_what_may_be_read_hold_nothing_else_and_say_nothing_of_themselves() {
    for one in both() {
        fill(&one.view, &["a/b/c/file", "a/b/other", "a/x", "z"]).await;
        let mark = PropertyChange::Set(Property {
            namespace: "urn:t".into(),
            name: "p".into(),
            value: "v".into(),
            lang: None,
        });
        for place in ["a", "a/b", "a/b/c"] {
            one.view.set_properties(&path(place), vec![mark.clone()]).await.unwrap();
        }
        let view = seen(&one.tree, Access::None, &[("/a/b/c", Access::ReadWrite), ("/z/not/there", Access::ReadOnly)]);
        // A file leads nowhere.
        assert_eq!(names(&view, "").await.unwrap(), ["a"]);
        assert_eq!(problem(view.stat(&path("z")).await), Problem::NotFound);
        assert_eq!(problem(get(&view, "z").await), Problem::NotFound);
        assert_eq!(names(&view, "a").await.unwrap(), ["b"]);
        assert_eq!(names(&view, "a/b").await.unwrap(), ["c"]);
        assert_eq!(names(&view, "a/b/c").await.unwrap(), ["file"]);
        let way = view.stat(&path("a/b")).await.unwrap();
        assert!(way.is_dir() && way.modified.is_none() && way.etag.is_none());
        assert_eq!(problem(get(&view, "a/b").await), Problem::Storage(ErrorKind::IsDir));
        assert_eq!(view.properties(&path("a/b")).await.unwrap(), []);
        assert!(view.properties_of_members(&path("a")).await.unwrap().unwrap().is_empty());
        assert_eq!(view.properties(&path("a/b/c")).await.unwrap().len(), 1);
        assert!(view.usage(&path("a")).await.unwrap().is_none());
        for way in ["", "a", "a/b"] {
            assert_eq!(problem(view.writable(&path(way))), Problem::ReadOnly);
        }
        assert_eq!(view.shown_path(&at("/a/b/other/x")), path("a/b"));
        put(&view, "a/b/c/new", "x").await.unwrap();
        assert_eq!(delete(&view, "a/b/c").await.unwrap(), []);
        assert_eq!(names(&one.view, "a/b").await.unwrap(), ["other"]);
    }
}

#[tokio::test]
async fn a_folder_with_a_part_that_may_not_be_changed_is_deleted_moved_and_replaced_by_nobody_before_anything_is_touched()
 {
    for (below, is_there) in [(Access::None, true), (Access::ReadOnly, true), (Access::None, false)] {
        for one in both() {
            fill(&one.view, &["docs/open", "other/file", "docs/in/x"]).await;
            if is_there {
                fill(&one.view, &["docs/in/kept/file"]).await;
            }
            let before = all(&one.view, "").await.unwrap();
            let view = seen(&one.tree, Access::ReadWrite, &[("/docs/in/kept", below)]);
            let calls = one.log().total();
            for folder in ["docs", "docs/in"] {
                assert_eq!(problem(view.writable_below(&path(folder))), Problem::Guarded);
                assert_eq!(problem(view.may_change_below(&path(folder))), Problem::Guarded);
                assert_eq!(problem(delete(&view, folder).await), Problem::Guarded);
                assert_eq!(problem(rename(&view, folder, "to").await), Problem::Guarded);
                assert_eq!(problem(copy(&view, "other", folder).await), Problem::Guarded);
                assert_eq!(problem(copy(&view, "other/file", folder).await), Problem::Guarded);
                assert_eq!(problem(rename(&view, "other", folder).await), Problem::Guarded);
            }
            assert_eq!(problem(view.may_change_below(&path(""))), Problem::Guarded);
            assert_eq!(one.log().total(), calls, "nothing was asked, so the answer tells nothing");
            assert_eq!(all(&one.view, "").await.unwrap(), before);
            assert_eq!(delete(&view, "docs/open").await.unwrap(), []);
        }
    }
}

#[tokio::test]
async fn a_copy_is_of_what_is_seen_with_its_properties_alone() {
    for one in both() {
        fill(&one.view, &["docs/open", "docs/secret/file", "docs/secret/deep/mine", "docs/in/shut"]).await;
        let change = |value: &str| {
            let (namespace, name) = ("urn:t".into(), "p".into());
            PropertyChange::Set(Property { namespace, name, value: value.into(), lang: None })
        };
        for place in ["docs/open", "docs/secret", "docs/secret/file", "docs/secret/deep/mine"] {
            one.view.set_properties(&path(place), vec![change(place)]).await.unwrap();
        }
        let rules = [HIDDEN, ("/docs/secret/deep/mine", Access::ReadOnly), ("/docs/in/shut", Access::None)];
        let view = seen(&one.tree, Access::ReadWrite, &rules);
        assert!(copy(&view, "docs", "copy").await.unwrap().failed.is_empty());
        let copied = all(&one.view, "copy").await.unwrap();
        let copied: Vec<_> = copied.keys().map(String::as_str).collect();
        assert_eq!(copied, ["copy/in", "copy/open", "copy/secret", "copy/secret/deep", "copy/secret/deep/mine"]);
        // What comes there later without davmux shows what is kept under its name.
        let kept = async |place: &str| one.view.properties(&path(place)).await.unwrap().len();
        assert_eq!((kept("copy/open").await, kept("copy/secret/deep/mine").await), (1, 1));
        assert_eq!((kept("copy/secret").await, kept("copy/secret/file").await), (0, 0));
    }
}

#[tokio::test]
async fn a_copy_does_not_look_into_what_is_not_seen_and_does_not_fail_with_it() {
    let one = folders();
    fill(&one.view, &["docs/open", "docs/secret/in/file", "docs/secret/way/mine", "docs/secret/way/in/file"]).await;
    let rules = [HIDDEN, ("/docs/secret/way", Access::ReadOnly), ("/docs/secret/way/in", Access::None)];
    let view = seen(&one.tree, Access::ReadWrite, &rules);
    for hidden in ["docs/secret/in", "docs/secret/way/in"] {
        one.faulty.on(Op::List).at(&path(hidden)).every().fault(Fault::Before(ErrorKind::Denied));
    }
    assert_eq!(told(&copy(&view, "docs", "copy").await.unwrap().failed), []);
    one.faulty.heal();
    let copied: Vec<_> = all(&one.view, "copy").await.unwrap().into_keys().collect();
    assert_eq!(copied, ["copy/open", "copy/secret", "copy/secret/way", "copy/secret/way/mine"]);
}

#[tokio::test]
async fn a_file_that_takes_the_place_of_a_folder_on_the_way_is_not_copied() {
    for (one, last) in both().into_iter().zip([Op::Rename, Op::Delete]) {
        fill(&one.view, &["docs/secret/mine", "other/file"]).await;
        let view = seen(&one.tree, Access::ReadWrite, &[HIDDEN, ("/docs/secret/mine", Access::ReadOnly)]);
        // Another user's change is under way when the folder is looked at.
        let gate = one.faulty.on(last).gate();
        let owner = one.view.clone();
        let replaced = tokio::spawn(async move { copy(&owner, "other/file", "docs/secret").await });
        gate.reached().await;
        let copied = tokio::spawn(async move { copy(&view, "docs/secret", "to").await });
        settle().await;
        gate.open();
        replaced.await.unwrap().unwrap();
        assert_eq!(problem(copied.await.unwrap()), Problem::NotFound);
        assert_eq!(names(&one.view, "").await.unwrap(), ["docs", "other"]);
    }
}

#[tokio::test]
async fn a_mount_that_may_not_be_read_is_not_there_and_one_below_it_may_be() {
    let (outer, inner) = (Memory::folders(), Memory::keys());
    let mounts: Vec<(&str, Arc<dyn davmux_tree::Driver>, _)> = vec![
        ("/m", Arc::new(outer.clone()), kept(KEPT)),
        ("/m/in/ner", bucket(&inner), kept(KEPT)),
        ("/n", Arc::new(Memory::folders()), kept(KEPT)),
    ];
    let (tree, whole) = tree(mounts);
    fill(&whole, &["m/file", "m/other/file", "m/in/ner/file"]).await;
    let view = seen(&tree, Access::ReadWrite, &[("/m", Access::None), ("/m/in/ner", Access::ReadOnly)]);
    let shown: Vec<_> = all(&view, "").await.unwrap().into_keys().collect();
    assert_eq!(shown, ["m", "m/in", "m/in/ner", "m/in/ner/file", "n"]);
    assert!(copy(&view, "m", "n/copy").await.unwrap().failed.is_empty());
    let copied: Vec<_> = all(&whole, "n").await.unwrap().into_keys().collect();
    assert_eq!(copied, ["n/copy", "n/copy/in", "n/copy/in/ner", "n/copy/in/ner/file"]);
    let view = View::new(tree, at("/m/in"), rights(Access::None, &[("/m/in/ner", Access::ReadWrite)]));
    assert_eq!(names(&view, "").await.unwrap(), ["ner"]);
    put(&view, "ner/new", "x").await.unwrap();
}

#[tokio::test]
async fn rights_cost_no_call_and_listings_are_kept_for_all() {
    let one = keys();
    let files: Vec<String> = (0..50).map(|n| format!("docs/f{n}")).collect();
    fill(&one.view, &files.iter().map(String::as_str).collect::<Vec<_>>()).await;
    fill(&one.view, &["docs/secret/file"]).await;
    one.tree.refresh(&at("/"));
    let reader = seen(&one.tree, Access::ReadOnly, &[HIDDEN]);
    let listed = one.log().count(Op::List);
    assert_eq!(names(&reader, "docs").await.unwrap().len(), 50);
    assert_eq!(one.log().count(Op::List), listed + 1);
    assert_eq!(names(&one.view, "docs").await.unwrap().len(), 51);
    let other = seen(&one.tree, Access::None, &[("/docs/f1", Access::ReadOnly)]);
    assert_eq!(names(&other, "docs").await.unwrap(), ["f1"]);
    let calls = one.log().total();
    reader.stat(&path("docs/f1")).await.unwrap();
    assert_eq!(problem(reader.stat(&path("docs/none")).await), Problem::NotFound);
    assert_eq!((one.log().count(Op::List), one.log().total()), (listed + 1, calls));
}

/// The same, by looking at each rule.
#[derive(Clone, Debug)]
struct Plain(Vec<(String, Access)>);

fn is_within(path: &str, folder: &str) -> bool {
    folder.is_empty() || path == folder || path.strip_prefix(folder).is_some_and(|rest| rest.starts_with('/'))
}

impl Plain {
    fn at(&self, path: &str) -> Access {
        let covering = self.0.iter().filter(|(rule, _)| is_within(path, rule));
        covering.max_by_key(|(rule, _)| rule.len()).map_or(Access::ReadWrite, |(_, access)| *access)
    }

    fn shows(&self, path: &str, is_folder: bool) -> bool {
        let leads = |(rule, access): &(String, Access)| {
            rule != path && is_within(rule, path) && self.at(rule) == *access && *access != Access::None
        };
        self.at(path) != Access::None || (is_folder && self.0.iter().any(leads))
    }

    fn rights(&self) -> Rights {
        Rights::new(Access::ReadWrite, self.0.iter().map(|(path, access)| (at(&format!("/{path}")), *access)))
    }

    fn what_is_shown(&self, all: &BTreeMap<String, Option<String>>) -> BTreeMap<String, Option<String>> {
        let shown = all.iter().filter(|(path, content)| self.shows(path, content.is_none()));
        shown.map(|(path, content)| (path.clone(), content.clone())).collect()
    }
}

#[derive(Clone, Debug)]
enum Step {
    Put(String),
    Mkdir(String),
    Delete(String),
    Copy { from: String, to: String, overwrite: bool, deep: bool },
    Move { from: String, to: String, overwrite: bool },
    Look(String),
    Mark(String),
}

async fn run(view: &View, step: &Step, content: &str) -> Result<Vec<(String, Problem)>, Problem> {
    let done = match step {
        Step::Put(to) => put(view, to, content).await.map(|_| Vec::new()),
        Step::Mkdir(to) => view.create_dir(&path(to)).await.map(|()| Vec::new()),
        Step::Delete(what) => view.delete(&path(what), When::Always).await,
        Step::Copy { from, to, overwrite, deep } => {
            let options = Transfer { overwrite: *overwrite, deep: *deep };
            view.copy(&path(from), &path(to), options).await.map(|done| done.failed)
        }
        Step::Move { from, to, overwrite } => {
            view.rename(&path(from), &path(to), *overwrite).await.map(|done| done.failed)
        }
        Step::Look(what) => match view.stat(&path(what)).await {
            Ok(node) if node.is_dir() => names(view, what).await.map(|_| Vec::new()),
            Ok(_) => get(view, what).await.map(|_| Vec::new()),
            Err(error) => Err(error),
        },
        Step::Mark(what) => {
            let (namespace, name) = ("urn:t".into(), "p".into());
            let change = PropertyChange::Set(Property { namespace, name, value: content.into(), lang: None });
            view.set_properties(&path(what), vec![change]).await.map(|()| Vec::new())
        }
    };
    match done {
        Ok(failed) => Ok(told(&failed)),
        Err(error) => Err(match error.problem() {
            Problem::Storage(ErrorKind::NotFound) => Problem::NotFound,
            problem => problem,
        }),
    }
}

fn world(real: bool) -> (Arc<Tree>, View) {
    let root = if real { Memory::folders() } else { Memory::keys() };
    let root: Arc<dyn davmux_tree::Driver> = if real { Arc::new(root) } else { bucket(&root) };
    tree(vec![("/", root, kept(KEPT)), ("/b", bucket(&Memory::keys()), kept(KEPT))])
}

async fn holds(rules: Plain, files: &BTreeSet<String>, steps: &[Step], real: bool) {
    let (tree, owner) = world(real);
    for file in files {
        let above: Vec<_> = std::iter::successors(path(file).parent(), davmux_tree::RelPath::parent).collect();
        for folder in above.iter().rev().filter(|folder| !folder.is_root()) {
            let _there = owner.create_dir(folder).await;
        }
        let _a_folder = put(&owner, file, &format!("of {file}")).await;
    }
    let view = View::new(tree, at("/"), rules.rights());
    // The same as it would be if there were nothing but what is seen.
    let (other_tree, other_owner) = world(real);
    for (place, content) in rules.what_is_shown(&all(&owner, "").await.unwrap()) {
        match content {
            Some(content) => drop(put(&other_owner, &place, &content).await.unwrap()),
            None => drop(other_owner.create_dir(&path(&place)).await),
        }
    }
    let other = View::new(other_tree, at("/"), rules.rights());
    for (number, step) in steps.iter().enumerate() {
        let content = format!("content {number}");
        let before = all(&owner, "").await.unwrap();
        let known: BTreeSet<_> =
            rules.what_is_shown(&before).into_values().flatten().chain([content.clone()]).collect();
        let outcome = run(&view, step, &content).await;
        assert_eq!(outcome, run(&other, step, &content).await, "what is hidden shows in the answer to {step:?}");
        let after = all(&owner, "").await.unwrap();
        let places: BTreeSet<_> = before.keys().chain(after.keys()).collect();
        for place in places.into_iter().filter(|place| before.get(*place) != after.get(*place)) {
            assert_eq!(rules.at(place), Access::ReadWrite, "{step:?} changed {place}");
        }
        let shown = rules.what_is_shown(&after);
        if rules.shows("", true) {
            let told = all(&view, "").await.unwrap();
            assert_eq!(told, shown, "after {step:?}");
            assert_eq!(all(&other, "").await.unwrap(), shown, "after {step:?} where nothing is hidden");
        } else {
            assert_eq!(problem(view.list(&path("")).await.map(drop)), Problem::NotFound);
        }
        assert!(shown.values().flatten().all(|content| known.contains(content)), "{step:?} told what was hidden");
    }
}

fn a_path() -> impl Strategy<Value = String> {
    prop::collection::vec(select(&["a", "b", "ab"][..]), 0..4).prop_map(|names| names.join("/"))
}

fn a_step() -> impl Strategy<Value = Step> {
    prop_oneof![
        4 => a_path().prop_map(Step::Put),
        3 => a_path().prop_map(Step::Mkdir),
        3 => a_path().prop_map(Step::Delete),
        5 => (a_path(), a_path(), prop::bool::weighted(0.8), prop::bool::weighted(0.8))
            .prop_map(|(from, to, overwrite, deep)| Step::Copy { from, to, overwrite, deep }),
        5 => (a_path(), a_path(), prop::bool::weighted(0.8))
            .prop_map(|(from, to, overwrite)| Step::Move { from, to, overwrite }),
        2 => a_path().prop_map(Step::Look),
        1 => a_path().prop_map(Step::Mark),
    ]
}

fn some_rules() -> impl Strategy<Value = Plain> {
    let access = select(&[Access::None, Access::None, Access::ReadOnly, Access::ReadWrite][..]);
    prop::collection::btree_map(a_path(), access, 0..5).prop_map(|rules| Plain(rules.into_iter().collect()))
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 128, ..ProptestConfig::default() })]
    #[test]
    fn nothing_hidden_is_told_and_nothing_else_is_changed_by_any_operation(
        rules in some_rules(),
        files in prop::collection::btree_set(a_path().prop_filter("the root", |path| !path.is_empty()), 1..8),
        steps in prop::collection::vec(a_step(), 1..10),
        real in any::<bool>(),
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(holds(rules, &files, &steps, real));
    }
}
