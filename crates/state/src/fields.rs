//! Several texts in one key.

/// Each field with its length before it, so that no character in a field can be taken for a separator.
pub(crate) fn encode<const N: usize>(fields: [&str; N]) -> String {
    fields.iter().map(|field| format!("{}:{field}", field.len())).collect()
}

pub(crate) fn decode<const N: usize>(mut key: &str) -> Option<[String; N]> {
    let mut fields = [const { String::new() }; N];
    for field in &mut fields {
        let (length, rest) = key.split_once(':')?;
        let (text, rest) = rest.split_at_checked(length.parse().ok()?)?;
        *field = text.to_owned();
        key = rest;
    }
    key.is_empty().then_some(fields)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_encoded_is_decoded_whatever_it_holds() {
        for fields in [["/films", "a/b.mkv", "id"], ["", "", ""], ["1:", "2:é", ":::3:x"], ["/", "ü\u{0}", "=/+"]] {
            assert_eq!(decode(&encode(fields)).unwrap(), fields.map(str::to_owned));
        }
        assert_ne!(encode(["a", "bc", "d"]), encode(["ab", "c", "d"]));
    }

    #[test]
    fn what_was_not_encoded_here_is_refused() {
        for key in ["", "x", "1:a1:b", "1:a1:b1:c!", "9:a1:b1:c", "1:a1:b-1:c", "1:é1:b1:c"] {
            assert_eq!(decode::<3>(key), None, "{key:?}");
        }
    }
}
