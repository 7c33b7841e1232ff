//! [`Gate`]: what stands between a view and the tree.
//!
//! A view has no tree: it has a gate, which gives the tree away only together with a place and the right that was checked
//! for it. What reads takes a place with [`Read`], what changes one place a place with [`Write`], and what changes all
//! below it too a place with [`Whole`].

use std::sync::Arc;

use davmux_driver::RelPath;
use tokio::task::JoinHandle;

use crate::rights::{Rights, Sight, bare};
use crate::tree::Tree;
use crate::{Access, Error, Node, Problem, Result, TreePath};

/// The tree below a root, with what may be done in it.
#[derive(Clone, Debug)]
pub(crate) struct Gate {
    tree: Arc<Tree>,
    root: TreePath,
    rights: Rights,
}

/// A place at which something may be done, and the tree to do it in.
#[derive(Clone, Debug)]
pub(crate) struct Allowed<'a, R> {
    pub(crate) tree: &'a Arc<Tree>,
    at: TreePath,
    right: R,
}

/// May be looked at.
#[derive(Clone, Debug)]
pub(crate) struct Read {
    /// Only as a folder on the way to something else.
    way: bool,
    rights: Rights,
}

/// May be changed itself.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Write;

/// May be changed with all that can be below it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Whole;

impl Gate {
    pub(crate) fn new(tree: Arc<Tree>, root: TreePath, rights: &Rights) -> Self {
        Self { rights: rights.below(&root), tree, root }
    }

    pub(crate) fn tree_path(&self, path: &RelPath) -> TreePath {
        self.root.join(path)
    }

    /// The path of a place, or of the nearest folder above it that is seen; the root for what lies outside.
    pub(crate) fn shown_path(&self, place: &TreePath) -> RelPath {
        let mut place = place.clone();
        while self.rights.sight(&place) == Sight::Nothing {
            let Some(above) = place.parent() else { break };
            place = above;
        }
        place.below(&self.root).unwrap_or_else(RelPath::root)
    }

    pub(crate) fn sees(&self, place: &TreePath) -> bool {
        self.rights.sight(place) != Sight::Nothing
    }

    /// # Errors
    /// [`Problem::NotFound`] for what is not seen, before anything is asked: whether something is there makes no difference.
    pub(crate) fn readable(&self, path: &RelPath) -> Result<Allowed<'_, Read>> {
        let at = self.tree_path(path);
        let way = match self.rights.sight(&at) {
            Sight::Nothing => return Err(Error::new(Problem::NotFound, &at)),
            Sight::Way => true,
            Sight::All => false,
        };
        Ok(Allowed { tree: &self.tree, at, right: Read { way, rights: self.rights.clone() } })
    }

    /// # Errors
    /// [`Problem::ReadOnly`], whether something is there or not.
    pub(crate) fn writable(&self, path: &RelPath) -> Result<Allowed<'_, Write>> {
        let at = self.tree_path(path);
        match self.rights.at(&at) {
            Access::ReadWrite => Ok(Allowed { tree: &self.tree, at, right: Write }),
            Access::None | Access::ReadOnly => Err(Error::new(Problem::ReadOnly, &at)),
        }
    }

    /// # Errors
    /// As [`writable`](Self::writable), and [`Problem::Guarded`], whether something is there below or not.
    pub(crate) fn whole(&self, path: &RelPath) -> Result<Allowed<'_, Whole>> {
        let Allowed { tree, at, .. } = self.writable(path)?;
        if !self.rights.may_change_below(&at) {
            return Err(Error::new(Problem::Guarded, &at));
        }
        Ok(Allowed { tree, at, right: Whole })
    }

    pub(crate) fn to_its_end<T: Send + 'static>(
        &self,
        work: impl Future<Output = T> + Send + 'static,
    ) -> JoinHandle<T> {
        self.tree.tasks.spawn(work)
    }
}

impl<R: Clone> Allowed<'_, R> {
    /// In the tree.
    pub(crate) fn at(&self) -> &TreePath {
        &self.at
    }

    /// The same place in the Unicode form in which it is stored, which rights do not tell apart.
    pub(crate) fn stored(&self, at: TreePath) -> Self {
        Self { at, ..self.clone() }
    }
}

impl Allowed<'_, Read> {
    /// What is seen of the tree from here on.
    pub(crate) fn rights(&self) -> &Rights {
        &self.right.rights
    }

    /// Whether it is seen only as a folder on the way to something else.
    pub(crate) fn is_way(&self) -> bool {
        self.right.way
    }

    /// What stands there in whichever Unicode form it is stored, as it is seen, and that place.
    pub(crate) async fn find(&self) -> Result<(Self, Node)> {
        let (stored, node) = self.tree.find(&self.at).await?;
        let node = if self.right.way { bare(&node) } else { Some(node) };
        match node {
            Some(node) => Ok((self.stored(stored), node)),
            None => Err(Error::new(Problem::NotFound, &self.at)),
        }
    }
}
