//! Mounts joined into one namespace, seen through a [`View`].
//!
//! Every policy and every fallback of davmux lives here, above all drivers and below WebDAV: which mount a path belongs
//! to, redirect or relay, what is kept in memory, which operations exclude each other, how a copy or a move is done where
//! no storage can do it, what is deleted in which order.
//!
//! # Why this shape
//!
//! * A [`View`] is the only way in, so rights are checked in one place: source and target, listings, locks. It has the tree
//!   only through its gate, which gives it away together with a place and the right that was checked for it.
//! * Three types of path cannot be mixed up: a [`RelPath`] below a view or a mount, a [`TreePath`] in the tree.
//! * Work that must not stop half-way (the commit of an upload, a deep operation) runs in a task of the tree that the
//!   request merely awaits.
//! * A shortcut that a storage declines is done here with the calls that every storage has.
//!
//! # What is deliberately absent
//!
//! No HTTP, no XML, no WebDAV locks, no sockets, no configuration file, no users: only what a user may do.

mod audit;
mod bandwidth;
mod cache;
mod copying;
mod error;
mod facts;
mod freshness;
mod gate;
mod health;
mod index;
mod junk;
mod kept;
mod leaving;
mod left;
mod linking;
mod listing;
mod locks;
mod metrics;
mod mounts;
mod node;
mod pace;
mod path;
mod properties;
mod put;
mod read;
mod recent;
pub mod redirect;
mod relays;
mod reload;
mod remove;
mod resume;
mod rights;
mod staged;
mod tasks;
mod transfer;
mod tree;
mod unfinished;
mod view;
mod walk;

pub use audit::By;
pub use bandwidth::Bandwidth;
pub use davmux_driver::{Body, Driver, ErrorKind, Native, ReadReply};
pub use davmux_driver::{ByteRange, Checksums, Etag, InvalidPath, Kind, Link, RelPath, Usage, When};
pub use davmux_state::{Property, PropertyChange};
pub use error::{Error, Problem, Result};
pub use health::Health;
pub use index::Indexed;
pub use junk::Junk;
pub use linking::LinkTo;
pub use listing::Listing;
pub use metrics::{Metrics, MountMetrics};
pub use mounts::{Mount, MountOptions};
pub use node::Node;
pub use path::TreePath;
pub use properties::{LONGEST_PROPERTY, MOST_PROPERTIES, MemberProperties};
pub use put::{Put, PutRequest, Written};
pub use read::{OpenRequest, Opened, ReadStream, Source};
pub use redirect::{Decision, DownloadProxy, ReadPolicy, RedirectRule, Requester, foresee};
pub use relays::Relays;
pub use remove::Failed;
pub use resume::{Rest, resuming};
pub use rights::{Access, Rights};
pub use transfer::{Transfer, Transferred};
pub use tree::{Tree, TreeOptions};
pub use view::View;
