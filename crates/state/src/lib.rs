//! A store of small facts: what the server must know besides the files and folders, which live in the storages.
//!
//! # Why this shape
//!
//! * **One trait, [`Store`]**: a few operations on text keys and byte values, all of them async, none of them handing out
//!   a guard or a transaction. A store over a network (Valkey, for several instances that serve one tree) can offer the
//!   same, so it can take the place of [`Memory`] and [`File`].
//! * **One atomic step beside the plain ones, [`Store::replace`]**: a value changes only if it is still the one that the
//!   caller saw. Locks and counters can be built on it without a lock around the store.
//! * **One atomic step for many keys, [`Store::change`]**: all changes are seen or none, and a whole subtree's facts cost one sync.
//! * **Typed facts on top**: [`Uploads`], [`Moves`], [`Properties`], [`KeptIndex`] and [`Locks`] know how their records are written; nobody else does.
//!
//! # What is deliberately absent
//!
//! No expiry: what ends at a time keeps that time in its value, and whoever reads it looks at the clock. No caching: a
//! reader that needs an answer for each request keeps its own copy. Nothing large: a listing of a table is held in memory.

mod error;
mod fields;
mod file;
mod kept;
mod locks;
mod memory;
mod moves;
mod properties;
mod store;
mod uploads;

pub use error::{Error, Result};
pub use file::File;
pub use kept::{Kept, KeptIndex, KeptOf, KeptPages, near};
pub use locks::{LockRecord, Locks};
pub use memory::Memory;
pub use moves::Moves;
pub use properties::{Properties, Property, PropertyChange};
pub use store::{Store, Swap, Table};
pub use uploads::{PendingUpload, Uploads};
