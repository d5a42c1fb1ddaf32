//! The resolvers of the HTTP client: where names become addresses, and addresses are judged.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use reqwest::dns::{Addrs, Name, Resolve, Resolving};

use crate::egress::Egress;
use crate::lookup::Lookup;

/// Looks names up once, and gives the client only addresses that it may connect to.
#[derive(Debug, Clone)]
pub(crate) struct Guard {
    pub(crate) egress: Egress,
    pub(crate) lookup: Arc<dyn Lookup>,
}

impl Resolve for Guard {
    fn resolve(&self, name: Name) -> Resolving {
        let (egress, looking) = (self.egress, self.lookup.lookup(name.as_str()));
        Box::pin(async move {
            let addresses = looking.await?;
            egress.check_resolved(name.as_str(), &addresses, &[])?;
            Ok(sockets(addresses))
        })
    }
}

/// Addresses that were looked up and judged already, whatever name is asked for.
#[derive(Debug, Clone)]
pub(crate) struct Judged(pub(crate) Vec<IpAddr>);

impl Resolve for Judged {
    fn resolve(&self, _: Name) -> Resolving {
        let addresses = self.0.clone();
        Box::pin(async move { Ok(sockets(addresses)) })
    }
}

/// Port 0: the client puts in the one of the URL.
fn sockets(addresses: Vec<IpAddr>) -> Addrs {
    Box::new(addresses.into_iter().map(|address| SocketAddr::new(address, 0)))
}
