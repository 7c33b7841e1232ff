//! The figures of docs/performance.md: `cargo bench -p davmux --bench figures [-- WORD...]` runs those whose name holds
//! a word. The real binary as a process of its own, the S3 server in this one, 20 ms added to each S3 round trip where it
//! says so. With `RCLONE=/path/to/rclone` the same is done through `rclone serve webdav` in the same run, and the ratio is
//! printed. Machines are noisy: ratios, calls, CPU time and memory are worth more than seconds.
#![allow(clippy::unwrap_used, clippy::expect_used, missing_docs, unreachable_pub)]

#[path = "../support.rs"]
#[allow(dead_code, reason = "shared with the end-to-end tests")]
mod support;

mod crowd;
mod load;
mod peer;

use std::time::{Duration, Instant};

use davmux_s3_server::{Folder, Running, Server};

use support::{Davmux, bucket};

const LATENCY: Duration = Duration::from_millis(20);

/// What `/proc` says of a process.
pub(crate) struct Process(pub(crate) u32);

impl Process {
    fn status(&self, field: &str) -> u64 {
        self.status_kb(field) / 1024
    }

    fn status_kb(&self, field: &str) -> u64 {
        let text = std::fs::read_to_string(format!("/proc/{}/status", self.0)).unwrap();
        let line = text.lines().find(|line| line.starts_with(field)).unwrap();
        line.split_whitespace().nth(1).unwrap().parse().unwrap()
    }

    /// Resident memory now, in MB.
    pub(crate) fn memory(&self) -> u64 {
        self.status("VmRSS:")
    }

    /// The same in KB.
    pub(crate) fn memory_kb(&self) -> u64 {
        self.status_kb("VmRSS:")
    }

    /// Peak of resident memory since the last [`forget_peak`](Self::forget_peak), in MB.
    pub(crate) fn peak(&self) -> u64 {
        self.status("VmHWM:")
    }

    pub(crate) fn forget_peak(&self) {
        std::fs::write(format!("/proc/{}/clear_refs", self.0), "5").unwrap();
    }

    /// CPU time so far, in seconds.
    pub(crate) fn cpu(&self) -> f64 {
        let text = std::fs::read_to_string(format!("/proc/{}/stat", self.0)).unwrap();
        let fields: Vec<&str> = text.rsplit(')').next().unwrap().split_whitespace().collect();
        (fields[11].parse::<f64>().unwrap() + fields[12].parse::<f64>().unwrap()) / 100.0
    }
}

struct Bench {
    s3: Running,
    davmux: Davmux,
    _data: tempfile::TempDir,
}

impl Bench {
    async fn new(latency: Duration, options: &[&str]) -> Self {
        let data = tempfile::tempdir().unwrap();
        let store = Folder::open(data.path()).unwrap();
        let s3 = Server::builder().store(store).bucket("bucket").latency(latency).start().await.unwrap();
        let davmux = Davmux::serve(&bucket("/b", &s3, options)).await;
        davmux.logged("the mount is ready").await;
        Self { s3, davmux, _data: data }
    }

    async fn fresh(&self, options: &[&str]) -> Davmux {
        let davmux = Davmux::serve(&bucket("/b", &self.s3, options)).await;
        davmux.logged("the mount is ready").await;
        self.s3.recorder().reset();
        davmux
    }

    fn process(&self) -> Process {
        Process(self.davmux.id())
    }
}

async fn timed<T>(label: &str, s3: &Running, work: impl Future<Output = T>) -> (T, f64) {
    s3.recorder().reset();
    let begin = Instant::now();
    let value = work.await;
    let seconds = begin.elapsed().as_secs_f64();
    println!("{label:<52} {seconds:>8.3} s  {:>6} S3 calls", s3.recorder().total());
    (value, seconds)
}

/// Files made through davmux without the added latency.
async fn fill(bench: &Bench, folder: &str, names: impl Iterator<Item = String>) {
    use futures_util::StreamExt;
    bench.s3.faults().latency(Duration::ZERO);
    bench.davmux.send("MKCOL", folder, &[], "").await;
    futures_util::stream::iter(names)
        .for_each_concurrent(8, |name| async move {
            let status = bench.davmux.put(&format!("{folder}{name}"), "some content").await;
            assert!(status.is_success(), "{status}");
        })
        .await;
    bench.s3.faults().latency(LATENCY);
}

async fn listing() {
    let bench = Bench::new(LATENCY, &[]).await;
    fill(&bench, "/b/big/", (0..10_000).map(|n| format!("file-{n:05}"))).await;
    let davmux = bench.fresh(&[]).await;
    let process = Process(davmux.id());
    let (listed, _) = timed("PROPFIND depth 1, 10,000 files, cold", &bench.s3, davmux.propfind("/b/big/", "1")).await;
    assert_eq!(listed.hrefs().len(), 10_001);
    timed("the same again", &bench.s3, davmux.propfind("/b/big/", "1")).await;
    let before = process.cpu();
    for _ in 0..10 {
        davmux.propfind("/b/big/", "1").await;
    }
    println!("{:<52} {:>8.3} s of CPU", "a cached listing of 10,000 entries", (process.cpu() - before) / 10.0);
    peer::listing(&bench.s3).await;
}

async fn small() {
    let bench = Bench::new(LATENCY, &[]).await;
    fill(&bench, "/b/few/", (0..10).map(|n| format!("file-{n}"))).await;
    let davmux = bench.fresh(&[]).await;
    timed("PROPFIND depth 0 of a file, cold", &bench.s3, davmux.propfind("/b/few/file-1", "0")).await;
    timed("GET relayed, folder not listed before", &bench.s3, davmux.get("/b/few/file-2")).await;
    timed("GET of a missing file", &bench.s3, davmux.get("/b/few/missing")).await;
    davmux.propfind("/b/few/", "1").await;
    timed("PUT of 100 bytes into a listed folder", &bench.s3, davmux.put("/b/few/new", vec![1; 100])).await;
    timed("PUT of 100 MB", &bench.s3, davmux.put("/b/few/large", vec![1; 100_000_000])).await;
    timed("MKCOL in a listed folder", &bench.s3, davmux.send("MKCOL", "/b/few/sub", &[], "")).await;
    timed("DELETE of one file", &bench.s3, davmux.send("DELETE", "/b/few/file-3", &[], "")).await;
}

async fn deep() {
    let bench = Bench::new(LATENCY, &[]).await;
    for folder in 0..20 {
        if folder == 0 {
            fill(&bench, "/b/deep/", std::iter::empty()).await;
        }
        fill(&bench, &format!("/b/deep/{folder:02}/"), (0..50).map(|n| format!("file-{n:02}"))).await;
    }
    let davmux = bench.fresh(&[]).await;
    timed("COPY of a folder, 1,000 files in 20 folders", &bench.s3, davmux.to("COPY", "/b/deep/", "/b/copy/")).await;
    timed("MOVE of the same", &bench.s3, davmux.to("MOVE", "/b/copy/", "/b/moved/")).await;
    timed("DELETE of the same", &bench.s3, davmux.send("DELETE", "/b/moved/", &[], "")).await;
}

async fn memory() {
    const SIZE: u64 = 2_000_000_000;
    let bench = Bench::new(Duration::ZERO, &["read: relay"]).await;
    let process = bench.process();
    bench.davmux.propfind("/b/", "1").await;
    let idle = process.memory();
    process.forget_peak();
    let before = process.cpu();
    load::upload(&bench.davmux.addr, "/b/two-gigabytes", SIZE).await;
    println!(
        "PUT of 2 GB: peak {} MB over {idle} MB idle, {:.2} CPU-seconds a GB",
        process.peak() - idle,
        (process.cpu() - before) / 2.0
    );
    let idle = process.memory();
    process.forget_peak();
    let before = process.cpu();
    assert_eq!(load::download(&bench.davmux.addr, "/b/two-gigabytes").await, SIZE);
    println!(
        "GET of 2 GB, relayed: peak {} MB over {idle} MB, {:.2} CPU-seconds a GB",
        process.peak().saturating_sub(idle),
        (process.cpu() - before) / 2.0
    );
}

async fn huge() {
    let bench = Bench::new(Duration::ZERO, &[]).await;
    fill(&bench, "/b/huge/", (0..100_000).map(|n| format!("file-{n:06}"))).await;
    bench.s3.faults().latency(Duration::ZERO);
    let davmux = bench.fresh(&[]).await;
    let process = Process(davmux.id());
    let (length, _) = timed("PROPFIND of 100,000 entries", &bench.s3, load::propfind(&davmux.addr, "/b/huge/")).await;
    println!("  {} MB of XML, peak memory {} MB", length / 1_000_000, process.peak());
}

async fn redirects() {
    let bench = Bench::new(Duration::ZERO, &[]).await;
    bench.davmux.put("/b/film", vec![1; 1024 * 1024]).await;
    let mut costs = Vec::new();
    // u:p
    for (who, access, login) in [
        ("a user", "users:\n  - { name: u, password: p, access: read-write }", "Authorization: Basic dTpw\r\n"),
        ("nobody", "server: { anonymous: read-write }", ""),
    ] {
        let file = format!("version: 1\n{access}\nmounts:\n{}", bucket("/b", &bench.s3, &[]));
        let davmux = Davmux::serve_quietly(&file).await;
        load::redirects(&davmux.addr, login, Duration::from_secs(1)).await;
        bench.s3.recorder().reset();
        let process = Process(davmux.id());
        let before = process.cpu();
        let count = load::redirects(&davmux.addr, login, Duration::from_secs(5)).await;
        let cost = (process.cpu() - before) * 1e6 / count as f64;
        println!(
            "redirects from memory, to {who}, with an access log in a file: {} a second, {cost:.1} µs of CPU each, {} S3 calls",
            count / 5,
            bench.s3.recorder().total()
        );
        costs.push(cost);
    }
    println!("a login after the first adds {:.1} µs of CPU to a request", costs[0] - costs[1]);
}

fn main() {
    let words: Vec<String> = std::env::args().skip(1).filter(|word| !word.starts_with("--")).collect();
    let wanted = |name: &str| words.is_empty() || words.iter().any(|word| name.contains(word.as_str()));
    println!("{} cores", std::thread::available_parallelism().unwrap());
    let runtime = tokio::runtime::Runtime::new().unwrap();
    runtime.block_on(async {
        for (name, figure) in [
            ("listing", Box::pin(listing()) as std::pin::Pin<Box<dyn Future<Output = ()>>>),
            ("small", Box::pin(small())),
            ("deep", Box::pin(deep())),
            ("memory", Box::pin(memory())),
            ("huge", Box::pin(huge())),
            ("redirects", Box::pin(redirects())),
            ("crowd: slow readers", Box::pin(crowd::slow_readers())),
            ("crowd: idle", Box::pin(crowd::idle())),
            ("crowd: slowloris", Box::pin(crowd::slowloris())),
        ] {
            if wanted(name) {
                println!("-- {name}");
                figure.await;
            }
        }
    });
}
