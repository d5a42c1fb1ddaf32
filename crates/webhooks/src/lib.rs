//! Tells the world what happened.
//!
//! [`Publisher`] reads what the table's stream shows, keeps an event and a delivery for each endpoint that wants it, and puts a message
//! for each into a queue. [`Deliverer`] takes messages from there and sends. What is to be sent is in the table; a message only says
//! whose turn it is, so messages may come twice, late, or for things that are gone.

mod deliver;
mod endpoints;
mod publish;
mod repeat;

pub use deliver::Deliverer;
pub use endpoints::{create_secret, update_endpoints};
pub use publish::{Publisher, redeliver, test};
pub use repeat::{TICK_SECONDS, send_due};
