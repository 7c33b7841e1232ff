//! Redirect or relay: the one place where it is decided (design section 3.3).

mod clients;
mod links;
mod proxy;
mod reach;

use std::net::IpAddr;

use davmux_driver::Link;
use regex::Regex;

pub use clients::{CLIENTS, Carry, ClientRow, Follow, Seek, means_no_cache};
pub(crate) use links::{Links, is_short};
pub use proxy::DownloadProxy;

/// Files up to this length in bytes are relayed to everybody: one round trip instead of two.
pub const SMALL: u64 = 256 * 1024;

/// `read:` of a mount.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ReadPolicy {
    /// Redirect whom it works for.
    #[default]
    Auto,
    /// Redirect every GET for which it is not unsafe.
    Redirect,
    /// Never redirect.
    Relay,
}

/// A rule of the mounts file, looked at before the built-in table.
#[derive(Clone, Debug)]
pub struct RedirectRule {
    /// Matched against the User-Agent.
    pub user_agent: Regex,
    /// Redirect (true) or relay.
    pub redirect: bool,
}

impl PartialEq for RedirectRule {
    fn eq(&self, other: &Self) -> bool {
        self.user_agent.as_str() == other.user_agent.as_str() && self.redirect == other.redirect
    }
}

/// Who asks, as far as it matters to a redirect.
#[derive(Clone, Debug, Default)]
pub struct Requester<'a> {
    /// `User-Agent`, or `""`.
    pub user_agent: &'a str,
    /// `Sec-Fetch-Mode`, or `""`.
    pub sec_fetch_mode: &'a str,
    /// `Sec-Fetch-Dest`, or `""`.
    pub sec_fetch_dest: &'a str,
    /// The request carried an `Authorization` header.
    pub authorization: bool,
    /// The client's address, behind trusted proxies too.
    pub peer: Option<IpAddr>,
    /// The client speaks https, or may do so: a request with forwarding headers and no trusted scheme counts as https.
    pub https: bool,
    /// The host that the client asked, with or without a port.
    pub host: Option<&'a str>,
    /// `?redirect=0|1` of the request.
    pub wish: Option<bool>,
}

davmux_metrics::label! {
    /// Why a GET was redirected or relayed.
    pub enum Reason: "reason" {
        /// The mount's `read` says so.
        Mount = "mount",
        /// The request asked for it: `?redirect=`.
        Asked = "asked",
        /// One of `redirect_rules` says so.
        Rule = "rule",
        /// The built-in table knows the client.
        Client = "client",
        /// The built-in table does not know the client.
        UnknownClient = "unknown-client",
        /// The file is at most [`SMALL`].
        Small = "small",
        /// The storage makes no links.
        NoLink = "no-link",
        /// The link has no host.
        NoHost = "no-host",
        /// The client speaks https and the link does not.
        HttpsToHttp = "https-to-http",
        /// The client may not reach the link's host.
        UnreachableHost = "unreachable-host",
        /// The client would carry its credentials to the link's host.
        CarriesAuthorization = "carries-authorization",
        /// The link ends too early for a client that seeks on it.
        ShortLink = "short-link",
    }
}

/// What was decided, and why; both stand in the access log and in a metric.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Decision {
    /// Redirect, or relay.
    pub redirect: bool,
    /// Why.
    pub reason: Reason,
}

impl Decision {
    pub(crate) const fn relay(reason: Reason) -> Self {
        Self { redirect: false, reason }
    }

    pub(crate) const fn redirect(reason: Reason) -> Self {
        Self { redirect: true, reason }
    }
}

/// Whether this client is redirected at all, before the file and the link are known.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Verdict {
    pub(crate) decision: Decision,
    carry: Carry,
    /// A link that ends early is not for this client: it seeks there, and nobody asked for a redirect by name.
    needs_long_link: bool,
    /// Small files are redirected too: somebody asked for it.
    forced: bool,
}

pub(crate) fn judge(policy: ReadPolicy, rules: &[RedirectRule], who: &Requester<'_>) -> Verdict {
    let row = clients::find(who);
    let verdict = |decision, forced| Verdict {
        decision,
        carry: row.map_or(Carry::Unknown, |row| row.carry),
        needs_long_link: false,
        forced,
    };
    match (policy, who.wish) {
        (ReadPolicy::Relay, _) => return verdict(Decision::relay(Reason::Mount), false),
        (_, Some(false)) => return verdict(Decision::relay(Reason::Asked), false),
        (ReadPolicy::Redirect, _) => return verdict(Decision::redirect(Reason::Mount), true),
        (ReadPolicy::Auto, Some(true)) => return verdict(Decision::redirect(Reason::Asked), true),
        (ReadPolicy::Auto, None) => {}
    }
    if let Some(rule) = rules.iter().find(|rule| rule.user_agent.is_match(who.user_agent)) {
        let decision = if rule.redirect { Decision::redirect(Reason::Rule) } else { Decision::relay(Reason::Rule) };
        return verdict(decision, false);
    }
    match row {
        Some(row) if row.follow == Follow::Yes => {
            Verdict { needs_long_link: row.seek.is_on_link(who), ..verdict(Decision::redirect(Reason::Client), false) }
        }
        Some(_) => verdict(Decision::relay(Reason::Client), false),
        None => verdict(Decision::relay(Reason::UnknownClient), false),
    }
}

/// What would be decided for a large file of a mount with this policy: for those who want to know before anybody asks.
pub fn foresee(policy: ReadPolicy, rules: &[RedirectRule], who: &Requester<'_>, link: &Link) -> Decision {
    judge(policy, rules, who).foreseen(link, who)
}

impl Verdict {
    fn foreseen(&self, link: &Link, who: &Requester<'_>) -> Decision {
        if self.decision.redirect { self.on(link, false, who) } else { self.decision }
    }

    pub(crate) fn allows_size(&self, size: u64) -> bool {
        self.forced || size > SMALL
    }

    /// The last word, with the link in hand (promise 6). `short`: it ends before the life that the mount promises.
    pub(crate) fn on(&self, link: &Link, short: bool, who: &Requester<'_>) -> Decision {
        let Some(host) = link.url.host() else { return Decision::relay(Reason::NoHost) };
        if who.https && link.url.scheme_str() == Some("http") {
            return Decision::relay(Reason::HttpsToHttp);
        }
        if !reach::reaches(who.peer, host) {
            return Decision::relay(Reason::UnreachableHost);
        }
        if who.authorization && self.carry.carries_to(who, &link.url) {
            return Decision::relay(Reason::CarriesAuthorization);
        }
        if short && self.needs_long_link {
            return Decision::relay(Reason::ShortLink);
        }
        self.decision
    }
}
