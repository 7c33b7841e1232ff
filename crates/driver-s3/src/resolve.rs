//! Names of hosts, looked up.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::pin::Pin;
use std::task::{Context, Poll};

use aws_smithy_runtime_api::client::dns::{DnsFuture, ResolveDns, ResolveDnsError};
use hyper_util::client::legacy::connect::dns::Name;
use tower_service::Service;

/// The system's resolver, but for `localhost` and what ends in `.localhost`: that is this machine, and nobody is asked
/// (RFC 6761 section 6.3). Many systems do not know the latter, and a bucket's name stands before a host.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Resolver;

async fn look_up(name: &str) -> std::io::Result<Vec<IpAddr>> {
    if is_localhost(name) {
        return Ok(vec![Ipv4Addr::LOCALHOST.into(), Ipv6Addr::LOCALHOST.into()]);
    }
    Ok(tokio::net::lookup_host((name, 0)).await?.map(|address| address.ip()).collect())
}

fn is_localhost(name: &str) -> bool {
    let name = name.strip_suffix('.').unwrap_or(name);
    name.rsplit('.').next().is_some_and(|last| last.eq_ignore_ascii_case("localhost"))
}

impl ResolveDns for Resolver {
    fn resolve_dns<'a>(&'a self, name: &'a str) -> DnsFuture<'a> {
        DnsFuture::new(async move { look_up(name).await.map_err(ResolveDnsError::new) })
    }
}

impl Service<Name> for Resolver {
    type Response = std::vec::IntoIter<SocketAddr>;
    type Error = std::io::Error;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, Self::Error>> + Send>>;

    fn poll_ready(&mut self, _context: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, name: Name) -> Self::Future {
        Box::pin(async move {
            let found = look_up(name.as_str()).await?;
            Ok(found.into_iter().map(|ip| SocketAddr::new(ip, 0)).collect::<Vec<_>>().into_iter())
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_bucket_before_localhost_is_this_machine() {
        for name in ["localhost", "films.localhost", "Films.LOCALHOST.", "a.b.localhost"] {
            assert!(look_up(name).await.unwrap().iter().all(IpAddr::is_loopback), "{name}");
        }
        assert!(!is_localhost("localhost.example.com") && !is_localhost("notlocalhost"));
    }
}
