//! Random flows, run through the real engine in a world where anything may go wrong at any moment: ports fail, lose their
//! answer, or take the process down; invocations are doubled; reviewers, a canceller and the clock act in the middle of it.
//! After every run the invariants of ARCHITECTURE.md are checked.
//!
//! No real time, no threads: a seed says everything. `SEEDS=100000` tries more of them, `SEED=7` that one alone.

#![expect(clippy::unwrap_used, reason = "what does not hold stops the seed at once")]

mod flows;
mod observer;

use domain::gate::{Ballot, Counted, Verdict};
use domain::id::RunId;
use domain::run::{NodeStatus, RunStatus};
use engine::Decided;
use observer::Observer;
use serde_json::json;
use testkit::build::{actor, approve, approve_as, reject};
use testkit::{Fate, Reply, SeededEntropy, Weakness, World};

/// What goes wrong by chance ends after so many times, so that a run is not only a fight for its life.
const MAX_FAULTS: usize = 4;

#[test]
fn whatever_goes_wrong_the_invariants_hold() {
    let number = |name: &str| std::env::var(name).ok().map(|text| text.parse::<u64>().unwrap());
    if let Some(seed) = number("SEED") {
        println!("{:#}", flows::random(&SeededEntropy::new(seed)));
        println!("{:?}", simulate(seed, None));
        return;
    }
    let mut ends = std::collections::BTreeMap::new();
    for seed in 0..number("SEEDS").unwrap_or(3_000) {
        let outcome = std::panic::catch_unwind(|| simulate(seed, None));
        let Ok(status) = outcome else { panic!("seed {seed} broke an invariant; run it alone with SEED={seed}") };
        *ends.entry(status.as_str()).or_insert(0) += 1;
    }
    println!("how the runs ended: {ends:?}");
    for status in [RunStatus::Succeeded, RunStatus::Failed, RunStatus::Cancelled] {
        assert!(ends.contains_key(status.as_str()), "no run ended as {status}: the simulation does not reach far enough");
    }
}

/// A simulation that finds nothing has to show that it could: each promise of the store, broken, is noticed.
#[test]
fn a_store_that_breaks_a_promise_is_found_out() {
    // The panics are what is looked for; a thousand of them are nothing to read.
    std::panic::set_hook(Box::new(|_| {}));
    let mut found = std::collections::BTreeMap::new();
    for weakness in [Weakness::ParksAnyway, Weakness::OverwritesSteps] {
        let seed = (0..3_000).find(|seed| std::panic::catch_unwind(|| simulate(*seed, Some(weakness))).is_err());
        found.insert(format!("{weakness:?}"), seed);
    }
    _ = std::panic::take_hook();
    println!("found out at seed: {found:?}");
    assert!(found.values().all(Option::is_some), "not every broken promise was noticed: {found:?}");
}

/// One run of one random flow.
fn simulate(seed: u64, weakness: Option<Weakness>) -> RunStatus {
    let chance = SeededEntropy::new(seed);
    let spec = flows::random(&chance);
    let mut world = World::seeded(&spec, seed);
    world.invocation_seconds = *chance.pick(&[900, 200, 60]);
    if let Some(weakness) = weakness {
        world.store.weaken(weakness);
    }
    let run = world.start(json!({"choice": format!("c{}", chance.below(3))}));
    let observer = Observer::new(&spec, run);

    let (watcher, answers, seen) = (world.clone(), chance.clone(), observer.clone());
    world.effects.script(move |sent| {
        seen.sent(&watcher, sent);
        let reply = match answers.below(12) {
            0 | 1 => Reply::unavailable(),
            2 => Reply::refused(),
            3 => Reply::unavailable().retry_after(1 + answers.below(60)),
            _ => Reply::output(json!({"parsed": {"amount": answers.below(100)}, "name": sent.name})),
        };
        if reply.result.is_err() {
            seen.failed(&sent.name);
        }
        Some(reply.after(answers.below(3) * 700))
    });
    let (victim, fate, seen) = (world.clone(), chance.clone(), observer.clone());
    let mut faults = 0;
    world.faults.decide(move |_| {
        // Not while the process is dying: whoever acts would take note of that death as its own.
        if fate.one_in(12) && !victim.faults.has_crashed() {
            act(&victim, run, &fate, &seen);
        }
        if faults < MAX_FAULTS && fate.one_in(20) {
            faults += 1;
            seen.disturbed();
            return *fate.pick(&[Fate::FailBefore, Fate::LoseAnswer, Fate::Twice, Fate::CrashBefore, Fate::CrashAfter]);
        }
        Fate::Pass
    });

    for _ in 0..200 {
        observer.look(&world);
        let stored = world.run(run);
        if stored.has_ended() && stored.drive.owes.is_none() {
            break;
        }
        match chance.below(8) {
            0 => act(&world, run, &chance, &observer),
            1 => world.clock.advance(chance.below(40)),
            _ => {
                let executions = world.segments.executions();
                if !executions.iter().any(|execution| world.step(execution)) && chance.one_in(4) {
                    world.pass_time(run);
                }
            }
        }
    }
    world.faults.clear();
    let ended = world.play_to_end(run);
    observer.look(&world);
    observer.at_the_end(&world, &ended);
    ended.status
}

/// Somebody does something, without asking whether it is a good moment.
fn act(world: &World, run: RunId, chance: &SeededEntropy, observer: &Observer) {
    match chance.below(16) {
        0 => _ = world.call(world.engine.cancel(&world.org, &run, "usr_canceller", None)),
        1 | 2 => {
            // The platform invokes twice, or takes an invocation for dead that is not.
            observer.disturbed();
            _ = world.invoke(run, world.run(run).drive.segment);
        }
        3 => _ = world.call(world.engine.reconcile(&world.store)),
        4 => {
            // An event that is late: the execution of a segment that has long been left.
            let executions = world.segments.executions();
            if let Some(old) = executions.iter().find(|execution| execution.segment < world.run(run).drive.segment) {
                let settled = world.call(world.engine.settle(&run, old.segment, "late"));
                assert!(!matches!(settled, Some(Ok(Some(_)))), "a segment that was left settled the run");
            }
        }
        _ => decide(world, run, chance, observer),
    }
}

fn decide(world: &World, run: RunId, chance: &SeededEntropy, observer: &Observer) {
    let open: Vec<String> =
        observer.gates().into_iter().filter(|node| world.node(run, node).status == NodeStatus::AwaitingApproval).collect();
    let any = observer.gates();
    // Mostly a gate that is open, now and then one that is not.
    let Some(node) = (if open.is_empty() || chance.one_in(5) { any.first() } else { Some(chance.pick(&open)) }) else { return };
    let who = actor(if chance.one_in(2) { "usr_ada" } else { "usr_bob" });
    let ballot: Ballot = match chance.below(4) {
        0 => reject("by chance"),
        1 => approve_as(json!({"amount": chance.below(3)})),
        _ => approve(),
    };
    let node_id = node.parse().unwrap();
    let answer = world.call(world.engine.decide(&world.org, &run, Some(&node_id), &who, ballot));
    if let Some(Ok(Decided { counted: Counted::Decided(verdict), .. })) = answer {
        assert_ne!(verdict, Verdict::Expired);
        observer.decided(node);
    }
}
