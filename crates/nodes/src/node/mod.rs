//! One module for each node type that sends a request, named after the type.

pub(crate) mod http_request;
pub(crate) mod http_sink;
pub(crate) mod llm_step;
pub(crate) mod service_call;
