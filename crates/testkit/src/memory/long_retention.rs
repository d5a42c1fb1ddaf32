//! The setting of long retention in memory, and its jobs.

use domain::id::OrgId;
use domain::ports::{CommitError, PortError, RetentionJobs};
use domain::retention::RetentionJob;

use super::{Memory, State};

impl State {
    fn set_long_retention(&mut self, org: &OrgId, long: bool) {
        self.cursor_secret(org);
        if let Some(organisation) = self.organisations.get_mut(org) {
            organisation.long_retention = long;
        }
    }

    fn put_retention_job(&mut self, job: &RetentionJob) -> Result<RetentionJob, CommitError> {
        if self.retention_jobs.get(&job.org).map_or(0, |stored| stored.rev) != job.rev {
            return Err(CommitError::Changed);
        }
        let job = RetentionJob { rev: job.rev + 1, ..job.clone() };
        self.retention_jobs.insert(job.org, job.clone());
        Ok(job)
    }
}

impl Memory {
    /// Returns the last job of an organisation. This is not a call of a port.
    pub fn stored_retention_job(&self, org: &OrgId) -> Option<RetentionJob> {
        self.state().retention_jobs.get(org).cloned()
    }
}

impl RetentionJobs for Memory {
    async fn retention_job(&self, org: &OrgId) -> Result<Option<RetentionJob>, PortError> {
        self.faults.read("retention_job", || Ok(self.state().retention_jobs.get(org).cloned())).await
    }

    async fn switch_retention(&self, job: RetentionJob) -> Result<RetentionJob, CommitError> {
        let switch = || {
            let written = self.state().put_retention_job(&job)?;
            self.state().set_long_retention(&job.org, job.long);
            Ok(written)
        };
        self.faults.call("switch_retention", true, switch).await
    }

    async fn put_retention_job(&self, job: RetentionJob) -> Result<RetentionJob, CommitError> {
        self.faults.call("put_retention_job", true, || self.state().put_retention_job(&job)).await
    }

    async fn retention_jobs_owed(&self) -> Result<Vec<OrgId>, PortError> {
        let owed = || self.state().retention_jobs.values().filter(|job| job.finished_at().is_none()).map(|job| job.org).collect();
        self.faults.read("retention_jobs_owed", || Ok(owed())).await
    }
}
