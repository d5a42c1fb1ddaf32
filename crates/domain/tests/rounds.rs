//! Requests for changes: what a flow may say, what is done again, and what never happens because of it.
#![expect(clippy::unwrap_used, reason = "a test that cannot be set up should stop at once")]

mod common;

use common::gates::{self, STARTER, payment, rules};
use common::specs::problems;
use common::{Story, at, decision, gate, spec_json, task};
use domain::flow::{NodeKind, Spec};
use domain::gate::{BallotError, Verdict};
use domain::json::sha256_hex;
use domain::run::{NodeStatus, PendingEffect, Reuse, RunStatus, TransitionError};
use domain::step::{StepKey, idempotency_key, step_id};
use serde_json::{Value, json};

fn llm(id: &str) -> Value {
    json!({"id": id, "type": "llm_step", "userPrompt": "Draft it."})
}

fn review(extra: &Value) -> Value {
    let mut node = gate("review", json!({"revise": {"node": "draft", "maxRounds": 3}}));
    node.as_object_mut().unwrap().extend(extra.as_object().unwrap().clone());
    node
}

fn transform(id: &str) -> Value {
    json!({"id": id, "type": "transform", "output": 1})
}

/// `draft`, a lookup, the gate, and a payment.
fn story() -> Story {
    let lookup = task("lookup", json!({}));
    let mut story = Story::of(&[llm("draft"), lookup, review(&json!({})), task("pay", json!({}))], "draft>lookup lookup>review review>pay");
    story.run_through("draft lookup").open("review");
    story
}

fn revise(story: &mut Story, node: &str) -> Result<u32, TransitionError> {
    let (ix, now) = (story.ix(node), story.now);
    story.run.revise(&story.spec, ix, now).map(|revised| revised.round)
}

fn key(node: &str, round: u32) -> StepKey {
    StepKey::new(&node.parse().unwrap(), round)
}

/// Returns the problems of the gate `review` in a flow, and the warnings.
fn said(spec: &Value) -> (Vec<String>, Vec<String>) {
    let refused = problems(spec);
    let warned = Spec::parse_with_warnings(spec).map(|(_, warnings)| warnings).unwrap_or_default();
    let warned = warned.by_path().iter().flat_map(|(path, texts)| texts.iter().map(move |text| format!("{path}: {text}")));
    (refused, warned.filter(|text| text.contains("revise")).collect())
}

#[test]
fn the_draft_and_the_gate_and_what_lies_between_begin_anew_in_the_next_round() {
    let mut story = story();
    assert_eq!(revise(&mut story, "review"), Ok(1));
    assert_eq!((story.ready(), story.run.status), ("draft".to_owned(), RunStatus::Running));
    assert_eq!(story.nodes(NodeStatus::Pending), "draft lookup pay review");
    assert_eq!(["draft", "lookup", "review", "pay"].map(|node| story.run.round_of(&node.parse().unwrap())), [2, 2, 2, 1]);
    story.run_through("draft lookup").open("review").decide("review", Verdict::Approved).run_through("pay");
    assert_eq!(story.run.status, RunStatus::Succeeded);
}

#[test]
fn a_parked_run_is_resumed_and_one_that_is_driven_is_not() {
    let mut driven = story();
    revise(&mut driven, "review").unwrap();
    assert_eq!(driven.run.execution.pending, None);
    let mut parked = story();
    parked.park("token");
    revise(&mut parked, "review").unwrap();
    assert_eq!(parked.run.execution.pending, Some(PendingEffect::SendTaskSuccess));
}

#[test]
fn exhausted_rounds_leave_approve_reject_and_time() {
    let mut story = story();
    for round in 1..=2 {
        assert_eq!(revise(&mut story, "review"), Ok(round));
        story.run_through("draft lookup").open("review");
    }
    let before = story.run.clone();
    let refused = revise(&mut story, "review").unwrap_err();
    assert_eq!(refused, TransitionError::RoundsExhausted { round: 3, max: 3 });
    assert!(refused.to_string().ends_with("only approve or reject"), "{refused}");
    assert_eq!(story.run, before);
    for verdict in Verdict::ALL {
        story.clone().try_decide("review", *verdict).unwrap();
    }
}

#[test]
fn a_request_needs_an_open_gate_that_has_a_draft() {
    let mut closed = story();
    closed.decide("review", Verdict::Approved);
    assert_eq!(revise(&mut closed, "review"), Err(TransitionError::NodeIs(NodeStatus::Succeeded)));
    let mut plain = Story::of(&[llm("draft"), gate("review", json!({}))], "draft>review");
    plain.run_through("draft").open("review");
    assert_eq!(revise(&mut plain, "review"), Err(TransitionError::NothingRevises));
    // The draft may be on a branch that was not taken.
    let direct = decision("choose", &[("draft", "draft"), ("direct", "review")]);
    let mut skipped = Story::of(&[direct, llm("draft"), review(&json!({}))], "choose>draft:draft choose>review:direct draft>review");
    skipped.choose("choose", "direct").open("review");
    assert_eq!(skipped.skipped(), "draft");
    assert_eq!(revise(&mut skipped, "review"), Err(TransitionError::NoDraft("draft".parse().unwrap())));
    let mut cancelled = story();
    cancelled.run.cancel(domain::access::RecordedActor::named("usr_ada"), None, at(9)).unwrap();
    assert_eq!(revise(&mut cancelled, "review"), Err(TransitionError::Ended(RunStatus::Cancelled)));
}

#[test]
fn a_decision_between_may_take_another_way_in_the_next_round() {
    let nodes = [llm("draft"), decision("size", &[("big", "check"), ("small", "review")]), transform("check"), review(&json!({}))];
    let mut story = Story::of(&nodes, "draft>size size>check:big size>review:small check>review");
    story.run_through("draft").choose("size", "small").open("review");
    assert_eq!(story.skipped(), "check");
    revise(&mut story, "review").unwrap();
    assert_eq!(story.skipped(), "", "it is not known yet which way the revised draft takes");
    story.run_through("draft").choose("size", "big").run_through("check").open("review");
    assert_eq!(story.run.round_of(&"check".parse().unwrap()), 2);
}

#[test]
fn another_gate_between_is_asked_again_because_it_approved_an_earlier_draft() {
    let first = gate("peer", json!({"revise": {"node": "draft", "maxRounds": 2}}));
    let mut story = Story::of(&[llm("draft"), first, review(&json!({}))], "draft>peer peer>review");
    story.run_through("draft").open("peer").decide("peer", Verdict::Approved).open("review");
    revise(&mut story, "review").unwrap();
    story.run_through("draft");
    assert_eq!(story.ready(), "peer");
    story.open("peer");
    // Each request raises the round of its own gate, so that they come to an end. Rounds that another gate asked for count.
    assert_eq!(revise(&mut story, "peer"), Err(TransitionError::RoundsExhausted { round: 2, max: 2 }));
    story.decide("peer", Verdict::Approved).open("review");
    assert_eq!(revise(&mut story, "review"), Ok(2));
}

#[test]
fn the_first_round_has_the_ids_and_keys_that_it_always_had_and_every_other_has_its_own() {
    let run = story().run;
    let key_of = |round| idempotency_key(&run.id, &key("draft", round), &sha256_hex(&json!({"a": 1})));
    assert_eq!(key_of(1), format!("{}/draft/{}", run.id, &sha256_hex(&json!({"a": 1}))[..32]));
    assert_eq!(key_of(2), format!("{}/r2", key_of(1)));
    assert_eq!(step_id(&run.id, &key("draft", 1)), domain::id::StepId::derived(&run.id, "draft", run.id.created_at()));
    assert_ne!(step_id(&run.id, &key("draft", 1)), step_id(&run.id, &key("draft", 2)));
    assert_eq!([key("draft", 1).to_string(), key("draft", 2).to_string()], ["draft", "draft@R2"]);
}

#[test]
fn a_retry_begins_in_the_rounds_of_the_run_before_it_unless_something_before_the_draft_changes() {
    let nodes = [task("load", json!({})), llm("draft"), review(&json!({})), task("pay", json!({}))];
    let edges = "load>draft draft>review review>pay";
    let mut story = Story::of(&nodes, edges);
    story.run_through("load draft").open("review");
    revise(&mut story, "review").unwrap();
    story.start("draft").fail("draft");
    assert_eq!(story.run.status, RunStatus::Failed);
    let rounds = |spec: &Spec, from: Option<&str>| {
        let from = from.map(|from| from.parse().unwrap());
        let rounds = Reuse::of(&story.run, &story.spec, spec, from.as_ref()).rounds(&story.run, spec);
        rounds.into_iter().map(|(node, round)| format!("{node} {round}")).collect::<Vec<_>>().join(", ")
    };
    assert_eq!(rounds(&story.spec, None), "draft 2, review 2");
    assert_eq!(rounds(&story.spec, Some("draft")), "draft 2, review 2");
    assert_eq!(rounds(&story.spec, Some("load")), "");
    let mut changed = nodes.clone();
    changed[0]["url"] = json!("https://other.example.com/");
    assert_eq!(rounds(&Spec::parse(&spec_json(&changed, edges)).unwrap(), None), "");
}

#[test]
fn a_request_closes_the_gate_without_a_decision_and_no_ballot_counts_any_more() {
    let mut gate = payment();
    let (rules, starters) = (rules(json!({"requiredApprovals": 2})), [STARTER].into());
    gates::vote(&mut gate, &rules, "usr_bob", gates::approve()).unwrap();
    assert_eq!(gate.is_new_request(&rules, &starters, &gates::actor("usr_ada"), "less", at(20)), Ok(true));
    gate.close_for_changes(&gates::actor("usr_ada"), "less", key("draft", 1), at(20));
    assert!(!gate.is_open() && gate.outcome.is_none());
    for ballot in [gates::approve(), gates::reject()] {
        let refused = gates::vote(&mut gate, &rules, "usr_bob", ballot).unwrap_err();
        assert!(matches!(refused, BallotError::Closed(why) if why.contains("changes were requested")), "{refused}");
    }
    // The same again is no error, and anything else is refused.
    let again = |who: &str, note: &str| gate.is_new_request(&rules, &starters, &gates::actor(who), note, at(30));
    assert_eq!(again("usr_ada", "less"), Ok(false));
    assert!(again("usr_ada", "more").is_err() && again("usr_bob", "less").is_err());
}

#[test]
fn who_may_decide_may_request_changes_and_nobody_else() {
    let rules = rules(json!({"requireDifferentActor": true}));
    let mut gate = payment();
    let ask = |gate: &domain::gate::Gate, who: &str, seconds| {
        gate.is_new_request(&rules, &[STARTER].into(), &gates::actor(who), "less", at(seconds))
    };
    assert_eq!(ask(&gate, STARTER, 10), Err(BallotError::StarterMayNot));
    assert!(matches!(ask(&gate, "usr_ada", 3_600), Err(BallotError::Closed(_))));
    gate.assign_to = Some("user:usr_eve".parse().unwrap());
    assert!(matches!(ask(&gate, "usr_ada", 10), Err(BallotError::NotAssigned(_))));
    assert_eq!(ask(&gate, "usr_eve", 10), Ok(true));
    gates::vote(&mut gate, &rules, "usr_eve", gates::reject()).unwrap();
    assert_eq!(ask(&gate, "usr_eve", 11), Err(BallotError::AlreadyDecided(Verdict::Rejected)));
}

#[test]
fn revise_is_read_with_its_default_and_its_bounds() {
    let read = |revise: Value| {
        let spec = spec_json(&[llm("draft"), review(&json!({"revise": revise}))], "draft>review");
        Spec::parse(&spec).map(|spec| {
            let NodeKind::Approval(rules) = &spec.node(spec.position(&"review".parse().unwrap()).unwrap()).kind else { unreachable!() };
            rules.revise.as_ref().unwrap().max_rounds
        })
    };
    assert_eq!(read(json!({"node": "draft"})), Ok(3));
    assert_eq!(read(json!({"node": "draft", "maxRounds": 20})), Ok(20));
    for (revise, path) in [
        (json!({}), "spec.nodes[1].revise.node"),
        (json!({"node": "draft", "maxRounds": 1}), "spec.nodes[1].revise.maxRounds"),
        (json!({"node": "draft", "maxRounds": 21}), "spec.nodes[1].revise.maxRounds"),
        (json!({"node": "draft", "rounds": 2}), "spec.nodes[1].revise.rounds"),
        (json!("draft"), "spec.nodes[1].revise"),
    ] {
        let refused = read(revise.clone()).unwrap_err();
        assert_eq!(refused.by_path().keys().collect::<Vec<_>>(), [path], "{revise}");
    }
}

#[test]
fn what_a_request_cannot_go_back_to_is_refused_where_the_flow_names_it() {
    for (node, hint) in
        [("nowhere", "there is no node `nowhere`"), ("lookup", "only the draft of an llm_step"), ("later", "not upstream of `review`")]
    {
        let nodes = [task("lookup", json!({})), review(&json!({"revise": {"node": node}})), llm("later")];
        let (refused, _) = said(&spec_json(&nodes, "lookup>review review>later"));
        assert!(refused.len() == 1 && refused[0].starts_with("spec.nodes[1].revise.node: ") && refused[0].contains(hint), "{refused:?}");
    }
}

#[test]
fn what_could_use_the_draft_before_the_gate_is_decided_is_refused_and_an_edge_mends_it() {
    let nodes = [llm("draft"), task("notify", json!({"method": "POST"})), review(&json!({})), task("pay", json!({}))];
    let (refused, _) = said(&spec_json(&nodes, "draft>notify draft>review review>pay"));
    assert!(refused.len() == 1 && refused[0].starts_with("spec.nodes[2].revise.node: `notify` follows `draft`"), "{refused:?}");
    assert!(refused[0].contains("add an edge from it to `review`"));
    // A join after the gate does not help: the node is done before that.
    let (refused, _) = said(&spec_json(&nodes, "draft>notify draft>review review>pay notify>pay"));
    assert!(refused.iter().any(|text| text.contains("`notify`")), "{refused:?}");
    let (refused, warned) = said(&spec_json(&nodes, "draft>notify notify>review review>pay"));
    assert!(refused.is_empty());
    assert!(warned.len() == 1 && warned[0].contains("`notify` sends its POST in every round"), "{warned:?}");
    // So is another approval of the same draft.
    let nodes = [llm("draft"), gate("legal", json!({})), review(&json!({}))];
    assert!(!said(&spec_json(&nodes, "draft>legal draft>review")).0.is_empty());
    assert!(said(&spec_json(&nodes, "draft>legal legal>review")).0.is_empty());
    // Nothing that is done by then has seen the draft, and nothing that is not done then can have begun.
    let nodes =
        [task("load", json!({})), llm("draft"), task("other", json!({"method": "POST"})), review(&json!({})), task("pay", json!({}))];
    assert_eq!(said(&spec_json(&nodes, "load>draft load>other draft>review review>pay other>pay draft>pay")), (vec![], vec![]));
}

#[test]
fn a_way_that_never_runs_together_with_the_gate_is_allowed_and_pointed_out() {
    let failed = json!({"id": "draft", "type": "llm_step", "userPrompt": "x", "onError": "route_to:apologise"});
    let nodes = [failed, task("apologise", json!({"method": "POST"})), review(&json!({}))];
    assert_eq!(said(&spec_json(&nodes, "draft>review")), (vec![], vec![]), "a draft that fails is none that gets past the gate");
    let nodes = [llm("draft"), decision("size", &[("big", "review"), ("small", "book")]), review(&json!({})), task("book", json!({}))];
    let (refused, warned) = said(&spec_json(&nodes, "draft>size size>review:big size>book:small"));
    assert!(refused.is_empty(), "{refused:?}");
    assert!(warned.len() == 1 && warned[0].contains("may lead to `book` instead of `review`"), "{warned:?}");
    let mut story = Story::of(&nodes, "draft>size size>review:big size>book:small");
    story.run_through("draft").choose("size", "big").open("review");
    assert_eq!(story.skipped(), "book");
    revise(&mut story, "review").unwrap();
    story.run_through("draft").choose("size", "small").run_through("book");
    assert_eq!((story.run.status, story.skipped()), (RunStatus::Succeeded, "review".to_owned()));
}

#[test]
fn a_stored_flow_that_this_version_would_refuse_never_repeats_an_effect_unasked() {
    let nodes = [llm("draft"), task("notify", json!({"method": "POST"})), review(&json!({}))];
    let spec = Spec::stored(&spec_json(&nodes, "draft>notify draft>review")).unwrap();
    let mut run = common::new_run(&spec);
    run.claim(common::OWNER, 1).unwrap();
    let mut story = Story { spec, run, now: at(0) };
    story.run_through("draft").open("review").start("notify");
    assert_eq!(revise(&mut story, "review"), Err(TransitionError::DraftIsUsed("notify".parse().unwrap())));
}
