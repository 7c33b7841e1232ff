//! The file: sections of keys.

use crate::Error;

/// A section.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Remote {
    pub(crate) name: String,
    options: Vec<(String, String)>,
}

impl Remote {
    /// An option; empty where it is not set.
    pub(crate) fn get(&self, option: &str) -> &str {
        self.options.iter().find(|(name, _)| name == option).map_or("", |(_, value)| value)
    }

    /// The names of the options that are set.
    pub(crate) fn options(&self) -> impl Iterator<Item = &str> {
        self.options.iter().filter(|(_, value)| !value.is_empty()).map(|(name, _)| name.as_str())
    }

    fn set(&mut self, name: &str, value: &str) {
        match self.options.iter_mut().find(|(known, _)| known == name) {
            Some((_, old)) => value.clone_into(old),
            None => self.options.push((name.to_owned(), value.to_owned())),
        }
    }
}

/// All sections, in the order of the file.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Conf {
    pub(crate) remotes: Vec<Remote>,
}

impl Conf {
    pub(crate) fn remote(&self, name: &str) -> Option<&Remote> {
        self.remotes.iter().find(|remote| remote.name == name)
    }
}

/// As unknwon/goconfig reads it (`read.go`).
pub(crate) fn parse(text: &str) -> Result<Conf, Error> {
    let mut remotes: Vec<Remote> = Vec::new();
    let mut current: Option<usize> = None;
    for (n, line) in text.trim_start_matches('\u{feff}').lines().enumerate() {
        let line = line.trim();
        let wrong = |why| Error::NoRcloneConf { line: n + 1, why };
        if line.starts_with("RCLONE_ENCRYPT_V") {
            return Err(Error::EncryptedRclone);
        }
        if line.is_empty() || line.starts_with(['#', ';']) {
            continue;
        }
        if let Some(name) = line.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')) {
            let name = name.trim();
            let known = remotes.iter().position(|remote| remote.name == name);
            current = Some(known.unwrap_or_else(|| {
                remotes.push(Remote { name: name.to_owned(), options: Vec::new() });
                remotes.len() - 1
            }));
            continue;
        }
        let (key, value) =
            line.split_once(['=', ':']).ok_or_else(|| wrong("neither [a remote] nor an option = value"))?;
        let remote =
            current.and_then(|at| remotes.get_mut(at)).ok_or_else(|| wrong("an option before the first [remote]"))?;
        remote.set(key.trim().trim_matches(['"', '`']), unquoted(value.trim()));
    }
    Ok(Conf { remotes })
}

/// A value between backticks or three quotes is what is between them; one quote is a part of the value.
fn unquoted(value: &str) -> &str {
    for quote in ["`", "\"\"\""] {
        if let Some(rest) = value.strip_prefix(quote)
            && let Some(end) = rest.rfind(quote)
        {
            return &rest[..end];
        }
    }
    value
}
