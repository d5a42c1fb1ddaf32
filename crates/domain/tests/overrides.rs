//! Overrides: what a reviewer may change, and the hashes and the patch that the record keeps.
#![expect(clippy::unwrap_used, reason = "a test that cannot be set up should stop at once")]

mod common;

use common::gates::{APPROVED, approve, approve_as, gate_proposing, output, payment, refused_paths, rules, vote};
use domain::gate::{Action, ActionTooLarge, BallotOutcome, MAX_ACTION_BYTES};
use proptest::prelude::*;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

#[test]
fn an_override_must_satisfy_the_schema_and_the_refusal_names_every_place() {
    let schema = json!({"type": "object", "properties": {"amount": {"maximum": 50}, "to": {"type": "object", "properties": {"name": {"type": "string"}}}}, "required": ["to"]});
    let rules = rules(json!({"overrideSchema": schema}));
    let field = "proposedActionOverride";
    let mut gate = payment();
    assert_eq!(
        refused_paths(&mut gate, &rules, json!({"amount": 51, "to": {"name": 3}})),
        [format!("{field}/amount"), format!("{field}/to/name")]
    );
    assert_eq!(refused_paths(&mut gate, &rules, json!({"amount": 1})), [field]);
    assert_eq!(refused_paths(&mut gate, &rules, json!(null)), [field]);
    assert_eq!(vote(&mut gate, &rules, "usr_eve", approve_as(json!({"amount": 50, "to": {}}))), APPROVED);
}

#[test]
fn the_schema_is_for_overrides_and_not_for_what_the_flow_proposed() {
    let rules = rules(json!({"overrideSchema": {"properties": {"amount": {"maximum": 5}}}}));
    assert_eq!(vote(&mut payment(), &rules, "usr_ada", approve()), APPROVED);
}

#[test]
fn an_override_may_change_only_what_is_at_or_below_an_allowed_pointer() {
    let proposed = || json!({"amount": 10, "amounts": [1, 2, 3], "a/b": 1, "to": {"name": "Ada", "iban": "DE02"}});
    let change = |pointer: &str, value: Value| {
        let mut action = proposed();
        *action.pointer_mut(pointer).unwrap() = value;
        action
    };
    let without = |parent: &str, key: &str| {
        let mut action = proposed();
        action.pointer_mut(parent).unwrap().as_object_mut().unwrap().remove(key);
        action
    };
    let with = |parent: &str, key: &str| {
        let mut action = proposed();
        action.pointer_mut(parent).unwrap()[key] = json!("new");
        action
    };
    for (allowed, action, refused) in [
        // At a pointer, and names that only begin like it.
        (json!(["/amount"]), change("/amount", json!(11)), vec![]),
        (json!(["/amount"]), change("/amounts", json!([])), vec!["/amounts/0", "/amounts/1", "/amounts/2"]),
        (json!(["/amounts"]), change("/amount", json!(11)), vec!["/amount"]),
        (json!(["/a"]), change("/amount", json!(11)), vec!["/amount"]),
        (json!(["/a"]), change("/a~1b", json!(2)), vec!["/a~1b"]),
        (json!(["/a~1b"]), change("/a~1b", json!(2)), vec![]),
        (json!(["/to/name"]), change("/to/iban", json!("FR")), vec!["/to/iban"]),
        (json!(["/to/name"]), with("/to", "name2"), vec!["/to/name2"]),
        // Below a pointer, above it, and the whole.
        (json!(["/to"]), change("/to/iban", json!("FR")), vec![]),
        (json!(["/to"]), change("/to", json!("gone")), vec![]),
        (json!(["/to/name"]), change("/to", json!("gone")), vec!["/to"]),
        (json!(["/to/name"]), without("", "to"), vec!["/to"]),
        (json!(["/to/name"]), change("/to", json!([])), vec!["/to"]),
        (json!([""]), json!("anything"), vec![]),
        (json!(["/amount"]), json!("anything"), vec![""]),
        // What appears and disappears.
        (json!(["/note"]), with("", "note"), vec![]),
        (json!(["/amount"]), with("", "note"), vec!["/note"]),
        (json!(["/amount"]), without("", "amount"), vec![]),
        (json!(["/amount"]), change("/amount", json!(null)), vec![]),
        // Nothing is allowed; another spelling of a number is no change.
        (json!([]), change("/amount", json!(11)), vec!["/amount"]),
        (json!([]), change("/amount", json!("10")), vec!["/amount"]),
        (json!([]), change("/amount", json!(10.0)), vec![]),
        (
            json!(["/to/name"]),
            json!({"amount": 10.0, "amounts": [1.0, 2.0, 3.0], "a/b": 1.0, "to": {"name": "Eve", "iban": "DE02"}}),
            vec![],
        ),
        // Several at once.
        (json!(["/amount"]), json!({"amount": 1, "amounts": [1, 2, 3], "to": {"name": "Eve"}}), vec!["/a~1b", "/to/iban", "/to/name"]),
    ] {
        let rules = rules(json!({"allowedEdits": allowed}));
        let mut gate = gate_proposing(proposed());
        if refused.is_empty() {
            assert_eq!(vote(&mut gate, &rules, "usr_eve", approve_as(action.clone())), APPROVED, "{allowed} {action}");
        } else {
            let expected: Vec<_> = refused.iter().map(|path| format!("proposedActionOverride{path}")).collect();
            assert_eq!(refused_paths(&mut gate, &rules, action.clone()), expected, "{allowed} {action}");
        }
    }
}

#[test]
fn an_action_with_other_spellings_of_its_numbers_is_the_proposed_action() {
    let mut gate = gate_proposing(json!({"amount": 60, "rates": [0.5, 1e20]}));
    let respelt = || json!({"amount": 60.0, "rates": [0.5, serde_json::from_str::<Value>("100000000000000000000").unwrap()]});
    assert_eq!(vote(&mut gate, &rules(json!({"allowedEdits": []})), "usr_ada", approve_as(respelt())), APPROVED);
    let outcome = gate.outcome.clone().unwrap();
    assert_eq!((outcome.decided_sha256, gate.patch()), (outcome.proposed_sha256, Some(json!([]))));
    assert_eq!(vote(&mut gate, &rules(json!({})), "usr_ada", approve_as(respelt())), Ok(BallotOutcome::Repeated));
    assert_eq!(vote(&mut gate, &rules(json!({})), "usr_ada", approve()), Ok(BallotOutcome::Repeated));
}

#[test]
fn an_allowed_place_in_an_array_does_not_allow_its_neighbours_to_move_there() {
    for (allowed, action, refused) in [
        ("/1", json!([1, 9, 3]), vec![]),
        ("/1", json!([1, 9, 4]), vec!["/2"]),
        // Removals and insertions move what follows.
        ("/1", json!([1, 3]), vec!["/2"]),
        ("/1", json!([1]), vec!["/2"]),
        ("/0", json!([2, 3]), vec!["/1", "/2"]),
        ("/0", json!([]), vec!["/1", "/2"]),
        ("/0", json!([0, 1, 2, 3]), vec!["/1", "/2", "/3"]),
        ("/2", json!([1, 2]), vec![]),
        ("/3", json!([1, 2, 3, 4]), vec![]),
        ("/3", json!([1, 2, 3, 4, 5]), vec!["/4"]),
        ("", json!([]), vec![]),
    ] {
        let rules = rules(json!({"allowedEdits": [allowed]}));
        let mut gate = gate_proposing(json!([1, 2, 3]));
        if refused.is_empty() {
            assert_eq!(vote(&mut gate, &rules, "usr_eve", approve_as(action.clone())), APPROVED, "{allowed} {action}");
        } else {
            let expected: Vec<_> = refused.iter().map(|path| format!("proposedActionOverride{path}")).collect();
            assert_eq!(refused_paths(&mut gate, &rules, action.clone()), expected, "{allowed} {action}");
        }
    }
}

#[test]
fn an_action_that_is_too_large_is_refused_where_it_is_made() {
    let fits = Value::from("x".repeat(MAX_ACTION_BYTES - 2));
    assert_eq!(vote(&mut payment(), &rules(json!({})), "usr_eve", approve_as(fits)), APPROVED);
    let beyond = Value::from("x".repeat(MAX_ACTION_BYTES - 1));
    assert_eq!(Action::new(beyond), Err(ActionTooLarge { bytes: MAX_ACTION_BYTES + 1 }));
    let (half, rest) = (Value::from("x".repeat(MAX_ACTION_BYTES / 2)), Value::from("x".repeat(MAX_ACTION_BYTES / 2 - 4)));
    assert!(Action::shown_with(half.clone(), Some(&rest.into())).is_ok(), "an action and its data have the limit together");
    assert!(Action::shown_with(half.clone(), Some(&half.into())).is_err());
}

#[test]
fn the_hashes_are_of_known_canonical_texts() {
    let hash = |text: &str| hex::encode(Sha256::digest(text));
    let mut gate = gate_proposing(json!({"z": {"b": [1, 2.5, "ü\n"], "a": null}, "amount": 10}));
    vote(&mut gate, &rules(json!({})), "usr_ada", approve_as(json!({"amount": 7, "A": true}))).unwrap();
    let outcome = gate.outcome.unwrap();
    assert_eq!(outcome.proposed_sha256, hash(r#"{"amount":10,"z":{"a":null,"b":[1,2.5,"ü\n"]}}"#));
    assert_eq!(outcome.decided_sha256, hash(r#"{"A":true,"amount":7}"#));
    assert_eq!(gate.votes[0].action_sha256, outcome.decided_sha256);
}

/// Canonical JSON, implemented a second time: `serde_json` keeps the keys of its maps sorted in this build.
fn independent_sha256(value: &Value) -> String {
    fn sorted(value: &Value) -> Value {
        match value {
            Value::Object(fields) => {
                let mut keys: Vec<_> = fields.keys().collect();
                keys.sort();
                keys.into_iter().map(|key| (key.clone(), sorted(&fields[key]))).collect::<serde_json::Map<_, _>>().into()
            }
            Value::Array(items) => items.iter().map(sorted).collect(),
            other => other.clone(),
        }
    }
    hex::encode(Sha256::digest(serde_json::to_string(&sorted(value)).unwrap()))
}

fn any_json() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        (0i64..3).prop_map(Value::from),
        (-4.0..4.0f64).prop_map(Value::from),
        "[a-c~/\"ü ]{0,3}".prop_map(Value::from),
    ];
    leaf.prop_recursive(3, 24, 4, |inner| {
        prop_oneof![
            proptest::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            // Few keys, so that two values often have some in common, and awkward ones, so that pointers are escaped.
            proptest::collection::btree_map("[ab~/0]{0,2}", inner, 0..4).prop_map(|fields| Value::Object(fields.into_iter().collect())),
        ]
    })
}

/// Returns every place at which two values differ, by trying all pointers into both.
fn differing_places(before: &Value, after: &Value) -> Vec<String> {
    fn pointers(value: &Value, path: &str, found: &mut Vec<String>) {
        found.push(path.to_owned());
        match value {
            Value::Object(fields) => {
                for (key, item) in fields {
                    pointers(item, &format!("{path}/{}", key.replace('~', "~0").replace('/', "~1")), found);
                }
            }
            Value::Array(items) => {
                for (at, item) in items.iter().enumerate() {
                    pointers(item, &format!("{path}/{at}"), found);
                }
            }
            _ => {}
        }
    }
    let mut found = Vec::new();
    pointers(before, "", &mut found);
    pointers(after, "", &mut found);
    found.retain(|path| before.pointer(path) != after.pointer(path));
    found
}

proptest! {
    #[test]
    fn the_record_has_the_hashes_of_both_actions_and_the_patch_between_them(proposed in any_json(), decided in any_json()) {
        let mut gate = gate_proposing(proposed.clone());
        prop_assert_eq!(vote(&mut gate, &rules(json!({})), "usr_ada", approve_as(decided.clone())), APPROVED);
        let outcome = gate.outcome.clone().unwrap();
        prop_assert_eq!(&outcome.proposed_sha256, &independent_sha256(&proposed));
        prop_assert_eq!(&outcome.decided_sha256, &independent_sha256(&decided));
        let mut patched = proposed;
        json_patch::patch(&mut patched, &serde_json::from_value::<json_patch::Patch>(gate.patch().unwrap()).unwrap()).unwrap();
        prop_assert_eq!(&patched, &decided);
        prop_assert_eq!(&output(&gate).unwrap()["proposedAction"], &decided);
    }

    /// An action that is approved under `allowedEdits` is the proposed action everywhere but at and below the allowed pointers.
    #[test]
    fn an_override_that_is_let_through_differs_only_where_it_may(proposed in any_json(), decided in any_json(), pick in any::<prop::sample::Index>()) {
        let places = differing_places(&proposed, &decided);
        prop_assume!(!places.is_empty());
        let allowed = pick.get(&places);
        let result = vote(&mut gate_proposing(proposed.clone()), &rules(json!({"allowedEdits": [allowed]})), "usr_ada", approve_as(decided.clone()));
        let covered = |place: &String| place == allowed || place.starts_with(&format!("{allowed}/"));
        // Above the pointer the two differ because they differ below; a place that is covered need not be compared.
        let above = |place: &String| allowed.starts_with(&format!("{place}/"));
        let same_shape = |place: &String| {
            let pair = (proposed.pointer(place), decided.pointer(place));
            matches!(pair, (Some(Value::Object(_)), Some(Value::Object(_))) | (Some(Value::Array(_)), Some(Value::Array(_))))
        };
        let fine = places.iter().all(|place| covered(place) || (above(place) && same_shape(place)));
        prop_assert_eq!(result == APPROVED, fine, "{:?} {:?}", result, places);
    }
}
