//! The earlier rounds of a step, which were done before a reviewer requested changes.

use std::collections::BTreeMap;

use domain::gate::Gate;
use domain::ports::{PortError, Runs, gates_in_all_rounds};
use domain::run::Run;
use domain::step::{StepKey, StepRecord};
use domain::time::Time;
use serde_json::{Value, json};

use super::fit::shrink;
use super::identity::put_identity;
use super::part::OMITTED_PARTS;
use super::payload::put_payload;
use super::step::Step;
use crate::json_object::set;

/// Where the steps of a run are.
const STEPS: &str = "/run/steps";
/// The field of a step that has its earlier rounds.
const ROUNDS: &str = "rounds";

/// Returns a step as it was in each of the rounds before the one that its node is in, the first round first. Rounds of which this run has
/// no record, because the node was skipped or the run began in a later round, are left out.
pub(super) fn earlier_rounds<'a>(
    step: &Step<'a>,
    records: &mut BTreeMap<StepKey, StepRecord>,
    gates: &mut BTreeMap<StepKey, Gate>,
) -> Vec<Step<'a>> {
    let keys = (1..step.round).map(|round| StepKey::new(step.id(), round));
    let rounds = keys.map(|key| (records.remove(&key), gates.remove(&key), key.round));
    let done = rounds.filter(|(record, gate, _)| record.is_some() || gate.is_some());
    done.map(|(record, gate, round)| Step { run: step.run, spec: step.spec, ix: step.ix, round, record, gate }).collect()
}

/// Returns steps as callers see them.
pub(super) async fn views(runs: &impl Runs, now: Time, steps: &[Step<'_>]) -> Result<Vec<Value>, PortError> {
    let mut views = Vec::new();
    for step in steps {
        views.push(step.view(runs, now).await?);
    }
    Ok(views)
}

/// Replaces parts of earlier rounds by references until the run is small enough. They go before anything of the current rounds does.
pub(super) fn shrink_rounds(view: &mut Value, url: impl Fn(&Value, &str) -> String) {
    // For one pass over all of them they are put into one array, which is as large as they are where they belong.
    let mut counts = Vec::new();
    let mut all = Vec::new();
    for step in view.pointer_mut(STEPS).and_then(Value::as_array_mut).into_iter().flatten() {
        let rounds = step.get_mut(ROUNDS).and_then(Value::as_array_mut).map(std::mem::take).unwrap_or_default();
        counts.push(rounds.len());
        all.extend(rounds);
    }
    if all.is_empty() {
        return;
    }
    set(view, ROUNDS, Value::Array(all));
    shrink(view, "/rounds", &OMITTED_PARTS, url);
    let all = view.as_object_mut().and_then(|view| view.remove(ROUNDS));
    let mut all = all.and_then(|all| if let Value::Array(all) = all { Some(all) } else { None }).unwrap_or_default().into_iter();
    let steps = view.pointer_mut(STEPS).and_then(Value::as_array_mut).into_iter().flatten();
    for (step, count) in steps.zip(counts).filter(|(_, count)| *count > 0) {
        set(step, ROUNDS, Value::Array(all.by_ref().take(count).collect()));
    }
}

/// Returns the rounds of an approval before this one, the first round first: what was proposed, and which changes were requested. A retry
/// that has begun in a later round shows those of the runs before it, too.
pub async fn earlier_rounds_of(runs: &impl Runs, now: Time, run: &Run, gate: &Gate) -> Result<Vec<Value>, PortError> {
    let mut gates: Vec<Gate> = gates_in_all_rounds(runs, run).await?;
    gates.retain(|earlier| earlier.node == gate.node && earlier.basis.round < gate.basis.round);
    gates.sort_by_key(|gate| gate.basis.round);
    let mut views = Vec::new();
    for gate in &gates {
        let mut view = json!({"round": gate.basis.round, "approvalId": gate.id, "openedAt": gate.opened_at});
        put_payload(runs, now, &mut view, "proposedAction", &gate.proposed_action).await?;
        if let Some(changes) = &gate.changes {
            for (field, value) in [("note", json!(changes.note)), ("actor", json!(changes.by.id)), ("at", json!(changes.at))] {
                set(&mut view, field, value);
            }
            put_identity(&mut view, "identity", changes.by.identity.as_ref());
        }
        views.push(view);
    }
    Ok(views)
}
