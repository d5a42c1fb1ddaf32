//! Step Functions, written down: which executions there are, and how far each has come.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard};

use domain::id::RunId;
use domain::ports::{ExecutionStart, Executions, PortError, Resumption};
use domain::run::Run;
use domain::time::Time;

use crate::Faults;

/// How far an execution has come.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Stage {
    /// It is at Park and has not written its token.
    BeforePark,
    /// It waits for its token, until then at most.
    Parked(Time),
    /// It is at Advance; this number of invocations has failed.
    Advance(u32),
    /// It is over, and all is well.
    Succeeded,
    /// Its retries are spent.
    Failed,
    /// It was stopped.
    Aborted,
}

/// An execution of one of the two state machines.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Execution {
    /// `<runId>-<n>`.
    pub name: String,
    /// The run it drives.
    pub run: RunId,
    /// The segment it drives.
    pub segment: u32,
    /// How many seconds Park waits at most; none in a segment that begins with Advance.
    pub wait_seconds: Option<u64>,
    /// How far it has come.
    pub stage: Stage,
}

impl Execution {
    /// What Park writes into the run.
    pub fn token(&self) -> String {
        format!("token-of-{}", self.name)
    }

    /// Whether it is over.
    pub fn is_over(&self) -> bool {
        matches!(self.stage, Stage::Succeeded | Stage::Failed | Stage::Aborted)
    }
}

#[derive(Debug, Clone, Default)]
struct State {
    executions: Vec<Execution>,
    resumed: BTreeMap<String, usize>,
    starts: usize,
}

/// The state machines, as the engine sees them. [`Deployment`](crate::Deployment) plays what it writes down.
#[derive(Debug, Clone, Default)]
pub struct RecordedExecutions {
    state: Arc<Mutex<State>>,
    faults: Faults,
}

impl RecordedExecutions {
    /// No executions yet.
    pub fn new(faults: Faults) -> Self {
        Self { state: Arc::default(), faults }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap()
    }

    /// State machines of their own that have come as far; their calls meet no faults.
    #[must_use]
    pub fn copy(&self) -> Self {
        Self { state: Arc::new(Mutex::new(self.state().clone())), faults: Faults::none() }
    }

    /// Every execution that was ever started, oldest first.
    pub fn all(&self) -> Vec<Execution> {
        self.state().executions.clone()
    }

    /// The execution of that name.
    pub fn find(&self, name: &str) -> Option<Execution> {
        self.state().executions.iter().find(|execution| execution.name == name).cloned()
    }

    /// Returns the number of times that a token was resumed.
    pub fn resumes(&self, token: &str) -> usize {
        self.state().resumed.get(token).copied().unwrap_or(0)
    }

    /// Returns the number of times that `start` took effect or would have, repetitions included.
    pub fn starts(&self) -> usize {
        self.state().starts
    }

    /// Moves an execution on.
    pub fn set_stage(&self, name: &str, stage: Stage) {
        if let Some(execution) = self.state().executions.iter_mut().find(|execution| execution.name == name) {
            execution.stage = stage;
        }
    }

    async fn write<T>(&self, name: &'static str, act: impl Fn() -> T) -> Result<T, PortError> {
        self.faults.call(name, true, || Ok(act())).await
    }

    fn start_now(&self, run: &Run, now: Time) -> ExecutionStart {
        let mut state = self.state();
        state.starts += 1;
        let name = run.execution_name();
        if state.executions.iter().any(|execution| execution.name == name) {
            return ExecutionStart::NameTaken;
        }
        let wait_seconds = run.execution.parked_until.map(|until| now.seconds_until(until).max(1));
        let stage = if wait_seconds.is_some() { Stage::BeforePark } else { Stage::Advance(0) };
        state.executions.push(Execution { name, run: run.id, segment: run.execution.segment, wait_seconds, stage });
        ExecutionStart::Started
    }

    fn resume_now(&self, token: &str) -> Resumption {
        let mut state = self.state();
        *state.resumed.entry(token.to_owned()).or_default() += 1;
        let is_parked = |execution: &&mut Execution| matches!(execution.stage, Stage::Parked(_)) && execution.token() == token;
        let Some(execution) = state.executions.iter_mut().find(is_parked) else { return Resumption::TokenGone };
        execution.stage = Stage::Advance(0);
        Resumption::Resumed
    }

    fn stop_now(&self, run: &Run) {
        let name = run.execution_name();
        let mut state = self.state();
        if let Some(execution) = state.executions.iter_mut().find(|execution| execution.name == name && !execution.is_over()) {
            execution.stage = Stage::Aborted;
        }
    }
}

impl Executions for RecordedExecutions {
    async fn start(&self, run: &Run, now: Time) -> Result<ExecutionStart, PortError> {
        self.write("start", || self.start_now(run, now)).await
    }

    async fn is_over(&self, run: &Run) -> Result<bool, PortError> {
        self.faults.read("is_over", || Ok(self.find(&run.execution_name()).is_some_and(|execution| execution.is_over()))).await
    }

    async fn resume(&self, token: &str) -> Result<Resumption, PortError> {
        self.write("resume", || self.resume_now(token)).await
    }

    async fn stop(&self, run: &Run) -> Result<(), PortError> {
        self.write("stop", || self.stop_now(run)).await
    }
}
