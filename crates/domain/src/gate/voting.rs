//! Voting: how ballots decide a gate.

use std::collections::BTreeSet;

use super::action::Action;
use super::record::{Gate, Outcome, Vote};
use crate::access::{Actor, Assignee};
use crate::error::ApplicationError;
use crate::flow::Approval;
use crate::payload::Payload;
use crate::problem::FieldErrors;
use crate::status::Verdict;
use crate::time::Time;

/// The decision of one reviewer.
#[derive(Debug, Clone, PartialEq)]
pub enum Ballot {
    /// The reviewer approves.
    Approve {
        /// The action that replaces the proposed one, if the reviewer has edited it.
        action: Option<Action>,
        /// The note for the record.
        note: Option<String>,
    },
    /// The reviewer rejects.
    Reject {
        /// The note for the record.
        note: Option<String>,
    },
}

/// The effect of a ballot that counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BallotOutcome {
    /// The ballot decided the gate.
    Decided(Verdict),
    /// The ballot is recorded as a vote, and more approvals are required.
    MoreNeeded,
    /// The ballot repeats what is on record, and changes nothing.
    Repeated,
}

/// The reason why a ballot does not count.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum BallotError {
    /// The gate is assigned to a role, user or team that does not include the actor.
    #[error("this approval is assigned to {0}")]
    NotAssigned(Assignee),
    /// The gate requires another actor than the one who started the run.
    #[error("the actor who started the run may not decide this approval")]
    StarterMayNot,
    /// The gate is decided.
    #[error("this approval was {0} already")]
    AlreadyDecided(Verdict),
    /// The deadline of the gate has passed, or its run has ended.
    #[error("this approval is closed: {0}")]
    Closed(&'static str),
    /// Earlier votes are for another action.
    #[error("others have approved a different action; all approvals must be for the same one")]
    ActionDiffers,
    /// The override breaks a rule of the flow.
    #[error("the override is not allowed")]
    OverrideNotAllowed(FieldErrors),
}

impl From<BallotError> for ApplicationError {
    fn from(error: BallotError) -> Self {
        let message = error.to_string();
        match error {
            BallotError::NotAssigned(_) | BallotError::StarterMayNot => Self::Forbidden(message),
            BallotError::AlreadyDecided(_) | BallotError::Closed(_) | BallotError::ActionDiffers => Self::Conflict(message),
            BallotError::OverrideNotAllowed(fields) => Self::Unprocessable { message, fields },
        }
    }
}

impl Gate {
    /// Counts a ballot. `rules` is the node as the flow has it, `starters` are the actors who started the run and those before it.
    /// If the ballot brings an action and the flow has `allowedEdits`, the proposed action must be inline to be compared with it.
    pub fn vote(
        &mut self,
        rules: &Approval,
        starters: &BTreeSet<&str>,
        actor: &Actor,
        ballot: Ballot,
        now: Time,
    ) -> Result<BallotOutcome, BallotError> {
        if let Some(assignee) = self.assign_to.as_ref().filter(|assignee| !assignee.includes(actor)) {
            return Err(BallotError::NotAssigned(assignee.clone()));
        }
        if rules.require_different_actor && starters.contains(actor.id.as_str()) {
            return Err(BallotError::StarterMayNot);
        }
        let (verdict, action, note) = match ballot {
            Ballot::Approve { action, note } => (Verdict::Approved, action, note),
            Ballot::Reject { note } => (Verdict::Rejected, None, note),
        };
        let proposed_sha256 = self.proposed_action.sha256();
        let action_sha256 = action.as_ref().map_or_else(|| proposed_sha256.clone(), |action| action.sha256().to_owned());
        // An action that is the proposed one, byte by byte, is not an override.
        let action = action.filter(|_| action_sha256 != proposed_sha256);
        if let Some(repeated) = self.if_on_record(actor, verdict, &action_sha256)? {
            return Ok(repeated);
        }
        if now >= self.deadline {
            return Err(BallotError::Closed("its deadline has passed"));
        }
        if verdict == Verdict::Approved {
            if let Some(action) = &action {
                self.check_override(rules, action.value()).map_err(BallotError::OverrideNotAllowed)?;
            }
            if self.votes.iter().any(|vote| vote.action_sha256 != action_sha256) {
                return Err(BallotError::ActionDiffers);
            }
            self.votes.push(Vote { actor: actor.id.clone(), at: now, note: note.clone(), action_sha256 });
            if self.votes.len() < rules.required_approvals as usize {
                return Ok(BallotOutcome::MoreNeeded);
            }
        }
        self.close_with(verdict, Some(actor.id.clone()), action, note, now);
        Ok(BallotOutcome::Decided(verdict))
    }

    /// Compares the ballot with the record: the same again is `Repeated`, a contradiction is an error, a new ballot is none.
    fn if_on_record(&self, actor: &Actor, verdict: Verdict, action_sha256: &str) -> Result<Option<BallotOutcome>, BallotError> {
        if let Some(outcome) = &self.outcome {
            let voted = outcome.actor.as_ref() == Some(&actor.id)
                || (verdict == Verdict::Approved && self.votes.iter().any(|vote| vote.actor == actor.id));
            let same = voted && outcome.verdict == verdict && outcome.decided_sha256 == action_sha256;
            return if same { Ok(Some(BallotOutcome::Repeated)) } else { Err(BallotError::AlreadyDecided(outcome.verdict)) };
        }
        if !self.is_open() {
            return Err(BallotError::Closed("its run has ended"));
        }
        match self.votes.iter().find(|vote| vote.actor == actor.id) {
            Some(vote) if verdict == Verdict::Approved && vote.action_sha256 == action_sha256 => Ok(Some(BallotOutcome::Repeated)),
            Some(_) if verdict == Verdict::Approved => Err(BallotError::AlreadyDecided(Verdict::Approved)),
            _ => Ok(None),
        }
    }

    /// Records that the deadline passed without a decision.
    pub fn expire(&mut self, now: Time) {
        self.close_with(Verdict::Expired, None, None, None, now);
    }

    /// Records that the run ended while the gate was open. A gate that is closed stays as it is.
    pub fn close(&mut self, now: Time) {
        self.closed_at.get_or_insert(now);
    }

    /// Records the decision. `action` is the override, if there is one.
    fn close_with(&mut self, verdict: Verdict, actor: Option<String>, action: Option<Action>, note: Option<String>, now: Time) {
        let patch = action.as_ref().and_then(|action| self.patch_to_keep(action));
        let decided_action = action.map_or_else(|| self.proposed_action.clone(), Payload::from);
        self.outcome = Some(Outcome {
            verdict,
            actor,
            decided_at: now,
            note,
            proposed_sha256: self.proposed_action.sha256(),
            decided_sha256: decided_action.sha256(),
            decided_action,
            patch,
        });
        self.closed_at = Some(now);
    }
}
