//! How the store in memory breaks a [`BrokenGuarantee`]. Without one, nothing here has an effect.

use domain::flow::{Spec, Version};
use domain::gate::{Gate, Verdict};
use domain::id::{FlowId, OrgId, RunId};
use domain::run::{Exit, NodeState, NodeStatus, PendingEffect, Progress, Run};
use domain::step::{StepKey, StepRecord};
use serde_json::Value;

use super::{BrokenGuarantee, State};

impl State {
    /// Returns whether a write that must be refused is done nevertheless.
    pub(super) fn writes_anyway(&self, stored: &Run, run: &Run, gates: &[Gate]) -> bool {
        match self.broken {
            Some(BrokenGuarantee::IgnoresRev) => true,
            Some(BrokenGuarantee::IgnoresTakeover) => {
                let (now, then) = (&stored.execution, &run.execution);
                now.segment == then.segment && now.owner.is_some() && then.owner.is_some() && now.owner != then.owner
            }
            Some(BrokenGuarantee::ExpiresAnyway) => {
                gates.iter().any(|gate| gate.outcome.as_ref().is_some_and(|outcome| outcome.verdict == Verdict::Expired))
            }
            _ => false,
        }
    }

    /// Returns a run as it is stored.
    pub(super) fn as_stored(&self, run: &Run) -> Run {
        let mut stored = run.clone();
        if self.broken == Some(BrokenGuarantee::ForgetsResumes) {
            stored.execution.pending = stored.execution.pending.filter(|effect| *effect != PendingEffect::SendTaskSuccess);
        }
        stored
    }

    /// Returns the name under which a step is recorded.
    pub(super) fn key_of(&self, step: &StepRecord) -> StepKey {
        if self.broken == Some(BrokenGuarantee::MixesRounds) { StepKey::new(&step.node, 1) } else { step.key() }
    }

    pub(super) fn read_run(&self, id: &RunId) -> Option<Run> {
        let mut run = self.runs.get(id).cloned()?;
        if self.broken == Some(BrokenGuarantee::ReadsAhead) {
            let done = |state: &NodeState| NodeState { status: NodeStatus::Succeeded, exit: Exit::Normal, started_at: None, ..*state };
            let states = run.progress.states().iter().map(|state| if state.is_under_way() { done(state) } else { *state });
            run.progress = Progress::from_states(states.collect());
        }
        Some(run)
    }

    pub(super) fn read_gate(&self, name: &(RunId, StepKey)) -> Option<Gate> {
        let mut gate = self.gates.get(name).cloned()?;
        if self.broken == Some(BrokenGuarantee::ShowsAnother) && gate.is_open() {
            gate.action_label.push('!');
        }
        Some(gate)
    }

    pub(super) fn read_version(&self, name: &(OrgId, FlowId, u32)) -> Option<Version> {
        let version = Version::clone(self.versions.get(name)?);
        if self.broken == Some(BrokenGuarantee::ForgetsAnEdge) {
            let spec = without_an_edge(&version.spec).unwrap_or(version.spec);
            return Some(Version { spec, ..version });
        }
        Some(version)
    }
}

/// Returns the spec without the last edge into a join that it can lack and still be valid.
fn without_an_edge(spec: &Value) -> Option<Value> {
    let edges = spec["edges"].as_array()?;
    let leads_into_a_join = |edge: &Value| edges.iter().filter(|other| other["to"] == edge["to"]).count() > 1;
    (0..edges.len()).rev().filter(|at| leads_into_a_join(&edges[*at])).find_map(|at| {
        let mut shorter = spec.clone();
        shorter["edges"].as_array_mut()?.remove(at);
        Spec::parse(&shorter).is_ok().then_some(shorter)
    })
}
