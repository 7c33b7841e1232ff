//! `limits` of `server`, and `bandwidth` of a mount

use std::num::NonZeroU64;
use std::time::Duration;

use davmux_tree::Bandwidth;

use crate::file::Limits;
use crate::keys;
use crate::units;
use crate::walk::{Section, Walk};

const DAY: Duration = Duration::from_secs(24 * 3600);
const KIB: u64 = 1024;

impl Default for Limits {
    fn default() -> Self {
        Self { server: davmux_server::Limits::default(), relays: 256, relay_timeout: Duration::from_secs(30) }
    }
}

pub(super) fn limits<'a>(walk: &'a Walk<'a>, server: &Section<'a>) -> Option<Limits> {
    let section = walk.section(&server.pair("limits")?.node, "limits", keys::LIMITS)?;
    let Limits { server: usual, relays, relay_timeout } = Limits::default();
    let server = davmux_server::Limits {
        connections: number(&section, "connections").or(usual.connections),
        connections_per_address: number(&section, "connections_per_address").unwrap_or(usual.connections_per_address),
        requests_per_user: number(&section, "requests_per_user").unwrap_or(usual.requests_per_user),
        header_timeout: timeout(&section, "header_timeout").unwrap_or(usual.header_timeout),
        idle_timeout: timeout(&section, "idle_timeout").unwrap_or(usual.idle_timeout),
        body_size: section
            .parsed("body_size", "a size such as 50GiB", |text| units::size(text).filter(|size| *size > 0))
            .or(usual.body_size),
        body_timeout: timeout(&section, "body_timeout").unwrap_or(usual.body_timeout),
        send_timeout: timeout(&section, "send_timeout").unwrap_or(usual.send_timeout),
    };
    Some(Limits {
        server,
        relays: number(&section, "relays").unwrap_or(relays),
        relay_timeout: timeout(&section, "relay_timeout").unwrap_or(relay_timeout),
    })
}

fn number(section: &Section<'_>, name: &'static str) -> Option<usize> {
    section.parsed(name, "a number from 1 to 1000000", |text| {
        text.parse().ok().filter(|number| (1..=keys::MOST as usize).contains(number))
    })
}

fn timeout(section: &Section<'_>, name: &'static str) -> Option<Duration> {
    section.parsed(name, "a duration up to 24h, such as 30s", |text| {
        units::duration(text, None).filter(|time| !time.is_zero() && *time <= DAY)
    })
}

pub(super) fn bandwidth(section: &Section<'_>) -> Option<Bandwidth> {
    let section = section.walk.section(&section.pair("bandwidth")?.node, "bandwidth", keys::BANDWIDTH)?;
    let rate = |name| {
        section.parsed(name, "a size of 1KiB or more for each second, such as 10MiB", |text| {
            units::size(text).filter(|rate| *rate >= KIB).and_then(NonZeroU64::new)
        })
    };
    Some(Bandwidth { down: rate("down"), up: rate("up") })
}
