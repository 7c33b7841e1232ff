//! The tree on drivers in memory that log their calls, fail and wait by script.
#![allow(clippy::unwrap_used, clippy::expect_used, missing_docs)]

mod costs;
mod freshness;
mod linking;
mod listings;
mod model;
mod names;
mod properties;
mod reading;
mod redirects;
mod relays;
mod reload;
mod removals;
mod rights;
mod support;
mod times;
mod transfers;
mod writes;
