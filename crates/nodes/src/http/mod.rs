//! The HTTP client: what it sends, and what it makes of a response.

pub(crate) mod client;
pub(crate) mod content;
pub(crate) mod credential;
pub(crate) mod headers;
pub(crate) mod response;
