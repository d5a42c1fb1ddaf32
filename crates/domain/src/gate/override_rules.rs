//! The rules of a flow for an override: `overrideSchema` and `allowedEdits`.

use std::collections::BTreeSet;

use exact_json::same_value;
use serde_json::Value;

use super::record::Gate;
use super::voting::Ballot;
use crate::flow::Approval;
use crate::payload::Payload;
use crate::problem::FieldErrors;
use crate::schema::Schema;

/// The field of the request that carries an override.
const FIELD: &str = "proposedActionOverride";
/// The most places at which an override breaks a rule that are reported.
const MAX_PROBLEMS: usize = 100;
/// The most bytes of the report of one such place.
const MAX_COMPLAINT_BYTES: usize = 1_000;

impl Gate {
    /// Replaces the action of a ballot by the one that it repeats with other spellings of its numbers, such as 60.0 for 60: the proposed
    /// action, or the one that the votes are for. What is executed then are the bytes that were shown.
    pub(super) fn without_respelling(&self, ballot: Ballot) -> Ballot {
        let Ballot::Approve { action: Some(action), note } = ballot else { return ballot };
        let repeats = |known: &Payload| known.value().is_some_and(|value| same_value(value, action.value()));
        if repeats(&self.proposed_action) {
            Ballot::Approve { action: None, note }
        } else if repeats(self.voted_action()) {
            Ballot::ApproveVoted { sha256: self.voted_action().sha256(), note }
        } else {
            Ballot::Approve { action: Some(action), note }
        }
    }

    /// Checks an override against the rules of the flow. Fails with the problems, each at its path in the request.
    pub(super) fn check_override(&self, rules: &Approval, action: &Value) -> Result<(), FieldErrors> {
        let mut errors = FieldErrors::new();
        if let Some(schema) = &rules.override_schema {
            check_schema(schema, action, &mut errors);
        }
        match (&rules.allowed_edits, self.proposed_action.value()) {
            (Some(allowed), Some(proposed)) => {
                for path in forbidden_edits(proposed, action, allowed, String::new()).into_iter().take(MAX_PROBLEMS) {
                    errors.add(format!("{FIELD}{path}"), format!("may not be changed; the flow allows edits of {}", allowed.join(", ")));
                }
            }
            (Some(_), None) => errors.add(FIELD, "cannot be compared with the proposed action, which was not read"),
            (None, _) => {}
        }
        errors.into_result(())
    }
}

fn check_schema(schema: &Value, action: &Value, errors: &mut FieldErrors) {
    let violations = Schema::compile(schema).map_err(|bad| bad.to_string());
    match violations.and_then(|schema| schema.violations(action, MAX_PROBLEMS).map_err(|too_much| too_much.to_string())) {
        Ok(violations) => {
            for violation in violations {
                errors.add(format!("{FIELD}{}", violation.pointer), bounded(violation.message));
            }
        }
        Err(problem) => errors.add(FIELD, format!("the flow's overrideSchema cannot be used: {problem}")),
    }
}

/// Returns the JSON Pointers at which `after` differs from `before` although `allowed` does not permit it. The two are compared place
/// by place and not by a patch, because the paths in a patch shift with every removal before them.
fn forbidden_edits(before: &Value, after: &Value, allowed: &[String], path: String) -> Vec<String> {
    if same_value(before, after) || allowed.contains(&path) {
        return Vec::new();
    }
    let keys: BTreeSet<String> = match (before, after) {
        (Value::Object(before), Value::Object(after)) => before.keys().chain(after.keys()).map(|key| escaped(key)).collect(),
        (Value::Array(before), Value::Array(after)) => (0..before.len().max(after.len())).map(|at| at.to_string()).collect(),
        _ => return vec![path],
    };
    keys.into_iter()
        .flat_map(|key| {
            let below = format!("/{key}");
            let path = format!("{path}{below}");
            match (before.pointer(&below), after.pointer(&below)) {
                (Some(before), Some(after)) => forbidden_edits(before, after, allowed, path),
                _ if allowed.contains(&path) => Vec::new(),
                _ => vec![path],
            }
        })
        .collect()
}

/// Cuts the complaint of a validator, which quotes the value and may be a megabyte long.
fn bounded(mut text: String) -> String {
    if text.len() > MAX_COMPLAINT_BYTES {
        text.truncate(text.floor_char_boundary(MAX_COMPLAINT_BYTES));
        text.push('…');
    }
    text
}

/// Returns a key as a JSON Pointer contains it (RFC 6901, section 3).
fn escaped(key: &str) -> String {
    key.replace('~', "~0").replace('/', "~1")
}
