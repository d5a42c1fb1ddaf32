//! The history of decisions. Its rows follow from the gates, so they are made outside of the runs: from what the table's stream shows, and
//! for gates that were decided before there was a history, from the gates themselves.

use std::collections::BTreeMap;

use domain::gate::DecisionRow;
use domain::id::{OrgId, RunId};
use domain::ports::{Decisions, Flows, PortError, RunFilter, RunLists, Runs, Window};
use domain::run::Run;
use domain::webhook::StreamChange;
use futures_util::stream::{self, StreamExt};

/// How many runs are read at the same time.
const CONCURRENCY: usize = 8;
/// The number of rows that are read at a time, of flows and of runs.
const PAGE: usize = 100;

/// Adds decisions to the history.
#[derive(Debug, Clone)]
pub struct DecisionHistory<R, D> {
    /// Runs and their gates.
    pub runs: R,
    /// The history.
    pub decisions: D,
}

impl<R: Runs, D: Decisions> DecisionHistory<R, D> {
    /// Adds the decisions that changes of the table show. Returns, for each change in order, whether the history has its decision. A change
    /// may be given again: what is in the history already stays as it is.
    pub async fn add(&self, changes: &[StreamChange]) -> Vec<Result<(), PortError>> {
        let each = changes.iter().map(async |change| match change {
            StreamChange::Gate { before, after }
                if after.is_decided_here() && before.as_ref().is_none_or(|gate| gate.outcome.is_none()) =>
            {
                let run = self.runs.load(&after.run).await?;
                let run = run.ok_or_else(|| PortError::Corrupt(format!("{} has a gate and does not exist", after.run)))?;
                let Some(row) = DecisionRow::of(after, &run) else { return Ok(()) };
                self.decisions.add_decision(&row).await
            }
            _ => Ok(()),
        });
        stream::iter(each).buffered(CONCURRENCY).collect().await
    }

    /// Adds all decisions of a run. Returns the number of them.
    async fn add_run(&self, run: &Run) -> Result<u64, PortError> {
        let mut added = 0;
        for row in self.runs.gates(run).await?.iter().filter_map(|gate| DecisionRow::of(gate, run)) {
            self.decisions.add_decision(&row).await?;
            added += 1;
        }
        Ok(added)
    }
}

impl<R: Runs, D: Decisions + Flows + RunLists> DecisionHistory<R, D> {
    /// Adds the decisions of all runs of an organisation. Returns the number of them for each flow, by its slug. It reads every run, so it is
    /// for an operator, once: after an update from a version without a history, or after records of the stream were lost.
    pub async fn add_all(&self, org: &OrgId) -> Result<BTreeMap<String, u64>, PortError> {
        let mut added = BTreeMap::new();
        let mut flows = Window { limit: PAGE, ..Window::default() };
        loop {
            let page = self.decisions.flows(org, &flows).await?;
            for flow in &page.rows {
                let mut runs = Window { limit: PAGE, ..Window::default() };
                let count: &mut u64 = added.entry(flow.slug.to_string()).or_default();
                loop {
                    let page = self.decisions.runs_of(&flow.id, &RunFilter::default(), &runs).await?;
                    let ids: Vec<RunId> = page.rows.iter().map(|row| row.id).collect();
                    let each = ids.iter().map(async |id| match self.runs.load(id).await? {
                        Some(run) => self.add_run(&run).await,
                        None => Ok(0),
                    });
                    for counted in stream::iter(each).buffered(CONCURRENCY).collect::<Vec<Result<u64, PortError>>>().await {
                        *count += counted?;
                    }
                    runs.after = page.next;
                    if runs.after.is_none() {
                        break;
                    }
                }
            }
            flows.after = page.next;
            if flows.after.is_none() {
                return Ok(added);
            }
        }
    }
}
