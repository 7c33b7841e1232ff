//! Every mistake at once, each at its place.
#![allow(clippy::unwrap_used, clippy::expect_used, missing_docs)]

use std::path::Path;

use davmux_config::Config;

fn mistakes(text: &str) -> Vec<String> {
    let environment = |name: &str| (name == "LEAK").then(|| "hunter2".to_owned());
    match Config::parse(text, "mounts.yaml", Path::new("/nonexistent"), environment) {
        Ok(_) => panic!("this was accepted:\n{text}"),
        Err(mistakes) => mistakes.to_string().lines().map(str::to_owned).collect(),
    }
}

/// The only mistake of a file whose `section` is wrong.
#[track_caller]
fn only(text: &str, at: &str, part: &str) {
    let all = mistakes(text);
    assert!(all.len() == 1, "one mistake expected in\n{text}\nand there are\n{}", all.join("\n"));
    assert!(all[0].starts_with(&format!("mounts.yaml:{at}: ")) && all[0].contains(part), "{at} {part}: {}", all[0]);
}

const LOCAL: &str = "mounts: [{path: /, driver: local, root_folder_path: .}]\n";

#[track_caller]
fn server(line: &str, at: &str, part: &str) {
    only(&format!("version: 1\nserver:\n  {line}\n{LOCAL}"), at, part);
}

#[track_caller]
fn user(lines: &str, at: &str, part: &str) {
    only(&format!("version: 1\nusers:\n  - {lines}\n{LOCAL}"), at, part);
}

#[track_caller]
fn s3(line: &str, at: &str, part: &str) {
    only(&format!("version: 1\nmounts:\n  - path: /b\n    driver: s3\n    bucket: b\n    {line}\n"), at, part);
}

#[test]
fn all_of_them_sorted_by_place() {
    let all = mistakes(
        "version: 2\nserver:\n  listen: nowhere\n  htp2: true\nusers:\n  - name: a\nmounts:\n  - path: a\n    driver: s3\n    \
         bukket: films\n    read_only: perhaps\n    region: ${NONE}\n  - path: /x\n    driver: local\n  - path: /x/\n    \
         driver: local\n    root_folder_path: y\nmuonts: []\n",
    );
    let expected = [
        ("1:10", "version: \"2\" is not 1"),
        ("3:11", "listen: \"nowhere\""),
        ("4:3", "unknown key `htp2` in server; did you mean `http2`?"),
        ("6:5", "a user needs a password"),
        ("8:11", "it must begin with /"),
        ("10:5", "did you mean `bucket`?"),
        ("11:16", "is not true or false"),
        ("12:13", "NONE is not set"),
        ("13:5", "this mount has no `root_folder_path`"),
        ("15:11", "a mount is here already in line 13"),
        ("18:1", "did you mean `mounts`?"),
    ];
    assert_eq!(all.len(), expected.len(), "{}", all.join("\n"));
    for (mistake, (at, part)) in all.iter().zip(expected) {
        assert!(
            mistake.starts_with(&format!("mounts.yaml:{at}: ")) && mistake.contains(part),
            "{at} {part}: {mistake}"
        );
    }
}

#[test]
fn keys_twice_missing_empty_and_unknown() {
    only(&format!("version: 1\nversion: 1\n{LOCAL}"), "2:1", "`version` is set already in line 1");
    only(LOCAL, "1:1", "the file has no `version`");
    only("version: 1\n", "1:1", "the file has no `mounts`");
    only("version: 1\nmounts:\n", "2:1", "`mounts` has no value");
    only("version: 1\nmounts: []\n", "2:9", "there are no mounts");
    only(
        &format!("version: 1\ncolour: red\n{LOCAL}"),
        "2:1",
        "known are version, server, users, groups, redirect_rules, mounts",
    );
    only("- 1\n", "1:1", "the file needs keys with values, and this is a list");
    only(&format!("version: 1\n\"a\\nb\": 1\n{LOCAL}"), "2:1", "`a\\nb`");
}

#[test]
fn what_is_not_yaml() {
    only("version: 1\nmounts: [\n", "3:1", "this is not YAML");
    only("", "1:1", "the file is empty");
}

#[test]
fn wrong_types() {
    server("listen: {a: b}", "3:11", "listen needs an address");
    server("http2: 1", "3:10", "is not true or false");
    server("http2: yes", "3:10", "is not true or false");
    server("state_dir: [a]", "3:14", "state_dir needs a text, and this is a list");
    only(&format!("version: 1\nserver: []\n{LOCAL}"), "2:9", "server needs keys with values");
    only(&format!("version: 1\nusers: {{}}\n{LOCAL}"), "2:8", "users needs a list");
    only("version: 1\nmounts: a\n", "2:9", "mounts needs a list");
    only("version: 1\nmounts: [a]\n", "2:10", "a mount needs keys with values");
}

#[test]
fn wrong_values_of_the_server() {
    server("listen: localhost:80", "3:11", "such as 127.0.0.1:8080");
    server("listen: \":80\"", "3:11", "such as 127.0.0.1:8080");
    server("listen: []", "3:3", "`listen`");
    server("listen: [127.0.0.1:80, 127.0.0.1:80]", "3:26", "twice");
    server("base_path: dav", "3:14", "must begin with /");
    server("base_path: /a/../b", "3:14", "`..`");
    server("trusted_proxies: [10.0.0.0/8, proxy]", "3:33", "such as 10.0.0.0/8");
    server("upload_memory: 1MiB", "3:18", "8MiB or more");
    server("upload_memory: lots", "3:18", "such as 256MiB");
    server("anonymous: everything", "3:14", "one of none, read-only, read-write");
    server("drain: 30", "3:10", "such as 30s");
    server("drain: 30h", "3:10", "up to 24h");
}

#[test]
fn everybody_may_not_write_from_everywhere() {
    let text = format!("version: 1\nserver:\n  listen: 0.0.0.0:80\n  anonymous: read-write\n{LOCAL}");
    only(&text, "2:1", "let everybody");
    let with_user = text.replace("mounts", "users: [{name: a, password: b}]\nmounts");
    assert!(Config::parse(&with_user, "m", Path::new("/"), |_| None).is_ok());
}

#[test]
fn a_header_that_names_the_user_needs_a_trusted_proxy() {
    let server = |keys: &str, at, part| only(&format!("version: 1\nserver: {{{keys}}}\n{LOCAL}"), at, part);
    server("anonymous: read-only, identity_header: X-Remote-User", "2:32", "trusted_proxies");
    let taken = "anonymous: read-only, identity_header: Authorization, trusted_proxies: 10.0.0.1";
    server(taken, "2:49", "such as X-Remote-User");
    for everybody in ["0.0.0.0/0", "\"::/0\""] {
        let keys =
            format!("anonymous: read-only, identity_header: X-Remote-User, trusted_proxies: [10.0.0.1, {everybody}]");
        server(&keys, "2:32", "anybody be any user");
    }
}

#[test]
fn wrong_users() {
    user("{name: a}", "3:5", "a user needs a password");
    user("{password: p}", "3:5", "a user has no `name`");
    user("{name: \"a:b\", password: p}", "3:12", "a colon");
    let token = |keys: &str, at, part| user(&format!("{{name: a, tokens: [{{{keys}}}]}}"), at, part);
    token("name: t", "3:24", "davmux hash-password --token");
    token("name: t, hash: \"davmux_abc\"", "3:40", "not the hash of a token");
    token(&format!("name: t, hash: \"sha256:{}\", expires: soon", "0a".repeat(32)), "3:124", "a day such as");
    token(&format!("hash: \"sha256:{}\"", "0a".repeat(32)), "3:24", "has no `name`");
    user("{name: a, password: }", "3:15", "`password` has no value");
    user("{name: a, password: \"\"}", "3:15", "`password` has no value");
    user("{name: a, password: p, password_hash: \"$argon2id$v=19$m=1,t=1,p=1$c2FsdA$aGFzaA\"}", "3:5", "keep one");
    user("{name: a, password_hash: $2y$10$abcdef}", "3:30", "davmux hash-password");
    user("{name: a, password: p, password_file: f}", "3:28", "say the same");
    user("{name: a, password: p, access: all}", "3:36", "one of none, read-only, read-write");
    user("{name: a, password: p, root: ../x}", "3:34", "must begin with /");
    user("{name: a, password: p}\n  - {name: a, password: q}", "4:12", "is there already in line 3");
    let text = "version: 1\nusers: [{name: a, password: p, root: /nowhere}]\nmounts: [{path: /x, driver: local, root_folder_path: .}]\n";
    only(text, "2:16", "lies in no mount");
}

#[test]
fn wrong_groups_and_rights() {
    let group =
        |group: &str, at: &str, part: &str| only(&format!("version: 1\ngroups:\n  - {group}\n{LOCAL}"), at, part);
    group("{access: none}", "3:5", "a group has no `name`");
    group("{name: a, access: all}", "3:23", "one of none, read-only, read-write");
    group("{name: a}\n  - {name: a}", "4:12", "is there already in line 3");
    group("{name: a, rights: [{path: /x}]}", "3:24", "a right has no `access`");
    group("{name: a, rights: [{access: none}]}", "3:24", "a right has no `path`");
    group("{name: a, rights: [{path: x, access: none}]}", "3:31", "must begin with /");
    group("{name: a, rights: [{path: /, access: none}]}", "3:31", "is said by `access`");
    group(
        "{name: a, rights: [{path: /x, access: none}, {path: /x/, access: read-only}]}",
        "3:57",
        "said already in line 3",
    );
    group("{name: a, rights: /x}", "3:23", "rights needs a list");
    user("{name: a, password: p, groups: [b]}", "3:37", "there is no group \"b\"; there are no groups");
    server("anonymous_groups: b", "3:21", "there is no group \"b\"");
    let text = "version: 1\ngroups: [{name: a, rights: [{path: /y, access: none}]}]\nmounts: [{path: /x, driver: local, root_folder_path: .}]\n";
    only(text, "2:36", "/y lies in no mount and holds none");
}

#[test]
fn wrong_rules() {
    let rule =
        |rule: &str, at: &str, part: &str| only(&format!("version: 1\nredirect_rules:\n  - {rule}\n{LOCAL}"), at, part);
    rule("{user_agent: \"(\", read: relay}", "3:18", "not a regular expression: unclosed group");
    rule("{user_agent: a, read: proxy}", "3:27", "one of redirect, relay");
    rule("{user_agent: a}", "3:5", "has no `read`");
    rule("{read: relay}", "3:5", "has no `user_agent`");
}

#[test]
fn wrong_mounts() {
    let mount = |mount: &str, at: &str, part: &str| only(&format!("version: 1\nmounts:\n  - {mount}\n"), at, part);
    mount("{path: /a}", "3:5", "has no `driver`, and needs one: local or s3 or upyun");
    mount("{path: /a, driver: ftp}", "3:24", "is not one of local, s3, upyun");
    mount("{path: /a, driver: locla}", "3:24", "; did you mean `local`?");
    mount("{path: /a, driver: S3}", "3:24", "; did you mean `s3`?");
    mount("{path: /a, drvier: local}", "3:5", "`drvier` in line 3 is an unknown key");
    mount("{driver: local, root_folder_path: .}", "3:5", "has no `path`");
    mount("{path: /a//b, driver: local, root_folder_path: .}", "3:12", "two slashes");
    mount("{path: \"/a\\tb\", driver: local, root_folder_path: .}", "3:12", "control characters");
    mount("{path: /a, driver: local, root_folder_path: \"\"}", "3:31", "`root_folder_path` has no value");
    mount("{path: /a, driver: local, root_folder_path: ., bucket: b}", "3:52", "unknown key `bucket`");
    mount("{path: /a, driver: s3}", "3:5", "has no `bucket`");
}

#[test]
fn wrong_buckets() {
    s3("endpoint: ftp://host", "6:15", "such as https://s3.example.com");
    s3("endpoint: https://", "6:15", "such as https://s3.example.com");
    s3("endpoint: https://key:hunter2@host", "6:15", "endpoint: this is not");
    s3("custom_host: a b", "6:18", "such as cdn.example.com");
    s3("root_folder_path: /a/../b", "6:23", "no `.`, `..`");
    s3("placeholder: a/b", "6:18", "without slashes");
    s3("placeholder: [a, \"\"]", "6:22", "is empty");
    s3("placeholder: [a, a]", "6:22", "twice");
    s3("sign_url_expire: 8d", "6:22", "from 1s to 7d");
    s3("sign_url_expire: 0", "6:22", "from 1s to 7d");
    s3("list_cache: 60", "6:17", "such as 60s, or 0");
    s3("access_key_id: a", "6:20", "nothing without `secret_access_key`");
    s3("secret_access_key: a", "6:24", "nothing without `access_key_id`");
    s3("session_token: a", "6:20", "nothing without");
    s3("secret_access_key_file: none\n    access_key_id: a", "6:29", "cannot be read");
    s3("read: sometimes", "6:11", "one of auto, redirect, relay");
    s3("read: relay\n    webdav_policy: native_proxy", "7:5", "set already in line 6 as `read`");
    s3("webdav_policy: direct", "6:20", "302_redirect, native_proxy or use_proxy_url");
}

#[test]
fn wrong_providers_and_what_they_cannot_do() {
    s3("provider: amzon", "6:15", "did you mean `amazon`?");
    s3("provider: backblase", "6:15", "did you mean `b2`?");
    s3("provider: somebody", "6:15", "known are amazon, oss, cos");
    s3("provider: minio", "3:5", "needs an endpoint, such as http://127.0.0.1:9000");
    s3("provider: oss", "3:5", "needs the bucket's region, such as cn-hangzhou");
    s3("endpoint: s3.us-west-005.backblazeb2.com\n    region: us-west-001", "7:13", "write `region: us-west-005`");
    s3("endpoint: s3.eu-west-3.amazonaws.com/movies", "6:15", "write `endpoint: s3.eu-west-3.amazonaws.com`");
    s3("access_key_id: id\n    secret_access_key: \" secret\"", "7:24", "a space or a line end around it");
    let keys = "provider: r2\n    endpoint: account.r2.cloudflarestorage.com\n    access_key_id: 0123456789abcdef0123456789abcdef";
    s3(
        &format!("{keys}\n    secret_access_key: Vc6hLo3_Xb-9aTq8Zk2Rm4Ws7Yd1Fg5Jn0Pp6Eu3"),
        "9:24",
        "this is an API token",
    );
    s3(&format!("{keys}\n    secret_access_key_file: none"), "9:29", "cannot be read");
    s3(
        "provider: upyun\n    access_key_id: a\n    secret_access_key: b\n    session_token: c",
        "9:20",
        "takes no session tokens",
    );
    // What cannot be read is told once.
    s3("provider: minio\n    endpoint: ftp://host", "7:15", "such as https://s3.example.com");
    s3("bulk_delete: true", "6:18", "from 1 to 1000, or false");
    s3("list_object_version: v3", "6:26", "one of v1, v2");
    s3("max_parts: 0", "6:16", "from 1 to 10000");
    s3("copy_max: 1MiB", "6:15", "5MiB or more");
    s3("junk: hide", "6:11", "one of keep, refuse");
    s3("quota_available: much", "6:22", "a size such as 1TiB");
    s3("bandwidth: {down: 1}", "6:23", "1KiB or more");
    s3("bandwidth: 10MiB", "6:16", "bandwidth needs keys");
    server("limits: {relays: 0}", "3:20", "from 1 to 1000000");
    server("limits: {body_size: 0}", "3:23", "such as 50GiB");
    server("limits: {header_timeout: 0}", "3:28", "up to 24h");
    server("limits: {relais: 1}", "3:12", "relays");
}

#[test]
fn a_certificate_that_cannot_be_served_is_a_mistake_of_its_file() {
    server("tls: {cert_file: a}", "3:8", "tls has no `key_file`");
    server("tls: {cert_file: /nonexistent/c.pem, key_file: k}", "3:20", "cert_file: /nonexistent/c.pem cannot be read");
    server("tls: true", "3:8", "tls needs keys");
    server("socket_mode: 0888", "3:16", "octal digits");
    server("socket_mode: rw", "3:16", "octal digits");
    server("listen: [systemd, systemd]", "3:21", "stands there twice");
}

#[test]
fn a_download_proxy_needs_a_url_and_a_secret_that_nobody_guesses() {
    let good = "0123456789abcdef0123456789abcdef";
    s3("read: proxy_url", "6:5", "needs `proxy_url`, such as https://dl.example.com");
    s3("webdav_policy: use_proxy_url", "6:5", "needs `proxy_url`, such as https://dl.example.com");
    s3("read: proxy", "6:11", "one of auto, redirect, relay, proxy_url");
    s3("proxy_url: dl.example.com", "6:16", "is not an http or https URL such as https://dl.example.com");
    s3("read: proxy_url\n    proxy_url: https://dl.example.com", "3:5", "needs `proxy_token` in `server`");
    let password = mistakes(
        "version: 1\nmounts: [{path: /b, driver: s3, bucket: b, read: proxy_url, proxy_url: \"https://u:hunter2@h\"}]",
    );
    assert!(!format!("{password:?}").contains("hunter2"), "{password:?}");
    server("proxy_token: short", "3:3", "proxy_token: it has fewer than 32 characters");
    server(&format!("proxy_token: [{good}, {good}, {good}]"), "3:3", "more than two");
    server(&format!("proxy_token: {good} {good}"), "3:3", "no header carries");
    server(&format!("proxy_sign_key: {good}"), "3:3", "nothing without `proxy_token`");
    server(&format!("proxy_token: {good}\n  proxy_sign_key: short"), "4:3", "proxy_sign_key: it has fewer than 32");
    server(&format!("proxy_token: {good}\n  proxy_token_file: t"), "4:3", "say the same; keep one");
    server("proxy_token_file: none", "3:21", "cannot be read");
}

#[test]
fn a_message_never_holds_what_a_variable_or_a_secret_holds() {
    let text = "version: ${LEAK}\nserver:\n  listen: ${LEAK}\n  drain: ${LEAK}\n  anonymous: ${LEAK}\nusers:\n  - name: a\n    \
                password_hash: hunter2\n  - name: b\n    password: [hunter2]\nmounts:\n  - path: ${LEAK}\n    driver: s3\n    \
                bucket: \"${LEAK} \"\n    secret_access_key: hunter2\n    secret_acess_key: hunter2\n    placeholder: ${LEAK}/\n    \
                custom_host: \"${LEAK}@x\"\n";
    let all = mistakes(text);
    assert!(all.len() >= 11, "{}", all.join("\n"));
    for mistake in all {
        assert!(!mistake.contains("hunter2"), "{mistake}");
    }
}

#[test]
fn a_password_that_yaml_takes_for_something_else_is_not_repeated() {
    for value in [
        "a,hunter2",
        "!hunter2",
        "*hunter2",
        "&hunter2",
        "@hunter2",
        "%hunter2",
        "`hunter2",
        "x: hunter2",
        "[hunter2",
        "{hunter2",
        "{hunter2: hunter2}",
        "[hunter2]",
        "\"hunter2",
        "'hunter2",
        "|hunter2",
        ">hunter2",
        "\"\\hunter2\"",
        "hunter2: {",
    ] {
        for text in [
            format!("version: 1\nusers:\n  - {{name: a, password: {value}}}\n{LOCAL}"),
            format!("version: 1\nusers:\n  - name: a\n    password: {value}\n{LOCAL}"),
        ] {
            if let Err(mistakes) = Config::parse(&text, "m.yaml", Path::new("/"), |_| None) {
                assert!(!mistakes.to_string().contains("hunter2"), "{text}\n{mistakes}");
            }
        }
    }
}

#[test]
fn how_objects_are_kept_and_sent() {
    s3("storage_class: standard_ia", "6:20", "is written STANDARD_IA");
    s3("encryption: aes", "6:17", "not one of none, s3, kms, customer");
    s3("kms_key_id: k", "6:17", "nothing without `encryption: kms`");
    s3("customer_key: x", "6:19", "nothing without `encryption: customer`");
    s3("encryption: customer", "3:5", "no `customer_key`");
    s3("part_size: 1MiB", "6:16", "5MiB to 5GiB");
    s3("upload_parallelism: 0", "6:25", "1 to 64");
    s3("add_filename_to_disposition: maybe", "6:34", "true or false");
    let short = mistakes(
        "version: 1\nmounts:\n  - path: /b\n    driver: s3\n    bucket: b\n    encryption: customer\n    customer_key: hunter2hunter2\n",
    );
    assert!(short.len() == 1 && short[0].contains("32 bytes") && !short[0].contains("hunter2"), "{short:?}");
    let key = "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=";
    s3(
        &format!("encryption: customer\n    customer_key: {key}\n    custom_host: h\n    relay_from: custom_host"),
        "9:5",
        "only the endpoint may see",
    );
}

#[test]
fn keys_that_exclude_each_other_or_are_needed() {
    s3("access_key_id: id\n    secret_access_key: secret\n    profile: films", "8:5", "leave one of them out");
    s3("provider: dogecloud", "3:5", "no `access_key_id`");
    s3(
        "provider: dogecloud\n    access_key_id: id\n    secret_access_key: secret\n    session_token: token",
        "9:5",
        "alone",
    );
}
