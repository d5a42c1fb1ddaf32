//! Large actions, and runs that hold more than one answer can carry.

use serde_json::{Value, json};

use crate::support::{Stack, edge, gate, one_gate, sha256, spec, transform};

/// The canonical text: what is hashed, stored and sent.
fn bytes_of(value: &Value) -> Vec<u8> {
    value.to_string().into_bytes()
}

async fn behind(stack: &Stack, reference: &Value) -> Vec<u8> {
    let url = reference["url"].as_str().unwrap_or_else(|| panic!("no reference: {reference}"));
    let response = stack.client.get(url).send().await.unwrap();
    assert_eq!(response.status().as_u16(), 200, "{reference}");
    let bytes = response.bytes().await.unwrap().to_vec();
    assert_eq!((&reference["bytes"], &reference["sha256"]), (&json!(bytes.len()), &json!(sha256(&bytes))));
    bytes
}

#[tokio::test]
async fn an_override_of_300_kb_is_executed_byte_for_byte() {
    let stack = Stack::shared();
    let proposed = json!({"n": 1, "text": "pröposed ".repeat(20_000)});
    let edited = json!({"a": [1, 2.5, null, {"ü": "\n\"\\"}], "n": 2, "text": "dëcided ".repeat(35_000)});
    assert!(bytes_of(&edited).len() > 300 * 1024);
    let (flow, run) = stack.run(|slug| one_gate(slug, &json!({"assignTo": "role:reviewer"})), &json!({"action": proposed})).await;
    let view = run.parked().await;
    let asked = &view.step("review")["input"];
    assert!(asked.get("proposedAction").is_none());
    assert_eq!(behind(&stack, &asked["proposedActionRef"]).await, bytes_of(&proposed));
    let inbox = stack.ada.get(&format!("/api/approvals?flow={}", flow.id)).await.rows()[0].clone();
    assert_eq!(behind(&stack, &inbox["proposedActionRef"]).await, bytes_of(&proposed));

    let answer = run.approve(&json!({"proposedActionOverride": edited, "note": "as agreed"})).await;
    let decision = answer.data(200)["decision"].clone();
    assert_eq!(behind(&stack, &decision["decidedActionRef"]).await, bytes_of(&edited));
    assert_eq!(decision["decidedSha256"], sha256(&bytes_of(&edited)));
    assert_eq!(decision["proposedSha256"], sha256(&bytes_of(&proposed)));
    // The patch carries the whole new text.
    assert!(decision.get("patch").is_none() && decision["patchOmitted"].is_string(), "{}", decision["patchOmitted"]);

    let view = run.wait("succeeded").await;
    let sent = stack.echo.only(&format!("/{}/execute", flow.slug)).await;
    assert_eq!(sent.sha256(), decision["decidedSha256"].as_str().unwrap(), "what was sent is what was decided, to the byte");
    let shown = &view.step("review")["decision"];
    assert_eq!((&shown["decidedSha256"], &shown["note"]), (&decision["decidedSha256"], &json!("as agreed")));
    assert_eq!(behind(&stack, &shown["decidedActionRef"]).await, bytes_of(&edited));
    assert_eq!(behind(&stack, &view.output("review")["proposedActionRef"]).await, bytes_of(&edited));
    // The same again is the same decision.
    let again = run.approve(&json!({"proposedActionOverride": edited})).await;
    assert_eq!(again.data(200)["decision"]["decidedSha256"], decision["decidedSha256"]);
}

#[tokio::test]
async fn a_small_edit_of_a_large_action_has_its_patch() {
    let stack = Stack::shared();
    let proposed = json!({"amount": 10, "text": "x".repeat(300_000)});
    let edited = json!({"amount": 7, "text": "x".repeat(300_000)});
    let rules = json!({"allowedEdits": ["/amount"]});
    let (_, run) = stack.run(|slug| one_gate(slug, &rules), &json!({"action": proposed})).await;
    run.parked().await;
    let forbidden = json!({"amount": 7, "text": "y".repeat(300_000)});
    run.approve(&json!({"proposedActionOverride": forbidden})).await.field_error(422, "proposedActionOverride/text");
    run.approve(&json!({"proposedActionOverride": edited})).await.data(200);
    let view = run.wait("succeeded").await;
    let patch = json!([{"op": "replace", "path": "/amount", "value": 7}]);
    assert_eq!(view.step("review")["decision"]["patch"], patch);
}

#[tokio::test]
async fn a_run_of_more_than_5_mb_is_shown_in_less_and_every_reference_leads_to_its_bytes() {
    let stack = Stack::shared();
    // 80 outputs of 90 KB: each small enough for its record, all of them too large for one answer.
    let names: Vec<String> = (0..80).map(|at| format!("n{at:02}")).collect();
    let nodes: Vec<Value> = names.iter().map(|name| transform(name, &json!({"name": name, "text": "${trigger.text}"}))).collect();
    let edges: Vec<Value> = names.iter().skip(1).map(|name| edge("n00", name)).collect();
    let text = "ü\"".repeat(22_000);
    let (_, run) = stack.run(|_| spec(&nodes, &edges), &json!({"text": text})).await;
    let view = run.wait("succeeded").await;
    let answer = stack.ada.get(&run.path("")).await;
    assert!(answer.body.to_string().len() < 5_000_000);

    let mut references = 0;
    for name in &names {
        let expected = json!({"name": name, "text": text});
        let step = view.step(name);
        if let Some(output) = step.get("output") {
            assert_eq!(*output, expected);
            assert!(step.get("outputRef").is_none());
            continue;
        }
        references += 1;
        let reference = &step["outputRef"];
        let bytes = bytes_of(&expected);
        assert_eq!((&reference["bytes"], &reference["sha256"]), (&json!(bytes.len()), &json!(sha256(&bytes))));
        let path = reference["url"].as_str().unwrap();
        assert_eq!(path, run.path(&format!("steps/{name}/output")));
        assert_eq!(stack.ada.get(path).await.data(200)["output"], expected);
    }
    assert!((20..80).contains(&references), "{references} of 80");
}

#[tokio::test]
async fn one_part_of_one_step_can_be_read() {
    let stack = Stack::shared();
    let flow = |_: &str| {
        let nodes = [
            transform("small", &json!({"n": "${trigger.n}"})),
            transform("large", &json!("${trigger.text}")),
            gate("review", &json!({"amount": 1}), &json!({"data": {"why": "because"}})),
            transform("after", &json!(1)),
        ];
        spec(&nodes, &[edge("small", "large"), edge("large", "review"), edge("review", "after")])
    };
    let (_, run) = stack.run(flow, &json!({"n": 5, "text": "x".repeat(200_000)})).await;
    run.parked().await;
    let part = async |node: &str, query: &str| stack.ada.get(&run.path(&format!("steps/{node}/output{query}"))).await;

    assert_eq!(*part("small", "").await.data(200), json!({"output": {"n": 5}}));
    let large = part("large", "").await.data(200).clone();
    assert_eq!(behind(&stack, &large["outputRef"]).await, bytes_of(&json!("x".repeat(200_000))));
    assert_eq!(*part("review", "?of=proposedAction").await.data(200), json!({"proposedAction": {"amount": 1}}));
    assert_eq!(*part("review", "?of=data").await.data(200), json!({"data": {"why": "because"}}));
    assert_eq!(part("review", "?of=input").await.data(200)["input"]["actionLabel"], "Do it");
    assert_eq!(part("review", "").await.error(404), "step `review` is awaiting_approval and has no output");
    assert_eq!(part("after", "").await.error(404), "step `after` is pending and has no output");
    assert_eq!(part("nobody", "").await.error(404), "step not found");
    assert_eq!(part("@output", "").await.error(404), "step not found");
    part("small", "?of=everything").await.field_error(400, "of");

    run.approve(&json!({})).await.data(200);
    run.wait("succeeded").await;
    assert_eq!(part("review", "").await.data(200)["output"]["decision"], "approved");
    assert_eq!(part("review", "?of=decision").await.data(200)["decision"]["decidedAction"], json!({"amount": 1}));
    let path = run.path("steps/small/output");
    assert_eq!(stack.other.get(&path).await.error(404), "run not found");
    assert_eq!(stack.without_key.get(&path).await.status, 401);
    assert_eq!(stack.reader.get(&path).await.data(200)["output"]["n"], 5);
}
