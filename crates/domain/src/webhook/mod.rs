//! Outbound webhooks: the endpoints of an organisation, the events that they subscribe to, and the deliveries of those events.

mod body;
mod change;
mod delivery;
mod endpoint;
mod new_endpoint;
mod notice;

pub use crate::event_name::{Subscription, is_event_name, is_reserved, names};
pub use body::{Event, MAX_BODY_BYTES, Reading, data_of, test_event};
pub use change::{ApprovalEvent, DomainEvent, StreamChange, domain_events};
pub use delivery::{
    AttemptResult, Delivery, DeliveryMessage, DeliveryStatus, KEPT_SECONDS, MAX_ANSWER_BYTES, RETRY_AFTER_SECONDS, headers,
};
pub use endpoint::{Endpoint, EndpointKind, Endpoints, MAX_ENDPOINTS, Target};
pub use new_endpoint::{NewEndpoint, NewTarget};
pub use notice::{Mail, slack_message};
