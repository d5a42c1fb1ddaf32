//! What a run keeps of the moment in which it was created.

use crate::access::Identity;
use crate::flow::FlowLabel;
use crate::payload::Payload;

/// What is stored of a run when it is created, and never changes.
#[derive(Debug, Clone, PartialEq)]
pub struct RunOrigin {
    /// The input.
    pub input: Payload,
    /// The name and the description of the flow at that time. Runs that were stored before these were kept have none.
    pub flow_label: Option<FlowLabel>,
    /// How it was known who started the run. Runs that a trigger started have none, and neither have those that were stored before it was
    /// kept.
    pub starter_identity: Option<Identity>,
}
