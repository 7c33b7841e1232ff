//! Download proxies: `webdav_policy: use_proxy_url`.
//!
//! Where they are: `server/common/proxy.go` and `internal/model/storage.go` of both programs. With what links to them are
//! signed, which is what they ask with too: the setting `token` (`internal/sign/sign.go`, OpenListTeam/OpenList-Proxy).

use super::{Object, flag, objects, string};
use crate::Secret;
use crate::draft::Entry;

/// The shortest `proxy_token` that a mounts file takes.
const SHORTEST: usize = 32;

/// The token that all proxies of a backup know.
pub(super) struct Proxies {
    /// Or why it is not taken.
    token: Result<Secret, &'static str>,
    in_use: bool,
}

impl Proxies {
    pub(super) fn new(backup: &Object) -> Self {
        let token = objects(backup, "settings").find(|setting| string(setting, "key") == "token");
        let token = token.map(|setting| string(setting, "value")).unwrap_or_default();
        let token = if token.is_empty() {
            Err("the backup does not hold the token that it knows")
        } else if !token.bytes().all(|byte| byte.is_ascii_graphic()) {
            Err("its token holds a space or what is not ASCII, which no header carries")
        } else if token.len() < SHORTEST {
            Err("its token has fewer than 32 characters and could be guessed")
        } else {
            Ok(Secret::new(token))
        };
        Self { token, in_use: false }
    }

    /// How a storage that is read through a proxy is read here.
    pub(super) fn read(&mut self, entry: &mut Entry, storage: &Object, lost: &mut Vec<String>) {
        // The first line counts.
        let urls = string(storage, "down_proxy_url");
        let url = urls.lines().next().unwrap_or_default().trim();
        let unsigned = flag(storage, "disable_proxy_sign")
            || (storage.contains_key("down_proxy_sign") && !flag(storage, "down_proxy_sign"));
        let why = match &self.token {
            _ if url.is_empty() => "its address is missing",
            _ if url.contains('@') => "its address holds a password, which clients would be told",
            _ if unsigned => {
                "it takes links without a signature, and gives out what anybody names; here they are signed"
            }
            Err(why) => why,
            Ok(_) => {
                self.in_use = true;
                entry.set("read", "proxy_url");
                entry.set("proxy_url", url);
                entry.comment("The download proxy asks at the address that it was told: that must now be davmux's.");
                return;
            }
        };
        let shown = if url.contains('@') { String::new() } else { format!(" {url}") };
        lost.push(format!("its download proxy{shown}: {why}; reads are relayed from here instead"));
        entry.set("read", "relay");
    }

    /// The token, where a mount needs it.
    pub(super) fn token_in_use(self) -> Option<Secret> {
        self.token.ok().filter(|_| self.in_use)
    }
}
