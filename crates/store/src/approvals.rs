//! Finds approvals that were opened by an earlier version.

use domain::flow::NodeId;
use domain::id::{ApprovalId, OrgId, RunId};
use domain::ports::PortError;

use crate::items::GateItem;
use crate::{Table, error, keys, read, text};

impl Table {
    /// Returns the place of an open approval that an earlier version opened, and that nothing has written since. The key in the inbox
    /// follows from its id, which was made of the time at which it opened.
    pub(crate) async fn gate_opened_by_an_earlier_version(
        &self,
        org: &OrgId,
        id: &ApprovalId,
    ) -> Result<Option<(RunId, NodeId)>, PortError> {
        let request = self
            .client
            .query()
            .table_name(&self.name)
            .index_name(keys::INBOX)
            .key_condition_expression("inboxPk = :pk AND inboxSk = :sk")
            .expression_attribute_values(":pk", text(keys::inbox(org)))
            .expression_attribute_values(":sk", text(format!("{}#{id}", id.created_at())));
        let answer = request.send().await.map_err(error::port)?;
        let Some(item) = answer.items.unwrap_or_default().pop() else { return Ok(None) };
        let gate = read::<GateItem>(item)?.into_gate()?;
        Ok(Some((gate.run, gate.node)))
    }
}
