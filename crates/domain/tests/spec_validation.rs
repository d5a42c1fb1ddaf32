//! The rules of a flow's spec: each problem at its JSON path, and all of them at once.
#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test that cannot be set up should stop at once")]
#![expect(clippy::needless_pass_by_value, reason = "`json!(…)` reads better without a `&`")]

mod common;

use common::{decision, gate, spec_json, task};
use domain::flow::{MAX_NODES, NodeKind, Route, Spec};
use serde_json::{Value, json};

/// The problems as `path: text`, several at one path one after the other.
fn problems(spec: &Value) -> Vec<String> {
    let Err(errors) = Spec::parse(spec) else { return Vec::new() };
    errors.by_path().iter().flat_map(|(path, texts)| texts.iter().map(move |text| format!("{path}: {text}"))).collect()
}

fn paths(spec: &Value) -> Vec<String> {
    Spec::parse(spec).err().map(|errors| errors.by_path().keys().cloned().collect()).unwrap_or_default()
}

/// The problems of a flow that is this one node; the node's id is `x`.
fn problems_of(node: &Value) -> Vec<String> {
    let mut node = node.clone();
    node["id"] = json!("x");
    problems(&json!({"startNodeId": "x", "nodes": [node]})).into_iter().map(|text| text.replacen("spec.nodes[0].", "", 1)).collect()
}

fn refuses(node: &Value, expected: &str) {
    assert_eq!(problems_of(node), [expected], "{node}");
}

fn accepts(node: &Value) {
    assert_eq!(problems_of(node), [""; 0], "{node}");
}

fn http(extra: Value) -> Value {
    task("x", extra)
}

fn llm(extra: Value) -> Value {
    let mut node = task("x", extra);
    node["type"] = json!("llm_step");
    node["userPrompt"] = json!("Hello");
    node.as_object_mut().unwrap().remove("url");
    node
}

fn service(extra: Value) -> Value {
    let mut node = json!({"type": "service_call", "service": "custom:crm", "path": "/tickets"});
    node.as_object_mut().unwrap().extend(extra.as_object().unwrap().clone());
    node
}

#[test]
fn the_canonical_flow_is_valid() {
    let spec = json!({
        "startNodeId": "draft",
        "nodes": [
            {
                "id": "draft", "type": "llm_step", "model": "quantum-ai:default",
                "systemPrompt": "You settle complaints.", "userPrompt": "Ticket ${trigger.ticket.id}: ${trigger.ticket.text}",
                "outputSchema": {"type": "object", "properties": {"amount": {"type": "number"}, "reason": {"type": "string"}}, "required": ["amount"]},
                "temperature": 0.2, "maxTokens": 500, "tools": [],
                "retry": {"maxAttempts": 3, "initialDelaySeconds": 1, "backoffRate": 2, "maxDelaySeconds": 30}, "timeoutSeconds": 60
            },
            {
                "id": "review", "type": "human_approval", "actionLabel": "Refund ticket ${trigger.ticket.id}",
                "proposedAction": {"refund": {"amount": "${step.draft.output.amount}", "reason": "${step.draft.output.reason}"}},
                "data": {"ticket": "${trigger.ticket}"}, "assignTo": "role:team-lead", "timeoutHours": 24,
                "onReject": "route_to:tell", "onTimeout": "fail", "requireDifferentActor": true, "requiredApprovals": 1,
                "overrideSchema": {"type": "object"}, "allowedEdits": ["/refund/amount", ""]
            },
            {
                "id": "refund", "type": "service_call", "service": "custom:payments", "method": "POST",
                "path": "/tickets/${trigger.ticket.id}/refunds", "query": {"dry": false, "n": 1}, "headers": {"X-Run": "${run.id}"},
                "body": "${step.review.output.proposedAction.refund}", "onError": "route_to:tell"
            },
            {"id": "tell", "type": "http_request", "url": "https://example.com/told", "body": {"trace": "${run.traceId}"}}
        ],
        "edges": [{"from": "draft", "to": "review"}, {"from": "review", "to": "refund"}],
        "onReject": "fail"
    });
    let spec = Spec::parse(&spec).unwrap();
    assert_eq!((spec.len(), spec.start().position()), (4, 0));
    let refund = spec.node(spec.position(&"refund".parse().unwrap()).unwrap());
    assert_eq!((refund.kind.name(), refund.timeout_seconds, refund.retry.max_attempts), ("service_call", 30, 1));
    assert_eq!(refund.on_error, Route::To("tell".parse().unwrap()));
    let review = spec.node(spec.position(&"review".parse().unwrap()).unwrap());
    let NodeKind::Approval(gate) = &review.kind else { unreachable!("review is a gate") };
    assert_eq!((gate.timeout_seconds, gate.required_approvals, gate.require_different_actor), (24 * 3600, 1, true));
    assert_eq!((&gate.on_reject, &gate.on_timeout), (&Route::To("tell".parse().unwrap()), &Route::Fail));
}

#[test]
fn a_spec_is_an_object_with_nodes_and_a_start() {
    assert_eq!(problems(&json!([])), ["spec: must be an object"]);
    assert_eq!(problems(&json!({})), ["spec.nodes: is required", "spec.startNodeId: is required"]);
    assert_eq!(
        problems(&json!({"startNodeId": "a", "nodes": []})),
        ["spec.nodes: needs at least one node", "spec.startNodeId: there is no node `a`"]
    );
    assert_eq!(problems(&json!({"startNodeId": 1, "nodes": {}})), ["spec.nodes: must be an array", "spec.startNodeId: must be a string"]);
    assert_eq!(
        problems(&json!({"startNodeId": "a b", "nodes": [task("a", json!({}))]})),
        ["spec.startNodeId: must be 1 to 64 letters, digits, `_` or `-`"]
    );
    assert_eq!(paths(&json!({"startNodeId": "a", "nodes": ["a", 1]})), ["spec.nodes[0]", "spec.nodes[1]", "spec.startNodeId"]);
}

#[test]
fn an_unknown_type_is_refused_with_the_ones_there_are() {
    let types = "the types are llm_step, service_call, http_request, http_sink, webhook_emit, decision, transform, wait, human_approval";
    refuses(&json!({"type": "lambda"}), &format!("type: unknown node type `lambda`; {types}"));
    refuses(&json!({}), "type: is required");
    refuses(&json!({"type": 7}), "type: must be a string");
}

#[test]
fn a_wait_has_a_span_or_a_time_and_not_both() {
    accepts(&json!({"type": "wait", "seconds": 0}));
    accepts(&json!({"type": "wait", "seconds": 28_800_000}));
    accepts(&json!({"type": "wait", "until": "2026-12-24T18:00:00Z"}));
    accepts(&json!({"type": "wait", "until": "${trigger.at}"}));
    refuses(&json!({"type": "wait"}), "seconds: is required, unless there is `until`");
    refuses(
        &json!({"type": "wait", "seconds": 1, "until": "${trigger.at}"}),
        "until: cannot stand beside `seconds`; leave one of them out",
    );
    refuses(&json!({"type": "wait", "seconds": 28_800_001}), "seconds: must be a whole number from 0 to 28800000");
    refuses(&json!({"type": "wait", "until": "tomorrow"}), "until: must be an RFC 3339 time such as 2026-01-02T03:04:05Z");
}

#[test]
fn a_sink_needs_a_url_and_an_event_a_name() {
    accepts(&json!({"type": "http_sink", "url": "https://example.com/in", "body": {"id": "${run.id}"}}));
    refuses(&json!({"type": "http_sink"}), "url: is required");
    refuses(&json!({"type": "http_sink", "url": "https://example.com", "method": "PUT"}), "method: is not a field that belongs here");
    accepts(&json!({"type": "webhook_emit", "event": "order.refunded", "data": {"id": "${run.id}"}}));
    refuses(&json!({"type": "webhook_emit"}), "event: is required");
    refuses(&json!({"type": "webhook_emit", "event": "a b"}), "event: must be 1 to 64 letters, digits, `.`, `_` or `-`");
    for event in ["flow.run.succeeded", "generation.x", "webhook.test"] {
        refuses(
            &json!({"type": "webhook_emit", "event": event}),
            "event: must not begin with `flow.run.`, `generation.` or `webhook.`: those are this service's own events",
        );
    }
    accepts(&json!({"type": "webhook_emit", "event": "flow.runs"}));
}

#[test]
fn node_ids_are_well_formed_and_unique() {
    let spec = |id: Value| json!({"startNodeId": "a", "nodes": [task("a", json!({})), {"id": id, "type": "transform", "output": 1}]});
    assert_eq!(paths(&spec(json!("a"))), ["spec.nodes[1].id"]);
    assert!(problems(&spec(json!("a")))[0].ends_with("`a` is used twice"));
    for bad in [json!("a b"), json!(""), json!("ä"), json!("x".repeat(65)), json!(null), json!(3)] {
        assert_eq!(paths(&spec(bad.clone())), ["spec.nodes[1].id"], "{bad}");
    }
}

#[test]
fn whatever_names_a_node_must_name_one_that_exists() {
    let mut spec = spec_json(
        &[
            task("a", json!({"onError": "route_to:ghost1"})),
            gate("g", json!({"onReject": "route_to:ghost2", "onTimeout": "route_to:ghost3"})),
            decision("d", &[("x", "ghost4")]),
        ],
        "a>g g>d ghost5>a a>ghost6",
    );
    assert_eq!(
        problems(&spec),
        [
            "spec.edges[2].from: there is no node `ghost5`",
            "spec.edges[3].to: there is no node `ghost6`",
            "spec.nodes[0].onError: there is no node `ghost1`",
            "spec.nodes[1].onReject: there is no node `ghost2`",
            "spec.nodes[1].onTimeout: there is no node `ghost3`",
            "spec.nodes[2].cases.x.next: there is no node `ghost4`",
        ]
    );
    spec["startNodeId"] = json!("ghost0");
    assert!(problems(&spec).contains(&"spec.startNodeId: there is no node `ghost0`".to_owned()));
}

#[test]
fn a_route_of_the_spec_is_wrong_where_it_stands_not_at_the_gates_that_follow_it() {
    let mut spec = spec_json(&[gate("g", json!({})), gate("h", json!({}))], "g>h");
    spec["onReject"] = json!("route_to:ghost");
    spec["onTimeout"] = json!("route_to:phantom");
    assert_eq!(problems(&spec), ["spec.onReject: there is no node `ghost`", "spec.onTimeout: there is no node `phantom`"]);
    let mut spec = spec_json(&[task("a", json!({}))], "");
    spec["onReject"] = json!("route_to:ghost");
    assert_eq!(paths(&spec), ["spec.onReject"], "even if no gate follows it");
}

#[test]
fn a_route_is_fail_or_leads_to_a_node() {
    for bad in ["retry", "route_to:", "route_to:a b", "goto:a", ""] {
        refuses(&http(json!({"onError": bad})), &format!("onError: must be `fail` or `route_to:<node>`, not `{bad}`"));
    }
    refuses(&http(json!({"onError": {"to": "a"}})), "onError: must be a string");
    accepts(&http(json!({"onError": "fail"})));
}

#[test]
fn a_cycle_is_refused_whatever_it_is_made_of() {
    let nodes = |extra: Value| [task("a", json!({})), task("b", json!({})), task("c", extra)];
    let cycle = ["spec.edges: there is a cycle through or before: b, c"];
    assert_eq!(problems(&spec_json(&nodes(json!({})), "a>b b>c c>b")), cycle);
    assert_eq!(problems(&spec_json(&nodes(json!({"onError": "route_to:b"})), "a>b b>c")), cycle);
    assert_eq!(paths(&spec_json(&nodes(json!({})), "a>b b>c c>c")), ["spec.edges"]);
    let mut gates = spec_json(&[task("a", json!({})), task("b", json!({})), gate("g", json!({}))], "a>b b>g");
    gates["onReject"] = json!("route_to:b");
    assert_eq!(paths(&gates), ["spec.edges"]);
}

#[test]
fn nothing_leads_to_the_start_and_the_start_leads_to_everything() {
    let nodes = ["a", "b", "c", "d"].map(|id| task(id, json!({})));
    assert_eq!(
        problems(&spec_json(&nodes, "a>b c>d")),
        ["spec.nodes[2].id: `c` cannot be reached from the start node", "spec.nodes[3].id: `d` cannot be reached from the start node"]
    );
    assert_eq!(
        problems(&spec_json(&nodes[..3], "a>b c>a")),
        ["spec.nodes[2].id: `c` cannot be reached from the start node", "spec.startNodeId: `a` cannot be the start: an edge leads to it"]
    );
    assert_eq!(paths(&spec_json(&nodes[..2], "a>b b>a")), ["spec.edges", "spec.startNodeId"]);
}

#[test]
fn a_node_that_only_a_route_leads_to_is_reached() {
    let nodes = [
        gate("g", json!({"onReject": "route_to:r", "onTimeout": "route_to:t", "onError": "route_to:e"})),
        task("r", json!({})),
        task("t", json!({})),
        task("e", json!({})),
    ];
    assert_eq!(paths(&spec_json(&nodes, "")), [""; 0]);
}

#[test]
fn a_template_reads_what_is_upstream_and_nothing_else() {
    let reads = |text: &str| {
        let nodes = [task("a", json!({})), task("b", json!({})), task("c", json!({"body": {"deep": [1, text]}})), task("d", json!({}))];
        problems(&spec_json(&nodes, "a>b a>c b>d c>d"))
    };
    assert_eq!(reads("${step.a.output.x} ${trigger.y} ${run.id}"), [""; 0]);
    let at = "spec.nodes[2].body.deep[1]";
    assert_eq!(reads("${step.ghost.output}"), [format!("{at}: `${{step.ghost.output}}` names the node `ghost`, which does not exist")]);
    for other in ["b", "c", "d"] {
        let text = format!("{at}: `${{step.{other}.output.x}}` names the node `{other}`, which is not upstream of `c`");
        assert_eq!(reads(&format!("${{step.{other}.output.x}}")), [text]);
    }
}

#[test]
fn a_template_may_read_what_lies_upstream_by_a_route() {
    let nodes = [
        task("a", json!({})),
        gate("g", json!({"onReject": "route_to:c"})),
        task("c", json!({"body": "${step.a.output}${step.g.output.note}"})),
    ];
    assert_eq!(paths(&spec_json(&nodes, "a>g")), [""; 0]);
}

#[test]
fn every_field_with_a_template_is_checked_at_its_own_path() {
    let bad = "${step.ghost.output}";
    for (node, fields) in [
        (json!({"type": "llm_step", "systemPrompt": bad, "userPrompt": bad}), vec!["systemPrompt", "userPrompt"]),
        (
            service(json!({"path": format!("/{bad}"), "query": {"q": bad}, "headers": {"X-H": bad}, "body": [bad]})),
            vec!["body[0]", "headers.X-H", "path", "query.q"],
        ),
        (json!({"type": "http_request", "url": bad, "headers": {"X-H": bad}, "body": {"k": bad}}), vec!["body.k", "headers.X-H", "url"]),
        (json!({"type": "transform", "output": {"k": [bad]}}), vec!["output.k[0]"]),
        (
            json!({"type": "human_approval", "actionLabel": bad, "proposedAction": {"k": bad}, "data": bad, "assignTo": format!("user:{bad}")}),
            vec!["actionLabel", "assignTo", "data", "proposedAction.k"],
        ),
    ] {
        let expected: Vec<String> =
            fields.iter().map(|field| format!("{field}: `{bad}` names the node `ghost`, which does not exist")).collect();
        assert_eq!(problems_of(&node), expected);
    }
    let mut spec = spec_json(&[decision("d", &[("x", "a")]), task("a", json!({}))], "d>a:x");
    spec["nodes"][0]["expression"] = json!("step.a.output");
    assert_eq!(paths(&spec), ["spec.nodes[0].expression"]);
}

#[test]
fn a_template_that_cannot_be_read_is_refused_where_it_stands() {
    for (text, problem) in [
        ("ab ${trigger.x", "`${` at character 3 is never closed with `}`; write `$${` for a literal `${`"),
        ("${input.x}", "`input.x` is no path: use trigger.…, step.<node>.output.…, run.id or run.traceId"),
        ("${}", "`` is no path: use trigger.…, step.<node>.output.…, run.id or run.traceId"),
        ("${step.a}", "`step.a` is no path: use trigger.…, step.<node>.output.…, run.id or run.traceId"),
        ("${run.secret}", "`run.secret` is no path: use trigger.…, step.<node>.output.…, run.id or run.traceId"),
        ("${step.a b.output}", "`step.a b.output` names `a b`, which cannot be a node id"),
    ] {
        refuses(&http(json!({"body": {"k": [text]}})), &format!("body.k[0]: {problem}"));
        refuses(&http(json!({"url": text})), &format!("url: {problem}"));
        refuses(&http(json!({"headers": {"X-H": text}})), &format!("headers.X-H: {problem}"));
    }
    accepts(&http(json!({"body": "costs $${5} and $"})));
}

#[test]
fn a_case_needs_its_edge_and_an_edge_its_case() {
    let nodes = [decision("d", &[("x", "a"), ("y", "b")]), task("a", json!({})), task("b", json!({}))];
    assert_eq!(paths(&spec_json(&nodes, "d>a:x d>b:y")), [""; 0]);
    let missing = r#"spec.nodes[0].cases.y: has no edge: add {"from": "d", "to": "b", "case": "y"}"#;
    assert_eq!(problems(&spec_json(&nodes, "d>a:x a>b")), [missing]);
    assert_eq!(problems(&spec_json(&nodes, "d>a:x d>b:y d>b:z")), ["spec.edges[2].case: `d` has no case `z`"]);
    assert_eq!(problems(&spec_json(&nodes, "d>a:x d>b:y d>b")), ["spec.edges[2].case: is required: `d` is a decision"]);
    assert_eq!(problems(&spec_json(&nodes, "d>a:x d>b:y a>b:x")), ["spec.edges[2].case: does not belong here: `a` is not a decision"]);
    assert_eq!(problems(&spec_json(&nodes, "d>a:x d>b:y d>b:x")), ["spec.edges[2].to: case `x` of `d` leads to another node"]);
    assert_eq!(problems(&spec_json(&nodes, "d>a:x d>b:y d>a:x")), ["spec.edges[2]: the edge from `d` to `a` is there twice"]);
}

#[test]
fn an_edge_is_there_once_and_has_two_ends() {
    let nodes = ["a", "b"].map(|id| task(id, json!({})));
    assert_eq!(problems(&spec_json(&nodes, "a>b a>b")), ["spec.edges[1]: the edge from `a` to `b` is there twice"]);
    let mut spec = spec_json(&nodes, "a>b");
    spec["edges"] = json!([{"from": "a"}, {"to": "b", "from": "a", "label": "x"}, "a>b"]);
    assert_eq!(
        problems(&spec),
        ["spec.edges[0].to: is required", "spec.edges[1].label: is not a field that belongs here", "spec.edges[2]: must be an object"]
    );
}

#[test]
fn a_decision_has_an_expression_and_cases_and_a_default_that_is_one_of_them() {
    let spec = |node: Value| {
        let mut spec = spec_json(&[decision("d", &[("x", "a")]), task("a", json!({}))], "d>a:x");
        spec["nodes"][0].as_object_mut().unwrap().extend(node.as_object().unwrap().clone());
        problems(&spec)
    };
    assert_eq!(spec(json!({"defaultCase": "x"})), [""; 0]);
    assert_eq!(spec(json!({"defaultCase": "z"})), ["spec.nodes[0].defaultCase: must be one of the cases; there is no case `z`"]);
    assert_eq!(spec(json!({"expression": null})), ["spec.nodes[0].expression: is required"]);
    assert!(spec(json!({"expression": "${trigger.x}"}))[0].starts_with("spec.nodes[0].expression: `${trigger.x}` is no path"));
    assert_eq!(spec(json!({"cases": {"x": {"next": "a", "then": 1}}})), ["spec.nodes[0].cases.x.then: is not a field that belongs here"]);
    assert!(spec(json!({"cases": {"x": "a"}})).contains(&"spec.nodes[0].cases.x: must be an object".to_owned()));
    assert!(spec(json!({"cases": {}})).contains(&"spec.nodes[0].cases: needs at least one case".to_owned()));
}

#[test]
fn a_schema_must_be_a_json_schema() {
    for (node, field) in [
        (llm(json!({"outputSchema": {"type": "nonsense"}})), "outputSchema"),
        (gate("x", json!({"overrideSchema": {"type": 7}})), "overrideSchema"),
    ] {
        let found = problems_of(&node);
        assert!(found.len() == 1 && found[0].starts_with(&format!("{field}: is not a valid JSON Schema: ")), "{found:?}");
    }
    refuses(&llm(json!({"outputSchema": "string"})), "outputSchema: must be a JSON Schema: an object");
    accepts(&llm(json!({"outputSchema": {"$schema": "https://json-schema.org/draft/2020-12/schema", "type": ["object", "null"]}})));
}

#[test]
fn a_schema_that_points_outside_itself_is_refused_and_nothing_is_fetched() {
    for reference in ["https://example.com/schema.json", "file:///etc/passwd"] {
        let found = problems_of(&llm(json!({"outputSchema": {"$ref": reference}})));
        assert!(found.len() == 1 && found[0].starts_with("outputSchema: is not a valid JSON Schema"), "{found:?}");
    }
}

#[test]
fn a_stored_spec_is_held_to_every_rule_but_the_validity_of_its_schemas() {
    let tool = json!({"slug": "custom:crm", "description": "d", "inputSchema": {"type": 7}});
    let nodes = [
        llm(json!({"id": "a", "outputSchema": {"type": "nonsense"}, "tools": [tool]})),
        gate("b", json!({"overrideSchema": {"type": 7}, "onReject": "route_to:nowhere"})),
        llm(json!({"id": "c", "outputSchema": "string", "maxToken": 1})),
    ];
    let spec = spec_json(&nodes, "a>b b>c c>a");
    let bad_schema = "is not a valid JSON Schema";
    let (schemas, others): (Vec<String>, Vec<String>) = problems(&spec).into_iter().partition(|problem| problem.contains(bad_schema));
    assert_eq!(schemas.len(), 3, "{schemas:?}");
    let stored = Spec::stored(&spec).unwrap_err();
    let stored: Vec<String> =
        stored.by_path().iter().flat_map(|(path, texts)| texts.iter().map(move |text| format!("{path}: {text}"))).collect();
    assert!(stored.len() > 2 && stored.iter().all(|problem| !problem.contains(bad_schema)), "{stored:?}");
    let missing: Vec<&String> = others.iter().filter(|problem| !stored.contains(problem)).collect();
    assert!(missing.is_empty(), "{missing:?} are found in a new spec and not in a stored one");
}

#[test]
fn a_stored_spec_reads_as_it_was_parsed() {
    let nodes = [
        llm(json!({"id": "a", "outputSchema": {"type": "object"}})),
        gate("b", json!({"overrideSchema": {"type": "object"}, "allowedEdits": ["/x"]})),
    ];
    let spec = spec_json(&nodes, "a>b");
    assert_eq!(Spec::stored(&spec).unwrap(), Spec::parse(&spec).unwrap());
}

#[test]
fn a_field_that_nobody_asked_for_is_not_ignored() {
    let unknown = "is not a field that belongs here";
    refuses(&http(json!({"uri": "x"})), &format!("uri: {unknown}"));
    refuses(&http(json!({"userPrompt": "x"})), &format!("userPrompt: {unknown}"));
    refuses(&http(json!({"retry": {"attempts": 3}})), &format!("retry.attempts: {unknown}"));
    let mut spec = spec_json(&[task("a", json!({}))], "");
    spec["onRejected"] = json!("fail");
    assert_eq!(problems(&spec), [format!("spec.onRejected: {unknown}")]);
}

#[test]
fn required_fields_are_required() {
    for (node, missing) in [
        (json!({"type": "llm_step"}), vec!["userPrompt"]),
        (json!({"type": "service_call"}), vec!["path", "service"]),
        (json!({"type": "http_request"}), vec!["url"]),
        (json!({"type": "decision"}), vec!["cases", "expression"]),
        (json!({"type": "transform"}), vec!["output"]),
        (json!({"type": "human_approval"}), vec!["actionLabel", "proposedAction"]),
    ] {
        assert_eq!(problems_of(&node), missing.iter().map(|field| format!("{field}: is required")).collect::<Vec<_>>(), "{node}");
    }
}

#[test]
fn numbers_stay_in_their_ranges() {
    for (field, low, high, step, what) in [
        ("timeoutSeconds", json!(1), json!(600), json!(601), "a whole number from 1 to 600"),
        ("timeoutSeconds", json!(1), json!(600), json!(0), "a whole number from 1 to 600"),
        ("timeoutSeconds", json!(1), json!(600), json!(1.5), "a whole number from 1 to 600"),
        ("temperature", json!(0), json!(2), json!(2.1), "a number from 0 to 2"),
        ("temperature", json!(0.0), json!(2.0), json!(-0.1), "a number from 0 to 2"),
        ("maxTokens", json!(1), json!(1_000_000), json!(0), "a whole number from 1 to 1000000"),
    ] {
        accepts(&llm(json!({field: low})));
        accepts(&llm(json!({field: high})));
        refuses(&llm(json!({field: step})), &format!("{field}: must be {what}"));
        refuses(&llm(json!({field: "1"})), &format!("{field}: must be {what}"));
    }
    for (field, high, beyond, what) in [
        ("maxAttempts", json!(20), json!(21), "a whole number from 1 to 20"),
        ("maxAttempts", json!(1), json!(0), "a whole number from 1 to 20"),
        ("initialDelaySeconds", json!(86_400), json!(86_401), "a whole number from 0 to 86400"),
        ("backoffRate", json!(10), json!(10.5), "a number from 1 to 10"),
        ("backoffRate", json!(1), json!(0.9), "a number from 1 to 10"),
        ("maxDelaySeconds", json!(604_800), json!(604_801), "a whole number from 0 to 604800"),
    ] {
        accepts(&http(json!({"retry": {field: high}})));
        refuses(&http(json!({"retry": {field: beyond}})), &format!("retry.{field}: must be {what}"));
    }
    for (field, high, beyond, what) in [
        ("timeoutHours", json!(8_000), json!(8_001), "a number from 0 to 8000"),
        ("timeoutHours", json!(0.5), json!(-1), "a number from 0 to 8000"),
        ("requiredApprovals", json!(20), json!(21), "a whole number from 1 to 20"),
        ("requiredApprovals", json!(1), json!(0), "a whole number from 1 to 20"),
    ] {
        accepts(&gate("x", json!({field: high})));
        refuses(&gate("x", json!({field: beyond})), &format!("{field}: must be {what}"));
    }
    refuses(&http(json!({"retry": 3})), "retry: must be an object");
    refuses(&gate("x", json!({"requireDifferentActor": "yes"})), "requireDifferentActor: must be true or false");
}

#[test]
fn methods_are_known_and_written_in_any_case() {
    for method in ["GET", "post", "Put", "PATCH", "delete", "HEAD"] {
        accepts(&http(json!({"method": method})));
    }
    for method in ["TRACE", "CONNECT", "", "GET /"] {
        refuses(&service(json!({"method": method})), "method: must be one of GET, POST, PUT, PATCH, DELETE, HEAD");
    }
}

#[test]
fn headers_have_names_and_are_not_those_the_platform_sets() {
    for name in ["", "a b", "a:b", "ä", "a\nb", "a/b"] {
        refuses(&http(json!({"headers": {name: "x"}})), &format!("headers.{name}: is not a header name (RFC 9110, section 5.1)"));
    }
    for name in ["Host", "content-length", "Transfer-Encoding", "Idempotency-Key", "TRACEPARENT", "X-Quantum-Trace-Id"] {
        refuses(&service(json!({"headers": {name: "x"}})), &format!("headers.{name}: is set by the platform and cannot be chosen"));
    }
    refuses(&http(json!({"headers": {"X-List": ["a"]}})), "headers.X-List: must be a string, a number or a boolean");
    refuses(&http(json!({"headers": "x"})), "headers: must be an object");
    accepts(&http(json!({"headers": {"X-N": 1, "X-B": true, "x-quantum": "y", "!#$%&'*+-.^_`|~": "z"}})));
}

#[test]
fn a_service_has_a_slug_and_a_path_that_begins_with_a_slash() {
    refuses(&service(json!({"path": "tickets"})), "path: must start with `/`, not `tickets`");
    refuses(&service(json!({"path": "${trigger.path}"})), "path: must start with `/`, not `${trigger.path}`");
    refuses(
        &service(json!({"service": "My CRM"})),
        "service: must be 1 to 64 lower-case letters, digits or `-`, after `custom:` if it is your own",
    );
}

#[test]
fn an_assignee_is_a_role_a_user_or_a_team() {
    for good in ["role:lead", "user:usr_1", "team:pay", "user:${trigger.owner}", "${trigger.reviewer}"] {
        accepts(&gate("x", json!({"assignTo": good})));
    }
    for bad in ["lead", "role:", "group:x", ""] {
        refuses(&gate("x", json!({"assignTo": bad})), &format!("assignTo: must be `role:…`, `user:…` or `team:…`, not `{bad}`"));
    }
}

#[test]
fn allowed_edits_are_json_pointers() {
    accepts(&gate("x", json!({"allowedEdits": ["", "/a", "/a/0/b", "/", "/a~0b~1c"]})));
    let bad = json!({"allowedEdits": ["/fine", "amount", 3, "/a~2", "/a~"]});
    let expected: Vec<String> =
        (1..5).map(|at| format!("allowedEdits[{at}]: must be a JSON Pointer such as `/amount` (RFC 6901)")).collect();
    assert_eq!(problems_of(&gate("x", bad)), expected);
    refuses(&gate("x", json!({"allowedEdits": "/a"})), "allowedEdits: must be an array");
}

#[test]
fn a_field_that_is_null_counts_as_left_out() {
    accepts(&http(json!({"headers": null, "body": null, "retry": null, "onError": null, "timeoutSeconds": null})));
    accepts(&gate("x", json!({"assignTo": null, "overrideSchema": null, "allowedEdits": null, "data": null})));
}

#[test]
fn a_gate_that_says_nothing_waits_90_days_and_asks_one_person() {
    let mut node = gate("g", json!({}));
    node.as_object_mut().unwrap().remove("timeoutHours");
    let spec = Spec::parse(&spec_json(&[node], "")).unwrap();
    let NodeKind::Approval(gate) = &spec.node(spec.start()).kind else { unreachable!("g is a gate") };
    assert_eq!((gate.timeout_seconds, gate.required_approvals), (90 * 24 * 3600, 1));
    assert_eq!((&gate.on_reject, &gate.on_timeout, gate.require_different_actor), (&Route::Fail, &Route::Fail, false));
    assert_eq!((&gate.allowed_edits, &gate.override_schema, &gate.assign_to), (&None, &None, &None));
}

#[test]
fn a_fraction_of_an_hour_is_rounded_up_and_never_nothing() {
    for (hours, seconds) in [(json!(0.5), 1_800), (json!(0.0001), 1), (json!(0), 1), (json!(8_000), 28_800_000)] {
        let spec = Spec::parse(&spec_json(&[gate("g", json!({"timeoutHours": hours}))], "")).unwrap();
        let NodeKind::Approval(gate) = &spec.node(spec.start()).kind else { unreachable!("g is a gate") };
        assert_eq!(gate.timeout_seconds, seconds, "{hours}");
    }
}

#[test]
fn a_flow_has_at_most_200_nodes() {
    let chain = |length: usize| {
        let nodes: Vec<Value> = (0..length).map(|at| task(&format!("n{at}"), json!({}))).collect();
        let edges: Vec<String> = (1..length).map(|at| format!("n{}>n{at}", at - 1)).collect();
        spec_json(&nodes, &edges.join(" "))
    };
    assert_eq!(MAX_NODES, 200);
    assert_eq!(Spec::parse(&chain(200)).unwrap().len(), 200);
    assert_eq!(problems(&chain(201)), ["spec.nodes: a flow has at most 200 nodes, this one has 201"]);
}

#[test]
fn ten_faults_are_ten_entries() {
    let mut spec = spec_json(
        &[
            task("a", json!({"timeoutSeconds": 0})),
            llm(json!({"outputSchema": {"type": "x"}})),
            gate("g", json!({"assignTo": "nobody", "onReject": "route_to:ghost"})),
            decision("d", &[("x", "end"), ("y", "end")]),
            task("end", json!({"headers": {"Host": "x"}, "body": "${step.other.output}"})),
            task("alone", json!({"colour": "red"})),
            task("end", json!({"method": "TRACE"})),
        ],
        "a>x x>g g>d d>end:x",
    );
    spec["onReject"] = json!("sometimes");
    assert_eq!(
        paths(&spec),
        [
            "spec.nodes[0].timeoutSeconds",
            "spec.nodes[1].outputSchema",
            "spec.nodes[2].assignTo",
            "spec.nodes[2].onReject",
            "spec.nodes[3].cases.y",
            "spec.nodes[4].body",
            "spec.nodes[4].headers.Host",
            "spec.nodes[5].colour",
            "spec.nodes[5].id",
            "spec.nodes[6].id",
            "spec.nodes[6].method",
            "spec.onReject",
        ]
    );
}

#[test]
fn a_node_that_cannot_be_read_does_not_hide_what_is_wrong_elsewhere_nor_make_more_of_it() {
    let spec = spec_json(
        &[
            task("a", json!({"onError": "route_to:ghost"})),
            json!({"id": "b", "type": "teleport"}),
            decision("d", &[("x", "b"), ("y", "a")]),
        ],
        "a>b b>d d>b:x d>phantom:y",
    );
    assert_eq!(
        paths(&spec),
        ["spec.edges[3].to", "spec.nodes[0].onError", "spec.nodes[1].type"],
        "edges to `b` are not blamed: it is there, whatever else is wrong with it"
    );
}

#[test]
fn without_a_valid_start_the_other_rules_still_speak() {
    let mut spec = spec_json(&[task("a", json!({})), task("b", json!({"body": "${step.c.output}"})), task("c", json!({}))], "a>b a>c");
    spec["startNodeId"] = json!("ghost");
    assert_eq!(paths(&spec), ["spec.nodes[1].body", "spec.startNodeId"]);
    let mut spec = spec_json(&[task("a", json!({})), task("b", json!({}))], "a>b b>a");
    spec.as_object_mut().unwrap().remove("startNodeId");
    assert_eq!(paths(&spec), ["spec.edges", "spec.startNodeId"]);
}

#[test]
fn a_path_that_leads_elsewhere_is_refused_when_the_flow_is_saved() {
    for path in ["/../admin", "/a/./b", "/a/.."] {
        let node = json!({"id": "a", "type": "service_call", "service": "custom:crm", "path": path});
        let errors = Spec::parse(&json!({"startNodeId": "a", "nodes": [node]})).unwrap_err();
        assert!(errors.by_path().contains_key("spec.nodes[0].path"), "{path}: {errors:?}");
    }
}

#[test]
fn a_flow_has_no_more_approvals_than_one_transaction_can_close() {
    let chain = |count: usize| {
        let gate = |at: usize| json!({"id": format!("g{at}"), "type": "human_approval", "actionLabel": "Go", "proposedAction": {}});
        let nodes: Vec<_> = (0..count).map(gate).collect();
        let edges: Vec<_> = (1..count).map(|at| json!({"from": format!("g{}", at - 1), "to": format!("g{at}")})).collect();
        Spec::parse(&json!({"startNodeId": "g0", "nodes": nodes, "edges": edges}))
    };
    assert!(chain(90).is_ok());
    assert!(chain(91).unwrap_err().by_path().contains_key("spec.nodes"));
}

#[test]
fn a_flow_may_say_what_its_runs_put_out() {
    let flow = |output: Value| {
        let nodes = [decision("a", &[("x", "b"), ("y", "c")]), task("b", json!({})), task("c", json!({}))];
        let mut spec = spec_json(&nodes, "a>b:x a>c:y");
        spec["output"] = output;
        spec
    };
    // Whatever way a run takes, every node is upstream of its end.
    assert_eq!(problems(&flow(json!({"chosen": "${step.a.output.selected}", "b": ["${step.b.output.body}"]}))), [""; 0]);
    assert_eq!(problems(&flow(json!("${trigger"))).len(), 1);
    assert_eq!(
        problems(&flow(json!({"x": "${step.nobody.output}"}))),
        ["spec.output.x: `${step.nobody.output}` names the node `nobody`, which does not exist"]
    );
    // The node that makes it is the engine's.
    let mut taken = flow(json!(1));
    taken["nodes"][1]["id"] = json!("@output");
    assert!(paths(&taken).contains(&"spec.nodes[1].id".to_owned()), "{:?}", problems(&taken));
    let mut named = flow(json!(1));
    named["edges"].as_array_mut().unwrap().push(json!({"from": "b", "to": "@output"}));
    assert_eq!(problems(&named), ["spec.edges[2].to: there is no node `@output`"]);
}
