//! The history of decisions: a row for every gate that was decided. A row never changes.

use super::record::Gate;
use crate::access::Identity;
use crate::id::{ApprovalId, FlowId, OrgId, RunId};
use crate::name::{NodeId, Slug};
use crate::run::Run;
use crate::status::Verdict;
use crate::time::Time;

/// A decision, as the history shows it. The whole record, with both actions, is on the step of its run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DecisionRow {
    /// The organisation.
    pub org: OrgId,
    /// The id of the approval.
    pub approval: ApprovalId,
    /// The run in which it was decided.
    pub run: RunId,
    /// The node of the approval.
    pub node: NodeId,
    /// The flow of the run.
    pub flow: FlowId,
    /// The slug that the flow had when the run began.
    pub flow_slug: Slug,
    /// The version of the flow that the run executes.
    pub flow_version: u32,
    /// What the reviewer was asked to allow, in words.
    pub action_label: String,
    /// The decision.
    pub verdict: Verdict,
    /// The actor who decided; none if the gate expired.
    pub actor: Option<String>,
    /// How it was known who the actor is. A decision that an earlier version stored has none.
    pub identity: Option<Identity>,
    /// When the gate opened.
    pub opened_at: Time,
    /// When it was decided.
    pub decided_at: Time,
    /// The note of the actor.
    pub note: Option<String>,
    /// The SHA-256 of the proposed action.
    pub proposed_sha256: String,
    /// The SHA-256 of the decided action.
    pub decided_sha256: String,
}

impl DecisionRow {
    /// Returns the row of a gate of `run`. None while the gate is not decided, and none if it was decided in another run, whose row it is.
    pub fn of(gate: &Gate, run: &Run) -> Option<Self> {
        let outcome = gate.outcome.as_ref().filter(|_| gate.is_decided_here())?;
        Some(Self {
            org: gate.org,
            approval: gate.id,
            run: gate.run,
            node: gate.node.clone(),
            flow: gate.flow,
            flow_slug: run.flow_slug.clone(),
            flow_version: run.flow_version,
            action_label: gate.action_label.clone(),
            verdict: outcome.verdict,
            actor: outcome.actor.clone(),
            identity: outcome.identity.clone(),
            opened_at: gate.opened_at,
            decided_at: outcome.decided_at,
            note: outcome.note.clone(),
            proposed_sha256: outcome.proposed_sha256.clone(),
            decided_sha256: outcome.decided_sha256.clone(),
        })
    }

    /// Returns whether the decided action is another one than the proposed one.
    pub fn is_edited(&self) -> bool {
        self.proposed_sha256 != self.decided_sha256
    }

    /// Returns the kind of the decision.
    pub fn kind(&self) -> DecisionKind {
        match self.verdict {
            Verdict::Approved if self.is_edited() => DecisionKind::Edited,
            Verdict::Approved => DecisionKind::Approved,
            Verdict::Rejected => DecisionKind::Rejected,
            Verdict::Expired => DecisionKind::Expired,
        }
    }

    /// Returns the key by which the history is sorted: the time of the decision, and the approval.
    pub fn sort_key(&self) -> String {
        format!("{}#{}", self.decided_at, self.approval)
    }
}

word_enum!(
    /// The kinds of decisions. Every combination of verdict and `edited` is a set of them, so a list for each kind serves any filter.
    DecisionKind {
        /// The proposed action was approved.
        Approved = "approved",
        /// Another action was approved. A rejection and an expiry are about the proposed action.
        Edited = "edited",
        /// The action was rejected.
        Rejected = "rejected",
        /// Nobody decided in time.
        Expired = "expired",
    }
);

/// Which decisions are wanted.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct DecisionFilter {
    /// Only decisions by this actor.
    pub actor: Option<String>,
    /// Only decisions in runs of this flow.
    pub flow: Option<FlowId>,
    /// Only this verdict.
    pub verdict: Option<Verdict>,
    /// Only decisions for another action than the proposed one, or only the others.
    pub edited: Option<bool>,
    /// Only decisions at this time or later.
    pub from: Option<Time>,
    /// Only decisions before this time.
    pub to: Option<Time>,
}

impl DecisionFilter {
    /// Returns the kinds of decisions that match.
    pub fn kinds(&self) -> Vec<DecisionKind> {
        let matches = |kind: &DecisionKind| {
            let (verdict, is_edited) = match kind {
                DecisionKind::Approved => (Verdict::Approved, false),
                DecisionKind::Edited => (Verdict::Approved, true),
                DecisionKind::Rejected => (Verdict::Rejected, false),
                DecisionKind::Expired => (Verdict::Expired, false),
            };
            self.verdict.is_none_or(|wanted| wanted == verdict) && self.edited.is_none_or(|wanted| wanted == is_edited)
        };
        DecisionKind::ALL.iter().copied().filter(matches).collect()
    }

    /// Returns whether a decision matches.
    pub fn accepts(&self, row: &DecisionRow) -> bool {
        self.kinds().contains(&row.kind())
            && self.actor.as_ref().is_none_or(|actor| row.actor.as_ref() == Some(actor))
            && self.flow.is_none_or(|flow| row.flow == flow)
            && self.from.is_none_or(|from| row.decided_at >= from)
            && self.to.is_none_or(|to| row.decided_at < to)
    }
}
