//! The kinds of triggers, and the trigger that a flow has.

use super::cron::CronTrigger;
use super::webhook::WebhookToken;

word_enum!(
    /// The kind of a flow's trigger.
    TriggerType {
        /// Only calls of `execute` start the flow.
        Api = "api",
        /// Signed calls of the flow's webhook start it.
        Webhook = "webhook",
        /// A schedule starts it.
        Cron = "cron",
    }
);

/// What starts the runs of a flow. `execute` works with every trigger.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum FlowTrigger {
    /// Only calls of `execute`.
    Api,
    /// Signed calls of a webhook with this token.
    Webhook(WebhookToken),
    /// A schedule.
    Cron(CronTrigger),
}

impl FlowTrigger {
    /// Returns the kind of the trigger.
    pub fn kind(&self) -> TriggerType {
        match self {
            Self::Api => TriggerType::Api,
            Self::Webhook(_) => TriggerType::Webhook,
            Self::Cron(_) => TriggerType::Cron,
        }
    }

    /// Returns whether `other` starts runs for the same reason. It does not matter when a schedule is due next.
    pub fn starts_like(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Cron(one), Self::Cron(other)) => {
                (&one.expression, &one.timezone, one.enabled) == (&other.expression, &other.timezone, other.enabled)
            }
            (one, other) => one == other,
        }
    }

    /// Returns the token of the webhook, if the trigger is one.
    pub fn webhook_token(&self) -> Option<&WebhookToken> {
        if let Self::Webhook(token) = self { Some(token) } else { None }
    }

    /// Returns the schedule, if the trigger is one.
    pub fn cron(&self) -> Option<&CronTrigger> {
        if let Self::Cron(cron) = self { Some(cron) } else { None }
    }
}
