//! [`Rights`]: what a user may do at each place of the tree.
//!
//! The longest path that covers a place decides. What may not be read is not there for its user, but for the way to what
//! may be read below it: such folders are seen, and hold nothing else.
//!
//! A rule covers a name in all its Unicode forms, since two spellings of a name can lead to the same file.

use std::borrow::Cow;
use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use futures_util::StreamExt;
use unicode_normalization::{UnicodeNormalization, is_nfc};

use crate::{Listing, Node, TreePath};

/// What a user may do. Each right holds those before it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Access {
    /// Nothing: what is there is not seen.
    None,
    /// List and read.
    ReadOnly,
    /// Change, too.
    ReadWrite,
}

/// What a user may do at each place of the tree. Clones share the table.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rights(Arc<Table>);

/// Paths are without their first slash, in NFC; `""` is the root.
#[derive(Debug, Default, PartialEq, Eq)]
struct Table {
    /// The root has one always.
    rules: HashMap<String, Access>,
    /// The folders above each rule that lets its place be read.
    ways: HashSet<String>,
    /// The folders above each rule that does not let its place be changed.
    guarded: HashSet<String>,
    /// The folders of which a member itself has a rule by which it may not be read.
    hiding: HashSet<String>,
}

/// How a place is seen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Sight {
    /// As if nothing were there.
    Nothing,
    /// As a folder that holds only the way to what may be read below it.
    Way,
    /// As it is.
    All,
}

impl From<Access> for Rights {
    /// The same everywhere.
    fn from(access: Access) -> Self {
        Self::new(access, [])
    }
}

impl Rights {
    /// `access` at the root of the tree, and rules for what they cover. Of two rules at one place the later counts.
    pub fn new(access: Access, rules: impl IntoIterator<Item = (TreePath, Access)>) -> Self {
        let root = [(String::new(), access)];
        let rules = root.into_iter().chain(rules.into_iter().map(|(path, access)| (key(&path).into_owned(), access)));
        Self(Arc::new(Table::new(rules.collect())))
    }

    /// The same, and nowhere more than `most`.
    #[must_use]
    pub fn at_most(&self, most: Access) -> Self {
        let rules = self.0.rules.iter().map(|(path, access)| (path.clone(), (*access).min(most)));
        Self(Arc::new(Table::new(rules.collect())))
    }

    /// What may be done at a place.
    pub fn at(&self, place: &TreePath) -> Access {
        self.0.access(&key(place))
    }

    /// Of these rights, those that count for a user who sees the tree from `root` on.
    pub(crate) fn below(&self, root: &TreePath) -> Self {
        if self.0.is_uniform() || root.is_root() {
            return self.clone();
        }
        let root = key(root);
        let mut rules: HashMap<_, _> = (self.0.rules.iter())
            .filter(|(path, _)| is_below(path, &root))
            .map(|(path, access)| (path.clone(), *access))
            .collect();
        rules.insert(String::new(), self.0.access(&root));
        Self(Arc::new(Table::new(rules)))
    }

    pub(crate) fn sight(&self, place: &TreePath) -> Sight {
        self.0.sight(&key(place))
    }

    /// Whether all that can be below a place may be changed.
    pub(crate) fn may_change_below(&self, place: &TreePath) -> bool {
        self.0.guarded.is_empty() || !self.0.guarded.contains(&*key(place))
    }

    /// Whether what the state store keeps under this path is of something that is seen as it is.
    pub(crate) fn shows(&self, kept: &str) -> bool {
        self.0.sight(kept.trim_start_matches('/')) == Sight::All
    }

    /// What is seen of the members of a folder; `None`: all of them, as they are.
    pub(crate) fn members(&self, folder: &TreePath) -> Option<Members> {
        if self.0.is_uniform() {
            return match self.0.access("") {
                Access::None => Some(Members { others: false, named: HashMap::new() }),
                Access::ReadOnly | Access::ReadWrite => None,
            };
        }
        let folder = key(folder);
        let others = self.0.access(&folder) >= Access::ReadOnly;
        if others && !self.0.hiding.contains(&*folder) {
            return None;
        }
        let below = self.0.rules.keys().filter_map(|path| match &*folder {
            "" => Some(&**path).filter(|path| !path.is_empty()),
            folder => path.strip_prefix(folder)?.strip_prefix('/'),
        });
        let named = below.map(|below| {
            let name = below.split('/').next().unwrap_or_default();
            let member = if folder.is_empty() { name.to_owned() } else { format!("{folder}/{name}") };
            (name.to_owned(), self.0.sight(&member))
        });
        Some(Members { others, named: named.collect() })
    }
}

/// What is seen of the members of one folder.
#[derive(Debug)]
pub(crate) struct Members {
    /// Whether those without a rule of their own are seen.
    others: bool,
    /// By name in NFC.
    named: HashMap<String, Sight>,
}

impl Members {
    pub(crate) fn sight(&self, name: &str) -> Sight {
        let named = if is_nfc(name) { self.named.get(name) } else { self.named.get(&name.nfc().collect::<String>()) };
        match named {
            Some(sight) => *sight,
            None if self.others => Sight::All,
            None => Sight::Nothing,
        }
    }

    /// A member as it is seen.
    fn show(&self, node: Node) -> Option<Node> {
        match self.sight(&node.name) {
            Sight::All => Some(node),
            Sight::Way => bare(&node),
            Sight::Nothing => None,
        }
    }

    /// A listing of what is seen.
    pub(crate) fn of(self, listing: Listing) -> Listing {
        let shown = move |nodes: Vec<Node>| nodes.into_iter().filter_map(|node| self.show(node)).collect();
        listing.map(move |page| page.map(&shown)).boxed()
    }
}

/// What is seen of a folder on the way to something else; `None` of a file, which leads nowhere.
pub(crate) fn bare(node: &Node) -> Option<Node> {
    node.is_dir().then(|| Node::folder(&node.name))
}

impl Table {
    fn new(rules: HashMap<String, Access>) -> Self {
        let mut table = Self::default();
        for (path, access) in &rules {
            if *access >= Access::ReadOnly {
                table.ways.extend(above(path).map(str::to_owned));
            } else {
                table.hiding.extend(above(path).next().map(str::to_owned));
            }
            if *access < Access::ReadWrite {
                table.guarded.extend(above(path).map(str::to_owned));
            }
        }
        Self { rules, ..table }
    }

    fn is_uniform(&self) -> bool {
        self.rules.len() == 1
    }

    fn access(&self, place: &str) -> Access {
        let place = if self.is_uniform() { "" } else { place };
        let mut covering = std::iter::once(place).chain(above(place)).filter_map(|place| self.rules.get(place));
        covering.next().copied().unwrap_or(Access::None)
    }

    fn sight(&self, place: &str) -> Sight {
        if self.access(place) >= Access::ReadOnly {
            Sight::All
        } else if self.ways.contains(place) {
            Sight::Way
        } else {
            Sight::Nothing
        }
    }
}

/// What rules know a place by.
fn key(path: &TreePath) -> Cow<'_, str> {
    let text = path.below_root();
    if is_nfc(text) { Cow::Borrowed(text) } else { Cow::Owned(text.nfc().collect()) }
}

/// The folders above a place, the nearest first, the root last.
fn above(path: &str) -> impl Iterator<Item = &str> {
    let folder = |path: &str| path.rfind('/').unwrap_or(0);
    std::iter::successors((!path.is_empty()).then(|| &path[..folder(path)]), move |path| {
        (!path.is_empty()).then(|| &path[..folder(path)])
    })
}

fn is_below(path: &str, folder: &str) -> bool {
    path.strip_prefix(folder).is_some_and(|rest| rest.starts_with('/'))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(path: &str) -> TreePath {
        TreePath::parse(path).unwrap()
    }

    fn rights(access: Access, rules: &[(&str, Access)]) -> Rights {
        Rights::new(access, rules.iter().map(|(path, access)| (at(path), *access)))
    }

    #[test]
    fn the_longest_path_that_covers_a_place_decides_by_whole_segments() {
        use Access::{None, ReadOnly, ReadWrite};
        let rights =
            rights(ReadOnly, &[("/a", ReadWrite), ("/a/b", None), ("/a/b/c", ReadOnly), ("/a/b/c/d/e", ReadWrite)]);
        for (path, access, sight) in [
            ("/", ReadOnly, Sight::All),
            ("/x", ReadOnly, Sight::All),
            ("/a", ReadWrite, Sight::All),
            ("/ab", ReadOnly, Sight::All),
            ("/a/bc", ReadWrite, Sight::All),
            ("/a/b", None, Sight::Way),
            ("/a/b/x", None, Sight::Nothing),
            ("/a/b/c/d", ReadOnly, Sight::All),
            ("/a/b/c/d/e/f", ReadWrite, Sight::All),
        ] {
            assert_eq!((rights.at(&at(path)), rights.sight(&at(path))), (access, sight), "{path}");
        }
        for (path, whole) in [("/", false), ("/a", false), ("/a/b/c", true), ("/a/bc", true), ("/x", true)] {
            assert_eq!(rights.may_change_below(&at(path)), whole, "{path}");
        }
        let capped = rights.at_most(ReadOnly);
        assert_eq!(capped.at(&at("/a")), ReadOnly);
        assert_eq!(capped.at(&at("/a/b")), None);
        assert!(!capped.may_change_below(&at("/a/b/c")));
    }

    #[test]
    fn only_folders_with_a_hidden_member_of_their_own_are_filtered() {
        let rights = rights(Access::ReadOnly, &[("/a/b", Access::None), ("/a/b/c/d", Access::ReadOnly)]);
        assert!(rights.members(&at("/")).is_none() && rights.members(&at("/x")).is_none());
        let members = rights.members(&at("/a")).unwrap();
        assert_eq!((members.sight("b"), members.sight("x")), (Sight::Way, Sight::All));
        let members = rights.members(&at("/a/b")).unwrap();
        assert_eq!((members.sight("c"), members.sight("x")), (Sight::Way, Sight::Nothing));
        assert!(rights.members(&at("/a/b/c/d")).is_none());
        assert!(Rights::from(Access::ReadOnly).members(&at("/")).is_none());
        assert_eq!(Rights::from(Access::None).members(&at("/")).unwrap().sight("x"), Sight::Nothing);
    }

    #[test]
    fn a_rule_covers_a_name_in_all_its_unicode_forms() {
        for rule in ["/caf\u{e9}/in", "/cafe\u{301}/in"] {
            let rights = rights(Access::ReadWrite, &[(rule, Access::None)]);
            for path in ["/caf\u{e9}/in/x", "/cafe\u{301}/in"] {
                assert_eq!(rights.sight(&at(path)), Sight::Nothing, "{rule} {path}");
            }
            assert!(!rights.may_change_below(&at("/cafe\u{301}")));
            assert_eq!(rights.members(&at("/cafe\u{301}")).unwrap().sight("in"), Sight::Nothing);
        }
        let rights = rights(Access::ReadOnly, &[("/cafe\u{301}", Access::None)]);
        assert_eq!(rights.members(&at("/")).unwrap().sight("cafe\u{301}"), Sight::Nothing);
        assert_eq!(rights.members(&at("/")).unwrap().sight("caf\u{e9}"), Sight::Nothing);
    }

    #[test]
    fn what_lies_outside_a_root_does_not_count_below_it() {
        let all = rights(Access::None, &[("/home", Access::ReadOnly), ("/home/a/b", Access::None)]);
        let seen = all.below(&at("/home/a"));
        assert_eq!(seen.at(&at("/home/a/x")), Access::ReadOnly);
        assert_eq!(seen.at(&at("/home/a/b")), Access::None);
        let seen = all.below(&at("/home/c"));
        assert!(seen.0.is_uniform() && seen.members(&at("/home/c")).is_none());
    }
}
