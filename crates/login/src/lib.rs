//! How people sign in with OpenID Connect.
//!
//! [`TokenVerifier`] says whose a token is: it knows the organisations' providers and the keys that they sign with. [`discover`] reads what a
//! provider says of itself, and [`code_flow`] is the conversation in which a browser gets a token. Whatever is fetched goes past the egress
//! guard ([`Web`]).

pub mod code_flow;
mod discovery;
mod key_set;
mod ring_provider;
mod verifier;
mod web;

pub use discovery::{DiscoveryError, discover};
pub use verifier::{Accepted, TokenError, TokenVerifier};
pub use web::{Web, WebError};
