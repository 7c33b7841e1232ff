//! Mounts with `driver: sftp`, `azblob`, `gcs` and `webdav`. None of them has links, so every read is relayed.

use davmux_driver_opendal::OpendalOptions;
use davmux_tree::MountOptions;

use super::s3;
use crate::file::{Service, Storage};
use crate::walk::Section;

/// A folder behind SSH.
#[cfg(feature = "sftp")]
pub(super) fn sftp(section: &Section<'_>) -> (Option<Storage>, MountOptions) {
    let endpoint = section.required_text("endpoint").and_then(|text| {
        // It becomes an argument of `ssh`, where a dash begins an option.
        let destination = text.as_str();
        let host = destination.strip_prefix("ssh://").unwrap_or(destination);
        let is_one = !host.starts_with('-') && !host.contains(|c: char| c.is_whitespace() || c.is_control());
        if !is_one || host.is_empty() || host.contains("://") {
            let message = format!("endpoint: {} is not a host such as ssh://nas.example.com:22", text.shown());
            section.walk.mistake(text.at, message);
            return None;
        }
        Some(destination.to_owned())
    });
    let user = section.text("user").map(|text| text.as_str().to_owned());
    let key_file = section.text("key_file").map(|text| section.walk.resolve(text.as_str()));
    let known_hosts = section.choice("known_hosts", &[("strict", false), ("add", true)]);
    // The account's own folder has no name here, and the machine's root is rarely meant.
    let root = section.required_text("root_folder_path").map(|_| s3::prefix(section));
    let options = endpoint.zip(root).map(|(endpoint, root_folder_path)| {
        OpendalOptions::Sftp(davmux_driver_opendal::SftpOptions {
            endpoint,
            user,
            key_file,
            add_unknown_host: known_hosts.unwrap_or(false),
            root_folder_path,
        })
    });
    mount(section, options, Vec::new())
}

/// A container of Azure Blob Storage.
#[cfg(feature = "azblob")]
pub(super) fn azblob(section: &Section<'_>) -> (Option<Storage>, MountOptions) {
    let container = section.required_text("container");
    let account = section.required_text("account_name").map(|text| text.as_str().to_owned());
    let key = section.secret("account_key", "account_key_file");
    if key.is_none() && !section.is_wrong(&["account_key", "account_key_file"]) {
        section.missing("account_key");
    }
    let endpoint = base_url(section, "https://account.blob.core.windows.net");
    let root_folder_path = s3::prefix(section);
    let options = match (container, account, key) {
        (Some(container), Some(account_name), Some((key, _))) => {
            Some(OpendalOptions::Azblob(davmux_driver_opendal::AzblobOptions {
                container: container.as_str().to_owned(),
                endpoint: endpoint.unwrap_or_else(|| format!("https://{account_name}.blob.core.windows.net")),
                account_name,
                account_key: davmux_driver_opendal::Secret::new(key.reveal()),
                root_folder_path,
            }))
        }
        _ => None,
    };
    mount(section, options, s3::placeholder(section))
}

/// A bucket of Google Cloud Storage.
#[cfg(feature = "gcs")]
pub(super) fn gcs(section: &Section<'_>) -> (Option<Storage>, MountOptions) {
    let bucket = section.required_text("bucket");
    let endpoint = base_url(section, "https://storage.googleapis.com");
    let credential_file = section.text("credential_file").map(|text| section.walk.resolve(text.as_str()));
    let root_folder_path = s3::prefix(section);
    let options = bucket.map(|bucket| {
        OpendalOptions::Gcs(davmux_driver_opendal::GcsOptions {
            bucket: bucket.as_str().to_owned(),
            endpoint,
            credential_file,
            anonymous: false,
            root_folder_path,
        })
    });
    mount(section, options, s3::placeholder(section))
}

/// Another WebDAV server.
#[cfg(feature = "webdav")]
pub(super) fn webdav(section: &Section<'_>) -> (Option<Storage>, MountOptions) {
    section.required("endpoint");
    let endpoint = base_url(section, "https://dav.example.com/files");
    let user = section.text("user");
    let password = section.secret("password", "password_file");
    if let (None, Some((_, at))) = (user, &password)
        && !section.is_wrong(&["user"])
    {
        section.walk.mistake(*at, "`password` is nothing without `user`");
    }
    let root_folder_path = s3::prefix(section);
    let options = endpoint.map(|endpoint| {
        OpendalOptions::Webdav(davmux_driver_opendal::WebdavOptions {
            endpoint,
            username: user.map(|user| user.as_str().to_owned()),
            password: password.map(|(password, _)| davmux_driver_opendal::Secret::new(password.reveal())),
            root_folder_path,
        })
    });
    mount(section, options, Vec::new())
}

/// `endpoint` as a URL. Unlike a bucket's it needs its scheme: whether a password may cross the network in clear is not guessed.
#[cfg(any(feature = "azblob", feature = "gcs", feature = "webdav"))]
fn base_url(section: &Section<'_>, example: &str) -> Option<String> {
    let expected = format!("an http or https URL such as {example}");
    let url = s3::url(section, "endpoint", &expected)?;
    if !url.starts_with("http://") && !url.starts_with("https://") {
        let text = section.text("endpoint")?;
        section.walk.mistake(text.at, format!("endpoint: {} is not {expected}", text.shown()));
        return None;
    }
    Some(url.trim_end_matches('/').to_owned())
}

fn mount(
    section: &Section<'_>,
    options: Option<OpendalOptions>,
    placeholder: Vec<String>,
) -> (Option<Storage>, MountOptions) {
    let storage = options.map(|options| Storage::Opendal(Box::new(Service { options, placeholder })));
    let (list_cache, quota_available) = (s3::list_cache(section), s3::quota_available(section));
    (storage, MountOptions { list_cache, quota_available, ..MountOptions::default() })
}
