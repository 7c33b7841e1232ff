//! [`Code`]: the status of an answer, as a label.

use crate::Label;

/// The status of an answer. A number that nobody registered is `other`, so a storage that makes some up makes no series.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Code(u8);

/// Those that davmux or a storage answers with, in order: of RFC 9110 section 15, RFC 4918 section 11 and
/// RFC 6585, 499 for a client that left (as nginx and Cloudflare say it).
const CODES: [(u16, &str); 53] = [
    (100, "100"),
    (101, "101"),
    (103, "103"),
    (200, "200"),
    (201, "201"),
    (202, "202"),
    (203, "203"),
    (204, "204"),
    (205, "205"),
    (206, "206"),
    (207, "207"),
    (300, "300"),
    (301, "301"),
    (302, "302"),
    (303, "303"),
    (304, "304"),
    (307, "307"),
    (308, "308"),
    (400, "400"),
    (401, "401"),
    (402, "402"),
    (403, "403"),
    (404, "404"),
    (405, "405"),
    (406, "406"),
    (407, "407"),
    (408, "408"),
    (409, "409"),
    (410, "410"),
    (411, "411"),
    (412, "412"),
    (413, "413"),
    (414, "414"),
    (415, "415"),
    (416, "416"),
    (417, "417"),
    (421, "421"),
    (422, "422"),
    (423, "423"),
    (424, "424"),
    (425, "425"),
    (426, "426"),
    (428, "428"),
    (429, "429"),
    (431, "431"),
    (451, "451"),
    (499, "499"),
    (500, "500"),
    (501, "501"),
    (502, "502"),
    (503, "503"),
    (504, "504"),
    (507, "507"),
];

/// [`CODES`], the others, and none.
const COUNT: usize = CODES.len() + 2;

impl Code {
    const fn at(index: usize) -> Self {
        // There are fewer than 256.
        Self(index as u8)
    }

    /// There was no answer.
    pub const NONE: Self = Self::at(COUNT - 1);
    const OTHER: Self = Self::at(COUNT - 2);

    /// The label of a status.
    pub fn of(status: u16) -> Self {
        match CODES.binary_search_by_key(&status, |(code, _)| *code) {
            Ok(index) => Self::at(index),
            Err(_) => Self::OTHER,
        }
    }

    /// Whether the answer says that it was done.
    pub fn is_success(self) -> bool {
        CODES.get(usize::from(self.0)).is_some_and(|(code, _)| (200..300).contains(code))
    }
}

impl Label for Code {
    const NAME: &'static str = "code";
    const ALL: &'static [Self] = &{
        let mut all = [Self(0); COUNT];
        let mut index = 0;
        while index < COUNT {
            all[index] = Self::at(index);
            index += 1;
        }
        all
    };

    fn index(self) -> usize {
        usize::from(self.0)
    }

    fn as_str(self) -> &'static str {
        match CODES.get(usize::from(self.0)) {
            Some((_, word)) => word,
            None if self == Self::OTHER => "other",
            None => "none",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_status_is_its_number_or_other() {
        for (code, word) in CODES {
            assert_eq!(code.to_string(), word);
            assert_eq!(Code::of(code).as_str(), word);
        }
        for unheard_of in [0, 99, 299, 418, 599, 999, u16::MAX] {
            assert_eq!(Code::of(unheard_of).as_str(), "other");
        }
        assert_eq!(Code::NONE.as_str(), "none");
        for (index, code) in Code::ALL.iter().enumerate() {
            assert_eq!(code.index(), index);
        }
        assert!(Code::of(207).is_success() && !Code::of(304).is_success() && !Code::NONE.is_success());
    }
}
