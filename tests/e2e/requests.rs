//! `service_call` and `http_request`: what is sent, and what the step makes of the response.

use serde_json::{Value, json};

use crate::support::{RunView, Stack, echo_call, spec};

async fn run_of(stack: &Stack, node: Value, input: Value, status: &str) -> RunView {
    let (_, run) = stack.run(|_| spec(&[node], &[]), &input).await;
    run.wait(status).await
}

#[tokio::test]
async fn a_service_call_fills_path_query_headers_and_body() {
    let stack = Stack::shared();
    let (flow, run) = stack
        .run(
            |slug| {
                let call = json!({
                    "id": "call", "type": "service_call", "service": "custom:echo", "method": "put", "path": format!("/{slug}/orders/${{trigger.order}}"),
                    "query": {"dry": true, "q": "${trigger.search}"}, "headers": {"X-Customer": "c-${trigger.customer}", "accept-language": "de"},
                    "body": {"lines": "${trigger.lines}"},
                });
                spec(&[call], &[])
            },
            &json!({"order": "a/b?c #1", "search": "x&y=ü", "customer": 12, "lines": [{"sku": "A", "n": 2}]}),
        )
        .await;
    let view = run.wait("succeeded").await;
    let sent = &stack.echo.sent_by(view.key("call")).await;
    assert_eq!(sent.len(), 1);
    let sent = &sent[0];
    assert_eq!(sent.0["method"], "PUT");
    assert_eq!(sent.0["path"], format!("/{}/orders/a%2Fb%3Fc%20%231", flow.slug), "a value stays within its segment");
    assert_eq!(sent.0["query"], json!({"dry": "true", "q": "x&y=ü"}));
    assert_eq!(sent.header("x-customer"), "c-12");
    assert_eq!(sent.header("accept-language"), "de");
    assert_eq!(*sent.body(), json!({"lines": [{"sku": "A", "n": 2}]}));
    let step = view.step("call");
    assert_eq!(step["input"]["service"], "custom:echo");
    assert_eq!(step["input"]["body"], *sent.body());
    assert_eq!(step["response"]["status"], 200);
    assert_eq!(step["response"]["headers"]["content-type"], "application/json");
    assert_eq!(view.output("call")["sha256"], sent.sha256(), "the output is the parsed body");
}

#[tokio::test]
async fn a_service_call_without_a_body_is_a_get() {
    let stack = Stack::shared();
    let node = json!({"id": "call", "type": "service_call", "service": "custom:echo", "path": "/plain"});
    let view = run_of(&stack, node, json!({}), "succeeded").await;
    assert_eq!((&view.output("call")["method"], &view.output("call")["body"]), (&json!("GET"), &json!(null)));
}

#[tokio::test]
async fn a_path_cannot_lead_out_of_its_service() {
    let stack = Stack::shared();
    for value in ["..", "%2e%2e", "../../admin", "."] {
        let node = json!({"id": "call", "type": "service_call", "service": "custom:echo", "path": "/base/${trigger.x}/end"});
        let (_, run) = stack.run(|_| spec(&[node], &[]), &json!({"x": value})).await;
        let view = crate::support::eventually("the run to end", async || {
            let view = run.view().await;
            view.run["finishedAt"].is_string().then_some(view)
        })
        .await;
        let Some(key) = view.step("call")["idempotencyKey"].as_str() else {
            assert!(view.error().contains("would lead to another path"), "{}", view.error());
            continue;
        };
        for sent in stack.echo.sent_by(key).await {
            assert!(sent.0["path"].as_str().unwrap().starts_with("/base/"), "{value}: {sent:?}");
        }
    }
}

#[tokio::test]
async fn a_service_that_is_not_registered_fails_the_step_with_what_to_do() {
    let stack = Stack::shared();
    let node = json!({"id": "call", "type": "service_call", "service": "custom:nowhere", "path": "/"});
    let view = run_of(&stack, node, json!({}), "failed").await;
    assert_eq!(view.error(), "no service connection `custom:nowhere`; register it with POST /api/service-connections");
    assert_eq!(view.step("call")["attempts"], 1);
}

#[tokio::test]
async fn an_http_request_puts_out_status_headers_and_body() {
    let stack = Stack::shared();
    let (flow, run) = stack
        .run(
            |slug| {
                let url = format!("{}/{slug}/${{trigger.id}}?view=full", stack.echo.url);
                let call = json!({"id": "call", "type": "http_request", "url": url, "method": "PATCH", "headers": {"X-A": "1"}, "body": {"b": "${trigger.id}"}});
                spec(&[call], &[])
            },
            &json!({"id": "ü/1"}),
        )
        .await;
    let view = run.wait("succeeded").await;
    let output = view.output("call");
    assert_eq!(output["status"], 200);
    assert_eq!(output["headers"]["content-type"], "application/json");
    assert_eq!(output["body"]["path"], format!("/{}/%C3%BC%2F1", flow.slug));
    assert_eq!(output["body"]["query"], json!({"view": "full"}));
    assert_eq!(output["body"]["method"], "PATCH");
    assert_eq!(output["body"]["body"], json!({"b": "ü/1"}));
    assert_eq!(output["body"]["headers"]["x-a"], "1");
    assert_eq!(output["body"]["headers"]["x-quantum-trace-id"], view.trace_id());
    assert_eq!(output["body"]["headers"]["idempotency-key"], view.key("call"));
}

#[tokio::test]
async fn an_error_response_fails_the_step_and_is_quoted() {
    let stack = Stack::shared();
    for status in [400, 404, 409, 422, 302] {
        let (flow, run) =
            stack.run(|slug| spec(&[echo_call("call", &format!("/status/{status}/{slug}"), &json!({}))], &[]), &json!({})).await;
        let view = run.wait("failed").await;
        assert!(view.error().contains(&format!("/status/{status}/{} answered {status}: ", flow.slug)), "{}", view.error());
        assert_eq!(view.step("call")["response"]["status"], status);
        assert_eq!(view.step("call")["attempts"], 1, "another attempt would not cure it");
        assert!(view.step("call").get("output").is_none());
        stack.echo.only(&format!("/status/{status}/{}", flow.slug)).await;
    }
}

#[tokio::test]
async fn a_response_without_a_body_is_null() {
    let stack = Stack::shared();
    let view = run_of(&stack, echo_call("call", "/status/204/empty", &json!({})), json!({}), "succeeded").await;
    assert_eq!(*view.output("call"), Value::Null);
    assert_eq!(view.step("call")["response"]["status"], 204);
}

#[tokio::test]
async fn a_forbidden_host_is_not_called() {
    let stack = Stack::shared();
    // The local stack allows loopback and nothing else that is not public.
    for url in [
        "http://169.254.169.254/latest/meta-data/",
        "http://10.0.0.1/",
        "http://[::ffff:192.168.0.1]/",
        "http://0.0.0.0/",
        "ftp://example.com/x",
        "file:///etc/passwd",
    ] {
        // A literal URL of another scheme, or in plain text, is refused when the flow is saved, so these come from the input.
        let node = json!({"id": "call", "type": "http_request", "url": "${trigger.url}", "timeoutSeconds": 5});
        let view = run_of(&stack, node, json!({"url": url}), "failed").await;
        assert!(view.error().contains("not"), "{url}: {}", view.error());
        assert!(view.step("call").get("response").is_none(), "{url}");
    }
}

#[tokio::test]
async fn a_service_that_takes_too_long_fails_the_step() {
    let stack = Stack::shared();
    let mut node = echo_call("call", "/delay/5000/late", &json!({}));
    node["timeoutSeconds"] = json!(1);
    let view = run_of(&stack, node, json!({}), "failed").await;
    assert!(
        view.error().contains("gave no complete answer within 1 s; if it needs longer, raise the node's timeoutSeconds"),
        "{}",
        view.error()
    );
}

#[tokio::test]
async fn a_closed_port_fails_the_step() {
    let stack = Stack::shared();
    // tcpmux, RFC 1078: a port that no test can be given.
    let view = run_of(&stack, json!({"id": "call", "type": "http_request", "url": "http://127.0.0.1:1/x"}), json!({}), "failed").await;
    assert!(view.error().contains("could not be reached"), "{}", view.error());
}

#[tokio::test]
async fn an_http_sink_delivers_and_checks_only_the_status() {
    let stack = Stack::shared();
    let sink = |prefix: &str, slug: &str| {
        let node =
            json!({"id": "sink", "type": "http_sink", "url": format!("{}{prefix}/{slug}", stack.echo.url), "body": {"n": "${trigger.n}"}});
        spec(&[node], &[])
    };
    let (flow, run) = stack.run(|slug| sink("/status/201", slug), &json!({"n": 1})).await;
    let view = run.wait("succeeded").await;
    assert_eq!(*view.output("sink"), json!({"status": 201}));
    let sent = stack.echo.only(&format!("/status/201/{}", flow.slug)).await;
    assert_eq!((sent.body(), &sent.0["method"]), (&json!({"n": 1}), &json!("POST")));
    assert_eq!(sent.header("x-quantum-trace-id"), view.trace_id());
    assert_eq!(sent.header("idempotency-key"), view.key("sink"));

    let (_, run) = stack.run(|slug| sink("/status/409", slug), &json!({"n": 1})).await;
    assert!(run.wait("failed").await.error().contains("answered 409"));
}

#[tokio::test]
async fn a_webhook_emit_records_an_event_with_an_id() {
    let stack = Stack::shared();
    let node = json!({"id": "emit", "type": "webhook_emit", "event": "refund.approved", "data": {"order": "${trigger.order}"}});
    let view = run_of(&stack, node, json!({"order": 7}), "succeeded").await;
    assert!(view.output("emit").as_str().unwrap().starts_with("evt_"), "{}", view.output("emit"));
    assert_eq!(view.step("emit")["input"], json!({"event": "refund.approved", "data": {"order": 7}}));
}
