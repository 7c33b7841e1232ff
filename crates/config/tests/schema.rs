//! The schema and `check` say the same of a file.
#![allow(clippy::unwrap_used, clippy::expect_used, missing_docs)]

use std::path::Path;

use davmux_config::{Config, schema};
use jsonschema::Validator;
use saphyr_parser::{Event, Parser, ScalarStyle};
use serde_json::{Map, Value};

/// A file as an editor reads it: YAML's core schema decides what a plain scalar is.
fn json(text: &str) -> Value {
    enum Open {
        List(Vec<Value>),
        Map(Map<String, Value>, Option<String>),
    }
    let mut open: Vec<Open> = Vec::new();
    let mut root = Value::Null;
    for event in Parser::new_from_str(text) {
        let value = match event.unwrap().0 {
            Event::Scalar(text, style, ..) => scalar(&text, style == ScalarStyle::Plain),
            Event::SequenceStart(..) => {
                open.push(Open::List(Vec::new()));
                continue;
            }
            Event::MappingStart(..) => {
                open.push(Open::Map(Map::new(), None));
                continue;
            }
            Event::SequenceEnd | Event::MappingEnd => match open.pop().unwrap() {
                Open::List(items) => Value::Array(items),
                Open::Map(pairs, _) => Value::Object(pairs),
            },
            _ => continue,
        };
        match open.last_mut() {
            None => root = value,
            Some(Open::List(items)) => items.push(value),
            Some(Open::Map(pairs, key)) => match key.take() {
                None => *key = Some(value.as_str().map_or_else(|| value.to_string(), str::to_owned)),
                Some(key) => {
                    pairs.insert(key, value);
                }
            },
        }
    }
    root
}

fn scalar(text: &str, plain: bool) -> Value {
    match text {
        _ if !plain => text.into(),
        "" | "~" | "null" | "Null" | "NULL" => Value::Null,
        "true" | "True" | "TRUE" => true.into(),
        "false" | "False" | "FALSE" => false.into(),
        _ => text
            .parse::<i64>()
            .map(Value::from)
            .or_else(|_| text.parse::<f64>().map(Value::from))
            .unwrap_or(text.into()),
    }
}

fn validator() -> Validator {
    jsonschema::draft202012::new(&schema()).unwrap()
}

fn wrong_by_schema(validator: &Validator, text: &str) -> Vec<String> {
    validator.iter_errors(&json(text)).map(|error| format!("{}: {error}", error.instance_path())).collect()
}

fn wrong_by_check(text: &str) -> Vec<String> {
    let environment = |name: &str| name.starts_with("S3_").then(|| "a".to_owned());
    match Config::parse(text, "mounts.yaml", Path::new("/nowhere"), environment) {
        Ok(_) => Vec::new(),
        Err(mistakes) => mistakes.iter().map(ToString::to_string).collect(),
    }
}

fn repository(file: &str) -> String {
    std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").join(file)).unwrap()
}

#[test]
fn the_schema_is_one() {
    jsonschema::meta::validate(&schema()).unwrap();
}

#[test]
fn the_shipped_schema_is_this_one() {
    if std::env::var_os("UPDATE_SCHEMA").is_some() {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/mounts.schema.json");
        std::fs::write(path, format!("{:#}\n", schema())).unwrap();
    }
    let shipped: Value = serde_json::from_str(&repository("docs/mounts.schema.json")).unwrap();
    assert!(
        shipped == schema(),
        "it is stale; make it anew: UPDATE_SCHEMA=1 cargo test -p davmux-config --test schema shipped"
    );
}

#[test]
fn the_example_names_the_schema_and_is_valid_by_it() {
    let example = repository("mounts.example.yaml");
    assert!(
        example.lines().next().unwrap().starts_with("# yaml-language-server: $schema=docs/mounts.schema.json"),
        "editors look for it in the first line"
    );
    assert_eq!(wrong_by_schema(&validator(), &example), [""; 0]);
    // What stands there in comments, too: the drivers of some builds.
    let commented = example.split_once("# Drivers that only some builds have").unwrap().1;
    let mounts: Vec<&str> = commented
        .lines()
        .filter_map(|line| line.strip_prefix('#'))
        .skip_while(|line| !line.contains("- path"))
        .collect();
    assert!(mounts.len() > 20);
    let file = format!("version: 1\nmounts:\n{}", mounts.join("\n"));
    assert_eq!(wrong_by_schema(&validator(), &file), [""; 0], "{file}");
}

#[test]
fn every_file_in_the_documentation_is_valid_by_it() {
    let validator = validator();
    let mut seen = 0;
    let pages = std::fs::read_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs")).unwrap();
    let pages = pages.map(|page| format!("docs/{}", page.unwrap().file_name().to_str().unwrap()));
    for page in pages.filter(|page| page.ends_with(".md")).chain(["README.md".to_owned()]) {
        for block in repository(&page).split("```yaml\n").skip(1) {
            let block = block.split("```").next().unwrap();
            let file = match block.lines().find(|line| !line.starts_with('#')) {
                Some(line) if line.starts_with("version:") => block.to_owned(),
                Some(line) if line.starts_with("mounts:") => format!("version: 1\n{block}"),
                Some(line) if line.starts_with("server:") => {
                    format!("version: 1\nmounts: [{{ path: /, driver: local, root_folder_path: . }}]\n{block}")
                }
                _ => continue,
            };
            seen += 1;
            assert_eq!(wrong_by_schema(&validator, &file), [""; 0], "{page}:\n{file}");
        }
    }
    assert!(seen > 25, "{seen}");
}

/// Files that are wrong in one thing each.
const WRONG: &[&str] = &[
    "mounts: [{ path: /a, driver: local, root_folder_path: . }]",
    "version: 2\nmounts: [{ path: /a, driver: local, root_folder_path: . }]",
    "version: 1",
    "version: 1\nmounts: []",
    "version: 1\nmounts: { path: /a, driver: local, root_folder_path: . }",
    "version: 1\nmounts: [{ driver: local, root_folder_path: . }]",
    "version: 1\nmounts: [{ path: /a, root_folder_path: . }]",
    "version: 1\nmounts: [{ path: /a, driver: ftp, root_folder_path: . }]",
    "version: 1\nmounts: [{ path: /a, driver: local }]",
    "version: 1\nmounts: [{ path: /a, driver: local, root_folder_path: ., bucket: b }]",
    "version: 1\nmounts: [{ path: /a, driver: local, root_folder_path: ., read_only: yes }]",
    "version: 1\nmounts: [{ path: /a, driver: local, root_folder_path: ., junk: burn }]",
    "version: 1\nmounts: [{ path: /a, driver: s3 }]",
    "version: 1\nmounts: [{ path: /a, driver: s3, bucket: \"\" }]",
    "version: 1\nmounts: [{ path: /a, driver: s3, bucket: b, list_cache: 60 }]",
    "version: 1\nmounts: [{ path: /a, driver: s3, bucket: b, sign_url_expire: soon }]",
    "version: 1\nmounts: [{ path: /a, driver: s3, bucket: b, part_size: 16 megabytes }]",
    "version: 1\nmounts: [{ path: /a, driver: s3, bucket: b, upload_parallelism: 65 }]",
    "version: 1\nmounts: [{ path: /a, driver: s3, bucket: b, bulk_delete: true }]",
    "version: 1\nmounts: [{ path: /a, driver: s3, bucket: b, list_object_version: v3 }]",
    "version: 1\nmounts: [{ path: /a, driver: s3, bucket: b, read: redirect, webdav_policy: native_proxy }]",
    "version: 1\nmounts: [{ path: /a, driver: s3, bucket: b, webdav_policy: redirect }]",
    "version: 1\nmounts: [{ path: /a, driver: s3, bucket: b, placeholder: { name: x } }]",
    "version: 1\nmounts: [{ path: /a, driver: s3, bucket: [b] }]",
    "version: 1\nmounts: [{ path: /a, driver: s3, bucket: b, access_key_id: a, access_key_id_file: b }]",
    "version: 1\nserver: []\nmounts: [{ path: /a, driver: local, root_folder_path: . }]",
    "version: 1\nserver: { lisen: 127.0.0.1:1 }\nmounts: [{ path: /a, driver: local, root_folder_path: . }]",
    "version: 1\nserver: { anonymous: everybody }\nmounts: [{ path: /a, driver: local, root_folder_path: . }]",
    "version: 1\nserver: { http2: 1 }\nmounts: [{ path: /a, driver: local, root_folder_path: . }]",
    "version: 1\nusers: [{ password: x }]\nmounts: [{ path: /a, driver: local, root_folder_path: . }]",
    "version: 1\nusers: [{ name: a, password: x, access: all }]\nmounts: [{ path: /a, driver: local, root_folder_path: . }]",
    "version: 1\nredirect_rules: [{ user_agent: x }]\nmounts: [{ path: /a, driver: local, root_folder_path: . }]",
    "version: 1\nredirect_rules: [{ user_agent: x, read: auto }]\nmounts: [{ path: /a, driver: local, root_folder_path: . }]",
];

#[test]
fn wrong_files_are_refused_by_both() {
    let validator = validator();
    for file in WRONG {
        assert_ne!(wrong_by_check(file), [""; 0], "check takes\n{file}");
        assert_ne!(wrong_by_schema(&validator, file), [""; 0], "the schema takes\n{file}");
    }
}

/// What a key may be given, in YAML.
const VALUES: &[&str] = &[
    "",
    "~",
    "\"\"",
    "x",
    "\"x y\"",
    "/x",
    "true",
    "True",
    "\"false\"",
    "yes",
    "0",
    "1",
    "2",
    "5",
    "65",
    "10001",
    "-1",
    "1.5",
    "\"7\"",
    "5MiB",
    "\"64 MB\"",
    "16gib",
    "4h",
    "1h30m",
    "\"5 m\"",
    "30 seconds",
    "[]",
    "[x]",
    "[~]",
    "[[x]]",
    "{}",
    "{ x: y }",
    "[{}]",
    "none",
    "auto",
    "v2",
    "read-only",
    "relay",
    "keep",
    "strict",
    "127.0.0.1:0",
    "\"[::1]:8080\"",
    "unix:a.sock",
    "10.0.0.0/8",
    "302_redirect",
    "minio",
    "MinIO",
    "\"${S3_X}\"",
    "\"${NONE:-5}\"",
    "\"${NONE:-true}\"",
    "\"${NONE:-4h}\"",
    "\"${NONE:-none}\"",
];

/// A section with what it needs, and a hole for one more key.
fn sections() -> Vec<(&'static str, String)> {
    let mount = "mounts: [{ path: /a, driver: local, root_folder_path: . }]";
    let mut sections = vec![
        ("server", format!("version: 1\n{mount}\nserver: {{ KEY }}")),
        ("users", format!("version: 1\n{mount}\nusers: [{{ name: n, password: p, KEY }}]")),
    ];
    let mut of_driver = |definition, needs: &str| {
        sections.push((definition, format!("version: 1\nmounts: [{{ path: /a, {needs}, KEY }}]")));
    };
    of_driver("mount_local", "driver: local, root_folder_path: .");
    of_driver("mount_s3", "driver: s3, bucket: b");
    of_driver("mount_upyun", "driver: upyun, bucket: b, operator: o, password: p");
    sections
}

#[test]
fn the_schema_refuses_nothing_that_check_takes_and_no_shape_that_check_refuses() {
    let (schema, validator) = (schema(), validator());
    let mut seen = 0;
    for (definition, section) in sections() {
        assert_eq!(wrong_by_check(&section.replace(", KEY", "").replace("KEY", "")), [""; 0], "{section}");
        for key in schema["$defs"][definition]["properties"].as_object().unwrap().keys() {
            if section.contains(&format!(" {key}:")) {
                continue;
            }
            for value in VALUES {
                let file = section.replace("KEY", &format!("{key}: {value}"));
                let (by_check, by_schema) = (wrong_by_check(&file), wrong_by_schema(&validator, &file));
                assert!(by_schema.is_empty() || !by_check.is_empty(), "the schema refuses {by_schema:?}\n{file}");
                let is_shape = by_check.iter().any(|mistake| {
                    mistake.contains("and this is") || mistake.contains("true or false") || mistake.contains("one of ")
                });
                assert!(
                    !is_shape || value.contains("${") || !by_schema.is_empty(),
                    "check refuses {by_check:?}, and the schema takes it\n{file}"
                );
                seen += 1;
            }
        }
    }
    assert!(seen > 3000, "{seen}");
}

#[test]
fn a_key_has_its_meaning_its_default_and_its_words() {
    let s3 = &schema()["$defs"]["mount_s3"]["properties"];
    assert_eq!(s3["list_cache"]["default"], "60s");
    assert!(s3["bucket"]["description"].as_str().unwrap().contains("name of the bucket"));
    assert_eq!(s3["junk"]["anyOf"][0]["enum"], serde_json::json!(["keep", "refuse"]));
    for (name, definition) in schema()["$defs"].as_object().unwrap() {
        if name == "mount" {
            continue;
        }
        for (key, property) in definition["properties"].as_object().unwrap() {
            let obvious = ["driver", "secret_access_key", "container", "bucket", "endpoint"];
            assert!(
                property["description"].is_string() || obvious.contains(&key.as_str()),
                "{key} of {name} has no description"
            );
        }
    }
}
