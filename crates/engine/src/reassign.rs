//! Assigns an open approval to somebody else.

use domain::access::{Actor, Assignee};
use domain::error::ApplicationError;
use domain::flow::{NodeId, NodeKind};
use domain::gate::Gate;
use domain::id::{ApprovalId, OrgId, RunId};
use domain::ports::{Clock, Runs, UpdateError, optimistic_update, spec_for};

use crate::{Engine, Ports};

/// Which approval is assigned to whom, and by whom.
#[derive(Debug, Clone)]
pub struct Reassign {
    /// The approval.
    pub approval: ApprovalId,
    /// Its node, if the request names it.
    pub node: Option<NodeId>,
    /// Who may decide it from now on.
    pub to: Assignee,
    /// The note for the record.
    pub note: Option<String>,
    /// Whether the actor may reassign every approval, because they may change flows.
    pub may_always: bool,
}

impl<P: Ports> Engine<P> {
    /// Assigns an open approval of a run to somebody else. Its votes and its deadline stay. To assign it to whom it is assigned to already
    /// changes nothing. Fails with `NotFound` if the run has no such approval, with `Forbidden` if the actor may not reassign it, and with
    /// `Conflict` if it is not open.
    pub async fn reassign(&self, org: &OrgId, id: &RunId, actor: &Actor, request: &Reassign) -> Result<Gate, ApplicationError> {
        let reassigned = optimistic_update("the run", async || {
            let run = self.run_of(org, id).await?;
            let gates = self.runs.gates(&run).await?;
            let found = gates.into_iter().find(|gate| gate.id == request.approval);
            let of_node = |gate: &Gate| request.node.as_ref().is_none_or(|node| gate.node == *node);
            let mut gate = found.filter(of_node).ok_or(ApplicationError::NotFound("approval"))?;
            let spec = spec_for(&self.flows, &run).await?;
            let kind = spec.position(&gate.node).map(|ix| &spec.node(ix).kind);
            let Some(NodeKind::Approval(rules)) = kind else { return Err(ApplicationError::NotFound("approval").into()) };
            let now = self.clock.now();
            gate.may_reassign(rules, &run.starters(), actor, request.may_always, now).map_err(ApplicationError::from)?;
            run.must_take_votes()?;
            if gate.reassign(request.to.clone(), actor.recorded(), request.note.clone(), now) {
                self.runs.commit(run, std::slice::from_ref(&gate)).await?;
            }
            Ok::<_, UpdateError>(gate)
        });
        reassigned.await
    }
}
