//! Generates the client from `openapi.yaml`. The generator reads OpenAPI 3.0, and the document is OpenAPI 3.1.

#[path = "build/downgrade.rs"]
mod downgrade;

use std::error::Error;
use std::path::PathBuf;
use std::{env, fs};

use progenitor::{GenerationSettings, Generator, InterfaceStyle};

const DOCUMENT: &str = "../../openapi.yaml";

fn main() -> Result<(), Box<dyn Error>> {
    println!("cargo::rerun-if-changed={DOCUMENT}");
    let document = downgrade::to_3_0(&fs::read_to_string(DOCUMENT)?)?;
    let out = PathBuf::from(env::var("OUT_DIR")?);
    // The input of the generator is kept next to the client, for debugging.
    fs::write(out.join("openapi-3.0.json"), serde_json::to_string_pretty(&document)?)?;
    let mut generator = Generator::new(GenerationSettings::new().with_interface(InterfaceStyle::Builder));
    let code = generator.generate_tokens(&serde_json::from_value(document)?)?;
    fs::write(out.join("client.rs"), code.to_string())?;
    Ok(())
}
