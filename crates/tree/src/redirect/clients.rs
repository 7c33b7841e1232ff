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
        "^(cadaver|neon|litmus)/",
        Follow::No,
        Carry::Never,
        Seek::Unknown,
        "neon never follows by itself; cadaver and litmus do not ask it to",
    ),
    row(
        "^rclone/",
        Follow::Yes,
        Carry::SameSite,
        Seek::Here,
        "rclone/rclone backend/webdav/webdav.go Open; Go net/http client.go shouldCopyHeaderOnRedirect; each Open asks its own URL",
    ),
    row(
        "^Kodi/",
        Follow::Yes,
        Carry::Never,
        Seek::OnLink,
        "xbmc/xbmc xbmc/filesystem/CurlFile.cpp: FOLLOWLOCATION, CURLAUTH_ANY sends nothing before a 401; Open keeps CURLINFO_EFFECTIVE_URL for seeks",
    ),
    row(
        "^VLC/|LibVLC",
        Follow::Yes,
        Carry::Never,
        Seek::OnLink,
        "videolan/vlc modules/access/http/access.c: VLC_ACCESS_REDIRECT opens the new URL anew",
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
        Follow::No,
        Carry::Unknown,
        Seek::Unknown,
        "webdav.redirect.GET.follow is true, but its header policy is not shown; relayed until tested",
    ),
    row("^nPlayer", Follow::Yes, Carry::Unknown, Seek::Unknown, "AlistGo/alist#4121: plays from a 302"),
    row(
        "ExoPlayer|Media3|okhttp/|Dalvik/|RetroArch|RaiDrive|Infuse",
        Follow::No,
        Carry::Always,
        Seek::Unknown,
        "androidx/media DefaultHttpDataSource.makeConnection; libretro/RetroArch#18875; OpenListTeam/OpenList#414",
    ),
    ClientRow {
        user_agent: "^Mozilla/",
        browser: true,
        follow: Follow::Yes,
        carry: Carry::Never,
        seek: Seek::OnLinkWhenPlaying,
        source: "WHATWG Fetch, HTTP-redirect fetch: Authorization is removed across origins; Sec-Fetch-* tells navigation from fetch(); Chromium media/blink/multibuffer_data_source.cc OnRedirected",
    },
    row(
        "^(curl|Wget|python-requests|Go-http-client|axios|node)",
        Follow::No,
        Carry::SameSite,
        Seek::Unknown,
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

#[cfg(test)]
mod tests {
    use super::*;

    /// A User-Agent as each client sends it, and what is known of it; in the order of the table.
    const KNOWN: &[(&str, Follow, Carry, Seek)] = &[
        ("WebDAVFS/3.0.0 (03008000) Darwin/23.4.0 (arm64)", Follow::No, Carry::Always, Seek::Unknown),
        ("Microsoft-WebDAV-MiniRedir/10.0.22631", Follow::No, Carry::Unknown, Seek::Unknown),
        ("davfs2/1.7.0 neon/0.33.0", Follow::No, Carry::Never, Seek::Unknown),
        ("cadaver/0.24 neon/0.33.0", Follow::No, Carry::Never, Seek::Unknown),
        ("rclone/v1.70.3", Follow::Yes, Carry::SameSite, Seek::Here),
        ("Kodi/21.1 (X11; Linux x86_64) App_Bitness/64 Version/21.1", Follow::Yes, Carry::Never, Seek::OnLink),
        ("VLC/3.0.20 LibVLC/3.0.20", Follow::Yes, Carry::Never, Seek::OnLink),
        ("gvfs/1.54.0", Follow::Yes, Carry::Never, Seek::Here),
        ("Cyberduck/9.0.1.41945 (Mac OS X/14.5) (aarch64)", Follow::No, Carry::Unknown, Seek::Unknown),
        ("nPlayer/3.12", Follow::Yes, Carry::Unknown, Seek::Unknown),
        ("Infuse-Direct/7.7", Follow::No, Carry::Always, Seek::Unknown),
        (
            "Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0",
            Follow::Yes,
            Carry::Never,
            Seek::OnLinkWhenPlaying,
        ),
        ("curl/8.9.1", Follow::No, Carry::SameSite, Seek::Unknown),
    ];

    fn opens<'a>(user_agent: &'a str) -> Requester<'a> {
        Requester { user_agent, sec_fetch_mode: "navigate", ..Requester::default() }
    }

    #[test]
    fn each_row_is_found_by_what_its_client_sends() {
        assert_eq!(KNOWN.len(), CLIENTS.len(), "a row has no example here");
        for ((user_agent, follow, carry, seek), row) in KNOWN.iter().zip(CLIENTS) {
            let found = find(&opens(user_agent)).unwrap();
            assert_eq!(found.user_agent, row.user_agent, "{user_agent}");
            assert_eq!((found.follow, found.carry, found.seek), (*follow, *carry, *seek), "{user_agent}");
            assert!(!row.source.is_empty());
        }
    }

    #[test]
    fn other_names_of_the_same_clients_are_known_too() {
        let same = [
            ("WebDAVLib/1.3", 0),
            ("Microsoft Data Access Internet Publishing Provider DAV 1.1", 1),
            ("Microsoft Office Word 2014", 1),
            ("litmus/0.13 neon/0.33.0", 3),
            ("KODI/21", 5),
            ("Some Player LibVLC/4", 6),
            ("Mountain Duck/4.17", 8),
            ("Dalvik/2.1.0 (Linux; U; Android 14)", 10),
            ("MyApp/1 ExoPlayerLib/2.19", 10),
            ("okhttp/4.12.0", 10),
            ("Go-http-client/1.1", 12),
            ("python-requests/2.32", 12),
        ];
        for (user_agent, row) in same {
            assert_eq!(find(&opens(user_agent)).unwrap().user_agent, CLIENTS[row].user_agent, "{user_agent}");
        }
        for user_agent in ["", "Something/1", "not rclone/1", "WebDAVFSX/1"] {
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
