//! A simulation that finds nothing has to show that it could: each promise, broken, is noticed, and by the right invariant.

use testkit::BrokenGuarantee;

use crate::exhaustive::scenario;
use crate::random::try_seed;
use crate::search::explore;

/// The number of seeds within which a broken promise must be noticed.
const SEEDS: u64 = 5_000;

/// What each broken guarantee is to be caught by: in which scenario, explored to the end, and as what.
const CAUGHT: [(BrokenGuarantee, &str, &str); 10] = [
    // What is decided has another label than what the reviewer was shown.
    (BrokenGuarantee::ShowsAnother, "canonical", "I9: the decision of review is bound to something else than what was shown"),
    // The condition of Park dropped: a decision arrives before the wait is durable, and is slept on.
    (BrokenGuarantee::ParksAnyway, "canonical", "I4: a wake-up was lost"),
    // Two invocations record the same step, and the second overwrites what others may have read.
    (BrokenGuarantee::OverwritesSteps, "doubled", "I6: the record of draft has changed"),
    // No optimistic write: a reader from before the cancellation writes over it.
    (BrokenGuarantee::IgnoresRev, "canonical", "I2: a run that had ended has changed"),
    // The owner's condition dropped: an invocation that has lost the run starts what the other one has started.
    (BrokenGuarantee::IgnoresTakeover, "doubled", "I6: draft was sent 2 times"),
    // A timeout applied without checking the gate: it wipes out a decision made a moment before.
    (BrokenGuarantee::ExpiresAnyway, "quorum", "I3: the decision of review has changed"),
    // A start before the upstream is done: an edge into the join is not seen.
    (BrokenGuarantee::ForgetsAnEdge, "two requests", "I1: last has begun, and right before it is not done"),
    // A start before the upstream is done: what is under way is taken for done.
    (BrokenGuarantee::ReadsAhead, "canonical", "I1: review has begun, and draft before it is not done"),
    // A pending effect cleared before it has taken place: a process that dies between the two has wakened nobody.
    (BrokenGuarantee::ForgetsResumes, "canonical", "I4: a wake-up was lost"),
    // A record without its round: the draft that was sent back is taken for the revised one, and no model is asked.
    (BrokenGuarantee::MixesRounds, "sent back", "I1: review has begun, and draft before it is not done"),
];

#[test]
fn a_broken_promise_is_found_in_every_order_of_events() {
    for (broken_guarantee, name, what) in CAUGHT {
        let Err(broken) = explore(&scenario(name), Some(broken_guarantee)) else {
            panic!("{broken_guarantee:?} was not noticed in `{name}`")
        };
        println!("{broken_guarantee:?}, in `{name}`: {broken}");
        assert!(broken.what.contains(what), "{broken_guarantee:?} was noticed as: {}", broken.what);
    }
}

/// The random simulation finds them too, and makes each small. All but one: its invocations run to their end or die, and an
/// invocation that lost the run to a dead one does no harm by writing on.
#[test]
fn a_broken_promise_is_found_by_chance_and_shrinks_to_a_small_flow() {
    for broken_guarantee in
        BrokenGuarantee::ALL.into_iter().filter(|broken_guarantee| *broken_guarantee != BrokenGuarantee::IgnoresTakeover)
    {
        // Shrinking may end at a flow that could be smaller: the smallest of the first few counts.
        let found = (0..SEEDS).filter_map(|seed| try_seed(seed, Some(broken_guarantee)).err()).take(3);
        let broken = found.min_by_key(|broken| (broken.case.nodes.len(), broken.case.troubles.len()));
        let Some(broken) = broken else { panic!("{broken_guarantee:?} was not noticed by {SEEDS} seeds") };
        let (nodes, troubles) = (broken.case.nodes.len(), broken.case.troubles.len());
        let headline = broken.what.lines().next().unwrap_or_default();
        println!("{broken_guarantee:?}, seed {}: {nodes} nodes, {troubles} troubles: {headline:.120}", broken.seed);
        assert!(nodes <= 4 && troubles <= 3, "it did not shrink: {broken}");
    }
}
