//! The route table: the routes come from `template.yaml`, and the scope of each from the handler behind it. It is read and not
//! written here, so that a new endpoint cannot be left out.

use std::fs;
use std::path::{Path, PathBuf};

use domain::access::Scope;
use reqwest::Method;
use yaml_rust2::{Yaml, YamlLoader};

/// Functions whose routes take no API key; they have tests of their own.
pub const WITHOUT_KEY: &[&str] = &["begin-login", "complete-login", "get-console", "get-docs", "get-openapi", "receive-trigger"];

/// A route that requires a key.
#[derive(Debug, Clone)]
pub struct Route {
    /// HTTP method.
    pub method: Method,
    /// Path with its parameters in braces.
    pub path: String,
    /// The scope that the key must have; none if every valid key may call.
    pub scope: Option<Scope>,
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

/// Every route that requires a key.
pub fn routes() -> Vec<Route> {
    let template = fs::read_to_string(root().join("template.yaml")).unwrap();
    let documents = YamlLoader::load_from_str(&template).unwrap();
    let resources = documents[0]["Resources"].as_hash().unwrap();
    let functions: Vec<&Yaml> =
        resources.values().filter(|resource| resource["Type"].as_str() == Some("AWS::Serverless::Function")).collect();
    let binaries: Vec<&str> = functions.iter().map(|each| each["Metadata"]["BuildProperties"]["Binary"].as_str().unwrap()).collect();
    for folder in fs::read_dir(root().join("functions")).unwrap() {
        let name = folder.unwrap().file_name().into_string().unwrap();
        assert!(binaries.contains(&name.as_str()), "functions/{name} is not in template.yaml");
    }
    let keyed = functions.iter().zip(binaries).filter(|(_, binary)| !WITHOUT_KEY.contains(binary));
    let routes: Vec<Route> = keyed.flat_map(|(function, binary)| routes_of(function, binary)).collect();
    assert!(!routes.is_empty(), "template.yaml was not understood");
    routes
}

fn routes_of(function: &Yaml, binary: &str) -> Vec<Route> {
    let events = function["Properties"]["Events"].as_hash();
    let http = events.into_iter().flat_map(|events| events.values()).filter(|event| event["Type"].as_str() == Some("Api"));
    http.map(|event| Route {
        method: event["Properties"]["Method"].as_str().unwrap().parse().unwrap(),
        path: event["Properties"]["Path"].as_str().unwrap().to_owned(),
        scope: scope_of(binary),
    })
    .collect()
}

/// The scope in the `ENDPOINT` of a handler.
fn scope_of(binary: &str) -> Option<Scope> {
    let source = fs::read_to_string(root().join("functions").join(binary).join("src/lib.rs")).unwrap();
    let after = source.split_once("Endpoint {").and_then(|(_, after)| after.split_once("scope: "));
    let (_, after) = after.unwrap_or_else(|| panic!("functions/{binary} has a route and no ENDPOINT with a scope; see WITHOUT_KEY"));
    let Some(after) = after.strip_prefix("Some(Scope::") else {
        assert!(after.starts_with("None,"), "functions/{binary}: the scope was not understood");
        return None;
    };
    let name: String = after.chars().take_while(char::is_ascii_alphabetic).collect();
    let scope = Scope::ALL.into_iter().find(|scope| format!("{scope:?}") == name);
    Some(scope.unwrap_or_else(|| panic!("functions/{binary}: no scope {name}")))
}
