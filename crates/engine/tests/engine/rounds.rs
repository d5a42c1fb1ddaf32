//! A reviewer requests changes: the model revises its draft, what lies between is done again, and the approval opens anew.

use domain::error::ApplicationError;
use domain::gate::{Ballot, BallotOutcome, DecisionTarget, Gate, Verdict};
use domain::id::RunId;
use domain::ports::{RunLists, Window};
use domain::request::{Request, Turn};
use domain::run::{NodeStatus, RunStatus};
use domain::step::StepKey;
use engine::{ChangesRequested, DecisionResult, RetryOptions};
use serde_json::{Value, json};
use testkit::build::{actor, approve, approve_as, gate, llm, reject, service, spec, with};
use testkit::{Deployment, Fate, Reply, Sent, block_on};

/// A draft, a lookup with it, an approval that may be sent back twice, and a payment.
fn reviewed() -> Value {
    spec(
        &[
            llm("draft", json!({"systemPrompt": "You draft payments.", "userPrompt": "Draft a payment for ${trigger.ticket}."})),
            service("lookup", json!({"body": "${step.draft.output.parsed}"})),
            gate("review", json!({"proposedAction": "${step.draft.output.parsed}", "revise": {"node": "draft", "maxRounds": 3}})),
            service("pay", json!({"body": "${step.review.output.proposedAction}"})),
        ],
        "draft>lookup lookup>review review>pay",
    )
}

/// A run of a flow that waits for its reviewer. The drafts are 10, 20, 30 and 40.
fn waiting_in(flow: &Value) -> (Deployment, RunId) {
    let world = Deployment::of(flow);
    for amount in [10, 20, 30, 40] {
        world.effects.answer("draft", Reply::parsed(&json!({"amount": amount})));
    }
    let run = world.start(json!({"ticket": "T-1"}));
    world.play();
    (world, run)
}

fn waiting() -> (Deployment, RunId) {
    waiting_in(&reviewed())
}

fn ask_as(world: &Deployment, run: RunId, who: &str, at: &DecisionTarget, note: &str) -> Result<ChangesRequested, ApplicationError> {
    world.call(world.engine.request_changes(&world.org, &run, at, &actor(who), note)).unwrap()
}

/// What a reviewer has on the screen: the open approval of the run, or else nothing.
fn on_screen(world: &Deployment, run: RunId) -> DecisionTarget {
    let approval = world.gate(run, "review").filter(Gate::is_open).map(|gate| gate.id);
    DecisionTarget { approval, ..DecisionTarget::default() }
}

fn ask(world: &Deployment, run: RunId, note: &str) -> Result<ChangesRequested, ApplicationError> {
    ask_as(world, run, "usr_ada", &on_screen(world, run), note)
}

fn decide(world: &Deployment, run: RunId, who: &str, ballot: Ballot) -> Result<DecisionResult, ApplicationError> {
    let target = on_screen(world, run);
    world.call(world.engine.decide(&world.org, &run, &target, &actor(who), ballot)).unwrap()
}

fn retried(world: &Deployment, run: RunId) -> RunId {
    let operator = actor("usr_operator");
    let retry = world.engine.retry(&world.entropy, &world.org, &run, &operator, RetryOptions::default());
    world.call(retry).unwrap().unwrap().run.id
}

fn open_gate(world: &Deployment, run: RunId) -> Gate {
    let gate = world.gate(run, "review").unwrap();
    assert!(gate.is_open());
    gate
}

fn conversation(sent: &Sent) -> Vec<Turn> {
    let Request::Llm(request) = &sent.request else { panic!("{sent:?}") };
    request.conversation.clone()
}

fn drafted(amount: u64) -> Turn {
    Turn::Assistant(json!({"amount": amount}).to_string())
}

fn said(note: &str) -> Turn {
    Turn::User(note.to_owned())
}

#[test]
fn the_model_gets_its_draft_and_the_note_and_the_approval_opens_anew() {
    let (world, run) = waiting();
    let first = open_gate(&world, run);
    let requested = ask(&world, run, "half of it").unwrap();
    assert_eq!((requested.run.status, requested.gate.basis.round), (RunStatus::Running, 1));
    world.play();
    let second = open_gate(&world, run);
    assert_eq!((second.basis.round, second.votes.len()), (2, 0));
    assert_ne!(first.id, second.id);
    assert_eq!(second.proposed_action.value().map(AsRef::as_ref), Some(&json!({"amount": 20})));
    ask(&world, run, "a bit more").unwrap();
    world.play();
    let drafts = world.effects.sent_to("draft");
    assert_eq!(
        drafts.iter().map(conversation).collect::<Vec<_>>(),
        [vec![], vec![drafted(10), said("half of it")], vec![drafted(10), said("half of it"), drafted(20), said("a bit more")],]
    );
    decide(&world, run, "usr_bob", approve()).unwrap();
    assert_eq!(world.play_to_end(run).status, RunStatus::Succeeded);
    assert_eq!(world.effects.sent_to("pay")[0].body(), Some(&json!({"amount": 30})));
}

#[test]
fn what_lies_between_is_sent_again_under_other_keys_and_nothing_else_is() {
    let (world, run) = waiting();
    ask(&world, run, "again").unwrap();
    world.play();
    decide(&world, run, "usr_bob", approve()).unwrap();
    world.play_to_end(run);
    let keys = |name: &str| world.effects.sent_to(name).into_iter().map(|sent| sent.context.idempotency_key).collect::<Vec<_>>();
    for name in ["draft", "lookup"] {
        let keys = keys(name);
        assert_eq!(keys.len(), 2, "{name}");
        assert_eq!(keys[0].split('/').count(), 3, "the first round has the key that it always had");
        assert!(keys[1].ends_with("/r2"), "{keys:?}");
    }
    assert_eq!(keys("pay").len(), 1);
    assert_eq!(keys("pay")[0].split('/').count(), 3);
}

#[test]
fn every_round_stays_on_record() {
    let (world, run) = waiting();
    ask(&world, run, "half of it").unwrap();
    world.play();
    decide(&world, run, "usr_bob", approve_as(json!({"amount": 21}))).unwrap();
    world.play_to_end(run);
    let draft = |round| world.store.stored_step_in_round(&run, "draft", round).unwrap().output.unwrap().value().unwrap()["parsed"].clone();
    assert_eq!([draft(1), draft(2)], [json!({"amount": 10}), json!({"amount": 20})]);
    let gate = |round| world.store.stored_gate_in_round(&run, "review", round).unwrap();
    let changes = gate(1).changes.unwrap();
    assert_eq!((changes.by.id.as_str(), changes.note.as_str()), ("usr_ada", "half of it"));
    assert_eq!(changes.draft, StepKey::new(&"draft".parse().unwrap(), 1));
    assert!(gate(1).outcome.is_none() && gate(2).changes.is_none());
    assert_eq!(gate(2).outcome.unwrap().verdict, Verdict::Approved);
}

#[test]
fn votes_of_an_earlier_round_do_not_count() {
    let mut flow = reviewed();
    flow["nodes"][2] = with(flow["nodes"][2].clone(), json!({"requiredApprovals": 2}));
    let (world, run) = waiting_in(&flow);
    assert_eq!(decide(&world, run, "usr_bob", approve()).unwrap().counted, BallotOutcome::MoreNeeded);
    ask(&world, run, "again").unwrap();
    world.play();
    assert_eq!(decide(&world, run, "usr_eve", approve()).unwrap().counted, BallotOutcome::MoreNeeded);
    assert_eq!(decide(&world, run, "usr_bob", approve()).unwrap().counted, BallotOutcome::Decided(Verdict::Approved));
}

#[test]
fn exhausted_rounds_are_a_conflict_and_are_never_an_approval() {
    let (world, run) = waiting();
    for note in ["one", "two"] {
        ask(&world, run, note).unwrap();
        world.play();
    }
    let refused = ask(&world, run, "three").unwrap_err();
    assert!(matches!(&refused, ApplicationError::Conflict(why) if why.contains("only approve or reject")), "{refused:?}");
    assert!(open_gate(&world, run).votes.is_empty());
    assert_eq!(world.play_to_end(run).status, RunStatus::Failed, "nobody decided before the deadline");
    assert!(world.effects.sent_to("pay").is_empty());
}

#[test]
fn the_same_request_again_changes_nothing_and_another_one_is_refused() {
    let (world, run) = waiting();
    let approval = open_gate(&world, run).id;
    let at = &DecisionTarget { approval: Some(approval), ..DecisionTarget::default() };
    let first = ask_as(&world, run, "usr_ada", at, "less").unwrap();
    let rev = world.run(run).rev;
    assert_eq!(ask_as(&world, run, "usr_ada", at, "less").unwrap().gate, first.gate);
    assert_eq!(ask(&world, run, "less").unwrap().gate, first.gate, "it is found without its id until the next round opens");
    assert_eq!(world.run(run).rev, rev);
    let refused = decide(&world, run, "usr_bob", approve()).unwrap_err();
    assert!(matches!(&refused, ApplicationError::Conflict(why) if why.contains("changes were requested")), "{refused:?}");
    for (who, note) in [("usr_ada", "more"), ("usr_bob", "less")] {
        let refused = ask_as(&world, run, who, at, note).unwrap_err();
        assert!(matches!(refused, ApplicationError::Conflict(_)), "{refused:?}");
    }
    world.play();
    assert_eq!(ask_as(&world, run, "usr_ada", at, "less").unwrap().gate, first.gate, "by its id it stays what it was");
    assert!(open_gate(&world, run).changes.is_none());
    // Without its id it could be about either.
    assert!(matches!(ask_as(&world, run, "usr_ada", &DecisionTarget::default(), "less"), Err(ApplicationError::NotBound(_))));
}

#[test]
fn of_an_approval_and_a_request_at_the_same_time_exactly_one_wins() {
    for first_approves in [true, false] {
        let (world, run) = waiting();
        let (store, engine, org) = (world.store.clone(), world.engine.clone(), world.org);
        let clock = world.clock.clone();
        // The other one writes right before the write of the first.
        world.faults.just_before("commit", 1, move || {
            let (bob, at) = (actor("usr_bob"), DecisionTarget::default());
            if first_approves {
                block_on(&clock, engine.request_changes(&org, &run, &at, &bob, "no")).unwrap();
            } else {
                block_on(&clock, engine.decide(&org, &run, &at, &bob, approve())).unwrap();
            }
        });
        let refused = if first_approves { decide(&world, run, "usr_ada", approve()).map(drop) } else { ask(&world, run, "less").map(drop) };
        assert!(matches!(refused, Err(ApplicationError::Conflict(_))), "{refused:?}");
        let gate = store.stored_gate_in_round(&run, "review", 1).unwrap();
        assert_eq!((gate.outcome.is_some(), gate.changes.is_some()), (!first_approves, first_approves));
    }
}

#[test]
fn a_crash_at_any_call_of_the_way_back_leaves_a_run_that_goes_on_exactly() {
    for fate in [Fate::CrashBefore, Fate::CrashAfter, Fate::LoseAnswer, Fate::FailBefore, Fate::Twice] {
        for nth in 1..40 {
            let (world, run) = waiting();
            let before = world.faults.calls().len();
            world.faults.strike(nth, fate);
            _ = world.call(world.engine.request_changes(&world.org, &run, &DecisionTarget::default(), &actor("usr_ada"), "less"));
            let asked = world.faults.calls().len() - before;
            if nth > asked {
                break;
            }
            world.faults.clear();
            // Whoever got no answer asks again.
            ask(&world, run, "less").unwrap();
            world.clock.advance(300);
            world.reconcile().unwrap();
            world.play();
            let label = format!("{fate:?} at call {nth}");
            assert_eq!(open_gate(&world, run).basis.round, 2, "{label}");
            decide(&world, run, "usr_bob", approve()).unwrap();
            assert_eq!(world.play_to_end(run).status, RunStatus::Succeeded, "{label}");
            assert_eq!(world.effects.sent_to("draft").len(), 2, "{label}");
            assert_eq!(world.effects.sent_to("pay")[0].body(), Some(&json!({"amount": 20})), "{label}");
        }
    }
}

#[test]
fn a_request_reaches_an_invocation_that_is_at_work_beside_it() {
    let mut flow = reviewed();
    flow["nodes"].as_array_mut().unwrap().extend([service("start", json!({})), service("side", json!({}))]);
    flow["startNodeId"] = json!("start");
    flow["edges"].as_array_mut().unwrap().extend([json!({"from": "start", "to": "draft"}), json!({"from": "start", "to": "side"})]);
    let world = Deployment::of(&flow);
    for amount in [10, 20] {
        world.effects.answer("draft", Reply::parsed(&json!({"amount": amount})));
    }
    // While the side branch is under way, the gate opens and is sent back.
    let run = world.start(json!({"ticket": "T-1"}));
    let (engine, org, clock, store) = (world.engine.clone(), world.org, world.clock.clone(), world.store.clone());
    let mut is_asked = false;
    world.effects.answer("side", Reply::output(json!({})).after(60_000));
    world.faults.decide(move |_| {
        let is_open = store.stored_gate(&run, "review").is_some_and(|gate| gate.is_open());
        if is_open && !is_asked {
            is_asked = true;
            block_on(&clock, engine.request_changes(&org, &run, &DecisionTarget::default(), &actor("usr_ada"), "less")).unwrap();
        }
        Fate::Pass
    });
    world.play();
    world.faults.clear();
    let gate = open_gate(&world, run);
    assert_eq!((gate.basis.round, gate.proposed_action.value().map(AsRef::as_ref)), (2, Some(&json!({"amount": 20}))));
    assert_eq!(world.effects.sent_to("side").len(), 1);
    let looked_up: Vec<_> = world.effects.sent_to("lookup").iter().map(|sent| sent.body().cloned().unwrap()).collect();
    assert_eq!(looked_up, [json!({"amount": 10}), json!({"amount": 20})], "no value of the round before is used");
}

#[test]
fn the_inbox_has_the_approval_of_the_newest_round_only() {
    let (world, run) = waiting();
    let inbox = || {
        let window = Window { after: None, skip: 0, limit: 10, was_beyond_cap: false };
        block_on(&world.clock, world.store.open_gates(&world.org, None, &|_| true, &window)).unwrap().rows
    };
    assert_eq!(inbox().len(), 1);
    ask(&world, run, "less").unwrap();
    assert_eq!(inbox(), []);
    world.play();
    assert_eq!(inbox().iter().map(|gate| gate.basis.round).collect::<Vec<_>>(), [2]);
}

#[test]
fn a_draft_that_cannot_be_revised_fails_the_run_and_a_retry_goes_on_in_that_round() {
    let world = Deployment::of(&reviewed());
    world.effects.answer("draft", Reply::parsed(&json!({"amount": 10}))).answer("draft", Reply::refused());
    world.effects.answer("draft", Reply::parsed(&json!({"amount": 20})));
    let run = world.start(json!({"ticket": "T-1"}));
    world.play();
    ask(&world, run, "less").unwrap();
    assert_eq!(world.play_to_end(run).status, RunStatus::Failed);

    let again = retried(&world, run);
    world.play();
    let drafts = world.effects.sent_to("draft");
    assert_eq!(drafts.len(), 3);
    assert_eq!(conversation(&drafts[2]), [drafted(10), said("less")]);
    assert_eq!(drafts[1].context.idempotency_key, drafts[2].context.idempotency_key, "the same request has the same key");
    let gate = open_gate(&world, again);
    assert_eq!((gate.basis.round, gate.run), (2, again));
    // One more round is left, and its conversation is in two runs.
    ask(&world, again, "much less").unwrap();
    world.play();
    let last = world.effects.sent_to("draft").pop().unwrap();
    assert_eq!(conversation(&last), [drafted(10), said("less"), drafted(20), said("much less")]);
    assert!(ask(&world, again, "nothing at all").is_err(), "the rounds of the run before it count");
}

#[test]
fn a_retry_takes_over_the_newest_round_and_may_be_sent_back_itself() {
    let mut flow = reviewed();
    flow["nodes"].as_array_mut().unwrap().push(gate("last", json!({"revise": {"node": "draft", "maxRounds": 9}})));
    flow["edges"] = json!([{"from": "draft", "to": "lookup"}, {"from": "lookup", "to": "review"}, {"from": "review", "to": "last"}, {"from": "last", "to": "pay"}]);
    let (world, run) = waiting_in(&flow);
    ask(&world, run, "less").unwrap();
    world.play();
    decide(&world, run, "usr_bob", approve()).unwrap();
    world.play();
    world.decide(run, "last", &actor("usr_bob"), reject("no")).unwrap();
    assert_eq!(world.play_to_end(run).status, RunStatus::Failed);

    let again = retried(&world, run);
    world.play();
    assert_eq!(world.effects.sent_to("draft").len(), 2, "nothing is done again that was done");
    let taken_over = world.gate(again, "review").unwrap();
    assert_eq!((taken_over.basis.round, taken_over.reused_from), (2, Some(run)));
    assert_eq!(world.record(again, "draft").unwrap().round, 2);
    // Sent back in the retry, the draft is done again, and not taken over once more.
    ask_as(&world, again, "usr_ada", &DecisionTarget::at("last".parse().unwrap()), "even less").unwrap();
    world.play();
    assert_eq!(world.effects.sent_to("draft").len(), 3);
    assert_eq!(conversation(&world.effects.sent_to("draft")[2]), [drafted(10), said("less"), drafted(20), said("even less")]);
    assert_eq!(world.node(again, "review").status, NodeStatus::AwaitingApproval, "what it had approved was another draft");
}

#[test]
fn an_emitted_event_of_each_round_is_an_event_of_its_own() {
    let mut flow = reviewed();
    flow["nodes"][1] = json!({"id": "lookup", "type": "webhook_emit", "event": "draft.made"});
    let (world, run) = waiting_in(&flow);
    ask(&world, run, "less").unwrap();
    world.play();
    let event = |round| world.store.stored_step_in_round(&run, "lookup", round).unwrap().output.unwrap().value().cloned();
    assert_ne!(event(1), event(2));
}

#[test]
fn a_run_can_be_cancelled_while_its_draft_is_revised() {
    let (world, run) = waiting();
    ask(&world, run, "less").unwrap();
    world.cancel(run, "enough").unwrap();
    world.play();
    assert_eq!(world.run(run).status, RunStatus::Cancelled);
    assert_eq!(world.effects.sent_to("draft").len(), 1);
    assert!(ask(&world, run, "less").is_ok(), "a repetition of what is on record");
    assert!(ask(&world, run, "more").is_err());
}
