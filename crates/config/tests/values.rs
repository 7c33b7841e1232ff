//! What a good file means.
#![allow(clippy::unwrap_used, clippy::expect_used, missing_docs)]

use std::path::{Path, PathBuf};
use std::time::Duration;

use davmux_config::{Config, Password, Storage};
use davmux_driver_s3::provider::{Addressing, BulkDelete, ListVersion, Overrides, Provider};
use davmux_driver_s3::{CustomerKey, Encryption, LinkDisposition, ObjectSettings, RelayFrom, S3Options};
use davmux_server::{Anonymous, Listen};
use davmux_tree::{Access, Junk, ReadPolicy, TreePath};

const HASH: &str = "$argon2id$v=19$m=19456,t=2,p=1$c2FsdHNhbHQ$aGFzaGhhc2hoYXNo";

fn parse_in(text: &str, folder: &Path) -> Config {
    let environment = |name: &str| match name {
        "S3_KEY" => Some("key".to_owned()),
        "S3_SECRET" => Some("secret".to_owned()),
        "UPYUN_PASSWORD" => Some("password".to_owned()),
        "RO" => Some("true".to_owned()),
        "SIZE" => Some("64".to_owned()),
        "YAML" => Some("x,y:[".to_owned()),
        _ => None,
    };
    Config::parse(text, "mounts.yaml", folder, environment).unwrap_or_else(|mistakes| panic!("{mistakes}"))
}

fn parse(text: &str) -> Config {
    parse_in(text, Path::new("/etc/davmux"))
}

fn s3(more: &str) -> (davmux_config::Bucket, davmux_tree::MountOptions) {
    let config = parse(&format!("version: 1\nmounts:\n  - path: /b\n    driver: s3\n    bucket: films\n{more}"));
    let mount = config.mounts.into_iter().next().unwrap();
    match mount.storage {
        Storage::S3(bucket) => (*bucket, mount.options),
        _ => panic!("not a bucket"),
    }
}

fn keys(options: &S3Options) -> (&str, &str) {
    (options.access_key_id.as_deref().unwrap(), options.secret_access_key.as_ref().unwrap().reveal())
}

#[test]
fn the_example_is_read_as_it_says() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../mounts.example.yaml");
    let text = std::fs::read_to_string(path).unwrap();
    let config = parse(&text);
    let paths: Vec<_> = config.mounts.iter().map(|mount| mount.path.to_string()).collect();
    assert_eq!(paths[..3], ["/documents", "/films", "/uss"]);
    assert_eq!(config.users.len(), 2);
    let Storage::S3(films) = &config.mounts[1].storage else { panic!() };
    let films = &films.options;
    assert_eq!(keys(films), ("key", "secret"));
    assert!(films.session_token.is_none() && films.custom_host.is_none() && films.root_folder_path.is_empty());
}

#[test]
fn the_example_shows_the_defaults() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../mounts.example.yaml");
    let shown = parse(&std::fs::read_to_string(path).unwrap());
    let bare = parse("version: 1\nmounts:\n  - { path: /films, driver: s3, bucket: films }\n");
    let defaults = |config: &Config| {
        let mount = config.mounts.iter().find(|mount| mount.path.to_string() == "/films").unwrap();
        let Storage::S3(bucket) = &mount.storage else { panic!() };
        let server = &config.server;
        let proxies = server.trusted_proxies.clone();
        let serving = (server.listen.clone(), server.http2, server.upload_memory, server.anonymous, server.drain);
        (serving, server.base_path.clone(), proxies, bucket.placeholder.clone(), format!("{:?}", mount.options))
    };
    assert_eq!(defaults(&shown), defaults(&bare));
}

#[test]
fn a_whole_server_section() {
    let server = parse(
        "version: 1\nserver:\n  listen: [\"127.0.0.1:0\", \"[::1]:81\", unix:run/davmux.sock]\n  base_path: /dav/\n  \
         http2: true\n  trusted_proxies: [10.1.2.3/8, \"::1\"]\n  state_dir: state\n  upload_memory: ${SIZE}MB\n  \
         anonymous: read-only\n  drain: 1m30s\nmounts: [{path: /, driver: local, root_folder_path: .}]\n",
    )
    .server;
    let socket = PathBuf::from("/etc/davmux/run/davmux.sock");
    let [first, second] = ["127.0.0.1:0", "[::1]:81"].map(|text| Listen::Tcp(text.parse().unwrap()));
    assert_eq!(server.listen, [first, second, Listen::Unix(socket)]);
    assert_eq!(server.base_path.to_string(), "/dav");
    assert!(server.http2);
    assert_eq!(server.trusted_proxies.iter().map(ToString::to_string).collect::<Vec<_>>(), ["10.0.0.0/8", "::1/128"]);
    assert_eq!(server.state_dir, Some(PathBuf::from("/etc/davmux/state")));
    assert_eq!(server.upload_memory, 64_000_000);
    assert_eq!(server.anonymous, Anonymous::ReadOnly);
    assert_eq!(server.drain, Duration::from_secs(90));
}

#[test]
fn users_and_their_passwords() {
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join("secret"), "from a file\n").unwrap();
    std::fs::write(dir.path().join("hash"), format!("{HASH}\n")).unwrap();
    let doubled = HASH.replace('$', "$$");
    let text = format!(
        "version: 1\nusers:\n  - {{name: a, password_hash: \"{HASH}\"}}\n  - {{name: b, password_hash: \"{doubled}\"}}\n  \
         - {{name: c, password_hash_file: hash}}\n  - {{name: d, password_file: secret, access: read-only}}\n  \
         - {{name: e, password: 0123, root: /docs/mine}}\nmounts: [{{path: /docs, driver: local, root_folder_path: /srv}}]\n"
    );
    let users = parse_in(&text, dir.path()).users;
    let passwords: Vec<String> = users
        .iter()
        .map(|user| match &user.password {
            Some(Password::Hash(hash)) => format!("hash {}", hash.reveal()),
            Some(Password::Plain(plain)) => format!("plain {}", plain.reveal()),
            None => "none".to_owned(),
        })
        .collect();
    let hash = format!("hash {HASH}");
    assert_eq!(passwords, [hash.as_str(), hash.as_str(), hash.as_str(), "plain from a file", "plain 0123"]);
    assert_eq!(users[0].access, None);
    assert_eq!(users[3].access, Some(Access::ReadOnly));
    assert_eq!(users[4].root.to_string(), "/docs/mine");
}

#[test]
fn tokens_and_users_without_a_password() {
    let dir = tempfile::tempdir().unwrap();
    let hash = format!("sha256:{}", "0a".repeat(32));
    std::fs::write(dir.path().join("hash"), format!("{hash}\n")).unwrap();
    let text = format!(
        "version: 1\nusers:\n  - name: a\n    tokens:\n      - {{name: t, hash: \"{hash}\", expires: 2027-01-31}}\n      \
         - {{name: u, hash_file: hash}}\nmounts: [{{path: /x, driver: local, root_folder_path: .}}]\n"
    );
    let config = parse_in(&text, dir.path());
    let user = &config.users[0];
    assert!(user.password.is_none() && config.server.identity_header.is_none());
    let [first, second] = &user.tokens[..] else { panic!("two tokens") };
    assert_eq!((first.name.as_str(), second.name.as_str()), ("t", "u"));
    assert!(first.hash == second.hash && first.hash.to_string() == hash);
    assert!(first.expires.is_some() && second.expires.is_none());

    let text = "version: 1\nserver: {identity_header: X-Remote-User, trusted_proxies: 127.0.0.1}\nusers: [{name: a}]\n\
                mounts: [{path: /x, driver: local, root_folder_path: .}]\n";
    let config = parse_in(text, dir.path());
    assert_eq!(config.server.identity_header.unwrap(), "x-remote-user");
    assert!(config.users[0].password.is_none());
}

#[test]
fn what_a_bucket_is_without_more_keys() {
    let (bucket, options) = s3("");
    assert_eq!(bucket.placeholder, [".placeholder"]);
    let bucket = bucket.options;
    assert!(bucket.access_key_id.is_none() && bucket.secret_access_key.is_none());
    assert!(bucket.endpoint.is_none() && bucket.region.is_none());
    assert!(!bucket.force_path_style && !bucket.custom_host_presign && !bucket.remove_bucket);
    assert_eq!(options.read, ReadPolicy::Auto);
    assert_eq!((options.list_cache, options.link_life), (Duration::from_secs(60), Duration::from_secs(4 * 3600)));
    assert!(!options.read_only);
}

#[test]
fn markers_are_one_several_or_none() {
    assert_eq!(s3("    placeholder: .keep\n").0.placeholder, [".keep"]);
    assert_eq!(s3("    placeholder: [.keep, .placeholder]\n").0.placeholder, [".keep", ".placeholder"]);
    assert!(s3("    placeholder: \"\"\n").0.placeholder.is_empty());
    assert!(s3("    placeholder: []\n").0.placeholder.is_empty());
}

#[test]
fn times_of_a_bucket() {
    let life = |text: &str| s3(&format!("    sign_url_expire: {text}\n")).1.link_life;
    assert_eq!(life("4"), Duration::from_secs(4 * 3600), "a bare number is hours, as AList has it");
    assert_eq!(life("1s"), Duration::from_secs(1));
    assert_eq!(life("7d"), Duration::from_secs(7 * 24 * 3600));
    assert_eq!(s3("    list_cache: 0\n").1.list_cache, Duration::ZERO);
    assert_eq!(s3("    list_cache: 5m\n").1.list_cache, Duration::from_secs(300));
}

#[test]
fn junk_and_free_space_are_told_to_the_tree() {
    assert_eq!(s3("").1.junk, Junk::Keep);
    assert_eq!(s3("    junk: refuse\n").1.junk, Junk::Refuse);
    assert_eq!(s3("").1.quota_available, None);
    assert_eq!(s3("    quota_available: 1TiB\n").1.quota_available, Some(1 << 40));
    let local = parse("version: 1\nmounts:\n  - { path: /a, driver: local, root_folder_path: a, junk: refuse }\n");
    assert_eq!(local.mounts[0].options.junk, Junk::Refuse);
}

#[test]
fn the_names_of_alist_are_understood_and_values_that_change_nothing_are_taken() {
    let (bucket, options) =
        s3("    custom_host: https://cdn.example.com/films\n    enable_custom_host_presign: true\n    \
                                webdav_policy: native_proxy\n    list_object_version: v2\n    junk: keep\n    \
                                relay_from: endpoint\n    proxy_url: \"\"\n");
    assert!(bucket.options.custom_host_presign);
    assert_eq!(options.read, ReadPolicy::Relay);
    assert_eq!(s3("    webdav_policy: 302_redirect\n").1.read, ReadPolicy::Redirect);
}

#[test]
fn a_value_is_what_its_key_needs_and_a_variable_cannot_break_out() {
    let (bucket, options) =
        s3("    region: 0x10\n    read_only: ${RO}\n    root_folder_path: /a b/ü/\n    access_key_id: ${YAML}\n    \
                                secret_access_key: \"$${x}\"\n");
    let bucket = bucket.options;
    assert_eq!(bucket.region.as_deref(), Some("0x10"));
    assert!(options.read_only);
    assert_eq!(bucket.root_folder_path, "a b/ü");
    assert_eq!(keys(&bucket), ("x,y:[", "${x}"));
}

#[test]
fn rules_are_in_the_order_of_the_file() {
    let config = parse(
        "version: 1\nredirect_rules:\n  - {user_agent: \"^nPlayer\", read: redirect}\n  - {user_agent: Old, read: relay}\n\
         mounts: [{path: /, driver: local, root_folder_path: .}]\n",
    );
    let rules: Vec<_> = config.redirect_rules.iter().map(|rule| (rule.user_agent.as_str(), rule.redirect)).collect();
    assert_eq!(rules, [("^nPlayer", true), ("Old", false)]);
}

#[test]
fn a_folder_is_relative_to_the_file() {
    let config = parse("version: 1\nmounts: [{path: /, driver: local, root_folder_path: ../docs}]\n");
    let Storage::Local(folder) = &config.mounts[0].storage else { panic!() };
    assert_eq!(folder.root_folder_path, PathBuf::from("/etc/davmux/../docs"));
    assert_eq!(config.mounts[0].options.list_cache, Duration::ZERO);
}

#[test]
fn nothing_shows_a_secret() {
    let config = parse(
        "version: 1\nusers: [{name: a, password: hunter2}]\nmounts:\n  - {path: /, driver: s3, bucket: b, access_key_id: id, \
         secret_access_key: hunter2, session_token: hunter2}\n",
    );
    assert!(!format!("{config:?}").contains("hunter2"));
}

#[test]
fn how_objects_are_kept_and_sent() {
    let key = "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=";
    let options = s3("").0.options;
    assert_eq!(options.settings, ObjectSettings::default());
    assert_eq!((options.relay_from, options.link_disposition), (RelayFrom::Endpoint, LinkDisposition::None));
    assert_eq!((options.part_size, options.upload_parallelism), (None, 4));
    let options = s3("    relay_from: custom_host\n    custom_host: cdn.example.com\n    storage_class: STANDARD_IA\n    \
                      encryption: kms\n    kms_key_id: k\n    acl: public-read\n    user_agent: me/1\n    part_size: 16MiB\n    \
                      upload_parallelism: 2\n    link_disposition: inline\n")
    .0
    .options;
    let settings = &options.settings;
    assert_eq!(
        (settings.storage_class.as_deref(), settings.acl.as_deref(), settings.user_agent.as_deref()),
        (Some("STANDARD_IA"), Some("public-read"), Some("me/1"))
    );
    assert_eq!(settings.encryption, Encryption::Kms(Some("k".to_owned())));
    assert_eq!((options.relay_from, options.link_disposition), (RelayFrom::CustomHost, LinkDisposition::Inline));
    assert_eq!((options.part_size, options.upload_parallelism), (Some(16 << 20), 2));
    assert_eq!(s3("    add_filename_to_disposition: true\n").0.options.link_disposition, LinkDisposition::Attachment);
    let customer = s3(&format!("    encryption: customer\n    customer_key: {key}\n")).0.options.settings.encryption;
    assert_eq!(customer, Encryption::Customer(CustomerKey::from_base64(key).unwrap()));
    assert!(!format!("{customer:?}").contains(key));
}

#[test]
fn every_mount_of_the_page_of_providers_is_taken_as_it_stands() {
    for row in Provider::all() {
        let config = parse(&format!("version: 1\nserver: {{anonymous: read-only}}\nmounts:\n{}", row.mount()));
        let Storage::S3(bucket) = &config.mounts[0].storage else { panic!() };
        assert_eq!(bucket.options.provider, Some(row));
        // The keys of this test look like nobody's.
        let told: Vec<_> =
            config.warnings().iter().filter(|warning| !warning.message.contains("does not look like")).collect();
        assert!(told.iter().all(|warning| warning.message.contains("state_dir")), "{}: {told:?}", row.word);
    }
}

#[test]
fn a_mount_says_what_its_row_does_not_know() {
    let overrides = |text: &str| s3(text).0.options.overrides;
    assert_eq!(overrides(""), Overrides::default());
    assert_eq!(
        overrides(
            "    force_path_style: false\n    list_object_version: v1\n    list_url_encode: false\n    bulk_delete: 500\n    \
             copy_max: 1GB\n    part_copy: false\n    max_parts: 1000\n    equal_parts: true\n    \
             conditional_writes: true\n    conditional_deletes: false\n"
        ),
        Overrides {
            addressing: Some(Addressing::Either),
            list_version: Some(ListVersion::V1),
            list_url_encoding: Some(false),
            bulk_delete: Some(BulkDelete::Keys(500)),
            copy_largest: Some(1_000_000_000),
            copy_parts: Some(false),
            parts_most: Some(1000),
            parts_equal: Some(true),
            write_conditions: Some(true),
            delete_conditions: Some(false),
        }
    );
    assert_eq!(overrides("    bulk_delete: false\n").bulk_delete, Some(BulkDelete::None));
    assert_eq!(overrides("    force_path_style: true\n").addressing, None);
}

#[test]
fn a_provider_has_other_words_and_capitals_do_not_matter() {
    let word = |text: &str| s3(&format!("    provider: {text}\n    region: eu-1\n")).0.options.provider.unwrap().word;
    for (text, row) in
        [("amazon", "amazon"), ("AWS", "amazon"), ("aliyun", "oss"), ("Scaleway", "scaleway"), ("tencent", "cos")]
    {
        assert_eq!(word(text), row);
    }
}

#[test]
fn a_profile_of_the_aws_files_stands_in_for_keys() {
    let options = s3("    profile: films\n").0.options;
    assert_eq!((options.profile.as_deref(), options.access_key_id), (Some("films"), None));
}

#[test]
fn limits_are_read_as_they_stand_there_and_are_those_of_the_server_otherwise() {
    let config = |server: &str| {
        parse(&format!("version: 1\nserver: {server}\nmounts: [{{path: /a, driver: local, root_folder_path: /b}}]\n"))
            .server
    };
    assert_eq!(config("{}").limits.server, davmux_server::Limits::default());
    assert_eq!(config("{limits: {relays: 7}}").limits.server, davmux_server::Limits::default());
    let limits = config(
        "{limits: {connections: 1, connections_per_address: 2, requests_per_user: 3, header_timeout: 4s, idle_timeout: 5s, \
         body_size: 6GiB, body_timeout: 7s, send_timeout: 8s, relays: 9, relay_timeout: 10s}}",
    )
    .limits;
    let seconds = Duration::from_secs;
    let expected = davmux_server::Limits {
        connections: Some(1),
        connections_per_address: 2,
        requests_per_user: 3,
        header_timeout: seconds(4),
        idle_timeout: seconds(5),
        body_size: Some(6 << 30),
        body_timeout: seconds(7),
        send_timeout: seconds(8),
    };
    assert_eq!((limits.server, limits.relays, limits.relay_timeout), (expected, 9, seconds(10)));
}

#[test]
fn a_mount_has_the_bandwidth_that_stands_there() {
    let rates = |more: &str| {
        let bandwidth = s3(more).1.bandwidth;
        (bandwidth.down.map(u64::from), bandwidth.up.map(u64::from))
    };
    assert_eq!(rates(""), (None, None));
    assert_eq!(rates("    bandwidth: {down: 10MB}\n"), (Some(10_000_000), None));
    assert_eq!(rates("    bandwidth: {down: 10MB, up: 2MiB}\n"), (Some(10_000_000), Some(2 << 20)));
}

#[test]
fn rights_are_those_of_the_longest_path_then_of_the_user_then_the_most_of_their_groups() {
    let config = parse(
        "version: 1\nserver: {anonymous: read-only, anonymous_groups: [guests]}\ngroups:\n\
         \x20 - {name: guests, access: none, rights: [{path: /public, access: read-write}]}\n\
         \x20 - {name: family, access: read-only, rights: [{path: /photos, access: read-write}, {path: /photos/old, access: none}]}\n\
         \x20 - {name: elders, rights: [{path: /photos/old, access: read-only}, {path: /public, access: none}]}\n\
         users:\n\
         \x20 - {name: a, password: p, groups: family}\n\
         \x20 - {name: b, password: p, groups: [elders, family, guests]}\n\
         \x20 - {name: c, password: p, access: none, groups: [family], rights: [{path: /photos/old, access: read-write}]}\n\
         \x20 - {name: d, password: p, groups: [elders]}\n\
         \x20 - {name: e, password: p, rights: [{path: /public, access: read-only}]}\n\
         mounts: [{path: /, driver: local, root_folder_path: .}]\n",
    );
    use Access::{None, ReadOnly, ReadWrite};
    let places = ["/", "/photos", "/photos/old/x", "/public"].map(|path| TreePath::parse(path).unwrap());
    for (user, expected) in [
        ("a", [ReadOnly, ReadWrite, None, ReadOnly]),
        ("b", [ReadOnly, ReadWrite, ReadOnly, ReadWrite]),
        ("c", [None, ReadWrite, ReadWrite, None]),
        // No group of theirs says what they may do elsewhere.
        ("d", [ReadWrite, ReadWrite, ReadOnly, None]),
        ("e", [ReadWrite, ReadWrite, ReadWrite, ReadOnly]),
    ] {
        let rights = config.rights_of(config.users.iter().find(|other| other.name == user).unwrap());
        assert_eq!(places.each_ref().map(|place| rights.at(place)), expected, "{user}");
    }
}
