//! A retry takes a decision over only if a reviewer would be shown the same now.

use domain::flow::Version;
use domain::gate::DecisionTarget;
use domain::id::RunId;
use domain::ports::{ConnectionBook, Flows};
use domain::run::RunStatus;
use engine::RetryOptions;
use serde_json::{Value, json};
use testkit::build::{Maker, actor, approve, approve_as, at, gate, reject, service, spec, task, transform, with};
use testkit::{Deployment, Reply, block_on};

/// A payment of five, which is approved and then refused by the bank.
fn payment() -> Value {
    spec(
        &[
            transform("before", &json!({"text": "v1"})),
            gate("review", json!({"proposedAction": {"amount": 5, "to": "Ada"}})),
            transform("shape", &json!({"wire": "${step.review.output.proposedAction}"})),
            service("pay", json!({"body": {"amount": 5, "to": "Ada"}})),
            transform("after", &json!({"said": "paid"})),
        ],
        "before>review review>shape shape>pay pay>after",
    )
}

fn failed(spec: &Value) -> (Deployment, RunId) {
    let world = Deployment::of(spec);
    register(&world, "https://bank.test");
    world.effects.answer("pay", Reply::refused());
    let run = world.start(json!({"amount": 5}));
    world.play();
    world.decide(run, "review", &actor("usr_ada"), approve()).unwrap();
    assert_eq!(world.play_to_end(run).status, RunStatus::Failed);
    (world, run)
}

fn register(world: &Deployment, base_url: &str) {
    let connection = domain::connection::Connection { base_url: base_url.to_owned(), ..Maker::new(9).connection("custom:echo", at(0)) };
    world.call(world.store.register(&world.org, &connection)).unwrap().unwrap();
}

/// Saves another version of the flow, and retries the run on it.
fn on_latest(world: &Deployment, before: RunId, spec: Value) -> RunId {
    let old = world.store.stored_version(&world.run(before));
    let head = block_on(&world.clock, world.store.flow(&world.org, &domain::ports::FlowName::Id(world.flow.id))).unwrap().unwrap();
    let flow = domain::flow::Flow { version: head.version + 1, ..head.clone() };
    let version = Version { number: flow.version, spec, ..old };
    block_on(&world.clock, world.store.update_flow(&head, &flow, Some(&version))).unwrap();
    retry(world, before, RetryOptions { on_latest_version: true, ..RetryOptions::default() })
}

fn retry(world: &Deployment, before: RunId, options: RetryOptions) -> RunId {
    let run = world.call(world.engine.retry(&world.entropy, &world.org, &before, &actor("usr_operator"), options)).unwrap().unwrap().run.id;
    world.play();
    run
}

fn changed(mut spec: Value, node: usize, extra: Value) -> Value {
    spec["nodes"][node] = with(spec["nodes"][node].clone(), extra);
    spec
}

#[test]
fn an_approval_of_five_is_not_carried_over_to_a_payment_of_five_million() {
    let (world, before) = failed(&payment());
    let run = on_latest(&world, before, changed(payment(), 3, json!({"body": {"amount": 5_000_000, "to": "Eve"}})));
    assert_eq!(world.run(run).status, RunStatus::AwaitingApproval);
    assert_eq!(world.effects.sent_to("pay").len(), 1);
    let asked = world.gate(run, "review").unwrap();
    let earlier = asked.basis.earlier.clone().unwrap();
    assert_eq!((earlier.run, earlier.changed), (before, vec!["destinations.pay.body".to_owned()]));
    assert_eq!((asked.reused_from, asked.outcome), (None, None));
    world.decide(run, "review", &actor("usr_ada"), reject("who is Eve?")).unwrap();
    assert_eq!(world.play_to_end(run).status, RunStatus::Failed);
    assert_eq!(world.effects.sent_to("pay").len(), 1);
}

#[test]
fn everything_that_is_shown_asks_anew_when_it_changes() {
    for (node, extra, change) in [
        (1, json!({"proposedAction": {"amount": 6, "to": "Ada"}}), "proposedAction/amount"),
        (1, json!({"actionLabel": "Pay more"}), "actionLabel"),
        (1, json!({"data": {"note": 1}}), "data"),
        (1, json!({"allowedEdits": ["/amount"]}), "rules.allowedEdits"),
        (1, json!({"overrideSchema": {"type": "object"}}), "rules.overrideSchema"),
        (1, json!({"assignTo": "role:cfo"}), "rules.assignTo"),
        (1, json!({"requiredApprovals": 2}), "rules.requiredApprovals"),
        (1, json!({"requireDifferentActor": true}), "rules.requireDifferentActor"),
        (3, json!({"path": "/other/pay"}), "destinations.pay.path"),
        (3, json!({"method": "PUT"}), "destinations.pay.method"),
        (3, json!({"query": {"a": "b"}}), "destinations.pay.query"),
        (3, json!({"service": "custom:other"}), "destinations.pay.service"),
    ] {
        let (world, before) = failed(&payment());
        let run = on_latest(&world, before, changed(payment(), node, extra));
        assert_eq!(world.run(run).status, RunStatus::AwaitingApproval, "{change}");
        let earlier = world.gate(run, "review").unwrap().basis.earlier.unwrap();
        assert!(earlier.changed.contains(&change.to_owned()), "{change}: {:?}", earlier.changed);
    }
    // A new step with an effect is something new to allow.
    let (world, before) = failed(&payment());
    let mut more = payment();
    more["nodes"].as_array_mut().unwrap().push(task("tell", json!({})));
    more["edges"].as_array_mut().unwrap().push(json!({"from": "after", "to": "tell"}));
    let run = on_latest(&world, before, more);
    assert_eq!(world.gate(run, "review").unwrap().basis.earlier.unwrap().changed, ["destinations.tell"]);
}

#[test]
fn a_mended_step_before_the_approval_or_without_an_effect_costs_nobody_a_second_look() {
    for (node, extra) in [
        (0, json!({"output": {"text": "v2"}})),
        (1, json!({"timeoutHours": 9})),
        (3, json!({"retry": {"maxAttempts": 3}, "timeoutSeconds": 7})),
        (4, json!({"output": {"said": "it is paid"}})),
    ] {
        let (world, before) = failed(&payment());
        let run = on_latest(&world, before, changed(payment(), node, extra));
        assert_eq!(world.play_to_end(run).status, RunStatus::Succeeded, "node {node}");
        let gate = world.gate(run, "review").unwrap();
        assert_eq!((gate.reused_from, gate.basis.earlier), (Some(before), None));
        assert_eq!(gate.outcome.unwrap().actor.as_deref(), Some("usr_ada"));
    }
}

#[test]
fn a_step_after_the_approval_whose_output_is_sent_may_be_mended_if_it_failed_and_not_if_it_had_succeeded() {
    let through = |body: &str, output: Value| {
        spec(&[gate("review", json!({})), transform("shape", &output), service("pay", json!({"body": body}))], "review>shape shape>pay")
    };
    let (five, millions) = (json!({"amount": 5}), json!({"amount": 5_000_000}));
    let (world, before) = failed(&through("${step.shape.output}", five.clone()));
    let run = on_latest(&world, before, through("${step.shape.output}", millions));
    assert_eq!(world.gate(run, "review").unwrap().basis.earlier.unwrap().changed, ["steps.shape"]);

    let world = Deployment::of(&through("${step.shape.output}", json!({"amount": "${trigger.amount}"})));
    let before = world.start(json!({}));
    world.play();
    world.decide(before, "review", &actor("usr_ada"), approve()).unwrap();
    assert_eq!(world.play_to_end(before).status, RunStatus::Failed);
    let run = on_latest(&world, before, through("${step.shape.output}", five));
    assert_eq!(world.play_to_end(run).status, RunStatus::Succeeded);
    assert_eq!(world.gate(run, "review").unwrap().reused_from, Some(before));
}

#[test]
fn a_connection_that_leads_elsewhere_asks_anew_even_on_the_same_version() {
    let (world, before) = failed(&payment());
    register(&world, "https://evil.test");
    let run = retry(&world, before, RetryOptions::default());
    assert_eq!(world.gate(run, "review").unwrap().basis.earlier.unwrap().changed, ["destinations.pay.baseUrl"]);
    register(&world, "https://bank.test");
    let other = retry(&world, before, RetryOptions::default());
    assert_eq!(world.play_to_end(other).status, RunStatus::Succeeded);
    assert_eq!(world.gate(other, "review").unwrap().reused_from, Some(before));
}

#[test]
fn a_step_carries_the_destinations_that_the_approvals_before_it_cover() {
    let (world, _) = failed(&payment());
    register(&world, "https://evil.test");
    let covered = &world.effects.sent_to("pay")[0].context.covered;
    assert_eq!((covered.len(), covered[0].gate.as_str(), covered[0].base_url.as_deref()), (1, "review", Some("https://bank.test")));
    assert_eq!(covered[0].refusal("https://bank.test"), None);
    assert!(covered[0].refusal("https://evil.test").unwrap().contains("the approval `review` did not cover this destination"));
}

#[test]
fn what_was_done_is_not_done_again_after_the_same_decision_and_is_after_another_one() {
    let two = |path: &str| {
        spec(
            &[
                gate("review", json!({"proposedAction": {"amount": 5}})),
                service("pay", json!({"body": "${step.review.output.proposedAction}"})),
                service("tell", json!({"path": path})),
            ],
            "review>pay pay>tell",
        )
    };
    for (ballot, sent) in [(approve(), 1), (approve_as(json!({"amount": 4})), 2)] {
        let world = Deployment::of(&two("/tell"));
        world.effects.answer("tell", Reply::refused());
        let before = world.start(json!({}));
        world.play();
        world.decide(before, "", &actor("usr_ada"), approve()).unwrap();
        assert_eq!(world.play_to_end(before).status, RunStatus::Failed);
        let run = on_latest(&world, before, two("/mended/tell"));
        assert_eq!(world.run(run).status, RunStatus::AwaitingApproval);
        world.decide_on(run, &DecisionTarget::default(), &actor("usr_ada"), ballot).unwrap();
        assert_eq!(world.play_to_end(run).status, RunStatus::Succeeded);
        assert_eq!(world.effects.sent_to("pay").len(), sent);
    }
}

#[test]
fn a_rejection_is_never_taken_over_and_the_next_approval_shows_it() {
    let world = Deployment::of(&payment());
    let before = world.start(json!({}));
    world.play();
    world.decide(before, "review", &actor("usr_ada"), reject("no")).unwrap();
    assert_eq!(world.play_to_end(before).status, RunStatus::Failed);
    let run = retry(&world, before, RetryOptions::default());
    let earlier = world.gate(run, "review").unwrap().basis.earlier.unwrap();
    assert_eq!((earlier.run, earlier.changed), (before, Vec::new()));
}
