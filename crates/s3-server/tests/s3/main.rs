//! The server, seen by the client that davmux itself uses, and over a bare socket where that client is too polite.
#![allow(clippy::unwrap_used, clippy::expect_used, missing_docs)]

mod authority;
mod client;
mod conditions;
mod cors;
mod faults;
mod folder;
mod keeping;
mod keys;
mod listing;
mod profiles;
mod signing;
mod uploads;
