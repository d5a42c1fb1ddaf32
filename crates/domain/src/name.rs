//! The names of flows, nodes and services.

/// The error for a text that does not follow the rule for such a name.
#[derive(Debug, Clone, thiserror::Error, PartialEq, Eq)]
#[error("must be {0}")]
pub struct BadName(&'static str);

text_newtype!(
    /// The name of a node within its flow. Names with `@` are reserved for the engine: no node of a spec may have one.
    NodeId, 64, |c| c.is_ascii_alphanumeric() || c == '_' || c == '-' || c == '@', "1 to 64 letters, digits, `_` or `-`"
);

text_newtype!(
    /// The name of a flow within its organisation, as URLs contain it.
    Slug, 64, |c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-', "1 to 64 lower-case letters, digits or `-`"
);

text_newtype!(
    /// The name of a service connection within its organisation, such as `aml` or `custom:crm`.
    ServiceSlug, 64, |c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-' || c == ':', "1 to 64 lower-case letters, digits or `-`, after `custom:` if it is your own"
);

impl NodeId {
    /// Returns the name of the node that ends a flow with `output`: it makes the output of the run from those of the other nodes.
    pub fn run_output() -> Self {
        Self("@output".to_owned())
    }

    /// Returns whether the engine added the node. No spec names such a node and no list of steps shows it.
    pub fn is_internal(&self) -> bool {
        self.0.contains('@')
    }
}
