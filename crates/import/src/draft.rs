//! A mounts file that is being written.

use std::collections::BTreeSet;
use std::fmt::{self, Write as _};

/// A secret. Shown by nothing but the file that it is written into.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(String);

impl Secret {
    /// Keeps it.
    pub fn new(secret: impl Into<String>) -> Self {
        Self(secret.into())
    }

    /// The secret itself.
    pub fn reveal(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("***")
    }
}

/// Something that was not taken over, or not as it was.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Note {
    /// What: a storage, a user, a remote.
    pub what: String,
    /// Why, and what to do.
    pub why: String,
}

impl fmt::Display for Note {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", printable(&self.what), printable(&self.why))
    }
}

/// A value of a key.
#[derive(Clone, Debug)]
pub(crate) enum Value {
    Text(String),
    List(&'static [&'static str]),
    Secret(Secret),
}

/// A user, or a mount.
#[derive(Clone, Debug)]
pub(crate) struct Entry {
    /// What the names of its variables begin with.
    pub(crate) name: String,
    pub(crate) comments: Vec<String>,
    pub(crate) keys: Vec<(&'static str, Value)>,
}

impl Entry {
    pub(crate) fn new(name: &str) -> Self {
        Self { name: name.to_owned(), comments: Vec::new(), keys: Vec::new() }
    }

    pub(crate) fn set(&mut self, key: &'static str, value: impl Into<String>) {
        self.keys.push((key, Value::Text(value.into())));
    }

    /// Sets what is not empty.
    pub(crate) fn set_if(&mut self, key: &'static str, value: &str) {
        if !value.is_empty() {
            self.set(key, value);
        }
    }

    pub(crate) fn secret(&mut self, key: &'static str, secret: &str) {
        if !secret.is_empty() {
            self.keys.push((key, Value::Secret(Secret::new(secret))));
        }
    }

    pub(crate) fn comment(&mut self, comment: impl Into<String>) {
        self.comments.push(comment.into());
    }
}

/// What was imported.
#[derive(Clone, Debug)]
pub struct Imported {
    /// What it was made of, for a person.
    pub(crate) source: &'static str,
    /// `anonymous`, and a comment beside it.
    pub(crate) anonymous: (&'static str, &'static str),
    /// What a download proxy asks with, and what signs its links.
    pub(crate) proxy_token: Option<Secret>,
    pub(crate) users: Vec<Entry>,
    pub(crate) mounts: Vec<Entry>,
    pub(crate) notes: Vec<Note>,
}

/// Where secrets go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Secrets {
    /// Into the file itself.
    InFile,
    /// Into variables that the file names.
    InVariables,
}

/// A mounts file as text.
#[derive(Clone, Debug)]
pub struct Rendered {
    /// The file.
    pub yaml: String,
    /// The variables that it names, in the order in which they stand there.
    pub variables: Vec<(String, Secret)>,
}

impl Imported {
    /// What was not taken over.
    pub fn notes(&self) -> &[Note] {
        &self.notes
    }

    /// How many users have a new password.
    pub fn users(&self) -> usize {
        self.users.len()
    }

    /// The file.
    pub fn render(&self, secrets: Secrets) -> Rendered {
        let mut out = Writer { yaml: String::new(), secrets, variables: Vec::new(), taken: BTreeSet::new() };
        out.line(
            0,
            &format!(
                "# Made of {} by `davmux import`. Look through it, and ask `davmux doctor` whether it works.",
                self.source
            ),
        );
        if !self.notes.is_empty() {
            out.line(0, "#");
            out.line(0, "# Not taken over, or not as it was:");
            for note in &self.notes {
                out.line(0, &format!("# * {note}"));
            }
        }
        out.line(0, "version: 1");
        out.line(0, "server:");
        out.line(1, "listen: 127.0.0.1:8080");
        out.line(1, "state_dir: state");
        let (anonymous, why) = self.anonymous;
        out.line(1, &format!("anonymous: {anonymous}{}{why}", if why.is_empty() { "" } else { " # " }));
        if let Some(token) = &self.proxy_token {
            let token = out.secret("", "proxy_token", token);
            out.line(1, &format!("proxy_token: {token}"));
        }
        out.entries("users", &self.users);
        out.entries("mounts", &self.mounts);
        Rendered { yaml: out.yaml, variables: out.variables }
    }
}

struct Writer {
    yaml: String,
    secrets: Secrets,
    variables: Vec<(String, Secret)>,
    taken: BTreeSet<String>,
}

impl Writer {
    fn line(&mut self, depth: usize, text: &str) {
        let _ = writeln!(self.yaml, "{:indent$}{text}", "", indent = 2 * depth);
    }

    fn entries(&mut self, section: &str, entries: &[Entry]) {
        if entries.is_empty() {
            return;
        }
        self.line(0, &format!("{section}:"));
        for entry in entries {
            for comment in &entry.comments {
                self.line(1, &format!("# {}", printable(comment)));
            }
            for (n, (key, value)) in entry.keys.iter().enumerate() {
                let value = match value {
                    Value::Text(text) => scalar(text),
                    Value::List(words) => {
                        format!("[{}]", words.iter().map(|word| scalar(word)).collect::<Vec<_>>().join(", "))
                    }
                    Value::Secret(secret) => self.secret(&entry.name, key, secret),
                };
                self.line(1, &format!("{} {key}: {value}", if n == 0 { "-" } else { " " }));
            }
        }
    }

    fn secret(&mut self, of: &str, key: &str, secret: &Secret) -> String {
        if self.secrets == Secrets::InFile {
            return scalar(secret.reveal());
        }
        let base = variable(of, key);
        let mut name = base.clone();
        let mut count = 1;
        while !self.taken.insert(name.clone()) {
            count += 1;
            name = format!("{base}_{count}");
        }
        self.variables.push((name.clone(), secret.clone()));
        format!("${{{name}}}")
    }
}

/// A variable's name out of what it belongs to.
fn variable(of: &str, key: &str) -> String {
    let words = of.split(|c: char| !c.is_ascii_alphanumeric()).filter(|word| !word.is_empty());
    let of = words.collect::<Vec<_>>().join("_");
    let name = if of.is_empty() { key.to_owned() } else { format!("{of}_{key}") };
    let name = name.to_ascii_uppercase();
    if name.starts_with(|c: char| c.is_ascii_digit()) { format!("_{name}") } else { name }
}

/// A text as a scalar of YAML that `davmux` reads as this text: quoted where it must be, without variables.
fn scalar(text: &str) -> String {
    let is_plain = text.starts_with(|c: char| c.is_alphanumeric() || matches!(c, '/' | '.' | '_'))
        && text.chars().all(|c| c.is_alphanumeric() || "/._-+@=".contains(c) || c == ':')
        && !text.ends_with(':')
        && !matches!(text.to_ascii_lowercase().as_str(), "null" | "yes" | "no" | "on" | "off");
    let text = text.replace('$', "$$");
    if is_plain {
        return text;
    }
    let mut quoted = String::from("\"");
    for c in text.chars() {
        match c {
            '"' => quoted.push_str("\\\""),
            '\\' => quoted.push_str("\\\\"),
            '\n' => quoted.push_str("\\n"),
            '\t' => quoted.push_str("\\t"),
            c if u32::from(c) < 0x10000 && (c.is_control() || matches!(c, '\u{2028}' | '\u{2029}' | '\u{feff}')) => {
                let _ = write!(quoted, "\\u{:04x}", u32::from(c));
            }
            c => quoted.push(c),
        }
    }
    quoted.push('"');
    quoted
}

/// A text that stays in its line.
fn printable(text: &str) -> String {
    text.chars()
        .map(|c| if c.is_control() || matches!(c, '\u{2028}' | '\u{2029}' | '\u{feff}') { ' ' } else { c })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_comes_back_as_it_was_and_a_secret_is_no_variable() {
        for text in [
            "plain",
            "/films/2024",
            "http://127.0.0.1:9000",
            "a b",
            "é",
            "- x",
            "#x",
            "a: b",
            "a:",
            "\"q\"",
            "back\\slash",
            "${HOME}",
            "$$",
            "a$b",
            "line\nbreak",
            "\u{2028}",
            "null",
            "true",
            "*x",
            "&x",
            "!x",
            "%x",
            "@x",
            "`x`",
            "{x}",
            "[x]",
            "x,y",
            " x ",
            "?",
            "-",
            "0x1f",
            "\u{7}",
        ] {
            let file = format!(
                "version: 1\nmounts: [{{path: /a, driver: local, root_folder_path: .}}]\nusers:\n  - name: n\n    password: {}\n",
                scalar(text)
            );
            let config = davmux_config::Config::parse(&file, "f", std::path::Path::new("/"), |_| None);
            let config = config.unwrap_or_else(|wrong| panic!("{text:?}: {wrong}\n{file}"));
            let Some(davmux_config::Password::Plain(read)) = &config.users[0].password else { panic!() };
            assert_eq!(read.reveal(), text, "{file}");
        }
    }

    #[test]
    fn variables_have_names_that_a_shell_takes_and_none_twice() {
        for (of, name) in
            [("/films", "FILMS_KEY"), ("/a b/c-d", "A_B_C_D_KEY"), ("/电影", "KEY"), ("/2024", "_2024_KEY")]
        {
            assert_eq!(variable(of, "key"), name);
        }
        let entry = |of: &str| {
            let mut entry = Entry::new(of);
            entry.set("path", of);
            entry.secret("password", "x");
            entry
        };
        let imported = Imported {
            source: "a test",
            anonymous: ("none", ""),
            proxy_token: Some(Secret::new("x")),
            users: Vec::new(),
            mounts: vec![entry("/a-b"), entry("/a/b"), entry("/电影"), entry("/电视")],
            notes: Vec::new(),
        };
        let names: Vec<String> =
            imported.render(Secrets::InVariables).variables.into_iter().map(|(name, _)| name).collect();
        assert_eq!(names, ["PROXY_TOKEN", "A_B_PASSWORD", "A_B_PASSWORD_2", "PASSWORD", "PASSWORD_2"]);
        assert!(!format!("{imported:?}").contains("\"x\""), "no secret in Debug");
    }

    #[test]
    fn a_comment_stays_a_comment() {
        let note = Note { what: "a\nversion: 2".into(), why: "x\r\u{2028}y".into() };
        assert_eq!(note.to_string().lines().count(), 1);
    }
}
