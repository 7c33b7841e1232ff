//! Sizes and durations as people write them.

use std::time::Duration;

/// A number of bytes: plain, or with `B`, `KiB`, `MiB`, `GiB`, `TiB` (powers of 1024) or `KB`, `MB`, `GB`, `TB` (powers of
/// 1000). Capitals do not matter: nobody means millibits.
pub(crate) fn size(text: &str) -> Option<u64> {
    let (number, unit) = split(text)?;
    let factor: u64 = match unit.to_ascii_lowercase().as_str() {
        "" | "b" => 1,
        "kib" => 1 << 10,
        "mib" => 1 << 20,
        "gib" => 1 << 30,
        "tib" => 1 << 40,
        "kb" => 1_000,
        "mb" => 1_000_000,
        "gb" => 1_000_000_000,
        "tb" => 1_000_000_000_000,
        _ => return None,
    };
    number.checked_mul(factor)
}

/// A length of time: numbers with `ms`, `s`, `m`, `h`, `d`, one after the other (`1h30m`). A number alone counts in `bare`;
/// where that is `None` only `0` needs no unit.
pub fn duration(text: &str, bare: Option<Duration>) -> Option<Duration> {
    if let Ok(number) = text.parse::<u32>()
        && text.bytes().all(|byte| byte.is_ascii_digit())
    {
        return match bare {
            Some(unit) => unit.checked_mul(number),
            None => (number == 0).then_some(Duration::ZERO),
        };
    }
    let mut rest = text;
    let mut total = Duration::ZERO;
    while !rest.is_empty() {
        let (number, tail) = split(rest)?;
        let end = tail.find(|c: char| c.is_ascii_digit()).unwrap_or(tail.len());
        let (unit, tail) = tail.split_at(end);
        let unit = match unit.trim_end() {
            "ms" => Duration::from_millis(1),
            "s" => Duration::from_secs(1),
            "m" => Duration::from_secs(60),
            "h" => Duration::from_secs(3600),
            "d" => Duration::from_secs(24 * 3600),
            _ => return None,
        };
        total = total.checked_add(unit.checked_mul(u32::try_from(number).ok()?)?)?;
        rest = tail;
    }
    (!text.is_empty()).then_some(total)
}

/// The digits at the beginning, and the rest without the spaces between.
fn split(text: &str) -> Option<(u64, &str)> {
    let end = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let (digits, rest) = text.split_at(end);
    Some((digits.parse().ok()?, rest.trim_start()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn sizes() {
        for (text, bytes) in [
            ("0", 0),
            ("1024", 1024),
            ("256MiB", 256 << 20),
            ("64MB", 64_000_000),
            ("10 gib", 10 << 30),
            ("7B", 7),
            ("2TiB", 2 << 40),
            ("3kb", 3000),
        ] {
            assert_eq!(size(text), Some(bytes), "{text}");
        }
        for text in ["", "MiB", "-1", "1.5GiB", "1M", "1 2", "99999999999999999999", "99999999999TiB", "1MiBs"] {
            assert_eq!(size(text), None, "{text}");
        }
    }

    #[test]
    fn durations() {
        let hours = Some(Duration::from_secs(3600));
        for (text, seconds) in [("30s", 30), ("4h", 4 * 3600), ("7d", 604_800), ("1h30m", 5400), ("0", 0), ("5 m", 300)]
        {
            assert_eq!(duration(text, None), Some(Duration::from_secs(seconds)), "{text}");
        }
        assert_eq!(duration("500ms", None), Some(Duration::from_millis(500)));
        assert_eq!(duration("4", hours), Some(Duration::from_secs(4 * 3600)));
        for text in
            ["", "4", "h", "-1s", "1.5h", "1y", "1h 2", "99999999999999999999s", "4294967295d4294967295d1x", "+4"]
        {
            assert_eq!(duration(text, None), None, "{text}");
        }
        assert_eq!(duration("+4", hours), None);
    }

    proptest! {
        #[test]
        fn no_text_makes_them_panic(text in "[0-9]{0,22}[ a-zA-Z]{0,4}[0-9]{0,22}.{0,3}") {
            size(&text);
            duration(&text, None);
            duration(&text, Some(Duration::from_secs(3600)));
        }
    }
}
