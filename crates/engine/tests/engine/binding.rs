//! A decision is bound to what was shown: a repetition never decides something else.

use domain::error::ApplicationError;
use domain::gate::{BallotOutcome, DecisionTarget, NotBound, Verdict};
use domain::id::RunId;
use domain::run::RunStatus;
use serde_json::{Value, json};
use testkit::Deployment;
use testkit::build::{Maker, actor, approve, at, gate, reject, service, spec};

/// Two approvals, one after the other, each before a payment.
fn two_in_a_row() -> Value {
    spec(
        &[
            gate("first", json!({"proposedAction": {"amount": 5}})),
            service("small", json!({"body": "${step.first.output.proposedAction}"})),
            gate("second", json!({"proposedAction": {"amount": 5_000_000}})),
            service("large", json!({"body": "${step.second.output.proposedAction}"})),
        ],
        "first>small small>second second>large",
    )
}

fn opened(spec: &Value) -> (Deployment, RunId) {
    let world = Deployment::of(spec);
    let run = world.start(json!({}));
    world.play();
    (world, run)
}

fn shown(world: &Deployment, run: RunId, node: &str) -> DecisionTarget {
    let stored = world.store.stored_version(&world.run(run));
    let gate = world.store.stored_gate(&run, node).unwrap();
    DecisionTarget { node: None, approval: Some(gate.id), shown_sha256: gate.shown_sha256(&stored.parsed_spec().unwrap()) }
}

fn not_bound(refused: ApplicationError) -> NotBound {
    let ApplicationError::NotBound(reason) = refused else { panic!("{refused:?}") };
    *reason
}

#[test]
fn a_repeated_approval_never_decides_the_next_one() {
    let (world, run) = opened(&two_in_a_row());
    let ada = actor("usr_ada");
    let first = shown(&world, run, "first");
    world.decide_on(run, &first, &ada, approve()).unwrap();
    world.play();
    let (approval, hash) = (DecisionTarget { shown_sha256: None, ..first.clone() }, DecisionTarget { approval: None, ..first.clone() });
    for again in [first, approval, hash, DecisionTarget::at("first".parse().unwrap())] {
        assert_eq!(world.decide_on(run, &again, &ada, approve()).unwrap().counted, BallotOutcome::Repeated, "{again:?}");
        let refused = not_bound(world.decide_on(run, &again, &ada, reject("no")).unwrap_err());
        assert_eq!(refused.message, "this approval was approved already");
        assert_eq!(refused.open.iter().map(|open| open.node.as_str()).collect::<Vec<_>>(), ["second"]);
    }
    // A call that names none could mean either.
    let refused = not_bound(world.decide(run, "", &ada, approve()).unwrap_err());
    assert_eq!(refused.message, "the flow has 2 approvals; say which with nodeId: second");
    let second = shown(&world, run, "second");
    assert_eq!((Some(refused.open[0].id), &refused.open[0].shown_sha256), (second.approval, &second.shown_sha256));
    assert_eq!(world.run(run).status, RunStatus::AwaitingApproval);
    assert!(world.effects.sent_to("large").is_empty());
    world.decide_on(run, &second, &ada, approve()).unwrap();
    assert_eq!(world.play_to_end(run).status, RunStatus::Succeeded);
}

#[test]
fn a_call_that_names_nothing_decides_where_the_flow_has_a_single_approval() {
    let (world, run) =
        opened(&spec(&[gate("only", json!({})), service("pay", json!({"body": "${step.only.output.proposedAction}"}))], "only>pay"));
    let ada = actor("usr_ada");
    assert_eq!(world.decide(run, "", &ada, approve()).unwrap().counted, BallotOutcome::Decided(Verdict::Approved));
    assert_eq!(world.play_to_end(run).status, RunStatus::Succeeded);
    assert_eq!(world.decide(run, "", &ada, approve()).unwrap().counted, BallotOutcome::Repeated);
}

#[test]
fn a_decision_on_something_else_than_what_is_shown_is_refused_with_what_has_changed() {
    let (world, run) = opened(&two_in_a_row());
    let ada = actor("usr_ada");
    let first = shown(&world, run, "first");
    let unknown = DecisionTarget { shown_sha256: Some("0".repeat(64)), ..first.clone() };
    let refused = not_bound(world.decide_on(run, &unknown, &ada, approve()).unwrap_err());
    assert_eq!((refused.changed, refused.open.len()), (vec!["shownSha256".to_owned()], 1));
    world.decide_on(run, &first, &ada, approve()).unwrap();
    world.play();
    let mixed = DecisionTarget { shown_sha256: first.shown_sha256, ..shown(&world, run, "second") };
    let refused = not_bound(world.decide_on(run, &mixed, &ada, approve()).unwrap_err());
    assert!(refused.changed.contains(&"proposedAction/amount".to_owned()), "{:?}", refused.changed);
    assert!(refused.changed.contains(&"destinations.small".to_owned()), "{:?}", refused.changed);
    assert_eq!(world.run(run).status, RunStatus::AwaitingApproval);
}

#[test]
fn an_approval_of_another_run_or_node_is_not_decided() {
    let (world, run) = opened(&two_in_a_row());
    let other = world.start(json!({}));
    world.play();
    let ada = actor("usr_ada");
    let theirs = shown(&world, other, "first");
    assert!(matches!(world.decide_on(run, &theirs, &ada, approve()), Err(ApplicationError::NotFound("approval"))));
    let contradiction = DecisionTarget { node: Some("second".parse().unwrap()), ..shown(&world, run, "first") };
    assert!(matches!(world.decide_on(run, &contradiction, &ada, approve()), Err(ApplicationError::Unprocessable { .. })));
}

#[test]
fn an_approval_shows_the_destinations_that_were_registered_when_it_opened() {
    let world = Deployment::of(&two_in_a_row());
    let connection = Maker::new(9).connection("custom:echo", at(0));
    world.call(domain::ports::ConnectionBook::register(&world.store, &world.org, &connection)).unwrap().unwrap();
    let run = world.start(json!({}));
    world.play();
    let decided = world.decide(run, "first", &actor("usr_ada"), approve()).unwrap();
    let seen: Vec<_> = decided.destinations.iter().map(|to| (to.node.as_str(), to.base_url.as_deref(), to.uses_decision)).collect();
    assert_eq!(seen, [("small", Some("https://service.test/v1"), true), ("large", Some("https://service.test/v1"), false)]);
    let outcome = decided.gate.outcome.unwrap();
    let stored = world.store.stored_version(&decided.run).parsed_spec().unwrap();
    assert_eq!(outcome.shown_sha256, world.store.stored_gate(&run, "first").unwrap().shown_sha256(&stored));
}
