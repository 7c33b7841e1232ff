//! Checksums: those that a client announces with an upload, which are compared before anything is stored (promise 3), and
//! how the known ones of a file are told.
//!
//! * `OC-Checksum: SHA1:hex` as ownCloud's clients and rclone send it (owncloud/core, `apps/dav/lib/Connector/Sabre/File.php`:
//!   another sum is 400); several stand apart by spaces. Types: `SHA1`, `MD5`, `ADLER32`, `SHA256`.
//! * `Content-MD5` (RFC 1864), `Content-Digest` and `Repr-Digest` (RFC 9530), `Digest` (RFC 3230). No body here has a content
//!   coding, so content and representation are the same bytes.
//!
//! An algorithm that is not known here is left alone; a sum that its algorithm cannot have is refused.
//!
//! ownCloud's dialect (`OC-Checksum`, or `X-OC-Mtime` alone where a body is streamed) gets MD5 and SHA-1 computed besides:
//! its clients look for both in `oc:checksums` afterwards (rclone/rclone, `backend/webdav/webdav.go`, `setQuirks`).

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::BufMut;
use davmux_tree::Checksums;
use http::HeaderMap;
use http::header::HeaderName;
use md5::{Digest, Md5};
use sha1::Sha1;
use sha2::{Sha256, Sha512};
use simd_adler32::Adler32;

use crate::headers::{list, single};
use crate::status::Failure;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Algorithm {
    Adler32,
    Md5,
    Sha1,
    Sha256,
    Sha512,
}

impl Algorithm {
    /// By the words of `OC-Checksum`, which are written without a dash, and of the others.
    fn of(name: &str) -> Option<Self> {
        Some(match name.to_ascii_lowercase().as_str() {
            "adler32" | "adler" => Self::Adler32,
            "md5" => Self::Md5,
            "sha1" | "sha-1" | "sha" => Self::Sha1,
            "sha256" | "sha-256" => Self::Sha256,
            "sha512" | "sha-512" => Self::Sha512,
            _ => return None,
        })
    }

    fn name(self) -> &'static str {
        match self {
            Self::Adler32 => "Adler-32",
            Self::Md5 => "MD5",
            Self::Sha1 => "SHA-1",
            Self::Sha256 => "SHA-256",
            Self::Sha512 => "SHA-512",
        }
    }

    /// Of a sum, in bytes.
    fn length(self) -> usize {
        match self {
            Self::Adler32 => 4,
            Self::Md5 => 16,
            Self::Sha1 => 20,
            Self::Sha256 => 32,
            Self::Sha512 => 64,
        }
    }

    fn hex(self, text: &str) -> Option<Vec<u8>> {
        // ownCloud's desktop client writes this one as a number, without the zeros in front.
        let padded = match self {
            Self::Adler32 if (1..8).contains(&text.len()) => format!("{text:0>8}"),
            _ => text.to_owned(),
        };
        let digits = padded.len() == 2 * self.length() && padded.bytes().all(|byte| byte.is_ascii_hexdigit());
        let byte = |at| u8::from_str_radix(&padded[at..at + 2], 16).ok();
        if digits { (0..padded.len()).step_by(2).map(byte).collect() } else { None }
    }

    fn base64(self, text: &str) -> Option<Vec<u8>> {
        STANDARD.decode(text).ok().filter(|sum| sum.len() == self.length())
    }
}

/// The sums that a request announced.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Announced {
    /// One an algorithm.
    sums: Vec<(Algorithm, Vec<u8>)>,
    /// Its sender looks for these afterwards, whatever it announced.
    wanted: &'static [Algorithm],
}

impl Announced {
    /// Reads the headers.
    ///
    /// # Errors
    /// 400 for a sum that cannot be read, and for two different ones of one algorithm: a body that has both does not exist.
    pub(crate) fn parse(headers: &HeaderMap) -> Result<Self, Failure> {
        let mut announced = single(headers, "oc-checksum")?.map(Self::in_words).transpose()?.unwrap_or_default();
        if headers.contains_key("oc-checksum") || headers.contains_key("x-oc-mtime") {
            announced.wanted = &[Algorithm::Md5, Algorithm::Sha1];
        }
        if let Some(text) = single(headers, "content-md5")? {
            announced.add("Content-MD5", "md5", |algorithm| algorithm.base64(text))?;
        }
        for header in ["content-digest", "repr-digest", "digest"] {
            let Some(text) = list(headers, &HeaderName::from_static(header))? else { continue };
            for member in text.split(',').map(|member| member.trim_matches([' ', '\t'])).filter(|m| !m.is_empty()) {
                let (name, value) = member.split_once('=').ok_or_else(|| unreadable(header))?;
                announced.add(header, name, |algorithm| match header {
                    "digest" if algorithm == Algorithm::Adler32 => algorithm.hex(value),
                    "digest" => algorithm.base64(value),
                    // A byte sequence of RFC 9651, which may have parameters.
                    _ => {
                        let value = value.split(';').next().unwrap_or_default().trim_end();
                        algorithm.base64(value.strip_prefix(':')?.strip_suffix(':')?)
                    }
                })?;
            }
        }
        Ok(announced)
    }

    /// Reads `SHA1:hex MD5:hex`, as in `OC-Checksum` and `oc:checksum`.
    ///
    /// # Errors
    /// As [`parse`](Self::parse).
    pub(crate) fn in_words(text: &str) -> Result<Self, Failure> {
        let mut announced = Self::default();
        for word in text.split_ascii_whitespace() {
            let (name, hex) = word.split_once(':').ok_or_else(|| unreadable("OC-Checksum"))?;
            announced.add("OC-Checksum", name, |algorithm| algorithm.hex(hex))?;
        }
        Ok(announced)
    }

    fn add(
        &mut self,
        header: &'static str,
        name: &str,
        sum: impl FnOnce(Algorithm) -> Option<Vec<u8>>,
    ) -> Result<(), Failure> {
        let Some(algorithm) = Algorithm::of(name) else { return Ok(()) };
        let sum = sum(algorithm).ok_or_else(|| unreadable(header))?;
        match self.sums.iter().find(|(known, _)| *known == algorithm) {
            None => self.sums.push((algorithm, sum)),
            Some((_, known)) if *known == sum => {}
            Some(_) => {
                let name = algorithm.name();
                return Err(Failure::bad_request(format!(
                    "two different {name} sums are announced; nothing was stored"
                )));
            }
        }
        Ok(())
    }

    /// Those of them that are kept with a file.
    pub(crate) fn checksums(&self) -> Checksums {
        let mut checksums = Checksums::default();
        self.sums.iter().for_each(|(algorithm, sum)| keep(&mut checksums, *algorithm, sum));
        checksums
    }

    /// To be fed with the body. Costs nothing where no sum was announced or is wanted.
    pub(crate) fn begin(self) -> Check {
        let mut check: Vec<_> =
            self.sums.into_iter().map(|(algorithm, sum)| (Sum::new(algorithm), algorithm, Some(sum))).collect();
        for wanted in self.wanted {
            if !check.iter().any(|(_, algorithm, _)| algorithm == wanted) {
                check.push((Sum::new(*wanted), *wanted, None));
            }
        }
        Check(check)
    }
}

fn keep(checksums: &mut Checksums, algorithm: Algorithm, sum: &[u8]) {
    match algorithm {
        Algorithm::Md5 => checksums.md5 = sum.try_into().ok(),
        Algorithm::Sha1 => checksums.sha1 = sum.try_into().ok(),
        Algorithm::Adler32 | Algorithm::Sha256 | Algorithm::Sha512 => {}
    }
}

/// Writes `SHA1:hex MD5:hex`, the strongest first. False: none is known, nothing was written.
pub(crate) fn put_words(out: &mut impl BufMut, checksums: Checksums) -> bool {
    let words =
        [checksums.sha1.as_ref().map(|sum| ("SHA1:", &sum[..])), checksums.md5.as_ref().map(|sum| ("MD5:", &sum[..]))];
    for (at, (name, sum)) in words.into_iter().flatten().enumerate() {
        if at > 0 {
            out.put_u8(b' ');
        }
        out.put_slice(name.as_bytes());
        for byte in sum {
            const DIGITS: &[u8; 16] = b"0123456789abcdef";
            out.put_u8(DIGITS[usize::from(byte >> 4)]);
            out.put_u8(DIGITS[usize::from(byte & 15)]);
        }
    }
    !checksums.is_empty()
}

fn unreadable(header: &'static str) -> Failure {
    Failure::bad_request(format!("the header {header} holds no checksum that can be read; nothing was stored"))
}

/// A body is being compared with what was announced of it.
pub(crate) struct Check(Vec<(Sum, Algorithm, Option<Vec<u8>>)>);

impl Check {
    /// Takes the next bytes. A frame of a connection is a few hundred KiB at most: less than a millisecond's work.
    pub(crate) fn update(&mut self, bytes: &[u8]) {
        for (sum, ..) in &mut self.0 {
            sum.update(bytes);
        }
    }

    /// Compares, and tells what is now known of the body.
    ///
    /// # Errors
    /// 400 where a sum is another one than announced.
    pub(crate) fn finish(self) -> Result<Checksums, Failure> {
        let mut checksums = Checksums::default();
        for (sum, algorithm, announced) in self.0 {
            let sum = sum.finish();
            if announced.is_some_and(|announced| announced != sum) {
                let name = algorithm.name();
                return Err(Failure::bad_request(format!(
                    "the {name} sum of the body is not the announced one: it was damaged on the way; nothing was stored"
                )));
            }
            keep(&mut checksums, algorithm, &sum);
        }
        Ok(checksums)
    }
}

enum Sum {
    Adler32(Adler32),
    Md5(Md5),
    Sha1(Sha1),
    Sha256(Sha256),
    Sha512(Box<Sha512>),
}

impl Sum {
    fn new(algorithm: Algorithm) -> Self {
        match algorithm {
            Algorithm::Adler32 => Self::Adler32(Adler32::new()),
            Algorithm::Md5 => Self::Md5(Md5::new()),
            Algorithm::Sha1 => Self::Sha1(Sha1::new()),
            Algorithm::Sha256 => Self::Sha256(Sha256::new()),
            Algorithm::Sha512 => Self::Sha512(Box::new(Sha512::new())),
        }
    }

    fn update(&mut self, bytes: &[u8]) {
        match self {
            Self::Adler32(sum) => sum.write(bytes),
            Self::Md5(sum) => Digest::update(sum, bytes),
            Self::Sha1(sum) => Digest::update(sum, bytes),
            Self::Sha256(sum) => Digest::update(sum, bytes),
            Self::Sha512(sum) => Digest::update(&mut **sum, bytes),
        }
    }

    fn finish(self) -> Vec<u8> {
        match self {
            Self::Adler32(sum) => sum.finish().to_be_bytes().to_vec(),
            Self::Md5(sum) => sum.finalize().to_vec(),
            Self::Sha1(sum) => sum.finalize().to_vec(),
            Self::Sha256(sum) => sum.finalize().to_vec(),
            Self::Sha512(sum) => sum.finalize().to_vec(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::HeaderValue;
    use proptest::prelude::*;

    /// Of `abc`, from RFC 1321 appendix A.5, RFC 3174 section 7.3 and FIPS 180-2 appendices B.1 and C.1.
    const MD5: &str = "900150983cd24fb0d6963f7d28e17f72";
    const SHA1: &str = "a9993e364706816aba3e25717850c26c9cd0d89d";
    const SHA256: &str = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
    const SHA512: &str = "ddaf35a193617abacc417349ae20413112e6fa4e89a97ea20a9eeee64b55d39a\
                          2192992a274fc1a836ba3c23a3feebbd454d4423643ce80e2a9ac94fa54ca49f";

    fn base64(hex: &str) -> String {
        let bytes: Vec<u8> =
            (0..hex.len()).step_by(2).map(|at| u8::from_str_radix(&hex[at..at + 2], 16).unwrap()).collect();
        STANDARD.encode(bytes)
    }

    fn announced(pairs: &[(&str, &str)]) -> Result<Announced, Failure> {
        let mut headers = HeaderMap::new();
        for (name, value) in pairs {
            headers.append(name.parse::<HeaderName>().unwrap(), HeaderValue::from_str(value).unwrap());
        }
        Announced::parse(&headers)
    }

    /// Whether a body passes, given in two pieces.
    fn passes(header: &str, value: &str, body: &[u8]) -> bool {
        let announced = announced(&[(header, value)]).unwrap();
        assert!(!announced.sums.is_empty(), "{header}: {value} announces nothing");
        let mut check = announced.begin();
        let (first, second) = body.split_at(body.len() / 2);
        check.update(first);
        check.update(second);
        check.finish().is_ok()
    }

    #[test]
    fn each_form_passes_the_announced_body_and_no_other() {
        for (header, value) in [
            ("oc-checksum", format!("SHA1:{SHA1}")),
            ("oc-checksum", format!("sha1:{}", SHA1.to_uppercase())),
            ("oc-checksum", format!("MD5:{MD5}")),
            ("oc-checksum", "ADLER32:024d0127".to_owned()),
            ("oc-checksum", "Adler32:24d0127".to_owned()),
            ("oc-checksum", format!("SHA256:{SHA256}")),
            ("oc-checksum", format!("SHA1:{SHA1} MD5:{MD5} ADLER32:024d0127")),
            ("oc-checksum", format!("SHA3-256:00 MD5:{MD5}")),
            ("content-md5", base64(MD5)),
            ("digest", format!("SHA-256={}", base64(SHA256))),
            ("digest", format!("md5={},unixsum=30637, ADLER32=024d0127", base64(MD5))),
            ("digest", format!("SHA={}", base64(SHA1))),
            ("repr-digest", format!("sha-256=:{}:", base64(SHA256))),
            ("content-digest", format!("sha-512=:{}:, crc32c=:AAAAAA==:", base64(SHA512))),
            ("content-digest", format!("sha-256=:{}:;x=1", base64(SHA256))),
        ] {
            assert!(passes(header, &value, b"abc"), "{header}: {value}");
            assert!(!passes(header, &value, b"abd"), "{header}: {value}");
            assert!(!passes(header, &value, b""), "{header}: {value}");
        }
    }

    /// One of several that is wrong is enough.
    #[test]
    fn every_announced_sum_counts() {
        let wrong = MD5.replace('9', "8");
        assert!(!passes("oc-checksum", &format!("SHA1:{SHA1} MD5:{wrong}"), b"abc"));
        assert!(!passes("oc-checksum", &format!("MD5:{wrong} SHA1:{SHA1}"), b"abc"));
    }

    #[test]
    fn what_clients_of_owncloud_look_for_is_computed_for_them_alone() {
        let of_abc = |pairs: &[(&str, &str)]| {
            let mut check = announced(pairs).unwrap().begin();
            check.update(b"abc");
            let mut out = Vec::new();
            put_words(&mut out, check.finish().unwrap());
            String::from_utf8(out).unwrap()
        };
        let both = format!("SHA1:{SHA1} MD5:{MD5}");
        assert_eq!(of_abc(&[("oc-checksum", &format!("SHA1:{SHA1}"))]), both);
        assert_eq!(of_abc(&[("oc-checksum", "SHA3-256:00")]), both);
        assert_eq!(of_abc(&[("x-oc-mtime", "1")]), both);
        assert_eq!(of_abc(&[("content-md5", &base64(MD5))]), format!("MD5:{MD5}"));
        assert_eq!(of_abc(&[("repr-digest", &format!("sha-256=:{}:", base64(SHA256)))]), "");
        assert_eq!(of_abc(&[]), "");
        let told = Announced::in_words(&both).unwrap().checksums();
        assert!(told.md5.is_some() && told.sha1.is_some());
    }

    #[test]
    fn what_cannot_be_a_sum_is_refused() {
        for (header, value) in [
            ("oc-checksum", "SHA1"),
            ("oc-checksum", "SHA1:"),
            ("oc-checksum", "SHA1:random"),
            ("oc-checksum", "MD5:é"),
            ("oc-checksum", "ADLER32:"),
            ("oc-checksum", "ADLER32:000000000"),
            ("oc-checksum", SHA1),
            ("content-md5", "AAAA"),
            ("content-md5", MD5),
            ("digest", "SHA-256"),
            ("digest", "SHA-256=!"),
            ("repr-digest", "sha-256=abc"),
            ("repr-digest", "sha-256=:AAAA:"),
            ("content-digest", "sha-256"),
        ] {
            assert!(announced(&[(header, value)]).is_err(), "{header}: {value}");
        }
        assert!(announced(&[("oc-checksum", "MD5:00"), ("oc-checksum", "MD5:00")]).is_err());
        let other = base64(&MD5.replace('9', "8"));
        assert!(announced(&[("oc-checksum", &format!("MD5:{MD5}")), ("content-md5", &other)]).is_err());
        assert!(announced(&[("oc-checksum", &format!("MD5:{MD5}")), ("content-md5", &base64(MD5))]).is_ok());
    }

    #[test]
    fn an_algorithm_that_is_not_known_announces_nothing() {
        for (header, value) in [
            ("oc-checksum", "SHA3-256:00"),
            ("oc-checksum", "X:"),
            ("oc-checksum", ""),
            ("digest", "unixsum=1"),
            ("repr-digest", "crc32c=:AAAAAA==:"),
        ] {
            assert_eq!(announced(&[(header, value)]).unwrap().sums, [], "{header}: {value}");
        }
    }

    proptest! {
        #[test]
        fn any_text_is_read_or_refused(text in "[\\x20-\\x7eé]{0,60}|(SHA1|MD5|ADLER32|sha-256)[:=][0-9a-f:=é]{0,44}") {
            for header in ["oc-checksum", "content-md5", "digest", "repr-digest"] {
                if let Ok(announced) = announced(&[(header, &text)]) {
                    prop_assert!(announced.sums.iter().all(|(algorithm, sum)| sum.len() == algorithm.length()));
                }
            }
        }
    }
}
