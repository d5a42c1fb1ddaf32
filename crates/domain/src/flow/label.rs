//! The name and the description of a flow at one point in time.

/// The name and the description of a flow. A run keeps those that the flow had when the run began: a version of the flow has them only as
/// they were when its spec was saved.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FlowLabel {
    /// The name.
    pub name: String,
    /// The description, which may be empty.
    pub description: String,
}
