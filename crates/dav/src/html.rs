//! The page that a browser gets of a folder.

use std::cmp::Ordering;

use bytes::{BufMut, BytesMut};
use davmux_tree::Node;
use futures_util::StreamExt;
use http::header::{CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, REFERRER_POLICY, X_CONTENT_TYPE_OPTIONS};
use http::{HeaderMap, HeaderValue, Response, StatusCode};

use crate::body::Body;
use crate::call::{Answer, Call};
use crate::dates::put_iso_date;
use crate::headers;
use crate::path::put_escaped;
use crate::status::Failure;
use crate::xml::put_text;

/// The most members that a page shows.
const MOST_MEMBERS: usize = 20_000;

/// Answers with all members of a folder, folders first. A page that would be short is not sent: an error comes in its place.
pub(crate) async fn folder(call: &Call) -> Answer {
    if headers::wants_fresh(&call.headers) {
        call.view.renew_listing(&call.path).await?;
    }
    let mut listing = call.view.list(&call.path).await?;
    let mut nodes: Vec<Node> = Vec::new();
    while let Some(page) = listing.next().await {
        nodes.extend(page?);
        if nodes.len() > MOST_MEMBERS {
            return Err(Failure::new(
                StatusCode::FORBIDDEN,
                format!(
                    "this folder has more than {MOST_MEMBERS} members, too many for a page; open it with a WebDAV client"
                ),
            ));
        }
    }
    nodes.sort_unstable_by(order);
    let mut response = Response::new(Body::from(page(call, &nodes).freeze()));
    put_headers(response.headers_mut());
    Ok(response)
}

/// Nothing in a page runs, and nothing is loaded into it, whatever its names say.
pub(crate) fn put_headers(headers: &mut HeaderMap) {
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("text/html; charset=utf-8"));
    headers.insert(
        CONTENT_SECURITY_POLICY,
        HeaderValue::from_static("default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'"),
    );
    headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    headers.insert(REFERRER_POLICY, HeaderValue::from_static("no-referrer"));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-cache"));
}

fn order(a: &Node, b: &Node) -> Ordering {
    b.is_dir().cmp(&a.is_dir()).then_with(|| a.name.cmp(&b.name))
}

/// The page of a folder above the tree: the way down, so that who opens the top of the server finds it.
pub(crate) fn above(call: &Call, depth: usize) -> Response<Body> {
    let mut out = BytesMut::with_capacity(1024);
    let (here, member) = call.shared.base.above(depth);
    let (below, _) = call.shared.base.above(depth + 1);
    put_start(&mut out, &here);
    put_folder(&mut out, &below, member);
    out.put_slice(END);
    let mut response = Response::new(Body::from(out.freeze()));
    put_headers(response.headers_mut());
    response
}

fn put_start(out: &mut BytesMut, title: &str) {
    out.put_slice(b"<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n<meta name=\"viewport\" content=\"width=device-width\">\n<title>");
    put_text(out, title);
    out.put_slice(
        b"</title>\n<style>body{font:16px/1.5 system-ui,sans-serif;margin:2rem auto;max-width:60rem;padding:0 1rem}\
          table{border-collapse:collapse;width:100%}td,th{padding:.2rem .6rem;text-align:left}\
          td.n{text-align:right;white-space:nowrap}tr:nth-child(even){background:#8881}</style>\n</head>\n<body>\n<h1>",
    );
    put_text(out, title);
    out.put_slice(
        b"</h1>\n<table>\n<thead><tr><th>Name</th><th>Size</th><th>Changed (UTC)</th></tr></thead>\n<tbody>\n",
    );
}

const END: &[u8] = b"</tbody>\n</table>\n</body>\n</html>\n";

/// A row for a folder of which nothing but its place is told. `href` is escaped.
fn put_folder(out: &mut BytesMut, href: &str, name: &str) {
    out.put_slice(b"<tr><td><a href=\"");
    out.put_slice(href.as_bytes());
    out.put_slice(b"\">");
    put_text(out, name);
    out.put_slice(b"</a></td><td></td><td></td></tr>\n");
}

fn page(call: &Call, nodes: &[Node]) -> BytesMut {
    let mut out = BytesMut::with_capacity(1024 + nodes.len() * 200);
    let here = call.shared.base.href(&call.path, true);
    put_start(&mut out, &format!("/{}", call.path));
    if let Some(parent) = call.path.parent() {
        put_folder(&mut out, &call.shared.base.href(&parent, true), "..");
    }
    for node in nodes {
        let slash = if node.is_dir() { "/" } else { "" };
        out.put_slice(b"<tr><td><a href=\"");
        out.put_slice(here.as_bytes());
        put_escaped(&mut out, &node.name);
        out.put_slice(slash.as_bytes());
        out.put_slice(b"\">");
        put_text(&mut out, &node.name);
        out.put_slice(slash.as_bytes());
        out.put_slice(b"</a></td><td class=\"n\">");
        if !node.is_dir() {
            out.put_slice(size(node.size).as_bytes());
        }
        out.put_slice(b"</td><td class=\"n\">");
        if let Some(modified) = node.modified {
            put_iso_date(&mut out, modified);
        }
        out.put_slice(b"</td></tr>\n");
    }
    out.put_slice(END);
    out
}

/// A length for people, in powers of 1024.
fn size(bytes: u64) -> String {
    const UNITS: [&str; 6] = ["KiB", "MiB", "GiB", "TiB", "PiB", "EiB"];
    if bytes < 1024 {
        return format!("{bytes} B");
    }
    let mut value = bytes;
    let mut unit = 0;
    while value >= 1024 * 1024 && unit + 1 < UNITS.len() {
        value /= 1024;
        unit += 1;
    }
    format!("{}.{} {}", value / 1024, value % 1024 * 10 / 1024, UNITS[unit])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_told_in_units_that_people_read() {
        for (bytes, expected) in
            [(0, "0 B"), (1023, "1023 B"), (1536, "1.5 KiB"), (5 << 20, "5.0 MiB"), (u64::MAX, "15.9 EiB")]
        {
            assert_eq!(size(bytes), expected);
        }
    }
}
