//! The egress guard in the HTTP client of this crate: names are judged in the resolver of the client itself. The rules are in the crate
//! `egress`.

pub(crate) use ::egress::{lookup, policy};

pub(crate) mod resolver;
