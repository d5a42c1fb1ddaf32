//! Retention: how long outputs are kept, requests to purge them earlier, and the jobs that change it for existing runs.
//!
//! The promise in one sentence: the outputs of a run are kept until a number of days after its end, and are then deleted. The record
//! of a step carries its own time of expiry, so that the table deletes it without a worker; this module says what that time is.

mod job;
mod purge;

use crate::run::Run;
use crate::time::Time;

pub use crate::step::{Gone, PurgeReason, Purged};
pub use job::{JobPhase, RetentionJob, RunsLeft, SETTING_IS_FRESH_SECONDS};
pub use purge::{Purge, PurgeRequest};

const DAY: u64 = 24 * 3600;

/// How long a request that is under way when its run ends may take to be recorded, in seconds: Lambda's 15 minutes, and one more.
pub const LATEST_RECORD_SECONDS: u64 = 16 * 60;

/// How long the outputs of an organisation's runs are kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Retention {
    /// This number of days after the end of their run.
    Days(u64),
    /// Until a caller purges them: the organisation has long retention.
    Forever,
}

impl Retention {
    fn seconds(self) -> Option<u64> {
        match self {
            Self::Days(days) => Some(days.saturating_mul(DAY)),
            Self::Forever => None,
        }
    }

    /// Returns when the record of a step that completes at `completed_at` expires; none means never.
    ///
    /// The time is a day later than promised: if the run ends within a day, none of its records needs another write to be kept long
    /// enough. A step that was taken over from another run is older than its run, and counts from the beginning of its run.
    pub fn of_step(self, run: &Run, completed_at: Time) -> Option<Time> {
        let own = completed_at.max(run.started_at).plus_seconds(self.seconds()?.saturating_add(DAY));
        Some(run.kept_until.map_or(own, |kept| kept.max(own)))
    }

    /// Returns the time until which the records of a run must be kept because it waits until `until`; none if no record of it
    /// can expire before a day after `until`. The result depends only on the run, so that most runs read no record for it.
    pub fn over_wait(self, run: &Run, until: Time) -> Option<Time> {
        let kept = run.kept_until.unwrap_or(run.started_at.plus_seconds(self.seconds()?.saturating_add(DAY)));
        if until.plus_seconds(DAY) <= kept { None } else { Some(until.plus_seconds(self.seconds()?.saturating_add(DAY))) }
    }

    /// Returns when the outputs of an ended run are deleted; none if the run has not ended, or they are kept for ever.
    pub fn of_run(self, run: &Run) -> Option<Time> {
        Some(run.finished_at?.plus_seconds(self.seconds()?))
    }

    /// Returns when the records of a run expire, whatever they say now; none means never. The records of an active run are kept as
    /// if they had been completed at `now`, and over the wait that the run is in.
    pub fn of_records(self, run: &Run, now: Time) -> Option<Time> {
        if run.has_ended() {
            return self.of_run(run);
        }
        let waits_until = run.execution.parked_until.map_or(now, |until| until.max(now));
        self.of_step(run, waits_until)
    }
}

impl Run {
    /// Returns whether the run has ended and its records carry the wrong time of expiry: it lasted more than a day, or they were kept
    /// longer because it waited.
    pub fn must_reschedule_records(&self) -> bool {
        self.finished_at.is_some_and(|end| end.millis_since(self.started_at) > DAY * 1000 || self.kept_until.is_some())
    }
}
