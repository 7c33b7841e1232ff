//! A driver on a fresh stand-in.

use std::sync::Arc;

use davmux_driver_opendal::{Secret, UpYun, UpYunOptions};
use davmux_driver_testkit::Fixture;
use davmux_driver_testkit::standin::upyun::{BUCKET, OPERATOR, PASSWORD, TOKEN, UpYunServer};

pub(crate) struct Place {
    pub(crate) server: Arc<UpYunServer>,
    pub(crate) driver: UpYun,
}

impl Place {
    pub(crate) async fn start() -> Self {
        let server = Arc::new(UpYunServer::start().await);
        let driver = open(&server, |_| ());
        Self { server, driver }
    }

    /// The same service, from this folder.
    pub(crate) fn rooted(self, root: &str) -> Self {
        let driver = open(&self.server, |options| options.root_folder_path = root.to_owned());
        Self { driver, ..self }
    }

    pub(crate) fn fixture(self) -> Fixture {
        Fixture::new(Arc::new(self.driver)).with_guard(self.server)
    }
}

pub(crate) fn open(server: &UpYunServer, change: impl FnOnce(&mut UpYunOptions)) -> UpYun {
    let mut options = UpYunOptions::new(BUCKET, OPERATOR, Secret::new(PASSWORD));
    options.endpoint = Some(server.endpoint().to_owned());
    options.custom_host = Some(server.host().to_owned());
    options.link_token = Some(Secret::new(TOKEN));
    change(&mut options);
    UpYun::open(options).unwrap()
}
