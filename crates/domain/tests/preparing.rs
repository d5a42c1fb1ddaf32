//! From a node and what the run knows to what is sent: every node type, with its templates filled in.
#![expect(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic, reason = "a test that cannot be set up should stop at once")]
#![expect(clippy::needless_pass_by_value, reason = "`json!(…)` reads better without a `&`")]

mod common;

use std::collections::BTreeMap;
use std::sync::Arc;

use common::{decision, gate, spec_json, task};
use domain::flow::{NodeKind, Spec};
use domain::gate::MAX_ACTION_BYTES;
use domain::request::{Pause, Question, Request, Unprepared, Work};
use domain::run::Exit;
use domain::template::{Output, TemplateContext};
use proptest::prelude::*;
use serde_json::{Value, json};

/// Prepares a node that follows `draft` (an `llm_step`) and `plain`, with this trigger.
fn prepare_with(trigger: &Value, mut node: Value) -> Result<Work, Unprepared> {
    node["id"] = json!("x");
    let draft = json!({"id": "draft", "type": "llm_step", "userPrompt": "Hello", "outputSchema": {"type": "object"}});
    let spec = Spec::parse(&spec_json(&[draft, task("plain", json!({})), node], "draft>plain plain>x")).unwrap();
    let drafted = json!({"text": "t", "parsed": {"amount": 12.5, "text": "inner"}});
    let outputs = BTreeMap::from([
        ("draft".parse().unwrap(), Output { value: Arc::new(drafted), falls_back_to_parsed: true }),
        ("plain".parse().unwrap(), Output { value: Arc::new(json!({"status": 200, "body": ["a"]})), falls_back_to_parsed: false }),
    ]);
    let scope = TemplateContext { trigger, outputs: &outputs, run_id: "run_1".into(), trace_id: "0af7".into() };
    spec.node(spec.position(&"x".parse().unwrap()).unwrap()).prepare(&scope)
}

fn prepare(node: Value) -> Result<Work, Unprepared> {
    prepare_with(&json!({"id": 7, "name": "A b/ü?", "list": [1, {"k": true}], "nothing": null, "dots": "..", "dot": "."}), node)
}

/// The step's input: what is sent.
fn sent(node: Value) -> Value {
    match prepare(node) {
        Ok(Work::Request(request)) => request.as_input(),
        other => panic!("{other:?} is no request"),
    }
}

fn asked(node: Value) -> Question {
    match prepare(node) {
        Ok(Work::Ask(question)) => question,
        other => panic!("{other:?} is no question"),
    }
}

fn service(fields: Value) -> Value {
    let mut node = json!({"type": "service_call", "service": "custom:crm", "path": "/"});
    node.as_object_mut().unwrap().extend(fields.as_object().unwrap().clone());
    node
}

fn why_not(node: Value) -> String {
    prepare(node).unwrap_err().to_string()
}

#[test]
fn a_question_to_a_model_has_its_prompts_filled_in() {
    let node = json!({
        "type": "llm_step", "systemPrompt": "Trace ${run.traceId}", "userPrompt": "Ticket ${trigger.id}: ${trigger.list}, ${step.draft.output.amount}",
        "outputSchema": {"type": "object"}, "temperature": 0.5, "maxTokens": 9
    });
    assert_eq!(
        sent(node),
        json!({
            "model": "quantum-ai:default", "systemPrompt": "Trace 0af7", "userPrompt": "Ticket 7: [1,{\"k\":true}], 12.5",
            "outputSchema": {"type": "object"}, "temperature": 0.5, "maxTokens": 9
        })
    );
    let tools = json!([{"slug": "custom:crm", "description": "Looks up ${trigger.id}", "inputSchema": {"type": "object"}}]);
    let offered = sent(json!({"type": "llm_step", "userPrompt": "Hi", "tools": tools}));
    assert_eq!(offered["tools"], tools, "as the flow has them: a tool is no template");
    assert_eq!(
        sent(json!({"type": "llm_step", "model": "other", "userPrompt": "Hi", "tools": []})),
        json!({"model": "other", "userPrompt": "Hi"})
    );
}

#[test]
fn a_service_call_is_a_post_if_it_has_a_body_and_a_get_if_not() {
    assert_eq!(sent(service(json!({}))), json!({"service": "custom:crm", "method": "GET", "path": "/"}));
    let body = json!({"id": "${trigger.id}", "all": "${trigger.list}", "text": "#${trigger.id}", "fixed": [1, null]});
    assert_eq!(
        sent(service(json!({"body": body, "query": {"q": "${trigger.name}", "n": 3, "b": true}, "headers": {"X-Run": "${run.id}"}}))),
        json!({
            "service": "custom:crm", "method": "POST", "path": "/", "query": {"q": "A b/ü?", "n": "3", "b": "true"}, "headers": {"X-Run": "run_1"},
            "body": {"id": 7, "all": [1, {"k": true}], "text": "#7", "fixed": [1, null]}
        })
    );
    assert_eq!(sent(service(json!({"method": "delete"})))["method"], "DELETE");
    assert_eq!(sent(service(json!({"method": "PUT", "body": "${trigger.nothing}"})))["body"], json!(null));
}

#[test]
fn a_value_in_a_path_stays_within_its_segment() {
    assert_eq!(sent(service(json!({"path": "/a b/${trigger.name}/x?y=${trigger.id}"})))["path"], "/a b/A%20b%2F%C3%BC%3F/x?y=7");
    assert_eq!(sent(service(json!({"path": "/v1.${trigger.id}/${trigger.list}"})))["path"], "/v1.7/%5B1%2C%7B%22k%22%3Atrue%7D%5D");
}

#[test]
fn a_value_that_would_lead_to_another_path_is_refused() {
    for path in [
        "/a/${trigger.dots}/b",
        "/a/${trigger.dot}",
        "/${trigger.dot}${trigger.dot}/b",
        "/a/.${trigger.dot}/b",
        "/a/%2e${trigger.dot}/b",
        "/${trigger.dots}?x=1",
    ] {
        assert!(why_not(service(json!({"path": path}))).contains("has a `.` or `..` between its slashes"), "{path}");
    }
    assert!(why_not(task("x", json!({"url": "https://example.com/${trigger.dots}/b"}))).contains("has a `.` or `..`"));
    for (path, filled) in [
        ("/a/${trigger.dots}.txt", "/a/...txt"),
        ("/a?dir=${trigger.dots}", "/a?dir=.."),
        ("/a?dir=/${trigger.dots}/", "/a?dir=/../"),
        ("/a${trigger.dots}/", "/a../"),
    ] {
        assert_eq!(sent(service(json!({"path": path})))["path"], filled);
    }
}

#[test]
fn a_url_that_is_one_expression_is_a_whole_url_and_elsewhere_a_value_is_a_part_of_one() {
    let trigger = json!({"url": "https://example.com/a?b=c#d", "host": "evil.example/@x"});
    let url = |url: &str| match prepare_with(&trigger, task("x", json!({"url": url}))) {
        Ok(Work::Request(Request::Http(call))) => call.url,
        other => panic!("{other:?}"),
    };
    assert_eq!(url("${trigger.url}"), "https://example.com/a?b=c#d");
    assert_eq!(url("https://${trigger.host}/"), "https://evil.example%2F%40x/");
    assert_eq!(url("https://example.com/?back=${trigger.url}"), "https://example.com/?back=https%3A%2F%2Fexample.com%2Fa%3Fb%3Dc%23d");
}

#[test]
fn an_http_request_has_everything_filled_in() {
    let node = task(
        "x",
        json!({"url": "https://example.com/${trigger.id}", "headers": {"X-T": "${run.traceId}"}, "body": ["${step.plain.output.body[0]}"]}),
    );
    assert_eq!(sent(node), json!({"url": "https://example.com/7", "method": "POST", "headers": {"X-T": "0af7"}, "body": ["a"]}));
}

#[test]
fn a_transform_gives_its_template_filled_in() {
    for (template, output) in [
        (json!({"a": "${step.draft.output.parsed.text}", "b": ["${trigger.nothing}", true]}), json!({"a": "inner", "b": [null, true]})),
        (json!("${trigger.list}"), json!([1, {"k": true}])),
        (json!(7), json!(7)),
    ] {
        let done = prepare(json!({"type": "transform", "output": template})).unwrap();
        assert_eq!(done, Work::Done { input: Value::Null, output, exit: Exit::Normal });
    }
}

#[test]
fn a_decision_takes_the_case_that_its_value_is_written_as() {
    let cases = ["5", "5.5", "true", "null", "yes", "", "other"];
    let choose = |value: Value, default: Option<&str>| {
        let pairs: Vec<(&str, &str)> = cases.iter().map(|case| (*case, "end")).collect();
        let mut node = decision("d", &pairs);
        node["defaultCase"] = json!(default);
        let edges: Vec<Value> = cases.iter().map(|case| json!({"from": "d", "to": "end", "case": case})).collect();
        let spec = Spec::parse(&json!({"startNodeId": "d", "nodes": [node, task("end", json!({}))], "edges": edges})).unwrap();
        let (trigger, outputs) = (json!({"choice": value}), BTreeMap::new());
        let scope = TemplateContext { trigger: &trigger, outputs: &outputs, run_id: String::new(), trace_id: String::new() };
        let NodeKind::Decision(decision) = &spec.node(spec.start()).kind else { unreachable!("d is a decision") };
        let keys: Vec<String> = decision.cases.keys().cloned().collect();
        spec.node(spec.start()).prepare(&scope).map(|work| match work {
            Work::Done { input, output, exit: Exit::Case(at) } => {
                assert_eq!(input, json!({"expression": "trigger.choice", "value": value}));
                assert_eq!(output, json!({"selected": keys[usize::from(at)]}), "the exit is the position of the case");
                keys[usize::from(at)].clone()
            }
            other => panic!("{other:?} is no decision"),
        })
    };
    for (value, case) in [
        (json!(5), "5"),
        (json!("5"), "5"),
        (json!(5.5), "5.5"),
        (json!(true), "true"),
        (json!("true"), "true"),
        (json!(null), "null"),
        (json!("yes"), "yes"),
        (json!(""), ""),
    ] {
        assert_eq!(choose(value.clone(), None), Ok(case.to_owned()), "{value}");
        assert_eq!(choose(value.clone(), Some("other")), Ok(case.to_owned()), "the default is for what no case is for");
    }
    for value in [json!(6), json!("Yes"), json!(" yes"), json!(false)] {
        assert_eq!(choose(value.clone(), Some("other")), Ok("other".to_owned()), "{value}");
        let text = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
        let problem = format!("no case for `{text}` and no defaultCase; the cases are , 5, 5.5, null, other, true, yes");
        assert_eq!(choose(value, None), Err(Unprepared::Unusable(problem)));
    }
    for value in [json!([]), json!({"a": 1})] {
        let problem = "`trigger.choice` is an array or an object; a decision needs a single value";
        assert_eq!(choose(value, Some("other")), Err(Unprepared::Unusable(problem.to_owned())));
    }
}

#[test]
fn a_gate_asks_with_everything_filled_in() {
    let node = gate(
        "x",
        json!({
            "actionLabel": "Refund ${trigger.id}", "proposedAction": {"amount": "${step.draft.output.amount}"}, "data": "${trigger.list}",
            "assignTo": "user:${run.id}", "timeoutHours": 2
        }),
    );
    let question = asked(node);
    assert_eq!(question.action_label, "Refund 7");
    assert_eq!(*question.proposed_action.value(), json!({"amount": 12.5}));
    assert_eq!(question.data, Some(json!([1, {"k": true}]).into()));
    assert_eq!(question.assign_to.unwrap().to_string(), "user:run_1");
    assert_eq!(question.timeout_seconds, 7_200);

    let bare = asked(gate("x", json!({})));
    assert_eq!((bare.data, bare.assign_to), (None, None));
}

#[test]
fn an_assignee_that_comes_out_of_a_template_must_be_one() {
    assert_eq!(why_not(gate("x", json!({"assignTo": "${trigger.name}"}))), "assignTo must be `role:…`, `user:…` or `team:…`, not `A b/ü?`");
    assert_eq!(why_not(gate("x", json!({"assignTo": "${trigger.none}"}))), "`trigger.none` is not there");
}

#[test]
fn what_a_reviewer_is_shown_has_a_limit_that_action_and_data_share() {
    let with = |action: usize, data: usize| {
        // Two quotes each belong to the JSON.
        let trigger = json!({"action": "x".repeat(action - 2), "data": "y".repeat(data - 2)});
        prepare_with(&trigger, gate("x", json!({"proposedAction": "${trigger.action}", "data": "${trigger.data}"})))
    };
    assert!(with(MAX_ACTION_BYTES - 100, 100).is_ok());
    let problem = with(MAX_ACTION_BYTES - 100, 101).unwrap_err().to_string();
    assert!(problem.starts_with("the proposed action and its data have 1048577 bytes, more than the 1048576"), "{problem}");
}

#[test]
fn the_label_and_the_assignee_of_a_gate_are_short() {
    let with = |field: &str, bytes: usize| {
        let name = format!("role:{}", "x".repeat(bytes - 5));
        prepare_with(&json!({"name": name}), gate("x", json!({field: "${trigger.name}"})))
    };
    for field in ["actionLabel", "assignTo"] {
        assert!(with(field, 4_000).is_ok());
        assert_eq!(with(field, 4_001).unwrap_err().to_string(), format!("{field} has 4001 bytes, more than the 4000 it may have"));
    }
}

#[test]
fn a_path_that_is_not_there_is_named_whatever_the_node() {
    let gone = "${trigger.none.at.all}";
    for node in [
        json!({"type": "llm_step", "userPrompt": gone}),
        json!({"type": "llm_step", "userPrompt": "x", "systemPrompt": gone}),
        service(json!({"path": format!("/{gone}")})),
        service(json!({"query": {"q": gone}})),
        service(json!({"headers": {"X-H": gone}})),
        service(json!({"body": {"deep": [gone]}})),
        task("x", json!({"url": gone})),
        task("x", json!({"url": format!("https://example.com/{gone}")})),
        task("x", json!({"headers": {"X-H": gone}})),
        task("x", json!({"body": gone})),
        json!({"type": "transform", "output": [gone]}),
        gate("x", json!({"actionLabel": gone})),
        gate("x", json!({"proposedAction": gone})),
        gate("x", json!({"data": gone})),
    ] {
        assert_eq!(why_not(node), "`trigger.none.at.all` is not there");
    }
    let spec = Spec::parse(&spec_json(&[decision("d", &[("x", "end")]), task("end", json!({}))], "d>end:x")).unwrap();
    let (trigger, outputs) = (json!({}), BTreeMap::new());
    let scope = TemplateContext { trigger: &trigger, outputs: &outputs, run_id: String::new(), trace_id: String::new() };
    assert_eq!(spec.node(spec.start()).prepare(&scope).unwrap_err().to_string(), "`trigger.choice` is not there");
}

#[test]
fn an_output_that_was_never_put_out_is_missed_by_name() {
    let spec = Spec::parse(&spec_json(&[task("a", json!({})), task("b", json!({"body": "${step.a.output.body.x}"}))], "a>b")).unwrap();
    let (trigger, outputs) = (json!({}), BTreeMap::new());
    let scope = TemplateContext { trigger: &trigger, outputs: &outputs, run_id: String::new(), trace_id: String::new() };
    let problem = spec.node(spec.position(&"b".parse().unwrap()).unwrap()).prepare(&scope).unwrap_err().to_string();
    assert_eq!(problem, "`step.a.output.body.x` is not there (the node has put out nothing: it was skipped or failed)");
}

proptest! {
    /// Whatever a value is, it cannot leave its segment: the path is sent with the same slashes and the same query as it was written.
    #[test]
    fn no_value_changes_the_structure_of_a_path(value in "\\PC{0,12}|[./%2eE?#\\\\]{0,6}") {
        let node = service(json!({"path": "/items/${trigger.v}/end?q=${trigger.v}"}));
        match prepare_with(&json!({"v": value}), node) {
            Ok(Work::Request(Request::Service(call))) => {
                let (path, query) = call.path.split_once('?').unwrap();
                let segments: Vec<&str> = path.split('/').collect();
                prop_assert_eq!(segments.len(), 4);
                let decoded = percent_encoding::percent_decode_str(segments[2]).decode_utf8().unwrap().into_owned();
                prop_assert_eq!(&decoded, &value, "the service reads what the flow wrote");
                prop_assert!(!["", ".", ".."].contains(&decoded.as_str()));
                prop_assert!(!query.contains(['?', '#', '&', '/', '\\']));
                prop_assert!(call.path.is_ascii());
            }
            refused => {
                prop_assert!(["", ".", ".."].contains(&value.as_str()), "{:?} {:?}", value, refused);
            }
        }
    }
}

#[test]
fn a_value_that_is_empty_cannot_stand_in_a_path() {
    let trigger = json!({"empty": "", "nothing": null});
    for (path, name) in [("/items/${trigger.empty}", "trigger.empty"), ("/items/${trigger.nothing}/x", "trigger.nothing")] {
        let node = service(json!({"path": path, "method": "DELETE"}));
        let why = prepare_with(&trigger, node).unwrap_err().to_string();
        assert!(why.contains(name) && why.contains("empty"), "{why}");
    }
    // Behind the `?` an empty value is an ordinary one.
    let node = json!({"type": "http_request", "url": "https://example.com/find?q=${trigger.empty}"});
    assert!(prepare_with(&trigger, node).is_ok());
}

#[test]
fn a_decision_finds_the_case_of_a_number_by_its_value() {
    let find = |value: &str, cases: &[&str]| {
        let pairs: Vec<(&str, &str)> = cases.iter().map(|case| (*case, "end")).collect();
        let edges: Vec<Value> = cases.iter().map(|case| json!({"from": "d", "to": "end", "case": case})).collect();
        let spec =
            Spec::parse(&json!({"startNodeId": "d", "nodes": [decision("d", &pairs), task("end", json!({}))], "edges": edges})).unwrap();
        let trigger = json!({"choice": serde_json::from_str::<Value>(value).unwrap()});
        let (outputs, run_id) = (BTreeMap::new(), String::new());
        let context = TemplateContext { trigger: &trigger, outputs: &outputs, run_id: run_id.clone(), trace_id: run_id };
        match spec.node(spec.start()).prepare(&context) {
            Ok(Work::Done { output, .. }) => output["selected"].as_str().unwrap().to_owned(),
            other => panic!("{value}: {other:?}"),
        }
    };
    for (value, case) in [
        ("-0.0", "0"),
        ("0.0", "0"),
        ("1e15", "1000000000000000"),
        ("1e20", "100000000000000000000"),
        ("100000000000000000000", "100000000000000000000"),
        ("-1e3", "-1000"),
        ("12345678901234567890", "12345678901234567890"),
        ("5", "5.0"),
        ("1000", "1e3"),
        ("2.50", "2.5"),
    ] {
        assert_eq!(find(value, &[case, "other"]), case);
    }
    // The case that is spelt like an integer goes first, as it did before cases were compared as numbers.
    assert_eq!(find("5", &["5", "5.0"]), "5");
}

#[test]
fn a_decision_takes_a_whole_number_for_what_it_is_however_it_is_written() {
    let spec = |value: &Value| {
        let nodes = [
            json!({"id": "pick", "type": "decision", "expression": "trigger.value", "cases": {"5": {"next": "five"}, "5.5": {"next": "more"}}}),
            task("five", json!({})),
            task("more", json!({})),
        ];
        let edges = json!([{"from": "pick", "to": "five", "case": "5"}, {"from": "pick", "to": "more", "case": "5.5"}]);
        let spec = Spec::parse(&json!({"startNodeId": "pick", "nodes": nodes, "edges": edges})).unwrap();
        let trigger = json!({"value": value});
        let outputs = BTreeMap::new();
        let scope = TemplateContext { trigger: &trigger, outputs: &outputs, run_id: String::new(), trace_id: String::new() };
        match spec.node(spec.start()).prepare(&scope).unwrap() {
            Work::Done { output, .. } => output["selected"].clone(),
            other => panic!("{other:?} decides nothing"),
        }
    };
    for (value, selected) in [(json!(5), "5"), (json!(5.0), "5"), (json!("5"), "5"), (json!(5.5), "5.5")] {
        assert_eq!(spec(&value), selected, "{value}");
    }
}

#[test]
fn waits_sinks_and_events_are_filled_in_like_any_other_node() {
    let trigger = json!({"at": "2026-12-24T18:00:00+01:00", "id": "a/b", "bad": "soon"});
    let prepared = |node: Value| prepare_with(&trigger, node);
    assert_eq!(prepared(json!({"type": "wait", "seconds": 90})), Ok(Work::Pause(Pause::Seconds(90))));
    let until = "2026-12-24T17:00:00Z".parse().unwrap();
    assert_eq!(prepared(json!({"type": "wait", "until": "${trigger.at}"})), Ok(Work::Pause(Pause::Until(until))));
    let problem = prepared(json!({"type": "wait", "until": "${trigger.bad}"})).unwrap_err().to_string();
    assert_eq!(problem, "`until` must be an RFC 3339 time such as 2026-01-02T03:04:05Z, not `soon`");
    match prepared(json!({"type": "http_sink", "url": "https://example.com/${trigger.id}", "body": {"id": "${trigger.id}"}})).unwrap() {
        Work::Request(request @ Request::Sink(_)) => {
            assert_eq!(request.as_input(), json!({"url": "https://example.com/a%2Fb", "method": "POST", "body": {"id": "a/b"}}));
        }
        other => panic!("{other:?} is no request"),
    }
    let emitted = Work::Emit { event: "done".into(), data: json!({"id": "a/b"}) };
    assert_eq!(prepared(json!({"type": "webhook_emit", "event": "done", "data": {"id": "${trigger.id}"}})), Ok(emitted));
}
