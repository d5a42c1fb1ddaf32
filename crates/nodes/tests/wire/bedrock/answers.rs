//! Requests and answers.

use domain::json::{canonical, sha256_hex_of};
use domain::request::LlmRequest;
use serde_json::{Value, json};

use super::chat::{MODEL, ask, bedrock, body, messages, text_answer};
use crate::setup::{KEY, STEP, TRACE, llm};

fn schema() -> Value {
    json!({"type": "object", "properties": {"amount": {"type": "number"}}, "required": ["amount"]})
}

#[tokio::test]
async fn a_request_is_sent_to_the_mapped_model_as_converse_writes_it() {
    let model = bedrock([text_answer("Much.")]);
    let request = LlmRequest { temperature: Some(0.7), max_tokens: Some(200), ..llm(None) };
    ask(&model, &model, request).await.unwrap();
    let seen = model.one();
    assert_eq!((seen.method.as_str(), seen.target.as_str()), ("POST", "/model/anthropic.claude-3-5-sonnet-20240620-v1%3A0/converse"));
    // Canonical JSON: the same request always has the same bytes.
    assert_eq!(String::from_utf8(seen.body).unwrap(), canonical(&body!("request-question")));
}

#[tokio::test]
async fn fields_that_the_step_does_not_set_are_not_sent() {
    for prompt in [None, Some(String::new()), Some(" \n".to_owned())] {
        let model = bedrock([text_answer("Much.")]);
        ask(&model, &model, LlmRequest { system_prompt: prompt, ..llm(None) }).await.unwrap();
        assert_eq!(model.one().json(), json!({"messages": [{"role": "user", "content": [{"text": "How much?"}]}]}));
    }
}

#[tokio::test]
async fn a_request_carries_trace_id_parent_and_key_and_no_secret() {
    let model = bedrock([text_answer("Much.")]);
    ask(&model, &model, llm(None)).await.unwrap();
    let seen = model.one();
    assert_eq!(seen.header("content-type"), Some("application/json"));
    assert_eq!(seen.header("x-quantum-trace-id"), Some(TRACE));
    assert_eq!(seen.header("traceparent"), Some(format!("00-{TRACE}-{}-01", &sha256_hex_of(STEP.as_bytes())[..16]).as_str()));
    assert_eq!(seen.header("idempotency-key"), Some(STEP));
    assert!(seen.headers.iter().all(|(_, value)| !value.contains(KEY)), "neither AWS's nor OpenAI's");
}

#[tokio::test]
async fn the_output_has_the_text_the_model_and_the_usage() {
    let model = bedrock([text_answer("{\"amount\": 5}")]);
    let effect = ask(&model, &model, llm(None)).await.unwrap();
    let mut output = effect.output;
    assert!(output["inferenceMs"].is_u64());
    output["inferenceMs"] = json!("some");
    let expected = json!({
        "text": "{\"amount\": 5}", "parsed": null, "model": MODEL, "inferenceMs": "some",
        "tokens": {"prompt": 125, "completion": 60, "total": 185}, "toolCalls": [],
    });
    assert_eq!(output, expected);
    assert_eq!(effect.answer, None);
}

#[tokio::test]
async fn text_in_several_blocks_is_one_text_without_the_reasoning() {
    let model = bedrock([(200, body!("response-thoughts").to_string())]);
    assert_eq!(ask(&model, &model, llm(None)).await.unwrap().output["text"], "Ten euros.");
}

#[tokio::test]
async fn usage_that_is_not_reported_is_null() {
    let body = json!({"output": {"message": {"role": "assistant", "content": [{"text": "hi"}]}}, "stopReason": "end_turn"});
    let model = bedrock([(200, body.to_string())]);
    let output = ask(&model, &model, llm(None)).await.unwrap().output;
    assert_eq!((&output["text"], &output["tokens"]), (&json!("hi"), &json!({"prompt": null, "completion": null, "total": null})));
}

#[tokio::test]
async fn a_schema_is_demanded_in_the_instructions_and_the_answer_is_validated() {
    let mut expected = body!("request-schema");
    for prompt in [Some("Be brief.".to_owned()), None] {
        let model = bedrock([text_answer("```json\n{\"amount\": 5}\n```")]);
        let request = LlmRequest { system_prompt: prompt, ..llm(Some(schema())) };
        let output = ask(&model, &model, request).await.unwrap().output;
        assert_eq!(output["parsed"], json!({"amount": 5}));
        assert_eq!(model.one().json(), expected);
        expected["system"].as_array_mut().unwrap().remove(0);
    }
}

#[tokio::test]
async fn an_answer_that_breaks_the_schema_is_sent_back_once_with_the_violations() {
    let model = bedrock([text_answer(r#"{"amount":"ten"}"#), text_answer(r#"{"amount":10}"#)]);
    let output = ask(&model, &model, llm(Some(schema()))).await.unwrap().output;
    assert_eq!((&output["parsed"], &output["tokens"]["total"]), (&json!({"amount": 10}), &json!(370)));
    let [first, second] = model.seen().try_into().unwrap();
    assert_eq!((first.json(), second.json()), (body!("request-schema"), body!("request-repair")));
    assert!(second.header("idempotency-key").unwrap().starts_with(&format!("{STEP}-ask2-")), "another request has another key");

    let model = bedrock([text_answer("Ten."), text_answer("Ten, I said."), text_answer(r#"{"amount":10}"#)]);
    let error = ask(&model, &model, llm(Some(schema()))).await.unwrap_err();
    assert!(!error.retryable && error.message.contains("is not JSON") && error.message.ends_with(": Ten, I said."), "{error}");
    assert_eq!(model.seen().len(), 2, "once, not more often");
}

#[tokio::test]
async fn a_blank_answer_is_sent_back_without_a_blank_block() {
    let model = bedrock([text_answer(""), text_answer(r#"{"amount":10}"#)]);
    ask(&model, &model, llm(Some(schema()))).await.unwrap();
    let [only] = messages(&model.seen()[1]).try_into().unwrap();
    let [question, again] = only["content"].as_array().unwrap().clone().try_into().unwrap();
    assert_eq!((&only["role"], question), (&json!("user"), json!({"text": "How much?"})));
    assert!(again["text"].as_str().unwrap().starts_with("That answer cannot be used: "), "{again}");
}
