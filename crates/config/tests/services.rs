//! Mounts with drivers that only some builds have.
#![allow(clippy::unwrap_used, clippy::expect_used, missing_docs)]

use std::path::Path;

use davmux_config::Config;

/// The mistakes of a file with one such mount.
fn mistakes(mount: &str) -> Vec<String> {
    let text = format!("version: 1\nmounts:\n  - {{path: /a, {mount}}}\n");
    match Config::parse(&text, "m.yaml", Path::new("/"), |_| None) {
        Ok(_) => Vec::new(),
        Err(mistakes) => mistakes.iter().map(ToString::to_string).collect(),
    }
}

#[test]
fn a_driver_that_this_build_has_not_got_is_refused_with_how_to_get_it() {
    for (word, is_there) in [
        ("sftp", cfg!(feature = "sftp")),
        ("azblob", cfg!(feature = "azblob")),
        ("gcs", cfg!(feature = "gcs")),
        ("webdav", cfg!(feature = "webdav")),
    ] {
        let told = mistakes(&format!("driver: {word}"));
        let refused = format!(
            "m.yaml:3:24: driver: {word:?} is not in this build; `cargo build --release --features {word}` makes one that has it"
        );
        assert_eq!(told == [refused], !is_there, "{told:?}");
        assert_eq!(
            mistakes("driver: ftp")[0].contains(word),
            is_there,
            "an unknown driver is told those of this build"
        );
    }
}

/// The commented mounts of the example, with their comments taken away.
#[test]
fn the_example_of_each_driver_of_this_build_is_read() {
    let example = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../mounts.example.yaml");
    let example = std::fs::read_to_string(example).unwrap();
    let (_, mounts) = example.split_once("# Drivers that only some builds have").unwrap();
    let lines: Vec<_> = mounts.lines().skip(1).filter_map(|line| line.strip_prefix('#')).collect();
    let text = format!("version: 1\nmounts:\n{}\n", lines.join("\n"));
    let told = Config::parse(&text, "m.yaml", Path::new("/"), |_| Some("c2VjcmV0".to_owned()));
    let missing = ["sftp", "azblob", "gcs", "webdav"].len() - built().len();
    match told {
        Ok(config) => assert_eq!((config.mounts.len(), missing), (4, 0)),
        Err(mistakes) => {
            let told: Vec<_> = mistakes.iter().map(ToString::to_string).collect();
            assert!(told.len() == missing && told.iter().all(|told| told.contains("not in this build")), "{told:?}");
        }
    }
}

/// The words of this build.
fn built() -> Vec<&'static str> {
    [
        ("sftp", cfg!(feature = "sftp")),
        ("azblob", cfg!(feature = "azblob")),
        ("gcs", cfg!(feature = "gcs")),
        ("webdav", cfg!(feature = "webdav")),
    ]
    .into_iter()
    .filter_map(|(word, is_there)| is_there.then_some(word))
    .collect()
}

#[cfg(any(feature = "azblob", feature = "gcs", feature = "sftp", feature = "webdav"))]
mod built {
    use std::path::Path;
    use std::time::Duration;

    use davmux_config::{Config, Service, Storage};
    use davmux_driver_opendal::OpendalOptions;
    use davmux_tree::MountOptions;

    fn config(mount: &str) -> Config {
        let text = format!("version: 1\nserver: {{anonymous: read-only}}\nmounts:\n  - {{path: /a, {mount}}}\n");
        Config::parse(&text, "m.yaml", Path::new("/etc/davmux"), |_| None).unwrap_or_else(|wrong| panic!("{wrong}"))
    }

    fn service(mount: &str) -> (Service, MountOptions) {
        let mount = config(mount).mounts.into_iter().next().unwrap();
        match mount.storage {
            Storage::Opendal(service) => (*service, mount.options),
            other => panic!("{other:?}"),
        }
    }

    /// The mistake of one mount, at its column.
    fn wrong(mount: &str, part: &str) {
        let told = super::mistakes(mount);
        assert!(told.len() == 1 && told[0].contains(part), "{told:?}");
    }

    /// Made into a driver of this name, for the tree and for an administrator, without asking its storage.
    async fn is_made(mount: &str, name: &str) {
        let config = config(mount);
        let built = config.build().await.unwrap();
        assert_eq!(built.tree.mounts().map(|mount| mount.driver().name()).collect::<Vec<_>>(), [name]);
        assert_eq!(config.administered(&config.mounts[0].path).await.unwrap().name(), name);
        assert!(!format!("{config:?}").contains("c2VjcmV0"), "a secret is shown");
    }

    #[cfg(feature = "sftp")]
    #[tokio::test]
    async fn sftp() {
        const LEAST: &str = "driver: sftp, endpoint: nas, root_folder_path: /srv/films/";
        is_made(LEAST, "sftp").await;
        let (service, mount) = service(LEAST);
        let OpendalOptions::Sftp(options) = service.options else { panic!() };
        assert!(options.user.is_none() && options.key_file.is_none() && !options.add_unknown_host);
        assert_eq!((options.endpoint.as_str(), options.root_folder_path.as_str()), ("nas", "srv/films"));
        assert!(service.placeholder.is_empty() && mount.list_cache == Duration::from_secs(60));
        let (service, mount) = self::service(&format!(
            "{LEAST}, user: me, key_file: nas.key, known_hosts: add, list_cache: 0, read_only: true"
        ));
        let OpendalOptions::Sftp(options) = service.options else { panic!() };
        assert_eq!(options.key_file.as_deref(), Some(Path::new("/etc/davmux/nas.key")));
        assert!(options.add_unknown_host && options.user.as_deref() == Some("me"));
        assert!(mount.read_only && mount.list_cache.is_zero());
        wrong("driver: sftp, endpoint: nas", "has no `root_folder_path`");
        wrong("driver: sftp, root_folder_path: /", "has no `endpoint`");
        wrong("driver: sftp, root_folder_path: /a, endpoint: -oProxyCommand=x", "is not a host such as");
        wrong("driver: sftp, root_folder_path: /a, endpoint: \"ssh://-x\"", "is not a host such as");
        wrong("driver: sftp, root_folder_path: /a, endpoint: \"https://nas\"", "is not a host such as");
        wrong("driver: sftp, root_folder_path: /a/../b, endpoint: nas", "no `.`, `..`");
        wrong(&format!("{LEAST}, known_hosts: accept"), "one of strict, add");
        wrong(&format!("{LEAST}, placeholder: x"), "unknown key `placeholder`");
    }

    #[cfg(feature = "azblob")]
    #[tokio::test]
    async fn azblob() {
        const LEAST: &str = "driver: azblob, container: films, account_name: me, account_key: c2VjcmV0";
        is_made(LEAST, "azblob").await;
        let (service, _) = service(LEAST);
        let OpendalOptions::Azblob(options) = service.options else { panic!() };
        assert_eq!(options.endpoint, "https://me.blob.core.windows.net");
        assert_eq!(options.account_key, davmux_driver_opendal::Secret::new("c2VjcmV0"));
        assert_eq!(service.placeholder, [".placeholder"]);
        let (service, _) = self::service(&format!("{LEAST}, placeholder: \"\", endpoint: \"http://127.0.0.1:1/me/\""));
        let OpendalOptions::Azblob(options) = service.options else { panic!() };
        assert_eq!((options.endpoint.as_str(), service.placeholder.len()), ("http://127.0.0.1:1/me", 0));
        wrong("driver: azblob, container: a, account_name: b", "has no `account_key`");
        wrong("driver: azblob, container: a, account_name: b, account_key: c, account_key_file: d", "say the same");
        wrong("driver: azblob, container: a, account_key: c", "has no `account_name`");
        wrong(&format!("{LEAST}, endpoint: me.example.com"), "is not an http or https URL");
        let unreadable =
            config("driver: azblob, container: a, account_name: b, account_key: \"no base64\"").build().await;
        let told = chain(&unreadable.unwrap_err());
        assert!(told.contains("account_key") && !told.contains("no base64"), "{told}");
    }

    #[cfg(feature = "azblob")]
    fn chain(error: &dyn std::error::Error) -> String {
        std::iter::successors(Some(error), |error| error.source())
            .map(ToString::to_string)
            .collect::<Vec<_>>()
            .join(": ")
    }

    #[cfg(feature = "gcs")]
    #[tokio::test]
    async fn gcs() {
        const LEAST: &str = "driver: gcs, bucket: films";
        is_made(LEAST, "gcs").await;
        let (service, _) = service(&format!("{LEAST}, credential_file: google.json, root_folder_path: a/"));
        let OpendalOptions::Gcs(options) = service.options else { panic!() };
        assert_eq!(options.credential_file.as_deref(), Some(Path::new("/etc/davmux/google.json")));
        assert!(options.endpoint.is_none() && options.root_folder_path == "a" && !options.anonymous);
        assert_eq!(service.placeholder, [".placeholder"]);
        wrong("driver: gcs", "has no `bucket`");
        wrong(&format!("{LEAST}, endpoint: storage.googleapis.com"), "is not an http or https URL");
    }

    #[cfg(feature = "webdav")]
    #[tokio::test]
    async fn webdav() {
        const LEAST: &str = "driver: webdav, endpoint: \"https://dav.example.com/files/\"";
        is_made(LEAST, "webdav").await;
        let (service, _) = service(&format!("{LEAST}, user: me, password: c2VjcmV0"));
        assert!(service.placeholder.is_empty());
        let OpendalOptions::Webdav(options) = service.options else { panic!() };
        assert_eq!(options.endpoint, "https://dav.example.com/files");
        assert_eq!(options.username.as_deref(), Some("me"));
        assert_eq!(options.password, Some(davmux_driver_opendal::Secret::new("c2VjcmV0")));
        wrong("driver: webdav", "has no `endpoint`");
        wrong(&format!("{LEAST}, password: a"), "nothing without `user`");
        wrong("driver: webdav, endpoint: \"dav.example.com\"", "is not an http or https URL");
        wrong("driver: webdav, endpoint: \"https://me:secret@dav.example.com\"", "this is not an http or https URL");
    }
}
