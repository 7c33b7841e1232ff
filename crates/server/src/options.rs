//! [`Options`]: how to serve, and which of it is refused.

use std::collections::HashSet;
use std::fmt;
use std::time::Duration;

use http::header::{self, HeaderName};
use ipnet::IpNet;

use crate::{Error, Limits, Listen, Result, TlsFiles, Token};

/// How to serve.
#[derive(Clone, Debug)]
pub struct Options {
    /// Where; at least one address.
    pub listen: Vec<Listen>,
    /// The mode of Unix sockets that are made; `None`: what the umask of the process leaves.
    pub socket_mode: Option<u32>,
    /// Speak TLS on every TCP address. Unix sockets are plain: who reaches them is on this machine.
    pub tls: Option<TlsFiles>,
    /// Also speak HTTP/2 to clients that ask for it in their handshake or, without TLS, begin with its preface; otherwise
    /// HTTP/1 alone.
    pub http2: bool,
    /// The proxies whose forwarding headers are believed. Loopback in here includes the peers of a Unix socket, which
    /// are on this machine too.
    pub trusted_proxies: Vec<IpNet>,
    /// In which a trusted proxy that knows the user says who it is; `None`: no header says that.
    pub identity_header: Option<HeaderName>,
    /// Who may ask.
    pub users: Vec<User>,
    /// What a request without credentials may do.
    pub anonymous: Anonymous,
    /// What clients may take.
    pub limits: Limits,
    /// How long requests in flight may go on after a shutdown began.
    pub drain: Duration,
    /// Write a line for each request.
    pub access_log: bool,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            listen: Vec::new(),
            socket_mode: None,
            tls: None,
            http2: false,
            trusted_proxies: Vec::new(),
            identity_header: None,
            users: Vec::new(),
            anonymous: Anonymous::None,
            limits: Limits::default(),
            drain: Duration::from_secs(30),
            access_log: true,
        }
    }
}

/// Access without credentials. This crate lets the request in or asks for credentials; that `ReadOnly` does not write is
/// the application's part.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Anonymous {
    /// Credentials are asked for.
    #[default]
    None,
    /// May read.
    ReadOnly,
    /// May read and write.
    ReadWrite,
}

/// One user.
#[derive(Clone, Debug)]
pub struct User {
    /// The name, without a colon (RFC 7617 section 2).
    pub name: String,
    /// How the password is known; `None`: there is none.
    pub password: Option<Password>,
    /// What scripts send in its place.
    pub tokens: Vec<Token>,
}

/// Reads the name of a header by which a proxy may say who asks: one that means nothing else.
pub fn identity_header(text: &str) -> Option<HeaderName> {
    let name: HeaderName = text.parse().ok()?;
    let taken = [header::AUTHORIZATION, header::HOST, header::COOKIE, header::CONNECTION, header::CONTENT_LENGTH]
        .into_iter()
        .chain([header::TRANSFER_ENCODING, header::FORWARDED, header::USER_AGENT, header::ORIGIN]);
    let forwards = ["x-forwarded-for", "x-forwarded-proto", "x-forwarded-host", "x-real-ip"].contains(&name.as_str());
    (!forwards && !taken.into_iter().any(|taken| taken == name)).then_some(name)
}

/// How a password is known.
#[derive(Clone)]
pub enum Password {
    /// An argon2 hash as a PHC string, as [`hash_password`](crate::hash_password) makes it.
    Hash(String),
    /// The password itself.
    Plain(Secret),
}

impl fmt::Debug for Password {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Hash(_) => "Hash(..)",
            Self::Plain(_) => "Plain(..)",
        })
    }
}

/// A text that no log shows.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(String);

impl Secret {
    /// Keeps a text.
    pub fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// The text.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(..)")
    }
}

impl Options {
    /// Refuses what must not be served, warns of what should not be.
    pub(crate) fn check(&self) -> Result<()> {
        if self.listen.is_empty() {
            return Err(Error::NoAddress);
        }
        let mut names = HashSet::new();
        for User { name, tokens, .. } in &self.users {
            let refuse = |detail| Err(Error::UserName { user: name.clone(), detail });
            if name.is_empty() {
                return refuse("is empty");
            }
            if name.contains(':') || name.chars().any(char::is_control) {
                return refuse("holds a colon or a control character, which Basic authentication cannot carry");
            }
            if !names.insert(name.as_str()) {
                return refuse("is given to two users");
            }
            let mut token_names = HashSet::new();
            for Token { name: token, .. } in tokens {
                let refuse = |detail| Err(Error::Token { user: name.clone(), token: token.clone(), detail });
                if token.is_empty() || token.chars().any(char::is_control) {
                    return refuse("has no name, or one with control characters");
                }
                if !token_names.insert(token.as_str()) {
                    return refuse("has the name of another");
                }
            }
        }
        if self.identity_header.is_some() && self.trusted_proxies.is_empty() {
            return Err(Error::IdentityHeader);
        }
        self.check_reach(&self.listen)?;
        if self.users.is_empty() && self.anonymous == Anonymous::None {
            tracing::warn!("there are no users and anonymous access is off: every request will be refused");
        }
        Ok(())
    }

    /// The same for those who reach these addresses. What systemd's sockets are bound to is known only when they are taken.
    pub(crate) fn check_reach<'a>(&self, addresses: impl IntoIterator<Item = &'a Listen>) -> Result<()> {
        let beyond_loopback = addresses.into_iter().find(|listen| listen.is_reachable_from_outside());
        if let Some(address) = beyond_loopback {
            if self.users.is_empty() && self.anonymous == Anonymous::ReadWrite {
                return Err(Error::OpenToAll { address: address.clone() });
            }
            // Behind a trusted proxy it is the proxy that the network sees.
            if !self.users.is_empty() && self.trusted_proxies.is_empty() && self.tls.is_none() {
                tracing::warn!(
                    %address,
                    "passwords cross the network in clear: set server.tls, put a proxy with TLS in front, or listen on \
                     127.0.0.1"
                );
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn user(name: &str, password: &str) -> User {
        User { name: name.into(), password: Some(Password::Plain(Secret::new(password))), tokens: Vec::new() }
    }

    fn options(listen: &[&str], users: usize, anonymous: Anonymous) -> Options {
        let listen = listen.iter().map(|text| text.parse().unwrap()).collect();
        let user = |n| user(&format!("user{n}"), "pass");
        Options { listen, users: (0..users).map(user).collect(), anonymous, ..Options::default() }
    }

    #[test]
    fn anonymous_writing_without_users_is_refused_beyond_loopback_and_nothing_else_is() {
        let inside: &[&[&str]] = &[&["127.0.0.1:0"], &["127.8.9.1:0", "[::1]:0"], &["unix:/run/davmux.sock"]];
        let outside: &[&[&str]] =
            &[&["0.0.0.0:0"], &["[::]:0"], &["192.168.1.2:0"], &["127.0.0.1:0", "[2001:db8::1]:0"]];
        for (listens, reachable) in [(inside, false), (outside, true)] {
            for listen in listens {
                for users in [0, 1] {
                    for anonymous in [Anonymous::None, Anonymous::ReadOnly, Anonymous::ReadWrite] {
                        let refused = reachable && users == 0 && anonymous == Anonymous::ReadWrite;
                        let checked = options(listen, users, anonymous).check();
                        let seen = matches!(checked, Err(Error::OpenToAll { .. }));
                        assert_eq!(seen, refused, "{listen:?}, {users} users, {anonymous:?}: {checked:?}");
                        assert_eq!(checked.is_err(), refused);
                    }
                }
            }
        }
    }

    #[test]
    fn a_name_that_basic_cannot_carry_or_that_two_share_is_refused() {
        for names in [&["a:b"][..], &[""], &["a\n"], &["a", "a"]] {
            let mut options = options(&["127.0.0.1:0"], 0, Anonymous::None);
            options.users = names.iter().map(|name| user(name, "p")).collect();
            assert!(matches!(options.check(), Err(Error::UserName { .. })), "{names:?}");
        }
        assert!(matches!(options(&[], 1, Anonymous::None).check(), Err(Error::NoAddress)));
    }

    #[test]
    fn a_header_that_names_the_user_needs_a_proxy_that_is_trusted() {
        let mut options = options(&["127.0.0.1:0"], 1, Anonymous::None);
        options.identity_header = Some(HeaderName::from_static("x-remote-user"));
        assert!(matches!(options.check(), Err(Error::IdentityHeader)));
        options.trusted_proxies = vec!["127.0.0.1/32".parse().unwrap()];
        options.check().unwrap();
    }

    #[test]
    fn a_header_that_means_something_else_names_no_user() {
        for good in ["X-Remote-User", "remote-user", "x-forwarded-user", "X-authentik-username"] {
            assert_eq!(identity_header(good), Some(good.parse().unwrap()));
        }
        for bad in ["", "a b", "Authorization", "Host", "X-Forwarded-For", "x-forwarded-proto", "X-Forwarded-Host"] {
            assert_eq!(identity_header(bad), None, "{bad}");
        }
    }

    #[test]
    fn tokens_of_a_user_have_names_of_their_own() {
        for names in [&["a", "a"][..], &[""], &["a\n"]] {
            let mut options = options(&["127.0.0.1:0"], 1, Anonymous::None);
            let token = |name: &&str| Token { name: (*name).into(), hash: crate::new_token().1, expires: None };
            options.users[0].tokens = names.iter().map(token).collect();
            assert!(matches!(options.check(), Err(Error::Token { .. })), "{names:?}");
        }
    }

    #[test]
    fn no_debug_output_shows_a_password() {
        let mut options = options(&["127.0.0.1:0"], 0, Anonymous::None);
        options.users = vec![
            user("a", "hunter2"),
            User { password: Some(Password::Hash("$argon2id$hunter2".into())), ..user("b", "") },
        ];
        assert!(!format!("{options:?}").contains("hunter2"));
    }
}
