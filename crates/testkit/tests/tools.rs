//! The test tools: a clock without real time, faults, tasks that are moved by hand.
#![expect(clippy::unwrap_used, reason = "a test that cannot be set up should stop at once")]

use std::cell::RefCell;

use domain::ports::{Clock, CommitError, Runs};
use domain::run::Run;
use serde_json::json;
use testkit::build::{Maker, at, chain};
use testkit::{Fate, Faults, ManualClock, Memory, Tasks, block_on, run_until};

fn stored(faults: &Faults) -> (ManualClock, Memory, Run) {
    let (clock, store, maker) = (ManualClock::at(at(0)), Memory::new(faults.clone()), Maker::new(1));
    let run = maker.run(maker.org(), maker.flow_id(), &chain(1), at(0));
    block_on(&clock, store.create(&run, &json!({}), None)).unwrap();
    (clock, store, run)
}

/// Runs two futures at the same time.
async fn both(first: impl Future<Output = ()>, second: impl Future<Output = ()>) {
    let (mut first, mut second) = (Box::pin(first), Box::pin(second));
    let (mut first_done, mut second_done) = (false, false);
    std::future::poll_fn(|context| {
        first_done = first_done || first.as_mut().poll(context).is_ready();
        second_done = second_done || second.as_mut().poll(context).is_ready();
        if first_done && second_done { std::task::Poll::Ready(()) } else { std::task::Poll::Pending }
    })
    .await;
}

#[test]
fn sleepers_wake_in_the_order_of_their_alarms_and_nothing_really_waits() {
    let clock = ManualClock::at(at(0));
    let woken = RefCell::new(Vec::new());
    let sleeper = async |seconds: u64| {
        clock.sleep(seconds * 1_000).await;
        woken.borrow_mut().push((seconds, clock.now()));
    };
    block_on(&clock, both(sleeper(86_400), sleeper(5)));
    assert_eq!(woken.into_inner(), [(5, at(5)), (86_400, at(86_400))]);
}

#[test]
fn a_sleep_that_was_dropped_does_not_move_the_time() {
    let clock = ManualClock::at(at(0));
    assert_eq!(run_until(&clock, clock.sleep(60_000), || true), None);
    assert!(!clock.skip_to_alarm());
    clock.set(at(3));
    clock.set(at(1));
    assert_eq!(clock.now(), at(3), "time never goes back");
}

#[test]
#[should_panic(expected = "nothing can go on")]
fn a_future_that_waits_for_nothing_fails_the_test() {
    block_on(&ManualClock::at(at(0)), std::future::pending::<()>());
}

#[test]
fn a_failed_call_has_not_happened_and_one_whose_answer_is_lost_has() {
    for (fate, happened) in [(Fate::FailBefore, false), (Fate::LoseAnswer, true), (Fate::CrashBefore, false), (Fate::CrashAfter, true)] {
        let faults = Faults::none();
        let (clock, store, run) = stored(&faults);
        faults.strike(1, fate);
        let answer = run_until(&clock, store.commit(run.clone(), &[]), || faults.has_crashed());
        assert!(!matches!(answer, Some(Ok(_))), "{fate:?}");
        assert_eq!(faults.take_crash(), answer.is_none(), "{fate:?}");
        assert_eq!(store.stored_run(&run.id).unwrap().rev > run.rev, happened, "{fate:?}");
    }
    // The client library repeats a write whose answer was lost, and gets the answer that another writer was first.
    let faults = Faults::none();
    let (clock, store, run) = stored(&faults);
    faults.strike(1, Fate::Twice);
    assert!(matches!(block_on(&clock, store.commit(run.clone(), &[])), Err(CommitError::Changed)));
    assert_eq!(store.stored_run(&run.id).unwrap().rev, run.rev + 1);
}

#[test]
fn when_a_process_dies_all_its_branches_die() {
    let faults = Faults::none();
    let (clock, store, run) = stored(&faults);
    faults.strike(1, Fate::CrashBefore);
    let read = async || _ = store.load(&run.id).await;
    let write = async || _ = store.commit(run.clone(), &[]).await;
    assert_eq!(run_until(&clock, both(read(), write()), || faults.has_crashed()), None);
    assert_eq!(store.stored_run(&run.id).unwrap().rev, run.rev, "the other branch went on");
}

#[test]
fn of_two_tasks_the_test_chooses_which_is_first() {
    for first in [0, 1] {
        let faults = Faults::none();
        let (_, store, run) = stored(&faults);
        faults.pause_at_every_call(true);
        let won = RefCell::new(Vec::new());
        let mut tasks = Tasks::new();
        let writer = async |name: usize| {
            let loaded = store.load(&run.id).await.unwrap().unwrap();
            if store.commit(loaded, &[]).await.is_ok() {
                won.borrow_mut().push(name);
            }
        };
        let numbers = [tasks.spawn(writer(0)), tasks.spawn(writer(1))];
        // Both load, both come to their commit, and then one of them writes.
        for _ in 0..2 {
            for number in numbers {
                assert!(!tasks.step(number));
            }
        }
        let [zero, one] = numbers;
        for number in if first == 0 { [zero, one] } else { [one, zero] } {
            assert!(tasks.step(number));
        }
        assert!(tasks.running().is_empty());
        drop(tasks);
        assert_eq!(won.into_inner(), [first]);
    }
}
