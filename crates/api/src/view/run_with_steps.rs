//! A run with all its steps, and the flow as it was.

use std::collections::BTreeMap;

use domain::flow::{FlowLabel, NodeIx, Spec, Version};
use domain::ports::{PortError, Runs};
use domain::run::{NodeStatus, Run, RunStatus};
use domain::step::StepRecord;
use domain::time::Time;
use serde_json::{Value, json};

use super::fit::shrink;
use super::gate;
use super::identity::put_identity;
use super::part::{OMITTED_PARTS, url_of_part};
use super::payload::put_payload;
use super::rounds::{earlier_rounds, shrink_rounds, views};
use super::step::Step;
use crate::json_object::{set, without_nulls};

/// Returns `{"flow": …, "run": …}`: the run with its steps in execution order, and the flow as it was when the run began.
pub async fn run_with_steps(runs: &impl Runs, now: Time, run: &Run, version: &Version, spec: &Spec) -> Result<Value, PortError> {
    let mut records: BTreeMap<_, _> = runs.steps(run, now).await?.into_iter().map(|record| (record.key(), record)).collect();
    let mut gates: BTreeMap<_, _> = runs.gates(run).await?.into_iter().map(|gate| (gate.key(), gate)).collect();
    let mut begun: BTreeMap<NodeIx, Time> = BTreeMap::new();
    let mut steps = Vec::new();
    for ix in spec.order() {
        let id = &spec.node(ix).id;
        let key = run.step_key(id);
        let step = Step { run, spec, ix, round: key.round, record: records.remove(&key), gate: gates.remove(&key) };
        // The clocks of two machines may differ by more than a step took: no step is shown before those that led to it.
        let upstream = spec.incoming(ix).iter().filter_map(|edge| begun.get(&edge.from)).max().copied();
        if let Some(at) = step.started_at().map(|own| upstream.map_or(own, |upstream| upstream.max(own))) {
            begun.insert(ix, at);
        }
        steps.push(step);
    }
    // Steps that have not begun come last, in the order in which they may begin.
    steps.sort_by_key(|step| begun.get(&step.ix).map_or((true, None), |at| (false, Some(*at))));
    let mut view = super::run::run(run);
    let origin = runs.origin(run).await?;
    put_identity(&mut view, "startedByIdentity", origin.starter_identity.as_ref());
    put_payload(runs, now, &mut view, "input", &origin.input).await?;
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
        let mut view = step.view(runs, now).await?;
        let earlier = earlier_rounds(step, &mut records, &mut gates);
        if !earlier.is_empty() {
            set(&mut view, "rounds", Value::Array(views(runs, now, &earlier).await?));
        }
        shown.push(view);
    }
    set(&mut view, "steps", Value::Array(shown));
    let mut view = json!({"flow": flow_of_run(version, origin.flow_label), "run": view});
    let id = run.id.to_string();
    let url = |step: &Value, part: &str, round: Option<u64>| {
        url_of_part(&id, step.get("nodeId").and_then(Value::as_str).unwrap_or_default(), part, round)
    };
    let round = |step: &Value| step.get("round").and_then(Value::as_u64);
    shrink_rounds(&mut view, |step, part| url(step, part, round(step)));
    shrink(&mut view, "/run/steps", &OMITTED_PARTS, |step, part| url(step, part, round(step).filter(|round| *round > 1)));
    Ok(view)
}

/// Returns the flow as it was when the run began. The name of an old run, which was stored without one, is that of the version.
fn flow_of_run(version: &Version, label: Option<FlowLabel>) -> Value {
    let (name, description) = label.map_or_else(|| (version.name.clone(), None), |label| (label.name, Some(label.description)));
    without_nulls(json!({
        "id": version.flow,
        "slug": version.slug,
        "name": name,
        "description": description,
        "version": version.number,
        "versionCreatedBy": version.created_by.as_ref().map(|actor| &actor.id),
        "versionCreatedByIdentity": version.created_by.as_ref().and_then(|actor| actor.identity.as_ref()),
        "spec": version.spec,
    }))
}

/// Returns the step whose output is the output of a run that succeeded: the flow's `output`, or else the last step. A flow whose `output`
/// could not be made has none.
fn last_done<'s, 'a>(run: &Run, steps: &'s [Step<'a>]) -> Option<&'s Step<'a>> {
    let has_output = steps.iter().any(|step| step.id().is_internal());
    let done = steps.iter().filter(|step| run.status == RunStatus::Succeeded && step.state().status == NodeStatus::Succeeded);
    done.filter(|step| step.id().is_internal() == has_output).max_by_key(|step| step.completed_at())
}
