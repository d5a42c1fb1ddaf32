//! What servers of the chat-completions protocol do differently.

use domain::ports::{Effect, EffectError, Effects};
use domain::request::{LlmRequest, Request};
use serde_json::{Value, json};

use crate::server::Server;
use crate::setup::{STEP, context, effects_with_options, llm};

/// A completion with this message, and these fields over the usual ones.
fn completion(message: &Value, more: &Value) -> String {
    let mut body = json!({
        "model": "m-1",
        "choices": [{"index": 0, "message": message, "finish_reason": "stop"}],
        "usage": {"prompt_tokens": 1, "completion_tokens": 2, "total_tokens": 3},
    });
    body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    body.to_string()
}

fn content(content: &Value) -> (u16, String) {
    (200, completion(&json!({"role": "assistant", "content": content}), &json!({})))
}

async fn ask(model: &Server, request: LlmRequest, options: &str) -> Result<Effect, EffectError> {
    effects_with_options(&model.url("/v1"), options).perform(&context(), &Request::Llm(request)).await
}

async fn answer_of(body: (u16, String)) -> Result<Value, EffectError> {
    ask(&Server::in_sequence([body]), llm(None), "").await.map(|effect| effect.output)
}

#[tokio::test]
async fn only_known_reasons_are_the_end_of_an_answer() {
    let with_reason =
        |reason: Value| (200, json!({"choices": [{"message": {"content": "half a sent"}, "finish_reason": reason}]}).to_string());
    for reason in ["stop", "STOP", "eos_token", "stop_sequence", "end_turn"] {
        assert_eq!(answer_of(with_reason(json!(reason))).await.unwrap()["text"], "half a sent", "{reason}");
    }
    for (reason, retryable) in [
        (json!("error"), true),
        (json!("abort"), true),
        (json!("insufficient_system_resource"), true),
        (Value::Null, true),
        (json!("length"), false),
        (json!("content_filter"), false),
        (json!("tool_calls"), false),
        (json!("pause_turn"), false),
        (json!("something new"), false),
        (json!({"type": "stop"}), false),
    ] {
        let error = answer_of(with_reason(reason.clone())).await.unwrap_err();
        assert_eq!(error.retryable, retryable, "{reason}: {error}");
        assert!(error.message.contains("answered 200, but ") && !error.message.contains("half a sent"), "{reason}: {error}");
    }
}

#[tokio::test]
async fn a_body_that_ends_before_its_json_does_broke_off_and_is_tried_again() {
    let whole = completion(&json!({"content": "half a sentence"}), &json!({}));
    for cut in [whole.len() - 1, whole.len() / 2, 1] {
        let error = answer_of((200, whole[..cut].to_owned())).await.unwrap_err();
        assert!(error.retryable && error.message.contains("it broke off") && !error.message.contains("half"), "{cut}: {error}");
    }
    for other in ["", " \n", "<html>busy</html>", "data: {}", "[1]", "{\"choices\":null}"] {
        assert!(!answer_of((200, other.to_owned())).await.unwrap_err().retryable, "{other}");
    }
}

#[tokio::test]
async fn an_error_inside_a_success_is_an_error_and_its_code_decides_about_a_retry() {
    let half = json!({"content": "half a sent"});
    for (body, retryable) in [
        (json!({"error": {"message": "busy", "code": 429}}), true),
        (json!({"error": {"message": "busy", "type": "overloaded_error"}}), true),
        (json!({"error": {"message": "busy"}}), false),
        (json!({"choices": [{"message": half, "finish_reason": "stop", "error": {"code": 502, "message": "busy"}}]}), true),
        (json!({"choices": [{"message": half, "finish_reason": "stop", "error": {"code": 400, "message": "busy"}}]}), false),
        (json!({"choices": [{"message": {"content": "half", "error": "busy"}, "finish_reason": "stop"}]}), false),
        (json!({"object": "error", "message": "busy", "code": 503}), true),
    ] {
        let error = answer_of((200, body.to_string())).await.unwrap_err();
        assert_eq!(error.retryable, retryable, "{body}");
        assert!(error.message.ends_with("answered 200, but with an error: busy"), "{error}");
    }
    let server = Server::answering(200, &[("retry-after", "9")], r#"{"error":{"message":"busy","code":429}}"#);
    assert_eq!(ask(&server, llm(None), "").await.unwrap_err().retry_after_seconds, Some(9));
}

#[tokio::test]
async fn an_answer_without_text_is_asked_for_once_more() {
    for blank in [Value::Null, json!(""), json!(" \n"), json!([]), json!("<think>Hm.</think>")] {
        let model = Server::in_sequence([content(&blank), content(&json!("Ten."))]);
        assert_eq!(ask(&model, llm(None), "").await.unwrap().output["text"], "Ten.", "{blank}");
        let [first, second] = model.seen().try_into().unwrap();
        assert_eq!(first.body, second.body);
        assert_eq!(first.header("idempotency-key"), Some(STEP));
        assert_eq!(second.header("idempotency-key"), Some(format!("{STEP}-again").as_str()));

        let model = Server::in_sequence([content(&blank)]);
        let error = ask(&model, llm(None), "").await.unwrap_err();
        assert!(error.message.contains("without any text (finish_reason: stop)"), "{error}");
        assert_eq!(model.seen().len(), 2, "once, not more often");
    }
}

#[tokio::test]
async fn content_may_be_parts_and_reasoning_is_no_part_of_the_answer() {
    let parts = json!([{"type": "thinking", "thinking": "Hm."}, {"type": "text", "text": "{\"amount\""}, {"type": "text", "text": ": 5}"}]);
    let schema = json!({"type": "object", "required": ["amount"]});
    for answer in [
        parts,
        json!("<think>Is it 4? {\"amount\": 4}</think>\n{\"amount\": 5}"),
        json!("Is it 4?\n</think>\n\n```json\n{\"amount\": 5}\n```"),
    ] {
        let model = Server::in_sequence([content(&answer)]);
        let output = ask(&model, llm(Some(schema.clone())), "").await.unwrap().output;
        assert_eq!(output["parsed"], json!({"amount": 5}), "{answer}");
    }
    assert_eq!(answer_of(content(&json!("<think>Hm.</think>\n\nTen."))).await.unwrap()["text"], "Ten.");
    let error = answer_of(content(&json!([{"type": "image_url", "image_url": {"url": "x"}}]))).await.unwrap_err();
    assert!(error.message.contains("a part of the type `image_url`"), "{error}");
}

#[tokio::test]
async fn an_odd_usage_or_model_fails_nothing() {
    for usage in
        [Value::Null, json!([]), json!("free"), json!({"prompt_tokens": "many"}), json!({"prompt_tokens": -1, "total_tokens": 1.5})]
    {
        let body = completion(&json!({"content": "Ten."}), &json!({"usage": usage, "model": 7, "created": "now"}));
        let output = answer_of((200, body)).await.unwrap();
        assert_eq!(
            (&output["tokens"], &output["model"]),
            (&json!({"prompt": null, "completion": null, "total": null}), &json!("gpt-4o-mini"))
        );
    }
    let body = completion(&json!({"content": "Ten."}), &json!({"usage": {"input_tokens": 4.0, "output_tokens": "2"}}));
    assert_eq!(answer_of((200, body)).await.unwrap()["tokens"], json!({"prompt": 4, "completion": 2, "total": 6}));
}

#[tokio::test]
async fn a_field_that_the_server_refuses_is_sent_in_another_form_and_the_form_is_remembered() {
    let refused = |message: &str| (400, json!({"error": {"message": message}}).to_string());
    let model = Server::in_sequence([
        refused("Unsupported parameter: 'max_tokens' is not supported with this model. Use 'max_completion_tokens' instead."),
        refused("Unsupported value: 'temperature' does not support 0.5 with this model."),
        refused("This response_format type is unavailable now"),
        content(&json!(r#"{"amount":5}"#)),
    ]);
    let effects = effects_with_options(&model.url("/v1"), "");
    let step = LlmRequest { temperature: Some(0.5), max_tokens: Some(9), ..llm(Some(json!({"type": "object"}))) };
    for _ in 0..2 {
        let output = effects.perform(&context(), &Request::Llm(step.clone())).await.unwrap().output;
        assert_eq!(output["parsed"], json!({"amount": 5}));
    }
    let seen = model.seen();
    assert_eq!(seen.len(), 5, "the second step asks in the right form at once");
    let sent = seen[3].json();
    assert_eq!((&sent["max_completion_tokens"], sent.get("max_tokens"), sent.get("temperature")), (&json!(9), None, None));
    assert_eq!(sent["response_format"], json!({"type": "json_object"}));
    assert!(sent["messages"][0]["content"].as_str().unwrap().contains("nothing but JSON that satisfies this JSON Schema"));
    assert_eq!(seen[4].json(), sent);
    let keys: Vec<_> = seen.iter().map(|request| request.header("idempotency-key").unwrap().to_owned()).collect();
    assert_eq!(keys, [STEP.to_owned(), format!("{STEP}-v2"), format!("{STEP}-v3"), format!("{STEP}-v4"), STEP.to_owned()]);
}

#[tokio::test]
async fn an_error_about_something_else_is_not_sent_again() {
    for message in ["max_tokens is too large: 99. This model supports at most 50.", "Unknown model", "Unsupported parameter: 'top_k'"] {
        let model = Server::in_sequence([(400, json!({"error": {"message": message}}).to_string())]);
        let error = ask(&model, LlmRequest { max_tokens: Some(99), ..llm(None) }, "").await.unwrap_err();
        assert!(!error.retryable && error.message.ends_with(message), "{error}");
        assert_eq!(model.seen().len(), 1);
    }
    // A server that refuses every form ends the attempt with its last error.
    let both = "max_tokens and max_completion_tokens are unsupported";
    let model = Server::in_sequence([(400, json!({"error": {"message": both}}).to_string())]);
    let error = ask(&model, LlmRequest { max_tokens: Some(99), ..llm(None) }, "").await.unwrap_err();
    assert!(error.message.ends_with(both), "{error}");
    assert_eq!(model.seen().len(), 2);
}

#[tokio::test]
async fn the_options_of_the_deployment_decide_the_first_form() {
    let model = Server::in_sequence([content(&json!("{}"))]);
    let options =
        r#"{"tokenLimit":"max_completion_tokens","responseFormat":"none","temperature":"omit","fields":{"reasoning_effort":"low"}}"#;
    let step = LlmRequest { temperature: Some(0.5), max_tokens: Some(9), ..llm(Some(json!({"type": "object"}))) };
    ask(&model, step, options).await.unwrap();
    let sent = model.one().json();
    assert_eq!((&sent["max_completion_tokens"], &sent["reasoning_effort"]), (&json!(9), &json!("low")));
    for field in ["max_tokens", "temperature", "response_format"] {
        assert_eq!(sent.get(field), None, "{field}");
    }
}

#[tokio::test]
async fn fields_of_the_answer_that_are_called_like_those_of_the_output_are_in_parsed() {
    let answer = json!({"model": "T", "text": "t", "tokens": 7, "parsed": true});
    let model = Server::in_sequence([content(&json!(answer.to_string()))]);
    let output = ask(&model, llm(Some(json!({"type": "object"}))), "").await.unwrap().output;
    assert_eq!(output["parsed"], answer);
    assert_eq!(output["model"], "m-1");
}
