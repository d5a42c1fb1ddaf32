//! Flows: the head, which people name and activate, and the versioned spec that it points to.

mod check;
mod dependencies;
mod draft;
mod due;
mod edges;
mod exit;
mod graph;
mod head;
mod known_models;
mod label;
mod limits;
mod node;
mod object_reader;
mod raw;
mod read;
mod references;
mod spec;
mod trigger_draft;
mod version;

pub use crate::name::{BadName, NodeId, ServiceSlug, Slug};
pub use crate::trigger::{CronTrigger, FlowTrigger, TriggerType};
pub use dependencies::{Dependencies, Reviewers};
pub use draft::{Draft, MAX_BODY_BYTES};
pub use due::DueRun;
pub use exit::Exit;
pub use head::{Flow, FlowStatus};
pub use known_models::KnownModels;
pub use label::FlowLabel;
pub use limits::{MAX_GATES, MAX_NODES, MAX_SPEC_BYTES, MAX_TOOLS, MAX_WAIT_HOURS};
pub use node::{Approval, Decision, HttpRequest, HttpSink, LlmStep, Node, NodeKind, Retry, Route, ServiceCall, Tool, Wait, WebhookEmit};
pub use spec::{Edge, NodeIx, Spec};
pub use version::Version;
