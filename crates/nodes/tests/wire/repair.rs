//! An answer that breaks `outputSchema` is sent back once.

use serde_json::{Value, json};

use crate::server::Server;
use crate::talk::{converse, messages, says, wants, with_tool};
use crate::world::{STEP, llm};

fn schema() -> Value {
    json!({"type": "object", "properties": {"amount": {"type": "number"}}, "required": ["amount", "reason"]})
}

#[tokio::test]
async fn the_errors_are_sent_back_and_the_second_answer_counts() {
    let model = Server::in_turn([says(r#"{"amount":"ten"}"#), says(r#"{"amount":10,"reason":"late"}"#)]);
    let output = converse(&model, &model, llm(Some(schema()))).await.unwrap().output;
    assert_eq!(output["parsed"], json!({"amount": 10, "reason": "late"}));
    assert_eq!(output["text"], r#"{"amount":10,"reason":"late"}"#);
    assert_eq!(output["tokens"], json!({"prompt": 22, "completion": 8, "total": 30}), "both answers are paid for");
    let [first, second] = model.seen().try_into().unwrap();
    let (before, after) = (messages(&first), messages(&second));
    assert_eq!(after[..2], before[..]);
    assert_eq!(after[2], json!({"role": "assistant", "content": r#"{"amount":"ten"}"#}));
    let [back] = &after[3..] else { panic!("{after:?}") };
    let text = back["content"].as_str().unwrap();
    assert!(back["role"] == "user" && text.ends_with(". ResponseHead again, with nothing but JSON that satisfies the schema."), "{back}");
    for part in [r#"at `/amount`: "ten" is not of type "number""#, r#"at the root: "reason" is a required property"#] {
        assert!(text.contains(part), "{text}");
    }
    assert_eq!(second.json()["response_format"], first.json()["response_format"]);
    assert_eq!(first.header("idempotency-key"), Some(STEP));
    assert!(second.header("idempotency-key").unwrap().starts_with(&format!("{STEP}-ask2-")), "another question has another key");
}

#[tokio::test]
async fn a_second_breach_fails_the_step_with_every_error_of_it() {
    for (first, second, errors) in [
        ("{}", r#"{"amount":"ten"}"#, &[r#"at `/amount`: "ten" is not of type "number""#, r#"at the root: "reason" is a required"#][..]),
        (r#"{"amount":"ten"}"#, "Ten, I think.", &["is not JSON", ": Ten, I think."]),
        ("", "", &["is not JSON"]),
    ] {
        let model = Server::in_turn([says(first), says(second), says(r#"{"amount":10,"reason":"late"}"#)]);
        let error = converse(&model, &model, llm(Some(schema()))).await.unwrap_err();
        assert!(!error.retryable);
        for part in errors {
            assert!(error.message.contains(part), "{error}");
        }
        assert_eq!(model.seen().len(), 2, "once, not more often");
    }
}

#[tokio::test]
async fn without_a_schema_nothing_is_sent_back() {
    let model = Server::in_turn([says("Ten, I think.")]);
    assert_eq!(converse(&model, &model, llm(None)).await.unwrap().output["text"], "Ten, I think.");
    assert_eq!(model.seen().len(), 1);
}

#[tokio::test]
async fn a_model_may_use_its_tools_to_mend_its_answer_but_mends_once() {
    let service = Server::in_turn([(200, "{}".to_owned())]);
    let call = wants(&[("c", "custom_echo", r#"{"id":1}"#)]);
    let model = Server::in_turn([says("{}"), call, says(r#"{"amount":1,"reason":"r"}"#)]);
    let output = converse(&model, &service, with_tool(Some(schema()))).await.unwrap().output;
    assert_eq!((output["parsed"]["amount"].clone(), service.seen().len()), (json!(1), 1));

    let call = wants(&[("c", "custom_echo", r#"{"id":1}"#)]);
    let model = Server::in_turn([says("{}"), call, says("{}")]);
    let error = converse(&model, &service, with_tool(Some(schema()))).await.unwrap_err();
    assert!(error.message.ends_with("; tools called before that: 1: `custom:echo` (200)"), "{error}");
}
