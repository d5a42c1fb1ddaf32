//! The settings in the environment, read once at the start: a wrong one stops the process with a sentence that names it, instead of
//! failing steps.

use std::collections::BTreeMap;

use secrecy::SecretString;
use url::Url;

use crate::egress::policy::{BadEgress, Egress, EgressDenial};
use crate::llm::model_name::{BadModel, ModelName};
use crate::llm::options::ChatOptions;

/// The settings of [`NodeEffects`](crate::NodeEffects).
#[derive(Debug, Clone)]
pub struct Settings {
    /// What flows may call (`EGRESS_ALLOW`).
    pub egress: Egress,
    /// The language models.
    pub llm: LlmSettings,
}

/// The language model providers of the deployment.
#[derive(Debug, Clone)]
pub struct LlmSettings {
    /// The base URL of an OpenAI-compatible API (`LLM_BASE_URL`); `/chat/completions` is appended.
    pub base_url: Url,
    /// The key of that API (`LLM_API_KEY`); a local server needs none.
    pub key: Option<SecretString>,
    /// The model ids of flows, and the provider's model that each stands for (`LLM_MODELS`).
    pub models: BTreeMap<String, ModelName>,
    /// How the API at `base_url` is asked (`LLM_OPTIONS`); the default suits most servers.
    pub options: ChatOptions,
}

/// A setting is missing or wrong.
#[derive(Debug, thiserror::Error)]
pub enum SettingsError {
    /// A setting without a default is not set.
    #[error("environment variable `{0}` is not set")]
    Missing(&'static str),
    /// The provider's URL cannot be used.
    #[error("environment variable `LLM_BASE_URL` must be a URL such as https://api.openai.com/v1, without user info, query or fragment")]
    BaseUrl,
    /// The egress guard forbids the provider's URL.
    #[error("environment variable `LLM_BASE_URL`: {0} (plain http to loopback needs `EGRESS_ALLOW=loopback`)")]
    Forbidden(String),
    /// The key cannot be sent.
    #[error("environment variable `LLM_API_KEY` has characters that cannot stand in a header; is it copied with a line break?")]
    Key,
    /// The map of models cannot be read.
    #[error(r#"environment variable `LLM_MODELS` must be a JSON object such as {{"quantum-ai:default":"gpt-4o-mini"}}: {0}"#)]
    Models(#[source] serde_json::Error),
    /// A value of the map does not name a model.
    #[error("environment variable `LLM_MODELS`: the value of `{0}` {1}")]
    Model(String, #[source] BadModel),
    /// The options of requests cannot be read.
    #[error(r#"environment variable `LLM_OPTIONS` must be a JSON object such as {{"tokenLimit":"max_completion_tokens"}}: {0}"#)]
    Options(String),
    /// `EGRESS_ALLOW` has an unknown word.
    #[error("environment variable `EGRESS_ALLOW`: {0}")]
    Egress(#[from] BadEgress),
}

impl From<EgressDenial> for SettingsError {
    fn from(refused: EgressDenial) -> Self {
        Self::Forbidden(refused.to_string())
    }
}

impl Settings {
    /// Reads the environment of the process. Fails with the first setting that is missing or wrong.
    pub fn from_env() -> Result<Self, SettingsError> {
        Self::read(|name| std::env::var(name).ok())
    }

    /// Reads settings by name. An empty value counts as missing, because a template cannot leave a variable out.
    pub fn read(value: impl Fn(&str) -> Option<String>) -> Result<Self, SettingsError> {
        let optional = |name| value(name).map(|text| text.trim().to_owned()).filter(|text| !text.is_empty());
        let required = |name| optional(name).ok_or(SettingsError::Missing(name));
        let egress: Egress = optional("EGRESS_ALLOW").unwrap_or_default().parse()?;
        let base_url: Url = required("LLM_BASE_URL")?.parse().map_err(|_| SettingsError::BaseUrl)?;
        let bare = base_url.username().is_empty() && base_url.password().is_none() && base_url.query().is_none();
        if !bare || base_url.fragment().is_some() {
            return Err(SettingsError::BaseUrl);
        }
        egress.check(&base_url, &[])?;
        let key = optional("LLM_API_KEY");
        if key.as_ref().is_some_and(|key| !key.bytes().all(|byte| byte.is_ascii_graphic())) {
            return Err(SettingsError::Key);
        }
        let named: BTreeMap<String, String> = serde_json::from_str(&required("LLM_MODELS")?).map_err(SettingsError::Models)?;
        let models = named.into_iter().map(|(id, name)| match name.parse() {
            Ok(model) => Ok((id, model)),
            Err(why) => Err(SettingsError::Model(id, why)),
        });
        let models = models.collect::<Result<_, _>>()?;
        let options = ChatOptions::parse(optional("LLM_OPTIONS").as_deref().unwrap_or("{}")).map_err(SettingsError::Options)?;
        Ok(Self { egress, llm: LlmSettings { base_url, key: key.map(SecretString::from), models, options } })
    }
}

#[cfg(test)]
mod tests {
    use secrecy::ExposeSecret;

    use super::*;

    const GOOD: [(&str, &str); 4] = [
        ("EGRESS_ALLOW", ""),
        ("LLM_BASE_URL", "https://api.openai.com/v1"),
        ("LLM_API_KEY", "sk-secret"),
        ("LLM_MODELS", r#"{"quantum-ai:default":"gpt-4o-mini"}"#),
    ];

    fn read(changes: &[(&str, &str)]) -> Result<Settings, String> {
        let all: BTreeMap<_, _> = GOOD.iter().chain(changes).copied().collect();
        Settings::read(|name| all.get(name).map(|value| (*value).to_owned())).map_err(|error| error.to_string())
    }

    #[test]
    fn good_settings_are_read_and_debug_output_hides_the_key() {
        let settings = read(&[]).unwrap();
        assert_eq!(settings.egress, Egress::default());
        assert_eq!(settings.llm.models["quantum-ai:default"], ModelName::OpenAi("gpt-4o-mini".to_owned()));
        assert_eq!(settings.llm.key.as_ref().unwrap().expose_secret(), "sk-secret");
        assert!(!format!("{settings:?}").contains("sk-secret"));
        assert!(read(&[("LLM_API_KEY", "")]).unwrap().llm.key.is_none());
    }

    #[test]
    fn the_error_names_a_wrong_setting_and_not_its_value() {
        for (name, value, says) in [
            ("LLM_BASE_URL", "", "`LLM_BASE_URL` is not set"),
            ("LLM_BASE_URL", "api.openai.com", "must be a URL"),
            ("LLM_BASE_URL", "https://ada:sk-secret@api.openai.com/v1", "without user info"),
            ("LLM_BASE_URL", "http://api.example.com/v1", "https only"),
            ("LLM_BASE_URL", "http://127.0.0.1:4567/v1", "EGRESS_ALLOW=loopback"),
            ("LLM_BASE_URL", "https://10.0.0.1/v1", "private"),
            ("LLM_API_KEY", "sk\nsecret", "line break"),
            ("LLM_MODELS", "", "`LLM_MODELS` is not set"),
            ("LLM_MODELS", "gpt-4o", "`LLM_MODELS` must be a JSON object"),
            ("LLM_MODELS", r#"{"a":1}"#, "`LLM_MODELS` must be a JSON object"),
            ("LLM_MODELS", r#"{"a":"gpt-4o","b":" "}"#, "`LLM_MODELS`: the value of `b` is empty"),
            ("LLM_MODELS", r#"{"a":"gpt-4o","b":"bedrock:"}"#, "`LLM_MODELS`: the value of `b` is not `bedrock:` and the id or ARN"),
            ("LLM_OPTIONS", r#"{"tokenLimit":7}"#, "`LLM_OPTIONS` must be a JSON object"),
            ("EGRESS_ALLOW", "private", "`EGRESS_ALLOW`: `private`"),
        ] {
            let error = read(&[(name, value)]).unwrap_err();
            assert!(error.contains(says) && !error.contains("secret"), "{name}={value}: {error}");
        }
        let local = read(&[("EGRESS_ALLOW", "loopback"), ("LLM_BASE_URL", "http://127.0.0.1:4567/v1")]);
        assert!(local.is_ok());
    }
}
