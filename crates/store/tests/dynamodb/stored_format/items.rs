//! Items as JSON, in DynamoDB's own notation, in one file for each kind.

use std::collections::{BTreeMap, HashMap};
use std::path::Path;

use aws_sdk_dynamodb::primitives::Blob;
use aws_sdk_dynamodb::types::AttributeValue;
use serde_json::{Map, Value, json};

use crate::opened::{Opened, TABLE};

/// All items of the table.
pub async fn scan(store: &Opened) -> Vec<Value> {
    let mut items = Vec::new();
    let mut start: Option<HashMap<String, AttributeValue>> = None;
    loop {
        let answer = store.client.scan().table_name(TABLE).set_exclusive_start_key(start).send().await.unwrap();
        items.extend(answer.items.unwrap_or_default().iter().map(item_to_json));
        start = answer.last_evaluated_key;
        if start.is_none() {
            return items;
        }
    }
}

/// The items, and for each version of a flow a second version whose spec is in two items: a spec that is really that large would make a
/// fixture of a megabyte.
pub fn with_parts(mut items: Vec<Value>) -> Vec<Value> {
    let versions: Vec<Value> = items.iter().filter(|item| item["sk"]["S"] == "V#000001").cloned().collect();
    for version in versions {
        let spec = version["spec"]["S"].as_str().unwrap();
        let (first, second) = spec.split_at(spec.len() / 2);
        for (sk, part) in [("V#000002", first), ("V#000002#01", second)] {
            let mut item = version.clone();
            item["sk"] = json!({"S": sk});
            item["number"] = json!({"N": "2"});
            item["spec"] = json!({"S": part});
            items.push(item);
        }
    }
    items
}

/// Puts items into the table as they are.
pub async fn put_all(store: &Opened, items: &[Value]) {
    for item in items {
        let item = item.as_object().unwrap().iter().map(|(name, value)| (name.clone(), attribute(value))).collect();
        store.client.put_item().table_name(TABLE).set_item(Some(item)).send().await.unwrap();
    }
}

/// The items of each kind, sorted by key.
pub fn by_kind(items: &[Value]) -> BTreeMap<String, Value> {
    let mut kinds: BTreeMap<String, Vec<Value>> = BTreeMap::new();
    for item in items {
        kinds.entry(kind(item)).or_default().push(item.clone());
    }
    let key = |item: &Value| format!("{} {}", item["pk"]["S"], item["sk"]["S"]);
    kinds
        .into_iter()
        .map(|(kind, mut items)| {
            items.sort_by_key(key);
            (kind, Value::Array(items))
        })
        .collect()
}

/// The kind of an item, from its keys: `run`, `step`, `flow-version`.
fn kind(item: &Value) -> String {
    let (pk, sk) = (item["pk"]["S"].as_str().unwrap(), item["sk"]["S"].as_str().unwrap());
    let kind = match (pk.rsplit('#').next().unwrap(), sk.split('#').next().unwrap()) {
        (_, "V") => "flow-version",
        ("KEYS", _) => "key-entry",
        ("CONNECTIONS", _) => "connection-entry",
        (_, id) if id.starts_with("whd_") => "delivery",
        (_, sk) => return sk.to_lowercase(),
    };
    kind.to_owned()
}

/// The items of all files in a folder.
pub fn read(folder: &Path) -> Vec<Value> {
    let mut items = Vec::new();
    for file in std::fs::read_dir(folder).unwrap() {
        let text = std::fs::read_to_string(file.unwrap().path()).unwrap();
        items.append(&mut serde_json::from_str(&text).unwrap());
    }
    items
}

/// Writes a file for each kind. Refuses to change a fixture that exists.
pub fn write(folder: &Path, kinds: &BTreeMap<String, Value>) {
    std::fs::create_dir_all(folder.parent().unwrap()).unwrap();
    std::fs::create_dir(folder).unwrap_or_else(|why| panic!("a fixture never changes, so give the next version: {why}"));
    for (kind, items) in kinds {
        std::fs::write(folder.join(format!("{kind}.json")), serde_json::to_string_pretty(items).unwrap() + "\n").unwrap();
    }
}

fn item_to_json(item: &HashMap<String, AttributeValue>) -> Value {
    let mut names: Vec<&String> = item.keys().collect();
    names.sort();
    Value::Object(names.into_iter().map(|name| (name.clone(), value_to_json(&item[name]))).collect::<Map<_, _>>())
}

fn value_to_json(value: &AttributeValue) -> Value {
    match value {
        AttributeValue::S(text) => json!({"S": text}),
        AttributeValue::N(number) => json!({"N": number}),
        AttributeValue::Bool(value) => json!({"BOOL": value}),
        AttributeValue::B(bytes) => json!({"B": aws_smithy_types::base64::encode(bytes)}),
        AttributeValue::Ss(texts) => json!({"SS": texts}),
        AttributeValue::L(values) => json!({"L": values.iter().map(value_to_json).collect::<Vec<_>>()}),
        AttributeValue::M(item) => json!({"M": item_to_json(item)}),
        other => panic!("no item has {other:?}"),
    }
}

fn attribute(value: &Value) -> AttributeValue {
    let (kind, value) = value.as_object().unwrap().iter().next().unwrap();
    let text = || value.as_str().unwrap().to_owned();
    match kind.as_str() {
        "S" => AttributeValue::S(text()),
        "N" => AttributeValue::N(text()),
        "BOOL" => AttributeValue::Bool(value.as_bool().unwrap()),
        "B" => AttributeValue::B(Blob::new(aws_smithy_types::base64::decode(text()).unwrap())),
        "SS" => AttributeValue::Ss(value.as_array().unwrap().iter().map(|text| text.as_str().unwrap().to_owned()).collect()),
        "L" => AttributeValue::L(value.as_array().unwrap().iter().map(attribute).collect()),
        "M" => AttributeValue::M(value.as_object().unwrap().iter().map(|(name, value)| (name.clone(), attribute(value))).collect()),
        other => panic!("no item has a `{other}`"),
    }
}
