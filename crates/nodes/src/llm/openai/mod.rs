//! The chat-completions protocol of OpenAI, which most model servers speak.

mod request;
mod response;

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

use domain::connection::Carrier;
use domain::ports::EffectError;
use secrecy::SecretString;
use url::Url;

use crate::attempt::Attempt;
use crate::http::client::{Client, NoPrivateNetworks, StepRequest};
use crate::http::credential::Credential;
use crate::http::response::ReceivedResponse;
use crate::llm::chat::{ChatRequest, Completion};
use crate::llm::options::{ChatOptions, Dialect};

/// The most requests in other forms that follow one that the server refuses because of a field.
const MAX_VARIANTS: usize = 4;

/// A model at a server that speaks the protocol.
#[derive(Debug)]
pub(crate) struct Model {
    url: Url,
    credential: Option<Credential>,
    name: String,
    options: ChatOptions,
    /// What the server's answers have taught this process about the model.
    dialect: Mutex<Dialect>,
}

impl Model {
    /// The model that the server below `base` knows by this name.
    pub(crate) fn new(base: &Url, key: Option<SecretString>, name: String, options: ChatOptions) -> Self {
        let credential = key.map(|key| Credential::new(&Carrier::default(), key));
        let dialect = Mutex::new(options.dialect);
        Self { url: endpoint(base), credential, name, options, dialect }
    }

    /// Sends the conversation. If the server refuses a field that other servers know, sends it again in another form, and remembers
    /// the form for as long as the process lives. The server has done nothing with a request that it refused.
    pub(crate) async fn complete(
        &self,
        client: &Client,
        attempt: &Attempt<'_>,
        request: &ChatRequest<'_>,
    ) -> Result<Completion, EffectError> {
        let mut tried = vec![*self.dialect.lock().unwrap_or_else(PoisonError::into_inner)];
        loop {
            let dialect = tried.last().copied().unwrap_or_default();
            let body = request::body(&self.options, dialect, &self.name, request);
            let variant = tried.len() - 1;
            let attempt = if variant == 0 { attempt.clone() } else { attempt.with_variant(&format!("v{}", variant + 1)) };
            let (url, credential) = (self.url.clone(), self.credential.as_ref());
            let call = StepRequest { method: "POST", url, headers: &BTreeMap::new(), credential, body: Some(&body) };
            let received = client.send(&NoPrivateNetworks, &attempt, call).await?;
            let next = refused_field(&received).and_then(|error| dialect.without_refused_field(&body, error));
            if let Some(next) = next.filter(|next| !tried.contains(next) && variant < MAX_VARIANTS) {
                tried.push(next);
            } else {
                if received.is_success() {
                    *self.dialect.lock().unwrap_or_else(PoisonError::into_inner) = dialect;
                }
                return response::read(&received, &self.name, request);
            }
        }
    }
}

/// The text of a response that may refuse a field.
fn refused_field(received: &ReceivedResponse) -> Option<&str> {
    if matches!(received.status, 400 | 422) { received.text().ok() } else { None }
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
