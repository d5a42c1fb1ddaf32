//! An organisation switches long retention on or off, and a job applies that to the runs it has already.
//!
//! The job is a debt like any other: it is noted first, and `reconcile-runs` works on it until it is done. It saves its place after
//! each page of runs, and whatever it did since then may be done again.

use domain::error::ApplicationError;
use domain::flow::Flow;
use domain::id::OrgId;
use domain::ports::{
    Clock, CommitError, Executions, Flows, Outputs, PortError, RetentionJobs, RunFilter, RunLists, RunSummary, Runs, Window,
};
use domain::retention::{JobPhase, LATEST_RECORD_SECONDS, Retention, RetentionJob, RunsLeft, SETTING_IS_FRESH_SECONDS};
use domain::time::Time;

use crate::{Engine, storm};

/// Runs between two savings of the job's place.
const PAGE: usize = 50;

impl<R: Runs + Outputs + RetentionJobs, F: Flows, S: Executions, C: Clock> Engine<R, F, S, C> {
    /// Whether outputs are kept for ever, and the job that applies the last switch; none: it was never switched.
    pub async fn long_retention(&self, org: &OrgId) -> Result<(bool, Option<RetentionJob>), PortError> {
        let long = self.runs.retention(org).await? == Retention::Forever;
        Ok((long, self.runs.retention_job(org).await?))
    }

    /// Switches long retention. A switch to what it is already changes nothing; one while a job is at work starts another.
    pub async fn set_long_retention(&self, org: &OrgId, long: bool) -> Result<(bool, Option<RetentionJob>), ApplicationError> {
        for _ in 0..crate::MAX_TRIES {
            let (is, before) = self.long_retention(org).await?;
            if is == long {
                return Ok((is, before));
            }
            let job = RetentionJob::new(*org, long, self.clock.now(), before.as_ref());
            match self.runs.switch_retention(job).await {
                Ok(job) => return Ok((long, Some(job))),
                Err(CommitError::Changed) => {}
                Err(CommitError::Port(error)) => return Err(error.into()),
            }
        }
        Err(storm())
    }

    /// Works on the jobs that are not done, until `deadline`; gives how many there were. One that fails does not hold up the others.
    pub async fn apply_retention(&self, lists: &impl RunLists, deadline: Time) -> Result<usize, PortError> {
        let owed = self.runs.retention_jobs_owed().await?;
        let mut failed = None;
        for org in &owed {
            match self.work(lists, org, deadline).await {
                // Switched again meanwhile: the next tick finds the new job.
                Ok(()) | Err(CommitError::Changed) => {}
                Err(CommitError::Port(error)) => {
                    tracing::error!(%org, %error, "a switch of long retention was not applied");
                    failed = Some(error);
                }
            }
        }
        failed.map_or(Ok(owed.len()), Err)
    }

    async fn work(&self, lists: &impl RunLists, org: &OrgId, deadline: Time) -> Result<(), CommitError> {
        let Some(mut job) = self.runs.retention_job(org).await? else { return Ok(()) };
        while self.clock.now() < deadline {
            let now = self.clock.now();
            job = match job.phase {
                JobPhase::Done(_) => return Ok(()),
                JobPhase::Second(not_before) if now < not_before => return Ok(()),
                JobPhase::Pending => job.enter(JobPhase::First),
                JobPhase::First => match self.next_page(lists, job).await? {
                    (job, true) => job,
                    // By then nobody is at work any more who has read the old setting.
                    (job, false) => {
                        let not_before = job.started_at.plus_seconds(LATEST_RECORD_SECONDS + SETTING_IS_FRESH_SECONDS);
                        job.enter(JobPhase::Second(not_before))
                    }
                },
                JobPhase::Second(_) => match self.next_page(lists, job).await? {
                    (job, true) => job,
                    (job, false) => job.enter(JobPhase::Done(self.clock.now())),
                },
            };
            job = self.runs.put_retention_job(job).await?;
        }
        Ok(())
    }

    /// Sees to a page of runs, or turns to the next flow. False: there is none.
    async fn next_page(&self, lists: &impl RunLists, mut job: RetentionJob) -> Result<(RetentionJob, bool), PortError> {
        let (Some(flow), RunsLeft::After(after)) = (job.flow, job.runs.clone()) else {
            let window = Window { after: job.flow.map(|flow| flow.to_string()), skip: 0, limit: 1, was_beyond_cap: true };
            let next: Option<Flow> = self.flows.flows(&job.org, &window).await?.rows.into_iter().next();
            let found = next.is_some();
            if let Some(flow) = next {
                (job.flow, job.runs) = (Some(flow.id), RunsLeft::After(None));
            }
            return Ok((job, found));
        };
        let page = lists.runs_of(&flow, &RunFilter::default(), &Window { after, skip: 0, limit: PAGE, was_beyond_cap: true }).await?;
        for row in &page.rows {
            self.see_to(&mut job, row).await?;
        }
        job.runs = page.next.map_or(RunsLeft::None, |next| RunsLeft::After(Some(next)));
        Ok((job, true))
    }

    async fn see_to(&self, job: &mut RetentionJob, row: &RunSummary) -> Result<(), PortError> {
        let again = matches!(job.phase, JobPhase::Second(_));
        // Whatever ended before the switch was recorded before it.
        if again && row.finished_at.is_some_and(|end| end.plus_seconds(LATEST_RECORD_SECONDS) < job.started_at) {
            return Ok(());
        }
        let run = self.runs.load(&row.id).await?.ok_or_else(|| PortError::Corrupt(format!("{} is listed and is not there", row.id)))?;
        let retention = if job.long { Retention::Forever } else { self.runs.retention(&job.org).await? };
        let now = self.clock.now();
        self.runs.reschedule(&run.id, retention.of_records(&run, now), now).await?;
        if !again {
            job.runs_done += 1;
        }
        Ok(())
    }
}
