//! Reads the items of the body.

use std::collections::BTreeSet;

use domain::gate::Ballot;
use domain::id::ApprovalId;
use domain::problem::FieldErrors;
use serde_json::{Map, Value};

/// The maximum size of the body, in bytes: a hundred notes, each escaped.
pub const MAX_BYTES: usize = 2 * 1024 * 1024;
/// The most items of a call.
const MAX_ITEMS: usize = 100;
/// The maximum length of a note, in bytes, as for `approve` and `reject`.
const MAX_NOTE_BYTES: usize = 4_000;

/// A decision that is to be made.
#[derive(Debug, Clone)]
pub struct Item {
    /// The approval.
    pub approval: ApprovalId,
    /// The SHA-256 of what the reviewer was shown.
    pub shown_sha256: String,
    /// The decision.
    pub ballot: Ballot,
}

/// Reads the items. Fails with all problems at once, each at its path.
pub fn read(mut body: Map<String, Value>) -> Result<Vec<Item>, FieldErrors> {
    let mut errors = FieldErrors::new();
    let given = match body.remove("items") {
        Some(Value::Array(items)) if (1..=MAX_ITEMS).contains(&items.len()) => items,
        None | Some(Value::Null) => {
            errors.add("items", "is required");
            Vec::new()
        }
        Some(_) => {
            errors.add("items", format!("must be an array of 1 to {MAX_ITEMS} objects"));
            Vec::new()
        }
    };
    for name in body.keys() {
        errors.add(name.as_str(), "is not a field that belongs here");
    }
    let (mut items, mut seen) = (Vec::new(), BTreeSet::new());
    for (at, value) in given.into_iter().enumerate() {
        let path = format!("items[{at}]");
        let Value::Object(fields) = value else {
            errors.add(path, "must be an object");
            continue;
        };
        if let Some(item) = item(fields, &path, &mut errors) {
            if !seen.insert(item.approval) {
                errors.add(format!("{path}.approvalId"), "is there already: each approval can be decided once in a call");
            }
            items.push(item);
        }
    }
    errors.into_result(items)
}

fn item(mut fields: Map<String, Value>, path: &str, errors: &mut FieldErrors) -> Option<Item> {
    let mut take = |name: &str| fields.remove(name).filter(|value| !value.is_null());
    let (approval, shown_sha256, verdict, note) = (take("approvalId"), take("shownSha256"), take("verdict"), take("note"));
    let mut noted = |name: &str, problem: String| errors.add(format!("{path}.{name}"), problem);
    let approval = required(approval, |text| text.parse::<ApprovalId>().map_err(|problem| problem.to_string()));
    let approval = approval.map_err(|problem| noted("approvalId", problem)).ok();
    let shown_sha256 = required(shown_sha256, sha256).map_err(|problem| noted("shownSha256", problem)).ok();
    let note = match note {
        None => Some(None),
        Some(Value::String(text)) if text.len() <= MAX_NOTE_BYTES => Some(Some(text)),
        Some(_) => {
            noted("note", format!("must be a string of at most {MAX_NOTE_BYTES} bytes"));
            None
        }
    };
    let is_approval = required(verdict, |text| match text {
        "approve" => Ok(true),
        "reject" => Ok(false),
        _ => Err("must be one of: approve, reject".to_owned()),
    });
    let is_approval = is_approval.map_err(|problem| noted("verdict", problem)).ok();
    for name in fields.keys() {
        noted(name, "is not a field that belongs here".to_owned());
    }
    let note = note?;
    let ballot = if is_approval? { Ballot::Approve { action: None, note } } else { Ballot::Reject { note } };
    Some(Item { approval: approval?, shown_sha256: shown_sha256?, ballot })
}

fn required<T>(value: Option<Value>, read: impl Fn(&str) -> Result<T, String>) -> Result<T, String> {
    match value {
        None => Err("is required".to_owned()),
        Some(Value::String(text)) => read(&text),
        Some(_) => Err("must be a string".to_owned()),
    }
}

fn sha256(text: &str) -> Result<String, String> {
    let fits = text.len() == 64 && text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
    if fits { Ok(text.to_owned()) } else { Err("must be a SHA-256: 64 hexadecimal digits in lower case".to_owned()) }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    const APPROVAL: &str = "apr_01M85EXE14SECWM1TBH3987TR1";

    fn paths(body: Value) -> Vec<String> {
        let Value::Object(body) = body else { return Vec::new() };
        read(body).unwrap_err().by_path().keys().cloned().collect()
    }

    #[test]
    fn items_are_read_in_their_order() {
        let sha256 = "ab".repeat(32);
        let items = json!([{"approvalId": APPROVAL, "shownSha256": sha256, "verdict": "reject", "note": "no"}]);
        let Value::Object(body) = json!({"items": items}) else { return };
        let items = read(body).unwrap();
        assert_eq!((items[0].approval.to_string().as_str(), &items[0].shown_sha256), (APPROVAL, &sha256));
        assert_eq!(items[0].ballot, Ballot::Reject { note: Some("no".to_owned()) });
    }

    #[test]
    fn every_problem_is_reported_at_its_path() {
        assert_eq!(paths(json!({})), ["items"]);
        assert_eq!(paths(json!({"items": [], "item": 1})), ["item", "items"]);
        assert_eq!(paths(json!({"items": vec![1; 101]})), ["items"]);
        assert_eq!(paths(json!({"items": [7]})), ["items[0]"]);
        let all = ["items[0].approvalId", "items[0].note", "items[0].shownSha256", "items[0].verdict", "items[0].x"];
        assert_eq!(paths(json!({"items": [{"approvalId": "apr", "verdict": "approved", "note": 1, "x": 1}]})), all);
        let item = json!({"approvalId": APPROVAL, "shownSha256": "ab".repeat(32), "verdict": "approve"});
        assert_eq!(paths(json!({"items": [item, item]})), ["items[1].approvalId"], "each approval once");
    }
}
