//! The clients that are known, as data: who follows a redirect, and who carries the password along.
//!
//! Each row names its source. First match wins; rules of the mounts file come before. Unknown clients are relayed: a
//! wrong relay costs bandwidth, a wrong redirect breaks a file or hands a password to a third host.

use std::sync::LazyLock;

use http::Uri;
use regex::RegexSet;

use super::Requester;

/// Whether a client follows a 302 on the GET of a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Follow {
    /// It does.
    Yes,
    /// It does not, or nobody knows.
    No,
}

/// To which hosts a client repeats its `Authorization` header after a redirect.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Carry {
    /// To none.
    Never,
    /// To the same host name, whatever the port, and to names below it (Go's `shouldCopyHeaderOnRedirect`).
    SameSite,
    /// To any host.
    Always,
    /// Nobody knows; treated as [`SameSite`](Self::SameSite), the widest of the documented habits short of `Always`.
    Unknown,
}

impl Carry {
    pub(super) fn carries_to(self, who: &Requester<'_>, url: &Uri) -> bool {
        match self {
            Self::Never => false,
            Self::Always => true,
            Self::SameSite | Self::Unknown => {
                let Some(asked) = who.host.map(host_name) else { return true };
                let target = url.host().map(host_name).unwrap_or_default();
                target == asked || target.strip_suffix(asked.as_str()).is_some_and(|rest| rest.ends_with('.'))
            }
        }
    }
}

fn host_name(authority: &str) -> String {
    let name = match authority.strip_prefix('[') {
        Some(v6) => v6.split(']').next().unwrap_or_default(),
        None => authority.split(':').next().unwrap_or_default(),
    };
    name.to_ascii_lowercase()
}

/// One kind of client.
#[derive(Debug)]
pub struct ClientRow {
    /// Regular expression on the User-Agent, case-insensitive.
    pub user_agent: &'static str,
    /// Only when the browser says that it navigates or loads media itself (`Sec-Fetch-*`), not by script.
    pub browser: bool,
    /// Follows a 302?
    pub follow: Follow,
    /// Repeats `Authorization`?
    pub carry: Carry,
    /// Where that is known from.
    pub source: &'static str,
}

const fn row(user_agent: &'static str, follow: Follow, carry: Carry, source: &'static str) -> ClientRow {
    ClientRow { user_agent, browser: false, follow, carry, source }
}

/// The table.
pub const CLIENTS: &[ClientRow] = &[
    row(
        "^WebDAV(FS|Lib)/",
        Follow::No,
        Carry::Always,
        "Finder: apple-oss-distributions/CFNetwork HTTP/CFHTTPStream.c constructRedirectedRequest copies all headers",
    ),
    row(
        "^Microsoft-WebDAV-MiniRedir/|^Microsoft Data Access|^Microsoft Office",
        Follow::No,
        Carry::Unknown,
        "Explorer, Office: no source says that they follow; OpenListTeam/OpenList#414 for a drive that does not",
    ),
    row("^davfs2/", Follow::No, Carry::Never, "davfs2 1.7.0 man/davfs2.conf.5: follow_redirect is 0 by default"),
    row(
        "^(cadaver|neon|litmus)/",
        Follow::No,
        Carry::Never,
        "neon never follows by itself; cadaver and litmus do not ask it to",
    ),
    row(
        "^rclone/",
        Follow::Yes,
        Carry::SameSite,
        "rclone/rclone backend/webdav/webdav.go Open; Go net/http client.go shouldCopyHeaderOnRedirect",
    ),
    row(
        "^Kodi/",
        Follow::Yes,
        Carry::Never,
        "xbmc/xbmc xbmc/filesystem/CurlFile.cpp: FOLLOWLOCATION, CURLAUTH_ANY sends nothing before a 401",
    ),
    row(
        "^VLC/|LibVLC",
        Follow::Yes,
        Carry::Never,
        "videolan/vlc modules/access/http/access.c: VLC_ACCESS_REDIRECT opens the new URL anew",
    ),
    row(
        "^gvfs/",
        Follow::Yes,
        Carry::Never,
        "GNOME/libsoup libsoup/soup-session.c soup_session_redirect_message strips credentials on another origin",
    ),
    row(
        "^(Cyberduck|Mountain Duck)/",
        Follow::No,
        Carry::Unknown,
        "webdav.redirect.GET.follow is true, but its header policy is not shown; relayed until tested",
    ),
    row("^nPlayer", Follow::Yes, Carry::Unknown, "AlistGo/alist#4121: plays from a 302"),
    row(
        "ExoPlayer|Media3|okhttp/|Dalvik/|RetroArch|RaiDrive|Infuse",
        Follow::No,
        Carry::Always,
        "androidx/media DefaultHttpDataSource.makeConnection; libretro/RetroArch#18875; OpenListTeam/OpenList#414",
    ),
    ClientRow {
        user_agent: "^Mozilla/",
        browser: true,
        follow: Follow::Yes,
        carry: Carry::Never,
        source: "WHATWG Fetch, HTTP-redirect fetch: Authorization is removed across origins; Sec-Fetch-* tells navigation from fetch()",
    },
    row(
        "^(curl|Wget|python-requests|Go-http-client|axios|node)",
        Follow::No,
        Carry::SameSite,
        "scripts differ: curl without -L does not follow",
    ),
];

static PATTERNS: LazyLock<RegexSet> = LazyLock::new(|| {
    let patterns = CLIENTS.iter().map(|row| format!("(?i){}", row.user_agent));
    #[expect(clippy::expect_used, reason = "the patterns are constants and a test compiles them")]
    RegexSet::new(patterns).expect("every pattern of the table compiles")
});

pub(super) fn find(who: &Requester<'_>) -> Option<&'static ClientRow> {
    let matches = PATTERNS.matches(who.user_agent);
    matches.iter().map(|index| &CLIENTS[index]).find(|row| !row.browser || navigates(who))
}

/// A browser that opens the file itself; a script's fetch() would need CORS at the bucket.
fn navigates(who: &Requester<'_>) -> bool {
    who.sec_fetch_mode == "navigate" || matches!(who.sec_fetch_dest, "video" | "audio" | "image" | "document")
}
