//! One step of a run.

use domain::flow::{NodeId, NodeIx, NodeKind, Spec};
use domain::gate::Gate;
use domain::id::RunId;
use domain::ports::{PortError, Runs};
use domain::retention::Purged;
use domain::run::{NodeState, NodeStatus, Run};
use domain::step::{Payload, StepKey, StepRecord, idempotency_key, step_id};
use domain::time::Time;
use serde_json::{Value, json};

use super::gate::put_gate;
use super::payload::put_payload;
use super::retention;
use crate::json_object::{set, without_nulls};
use crate::named;

/// Returns a part of one step as `{<part>: …}`, or as `{<part>Ref: …}` if it is in object storage. Returns nothing if the step does not
/// have the part. `part` is one of [`PARTS_OF_STEPS`](super::PARTS_OF_STEPS).
///
/// `round` is the round of the step; none means the one that its node is in.
pub async fn part_of_step(
    runs: &impl Runs,
    now: Time,
    run: &Run,
    spec: &Spec,
    ix: NodeIx,
    round: Option<u32>,
    part: &str,
) -> Result<Option<Value>, PortError> {
    let node = &spec.node(ix).id;
    let key = round.map_or_else(|| run.step_key(node), |round| StepKey::new(node, round));
    let (record, gate) = (runs.step_in_round(run, &key, now).await?, runs.gate_in_round(run, &key).await?);
    if let (Some(gate), "destinations") = (&gate, part) {
        return Ok(Some(named(part, json!(gate.destinations(spec)))));
    }
    if let (NodeKind::Approval(rules), "overrideSchema") = (&spec.node(ix).kind, part) {
        return Ok(rules.override_schema.clone().map(|schema| named(part, schema)));
    }
    let mut view = Step { run, spec, ix, round: key.round, record, gate }.view(runs, now).await?;
    let asked = matches!(part, "proposedAction" | "data");
    let holder = if asked { view.get_mut("input") } else { Some(&mut view) };
    Ok(holder.and_then(Value::as_object_mut).and_then(|fields| {
        let reference = format!("{part}Ref");
        let found = if fields.contains_key(&reference) { reference } else { part.to_owned() };
        fields.remove(&found).map(|value| named(&found, value))
    }))
}

/// A step and everything that is stored of it.
pub(super) struct Step<'a> {
    pub(super) run: &'a Run,
    pub(super) spec: &'a Spec,
    pub(super) ix: NodeIx,
    pub(super) round: u32,
    pub(super) record: Option<StepRecord>,
    pub(super) gate: Option<Gate>,
}

impl Step<'_> {
    /// Returns the state of the step. In an earlier round than the one that its node is in, it is what is on record.
    pub(super) fn state(&self) -> NodeState {
        let state = self.run.progress.get(self.ix);
        if self.is_current() { state } else { self.state_on_record() }
    }

    /// Returns whether the step is in the round that its node is in.
    pub(super) fn is_current(&self) -> bool {
        self.round == self.run.round_of(self.id())
    }

    fn state_on_record(&self) -> NodeState {
        let attempts = self.record.as_ref().map(|record| record.attempts).or(self.gate.as_ref().map(|_| 1)).unwrap_or(0);
        let status = match (&self.record, &self.gate) {
            (Some(record), _) => record.status,
            // A rejected or expired gate was left by a route: otherwise the run would have ended in this round.
            (None, Some(gate)) if gate.outcome.is_some() => NodeStatus::Succeeded,
            // Changes were requested at the gate, or it was not decided.
            (None, Some(_)) => NodeStatus::Cancelled,
            (None, None) => NodeStatus::Skipped,
        };
        NodeState { status, attempts, ..NodeState::PENDING }
    }

    fn key(&self) -> StepKey {
        StepKey::new(self.id(), self.round)
    }

    pub(super) fn id(&self) -> &NodeId {
        &self.spec.node(self.ix).id
    }

    pub(super) fn started_at(&self) -> Option<Time> {
        let recorded = self.record.as_ref().map(|record| record.started_at);
        recorded.or(self.gate.as_ref().map(|gate| gate.opened_at)).or(self.state().started_at)
    }

    pub(super) fn completed_at(&self) -> Option<Time> {
        let recorded = self.record.as_ref().map(|record| record.completed_at);
        recorded.or(self.gate.as_ref().and_then(|gate| gate.closed_at))
    }

    fn purged(&self) -> Option<&Purged> {
        self.record.as_ref().and_then(|record| record.purged.as_deref())
    }

    /// Returns the step as callers see it.
    pub(super) async fn view(&self, runs: &impl Runs, now: Time) -> Result<Value, PortError> {
        let node = self.spec.node(self.ix);
        let state = self.state();
        let duration = self.completed_at().zip(self.started_at()).map(|(end, start)| end.millis_since(start));
        let mut view = without_nulls(json!({
            "id": step_id(&self.run.id, &self.key()),
            "nodeId": node.id,
            "round": Some(self.round).filter(|round| *round > 1 || !self.is_current() || self.gate.is_some()),
            "type": node.kind.name(),
            "status": state.status,
            "attempts": self.record.as_ref().map_or(state.attempts, |record| record.attempts.max(state.attempts)),
            "startedAt": self.started_at(),
            "completedAt": self.completed_at(),
            "durationMs": duration,
            "dueAt": state.due.filter(|_| state.status == NodeStatus::Running),
            "error": self.error(),
            "idempotencyKey": self.idempotency_key(),
            "reusedFrom": self.reused_from(),
        }));
        if let Some(record) = &self.record {
            for (name, payload) in [("input", &record.input), ("output", &record.output)] {
                if let Some(payload) = payload {
                    put_payload(runs, now, &mut view, name, payload).await?;
                }
            }
            if let Some(purged) = self.purged() {
                set(&mut view, "outputPurgedAt", json!(purged.at));
                set(&mut view, "purged", retention::purged(purged));
            }
            if let Some(answer) = &record.answer {
                set(&mut view, "response", json!({"status": answer.status, "headers": answer.headers}));
            }
        }
        if let Some(gate) = &self.gate {
            put_gate(runs, now, &mut view, gate, self.spec).await?;
        }
        Ok(view)
    }

    /// Returns the Idempotency-Key that the step sent, if it sends requests.
    fn idempotency_key(&self) -> Option<String> {
        let record = self.record.as_ref().filter(|_| self.spec.node(self.ix).kind.sends_request())?;
        let gone_input = self.purged().and_then(|purged| purged.input.as_ref());
        let input_sha256 = record.input.as_ref().map(Payload::sha256).or_else(|| gone_input.map(|gone| gone.sha256.clone()))?;
        Some(idempotency_key(&self.run.root(), &self.key(), &input_sha256))
    }

    fn reused_from(&self) -> Option<RunId> {
        let recorded = self.record.as_ref().and_then(|record| record.reused_from);
        recorded.or(self.gate.as_ref().and_then(|gate| gate.reused_from))
    }

    fn error(&self) -> Option<String> {
        let recorded = self.record.as_ref().and_then(|record| record.error.clone());
        let failed_gate = self
            .gate
            .as_ref()
            .filter(|_| self.state().status == NodeStatus::Failed && matches!(self.spec.node(self.ix).kind, NodeKind::Approval(_)));
        recorded.or_else(|| failed_gate.map(Gate::failure_message))
    }
}
