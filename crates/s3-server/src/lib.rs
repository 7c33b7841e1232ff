//! An S3 server that runs inside the process, for tests and for `davmux demo`.
//!
//! A bucket is not a folder. `a`, `a/`, `a//b` and `a/b` are four keys that live beside each other, the composed and
//! the decomposed form of one letter are two keys, and a listing is sorted by bytes. A server that keeps keys as file
//! paths cannot hold them, so tests on it prove little. Here keys are keys: a sorted map decides what exists, and a
//! [`Store`] keeps the bytes, in memory ([`Memory`]) or in a folder ([`Folder`]) for data larger than memory.
//!
//! Parsing, signatures and XML are the work of [`s3s`]. Around it stand
//!
//! - [`Recorder`]: which calls came, and how many of them had to wait for one another;
//! - [`Faults`]: latency, errors, lost answers, cut bodies and wrong documents, by script;
//! - [`Strict`]: refusals and habits that real providers are known for, a profile a provider;
//! - [`Keyring`] and [`Clock`]: who may sign, until when, and by whose clock.
//!
//! Left out on purpose: versions, object lock and lifecycle rules. Storage classes and access control lists are kept and
//! do nothing; encryption is kept, the customer's key asked for, and nothing encrypted. Checksums in
//! `x-amz-checksum-*` are accepted and not verified; `Content-MD5` and `x-amz-content-sha256` are. Uploads in parts
//! that were not completed do not survive a restart of a [`Folder`]. Nothing is synced to disk: the folder survives the
//! end of the process, not the loss of power.
//!
//! ```no_run
//! # async fn example() -> Result<(), davmux_s3_server::StartError> {
//! let server = davmux_s3_server::Server::builder().bucket("films").start().await?;
//! println!("{} has {} calls", server.endpoint(), server.recorder().total());
//! server.stop().await;
//! # Ok(())
//! # }
//! ```

mod answer;
mod builder;
mod clock;
mod conditions;
mod cors;
mod credential;
mod encryption;
mod faults;
mod folder;
mod front;
mod hosts;
mod keyring;
mod limits;
mod listing;
mod memory;
mod namespace;
mod operation;
mod ops;
mod recorder;
mod server;
mod sidecar;
mod store;
mod strict;

pub use builder::{Builder, StartError};
pub use clock::Clock;
pub use faults::{Fault, Faults};
pub use folder::Folder;
pub use keyring::{Key, Keyring};
pub use limits::Limits;
pub use memory::Memory;
pub use recorder::{Call, Recorder};
pub use server::{Running, Server};
pub use store::{Attributes, Blob, Object, Staging, Store, StoredBucket};
pub use strict::{
    Checksums, Condition, Conditions, Copies, Deletes, Digest, Listing, OnWrite, Refusal, Regions, Strict,
};
