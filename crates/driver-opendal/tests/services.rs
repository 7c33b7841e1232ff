//! The contract on servers of others, which `tests/real/opendal.sh` starts and names in the environment.
//!
//! Without a server's name a case says so and ends. Each case works in a folder of its own.

#![cfg(any(feature = "azblob", feature = "gcs", feature = "sftp", feature = "webdav"))]
#![allow(clippy::unwrap_used, clippy::expect_used, missing_docs)]

use std::sync::atomic::{AtomicU64, Ordering};

/// The value of a variable that says where a server is; `None`, said aloud, where there is none.
fn given(name: &str) -> Option<String> {
    let value = std::env::var(name).ok();
    if value.is_none() {
        println!("skipped: {name} is not set; tests/real/opendal.sh starts a server and sets it");
    }
    value
}

/// A name that no other case has.
fn fresh() -> String {
    static NEXT: AtomicU64 = AtomicU64::new(0);
    format!("case-{}-{}", std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed))
}

#[cfg(feature = "webdav")]
mod webdav {
    use std::sync::Arc;

    use davmux_driver::Driver as _;
    use davmux_driver_opendal::{Opendal, WebdavOptions};
    use davmux_driver_testkit::{Fixture, shorthand::path};

    async fn fixture() -> Option<Fixture> {
        let endpoint = super::given("DAVMUX_TEST_WEBDAV")?;
        let open = |root_folder_path: String| {
            Opendal::webdav(&WebdavOptions {
                endpoint: endpoint.clone(),
                username: None,
                password: None,
                root_folder_path,
            })
            .unwrap()
        };
        let folder = super::fresh();
        open(String::new()).create_dir(&path(&folder)).await.unwrap();
        Some(Fixture::new(Arc::new(open(folder))))
    }
    davmux_driver_testkit::driver_contract!(fixture);
}

#[cfg(feature = "sftp")]
mod sftp {
    use std::sync::Arc;

    use davmux_driver_opendal::{Opendal, SftpOptions};
    use davmux_driver_testkit::Fixture;

    async fn fixture() -> Option<Fixture> {
        let endpoint = super::given("DAVMUX_TEST_SFTP")?;
        let folder = tempfile::tempdir().unwrap();
        let options = SftpOptions {
            endpoint,
            user: std::env::var("DAVMUX_TEST_SFTP_USER").ok(),
            key_file: std::env::var_os("DAVMUX_TEST_SFTP_KEY").map(Into::into),
            add_unknown_host: true,
            root_folder_path: folder.path().to_str().unwrap().to_owned(),
        };
        Some(Fixture::new(Arc::new(Opendal::sftp(&options).unwrap())).with_guard(folder))
    }
    davmux_driver_testkit::driver_contract!(fixture);
}

#[cfg(feature = "azblob")]
mod azblob {
    use std::sync::Arc;

    use davmux_driver_opendal::{AzblobOptions, Opendal, Secret};
    use davmux_driver_testkit::Fixture;

    async fn fixture() -> Option<Fixture> {
        let endpoint = super::given("DAVMUX_TEST_AZBLOB")?;
        let options = AzblobOptions {
            container: "fixture".to_owned(),
            endpoint,
            account_name: std::env::var("DAVMUX_TEST_AZBLOB_ACCOUNT").unwrap(),
            account_key: Secret::new(std::env::var("DAVMUX_TEST_AZBLOB_KEY").unwrap()),
            root_folder_path: super::fresh(),
        };
        // A backslash is refused.
        Some(Fixture::new(Arc::new(Opendal::azblob(&options).unwrap())).changing_names())
    }
    davmux_driver_testkit::driver_contract!(fixture);
}

#[cfg(feature = "gcs")]
mod gcs {
    use std::sync::Arc;

    use davmux_driver_opendal::{GcsOptions, Opendal};
    use davmux_driver_testkit::Fixture;

    async fn fixture() -> Option<Fixture> {
        let endpoint = super::given("DAVMUX_TEST_GCS")?;
        let options = GcsOptions {
            bucket: "fixture".to_owned(),
            endpoint: Some(endpoint),
            credential_file: None,
            anonymous: true,
            root_folder_path: super::fresh(),
        };
        Some(Fixture::new(Arc::new(Opendal::gcs(&options).unwrap())))
    }
    davmux_driver_testkit::driver_contract!(fixture);
}
