//! The record of a gate.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use super::basis::Basis;
use super::changes::ChangeRequest;
use super::clock::Reassignment;
use super::question::Question;
use crate::access::{Actor, Assignee, Identity};
use crate::flow::{Approval, BaseUrls, NodeIx, NodeKind, Quorum, Spec};
use crate::id::{ApprovalId, FlowId, OrgId, RunId};
use crate::name::NodeId;
use crate::payload::Payload;
use crate::run::Run;
use crate::status::Verdict;
use crate::step::StepKey;
use crate::time::Time;

/// One approval of one run.
#[derive(Debug, Clone, PartialEq)]
pub struct Gate {
    /// The public id. Task tokens never leave the store.
    pub id: ApprovalId,
    /// The run that waits.
    pub run: RunId,
    /// The node that waits.
    pub node: NodeId,
    /// The organisation of the run.
    pub org: OrgId,
    /// The flow of the run.
    pub flow: FlowId,
    /// What the reviewer is asked to allow, in words.
    pub action_label: String,
    /// The proposed action.
    pub proposed_action: Payload,
    /// The data that the reviewer sees with the action.
    pub data: Option<Payload>,
    /// Who may decide; none means every key with `runs:write`.
    pub assign_to: Option<Assignee>,
    /// When the gate opened.
    pub opened_at: Time,
    /// The time from which the gate can no longer be decided.
    pub deadline: Time,
    /// The approvals so far.
    pub votes: Vec<Vote>,
    /// The edited action that the votes are for; none if they are for the proposed action. An approval moves it into the decision.
    pub edited: Option<EditedAction>,
    /// The decision, if there is one.
    pub outcome: Option<Outcome>,
    /// The request for changes that ended the round, if there was one. Such a gate has no decision.
    pub changes: Option<ChangeRequest>,
    /// When the gate was decided, when changes were requested, or when its run ended without a decision.
    pub closed_at: Option<Time>,
    /// The run in which the gate was decided, if this run took it over from another one.
    pub reused_from: Option<RunId>,
    /// What the approval rests on, as it was when the gate opened.
    pub basis: Basis,
    /// The changes of its assignee, in order.
    pub reassignments: Vec<Reassignment>,
    /// When the assignee was reminded, as the flow says in `remind`.
    pub reminders: Vec<Time>,
}

/// One approval of those that a gate requires.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Vote {
    /// The actor who approved.
    pub actor: String,
    /// The principals of the actor; empty if its name is the only one.
    pub principals: BTreeSet<String>,
    /// How it was known who the actor is. A vote that an earlier version stored has none.
    pub identity: Option<Identity>,
    /// When the actor approved.
    pub at: Time,
    /// The note of the actor.
    pub note: Option<String>,
    /// The SHA-256 of the action that was approved: all votes must be for the same action.
    pub action_sha256: String,
    /// The groups of the quorum whose places the actor could fill at that time. Empty if the quorum is a number.
    pub groups: Vec<Assignee>,
}

/// An action that a reviewer has edited.
#[derive(Debug, Clone, PartialEq)]
pub struct EditedAction {
    /// The action.
    pub action: Payload,
    /// The JSON Patch (RFC 6902) from the proposed action, if one of the two may be offloaded: the patch is then not computed when it is
    /// read.
    pub patch: Option<Value>,
}

/// The permanent record of a decision.
#[derive(Debug, Clone, PartialEq)]
pub struct Outcome {
    /// The decision.
    pub verdict: Verdict,
    /// The actor who decided; none if the gate expired.
    pub actor: Option<String>,
    /// The principals of the actor; empty if its name is the only one.
    pub principals: BTreeSet<String>,
    /// How it was known who the actor is. A decision that an earlier version stored has none.
    pub identity: Option<Identity>,
    /// When it was decided.
    pub decided_at: Time,
    /// The note of the actor.
    pub note: Option<String>,
    /// The action that is executed if the verdict is `approved`: the proposed action or the override.
    pub decided_action: Payload,
    /// The SHA-256 of the canonical JSON of the proposed action.
    pub proposed_sha256: String,
    /// The SHA-256 of the canonical JSON of the decided action.
    pub decided_sha256: String,
    /// The JSON Patch (RFC 6902) between the two, if one of them may be offloaded: the patch is then not computed when it is read.
    pub patch: Option<Value>,
    /// The SHA-256 of what the decision is bound to: all that was shown. None if an earlier version recorded the decision.
    pub shown_sha256: Option<String>,
}

impl Vote {
    /// Returns whether `actor` is the person who approved.
    pub fn is_of(&self, actor: &Actor) -> bool {
        actor.same_person(&self.actor, &self.principals)
    }
}

impl Outcome {
    /// Returns what downstream nodes read as `step.<node>.output`. `action` is the value of the decided action.
    pub fn output(&self, action: &Value) -> Value {
        json!({"decision": self.verdict, "proposedAction": action, "note": self.note, "actor": self.actor})
    }

    /// Returns whether the decided action is the proposed action, byte by byte.
    pub fn is_as_proposed(&self) -> bool {
        self.proposed_sha256 == self.decided_sha256
    }
}

impl Gate {
    /// Returns the gate that `run` opens at the node `ix` of its spec to ask `question`. `base_urls` are those of the services that the
    /// steps after it may call.
    pub fn open(run: &Run, spec: &Spec, ix: NodeIx, question: Question, base_urls: BaseUrls, now: Time) -> Self {
        let node = spec.node(ix);
        let bars = matches!(&node.kind, NodeKind::Approval(rules) if rules.require_different_actor);
        let barred = if bars {
            run.starters().into_iter().map(str::to_owned).chain(run.trigger_changers.clone()).collect()
        } else {
            BTreeSet::new()
        };
        let quorum = match &node.kind {
            NodeKind::Approval(Approval { required_approvals: by_groups @ Quorum::From(_), .. }) => Some(by_groups.clone()),
            _ => None,
        };
        let basis = Basis {
            flow_version: Some(run.flow_version),
            base_urls: Some(base_urls),
            barred,
            quorum,
            round: run.round_of(&node.id),
            ..Basis::default()
        };
        Self {
            id: id_of(run, ix, &node.id, basis.round, now),
            run: run.id,
            node: node.id.clone(),
            org: run.org,
            flow: run.flow,
            action_label: question.action_label,
            proposed_action: question.proposed_action.into(),
            data: question.data.map(Payload::Inline),
            assign_to: question.assign_to,
            opened_at: now,
            deadline: now.plus_seconds(question.timeout_seconds),
            votes: Vec::new(),
            edited: None,
            outcome: None,
            changes: None,
            closed_at: None,
            reused_from: None,
            basis,
            reassignments: Vec::new(),
            reminders: Vec::new(),
        }
    }

    /// Returns this gate, with its decision, as the gate at the node `ix` of a run that takes it over.
    #[must_use]
    pub fn taken_over_by(self, run: &Run, ix: NodeIx) -> Self {
        Self {
            id: id_of(run, ix, &self.node, run.round_of(&self.node), self.opened_at),
            run: run.id,
            reused_from: self.reused_from.or(Some(self.run)),
            basis: Basis { flow_version: Some(run.flow_version), round: run.round_of(&self.node), ..self.basis },
            ..self
        }
    }

    /// Returns the name of the gate in its run.
    pub fn key(&self) -> StepKey {
        StepKey::new(&self.node, self.basis.round)
    }

    /// Returns whether the gate waits for a decision.
    pub fn is_open(&self) -> bool {
        self.closed_at.is_none()
    }

    /// Returns whether the gate was decided in this run, and not taken over from another one.
    pub fn is_decided_here(&self) -> bool {
        self.outcome.is_some() && self.reused_from.is_none()
    }

    /// Returns the action that the votes are for.
    pub fn voted_action(&self) -> &Payload {
        match (&self.edited, &self.outcome) {
            (Some(edited), _) => &edited.action,
            (None, Some(outcome)) if outcome.verdict == Verdict::Approved => &outcome.decided_action,
            (None, _) => &self.proposed_action,
        }
    }

    /// Returns the error message of a run that ends because this gate was not approved.
    pub fn failure_message(&self) -> String {
        match &self.outcome {
            Some(Outcome { verdict: Verdict::Rejected, actor, note, .. }) => {
                let who = actor.as_deref().unwrap_or("someone");
                note.as_ref().map_or_else(|| format!("rejected by {who}"), |note| format!("rejected by {who}: {note}"))
            }
            _ => format!("no decision was made before {}", self.deadline),
        }
    }
}

/// Returns the id of an approval, from which its run can be found unless an earlier version made the id of the run.
fn id_of(run: &Run, ix: NodeIx, node: &NodeId, round: u32, opened_at: Time) -> ApprovalId {
    ApprovalId::of_run(&run.id, ix.position(), round).unwrap_or_else(|| {
        let name = if round == 1 { node.to_string() } else { format!("{node}#{round}") };
        ApprovalId::derived(&run.id, &name, opened_at)
    })
}
