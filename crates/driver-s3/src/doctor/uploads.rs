//! Uploads in parts: unequal parts, a condition at the end, abort.

use aws_sdk_s3::types::{CompletedMultipartUpload, CompletedPart};
use bytes::Bytes;
use davmux_driver::Finding;

use super::{Condition, Doctor, words};
use crate::client::for_bytes;
use crate::error::Failure;

const PARTS: &str = "multipart";
const ABORT: &str = "abort";
const MIB: usize = 1 << 20;
/// The object that copies in parts are made of.
pub(super) const LARGE: &str = "large";

impl Doctor<'_> {
    pub(super) async fn uploads(&self) {
        self.begin(PARTS);
        let unequal = self.upload(LARGE, &[6 * MIB, 5 * MIB, 1], None).await;
        let equal_needed = self.bucket.dialect.parts.equal;
        let finding = match unequal {
            Ok(()) if equal_needed => {
                Finding::notice(PARTS, "parts of different sizes are taken, and this mount makes them equal")
                    .write("equal_parts", false)
            }
            Ok(()) => Finding::works(PARTS, "parts of different sizes are joined"),
            Err(unequal) => match self.upload(LARGE, &[5 * MIB, 5 * MIB, 1], None).await {
                Ok(()) if equal_needed => {
                    Finding::works(PARTS, format!("parts must be equal ({}), and are made so", words(&unequal)))
                }
                Ok(()) => Finding::fails(PARTS, format!("parts of different sizes are refused: {}", words(&unequal)))
                    .write("equal_parts", true),
                Err(failure) => Finding::fails(PARTS, format!("large files cannot be written: {}", words(&failure))),
            },
        };
        self.tell(finding);
        if self.report.is_stopped() {
            return;
        }
        self.complete_condition().await;
        self.abort().await;
    }

    /// Whether CompleteMultipartUpload looks at a condition, as PutObject may.
    async fn complete_condition(&self) {
        const TOPIC: &str = "condition on multipart";
        self.begin(TOPIC);
        if self.put_small("small").await.is_err() {
            return;
        }
        let seen = Condition::of(self.upload("small", &[1], Some("*")).await);
        self.tell(match (self.bucket.dialect.conditions.write_absent, seen.is_checked()) {
            (true, false) => Finding::fails(TOPIC, format!("If-None-Match is {seen}; this mount counts on it"))
                .write("conditional_writes", false),
            (_, checked) => {
                let instead = if checked { "" } else { "; davmux looks before it writes" };
                Finding::works(TOPIC, format!("If-None-Match is {seen}{instead}"))
            }
        });
    }

    async fn abort(&self) {
        self.begin(ABORT);
        let begun = async {
            let id = self.begin_upload("aborted").await?;
            self.send_part("aborted", &id, 1, 1).await?;
            let call = self.bucket.client.abort_multipart_upload().bucket(&self.bucket.name);
            call.key(self.key("aborted")).upload_id(&id).send().await.map_err(|error| Failure::sdk(&error))?;
            let call = self.bucket.client.list_parts().bucket(&self.bucket.name);
            Ok::<_, Failure>(call.key(self.key("aborted")).upload_id(&id).send().await.is_ok())
        };
        self.tell(match begun.await {
            Ok(false) => Finding::works(ABORT, "an upload that is given up leaves nothing"),
            Ok(true) => Finding::notice(ABORT, "an upload that was given up is still there")
                .advise("let a lifecycle rule of the bucket remove incomplete uploads after a day"),
            Err(failure) => Finding::fails(ABORT, format!("uploads cannot be given up: {}", words(&failure)))
                .advise("let a lifecycle rule of the bucket remove incomplete uploads after a day"),
        });
    }

    /// One upload of parts of these sizes.
    async fn upload(&self, name: &str, sizes: &[usize], if_none_match: Option<&str>) -> Result<(), Failure> {
        let id = self.begin_upload(name).await?;
        let mut parts = Vec::new();
        for (number, size) in (1..).zip(sizes) {
            parts.push(self.send_part(name, &id, number, *size).await?);
        }
        self.complete(name, &id, parts, if_none_match).await
    }

    pub(super) async fn begin_upload(&self, name: &str) -> Result<String, Failure> {
        let key = self.key(name);
        let call = self.bucket.client.create_multipart_upload().bucket(&self.bucket.name).key(&key);
        let reply = call.send().await.map_err(|error| Failure::sdk(&error))?;
        let id = reply.upload_id().ok_or_else(|| Failure::nonsense("no id for the upload"))?.to_owned();
        self.made().uploads.insert((key, id.clone()));
        Ok(id)
    }

    async fn send_part(&self, name: &str, id: &str, number: i32, size: usize) -> Result<CompletedPart, Failure> {
        let call = self
            .bucket
            .client
            .upload_part()
            .bucket(&self.bucket.name)
            .key(self.key(name))
            .upload_id(id)
            .part_number(number)
            .body(Bytes::from(vec![b'.'; size]).into())
            .customize()
            .config_override(for_bytes(size));
        let reply = call.send().await.map_err(|error| Failure::sdk(&error))?;
        Ok(CompletedPart::builder().part_number(number).set_e_tag(reply.e_tag().map(ToOwned::to_owned)).build())
    }

    pub(super) async fn complete(
        &self,
        name: &str,
        id: &str,
        parts: Vec<CompletedPart>,
        if_none_match: Option<&str>,
    ) -> Result<(), Failure> {
        let key = self.key(name);
        let reply = self
            .bucket
            .client
            .complete_multipart_upload()
            .bucket(&self.bucket.name)
            .key(&key)
            .upload_id(id)
            .set_if_none_match(if_none_match.map(ToOwned::to_owned))
            .multipart_upload(CompletedMultipartUpload::builder().set_parts(Some(parts)).build())
            .send()
            .await
            .map_err(|error| Failure::sdk(&error))?;
        if reply.e_tag().is_none() {
            return Err(Failure::doubtful("the storage did not confirm that the parts were joined"));
        }
        self.made().uploads.remove(&(key, id.to_owned()));
        Ok(())
    }
}
