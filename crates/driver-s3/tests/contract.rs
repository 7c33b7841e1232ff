//! The contract of a driver, on a whole bucket and on a prefix of one.

#![allow(clippy::unwrap_used, clippy::expect_used, missing_docs)]

use std::sync::Arc;

use davmux_driver_s3::{S3, S3Options, Secret, UploadMemory};
use davmux_driver_testkit::Fixture;
use davmux_driver_testkit::s3::S3Fixture;

async fn bucket(root: &str) -> Fixture {
    let server = S3Fixture::start().await;
    let mut options = S3Options::new(&server.bucket);
    options.endpoint = Some(server.endpoint.clone());
    options.access_key_id = Some(server.access_key.clone());
    options.secret_access_key = Some(Secret::new(&server.secret_key));
    options.force_path_style = true;
    options.root_folder_path = root.into();
    options.part_size = Some(5 << 20);
    let s3 = S3::open(options, UploadMemory::default()).unwrap();
    Fixture::new(Arc::new(s3)).with_guard(server)
}

mod whole_bucket {
    async fn fixture() -> super::Fixture {
        super::bucket("").await
    }
    davmux_driver_testkit::driver_contract!(fixture);
}

mod prefix {
    async fn fixture() -> super::Fixture {
        super::bucket("a prefix/of+it").await
    }
    davmux_driver_testkit::driver_contract!(fixture);
}
