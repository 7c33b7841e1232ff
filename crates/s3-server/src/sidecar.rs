//! The text form of an object's record.
//!
//! One fact a line, its words percent-encoded and parted by spaces, so that any key and any metadata fits and a person
//! can read it:
//!
//! ```text
//! davmux-s3-object 1
//! key films%2Fa%20b.mkv
//! etag 900150983cd24fb0d6963f7d28e17f72
//! modified 1800000000
//! header content-type video%2Fx-matroska
//! meta owner me
//! blob 0b54d2f7d1f54bd1b7d8b7c3d0a3a1f0 3
//! ```

use std::fmt::Write as _;
use std::io;

use percent_encoding::{NON_ALPHANUMERIC, percent_decode_str, utf8_percent_encode};

use crate::store::{Attributes, Object};

const FIRST_LINE: &str = "davmux-s3-object 1";

/// A record whose blobs are still names.
#[derive(Debug, PartialEq)]
pub(crate) struct Record {
    pub(crate) key: String,
    pub(crate) etag: String,
    pub(crate) modified: i64,
    pub(crate) attributes: Attributes,
    pub(crate) blobs: Vec<(String, u64)>,
}

/// The record of `object`, as text.
pub(crate) fn write(object: &Object) -> String {
    let encode = |text: &str| utf8_percent_encode(text, NON_ALPHANUMERIC).to_string();
    let mut text = format!("{FIRST_LINE}\nkey {}\netag {}\n", encode(&object.key), encode(&object.etag));
    // Writing to a String cannot fail.
    let _ = writeln!(text, "modified {}", object.modified);
    for (name, value) in &object.attributes.headers {
        let _ = writeln!(text, "header {} {}", encode(name), encode(value));
    }
    for (name, value) in &object.attributes.metadata {
        let _ = writeln!(text, "meta {} {}", encode(name), encode(value));
    }
    for blob in &object.blobs {
        if let Some(name) = blob.name() {
            let _ = writeln!(text, "blob {} {}", encode(name), blob.size());
        }
    }
    text
}

/// Reads what [`write()`] wrote.
///
/// # Errors
/// `InvalidData` that names the line.
pub(crate) fn parse(text: &str) -> io::Result<Record> {
    let wrong =
        |line: &str| io::Error::new(io::ErrorKind::InvalidData, format!("not a line of an object record: {line:?}"));
    let mut lines = text.lines();
    let first = lines.next().unwrap_or_default();
    if first != FIRST_LINE {
        return Err(wrong(first));
    }
    let mut record = Record {
        key: String::new(),
        etag: String::new(),
        modified: 0,
        attributes: Attributes::default(),
        blobs: Vec::new(),
    };
    for line in lines {
        let words: Option<Vec<String>> =
            line.split(' ').map(|word| percent_decode_str(word).decode_utf8().ok().map(Into::into)).collect();
        let words = words.ok_or_else(|| wrong(line))?;
        let words: Vec<&str> = words.iter().map(String::as_str).collect();
        match words.as_slice() {
            ["key", key] => record.key = (*key).to_owned(),
            ["etag", etag] => record.etag = (*etag).to_owned(),
            ["modified", seconds] => record.modified = seconds.parse().map_err(|_| wrong(line))?,
            ["header", name, value] => {
                record.attributes.headers.insert((*name).to_owned(), (*value).to_owned());
            }
            ["meta", name, value] => {
                record.attributes.metadata.insert((*name).to_owned(), (*value).to_owned());
            }
            ["blob", name, size] => record.blobs.push(((*name).to_owned(), size.parse().map_err(|_| wrong(line))?)),
            _ => return Err(wrong(line)),
        }
    }
    if record.etag.is_empty() {
        return Err(wrong(text.lines().last().unwrap_or_default()));
    }
    Ok(record)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn a_record_reads_back_whatever_its_words_hold() {
        let mut attributes = Attributes::default();
        attributes.headers.insert("content-type".into(), "text/plain; charset=utf-8".into());
        attributes.metadata.insert("empty".into(), String::new());
        attributes.metadata.insert("lines".into(), "one\ntwo %20 three".into());
        let object = Object {
            key: " e\u{301}/\n//blob x 1".into(),
            size: 0,
            etag: "900150983cd24fb0d6963f7d28e17f72-2".into(),
            modified: -5,
            attributes: attributes.clone(),
            blobs: Vec::new(),
        };
        let record = parse(&write(&object)).unwrap();
        assert_eq!(record, Record { key: object.key, etag: object.etag, modified: -5, attributes, blobs: Vec::new() });
    }

    #[test]
    fn a_cut_record_is_refused() {
        let error = parse("davmux-s3-object 1\nkey a\n").unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::InvalidData);
        assert!(parse("").is_err());
        assert!(parse("davmux-s3-object 1\nkey a\netag b\nblob x\n").is_err());
    }
}
