//! Gates to vote on, and ballots.

use domain::access::Actor;
use domain::flow::{Approval, NodeKind, Spec};
use domain::gate::{Action, Ballot, BallotError, BallotOutcome, Gate, Verdict};
use domain::id::{ApprovalId, FlowId, OrgId, RunId};
use domain::step::Payload;
use serde_json::{Value, json};

use super::{actor_in, at};

pub const STARTER: &str = "usr_starter";

/// Returns the rules of a gate whose node has these fields.
pub fn rules(fields: Value) -> Approval {
    // Not `parse`: some of these rules name places that the proposed action of this node does not have.
    let spec = Spec::stored(&super::spec_json(&[super::gate("review", fields)], "")).unwrap();
    let NodeKind::Approval(rules) = &spec.node(spec.start()).kind else { unreachable!("review is a gate") };
    rules.clone()
}

pub fn gate_proposing(proposed: Value) -> Gate {
    Gate {
        id: ApprovalId::new(at(0), 1),
        run: RunId::new(at(0), 2),
        node: "review".parse().unwrap(),
        org: OrgId::new(at(0), 3),
        flow: FlowId::new(at(0), 4),
        action_label: "Pay".into(),
        proposed_action: Payload::of(proposed),
        data: None,
        assign_to: None,
        opened_at: at(0),
        deadline: at(3_600),
        votes: Vec::new(),
        edited: None,
        outcome: None,
        changes: None,
        closed_at: None,
        reused_from: None,
        basis: domain::gate::Basis::default(),
        reassignments: Vec::new(),
        reminders: Vec::new(),
    }
}

pub fn payment() -> Gate {
    gate_proposing(json!({"amount": 10, "amounts": [1, 2, 3], "to": {"name": "Ada", "iban": "DE02"}}))
}

/// Returns what downstream nodes read of a gate whose payloads are inline.
pub fn output(gate: &Gate) -> Option<Value> {
    gate.outcome.as_ref().map(|outcome| outcome.output(outcome.decided_action.value().unwrap()))
}

pub fn proposed(gate: &Gate) -> Value {
    Value::clone(gate.proposed_action.value().unwrap())
}

pub fn decided(gate: &Gate) -> Value {
    Value::clone(gate.outcome.as_ref().unwrap().decided_action.value().unwrap())
}

pub fn actor(id: &str) -> Actor {
    actor_in(id, &["lead"], &["payments"])
}

pub fn approve() -> Ballot {
    Ballot::Approve { action: None, note: None }
}

pub fn approve_as(action: Value) -> Ballot {
    Ballot::Approve { action: Some(Action::new(action).unwrap()), note: None }
}

pub fn reject() -> Ballot {
    Ballot::Reject { note: Some("too much".into()) }
}

/// Votes ten seconds after the gate opened. A refused ballot must not change the gate.
pub fn vote(gate: &mut Gate, rules: &Approval, who: &str, ballot: Ballot) -> Result<BallotOutcome, BallotError> {
    vote_at(gate, rules, who, ballot, 10)
}

pub fn vote_at(gate: &mut Gate, rules: &Approval, who: &str, ballot: Ballot, seconds: u64) -> Result<BallotOutcome, BallotError> {
    vote_of(gate, rules, &actor(who), ballot, seconds)
}

/// Votes as [`vote`] does, with the roles and teams of `who`.
pub fn vote_by(gate: &mut Gate, rules: &Approval, who: &Actor, ballot: Ballot) -> Result<BallotOutcome, BallotError> {
    vote_of(gate, rules, who, ballot, 10)
}

fn vote_of(gate: &mut Gate, rules: &Approval, who: &Actor, ballot: Ballot, seconds: u64) -> Result<BallotOutcome, BallotError> {
    let before = gate.clone();
    let result = gate.vote(rules, &[STARTER].into(), who, ballot, at(seconds));
    if !matches!(result, Ok(BallotOutcome::Decided(_) | BallotOutcome::MoreNeeded)) {
        assert_eq!(*gate, before, "{result:?} changed the gate");
    }
    result
}

pub const APPROVED: Result<BallotOutcome, BallotError> = Ok(BallotOutcome::Decided(Verdict::Approved));
pub const REJECTED: Result<BallotOutcome, BallotError> = Ok(BallotOutcome::Decided(Verdict::Rejected));

/// Returns the paths at which an override is refused.
pub fn refused_paths(gate: &mut Gate, rules: &Approval, action: Value) -> Vec<String> {
    match vote(gate, rules, "usr_eve", approve_as(action)) {
        Err(BallotError::OverrideNotAllowed(errors)) => errors.by_path().keys().cloned().collect(),
        other => vec![format!("{other:?}")],
    }
}
