//! Files that file managers leave behind in every folder they show.

/// What a mount does when such a file is to be made in it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Junk {
    /// It is a file like any other.
    #[default]
    Keep,
    /// No file or folder is made, written or moved to such a name ([`Problem::Junk`](crate::Problem::Junk)). What is there
    /// already is listed, read, moved away and deleted, and goes along with its folder.
    Refuse,
}

/// Names that Finder (`._*` beside a file, `.DS_Store`) and Explorer (`Thumbs.db`, `desktop.ini`) give such files.
pub(crate) fn is_junk(name: &str) -> bool {
    // Windows does not care for capitals, and writes these names in several ways.
    name.starts_with("._")
        || name == ".DS_Store"
        || ["Thumbs.db", "desktop.ini"].iter().any(|junk| name.eq_ignore_ascii_case(junk))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_whole_names_are_junk() {
        for name in ["._", "._film.mkv", "._.DS_Store", ".DS_Store", "Thumbs.db", "thumbs.DB", "Desktop.ini"] {
            assert!(is_junk(name), "{name}");
        }
        for name in
            ["", ".", ".film", "a._b", "_.a", "DS_Store", ".DS_Store2", ".ds_store", "Thumbs.db.txt", "mydesktop.ini"]
        {
            assert!(!is_junk(name), "{name}");
        }
    }
}
