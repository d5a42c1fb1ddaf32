//! A run with all its steps, and the flow as it was.

use std::collections::BTreeMap;

use domain::flow::{NodeId, NodeIx, NodeKind, Spec, Version};
use domain::gate::Gate;
use domain::id::RunId;
use domain::ports::{PortError, Runs};
use domain::retention::Purged;
use domain::run::{NodeState, NodeStatus, Run, RunStatus};
use domain::step::{Payload, StepRecord, idempotency_key, step_id};
use domain::time::Time;
use serde_json::{Value, json};

use super::fit::shrink;
use super::gate::{self, put_gate};
use super::payload::put_payload;
use crate::{set, under};

/// What is left out of a run that is too large, in this order.
const PARTS: [&str; 5] = ["output", "input", "decision", "votes", "response"];
/// What of a step can be asked for by itself: [`PARTS`], and what an approval asks.
pub const PARTS_OF_STEPS: [&str; 7] = ["output", "input", "decision", "votes", "response", "proposedAction", "data"];

/// `{"flow": …, "run": …}`: the run, its steps in execution order, and the flow as it was when the run began.
pub async fn run_with_steps(runs: &impl Runs, now: Time, run: &Run, version: &Version, spec: &Spec) -> Result<Value, PortError> {
    let mut records: BTreeMap<_, _> = runs.steps(run, now).await?.into_iter().map(|record| (record.node.clone(), record)).collect();
    let mut gates: BTreeMap<_, _> = runs.gates(run).await?.into_iter().map(|gate| (gate.node.clone(), gate)).collect();
    let mut begun: BTreeMap<NodeIx, Time> = BTreeMap::new();
    let mut steps = Vec::new();
    for ix in spec.order() {
        let id = &spec.node(ix).id;
        let step = Step { run, spec, ix, record: records.remove(id), gate: gates.remove(id) };
        // The clocks of two machines may disagree by more than a step took: none is shown before what led to it.
        let upstream = spec.incoming(ix).iter().filter_map(|edge| begun.get(&edge.from)).max().copied();
        if let Some(at) = step.started_at().map(|own| upstream.map_or(own, |upstream| upstream.max(own))) {
            begun.insert(ix, at);
        }
        steps.push(step);
    }
    // What has not begun comes last, in the order in which it may.
    steps.sort_by_key(|step| begun.get(&step.ix).map_or((true, None), |at| (false, Some(*at))));
    let mut view = super::run(run);
    put_payload(runs, now, &mut view, "input", &runs.input(run).await?).await?;
    match last_done(run, &steps) {
        Some(Step { gate: Some(gate), .. }) => {
            if let Some(output) = gate::output(runs, now, gate).await? {
                set(&mut view, "output", output);
            }
        }
        Some(Step { record: Some(StepRecord { output: Some(output), .. }), .. }) => {
            put_payload(runs, now, &mut view, "output", output).await?;
        }
        Some(Step { record: Some(StepRecord { purged: Some(purged), .. }), .. }) => set(&mut view, "outputPurgedAt", json!(purged.at)),
        _ => {}
    }
    let mut shown = Vec::new();
    for step in steps.iter().filter(|step| !step.id().is_internal()) {
        shown.push(step.view(runs, now).await?);
    }
    set(&mut view, "steps", Value::Array(shown));
    let flow = json!({"id": version.flow, "slug": version.slug, "name": version.name, "version": version.number, "spec": version.spec});
    let mut view = json!({"flow": flow, "run": view});
    let id = run.id.to_string();
    shrink(&mut view, "/run/steps", &PARTS, |step, part| {
        url_of_part(&id, step.get("nodeId").and_then(Value::as_str).unwrap_or_default(), part)
    });
    Ok(view)
}

/// The step that gave the output of a run that succeeded: what its flow's `output` says, or else its last step.
fn last_done<'s, 'a>(run: &Run, steps: &'s [Step<'a>]) -> Option<&'s Step<'a>> {
    let done = steps.iter().filter(|step| run.status == RunStatus::Succeeded && step.state().status == NodeStatus::Succeeded);
    done.max_by_key(|step| (step.id().is_internal(), step.completed_at()))
}

/// Where a part of a step can be fetched: a path below the address of the API, which asks for a key as every other one does.
pub(super) fn url_of_part(run: &str, node: &str, part: &str) -> String {
    let query = if part == "output" { String::new() } else { format!("?of={part}") };
    format!("/api/runs/{run}/steps/{node}/output{query}")
}

/// A part of one step, `{<part>: …}`, or `{<part>Ref: …}` if it lies in object storage; none if the step does not have it.
/// `part` is one of [`PARTS_OF_STEPS`].
pub async fn part_of_step(runs: &impl Runs, now: Time, run: &Run, spec: &Spec, ix: NodeIx, part: &str) -> Result<Option<Value>, PortError> {
    let node = &spec.node(ix).id;
    let (record, gate) = (runs.step(run, node, now).await?, runs.gate(run, node).await?);
    let mut view = Step { run, spec, ix, record, gate }.view(runs, now).await?;
    let asked = matches!(part, "proposedAction" | "data");
    let holder = if asked { view.get_mut("input") } else { Some(&mut view) };
    Ok(holder.and_then(Value::as_object_mut).and_then(|fields| {
        let reference = format!("{part}Ref");
        let found = if fields.contains_key(&reference) { reference } else { part.to_owned() };
        fields.remove(&found).map(|value| under(&found, value))
    }))
}

struct Step<'a> {
    run: &'a Run,
    spec: &'a Spec,
    ix: NodeIx,
    record: Option<StepRecord>,
    gate: Option<Gate>,
}

impl Step<'_> {
    fn state(&self) -> NodeState {
        self.run.progress.get(self.ix)
    }

    fn id(&self) -> &NodeId {
        &self.spec.node(self.ix).id
    }

    fn started_at(&self) -> Option<Time> {
        let recorded = self.record.as_ref().map(|record| record.started_at);
        recorded.or(self.gate.as_ref().map(|gate| gate.opened_at)).or(self.state().started_at)
    }

    fn completed_at(&self) -> Option<Time> {
        let recorded = self.record.as_ref().map(|record| record.completed_at);
        recorded.or(self.gate.as_ref().and_then(|gate| gate.closed_at))
    }

    fn purged(&self) -> Option<&Purged> {
        self.record.as_ref().and_then(|record| record.purged.as_deref())
    }

    async fn view(&self, runs: &impl Runs, now: Time) -> Result<Value, PortError> {
        let node = self.spec.node(self.ix);
        let state = self.state();
        let duration = self.completed_at().zip(self.started_at()).map(|(end, start)| end.millis_since(start));
        let mut view = super::without_nulls(json!({
            "id": step_id(&self.run.id, &node.id),
            "nodeId": node.id,
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
                set(&mut view, "purged", super::purged(purged));
            }
            if let Some(answer) = &record.answer {
                set(&mut view, "response", json!({"status": answer.status, "headers": answer.headers}));
            }
        }
        if let Some(gate) = &self.gate {
            put_gate(runs, now, &mut view, gate).await?;
        }
        Ok(view)
    }

    /// The key that its request carried, if it sent one.
    fn idempotency_key(&self) -> Option<String> {
        let record = self.record.as_ref().filter(|_| self.spec.node(self.ix).kind.sends_request())?;
        let gone = self.purged().and_then(|purged| purged.input.as_ref());
        let input_sha256 = record.input.as_ref().map(Payload::sha256).or_else(|| gone.map(|gone| gone.sha256.clone()))?;
        Some(idempotency_key(&self.run.root(), self.id(), &input_sha256))
    }

    fn reused_from(&self) -> Option<RunId> {
        let recorded = self.record.as_ref().and_then(|record| record.reused_from);
        recorded.or(self.gate.as_ref().and_then(|gate| gate.reused_from))
    }

    fn error(&self) -> Option<String> {
        let recorded = self.record.as_ref().and_then(|record| record.error.clone());
        let refused = self
            .gate
            .as_ref()
            .filter(|_| self.state().status == NodeStatus::Failed && matches!(self.spec.node(self.ix).kind, NodeKind::Approval(_)));
        recorded.or_else(|| refused.map(Gate::failure_message))
    }
}
