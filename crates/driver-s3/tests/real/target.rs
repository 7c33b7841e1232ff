//! The server under test, and a place on it for one test.

use std::env;

use aws_sdk_s3::config::{BehaviorVersion, Config, Credentials, Region, RequestChecksumCalculation};
use aws_sdk_s3::types::{CompletedMultipartUpload, CompletedPart, EncodingType};
use bytes::Bytes;
use davmux_driver_s3::provider::Provider;
use davmux_driver_s3::{S3, S3Options, Secret, UploadMemory};
use percent_encoding::percent_decode_str;

/// A prefix of the bucket that no other test uses. What is below it goes when this is dropped.
pub(crate) struct Place {
    pub(crate) s3: S3,
    /// Ends in `/`.
    pub(crate) prefix: String,
    options: S3Options,
}

/// A fresh place on the server, or `None` after saying why not.
pub(crate) fn place() -> Option<Place> {
    let read = |name: &str| env::var(name).ok().filter(|value| !value.is_empty());
    let Some(endpoint) = read("DAVMUX_S3_ENDPOINT") else {
        println!("skipped: DAVMUX_S3_ENDPOINT is not set; tests/real/run starts servers and sets it");
        return None;
    };
    let needed = |name: &str| read(name).unwrap_or_else(|| panic!("DAVMUX_S3_ENDPOINT is set, and {name} is not"));
    let prefix = format!("davmux-test-{:08x}", rand::random::<u32>());
    let mut options = S3Options::new(needed("DAVMUX_S3_BUCKET"));
    options.endpoint = Some(endpoint);
    options.region = read("DAVMUX_S3_REGION");
    options.access_key_id = Some(needed("DAVMUX_S3_ACCESS_KEY_ID"));
    options.secret_access_key = Some(Secret::new(needed("DAVMUX_S3_SECRET_ACCESS_KEY")));
    options.provider = read("DAVMUX_S3_PROVIDER")
        .map(|word| Provider::named(&word).unwrap_or_else(|| panic!("{word:?} is the word of no row")));
    options.root_folder_path.clone_from(&prefix);
    options.part_size = Some(5 << 20);
    let s3 = S3::open(options.clone(), UploadMemory::default()).unwrap();
    Some(Place { s3, prefix: prefix + "/", options })
}

impl Place {
    /// Another driver on the same place.
    pub(crate) fn with(&self, change: impl FnOnce(&mut S3Options)) -> S3 {
        let mut options = self.options.clone();
        change(&mut options);
        S3::open(options, UploadMemory::default()).unwrap()
    }

    pub(crate) fn bucket(&self) -> &str {
        &self.options.bucket
    }

    /// The key of a name in this place.
    pub(crate) fn key(&self, name: &str) -> String {
        format!("{}{name}", self.prefix)
    }

    /// How CopyObject names a plain key of this place.
    pub(crate) fn source(&self, name: &str) -> String {
        format!("{}/{}{name}", self.bucket(), self.prefix)
    }

    /// A plain client: what another tool does.
    pub(crate) fn client(&self) -> aws_sdk_s3::Client {
        let options = &self.options;
        let id = options.access_key_id.as_deref().unwrap();
        let secret = options.secret_access_key.as_ref().unwrap().reveal();
        let region = options.region.clone().or(self.s3.provider().region.map(ToOwned::to_owned));
        let config = Config::builder()
            .behavior_version(BehaviorVersion::latest())
            .region(Region::new(region.unwrap_or_else(|| "us-east-1".to_owned())))
            .endpoint_url(options.endpoint.clone().unwrap())
            .force_path_style(true)
            .request_checksum_calculation(RequestChecksumCalculation::WhenRequired)
            .credentials_provider(Credentials::new(id, secret, None, None, "test"));
        aws_sdk_s3::Client::from_conf(config.build())
    }

    /// Puts an object as another tool does, and tells its tag.
    pub(crate) async fn put(&self, name: &str, content: &'static str) -> String {
        let body = Bytes::from_static(content.as_bytes()).into();
        let put = self.client().put_object().bucket(self.bucket()).key(self.key(name)).body(body);
        put.send().await.unwrap().e_tag().unwrap().to_owned()
    }

    /// What stands under a name, read as another tool does.
    pub(crate) async fn read(&self, name: &str) -> Option<Bytes> {
        let get = self.client().get_object().bucket(self.bucket()).key(self.key(name)).send().await.ok()?;
        Some(get.body.collect().await.unwrap().into_bytes())
    }

    /// An upload in parts of these sizes, up to its completion.
    pub(crate) async fn parts(
        &self,
        name: &str,
        sizes: &[usize],
    ) -> Result<(String, CompletedMultipartUpload), String> {
        let (client, key) = (self.client(), self.key(name));
        let begun = client.create_multipart_upload().bucket(self.bucket()).key(&key).send().await;
        let id = match begun {
            Ok(begun) => begun.upload_id().unwrap().to_owned(),
            // The SDK refuses the document of rclone's server for its name.
            Err(error) => {
                let raw = error.raw_response().and_then(|raw| std::str::from_utf8(raw.body().bytes()?).ok());
                let id = raw.and_then(|raw| raw.split("<UploadId>").nth(1)?.split('<').next());
                id.ok_or_else(|| format!("{error:?}"))?.to_owned()
            }
        };
        let mut parts = CompletedMultipartUpload::builder();
        for (number, size) in (1..).zip(sizes) {
            let part = client.upload_part().bucket(self.bucket()).key(&key).upload_id(&id).part_number(number);
            let sent = part.body(vec![b'p'; *size].into()).send().await.map_err(|error| format!("{error:?}"))?;
            parts = parts.parts(CompletedPart::builder().part_number(number).set_e_tag(sent.e_tag).build());
        }
        Ok((id, parts.build()))
    }

    /// How many uploads of this name are under way. MinIO tells those of a whole key only.
    pub(crate) async fn uploads(&self, name: &str) -> usize {
        let list = self.client().list_multipart_uploads().bucket(self.bucket()).prefix(self.key(name));
        list.send().await.unwrap().uploads().len()
    }

    /// The keys below this place, without its prefix.
    pub(crate) async fn keys(&self) -> Vec<String> {
        let list = self.client().list_objects_v2().bucket(self.bucket()).prefix(&self.prefix);
        // XML cannot say every key.
        let mut pages = list.encoding_type(EncodingType::Url).into_paginator().send();
        let mut keys = Vec::new();
        while let Some(page) = pages.next().await {
            let page = page.unwrap();
            let encoded = page.encoding_type() == Some(&EncodingType::Url);
            for key in page.contents().iter().filter_map(|object| object.key()) {
                let key = if encoded { key.replace('+', " ") } else { key.to_owned() };
                let key = if encoded { percent_decode_str(&key).decode_utf8().unwrap().into_owned() } else { key };
                keys.extend(key.strip_prefix(&self.prefix).map(ToOwned::to_owned));
            }
        }
        keys.sort();
        keys
    }

    async fn clear(&self) -> Result<(), aws_sdk_s3::Error> {
        let client = self.client();
        let mut pages = client.list_objects_v2().bucket(self.bucket()).prefix(&self.prefix).into_paginator().send();
        while let Some(page) = pages.next().await {
            for object in page?.contents() {
                client.delete_object().bucket(self.bucket()).set_key(object.key.clone()).send().await?;
            }
        }
        let uploads = client.list_multipart_uploads().bucket(self.bucket()).prefix(&self.prefix).send().await?;
        for upload in uploads.uploads() {
            let abort = client.abort_multipart_upload().bucket(self.bucket()).set_key(upload.key.clone());
            abort.set_upload_id(upload.upload_id.clone()).send().await?;
        }
        Ok(())
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        // The test's own runtime is ending.
        std::thread::scope(|scope| {
            scope.spawn(|| {
                let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
                if let Err(error) = runtime.block_on(self.clear()) {
                    println!("something may be left below {}: {error}", self.prefix);
                }
            });
        });
    }
}
