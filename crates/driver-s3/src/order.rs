//! The order of a listing, and what follows from it.
//!
//! S3 sorts by bytes, so `blue`, `blue-1` and `blue/x` come in this order, and whether `blue` is hidden by a folder of
//! the same name is known only when `blue/` can no longer come. [`HoldBack`] keeps a file until then. A storage that
//! does not sort is noticed ([`Habits`](crate::list::Habits)) and then listed whole before anything is passed on.

use std::cmp::Ordering;
use std::time::SystemTime;

use davmux_driver::Etag;

/// A key of a listing, or a prefix (it ends in `/`) that stands for all keys that begin with it.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Item {
    pub(crate) key: Vec<u8>,
    pub(crate) size: u64,
    pub(crate) modified: Option<SystemTime>,
    pub(crate) etag: Option<Etag>,
    /// The key may be another than the listing says.
    pub(crate) doubtful: bool,
}

impl Item {
    fn is_folder(&self) -> bool {
        self.key.ends_with(b"/")
    }
}

/// What is known of items so far.
#[derive(Debug, Default)]
pub(crate) struct Sorted {
    /// Folders, and files that no folder hides.
    pub(crate) shown: Vec<Item>,
    /// Files behind a folder of the same name.
    pub(crate) hidden: Vec<Item>,
}

/// Holds files back while a folder of the same name can still come. Takes items in the order of their keys.
#[derive(Debug, Default)]
pub(crate) struct HoldBack {
    /// Each begins with the one before it, so there are never more than a key has bytes.
    held: Vec<Item>,
    last: Option<Vec<u8>>,
}

impl HoldBack {
    /// Whether the key comes where it must. The same key again is harmless.
    pub(crate) fn is_next(&self, key: &[u8]) -> bool {
        self.last.as_deref().is_none_or(|last| last <= key)
    }

    /// Takes the next item; a key that was just taken is not taken twice.
    pub(crate) fn take(&mut self, item: Item, sorted: &mut Sorted) {
        if self.last.as_ref() == Some(&item.key) {
            return;
        }
        while let Some(held) = self.held.last() {
            match against_folder(&item.key, &held.key) {
                // Its folder can still come.
                Ordering::Less => break,
                Ordering::Equal => sorted.hidden.extend(self.held.pop()),
                Ordering::Greater => sorted.shown.extend(self.held.pop()),
            }
        }
        self.last = Some(item.key.clone());
        if item.is_folder() { sorted.shown.push(item) } else { self.held.push(item) }
    }

    /// There are no more: what is held is not hidden.
    pub(crate) fn end(&mut self, sorted: &mut Sorted) {
        sorted.shown.append(&mut self.held);
    }
}

/// Where a key stands beside the keys that begin with `name/`: before, among or after them.
fn against_folder(key: &[u8], name: &[u8]) -> Ordering {
    match key.split_at_checked(name.len()) {
        Some((head, [next, ..])) if head == name => next.cmp(&b'/'),
        _ => key.cmp(name),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn item(key: &str) -> Item {
        Item { key: key.into(), size: 0, modified: None, etag: None, doubtful: false }
    }

    fn names(items: &[Item]) -> Vec<&str> {
        items.iter().map(|item| std::str::from_utf8(&item.key).unwrap()).collect()
    }

    #[test]
    fn a_file_waits_for_its_folder_past_all_that_sorts_between() {
        let (mut hold, mut sorted) = (HoldBack::default(), Sorted::default());
        for key in ["blue", "blue!", "blue!x", "blue-1"] {
            hold.take(item(key), &mut sorted);
        }
        assert_eq!(names(&sorted.shown), ["blue!", "blue!x"], "their folders can no longer come");
        hold.take(item("blue/"), &mut sorted);
        assert_eq!(names(&sorted.hidden), ["blue"]);
        hold.take(item("blue0"), &mut sorted);
        hold.end(&mut sorted);
        assert_eq!(names(&sorted.shown), ["blue!", "blue!x", "blue-1", "blue/", "blue0"]);
        assert_eq!(names(&sorted.hidden), ["blue"]);
    }

    #[test]
    fn a_key_below_hides_the_file_too() {
        let (mut hold, mut sorted) = (HoldBack::default(), Sorted::default());
        for key in ["a", "a-/x", "a//y", "a/b", "b"] {
            hold.take(item(key), &mut sorted);
        }
        hold.end(&mut sorted);
        assert_eq!(names(&sorted.hidden), ["a"]);
        assert_eq!(names(&sorted.shown), ["a-/x", "a//y", "a/b", "b"]);
    }

    #[test]
    fn a_key_at_a_page_border_is_taken_once() {
        let (mut hold, mut sorted) = (HoldBack::default(), Sorted::default());
        hold.take(item("x/"), &mut sorted);
        hold.take(item("x/"), &mut sorted);
        hold.end(&mut sorted);
        assert_eq!(names(&sorted.shown), ["x/"]);
        assert!(hold.is_next(b"x/") && hold.is_next(b"x0") && !hold.is_next(b"x"));
    }
}
