//! The trigger fields of a flow as a caller sends them.

use super::head::FlowStatus;
use super::object_reader::ObjectReader;
use crate::cron::{BadTimezone, DEFAULT_TIMEZONE, Expression, Schedule, timezone};
use crate::problem::FieldErrors;
use crate::time::Time;
use crate::trigger::{CronTrigger, FlowTrigger, TriggerType, WebhookToken};

const EXPRESSION: &str = "cronExpression";
const TIMEZONE: &str = "cronTimezone";
const ENABLED: &str = "cronEnabled";

/// The trigger fields that were sent. Each is valid by itself.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct TriggerDraft {
    kind: Option<TriggerType>,
    expression: Option<String>,
    timezone: Option<String>,
    enabled: Option<bool>,
}

impl TriggerDraft {
    /// Reads the fields. For a new flow it also checks which fields belong together; for changes that depends on the flow, so
    /// [`applied_to`](Self::applied_to) checks it.
    pub(super) fn read(fields: &mut ObjectReader<'_>, is_new: bool) -> Self {
        let name = fields.optional_string("triggerType");
        let kind = name.and_then(TriggerType::from_name);
        if name.is_some() && kind.is_none() {
            fields.problem("triggerType", "must be one of api, webhook, cron");
        }
        let expression = fields.optional_string(EXPRESSION).map(str::to_owned);
        if let Some(Err(problem)) = expression.as_deref().map(Expression::parse) {
            fields.problem(EXPRESSION, problem);
        }
        let timezone_name = fields.optional_string(TIMEZONE);
        let timezone = timezone_name.and_then(|name| timezone(name).ok()).map(|(_, name)| name);
        if timezone_name.is_some() && timezone.is_none() {
            fields.problem(TIMEZONE, BadTimezone);
        }
        let draft = Self { kind, expression, timezone, enabled: fields.boolean(ENABLED) };
        if is_new && name.is_some() == kind.is_some() {
            fields.errors.extend(draft.problems(&FlowTrigger::Api));
        }
        draft
    }

    fn kind(&self, before: &FlowTrigger) -> TriggerType {
        self.kind.unwrap_or(before.kind())
    }

    fn problems(&self, before: &FlowTrigger) -> FieldErrors {
        let mut errors = FieldErrors::new();
        let kind = self.kind(before);
        if kind == TriggerType::Cron {
            if self.expression.is_none() && before.cron().is_none() {
                errors.add(EXPRESSION, "is required if triggerType is cron");
            }
            return errors;
        }
        let sent = [(EXPRESSION, self.expression.is_some()), (TIMEZONE, self.timezone.is_some()), (ENABLED, self.enabled.is_some())];
        for (name, _) in sent.into_iter().filter(|(_, was_sent)| *was_sent) {
            errors.add(name, format!("belongs to a flow whose triggerType is cron; this one's is {kind}"));
        }
        errors
    }

    /// Returns the trigger with these changes. `fresh` is the token to use if the trigger becomes a webhook.
    pub(super) fn applied_to(
        self,
        before: &FlowTrigger,
        status: FlowStatus,
        fresh: WebhookToken,
        now: Time,
    ) -> Result<FlowTrigger, FieldErrors> {
        self.problems(before).into_result(())?;
        Ok(match (self.kind(before), before) {
            (TriggerType::Api, _) => FlowTrigger::Api,
            (TriggerType::Webhook, FlowTrigger::Webhook(token)) => FlowTrigger::Webhook(token.clone()),
            (TriggerType::Webhook, _) => FlowTrigger::Webhook(fresh),
            (TriggerType::Cron, before) => FlowTrigger::Cron(self.cron(before.cron(), status, now)?),
        })
    }

    fn cron(self, before: Option<&CronTrigger>, status: FlowStatus, now: Time) -> Result<CronTrigger, FieldErrors> {
        let expression = self.expression.or_else(|| before.map(|cron| cron.expression.clone()));
        let timezone = self.timezone.or_else(|| before.map(|cron| cron.timezone.clone()));
        let mut cron = CronTrigger {
            expression: expression.ok_or_else(|| FieldErrors::one(EXPRESSION, "is required"))?,
            timezone: timezone.unwrap_or_else(|| DEFAULT_TIMEZONE.to_owned()),
            enabled: self.enabled.or(before.map(|cron| cron.enabled)).unwrap_or(true),
            next_run_at: None,
            last_run_at: before.and_then(|cron| cron.last_run_at),
        };
        if !cron.enabled || status != FlowStatus::Active {
            return Ok(cron);
        }
        // A due time that is already scheduled stays, even if it is overdue: a change of another field must not drop a run.
        let as_before = before.filter(|before| (&before.expression, &before.timezone) == (&cron.expression, &cron.timezone));
        let scheduled = as_before.and_then(|before| before.next_run_at);
        if scheduled.is_some() {
            return Ok(CronTrigger { next_run_at: scheduled, ..cron });
        }
        let schedule = Schedule::parse(&cron.expression, &cron.timezone);
        cron.next_run_at = schedule.map_err(|problem| FieldErrors::one(EXPRESSION, problem))?.next_after(now);
        Ok(cron)
    }
}
