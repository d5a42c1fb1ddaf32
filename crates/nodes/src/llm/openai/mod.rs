//! The chat-completions protocol of OpenAI, which most model servers speak.

mod request;
mod response;

use std::collections::BTreeMap;

use domain::connection::Carrier;
use domain::ports::EffectError;
use secrecy::SecretString;
use url::Url;

use crate::attempt::Attempt;
use crate::http::client::{Client, NoPrivateNetworks, StepRequest};
use crate::http::credential::Credential;
use crate::llm::chat::{ChatRequest, Completion};

/// A model at a server that speaks the protocol.
#[derive(Debug)]
pub(crate) struct Model {
    url: Url,
    credential: Option<Credential>,
    name: String,
}

impl Model {
    /// The model that the server below `base` knows by this name.
    pub(crate) fn new(base: &Url, key: Option<SecretString>, name: String) -> Self {
        Self { url: endpoint(base), credential: key.map(|key| Credential::new(&Carrier::default(), key)), name }
    }

    /// Sends the conversation, once.
    pub(crate) async fn complete(
        &self,
        client: &Client,
        attempt: &Attempt<'_>,
        request: &ChatRequest<'_>,
    ) -> Result<Completion, EffectError> {
        let body = request::body(&self.url, &self.name, request);
        let (url, credential) = (self.url.clone(), self.credential.as_ref());
        let call = StepRequest { method: "POST", url, headers: &BTreeMap::new(), credential, body: Some(&body) };
        response::read(&client.send(&NoPrivateNetworks, attempt, call).await?, &self.name, request)
    }
}

fn endpoint(base: &Url) -> Url {
    let mut url = base.clone();
    url.set_path(&format!("{}/chat/completions", base.path().trim_end_matches('/')));
    url
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_endpoint_is_below_the_base_url() {
        for base in ["https://api.openai.com/v1", "https://api.openai.com/v1/"] {
            assert_eq!(endpoint(&base.parse().unwrap()).as_str(), "https://api.openai.com/v1/chat/completions");
        }
        assert_eq!(endpoint(&"https://llm.example".parse().unwrap()).path(), "/chat/completions");
    }
}
