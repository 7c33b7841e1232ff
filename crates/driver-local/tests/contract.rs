//! The contract, on a folder of the file system.
#![allow(clippy::unwrap_used, clippy::expect_used, missing_docs)]

use std::sync::Arc;

use davmux_driver_local::{Local, LocalOptions};
use davmux_driver_testkit::Fixture;

async fn fixture() -> Fixture {
    let folder = tempfile::tempdir().unwrap();
    let local = Local::new(LocalOptions { root: folder.path().to_owned() });
    Fixture::new(Arc::new(local)).with_guard(folder)
}

davmux_driver_testkit::driver_contract!(fixture);
