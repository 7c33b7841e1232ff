//! The UpYun driver on the stand-in, which is not UpYun.

#![allow(clippy::unwrap_used, clippy::expect_used, missing_docs)]

mod cost;
mod faults;
mod linking;
mod listing;
mod support;
mod writing;

mod whole_service {
    use crate::support::Place;

    async fn fixture() -> davmux_driver_testkit::Fixture {
        Place::start().await.fixture()
    }
    davmux_driver_testkit::driver_contract!(fixture);
}

mod folder_of_a_service {
    use davmux_driver::Driver as _;

    use crate::support::Place;

    async fn fixture() -> davmux_driver_testkit::Fixture {
        let place = Place::start().await;
        for at in ["a b", "a b/100% +"] {
            place.driver.create_dir(&davmux_driver_testkit::shorthand::path(at)).await.unwrap();
        }
        place.rooted("/a b/100% +/").fixture()
    }
    davmux_driver_testkit::driver_contract!(fixture);
}
