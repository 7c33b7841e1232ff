//! What only shows when the whole file is known.

use davmux_server::Anonymous;

use crate::file::{Config, Password};
use crate::walk::{Section, Walk};

/// Looks at sections against each other; called for a file whose parts are all right.
pub(crate) fn check_together(walk: &Walk<'_>, file: &Section<'_>, config: &Config) {
    let server = &config.server;
    let server_at = file.pair("server").map_or(file.at, |pair| pair.at);
    let beyond_loopback = server.listen.iter().find(|address| address.is_reachable_from_outside());

    for user in &config.users {
        let leads_somewhere =
            config.mounts.iter().any(|mount| user.root.is_within(&mount.path) || mount.path.is_within(&user.root));
        if !leads_somewhere {
            let message = "root: what this user would see lies in no mount and holds none";
            walk.mistake(user.at, message);
        }
    }
    if config.users.is_empty() {
        match (server.anonymous, beyond_loopback) {
            (Anonymous::None, _) => walk.warn(
                server_at,
                "there are no users and `anonymous` is none: every request will be refused; add `users`, or set \
                 `anonymous: read-only`",
            ),
            (Anonymous::ReadWrite, Some(address)) => walk.mistake(
                server_at,
                format!(
                    "`anonymous: read-write` without users would let everybody who reaches {address} change everything; \
                     listen on 127.0.0.1, or add `users`"
                ),
            ),
            _ => {}
        }
    } else if let Some(address) = beyond_loopback
        && server.trusted_proxies.is_empty()
        && server.tls.is_none()
    {
        walk.warn(
            server_at,
            format!(
                "passwords cross the network to {address} in clear: set `tls`, put a proxy with TLS in front and name \
                 it in `trusted_proxies`, or listen on 127.0.0.1"
            ),
        );
    }
    if config.users.iter().any(|user| matches!(user.password, Password::Plain(_))) {
        let at = file.pair("users").map_or(file.at, |pair| pair.at);
        walk.warn(at, "`password_hash` is safer than `password`: make one with `davmux hash-password`");
    }
    if server.state_dir.is_none() {
        walk.warn(
            server_at,
            "there is no `state_dir`: what must outlive a restart, such as the ids of uploads in progress, is kept in \
             memory",
        );
    }
}
