//! Times as HTTP and WebDAV write them.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use bytes::{BufMut, BytesMut};
use time::OffsetDateTime;

/// The last second of the year 9999: neither format can say a later one.
const LAST: u64 = 253_402_300_799;

/// The whole seconds since 1970, where both formats can say them. A file of 1960 or of the year 30,000 has no date.
fn seconds(time: SystemTime) -> Option<u64> {
    time.duration_since(UNIX_EPOCH).ok().map(|since| since.as_secs()).filter(|&seconds| seconds <= LAST)
}

/// Cut to whole seconds, as a client sees it.
pub(crate) fn whole_seconds(time: SystemTime) -> Option<SystemTime> {
    seconds(time).map(|seconds| UNIX_EPOCH + Duration::from_secs(seconds))
}

fn civil(time: SystemTime) -> Option<OffsetDateTime> {
    OffsetDateTime::from_unix_timestamp(i64::try_from(seconds(time)?).ok()?).ok()
}

/// `Sun, 06 Nov 1994 08:49:37 GMT` (RFC 9110 section 5.6.7). False: this time cannot be said, nothing was written.
pub(crate) fn put_http_date(out: &mut BytesMut, time: SystemTime) -> bool {
    const DAYS: &[u8; 21] = b"MonTueWedThuFriSatSun";
    const MONTHS: &[u8; 36] = b"JanFebMarAprMayJunJulAugSepOctNovDec";
    let Some(at) = civil(time) else { return false };
    let day = usize::from(at.weekday().number_days_from_monday()) * 3;
    let month = (usize::from(u8::from(at.month())) - 1) * 3;
    out.put_slice(&DAYS[day..day + 3]);
    out.put_slice(b", ");
    put_two(out, at.day());
    out.put_u8(b' ');
    out.put_slice(&MONTHS[month..month + 3]);
    out.put_u8(b' ');
    put_year(out, at.year());
    out.put_u8(b' ');
    put_clock(out, at);
    out.put_slice(b" GMT");
    true
}

/// `1994-11-06T08:49:37Z` (RFC 3339). False: this time cannot be said, nothing was written.
pub(crate) fn put_iso_date(out: &mut BytesMut, time: SystemTime) -> bool {
    let Some(at) = civil(time) else { return false };
    put_year(out, at.year());
    out.put_u8(b'-');
    put_two(out, u8::from(at.month()));
    out.put_u8(b'-');
    put_two(out, at.day());
    out.put_u8(b'T');
    put_clock(out, at);
    out.put_u8(b'Z');
    true
}

/// The header's form of a time, where it has one.
pub(crate) fn http_date(time: SystemTime) -> Option<String> {
    let mut out = BytesMut::with_capacity(29);
    put_http_date(&mut out, time).then(|| String::from_utf8_lossy(&out).into_owned())
}

/// Reads any of the three forms of RFC 9110 section 5.6.7.
pub(crate) fn parse_http_date(text: &str) -> Option<SystemTime> {
    httpdate::parse_http_date(text.trim()).ok()
}

/// Reads seconds since 1970, as ownCloud's clients send them; a fraction is cut off.
pub(crate) fn parse_unix(text: &str) -> Option<SystemTime> {
    let whole = text.trim().split('.').next()?;
    let seconds: u64 = whole.parse().ok()?;
    (seconds <= LAST).then(|| UNIX_EPOCH + Duration::from_secs(seconds))
}

fn put_clock(out: &mut BytesMut, at: OffsetDateTime) {
    put_two(out, at.hour());
    out.put_u8(b':');
    put_two(out, at.minute());
    out.put_u8(b':');
    put_two(out, at.second());
}

fn put_two(out: &mut BytesMut, value: u8) {
    out.put_u8(b'0' + value / 10 % 10);
    out.put_u8(b'0' + value % 10);
}

fn put_year(out: &mut BytesMut, year: i32) {
    put_two(out, u8::try_from(year / 100).unwrap_or_default());
    put_two(out, u8::try_from(year % 100).unwrap_or_default());
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn iso(time: SystemTime) -> String {
        let mut out = BytesMut::new();
        put_iso_date(&mut out, time);
        String::from_utf8(out.to_vec()).unwrap()
    }

    #[test]
    fn known_times_are_written_as_the_rfcs_write_them() {
        let time = UNIX_EPOCH + Duration::from_millis(784_111_777_900);
        assert_eq!(http_date(time).unwrap(), "Sun, 06 Nov 1994 08:49:37 GMT");
        assert_eq!(iso(time), "1994-11-06T08:49:37Z");
        assert_eq!(http_date(UNIX_EPOCH - Duration::from_secs(1)), None);
        assert_eq!(http_date(UNIX_EPOCH + Duration::from_secs(LAST + 1)), None);
        assert_eq!(http_date(UNIX_EPOCH + Duration::from_secs(LAST)).unwrap(), "Fri, 31 Dec 9999 23:59:59 GMT");
    }

    proptest! {
        #[test]
        fn what_is_written_is_read_back(seconds in 0u64..=253_000_000_000) {
            let time = UNIX_EPOCH + Duration::from_secs(seconds);
            prop_assert_eq!(parse_http_date(&http_date(time).unwrap()), Some(time));
        }
    }
}
