//! Outbound webhooks: what happens to runs becomes events, and events are delivered to the endpoints that subscribe to them.
//!
//! [`Publisher`] reads what the table's stream shows. For each event that an endpoint subscribes to it stores the event and one
//! delivery for each of those endpoints, and queues a message for each delivery. [`Deliverer`] takes messages from the queue and sends
//! the deliveries: signed JSON to a webhook, a message to a channel of Slack, or a mail. What is sent is in the table; a message only names a delivery, so messages may come twice, late, or for something
//! that is gone. [`send_due`] queues a message again for a delivery whose attempt failed, once its next attempt is due.

mod compose;
mod context;
mod deliver;
mod endpoints;
mod publish;
mod repeat;
mod request;
mod save;

pub use deliver::Deliverer;
pub use endpoints::{create_endpoint, create_secret, update_endpoints};
pub use publish::Publisher;
pub use repeat::{TICK_SECONDS, send_due};
pub use request::{redeliver, test};
