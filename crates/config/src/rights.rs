//! What users and groups may do, and how that is put together.
//!
//! A longer path always wins. At one path what is said of the user wins over what is said of their groups, and among
//! groups the most that one of them gives: being in one group more takes nothing away that another gives at the same path.

use davmux_tree::{Access, Rights, TreePath};

use crate::file::{Config, User};
use crate::mistake::Position;

/// One of `groups`.
#[derive(Clone, Debug)]
pub struct Group {
    /// Where the name stands in the file.
    pub at: Position,
    /// The name, different from all others.
    pub name: String,
    /// What its members may do where nothing else is said; `None`: it says nothing of that.
    pub access: Option<Access>,
    /// What its members may do below some paths.
    pub rights: Vec<Right>,
}

/// One of `rights`: what may be done at a path of the tree and below it.
#[derive(Clone, Debug)]
pub struct Right {
    /// Where the path stands in the file.
    pub at: Position,
    /// Not the root, of which `access` tells.
    pub path: TreePath,
    /// What may be done there.
    pub access: Access,
}

/// A group that a user, or whoever is not logged in, is in.
#[derive(Clone, Debug)]
pub struct Membership {
    /// Where it stands in the file.
    pub at: Position,
    /// The name of the group.
    pub group: String,
}

/// Where it stands in the file makes no difference.
impl PartialEq for Group {
    fn eq(&self, other: &Self) -> bool {
        (&self.name, self.access, &self.rights) == (&other.name, other.access, &other.rights)
    }
}

impl PartialEq for Right {
    fn eq(&self, other: &Self) -> bool {
        (&self.path, self.access) == (&other.path, other.access)
    }
}

impl PartialEq for Membership {
    fn eq(&self, other: &Self) -> bool {
        self.group == other.group
    }
}

impl Eq for Group {}
impl Eq for Right {}
impl Eq for Membership {}

impl Config {
    /// What a user may do, with what their groups give.
    pub fn rights_of(&self, user: &User) -> Rights {
        self.rights(user.access, &user.groups, &user.rights, Access::ReadWrite)
    }

    /// What whoever is not logged in may do: what `anonymous_groups` say, and never more than `most`.
    pub(crate) fn rights_of_all(&self, most: Access) -> Rights {
        self.rights(None, &self.server.anonymous_groups, &[], most).at_most(most)
    }

    fn rights(&self, own: Option<Access>, memberships: &[Membership], rights: &[Right], usual: Access) -> Rights {
        let is_in = |group: &&Group| memberships.iter().any(|membership| membership.group == group.name);
        let groups: Vec<&Group> = self.groups.iter().filter(is_in).collect();
        let access = own.or_else(|| groups.iter().filter_map(|group| group.access).max()).unwrap_or(usual);
        // Of two rules at one path the later counts.
        let mut of_groups: Vec<&Right> = groups.iter().flat_map(|group| &group.rights).collect();
        of_groups.sort_by_key(|right| right.access);
        Rights::new(access, of_groups.into_iter().chain(rights).map(|right| (right.path.clone(), right.access)))
    }
}
