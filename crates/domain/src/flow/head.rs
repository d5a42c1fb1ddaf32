//! The head of a flow.

use super::label::FlowLabel;
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
}

impl Flow {
    /// Returns the name and the description of the flow.
    pub fn label(&self) -> FlowLabel {
        FlowLabel { name: self.name.clone(), description: self.description.clone() }
    }
}
