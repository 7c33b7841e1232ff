//! Dead properties in the answer to a PROPFIND: those that clients set, as they set them.

use std::borrow::Cow;
use std::collections::HashSet;

use bytes::{BufMut, BytesMut};
use davmux_tree::{MemberProperties, Property};

use crate::call::Call;
use crate::props::{Ask, Live};
use crate::status::Failure;
use crate::xml::{Name, put_quoted};

/// The dead properties that a request asks for, of all that it answers about.
#[derive(Debug)]
pub(crate) struct Dead {
    /// Names that were asked for and that the server does not compute.
    asked: Vec<Name>,
    target: Vec<Property>,
    /// `None`: they are too large to be held together, so each member is asked for.
    members: Option<MemberProperties>,
    /// Only those that were asked for by name are told.
    by_name: bool,
}

impl Dead {
    /// None are known.
    pub(crate) fn none(ask: &Ask) -> Self {
        let asked = ask.names().iter().filter(|name| Live::of(name).is_none()).cloned().collect();
        let by_name = matches!(ask, Ask::Some(_));
        Self { asked, target: Vec::new(), members: Some(MemberProperties::default()), by_name }
    }

    /// Reads them; a request that asks only for what the server computes reads nothing.
    pub(crate) async fn read(call: &Call, ask: &Ask, members: bool) -> Result<Self, Failure> {
        let mut dead = Self::none(ask);
        if dead.by_name && dead.asked.is_empty() {
            return Ok(dead);
        }
        dead.target = call.view.properties(&call.path).await?;
        if members {
            dead.members = call.view.properties_of_members(&call.path).await?;
        }
        let asked: HashSet<(&str, &str)> = dead.asked.iter().map(pair).collect();
        let wanted = |property: &Property| !dead.by_name || asked.contains(&(&*property.namespace, &*property.name));
        dead.target.retain(wanted);
        if let Some(members) = dead.members.as_mut().filter(|members| !members.is_empty()) {
            members.retain(wanted);
        }
        Ok(dead)
    }

    /// Those of the target itself.
    pub(crate) fn of_target(&self) -> &[Property] {
        &self.target
    }

    /// Those of a member of the target.
    pub(crate) async fn of_member(&self, call: &Call, name: &str) -> davmux_tree::Result<Cow<'_, [Property]>> {
        if let Some(members) = &self.members {
            return Ok(Cow::Borrowed(members.of(name)));
        }
        // The tree names nothing that a path cannot hold.
        let Ok(path) = call.path.child(name) else { return Ok(Cow::Borrowed(&[])) };
        let mut found = call.view.properties(&path).await?;
        found.retain(|property| {
            !self.by_name || self.asked.iter().any(|name| pair(name) == (&*property.namespace, &*property.name))
        });
        Ok(Cow::Owned(found))
    }

    /// Writes the names that were asked for and are not among these.
    pub(crate) fn put_missing(&self, out: &mut BytesMut, there: &[Property]) {
        let there: HashSet<(&str, &str)> =
            there.iter().map(|property| (&*property.namespace, &*property.name)).collect();
        for name in self.asked.iter().filter(|name| !there.contains(&pair(name))) {
            name.put_empty(out);
        }
    }
}

fn pair(name: &Name) -> (&str, &str) {
    (&name.namespace, &name.local)
}

/// Writes properties, or their names alone.
pub(crate) fn put(out: &mut BytesMut, properties: &[Property], names_only: bool) {
    for property in properties {
        let name = Name::new(&property.namespace, &property.name);
        if names_only {
            name.put_empty(out);
            continue;
        }
        name.put_start(out);
        if let Some(lang) = &property.lang {
            out.put_slice(b" xml:lang=\"");
            put_quoted(out, lang);
            out.put_u8(b'"');
        }
        if property.value.is_empty() {
            out.put_slice(b"/>");
        } else {
            out.put_u8(b'>');
            out.put_slice(property.value.as_bytes());
            name.put_end(out);
        }
    }
}
