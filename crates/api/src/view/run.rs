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
use serde_json::{Map, Value, json};

use crate::set;

/// A signed URL of a large payload is good for 15 minutes.
const SIGNED_SECONDS: u64 = 15 * 60;

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
    if let Some(last) = last(run, &steps) {
        if let Some(output) = last.output() {
            put_payload(runs, now, &mut view, "output", &output).await?;
        }
        if let Some(purged) = last.purged() {
            set(&mut view, "outputPurgedAt", json!(purged.at));
        }
    }
    let mut shown = Vec::new();
    for step in steps.iter().filter(|step| !step.id().is_internal()) {
        shown.push(step.view(runs, now).await?);
    }
    set(&mut view, "steps", Value::Array(shown));
    let flow = json!({"id": version.flow, "slug": version.slug, "name": version.name, "version": version.number, "spec": version.spec});
    Ok(json!({"flow": flow, "run": view}))
}

/// The step that a run that succeeded has its output from: the one that makes what the flow's `output` says, or else the last.
fn last<'s>(run: &Run, steps: &'s [Step<'_>]) -> Option<&'s Step<'s>> {
    let done = steps.iter().filter(|step| run.status == RunStatus::Succeeded && step.state().status == NodeStatus::Succeeded);
    done.max_by_key(|step| (step.id().is_internal(), step.completed_at()))
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

    fn output(&self) -> Option<Payload> {
        let recorded = self.record.as_ref().and_then(|record| record.output.clone());
        recorded.or(self.gate.as_ref().and_then(Gate::output).map(Payload::of))
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
            add(&mut view, gate_fields(gate));
        }
        Ok(view)
    }

    /// The key that its request carried, if it sent one.
    fn idempotency_key(&self) -> Option<String> {
        let sends = matches!(self.spec.node(self.ix).kind, NodeKind::Llm(_) | NodeKind::Service(_) | NodeKind::Http(_) | NodeKind::Sink(_));
        let record = self.record.as_ref().filter(|_| sends)?;
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

fn gate_fields(gate: &Gate) -> Value {
    let asked =
        json!({"actionLabel": gate.action_label, "proposedAction": gate.proposed_action, "data": gate.data, "assignTo": gate.assign_to});
    json!({
        "approvalId": gate.id,
        "input": super::without_nulls(asked),
        "output": gate.output(),
        "expiresAt": gate.deadline,
        "votes": super::votes(gate),
        "decision": super::decision(gate),
    })
}

fn add(view: &mut Value, more: Value) {
    let fields = view.as_object_mut();
    if let (Some(fields), Value::Object(more)) = (fields, super::without_nulls(more)) {
        fields.extend::<Map<_, _>>(more);
    }
}

/// A payload under its name, or, if it lies beside the record, where to fetch it, under `<name>Ref`.
async fn put_payload(runs: &impl Runs, now: Time, view: &mut Value, name: &str, payload: &Payload) -> Result<(), PortError> {
    match payload {
        Payload::Inline(value) => set(view, name, Value::clone(value)),
        Payload::Stored(object) => {
            let url = runs.sign(object, SIGNED_SECONDS).await?;
            let expires_at = now.plus_seconds(SIGNED_SECONDS);
            let place = json!({"url": url, "bytes": object.bytes, "sha256": object.sha256, "expiresAt": expires_at});
            set(view, format!("{name}Ref"), place);
        }
    }
    Ok(())
}
