//! The proof that runs keep their promises, I1 to I6 of ARCHITECTURE.md, in two parts. Both drive the real engine, on ports in
//! memory, without real time or threads; nothing in them is a model of the engine.
//!
//! **By chance** ([`random`]): flows of up to nine nodes of all types, with branches, joins, gates, waits, retries and policies.
//! Any call of any port may fail, lose its answer, be sent twice, or take the process down before or after it took effect: reads,
//! writes, and requests to the world alike. In the middle of any call reviewers decide, also by a clock that is behind, a person
//! cancels, an invocation is doubled, pending effects are dispatched, old news arrives. Texts may be as large as an item, the news of a failed
//! execution may be lost, and the table may be restored to an earlier copy while executions and the world go on. Then the troubles stop: within
//! some ticks of `reconcile-runs` (and some sweeps, if something was lost) the run has ended, or waits for a person or a clock. What breaks
//! an invariant shrinks to a small flow with little happening to it, and `SEED=…` runs it alone. `make simulate SEEDS=1000000` tries more.
//!
//! **In every order** ([`exhaustive`]): small scenarios, explored to the last state. A choice point is every call of a port by
//! every task (invocations, reviewers, the canceller, the workers that settle and reconcile), the write of Park, the start of an
//! invocation, its death, and the clock passing a deadline. A state is what is stored, the executions, what has been sent, the
//! time, and all that each task has heard so far, so that states which are taken for the same have the same future. The graph of
//! states has no circles and all its ends are ends of the run: so every run ends, whatever happens.
//!
//! **What it does not prove.** The flows explored in every order are small, and one thing of each kind goes wrong in them; larger
//! ones are left to chance. Reading what never changes (a version, an input) is no choice point. A call happens at one moment:
//! that DynamoDB, Step Functions and S3 keep the promises that the ports in memory keep is for `store/tests/` (one suite for both
//! stores), `tests/statemachine/` and `tests/e2e/` to show. Reviewers know of a gate once it is there. A thing that fails for
//! ever is a failed run, not a late one: how long anything takes is measured from the moment at which everything works. Purges and events
//! are not part of it.

#![expect(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "what does not hold stops the seed at once")]

mod attempt;
mod case;
mod exhaustive;
mod explored;
mod flows;
mod mutations;
mod observer;
mod random;
mod reading;
mod search;
mod site;
mod tape;
mod tasks;

use std::collections::BTreeMap;

use domain::run::RunStatus;

/// What `make test` tries: some twenty seconds of a debug build.
const SEEDS: u64 = 15_000;

/// A number from the environment.
fn number(name: &str) -> Option<u64> {
    std::env::var(name).ok().map(|text| text.parse().unwrap_or_else(|_| panic!("{name} must be a number, not `{text}`")))
}

#[test]
fn whatever_goes_wrong_the_invariants_hold() {
    if let Some(seed) = number("SEED") {
        let case = random::case_of(seed);
        println!("{:#}\n{case:#?}", flows::flow(&case.nodes));
        println!("{}", random::try_seed(seed, None).unwrap_or_else(|broken| panic!("{broken}")));
        return;
    }
    let mut ends = BTreeMap::new();
    for seed in 0..number("SEEDS").unwrap_or(SEEDS) {
        let status = random::try_seed(seed, None).unwrap_or_else(|broken| panic!("{broken}"));
        *ends.entry(status.as_str()).or_insert(0) += 1;
    }
    println!("how the runs ended: {ends:?}");
    for status in [RunStatus::Succeeded, RunStatus::Failed, RunStatus::Cancelled] {
        assert!(ends.contains_key(status.as_str()), "no run ended as {status}: the simulation does not reach far enough");
    }
}
