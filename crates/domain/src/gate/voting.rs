//! Voting: how ballots decide a gate.

use std::collections::BTreeSet;

use super::action::Action;
use super::changes::CHANGES_REQUESTED;
use super::record::{EditedAction, Gate, Outcome, Vote};
use crate::access::{Actor, Assignee};
use crate::error::ApplicationError;
use crate::flow::{Approval, Quorum};
use crate::payload::Payload;
use crate::problem::FieldErrors;
use crate::run::Run;
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
    /// The reviewer approves the action that the ballot names by its hash: the proposed one, or the one that earlier votes are for.
    ApproveVoted {
        /// The SHA-256 of the canonical JSON of the action, in lower-case hex.
        sha256: String,
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
    /// The gate requires approvals of certain groups, and the actor is in none of those whose approvals are missing.
    #[error("the approvals that are missing here must come from {0}")]
    NoPlace(String),
    /// The gate requires another actor than the one who could have made the trigger start the run.
    #[error(
        "whoever last changed the trigger of the flow, or its secret, may not decide this approval, because the trigger started the run"
    )]
    TriggerChangerMayNot,
    /// The gate is decided.
    #[error("this approval was {0} already")]
    AlreadyDecided(Verdict),
    /// The deadline of the gate has passed, or its run has ended.
    #[error("this approval is closed: {0}")]
    Closed(&'static str),
    /// The same person has voted under another name: one of the two made the key of the other, or somebody made the keys of both.
    #[error("this counts as the vote of the person who has approved as {0}: a key stands for its actor and for whoever made it")]
    SamePerson(String),
    /// Earlier votes are for another action.
    #[error(
        "others have approved a different action; all approvals must be for the same one, which `votes` shows and `actionSha256` approves"
    )]
    ActionDiffers,
    /// The ballot names an action by a hash that is neither that of the proposed action nor that of the votes.
    #[error("neither the proposed action nor the votes have this SHA-256")]
    UnknownAction,
    /// The override breaks a rule of the flow.
    #[error("the override is not allowed")]
    OverrideNotAllowed(FieldErrors),
}

impl From<BallotError> for ApplicationError {
    fn from(error: BallotError) -> Self {
        let message = error.to_string();
        match error {
            BallotError::NotAssigned(_) | BallotError::StarterMayNot | BallotError::TriggerChangerMayNot | BallotError::NoPlace(_) => {
                Self::Forbidden(message)
            }
            BallotError::AlreadyDecided(_)
            | BallotError::SamePerson(_)
            | BallotError::Closed(_)
            | BallotError::ActionDiffers
            | BallotError::UnknownAction => Self::Conflict(message),
            BallotError::OverrideNotAllowed(fields) => Self::Unprocessable { message, fields },
        }
    }
}

/// The action that a ballot is for.
enum Choice {
    /// The proposed action.
    Proposed,
    /// The action that has this hash.
    Known(String),
    /// Another action.
    Edited(Action),
}

impl Gate {
    /// Returns why `actor` may not decide the gate, whatever its ballot is. `rules` is the node as the flow has it.
    pub fn exclusion(&self, rules: &Approval, run: &Run, actor: &Actor) -> Option<BallotError> {
        if let Some(assignee) = self.assign_to.as_ref().filter(|assignee| !assignee.includes(actor)) {
            return Some(BallotError::NotAssigned(assignee.clone()));
        }
        if !rules.require_different_actor {
            return None;
        }
        let starters = run.starters();
        if actor.principals.iter().any(|principal| starters.contains(principal.as_str())) {
            return Some(BallotError::StarterMayNot);
        }
        let has_changed = !actor.principals.is_disjoint(&run.trigger_changers);
        has_changed.then_some(BallotError::TriggerChangerMayNot)
    }

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
        self.must_be_entitled(rules, starters, actor)?;
        let (verdict, choice, note) = match self.without_respelling(ballot) {
            Ballot::Approve { action, note } => (Verdict::Approved, action.map_or(Choice::Proposed, Choice::Edited), note),
            Ballot::ApproveVoted { sha256, note } => (Verdict::Approved, Choice::Known(sha256), note),
            Ballot::Reject { note } => (Verdict::Rejected, Choice::Proposed, note),
        };
        let action_sha256 = match &choice {
            Choice::Proposed => self.proposed_action.sha256(),
            Choice::Known(sha256) => sha256.clone(),
            Choice::Edited(action) => action.sha256().to_owned(),
        };
        let groups = rules.required_approvals.groups_of(actor);
        if let Some(repeated) = self.if_on_record(actor, verdict, &action_sha256)? {
            return Ok(repeated);
        }
        if now >= self.deadline {
            return Err(BallotError::Closed("its deadline has passed"));
        }
        self.must_have_place(rules, actor, &groups)?;
        let edited = self.edited_by(rules, choice, &action_sha256)?;
        if verdict == Verdict::Approved {
            if self.votes.iter().any(|vote| vote.action_sha256 != action_sha256) {
                return Err(BallotError::ActionDiffers);
            }
            self.votes.push(Vote {
                actor: actor.id.clone(),
                principals: actor.recorded_principals(),
                identity: Some(actor.identity.clone()),
                at: now,
                note: note.clone(),
                action_sha256,
                groups,
            });
            if self.votes.len() < rules.required_approvals.required() as usize {
                self.edited = edited;
                return Ok(BallotOutcome::MoreNeeded);
            }
        }
        self.close_with(verdict, Some(actor), edited, note, now);
        Ok(BallotOutcome::Decided(verdict))
    }

    /// Fails if `actor` may not assign the gate to somebody else: it is closed, or the actor may not decide it. `may_always` is true for an
    /// actor who may change flows, and who may therefore reassign every gate.
    pub fn may_reassign(
        &self,
        rules: &Approval,
        starters: &BTreeSet<&str>,
        actor: &Actor,
        may_always: bool,
        now: Time,
    ) -> Result<(), BallotError> {
        if !may_always {
            self.must_be_entitled(rules, starters, actor)?;
        }
        if let Some(outcome) = &self.outcome {
            return Err(BallotError::AlreadyDecided(outcome.verdict));
        }
        if self.changes.is_some() {
            return Err(BallotError::Closed(CHANGES_REQUESTED));
        }
        if !self.is_open() {
            return Err(BallotError::Closed("its run has ended"));
        }
        if now >= self.deadline {
            return Err(BallotError::Closed("its deadline has passed"));
        }
        Ok(())
    }

    /// Fails if the gate is not for `actor`, whatever has happened to it so far: it is assigned to others, its quorum names no group of the
    /// actor's, or the actor started the run.
    pub(super) fn must_be_entitled(&self, rules: &Approval, starters: &BTreeSet<&str>, actor: &Actor) -> Result<(), BallotError> {
        if let Some(assignee) = self.assign_to.as_ref().filter(|assignee| !assignee.includes(actor)) {
            return Err(BallotError::NotAssigned(assignee.clone()));
        }
        if rules.require_different_actor && actor.principals.iter().any(|principal| starters.contains(principal.as_str())) {
            return Err(BallotError::StarterMayNot);
        }
        if let Quorum::From(places) = &rules.required_approvals
            && rules.required_approvals.groups_of(actor).is_empty()
        {
            return Err(no_place(places.iter().map(|places| &places.from)));
        }
        Ok(())
    }

    /// Fails if the quorum is by groups and no place is left that `actor`, who is in `groups`, could fill. Somebody who has voted has a
    /// place, and may still reject.
    fn must_have_place(&self, rules: &Approval, actor: &Actor, groups: &[Assignee]) -> Result<(), BallotError> {
        let quorum = &rules.required_approvals;
        let votes = self.vote_groups();
        let is_counted = matches!(quorum, Quorum::Of(_)) || self.votes.iter().any(|vote| vote.is_of(actor));
        if is_counted || quorum.has_place_for(&votes, groups) {
            return Ok(());
        }
        Err(no_place(quorum.open_groups(&votes)))
    }

    /// Returns the groups whose places each vote may fill.
    pub(super) fn vote_groups(&self) -> Vec<&[Assignee]> {
        self.votes.iter().map(|vote| vote.groups.as_slice()).collect()
    }

    /// Returns the action of a ballot if it is not the proposed one, byte by byte. Fails if the flow does not allow it, and if the ballot
    /// names an unknown one. An action that was voted for before was checked then.
    fn edited_by(&self, rules: &Approval, choice: Choice, sha256: &str) -> Result<Option<EditedAction>, BallotError> {
        if sha256 == self.proposed_action.sha256() {
            return Ok(None);
        }
        match choice {
            Choice::Proposed => Ok(None),
            Choice::Known(_) => {
                let voted = self.edited.clone().filter(|edited| edited.action.sha256() == sha256);
                voted.map(Some).ok_or(BallotError::UnknownAction)
            }
            Choice::Edited(action) => {
                self.check_override(rules, action.value()).map_err(BallotError::OverrideNotAllowed)?;
                let patch = self.patch_to_keep(&action);
                Ok(Some(EditedAction { action: Payload::from(action), patch }))
            }
        }
    }

    /// Compares the ballot with the record: the same again is `Repeated`, a contradiction is an error, a new ballot is none.
    fn if_on_record(&self, actor: &Actor, verdict: Verdict, action_sha256: &str) -> Result<Option<BallotOutcome>, BallotError> {
        if let Some(outcome) = &self.outcome {
            let voted = outcome.actor.as_ref() == Some(&actor.id)
                || (verdict == Verdict::Approved && self.votes.iter().any(|vote| vote.actor == actor.id));
            let same = voted && outcome.verdict == verdict && outcome.decided_sha256 == action_sha256;
            return if same { Ok(Some(BallotOutcome::Repeated)) } else { Err(BallotError::AlreadyDecided(outcome.verdict)) };
        }
        if self.changes.is_some() {
            return Err(BallotError::Closed(CHANGES_REQUESTED));
        }
        if !self.is_open() {
            return Err(BallotError::Closed("its run has ended"));
        }
        let own = self.votes.iter().find(|vote| vote.actor == actor.id);
        match own.or_else(|| self.votes.iter().find(|vote| vote.is_of(actor))) {
            Some(vote) if vote.actor != actor.id && verdict == Verdict::Approved => Err(BallotError::SamePerson(vote.actor.clone())),
            Some(vote) if verdict == Verdict::Approved && vote.action_sha256 == action_sha256 => Ok(Some(BallotOutcome::Repeated)),
            Some(_) if verdict == Verdict::Approved => Err(BallotError::AlreadyDecided(Verdict::Approved)),
            _ => Ok(None),
        }
    }

    /// Records that the deadline passed without a decision.
    pub fn expire(&mut self, now: Time) {
        self.close_with(Verdict::Expired, None, None, None, now);
    }

    /// Returns the gate as it is seen if its run ended at `run_end`, or has not ended: it is closed by the end of the run, even if that is
    /// not stored yet.
    #[must_use]
    pub fn closed_by(mut self, run_end: Option<Time>) -> Self {
        if let Some(end) = run_end {
            self.close(end);
        }
        self
    }

    /// Records that the run ended while the gate was open. A gate that is closed stays as it is.
    pub fn close(&mut self, now: Time) {
        self.closed_at.get_or_insert(now);
    }

    /// Records the decision. `edited` is the decided action, if it is not the proposed one.
    fn close_with(&mut self, verdict: Verdict, actor: Option<&Actor>, edited: Option<EditedAction>, note: Option<String>, now: Time) {
        if verdict == Verdict::Approved {
            // The decision has it from now on. After a rejection the votes still refer to it.
            self.edited = None;
        }
        let (decided_action, patch) = match edited {
            Some(edited) => (edited.action, edited.patch),
            None => (self.proposed_action.clone(), None),
        };
        self.outcome = Some(Outcome {
            verdict,
            actor: actor.map(|actor| actor.id.clone()),
            principals: actor.map(Actor::recorded_principals).unwrap_or_default(),
            identity: actor.map(|actor| actor.identity.clone()),
            decided_at: now,
            note,
            proposed_sha256: self.proposed_action.sha256(),
            decided_sha256: decided_action.sha256(),
            decided_action,
            patch,
            shown_sha256: None,
        });
        self.closed_at = Some(now);
    }
}

fn no_place<'a>(groups: impl IntoIterator<Item = &'a Assignee>) -> BallotError {
    BallotError::NoPlace(names(groups))
}

/// Returns the groups in words.
pub(super) fn names<'a>(groups: impl IntoIterator<Item = &'a Assignee>) -> String {
    groups.into_iter().map(ToString::to_string).collect::<Vec<_>>().join(" or ")
}
