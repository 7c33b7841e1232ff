//! An rclone.conf that rclone itself wrote (`rclone config create`).
#![allow(clippy::unwrap_used, clippy::expect_used, missing_docs)]

use std::path::Path;

use davmux_config::{Config, Storage};
use davmux_import::{Error, Imported, Secrets, rclone};

const CONF: &str = include_str!("files/rclone.conf");

fn imported(buckets: &[&str]) -> Imported {
    rclone(CONF, &buckets.iter().map(|bucket| (*bucket).to_owned()).collect::<Vec<_>>()).unwrap()
}

fn yaml(imported: &Imported) -> String {
    imported.render(Secrets::InFile).yaml
}

fn mounts(yaml: &str) -> Vec<&str> {
    yaml.lines().filter_map(|line| line.trim().strip_prefix("- path: ")).collect()
}

fn lines<'a>(yaml: &'a str, path: &str) -> Vec<&'a str> {
    let from = yaml.split_once(&format!("  - path: {path}\n")).unwrap_or_else(|| panic!("no {path} in\n{yaml}")).1;
    from.lines().take_while(|line| line.starts_with("    ")).map(str::trim).collect()
}

fn note(imported: &Imported, what: &str) -> String {
    imported.notes().iter().filter(|note| note.what.starts_with(what)).map(|note| format!("{note}\n")).collect()
}

#[test]
fn the_result_is_a_good_file() {
    let imported = imported(&["aws:pictures/2024", "public:open"]);
    let yaml = yaml(&imported);
    let config = Config::parse(&yaml, "mounts.yaml", Path::new("/etc/davmux"), |_| None);
    let config = config.unwrap_or_else(|wrong| panic!("{wrong}\n{yaml}"));
    let Storage::S3(bucket) = &config.mounts[0].storage else { panic!() };
    assert_eq!(bucket.options.secret_access_key.as_ref().unwrap().reveal(), "mi#nio$ecret$${X}");
}

#[test]
fn aliases_and_combines_are_followed_to_where_they_lead() {
    let imported = imported(&[]);
    let yaml = yaml(&imported);
    assert_eq!(
        mounts(&yaml),
        [
            "/films",
            "/shelf",
            "/home",
            "/all/films",
            "\"/all/docs and more\"",
            "/all/r2",
            "/all/secure",
            "/nested",
            "/whole/films",
            "\"/whole/docs and more\"",
            "/whole/r2",
            "/whole/secure",
        ]
    );
    for (path, bucket, prefix) in [
        ("/films", "films", "/2024"),
        ("/shelf", "films", "/2024/new"),
        ("/nested", "films", "/2024/deep"),
        ("/all/secure", "vault", "/a"),
    ] {
        let lines = lines(&yaml, path);
        assert!(lines.contains(&format!("bucket: {bucket}").as_str()), "{path}: {lines:?}");
        assert!(lines.contains(&format!("root_folder_path: {prefix}").as_str()), "{path}: {lines:?}");
    }
    assert_eq!(lines(&yaml, "\"/all/docs and more\""), ["driver: local", "root_folder_path: /srv/docs"]);
}

#[test]
fn options_of_s3_become_keys() {
    let imported = imported(&["aws:pictures"]);
    let yaml = yaml(&imported);
    assert_eq!(
        lines(&yaml, "/films"),
        [
            "driver: s3",
            "provider: minio",
            "bucket: films",
            "endpoint: http://127.0.0.1:9000",
            "region: us-east-1",
            "access_key_id: MINIOKEY",
            "secret_access_key: \"mi#nio$$ecret$$$${X}\"",
            "root_folder_path: /2024",
            "list_object_version: v2",
            "part_size: 16MiB",
            "upload_parallelism: 8",
        ]
    );
    assert_eq!(
        lines(&yaml, "/aws/pictures"),
        [
            "driver: s3",
            "provider: amazon",
            "bucket: pictures",
            "region: eu-central-1",
            "profile: films",
            "storage_class: STANDARD_IA",
            "encryption: kms",
            "kms_key_id: arn:aws:kms:eu-central-1:1:key/2",
        ]
    );
    let r2 = lines(&yaml, "/all/r2");
    for line in
        ["custom_host: https://cdn.example.com", "remove_bucket: true", "acl: public-read", "placeholder: .placeholder"]
    {
        assert!(r2.contains(&line), "{line}: {r2:?}");
    }
    let secure = lines(&yaml, "/all/secure");
    for line in [
        "force_path_style: false",
        "copy_max: 1024MiB",
        "max_parts: 1000",
        "encryption: customer",
        "customer_key: MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY=",
    ] {
        assert!(secure.contains(&line), "{line}: {secure:?}");
    }
}

#[test]
fn what_is_not_taken_over_is_told() {
    let imported = imported(&["public:open", "films:x", "drive:x", "nowhere:x"]);
    for (what, part) in [
        ("remote disk", "whole disk"),
        ("remote odd", "relative/folder"),
        ("remote missing", "nowhere, which is not in this file"),
        ("remote ring1", "back to itself"),
        ("remote ring2", "back to itself"),
        ("remote account", "an account"),
        ("remote aws", "--bucket aws:BUCKET"),
        ("remote all, as /all/bad", "type drive"),
        ("remote drive", "type drive"),
        ("remote dav", "type webdav"),
        ("remote r2", "versions"),
        ("remote public", "without a signature"),
        ("--bucket drive:x", "type drive"),
        ("--bucket nowhere:x", "not in this file"),
    ] {
        assert!(note(&imported, what).contains(part), "{what}: {:?}", imported.notes());
    }
    assert!(!yaml(&imported).contains("GffEyIWkIQvhKuKLy7y"), "what is not taken over is not repeated");
}

#[test]
fn what_is_no_rclone_conf_is_refused_with_the_way_out() {
    let refused = |text: &str| rclone(text, &[]).unwrap_err();
    let encrypted = refused(include_str!("files/encrypted.conf"));
    assert!(matches!(encrypted, Error::EncryptedRclone) && encrypted.to_string().contains("rclone config show"));
    assert!(matches!(refused("[a]\nnonsense\n"), Error::NoRcloneConf { line: 2, .. }));
    assert!(matches!(refused("a = b\n"), Error::NoRcloneConf { line: 1, .. }));
    assert!(matches!(refused(""), Error::NoMounts(_)));
    assert!(refused("[a]\ntype = s3\n").to_string().contains("--bucket a:BUCKET"));
}

#[test]
fn values_are_read_as_rclone_reads_them() {
    let conf = "; comment\n# another\n[x]\ntype=alias\nremote: `/srv/a b`\n[x]\nremote = \"\"\"/srv/c\"\"\"\n";
    assert!(yaml(&rclone(conf, &[]).unwrap()).contains("root_folder_path: /srv/c\n"));
    let windows = "\u{feff}[x]\r\ntype = alias\r\nremote = /srv/é\r\n";
    assert!(yaml(&rclone(windows, &[]).unwrap()).contains("root_folder_path: /srv/é\n"));
}
