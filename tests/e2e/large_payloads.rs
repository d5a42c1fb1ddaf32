//! Payloads over 100 KB are in object storage: the run links to them, and downstream nodes read them like any other.

use serde_json::{Value, json};

use crate::support::{Stack, echo_call, edge, sha256, spec, transform};

async fn fetched(stack: &Stack, reference: &Value) -> Value {
    let response = stack.client.get(reference["url"].as_str().unwrap()).send().await.unwrap();
    assert_eq!(response.status().as_u16(), 200, "{reference}");
    let bytes = response.bytes().await.unwrap();
    assert_eq!(reference["bytes"], bytes.len());
    assert_eq!(reference["sha256"], sha256(&bytes));
    let expires: jiff::Timestamp = reference["expiresAt"].as_str().unwrap().parse().unwrap();
    let seconds_left = expires.as_second() - jiff::Timestamp::now().as_second();
    assert!((1..=3600).contains(&seconds_left), "the link is short-lived: {reference}");
    serde_json::from_slice(&bytes).unwrap()
}

#[tokio::test]
async fn a_large_payload_is_linked_and_still_read_downstream() {
    let stack = Stack::shared();
    let text = "päyload ".repeat(20_000);
    let chain = |slug: &str| {
        spec(
            &[
                transform("big", &json!({"copy": "${trigger.text}", "n": 1})),
                echo_call("call", &format!("/{slug}/call"), &json!({"text": "${step.big.output.copy}"})),
                transform("small", &json!({"sha": "${step.call.output.sha256}", "text": "${step.call.output.body.text}"})),
                transform("tiny", &json!("${step.small.output.sha}")),
            ],
            &[edge("big", "call"), edge("call", "small"), edge("small", "tiny")],
        )
    };
    let (flow, run) = stack.run(chain, &json!({"text": text})).await;
    let view = run.wait("succeeded").await;

    let sent = stack.echo.only(&format!("/{}/call", flow.slug)).await;
    assert_eq!(*sent.body(), json!({"text": text}));
    assert_eq!(*view.output("tiny"), sent.sha256());
    assert_eq!(fetched(&stack, &view.run["inputRef"]).await, json!({"text": text}));
    assert!(view.run.get("input").is_none());
    let big = view.step("big");
    assert!(big.get("output").is_none(), "{big}");
    let url = big["outputRef"]["url"].as_str().unwrap();
    assert!(url.contains("X-Amz-Signature=") && url.contains(&run.id), "signed, and under its run: {url}");
    assert_eq!(fetched(&stack, &big["outputRef"]).await, json!({"copy": text, "n": 1}));
    let call = view.step("call");
    assert_eq!(fetched(&stack, &call["outputRef"]).await["body"], json!({"text": text}));
    assert_eq!(fetched(&stack, &call["inputRef"]).await["body"], json!({"text": text}));
    let row = stack.ada.get(&format!("/api/flows/{}/runs", flow.id)).await.rows()[0].clone();
    assert!(row.get("input").is_none() && row.get("inputRef").is_none() && row.get("steps").is_none(), "{row}");
}

#[tokio::test]
async fn large_payloads_survive_a_pause() {
    let stack = Stack::shared();
    let text = "0123456789".repeat(15_000);
    let paused = |slug: &str| {
        let review = crate::support::gate("review", &json!({"sha": "x"}), &json!({}));
        let call = echo_call("call", &format!("/{slug}/call"), &json!({"big": "${step.big.output}", "input": "${trigger.text}"}));
        spec(&[transform("big", &json!("${trigger.text}")), review, call], &[edge("big", "review"), edge("review", "call")])
    };
    let (flow, run) = stack.run(paused, &json!({"text": text})).await;
    run.parked().await;
    run.approve(&json!({})).await.data(200);
    run.wait("succeeded").await;
    // Another invocation sent it, which had to read both from object storage.
    assert_eq!(*stack.echo.only(&format!("/{}/call", flow.slug)).await.body(), json!({"big": text, "input": text}));
}

#[tokio::test]
async fn a_payload_of_the_limit_stays_in_the_record_and_one_byte_more_does_not() {
    let stack = Stack::shared();
    let flow = stack.flow(|_| spec(&[transform("copy", &json!("${trigger.text}"))], &[])).await;
    for (bytes, linked) in [(100 * 1024, false), (100 * 1024 + 1, true)] {
        // As JSON the text has two quotes around it.
        let view = stack.start(&flow, &json!({"text": "x".repeat(bytes - 2)})).await.wait("succeeded").await;
        assert_eq!(view.step("copy").get("outputRef").is_some(), linked, "{bytes}");
        assert_eq!(view.step("copy").get("output").is_some(), !linked, "{bytes}");
    }
}

#[tokio::test]
async fn an_input_may_have_megabytes_but_not_any_number_of_them() {
    let stack = Stack::shared();
    let flow = stack.flow(|_| spec(&[transform("copy", &json!("${trigger.last}"))], &[])).await;
    let large = json!({"text": "x".repeat(4 * 1024 * 1024), "last": 7});
    assert_eq!(*stack.start(&flow, &large).await.wait("succeeded").await.output("copy"), 7);
    let too_large = json!({"text": "x".repeat(5 * 1024 * 1024)});
    let path = format!("/api/flows/{}/execute", flow.id);
    assert_eq!(stack.ada.post(&path, &too_large).await.error(413), "the body has more than 5242880 bytes");
}
