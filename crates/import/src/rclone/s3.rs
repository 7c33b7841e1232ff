//! A remote of type s3, as the mount of one of its buckets.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::conf::Remote;
use crate::draft::Entry;

/// rclone's `provider` (backend/s3/provider/*.yaml) and the word here. Others are told by their endpoint's host.
const PROVIDERS: &[(&str, &str)] = &[
    ("AWS", "amazon"),
    ("Alibaba", "oss"),
    ("Ceph", "ceph"),
    ("ChinaMobile", "eos"),
    ("Cloudflare", "r2"),
    ("DigitalOcean", "digitalocean"),
    ("GCS", "gcs"),
    ("Hetzner", "hetzner"),
    ("HuaweiOBS", "obs"),
    ("Minio", "minio"),
    ("Qiniu", "kodo"),
    ("Rclone", "rclone"),
    ("Scaleway", "scaleway"),
    ("SeaweedFS", "seaweedfs"),
    ("TencentCOS", "cos"),
    ("Wasabi", "wasabi"),
];

/// Options that are read here, or say nothing that matters here.
const KNOWN: &[&str] = &[
    "type",
    "description",
    "provider",
    "env_auth",
    "access_key_id",
    "secret_access_key",
    "session_token",
    "profile",
    "region",
    "endpoint",
    "acl",
    "storage_class",
    "server_side_encryption",
    "sse_kms_key_id",
    "sse_customer_algorithm",
    "sse_customer_key",
    "sse_customer_key_base64",
    "sse_customer_key_md5",
    "force_path_style",
    "list_version",
    "list_url_encode",
    "chunk_size",
    "upload_concurrency",
    "copy_cutoff",
    "max_upload_parts",
    "download_url",
    "directory_markers",
    // Of buckets that rclone makes: none is made here.
    "location_constraint",
    "bucket_acl",
    "no_check_bucket",
    // How rclone works, not what is stored.
    "upload_cutoff",
    "no_head",
    "no_head_object",
    "list_chunk",
    "memory_pool_flush_time",
    "memory_pool_use_mmap",
    "disable_http2",
    "use_multipart_etag",
    "use_unsigned_payload",
    "use_presigned_request",
    "use_data_integrity_protections",
    "use_accept_encoding_gzip",
    "use_already_exists",
    "use_multipart_uploads",
    "use_x_id",
    "sign_accept_encoding",
    "sdk_log_mode",
    "leave_parts_on_error",
    "encoding",
];

const MIB: u64 = 1 << 20;

/// Fills a mount; what is lost is answered.
pub(super) fn mount(entry: &mut Entry, remote: &Remote, bucket: &str, prefix: &str) -> Vec<String> {
    let mut lost = Vec::new();
    entry.set("driver", "s3");
    let provider = PROVIDERS.iter().find(|(theirs, _)| *theirs == remote.get("provider")).map(|(_, ours)| *ours);
    entry.set_if("provider", provider.unwrap_or(""));
    entry.set("bucket", bucket);
    entry.set_if("endpoint", remote.get("endpoint"));
    entry.set_if("region", remote.get("region"));
    keys(entry, remote, &mut lost);
    if !prefix.is_empty() {
        entry.set("root_folder_path", format!("/{prefix}"));
    }
    set_flag(entry, "force_path_style", remote.get("force_path_style"));
    match remote.get("list_version") {
        "1" => entry.set("list_object_version", "v1"),
        "2" => entry.set("list_object_version", "v2"),
        _ => {}
    }
    set_flag(entry, "list_url_encode", remote.get("list_url_encode"));
    sizes(entry, remote, &mut lost);
    if remote.get("directory_markers") == "true" {
        entry.comment("rclone's markers of empty folders are understood; new folders get this placeholder, which rclone shows as a file.");
        entry.set("placeholder", ".placeholder");
    }
    // `download_url` and the key, without the bucket (backend/s3/s3.go, downloadFromURL).
    let download = remote.get("download_url").trim_end_matches('/');
    if !download.is_empty() {
        entry.set("custom_host", download);
        entry.set("remove_bucket", "true");
    }
    entry.set_if("storage_class", remote.get("storage_class"));
    encryption(entry, remote, &mut lost);
    // `private` is what buckets do anyway.
    entry.set_if("acl", Some(remote.get("acl")).filter(|acl| *acl != "private").unwrap_or(""));
    let left: Vec<&str> = remote.options().filter(|option| !KNOWN.contains(option)).collect();
    if !left.is_empty() {
        lost.push(format!("these options have no counterpart: {}", left.join(", ")));
    }
    lost
}

fn keys(entry: &mut Entry, remote: &Remote, lost: &mut Vec<String>) {
    let (id, secret) = (remote.get("access_key_id"), remote.get("secret_access_key"));
    let from_environment = remote.get("env_auth") == "true";
    // backend/s3/s3.go, s3Connection: the environment is asked where no keys are set.
    if !id.is_empty() && !secret.is_empty() {
        entry.set("access_key_id", id);
        entry.secret("secret_access_key", secret);
        entry.secret("session_token", remote.get("session_token"));
    } else if from_environment {
        entry.comment("Without keys the AWS credential chain is asked, as with env_auth.");
        entry.set_if("profile", remote.get("profile"));
    } else {
        lost.push(
            "it has no keys, and rclone asks without a signature; here a mount without keys asks the AWS credential chain"
                .to_owned(),
        );
    }
}

fn set_flag(entry: &mut Entry, key: &'static str, value: &str) {
    if matches!(value, "true" | "false") {
        entry.set(key, value);
    }
}

fn sizes(entry: &mut Entry, remote: &Remote, lost: &mut Vec<String>) {
    let mut within = |entry: &mut Entry, key: &'static str, option: &str, least: u64, most: u64| {
        let Some(bytes) = size(remote.get(option)) else { return };
        if (least..=most).contains(&bytes) {
            let value = if bytes.is_multiple_of(MIB) { format!("{}MiB", bytes / MIB) } else { bytes.to_string() };
            entry.set(key, value);
        } else {
            lost.push(format!("{option} = {} is out of bounds here", remote.get(option)));
        }
    };
    within(entry, "copy_max", "copy_cutoff", 5 * MIB, u64::MAX);
    within(entry, "part_size", "chunk_size", 5 * MIB, 5 << 30);
    for (key, option, most) in
        [("upload_parallelism", "upload_concurrency", 64), ("max_parts", "max_upload_parts", 10_000)]
    {
        if let Ok(count) = remote.get(option).parse::<u32>() {
            entry.set(key, count.clamp(1, most).to_string());
        }
    }
}

fn encryption(entry: &mut Entry, remote: &Remote, lost: &mut Vec<String>) {
    let key = remote.get("sse_customer_key");
    let key = if key.is_empty() { remote.get("sse_customer_key_base64").to_owned() } else { STANDARD.encode(key) };
    if !key.is_empty() {
        entry.set("encryption", "customer");
        entry.secret("customer_key", &key);
        return;
    }
    match remote.get("server_side_encryption") {
        "" => {}
        "AES256" => entry.set("encryption", "s3"),
        "aws:kms" => {
            entry.set("encryption", "kms");
            entry.set_if("kms_key_id", remote.get("sse_kms_key_id"));
        }
        other => lost.push(format!("server_side_encryption = {other}: AES256 and aws:kms are supported")),
    }
}

/// A size as rclone writes it (fs/sizesuffix.go): `5Mi`, `5M`, `5MiB` are powers of 1024, a bare number is KiB.
fn size(text: &str) -> Option<u64> {
    let end = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let (number, unit) = text.split_at(end);
    let factor: u64 = match unit.to_ascii_lowercase().as_str() {
        "b" => 1,
        "" | "k" | "ki" | "kib" => 1 << 10,
        "m" | "mi" | "mib" => 1 << 20,
        "g" | "gi" | "gib" => 1 << 30,
        "t" | "ti" | "tib" => 1 << 40,
        _ => return None,
    };
    number.parse::<u64>().ok()?.checked_mul(factor)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_rclones() {
        for (text, bytes) in
            [("5Mi", 5 << 20), ("5M", 5 << 20), ("8192", 8 << 20), ("4.656Gi", 0), ("100B", 100), ("off", 0), ("", 0)]
        {
            assert_eq!(size(text), (bytes > 0).then_some(bytes), "{text}");
        }
    }
}
