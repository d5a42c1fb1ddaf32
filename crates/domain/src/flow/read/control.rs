//! Reads the nodes that send no request of their own: `decision`, `wait` and `webhook_emit`.

use std::collections::BTreeMap;

use crate::event_name::{is_event_name, is_reserved};
use crate::flow::limits::MAX_WAIT_HOURS;
use crate::flow::node::{Decision, Wait, WebhookEmit};
use crate::flow::object_reader::ObjectReader;
use crate::template::Text;
use crate::time::Time;

pub(super) fn decision(fields: &mut ObjectReader<'_>) -> Option<Decision> {
    let expression = fields.parse("expression");
    let mut cases = BTreeMap::new();
    if let Some(given) = fields.required("cases").and_then(|_| fields.object("cases")) {
        if given.is_empty() {
            fields.problem("cases", "needs at least one case");
        }
        let path = fields.at("cases");
        for (value, target) in given {
            if let Some(mut case) = fields.inner(target, format!("{path}.{value}")) {
                if let Some(next) = case.parse("next") {
                    cases.insert(value.clone(), next);
                }
                case.finish();
            }
        }
    }
    let default_case = fields.optional_string("defaultCase").map(str::to_owned);
    if let Some(name) = default_case.as_ref().filter(|name| !cases.contains_key(*name)) {
        fields.problem("defaultCase", format!("must be one of the cases; there is no case `{name}`"));
    }
    Some(Decision { expression: expression?, cases, default_case })
}

pub(super) fn wait(fields: &mut ObjectReader<'_>) -> Option<Wait> {
    let seconds = fields.integer("seconds", 0..=u64::from(MAX_WAIT_HOURS) * 3600);
    let until: Option<Text> = fields.parse_optional("until");
    if let Some(literal) = fields.optional_string("until").filter(|text| !text.contains("${"))
        && let Err(problem) = literal.parse::<Time>()
    {
        fields.problem("until", problem);
    }
    match (fields.optional("seconds").is_some(), fields.optional("until").is_some()) {
        (false, false) => fields.problem("seconds", "is required, unless there is `until`"),
        (true, true) => fields.problem("until", "cannot be given together with `seconds`; leave one of them out"),
        _ => {}
    }
    seconds.map(Wait::Seconds).or(until.map(Wait::Until))
}

pub(super) fn emit(fields: &mut ObjectReader<'_>) -> Option<WebhookEmit> {
    let event = fields.string("event");
    if event.is_some_and(|event| !is_event_name(event)) {
        fields.problem("event", "must be 1 to 64 letters, digits, `.`, `_` or `-`");
    } else if event.is_some_and(is_reserved) {
        // A receiver of `flow.run.succeeded` must be able to rely on it.
        fields.problem("event", "must not begin with `flow.run.`, `generation.` or `webhook.`: those are this service's own events");
    }
    let data = fields.optional_template("data");
    Some(WebhookEmit { event: event?.to_owned(), data })
}
