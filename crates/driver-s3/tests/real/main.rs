//! The driver on a real S3 server, named by the environment: `DAVMUX_S3_ENDPOINT`, `DAVMUX_S3_BUCKET`,
//! `DAVMUX_S3_ACCESS_KEY_ID`, `DAVMUX_S3_SECRET_ACCESS_KEY`, `DAVMUX_S3_REGION` and `DAVMUX_S3_PROVIDER` (the word of a
//! row). `tests/real/run` starts servers and sets them. Without an endpoint each test says so and passes.
//!
//! Every test works below a prefix of its own, and removes what it left there.

#![allow(clippy::unwrap_used, clippy::expect_used, missing_docs)]

mod errors;
mod files;
mod links;
mod listings;
mod row;
mod target;

mod contract {
    async fn fixture() -> Option<davmux_driver_testkit::Fixture> {
        let place = crate::target::place()?;
        let fixture = davmux_driver_testkit::Fixture::new(std::sync::Arc::new(place.s3.clone()));
        let fixture = match place.s3.provider().word {
            // It takes a backslash for a slash.
            "seaweedfs" => fixture.changing_names(),
            // It takes both Unicode forms of a folder's name for one, and answers a read during a replacement with the
            // length of the old object and the bytes of the new one.
            "rclone" => fixture.changing_names().tearing_reads(),
            "minio" => fixture.hiding_folders(),
            _ => fixture,
        };
        Some(fixture.with_guard(place))
    }
    davmux_driver_testkit::driver_contract!(fixture);
}
