//! Switches long retention on or off for an organisation, and applies the switch to the runs that are there already.
//!
//! The work on existing runs is a job: it is stored first, and `reconcile-runs` works on it until it is done. It saves its position after
//! each page of runs; what it did since then may be done again.

use domain::error::ApplicationError;
use domain::flow::Flow;
use domain::id::OrgId;
use domain::ports::{
    Clock, CommitError, Flows, Outputs, Page, PortError, RetentionJobs, RunFilter, RunLists, RunSummary, Runs, Window, optimistic_update,
};
use domain::retention::{JobPhase, LATEST_RECORD_SECONDS, Retention, RetentionJob, RunsLeft, SETTING_IS_FRESH_SECONDS};
use domain::time::Time;

/// The number of runs after which the job saves its position.
const PAGE: usize = 50;

/// Changes how long the outputs of an organisation are kept.
#[derive(Debug, Clone)]
pub struct LongRetention<R, C> {
    /// The store of outputs and of retention jobs.
    pub runs: R,
    /// The source of the time.
    pub clock: C,
}

impl<R: Outputs + RetentionJobs, C: Clock> LongRetention<R, C> {
    /// Returns whether outputs are kept for ever, and the job that applies the last switch; none if it was never switched.
    pub async fn get(&self, org: &OrgId) -> Result<(bool, Option<RetentionJob>), PortError> {
        let long = self.runs.retention(org).await? == Retention::Forever;
        Ok((long, self.runs.retention_job(org).await?))
    }

    /// Switches long retention. A switch to the current setting changes nothing; a switch while a job is at work starts another job.
    pub async fn set(&self, org: &OrgId, long: bool) -> Result<(bool, Option<RetentionJob>), ApplicationError> {
        let switched = optimistic_update("the retention", async || {
            let (is, before) = self.get(org).await?;
            if is == long {
                return Ok((is, before));
            }
            let job = RetentionJob::new(*org, long, self.clock.now(), before.as_ref());
            Ok((long, Some(self.runs.switch_retention(job).await?)))
        });
        switched.await
    }
}

impl<R: Runs + Outputs + RetentionJobs, C: Clock> LongRetention<R, C> {
    /// Works on the jobs that are not done, until `stop_at`. Returns the number of these jobs. A job that fails does not delay the others.
    pub async fn work_on_jobs(&self, table: &(impl Flows + RunLists), stop_at: Time) -> Result<usize, PortError> {
        let unfinished = self.runs.retention_jobs_owed().await?;
        let mut failed = None;
        for org in &unfinished {
            match self.work_on(table, org, stop_at).await {
                // The organisation has switched again meanwhile: the next tick finds the new job.
                Ok(()) | Err(CommitError::Changed) => {}
                Err(CommitError::Port(error)) => {
                    tracing::error!(%org, %error, "a switch of long retention was not applied");
                    failed = Some(error);
                }
            }
        }
        failed.map_or(Ok(unfinished.len()), Err)
    }

    async fn work_on(&self, table: &(impl Flows + RunLists), org: &OrgId, stop_at: Time) -> Result<(), CommitError> {
        let Some(mut job) = self.runs.retention_job(org).await? else { return Ok(()) };
        while self.clock.now() < stop_at {
            let now = self.clock.now();
            job = match job.phase {
                JobPhase::Done(_) => return Ok(()),
                JobPhase::Second(not_before) if now < not_before => return Ok(()),
                JobPhase::Pending => job.enter(JobPhase::First),
                JobPhase::First => match self.next_page(table, job).await? {
                    (job, true) => job,
                    // At that time no invocation is at work any more that has read the old setting.
                    (job, false) => {
                        let not_before = job.started_at.plus_seconds(LATEST_RECORD_SECONDS + SETTING_IS_FRESH_SECONDS);
                        job.enter(JobPhase::Second(not_before))
                    }
                },
                JobPhase::Second(_) => match self.next_page(table, job).await? {
                    (job, true) => job,
                    (job, false) => job.enter(JobPhase::Done(self.clock.now())),
                },
            };
            job = self.runs.put_retention_job(job).await?;
        }
        Ok(())
    }

    /// Applies the job to a page of runs, or moves on to the next flow. Returns false if there is no next flow.
    async fn next_page(&self, table: &(impl Flows + RunLists), mut job: RetentionJob) -> Result<(RetentionJob, bool), PortError> {
        let (Some(flow), RunsLeft::After(after)) = (job.flow, job.runs.clone()) else {
            let window = Window { after: job.flow.map(|flow| flow.to_string()), skip: 0, limit: 1, was_beyond_cap: true };
            let page: Page<Flow> = table.flows(&job.org, &window).await?;
            // A flow that cannot be read is known by its place in the list only, and so are its runs, which can be read.
            let unread = || page.next.as_ref().and_then(|id| id.parse().ok());
            let next = page.rows.first().map(|flow| flow.id).or_else(unread);
            if let Some(flow) = next {
                (job.flow, job.runs) = (Some(flow), RunsLeft::After(None));
            }
            return Ok((job, next.is_some()));
        };
        let page = table.runs_of(&flow, &RunFilter::default(), &Window { after, skip: 0, limit: PAGE, was_beyond_cap: true }).await?;
        for row in &page.rows {
            match self.apply_to(&mut job, row).await {
                Err(error) if error.is_permanent() => {
                    tracing::error!(run = %row.id, %error, "a switch of long retention cannot be applied to a run; it is passed over");
                }
                applied => applied?,
            }
        }
        job.runs = page.next.map_or(RunsLeft::None, |next| RunsLeft::After(Some(next)));
        Ok((job, true))
    }

    async fn apply_to(&self, job: &mut RetentionJob, row: &RunSummary) -> Result<(), PortError> {
        let is_second = matches!(job.phase, JobPhase::Second(_));
        // The records of a run that ended before the switch were written before it.
        if is_second && row.finished_at.is_some_and(|end| end.plus_seconds(LATEST_RECORD_SECONDS) < job.started_at) {
            return Ok(());
        }
        let run = self.runs.load(&row.id).await?.ok_or_else(|| PortError::Corrupt(format!("{} is listed and is not there", row.id)))?;
        let retention = if job.long { Retention::Forever } else { self.runs.retention(&job.org).await? };
        let now = self.clock.now();
        self.runs.reschedule(&run.id, retention.of_records(&run, now), now).await?;
        if !is_second {
            job.runs_done += 1;
        }
        Ok(())
    }
}
