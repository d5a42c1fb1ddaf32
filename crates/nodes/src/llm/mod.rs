//! Conversations with language models: what they have in common, and the providers.

mod bedrock;
pub(crate) mod chat;
pub(crate) mod model_name;
pub(crate) mod models;
mod openai;
pub(crate) mod options;
pub(crate) mod schema;
pub(crate) mod tools;
