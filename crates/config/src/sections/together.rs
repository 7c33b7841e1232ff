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
        for right in user.rights.iter().filter(|right| !right.path.is_within(&user.root)) {
            let message = format!(
                "path: {} lies outside of this user's root {}, so it says nothing; paths of rights are those of the tree, \
                 not what the user sees",
                right.path, user.root
            );
            walk.warn(right.at, message);
        }
    }
    check_rights(walk, config);
    if !server.anonymous_groups.is_empty() && server.anonymous == Anonymous::None {
        walk.warn(
            server_at,
            "`anonymous_groups` says nothing while `anonymous` is none: nobody gets in without a password",
        );
    }
    if server.proxy.is_none() {
        for mount in config.mounts.iter().filter(|mount| mount.proxy_url.is_some()) {
            let message = "`read: proxy_url` needs `proxy_token` in `server`, which signs what the proxy may give out";
            walk.mistake(mount.at, message);
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
    if config.users.iter().any(|user| matches!(user.password, Some(Password::Plain(_)))) {
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

/// Rights of places that are nowhere, and groups that are not there: most likely a name is written wrong, and what it should
/// have shut stands open.
fn check_rights(walk: &Walk<'_>, config: &Config) {
    let of_groups = config.groups.iter().flat_map(|group| &group.rights);
    for right in config.users.iter().flat_map(|user| &user.rights).chain(of_groups) {
        let leads_somewhere =
            config.mounts.iter().any(|mount| right.path.is_within(&mount.path) || mount.path.is_within(&right.path));
        if !leads_somewhere {
            walk.mistake(right.at, format!("path: {} lies in no mount and holds none", right.path));
        }
    }
    let memberships = config.users.iter().flat_map(|user| &user.groups).chain(&config.server.anonymous_groups);
    for membership in memberships {
        if !config.groups.iter().any(|group| group.name == membership.group) {
            let known: Vec<_> = config.groups.iter().map(|group| group.name.as_str()).collect();
            let known = if known.is_empty() {
                "there are no groups".to_owned()
            } else {
                format!("there are {}", known.join(", "))
            };
            walk.mistake(membership.at, format!("there is no group {:?}; {known}", membership.group));
        }
    }
}
