//! What is counted of each mount, for the administrator's metrics.
//!
//! The numbers belong to a path of the tree and not to the mount that stands there at the moment: a reload that makes the
//! mount anew goes on counting. Those of a mount that went stay as they are until the process ends.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::SystemTime;

use davmux_driver::{Calls, Op};
use davmux_metrics::{Counter, Each, Label as _, Page};

use crate::redirect::Reason;
use crate::{Decision, Tree, TreePath};

davmux_metrics::label! {
    /// Where a listing came from.
    pub enum Listed: "result" {
        /// From memory.
        Hit = "hit",
        /// From the storage.
        Miss = "miss",
        /// From a load that was under way for somebody else.
        Joined = "joined",
        /// From the storage, since the mount's `list_cache` is 0.
        Off = "off",
    }
}

/// The numbers of one mount.
#[derive(Debug, Default)]
pub struct MountMetrics {
    /// The calls to its storage.
    pub calls: Calls,
    redirects: Each<Reason, Counter>,
    relays: Each<Reason, Counter>,
    listings: Each<Listed, Counter>,
}

impl MountMetrics {
    pub(crate) fn opened(&self, decision: Decision) {
        let counters = if decision.redirect { &self.redirects } else { &self.relays };
        counters[decision.reason].inc();
    }

    pub(crate) fn listed(&self, listed: Listed) {
        self.listings[listed].inc();
    }
}

/// The numbers of all mounts that there were since the process began. Outlives trees.
#[derive(Debug, Default)]
pub struct Metrics(Mutex<BTreeMap<String, Arc<MountMetrics>>>);

impl Metrics {
    /// Those of the mount at a path.
    pub fn of(&self, mount: &TreePath) -> Arc<MountMetrics> {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        Arc::clone(all.entry(mount.to_string()).or_default())
    }

    /// Writes them all, and how the mounts of this tree are. Asks no storage.
    pub fn write(&self, tree: &Tree, page: &mut Page) {
        let all = self.0.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let mut up =
            page.gauges("davmux_mount_up", "Whether the storage answered when it was last asked for anything.");
        for mount in tree.mounts() {
            up.with("mount", &mount.path().to_string()).value(i64::from(!mount.is_in_trouble()));
        }
        let mut failed = page.gauges(
            "davmux_mount_last_error_timestamp_seconds",
            "When the storage last was in trouble, in seconds since 1970; no series while it never was.",
        );
        for mount in tree.mounts() {
            let Some((_, at)) = mount.last_error() else { continue };
            let then = SystemTime::now()
                .checked_sub(at.elapsed())
                .and_then(|at| at.duration_since(SystemTime::UNIX_EPOCH).ok());
            failed.with("mount", &mount.path().to_string()).value(then.unwrap_or_default().as_secs());
        }
        let mut calls = page.counters(
            "davmux_s3_requests",
            "Calls sent to the storage, each attempt by itself; code none: no answer came.",
        );
        for (mount, metrics) in &all {
            let mut calls = calls.with("mount", mount);
            for (op, answers) in metrics.calls.answers().iter() {
                calls.with(Op::NAME, op.as_str()).each_counted(answers);
            }
        }
        let mut durations =
            page.histograms("davmux_s3_request_duration_seconds", "Time to the head of the storage's answer.");
        for (mount, metrics) in &all {
            let mut durations = durations.with("mount", mount);
            for (op, histogram) in metrics.calls.durations().iter() {
                durations.with(Op::NAME, op.as_str()).histogram(histogram);
            }
        }
        let mut aborted = page.counters("davmux_multipart_aborted", "Multipart uploads that were taken back.");
        for (mount, metrics) in &all {
            let answers = metrics.calls.answers()[Op::AbortMultipartUpload].iter();
            let done = answers.filter(|(code, _)| code.is_success()).map(|(_, counter)| counter.get());
            aborted.with("mount", mount).value(done.sum::<u64>());
        }
        let mut redirects = page.counters("davmux_redirects", "GETs that were answered with a link, and why.");
        for (mount, metrics) in &all {
            redirects.with("mount", mount).each_counted(&metrics.redirects);
        }
        let mut relays = page.counters("davmux_relays", "GETs whose bytes went through this server, and why.");
        for (mount, metrics) in &all {
            relays.with("mount", mount).each_counted(&metrics.relays);
        }
        let mut listings = page.counters("davmux_list_cache_events", "Listings of folders, and where they came from.");
        for (mount, metrics) in &all {
            listings.with("mount", mount).each(&metrics.listings);
        }
    }
}
