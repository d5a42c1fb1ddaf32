//! Approvals: what the reviewer is asked, the votes, and the record of the decision.

use domain::flow::{Destination, Spec};
use domain::gate::{ChangeRequest, Gate, MAX_PATCH_BYTES, Reassignment};
use domain::ports::{PortError, Runs};
use domain::run::Run;
use domain::time::Time;
use serde_json::{Value, json};

use super::fit::shrink;
use super::identity::put_identity;
use super::part::url_of_part;
use super::payload::put_payload;
use super::run::run;
use crate::json_object::set;

/// Adds what has happened to an approval while it was open.
pub(super) fn put_changes(view: &mut Value, gate: &Gate) {
    let reassignment = |reassignment: &Reassignment| {
        let by = reassignment.by.as_ref();
        let mut view = json!({
            "from": reassignment.from,
            "to": reassignment.to,
            "actor": by.map(|by| &by.id),
            "at": reassignment.at,
            "note": reassignment.note,
        });
        put_identity(&mut view, "identity", by.and_then(|by| by.identity.as_ref()));
        view
    };
    set(view, "reassignments", gate.reassignments.iter().map(reassignment).collect::<Vec<_>>().into());
    set(view, "reminders", json!(gate.reminders));
}

/// Adds what the reviewer is asked.
pub(super) async fn put_question(runs: &impl Runs, now: Time, view: &mut Value, gate: &Gate) -> Result<(), PortError> {
    set(view, "actionLabel", json!(gate.action_label));
    put_payload(runs, now, view, "proposedAction", &gate.proposed_action).await?;
    if let Some(data) = &gate.data {
        put_payload(runs, now, view, "data", data).await?;
    }
    if let Some(assignee) = &gate.assign_to {
        set(view, "assignTo", json!(assignee));
    }
    Ok(())
}

/// Adds what a gate says of its step.
pub(super) async fn put_gate(runs: &impl Runs, now: Time, view: &mut Value, gate: &Gate, spec: &Spec) -> Result<(), PortError> {
    let mut input = json!({});
    put_question(runs, now, &mut input, gate).await?;
    set(view, "approvalId", json!(gate.id));
    set(view, "input", input);
    set(view, "expiresAt", json!(gate.deadline));
    set(view, "round", json!(gate.basis.round));
    set(view, "shownSha256", json!(gate.shown_sha256(spec)));
    set(view, "votes", votes(runs, now, gate).await?.into());
    put_changes(view, gate);
    if let Some(output) = output(runs, now, gate).await? {
        set(view, "output", output);
    }
    if let Some(decision) = decision(runs, now, gate, &gate.destinations(spec)).await? {
        set(view, "decision", decision);
    }
    if let Some(changes) = &gate.changes {
        set(view, "changeRequest", change_request(changes));
    }
    Ok(())
}

/// Returns the permanent record of a request for changes.
pub(super) fn change_request(changes: &ChangeRequest) -> Value {
    let mut view = json!({
        "actor": changes.by.id,
        "at": changes.at,
        "note": changes.note,
        "draftNodeId": changes.draft.node,
        "draftRound": changes.draft.round,
    });
    put_identity(&mut view, "identity", changes.by.identity.as_ref());
    view
}

/// Returns a run that goes back to a draft, and the approval whose round a request for changes has ended: the response to
/// `request-changes`.
pub fn changes_requested(revised_run: &Run, gate: &Gate) -> Value {
    json!({
        "run": run(revised_run),
        "nodeId": gate.node,
        "approvalId": gate.id,
        "round": gate.basis.round,
        "changeRequest": gate.changes.as_ref().map(change_request),
    })
}

/// Returns what downstream nodes read, with a reference instead of a large action.
pub(super) async fn output(runs: &impl Runs, now: Time, gate: &Gate) -> Result<Option<Value>, PortError> {
    let Some(outcome) = &gate.outcome else { return Ok(None) };
    let mut view = json!({"decision": outcome.verdict, "note": outcome.note, "actor": outcome.actor});
    put_payload(runs, now, &mut view, "proposedAction", &outcome.decided_action).await?;
    Ok(Some(view))
}

/// Returns the votes. Each shows the action that it is for, or a reference to it, and the difference from the proposed action. A vote of
/// an older deployment, which did not store edited actions, has neither.
pub(super) async fn votes(runs: &impl Runs, now: Time, gate: &Gate) -> Result<Vec<Value>, PortError> {
    let action = gate.voted_action();
    let sha256 = action.sha256();
    let mut views = Vec::new();
    for vote in &gate.votes {
        let mut view = json!({"actor": vote.actor, "at": vote.at, "note": vote.note, "actionSha256": vote.action_sha256});
        put_identity(&mut view, "identity", vote.identity.as_ref());
        if !vote.groups.is_empty() {
            set(&mut view, "groups", json!(vote.groups));
        }
        if vote.action_sha256 == sha256 {
            put_payload(runs, now, &mut view, "action", action).await?;
            put_patch(&mut view, gate.voted_patch());
        }
        views.push(view);
    }
    Ok(views)
}

/// Adds a patch, or the reason why it is left out.
fn put_patch(view: &mut Value, patch: Option<Value>) {
    match patch {
        Some(patch) => set(view, "patch", patch),
        None => set(view, "patchOmitted", json!(format!("it has more than {MAX_PATCH_BYTES} bytes"))),
    }
}

/// Returns the permanent record of a decision: the actor, the time, the proposed action, the decided one, and the difference. A patch of
/// more than 100 KB is left out, and `patchOmitted` says so; it can be computed from the two actions. `destinations` is what the approval
/// lets happen, as it was shown.
pub(super) async fn decision(runs: &impl Runs, now: Time, gate: &Gate, destinations: &[Destination]) -> Result<Option<Value>, PortError> {
    let Some(outcome) = &gate.outcome else { return Ok(None) };
    let mut view = json!({
        "decision": outcome.verdict,
        "actor": outcome.actor,
        "decidedAt": outcome.decided_at,
        "note": outcome.note,
        "proposedSha256": outcome.proposed_sha256,
        "decidedSha256": outcome.decided_sha256,
        "approvalId": gate.id,
        "round": gate.basis.round,
        "shownSha256": outcome.shown_sha256,
        "destinations": destinations,
    });
    put_identity(&mut view, "identity", outcome.identity.as_ref());
    put_payload(runs, now, &mut view, "proposedAction", &gate.proposed_action).await?;
    put_payload(runs, now, &mut view, "decidedAction", &outcome.decided_action).await?;
    put_patch(&mut view, gate.patch());
    Ok(Some(view))
}

/// Returns a run and a decision about it: the response to `approve` and `reject`. The decision is null while more approvals are needed.
pub async fn decided(
    runs: &impl Runs,
    now: Time,
    decided_run: &Run,
    gate: &Gate,
    destinations: &[Destination],
) -> Result<Value, PortError> {
    let (decision, votes) = (decision(runs, now, gate, destinations).await?, votes(runs, now, gate).await?);
    Ok(json!({"run": run(decided_run), "nodeId": gate.node, "approvalId": gate.id, "votes": votes, "decision": decision}))
}

/// Replaces decisions and votes by references until several results of [`decided`] are small enough for one response.
pub fn shrink_decided(results: &mut Vec<Value>) {
    let mut rows = Value::Array(std::mem::take(results));
    shrink(&mut rows, "", &["decision", "votes"], |row, part| {
        let text = |pointer: &str| row.pointer(pointer).and_then(Value::as_str).unwrap_or_default();
        url_of_part(text("/run/id"), text("/nodeId"), part, None)
    });
    if let Value::Array(rows) = rows {
        *results = rows;
    }
}
