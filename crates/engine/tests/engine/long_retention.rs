//! An organisation keeps its outputs, or keeps them no longer, and that goes for what it has already.

use domain::id::RunId;
use domain::ports::{Clock, Flows};
use domain::retention::{JobPhase, RetentionJob};
use domain::run::RunStatus;
use domain::time::Time;
use serde_json::json;
use testkit::build::{Maker, actor, approve, at, gate, service, spec, task};
use testkit::{Deployment, Fate, block_on};

const DAY: u64 = 24 * 3600;
const DAYS: u64 = 180;

/// Two steps around a gate.
fn world() -> Deployment {
    Deployment::of(&spec(&[task("a", json!({})), gate("ask", json!({"timeoutHours": 400})), service("b", json!({}))], "a>ask ask>b"))
}

fn finished(world: &Deployment) -> RunId {
    let run = world.start(json!({}));
    world.play();
    world.decide(run, "", &actor("usr_ada"), approve()).unwrap();
    assert_eq!(world.play_to_end(run).status, RunStatus::Succeeded);
    run
}

fn switch(world: &Deployment, long: bool) -> Option<RetentionJob> {
    world.call(world.retention.set(&world.org, long)).unwrap().unwrap().1
}

/// One tick of the schedule; whatever becomes of it.
fn tick(world: &Deployment) {
    let deadline = world.clock.now().plus_seconds(200);
    _ = world.call(world.retention.work_on_jobs(&world.store, deadline));
}

fn job(world: &Deployment) -> RetentionJob {
    world.store.stored_retention_job(&world.org).unwrap()
}

fn work_to_the_end(world: &Deployment) {
    for _ in 0..100 {
        tick(world);
        if job(world).finished_at().is_some() {
            return;
        }
        world.clock.advance(300);
    }
    panic!("the job does not come to an end: {:?}", job(world));
}

fn expiries(world: &Deployment, run: RunId) -> [Option<Time>; 2] {
    ["a", "b"].map(|node| world.store.expiry_of(&run, node))
}

#[test]
fn switched_on_it_keeps_what_is_there_and_what_comes_and_switched_off_neither() {
    let world = world();
    let old = finished(&world);
    world.clock.set(at(DAY));
    let started = switch(&world, true).unwrap();
    assert_eq!((started.long, started.phase, started.runs_done), (true, JobPhase::Pending, 0));
    let new = finished(&world);
    assert_eq!(expiries(&world, new), [None, None], "what comes is kept at once");
    assert_ne!(expiries(&world, old), [None, None]);
    work_to_the_end(&world);
    let done = job(&world);
    assert_eq!((done.runs_done, expiries(&world, old), expiries(&world, new)), (2, [None; 2], [None; 2]));
    assert!(
        done.finished_at().unwrap() >= started.started_at.plus_seconds(17 * 60),
        "no invocation that has read the old setting is at work"
    );
    assert_eq!(switch(&world, true), Some(done), "it is on already");

    world.clock.set(at(300 * DAY));
    switch(&world, false).unwrap();
    work_to_the_end(&world);
    assert_eq!(expiries(&world, old), [Some(at(DAYS * DAY)); 2], "a time that has passed: the table deletes it");
    assert_eq!(expiries(&world, new), [Some(at((1 + DAYS) * DAY)); 2]);
    let newest = finished(&world);
    assert_eq!(
        expiries(&world, newest),
        [Some(at((300 + DAYS + 1) * DAY).plus_seconds(world.clock.now().millis_since(at(300 * DAY)) / 1000)); 2]
    );
}

#[test]
fn a_run_that_goes_on_while_it_is_switched_keeps_its_outputs_until_after_its_end() {
    let world = world();
    switch(&world, true);
    let run = world.start(json!({}));
    world.play();
    assert_eq!(world.store.expiry_of(&run, "a"), None);
    switch(&world, false);
    work_to_the_end(&world);
    let until = world.run(run).execution.parked_until.unwrap();
    assert!(world.store.expiry_of(&run, "a").unwrap() >= until.plus_seconds(DAYS * DAY), "it waits, and is then not yet at its end");
    let end = at(10 * DAY);
    world.clock.set(end);
    world.decide(run, "", &actor("usr_ada"), approve()).unwrap();
    world.play_to_end(run);
    for late in world.store.take_ended_late() {
        world.call(world.outputs.reschedule(&late)).unwrap().unwrap();
    }
    assert_eq!(expiries(&world, run), [Some(end.plus_seconds(DAYS * DAY)); 2]);
}

#[test]
fn what_was_recorded_with_the_old_setting_after_the_first_pass_is_found_by_the_second() {
    let world = world();
    let run = world.start(json!({}));
    world.play();
    switch(&world, true);
    tick(&world);
    assert!(matches!(job(&world).phase, JobPhase::Second(_)));
    assert_eq!(world.store.expiry_of(&run, "a"), None);
    // An invocation that has not heard of the switch.
    let ended = world.clock.now();
    world.decide(run, "", &actor("usr_ada"), approve()).unwrap();
    world.play_to_end(run);
    block_on(&world.clock, domain::ports::Outputs::reschedule(&world.store, &run, Some(at(DAYS * DAY)), ended)).unwrap();
    tick(&world);
    assert_eq!(expiries(&world, run), [Some(at(DAYS * DAY)); 2], "it is too early");
    work_to_the_end(&world);
    assert_eq!((expiries(&world, run), job(&world).runs_done), ([None; 2], 1));
}

#[test]
fn what_has_expired_does_not_come_back() {
    let world = world();
    let run = finished(&world);
    world.clock.set(at((DAYS + 1) * DAY));
    switch(&world, true);
    work_to_the_end(&world);
    assert_eq!(expiries(&world, run), [Some(at((DAYS + 1) * DAY)); 2]);
}

#[test]
fn another_organisation_is_left_alone() {
    let world = world();
    let run = finished(&world);
    let other = Maker::new(77).org();
    world.call(world.retention.set(&other, true)).unwrap().unwrap();
    world.clock.advance(3_600);
    tick(&world);
    tick(&world);
    assert_eq!(expiries(&world, run), [Some(at((DAYS + 1) * DAY)); 2]);
    assert!(block_on(&world.clock, world.retention.get(&other)).unwrap().1.unwrap().finished_at().is_some());
}

/// Killed at its first call, at its second, and so on; killed every time it is started; switched back in the middle.
#[test]
fn a_job_that_is_killed_anywhere_and_started_again_ends_right() {
    for fate in [Fate::CrashBefore, Fate::CrashAfter, Fate::FailBefore, Fate::LoseAnswer] {
        for crash_at in 1.. {
            let world = world();
            let runs: Vec<RunId> = (0..3).map(|_| finished(&world)).collect();
            world.clock.advance(60);
            let before = world.faults.calls().len();
            switch(&world, true);
            world.faults.strike(crash_at, fate);
            work_to_the_end(&world);
            for run in &runs {
                assert_eq!(expiries(&world, *run), [None; 2], "{fate:?} at call {crash_at}");
            }
            if world.faults.calls().len() - before < crash_at {
                assert!(crash_at > 20, "the job was hardly tried: {crash_at} calls");
                break;
            }
        }
    }
}

#[test]
fn a_second_switch_while_the_job_is_at_work_wins() {
    for calls in 1..=40 {
        let world = world();
        let runs: Vec<RunId> = (0..3).map(|_| finished(&world)).collect();
        switch(&world, true);
        let inside = world.clone();
        let mut seen = 0;
        world.faults.decide(move |_| {
            seen += 1;
            if seen == calls {
                block_on(&inside.clock, inside.retention.set(&inside.org, false)).unwrap();
            }
            Fate::Pass
        });
        for _ in 0..10 {
            tick(&world);
            world.clock.advance(300);
        }
        world.faults.clear();
        switch(&world, false);
        work_to_the_end(&world);
        for run in &runs {
            assert!(expiries(&world, *run).iter().all(Option::is_some), "switched at call {calls}");
        }
    }
}

#[test]
fn a_run_and_a_flow_that_cannot_be_read_are_passed_over() {
    let world = world();
    let runs: Vec<RunId> = (0..3).map(|_| finished(&world)).collect();
    // Two flows that are newer, so that the job comes to them first, one of them unreadable; and one flow that is older.
    for (seconds, slug) in [(50, "newer"), (60, "newest")] {
        let (flow, version) = Maker::new(seconds).flow(world.org, slug, spec(&[task("a", json!({}))], ""), at(seconds));
        block_on(&world.clock, world.store.create_flow(&flow, &version)).unwrap();
        if slug == "newest" {
            world.store.make_unreadable(flow.id);
        }
    }
    world.store.make_unreadable(runs[1]);
    switch(&world, true);
    work_to_the_end(&world);
    assert_eq!((expiries(&world, runs[0]), expiries(&world, runs[2])), ([None; 2], [None; 2]));
    assert_ne!(expiries(&world, runs[1]), [None; 2], "it could not be read, so its records keep their time");
    assert_eq!(job(&world).runs_done, 2);
}

#[test]
fn the_runs_of_a_flow_that_cannot_be_read_are_switched_too() {
    let world = world();
    let run = finished(&world);
    let (older, version) = Maker::new(3).flow(world.org, "older", spec(&[task("a", json!({}))], ""), Time::from_millis(0));
    block_on(&world.clock, world.store.create_flow(&older, &version)).unwrap();
    world.store.make_unreadable(world.flow.id);
    switch(&world, true);
    work_to_the_end(&world);
    assert_eq!(expiries(&world, run), [None; 2]);
}
