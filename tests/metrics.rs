//! What is counted: `/metrics` and `/readyz` on the administrator's listener.

use std::collections::{BTreeMap, BTreeSet};

use base64::Engine as _;
use davmux_s3_server::Fault;
use http::StatusCode;

use crate::support::{Davmux, PATIENCE, bucket, local, s3};

/// A page of numbers, taken apart.
struct Metrics {
    text: String,
    /// By the whole name of the series, with its labels in order.
    series: BTreeMap<String, f64>,
    /// Families with their kinds.
    kinds: BTreeMap<String, String>,
}

impl Metrics {
    async fn of(davmux: &Davmux) -> Self {
        let (status, head, text) = davmux.administer_with("GET /metrics", "").await;
        assert_eq!(status, 200);
        assert!(head.contains("content-type: application/openmetrics-text; version=1.0.0; charset=utf-8"), "{head}");
        assert!(text.ends_with("# EOF\n"), "{text}");
        let (mut series, mut kinds) = (BTreeMap::new(), BTreeMap::new());
        for line in text.lines() {
            if let Some(kind) = line.strip_prefix("# TYPE ") {
                let (family, kind) = kind.split_once(' ').unwrap();
                // As its series are named.
                let name = if kind == "counter" { format!("{family}_total") } else { family.to_owned() };
                assert!(kinds.insert(name, kind.to_owned()).is_none(), "{family} is described twice");
            } else if !line.starts_with('#') {
                let (name, value) = line.rsplit_once(' ').unwrap();
                let value = value.parse().unwrap_or_else(|_| panic!("{line}"));
                assert!(series.insert(name.to_owned(), value).is_none(), "{name} stands twice");
            }
        }
        Self { text, series, kinds }
    }

    fn get(&self, series: &str) -> f64 {
        *self.series.get(series).unwrap_or_else(|| panic!("{series} is not in\n{}", self.text))
    }

    /// The labels of all series of davmux, with their values.
    fn labels(&self) -> BTreeMap<String, BTreeSet<String>> {
        let mut labels = BTreeMap::<_, BTreeSet<_>>::new();
        for series in self.series.keys().filter_map(|name| name.split_once('{')) {
            for label in series.1.trim_end_matches('}').split("\",") {
                let (name, value) = label.split_once("=\"").unwrap();
                labels.entry(name.to_owned()).or_default().insert(value.trim_end_matches('"').to_owned());
            }
        }
        labels
    }
}

fn file(mounts: &str) -> String {
    format!(
        "version: 1\nserver: {{ anonymous: read-write, admin_listen: \"127.0.0.1:0\" }}\nusers:\n  - {{ name: \
         alice-the-user, password: rabbit, access: read-write }}\nmounts:\n{mounts}"
    )
}

/// Waits until a page says so: a request is counted when its line is written, after the client has the last byte.
async fn until(davmux: &Davmux, says: impl Fn(&Metrics) -> bool) -> Metrics {
    let waiting = async {
        loop {
            let metrics = Metrics::of(davmux).await;
            if says(&metrics) {
                return metrics;
            }
            tokio::task::yield_now().await;
        }
    };
    match tokio::time::timeout(PATIENCE, waiting).await {
        Ok(metrics) => metrics,
        Err(_) => panic!("it never says so:\n{}", Metrics::of(davmux).await.text),
    }
}

#[tokio::test]
async fn requests_calls_decisions_and_listings_are_counted_once_each() {
    let (s3, dir) = (s3().await, tempfile::tempdir().unwrap());
    let mounts = bucket("/b", &s3, &["list_cache: 60s"]) + &local("/l", dir.path());
    let davmux = Davmux::serve_file(&file(&mounts)).await;
    davmux.logged("the mount is ready").await;
    assert_eq!(davmux.put("/b/large", vec![1; 300 * 1024]).await, StatusCode::CREATED);
    assert_eq!(davmux.put("/b/small", vec![1; 1000]).await, StatusCode::CREATED);
    for _ in 0..2 {
        let answer = davmux.send("GET", "/b/large", &[("User-Agent", "Kodi/21.0")], "").await;
        assert_eq!(answer.status, StatusCode::FOUND);
    }
    assert_eq!(davmux.get("/b/small").await.status, StatusCode::OK);
    assert_eq!(davmux.get("/b/none").await.status, StatusCode::NOT_FOUND);
    for _ in 0..3 {
        davmux.propfind("/b/", "1").await;
    }
    davmux.propfind("/l/", "1").await;
    let wrong = format!("Basic {}", base64::engine::general_purpose::STANDARD.encode("alice-the-user:hatter"));
    let refused = davmux.send("GET", "/b/small", &[("Authorization", &wrong)], "").await;
    assert_eq!(refused.status, StatusCode::UNAUTHORIZED);
    assert_eq!(davmux.send("BREW", "/b/small", &[], "").await.status, StatusCode::NOT_IMPLEMENTED);
    let lock = "<D:lockinfo xmlns:D=\"DAV:\"><D:lockscope><D:exclusive/></D:lockscope><D:locktype><D:write/></D:locktype></D:lockinfo>";
    assert_eq!(davmux.send("LOCK", "/l/f", &[], lock).await.status, StatusCode::CREATED);
    let answer = davmux.raw(b"nonsense\r\n\r\n").await;
    assert!(answer.starts_with(b"HTTP/1.1 400"));

    let metrics = until(&davmux, |metrics| {
        metrics.series.get("davmux_http_requests_total{method=\"LOCK\",code=\"201\"}") == Some(&1.0)
            && metrics.series.get("davmux_http_requests_total{method=\"other\",code=\"400\"}") == Some(&1.0)
            && metrics.get("davmux_http_requests_in_flight") == 0.0
    })
    .await;
    for (series, value) in [
        ("davmux_http_requests_total{method=\"PUT\",code=\"201\"}", 2.0),
        ("davmux_http_requests_total{method=\"GET\",code=\"302\"}", 2.0),
        ("davmux_http_requests_total{method=\"GET\",code=\"200\"}", 1.0),
        ("davmux_http_requests_total{method=\"GET\",code=\"404\"}", 1.0),
        ("davmux_http_requests_total{method=\"GET\",code=\"401\"}", 1.0),
        ("davmux_http_requests_total{method=\"PROPFIND\",code=\"207\"}", 4.0),
        ("davmux_http_requests_total{method=\"other\",code=\"501\"}", 1.0),
        ("davmux_http_request_duration_seconds_count{method=\"PROPFIND\"}", 4.0),
        ("davmux_http_request_duration_seconds_bucket{le=\"+Inf\",method=\"PROPFIND\"}", 4.0),
        ("davmux_s3_requests_total{mount=\"/b\",op=\"PutObject\",code=\"200\"}", 2.0),
        ("davmux_s3_requests_total{mount=\"/b\",op=\"GetObject\",code=\"200\"}", 1.0),
        ("davmux_redirects_total{mount=\"/b\",reason=\"client\"}", 2.0),
        ("davmux_relays_total{mount=\"/b\",reason=\"unknown-client\"}", 1.0),
        ("davmux_list_cache_events_total{mount=\"/b\",result=\"miss\"}", 1.0),
        ("davmux_list_cache_events_total{mount=\"/b\",result=\"hit\"}", 2.0),
        ("davmux_bytes_total{direction=\"out\",path=\"relay\"}", 1000.0),
        ("davmux_mount_up{mount=\"/b\"}", 1.0),
        ("davmux_mount_up{mount=\"/l\"}", 1.0),
        ("davmux_locks", 1.0),
        ("davmux_relays_running", 0.0),
        ("davmux_relays_refused_total", 0.0),
        ("davmux_relays_let_go_total", 0.0),
        ("davmux_multipart_aborted_total{mount=\"/b\"}", 0.0),
        ("davmux_build_info{version=\"0.1.0\"}", 1.0),
    ] {
        assert_eq!(metrics.get(series), value, "{series}\n{}", metrics.text);
    }
    let calls: f64 =
        metrics.series.iter().filter(|(name, _)| name.starts_with("davmux_s3_requests_total")).map(|(_, n)| n).sum();
    assert_eq!(calls, s3.recorder().total() as f64, "each call that arrived is counted, and no other");
    assert!(metrics.get("davmux_bytes_total{direction=\"in\",path=\"other\"}") >= 301.0 * 1024.0);
    assert!(metrics.series.keys().any(|name| name.starts_with("davmux_auth_failures_total{cause=\"wrong")));
    assert!(metrics.get("process_resident_memory_bytes") > 1e6);

    assert_eq!(davmux.administer("POST /metrics").await.0, 405);
}

#[tokio::test]
async fn no_label_is_a_path_a_user_or_a_user_agent_and_a_client_makes_no_series() {
    let dir = tempfile::tempdir().unwrap();
    let davmux = Davmux::serve_file(&file(&local("/l", dir.path()))).await;
    davmux.put("/l/a-secret-name", "x").await;
    davmux.get("/l/a-secret-name").await;
    until(&davmux, |metrics| metrics.text.contains("method=\"GET\",code=\"200\"")).await;
    let counted = |metrics: &Metrics| metrics.series.len();
    // The first of each kind may make a series.
    for path in ["/l/none", "/other"] {
        davmux.send("BREW", path, &[("User-Agent", "an-agent/1")], "").await;
        davmux.get(path).await;
    }
    let seen = |count: f64| {
        move |metrics: &Metrics| {
            metrics.series.get("davmux_http_requests_total{method=\"GET\",code=\"404\"}") == Some(&count)
        }
    };
    let before = until(&davmux, seen(2.0)).await;
    for n in 0..50 {
        let (path, agent) = (format!("/l/none-{n}"), format!("agent/{n}"));
        davmux.send(&format!("BREW{n}"), &path, &[("User-Agent", &agent)], "").await;
        davmux.send("GET", &path, &[("User-Agent", &agent)], "").await;
    }
    let after = until(&davmux, seen(52.0)).await;
    // The buckets of a histogram come all at once.
    assert_eq!(counted(&before), counted(&after), "{}", after.text);
    let names: BTreeSet<&str> =
        ["method", "code", "le", "mount", "op", "reason", "result", "direction", "path", "cause", "version", "limit"]
            .into();
    for (label, values) in after.labels() {
        assert!(names.contains(label.as_str()), "{label} is a label that nobody thought about");
        if label == "mount" {
            assert_eq!(values, BTreeSet::from(["/l".to_owned()]));
        }
        if label == "path" {
            assert_eq!(values, ["redirect", "relay", "other"].map(ToOwned::to_owned).into());
        }
    }
    for word in ["a-secret-name", "none", "agent", "alice-the-user", "BREW"] {
        let found = after.series.keys().any(|series| series.contains(word) && !series.contains("code=\"none\""));
        assert!(!found, "{word} is in\n{}", after.text);
    }
}

#[tokio::test]
async fn a_storage_that_is_down_is_told_with_its_error_and_its_age_and_comes_back() {
    let s3 = s3().await;
    let davmux = Davmux::serve_file(&file(&bucket("/b", &s3, &[]))).await;
    davmux.logged("the mount is ready").await;
    assert_eq!(davmux.administer("GET /readyz").await.0, 200);
    s3.faults().every("ListObjectsV2", Fault::AccessDenied);
    let told = async |wanted: u16| {
        let waiting = async {
            loop {
                // What a storage said is told again for five seconds.
                let (status, body) = davmux.administer("GET /readyz").await;
                if status == wanted {
                    return body;
                }
                tokio::time::sleep(std::time::Duration::from_millis(50)).await;
            }
        };
        tokio::time::timeout(PATIENCE, waiting).await.unwrap()
    };
    let body: serde_json::Value = serde_json::from_str(&told(503).await).unwrap();
    let mount = &body["mounts"][0];
    assert_eq!((&mount["path"], &mount["ready"]), (&"/b".into(), &false.into()));
    let error = mount["last_error"]["text"].as_str().unwrap();
    assert!(error.contains("AccessDenied"), "{error}");
    assert!(mount["last_error"]["age_s"].is_u64() && mount["age_s"].is_u64(), "{body}");
    for secret in [s3.secret_key(), s3.access_key(), "Signature"] {
        assert!(!error.contains(secret), "{error}");
    }
    let metrics = Metrics::of(&davmux).await;
    assert_eq!(metrics.get("davmux_mount_up{mount=\"/b\"}"), 0.0);
    assert!(metrics.get("davmux_mount_last_error_timestamp_seconds{mount=\"/b\"}") > 1.7e9);
    assert_eq!(davmux.administer("GET /healthz").await, (200, "ok\n".to_owned()), "the process itself is well");
    s3.faults().clear();
    let body: serde_json::Value = serde_json::from_str(&told(200).await).unwrap();
    assert_eq!(body["mounts"][0]["ready"], true);
    assert!(body["mounts"][0]["last_error"].is_object(), "what it was is still told");
    assert_eq!(Metrics::of(&davmux).await.get("davmux_mount_up{mount=\"/b\"}"), 1.0);
}

/// Words in a text that look like the name of a family.
fn names(text: &str) -> BTreeSet<String> {
    let words = text.split(|c: char| !(c.is_ascii_alphanumeric() || c == '_'));
    words.filter(|word| word.starts_with("davmux_") || word.starts_with("process_")).map(ToOwned::to_owned).collect()
}

#[tokio::test]
async fn the_dashboard_and_the_page_of_metrics_name_what_there_is() {
    let dir = tempfile::tempdir().unwrap();
    let davmux = Davmux::serve_file(&file(&local("/l", dir.path()))).await;
    let metrics = Metrics::of(&davmux).await;
    let exists = |name: &str| {
        let family = ["_bucket", "_sum", "_count"].iter().find_map(|suffix| name.strip_suffix(suffix)).unwrap_or(name);
        metrics.kinds.contains_key(name) || metrics.kinds.get(family).is_some_and(|kind| kind == "histogram")
    };
    let read =
        |name: &str| std::fs::read_to_string(format!("{}/../../docs/{name}", env!("CARGO_MANIFEST_DIR"))).unwrap();
    let page = read("operations.md");
    let (_, section) = page.split_once("\n## Metrics\n").expect("docs/operations.md has a section Metrics");
    let section = section.split("\n## ").next().unwrap();
    let documented = names(section);
    for name in metrics.kinds.keys() {
        assert!(documented.contains(name), "{name} is not in docs/operations.md");
    }
    for name in &documented {
        assert!(exists(name), "docs/operations.md names {name}, which is not there");
    }
    let dashboard: serde_json::Value = serde_json::from_str(&read("grafana-dashboard.json")).unwrap();
    let queries: Vec<&str> = dashboard["panels"]
        .as_array()
        .unwrap()
        .iter()
        .flat_map(|panel| panel["targets"].as_array().into_iter().flatten())
        .map(|target| target["expr"].as_str().unwrap())
        .collect();
    assert!(queries.len() > 10, "{queries:?}");
    for query in queries {
        let named = names(query);
        assert!(!named.is_empty(), "{query} asks for nothing");
        for name in named {
            assert!(exists(&name), "the dashboard asks for {name}, which is not there: {query}");
        }
    }
}
