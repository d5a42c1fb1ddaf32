//! What a node does to the world: it asks a language model, calls a registered service, calls a URL.
//!
//! Whatever a flow names leaves through one HTTP client, and through the egress guard that sits in it: what a flow may reach is
//! decided on the address that is connected to, not on the name in the URL. Amazon Bedrock is called through its SDK; where it is,
//! AWS and the deployment say, and no flow.

mod address;
mod attempt;
mod bedrock;
mod chat;
mod credential;
mod egress;
mod failure;
mod guard;
mod headers;
mod health;
mod http;
mod llm;
mod lookup;
mod models;
mod openai;
mod outbound;
mod received;
mod request;
mod schema;
mod service;
mod services;
mod settings;
mod tools;

use std::sync::Arc;

use aws_config::SdkConfig;
use domain::network::PrivateNetworks;
use domain::ports::{CallContext, Connections, Effect, EffectError, Effects, Vault};
use domain::request::Request;

use crate::attempt::Attempt;
use crate::http::Client;
use crate::models::Models;
use crate::services::Services;

pub use crate::egress::{BadEgress, Egress};
pub use crate::health::{Health, check_health};
pub use crate::http::ClientError;
pub use crate::lookup::{Looking, Lookup, SystemLookup};
pub use crate::models::{BadModel, ModelName};
pub use crate::outbound::{Outbound, OutboundError, OutboundRequest, OutboundResponse, UrlError};
pub use crate::settings::{LlmSettings, Settings, SettingsError};

/// The real world: the [`Effects`] of a deployment.
#[derive(Debug)]
pub struct World<C, V> {
    client: Client,
    models: Models,
    services: Services<C, V>,
}

impl<C: Connections + PrivateNetworks, V: Vault> World<C, V> {
    /// Builds the clients, once per process: they keep connections and the trusted roots. The one of Bedrock is built if a model
    /// of the deployment is Bedrock's.
    pub fn new(settings: Settings, connections: C, vault: V, aws: &SdkConfig) -> Result<Self, ClientError> {
        Ok(Self {
            client: Client::new(settings.egress, Arc::new(SystemLookup))?,
            models: Models::new(settings.llm, aws),
            services: Services::new(connections, vault),
        })
    }

    /// An invocation begins: what is read once for each of them is read anew.
    pub fn begin_invocation(&self) {
        self.services.begin();
    }
}

impl<C: Connections + PrivateNetworks, V: Vault> Effects for World<C, V> {
    async fn perform(&self, context: &CallContext, request: &Request) -> Result<Effect, EffectError> {
        let attempt = Attempt::begin(context);
        match request {
            Request::Llm(request) => llm::ask(&self.client, &self.services, &self.models, &attempt, request).await,
            Request::Service(request) => service::call(&self.client, &self.services, &attempt, request).await,
            Request::Http(request) => request::call(&self.client, &self.services.ports, &attempt, request).await,
            Request::Sink(request) => request::deliver(&self.client, &self.services.ports, &attempt, request).await,
        }
    }
}
