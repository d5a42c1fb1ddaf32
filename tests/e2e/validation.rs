//! Validation of flows: all problems at once, each at its JSON path.

use serde_json::{Value, json};

use crate::support::{Method, Stack, edge, gate, spec, transform};

async fn faults(stack: &Stack, spec: Value) -> Vec<String> {
    let body = json!({"slug": crate::support::unique("faulty"), "name": "Faulty", "spec": spec});
    let answer = stack.ada.post("/api/flows", &body).await;
    assert_eq!(answer.error(400), "validation failed");
    answer.faulty_fields(400).into_iter().map(str::to_owned).collect()
}

#[tokio::test]
async fn all_problems_of_single_nodes_are_reported() {
    let stack = Stack::shared();
    let faulty = json!({
        "startNodeId": "a",
        "colour": "red",
        "onReject": "explode",
        "nodes": [
            {"id": "a", "type": "llm_step", "outputSchema": {"type": "strange"}, "temperature": 3, "maxTokens": 0, "tools": [{"slug": "x"}]},
            {"id": "b c", "type": "service_call", "service": "Not A Slug", "path": "x", "method": "BREW", "headers": {"Idempotency-Key": "1", "bad name": "2"}},
            {"id": "d", "type": "http_request", "url": "${nowhere}", "body": {"x": ["${trigger."]}, "timeoutSeconds": 0},
            {"id": "e", "type": "decision", "expression": "trigger.x", "cases": {}, "defaultCase": "none"},
            {"id": "f", "type": "human_approval", "actionLabel": "x", "proposedAction": {}, "assignTo": "ada", "timeoutHours": -1,
             "allowedEdits": ["amount"], "requiredApprovals": 0, "onTimeout": "route_to:"},
            {"id": "g", "type": "transform", "output": 1, "retry": {"maxAttempts": 0, "backoffRate": 0.5, "initialDelaySeconds": -1, "tries": 2}},
            {"id": "h", "type": "teleport"},
            {"id": "i", "type": "wait", "seconds": -5},
            {"id": "j", "type": "wait", "until": "tomorrow", "seconds": 5},
            {"id": "k", "type": "webhook_emit", "event": "not a name"},
            {"id": "l", "type": "http_sink", "body": {}},
            {"type": "transform"},
            7,
        ],
        "edges": [{"from": "a"}, {"from": "a", "to": "g", "when": "always"}, "a->b"],
    });
    assert_eq!(
        faults(&stack, faulty).await,
        [
            "spec.colour",
            "spec.edges[0].to",
            "spec.edges[1].when",
            "spec.edges[2]",
            "spec.nodes[0].maxTokens",
            "spec.nodes[0].outputSchema",
            "spec.nodes[0].temperature",
            "spec.nodes[0].tools[0].description",
            "spec.nodes[0].tools[0].inputSchema",
            "spec.nodes[0].userPrompt",
            "spec.nodes[10].url",
            "spec.nodes[11].id",
            "spec.nodes[11].output",
            "spec.nodes[12]",
            "spec.nodes[1].headers.Idempotency-Key",
            "spec.nodes[1].headers.bad name",
            "spec.nodes[1].id",
            "spec.nodes[1].method",
            "spec.nodes[1].path",
            "spec.nodes[1].service",
            "spec.nodes[2].body.x[0]",
            "spec.nodes[2].timeoutSeconds",
            "spec.nodes[2].url",
            "spec.nodes[3].cases",
            "spec.nodes[3].defaultCase",
            "spec.nodes[4].allowedEdits[0]",
            "spec.nodes[4].assignTo",
            "spec.nodes[4].onTimeout",
            "spec.nodes[4].requiredApprovals",
            "spec.nodes[4].timeoutHours",
            "spec.nodes[5].retry.backoffRate",
            "spec.nodes[5].retry.initialDelaySeconds",
            "spec.nodes[5].retry.maxAttempts",
            "spec.nodes[5].retry.tries",
            "spec.nodes[6].type",
            "spec.nodes[7].seconds",
            "spec.nodes[8].until",
            "spec.nodes[9].event",
            "spec.onReject",
        ]
    );
}

#[tokio::test]
async fn all_problems_between_nodes_are_reported() {
    let stack = Stack::shared();
    let choose = json!({"id": "choose", "type": "decision", "expression": "step.later.output.x", "cases": {"a": {"next": "b"}, "c": {"next": "ghost"}}});
    let faulty = spec(
        &[
            choose,
            transform("b", &json!("${step.missing.output}")),
            transform("later", &json!(1)),
            transform("island", &json!(1)),
            transform("b", &json!(2)),
        ],
        &[
            edge("choose", "b"),
            edge("b", "later"),
            edge("b", "later"),
            edge("later", "ghost"),
            json!({"from": "b", "to": "later", "case": "x"}),
        ],
    );
    let found = faults(&stack, faulty).await;
    for path in [
        "spec.edges[0].case",
        "spec.edges[2]",
        "spec.edges[3].to",
        "spec.edges[4].case",
        "spec.nodes[0].cases.a",
        "spec.nodes[0].cases.c.next",
        "spec.nodes[4].id",
    ] {
        assert!(found.iter().any(|one| one == path), "{path} is not among {found:?}");
    }

    let unreachable = spec(&[transform("a", &json!(1)), transform("island", &json!("${step.a.output}"))], &[]);
    assert_eq!(faults(&stack, unreachable).await, ["spec.nodes[1].id", "spec.nodes[1].output"]);
    let sideways = spec(
        &[transform("a", &json!(1)), transform("b", &json!(1)), transform("c", &json!({"x": ["${step.b.output}"]}))],
        &[edge("a", "b"), edge("a", "c")],
    );
    assert_eq!(faults(&stack, sideways).await, ["spec.nodes[2].output.x[0]"]);
    let cycle = spec(
        &[transform("a", &json!(1)), transform("b", &json!(1)), transform("c", &json!(1))],
        &[edge("a", "b"), edge("b", "c"), edge("c", "b")],
    );
    assert_eq!(faults(&stack, cycle).await, ["spec.edges"]);
    let routed_nowhere = spec(&[gate("a", &json!(1), &json!({"onReject": "route_to:ghost", "onError": "route_to:ghost"}))], &[]);
    assert_eq!(faults(&stack, routed_nowhere).await, ["spec.nodes[0].onError", "spec.nodes[0].onReject"]);
    assert_eq!(faults(&stack, json!({"nodes": []})).await, ["spec.nodes", "spec.startNodeId"]);
    assert_eq!(faults(&stack, json!([])).await, ["spec"]);
}

#[tokio::test]
async fn the_error_for_an_unknown_node_type_lists_the_known_ones() {
    let stack = Stack::shared();
    let body = json!({"slug": "typed", "name": "Typed", "spec": spec(&[json!({"id": "a", "type": "teleport"})], &[])});
    let problem = stack.ada.post("/api/flows", &body).await.field_error(400, "spec.nodes[0].type");
    assert!(problem.starts_with("unknown node type `teleport`; the types are llm_step, service_call, "), "{problem}");
}

#[tokio::test]
async fn the_fields_around_the_spec_are_validated() {
    let stack = Stack::shared();
    let good = || spec(&[transform("a", &json!(1))], &[]);
    for (body, paths) in [
        (json!({}), vec!["name", "slug", "spec"]),
        (
            json!({"slug": "Not Good", "name": " ", "spec": null, "status": "on", "triggerType": "timer", "description": 7, "colour": 1}),
            vec!["colour", "description", "name", "slug", "spec", "status", "triggerType"],
        ),
        (json!({"slug": "x".repeat(65), "name": "n".repeat(201), "spec": good()}), vec!["name", "slug"]),
        (json!({"slug": "a", "name": ["x"], "spec": good(), "triggerType": "cron"}), vec!["cronExpression", "name"]),
        (json!([]), vec!["body"]),
        (json!(null), vec!["body"]),
    ] {
        assert_eq!(stack.ada.post("/api/flows", &body).await.faulty_fields(400), paths, "{body}");
    }
}

#[tokio::test]
async fn an_update_is_validated_like_a_new_flow_and_an_invalid_one_changes_nothing() {
    let stack = Stack::shared();
    let flow = stack.flow(|_| spec(&[transform("a", &json!(1))], &[])).await;
    let path = format!("/api/flows/{}", flow.id);
    let before = stack.ada.get(&path).await.data(200).clone();
    for method in [Method::PATCH, Method::PUT] {
        let faulty = json!({"name": "New", "spec": spec(&[json!({"id": "a", "type": "teleport"})], &[]), "version": 9});
        assert_eq!(stack.ada.send(method.clone(), &path, &faulty).await.faulty_fields(400), ["spec.nodes[0].type", "version"]);
        assert_eq!(stack.ada.send(method, &path, &json!({"id": "flw_1"})).await.faulty_fields(400), ["id"]);
    }
    assert_eq!(*stack.ada.get(&path).await.data(200), before);
}

#[tokio::test]
async fn a_body_that_is_not_json_is_refused() {
    let stack = Stack::shared();
    let send = async |media: &str, body: Vec<u8>| stack.ada.call(Method::POST, "/api/flows", &[("content-type", media)], Some(body)).await;
    assert_eq!(send("application/json", "\u{feff}{}".into()).await.faulty_fields(400), ["name", "slug", "spec"], "a byte-order mark");
    for broken in [&b"{"[..], b"{\"a\":1,}", b"not json", b"\0", b"{\"a\":1}{\"b\":2}"] {
        let answer = send("application/json", broken.to_vec()).await;
        assert!(answer.field_error(400, "body").starts_with("is not JSON: "), "{broken:?}");
    }
    for (body, path) in [(&b"{\"spec\":{\"nodes\":[1,18446744073709551616]}}"[..], "spec.nodes[1]"), (b"1e400", "body")] {
        assert!(send("application/json", body.to_vec()).await.field_error(400, path).starts_with("would change its value: "), "{path}");
    }
    for media in
        ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x", "application/xml", "application/jsonp"]
    {
        assert_eq!(send(media, b"{}".to_vec()).await.error(415), "the body must be application/json", "{media}");
    }
    for charset in ["iso-8859-1", "utf-16"] {
        let media = format!("application/json; charset={charset}");
        assert_eq!(send(&media, b"{}".to_vec()).await.error(415), "the body must be in UTF-8 and not compressed", "{media}");
    }
    for media in ["application/json; charset=utf-8", "Application/JSON", "application/merge-patch+json"] {
        assert_eq!(send(media, b"{}".to_vec()).await.faulty_fields(400), ["name", "slug", "spec"], "{media}");
    }
}

#[tokio::test]
async fn a_flow_that_is_too_large_is_refused() {
    let stack = Stack::shared();
    let large = |bytes: usize| json!({"slug": "large", "name": "Large", "spec": spec(&[transform("a", &json!("x".repeat(bytes)))], &[])});
    assert_eq!(stack.ada.post("/api/flows", &large(1_100_000)).await.error(413), "the body has more than 1065536 bytes");
    let problem = stack.ada.post("/api/flows", &large(1_000_001)).await.field_error(400, "spec");
    assert!(problem.ends_with("a spec may have at most 1000000"), "{problem}");
    let many: Vec<_> = (0..201).map(|n| transform(&format!("n{n}"), &json!(1))).collect();
    let many = json!({"slug": "many", "name": "Many", "spec": spec(&many, &[])});
    let problem = stack.ada.post("/api/flows", &many).await.field_error(400, "spec.nodes");
    assert_eq!(problem, "a flow has at most 200 nodes, this one has 201");
}

#[tokio::test]
async fn a_flow_of_the_greatest_size_is_saved_and_runs() {
    let stack = Stack::shared();
    let filler = "x".repeat(4_600);
    let chain = |_: &str| {
        let mut nodes = vec![transform("n0", &json!(filler))];
        nodes.extend(
            (1..200).map(|n| transform(&format!("n{n}"), &json!({"before": format!("${{step.n{}.output}}", n - 1), "own": filler})["own"])),
        );
        spec(&nodes, &(1..200).map(|n| edge(&format!("n{}", n - 1), &format!("n{n}"))).collect::<Vec<_>>())
    };
    let (flow, run) = stack.run(chain, &json!({})).await;
    let view = run.wait("succeeded").await;
    assert_eq!(view.steps().len(), 200);
    assert_eq!(view.output("n199"), &json!(filler));
    let read = stack.ada.get(&format!("/api/flows/{}", flow.id)).await;
    assert_eq!(read.data(200)["flow"]["spec"], view.flow["spec"]);
}
