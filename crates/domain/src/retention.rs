//! How long outputs are kept, and what is left of them afterwards.
//!
//! A promise in one sentence: the outputs of a run are there until `days` after its end, and then they are gone. The record of a
//! step carries its own time of expiry, so that the table can delete it by itself; everything here says what that time is.

use crate::id::{FlowId, OrgId, RunId};
use crate::json::canonical;
use crate::run::Run;
use crate::step::{Payload, StepRecord};
use crate::time::Time;

const DAY: u64 = 24 * 3600;

/// How long a request that is under way when its run ends may take to be recorded: Lambda's 15 minutes, and one more.
pub const LATEST_RECORD_SECONDS: u64 = 16 * 60;

/// How long the outputs of an organisation's runs are kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Retention {
    /// So many days after the end of their run.
    Days(u64),
    /// Until somebody purges them: the organisation has long retention.
    Forever,
}

impl Retention {
    fn seconds(self) -> Option<u64> {
        match self {
            Self::Days(days) => Some(days.saturating_mul(DAY)),
            Self::Forever => None,
        }
    }

    /// When the record of a step expires that is completed at `completed_at`; none: never.
    ///
    /// That is a day more than is promised: if the run ends within a day, no record of it needs another write to be kept long
    /// enough. A step that was taken over from another run is older than its run, and counts as done when that began.
    pub fn of_step(self, run: &Run, completed_at: Time) -> Option<Time> {
        let own = completed_at.max(run.started_at).plus_seconds(self.seconds()?.saturating_add(DAY));
        Some(run.kept_until.map_or(own, |kept| kept.max(own)))
    }

    /// A run is about to be left alone until `until`. If a record of its steps could expire by then, or less than a day later:
    /// the time until which all of them are to be kept instead. Follows from the run alone, so that most runs read nothing.
    pub fn over_wait(self, run: &Run, until: Time) -> Option<Time> {
        let kept = run.kept_until.unwrap_or(run.started_at.plus_seconds(self.seconds()?.saturating_add(DAY)));
        if until.plus_seconds(DAY) <= kept { None } else { Some(until.plus_seconds(self.seconds()?.saturating_add(DAY))) }
    }

    /// When the outputs of a run go that has ended; none: never, or it has not ended.
    pub fn of_run(self, run: &Run) -> Option<Time> {
        Some(run.finished_at?.plus_seconds(self.seconds()?))
    }

    /// When the records of a run expire, whatever they say now; none: never. Those of a run that goes on are kept as if they
    /// had been completed at `now`, and over the wait that it is in.
    pub fn of_records(self, run: &Run, now: Time) -> Option<Time> {
        if run.has_ended() {
            return self.of_run(run);
        }
        let waits_until = run.execution.parked_until.map_or(now, |until| until.max(now));
        self.of_step(run, waits_until)
    }
}

impl Run {
    /// Whether the run has ended in such a way that its records do not expire when they should: it lasted more than a day, or
    /// they were kept longer because it was about to wait.
    pub fn must_reschedule_records(&self) -> bool {
        self.finished_at.is_some_and(|end| end.millis_since(self.started_at) > DAY * 1000 || self.kept_until.is_some())
    }
}

/// Why outputs went.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PurgeReason {
    /// Their time was up.
    Expired,
    /// Somebody wanted it: the actor of the key.
    Requested(String),
}

/// A payload that is gone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Gone {
    /// Bytes of its canonical JSON.
    pub bytes: u64,
    /// SHA-256 of that, lower-case hex.
    pub sha256: String,
    /// Whether it lay in object storage.
    pub stored: bool,
}

/// What is left of a step's payloads.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Purged {
    /// Since when they are gone.
    pub at: Time,
    /// Why.
    pub reason: PurgeReason,
    /// What had been sent.
    pub input: Option<Gone>,
    /// What had come back.
    pub output: Option<Gone>,
}

impl Purged {
    /// The payloads that went.
    pub fn payloads(&self) -> impl Iterator<Item = &Gone> {
        self.input.iter().chain(&self.output)
    }
}

impl StepRecord {
    /// The receipt of this record: when and how the step ran, and what its payloads were, without them. A receipt stays as it is.
    #[must_use]
    pub fn without_payloads(self, at: Time, reason: PurgeReason) -> Self {
        if self.purged.is_some() {
            return self;
        }
        let purged = Purged { at, reason, input: self.input.as_ref().map(gone), output: self.output.as_ref().map(gone) };
        Self { input: None, output: None, answer: None, purged: Some(Box::new(purged)), ..self }
    }
}

fn gone(payload: &Payload) -> Gone {
    let bytes = match payload {
        Payload::Inline(value) => canonical(value).len() as u64,
        Payload::Stored(object) => object.bytes,
    };
    Gone { bytes, sha256: payload.sha256(), stored: matches!(payload, Payload::Stored(_)) }
}

/// Somebody wants the outputs of a run gone at once.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PurgeRequest {
    /// The run.
    pub run: RunId,
    /// Whose it is.
    pub org: OrgId,
    /// The actor of the key.
    pub by: String,
    /// When.
    pub at: Time,
}

/// What a purge came to. Whoever asks for it again is told the same.
#[derive(Debug, Clone, PartialEq)]
pub struct Purge {
    /// The run.
    pub run: RunId,
    /// When it was first asked for.
    pub at: Time,
    /// The receipts of its steps, in the order of their names.
    pub receipts: Vec<StepRecord>,
}

/// How long a process may go on with what it has read of an organisation's setting.
pub const SETTING_IS_FRESH_SECONDS: u64 = 60;

/// Applies an organisation's switch of long retention to the runs that are there already.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RetentionJob {
    /// Whose runs.
    pub org: OrgId,
    /// Whether outputs are to be kept for ever.
    pub long: bool,
    /// When it was switched.
    pub started_at: Time,
    /// How far it has come.
    pub phase: JobPhase,
    /// Runs that have been seen to.
    pub runs_done: u64,
    /// The flow that it is at, or has just done with; none: it has not come to the first one.
    pub flow: Option<FlowId>,
    /// Where it goes on among that flow's runs.
    pub runs: RunsLeft,
    /// Counts the writes; the next one is conditional on it.
    pub rev: u64,
}

/// How far a [`RetentionJob`] has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum JobPhase {
    /// Nobody has taken it up.
    Pending,
    /// It goes through all runs.
    First,
    /// It went through all runs, and looks once more at those that may have been recorded with the old setting since: not before
    /// that time.
    Second(Time),
    /// It is done since then.
    Done(Time),
}

/// What is left of a flow's runs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RunsLeft {
    /// None.
    None,
    /// Those after this sort key; all, if there is none.
    After(Option<String>),
}

impl RetentionJob {
    /// A job that nobody has taken up, in the place of `before`.
    pub fn new(org: OrgId, long: bool, now: Time, before: Option<&Self>) -> Self {
        let rev = before.map_or(0, |before| before.rev);
        Self { org, long, started_at: now, phase: JobPhase::Pending, runs_done: 0, flow: None, runs: RunsLeft::None, rev }
    }

    /// When it was done.
    pub fn finished_at(&self) -> Option<Time> {
        match self.phase {
            JobPhase::Done(at) => Some(at),
            _ => None,
        }
    }

    /// Goes through the runs from the beginning.
    #[must_use]
    pub fn enter(self, phase: JobPhase) -> Self {
        Self { phase, flow: None, runs: RunsLeft::None, ..self }
    }
}
