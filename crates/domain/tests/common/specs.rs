//! Specs with problems.

use domain::flow::Spec;
use serde_json::{Value, json};

use super::task;

/// Returns the problems of a spec as `path: text`, several at one path one after the other.
pub fn problems(spec: &Value) -> Vec<String> {
    let Err(errors) = Spec::parse(spec) else { return Vec::new() };
    errors.by_path().iter().flat_map(|(path, texts)| texts.iter().map(move |text| format!("{path}: {text}"))).collect()
}

/// Returns the paths of the problems of a spec.
pub fn paths(spec: &Value) -> Vec<String> {
    Spec::parse(spec).err().map(|errors| errors.by_path().keys().cloned().collect()).unwrap_or_default()
}

/// Returns the problems of a flow that is this one node; the id of the node is `x`.
pub fn problems_of(node: &Value) -> Vec<String> {
    let mut node = node.clone();
    node["id"] = json!("x");
    problems(&json!({"startNodeId": "x", "nodes": [node]})).into_iter().map(|text| text.replacen("spec.nodes[0].", "", 1)).collect()
}

/// Asserts that a node has this one problem.
pub fn refuses(node: &Value, expected: &str) {
    assert_eq!(problems_of(node), [expected], "{node}");
}

/// Asserts that a node has no problem.
pub fn accepts(node: &Value) {
    assert_eq!(problems_of(node), [""; 0], "{node}");
}

/// Returns an `http_request` with these fields.
pub fn http(extra: Value) -> Value {
    task("x", extra)
}

/// Returns an `llm_step` with these fields.
pub fn llm(extra: Value) -> Value {
    let mut node = task("x", extra);
    node["type"] = json!("llm_step");
    node["userPrompt"] = json!("Hello");
    node.as_object_mut().unwrap().remove("url");
    node
}

/// Returns a `service_call` with these fields.
#[expect(clippy::needless_pass_by_value, reason = "`json!(…)` reads better without a `&`")]
pub fn service(extra: Value) -> Value {
    let mut node = json!({"type": "service_call", "service": "custom:crm", "path": "/tickets"});
    node.as_object_mut().unwrap().extend(extra.as_object().unwrap().clone());
    node
}
