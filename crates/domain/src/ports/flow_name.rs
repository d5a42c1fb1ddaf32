//! How a path names a flow.

use crate::id::FlowId;
use crate::name::Slug;

/// A flow as a path names it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum FlowName {
    /// By its id.
    Id(FlowId),
    /// By its slug.
    Slug(Slug),
}
