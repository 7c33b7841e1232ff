//! Links that were handed out and may be handed out again.

use std::time::{Duration, SystemTime};

use davmux_driver::{Etag, Link, LinkRequest, Native};
use moka::sync::Cache;

use crate::mounts::Spot;
use crate::{Node, Result, TreePath};

/// S3 refuses a longer life (AWS, "Signature Version 4 query parameters", X-Amz-Expires).
const LONGEST: Duration = Duration::from_secs(7 * 24 * 3600);

/// A link is signed for five quarters of the life that a client is promised, and handed out again only during the first
/// fifth of that: so the last one who gets it still has the whole promised life.
#[derive(Debug)]
pub(crate) struct Links {
    links: Cache<(TreePath, Option<Etag>), (Link, SystemTime)>,
}

impl Links {
    pub(crate) fn new() -> Self {
        Self { links: Cache::builder().max_capacity(50_000).build() }
    }

    pub(crate) async fn link(&self, spot: &Spot, node: &Node, now: SystemTime) -> Result<Native<Link>> {
        let key = (spot.path.clone(), node.etag.clone());
        if let Some((link, reuse_until)) = self.links.get(&key)
            && now < reuse_until
        {
            return Ok(Native::Done(link));
        }
        let life = spot.mount.options().link_life;
        let request = LinkRequest { valid_for: (life * 5 / 4).min(LONGEST), content_type: node.content_type.clone() };
        let valid_for = request.valid_for;
        match spot.driver().link(&node.to_entry(&spot.rel), request).await.map_err(|error| spot.error(error))? {
            Native::Declined => Ok(Native::Declined),
            Native::Done(link) => {
                let lives = link.expires_at.map_or(valid_for, |end| end.duration_since(now).unwrap_or_default());
                self.links.insert(key, (link.clone(), now + lives / 5));
                Ok(Native::Done(link))
            }
        }
    }
}
