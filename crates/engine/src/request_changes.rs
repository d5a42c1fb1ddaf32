//! Requests for changes: a reviewer sends the run back to the draft, and the approval opens anew as the next round.

use domain::access::Actor;
use domain::error::ApplicationError;
use domain::flow::{NodeId, NodeKind, Spec};
use domain::gate::{BallotError, DecisionTarget, Gate};
use domain::id::{OrgId, RunId};
use domain::ports::{Clock, PortError, Runs, UpdateError, optimistic_update, spec_for};
use domain::run::Run;
use domain::step::StepKey;

use crate::{Engine, Ports};

/// The result of a request for changes, now or earlier.
#[derive(Debug, Clone, PartialEq)]
pub struct ChangesRequested {
    /// The run after it.
    pub run: Run,
    /// The gate in the round that the request has ended.
    pub gate: Gate,
}

impl<P: Ports> Engine<P> {
    /// Requests changes at the open gate that `target` names: the run goes back to the draft that the flow names, and does again what lies
    /// between. One write closes the gate and moves the run; an approval at the same time comes first or is refused. The same request
    /// again by the same actor changes nothing and is no error.
    ///
    /// Fails as [`decide`](Self::decide) does, and with `Conflict` if the flow has no `revise` for the gate, if its rounds are exhausted,
    /// or if the run has no draft to revise.
    pub async fn request_changes(
        &self,
        org: &OrgId,
        id: &RunId,
        target: &DecisionTarget,
        actor: &Actor,
        note: &str,
    ) -> Result<ChangesRequested, ApplicationError> {
        let mut spec = None;
        let requested = optimistic_update("the run", async || {
            let run = self.run_of(org, id).await?;
            let spec = match &mut spec {
                Some(spec) => spec,
                empty => empty.insert(spec_for(&self.flows, &run).await?),
            };
            self.revise_and_commit(run, spec, target, actor, note).await
        });
        let requested = requested.await?;
        self.resume(&requested.run).await;
        Ok(requested)
    }

    /// Requests changes of the run as it was loaded, and writes the result.
    async fn revise_and_commit(
        &self,
        mut run: Run,
        spec: &Spec,
        target: &DecisionTarget,
        actor: &Actor,
        note: &str,
    ) -> Result<ChangesRequested, UpdateError> {
        let mut gate = self.find_gate(&run, spec, target).await?;
        let ix = spec.position(&gate.node).ok_or(ApplicationError::NotFound("approval"))?;
        let NodeKind::Approval(rules) = &spec.node(ix).kind else { return Err(ApplicationError::NotFound("approval").into()) };
        let now = self.clock.now();
        match gate.is_new_request(rules, &run.starters(), actor, note, now) {
            Ok(true) => {}
            Ok(false) => return Ok(ChangesRequested { run, gate }),
            Err(error @ (BallotError::AlreadyDecided(_) | BallotError::Closed(_))) => {
                return Err(self.with_open_approvals(&run, spec, error.into()).await?.into());
            }
            Err(error) => return Err(ApplicationError::from(error).into()),
        }
        let revised = run.revise(spec, ix, now).map_err(ApplicationError::from)?;
        gate.close_for_changes(actor, note, revised.draft, now);
        let run = self.runs.commit(run, std::slice::from_ref(&gate)).await?;
        Ok(ChangesRequested { run, gate })
    }

    /// Returns the gate of a node in its newest round that has opened. It is closed if changes were requested and the next one has not
    /// opened yet: so a repetition finds what it repeats, and a ballot hears why it does not count.
    pub(crate) async fn newest_gate(&self, run: &Run, node: &NodeId) -> Result<Option<Gate>, PortError> {
        for round in (1..=run.round_of(node)).rev() {
            if let Some(gate) = self.runs.gate_in_round(run, &StepKey::new(node, round)).await? {
                return Ok(Some(gate));
            }
        }
        Ok(None)
    }
}
