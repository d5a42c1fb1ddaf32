//! Lists in memory: all rows are sorted, and cut to the page.

use domain::access::Assignee;
use domain::gate::Gate;
use domain::id::{FlowId, OrgId, RunId};
use domain::ports::{COUNT_CAP, Page, PortError, RunFilter, RunLists, RunSummary, Window};
use domain::run::Run;
use domain::time::Time;

use super::{BrokenGuarantee, Memory, State};

fn matches(run: &Run, flow: &FlowId, filter: &RunFilter) -> bool {
    let created = run.id.created_at();
    run.flow == *flow
        && filter.status.is_none_or(|status| run.status == status)
        && filter.trigger.is_none_or(|trigger| run.trigger == trigger)
        && filter.from.is_none_or(|from| created >= from)
        && filter.to.is_none_or(|to| created < to)
}

fn summary(run: &Run) -> RunSummary {
    RunSummary {
        id: run.id,
        flow: run.flow,
        flow_version: run.flow_version,
        status: run.status,
        trigger: run.trigger,
        trace_id: run.trace_id.clone(),
        started_at: run.started_at,
        finished_at: run.finished_at,
        error: run.error.as_ref().map(|error| error.message.clone()),
        retry_of: run.retried.as_ref().map(|retried| retried.of),
    }
}

/// Returns the rows after the cursor, cut to the window. `key` returns the sort key of a row, and `is_behind` whether it is after the
/// cursor.
pub(super) fn cut<T: Clone>(all: &[T], window: &Window, key: impl Fn(&T) -> String, is_behind: impl Fn(&str, &str) -> bool) -> Page<T> {
    let behind: Vec<&T> = all.iter().filter(|row| window.after.as_ref().is_none_or(|after| is_behind(&key(row), after))).collect();
    let rows: Vec<T> = behind.iter().skip(window.skip).take(window.limit).map(|row| (*row).clone()).collect();
    let next = rows.last().filter(|_| behind.len() > window.skip + window.limit).map(key);
    Page { rows, next, total: (all.len() as u64).min(COUNT_CAP + 1), unreadable: 0 }
}

impl State {
    fn runs_of(&self, flow: &FlowId, filter: &RunFilter, window: &Window) -> Page<RunSummary> {
        let newest_first: Vec<RunSummary> = self.runs.values().rev().filter(|run| matches(run, flow, filter)).map(summary).collect();
        cut(&newest_first, window, |row| row.id.to_string(), |key, after| key < after)
    }

    fn open_gates(
        &self,
        org: &OrgId,
        assignees: Option<&[Option<Assignee>]>,
        wanted: &(dyn Fn(&Gate) -> bool + Sync),
        window: &Window,
    ) -> Page<Gate> {
        let is_wanted = |gate: &&Gate| assignees.is_none_or(|assignees| assignees.contains(&gate.assign_to)) && wanted(gate);
        let has_ended = |run: &RunId| self.runs.get(run).is_some_and(Run::has_ended);
        let is_open = |gate: &&Gate| gate.org == *org && gate.is_open() && !has_ended(&gate.run);
        let open = self.gates.values().filter(is_open).filter(is_wanted);
        let mut open: Vec<Gate> = open.cloned().collect();
        let key = |gate: &Gate| format!("{}#{}", gate.opened_at, gate.id);
        open.sort_by_key(key);
        cut(&open, window, key, |key, after| key > after)
    }

    fn with_pending_effects(&self) -> Vec<RunId> {
        let shown = |run: &&Run| run.execution.pending.is_some() && self.broken != Some(BrokenGuarantee::HidesPendingEffects);
        self.runs.values().filter(shown).map(|run| run.id).collect()
    }

    fn stuck(&self, now: Time) -> Vec<RunId> {
        let hides = self.broken == Some(BrokenGuarantee::HidesPendingEffects);
        let stuck = |run: &&Run| run.execution.pending.is_none() && run.is_stuck(now) && !hides;
        let mut stuck: Vec<&Run> = self.runs.values().filter(stuck).collect();
        stuck.sort_by_key(|run| (run.stuck_at(), run.id));
        stuck.into_iter().map(|run| run.id).collect()
    }
}

impl RunLists for Memory {
    async fn runs_of(&self, flow: &FlowId, filter: &RunFilter, window: &Window) -> Result<Page<RunSummary>, PortError> {
        self.faults.read("runs_of", || Ok(self.state().runs_of(flow, filter, window))).await
    }

    async fn open_gates(
        &self,
        org: &OrgId,
        assignees: Option<&[Option<Assignee>]>,
        wanted: &(dyn Fn(&Gate) -> bool + Sync),
        window: &Window,
    ) -> Result<Page<Gate>, PortError> {
        self.faults.read("open_gates", || Ok(self.state().open_gates(org, assignees, wanted, window))).await
    }

    async fn with_pending_effects(&self) -> Result<Vec<RunId>, PortError> {
        self.faults.read("with_pending_effects", || Ok(self.state().with_pending_effects())).await
    }

    async fn stuck(&self, now: Time) -> Result<Vec<RunId>, PortError> {
        self.faults.read("stuck", || Ok(self.state().stuck(now))).await
    }
}
