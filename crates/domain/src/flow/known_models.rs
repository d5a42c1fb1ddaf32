//! The models of a deployment, as far as they are known where flows are saved.

use std::collections::{BTreeMap, BTreeSet};
use std::str::FromStr;

use serde_json::Value;

use super::node::DEFAULT_MODEL;
use crate::problem::FieldErrors;

/// The model ids that flows may use: the names in the deployment's setting `LLM_MODELS`. The default is that they are not known, and then
/// no model is refused.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct KnownModels(Option<BTreeSet<String>>);

impl FromStr for KnownModels {
    type Err = serde_json::Error;

    /// Reads the setting, a JSON object from the ids to the provider's names. Fails if it is something else.
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let named: BTreeMap<String, String> = serde_json::from_str(text)?;
        Ok(Self(Some(named.into_keys().collect())))
    }
}

impl KnownModels {
    /// Returns the models of a spec that the deployment does not have, each at its path. It reads the spec as it was sent, so that these
    /// problems are reported together with those of a spec that cannot be read.
    pub(super) fn problems(&self, spec: &Value) -> FieldErrors {
        let mut errors = FieldErrors::new();
        let Some(known) = &self.0 else { return errors };
        let nodes = spec.get("nodes").and_then(Value::as_array).into_iter().flatten();
        for (at, node) in nodes.enumerate().filter(|(_, node)| node.get("type").is_some_and(|name| name == "llm_step")) {
            let model = match node.get("model") {
                None | Some(Value::Null) => DEFAULT_MODEL,
                Some(Value::String(model)) => model,
                // The reader of the spec reports what is no text.
                Some(_) => continue,
            };
            if !known.contains(model) {
                errors.add(format!("spec.nodes[{at}].model"), self.problem(model));
            }
        }
        errors
    }

    fn problem(&self, model: &str) -> String {
        let known: Vec<String> = self.0.iter().flatten().map(|id| format!("`{id}`")).collect();
        if known.is_empty() {
            return format!("there is no model `{model}`: this deployment has no models");
        }
        format!("there is no model `{model}` in this deployment; write one of {}", known.join(", "))
    }
}
