//! Reads the version of a flow that is known to exist.

use super::flows::Flows;
use crate::error::PortError;
use crate::flow::{Flow, Spec, Version};
use crate::id::{FlowId, OrgId};
use crate::run::Run;

/// Returns the newest version of a flow. Fails with `Corrupt` if it is not stored.
pub async fn latest_version(flows: &impl Flows, flow: &Flow) -> Result<Version, PortError> {
    version(flows, &flow.org, &flow.id, flow.version).await
}

/// Returns the spec of one version of a flow. Fails with `Corrupt` if the version is not stored or its spec cannot be read.
pub async fn spec_of(flows: &impl Flows, flow: &Flow, number: u32) -> Result<Spec, PortError> {
    let version = version(flows, &flow.org, &flow.id, number).await?;
    version.parsed_spec()
}

/// Returns the version that a run executes, and its spec. Fails with `Corrupt` if the version is not stored, if its spec cannot be read,
/// or if the run does not have the nodes of this spec.
pub async fn version_for(flows: &impl Flows, run: &Run) -> Result<(Version, Spec), PortError> {
    let version = version(flows, &run.org, &run.flow, run.flow_version).await?;
    let spec = version.parsed_spec()?;
    if run.progress.states().len() != spec.len() {
        return Err(PortError::Corrupt(format!("{} does not have the nodes of version {} of {}", run.id, version.number, run.flow)));
    }
    Ok((version, spec))
}

/// Returns the spec that a run executes. Fails as [`version_for`] does.
pub async fn spec_for(flows: &impl Flows, run: &Run) -> Result<Spec, PortError> {
    version_for(flows, run).await.map(|(_, spec)| spec)
}

/// Returns a version of a flow, and its spec. Fails with `Corrupt` if the version is not stored or its spec cannot be read.
pub(super) async fn version_and_spec(flows: &impl Flows, org: &OrgId, flow: &FlowId, number: u32) -> Result<(Version, Spec), PortError> {
    let version = version(flows, org, flow, number).await?;
    let spec = version.parsed_spec()?;
    Ok((version, spec))
}

async fn version(flows: &impl Flows, org: &OrgId, flow: &FlowId, number: u32) -> Result<Version, PortError> {
    let version = flows.version(org, flow, number).await?;
    version.ok_or_else(|| PortError::Corrupt(format!("{flow} has no version {number}")))
}
