//! What is allowed and yet should be known.
#![allow(clippy::unwrap_used, clippy::expect_used, missing_docs)]

use std::path::Path;

use davmux_config::Config;

const MOUNTS: &str = "mounts: [{path: /, driver: local, root_folder_path: .}]\n";

fn warnings(head: &str) -> Vec<String> {
    let text = format!("version: 1\n{head}{MOUNTS}");
    let config =
        Config::parse(&text, "m.yaml", Path::new("/"), |_| None).unwrap_or_else(|mistakes| panic!("{mistakes}"));
    config.warnings().iter().map(ToString::to_string).collect()
}

#[test]
fn a_quiet_file_has_none() {
    assert_eq!(warnings("server: {anonymous: read-only, state_dir: s}\n"), Vec::<String>::new());
}

#[test]
fn facts_that_a_restart_forgets() {
    let all = warnings("server: {anonymous: read-only}\n");
    assert!(all.len() == 1 && all[0].starts_with("m.yaml:2:1: ") && all[0].contains("memory"), "{all:?}");
}

#[test]
fn a_server_that_lets_nobody_in() {
    let all = warnings("server: {state_dir: s}\n");
    assert!(all.len() == 1 && all[0].contains("every request will be refused"), "{all:?}");
}

#[test]
fn passwords_in_clear_on_the_network_unless_a_proxy_is_named() {
    let users = "users: [{name: a, password: b}]\n";
    let about = |server: &str| {
        let all = warnings(&format!("server: {{state_dir: s, {server}}}\n{users}"));
        all.iter().any(|text| text.contains("in clear"))
    };
    assert!(about("listen: 0.0.0.0:80"));
    assert!(!about("listen: 127.0.0.1:80"));
    assert!(!about("listen: 0.0.0.0:80, trusted_proxies: [10.0.0.0/8]"));
}

#[cfg(unix)]
#[test]
fn secrets_that_every_user_of_the_machine_may_read() {
    use std::os::unix::fs::PermissionsExt;
    let dir = tempfile::tempdir().unwrap();
    let (path, secret) = (dir.path().join("m.yaml"), dir.path().join("secret"));
    let told = |user: &str, mode: u32, secret_mode: u32| {
        std::fs::write(&secret, "x").unwrap();
        std::fs::write(&path, format!("version: 1\nserver: {{state_dir: s}}\nusers: [{{name: a, {user}}}]\n{MOUNTS}"))
            .unwrap();
        for (file, mode) in [(&path, mode), (&secret, secret_mode)] {
            std::fs::set_permissions(file, std::fs::Permissions::from_mode(mode)).unwrap();
        }
        let config = Config::load(&path).unwrap();
        config.warnings().iter().filter(|warning| warning.message.contains("chmod 600")).count()
    };
    assert_eq!(told("password: p", 0o644, 0o600), 1);
    assert_eq!(told("password: p", 0o600, 0o600), 0);
    assert_eq!(told("password: \"${NONE_SUCH:-p}\"", 0o644, 0o600), 0, "not in clear");
    assert_eq!(told("password_file: secret", 0o644, 0o600), 0);
    assert_eq!(told("password_file: secret", 0o644, 0o644), 1);
}

#[test]
fn what_is_odd_about_a_bucket() {
    let told = |lines: &str| {
        let text = format!(
            "version: 1\nserver: {{anonymous: read-only, state_dir: s}}\nmounts:\n  - path: /\n    driver: s3\n    bucket: b\n{lines}"
        );
        let config =
            Config::parse(&text, "m.yaml", Path::new("/"), |_| None).unwrap_or_else(|mistakes| panic!("{mistakes}"));
        config.warnings().iter().map(ToString::to_string).collect::<Vec<_>>()
    };
    let one = |lines: &str, at: &str, part: &str| {
        let all = told(lines);
        assert!(all.len() == 1 && all[0].starts_with(&format!("m.yaml:{at}: ")) && all[0].contains(part), "{all:?}");
    };
    one("    endpoint: http://10.0.0.1:9001/\n", "7:15", "MinIO's console");
    one("    endpoint: a.r2.cloudflarestorage.com\n    region: APAC\n", "8:13", "only `auto`");
    one(
        "    endpoint: a.r2.cloudflarestorage.com\n    custom_host: c.example.com\n    custom_host_presign: true\n",
        "9:26",
        "signed links only at its S3 endpoint",
    );
    one(
        "    region: eu-west-3\n    access_key_id: a\n    secret_access_key: \"${X:-0123456789012345678901234567890123456789}\"\n",
        "8:20",
        "does not look like",
    );
    assert_eq!(told("    endpoint: http://10.0.0.1:9000\n"), Vec::<String>::new());
}

#[test]
fn a_file_that_is_not_there_is_named() {
    let error = Config::load(Path::new("/nonexistent/mounts.yaml")).unwrap_err().to_string();
    assert!(error.starts_with("/nonexistent/mounts.yaml: cannot be read"), "{error}");
}

#[test]
fn settings_of_a_custom_host_that_have_no_effect() {
    let all = |lines: &str| {
        let text = format!(
            "version: 1\nserver: {{anonymous: read-only, state_dir: s}}\nmounts: [{{path: /, driver: s3, provider: minio, endpoint: \"http://h\", bucket: b, {lines}}}]\n"
        );
        let config = Config::parse(&text, "m.yaml", Path::new("/"), |_| None).unwrap_or_else(|all| panic!("{all}"));
        config.warnings().iter().map(|warning| warning.message.clone()).collect::<Vec<_>>()
    };
    for key in ["custom_host_presign: true", "remove_bucket: true", "relay_from: custom_host"] {
        let found = all(key);
        assert!(found.len() == 1 && found[0].contains("does nothing without `custom_host`"), "{key}: {found:?}");
        assert_eq!(all(&format!("{key}, custom_host: cdn.example.com")), Vec::<String>::new());
    }
    assert_eq!(all("sign_url_expire: 4h, custom_host: h").len(), 1);
    assert_eq!(all("sign_url_expire: 4h, custom_host: h, custom_host_presign: true").len(), 0);
}

#[test]
fn a_domain_of_downloads_where_upyuns_api_belongs_and_a_token_without_a_domain() {
    let about = |more: &str| {
        let text = format!(
            "version: 1\nserver: {{anonymous: read-only, state_dir: s}}\nmounts:\n  - {{path: /, driver: upyun, bucket: b, \
             operator: o, password: p, {more}}}\n"
        );
        let config =
            Config::parse(&text, "m.yaml", Path::new("/"), |_| None).unwrap_or_else(|mistakes| panic!("{mistakes}"));
        config.warnings().iter().map(ToString::to_string).collect::<Vec<_>>().join("\n")
    };
    assert!(about("endpoint: dl.example.com").contains("the domain of downloads is `custom_host`"));
    for api in ["v0.api.upyun.com", "https://v1.api.upyun.com/", "http://127.0.0.1:99"] {
        assert_eq!(about(&format!("endpoint: \"{api}\"")), "");
    }
    assert!(about("link_token: t").contains("nothing without `custom_host`"));
    assert_eq!(about("link_token: t, custom_host: dl.example.com"), "");
}

#[test]
fn rights_that_say_nothing() {
    let all = warnings(
        "server: {state_dir: s, anonymous_groups: [g]}\ngroups: [{name: g}]\nusers: [{name: a, password_hash: \
         \"$argon2id$v=19$m=1,t=1,p=1$c2FsdA$aGFzaA\", root: /in, rights: [{path: /out, access: none}]}]\n",
    );
    assert!(all.iter().any(|text| text.contains("outside of this user's root /in")), "{all:?}");
    assert!(all.iter().any(|text| text.contains("`anonymous_groups` says nothing")), "{all:?}");
    assert_eq!(all.len(), 2, "{all:?}");
}
