//! What a node does outside of the engine: it asks a language model, calls a registered service, or calls a URL.
//!
//! Everything that a flow names is sent by one HTTP client, through the egress guard inside it: what a flow may reach is decided
//! on the address that is connected to, not on the name in the URL. Amazon Bedrock is called through its SDK; AWS and the
//! deployment decide where it is, and no flow does.

mod attempt;
mod effects;
mod egress;
mod failure;
mod health;
mod http;
mod llm;
mod node;
mod outbound;
mod services;
mod settings;

pub use crate::effects::NodeEffects;
pub use crate::egress::lookup::{Lookup, LookupFuture, SystemLookup};
pub use crate::egress::policy::{BadEgress, Egress};
pub use crate::health::{Health, check_health};
pub use crate::http::client::ClientError;
pub use crate::llm::model_name::{BadModel, ModelName};
pub use crate::llm::options::{ChatOptions, Dialect, ResponseFormat, Temperature, TokenLimit};
pub use crate::outbound::{Outbound, OutboundError, OutboundRequest, OutboundResponse};
pub use crate::settings::{LlmSettings, Settings, SettingsError};
pub use ::egress::UrlError;
