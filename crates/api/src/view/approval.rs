//! Approvals as a reviewer sees them: everything that counts for the decision.

use std::collections::BTreeSet;

use domain::access::{Actor, Scope};
use domain::flow::{Approval, NodeKind, Spec, Version};
use domain::gate::{CannotDecide, Gate};
use domain::ports::{PortError, Runs};
use domain::run::Run;
use domain::time::Time;
use serde_json::{Value, json};

use super::fit::shrink;
use super::gate::{change_request, decision, put_changes, put_question, votes};
use super::part::url_of_part;
use super::payload::put_payload;
use super::rounds::earlier_rounds_of;
use crate::ApiRequest;
use crate::json_object::{set, without_nulls};

/// The parts of an approval that are left out of an answer that is too large, in this order. Each can be fetched as a part of its step.
const OMITTED_PARTS: [&str; 5] = ["data", "proposedAction", "votes", "destinations", "overrideSchema"];

/// An approval, with what belongs to it.
#[derive(Debug, Clone, Copy)]
pub struct ShownApproval<'a> {
    /// The approval.
    pub gate: &'a Gate,
    /// The version of the flow that its run executes.
    pub version: &'a Version,
    /// The spec of that version.
    pub spec: &'a Spec,
    /// The actors whom `requireDifferentActor` shuts out.
    pub barred: &'a BTreeSet<String>,
}

/// Who looks at an approval.
#[derive(Debug, Clone, Copy)]
pub struct Viewer<'a> {
    /// The actor.
    pub actor: &'a Actor,
    /// The scope that the caller lacks to decide approvals, if it lacks one.
    pub missing_scope: Option<Scope>,
}

impl<'a> Viewer<'a> {
    /// Returns the caller of a request.
    pub fn of(request: &'a ApiRequest) -> Self {
        let scope = Scope::ApprovalsDecide;
        Self { actor: &request.caller.actor, missing_scope: (!request.caller.allows(scope)).then_some(scope) }
    }
}

/// Returns approvals as rows of an inbox. Large actions are references, and so is whatever would make the page too large.
pub async fn approvals(runs: &impl Runs, now: Time, viewer: Viewer<'_>, shown: &[ShownApproval<'_>]) -> Result<Vec<Value>, PortError> {
    let mut rows = Vec::new();
    for approval in shown {
        rows.push(row(runs, now, viewer, *approval).await?);
    }
    Ok(shrunk(rows))
}

/// Returns one approval with the record of its decision, and its earlier rounds. Large actions are references.
pub async fn approval(runs: &impl Runs, now: Time, viewer: Viewer<'_>, run: &Run, shown: ShownApproval<'_>) -> Result<Value, PortError> {
    let mut view = row(runs, now, viewer, shown).await?;
    if let Some(decision) = decision(runs, now, shown.gate, &shown.gate.destinations(shown.spec)).await? {
        set(&mut view, "decision", decision);
    }
    if let Some(changes) = &shown.gate.changes {
        set(&mut view, "changeRequest", change_request(changes));
    }
    if shown.gate.basis.round > 1 {
        set(&mut view, "earlierRounds", Value::Array(earlier_rounds_of(runs, now, run, shown.gate).await?));
    }
    Ok(shrunk(vec![view]).pop().unwrap_or_default())
}

fn shrunk(rows: Vec<Value>) -> Vec<Value> {
    let mut rows = Value::Array(rows);
    shrink(&mut rows, "", &OMITTED_PARTS, |row, part| {
        let text = |name: &str| row.get(name).and_then(Value::as_str).unwrap_or_default();
        url_of_part(text("runId"), text("nodeId"), part, row.get("round").and_then(Value::as_u64).filter(|round| *round > 1))
    });
    match rows {
        Value::Array(rows) => rows,
        other => vec![other],
    }
}

async fn row(runs: &impl Runs, now: Time, viewer: Viewer<'_>, shown: ShownApproval<'_>) -> Result<Value, PortError> {
    let ShownApproval { gate, version, spec, .. } = shown;
    let refusal = refusal(now, viewer, shown);
    let mut view = json!({
        "id": gate.id,
        "runId": gate.run,
        "nodeId": gate.node,
        "flowId": gate.flow,
        "flow": {"id": gate.flow, "slug": version.slug, "name": version.name, "version": version.number},
        "status": status(gate),
        "openedAt": gate.opened_at,
        "expiresAt": gate.deadline,
        "round": gate.basis.round,
        "proposedSha256": gate.proposed_action.sha256(),
        "canRequestChanges": may_be_revised(gate, spec) && !bars_requests(refusal.as_ref()),
        "canDecide": refusal.is_none(),
        "cannotDecideBecause": refusal,
        "votes": votes(runs, now, gate).await?,
        "destinations": gate.destinations(spec),
        "shownSha256": gate.shown_sha256(spec),
    });
    put_question(runs, now, &mut view, gate).await?;
    if let Some(NodeKind::Approval(rules)) = spec.position(&gate.node).map(|ix| &spec.node(ix).kind) {
        put_rules(&mut view, rules);
    }
    put_changes(&mut view, gate);
    if let Some(earlier) = earlier_decision(runs, now, gate).await? {
        set(&mut view, "earlierDecision", earlier);
    }
    Ok(view)
}

/// Adds the rules by which the approval is decided.
fn put_rules(view: &mut Value, rules: &Approval) {
    let rules = without_nulls(json!({
        "overrideSchema": rules.override_schema,
        "allowedEdits": rules.allowed_edits,
        "requireDifferentActor": rules.require_different_actor,
        "requiredApprovals": rules.required_approvals,
        "maxRounds": rules.revise.as_ref().map(|revise| revise.max_rounds),
    }));
    if let Value::Object(rules) = rules {
        for (name, rule) in rules {
            set(view, name, rule);
        }
    }
}

/// Returns whether changes can be requested at an approval by whoever may decide it: it is open, and in a round before its last.
fn may_be_revised(gate: &Gate, spec: &Spec) -> bool {
    let Some(ix) = spec.position(&gate.node).filter(|_| gate.is_open()) else { return false };
    let NodeKind::Approval(rules) = &spec.node(ix).kind else { return false };
    spec.revision(ix).is_some() && rules.revise.as_ref().is_some_and(|revise| gate.basis.round < revise.max_rounds)
}

/// Returns whether a refusal to decide is one to request changes, too. Whoever has approved may still do that.
fn bars_requests(refusal: Option<&Value>) -> bool {
    refusal.is_some_and(|refusal| refusal.get("code").is_none_or(|code| code != CannotDecide::AlreadyVoted.code()))
}

fn status(gate: &Gate) -> &'static str {
    match &gate.outcome {
        Some(outcome) => outcome.verdict.as_str(),
        None if gate.is_open() => "open",
        None => "closed",
    }
}

/// Returns why the viewer cannot decide the approval now; none if they can.
fn refusal(now: Time, viewer: Viewer<'_>, shown: ShownApproval<'_>) -> Option<Value> {
    let refusal = shown.gate.cannot_decide(shown.barred, viewer.actor, now);
    let missing = viewer.missing_scope.map(|scope| json!({"code": "missing_scope", "message": format!("missing scope: {scope}")}));
    missing.or_else(|| refusal.map(|refusal| json!({"code": refusal.code(), "message": refusal.to_string()})))
}

/// Returns the decision of the earlier run that was not taken over, with what has changed since.
async fn earlier_decision(runs: &impl Runs, now: Time, gate: &Gate) -> Result<Option<Value>, PortError> {
    let Some(earlier) = &gate.basis.earlier else { return Ok(None) };
    let Some(run) = runs.load(&earlier.run).await? else { return Ok(None) };
    let Some(outcome) = runs.gate(&run, &gate.node).await?.and_then(|gate| gate.outcome) else { return Ok(None) };
    let mut view = json!({
        "runId": earlier.run,
        "decision": outcome.verdict,
        "actor": outcome.actor,
        "decidedAt": outcome.decided_at,
        "note": outcome.note,
        "changed": earlier.changed,
    });
    put_payload(runs, now, &mut view, "decidedAction", &outcome.decided_action).await?;
    Ok(Some(view))
}
