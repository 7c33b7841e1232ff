//! What a writer gave a file, as the object's own metadata: in rclone's words, so that each reads what the other wrote.
//!
//! rclone (backend/s3/s3.go, `metaMtime` and `metaMD5Hash`) keeps the time as decimal seconds since 1970 with up to nine
//! places (github.com/ncw/swift, `TimeToFloatString`) and an MD5 in base64. It has no word for a SHA-1; that one is ours.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use davmux_driver::{Checksums, Metadata};

/// Names of metadata, without `x-amz-meta-`.
const MTIME: &str = "mtime";
const MD5: &str = "md5chksum";
const SHA1: &str = "sha1chksum";

/// The metadata of a new object, by name.
pub(crate) fn write(metadata: &Metadata) -> impl Iterator<Item = (&'static str, String)> + use<> {
    let Metadata { modified, checksums: Checksums { md5, sha1 } } = *metadata;
    let time = modified.map(|time| (MTIME, seconds(time)));
    let md5 = md5.map(|sum| (MD5, STANDARD.encode(sum)));
    let sha1 = sha1.map(|sum| (SHA1, STANDARD.encode(sum)));
    [time, md5, sha1].into_iter().flatten()
}

/// What the metadata of an object says; what it says in other words is not there.
pub(crate) fn read<'a>(value: impl Fn(&'static str) -> Option<&'a str>) -> Metadata {
    Metadata {
        modified: value(MTIME).and_then(time),
        checksums: Checksums { md5: value(MD5).and_then(sum), sha1: value(SHA1).and_then(sum) },
    }
}

/// The same of what an answer carries as headers.
pub(crate) fn read_headers(headers: &http::HeaderMap) -> Metadata {
    read(|name| headers.get(format!("x-amz-meta-{name}"))?.to_str().ok())
}

fn sum<const N: usize>(text: &str) -> Option<[u8; N]> {
    STANDARD.decode(text.trim()).ok()?.try_into().ok()
}

fn seconds(time: SystemTime) -> String {
    let (sign, apart) = match time.duration_since(UNIX_EPOCH) {
        Ok(since) => ("", since),
        Err(before) => ("-", before.duration()),
    };
    let text = format!("{sign}{}.{:09}", apart.as_secs(), apart.subsec_nanos());
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}

/// Also of other tools, which write whole seconds under the same name. More places than nine are cut off.
fn time(text: &str) -> Option<SystemTime> {
    let text = text.trim();
    let (before, text) = text.strip_prefix('-').map_or((false, text), |text| (true, text));
    let (whole, places) = text.split_once('.').unwrap_or((text, ""));
    let digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
    if whole.is_empty() || !digits(whole) || !digits(places) {
        return None;
    }
    let nanos = format!("{places:0<9}").get(..9)?.parse().ok()?;
    let apart = Duration::new(whole.parse().ok()?, nanos);
    if before { UNIX_EPOCH.checked_sub(apart) } else { UNIX_EPOCH.checked_add(apart) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_written_as_rclone_does_and_read_again() {
        for (text, apart) in [
            ("0", Duration::ZERO),
            ("1354040105", Duration::from_secs(1_354_040_105)),
            ("1354040105.5", Duration::new(1_354_040_105, 500_000_000)),
            ("1700000000.000000001", Duration::new(1_700_000_000, 1)),
            ("100", Duration::from_secs(100)),
        ] {
            assert_eq!(seconds(UNIX_EPOCH + apart), text);
            assert_eq!(time(text), Some(UNIX_EPOCH + apart));
        }
        let before = UNIX_EPOCH - Duration::new(1, 500_000_000);
        assert_eq!((seconds(before).as_str(), time("-1.5")), ("-1.5", Some(before)));
        assert_eq!(time("1.1234567899"), Some(UNIX_EPOCH + Duration::new(1, 123_456_789)));
        for bad in ["", ".", "x", "1.x", "1e9", "+1", "--1", "1,5", "99999999999999999999", "é"] {
            assert_eq!(time(bad), None, "{bad:?}");
        }
    }

    #[test]
    fn checksums_are_of_their_length_or_none() {
        let checksums = Checksums { md5: Some([1; 16]), sha1: Some([2; 20]) };
        let written: Vec<_> = write(&Metadata { modified: None, checksums }).collect();
        assert_eq!(written.iter().map(|(name, _)| *name).collect::<Vec<_>>(), [MD5, SHA1]);
        let value = |name| written.iter().find(|(there, _)| *there == name).map(|(_, value)| value.as_str());
        assert_eq!(read(value).checksums, checksums);
        assert_eq!(read(|name| if name == MD5 { value(SHA1) } else { Some("!") }), Metadata::default());
    }
}
