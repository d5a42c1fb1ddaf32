//! Reads an `llm_step`.

use std::collections::BTreeSet;

use crate::flow::limits::MAX_TOOLS;
use crate::flow::node::{DEFAULT_MODEL, LlmStep, Tool};
use crate::flow::object_reader::ObjectReader;
use crate::name::ServiceSlug;

pub(super) fn llm(fields: &mut ObjectReader<'_>) -> Option<LlmStep> {
    let model = fields.optional_string("model").unwrap_or(DEFAULT_MODEL).to_owned();
    let system_prompt = fields.parse_optional("systemPrompt");
    let user_prompt = fields.parse("userPrompt");
    let output_schema = fields.schema("outputSchema");
    let temperature = fields.number("temperature", 0.0..=2.0);
    let max_tokens = fields.small_integer("maxTokens", 1..=1_000_000);
    let tools = tools(fields);
    Some(LlmStep { model, system_prompt, user_prompt: user_prompt?, output_schema, tools, temperature, max_tokens })
}

fn tools(fields: &mut ObjectReader<'_>) -> Vec<Tool> {
    let given = fields.array("tools").unwrap_or_default();
    if given.len() > MAX_TOOLS {
        fields.problem("tools", format!("an llm_step has at most {MAX_TOOLS} tools, this one has {}", given.len()));
        return Vec::new();
    }
    let path = fields.at("tools");
    let mut slugs = BTreeSet::new();
    given
        .iter()
        .enumerate()
        .filter_map(|(at, value)| {
            let fields = fields.inner(value, format!("{path}[{at}]"))?;
            tool(fields, &mut slugs)
        })
        .collect()
}

fn tool(mut fields: ObjectReader<'_>, slugs: &mut BTreeSet<ServiceSlug>) -> Option<Tool> {
    let slug: Option<ServiceSlug> = fields.parse("slug");
    if let Some(slug) = slug.as_ref().filter(|slug| !slugs.insert((*slug).clone())) {
        fields.problem("slug", format!("`{slug}` is a tool of this node already"));
    }
    let description = fields.string("description");
    if description.is_some_and(|text| text.trim().is_empty()) {
        fields.problem("description", "must say what the tool is good for: the model chooses by it");
    }
    let input_schema = fields.required("inputSchema").and_then(|_| fields.schema("inputSchema"));
    // Arguments are an object in every provider's protocol: under another schema each call would be refused.
    if input_schema.as_ref().is_some_and(|schema| schema.get("type").map_or(!schema.is_object(), |name| name != "object")) {
        fields.problem("inputSchema", "must be the schema of an object: arguments have names");
    }
    fields.finish();
    Some(Tool { slug: slug?, description: description?.to_owned(), input_schema: input_schema? })
}
