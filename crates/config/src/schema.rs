//! The JSON Schema of the file, for editors and scripts: made of the tables of keys and of docs/config.md.
//!
//! It refuses nothing that the file may hold, and says what can be said of a key alone; what keys have to do with each other,
//! and with the world, is `check`'s.

use davmux_driver_s3::provider::Provider;
use serde_json::{Map, Value, json};

use crate::docs::{self, Row};
use crate::keys::{self, Key, Kind, SECTIONS, Standing};

/// A text with a variable in it may become anything.
const VARIABLE: &str = r"\$\{";

/// The JSON Schema (2020-12) of a mounts file.
pub fn schema() -> Value {
    let mut definitions: Map<String, Value> = SECTIONS
        .iter()
        .filter(|(heading, _)| *heading != "The file")
        .map(|(heading, keys)| (definition(heading), section(heading, keys)))
        .collect();
    definitions.insert("mount".to_owned(), mount());
    let mut file = section("The file", keys::FILE);
    if let Value::Object(file) = &mut file {
        file.insert("$schema".to_owned(), json!("https://json-schema.org/draft/2020-12/schema"));
        file.insert("title".to_owned(), json!("davmux mounts file"));
        file.insert("$defs".to_owned(), Value::Object(definitions));
    }
    file
}

/// The name of a section in `$defs`.
fn definition(heading: &str) -> String {
    heading.replace("mounts, driver ", "mount_")
}

fn reference(definition: &str) -> Value {
    json!({ "$ref": format!("#/$defs/{definition}") })
}

/// The words after `driver:`.
fn drivers() -> impl Iterator<Item = &'static str> {
    SECTIONS.iter().filter_map(|(heading, _)| heading.strip_prefix("mounts, driver "))
}

/// A mount has the keys of its driver.
fn mount() -> Value {
    let cases = drivers().map(|driver| {
        json!({
            "if": { "properties": { "driver": { "const": driver } }, "required": ["driver"] },
            "then": reference(&format!("mount_{driver}")),
        })
    });
    json!({
        "type": "object",
        "required": ["path", "driver"],
        "properties": { "driver": one_of(&drivers().collect::<Vec<_>>(), true) },
        "allOf": cases.collect::<Vec<_>>(),
    })
}

fn section(heading: &str, keys: &[Key]) -> Value {
    let rows = docs::rows(docs::PAGE, heading);
    let properties: Map<String, Value> = keys
        .iter()
        .map(|key| (key.name.to_owned(), property(key, keys, rows.iter().find(|row| row.name == key.name))))
        .collect();
    let required: Vec<&str> = keys.iter().filter(|key| key.required).map(|key| key.name).collect();
    let exclusive: Vec<Value> = keys.iter().filter_map(|key| says_the_same(key, keys)).collect();
    let mut section = json!({ "type": "object", "properties": properties, "additionalProperties": false });
    if let Value::Object(section) = &mut section {
        if !required.is_empty() {
            section.insert("required".to_owned(), json!(required));
        }
        if !exclusive.is_empty() {
            section.insert("allOf".to_owned(), json!(exclusive));
        }
    }
    section
}

/// A key and another that says the same: only one of them may be there.
fn says_the_same(key: &Key, keys: &[Key]) -> Option<Value> {
    let other = match key.standing {
        Standing::Alias(of) => of,
        _ => key.name.strip_suffix("_file").filter(|stem| keys::find(keys, stem).is_some())?,
    };
    // An alias that is empty is still there twice; of the others an empty one is as good as none.
    let full = match key.standing {
        Standing::Alias(_) => json!({}),
        _ => json!({ key.name: { "not": { "type": "null" } }, other: { "not": { "type": "null" } } }),
    };
    Some(json!({ "not": { "required": [key.name, other], "properties": full } }))
}

fn property(key: &Key, keys: &[Key], row: Option<&Row<'_>>) -> Value {
    let target = match key.standing {
        Standing::Alias(of) => keys::find(keys, of),
        Standing::Known => None,
    };
    let kind = match (key.kind, target) {
        (Kind::AsTarget, Some(target)) => target.kind,
        (kind, _) => kind,
    };
    let mut value = value(kind, !key.required);
    if let (Value::Object(value), Some(row)) = (&mut value, row) {
        let meaning = row.plain_meaning();
        if !meaning.is_empty() {
            value.insert("description".to_owned(), json!(meaning));
        }
        if let Some(default) = row.literal_default() {
            value.insert("default".to_owned(), json_of(default, kind));
        }
    }
    value
}

/// A default as JSON.
fn json_of(text: &str, kind: Kind) -> Value {
    let number = || text.parse::<u64>().ok().map(Value::from);
    match (kind, text) {
        (Kind::Flag, "true") => json!(true),
        (Kind::Flag, _) => json!(false),
        (Kind::Number(..) | Kind::NumberOrFalse(..), _) => number().unwrap_or_else(|| json!(text)),
        _ => json!(text.trim_matches('"')),
    }
}

fn value(kind: Kind, optional: bool) -> Value {
    match kind {
        Kind::Text | Kind::AsTarget if optional => json!({ "type": ["string", "number", "boolean", "null"] }),
        Kind::Text | Kind::AsTarget => json!({ "type": ["string", "number", "boolean"], "minLength": 1 }),
        Kind::Choice(words) => one_of(words, !optional),
        Kind::Provider => {
            let words: Vec<&str> =
                Provider::all().flat_map(|row| [row.word].into_iter().chain(row.also.iter().copied())).collect();
            // Capitals do not matter.
            any_of(vec![json!({ "enum": words }), json!({ "type": "string" })], optional)
        }
        Kind::Flag => {
            let written = format!("^([Tt]rue|TRUE|[Ff]alse|FALSE)$|{VARIABLE}");
            any_of(vec![json!({ "type": "boolean" }), text(&written)], optional)
        }
        Kind::Number(least, most) => any_of(vec![whole(least, most), text(&format!("^[0-9]+$|{VARIABLE}"))], optional),
        Kind::NumberOrFalse(least, most) => any_of(
            vec![whole(least, most), json!({ "const": false }), text(&format!("^([0-9]+|false)$|{VARIABLE}"))],
            optional,
        ),
        Kind::Size => {
            let written = format!(r"^[0-9]+\s*([KkMmGgTt][Ii]?)?[Bb]?$|{VARIABLE}");
            any_of(vec![json!({ "type": "integer", "minimum": 0 }), text(&written)], optional)
        }
        Kind::Duration | Kind::DurationOrHours => {
            let written = format!(r"^(0|[0-9]+|([0-9]+\s*(ms|s|m|h|d)\s*)+)$|{VARIABLE}");
            let number = match kind {
                Kind::DurationOrHours => json!({ "type": "integer", "minimum": 0 }),
                _ => json!({ "const": 0 }),
            };
            any_of(vec![number, text(&written)], optional)
        }
        Kind::Texts => {
            let text = json!({ "type": ["string", "number", "boolean"] });
            any_of(vec![text.clone(), json!({ "type": "array", "items": text })], optional)
        }
        Kind::Section(name) => any_of(vec![reference(name)], optional),
        Kind::Sections(name) => any_of(vec![json!({ "type": "array", "items": reference(name) })], optional),
        Kind::Mounts => json!({ "type": "array", "minItems": 1, "items": reference("mount") }),
    }
}

/// One of these words, or a variable.
fn one_of(words: &[&str], required: bool) -> Value {
    any_of(vec![json!({ "enum": words }), text(VARIABLE)], !required)
}

fn whole(least: u32, most: u32) -> Value {
    json!({ "type": "integer", "minimum": least, "maximum": most })
}

fn text(pattern: &str) -> Value {
    json!({ "type": "string", "pattern": pattern })
}

/// An empty value is as good as none, where none is needed.
fn any_of(mut cases: Vec<Value>, optional: bool) -> Value {
    if optional {
        cases.push(json!({ "type": "null" }));
    }
    json!({ "anyOf": cases })
}
