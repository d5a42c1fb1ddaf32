//! Preparing a node: its templates are filled in, and nothing is sent yet.

use std::collections::BTreeMap;

use exact_json::Decimal;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use serde_json::{Value, json};

use super::model::{HttpCall, LlmRequest, Pause, Request, ServiceRequest, Work};
use crate::flow::{Approval, Decision, Exit, Node, NodeKind, Wait};
use crate::gate::{Action, MAX_ACTION_BYTES, MAX_LABEL_BYTES, Question};
use crate::json::CanonicalJson;
use crate::path_guard::has_dot_segment;
use crate::template::{FillError, Filler, TemplateContext, Text};

/// Everything but the "unreserved" characters of RFC 3986 is encoded, so that a value stays inside its segment.
const SEGMENT: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// The error of a node that cannot be prepared. The step fails with this text.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Unprepared {
    /// A template cannot be filled in.
    #[error(transparent)]
    Template(#[from] FillError),
    /// The value of a template cannot be used in its place.
    #[error("{0}")]
    Unusable(String),
}

impl Node {
    /// Fills in the templates of the node.
    pub fn prepare(&self, context: &TemplateContext<'_>) -> Result<Work, Unprepared> {
        let filler = &Filler::new(context);
        Ok(match &self.kind {
            NodeKind::Llm(step) => Work::Request(Request::Llm(LlmRequest {
                model: step.model.clone(),
                system_prompt: step.system_prompt.as_ref().map(|text| text.fill(filler)).transpose()?,
                user_prompt: step.user_prompt.fill(filler)?,
                conversation: Vec::new(),
                output_schema: step.output_schema.clone(),
                tools: step.tools.clone(),
                temperature: step.temperature,
                max_tokens: step.max_tokens,
            })),
            NodeKind::Service(call) => Work::Request(Request::Service(ServiceRequest {
                service: call.service.clone(),
                method: call.method.clone(),
                path: fill_path(&call.path, filler)?,
                query: fill(&call.query, filler)?,
                headers: fill(&call.headers, filler)?,
                body: call.body.as_ref().map(|body| body.resolve(filler)).transpose()?,
            })),
            NodeKind::Http(call) => Work::Request(Request::Http(HttpCall {
                url: fill_url(&call.url, filler)?,
                method: call.method.clone(),
                headers: fill(&call.headers, filler)?,
                body: call.body.as_ref().map(|body| body.resolve(filler)).transpose()?,
            })),
            NodeKind::Transform(template) => {
                let output = template.resolve(filler)?;
                Work::Done { input: Value::Null, output, exit: Exit::Normal }
            }
            NodeKind::Decision(decision) => decide(decision, context)?,
            NodeKind::Wait(Wait::Seconds(seconds)) => Work::Pause(Pause::Seconds(*seconds)),
            NodeKind::Wait(Wait::Until(until)) => {
                let text = until.fill(filler)?;
                Work::Pause(Pause::Until(text.parse().map_err(|bad| Unprepared::Unusable(format!("`until` {bad}, not `{text}`")))?))
            }
            NodeKind::Sink(sink) => Work::Request(Request::Sink(HttpCall {
                url: fill_url(&sink.url, filler)?,
                method: "POST".to_owned(),
                headers: BTreeMap::new(),
                body: sink.body.as_ref().map(|body| body.resolve(filler)).transpose()?,
            })),
            NodeKind::Emit(emit) => {
                let data = emit.data.as_ref().map(|data| data.resolve(filler)).transpose()?;
                Work::Emit { event: emit.event.clone(), data: data.unwrap_or_else(|| json!({})) }
            }
            NodeKind::Approval(gate) => Work::Ask(ask(gate, filler)?),
        })
    }
}

fn fill(texts: &BTreeMap<String, Text>, filler: &Filler<'_>) -> Result<BTreeMap<String, String>, FillError> {
    texts.iter().map(|(name, text)| Ok((name.clone(), text.fill(filler)?))).collect()
}

/// Fills values into a path or a URL, each within its segment.
fn fill_path(text: &Text, filler: &Filler<'_>) -> Result<String, Unprepared> {
    for expression in text.path_expressions() {
        // `DELETE /items/` is another request than `DELETE /items/7`.
        if matches!(&*expression.resolve(filler.context())?, Value::Null) || *expression.resolve(filler.context())? == "" {
            return Err(Unprepared::Unusable(format!(
                "`{expression}` is empty, and a path with nothing in its place would name something else"
            )));
        }
    }
    let filled = text.fill_encoded(filler, |value| utf8_percent_encode(value, SEGMENT).to_string())?;
    if has_dot_segment(&filled) {
        return Err(Unprepared::Unusable(format!("`{filled}` has a `.` or `..` between its slashes, which would lead to another path")));
    }
    Ok(filled)
}

fn fill_url(url: &Text, filler: &Filler<'_>) -> Result<String, Unprepared> {
    // A URL that is one expression and nothing else is a whole URL; anywhere else a value is a part of one.
    if url.is_one_expression() { Ok(url.fill(filler)?) } else { fill_path(url, filler) }
}

fn decide(decision: &Decision, context: &TemplateContext<'_>) -> Result<Work, Unprepared> {
    let value = match decision.expression.resolve(context) {
        Ok(value) => value.into_owned(),
        // A field that is absent matches no case.
        Err(FillError::Missing { .. }) if decision.default_case.is_some() => Value::Null,
        Err(error) => return Err(error.into()),
    };
    let text = match &value {
        Value::String(text) => text.clone(),
        Value::Array(_) | Value::Object(_) => {
            return Err(Unprepared::Unusable(format!(
                "`{}` is an array or an object; a decision needs a single value",
                decision.expression
            )));
        }
        // Models often write 5.0 where a case says 5: as a number it is the same.
        Value::Number(number) => Decimal::from(number).to_integer().unwrap_or_else(|| number.to_string()),
        scalar => scalar.to_string(),
    };
    let is_same_number = |case: &&String| matches!(&value, Value::Number(number) if Decimal::parse(case) == Some(Decimal::from(number)));
    let selected = decision.cases.get_key_value(&text).map(|(case, _)| case);
    let selected = selected.or_else(|| decision.cases.keys().find(is_same_number)).or(decision.default_case.as_ref());
    let position = selected.and_then(|case| decision.cases.keys().position(|name| name == case));
    let (Some(case), Some(position)) = (selected, position) else {
        let cases: Vec<_> = decision.cases.keys().map(String::as_str).collect();
        return Err(Unprepared::Unusable(format!("no case for `{text}` and no defaultCase; the cases are {}", cases.join(", "))));
    };
    Ok(Work::Done {
        input: json!({"expression": decision.expression.to_string(), "value": value}),
        output: json!({"selected": case}),
        exit: Exit::case(position),
    })
}

fn ask(gate: &Approval, filler: &Filler<'_>) -> Result<Question, Unprepared> {
    let proposed_action = gate.proposed_action.resolve(filler)?;
    let data = gate.data.as_ref().map(|data| data.resolve(filler)).transpose()?;
    let data = data.map(CanonicalJson::from);
    let proposed_action = Action::shown_with(proposed_action, data.as_ref()).map_err(|too_large| {
        let bytes = too_large.bytes;
        Unprepared::Unusable(format!(
            "the proposed action and its data have {bytes} bytes, more than the {MAX_ACTION_BYTES} a reviewer can be shown; pass a reference instead"
        ))
    })?;
    let assign_to = gate
        .assign_to
        .as_ref()
        .map(|text| {
            text.fill(filler)
                .map_err(Unprepared::from)
                .and_then(|text| short("assignTo", text))
                .and_then(|text| text.parse().map_err(|bad| Unprepared::Unusable(format!("assignTo {bad}"))))
        })
        .transpose()?;
    let action_label = short("actionLabel", gate.action_label.fill(filler)?)?;
    Ok(Question { action_label, proposed_action, data, assign_to, timeout_seconds: gate.timeout_seconds })
}

/// Checks the length of a text that is stored in the record of the gate and in every row of the inbox.
fn short(field: &str, text: String) -> Result<String, Unprepared> {
    if text.len() > MAX_LABEL_BYTES {
        return Err(Unprepared::Unusable(format!("{field} has {} bytes, more than the {MAX_LABEL_BYTES} it may have", text.len())));
    }
    Ok(text)
}
