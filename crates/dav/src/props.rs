//! Live properties: which there are, and how they and the dead ones are written for one file or folder.

use std::collections::HashMap;
use std::time::SystemTime;

use bytes::{BufMut, BytesMut};
use davmux_tree::{Node, Property, RelPath, TreePath, Usage, View};
use http::StatusCode;

use crate::call::place;
use crate::checksum::put_words;
use crate::dates::{put_http_date, put_iso_date};
use crate::dead::{self, Dead};
use crate::lock_xml::put_active_locks;
use crate::locks::Lock;
use crate::media_types;
use crate::multistatus::put_status;
use crate::path::Base;
use crate::status::Failure;
use crate::xml::{self, DAV, Name, put_text};

/// A property that the server computes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Live {
    ResourceType,
    ContentLength,
    LastModified,
    CreationDate,
    Etag,
    ContentType,
    DisplayName,
    SupportedLock,
    LockDiscovery,
    QuotaAvailable,
    QuotaUsed,
    /// ownCloud's, told where it is asked for by name.
    Checksums,
}

/// The namespace of ownCloud's properties.
pub(crate) const OWNCLOUD: &str = "http://owncloud.org/ns";

/// What an `allprop` gets. Quotas are left out, as RFC 4331 section 2 asks: they can be costly.
const ALL: &[Live] = &[
    Live::ResourceType,
    Live::ContentLength,
    Live::LastModified,
    Live::CreationDate,
    Live::Etag,
    Live::ContentType,
    Live::DisplayName,
    Live::SupportedLock,
    Live::LockDiscovery,
];

impl Live {
    pub(crate) fn of(name: &Name) -> Option<Self> {
        if &*name.namespace == OWNCLOUD && &*name.local == "checksums" {
            return Some(Self::Checksums);
        }
        if &*name.namespace != DAV {
            return None;
        }
        Some(match &*name.local {
            "resourcetype" => Self::ResourceType,
            "getcontentlength" => Self::ContentLength,
            "getlastmodified" => Self::LastModified,
            "creationdate" => Self::CreationDate,
            "getetag" => Self::Etag,
            "getcontenttype" => Self::ContentType,
            "displayname" => Self::DisplayName,
            "supportedlock" => Self::SupportedLock,
            "lockdiscovery" => Self::LockDiscovery,
            "quota-available-bytes" => Self::QuotaAvailable,
            "quota-used-bytes" => Self::QuotaUsed,
            _ => return None,
        })
    }

    fn name(self) -> &'static str {
        match self {
            Self::ResourceType => "resourcetype",
            Self::ContentLength => "getcontentlength",
            Self::LastModified => "getlastmodified",
            Self::CreationDate => "creationdate",
            Self::Etag => "getetag",
            Self::ContentType => "getcontenttype",
            Self::DisplayName => "displayname",
            Self::SupportedLock => "supportedlock",
            Self::LockDiscovery => "lockdiscovery",
            Self::QuotaAvailable => "quota-available-bytes",
            Self::QuotaUsed => "quota-used-bytes",
            Self::Checksums => "checksums",
        }
    }

    /// Its prefix, and where that is declared.
    fn prefix(self) -> (&'static str, &'static str) {
        match self {
            Self::Checksums => ("oc:", " xmlns:oc=\"http://owncloud.org/ns\""),
            _ => ("D:", ""),
        }
    }

    /// Writes its start tag, or with `end` `"/>"` all of it.
    fn put_start(self, out: &mut BytesMut, end: &str) {
        let (prefix, declared) = self.prefix();
        for part in ["<", prefix, self.name(), declared, end] {
            out.put_slice(part.as_bytes());
        }
    }

    fn put_end(self, out: &mut BytesMut) {
        for part in ["</", self.prefix().0, self.name(), ">"] {
            out.put_slice(part.as_bytes());
        }
    }
}

/// What a PROPFIND asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Ask {
    /// Everything there is, and these.
    All(Vec<Name>),
    /// The names alone.
    Names,
    /// These.
    Some(Vec<Name>),
}

/// The most properties that one request may name.
const MOST_NAMES: usize = 1000;
/// The most bytes that the names of properties take which the server does not compute: where they are missing, each member
/// repeats them.
const MOST_BYTES_OF_NAMES: usize = 16 * 1024;

impl Ask {
    /// Reads the body of a PROPFIND; none is `allprop` (RFC 4918 section 9.1).
    pub(crate) fn parse(body: &[u8]) -> Result<Self, Failure> {
        if body.is_empty() {
            return Ok(Self::All(Vec::new()));
        }
        let root = xml::parse(body)?;
        if !root.name.is_dav("propfind") {
            return Err(Failure::bad_request("the body of PROPFIND must be a propfind element"));
        }
        let names = |element: &xml::Element| -> Result<Vec<Name>, Failure> {
            let mut names: Vec<Name> = Vec::new();
            for element in element.elements() {
                if names.len() == MOST_NAMES {
                    return Err(Failure::bad_request("the request names too many properties"));
                }
                if !names.contains(&element.name) {
                    names.push(element.name.clone());
                }
            }
            let mut written = BytesMut::new();
            names.iter().filter(|name| Live::of(name).is_none()).for_each(|name| name.put_empty(&mut written));
            if written.len() > MOST_BYTES_OF_NAMES {
                return Err(Failure::bad_request("the request names too many properties"));
            }
            Ok(names)
        };
        let is_one =
            |element: &&xml::Element| ["prop", "allprop", "propname"].iter().any(|one| element.name.is_dav(one));
        let mut asked = root.elements().filter(is_one);
        match (asked.next(), asked.next()) {
            (Some(prop), None) if prop.name.is_dav("prop") => Ok(Self::Some(names(prop)?)),
            (Some(all), None) if all.name.is_dav("allprop") => {
                Ok(Self::All(root.dav("include").map(names).transpose()?.unwrap_or_default()))
            }
            (Some(_), None) => Ok(Self::Names),
            _ => Err(Failure::bad_request("a propfind asks for one of prop, allprop and propname")),
        }
    }

    /// The names in the request.
    pub(crate) fn names(&self) -> &[Name] {
        match self {
            Self::All(names) | Self::Some(names) => names,
            Self::Names => &[],
        }
    }

    /// Whether the room of the storage is asked for.
    pub(crate) fn wants_quota(&self) -> bool {
        self.names().iter().any(|name| matches!(Live::of(name), Some(Live::QuotaAvailable | Live::QuotaUsed)))
    }

    /// Whether the locks are.
    pub(crate) fn wants_locks(&self) -> bool {
        match self {
            Self::All(_) => true,
            Self::Names => false,
            Self::Some(names) => names.iter().any(|name| name.is_dav("lockdiscovery")),
        }
    }
}

/// The properties of one answer, prepared so that an entry costs only its own values.
#[derive(Debug)]
pub(crate) struct Properties {
    base: Base,
    view: View,
    now: SystemTime,
    live: Vec<Live>,
    names_only: bool,
    /// A property that was asked for by name and is not there is told as such.
    tell_missing: bool,
    /// Names that a resource without dead properties does not have, written out.
    unknown: Vec<u8>,
    dead: Dead,
    target: RelPath,
    quota: Option<Usage>,
    /// Locks on a folder above, or on the target, that cover everything below too.
    inherited: Vec<Lock>,
    direct: HashMap<TreePath, Vec<Lock>>,
}

/// What a [`Properties`] is made of.
#[derive(Debug)]
pub(crate) struct Context<'a> {
    pub(crate) base: &'a Base,
    pub(crate) view: &'a View,
    /// What the request is about.
    pub(crate) target: &'a RelPath,
    /// The locks related to it.
    pub(crate) locks: Vec<Lock>,
    pub(crate) now: SystemTime,
    pub(crate) quota: Option<Usage>,
    pub(crate) dead: Dead,
    /// Properties that are not there may be left out.
    pub(crate) minimal: bool,
    /// The client reads only so much of a listing: what it does not use is left out of an `allprop`.
    pub(crate) short: bool,
}

impl Properties {
    pub(crate) fn new(ask: &Ask, context: Context<'_>) -> Self {
        let mut live: Vec<Live> = match ask {
            Ask::All(_) | Ask::Names => ALL.to_vec(),
            Ask::Some(_) => Vec::new(),
        };
        if context.short && matches!(ask, Ask::All(_)) {
            live.retain(|live| !matches!(live, Live::SupportedLock | Live::LockDiscovery));
        }
        let mut unknown = BytesMut::new();
        for name in ask.names() {
            match Live::of(name) {
                Some(known) if !live.contains(&known) => live.push(known),
                Some(_) => {}
                None => name.put_empty(&mut unknown),
            }
        }
        let target = place(context.view, context.target);
        let mut inherited = Vec::new();
        let mut direct: HashMap<TreePath, Vec<Lock>> = HashMap::new();
        for lock in context.locks {
            if lock.deep && target.is_within(&lock.path) {
                inherited.push(lock);
            } else {
                direct.entry(lock.path.clone()).or_default().push(lock);
            }
        }
        let tell_missing = matches!(ask, Ask::Some(_)) && !context.minimal;
        Self {
            base: context.base.clone(),
            view: context.view.clone(),
            now: context.now,
            live,
            names_only: *ask == Ask::Names,
            tell_missing,
            unknown: if context.minimal { Vec::new() } else { unknown.to_vec() },
            dead: context.dead,
            target: context.target.clone(),
            quota: context.quota,
            inherited,
            direct,
        }
    }

    /// Writes the `response` of the target itself.
    pub(crate) fn put_target(&self, out: &mut BytesMut, node: &Node) {
        out.put_slice(b"<D:response><D:href>");
        self.base.put_href(out, &self.target, node.is_dir());
        self.put_rest(out, node, &self.target, self.dead.of_target(), true);
    }

    /// The dead properties that are told of the target and its members.
    pub(crate) fn dead(&self) -> &Dead {
        &self.dead
    }

    /// Writes the `response` of a member of the target. `folder` is the target's href, with its slash.
    pub(crate) fn put_member(&self, out: &mut BytesMut, folder: &str, node: &Node, dead: &[Property]) {
        let Ok(path) = self.target.child(&node.name) else {
            // The tree names nothing that a path cannot hold.
            return;
        };
        out.put_slice(b"<D:response><D:href>");
        out.put_slice(folder.as_bytes());
        crate::path::put_escaped(out, &node.name);
        if node.is_dir() {
            out.put_u8(b'/');
        }
        self.put_rest(out, node, &path, dead, false);
    }

    /// Writes the `response` of a folder above the tree.
    pub(crate) fn put_above(&self, out: &mut BytesMut, href: &str, name: &str) {
        out.put_slice(b"<D:response><D:href>");
        out.put_slice(href.as_bytes());
        self.put_rest(out, &Node::folder(name), &RelPath::root(), &[], false);
    }

    fn put_rest(&self, out: &mut BytesMut, node: &Node, path: &RelPath, dead: &[Property], is_target: bool) {
        const OPEN: &[u8] = b"<D:propstat><D:prop>";
        out.put_slice(b"</D:href>");
        let start = out.len();
        out.put_slice(OPEN);
        let mut missing: u16 = 0;
        for (at, &live) in self.live.iter().enumerate() {
            let mark = out.len();
            if !self.put_value(out, live, node, path, is_target) {
                out.truncate(mark);
                missing |= 1 << at;
            } else if self.names_only {
                out.truncate(mark);
                live.put_start(out, "/>");
            }
        }
        dead::put(out, dead, self.names_only);
        let mut unknown = BytesMut::new();
        let unknown = if dead.is_empty() || self.unknown.is_empty() {
            &self.unknown
        } else {
            self.dead.put_missing(&mut unknown, dead);
            &unknown[..]
        };
        let tells = !unknown.is_empty() || (self.tell_missing && missing != 0);
        if out.len() == start + OPEN.len() && tells {
            out.truncate(start);
        } else {
            out.put_slice(b"</D:prop><D:status>HTTP/1.1 200 OK</D:status></D:propstat>");
        }
        if tells {
            out.put_slice(OPEN);
            if self.tell_missing {
                for (at, &live) in self.live.iter().enumerate() {
                    if missing & (1 << at) != 0 {
                        live.put_start(out, "/>");
                    }
                }
            }
            out.put_slice(unknown);
            out.put_slice(b"</D:prop>");
            put_status(out, StatusCode::NOT_FOUND);
            out.put_slice(b"</D:propstat>");
        }
        out.put_slice(b"</D:response>\n");
    }

    /// Writes one property; false where this resource does not have it, and then what was written is to be dropped.
    fn put_value(&self, out: &mut BytesMut, live: Live, node: &Node, path: &RelPath, is_target: bool) -> bool {
        let quota = self.quota.as_ref().filter(|_| is_target && node.is_dir());
        live.put_start(out, ">");
        let there = match live {
            Live::ResourceType => {
                if node.is_dir() {
                    out.put_slice(b"<D:collection/>");
                }
                true
            }
            Live::ContentLength if node.is_dir() => false,
            Live::ContentLength => put_number(out, node.size),
            Live::LastModified => node.modified.is_some_and(|time| put_http_date(out, time)),
            // No storage tells when a file was made; its last change stands in, as most servers do.
            Live::CreationDate => node.modified.is_some_and(|time| put_iso_date(out, time)),
            Live::Etag => node.etag.as_ref().map(|etag| put_text(out, etag.as_str())).is_some(),
            Live::ContentType if node.is_dir() => false,
            Live::ContentType => {
                put_text(out, media_types::of(node));
                true
            }
            Live::DisplayName => {
                put_text(out, &node.name);
                !node.name.is_empty()
            }
            Live::SupportedLock => {
                out.put_slice(
                    b"<D:lockentry><D:lockscope><D:exclusive/></D:lockscope><D:locktype><D:write/></D:locktype></D:lockentry>\
                      <D:lockentry><D:lockscope><D:shared/></D:lockscope><D:locktype><D:write/></D:locktype></D:lockentry>",
                );
                true
            }
            Live::LockDiscovery => {
                if !self.inherited.is_empty() || !self.direct.is_empty() {
                    let direct = self.direct.get(&place(&self.view, path));
                    let locks = self.inherited.iter().chain(direct.into_iter().flatten());
                    put_active_locks(out, locks, &self.base, &self.view, self.now);
                }
                true
            }
            Live::QuotaAvailable => quota.is_some_and(|quota| put_number(out, quota.available)),
            Live::QuotaUsed => quota.and_then(|quota| quota.used).is_some_and(|used| put_number(out, used)),
            Live::Checksums => {
                out.put_slice(b"<oc:checksum>");
                let known = put_words(out, node.checksums());
                out.put_slice(b"</oc:checksum>");
                known
            }
        };
        live.put_end(out);
        there
    }
}

fn put_number(out: &mut BytesMut, mut number: u64) -> bool {
    let mut digits = [0; 20];
    let mut at = digits.len();
    loop {
        at -= 1;
        // A digit: less than 10.
        digits[at] = b'0' + (number % 10) as u8;
        number /= 10;
        if number == 0 {
            break;
        }
    }
    out.put_slice(&digits[at..]);
    true
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn ask(inner: &str) -> Result<Ask, Failure> {
        Ask::parse(format!("<p:propfind xmlns:p='DAV:'>{inner}</p:propfind>").as_bytes())
    }

    #[test]
    fn a_propfind_asks_for_one_thing() {
        assert_eq!(Ask::parse(b"").unwrap(), Ask::All(Vec::new()));
        assert_eq!(ask("<p:propname/>").unwrap(), Ask::Names);
        let Ask::Some(names) = ask("<p:prop><p:getetag/><p:getetag/><x/></p:prop>").unwrap() else { panic!() };
        assert_eq!(names.len(), 2);
        let Ask::All(names) = ask("<p:allprop/><p:include><p:quota-used-bytes/></p:include>").unwrap() else {
            panic!()
        };
        assert_eq!(Live::of(&names[0]), Some(Live::QuotaUsed));
        assert!(ask("").is_err());
        assert!(ask("<p:propname/><p:allprop/>").is_err());
        assert!(ask("<p:prop><p:getetag/></p:prop><p:prop/>").is_err());
        assert_eq!(ask("<x xmlns='urn:x'/><p:propname/>").unwrap(), Ask::Names, "what is not known is passed over");
        assert!(Ask::parse(b"<propfind/>").is_err());
        assert!(
            ask(&format!("<p:prop>{}</p:prop>", (0..=MOST_NAMES).map(|n| format!("<a{n}/>")).collect::<String>()))
                .is_err()
        );
    }

    #[test]
    fn names_that_each_member_would_repeat_are_bounded() {
        let names = |namespace: usize, count: usize| {
            let names =
                (0..count).map(|n| format!("<x:a{n} xmlns:x='{}'/>", "n".repeat(namespace))).collect::<String>();
            ask(&format!("<p:prop>{names}</p:prop>"))
        };
        assert!(names(20, 200).is_ok());
        assert!(names(500, 20).is_ok());
        assert!(names(500, 40).is_err());
    }

    #[test]
    fn quotas_are_told_only_to_who_asks() {
        assert!(!ask("<p:allprop/>").unwrap().wants_quota());
        assert!(ask("<p:prop><p:quota-available-bytes/></p:prop>").unwrap().wants_quota());
    }

    proptest! {
        #[test]
        fn numbers_are_written_in_decimal(number: u64) {
            let mut out = BytesMut::new();
            put_number(&mut out, number);
            let expected = number.to_string();
            prop_assert_eq!(&out[..], expected.as_bytes());
        }
    }
}
