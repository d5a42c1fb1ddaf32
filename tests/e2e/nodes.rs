//! Nodes that send nothing, and how a run walks through its graph.

use serde_json::{Value, json};

use crate::support::{Stack, echo_call, edge, one_gate, spec, transform};

fn case(from: &str, to: &str, case: &str) -> Value {
    json!({"from": from, "to": to, "case": case})
}

/// Two branches of two nodes each, joined again.
fn branching() -> Value {
    spec(
        &[
            json!({"id": "choose", "type": "decision", "expression": "trigger.kind", "defaultCase": "other",
                   "cases": {"5": {"next": "five"}, "true": {"next": "yes"}, "other": {"next": "rest"}}}),
            transform("five", &json!({"was": "${trigger.kind}"})),
            transform("yes", &json!("yes")),
            transform("rest", &json!("rest")),
            transform("more", &json!("${step.rest.output} of it")),
            transform("end", &json!("${step.choose.output.selected}")),
        ],
        &[
            case("choose", "five", "5"),
            case("choose", "yes", "true"),
            case("choose", "rest", "other"),
            edge("rest", "more"),
            edge("five", "end"),
            edge("yes", "end"),
            edge("more", "end"),
        ],
    )
}

#[tokio::test]
async fn a_decision_takes_one_branch_and_skips_the_others_to_where_they_join() {
    let stack = Stack::shared();
    let flow = stack.flow(|_| branching()).await;
    for (kind, selected, taken) in [
        (json!("5"), "5", vec!["five"]),
        (json!(5), "5", vec!["five"]),
        (json!(true), "true", vec!["yes"]),
        (json!("maybe"), "other", vec!["rest", "more"]),
        (json!(null), "other", vec!["rest", "more"]),
    ] {
        let view = stack.start(&flow, &json!({"kind": kind})).await.wait("succeeded").await;
        assert_eq!(view.output("choose"), &json!({"selected": selected}), "{kind}");
        assert_eq!(view.output("end"), selected);
        for node in ["five", "yes", "rest", "more"] {
            let expected = if taken.contains(&node) { "succeeded" } else { "skipped" };
            assert_eq!(view.step(node)["status"], expected, "{kind}: {node}");
            assert_eq!(view.step(node).get("output").is_some(), taken.contains(&node));
        }
    }
}

#[tokio::test]
async fn a_decision_without_a_matching_case_fails_and_says_which_there_are() {
    let stack = Stack::shared();
    let flow = stack
        .flow(|_| {
            let choose = json!({"id": "choose", "type": "decision", "expression": "trigger.kind", "cases": {"a": {"next": "x"}, "b": {"next": "y"}}});
            spec(&[choose, transform("x", &json!(1)), transform("y", &json!(2))], &[case("choose", "x", "a"), case("choose", "y", "b")])
        })
        .await;
    let error = async |kind: Value| stack.start(&flow, &json!({"kind": kind})).await.wait("failed").await.error().to_owned();
    assert_eq!(error(json!("c")).await, "no case for `c` and no defaultCase; the cases are a, b");
    assert_eq!(error(json!(["a"])).await, "`trigger.kind` is an array or an object; a decision needs a single value");
}

#[tokio::test]
async fn a_transform_keeps_types_and_writes_values_into_texts() {
    let stack = Stack::shared();
    let template = json!({
        "number": "${trigger.n}", "list": "${trigger.list}", "second": "${trigger.list[1].x}", "text": "n=${trigger.n}, list=${trigger.list}",
        "run": "${run.id}", "trace": "${run.traceId}", "literal": "$${trigger.n}", "constant": [1, 2.5, true, null, {"deep": "${trigger.nothing}"}],
        "whole": "${trigger}", "ünïcode": "${trigger.emoji}",
    });
    let input = json!({"n": 1.5, "list": [1, {"x": "y"}], "nothing": null, "emoji": "🦀 \u{0} \"quoted\" \\ \u{2028}"});
    let (_, run) = stack.run(|_| spec(&[transform("make", &template)], &[]), &input).await;
    let view = run.wait("succeeded").await;
    assert_eq!(
        *view.output("make"),
        json!({
            "number": 1.5, "list": [1, {"x": "y"}], "second": "y", "text": "n=1.5, list=[1,{\"x\":\"y\"}]",
            "run": run.id, "trace": view.trace_id(), "literal": "${trigger.n}", "constant": [1, 2.5, true, null, {"deep": null}],
            "whole": input, "ünïcode": "🦀 \u{0} \"quoted\" \\ \u{2028}",
        })
    );
    assert_eq!(view.run["input"], input);
}

#[tokio::test]
async fn a_missing_path_fails_the_step_and_is_named() {
    let stack = Stack::shared();
    for (template, message) in [
        ("${trigger.customer.name}", "`trigger.customer.name` is not there"),
        ("Dear ${step.first.output.items[3]}", "`step.first.output.items[3]` is not there"),
    ] {
        let two = |slug: &str| {
            let call = echo_call("call", &format!("/{slug}/call"), &json!({"to": template}));
            spec(
                &[transform("first", &json!({"items": "${trigger.items}"})), call, transform("after", &json!(1))],
                &[edge("first", "call"), edge("call", "after")],
            )
        };
        let (flow, run) = stack.run(two, &json!({"customer": {}, "items": [1]})).await;
        let view = run.wait("failed").await;
        assert_eq!(view.error(), message);
        assert_eq!(view.run["error"]["nodeId"], "call");
        assert_eq!(view.step("call")["error"], message);
        assert_eq!(view.statuses(), [("after", "cancelled"), ("call", "failed"), ("first", "succeeded")]);
        assert!(stack.echo.sent_to(&format!("/{}/call", flow.slug)).await.is_empty());
    }
}

#[tokio::test]
async fn a_skipped_node_has_no_output() {
    let stack = Stack::shared();
    let spec_of = |_: &str| {
        let mut spec = branching();
        spec["nodes"][5]["output"] = json!("${step.five.output.was}");
        spec
    };
    let (_, run) = stack.run(spec_of, &json!({"kind": true})).await;
    let view = run.wait("failed").await;
    assert_eq!(view.error(), "`step.five.output.was` is not there (the node has put out nothing: it was skipped or failed)");
}

#[tokio::test]
async fn the_output_of_a_run_is_the_flow_s_output_or_that_of_its_last_step() {
    let stack = Stack::shared();
    let chain = || spec(&[transform("a", &json!({"n": 1})), transform("b", &json!(["${step.a.output.n}", 2]))], &[edge("a", "b")]);
    let (_, run) = stack.run(|_| chain(), &json!({})).await;
    assert_eq!(run.wait("succeeded").await.run["output"], json!([1, 2]));

    let with_output = |_: &str| {
        let mut spec = chain();
        spec["output"] = json!({"of": "${run.id}", "first": "${step.a.output.n}", "asked": "${trigger.asked}"});
        spec
    };
    let (_, run) = stack.run(with_output, &json!({"asked": "x"})).await;
    let view = run.wait("succeeded").await;
    assert_eq!(view.run["output"], json!({"of": run.id, "first": 1, "asked": "x"}));
    assert_eq!(view.order(), ["a", "b"], "no step but those of the flow is shown");

    let (_, run) = stack.run(with_output, &json!({})).await;
    let view = run.wait("succeeded").await;
    let warning = view.run["warning"].as_str().unwrap();
    assert!(warning.starts_with("the flow's output cannot be made: `trigger.asked` is not there"), "{warning}");
    assert!(view.run.get("output").is_none(), "the output of the last step is not that of the flow");
}

#[tokio::test]
async fn branches_run_at_the_same_time_and_join() {
    let stack = Stack::shared();
    let diamond = |slug: &str| {
        let slow = |id: &str| echo_call(id, &format!("/hold/{slug}/{id}"), &json!({"from": id}));
        let join = json!({"a": "${step.a.output.body.from}", "b": "${step.b.output.body.from}", "c": "${step.c.output.body.from}"});
        spec(
            &[transform("start", &json!(1)), slow("a"), slow("b"), slow("c"), echo_call("join", &format!("/{slug}/join"), &join)],
            &["a", "b", "c"].map(|id| [edge("start", id), edge(id, "join")]).concat(),
        )
    };
    let (flow, run) = stack.run(diamond, &json!({})).await;
    let branches = ["a", "b", "c"].map(|id| format!("/hold/{}/{id}", flow.slug));
    // All of them are sent before any of them is answered.
    for branch in &branches {
        stack.echo.wait_for(branch).await;
    }
    for branch in &branches {
        stack.echo.release(branch).await;
    }
    let view = run.wait("succeeded").await;
    assert_eq!(*stack.echo.only(&format!("/{}/join", flow.slug)).await.body(), json!({"a": "a", "b": "b", "c": "c"}));
    assert_eq!(view.order().first(), Some(&"start"));
    assert_eq!(view.order().last(), Some(&"join"));
}

#[tokio::test]
async fn after_a_failure_other_branches_finish_their_requests_and_start_nothing_more() {
    let stack = Stack::shared();
    let two = |slug: &str| {
        let call = |id: &str, prefix: &str| echo_call(id, &format!("{prefix}/{slug}/{id}"), &json!({}));
        spec(
            &[transform("start", &json!(1)), call("bad", "/hold/status/400"), call("slow", "/hold"), call("after", "")],
            &[edge("start", "bad"), edge("start", "slow"), edge("slow", "after")],
        )
    };
    let (flow, run) = stack.run(two, &json!({})).await;
    let (bad, slow) = (format!("/hold/status/400/{}/bad", flow.slug), format!("/hold/{}/slow", flow.slug));
    for path in [&bad, &slow] {
        stack.echo.wait_for(path).await;
    }
    stack.echo.release(&bad).await;
    let failing = run.wait_for_step("bad", "failed").await;
    assert_eq!(failing.status(), "running", "what was sent is waited for");
    stack.echo.release(&slow).await;
    let view = run.wait("failed").await;
    assert_eq!(view.statuses(), [("after", "cancelled"), ("bad", "failed"), ("slow", "succeeded"), ("start", "succeeded")]);
    assert_eq!(view.run["error"]["nodeId"], "bad");
    assert!(stack.echo.sent_to(&format!("/{}/after", flow.slug)).await.is_empty());
}

#[tokio::test]
async fn a_failed_node_with_a_route_continues_there() {
    let stack = Stack::shared();
    let guarded = |slug: &str| {
        let mut call = echo_call("call", &format!("/status/404/{slug}"), &json!({}));
        call["onError"] = json!("route_to:rescue");
        spec(&[call, transform("usual", &json!("usual")), transform("rescue", &json!("rescued"))], &[edge("call", "usual")])
    };
    let (_, run) = stack.run(guarded, &json!({})).await;
    let view = run.wait("succeeded").await;
    assert_eq!(view.statuses(), [("call", "failed"), ("rescue", "succeeded"), ("usual", "skipped")]);
    assert!(view.step("call")["error"].as_str().unwrap().contains("answered 404"));
    assert!(view.run.get("error").is_none(), "the run did not fail");
}

#[tokio::test]
async fn without_a_body_the_input_is_empty_and_any_json_can_be_the_input() {
    let stack = Stack::shared();
    let flow = stack.flow(|_| spec(&[transform("all", &json!("${trigger}"))], &[])).await;
    let path = format!("/api/flows/{}/execute", flow.id);
    let empty = stack.ada.call(crate::support::Method::POST, &path, &[], None).await;
    let run = crate::support::Run::of(&stack.ada, &empty.data(202)["run"]);
    assert_eq!(run.wait("succeeded").await.run["input"], json!({}));
    for input in [json!([1, "two", null]), json!("text"), json!(0), json!(false), json!(null), json!({"": {"a b": []}})] {
        let view = stack.start(&flow, &input).await.wait("succeeded").await;
        assert_eq!(view.run["input"], input);
        assert_eq!(*view.output("all"), input);
    }
}

#[tokio::test]
async fn a_graph_continues_around_an_open_gate() {
    let stack = Stack::shared();
    let beside = |slug: &str| {
        let mut spec = one_gate(slug, &json!({}));
        let nodes = spec["nodes"].as_array_mut().unwrap();
        nodes.insert(0, transform("start", &json!(1)));
        nodes.push(echo_call("beside", &format!("/{slug}/beside"), &json!({})));
        spec["startNodeId"] = json!("start");
        spec["edges"].as_array_mut().unwrap().extend([edge("start", "review"), edge("start", "beside")]);
        spec
    };
    let (flow, run) = stack.run(beside, &json!({"action": {"amount": 1}})).await;
    // The run waits for a person, and nodes that do not depend on the decision continue.
    let view = run.wait_for_step("beside", "succeeded").await;
    assert_eq!(view.status(), "awaiting_approval");
    run.approve(&json!({})).await.data(200);
    run.wait("succeeded").await;
    stack.echo.only(&format!("/{}/beside", flow.slug)).await;
}
