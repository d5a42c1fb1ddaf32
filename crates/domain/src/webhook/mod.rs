//! Webhooks out: which endpoints an organisation has, what happened that they want to hear of, and how it gets to them.

mod body;
mod change;
mod delivery;
mod endpoint;
mod name;

pub use body::{Event, MAX_BODY_BYTES, Reading, data_of, test_event};
pub use change::{DomainEvent, StreamChange, domain_events};
pub use delivery::{
    AttemptResult, Delivery, DeliveryMessage, DeliveryStatus, KEPT_SECONDS, MAX_ANSWER_BYTES, RETRY_AFTER_SECONDS, headers,
};
pub use endpoint::{Endpoint, Endpoints, MAX_ENDPOINTS, NewEndpoint};
pub use name::{Subscription, is_event_name, is_reserved, names};
