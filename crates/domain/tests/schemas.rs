//! JSON Schemas: what a validation reports, and how much work it may be.
#![expect(clippy::unwrap_used, reason = "a test that cannot be set up should stop at once")]

use std::time::{Duration, Instant};

use domain::schema::{MAX_WORK, Schema, TooMuchWork};
use proptest::prelude::*;
use serde_json::{Map, Value, json};

fn violations(schema: &Value, value: &Value) -> Result<Vec<String>, TooMuchWork> {
    let violations = Schema::compile(schema).unwrap().violations(value, 100)?;
    Ok(violations.into_iter().map(|violation| violation.pointer).collect())
}

/// Returns a schema whose definitions each apply the next one twice.
fn doubling(levels: usize, keyword: &str) -> Value {
    let define = |level: usize| {
        let next = json!({"$ref": format!("#/$defs/d{}", level + 1)});
        (format!("d{level}"), if level == levels { json!({"type": "string"}) } else { json!({keyword: [next.clone(), next]}) })
    };
    json!({"$ref": "#/$defs/d0", "$defs": (0..=levels).map(define).collect::<Map<_, _>>()})
}

#[test]
fn a_schema_whose_references_double_at_each_level_is_refused_at_once() {
    for keyword in ["allOf", "anyOf", "oneOf"] {
        let schema = doubling(21, keyword);
        assert!(schema.to_string().len() < 2_048);
        let begun = Instant::now();
        assert_eq!(violations(&schema, &json!(1)), Err(TooMuchWork::Applications), "{keyword}");
        assert_eq!(violations(&doubling(60, keyword), &json!("x")), Err(TooMuchWork::Applications), "{keyword}");
        assert!(begun.elapsed() < Duration::from_secs(1), "{keyword}: {:?}", begun.elapsed());
        assert!(violations(&doubling(8, keyword), &json!("x")).is_ok(), "{keyword}");
    }
}

#[test]
fn references_that_double_with_each_level_of_the_value_are_refused() {
    let next = json!({"properties": {"a": {"$ref": "#/$defs/node"}}, "items": {"$ref": "#/$defs/node"}});
    let schema = json!({"$ref": "#/$defs/node", "$defs": {"node": {"anyOf": [next.clone(), next]}}});
    let nested =
        |levels: usize| (0..levels).fold(json!(1), |value, level| if level % 2 == 0 { json!({"a": value}) } else { json!([value]) });
    assert_eq!(violations(&schema, &nested(3)), Ok(vec![]));
    assert_eq!(violations(&schema, &nested(40)), Err(TooMuchWork::Applications));
    // The names of references: by `$id`, by `$anchor`, relative to an embedded `$id`.
    for reference in ["https://example.com/node", "node", "#node", "https://example.com/node#/$defs/inner", "#/$defs/inner"] {
        let step = json!({"$ref": reference});
        let schema = json!({"$id": "https://example.com/root", "$ref": "node", "$defs": {"node": {
            "$id": "https://example.com/node", "$anchor": "node", "$defs": {"inner": {"$ref": "https://example.com/node"}},
            "items": {"allOf": [step.clone(), step.clone(), step]}}}});
        let deep = (0..30).fold(json!(1), |value, _| json!([value]));
        assert_eq!(violations(&schema, &deep), Err(TooMuchWork::Applications), "{reference}");
        assert_eq!(violations(&schema, &json!([[1]])), Ok(vec![]), "{reference}");
    }
}

#[test]
fn a_reference_that_leads_back_to_itself_is_refused() {
    for schema in [json!({"$ref": "#"}), json!({"allOf": [{"$ref": "#/$defs/a"}], "$defs": {"a": {"not": {"$ref": "#"}}}})] {
        if let Ok(schema) = Schema::compile(&schema) {
            assert_eq!(schema.violations(&json!(1), 1), Err(TooMuchWork::Nesting));
        }
    }
    let chain = |length: usize| {
        let define = |at: usize| {
            (format!("c{at}"), if at == length { json!({"type": "string"}) } else { json!({"$ref": format!("#/$defs/c{}", at + 1)}) })
        };
        json!({"$ref": "#/$defs/c0", "$defs": (0..=length).map(define).collect::<Map<_, _>>()})
    };
    assert_eq!(violations(&chain(50), &json!(1)), Ok(vec![String::new()]));
    assert_eq!(violations(&chain(1_000), &json!(1)), Err(TooMuchWork::Nesting));
}

#[test]
fn ordinary_schemas_validate_large_values() {
    let item = json!({"type": "object", "required": ["id"], "properties": {"id": {"type": "integer"}, "tags": {"items": {"type": "string"}}},
        "additionalProperties": false});
    let schema = json!({"type": "object", "properties": {"items": {"type": "array", "items": item}}});
    let mut value = json!({"items": (0..20_000).map(|id| json!({"id": id, "tags": ["a", "b"]})).collect::<Vec<_>>()});
    assert_eq!(violations(&schema, &value), Ok(vec![]));
    value["items"][19_999]["id"] = json!("x");
    assert_eq!(violations(&schema, &value), Ok(vec!["/items/19999/id".to_owned()]));
    // A recursive schema, such as one of a tree, as deep as JSON may be.
    let tree = json!({"$ref": "#/$defs/tree", "$defs": {"tree": {"anyOf": [{"type": "integer"}, {"type": "array", "items": {"$ref": "#/$defs/tree"}}]}}});
    let deep = (0..64).fold(json!(1), |value, _| json!([value]));
    assert_eq!(violations(&tree, &deep), Ok(vec![]));
    // The schema of JSON Schema itself.
    let meta = json!({"properties": {"schema": {"$ref": "https://json-schema.org/draft/2020-12/schema"}}});
    assert_eq!(violations(&meta, &json!({"schema": {"type": "none"}})).map(|found| found.is_empty()), Ok(false));
}

#[test]
fn a_value_with_more_places_than_a_validation_may_visit_is_refused() {
    let value = json!(vec![1; usize::try_from(MAX_WORK).unwrap()]);
    assert_eq!(violations(&json!({"items": {"type": "integer"}}), &value), Err(TooMuchWork::Applications));
    assert_eq!(violations(&json!({"items": true}), &value), Err(TooMuchWork::Applications));
}

#[test]
fn no_more_violations_are_computed_than_are_asked_for() {
    let schema = Schema::compile(&json!({"items": {"type": "string"}})).unwrap();
    assert_eq!(schema.violations(&json!(vec![1; 1_000]), 21).unwrap().len(), 21);
}

fn any_schema() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(json!(true)),
        Just(json!({"type": "integer"})),
        Just(json!({"$ref": "#/$defs/a"})),
        Just(json!({"$ref": "#/$defs/b"})),
        Just(json!({"$ref": "#"})),
    ];
    leaf.prop_recursive(3, 12, 2, |inner| {
        let pair = (inner.clone(), inner.clone());
        prop_oneof![
            pair.clone().prop_map(|(one, other)| json!({"allOf": [one, other]})),
            pair.clone().prop_map(|(one, other)| json!({"anyOf": [one, other]})),
            pair.clone().prop_map(|(one, other)| json!({"oneOf": [one, other]})),
            pair.prop_map(|(one, other)| json!({"properties": {"a": one}, "additionalProperties": other})),
            inner.clone().prop_map(|one| json!({"items": one, "unevaluatedItems": false})),
            inner.prop_map(|one| json!({"not": one})),
        ]
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    /// A validation ends soon, whatever the schema and the value: it is refused, or it is done.
    #[test]
    fn every_validation_is_bounded(root in any_schema(), a in any_schema(), b in any_schema(), levels in 0..40_usize) {
        let schema = json!({"allOf": [root], "$defs": {"a": a, "b": b}});
        let value = (0..levels).fold(json!(1), |value, level| if level % 2 == 0 { json!({"a": value}) } else { json!([value]) });
        if let Ok(schema) = Schema::compile(&schema) {
            let begun = Instant::now();
            let _ = schema.violations(&value, 21);
            prop_assert!(begun.elapsed() < Duration::from_secs(20), "{:?}", begun.elapsed());
        }
    }
}
