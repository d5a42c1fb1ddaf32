//! A run is run again, as a new run that goes on from what the one before it had finished.

use std::sync::Arc;

use domain::access::Actor;
use domain::error::ApplicationError;
use domain::flow::{NodeId, NodeIx, NodeKind, Spec};
use domain::id::{OrgId, RunId};
use domain::json::sha256_hex;
use domain::ports::{Clock, Effects, Entropy, PortError, Runs, spec_for, spec_of};
use domain::problem::FieldErrors;
use domain::run::{Retried, Reuse, Run};
use domain::step::{Payload, StepRecord};
use domain::time::Time;
use serde_json::json;

use crate::advance::Driver;
use crate::attempt::Finished;
use crate::planner::{Draft, take_in};
use crate::run_context::value_of;
use crate::start::{IdempotencyKey, NewRunRequest, REMEMBER_SECONDS, Started};
use crate::{Engine, Ports};

/// How a run is to be run again.
#[derive(Debug, Clone, Default)]
pub struct RetryOptions {
    /// The node to begin with; none: the first one that did not succeed.
    pub from: Option<NodeId>,
    /// On the newest version of the flow, instead of the one that the run had.
    pub on_latest_version: bool,
    /// The caller's Idempotency-Key.
    pub idempotency_key: Option<String>,
}

impl<P: Ports> Engine<P> {
    /// Runs a failed or cancelled run again. The new run has the same input, and does nothing that the old one had finished.
    pub async fn retry(
        &self,
        entropy: &impl Entropy,
        org: &OrgId,
        id: &RunId,
        actor: &Actor,
        again: RetryOptions,
    ) -> Result<Started, ApplicationError> {
        let before = self.run_of(org, id).await?;
        let retried = before.retried(again.from.clone())?;
        let flow = self.flow_of(&before).await?;
        let old = spec_for(&self.flows, &before).await?;
        let version = if again.on_latest_version { flow.version } else { before.flow_version };
        let spec = if version == before.flow_version { old.clone() } else { spec_of(&self.flows, &flow, version).await? };
        if let Some(from) = again.from.as_ref().filter(|from| from.is_internal() || spec.position(from).is_none()) {
            return Err(ApplicationError::Invalid(FieldErrors::one(
                "fromNodeId",
                format!("version {version} of the flow has no node `{from}`"),
            )));
        }
        let input = Arc::unwrap_or_clone(value_of(&self.runs, &self.runs.input(&before).await?).await?);
        self.must_be_kept(&before, &old, &spec, again.from.as_ref()).await?;
        let body = json!({"from": again.from.as_ref().map(NodeId::as_str), "latest": again.on_latest_version});
        let key = again.idempotency_key.map(|key| IdempotencyKey {
            scope: id.to_string(),
            key,
            body_sha256: sha256_hex(&body),
            seconds: REMEMBER_SECONDS,
        });
        let request = NewRunRequest { flow: &flow, version, spec: &spec, trigger: before.trigger, actor, retried: Some(retried), key };
        self.create_and_start(entropy, request, &input).await
    }

    /// What would be taken over must still be there. The records of a run go together, so the first one speaks for all; whatever
    /// it says, the worker looks at each when its turn comes.
    async fn must_be_kept(&self, before: &Run, old: &Spec, spec: &Spec, from: Option<&NodeId>) -> Result<(), ApplicationError> {
        let reuse = Reuse::of(before, old, spec, from);
        let first = spec.order().find(|ix| reuse.contains(*ix) && !matches!(spec.node(*ix).kind, NodeKind::Approval(_)));
        let Some(node) = first.map(|ix| &spec.node(ix).id) else { return Ok(()) };
        match self.runs.step(before, node, self.clock.now()).await? {
            Some(record) if record.purged.is_none() => Ok(()),
            _ => Err(ApplicationError::Conflict(no_longer_kept(node, &before.id))),
        }
    }

    /// The run that `run` repeats, if it repeats one.
    pub(crate) async fn before(&self, run: &Run, spec: &Spec) -> Result<Option<Before>, PortError> {
        let Some(Retried { of, from, .. }) = &run.retried else { return Ok(None) };
        let before = self.runs.load(of).await?.ok_or_else(|| PortError::Corrupt(format!("{} repeats {of}, which is not there", run.id)))?;
        let old = spec_for(&self.flows, &before).await?;
        let reuse = Reuse::of(&before, &old, spec, from.as_ref());
        Ok(Some(Before { run: before, spec: old, reuse }))
    }
}

fn no_longer_kept(node: &NodeId, run: &RunId) -> String {
    format!("what `{node}` put out in {run} is no longer kept; retry from there, or start a new run")
}

/// A run that another one repeats.
pub(crate) struct Before {
    run: Run,
    spec: Spec,
    reuse: Reuse,
}

impl<P: Ports, E: Effects, N: Entropy> Driver<'_, P, E, N> {
    /// Takes a node over from the run before this one. None if it has to be done again; else whether the run moved on by it.
    pub(crate) async fn take_over(&mut self, draft: &mut Draft, ix: NodeIx, now: Time) -> Result<Option<bool>, PortError> {
        let Some(before) = self.before.filter(|before| before.reuse.contains(ix)) else { return Ok(None) };
        let (spec, runs) = (self.spec, &self.engine.runs);
        let node = spec.node(ix);
        if matches!(node.kind, NodeKind::Approval(_)) {
            let exit = before.spec.position(&node.id).map(|then| before.run.progress.get(then).exit).unwrap_or_default();
            let gate = runs.gate(&before.run, &node.id).await?.filter(|gate| gate.outcome.is_some());
            let gate = gate.ok_or_else(|| PortError::Corrupt(format!("{} was decided at {} without a record", before.run.id, node.id)))?;
            let gate = runs.offload(&draft.run, gate.taken_over_by(&draft.run)).await?;
            let moved = draft.run.take_over_gate(spec, ix, exit, now).is_ok();
            if moved {
                self.known.add_gate(runs, &gate).await?;
                draft.gates.push(gate);
            }
            return Ok(Some(moved));
        }
        let Some(record) = runs.step(&before.run, &node.id, now).await?.filter(|record| record.purged.is_none()) else {
            // To do it again would repeat an effect that succeeded.
            let cause = no_longer_kept(&node.id, &before.run.id);
            _ = draft.run.abandon(draft.run.execution.segment, &cause, now);
            return Ok(Some(true));
        };
        let reused_from = record.reused_from.or(Some(before.run.id));
        let record = runs.record(&draft.run, StepRecord { run: draft.run.id, reused_from, ..record }).await?;
        let output = match &record.output {
            Some(Payload::Inline(value)) => Some(Arc::clone(value)),
            _ => None,
        };
        Ok(Some(take_in(spec, &mut self.known, &mut draft.run, &Finished { ix, record, output }, now).is_ok()))
    }
}
