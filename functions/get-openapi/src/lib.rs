//! `GET /api/openapi.json`: the public contract as JSON.

use api::{PublicEndpoint, StaticPage};

/// This endpoint.
pub const ENDPOINT: PublicEndpoint = PublicEndpoint { name: "get-openapi", method: "GET", path: "/api/openapi.json", query: &[] };

/// `openapi.yaml` as JSON. It is converted when the function is built.
pub const PAGE: StaticPage = StaticPage {
    media_type: "application/json",
    text: include_str!(concat!(env!("OUT_DIR"), "/openapi.json")),
    etag: include_str!(concat!(env!("OUT_DIR"), "/etag.txt")),
    content_security_policy: "default-src 'none'; frame-ancestors 'none'",
};

#[cfg(test)]
mod tests {
    use serde_json::Value;
    use yaml_rust2::{Yaml, YamlLoader};

    use super::*;

    fn same(yaml: &Yaml, json: &Value) -> bool {
        match (yaml, json) {
            (Yaml::Null, Value::Null) => true,
            (Yaml::Boolean(yaml), Value::Bool(json)) => yaml == json,
            (Yaml::Integer(yaml), Value::Number(json)) => json.as_i64() == Some(*yaml),
            (Yaml::Real(yaml), Value::Number(json)) => json.as_f64() == yaml.parse().ok(),
            (Yaml::String(yaml), Value::String(json)) => yaml == json,
            (Yaml::Array(yaml), Value::Array(json)) => {
                yaml.len() == json.len() && yaml.iter().zip(json).all(|(yaml, json)| same(yaml, json))
            }
            (Yaml::Hash(yaml), Value::Object(json)) => {
                yaml.len() == json.len() && yaml.iter().all(|(name, yaml)| same(yaml, &json[name.as_str().unwrap()]))
            }
            _ => false,
        }
    }

    #[test]
    fn the_served_document_equals_openapi_yaml_in_its_order() {
        let written = &YamlLoader::load_from_str(include_str!("../../../openapi.yaml")).unwrap()[0];
        assert!(same(written, &serde_json::from_str(PAGE.text).unwrap()));
        let at = |text: &str| PAGE.text.find(text).unwrap();
        assert!(at("\"info\"") < at("\"paths\"") && at("\"paths\"") < at("\"components\""), "sorted keys would put components first");
    }

    #[test]
    fn the_document_is_small_enough_for_a_response_of_lambda_and_has_an_etag() {
        let passed_on = Value::from(PAGE.text).to_string().len();
        assert!(passed_on < 2_000_000, "{passed_on} bytes");
        assert_eq!(PAGE.etag.len(), 34);
        assert!(PAGE.etag.starts_with('"') && PAGE.etag.ends_with('"'));
    }
}
