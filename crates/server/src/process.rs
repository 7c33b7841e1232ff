//! What the system tells of this process, under the names that all Prometheus clients use
//! (prometheus.io/docs/instrumenting/writing_clientlibs, "Process metrics").

use std::fs;

use davmux_metrics::Page;

/// Ticks of `/proc` in a second: USER_HZ, which is 100 for programs on all of Linux but alpha and ia64.
const TICKS: f64 = 100.0;
/// A page of memory in `/proc/self/status`.
const KIB: u64 = 1024;

/// Reads `/proc`; where there is none, nothing is written. It waits for the kernel, so it is not for the runtime's threads.
pub(crate) fn write(page: &mut Page) {
    if let Some(seconds) = cpu_seconds() {
        page.counters("process_cpu_seconds", "CPU time, of the system for it too.").value(seconds);
    }
    if let Some(status) = fs::read_to_string("/proc/self/status").ok().as_deref() {
        if let Some(kib) = field(status, "VmRSS:") {
            page.gauges("process_resident_memory_bytes", "Memory in use.").value(kib * KIB);
        }
        if let Some(threads) = field(status, "Threads:") {
            page.gauges("process_threads", "Threads.").value(threads);
        }
    }
    if let Ok(open) = fs::read_dir("/proc/self/fd") {
        // The one that reads them is among them.
        let count = (open.count() as u64).saturating_sub(1);
        page.gauges("process_open_fds", "Open file descriptors, sockets among them.").value(count);
    }
    if let Some(most) =
        fs::read_to_string("/proc/self/limits").ok().as_deref().and_then(|all| field(all, "Max open files"))
    {
        page.gauges("process_max_fds", "How many file descriptors may be open.").value(most);
    }
}

/// `utime` and `stime` of proc_pid_stat(5). The name before them may hold spaces and parentheses.
fn cpu_seconds() -> Option<f64> {
    let stat = fs::read_to_string("/proc/self/stat").ok()?;
    let mut fields = stat.rsplit_once(')')?.1.split_ascii_whitespace().skip(11);
    let ticks = fields.next()?.parse::<u64>().ok()?.checked_add(fields.next()?.parse().ok()?)?;
    Some(ticks as f64 / TICKS)
}

/// The number behind a name at the beginning of a line.
fn field(text: &str, name: &str) -> Option<u64> {
    text.lines().find_map(|line| line.strip_prefix(name)?.split_ascii_whitespace().next()?.parse().ok())
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use super::*;

    #[test]
    fn the_system_tells_all_of_it() {
        let mut page = Page::default();
        write(&mut page);
        let text = page.finish().unwrap();
        for name in ["cpu_seconds_total", "resident_memory_bytes", "threads", "open_fds", "max_fds"] {
            let value = text.lines().find_map(|line| line.strip_prefix(&format!("process_{name} ")));
            assert!(value.is_some_and(|value| value.parse::<f64>().is_ok()), "{name}: {text}");
        }
    }
}
