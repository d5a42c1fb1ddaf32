//! An answer that breaks `outputSchema` is sent back once.

use serde_json::{Value, json};

use crate::chat::{messages, run_step, text_answer, tool_calls_answer, with_tool};
use crate::server::Server;
use crate::setup::{STEP, llm};

fn schema() -> Value {
    json!({"type": "object", "properties": {"amount": {"type": "number"}}, "required": ["amount", "reason"]})
}

#[tokio::test]
async fn the_errors_are_sent_back_and_the_second_answer_counts() {
    let model = Server::in_sequence([text_answer(r#"{"amount":"ten"}"#), text_answer(r#"{"amount":10,"reason":"late"}"#)]);
    let output = run_step(&model, &model, llm(Some(schema()))).await.unwrap().output;
    assert_eq!(output["parsed"], json!({"amount": 10, "reason": "late"}));
    assert_eq!(output["text"], r#"{"amount":10,"reason":"late"}"#);
    assert_eq!(output["tokens"], json!({"prompt": 22, "completion": 8, "total": 30}), "the usage of both answers counts");
    let [first, second] = model.seen().try_into().unwrap();
    let (before, after) = (messages(&first), messages(&second));
    assert_eq!(after[..2], before[..]);
    assert_eq!(after[2], json!({"role": "assistant", "content": r#"{"amount":"ten"}"#}));
    let [back] = &after[3..] else { panic!("{after:?}") };
    let text = back["content"].as_str().unwrap();
    assert!(back["role"] == "user" && text.ends_with(". Answer again, with nothing but JSON that satisfies the schema."), "{back}");
    for part in [r#"at `/amount`: "ten" is not of type "number""#, r#"at the root: "reason" is a required property"#] {
        assert!(text.contains(part), "{text}");
    }
    assert_eq!(second.json()["response_format"], first.json()["response_format"]);
    assert_eq!(first.header("idempotency-key"), Some(STEP));
    assert!(second.header("idempotency-key").unwrap().starts_with(&format!("{STEP}-ask2-")), "another request has another key");
}

#[tokio::test]
async fn a_second_answer_that_breaks_the_schema_fails_the_step_with_every_violation() {
    for (first, second, errors) in [
        ("{}", r#"{"amount":"ten"}"#, &[r#"at `/amount`: "ten" is not of type "number""#, r#"at the root: "reason" is a required"#][..]),
        (r#"{"amount":"ten"}"#, "Ten, I think.", &["is not JSON", ": Ten, I think."]),
        ("", "", &["is not JSON"]),
    ] {
        let model = Server::in_sequence([text_answer(first), text_answer(second), text_answer(r#"{"amount":10,"reason":"late"}"#)]);
        let error = run_step(&model, &model, llm(Some(schema()))).await.unwrap_err();
        assert!(!error.retryable);
        for part in errors {
            assert!(error.message.contains(part), "{error}");
        }
        assert_eq!(model.seen().len(), 2, "once, not more often");
    }
}

#[tokio::test]
async fn without_a_schema_no_answer_is_sent_back() {
    let model = Server::in_sequence([text_answer("Ten, I think.")]);
    assert_eq!(run_step(&model, &model, llm(None)).await.unwrap().output["text"], "Ten, I think.");
    assert_eq!(model.seen().len(), 1);
}

#[tokio::test]
async fn a_model_may_use_its_tools_to_correct_its_answer_but_corrects_it_once() {
    let service = Server::in_sequence([(200, "{}".to_owned())]);
    let call = tool_calls_answer(&[("c", "custom_echo", r#"{"id":1}"#)]);
    let model = Server::in_sequence([text_answer("{}"), call, text_answer(r#"{"amount":1,"reason":"r"}"#)]);
    let output = run_step(&model, &service, with_tool(Some(schema()))).await.unwrap().output;
    assert_eq!((output["parsed"]["amount"].clone(), service.seen().len()), (json!(1), 1));

    let call = tool_calls_answer(&[("c", "custom_echo", r#"{"id":1}"#)]);
    let model = Server::in_sequence([text_answer("{}"), call, text_answer("{}")]);
    let error = run_step(&model, &service, with_tool(Some(schema()))).await.unwrap_err();
    assert!(error.message.ends_with("; tools called before that: 1: `custom:echo` (200)"), "{error}");
}
