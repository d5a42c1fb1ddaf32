//! The item of the job that applies a change of long retention to the records that exist.

use domain::id::{FlowId, OrgId};
use domain::ports::PortError;
use domain::retention::{JobPhase, RetentionJob, RunsLeft};
use domain::time::Time;
use serde::{Deserialize, Serialize};

use crate::error::corrupt;
use crate::keys;

#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct JobItem {
    pk: String,
    sk: String,
    org: OrgId,
    long: bool,
    started_at: Time,
    /// `pending`, `first`, `second`, `done`.
    phase: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    phase_at: Option<Time>,
    runs_done: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    flow: Option<FlowId>,
    /// Whether that flow has runs that are still to be processed.
    more_runs: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    runs_after: Option<String>,
    rev: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    outbox_pk: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    outbox_sk: Option<String>,
}

impl JobItem {
    pub(crate) fn of(job: &RetentionJob) -> Self {
        let (phase, phase_at) = match job.phase {
            JobPhase::Pending => ("pending", None),
            JobPhase::First => ("first", None),
            JobPhase::Second(at) => ("second", Some(at)),
            JobPhase::Done(at) => ("done", Some(at)),
        };
        let (more_runs, runs_after) = match &job.runs {
            RunsLeft::None => (false, None),
            RunsLeft::After(key) => (true, key.clone()),
        };
        let pending = job.finished_at().is_none();
        Self {
            pk: keys::organisation(&job.org),
            sk: keys::RETENTION.to_owned(),
            org: job.org,
            long: job.long,
            started_at: job.started_at,
            phase: phase.to_owned(),
            phase_at,
            runs_done: job.runs_done,
            flow: job.flow,
            more_runs,
            runs_after,
            rev: job.rev,
            outbox_pk: pending.then(|| keys::RETENTION_JOBS.to_owned()),
            outbox_sk: pending.then(|| job.org.to_string()),
        }
    }

    pub(crate) fn into_job(self) -> Result<RetentionJob, PortError> {
        let phase = match (self.phase.as_str(), self.phase_at) {
            ("pending", None) => JobPhase::Pending,
            ("first", None) => JobPhase::First,
            ("second", Some(at)) => JobPhase::Second(at),
            ("done", Some(at)) => JobPhase::Done(at),
            (other, _) => return Err(corrupt(format!("phase `{other}` of the retention job of {}", self.org))),
        };
        Ok(RetentionJob {
            org: self.org,
            long: self.long,
            started_at: self.started_at,
            phase,
            runs_done: self.runs_done,
            flow: self.flow,
            runs: if self.more_runs { RunsLeft::After(self.runs_after) } else { RunsLeft::None },
            rev: self.rev,
        })
    }
}
