//! Dead properties: kept in the state store by their resource's path, and taken along when it is copied, moved or deleted.
//!
//! They follow a change only after the storage has done it, so a change that fails takes none with it. A store that fails
//! after that is logged and does not undo the change. Where a change was done for a part of a folder only, the storage is
//! asked what stands where: a member that stayed keeps its own.
//!
//! Paths are kept in NFC, as locks are: two spellings of a name can lead to the same file.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::Arc;

use davmux_driver::RelPath;
use davmux_state::{Property, PropertyChange};
use futures_util::{StreamExt, stream};
use unicode_normalization::{UnicodeNormalization, is_nfc};

use crate::audit::Change;
use crate::gate::{Allowed, Write};
use crate::locks::Claim;
use crate::rights::Sight;
use crate::transfer::Job;
use crate::tree::Tree;
use crate::view::View;
use crate::{Error, Problem, Result, TreePath};

/// The longest value, in bytes.
pub const LONGEST_PROPERTY: usize = 64 * 1024;
/// The most properties of one resource.
pub const MOST_PROPERTIES: usize = 1000;
/// The most bytes of all properties of one resource together: names, namespaces and values.
const MOST_BYTES: usize = 1024 * 1024;
/// How many members are looked at together, after a change that was not done for all.
const LOOKS_AT_ONCE: usize = 16;

/// The most bytes of the properties of a folder's members that are read together.
const MOST_BYTES_TOGETHER: usize = 4 * 1024 * 1024;

/// The properties of the members of one folder.
#[derive(Clone, Debug, Default)]
pub struct MemberProperties(HashMap<String, Vec<Property>>);

impl MemberProperties {
    /// The properties of the member of this name, in whichever Unicode form.
    pub fn of(&self, name: &str) -> &[Property] {
        if self.0.is_empty() {
            return &[];
        }
        let found = if is_nfc(name) { self.0.get(name) } else { self.0.get(&name.nfc().collect::<String>()) };
        found.map_or(&[], Vec::as_slice)
    }

    /// Whether no member has any.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Keeps only what `keep` says.
    pub fn retain(&mut self, mut keep: impl FnMut(&Property) -> bool) {
        self.0.retain(|_, properties| {
            properties.retain(&mut keep);
            !properties.is_empty()
        });
    }
}

impl View {
    /// The dead properties of one resource. Asks the state store only; a resource that is not there has none.
    ///
    /// # Errors
    /// [`Problem::State`] where they cannot be read.
    pub async fn properties(&self, path: &RelPath) -> Result<Vec<Property>> {
        let place = self.gate.readable(path)?;
        // The way to something says nothing of itself.
        if place.is_way() {
            return Ok(Vec::new());
        }
        place.tree.properties.of(&key(place.at())).await.map_err(|error| failed(place.at(), &error))
    }

    /// The dead properties of the members of a folder, with one read of the state store; `None` where they take more memory
    /// than one request may: then each member is to be asked for.
    ///
    /// # Errors
    /// [`Problem::State`] where they cannot be read.
    pub async fn properties_of_members(&self, folder: &RelPath) -> Result<Option<MemberProperties>> {
        let place = self.gate.readable(folder)?;
        let found = place.tree.properties.of_members(&key(place.at()), MOST_BYTES_TOGETHER).await;
        let Some(found) = found.map_err(|error| failed(place.at(), &error))? else { return Ok(None) };
        let seen = place.rights().members(place.at());
        let mut members: HashMap<String, Vec<Property>> = HashMap::new();
        for (path, property) in found {
            let name = path.rsplit('/').next().unwrap_or_default();
            if seen.as_ref().is_some_and(|seen| seen.sight(name) != Sight::All) {
                continue;
            }
            match members.get_mut(name) {
                Some(properties) => properties.push(property),
                None => drop(members.insert(name.to_owned(), vec![property])),
            }
        }
        Ok(Some(MemberProperties(members)))
    }

    /// Changes dead properties of one resource, all of them or none.
    ///
    /// # Errors
    /// Those of [`may_have_properties`](Self::may_have_properties); nothing stands there; [`Problem::PropertyLimit`] where a value is longer than
    /// [`LONGEST_PROPERTY`] or the resource would have more than [`MOST_PROPERTIES`]; [`Problem::State`] where they cannot
    /// be kept.
    pub async fn set_properties(&self, path: &RelPath, changes: Vec<PropertyChange>) -> Result<()> {
        let place = self.with_properties(path).await?;
        let (tree, stored) = (Arc::clone(place.tree), place.at().clone());
        let work = async move {
            let _claimed = tree.locks.claim(vec![Claim::one(&stored)]).await;
            // It may have gone while this waited.
            tree.look(&stored).await?;
            tree.within_limits(&stored, &changes).await?;
            let key = key(&stored);
            let changes = changes.into_iter().map(|change| (key.clone(), change)).collect();
            let changed = tree.properties.change(changes).await.map_err(|error| failed(&stored, &error));
            Change::new("proppatch", &stored).ended(&changed, |()| (0, None));
            changed
        };
        place.tree.tasks.run(work).await
    }

    /// Whether [`set_properties`](Self::set_properties) would do these changes now. For a caller that has something else
    /// to change together with them.
    ///
    /// # Errors
    /// As there.
    pub async fn may_set_properties(&self, path: &RelPath, changes: &[PropertyChange]) -> Result<()> {
        let place = self.with_properties(path).await?;
        place.tree.within_limits(place.at(), changes).await
    }

    /// Whether the properties of the entry may be changed, as far as rights and mounts go. Unlike what stands there, those of
    /// a mount point may: they are kept by its path, which the configuration gives. Asks no storage.
    ///
    /// # Errors
    /// As [`writable`](Self::writable), without [`Problem::MountPoint`].
    pub fn may_have_properties(&self, path: &RelPath) -> Result<()> {
        let place = self.gate.writable(path)?;
        place.tree.may_have_properties(place.at())
    }

    /// A resource whose properties may be changed, as it is stored.
    async fn with_properties(&self, path: &RelPath) -> Result<Allowed<'_, Write>> {
        self.may_have_properties(path)?;
        let place = self.gate.writable(path)?;
        let (stored, _) = place.tree.find(place.at()).await?;
        place.tree.may_have_properties(&stored)?;
        Ok(place.stored(stored))
    }
}

impl Tree {
    fn may_have_properties(&self, path: &TreePath) -> Result<()> {
        match self.writable_spot(path) {
            Err(error) if error.problem() == Problem::MountPoint => match self.spot(path)? {
                Some(spot) if spot.mount.options().read_only => Err(Error::new(Problem::ReadOnly, path)),
                _ => Ok(()),
            },
            spot => spot.map(drop),
        }
    }

    async fn within_limits(&self, path: &TreePath, changes: &[PropertyChange]) -> Result<()> {
        let known = self.properties.of(&key(path)).await.map_err(|error| failed(path, &error))?;
        let size = |property: &Property| property.namespace.len() + property.name.len() + property.value.len();
        let mut kept: HashMap<(&str, &str), usize> =
            known.iter().map(|property| ((&*property.namespace, &*property.name), size(property))).collect();
        for change in changes {
            match change {
                PropertyChange::Set(property) if property.value.len() > LONGEST_PROPERTY => {
                    return Err(Error::new(Problem::PropertyLimit, path));
                }
                PropertyChange::Set(property) => {
                    kept.insert((&property.namespace, &property.name), size(property));
                }
                PropertyChange::Remove { namespace, name } => {
                    kept.remove(&(&**namespace, &**name));
                }
            }
        }
        let sets = changes.iter().any(|change| matches!(change, PropertyChange::Set(_)));
        if sets && (kept.len() > MOST_PROPERTIES || kept.values().sum::<usize>() > MOST_BYTES) {
            return Err(Error::new(Problem::PropertyLimit, path));
        }
        Ok(())
    }

    /// Forgets the properties of what is gone, or of what was there before something new came: of a path and all below.
    pub(crate) async fn forget_properties(&self, path: &TreePath) {
        if let Err(error) = self.properties.forget_within(&key(path)).await {
            tracing::warn!(%path, %error, "the properties of what is gone are not forgotten; what comes there next may show them");
        }
    }

    /// The same after a removal that left something: of what is gone.
    pub(crate) async fn forget_properties_of_gone(&self, path: &TreePath) {
        let forgotten = async {
            let found = self.properties.within(&key(path)).await?;
            let standing = self.standing_of(found.iter().map(|(path, _)| path.as_str())).await;
            let gone = found.into_iter().filter(|(path, _)| !standing.contains(path));
            self.properties.change(gone.map(removed).collect()).await
        };
        if let Err(error) = forgotten.await {
            tracing::warn!(%path, %error, "the properties of what is gone are not forgotten; what comes there next may show them");
        }
    }

    /// After a COPY or a MOVE. `joined`: it was to finish an earlier move, so what stands at the target is no old content.
    /// `whole`: no member was left.
    pub(crate) async fn transfer_properties(&self, job: &Job, created: bool, joined: bool, whole: bool) {
        if let Err(error) = self.try_transfer_properties(job, created, joined, whole).await {
            tracing::warn!(from = %job.from, to = %job.to, %error, "the properties of what was copied or moved did not follow it");
        }
    }

    async fn try_transfer_properties(
        &self,
        job: &Job,
        created: bool,
        joined: bool,
        whole: bool,
    ) -> davmux_state::Result<()> {
        let (from, to) = (key(&job.from), key(&job.to));
        let source = if job.deep {
            self.properties.within(&from).await?
        } else {
            self.properties.of(&from).await?.into_iter().map(|property| (from.clone(), property)).collect()
        };
        // What was not seen was not copied.
        let source: Vec<_> = source.into_iter().filter(|(path, _)| job.seen.shows(path)).collect();
        let target = self.properties.within(&to).await?;
        if source.is_empty() && target.is_empty() {
            return Ok(());
        }
        let place = |path: &str| format!("{to}{}", path.strip_prefix(from.trim_end_matches('/')).unwrap_or_default());
        let mut resources: BTreeMap<String, Vec<Property>> = BTreeMap::new();
        for (path, property) in source {
            resources.entry(path).or_default().push(property);
        }
        if !whole {
            // What of it is at the target now, and nowhere else if it was to be moved.
            let standing = if job.take {
                let at_source = self.standing_of(resources.keys().map(String::as_str)).await;
                resources.keys().filter(|path| !at_source.contains(*path)).cloned().collect()
            } else if created {
                let places: HashMap<String, String> =
                    resources.keys().map(|path| (place(path), path.clone())).collect();
                let at_target = self.standing_of(places.keys().map(String::as_str)).await;
                at_target.iter().filter_map(|path| places.get(path).cloned()).collect()
            } else {
                // Old and new may stand side by side, and which is which is not known any more.
                HashSet::new()
            };
            resources.retain(|path, _| standing.contains(path));
        }
        let new: HashSet<String> = resources.keys().map(|path| place(path)).collect();
        let kept = match (whole, joined) {
            (true, false) => HashSet::new(),
            _ => self.standing_of(target.iter().map(|(path, _)| path.as_str())).await,
        };
        let old = target.into_iter().filter(|(path, _)| new.contains(path) || !kept.contains(path));
        let mut changes: Vec<_> = old.map(removed).collect();
        for (path, properties) in resources {
            let place = place(&path);
            for property in properties {
                if job.take {
                    changes.push(removed((path.clone(), property.clone())));
                }
                changes.push((place.clone(), PropertyChange::Set(property)));
            }
        }
        self.properties.change(changes).await
    }

    /// Which of these paths something stands at. One that cannot be looked at counts as standing.
    async fn standing_of(&self, paths: impl Iterator<Item = &str>) -> HashSet<String> {
        let paths: HashSet<String> = paths.map(str::to_owned).collect();
        stream::iter(paths)
            .map(|path| async move {
                let gone = match TreePath::parse(&path) {
                    Ok(place) => self.find(&place).await.is_err_and(|error| error.is_not_found()),
                    Err(_) => true,
                };
                (!gone).then_some(path)
            })
            .buffer_unordered(LOOKS_AT_ONCE)
            .filter_map(std::future::ready)
            .collect()
            .await
    }
}

/// What the state store knows a place by.
pub(crate) fn key(path: &TreePath) -> String {
    let text = path.to_string();
    if is_nfc(&text) { text } else { text.nfc().collect() }
}

fn removed((path, property): (String, Property)) -> (String, PropertyChange) {
    (path, PropertyChange::Remove { namespace: property.namespace, name: property.name })
}

fn failed(path: &TreePath, error: &davmux_state::Error) -> Error {
    tracing::error!(%path, %error, "the properties cannot be read or kept");
    Error::new(Problem::State, path)
}
