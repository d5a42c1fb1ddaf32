//! Triggers: what starts the runs of a flow, apart from calls of `execute`. An inbound webhook is a trigger; the endpoints that
//! events are sent to are in [`webhook`](crate::webhook).

mod cron;
mod kind;
mod webhook;

pub use cron::CronTrigger;
pub use kind::{FlowTrigger, TriggerType};
pub use webhook::{BadWebhookToken, OVERLAP_SECONDS, WebhookToken, WebhookTrigger};
