//! [`TreePath`]: an absolute place in the tree.

use std::fmt;

use davmux_driver::{InvalidPath, RelPath};

/// An absolute path in the tree, with all mounts joined. Another type than [`RelPath`], so that a place in the tree, a
/// place in a mount and a place in a view cannot be mixed up: caches, locks and properties are keyed by this one.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct TreePath(RelPath);

impl TreePath {
    /// `/`
    pub fn root() -> Self {
        Self(RelPath::root())
    }

    /// Checks a text that begins with `/`; one slash at its end is allowed.
    ///
    /// # Errors
    /// [`InvalidPath`] where it does not begin with `/` or breaks a rule of [`RelPath`].
    pub fn parse(text: &str) -> Result<Self, InvalidPath> {
        let below = text.strip_prefix('/').ok_or(InvalidPath::EmptySegment)?;
        Ok(Self(RelPath::parse(below.strip_suffix('/').unwrap_or(below))?))
    }

    /// The place `below` this one.
    #[must_use]
    pub fn join(&self, below: &RelPath) -> Self {
        Self(self.0.join(below))
    }

    /// The member `name` of this folder.
    ///
    /// # Errors
    /// [`InvalidPath`] where the name is not one valid segment.
    pub fn child(&self, name: &str) -> Result<Self, InvalidPath> {
        self.0.child(name).map(Self)
    }

    /// The folder above; `None` for the root.
    pub fn parent(&self) -> Option<Self> {
        self.0.parent().map(Self)
    }

    /// The last segment; `""` for the root.
    pub fn name(&self) -> &str {
        self.0.name()
    }

    /// Whether this is `folder` or lies below it, by whole segments.
    pub fn is_within(&self, folder: &Self) -> bool {
        self.0.is_within(&folder.0)
    }

    /// What is left below `folder`; `None` for what is not inside.
    pub fn below(&self, folder: &Self) -> Option<RelPath> {
        self.0.strip_prefix(&folder.0)
    }

    /// Its text without the first slash; `""` for the root.
    pub(crate) fn below_root(&self) -> &str {
        self.0.as_str()
    }

    /// Whether it has one Unicode form only, whichever way it is stored.
    pub(crate) fn is_ascii(&self) -> bool {
        self.0.as_str().is_ascii()
    }

    /// How many segments it has.
    pub fn depth(&self) -> usize {
        self.0.segments().count()
    }

    /// Whether this is the root.
    pub fn is_root(&self) -> bool {
        self.0.is_root()
    }
}

impl fmt::Display for TreePath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "/{}", self.0)
    }
}
