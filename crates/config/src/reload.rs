//! A configuration in the place of another one that is being served.

use std::fmt;
use std::sync::Arc;

use davmux_server::Listen;
use davmux_tree::{Tree, TreePath};

use crate::build::{Base, BuildError, Built, made};
use crate::file::{Config, Mount, User};

/// What is not as it was, by the names of the file. `Display` is one line.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Changes {
    /// `mounts`
    pub mounts: Difference<TreePath>,
    /// `users`
    pub users: Difference<String>,
    /// Other sections.
    pub sections: Vec<&'static str>,
    /// Keys whose new value counts from the next start on.
    pub after_restart: Vec<&'static str>,
}

/// What came, what went, and what is there as before but not the same.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Difference<T> {
    /// New ones.
    pub added: Vec<T>,
    /// Those that are not there any more.
    pub removed: Vec<T>,
    /// Those of the same name that are not the same.
    pub changed: Vec<T>,
}

impl<T> Default for Difference<T> {
    fn default() -> Self {
        Self { added: Vec::new(), removed: Vec::new(), changed: Vec::new() }
    }
}

impl<T: Clone + PartialEq> Difference<T> {
    fn between<U>(now: &[U], former: &[U], name: impl Fn(&U) -> &T, same: impl Fn(&U, &U) -> bool) -> Self {
        let mut difference = Self::default();
        for one in now {
            match former.iter().find(|former| name(former) == name(one)) {
                None => difference.added.push(name(one).clone()),
                Some(former) if !same(one, former) => difference.changed.push(name(one).clone()),
                Some(_) => {}
            }
        }
        let gone = former.iter().map(&name).filter(|former| !now.iter().any(|one| name(one) == *former));
        difference.removed.extend(gone.cloned());
        difference
    }
}

impl Changes {
    fn between(now: &Config, former: &Config, base: &Base) -> Self {
        let mut sections = Vec::new();
        if now.server != former.server {
            sections.push("server");
        }
        if now.groups != former.groups {
            sections.push("groups");
        }
        if now.redirect_rules != former.redirect_rules {
            sections.push("redirect_rules");
        }
        let mut after_restart = Vec::new();
        if now.server.upload_memory != base.upload_memory {
            after_restart.push("server.upload_memory");
        }
        let stays = |listen: &&Listen| matches!(listen, Listen::Unix(_)) && former.server.listen.contains(listen);
        if now.server.socket_mode != former.server.socket_mode && now.server.listen.iter().any(|it| stays(&it)) {
            after_restart.push("server.socket_mode");
        }
        Self {
            mounts: Difference::between(&now.mounts, &former.mounts, |mount| &mount.path, is_same_mount),
            users: Difference::between(&now.users, &former.users, |user| &user.name, is_same_user),
            sections,
            after_restart,
        }
    }
}

impl fmt::Display for Changes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut parts = Vec::new();
        list(&mut parts, "mounts", &self.mounts);
        list(&mut parts, "users", &self.users);
        parts.extend(self.sections.iter().map(|section| format!("{section} changed")));
        parts.extend(self.after_restart.iter().map(|key| format!("{key} counts from the next start on")));
        if parts.is_empty() {
            return f.write_str("nothing changed");
        }
        f.write_str(&parts.join("; "))
    }
}

fn list<T: fmt::Display>(parts: &mut Vec<String>, what: &str, difference: &Difference<T>) {
    for (how, names) in
        [("added", &difference.added), ("removed", &difference.removed), ("changed", &difference.changed)]
    {
        if !names.is_empty() {
            let names: Vec<_> = names.iter().map(ToString::to_string).collect();
            parts.push(format!("{what} {how}: {}", names.join(", ")));
        }
    }
}

/// Whether two mounts are the same wherever they stand in the file.
fn is_same_mount(one: &Mount, other: &Mount) -> bool {
    Mount { at: other.at, ..one.clone() } == *other
}

fn is_same_user(one: &User, other: &User) -> bool {
    User { at: other.at, ..one.clone() } == *other
}

impl Config {
    /// Makes what is to be served in the place of a former configuration, whose tree goes on: mounts that are the same keep
    /// their drivers. Asks no storage, and changes nothing of what is being served.
    ///
    /// # Errors
    /// [`BuildError`]
    pub async fn build_beside(&self, former: &Self, tree: &Tree, base: &Base) -> Result<(Built, Changes), BuildError> {
        if self.server.state_dir != former.server.state_dir {
            let former = former.server.state_dir.as_ref();
            let former = former.map_or_else(|| "none".to_owned(), |folder| folder.display().to_string());
            return Err(BuildError::OtherState { former });
        }
        let kept = |mount: &Mount| {
            let same = former.mounts.iter().any(|former| is_same_mount(mount, former));
            tree.mounts().find(|there| same && *there.path() == mount.path).cloned()
        };
        let mut mounts: Vec<_> = self.mounts.iter().filter_map(kept).collect();
        let new: Vec<_> = self.mounts.iter().filter(|mount| kept(mount).is_none()).cloned().collect();
        mounts.extend(
            made(new, base.memory.clone(), Arc::clone(&base.metrics), base.relays.clone())
                .await?
                .into_iter()
                .map(Arc::new),
        );
        let next = tree.with(mounts, self.redirect_rules.clone());
        Ok((self.served(next, base.clone()), Changes::between(self, former, base)))
    }
}
