//! What starts runs of a flow, beside calls of `execute`.

use super::{Flow, FlowStatus, word_enum};
use crate::cron::{BadSchedule, Schedule};
use crate::time::Time;
use crate::webhook_trigger::WebhookToken;

word_enum!(
    /// The kind of a flow's trigger.
    TriggerType {
        /// Nothing but calls of `execute`.
        Api = "api",
        /// Signed calls of its webhook.
        Webhook = "webhook",
        /// The clock.
        Cron = "cron",
    }
);

/// What starts runs of a flow. `execute` works whatever it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum FlowTrigger {
    /// Nothing else.
    Api,
    /// Signed calls of a webhook with this token.
    Webhook(WebhookToken),
    /// The clock.
    Cron(CronTrigger),
}

/// When the clock starts a flow. The texts are kept as they were saved, so that only those functions read them that work with them:
/// the time zones alone are 200 KB of binary.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CronTrigger {
    /// Five fields, see [`crate::cron::Expression`].
    pub expression: String,
    /// Its time zone, by its name in the IANA database.
    pub timezone: String,
    /// Whether it is switched on.
    pub enabled: bool,
    /// When it is due; it may be overdue. None: switched off, or the flow is not active, or it is never due again.
    pub next_run_at: Option<Time>,
    /// The due time of the last run that it started.
    pub last_run_at: Option<Time>,
}

impl FlowTrigger {
    /// Its kind.
    pub fn kind(&self) -> TriggerType {
        match self {
            Self::Api => TriggerType::Api,
            Self::Webhook(_) => TriggerType::Webhook,
            Self::Cron(_) => TriggerType::Cron,
        }
    }

    /// The token of its webhook.
    pub fn webhook_token(&self) -> Option<&WebhookToken> {
        if let Self::Webhook(token) = self { Some(token) } else { None }
    }

    /// Its schedule.
    pub fn cron(&self) -> Option<&CronTrigger> {
        if let Self::Cron(cron) = self { Some(cron) } else { None }
    }
}

/// A run that the clock is to start.
#[derive(Debug, Clone, PartialEq)]
pub struct DueRun {
    /// The due time that it is for.
    pub scheduled_at: Time,
    /// The flow as it stands once the run is there: its next due time lies ahead.
    pub flow: Flow,
}

impl Flow {
    /// The run that is due at `now`. If several due times have passed it is for the latest; the others do not come back.
    pub fn due_run(&self, now: Time) -> Result<Option<DueRun>, BadSchedule> {
        let FlowTrigger::Cron(cron) = &self.trigger else { return Ok(None) };
        let due = cron.next_run_at.filter(|due| *due <= now && cron.enabled && self.status == FlowStatus::Active);
        let Some(due) = due else { return Ok(None) };
        let schedule = Schedule::parse(&cron.expression, &cron.timezone)?;
        let scheduled_at = schedule.latest_missed(due, now);
        let next_run_at = schedule.next_after(now);
        let trigger = FlowTrigger::Cron(CronTrigger { next_run_at, last_run_at: Some(scheduled_at), ..cron.clone() });
        Ok(Some(DueRun { scheduled_at, flow: Self { trigger, ..self.clone() } }))
    }
}
