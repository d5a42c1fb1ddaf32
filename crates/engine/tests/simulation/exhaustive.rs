//! Every order of events, to the last state: not some of the orders in which these things can happen, but all of them.

use domain::gate::Ballot;
use serde_json::{Value, json};
use testkit::ATTEMPTS;
use testkit::build::{actor, approve, approve_as, canonical, gate, reject, service, spec, task, transform, with};

use crate::explored::Explored;
use crate::number;
use crate::search::{Scenario, explore};
use crate::tasks::{Reviewer, Says};

fn reviewer(name: &str, gate: &'static str, ballot: Ballot) -> Reviewer {
    Reviewer { actor: actor(name), gate, round: 1, says: Says::Vote(ballot) }
}

fn sends_back(name: &str, gate: &'static str) -> Reviewer {
    Reviewer { actor: actor(name), gate, round: 1, says: Says::Changes("smaller") }
}

/// A reviewer of the second round.
fn then(reviewer: Reviewer) -> Reviewer {
    Reviewer { round: 2, ..reviewer }
}

/// The canonical run, whose draft can be sent back once.
fn revised() -> Value {
    let mut spec = canonical();
    spec["nodes"][1] = with(spec["nodes"][1].clone(), json!({"revise": {"node": "draft", "maxRounds": 2}}));
    spec
}

fn ada_approves() -> Vec<Reviewer> {
    vec![reviewer("usr_ada", "review", approve_as(json!({"amount": 2})))]
}

fn ada_approves_and_bob_rejects() -> Vec<Reviewer> {
    vec![reviewer("usr_ada", "review", approve_as(json!({"amount": 2}))), reviewer("usr_bob", "review", reject("no"))]
}

fn sent_back_and_approved() -> Vec<Reviewer> {
    vec![sends_back("usr_ada", "review"), reviewer("usr_bob", "review", approve()), then(reviewer("usr_eve", "review", approve()))]
}

/// The same, and in the second round changes are requested once more; the flow allows it once.
fn twice_sent_back_and_approved() -> Vec<Reviewer> {
    let mut reviewers = sent_back_and_approved();
    reviewers.push(then(sends_back("usr_ada", "review")));
    reviewers
}

/// The canonical run, with a gate whose expiry is routed on.
fn paid_if_nobody_objects() -> Value {
    let mut spec = canonical();
    spec["nodes"][1] = with(spec["nodes"][1].clone(), json!({"onTimeout": "route_to:pay"}));
    spec
}

/// Two gates side by side, and a payment that waits for both.
fn two_gates() -> Value {
    spec(
        &[
            transform("start", &json!(1)),
            gate("left", json!({})),
            gate("right", json!({})),
            service("pay", json!({"body": "${step.left.output.proposedAction}"})),
        ],
        "start>left start>right left>pay right>pay",
    )
}

/// Two requests side by side, and one that waits for both.
fn two_requests() -> Value {
    let nodes = [transform("start", &json!(1)), task("left", json!({})), task("right", json!({})), task("last", json!({}))];
    spec(&nodes, "start>left start>right left>last right>last")
}

fn reviewed(name: &'static str, reviewers: Vec<Reviewer>) -> Scenario {
    plain(name, canonical(), reviewers)
}

fn side_by_side(name: &'static str, bob: Ballot) -> Scenario {
    plain(name, two_gates(), vec![reviewer("usr_ada", "left", approve()), reviewer("usr_bob", "right", bob)])
}

/// A canceller may act, and the clock may pass a deadline at any moment; nothing goes wrong.
fn plain(name: &'static str, spec: Value, reviewers: Vec<Reviewer>) -> Scenario {
    Scenario {
        name,
        spec,
        reviewers,
        cancel: true,
        early_clock: true,
        crashes: 0,
        losses: 0,
        early_payments: 0,
        duplicates: 0,
        attempts: ATTEMPTS,
        forget: true,
    }
}

/// What `make test` explores. The first two are the combination that matters most; the others add, to as much of it as fits
/// into seconds, what else can happen. A row is complete: everything in it may happen, together and at any moment.
///
/// | scenario               | reviewers      | cancel | expiry | crash | lost answer | 2nd invocation | early dispatch |
/// |------------------------|----------------|--------|--------|-------|-------------|----------------|-----------------|
/// | canonical              | 2, against     | yes    | yes    | 1     |             |                |                 |
/// | two gates              | 2, a gate each |        | yes    | 1     |             |                |                 |
/// | two gates, cancelled   | 2, a gate each | yes    | yes    |       |             |                |                 |
/// | one rejected           | 2, a gate each |        | yes    |       |             |                |                 |
/// | quorum                 | 2, both needed |        | yes    | 1     |             |                |                 |
/// | doubled                | 1              |        | yes    |       |             | 1              |                 |
/// | doubled and cancelled  |                | yes    | yes    |       |             | 1              |                 |
/// | doubled and crashed    |                |        | yes    | 1     |             | 1              |                 |
/// | lost answer            | 1              | yes    | yes    |       | 1           |                |                 |
/// | paid early             | 1              |        | yes    | 1     |             |                | 1               |
/// | two requests           |                | yes    |        | 1     |             |                |                 |
/// | two requests, doubled  |                |        |        |       |             | 1              |                 |
/// | given up               | 1              | yes    | yes    | 1     |             |                |                 |
/// | sent back              | 2, then 2      |        | yes    |       |             |                |                 |
/// | sent back, crashed     | 2, then 2      |        |        | 1     |             |                |                 |
/// | sent back, cancelled   | 2, then 1      | yes    |        |       |             |                |                 |
/// | sent back, doubled     | 2, then 1      |        |        |       |             | 1              |                 |
/// | sent back, lost answer | 2, then 1      |        |        |       | 1           |                |                 |
///
/// (*given up*: an execution fails with its first invocation, and the run is settled. *crash*: the process of any invocation or
/// call of the API, between any two of its calls. *sent back*: one of the reviewers requests changes and the other approves, then the
/// next ones act in the second round.)
fn scenarios() -> Vec<Scenario> {
    let quorum = spec(
        &[gate("review", json!({"requiredApprovals": 2})), service("pay", json!({"body": "${step.review.output.proposedAction}"}))],
        "review>pay",
    );
    let both = vec![reviewer("usr_ada", "review", approve()), reviewer("usr_bob", "review", approve())];
    vec![
        Scenario { crashes: 1, ..reviewed("canonical", ada_approves_and_bob_rejects()) },
        Scenario { crashes: 1, cancel: false, ..side_by_side("two gates", approve_as(json!({"amount": 2}))) },
        side_by_side("two gates, cancelled", approve_as(json!({"amount": 2}))),
        Scenario { cancel: false, ..side_by_side("one rejected", reject("no")) },
        Scenario { crashes: 1, cancel: false, ..plain("quorum", quorum, both) },
        Scenario { duplicates: 1, cancel: false, ..reviewed("doubled", ada_approves()) },
        Scenario { duplicates: 1, ..plain("doubled and cancelled", paid_if_nobody_objects(), Vec::new()) },
        Scenario { duplicates: 1, crashes: 1, cancel: false, ..plain("doubled and crashed", paid_if_nobody_objects(), Vec::new()) },
        Scenario { losses: 1, ..reviewed("lost answer", ada_approves()) },
        Scenario { early_payments: 1, crashes: 1, cancel: false, ..reviewed("paid early", ada_approves()) },
        Scenario { crashes: 1, ..plain("two requests", two_requests(), Vec::new()) },
        Scenario { duplicates: 1, cancel: false, ..plain("two requests, doubled", two_requests(), Vec::new()) },
        Scenario { attempts: 1, crashes: 1, ..reviewed("given up", ada_approves()) },
        Scenario { cancel: false, ..plain("sent back", revised(), twice_sent_back_and_approved()) },
        Scenario {
            crashes: 1,
            cancel: false,
            early_clock: false,
            ..plain("sent back, crashed", revised(), twice_sent_back_and_approved())
        },
        Scenario { early_clock: false, ..plain("sent back, cancelled", revised(), sent_back_and_approved()) },
        Scenario { duplicates: 1, cancel: false, early_clock: false, ..plain("sent back, doubled", revised(), sent_back_and_approved()) },
        Scenario { losses: 1, cancel: false, early_clock: false, ..plain("sent back, lost answer", revised(), sent_back_and_approved()) },
    ]
}

/// More at once, for minutes and gigabytes: explored with `DEEP=1`.
fn deep_scenarios() -> Vec<Scenario> {
    vec![
        Scenario { duplicates: 1, cancel: false, ..reviewed("doubled, two reviewers", ada_approves_and_bob_rejects()) },
        Scenario { duplicates: 1, ..reviewed("doubled, one reviewer, cancelled", ada_approves()) },
        Scenario { duplicates: 1, crashes: 1, cancel: false, ..reviewed("doubled, one reviewer, crashed", ada_approves()) },
        Scenario { duplicates: 1, crashes: 1, ..plain("doubled, cancelled, crashed", paid_if_nobody_objects(), Vec::new()) },
        Scenario { losses: 1, ..reviewed("lost answer, two reviewers", ada_approves_and_bob_rejects()) },
        Scenario { early_payments: 1, ..reviewed("paid early, two reviewers", ada_approves_and_bob_rejects()) },
        Scenario { crashes: 2, ..reviewed("two crashes", ada_approves()) },
        Scenario { duplicates: 1, crashes: 1, ..plain("two requests, doubled, cancelled, crashed", two_requests(), Vec::new()) },
        Scenario { crashes: 1, ..side_by_side("two gates, cancelled, crashed", approve_as(json!({"amount": 2}))) },
        Scenario { crashes: 1, cancel: false, ..plain("sent back, expired, crashed", revised(), twice_sent_back_and_approved()) },
        plain("sent back, expired, cancelled", revised(), sent_back_and_approved()),
    ]
}

/// One of those that `make test` explores.
pub fn scenario(name: &str) -> Scenario {
    scenarios().into_iter().find(|scenario| scenario.name == name).unwrap()
}

/// Explores a scenario to its last state, and says how much that was.
#[expect(clippy::print_stdout, reason = "only tests call it")]
fn explore_all(scenario: &Scenario) -> Explored {
    let explored = explore(scenario, None).unwrap_or_else(|broken| panic!("{}: {broken}", scenario.name));
    println!("{}: {explored}", scenario.name);
    explored
}

#[test]
fn in_every_order_of_events_a_reviewed_run_keeps_its_promises() {
    let explored = explore_all(&scenario("canonical"));
    assert_eq!(explored.ends.keys().copied().collect::<Vec<_>>(), ["cancelled", "failed", "succeeded"]);
}

#[test]
fn in_every_order_of_events_two_gates_side_by_side_keep_their_promises() {
    explore_all(&scenario("two gates"));
    let explored = explore_all(&scenario("two gates, cancelled"));
    assert_eq!(explored.ends.keys().copied().collect::<Vec<_>>(), ["cancelled", "failed", "succeeded"]);
}

#[test]
fn in_every_order_of_events_whatever_else_goes_wrong_the_promises_are_kept() {
    for scenario in scenarios().into_iter().filter(|scenario| !["canonical", "two gates", "two gates, cancelled"].contains(&scenario.name))
    {
        explore_all(&scenario);
    }
    if number("DEEP").is_some() {
        for scenario in deep_scenarios() {
            explore_all(&scenario);
        }
    }
}

/// What keeps the exploration small: a call of the API whose write is refused is taken to begin anew. That it does is not taken
/// on trust: with everything remembered there are many more states, and the same comes of them.
#[test]
fn what_a_call_remembers_after_a_refused_write_makes_no_difference() {
    let forgetful = reviewed("forgetful", ada_approves());
    let mindful = Scenario { name: "mindful", forget: false, ..forgetful.clone() };
    let (forgetful, mindful) = (explore_all(&forgetful), explore_all(&mindful));
    assert!(forgetful.states < mindful.states);
    assert_eq!((&forgetful.sites, &forgetful.ends), (&mindful.sites, &mindful.ends));
    assert_eq!(format!("{:e}", forgetful.orders), format!("{:e}", mindful.orders), "each order of the one is one of the other");
}
