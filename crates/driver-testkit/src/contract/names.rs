//! Names.

use davmux_driver::{ErrorKind, Kind};

use super::{Fixture, fails, not_here, same};
use crate::shorthand::*;

async fn keep(fixture: &Fixture, names: &[String]) {
    let driver = fixture.driver();
    let mut entries = Vec::new();
    for name in names {
        entries.push(put(driver, &format!("dir/{name}"), name.clone()).await);
        put(driver, &format!("dirs/{name}/member"), "x").await;
    }
    entries.sort_by(|a, b| a.path.cmp(&b.path));
    let listing = list(driver, "dir").await.unwrap();
    assert!(listing.unnameable.is_empty());
    assert_eq!(listing.paths(), entries.iter().map(|entry| entry.path.as_str()).collect::<Vec<_>>());
    for (listed, written) in listing.entries.iter().zip(&entries) {
        same(listed, written);
        same(&stat(driver, written.path.as_str()).await.unwrap(), written);
        assert_eq!(get(driver, written.path.as_str()).await, written.path.name().to_owned());
    }
    let mut folders: Vec<_> = names.iter().map(|name| format!("dirs/{name}")).collect();
    folders.sort();
    assert_eq!(list(driver, "dirs").await.unwrap().paths(), folders);
    for folder in &folders {
        assert_eq!(list(driver, folder).await.unwrap().paths(), [format!("{folder}/member")]);
    }
    // Each by itself goes, and takes no other along.
    let mut left = entries.len();
    for entry in &entries {
        delete(driver, entry.path.as_str(), Kind::File).await.unwrap();
        fails(stat(driver, entry.path.as_str()).await, &[ErrorKind::NotFound]);
        left -= 1;
        if left > 0 {
            assert_eq!(list(driver, "dir").await.unwrap().entries.len(), left);
        }
    }
}

/// Every printable ASCII character and names that servers like to change.
pub async fn odd_names_are_kept_as_given(fixture: &Fixture) {
    if !fixture.keeps_names {
        return not_here("the storage changes names");
    }
    let mut names: Vec<String> = (' '..='~').filter(|c| !matches!(c, '/' | '.')).map(|c| format!("a{c}b")).collect();
    let odd = [
        "%",
        "%2e%2e",
        "%2F",
        "%00",
        "+",
        "a+b c",
        "#",
        "?",
        "&amp;",
        "'",
        "\"",
        "(1)",
        "*",
        "~",
        ";",
        "=",
        "@",
        " leading",
        "trailing ",
        "trailing.",
        "...",
        ".hidden",
        "back\\slash",
        "C:",
        "<tag>",
        "|",
        "`",
        "$HOME",
        "-rf",
        "emoji \u{1f600}\u{200d}",
        "\u{202e}rtl",
        "\u{a0}",
        "日本語",
        "ñ",
        "CON",
    ];
    names.extend(odd.into_iter().map(str::to_owned));
    keep(fixture, &names).await;
}

/// A composed name and a decomposed one are two files.
pub async fn unicode_forms_stay_apart(fixture: &Fixture) {
    if !fixture.keeps_names {
        return not_here("the storage changes names");
    }
    keep(fixture, &["caf\u{e9}".to_owned(), "cafe\u{301}".to_owned()]).await;
}

/// 255 bytes is what most file systems take.
pub async fn a_name_of_255_bytes_is_kept(fixture: &Fixture) {
    if !fixture.keeps_names {
        return not_here("the storage changes names");
    }
    keep(fixture, &["n".repeat(255), format!("{}x", "\u{e9}".repeat(127))]).await;
}
