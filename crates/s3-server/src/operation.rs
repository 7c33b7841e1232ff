//! Which operation a request asks for, known before its signature is checked.

use http::request::Parts;
use http::{Method, header};
use percent_encoding::percent_decode_str;

use crate::hosts::{Hosts, Naming};

/// The operation, and what it works on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Target {
    pub(crate) operation: &'static str,
    pub(crate) bucket: String,
    pub(crate) key: String,
    pub(crate) naming: Naming,
}

impl Target {
    /// Reads method, host, path and query.
    pub(crate) fn of(request: &Parts, hosts: &Hosts) -> Self {
        let host = request.headers.get(header::HOST).and_then(|host| host.to_str().ok()).unwrap_or_default();
        let path = percent_decode_str(request.uri.path()).decode_utf8_lossy();
        let path = path.strip_prefix('/').unwrap_or(&path);
        let (bucket, key, naming) = match hosts.bucket(host) {
            Some((bucket, naming)) => (bucket, path, naming),
            None => {
                let (bucket, key) = path.split_once('/').unwrap_or((path, ""));
                (bucket, key, Naming::Path)
            }
        };
        let query = request.uri.query().unwrap_or_default();
        let copies = request.headers.contains_key("x-amz-copy-source");
        Self {
            operation: operation(&request.method, bucket, key, query, copies),
            bucket: bucket.to_owned(),
            key: key.to_owned(),
            naming,
        }
    }
}

/// The values of a query parameter, decoded.
pub(crate) fn query_value(query: &str, name: &str) -> Option<String> {
    query.split('&').find_map(|pair| {
        let (found, value) = pair.split_once('=').unwrap_or((pair, ""));
        let decode = |text: &str| percent_decode_str(text).decode_utf8_lossy().into_owned();
        (decode(found) == name).then(|| decode(value))
    })
}

fn operation(method: &Method, bucket: &str, key: &str, query: &str, copies: bool) -> &'static str {
    let has = |name: &str| query_value(query, name).is_some();
    match (method.as_str(), bucket.is_empty(), key.is_empty()) {
        ("GET", true, _) => "ListBuckets",
        ("HEAD", false, true) => "HeadBucket",
        ("PUT", false, true) if has("cors") => "PutBucketCors",
        ("PUT", false, true) => "CreateBucket",
        ("DELETE", false, true) if has("cors") => "DeleteBucketCors",
        ("GET", false, true) if has("location") => "GetBucketLocation",
        ("GET", false, true) if has("cors") => "GetBucketCors",
        ("GET", false, true) if has("versioning") => "GetBucketVersioning",
        ("GET", false, true) if has("uploads") => "ListMultipartUploads",
        ("GET", false, true) if query_value(query, "list-type").as_deref() == Some("2") => "ListObjectsV2",
        ("GET", false, true) => "ListObjects",
        ("POST", false, true) if has("delete") => "DeleteObjects",
        ("HEAD", false, false) => "HeadObject",
        ("GET", false, false) if has("uploadId") => "ListParts",
        ("GET", false, false) => "GetObject",
        ("PUT", false, false) if has("uploadId") && copies => "UploadPartCopy",
        ("PUT", false, false) if has("uploadId") => "UploadPart",
        ("PUT", false, false) if copies => "CopyObject",
        ("PUT", false, false) => "PutObject",
        ("POST", false, false) if has("uploads") => "CreateMultipartUpload",
        ("POST", false, false) if has("uploadId") => "CompleteMultipartUpload",
        ("DELETE", false, false) if has("uploadId") => "AbortMultipartUpload",
        ("DELETE", false, false) => "DeleteObject",
        ("OPTIONS", _, _) => "Preflight",
        _ => "Unknown",
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn target(method: &str, host: &str, uri: &str) -> Target {
        let request = http::Request::builder().method(method).uri(uri).header("host", host).body(()).unwrap();
        let hosts = Hosts { domains: vec!["localhost".into()], ..Hosts::default() };
        Target::of(&request.into_parts().0, &hosts)
    }

    #[test]
    fn host_style_and_path_style_name_the_same_object() {
        let path = target("GET", "127.0.0.1:9000", "/films/a%20b//c");
        let host = target("GET", "films.localhost:9000", "/a%20b//c");
        assert_eq!((path.bucket.as_str(), path.key.as_str(), path.operation), ("films", "a b//c", "GetObject"));
        assert_eq!(Target { naming: Naming::Host, ..path }, host);
        assert_eq!(target("GET", "localhost", "/films?list-type=2&prefix=a").operation, "ListObjectsV2");
        assert_eq!(target("GET", "films.localhost", "/?uploads").operation, "ListMultipartUploads");
        assert_eq!(target("GET", "notlocalhost", "/").operation, "ListBuckets");
    }
}
