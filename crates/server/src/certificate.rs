//! [`TlsFiles`]: a certificate and its key, read from their files and found to fit; and what is wrong with them.

use std::io::{self, ErrorKind, Read};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use rustls::client::verify_server_cert_signed_by_trust_anchor;
use rustls::crypto::{CryptoProvider, aws_lc_rs};
use rustls::server::ParsedCertificate;
use rustls::sign::CertifiedKey;
use rustls::{CertificateError, RootCertStore};
use rustls_pki_types::pem::{self, PemObject, SectionKind};
use rustls_pki_types::{CertificateDer, PrivateKeyDer, UnixTime};
use sha2::{Digest, Sha256};

/// More than any chain of certificates has; a path that names a film by mistake is not read into memory.
const LARGEST: u64 = 1024 * 1024;

/// The files of a certificate and its key, in PEM.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct TlsFiles {
    /// The server's own certificate first, then those that lead from it to a root.
    pub cert_file: PathBuf,
    /// The private key of the first: PKCS#8, PKCS#1 or SEC1, without a passphrase.
    pub key_file: PathBuf,
}

/// Why a certificate cannot be served.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TlsError {
    /// A file cannot be read.
    #[error("{} cannot be read: {source}", file.display())]
    Read {
        /// Which.
        file: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// A file is not what it should be.
    #[error("{} {detail}", file.display())]
    Content {
        /// Which.
        file: PathBuf,
        /// What is wrong with it; never a part of a key.
        detail: String,
    },
    /// Each file is good, and they do not fit.
    #[error("the key in {} does not belong to the certificate in {}", files.key_file.display(), files.cert_file.display())]
    Mismatch {
        /// Both.
        files: TlsFiles,
    },
}

impl TlsError {
    /// Whether the key's file is what is wrong, and not that of the certificate.
    pub fn is_about_the_key(&self, files: &TlsFiles) -> bool {
        match self {
            Self::Read { file, .. } | Self::Content { file, .. } => *file == files.key_file,
            Self::Mismatch { .. } => true,
        }
    }
}

impl TlsFiles {
    /// Reads both files and answers what should be known of them: that the certificate is over, or not valid yet.
    ///
    /// # Errors
    /// [`TlsError`]
    pub fn check(&self) -> Result<Option<String>, TlsError> {
        let texts = Texts::read(self)?;
        let key = certified(self, &texts, &aws_lc_rs::default_provider())?;
        let time = Time::of(&key);
        Ok(time.and_then(|time| time.complaint(SystemTime::now())).map(|what| self.said(&what)))
    }

    pub(crate) fn said(&self, what: &str) -> String {
        format!("the certificate in {} {what}: clients refuse it", self.cert_file.display())
    }
}

/// What stands in the two files.
pub(crate) struct Texts {
    cert: Vec<u8>,
    key: Vec<u8>,
}

impl Texts {
    pub(crate) fn read(files: &TlsFiles) -> Result<Self, TlsError> {
        Ok(Self { cert: read(&files.cert_file)?, key: read(&files.key_file)? })
    }

    /// Kept instead of the texts, so that the key is in memory once.
    pub(crate) fn digest(&self) -> [u8; 32] {
        let mut hash = Sha256::new();
        hash.update(self.cert.len().to_be_bytes());
        hash.update(&self.cert);
        hash.update(&self.key);
        hash.finalize().into()
    }
}

fn read(file: &Path) -> Result<Vec<u8>, TlsError> {
    let failed = |source| TlsError::Read { file: file.to_owned(), source };
    // A pipe or a device could keep the server waiting for ever.
    if !std::fs::metadata(file).map_err(failed)?.is_file() {
        return Err(failed(io::Error::new(ErrorKind::InvalidInput, "it is not a file")));
    }
    let mut text = Vec::new();
    std::fs::File::open(file).and_then(|open| open.take(LARGEST + 1).read_to_end(&mut text)).map_err(failed)?;
    if text.len() as u64 > LARGEST {
        return Err(failed(io::Error::new(ErrorKind::InvalidData, "it is larger than 1 MiB")));
    }
    Ok(text)
}

/// Reads the chain and the key, and sees that they belong together.
pub(crate) fn certified(files: &TlsFiles, texts: &Texts, provider: &CryptoProvider) -> Result<CertifiedKey, TlsError> {
    let content = |file: &PathBuf, detail: String| TlsError::Content { file: file.clone(), detail };
    let in_cert = |detail: String| content(&files.cert_file, detail);
    let in_key = |detail: String| content(&files.key_file, detail);
    let chain = CertificateDer::pem_slice_iter(&texts.cert)
        .collect::<Result<Vec<_>, _>>()
        .map_err(|error| in_cert(format!("is not good PEM: {}", what(&error))))?;
    if chain.is_empty() {
        return Err(in_cert(if has(&texts.cert, is_key) {
            "has a private key in it and no certificate: are the two files swapped?".to_owned()
        } else {
            "has no certificate (-----BEGIN CERTIFICATE-----) in it".to_owned()
        }));
    }
    for (number, certificate) in (1..).zip(&chain) {
        if let Err(error) = ParsedCertificate::try_from(certificate) {
            return Err(in_cert(format!("has a certificate, number {number}, that cannot be used: {error}")));
        }
    }
    let text = String::from_utf8_lossy(&texts.key);
    // PKCS#8 says it in the name of the section, the older form in a line below it.
    if text.contains("BEGIN ENCRYPTED PRIVATE KEY") || text.contains("Proc-Type: 4,ENCRYPTED") {
        let why =
            "has a key with a passphrase, which nobody is there to type: `openssl pkey -in OLD -out NEW` takes it off";
        return Err(in_key(why.to_owned()));
    }
    let key = match PrivateKeyDer::from_pem_slice(&texts.key) {
        Ok(key) => key,
        Err(pem::Error::NoItemsFound) if has(&texts.key, |kind| *kind == SectionKind::Certificate) => {
            return Err(in_key("has a certificate in it and no private key: are the two files swapped?".to_owned()));
        }
        Err(pem::Error::NoItemsFound) => {
            return Err(in_key("has no private key (-----BEGIN PRIVATE KEY-----) in it".to_owned()));
        }
        Err(error) => return Err(in_key(format!("is not good PEM: {}", what(&error)))),
    };
    // What rustls says of a key may quote it.
    let signing = provider.key_provider.load_private_key(key).map_err(|_| {
        let usable = "RSA of 2048 bits and more, ECDSA (P-256, P-384, P-521) and Ed25519 can";
        in_key(format!("has a key that cannot be used; {usable}"))
    })?;
    let key = CertifiedKey::new(chain, signing);
    if key.keys_match().is_ok() {
        return Ok(key);
    }
    let own = key
        .cert
        .iter()
        .skip(1)
        .any(|certificate| CertifiedKey::new(vec![certificate.clone()], Arc::clone(&key.key)).keys_match().is_ok());
    Err(if own {
        in_cert("has the server's own certificate behind another one: it must be the first".to_owned())
    } else {
        TlsError::Mismatch { files: files.clone() }
    })
}

fn is_key(kind: &SectionKind) -> bool {
    matches!(kind, SectionKind::PrivateKey | SectionKind::RsaPrivateKey | SectionKind::EcPrivateKey)
}

fn has(text: &[u8], wanted: impl Fn(&SectionKind) -> bool) -> bool {
    <(SectionKind, Vec<u8>)>::pem_slice_iter(text).map_while(Result::ok).any(|(kind, _)| wanted(&kind))
}

/// Without the text that the error quotes: it may be of a key.
fn what(error: &pem::Error) -> &'static str {
    match error {
        pem::Error::MissingSectionEnd { .. } => "a section has no -----END line",
        pem::Error::IllegalSectionStart { .. } => "a -----BEGIN line is wrong",
        pem::Error::Base64Decode(_) => "what stands between -----BEGIN and -----END is not base64",
        _ => "it cannot be read",
    }
}

/// When a certificate is valid.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Time {
    begins: Duration,
    ends: Duration,
}

impl Time {
    /// `None` where it does not tell.
    pub(crate) fn of(key: &CertifiedKey) -> Option<Self> {
        let certificate = ParsedCertificate::try_from(key.cert.first()?).ok()?;
        // The library tells both ends only to whom it refuses: a time before all, and one after all.
        let refused = |at| {
            let at = UnixTime::since_unix_epoch(at);
            let none = RootCertStore::empty();
            let checked = verify_server_cert_signed_by_trust_anchor(&certificate, &none, &[], at, &[]);
            match checked {
                Err(rustls::Error::InvalidCertificate(error)) => Some(error),
                _ => None,
            }
        };
        let begins = match refused(Duration::ZERO) {
            Some(CertificateError::NotValidYetContext { not_before, .. }) => not_before.as_secs(),
            _ => 0,
        };
        match refused(Duration::from_secs(u64::MAX)) {
            Some(CertificateError::ExpiredContext { not_after, .. }) => {
                Some(Self { begins: Duration::from_secs(begins), ends: Duration::from_secs(not_after.as_secs()) })
            }
            _ => None,
        }
    }

    /// Since 1970.
    pub(crate) fn ends(self) -> Duration {
        self.ends
    }

    /// The same text however often it is asked for, so that it can be told once.
    pub(crate) fn complaint(self, now: SystemTime) -> Option<String> {
        let now = now.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
        let date = |time| SystemTime::UNIX_EPOCH.checked_add(time).map(httpdate::fmt_http_date).unwrap_or_default();
        if now > self.ends {
            Some(format!("ended on {}", date(self.ends)))
        } else if now < self.begins {
            Some(format!("is not valid before {}", date(self.begins)))
        } else {
            None
        }
    }
}

#[cfg(test)]
mod tests;
