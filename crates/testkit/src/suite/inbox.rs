//! Open gates, and runs with a pending effect.

use domain::access::Assignee;
use domain::flow::NodeId;
use domain::gate::{Gate, Verdict};
use domain::id::OrgId;
use domain::ports::{Page, RunLists, Runs, Window};
use domain::run::{ExecutionState, NodeState, NodeStatus, PendingEffect, Progress, Run, STUCK_AFTER_SECONDS};
use serde_json::json;

use super::Subject;
use super::runs::{created, decided, new_run};
use crate::build::{Maker, at, chain};

async fn inbox(store: &impl Subject, org: &OrgId, wanted: &(dyn Fn(&Gate) -> bool + Sync), window: &Window) -> Page<Gate> {
    store.table().open_gates(org, None, wanted, window).await.unwrap()
}

fn all(_: &Gate) -> bool {
    true
}

/// Whatever the filter is, the pages are full and each gate is on exactly one.
pub async fn open_gates_come_oldest_first_page_by_page(store: &impl Subject) {
    let maker = Maker::new(40);
    let org = maker.org();
    let mut gates = Vec::new();
    // They are opened in another order than they are written, two of them at the same time.
    for seconds in [50, 10, 40, 20, 20, 30, 70, 60] {
        let run = created(store, maker.run(org, maker.flow_id(), &chain(2), at(0))).await;
        let gate = maker.gate(&run, "n1", at(seconds));
        store.runs().commit(run, std::slice::from_ref(&gate)).await.unwrap();
        gates.push(gate);
    }
    let stranger = created(store, new_run(&maker)).await;
    let theirs = maker.gate(&stranger, "n1", at(5));
    store.runs().commit(stranger, &[theirs]).await.unwrap();
    gates.sort_by_key(|gate| (gate.opened_at, gate.id));

    let not_at_twenty: &(dyn Fn(&Gate) -> bool + Sync) = &|gate| gate.opened_at != at(20);
    let filters: [&(dyn Fn(&Gate) -> bool + Sync); 3] = [&all, not_at_twenty, &|_| false];
    for wanted in filters {
        let expected: Vec<Gate> = gates.iter().filter(|gate| wanted(gate)).cloned().collect();
        for limit in 1..=gates.len() {
            let mut window = Window { limit, ..Window::default() };
            let mut seen = Vec::new();
            loop {
                let page = inbox(store, &org, wanted, &window).await;
                assert_eq!(page.total, expected.len() as u64);
                assert!(page.next.is_none() || page.rows.len() == limit, "a page before the last is full");
                seen.extend(page.rows);
                assert!(seen.len() <= expected.len(), "{limit} at a time: a gate is there twice");
                if page.next.is_none() {
                    break;
                }
                window.after = page.next;
            }
            assert_eq!(seen, expected, "{limit} at a time");
            for skip in 0..=expected.len() {
                let page = inbox(store, &org, wanted, &Window { skip, limit, ..Window::default() }).await;
                assert_eq!(page.rows, expected.iter().skip(skip).take(limit).cloned().collect::<Vec<_>>(), "{limit} after {skip}");
                assert_eq!(page.next.is_some(), skip + limit < expected.len());
            }
        }
    }
}

/// Only those of these assignees, in the order of their age, whoever they are for; each is on exactly one page.
pub async fn open_gates_of_some_assignees_come_oldest_first(store: &impl Subject) {
    let maker = Maker::new(43);
    let org = maker.org();
    let names = [Some("role:a"), Some("team:b"), None, Some("user:c"), Some("role:a#2026"), Some("role:other")];
    let assignees: Vec<Option<Assignee>> = names.iter().map(|name| name.map(|name| name.parse().unwrap())).collect();
    let mut gates = Vec::new();
    for at_second in 0..60_u64 {
        let run = created(store, maker.run(org, maker.flow_id(), &chain(1), at(0))).await;
        // Many for the first, few for the others; two at each time.
        let assign_to = assignees[usize::try_from(if at_second % 3 == 0 { at_second / 3 % 6 } else { 0 }).unwrap()].clone();
        let gate = Gate { assign_to, ..maker.gate(&run, "n1", at(100 - at_second / 2)) };
        store.runs().commit(run, std::slice::from_ref(&gate)).await.unwrap();
        gates.push(gate);
    }
    gates.sort_by_key(|gate| (gate.opened_at, gate.id));
    let mine = &assignees[..4];
    let some: &(dyn Fn(&Gate) -> bool + Sync) = &|gate| gate.opened_at.millis() % 4_000 != 0;
    for (asked, wanted) in
        [(Some(mine), &all as &(dyn Fn(&Gate) -> bool + Sync)), (Some(mine), some), (None, some), (Some(&assignees[3..4]), &all)]
    {
        let expected: Vec<Gate> =
            gates.iter().filter(|gate| asked.is_none_or(|asked| asked.contains(&gate.assign_to)) && wanted(gate)).cloned().collect();
        for limit in [1, 7, 100] {
            let mut window = Window { limit, ..Window::default() };
            let mut seen = Vec::new();
            loop {
                let page = store.table().open_gates(&org, asked, wanted, &window).await.unwrap();
                assert_eq!(page.total, expected.len() as u64);
                seen.extend(page.rows);
                assert!(seen.len() <= expected.len(), "{limit} at a time: a gate is there twice");
                let Some(next) = page.next else { break };
                window.after = Some(next);
            }
            assert_eq!(seen, expected, "{limit} at a time");
        }
    }
}

/// It was decided, or its run has ended.
pub async fn a_closed_gate_leaves_the_inbox(store: &impl Subject) {
    let maker = Maker::new(41);
    let run = created(store, maker.run(maker.org(), maker.flow_id(), &chain(3), at(0))).await;
    let nodes = ["n1", "n2", "n3"];
    let gates: Vec<Gate> = nodes.iter().zip(1..).map(|(node, seconds)| maker.gate(&run, node, at(seconds))).collect();
    let window = Window { limit: 10, ..Window::default() };
    let mut run = store.runs().commit(run, &gates).await.unwrap();
    assert_eq!(inbox(store, &run.org, &all, &window).await.rows, gates);
    let mut closed = gates[1].clone();
    closed.close(at(9));
    for (change, left) in [(decided(&gates[0], Verdict::Approved, json!(1)), 1), (closed, 2)] {
        run = store.runs().commit(run, &[change]).await.unwrap();
        assert_eq!(inbox(store, &run.org, &all, &window).await.rows, gates[left..]);
    }
    // A gate that left the inbox still exists.
    let name: NodeId = "n2".parse().unwrap();
    assert_eq!(store.runs().gate(&run, &name).await.unwrap().unwrap().closed_at, Some(at(9)));
}

/// Returns the run as it is once somebody has cancelled it.
async fn cancelled(store: &impl Subject, mut run: Run) -> Run {
    let waiting = NodeState { status: NodeStatus::AwaitingApproval, attempts: 1, ..NodeState::PENDING };
    run.progress = Progress::from_states(vec![waiting; run.progress.states().len()]);
    run.cancel(domain::access::RecordedActor::named("usr_ada"), None, at(100)).unwrap();
    store.runs().commit(run, &[]).await.unwrap()
}

/// The write that ends a run does not contain its gates.
pub async fn gates_of_a_run_that_has_ended_are_closed_at_once_and_written_later(store: &impl Subject) {
    let maker = Maker::new(43);
    let run = created(store, maker.run(maker.org(), maker.flow_id(), &chain(3), at(0))).await;
    let [open, second, voted] = ["n1", "n2", "n3"].map(|node| maker.gate(&run, node, at(1)));
    let voted = decided(&voted, Verdict::Approved, json!(1));
    let active = store.runs().commit(run, &[open.clone(), second.clone(), voted.clone()]).await.unwrap();
    store.runs().close_gate(&active, &open.node).await.unwrap();
    assert_eq!(store.runs().gate(&active, &open.node).await.unwrap().as_ref(), Some(&open), "the run is active");

    let ended = cancelled(store, active.clone()).await;
    let closed = |gate: &Gate| Gate { closed_at: gate.closed_at.or(Some(at(100))), ..gate.clone() };
    let expected = [closed(&open), closed(&second), voted.clone()];
    assert_eq!(store.runs().gates(&ended).await.unwrap(), expected);
    assert_eq!(store.runs().gate(&ended, &open.node).await.unwrap(), Some(closed(&open)));
    let window = Window { limit: 10, ..Window::default() };
    let page = inbox(store, &ended.org, &all, &window).await;
    assert_eq!((page.rows, page.total), (Vec::new(), 0));
    // As it is stored, which the run of that time shows.
    assert_eq!(store.runs().gate(&active, &open.node).await.unwrap().as_ref(), Some(&open));

    for _ in 0..2 {
        for gate in [&open, &voted] {
            store.runs().close_gate(&ended, &gate.node).await.unwrap();
        }
        store.runs().close_gate(&ended, &"n9".parse().unwrap()).await.unwrap();
        assert_eq!(store.runs().gates(&active).await.unwrap(), [closed(&open), second.clone(), voted.clone()]);
        assert_eq!(store.runs().gate(&active, &"n9".parse().unwrap()).await.unwrap(), None, "no gate appears out of nothing");
    }
}

/// A page is not short because of gates that the index still has.
pub async fn a_page_of_the_inbox_is_full_although_the_gates_of_a_run_are_being_closed(store: &impl Subject) {
    let maker = Maker::new(44);
    let org = maker.org();
    let mut open = Vec::new();
    for seconds in 1..=12 {
        let run = created(store, maker.run(org, maker.flow_id(), &chain(2), at(0))).await;
        let gate = maker.gate(&run, "n1", at(seconds));
        let run = store.runs().commit(run, std::slice::from_ref(&gate)).await.unwrap();
        if seconds % 3 == 0 {
            open.push(gate);
        } else {
            cancelled(store, run).await;
        }
    }
    let mut window = Window { limit: 2, ..Window::default() };
    for rows in open.chunks(2) {
        let page = inbox(store, &org, &all, &window).await;
        assert_eq!(page.rows, rows);
        window.after = page.next;
    }
    let page = inbox(store, &org, &all, &Window { limit: 20, ..Window::default() }).await;
    assert_eq!((page.rows, page.total, page.next), (open, 4, None));
}

/// A run is found some time after it should have changed, and only if nothing is pending.
pub async fn runs_that_nothing_drives_are_found_by_their_age(store: &impl Subject) {
    let maker = Maker::new(45);
    let stuck_at = async |seconds: u64| store.table().stuck(at(seconds).plus_seconds(STUCK_AFTER_SECONDS)).await.unwrap();
    let pending = created(store, new_run(&maker)).await;

    let mut working = created(store, new_run(&maker)).await;
    working.claim("inv-1", 1).unwrap();
    working.expect_write_by(at(900));
    let working = store.runs().commit(working, &[]).await.unwrap();

    let mut parked = created(store, new_run(&maker)).await;
    parked.end_segment(Some(at(3_600)), at(0)).unwrap();
    let parked = store.runs().commit(parked, &[]).await.unwrap();
    assert!(store.park(&parked.id, &parked.execution_name(), "token").await);

    assert_eq!(stuck_at(899).await, []);
    assert_eq!(stuck_at(900).await, [working.id]);
    assert_eq!(stuck_at(3_599).await, [working.id]);
    assert_eq!(stuck_at(3_600).await, [working.id, parked.id], "the one that has been stuck longest comes first");
    assert_eq!(store.table().with_pending_effects().await.unwrap(), [pending.id]);
    assert!(pending.is_stuck(at(0).plus_seconds(STUCK_AFTER_SECONDS)), "its effect has been pending for too long");

    cancelled(store, working).await;
    assert_eq!(stuck_at(3_600).await, [parked.id]);
    let mut driven = store.runs().load(&parked.id).await.unwrap().unwrap();
    driven.claim("inv-1", 2).unwrap();
    driven.expect_write_by(at(4_000));
    store.runs().commit(driven, &[]).await.unwrap();
    assert_eq!(stuck_at(3_600).await, []);
}

/// Exactly these, for each kind of effect.
pub async fn runs_with_pending_effects_are_found(store: &impl Subject) {
    let maker = Maker::new(42);
    let mut with_effects = Vec::new();
    for effect in [Some(PendingEffect::StartExecution), None, Some(PendingEffect::SendTaskSuccess)].into_iter().cycle().take(24) {
        let run = created(store, new_run(&maker)).await;
        let execution = ExecutionState { pending: effect, ..run.execution.clone() };
        let run = store.runs().commit(Run { execution, ..run }, &[]).await.unwrap();
        with_effects.extend(effect.map(|_| run));
    }
    let found = async || {
        let mut found = store.table().with_pending_effects().await.unwrap();
        found.sort_unstable();
        found
    };
    let mut expected: Vec<_> = with_effects.iter().map(|run| run.id).collect();
    expected.sort_unstable();
    assert_eq!(found().await, expected);
    for run in with_effects {
        let execution = ExecutionState { pending: None, ..run.execution.clone() };
        store.runs().commit(Run { execution, ..run }, &[]).await.unwrap();
    }
    assert_eq!(found().await, []);
}
