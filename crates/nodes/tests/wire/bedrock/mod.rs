//! `llm_step` over Amazon Bedrock's Converse API.
//!
//! Nothing here was recorded from a live AWS account. The bodies, most of them in `bodies/`, follow the documentation of AWS, and
//! `tests/statemachine/test_converse_bodies.py` holds those against AWS's own model of the service:
//! - a text answer, its `usage` and `metrics`: API reference, `API_runtime_Converse` (response syntax), and the user guide's page
//!   "Using the Converse API";
//! - a tool call and its result: the user guide's page "Call a tool with the Converse API" (`top_song`, call sign WZPZ);
//! - values of `stopReason`: `API_runtime_Converse`, and the enum of the SDK's model for those that are newer;
//! - errors: the exceptions and statuses of `API_runtime_Converse`; the name in `x-amzn-errortype` and `{"message": …}` as the body
//!   are the AWS restJson1 protocol's. The messages are like those that users of Bedrock report for the exception.

mod answers;
mod chat;
mod failures;
mod signature;
mod tools;
