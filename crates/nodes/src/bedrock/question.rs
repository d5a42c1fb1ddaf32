//! A conversation in the words of Converse.

use domain::json::canonical;
use serde_json::{Map, Value, json};

use crate::chat::{Question, Turn, Wish};

/// The body of the request. What is not asked for is not in it.
pub(crate) fn body(question: &Question<'_>) -> Value {
    let fields = [
        ("system", list(system(question))),
        ("messages", list(messages(question.turns))),
        ("inferenceConfig", inference(question)),
        ("toolConfig", tools(question)),
    ];
    fields.into_iter().filter_map(|(name, value)| Some((name.to_owned(), value?))).collect::<Map<_, _>>().into()
}

fn list(items: Vec<Value>) -> Option<Value> {
    (!items.is_empty()).then_some(Value::Array(items))
}

/// The flow's instructions, and after them what makes a model answer with JSON. Words, because they work with every model of
/// Bedrock and every schema: see docs/adr/0005.
fn system(question: &Question<'_>) -> Vec<Value> {
    let prompts = question.turns.iter().filter_map(|turn| match turn {
        Turn::System(prompt) => text(prompt),
        _ => None,
    });
    let schema = question.request.output_schema.as_ref().map(|schema| {
        let schema = canonical(schema);
        json!({"text": format!("Your final answer must be nothing but JSON that satisfies this JSON Schema: no Markdown, no other words.\n{schema}")})
    });
    prompts.chain(schema).collect()
}

/// The turns as messages. Their roles have to alternate, and the results of all tools of one message belong into one message, so
/// neighbours of one role are one.
fn messages(turns: &[Turn]) -> Vec<Value> {
    let mut messages: Vec<(&str, Vec<Value>)> = Vec::new();
    for turn in turns {
        let (role, blocks) = match turn {
            Turn::System(_) => continue,
            // Sent even if it is blank: the refusal says so, and an empty message would only be refused less clearly.
            Turn::User(prompt) => ("user", vec![json!({"text": prompt})]),
            Turn::Model { text: said, calls } => {
                let said = said.as_deref().and_then(text);
                ("assistant", said.into_iter().chain(calls.iter().map(tool_use)).collect())
            }
            Turn::Tool { id, content } => ("user", vec![tool_result(id, content)]),
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

/// A block of text, unless it is blank: Bedrock refuses those.
fn text(text: &str) -> Option<Value> {
    (!text.trim().is_empty()).then(|| json!({"text": text}))
}

fn tool_use(wish: &Wish) -> Value {
    // It came as JSON.
    let input: Value = serde_json::from_str(&wish.arguments).unwrap_or_else(|_| json!({}));
    json!({"toolUse": {"toolUseId": wish.id, "name": wish.name, "input": input}})
}

fn tool_result(id: &str, content: &str) -> Value {
    // Of nothing, the JSON of an empty text is told: see `text`.
    let block = text(content).unwrap_or_else(|| json!({"text": canonical(&json!(content))}));
    json!({"toolResult": {"toolUseId": id, "content": [block]}})
}

fn inference(question: &Question<'_>) -> Option<Value> {
    let request = question.request;
    let temperature = request.temperature.map(|temperature| ("temperature".to_owned(), json!(temperature)));
    let most = request.max_tokens.map(|most| ("maxTokens".to_owned(), json!(most)));
    let given: Map<_, _> = temperature.into_iter().chain(most).collect();
    (!given.is_empty()).then_some(Value::Object(given))
}

fn tools(question: &Question<'_>) -> Option<Value> {
    let tools = question.offers.iter().map(
        |offer| json!({"toolSpec": {"name": offer.name, "description": offer.description, "inputSchema": {"json": offer.parameters}}}),
    );
    list(tools.collect()).map(|tools| json!({"tools": tools}))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn model(text: Option<&str>, calls: &[&str]) -> Turn {
        let wish = |id: &&str| Wish { id: (*id).to_owned(), name: "crm".to_owned(), arguments: r#"{"id":1}"#.to_owned() };
        Turn::Model { text: text.map(str::to_owned), calls: calls.iter().map(wish).collect() }
    }

    fn result(id: &str, content: &str) -> Turn {
        Turn::Tool { id: id.to_owned(), content: content.to_owned() }
    }

    #[test]
    fn results_of_one_message_are_one_message_in_order() {
        let turns = [Turn::User("Who?".to_owned()), model(Some("Let me see."), &["a", "b"]), result("a", "Ada"), result("b", " ")];
        let call = |id: &str| json!({"toolUse": {"toolUseId": id, "name": "crm", "input": {"id": 1}}});
        let told = |id: &str, text: &str| json!({"toolResult": {"toolUseId": id, "content": [{"text": text}]}});
        let expected = [
            json!({"role": "user", "content": [{"text": "Who?"}]}),
            json!({"role": "assistant", "content": [{"text": "Let me see."}, call("a"), call("b")]}),
            json!({"role": "user", "content": [told("a", "Ada"), told("b", "\" \"")]}),
        ];
        assert_eq!(messages(&turns), expected);
    }

    #[test]
    fn an_answer_of_blanks_is_left_out_and_the_roles_still_alternate() {
        let turns = [Turn::User("Who?".to_owned()), model(Some(" \n"), &[]), Turn::User("Again.".to_owned())];
        assert_eq!(messages(&turns), [json!({"role": "user", "content": [{"text": "Who?"}, {"text": "Again."}]})]);
    }
}
