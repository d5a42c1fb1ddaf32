//! Whether an actor can decide an approval now, and why not.

use std::collections::BTreeSet;

use super::record::Gate;
use super::voting::names;
use crate::access::{Actor, Assignee};
use crate::time::Time;

/// The reason why an actor cannot decide an approval now.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CannotDecide {
    /// It is decided, or its run has ended.
    #[error("this approval is closed")]
    Closed,
    /// Its deadline has passed.
    #[error("the deadline of this approval has passed")]
    Expired,
    /// It is assigned to a role, user or team that does not include the actor.
    #[error("this approval is assigned to {0}")]
    NotAssigned(Assignee),
    /// It requires another actor than the one who started the run.
    #[error("the actor who started the run may not decide this approval")]
    StartedTheRun,
    /// Approvals of certain groups are required, and the actor can fill none of the places that are left.
    #[error("the approvals that are missing here must come from {0}")]
    NoPlace(String),
    /// The actor has approved it, and more approvals are required.
    #[error("you have approved this already, and more approvals are required")]
    AlreadyVoted,
}

impl CannotDecide {
    /// Returns the name of the reason in the public contract.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Closed => "closed",
            Self::Expired => "expired",
            Self::NotAssigned(_) | Self::NoPlace(_) => "not_assigned",
            Self::StartedTheRun => "started_the_run",
            Self::AlreadyVoted => "already_voted",
        }
    }
}

impl Gate {
    /// Returns why `actor` cannot decide this approval at `now`; none if the actor can. `barred` are the actors whom `requireDifferentActor`
    /// shuts out, see [`Basis::barred`](super::Basis).
    pub fn cannot_decide(&self, barred: &BTreeSet<String>, actor: &Actor, now: Time) -> Option<CannotDecide> {
        if !self.is_open() {
            return Some(CannotDecide::Closed);
        }
        if now >= self.deadline {
            return Some(CannotDecide::Expired);
        }
        if let Some(assignee) = self.assign_to.as_ref().filter(|assignee| !assignee.includes(actor)) {
            return Some(CannotDecide::NotAssigned(assignee.clone()));
        }
        if !barred.is_disjoint(&actor.principals) {
            return Some(CannotDecide::StartedTheRun);
        }
        if self.votes.iter().any(|vote| vote.is_of(actor)) {
            return Some(CannotDecide::AlreadyVoted);
        }
        let quorum = self.basis.quorum.as_ref()?;
        let (votes, groups) = (self.vote_groups(), quorum.groups_of(actor));
        (!quorum.has_place_for(&votes, &groups)).then(|| CannotDecide::NoPlace(names(quorum.open_groups(&votes))))
    }
}
