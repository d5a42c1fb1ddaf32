//! What a node does to the world: it asks a language model, calls a registered service, calls a URL.
//!
//! Everything leaves through one HTTP client, and through the egress guard that sits in it: what a flow may reach is decided on
//! the address that is connected to, not on the name in the URL.

mod address;
mod attempt;
mod chat;
mod egress;
mod failure;
mod headers;
mod http;
mod llm;
mod openai;
mod received;
mod request;
mod schema;
mod service;
mod settings;
mod tools;

use domain::ports::{CallContext, Connections, Effect, EffectError, Effects};
use domain::request::Request;

use crate::attempt::Attempt;
use crate::http::Client;

pub use crate::egress::{BadEgress, Egress};
pub use crate::http::ClientError;
pub use crate::settings::{LlmSettings, Secret, Settings, SettingsError};

/// The real world: the [`Effects`] of a deployment.
#[derive(Debug)]
pub struct World<C> {
    client: Client,
    llm: LlmSettings,
    connections: C,
}

impl<C: Connections> World<C> {
    /// Builds the HTTP client, once per process: it keeps connections and the trusted roots.
    pub fn new(settings: Settings, connections: C) -> Result<Self, ClientError> {
        Ok(Self { client: Client::new(settings.egress)?, llm: settings.llm, connections })
    }
}

impl<C: Connections> Effects for World<C> {
    async fn perform(&self, context: &CallContext, request: &Request) -> Result<Effect, EffectError> {
        let attempt = Attempt::begin(context);
        match request {
            Request::Llm(request) => llm::ask(&self.client, &self.connections, &self.llm, &attempt, request).await,
            Request::Service(request) => service::call(&self.client, &self.connections, &attempt, request).await,
            Request::Http(request) => request::call(&self.client, &attempt, request).await,
            Request::Sink(request) => request::deliver(&self.client, &attempt, request).await,
        }
    }
}
