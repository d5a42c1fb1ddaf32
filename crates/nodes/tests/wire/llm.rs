//! `llm_step` over the chat-completions protocol.

use domain::ports::{Effect, EffectError};
use domain::request::{Request, Turn};
use serde_json::{Value, json};

use crate::server::Server;
use crate::setup::{KEY, STEP, llm, perform};

fn said(content: &str) -> Value {
    json!({
        "model": "gpt-4o-mini-2024-07-18",
        "choices": [{"index": 0, "message": {"role": "assistant", "content": content}, "finish_reason": "stop"}],
        "usage": {"prompt_tokens": 11, "completion_tokens": 4, "total_tokens": 15},
    })
}

async fn asked(status: u16, body: &str, schema: Option<Value>) -> Result<Effect, EffectError> {
    let server = Server::answering(status, &[("Content-Type", "application/json"), ("Openai-Organization", "acme")], body);
    perform(&server.url("/v1"), Request::Llm(llm(schema))).await
}

async fn refused(status: u16, body: &str) -> EffectError {
    asked(status, body, None).await.unwrap_err()
}

fn schema() -> Value {
    json!({"type": "object", "properties": {"amount": {"type": "number"}}, "required": ["amount"]})
}

#[tokio::test]
async fn a_request_is_sent_with_the_mapped_model_and_the_key() {
    let server = Server::answering(200, &[], &said(r#"{"amount":5}"#).to_string());
    let mut request = llm(Some(schema()));
    request.temperature = Some(0.5);
    request.max_tokens = Some(200);
    perform(&server.url("/v1/"), Request::Llm(request)).await.unwrap();
    let seen = server.one();
    assert_eq!((seen.method.as_str(), seen.target.as_str()), ("POST", "/v1/chat/completions"));
    assert_eq!(seen.header("authorization"), Some(format!("Bearer {KEY}").as_str()));
    assert_eq!(seen.header("content-type"), Some("application/json"));
    let expected = json!({
        "model": "gpt-4o-mini",
        "messages": [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "How much?"}],
        "temperature": 0.5,
        "max_tokens": 200,
        "response_format": {"type": "json_schema", "json_schema": {"name": "output", "schema": schema(), "strict": false}},
    });
    assert_eq!(seen.json(), expected);
}

#[tokio::test]
async fn a_revised_draft_continues_its_conversation_under_the_key_of_the_step() {
    let server = Server::answering(200, &[], &said(r#"{"amount":4}"#).to_string());
    let mut request = llm(Some(schema()));
    request.conversation = vec![Turn::Assistant(r#"{"amount":5}"#.to_owned()), Turn::User("Less.".to_owned())];
    perform(&server.url("/v1"), Request::Llm(request)).await.unwrap();
    let seen = server.one();
    let messages = json!([
        {"role": "system", "content": "Be brief."},
        {"role": "user", "content": "How much?"},
        {"role": "assistant", "content": r#"{"amount":5}"#},
        {"role": "user", "content": "Less."},
    ]);
    assert_eq!(seen.json()["messages"], messages);
    assert_eq!(seen.header("idempotency-key"), Some(STEP), "the first request of a step has the key of the step");
}

#[tokio::test]
async fn fields_that_the_step_does_not_set_are_not_sent() {
    let server = Server::answering(200, &[], &said("hi").to_string());
    let mut request = llm(None);
    request.system_prompt = None;
    perform(&server.url("/v1"), Request::Llm(request)).await.unwrap();
    assert_eq!(server.one().json(), json!({"model": "gpt-4o-mini", "messages": [{"role": "user", "content": "How much?"}]}));
}

#[tokio::test]
async fn the_output_has_the_text_the_parsed_value_and_the_usage() {
    let effect = asked(200, &said("```json\n{\"amount\": 5}\n```").to_string(), Some(schema())).await.unwrap();
    let mut output = effect.output;
    assert!(output["inferenceMs"].is_u64());
    output["inferenceMs"] = json!("some");
    let expected = json!({
        "text": "```json\n{\"amount\": 5}\n```",
        "parsed": {"amount": 5},
        "model": "gpt-4o-mini-2024-07-18",
        "inferenceMs": "some",
        "tokens": {"prompt": 11, "completion": 4, "total": 15},
        "toolCalls": [],
    });
    assert_eq!(output, expected);
    assert_eq!(effect.answer, None);
}

#[tokio::test]
async fn without_a_schema_json_stays_text_and_missing_usage_is_null() {
    let body = json!({"choices": [{"message": {"content": "{\"a\":1}"}}]}).to_string();
    let output = asked(200, &body, None).await.unwrap().output;
    assert_eq!((&output["text"], &output["parsed"]), (&json!("{\"a\":1}"), &Value::Null));
    assert_eq!(output["tokens"], json!({"prompt": null, "completion": null, "total": null}));
    assert_eq!(output["model"], "gpt-4o-mini", "the model that was asked for, if the provider does not say");
}

#[tokio::test]
async fn an_unusable_answer_fails_with_the_reason() {
    let choice = |message: Value, reason: &str| json!({"choices": [{"message": message, "finish_reason": reason}]}).to_string();
    for (body, expected) in [
        (choice(json!({"content": null, "refusal": "I cannot help with that."}), "stop"), "the model refuses: I cannot help with that."),
        (choice(json!({"content": "half a sent"}), "length"), "cut off at the model's own token limit"),
        (choice(json!({"content": ""}), "content_filter"), "content filter"),
        (choice(json!({"content": null}), "tool_calls"), "without any text (finish_reason: tool_calls)"),
        (json!({"choices": []}).to_string(), "`choices` is empty"),
        (json!({"error": {"message": "model is loading"}}).to_string(), "with an error: model is loading"),
        (json!({"object": "list"}).to_string(), "`choices` is empty"),
        ("<html>login</html>".to_owned(), "not with a chat completion"),
        (String::new(), "not with a chat completion"),
    ] {
        let error = refused(200, &body).await;
        assert!(!error.retryable && error.message.contains(expected), "{body}: {error}");
        assert_eq!(error.answer.unwrap().headers, json!({}), "the provider's headers are the operator's");
    }
    let server = Server::answering(200, &[], &choice(json!({"content": "half"}), "length"));
    let mut request = llm(None);
    request.max_tokens = Some(50);
    let error = perform(&server.url("/v1"), Request::Llm(request)).await.unwrap_err();
    assert!(error.message.contains("maxTokens (50)"), "{error}");
}

#[tokio::test]
async fn the_provider_s_message_is_shown_but_never_the_key() {
    let body = |text: &str| json!({"error": {"message": text, "type": "invalid_request_error"}}).to_string();
    let error = refused(400, &body("This model does not support temperature.")).await;
    assert!(error.message.ends_with("/v1/chat/completions answered 400: This model does not support temperature."), "{error}");
    let error = refused(403, &body(&format!("Project of {KEY} has no access"))).await;
    assert!(error.message.ends_with("answered 403: Project of *** has no access"), "{error}");
    let error = refused(401, &body("Incorrect API key provided: sk-very-*****.")).await;
    assert!(error.message.contains("does not accept this deployment's LLM_API_KEY") && !error.message.contains("sk-very"), "{error}");
    let error = refused(503, "overloaded").await;
    assert!(error.retryable && error.message.ends_with("answered 503: overloaded"), "{error}");
}

#[tokio::test]
async fn the_error_for_an_unknown_model_lists_the_known_ones() {
    let server = Server::answering(200, &[], "");
    let mut request = llm(None);
    request.model = "gpt-9".to_owned();
    let error = perform(&server.url("/v1"), Request::Llm(request)).await.unwrap_err();
    let known = "`quantum-ai:claude`, `quantum-ai:default`, `quantum-ai:large`";
    assert_eq!(error.message, format!("no model `gpt-9` in this deployment; the models it has: {known}"));
    assert!(!error.retryable && server.seen().is_empty());
}
