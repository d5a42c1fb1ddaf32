//! The port [`Effects`] of a deployment: each kind of request is passed to the module of its node type.

use std::sync::Arc;

use aws_config::SdkConfig;
use domain::network::PrivateNetworks;
use domain::ports::{CallContext, Connections, Effect, EffectError, Effects, Vault};
use domain::request::Request;

use crate::attempt::Attempt;
use crate::egress::lookup::SystemLookup;
use crate::http::client::{Client, ClientError};
use crate::llm::models::Models;
use crate::node::{http_request, http_sink, llm_step, service_call};
use crate::services::Services;
use crate::settings::Settings;

/// Performs the requests of nodes against real services and models.
#[derive(Debug)]
pub struct NodeEffects<C, V> {
    client: Client,
    models: Models,
    services: Services<C, V>,
}

impl<C: Connections + PrivateNetworks, V: Vault> NodeEffects<C, V> {
    /// Builds the clients, which keep connections and the trusted root certificates: once per process. The client of Bedrock is
    /// built only if the deployment has a model of Bedrock.
    ///
    /// Fails if the HTTP client cannot be built.
    pub fn new(settings: Settings, connections: C, vault: V, aws: &SdkConfig) -> Result<Self, ClientError> {
        Ok(Self {
            client: Client::new(settings.egress, Arc::new(SystemLookup))?,
            models: Models::new(settings.llm, aws),
            services: Services::new(connections, vault),
        })
    }

    /// Forgets what was read for the previous invocation. Call it when an invocation begins.
    pub fn begin_invocation(&self) {
        self.services.reset();
    }
}

impl<C: Connections + PrivateNetworks, V: Vault> Effects for NodeEffects<C, V> {
    async fn perform(&self, context: &CallContext, request: &Request) -> Result<Effect, EffectError> {
        let attempt = Attempt::begin(context);
        match request {
            Request::Llm(request) => llm_step::perform(&self.client, &self.services, &self.models, &attempt, request).await,
            Request::Service(request) => service_call::perform(&self.client, &self.services, &attempt, request).await,
            Request::Http(request) => http_request::perform(&self.client, &self.services.ports, &attempt, request).await,
            Request::Sink(request) => http_sink::perform(&self.client, &self.services.ports, &attempt, request).await,
        }
    }
}
