//! Every round of a run is shown: the newest in the steps, the others with them.
#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test that cannot be set up should stop at once")]

use api::view::{MAX_BYTES, earlier_rounds_of, part_of_step, run_with_steps};
use domain::flow::Spec;
use domain::gate::{DecisionTarget, Gate};
use domain::id::RunId;
use serde_json::{Value, json};
use testkit::build::{actor, at, gate, llm, service, spec, transform};
use testkit::{Deployment, Reply, block_on};

/// A run that was sent back twice, with drafts of this many bytes, and waits in its third round.
fn revised(bytes: usize) -> (Deployment, RunId) {
    let nodes = [
        llm("draft", json!({})),
        transform("check", &json!("${step.draft.output.parsed}")),
        gate("review", json!({"proposedAction": {"draft": "${step.draft.output.text}"}, "revise": {"node": "draft", "maxRounds": 3}})),
        service("pay", json!({"body": "${step.review.output.proposedAction}"})),
    ];
    let world = Deployment::of(&spec(&nodes, "draft>check check>review review>pay"));
    for round in 1..=3 {
        world.effects.answer("draft", Reply::parsed(&json!({"round": round, "text": "x".repeat(bytes)})));
    }
    let run = world.start(json!({}));
    world.play();
    for note in ["shorter", "longer"] {
        let target = DecisionTarget { approval: Some(open(&world, run).id), ..DecisionTarget::default() };
        world.call(world.engine.request_changes(&world.org, &run, &target, &actor("usr_ada"), note)).unwrap().unwrap();
        world.play();
    }
    (world, run)
}

fn open(world: &Deployment, run: RunId) -> Gate {
    world.gate(run, "review").unwrap()
}

fn shown(world: &Deployment, run: RunId) -> Value {
    let run = world.run(run);
    let version = world.store.stored_version(&run);
    let spec = Spec::parse(&version.spec).unwrap();
    block_on(&world.clock, run_with_steps(&world.store, at(99), &run, &version, &spec)).unwrap()["run"].clone()
}

fn step<'a>(run: &'a Value, node: &str) -> &'a Value {
    run["steps"].as_array().unwrap().iter().find(|step| step["nodeId"] == node).unwrap()
}

#[test]
fn a_step_shows_its_newest_round_and_the_earlier_ones_in_order() {
    let (world, run) = revised(10);
    let view = shown(&world, run);
    let draft = step(&view, "draft");
    let made = |step: &Value| step["output"]["parsed"]["round"].clone();
    assert_eq!((made(draft), &draft["round"]), (json!(3), &json!(3)));
    let rounds = draft["rounds"].as_array().unwrap();
    assert_eq!(rounds.iter().map(made).collect::<Vec<_>>(), [json!(1), json!(2)]);
    assert_eq!(rounds.iter().map(|step| &step["status"]).collect::<Vec<_>>(), ["succeeded", "succeeded"]);
    let mut ids = vec![&draft["id"], &rounds[0]["id"], &rounds[1]["id"]];
    ids.dedup();
    assert_eq!(ids.len(), 3);
    let mut keys = vec![draft["idempotencyKey"].to_string(), rounds[0]["idempotencyKey"].to_string()];
    keys.dedup();
    assert_eq!(keys.len(), 2);

    let review = step(&view, "review");
    assert_eq!((&review["status"], &review["round"]), (&json!("awaiting_approval"), &json!(3)));
    let requests: Vec<_> = review["rounds"].as_array().unwrap().iter().map(|round| &round["changeRequest"]).collect();
    assert_eq!(requests.iter().map(|request| &request["note"]).collect::<Vec<_>>(), ["shorter", "longer"]);
    assert_eq!(requests.iter().map(|request| &request["draftRound"]).collect::<Vec<_>>(), [1, 2]);
    assert!(review.get("changeRequest").is_none() && review["rounds"][0].get("decision").is_none());
    assert!(step(&view, "pay").get("rounds").is_none() && step(&view, "pay").get("round").is_none());
}

#[test]
fn a_part_of_any_round_can_be_fetched() {
    let (world, run) = revised(10);
    let run = world.run(run);
    let spec = Spec::parse(&world.store.stored_version(&run).spec).unwrap();
    let part = |node: &str, round, part| {
        let ix = spec.position(&node.parse().unwrap()).unwrap();
        block_on(&world.clock, part_of_step(&world.store, at(99), &run, &spec, ix, round, part)).unwrap()
    };
    let made = |round| part("draft", round, "output").map(|found| found["output"]["parsed"]["round"].clone());
    assert_eq!([made(None), made(Some(1)), made(Some(3)), made(Some(4))], [Some(json!(3)), Some(json!(1)), Some(json!(3)), None]);
    assert!(part("review", Some(2), "proposedAction").is_some());
}

#[test]
fn an_approval_shows_what_was_proposed_before_and_why_it_came_back() {
    let (world, run) = revised(10);
    let rounds = block_on(&world.clock, earlier_rounds_of(&world.store, at(99), &world.run(run), &open(&world, run))).unwrap();
    let said: Vec<_> = rounds.iter().map(|round| (round["round"].clone(), round["note"].clone(), round["actor"].clone())).collect();
    let by_ada = |round: u32, note: &str| (json!(round), json!(note), json!("usr_ada"));
    assert_eq!(said, [by_ada(1, "shorter"), by_ada(2, "longer")]);
    assert!(rounds[0]["proposedAction"]["draft"].as_str().unwrap().contains("\"round\":1"));
}

#[test]
fn earlier_rounds_turn_into_references_before_anything_of_the_newest_does() {
    let nodes: Vec<Value> = (0..30).map(|at| transform(&format!("copy{at}"), &json!("${step.draft.output.parsed}"))).collect();
    let review = gate("review", json!({"revise": {"node": "draft", "maxRounds": 4}}));
    let nodes = [&[llm("draft", json!({}))][..], &nodes, &[review]].concat();
    let edges: Vec<String> = (0..30).map(|at| format!("draft>copy{at} copy{at}>review")).collect();
    let world = Deployment::of(&spec(&nodes, &edges.join(" ")));
    for round in 1..=4 {
        world.effects.answer("draft", Reply::parsed(&json!({"round": round, "text": "x".repeat(48_000)})));
    }
    let run = world.start(json!({}));
    world.play();
    for note in ["one", "two", "three"] {
        let target = DecisionTarget { approval: Some(open(&world, run).id), ..DecisionTarget::default() };
        world.call(world.engine.request_changes(&world.org, &run, &target, &actor("usr_ada"), note)).unwrap().unwrap();
        world.play();
    }
    // Four rounds of 30 outputs of 48 KB, and what the drafts take besides, are more than 5 MB, and a quarter of it is the newest: those stay.
    let view = shown(&world, run);
    assert!(json!({"data": view}).to_string().len() <= MAX_BYTES);
    for step in view["steps"].as_array().unwrap().iter().filter(|step| step["nodeId"] != "review") {
        assert!(step.get("output").is_some(), "{}", step["nodeId"]);
        for round in step["rounds"].as_array().unwrap() {
            let reference = &round["outputRef"];
            assert!(round.get("output").is_some() || reference["url"].as_str().unwrap().ends_with(&format!("?round={}", round["round"])));
        }
    }
}
