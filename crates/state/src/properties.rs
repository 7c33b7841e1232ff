//! [`Properties`]: what clients want to be remembered of files and folders (dead properties, RFC 4918 section 4.2).

use std::sync::Arc;

use crate::{Error, Result, Store, Table};

/// Before each value: its format.
const FORMAT: &str = "1";
/// Between the parts of a key. No path and nothing that XML can say holds it.
pub(crate) const END: char = '\0';

/// A property as a client gave it. What it means is the client's alone.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Property {
    /// The namespace of its name; `""`: none.
    pub namespace: String,
    /// Its local name.
    pub name: String,
    /// The content of its element: well-formed XML that declares each namespace that it uses.
    pub value: String,
    /// The language of the content (`xml:lang`), where one was said.
    pub lang: Option<String>,
}

/// A change of one property of one resource.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PropertyChange {
    /// Sets it, in place of one of the same name.
    Set(Property),
    /// Removes it. An absent one is a success.
    Remove {
        /// The namespace of its name.
        namespace: String,
        /// Its local name.
        name: String,
    },
}

/// The properties of files and folders, by their path in the tree: `/` for its root, else `/` before each segment and none
/// at the end.
///
/// A key is the folder's path, the member's name, the property's namespace and its name. So the properties of one
/// resource, of all members of a folder, and of all that lies deeper are each one range, and `a` never catches `ab`.
#[derive(Clone, Debug)]
pub struct Properties {
    store: Arc<dyn Store>,
}

impl Properties {
    /// The properties kept in `store`.
    pub fn new(store: Arc<dyn Store>) -> Self {
        Self { store }
    }

    /// The properties of one resource.
    ///
    /// # Errors
    /// Those of the store, and [`Error::Record`] for a record that this version did not write.
    pub async fn of(&self, path: &str) -> Result<Vec<Property>> {
        Ok(self.list(&resource(path)).await?.into_iter().map(|(_, property)| property).collect())
    }

    /// The properties of the members of a folder, each with its path; `None` where they take more than `most` bytes. One read of
    /// the store, and of no more than that.
    ///
    /// # Errors
    /// As [`of`](Self::of).
    pub async fn of_members(&self, folder: &str, most: usize) -> Result<Option<Vec<(String, Property)>>> {
        let (facts, whole) =
            self.store.list_up_to(Table::Properties, &format!("{}{END}", inside(folder)), "", most).await?;
        if !whole {
            return Ok(None);
        }
        let mut found = read(facts)?;
        // The root is kept as a member of itself.
        found.retain(|(path, _)| path != "/");
        Ok(Some(found))
    }

    /// The properties of a resource and of everything below it, each with its path.
    ///
    /// # Errors
    /// As [`of`](Self::of).
    pub async fn within(&self, path: &str) -> Result<Vec<(String, Property)>> {
        let mut found = self.list(&resource(path)).await?;
        found.extend(self.of_members(path, usize::MAX).await?.unwrap_or_default());
        found.extend(self.list(&format!("{}/", inside(path))).await?);
        Ok(found)
    }

    /// Forgets the properties of a resource and of everything below it, in one step and however many they are. None is no write.
    ///
    /// # Errors
    /// Those of the store; then none is forgotten.
    pub async fn forget_within(&self, path: &str) -> Result<()> {
        forget_within(&*self.store, Table::Properties, path).await
    }

    /// Does all changes in one step, each for the resource at its path; of two for one property the last counts.
    ///
    /// # Errors
    /// Those of the store, and [`Error::Record`] for a name that no XML could have said; then nothing is changed.
    pub async fn change(&self, changes: Vec<(String, PropertyChange)>) -> Result<()> {
        if changes.is_empty() {
            return Ok(());
        }
        let records = changes.into_iter().map(|(path, change)| match change {
            PropertyChange::Set(property) => {
                Ok((key(&path, &property.namespace, &property.name)?, Some(encode(&property).into_bytes())))
            }
            PropertyChange::Remove { namespace, name } => Ok((key(&path, &namespace, &name)?, None)),
        });
        self.store.change(Table::Properties, records.collect::<Result<_>>()?).await
    }

    async fn list(&self, prefix: &str) -> Result<Vec<(String, Property)>> {
        read(self.store.list(Table::Properties, prefix).await?)
    }
}

fn read(facts: Vec<(String, Vec<u8>)>) -> Result<Vec<(String, Property)>> {
    let unreadable = |key: &str| Error::Record { table: Table::Properties.name(), key: key.to_owned() };
    facts.into_iter().map(|(key, value)| decode(&key, value).ok_or_else(|| unreadable(&key))).collect()
}

/// Forgets what a table keeps of a resource and of everything below it.
pub(crate) async fn forget_within(store: &dyn Store, table: Table, path: &str) -> Result<()> {
    let mut there = Vec::new();
    for prefix in within(path) {
        // A change waits for all others, so one that would do nothing is not begun.
        if !store.list_up_to(table, &prefix, "", 1).await?.0.is_empty() {
            there.push(prefix);
        }
    }
    if there.is_empty() { Ok(()) } else { store.remove_all(table, there).await }
}

/// What the keys of a resource, of its members and of all that lies deeper begin with.
pub(crate) fn within(path: &str) -> [String; 3] {
    let below = inside(path);
    [resource(path), format!("{below}{END}"), format!("{below}/")]
}

/// The folder of the members of `path`, as keys begin with it.
fn inside(path: &str) -> &str {
    path.strip_suffix('/').unwrap_or(path)
}

/// What the keys of one resource begin with.
pub(crate) fn resource(path: &str) -> String {
    let (folder, name) = path.rsplit_once('/').unwrap_or(("", path));
    format!("{folder}{END}{name}{END}")
}

fn key(path: &str, namespace: &str, name: &str) -> Result<String> {
    if [path, namespace, name].iter().any(|text| text.contains(END)) {
        return Err(Error::Record { table: Table::Properties.name(), key: format!("{path} {namespace} {name}") });
    }
    Ok(format!("{}{namespace}{END}{name}", resource(path)))
}

fn encode(property: &Property) -> String {
    let lang = property.lang.as_deref().unwrap_or_default();
    format!("{FORMAT}{}:{lang}{}", lang.len(), property.value)
}

fn decode(key: &str, value: Vec<u8>) -> Option<(String, Property)> {
    let mut parts = key.split(END);
    let (folder, member, namespace, name) = (parts.next()?, parts.next()?, parts.next()?, parts.next()?);
    if parts.next().is_some() {
        return None;
    }
    let value = String::from_utf8(value).ok()?;
    let (length, rest) = value.strip_prefix(FORMAT)?.split_once(':')?;
    let (lang, value) = rest.split_at_checked(length.parse().ok()?)?;
    let property = Property {
        namespace: namespace.to_owned(),
        name: name.to_owned(),
        value: value.to_owned(),
        lang: (!lang.is_empty()).then(|| lang.to_owned()),
    };
    Some((format!("{folder}/{member}"), property))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_encoded_is_decoded_whatever_it_holds() {
        for (path, namespace, name, value, lang) in [
            ("/", "", "a", "", None),
            ("/a", "DAV:", "é", "<x:b xmlns:x=\"urn:1:\"/>", Some("en")),
            ("/a/b c/d:1", "2:urn", "n", "1:2:\u{10000}", Some("x-1:y")),
        ] {
            let property = Property {
                namespace: namespace.into(),
                name: name.into(),
                value: value.into(),
                lang: lang.map(str::to_owned),
            };
            let key = key(path, namespace, name).unwrap();
            assert_eq!(decode(&key, encode(&property).into_bytes()).unwrap(), (path.to_owned(), property));
        }
    }

    #[test]
    fn what_was_not_encoded_here_is_refused() {
        let good = key("/a", "n", "b").unwrap();
        assert!(decode(&good, b"10:v".to_vec()).is_some());
        for value in ["", "1", "20:v", "19:v", "1x:v", "1-1:v"] {
            assert_eq!(decode(&good, value.into()), None, "{value:?}");
        }
        assert_eq!(decode(&good, b"10:\xff".to_vec()), None);
        for key in ["", "a", "/a\0b\0n", "/a\0b\0n\0x\0"] {
            assert_eq!(decode(key, b"10:v".to_vec()), None, "{key:?}");
        }
        assert!(key("/a\0", "n", "b").is_err() && key("/a", "n\0", "b").is_err() && key("/a", "n", "\0").is_err());
    }
}
