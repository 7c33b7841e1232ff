//! Which provider a bucket is at, and what its mount says instead of the provider's row.

use davmux_driver_s3::S3Options;
use davmux_driver_s3::provider::{Addressing, BulkDelete, ListVersion, Overrides, Provider};

use crate::units;
use crate::walk::{Section, nearest};

/// Reads `provider`.
pub(super) fn provider(section: &Section<'_>) -> Option<&'static Provider> {
    let text = section.text("provider")?;
    let found = Provider::named(text.as_str());
    if found.is_none() {
        let words = || Provider::all().flat_map(|row| row.also.iter().copied().chain([row.word]));
        let hint = match nearest(text.as_str(), words()).and_then(Provider::named) {
            Some(row) => format!("; did you mean `{}`?", row.word),
            None => {
                let known: Vec<_> = Provider::all().map(|row| row.word).collect();
                format!("; known are {}", known.join(", "))
            }
        };
        section.walk.mistake(text.at, format!("provider: {} is not a provider{hint}", text.shown()));
    }
    found
}

/// Reads what a mount says instead of its provider's row.
pub(super) fn overrides(section: &Section<'_>, force_path_style: Option<bool>) -> Overrides {
    let copy_max = section.parsed("copy_max", "a size of 5MiB or more, such as 5GB", |text| {
        units::size(text).filter(|size| *size >= 5 << 20)
    });
    let max_parts = section.parsed("max_parts", "a number from 1 to 10000", |text| {
        text.parse().ok().filter(|count| (1..=10_000).contains(count))
    });
    let bulk_delete = section.parsed("bulk_delete", "a number of keys from 1 to 1000, or false", |text| match text {
        "false" => Some(BulkDelete::None),
        number => number.parse().ok().filter(|keys| (1..=1000).contains(keys)).map(BulkDelete::Keys),
    });
    Overrides {
        // Forced, the path wins whatever the row says.
        addressing: (force_path_style == Some(false)).then_some(Addressing::Either),
        list_version: section.choice("list_object_version", &[("v1", ListVersion::V1), ("v2", ListVersion::V2)]),
        list_url_encoding: section.flag("list_url_encode"),
        bulk_delete,
        copy_largest: copy_max,
        copy_parts: section.flag("part_copy"),
        parts_most: max_parts,
        parts_equal: section.flag("equal_parts"),
        write_conditions: section.flag("conditional_writes"),
        delete_conditions: section.flag("conditional_deletes"),
    }
}

/// Tells what the driver finds in these options, each at its key.
pub(super) fn findings(section: &Section<'_>, options: &S3Options) {
    let unread = |name, is_set: bool| !is_set && section.is_wrong(&[name]);
    if unread("provider", options.provider.is_some())
        || unread("endpoint", options.endpoint.is_some())
        || unread("region", options.region.is_some())
        || unread("bucket", !options.bucket.is_empty())
    {
        return;
    }
    for finding in options.findings() {
        let in_file = match finding.key {
            "access_key_id" => Some("access_key_id_file"),
            "secret_access_key" => Some("secret_access_key_file"),
            "session_token" => Some("session_token_file"),
            _ => None,
        };
        let pair = section.pair(finding.key).or_else(|| section.pair(in_file?));
        let at = pair.map_or(section.at, |pair| pair.node.at);
        let message = format!("{}: {}", finding.key, finding.message);
        if finding.is_wrong {
            section.walk.mistake(at, message);
        } else {
            section.walk.warn(at, message);
        }
    }
}
