//! Copies inside the bucket: of any name, with conditions, in parts.

use aws_sdk_s3::operation::copy_object::builders::CopyObjectFluentBuilder;
use aws_sdk_s3::types::CompletedPart;
use davmux_driver::Finding;

use super::uploads::LARGE;
use super::{Condition, Doctor, words};
use crate::error::Failure;
use crate::key::encode_path;
use crate::provider::CopyAbsent;

const COPY: &str = "copy";
const CONDITIONS: &str = "conditions on copies";
const PARTS: &str = "copy in parts";
/// A name with what encodings trip over.
const NAME: &str = "copy of a+b%25 & \u{e9}(1)'s";
const WRONG: &str = "\"00000000000000000000000000000000\"";

impl Doctor<'_> {
    pub(super) async fn copies(&self) {
        self.begin(COPY);
        if self.put_small("small").await.is_err() {
            return;
        }
        let there = self.copy("small", NAME).send().await.map_err(|error| Failure::sdk(&error));
        let back = match there {
            Ok(_) => self.copy(NAME, "copied back").send().await.map_err(|error| Failure::sdk(&error)),
            Err(failure) => Err(failure),
        };
        if let Err(failure) = back {
            self.tell(
                Finding::fails(COPY, format!("objects cannot be copied by the storage: {}", words(&failure)))
                    .advise("copies and renames will pass through this server"),
            );
            return;
        }
        self.tell(Finding::works(COPY, "an object with any name is copied by the storage itself"));
        self.copy_conditions().await;
        self.copy_in_parts().await;
    }

    async fn copy_conditions(&self) {
        self.begin(CONDITIONS);
        let source = self.copy("small", "copied").copy_source_if_match(WRONG).send().await;
        let source = Condition::of(source.map_err(|error| Failure::sdk(&error)));
        let target = self.copy("small", NAME).if_none_match("*").send().await;
        let target = Condition::of(target.map_err(|error| Failure::sdk(&error)));
        let seen = format!("x-amz-copy-source-if-match is {source}, If-None-Match is {target}");
        let used = self.bucket.dialect.conditions;
        let wrong = (used.copy_source && !source.is_checked())
            || (used.copy_absent == CopyAbsent::IfNoneMatch && !target.is_checked());
        self.tell(if wrong {
            Finding::notice(CONDITIONS, format!("{seen}; the row of this provider says otherwise"))
                .advise("name the provider by `provider:` if another row fits better, and tell the project")
        } else {
            Finding::works(CONDITIONS, seen)
        });
    }

    async fn copy_in_parts(&self) {
        self.begin(PARTS);
        if !self.made().keys.contains(&format!("{}{LARGE}", self.bucket.root.prefix(&self.scratch))) {
            self.tell(Finding::skipped(PARTS, "there is no large object to copy"));
            return;
        }
        let copied = async {
            let id = self.begin_upload("copied in parts").await?;
            let mut parts = Vec::new();
            for (number, range) in [(1, "bytes=0-5242879"), (2, "bytes=5242880-10485760")] {
                let call = self.bucket.client.upload_part_copy().bucket(&self.bucket.name);
                let call = call.key(self.key("copied in parts")).upload_id(&id).part_number(number);
                let call = call.copy_source(self.source(LARGE)).copy_source_range(range);
                let reply = call.send().await.map_err(|error| Failure::sdk(&error))?;
                let etag = reply.copy_part_result().and_then(|part| part.e_tag()).map(ToOwned::to_owned);
                parts.push(CompletedPart::builder().part_number(number).set_e_tag(etag).build());
            }
            self.complete("copied in parts", &id, parts, None).await
        };
        let used = self.bucket.dialect.copy.parts;
        self.tell(match (copied.await, used) {
            (Ok(()), true) => Finding::works(PARTS, "large objects are copied by the storage, part by part"),
            (Ok(()), false) => Finding::notice(PARTS, "works, and this mount sends large copies through this server")
                .write("part_copy", true),
            (Err(failure), true) => {
                Finding::fails(PARTS, format!("does not work: {}", words(&failure))).write("part_copy", false)
            }
            (Err(failure), false) => Finding::works(
                PARTS,
                format!("not possible ({}); large copies pass through this server", words(&failure)),
            ),
        });
    }

    fn source(&self, name: &str) -> String {
        format!("{}/{}", self.bucket.name, encode_path(&self.key(name)))
    }

    fn copy(&self, from: &str, to: &str) -> CopyObjectFluentBuilder {
        self.bucket.client.copy_object().bucket(&self.bucket.name).key(self.key(to)).copy_source(self.source(from))
    }
}
