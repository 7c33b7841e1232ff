//! [`Walk`] and [`Section`]: typed access to the tree that records every mistake and goes on.
//!
//! A getter answers `None` for what is absent and for what is wrong alike: a wrong value is recorded when it is read, and
//! a file with a mistake never becomes a configuration.

use std::cell::{Cell, RefCell};
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use crate::expand::Environment;
use crate::keys::{self, Key, Kind, Standing};
use crate::mistake::Position;
use crate::secret::{self, Secret};
use crate::yaml::{Node, Pair, Scalar, Value};

/// One pass over one file.
pub(crate) struct Walk<'a> {
    pub(crate) environment: Environment<'a>,
    /// What relative paths are relative to.
    base_dir: &'a Path,
    mistakes: RefCell<Vec<(Position, String)>>,
    warnings: RefCell<Vec<(Position, String)>>,
    /// The first secret that stands in the file itself.
    clear_secret: Cell<Option<Position>>,
}

impl<'a> Walk<'a> {
    pub(crate) fn new(base_dir: &'a Path, environment: Environment<'a>) -> Self {
        Self {
            environment,
            base_dir,
            mistakes: RefCell::default(),
            warnings: RefCell::default(),
            clear_secret: Cell::new(None),
        }
    }

    pub(crate) fn mistake(&self, at: Position, message: impl Into<String>) {
        self.mistakes.borrow_mut().push((at, message.into()));
    }

    pub(crate) fn warn(&self, at: Position, message: impl Into<String>) {
        self.warnings.borrow_mut().push((at, message.into()));
    }

    pub(crate) fn is_clean(&self) -> bool {
        self.mistakes.borrow().is_empty()
    }

    /// A path of the file, made absolute.
    pub(crate) fn resolve(&self, path: &str) -> PathBuf {
        self.base_dir.join(path)
    }

    /// Mistakes, warnings, and where a secret stands in clear.
    pub(crate) fn into_findings(self) -> (Findings, Findings, Option<Position>) {
        let sorted = |mut list: Findings| {
            list.sort();
            // What an alias stands for is read once for each place.
            list.dedup();
            list
        };
        (sorted(self.mistakes.into_inner()), sorted(self.warnings.into_inner()), self.clear_secret.get())
    }

    /// Opens a map whose keys are `keys`; `name` is what messages call it. Unknown and duplicate keys are recorded here.
    pub(crate) fn section(&'a self, node: &'a Node, name: &'static str, keys: &'static [Key]) -> Option<Section<'a>> {
        let pairs = self.pairs(node, name)?;
        let mut section =
            Section { walk: self, at: node.at, name, keys, pairs, guessed: BTreeSet::new(), asked: RefCell::default() };
        section.check_keys();
        Some(section)
    }

    /// The members of a map, whatever their keys.
    pub(crate) fn pairs(&self, node: &'a Node, name: &str) -> Option<&'a [Pair]> {
        match &node.value {
            Value::Map(pairs) => Some(pairs),
            Value::Broken => None,
            other => {
                self.mistake(node.at, format!("{name} needs keys with values, and this is {}", describe(other)));
                None
            }
        }
    }

    /// A scalar's text. `expected` completes "needs ...".
    pub(crate) fn scalar(&self, node: &'a Node, name: &str, expected: &str) -> Option<Text<'a>> {
        match &node.value {
            Value::Scalar(scalar) => Some(Text { at: node.at, scalar }),
            Value::Broken => None,
            other => {
                self.mistake(node.at, format!("{name} needs {expected}, and this is {}", describe(other)));
                None
            }
        }
    }
}

pub(crate) type Findings = Vec<(Position, String)>;

fn describe(value: &Value) -> &'static str {
    match value {
        Value::Null => "empty",
        Value::Scalar(_) => "a single value",
        Value::List(_) => "a list",
        Value::Map(_) => "a map of keys",
        Value::Broken => "wrong",
    }
}

/// A scalar that was read.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Text<'a> {
    pub(crate) at: Position,
    scalar: &'a Scalar,
}

impl<'a> Text<'a> {
    /// With its variables expanded.
    pub(crate) fn as_str(&self) -> &'a str {
        &self.scalar.text
    }

    /// As it is shown to a person: what the file says, never what a variable holds.
    pub(crate) fn shown(&self) -> String {
        const LONGEST: usize = 80;
        let written = &self.scalar.written;
        match written.char_indices().nth(LONGEST) {
            Some((end, _)) => format!("{:?}...", &written[..end]),
            None => format!("{written:?}"),
        }
    }

    fn is_from_a_variable(&self) -> bool {
        self.scalar.written != self.scalar.text
    }
}

/// A map with a fixed set of keys.
pub(crate) struct Section<'a> {
    pub(crate) walk: &'a Walk<'a>,
    pub(crate) at: Position,
    pub(crate) name: &'static str,
    keys: &'static [Key],
    pairs: &'a [Pair],
    /// Keys that an unknown key seems to mean: they are not reported as missing on top.
    guessed: BTreeSet<&'static str>,
    asked: RefCell<BTreeSet<&'static str>>,
}

impl<'a> Section<'a> {
    fn check_keys(&mut self) {
        let mut seen: Vec<(&'static str, &Pair)> = Vec::new();
        for pair in self.pairs {
            let Some(key) = self.keys.iter().find(|key| key.name == pair.key) else {
                self.unknown(pair);
                continue;
            };
            let meaning = match key.standing {
                Standing::Alias(of) => of,
                Standing::Known => key.name,
            };
            if let Some((_, first)) = seen.iter().find(|(earlier, _)| *earlier == meaning) {
                let as_what = if first.key == pair.key { String::new() } else { format!(" as `{}`", first.key) };
                self.walk.mistake(pair.at, format!("`{}` is set already in line {}{as_what}", pair.key, first.at.line));
            } else {
                seen.push((meaning, pair));
            }
        }
    }

    fn unknown(&mut self, pair: &Pair) {
        let names = || self.keys.iter().filter(|key| !matches!(key.standing, Standing::Alias(_))).map(|key| key.name);
        let known = || names().collect::<Vec<_>>().join(", ");
        let message = match nearest(&pair.key, names()) {
            Some(name) => {
                self.guessed.insert(name);
                format!("unknown key `{}` in {}; did you mean `{name}`?", printable(&pair.key), self.name)
            }
            // `{password: a,b}` has a key `b`: half of a secret is not repeated.
            None if matches!(pair.node.value, Value::Null) => {
                format!(
                    "what stands here is no key of {}, and has no value; a text with a comma needs quotes between {{ and }}",
                    self.name
                )
            }
            None => format!("unknown key `{}` in {}; known are {}", printable(&pair.key), self.name, known()),
        };
        self.walk.mistake(pair.at, message);
    }

    /// The pair of a key, by its own name or an alias; `None` where it is absent or empty.
    pub(crate) fn pair(&self, name: &'static str) -> Option<&'a Pair> {
        debug_assert!(
            self.keys.iter().any(|key| key.name == name && key.standing == Standing::Known),
            "{name} is not in the table of {}",
            self.name
        );
        self.asked.borrow_mut().insert(name);
        let means = |key: &Key| key.name == name || key.standing == Standing::Alias(name);
        self.pairs
            .iter()
            .find(|pair| self.keys.iter().any(|key| key.name == pair.key && means(key)))
            .filter(|pair| !matches!(pair.node.value, Value::Null))
    }

    fn has(&self, name: &str) -> bool {
        self.guessed.contains(name) || self.pairs.iter().any(|pair| pair.key == name)
    }

    /// The value of a key that must be there.
    pub(crate) fn required(&self, name: &'static str) -> Option<&'a Node> {
        debug_assert!(
            keys::find(self.keys, name).is_some_and(|key| key.required),
            "{name} of {} is required: say so in keys.rs with `.required()`",
            self.name
        );
        match self.pair(name) {
            Some(pair) => Some(&pair.node),
            None if self.guessed.contains(name) => None,
            None => {
                self.missing(name);
                None
            }
        }
    }

    pub(crate) fn missing(&self, name: &str) {
        match self.pairs.iter().find(|pair| pair.key == name) {
            Some(pair) => self.walk.mistake(pair.at, format!("`{name}` has no value; {} needs one", self.name)),
            None => self.walk.mistake(self.at, format!("{} has no `{name}`, and needs one", self.name)),
        }
    }

    /// A text; an empty one is as good as none.
    pub(crate) fn text(&self, name: &'static str) -> Option<Text<'a>> {
        let pair = self.pair(name)?;
        self.walk.scalar(&pair.node, name, "a text").filter(|text| !text.as_str().is_empty())
    }

    /// A text that must be there and not be empty.
    pub(crate) fn required_text(&self, name: &'static str) -> Option<Text<'a>> {
        let text = self.walk.scalar(self.required(name)?, name, "a text")?;
        if text.as_str().is_empty() {
            self.missing(name);
            return None;
        }
        Some(text)
    }

    /// Reads a text with `read`; what it refuses is recorded as `NAME: "text" is not EXPECTED`.
    pub(crate) fn parsed<T>(
        &self,
        name: &'static str,
        expected: &str,
        read: impl FnOnce(&str) -> Option<T>,
    ) -> Option<T> {
        let pair = self.pair(name)?;
        let text = self.walk.scalar(&pair.node, name, expected)?;
        let value = read(text.as_str());
        if value.is_none() {
            self.walk.mistake(text.at, format!("{name}: {} is not {expected}", text.shown()));
        }
        value
    }

    /// `true` or `false`.
    pub(crate) fn flag(&self, name: &'static str) -> Option<bool> {
        self.assert_kind(name, |kind| kind == Kind::Flag);
        self.parsed(name, "true or false", |text| match text {
            "true" | "True" | "TRUE" => Some(true),
            "false" | "False" | "FALSE" => Some(false),
            _ => None,
        })
    }

    /// One of a few words.
    pub(crate) fn choice<T: Copy>(&self, name: &'static str, words: &[(&str, T)]) -> Option<T> {
        self.assert_kind(name, |kind| match kind {
            Kind::Choice(choices) => words.iter().map(|(word, _)| word).eq(choices),
            _ => false,
        });
        let allowed = words.iter().map(|(word, _)| *word).collect::<Vec<_>>().join(", ");
        self.parsed(name, &format!("one of {allowed}"), |text| {
            words.iter().find(|(word, _)| *word == text).map(|(_, value)| *value)
        })
    }

    /// What is read is what the schema says.
    fn assert_kind(&self, name: &str, fits: impl FnOnce(Kind) -> bool) {
        debug_assert!(
            keys::find(self.keys, name).is_some_and(|key| fits(key.kind)),
            "{name} of {} is not read as what keys.rs says it is: set it there with `.is(Kind::...)`",
            self.name
        );
    }

    /// A list, or a single value that stands for a list of one.
    pub(crate) fn one_or_many(&self, name: &'static str) -> Option<&'a [Node]> {
        self.assert_kind(name, |kind| kind == Kind::Texts);
        let node = &self.pair(name)?.node;
        match &node.value {
            Value::List(items) => Some(items),
            Value::Broken => None,
            _ => Some(std::slice::from_ref(node)),
        }
    }

    /// A secret and its place, from its key or from the file that `file_key` names. Both are a mistake.
    pub(crate) fn secret(&self, name: &'static str, file_key: &'static str) -> Option<(Secret, Position)> {
        let (secret, text) = self.secret_text(name, file_key)?;
        if let Some(text) = text
            && !text.is_from_a_variable()
            && self.walk.clear_secret.get().is_none()
        {
            self.walk.clear_secret.set(Some(text.at));
        }
        Some(secret)
    }

    /// The same for a hash, which may stand in the file.
    pub(crate) fn hash(&self, name: &'static str, file_key: &'static str) -> Option<(Secret, Position)> {
        self.secret_text(name, file_key).map(|(secret, _)| secret)
    }

    /// One secret or several, from their key or from the files that `file_key` names. Both are a mistake.
    pub(crate) fn secrets(&self, name: &'static str, file_key: &'static str) -> Option<(Vec<Secret>, Position)> {
        let (own, files) = (self.pair(name), self.pair(file_key));
        if let (Some(own), Some(files)) = (own, files) {
            let message = format!("`{file_key}` and `{name}` (line {}) say the same; keep one", own.at.line);
            self.walk.mistake(files.at, message);
            return None;
        }
        let (key, expected) = if files.is_some() { (file_key, "the path of a file") } else { (name, "a text") };
        let at = self.pair(key)?.at;
        let mut secrets = Vec::new();
        for node in self.one_or_many(key)? {
            let Some(text) = self.walk.scalar(node, key, expected).filter(|text| !text.as_str().is_empty()) else {
                continue;
            };
            if files.is_some() {
                secrets.extend(self.secret_file(key, text));
                continue;
            }
            if !text.is_from_a_variable() && self.walk.clear_secret.get().is_none() {
                self.walk.clear_secret.set(Some(text.at));
            }
            secrets.push(Secret::new(text.as_str()));
        }
        (!secrets.is_empty()).then_some((secrets, at))
    }

    /// Whether the table has such a key.
    pub(crate) fn knows(&self, name: &str) -> bool {
        self.keys.iter().any(|key| key.name == name)
    }

    fn secret_text(
        &self,
        name: &'static str,
        file_key: &'static str,
    ) -> Option<((Secret, Position), Option<Text<'a>>)> {
        let own = self.pair(name);
        let Some(pair) = self.pair(file_key) else {
            let text = self.text(name)?;
            return Some(((Secret::new(text.as_str()), text.at), Some(text)));
        };
        if let Some(own) = own {
            let message = format!("`{file_key}` and `{name}` (line {}) say the same; keep one", own.at.line);
            self.walk.mistake(pair.at, message);
            return None;
        }
        let text = self.walk.scalar(&pair.node, file_key, "the path of a file")?;
        Some(((self.secret_file(file_key, text)?, text.at), None))
    }

    fn secret_file(&self, key: &str, text: Text<'_>) -> Option<Secret> {
        let path = self.walk.resolve(text.as_str());
        match secret::read(&path) {
            Ok(value) => {
                if secret::is_world_readable(&path) {
                    let message = format!("{key}: every user of this machine may read {}; chmod 600 it", text.shown());
                    self.walk.warn(text.at, message);
                }
                Some(Secret::new(value))
            }
            Err(error) => {
                self.walk.mistake(text.at, format!("{key}: {} cannot be read: {error}", text.shown()));
                None
            }
        }
    }

    /// Whether a key is there with nothing in it.
    pub(crate) fn is_empty(&self, name: &str) -> bool {
        self.pairs.iter().any(|pair| {
            pair.key == name
                && match &pair.node.value {
                    Value::Null => true,
                    Value::Scalar(scalar) => scalar.text.is_empty(),
                    Value::List(_) | Value::Map(_) | Value::Broken => false,
                }
        })
    }

    /// Whether one of these keys is there (or meant) and was recorded as wrong, so that its absence is no second mistake.
    pub(crate) fn is_wrong(&self, names: &[&str]) -> bool {
        names.iter().any(|name| self.has(name) && !self.is_empty(name))
    }

    /// The keys of these that are there, or that somebody seems to have meant.
    pub(crate) fn present(&self, names: &[&'static str]) -> Vec<&'static str> {
        names.iter().copied().filter(|name| self.has(name)).collect()
    }
}

impl Drop for Section<'_> {
    /// A key of the table that is never read would be accepted and do nothing.
    fn drop(&mut self) {
        if cfg!(debug_assertions) && !std::thread::panicking() {
            let asked = self.asked.borrow();
            let forgotten = self.keys.iter().find(|key| key.standing == Standing::Known && !asked.contains(key.name));
            debug_assert!(forgotten.is_none(), "nobody reads {forgotten:?} of {}", self.name);
        }
    }
}

/// A key as it may stand in a message.
fn printable(text: &str) -> String {
    text.chars().take(40).flat_map(char::escape_debug).collect()
}

/// The name that somebody may have meant: at most one edit in three characters.
pub(crate) fn nearest(text: &str, names: impl Iterator<Item = &'static str>) -> Option<&'static str> {
    let wrong: Vec<char> = text.chars().take(64).flat_map(char::to_lowercase).collect();
    names
        .map(|name| (distance(&wrong, &name.chars().collect::<Vec<_>>()), name))
        .filter(|(edits, name)| edits * 3 <= name.len().max(wrong.len()))
        .min_by_key(|(edits, _)| *edits)
        .map(|(_, name)| name)
}

/// Insertions, deletions, replacements and swaps of neighbours (optimal string alignment).
fn distance(a: &[char], b: &[char]) -> usize {
    let mut rows: Vec<Vec<usize>> = vec![(0..=b.len()).collect()];
    for i in 1..=a.len() {
        let mut row = vec![i];
        for j in 1..=b.len() {
            let mut best =
                (rows[i - 1][j] + 1).min(row[j - 1] + 1).min(rows[i - 1][j - 1] + usize::from(a[i - 1] != b[j - 1]));
            if i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1] {
                best = best.min(rows[i - 2][j - 2] + 1);
            }
            row.push(best);
        }
        rows.push(row);
    }
    rows[a.len()][b.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_nearest_name_is_found_and_a_far_one_is_not_guessed() {
        let names = || ["bucket", "endpoint", "region", "read", "read_only"].into_iter();
        for (wrong, meant) in [
            ("bukket", Some("bucket")),
            ("Bucket", Some("bucket")),
            ("enpdoint", Some("endpoint")),
            ("readonly", Some("read_only")),
            ("raed", Some("read")),
            ("colour", None),
            ("", None),
            ("x", None),
        ] {
            assert_eq!(nearest(wrong, names()), meant, "{wrong}");
        }
    }

    #[test]
    fn distances() {
        let distance = |a: &str, b: &str| distance(&a.chars().collect::<Vec<_>>(), &b.chars().collect::<Vec<_>>());
        assert_eq!(distance("", "abc"), 3);
        assert_eq!(distance("abc", "abc"), 0);
        assert_eq!(distance("abc", "acb"), 1);
        assert_eq!(distance("kitten", "sitting"), 3);
    }
}
