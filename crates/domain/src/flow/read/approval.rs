//! Reads a `human_approval`.

use serde_json::Value;

use crate::access::Assignee;
use crate::flow::limits::{MAX_ROUNDS, MAX_WAIT_HOURS};
use crate::flow::node::{Approval, Revise};
use crate::flow::object_reader::ObjectReader;
use crate::flow::quorum::{MAX_APPROVALS, Places, Quorum};
use crate::flow::raw::Defaults;
use crate::gate::Escalation;
use crate::template::Text;

/// A gate has a deadline, so that its run does not wait for ever: 90 days unless the flow says otherwise.
const DEFAULT_GATE_SECONDS: u64 = 90 * 24 * 3600;
/// The rounds of an approval whose `revise` says nothing else.
const DEFAULT_ROUNDS: u32 = 3;

/// The most escalations of a gate, and the most reminders.
const MAX_ALARMS: usize = 10;

pub(super) fn approval(fields: &mut ObjectReader<'_>, defaults: &Defaults) -> Option<Approval> {
    let action_label = fields.parse("actionLabel");
    let proposed_action = fields.template("proposedAction");
    let assign_to: Option<Text> = fields.parse_optional("assignTo");
    if let Some(literal) = fields.optional_string("assignTo").filter(|text| !text.contains("${"))
        && let Err(problem) = literal.parse::<Assignee>()
    {
        fields.problem("assignTo", problem);
    }
    let data = fields.optional_template("data");
    // Fractions of an hour are allowed: 0.5 is half an hour.
    let timeout_hours = fields.number("timeoutHours", 0.0..=f64::from(MAX_WAIT_HOURS));
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "between 0 and 28,800,000")]
    let timeout_seconds = timeout_hours.map_or(DEFAULT_GATE_SECONDS, |hours| ((hours * 3600.0).ceil() as u64).max(1));
    let allowed_edits = fields.array("allowedEdits").map(|pointers| {
        let mut allowed = Vec::new();
        for (at, pointer) in pointers.iter().enumerate() {
            match pointer.as_str().filter(|text| is_pointer(text)) {
                Some(pointer) => allowed.push(pointer.to_owned()),
                None => fields.problem(&format!("allowedEdits[{at}]"), "must be a JSON Pointer such as `/amount` (RFC 6901)"),
            }
        }
        allowed
    });
    let revise = revise(fields);
    let gate = Approval {
        action_label: action_label?,
        proposed_action: proposed_action?,
        assign_to,
        data,
        timeout_seconds,
        on_timeout: fields.route("onTimeout").unwrap_or_else(|| defaults.on_timeout.clone()),
        on_reject: fields.route("onReject").unwrap_or_else(|| defaults.on_reject.clone()),
        override_schema: fields.schema("overrideSchema"),
        allowed_edits,
        require_different_actor: fields.boolean("requireDifferentActor").unwrap_or(false),
        required_approvals: required_approvals(fields),
        escalate: escalations(fields, timeout_seconds),
        remind: reminders(fields, timeout_seconds),
        revise,
    };
    Some(gate)
}

fn required_approvals(fields: &mut ObjectReader<'_>) -> Quorum {
    if fields.optional("requiredApprovals").is_some_and(Value::is_array) {
        return Quorum::From(places(fields));
    }
    fields.small_integer("requiredApprovals", 1..=MAX_APPROVALS).map_or_else(Quorum::default, Quorum::Of)
}

/// Reads a quorum by groups: `[{"from": "role:finance", "count": 1}]`.
fn places(fields: &mut ObjectReader<'_>) -> Vec<Places> {
    let given = fields.array("requiredApprovals").unwrap_or_default();
    let path = fields.at("requiredApprovals");
    let mut groups: Vec<Places> = Vec::new();
    for (at, value) in given.iter().enumerate().take(MAX_APPROVALS as usize) {
        let Some(mut entry) = fields.inner(value, format!("{path}[{at}]")) else { continue };
        let from: Option<Assignee> = entry.parse("from");
        let count = entry.small_integer("count", 1..=MAX_APPROVALS).unwrap_or(1);
        if let Some(from) = &from {
            if groups.iter().any(|known| known.from == *from) {
                entry.problem("from", format!("`{from}` is in the list already; raise its count"));
            }
            if matches!(from, Assignee::User(_)) && count > 1 {
                entry.problem("count", "must be 1 for a `user:…`: one person approves once");
            }
        }
        entry.finish();
        groups.extend(from.map(|from| Places { from, count }));
    }
    let required: u32 = groups.iter().map(|places| places.count).sum();
    if given.is_empty() || given.len() > MAX_APPROVALS as usize || required > MAX_APPROVALS {
        fields.problem("requiredApprovals", format!("must ask for 1 to {MAX_APPROVALS} approvals in all"));
    }
    groups
}

/// Reads `escalate`: `[{"afterHours": 24, "to": "role:lead"}]`.
fn escalations(fields: &mut ObjectReader<'_>, timeout_seconds: u64) -> Vec<Escalation> {
    let mut escalations: Vec<Escalation> = entries(fields, "escalate", |entry| {
        let to: Option<Assignee> = entry.parse("to");
        let after_seconds = seconds(entry, "afterHours", timeout_seconds);
        Some(Escalation { after_seconds: after_seconds?, to: to? })
    });
    escalations.sort_by_key(|escalation| escalation.after_seconds);
    escalations
}

/// Reads `remind`: `[{"beforeHours": 4}]`.
fn reminders(fields: &mut ObjectReader<'_>, timeout_seconds: u64) -> Vec<u64> {
    let mut reminders = entries(fields, "remind", |entry| seconds(entry, "beforeHours", timeout_seconds));
    reminders.sort_by_key(|before| std::cmp::Reverse(*before));
    reminders
}

/// Reads an array of objects.
fn entries<T>(fields: &mut ObjectReader<'_>, name: &'static str, read: impl Fn(&mut ObjectReader<'_>) -> Option<T>) -> Vec<T> {
    let given = fields.array(name).unwrap_or_default();
    if given.len() > MAX_ALARMS {
        fields.problem(name, format!("must have at most {MAX_ALARMS} entries"));
        return Vec::new();
    }
    let path = fields.at(name);
    let mut all = Vec::new();
    for (at, value) in given.iter().enumerate() {
        let Some(mut entry) = fields.inner(value, format!("{path}[{at}]")) else { continue };
        let one = read(&mut entry);
        entry.finish();
        all.extend(one);
    }
    all
}

/// Reads a span of hours, which is shorter than the timeout of the gate, in seconds.
fn seconds(entry: &mut ObjectReader<'_>, name: &'static str, timeout_seconds: u64) -> Option<u64> {
    entry.required(name)?;
    let hours = entry.number(name, 0.0..=f64::from(MAX_WAIT_HOURS))?;
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "between 0 and 28,800,000")]
    let seconds = ((hours * 3600.0).ceil() as u64).max(1);
    if seconds >= timeout_seconds {
        entry.problem(name, "must be less than the timeoutHours of the node: nothing happens to an approval that has expired");
        return None;
    }
    Some(seconds)
}

/// Reads `revise`. Whether the node exists, and is a draft of this approval, is checked with the whole spec.
fn revise(fields: &mut ObjectReader<'_>) -> Option<Revise> {
    let path = fields.at("revise");
    let mut fields = fields.optional("revise").and_then(|value| fields.inner(value, path))?;
    let node = fields.parse("node");
    let max_rounds = fields.small_integer("maxRounds", 2..=MAX_ROUNDS).unwrap_or(DEFAULT_ROUNDS);
    fields.finish();
    Some(Revise { node: node?, max_rounds })
}

/// Returns whether a text is a JSON Pointer (RFC 6901): empty, or segments that begin with `/`, in which `~` is written `~0` and `/` is written `~1`.
fn is_pointer(text: &str) -> bool {
    (text.is_empty() || text.starts_with('/')) && text.split('~').skip(1).all(|rest| rest.starts_with(['0', '1']))
}
