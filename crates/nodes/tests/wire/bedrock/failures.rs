//! Failed calls, and answers that cannot be used.

use std::io::{Read, Write};

use domain::ports::{CallContext, EffectError, Effects};
use domain::request::{LlmRequest, Request};
use serde_json::{Value, json};

use super::chat::{MODEL, answer, ask, bedrock, body, text_answer};
use crate::server::Server;
use crate::setup::{context, effects_with, llm};

/// The step's error after an exception of this name.
async fn refused(status: u16, exception: &str, body: &Value, headers: &[(&str, &str)]) -> EffectError {
    let kind = format!("{exception}:http://internal.amazon.com/coral/com.amazon.bedrock/");
    let headers: Vec<_> =
        [("content-type", "application/json"), ("x-amzn-errortype", kind.as_str())].iter().chain(headers).copied().collect();
    let server = Server::answering(status, &headers, &body.to_string());
    let error = ask(&server, &server, llm(None)).await.unwrap_err();
    assert_eq!(server.seen().len(), 1, "only the engine repeats a request");
    let answer = error.answer.as_ref().unwrap();
    assert_eq!((answer.status, &answer.headers), (status, &json!({})), "the provider's headers are the operator's");
    error
}

#[tokio::test]
async fn only_exceptions_that_another_attempt_may_cure_are_retryable() {
    for (status, exception, retryable) in [
        (400, "ValidationException", false),
        (403, "AccessDeniedException", false),
        (404, "ResourceNotFoundException", false),
        (408, "ModelTimeoutException", true),
        (424, "ModelErrorException", false),
        (429, "ThrottlingException", true),
        (429, "ModelNotReadyException", true),
        (500, "InternalServerException", true),
        (503, "ServiceUnavailableException", true),
        (403, "ExpiredTokenException", false),
    ] {
        let error = refused(status, exception, &json!({"message": "So it is."}), &[]).await;
        assert_eq!(error.retryable, retryable, "{exception}");
        assert!(error.message.starts_with(&format!("Bedrock model `{MODEL}` answered {status}: ")), "{error}");
    }
    let mut body = body!("error-model");
    for (original, retryable) in [(503, true), (400, false)] {
        body["originalStatusCode"] = original.into();
        assert_eq!(refused(424, "ModelErrorException", &body, &[]).await.retryable, retryable, "{original}");
    }
}

#[tokio::test]
async fn a_throttled_call_says_so_and_when_to_retry() {
    let error = refused(429, "ThrottlingException", &body!("error-throttling"), &[("retry-after", "7")]).await;
    let expected =
        format!("Bedrock model `{MODEL}` answered 429: ThrottlingException: Too many requests, please wait before trying again.");
    assert_eq!((error.message, error.retry_after_seconds), (expected, Some(7)));
}

#[tokio::test]
async fn a_refused_request_says_why_and_what_to_do() {
    let message = "Invocation of model ID x with on-demand throughput isn't supported. Retry your request with the ID or ARN of an \
        inference profile that contains this model.";
    let error = refused(400, "ValidationException", &json!({"message": message}), &[]).await;
    let advice = "; check the node's prompts, temperature, maxTokens and tools, or the model's id in LLM_MODELS";
    assert_eq!(error.message, format!("Bedrock model `{MODEL}` answered 400: {message}{advice}"));
    let message = "Model use case details have not been submitted for this account.";
    let error = refused(404, "ResourceNotFoundException", &json!({"message": message}), &[]).await;
    let advice = "; the operator must check the model's id in LLM_MODELS, and the access to it in this account and region";
    assert!(error.message.ends_with(&format!("{message}{advice}")), "{error}");
}

#[tokio::test]
async fn a_denied_access_names_neither_account_nor_role() {
    let message = "User: arn:aws:sts::123456789012:assumed-role/runs-advance-run/x is not authorized to perform: bedrock:InvokeModel";
    let error = refused(403, "AccessDeniedException", &json!({"message": message}), &[]).await;
    assert!(error.message.contains("this deployment may not use the model; its operator must"), "{error}");
    assert!(!error.message.contains("123456789012") && !error.message.contains("assumed-role"), "{error}");
}

#[tokio::test]
async fn an_unusable_answer_fails_with_the_reason() {
    let text = json!([{"text": "half a sent"}]);
    for ((_, body), expected) in [
        (answer(&text, "max_tokens"), "cut off at the model's own token limit; raise maxTokens"),
        (answer(&text, "content_filtered"), "content filter held the text back"),
        (answer(&text, "guardrail_intervened"), "a guardrail of this deployment held the text back"),
        (answer(&text, "model_context_window_exceeded"), "longer than the model can take"),
        (answer(&text, "malformed_model_output"), "malformed (malformed_model_output)"),
        (answer(&text, "malformed_tool_use"), "malformed (malformed_tool_use)"),
        (answer(&json!([]), "end_turn"), "without any text (stopReason: end_turn)"),
        (answer(&json!([{"text": " \n"}]), "stop_sequence"), "without any text (stopReason: stop_sequence)"),
        (answer(&text, "pause_turn"), "it stopped for the reason `pause_turn`, which is not known to be the end of an answer"),
        ((200, json!({"stopReason": "end_turn"}).to_string()), "not with a message"),
        ((200, "{}".to_owned()), "not with a message"),
        ((200, "<html>login</html>".to_owned()), "not as Converse does: <html>login</html>"),
        ((200, r#"{"output":{"message":{"role":"assistant","content":[{"te"#.to_owned()), "not as Converse does: "),
    ] {
        let model = bedrock([(200, body.clone())]);
        let error = ask(&model, &model, llm(None)).await.unwrap_err();
        assert!(!error.retryable && error.message.contains(expected), "{body}: {error}");
        assert!(error.message.starts_with(&format!("Bedrock model `{MODEL}` answered 200, but ")), "{error}");
    }
}

#[tokio::test]
async fn json_that_is_cut_off_is_not_sent_back_for_correction() {
    let model = bedrock([answer(&json!([{"text": "{\"amount\": 1"}]), "max_tokens"), text_answer("{}")]);
    let request = LlmRequest { max_tokens: Some(50), ..llm(Some(json!({"type": "object"}))) };
    let error = ask(&model, &model, request).await.unwrap_err();
    assert!(!error.retryable && error.message.contains("cut off at maxTokens (50)"), "{error}");
    assert_eq!(model.seen().len(), 1);
}

#[tokio::test]
async fn an_error_body_that_is_not_json_is_classified_by_its_status() {
    for (status, body, retryable) in
        [(503, "<html>", true), (500, "", true), (429, "slow down", true), (400, "no", false), (302, "", false)]
    {
        let model = Server::answering(status, &[], body);
        let error = ask(&model, &model, llm(None)).await.unwrap_err();
        assert_eq!(error.retryable, retryable, "{status}");
        assert_eq!(error.message, format!("Bedrock model `{MODEL}` answered {status}: {body}"));
    }
}

#[tokio::test]
async fn a_failed_connection_is_retryable() {
    let mute = Server::start(|_, _| {});
    let half = Server::start(|_, stream| _ = stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\n{\"output\""));
    for server in [mute, half] {
        let error = ask(&server, &server, llm(None)).await.unwrap_err();
        assert!(error.retryable && error.answer.is_none(), "{error:?}");
        assert!(error.message.starts_with(&format!("Bedrock model `{MODEL}` could not be reached, or broke off: ")), "{error}");
        assert_eq!(server.seen().len(), 1, "only the engine repeats a request");
    }
}

#[tokio::test]
async fn an_attempt_ends_at_its_deadline() {
    let silent = Server::start(|_, stream| {
        // Until the client closes the connection.
        _ = stream.read(&mut [0]);
    });
    let effects = effects_with(Ok(silent.url("")), &silent.url(""), "loopback");
    let request = LlmRequest { model: "quantum-ai:claude".to_owned(), ..llm(None) };
    let context = CallContext { timeout_seconds: 1, ..context() };
    let error = effects.perform(&context, &Request::Llm(request)).await.unwrap_err();
    let expected =
        format!("Bedrock model `{MODEL}` gave no complete answer within 1 s; if it needs longer, raise the node's timeoutSeconds");
    assert!(error.retryable && error.message == expected, "{error}");
}
