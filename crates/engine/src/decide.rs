//! A person decides. The decision is data; the token is only a bell.

use domain::access::Actor;
use domain::error::ApplicationError;
use domain::flow::{NodeId, NodeIx, NodeKind, Spec};
use domain::gate::{Ballot, BallotOutcome, Gate, Part};
use domain::id::{OrgId, RunId};
use domain::ports::{Clock, CommitError, Executions, PortError, Runs, spec_for};
use domain::run::{NodeStatus, PendingEffect, Run};
use domain::step::Payload;

use crate::run_context::value_of;
use crate::{Engine, Ports, storm};

/// A ballot that was taken, or had been taken before.
#[derive(Debug, Clone, PartialEq)]
pub struct DecisionResult {
    /// The run after it.
    pub run: Run,
    /// The gate after it.
    pub gate: Gate,
    /// What became of it.
    pub counted: BallotOutcome,
}

impl<P: Ports> Engine<P> {
    /// Takes a ballot on a gate of a run: the one at `node`, or the only one that is open.
    pub async fn decide(
        &self,
        org: &OrgId,
        id: &RunId,
        node: Option<&NodeId>,
        actor: &Actor,
        ballot: Ballot,
    ) -> Result<DecisionResult, ApplicationError> {
        let mut spec = None;
        for _ in 0..crate::MAX_TRIES {
            let before = self.run_of(org, id).await?;
            let spec = match &mut spec {
                Some(spec) => spec,
                empty => empty.insert(spec_for(&self.flows, &before).await?),
            };
            let mut gate = self.find_gate(&before, spec, node).await?;
            let (ix, NodeKind::Approval(rules)) = position(spec, &gate.node)? else { return Err(ApplicationError::NotFound("approval")) };
            let now = self.clock.now();
            let proposed = self.at_hand(&mut gate, &ballot).await?;
            let counted = gate.vote(rules, &before.starters(), actor, ballot.clone(), now)?;
            gate.put(Part::ProposedAction, proposed);
            let mut run = before.clone();
            match counted {
                BallotOutcome::Repeated => {
                    self.resume(&run).await;
                    return Ok(DecisionResult { run, gate, counted });
                }
                BallotOutcome::MoreNeeded => run.must_take_votes()?,
                BallotOutcome::Decided(verdict) => run.decide(spec, ix, verdict, &gate.failure_message(), now)?,
            }
            gate = self.runs.offload(&run, gate).await?;
            let mut gates = vec![gate.clone()];
            if run.has_ended() {
                self.close_gates(&before, &mut gates, now).await?;
            }
            match self.runs.commit(run, &gates).await {
                Ok(run) => {
                    self.resume(&run).await;
                    return Ok(DecisionResult { run, gate, counted });
                }
                Err(CommitError::Changed) => {}
                Err(CommitError::Port(error)) => return Err(error.into()),
            }
        }
        Err(storm())
    }

    /// Fetches the proposed action if the ballot brings another one to compare it with. Gives it as it was, to put it back.
    async fn at_hand(&self, gate: &mut Gate, ballot: &Ballot) -> Result<Payload, PortError> {
        let lies = gate.proposed_action.clone();
        if matches!(ballot, Ballot::Approve { action: Some(_), .. }) {
            gate.put(Part::ProposedAction, Payload::Inline(value_of(&self.runs, &lies).await?.into()));
        }
        Ok(lies)
    }

    /// Rings the bell of a run that pending it, if Park has hung one up. If not, Park will find that something has arrived. If
    /// the ringing fails, `reconcile` rings; the decision itself is safe.
    async fn resume(&self, run: &Run) {
        if run.execution.pending == Some(PendingEffect::SendTaskSuccess)
            && let Some(token) = &run.execution.token
            && let Err(error) = self.executions.resume(token).await
        {
            tracing::warn!(run = %run.id, trace = run.trace_id, %error, "a decided run was not woken; the resume is owed");
        }
    }

    async fn find_gate(&self, run: &Run, spec: &Spec, node: Option<&NodeId>) -> Result<Gate, ApplicationError> {
        if let Some(node) = node {
            return self.runs.gate(run, node).await?.ok_or(ApplicationError::NotFound("approval"));
        }
        let open: Vec<NodeIx> = run.progress.with_status(NodeStatus::AwaitingApproval).collect();
        match open.as_slice() {
            [only] => self.runs.gate(run, &spec.node(*only).id).await?.ok_or(ApplicationError::NotFound("approval")),
            // Nothing is open. The last gate says whether this is a repetition, or why it comes too late.
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
