//! The mounts file, validated, to a built tree and its views.
//!
//! # Why this shape
//!
//! * **Every mistake at once, each with its line and column.** The text becomes a tree in which each value knows its place
//!   (`yaml.rs`), variables are expanded in values (`expand.rs`), and a typed walk (`walk.rs`) reads the sections
//!   (`sections/`), records what is wrong and goes on. A deserializer would stop at the first mistake, and would have made
//!   a number of `${X}` before it could be expanded.
//! * **Keys are data** (`keys.rs`): the guess for a misspelt key, the JSON Schema and
//!   the test that each key is documented all read the same tables.
//! * **A message shows what the file says**, never what a variable or a secret's file holds.
//! * **The environment is a parameter**, so a test needs no process of its own.
//! * **One place names all drivers**: the match in `build.rs`.
//!
//! # What is deliberately absent
//!
//! No network: whether a bucket exists is found out when the tree starts, or by a probe. No logging of what was read. No
//! watching of the file: when to read it again is the caller's to say.

mod build;
mod docs;
mod expand;
mod file;
mod keys;
mod mistake;
mod reload;
mod rights;
mod schema;
mod secret;
mod sections;
mod units;
mod walk;
mod yaml;

pub use build::{AdminError, Base, BuildError, Built, DriverError};
#[cfg(any(feature = "azblob", feature = "gcs", feature = "sftp", feature = "webdav"))]
pub use file::Service;
pub use file::{Bucket, Config, Folder, Limits, Mount, Password, Proxy, Server, Storage, User};
pub use mistake::{LoadError, Mistake, Mistakes, Position};
pub use reload::Changes;
pub use rights::{Group, Membership, Right};
pub use schema::schema;
pub use secret::{Secret, read as read_secret};
pub use units::duration;
