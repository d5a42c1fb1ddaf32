//! What a flow may offer a model as tools: read when it is saved, each problem at its JSON path.
#![expect(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic, reason = "a test that cannot be set up should stop at once")]

use domain::flow::{MAX_TOOLS, NodeKind, Spec, Tool};
use serde_json::{Value, json};

fn spec(tools: &Value) -> Value {
    json!({"startNodeId": "ask", "nodes": [{"id": "ask", "type": "llm_step", "userPrompt": "Hello", "tools": tools}]})
}

fn read(tools: &Value) -> Vec<Tool> {
    let spec = Spec::parse(&spec(tools)).unwrap();
    match &spec.node(spec.position(&"ask".parse().unwrap()).unwrap()).kind {
        NodeKind::Llm(step) => step.tools.clone(),
        other => panic!("{other:?}"),
    }
}

/// The problems as `path: text`, the path from the node on.
fn problems(tools: &Value) -> Vec<String> {
    let Err(errors) = Spec::parse(&spec(tools)) else { return Vec::new() };
    let each = errors.by_path().iter().flat_map(|(path, texts)| texts.iter().map(move |text| format!("{path}: {text}")));
    each.map(|text| text.replacen("spec.nodes[0].", "", 1)).collect()
}

fn tool(slug: &str) -> Value {
    json!({"slug": slug, "description": "Looks somebody up", "inputSchema": {"type": "object"}})
}

fn with(name: &str, value: Value) -> Value {
    let mut tool = tool("aml");
    tool[name] = value;
    json!([tool])
}

#[test]
fn tools_are_kept_in_their_order() {
    let input_schema =
        json!({"type": "object", "properties": {"id": {"type": "string"}}, "required": ["id"], "additionalProperties": false});
    let crm = json!({"slug": "custom:crm", "description": "The customer of an id, ${as.it.stands}", "inputSchema": input_schema});
    let tools = read(&json!([crm, tool("aml")]));
    let expected =
        Tool { slug: "custom:crm".parse().unwrap(), description: "The customer of an id, ${as.it.stands}".to_owned(), input_schema };
    assert_eq!((tools.len(), tools.first()), (2, Some(&expected)));
    assert_eq!(serde_json::to_value(&expected).unwrap(), crm);
    for none in [json!([]), Value::Null] {
        assert_eq!(read(&none), []);
    }
}

#[test]
fn every_problem_of_every_tool_is_told_at_its_path() {
    let tools = json!([
        {"slug": "Custom CRM", "description": 7, "inputSchema": {"type": "strange"}},
        "aml",
        {},
        {"slug": "aml", "description": " ", "inputSchema": {}, "strict": true},
        {"slug": "aml", "description": "again", "inputSchema": {"type": "object"}},
    ]);
    let found = problems(&tools);
    let expected = [
        "tools[0].description: must be a string",
        "tools[0].inputSchema: is not a valid JSON Schema: ",
        "tools[0].slug: must be 1 to 64 lower-case letters",
        "tools[1]: must be an object",
        "tools[2].description: is required",
        "tools[2].inputSchema: is required",
        "tools[2].slug: is required",
        "tools[3].description: must say what the tool is good for",
        "tools[3].strict: is not a field that belongs here",
        "tools[4].slug: `aml` is a tool of this node already",
    ];
    assert_eq!(found.len(), expected.len(), "{found:#?}");
    for (found, expected) in found.iter().zip(expected) {
        assert!(found.starts_with(expected), "{found} instead of {expected}");
    }
    assert_eq!(problems(&json!({})), ["tools: must be an array"]);
}

#[test]
fn arguments_are_an_object() {
    for schema in [json!({}), json!({"type": "object"}), json!({"$ref": "#/$defs/a", "$defs": {"a": {"type": "object"}}})] {
        assert_eq!(problems(&with("inputSchema", schema)), [""; 0]);
    }
    for schema in [json!(true), json!({"type": "array"}), json!({"type": ["object", "null"]})] {
        assert_eq!(problems(&with("inputSchema", schema)), ["tools[0].inputSchema: must be the schema of an object: arguments have names"]);
    }
    assert_eq!(problems(&with("inputSchema", json!("object"))), ["tools[0].inputSchema: must be a JSON Schema: an object"]);
}

#[test]
fn there_are_at_most_twenty() {
    let some = |count: usize| (0..count).map(|n| tool(&format!("custom:t{n}"))).collect::<Value>();
    assert_eq!(read(&some(MAX_TOOLS)).len(), 20);
    assert_eq!(problems(&some(MAX_TOOLS + 1)), ["tools: an llm_step has at most 20 tools, this one has 21"]);
}
