//! The models of the deployment, each with the provider that serves it.

use std::collections::BTreeMap;
use std::str::FromStr;

use aws_config::SdkConfig;
use domain::ports::EffectError;

use crate::attempt::Attempt;
use crate::chat::{Completion, Question};
use crate::failure::hopeless;
use crate::http::Client;
use crate::settings::LlmSettings;
use crate::{bedrock, openai};

/// What makes a value of `LLM_MODELS` a model of Bedrock.
const BEDROCK: &str = "bedrock:";
/// The most characters of a model id of Bedrock.
const LONGEST_ID: usize = 2048;

/// A model as its provider calls it: a value of `LLM_MODELS`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ModelName {
    /// A model of the server at `LLM_BASE_URL`.
    OpenAi(String),
    /// After `bedrock:`, the id or ARN of a foundation model or of an inference profile in Amazon Bedrock.
    Bedrock(String),
}

/// A value of `LLM_MODELS` names no model.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BadModel {
    /// It is blank.
    #[error("is empty; write the provider's name of a model, such as gpt-4o-mini")]
    Empty,
    /// What comes after `bedrock:` is not an id.
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

/// A model that can be asked.
#[derive(Debug)]
pub(crate) enum Model {
    OpenAi(openai::Model),
    Bedrock(bedrock::Model),
}

impl Model {
    /// Sends the conversation, once.
    pub(crate) async fn complete(
        &self,
        client: &Client,
        attempt: &Attempt<'_>,
        question: &Question<'_>,
    ) -> Result<Completion, EffectError> {
        match self {
            Self::OpenAi(model) => model.complete(client, attempt, question).await,
            Self::Bedrock(model) => model.complete(attempt, question).await,
        }
    }
}

/// The models by the ids that flows use.
#[derive(Debug)]
pub(crate) struct Models(BTreeMap<String, Model>);

impl Models {
    /// A deployment without a model of Bedrock's pays for no client of it.
    pub(crate) fn new(settings: LlmSettings, aws: &SdkConfig) -> Self {
        let LlmSettings { base_url, key, models } = settings;
        let mut shared = None;
        let served = models.into_iter().map(|(id, name)| {
            let model = match name {
                ModelName::OpenAi(name) => Model::OpenAi(openai::Model::new(&base_url, key.clone(), name)),
                ModelName::Bedrock(name) => {
                    let client = shared.get_or_insert_with(|| bedrock::client(aws)).clone();
                    Model::Bedrock(bedrock::Model::new(client, name))
                }
            };
            (id, model)
        });
        Self(served.collect())
    }

    /// The model that a flow asks for.
    pub(crate) fn get(&self, asked: &str) -> Result<&Model, EffectError> {
        self.0.get(asked).ok_or_else(|| {
            let known: Vec<_> = self.0.keys().map(|id| format!("`{id}`")).collect();
            let known = if known.is_empty() { "none".to_owned() } else { known.join(", ") };
            hopeless(format!("no model `{asked}` in this deployment; the models it has: {known}"))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_prefix_tells_the_provider() {
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
    fn what_names_no_model_is_refused() {
        for text in ["", "  "] {
            assert_eq!(text.parse::<ModelName>(), Err(BadModel::Empty));
        }
        let long = format!("bedrock:{}", "a".repeat(LONGEST_ID + 1));
        for text in ["bedrock:", "bedrock: anthropic.claude", "bedrock:a?b", "bedrock:ä", long.as_str()] {
            assert_eq!(text.parse::<ModelName>(), Err(BadModel::BedrockId), "{text}");
        }
    }
}
