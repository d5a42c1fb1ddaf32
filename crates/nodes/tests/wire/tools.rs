//! The tools of an `llm_step`: what the model gets, what the service gets, and what is recorded.

use std::io::Read;

use domain::json::sha256_hex_of;
use domain::ports::{CallContext, Effects};
use domain::request::Request;
use serde_json::{Value, json};

use crate::chat::{api_calls, last_tool_result, messages, run_step, text_answer, tool_calls_answer, with_tool};
use crate::server::Server;
use crate::setup::{STEP, TRACE, context, effects_with, llm};

const ONE: (&str, &str, &str) = ("call_1", "custom_echo", r#"{ "id": 1 }"#);

fn accepting() -> Server {
    Server::in_sequence([(200, r#"{"name":"Ada"}"#.to_owned())])
}

/// The call records of an output, without their durations.
fn calls(output: &Value) -> Vec<Value> {
    let mut calls = output["toolCalls"].as_array().unwrap().clone();
    for call in &mut calls {
        assert!(call["durationMs"].is_u64());
        call.as_object_mut().unwrap().remove("durationMs");
    }
    calls
}

#[tokio::test]
async fn a_call_goes_to_the_service_and_its_answer_to_the_model() {
    let (service, model) = (accepting(), Server::in_sequence([tool_calls_answer(&[ONE]), text_answer("It is Ada.")]));
    let effect = run_step(&model, &service, with_tool(None)).await.unwrap();

    let [first, second] = model.seen().try_into().unwrap();
    let function = json!({
        "name": "custom_echo", "description": "Looks a customer up",
        "parameters": {"type": "object", "properties": {"id": {"type": "integer"}}, "required": ["id"], "additionalProperties": false},
    });
    assert_eq!(first.json()["tools"], json!([{"type": "function", "function": function}]));
    assert_eq!(second.json()["tools"], first.json()["tools"]);
    assert_eq!(messages(&second)[..2], messages(&first)[..]);
    assert_eq!(
        messages(&second)[2..],
        [
            json!({"role": "assistant", "content": null, "tool_calls": api_calls(&[ONE])}),
            json!({"role": "tool", "tool_call_id": "call_1", "content": r#"{"name":"Ada"}"#}),
        ]
    );

    let sent = service.one();
    assert_eq!((sent.method.as_str(), sent.target.as_str()), ("POST", "/v2?api=7"), "the base URL as it is registered");
    assert_eq!(sent.body, br#"{"id":1}"#, "canonical, whatever the model wrote");
    let hash = &sha256_hex_of(br#"["custom:echo",{"id":1}]"#)[..32];
    assert_eq!(sent.header("idempotency-key"), Some(format!("{STEP}-1-{hash}").as_str()));
    assert_eq!(sent.header("content-type"), Some("application/json"));
    assert_eq!(sent.header("authorization"), None, "the provider's key is the provider's");
    let span = &sha256_hex_of(STEP.as_bytes())[..16];
    for request in [&first, &second, &sent] {
        assert_eq!(request.header("x-quantum-trace-id"), Some(TRACE));
        assert_eq!(request.header("traceparent"), Some(format!("00-{TRACE}-{span}-01").as_str()), "the step is the span");
    }
    assert_eq!(first.header("idempotency-key"), Some(STEP));

    let output = effect.output;
    assert_eq!((&output["text"], &output["tokens"]), (&json!("It is Ada."), &json!({"prompt": 22, "completion": 8, "total": 30})));
    assert_eq!(calls(&output), [json!({"slug": "custom:echo", "input": {"id": 1}, "status": 200, "output": {"name": "Ada"}})]);
}

#[tokio::test]
async fn without_tools_none_is_described_and_none_is_called() {
    let (service, model) = (accepting(), Server::in_sequence([tool_calls_answer(&[ONE])]));
    let error = run_step(&model, &service, llm(None)).await.unwrap_err();
    assert!(error.message.contains("without any text (finish_reason: tool_calls)"), "{error}");
    let expected =
        json!({"model": "gpt-4o-mini", "messages": [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "How much?"}]});
    assert_eq!(model.one().json(), expected);
    assert!(service.seen().is_empty());
}

#[tokio::test]
async fn an_invalid_call_is_answered_and_never_sent() {
    for (name, arguments, input, expected) in [
        ("custom_echo", r#"{"id":"one"}"#, json!({"id": "one"}), r#"do not satisfy the tool's schema: at `/id`: "one" is not of type"#),
        ("custom_echo", "{}", json!({}), r#"at the root: "id" is a required property"#),
        ("custom_echo", "", json!(""), r#""id" is a required property"#),
        ("custom_echo", r#"{"id":"#, json!(r#"{"id":"#), "the arguments are not JSON: "),
        ("custom_echo", r#"{"id":1,"to":"me"}"#, json!({"id": 1, "to": "me"}), "at the root: Additional properties are not allowed"),
        ("custom:echo", r#"{"id":1}"#, json!({"id": 1}), "there is no tool `custom:echo`; the tools are `custom_echo`"),
        ("shell", r#"{"id":1}"#, json!({"id": 1}), "there is no tool `shell`; the tools are `custom_echo`"),
    ] {
        let (service, model) = (accepting(), Server::in_sequence([tool_calls_answer(&[("c", name, arguments)]), text_answer("done")]));
        let output = run_step(&model, &service, with_tool(None)).await.unwrap().output;
        assert!(service.seen().is_empty(), "{name} {arguments}");
        let result: Value = serde_json::from_str(&last_tool_result(&model)).unwrap();
        assert!(result["error"].as_str().unwrap().contains(expected), "{result}");
        let slug = if name == "shell" { "shell" } else { "custom:echo" };
        assert_eq!(calls(&output), [json!({"slug": slug, "input": input, "status": null, "error": result["error"]})]);
    }
}

#[tokio::test]
async fn arguments_that_are_too_large_are_neither_sent_nor_kept() {
    let arguments = json!({"id": "x".repeat(200_000)}).to_string();
    let (service, model) =
        (accepting(), Server::in_sequence([tool_calls_answer(&[("c", "custom_echo", &arguments)]), text_answer("done")]));
    let output = run_step(&model, &service, with_tool(None)).await.unwrap().output;
    assert!(
        service.seen().is_empty() && last_tool_result(&model).contains("more than the 102400 that a tool takes"),
        "{}",
        last_tool_result(&model)
    );
    assert!(output["toolCalls"][0]["input"].as_str().unwrap().len() <= 102_400);
}

#[tokio::test]
async fn a_failing_service_is_called_once_reported_to_the_model_and_recorded() {
    for status in [302, 404, 429, 500, 503] {
        let service = Server::in_sequence([(status, r#"{"why":"no stock"}"#.to_owned())]);
        let model = Server::in_sequence([tool_calls_answer(&[ONE]), text_answer("It could not be done.")]);
        let output = run_step(&model, &service, with_tool(None)).await.unwrap().output;
        assert_eq!(service.seen().len(), 1, "no call is repeated");
        let result: Value = serde_json::from_str(&last_tool_result(&model)).unwrap();
        assert_eq!(result, json!({"error": "the call failed", "status": status, "body": {"why": "no stock"}}));
        let [call] = calls(&output).try_into().unwrap();
        assert_eq!((&call["status"], &call["input"], call.get("output")), (&json!(status), &json!({"id": 1}), None));
        let error = call["error"].as_str().unwrap();
        assert!(error.starts_with(&format!("POST {}/v2 answered {status}: {{\"why\":\"no stock\"}}", service.address)), "{error}");
    }
}

#[tokio::test]
async fn a_service_that_does_not_answer_is_reported_without_its_address() {
    let service = Server::start(|_, _| {});
    let model = Server::in_sequence([tool_calls_answer(&[ONE]), text_answer("No answer.")]);
    let output = run_step(&model, &service, with_tool(None)).await.unwrap().output;
    assert_eq!(last_tool_result(&model), r#"{"error":"the service could not be reached, or broke off","status":null}"#);
    let [call] = calls(&output).try_into().unwrap();
    assert_eq!((&call["status"], call["error"].as_str().unwrap().contains("broke off")), (&Value::Null, true));
}

#[tokio::test]
async fn a_model_gets_at_most_100_kilobytes_of_a_result() {
    for (status, body) in [(200, json!({"long": "ü".repeat(200_000)})), (500, json!("\u{1}".repeat(60_000)))] {
        let service = Server::in_sequence([(status, body.to_string())]);
        let model = Server::in_sequence([tool_calls_answer(&[ONE]), text_answer("Long.")]);
        let output = run_step(&model, &service, with_tool(None)).await.unwrap().output;
        let result = last_tool_result(&model);
        assert!(result.len() <= 102_400 && result.len() > 60_000, "{}", result.len());
        if status == 200 {
            assert!(result.ends_with("(cut; it has 400011 bytes)"));
            assert_eq!(output["toolCalls"][0]["output"], result, "what is recorded is what the model got");
        }
        assert!(output.to_string().len() < 120_000);
    }
}

#[tokio::test]
async fn several_calls_of_one_answer_run_in_order_and_each_has_its_own_key() {
    let service = Server::in_sequence(["\"a\"", "\"b\"", "\"c\""].map(|body| (200, body.to_owned())));
    let two = ("call_2", "custom_echo", r#"{"id":2}"#);
    let again = ("call_3", "custom_echo", r#"{"id":1}"#);
    let script = [tool_calls_answer(&[ONE, two, again]), text_answer("Done.")];
    let model = Server::in_sequence(script.clone().into_iter().chain(script));
    let output = run_step(&model, &service, with_tool(None)).await.unwrap().output;
    let results: Vec<_> =
        messages(&model.seen()[1])[3..].iter().map(|message| (message["tool_call_id"].clone(), message["content"].clone())).collect();
    assert_eq!(results, [("call_1", "a"), ("call_2", "b"), ("call_3", "c")].map(|(id, text)| (json!(id), json!(text))));
    let kept: Vec<_> = calls(&output).iter().map(|call| (call["input"]["id"].clone(), call["output"].clone())).collect();
    assert_eq!(kept, [(1, "a"), (2, "b"), (1, "c")].map(|(id, text)| (json!(id), json!(text))));

    run_step(&model, &service, with_tool(None)).await.unwrap();
    let keys: Vec<_> = service.seen().iter().map(|seen| seen.header("idempotency-key").unwrap().to_owned()).collect();
    let (first, second) = keys.split_at(3);
    assert_eq!(first, second, "another attempt with the same calls has the same keys");
    assert!(first[0] != first[2] && first[0] != first[1] && first[1] != first[2], "{first:?}");
    let asked: Vec<_> = model.seen().iter().map(|seen| seen.header("idempotency-key").unwrap().to_owned()).collect();
    assert_eq!(asked[0], asked[2]);
    assert_ne!(asked[0], asked[1], "the second question is not the first one again");
}

#[tokio::test]
async fn another_call_in_the_same_place_has_another_key() {
    let service = accepting();
    for arguments in [r#"{"id":1}"#, r#"{"id":2}"#] {
        let model = Server::in_sequence([tool_calls_answer(&[("c", "custom_echo", arguments)]), text_answer("Done.")]);
        run_step(&model, &service, with_tool(None)).await.unwrap();
    }
    let [first, second] = service.seen().try_into().unwrap();
    assert_ne!(first.header("idempotency-key"), second.header("idempotency-key"));
    for seen in [first, second] {
        assert!(seen.header("idempotency-key").unwrap().starts_with(&format!("{STEP}-1-")));
    }
}

#[tokio::test]
async fn eight_rounds_are_followed_and_the_ninth_fails_the_step() {
    let rounds = |count: usize| std::iter::repeat_n(tool_calls_answer(&[ONE]), count).chain([text_answer("Done.")]);
    let (service, model) = (accepting(), Server::in_sequence(rounds(8)));
    let output = run_step(&model, &service, with_tool(None)).await.unwrap().output;
    assert_eq!((calls(&output).len(), service.seen().len(), model.seen().len()), (8, 8, 9));
    assert_eq!(output["tokens"]["total"], 15 * 9);

    let (service, model) = (accepting(), Server::in_sequence(rounds(9)));
    let error = run_step(&model, &service, with_tool(None)).await.unwrap_err();
    assert!(!error.retryable && error.message.starts_with("the model asks for tools again after 8 rounds of them"), "{error}");
    assert!(error.message.contains("; tools called before that: 8: `custom:echo` (200), "), "{error}");
    assert_eq!((service.seen().len(), model.seen().len()), (8, 9), "the ninth is not followed");
}

#[tokio::test]
async fn a_step_makes_a_hundred_calls_at_most() {
    let (service, model) = (accepting(), Server::in_sequence([tool_calls_answer(&[ONE; 101])]));
    let error = run_step(&model, &service, with_tool(None)).await.unwrap_err();
    assert!(!error.retryable && error.message.starts_with("the model asks for more than 100 tool calls"), "{error}");
    assert!(error.message.contains("tools called before that: 100, the last ones: "), "{error}");
    assert_eq!(service.seen().len(), 100);
}

#[tokio::test]
async fn a_forbidden_address_or_a_missing_connection_fails_the_step() {
    for (base, slug, expected) in [
        ("https://10.0.0.1/v2", "custom:echo", "POST 10.0.0.1/v2 was not sent: "),
        ("http://service.invalid", "custom:echo", "https only"),
        ("https://service.invalid", "custom:crm", "no service connection `custom:crm`; register it"),
    ] {
        let mut request = with_tool(None);
        request.tools[0].slug = slug.parse().unwrap();
        let model = Server::in_sequence([tool_calls_answer(&[("c", &slug.replace(':', "_"), r#"{"id":1}"#)]), text_answer("Done.")]);
        let effects = effects_with(Ok(base.to_owned()), &model.url("/v1"), "loopback");
        let error = effects.perform(&context(), &Request::Llm(request)).await.unwrap_err();
        assert!(!error.retryable && error.message.contains(expected), "{error}");
        assert_eq!(model.seen().len(), 1);
    }
}

#[tokio::test]
async fn a_provider_that_fails_in_the_middle_fails_the_attempt_and_says_what_was_called() {
    let (service, model) = (accepting(), Server::in_sequence([tool_calls_answer(&[ONE]), (503, "overloaded".to_owned())]));
    let error = run_step(&model, &service, with_tool(None)).await.unwrap_err();
    assert!(
        error.retryable && error.message.ends_with("answered 503: overloaded; tools called before that: 1: `custom:echo` (200)"),
        "{error}"
    );
}

#[tokio::test]
async fn the_whole_step_has_one_deadline() {
    let service = Server::start(|_, stream| _ = stream.read(&mut [0]));
    let model = Server::in_sequence([tool_calls_answer(&[ONE]), text_answer("No answer.")]);
    let effects = effects_with(Ok(service.url("/v2")), &model.url("/v1"), "loopback");
    let context = CallContext { timeout_seconds: 1, ..context() };
    let error = effects.perform(&context, &Request::Llm(with_tool(None))).await.unwrap_err();
    let expected =
        format!("POST {}/v2 gave no complete answer within 1 s; if it needs longer, raise the node's timeoutSeconds", service.address);
    assert!(error.retryable && error.message == expected, "{error}");
    assert_eq!((service.seen().len(), model.seen().len()), (1, 1), "after the deadline the model is not asked again");
}

#[tokio::test]
async fn a_server_that_does_not_name_its_calls_or_sends_objects_is_understood() {
    let call = |arguments: Value| json!({"type": "function", "function": {"name": "custom_echo", "arguments": arguments}});
    let message = json!({"content": "One moment.", "tool_calls": [call(json!({"id": 1})), call(json!("{\"id\":2}"))]});
    let first = (200, json!({"choices": [{"message": message, "finish_reason": "stop"}]}).to_string());
    let (service, model) = (accepting(), Server::in_sequence([first, text_answer("Done.")]));
    run_step(&model, &service, with_tool(None)).await.unwrap();
    let bodies: Vec<_> = service.seen().into_iter().map(|seen| seen.body).collect();
    assert_eq!(bodies, [br#"{"id":1}"#, br#"{"id":2}"#]);
    let sent = messages(&model.seen()[1]);
    assert_eq!(sent[2]["content"], "One moment.");
    for at in [0, 1] {
        assert_eq!(sent[2]["tool_calls"][at]["id"], sent[3 + at]["tool_call_id"]);
    }
    assert_ne!(sent[3]["tool_call_id"], sent[4]["tool_call_id"]);

    let odd = |calls: Value| (200, json!({"choices": [{"message": {"content": "Hi.", "tool_calls": calls}}]}).to_string());
    let model = Server::in_sequence([odd(Value::Null), odd(json!([])), odd(json!([{"type": "custom"}])), odd(json!([{"type": "custom"}]))]);
    for request in [with_tool(None), with_tool(None), llm(None)] {
        assert_eq!(run_step(&model, &service, request).await.unwrap().output["text"], "Hi.");
    }
    let error = run_step(&model, &service, with_tool(None)).await.unwrap_err();
    assert!(error.message.contains("`tool_calls` cannot be read"), "{error}");
}
