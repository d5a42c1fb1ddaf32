//! A row of the history of decisions. There is a copy of it in each list that has it; see [`keys::decisions`].

use domain::access::Identity;
use domain::flow::{NodeId, Slug};
use domain::gate::{DecisionRow, Verdict};
use domain::id::{ApprovalId, FlowId, OrgId, RunId};
use domain::ports::PortError;
use domain::time::Time;
use serde::{Deserialize, Serialize};

use crate::error::corrupt;
use crate::keys;

#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct DecisionItem {
    pk: String,
    sk: String,
    org: OrgId,
    id: ApprovalId,
    run: RunId,
    node: NodeId,
    flow_id: FlowId,
    flow_slug: Slug,
    flow_version: u32,
    action_label: String,
    verdict: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    actor: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    identity: Option<Identity>,
    opened_at: Time,
    decided_at: Time,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    note: Option<String>,
    proposed_sha256: String,
    /// Only if it is another one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    decided_sha256: Option<String>,
}

impl DecisionItem {
    /// Returns the copies of a row, one for each list that has it.
    pub(crate) fn copies_of(row: &DecisionRow) -> Vec<Self> {
        let copy = |pk: String| Self {
            pk,
            sk: row.sort_key(),
            org: row.org,
            id: row.approval,
            run: row.run,
            node: row.node.clone(),
            flow_id: row.flow,
            flow_slug: row.flow_slug.clone(),
            flow_version: row.flow_version,
            action_label: row.action_label.clone(),
            verdict: row.verdict.to_string(),
            actor: row.actor.clone(),
            identity: row.identity.clone(),
            opened_at: row.opened_at,
            decided_at: row.decided_at,
            note: row.note.clone(),
            proposed_sha256: row.proposed_sha256.clone(),
            decided_sha256: row.is_edited().then(|| row.decided_sha256.clone()),
        };
        let of_all = [None, Some(&row.flow)].into_iter().map(|flow| keys::decisions(&row.org, row.kind(), flow, None));
        let of_actor = row.actor.iter().flat_map(|actor| {
            [None, Some(&row.flow)].into_iter().map(move |flow| keys::decisions(&row.org, row.kind(), flow, Some(actor)))
        });
        of_all.chain(of_actor).map(copy).collect()
    }

    pub(crate) fn into_row(self) -> Result<DecisionRow, PortError> {
        Ok(DecisionRow {
            org: self.org,
            approval: self.id,
            run: self.run,
            node: self.node,
            flow: self.flow_id,
            flow_slug: self.flow_slug,
            flow_version: self.flow_version,
            action_label: self.action_label,
            verdict: Verdict::from_name(&self.verdict).ok_or_else(|| corrupt(format!("verdict `{}`", self.verdict)))?,
            actor: self.actor,
            identity: self.identity,
            opened_at: self.opened_at,
            decided_at: self.decided_at,
            note: self.note,
            decided_sha256: self.decided_sha256.unwrap_or_else(|| self.proposed_sha256.clone()),
            proposed_sha256: self.proposed_sha256,
        })
    }
}
