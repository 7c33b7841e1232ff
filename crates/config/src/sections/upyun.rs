//! A mount with `driver: upyun`

use davmux_driver_opendal::{Secret, UpYunOptions};
use davmux_tree::MountOptions;

use super::s3::{link_life, prefix, remote, url};
use crate::file::Storage;
use crate::walk::Section;

pub(super) fn upyun(section: &Section<'_>) -> (Option<Storage>, MountOptions) {
    let bucket = section.required_text("bucket");
    if let Some(bucket) = bucket
        && !bucket.as_str().chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '_'))
    {
        section
            .walk
            .mistake(bucket.at, format!("bucket: {} is not a name of letters, digits, `-` and `_`", bucket.shown()));
    }
    let operator = section.required_text("operator");
    let password = section.secret("password", "password_file");
    if password.is_none() && !section.is_wrong(&["password", "password_file"]) {
        section.missing("password");
    }
    let token = section.secret("link_token", "link_token_file");
    let named = section.choice("link_disposition", &[("none", false), ("attachment", true)]);
    let endpoint = url(section, "endpoint", "a host such as v0.api.upyun.com");
    if let Some(text) = section.text("endpoint")
        && endpoint.as_deref().is_some_and(|endpoint| !is_api(endpoint))
    {
        let message =
            "endpoint: UpYun's REST API answers at v0.api.upyun.com; the domain of downloads is `custom_host`";
        section.walk.warn(text.at, message);
    }
    let custom_host = url(section, "custom_host", "the bound domain, such as files.example.com");
    if let (Some((_, at)), None) = (&token, &custom_host)
        && !section.is_wrong(&["custom_host"])
    {
        section.walk.warn(*at, "`link_token` is nothing without `custom_host`: no links are made");
    }
    let root_folder_path = prefix(section);
    let mount = MountOptions { link_life: link_life(section), ..remote(section) };
    let (Some(bucket), Some(operator), Some((password, _))) = (bucket, operator, password) else {
        return (None, mount);
    };
    let secret = |secret: &crate::Secret| Secret::new(secret.reveal());
    let options = UpYunOptions {
        endpoint,
        custom_host,
        link_token: token.map(|(token, _)| secret(&token)),
        named_links: named.unwrap_or(false),
        root_folder_path,
        ..UpYunOptions::new(bucket.as_str(), operator.as_str(), secret(&password))
    };
    (Some(Storage::UpYun(Box::new(options))), mount)
}

/// Whether this may be the REST API: AList calls the domain of downloads `endpoint`.
fn is_api(endpoint: &str) -> bool {
    let host = endpoint.split_once("://").map_or(endpoint, |(_, host)| host).trim_end_matches('/');
    let host = host.rsplit_once(':').map_or(host, |(host, _)| host);
    host.ends_with("api.upyun.com") || host.parse::<std::net::IpAddr>().is_ok() || host == "localhost"
}
