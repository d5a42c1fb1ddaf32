//! Makes JSON of `openapi.yaml`, in the order in which it is written there, and an `ETag` of its bytes.

use std::error::Error;
use std::path::Path;
use std::{env, fs};

use sha2::{Digest, Sha256};
use yaml_rust2::{Yaml, YamlLoader};

const DOCUMENT: &str = "../../openapi.yaml";

fn main() -> Result<(), Box<dyn Error>> {
    println!("cargo::rerun-if-changed={DOCUMENT}");
    let documents = YamlLoader::load_from_str(&fs::read_to_string(DOCUMENT)?)?;
    let [document] = documents.as_slice() else { return Err("openapi.yaml is not one document".into()) };
    let mut json = String::new();
    write(document, &mut json)?;
    let folder = env::var("OUT_DIR")?;
    fs::write(Path::new(&folder).join("etag.txt"), format!("\"{}\"", &hex::encode(Sha256::digest(&json))[..32]))?;
    fs::write(Path::new(&folder).join("openapi.json"), json)?;
    Ok(())
}

/// By hand, because a JSON value of `serde_json` would sort the keys: readers of the page see the order.
fn write(yaml: &Yaml, json: &mut String) -> Result<(), Box<dyn Error>> {
    match yaml {
        Yaml::Null => json.push_str("null"),
        Yaml::Boolean(value) => json.push_str(if *value { "true" } else { "false" }),
        Yaml::Integer(number) => json.push_str(&number.to_string()),
        Yaml::Real(text) => json.push_str(&serde_json::to_string(&text.parse::<f64>()?)?),
        Yaml::String(text) => json.push_str(&serde_json::to_string(text)?),
        Yaml::Array(items) => {
            json.push('[');
            for (at, item) in items.iter().enumerate() {
                if at > 0 {
                    json.push(',');
                }
                write(item, json)?;
            }
            json.push(']');
        }
        Yaml::Hash(fields) => {
            json.push('{');
            for (at, (name, value)) in fields.iter().enumerate() {
                if at > 0 {
                    json.push(',');
                }
                let name = name.as_str().ok_or_else(|| format!("{name:?} is no text, and a key of JSON must be one: quote it"))?;
                json.push_str(&serde_json::to_string(name)?);
                json.push(':');
                write(value, json)?;
            }
            json.push('}');
        }
        Yaml::Alias(_) | Yaml::BadValue => return Err("openapi.yaml has an alias or a value that JSON has not".into()),
    }
    Ok(())
}
