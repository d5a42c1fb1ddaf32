//! The item of a gate, with its decision. It never expires.

use std::collections::{BTreeMap, BTreeSet};

use domain::access::{Assignee, Identity, RecordedActor};
use domain::flow::{NodeId, Places, Quorum, ServiceSlug};
use domain::gate::{Basis, ChangeRequest, EarlierDecision, EditedAction, Gate, Outcome, Reassignment, Verdict, Vote};
use domain::id::{ApprovalId, FlowId, OrgId, RunId};
use domain::json::canonical;
use domain::ports::PortError;
use domain::step::{ObjectRef, Payload, StepKey};
use domain::time::Time;
use serde::{Deserialize, Serialize};

use super::{from_text, join, split};
use crate::error::corrupt;
use crate::{inbox, keys};

#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct GateItem {
    pk: String,
    sk: String,
    id: ApprovalId,
    run: RunId,
    node: NodeId,
    org: OrgId,
    flow_id: FlowId,
    action_label: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    proposed_action: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    proposed_action_ref: Option<ObjectRef>,
    #[serde(skip_serializing_if = "Option::is_none")]
    data: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    data_ref: Option<ObjectRef>,
    #[serde(skip_serializing_if = "Option::is_none")]
    assign_to: Option<Assignee>,
    opened_at: Time,
    deadline: Time,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    votes: Vec<VoteItem>,
    /// The action that the votes are for, if it is not the proposed one. Items that were written before edited votes were kept have none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    edited_action: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    edited_action_ref: Option<ObjectRef>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    edited_patch: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    outcome: Option<OutcomeItem>,
    /// The request for changes that ended the round. A gate has this or an outcome.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    changes: Option<ChangesItem>,
    #[serde(skip_serializing_if = "Option::is_none")]
    closed_at: Option<Time>,
    #[serde(skip_serializing_if = "Option::is_none")]
    reused_from: Option<RunId>,
    /// Items that were written before approvals showed what they let happen have none of these five.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    flow_version: Option<u32>,
    /// From 2.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    round: Option<u32>,
    /// The base URL of each service; empty: no such connection.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    base_urls: BTreeMap<ServiceSlug, String>,
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    barred: BTreeSet<String>,
    /// Only if it is by groups.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    quorum: Vec<Places>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    earlier: Option<EarlierItem>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    reassignments: Vec<ReassignmentItem>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    reminders: Vec<Time>,
    #[serde(skip_serializing_if = "Option::is_none")]
    inbox_pk: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    inbox_sk: Option<String>,
}

/// Where an approval is whose id does not lead to its run.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct ApprovalItem {
    pk: String,
    sk: String,
    pub(crate) run: RunId,
    pub(crate) node: NodeId,
}

impl ApprovalItem {
    pub(crate) fn of(gate: &Gate) -> Self {
        Self::at(&gate.id, gate.run, gate.node.clone())
    }

    pub(crate) fn at(id: &ApprovalId, run: RunId, node: NodeId) -> Self {
        Self { pk: keys::approval(id), sk: keys::APPROVAL.to_owned(), run, node }
    }
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct VoteItem {
    actor: String,
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    principals: BTreeSet<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    identity: Option<Identity>,
    at: Time,
    #[serde(skip_serializing_if = "Option::is_none")]
    note: Option<String>,
    action_sha256: String,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    groups: Vec<Assignee>,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct OutcomeItem {
    verdict: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    actor: Option<String>,
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    principals: BTreeSet<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    identity: Option<Identity>,
    decided_at: Time,
    #[serde(skip_serializing_if = "Option::is_none")]
    note: Option<String>,
    /// Only if it differs from the proposed action.
    #[serde(skip_serializing_if = "Option::is_none")]
    decided_action: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    decided_action_ref: Option<ObjectRef>,
    #[serde(skip_serializing_if = "Option::is_none")]
    patch: Option<String>,
    proposed_sha256: String,
    decided_sha256: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    shown_sha256: Option<String>,
}

/// The decision of the run that the run repeats.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct EarlierItem {
    run: RunId,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    changed: Vec<String>,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct ReassignmentItem {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    from: Option<Assignee>,
    to: Assignee,
    /// Absent if the clock reassigned it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    by: Option<RecordedActor>,
    at: Time,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    note: Option<String>,
}

impl ReassignmentItem {
    fn of(reassignment: &Reassignment) -> Self {
        let Reassignment { from, to, by, at, note } = reassignment.clone();
        Self { from, to, by, at, note }
    }

    fn into_reassignment(self) -> Reassignment {
        let Self { from, to, by, at, note } = self;
        Reassignment { from, to, by, at, note }
    }
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct ChangesItem {
    actor: String,
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    principals: BTreeSet<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    identity: Option<Identity>,
    at: Time,
    note: String,
    draft: NodeId,
    draft_round: u32,
}

impl ChangesItem {
    fn of(changes: &ChangeRequest) -> Self {
        let ChangeRequest { by, at, note, draft } = changes;
        Self {
            actor: by.id.clone(),
            principals: by.principals.clone(),
            identity: by.identity.clone(),
            at: *at,
            note: note.clone(),
            draft: draft.node.clone(),
            draft_round: draft.round,
        }
    }

    fn into_changes(self) -> ChangeRequest {
        let by = RecordedActor { id: self.actor, principals: self.principals, identity: self.identity };
        ChangeRequest { by, at: self.at, note: self.note, draft: StepKey { node: self.draft, round: self.draft_round } }
    }
}

impl GateItem {
    pub(crate) fn of(gate: &Gate) -> Self {
        let (proposed_action, proposed_action_ref) = split(Some(&gate.proposed_action));
        let (data, data_ref) = split(gate.data.as_ref());
        let (edited_action, edited_action_ref) = split(gate.edited.as_ref().map(|edited| &edited.action));
        Self {
            pk: keys::run(&gate.run),
            sk: keys::gate(&gate.key()),
            id: gate.id,
            run: gate.run,
            node: gate.node.clone(),
            org: gate.org,
            flow_id: gate.flow,
            action_label: gate.action_label.clone(),
            proposed_action,
            proposed_action_ref,
            data,
            data_ref,
            assign_to: gate.assign_to.clone(),
            opened_at: gate.opened_at,
            deadline: gate.deadline,
            votes: gate
                .votes
                .iter()
                .map(|vote| VoteItem {
                    actor: vote.actor.clone(),
                    principals: vote.principals.clone(),
                    identity: vote.identity.clone(),
                    at: vote.at,
                    note: vote.note.clone(),
                    action_sha256: vote.action_sha256.clone(),
                    groups: vote.groups.clone(),
                })
                .collect(),
            edited_action,
            edited_action_ref,
            edited_patch: gate.edited.as_ref().and_then(|edited| edited.patch.as_ref()).map(canonical),
            outcome: gate.outcome.as_ref().map(OutcomeItem::of),
            changes: gate.changes.as_ref().map(ChangesItem::of),
            closed_at: gate.closed_at,
            reused_from: gate.reused_from,
            flow_version: gate.basis.flow_version,
            round: Some(gate.basis.round).filter(|round| *round > 1),
            base_urls: base_urls(&gate.basis),
            barred: gate.basis.barred.clone(),
            quorum: match &gate.basis.quorum {
                Some(Quorum::From(groups)) => groups.clone(),
                Some(Quorum::Of(_)) | None => Vec::new(),
            },
            earlier: gate.basis.earlier.clone().map(|earlier| EarlierItem { run: earlier.run, changed: earlier.changed }),
            reassignments: gate.reassignments.iter().map(ReassignmentItem::of).collect(),
            reminders: gate.reminders.clone(),
            inbox_pk: gate.is_open().then(|| keys::inbox(&gate.org)),
            inbox_sk: gate.is_open().then(|| inbox::key_of(gate)),
        }
    }

    pub(crate) fn into_gate(self) -> Result<Gate, PortError> {
        let proposed_action = join(self.proposed_action, self.proposed_action_ref)?;
        let proposed_action = proposed_action.ok_or_else(|| corrupt("a gate has no proposed action"))?;
        let edited_patch = self.edited_patch.as_deref().map(from_text).transpose()?;
        let edited = join(self.edited_action, self.edited_action_ref)?.map(|action| EditedAction { action, patch: edited_patch });
        let outcome = self.outcome.map(|outcome| outcome.into_outcome(&proposed_action)).transpose()?;
        Ok(Gate {
            id: self.id,
            run: self.run,
            node: self.node,
            org: self.org,
            flow: self.flow_id,
            action_label: self.action_label,
            proposed_action,
            data: join(self.data, self.data_ref)?,
            assign_to: self.assign_to,
            opened_at: self.opened_at,
            deadline: self.deadline,
            votes: self
                .votes
                .into_iter()
                .map(|vote| Vote {
                    actor: vote.actor,
                    principals: vote.principals,
                    identity: vote.identity,
                    at: vote.at,
                    note: vote.note,
                    action_sha256: vote.action_sha256,
                    groups: vote.groups,
                })
                .collect(),
            edited,
            outcome,
            changes: self.changes.map(ChangesItem::into_changes),
            closed_at: self.closed_at,
            reused_from: self.reused_from,
            basis: Basis {
                flow_version: self.flow_version,
                round: self.round.unwrap_or(1),
                base_urls: self
                    .flow_version
                    .map(|_| self.base_urls.into_iter().map(|(service, url)| (service, Some(url).filter(|url| !url.is_empty()))).collect()),
                barred: self.barred,
                quorum: Some(self.quorum).filter(|groups| !groups.is_empty()).map(Quorum::From),
                earlier: self.earlier.map(|earlier| EarlierDecision { run: earlier.run, changed: earlier.changed }),
            },
            reassignments: self.reassignments.into_iter().map(ReassignmentItem::into_reassignment).collect(),
            reminders: self.reminders,
        })
    }
}

fn base_urls(basis: &Basis) -> BTreeMap<ServiceSlug, String> {
    let base_urls = basis.base_urls.iter().flatten();
    base_urls.map(|(service, url)| (service.clone(), url.clone().unwrap_or_default())).collect()
}

impl OutcomeItem {
    fn of(outcome: &Outcome) -> Self {
        let (decided_action, decided_action_ref) = split(Some(&outcome.decided_action).filter(|_| !outcome.is_as_proposed()));
        Self {
            verdict: outcome.verdict.to_string(),
            actor: outcome.actor.clone(),
            principals: outcome.principals.clone(),
            identity: outcome.identity.clone(),
            decided_at: outcome.decided_at,
            note: outcome.note.clone(),
            decided_action,
            decided_action_ref,
            patch: outcome.patch.as_ref().map(canonical),
            proposed_sha256: outcome.proposed_sha256.clone(),
            decided_sha256: outcome.decided_sha256.clone(),
            shown_sha256: outcome.shown_sha256.clone(),
        }
    }

    fn into_outcome(self, proposed_action: &Payload) -> Result<Outcome, PortError> {
        let decided_action = join(self.decided_action, self.decided_action_ref)?;
        Ok(Outcome {
            verdict: Verdict::from_name(&self.verdict).ok_or_else(|| corrupt(format!("verdict `{}`", self.verdict)))?,
            actor: self.actor,
            principals: self.principals,
            identity: self.identity,
            decided_at: self.decided_at,
            note: self.note,
            decided_action: decided_action.unwrap_or_else(|| proposed_action.clone()),
            proposed_sha256: self.proposed_sha256,
            decided_sha256: self.decided_sha256,
            shown_sha256: self.shown_sha256,
            patch: self.patch.as_deref().map(from_text).transpose()?,
        })
    }
}
