//! The thinking of an invocation: what a run is like once everything that has come back, is overdue or is ready has been taken
//! in. Reads from the store, keeps the records of steps that send nothing, and sends nothing itself.

use std::collections::BTreeMap;
use std::sync::Arc;

use domain::flow::{MAX_WAIT_HOURS, NodeIx, Spec};
use domain::gate::{Gate, Verdict};
use domain::id::EventId;
use domain::ports::{Clock, CommitError, Effects, Entropy, PortError, Runs};
use domain::request::{Pause, Question, Request, Work};
use domain::run::{Exit, NodeStatus, Plan, Run, TransitionError};
use domain::time::Time;
use serde_json::{Value, json};

use crate::Ports;
use crate::advance::{Driver, MARGIN_SECONDS};
use crate::attempt::{Ended, Finished, NodeAttempt};
use crate::run_context::RunContext;

/// A round, thought through.
pub(crate) struct Draft {
    pub(crate) run: Run,
    pub(crate) gates: Vec<Gate>,
    pub(crate) requests: BTreeMap<NodeIx, Request>,
    /// Something is ready, and there is not enough time left for it.
    pub(crate) postponed: bool,
    pub(crate) wake_at: Option<Time>,
}

impl<P: Ports, E: Effects, N: Entropy> Driver<'_, P, E, N> {
    /// Thinks the run through: what came back, what is overdue, what is ready.
    pub(crate) async fn think(&mut self) -> Result<Draft, CommitError> {
        let now = self.engine.clock.now();
        let mut run = self.run.clone();
        if run.execution.owner.as_deref() != Some(&self.invocation.owner) {
            // Cannot be refused: the segment was compared when the run was read.
            _ = run.claim(&self.invocation.owner, self.invocation.segment);
        }
        self.take_in_arrived(&mut run, now);
        let mut draft = Draft { run, gates: Vec::new(), requests: BTreeMap::new(), postponed: false, wake_at: None };
        self.pick_up_interrupted(&mut draft, now).await?;
        while !draft.run.has_ended() && draft.run.error.is_none() {
            // Steps that send nothing are put on record in between: what follows them begins after them.
            let now = self.engine.clock.now();
            let plan = Plan::of(&draft.run, self.spec, now);
            draft.wake_at = plan.wake_at;
            let mut expired = false;
            for ix in plan.overdue {
                expired |= self.expire(&mut draft, ix, now).await?;
            }
            if expired {
                // A decision may still be faster than this write. Nothing that builds on the expiry is recorded before it counts.
                draft.wake_at = Some(now);
                break;
            }
            let mut moved = false;
            for ix in plan.ready {
                if !draft.requests.contains_key(&ix) && draft.run.error.is_none() {
                    moved |= self.take_turn(&mut draft, ix, now).await?;
                }
            }
            if draft.gates.iter().any(|gate| gate.reused_from.is_some()) {
                // As with an expiry: what follows a decision goes on record after it.
                draft.wake_at = Some(now);
                break;
            }
            if !moved {
                break;
            }
        }
        let now = self.engine.clock.now();
        if draft.run.error.is_none() {
            draft.requests.retain(|ix, _| draft.run.start(self.spec, *ix, now).is_ok());
        } else {
            // An error ends the run: what was about to start does not, and what a crash cut short is not sent again.
            draft.requests.clear();
            self.give_up_interrupted(&mut draft.run, now);
        }
        if draft.run.has_ended() {
            self.engine.close_gates(&self.run, &mut draft.gates, now).await?;
        }
        Ok(draft)
    }

    fn take_in_arrived(&mut self, run: &mut Run, now: Time) {
        for arrived in &self.arrived {
            // Refused: the run ended or the node was settled while the answer was on its way. The record is kept all the same.
            _ = match arrived {
                NodeAttempt::RetryAt(ix, due) => run.retry_at(self.spec, *ix, *due, now),
                NodeAttempt::Done(finished) => take_in(self.spec, &mut self.known, run, finished, now),
            };
        }
    }

    /// Nodes that are under way, but not here: a crash, or a lost answer, came between writing and doing. If the step is on
    /// record it is done; if not, it is done again, under the same Idempotency-Key.
    async fn pick_up_interrupted(&mut self, draft: &mut Draft, now: Time) -> Result<(), PortError> {
        let running: Vec<NodeIx> = draft.run.progress.with_status(NodeStatus::Running).collect();
        for ix in running {
            if self.under_way.contains(&ix) || draft.run.progress.get(ix).waits_for_clock() {
                continue;
            }
            let node = &self.spec.node(ix).id;
            if let Some(record) = self.engine.runs.step(&draft.run, node, now).await? {
                let output = None;
                _ = take_in(self.spec, &mut self.known, &mut draft.run, &Finished { ix, record, output }, now);
            } else if draft.run.error.is_none() {
                self.take_turn(draft, ix, now).await?;
            }
        }
        Ok(())
    }

    /// Nodes that are under way, but not here, and that an error keeps from being done again: the run must not wait for them.
    fn give_up_interrupted(&self, run: &mut Run, now: Time) {
        let running: Vec<NodeIx> = run.progress.with_status(NodeStatus::Running).collect();
        for ix in running {
            if !self.under_way.contains(&ix) && run.progress.get(ix).is_under_way() {
                _ = run.fail(self.spec, ix, "interrupted while the run was failing; it is not known whether it took effect", now);
            }
        }
    }

    async fn expire(&self, draft: &mut Draft, ix: NodeIx, now: Time) -> Result<bool, CommitError> {
        let node = &self.spec.node(ix).id;
        let gate = self.engine.runs.gate(&draft.run, node).await?;
        let mut gate = gate.ok_or_else(|| PortError::Corrupt(format!("{} waits at {node}, which has no gate", draft.run.id)))?;
        if !gate.is_open() {
            // DecisionResult since the run was read: what was thought so far is out of date.
            return Err(CommitError::Changed);
        }
        gate.expire(now);
        let message = gate.failure_message();
        let decided = draft.run.decide(self.spec, ix, Verdict::Expired, &message, now);
        if decided.is_ok() {
            draft.gates.push(gate);
        }
        Ok(decided.is_ok())
    }

    /// A node's turn has come. True if the run moved on by it; false if it now waits for the world.
    async fn take_turn(&mut self, draft: &mut Draft, ix: NodeIx, now: Time) -> Result<bool, PortError> {
        if let Some(moved) = self.take_over(draft, ix, now).await? {
            return Ok(moved);
        }
        let spec = self.spec;
        let node = spec.node(ix);
        self.known.gather(&self.engine.runs, spec, &draft.run, ix, now).await?;
        let ended = match node.prepare(&self.known.scope(&draft.run)) {
            Ok(Work::Request(request)) => {
                let needed = u64::from(node.timeout_seconds) + MARGIN_SECONDS;
                if now.plus_seconds(needed) > self.invocation.deadline && !self.is_fresh() {
                    draft.postponed = true;
                } else {
                    draft.requests.insert(ix, request);
                }
                return Ok(false);
            }
            Ok(Work::Ask(question)) => {
                self.open(draft, ix, question, now).await?;
                return Ok(true);
            }
            Ok(Work::Pause(pause)) => {
                // A node that waits already keeps to the time it began with.
                let due = draft.run.progress.get(ix).due.unwrap_or(match pause {
                    Pause::Seconds(seconds) => now.plus_seconds(seconds),
                    Pause::Until(at) => at.min(now.plus_seconds(u64::from(MAX_WAIT_HOURS) * 3600)),
                });
                if due > now {
                    return Ok(draft.run.pause(spec, ix, due, now).is_ok());
                }
                Ended { input: json!({"until": due}), output: Ok((json!({"resumedAt": now}), Exit::Normal)), answer: None }
            }
            Ok(Work::Emit { event, data }) => {
                // Its id follows from the step, so that an event that is recorded twice is the same event.
                let id = EventId::derived(&draft.run.id, node.id.as_str(), draft.run.started_at);
                Ended { input: json!({"event": event, "data": data}), output: Ok((json!(id), Exit::Normal)), answer: None }
            }
            Ok(Work::Done { input, output, exit }) => Ended { input, output: Ok((output, exit)), answer: None },
            Err(unprepared) => Ended { input: Value::Null, output: Err(unprepared.to_string()), answer: None },
        };
        let finished = self.engine.keep(&draft.run, ix, node, ended).await?;
        Ok(take_in(spec, &mut self.known, &mut draft.run, &finished, now).is_ok())
    }

    /// Nothing has been sent yet: postponing would only start the same again.
    fn is_fresh(&self) -> bool {
        self.jobs.is_empty() && self.run.execution.owner.as_deref() != Some(&self.invocation.owner)
    }

    async fn open(&mut self, draft: &mut Draft, ix: NodeIx, question: Question, now: Time) -> Result<(), PortError> {
        let gate = Gate::open(&draft.run, &self.spec.node(ix).id, question, now);
        if draft.run.open_gate(self.spec, ix, gate.deadline, now).is_ok() {
            draft.gates.push(self.engine.runs.offload(&draft.run, gate).await?);
        }
        Ok(())
    }
}

pub(crate) fn take_in(spec: &Spec, known: &mut RunContext, run: &mut Run, finished: &Finished, now: Time) -> Result<(), TransitionError> {
    let node = spec.node(finished.ix);
    match finished.record.status {
        NodeStatus::Succeeded => {
            if let Some(value) = &finished.output {
                known.add(node, Arc::clone(value));
            }
            run.succeed(spec, finished.ix, finished.record.exit, now)
        }
        _ => run.fail(spec, finished.ix, finished.record.error.as_deref().unwrap_or("failed"), now),
    }
}
