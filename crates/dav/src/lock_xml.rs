//! How locks look in XML: `lockinfo` in, `lockdiscovery` out (RFC 4918 sections 14.11 and 15.8).

use std::time::SystemTime;

use bytes::{BufMut, BytesMut};
use davmux_tree::View;

use crate::locks::{Lock, LockScope, seconds_left};
use crate::path::Base;
use crate::status::Failure;
use crate::xml;

/// What a LOCK asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct LockInfo {
    pub(crate) scope: LockScope,
    /// The `owner` element as it came, as safe XML where `D` is bound to `DAV:`; `""` where there is none.
    pub(crate) owner: String,
}

/// The longest owner that is kept, in bytes.
const LONGEST_OWNER: usize = 4096;

impl LockInfo {
    pub(crate) fn parse(body: &[u8]) -> Result<Self, Failure> {
        let root = xml::parse(body)?;
        if !root.name.is_dav("lockinfo") {
            return Err(Failure::bad_request("the body of LOCK must be a lockinfo element"));
        }
        if root.dav("locktype").and_then(|element| element.dav("write")).is_none() {
            return Err(Failure::bad_request("only write locks exist"));
        }
        let scope =
            root.dav("lockscope").map(|scope| (scope.dav("exclusive").is_some(), scope.dav("shared").is_some()));
        let scope = match scope {
            Some((true, false)) => LockScope::Exclusive,
            Some((false, true)) => LockScope::Shared,
            _ => return Err(Failure::bad_request("a lock is either exclusive or shared")),
        };
        let owner = match root.dav("owner") {
            None => String::new(),
            Some(element) => element
                .in_multistatus(LONGEST_OWNER)
                .ok_or_else(|| Failure::bad_request("the owner of the lock is too long"))?,
        };
        Ok(Self { scope, owner })
    }
}

/// Writes one `activelock` for each lock.
pub(crate) fn put_active_locks<'a>(
    out: &mut BytesMut,
    locks: impl Iterator<Item = &'a Lock>,
    base: &Base,
    view: &View,
    now: SystemTime,
) {
    for lock in locks {
        out.put_slice(b"<D:activelock><D:locktype><D:write/></D:locktype><D:lockscope>");
        out.put_slice(match lock.scope {
            LockScope::Exclusive => b"<D:exclusive/>",
            LockScope::Shared => b"<D:shared/>",
        });
        out.put_slice(b"</D:lockscope><D:depth>");
        out.put_slice(if lock.deep { b"infinity" } else { b"0" });
        out.put_slice(b"</D:depth>");
        out.put_slice(lock.owner.as_bytes());
        out.put_slice(format!("<D:timeout>Second-{}</D:timeout>", seconds_left(lock, now)).as_bytes());
        out.put_slice(b"<D:locktoken><D:href>");
        out.put_slice(lock.token.as_bytes());
        out.put_slice(b"</D:href></D:locktoken><D:lockroot><D:href>");
        // A lock from above the user's root covers all of it.
        base.put_href(out, &view.shown_path(&lock.path), false);
        out.put_slice(b"</D:href></D:lockroot></D:activelock>");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lockinfo_says_scope_and_owner() {
        let info = LockInfo::parse(
            b"<?xml version='1.0'?><L:lockinfo xmlns:L='DAV:'><L:lockscope><L:shared/></L:lockscope>\
              <L:locktype><L:write/></L:locktype><L:owner><L:href>mailto:a&amp;b</L:href></L:owner></L:lockinfo>",
        )
        .unwrap();
        assert_eq!(info.scope, LockScope::Shared);
        assert_eq!(info.owner, "<D:owner><L:href xmlns:L=\"DAV:\">mailto:a&amp;b</L:href></D:owner>");
    }

    #[test]
    fn an_owner_comes_back_as_it_was_said() {
        let owner = |owner: &str, declared: &str| {
            let body = format!(
                "<lockinfo xmlns='DAV:' {declared}><lockscope><exclusive/></lockscope><locktype><write/></locktype>{owner}</lockinfo>"
            );
            LockInfo::parse(body.as_bytes()).unwrap().owner
        };
        for (sent, declared, kept) in [
            ("", "", ""),
            ("<owner/>", "", "<D:owner/>"),
            ("<owner>a &lt; b</owner>", "", "<D:owner>a &lt; b</D:owner>"),
            (
                "<owner xml:lang='de' e:a='1'><href x='&quot;'>é</href><e:b/></owner>",
                "xmlns:e='urn:e'",
                "<D:owner xmlns:e=\"urn:e\" xml:lang=\"de\" e:a=\"1\"><href xmlns=\"DAV:\" x=\"&quot;\">é</href><e:b/></D:owner>",
            ),
            ("<D:owner><D:href>a</D:href></D:owner>", "xmlns:D='DAV:'", "<D:owner><D:href>a</D:href></D:owner>"),
            // `D` means something else there.
            (
                "<owner D:a='1'><D:b/></owner>",
                "xmlns:D='urn:d'",
                "<owner xmlns=\"DAV:\" xmlns:D=\"urn:d\" D:a=\"1\"><D:b/></owner>",
            ),
            ("<owner><D:b xmlns:D='urn:d'/></owner>", "", "<D:owner><D:b xmlns:D=\"urn:d\"/></D:owner>"),
        ] {
            assert_eq!(owner(sent, declared), kept, "{sent}");
        }
    }

    #[test]
    fn what_is_no_lockinfo_is_refused() {
        let scope = "<lockscope><exclusive/></lockscope>";
        let kind = "<locktype><write/></locktype>";
        for bad in [
            "<lockinfo/>".to_owned(),
            format!("<lockinfo xmlns='DAV:'>{scope}</lockinfo>"),
            format!("<lockinfo xmlns='DAV:'>{kind}</lockinfo>"),
            format!("<lockinfo xmlns='DAV:'>{kind}<lockscope><exclusive/><shared/></lockscope></lockinfo>"),
            format!("<lockinfo xmlns='DAV:'>{scope}{kind}<owner>{}</owner></lockinfo>", "x".repeat(LONGEST_OWNER + 1)),
            format!("<lockinfo>{scope}{kind}</lockinfo>"),
        ] {
            assert!(LockInfo::parse(bad.as_bytes()).is_err(), "{bad:.60}");
        }
    }
}
