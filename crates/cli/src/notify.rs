//! What systemd is told of this process (`sd_notify(3)`): that it serves, reloads, stops. Without `NOTIFY_SOCKET` nothing.

use std::time::Duration;

use sd_notify::NotifyState;

/// It serves; also what ends a reload, whether it succeeded or not. `status` is what `systemctl status` shows.
pub(crate) fn ready(status: &str) {
    say(&[NotifyState::Ready, NotifyState::Status(status)]);
}

/// A reload begins. [`ready`] ends it.
pub(crate) fn reloading() {
    // Without the time systemd (`Type=notify-reload`) would not know which reload this is.
    match NotifyState::monotonic_usec_now() {
        Ok(now) => say(&[NotifyState::Reloading, now]),
        Err(error) => {
            tracing::warn!(%error, "systemd cannot be told of the reload: this system has no monotonic clock")
        }
    }
}

/// It stops, and ends the requests in flight.
pub(crate) fn stopping(status: &str) {
    say(&[NotifyState::Stopping, NotifyState::Status(status)]);
}

/// Tells systemd again and again that this runtime still runs tasks, where `WatchdogSec=` asks for that. Ends with the
/// runtime.
pub(crate) fn watched() {
    let Some(patience) = sd_notify::watchdog_enabled().filter(|patience| *patience >= Duration::from_millis(2)) else {
        return;
    };
    tokio::spawn(async move {
        let mut beats = tokio::time::interval(patience / 2);
        loop {
            beats.tick().await;
            say(&[NotifyState::Watchdog]);
        }
    });
}

fn say(states: &[NotifyState<'_>]) {
    if let Err(error) = sd_notify::notify(states) {
        tracing::warn!(%error, "systemd cannot be told of this process's state");
    }
}
