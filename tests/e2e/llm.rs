//! `llm_step` over the chat-completions protocol, against the scripted model.

use serde_json::{Value, json};

use crate::support::{Method, RunView, Stack, edge, spec, transform, unique};

async fn asked(stack: &Stack, step: Value, status: &str) -> RunView {
    let mut node = json!({"id": "ask", "type": "llm_step"});
    node.as_object_mut().unwrap().extend(step.as_object().unwrap().clone());
    let (_, run) = stack.run(|_| spec(&[node], &[]), &json!({"name": "Maria", "facts": {"n": 1}})).await;
    run.wait(status).await
}

fn amount() -> Value {
    json!({"type": "object", "properties": {"amount": {"type": "number"}}, "required": ["amount"]})
}

#[tokio::test]
async fn the_model_is_asked_in_its_own_protocol() {
    let stack = Stack::shared();
    let step = json!({
        "model": "quantum-ai:default", "systemPrompt": "Be kind to ${trigger.name}.", "userPrompt": "Facts: ${trigger.facts}",
        "temperature": 0.25, "maxTokens": 300, "outputSchema": amount(),
    });
    let view = asked(&stack, step, "succeeded").await;
    let sent = stack.model.sent_by(view.key("ask")).await;
    assert_eq!(sent.len(), 1);
    let body = sent[0].body();
    assert_eq!(sent[0].0["path"], "/v1/chat/completions");
    assert_eq!(
        body["messages"],
        json!([{"role": "system", "content": "Be kind to Maria."}, {"role": "user", "content": "Facts: {\"n\":1}"}])
    );
    assert_eq!((&body["temperature"], &body["max_tokens"]), (&json!(0.25), &json!(300)));
    assert_eq!(body["response_format"]["type"], "json_schema");
    assert_eq!(body["response_format"]["json_schema"]["schema"], amount());
    let output = view.output("ask");
    assert_eq!(output["parsed"], json!({"amount": 0}), "the smallest value that satisfies the schema");
    assert_eq!(serde_json::from_str::<Value>(output["text"].as_str().unwrap()).unwrap(), output["parsed"]);
    assert_eq!(output["model"], body["model"]);
    assert!(output["inferenceMs"].is_u64());
    let tokens = &output["tokens"];
    assert_eq!(tokens["total"].as_u64(), Some(tokens["prompt"].as_u64().unwrap() + tokens["completion"].as_u64().unwrap()));
    assert_eq!(output["toolCalls"], json!([]));
    assert_eq!(view.step("ask")["input"]["systemPrompt"], "Be kind to Maria.");
}

#[tokio::test]
async fn without_a_schema_the_answer_is_text() {
    let stack = Stack::shared();
    let view = asked(&stack, json!({"userPrompt": "Say something."}), "succeeded").await;
    assert!(view.output("ask")["text"].as_str().unwrap().contains("scripted model"));
    assert_eq!(view.output("ask")["parsed"], Value::Null);
    let sent = stack.model.sent_by(view.key("ask")).await;
    assert!(sent[0].body().get("response_format").is_none());
    assert!(sent[0].body()["messages"].as_array().unwrap().len() == 1, "no system prompt, no system message");
}

#[tokio::test]
async fn an_answer_that_breaks_the_schema_fails_the_step_with_every_violation() {
    let stack = Stack::shared();
    let step = json!({"userPrompt": "SCRIPTED: {\"amount\": \"ten\"}", "outputSchema": amount(), "retry": {"maxAttempts": 3}});
    let view = asked(&stack, step, "failed").await;
    assert_eq!(view.error(), "the model's answer does not satisfy outputSchema: at `/amount`: \"ten\" is not of type \"number\"");
    assert_eq!(stack.model.sent_by(view.key("ask")).await.len(), 1, "no second attempt; the repair is asked under a key of its own");
}

#[tokio::test]
async fn a_refusal_of_the_model_fails_the_step_with_its_text() {
    let stack = Stack::shared();
    let view = asked(&stack, json!({"userPrompt": "SCRIPTED: this is no JSON"}), "failed").await;
    assert!(view.error().contains("answered 400: what follows SCRIPTED: in the last user message is not JSON"), "{}", view.error());
}

#[tokio::test]
async fn an_unknown_model_is_refused_however_the_flow_is_saved() {
    let stack = Stack::shared();
    let node = |model: &str| json!({"id": "ask", "type": "llm_step", "userPrompt": "x", "model": model});
    let spec = |model: &str| json!({"startNodeId": "ask", "nodes": [node(model)]});
    let flow = stack.flow(|_| spec("quantum-ai:default")).await;
    let new = json!({"slug": unique("model"), "name": "Model", "spec": spec("quantum-ai:huge")});
    let changes = json!({"spec": spec("quantum-ai:huge")});
    let path = format!("/api/flows/{}", flow.id);
    for answer in [
        stack.ada.post("/api/flows", &new).await,
        stack.ada.post("/api/flows?dryRun=true", &new).await,
        stack.ada.send(Method::PATCH, &path, &changes).await,
        stack.ada.send(Method::PATCH, &format!("{path}?dryRun=true"), &changes).await,
        stack.ada.send(Method::PUT, &path, &changes).await,
    ] {
        answer.error(400);
        let expected = "there is no model `quantum-ai:huge` in this deployment; write one of `quantum-ai:default`";
        assert_eq!(answer.body["details"]["fieldErrors"], json!({"spec.nodes[0].model": [expected]}));
    }
}

#[tokio::test]
async fn downstream_reads_parsed_fields_with_and_without_saying_parsed() {
    let stack = Stack::shared();
    let (_, run) = stack
        .run(
            |_| {
                let ask = json!({"id": "ask", "type": "llm_step", "userPrompt": "SCRIPTED: {\"amount\": 12.5, \"model\": \"mine\"}", "outputSchema": amount()});
                let read = json!({
                    "short": "${step.ask.output.amount}", "long": "${step.ask.output.parsed.amount}",
                    "own": "${step.ask.output.model}", "theirs": "${step.ask.output.parsed.model}",
                });
                spec(&[ask, transform("read", &read)], &[edge("ask", "read")])
            },
            &json!({}),
        )
        .await;
    let view = run.wait("succeeded").await;
    let read = view.output("read");
    assert_eq!((&read["short"], &read["long"], &read["theirs"]), (&json!(12.5), &json!(12.5), &json!("mine")));
    assert_eq!(read["own"], view.output("ask")["model"], "the output's own fields come first");
}
