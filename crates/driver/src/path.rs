//! [`RelPath`]: a path below a root, checked once.

use std::fmt;
use std::sync::Arc;

/// A path below a root (of a storage, or of what a user sees): UTF-8, segments joined by `/`, and the root is `""`.
///
/// No segment is empty, `.` or `..`; there is no control character and no `/` at either end. So joining two of them
/// can never climb out of a root. Bytes are kept as given: Unicode forms are the tree's concern.
///
/// ```
/// use davmux_driver::RelPath;
/// let path = RelPath::parse("films/2024/a.mkv").unwrap();
/// assert_eq!(path.name(), "a.mkv");
/// assert_eq!(path.parent().unwrap().as_str(), "films/2024");
/// assert!(RelPath::parse("films/../secret").is_err());
/// ```
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct RelPath(Arc<str>);

/// Why a text is not a [`RelPath`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum InvalidPath {
    /// Two slashes in a row, or one at an end.
    #[error("a path segment is empty")]
    EmptySegment,
    /// A `.` or `..` segment.
    #[error("a path segment is '.' or '..'")]
    DotSegment,
    /// A character that no name may hold (Unicode category Cc, U+FFFE or U+FFFF): XML 1.0, and so WebDAV, cannot say it.
    #[error("a path holds a control character")]
    Control,
    /// A name with a slash in it.
    #[error("a name holds a '/'")]
    Slash,
}

impl RelPath {
    /// The root.
    pub fn root() -> Self {
        Self(Arc::from(""))
    }

    /// Checks a text.
    ///
    /// # Errors
    /// [`InvalidPath`] where the text breaks a rule of the type.
    pub fn parse(text: &str) -> Result<Self, InvalidPath> {
        if text.is_empty() {
            return Ok(Self::root());
        }
        text.split('/').try_for_each(check_name)?;
        Ok(Self(Arc::from(text)))
    }

    /// The child `name` of this path.
    ///
    /// # Errors
    /// [`InvalidPath`] where the name is not one valid segment.
    pub fn child(&self, name: &str) -> Result<Self, InvalidPath> {
        if name.contains('/') {
            return Err(InvalidPath::Slash);
        }
        check_name(name)?;
        Ok(self.join_checked(name))
    }

    /// This path with `below` appended.
    #[must_use]
    pub fn join(&self, below: &Self) -> Self {
        match (self.is_root(), below.is_root()) {
            (true, _) => below.clone(),
            (_, true) => self.clone(),
            _ => self.join_checked(below.as_str()),
        }
    }

    fn join_checked(&self, below: &str) -> Self {
        if self.is_root() {
            return Self(Arc::from(below));
        }
        let mut text = String::with_capacity(self.0.len() + 1 + below.len());
        text.push_str(&self.0);
        text.push('/');
        text.push_str(below);
        Self(Arc::from(text))
    }

    /// The folder that holds this entry; `None` for the root.
    pub fn parent(&self) -> Option<Self> {
        if self.is_root() {
            return None;
        }
        Some(match self.0.rfind('/') {
            Some(at) => Self(Arc::from(&self.0[..at])),
            None => Self::root(),
        })
    }

    /// The last segment; `""` for the root.
    pub fn name(&self) -> &str {
        self.0.rsplit('/').next().unwrap_or_default()
    }

    /// Whether this is the root.
    pub fn is_root(&self) -> bool {
        self.0.is_empty()
    }

    /// The text, without a slash at either end.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The segments from the root down; none for the root.
    pub fn segments(&self) -> impl DoubleEndedIterator<Item = &str> {
        self.0.split('/').filter(|segment| !segment.is_empty())
    }

    /// What is left of this path below `folder`: the root for `folder` itself, `None` for what is not inside.
    /// Whole segments count: `ab` is not below `a`.
    pub fn strip_prefix(&self, folder: &Self) -> Option<Self> {
        if folder.is_root() {
            return Some(self.clone());
        }
        match self.0.strip_prefix(folder.as_str())? {
            "" => Some(Self::root()),
            rest => rest.strip_prefix('/').map(|rest| Self(Arc::from(rest))),
        }
    }

    /// Whether this path is `folder` or below it, by whole segments.
    pub fn is_within(&self, folder: &Self) -> bool {
        folder.is_root()
            || self.0.strip_prefix(folder.as_str()).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
    }
}

fn check_name(name: &str) -> Result<(), InvalidPath> {
    match name {
        "" => Err(InvalidPath::EmptySegment),
        "." | ".." => Err(InvalidPath::DotSegment),
        _ if name.chars().any(|c| c.is_control() || matches!(c, '\u{fffe}' | '\u{ffff}')) => Err(InvalidPath::Control),
        _ => Ok(()),
    }
}

impl fmt::Debug for RelPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}", &*self.0)
    }
}

impl fmt::Display for RelPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_neighbour_is_not_within() {
        let (a, ab) = (RelPath::parse("a").unwrap(), RelPath::parse("ab").unwrap());
        assert!(!ab.is_within(&a));
        assert_eq!(ab.strip_prefix(&a), None);
        assert!(RelPath::parse("a/b").unwrap().is_within(&a));
    }

    #[test]
    fn what_could_climb_or_cannot_be_said_is_refused() {
        for (text, why) in [
            ("/a", InvalidPath::EmptySegment),
            ("a/", InvalidPath::EmptySegment),
            ("a//b", InvalidPath::EmptySegment),
            ("..", InvalidPath::DotSegment),
            ("a/./b", InvalidPath::DotSegment),
            ("a\0", InvalidPath::Control),
            ("a\nb", InvalidPath::Control),
        ] {
            assert_eq!(RelPath::parse(text), Err(why), "{text:?}");
        }
        assert_eq!(RelPath::root().child("a/b"), Err(InvalidPath::Slash));
    }

    proptest! {
        #[test]
        fn parse_never_panics_and_keeps_the_bytes(text in ".*") {
            if let Ok(path) = RelPath::parse(&text) {
                prop_assert_eq!(path.as_str(), text.as_str());
                prop_assert!(path.segments().all(|s| s != ".." && s != "." && !s.is_empty()));
            }
        }

        #[test]
        fn parent_and_name_rebuild_the_path(text in "[a-c.é]{1,4}(/[a-c.é]{1,4}){0,4}") {
            if let Ok(path) = RelPath::parse(&text) {
                let parent = path.parent().unwrap();
                prop_assert_eq!(parent.child(path.name()).unwrap(), path.clone());
                prop_assert!(path.is_within(&parent));
                prop_assert_eq!(parent.join(&path.strip_prefix(&parent).unwrap()), path);
            }
        }
    }
}
