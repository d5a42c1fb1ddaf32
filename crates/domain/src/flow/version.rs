//! The versions of a flow.

use serde_json::Value;

use super::spec::Spec;
use crate::access::RecordedActor;
use crate::error::PortError;
use crate::id::{FlowId, OrgId};
use crate::name::Slug;
use crate::time::Time;

/// One immutable version of a flow's spec, with the names that the flow had then. Runs point to it.
#[derive(Debug, Clone, PartialEq)]
pub struct Version {
    /// The flow.
    pub flow: FlowId,
    /// The organisation of the flow.
    pub org: OrgId,
    /// The number of the version. Versions count from 1.
    pub number: u32,
    /// The slug of the flow.
    pub slug: Slug,
    /// The name of the flow when the version was saved.
    pub name: String,
    /// The spec as it was sent. It passed [`Spec::parse`] when it was saved.
    pub spec: Value,
    /// When the version was saved.
    pub created_at: Time,
    /// The actor who saved the version. A version that was saved before this was kept has none.
    pub created_by: Option<RecordedActor>,
}

impl Version {
    /// Reads the spec of this version. Fails with [`PortError::Corrupt`] if this code can no longer read what was saved.
    pub fn parsed_spec(&self) -> Result<Spec, PortError> {
        Spec::stored(&self.spec)
            .map_err(|_| PortError::Corrupt(format!("the spec of version {} of {} is no longer valid", self.number, self.flow)))
    }
}
