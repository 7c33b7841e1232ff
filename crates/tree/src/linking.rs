//! A link for somebody who is no client of this server: a person, or a player.

use std::time::{Duration, SystemTime};

use davmux_driver::{ErrorKind, LinkRequest, Native};

use crate::{Error, Link, Problem, RelPath, Result, View};

/// Where a link leads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LinkTo {
    /// Where clients are sent: the download proxy of the mount, or the storage where it has none.
    Clients,
    /// The storage itself, always.
    Storage,
}

impl View {
    /// A link for a file that is there, signed for this long and not more; `valid_for: None` is the life that its mount
    /// promises to clients. Where the keys of the storage that it leads to end earlier, the link does too. `Declined`: the
    /// file's storage has no links.
    ///
    /// # Errors
    /// [`Problem::Storage`] with [`ErrorKind::IsDir`] for a folder; otherwise as of [`View::stat`].
    pub async fn link(&self, path: &RelPath, valid_for: Option<Duration>, to: LinkTo) -> Result<Native<Link>> {
        let (place, node) = self.gate.readable(path)?.find().await?;
        if node.is_dir() {
            return Err(Error::new(Problem::Storage(ErrorKind::IsDir), place.at()));
        }
        let Some(spot) = place.tree.spot(place.at())? else {
            return Err(Error::new(Problem::NotFound, place.at()));
        };
        let valid_for = valid_for.unwrap_or(spot.mount.options().link_life);
        let request = LinkRequest { valid_for, content_type: node.content_type.clone() };
        let link = spot.driver().link(&node.to_entry(&spot.rel), request).await.map_err(|error| spot.error(error))?;
        // What has no link of its own cannot be fetched by a proxy.
        Ok(match (link, &spot.mount.options().proxy, to) {
            (Native::Done(_), Some(proxy), LinkTo::Clients) => {
                proxy.link(place.at(), SystemTime::now(), valid_for).map_or(Native::Declined, Native::Done)
            }
            (link, ..) => link,
        })
    }
}
