//! A run changes its status while a page is read, between any two of its queries.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex};

use domain::id::{FlowId, RunId};
use domain::ports::{RunFilter, RunLists, Runs, Window};
use domain::run::{Run, RunStatus, Trigger};
use futures_util::lock::Mutex as Turns;
use testkit::build::{Maker, at, chain};

use crate::block_on;
use crate::opened::{Opened, open};

use RunStatus::{AwaitingApproval, Cancelled, Failed, Running, Succeeded};

/// The moves that happen before the next queries.
#[derive(Clone, Default)]
struct Plan(Arc<Mutex<State>>, Arc<Turns<()>>);

#[derive(Default)]
struct State {
    queries: usize,
    moves: VecDeque<(usize, RunStatus)>,
    mover: Option<Run>,
}

impl Plan {
    /// Carries the plan out before every query of `store`.
    fn install(store: &Opened) -> Self {
        let plan = Self::default();
        let (planned, runs) = (plan.clone(), store.runs.clone());
        store.metered.interrupt(move || {
            let (planned, runs) = (planned.clone(), runs.clone());
            async move {
                // Of queries that are sent at the same time one waits for the moves of the other.
                let _turn = planned.1.lock().await;
                let number = planned.0.lock().unwrap().queries;
                planned.0.lock().unwrap().queries += 1;
                while let Some(run) = planned.due(number) {
                    let moved = runs.commit(run, &[]).await.unwrap();
                    planned.0.lock().unwrap().mover = Some(moved);
                }
            }
        });
        plan
    }

    /// Returns the moving run as it is to be written before query `number`.
    fn due(&self, number: usize) -> Option<Run> {
        let mut state = self.0.lock().unwrap();
        let status = state.moves.pop_front_if(|(at, _)| *at <= number)?.1;
        state.mover.clone().map(|run| Run { status, ..run })
    }

    /// Starts a plan with a run and its moves. Returns the number of queries since the last start.
    fn begin(&self, mover: Run, moves: &[(usize, RunStatus)]) -> usize {
        let mut state = self.0.lock().unwrap();
        state.mover = Some(mover);
        state.moves = moves.iter().copied().collect();
        std::mem::take(&mut state.queries)
    }

    fn mover(&self) -> Run {
        self.0.lock().unwrap().mover.clone().unwrap()
    }
}

/// Returns a flow with `count` runs, their ids, newest first, and the run at `place`.
async fn flow(store: &Opened, count: usize, place: usize) -> (FlowId, Vec<RunId>, Run) {
    let maker = Maker::new(7);
    let (org, flow) = (maker.org(), maker.flow_id());
    let mut runs = Vec::new();
    for (number, status) in [Running, AwaitingApproval, Succeeded].into_iter().cycle().take(count).enumerate() {
        let run = Run { status, trigger: Trigger::Manual, ..maker.run(org, flow, &chain(1), at(number as u64)) };
        store.runs.create(&run, &serde_json::json!({}), None).await.unwrap();
        runs.push(run);
    }
    runs.reverse();
    (flow, runs.iter().map(|run| run.id).collect(), runs[place].clone())
}

async fn walked(store: &Opened, flow: &FlowId, filter: &RunFilter, limit: usize) -> Vec<RunId> {
    let mut window = Window { limit, ..Window::default() };
    let mut seen = Vec::new();
    loop {
        let page = store.runs.table.runs_of(flow, filter, &window).await.unwrap();
        assert!(page.next.is_none() || page.rows.len() == limit, "a page before the last is full");
        seen.extend(page.rows.iter().map(|row| row.id));
        if page.next.is_none() {
            return seen;
        }
        window.after = page.next;
    }
}

/// Moves the run at `place` of `count` along `path`, before every choice of the queries of a walk.
async fn at_every_moment(path: &[RunStatus], filter: &RunFilter, limit: usize, count: usize, place: usize) {
    let store = open().await;
    let plan = Plan::install(&store);
    let (flow, all, mover) = flow(&store, count, place).await;
    let put_back = async |run: Run| store.runs.commit(Run { status: path[0], ..run }, &[]).await.unwrap();
    let mover = put_back(mover).await;
    plan.begin(mover, &[]);
    walked(&store, &flow, filter, limit).await;
    let queries = plan.begin(plan.mover(), &[]);
    assert!(queries > 5, "{queries} queries");
    for first in 0..=queries {
        for second in if path.len() > 2 { first..=queries } else { first..=first } {
            let mover = put_back(plan.mover()).await;
            let moves: Vec<(usize, RunStatus)> = [first, second].into_iter().zip(path[1..].iter().copied()).collect();
            plan.begin(mover, &moves);
            assert_eq!(walked(&store, &flow, filter, limit).await, all, "{path:?} before the queries {first} and {second} of {queries}");
        }
    }
}

/// Returns a filter for one trigger: a run never changes it, so more triggers would only take time.
fn manual() -> RunFilter {
    RunFilter { trigger: Some(Trigger::Manual), ..RunFilter::default() }
}

/// Whatever its moves are, it is on the page once.
#[test]
fn a_run_that_moves_between_two_queries_of_a_page_is_on_it_once() {
    block_on(async {
        for path in [
            [Running, AwaitingApproval],
            [AwaitingApproval, Running],
            [Running, Succeeded],
            [Running, Failed],
            [AwaitingApproval, Succeeded],
            [AwaitingApproval, Cancelled],
        ] {
            // In one page, and on the border of two.
            at_every_moment(&path, &manual(), 10, 10, 4).await;
            at_every_moment(&path, &manual(), 5, 10, 4).await;
        }
        at_every_moment(&[AwaitingApproval, Running], &RunFilter::default(), 10, 10, 4).await;
    });
}

/// If a partition is read in several batches, a partition that a run leaves must not be read late.
#[test]
fn a_run_that_moves_while_a_partition_is_read_on_is_on_the_page_once() {
    block_on(async {
        for path in [[Running, AwaitingApproval], [AwaitingApproval, Running], [Running, Succeeded], [AwaitingApproval, Failed]] {
            // Each partition has 35 rows, and is read 16 or 25 at a time; the run that moves is the 31st of its own.
            at_every_moment(&path, &manual(), 105, 105, 91).await;
        }
    });
}

/// A decision and the end that follows from it, both within one page.
#[test]
fn a_run_that_moves_twice_while_a_page_is_read_is_on_it_once() {
    block_on(async {
        for path in [[Running, AwaitingApproval, Running], [Running, AwaitingApproval, Succeeded], [AwaitingApproval, Running, Succeeded]] {
            at_every_moment(&path, &manual(), 10, 10, 4).await;
        }
    });
}
