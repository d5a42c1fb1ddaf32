//! Decisions, as rows of the history.

use domain::gate::DecisionRow;
use serde_json::{Value, json};

use super::identity::put_identity;

/// Returns a row of the history of decisions.
pub fn decision_row(row: &DecisionRow) -> Value {
    let mut view = json!({
        "approvalId": row.approval,
        "runId": row.run,
        "nodeId": row.node,
        "flow": {"id": row.flow, "slug": row.flow_slug, "version": row.flow_version},
        "actionLabel": row.action_label,
        "verdict": row.verdict,
        "actor": row.actor,
        "openedAt": row.opened_at,
        "decidedAt": row.decided_at,
        "edited": row.is_edited(),
        "note": row.note,
        "proposedSha256": row.proposed_sha256,
        "decidedSha256": row.decided_sha256,
    });
    put_identity(&mut view, "identity", row.identity.as_ref());
    view
}
