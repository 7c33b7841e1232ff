//! How a bucket keeps objects, how links offer them, and in which parts they are sent.

use davmux_driver_s3::{CustomerKey, Encryption, LinkDisposition, ObjectSettings, RelayFrom, S3Options};

use crate::units;
use crate::walk::Section;

const MIB: u64 = 1 << 20;
const GIB: u64 = 1 << 30;

/// Storage classes of Amazon S3, to find slips of the pen. Others have words of their own.
const CLASSES: [&str; 9] = [
    "STANDARD",
    "REDUCED_REDUNDANCY",
    "STANDARD_IA",
    "ONEZONE_IA",
    "INTELLIGENT_TIERING",
    "GLACIER_IR",
    "GLACIER",
    "DEEP_ARCHIVE",
    "EXPRESS_ONEZONE",
];

/// Sets what these keys say.
pub(super) fn objects(section: &Section<'_>, options: &mut S3Options) {
    let text = |name| section.text(name).map(|text| text.as_str().to_owned());
    options.settings = ObjectSettings {
        storage_class: storage_class(section),
        encryption: encryption(section).unwrap_or_default(),
        acl: text("acl"),
        user_agent: text("user_agent"),
    };
    options.link_disposition = link_disposition(section).unwrap_or_default();
    options.relay_from = section
        .choice("relay_from", &[("endpoint", RelayFrom::Endpoint), ("custom_host", RelayFrom::CustomHost)])
        .unwrap_or_default();
    options.part_size = section.parsed("part_size", "a size from 5MiB to 5GiB, such as 16MiB", |text| {
        units::size(text).filter(|size| (5 * MIB..=5 * GIB).contains(size))
    });
    options.upload_parallelism = section
        .parsed("upload_parallelism", "a number from 1 to 64", |text| {
            text.parse().ok().filter(|count| (1..=64).contains(count))
        })
        .unwrap_or(options.upload_parallelism);
    check_custom_host(section, options);
}

fn storage_class(section: &Section<'_>) -> Option<String> {
    let text = section.text("storage_class")?;
    let upper = text.as_str().to_ascii_uppercase();
    if text.as_str() != upper && CLASSES.contains(&upper.as_str()) {
        section.walk.mistake(text.at, format!("storage_class: {} is written {upper}", text.shown()));
    }
    Some(text.as_str().to_owned())
}

fn encryption(section: &Section<'_>) -> Option<Encryption> {
    #[derive(Clone, Copy, PartialEq)]
    enum Word {
        None,
        S3,
        Kms,
        Customer,
    }
    let words = [("none", Word::None), ("s3", Word::S3), ("kms", Word::Kms), ("customer", Word::Customer)];
    let word = section.choice("encryption", &words);
    let kms_key = section.text("kms_key_id");
    let key = section.secret("customer_key", "customer_key_file");
    if let Some(text) = &kms_key
        && word != Some(Word::Kms)
    {
        section.walk.mistake(text.at, "`kms_key_id` is nothing without `encryption: kms`");
    }
    if let Some((_, at)) = &key
        && word != Some(Word::Customer)
    {
        section.walk.mistake(*at, "`customer_key` is nothing without `encryption: customer`");
    }
    Some(match word? {
        Word::None => Encryption::Bucket,
        Word::S3 => Encryption::S3,
        Word::Kms => Encryption::Kms(kms_key.map(|text| text.as_str().to_owned())),
        Word::Customer => {
            let Some((key, at)) = key else {
                if !section.is_wrong(&["customer_key", "customer_key_file"]) {
                    section.missing("customer_key");
                }
                return None;
            };
            match CustomerKey::from_base64(key.reveal()) {
                Ok(key) => Encryption::Customer(key),
                Err(why) => {
                    section.walk.mistake(at, format!("customer_key: {why}"));
                    return None;
                }
            }
        }
    })
}

/// `link_disposition`, or OpenList's flag for it.
fn link_disposition(section: &Section<'_>) -> Option<LinkDisposition> {
    let pair = section.pair("link_disposition")?;
    let (name, expected, words) = if pair.key == "add_filename_to_disposition" {
        let on = ["true", "True", "TRUE"].map(|word| (word, LinkDisposition::Attachment));
        let off = ["false", "False", "FALSE"].map(|word| (word, LinkDisposition::None));
        ("add_filename_to_disposition", "true or false", [on, off].concat())
    } else {
        let words = [
            ("none", LinkDisposition::None),
            ("inline", LinkDisposition::Inline),
            ("attachment", LinkDisposition::Attachment),
        ];
        ("link_disposition", "one of none, inline, attachment", words.to_vec())
    };
    let text = section.walk.scalar(&pair.node, name, expected)?;
    let found = words.iter().find(|(word, _)| *word == text.as_str()).map(|(_, value)| *value);
    if found.is_none() {
        section.walk.mistake(text.at, format!("{name}: {} is not {expected}", text.shown()));
    }
    found
}

/// Keys that say something of the custom host alone.
fn check_custom_host(section: &Section<'_>, options: &S3Options) {
    let at = |name| section.pair(name).map_or(section.at, |pair| pair.at);
    let warn = |name, message: &str| section.walk.warn(at(name), format!("{name}: {message}"));
    let from_custom_host = options.relay_from == RelayFrom::CustomHost;
    if options.custom_host.is_none() && !section.is_wrong(&["custom_host"]) {
        for (name, set) in [
            ("custom_host_presign", options.custom_host_presign),
            ("remove_bucket", options.remove_bucket),
            ("relay_from", from_custom_host),
        ] {
            if set {
                warn(name, "does nothing without `custom_host`");
            }
        }
        return;
    }
    if options.custom_host.is_some() && !options.custom_host_presign {
        for name in ["sign_url_expire", "link_disposition"] {
            if section.pair(name).is_some() {
                warn(
                    name,
                    "does nothing for links of `custom_host`, which are not signed unless `custom_host_presign` is true",
                );
            }
        }
    }
    if matches!(options.settings.encryption, Encryption::Customer(_)) {
        if from_custom_host {
            let message = "relay_from: custom_host cannot read objects encrypted with a customer key, which only the \
                           endpoint may see";
            section.walk.mistake(at("relay_from"), message);
        } else if options.custom_host.is_some() {
            warn("custom_host", "is never used: objects encrypted with a customer key have no links");
        }
    }
}
