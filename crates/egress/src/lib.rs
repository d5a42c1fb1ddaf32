//! The egress guard: where a request may be sent whose URL a customer has written, be it of a flow or of an identity provider.
//!
//! Flows are written by customers and run inside the deployment's network, so a URL must not be a way into that network. Names
//! are judged by what they resolve to, and the address that was checked is the address that is connected to: a second answer of the DNS
//! cannot slip in between. The HTTP clients that keep to it are in `nodes` and in `login`.
//!
//! The operator of a deployment may open private ranges to an organisation ([`PrivateRange`](domain::network::PrivateRange)). They
//! are read only when an address turned out to be private. Only the address itself is opened: an IPv4 address in an IPv6 form
//! (mapped, NAT64, 6to4 and the like) stays closed, because no author who means the address writes it like that. https stays
//! required.

pub mod address;
pub mod lookup;
pub mod policy;
mod registration;

pub use registration::UrlError;
