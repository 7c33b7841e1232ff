//! [`Each`]: a metric for each value of a label.

use std::fmt;
use std::marker::PhantomData;
use std::ops::Index;

use crate::Label;

/// One metric for each value of a label, made beforehand; for several labels, one in the other. The library's own `Family`
/// looks a label set up behind a lock whenever something is counted.
pub struct Each<L, T> {
    cells: Box<[T]>,
    label: PhantomData<fn(L)>,
}

impl<L: Label, T: Default> Default for Each<L, T> {
    fn default() -> Self {
        Self { cells: L::ALL.iter().map(|_| T::default()).collect(), label: PhantomData }
    }
}

impl<L: Label, T> Each<L, T> {
    /// Each value of the label with its metric.
    pub fn iter(&self) -> impl Iterator<Item = (L, &T)> {
        L::ALL.iter().copied().zip(&self.cells)
    }
}

impl<L: Label, T> Index<L> for Each<L, T> {
    type Output = T;

    fn index(&self, label: L) -> &T {
        &self.cells[label.index()]
    }
}

impl<L: Label, T: fmt::Debug> fmt::Debug for Each<L, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_map().entries(self.iter()).finish()
    }
}
