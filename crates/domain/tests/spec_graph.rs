//! The rules between the parts of a spec: each problem at its JSON path, and all problems at once.

mod common;

use common::specs::{llm, paths, problems};
use common::{decision, gate, spec_json, task};
use domain::flow::{MAX_NODES, NodeKind, Route, Spec};
use serde_json::{Value, json};

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
    assert_eq!((gate.timeout_seconds, gate.required_approvals.required(), gate.require_different_actor), (24 * 3600, 1, true));
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
fn every_name_of_a_node_must_be_that_of_an_existing_node() {
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
fn a_wrong_route_of_the_spec_is_reported_there_and_not_at_the_gates_that_use_it() {
    let mut spec = spec_json(&[gate("g", json!({})), gate("h", json!({}))], "g>h");
    spec["onReject"] = json!("route_to:ghost");
    spec["onTimeout"] = json!("route_to:phantom");
    assert_eq!(problems(&spec), ["spec.onReject: there is no node `ghost`", "spec.onTimeout: there is no node `phantom`"]);
    let mut spec = spec_json(&[task("a", json!({}))], "");
    spec["onReject"] = json!("route_to:ghost");
    assert_eq!(paths(&spec), ["spec.onReject"], "even if no gate follows it");
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
fn a_template_may_only_read_nodes_upstream() {
    let reads = |text: &str| {
        let nodes = [task("a", json!({})), task("b", json!({})), task("c", json!({"body": {"deep": [1, text]}})), task("d", json!({}))];
        problems(&spec_json(&nodes, "a>b a>c b>d c>d"))
    };
    assert_eq!(reads("${step.a.output.body.x} ${trigger.y} ${run.id}"), [""; 0]);
    let at = "spec.nodes[2].body.deep[1]";
    assert_eq!(reads("${step.ghost.output}"), [format!("{at}: `${{step.ghost.output}}` names the node `ghost`, which does not exist")]);
    for other in ["b", "c", "d"] {
        let text = format!("{at}: `${{step.{other}.output.body.x}}` names the node `{other}`, which is not upstream of `c`");
        assert_eq!(reads(&format!("${{step.{other}.output.body.x}}")), [text]);
    }
}

#[test]
fn a_template_may_read_a_node_that_is_upstream_by_a_route() {
    let nodes = [
        task("a", json!({})),
        gate("g", json!({"onReject": "route_to:c"})),
        task("c", json!({"body": "${step.a.output}${step.g.output.note}"})),
    ];
    assert_eq!(paths(&spec_json(&nodes, "a>g")), [""; 0]);
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
fn a_stored_spec_is_checked_by_every_rule_but_the_validity_of_its_schemas() {
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
        gate("b", json!({"overrideSchema": {"type": "object"}, "allowedEdits": ["/amount"]})),
    ];
    let spec = spec_json(&nodes, "a>b");
    assert_eq!(Spec::stored(&spec).unwrap(), Spec::parse(&spec).unwrap());
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
fn ten_problems_are_ten_entries() {
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
fn a_node_that_cannot_be_read_neither_hides_other_problems_nor_adds_to_them() {
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
fn without_a_valid_start_the_other_rules_are_still_checked() {
    let mut spec = spec_json(&[task("a", json!({})), task("b", json!({"body": "${step.c.output}"})), task("c", json!({}))], "a>b a>c");
    spec["startNodeId"] = json!("ghost");
    assert_eq!(paths(&spec), ["spec.nodes[1].body", "spec.startNodeId"]);
    let mut spec = spec_json(&[task("a", json!({})), task("b", json!({}))], "a>b b>a");
    spec.as_object_mut().unwrap().remove("startNodeId");
    assert_eq!(paths(&spec), ["spec.edges", "spec.startNodeId"]);
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
fn a_flow_may_have_an_output() {
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
        problems(&flow(json!({"x": "${step.absent.output}"}))),
        ["spec.output.x: `${step.absent.output}` names the node `absent`, which does not exist"]
    );
    // The node that makes it is the engine's.
    let mut taken = flow(json!(1));
    taken["nodes"][1]["id"] = json!("@output");
    assert!(paths(&taken).contains(&"spec.nodes[1].id".to_owned()), "{:?}", problems(&taken));
    let mut named = flow(json!(1));
    named["edges"].as_array_mut().unwrap().push(json!({"from": "b", "to": "@output"}));
    assert_eq!(problems(&named), ["spec.edges[2].to: there is no node `@output`"]);
}
