//! Folders that stay, in a storage of keys.
//!
//! A bucket has no folders: one is there as long as a key begins with its name. [`Placeholder`] wraps such a storage and
//! keeps a hidden object in each folder that was made, or that is about to lose its last member. Every other tool sees an
//! ordinary object; nothing else is needed to know the folder again after a restart.
//!
//! # Why this shape
//!
//! * **A wrapper, not an option of a driver**: any storage of keys gets the same folders, and a driver stays a plain
//!   description of its storage. Zero-byte `dir/` keys of other tools are the driver's to understand.
//! * **When** a marker is needed is the tree's decision, since only the tree knows what is being removed at the same time;
//!   this crate knows **what** a marker is: made by `create_dir` and `keep_dir`, hidden from every listing and look, shown
//!   as its folder by `list_tree`, removed with its folder.
//! * **Several names**: the first is written, all are hidden, so a bucket that another tool marked in its own way is read
//!   as that tool meant it.
//!
//! # What is deliberately absent
//!
//! Nothing is remembered and nothing is looked up first: making a folder is one write.

mod placeholder;

pub use placeholder::{InvalidNames, Placeholder};
