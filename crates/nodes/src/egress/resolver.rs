//! The resolvers of the HTTP client: they turn names into addresses and check the addresses.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use reqwest::dns::{Addrs, Name, Resolve, Resolving};

use crate::egress::lookup::Lookup;
use crate::egress::policy::Egress;

/// Looks a name up once, and returns only addresses that the client may connect to.
#[derive(Debug, Clone)]
pub(crate) struct GuardedResolver {
    pub(crate) egress: Egress,
    pub(crate) lookup: Arc<dyn Lookup>,
}

impl Resolve for GuardedResolver {
    fn resolve(&self, name: Name) -> Resolving {
        let (egress, lookup) = (self.egress, self.lookup.lookup(name.as_str()));
        Box::pin(async move {
            let addresses = lookup.await?;
            egress.check_resolved(name.as_str(), &addresses, &[])?;
            Ok(sockets(addresses))
        })
    }
}

/// Returns addresses that were looked up and checked before, for any name.
#[derive(Debug, Clone)]
pub(crate) struct FixedAddresses(pub(crate) Vec<IpAddr>);

impl Resolve for FixedAddresses {
    fn resolve(&self, _: Name) -> Resolving {
        let addresses = self.0.clone();
        Box::pin(async move { Ok(sockets(addresses)) })
    }
}

/// Port 0: the client puts in the port of the URL.
fn sockets(addresses: Vec<IpAddr>) -> Addrs {
    Box::new(addresses.into_iter().map(|address| SocketAddr::new(address, 0)))
}
