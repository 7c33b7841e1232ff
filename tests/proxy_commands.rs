//! What the commands say of a mount that is read through a download proxy.

use std::sync::Arc;

use http::StatusCode;
use serde_json::Value;
use tempfile::TempDir;

use crate::proxy::{PROXY, TOKEN, davmux, film, worker};
use crate::support::{binary, bucket, s3};

/// A command, and what it printed on standard output and standard error.
async fn said(args: &[&str]) -> (Option<i32>, String, String) {
    let mut command = binary();
    command.args(args);
    let output = tokio::task::spawn_blocking(move || command.output()).await.unwrap().unwrap();
    let [out, err] = [output.stdout, output.stderr].map(|text| String::from_utf8(text).unwrap());
    (output.status.code(), out, err)
}

#[tokio::test]
async fn a_link_leads_to_the_proxy_which_opens_it_and_a_direct_one_to_the_bucket() {
    let s3 = s3().await;
    let davmux = davmux(&s3).await;
    let proxy = worker(&davmux.addr, &[TOKEN], &[]).await;
    davmux.put("/b/a%20film", film()).await;
    let file = davmux.dir.path().join("mounts.yaml");
    let file = file.to_str().unwrap();
    let (code, out, err) = said(&["link", file, "/b/a film", "--expire", "30m"]).await;
    assert_eq!(code, Some(0), "{err}");
    let there = out.trim().strip_prefix(PROXY).unwrap_or_else(|| panic!("{out}"));
    assert!(there.starts_with("/b/a%20film?sign="), "{there}");
    let answer = proxy.get(there).await;
    assert_eq!((answer.status, answer.body.as_deref().unwrap()), (StatusCode::OK, &film()[..]), "{}", proxy.log());
    assert!(err.contains("download proxy") && err.contains("for 30m") && !err.contains("sign="), "{err}");
    let (_, out, _) = said(&["link", file, "/b/a film", "--expire", "30m", "--json"]).await;
    let told: Value = serde_json::from_str(&out).unwrap();
    assert!(told["url"].as_str().unwrap().starts_with(PROXY) && told["expires_at"].is_string(), "{told}");

    let (code, out, err) = said(&["link", file, "/b/a film", "--direct"]).await;
    assert!(code == Some(0) && out.starts_with(&s3.endpoint()) && out.contains("X-Amz-Signature"), "{out}{err}");
    assert!(!err.contains("download proxy"), "{err}");
    let (code, out, err) = said(&["link", file, "/b/none"]).await;
    assert!(code == Some(1) && out.is_empty() && err.contains("nothing is there"), "{out}{err}");
}

/// What the doctor finds of a mount that is read through the proxy at a URL.
async fn found(dir: &Arc<TempDir>, s3: &davmux_s3_server::Running, url: &str) -> (Option<i32>, Vec<Value>) {
    let mount = bucket("/b", s3, &["read: proxy_url", &format!("proxy_url: {url}")]);
    let file = dir.path().join("doctor.yaml");
    let server = format!("server: {{ anonymous: read-only, proxy_token: {TOKEN} }}");
    std::fs::write(&file, format!("version: 1\n{server}\nmounts:\n{mount}    read_only: true\n")).unwrap();
    let (code, out, err) = said(&["doctor", file.to_str().unwrap(), "--json"]).await;
    let report: Value = serde_json::from_str(&out).unwrap_or_else(|_| panic!("{out}{err}"));
    (code, report["mounts"][0]["findings"].as_array().unwrap().clone())
}

fn finding<'f>(findings: &'f [Value], topic: &str) -> &'f Value {
    findings.iter().find(|finding| finding["topic"] == topic).unwrap_or_else(|| panic!("no {topic} in {findings:#?}"))
}

#[tokio::test]
async fn doctor_knocks_at_the_proxy_and_names_it_as_where_clients_are_sent() {
    let s3 = s3().await;
    let davmux = davmux(&s3).await;
    davmux.put("/b/index.html", "x").await;
    let proxy = worker(&davmux.addr, &[TOKEN], &[]).await;
    let address = proxy.addr.clone();
    let dir = Arc::new(tempfile::tempdir().unwrap());

    let (_, findings) = found(&dir, &s3, &format!("http://{address}")).await;
    let works = finding(&findings, "download proxy");
    assert_eq!(works["outcome"], "works", "{works}");
    let redirects = finding(&findings, "redirects")["seen"].as_str().unwrap();
    assert!(redirects.contains(&format!("download proxy {address}, which fetches from 127.0.0.1")), "{redirects}");

    // A server that is there, and no proxy: it lists its root to everybody; another answers 404.
    for (url, part) in
        [(format!("http://{}", davmux.addr), "with 200"), (format!("http://{}/b/none", davmux.addr), "with 404")]
    {
        let (code, findings) = found(&dir, &s3, &url).await;
        let strange = finding(&findings, "download proxy");
        assert_eq!((code, &strange["outcome"]), (Some(1), &Value::from("fails")), "{strange}");
        assert!(strange["seen"].as_str().unwrap().contains(part), "{strange}");
    }

    proxy.kill();
    let (code, findings) = found(&dir, &s3, &format!("http://{address}")).await;
    let gone = finding(&findings, "download proxy");
    assert_eq!((code, &gone["outcome"]), (Some(1), &Value::from("fails")), "{gone}");
    assert!(gone["seen"].as_str().unwrap().contains("does not answer"), "{gone}");
    assert!(gone["advice"].as_str().unwrap().contains("davmux proxy"), "{gone}");
}

#[tokio::test]
async fn a_wrong_token_of_a_proxy_is_a_failed_login_and_none_at_all_is_not() {
    let s3 = s3().await;
    let mount = bucket("/b", &s3, &["read: proxy_url", &format!("proxy_url: {PROXY}")]);
    let server = format!("server: {{ admin_listen: 127.0.0.1:0, anonymous: none, proxy_token: {TOKEN} }}");
    let users = "users:\n  - { name: a, password: b }\n";
    let davmux = crate::support::Davmux::serve_file(&format!("version: 1\n{server}\n{users}mounts:\n{mount}")).await;
    let count = async || {
        let (_, page) = davmux.administer("GET /metrics").await;
        let line = page.lines().find_map(|line| {
            line.strip_prefix("davmux_auth_failures_total{cause=\"unknown_proxy_token\"} ").map(str::to_owned)
        });
        line.unwrap_or_else(|| panic!("{page}")).trim().parse::<u64>().unwrap()
    };
    let body = "{\"path\": \"/b/none\"}";
    davmux.send("POST", "/api/fs/link", &[], body).await;
    davmux.send("POST", "/api/fs/link", &[("Authorization", TOKEN)], body).await;
    assert_eq!(count().await, 0);
    let answer = davmux.send("POST", "/api/fs/link", &[("Authorization", &TOKEN[1..])], body).await;
    assert_eq!(answer.status, StatusCode::OK, "the code is in the body, as proxies read it");
    assert!(answer.text().contains("\"code\":401"), "{}", answer.text());
    assert_eq!(count().await, 1);
    davmux.logged("unknown_proxy_token").await;
    assert!(!davmux.log().contains(&TOKEN[1..]));
}
