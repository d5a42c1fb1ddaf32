//! The history of decisions in memory.

use domain::gate::{DecisionFilter, DecisionRow};
use domain::id::OrgId;
use domain::ports::{Decisions, Page, PortError, Window};

use super::Memory;
use super::lists::cut;

impl Decisions for Memory {
    async fn add_decision(&self, row: &DecisionRow) -> Result<(), PortError> {
        self.faults
            .call("add_decision", true, || {
                self.state().decisions.insert((row.org, row.sort_key()), row.clone());
                Ok(())
            })
            .await
    }

    async fn decisions(&self, org: &OrgId, filter: &DecisionFilter, window: &Window) -> Result<Page<DecisionRow>, PortError> {
        self.faults
            .read("decisions", || {
                let state = self.state();
                let newest_first: Vec<DecisionRow> =
                    state.decisions.values().rev().filter(|row| row.org == *org && filter.accepts(row)).cloned().collect();
                Ok(cut(&newest_first, window, DecisionRow::sort_key, |key, after| key < after))
            })
            .await
    }
}
