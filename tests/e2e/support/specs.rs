//! Parts of flows that many tests use.

use serde_json::{Map, Value, json};

/// A spec of these nodes and edges; it starts at the first node.
pub fn spec(nodes: &[Value], edges: &[Value]) -> Value {
    json!({"startNodeId": nodes[0]["id"], "nodes": nodes, "edges": edges})
}

/// An edge.
pub fn edge(from: &str, to: &str) -> Value {
    json!({"from": from, "to": to})
}

/// A `transform`.
pub fn transform(id: &str, output: &Value) -> Value {
    json!({"id": id, "type": "transform", "output": output})
}

/// A `service_call` that posts `body` to the echo service.
pub fn echo_call(id: &str, path: &str, body: &Value) -> Value {
    json!({"id": id, "type": "service_call", "service": "custom:echo", "method": "POST", "path": path, "body": body})
}

/// A `human_approval` with these fields besides the ones it must have.
pub fn gate(id: &str, proposed_action: &Value, more: &Value) -> Value {
    let mut gate = json!({"id": id, "type": "human_approval", "actionLabel": "Do it", "proposedAction": proposed_action});
    gate.as_object_mut().unwrap().extend(more.as_object().cloned().unwrap_or_else(Map::new));
    gate
}

/// A gate that proposes the input's `action`, and a call that executes what was decided, at `/<slug>/execute`.
pub fn one_gate(slug: &str, more: &Value) -> Value {
    spec(
        &[
            gate("review", &json!("${trigger.action}"), more),
            echo_call("execute", &format!("/{slug}/execute"), &json!("${step.review.output.proposedAction}")),
        ],
        &[edge("review", "execute")],
    )
}

/// The canonical flow: a model drafts, a person decides, a service executes at `/<slug>/execute`.
pub fn approval_flow(slug: &str, more: &Value) -> Value {
    let schema = json!({
        "type": "object",
        "properties": {"action": {"type": "string"}, "amount": {"type": "number"}},
        "required": ["action", "amount"],
    });
    spec(
        &[
            json!({
                "id": "draft", "type": "llm_step", "model": "quantum-ai:default", "systemPrompt": "You draft refunds.",
                "userPrompt": "Ticket ${trigger.ticket}. SCRIPTED: ${trigger.draft}", "outputSchema": schema,
            }),
            gate("review", &json!("${step.draft.output.parsed}"), more),
            echo_call("execute", &format!("/{slug}/execute"), &json!("${step.review.output.proposedAction}")),
        ],
        &[edge("draft", "review"), edge("review", "execute")],
    )
}
