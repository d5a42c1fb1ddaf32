//! The resolver behind the egress guard, which tests replace.

use std::fmt;
use std::future::Future;
use std::io;
use std::net::IpAddr;
use std::pin::Pin;

/// The future of a lookup.
pub type LookupFuture = Pin<Box<dyn Future<Output = io::Result<Vec<IpAddr>>> + Send>>;

/// Finds the addresses of a name. The addresses that it returns are judged and then used: the name is not resolved a second time.
pub trait Lookup: fmt::Debug + Send + Sync {
    /// Returns every address of `host`. Fails if the name does not exist or no name server answers.
    fn lookup(&self, host: &str) -> LookupFuture;
}

/// The resolver of the operating system.
#[derive(Debug, Clone, Copy, Default)]
pub struct SystemLookup;

impl Lookup for SystemLookup {
    fn lookup(&self, host: &str) -> LookupFuture {
        let host = host.to_owned();
        Box::pin(async move { Ok(tokio::net::lookup_host((host, 0)).await?.map(|address| address.ip()).collect()) })
    }
}
