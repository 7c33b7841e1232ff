//! Mounts with `driver: upyun`.
#![allow(clippy::unwrap_used, clippy::expect_used, missing_docs)]

use std::path::Path;
use std::time::Duration;

use davmux_config::{Config, Storage};
use davmux_tree::ReadPolicy;

fn parse(text: &str) -> Config {
    Config::parse(text, "m.yaml", Path::new("/"), |_| None).unwrap_or_else(|mistakes| panic!("{mistakes}"))
}

fn upyun(more: &str) -> (davmux_driver_opendal::UpYunOptions, davmux_tree::MountOptions) {
    let config = parse(&format!("version: 1\nmounts:\n  - path: /u\n    driver: upyun\n    bucket: films\n{more}"));
    let mount = config.mounts.into_iter().next().unwrap();
    match mount.storage {
        Storage::UpYun(options) => (*options, mount.options),
        _ => panic!("not a service of UpYun"),
    }
}

#[test]
fn what_a_service_of_upyun_is_without_more_keys() {
    let (options, mount) = upyun("    operator: me\n    password: secret\n");
    assert_eq!((options.bucket.as_str(), options.operator.as_str()), ("films", "me"));
    assert!(options.endpoint.is_none() && options.custom_host.is_none() && options.link_token.is_none());
    assert!(options.root_folder_path.is_empty() && !options.named_links && !mount.read_only);
    assert_eq!((mount.list_cache, mount.link_life), (Duration::from_secs(60), Duration::from_secs(4 * 3600)));
}

#[test]
fn upyun_in_alists_words() {
    let (options, mount) = upyun(
        "    operator_name: me\n    operator_password: secret\n    anti_theft_chain_token: token\n    \
         custom_host: dl.example.com\n    sign_url_expire: 2\n    webdav_policy: native_proxy\n    \
         root_folder_path: /a/b/\n    link_disposition: attachment\n",
    );
    assert_eq!(options.operator, "me");
    assert_eq!(options.custom_host.as_deref(), Some("dl.example.com"));
    assert_eq!(options.link_token, Some(davmux_driver_opendal::Secret::new("token")));
    assert_eq!(options.password, davmux_driver_opendal::Secret::new("secret"));
    assert_eq!((options.root_folder_path.as_str(), options.named_links), ("a/b", true));
    assert_eq!((mount.link_life, mount.read), (Duration::from_secs(7200), ReadPolicy::Relay));
}

#[test]
fn what_is_wrong_is_told_where_it_stands() {
    let wrong = |more: &str, at: &str, part: &str| {
        let text = format!("version: 1\nmounts:\n  - path: /u\n    driver: upyun\n    bucket: b\n    {more}\n");
        let mistakes = Config::parse(&text, "m.yaml", Path::new("/"), |_| None).unwrap_err();
        let all: Vec<_> = mistakes.iter().map(ToString::to_string).collect();
        assert!(all.len() == 1 && all[0].starts_with(&format!("m.yaml:{at}: ")) && all[0].contains(part), "{all:?}");
    };
    wrong("operator: a", "3:5", "has no `password`");
    wrong("password: a", "3:5", "has no `operator`");
    wrong("operator: a\n    password: b\n    password_file: c", "8:5", "say the same");
    wrong("operator: a\n    password_file: none", "7:20", "cannot be read");
    wrong("operator: a\n    password: b\n    custom_host: a b", "8:18", "such as files.example.com");
    wrong("operator: a\n    password: b\n    link_disposition: inline", "8:23", "one of none, attachment");
    wrong("operator: a\n    password: b\n    root_folder_path: a//b", "8:23", "no `.`, `..`");
    wrong("operator: a\n    password: b\n    placeholder: x", "8:5", "unknown key `placeholder`");
}
