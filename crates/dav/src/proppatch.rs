//! PROPPATCH (RFC 4918 section 9.2): times are set where the storage can, Windows is told what it needs to hear, what the
//! server computes is protected, and everything else is kept as it came.

use std::time::SystemTime;

use bytes::{BufMut, BytesMut};
use davmux_tree::{Checksums, LONGEST_PROPERTY, Problem, Property, PropertyChange, RelPath, View};
use http::StatusCode;

use crate::body::{Incoming, collect};
use crate::call::{Answer, Call, full, to_its_end};
use crate::checksum::Announced;
use crate::dates::{parse_http_date, parse_unix};
use crate::guard::Change;
use crate::multistatus::{END, START, put_status};
use crate::props::{Live, OWNCLOUD};
use crate::status::{Condition, Failure, XML};
use crate::xml::{self, DAV, Element, Name};

/// The longest body in bytes.
const LONGEST_BODY: usize = 1024 * 1024;
/// The most properties that one request may change.
const MOST_CHANGES: usize = 10_000;

/// Explorer reports a failed copy where one of these is refused. The time of the last change is set; the others mean nothing
/// here and are kept as they came.
const WINDOWS: &str = "urn:schemas-microsoft-com:";
/// Cyberduck's own.
const CYBERDUCK: &str = "SAR:";

/// What is to be done with one property.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Verdict {
    /// Told as done; there is nothing to do.
    Ignored,
    /// The time is set. `Windows`: told as done also where the storage keeps no times.
    Time {
        time: SystemTime,
        must: bool,
    },
    /// Told as done where they are known to be those of the file: rclone repeats them beside a time (rclone/rclone,
    /// `backend/webdav/webdav.go`, `SetModTime`).
    Checksums(Checksums),
    Protected,
    /// A dead property: it is kept.
    Kept,
    /// A dead property that is longer than what is kept.
    TooLong,
    /// A value that means nothing.
    BadValue,
}

impl Verdict {
    fn of_set(element: &Element) -> Self {
        let Name { namespace, local } = &element.name;
        let time = |time: Option<SystemTime>, must| time.map_or(Self::BadValue, |time| Self::Time { time, must });
        match (&**namespace, &**local) {
            (WINDOWS, "Win32LastModifiedTime") => time(parse_http_date(&element.text()), false),
            (DAV, "getlastmodified") => time(parse_http_date(&element.text()), true),
            // rclone and ownCloud send seconds, Cyberduck a date.
            (DAV | CYBERDUCK, "lastmodified") => {
                let text = element.text();
                time(parse_unix(&text).or_else(|| parse_http_date(&text)), true)
            }
            (OWNCLOUD, "checksums") => checksums(element).map_or(Self::BadValue, Self::Checksums),
            _ if Live::of(&element.name).is_some() => Self::Protected,
            _ => Self::Kept,
        }
    }

    fn of_remove(name: &Name) -> Self {
        // To remove what is not there is no error (section 9.2).
        if Live::of(name).is_none() { Self::Ignored } else { Self::Protected }
    }

    fn status(self) -> StatusCode {
        match self {
            Self::Ignored | Self::Time { .. } | Self::Kept | Self::Checksums(_) => StatusCode::OK,
            Self::Protected => StatusCode::FORBIDDEN,
            Self::TooLong => StatusCode::INSUFFICIENT_STORAGE,
            Self::BadValue => StatusCode::CONFLICT,
        }
    }
}

/// Answers a PROPPATCH: all of it is done or nothing.
pub(crate) async fn proppatch(call: Call, mut body: Incoming) -> Answer {
    call.view.may_have_properties(&call.path)?;
    let judged = call.judge().await?;
    let there = match judged.node {
        Some(node) => node,
        None => call.look(&call.path).await?,
    };
    let Some(node) = there else {
        return Err(Failure::new(StatusCode::NOT_FOUND, "nothing is there"));
    };
    let guard = || call.guard(&call.path, Change::Itself, &judged.tokens, None);
    guard().await?;
    let Patch { verdicts, dead } = parse(&collect(&mut body, LONGEST_BODY).await?)?;
    // The body took its time: a lock that was given meanwhile counts.
    guard().await?;
    let mut results: Vec<(Name, Verdict, StatusCode)> =
        verdicts.into_iter().map(|(name, verdict)| (name, verdict, verdict.status())).collect();
    // A claim that cannot be confirmed is none that a later reader could trust.
    refuse(
        &mut results,
        StatusCode::CONFLICT,
        |verdict| matches!(verdict, Verdict::Checksums(claimed) if claimed.or(node.checksums()) != node.checksums()),
    );
    if results.iter().all(|(_, _, status)| status.is_success()) {
        let times = || {
            results.iter().filter_map(|(_, verdict, _)| match verdict {
                Verdict::Time { time, must } => Some((*time, *must)),
                _ => None,
            })
        };
        // The last one wins, as if they were done one after the other.
        let (time, must) = (times().next_back().map(|(time, _)| time), times().any(|(_, must)| must));
        let (view, path) = (call.view.clone(), call.path.clone());
        match to_its_end(&call.view, async move { change(&view, &path, time, must, dead).await }).await? {
            Ok(true) => {}
            Ok(false) => refuse(&mut results, StatusCode::FORBIDDEN, |verdict| {
                matches!(verdict, Verdict::Time { must: true, .. })
            }),
            Err(error) if error.problem() == Problem::PropertyLimit => {
                refuse(&mut results, StatusCode::INSUFFICIENT_STORAGE, |verdict| verdict == Verdict::Kept);
            }
            Err(error) => return Err(error.into()),
        }
    }
    if results.iter().any(|(_, _, status)| !status.is_success()) {
        for (_, _, status) in &mut results {
            if status.is_success() {
                *status = StatusCode::FAILED_DEPENDENCY;
            }
        }
    }
    Ok(full(StatusCode::MULTI_STATUS, XML, answer(&call, &results).freeze()))
}

fn refuse(results: &mut [(Name, Verdict, StatusCode)], why: StatusCode, which: impl Fn(Verdict) -> bool) {
    for (_, verdict, status) in results {
        if which(*verdict) {
            *status = why;
        }
    }
}

/// Sets the time and changes the dead properties; false, and nothing is changed, where a time that must be kept cannot be.
async fn change(
    view: &View,
    path: &RelPath,
    time: Option<SystemTime>,
    must: bool,
    dead: Vec<PropertyChange>,
) -> davmux_tree::Result<bool> {
    if let Some(time) = time {
        if !dead.is_empty() {
            view.may_set_properties(path, &dead).await?;
        }
        let set = match view.set_modified(path, time).await {
            // It has properties, but no time of its own.
            Err(error) if error.problem() == Problem::MountPoint => false,
            set => set?,
        };
        if !set && must {
            return Ok(false);
        }
    }
    if !dead.is_empty() {
        view.set_properties(path, dead).await?;
    }
    Ok(true)
}

fn answer(call: &Call, results: &[(Name, Verdict, StatusCode)]) -> BytesMut {
    let mut out = BytesMut::from(START);
    out.put_slice(b"<D:response><D:href>");
    call.shared.base.put_href(&mut out, &call.path, call.slash);
    out.put_slice(b"</D:href>");
    let mut told: Vec<(StatusCode, bool)> = Vec::new();
    for (_, verdict, status) in results {
        let group = (*status, *verdict == Verdict::Protected);
        if told.contains(&group) {
            continue;
        }
        told.push(group);
        out.put_slice(b"<D:propstat><D:prop>");
        for (name, ..) in
            results.iter().filter(|(_, verdict, status)| (*status, *verdict == Verdict::Protected) == group)
        {
            name.put_empty(&mut out);
        }
        out.put_slice(b"</D:prop>");
        put_status(&mut out, group.0);
        if group == (StatusCode::FORBIDDEN, true) {
            out.put_slice(b"<D:error>");
            Condition::ProtectedProperty.put(&mut out);
            out.put_slice(b"</D:error>");
        }
        out.put_slice(b"</D:propstat>");
    }
    out.put_slice(b"</D:response>\n");
    out.put_slice(END);
    out
}

/// What a body asks for.
#[derive(Debug, Default)]
struct Patch {
    /// What becomes of each property that is to be set or removed, in its order.
    verdicts: Vec<(Name, Verdict)>,
    /// The changes of those that are kept as they came.
    dead: Vec<PropertyChange>,
}

/// Reads the body.
fn parse(body: &[u8]) -> Result<Patch, Failure> {
    let root = xml::parse(body)?;
    if !root.name.is_dav("propertyupdate") {
        return Err(Failure::bad_request("the body of PROPPATCH must be a propertyupdate element"));
    }
    let mut patch = Patch::default();
    for action in root.elements() {
        let set = action.name.is_dav("set");
        if !set && !action.name.is_dav("remove") {
            continue;
        }
        for prop in action.elements().filter(|element| element.name.is_dav("prop")) {
            // A language holds for all that is inside.
            let lang = prop.lang().or(action.lang()).or(root.lang());
            for property in prop.elements() {
                if patch.verdicts.len() == MOST_CHANGES {
                    return Err(Failure::bad_request("the request changes too many properties"));
                }
                let mut verdict = if set { Verdict::of_set(property) } else { Verdict::of_remove(&property.name) };
                match verdict {
                    Verdict::Kept => match property.self_contained(LONGEST_PROPERTY) {
                        Some(value) => patch.dead.push(kept(property, value, property.lang().or(lang))),
                        None => verdict = Verdict::TooLong,
                    },
                    Verdict::Ignored if !set => patch.dead.push(PropertyChange::Remove {
                        namespace: property.name.namespace.to_string(),
                        name: property.name.local.to_string(),
                    }),
                    _ => {}
                }
                patch.verdicts.push((property.name.clone(), verdict));
            }
        }
    }
    if patch.verdicts.is_empty() {
        return Err(Failure::bad_request("the request changes no property"));
    }
    Ok(patch)
}

/// The sums that an `oc:checksums` names: `SHA1:hex MD5:hex` in its `oc:checksum`. `None`: none of these can be read.
fn checksums(element: &Element) -> Option<Checksums> {
    let words: Vec<String> = element.elements().map(Element::text).collect();
    let named = Announced::in_words(&words.join(" ")).ok()?.checksums();
    (!named.is_empty()).then_some(named)
}

fn kept(property: &Element, value: String, lang: Option<&str>) -> PropertyChange {
    PropertyChange::Set(Property {
        namespace: property.name.namespace.to_string(),
        name: property.name.local.to_string(),
        value,
        lang: lang.filter(|lang| !lang.is_empty()).map(str::to_owned),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::{Duration, UNIX_EPOCH};

    fn verdict(action: &str, property: &str) -> Verdict {
        let body = format!(
            "<D:propertyupdate xmlns:D='DAV:' xmlns:Z='urn:schemas-microsoft-com:'><D:{action}><D:prop>{property}</D:prop></D:{action}></D:propertyupdate>"
        );
        parse(body.as_bytes()).unwrap().verdicts[0].1
    }

    #[test]
    fn times_of_all_vendors_are_understood() {
        let time = UNIX_EPOCH + Duration::from_secs(784_111_777);
        let date = "Sun, 06 Nov 1994 08:49:37 GMT";
        for (property, must) in [
            (format!("<Z:Win32LastModifiedTime>{date}</Z:Win32LastModifiedTime>"), false),
            (format!("<D:getlastmodified>{date}</D:getlastmodified>"), true),
            ("<lastmodified xmlns='DAV:'>784111777</lastmodified>".to_owned(), true),
            (format!("<lastmodified xmlns='SAR:'>{date}</lastmodified>"), true),
        ] {
            assert_eq!(verdict("set", &property), Verdict::Time { time, must }, "{property}");
        }
        assert_eq!(verdict("set", "<D:getlastmodified>now</D:getlastmodified>"), Verdict::BadValue);
    }

    #[test]
    fn checksums_are_read_as_rclone_repeats_them() {
        let sums = |text: &str| {
            verdict("set", &format!("<checksums xmlns='{OWNCLOUD}'><checksum>{text}</checksum></checksums>"))
        };
        let md5 = "d41d8cd98f00b204e9800998ecf8427e";
        let md5_of_nothing = [0xd4, 0x1d, 0x8c, 0xd9, 0x8f, 0, 0xb2, 4, 0xe9, 0x80, 9, 0x98, 0xec, 0xf8, 0x42, 0x7e];
        let named = Checksums { md5: Some(md5_of_nothing), sha1: Some([0xff; 20]) };
        assert_eq!(sums(&format!("SHA1:{} MD5:{md5}", "ff".repeat(20))), Verdict::Checksums(named));
        for other in ["", "MD5:", "MD5:d4", "ADLER32:00000001", &format!("MD5:{md5}00"), "SHA1:é"] {
            assert_eq!(sums(other), Verdict::BadValue, "{other}");
        }
    }

    #[test]
    fn what_the_server_computes_is_protected_and_the_rest_is_kept() {
        assert_eq!(verdict("set", "<D:getetag>x</D:getetag>"), Verdict::Protected);
        assert_eq!(verdict("remove", "<D:getlastmodified/>"), Verdict::Protected);
        assert_eq!(verdict("set", "<a xmlns='urn:x'>1</a>"), Verdict::Kept);
        assert_eq!(verdict("remove", "<a xmlns='urn:x'/>"), Verdict::Ignored);
        assert_eq!(verdict("set", "<Z:Win32FileAttributes>00000020</Z:Win32FileAttributes>"), Verdict::Kept);
    }

    #[test]
    fn what_is_no_propertyupdate_is_refused() {
        for bad in [
            "",
            "<propertyupdate/>",
            "<propertyupdate xmlns='DAV:'/>",
            "<propertyupdate xmlns='DAV:'><set/></propertyupdate>",
        ] {
            assert!(parse(bad.as_bytes()).is_err(), "{bad:?}");
        }
    }
}
