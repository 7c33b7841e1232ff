//! The clients that are known, as data: who follows a redirect, who carries the password along, and who needs a link
//! that lives long.
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

/// Where a client asks for another part of a file that it was redirected for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Seek {
    /// Here, so that it gets a new link; or it takes the whole file at once.
    Here,
    /// On the link, which must live as long as a film and its pauses.
    OnLink,
    /// On the link when it plays the file (`Sec-Fetch-Dest: video` or `audio`), and a download is one request.
    OnLinkWhenPlaying,
    /// Nobody knows; treated as [`OnLink`](Self::OnLink).
    Unknown,
}

impl Seek {
    pub(super) fn is_on_link(self, who: &Requester<'_>) -> bool {
        match self {
            Self::Here => false,
            Self::OnLink | Self::Unknown => true,
            Self::OnLinkWhenPlaying => matches!(who.sec_fetch_dest, "video" | "audio"),
        }
    }
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
    /// Seeks where?
    pub seek: Seek,
    /// Where that is known from.
    pub source: &'static str,
}

const fn row(user_agent: &'static str, follow: Follow, carry: Carry, seek: Seek, source: &'static str) -> ClientRow {
    ClientRow { user_agent, browser: false, follow, carry, seek, source }
}

/// The table.
pub const CLIENTS: &[ClientRow] = &[
    // Network drives.
    row(
        "^WebDAV(FS|Lib)/",
        Follow::No,
        Carry::Always,
        Seek::Unknown,
        "Finder: apple-oss-distributions/CFNetwork HTTP/CFHTTPStream.c constructRedirectedRequest copies all headers",
    ),
    row(
        "^Microsoft-WebDAV-MiniRedir/|^Microsoft Data Access|^Microsoft Office",
        Follow::No,
        Carry::Unknown,
        Seek::Unknown,
        "Explorer, Office: no source says that they follow; OpenListTeam/OpenList#414 for a drive that does not",
    ),
    row(
        "^davfs2/",
        Follow::No,
        Carry::Never,
        Seek::Unknown,
        "davfs2 1.7.0 man/davfs2.conf.5: follow_redirect is 0 by default",
    ),
    row(
        "^(cadaver|litmus)/| neon/",
        Follow::No,
        Carry::Never,
        Seek::Unknown,
        "notroj/neon src/ne_redirect.c only tells its caller; cadaver and litmus do not go there, and where WinSCP does (source/core/WebDAVFileSystem.cpp), what becomes of the password is not shown",
    ),
    row(
        "^rclone/",
        Follow::Yes,
        Carry::SameSite,
        Seek::Here,
        "rclone/rclone backend/webdav/webdav.go Open; Go net/http client.go shouldCopyHeaderOnRedirect; each Open asks its own URL",
    ),
    row(
        "^gvfs/",
        Follow::Yes,
        Carry::Never,
        Seek::Here,
        "GNOME/libsoup libsoup/soup-session.c soup_session_redirect_message strips credentials on another origin; GNOME/gvfs daemon/gvfshttpinputstream.c makes each request from its own URI",
    ),
    row(
        "^(Cyberduck|Mountain Duck)/",
        Follow::Yes,
        Carry::SameSite,
        Seek::Here,
        "iterate-ch/cyberduck DAVRedirectStrategy, webdav.redirect.GET.follow; DAVClient keeps the password by host, and apache/httpcomponents-client execchain/RedirectExec.java forgets it for another one; DAVReadFeature asks here for each part",
    ),
    row("^RaiDrive/", Follow::No, Carry::Unknown, Seek::Unknown, "OpenListTeam/OpenList#414: cannot copy from a 302"),
    row(
        "^DAVx5/",
        Follow::No,
        Carry::Unknown,
        Seek::Unknown,
        "bitfireAT/davx5-ose#1564: its mounts follow no redirect",
    ),
    row(
        "^Joplin/",
        Follow::No,
        Carry::Unknown,
        Seek::Here,
        "laurent22/joplin#5068: cannot sync where downloads go elsewhere",
    ),
    // Players.
    row(
        "^Kodi[^/]*/|Kodi_Fork_",
        Follow::Yes,
        Carry::Never,
        Seek::OnLink,
        "xbmc/xbmc xbmc/filesystem/CurlFile.cpp: FOLLOWLOCATION, CURLAUTH_ANY sends nothing before a 401; Open keeps CURLINFO_EFFECTIVE_URL for seeks; xbmc/utils/SystemInfo.cpp GetUserAgent for builds of another name",
    ),
    row(
        "^VLC/|LibVLC",
        Follow::Yes,
        Carry::Never,
        Seek::OnLink,
        "videolan/vlc modules/access/http/access.c: VLC_ACCESS_REDIRECT opens the new URL anew",
    ),
    row("^nPlayer", Follow::Yes, Carry::Unknown, Seek::Unknown, "AlistGo/alist#4121: plays from a 302"),
    row(
        "^Infuse",
        Follow::No,
        Carry::Unknown,
        Seek::Here,
        "bpking1/embyExternalUrl#308: it follows, and asks anew for each seek, but with a token in its URL; nothing shows what becomes of a password",
    ),
    row(
        "^(Lavf/|libmpv)",
        Follow::Yes,
        Carry::Always,
        Seek::OnLink,
        "FFmpeg/FFmpeg libavformat/http.c http_open_cnx: a password of the URL is left behind, one in the `headers` option (mpv's http-header-fields) is repeated to every host; which of them it was cannot be seen here. Seeks stay on the location",
    ),
    row(
        "ExoPlayer|Media3",
        Follow::No,
        Carry::Always,
        Seek::Unknown,
        "androidx/media DefaultHttpDataSource.makeConnection: request properties are set again at each hop",
    ),
    row("RetroArch", Follow::No, Carry::Always, Seek::Unknown, "libretro/RetroArch#18875: Authorization goes along"),
    row(
        "okhttp/|Dalvik/",
        Follow::No,
        Carry::Unknown,
        Seek::Unknown,
        "the name of many apps: XayahSuSuSu/Android-DataBackup#239 and nova-video-player/aos-AVP#1018 did not follow",
    ),
    // Browsers.
    ClientRow {
        user_agent: "^Mozilla/",
        browser: true,
        follow: Follow::Yes,
        carry: Carry::Never,
        seek: Seek::OnLinkWhenPlaying,
        source: "WHATWG Fetch, HTTP-redirect fetch: Authorization is removed across origins; Sec-Fetch-* tells navigation from fetch(); Chromium media/blink/multibuffer_data_source.cc OnRedirected",
    },
    // Libraries, under their own names: each request is one of its own.
    row(
        "^python-requests/",
        Follow::Yes,
        Carry::SameSite,
        Seek::Here,
        "psf/requests src/requests/sessions.py should_strip_auth: another host, port or scheme",
    ),
    row(
        "aiohttp/",
        Follow::Yes,
        Carry::SameSite,
        Seek::Here,
        "PYSEC-2026-2100: on another origin aiohttp drops Authorization; allow_redirects is on by default",
    ),
    row(
        "^python-httpx/",
        Follow::No,
        Carry::Unknown,
        Seek::Here,
        "python-httpx.org/compatibility: does not follow by default; skshetry/webdav4#196",
    ),
    row(
        "^Go-http-client/",
        Follow::Yes,
        Carry::SameSite,
        Seek::Here,
        "Go net/http client.go: follows up to ten, shouldCopyHeaderOnRedirect",
    ),
    row(
        "^axios/",
        Follow::Yes,
        Carry::SameSite,
        Seek::Here,
        "perry-mitchell/webdav-client#311; follow-redirects/follow-redirects#173: kept for names below the host",
    ),
    row(
        "^node$",
        Follow::Yes,
        Carry::SameSite,
        Seek::Here,
        "the fetch() of Node.js, which is WHATWG's: whatwg/fetch#1544 removes Authorization across origins",
    ),
    row("^node-fetch", Follow::No, Carry::Always, Seek::Here, "CVE-2022-0235: versions before 2.6.7 carry it along"),
    row("^Deno/", Follow::No, Carry::Always, Seek::Here, "CVE-2025-21620: fetch() carried it along"),
    // Tools.
    row("^curl/", Follow::No, Carry::SameSite, Seek::Unknown, "curl.1: without -L it does not follow"),
    row("^Wget/", Follow::No, Carry::Always, Seek::Unknown, "CVE-2021-31879: carries Authorization to another host"),
    row(
        "^aria2/",
        Follow::No,
        Carry::Always,
        Seek::Unknown,
        "aria2/aria2 src/AuthConfigFactory.cc: --http-user goes to each host, unless --http-auth-challenge",
    ),
];

/// Clients that say `Cache-Control: no-cache` with every request, so that it means nothing: Explorer.
const ALWAYS_NO_CACHE: &[&str] = &["Microsoft-WebDAV-MiniRedir/"];

/// Whether a client's `Cache-Control: no-cache` means that it will not have what is kept.
pub fn means_no_cache(user_agent: &str) -> bool {
    !ALWAYS_NO_CACHE.iter().any(|prefix| user_agent.starts_with(prefix))
}

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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::redirect::{ReadPolicy, RedirectRule, foresee};
    use davmux_driver::Link;
    use regex::Regex;

    /// A User-Agent as each client sends it, in the order of the table; whether it is redirected, with a password, to
    /// another host and to one below the host that it asked, and without one to that host itself.
    const KNOWN: &[(&str, [bool; 3])] = &[
        ("WebDAVFS/3.0.0 (03008000) Darwin/23.4.0 (arm64)", [false, false, false]),
        ("Microsoft-WebDAV-MiniRedir/10.0.22631", [false, false, false]),
        ("davfs2/1.7.0 neon/0.33.0", [false, false, false]),
        ("cadaver/0.24 neon/0.33.0", [false, false, false]),
        ("rclone/v1.70.3", [true, false, true]),
        ("gvfs/1.54.0", [true, true, true]),
        ("Cyberduck/9.0.1.41945 (Mac OS X/14.5) (aarch64)", [true, false, true]),
        // miquels/webdav-handler-rs#17
        ("RaiDrive/2021.5.20.0", [false, false, false]),
        ("DAVx5/4.4.9-ose (2025/05/05; dav4jvm; okhttp/4.12.0) Android/15", [false, false, false]),
        ("Joplin/1.0", [false, false, false]),
        ("Kodi/21.1 (X11; Linux x86_64) App_Bitness/64 Version/21.1", [true, true, true]),
        ("VLC/3.0.20 LibVLC/3.0.20", [true, true, true]),
        ("nPlayer/3.12", [true, false, true]),
        // bpking1/embyExternalUrl#308
        ("Infuse-Direct/7.8", [false, false, false]),
        // mpv-player/mpv#6421
        ("Lavf/58.20.100", [false, false, true]),
        ("MyApp/1.0 (Linux;Android 14) ExoPlayerLib/2.19.1", [false, false, false]),
        ("RetroArch/1.19.1 (Linux)", [false, false, false]),
        ("okhttp/5.3.2", [false, false, false]),
        ("Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0", [true, true, true]),
        ("python-requests/2.32.3", [true, false, true]),
        ("Python/3.12 aiohttp/3.11.11", [true, false, true]),
        ("python-httpx/0.28.1", [false, false, false]),
        ("Go-http-client/2.0", [true, false, true]),
        ("axios/1.7.9", [true, false, true]),
        ("node", [true, false, true]),
        ("node-fetch/1.0 (+https://github.com/bitinn/node-fetch)", [false, false, false]),
        ("Deno/2.1.4", [false, false, false]),
        ("curl/8.9.1", [false, false, false]),
        ("Wget/1.21.3", [false, false, false]),
        ("aria2/1.36.0", [false, false, false]),
    ];

    fn opens<'a>(user_agent: &'a str) -> Requester<'a> {
        Requester { user_agent, sec_fetch_mode: "navigate", ..Requester::default() }
    }

    fn is_redirected(who: &Requester<'_>, rules: &[RedirectRule], url: &str) -> bool {
        let link = Link { url: url.parse().unwrap(), expires_at: None };
        foresee(ReadPolicy::Auto, rules, who, &link).redirect
    }

    #[test]
    fn each_row_is_found_by_what_its_client_sends_and_decides_for_each_host() {
        assert_eq!(KNOWN.len(), CLIENTS.len(), "a row has no example here");
        for ((user_agent, [other, below, own]), row) in KNOWN.iter().zip(CLIENTS) {
            assert_eq!(find(&opens(user_agent)).unwrap().user_agent, row.user_agent, "{user_agent}");
            assert!(!row.source.is_empty());
            let anonymous = Requester {
                https: true,
                host: Some("dav.test:8443"),
                peer: Some("203.0.113.9".parse().unwrap()),
                ..opens(user_agent)
            };
            let known = Requester { authorization: true, ..anonymous.clone() };
            let redirected = |who, url| is_redirected(who, &[], url);
            assert_eq!(redirected(&known, "https://bucket.s3.example.com/x"), *other, "{user_agent}");
            assert_eq!(redirected(&known, "https://cdn.dav.test/x"), *below, "{user_agent}");
            // The same host at another port is another origin, and the same host.
            assert_eq!(redirected(&known, "https://dav.test:9000/x"), *below, "{user_agent}");
            assert_eq!(redirected(&anonymous, "https://dav.test:9000/x"), *own, "{user_agent}");
            // Nobody goes from https to http, nor to an address that is not its own.
            for url in
                ["http://bucket.s3.example.com/x", "https://127.0.0.1/x", "https://10.0.0.1/x", "https://minio/x"]
            {
                assert!(!redirected(&known, url) && !redirected(&anonymous, url), "{user_agent} to {url}");
            }
            let near = Requester { peer: Some("127.0.0.1".parse().unwrap()), https: false, ..known.clone() };
            assert_eq!(redirected(&near, "http://127.0.0.1:9000/x"), *other, "{user_agent}");
        }
    }

    #[test]
    fn rules_of_the_mounts_file_come_before_the_table() {
        let rules = [
            RedirectRule { user_agent: Regex::new("^Kodi/20").unwrap(), redirect: false },
            RedirectRule { user_agent: Regex::new("^(Kodi|MyApp|Infuse|WebDAVFS)").unwrap(), redirect: true },
        ];
        let url = "https://bucket.s3.example.com/x";
        let who =
            |user_agent| Requester { authorization: true, https: true, host: Some("dav.test"), ..opens(user_agent) };
        for (user_agent, redirected) in [
            ("Kodi/20.1", false),
            ("Kodi/21.1", true),
            ("MyApp/1", true),
            ("Infuse-Direct/7.8", true),
            ("curl/8.9.1", false),
            // A rule says that it follows, not that its password may go to another host.
            ("WebDAVFS/3.0.0", false),
        ] {
            assert_eq!(is_redirected(&who(user_agent), &rules, url), redirected, "{user_agent}");
        }
        assert!(!is_redirected(&who("MyApp/1"), &rules, "https://cdn.dav.test/x"), "nobody knows what it carries");
    }

    #[test]
    fn other_names_of_the_same_clients_are_known_too() {
        let same = [
            ("WebDAVLib/1.3", "WebDAVFS/1"),
            ("Microsoft Data Access Internet Publishing Provider DAV 1.1", "Microsoft-WebDAV-MiniRedir/6.1.7601"),
            ("Microsoft Office Word 2014", "Microsoft-WebDAV-MiniRedir/6.1.7601"),
            ("litmus/0.13 neon/0.33.0", "cadaver/0.24"),
            ("WinSCP/5.15.1 neon/0.30.2", "cadaver/0.24"),
            ("KODI/21", "Kodi/21"),
            (
                "KodifromDebian/20.1 (X11; Linux x86_64) Kodi_Fork_Kodi from Debian/1.0 Debian GNU/Linux/12 App_Bitness/64",
                "Kodi/21",
            ),
            ("SPMC/16.5 (Linux; Android 7.0) Kodi_Fork_SPMC/1.0 App_Bitness/32", "Kodi/21"),
            ("Some Player LibVLC/4", "VLC/3"),
            ("Mountain Duck/4.17", "Cyberduck/9"),
            ("Dalvik/2.1.0 (Linux; U; Android 14)", "okhttp/4"),
            ("AndroidXMedia3/1.4.1", "x ExoPlayerLib/2"),
            ("libmpv", "Lavf/61"),
        ];
        for (user_agent, other) in same {
            let row = |user_agent| find(&opens(user_agent)).unwrap().user_agent;
            assert_eq!(row(user_agent), row(other), "{user_agent}");
        }
        for user_agent in ["", "Something/1", "not rclone/1", "WebDAVFSX/1", "nodemon", "WebDrive 19.0.5384 DAV"] {
            assert!(find(&opens(user_agent)).is_none(), "{user_agent}");
        }
    }

    #[test]
    fn a_browser_is_redirected_when_it_opens_a_file_and_not_when_a_script_does() {
        let fetched = |mode, dest| Requester {
            user_agent: "Mozilla/5.0",
            sec_fetch_mode: mode,
            sec_fetch_dest: dest,
            ..Requester::default()
        };
        for (mode, dest) in [("navigate", "document"), ("no-cors", "video"), ("cors", "audio"), ("no-cors", "image")] {
            assert!(find(&fetched(mode, dest)).is_some(), "{mode} {dest}");
        }
        for (mode, dest) in [("cors", "empty"), ("no-cors", "empty"), ("", "")] {
            assert!(find(&fetched(mode, dest)).is_none(), "{mode} {dest}");
        }
    }

    #[test]
    fn a_password_is_carried_as_far_as_each_habit_goes() {
        let cases = [
            ("dav.test", "https://dav.test:9000/x", true),
            ("dav.test:8443", "https://DAV.test/x", true),
            ("dav.test", "https://cdn.dav.test/x", true),
            ("dav.test", "https://xdav.test/x", false),
            ("dav.test", "https://test/x", false),
            ("cdn.dav.test", "https://dav.test/x", false),
            ("[fd00::1]:80", "https://[fd00::1]:9000/x", true),
            ("[fd00::1]", "https://[fd00::2]/x", false),
        ];
        for (asked, url, carried) in cases {
            let (who, url) = (Requester { host: Some(asked), ..Requester::default() }, url.parse().unwrap());
            assert_eq!(Carry::SameSite.carries_to(&who, &url), carried, "{asked} to {url}");
            assert_eq!(Carry::Unknown.carries_to(&who, &url), carried, "{asked} to {url}");
            assert!(Carry::Always.carries_to(&who, &url) && !Carry::Never.carries_to(&who, &url));
        }
    }

    #[test]
    fn a_browser_seeks_on_the_link_only_when_it_plays() {
        let who = |dest| Requester { sec_fetch_dest: dest, ..Requester::default() };
        for (dest, on_link) in [("video", true), ("audio", true), ("document", false), ("image", false)] {
            assert_eq!(Seek::OnLinkWhenPlaying.is_on_link(&who(dest)), on_link, "{dest}");
        }
        assert!(Seek::Unknown.is_on_link(&who("")) && !Seek::Here.is_on_link(&who("video")));
    }
}
