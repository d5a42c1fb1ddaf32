//! The models of the deployment, each with the provider that serves it.

use std::collections::BTreeMap;

use aws_config::SdkConfig;
use domain::ports::EffectError;

use crate::attempt::Attempt;
use crate::failure::permanent;
use crate::http::client::Client;
use crate::llm::chat::{ChatRequest, Completion};
use crate::llm::model_name::ModelName;
use crate::llm::{bedrock, openai};
use crate::settings::LlmSettings;

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
        request: &ChatRequest<'_>,
    ) -> Result<Completion, EffectError> {
        match self {
            Self::OpenAi(model) => model.complete(client, attempt, request).await,
            Self::Bedrock(model) => model.complete(attempt, request).await,
        }
    }
}

/// The models by the ids that flows use.
#[derive(Debug)]
pub(crate) struct Models(BTreeMap<String, Model>);

impl Models {
    /// Builds the models. The client of Bedrock is built only if a model is Bedrock's.
    pub(crate) fn new(settings: LlmSettings, aws: &SdkConfig) -> Self {
        let LlmSettings { base_url, key, models, options } = settings;
        let mut shared = None;
        let served = models.into_iter().map(|(id, name)| {
            let model = match name {
                ModelName::OpenAi(name) => Model::OpenAi(openai::Model::new(&base_url, key.clone(), name, options.clone())),
                ModelName::Bedrock(name) => {
                    let client = shared.get_or_insert_with(|| bedrock::client(aws)).clone();
                    Model::Bedrock(bedrock::Model::new(client, name))
                }
            };
            (id, model)
        });
        Self(served.collect())
    }

    /// Returns the model with this id. Fails with the ids that exist if there is none.
    pub(crate) fn get(&self, id: &str) -> Result<&Model, EffectError> {
        self.0.get(id).ok_or_else(|| {
            let known: Vec<_> = self.0.keys().map(|id| format!("`{id}`")).collect();
            let known = if known.is_empty() { "none".to_owned() } else { known.join(", ") };
            permanent(format!("no model `{id}` in this deployment; the models it has: {known}"))
        })
    }
}
