//! Requests for changes: a reviewer neither approves nor rejects, and says what a better draft would be.

use std::collections::BTreeSet;

use super::record::Gate;
use super::voting::BallotError;
use crate::access::{Actor, RecordedActor};
use crate::flow::Approval;
use crate::step::StepKey;
use crate::time::Time;

/// The permanent record of a request for changes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ChangeRequest {
    /// The actor who requested the changes.
    pub by: RecordedActor,
    /// When the changes were requested.
    pub at: Time,
    /// What is to be changed. The model gets it word for word.
    pub note: String,
    /// The step whose draft is revised: the `llm_step`, in the round in which it made the draft.
    pub draft: StepKey,
}

impl ChangeRequest {
    /// Returns whether `actor` is the person who requested the changes.
    pub fn is_of(&self, actor: &Actor) -> bool {
        actor.same_person(&self.by.id, &self.by.principals)
    }
}

impl Gate {
    /// Returns whether a request for changes is a new one; false: the same actor has made the same request before. Fails if the actor may
    /// not decide the gate, as [`vote`](Self::vote) does, or if the gate is closed. `rules` is the node as the flow has it, `starters` are
    /// the actors who started the run and those before it.
    pub fn is_new_request(
        &self,
        rules: &Approval,
        starters: &BTreeSet<&str>,
        actor: &Actor,
        note: &str,
        now: Time,
    ) -> Result<bool, BallotError> {
        self.must_be_entitled(rules, starters, actor)?;
        if self.changes.as_ref().is_some_and(|changes| changes.is_of(actor) && changes.note == note) {
            return Ok(false);
        }
        self.must_be_open(now)?;
        Ok(true)
    }

    /// Records a request for changes, which closes the gate without a decision. `draft` is the step whose draft is revised, as
    /// [`Run::revise`](crate::run::Run::revise) has returned it.
    pub fn close_for_changes(&mut self, actor: &Actor, note: &str, draft: StepKey, now: Time) {
        self.changes = Some(ChangeRequest { by: actor.recorded(), at: now, note: note.to_owned(), draft });
        self.closed_at = Some(now);
    }

    /// Fails if the gate is closed, for whatever reason, or its deadline has passed.
    fn must_be_open(&self, now: Time) -> Result<(), BallotError> {
        match (&self.outcome, &self.changes) {
            (Some(outcome), _) => Err(BallotError::AlreadyDecided(outcome.verdict)),
            (None, Some(_)) => Err(BallotError::Closed(CHANGES_REQUESTED)),
            _ if !self.is_open() => Err(BallotError::Closed("its run has ended")),
            _ if now >= self.deadline => Err(BallotError::Closed("its deadline has passed")),
            _ => Ok(()),
        }
    }
}

/// The reason why a gate is closed that has a request for changes.
pub(super) const CHANGES_REQUESTED: &str = "changes were requested, and the next round has an approval of its own";
