//! Finds an approval by its id, and what an approval belongs to.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, PoisonError};

use super::flows::Flows;
use super::runs::Runs;
use super::versions::{version_and_spec, version_for};
use crate::error::PortError;
use crate::flow::{NodeKind, Spec, Version};
use crate::gate::Gate;
use crate::id::{ApprovalId, FlowId, OrgId};
use crate::json::length_up_to;
use crate::run::Run;
use crate::step::StepKey;

/// An approval with what it belongs to.
#[derive(Debug, Clone)]
pub struct FoundApproval {
    /// The approval.
    pub gate: Gate,
    /// Its run.
    pub run: Run,
    /// The version of the flow that the run executes.
    pub version: Version,
    /// The spec of that version.
    pub spec: Spec,
}

impl FoundApproval {
    /// Returns the actors whom `requireDifferentActor` shuts out of this approval.
    pub fn barred(&self) -> BTreeSet<String> {
        barred(&self.gate, &self.run, &self.spec)
    }
}

/// Returns the actors whom `requireDifferentActor` shuts out of an approval. An approval that an earlier version opened does not say them.
pub fn barred(gate: &Gate, run: &Run, spec: &Spec) -> BTreeSet<String> {
    let kind = spec.position(&gate.node).map(|ix| &spec.node(ix).kind);
    let requires = matches!(kind, Some(NodeKind::Approval(rules)) if rules.require_different_actor);
    if requires {
        run.starters().into_iter().map(str::to_owned).chain(run.trigger_changers.clone()).chain(gate.basis.barred.clone()).collect()
    } else {
        BTreeSet::new()
    }
}

/// The versions of flows that this process has read. A version never changes, so each is read once.
#[derive(Debug, Clone, Default)]
pub struct KnownVersions(Arc<Mutex<Known>>);

#[derive(Debug, Default)]
struct Known {
    versions: BTreeMap<(OrgId, FlowId, u32), Arc<(Version, Spec)>>,
    /// The bytes of their specs as JSON.
    bytes: usize,
}

impl KnownVersions {
    /// The most bytes of specs that are kept. When there are more, all are forgotten.
    const MAX_BYTES: usize = 4_000_000;

    /// Returns a version of a flow, and its spec. Fails with `Corrupt` if the version is not stored or its spec cannot be read.
    pub async fn get(&self, flows: &impl Flows, org: &OrgId, flow: &FlowId, number: u32) -> Result<Arc<(Version, Spec)>, PortError> {
        let key = (*org, *flow, number);
        if let Some(known) = self.0.lock().unwrap_or_else(PoisonError::into_inner).versions.get(&key) {
            return Ok(Arc::clone(known));
        }
        let read = Arc::new(version_and_spec(flows, org, flow, number).await?);
        let bytes = length_up_to(&read.0.spec, Self::MAX_BYTES).unwrap_or(Self::MAX_BYTES);
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if known.bytes + bytes > Self::MAX_BYTES {
            *known = Known::default();
        }
        known.bytes += bytes;
        known.versions.insert(key, Arc::clone(&read));
        Ok(read)
    }
}

/// Returns the approval of an organisation that has this id, open or decided: by three reads, whatever the number of approvals.
pub async fn find_approval(runs: &impl Runs, flows: &impl Flows, org: &OrgId, id: &ApprovalId) -> Result<Option<FoundApproval>, PortError> {
    if let Some(place) = id.place()
        && let Some(run) = runs.load(&place.run).await?.filter(|run| run.org == *org)
    {
        let (version, spec) = version_for(flows, &run).await?;
        if let Some(node) = spec.at(place.position)
            && let Some(gate) = runs.gate_in_round(&run, &StepKey::new(&node.id, place.round)).await?.filter(|gate| gate.id == *id)
        {
            return Ok(Some(FoundApproval { gate, run, version, spec }));
        }
    }
    let Some((run, node)) = runs.place_of_approval(org, id).await? else { return Ok(None) };
    let Some(run) = runs.load(&run).await?.filter(|run| run.org == *org) else { return Ok(None) };
    let (version, spec) = version_for(flows, &run).await?;
    // The id does not say the round.
    let gate = runs.gates(&run).await?.into_iter().find(|gate| gate.node == node && gate.id == *id);
    Ok(gate.map(|gate| FoundApproval { gate, run, version, spec }))
}
