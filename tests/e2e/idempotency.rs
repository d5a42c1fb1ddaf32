//! `execute` with an Idempotency-Key: every repetition returns the same run.

use futures_util::future::join_all;
use serde_json::{Value, json};

use crate::support::{ApiResponse, Flow, Method, Stack, echo_call, spec};

async fn flow(stack: &Stack) -> Flow {
    stack.flow(|slug| spec(&[echo_call("call", &format!("/{slug}"), &json!("${trigger}"))], &[])).await
}

async fn execute(stack: &Stack, flow: &Flow, key: &str, body: &Value) -> ApiResponse {
    let headers = [("content-type", "application/json"), ("idempotency-key", key)];
    stack.ada.call(Method::POST, &format!("/api/flows/{}/execute", flow.id), &headers, Some(body.to_string().into_bytes())).await
}

#[tokio::test]
async fn the_same_key_and_body_give_the_same_run() {
    let stack = Stack::shared();
    let flow = flow(&stack).await;
    let first = execute(&stack, &flow, "order-17", &json!({"a": 1, "b": 2})).await;
    let run = crate::support::Run::of(&stack.ada, &first.data(202)["run"]);
    run.wait("succeeded").await;

    let spaced = br#" { "b" : 2, "a" : 1 } "#.to_vec();
    let headers = [("content-type", "application/json"), ("idempotency-key", "order-17")];
    let again = stack.ada.call(Method::POST, &format!("/api/flows/{}/execute", flow.slug), &headers, Some(spaced)).await;

    assert_eq!(again.data(202)["run"]["id"], run.id);
    assert_eq!(again.data(202)["run"]["status"], "succeeded", "the run as it is now");
    stack.echo.only(&format!("/{}", flow.slug)).await;
    let other_key = execute(&stack, &flow, "order-18", &json!({"a": 1, "b": 2})).await;
    assert_ne!(other_key.data(202)["run"]["id"], run.id);
}

#[tokio::test]
async fn numbers_are_sent_as_they_came_and_are_compared_by_value() {
    let stack = Stack::shared();
    let flow = flow(&stack).await;
    let body: Value = serde_json::from_str(r#"{"a": 1.0, "b": [0.1, 100.0, 12345678901234567890]}"#).unwrap();
    let first = execute(&stack, &flow, "numbers", &body).await;
    let run = crate::support::Run::of(&stack.ada, &first.data(202)["run"]);
    run.wait("succeeded").await;
    assert_eq!(stack.echo.only(&format!("/{}", flow.slug)).await.body().to_string(), body.to_string());
    let again =
        execute(&stack, &flow, "numbers", &serde_json::from_str(r#"{"a": 1, "b": [0.1, 100, 12345678901234567890]}"#).unwrap()).await;
    assert_eq!(again.data(202)["run"]["id"], run.id);
}

#[tokio::test]
async fn ten_calls_at_once_start_one_run() {
    let stack = Stack::shared();
    let flow = flow(&stack).await;
    let body = json!({"n": 1});
    let answers = join_all((0..10).map(|_| execute(&stack, &flow, "at-once", &body))).await;
    let run = crate::support::Run::of(&stack.ada, &answers[0].data(202)["run"]);
    assert!(answers.iter().all(|answer| answer.data(202)["run"]["id"] == run.id));
    run.wait("succeeded").await;
    stack.echo.only(&format!("/{}", flow.slug)).await;
    assert_eq!(stack.ada.get(&format!("/api/flows/{}/runs", flow.id)).await.body["total"], 1);
}

#[tokio::test]
async fn the_same_key_with_another_body_is_refused() {
    let stack = Stack::shared();
    let flow = flow(&stack).await;
    execute(&stack, &flow, "k", &json!({"n": 1})).await.data(202);
    for body in [json!({"n": 2}), json!({}), json!(null), json!({"n": "1"}), json!({"n": 1.5})] {
        assert_eq!(execute(&stack, &flow, "k", &body).await.error(409), "the Idempotency-Key was used with another body", "{body}");
    }
    assert_eq!(stack.ada.get(&format!("/api/flows/{}/runs", flow.id)).await.body["total"], 1);
}

#[tokio::test]
async fn a_key_belongs_to_one_flow() {
    let stack = Stack::shared();
    let (one, another) = (flow(&stack).await, flow(&stack).await);
    let first = execute(&stack, &one, "k", &json!({"n": 1})).await.data(202)["run"]["id"].clone();
    let second = execute(&stack, &another, "k", &json!({"n": 2})).await.data(202)["run"]["id"].clone();
    assert_ne!(first, second);
}

#[tokio::test]
async fn without_a_key_every_call_is_a_run() {
    let stack = Stack::shared();
    let flow = flow(&stack).await;
    let (first, second) = (stack.start(&flow, &json!({})).await, stack.start(&flow, &json!({})).await);
    assert_ne!(first.id, second.id);
    assert_ne!(first.wait("succeeded").await.trace_id(), second.wait("succeeded").await.trace_id());
}

#[tokio::test]
async fn the_length_of_a_key_is_limited() {
    let stack = Stack::shared();
    let flow = flow(&stack).await;
    for key in ["x".repeat(256), "x".repeat(3_000)] {
        assert_eq!(execute(&stack, &flow, &key, &json!({})).await.faulty_fields(400), ["Idempotency-Key"]);
    }
    for key in ["x".repeat(255), "a b/c#d".to_owned()] {
        execute(&stack, &flow, &key, &json!({})).await.data(202);
    }
}
