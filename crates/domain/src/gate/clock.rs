//! What the clock does to an open gate: it assigns it to somebody else, reminds, and in the end lets it expire. Each of these happens once,
//! because what has happened is in the record, and the record and the run are written together.

use serde::Serialize;

use super::record::Gate;
use crate::access::{Assignee, RecordedActor};
use crate::flow::Approval;
use crate::time::Time;

/// A change of the assignee of a gate.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reassignment {
    /// Who could decide before; none means every key with the scope.
    pub from: Option<Assignee>,
    /// Who may decide afterwards.
    pub to: Assignee,
    /// Who has reassigned it; none if the clock did, as the flow says in `escalate`.
    pub by: Option<RecordedActor>,
    /// When.
    pub at: Time,
    /// The note of the actor.
    pub note: Option<String>,
}

/// One of a gate's `escalate`: the gate is assigned to somebody else if it is still open.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Escalation {
    /// How long after the gate has opened, in seconds.
    pub after_seconds: u64,
    /// Who may decide from then on.
    pub to: Assignee,
}

impl Gate {
    /// Returns the next time at which the clock has something to do: the next escalation or reminder, or the deadline.
    pub fn next_due(&self, rules: &Approval) -> Time {
        let escalation = rules.escalate.get(self.escalated()).map(|escalation| self.opened_at.plus_seconds(escalation.after_seconds));
        let reminder = rules.remind.get(self.reminders.len()).map(|before| self.reminder_at(*before));
        escalation.into_iter().chain(reminder).fold(self.deadline, Time::min)
    }

    /// Does what is due at `now` to a gate that is open and has not reached its deadline. Returns whether that was anything.
    pub fn escalate_and_remind(&mut self, rules: &Approval, now: Time) -> bool {
        let mut changed = false;
        while let Some(escalation) =
            rules.escalate.get(self.escalated()).filter(|one| self.opened_at.plus_seconds(one.after_seconds) <= now)
        {
            self.reassignments.push(Reassignment {
                from: self.assign_to.clone(),
                to: escalation.to.clone(),
                by: None,
                at: now,
                note: None,
            });
            self.assign_to = Some(escalation.to.clone());
            changed = true;
        }
        while rules.remind.get(self.reminders.len()).is_some_and(|before| self.reminder_at(*before) <= now) {
            self.reminders.push(now);
            changed = true;
        }
        changed
    }

    /// Assigns the gate to somebody else. The votes stay. Returns whether that changes anything.
    pub fn reassign(&mut self, to: Assignee, by: RecordedActor, note: Option<String>, now: Time) -> bool {
        if self.assign_to.as_ref() == Some(&to) {
            return false;
        }
        self.reassignments.push(Reassignment { from: self.assign_to.clone(), to: to.clone(), by: Some(by), at: now, note });
        self.assign_to = Some(to);
        true
    }

    /// Returns the assignee that the gate had when it opened.
    pub(super) fn first_assignee(&self) -> Option<&Assignee> {
        self.reassignments.first().map_or(self.assign_to.as_ref(), |first| first.from.as_ref())
    }

    /// Returns the number of escalations that have happened.
    fn escalated(&self) -> usize {
        self.reassignments.iter().filter(|reassignment| reassignment.by.is_none()).count()
    }

    fn reminder_at(&self, before_seconds: u64) -> Time {
        // A reminder comes before the deadline, so this is not before the epoch.
        Time::from_millis(self.deadline.millis().saturating_sub(before_seconds.saturating_mul(1000)))
    }
}
