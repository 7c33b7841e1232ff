//! [`Secret`]: a value that nobody sees by accident; and secrets that stand in files of their own.

use std::fmt;
use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

/// A key, a token or a password. Its `Debug` shows nothing, and there is no `Display`.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(String);

impl Secret {
    pub(crate) fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// The secret itself: for whoever signs or compares, and for nothing that a person reads.
    pub fn reveal(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(..)")
    }
}

/// More than any key or token has; a path that names a film by mistake is not read into memory.
const LARGEST: u64 = 64 * 1024;

/// Reads a secret's file: UTF-8, without the one line end that editors put there.
///
/// # Errors
/// It cannot be read, is no file, is empty, too large for a secret, or not UTF-8.
pub fn read(path: &Path) -> io::Result<String> {
    let invalid = |text: &str| io::Error::new(io::ErrorKind::InvalidData, text.to_owned());
    // A pipe or a device could keep the program waiting for ever.
    if !std::fs::metadata(path)?.is_file() {
        return Err(invalid("it is not a file"));
    }
    let mut bytes = Vec::new();
    File::open(path)?.take(LARGEST + 1).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > LARGEST {
        return Err(invalid("it is larger than 64 KiB"));
    }
    let mut text = String::from_utf8(bytes).map_err(|_| invalid("it is not UTF-8"))?;
    if text.ends_with('\n') {
        text.pop();
        if text.ends_with('\r') {
            text.pop();
        }
    }
    if text.is_empty() { Err(invalid("it is empty")) } else { Ok(text) }
}

/// Whether every user of the machine may read the file; false where the system does not tell.
pub(crate) fn is_world_readable(path: &Path) -> bool {
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        std::fs::metadata(path).is_ok_and(|metadata| metadata.permissions().mode() & 0o004 != 0)
    }
    #[cfg(not(unix))]
    {
        let _ = path;
        false
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_line_end_is_stripped_and_no_more() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("secret");
        for (written, read_back) in [("a b", "a b"), ("a\n", "a"), ("a\r\n", "a"), ("a\n\n", "a\n"), (" a ", " a ")] {
            std::fs::write(&path, written).unwrap();
            assert_eq!(read(&path).unwrap(), read_back);
        }
    }

    #[test]
    fn what_is_no_secret_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("secret");
        assert!(read(&path).is_err());
        assert!(read(dir.path()).is_err());
        for bytes in [vec![], b"\n".to_vec(), vec![0xff], vec![b'a'; 64 * 1024 + 1]] {
            std::fs::write(&path, bytes).unwrap();
            assert!(read(&path).is_err());
        }
    }

    #[test]
    fn debug_shows_nothing() {
        assert_eq!(format!("{:?}", Secret::new("hunter2")), "Secret(..)");
    }
}
