//! Malformed and hostile inputs: every response is in the envelope, and none is a 5xx. `support::Api` checks both for every call,
//! so these tests only have to call.

use futures_util::future::join_all;
use serde_json::{Value, json};

use crate::support::{Method, Stack, eventually, one_gate, spec, transform};

/// Bodies that are JSON, and some that are not.
fn bodies() -> Vec<Vec<u8>> {
    let deep = |open: &str, middle: &str, close: &str, depth: usize| format!("{}{middle}{}", open.repeat(depth), close.repeat(depth));
    let texts = [
        String::new(),
        " \n\t ".to_owned(),
        "null".to_owned(),
        "true".to_owned(),
        "0".to_owned(),
        "-0".to_owned(),
        "[]".to_owned(),
        "\"\"".to_owned(),
        "1e308".to_owned(),
        "1e-308".to_owned(),
        "1e400".to_owned(),
        "{\"\":\"\"}".to_owned(),
        "{\"a\":\"\\u0000\"}".to_owned(),
        "{\"a\":\"\\ud800\"}".to_owned(),
        "{\"\\u0000\":1,\"__proto__\":{},\"constructor\":null}".to_owned(),
        "{\"a\":1,\"a\":2}".to_owned(),
        "{\"note\":{},\"reason\":[],\"nodeId\":0,\"proposedActionOverride\":[]}".to_owned(),
        "{\"note\":\"\\u202e🦀\\u0000\",\"reason\":\"\\u0007\"}".to_owned(),
        "{\"slug\":[],\"name\":{},\"spec\":[],\"status\":0,\"description\":false}".to_owned(),
        "{\"slug\":\"\",\"name\":\"\",\"spec\":\"\",\"status\":\"\",\"triggerType\":\"\"}".to_owned(),
        "{\"spec\":{\"startNodeId\":0,\"nodes\":{},\"edges\":{},\"onReject\":[]}}".to_owned(),
        "{\"spec\":{\"startNodeId\":\"\",\"nodes\":[[],null,0,\"\",{}],\"edges\":[[],null]}}".to_owned(),
        "{\"spec\":{\"nodes\":[{\"id\":\"a\",\"type\":\"transform\",\"output\":\"${}${${}}\"}]}}".to_owned(),
        "{\"spec\":{\"nodes\":[{\"id\":\"a\",\"type\":\"human_approval\",\"timeoutHours\":1e308,\"requiredApprovals\":99999999999999999999}]}}".to_owned(),
        format!("{{\"name\":\"{}\"}}", "n".repeat(300_000)),
        deep("[", "", "]", 100),
        deep("[", "", "]", 10_000),
        deep("{\"a\":", "1", "}", 120),
        deep("{\"a\":", "1", "}", 10_000),
        format!("{{\"spec\":{}}}", deep("{\"a\":", "1", "}", 100)),
        "[".repeat(100_000),
        "\u{feff}{}".to_owned(),
        "NaN".to_owned(),
        "{'a':1}".to_owned(),
        "<?xml version=\"1.0\"?><a/>".to_owned(),
    ];
    let mut bodies: Vec<Vec<u8>> = texts.into_iter().map(String::into_bytes).collect();
    bodies.extend([vec![0], vec![0xff, 0xfe, 0x00], b"{\"a\":\"\xc3\x28\"}".to_vec(), vec![0x1f, 0x8b, 8, 0]]);
    bodies
}

/// The beginning of a body, for assertion messages.
fn shown(body: &[u8]) -> String {
    String::from_utf8_lossy(&body[..body.len().min(80)]).into_owned()
}

#[tokio::test]
async fn no_body_causes_a_server_error() {
    let stack = Stack::shared();
    let flow = stack.flow(|slug| one_gate(slug, &json!({}))).await;
    let path = format!("/api/flows/{}", flow.id);
    stack.ada.send(Method::PATCH, &path, &json!({"status": "paused"})).await.data(200);
    let (_, run) = stack.run(|_| spec(&[transform("only", &json!(1))], &[]), &json!({})).await;
    run.wait("succeeded").await;
    for body in bodies() {
        let calls = [
            (Method::POST, "/api/flows".to_owned()),
            (Method::PATCH, path.clone()),
            (Method::PUT, path.clone()),
            (Method::POST, format!("{path}/execute")),
            (Method::POST, run.path("approve")),
            (Method::POST, run.path("reject")),
            (Method::POST, run.path("cancel")),
            (Method::POST, "/api/api-keys".to_owned()),
        ];
        let json = [("content-type", "application/json")];
        let answers = join_all(calls.iter().map(|(method, path)| stack.ada.call(method.clone(), path, &json, Some(body.clone())))).await;
        for ((method, path), answer) in calls.iter().zip(answers) {
            let unchanged = matches!(*method, Method::PATCH | Method::PUT) && answer.status == 200;
            assert!(answer.status >= 400 || unchanged, "{method} {path} took {}: {}", shown(&body), answer.body);
        }
    }
}

#[tokio::test]
async fn a_run_keeps_every_accepted_input_exactly() {
    let stack = Stack::shared();
    let flow = stack.flow(|_| spec(&[transform("copy", &json!("${trigger}"))], &[])).await;
    let path = format!("/api/flows/{}/execute", flow.id);
    for body in bodies() {
        let answer = stack.ada.call(Method::POST, &path, &[("content-type", "application/json")], Some(body.clone())).await;
        if answer.status == 202 {
            let view = crate::support::Run::of(&stack.ada, &answer.data(202)["run"]).wait("succeeded").await;
            // Bytes that are not UTF-8 never arrive: the gateway replaces them.
            let text = String::from_utf8_lossy(&body);
            // A byte-order mark before the text is passed over (RFC 8259, section 8.1).
            let text = text.trim_start_matches('\u{feff}');
            let sent: Value = if text.trim().is_empty() { json!({}) } else { serde_json::from_str(text).unwrap() };
            if view.run.get("inputRef").is_none() {
                assert_eq!(view.run["input"], sent);
                assert_eq!(*view.output("copy"), sent);
            }
        } else {
            // A number that cannot be kept is refused at its own path.
            let is_number = answer.body.to_string().contains("would change its value");
            assert!(answer.faulty_fields(400) == ["body"] || is_number, "{}: {}", shown(&body), answer.body);
        }
    }
}

/// Decimals that an inexact JSON parser reads as their neighbours: the first is the result of a tax computation, the second
/// changes with every parsing.
const PRECISE: &str = r#"{"amount":985.6906946328695,"tiny":-4.002572745002986e-231}"#;

#[tokio::test]
async fn every_digit_of_a_number_is_executed() {
    let stack = Stack::shared();
    let flow = stack.flow(|slug| one_gate(slug, &json!({}))).await;
    let json = [("content-type", "application/json")];
    // Sent and compared as text, so that the test does not depend on a JSON parser.
    let path = format!("/api/flows/{}/execute", flow.id);
    for (input, body) in [
        (format!("{{\"action\":{PRECISE}}}"), "{}".to_owned()),
        ("{\"action\":1}".to_owned(), format!("{{\"proposedActionOverride\":{PRECISE}}}")),
    ] {
        let started = stack.ada.call(Method::POST, &path, &json, Some(input.into_bytes())).await;
        let run = crate::support::Run::of(&stack.ada, &started.data(202)["run"]);
        run.parked().await;
        let answer = stack.ada.call(Method::POST, &run.path("approve"), &json, Some(body.clone().into_bytes())).await;
        let decided = answer.data(200)["decision"]["decidedSha256"].clone();
        let view = run.wait("succeeded").await;
        let executed = stack.echo.sent_by(view.key("execute")).await.remove(0);
        assert_eq!(executed.raw(), PRECISE, "{body}");
        assert_eq!(executed.sha256(), decided, "{body}");
    }
}

/// Values at the limits of DynamoDB's numbers, and others that a store may change.
fn awkward() -> Value {
    json!({
        "large": 1.0e308, "small": 5e-324, "negative": -1.797_693_134_862_315_7e308, "max": u64::MAX, "min": i64::MIN, "tenth": 0.1, "sum": 0.1 + 0.2,
        "whole": 1.0, "zero": -0.0, "precise": 9_007_199_254_740_993_u64, "": "", "a.b": {"$": "${x}"}, "nul": "\u{0}", "list": [[], {}, null, ""],
        "N": {"S": "text"}, "M": {"NULL": true}, "emoji": "👩‍👩‍👧‍👦", "long key ".repeat(200): 1,
    })
}

#[tokio::test]
async fn unusual_values_pass_unchanged_from_the_input_through_the_approval_to_the_service() {
    let stack = Stack::shared();
    let (flow, run) = stack.run(|slug| one_gate(slug, &json!({"data": "${trigger}"})), &json!({"action": awkward()})).await;
    let view = run.parked().await;
    assert_eq!(view.run["input"]["action"], awkward());
    assert_eq!(view.step("review")["input"]["proposedAction"], awkward());
    let mut changed = awkward();
    changed["added"] = json!([1e300, "\u{ffff}"]);
    let answer = run.approve(&json!({"proposedActionOverride": changed, "note": "\u{0}🦀"})).await;
    assert_eq!(answer.data(200)["decision"]["decidedAction"], changed);
    assert_eq!(answer.data(200)["decision"]["note"], "\u{0}🦀");
    let view = run.wait("succeeded").await;
    let executed = stack.echo.only(&format!("/{}/execute", flow.slug)).await;
    assert_eq!(serde_json::from_str::<Value>(executed.raw()).unwrap(), changed);
    assert_eq!(executed.sha256(), view.step("review")["decision"]["decidedSha256"]);
}

#[tokio::test]
async fn unusual_values_can_be_saved_in_a_flow() {
    let stack = Stack::shared();
    let constant = || {
        let mut value = awkward();
        value["a.b"] = json!({"$": "$${x}"});
        value
    };
    let (flow, run) = stack.run(|_| spec(&[transform("constant", &constant())], &[]), &json!({})).await;
    let view = run.wait("succeeded").await;
    assert_eq!(*view.output("constant"), awkward());
    assert_eq!(view.flow["spec"]["nodes"][0]["output"], constant());
    assert_eq!(stack.ada.get(&format!("/api/flows/{}", flow.slug)).await.data(200)["flow"]["spec"], view.flow["spec"]);
}

#[tokio::test]
async fn no_path_or_query_causes_a_server_error() {
    let stack = Stack::shared();
    let flow = stack.flow(|slug| one_gate(slug, &json!({}))).await;
    let long = "x".repeat(2_000);
    let values = [
        "%00",
        "%FF%FE",
        "%F0%9F%A6%80",
        "%2e%2e%2f",
        "'%22%3B--",
        "-1",
        "0",
        "1e9",
        "99999999999999999999",
        "18446744073709551615",
        "NaN",
        "%20",
        "%0d%0aX:1",
        "${run.id}",
        "9999-12-31T23:59:59Z",
        "0000-01-01T00:00:00Z",
        "-009999-01-01T00:00:00Z",
        "2026-01-01T00:00:00%2B23:59",
        &long,
    ];
    let lists = [format!("/api/flows/{}/runs", flow.id), "/api/flows".to_owned(), "/api/approvals".to_owned()];
    let names = ["limit", "page", "cursor", "status", "trigger", "from", "to", "assignee", "flow", "unknown"];
    for value in values {
        let one = lists.iter().flat_map(|list| names.map(|name| format!("{list}?{name}={value}")));
        let repeated = lists.iter().map(|list| format!("{list}?limit={value}&limit=5&page={value}"));
        let calls: Vec<String> = one.chain(repeated).collect();
        for (path, answer) in calls.iter().zip(join_all(calls.iter().map(|path| stack.ada.get(path))).await) {
            assert!(matches!(answer.status, 200 | 400 | 404), "{path}: {}", answer.body);
        }
        for path in [format!("/api/flows/{value}"), format!("/api/runs/{value}"), format!("/api/flows/{value}/runs")] {
            assert_eq!(stack.ada.get(&path).await.status, 404, "{path}");
        }
    }
}

#[tokio::test]
async fn forged_cursors_are_refused() {
    let stack = Stack::shared();
    let flow = stack.flow(|slug| one_gate(slug, &json!({}))).await;
    let list = format!("/api/flows/{}/runs", flow.id);
    for forged in ["fHx8", "YXxifGM", "Li4vLi4v", "AAAA", "____", "eyJhIjoxfQ", "MDAwMDAwMDAwMDAwMDAwMHwxfHJ1bl8w"] {
        assert_eq!(stack.ada.get(&format!("{list}?cursor={forged}")).await.faulty_fields(400), ["cursor"], "{forged}");
    }
}

#[tokio::test]
async fn unusual_headers_are_accepted_or_refused() {
    let stack = Stack::shared();
    let flow = stack.flow(|_| spec(&[transform("only", &json!(1))], &[])).await;
    let path = format!("/api/flows/{}/execute", flow.id);
    for headers in [
        vec![("content-type", "application/json"), ("idempotency-key", "ключ")],
        vec![("content-type", "application/json"), ("idempotency-key", " ")],
        vec![("content-type", "")],
        vec![("content-type", ";;;")],
        vec![("content-type", "application/json"), ("x-forwarded-for", "' OR 1=1")],
        vec![("content-type", "application/json"), ("content-encoding", "gzip")],
        vec![("content-type", "application/json"), ("accept", "text/html")],
        vec![("content-type", "application/json"), ("traceparent", "00-zz-zz-01")],
        vec![("content-type", "application/json"), ("x-http-method-override", "DELETE")],
    ] {
        let answer = stack.ada.call(Method::POST, &path, &headers, Some(b"{}".to_vec())).await;
        assert!(matches!(answer.status, 202 | 400 | 415), "{headers:?}: {}", answer.body);
    }
    eventually("the runs to end", async || {
        let answer = stack.ada.get(&format!("/api/flows/{}/runs?status=running", flow.id)).await;
        answer.rows().is_empty().then_some(())
    })
    .await;
}
