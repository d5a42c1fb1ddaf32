//! Walks through lists from page to page while runs begin, go on and end, compared with a vector that is sorted and cut.

use std::collections::BTreeSet;

use domain::id::{FlowId, OrgId, RunId};
use domain::ports::{COUNT_CAP, RunFilter, RunLists, RunSummary, Runs, Window};
use domain::run::{Run, RunStatus};

use super::Subject;
use super::lists::{SPAN, accepts, random_filter, random_run, summary};
use super::runs::created;
use crate::build::{Maker, at, chain};

/// The number of flows, and of walks through the runs of each.
const FLOWS: usize = 3;
const WALKS: usize = 10;
/// The number of runs of a flow when the first walk begins, and the most that it may get.
const RUNS: usize = 50;
const MOST: usize = 100;
/// Returns the next status of an active run. Mostly it stays active.
const NEXT: [RunStatus; 7] = [
    RunStatus::Running,
    RunStatus::AwaitingApproval,
    RunStatus::Running,
    RunStatus::AwaitingApproval,
    RunStatus::Succeeded,
    RunStatus::Failed,
    RunStatus::Cancelled,
];

/// What the store should have of one flow.
struct Model<'a, S> {
    store: &'a S,
    maker: Maker,
    org: OrgId,
    flow: FlowId,
    runs: Vec<Run>,
}

impl<S: Subject> Model<'_, S> {
    /// Returns the matching rows, newest first.
    fn rows(&self, filter: &RunFilter) -> Vec<RunSummary> {
        let mut rows: Vec<RunSummary> = self.runs.iter().map(summary).filter(|row| accepts(filter, row)).collect();
        rows.sort_by_key(|row| std::cmp::Reverse(row.id));
        rows
    }

    fn ids(&self, filter: &RunFilter) -> BTreeSet<RunId> {
        self.rows(filter).into_iter().map(|row| row.id).collect()
    }

    async fn begin(&mut self, run: Run) {
        self.runs.push(created(self.store, run).await);
    }

    /// Changes an active run, or creates a new one.
    async fn change(&mut self) {
        let entropy = self.maker.entropy().clone();
        let active: Vec<usize> = (0..self.runs.len()).filter(|at| !self.runs[*at].status.is_final()).collect();
        if active.is_empty() || entropy.one_in(4) {
            if self.runs.len() == MOST {
                return;
            }
            let mut run = self.maker.run(self.org, self.flow, &chain(1), at(SPAN + entropy.below(5)));
            run.trigger = random_run(&self.maker, self.org, self.flow).trigger;
            return self.begin(run).await;
        }
        let place = *entropy.pick(&active);
        let mut run = self.runs[place].clone();
        run.status = *entropy.pick(&NEXT);
        run.finished_at = run.status.is_final().then(|| at(SPAN + 5));
        self.runs[place] = self.store.runs().commit(run, &[]).await.unwrap();
    }

    async fn walk(&mut self, case: &str) {
        let entropy = self.maker.entropy().clone();
        // Without a filter runs move between the most partitions.
        let filter = if entropy.one_in(3) { RunFilter::default() } else { random_filter(&self.maker) };
        let limit = usize::try_from(3 + entropy.below(25)).unwrap();
        let case = format!("{case}: {filter:?}, {limit} at a time");
        let mut stayed = self.ids(&filter);
        let mut window = Window { limit, ..Window::default() };
        let mut seen: Vec<RunId> = Vec::new();
        loop {
            let page = self.store.table().runs_of(&self.flow, &filter, &window).await.unwrap();
            let all = self.rows(&filter);
            let is_behind = |row: &RunSummary| window.after.as_ref().is_none_or(|after| row.id.to_string() < *after);
            let behind: Vec<RunSummary> = all.iter().filter(|row| is_behind(row)).cloned().collect();
            assert_eq!(page.rows, behind[..limit.min(behind.len())], "{case}, after {:?}", window.after);
            assert_eq!(page.next.is_some(), behind.len() > limit, "{case}");
            assert_eq!(page.total, (all.len() as u64).min(COUNT_CAP + 1), "{case}");
            seen.extend(page.rows.iter().map(|row| row.id));
            if page.next.is_none() {
                break;
            }
            window.after = page.next;
            for _ in 0..entropy.below(5) {
                self.change().await;
                stayed = stayed.intersection(&self.ids(&filter)).copied().collect();
            }
        }
        assert!(seen.is_sorted_by(|newer, older| newer > older), "{case}: out of order, or twice: {seen:?}");
        let missing: Vec<&RunId> = stayed.iter().filter(|id| !seen.contains(id)).collect();
        assert!(missing.is_empty(), "{case}: {missing:?} are missing");
    }
}

/// Each page is what a sorted vector has at that time; no run is on two pages; and a run that existed before the first page and matched all
/// the time is on one.
pub async fn a_walk_misses_and_repeats_nothing_while_runs_change(store: &impl Subject) {
    let maker = Maker::new(55);
    for number in 0..FLOWS {
        let mut model = Model { store, maker: maker.clone(), org: maker.org(), flow: maker.flow_id(), runs: Vec::new() };
        for _ in 0..RUNS {
            let mut run = random_run(&maker, model.org, model.flow);
            // Most of them can still change.
            if !maker.entropy().one_in(3) {
                run = Run { status: RunStatus::Running, finished_at: None, error: None, ..run };
            }
            model.begin(run).await;
        }
        for walk in 0..WALKS {
            model.walk(&format!("flow {number}, walk {walk}")).await;
        }
        assert!(model.runs.len() > RUNS, "runs began on the way");
    }
}
