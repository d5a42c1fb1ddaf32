//! Where flows are stored.

use std::future::Future;

use super::flow_name::FlowName;
use crate::error::{CommitError, PortError};
use crate::flow::{Flow, Version};
use crate::id::{FlowId, OrgId};
use crate::page::{Page, Window};

/// Flows and their versions.
pub trait Flows {
    /// Writes a new flow with its first version. `Err(Changed)`: the slug is taken.
    fn create_flow(&self, flow: &Flow, version: &Version) -> impl Future<Output = Result<(), CommitError>>;
    /// Writes a changed head, with a new version if there is one, if the stored head is still `before`: no caller has edited it, and the
    /// schedule has not moved on.
    fn update_flow(&self, before: &Flow, flow: &Flow, version: Option<&Version>) -> impl Future<Output = Result<(), CommitError>>;
    /// Returns the head of a flow.
    fn flow(&self, org: &OrgId, name: &FlowName) -> impl Future<Output = Result<Option<Flow>, PortError>>;
    /// Returns a version of a flow.
    fn version(&self, org: &OrgId, flow: &FlowId, number: u32) -> impl Future<Output = Result<Option<Version>, PortError>>;
    /// Returns flows of an organisation, newest first.
    fn flows(&self, org: &OrgId, window: &Window) -> impl Future<Output = Result<Page<Flow>, PortError>>;
}
