//! Builders: effects that may call loopback, and the kinds of request.

use std::collections::BTreeMap;

use aws_config::{BehaviorVersion, Region, SdkConfig};
use aws_credential_types::Credentials;
use aws_credential_types::provider::SharedCredentialsProvider;
use domain::connection::Connection;
use domain::flow::ServiceSlug;
use domain::id::OrgId;
use domain::network::{PrivateNetworks, PrivateRange};
use domain::ports::{CallContext, Connections, Effect, EffectError, Effects, PortError};
use domain::request::{HttpCall, LlmRequest, Request, ServiceRequest};
use domain::time::Time;
use nodes::{NodeEffects, Settings};
use serde_json::Value;
use testkit::MemoryVault;
use testkit::build::Maker;

pub const TRACE: &str = "0af7651916cd43dd8448eb211c80319c";
pub const STEP: &str = "stp_01HXY0000000000000000000000";
pub const KEY: &str = "sk-very-secret";
pub const AWS_KEY: &str = "AKIDEXAMPLE";

const MODELS: &str = r#"{
    "quantum-ai:default": "gpt-4o-mini",
    "quantum-ai:large": "gpt-4o",
    "quantum-ai:claude": "bedrock:anthropic.claude-3-5-sonnet-20240620-v1:0"
}"#;

/// One connection of one organisation.
pub struct OneConnection {
    pub base_url: Result<String, fn() -> PortError>,
}

impl PrivateNetworks for OneConnection {
    async fn private_ranges(&self, _: &OrgId) -> Result<Vec<PrivateRange>, PortError> {
        Ok(Vec::new())
    }
}

impl Connections for OneConnection {
    async fn connection(&self, org: &OrgId, slug: &ServiceSlug) -> Result<Option<Connection>, PortError> {
        let base_url = self.base_url.clone().map_err(|error| error())?;
        let known = *org == organisation() && slug.to_string() == "custom:echo";
        Ok(known.then(|| Connection { base_url, key: None, ..Maker::new(1).connection(slug.as_str(), Time::from_millis(1)) }))
    }

    async fn note_use(&self, _: &OrgId, _: &Connection, _: Time) -> Result<(), PortError> {
        Ok(())
    }

    async fn note_health(&self, _: &OrgId, _: &Connection, _: Time) -> Result<(), PortError> {
        Ok(())
    }
}

pub fn organisation() -> OrgId {
    OrgId::new(Time::from_millis(1), 1)
}

pub fn context() -> CallContext {
    CallContext {
        covered: Vec::new(),
        org: organisation(),
        trace_id: TRACE.to_owned(),
        idempotency_key: STEP.to_owned(),
        timeout_seconds: 20,
    }
}

/// Effects whose only service and whose model providers are at `url`.
pub fn effects(url: &str, allow: &str) -> NodeEffects<OneConnection, MemoryVault> {
    effects_with(Ok(url.to_owned()), if allow.is_empty() { "https://llm.invalid/v1" } else { url }, allow)
}

pub fn effects_with(base_url: Result<String, fn() -> PortError>, llm: &str, allow: &str) -> NodeEffects<OneConnection, MemoryVault> {
    effects_of(OneConnection { base_url }, llm, allow)
}

/// Effects with these connections.
pub fn effects_of<C: Connections + PrivateNetworks>(connections: C, llm: &str, allow: &str) -> NodeEffects<C, MemoryVault> {
    build(connections, llm, allow, "")
}

/// Effects whose model server is asked with these `LLM_OPTIONS`.
pub fn effects_with_options(llm: &str, options: &str) -> NodeEffects<OneConnection, MemoryVault> {
    build(OneConnection { base_url: Ok(llm.to_owned()) }, llm, "loopback", options)
}

fn build<C: Connections + PrivateNetworks>(connections: C, llm: &str, allow: &str, options: &str) -> NodeEffects<C, MemoryVault> {
    let settings = Settings::read(|name| {
        let value = match name {
            "EGRESS_ALLOW" => allow,
            "LLM_BASE_URL" => llm,
            "LLM_API_KEY" => KEY,
            "LLM_MODELS" => MODELS,
            "LLM_OPTIONS" => options,
            other => panic!("{other} is not a setting"),
        };
        Some(value.to_owned())
    });
    NodeEffects::new(settings.unwrap(), connections, MemoryVault, &aws(llm)).unwrap()
}

/// An AWS configuration whose endpoints are all at `url`.
fn aws(url: &str) -> SdkConfig {
    SdkConfig::builder()
        .behavior_version(BehaviorVersion::latest())
        .region(Region::from_static("us-east-1"))
        .credentials_provider(SharedCredentialsProvider::new(Credentials::new(AWS_KEY, KEY, None, None, "test")))
        .http_client(aws_smithy_http_client::Builder::new().build_http())
        .endpoint_url(url)
        .build()
}

pub async fn perform(url: &str, request: Request) -> Result<Effect, EffectError> {
    effects(url, "loopback").perform(&context(), &request).await
}

pub fn http_request(method: &str, url: &str, headers: &[(&str, &str)], body: Option<Value>) -> Request {
    Request::Http(HttpCall { url: url.to_owned(), method: method.to_owned(), headers: texts(headers), body })
}

pub fn service_call(method: &str, path: &str, body: Option<Value>) -> Request {
    Request::Service(service_request(method, path, body))
}

pub fn service_request(method: &str, path: &str, body: Option<Value>) -> ServiceRequest {
    ServiceRequest {
        service: "custom:echo".parse().unwrap(),
        method: method.to_owned(),
        path: path.to_owned(),
        query: BTreeMap::new(),
        headers: BTreeMap::new(),
        body,
    }
}

pub fn llm(schema: Option<Value>) -> LlmRequest {
    LlmRequest {
        model: "quantum-ai:default".to_owned(),
        system_prompt: Some("Be brief.".to_owned()),
        user_prompt: "How much?".to_owned(),
        conversation: Vec::new(),
        output_schema: schema,
        tools: Vec::new(),
        temperature: None,
        max_tokens: None,
    }
}

pub fn texts(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
    pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
}
