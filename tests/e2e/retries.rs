//! Retries: only what another attempt may cure, always under the same Idempotency-Key.

use serde_json::{Value, json};

use crate::support::{Recorded, ScriptedServer, Stack, json_answer, spec};

fn keys(requests: &[Recorded]) -> Vec<&str> {
    requests.iter().map(|request| request.header("idempotency-key")).collect()
}

#[tokio::test]
async fn every_attempt_has_the_same_key_and_the_last_error_is_recorded() {
    let stack = Stack::shared();
    for kind in ["service_call", "http_request"] {
        let failing = |slug: &str| {
            let path = format!("/status/503/{slug}");
            let retry = json!({"maxAttempts": 3, "initialDelaySeconds": 0});
            let call = if kind == "service_call" {
                json!({"id": "call", "type": kind, "service": "custom:echo", "path": path, "retry": retry, "body": {"n": 1}})
            } else {
                json!({"id": "call", "type": kind, "url": format!("{}{path}", stack.echo.url), "retry": retry, "body": {"n": 1}})
            };
            spec(&[call], &[])
        };
        let (flow, run) = stack.run(failing, &json!({})).await;
        let view = run.wait("failed").await;
        let sent = stack.echo.sent_to(&format!("/status/503/{}", flow.slug)).await;
        assert_eq!(keys(&sent), [view.key("call"); 3]);
        assert!(sent.windows(2).all(|pair| pair[0].sha256() == pair[1].sha256()), "every attempt sends the same bytes");
        assert_eq!(view.step("call")["attempts"], 3);
        assert!(view.error().contains("answered 503"), "{}", view.error());
    }
}

#[tokio::test]
async fn a_permanent_error_is_not_retried() {
    let stack = Stack::shared();
    let failing = |slug: &str| {
        let url = format!("{}/status/404/{slug}", stack.echo.url);
        spec(&[json!({"id": "call", "type": "http_request", "url": url, "retry": {"maxAttempts": 5, "initialDelaySeconds": 0}})], &[])
    };
    let (flow, run) = stack.run(failing, &json!({})).await;
    let view = run.wait("failed").await;
    assert!(view.error().contains("answered 404"), "{}", view.error());
    stack.echo.only(&format!("/status/404/{}", flow.slug)).await;
}

async fn retried(stack: &Stack, server: &ScriptedServer, retry: &Value) -> crate::support::Run {
    let call = json!({"id": "call", "type": "http_request", "url": format!("{}/x", server.url), "retry": retry});
    stack.run(|_| spec(&[call], &[]), &json!({})).await.1
}

#[tokio::test]
async fn a_transient_error_is_retried() {
    let stack = Stack::shared();
    let server = ScriptedServer::start(vec![
        json_answer("500 Oops", "", "{}"),
        json_answer("429 Slow Down", "retry-after: 1\r\n", "{}"),
        json_answer("200 OK", "x-turn: 3\r\n", r#"{"ok": true}"#),
    ])
    .await;
    let run = retried(&stack, &server, &json!({"maxAttempts": 5, "initialDelaySeconds": 0})).await;
    let view = run.wait("succeeded").await;
    assert_eq!(view.step("call")["attempts"], 3);
    assert_eq!(view.output("call")["body"], json!({"ok": true}));
    assert_eq!(view.output("call")["headers"]["x-turn"], "3");
    assert!(view.step("call").get("error").is_none());
}

#[tokio::test]
async fn a_response_that_breaks_off_is_retried() {
    let stack = Stack::shared();
    let cut = "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 100\r\nconnection: close\r\n\r\n{\"half\":".to_owned();
    let server = ScriptedServer::start(vec![cut, "garbage\r\n\r\n".to_owned(), json_answer("200 OK", "", r#"{"whole": 1}"#)]).await;
    let run = retried(&stack, &server, &json!({"maxAttempts": 3, "initialDelaySeconds": 0})).await;
    let view = run.wait("succeeded").await;
    assert_eq!(view.output("call")["body"], json!({"whole": 1}));
    assert_eq!(view.step("call")["attempts"], 3);
}

#[tokio::test]
async fn a_long_wait_for_the_next_attempt_is_parked_through() {
    let stack = Stack::shared();
    // Longer than an invocation sleeps: the segment ends, and the next one begins with a pause.
    let server =
        ScriptedServer::start(vec![json_answer("503 Busy", "retry-after: 7\r\n", "{}"), json_answer("200 OK", "", r#"{"ok": true}"#)])
            .await;
    let run = retried(&stack, &server, &json!({"maxAttempts": 2, "initialDelaySeconds": 0})).await;
    let waiting = crate::support::eventually("the step to wait for its next attempt", async || {
        let view = run.view().await;
        view.step("call").get("dueAt").is_some().then_some(view)
    })
    .await;
    assert_eq!(waiting.status(), "running");
    assert_eq!(waiting.step("call")["status"], "running");
    let view = run.wait("succeeded").await;
    assert_eq!(view.step("call")["attempts"], 2);
    assert_eq!(stack.aws.segment(&run.id, 2).await.as_deref(), Some("SUCCEEDED"), "a second segment drove it to the end");
    assert_eq!(stack.aws.segment(&run.id, 3).await, None);
}
