//! The switch of long retention.

use std::future::Future;

use crate::error::{CommitError, PortError};
use crate::id::OrgId;
use crate::retention::RetentionJob;

/// The switch of long retention, and the jobs that apply it to existing runs.
pub trait RetentionJobs {
    /// Returns the last job of an organisation.
    fn retention_job(&self, org: &OrgId) -> impl Future<Output = Result<Option<RetentionJob>, PortError>>;
    /// Switches an organisation to the setting of a new job, and writes the job: both or none, on the condition of
    /// [`put_retention_job`](Self::put_retention_job).
    fn switch_retention(&self, job: RetentionJob) -> impl Future<Output = Result<RetentionJob, CommitError>>;
    /// Writes a job if the stored one has its `rev` (0 if there is none), and returns it with its new `rev`.
    fn put_retention_job(&self, job: RetentionJob) -> impl Future<Output = Result<RetentionJob, CommitError>>;
    /// Returns organisations whose job is not done: a bounded number of them.
    fn retention_jobs_owed(&self) -> impl Future<Output = Result<Vec<OrgId>, PortError>>;
}
