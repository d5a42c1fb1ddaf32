//! The run of a flow that is due by its schedule.

use super::head::{Flow, FlowStatus};
use crate::cron::{BadSchedule, Schedule};
use crate::time::Time;
use crate::trigger::{CronTrigger, FlowTrigger};

/// A run that a schedule is about to start.
#[derive(Debug, Clone, PartialEq)]
pub struct DueRun {
    /// The due time that the run is for.
    pub scheduled_at: Time,
    /// The flow as it is stored together with the run: its next due time is in the future.
    pub flow: Flow,
}

impl Flow {
    /// Returns the run that is due at `now`, if one is. When several due times have passed, the run is for the latest of them and
    /// the others are dropped. Fails if the stored schedule can no longer be read.
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
