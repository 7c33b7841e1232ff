//! Links that were handed out and may be handed out again.

use std::time::{Duration, SystemTime};

use davmux_driver::{Etag, Link, LinkRequest, Native};
use moka::sync::Cache;

use crate::mounts::{MountId, Spot};
use crate::{Node, Result, TreePath};

/// S3 refuses a longer life (AWS, "Signature Version 4 query parameters", X-Amz-Expires).
const LONGEST: Duration = Duration::from_secs(7 * 24 * 3600);

/// What a link may lack of the promised life: the second in which it was signed counts, and signing takes a moment.
const LACK: Duration = Duration::from_secs(5);

/// Whether a link ends before the life that its mount promises: its keys end first.
pub(crate) fn is_short(link: &Link, life: Duration, now: SystemTime) -> bool {
    link.expires_at.is_some_and(|end| end + LACK < now + life)
}

/// A link is signed for five quarters of the life that a client is promised, and handed out again only during the first
/// fifth of that: so the last one who gets it still has the whole promised life.
#[derive(Debug)]
pub(crate) struct Links {
    links: Cache<(MountId, TreePath, Option<Etag>), (Link, SystemTime)>,
}

impl Links {
    pub(crate) fn new() -> Self {
        Self { links: Cache::builder().max_capacity(50_000).build() }
    }

    pub(crate) async fn link(&self, spot: &Spot, node: &Node, now: SystemTime) -> Result<Native<Link>> {
        let key = (spot.mount.id(), spot.path.clone(), node.etag.clone());
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
                // One that ends early (the longest life, the end of the credentials) has less to give away, or nothing.
                let reuse = (lives / 5).min(lives.saturating_sub(life));
                self.links.insert(key, (link.clone(), now + reuse));
                Ok(Native::Done(link))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Mount, MountOptions};
    use davmux_driver::{Driver, RelPath};
    use davmux_driver_testkit::{Memory, Op};
    use std::sync::Arc;

    #[tokio::test]
    async fn a_link_is_handed_out_again_only_in_the_first_fifth_of_its_life() {
        let memory = Memory::keys().with_links("https://bucket.example");
        let life = Duration::from_secs(4 * 3600);
        let options = MountOptions { link_life: life, ..MountOptions::default() };
        let driver: Arc<dyn Driver> = Arc::new(memory.clone());
        let mount = Arc::new(Mount::new(TreePath::root(), driver, options));
        let spot = Spot { mount, rel: RelPath::parse("f").unwrap(), path: TreePath::parse("/f").unwrap() };
        let (links, node, now) = (Links::new(), Node::folder("f"), SystemTime::now());
        let link_at = async |after: Duration, node: &Node| {
            let Native::Done(link) = links.link(&spot, node, now + after).await.unwrap() else { panic!("no link") };
            (link, memory.log().count(Op::Link))
        };
        let (first, calls) = link_at(Duration::ZERO, &node).await;
        assert_eq!(calls, 1);
        let signed_for = first.expires_at.unwrap().duration_since(now).unwrap();
        assert!(signed_for >= life * 5 / 4 && signed_for < life * 5 / 4 + Duration::from_secs(60));
        let last = life / 4;
        assert_eq!(link_at(last - Duration::from_secs(1), &node).await, (first.clone(), 1));
        assert!(first.expires_at.unwrap() >= now + last + life, "who gets it last has the promised life");
        assert_eq!(link_at(last + Duration::from_secs(60), &node).await.1, 2);
        let changed = Node { etag: Etag::new("other"), ..node };
        assert_eq!(link_at(Duration::ZERO, &changed).await.1, 3, "another version is another link");
    }

    #[test]
    fn a_link_is_short_when_it_lacks_more_than_a_moment_of_the_promised_life() {
        let (now, life) = (SystemTime::now(), Duration::from_secs(4 * 3600));
        let link = |expires_at| Link { url: "https://s3.example.com/f".parse().unwrap(), expires_at };
        assert!(is_short(&link(Some(now + life / 2)), life, now));
        assert!(!is_short(&link(Some(now + life - Duration::from_secs(1))), life, now));
        assert!(!is_short(&link(None), life, now), "one without a signature does not end");
    }
}
