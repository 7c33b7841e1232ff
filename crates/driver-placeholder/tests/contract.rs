//! The contract of a driver, with folders that stay on a storage of keys.

#![allow(clippy::unwrap_used, clippy::expect_used, missing_docs)]

use std::sync::Arc;

use davmux_driver::Driver;
use davmux_driver_placeholder::Placeholder;
use davmux_driver_s3::{S3, S3Options, Secret, UploadMemory};
use davmux_driver_testkit::s3::S3Fixture;
use davmux_driver_testkit::{Fixture, Memory};

fn marked(inner: impl Driver) -> Arc<dyn Driver> {
    Arc::new(Placeholder::new(Arc::new(inner), vec![".placeholder".into(), ".keep".into()]).unwrap())
}

mod memory {
    async fn fixture() -> super::Fixture {
        super::Fixture::new(super::marked(super::Memory::keys()))
    }
    davmux_driver_testkit::driver_contract!(fixture);
}

async fn bucket() -> Fixture {
    let server = S3Fixture::start().await;
    let mut options = S3Options::new(&server.bucket);
    options.endpoint = Some(server.endpoint.clone());
    options.access_key_id = Some(server.access_key.clone());
    options.secret_access_key = Some(Secret::new(&server.secret_key));
    options.force_path_style = true;
    options.part_size = Some(5 << 20);
    Fixture::new(marked(S3::open(options, UploadMemory::default()).unwrap())).with_guard(server)
}

mod s3 {
    async fn fixture() -> super::Fixture {
        super::bucket().await
    }
    davmux_driver_testkit::driver_contract!(fixture);
}
