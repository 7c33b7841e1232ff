//! Credentials, bucket, region, addressing, and what the bucket is set to.

use std::time::SystemTime;

use aws_sdk_s3::config::Config;
use aws_sdk_s3::types::BucketVersioningStatus;
use davmux_driver::{Admin as _, Driver as _, ErrorKind, Finding, RelPath};

use super::{Doctor, said, words};
use crate::error::Failure;

impl Doctor<'_> {
    /// Whether the bucket answers.
    pub(super) async fn place(&self) -> bool {
        self.begin("keys");
        match self.bucket.keys.signer().await {
            Ok(signer) => self.tell(match signer.expiry() {
                None => Finding::works("keys", "keys without an end"),
                Some(end) => {
                    let minutes = end.duration_since(SystemTime::now()).unwrap_or_default().as_secs() / 60;
                    Finding::works(
                        "keys",
                        format!("temporary keys, good for {minutes} minutes and then renewed; no link lives longer"),
                    )
                }
            }),
            Err(error) => {
                let error = self.bucket.failed("sign", &RelPath::root(), Failure::keys(&error));
                self.tell(Finding::fails("keys", said(&error)));
                return false;
            }
        }
        self.begin("bucket");
        match self.s3.check().await {
            Ok(()) => {
                self.tell(Finding::works("bucket", format!("{} answers, and the keys may list it", self.bucket.name)))
            }
            Err(error) => {
                let topic = if error.kind() == ErrorKind::Denied { "credentials" } else { "bucket" };
                self.tell(Finding::fails(topic, said(&error)));
                return false;
            }
        }
        self.region().await;
        self.addressing().await;
        self.versioning().await;
        self.cors().await;
        true
    }

    async fn region(&self) {
        self.begin("region");
        let reply = self.bucket.client.head_bucket().bucket(&self.bucket.name).send().await;
        let finding = match reply {
            Ok(reply) => match reply.bucket_region().filter(|region| !region.is_empty()) {
                Some(region) if region != self.bucket.region => Finding::notice(
                    "region",
                    format!("signed for {}, and the bucket says that it is in {region}", self.bucket.region),
                )
                .write("region", region),
                Some(region) => Finding::works("region", region),
                None => Finding::works("region", format!("{} is accepted", self.bucket.region)),
            },
            Err(error) => Finding::notice(
                "region",
                format!(
                    "HeadBucket is refused ({}), so the bucket's region is not known",
                    words(&Failure::sdk(&error))
                ),
            ),
        };
        self.tell(finding);
    }

    async fn addressing(&self) {
        self.begin("addressing");
        let path = self.bucket.path_style;
        if path && !self.bucket.endpoint.takes_bucket_in_host(&self.bucket.name) {
            self.tell(Finding::works(
                "addressing",
                "the bucket in the path works; with this name and host it can be nowhere else",
            ));
            return;
        }
        let other = self
            .bucket
            .client
            .list_objects_v2()
            .bucket(&self.bucket.name)
            .max_keys(1)
            .customize()
            .config_override(Config::builder().force_path_style(!path))
            .send()
            .await;
        let (used, unused) = if path { ("path", "host") } else { ("host", "path") };
        let seen = match other {
            Ok(_) => format!("the bucket in the {used} works, and in the {unused} as well"),
            Err(error) => {
                format!(
                    "the bucket in the {used} works, in the {unused} it does not ({})",
                    words(&Failure::sdk(&error))
                )
            }
        };
        self.tell(Finding::works("addressing", seen));
    }

    async fn versioning(&self) {
        self.begin("versioning");
        let reply = self.bucket.client.get_bucket_versioning().bucket(&self.bucket.name).send().await;
        let finding = match reply {
            Ok(reply) if reply.status() == Some(&BucketVersioningStatus::Enabled) => Finding::notice(
                "versioning",
                "the bucket keeps old versions: what is deleted or replaced goes on to take up room",
            )
            .advise("let a lifecycle rule of the bucket remove old versions after some days"),
            Ok(_) => Finding::works("versioning", "old versions are not kept"),
            Err(error) => {
                Finding::skipped("versioning", format!("the storage does not tell ({})", words(&Failure::sdk(&error))))
            }
        };
        self.tell(finding);
    }

    async fn cors(&self) {
        self.begin("CORS");
        let finding = match self.s3.cors().await {
            Ok(rules) if rules.is_empty() => {
                Finding::notice("CORS", "no rules: a web page of another origin can follow no link")
                    .advise("only where web players or pages use the links: `davmux cors apply`")
            }
            Ok(rules) => Finding::works("CORS", format!("{} rules; `davmux cors show` prints them", rules.len())),
            Err(error) => Finding::skipped("CORS", said(&error)),
        };
        self.tell(finding);
    }
}
