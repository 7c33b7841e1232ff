//! Every key of the file. What is not in these tables is refused, and a table's key that nobody reads fails the tests.

/// A key of a section.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Key {
    pub(crate) name: &'static str,
    pub(crate) standing: Standing,
}

/// What the walk makes of a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Standing {
    /// Read.
    Known,
    /// Read as the key of this name; another program calls it so.
    Alias(&'static str),
    /// Comes with a later version. Only the value that says what this version does anyway is taken.
    Later(&'static [&'static str]),
}

impl Key {
    const fn known(name: &'static str) -> Self {
        Self { name, standing: Standing::Known }
    }

    const fn alias(name: &'static str, of: &'static str) -> Self {
        Self { name, standing: Standing::Alias(of) }
    }

    const fn later(name: &'static str, harmless: &'static [&'static str]) -> Self {
        Self { name, standing: Standing::Later(harmless) }
    }
}

/// The top of the file.
pub(crate) const FILE: &[Key] = &[
    Key::known("version"),
    Key::known("server"),
    Key::known("users"),
    Key::known("redirect_rules"),
    Key::known("mounts"),
];

/// `server`.
pub(crate) const SERVER: &[Key] = &[
    Key::known("listen"),
    Key::known("base_path"),
    Key::known("http2"),
    Key::known("trusted_proxies"),
    Key::known("state_dir"),
    Key::known("upload_memory"),
    Key::known("anonymous"),
    Key::known("drain"),
    Key::known("admin_listen"),
    Key::later("tls", &[]),
];

/// One of `users`.
pub(crate) const USER: &[Key] = &[
    Key::known("name"),
    Key::known("password_hash"),
    Key::known("password_hash_file"),
    Key::known("password"),
    Key::known("password_file"),
    Key::known("root"),
    Key::known("access"),
];

/// One of `redirect_rules`.
pub(crate) const REDIRECT_RULE: &[Key] = &[Key::known("user_agent"), Key::known("read")];

/// A mount with `driver: local`.
pub(crate) const LOCAL: &[Key] = &[
    Key::known("path"),
    Key::known("driver"),
    Key::known("root_folder_path"),
    Key::known("read_only"),
    Key::known("junk"),
];

/// A mount with `driver: s3`.
pub(crate) const S3: &[Key] = &[
    Key::known("path"),
    Key::known("driver"),
    Key::known("provider"),
    Key::known("bucket"),
    Key::known("endpoint"),
    Key::known("region"),
    Key::known("access_key_id"),
    Key::known("access_key_id_file"),
    Key::known("secret_access_key"),
    Key::known("secret_access_key_file"),
    Key::known("session_token"),
    Key::known("session_token_file"),
    Key::known("profile"),
    Key::known("root_folder_path"),
    Key::known("force_path_style"),
    Key::known("list_object_version"),
    Key::known("list_url_encode"),
    Key::known("bulk_delete"),
    Key::known("copy_max"),
    Key::known("part_copy"),
    Key::known("max_parts"),
    Key::known("equal_parts"),
    Key::known("conditional_writes"),
    Key::known("conditional_deletes"),
    Key::known("placeholder"),
    Key::known("custom_host"),
    Key::known("custom_host_presign"),
    Key::alias("enable_custom_host_presign", "custom_host_presign"),
    Key::known("remove_bucket"),
    Key::known("relay_from"),
    Key::known("link_disposition"),
    Key::alias("add_filename_to_disposition", "link_disposition"),
    Key::known("storage_class"),
    Key::known("encryption"),
    Key::known("kms_key_id"),
    Key::known("customer_key"),
    Key::known("customer_key_file"),
    Key::known("acl"),
    Key::known("user_agent"),
    Key::known("part_size"),
    Key::known("upload_parallelism"),
    Key::known("sign_url_expire"),
    Key::known("read"),
    Key::alias("webdav_policy", "read"),
    Key::known("list_cache"),
    Key::known("read_only"),
    Key::later("proxy_url", &[""]),
    Key::known("junk"),
    Key::known("quota_available"),
];

/// A mount with `driver: upyun`.
pub(crate) const UPYUN: &[Key] = &[
    Key::known("path"),
    Key::known("driver"),
    Key::known("bucket"),
    Key::known("operator"),
    Key::alias("operator_name", "operator"),
    Key::known("password"),
    Key::alias("operator_password", "password"),
    Key::known("password_file"),
    Key::known("endpoint"),
    Key::known("custom_host"),
    Key::known("link_token"),
    Key::alias("anti_theft_chain_token", "link_token"),
    Key::known("link_token_file"),
    Key::known("link_disposition"),
    Key::known("root_folder_path"),
    Key::known("sign_url_expire"),
    Key::known("read"),
    Key::alias("webdav_policy", "read"),
    Key::known("list_cache"),
    Key::known("read_only"),
    Key::later("proxy_url", &[""]),
    Key::known("junk"),
    Key::known("quota_available"),
];

/// A mount with `driver: sftp`.
#[cfg(any(test, feature = "sftp"))]
pub(crate) const SFTP: &[Key] = &[
    Key::known("path"),
    Key::known("driver"),
    Key::known("endpoint"),
    Key::known("user"),
    Key::known("key_file"),
    Key::known("known_hosts"),
    Key::known("root_folder_path"),
    Key::known("list_cache"),
    Key::known("read_only"),
    Key::known("junk"),
    Key::known("quota_available"),
];

/// A mount with `driver: azblob`.
#[cfg(any(test, feature = "azblob"))]
pub(crate) const AZBLOB: &[Key] = &[
    Key::known("path"),
    Key::known("driver"),
    Key::known("container"),
    Key::known("account_name"),
    Key::known("account_key"),
    Key::known("account_key_file"),
    Key::known("endpoint"),
    Key::known("root_folder_path"),
    Key::known("placeholder"),
    Key::known("list_cache"),
    Key::known("read_only"),
    Key::known("junk"),
    Key::known("quota_available"),
];

/// A mount with `driver: gcs`.
#[cfg(any(test, feature = "gcs"))]
pub(crate) const GCS: &[Key] = &[
    Key::known("path"),
    Key::known("driver"),
    Key::known("bucket"),
    Key::known("credential_file"),
    Key::known("endpoint"),
    Key::known("root_folder_path"),
    Key::known("placeholder"),
    Key::known("list_cache"),
    Key::known("read_only"),
    Key::known("junk"),
    Key::known("quota_available"),
];

/// A mount with `driver: webdav`.
#[cfg(any(test, feature = "webdav"))]
pub(crate) const WEBDAV: &[Key] = &[
    Key::known("path"),
    Key::known("driver"),
    Key::known("endpoint"),
    Key::known("user"),
    Key::known("password"),
    Key::known("password_file"),
    Key::known("root_folder_path"),
    Key::known("list_cache"),
    Key::known("read_only"),
    Key::known("junk"),
    Key::known("quota_available"),
];

/// Every section with the heading that it has in `docs/config.md`.
#[cfg(test)]
pub(crate) const SECTIONS: &[(&str, &[Key])] = &[
    ("The file", FILE),
    ("server", SERVER),
    ("users", USER),
    ("redirect_rules", REDIRECT_RULE),
    ("mounts, driver local", LOCAL),
    ("mounts, driver s3", S3),
    ("mounts, driver upyun", UPYUN),
    ("mounts, driver sftp", SFTP),
    ("mounts, driver azblob", AZBLOB),
    ("mounts, driver gcs", GCS),
    ("mounts, driver webdav", WEBDAV),
];

#[cfg(test)]
mod tests {
    use super::*;

    fn repository(file: &str) -> String {
        let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").join(file);
        std::fs::read_to_string(path).unwrap()
    }

    /// The keys of the tables in docs/config.md below a heading.
    fn documented<'a>(page: &'a str, heading: &str) -> Vec<&'a str> {
        let (_, rest) = page.split_once(&format!("\n## {heading}\n")).unwrap_or_else(|| panic!("no heading {heading}"));
        let section = rest.split("\n## ").next().unwrap();
        section.lines().filter_map(|line| line.strip_prefix("| `")?.split('`').next()).collect()
    }

    #[test]
    fn every_key_is_a_row_of_its_section_in_the_documentation_and_no_row_is_left_over() {
        let page = repository("docs/config.md");
        for (heading, keys) in SECTIONS {
            let mut rows = documented(&page, heading);
            let mut names: Vec<_> = keys.iter().map(|key| key.name).collect();
            rows.sort_unstable();
            names.sort_unstable();
            assert_eq!(rows, names, "## {heading}");
        }
    }

    #[test]
    fn every_key_of_this_version_stands_in_the_example_if_only_in_a_comment() {
        let example = repository("mounts.example.yaml");
        let shown: Vec<&str> = example
            .lines()
            .flat_map(|line| line.split(['{', ',']))
            .filter_map(|part| part.trim_start_matches(['#', '-', ' ']).split_once(':').map(|(key, _)| key))
            .collect();
        for (heading, keys) in SECTIONS {
            for key in keys.iter().filter(|key| key.standing == Standing::Known) {
                assert!(shown.contains(&key.name), "{} of {heading} is not in the example", key.name);
            }
        }
    }
}
