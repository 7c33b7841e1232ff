//! Dead properties in the answer to a PROPFIND: those that clients set, as they set them.

use std::collections::HashSet;

use bytes::{BufMut, BytesMut};
use davmux_tree::{MemberProperties, Property};

use crate::call::Call;
use crate::props::{Ask, Live};
use crate::status::Failure;
use crate::xml::{Name, put_quoted};

/// The dead properties that a request asks for, of all that it answers about.
#[derive(Debug, Default)]
pub(crate) struct Dead {
    /// Names that were asked for and that the server does not compute.
    asked: Vec<Name>,
    target: Vec<Property>,
    members: MemberProperties,
}

impl Dead {
    /// None are known.
    pub(crate) fn none(ask: &Ask) -> Self {
        let asked = ask.names().iter().filter(|name| Live::of(name).is_none()).cloned().collect();
        Self { asked, ..Self::default() }
    }

    /// Reads them; a request that asks only for what the server computes reads nothing.
    pub(crate) async fn read(call: &Call, ask: &Ask, members: bool) -> Result<Self, Failure> {
        let mut dead = Self::none(ask);
        if matches!(ask, Ask::Some(_)) && dead.asked.is_empty() {
            return Ok(dead);
        }
        dead.target = call.view.properties(&call.path).await?;
        if members {
            dead.members = call.view.properties_of_members(&call.path).await?;
        }
        if matches!(ask, Ask::Some(_)) && (!dead.target.is_empty() || !dead.members.is_empty()) {
            let asked: HashSet<(&str, &str)> = dead.asked.iter().map(pair).collect();
            let wanted = |property: &Property| asked.contains(&(&*property.namespace, &*property.name));
            dead.target.retain(wanted);
            dead.members.retain(wanted);
        }
        Ok(dead)
    }

    /// Those of the target itself.
    pub(crate) fn of_target(&self) -> &[Property] {
        &self.target
    }

    /// Those of a member of the target.
    pub(crate) fn of_member(&self, name: &str) -> &[Property] {
        self.members.of(name)
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
