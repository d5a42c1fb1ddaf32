//! What an approval lets happen, and the hash of what is shown of it.
#![expect(clippy::unwrap_used, reason = "a test that cannot be set up should stop at once")]

mod common;

use common::gates::gate_proposing;
use common::{gate, spec_json};
use domain::flow::{BaseUrls, Destination, Spec};
use domain::gate::{Basis, Gate, Verdict};
use domain::step::Payload;
use proptest::prelude::*;
use serde_json::{Value, json};

fn base_urls() -> BaseUrls {
    BaseUrls::from([("custom:bank".parse().unwrap(), Some("https://bank.test/v1".to_owned()))])
}

fn pay(extra: &Value) -> Value {
    let mut node = json!({
        "id": "pay", "type": "service_call", "service": "custom:bank", "method": "POST", "path": "/payments/${trigger.iban}",
        "body": "${step.review.output.proposedAction}",
    });
    node.as_object_mut().unwrap().extend(extra.as_object().unwrap().clone());
    node
}

fn flow(gate_fields: Value, pay_fields: &Value) -> Value {
    spec_json(
        &[
            gate("review", gate_fields),
            pay(pay_fields),
            json!({"id": "tell", "type": "http_sink", "url": "https://hook.test/told", "body": {"was": "${step.review.output.decision}"}}),
            json!({"id": "last", "type": "webhook_emit", "event": "paid", "data": {"id": "${step.pay.output.id}"}}),
        ],
        "review>pay pay>last",
    )
}

fn with_rejection() -> Value {
    flow(json!({"onReject": "route_to:tell", "onTimeout": "route_to:tell"}), &json!({}))
}

fn destinations(spec: &Value) -> Vec<Destination> {
    let spec = Spec::stored(spec).unwrap();
    spec.destinations_after(spec.position(&"review".parse().unwrap()).unwrap(), &base_urls())
}

fn opened() -> Gate {
    Gate {
        basis: Basis { flow_version: Some(1), base_urls: Some(base_urls()), ..Basis::default() },
        ..gate_proposing(json!({"amount": 5}))
    }
}

fn sha256(gate: &Gate, spec: &Value) -> String {
    gate.shown_sha256(&Spec::stored(spec).unwrap()).unwrap()
}

fn changes(now: &Gate, spec: &Value, before: &Gate, old: &Value) -> Vec<String> {
    let shown = |gate: &Gate, spec: &Value| gate.shown(&Spec::stored(spec).unwrap()).unwrap();
    shown(now, spec).changes_since(&shown(before, old))
}

#[test]
fn an_approval_lists_what_each_step_after_it_sends_where_and_after_which_decision() {
    let view = serde_json::to_value(destinations(&with_rejection())).unwrap();
    assert_eq!(
        view,
        json!([
            {"nodeId": "pay", "type": "service_call", "service": "custom:bank", "baseUrl": "https://bank.test/v1", "method": "POST",
             "path": "/payments/${trigger.iban}", "body": "${step.review.output.proposedAction}", "usesDecision": true, "complete": false,
             "after": ["approved"]},
            {"nodeId": "tell", "type": "http_sink", "url": "https://hook.test/told", "method": "POST",
             "body": {"was": "${step.review.output.decision}"}, "usesDecision": false, "complete": true, "after": ["rejected", "expired"]},
            {"nodeId": "last", "type": "webhook_emit", "event": "paid", "body": {"id": "${step.pay.output.id}"}, "usesDecision": true,
             "complete": false, "after": ["approved"]},
        ])
    );
}

#[test]
fn a_model_has_an_effect_by_its_tools_alone() {
    let tool = |slug: &str| json!({"slug": slug, "description": "d", "inputSchema": {"type": "object"}});
    let asks = json!({"id": "asks", "type": "llm_step", "model": "m", "userPrompt": "${step.review.output.proposedAction.text}"});
    let mut acts = json!({"id": "acts", "type": "llm_step", "model": "m", "userPrompt": "Do it."});
    acts["tools"] = json!([tool("custom:bank"), tool("custom:crm")]);
    let spec = spec_json(&[gate("review", json!({})), asks, acts], "review>asks asks>acts");
    let seen: Vec<_> = destinations(&spec).into_iter().map(|to| (to.key(), to.base_url, to.complete)).collect();
    assert_eq!(
        seen,
        [("acts/custom:bank".to_owned(), Some("https://bank.test/v1".to_owned()), false), ("acts/custom:crm".to_owned(), None, false)]
    );
}

#[test]
fn steps_behind_another_approval_are_shown_too_and_steps_before_it_are_not() {
    let before = json!({"id": "before", "type": "http_sink", "url": "https://hook.test/before"});
    let spec = spec_json(
        &[before, gate("review", json!({})), gate("second", json!({})), pay(&json!({}))],
        "before>review review>second second>pay",
    );
    assert_eq!(destinations(&spec).iter().map(Destination::key).collect::<Vec<_>>(), ["pay"]);
}

#[test]
fn the_hash_covers_label_action_data_rules_and_destinations() {
    let (gate, spec) = (opened(), with_rejection());
    let hash = sha256(&gate, &spec);
    assert_eq!(hash, sha256(&gate, &spec));
    let elsewhere = BaseUrls::from([("custom:bank".parse().unwrap(), Some("https://evil.test".to_owned()))]);
    for (other, change) in [
        (Gate { action_label: "Refund".to_owned(), ..gate.clone() }, "actionLabel"),
        (Gate { proposed_action: Payload::of(json!({"amount": 6})), ..gate.clone() }, "proposedAction/amount"),
        (Gate { data: Some(Payload::of(json!(1))), ..gate.clone() }, "data"),
        (Gate { assign_to: Some("role:cfo".parse().unwrap()), ..gate.clone() }, "rules.assignTo"),
        (Gate { basis: Basis { base_urls: Some(elsewhere), ..gate.basis.clone() }, ..gate.clone() }, "destinations.pay.baseUrl"),
    ] {
        assert_ne!(sha256(&other, &spec), hash, "{change}");
        assert_eq!(changes(&other, &spec, &gate, &spec), [change]);
    }
    for (gate_fields, pay_fields, change) in [
        (json!({"overrideSchema": {"type": "object"}}), json!({}), "rules.overrideSchema"),
        (json!({"allowedEdits": ["/amount"]}), json!({}), "rules.allowedEdits"),
        (json!({"requireDifferentActor": true}), json!({}), "rules.requireDifferentActor"),
        (json!({"requiredApprovals": 2}), json!({}), "rules.requiredApprovals"),
        (json!({}), json!({"path": "/refunds"}), "destinations.pay.path"),
        (json!({}), json!({"method": "PUT"}), "destinations.pay.method"),
        (json!({}), json!({"body": {"amount": 5_000_000}}), "destinations.pay.body"),
        (json!({}), json!({"query": {"to": "eve"}}), "destinations.pay.query"),
    ] {
        let mut fields = json!({"onReject": "route_to:tell", "onTimeout": "route_to:tell"});
        fields.as_object_mut().unwrap().extend(gate_fields.as_object().unwrap().clone());
        let other = flow(fields, &pay_fields);
        assert_ne!(sha256(&gate, &other), hash, "{change}");
        assert_eq!(changes(&gate, &other, &gate, &spec), [change]);
    }
}

#[test]
fn how_long_an_approval_is_open_and_who_has_voted_is_no_part_of_what_is_shown() {
    let (gate, spec) = (opened(), with_rejection());
    let mut other = Gate { deadline: common::at(9_999), opened_at: common::at(7), ..gate.clone() };
    other.expire(common::at(9_999));
    assert_eq!(sha256(&other, &spec), sha256(&gate, &spec));
    let longer = flow(json!({"onReject": "route_to:tell", "onTimeout": "route_to:tell", "timeoutHours": 7}), &json!({}));
    assert_eq!(sha256(&gate, &longer), sha256(&gate, &spec));
    assert_eq!(other.outcome.unwrap().verdict, Verdict::Expired);
}

#[test]
fn two_rounds_of_one_approval_have_different_hashes_though_they_show_the_same() {
    let (gate, spec) = (opened(), with_rejection());
    let again = Gate { basis: Basis { round: 2, ..gate.basis.clone() }, ..gate.clone() };
    assert_ne!(sha256(&again, &spec), sha256(&gate, &spec));
    assert_eq!(changes(&again, &spec, &gate, &spec), Vec::<String>::new());
}

fn json_value() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        (0..5i64).prop_map(Value::from),
        "[a-c~/]{0,3}".prop_map(Value::from)
    ];
    leaf.prop_recursive(3, 16, 3, |inner| {
        prop_oneof![
            proptest::collection::vec(inner.clone(), 0..3).prop_map(Value::from),
            proptest::collection::btree_map("[a-c~/]{0,2}", inner, 0..3).prop_map(|fields| json!(fields)),
        ]
    })
}

proptest! {
    /// The hash tells two actions apart exactly if a change is named, and exactly if their bytes differ.
    #[test]
    fn what_has_the_same_hash_is_the_same_and_what_differs_is_named(before in json_value(), after in json_value(), label in "[ab]{1,2}") {
        let spec = with_rejection();
        let first = Gate { proposed_action: Payload::of(before.clone()), action_label: "a".to_owned(), ..opened() };
        let second = Gate { proposed_action: Payload::of(after.clone()), action_label: label.clone(), ..opened() };
        let same = domain::json::canonical(&before) == domain::json::canonical(&after) && label == "a";
        prop_assert_eq!(sha256(&first, &spec) == sha256(&second, &spec), same);
        prop_assert_eq!(changes(&second, &spec, &first, &spec).is_empty(), same);
    }

    /// A text is shown as it is written: read again, it is the same template.
    #[test]
    fn what_is_shown_of_a_template_reads_back(text in "[a-z{}$ ]{0,6}(\\$\\{trigger\\.[a-c]\\})?[a-z$]{0,3}(\\$\\{step\\.n\\.output \\?\\? 'x'\\})?") {
        let Ok(read) = text.parse::<domain::template::Text>() else { return Ok(()) };
        prop_assert_eq!(read.as_written().parse::<domain::template::Text>().unwrap(), read);
    }
}

#[test]
fn the_base_urls_of_an_earlier_version_are_unknown_and_the_hash_is_still_the_same_each_time() {
    let gate = Gate { basis: Basis::default(), ..opened() };
    assert!(gate.destinations(&Spec::stored(&with_rejection()).unwrap()).iter().all(|to| to.base_url.is_none()));
    assert_eq!(sha256(&gate, &with_rejection()), sha256(&gate, &with_rejection()));
}
