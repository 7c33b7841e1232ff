//! `davmux cors`: the CORS rules of a bucket, shown, and with the one added that lets pages read and write over links.

use std::fmt::Write as _;
use std::io::{IsTerminal as _, Write as _};
use std::pin::pin;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::Context as _;
use davmux_config::Config;
use davmux_driver::{CorsRule, Error, ErrorKind};
use davmux_tree::TreePath;
use serde_json::{Value, json};

use crate::args::{Cors, OfMount};

/// How long nothing is said of work that goes on.
const PATIENCE: Duration = Duration::from_secs(1);

/// Does one of the two.
pub(crate) async fn cors(what: Cors) -> anyhow::Result<ExitCode> {
    match what {
        Cors::Show { bucket } => show(bucket).await,
        Cors::Apply { bucket, origin, dry_run } => apply(bucket, &origin, dry_run).await,
    }
}

async fn show(OfMount { file, mount, json }: OfMount) -> anyhow::Result<ExitCode> {
    let admin = Config::load(&file)?.administered(&mount).await?;
    let rules = asked(&mount, admin.cors()).await.with_context(|| format!("the mount {mount}"))?;
    let out = match (json, rules.as_slice()) {
        (true, rules) => line(&json!({ "mount": mount.to_string(), "rules": values(rules) })),
        (false, []) => format!("{mount} has no CORS rules\n"),
        (false, rules) => rules.iter().map(|rule| text(rule, "")).collect(),
    };
    print(&out)?;
    Ok(ExitCode::SUCCESS)
}

async fn apply(OfMount { file, mount, json }: OfMount, origins: &[String], dry_run: bool) -> anyhow::Result<ExitCode> {
    let admin = Config::load(&file)?.administered(&mount).await?;
    let Some(rule) = admin.cors_rule(origins) else {
        anyhow::bail!("the mount {mount}: a storage of this kind has no CORS rules");
    };
    let work = async {
        let before = admin.cors().await?;
        let after = rule.clone().added_to(&before);
        if let (Some(after), false) = (&after, dry_run) {
            admin.set_cors(&before, after).await?;
        }
        Ok::<_, Error>((before, after))
    };
    let (before, after) = match asked(&mount, work).await {
        Err(error) if error.kind() == ErrorKind::Unsupported => return by_hand(&mount, &error, &rule, json),
        answer => answer.with_context(|| format!("the mount {mount}"))?,
    };
    let is_new = after.is_some();
    let after = after.unwrap_or_else(|| before.clone());
    let out = if json {
        let changed = is_new && !dry_run;
        let (before, after) = (values(&before), values(&after));
        line(&json!({
            "mount": mount.to_string(), "changed": changed, "dry_run": dry_run, "before": before, "after": after,
        }))
    } else {
        let end = match (is_new, dry_run) {
            (false, _) => "has the rule already: nothing to change",
            (true, true) => "would be changed so; nothing was done (--dry-run)",
            (true, false) => "is changed so",
        };
        format!("{}{mount} {end}\n", difference(&before, &after))
    };
    print(&out)?;
    Ok(ExitCode::SUCCESS)
}

/// What a person has to do, where there is no way to do it from here.
fn by_hand(mount: &TreePath, error: &Error, rule: &CorsRule, json: bool) -> anyhow::Result<ExitCode> {
    let how = error.detail().unwrap_or("set it where the bucket is administered");
    if json {
        print(&line(&json!({ "mount": mount.to_string(), "changed": false, "by_hand": how, "rule": value(rule) })))?;
    } else {
        print(&text(rule, ""))?;
        eprintln!("davmux: the rule of the mount {mount} cannot be set from here: {how}");
    }
    Ok(ExitCode::FAILURE)
}

/// Awaits the storage's answer. A person at a terminal gets to know when that takes long.
async fn asked<T>(mount: &TreePath, work: impl Future<Output = T>) -> T {
    let mut work = pin!(work);
    if std::io::stderr().is_terminal() {
        match tokio::time::timeout(PATIENCE, &mut work).await {
            Ok(answer) => return answer,
            Err(_) => eprintln!("asking the storage of {mount} ..."),
        }
    }
    work.await
}

fn print(text: &str) -> std::io::Result<()> {
    std::io::stdout().write_all(text.as_bytes())
}

fn line(value: &Value) -> String {
    format!("{value}\n")
}

fn values(rules: &[CorsRule]) -> Vec<Value> {
    rules.iter().map(value).collect()
}

fn value(rule: &CorsRule) -> Value {
    json!({
        "name": rule.name,
        "origins": rule.origins,
        "operations": rule.operations,
        "headers": rule.headers,
        "exposed": rule.exposed,
        "max_age": rule.max_age,
    })
}

/// A rule for people, each line behind `mark`.
fn text(rule: &CorsRule, mark: &str) -> String {
    let list = |texts: &[String]| if texts.is_empty() { "none".to_owned() } else { texts.join(" ") };
    let age = rule.max_age.map_or_else(|| "not said".to_owned(), |seconds| format!("{seconds} s"));
    let mut out = format!("{mark}rule {}\n", rule.name.as_deref().unwrap_or("without a name"));
    for (what, value) in [
        ("origins", list(&rule.origins)),
        ("operations", list(&rule.operations)),
        ("headers", list(&rule.headers)),
        ("exposed", list(&rule.exposed)),
        ("max age", age),
    ] {
        let _ = writeln!(out, "{mark}  {what:<11}{value}");
    }
    out
}

/// What goes (`-`) and what comes (`+`), line by line of each rule that is not the same before and after.
fn difference(before: &[CorsRule], after: &[CorsRule]) -> String {
    let gone = before.iter().filter(|rule| !after.contains(rule)).map(|rule| text(rule, "- "));
    let come = after.iter().filter(|rule| !before.contains(rule)).map(|rule| text(rule, "+ "));
    gone.chain(come).collect()
}
