//! `groups`, and the `rights` and `groups` of those who have some.

use davmux_tree::Access;

use super::{items, tree_path};
use crate::keys;
use crate::rights::{Group, Membership, Right};
use crate::walk::{Section, Walk};
use crate::yaml::{Node, Pair};

pub(crate) fn groups<'a>(walk: &'a Walk<'a>, pair: Option<&'a Pair>) -> Option<Vec<Group>> {
    let Some(pair) = pair else { return Some(Vec::new()) };
    let mut groups: Vec<Group> = Vec::new();
    for node in items(walk, &pair.node, "groups")? {
        let Some(group) = group(walk, node) else { continue };
        if let Some(first) = groups.iter().find(|other| other.name == group.name) {
            walk.mistake(group.at, format!("name: this group is there already in line {}", first.at.line));
        }
        groups.push(group);
    }
    Some(groups)
}

fn group<'a>(walk: &'a Walk<'a>, node: &'a Node) -> Option<Group> {
    let section = walk.section(node, "a group", keys::GROUP)?;
    let name = section.required_text("name");
    let (access, rights) = (access(&section), rights(&section));
    let name = name?;
    Some(Group { at: name.at, name: name.as_str().to_owned(), access, rights })
}

const WORDS: [(&str, Access); 3] =
    [("none", Access::None), ("read-only", Access::ReadOnly), ("read-write", Access::ReadWrite)];

/// What is allowed where nothing else is said.
pub(crate) fn access(section: &Section<'_>) -> Option<Access> {
    section.choice("access", &WORDS)
}

/// What is allowed below some paths.
pub(crate) fn rights(section: &Section<'_>) -> Vec<Right> {
    let mut rights: Vec<Right> = Vec::new();
    let Some(pair) = section.pair("rights") else { return rights };
    for node in items(section.walk, &pair.node, "rights").unwrap_or_default() {
        let Some(right) = right(section.walk, node) else { continue };
        if let Some(first) = rights.iter().find(|other| other.path == right.path) {
            let message = format!("path: what is allowed here is said already in line {}", first.at.line);
            section.walk.mistake(right.at, message);
        }
        rights.push(right);
    }
    rights
}

fn right<'a>(walk: &'a Walk<'a>, node: &'a Node) -> Option<Right> {
    let section = walk.section(node, "a right", keys::RIGHT)?;
    let text = section.required_text("path");
    let path = text.and_then(|text| tree_path(&section, "path", text));
    section.required("access");
    let access = access(&section);
    let (at, path) = (text?.at, path?);
    if path.is_root() {
        walk.mistake(at, "path: what is allowed at / is said by `access`, beside `rights`");
    }
    Some(Right { at, path, access: access? })
}

/// The groups that somebody is in.
pub(crate) fn memberships(section: &Section<'_>, key: &'static str) -> Vec<Membership> {
    let nodes = section.one_or_many(key).unwrap_or_default();
    let names = nodes.iter().filter_map(|node| section.walk.scalar(node, key, "the name of a group"));
    names.map(|name| Membership { at: name.at, group: name.as_str().to_owned() }).collect()
}
