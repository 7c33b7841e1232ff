//! A storage that lists as some do and S3 does not. It looks at no signature: what is tested is how it is read.

use std::collections::HashMap;
use std::fmt::Write as _;
use std::sync::{Arc, Mutex};

use davmux_driver_s3::{S3, S3Options, Secret, UploadMemory};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_decode_str, utf8_percent_encode};

use crate::support::{BUCKET, answering, xml};

const ENCODED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'/').remove(b'*');

/// How it departs from S3.
#[derive(Clone, Debug, Default)]
pub(crate) struct Odd {
    pub(crate) keys: Vec<&'static str>,
    /// Entries of a page.
    pub(crate) page: usize,
    /// ListObjectsV2 is answered as ListObjects.
    pub(crate) only_v1: bool,
    /// ListObjectsV2 is answered with 501.
    pub(crate) refuses_v2: bool,
    pub(crate) next_marker: NextMarker,
    /// Prefixes are not encoded beside keys that are.
    pub(crate) plain_prefixes: bool,
    /// `encoding-type` is not known.
    pub(crate) ignores_encoding: bool,
    /// With `encoding-type` the marker is not looked at.
    pub(crate) loops_when_encoded: bool,
    /// Neither the flag nor, on the last page, a token.
    pub(crate) no_flag: bool,
    /// A token is never told.
    pub(crate) no_token: bool,
    /// A page ends after so many keys looked at, in the midst of a folder too.
    pub(crate) counts_keys: bool,
    /// A character that XML cannot say becomes U+FFFD; otherwise it stands there as it is.
    pub(crate) replaces: bool,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum NextMarker {
    /// With a delimiter, encoded where the reply is.
    #[default]
    AsS3,
    Never,
    /// Never encoded.
    Plain,
}

/// What it was asked, as the query of each call.
pub(crate) type Asked = Arc<Mutex<Vec<String>>>;

impl Odd {
    pub(crate) fn with(keys: &[&'static str], page: usize) -> Self {
        let mut keys = keys.to_vec();
        keys.sort_unstable();
        Self { keys, page, ..Self::default() }
    }

    /// Starts it, and a driver on it.
    pub(crate) async fn start(self, change: impl FnOnce(&mut S3Options)) -> (S3, Asked) {
        let asked = Asked::default();
        let log = Arc::clone(&asked);
        let endpoint = answering(move |head| {
            let target = head.split(' ').nth(1).unwrap_or_default();
            let query = target.split_once('?').map_or("", |(_, query)| query);
            log.lock().unwrap().push(query.to_owned());
            self.answer(query)
        })
        .await;
        let mut options = S3Options::new(BUCKET);
        options.endpoint = Some(endpoint);
        options.access_key_id = Some("id".into());
        options.secret_access_key = Some(Secret::new("secret"));
        options.force_path_style = true;
        change(&mut options);
        (S3::open(options, UploadMemory::default()).unwrap(), asked)
    }

    fn answer(&self, query: &str) -> String {
        let query: HashMap<&str, String> = query
            .split('&')
            .filter_map(|pair| pair.split_once('='))
            .map(|(name, value)| (name, percent_decode_str(value).decode_utf8().unwrap().into_owned()))
            .collect();
        let get = |name: &str| query.get(name).map_or("", String::as_str);
        let v2 = get("list-type") == "2";
        if v2 && self.refuses_v2 {
            return xml("501 Not Implemented", "<Error><Code>NotImplemented</Code><Message>no</Message></Error>");
        }
        let v2 = v2 && !self.only_v1;
        let encode = get("encoding-type") == "url" && !self.ignores_encoding;
        let after = match (v2, encode && self.loops_when_encoded) {
            (_, true) => "",
            (true, _) => get("continuation-token"),
            (false, _) => get("marker"),
        };
        let most = get("max-keys").parse().unwrap_or(self.page).min(self.page);
        let (entries, last) = self.entries(get("prefix"), get("delimiter"), after, most);
        let name = |name: &str| match encode {
            true => utf8_percent_encode(name, ENCODED).to_string(),
            false => escaped(name, self.replaces),
        };
        let mut body = format!("<Name>{BUCKET}</Name>");
        if v2 {
            let _ = write!(body, "<KeyCount>{}</KeyCount>", entries.len());
        }
        let _ = write!(body, "<MaxKeys>{most}</MaxKeys>");
        if encode {
            body.push_str("<EncodingType>url</EncodingType>");
        }
        if !self.no_flag {
            let _ = write!(body, "<IsTruncated>{}</IsTruncated>", last.is_some());
        }
        match last {
            Some(last) if v2 && !self.no_token => {
                let _ = write!(body, "<NextContinuationToken>{}</NextContinuationToken>", escaped(&last, false));
            }
            Some(last) if !v2 && !get("delimiter").is_empty() && self.next_marker != NextMarker::Never => {
                let said = if self.next_marker == NextMarker::Plain { escaped(&last, false) } else { name(&last) };
                let _ = write!(body, "<NextMarker>{said}</NextMarker>");
            }
            _ => {}
        }
        for entry in entries {
            if entry.ends_with('/') && !get("delimiter").is_empty() {
                let said = if self.plain_prefixes { escaped(&entry, self.replaces) } else { name(&entry) };
                let _ = write!(body, "<CommonPrefixes><Prefix>{said}</Prefix></CommonPrefixes>");
            } else {
                let _ = write!(body, "<Contents><Key>{}</Key><Size>1</Size></Contents>", name(&entry));
            }
        }
        xml("200 OK", &format!("<ListBucketResult>{body}</ListBucketResult>"))
    }

    /// Keys and prefixes behind `after`, and where the next page begins.
    fn entries(&self, prefix: &str, delimiter: &str, after: &str, most: usize) -> (Vec<String>, Option<String>) {
        let mut entries: Vec<String> = Vec::new();
        let mut looked_at = 0;
        let mut last: Option<&str> = None;
        for key in self.keys.iter().filter(|key| key.starts_with(prefix) && **key > after) {
            let rest = &key[prefix.len()..];
            let entry = match rest.find('/') {
                Some(at) if !delimiter.is_empty() => &key[..prefix.len() + at + 1],
                _ => key,
            };
            // A prefix as a marker passes over all that is below it.
            if entry.ends_with('/') && entry == after {
                continue;
            }
            let is_new = entries.last().is_none_or(|last| last != entry);
            if (is_new && entries.len() == most) || (self.counts_keys && looked_at == most) {
                let place = if self.counts_keys { last } else { entries.last().map(String::as_str) };
                return (entries.clone(), place.map(ToOwned::to_owned));
            }
            looked_at += 1;
            last = Some(key);
            if is_new {
                entries.push(entry.to_owned());
            }
        }
        (entries, None)
    }
}

fn escaped(name: &str, replaces: bool) -> String {
    name.chars()
        .map(|character| match character {
            '&' => "&amp;".to_owned(),
            '<' => "&lt;".to_owned(),
            control if replaces && control.is_control() => "\u{fffd}".to_owned(),
            other => other.to_string(),
        })
        .collect()
}
