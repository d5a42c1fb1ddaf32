//! What a reviewer is shown, and its hash: a decision is bound to it.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value, json};

use super::record::Gate;
use crate::flow::{Approval, BaseUrls, Destination, NodeKind, Route, Spec};
use crate::json::sha256_hex;
use crate::payload::Payload;

/// The most changes that are named.
const MAX_CHANGES: usize = 20;
/// The most characters of the name of a change.
const MAX_CHANGE_CHARS: usize = 200;
/// The fields of a destination that say how it is shown, and are no part of it.
const DERIVED: [&str; 2] = ["usesDecision", "complete"];

/// What a reviewer is shown of an approval: label, action, data, rules, and what the approval lets happen.
#[derive(Debug, Clone, PartialEq)]
pub struct Shown {
    node: String,
    round: u32,
    action_label: String,
    proposed_action: Payload,
    data: Option<Payload>,
    rules: BTreeMap<&'static str, Value>,
    destinations: BTreeMap<String, Value>,
}

impl Gate {
    /// Returns what the approval lets happen, as it was when the approval opened. Empty if the spec has no approval at this node.
    pub fn destinations(&self, spec: &Spec) -> Vec<Destination> {
        let none = BaseUrls::new();
        let base_urls = self.basis.base_urls.as_ref().unwrap_or(&none);
        spec.position(&self.node).map(|ix| spec.destinations_after(ix, base_urls)).unwrap_or_default()
    }

    /// Returns what a reviewer is shown. None if the spec has no approval at this node. All of it stays as it is while the approval is
    /// open: what is shown later is what was shown at first.
    pub fn shown(&self, spec: &Spec) -> Option<Shown> {
        let NodeKind::Approval(approval) = &spec.node(spec.position(&self.node)?).kind else { return None };
        let mut destinations = BTreeMap::new();
        for destination in self.destinations(spec) {
            let mut value = serde_json::to_value(&destination).unwrap_or_default();
            if let Some(fields) = value.as_object_mut() {
                fields.retain(|name, _| !DERIVED.contains(&name.as_str()));
            }
            destinations.insert(destination.key(), value);
        }
        Some(Shown {
            node: self.node.to_string(),
            round: self.basis.round,
            action_label: self.action_label.clone(),
            proposed_action: self.proposed_action.clone(),
            data: self.data.clone(),
            rules: self.rules(approval),
            destinations,
        })
    }

    /// Returns the SHA-256 of what a reviewer is shown, in lower-case hex. None if the spec has no approval at this node.
    pub fn shown_sha256(&self, spec: &Spec) -> Option<String> {
        self.shown(spec).map(|shown| shown.sha256())
    }

    /// Returns the rules by which the approval is decided. How long it stays open is none of them.
    fn rules(&self, approval: &Approval) -> BTreeMap<&'static str, Value> {
        let route = |route: &Route| match route {
            Route::Fail => "fail".to_owned(),
            Route::To(node) => format!("route_to:{node}"),
        };
        let mut rules = BTreeMap::from([
            // It may be reassigned while it is open; what was shown stays what was shown.
            ("assignTo", json!(self.first_assignee())),
            ("overrideSchema", json!(approval.override_schema)),
            ("allowedEdits", json!(approval.allowed_edits)),
            ("requireDifferentActor", json!(approval.require_different_actor)),
            ("requiredApprovals", json!(approval.required_approvals)),
            ("onReject", json!(route(&approval.on_reject))),
            ("onTimeout", json!(route(&approval.on_timeout))),
        ]);
        if !approval.escalate.is_empty() {
            rules.insert("escalate", json!(approval.escalate));
        }
        if let Some(revise) = &approval.revise {
            rules.insert("revise", json!({"node": revise.node, "maxRounds": revise.max_rounds}));
        }
        rules
    }
}

impl Shown {
    /// Returns the SHA-256 of it, in lower-case hex: of the canonical JSON of label, rules and destinations, the hashes of action and data,
    /// and the name and the round of the approval, so that no two approvals of a run have the same.
    pub fn sha256(&self) -> String {
        sha256_hex(&json!({
            "nodeId": self.node,
            "round": self.round,
            "actionLabel": self.action_label,
            "proposedAction": self.proposed_action.sha256(),
            "data": self.data.as_ref().map(Payload::sha256),
            "rules": self.rules,
            "destinations": self.destinations,
        }))
    }

    /// Returns what differs from what was shown earlier: `actionLabel`, `proposedAction/amount`, `data/…`, `rules.assignTo`,
    /// `destinations.pay.path` and the like, 20 names at most. Empty if a reviewer would be shown the same.
    pub fn changes_since(&self, earlier: &Self) -> Vec<String> {
        let mut changes = Vec::new();
        if self.action_label != earlier.action_label {
            changes.push("actionLabel".to_owned());
        }
        add_payload("proposedAction", Some(&earlier.proposed_action), Some(&self.proposed_action), &mut changes);
        add_payload("data", earlier.data.as_ref(), self.data.as_ref(), &mut changes);
        for (name, rule) in &self.rules {
            if earlier.rules.get(name) != Some(rule) {
                changes.push(format!("rules.{name}"));
            }
        }
        for key in self.destinations.keys().chain(earlier.destinations.keys()).collect::<BTreeSet<_>>() {
            match (earlier.destinations.get(key), self.destinations.get(key)) {
                (Some(Value::Object(before)), Some(Value::Object(after))) => {
                    let names: BTreeSet<_> = before.keys().chain(after.keys()).collect();
                    let changed = names.into_iter().filter(|name| before.get(*name) != after.get(*name));
                    changes.extend(changed.map(|name| format!("destinations.{key}.{name}")));
                }
                (before, after) if before != after => changes.push(format!("destinations.{key}")),
                _ => {}
            }
        }
        changes.truncate(MAX_CHANGES);
        changes.into_iter().map(|change| change.chars().take(MAX_CHANGE_CHARS).collect()).collect()
    }
}

/// Adds the places at which a payload has changed, or its name if it is not known where.
fn add_payload(name: &str, before: Option<&Payload>, after: Option<&Payload>, changes: &mut Vec<String>) {
    if before.map(Payload::sha256) == after.map(Payload::sha256) {
        return;
    }
    match (before.and_then(Payload::value), after.and_then(Payload::value)) {
        (Some(before), Some(after)) => add_places(before, after, name.to_owned(), changes),
        _ => changes.push(name.to_owned()),
    }
}

fn add_places(before: &Value, after: &Value, path: String, changes: &mut Vec<String>) {
    if before == after || changes.len() >= MAX_CHANGES {
        return;
    }
    let (Value::Object(old), Value::Object(new)) = (before, after) else {
        changes.push(path);
        return;
    };
    for key in old.keys().chain(new.keys()).collect::<BTreeSet<_>>() {
        let below = format!("{path}/{}", key.replace('~', "~0").replace('/', "~1"));
        match (old.get(key), new.get(key)) {
            (Some(before), Some(after)) => add_places(before, after, below, changes),
            _ => changes.push(below),
        }
    }
}
