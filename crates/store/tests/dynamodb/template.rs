//! The table as `template.yaml` defines it, and Park as `statemachine/resume.asl.json` defines it: both files are read, so that nothing is
//! repeated here.

use std::path::{Path, PathBuf};

use aws_sdk_dynamodb::operation::create_table::builders::CreateTableFluentBuilder;
use aws_sdk_dynamodb::types::{
    AttributeDefinition, GlobalSecondaryIndex, KeySchemaElement, Projection, ProjectionType, ScalarAttributeType,
};
use serde_json::Value;
use yaml_rust2::{Yaml, YamlLoader};

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

fn text(yaml: &Yaml) -> &str {
    yaml.as_str().unwrap()
}

fn key_schema(yaml: &Yaml) -> Vec<KeySchemaElement> {
    let element = |key: &Yaml| {
        let builder = KeySchemaElement::builder().attribute_name(text(&key["AttributeName"]));
        builder.key_type(text(&key["KeyType"]).into()).build().unwrap()
    };
    yaml.as_vec().unwrap().iter().map(element).collect()
}

fn index(yaml: &Yaml) -> GlobalSecondaryIndex {
    let names = yaml["Projection"]["NonKeyAttributes"].as_vec();
    let projection = Projection::builder()
        .projection_type(ProjectionType::from(text(&yaml["Projection"]["ProjectionType"])))
        .set_non_key_attributes(names.map(|names| names.iter().map(|name| text(name).to_owned()).collect()));
    GlobalSecondaryIndex::builder()
        .index_name(text(&yaml["IndexName"]))
        .set_key_schema(Some(key_schema(&yaml["KeySchema"])))
        .projection(projection.build())
        .build()
        .unwrap()
}

/// Returns the request that creates the table of the template: its keys and indexes.
pub fn create_table(request: CreateTableFluentBuilder) -> CreateTableFluentBuilder {
    let template = std::fs::read_to_string(root().join("template.yaml")).unwrap();
    let documents = YamlLoader::load_from_str(&template).unwrap();
    let table = &documents.first().unwrap()["Resources"]["Table"]["Properties"];
    let attribute = |yaml: &Yaml| {
        let kind = ScalarAttributeType::from(text(&yaml["AttributeType"]));
        AttributeDefinition::builder().attribute_name(text(&yaml["AttributeName"])).attribute_type(kind).build().unwrap()
    };
    request
        .set_attribute_definitions(Some(table["AttributeDefinitions"].as_vec().unwrap().iter().map(attribute).collect()))
        .set_key_schema(Some(key_schema(&table["KeySchema"])))
        .set_global_secondary_indexes(Some(table["GlobalSecondaryIndexes"].as_vec().unwrap().iter().map(index).collect()))
        .billing_mode(text(&table["BillingMode"]).into())
}

/// Returns the parameters of the Park state.
pub fn park() -> Value {
    let machine = std::fs::read_to_string(root().join("statemachine/resume.asl.json")).unwrap();
    let machine: Value = serde_json::from_str(&machine).unwrap();
    machine["States"]["Park"]["Parameters"].clone()
}
