//! What the service holds.

use std::collections::{BTreeMap, HashMap};

use bytes::Bytes;
use http::StatusCode;

/// A refusal: status, code and words.
pub(super) type Refused = (StatusCode, u64, &'static str);

pub(super) const NOT_FOUND: Refused = (StatusCode::NOT_FOUND, 40_400_001, "file or directory not found");
const FOLDER_EXISTS: Refused = (StatusCode::NOT_ACCEPTABLE, 40_600_002, "folder already exists");
const FILE_TYPE: Refused = (StatusCode::FORBIDDEN, 40_300_010, "file type error");
/// The sources know the words, not the number.
const NOT_EMPTY: Refused = (StatusCode::FORBIDDEN, 40_300_999, "directory not empty");
const NO_UPLOAD: Refused = (StatusCode::BAD_REQUEST, 40_001_035, "notfound multipart uuid");
const BAD_REQUEST: StatusCode = StatusCode::BAD_REQUEST;

const MIB: u64 = 1024 * 1024;

#[derive(Clone, Debug)]
pub(super) struct File {
    pub(super) body: Bytes,
    pub(super) content_type: String,
    pub(super) modified: u64,
    /// Headers `x-upyun-meta-*`.
    pub(super) meta: Vec<(String, String)>,
}

#[derive(Clone, Debug)]
pub(super) enum Node {
    Folder { modified: u64 },
    File(File),
}

struct Pending {
    key: String,
    part_size: u64,
    parts: BTreeMap<u64, Bytes>,
    file: File,
}

#[derive(Default)]
pub(super) struct Store {
    nodes: BTreeMap<String, Node>,
    uploads: HashMap<String, Pending>,
    begun: u64,
    pub(super) is_gone: bool,
}

impl Store {
    pub(super) fn open_uploads(&self) -> usize {
        self.uploads.len()
    }

    pub(super) fn look(&self, key: &str) -> Result<Node, Refused> {
        if self.is_gone {
            return Err(NOT_FOUND);
        }
        match self.nodes.get(key) {
            _ if key.is_empty() => Ok(Node::Folder { modified: 0 }),
            Some(node) => Ok(node.clone()),
            None => Err(NOT_FOUND),
        }
    }

    /// The members of a folder whose names come after this one, in the order of names.
    pub(super) fn members(&self, folder: &str, after: &str) -> Vec<(String, Node)> {
        let prefix = if folder.is_empty() { String::new() } else { format!("{folder}/") };
        let inside = self.nodes.range(prefix.clone()..).take_while(|(key, _)| key.starts_with(&prefix));
        let mut members: Vec<_> = inside
            .map(|(key, node)| (&key[prefix.len()..], node))
            .filter(|(name, _)| !name.is_empty() && !name.contains('/') && *name > after)
            .map(|(name, node)| (name.to_owned(), node.clone()))
            .collect();
        members.sort_by(|one, two| one.0.cmp(&two.0));
        members
    }

    /// Makes the folders that a new member needs. A file in the way is refused as a folder would be.
    fn make_parents(&mut self, key: &str, now: u64) -> Result<(), Refused> {
        for (at, _) in key.match_indices('/') {
            match self.nodes.get(&key[..at]) {
                Some(Node::File(_)) => return Err(FOLDER_EXISTS),
                Some(Node::Folder { .. }) => {}
                None => drop(self.nodes.insert(key[..at].to_owned(), Node::Folder { modified: now })),
            }
        }
        Ok(())
    }

    pub(super) fn put(&mut self, key: &str, file: File) -> Result<(), Refused> {
        if key.is_empty() || matches!(self.look(key), Ok(Node::Folder { .. })) {
            return Err(FOLDER_EXISTS);
        }
        self.make_parents(key, file.modified)?;
        self.nodes.insert(key.to_owned(), Node::File(file));
        Ok(())
    }

    /// An empty file, wherever it may stand.
    pub(super) fn fill(&mut self, key: &str, now: u64) {
        let file = File { body: Bytes::new(), content_type: "text/plain".to_owned(), modified: now, meta: Vec::new() };
        // What cannot be there is not what a test puts there.
        let _refused = self.put(key, file);
    }

    pub(super) fn make_folder(&mut self, key: &str, now: u64) -> Result<(), Refused> {
        if self.look(key).is_ok() {
            return Err(FOLDER_EXISTS);
        }
        self.make_parents(key, now)?;
        self.nodes.insert(key.to_owned(), Node::Folder { modified: now });
        Ok(())
    }

    pub(super) fn delete(&mut self, key: &str) -> Result<(), Refused> {
        self.look(key)?;
        if key.is_empty() || !self.members(key, "").is_empty() {
            return Err(NOT_EMPTY);
        }
        self.nodes.remove(key);
        Ok(())
    }

    /// Copies a file, or moves it. What the copy of a file onto itself does the sources do not say; a move onto itself
    /// would be its end here.
    pub(super) fn transfer(&mut self, from: &str, to: &str, moves: bool, now: u64) -> Result<(), Refused> {
        let Node::File(file) = self.look(from)? else { return Err(FILE_TYPE) };
        self.put(to, File { modified: now, ..file })?;
        if moves {
            self.nodes.remove(from);
        }
        Ok(())
    }

    pub(super) fn initiate(&mut self, key: &str, part_size: u64, file: File) -> Result<String, Refused> {
        if part_size == 0 || !part_size.is_multiple_of(MIB) || part_size > 50 * MIB {
            return Err((BAD_REQUEST, 40_001_027, "wrong multipart size"));
        }
        if key.is_empty() || matches!(self.look(key), Ok(Node::Folder { .. })) {
            return Err(FOLDER_EXISTS);
        }
        self.begun += 1;
        let uuid = format!("00000000-0000-0000-0000-{:012}", self.begun);
        self.uploads.insert(uuid.clone(), Pending { key: key.to_owned(), part_size, parts: BTreeMap::new(), file });
        Ok(uuid)
    }

    pub(super) fn upload(&mut self, key: &str, uuid: &str, part: u64, body: Bytes) -> Result<(), Refused> {
        let pending = self.uploads.get_mut(uuid).filter(|pending| pending.key == key).ok_or(NO_UPLOAD)?;
        if part >= 10_000 {
            return Err((BAD_REQUEST, 40_001_030, "wrong multipart part id"));
        }
        if body.is_empty() || body.len() as u64 > pending.part_size {
            return Err((BAD_REQUEST, 40_001_032, "oversize multipart part"));
        }
        pending.parts.insert(part, body);
        Ok(())
    }

    pub(super) fn complete(&mut self, key: &str, uuid: &str, now: u64) -> Result<(), Refused> {
        let pending = self.uploads.get(uuid).filter(|pending| pending.key == key).ok_or(NO_UPLOAD)?;
        let count = pending.parts.len() as u64;
        let whole =
            pending.parts.iter().enumerate().all(|(at, (id, part))| {
                *id == at as u64 && (*id + 1 == count || part.len() as u64 == pending.part_size)
            });
        if count == 0 || !whole {
            return Err((BAD_REQUEST, 40_001_034, "unexpect multipart length"));
        }
        let body: Vec<u8> = pending.parts.values().flat_map(|part| part.iter().copied()).collect();
        let file = File { body: body.into(), modified: now, ..pending.file.clone() };
        self.put(key, file)?;
        self.uploads.remove(uuid);
        Ok(())
    }
}
