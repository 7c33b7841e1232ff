//! Media types by the end of a name, for storages that keep none.

use std::borrow::Cow;

use davmux_tree::Node;

const UNKNOWN: &str = "application/octet-stream";

/// By extension, sorted. IANA's registry where it has one, else what browsers and players use.
const TYPES: &[(&str, &str)] = &[
    ("7z", "application/x-7z-compressed"),
    ("aac", "audio/aac"),
    ("ass", "text/x-ssa"),
    ("avi", "video/x-msvideo"),
    ("avif", "image/avif"),
    ("bmp", "image/bmp"),
    ("bz2", "application/x-bzip2"),
    ("css", "text/css"),
    ("csv", "text/csv"),
    ("doc", "application/msword"),
    ("docx", "application/vnd.openxmlformats-officedocument.wordprocessingml.document"),
    ("epub", "application/epub+zip"),
    ("flac", "audio/flac"),
    ("flv", "video/x-flv"),
    ("gif", "image/gif"),
    ("gz", "application/gzip"),
    ("heic", "image/heic"),
    ("htm", "text/html"),
    ("html", "text/html"),
    ("ico", "image/vnd.microsoft.icon"),
    ("ics", "text/calendar"),
    ("iso", "application/x-iso9660-image"),
    ("jpeg", "image/jpeg"),
    ("jpg", "image/jpeg"),
    ("js", "text/javascript"),
    ("json", "application/json"),
    ("m2ts", "video/mp2t"),
    ("m3u8", "application/vnd.apple.mpegurl"),
    ("m4a", "audio/mp4"),
    ("m4v", "video/x-m4v"),
    ("md", "text/markdown"),
    ("mjs", "text/javascript"),
    ("mka", "audio/x-matroska"),
    ("mkv", "video/x-matroska"),
    ("mov", "video/quicktime"),
    ("mp3", "audio/mpeg"),
    ("mp4", "video/mp4"),
    ("mpeg", "video/mpeg"),
    ("mpg", "video/mpeg"),
    ("odp", "application/vnd.oasis.opendocument.presentation"),
    ("ods", "application/vnd.oasis.opendocument.spreadsheet"),
    ("odt", "application/vnd.oasis.opendocument.text"),
    ("oga", "audio/ogg"),
    ("ogg", "audio/ogg"),
    ("ogv", "video/ogg"),
    ("opus", "audio/ogg"),
    ("pdf", "application/pdf"),
    ("png", "image/png"),
    ("ppt", "application/vnd.ms-powerpoint"),
    ("pptx", "application/vnd.openxmlformats-officedocument.presentationml.presentation"),
    ("rar", "application/vnd.rar"),
    ("rtf", "application/rtf"),
    ("srt", "application/x-subrip"),
    ("svg", "image/svg+xml"),
    ("tar", "application/x-tar"),
    ("tif", "image/tiff"),
    ("tiff", "image/tiff"),
    ("toml", "application/toml"),
    ("ts", "video/mp2t"),
    ("txt", "text/plain"),
    ("vtt", "text/vtt"),
    ("wasm", "application/wasm"),
    ("wav", "audio/wav"),
    ("weba", "audio/webm"),
    ("webm", "video/webm"),
    ("webp", "image/webp"),
    ("wma", "audio/x-ms-wma"),
    ("wmv", "video/x-ms-wmv"),
    ("woff", "font/woff"),
    ("woff2", "font/woff2"),
    ("xhtml", "application/xhtml+xml"),
    ("xls", "application/vnd.ms-excel"),
    ("xlsx", "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"),
    ("xml", "application/xml"),
    ("yaml", "application/yaml"),
    ("yml", "application/yaml"),
    ("zip", "application/zip"),
    ("zst", "application/zstd"),
];

/// The type that a name's extension stands for.
fn by_name(name: &str) -> Option<&'static str> {
    let (stem, extension) = name.rsplit_once('.')?;
    if stem.is_empty() || extension.len() > 5 {
        return None;
    }
    let extension = extension.to_ascii_lowercase();
    TYPES.binary_search_by(|(known, _)| (*known).cmp(&extension)).ok().map(|at| TYPES[at].1)
}

/// Whether somebody meant it: these two are what storages and clients say who know nothing.
fn says_something(media_type: &str) -> bool {
    !media_type.is_empty()
        && !media_type.eq_ignore_ascii_case(UNKNOWN)
        && !media_type.eq_ignore_ascii_case("binary/octet-stream")
        && !media_type.eq_ignore_ascii_case("application/x-www-form-urlencoded")
}

/// The type of a file: the storage's own where it tells one.
pub(crate) fn of(node: &Node) -> &str {
    match &node.content_type {
        Some(told) if says_something(told) => told,
        _ => by_name(&node.name).unwrap_or(UNKNOWN),
    }
}

/// The type to keep with an upload, where anything is known of it.
pub(crate) fn of_upload<'a>(told: Option<&'a str>, name: &str) -> Option<Cow<'a, str>> {
    match told {
        Some(told) if says_something(told) && told.len() <= 255 && told.contains('/') => Some(Cow::Borrowed(told)),
        _ => by_name(name).map(Cow::Borrowed),
    }
}

/// Whether a browser may run what is in it.
pub(crate) fn is_active(media_type: &str) -> bool {
    let essence = media_type.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    essence == "text/html" || essence == "text/xml" || essence.ends_with("+xml") || essence == "application/xml"
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_is_sorted() {
        assert!(TYPES.is_sorted_by(|a, b| a.0 < b.0));
    }

    #[test]
    fn the_storage_has_the_first_word_where_it_says_something() {
        let mut node = Node::folder("film.MKV");
        assert_eq!(of(&node), "video/x-matroska");
        node.content_type = Some("binary/octet-stream".into());
        assert_eq!(of(&node), "video/x-matroska");
        node.content_type = Some("video/webm".into());
        assert_eq!(of(&node), "video/webm");
        assert_eq!(of(&Node::folder(".mkv")), UNKNOWN);
        assert_eq!(of(&Node::folder("a.")), UNKNOWN);
    }

    #[test]
    fn an_upload_keeps_what_its_sender_meant() {
        assert_eq!(of_upload(Some("text/x-mine"), "a.txt").as_deref(), Some("text/x-mine"));
        assert_eq!(of_upload(Some("application/octet-stream"), "a.txt").as_deref(), Some("text/plain"));
        assert_eq!(of_upload(None, "a"), None);
    }

    #[test]
    fn markup_is_active() {
        assert!(is_active("Text/HTML; charset=utf-8") && is_active("image/svg+xml") && is_active("application/xml"));
        assert!(!is_active("text/plain") && !is_active("image/png"));
    }
}
