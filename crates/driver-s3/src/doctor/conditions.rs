//! Conditions on writes and deletions: checked, ignored, refused.

use aws_sdk_s3::types::{Delete, ObjectIdentifier};
use davmux_driver::Finding;

use super::{Condition, Doctor, words};
use crate::client::ContentMd5;
use crate::error::Failure;
use crate::provider::BulkDelete;

const ON_WRITES: &str = "conditions on writes";
const ON_DELETES: &str = "conditions on deletes";
/// The tag of no object.
const WRONG: &str = "\"00000000000000000000000000000000\"";

impl Doctor<'_> {
    pub(super) async fn conditions(&self) {
        self.begin(ON_WRITES);
        if let Err(failure) = self.put_small("condition").await {
            self.tell(Finding::skipped(ON_WRITES, words(&failure)));
            return;
        }
        let absent = self.put("condition").if_none_match("*").send().await;
        let absent = Condition::of(absent.map_err(|error| Failure::sdk(&error)));
        let matches = self.put("condition").if_match(WRONG).send().await;
        let matches = Condition::of(matches.map_err(|error| Failure::sdk(&error)));
        let used = self.bucket.dialect.conditions;
        let seen = format!("If-None-Match is {absent}, If-Match is {matches}");
        let trusted_wrongly =
            (used.write_absent && !absent.is_checked()) || (used.write_matches && !matches.is_checked());
        let both = absent.is_checked() && matches.is_checked();
        self.tell(if trusted_wrongly {
            Finding::fails(ON_WRITES, format!("{seen}; this mount counts on both"))
                .advise("without it another program's file could be overwritten unseen")
                .write("conditional_writes", false)
        } else if both && !(used.write_absent && used.write_matches) {
            Finding::notice(ON_WRITES, format!("{seen}; this mount looks before it writes instead"))
                .write("conditional_writes", true)
        } else if both {
            Finding::works(ON_WRITES, seen)
        } else {
            Finding::works(ON_WRITES, format!("{seen}; davmux looks before it writes"))
        });
        self.on_deletes().await;
    }

    async fn on_deletes(&self) {
        self.begin(ON_DELETES);
        let call = self.bucket.client.delete_object().bucket(&self.bucket.name).key(self.key("condition"));
        let one = Condition::of(call.if_match(WRONG).send().await.map_err(|error| Failure::sdk(&error)));
        let many = self.on_bulk_delete().await;
        let (seen, delete) = match &many {
            // The mount deletes key by key.
            None => (format!("If-Match is {one}"), one),
            Some(many) => {
                let seen = format!("If-Match is {one}, the ETag of a key in DeleteObjects is {many}");
                (seen, if one.is_checked() { many.clone() } else { one })
            }
        };
        self.tell(match (self.bucket.dialect.conditions.delete, delete.is_checked()) {
            (true, false) => Finding::fails(ON_DELETES, format!("{seen}; this mount counts on it"))
                .write("conditional_deletes", false),
            (false, true) => Finding::notice(ON_DELETES, format!("{seen}; this mount looks before it deletes instead"))
                .write("conditional_deletes", true),
            (true, true) => Finding::works(ON_DELETES, seen),
            (false, false) => Finding::works(ON_DELETES, format!("{seen}; davmux looks before it deletes")),
        });
    }

    /// What DeleteObjects makes of a tag that is not the object's; `None` where it is not used.
    async fn on_bulk_delete(&self) -> Option<Condition> {
        if self.bucket.dialect.bulk_delete == BulkDelete::None {
            return None;
        }
        if let Err(failure) = self.put_small("condition").await {
            return Some(Condition::Refused(words(&failure)));
        }
        let object = ObjectIdentifier::builder().key(self.key("condition")).e_tag(WRONG).build().ok()?;
        let delete = Delete::builder().objects(object).build().ok()?;
        let call = self.bucket.client.delete_objects().bucket(&self.bucket.name).delete(delete);
        if let Err(error) = call.customize().interceptor(ContentMd5).send().await {
            return Some(Condition::Refused(words(&Failure::sdk(&error))));
        }
        // What the answer says of the key matters less than whether it is still there.
        let call = self.bucket.client.head_object().bucket(&self.bucket.name).key(self.key("condition"));
        Some(if call.send().await.is_ok() { Condition::Checked } else { Condition::Ignored })
    }
}
