//! The rules of the nodes of a spec: each problem at its JSON path.

mod common;

use common::specs::{accepts, http, llm, paths, problems, problems_of, refuses, service};
use common::{decision, gate, spec_json, task};
use domain::flow::{NodeKind, Quorum, Route, Spec};
use serde_json::{Value, json};

#[test]
fn an_unknown_type_is_refused_with_the_list_of_types() {
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
        "until: cannot be given together with `seconds`; leave one of them out",
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
fn a_route_is_fail_or_leads_to_a_node() {
    for bad in ["retry", "route_to:", "route_to:a b", "goto:a", ""] {
        refuses(&http(json!({"onError": bad})), &format!("onError: must be `fail` or `route_to:<node>`, not `{bad}`"));
    }
    refuses(&http(json!({"onError": {"to": "a"}})), "onError: must be a string");
    accepts(&http(json!({"onError": "fail"})));
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
fn a_template_that_cannot_be_parsed_is_refused_at_its_path() {
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
fn a_schema_that_refers_to_another_document_is_refused_and_nothing_is_fetched() {
    for reference in ["https://example.com/schema.json", "file:///etc/passwd"] {
        let found = problems_of(&llm(json!({"outputSchema": {"$ref": reference}})));
        assert!(found.len() == 1 && found[0].starts_with("outputSchema: is not a valid JSON Schema"), "{found:?}");
    }
}

#[test]
fn an_unknown_field_is_not_ignored() {
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
    let from = |entries: Value| gate("x", json!({"requiredApprovals": entries}));
    accepts(&from(json!([{"from": "role:finance", "count": 2}, {"from": "user:usr_ada"}, {"from": "team:legal", "count": 17}])));
    for (entries, problem) in [
        (json!([]), "requiredApprovals: must ask for 1 to 20 approvals in all"),
        (
            json!([{"from": "role:a", "count": 11}, {"from": "role:b", "count": 10}]),
            "requiredApprovals: must ask for 1 to 20 approvals in all",
        ),
        (json!([{"from": "finance"}]), "requiredApprovals[0].from: must be `role:…`, `user:…` or `team:…`, not `finance`"),
        (json!([{"count": 1}]), "requiredApprovals[0].from: is required"),
        (json!([{"from": "role:a", "count": 0}]), "requiredApprovals[0].count: must be a whole number from 1 to 20"),
        (json!([{"from": "role:a"}, {"from": "role:a"}]), "requiredApprovals[1].from: `role:a` is in the list already; raise its count"),
        (json!([{"from": "user:usr_ada", "count": 2}]), "requiredApprovals[0].count: must be 1 for a `user:…`: one person approves once"),
        (json!([{"from": "role:a", "counts": 2}]), "requiredApprovals[0].counts: is not a field that belongs here"),
        (json!(["role:a"]), "requiredApprovals[0]: must be an object"),
    ] {
        let problems = problems_of(&from(entries));
        assert!(problems.contains(&problem.to_owned()), "{problem}: {problems:?}");
    }
    let alarms = |escalate: Value, remind: Value| gate("x", json!({"timeoutHours": 2, "escalate": escalate, "remind": remind}));
    accepts(&alarms(
        json!([{"afterHours": 1.5, "to": "role:lead"}, {"afterHours": 0, "to": "user:usr_ada"}]),
        json!([{"beforeHours": 0.5}]),
    ));
    for (escalate, remind, problem) in [
        (
            json!([{"afterHours": 2, "to": "role:lead"}]),
            json!([]),
            "escalate[0].afterHours: must be less than the timeoutHours of the node",
        ),
        (json!([{"afterHours": 1, "to": "lead"}]), json!([]), "escalate[0].to: must be `role:…`, `user:…` or `team:…`, not `lead`"),
        (json!([{"to": "role:lead"}]), json!([]), "escalate[0].afterHours: is required"),
        (json!([]), json!([{"beforeHours": 3}]), "remind[0].beforeHours: must be less than the timeoutHours of the node"),
        (json!([]), json!([{"afterHours": 1}]), "remind[0].beforeHours: is required"),
        (json!([]), json!([{"beforeHours": 1, "to": "role:lead"}]), "remind[0].to: is not a field that belongs here"),
        (json!([]), json!(vec![json!({"beforeHours": 1}); 11]), "remind: must have at most 10 entries"),
    ] {
        let problems = problems_of(&alarms(escalate, remind));
        assert!(problems.iter().any(|found| found.starts_with(problem)), "{problem}: {problems:?}");
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
    accepts(&gate("x", json!({"proposedAction": "${trigger.action}", "allowedEdits": ["", "/a", "/a/0/b", "/", "/a~0b~1c"]})));
    let bad = json!({"proposedAction": "${trigger.action}", "allowedEdits": ["/fine", "amount", 3, "/a~2", "/a~"]});
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
fn a_gate_without_limits_waits_90_days_and_needs_one_approval() {
    let mut node = gate("g", json!({}));
    node.as_object_mut().unwrap().remove("timeoutHours");
    let spec = Spec::parse(&spec_json(&[node], "")).unwrap();
    let NodeKind::Approval(gate) = &spec.node(spec.start()).kind else { unreachable!("g is a gate") };
    assert_eq!((gate.timeout_seconds, gate.required_approvals.clone()), (90 * 24 * 3600, Quorum::Of(1)));
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
fn a_path_that_leads_elsewhere_is_refused_when_the_flow_is_saved() {
    for path in ["/../admin", "/a/./b", "/a/.."] {
        let node = json!({"id": "a", "type": "service_call", "service": "custom:crm", "path": path});
        let errors = Spec::parse(&json!({"startNodeId": "a", "nodes": [node]})).unwrap_err();
        assert!(errors.by_path().contains_key("spec.nodes[0].path"), "{path}: {errors:?}");
    }
}
