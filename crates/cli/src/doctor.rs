//! `davmux doctor`: what works and what does not, asked of each mount's storage over the network.

use std::io::{IsTerminal as _, Write as _};
use std::net::{IpAddr, Ipv4Addr};
use std::path::Path;
use std::process::ExitCode;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, SystemTime};

use anyhow::Context as _;
use davmux_config::{Config, Mount};
use davmux_driver::{
    Administered, Entry, ErrorKind, Finding, LinkRequest, Native, Outcome, RelPath, Report, UploadInProgress,
};
use davmux_proxy::{BaseUrl, Knock, knock};
use davmux_tree::{Requester, TreePath, foresee};
use futures_util::TryStreamExt as _;
use serde_json::{Value, json};

use crate::args::DoctorArgs;
use crate::index;

/// Uploads in progress that are shown; further ones are counted.
const SHOWN: usize = 50;

/// Clients that people use, by how they name themselves.
const CLIENTS: [(&str, &str); 8] = [
    ("Finder", "WebDAVFS/3.0.0 (03008000) Darwin/24.0.0 (arm64)"),
    ("Explorer", "Microsoft-WebDAV-MiniRedir/10.0.22631"),
    ("rclone", "rclone/v1.75.1"),
    ("davfs2", "davfs2/1.6.1 neon/0.32.2"),
    ("Kodi", "Kodi/21.0 (Linux; x86_64)"),
    ("VLC", "VLC/3.0.21 LibVLC/3.0.21"),
    ("curl", "curl/8.5.0"),
    ("others", ""),
];

/// Looks at one mount, or at all of them.
pub(crate) async fn doctor(args: DoctorArgs) -> anyhow::Result<ExitCode> {
    let config = Config::load(&args.file)?;
    for warning in config.warnings() {
        eprintln!("warning: {warning}");
    }
    let mounts: Vec<&Mount> = match &args.mount {
        Some(path) => vec![config.mount(path)?],
        None => config.mounts.iter().collect(),
    };
    if !args.abort.is_empty() {
        return abort(&config, mounts, &args.abort).await;
    }
    if args.index {
        return index::index(&config, mounts, &args).await;
    }
    let stop = Stop::at_interrupt()?;
    let mut good = true;
    let mut results = Vec::new();
    for mount in mounts {
        let paper = Paper::new(args.json, stop);
        paper.heading(&mount.path);
        examine(&config, mount, &paper).await;
        let findings = paper.into_findings();
        good &= findings.iter().all(|finding| finding.outcome != Outcome::Fails);
        if args.json {
            results.push(json!({ "mount": mount.path.to_string(), "findings": values(&findings) }));
        } else {
            lines_to_write(&args.file, mount, &findings)?;
        }
        if stop.is_set() {
            // What was not looked at is not good.
            good = false;
            break;
        }
    }
    if args.json {
        writeln!(std::io::stdout(), "{}", json!({ "ok": good, "mounts": results }))?;
    }
    Ok(if good { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

async fn examine(config: &Config, mount: &Mount, paper: &Paper) {
    let storage = match config.administered(&mount.path).await {
        Ok(storage) => storage,
        Err(error) => {
            paper.found(Finding::fails("mount", format!("{:#}", anyhow::Error::from(error))));
            return;
        }
    };
    if storage.probe(!mount.options.read_only, paper).await && !paper.is_stopped() {
        uploads(&*storage, paper).await;
        clients(config, mount, &*storage, paper).await;
    }
    if let Some(proxy) = mount.proxy_url.as_ref().filter(|_| !paper.is_stopped()) {
        download_proxy(proxy, paper).await;
    }
}

/// The uploads in progress, whoever began them.
async fn uploads(storage: &dyn Administered, paper: &Paper) {
    const TOPIC: &str = "uploads in progress";
    let pages = match storage.uploads() {
        Ok(pages) => pages,
        Err(error) if error.kind() == ErrorKind::Unsupported => return,
        Err(error) => return paper.found(Finding::skipped(TOPIC, error)),
    };
    paper.begins(TOPIC);
    let uploads: Vec<UploadInProgress> = match pages.try_collect::<Vec<_>>().await {
        Ok(pages) => pages.into_iter().flatten().collect(),
        Err(error) => {
            return paper.found(Finding::notice(TOPIC, format!("they cannot be listed: {}", chain(error))));
        }
    };
    if uploads.is_empty() {
        return paper.found(Finding::works(TOPIC, "none"));
    }
    let mut seen = format!("{} below this mount, of this or another program:", uploads.len());
    for upload in uploads.iter().take(SHOWN) {
        let age = upload.started.and_then(|started| SystemTime::now().duration_since(started).ok());
        let age = age.map_or_else(|| "of unknown age".to_owned(), |age| format!("{} old", age_of(age)));
        let size = match storage.upload_size(upload).await {
            Ok(size) => format!("{:.1} MiB", size as f64 / f64::from(1 << 20)),
            Err(_) => "of unknown size".to_owned(),
        };
        seen.push_str(&format!("\n    {} {age}, {size}, id {}", upload.key, upload.id));
    }
    if uploads.len() > SHOWN {
        seen.push_str(&format!("\n    and {} more", uploads.len() - SHOWN));
    }
    paper.found(Finding::notice(TOPIC, seen).advise(
        "they take up room until they are completed or removed; `davmux doctor --abort ID` removes the named one",
    ));
}

fn age_of(age: Duration) -> String {
    match age.as_secs() {
        seconds if seconds < 120 => format!("{seconds} s"),
        seconds if seconds < 7200 => format!("{} min", seconds / 60),
        seconds if seconds < 172_800 => format!("{} h", seconds / 3600),
        seconds => format!("{} days", seconds / 86_400),
    }
}

/// Whether the download proxy is there.
async fn download_proxy(proxy: &BaseUrl, paper: &Paper) {
    const TOPIC: &str = "download proxy";
    const START: &str = "start `davmux proxy` there, or put `proxy_url` right (docs/download-proxy.md); until then the reads of those \
                         who are redirected fail, and `read: relay` serves them from here";
    paper.begins(TOPIC);
    paper.found(match knock(proxy).await {
        Ok(Knock::Refused) => Finding::works(TOPIC, format!("{proxy} answers, and refuses a wrong signature")),
        Ok(Knock::Opened) => {
            let seen = format!(
                "{proxy} answers a wrong signature with 200: it is no download proxy, or gives out to everybody"
            );
            Finding::fails(TOPIC, seen).advise(START)
        }
        Ok(Knock::Strange(status)) => {
            let seen = format!("{proxy} answers a wrong signature with {status}, and a download proxy with 401 or 403");
            Finding::fails(TOPIC, seen).advise(START)
        }
        Err(why) => Finding::fails(TOPIC, format!("{proxy} does not answer this machine: {why}")).advise(START),
    });
}

/// Who would be redirected, to the bucket or the download proxy, and who would get the bytes from here.
async fn clients(config: &Config, mount: &Mount, storage: &dyn Administered, paper: &Paper) {
    const TOPIC: &str = "redirects";
    let Ok(file) = RelPath::root().child("film.mkv").map(|path| Entry::file(path, 1 << 30)) else { return };
    let request = LinkRequest { valid_for: mount.options.link_life, content_type: None };
    let link = match storage.link(&file, request).await {
        Ok(Native::Done(link)) => link,
        Ok(Native::Declined) => return paper.found(Finding::works(TOPIC, "everything is relayed: there are no links")),
        Err(error) => return paper.found(Finding::fails(TOPIC, format!("no link can be made: {}", chain(error)))),
    };
    let storage_host = link.url.host().unwrap_or_default().to_owned();
    let proxied = mount.options.proxy.as_ref();
    let proxied =
        proxied.and_then(|proxy| proxy.link(&mount.path.join(&file.path), SystemTime::now(), mount.options.link_life));
    let (link, hosts, key) = match proxied {
        Some(link) => {
            let hosts = format!(
                "links lead to the download proxy {}, which fetches from {storage_host}",
                link.url.authority().map_or("", |authority| authority.as_str())
            );
            (link, hosts, "proxy_url")
        }
        None => (link, format!("links name {storage_host}"), "custom_host"),
    };
    let networks = [
        ("this machine", IpAddr::from(Ipv4Addr::LOCALHOST)),
        ("a private network", IpAddr::from(Ipv4Addr::new(192, 168, 0, 10))),
        ("the internet", IpAddr::from(Ipv4Addr::new(198, 51, 100, 10))),
    ];
    let mut seen = format!("{hosts}. GET of a large file over http:");
    let mut anybody = false;
    for (from, peer) in networks {
        let mut redirected = Vec::new();
        let mut relayed: Vec<(&str, &str)> = Vec::new();
        for (name, user_agent) in CLIENTS {
            let who = Requester {
                user_agent,
                authorization: true,
                peer: Some(peer),
                host: Some("davmux"),
                ..Requester::default()
            };
            let decision = foresee(mount.options.read, &config.redirect_rules, &who, &link);
            if decision.redirect { redirected.push(name) } else { relayed.push((name, decision.reason.as_str())) }
        }
        anybody |= !redirected.is_empty();
        let list = |names: &[&str]| if names.is_empty() { "nobody".to_owned() } else { names.join(", ") };
        seen.push_str(&format!("\n    from {from}: redirected {}", list(&redirected)));
        let mut reasons: Vec<&str> = relayed.iter().map(|(_, reason)| *reason).collect();
        reasons.sort_unstable();
        reasons.dedup();
        for reason in reasons {
            let names: Vec<&str> = relayed.iter().filter(|(_, why)| *why == reason).map(|(name, _)| *name).collect();
            seen.push_str(&format!("; relayed {} ({reason})", list(&names)));
        }
    }
    if link.url.scheme_str() == Some("http") {
        seen.push_str("\n    a client that speaks https is never sent to this http host");
    }
    let finding = Finding::works(TOPIC, seen);
    paper.found(if anybody { finding } else { finding.advise(format!("`{key}` names a host that clients can reach")) });
}

async fn abort(config: &Config, mounts: Vec<&Mount>, ids: &[String]) -> anyhow::Result<ExitCode> {
    let mut left: Vec<&String> = ids.iter().collect();
    for mount in mounts {
        let storage = config.administered(&mount.path).await?;
        let Ok(mut pages) = storage.uploads() else { continue };
        let about = || format!("the mount {}", mount.path);
        while let Some(page) = pages.try_next().await.with_context(about)? {
            for upload in page.iter().filter(|upload| ids.contains(&upload.id)) {
                storage.abort(upload).await.with_context(about)?;
                writeln!(std::io::stdout(), "removed the upload {} of {}", upload.id, upload.key)?;
                left.retain(|id| **id != upload.id);
            }
        }
    }
    anyhow::ensure!(left.is_empty(), "there is no such upload below a mount: {left:?}");
    Ok(ExitCode::SUCCESS)
}

/// What to put into the file, as it would stand there.
fn lines_to_write(file: &Path, mount: &Mount, findings: &[Finding]) -> std::io::Result<()> {
    let mut lines: Vec<(&str, &str)> = Vec::new();
    for (key, value) in findings.iter().flat_map(|finding| &finding.write) {
        // The first finding that says something of a key stands.
        if !lines.iter().any(|(known, _)| known == key) {
            lines.push((key, value));
        }
    }
    let mut out = std::io::stdout().lock();
    if !lines.is_empty() {
        writeln!(out, "\nIn {}, the mount {} (line {}):", file.display(), mount.path, mount.at.line)?;
        for (key, value) in lines {
            writeln!(out, "    {key}: {value}")?;
        }
    }
    writeln!(out)
}

fn values(findings: &[Finding]) -> Vec<Value> {
    let value = |finding: &Finding| {
        let write: serde_json::Map<String, Value> =
            finding.write.iter().map(|(key, value)| ((*key).to_owned(), Value::from(value.as_str()))).collect();
        json!({
            "topic": finding.topic,
            "outcome": word(finding.outcome),
            "seen": finding.seen,
            "advice": finding.advice,
            "write": write,
        })
    };
    findings.iter().map(value).collect()
}

fn word(outcome: Outcome) -> &'static str {
    match outcome {
        Outcome::Works => "works",
        Outcome::Notice => "notice",
        Outcome::Fails => "fails",
        Outcome::Skipped => "skipped",
    }
}

fn chain(error: impl Into<anyhow::Error>) -> String {
    format!("{:#}", error.into())
}

/// Set by the first interrupt: then what was made is removed and the program ends.
#[derive(Clone, Copy)]
struct Stop(&'static AtomicBool);

impl Stop {
    fn at_interrupt() -> anyhow::Result<Self> {
        static STOP: AtomicBool = AtomicBool::new(false);
        use tokio::signal::unix::{SignalKind, signal};
        let mut interrupt = signal(SignalKind::interrupt()).context("SIGINT cannot be waited for")?;
        tokio::spawn(async move {
            interrupt.recv().await;
            eprintln!("stopping, and removing what was made for the look; once more to stop at once");
            STOP.store(true, Ordering::Relaxed);
            interrupt.recv().await;
            std::process::exit(1);
        });
        Ok(Self(&STOP))
    }

    fn is_set(self) -> bool {
        self.0.load(Ordering::Relaxed)
    }
}

/// What was found, shown while it comes.
struct Paper {
    quiet: bool,
    colour: bool,
    progress: bool,
    stop: Stop,
    findings: Mutex<Vec<Finding>>,
}

impl Paper {
    fn new(quiet: bool, stop: Stop) -> Self {
        let colour = std::io::stdout().is_terminal() && std::env::var_os("NO_COLOR").is_none();
        let progress = !quiet && std::io::stderr().is_terminal();
        Self { quiet, colour, progress, stop, findings: Mutex::default() }
    }

    fn heading(&self, path: &TreePath) {
        if !self.quiet {
            let _ = writeln!(std::io::stdout(), "{path}");
        }
    }

    fn into_findings(self) -> Vec<Finding> {
        self.findings.into_inner().unwrap_or_else(PoisonError::into_inner)
    }

    fn show(&self, finding: &Finding) {
        if self.progress {
            eprint!("\r\x1b[K");
        }
        let (mark, colour) = match finding.outcome {
            Outcome::Works => ("ok     ", "32"),
            Outcome::Notice => ("note   ", "33"),
            Outcome::Fails => ("FAILS  ", "31"),
            Outcome::Skipped => ("skipped", "2"),
        };
        let mark = if self.colour { format!("\x1b[{colour}m{mark}\x1b[0m") } else { mark.to_owned() };
        let _ = writeln!(std::io::stdout(), "  {mark} {}: {}", finding.topic, finding.seen);
        if let Some(advice) = &finding.advice {
            let _ = writeln!(std::io::stdout(), "          -> {advice}");
        }
    }
}

impl Report for Paper {
    fn begins(&self, topic: &'static str) {
        if self.progress {
            eprint!("\r\x1b[K  ... {topic}");
        }
    }

    fn found(&self, finding: Finding) {
        if !self.quiet {
            self.show(&finding);
        }
        self.findings.lock().unwrap_or_else(PoisonError::into_inner).push(finding);
    }

    fn is_stopped(&self) -> bool {
        self.stop.is_set()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_age_is_said_in_the_unit_that_fits() {
        let said = |seconds| age_of(Duration::from_secs(seconds));
        assert_eq!([said(5), said(600), said(10_000), said(900_000)], ["5 s", "10 min", "2 h", "10 days"]);
    }
}
