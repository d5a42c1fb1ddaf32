//! What is accepted can be read back by every reader, however deeply it is nested; what nothing could read is refused where it comes in.

use domain::signature::sign;
use futures_util::future::join_all;
use secrecy::SecretString;
use serde_json::{Value, json};

use crate::support::{Method, Run, ScriptedServer, Stack, edge, eventually, gate, json_answer, one_gate, spec, transform, unique};

/// The most levels that a body, an answer or an action may have.
const MOST: usize = 64;

/// Depths on both sides of the limit, and on both sides of the limit that a JSON parser has by itself.
const DEPTHS: [usize; 9] = [1, MOST - 3, MOST - 2, MOST - 1, MOST, MOST + 1, 126, 127, 128];

/// An object with `levels` levels, as text: some parsers cannot read it.
fn nested(levels: usize) -> String {
    format!("{}1{}", "{\"a\":".repeat(levels), "}".repeat(levels))
}

/// Reads the run with every reader of the API. `support::Api` refuses a response that is a server error or is not JSON.
async fn read_by_everybody(stack: &Stack, flow: &str, run: &Run) {
    let paths = [
        run.path(""),
        run.path("steps/copy/output"),
        run.path("steps/review/output"),
        format!("/api/flows/{flow}/runs"),
        format!("/api/flows/{flow}"),
        format!("/api/approvals?flow={flow}"),
        "/api/approvals".to_owned(),
        "/api/approvals?assignee=me".to_owned(),
    ];
    for (path, answer) in paths.iter().zip(join_all(paths.iter().map(|path| stack.ada.get(path))).await) {
        assert!(answer.status == 200 || path.contains("/steps/") && answer.status < 500, "{path}: {}", answer.body);
    }
}

/// Waits until the run has ended or waits for a person.
async fn comes_to_rest(run: &Run) -> String {
    eventually(&format!("{} to come to rest", run.id), async || {
        let view = run.view().await;
        (view.status() != "running").then(|| view.status().to_owned())
    })
    .await
}

/// A flow that copies its input, shows it to a reviewer, and proposes a part of it.
fn copied_and_reviewed(_: &str) -> Value {
    let review =
        gate("review", &json!({"of": {"the": "${trigger}"}}), &json!({"data": {"input": "${trigger}"}, "onReject": "route_to:end"}));
    spec(
        &[transform("copy", &json!("${trigger}")), review, transform("end", &json!({"all": "${step.review.output}"}))],
        &[edge("copy", "review"), edge("review", "end")],
    )
}

#[tokio::test]
async fn an_input_that_is_accepted_is_read_by_everybody() {
    let stack = Stack::shared();
    let flow = stack.flow(copied_and_reviewed).await;
    let json = [("content-type", "application/json")];
    for levels in DEPTHS {
        let path = format!("/api/flows/{}/execute", flow.id);
        let answer = stack.ada.call(Method::POST, &path, &json, Some(nested(levels).into_bytes())).await;
        if levels > MOST {
            assert_eq!(answer.faulty_fields(400), ["body"], "{levels} levels");
            continue;
        }
        let run = Run::of(&stack.ada, &answer.data(202)["run"]);
        let status = comes_to_rest(&run).await;
        read_by_everybody(&stack, &flow.id, &run).await;
        // The action has two levels around the input: the step says so if they are too many.
        if levels + 2 > MOST {
            assert_eq!(status, "failed", "{levels} levels");
            assert!(run.view().await.error().contains("levels deep"), "{}", run.view().await.error());
            continue;
        }
        run.approve(&json!({})).await.data(200);
        comes_to_rest(&run).await;
        read_by_everybody(&stack, &flow.id, &run).await;
    }
}

#[tokio::test]
async fn an_override_that_is_accepted_is_read_by_everybody() {
    let stack = Stack::shared();
    let flow = stack.flow(|slug| one_gate(slug, &json!({}))).await;
    let json = [("content-type", "application/json")];
    for levels in DEPTHS {
        let run = stack.start(&flow, &json!({"action": {"amount": 1}})).await;
        run.parked().await;
        // The body has one level around the action.
        let body = format!("{{\"proposedActionOverride\":{}}}", nested(levels));
        let answer = stack.ada.call(Method::POST, &run.path("approve"), &json, Some(body.into_bytes())).await;
        if levels + 1 > MOST {
            assert!(answer.status == 400 || answer.status == 422, "{levels} levels: {}", answer.body);
            run.reject(&json!({})).await.data(200);
        } else {
            answer.data(200);
        }
        comes_to_rest(&run).await;
        read_by_everybody(&stack, &flow.id, &run).await;
    }
}

#[tokio::test]
async fn a_trigger_takes_what_can_be_read() {
    let stack = Stack::shared();
    let body = json!({"slug": unique("hooked"), "name": "A test", "triggerType": "webhook", "spec": copied_and_reviewed("")});
    let flow = stack.ada.post("/api/flows", &body).await.data(201)["flow"].clone();
    let field = |name: &str| flow[name].as_str().unwrap().to_owned();
    let secret = SecretString::from(field("webhookSecret"));
    for levels in DEPTHS {
        let text = nested(levels);
        let signature = sign(&secret, text.as_bytes());
        let headers = [("content-type", "application/json"), ("x-quantum-signature", &*signature)];
        let path = format!("/api/triggers/wh/{}", field("webhookToken"));
        let answer = stack.without_key.call(Method::POST, &path, &headers, Some(text.into_bytes())).await;
        if levels > MOST {
            assert_eq!(answer.faulty_fields(400), ["body"], "{levels} levels");
        } else {
            let run = Run::of(&stack.ada, &answer.data(202)["run"]);
            comes_to_rest(&run).await;
            read_by_everybody(&stack, &field("id"), &run).await;
        }
    }
}

#[tokio::test]
async fn an_answer_of_a_service_is_taken_if_it_can_be_read() {
    let stack = Stack::shared();
    for levels in DEPTHS {
        let server = ScriptedServer::start(vec![json_answer("200 OK", "", &nested(levels))]).await;
        let call = json!({"id": "copy", "type": "http_request", "method": "GET", "url": server.url, "retry": {"maxAttempts": 1}});
        let review = gate("review", &json!("${step.copy.output.body}"), &json!({}));
        let (flow, run) = stack.run(|_| spec(&[call, review], &[edge("copy", "review")]), &json!({})).await;
        let status = comes_to_rest(&run).await;
        assert_eq!(status == "awaiting_approval", levels <= MOST, "{levels} levels: {status}");
        read_by_everybody(&stack, &flow.id, &run).await;
        if status == "awaiting_approval" {
            run.approve(&json!({})).await.data(200);
            run.wait("succeeded").await;
            read_by_everybody(&stack, &flow.id, &run).await;
        }
    }
}
