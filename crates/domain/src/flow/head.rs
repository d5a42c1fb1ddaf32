//! The head of a flow.

use super::label::FlowLabel;
use crate::access::{Actor, RecordedActor};
use crate::id::{FlowId, OrgId};
use crate::name::Slug;
use crate::time::Time;
use crate::trigger::FlowTrigger;

word_enum!(
    /// Whether a flow can be run.
    FlowStatus {
        /// The flow runs.
        Active = "active",
        /// The flow is being written.
        Draft = "draft",
        /// The flow is switched off for now.
        Paused = "paused",
    }
);

/// The head of a flow: everything but the spec.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Flow {
    /// The id.
    pub id: FlowId,
    /// The organisation of the flow.
    pub org: OrgId,
    /// The name in URLs. It never changes.
    pub slug: Slug,
    /// The name that people use.
    pub name: String,
    /// What the flow is for.
    pub description: String,
    /// Whether the flow can be run.
    pub status: FlowStatus,
    /// What starts runs of the flow.
    pub trigger: FlowTrigger,
    /// The newest version of the spec. Versions count from 1.
    pub version: u32,
    /// When the flow was created.
    pub created_at: Time,
    /// When the head or the spec last changed.
    pub updated_at: Time,
    /// The actor who changed the head or the spec last. A row of a list does not have it, and neither has a flow that was saved before this
    /// was kept.
    pub updated_by: Option<RecordedActor>,
    /// The actor who changed the trigger last. It is absent where `updated_by` is.
    pub trigger_changed_by: Option<RecordedActor>,
}

impl Flow {
    /// Records who has changed the flow. `before` is the flow as it was before; none if it is new. Nothing is recorded if nothing has
    /// changed.
    pub fn note_change(&mut self, before: Option<&Self>, by: &Actor) {
        if before.is_some_and(|before| before == self) {
            return;
        }
        if before.is_none_or(|before| !before.trigger.starts_like(&self.trigger)) {
            self.trigger_changed_by = Some(by.recorded());
        }
        self.updated_by = Some(by.recorded());
    }

    /// Returns the name and the description of the flow.
    pub fn label(&self) -> FlowLabel {
        FlowLabel { name: self.name.clone(), description: self.description.clone() }
    }
}
