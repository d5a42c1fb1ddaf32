//! Tool calls.

use domain::flow::Tool;
use domain::request::LlmRequest;
use serde_json::{Value, json};

use super::chat::{answer, ask, bedrock, body, messages, text_answer, tool_use};
use crate::chat::with_tool;
use crate::server::Server;
use crate::setup::{STEP, llm};

const ID: &str = "tooluse_kZJMlvQmRJ6eAyJE5GIl7Q";

fn accepting() -> Server {
    Server::in_sequence([(200, r#"{"name":"Ada"}"#.to_owned())])
}

fn tool_result(id: &str, text: &str) -> Value {
    json!({"toolResult": {"toolUseId": id, "content": [{"text": text}]}})
}

#[tokio::test]
async fn a_call_goes_to_the_service_and_its_answer_to_the_model() {
    let (service, model) = (accepting(), bedrock([(200, body!("response-tool-use").to_string()), text_answer("It is Ada.")]));
    let output = ask(&model, &service, with_tool(None)).await.unwrap().output;

    let [first, second] = model.seen().try_into().unwrap();
    assert_eq!((first.json(), second.json()), (body!("request-tool"), body!("request-tool-result")));
    assert_eq!(first.header("idempotency-key"), Some(STEP));
    assert!(second.header("idempotency-key").unwrap().starts_with(&format!("{STEP}-ask2-")));

    assert_eq!(service.one().body, br#"{"id":1}"#);
    assert_eq!((&output["text"], &output["tokens"]["total"]), (&json!("It is Ada."), &json!(370)));
    let record = &output["toolCalls"][0];
    assert_eq!((&record["slug"], &record["input"], &record["output"]), (&json!("custom:echo"), &json!({"id": 1}), &json!({"name": "Ada"})));
}

#[tokio::test]
async fn calls_of_one_answer_are_made_in_order_and_answered_in_one_message() {
    let service = Server::in_sequence([(200, "\"a\"".to_owned()), (404, String::new())]);
    let said = json!([tool_use("t1", "custom_echo", &json!({"id": 1})), tool_use("t2", "custom_echo", &json!({"id": 2}))]);
    let model = bedrock([answer(&said, "tool_use"), text_answer("Done.")]);
    ask(&model, &service, with_tool(None)).await.unwrap();
    let [_, called, results] = messages(&model.seen()[1]).try_into().unwrap();
    assert_eq!(called, json!({"role": "assistant", "content": said}));
    let failed = r#"{"body":null,"error":"the call failed","status":404}"#;
    assert_eq!(results, json!({"role": "user", "content": [tool_result("t1", "a"), tool_result("t2", failed)]}));
}

#[tokio::test]
async fn arguments_of_every_kind_of_json_arrive_and_go_back_as_they_were() {
    let input = json!({"zeta": [1, -2, 2.5, 18_446_744_073_709_551_615_u64, null], "a": {"deep": [true, "ü\n"]}, "id": 0.1});
    let service = accepting();
    let said = json!([tool_use(ID, "custom_echo", &input)]);
    let model = bedrock([answer(&said, "tool_use"), text_answer("Done.")]);
    let tool = Tool { input_schema: json!({"type": "object"}), ..with_tool(None).tools.remove(0) };
    ask(&model, &service, LlmRequest { tools: vec![tool], ..llm(None) }).await.unwrap();
    assert_eq!(service.one().json(), input);
    assert_eq!(messages(&model.seen()[1])[1]["content"], said);
}

#[tokio::test]
async fn a_call_that_breaks_the_tool_s_schema_is_answered_and_never_sent() {
    let model = bedrock([answer(&json!([tool_use(ID, "custom_echo", &json!({"id": "one"}))]), "tool_use"), text_answer("Sorry.")]);
    let service = accepting();
    ask(&model, &service, with_tool(None)).await.unwrap();
    let result = &messages(&model.seen()[1])[2]["content"][0]["toolResult"]["content"][0]["text"];
    assert!(result.as_str().unwrap().contains("do not satisfy the tool's schema: at `/id`"), "{result}");
    assert!(service.seen().is_empty());
}

#[tokio::test]
async fn a_model_without_tools_cannot_call_one() {
    let model = bedrock([answer(&json!([tool_use(ID, "custom_echo", &json!({"id": 1}))]), "tool_use")]);
    let error = ask(&model, &model, llm(None)).await.unwrap_err();
    assert!(error.message.ends_with("without any text (stopReason: tool_use)"), "{error}");
}

#[tokio::test]
async fn eight_rounds_are_followed_and_the_ninth_fails_the_step() {
    let round = answer(&json!([tool_use(ID, "custom_echo", &json!({"id": 1}))]), "tool_use");
    let (service, model) = (accepting(), bedrock([round]));
    let error = ask(&model, &service, with_tool(None)).await.unwrap_err();
    assert!(!error.retryable && error.message.starts_with("the model asks for tools again after 8 rounds of them"), "{error}");
    assert_eq!((service.seen().len(), model.seen().len()), (8, 9));
}
