//! Rounds: what is done again when a reviewer requests changes.

use super::execution::{PendingEffect, STUCK_AFTER_SECONDS};
use super::record::{Run, TransitionError};
use super::state::NodeState;
use crate::flow::{NodeIx, NodeKind, Spec};
use crate::name::NodeId;
use crate::status::NodeStatus;
use crate::step::StepKey;
use crate::time::Time;

/// The draft that a request for changes is about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Revised {
    /// The `llm_step` that made the draft, and the round in which it did.
    pub draft: StepKey,
    /// The round of the approval in which the changes were requested.
    pub round: u32,
}

impl Run {
    /// Returns the round that a node is in, counted from 1.
    pub fn round_of(&self, node: &NodeId) -> u32 {
        self.rounds.get(node).copied().unwrap_or(1)
    }

    /// Returns the name of a node's step in the round that the node is in.
    pub fn step_key(&self, node: &NodeId) -> StepKey {
        StepKey::new(node, self.round_of(node))
    }

    /// Returns what a request for changes at an open gate would revise. Fails if changes cannot be requested there: the run takes no votes,
    /// the gate is not open, the flow has no `revise` for it, its rounds are exhausted, or there is no draft to revise.
    pub fn may_revise(&self, spec: &Spec, gate: NodeIx) -> Result<Revised, TransitionError> {
        self.must_take_votes()?;
        let status = self.progress.get(gate).status;
        if status != NodeStatus::AwaitingApproval {
            return Err(TransitionError::NodeIs(status));
        }
        let NodeKind::Approval(rules) = &spec.node(gate).kind else { return Err(TransitionError::NothingRevises) };
        let (Some(revise), Some(revision)) = (&rules.revise, spec.revision(gate)) else { return Err(TransitionError::NothingRevises) };
        let round = self.round_of(&spec.node(gate).id);
        if round >= revise.max_rounds {
            return Err(TransitionError::RoundsExhausted { round, max: revise.max_rounds });
        }
        if self.progress.get(revision.draft).status != NodeStatus::Succeeded {
            return Err(TransitionError::NoDraft(revise.node.clone()));
        }
        // A spec that was saved by this version has no such node. Another spec may, and an effect must not be repeated unasked.
        let has_begun = |ix: &&NodeIx| !matches!(self.progress.get(**ix).status, NodeStatus::Pending | NodeStatus::Skipped);
        if let Some(used) = revision.beside.iter().find(has_begun) {
            return Err(TransitionError::DraftIsUsed(spec.node(*used).id.clone()));
        }
        Ok(Revised { draft: self.step_key(&revise.node), round })
    }

    /// Goes back to the draft of an open gate: the draft, the gate and everything between them are to be done again, each in its next
    /// round. If the run is parked, a task success becomes pending. Fails as [`may_revise`](Self::may_revise) does.
    pub fn revise(&mut self, spec: &Spec, gate: NodeIx, now: Time) -> Result<Revised, TransitionError> {
        let revised = self.may_revise(spec, gate)?;
        let parked = self.execution.owner.is_none();
        for ix in spec.revision(gate).map(|revision| revision.again).unwrap_or_default() {
            let node = &spec.node(ix).id;
            let next = self.round_of(node).saturating_add(1);
            self.rounds.insert(node.clone(), next);
            self.progress.set(ix, NodeState::PENDING);
        }
        self.update_status(spec, now);
        if parked {
            self.execution.pending = Some(PendingEffect::SendTaskSuccess);
            self.execution.stuck_at = Some(now.plus_seconds(STUCK_AFTER_SECONDS));
        }
        Ok(revised)
    }
}
