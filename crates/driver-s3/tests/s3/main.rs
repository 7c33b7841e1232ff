//! The driver on an S3 server in the same process.

#![allow(clippy::unwrap_used, clippy::expect_used, missing_docs)]

mod admin;
mod b2;
mod changing;
mod clocks;
mod copying;
mod hosts;
mod linking;
mod listing;
mod looking;
mod odd;
mod paging;
mod reading;
mod settings;
mod support;
mod writing;
mod wrong;
