//! The names of models in `LLM_MODELS`, each of which says which provider serves the model.

use std::str::FromStr;

/// The prefix of a value of `LLM_MODELS` that makes it a model of Bedrock.
const BEDROCK: &str = "bedrock:";
/// The most characters that a model id of Bedrock may have.
const LONGEST_ID: usize = 2048;

/// The name by which a provider knows a model: a value of `LLM_MODELS`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ModelName {
    /// A model of the server at `LLM_BASE_URL`.
    OpenAi(String),
    /// What follows `bedrock:`, the id or ARN of a foundation model or of an inference profile in Amazon Bedrock.
    Bedrock(String),
}

/// A value of `LLM_MODELS` does not name a model.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BadModel {
    /// It is blank.
    #[error("is empty; write the provider's name of a model, such as gpt-4o-mini")]
    Empty,
    /// What follows `bedrock:` is not an id.
    #[error(
        "is not `bedrock:` and the id or ARN of a model or inference profile, such as bedrock:anthropic.claude-3-5-sonnet-20240620-v1:0"
    )]
    BedrockId,
}

impl FromStr for ModelName {
    type Err = BadModel;

    fn from_str(text: &str) -> Result<Self, BadModel> {
        let text = text.trim();
        if text.is_empty() {
            return Err(BadModel::Empty);
        }
        let Some(id) = text.strip_prefix(BEDROCK) else {
            return Ok(Self::OpenAi(text.to_owned()));
        };
        let fits = |c: char| c.is_ascii_alphanumeric() || "-_.:/".contains(c);
        let usable = (1..=LONGEST_ID).contains(&id.len()) && id.chars().all(fits);
        if usable { Ok(Self::Bedrock(id.to_owned())) } else { Err(BadModel::BedrockId) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_prefix_decides_the_provider() {
        for id in [
            "anthropic.claude-3-5-sonnet-20240620-v1:0",
            "us.amazon.nova-pro-v1:0",
            "arn:aws:bedrock:eu-west-1:123456789012:application-inference-profile/a1b2c3d4e5f6",
        ] {
            assert_eq!(format!(" bedrock:{id} ").parse(), Ok(ModelName::Bedrock(id.to_owned())));
        }
        for name in ["gpt-4o-mini", "llama3.1:8b", "bedrock/anthropic.claude", "my bedrock:model"] {
            assert_eq!(name.parse(), Ok(ModelName::OpenAi(name.to_owned())));
        }
    }

    #[test]
    fn a_value_that_does_not_name_a_model_is_refused() {
        for text in ["", "  "] {
            assert_eq!(text.parse::<ModelName>(), Err(BadModel::Empty));
        }
        let long = format!("bedrock:{}", "a".repeat(LONGEST_ID + 1));
        for text in ["bedrock:", "bedrock: anthropic.claude", "bedrock:a?b", "bedrock:ä", long.as_str()] {
            assert_eq!(text.parse::<ModelName>(), Err(BadModel::BedrockId), "{text}");
        }
    }
}
