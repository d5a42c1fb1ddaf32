//! The egress guard: where a flow may send anything at all.
//!
//! Flows are written by customers and run inside the deployment's network, so a URL must not be a way into that network. Names
//! are judged by what they resolve to, in the resolver of the HTTP client itself: the address that was checked is the address
//! that is connected to, and a second answer of the DNS cannot slip in between.
//!
//! The operator of a deployment may open private ranges to an organisation ([`PrivateRange`](domain::network::PrivateRange)). They
//! are read only when an address turned out to be private. Only the address itself is opened: an IPv4 address in an IPv6 form
//! (mapped, NAT64, 6to4 and the like) stays closed, because no author who means the address writes it like that. https stays
//! required.

pub(crate) mod address;
pub(crate) mod lookup;
pub(crate) mod policy;
pub(crate) mod resolver;
