//! How people sign in: the identity provider of an organisation, what its tokens say of a person, and the sessions of browsers.

mod claims;
mod new_provider;
mod provider;
mod redirect;
mod session;

pub use claims::{BadClaims, Person};
pub use new_provider::NewProvider;
pub use provider::{ClaimPaths, Discovered, EVERY_ROLE, IdentityProvider, audience_sha256};
pub use redirect::{ConsolePath, NotOurs};
pub use session::{ABSOLUTE_SECONDS, IDLE_SECONDS, Session, SessionSecret};
