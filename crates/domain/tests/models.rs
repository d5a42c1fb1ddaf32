//! A model that the deployment does not have is refused when a flow is saved.
#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test that cannot be set up should stop at once")]

use std::collections::BTreeMap;

use domain::flow::{Draft, KnownModels};
use domain::problem::FieldErrors;
use serde_json::{Value, json};

fn ask(id: &str, model: &Value) -> Value {
    json!({"id": id, "type": "llm_step", "userPrompt": "Hello", "model": model})
}

fn spec(nodes: &[Value]) -> Value {
    let edges: Vec<Value> = nodes.windows(2).map(|pair| json!({"from": pair[0]["id"], "to": pair[1]["id"]})).collect();
    json!({"startNodeId": nodes[0]["id"], "nodes": nodes, "edges": edges})
}

/// Returns the problems of a spec, which are the same for a new flow and for changes to one.
fn problems(models: &str, spec: &Value) -> BTreeMap<String, Vec<String>> {
    let models: KnownModels = if models.is_empty() { KnownModels::default() } else { models.parse().unwrap() };
    let new = json!({"slug": "a", "name": "A", "spec": spec});
    let by_path = |read: Result<Draft, FieldErrors>| read.err().unwrap_or_default().by_path().clone();
    let found = by_path(Draft::parse_new(new.as_object().unwrap(), &models));
    assert_eq!(by_path(Draft::parse_changes(json!({"spec": spec}).as_object().unwrap(), &models)), found);
    found
}

#[test]
fn an_unknown_model_is_refused_with_those_that_exist() {
    let models = r#"{"quantum-ai:default": "gpt-4o-mini", "quantum-ai:large": "bedrock:x"}"#;
    let nodes = [
        ask("a", &json!("quantum-ai:large")),
        ask("b", &json!("gpt-4o-mini")),
        ask("c", &Value::Null),
        ask("d", &json!("Quantum-AI:Large")),
    ];
    let text = |model: &str| {
        vec![format!("there is no model `{model}` in this deployment; write one of `quantum-ai:default`, `quantum-ai:large`")]
    };
    let expected = [("spec.nodes[1].model".to_owned(), text("gpt-4o-mini")), ("spec.nodes[3].model".to_owned(), text("Quantum-AI:Large"))];
    assert_eq!(problems(models, &spec(&nodes)), expected.into());
}

#[test]
fn the_model_of_a_step_that_names_none_has_to_be_there_too() {
    let nodes = [json!({"id": "a", "type": "llm_step", "userPrompt": "Hello"})];
    let found = problems(r#"{"fast": "gpt-4o-mini"}"#, &spec(&nodes));
    let expected = "there is no model `quantum-ai:default` in this deployment; write one of `fast`";
    assert_eq!(found, [("spec.nodes[0].model".to_owned(), vec![expected.to_owned()])].into());
    let found = problems("{}", &spec(&nodes));
    assert_eq!(found["spec.nodes[0].model"], ["there is no model `quantum-ai:default`: this deployment has no models"]);
}

#[test]
fn a_deployment_without_a_list_refuses_no_model() {
    assert_eq!(problems("", &spec(&[ask("a", &json!("anything"))])), BTreeMap::new());
    for text in ["[]", "\"a\"", r#"{"a": 1}"#, "gpt-4o"] {
        assert!(text.parse::<KnownModels>().is_err(), "{text}");
    }
}

#[test]
fn it_is_reported_together_with_everything_else() {
    let mut other = spec(&[ask("a", &json!("typo")), ask("b", &json!(7))]);
    other["nodes"][0]["temperature"] = json!(9);
    let found = problems(r#"{"quantum-ai:default": "x"}"#, &other);
    let paths: Vec<&str> = found.keys().map(String::as_str).collect();
    assert_eq!(paths, ["spec.nodes[0].model", "spec.nodes[0].temperature", "spec.nodes[1].model"]);
    assert_eq!(found["spec.nodes[1].model"], ["must be a string"]);
}
