//! Outputs are kept until so long after the end of their run, and then they are gone.

use domain::error::ApplicationError;
use domain::id::RunId;
use domain::ports::{Clock, Runs};
use domain::retention::{Purge, PurgeReason, Purged};
use domain::run::{NodeStatus, RunStatus};
use domain::step::StepRecord;
use domain::time::Time;
use engine::RetryOptions;
use serde_json::{Value, json};
use testkit::build::{actor, approve, at, chain, gate, service, spec, task, transform, with};
use testkit::{Deployment, Fate, Reply, block_on};

const DAY: u64 = 24 * 3600;
const DAYS: u64 = 180;

fn day(number: u64) -> Time {
    at(number * DAY)
}

/// `a`, then a wait, then `b`, which sends what `a` put out.
fn waiting(days: u64) -> Value {
    let b = service("b", json!({"body": "${step.a.output.name}"}));
    spec(&[service("a", json!({})), json!({"id": "rest", "type": "wait", "seconds": days * DAY}), b], "a>rest rest>b")
}

fn read(world: &Deployment, run: RunId, node: &str, now: Time) -> Option<StepRecord> {
    block_on(&world.clock, world.store.step(&world.run(run), &node.parse().unwrap(), now)).unwrap()
}

fn is_there(world: &Deployment, run: RunId, node: &str, now: Time) -> bool {
    read(world, run, node, now).is_some_and(|record| record.purged.is_none())
}

/// What the stream does, until it has worked.
fn deliver(world: &Deployment) {
    for run in world.store.take_ended_late() {
        while !matches!(world.call(world.outputs.reschedule(&run)), Some(Ok(()))) {}
    }
    for (run, receipts) in world.store.delete_expired(world.clock.now()) {
        while !matches!(world.call(world.outputs.complete_expiry(&run, &receipts)), Some(Ok(()))) {}
    }
}

fn purged(world: &Deployment, run: RunId, node: &str) -> Purged {
    *world.record(run, node).unwrap().purged.unwrap()
}

fn purge(world: &Deployment, run: RunId, by: &str) -> Result<Purge, ApplicationError> {
    world.call(world.outputs.purge(&world.org, &run, by)).unwrap()
}

/// A chain of three whose first output is large, at its end.
fn ended() -> (Deployment, RunId) {
    let world = Deployment::of(&chain(3));
    world.effects.answer("n1", Reply::output(json!({"text": "x".repeat(200_000)})));
    let run = world.start(json!({"large": "y".repeat(200_000)}));
    assert_eq!(world.play_to_end(run).status, RunStatus::Succeeded);
    (world, run)
}

#[test]
fn a_run_that_waits_for_300_days_keeps_its_outputs_until_180_days_after_its_end() {
    let world = Deployment::of(&waiting(300));
    let run = world.start(json!({}));
    for number in 0..300 {
        world.clock.set(day(number));
        world.play();
        deliver(&world);
        assert!(is_there(&world, run, "a", world.clock.now()), "day {number}");
    }
    let ended = world.play_to_end(run);
    assert_eq!((ended.status, ended.finished_at), (RunStatus::Succeeded, Some(day(300))));
    assert_eq!(world.effects.sent_to("b")[0].body(), Some(&json!("a")));
    deliver(&world);
    for node in ["a", "rest", "b"] {
        assert!(is_there(&world, run, node, at((300 + DAYS) * DAY - 1)), "{node}");
        assert!(!is_there(&world, run, node, day(300 + DAYS)), "{node}");
    }
}

#[test]
fn a_run_that_was_to_wait_for_long_and_was_cancelled_does_not_keep_its_outputs_longer() {
    let world = Deployment::of(&waiting(300));
    let run = world.start(json!({}));
    world.play();
    assert!(is_there(&world, run, "a", day(300 + DAYS)), "as if it was going to wait");
    world.clock.set(at(3_600));
    world.cancel(run, "not now").unwrap();
    deliver(&world);
    assert_eq!(world.store.expiry_of(&run, "a"), Some(at(3_600 + DAYS * DAY)));
}

#[test]
fn a_run_of_more_than_a_day_has_its_records_rescheduled_at_its_end_and_a_shorter_one_does_not() {
    for (seconds, touched) in [(DAY, false), (DAY + 1, true)] {
        let rest = json!({"id": "rest", "type": "wait", "seconds": seconds});
        let world = Deployment::of(&spec(&[task("a", json!({})), rest, task("b", json!({}))], "a>rest rest>b"));
        let run = world.start(json!({}));
        world.play_to_end(run);
        deliver(&world);
        assert_eq!((world.faults.count("reschedule") > 0, world.faults.count("extend_retention")), (touched, 0));
        let promised = at(seconds + DAYS * DAY);
        let expiry = world.store.expiry_of(&run, "a").unwrap();
        if touched { assert_eq!(expiry, promised) } else { assert!(expiry >= promised && expiry <= promised.plus_seconds(DAY)) }
    }
}

#[test]
fn gates_that_wait_one_after_the_other_keep_what_is_behind_them_however_short_the_retention() {
    let ask = |id: &str| gate(id, json!({"timeoutHours": 100 * 24}));
    let b = service("b", json!({"body": "${step.a.output.name}"}));
    let world =
        Deployment::of(&spec(&[service("a", json!({})), ask("one"), task("c", json!({})), ask("two"), b], "a>one one>c c>two two>b"));
    world.store.keep_for_days(1);
    let run = world.start(json!({}));
    world.play();
    for (name, decided_on) in [("one", 40), ("two", 135)] {
        world.clock.set(day(decided_on));
        deliver(&world);
        world.decide(run, name, &actor("usr_ada"), approve()).unwrap();
        world.play();
    }
    assert_eq!(world.play_to_end(run).status, RunStatus::Succeeded);
    assert_eq!(world.effects.sent_to("b")[0].body(), Some(&json!("a")));
    deliver(&world);
    for node in ["a", "c", "b"] {
        assert_eq!(world.store.expiry_of(&run, node), Some(day(136)), "{node}");
    }
}

#[test]
fn whatever_dies_between_keeping_records_and_parking_the_run_goes_on_with_all_it_knew() {
    for fate in [Fate::FailBefore, Fate::LoseAnswer, Fate::Twice, Fate::CrashBefore, Fate::CrashAfter] {
        for call in ["extend_retention", "commit", "start"] {
            for nth in 1..=2 {
                let world = Deployment::of(&waiting(300));
                world.faults.strike_call(call, nth, fate);
                let Some(Ok(started)) = world.execute(json!({}), None) else { continue };
                let run = started.run.id;
                while world.run(run).execution.parked_until.is_none() {
                    world.play();
                    if world.run(run).execution.parked_until.is_none() {
                        world.pass_time(run);
                    }
                }
                let until = world.run(run).execution.parked_until.unwrap();
                assert!(is_there(&world, run, "a", until.plus_seconds(DAY - 1)), "{fate:?} of {call} {nth}");
                assert_eq!(world.play_to_end(run).status, RunStatus::Succeeded, "{fate:?} of {call} {nth}");
                assert_eq!(world.effects.sent_to("b")[0].body(), Some(&json!("a")));
            }
        }
    }
}

#[test]
fn what_expires_leaves_a_receipt_and_its_objects_go() {
    let (world, run) = ended();
    let before = world.record(run, "n1").unwrap();
    world.store.put_object(&format!("{}/{run}/n1/upload-without-a-record", world.org), "{}");
    assert_eq!(world.store.object_keys().len(), 3);
    let gone_at = world.store.expiry_of(&run, "n1").unwrap();
    world.clock.set(gone_at);
    deliver(&world);

    let receipt = world.record(run, "n1").unwrap();
    assert_eq!(receipt, before.without_payloads(gone_at, PurgeReason::Expired));
    let gone = purged(&world, run, "n1").output.unwrap();
    assert_eq!((gone.bytes, gone.stored), (200_011, true));
    assert!(read(&world, run, "n2", day(9_999)).unwrap().purged.is_some());
    let left = world.store.object_keys();
    assert!(left.len() == 1 && left[0].contains("@input"), "{left:?}");
    assert_eq!(world.run(run).status, RunStatus::Succeeded, "the run stays");
}

#[test]
fn whatever_dies_between_deleting_and_the_receipt_the_receipt_still_knows_what_went() {
    for fate in [Fate::FailBefore, Fate::LoseAnswer, Fate::Twice, Fate::CrashBefore, Fate::CrashAfter] {
        for nth in 1..=5 {
            let (world, run) = ended();
            world.clock.set(world.store.expiry_of(&run, "n3").unwrap());
            world.faults.strike(nth, fate);
            deliver(&world);
            let gone = purged(&world, run, "n1").output.unwrap();
            assert_eq!((gone.bytes, gone.stored), (200_011, true), "{fate:?} of call {nth}");
            assert_eq!(world.store.object_keys().len(), 1, "{fate:?} of call {nth}");
            // The stream may show it all again.
            let receipt = world.record(run, "n1").unwrap();
            world.call(world.outputs.complete_expiry(&run, std::slice::from_ref(&receipt))).unwrap().unwrap();
            assert_eq!(world.record(run, "n1").unwrap(), receipt);
        }
    }
}

#[test]
fn a_purge_takes_what_steps_had_and_leaves_the_run_its_input_and_its_decisions() {
    let ask = gate("ask", json!({}));
    let world = Deployment::of(&spec(&[task("a", json!({})), ask, service("b", json!({}))], "a>ask ask>b"));
    world.effects.answer("a", Reply::output(json!({"text": "x".repeat(200_000)})));
    let run = world.start(json!({"large": "y".repeat(200_000)}));
    world.play();
    let early = purge(&world, run, "usr_ada");
    assert!(
        matches!(&early, Err(ApplicationError::Conflict(why)) if why == "the run is awaiting_approval; its outputs can be purged once it has ended")
    );
    world.decide(run, "", &actor("usr_ada"), approve()).unwrap();
    world.play_to_end(run);
    let (before, gate) = (world.run(run), world.gate(run, "ask"));

    world.clock.advance(60);
    let first = purge(&world, run, "usr_ada").unwrap();
    assert_eq!(first.at, world.clock.now());
    assert_eq!(first.receipts.iter().map(|receipt| receipt.node.as_str()).collect::<Vec<_>>(), ["a", "b"]);
    assert_eq!(purged(&world, run, "a").reason, PurgeReason::Requested("usr_ada".to_owned()));
    let left = world.store.object_keys();
    assert!(left.len() == 1 && left[0].contains("@input"), "{left:?}");
    assert_eq!((world.run(run), world.gate(run, "ask")), (before, gate));

    world.clock.advance(60);
    assert_eq!(purge(&world, run, "usr_bob").unwrap(), first, "the same receipt");
    let other = testkit::build::Maker::new(9).org();
    assert!(matches!(world.call(world.outputs.purge(&other, &run, "usr_x")), Some(Err(ApplicationError::NotFound("run")))));
}

#[test]
fn a_purge_that_dies_anywhere_is_finished_by_whoever_pays_debts() {
    for crash_at in 1..=12 {
        let (world, run) = ended();
        world.faults.strike(crash_at, Fate::CrashAfter);
        let answered = world.call(world.outputs.purge(&world.org, &run, "usr_ada"));
        world.faults.clear();
        world.clock.advance(16 * 60);
        let looked_at = world.call(world.outputs.purge_due()).unwrap().unwrap();
        // Before the wish was noted there was no purge.
        assert_eq!(looked_at, usize::from(crash_at > 1), "{answered:?}");
        for node in ["n1", "n2", "n3"] {
            assert_eq!(world.record(run, node).unwrap().purged.is_some(), crash_at > 1, "crash at {crash_at}");
        }
        assert_eq!(world.store.object_keys().len(), if crash_at > 1 { 1 } else { 2 }, "crash at {crash_at}");
        assert_eq!(world.call(world.outputs.purge_due()).unwrap().unwrap(), 0);
    }
}

#[test]
fn what_an_invocation_still_records_after_the_purge_goes_too() {
    let world = Deployment::of(&chain(2));
    let (inside, busy) = (world.clone(), std::sync::Arc::new(std::sync::Mutex::new(None::<RunId>)));
    let seen = std::sync::Arc::clone(&busy);
    world.effects.script(move |sent| {
        // Cancelled and purged while the request is under way; its answer is recorded afterwards.
        let run = (*seen.lock().unwrap())?;
        inside.cancel(run, "stop").unwrap();
        purge(&inside, run, "usr_ada").unwrap();
        Some(Reply::output(json!({"name": sent.name, "text": "x".repeat(200_000)})))
    });
    let run = world.start(json!({}));
    *busy.lock().unwrap() = Some(run);
    world.play();
    assert_eq!(world.run(run).status, RunStatus::Cancelled);
    assert_eq!(world.record(run, "n1").unwrap().purged, None, "the late record is there");
    world.clock.advance(16 * 60);
    world.call(world.outputs.purge_due()).unwrap().unwrap();
    assert!(world.record(run, "n1").unwrap().purged.is_some());
    assert!(world.store.object_keys().is_empty());
}

#[test]
fn a_retry_of_what_is_gone_is_refused_at_once() {
    let world = Deployment::of(&spec(&[transform("a", &json!(1)), service("b", json!({"body": "${step.a.output}"}))], "a>b"));
    world.effects.answer("b", Reply::refused());
    let run = world.start(json!({}));
    world.play_to_end(run);
    let again = |from: Option<&str>| {
        let again = RetryOptions { from: from.map(|from| from.parse().unwrap()), ..RetryOptions::default() };
        world.call(world.engine.retry(&world.entropy, &world.org, &run, &actor("usr_ada"), again)).unwrap()
    };
    again(None).unwrap();
    // Its time is up, and the table has not deleted it yet.
    world.clock.set(day(DAYS + 1));
    let expected = format!("what `a` put out in {run} is no longer kept; retry from there, or start a new run");
    let refused = |answer| matches!(answer, Err(ApplicationError::Conflict(why)) if why == expected);
    assert!(refused(again(None)));
    deliver(&world);
    assert!(refused(again(None)));
    let fresh = again(Some("a")).unwrap().run.id;
    assert_eq!(world.play_to_end(fresh).status, RunStatus::Succeeded, "from there it can be done again");
}

#[test]
fn what_a_retry_took_over_lives_as_long_as_the_retry() {
    let world = Deployment::of(&with(chain(2), json!({})));
    world.effects.answer("n2", Reply::refused());
    let before = world.start(json!({}));
    world.play_to_end(before);
    world.clock.set(day(100));
    let again = world.call(world.engine.retry(&world.entropy, &world.org, &before, &actor("usr_ada"), RetryOptions::default()));
    let run = again.unwrap().unwrap().run.id;
    world.play_to_end(run);
    world.clock.set(day(DAYS + 2));
    deliver(&world);
    assert!(!is_there(&world, before, "n1", world.clock.now()));
    assert!(is_there(&world, run, "n1", day(100 + DAYS)));
    assert_eq!(world.node(run, "n1").status, NodeStatus::Succeeded);
}

#[test]
fn a_run_that_cannot_be_read_delays_no_other_purge_and_is_tried_once() {
    let (world, run) = ended();
    let other = world.start(json!({}));
    world.play_to_end(other);
    for purged in [run, other] {
        purge(&world, purged, "usr_ada").unwrap();
    }
    world.store.make_unreadable(run.min(other));
    world.clock.advance(16 * 60);
    assert_eq!(world.call(world.outputs.purge_due()).unwrap().unwrap(), 2);
    assert_eq!(world.call(world.outputs.purge_due()).unwrap().unwrap(), 0, "both are done with");
}
