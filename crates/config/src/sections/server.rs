//! `server`

use std::time::Duration;

use davmux_server::{Anonymous, HeaderName, IpNet, Listen};
use davmux_tree::TreePath;

use super::rights::memberships;
use super::tls::tls;
use super::tree_path;
use crate::file::{Limits, Server};
use crate::keys;
use crate::units;
use crate::walk::{Section, Walk};
use crate::yaml::Pair;

const MIB: u64 = 1 << 20;
/// One part of the usual size. With less the S3 driver would not start a part.
const LEAST_UPLOAD_MEMORY: u64 = 8 * MIB;
const LONGEST_DRAIN: Duration = Duration::from_secs(24 * 3600);

/// Where no key says otherwise: this machine only.
fn usual_address() -> Listen {
    Listen::Tcp(([127, 0, 0, 1], 8080).into())
}

impl Default for Server {
    fn default() -> Self {
        Self {
            listen: vec![usual_address()],
            socket_mode: None,
            tls: None,
            admin_listen: None,
            proxy: None,
            base_path: TreePath::root(),
            http2: false,
            trusted_proxies: Vec::new(),
            identity_header: None,
            state_dir: None,
            upload_memory: 256 * MIB,
            anonymous: Anonymous::None,
            anonymous_groups: Vec::new(),
            drain: Duration::from_secs(30),
            limits: Limits::default(),
        }
    }
}

pub(crate) fn server<'a>(walk: &'a Walk<'a>, pair: Option<&'a Pair>) -> Option<Server> {
    let usual = Server::default();
    let Some(pair) = pair else { return Some(usual) };
    let section = walk.section(&pair.node, "server", keys::SERVER)?;
    let trusted_proxies = trusted_proxies(&section);
    Some(Server {
        listen: listen(&section).unwrap_or(usual.listen),
        socket_mode: section.parsed("socket_mode", "three or four octal digits in quotes, such as \"0660\"", mode),
        tls: tls(&section),
        admin_listen: admin_listen(&section),
        proxy: super::proxy::proxy(&section),
        base_path: section
            .text("base_path")
            .and_then(|text| tree_path(&section, "base_path", text))
            .unwrap_or(usual.base_path),
        http2: section.flag("http2").unwrap_or(usual.http2),
        identity_header: identity_header(&section, &trusted_proxies),
        trusted_proxies,
        state_dir: section.text("state_dir").map(|text| walk.resolve(text.as_str())),
        upload_memory: section
            .parsed("upload_memory", "a size of 8MiB or more, such as 256MiB", |text| {
                units::size(text).filter(|size| *size >= LEAST_UPLOAD_MEMORY)
            })
            .unwrap_or(usual.upload_memory),
        anonymous: section
            .choice(
                "anonymous",
                &[("none", Anonymous::None), ("read-only", Anonymous::ReadOnly), ("read-write", Anonymous::ReadWrite)],
            )
            .unwrap_or(usual.anonymous),
        anonymous_groups: memberships(&section, "anonymous_groups"),
        drain: section
            .parsed("drain", "a duration up to 24h, such as 30s", |text| {
                units::duration(text, None).filter(|drain| *drain <= LONGEST_DRAIN)
            })
            .unwrap_or(usual.drain),
        limits: super::limits::limits(walk, &section).unwrap_or(usual.limits),
    })
}

/// A file's mode, as chmod takes it.
fn mode(text: &str) -> Option<u32> {
    let digits = (3..=4).contains(&text.len()) && text.bytes().all(|digit| (b'0'..=b'7').contains(&digit));
    u32::from_str_radix(text, 8).ok().filter(|mode| digits && *mode <= 0o777)
}

const ADDRESS: &str = "an address such as 127.0.0.1:8080, [::1]:8080, unix:PATH or systemd";

fn admin_listen(section: &Section<'_>) -> Option<Listen> {
    let address = section.parsed("admin_listen", ADDRESS, |text| text.parse().ok())?;
    Some(match address {
        Listen::Unix(path) => Listen::Unix(section.walk.resolve(&path.to_string_lossy())),
        other @ (Listen::Tcp(_) | Listen::Systemd(_)) => other,
    })
}

fn listen(section: &Section<'_>) -> Option<Vec<Listen>> {
    let nodes = section.one_or_many("listen")?;
    if nodes.is_empty() {
        section.missing("listen");
    }
    let mut addresses: Vec<Listen> = Vec::new();
    for node in nodes {
        let Some(text) = section.walk.scalar(node, "listen", ADDRESS) else { continue };
        match text.as_str().parse() {
            // A port that the system chooses is another one each time.
            Ok(Listen::Tcp(address)) if address.port() == 0 => addresses.push(Listen::Tcp(address)),
            Ok(address) => {
                let address = match address {
                    Listen::Unix(path) => Listen::Unix(section.walk.resolve(&path.to_string_lossy())),
                    other @ (Listen::Tcp(_) | Listen::Systemd(_)) => other,
                };
                if addresses.contains(&address) {
                    section.walk.mistake(text.at, format!("listen: {} stands there twice", text.shown()));
                }
                addresses.push(address);
            }
            Err(_) => section.walk.mistake(text.at, format!("listen: {} is not {ADDRESS}", text.shown())),
        }
    }
    Some(addresses)
}

fn identity_header(section: &Section<'_>, trusted_proxies: &[IpNet]) -> Option<HeaderName> {
    let header =
        section.parsed("identity_header", "the name of a header of its own, such as X-Remote-User", |text| {
            davmux_server::identity_header(text)
        })?;
    let at = section.pair("identity_header").map_or(section.at, |pair| pair.at);
    if trusted_proxies.iter().any(|network| network.prefix_len() == 0) {
        section.walk.mistake(
            at,
            "`trusted_proxies` holds every address, so `identity_header` would let anybody be any user: name the proxy \
             alone there",
        );
    }
    if section.one_or_many("trusted_proxies").is_none_or(<[_]>::is_empty) {
        section.walk.mistake(
            at,
            "`identity_header` counts from proxies in `trusted_proxies` only, and there are none: name the proxy there",
        );
    }
    Some(header)
}

fn trusted_proxies(section: &Section<'_>) -> Vec<IpNet> {
    const EXPECTED: &str = "an address or a network such as 10.0.0.0/8";
    let mut networks = Vec::new();
    for node in section.one_or_many("trusted_proxies").unwrap_or_default() {
        let Some(text) = section.walk.scalar(node, "trusted_proxies", EXPECTED) else { continue };
        let network = text.as_str().parse::<IpNet>();
        match network.or_else(|_| text.as_str().parse().map(|address: std::net::IpAddr| address.into())) {
            Ok(network) => networks.push(network.trunc()),
            Err(_) => section.walk.mistake(text.at, format!("trusted_proxies: {} is not {EXPECTED}", text.shown())),
        }
    }
    networks
}
