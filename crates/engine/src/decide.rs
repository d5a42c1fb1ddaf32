//! Records the decisions of reviewers. The decision is data; the task token only wakes the run.

use domain::access::Actor;
use domain::error::ApplicationError;
use domain::flow::{Destination, NodeId, NodeIx, NodeKind, Spec};
use domain::gate::{Ballot, BallotError, BallotOutcome, DecisionTarget, Gate, NotBound, OpenApproval, Part};
use domain::id::{ApprovalId, OrgId, RunId};
use domain::ports::{Clock, Executions, PortError, Runs, UpdateError, optimistic_update, spec_for};
use domain::problem::FieldErrors;
use domain::run::{NodeStatus, PendingEffect, Run};
use domain::step::{Payload, StepKey};

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
    /// What the approval lets happen.
    pub destinations: Vec<Destination>,
}

impl<P: Ports> Engine<P> {
    /// Counts a ballot on the approval of a run that `target` names. A target that names none decides only if the flow has a single
    /// approval that was opened once, so that a repetition can never decide another one. Fails with `NotBound` if it is not clear which
    /// one is meant, or if what is shown is not what the target says; with `Forbidden` if the actor may not decide; with `NotBound` or
    /// `Conflict` if another decision was first or the run has ended.
    pub async fn decide(
        &self,
        org: &OrgId,
        id: &RunId,
        target: &DecisionTarget,
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
            self.count_and_commit(run, spec, target, actor, ballot.clone()).await
        });
        let mut decided = decided.await?;
        if decided.run.has_ended() {
            decided.run = self.try_dispatch_end(decided.run).await;
        } else {
            self.resume(&decided.run).await;
        }
        Ok(decided)
    }

    /// Counts a ballot on an approval of which only the id is known, as [`decide`](Self::decide) does. Fails with `NotFound` if the
    /// organisation has no such approval.
    pub async fn decide_approval(
        &self,
        org: &OrgId,
        approval: &ApprovalId,
        shown_sha256: String,
        actor: &Actor,
        ballot: Ballot,
    ) -> Result<DecisionResult, ApplicationError> {
        let named = match approval.place() {
            Some(place) => self.runs.load(&place.run).await?.filter(|run| run.org == *org).map(|run| run.id),
            None => None,
        };
        let run = match named {
            Some(run) => run,
            // An earlier version made the id.
            None => self.runs.place_of_approval(org, approval).await?.ok_or(ApplicationError::NotFound("approval"))?.0,
        };
        let target = DecisionTarget { node: None, approval: Some(*approval), shown_sha256: Some(shown_sha256) };
        self.decide(org, &run, &target, actor, ballot).await
    }

    /// Counts a ballot as [`decide`](Self::decide) does, and records nothing: the result is what `decide` would return. Fails as `decide`
    /// does.
    pub async fn check_decision(
        &self,
        org: &OrgId,
        id: &RunId,
        target: &DecisionTarget,
        actor: &Actor,
        ballot: Ballot,
    ) -> Result<DecisionResult, ApplicationError> {
        let run = self.run_of(org, id).await?;
        let spec = spec_for(&self.flows, &run).await?;
        self.count(run, &spec, target, actor, ballot).await
    }

    /// Counts a ballot on the run as it was loaded, and writes the result.
    async fn count_and_commit(
        &self,
        run: Run,
        spec: &Spec,
        target: &DecisionTarget,
        actor: &Actor,
        ballot: Ballot,
    ) -> Result<DecisionResult, UpdateError> {
        let DecisionResult { run, gate, counted, destinations } = self.count(run, spec, target, actor, ballot).await?;
        if counted == BallotOutcome::Repeated {
            return Ok(DecisionResult { run, gate, counted, destinations });
        }
        let gate = self.runs.offload(&run, gate).await?;
        let run = self.runs.commit(run, std::slice::from_ref(&gate)).await?;
        Ok(DecisionResult { run, gate, counted, destinations })
    }

    /// Counts a ballot on the run as it was loaded.
    async fn count(
        &self,
        mut run: Run,
        spec: &Spec,
        target: &DecisionTarget,
        actor: &Actor,
        ballot: Ballot,
    ) -> Result<DecisionResult, ApplicationError> {
        let mut gate = self.find_gate(&run, spec, target).await?;
        let (ix, NodeKind::Approval(rules)) = position(spec, &gate.node)? else {
            return Err(ApplicationError::NotFound("approval"));
        };
        let now = self.clock.now();
        let proposed = self.fetch_proposed_action(&mut gate, &ballot).await?;
        if let Some(excluded) = gate.exclusion(rules, &run, actor) {
            return Err(excluded.into());
        }
        let counted = match gate.vote(rules, &run.starters(), actor, ballot, now) {
            Ok(counted) => counted,
            Err(error @ (BallotError::AlreadyDecided(_) | BallotError::Closed(_))) => {
                return Err(self.with_open_approvals(&run, spec, error.into()).await?);
            }
            Err(error) => return Err(error.into()),
        };
        gate.put(Part::ProposedAction, proposed);
        if let (BallotOutcome::Decided(_), shown) = (counted, gate.shown_sha256(spec))
            && let Some(outcome) = &mut gate.outcome
        {
            // All that is shown stays as it is while the approval is open, so this is what the reviewer was shown.
            outcome.shown_sha256 = shown;
        }
        match counted {
            BallotOutcome::Repeated => {}
            BallotOutcome::MoreNeeded => run.must_take_votes()?,
            BallotOutcome::Decided(verdict) => run.decide(spec, ix, verdict, &gate.failure_message(), now)?,
        }
        let destinations = gate.destinations(spec);
        Ok(DecisionResult { run, gate, counted, destinations })
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
    pub(crate) async fn resume(&self, run: &Run) {
        if run.execution.pending == Some(PendingEffect::SendTaskSuccess)
            && let Some(token) = &run.execution.token
            && let Err(error) = self.executions.resume(token).await
        {
            tracing::warn!(run = %run.id, trace = run.trace_id, %error, "a decided run was not resumed; the resume is pending");
        }
    }

    /// Returns the gate that the target means. Fails if that is not clear, and if what is shown of it is not what the target says.
    pub(crate) async fn find_gate(&self, run: &Run, spec: &Spec, target: &DecisionTarget) -> Result<Gate, ApplicationError> {
        let gate = match (&target.approval, &target.node, &target.shown_sha256) {
            (Some(id), node, _) => {
                let gate = self.gate_by_id(run, spec, id).await?;
                if node.as_ref().is_some_and(|node| gate.node != *node) {
                    let fields = FieldErrors::one("nodeId", format!("is not the node of this approval, which is `{}`", gate.node));
                    let message = "the request names two approvals; send the id alone".to_owned();
                    return Err(ApplicationError::Unprocessable { message, fields });
                }
                gate
            }
            (None, Some(node), shown) => {
                let gate = self.newest_gate(run, node).await?.ok_or(ApplicationError::NotFound("approval"))?;
                if shown.is_none() && gate.basis.round > 1 {
                    let message = "this approval was opened more than once; say which with approvalId".to_owned();
                    return Err(self.not_bound(run, spec, message, Vec::new()).await?);
                }
                gate
            }
            (None, None, Some(shown)) => {
                let gates = self.runs.gates(run).await?;
                let found = gates.into_iter().find(|gate| gate.shown_sha256(spec).as_ref() == Some(shown));
                match found {
                    Some(gate) => gate,
                    None => return Err(self.changed(run, spec, None, shown).await?),
                }
            }
            (None, None, None) => return self.only_gate(run, spec).await,
        };
        match &target.shown_sha256 {
            Some(shown) if gate.shown_sha256(spec).as_ref() != Some(shown) => Err(self.changed(run, spec, Some(&gate), shown).await?),
            _ => Ok(gate),
        }
    }

    /// Returns the gate of the run that has this id.
    async fn gate_by_id(&self, run: &Run, spec: &Spec, id: &ApprovalId) -> Result<Gate, ApplicationError> {
        let place = id.place().filter(|place| place.run == run.id);
        if let Some(node) = place.and_then(|place| spec.at(place.position))
            && let Some(place) = place
            && let Some(gate) = self.runs.gate_in_round(run, &StepKey::new(&node.id, place.round)).await?.filter(|gate| gate.id == *id)
        {
            return Ok(gate);
        }
        // An earlier version made the id, or it is not one of this run.
        let gates = self.runs.gates(run).await?;
        gates.into_iter().find(|gate| gate.id == *id).ok_or(ApplicationError::NotFound("approval"))
    }

    /// Returns the gate of a run whose flow has a single approval, if that was opened once.
    async fn only_gate(&self, run: &Run, spec: &Spec) -> Result<Gate, ApplicationError> {
        let approvals: Vec<&NodeId> =
            spec.order().map(|ix| spec.node(ix)).filter(|node| matches!(node.kind, NodeKind::Approval(_))).map(|node| &node.id).collect();
        let not_open = || ApplicationError::Conflict(format!("the run is {} and no approval is open", run.status));
        match approvals.as_slice() {
            [] => Err(not_open()),
            [only] => match self.newest_gate(run, only).await? {
                None => Err(not_open()),
                Some(gate) if gate.basis.round == 1 => Ok(gate),
                Some(_) => {
                    let message = "this approval was opened more than once; say which with approvalId".to_owned();
                    Err(self.not_bound(run, spec, message, Vec::new()).await?)
                }
            },
            several => {
                let open: Vec<NodeIx> = run.progress.with_status(NodeStatus::AwaitingApproval).collect();
                let names = open.iter().map(|ix| spec.node(*ix).id.as_str()).collect::<Vec<_>>().join(", ");
                let message = match open.as_slice() {
                    [] => format!("the flow has {} approvals, of which none is open; say which with nodeId", several.len()),
                    [_] => format!("the flow has {} approvals; say which with nodeId: {names}", several.len()),
                    _ => format!("several approvals are open; say which with nodeId: {names}"),
                };
                Err(self.not_bound(run, spec, message, Vec::new()).await?)
            }
        }
    }

    /// Returns the error for a decision that is bound to something else than what `gate` shows, or than any gate of the run shows.
    async fn changed(&self, run: &Run, spec: &Spec, gate: Option<&Gate>, shown: &str) -> Result<ApplicationError, PortError> {
        let gates = self.runs.gates(run).await?;
        let seen = gates.iter().filter_map(|gate| gate.shown(spec)).find(|seen| seen.sha256() == shown);
        let now = gate.and_then(|gate| gate.shown(spec));
        let changed = match (now, seen) {
            (Some(now), Some(seen)) => now.changes_since(&seen),
            _ => Vec::new(),
        };
        let changed = if changed.is_empty() { vec!["shownSha256".to_owned()] } else { changed };
        let message = "this is not what the approval shows; read it again, and decide what is shown then".to_owned();
        self.not_bound(run, spec, message, changed).await
    }

    async fn not_bound(&self, run: &Run, spec: &Spec, message: String, changed: Vec<String>) -> Result<ApplicationError, PortError> {
        let gates = self.runs.gates(run).await?;
        // A gate whose run has just ended is closed by the same write.
        let mut open: Vec<&Gate> = gates.iter().filter(|gate| gate.is_open()).collect();
        open.sort_by_key(|gate| spec.position(&gate.node));
        let open = open.into_iter().map(|gate| OpenApproval::of(gate, spec)).collect();
        Ok(ApplicationError::NotBound(Box::new(NotBound { message, changed, open })))
    }

    /// Adds to a refusal which approvals of the run are open, if any are.
    pub(crate) async fn with_open_approvals(&self, run: &Run, spec: &Spec, error: ApplicationError) -> Result<ApplicationError, PortError> {
        if run.progress.with_status(NodeStatus::AwaitingApproval).next().is_none() {
            return Ok(error);
        }
        self.not_bound(run, spec, error.to_string(), Vec::new()).await
    }
}

fn position<'s>(spec: &'s Spec, node: &NodeId) -> Result<(NodeIx, &'s NodeKind), ApplicationError> {
    let ix = spec.position(node).ok_or(ApplicationError::NotFound("approval"))?;
    Ok((ix, &spec.node(ix).kind))
}
