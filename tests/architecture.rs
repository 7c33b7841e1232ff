//! The arrows of docs/architecture.md point downward only.

use std::collections::{BTreeMap, BTreeSet};

/// What each crate may depend on, development aside.
const MAY_USE: &[(&str, &[&str])] = &[
    ("davmux-metrics", &[]),
    ("davmux-driver", &["davmux-metrics"]),
    ("davmux-driver-local", &["davmux-driver"]),
    ("davmux-driver-s3", &["davmux-driver"]),
    ("davmux-driver-opendal", &["davmux-driver"]),
    ("davmux-driver-placeholder", &["davmux-driver"]),
    ("davmux-driver-testkit", &["davmux-driver", "davmux-s3-server"]),
    ("davmux-s3-server", &[]),
    ("davmux-state", &[]),
    ("davmux-tree", &["davmux-driver", "davmux-state", "davmux-metrics"]),
    ("davmux-dav", &["davmux-driver", "davmux-tree", "davmux-state"]),
    ("davmux-server", &["davmux-metrics"]),
    ("davmux-proxy", &["davmux-driver", "davmux-tree", "davmux-server"]),
    (
        "davmux-config",
        &[
            "davmux-driver",
            "davmux-driver-local",
            "davmux-driver-s3",
            "davmux-driver-opendal",
            "davmux-driver-placeholder",
            "davmux-tree",
            "davmux-server",
            "davmux-proxy",
            "davmux-state",
        ],
    ),
    ("davmux-import", &[]),
    (
        "davmux",
        &[
            "davmux-config",
            "davmux-dav",
            "davmux-import",
            "davmux-server",
            "davmux-proxy",
            "davmux-s3-server",
            "davmux-tree",
            "davmux-driver",
            "davmux-metrics",
        ],
    ),
];

fn arrows() -> BTreeMap<String, (BTreeSet<String>, BTreeSet<String>)> {
    let metadata = cargo_metadata::MetadataCommand::new()
        .manifest_path(concat!(env!("CARGO_MANIFEST_DIR"), "/Cargo.toml"))
        .other_options(["--locked".to_owned(), "--offline".to_owned()])
        .no_deps()
        .exec()
        .unwrap();
    let normal = cargo_metadata::DependencyKind::Normal;
    let names = |package: &cargo_metadata::Package, ours: bool| {
        let kept = package.dependencies.iter().filter(|used| used.kind == normal);
        kept.map(|used| used.name.clone()).filter(|name| name.starts_with("davmux") == ours).collect()
    };
    metadata
        .packages
        .iter()
        .map(|package| (package.name.to_string(), (names(package, true), names(package, false))))
        .collect()
}

#[test]
fn the_arrows_between_the_crates_point_downward_only() {
    let arrows = arrows();
    let known: BTreeSet<_> = MAY_USE.iter().map(|(name, _)| (*name).to_owned()).collect();
    assert_eq!(arrows.keys().cloned().collect::<BTreeSet<_>>(), known, "a crate came or went");
    for (name, allowed) in MAY_USE {
        for used in &arrows[*name].0 {
            assert!(allowed.contains(&used.as_str()), "{name} may not use {used}");
        }
    }
}

#[test]
fn what_belongs_behind_one_crate_stays_there() {
    for (name, (_, others)) in arrows() {
        for other in others {
            let only = match other.as_str() {
                "dav-server" => "davmux-dav",
                "aws-sdk-s3" | "aws-config" | "aws-sigv4" => "davmux-driver-s3",
                "s3s" => "davmux-s3-server",
                opendal if opendal.starts_with("opendal") => "davmux-driver-opendal",
                "cap-std" => "davmux-driver-local",
                "prometheus-client" => "davmux-metrics",
                "redb" => "davmux-state",
                "saphyr" | "saphyr-parser" => "davmux-config",
                "clap" | "anyhow" | "tracing-subscriber" => "davmux",
                _ => continue,
            };
            assert_eq!(name, only, "{other} belongs behind {only}");
        }
    }
}

/// A row of docs/security.md without what holds it would be a wish.
#[test]
fn every_test_and_file_that_the_threat_model_names_is_there() {
    fn sources(folder: &std::path::Path, into: &mut String) {
        for entry in std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()) {
            if entry.is_dir() {
                sources(&entry, into);
            } else if entry.extension().is_some_and(|extension| extension == "rs") {
                into.push_str(&std::fs::read_to_string(&entry).unwrap());
            }
        }
    }
    let root = std::path::Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../.."));
    let mut tests = String::new();
    sources(&root.join("crates"), &mut tests);
    sources(&root.join("tests"), &mut tests);
    let page = std::fs::read_to_string(root.join("docs/security.md")).unwrap();
    let mut named = 0;
    for code in page.split('`').skip(1).step_by(2) {
        if code.starts_with("tests/") || code.starts_with("crates/") {
            assert!(root.join(code).exists(), "there is no file {code}");
        } else if code.matches('_').count() >= 3
            && code.chars().all(|c| c.is_ascii_lowercase() || "_0123456789".contains(c))
        {
            // Keys and variables are shorter.
            assert!(tests.contains(&format!("fn {code}(")), "there is no test {code}");
            named += 1;
        }
    }
    assert!(named > 30, "only {named} tests were found in the page");
}
