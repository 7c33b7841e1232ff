//! Every key of the file, and what its value is. What is not in these tables is refused, and a table's key that nobody reads
//! fails the tests. The parser, the JSON Schema (`schema.rs`) and the tests of docs/config.md all read them.

/// A key of a section.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Key {
    pub(crate) name: &'static str,
    pub(crate) standing: Standing,
    pub(crate) kind: Kind,
    /// The section is wrong without it.
    pub(crate) required: bool,
}

/// What the walk makes of a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Standing {
    /// Read.
    Known,
    /// Read as the key of this name; another program calls it so.
    Alias(&'static str),
}

/// What a value is, as far as it shows without the rest of the file. Where a key names none: a text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// A text; a number or a flag is taken as it is written.
    Text,
    /// What the key is of which this one is an alias.
    AsTarget,
    /// `true` or `false`.
    Flag,
    /// One of these words.
    Choice(&'static [&'static str]),
    /// A row of the provider table.
    Provider,
    /// A whole number from the first to the second.
    Number(u32, u32),
    /// The same, or `false`.
    NumberOrFalse(u32, u32),
    /// Bytes.
    Size,
    /// A length of time with its unit; `0` needs none.
    Duration,
    /// A length of time; a bare number is hours.
    DurationOrHours,
    /// A text, or a list of them.
    Texts,
    /// The section of this name.
    Section(&'static str),
    /// A list of sections of this name.
    Sections(&'static str),
    /// A list of mounts, whose keys go by their `driver`.
    Mounts,
}

impl Key {
    const fn known(name: &'static str) -> Self {
        Self { name, standing: Standing::Known, kind: Kind::Text, required: false }
    }

    const fn alias(name: &'static str, of: &'static str) -> Self {
        Self { name, standing: Standing::Alias(of), kind: Kind::AsTarget, required: false }
    }

    const fn is(self, kind: Kind) -> Self {
        Self { kind, ..self }
    }

    const fn required(self) -> Self {
        Self { required: true, ..self }
    }
}

/// The key of this name.
pub(crate) fn find(keys: &[Key], name: &str) -> Option<Key> {
    keys.iter().find(|key| key.name == name).copied()
}

/// The top of the file.
pub(crate) const FILE: &[Key] = &[
    Key::known("version").is(Kind::Number(1, 1)).required(),
    Key::known("server").is(Kind::Section("server")),
    Key::known("users").is(Kind::Sections("users")),
    Key::known("groups").is(Kind::Sections("groups")),
    Key::known("redirect_rules").is(Kind::Sections("redirect_rules")),
    Key::known("mounts").is(Kind::Mounts).required(),
];

/// `server`.
pub(crate) const SERVER: &[Key] = &[
    Key::known("listen").is(Kind::Texts),
    Key::known("base_path"),
    Key::known("http2").is(Kind::Flag),
    Key::known("trusted_proxies").is(Kind::Texts),
    Key::known("identity_header"),
    Key::known("state_dir"),
    Key::known("upload_memory").is(Kind::Size),
    Key::known("anonymous").is(Kind::Choice(&["none", "read-only", "read-write"])),
    Key::known("anonymous_groups").is(Kind::Texts),
    Key::known("drain").is(Kind::Duration),
    Key::known("limits").is(Kind::Section("limits")),
    Key::known("admin_listen"),
    Key::known("tls").is(Kind::Section("tls")),
    Key::known("socket_mode"),
    Key::known("proxy_token").is(Kind::Texts),
    Key::known("proxy_token_file").is(Kind::Texts),
    Key::known("proxy_sign_key").is(Kind::Texts),
    Key::known("proxy_sign_key_file").is(Kind::Texts),
];

/// `limits` of `server`.
pub(crate) const LIMITS: &[Key] = &[
    Key::known("connections").is(Kind::Number(1, MOST)),
    Key::known("connections_per_address").is(Kind::Number(1, MOST)),
    Key::known("requests_per_user").is(Kind::Number(1, MOST)),
    Key::known("header_timeout").is(Kind::Duration),
    Key::known("idle_timeout").is(Kind::Duration),
    Key::known("body_size").is(Kind::Size),
    Key::known("body_timeout").is(Kind::Duration),
    Key::known("send_timeout").is(Kind::Duration),
    Key::known("relays").is(Kind::Number(1, MOST)),
    Key::known("relay_timeout").is(Kind::Duration),
];

/// More of anything at once is a mistake.
pub(crate) const MOST: u32 = 1_000_000;

/// `bandwidth` of a mount.
pub(crate) const BANDWIDTH: &[Key] = &[Key::known("down").is(Kind::Size), Key::known("up").is(Kind::Size)];

/// `tls` of `server`.
pub(crate) const TLS: &[Key] = &[Key::known("cert_file").required(), Key::known("key_file").required()];

/// One of `users`.
pub(crate) const USER: &[Key] = &[
    Key::known("name").required(),
    Key::known("password_hash"),
    Key::known("password_hash_file"),
    Key::known("password"),
    Key::known("password_file"),
    Key::known("tokens").is(Kind::Sections("tokens")),
    Key::known("root"),
    Key::known("access").is(Kind::Choice(&["none", "read-only", "read-write"])),
    Key::known("groups").is(Kind::Texts),
    Key::known("rights").is(Kind::Sections("rights")),
];

/// One of `groups`.
pub(crate) const GROUP: &[Key] = &[
    Key::known("name").required(),
    Key::known("access").is(Kind::Choice(&["none", "read-only", "read-write"])),
    Key::known("rights").is(Kind::Sections("rights")),
];

/// One of `rights`, of a user or a group.
pub(crate) const RIGHT: &[Key] = &[
    Key::known("path").required(),
    Key::known("access").is(Kind::Choice(&["none", "read-only", "read-write"])).required(),
];

/// One of a user's `tokens`.
pub(crate) const TOKEN: &[Key] =
    &[Key::known("name").required(), Key::known("hash"), Key::known("hash_file"), Key::known("expires")];

/// One of `redirect_rules`.
pub(crate) const REDIRECT_RULE: &[Key] =
    &[Key::known("user_agent").required(), Key::known("read").is(Kind::Choice(&["redirect", "relay"])).required()];

/// A mount with `driver: local`.
pub(crate) const LOCAL: &[Key] = &[
    Key::known("path").required(),
    Key::known("driver").is(Kind::Choice(&["local"])).required(),
    Key::known("root_folder_path").required(),
    Key::known("read_only").is(Kind::Flag),
    Key::known("junk").is(Kind::Choice(&["keep", "refuse"])),
    Key::known("bandwidth").is(Kind::Section("bandwidth")),
];

/// A mount with `driver: s3`.
pub(crate) const S3: &[Key] = &[
    Key::known("path").required(),
    Key::known("driver").is(Kind::Choice(&["s3"])).required(),
    Key::known("provider").is(Kind::Provider),
    Key::known("bucket").required(),
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
    Key::known("force_path_style").is(Kind::Flag),
    Key::known("list_object_version").is(Kind::Choice(&["v1", "v2"])),
    Key::known("list_url_encode").is(Kind::Flag),
    Key::known("bulk_delete").is(Kind::NumberOrFalse(1, 1000)),
    Key::known("copy_max").is(Kind::Size),
    Key::known("part_copy").is(Kind::Flag),
    Key::known("max_parts").is(Kind::Number(1, 10_000)),
    Key::known("equal_parts").is(Kind::Flag),
    Key::known("conditional_writes").is(Kind::Flag),
    Key::known("conditional_deletes").is(Kind::Flag),
    Key::known("placeholder").is(Kind::Texts),
    Key::known("custom_host"),
    Key::known("custom_host_presign").is(Kind::Flag),
    Key::alias("enable_custom_host_presign", "custom_host_presign"),
    Key::known("remove_bucket").is(Kind::Flag),
    Key::known("relay_from").is(Kind::Choice(&["endpoint", "custom_host"])),
    Key::known("link_disposition").is(Kind::Choice(&["none", "inline", "attachment"])),
    Key::alias("add_filename_to_disposition", "link_disposition").is(Kind::Flag),
    Key::known("storage_class"),
    Key::known("encryption").is(Kind::Choice(&["none", "s3", "kms", "customer"])),
    Key::known("kms_key_id"),
    Key::known("customer_key"),
    Key::known("customer_key_file"),
    Key::known("acl"),
    Key::known("user_agent"),
    Key::known("part_size").is(Kind::Size),
    Key::known("upload_parallelism").is(Kind::Number(1, 64)),
    Key::known("sign_url_expire").is(Kind::DurationOrHours),
    Key::known("read").is(Kind::Choice(&["auto", "redirect", "relay", "proxy_url"])),
    Key::alias("webdav_policy", "read").is(Kind::Choice(&["302_redirect", "native_proxy", "use_proxy_url"])),
    Key::known("list_cache").is(Kind::Duration),
    Key::known("read_only").is(Kind::Flag),
    Key::known("proxy_url"),
    Key::known("junk").is(Kind::Choice(&["keep", "refuse"])),
    Key::known("bandwidth").is(Kind::Section("bandwidth")),
    Key::known("quota_available").is(Kind::Size),
];

/// A mount with `driver: upyun`.
pub(crate) const UPYUN: &[Key] = &[
    Key::known("path").required(),
    Key::known("driver").is(Kind::Choice(&["upyun"])).required(),
    Key::known("bucket").required(),
    Key::known("operator").required(),
    Key::alias("operator_name", "operator"),
    Key::known("password"),
    Key::alias("operator_password", "password"),
    Key::known("password_file"),
    Key::known("endpoint"),
    Key::known("custom_host"),
    Key::known("link_token"),
    Key::alias("anti_theft_chain_token", "link_token"),
    Key::known("link_token_file"),
    Key::known("link_disposition").is(Kind::Choice(&["none", "attachment"])),
    Key::known("root_folder_path"),
    Key::known("sign_url_expire").is(Kind::DurationOrHours),
    Key::known("read").is(Kind::Choice(&["auto", "redirect", "relay", "proxy_url"])),
    Key::alias("webdav_policy", "read").is(Kind::Choice(&["302_redirect", "native_proxy", "use_proxy_url"])),
    Key::known("list_cache").is(Kind::Duration),
    Key::known("read_only").is(Kind::Flag),
    Key::known("proxy_url"),
    Key::known("junk").is(Kind::Choice(&["keep", "refuse"])),
    Key::known("bandwidth").is(Kind::Section("bandwidth")),
    Key::known("quota_available").is(Kind::Size),
];

/// A mount with `driver: sftp`.
pub(crate) const SFTP: &[Key] = &[
    Key::known("path").required(),
    Key::known("driver").is(Kind::Choice(&["sftp"])).required(),
    Key::known("endpoint").required(),
    Key::known("user"),
    Key::known("key_file"),
    Key::known("known_hosts").is(Kind::Choice(&["strict", "add"])),
    Key::known("root_folder_path").required(),
    Key::known("list_cache").is(Kind::Duration),
    Key::known("read_only").is(Kind::Flag),
    Key::known("junk").is(Kind::Choice(&["keep", "refuse"])),
    Key::known("bandwidth").is(Kind::Section("bandwidth")),
    Key::known("quota_available").is(Kind::Size),
];

/// A mount with `driver: azblob`.
pub(crate) const AZBLOB: &[Key] = &[
    Key::known("path").required(),
    Key::known("driver").is(Kind::Choice(&["azblob"])).required(),
    Key::known("container").required(),
    Key::known("account_name").required(),
    Key::known("account_key"),
    Key::known("account_key_file"),
    Key::known("endpoint"),
    Key::known("root_folder_path"),
    Key::known("placeholder").is(Kind::Texts),
    Key::known("list_cache").is(Kind::Duration),
    Key::known("read_only").is(Kind::Flag),
    Key::known("junk").is(Kind::Choice(&["keep", "refuse"])),
    Key::known("bandwidth").is(Kind::Section("bandwidth")),
    Key::known("quota_available").is(Kind::Size),
];

/// A mount with `driver: gcs`.
pub(crate) const GCS: &[Key] = &[
    Key::known("path").required(),
    Key::known("driver").is(Kind::Choice(&["gcs"])).required(),
    Key::known("bucket").required(),
    Key::known("credential_file"),
    Key::known("endpoint"),
    Key::known("root_folder_path"),
    Key::known("placeholder").is(Kind::Texts),
    Key::known("list_cache").is(Kind::Duration),
    Key::known("read_only").is(Kind::Flag),
    Key::known("junk").is(Kind::Choice(&["keep", "refuse"])),
    Key::known("bandwidth").is(Kind::Section("bandwidth")),
    Key::known("quota_available").is(Kind::Size),
];

/// A mount with `driver: webdav`.
pub(crate) const WEBDAV: &[Key] = &[
    Key::known("path").required(),
    Key::known("driver").is(Kind::Choice(&["webdav"])).required(),
    Key::known("endpoint").required(),
    Key::known("user"),
    Key::known("password"),
    Key::known("password_file"),
    Key::known("root_folder_path"),
    Key::known("list_cache").is(Kind::Duration),
    Key::known("read_only").is(Kind::Flag),
    Key::known("junk").is(Kind::Choice(&["keep", "refuse"])),
    Key::known("bandwidth").is(Kind::Section("bandwidth")),
    Key::known("quota_available").is(Kind::Size),
];

/// Every section with the heading that it has in `docs/config.md`.
pub(crate) const SECTIONS: &[(&str, &[Key])] = &[
    ("The file", FILE),
    ("server", SERVER),
    ("limits", LIMITS),
    ("tls", TLS),
    ("users", USER),
    ("groups", GROUP),
    ("rights", RIGHT),
    ("tokens", TOKEN),
    ("redirect_rules", REDIRECT_RULE),
    ("mounts, driver local", LOCAL),
    ("mounts, driver s3", S3),
    ("mounts, driver upyun", UPYUN),
    ("mounts, driver sftp", SFTP),
    ("mounts, driver azblob", AZBLOB),
    ("mounts, driver gcs", GCS),
    ("mounts, driver webdav", WEBDAV),
    ("bandwidth", BANDWIDTH),
];

#[cfg(test)]
mod tests {
    use super::*;

    fn repository(file: &str) -> String {
        let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").join(file);
        std::fs::read_to_string(path).unwrap()
    }

    #[test]
    fn every_key_is_a_row_of_its_section_in_the_documentation_and_no_row_is_left_over() {
        let page = repository("docs/config.md");
        for (heading, keys) in SECTIONS {
            let mut rows: Vec<_> = crate::docs::rows(&page, heading).iter().map(|row| row.name).collect();
            let mut names: Vec<_> = keys.iter().map(|key| key.name).collect();
            rows.sort_unstable();
            names.sort_unstable();
            assert_eq!(rows, names, "## {heading}");
        }
    }

    /// Whether the column `type` of docs/config.md says what the table says; both directions.
    fn says(column: &str, kind: Kind) -> bool {
        let words: Vec<&str> = column.split('`').skip(1).step_by(2).collect();
        let number = |least: u32, most: u32| column.contains(&format!("{least} to {most}"));
        match kind {
            Kind::Flag => column == "true, false",
            Kind::Choice(choices) => words == choices,
            Kind::Number(1, 1) => column == "number",
            Kind::Number(least, most) => number(least, most) && words.is_empty(),
            Kind::NumberOrFalse(least, most) => number(least, most) && words == ["false"],
            Kind::Size => column.starts_with("size"),
            Kind::Duration | Kind::DurationOrHours => column.starts_with("duration"),
            Kind::Texts => column.contains("list of") || column.contains("or list"),
            Kind::Section(_) => column == "section",
            Kind::Sections(_) | Kind::Mounts => column == "list",
            Kind::AsTarget => column.is_empty(),
            Kind::Text | Kind::Provider => {
                let other = ["true", "size", "duration", "number", "list", "section"];
                words.is_empty() && !other.iter().any(|word| column.starts_with(word)) && !column.contains(" list of")
                    || column.starts_with("word of")
            }
        }
    }

    #[test]
    fn the_types_in_the_documentation_are_those_of_the_tables() {
        let page = repository("docs/config.md");
        for (heading, keys) in SECTIONS {
            let rows = crate::docs::rows(&page, heading);
            for key in *keys {
                let Some(row) = rows.iter().find(|row| row.name == key.name) else { continue };
                // An alias's words are told with its meaning.
                let fits = if let Standing::Alias(_) = key.standing {
                    row.kind.is_empty() || says(row.kind, key.kind)
                } else {
                    says(row.kind, key.kind)
                };
                assert!(
                    fits,
                    "{} of {heading}: keys.rs says {:?}, docs/config.md says {:?}; `.is(Kind::...)` says what a value is",
                    key.name, key.kind, row.kind
                );
                if !matches!(key.standing, Standing::Alias(_)) && row.default != "required" {
                    assert!(!key.required, "{} of {heading} is required, and docs/config.md does not say so", key.name);
                }
            }
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
