//! Flows: the head that people name and switch on, and the versioned spec it points to.

mod draft;
mod fields;
mod graph;
mod label;
mod node;
mod parse;
mod spec;

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

pub use crate::trigger::{CronTrigger, DueRun, FlowTrigger, TriggerType};
pub use draft::{Draft, MAX_BODY_BYTES};
pub(crate) use fields::Fields;
pub use graph::Edge;
pub use label::FlowLabel;
pub use node::{Approval, Decision, HttpRequest, HttpSink, LlmStep, Node, NodeKind, Retry, Route, ServiceCall, Tool, Wait, WebhookEmit};
pub use spec::{NodeIx, Spec};

use crate::id::{FlowId, OrgId};
use crate::time::Time;

/// The most nodes a flow may have.
pub const MAX_NODES: usize = 200;
/// The most approvals a flow may have: a run that ends closes its gates in one transaction, which DynamoDB limits to 100 items.
pub const MAX_GATES: usize = 90;
/// The longest wait, for a clock or for a person, in hours: it keeps an execution below Step Functions' limit of a year.
pub const MAX_WAIT_HOURS: u32 = 8_000;
/// The most tools one `llm_step` may offer its model.
pub const MAX_TOOLS: usize = 20;
/// The most bytes of JSON a spec may have.
pub const MAX_SPEC_BYTES: usize = 1_000_000;

macro_rules! names {
    ($(#[$doc:meta])* $name:ident, $max:literal, $allowed:expr, $rule:literal) => {
        $(#[$doc])*
        #[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(try_from = "String", into = "String")]
        pub struct $name(String);

        impl $name {
            /// The text of it.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl FromStr for $name {
            type Err = BadName;
            fn from_str(text: &str) -> Result<Self, BadName> {
                let allowed: fn(char) -> bool = $allowed;
                let fits = !text.is_empty() && text.len() <= $max && text.chars().all(allowed);
                if fits { Ok(Self(text.to_owned())) } else { Err(BadName($rule)) }
            }
        }

        impl TryFrom<String> for $name {
            type Error = BadName;
            fn try_from(text: String) -> Result<Self, BadName> {
                text.parse()
            }
        }

        impl From<$name> for String {
            fn from(name: $name) -> Self {
                name.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }
    };
}

/// The text does not follow the rule for such a name.
#[derive(Debug, Clone, thiserror::Error, PartialEq, Eq)]
#[error("must be {0}")]
pub struct BadName(&'static str);

names!(
    /// A node's name within its flow. `@` is for the engine: no node of a spec may have it.
    NodeId, 64, |c| c.is_ascii_alphanumeric() || c == '_' || c == '-' || c == '@', "1 to 64 letters, digits, `_` or `-`"
);

impl NodeId {
    /// The node that a spec with `output` ends with: it makes the run's output of what the others put out.
    pub fn run_output() -> Self {
        Self("@output".to_owned())
    }

    /// Whether the engine brought the node, so that no spec names it and no list of steps shows it.
    pub fn is_internal(&self) -> bool {
        self.0.contains('@')
    }
}
names!(
    /// A flow's name within its organisation, as it stands in URLs.
    Slug, 64, |c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-', "1 to 64 lower-case letters, digits or `-`"
);
names!(
    /// A service connection's name within its organisation, e.g. `aml` or `custom:crm`.
    ServiceSlug, 64, |c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-' || c == ':', "1 to 64 lower-case letters, digits or `-`, after `custom:` if it is your own"
);

macro_rules! word_enum {
    ($(#[$doc:meta])* $name:ident { $($(#[$vdoc:meta])* $variant:ident = $word:literal),* $(,)? }) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum $name { $($(#[$vdoc])* $variant),* }

        impl $name {
            /// Every one of them.
            pub const ALL: &'static [Self] = &[$(Self::$variant),*];

            /// Its name in the contract.
            pub fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $word),* }
            }

            /// The one with that name.
            pub fn from_name(text: &str) -> Option<Self> {
                Self::ALL.iter().copied().find(|one| one.as_str() == text)
            }
        }

        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str(self.as_str())
            }
        }

        impl serde::Serialize for $name {
            fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.serialize_str(self.as_str())
            }
        }
    };
}
pub(crate) use word_enum;

word_enum!(
    /// Whether a flow can be run.
    FlowStatus {
        /// It runs.
        Active = "active",
        /// It is being written.
        Draft = "draft",
        /// It is switched off for now.
        Paused = "paused",
    }
);

/// The head of a flow: everything but the spec.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Flow {
    /// Its id.
    pub id: FlowId,
    /// Whose it is.
    pub org: OrgId,
    /// Its name in URLs; never changes.
    pub slug: Slug,
    /// What people call it.
    pub name: String,
    /// What it is for.
    pub description: String,
    /// Whether it can be run.
    pub status: FlowStatus,
    /// What starts its runs.
    pub trigger: FlowTrigger,
    /// The newest version of its spec; versions count from 1.
    pub version: u32,
    /// When it was created.
    pub created_at: Time,
    /// When the head or the spec last changed.
    pub updated_at: Time,
}

impl Flow {
    /// Returns the name and the description of the flow.
    pub fn label(&self) -> FlowLabel {
        FlowLabel { name: self.name.clone(), description: self.description.clone() }
    }
}

/// One immutable version of a flow's spec, with the names the flow had then: what a run points to.
#[derive(Debug, Clone, PartialEq)]
pub struct Version {
    /// The flow.
    pub flow: FlowId,
    /// Whose it is.
    pub org: OrgId,
    /// Counts from 1.
    pub number: u32,
    /// The slug of the flow.
    pub slug: Slug,
    /// The name the flow had when the version was saved.
    pub name: String,
    /// The spec as it was sent, valid by [`Spec::parse`].
    pub spec: serde_json::Value,
    /// When it was saved.
    pub created_at: Time,
}
