//! A folder as storage; nothing in it reaches outside.
//!
//! # Why this shape
//!
//! * **One handle on the root, every path below it.** All access goes through a [`cap_std::fs::Dir`]: on Linux the kernel
//!   resolves each path beneath the root (`openat2` with `RESOLVE_BENEATH`); where it cannot, or a container refuses the
//!   call, cap-std walks the path itself under the same rule. No check can be raced, because there is no separate check.
//! * **A file appears by a rename.** Content is written to a file in `.davmux-staging` below the root, synced, and renamed to
//!   its place; then its folder is synced. What a killed process left there is removed when the folder is next opened, unless
//!   another process has it open. What had only been moved aside there, for something that then did not come to stand, is put
//!   back instead.
//! * **The root may come and go.** Each operation looks whether the folder is still the one that was opened; if it is not
//!   there, that is `Unavailable` and never "not found". A listing looks again at its end, an upload before its commit.
//! * **What stands is done.** After the rename nothing is reported as failed; a folder that cannot be synced is a warning.
//! * **What nobody saw is not touched.** A hidden entry is neither replaced nor deleted, and a folder that holds one is not
//!   replaced.
//!
//! # Links and other special entries
//!
//! A symbolic link that stays below the root is followed. One that leaves it, or leads nowhere, is hidden and counted. A
//! link to a folder can be entered and renamed; a deep operation does not go through it: deleting a folder deletes the
//! link and not what it points to. Writing to a link to a file replaces the link, and what it points to stays: a change
//! changes the path that it names, which is the one that the tree locked. Sockets, pipes and devices are hidden and counted.
//! So are names that are not UTF-8, and names that begin with `.davmux-staging`, which cannot be made either.
//!
//! # What is deliberately absent
//!
//! No caching, no permissions of its own (the process's are what counts), no extended attributes.

mod entry;
mod list;
mod local;
mod look;
mod rename;
mod root;
mod staging;
mod upload;

pub use local::{Local, LocalOptions};
