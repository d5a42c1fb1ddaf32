//! Records the decisions of reviewers. The decision is data; the task token only wakes the run.

use domain::access::Actor;
use domain::error::ApplicationError;
use domain::flow::{NodeId, NodeIx, NodeKind, Spec};
use domain::gate::{Ballot, BallotOutcome, Gate, Part};
use domain::id::{OrgId, RunId};
use domain::ports::{Clock, Executions, PortError, Runs, UpdateError, optimistic_update, spec_for};
use domain::run::{NodeStatus, PendingEffect, Run};
use domain::step::Payload;

use crate::run_context::value_of;
use crate::{Engine, Ports};

/// The result of a ballot that was counted now or earlier.
#[derive(Debug, Clone, PartialEq)]
pub struct DecisionResult {
    /// The run after it.
    pub run: Run,
    /// The gate after it.
    pub gate: Gate,
    /// How the ballot was counted.
    pub counted: BallotOutcome,
}

impl<P: Ports> Engine<P> {
    /// Counts a ballot on a gate of a run: the gate at `node`, or the only open one. Fails with `SeveralGates` if `node` is missing and
    /// several are open, with `Forbidden` if the actor may not decide, and with `Conflict` if another decision was first or the run has
    /// ended.
    pub async fn decide(
        &self,
        org: &OrgId,
        id: &RunId,
        node: Option<&NodeId>,
        actor: &Actor,
        ballot: Ballot,
    ) -> Result<DecisionResult, ApplicationError> {
        let mut spec = None;
        let decided = optimistic_update("the run", async || {
            let run = self.run_of(org, id).await?;
            let spec = match &mut spec {
                Some(spec) => spec,
                empty => empty.insert(spec_for(&self.flows, &run).await?),
            };
            self.count_and_commit(run, spec, node, actor, ballot.clone()).await
        });
        let decided = decided.await?;
        self.resume(&decided.run).await;
        Ok(decided)
    }

    /// Counts a ballot as [`decide`](Self::decide) does, and records nothing: the result is what `decide` would return. Fails as `decide`
    /// does.
    pub async fn check_decision(
        &self,
        org: &OrgId,
        id: &RunId,
        node: Option<&NodeId>,
        actor: &Actor,
        ballot: Ballot,
    ) -> Result<DecisionResult, ApplicationError> {
        let run = self.run_of(org, id).await?;
        let spec = spec_for(&self.flows, &run).await?;
        self.count(run, &spec, node, actor, ballot).await
    }

    /// Counts a ballot on the run as it was loaded, and writes the result.
    async fn count_and_commit(
        &self,
        before: Run,
        spec: &Spec,
        node: Option<&NodeId>,
        actor: &Actor,
        ballot: Ballot,
    ) -> Result<DecisionResult, UpdateError> {
        let DecisionResult { run, gate, counted } = self.count(before.clone(), spec, node, actor, ballot).await?;
        if counted == BallotOutcome::Repeated {
            return Ok(DecisionResult { run, gate, counted });
        }
        let gate = self.runs.offload(&run, gate).await?;
        let mut gates = vec![gate.clone()];
        if run.has_ended() {
            self.close_gates(&before, &mut gates, self.clock.now()).await?;
        }
        let run = self.runs.commit(run, &gates).await?;
        Ok(DecisionResult { run, gate, counted })
    }

    /// Counts a ballot on the run as it was loaded.
    async fn count(
        &self,
        mut run: Run,
        spec: &Spec,
        node: Option<&NodeId>,
        actor: &Actor,
        ballot: Ballot,
    ) -> Result<DecisionResult, ApplicationError> {
        let mut gate = self.find_gate(&run, spec, node).await?;
        let (ix, NodeKind::Approval(rules)) = position(spec, &gate.node)? else {
            return Err(ApplicationError::NotFound("approval"));
        };
        let now = self.clock.now();
        let proposed = self.fetch_proposed_action(&mut gate, &ballot).await?;
        let counted = gate.vote(rules, &run.starters(), actor, ballot, now)?;
        gate.put(Part::ProposedAction, proposed);
        match counted {
            BallotOutcome::Repeated => {}
            BallotOutcome::MoreNeeded => run.must_take_votes()?,
            BallotOutcome::Decided(verdict) => run.decide(spec, ix, verdict, &gate.failure_message(), now)?,
        }
        Ok(DecisionResult { run, gate, counted })
    }

    /// Fetches the proposed action if the ballot brings another one to compare it with. Returns the payload as it was stored, so that the
    /// caller can put it back.
    async fn fetch_proposed_action(&self, gate: &mut Gate, ballot: &Ballot) -> Result<Payload, PortError> {
        let stored = gate.proposed_action.clone();
        if matches!(ballot, Ballot::Approve { action: Some(_), .. }) {
            gate.put(Part::ProposedAction, Payload::Inline(value_of(&self.runs, &stored).await?.into()));
        }
        Ok(stored)
    }

    /// Sends the task token of a run that is parked and has a resume pending. A run that is not parked yet goes on by itself, because
    /// Park finds its condition unmet. If this fails, `reconcile` sends the token; the decision itself is safe.
    async fn resume(&self, run: &Run) {
        if run.execution.pending == Some(PendingEffect::SendTaskSuccess)
            && let Some(token) = &run.execution.token
            && let Err(error) = self.executions.resume(token).await
        {
            tracing::warn!(run = %run.id, trace = run.trace_id, %error, "a decided run was not resumed; the resume is pending");
        }
    }

    async fn find_gate(&self, run: &Run, spec: &Spec, node: Option<&NodeId>) -> Result<Gate, ApplicationError> {
        if let Some(node) = node {
            return self.runs.gate(run, node).await?.ok_or(ApplicationError::NotFound("approval"));
        }
        let open: Vec<NodeIx> = run.progress.with_status(NodeStatus::AwaitingApproval).collect();
        match open.as_slice() {
            [only] => self.runs.gate(run, &spec.node(*only).id).await?.ok_or(ApplicationError::NotFound("approval")),
            // No gate is open. The latest gate shows whether this ballot is a repetition, or why it comes too late.
            [] => {
                let latest = self.runs.gates(run).await?.into_iter().max_by_key(|gate| gate.closed_at);
                latest.ok_or_else(|| ApplicationError::Conflict(format!("the run is {} and no approval is open", run.status)))
            }
            several => Err(ApplicationError::SeveralGates(several.iter().map(|ix| spec.node(*ix).id.clone()).collect())),
        }
    }
}

fn position<'s>(spec: &'s Spec, node: &NodeId) -> Result<(NodeIx, &'s NodeKind), ApplicationError> {
    let ix = spec.position(node).ok_or(ApplicationError::NotFound("approval"))?;
    Ok((ix, &spec.node(ix).kind))
}
