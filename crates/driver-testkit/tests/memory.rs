//! The reference driver keeps the contract in both shapes, and so does the wrapper that has no script.
#![allow(clippy::unwrap_used, clippy::expect_used, missing_docs)]

use std::sync::Arc;

use davmux_driver_testkit::{Faulty, Fixture, Memory, driver_contract};

mod with_folders {
    use super::*;

    async fn fixture() -> Fixture {
        Fixture::new(Arc::new(Memory::folders().with_page_size(7)))
    }
    driver_contract!(fixture);
}

mod with_keys {
    use super::*;

    async fn fixture() -> Fixture {
        Fixture::new(Arc::new(Memory::keys().with_page_size(7)))
    }
    driver_contract!(fixture);
}

mod without_a_script {
    use super::*;

    async fn fixture() -> Fixture {
        Fixture::new(Arc::new(Faulty::new(Arc::new(Memory::folders()))))
    }
    driver_contract!(fixture);
}
