//! Plans what an invocation does next: a pure function from the run and the values that were loaded so far to the next thing to do.
//!
//! The [driver](crate::driver) calls [`next`] until it returns [`Next::Commit`]: each time it loads the values or records the steps that
//! the planner asks for, and calls it again. Nothing is remembered between two calls but the [`RunContext`].

use std::collections::{BTreeMap, BTreeSet};

use domain::flow::{MAX_WAIT_HOURS, Node, NodeIx, NodeKind, Spec};
use domain::gate::{EarlierDecision, Gate, Verdict};
use domain::id::EventId;
use domain::ports::PortError;
use domain::request::{Pause, Question, Request, Work};
use domain::run::{Exit, NodeStatus, Plan, Run};
use domain::step::StepRecord;
use domain::time::Time;
use serde_json::{Value, json};

use crate::attempt::StepResult;
use crate::earlier_run::{EarlierRun, no_longer_kept};
use crate::run_context::{Load, RecordedStep, RunContext, gates_before};

/// A wait of up to this length is spent inside the invocation, in milliseconds: to park costs two state entries and an invocation, which
/// is more than this much time of a small function.
const SHORT_WAIT_MILLIS: u64 = 5_000;
/// The longest time that one execution is parked, in seconds: Step Functions ends an execution after a year.
const MAX_PARK_SECONDS: u64 = MAX_WAIT_HOURS as u64 * 3600;
/// The time that a segment needs after its last request, in seconds: to record the result and to start the next segment.
const MARGIN_SECONDS: u64 = 20;

/// The number of gates that one write of a run contains at most: an item may have 400 KB, and a transaction 4 MB.
const MAX_GATES: usize = 8;

/// What the planner works on.
pub(crate) struct Situation<'a> {
    pub(crate) spec: &'a Spec,
    /// The run as it was last read or written.
    pub(crate) run: &'a Run,
    pub(crate) context: &'a RunContext,
    pub(crate) earlier: Option<&'a EarlierRun>,
    /// The nodes whose requests this invocation has sent and not yet recorded.
    pub(crate) under_way: &'a BTreeSet<NodeIx>,
    /// The name of the invocation.
    pub(crate) owner: &'a str,
    pub(crate) segment: u32,
    /// The time at which the platform ends the invocation.
    pub(crate) deadline: Time,
    pub(crate) now: Time,
}

/// What the driver does next.
#[derive(Debug)]
pub(crate) enum Next {
    /// Load these values, and plan again.
    Load(Vec<Load>),
    /// Record these steps, which send nothing, and plan again.
    Record(Vec<(NodeIx, StepRecord)>),
    /// Load the run and plan again: it has changed since it was read.
    Reload,
    /// Write the run, and send the requests after that.
    Commit(Box<Draft>),
}

/// A run as it is to be written, and what follows from the write.
#[derive(Debug)]
pub(crate) struct Draft {
    pub(crate) run: Run,
    /// Gates that open or are taken over. Their large payloads are to be offloaded first.
    pub(crate) new_gates: Vec<Gate>,
    /// Gates that have expired.
    pub(crate) expired_gates: Vec<Gate>,
    /// Gates that were escalated, or whose assignee was reminded.
    pub(crate) alarmed_gates: Vec<Gate>,
    pub(crate) requests: BTreeMap<NodeIx, Request>,
    /// The time at which the run has to be planned again, whatever arrives until then.
    pub(crate) wake_at: Option<Time>,
}

/// Returns what is next. Fails with `Corrupt` if the run can neither go on nor wait for anything.
pub(crate) fn next(situation: &Situation<'_>) -> Result<Next, PortError> {
    let draft = Draft {
        run: situation.run.clone(),
        new_gates: Vec::new(),
        expired_gates: Vec::new(),
        alarmed_gates: Vec::new(),
        requests: BTreeMap::new(),
        wake_at: None,
    };
    let mut planning =
        Planning { situation, draft, loads: BTreeSet::new(), records: Vec::new(), is_postponed: false, is_out_of_date: false };
    planning.claim();
    planning.apply_arrived();
    planning.advance_interrupted();
    if planning.has_progress_of_another() {
        return Ok(Next::Commit(Box::new(planning.hand_on())));
    }
    planning.advance_ready();
    if planning.is_out_of_date {
        return Ok(Next::Reload);
    }
    if !planning.loads.is_empty() {
        return Ok(Next::Load(planning.loads.into_iter().collect()));
    }
    if !planning.records.is_empty() {
        return Ok(Next::Record(planning.records));
    }
    planning.finish().map(|draft| Next::Commit(Box::new(draft)))
}

/// One call of the planner.
struct Planning<'a> {
    situation: &'a Situation<'a>,
    draft: Draft,
    loads: BTreeSet<Load>,
    records: Vec<(NodeIx, StepRecord)>,
    /// Whether a node is ready and there is not enough time left for it.
    is_postponed: bool,
    is_out_of_date: bool,
}

impl Planning<'_> {
    fn now(&self) -> Time {
        self.situation.now
    }

    fn node(&self, ix: NodeIx) -> &Node {
        self.situation.spec.node(ix)
    }

    /// Asks for a value unless it is loaded. Returns whether it is loaded.
    fn has(&mut self, load: Load) -> bool {
        let has = self.situation.context.has(load);
        if !has {
            self.loads.insert(load);
        }
        has
    }

    fn claim(&mut self) {
        let Situation { owner, segment, deadline, .. } = *self.situation;
        if self.draft.run.execution.owner.as_deref() != Some(owner) {
            // This cannot be refused, because the segment was compared when the run was read.
            _ = self.draft.run.claim(owner, segment);
            self.draft.run.expect_write_by(deadline);
        }
    }

    /// Applies what has come back since the run was written. The run refuses it if it has ended meanwhile; the record stays all the same.
    fn apply_arrived(&mut self) {
        let Situation { spec, context, now, .. } = *self.situation;
        for (ix, due) in &context.retries {
            _ = self.draft.run.retry_at(spec, *ix, *due, now);
        }
        for (ix, step) in &context.steps {
            // A step that sends nothing is applied when its node is ready, in the order of the flow.
            if self.draft.run.progress.get(*ix).is_under_way() {
                self.apply(*ix, step);
            }
        }
    }

    /// Applies a recorded step to the run. Returns whether the run has changed by it.
    fn apply(&mut self, ix: NodeIx, step: &RecordedStep) -> bool {
        let Situation { spec, now, .. } = *self.situation;
        let applied = match step.record.status {
            NodeStatus::Succeeded => self.draft.run.succeed(spec, ix, step.record.exit, now),
            _ => self.draft.run.fail(spec, ix, step.record.error.as_deref().unwrap_or("failed"), now),
        };
        applied.is_ok()
    }

    /// Nodes that are running, but not in this invocation: a crash or a lost answer came between the write and the request, or between
    /// the request and the write. A step that is on record is done; any other is done again, under the same Idempotency-Key.
    fn advance_interrupted(&mut self) {
        for ix in self.interrupted() {
            if self.has(Load::Step(ix)) && self.draft.run.error.is_none() {
                self.advance_node(ix);
            }
        }
    }

    fn interrupted(&self) -> Vec<NodeIx> {
        let Situation { under_way, .. } = self.situation;
        let running = self.draft.run.progress.with_status(NodeStatus::Running);
        running.filter(|ix| !under_way.contains(ix) && self.draft.run.progress.get(*ix).is_under_way()).collect()
    }

    /// Returns true if this invocation takes the run over from another one that has finished nodes and did not complete the segment. The
    /// attempts that the execution has left were meant for a segment that makes no progress, so the next segment gets new ones.
    fn has_progress_of_another(&self) -> bool {
        let Situation { run, owner, .. } = *self.situation;
        let is_taken_over = run.execution.owner.as_deref().is_some_and(|other| other != owner);
        is_taken_over && self.loads.is_empty() && !self.draft.run.has_ended() && self.draft.run.has_progressed_in_segment()
    }

    fn hand_on(mut self) -> Draft {
        self.draft.requests.clear();
        // This cannot be refused, because the run has not ended.
        _ = self.draft.run.end_segment(None, self.situation.now);
        self.draft
    }

    fn advance_ready(&mut self) {
        let Situation { spec, now, .. } = *self.situation;
        while !self.draft.run.has_ended() && self.draft.run.error.is_none() && self.needs_nothing() {
            let plan = Plan::of(&self.draft.run, spec, now);
            self.draft.wake_at = plan.wake_at;
            let mut has_advanced = false;
            let room = MAX_GATES.saturating_sub(self.gates_to_write());
            for ix in plan.overdue.iter().take(room) {
                has_advanced |= self.tend_gate(*ix);
            }
            let is_full = room == 0 && !plan.overdue.is_empty();
            if is_full || !self.draft.expired_gates.is_empty() {
                // A decision may still be faster than this write. Nothing that follows the expiry is recorded before it counts.
                self.draft.wake_at = Some(now);
                return;
            }
            for ix in plan.ready {
                if self.gates_to_write() >= MAX_GATES {
                    self.draft.wake_at = Some(now);
                    return;
                }
                if !self.draft.requests.contains_key(&ix) && self.draft.run.error.is_none() {
                    has_advanced |= self.advance_node(ix);
                }
            }
            if self.draft.new_gates.iter().any(|gate| gate.reused_from.is_some()) {
                // As with an expiry, what follows a decision is recorded after it.
                self.draft.wake_at = Some(now);
                return;
            }
            if !has_advanced {
                return;
            }
        }
    }

    fn gates_to_write(&self) -> usize {
        let Draft { new_gates, expired_gates, alarmed_gates, .. } = &self.draft;
        new_gates.len() + expired_gates.len() + alarmed_gates.len()
    }

    fn needs_nothing(&self) -> bool {
        self.loads.is_empty() && self.records.is_empty() && !self.is_out_of_date
    }

    /// Does what the clock asks for at an open gate: it expires, or it is escalated and its assignee reminded. Returns whether the gate waits
    /// for another time now.
    fn tend_gate(&mut self, ix: NodeIx) -> bool {
        if !self.has(Load::Gate(ix)) {
            return false;
        }
        let Situation { spec, context, now, .. } = *self.situation;
        let NodeKind::Approval(rules) = &spec.node(ix).kind else { return false };
        match context.gates.get(&ix) {
            Some(gate) if gate.is_open() && gate.deadline > now => {
                let mut gate = gate.clone();
                let is_alarmed = gate.escalate_and_remind(rules, now);
                if self.draft.run.postpone_gate(ix, gate.next_due(rules)).is_err() {
                    return false;
                }
                if is_alarmed {
                    self.draft.alarmed_gates.push(gate);
                }
                return true;
            }
            Some(gate) if gate.is_open() => {
                let mut gate = gate.clone();
                gate.expire(now);
                if self.draft.run.decide(spec, ix, Verdict::Expired, &gate.failure_message(), now).is_ok() {
                    self.draft.expired_gates.push(gate);
                }
            }
            // It was decided since the run was read.
            _ => self.is_out_of_date = true,
        }
        false
    }

    /// Advances a node that is ready. Returns whether the run has advanced by it; if not, it waits for a value, a record, or an answer.
    fn advance_node(&mut self, ix: NodeIx) -> bool {
        if let Some(step) = self.situation.context.steps.get(&ix) {
            return self.apply(ix, step);
        }
        // Whether the decision of an approval is taken over is known once it is known what a reviewer would be shown.
        let is_step = !matches!(self.node(ix).kind, NodeKind::Approval(_));
        if let Some(earlier) = self.situation.earlier.filter(|earlier| is_step && earlier.reuses(&self.draft.run, self.situation.spec, ix))
        {
            match self.rests_on_the_same_decisions(ix) {
                None => return false,
                Some(true) => return self.take_over_step(earlier, ix),
                Some(false) => {}
            }
        }
        let Situation { spec, context, now, .. } = *self.situation;
        let mut missing = context.missing_for(spec, &self.draft.run, ix);
        missing.extend(self.decisions_before(ix).filter(|load| !context.has(*load)));
        if !missing.is_empty() {
            self.loads.extend(missing);
            return false;
        }
        let node = spec.node(ix);
        if matches!(node.kind, NodeKind::Approval(_)) && !self.has(Load::BaseUrls(ix)) {
            return false;
        }
        let result = match node.prepare(&context.template_context(&self.draft.run)) {
            Ok(Work::Request(request)) => match context.in_its_round(ix, request) {
                Ok(request) => {
                    self.plan_request(ix, request);
                    return false;
                }
                Err(gone) => StepResult { input: Value::Null, output: Err(gone), answer: None },
            },
            Ok(Work::Ask(question)) => return self.ask(ix, question),
            Ok(Work::Pause(pause)) => {
                let due = match pause {
                    // A node that waits already keeps the time that it began with.
                    Pause::Seconds(seconds) => self.draft.run.progress.get(ix).due.unwrap_or(now.plus_seconds(seconds)),
                    // Not the time on record: earlier versions recorded one that was too early if the wait was longer than one execution.
                    Pause::Until(at) => at,
                };
                if due > now {
                    return self.draft.run.pause(spec, ix, due, now).is_ok();
                }
                StepResult { input: json!({"until": due}), output: Ok((json!({"resumedAt": now}), Exit::Normal)), answer: None }
            }
            Ok(Work::Emit { event, data }) => {
                // The event id follows from the step, so that an event that is recorded twice is the same event.
                let id = EventId::derived(&self.draft.run.id, &self.draft.run.step_key(&node.id).to_string(), self.draft.run.started_at);
                StepResult { input: json!({"event": event, "data": data}), output: Ok((json!(id), Exit::Normal)), answer: None }
            }
            Ok(Work::Done { input, output, exit }) => StepResult { input, output: Ok((output, exit)), answer: None },
            Err(unprepared) => StepResult { input: Value::Null, output: Err(unprepared.to_string()), answer: None },
        };
        self.records.push((ix, result.into_record(&self.draft.run, ix, node, now)));
        false
    }

    /// Plans a request, unless the invocation has too little time left for it. An invocation that has done nothing yet always sends its
    /// request: the next one would have no more time.
    fn plan_request(&mut self, ix: NodeIx, request: Request) {
        let Situation { run, under_way, owner, deadline, now, .. } = *self.situation;
        let needed = u64::from(self.node(ix).timeout_seconds) + MARGIN_SECONDS;
        let is_fresh = under_way.is_empty() && run.execution.owner.as_deref() != Some(owner);
        if now.plus_seconds(needed) > deadline && !is_fresh {
            self.is_postponed = true;
        } else {
            self.draft.requests.insert(ix, request);
        }
    }

    /// Returns the decisions that a node that calls services needs: the approvals before it say which destinations they cover.
    fn decisions_before(&self, ix: NodeIx) -> impl Iterator<Item = Load> + use<> {
        let (spec, run) = (self.situation.spec, &self.draft.run);
        let calls = !spec.node(ix).kind.services().is_empty();
        let decided = |gate: &NodeIx| run.progress.get(*gate).status == NodeStatus::Succeeded;
        let gates: Vec<NodeIx> = if calls { gates_before(spec, ix).filter(decided).collect() } else { Vec::new() };
        gates.into_iter().map(Load::Decided)
    }

    /// Opens a gate, or takes over the decision of the earlier run if a reviewer would be shown the same. Returns whether the run has
    /// advanced by it; if not, it waits for a value.
    fn ask(&mut self, ix: NodeIx, question: Question) -> bool {
        let Situation { spec, context, earlier, now, .. } = *self.situation;
        let NodeKind::Approval(rules) = &spec.node(ix).kind else { return false };
        let base_urls = context.base_urls.get(&ix).cloned().unwrap_or_default();
        let mut gate = Gate::open(&self.draft.run, spec, ix, question, base_urls, now);
        if let Some(earlier) = earlier.filter(|earlier| earlier.has_decision(&spec.node(ix).id)) {
            if !self.has(Load::EarlierGate(ix)) {
                return false;
            }
            if let Some(decided) = context.earlier_gates.get(&ix) {
                let changed = earlier.changes(spec, ix, &gate, decided);
                if changed.is_empty() && earlier.lets_take_over(spec, ix) {
                    return self.take_over_gate(earlier, ix, &gate, decided.clone());
                }
                gate.basis.earlier = Some(EarlierDecision { run: earlier.run.id, changed });
            }
        }
        let due = gate.next_due(rules);
        if self.draft.run.open_gate(spec, ix, due, now).is_ok() {
            self.draft.new_gates.push(gate);
        }
        true
    }

    /// Takes a decided gate over from the earlier run. `opened` is the gate that would be opened otherwise.
    fn take_over_gate(&mut self, earlier: &EarlierRun, ix: NodeIx, opened: &Gate, decided: Gate) -> bool {
        let Situation { spec, now, .. } = *self.situation;
        let exit = earlier.exit_of(&spec.node(ix).id);
        if self.draft.run.take_over_gate(spec, ix, exit, now).is_ok() {
            let mut gate = decided.taken_over_by(&self.draft.run, ix);
            gate.basis.base_urls.clone_from(&opened.basis.base_urls);
            self.draft.new_gates.push(gate);
        }
        true
    }

    /// Returns whether the approvals before a step of the earlier run were decided as they are now, so that its record can be taken over:
    /// decisions that were taken over, and those that were asked anew and decided the same. None: a decision is not loaded yet.
    fn rests_on_the_same_decisions(&mut self, ix: NodeIx) -> Option<bool> {
        let Situation { spec, context, .. } = *self.situation;
        let mut is_same = true;
        let gates: Vec<NodeIx> = gates_before(spec, ix).collect();
        for gate in gates {
            if self.draft.run.progress.get(gate).status != NodeStatus::Succeeded {
                continue;
            }
            if !self.has(Load::Decided(gate)) {
                return None;
            }
            let Some(now) = context.decided(gate).filter(|decided| !decided.is_taken_over) else { continue };
            if !self.has(Load::EarlierGate(gate)) {
                return None;
            }
            let then = context.earlier_gates.get(&gate).and_then(|gate| gate.outcome.as_ref());
            is_same &= then.is_some_and(|then| then.verdict == now.verdict && then.decided_sha256 == now.decided_sha256);
        }
        Some(is_same)
    }

    /// Takes the record of a step over from the earlier run.
    fn take_over_step(&mut self, earlier: &EarlierRun, ix: NodeIx) -> bool {
        if !self.has(Load::EarlierStep(ix)) {
            return false;
        }
        let Situation { spec, context, now, .. } = *self.situation;
        let run = &mut self.draft.run;
        let Some(record) = context.earlier_steps.get(&ix).filter(|record| record.purged.is_none()) else {
            // Doing the step again would repeat an effect that has succeeded.
            let cause = no_longer_kept(&spec.node(ix).id, &earlier.run.id);
            return run.abandon(run.execution.segment, &cause, now).is_ok();
        };
        let reused_from = record.reused_from.or(Some(earlier.run.id));
        self.records.push((ix, StepRecord { run: run.id, round: run.round_of(&record.node), reused_from, ..record.clone() }));
        false
    }

    /// Completes the draft: starts the planned requests, and ends the segment if nothing is under way.
    fn finish(mut self) -> Result<Draft, PortError> {
        let Situation { spec, now, under_way, .. } = *self.situation;
        let run = &mut self.draft.run;
        if run.error.is_none() {
            self.draft.requests.retain(|ix, _| run.start(spec, *ix, now).is_ok());
        } else {
            // An error is ending the run: nothing more starts, and what a crash has interrupted is not sent again.
            self.draft.requests.clear();
            for ix in self.interrupted() {
                let message = "interrupted while the run was failing; it is not known whether it took effect";
                _ = self.draft.run.fail(spec, ix, message, now);
            }
        }
        if under_way.is_empty() && self.draft.requests.is_empty() && !self.draft.run.has_ended() {
            self.end_segment()?;
        }
        Ok(self.draft)
    }

    /// Ends the segment, unless the run only has to wait for a short time. A wait that is longer than an execution may last is parked
    /// again by the next segment.
    fn end_segment(&mut self) -> Result<(), PortError> {
        let (now, run) = (self.now(), &mut self.draft.run);
        // None of these can be refused, because the run has not ended.
        _ = match self.draft.wake_at {
            _ if self.is_postponed => run.end_segment(None, now),
            Some(at) if can_sleep_until(self.situation, at) => Ok(()),
            // What is due already is no pause: the next segment goes on at once.
            Some(at) => run.end_segment(Some(at.min(now.plus_seconds(MAX_PARK_SECONDS))).filter(|at| *at > now), now),
            None => return Err(PortError::Corrupt(format!("{} has nothing to do and nothing to wait for", run.id))),
        };
        Ok(())
    }
}

fn can_sleep_until(situation: &Situation<'_>, at: Time) -> bool {
    at.millis_since(situation.now) <= SHORT_WAIT_MILLIS && at.plus_seconds(MARGIN_SECONDS) < situation.deadline
}
