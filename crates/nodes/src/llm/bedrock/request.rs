//! The body of a request: the conversation as Converse writes it.

use domain::json::canonical;
use serde_json::{Map, Value, json};

use crate::llm::chat::{ChatMessage, ChatRequest, ToolCall, schema_instruction};

/// Returns the body of the request, without what the step does not ask for.
pub(crate) fn body(request: &ChatRequest<'_>) -> Value {
    let fields = [
        ("system", list(system(request))),
        ("messages", list(messages(request.messages))),
        ("inferenceConfig", inference(request)),
        ("toolConfig", tools(request)),
    ];
    fields.into_iter().filter_map(|(name, value)| Some((name.to_owned(), value?))).collect::<Map<_, _>>().into()
}

fn list(items: Vec<Value>) -> Option<Value> {
    (!items.is_empty()).then_some(Value::Array(items))
}

/// The flow's instructions, and after them the instruction to answer with JSON. It is a sentence because that works with every
/// model of Bedrock and every schema: see docs/adr/0005.
fn system(request: &ChatRequest<'_>) -> Vec<Value> {
    let prompts = request.messages.iter().filter_map(|message| match message {
        ChatMessage::System(prompt) => text(prompt),
        _ => None,
    });
    let schema = request.step.output_schema.as_ref().map(|schema| json!({"text": schema_instruction(schema)}));
    prompts.chain(schema).collect()
}

/// The messages. Their roles have to alternate, and the results of all tool calls of one message belong into one message, so
/// neighbours of one role become one message.
fn messages(conversation: &[ChatMessage]) -> Vec<Value> {
    let mut messages: Vec<(&str, Vec<Value>)> = Vec::new();
    for message in conversation {
        let (role, blocks) = match message {
            ChatMessage::System(_) => continue,
            // Sent even if it is blank: Bedrock's error says so, and an empty message would be refused with a less clear error.
            ChatMessage::User(prompt) => ("user", vec![json!({"text": prompt})]),
            ChatMessage::Model { text: said, calls } => {
                let said = said.as_deref().and_then(text);
                ("assistant", said.into_iter().chain(calls.iter().map(tool_use)).collect())
            }
            ChatMessage::Tool { id, content } => ("user", vec![tool_result(id, content)]),
        };
        if blocks.is_empty() {
            continue;
        }
        match messages.last_mut() {
            Some((last, so_far)) if *last == role => so_far.extend(blocks),
            _ => messages.push((role, blocks)),
        }
    }
    messages.into_iter().map(|(role, content)| json!({"role": role, "content": content})).collect()
}

/// A block of text; `None` if the text is blank, because Bedrock refuses blank blocks.
fn text(text: &str) -> Option<Value> {
    (!text.trim().is_empty()).then(|| json!({"text": text}))
}

fn tool_use(call: &ToolCall) -> Value {
    // The arguments came as JSON.
    let input: Value = serde_json::from_str(&call.arguments).unwrap_or_else(|_| json!({}));
    json!({"toolUse": {"toolUseId": call.id, "name": call.name, "input": input}})
}

fn tool_result(id: &str, content: &str) -> Value {
    // A blank result is written as a JSON string: see `text`.
    let block = text(content).unwrap_or_else(|| json!({"text": canonical(&json!(content))}));
    json!({"toolResult": {"toolUseId": id, "content": [block]}})
}

fn inference(request: &ChatRequest<'_>) -> Option<Value> {
    let step = request.step;
    let temperature = step.temperature.map(|temperature| ("temperature".to_owned(), json!(temperature)));
    let most = step.max_tokens.map(|most| ("maxTokens".to_owned(), json!(most)));
    let fields: Map<_, _> = temperature.into_iter().chain(most).collect();
    (!fields.is_empty()).then_some(Value::Object(fields))
}

fn tools(request: &ChatRequest<'_>) -> Option<Value> {
    let tools = request
        .tools
        .iter()
        .map(|tool| json!({"toolSpec": {"name": tool.name, "description": tool.description, "inputSchema": {"json": tool.parameters}}}));
    list(tools.collect()).map(|tools| json!({"tools": tools}))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn model(text: Option<&str>, calls: &[&str]) -> ChatMessage {
        let call = |id: &&str| ToolCall { id: (*id).to_owned(), name: "crm".to_owned(), arguments: r#"{"id":1}"#.to_owned() };
        ChatMessage::Model { text: text.map(str::to_owned), calls: calls.iter().map(call).collect() }
    }

    fn result(id: &str, content: &str) -> ChatMessage {
        ChatMessage::Tool { id: id.to_owned(), content: content.to_owned() }
    }

    #[test]
    fn results_of_one_message_are_one_message_in_order() {
        let conversation =
            [ChatMessage::User("Who?".to_owned()), model(Some("Let me see."), &["a", "b"]), result("a", "Ada"), result("b", " ")];
        let call = |id: &str| json!({"toolUse": {"toolUseId": id, "name": "crm", "input": {"id": 1}}});
        let result_block = |id: &str, text: &str| json!({"toolResult": {"toolUseId": id, "content": [{"text": text}]}});
        let expected = [
            json!({"role": "user", "content": [{"text": "Who?"}]}),
            json!({"role": "assistant", "content": [{"text": "Let me see."}, call("a"), call("b")]}),
            json!({"role": "user", "content": [result_block("a", "Ada"), result_block("b", "\" \"")]}),
        ];
        assert_eq!(messages(&conversation), expected);
    }

    #[test]
    fn a_blank_answer_is_left_out_and_the_roles_still_alternate() {
        let conversation = [ChatMessage::User("Who?".to_owned()), model(Some(" \n"), &[]), ChatMessage::User("Again.".to_owned())];
        assert_eq!(messages(&conversation), [json!({"role": "user", "content": [{"text": "Who?"}, {"text": "Again."}]})]);
    }
}
